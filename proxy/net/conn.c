/* conn.c - sockets on uv_poll with as few system calls as the work allows.
 *
 * What is watched. A change of the watched events costs two epoll_ctl calls (libuv removes and
 * adds), so `wanted` follows what the connection needs lazily: a need that is missing is added at
 * once, one that is over is dropped only when its event arrives although nobody needs it. A pause
 * of reading that ends before the peer sends again is free. Level-triggered end of stream and
 * hang-up cannot spin: they arrive as readable, and readable without a need is dropped; with
 * nothing left to watch, the descriptor leaves the epoll set.
 *
 * How a connection ends. read() says 0 or fails: finish_reading(), which tells the owner once. A
 * write that fails: fail_writing() keeps the errno, drops the queue and shuts the socket down, so
 * that it becomes readable: what the peer said last is still delivered, then the end with the
 * write's reason. Nothing calls back from inside the owner's call.
 *
 * Kernel buffers (MW_NET_SEND_BUFFER, MW_NET_RECEIVE_WINDOW): the bound is what keeps a thousand
 * stalled peers from taking gigabytes; docs/performance.md has what it costs.
 *
 * TLS is in conn_tls.c: a connection has a struct mw_conn_tls or it does not, and each function
 * here that would meet octets asks once. */
#include "net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_priv.h"

enum { IOVECS = 64 }; /* of one gathered write */

void mw_net_init(struct mw_net *net, uv_loop_t *loop)
{
    *net = (struct mw_net){.loop = loop, .read_buffer = mw_xalloc(MW_NET_READ_SIZE)};
}

void mw_net_fini(struct mw_net *net)
{
    free(net->read_buffer);
    mw_net_tls_free(&net->tls);
    *net = (struct mw_net){0};
}

void mw_net_tune(int fd)
{
    const int on = 1, send_size = MW_NET_SEND_BUFFER / 2, window = MW_NET_RECEIVE_WINDOW;
    /* fails on anything but TCP, and that is the test. Options that are refused only make it
     * slower. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return;
    /* the kernel doubles it for its own bookkeeping */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof send_size);
    /* not SO_RCVBUF: that switches the kernel's own sizing off, which starts small and grows only
     * while we read */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof window);
}

/* ---- what is watched ---- */

static void on_event(uv_poll_t *handle, int status, int events);

static int needs(const struct mw_conn *conn)
{
    int events = 0;
    if (conn->is_connecting || conn->is_blocked)
        events |= UV_WRITABLE;
    if (!conn->has_eof && (conn->is_reading || conn->error != 0))
        events |= UV_READABLE;
    else if (conn->tls != NULL && mw_conn_tls_needs_read(conn))
        events |= UV_READABLE;
    return events;
}

/* Bring what is watched in line with the needs; `surplus` are events that came without a need. */
void mw_conn_watch(struct mw_conn *conn, int surplus)
{
    int needed = needs(conn), wanted = conn->wanted;
    if ((needed & ~wanted) != 0)
        wanted = needed;
    else
        wanted &= needed | ~surplus;
    if (wanted == conn->wanted)
        return;
    conn->wanted = (uint8_t)wanted;
    int err = wanted == 0 ? uv_poll_stop(&conn->poll)
                          : uv_poll_start(&conn->poll, wanted, on_event);
    mw_assert(err == 0);
}

static struct mw_conn *conn_of(uv_handle_t *handle)
{
    struct mw_conn *conn = handle->data;
    mw_assert((uv_handle_t *)&conn->poll == handle);
    return conn;
}

/* ---- life and death ---- */

enum mw_err mw_conn_init(struct mw_conn *conn, struct mw_net *net, int fd,
                         const struct mw_conn_ops *ops)
{
    *conn = (struct mw_conn){.ops = ops, .net = net, .fd = fd};
    if (uv_poll_init(net->loop, &conn->poll, fd) != 0)
        return MW_ERR_IO;
    conn->poll.data = conn;
    return MW_OK;
}

/* As if we were `from`: errno says why not. */
static bool bind_from(int fd, int family, const struct mw_inet *from)
{
    const int on = 1;
    const struct mw_endpoint own = {.kind = MW_ENDPOINT_INET, .address = *from};
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(&own, &address);
    if (address.ss_family != family) {
        errno = EAFNOSUPPORT;
        return false;
    }
    int err = family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on)
                                 : setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on);
    return err == 0 && bind(fd, (struct sockaddr *)&address, len) == 0;
}

static enum mw_err start_connecting(struct mw_conn *conn, struct mw_net *net,
                                    const struct mw_inet *from, const struct mw_endpoint *to,
                                    const struct mw_conn_ops *ops)
{
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(to, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return MW_ERR_IO;
    mw_net_tune(fd);
    if ((from == NULL || bind_from(fd, address.ss_family, from)) &&
        (connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EINPROGRESS)) {
        if (mw_conn_init(conn, net, fd, ops) == MW_OK)
            return MW_OK;
        errno = EBADF;
    }
    int error = errno;
    close(fd);
    errno = error;
    return MW_ERR_IO;
}

enum mw_err mw_conn_connect(struct mw_conn *conn, struct mw_net *net, const struct mw_endpoint *to,
                            const struct mw_conn_ops *ops, const char **out_text)
{
    return mw_conn_connect_from(conn, net, NULL, to, ops, out_text);
}

enum mw_err mw_conn_connect_from(struct mw_conn *conn, struct mw_net *net,
                                 const struct mw_inet *from, const struct mw_endpoint *to,
                                 const struct mw_conn_ops *ops, const char **out_text)
{
    if (to->kind == MW_ENDPOINT_NAME) {
        *out_text = "the host name has not been looked up";
        return MW_ERR_IO;
    }
    if (start_connecting(conn, net, from, to, ops) != MW_OK) {
        *out_text = strerror(errno);
        return MW_ERR_IO;
    }
    conn->is_connecting = true;
    mw_conn_watch(conn, 0);
    return MW_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mw_conn *conn = conn_of(handle);
    mw_conn_tls_free(&conn->tls);
    conn->ops->on_closed(conn);
}

void mw_conn_close(struct mw_conn *conn, bool reset)
{
    if (conn->is_closing)
        return;
    if (conn->tls != NULL)
        mw_conn_tls_close(conn, reset);
    conn->is_closing = true;
    conn->is_reading = conn->is_connecting = conn->is_blocked = false;
    uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    if (reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else if (!conn->has_eof || conn->tls != NULL) {
        /* MSG_TRUNC: TCP drops the octets without copying them (tcp(7)) */
        (void)recv(conn->fd, NULL, INT32_MAX, MSG_TRUNC | MSG_DONTWAIT);
    }
    close(conn->fd);
    conn->fd = -1;
}

bool mw_conn_is_flushed(const struct mw_conn *conn)
{
    return !conn->is_blocked && (conn->out == NULL || mw_queue_len(conn->out) == 0);
}

void mw_conn_finish(struct mw_conn *conn)
{
    if (conn->is_closing)
        return;
    if (conn->tls != NULL)
        mw_conn_tls_finish(conn);
    (void)shutdown(conn->fd, SHUT_WR);
}

bool mw_conn_is_peer_present(struct mw_conn *conn)
{
    char octet;
    if (conn->is_closing || conn->has_eof || conn->error != 0)
        return false;
    if (conn->tls != NULL)
        return mw_conn_tls_is_peer_present(conn);
    ssize_t count = recv(conn->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* ---- one event: connected, then writable, then readable ---- */

static void finish_connecting(struct mw_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    conn->is_connecting = false;
    conn->ops->on_connected(conn, error == 0 ? MW_OK : MW_ERR_IO,
                            error == 0 ? NULL : strerror(error));
}

void mw_conn_fail_writing(struct mw_conn *conn, int error)
{
    conn->error = error;
    conn->is_blocked = false;
    if (conn->out != NULL)
        mw_queue_clear(conn->out);
    (void)shutdown(conn->fd, SHUT_RDWR);
}

/* Write until the queue is empty (or dropped, because the connection broke): true; or the socket is
 * full: false. */
static bool write_out(struct mw_conn *conn)
{
    if (conn->tls != NULL && conn->tls->phase != MW_CONN_WAITS)
        return mw_conn_tls_write(conn);
    while (mw_queue_len(conn->out) > 0) {
        struct iovec iov[IOVECS];
        struct msghdr message = {.msg_iov = iov,
                                 .msg_iovlen = mw_queue_iov(conn->out, iov, IOVECS)};
        size_t offered = 0;
        for (size_t i = 0; i < message.msg_iovlen; i++)
            offered += iov[i].iov_len;
        /* one piece is the usual case, and a plain send() spares the kernel copying two structs in
         */
        ssize_t count = message.msg_iovlen == 1
                            ? send(conn->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
                            : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (count < 0) {
            mw_conn_fail_writing(conn, errno);
            return true;
        }
        conn->octets_out += (size_t)count;
        mw_queue_consume(conn->out, (size_t)count);
        if ((size_t)count < offered)
            return false; /* full: asking again would only be told so */
    }
    return true;
}

void mw_conn_flush(struct mw_conn *conn, struct mw_queue *queue)
{
    mw_assert(!conn->is_connecting);
    conn->out = queue;
    if (conn->is_closing || conn->error != 0)
        mw_queue_clear(queue);
    else if (conn->tls != NULL)
        mw_conn_tls_flush(conn);
    else if (!conn->is_blocked)
        conn->is_blocked = !write_out(conn);
    mw_queue_settle(queue);
    if (!conn->is_closing)
        mw_conn_watch(conn, 0);
}

static void resume_writing(struct mw_conn *conn)
{
    if (!write_out(conn))
        return;
    if (conn->out != NULL)
        mw_queue_settle(conn->out);
    conn->is_blocked = false;
    if (conn->error != 0)
        return;
    if (conn->tls != NULL)
        mw_conn_tls_drained(conn);
    else
        conn->ops->on_drained(conn);
}

void mw_conn_finish_reading(struct mw_conn *conn, int error, const char *text)
{
    if (conn->error != 0) {
        error = conn->error;
        text = NULL;
    }
    conn->has_eof = true;
    conn->is_reading = false;
    if (error != 0 &&
        conn->is_blocked) /* the whole connection broke: nothing can be written any more */
        mw_conn_fail_writing(conn, error);
    conn->error = error;
    conn->ops->on_eof(conn, text != NULL || error == 0 ? text : strerror(error));
}

static void read_some(struct mw_conn *conn)
{
    for (int turn = 0; turn < MW_CONN_READS_A_TURN && conn->is_reading; turn++) {
        ssize_t count = recv(conn->fd, conn->net->read_buffer, MW_NET_READ_SIZE,
                             conn->is_peeking ? MSG_PEEK : 0);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (count <= 0) {
            mw_conn_finish_reading(conn, count == 0 ? 0 : errno, NULL);
            return;
        }
        if (conn->is_peeking) {
            conn->ops->on_read(conn, MW_SLICE(conn->net->read_buffer, (size_t)count));
            return;
        }
        conn->octets_in += (size_t)count;
        conn->ops->on_read(conn, MW_SLICE(conn->net->read_buffer, (size_t)count));
        if (count < MW_NET_READ_SIZE)
            return;
    }
}

static void handle_readable(struct mw_conn *conn)
{
    if (conn->tls != NULL)
        mw_conn_tls_readable(conn);
    else if (conn->is_reading)
        read_some(conn);
    else if (conn->error != 0 && !conn->has_eof && !conn->is_closing)
        mw_conn_finish_reading(conn, 0, NULL);
}

/* Status is negative for EPOLLERR: libuv stops watching then; what is wrong shows in the next
 * system call. */
static void on_event(uv_poll_t *handle, int status, int events)
{
    struct mw_conn *conn = conn_of((uv_handle_t *)handle);
    if (status < 0) {
        conn->wanted = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    int needed = needs(conn);
    if (conn->is_connecting) {
        finish_connecting(conn);
    } else {
        if ((events & UV_WRITABLE) != 0 && conn->is_blocked)
            resume_writing(conn);
        if ((events & UV_READABLE) != 0)
            handle_readable(conn);
    }
    if (!conn->is_closing)
        mw_conn_watch(conn, UV_WRITABLE | (events & ~needed) | (conn->has_eof ? UV_READABLE : 0));
}

void mw_conn_read_start(struct mw_conn *conn)
{
    if (conn->is_closing || conn->has_eof)
        return;
    conn->is_reading = true;
    if (conn->tls != NULL)
        mw_conn_tls_read_start(conn);
    mw_conn_watch(conn, 0);
}

void mw_conn_read_stop(struct mw_conn *conn)
{
    conn->is_reading = false;
}

void mw_conn_peek(struct mw_conn *conn, bool is_on)
{
    mw_assert(conn->tls == NULL);
    conn->is_peeking = is_on;
}

/* What is taken was shown, so it is there. It is read once more, to where it lies already:
 * MSG_TRUNC would drop it uncopied, but on TCP only. */
void mw_conn_take(struct mw_conn *conn, size_t count)
{
    mw_assert(conn->is_peeking && count <= MW_NET_READ_SIZE);
    if (conn->is_closing || count == 0)
        return;
    ssize_t taken = recv(conn->fd, conn->net->read_buffer, count, 0);
    if (taken > 0) /* else it broke: the next read tells */
        conn->octets_in += (size_t)taken;
}
