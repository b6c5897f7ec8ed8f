/* wire.c - poll() around a non-blocking socket; deadlines are absolute, so that a server that sends
 * an octet a second gains nothing. */
#include "cli/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 16384, SHOWN_MAX = 80 };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* `text`, and with `octets` the first of what the server said. */
static enum mw_err fail_with(struct mw_wire *wire, enum mw_err err, const char *text,
                             struct mw_slice octets)
{
    struct mw_slice parts[] = {mw_slice_cstr(text), mw_slice_take(octets, SHOWN_MAX)};
    wire->problem_len = 0;
    for (size_t i = 0; i < 2; i++) {
        struct mw_slice part = mw_slice_take(parts[i], sizeof wire->problem - wire->problem_len);
        if (part.len > 0)
            memcpy(wire->problem + wire->problem_len, part.ptr, part.len);
        wire->problem_len += part.len;
    }
    return err;
}

static enum mw_err fail(struct mw_wire *wire, enum mw_err err, const char *text)
{
    return fail_with(wire, err, text, MW_EMPTY);
}

/* MW_OK: the socket is ready for `events` (or broken, which the next call will tell). */
static enum mw_err wait_for(struct mw_wire *wire, short events, uint64_t deadline)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = wire->fd, .events = events};
        uint64_t now = now_ms();
        int count = poll(&poll_fd, 1, deadline > now ? (int)(deadline - now) : 0);
        if (count > 0)
            return MW_OK;
        if (count == 0)
            return fail(wire, MW_ERR_TIMEOUT, "no answer in time");
        if (errno != EINTR)
            return fail(wire, MW_ERR_IO, strerror(errno));
    }
}

/* ---- connect ---- */

enum mw_err mw_wire_connect(struct mw_wire *wire, const struct mw_endpoint *to, uint64_t timeout_ms)
{
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(to, &address);
    int error = 0;
    socklen_t error_len = sizeof error;
    wire->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return fail(wire, MW_ERR_IO, strerror(errno));
    if (connect(wire->fd, (const struct sockaddr *)&address, len) == 0)
        return MW_OK;
    if (errno != EINPROGRESS)
        return fail(wire, MW_ERR_IO, strerror(errno));
    enum mw_err err = wait_for(wire, POLLOUT, now_ms() + timeout_ms);
    if (err != MW_OK)
        return err;
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0 || error != 0)
        return fail(wire, MW_ERR_IO, strerror(error != 0 ? error : errno));
    return MW_OK;
}

void mw_wire_close(struct mw_wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    mw_tls_free(&wire->tls);
    mw_buf_fini(&wire->in);
    mw_buf_fini(&wire->sealed);
    *wire = MW_WIRE_INIT;
}

/* ---- octets ---- */

static enum mw_err write_all(struct mw_wire *wire, struct mw_slice octets, uint64_t deadline)
{
    while (octets.len > 0) {
        ssize_t count = send(wire->fd, octets.ptr, octets.len, MSG_NOSIGNAL);
        if (count >= 0) {
            octets = mw_slice_skip(octets, (size_t)count);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fail(wire, MW_ERR_CLOSED, strerror(errno));
        enum mw_err err = wait_for(wire, POLLOUT, deadline);
        if (err != MW_OK)
            return err;
    }
    return MW_OK;
}

/* What the TLS engine wants on the wire. */
static enum mw_err write_sealed(struct mw_wire *wire, struct mw_buf *sealed, uint64_t deadline)
{
    enum mw_err err = write_all(wire, mw_buf_view(sealed), deadline);
    mw_buf_fini(sealed);
    return err;
}

/* What came in is all of a record, some, or a part of one. */
static enum mw_err open_records(struct mw_wire *wire, uint64_t deadline)
{
    char plain[READ_SIZE];
    struct mw_buf reply = {0};
    struct mw_slice sealed = mw_buf_view(&wire->sealed);
    enum mw_err err;
    size_t len;
    while ((err = mw_tls_open(wire->tls, &sealed, plain, sizeof plain, &len, &reply)) == MW_OK)
        mw_buf_put(&wire->in, MW_SLICE(plain, len));
    mw_buf_consume(&wire->sealed, wire->sealed.len - sealed.len);
    enum mw_err sent = write_sealed(wire, &reply, deadline);
    if (err == MW_ERR_CLOSED)
        return wire->in.len > 0 ? MW_OK : fail(wire, err, "the server ended the connection");
    if (err != MW_AGAIN)
        return fail(wire, MW_ERR_IO, mw_tls_error(wire->tls));
    return sent;
}

/* One read; with TLS it may bring no octet of the server's yet. */
static enum mw_err read_some(struct mw_wire *wire, uint64_t deadline)
{
    enum mw_err err = wait_for(wire, POLLIN, deadline);
    if (err != MW_OK)
        return err;
    struct mw_buf *to = wire->tls != NULL ? &wire->sealed : &wire->in;
    ssize_t count = recv(wire->fd, mw_buf_reserve(to, READ_SIZE), READ_SIZE, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return MW_OK;
    if (count < 0)
        return fail(wire, MW_ERR_CLOSED, strerror(errno));
    if (count == 0)
        return fail(wire, MW_ERR_CLOSED, "the server ended the connection");
    to->len += (size_t)count;
    return wire->tls != NULL ? open_records(wire, deadline) : MW_OK;
}

/* The last reply is done with; nothing may be left behind it. */
static enum mw_err forget_reply(struct mw_wire *wire)
{
    mw_buf_consume(&wire->in, wire->taken);
    wire->taken = 0;
    if (wire->in.len == 0)
        return MW_OK;
    return fail_with(wire, MW_ERR_SYNTAX,
                     "it speaks without being asked: ", mw_buf_view(&wire->in));
}

enum mw_err mw_wire_send(struct mw_wire *wire, struct mw_slice octets, uint64_t timeout_ms)
{
    uint64_t deadline = now_ms() + timeout_ms;
    struct mw_buf sealed = {0};
    enum mw_err err = forget_reply(wire);
    if (err != MW_OK)
        return err;
    if (wire->tls == NULL)
        return write_all(wire, octets, deadline);
    if (mw_tls_seal(wire->tls, octets, &sealed) != MW_OK) {
        mw_buf_fini(&sealed);
        return fail(wire, MW_ERR_IO, mw_tls_error(wire->tls));
    }
    return write_sealed(wire, &sealed, deadline);
}

bool mw_wire_speaks(struct mw_wire *wire, uint64_t timeout_ms)
{
    return wait_for(wire, POLLIN, now_ms() + timeout_ms) == MW_OK;
}

/* ---- TLS ---- */

/* One step of the handshake with what the server has sent so far. */
static enum mw_err shake(struct mw_wire *wire, struct mw_tls *tls, uint64_t deadline)
{
    struct mw_buf out = {0};
    struct mw_slice sealed = mw_buf_view(&wire->sealed);
    enum mw_err err = mw_tls_handshake(tls, &sealed, &out);
    mw_buf_consume(&wire->sealed, wire->sealed.len - sealed.len);
    enum mw_err sent = write_sealed(wire, &out, deadline);
    if (err == MW_OK)
        return sent;
    if (err != MW_AGAIN)
        return fail(wire, MW_ERR_IO, mw_tls_error(tls));
    return sent == MW_OK ? MW_AGAIN : sent;
}

static enum mw_err read_record(struct mw_wire *wire, uint64_t deadline)
{
    enum mw_err err = wait_for(wire, POLLIN, deadline);
    if (err != MW_OK)
        return err;
    ssize_t count = recv(wire->fd, mw_buf_reserve(&wire->sealed, READ_SIZE), READ_SIZE, 0);
    if (count > 0)
        wire->sealed.len += (size_t)count;
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        return fail(wire, MW_ERR_CLOSED, "the server hung up during the handshake");
    return MW_OK;
}

enum mw_err mw_wire_secure(struct mw_wire *wire, struct mw_tls_client *client,
                           struct mw_slice session_key, uint64_t timeout_ms)
{
    uint64_t deadline = now_ms() + timeout_ms;
    enum mw_err err = forget_reply(wire);
    if (err != MW_OK)
        return err;
    struct mw_tls *tls = mw_tls_connect(client, session_key);
    if (tls == NULL)
        return fail(wire, MW_ERR_IO, "no TLS engine could be made");
    while ((err = shake(wire, tls, deadline)) == MW_AGAIN)
        if ((err = read_record(wire, deadline)) != MW_OK)
            break;
    if (err != MW_OK) {
        mw_tls_free(&tls);
        return err;
    }
    wire->tls = tls;
    return wire->sealed.len > 0 ? open_records(wire, deadline) : MW_OK;
}

/* ---- replies ---- */

enum mw_err mw_wire_reply(struct mw_wire *wire, struct mw_reply *out_reply, uint64_t timeout_ms)
{
    uint64_t deadline = now_ms() + timeout_ms;
    enum mw_err err;
    mw_buf_consume(&wire->in, wire->taken);
    wire->taken = 0;
    while ((err = mw_reply_parse(mw_buf_view(&wire->in), out_reply, &wire->taken)) == MW_AGAIN) {
        wire->taken = 0;
        if ((err = read_some(wire, deadline)) != MW_OK)
            return err;
    }
    if (err == MW_OK)
        return MW_OK;
    wire->taken = 0;
    return fail_with(wire, MW_ERR_SYNTAX, "not an SMTP reply: ", mw_buf_view(&wire->in));
}
