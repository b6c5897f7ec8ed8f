/* content.c - message content: octets from the client to header block and body, by the plan of the
 * transaction.
 *
 *   input -> smtp/dots (line ends, stuffing, end of data; or BDAT's count) -> spans
 *         -> message/header until the block is complete -> end_of_headers stage
 *         -> body stage -> stream: stuffed again into the upstream's queue | spool: kept | swallow:
 * dropped
 *
 * Who owns what: spans point into the read buffer and are borrowed by the upstream's queue until
 * the end of the event; the header block is the transaction's (until it was written, under the
 * stream plan); the spool has its own copies. A refusal found here is kept and told at the end of
 * the content, where the client listens (RFC 5321 4.1.1.4). */
#include "session/session_priv.h"

bool mw_content_is_blocked(const struct mw_session *session)
{
    const struct mw_transaction *tx = session->tx;
    if (tx == NULL || session->state != MW_STATE_CONTENT)
        return false;
    return mw_queue_len(&session->to_upstream) >= MW_UPSTREAM_QUEUE_MARK ||
           (tx->spool != NULL && mw_spool_backlog(tx->spool) >= MW_SPOOL_BACKLOG_MARK);
}

void mw_content_begin(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    const struct mw_listen_settings *settings = session->settings;
    mw_enter_state(session, MW_STATE_CONTENT, "content follows");
    session->client_since = session->now;
    if (session->header_deadline == 0 && !tx->has_header)
        session->header_deadline = session->now + settings->header_timeout_ms;
    if (session->rate_deadline == 0 && settings->min_data_rate > 0) {
        session->rate_deadline = session->now + MW_RATE_WINDOW_MS;
        session->rate_octets = tx->size;
    }
    if (tx->plan == MW_PLAN_SPOOL && tx->spool == NULL) {
        tx->spool = session->ops->spool_open(session->user);
        session->keepalive_at = session->now + settings->upstream->keepalive_ms;
    }
}

/* ---- refusals ---- */

static void refuse_with(struct mw_session *session, struct mw_slice reply, uint16_t code)
{
    struct mw_transaction *tx = session->tx;
    if (!tx->is_refused) {
        tx->is_refused = true;
        tx->refusal_code = code;
        mw_buf_put(&tx->refusal, reply);
    }
    if (tx->is_stream_open) {
        tx->is_stream_open = false;
        mw_upstream_drop(session); /* inside DATA there is no other way to say no */
    }
}

void mw_content_refuse_own(struct mw_session *session, enum mw_reply_id reply, const char *stage)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, reply);
    if (!session->tx->is_refused)
        mw_report_reject_own(session, stage, reply);
    refuse_with(session, mw_buf_view(&text), mw_reply_own_code(reply));
    mw_buf_fini(&text);
}

void mw_content_refuse(struct mw_session *session, const struct mw_outcome *outcome,
                       const char *stage)
{
    struct mw_buf text = {0};
    mw_build_outcome(outcome, &text);
    if (!session->tx->is_refused)
        mw_report_reject(session, stage, outcome);
    refuse_with(session, mw_buf_view(&text), outcome->code);
    mw_buf_fini(&text);
}

void mw_content_refuse_upstream(struct mw_session *session, const struct mw_reply *reply)
{
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    if (!session->tx->is_refused)
        mw_report_reject_upstream(session, "body", reply);
    refuse_with(session, mw_buf_view(&text), reply->code);
    mw_buf_fini(&text);
}

bool mw_content_verdict(struct mw_session *session, const struct mw_outcome *outcome,
                        const char *stage)
{
    struct mw_transaction *tx = session->tx;
    if (outcome->verdict == MW_CONTINUE)
        return true;
    if (outcome->verdict == MW_DISCONNECT) {
        mw_refuse(session, stage, outcome);
    } else if (outcome->verdict == MW_DISCARD) {
        tx->is_discarded = true;
        mw_report_reject(session, stage, outcome); /* as `discard`: law 1 wants it in the log */
        tx->plan = MW_PLAN_SWALLOW;
        if (tx->is_stream_open) {
            tx->is_stream_open = false;
            mw_upstream_drop(session);
        }
    } else {
        mw_content_refuse(session, outcome, stage);
    }
    return false;
}

/* ---- results behind a header without an end (authres.h) ---- */

static void refuse_forged(struct mw_session *session)
{
    if (!session->tx->is_refused)
        mw_report_forged(session, 1);
    mw_content_refuse_own(session, MW_REPLY_FORGED_RESULTS, "body");
}

/* They are in what is body to us, so they cannot be deleted; and while the message streams, its
 * header is gone, and the empty line that would end it for everybody cannot be added any more. */
static bool is_refused_by_watch(struct mw_session *session, struct mw_slice octets)
{
    struct mw_transaction *tx = session->tx;
    const struct mw_snapshot *snapshot = session->snapshot;
    if (!tx->is_watched ||
        !mw_authres_watch(&tx->watch, octets, snapshot->authserv_ids, snapshot->authserv_id_count))
        return false;
    refuse_forged(session);
    return true;
}

void mw_content_watch_end(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    const struct mw_snapshot *snapshot = session->snapshot;
    if (tx->is_watched &&
        mw_authres_watch_end(&tx->watch, snapshot->authserv_ids, snapshot->authserv_id_count))
        refuse_forged(session);
}

/* ---- body ---- */

static void body_span(struct mw_session *session, struct mw_span span)
{
    struct mw_transaction *tx = session->tx;
    if (span.octets.len == 0 || tx->is_refused || tx->plan == MW_PLAN_SWALLOW ||
        is_refused_by_watch(session, span.octets))
        return;
    if ((session->stages & MW_STAGE_BIT(MW_STAGE_BODY)) != 0) {
        struct mw_call call = {.stage = MW_STAGE_BODY, .a = span.octets};
        struct mw_outcome outcome = {.verdict = MW_CONTINUE};
        enum mw_err err = session->ops->run_stage(session->user, &call, &outcome);
        mw_assert(err == MW_OK); /* body hooks may not wait: the chain sees to it */
        if (!mw_content_verdict(session, &outcome, "body"))
            return;
    }
    if (tx->plan == MW_PLAN_SPOOL)
        mw_spool_add(tx->spool, span.octets, span.at_line_start);
    else
        mw_stuff(&tx->stuffer, &session->to_upstream, span, false);
}

/* ---- header block ---- */

/* May this client bring results under our name? */
static bool is_result_trusted(const struct mw_session *session)
{
    const struct mw_listen_settings *settings = session->settings;
    return mw_networks_contain(settings->trust_results, settings->trust_results_count,
                               &session->subject.client_address);
}

/* RFC 8601 5: results of ours that come from outside are forged. They go before any filter sees
 * them. */
static void drop_forged_results(struct mw_session *session)
{
    const struct mw_snapshot *snapshot = session->snapshot;
    if (snapshot->authserv_id_count == 0 || is_result_trusted(session))
        return;
    session->tx->is_watched = !session->tx->headers.has_separator;
    size_t count = mw_authres_strip(&session->tx->headers, snapshot->authserv_ids,
                                    snapshot->authserv_id_count);
    if (count > 0)
        mw_report_forged(session, count);
}

void mw_content_write_results(struct mw_session *session)
{
    const struct mw_snapshot *snapshot = session->snapshot;
    if (snapshot->authserv_id_count > 0 &&
        mw_subject_write_results(&session->subject, snapshot->authserv_ids[0]) != MW_OK)
        mw_report_no_room(session);
}

static void put_header(void *user, struct mw_slice octets)
{
    struct mw_session *session = user;
    struct mw_span span = {.octets = octets, .at_line_start = true};
    mw_stuff(&session->tx->stuffer, &session->to_upstream, span, true);
}

/* What came behind the block in the same span waits in tx->rest while the end_of_headers stage is
 * asked. */
static void eoh_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_transaction *tx = session->tx;
    struct mw_span handed_back = {.octets = tx->handed_back, .at_line_start = true};
    struct mw_span rest = tx->rest;
    if (tx->pending.len > 0)
        rest.octets = mw_buf_view(&tx->pending);
    tx->handed_back = MW_EMPTY;
    tx->rest = (struct mw_span){0};
    bool goes_on = mw_content_verdict(session, outcome, "end_of_headers");
    if (session->is_over)
        return;
    if (goes_on && tx->plan == MW_PLAN_STREAM && !tx->is_refused) {
        mw_content_write_results(session);
        mw_headers_write(&tx->headers, put_header, session);
        tx->is_header_written = true;
    }
    body_span(session, handed_back);
    if (!session->is_over)
        body_span(session, rest);
    if (!session->is_over && session->state == MW_STATE_COMMIT)
        mw_commit_message_end(session);
}

/* The content of BODY=BINARYMIME is not looked at, but its header is lines like any other's (RFC
 * 3030 3): those who read it would not agree on where they end. */
static void check_binary_header(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    const struct mw_dots_policy *policy = &session->settings->line_ends;
    struct mw_slice block = mw_headers_block(&tx->headers);
    struct mw_dots dots;
    struct mw_span span;
    if (!tx->dots.is_binary)
        return;
    mw_dots_init_bdat(&dots, false);
    for (size_t used = 0; block.len > 0; block = mw_slice_skip(block, used))
        mw_dots_take(&dots, policy, block, &used, &span);
    mw_dots_finish_bdat(&dots, policy, &span); /* a CR may be the last octet of all */
    tx->dots.seen |= dots.seen;
    tx->dots.is_refused |= dots.is_refused;
    mw_content_refuse_bad_octets(session);
}

static void header_done(struct mw_session *session, struct mw_slice handed_back,
                        struct mw_span rest)
{
    struct mw_transaction *tx = session->tx;
    tx->has_header = true;
    session->header_deadline = 0;
    session->subject.headers = &tx->headers;
    check_binary_header(session);
    drop_forged_results(session);
    tx->message_id = mw_arena_dup(&tx->arena,
                                  mw_slice_take(mw_headers_message_id(&tx->headers), 256));
    tx->handed_back = handed_back;
    tx->rest = rest;
    struct mw_call call = {.stage = MW_STAGE_END_OF_HEADERS};
    uint32_t header_stages = MW_STAGE_BIT(MW_STAGE_HEADER) | MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS);
    if ((session->stages & header_stages) == 0 || tx->is_refused) {
        struct mw_outcome outcome = {.verdict = MW_CONTINUE};
        eoh_decided(session, &outcome);
        return;
    }
    mw_run_stage_then(session, &call, eoh_decided);
    if (session->after_stage != NULL && rest.octets.len > 0)
        mw_buf_put(&tx->pending, rest.octets); /* the read buffer will be used again */
}

bool mw_content_finish_header(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (tx->has_header || tx->is_refused || tx->plan == MW_PLAN_SWALLOW)
        return false;
    struct mw_slice handed_back = MW_EMPTY;
    mw_headers_finish(&tx->headers, &handed_back);
    header_done(session, handed_back, (struct mw_span){0});
    return true;
}

static void header_span(struct mw_session *session, struct mw_span span)
{
    struct mw_transaction *tx = session->tx;
    struct mw_slice handed_back = MW_EMPTY;
    size_t used = 0;
    bool is_loop = false;
    enum mw_err err = mw_headers_take(&tx->headers, &session->settings->header_limits, span.octets,
                                      &used, &handed_back, &is_loop);
    if (err == MW_AGAIN)
        return;
    if (err != MW_OK) {
        mw_content_refuse_own(session, is_loop ? MW_REPLY_LOOP : MW_REPLY_HEADER_TOO_BIG, "header");
        return;
    }
    struct mw_span rest = {.octets = mw_slice_skip(span.octets, used),
                           .at_line_start = used == 0 && span.at_line_start};
    header_done(session, handed_back, rest);
}

/* ---- content ---- */

/* What was announced with SIZE: the smaller of the upstream's limit and ours (RFC 1870). A streamed
 * message is the upstream's to measure: it counts what it gets. */
static uint64_t size_limit(const struct mw_session *session)
{
    uint64_t ours = session->settings->max_message_size, theirs = session->up.ehlo.size;
    if (session->tx->plan == MW_PLAN_STREAM || theirs == 0)
        return ours;
    return ours == 0 || theirs < ours ? theirs : ours;
}

static void content_span(struct mw_session *session, struct mw_span span)
{
    struct mw_transaction *tx = session->tx;
    uint64_t limit = size_limit(session);
    tx->size += span.octets.len;
    session->subject.message_size = tx->size;
    if (limit != 0 && tx->size > limit) {
        mw_content_refuse_own(session, MW_REPLY_TOO_BIG, "body");
        if (tx->size > 2 * limit + (16u << 20)) { /* told at the end, but there has to be an end */
            mw_session_finish(session, MW_REPLY_TOO_BIG, MW_END_ERRORS);
            return;
        }
    }
    if (tx->is_refused || tx->plan == MW_PLAN_SWALLOW)
        return;
    if (!tx->has_header)
        header_span(session, span);
    else
        body_span(session, span);
}

static void chunk_done(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    if (tx->is_last_chunk) {
        struct mw_span span = {0};
        mw_dots_finish_bdat(&tx->dots, &session->settings->line_ends, &span);
        if (span.octets.len > 0)
            content_span(session, span);
        if (!session->is_over)
            mw_commit_begin(session);
        return;
    }
    mw_enter_state(session, MW_STATE_IN_BDAT, "chunk taken");
    if (tx->is_refused) {
        mw_answer(session, mw_buf_view(&tx->refusal));
        return;
    }
    struct mw_buf reply = {0};
    mw_buf_putf(&reply, "250 2.0.0 Ok: %llu bytes\r\n", (unsigned long long)tx->bdat_size);
    mw_answer(session, mw_buf_view(&reply));
    mw_buf_fini(&reply);
}

void mw_content_refuse_bad_octets(struct mw_session *session)
{
    const struct mw_dots *dots = &session->tx->dots;
    const struct mw_dots_policy *policy = &session->settings->line_ends;
    if (!dots->is_refused || session->tx->is_refused)
        return;
    enum mw_reply_id reply = MW_REPLY_NUL_SEEN;
    if ((dots->seen & MW_SEEN_BARE_LF) != 0 && policy->bare_lf == MW_BARE_REJECT)
        reply = MW_REPLY_BARE_LF;
    else if ((dots->seen & MW_SEEN_BARE_CR) != 0 &&
             (policy->bare_cr == MW_BARE_REJECT || (dots->seen & MW_SEEN_FAKE_END) != 0))
        reply = MW_REPLY_BARE_CR;
    mw_content_refuse_own(session, reply, "body");
}

bool mw_content_take(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    /* what was read is taken whole, whatever the queues hold: they are bounded by their mark plus
     * one read, and nothing has to be copied or remembered in the middle. Backpressure is reading
     * no more (mw_session_wants_client). */
    struct mw_slice in = session->input;
    if (tx->is_bdat) {
        if (tx->bdat_left == 0) {
            chunk_done(session);
            return true;
        }
        in = mw_slice_take(in, tx->bdat_left);
    }
    if (in.len == 0)
        return false;
    size_t used = 0;
    struct mw_span span = {0};
    mw_dots_take(&tx->dots, &session->settings->line_ends, in, &used, &span);
    session->input = mw_slice_skip(session->input, used);
    if (tx->is_bdat)
        tx->bdat_left -= used;
    bool is_done = tx->dots.is_done;
    /* at once: under the stream plan an upstream that reads line ends in another way would take
     * what comes behind a false end of data for commands, long before the message is refused */
    mw_content_refuse_bad_octets(session);
    if (session->is_over)
        return false;
    if (span.octets.len > 0)
        content_span(session, span);
    if (is_done && !session->is_over) {
        if (session->after_stage != NULL)
            tx->is_end_pending = true; /* end_of_headers is still being judged */
        else
            mw_commit_begin(session);
    }
    return !session->is_over && (used > 0 || span.octets.len > 0);
}

void mw_content_go_on(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    tx->pending.len =
        0; /* its memory is borrowed by the upstream's queue: freed when that is settled */
    if (tx->is_end_pending) {
        tx->is_end_pending = false;
        mw_commit_begin(session);
    }
}
