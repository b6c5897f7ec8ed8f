/* sink.c - the sink's life: listener, sessions, what is read and when it is worked off, delays and
 * faults on request.
 *
 * A session works on its input only while can_work(): nothing is awaited (a delay, a message on its
 * way to the disk) and the client reads its replies. Otherwise reading is off, so what is kept is
 * bounded by one read. */
#include "cli/sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/sink_priv.h"
#include "net/proxyproto.h"
#include "smtp/line.h"
#include "smtp/reply.h"

enum {
    OUT_MAX = 65536, /* replies that the client has not read */
    SWEEP_MS = 1000,
    IDLE_MS = 300000, /* RFC 5321 4.5.3.2.7 */
    PROXY_MS = 5000,
    SESSIONS = 100,
};
static const uint64_t size_max = 100000000;

static struct sink_session *session_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct sink_session, conn);
}

/* ---- saying things ---- */

void sink_say_text(struct sink_session *session, uint16_t code, const char *dsn, const char *text)
{
    struct mw_buf buf = {0};
    mw_reply_build(&buf, code, mw_slice_cstr(dsn), mw_slice_cstr(text));
    mw_queue_add(&session->out, mw_buf_view(&buf));
    mw_buf_fini(&buf);
}

void sink_say(struct sink_session *session, enum mw_reply_id id)
{
    struct mw_buf buf = {0};
    if (mw_reply_own_code(id) >= 500 && ++session->errors >= SINK_ERROR_MAX) {
        session->wants_close = true;
        id = MW_REPLY_TOO_MANY_ERRORS;
    }
    mw_reply_own(&buf, id);
    mw_queue_add(&session->out, mw_buf_view(&buf));
    mw_buf_fini(&buf);
}

static char printable(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

void sink_note(struct sink_session *session, const char *format, ...)
{
    char line[1024];
    va_list args;
    const struct mw_sink_config *config = &session->sink->config;
    if (config->on_line == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c != '\0'; c++)
        *c = printable(*c);
    config->on_line(config->user, line);
}

void sink_set_fact(struct sink_session *session, enum sink_fact fact, struct mw_slice text)
{
    size_t len = text.len < SINK_TEXT_MAX ? text.len : SINK_TEXT_MAX - 1;
    char *out = session->facts[fact];
    for (size_t i = 0; i < len; i++)
        out[i] = printable(text.ptr[i]);
    out[len] = '\0';
}

/* ---- faults and delays on request ---- */

static bool contains(struct mw_slice text, const char *word)
{
    struct mw_slice wanted = mw_slice_cstr(word);
    for (; text.len >= wanted.len && text.len > 0; text = mw_slice_skip(text, 1))
        if (mw_slice_istarts(text, wanted))
            return true;
    return wanted.len == 0;
}

static const struct mw_sink_fault *find_fault(const struct mw_sink_config *config,
                                              enum mw_sink_stage stage, struct mw_slice subject)
{
    for (size_t i = 0; i < config->fault_count; i++) {
        const struct mw_sink_fault *fault = &config->faults[i];
        if (fault->stage == stage && (fault->match == NULL || contains(subject, fault->match)))
            return fault;
    }
    return NULL;
}

static void play_fault(struct sink_session *session, const struct mw_sink_fault *fault)
{
    switch (fault->kind) {
    case MW_SINK_REPLY:
        sink_say_text(session, fault->code, fault->code < 500 ? "4.7.1" : "5.7.1",
                      "Refused on request");
        session->wants_close = session->wants_close || fault->code == 421;
        break;
    case MW_SINK_CLOSE:
        session->wants_close = true;
        break;
    case MW_SINK_HANG:
        session->mode = MODE_HUNG;
        break;
    case MW_SINK_GARBAGE:
        mw_queue_add(&session->out, MW_LIT("What do you want? 999\r\n"));
        break;
    }
}

static void on_delay_over(uv_timer_t *timer)
{
    struct sink_session *session = timer->data;
    session->is_delayed = false;
    session->waits--;
    sink_resume(session);
}

static void start_delay(struct sink_session *session, uint32_t ms)
{
    mw_conn_flush(&session->conn, &session->out); /* earlier replies are not late */
    session->is_delayed = true;
    session->waits++;
    uv_timer_start(&session->delay, on_delay_over, ms, 0);
}

bool sink_passes(struct sink_session *session, enum mw_sink_stage stage, struct mw_slice subject)
{
    const struct mw_sink_config *config = &session->sink->config;
    if (config->delay_ms[stage] > 0 && !session->is_delayed)
        start_delay(session, config->delay_ms[stage]);
    const struct mw_sink_fault *fault = find_fault(config, stage, subject);
    if (fault != NULL)
        play_fault(session, fault);
    return fault == NULL;
}

/* ---- working off what was read ---- */

static bool can_work(const struct sink_session *session)
{
    return session->waits == 0 && !session->wants_close && !session->conn.is_closing &&
           mw_queue_len(&session->out) < OUT_MAX;
}

static void set_peer(struct sink_session *session, const struct mw_inet *address, uint16_t port,
                     enum sink_fact address_fact)
{
    char text[MW_INET_TEXT_MAX];
    sink_set_fact(session, address_fact, mw_inet_print(address, text));
    snprintf(text, sizeof text, "%u", (unsigned)port);
    sink_set_fact(session, address_fact == FACT_ADDR ? FACT_PORT : FACT_DESTPORT,
                  mw_slice_cstr(text));
}

static size_t take_proxy(struct sink_session *session, struct mw_slice in)
{
    struct mw_proxy_header header;
    size_t used = 0;
    enum mw_err err = mw_proxy_parse(in, &header, &used);
    if (err == MW_AGAIN)
        return 0;
    if (err != MW_OK) {
        sink_note(session, "proxy refused: %s", mw_err_text(err));
        sink_say_text(session, 421, "4.3.0", "Server local error");
        session->wants_close = true;
        return in.len;
    }
    if (!header.is_local) {
        set_peer(session, &header.source, header.source_port, FACT_ADDR);
        set_peer(session, &header.destination, header.destination_port, FACT_DESTADDR);
    }
    sink_note(session, "proxy v%d%s client=[%s]:%s destination=[%s]:%s id=%.*s", header.version,
              header.is_local ? " local" : "", session->facts[FACT_ADDR], session->facts[FACT_PORT],
              session->facts[FACT_DESTADDR], session->facts[FACT_DESTPORT],
              (int)header.unique_id.len, header.unique_id.ptr);
    session->mode = MODE_COMMAND;
    sink_greet(session);
    return used;
}

static size_t take_line(struct sink_session *session, struct mw_slice in)
{
    struct mw_line line = mw_line_next(in, MW_LINE_MAX);
    if (line.kind == MW_LINE_NONE)
        return 0;
    if (line.kind == MW_LINE_TOO_LONG) {
        sink_say(session, MW_REPLY_LINE_TOO_LONG);
        session->mode = line.skip_rest ? MODE_SKIP : MODE_COMMAND;
    } else if (line.kind == MW_LINE_BAD) {
        sink_say(session, MW_REPLY_LINE_BAD);
    } else {
        sink_command(session, line.text);
    }
    return line.used;
}

static size_t skip_line(struct sink_session *session, struct mw_slice in)
{
    bool is_done = false;
    size_t used = mw_line_skip(in, &is_done);
    if (is_done)
        session->mode = MODE_COMMAND;
    return used;
}

static size_t take(struct sink_session *session, struct mw_slice in)
{
    switch (session->mode) {
    case MODE_PROXY:
        return take_proxy(session, in);
    case MODE_COMMAND:
        return take_line(session, in);
    case MODE_SKIP:
        return skip_line(session, in);
    case MODE_DATA:
        return sink_take_data(session, in);
    case MODE_CHUNK:
        return sink_take_chunk(session, in);
    case MODE_HUNG:
    default:
        return in.len;
    }
}

/* Without PIPELINING nothing may stand behind a command or a message until its reply is there; a
 * chunk belongs to its BDAT. RFC 2920 3.1, RFC 3030 2. */
static void check_lock_step(struct sink_session *session, enum sink_mode before, size_t left)
{
    bool is_answered = before == MODE_COMMAND || before == MODE_DATA || before == MODE_CHUNK;
    if (!session->sink->config.has_no_pipelining || left == 0 || !is_answered ||
        session->mode == MODE_CHUNK || session->wants_close)
        return;
    sink_note(session, "broken rule: pipelining that was not offered");
    if (session->waits == 0)
        sink_say_text(session, 421, "4.5.0", "Pipelining was not offered");
    session->wants_close = true;
}

static size_t work_off(struct sink_session *session, struct mw_slice in)
{
    size_t total = 0;
    while (total < in.len && can_work(session)) {
        enum sink_mode before = session->mode;
        size_t used = take(session, mw_slice_skip(in, total));
        if (used == 0)
            break;
        total += used;
        check_lock_step(session, before, in.len - total);
    }
    return total;
}

/* The end of every event: replies leave together, and reading follows the ability to work. */
static void finish_event(struct sink_session *session)
{
    if (session->conn.is_closing)
        return;
    if (!session->is_delayed)
        mw_conn_flush(&session->conn, &session->out);
    bool is_over = session->wants_close || session->conn.has_eof;
    if (is_over && session->waits == 0 && mw_queue_len(&session->out) == 0) {
        mw_conn_close(&session->conn, false);
        return;
    }
    if (can_work(session))
        mw_conn_read_start(&session->conn);
    else
        mw_conn_read_stop(&session->conn);
}

void sink_resume(struct sink_session *session)
{
    size_t used = work_off(session, mw_buf_view(&session->in));
    if (used == session->in.len)
        mw_buf_fini(&session->in);
    else
        mw_buf_consume(&session->in, used);
    finish_event(session);
}

static void on_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct sink_session *session = session_of(conn);
    session->active_ms = uv_now(session->sink->net->loop);
    if (session->in.len > 0) {
        mw_buf_put(&session->in, octets);
        sink_resume(session);
        return;
    }
    size_t used = work_off(session, octets);
    if (used < octets.len)
        mw_buf_put(&session->in, mw_slice_skip(octets, used));
    finish_event(session);
}

static void on_drained(struct mw_conn *conn)
{
    struct sink_session *session = session_of(conn);
    session->active_ms = uv_now(session->sink->net->loop);
    sink_resume(session);
}

/* An orderly end may come while replies are still owed (a client that only shut down its own side).
 */
static void on_eof(struct mw_conn *conn, const char *text)
{
    if (text != NULL)
        mw_conn_close(conn, false);
    else
        sink_resume(session_of(conn));
}

/* ---- sessions ---- */

static void free_sink_if_done(struct mw_sink *sink)
{
    if (!sink->is_swept || sink->session_count > 0)
        return;
    mw_maildir_close(&sink->maildir);
    free(sink);
}

void sink_release(struct sink_session *session)
{
    struct mw_sink *sink = session->sink;
    if (--session->refs > 0)
        return;
    sink_reset(session);
    mw_queue_fini(&session->out);
    mw_buf_fini(&session->in);
    mw_list_remove(&session->in_sessions);
    free(session);
    sink->session_count--;
    free_sink_if_done(sink);
}

static void on_delay_closed(uv_handle_t *handle)
{
    sink_release(handle->data);
}

static void on_closed(struct mw_conn *conn)
{
    struct sink_session *session = session_of(conn);
    uv_close((uv_handle_t *)&session->delay, on_delay_closed);
    sink_release(session);
}

static void on_connected(struct mw_conn *conn, enum mw_err err, const char *text)
{
    (void)conn, (void)err, (void)text;
    mw_assert(false); /* the sink connects to nobody */
}

static const struct mw_conn_ops session_ops = {
    .on_connected = on_connected,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

static void refuse(int fd)
{
    struct mw_buf buf = {0};
    mw_reply_own(&buf, MW_REPLY_TOO_BUSY);
    (void)!send(fd, buf.ptr, buf.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    mw_buf_fini(&buf);
    close(fd);
}

static void learn_addresses(struct sink_session *session, const struct sockaddr_storage *peer)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    struct mw_inet address = {{0}};
    uint16_t port = 0;
    mw_inet_from_sockaddr((const struct sockaddr *)(const void *)peer, &address, &port);
    set_peer(session, &address, port, FACT_ADDR);
    if (getsockname(session->conn.fd, (struct sockaddr *)(void *)&name, &len) != 0)
        return;
    mw_inet_from_sockaddr((struct sockaddr *)(void *)&name, &address, &port);
    set_peer(session, &address, port, FACT_DESTADDR);
}

static void on_accept(void *user, int fd, const struct sockaddr_storage *peer)
{
    struct mw_sink *sink = user;
    if (sink->session_count >= sink->config.max_sessions) {
        refuse(fd);
        return;
    }
    struct sink_session *session = mw_xcalloc(1, sizeof *session);
    if (mw_conn_init(&session->conn, sink->net, fd, &session_ops) != MW_OK) {
        free(session);
        close(fd);
        return;
    }
    session->sink = sink;
    uv_timer_init(sink->net->loop, &session->delay);
    session->delay.data = session->work.data = session;
    session->refs = 2; /* the connection and the timer */
    session->active_ms = uv_now(sink->net->loop);
    sink->session_count++;
    mw_list_append(&sink->sessions, &session->in_sessions);
    learn_addresses(session, peer);
    if (sink->config.takes_proxy) {
        session->mode = MODE_PROXY;
    } else {
        session->mode = MODE_COMMAND;
        sink_greet(session);
    }
    finish_event(session);
}

static void on_accept_error(void *user, const char *text)
{
    struct mw_sink *sink = user;
    char line[128];
    snprintf(line, sizeof line, "cannot accept connections: %s", text);
    if (sink->config.on_line != NULL)
        sink->config.on_line(sink->config.user, line);
}

static void on_sweep(uv_timer_t *timer)
{
    struct mw_sink *sink = timer->data;
    uint64_t now = uv_now(sink->net->loop);
    mw_list_for_each (link, &sink->sessions) {
        struct sink_session *session = mw_container_of(link, struct sink_session, in_sessions);
        uint64_t limit = session->mode == MODE_PROXY ? PROXY_MS : sink->config.idle_ms;
        if (session->conn.is_closing || session->waits > 0 || now - session->active_ms < limit)
            continue;
        if (mw_queue_len(&session->out) == 0 && session->mode != MODE_HUNG) {
            sink_say(session, MW_REPLY_CLIENT_TIMEOUT);
            mw_conn_flush(&session->conn, &session->out);
        }
        mw_conn_close(&session->conn, false);
    }
}

/* ---- start and stop ---- */

static bool open_listener(struct mw_sink *sink, const char **out_error)
{
    int fd = mw_listen_socket(&sink->config.listen, false, out_error);
    if (fd < 0)
        return false;
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    sink->endpoint = sink->config.listen;
    if (sink->endpoint.kind == MW_ENDPOINT_INET &&
        getsockname(fd, (struct sockaddr *)(void *)&name, &len) == 0)
        mw_inet_from_sockaddr((struct sockaddr *)(void *)&name, &sink->endpoint.address,
                              &sink->endpoint.port);
    if (mw_listener_open(sink->net, fd, on_accept, on_accept_error, sink, &sink->listener) !=
        MW_OK) {
        *out_error = "the listening socket cannot be watched";
        close(fd);
        return false;
    }
    return true;
}

struct mw_sink *mw_sink_start(struct mw_net *net, const struct mw_sink_config *config,
                              const char **out_error)
{
    struct mw_sink *sink = mw_xcalloc(1, sizeof *sink);
    sink->config = *config;
    sink->net = net;
    if (sink->config.banner == NULL)
        sink->config.banner = "sink.invalid";
    if (sink->config.max_size == 0)
        sink->config.max_size = size_max;
    if (sink->config.max_sessions == 0)
        sink->config.max_sessions = SESSIONS;
    if (sink->config.idle_ms == 0)
        sink->config.idle_ms = IDLE_MS;
    mw_list_init(&sink->sessions);
    bool is_good = config->maildir == NULL ||
                   mw_maildir_open(config->maildir, &sink->maildir, out_error) == MW_OK;
    if (!is_good || !open_listener(sink, out_error)) {
        mw_maildir_close(&sink->maildir);
        free(sink);
        return NULL;
    }
    uv_timer_init(net->loop, &sink->sweep);
    sink->sweep.data = sink;
    uv_timer_start(&sink->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return sink;
}

struct mw_endpoint mw_sink_endpoint(const struct mw_sink *sink)
{
    return sink->endpoint;
}

uint64_t mw_sink_messages(const struct mw_sink *sink)
{
    return sink->messages;
}

static void on_sweep_closed(uv_handle_t *handle)
{
    struct mw_sink *sink = handle->data;
    sink->is_swept = true;
    free_sink_if_done(sink);
}

void mw_sink_stop(struct mw_sink **sink)
{
    struct mw_sink *old = *sink;
    if (old == NULL)
        return;
    *sink = NULL;
    old->is_stopping = true;
    mw_listener_close(&old->listener);
    mw_list_for_each (link, &old->sessions)
        mw_conn_close(&mw_container_of(link, struct sink_session, in_sessions)->conn, false);
    uv_close((uv_handle_t *)&old->sweep, on_sweep_closed);
}
