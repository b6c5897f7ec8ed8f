/* run.c - one session's way through its chain: who is asked next, what an answer means, and how far
 * it reaches.
 *
 *   mw_run_stage -> advance -> ask (hook) -> settle -> ... -> outcome        all filters answer at
 * once
 *                      |
 *                      +--> MW_WAIT: is_waiting, `ticket` parked, MW_AGAIN
 *                              host->resume    -> mw_run_resume -> settle, advance -> decided()
 *                              mw_run_expire   -> cancelled, on-error -> the same
 *                              mw_run_cancel   -> cancelled, nothing more
 *
 * Before END_OF_MESSAGE a heavy message's content may be finished on a thread ("preparing",
 * host_content.c): the stage waits without a ticket and without a current filter.
 *
 * Invariants: at most one ticket is parked; is_waiting iff it is parked and its hook has returned,
 * or while preparing; `current` is the filter being asked or waited for, NULL in between; nothing is
 * touched after decided() (the owner may have freed us). Cost: a run without a wanted stage is this
 * small struct; mw_live comes with the first hook. */
#include "chain/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain_priv.h"

/* ---- life ---- */

struct mw_run *mw_run_new(const struct mw_chain *chain, struct mw_subject *subject,
                          const struct mw_services *services)
{
    struct mw_run *run = mw_xcalloc(1, sizeof *run);
    run->chain = chain;
    run->subject = subject;
    run->services = services;
    return run;
}

static void reset_transaction(struct mw_live *live, const struct mw_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct mw_ctx *ctx = &live->ctxs[i];
        ctx->transaction_slot = NULL;
        ctx->is_skipping = ctx->has_replaced = ctx->has_broken_body = false;
        ctx->body_state = 0;
    }
    memset(live->edits, 0, sizeof live->edits);
    live->body_filters = chain->body_filters;
    if (live->accepted_words > 0)
        memset(live->accepted_rcpts, 0, live->accepted_words * sizeof *live->accepted_rcpts);
    live->early = NULL;
    live->early_last = &live->early;
}

static struct mw_live *live_of(struct mw_run *run)
{
    if (run->live != NULL)
        return run->live;
    struct mw_live *live = mw_xcalloc(1, sizeof *live);
    const struct mw_chain *chain = run->chain;
    live->ctxs = mw_xcalloc(chain->count, sizeof *live->ctxs);
    for (size_t i = 0; i < chain->count; i++) {
        live->ctxs[i].run = run;
        live->ctxs[i].entry = &chain->entries[i];
    }
    mw_list_init(&live->timers);
    mw_queries_init(live);
    reset_transaction(live, chain);
    run->live = live;
    return live;
}

static void live_free(struct mw_live *live)
{
    for (size_t i = 0; i < live->fact_count; i++)
        mw_fact_cell_clear(&live->facts[i]);
    free(live->facts);
    free(live->accepted_rcpts);
    mw_buf_fini(&live->kept);
    mw_arena_fini(&live->words);
    free(live->ctxs);
    free(live);
}

static bool chain_has(const struct mw_run *run, enum mw_stage stage)
{
    return run->chain != NULL && (run->chain->stages & MW_STAGE_BIT(stage)) != 0;
}

/* Run the hooks whose verdict nobody waits for: ABORT and CLOSE. Every filter that wants them, also
 * behind an ACCEPT: they are where filters let go of what they hold. */
static void tell_all(struct mw_run *run, enum mw_stage stage)
{
    struct mw_live *live = live_of(run);
    live->stage = live->call.stage = stage;
    for (size_t i = 0; i < run->chain->count; i++) {
        struct mw_ctx *ctx = &live->ctxs[i];
        const struct mw_instance *instance = mw_ctx_instance(ctx);
        if (!(instance->stages & MW_STAGE_BIT(stage)))
            continue;
        live->current = ctx;
        if (stage == MW_STAGE_ABORT)
            instance->filter.abort(ctx);
        else
            instance->filter.session_close(ctx);
        live->said = (struct mw_said){0};
    }
    live->current = NULL;
}

void mw_run_free(struct mw_run **run_at)
{
    struct mw_run *run = *run_at;
    *run_at = NULL;
    if (run == NULL)
        return;
    mw_run_cancel(run);
    if (run->in_transaction)
        mw_run_transaction_end(run, true);
    if (chain_has(run, MW_STAGE_CLOSE)) {
        live_of(run)->is_closing = true;
        tell_all(run, MW_STAGE_CLOSE);
    }
    if (run->live != NULL) {
        mw_run_content_end(run);
        mw_timers_stop(run);
        mw_queries_stop(run);
        live_free(run->live);
    }
    free(run);
}

struct mw_slice mw_run_id(const struct mw_run *run, char out_text[MW_RUN_ID_MAX])
{
    struct mw_slice id = mw_slice_take(run->subject->session_id, MW_RUN_ID_MAX - 12);
    if (id.len > 0)
        memcpy(out_text, id.ptr, id.len);
    if (run->in_transaction)
        id.len += (size_t)snprintf(out_text + id.len, 12, ".%u", run->subject->message_number);
    return MW_SLICE(out_text, id.len);
}

/* ---- what the session asks about ---- */

/* Stages that an ACCEPT for the transaction covers. */
static uint32_t transaction_stages(void)
{
    uint32_t bits = MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_RCPT_REPLY);
    for (int stage = 0; stage < MW_STAGE_COUNT; stage++) {
        if (mw_stage_scope((enum mw_stage)stage) == MW_SCOPE_TRANSACTION)
            bits |= MW_STAGE_BIT(stage);
    }
    return bits;
}

/* The stages for which calling us can make a difference now: less than the chain's after an ACCEPT,
 * or when every filter has skipped the rest of the body. */
uint32_t mw_run_stages(const struct mw_run *run)
{
    if (run->chain == NULL)
        return 0;
    uint32_t stages = run->has_accepted_session ? 0 : run->chain->stages;
    if (run->has_accepted_transaction)
        stages &= ~transaction_stages();
    const struct mw_live *live = run->live;
    if (live == NULL)
        return stages;
    if (live->body_filters == 0 && run->chain->content_needs == 0)
        stages &= ~MW_STAGE_BIT(MW_STAGE_BODY);
    if (live->early != NULL) /* an edit made before an ACCEPT stands */
        stages |= MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS);
    return stages;
}

bool mw_run_is_waiting(const struct mw_run *run)
{
    return run->live != NULL && run->live->is_waiting;
}

uint64_t mw_run_deadline(const struct mw_run *run)
{
    return mw_run_is_waiting(run) ? run->live->deadline_ms : 0;
}

void mw_run_outcome(struct mw_run *run, struct mw_outcome *out_outcome)
{
    *out_outcome = run->live != NULL ? run->live->outcome
                                     : (struct mw_outcome){.verdict = MW_CONTINUE};
}

struct mw_slice mw_run_changes(const struct mw_run *run, char out_text[64])
{
    static const char *const forms[MW_EDIT_COUNT] = {
        [MW_EDIT_HEADER_ADD] = "+%uh",    [MW_EDIT_HEADER_DELETE] = "-%uh",
        [MW_EDIT_HEADER_CHANGE] = "~%uh", [MW_EDIT_RCPT_ADD] = "+%ur",
        [MW_EDIT_RCPT_DELETE] = "-%ur",   [MW_EDIT_RCPT_CHANGE] = "~%ur",
        [MW_EDIT_SENDER] = "~s",          [MW_EDIT_BODY] = "~b",
        [MW_EDIT_RESULT] = "+%ua",
    };
    size_t len = 0;
    for (int kind = 0; run->live != NULL && kind < MW_EDIT_COUNT; kind++) {
        uint32_t count = run->live->edits[kind];
        if (count == 0)
            continue;
        bool is_plain = kind == MW_EDIT_SENDER || kind == MW_EDIT_BODY;
        const char sign = forms[kind][0], what = forms[kind][is_plain ? 1 : 3];
        int n = is_plain ? snprintf(out_text + len, 64 - len, "%c%c", sign, what)
                         : snprintf(out_text + len, 64 - len, "%c%u%c", sign,
                                    count < 99999 ? count : 99999, what);
        len += (size_t)n;
    }
    return MW_SLICE(out_text, len);
}

/* ---- asking ---- */

static const char may_not_wait[] = "header, body and edited hooks may not wait";

/* Show every header field to one filter. Edits that the hook makes move header_next and header_end
 * along. */
static enum mw_verdict ask_headers(struct mw_ctx *ctx)
{
    struct mw_live *live = ctx->run->live;
    struct mw_headers *headers = ctx->run->subject->headers;
    enum mw_verdict verdict = MW_CONTINUE;
    live->stage = MW_STAGE_HEADER;
    live->header_next = 0;
    live->header_end = headers == NULL ? 0 : headers->count;
    while (live->header_next < live->header_end && verdict == MW_CONTINUE) {
        const struct mw_field *field = &headers->fields[live->header_next++];
        verdict = mw_ctx_instance(ctx)->filter.header(ctx, mw_field_name(field),
                                                      mw_field_value(field));
        if (verdict == MW_SKIP)
            verdict = MW_CONTINUE;
    }
    live->stage = MW_STAGE_END_OF_HEADERS;
    return verdict;
}

static enum mw_verdict ask_end_of_headers(struct mw_ctx *ctx)
{
    const struct mw_instance *instance = mw_ctx_instance(ctx);
    if (instance->stages & MW_STAGE_BIT(MW_STAGE_HEADER)) {
        enum mw_verdict verdict = ask_headers(ctx);
        if (verdict == MW_WAIT) {
            ctx->run->live->failure = may_not_wait;
            verdict = MW_ERROR;
        }
        if (verdict != MW_CONTINUE)
            return verdict;
    }
    if (!(instance->stages & MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS)))
        return MW_CONTINUE;
    return instance->filter.end_of_headers(ctx);
}

static enum mw_verdict ask(struct mw_ctx *ctx)
{
    const struct mw_call *call = &ctx->run->live->call;
    const struct mw_filter *filter = &mw_ctx_instance(ctx)->filter;
    switch (call->stage) {
    case MW_STAGE_CONNECT:
        return filter->connect(ctx);
    case MW_STAGE_HELO:
        return filter->helo(ctx, call->a);
    case MW_STAGE_STARTTLS:
        return filter->starttls(ctx);
    case MW_STAGE_AUTH:
        return filter->auth(ctx, call->a);
    case MW_STAGE_MAIL:
        return filter->mail(ctx);
    case MW_STAGE_RCPT:
        return filter->rcpt(ctx, call->rcpt);
    case MW_STAGE_RCPT_REPLY:
        return filter->rcpt_reply(ctx, call->rcpt);
    case MW_STAGE_DATA:
        return filter->data(ctx);
    case MW_STAGE_END_OF_HEADERS:
        return ask_end_of_headers(ctx);
    case MW_STAGE_BODY:
        return filter->body(ctx, call->a);
    case MW_STAGE_END_OF_MESSAGE:
        return filter->end_of_message(ctx);
    case MW_STAGE_COMMAND:
        return filter->command(ctx, call->a, call->b);
    case MW_STAGE_EDITED:
        return filter->edited(ctx);
    case MW_STAGE_HEADER:
    case MW_STAGE_ABORT:
    case MW_STAGE_CLOSE:
    case MW_STAGE_COUNT:
        break;
    }
    mw_assert_failed("a stage that mw_run_stage() takes", __FILE__, __LINE__);
}

static bool wants(const struct mw_ctx *ctx, enum mw_stage stage)
{
    uint32_t bits = MW_STAGE_BIT(stage);
    if (stage == MW_STAGE_END_OF_HEADERS)
        bits |= MW_STAGE_BIT(MW_STAGE_HEADER);
    return (mw_ctx_instance(ctx)->stages & bits) != 0 &&
           !(stage == MW_STAGE_BODY && ctx->is_skipping);
}

/* ---- waiting ---- */

/* The slices of the call may be gone when the next filter is asked: keep them. */
static void keep_call(struct mw_live *live)
{
    if (live->kept.len > 0)
        return;
    struct mw_slice *const slices[] = {&live->call.a, &live->call.b, &live->call.upstream_text};
    for (size_t i = 0; i < 3; i++)
        mw_buf_put(&live->kept, *slices[i]);
    const char *at = live->kept.ptr;
    for (size_t i = 0; i < 3 && at != NULL; i++) {
        slices[i]->ptr = at;
        at += slices[i]->len;
    }
}

/* A hook has answered; make sense of its ticket. MW_WAIT is returned only if the run now waits. */
static enum mw_verdict check_ticket(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    struct mw_live *live = ctx->run->live;
    struct mw_handle *ticket = live->ticket == NULL ? NULL : &live->ticket->handle;
    if (verdict != MW_WAIT) {
        if (ticket != NULL && ticket->state == MW_HANDLE_PARKED)
            mw_ticket_cancel(live); /* parked, and then decided otherwise */
        else if (ticket != NULL)
            mw_ticket_end(live);
        return verdict;
    }
    if (ticket == NULL) {
        live->failure = mw_stage_may_wait(live->stage) ? "it answered MW_WAIT without host->park()"
                                                       : may_not_wait;
        return MW_ERROR;
    }
    if (ticket->state == MW_HANDLE_GIVEN) { /* resumed inside the hook: as good as returned */
        verdict = ticket->verdict;
        mw_ticket_end(live);
        return verdict;
    }
    live->is_waiting = true;
    live->deadline_ms = ctx->run->services->now_ms(ctx->run->services->user) +
                        mw_ctx_instance(ctx)->deadline_ms;
    keep_call(live);
    return MW_WAIT;
}

/* Ask the filters from `position` on. True: the stage is decided; false: one of them waits. */
static bool advance(struct mw_run *run)
{
    struct mw_live *live = run->live;
    for (; live->position < run->chain->count; live->position++) {
        struct mw_ctx *ctx = &live->ctxs[live->position];
        if (!wants(ctx, live->call.stage))
            continue;
        live->current = ctx;
        live->stage = live->call.stage;
        enum mw_verdict verdict = check_ticket(ctx, ask(ctx));
        if (verdict == MW_WAIT)
            return false;
        if (mw_run_settle(ctx, verdict))
            return true;
    }
    return true;
}

/* ---- the stage as the session sees it ---- */

static bool has_accepted_rcpt(const struct mw_live *live, size_t rcpt)
{
    return live != NULL && rcpt / 64 < live->accepted_words &&
           (live->accepted_rcpts[rcpt / 64] >> (rcpt % 64) & 1) != 0;
}

static bool is_excused(const struct mw_run *run, const struct mw_call *call)
{
    if (!(mw_run_stages(run) & MW_STAGE_BIT(call->stage)))
        return true;
    return mw_stage_scope(call->stage) == MW_SCOPE_RCPT && has_accepted_rcpt(run->live, call->rcpt);
}

/* What the filters of the stage will see of the content. True: the stage has to wait for it. */
static bool begin_content(struct mw_run *run)
{
    struct mw_live *live = run->live;
    if (live->call.stage == MW_STAGE_END_OF_HEADERS)
        mw_run_content_begin(run);
    else if (live->call.stage == MW_STAGE_BODY)
        mw_run_content_feed(run, live->call.a);
    else if (live->call.stage == MW_STAGE_END_OF_MESSAGE && mw_run_content_prepare(run))
        live->is_waiting = true;
    return live->is_waiting;
}

enum mw_err mw_run_stage(struct mw_run *run, const struct mw_call *call,
                         struct mw_outcome *out_outcome)
{
    mw_assert(!mw_run_is_waiting(run));
    mw_assert(call->stage != MW_STAGE_HEADER && call->stage != MW_STAGE_ABORT &&
              call->stage != MW_STAGE_CLOSE);
    *out_outcome = (struct mw_outcome){.verdict = MW_CONTINUE};
    if (is_excused(run, call))
        return MW_OK;
    struct mw_live *live = live_of(run);
    live->call = *call;
    live->position = 0;
    live->outcome = (struct mw_outcome){.verdict = MW_CONTINUE};
    if (live->words.chunks != NULL)
        mw_arena_fini(&live->words);
    mw_buf_fini(&live->kept);
    bool is_for_edits = run->has_accepted_transaction && /* only for those made at DATA */
                        mw_stage_scope(call->stage) == MW_SCOPE_TRANSACTION;
    if (!is_for_edits && run->chain->content_needs != 0 && begin_content(run))
        return MW_AGAIN;
    if (call->stage == MW_STAGE_END_OF_HEADERS)
        mw_edits_apply_early(run);
    if (is_for_edits)
        return MW_OK;
    if (!advance(run))
        return MW_AGAIN;
    *out_outcome = live->outcome;
    return MW_OK;
}

void mw_run_resume(struct mw_run *run, enum mw_verdict verdict)
{
    struct mw_live *live = run->live;
    struct mw_ctx *ctx = live->current;
    live->is_waiting = false;
    if (verdict == MW_WAIT) {
        live->failure = "it resumed with MW_WAIT";
        verdict = MW_ERROR;
    }
    live->position++;
    if (mw_run_settle(ctx, verdict) || advance(run))
        run->services->decided(run->services->user);
}

void mw_run_prepared(struct mw_run *run)
{
    run->live->is_waiting = false;
    if (advance(run))
        run->services->decided(run->services->user);
}

void mw_run_expire(struct mw_run *run, uint64_t now_ms)
{
    if (!mw_run_is_waiting(run) || now_ms < run->live->deadline_ms)
        return;
    if (run->live->preparing != NULL) {
        mw_run_content_leave(run->live);
        mw_run_prepared(run);
        return;
    }
    mw_ticket_cancel(run->live);
    run->live->failure = "no verdict within its deadline";
    mw_run_resume(run, MW_ERROR);
}

void mw_run_cancel(struct mw_run *run)
{
    if (!mw_run_is_waiting(run))
        return;
    struct mw_live *live = run->live;
    if (live->preparing != NULL)
        mw_run_content_leave(live);
    else
        mw_ticket_cancel(live);
    live->is_waiting = false;
    live->current = NULL;
    live->said = (struct mw_said){0};
    live->outcome = (struct mw_outcome){.verdict = MW_CONTINUE};
}

/* ---- transactions ---- */

void mw_run_transaction_begin(struct mw_run *run)
{
    run->in_transaction = true;
    run->has_accepted_transaction = false;
    if (run->live != NULL)
        reset_transaction(run->live, run->chain);
}

void mw_run_transaction_end(struct mw_run *run, bool is_aborted)
{
    mw_run_cancel(run);
    if (is_aborted && chain_has(run, MW_STAGE_ABORT))
        tell_all(run, MW_STAGE_ABORT);
    run->in_transaction = false;
    run->has_accepted_transaction = false;
    struct mw_live *live = run->live;
    if (live == NULL)
        return;
    mw_run_content_end(run);
    live->early = NULL; /* gone with the transaction's arena */
    live->early_last = &live->early;
    for (size_t i = 0; i < run->chain->count; i++)
        live->ctxs[i].transaction_slot = NULL;
    for (size_t i = 0; i < live->fact_count; i++) {
        if (!live->facts[i].for_session)
            mw_fact_cell_clear(&live->facts[i]);
    }
}
