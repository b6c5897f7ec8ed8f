/* host_rcpt.c - verdicts for single recipients, and the policy groups by which recipients are kept
 * apart.
 *
 * A verdict is recorded in the subject, where the session finds it at the end of the message
 * (session/mixed.c decides what the client is told), and in the recipient's status, where filters
 * behind find it. Words are cut and kept once where they repeat: a client may bring 10,000
 * recipients, and each may be refused. */
#include <string.h>

#include "chain/chain_priv.h"
#include "smtp/reply.h"

enum {
    WORD_MAX = 256,    /* of rule, where, reason */
    GROUP_MAX = 255,   /* of one filter */
    GROUPS_MAX = 4096, /* of all filters together */
};

/* ---- the record ---- */

const struct mw_rcpt_verdict *mw_subject_rcpt_verdict(const struct mw_subject *subject,
                                                      size_t index)
{
    return index < subject->rcpt_verdict_cap ? subject->rcpt_verdicts[index] : NULL;
}

/* Where the verdict of `index` goes; the array grows by doubling. */
static struct mw_rcpt_verdict **place_of(struct mw_subject *subject, size_t index)
{
    if (index >= subject->rcpt_verdict_cap) {
        size_t cap = subject->envelope->rcpt_count;
        if (cap < 2 * subject->rcpt_verdict_cap)
            cap = 2 * subject->rcpt_verdict_cap;
        struct mw_rcpt_verdict **grown = mw_arena_array(subject->transaction_arena,
                                                        struct mw_rcpt_verdict *, cap);
        for (size_t i = 0; i < subject->rcpt_verdict_cap; i++)
            grown[i] = subject->rcpt_verdicts[i];
        subject->rcpt_verdicts = grown;
        subject->rcpt_verdict_cap = cap;
    }
    return &subject->rcpt_verdicts[index];
}

static struct mw_slice keep(struct mw_arena *arena, struct mw_slice text, size_t max,
                            struct mw_slice last)
{
    text = mw_slice_take(text, max);
    if (text.len == 0)
        return MW_EMPTY;
    return mw_slice_eq(text, last) ? last : mw_arena_dup(arena, text);
}

void mw_subject_judge_rcpt(struct mw_subject *subject, size_t index, enum mw_stage stage,
                           const struct mw_outcome *outcome)
{
    static const struct mw_rcpt_verdict none;
    struct mw_arena *arena = subject->transaction_arena;
    struct mw_rcpt_verdict **place = place_of(subject, index);
    const struct mw_rcpt_verdict *before = *place != NULL ? *place
                                           : index > 0    ? subject->rcpt_verdicts[index - 1]
                                                          : NULL;
    const struct mw_outcome *last = before != NULL ? &before->outcome : &none.outcome;
    struct mw_outcome kept = *outcome;
    kept.dsn = keep(arena, outcome->dsn, WORD_MAX, last->dsn);
    kept.text = keep(arena, outcome->text, MW_REPLY_TEXT_MAX, last->text);
    kept.rule = keep(arena, outcome->rule, WORD_MAX, last->rule);
    kept.where = keep(arena, outcome->where, WORD_MAX, last->where);
    kept.reason = keep(arena, outcome->reason, WORD_MAX, last->reason);
    if (*place == NULL)
        *place = mw_arena_new(arena, struct mw_rcpt_verdict);
    **place = (struct mw_rcpt_verdict){.outcome = kept, .stage = stage};
    mw_envelope_set_status(subject->envelope, index,
                           outcome->verdict == MW_DISCARD ? MW_RCPT_DISCARDED
                                                          : MW_RCPT_REFUSED_FILTER,
                           subject->envelope->rcpts[index].code);
}

/* ---- host->rcpt_verdict ---- */

static const char *why_no_verdict(const struct mw_ctx *ctx, size_t index, enum mw_verdict verdict)
{
    const struct mw_run *run = ctx->run;
    const struct mw_envelope *envelope = run->subject->envelope;
    if (run->live->current != ctx)
        return "the filter is not being asked now";
    if (!run->in_transaction || envelope == NULL || run->live->stage < MW_STAGE_DATA ||
        run->live->stage > MW_STAGE_END_OF_MESSAGE)
        return "not possible at this stage";
    if (!mw_chain_wants_spool(run->chain))
        return "the message streams: want end_of_message";
    if (verdict != MW_REJECT && verdict != MW_TEMPFAIL && verdict != MW_DISCARD)
        return "a recipient's verdict is a reject, a tempfail or a discard";
    if (index >= envelope->rcpt_count)
        return "there is no such recipient";
    return NULL;
}

static void log_observed(const struct mw_ctx *ctx, size_t index, const struct mw_outcome *would)
{
    const struct mw_run *run = ctx->run;
    mw_instance_tally(mw_ctx_instance(ctx), would->verdict == MW_REJECT     ? "observed-reject"
                                            : would->verdict == MW_TEMPFAIL ? "observed-tempfail"
                                                                            : "observed-discard");
    if (run->services->log == NULL)
        return;
    char id[MW_RUN_ID_MAX];
    MW_LOG(run->services->log, mw_run_id(run, id), MW_EV_OBSERVED,
           mw_cstr("verdict", mw_verdict_name(would->verdict)),
           mw_cstr("stage", mw_stage_name(run->live->stage)), mw_text("by", would->by),
           mw_text("rule", run->live->said.rule), mw_uint("code", would->code),
           mw_text("dsn", would->dsn),
           mw_addr("to", run->subject->envelope->rcpts[index].mailbox.address),
           mw_text("text", would->text), mw_text("where", would->where),
           mw_text("reason", run->live->said.reason));
}

/* A recipient's reply does not close the session. RFC 5321 3.8 */
static void drop_421(struct mw_ctx *ctx)
{
    struct mw_said *said = &ctx->run->live->said;
    if (!said->has_reply || said->code != 421)
        return;
    mw_edit_refused(ctx, "reply", "421 is no reply for one recipient");
    said->has_reply = false;
}

/* The recipient is wanted still, or it was this filter that said otherwise. */
static bool may_judge(const struct mw_subject *subject, size_t index, struct mw_slice by)
{
    const struct mw_rcpt_verdict *before = mw_subject_rcpt_verdict(subject, index);
    if (before != NULL)
        return mw_slice_eq(before->outcome.by, by);
    return mw_rcpt_is_wanted(&subject->envelope->rcpts[index]);
}

int mw_host_rcpt_verdict(struct mw_ctx *ctx, size_t index, enum mw_verdict verdict)
{
    struct mw_live *live = ctx->run->live;
    struct mw_outcome outcome;
    const char *why = why_no_verdict(ctx, index, verdict);
    if (why != NULL) {
        mw_edit_refused(ctx, "rcpt-verdict", why);
        return 0;
    }
    drop_421(ctx);
    mw_run_fill_outcome(ctx, verdict, &outcome);
    if (ctx->entry->is_observed)
        log_observed(ctx, index, &outcome);
    else if (may_judge(ctx->run->subject, index, outcome.by))
        mw_subject_judge_rcpt(ctx->run->subject, index, live->stage, &outcome);
    live->said = (struct mw_said){0};
    mw_arena_fini(
        &live->words); /* what was said is kept elsewhere: the next one's takes its place */
    return 1;
}

/* ---- host->rcpt_group ---- */

/* What was named so far, and "FILTER LENGTH GROUP": two such lists are equal only if every part is.
 */
static struct mw_slice joined(struct mw_arena *arena, struct mw_slice groups, const char *filter,
                              struct mw_slice group)
{
    struct mw_slice head = mw_arena_printf(arena, "%s %zu ", filter, group.len);
    const struct mw_slice parts[] = {groups, head, group};
    char *text = mw_arena_alloc(arena, groups.len + head.len + group.len);
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].len > 0)
            memcpy(text + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return MW_SLICE(text, len);
}

int mw_host_rcpt_group(struct mw_ctx *ctx, struct mw_slice group)
{
    struct mw_run *run = ctx->run;
    struct mw_subject *subject = run->subject;
    const char *why = NULL;
    if (mw_host_rcpt_current(ctx) < 0 || run->live->stage != MW_STAGE_RCPT)
        why = "not possible at this stage";
    else if (group.len > GROUP_MAX || subject->rcpt_group.len > GROUPS_MAX)
        why = "it is too long";
    if (why != NULL) {
        mw_edit_refused(ctx, "rcpt-group", why);
        return 0;
    }
    if (!ctx->entry->is_observed)
        subject->rcpt_group = joined(&run->live->words, subject->rcpt_group,
                                     mw_ctx_instance(ctx)->name, group);
    return 1;
}
