/* verdict.c - what a filter's answer means: checked against the stage, failures turned into
 * on-error, observed ones told and forgotten, replies checked or supplied, the reach of an ACCEPT
 * noted.
 *
 * Called by run.c once for each answer; live->said and live->failure belong to it and are empty
 * afterwards. */
#include <stdio.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "smtp/replies.h"

/* ---- ACCEPT ---- */

static void accept_rcpt(struct mw_live *live, size_t rcpt)
{
    size_t words = rcpt / 64 + 1;
    if (words > live->accepted_words) {
        live->accepted_rcpts = mw_xrealloc(live->accepted_rcpts,
                                           words * sizeof *live->accepted_rcpts);
        memset(live->accepted_rcpts + live->accepted_words, 0,
               (words - live->accepted_words) * sizeof *live->accepted_rcpts);
        live->accepted_words = words;
    }
    live->accepted_rcpts[rcpt / 64] |= UINT64_C(1) << (rcpt % 64);
}

static void accept_scope(struct mw_run *run)
{
    switch (mw_stage_scope(run->live->call.stage)) {
    case MW_SCOPE_SESSION:
        run->has_accepted_session = true;
        break;
    case MW_SCOPE_TRANSACTION:
        run->has_accepted_transaction = true;
        break;
    case MW_SCOPE_RCPT:
        accept_rcpt(run->live, run->live->call.rcpt);
        break;
    case MW_SCOPE_NONE:
        break;
    }
}

/* ---- verdicts ---- */

/* The reply for a verdict without one, or with a bad one. RFC 5321 3.1: a greeting that refuses is
 * 554. */
static void default_reply(struct mw_outcome *outcome, enum mw_stage stage)
{
    enum mw_reply_id id = outcome->verdict == MW_REJECT     ? MW_REPLY_FILTER_REJECT
                          : outcome->verdict == MW_TEMPFAIL ? MW_REPLY_FILTER_TEMPFAIL
                                                            : MW_REPLY_FILTER_DISCONNECT;
    outcome->code = mw_reply_own_code(id);
    if (id == MW_REPLY_FILTER_REJECT && stage == MW_STAGE_CONNECT)
        outcome->code = 554;
    outcome->dsn = mw_reply_own_dsn(id);
    outcome->text = mw_reply_own_text(id);
}

static bool reply_fits(enum mw_verdict verdict, uint16_t code)
{
    return verdict == MW_DISCONNECT || (code >= 500) == (verdict == MW_REJECT);
}

void mw_run_fill_outcome(struct mw_ctx *ctx, enum mw_verdict verdict, struct mw_outcome *outcome)
{
    struct mw_live *live = ctx->run->live;
    const struct mw_instance *instance = mw_ctx_instance(ctx);
    const struct mw_said *said = &live->said;
    *outcome = (struct mw_outcome){.verdict = verdict,
                                   .by = mw_slice_cstr(instance->name),
                                   .rule = said->rule,
                                   .where = said->where,
                                   .reason = said->reason};
    if (said->where.len == 0 && instance->pos.file != NULL)
        outcome->where = mw_arena_printf(&live->words, "%s:%u", instance->pos.file,
                                         instance->pos.line);
    if (verdict == MW_DISCARD)
        return;
    if (said->has_reply && reply_fits(verdict, said->code)) {
        outcome->code = said->code;
        outcome->dsn = said->dsn;
        outcome->text = said->text;
        if (said->code == 421) /* RFC 5321 3.8: whoever says 421 closes the channel */
            outcome->verdict = MW_DISCONNECT;
        return;
    }
    if (said->has_reply)
        mw_edit_refused(ctx, "reply", "its code is not of the verdict's class");
    default_reply(outcome, live->call.stage);
}

/* The stage's outcome: the filter's verdict with its reply and its reasons. */
static void fill_outcome(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    mw_run_fill_outcome(ctx, verdict, &ctx->run->live->outcome);
}

/* What on-error makes of a failure. At rcpt_reply nothing milder than closing would keep the
 * promise "not delivered unfiltered": the upstream has the recipient already. */
static enum mw_verdict on_error_verdict(const struct mw_instance *instance, enum mw_stage stage)
{
    if (instance->on_error == MW_ON_ERROR_ACCEPT)
        return MW_CONTINUE;
    if (stage == MW_STAGE_RCPT_REPLY)
        return MW_DISCONNECT;
    return instance->on_error == MW_ON_ERROR_REJECT ? MW_REJECT : MW_TEMPFAIL;
}

static void fail_outcome(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    struct mw_live *live = ctx->run->live;
    live->said = (struct mw_said){.reason = mw_slice_cstr(live->failure)};
    fill_outcome(ctx, verdict);
    if (verdict == MW_REJECT)
        return;
    if (verdict == MW_TEMPFAIL)
        live->outcome.code = mw_reply_own_code(MW_REPLY_FILTER_FAILED);
    live->outcome.dsn = mw_reply_own_dsn(MW_REPLY_FILTER_FAILED);
    live->outcome.text = mw_reply_own_text(MW_REPLY_FILTER_FAILED);
}

/* Log and count a failure; returns what on-error makes of it. */
static enum mw_verdict fail(struct mw_ctx *ctx)
{
    struct mw_run *run = ctx->run;
    struct mw_live *live = run->live;
    struct mw_instance *instance = mw_ctx_instance(ctx);
    if (live->failure == NULL)
        live->failure = "the filter answered with an error";
    enum mw_verdict verdict = on_error_verdict(instance, live->call.stage);
    if (ctx->has_broken_body && verdict == MW_CONTINUE)
        verdict = MW_TEMPFAIL; /* the old body is gone, the new one is not whole */
    if (instance->failed_counter >= 0)
        instance->set->counters[instance->failed_counter].value++;
    if (run->services->log != NULL) {
        char id[MW_RUN_ID_MAX];
        MW_LOG(run->services->log, mw_run_id(run, id), MW_EV_FILTER_FAILED,
               mw_cstr("filter", instance->name), mw_cstr("stage", mw_stage_name(live->stage)),
               mw_cstr("outcome", ctx->entry->is_observed ? "observed" : mw_verdict_name(verdict)),
               mw_cstr("reason", live->failure), mw_text("detail", live->said.reason));
    }
    return verdict;
}

/* An observed filter's verdict: told and counted, and that is all. */
static void observe(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    struct mw_run *run = ctx->run;
    struct mw_live *live = run->live;
    char counter[32], id[MW_RUN_ID_MAX];
    snprintf(counter, sizeof counter, "observed-%s", mw_verdict_name(verdict));
    mw_instance_tally(mw_ctx_instance(ctx), counter);
    if (run->services->log == NULL)
        return;
    if (verdict == MW_ACCEPT)
        live->outcome.by = mw_slice_cstr(mw_ctx_instance(ctx)->name);
    else
        fill_outcome(ctx, verdict);
    const struct mw_outcome *would = &live->outcome;
    MW_LOG(run->services->log, mw_run_id(run, id), MW_EV_OBSERVED,
           mw_cstr("verdict", mw_verdict_name(verdict)),
           mw_cstr("stage", mw_stage_name(live->stage)), mw_text("by", would->by),
           mw_text("rule", live->said.rule), mw_uint("code", would->code),
           mw_text("dsn", would->dsn), mw_text("text", would->text), mw_text("where", would->where),
           mw_text("reason", live->said.reason));
}

/* A verdict that cannot stand becomes MW_ERROR. */
static enum mw_verdict checked(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    struct mw_live *live = ctx->run->live;
    bool lets_pass = verdict == MW_CONTINUE || verdict == MW_ACCEPT || verdict == MW_SKIP;
    if (ctx->has_broken_body && lets_pass) {
        live->failure = "it replaced the body by something that cannot be sent";
        return MW_ERROR;
    }
    if (verdict == MW_ERROR || mw_stage_allows(live->call.stage, verdict))
        return verdict;
    live->failure = "its verdict is not possible at this stage";
    return MW_ERROR;
}

static void skip_body(struct mw_ctx *ctx)
{
    struct mw_live *live = ctx->run->live;
    if (live->call.stage != MW_STAGE_BODY || ctx->is_skipping)
        return;
    ctx->is_skipping = true;
    live->body_filters--;
}

/* True: no other filter is asked. */
static bool apply(struct mw_ctx *ctx, enum mw_verdict verdict, bool has_failed)
{
    struct mw_live *live = ctx->run->live;
    if (verdict == MW_SKIP)
        skip_body(ctx);
    if (verdict == MW_CONTINUE || verdict == MW_SKIP)
        return false;
    if (verdict == MW_ACCEPT && live->call.stage == MW_STAGE_EDITED)
        return false; /* one filter's last look is none of the others' */
    if (ctx->entry->is_observed) {
        if (!has_failed)
            observe(ctx, verdict);
        live->outcome = (struct mw_outcome){.verdict = MW_CONTINUE};
        return false;
    }
    if (verdict == MW_ACCEPT)
        accept_scope(ctx->run);
    else if (has_failed)
        fail_outcome(ctx, verdict);
    else
        fill_outcome(ctx, verdict);
    return true;
}

/* Show the answer to whoever listens, with what the filter said besides. */
static void trace(struct mw_ctx *ctx, enum mw_verdict verdict, const char *failure)
{
    const struct mw_services *services = ctx->run->services;
    struct mw_live *live = ctx->run->live;
    const struct mw_said *said = &live->said;
    if (services->trace == NULL)
        return;
    struct mw_outcome outcome = live->outcome;
    if (outcome.verdict == MW_CONTINUE)
        outcome = (struct mw_outcome){.code = said->has_reply ? said->code : 0,
                                      .dsn = said->dsn,
                                      .text = said->text,
                                      .rule = said->rule,
                                      .where = said->where,
                                      .reason = said->reason};
    const struct mw_trace answer = {.call = &live->call,
                                    .stage = live->stage,
                                    .filter = mw_ctx_instance(ctx)->name,
                                    .is_observed = ctx->entry->is_observed,
                                    .verdict = verdict,
                                    .failure = failure,
                                    .outcome = &outcome};
    services->trace(services->user, &answer);
}

bool mw_run_settle(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    struct mw_live *live = ctx->run->live;
    verdict = checked(ctx, verdict);
    bool has_failed = verdict == MW_ERROR;
    if (has_failed)
        verdict = fail(ctx);
    bool is_decided = apply(ctx, verdict, has_failed);
    trace(ctx, verdict, has_failed ? live->failure : NULL);
    live->said = (struct mw_said){0};
    live->failure = NULL;
    live->current = NULL;
    return is_decided;
}
