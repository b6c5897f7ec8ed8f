/* listening.c - the worker's listening sockets as a set that is exchanged as a whole.
 *
 * A reload must not lose a connection that waits in a queue, so an address that stays keeps its
 * socket, and nothing is closed before everything new is open. New sockets accept from the moment
 * they are prepared, but their callback runs from the loop, and prepare and commit happen in one go
 * between two turns of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ops/worker_priv.h"

static void on_accept(void *user, int fd, const struct sockaddr_storage *peer)
{
    struct mw_listening *listening = user;
    mw_driver_accept(listening->worker->driver, listening->worker->snapshot, listening->settings,
                     fd, peer);
}

static void on_accept_error(void *user, const char *text)
{
    struct mw_listening *listening = user;
    MW_LOG(listening->worker->log, MW_EMPTY, MW_EV_ACCEPT_FAILED,
           mw_text("listener", listening->settings->name), mw_cstr("text", text));
}

static bool is_same(const struct mw_endpoint *a, const struct mw_endpoint *b)
{
    if (a->kind != b->kind || a->port != b->port)
        return false;
    return a->kind == MW_ENDPOINT_INET ? memcmp(&a->address, &b->address, sizeof a->address) == 0
                                       : strcmp(a->path, b->path) == 0;
}

static struct mw_listening *find(struct mw_worker *worker, const struct mw_endpoint *endpoint)
{
    mw_list_for_each (link, &worker->listeners) {
        struct mw_listening *listening = mw_container_of(link, struct mw_listening, listeners);
        if (is_same(&listening->endpoint, endpoint))
            return listening;
    }
    return NULL;
}

static void close_one(struct mw_listening *listening)
{
    mw_list_remove(&listening->listeners);
    mw_listener_close(&listening->listener);
    free(listening);
}

/* ---- transparent sockets (Linux TPROXY) ---- */

/* Takes connections to addresses that are not ours, and may have such a one itself. The option must
 * be set before bind(). */
static bool make_transparent(int fd, int family)
{
    const int on = 1;
    if (family == AF_INET6)
        return setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0 &&
               setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) == 0 &&
               setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    return setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0;
}

/* As mw_listen_socket(). */
static int transparent_socket(const struct mw_endpoint *endpoint, const char **out_text)
{
    const int on = 1;
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(endpoint, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && make_transparent(fd, address.ss_family) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)(const void *)&address, len) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;
    int error = errno;
    *out_text = error == EPERM ? "transparent sockets need CAP_NET_ADMIN or CAP_NET_RAW when they "
                                 "are opened: start as root, or with "
                                 "AmbientCapabilities=CAP_NET_RAW"
                               : strerror(error);
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

/* ---- opening ---- */

/* False with errno and a text if the address cannot be had. */
static bool open_one(struct mw_worker *worker, const struct mw_listen_settings *settings,
                     const struct mw_endpoint *endpoint, char *out_text, size_t text_size)
{
    struct mw_listening *listening = mw_xcalloc(1, sizeof *listening);
    const char *text = "";
    char address[128];
    listening->worker = worker;
    listening->endpoint = *endpoint;
    listening->settings = listening->next = settings;
    listening->is_new = true;
    listening->is_transparent = settings->is_transparent;
    int fd = settings->is_transparent ? transparent_socket(endpoint, &text)
                                      : mw_listen_socket(endpoint, false, &text);
    if (fd >= 0 && mw_listener_open(&worker->net, fd, on_accept, on_accept_error, listening,
                                    &listening->listener) == MW_OK) {
        mw_list_append(&worker->listeners, &listening->listeners);
        return true;
    }
    int error = errno;
    mw_endpoint_print(endpoint, address, sizeof address);
    snprintf(out_text, text_size, "cannot listen on %s (listen %.*s): %s", address,
             (int)settings->name.len, settings->name.ptr, fd < 0 ? text : strerror(error));
    if (fd >= 0)
        close(fd);
    free(listening);
    errno = error;
    return false;
}

/* An open socket for this listener; false with a text if it is not what is asked for. */
static bool keep_one(struct mw_listening *listening, const struct mw_listen_settings *settings,
                     char *out_text, size_t text_size)
{
    char address[128];
    listening->next = settings;
    if (listening->is_transparent == settings->is_transparent)
        return true;
    mw_endpoint_print(&listening->endpoint, address, sizeof address);
    snprintf(out_text, text_size,
             "'transparent' was changed for %s (listen %.*s), which an open socket cannot: restart",
             address, (int)settings->name.len, settings->name.ptr);
    errno = EINVAL;
    return false;
}

enum mw_err mw_listening_prepare(struct mw_worker *worker, const struct mw_snapshot *snapshot,
                                 int *out_error, char *out_text, size_t text_size)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct mw_listen_settings *settings = &snapshot->listeners[i];
        for (size_t j = 0; j < settings->address_count; j++) {
            const struct mw_endpoint *address = &settings->addresses[j];
            struct mw_listening *listening = find(worker, address);
            bool is_there = listening != NULL
                                ? keep_one(listening, settings, out_text, text_size)
                                : open_one(worker, settings, address, out_text, text_size);
            if (!is_there) {
                *out_error = errno;
                mw_listening_rollback(worker);
                return MW_ERR_IO;
            }
        }
    }
    return MW_OK;
}

static void log_listening(const struct mw_listening *listening)
{
    char address[128];
    mw_endpoint_print(&listening->endpoint, address, sizeof address);
    MW_LOG(listening->worker->log, MW_EMPTY, MW_EV_LISTENING,
           mw_text("listener", listening->settings->name), mw_cstr("address", address));
}

size_t mw_listening_commit(struct mw_worker *worker)
{
    size_t count = 0;
    mw_list_for_each (link, &worker->listeners) {
        struct mw_listening *listening = mw_container_of(link, struct mw_listening, listeners);
        if (listening->next == NULL) {
            close_one(listening);
            continue;
        }
        listening->settings = listening->next;
        listening->next = NULL;
        if (listening->is_new)
            log_listening(listening);
        listening->is_new = false;
        count++;
    }
    return count;
}

void mw_listening_rollback(struct mw_worker *worker)
{
    mw_list_for_each (link, &worker->listeners) {
        struct mw_listening *listening = mw_container_of(link, struct mw_listening, listeners);
        listening->next = NULL;
        if (listening->is_new)
            close_one(listening);
    }
}

void mw_listening_close_all(struct mw_worker *worker)
{
    mw_list_for_each (link, &worker->listeners)
        close_one(mw_container_of(link, struct mw_listening, listeners));
}
