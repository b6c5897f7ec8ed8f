/* fuzz_session.c - a whole session under attack from both sides: the input is a script of what the
 * peers, the filters, the clock and the disk do. Everything that a peer may say is free; the
 * session's invariants (checked after each event) and the sanitizers are the judges, and:
 *   law 1   no more messages are told 250 than the upstream gave 2xx replies
 *   law 4   what is kept for a peer that takes nothing stays below a bound
 *
 * One line an event; what a line says is the octets behind its first letter.
 *   =NAME VALUE   setting (before the first event), as in dialogs
 *   ?LETTERS      answers of the filter: each a row of `rules`
 *   C, U          the client, the upstream sends the line with CRLF; c, u: without
 *   A, R          the upstream accepts, refuses;  E, F  client, upstream closes
 *   S, s, X, x    the client's handshake, it fails; the upstream's, it fails
 *   D             the waiting filter decides;  T  a minute passes, t  a second
 *   B             peers stop or go on taking octets;  J  the disk;  P  progress
 *   !             shutdown */
#include "pure.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT_MAX = 1 << 20, EVENTS_MAX = 2000 };

static bool is_blocked;

/* Filters are not hostile: their answers are from this list. */
static void add_rules(struct pure *pure, struct mw_slice letters)
{
    static const char *const rules[] = {
        "rcpt:1 reject 550 5.7.1 \"no\"",
        "rcpt wait continue",
        "mail wait continue",
        "mail:1 tempfail",
        "data wait continue",
        "data:1 reject",
        "end_of_headers wait continue",
        "end_of_headers:0 reject",
        "end_of_message wait continue",
        "end_of_message:0 reject",
        "end_of_message:1 discard",
        "rcpt_reply wait continue",
        "helo wait continue",
        "connect wait continue",
        "rcpt:2 discard",
        "rcpt:0 continue rcpt=new@y.test",
        "mail:0 continue sender=new@y.test",
        "end_of_message continue add-rcpt=x@y.test",
        "body:1 reject",
        "command wait continue",
        "end_of_message:0 wait continue sender=late@y.test",
        "connect:1 disconnect",
        "starttls wait continue",
        "auth wait continue",
        "end_of_message continue body=\".new\"",
        "end_of_message continue",
    };
    const size_t count = sizeof rules / sizeof *rules;
    for (size_t i = 0; i < letters.len && pure->rule_count < PURE_RULES_MAX; i++) {
        size_t row = (size_t)(unsigned char)letters.ptr[i] - 'a';
        if (row < count)
            mw_assert(pure_add_rule(pure, mw_slice_cstr(rules[row])));
    }
}

static void send_line(struct pure *pure, struct mw_slice text, bool is_client, bool has_end)
{
    struct mw_buf line = {0};
    mw_buf_put(&line, text);
    if (has_end)
        mw_buf_put(&line, MW_LIT("\r\n"));
    bool is_wanted = !mw_session_is_over(pure->session) &&
                     (is_client ? mw_session_wants_client(pure->session)
                                : mw_session_wants_upstream(pure->session));
    if (is_wanted && is_client)
        pure_client_sends(pure, mw_buf_view(&line));
    else if (is_wanted && pure->is_connected)
        pure_upstream_sends(pure, mw_buf_view(&line));
    mw_buf_fini(&line);
}

static void toggle_blocks(struct pure *pure, bool is_disk)
{
    if (is_disk) {
        pure->jobs_held = !pure->jobs_held;
    } else {
        is_blocked = !is_blocked;
        pure->client_blocked = pure->upstream_blocked = is_blocked;
    }
    pure_progress(pure);
}

static void event(struct pure *pure, char what, struct mw_slice text)
{
    switch (what) {
    case 'C':
    case 'c':
        send_line(pure, text, true, what == 'C');
        break;
    case 'U':
    case 'u':
        send_line(pure, text, false, what == 'U');
        break;
    case 'A':
        pure_upstream_accepts(pure);
        break;
    case 'R':
        pure_upstream_refuses(pure);
        break;
    case 'E':
        if (!pure->is_client_closed)
            pure_client_closes(pure);
        break;
    case 'F':
        pure_upstream_closes(pure);
        break;
    case 'S':
    case 's':
        (void)pure_client_secures(pure, what == 'S');
        break;
    case 'X':
    case 'x':
        (void)pure_upstream_secures(pure, what == 'X');
        break;
    case 'D':
        pure_decide(pure);
        break;
    case 'T':
    case 't':
        pure_time(pure, what == 'T' ? 60000 : 1000);
        break;
    case 'B':
    case 'J':
        toggle_blocks(pure, what == 'J');
        break;
    case 'P':
        pure_progress(pure);
        break;
    case '!':
        pure_shutdown(pure, text.len > 0);
        break;
    default:
        break;
    }
}

/* 2xx replies among the upstream's lines so far. */
static uint64_t count_good(struct mw_slice text)
{
    uint64_t count = 0;
    struct mw_slice line;
    while (mw_slice_split(text, '\n', &line, &text))
        count += line.len > 0 && (line.ptr[0] == 'U' || line.ptr[0] == 'u') &&
                 memmem(line.ptr, line.len, "2", 1) != NULL;
    return count;
}

static void judge(struct pure *pure, struct mw_slice script)
{
    uint64_t counts[4];
    mw_session_result(pure->session, counts);
    mw_assert(counts[0] <= count_good(script));
    mw_assert(mw_queue_len(mw_session_to_client(pure->session)) < KEPT_MAX);
    mw_assert(mw_queue_len(mw_session_to_upstream(pure->session)) < KEPT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pure storage;
    struct pure *pure = &storage;
    struct mw_slice script = MW_SLICE((const char *)data, size), rest = script, line;
    uint32_t events = 0;
    is_blocked = false;
    pure_init(pure);
    pure->listen.early_talker = MW_EARLY_REJECT;
    while (rest.len > 0 && events < EVENTS_MAX) {
        if (!mw_slice_split(rest, '\n', &line, &rest)) {
            line = rest;
            rest = MW_EMPTY;
        }
        if (line.len == 0)
            continue;
        char what = line.ptr[0];
        struct mw_slice text = mw_slice_skip(line, 1);
        if (pure->session == NULL && what == '=') {
            (void)pure_set(pure, text);
            continue;
        }
        if (pure->session == NULL && what == '?') {
            add_rules(pure, text);
            continue;
        }
        if (pure->session == NULL)
            pure_start(pure);
        if (mw_session_is_over(pure->session))
            break;
        event(pure, what, text);
        events++;
    }
    if (pure->session != NULL)
        judge(pure, script);
    pure_fini(pure);
    return 0;
}
