/* control.c - see control.h. One request at a time of each connection: while its reply is written
 * nothing is read, so a client that does not take replies holds one of them in memory, and only for
 * as long as the deadline allows. */
#include "ops/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"

struct mw_control {
    uv_pipe_t listener;
    char *path;
    dev_t device; /* of our file: another's is not ours to remove */
    ino_t inode;
    mw_control_answer *answer;
    void *user;
    struct mw_link clients;
    size_t client_count;
    size_t handles; /* of the loop; the memory goes with the last one */
};

struct client {
    uv_pipe_t pipe;
    uv_timer_t timer; /* idle, or a reply that is not taken */
    uv_write_t write;
    struct mw_link clients;
    struct mw_control *control;
    struct mw_buf reply;
    size_t len;   /* of what was read and not answered yet */
    int handles;  /* open: pipe, timer */
    bool is_last; /* close behind this reply */
    char request[MW_CONTROL_REQUEST_MAX];
};

/* ---- the end ---- */

static void drop_handle(struct mw_control *control)
{
    if (--control->handles > 0)
        return;
    free(control->path);
    free(control);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->handles > 0)
        return;
    struct mw_control *control = client->control;
    mw_buf_fini(&client->reply);
    free(client);
    drop_handle(control);
}

static void close_client(struct client *client)
{
    if (uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    mw_list_remove(&client->clients);
    client->control->client_count--;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
    uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

static void on_patience_over(uv_timer_t *timer)
{
    close_client(timer->data);
}

/* ---- request and reply ---- */

static void on_written(uv_write_t *write, int status);
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out_room);
static void on_octets(uv_stream_t *stream, ssize_t len, const uv_buf_t *room);

/* client->reply has the lines. */
static void send_reply(struct client *client)
{
    mw_buf_put(&client->reply, MW_LIT(".\n"));
    uv_buf_t octets = uv_buf_init(client->reply.ptr, (unsigned)client->reply.len);
    uv_read_stop((uv_stream_t *)&client->pipe);
    uv_timer_start(&client->timer, on_patience_over, MW_CONTROL_WAIT_MS, 0);
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &octets, 1, on_written) != 0)
        close_client(client);
}

static void answer_line(struct client *client, size_t len)
{
    struct mw_slice request = MW_SLICE(client->request, len);
    if (len > 0 && request.ptr[len - 1] == '\r')
        request.len--;
    client->control->answer(client->control->user, request, &client->reply);
    client->len -= len + 1;
    memmove(client->request, client->request + len + 1, client->len);
    send_reply(client);
}

/* Answer what has come, or wait for the rest of it. */
static void go_on(struct client *client)
{
    const char *end = memchr(client->request, '\n', client->len);
    if (end != NULL) {
        answer_line(client, (size_t)(end - client->request));
    } else if (client->len == sizeof client->request) {
        client->is_last = true;
        mw_buf_put(&client->reply, MW_LIT("error: the request is too long\n"));
        send_reply(client);
    } else {
        uv_read_start((uv_stream_t *)&client->pipe, on_room, on_octets);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    if (status != 0 || client->is_last) {
        close_client(client);
        return;
    }
    mw_buf_fini(&client->reply);
    uv_timer_start(&client->timer, on_patience_over, MW_CONTROL_WAIT_MS, 0);
    go_on(client);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out_room)
{
    struct client *client = handle->data;
    (void)suggested;
    *out_room = uv_buf_init(client->request + client->len,
                            (unsigned)(sizeof client->request - client->len));
}

static void on_octets(uv_stream_t *stream, ssize_t len, const uv_buf_t *room)
{
    struct client *client = stream->data;
    (void)room;
    if (len < 0) {
        close_client(client);
        return;
    }
    client->len += (size_t)len;
    if (len > 0)
        go_on(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct mw_control *control = listener->data;
    if (status != 0)
        return;
    struct client *client = mw_xcalloc(1, sizeof *client);
    client->control = control;
    client->handles = 2;
    uv_pipe_init(listener->loop, &client->pipe, 0);
    uv_timer_init(listener->loop, &client->timer);
    client->pipe.data = client->timer.data = client;
    mw_list_append(&control->clients, &client->clients);
    control->client_count++;
    control->handles++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0) {
        close_client(client);
    } else if (control->client_count > MW_CONTROL_CONNECTIONS_MAX) {
        char text[] = "error: too many connections\n.\n";
        uv_buf_t refusal = uv_buf_init(text, sizeof text - 1);
        uv_try_write((uv_stream_t *)&client->pipe, &refusal, 1);
        close_client(client);
    } else {
        uv_timer_start(&client->timer, on_patience_over, MW_CONTROL_WAIT_MS, 0);
        go_on(client);
    }
}

/* ---- the socket's file ---- */

/* NULL: nobody is there, and nothing is in the way any more. */
static const char *make_room(int fd, const struct sockaddr_un *address)
{
    struct stat there;
    if (lstat(address->sun_path, &there) != 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (!S_ISSOCK(there.st_mode))
        return "a file that is no socket is in the way";
    if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) == 0 ||
        errno == EAGAIN) /* its queue is full: alive */
        return "another process listens there";
    if (errno != ECONNREFUSED)
        return strerror(errno);
    return unlink(address->sun_path) == 0 ? NULL : strerror(errno);
}

/* Nobody can connect before listen(), so the mode is right when somebody does. */
static const char *bind_file(int fd, const struct sockaddr_un *address, struct stat *out_file)
{
    if (bind(fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0)
        return strerror(errno);
    if (chmod(address->sun_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0 ||
        lstat(address->sun_path, out_file) != 0) {
        const char *text = strerror(errno);
        unlink(address->sun_path);
        return text;
    }
    return NULL;
}

/* A bound descriptor, or -1 with a text. */
static int bound_socket(const char *path, struct stat *out_file, const char **out_text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    *out_text = "the path is empty or too long";
    if (len == 0 || len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, len);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *out_text = probe < 0 || fd < 0 ? strerror(errno) : make_room(probe, &address);
    if (*out_text == NULL)
        *out_text = bind_file(fd, &address, out_file);
    if (probe >= 0)
        close(probe);
    if (*out_text == NULL)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void remove_file(const struct mw_control *control)
{
    struct stat file;
    if (lstat(control->path, &file) == 0 && file.st_dev == control->device &&
        file.st_ino == control->inode)
        unlink(control->path);
}

/* ---- open and close ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

enum mw_err mw_control_open(uv_loop_t *loop, const char *path, mw_control_answer *answer,
                            void *user, struct mw_control **out_control, char *out_text,
                            size_t text_size)
{
    struct stat file;
    const char *text;
    int fd = bound_socket(path, &file, &text);
    if (fd < 0) {
        snprintf(out_text, text_size, "%s", text);
        return MW_ERR_IO;
    }
    struct mw_control *control = mw_xcalloc(1, sizeof *control);
    *control = (struct mw_control){.path = mw_xstrdup(path),
                                   .device = file.st_dev,
                                   .inode = file.st_ino,
                                   .answer = answer,
                                   .user = user,
                                   .handles = 1};
    mw_list_init(&control->clients);
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    int error = uv_pipe_open(&control->listener, fd);
    if (error != 0)
        close(fd);
    else
        error = uv_listen((uv_stream_t *)&control->listener, MW_CONTROL_CONNECTIONS_MAX,
                          on_connection);
    if (error == 0) {
        *out_control = control;
        return MW_OK;
    }
    snprintf(out_text, text_size, "%s", uv_strerror(error));
    mw_control_close(&control);
    return MW_ERR_IO;
}

void mw_control_close(struct mw_control **control)
{
    struct mw_control *old = *control;
    *control = NULL;
    if (old == NULL)
        return;
    remove_file(old);
    mw_list_for_each (link, &old->clients)
        close_client(mw_container_of(link, struct client, clients));
    uv_close((uv_handle_t *)&old->listener, on_listener_closed);
}
