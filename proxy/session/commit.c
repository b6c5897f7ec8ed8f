/* commit.c - the end of a message: verdict, envelope brought up to date, late DATA, content out,
 * the upstream's word back.
 *
 *   stream  DATA command:   OPEN (only if filters changed the envelope) -> DATA -> 354 to the
 *                           client, content flows (content.c)
 *           end of content: end_of_message stage -> final dot -> FINAL
 *   spool   end of content: end_of_message stage -> results, edited stage -> OPEN -> DATA -> SEND
 *                           -> FINAL
 *
 * Law 1: a 250 for a message exists only as the upstream's (or a logged discard). Law 2: what goes
 * out is written here, from header list and spool. Two-step commit: before the final dot the client
 * has to be there still. Recipients with verdicts of their own: mixed.c. The step OPEN replays the
 * envelope where it has to: after a recipient or the sender was changed or deleted (RSET first), or
 * on a new connection (the upstream went away while the client uploaded). One command at a time: it
 * is rare, and simple is right. */
#include "session/session_priv.h"

/* ---- how a message ends ---- */

static void count_message(struct mw_session *session, uint16_t code)
{
    if (code >= 200 && code < 300) {
        session->accepted++;
        session->subject.messages++;
    } else {
        session->refused++;
    }
}

static const char *verdict_word(uint16_t code)
{
    if (code < 400)
        return "accept";
    return code < 500 ? "tempfail" : "reject";
}

/* The message's reply to the client; the group of them under PRDR. */
static void tell(struct mw_session *session, struct mw_slice reply, uint16_t code)
{
    struct mw_buf group = {0};
    if (session->tx->gives_prdr)
        mw_mixed_print_prdr(session, reply, code, &group);
    mw_exchange_answer(session, group.len > 0 ? mw_buf_view(&group) : reply, false);
    mw_buf_fini(&group);
}

/* Give the message's exchange its reply and end the transaction. A 421 ends the session with it. */
static void conclude(struct mw_session *session, struct mw_slice reply, uint16_t code,
                     struct mw_slice text)
{
    session->tx->gives_prdr &= code != 421;
    mw_mixed_report(session, code);
    mw_report_message(session, verdict_word(code), code, text);
    count_message(session, code);
    session->tx->step = MW_STEP_NONE;
    if (code == 421) {
        mw_session_finish_reply(session, reply, MW_END_UPSTREAM);
        return;
    }
    tell(session, reply, code);
    mw_transaction_end(session, code >= 300);
}

static void conclude_own(struct mw_session *session, enum mw_reply_id reply)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, reply);
    conclude(session, mw_buf_view(&text), mw_reply_own_code(reply), MW_EMPTY);
    mw_buf_fini(&text);
}

static void conclude_upstream(struct mw_session *session, const struct mw_reply *reply,
                              const char *stage)
{
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    if (reply->code >= 400)
        mw_report_reject_upstream(session, stage, reply);
    conclude(session, mw_buf_view(&text), reply->code, reply->text);
    mw_buf_fini(&text);
}

void mw_commit_failed(struct mw_session *session, enum mw_reply_id reply)
{
    mw_report_reject_own(session, "end_of_message", reply);
    if (session->tx->step == MW_STEP_FINAL)
        session->lost++; /* the upstream may have it: the one window that SMTP leaves open (RFC
                            1047) */
    conclude_own(session, reply);
}

static void discard(struct mw_session *session)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, MW_REPLY_OK);
    mw_mixed_report(session, 250);
    mw_report_message(session, "discard", 250, MW_EMPTY);
    session->discarded++;
    session->subject.messages++;
    session->tx->step = MW_STEP_NONE;
    tell(session, mw_buf_view(&text), 250);
    mw_transaction_end(session, false);
    mw_buf_fini(&text);
}

/* ---- end of content ---- */

static void client_gone(struct mw_session *session)
{
    mw_report_reject_own(session, "end_of_message", MW_REPLY_CLIENT_GONE);
    mw_report_message(session, "lost", mw_reply_own_code(MW_REPLY_CLIENT_GONE), MW_EMPTY);
    mw_session_finish(session, MW_REPLY_CLIENT_GONE, MW_END_CLIENT_CLOSED);
}

/* Two-step commit. Octets that the client sent behind its message show that it goes on. */
static bool is_client_present(struct mw_session *session)
{
    return session->input.len > 0 ||
           (!session->is_client_gone && session->ops->client_present(session->user));
}

static void send_final_dot(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (!is_client_present(session)) {
        client_gone(session);
        return;
    }
    mw_stuff_end(&tx->stuffer, &session->to_upstream);
    tx->step = MW_STEP_FINAL;
    mw_expect_push(session, MW_EXPECT_FINAL, MW_VERB_DATA, 0);
    session->upstream_deadline = session->now + session->settings->upstream->final_reply_timeout_ms;
}

/* Single recipients were refused, and that refuses the message. */
static void conclude_mixed(struct mw_session *session)
{
    struct mw_buf reply = {0};
    uint16_t code = mw_mixed_refusal(session, &reply);
    conclude(session, mw_buf_view(&reply), code, mw_slice_skip(mw_buf_view(&reply), 4));
    mw_buf_fini(&reply);
}

static bool goes_out(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    return tx->plan == MW_PLAN_SPOOL && !tx->is_refused && !tx->is_discarded &&
           !mw_mixed_refuses(session) && mw_envelope_wanted(&tx->envelope) > 0;
}

/* Nothing will be changed any more. Filters that sign what leaves here get their last look at it, and
 * may still refuse it. */
static void seal(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    struct mw_call call = {.stage = MW_STAGE_EDITED};
    struct mw_outcome outcome = {.verdict = MW_CONTINUE};
    mw_content_write_results(session);
    if (!tx->headers.is_edited || (session->stages & MW_STAGE_BIT(MW_STAGE_EDITED)) == 0)
        return;
    enum mw_err err = session->ops->run_stage(session->user, &call, &outcome);
    mw_assert(err == MW_OK); /* its hooks may not wait: the chain sees to it */
    mw_content_verdict(session, &outcome, "edited");
}

static void eom_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_transaction *tx = session->tx;
    mw_content_verdict(session, outcome, "end_of_message");
    if (session->is_over)
        return;
    tx->headers.is_edited |=
        session->subject.has_replaced_body; /* a new body must not look like fields */
    if (goes_out(session))
        seal(session);
    if (session->is_over)
        return;
    if (tx->is_refused) {
        struct mw_buf reply = tx->refusal;
        tx->refusal = (struct mw_buf){0};
        struct mw_slice text = mw_slice_skip(mw_buf_view(&reply), 4);
        conclude(session, mw_buf_view(&reply), tx->refusal_code, text);
        mw_buf_fini(&reply);
    } else if (!tx->is_discarded && mw_mixed_refuses(session)) {
        conclude_mixed(session);
    } else if (tx->is_discarded || mw_envelope_wanted(&tx->envelope) == 0) {
        discard(session);
    } else if (tx->plan == MW_PLAN_STREAM) {
        send_final_dot(session);
    } else if (!is_client_present(session)) {
        client_gone(session);
    } else {
        session->keepalive_at = 0;
        mw_spool_rewind(tx->spool);
        mw_commit_open_data(session);
    }
}

/* Header and body are complete. Filters may replace the body: no file job may be under way then. */
void mw_commit_message_end(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (tx->spool != NULL && mw_spool_error(tx->spool) == MW_OK &&
        (mw_spool_is_busy(tx->spool) || mw_spool_backlog(tx->spool) > 0)) {
        tx->awaits_spool = true;
        return;
    }
    tx->awaits_spool = false;
    if (tx->spool != NULL && mw_spool_error(tx->spool) != MW_OK)
        mw_content_refuse_own(session, MW_REPLY_SPOOL_FAILED, "end_of_message");
    mw_content_refuse_bad_octets(session);
    mw_content_watch_end(session);
    session->subject.spool = tx->spool;
    if (tx->is_refused || tx->plan == MW_PLAN_SWALLOW) {
        struct mw_outcome outcome = {.verdict = MW_CONTINUE};
        eom_decided(session, &outcome);
        return;
    }
    struct mw_call call = {.stage = MW_STAGE_END_OF_MESSAGE};
    mw_run_stage_then(session, &call, eom_decided);
}

void mw_commit_begin(struct mw_session *session)
{
    session->header_deadline = session->rate_deadline = 0;
    mw_enter_state(session, MW_STATE_COMMIT, "end of content");
    mw_exchange_open(session, MW_VERB_DATA);
    if (!mw_content_finish_header(session)) /* else eoh_decided comes here again */
        mw_commit_message_end(session);
}

/* ---- handing over ---- */

void mw_commit_open_data(struct mw_session *session)
{
    session->tx->step = MW_STEP_OPEN;
    mw_commit_go_on(session);
}

static bool goes_as_bdat(const struct mw_session *session)
{
    return session->tx->is_bdat && (session->up.ehlo.exts & MW_EXT_CHUNKING) != 0;
}

static void add_len(void *user, struct mw_slice octets)
{
    *(uint64_t *)user += octets.len;
}

/* Envelope complete: DATA, or BDAT with everything. */
static void open_content(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (!goes_as_bdat(session)) {
        if (tx->envelope.is_binary) {
            mw_commit_failed(session, MW_REPLY_NO_CONVERSION);
            return;
        }
        tx->step = MW_STEP_DATA;
        mw_upstream_send(session, MW_LIT("DATA\r\n"), MW_EXPECT_DATA, 0);
        return;
    }
    uint64_t size = mw_spool_size(tx->spool);
    mw_headers_write(&tx->headers, add_len, &size);
    struct mw_buf line = {0};
    mw_buf_putf(&line, "BDAT %llu LAST\r\n", (unsigned long long)size);
    mw_queue_add(&session->to_upstream, mw_buf_view(&line));
    mw_buf_fini(&line);
    session->up.is_in_content = true;
    tx->step = MW_STEP_SEND;
    mw_commit_go_on(session);
}

static void forget_upstream_envelope(struct mw_envelope *envelope)
{
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        envelope->rcpts[i].is_upstream = false;
}

static void send_mail(struct mw_session *session)
{
    struct mw_envelope *envelope = &session->tx->envelope;
    struct mw_buf line = {0};
    forget_upstream_envelope(envelope);
    mw_envelope_print(&line, MW_LIT("MAIL FROM:"), envelope->sender.address,
                      envelope->sender.params);
    envelope->sent_sender = envelope->sender.address;
    mw_upstream_send_xforward(session);
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_MAIL, 0);
    mw_buf_fini(&line);
}

static void send_rcpt(struct mw_session *session, size_t index)
{
    struct mw_rcpt *rcpt = &session->tx->envelope.rcpts[index];
    struct mw_buf line = {0};
    mw_envelope_print(&line, MW_LIT("RCPT TO:"), rcpt->mailbox.address, rcpt->mailbox.params);
    rcpt->sent = rcpt->mailbox.address;
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_RCPT, (uint32_t)index);
    mw_buf_fini(&line);
}

static void step_open(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    struct mw_envelope *envelope = &session->tx->envelope;
    if (up->state == MW_UP_DOWN) {
        if (session->is_authenticated)
            mw_commit_failed(session, MW_REPLY_UPSTREAM_LOST);
        else
            mw_upstream_open(session);
        return;
    }
    if (up->state != MW_UP_READY || up->expect_count > 0)
        return;
    if (up->has_tx && mw_envelope_gap(envelope) == MW_GAP_REPLAY)
        mw_upstream_reset(session);
    else if (!up->has_tx)
        send_mail(session);
    else if (mw_envelope_next_unsent(envelope, 0, false) >= 0)
        send_rcpt(session, (size_t)mw_envelope_next_unsent(envelope, 0, false));
    else
        open_content(session);
}

static void put_raw(void *user, struct mw_slice octets)
{
    struct mw_session *session = user;
    mw_queue_borrow(&session->to_upstream, octets);
}

static void put_stuffed(void *user, struct mw_slice octets)
{
    struct mw_session *session = user;
    struct mw_span span = {.octets = octets, .at_line_start = true};
    mw_stuff(&session->tx->stuffer, &session->to_upstream, span, true);
}

static void all_sent(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (!goes_as_bdat(session)) {
        send_final_dot(session);
        return;
    }
    tx->step =
        MW_STEP_FINAL; /* the count is complete with the last octet: nothing more to withhold */
    mw_expect_push(session, MW_EXPECT_FINAL, MW_VERB_BDAT, 0);
    session->upstream_deadline = session->now + session->settings->upstream->final_reply_timeout_ms;
}

static void step_send(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    bool is_bdat = goes_as_bdat(session);
    tx->awaits_read = false;
    if (!tx->is_header_written) {
        tx->is_header_written = true;
        mw_headers_write(&tx->headers, is_bdat ? put_raw : put_stuffed, session);
    }
    while (tx->step == MW_STEP_SEND &&
           mw_queue_len(&session->to_upstream) < MW_UPSTREAM_QUEUE_MARK) {
        struct mw_slice piece;
        enum mw_err err = mw_spool_next(tx->spool, &piece);
        if (err == MW_AGAIN) {
            tx->awaits_read = true;
            return;
        }
        if (err != MW_OK) {
            mw_upstream_drop(session);
            mw_commit_failed(session, MW_REPLY_SPOOL_FAILED);
            return;
        }
        if (piece.len == 0) {
            all_sent(session);
            return;
        }
        if (is_bdat && tx->bdat_sent_len + piece.len == mw_spool_size(tx->spool) &&
            !is_client_present(session)) {
            client_gone(session); /* the last octet of a BDAT is its final dot */
            return;
        }
        tx->bdat_sent_len += piece.len;
        if (is_bdat)
            mw_queue_borrow(&session->to_upstream, piece);
        else
            mw_stuff(&tx->stuffer, &session->to_upstream, (struct mw_span){.octets = piece},
                     tx->is_bdat || session->subject.has_replaced_body ||
                         mw_spool_has_dots(tx->spool));
    }
}

void mw_commit_go_on(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (tx == NULL || session->is_over || session->after_stage != NULL)
        return;
    if (tx->awaits_spool)
        mw_commit_message_end(session);
    else if (tx->step == MW_STEP_OPEN)
        step_open(session);
    else if (tx->step == MW_STEP_SEND)
        step_send(session);
}

bool mw_commit_wants_progress(const struct mw_session *session)
{
    const struct mw_transaction *tx = session->tx;
    return tx != NULL && tx->step == MW_STEP_SEND && !tx->awaits_read;
}

/* ---- the upstream's answers ---- */

static void on_data(struct mw_session *session, const struct mw_reply *reply)
{
    struct mw_transaction *tx = session->tx;
    bool is_stream = tx->plan == MW_PLAN_STREAM;
    if (reply->code == 354) {
        session->up.is_in_content = true;
        if (!is_stream) {
            tx->step = MW_STEP_SEND;
            mw_commit_go_on(session);
            return;
        }
        tx->step = MW_STEP_NONE;
        tx->is_stream_open = true;
        struct mw_buf go_ahead = {0};
        mw_reply_print(reply, &go_ahead);
        mw_exchange_answer(session, mw_buf_view(&go_ahead), false);
        mw_buf_fini(&go_ahead);
        mw_content_begin(session);
        return;
    }
    if (reply->code < 400) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "neither 354 nor a refusal for DATA");
        return;
    }
    if (!is_stream || reply->code == 421) {
        conclude_upstream(session, reply, "data");
        return;
    }
    mw_report_reject_upstream(session, "data",
                              reply); /* the transaction stays, as on a direct connection */
    tx->step = MW_STEP_NONE;
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    mw_exchange_answer(session, mw_buf_view(&text), false);
    mw_buf_fini(&text);
    mw_refused_data(session);
}

void mw_commit_reply(struct mw_session *session, struct mw_expect expect,
                     const struct mw_reply *reply)
{
    struct mw_transaction *tx = session->tx;
    if (tx == NULL) /* the message was given up meanwhile (then the connection was dropped, too) */
        return;
    if (expect.kind == MW_EXPECT_DATA) {
        on_data(session, reply);
    } else if (expect.kind == MW_EXPECT_FINAL) {
        session->up.is_in_content = false;
        session->up.has_tx = false;
        if (reply->code >= 300 && reply->code < 400)
            mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "3xx for a complete message");
        else
            conclude_upstream(session, reply, "end_of_message");
    } else if (reply->code >= 300) { /* a refusal of the replayed envelope is the message's reply */
        if (expect.kind == MW_EXPECT_RCPT)
            session->rcpt_at_hand = expect.index; /* the log names who was refused */
        conclude_upstream(session, reply, expect.kind == MW_EXPECT_MAIL ? "mail" : "rcpt");
    } else {
        if (expect.kind == MW_EXPECT_MAIL)
            session->up.has_tx = true;
        else
            tx->envelope.rcpts[expect.index].is_upstream = true;
        mw_commit_go_on(session);
    }
}

bool mw_commit_early_reply(struct mw_session *session, const struct mw_reply *reply)
{
    struct mw_transaction *tx = session->tx;
    bool is_sending = tx->step == MW_STEP_SEND;
    if (!tx->is_stream_open && !is_sending)
        return false;
    if (reply->code < 400) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_LOST,
                         "an acceptance before the end of the message");
        return true;
    }
    if (!is_sending) {
        mw_content_refuse_upstream(session, reply);
        return true;
    }
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    mw_report_reject_upstream(session, "body", reply);
    mw_upstream_drop(session);
    conclude(session, mw_buf_view(&text), reply->code, reply->text);
    mw_buf_fini(&text);
    return true;
}
