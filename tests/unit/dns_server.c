/* dns_server.c - one packet in, at most one out; slow answers wait on a timer of their own. */
#include "dns_server.h"

#include <stdlib.h>
#include <time.h>

#include "dns_kit.h"
#include "test.h"

enum { QUESTION_MAX = 512, TCP_CLIENTS = 4 };

struct tcp_client {
    uv_tcp_t tcp;
    struct dns_server *server;
    size_t len;
    char octets[QUESTION_MAX + 2];
};

struct send { /* an answer on its way */
    uv_udp_send_t udp;
    uv_write_t tcp;
    uv_timer_t timer;
    struct dns_server *server;
    struct sockaddr_storage to;
    char *octets;
    size_t len;
};

static struct dns_packet answer;

/* ---- the question ---- */

/* Its name as text; the octets of the question section behind the name's beginning. */
static size_t read_question(struct dns_server *server, const unsigned char *octets, size_t len)
{
    size_t at = 12, out = 0;
    while (at < len && octets[at] != 0 && at + octets[at] < len) {
        if (out > 0)
            server->last_name[out++] = '.';
        memcpy(server->last_name + out, octets + at + 1, octets[at]);
        out += octets[at];
        at += octets[at] + 1u;
    }
    server->last_name[out] = '\0';
    server->last_type = at + 3 <= len ? (unsigned)octets[at + 1] << 8 | octets[at + 2] : 0;
    return at + 5;
}

static const struct dns_line *find_line(const struct dns_server *server, bool *out_exists)
{
    *out_exists = false;
    for (size_t i = 0; i < server->line_count; i++) {
        const struct dns_line *line = &server->lines[i];
        if (strcmp(line->name, server->last_name) != 0)
            continue;
        *out_exists = true;
        if (line->type == server->last_type || line->type == DNS_TYPE_CNAME)
            return line;
    }
    return NULL;
}

/* ---- the answer ---- */

static void add_text(const struct dns_line *line, const char *text)
{
    unsigned char len = (unsigned char)strlen(text);
    dns_rr(&answer, DNS_ANSWER, line->name, MW_DNS_TXT, line->ttl_s);
    dns_octets(&answer, &len, 1);
    dns_octets(&answer, text, len);
    dns_rr_end(&answer);
}

static void add_records(const struct dns_line *line)
{
    for (size_t i = 0; i < SERVER_LINE_DATA && line->data[i] != NULL; i++) {
        const char *data = line->data[i];
        if (line->type == MW_DNS_A)
            dns_a(&answer, line->name, line->ttl_s, data);
        else if (line->type == MW_DNS_AAAA)
            dns_aaaa(&answer, line->name, line->ttl_s, data);
        else if (line->type == MW_DNS_MX)
            dns_mx(&answer, line->name, line->ttl_s, 10, data);
        else if (line->type == MW_DNS_TXT)
            add_text(line, data);
        else
            dns_named(&answer, line->name, line->type, line->ttl_s, data);
    }
}

static unsigned flags_of(enum dns_fault fault, bool exists, bool is_tcp, bool has_edns)
{
    bool is_cut = fault == FAULT_TRUNCATED || fault == FAULT_TRUNCATED_MUTE ||
                  fault == FAULT_TRUNCATED_TWICE;
    if (fault == FAULT_SERVFAIL)
        return DNS_SERVFAIL;
    if (fault == FAULT_REFUSED)
        return DNS_REFUSED;
    if (fault == FAULT_NO_EDNS && has_edns)
        return DNS_FORMERR;
    if (is_cut && (!is_tcp || fault == FAULT_TRUNCATED_TWICE))
        return DNS_TRUNCATED;
    return exists && fault != FAULT_NO_SOA ? DNS_RESPONSE : DNS_NXDOMAIN;
}

/* Put the answer together; false: there is none. */
static bool make_answer(struct dns_server *server, const unsigned char *octets, size_t len,
                        bool is_tcp, enum dns_fault *out_fault)
{
    bool exists;
    read_question(server, octets, len);
    server->asked++;
    server->asked_tcp += is_tcp;
    const struct dns_line *line = find_line(server, &exists);
    enum dns_fault fault = line == NULL ? FAULT_NONE : line->fault;
    *out_fault = fault;
    if (fault == FAULT_MUTE || (fault == FAULT_DEAF_ONCE && server->asked == 1) ||
        (fault == FAULT_TRUNCATED_MUTE && is_tcp))
        return false;
    unsigned flags = flags_of(fault, exists, is_tcp, octets[11] > 0);
    dns_begin(&answer, flags, fault == FAULT_WRONG_QUESTION ? "wrong.test" : server->last_name,
              server->last_type);
    answer.octets[0] = octets[0];
    answer.octets[1] = octets[1];
    if (flags == DNS_RESPONSE && line != NULL)
        add_records(line);
    else if (fault != FAULT_NO_SOA)
        dns_soa(&answer, "test", 60, 60);
    if (fault == FAULT_LOOP)
        dns_named(&answer, line->name, DNS_TYPE_CNAME, 60, line->name);
    if (fault == FAULT_WRONG_ID)
        answer.octets[0] ^= 0xff;
    if (fault == FAULT_SHORT)
        answer.len--;
    for (size_t i = 2; fault == FAULT_GARBAGE && i < answer.len; i++)
        answer.octets[i] = (unsigned char)(i * 151);
    return true;
}

/* ---- UDP ---- */

static void free_send(uv_handle_t *timer)
{
    struct send *send = timer->data;
    free(send->octets);
    free(send);
}

static void on_sent(uv_udp_send_t *udp, int status)
{
    struct send *send = udp->data;
    (void)status;
    uv_close((uv_handle_t *)&send->timer, free_send);
}

static void send_now(uv_timer_t *timer)
{
    struct send *send = timer->data;
    uv_buf_t buf = uv_buf_init(send->octets, (unsigned)send->len);
    if (uv_is_closing((uv_handle_t *)&send->server->udp) ||
        uv_udp_send(&send->udp, &send->server->udp, &buf, 1, (struct sockaddr *)&send->to,
                    on_sent) != 0)
        uv_close((uv_handle_t *)timer, free_send);
}

static struct send *new_send(struct dns_server *server, size_t head)
{
    struct send *send = calloc(1, sizeof *send);
    send->server = server;
    send->len = answer.len + head;
    send->octets = malloc(send->len);
    memcpy(send->octets + head, answer.octets, answer.len);
    send->udp.data = send->timer.data = send->tcp.data = send;
    uv_timer_init(server->udp.loop, &send->timer);
    return send;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char room[65536];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(room, sizeof room);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    enum dns_fault fault;
    (void)flags;
    if (len < 12 || from == NULL ||
        !make_answer(udp->data, (const unsigned char *)buf->base, (size_t)len, false, &fault))
        return;
    struct send *send = new_send(udp->data, 0);
    memcpy(&send->to, from, sizeof(struct sockaddr_in));
    uv_timer_start(&send->timer, send_now, fault == FAULT_SLOW ? SERVER_SLOW_MS : 0, 0);
}

/* ---- TCP ---- */

static void free_client(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_written(uv_write_t *write, int status)
{
    struct send *send = write->data;
    (void)status;
    uv_close((uv_handle_t *)&send->timer, free_send);
}

static void on_stream(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct tcp_client *client = stream->data;
    enum dns_fault fault;
    if (len < 0 || client->len + (size_t)len > sizeof client->octets) {
        uv_close((uv_handle_t *)stream, free_client);
        return;
    }
    memcpy(client->octets + client->len, buf->base, (size_t)len);
    client->len += (size_t)len;
    size_t want = client->len < 2 ? SIZE_MAX
                                  : 2 + ((size_t)(unsigned char)client->octets[0] << 8 |
                                         (unsigned char)client->octets[1]);
    if (client->len < want)
        return;
    client->len = 0;
    if (!make_answer(client->server, (unsigned char *)client->octets + 2, want - 2, true, &fault))
        return;
    struct send *send = new_send(client->server, 2);
    send->octets[0] = (char)(answer.len >> 8);
    send->octets[1] = (char)answer.len;
    uv_buf_t out = uv_buf_init(send->octets, (unsigned)send->len);
    if (uv_write(&send->tcp, stream, &out, 1, on_written) != 0)
        uv_close((uv_handle_t *)&send->timer, free_send);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct tcp_client *client = calloc(1, sizeof *client);
    (void)status;
    client->server = listener->data;
    client->tcp.data = client;
    uv_tcp_init(listener->loop, &client->tcp);
    uv_accept(listener, (uv_stream_t *)&client->tcp);
    uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_stream);
}

/* ---- the world ---- */

/* UDP takes any port, TCP the same one; other programs may have it, so again. */
static bool open_server(struct dns_server *server, uv_loop_t *loop)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        struct sockaddr_in address;
        int len = sizeof address;
        uv_ip4_addr("127.0.0.1", 0, &address);
        uv_udp_init(loop, &server->udp);
        uv_tcp_init(loop, &server->tcp);
        server->udp.data = server->tcp.data = server;
        if (uv_udp_bind(&server->udp, (struct sockaddr *)&address, 0) == 0 &&
            uv_udp_getsockname(&server->udp, (struct sockaddr *)&address, &len) == 0 &&
            uv_tcp_bind(&server->tcp, (struct sockaddr *)&address, 0) == 0 &&
            uv_listen((uv_stream_t *)&server->tcp, TCP_CLIENTS, on_connection) == 0) {
            mw_inet_from_sockaddr((struct sockaddr *)&address, &server->endpoint.address,
                                  &server->endpoint.port);
            return uv_udp_recv_start(&server->udp, on_alloc, on_datagram) == 0;
        }
        uv_close((uv_handle_t *)&server->udp, NULL);
        uv_close((uv_handle_t *)&server->tcp, NULL);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    return false;
}

bool dns_world_open(struct dns_world *world, const struct dns_line *lines, size_t line_count,
                    uint64_t timeout_ms, uint32_t attempts, uint32_t cache_entries)
{
    char text[80];
    *world = (struct dns_world){.server = {.lines = lines, .line_count = line_count}};
    uv_loop_init(&world->loop);
    mw_net_init(&world->net, &world->loop);
    uv_timer_init(&world->loop, &world->patience);
    uv_timer_init(&world->loop, &world->pulse);
    if (!open_server(&world->server, &world->loop))
        return false;
    struct mw_resolver_config config = {.servers = &world->server.endpoint,
                                        .server_count = 1,
                                        .timeout_ms = timeout_ms,
                                        .attempts = attempts,
                                        .cache_entries = cache_entries};
    world->resolver = mw_resolver_new(&world->net, &config, text, sizeof text);
    return world->resolver != NULL;
}

/* An answer whose timer has rung is in libuv's hands: on_sent() or on_written() comes when its socket
 * is closed, and ends it. */
static void close_handle(uv_handle_t *handle, void *user)
{
    const struct dns_world *world = user;
    bool is_send = handle->type == UV_TIMER && handle->data != NULL;
    if (uv_is_closing(handle) || (is_send && !uv_is_active(handle)))
        return;
    if (handle->type == UV_TCP && handle != (const uv_handle_t *)&world->server.tcp)
        uv_close(handle, free_client);
    else if (is_send)
        uv_close(handle, free_send);
    else
        uv_close(handle, NULL);
}

bool dns_world_close(struct dns_world *world)
{
    mw_resolver_free(&world->resolver);
    dns_turn(world, NULL, 0, 1); /* the resolver's handles are gone; what is left is ours */
    uv_walk(&world->loop, close_handle, world);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    mw_net_fini(&world->net);
    return uv_loop_close(&world->loop) == 0;
}

static void on_patience(uv_timer_t *timer)
{
    uv_timer_stop(timer);
}

/* ---- turning ---- */

static void on_pulse(uv_timer_t *timer)
{
    (void)timer;
}

static uint64_t cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One turn of the loop takes PULSE_MS and what it works; what is beyond has gone to others. */
static void turn_once(struct dns_world *world)
{
    enum { PULSE_MS = 10, ROUNDED_MS = 2 };
    uint64_t began_ms = uv_hrtime() / 1000000, worked_ms = cpu_ms();
    uv_timer_start(&world->pulse, on_pulse, PULSE_MS, 0);
    uv_run(&world->loop, UV_RUN_ONCE);
    uint64_t took_ms = uv_hrtime() / 1000000 - began_ms;
    worked_ms = cpu_ms() - worked_ms + PULSE_MS + ROUNDED_MS;
    uint64_t stall_ms = took_ms > worked_ms ? took_ms - worked_ms : 0;
    world->stalled_ms += stall_ms;
    if (stall_ms > world->longest_stall_ms)
        world->longest_stall_ms = stall_ms;
}

void dns_stall_forget(struct dns_world *world)
{
    world->stalled_ms = world->longest_stall_ms = 0;
}

void dns_turn(struct dns_world *world, const int *counter, int want, uint64_t ms)
{
    uv_update_time(&world->loop);
    uv_timer_start(&world->patience, on_patience, ms, 0);
    while (uv_is_active((uv_handle_t *)&world->patience) && (counter == NULL || *counter < want))
        turn_once(world);
    uv_timer_stop(&world->patience);
    uv_timer_stop(&world->pulse);
}

void dns_on_records(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                    size_t count)
{
    struct dns_result *result = user;
    size_t len = 0;
    result->calls++;
    result->status = status;
    result->count = count;
    result->at_ms = result->loop == NULL ? 0 : uv_now(result->loop);
    result->text[0] = '\0';
    if (count > 0) {
        result->address = records[0].address;
        result->preference = records[0].preference;
    }
    for (size_t i = 0; i < count && len + records[i].octets.len + 2 < sizeof result->text; i++)
        len += (size_t)snprintf(result->text + len, sizeof result->text - len, "%s%.*s",
                                i > 0 ? "," : "", (int)records[i].octets.len,
                                records[i].octets.ptr);
}

void dns_on_name(void *user, enum mw_dns_status status, struct mw_slice name,
                 struct mw_slice reverse)
{
    (void)reverse;
    struct dns_result *result = user;
    result->calls++;
    result->status = status;
    result->at_ms = result->loop == NULL ? 0 : uv_now(result->loop);
    snprintf(result->text, sizeof result->text, "%.*s", (int)name.len, name.ptr);
}
