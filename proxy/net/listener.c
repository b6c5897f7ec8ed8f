/* listener.c - accepting connections.
 *
 * accept4() that finds nobody is dear (the kernel builds a file before it looks), so the number of
 * calls an event follows the load: one at first, doubled when all of them found somebody, one again
 * when they did not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "net/conn.h"

enum {
    BATCH_MAX = 16,
    RETRY_MS = 100, /* after EMFILE and the like: polling would spin, the connection stays in the
                       backlog */
};

struct mw_listener {
    uv_poll_t poll;
    uv_timer_t retry;
    int fd, batch;
    int open_handles;
    bool is_paused, is_closing;
    mw_accept_fn *on_accept;
    void (*on_error)(void *user, const char *text);
    void *user;
};

static void on_acceptable(uv_poll_t *handle, int status, int events);

static void update(struct mw_listener *listener)
{
    if (listener->is_closing)
        return;
    bool is_waiting = uv_is_active((uv_handle_t *)&listener->retry) != 0;
    int err = listener->is_paused || is_waiting
                  ? uv_poll_stop(&listener->poll)
                  : uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
    mw_assert(err == 0);
}

static void on_retry(uv_timer_t *timer)
{
    update(timer->data);
}

static void fail(struct mw_listener *listener, int error)
{
    listener->batch = 1;
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
    update(listener);
    listener->on_error(listener->user, strerror(error));
}

/* Errors of one connection that died in the backlog (accept(2): "already-pending network errors"),
 * not of the listener. */
static bool is_passing(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        return false;
    default:
        return true;
    }
}

static void on_acceptable(uv_poll_t *handle, int status, int events)
{
    struct mw_listener *listener = handle->data;
    (void)events;
    if (status < 0) { /* EPOLLERR: libuv has stopped watching */
        fail(listener, EIO);
        return;
    }
    for (int i = 0; i < listener->batch && !listener->is_paused && !listener->is_closing; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_passing(errno)) {
            listener->batch = 1;
            return;
        }
        if (fd < 0) {
            fail(listener, errno);
            return;
        }
        listener->on_accept(listener->user, fd, &peer);
    }
    listener->batch = listener->batch * 2 < BATCH_MAX ? listener->batch * 2 : BATCH_MAX;
}

enum mw_err mw_listener_open(struct mw_net *net, int fd, mw_accept_fn *on_accept,
                             void (*on_error)(void *user, const char *text), void *user,
                             struct mw_listener **out_listener)
{
    struct mw_listener *listener = mw_xcalloc(1, sizeof *listener);
    if (uv_poll_init(net->loop, &listener->poll, fd) != 0) {
        free(listener);
        return MW_ERR_IO;
    }
    uv_timer_init(net->loop, &listener->retry);
    listener->poll.data = listener->retry.data = listener;
    listener->open_handles = 2;
    listener->fd = fd;
    listener->batch = 1;
    listener->on_accept = on_accept;
    listener->on_error = on_error;
    listener->user = user;
    mw_net_tune(fd);
    update(listener);
    *out_listener = listener;
    return MW_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mw_listener *listener = handle->data;
    if (--listener->open_handles == 0)
        free(listener);
}

void mw_listener_close(struct mw_listener **listener)
{
    struct mw_listener *old = *listener;
    if (old == NULL)
        return;
    *listener = NULL;
    old->is_closing = true;
    uv_close((uv_handle_t *)&old->poll, on_handle_closed);
    uv_close((uv_handle_t *)&old->retry, on_handle_closed);
    close(old->fd);
}

void mw_listener_pause(struct mw_listener *listener, bool is_paused)
{
    if (listener->is_paused == is_paused)
        return;
    listener->is_paused = is_paused;
    update(listener);
}

/* ---- making the socket ---- */

/* A socket file that a dead process left behind: nobody answers. Anything else at that path is not
 * ours to remove. */
static bool remove_stale(const struct sockaddr_storage *address, socklen_t len)
{
    const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_stale = connect(fd, (const struct sockaddr *)(const void *)address, len) != 0 &&
                    errno == ECONNREFUSED;
    close(fd);
    return is_stale && unlink(path) == 0;
}

static bool bind_and_listen(int fd, const struct sockaddr_storage *address, socklen_t len,
                            bool reuse_port)
{
    const int on = 1;
    const struct sockaddr *name = (const struct sockaddr *)(const void *)address;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return false;
    if (address->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool is_bound = bind(fd, name, len) == 0;
    if (!is_bound && errno == EADDRINUSE && address->ss_family == AF_UNIX) {
        if (remove_stale(address, len))
            is_bound = bind(fd, name, len) == 0;
        else
            errno = EADDRINUSE;
    }
    return is_bound && listen(fd, SOMAXCONN) == 0;
}

int mw_listen_socket(const struct mw_endpoint *endpoint, bool reuse_port, const char **out_text)
{
    if (endpoint->kind == MW_ENDPOINT_NAME) {
        *out_text = "an address is needed here, not a name";
        return -1;
    }
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(endpoint, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_and_listen(fd, &address, len, reuse_port && address.ss_family != AF_UNIX))
        return fd;
    *out_text = strerror(errno);
    if (fd >= 0)
        close(fd);
    return -1;
}
