/* conn_tls.c - TLS between a connection's socket and its owner.
 *
 * Reading: one recv into the shared read buffer, opened into the shared plain buffer, one on_read
 * for each filling. If the owner stops reading in between, the wire's octets that are left move to
 * a buffer of the connection (`kept`, at most one read), and nothing is received before they are
 * used up. No event of the socket will come for them, so when reading is on again the connection
 * queues for a turn: an idle handle of the loop, which exists only while somebody waits for one.
 *
 * Writing: the owner's queue is sealed record by record into the net's wire buffer and sent; only
 * what the socket does not take (at most one filling) moves to a buffer of the connection. The rest
 * stays in the queue, unsealed, where the owner sees it. A small reply is one record and one send.
 *
 * An idle connection owns its engine and one struct mw_conn_tls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn_priv.h"

enum {
    RECORD = 16384,        /* octets of the owner in one record (RFC 8446 5.1) */
    WIRE_FILL = 32768,     /* sealed octets of one send, and what a stalled peer makes us keep */
    WIRE_MAX = 512 * 1024, /* a flight of the handshake, answers to one read full of messages */
    KEPT_MAX = 160 * 1024, /* of it, where the peer does not read */
    PEEK = 18432,          /* a whole record */
    PIECES = 64,
    PEEKS_MAX = 4
};

static const char cut_off[] = "closed without TLS close_notify";

/* ---- what a loop's connections share ---- */

static struct mw_net_tls *shared(struct mw_net *net)
{
    if (net->tls != NULL)
        return net->tls;
    net->tls = mw_xcalloc(1, sizeof *net->tls);
    net->tls->plain = mw_xalloc(MW_NET_READ_SIZE);
    net->tls->gathered = mw_xalloc(RECORD);
    net->tls->wire = MW_BUF_INIT(WIRE_MAX);
    mw_list_init(&net->tls->turns);
    return net->tls;
}

void mw_net_tls_free(struct mw_net_tls **tls)
{
    struct mw_net_tls *self = *tls;
    *tls = NULL;
    if (self == NULL)
        return;
    mw_assert(self->idle == NULL); /* all connections are closed */
    free(self->plain);
    free(self->gathered);
    mw_buf_fini(&self->wire);
    free(self);
}

void mw_conn_tls_free(struct mw_conn_tls **tls)
{
    struct mw_conn_tls *self = *tls;
    *tls = NULL;
    if (self == NULL)
        return;
    mw_tls_free(&self->engine);
    mw_buf_fini(&self->kept);
    mw_buf_fini(&self->out);
    free(self);
}

/* ---- turns ---- */

static void on_turn(uv_idle_t *idle);

static void on_idle_closed(uv_handle_t *handle)
{
    free(handle);
}

static void queue_for_turn(struct mw_conn *conn)
{
    struct mw_net_tls *net = conn->net->tls;
    if (mw_list_contains(&conn->tls->turns))
        return;
    mw_list_append(&net->turns, &conn->tls->turns);
    if (net->idle != NULL)
        return;
    net->idle = mw_xcalloc(1, sizeof *net->idle);
    (void)uv_idle_init(conn->net->loop, net->idle); /* neither of them fails */
    net->idle->data = conn->net;
    (void)uv_idle_start(net->idle, on_turn);
}

static void stop_without_turns(struct mw_net_tls *net)
{
    if (net->idle == NULL || !mw_list_is_empty(&net->turns))
        return;
    uv_close((uv_handle_t *)net->idle, on_idle_closed);
    net->idle = NULL;
}

static void leave_turns(struct mw_conn *conn)
{
    mw_list_remove(&conn->tls->turns);
    stop_without_turns(conn->net->tls);
}

/* ---- octets for the socket ---- */

/* Octets that the socket took; 0 if it is full or broken (conn->error then). */
static size_t send_octets(struct mw_conn *conn, struct mw_slice octets)
{
    ssize_t count;
    do
        count = send(conn->fd, octets.ptr, octets.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        mw_conn_fail_writing(conn, errno);
    if (count < 0)
        return 0;
    conn->octets_out += (size_t)count;
    return (size_t)count;
}

/* Send what was put into the wire buffer; what the socket does not take is kept. */
static void send_wire(struct mw_conn *conn)
{
    struct mw_buf *wire = &conn->net->tls->wire, *out = &conn->tls->out;
    struct mw_slice octets = mw_buf_view(wire);
    wire->len = 0;
    if (octets.len == 0 || conn->error != 0)
        return;
    if (out->len == 0)
        octets = mw_slice_skip(octets, send_octets(conn, octets));
    if (octets.len == 0 || conn->error != 0)
        return;
    if (mw_buf_add(out, octets) == MW_OK)
        conn->is_blocked = true;
    else
        mw_conn_fail_writing(conn, ENOBUFS); /* answers to a peer that does not read them */
}

static bool send_kept(struct mw_conn *conn)
{
    struct mw_buf *out = &conn->tls->out;
    if (out->len > 0)
        mw_buf_consume(out, send_octets(conn, mw_buf_view(out)));
    if (out->len > 0 && conn->error == 0)
        return false;
    mw_buf_fini(out);
    return true;
}

/* The front of the queue as the content of one record. Small pieces are copied together. */
static struct mw_slice next_record(struct mw_conn *conn)
{
    struct iovec iov[PIECES];
    char *gathered = conn->net->tls->gathered;
    size_t count = mw_queue_iov(conn->out, iov, PIECES), len = 0;
    if (count == 1 || iov[0].iov_len >= RECORD)
        return mw_slice_take(MW_SLICE(iov[0].iov_base, iov[0].iov_len), RECORD);
    for (size_t i = 0; i < count && len < RECORD; i++) {
        struct mw_slice part = mw_slice_take(MW_SLICE(iov[i].iov_base, iov[i].iov_len),
                                             RECORD - len);
        memcpy(gathered + len, part.ptr, part.len);
        len += part.len;
    }
    return MW_SLICE(gathered, len);
}

static void fill_wire(struct mw_conn *conn)
{
    struct mw_buf *wire = &conn->net->tls->wire;
    while (conn->error == 0 && wire->len < WIRE_FILL && mw_queue_len(conn->out) > 0) {
        struct mw_slice record = next_record(conn);
        bool is_gathered = record.ptr == conn->net->tls->gathered;
        enum mw_err err = mw_tls_seal(conn->tls->engine, record, wire);
        if (is_gathered) /* it may be a password on its way to the upstream */
            explicit_bzero(conn->net->tls->gathered, record.len);
        if (err == MW_OK)
            mw_queue_consume(conn->out, record.len);
        else
            mw_conn_fail_writing(conn, EPROTO);
    }
}

bool mw_conn_tls_write(struct mw_conn *conn)
{
    if (!send_kept(conn))
        return false;
    while (conn->tls->phase == MW_CONN_SECURE && conn->error == 0 && conn->tls->out.len == 0 &&
           conn->out != NULL && mw_queue_len(conn->out) > 0) {
        fill_wire(conn);
        send_wire(conn);
    }
    return conn->tls->out.len == 0 || conn->error != 0;
}

void mw_conn_tls_flush(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    if (tls->phase == MW_CONN_SHAKES || tls->phase == MW_CONN_FAILED)
        mw_queue_clear(conn->out);
    if (tls->phase != MW_CONN_SECURE)
        return;
    if (!conn->is_blocked)
        conn->is_blocked = !mw_conn_tls_write(conn);
    tls->owes_drained = conn->is_blocked;
}

/* ---- the handshake ---- */

static void fail_handshake(struct mw_conn *conn, const char *text)
{
    if (conn->error != 0)
        text = strerror(conn->error);
    else
        conn->error = EPROTO;
    conn->tls->phase = MW_CONN_FAILED;
    conn->has_eof = true;
    conn->is_reading = false;
    conn->ops->on_secured(conn, MW_ERR_IO, text);
}

/* What is left of a read moves to the connection; what is used up is given back. */
static void keep_rest(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    if (tls->in.len == 0 || conn->has_eof) {
        tls->in = MW_EMPTY;
        mw_buf_fini(&tls->kept);
    } else if (tls->kept.ptr == NULL) {
        mw_buf_put(&tls->kept, tls->in);
        tls->in = mw_buf_view(&tls->kept);
    }
}

static void shake(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    enum mw_err err = mw_tls_handshake(tls->engine, &tls->in, &conn->net->tls->wire);
    send_wire(conn);
    if (err == MW_AGAIN)
        return;
    if (err != MW_OK) {
        fail_handshake(conn, mw_tls_error(tls->engine));
        return;
    }
    keep_rest(conn);
    tls->phase = MW_CONN_SECURE;
    tls->has_more = tls->in.len > 0;
    conn->is_reading = false;
    conn->ops->on_secured(conn, MW_OK, NULL);
}

/* The side that speaks first does; a failure is told by the loop. */
static void begin_shaking(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    tls->phase = MW_CONN_SHAKES;
    if (!tls->speaks_first)
        return;
    enum mw_err err = mw_tls_handshake(tls->engine, &tls->in, &conn->net->tls->wire);
    send_wire(conn);
    if (err != MW_AGAIN)
        queue_for_turn(conn);
}

static enum mw_err secure(struct mw_conn *conn, struct mw_tls *engine, bool speaks_first)
{
    if (engine == NULL || conn->is_closing || conn->has_eof) {
        mw_tls_free(&engine);
        return MW_ERR_IO;
    }
    mw_assert(conn->tls == NULL && !conn->is_connecting);
    (void)shared(conn->net);
    conn->tls = mw_xcalloc(1, sizeof *conn->tls);
    conn->tls->conn = conn;
    conn->tls->engine = engine;
    conn->tls->out = MW_BUF_INIT(KEPT_MAX);
    conn->tls->speaks_first = speaks_first;
    conn->is_reading = false;
    if (!conn->is_blocked)
        begin_shaking(conn);
    mw_conn_watch(conn, 0);
    return MW_OK;
}

enum mw_err mw_conn_secure_server(struct mw_conn *conn, struct mw_tls_server *server)
{
    return secure(conn, mw_tls_accept(server), false);
}

enum mw_err mw_conn_secure_client(struct mw_conn *conn, struct mw_tls_client *client,
                                  struct mw_slice session_key)
{
    return secure(conn, mw_tls_connect(client, session_key), true);
}

const struct mw_tls_info *mw_conn_tls(const struct mw_conn *conn)
{
    if (conn->tls == NULL || conn->tls->phase != MW_CONN_SECURE)
        return NULL;
    return mw_tls_info(conn->tls->engine);
}

void mw_conn_tls_drained(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    bool has_waited = tls->phase == MW_CONN_WAITS, owes = has_waited || tls->owes_drained;
    if (has_waited)
        begin_shaking(conn); /* before the owner could add octets in the clear */
    tls->owes_drained = false;
    if (owes)
        conn->ops->on_drained(conn);
}

/* ---- octets from the socket ---- */

static void end_of_wire(struct mw_conn *conn, int error)
{
    if (conn->tls->phase == MW_CONN_SECURE)
        mw_conn_finish_reading(conn, error, error == 0 ? cut_off : NULL);
    else
        fail_handshake(conn, error == 0 ? "the peer closed the connection during the TLS handshake"
                                        : strerror(error));
}

/* One read. False: nothing came, or the end, which the owner has been told. */
static bool receive(struct mw_conn *conn)
{
    char *buffer = conn->net->read_buffer;
    mw_buf_fini(&conn->tls->kept);
    ssize_t count = recv(conn->fd, buffer, MW_NET_READ_SIZE, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (count <= 0) {
        end_of_wire(conn, count == 0 ? 0 : errno);
        return false;
    }
    conn->octets_in += (size_t)count;
    conn->tls->in = MW_SLICE(buffer, (size_t)count);
    return true;
}

/* Give the owner what is in `in`, as long as he reads. */
static void open_all(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    struct mw_net_tls *net = conn->net->tls;
    do {
        size_t len = 0;
        enum mw_err err = mw_tls_open(tls->engine, &tls->in, net->plain, MW_NET_READ_SIZE, &len,
                                      &net->wire);
        send_wire(conn);
        tls->has_more = err != MW_AGAIN && !mw_tls_is_dry(tls->engine);
        if (err == MW_OK)
            conn->ops->on_read(conn, MW_SLICE(net->plain, len));
        else if (err == MW_ERR_CLOSED)
            mw_conn_finish_reading(conn, 0, NULL);
        else if (err != MW_AGAIN)
            mw_conn_finish_reading(conn, EPROTO, mw_tls_error(tls->engine));
    } while (conn->is_reading && tls->has_more);
}

static void read_on(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    bool is_full = true;
    for (int turn = 0; turn < MW_CONN_READS_A_TURN && conn->is_reading && is_full; turn++) {
        if (!tls->has_more && !receive(conn))
            break;
        is_full = tls->in.len == MW_NET_READ_SIZE;
        open_all(conn);
    }
    if (conn->is_closing)
        return;
    keep_rest(conn);
    if (!conn->is_reading || !tls->has_more)
        leave_turns(conn);
}

void mw_conn_tls_readable(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    if (conn->is_closing || conn->has_eof)
        return;
    if (tls->phase == MW_CONN_SHAKES) {
        if (receive(conn))
            shake(conn);
    } else if (tls->phase == MW_CONN_WAITS) {
        if (conn->error != 0)
            fail_handshake(conn, NULL);
    } else if (conn->is_reading) {
        read_on(conn);
    } else if (conn->error != 0) {
        mw_conn_finish_reading(conn, 0, NULL);
    }
}

bool mw_conn_tls_needs_read(const struct mw_conn *conn)
{
    return conn->tls->phase == MW_CONN_SHAKES;
}

void mw_conn_tls_read_start(struct mw_conn *conn)
{
    if (conn->tls->has_more)
        queue_for_turn(conn);
}

static void take_turn(struct mw_conn *conn)
{
    if (conn->tls->phase == MW_CONN_SHAKES)
        shake(conn);
    else if (conn->is_reading)
        read_on(conn);
    if (!conn->is_closing)
        mw_conn_watch(conn, 0);
}

static void on_turn(uv_idle_t *idle)
{
    struct mw_net *net = idle->data;
    struct mw_link due;
    mw_list_init(&due);
    while (!mw_list_is_empty(&net->tls->turns)) {
        struct mw_link *first = net->tls->turns.next;
        mw_list_remove(first);
        mw_list_append(&due, first);
    }
    while (!mw_list_is_empty(&due)) { /* a callback may close any of them, which takes it off */
        struct mw_conn_tls *tls = mw_container_of(due.next, struct mw_conn_tls, turns);
        mw_list_remove(&tls->turns);
        take_turn(tls->conn);
    }
    stop_without_turns(net->tls);
}

/* ---- is the peer there ---- */

/* One read behind what was read before, which is used up. -1: nothing has come. */
static ssize_t receive_ahead(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    tls->kept.len = 0;
    ssize_t count = recv(conn->fd, mw_buf_reserve(&tls->kept, PEEK), PEEK, MSG_DONTWAIT);
    bool is_nothing = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (count <= 0) {
        mw_buf_fini(&tls->kept);
        return is_nothing ? -1 : 0;
    }
    conn->octets_in += (size_t)count;
    tls->kept.len = (size_t)count;
    tls->in = mw_buf_view(&tls->kept);
    return count;
}

static bool look_ahead(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    for (int i = 0; i < PEEKS_MAX; i++) {
        enum mw_err err = mw_tls_peek(tls->engine, &tls->in, &conn->net->tls->wire);
        send_wire(conn);
        tls->has_more = err != MW_AGAIN;
        if (err != MW_AGAIN)
            return err == MW_OK;
        ssize_t count = receive_ahead(conn);
        if (count <= 0)
            return count < 0;
        tls->has_more = true;
    }
    return true;
}

bool mw_conn_tls_is_peer_present(struct mw_conn *conn)
{
    char octet;
    if (conn->tls->phase != MW_CONN_SECURE) {
        ssize_t count = recv(conn->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
        return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    }
    bool is_present = look_ahead(conn);
    if (conn->is_reading && conn->tls->has_more)
        queue_for_turn(conn);
    mw_conn_watch(conn, 0);
    return is_present;
}

/* ---- the end ---- */

void mw_conn_tls_finish(struct mw_conn *conn)
{
    struct mw_conn_tls *tls = conn->tls;
    bool is_all_said = tls->out.len == 0 && (conn->out == NULL || mw_queue_len(conn->out) == 0);
    /* close_notify behind octets that are lost would call what came before them complete */
    if (tls->phase != MW_CONN_SECURE || conn->error != 0 || !is_all_said)
        return;
    mw_tls_close(tls->engine, &conn->net->tls->wire);
    send_wire(conn);
}

void mw_conn_tls_close(struct mw_conn *conn, bool reset)
{
    leave_turns(conn);
    if (!reset)
        mw_conn_tls_finish(conn);
    conn->tls->in = MW_EMPTY;
    conn->tls->phase = MW_CONN_FAILED;
    /* now, not when the loop has closed the handle: an alert makes OpenSSL take its write buffer,
     * and thousands of sessions may end in one turn */
    mw_tls_release(conn->tls->engine);
}
