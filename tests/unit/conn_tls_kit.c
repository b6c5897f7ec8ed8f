#include "conn_tls_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

uv_loop_t loop;
struct mw_net net;
struct mw_tls_server *server;
struct mw_tls_client *client;

static struct end *end_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct end, conn);
}

void send_text(struct end *end, const char *text)
{
    mw_queue_borrow(&end->out, mw_slice_cstr(text));
    mw_conn_flush(&end->conn, &end->out);
}

static void on_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct end *end = end_of(conn);
    end->reads++;
    mw_buf_put(&end->got, octets);
    if (end->looks_on_read)
        end->was_present = mw_conn_is_peer_present(conn);
    if (end->upgrade != NULL && mw_slice_starts(octets, MW_LIT("STARTTLS"))) {
        struct mw_tls_server *upgrade = end->upgrade;
        end->upgrade = NULL;
        send_text(end, "220 go ahead\r\n");
        if (mw_conn_secure_server(conn, upgrade) != MW_OK)
            abort();
    }
    if (end->stop_on_read)
        mw_conn_read_stop(conn);
    if (end->close_on_read)
        mw_conn_close(conn, false);
}

static void on_secured(struct mw_conn *conn, enum mw_err err, const char *text)
{
    struct end *end = end_of(conn);
    end->secures++;
    end->secure_err = err;
    snprintf(end->text, sizeof end->text, "%s", text != NULL ? text : "");
    if (err == MW_OK && !end->stop_on_secured)
        mw_conn_read_start(conn);
    if (err == MW_OK && end->say_on_secured.len > 0) {
        mw_queue_borrow(&end->out, end->say_on_secured);
        mw_conn_flush(conn, &end->out);
    }
    if (end->close_on_secured)
        mw_conn_close(conn, false);
}

static void on_eof(struct mw_conn *conn, const char *text)
{
    struct end *end = end_of(conn);
    end->eofs++;
    end->has_eof_text = text != NULL;
    snprintf(end->text, sizeof end->text, "%s", text != NULL ? text : "");
}

static void on_drained(struct mw_conn *conn)
{
    struct end *end = end_of(conn);
    end->drains++;
    if (end->close_on_drained)
        mw_conn_close(conn, false);
}

static void on_closed(struct mw_conn *conn)
{
    end_of(conn)->closes++;
}

const struct mw_conn_ops end_ops = {.on_read = on_read,
                                    .on_secured = on_secured,
                                    .on_eof = on_eof,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed};

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static bool turn_timed(const int *counter, int want, uint64_t ms)
{
    bool is_late = false;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &is_late;
    uv_update_time(&loop);
    uv_timer_start(&timer, on_tick, ms, ms);
    while (!is_late && (counter == NULL || *counter < want))
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return counter == NULL || *counter >= want;
}

/* The time alone may pass in two turns, on a busy machine: not enough for what takes several. */
bool turn_until(const int *counter, int want, uint64_t ms)
{
    bool is_there = turn_timed(counter, want, ms);
    for (int i = 0; counter == NULL && i < 50; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    return is_there;
}

bool turn_until_got(const struct end *end, size_t len)
{
    for (int i = 0; i < 100000 && end->got.len < len && end->eofs == 0; i++)
        uv_run(&loop, UV_RUN_ONCE);
    return end->got.len == len;
}

static void on_check(uv_check_t *check)
{
    ++*(int *)check->data;
}

int count_turns(uint64_t ms)
{
    int turns = 0;
    uv_check_t check;
    uv_check_init(&loop, &check);
    check.data = &turns;
    uv_check_start(&check, on_check);
    turn_timed(NULL, 0, ms);
    uv_close((uv_handle_t *)&check, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return turns;
}

bool set_up(void)
{
    char text[256] = "";
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {.certificate = site->cert_file, .key = site->key_file};
    uv_loop_init(&loop);
    mw_net_init(&net, &loop);
    server = mw_tls_server_new(
        &(struct mw_tls_server_config){.pairs = &pair, .pair_count = 1, .minimum = "1.2"}, text,
        sizeof text);
    client = mw_tls_client_new(&(struct mw_tls_client_config){.verify = MW_TLS_VERIFY_NAME,
                                                              .server_name = "mail.weir.test",
                                                              .ca = site->ca_file},
                               text, sizeof text);
    if (server == NULL || client == NULL)
        fprintf(stderr, "%s\n", text);
    return server != NULL && client != NULL;
}

bool tear_down(struct end *a, struct end *b)
{
    bool is_good = true;
    struct end *ends[] = {a, b};
    for (int i = 0; i < 2; i++)
        if (ends[i] != NULL)
            mw_conn_close(&ends[i]->conn, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) {
        if (ends[i] == NULL)
            continue;
        is_good = is_good && ends[i]->closes == 1;
        mw_queue_fini(&ends[i]->out);
        mw_buf_fini(&ends[i]->got);
    }
    mw_net_fini(&net);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
    return uv_loop_close(&loop) == 0 && is_good;
}

/* a = server, b = client; both on the loop. */
bool open_pair(struct end *a, struct end *b)
{
    int fds[2];
    return set_up() && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0 &&
           mw_conn_init(&a->conn, &net, fds[0], &end_ops) == MW_OK &&
           mw_conn_init(&b->conn, &net, fds[1], &end_ops) == MW_OK;
}

bool open_secure(struct end *a, struct end *b)
{
    return open_pair(a, b) && mw_conn_secure_server(&a->conn, server) == MW_OK &&
           mw_conn_secure_client(&b->conn, client, MW_LIT("k")) == MW_OK &&
           turn_until(&a->secures, 1, 5000) && turn_until(&b->secures, 1, 5000) &&
           a->secure_err == MW_OK && b->secure_err == MW_OK;
}

void send_block(struct end *end, size_t size)
{
    char *block = malloc(size);
    for (size_t i = 0; i < size; i++)
        block[i] = (char)('a' + i % 26);
    mw_queue_borrow(&end->out, MW_SLICE(block, size));
    mw_conn_flush(&end->conn, &end->out);
    memset(block, '!', size);
    free(block);
}

bool is_block(const struct mw_buf *buf, size_t size)
{
    bool is_good = buf->len == size;
    for (size_t i = 0; is_good && i < size; i++)
        is_good = buf->ptr[i] == (char)('a' + i % 26);
    return is_good;
}

int open_half(struct end *a, int type)
{
    int fds[2];
    if (!set_up() || socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds) != 0 ||
        mw_conn_init(&a->conn, &net, fds[0], &end_ops) != MW_OK)
        return -1;
    return fds[1];
}

int open_tcp_half(struct end *a)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!set_up() || bind(listening, (struct sockaddr *)&address, len) != 0 ||
        listen(listening, 1) != 0 ||
        getsockname(listening, (struct sockaddr *)&address, &len) != 0 ||
        connect(fd, (struct sockaddr *)&address, len) != 0)
        return -1;
    int accepted = accept(listening, NULL, NULL);
    close(listening);
    mw_net_tune(accepted);
    mw_net_tune(fd);
    if (mw_conn_init(&a->conn, &net, accepted, &end_ops) != MW_OK)
        return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* ---- the peer by hand ---- */

void peer_push(struct peer *peer, size_t count)
{
    while (count > 0) {
        ssize_t done = send(peer->fd, peer->out.ptr, count, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        mw_buf_consume(&peer->out, (size_t)done);
        count -= (size_t)done;
    }
}

static void peer_work(struct peer *peer)
{
    char plain[20000];
    size_t len = 0;
    struct mw_slice in = mw_buf_view(&peer->in);
    if (!peer->is_shaken) {
        peer->err = mw_tls_handshake(peer->tls, &in, &peer->out);
        peer->is_shaken = peer->err == MW_OK;
    }
    if (peer->is_shaken) {
        while ((peer->err = mw_tls_open(peer->tls, &in, plain, sizeof plain, &len, &peer->out)) ==
               MW_OK)
            mw_buf_put(&peer->got, MW_SLICE(plain, len));
    }
    mw_buf_consume(&peer->in, peer->in.len - in.len);
    peer_push(peer, peer->out.len);
}

void peer_open(struct peer *peer, int fd)
{
    *peer = (struct peer){.fd = fd, .tls = mw_tls_connect(client, MW_LIT("peer"))};
    peer_work(peer);
}

void peer_turn(struct peer *peer, size_t count)
{
    char octets[65536];
    ssize_t got = recv(peer->fd, octets, count < sizeof octets ? count : sizeof octets, 0);
    peer->has_end = got == 0 || (got < 0 && errno != EAGAIN);
    if (got > 0) {
        mw_buf_put(&peer->in, MW_SLICE(octets, (size_t)got));
        peer_work(peer);
    }
}

void peer_await(struct peer *peer)
{
    struct pollfd poll_fd = {.fd = peer->fd, .events = POLLIN};
    (void)poll(&poll_fd, 1, 20000);
    peer_turn(peer, SIZE_MAX);
}

bool peer_shake(struct peer *peer, struct end *end)
{
    uint64_t until = uv_hrtime() + UINT64_C(20000000000);
    while (uv_hrtime() < until && (end->secures == 0 || !peer->is_shaken) && !peer->has_end) {
        uv_run(&loop, UV_RUN_NOWAIT);
        peer_turn(peer, SIZE_MAX);
    }
    peer_turn(peer, SIZE_MAX);
    return end->secures == 1 && end->secure_err == MW_OK && peer->is_shaken;
}

void peer_seal(struct peer *peer, const char *text)
{
    if (mw_tls_seal(peer->tls, mw_slice_cstr(text), &peer->out) != MW_OK)
        abort();
}

void peer_say(struct peer *peer, const char *text)
{
    peer_seal(peer, text);
    peer_push(peer, peer->out.len);
}

void peer_close(struct peer *peer)
{
    close(peer->fd);
    mw_tls_free(&peer->tls);
    mw_buf_fini(&peer->in);
    mw_buf_fini(&peer->got);
    mw_buf_fini(&peer->out);
}
