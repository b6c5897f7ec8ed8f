/* session.c - the dialogue: events in, the pump that takes the client's commands one by one, states and timers.
 *
 *                    connect stage, upstream greeting
 *      OPENING ------------------------------------------> GREETED
 *                                                             | 2xx to HELO/EHLO
 *             +---------- RSET, end of message <-----------+  v
 *             |                +------- AUTH ---------+   READY <---------------------------+
 *             |                v                      |    | MAIL forwarded                 |
 *             |             IN_AUTH --- 235, 5xx --->-+    v                                |
 *             |                                          IN_TX (RCPT, RCPT, ...)            |
 *             |                              354 to DATA | | BDAT n                         |
 *             |                                          v v                                |
 *             |                          +--------->  CONTENT ---- CRLF.CRLF, BDAT LAST --> COMMIT
 *             |                          | BDAT n        | chunk done                       the upstream's reply
 *             |                          +---- IN_BDAT <-+
 *      any state -- 421, QUIT, lost peer --> CLOSING
 *
 * From -> to [function that does it]
 *   OPENING -> GREETED   [upstream.c greeting]            IN_TX -> CONTENT    [commit.c on_data, verb_data.c data_decided]
 *   GREETED -> READY     [verb_helo.c mw_reply_helo]      CONTENT -> IN_BDAT  [verb_bdat.c chunk_done]
 *   READY -> IN_TX       [verb_mail.c mail_decided]       CONTENT -> COMMIT   [commit.c mw_commit_begin]
 *   READY <-> IN_AUTH    [verb_auth.c]                    COMMIT -> READY     [transaction.c mw_transaction_end]
 *   any -> CLOSING       [mw_session_finish]
 *
 * How a command goes: the pump cuts one line from what was read; the verb's row in verbs.def says whether it is legal now and
 * whether it must wait for earlier replies (SYNC); its handler parses it and runs its filter stage; the verdict answers it
 * locally or forwards it; the upstream's reply finds its exchange (exchange.c) and goes out. Only one command is undecided at a time, and
 * the pump takes no further one meanwhile: that is the backpressure, and why filters see a consistent transaction.
 * A command whose filter waits is copied to `held`; all others are forwarded straight from the read buffer.
 *
 * Invariants (mw_session_check):
 *   IN_TX, IN_BDAT, CONTENT, COMMIT imply a transaction; GREETED, READY, OPENING, IN_AUTH imply none
 *   a transaction exists iff the subject shows one
 *   unanswered exchanges + answered ones = ring_count <= MW_RING_MAX + 1; the first one is never answered
 *   every unanswered exchange but the message's own has an expected reply of kind SLOT
 *   while a stage waits no input is taken; after is_over nothing is sent to the upstream
 *   nothing is expected from an upstream that is down */
#include "session/session_priv.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_words[] = {
#define MW_STATE(name, word, meaning) [MW_STATE_##name] = (word),
#include "session/states.def"
#undef MW_STATE
};

struct mw_session *mw_session_new(struct mw_snapshot *snapshot, const struct mw_listen_settings *settings,
                                  const struct mw_session_ops *ops, void *user, struct mw_log *log,
                                  struct mw_slice id, const struct mw_session_peer *peer)
{
    struct mw_session *session = mw_xcalloc(1, sizeof *session);
    session->snapshot = snapshot;
    session->settings = settings;
    session->ops = ops;
    session->user = user;
    session->log = log;
    session->subject.session_id = mw_arena_dup(&session->arena, id);
    session->subject.listener = settings->name;
    session->subject.client_address = peer->address;
    session->subject.client_port = peer->port;
    session->subject.server_address = peer->server_address;
    session->subject.server_port = peer->server_port;
    session->subject.session_arena = &session->arena;
    session->subject.message_number = 1;
    return session;
}

void mw_session_free(struct mw_session **pointer)
{
    struct mw_session *session = *pointer;
    if (session == NULL)
        return;
    *pointer = NULL;
    mw_transaction_end(session, true);
    mw_exchange_clear(session);
    mw_expect_clear(session);
    mw_queue_fini(&session->to_client);
    mw_queue_fini(&session->to_upstream);
    mw_buf_fini(&session->client_in);
    mw_buf_fini(&session->upstream_in);
    mw_buf_fini(&session->held);
    mw_buf_fini(&session->helo_line);
    mw_buf_fini(&session->helo_sent);
    mw_arena_fini(&session->arena);
    free(session);
}

struct mw_subject *mw_session_subject(struct mw_session *session)
{
    return &session->subject;
}

void mw_session_set_stages(struct mw_session *session, uint32_t stages, bool wants_spool)
{
    session->stages = stages;
    session->wants_spool = wants_spool;
}

/* ---- states and endings ---- */

void mw_enter_state(struct mw_session *session, enum mw_state state, const char *why)
{
    if (mw_log_wants(session->log, MW_LOG_DEBUG))
        MW_LOG(session->log, session->subject.session_id, MW_EV_DIALOGUE,
               mw_cstr("from", state_words[session->state]), mw_cstr("to", state_words[state]),
               mw_cstr("why", why));
    session->state = (uint8_t)state;
}

void mw_session_finish_reply(struct mw_session *session, struct mw_slice reply, enum mw_session_end end)
{
    if (session->state == MW_STATE_CLOSING)
        return;
    session->end = (uint8_t)end;
    mw_queue_add(&session->to_client, reply);
    mw_enter_state(session, MW_STATE_CLOSING, mw_session_end_word(end));
    mw_cancel_stage(session);
    mw_exchange_clear(session);
    if (session->tx != NULL && session->tx->step != MW_STEP_NONE)
        mw_report_message(session, "lost", 0, MW_EMPTY);
    if (session->tx != NULL && session->tx->step >= MW_STEP_SEND)
        session->lost++;
    mw_upstream_drop(session);
    mw_transaction_end(session, true);
    session->is_over = true;
}

void mw_session_finish(struct mw_session *session, enum mw_reply_id reply, enum mw_session_end end)
{
    struct mw_buf text = {0};
    if (reply != MW_REPLY_COUNT)
        mw_reply_own(&text, reply);
    mw_session_finish_reply(session, mw_buf_view(&text), end);
    mw_buf_fini(&text);
}

void mw_command_error(struct mw_session *session, enum mw_reply_id reply)
{
    session->errors++;
    session->subject.errors++;
    mw_report_reject_own(session, "command", reply);
    mw_answer_own(session, reply);
    if (session->errors >= session->settings->max_errors)
        mw_session_finish(session, MW_REPLY_TOO_MANY_ERRORS, MW_END_ERRORS);
}

/* ---- filter stages ---- */

void mw_cancel_stage(struct mw_session *session)
{
    if (session->after_stage == NULL)
        return;
    session->after_stage = NULL;
    session->ops->cancel_stage(session->user);
}

/* The line of the command at hand, if the stage is about one, is in the read buffer: keep a copy while a filter waits. */
static void hold_command(struct mw_session *session)
{
    if (session->command.line.len == 0 || session->command.line.ptr == session->held.ptr)
        return;
    session->held.len = 0;
    mw_buf_put(&session->held, session->command.line);
    mw_command_parse(mw_buf_view(&session->held), &session->command);
}

void mw_run_stage_then(struct mw_session *session, const struct mw_call *call, mw_stage_fn *after)
{
    struct mw_outcome outcome = {.verdict = MW_CONTINUE};
    mw_assert(session->after_stage == NULL);
    if ((session->stages & MW_STAGE_BIT(call->stage)) != 0 &&
        session->ops->run_stage(session->user, call, &outcome) == MW_AGAIN) {
        session->after_stage = after;
        session->stage_since = session->now;
        hold_command(session);
        return;
    }
    after(session, &outcome);
}

/* ---- the pump ---- */

/* Postfix's words for each way to be out of order. */
static void refuse_sequence(struct mw_session *session)
{
    enum mw_verb verb = session->command.verb;
    enum mw_reply_id reply = MW_REPLY_SEQUENCE;
    if (session->state == MW_STATE_IN_BDAT)
        reply = MW_REPLY_SEQUENCE_BDAT;
    else if (verb == MW_VERB_MAIL)
        reply = MW_REPLY_SEQUENCE_NESTED;
    else if (verb == MW_VERB_RCPT || verb == MW_VERB_DATA)
        reply = MW_REPLY_SEQUENCE_MAIL;
    else if (verb == MW_VERB_AUTH)
        reply = session->state == MW_STATE_GREETED ? MW_REPLY_SEQUENCE_HELO : MW_REPLY_SEQUENCE_AUTH;
    mw_command_error(session, reply);
}

bool mw_is_relay_verb(const struct mw_session *session, struct mw_slice word)
{
    const struct mw_listen_settings *settings = session->settings;
    for (size_t i = 0; i < settings->relay_verb_count; i++)
        if (mw_slice_ieq(settings->relay_verbs[i], word))
            return true;
    return false;
}

/* QUIT is answered by us if there is nobody else: no connection is opened for it. */
static bool needs_upstream(const struct mw_session *session, const struct mw_verb_row *row,
                           const struct mw_command *command)
{
    if (command->verb == MW_VERB_UNKNOWN)
        return mw_is_relay_verb(session, command->word);
    return (row->flags & MW_FLAG_RELAY) != 0 &&
           (command->verb != MW_VERB_QUIT || session->up.state != MW_UP_DOWN);
}

/* May this command be decided now, or has it to wait for earlier ones or for the upstream? */
static bool must_wait(const struct mw_session *session, const struct mw_verb_row *row,
                      const struct mw_command *command)
{
    const struct mw_upstream *up = &session->up;
    if ((row->flags & MW_FLAG_SYNC) != 0 && session->ring_count > 0)
        return true;
    if (!needs_upstream(session, row, command))
        return false;
    if (up->state != MW_UP_READY || session->ring_count >= MW_RING_MAX)
        return true;
    if (up->expect_count > 0 && (up->ehlo.exts & MW_EXT_PIPELINING) == 0)
        return true;
    /* filters that count the upstream's answers see each one before the next recipient is judged */
    return command->verb == MW_VERB_RCPT && up->expect_count > 0 &&
           (session->stages & MW_STAGE_BIT(MW_STAGE_RCPT_REPLY)) != 0;
}

/* BDAT is always taken from the input with its count, even where it is refused: its payload follows (RFC 3030 2). */
static bool is_legal(const struct mw_session *session, const struct mw_verb_row *row, enum mw_verb verb)
{
    return (row->legal & (1u << session->state)) != 0 || verb == MW_VERB_BDAT;
}

/* Decided: its text may be gone with the read buffer. */
static void forget_command(struct mw_session *session)
{
    if (session->after_stage == NULL)
        session->command.line = session->command.word = session->command.arg = MW_EMPTY;
}

/* Cut a command line from the input and handle it. False: not complete, or it has to wait. */
static bool take_command(struct mw_session *session)
{
    struct mw_line line = mw_line_next(session->input, MW_LINE_MAX);
    if (line.kind == MW_LINE_NONE)
        return false;
    struct mw_command command = {0};
    if (line.kind == MW_LINE_OK) {
        mw_command_parse(line.text, &command);
        const struct mw_verb_row *row = &mw_verb_rows[command.verb];
        if (session->up.state == MW_UP_DOWN && needs_upstream(session, row, &command) &&
            is_legal(session, row, command.verb)) {
            if (session->is_authenticated) { /* the new connection would not be */
                mw_session_finish(session, MW_REPLY_UPSTREAM_LOST_END, MW_END_UPSTREAM);
                return false;
            }
            mw_upstream_open(session);
        }
        if (is_legal(session, row, command.verb) && must_wait(session, row, &command))
            return false;
    } else if (session->ring_count >= MW_RING_MAX) {
        return false;
    }
    session->input = mw_slice_skip(session->input, line.used);
    session->commands++;
    session->command = command;
    if (line.kind != MW_LINE_OK) {
        session->is_skipping_line = line.skip_rest;
        mw_command_error(session, line.kind == MW_LINE_TOO_LONG ? MW_REPLY_LINE_TOO_LONG : MW_REPLY_LINE_BAD);
        return true;
    }
    const struct mw_verb_row *row = &mw_verb_rows[command.verb];
    if (!is_legal(session, row, command.verb))
        refuse_sequence(session);
    else
        row->handle(session);
    forget_command(session);
    return true;
}

static bool take_auth_line(struct mw_session *session)
{
    struct mw_line line = mw_line_next(session->input, MW_LINE_AUTH_MAX);
    if (line.kind == MW_LINE_NONE || session->ring_count > 0)
        return false;
    session->input = mw_slice_skip(session->input, line.used);
    session->has_secret = true;
    if (line.kind == MW_LINE_OK) {
        mw_auth_line(session, line.text);
    } else {
        session->is_skipping_line = line.skip_rest;
        mw_auth_line(session, MW_LIT("*")); /* cancel upstream: RFC 4954 4 */
    }
    return true;
}

static bool swallow(struct mw_session *session)
{
    struct mw_slice in = mw_slice_take(session->input, session->swallow_left);
    session->input = mw_slice_skip(session->input, in.len);
    session->swallow_left -= in.len;
    return session->swallow_left == 0;
}

static bool take_rest_of_line(struct mw_session *session)
{
    bool is_done = false;
    size_t used = mw_line_skip(session->input, &is_done);
    session->input = mw_slice_skip(session->input, used);
    session->is_skipping_line = !is_done;
    return is_done;
}

/* One step of the client's side. False: nothing more can be done with what is there. */
static bool take_input(struct mw_session *session)
{
    if (session->swallow_left > 0)
        return swallow(session);
    if (session->is_skipping_line)
        return session->input.len > 0 && take_rest_of_line(session);
    switch ((enum mw_state)session->state) {
    case MW_STATE_GREETED:
    case MW_STATE_READY:
    case MW_STATE_IN_TX:
    case MW_STATE_IN_BDAT:
        return take_command(session);
    case MW_STATE_IN_AUTH:
        return take_auth_line(session);
    case MW_STATE_CONTENT:
        return mw_content_take(session);
    case MW_STATE_OPENING:
    case MW_STATE_COMMIT:
    case MW_STATE_CLOSING:
    case MW_STATE_COUNT:
        return false;
    }
    return false;
}

/* Nothing is owed to the client and nothing of its is in progress. */
static bool is_idle(const struct mw_session *session)
{
    return session->ring_count == 0 && session->after_stage == NULL && session->up.state != MW_UP_CONNECTING &&
           session->up.state != MW_UP_OPENING;
}

static void pump(struct mw_session *session)
{
    session->is_held_back = false;
    while (!session->is_over && session->after_stage == NULL) {
        if (mw_queue_len(&session->to_client) >= MW_CLIENT_QUEUE_MARK) {
            session->is_held_back = true; /* goes on when the client has taken some: mw_session_wants_progress */
            break;
        }
        if (session->is_draining && session->tx == NULL && is_idle(session) &&
            session->state != MW_STATE_IN_AUTH) {
            mw_session_finish(session, MW_REPLY_SHUTTING_DOWN, MW_END_SHUTDOWN);
            break;
        }
        if (!take_input(session))
            break;
    }
    if (session->is_client_gone && !session->is_over && is_idle(session) && session->state != MW_STATE_COMMIT &&
        session->state != MW_STATE_OPENING && !mw_content_is_blocked(session))
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_CLIENT_CLOSED);
}

/* While a filter thinks we read from nobody: that time is neither the client's nor the upstream's. */
static void shift_deadlines(struct mw_session *session)
{
    uint64_t waited = session->now - session->stage_since;
    uint64_t *deadlines[] = {&session->upstream_deadline, &session->header_deadline, &session->rate_deadline};
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        if (*deadlines[i] != 0)
            *deadlines[i] += waited;
    session->client_since = session->now;
}

/* ---- events ---- */

/* Something is to be written: the peers have data-timeout to take some of it. Looked at when the owner has written. */
static void arm_write_deadline(struct mw_session *session)
{
    size_t waiting = mw_queue_len(&session->to_client) + mw_queue_len(&session->to_upstream);
    if (waiting == 0) {
        session->write_deadline = 0;
    } else if (session->write_deadline == 0 || waiting < session->write_len) {
        session->write_len = waiting;
        session->write_deadline = session->now + session->settings->data_timeout_ms;
    }
}

static void disarm_upstream(struct mw_session *session)
{
    const struct mw_upstream *up = &session->up;
    if (up->state == MW_UP_DOWN || (up->state == MW_UP_READY && up->expect_count == 0))
        session->upstream_deadline = 0;
}

static void event_begin(struct mw_session *session, uint64_t now_ms)
{
    mw_assert(!session->in_event);
    session->in_event = true;
    session->now = now_ms;
    if (mw_content_is_blocked(session)) /* the time that we hold the client back is not its own */
        session->client_since = now_ms;
    session->input = mw_slice_skip(mw_buf_view(&session->client_in), session->client_used);
}

/* Pump, and remember how much of the kept input was taken. */
static void event_end(struct mw_session *session)
{
    pump(session);
    session->client_used = session->client_in.len - session->input.len;
    disarm_upstream(session);
    session->in_event = false;
#ifdef MW_DEBUG
    mw_session_check(session);
#endif
}

static void connect_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (outcome->verdict == MW_CONTINUE || outcome->verdict == MW_DISCARD) {
        mw_upstream_open(session);
        return;
    }
    struct mw_buf reply = {0};
    mw_report_reject(session, "connect", outcome);
    mw_build_outcome(outcome, &reply);
    mw_session_finish_reply(session, mw_buf_view(&reply), MW_END_REFUSED);
    mw_buf_fini(&reply);
}

void mw_session_start(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    session->begun_ms = session->client_since = now_ms;
    struct mw_call call = {.stage = MW_STAGE_CONNECT};
    mw_run_stage_then(session, &call, connect_decided);
    event_end(session);
}

static void note_early_talker(struct mw_session *session)
{
    session->subject.is_early_talker = true;
    if (session->settings->early_talker == MW_EARLY_REJECT) {
        mw_report_reject_own(session, "connect", MW_REPLY_EARLY_TALKER);
        mw_session_finish(session, MW_REPLY_EARLY_TALKER, MW_END_ERRORS);
    }
}

void mw_session_client_data(struct mw_session *session, struct mw_slice octets, uint64_t now_ms)
{
    event_begin(session, now_ms);
    session->client_since = now_ms;
    session->octets_in += octets.len;
    if (session->state == MW_STATE_OPENING)
        note_early_talker(session);
    if (session->client_in.len > session->client_used) {
        mw_buf_put(&session->client_in, octets);
        session->input = mw_slice_skip(mw_buf_view(&session->client_in), session->client_used);
        event_end(session);
        return;
    }
    /* the usual case: straight from the read buffer, only what cannot be used yet is copied */
    session->client_in.len = session->client_used = 0;
    session->input = octets;
    pump(session);
    if (session->input.len > 0 && !session->is_over)
        mw_buf_put(&session->client_in, session->input);
    session->input = mw_buf_view(&session->client_in);
    event_end(session);
}

void mw_session_client_eof(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    session->is_client_gone = true;
    if (session->state == MW_STATE_COMMIT && session->tx->step < MW_STEP_FINAL &&
        session->input.len == 0) {
        /* two-step commit: nobody would learn that the message was taken, so it is not */
        mw_report_reject_own(session, "end_of_message", MW_REPLY_CLIENT_GONE);
        mw_report_message(session, "lost", mw_reply_own_code(MW_REPLY_CLIENT_GONE), MW_EMPTY);
        mw_session_finish(session, MW_REPLY_CLIENT_GONE, MW_END_CLIENT_CLOSED); /* it may have half-closed only */
    }
    if (session->state == MW_STATE_OPENING && !session->is_over)
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_CLIENT_CLOSED);
    event_end(session);
}

void mw_session_upstream_up(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_upstream_connected(session);
    event_end(session);
}

void mw_session_upstream_failed(struct mw_session *session, const char *text, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_upstream_lost(session, MW_REPLY_UPSTREAM_AWAY, text);
    event_end(session);
}

void mw_session_upstream_data(struct mw_session *session, struct mw_slice octets, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_upstream_take(session, octets);
    event_end(session);
}

void mw_session_upstream_eof(struct mw_session *session, const char *text, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_upstream_lost(session, MW_REPLY_UPSTREAM_LOST, text != NULL ? text : "connection closed");
    event_end(session);
}

void mw_session_decided(struct mw_session *session, const struct mw_outcome *outcome, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_stage_fn *after = session->after_stage;
    session->after_stage = NULL;
    if (after != NULL) {
        shift_deadlines(session);
        after(session, outcome);
    }
    forget_command(session);
    if (session->after_stage == NULL && !session->is_over) {
        if (session->tx != NULL && session->state == MW_STATE_CONTENT)
            mw_content_go_on(session);
        if (session->upstream_in.len > 0)
            mw_upstream_take(session, MW_EMPTY);
    }
    event_end(session);
}

void mw_session_progress(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    if (session->tx != NULL && session->tx->spool != NULL &&
        mw_spool_error(session->tx->spool) != MW_OK && session->state == MW_STATE_CONTENT)
        mw_content_refuse_own(session, MW_REPLY_SPOOL_FAILED, "body");
    mw_commit_go_on(session);
    event_end(session);
}

void mw_session_shutdown(struct mw_session *session, bool is_now, uint64_t now_ms)
{
    event_begin(session, now_ms);
    session->is_draining = true;
    if (is_now || session->state == MW_STATE_OPENING)
        mw_session_finish(session, MW_REPLY_SHUTTING_DOWN, MW_END_SHUTDOWN);
    event_end(session);
}

/* ---- time ---- */

/* When the client has to have said something; 0 while it is not its turn. */
static uint64_t client_deadline(const struct mw_session *session)
{
    if (session->ring_count > 0 || session->after_stage != NULL || session->is_over)
        return 0;
    const struct mw_listen_settings *settings = session->settings;
    switch ((enum mw_state)session->state) {
    case MW_STATE_GREETED:
    case MW_STATE_READY:
    case MW_STATE_IN_TX:
    case MW_STATE_IN_BDAT:
    case MW_STATE_IN_AUTH:
        return session->client_since + settings->command_timeout_ms;
    case MW_STATE_CONTENT:
        return mw_content_is_blocked(session) ? 0 : session->client_since + settings->data_timeout_ms;
    case MW_STATE_OPENING:
    case MW_STATE_COMMIT:
    case MW_STATE_CLOSING:
    case MW_STATE_COUNT:
        return 0;
    }
    return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b != 0 && b < a ? b : a;
}

uint64_t mw_session_deadline(const struct mw_session *session)
{
    uint64_t deadline = UINT64_MAX;
    if (session->is_over)
        return earlier(deadline, session->write_deadline);
    if (session->after_stage == NULL) { /* a filter's own deadline is the chain's */
        deadline = earlier(deadline, client_deadline(session));
        deadline = earlier(deadline, session->upstream_deadline);
        deadline = earlier(deadline, session->header_deadline);
        deadline = earlier(deadline, session->rate_deadline);
    }
    deadline = earlier(deadline, session->keepalive_at);
    return earlier(deadline, session->write_deadline);
}

static bool is_due(const struct mw_session *session, uint64_t deadline)
{
    return deadline != 0 && deadline <= session->now;
}

/* The minimum rate over the last window; a window in which we held the client back does not count against it. */
static bool is_too_slow(struct mw_session *session)
{
    if (!is_due(session, session->rate_deadline) || session->tx == NULL)
        return false;
    uint64_t got = session->tx->size - session->rate_octets;
    session->rate_octets = session->tx->size;
    session->rate_deadline = session->now + MW_RATE_WINDOW_MS;
    return session->state == MW_STATE_CONTENT && !mw_content_is_blocked(session) &&
           got < session->settings->min_data_rate * (MW_RATE_WINDOW_MS / 1000);
}

void mw_session_timer(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    if (is_due(session, session->write_deadline) && mw_queue_len(&session->to_client) == 0) {
        session->write_deadline = 0;
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_TIMEOUT, "it takes nothing more");
    } else if (is_due(session, session->write_deadline)) {
        /* the client takes nothing of what we have for it: no reply would reach it */
        mw_queue_clear(&session->to_client);
        mw_queue_clear(&session->to_upstream);
        session->write_deadline = 0;
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_CLIENT_TIMEOUT);
    } else if (session->after_stage != NULL) {
        if (is_due(session, session->keepalive_at))
            mw_upstream_keepalive(session);
    } else if (is_due(session, session->upstream_deadline)) {
        session->upstream_deadline = 0;
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_TIMEOUT, "no reply in time");
    } else if (is_due(session, client_deadline(session)) || is_due(session, session->header_deadline)) {
        mw_report_reject_own(session, session->state == MW_STATE_CONTENT ? "body" : "command",
                             MW_REPLY_CLIENT_TIMEOUT);
        mw_session_finish(session, MW_REPLY_CLIENT_TIMEOUT, MW_END_CLIENT_TIMEOUT);
    } else if (is_too_slow(session)) {
        mw_report_reject_own(session, "body", MW_REPLY_TOO_SLOW);
        mw_session_finish(session, MW_REPLY_TOO_SLOW, MW_END_CLIENT_TIMEOUT);
    } else if (is_due(session, session->keepalive_at)) {
        mw_upstream_keepalive(session);
    }
    event_end(session);
}

/* ---- what to do next ---- */

struct mw_queue *mw_session_to_client(struct mw_session *session)
{
    return &session->to_client;
}

struct mw_queue *mw_session_to_upstream(struct mw_session *session)
{
    return &session->to_upstream;
}

/* Credentials passed through here: leave nothing behind. */
static void drop_buffer(struct mw_session *session, struct mw_buf *buf)
{
    if (buf->cap > 0 && session->has_secret)
        explicit_bzero(buf->ptr, buf->cap);
    mw_buf_fini(buf);
}

void mw_session_settle(struct mw_session *session)
{
    mw_queue_settle(&session->to_client);
    mw_queue_settle(&session->to_upstream);
    arm_write_deadline(session);
    if (session->after_stage == NULL)
        drop_buffer(session, &session->held);
    if (session->tx != NULL && session->after_stage == NULL && session->tx->pending.len == 0)
        mw_buf_fini(&session->tx->pending);
    if (session->tx != NULL && session->tx->is_stream_open && session->tx->is_header_written &&
        (session->stages & MW_STAGE_BIT(MW_STAGE_BODY)) == 0 && session->tx->headers.block.cap > 0) {
        session->subject.headers = NULL; /* a client that stalls in the body holds no header block */
        mw_headers_fini(&session->tx->headers);
    }
    if (session->upstream_in.len == 0)
        mw_buf_fini(&session->upstream_in);
    if (session->client_used == session->client_in.len) {
        drop_buffer(session, &session->client_in);
        session->client_used = 0;
    } else if (session->client_used >= session->client_in.len / 2 || session->client_used > 65536) {
        mw_buf_consume(&session->client_in, session->client_used);
        session->client_used = 0;
    }
}

bool mw_session_wants_client(const struct mw_session *session)
{
    if (session->is_over || session->is_client_gone || session->after_stage != NULL ||
        mw_queue_len(&session->to_client) >= MW_CLIENT_QUEUE_MARK)
        return false;
    if (session->state == MW_STATE_CONTENT)
        return !mw_content_is_blocked(session);
    /* what is there has to be used first; a partial line is bounded by the line limit */
    size_t kept = session->client_in.len - session->client_used;
    return kept < MW_LINE_AUTH_MAX && (kept == 0 || session->ring_count == 0 || kept < MW_LINE_MAX);
}

bool mw_session_wants_upstream(const struct mw_session *session)
{
    return !session->is_over && mw_upstream_may_speak(session) && session->up.state > MW_UP_CONNECTING && mw_queue_len(&session->to_client) < MW_CLIENT_QUEUE_MARK;
}

bool mw_session_wants_progress(const struct mw_session *session)
{
    if (session->is_over)
        return false;
    bool can_take_more = session->is_held_back && mw_queue_len(&session->to_client) < MW_CLIENT_QUEUE_MARK;
    return can_take_more || (mw_commit_wants_progress(session) && mw_queue_len(&session->to_upstream) == 0);
}

bool mw_session_is_over(const struct mw_session *session)
{
    return session->is_over;
}

struct mw_spool *mw_session_spool(struct mw_session *session)
{
    return session->tx != NULL ? session->tx->spool : NULL;
}

enum mw_state mw_session_state(const struct mw_session *session)
{
    return (enum mw_state)session->state;
}

enum mw_session_end mw_session_end(const struct mw_session *session)
{
    return (enum mw_session_end)session->end;
}

bool mw_session_had_secret(struct mw_session *session)
{
    bool had = session->has_secret;
    if (session->state != MW_STATE_IN_AUTH)
        session->has_secret = false;
    return had;
}

void mw_session_stats_add(struct mw_session *session, uint64_t octets_in, uint64_t octets_out)
{
    session->octets_in += octets_in;
    session->octets_out += octets_out;
}

void mw_session_add_filter_time(struct mw_session *session, uint64_t microseconds)
{
    if (session->tx != NULL)
        session->tx->filter_us += microseconds;
}

void mw_session_result(const struct mw_session *session, uint64_t out_counts[4])
{
    out_counts[0] = session->accepted;
    out_counts[1] = session->refused;
    out_counts[2] = session->discarded;
    out_counts[3] = session->lost;
}

void mw_session_check(const struct mw_session *session)
{
    uint32_t with_tx = MW_STATE_BIT(IN_TX) | MW_STATE_BIT(IN_BDAT) | MW_STATE_BIT(CONTENT) | MW_STATE_BIT(COMMIT);
    bool has_tx = session->tx != NULL;
    mw_assert(session->state == MW_STATE_CLOSING || has_tx == ((with_tx & (1u << session->state)) != 0));
    mw_assert(has_tx == (session->subject.envelope != NULL));
    mw_assert(!session->is_over || !has_tx);
    mw_assert(session->ring_count <= MW_RING_MAX + 1);
    uint32_t unanswered = 0;
    for (uint32_t i = 0; i < session->ring_count; i++) {
        bool is_ready = session->ring[(session->ring_first + i) % session->ring_cap].is_ready;
        mw_assert(i > 0 || !is_ready);
        unanswered += !is_ready;
    }
    uint32_t slots = 0;
    for (uint32_t i = 0; i < session->up.expect_count; i++)
        slots += session->up.expects[(session->up.expect_first + i) % session->up.expect_cap].kind == MW_EXPECT_SLOT;
    bool own = has_tx && session->tx->step != MW_STEP_NONE;
    bool end_open = session->state == MW_STATE_COMMIT;
    mw_assert(unanswered == slots || (unanswered == slots + 1 && (own || end_open)));
    mw_assert(session->up.state != MW_UP_DOWN || session->up.expect_count == 0);
    mw_assert(!session->is_over || session->after_stage == NULL);
    mw_assert(session->client_used <= session->client_in.len);
}
