/* clang-format off */
/* session.c - the dialogue: its events, its states, and the questions that its owner asks.
 *
 *            connect stage, greeting                2xx to HELO, EHLO
 *   OPENING ------------------------> GREETED ------------------------> READY <-------------------+
 *      ^                              |   ^                            |   ^ |                    |
 *      |           STARTTLS           |   | handshake                  |   | +-- AUTH --> IN_AUTH |
 *      +-- XCLIENT   +----------------+   |                            |   |     235, 5xx --+     |
 *                    +--> SECURING -------+       MAIL forwarded or    |   +----------------+     |
 *                                                 kept (own banner)    v                          |
 *                                                                    IN_TX  (RCPT, RCPT, ...)     |
 *                                                        354 to DATA |  | BDAT n                  |
 *                                                                    v  v                         |
 *                                            +- chunk done -- CONTENT -- end of content --> COMMIT
 *                                            v                  ^         the upstream's reply
 *                                         IN_BDAT -- BDAT n ----+
 *   any state -- 421, QUIT, lost peer --> CLOSING      RSET, HELO, refused MAIL end a transaction
 *
 * From -> to              function that does it
 *   OPENING -> GREETED    opening.c opened, own_banner.c mw_own_banner_greet
 *   any -> SECURING       verb_starttls.c mw_verb_starttls;  SECURING -> GREETED  mw_client_secured
 *   any -> OPENING        restart.c mw_session_restart (XCLIENT: another client)
 *   GREETED -> READY      verb_helo.c mw_helo_accepted
 *   READY <-> IN_AUTH     verb_auth.c
 *   READY -> IN_TX        verb_mail.c open_transaction
 *   IN_TX -> CONTENT      commit.c on_data, verb_data.c data_decided, verb_bdat.c bdat_decided
 *   CONTENT -> IN_BDAT    content.c chunk_done
 *   CONTENT -> COMMIT     commit.c mw_commit_begin
 *   COMMIT, IN_TX -> READY  transaction.c mw_transaction_end
 *   any -> CLOSING        mw_session_finish
 *
 * How a command goes: the pump cuts one line from what was read; the verb's row in verbs.def says
 * whether it is legal now and whether it must wait for earlier replies (SYNC); its handler parses
 * it and runs its filter stage; the verdict answers it locally or forwards it; the upstream's reply
 * finds its exchange (exchange.c) and goes out. Only one command is undecided at a time, and the
 * pump takes no further one meanwhile: that is the backpressure, and why filters see a consistent
 * transaction. A command whose filter waits is copied to `held`; all others are forwarded straight
 * from the read buffer.
 *
 * Invariants (mw_session_check):
 *   - IN_TX, IN_BDAT, CONTENT, COMMIT imply a transaction; the other states imply none
 *   - a transaction exists iff the subject shows one
 *   - unanswered exchanges + answered ones = ring_count <= MW_RING_MAX + 1; the first is never answered
 *   - every unanswered exchange but the message's own has an expected reply of kind SLOT
 *   - while a stage waits, or a recipient waits for the upstream, no input is taken
 *   - while the client shakes hands nothing is owed to it
 *   - after is_over nothing is sent to the upstream
 *   - nothing is expected from an upstream that is down */
/* clang-format on */
#include "session/session_priv.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_words[] = {
#define MW_STATE(name, word, meaning) [MW_STATE_##name] = (word),
#include "session/states.def"
#undef MW_STATE
};

struct mw_session *mw_session_new(struct mw_snapshot *snapshot,
                                  const struct mw_listen_settings *settings,
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
    session->subject.client_name = mw_arena_dup(&session->arena, peer->name);
    session->subject.client_reverse_name = mw_arena_dup(&session->arena, peer->reverse_name);
    session->subject.is_client_name_unknown = peer->is_name_unknown;
    if (peer->tls != NULL && peer->tls->is_secure) {
        struct mw_tls_info *info = mw_arena_new(&session->arena, struct mw_tls_info);
        mw_tls_info_copy(&session->arena, peer->tls, info);
        session->subject.tls = info;
    }
    return session;
}

void mw_session_free(struct mw_session **pointer)
{
    struct mw_session *session = *pointer;
    if (session == NULL)
        return;
    *pointer = NULL;
    mw_transaction_end(session, true);
    mw_xforward_end(session);
    mw_exchange_clear(session);
    mw_expect_clear(session);
    mw_buf_fini(&session->up.first_words);
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

void mw_session_finish_reply(struct mw_session *session, struct mw_slice reply,
                             enum mw_session_end end)
{
    if (session->state == MW_STATE_CLOSING)
        return;
    session->end = (uint8_t)end;
    if (session->state != MW_STATE_SECURING) /* in a handshake no reply can be said */
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

bool mw_count_error(struct mw_session *session)
{
    session->errors++;
    session->subject.errors++;
    return session->errors < session->settings->max_errors;
}

void mw_command_error(struct mw_session *session, enum mw_reply_id reply)
{
    bool may_go_on = mw_count_error(session);
    mw_report_reject_own(session, "command", reply);
    mw_answer_own(session, reply);
    if (!may_go_on)
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

/* The line of the command at hand, if the stage is about one, is in the read buffer: keep a copy
 * while a filter waits. */
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

/* ---- events ---- */

static void event_begin(struct mw_session *session, uint64_t now_ms)
{
    mw_assert(!session->in_event);
    session->in_event = true;
    session->now = now_ms;
    session->up.answerable = session->up.expect_count;
    if (mw_content_is_blocked(session)) /* the time that we hold the client back is not its own */
        session->client_since = now_ms;
    session->input = mw_slice_skip(mw_buf_view(&session->client_in), session->client_used);
}

/* Pump, and remember how much of the kept input was taken. */
static void event_end(struct mw_session *session)
{
    mw_pump(session);
    session->client_used = session->client_in.len - session->input.len;
    mw_clock_disarm_upstream(session);
    session->in_event = false;
#ifdef MW_DEBUG
    mw_session_check(session);
#endif
}

void mw_session_start(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    session->begun_ms = session->client_since = now_ms;
    struct mw_call call = {.stage = MW_STAGE_CONNECT};
    mw_run_stage_then(session, &call, mw_connect_decided);
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

/* What is kept may be half of an AUTH line, which is recognised only when it is whole. */
static void note_kept_secret(struct mw_session *session)
{
    if (session->client_in.len > session->client_used && !session->is_authenticated &&
        session->settings->auth != MW_AUTH_OFF)
        session->has_secret = true;
}

void mw_session_client_data(struct mw_session *session, struct mw_slice octets, uint64_t now_ms)
{
    event_begin(session, now_ms);
    /* a command has command-timeout for all of it, however it dribbles in; content has data-timeout
     * for each piece, and its own lower bound */
    if (session->state == MW_STATE_CONTENT || session->swallow_left > 0)
        session->client_since = now_ms;
    session->octets_in += octets.len;
    if (session->state == MW_STATE_OPENING)
        note_early_talker(session);
    if (session->client_in.len > session->client_used) {
        mw_buf_put(&session->client_in, octets);
        session->input = mw_slice_skip(mw_buf_view(&session->client_in), session->client_used);
        event_end(session);
        note_kept_secret(session);
        return;
    }
    /* the usual case: straight from the read buffer, only what cannot be used yet is copied */
    session->client_in.len = session->client_used = 0;
    session->input = octets;
    mw_pump(session);
    if (session->input.len > 0 && !session->is_over)
        mw_buf_put(&session->client_in, session->input);
    session->input = mw_buf_view(&session->client_in);
    event_end(session);
    note_kept_secret(session);
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
        mw_session_finish(session, MW_REPLY_CLIENT_GONE,
                          MW_END_CLIENT_CLOSED); /* it may have half-closed only */
    }
    if ((session->state == MW_STATE_OPENING || session->state == MW_STATE_SECURING ||
         session->awaits_upstream) &&
        !session->is_over)
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

void mw_session_client_secured(struct mw_session *session, const struct mw_tls_info *info,
                               uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_client_secured(session, info);
    event_end(session);
}

void mw_session_upstream_secured(struct mw_session *session, const struct mw_tls_info *info,
                                 uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_upstream_secured(session, info);
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

void mw_session_decided(struct mw_session *session, const struct mw_outcome *outcome,
                        uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_stage_fn *after = session->after_stage;
    session->after_stage = NULL;
    if (after != NULL) {
        mw_clock_shift(session);
        after(session, outcome);
    }
    mw_forget_command(session);
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

void mw_session_timer(struct mw_session *session, uint64_t now_ms)
{
    event_begin(session, now_ms);
    mw_clock_expire(session);
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
    mw_clock_arm_write(session);
    if (session->after_stage == NULL)
        drop_buffer(session, &session->held);
    if (session->tx != NULL && session->after_stage == NULL && session->tx->pending.len == 0)
        mw_buf_fini(&session->tx->pending);
    if (session->tx != NULL && session->tx->is_stream_open && session->tx->is_header_written &&
        (session->stages & MW_STAGE_BIT(MW_STAGE_BODY)) == 0 &&
        session->tx->headers.block.cap > 0) {
        session->subject.headers =
            NULL; /* a client that stalls in the body holds no header block */
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
        session->state == MW_STATE_SECURING ||
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
    return !session->is_over && mw_upstream_may_speak(session) &&
           session->up.state > MW_UP_CONNECTING &&
           mw_queue_len(&session->to_client) < MW_CLIENT_QUEUE_MARK;
}

bool mw_session_wants_progress(const struct mw_session *session)
{
    if (session->is_over)
        return false;
    bool can_take_more = session->is_held_back &&
                         mw_queue_len(&session->to_client) < MW_CLIENT_QUEUE_MARK;
    return can_take_more ||
           (mw_commit_wants_progress(session) && mw_queue_len(&session->to_upstream) == 0);
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
    uint32_t with_tx = MW_STATE_BIT(IN_TX) | MW_STATE_BIT(IN_BDAT) | MW_STATE_BIT(CONTENT) |
                       MW_STATE_BIT(COMMIT);
    bool has_tx = session->tx != NULL;
    mw_assert(session->state == MW_STATE_CLOSING ||
              has_tx == ((with_tx & (1u << session->state)) != 0));
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
        slots +=
            session->up.expects[(session->up.expect_first + i) % session->up.expect_cap].kind ==
            MW_EXPECT_SLOT;
    bool own = has_tx && session->tx->step != MW_STEP_NONE;
    bool end_open = session->state == MW_STATE_COMMIT;
    mw_assert(unanswered == slots || (unanswered == slots + 1 && (own || end_open)));
    mw_assert(session->up.state != MW_UP_DOWN || session->up.expect_count == 0);
    mw_assert(!session->is_over || session->after_stage == NULL);
    mw_assert(session->state != MW_STATE_SECURING || session->ring_count == 0);
    mw_assert(!session->awaits_upstream || session->is_over || session->tx != NULL);
    mw_assert(session->client_used <= session->client_in.len);
}
