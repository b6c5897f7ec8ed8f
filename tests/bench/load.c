/* load.c - the load generator: a fixed number of lock-step SMTP sessions at a time, on one thread.
 *
 * Each session says EHLO, sends its messages one after the other (MAIL, RCPT, DATA, text), says
 * QUIT, and is replaced by the next one until all messages are through. Nothing is pipelined:
 * every command waits for its reply, as with Postfix's smtp-source. A message counts only when its
 * 250 has arrived; its latency is the time from MAIL to that 250, for the first message of a
 * session also from connect().
 *
 * With --connect-only a session ends behind the greeting, and counts as one accepted message. With
 * --tls all of it goes through implicit TLS, with --resume too the newest session is offered to
 * each next connection; TLS costs CPU here as well, so read the hop's CPU time, not the rate.
 *
 * With --park the sessions stop at a point and are held there (memory per idle session): the line
 * `parked N lost M` is printed when all have got there or failed, and again the count of lost ones
 * at the end of standard input, which ends the run.
 *
 * One line of JSON is printed at the end. Exit: 0 = every message was accepted. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum {
    REPLY_MAX = 4096, /* octets of one reply, all lines */
    EVENTS = 256,     /* of one epoll_wait */
    STALL_MS = 60000  /* nothing happened for so long: give up */
};

/* What a session waits for; also the reply that ends the wait. */
enum step {
    STEP_CONNECT,
    STEP_SHAKE,
    STEP_GREETING,
    STEP_EHLO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_TEXT, /* writing the message, then its 250 */
    STEP_QUIT,
    STEP_PARKED
};

enum park { PARK_NO, PARK_EHLO, PARK_DATA };

struct session {
    struct wire wire;
    enum step step;
    bool is_writing;
    unsigned number; /* of the connection: callers see that it was closed and replaced */
    unsigned sent;   /* messages begun */
    size_t offset;   /* of the message: octets written */
    size_t reply_len;
    uint64_t connected_at, mail_at;
    char reply[REPLY_MAX];
};

struct latencies {
    uint32_t *ns; /* sorted at the end */
    size_t count, capacity;
};

struct load {
    struct sockaddr_in to;
    struct wire_tls tls;
    const char *tls_version; /* NULL: in the clear */
    bool wants_resuming, is_connect_only;
    unsigned concurrency, total, per_session;
    size_t size, chunk;
    unsigned dots; /* lines from one that begins with a dot to the next; 0 = none does */
    const char
        *file; /* the message as it goes over the wire, but for its final dot; NULL: made up */
    unsigned domains,
        next_domain; /* senders in turn: sender@d0.example.net, d1, ...; 0 = example.net */
    enum park park;
    int poll;
    char *text; /* the whole message with its final dot */
    size_t text_len, header_len;
    unsigned started, accepted, failed, open, parked,
        lost; /* started, accepted, failed: messages */
    bool has_complained;
    struct latencies message, first; /* MAIL to 250; connect() to the first 250 */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL)
        die("memory");
    return memory;
}

/* ---- figures ---- */

static void note(struct latencies *latencies, uint64_t since, uint64_t now)
{
    uint64_t ns = now - since;
    if (latencies->count < latencies->capacity)
        latencies->ns[latencies->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(const struct latencies *latencies, double part)
{
    if (latencies->count == 0)
        return 0;
    size_t index = (size_t)(part * (double)(latencies->count - 1) + 0.5);
    return latencies->ns[index] / 1000.0;
}

static void print_figures(struct load *load, uint64_t ns)
{
    qsort(load->message.ns, load->message.count, sizeof *load->message.ns, compare);
    qsort(load->first.ns, load->first.count, sizeof *load->first.ns, compare);
    printf("{\"accepted\": %u, \"failed\": %u, \"seconds\": %.6f, \"octets\": %zu, "
           "\"p50_us\": %.2f, \"p99_us\": %.2f, \"first_p50_us\": %.2f, \"first_p99_us\": %.2f, "
           "\"tls\": \"%s\", \"full\": %u, \"resumed\": %u}\n",
           load->accepted, load->failed, (double)ns / 1e9, load->text_len,
           percentile_us(&load->message, 0.50), percentile_us(&load->message, 0.99),
           percentile_us(&load->first, 0.50), percentile_us(&load->first, 0.99), load->tls.how,
           load->tls.full, load->tls.resumed);
}

/* ---- the message ---- */

static const char header[] =
    "Received: from client.example.net (client.example.net [192.0.2.44])\r\n"
    "\tby submit.example.net (Postfix) with ESMTPS id 4XyZ1a2b3c\r\n"
    "\tfor <recipient@example.com>; Mon, 16 Nov 2026 10:20:30 +0000 (UTC)\r\n"
    "From: Some Sender <sender@example.net>\r\n"
    "To: A Recipient <recipient@example.com>\r\n"
    "Subject: Minutes of the meeting on Thursday\r\n"
    "Date: Mon, 16 Nov 2026 10:20:28 +0000\r\n"
    "Message-ID: <20261116102028.4711@client.example.net>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 7bit\r\n"
    "\r\n";
static const char line[] =
    "The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n";

static void read_text(struct load *load)
{
    FILE *file = fopen(load->file, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(load->file);
    size_t len = (size_t)ftell(file);
    load->text = allocate(len + 4);
    rewind(file);
    if (fread(load->text, 1, len, file) != len)
        die(load->file);
    fclose(file);
    const char *body = strstr(load->text, "\r\n\r\n");
    load->header_len = body == NULL ? len : (size_t)(body - load->text) + 4;
    memcpy(load->text + len, ".\r\n", 3);
    load->text_len = len + 3;
}

/* A header block of ten fields, then lines of 74 octets. */
static void make_text(struct load *load)
{
    size_t header_len = sizeof header - 1, line_len = sizeof line - 1;
    load->text = allocate(header_len + load->size + 2 * line_len + 8);
    memcpy(load->text, header, header_len);
    load->header_len = header_len;
    size_t len = header_len;
    for (unsigned count = 1; len < load->size; count++) {
        if (load->dots > 0 && count % load->dots == load->dots / 2) {
            memcpy(load->text + len, "..", 2);
            len += 2;
        }
        memcpy(load->text + len, line, line_len);
        len += line_len;
    }
    memcpy(load->text + len, ".\r\n", 3);
    load->text_len = len + 3;
}

/* ---- one session ---- */

static void open_session(struct load *load, struct session *session);

static unsigned messages_left(const struct load *load)
{
    return load->total - load->started;
}

static void close_session(struct load *load, struct session *session)
{
    wire_close(&session->wire);
    load->open--;
    if (load->park == PARK_NO && messages_left(load) > 0)
        open_session(load, session);
}

static void fail(struct load *load, struct session *session, const char *why)
{
    if (!load->has_complained)
        fprintf(stderr, "load: step %d: %s\n", (int)session->step, why);
    load->has_complained = true;
    if (load->park != PARK_NO) {
        load->lost++;
        load->parked -= session->step == STEP_PARKED;
    } else if (session->step < STEP_MAIL) { /* its first message had been counted as begun */
        load->failed++;
    } else if (session->step != STEP_QUIT) {
        load->failed++;
    }
    close_session(load, session);
}

static void say(struct load *load, struct session *session, enum step step, const char *text)
{
    session->step = step;
    size_t len = strlen(text);
    if (wire_send(&session->wire, text, len) != (ssize_t)len)
        fail(load, session, strerror(errno));
}

static void park(struct load *load, struct session *session)
{
    session->step = STEP_PARKED;
    load->parked++;
}

static void write_text(struct load *load, struct session *session)
{
    size_t end = load->park == PARK_DATA ? load->header_len + sizeof line - 1 : load->text_len;
    while (session->offset < end) {
        size_t len = end - session->offset;
        ssize_t count = wire_send(&session->wire, load->text + session->offset,
                                  len < load->chunk ? len : load->chunk);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count < 0) {
            fail(load, session, strerror(errno));
            return;
        }
        session->offset += (size_t)count;
    }
    session->is_writing = false;
    if (load->park == PARK_DATA)
        park(load, session);
}

static void begin_message(struct load *load, struct session *session)
{
    char mail[64] = "MAIL FROM:<sender@example.net>\r\n";
    if (load->domains > 0)
        snprintf(mail, sizeof mail, "MAIL FROM:<sender@d%u.example.net>\r\n",
                 load->next_domain++ % load->domains);
    session->sent++;
    session->mail_at = now_ns();
    say(load, session, STEP_MAIL, mail);
}

static void message_accepted(struct load *load, struct session *session)
{
    uint64_t now = now_ns();
    load->accepted++;
    note(&load->message, session->mail_at, now);
    if (session->sent == 1)
        note(&load->first, session->connected_at, now);
    if (session->sent < load->per_session && messages_left(load) > 0) {
        load->started++;
        begin_message(load, session);
    } else {
        say(load, session, STEP_QUIT, "QUIT\r\n");
    }
}

static void greeted(struct load *load, struct session *session)
{
    if (!load->is_connect_only) {
        say(load, session, STEP_EHLO, "EHLO client.example.net\r\n");
        return;
    }
    load->accepted++;
    note(&load->first, session->connected_at, now_ns());
    close_session(load, session);
}

static void take_reply(struct load *load, struct session *session)
{
    const char class = session->step == STEP_DATA ? '3' : '2';
    if (session->reply[0] != class) {
        fail(load, session, session->reply);
        return;
    }
    switch (session->step) {
    case STEP_GREETING:
        greeted(load, session);
        break;
    case STEP_EHLO:
        if (load->park == PARK_EHLO)
            park(load, session);
        else
            begin_message(load, session);
        break;
    case STEP_MAIL:
        say(load, session, STEP_RCPT, "RCPT TO:<recipient@example.com>\r\n");
        break;
    case STEP_RCPT:
        say(load, session, STEP_DATA, "DATA\r\n");
        break;
    case STEP_DATA:
        session->step = STEP_TEXT;
        session->offset = 0;
        session->is_writing = true;
        write_text(load, session);
        break;
    case STEP_TEXT:
        message_accepted(load, session);
        break;
    case STEP_QUIT:
        close_session(load, session);
        break;
    case STEP_CONNECT:
    case STEP_SHAKE:
    case STEP_PARKED:
    default:
        fail(load, session, session->reply);
        break;
    }
}

/* Length of the complete reply at the front, 0 if its last line has not come. RFC 5321 4.2.1. */
static size_t reply_end(const char *reply, size_t len)
{
    size_t start = 0;
    for (;;) {
        const char *end = memchr(reply + start, '\n', len - start);
        if (end == NULL)
            return 0;
        size_t next = (size_t)(end - reply) + 1;
        if (next - start < 5 || reply[start + 3] != '-')
            return next;
        start = next;
    }
}

/* False: there is nothing more to read. */
static bool read_reply(struct load *load, struct session *session)
{
    size_t room = sizeof session->reply - 1 - session->reply_len;
    ssize_t count = wire_recv(&session->wire, session->reply + session->reply_len, room);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (count <= 0 || (size_t)count == room) {
        fail(load, session, count == 0 ? "closed" : count < 0 ? strerror(errno) : "reply too long");
        return false;
    }
    session->reply_len += (size_t)count;
    session->reply[session->reply_len] = '\0';
    size_t end = reply_end(session->reply, session->reply_len);
    if (end == 0)
        return true;
    /* lock-step: no second reply can be there */
    session->reply_len = 0;
    take_reply(load, session);
    return true;
}

/* In the clear one read is enough: what comes behind it is a new event. */
static void read_replies(struct load *load, struct session *session)
{
    unsigned number = session->number;
    while (read_reply(load, session) && session->number == number && session->wire.ssl != NULL)
        ;
}

static void shake(struct load *load, struct session *session)
{
    int result = wire_shake(&session->wire);
    if (result < 0)
        fail(load, session, strerror(errno));
    else if (result > 0)
        session->step = STEP_GREETING;
}

static void connected(struct load *load, struct session *session)
{
    if (!wire_is_connected(&session->wire)) {
        fail(load, session, strerror(errno));
        return;
    }
    session->step = STEP_SHAKE;
    shake(load, session);
}

/* Edge-triggered, both directions, registered once: no epoll_ctl while the session lives. */
static void open_session(struct load *load, struct session *session)
{
    session->number++;
    session->step = STEP_CONNECT;
    session->sent = 0;
    session->is_writing = false;
    session->reply_len = 0;
    session->connected_at = now_ns();
    load->open++;
    load->started++;
    if (!wire_connect(&session->wire, &load->to, &load->tls))
        die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = session};
    if (epoll_ctl(load->poll, EPOLL_CTL_ADD, session->wire.fd, &event) != 0)
        die("epoll_ctl");
}

static void on_event(struct load *load, struct session *session, uint32_t events)
{
    unsigned number = session->number;
    if (session->wire.fd < 0)
        return;
    if (session->step == STEP_CONNECT && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        connected(load, session);
    else if (session->step == STEP_SHAKE)
        shake(load, session);
    else if (session->is_writing && (events & EPOLLOUT) != 0)
        write_text(load, session);
    /* what the handshake has read ahead makes no event */
    bool is_readable = session->wire.ssl != NULL || (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    if (session->number == number && session->wire.fd >= 0 && session->step > STEP_SHAKE &&
        is_readable)
        read_replies(load, session);
}

/* ---- runs ---- */

static void turn(struct load *load)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->poll, events, EVENTS, STALL_MS);
    if (count == 0) {
        errno = ETIMEDOUT;
        die("no progress");
    }
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr != NULL)
            on_event(load, events[i].data.ptr, events[i].events);
}

static void run_messages(struct load *load)
{
    struct session *sessions = allocate(load->concurrency * sizeof *sessions);
    uint64_t begun = now_ns();
    for (unsigned i = 0; i < load->concurrency && messages_left(load) > 0; i++)
        open_session(load, &sessions[i]);
    while (load->open > 0)
        turn(load);
    print_figures(load, now_ns() - begun);
    free(sessions);
}

/* Open `total` sessions, `concurrency` of them on their way at a time, and hold them. */
static void run_parked(struct load *load)
{
    struct session *sessions = allocate(load->total * sizeof *sessions);
    while (load->parked + load->lost < load->total) {
        while (messages_left(load) > 0 &&
               load->started - load->parked - load->lost < load->concurrency)
            open_session(load, &sessions[load->started]);
        turn(load);
    }
    printf("parked %u lost %u\n", load->parked, load->lost);
    fflush(stdout);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(load->poll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        die("standard input must be a pipe");
    for (bool is_over = false; !is_over;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(load->poll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                is_over = true;
            else
                on_event(load, events[i].data.ptr, events[i].events);
        }
    }
    printf("parked %u lost %u\n", load->parked, load->lost);
    fflush(stdout);
    for (unsigned i = 0; i < load->started; i++)
        wire_close(&sessions[i].wire);
    free(sessions);
}

static void usage(void)
{
    fputs("usage: load --port N [--host A] [--sessions N] [--messages N] [--per-session N]\n"
          "            [--size OCTETS] [--chunk OCTETS] [--dots LINES] [--message FILE]\n"
          "            [--domains N]\n"
          "            [--park ehlo|data] [--connect-only] [--tls 1.2|1.3] [--resume]\n",
          stderr);
    exit(2);
}

static unsigned long number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value == 0 || value > 1u << 30)
        usage();
    return value;
}

static void read_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {{"host", required_argument, NULL, 'h'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"sessions", required_argument, NULL, 'c'},
                                            {"messages", required_argument, NULL, 'n'},
                                            {"size", required_argument, NULL, 's'},
                                            {"per-session", required_argument, NULL, 'm'},
                                            {"chunk", required_argument, NULL, 'w'},
                                            {"park", required_argument, NULL, 'k'},
                                            {"dots", required_argument, NULL, 'd'},
                                            {"domains", required_argument, NULL, 'D'},
                                            {"tls", required_argument, NULL, 't'},
                                            {"resume", no_argument, NULL, 'r'},
                                            {"connect-only", no_argument, NULL, 'o'},
                                            {"message", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'h' && inet_pton(AF_INET, optarg, &load->to.sin_addr) == 1)
            continue;
        if (option == 'p')
            load->to.sin_port = htons((uint16_t)number(optarg));
        else if (option == 'c')
            load->concurrency = (unsigned)number(optarg);
        else if (option == 'n')
            load->total = (unsigned)number(optarg);
        else if (option == 'm')
            load->per_session = (unsigned)number(optarg);
        else if (option == 's')
            load->size = number(optarg);
        else if (option == 'w')
            load->chunk = number(optarg);
        else if (option == 'd')
            load->dots = (unsigned)number(optarg);
        else if (option == 'D')
            load->domains = (unsigned)number(optarg);
        else if (option == 'f')
            load->file = optarg;
        else if (option == 't')
            load->tls_version = optarg;
        else if (option == 'r')
            load->wants_resuming = true;
        else if (option == 'o')
            load->is_connect_only = true;
        else if (option == 'k' && strcmp(optarg, "ehlo") == 0)
            load->park = PARK_EHLO;
        else if (option == 'k' && strcmp(optarg, "data") == 0)
            load->park = PARK_DATA;
        else
            usage();
    }
    if (load->to.sin_port == 0 || optind != argc)
        usage();
}

int main(int argc, char **argv)
{
    struct load load = {.to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                        .concurrency = 1,
                        .total = 1,
                        .per_session = 1,
                        .size = 4096,
                        .chunk = 65536};
    read_options(&load, argc, argv);
    if (load.tls_version != NULL &&
        !wire_tls_init(&load.tls, load.tls_version, load.wants_resuming))
        usage();
    load.message = (struct latencies){allocate(load.total * sizeof(uint32_t)), 0, load.total};
    load.first = (struct latencies){allocate(load.total * sizeof(uint32_t)), 0, load.total};
    if (load.file != NULL)
        read_text(&load);
    else
        make_text(&load);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    if (load.poll < 0)
        die("epoll_create1");
    if (load.park == PARK_NO)
        run_messages(&load);
    else
        run_parked(&load);
    wire_tls_fini(&load.tls);
    free(load.text);
    free(load.message.ns);
    free(load.first.ns);
    close(load.poll);
    return load.failed == 0 && load.lost == 0 ? 0 : 1;
}
