/* host.c - the table of functions that filters get (struct mw_host), and those of them that belong
 * to no bigger topic: slots, memory, facts, replies and reasons, log, counters.
 *
 * The other topics: host_load.c, host_message.c, host_content.c, host_edit.c, host_rcpt.c,
 * host_loop.c, host_query.c, async.c. Functions are appended at the table's end only. */
#include <string.h>

#include "base/lex.h"
#include "chain/chain_priv.h"
#include "smtp/reply.h"

#ifndef MW_VERSION
#define MW_VERSION "unknown"
#endif

/* ---- state and memory ---- */

static void *state(struct mw_ctx *ctx)
{
    return mw_ctx_instance(ctx)->state;
}

static void **session_slot(struct mw_ctx *ctx)
{
    return &ctx->session_slot;
}

static void **transaction_slot(struct mw_ctx *ctx)
{
    return &ctx->transaction_slot;
}

static void *session_alloc(struct mw_ctx *ctx, size_t size)
{
    return mw_arena_alloc(ctx->run->subject->session_arena, size);
}

/* Outside of a transaction the session's memory serves: it lives longer, which is the safe side. */
static void *transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    struct mw_subject *subject = ctx->run->subject;
    struct mw_arena *arena = subject->transaction_arena;
    return mw_arena_alloc(arena != NULL ? arena : subject->session_arena, size);
}

static uint64_t now_ms(struct mw_ctx *ctx)
{
    return ctx->run->services->now_ms(ctx->run->services->user);
}

/* ---- facts ---- */

static struct mw_fact fact(struct mw_ctx *ctx, int fact_id)
{
    const struct mw_run *run = ctx->run;
    int own = mw_facts_own_count();
    if (fact_id >= 0 && fact_id < own)
        return mw_facts_own(run->subject, fact_id, run->in_transaction);
    if (fact_id < own || (size_t)(fact_id - own) >= run->live->fact_count)
        return (struct mw_fact){.type = MW_FACT_NONE};
    return run->live->facts[fact_id - own].fact;
}

static void fact_set(struct mw_ctx *ctx, int fact_id, struct mw_fact value, uint32_t for_session)
{
    struct mw_live *live = ctx->run->live;
    const struct mw_instances *set = mw_ctx_instance(ctx)->set;
    int index = fact_id - mw_facts_own_count();
    if (!mw_fact_is_of(mw_ctx_instance(ctx), fact_id)) {
        mw_edit_refused(ctx, "fact", "the filter has not defined it");
        return;
    }
    if (live->fact_count < set->fact_count) {
        live->facts = mw_xrealloc(live->facts, set->fact_count * sizeof *live->facts);
        memset(live->facts + live->fact_count, 0,
               (set->fact_count - live->fact_count) * sizeof *live->facts);
        live->fact_count = set->fact_count;
    }
    mw_fact_cell_set(&live->facts[index], value, for_session != 0);
}

/* ---- reply and reason ---- */

enum { SAID_TEXT_MAX = 4096 };

static struct mw_slice keep(struct mw_ctx *ctx, struct mw_slice text)
{
    return text.len == 0 ? MW_EMPTY
                         : mw_arena_dup(&ctx->run->live->words, mw_slice_take(text, SAID_TEXT_MAX));
}

static int reply(struct mw_ctx *ctx, uint32_t code, struct mw_slice dsn, struct mw_slice text)
{
    struct mw_live *live = ctx->run->live;
    if (live->current != ctx) {
        mw_edit_refused(ctx, "reply", "the filter has no verdict to give now");
        return 0;
    }
    live->said.has_reply = false;
    const char *problem = code < 400 || code > 599   ? "its code is not 4xx or 5xx"
                          : text.len > SAID_TEXT_MAX ? "its text is too long"
                                                     : mw_reply_check((uint16_t)code, dsn, text);
    if (problem != NULL) {
        mw_edit_refused(ctx, "reply", problem);
        return 0;
    }
    live->said.has_reply = true;
    live->said.code = (uint16_t)code;
    live->said.dsn = keep(ctx, dsn);
    live->said.text = keep(ctx, text);
    return 1;
}

static void because(struct mw_ctx *ctx, struct mw_slice rule, struct mw_slice where,
                    struct mw_slice reason)
{
    struct mw_live *live = ctx->run->live;
    if (live->current != ctx)
        return;
    live->said.rule = keep(ctx, rule);
    live->said.where = keep(ctx, where);
    live->said.reason = keep(ctx, reason);
}

/* ---- telling ---- */

static void log_line(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    char id[MW_RUN_ID_MAX];
    mw_instance_log(mw_ctx_instance(ctx), ctx->run->services->log, mw_run_id(ctx->run, id), level,
                    event, pairs, count);
}

static void count(struct mw_ctx *ctx, int counter_id, uint64_t by)
{
    mw_host_tally(mw_ctx_instance(ctx), counter_id, by);
}

static int is_observed(struct mw_ctx *ctx)
{
    return ctx->entry->is_observed;
}

/* ---- the table ---- */

const struct mw_host mw_host_table = {
    .size = sizeof(struct mw_host),
    .abi = MAILWEIR_ABI,
    .version = MW_VERSION,

    .setting = mw_host_setting,
    .instance_name = mw_host_instance_name,
    .want = mw_host_want,
    .diag = mw_host_diag,
    .fact_id = mw_host_fact_id,
    .fact_define = mw_host_fact_define,
    .counter = mw_host_counter,
    .lang = &mw_lang_table,
    .instance_alloc = mw_host_instance_alloc,

    .state = state,
    .session_slot = session_slot,
    .transaction_slot = transaction_slot,
    .session_alloc = session_alloc,
    .transaction_alloc = transaction_alloc,
    .fact = fact,
    .fact_set = fact_set,
    .now_ms = now_ms,

    .sender = mw_host_sender,
    .rcpt_count = mw_host_rcpt_count,
    .rcpt = mw_host_rcpt,
    .rcpt_current = mw_host_rcpt_current,
    .upstream_reply = mw_host_upstream_reply,
    .message_size = mw_host_message_size,

    .header_count = mw_host_header_count,
    .header = mw_host_header,
    .header_find = mw_host_header_find,
    .header_decoded = mw_host_header_decoded,
    .body_view = mw_host_body_view,

    .set_sender = mw_host_set_sender,
    .rcpt_replace = mw_host_rcpt_replace,
    .rcpt_add = mw_host_rcpt_add,
    .rcpt_delete = mw_host_rcpt_delete,
    .header_add = mw_host_header_add,
    .header_insert = mw_host_header_insert,
    .header_change = mw_host_header_change,
    .header_delete = mw_host_header_delete,
    .body_replace = mw_host_body_replace,

    .reply = reply,
    .because = because,

    .park = mw_host_park,
    .resume = mw_host_resume,
    .timer = mw_host_timer,
    .timer_cancel = mw_host_timer_cancel,
    .work = mw_host_work,

    .log = log_line,
    .count = count,

    .rcpt_verdict = mw_host_rcpt_verdict,
    .rcpt_group = mw_host_rcpt_group,

    .want_content = mw_host_want_content,
    .content = mw_host_content,
    .content_read = mw_host_content_read,
    .content_hold = mw_host_content_hold,
    .content_release = mw_host_content_release,
    .header_text = mw_host_header_text,
    .header_addresses = mw_host_header_addresses,
    .fold = mw_host_fold,

    .watch = mw_host_watch,
    .watch_change = mw_host_watch_change,
    .watch_end = mw_host_watch_end,
    .alarm = mw_host_alarm,
    .alarm_cancel = mw_host_alarm_cancel,
    .dns = mw_host_dns,
    .dns_cancel = mw_host_dns_cancel,
    .job = mw_host_job,
    .note = mw_host_note,
    .tally = mw_host_tally,
    .clock_ms = mw_host_clock_ms,

    .is_explained = mw_host_is_explained,
    .explain = mw_host_explain,

    .is_observed = is_observed,

    .query = mw_host_query,

    .auth_result = mw_host_auth_result,
    .authserv_id = mw_host_authserv_id,
    .body_is_replaced = mw_host_body_is_replaced,
};
