/* sink.c - the mail server at the far end of a benchmark: accepts everything, keeps nothing.
 *
 * One thread, edge-triggered epoll, one read and one write an event, so that it costs little beside
 * the hop under test. It parses just enough: the first letter of a command, and the end of data as
 * CRLF.CRLF (RFC 5321 4.1.1.4). Commands may be pipelined.
 *
 * nginx's mail proxy asks an HTTP server where each session goes: a second port answers that it
 * goes here. The two ports are printed at the start, and counts as one line of JSON when SIGTERM or
 * SIGINT ends the sink. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_SIZE = 262144,
    KEEP = 4, /* octets of the message that may begin CRLF.CRLF */
    COMMAND_MAX = 1024,
    OUT_MAX = 4096, /* replies to one read; a client that pipelines more is cut off */
    EVENTS = 256
};

struct client {
    int fd;
    bool in_data, is_http;
    char kept[KEEP]; /* the last octets of the message so far */
    size_t line_len; /* a command whose end has not come */
    char line[COMMAND_MAX];
};

struct sink {
    int poll, listener, http_listener, signals;
    uint16_t port;
    uint64_t sessions, messages, octets, dropped;
    bool is_over;
    char out[OUT_MAX];
    size_t out_len;
    char room[KEEP + READ_SIZE]; /* what was kept, then what was read */
};

static void die(const char *what)
{
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void reply(struct sink *sink, const char *text)
{
    size_t len = strlen(text);
    if (len <= sizeof sink->out - sink->out_len) {
        memcpy(sink->out + sink->out_len, text, len);
        sink->out_len += len;
    }
}

/* ---- the dialogue; false = close ---- */

/* The empty line ends a request: the answer, then the end. */
static bool http_line(struct sink *sink, const char *text)
{
    char answer[128];
    if (text[0] != '\r')
        return true;
    snprintf(
        answer, sizeof answer,
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: %u\r\n\r\n",
        (unsigned)sink->port);
    reply(sink, answer);
    return false;
}

static bool command(struct sink *sink, struct client *client, const char *text)
{
    if (client->is_http)
        return http_line(sink, text);
    switch (text[0] | 0x20) {
    case 'e':
        reply(sink, "250-sink.example.com\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
                    "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n");
        return true;
    case 'd':
        reply(sink, "354 End data with <CR><LF>.<CR><LF>\r\n");
        client->in_data = true;
        memcpy(client->kept, "\0\0\r\n", KEEP);
        return true;
    case 'q':
        reply(sink, "221 2.0.0 Bye\r\n");
        return false;
    case 'x':
        reply(sink, "502 5.5.2 Not here\r\n");
        return true;
    default:
        reply(sink, "250 2.1.0 Ok\r\n");
        return true;
    }
}

/* One complete line in `text`, or a part that is kept. Returns the octets used. */
static size_t take_line(struct sink *sink, struct client *client, const char *text, size_t len,
                        bool *out_is_open)
{
    const char *end = memchr(text, '\n', len);
    size_t used = end == NULL ? len : (size_t)(end - text) + 1;
    if (client->line_len == 0 && end != NULL) {
        *out_is_open = command(sink, client, text);
        return used;
    }
    size_t room = sizeof client->line - client->line_len, part = used < room ? used : room;
    memcpy(client->line + client->line_len, text, part);
    client->line_len += part;
    if (end != NULL) {
        client->line_len = 0;
        *out_is_open = command(sink, client, client->line);
    }
    return used;
}

/* `text` has KEEP octets of room in front, where the end of what came before is put. */
static size_t take_data(struct sink *sink, struct client *client, char *text, size_t len)
{
    char saved[KEEP], *start = text - KEEP;
    memcpy(saved, start, KEEP); /* may be octets of the same read: they have been used */
    memcpy(start, client->kept, KEEP);
    const char *end = memmem(start, KEEP + len, "\r\n.\r\n", 5);
    size_t used = end == NULL ? len : (size_t)(end + 5 - text);
    memcpy(client->kept, start + len, KEEP);
    memcpy(start, saved, KEEP);
    sink->octets += used;
    if (end != NULL) {
        client->in_data = false;
        sink->messages++;
        reply(sink, "250 2.0.0 Ok: taken\r\n");
    }
    return used;
}

static bool take(struct sink *sink, struct client *client, char *text, size_t len)
{
    bool is_open = true;
    while (len > 0 && is_open) {
        size_t used = client->in_data ? take_data(sink, client, text, len)
                                      : take_line(sink, client, text, len, &is_open);
        text += used;
        len -= used;
    }
    return is_open;
}

/* ---- sockets ---- */

static void drop(struct client *client)
{
    close(client->fd);
    free(client);
}

/* False: it does not take our replies, which a benchmark's client does. */
static bool send_out(struct sink *sink, struct client *client)
{
    size_t len = sink->out_len;
    sink->out_len = 0;
    return len == 0 || send(client->fd, sink->out, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void on_readable(struct sink *sink, struct client *client)
{
    for (;;) {
        ssize_t count = recv(client->fd, sink->room + KEEP, READ_SIZE, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count <= 0) {
            sink->dropped += client->in_data;
            drop(client);
            return;
        }
        bool is_open = take(sink, client, sink->room + KEEP, (size_t)count);
        if (!send_out(sink, client) || !is_open) {
            drop(client);
            return;
        }
        if (count < READ_SIZE)
            return; /* what comes from now on is a new edge (epoll(7), question 9) */
    }
}

static void on_connection(struct sink *sink, int listener)
{
    const int on = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        struct client *client = calloc(1, sizeof *client);
        if (fd < 0 || client == NULL)
            die("accept");
        client->fd = fd;
        client->is_http = listener == sink->http_listener;
        sink->sessions += !client->is_http;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!client->is_http)
            reply(sink, "220 sink.example.com ESMTP\r\n");
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = client};
        if (epoll_ctl(sink->poll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
        if (!send_out(sink, client))
            drop(client);
    }
}

static int listen_on(uint16_t port, uint16_t *out_port)
{
    const int on = 1;
    struct sockaddr_in own = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    socklen_t len = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&own, len) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&own, &len) != 0)
        die("listen");
    *out_port = ntohs(own.sin_port);
    return listener;
}

static void start_listening(struct sink *sink, uint16_t port)
{
    uint16_t http_port;
    sink->listener = listen_on(port, &sink->port);
    sink->http_listener = listen_on(0, &http_port);
    printf("port %u http %u\n", (unsigned)sink->port, (unsigned)http_port);
    fflush(stdout);
}

static void watch(struct sink *sink, int fd, int *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
    if (epoll_ctl(sink->poll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

int main(int argc, char **argv)
{
    static struct sink sink;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    sink.poll = epoll_create1(EPOLL_CLOEXEC);
    sink.signals = signalfd(-1, &ends, SFD_CLOEXEC);
    start_listening(&sink, argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0);
    watch(&sink, sink.listener, &sink.listener);
    watch(&sink, sink.http_listener, &sink.http_listener);
    watch(&sink, sink.signals, &sink.signals);
    while (!sink.is_over) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(sink.poll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &sink.listener)
                on_connection(&sink, sink.listener);
            else if (events[i].data.ptr == &sink.http_listener)
                on_connection(&sink, sink.http_listener);
            else if (events[i].data.ptr == &sink.signals)
                sink.is_over = true;
            else
                on_readable(&sink, events[i].data.ptr);
        }
    }
    printf("{\"sessions\": %llu, \"messages\": %llu, \"octets\": %llu, \"dropped\": %llu}\n",
           (unsigned long long)sink.sessions, (unsigned long long)sink.messages,
           (unsigned long long)sink.octets, (unsigned long long)sink.dropped);
    return 0;
}
