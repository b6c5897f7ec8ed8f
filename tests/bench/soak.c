/* soak.c - sessions that stay: most of them say NOOP or send a small message now and then, the rest
 * stop in the middle of a large message. When the time is over the stalled ones send what is
 * missing and everybody says QUIT, so that each session ends with a reply to all that it has sent.
 *
 * Sessions come in groups, one an argument: PORT:COUNT:trickle or PORT:COUNT:stall, with ":tls"
 * behind it for implicit TLS 1.3. Stall points are spread evenly over the message.
 *
 * Prints `standing N` when all have got to where they stay, `ending` when the time is over, and one
 * line of JSON at the end. Exit: 0 = no session was lost and every reply was a good one. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "wire.h"

enum {
    REPLY_MAX = 1024,
    EVENTS = 256,
    CHUNK = 65536,
    SMALL = 4096,            /* octets of a message that trickles */
    LARGE = 5 * 1024 * 1024, /* of one that stalls */
    LINE = 64,
    MESSAGE_EVERY = 10, /* of a session's exchanges one is a message */
    UNDER_WAY_MAX =
        50, /* sessions that are opened, or stalled messages that are ended, at a time */
    TICK_MS = 50,
    STARTING_S = 300, /* for all to stand */
    ENDING_S = 300,   /* for all to end */
};

enum step {
    STEP_NEW, /* not begun */
    STEP_CONNECT,
    STEP_SHAKE,
    STEP_GREETING,
    STEP_EHLO,
    STEP_IDLE,
    STEP_NOOP,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_TEXT,    /* writing, then the 250 */
    STEP_STALLED, /* writing goes on when the time is over */
    STEP_QUIT,
    STEP_GONE
};

struct session {
    struct wire wire;
    struct sockaddr_in to;
    enum step step;
    bool is_tls, is_large, is_writing;
    unsigned exchanges;
    size_t stall_at, offset, reply_len;
    uint64_t due; /* ns: its next exchange */
    char reply[REPLY_MAX];
};

struct soak {
    struct session *sessions;
    unsigned count, opened, standing, gone, lost, resuming; /* stalled ones that go on */
    unsigned long noops, messages, large;
    struct wire_tls in_clear, tls;
    char *text; /* lines, LARGE octets; a message is its end */
    int poll;
    uint64_t period_ns, seconds;
    bool is_ending;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "soak: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        die("memory");
    return memory;
}

/* Lines of x with an empty line in front, and the final dot. */
static void make_text(struct soak *soak)
{
    soak->text = allocate(LARGE);
    memset(soak->text, 'x', LARGE);
    for (size_t end = LINE; end <= LARGE; end += LINE)
        memcpy(soak->text + end - 2, "\r\n", 2);
    memcpy(soak->text + LARGE - 5, "\r\n.\r\n", 5);
}

/* ---- one session ---- */

static void fail(struct soak *soak, struct session *session, const char *why)
{
    if (soak->lost < 10)
        fprintf(stderr, "soak: session %u, step %d: %s\n", (unsigned)(session - soak->sessions),
                (int)session->step, why);
    soak->lost++;
    soak->gone++;
    session->step = STEP_GONE;
    wire_close(&session->wire);
}

static void say(struct soak *soak, struct session *session, enum step step, const char *text)
{
    session->step = step;
    size_t len = strlen(text);
    if (wire_send(&session->wire, text, len) != (ssize_t)len)
        fail(soak, session, strerror(errno));
}

/* Somewhere between half a period and one and a half from now. */
static void rest(struct soak *soak, struct session *session)
{
    session->step = STEP_IDLE;
    session->due = now_ns() + soak->period_ns / 2 +
                   soak->period_ns / 1000 * (uint64_t)(unsigned)(random() % 1000);
}

static void write_text(struct soak *soak, struct session *session)
{
    size_t end = session->is_large && !soak->is_ending ? session->stall_at : LARGE;
    while (session->offset < end) {
        size_t len = end - session->offset;
        ssize_t count = wire_send(&session->wire, soak->text + session->offset,
                                  len < CHUNK ? len : CHUNK);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count < 0) {
            fail(soak, session, strerror(errno));
            return;
        }
        session->offset += (size_t)count;
    }
    session->is_writing = false;
    if (end == LARGE)
        return;
    session->step = STEP_STALLED;
    soak->standing++;
}

static void begin_text(struct soak *soak, struct session *session)
{
    session->step = STEP_TEXT;
    session->offset = session->is_large ? 0 : LARGE - SMALL;
    session->is_writing = true;
    write_text(soak, session);
}

static void text_accepted(struct soak *soak, struct session *session)
{
    soak->messages += !session->is_large;
    soak->large += session->is_large;
    soak->resuming -= session->is_large;
    if (session->is_large)
        say(soak, session, STEP_QUIT, "QUIT\r\n");
    else
        rest(soak, session);
}

static void hello_accepted(struct soak *soak, struct session *session)
{
    if (session->is_large) {
        say(soak, session, STEP_MAIL, "MAIL FROM:<sender@example.net>\r\n");
        return;
    }
    soak->standing++;
    rest(soak, session);
}

static void take_reply(struct soak *soak, struct session *session)
{
    if (session->reply[0] != (session->step == STEP_DATA ? '3' : '2')) {
        fail(soak, session, session->reply);
        return;
    }
    switch (session->step) {
    case STEP_GREETING:
        say(soak, session, STEP_EHLO, "EHLO client.example.net\r\n");
        break;
    case STEP_EHLO:
        hello_accepted(soak, session);
        break;
    case STEP_NOOP:
        soak->noops++;
        rest(soak, session);
        break;
    case STEP_MAIL:
        say(soak, session, STEP_RCPT, "RCPT TO:<recipient@example.com>\r\n");
        break;
    case STEP_RCPT:
        say(soak, session, STEP_DATA, "DATA\r\n");
        break;
    case STEP_DATA:
        begin_text(soak, session);
        break;
    case STEP_TEXT:
        text_accepted(soak, session);
        break;
    case STEP_QUIT:
        session->step = STEP_GONE;
        soak->gone++;
        wire_close(&session->wire);
        break;
    case STEP_NEW:
    case STEP_CONNECT:
    case STEP_SHAKE:
    case STEP_IDLE:
    case STEP_STALLED:
    case STEP_GONE:
    default:
        fail(soak, session, session->reply);
        break;
    }
}

/* Is the last line of the reply there? RFC 5321 4.2.1. */
static bool is_complete(const struct session *session)
{
    const char *text = session->reply, *end;
    while ((end = strchr(text, '\n')) != NULL) {
        if (end - text < 4 || text[3] != '-')
            return true;
        text = end + 1;
    }
    return false;
}

static void read_replies(struct soak *soak, struct session *session)
{
    while (session->step != STEP_GONE) {
        size_t room = sizeof session->reply - 1 - session->reply_len;
        ssize_t count = wire_recv(&session->wire, session->reply + session->reply_len, room);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count <= 0) {
            fail(soak, session, count == 0 ? "closed" : strerror(errno));
            return;
        }
        session->reply_len += (size_t)count;
        session->reply[session->reply_len] = '\0';
        if (!is_complete(session))
            continue;
        session->reply_len = 0; /* lock-step: no second reply can be there */
        take_reply(soak, session);
    }
}

static void shake(struct soak *soak, struct session *session)
{
    int result = wire_shake(&session->wire);
    if (result < 0)
        fail(soak, session, strerror(errno));
    else if (result > 0)
        session->step = STEP_GREETING;
}

static void open_session(struct soak *soak, struct session *session)
{
    session->step = STEP_CONNECT;
    if (!wire_connect(&session->wire, &session->to, session->is_tls ? &soak->tls : &soak->in_clear))
        die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = session};
    if (epoll_ctl(soak->poll, EPOLL_CTL_ADD, session->wire.fd, &event) != 0)
        die("epoll_ctl");
}

static void on_event(struct soak *soak, struct session *session)
{
    if (session->step == STEP_CONNECT && !wire_is_connected(&session->wire)) {
        fail(soak, session, strerror(errno));
        return;
    }
    if (session->step == STEP_CONNECT)
        session->step = STEP_SHAKE;
    if (session->step == STEP_SHAKE)
        shake(soak, session);
    if (session->is_writing && session->step != STEP_GONE)
        write_text(soak, session);
    if (session->step > STEP_SHAKE)
        read_replies(soak, session);
}

/* ---- all of them ---- */

static void turn(struct soak *soak)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(soak->poll, events, EVENTS, TICK_MS);
    for (int i = 0; i < count; i++) {
        struct session *session = events[i].data.ptr;
        if (session->step != STEP_GONE)
            on_event(soak, session);
    }
}

static void next_exchange(struct soak *soak, struct session *session)
{
    if (++session->exchanges % MESSAGE_EVERY == 0)
        say(soak, session, STEP_MAIL, "MAIL FROM:<sender@example.net>\r\n");
    else
        say(soak, session, STEP_NOOP, "NOOP\r\n");
}

static void trickle(struct soak *soak)
{
    uint64_t now = now_ns();
    for (unsigned i = 0; i < soak->opened; i++) {
        struct session *session = &soak->sessions[i];
        if (session->step == STEP_IDLE && session->due <= now)
            next_exchange(soak, session);
    }
}

static void end_some(struct soak *soak)
{
    for (unsigned i = 0; i < soak->count; i++) {
        struct session *session = &soak->sessions[i];
        if (session->step == STEP_IDLE) {
            say(soak, session, STEP_QUIT, "QUIT\r\n");
        } else if (session->step == STEP_STALLED && soak->resuming < UNDER_WAY_MAX) {
            soak->resuming++;
            session->step = STEP_TEXT;
            session->is_writing = true;
            write_text(soak, session);
        }
    }
}

static void begin_all(struct soak *soak)
{
    uint64_t until = now_ns() + STARTING_S * 1000000000ull;
    while (soak->standing + soak->lost < soak->count && now_ns() < until) {
        while (soak->opened < soak->count &&
               soak->opened - soak->standing - soak->lost < UNDER_WAY_MAX)
            open_session(soak, &soak->sessions[soak->opened++]);
        turn(soak);
        trickle(soak);
    }
    printf("standing %u\n", soak->standing);
    fflush(stdout);
}

static void hold_all(struct soak *soak)
{
    uint64_t until = now_ns() + soak->seconds * 1000000000u;
    while (now_ns() < until && soak->gone < soak->count) {
        turn(soak);
        trickle(soak);
    }
    printf("ending\n");
    fflush(stdout);
}

static void end_all(struct soak *soak)
{
    uint64_t until = now_ns() + ENDING_S * 1000000000ull;
    soak->is_ending = true;
    while (soak->gone < soak->opened && now_ns() < until) {
        end_some(soak);
        turn(soak);
    }
    soak->lost += soak->opened - soak->gone;
    printf("{\"sessions\": %u, \"lost\": %u, \"noops\": %lu, \"messages\": %lu, \"large\": %lu}\n",
           soak->opened, soak->lost, soak->noops, soak->messages, soak->large);
}

/* ---- options ---- */

static void usage(void)
{
    fputs("usage: soak [--seconds N] [--period SECONDS] PORT:COUNT:trickle|stall[:tls]...\n",
          stderr);
    exit(2);
}

static unsigned long number(const char *text, char **out_end)
{
    errno = 0;
    unsigned long value = strtoul(text, out_end, 10);
    if (errno != 0 || *out_end == text || value == 0 || value > 1000000)
        usage();
    return value;
}

static void add_group(struct soak *soak, const char *text)
{
    char *end;
    unsigned long port = number(text, &end);
    if (*end != ':')
        usage();
    unsigned long count = number(end + 1, &end);
    bool is_large = strncmp(end, ":stall", 6) == 0;
    const char *rest_of = is_large ? end + 6 : strncmp(end, ":trickle", 8) == 0 ? end + 8 : "?";
    bool is_tls = strcmp(rest_of, ":tls") == 0;
    if (!is_tls && *rest_of != '\0')
        usage();
    soak->sessions = realloc(soak->sessions, (soak->count + count) * sizeof *soak->sessions);
    if (soak->sessions == NULL)
        die("memory");
    for (unsigned long i = 0; i < count; i++)
        soak->sessions[soak->count++] = (struct session){
            .wire.fd = -1,
            .to = {.sin_family = AF_INET,
                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                   .sin_port = htons((uint16_t)port)},
            .is_tls = is_tls,
            .is_large = is_large,
            .exchanges = (unsigned)i, /* not everybody's tenth at once */
            .stall_at = (size_t)(i + 1) * (LARGE / (count + 1)),
        };
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"period", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    struct soak soak = {.seconds = 60, .period_ns = 30000000000u};
    char *end;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 's')
            soak.seconds = number(optarg, &end);
        else if (option == 'p')
            soak.period_ns = number(optarg, &end) * 1000000000u;
        else
            usage();
    }
    for (int i = optind; i < argc; i++)
        add_group(&soak, argv[i]);
    if (soak.count == 0 || !wire_tls_init(&soak.tls, "1.3", true))
        usage();
    soak.poll = epoll_create1(EPOLL_CLOEXEC);
    if (soak.poll < 0)
        die("epoll_create1");
    make_text(&soak);
    begin_all(&soak);
    hold_all(&soak);
    end_all(&soak);
    wire_tls_fini(&soak.tls);
    free(soak.text);
    free(soak.sessions);
    return soak.lost == 0 && soak.opened == soak.count ? 0 : 1;
}
