#include "spf_fake.h"

#include <stdlib.h>

#include "base/lex.h"
#include "fake_settings.h"

enum { QUESTIONS_MAX = 1024 };
/* Of the one session that a test has at a time; they can be looked at when it is over. */
static struct fake_question questions[QUESTIONS_MAX];

/* ---- settings ---- */

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
    return fake_settings_find(instance->settings, name);
}

static void host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    fake_append_diag(instance->diags, sizeof instance->diags, diag);
}

static const char *host_authserv_id(struct mw_instance *instance)
{
    (void)instance;
    return "mx.example.test";
}

/* The host's own, then those of the filter. */
const char *const fake_fact_names[] = {"client.ip",
                                       "client.name",
                                       "helo",
                                       "auth.user",
                                       "spf.result",
                                       "spf.domain",
                                       "spf.identity",
                                       "spf.mechanism",
                                       "spf.explanation",
                                       "spf.problem",
                                       "spf.helo_result",
                                       "spf.helo_domain",
                                       "spf.forwarder",
                                       NULL};

static void host_fact_set(struct mw_ctx *ctx, int id, struct mw_fact fact, uint32_t for_session)
{
    (void)for_session;
    fake_fact_put(ctx, fake_fact_names[id], fact);
}

/* ---- telling ---- */

static void host_log(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    fake_append(ctx->log, sizeof ctx->log, "%s %s", levels[level], event);
    fake_append_pairs(ctx->log, sizeof ctx->log, pairs, count);
    fake_append(ctx->log, sizeof ctx->log, "\n");
}

static int host_auth_result(struct mw_ctx *ctx, struct mw_slice result)
{
    fake_append(ctx->results, sizeof ctx->results, "%.*s\n", (int)result.len, result.ptr);
    return 1;
}

static int host_is_explained(struct mw_ctx *ctx)
{
    return ctx->is_explained;
}

static void host_explain(struct mw_ctx *ctx, uint32_t depth, struct mw_slice text)
{
    (void)depth;
    fake_append(ctx->why, sizeof ctx->why, "%.*s\n", (int)text.len, text.ptr);
}

static struct mw_question *
host_query(struct mw_ctx *ctx, struct mw_slice name, enum mw_dns_kind kind,
           void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    if (ctx->has_no_resolver)
        return NULL;
    if (ctx->asked == QUESTIONS_MAX)
        abort();
    struct fake_question *question = &ctx->questions[ctx->asked++];
    *question = (struct fake_question){
        .kind = kind, .answered = answered, .user = user, .is_open = true};
    fake_copy(question->name, sizeof question->name, name);
    return (struct mw_question *)(void *)question;
}

/* ---- the zone ---- */

static const char *kind_name(enum mw_dns_kind kind)
{
    return kind == MW_DNS_STRINGS          ? "TXT"
           : kind == MW_DNS_ADDRESS4       ? "A"
           : kind == MW_DNS_ADDRESS6       ? "AAAA"
           : kind == MW_DNS_MAIL_EXCHANGER ? "MX"
                                           : "PTR";
}

struct found {
    struct mw_slice values[16];
    char addresses[16][16];
    struct mw_dns_answer answer;
    bool is_mute;
};

static void find_values(const struct mw_ctx *ctx, const struct fake_question *question,
                        struct found *found)
{
    char head[400];
    snprintf(head, sizeof head, "%s %s ", question->name, kind_name(question->kind));
    *found = (struct found){.answer = {.size = sizeof found->answer, .outcome = MW_DNS_NOTHING}};
    found->answer.values = found->values;
    for (const char *line = ctx->zone; *line != '\0';) {
        size_t len = strcspn(line, "\n"), skip = strlen(head);
        if (len >= skip && strncasecmp(line, head, skip) == 0) {
            struct mw_slice value = SLICE(line + skip, len - skip);
            found->is_mute |= text_is(value, "?");
            if (text_is(value, "!"))
                found->answer.outcome = MW_DNS_FAILURE;
            else {
                size_t at = found->answer.count++;
                found->answer.outcome = MW_DNS_FOUND;
                if (question->kind == MW_DNS_ADDRESS4 || question->kind == MW_DNS_ADDRESS6) {
                    uint32_t prefix;
                    mw_lang_table.parse_network(value, (unsigned char *)found->addresses[at],
                                                &prefix);
                    value = SLICE(found->addresses[at], 16);
                }
                found->values[at] = value;
            }
        }
        line += len + (line[len] == '\n');
    }
}

bool fake_answer(struct mw_ctx *ctx)
{
    bool has_answered = false;
    for (size_t i = 0, asked = ctx->asked; i < asked; i++) {
        struct fake_question *question = &ctx->questions[i];
        struct found found;
        if (!question->is_open)
            continue;
        find_values(ctx, question, &found);
        if (found.is_mute)
            continue;
        question->is_open = false;
        has_answered = true;
        question->answered(question->user, &found.answer);
    }
    return has_answered;
}

void fake_wait(struct mw_ctx *ctx, uint64_t ms)
{
    ctx->instance->clock_ms += ms;
    for (size_t i = 0; i < ctx->task_count; i++) {
        struct fake_task *task = &ctx->tasks[i];
        if (task->is_gone || task->at_ms > ctx->instance->clock_ms)
            continue;
        task->is_gone = true;
        task->done(task->user);
    }
}

size_t fake_open_questions(const struct mw_ctx *ctx)
{
    size_t count = 0;
    for (size_t i = 0; i < ctx->asked; i++)
        count += ctx->questions[i].is_open;
    return count;
}

const struct mw_host fake_host = {
    .size = sizeof fake_host,
    .abi = MAILWEIR_ABI,
    .version = "test",
    .setting = host_setting,
    .want = host_want,
    .diag = host_diag,
    .fact_id = host_fact_id,
    .fact_define = host_fact_id,
    .counter = host_counter,
    .lang = &mw_lang_table,
    .instance_alloc = host_instance_alloc,
    .state = host_state,
    .session_slot = host_session_slot,
    .transaction_slot = host_transaction_slot,
    .session_alloc = host_session_alloc,
    .transaction_alloc = host_transaction_alloc,
    .fact = host_fact,
    .fact_set = host_fact_set,
    .now_ms = host_now_ms,
    .sender = host_sender,
    .rcpt_count = host_rcpt_count,
    .rcpt = host_rcpt,
    .header = host_header,
    .header_find = host_header_find,
    .rcpt_replace = host_rcpt_replace,
    .rcpt_delete = host_rcpt_delete,
    .header_add = host_header_add,
    .header_insert = host_header_insert,
    .header_delete = host_header_delete,
    .reply = host_reply,
    .because = host_because,
    .park = host_park,
    .resume = host_resume,
    .timer = host_timer,
    .timer_cancel = host_timer_cancel,
    .log = host_log,
    .count = host_count,
    .dns_cancel = host_dns_cancel,
    .is_explained = host_is_explained,
    .explain = host_explain,
    .is_observed = host_is_observed,
    .query = host_query,
    .auth_result = host_auth_result,
    .authserv_id = host_authserv_id,
};

/* ---- for tests ---- */

struct spf *fake_open(struct mw_instance *instance, const char *text)
{
    memset(instance, 0, sizeof *instance);
    instance->settings = fake_keep(&instance->chunks, sizeof *instance->settings);
    fake_settings_read(instance->settings, spf_settings, SPF_SETTING_COUNT, "spf.conf", text);
    struct spf *spf = fake_keep(&instance->chunks, sizeof *spf);
    spf->host = &fake_host;
    if (!settings_read(&fake_host, instance, &spf->settings))
        return NULL;
    judge_open(spf, instance);
    return spf;
}

void fake_init(struct mw_ctx *ctx, struct mw_instance *instance, struct spf *spf, const char *zone)
{
    fake_session_init(ctx, instance, spf);
    ctx->zone = zone;
    ctx->questions = questions;
    ctx->in_transaction = true;
    instance->clock_ms = 1000000;
}

void fake_fini(struct mw_ctx *ctx)
{
    if (ctx->is_parked)
        ctx->cancelled(ctx->cancelled_user);
    judge_abort(ctx, ctx->state);
    fake_release(&ctx->transaction_chunks);
    judge_close(ctx, ctx->state);
    fake_session_fini(ctx);
}

void fake_client(struct mw_ctx *ctx, const char *ip, const char *helo)
{
    fake_fact_ip(ctx, "client.ip", ip);
    fake_fact_text(ctx, "helo", helo);
}

bool fake_begin(struct mw_ctx *ctx, struct mw_instance *instance, const char *block,
                const char *zone)
{
    struct spf *spf = fake_open(instance, block);
    if (spf == NULL) {
        fprintf(stderr, "%s", instance->diags);
        return false;
    }
    fake_init(ctx, instance, spf, zone);
    fake_client(ctx, "192.0.2.66", "mail.example.net");
    return true;
}

void fake_end(struct mw_ctx *ctx)
{
    fake_fini(ctx);
    fake_instance_fini(ctx->instance);
}

/* The verdict of a hook, however long it takes. */
static enum mw_verdict settle(struct mw_ctx *ctx, enum mw_verdict verdict)
{
    if (verdict != MW_WAIT)
        return verdict;
    while (ctx->is_parked && fake_answer(ctx))
        ;
    if (ctx->is_parked)
        fake_wait(ctx, 20000);
    return ctx->is_parked ? MW_WAIT : ctx->resumed;
}

static void forget(struct mw_ctx *ctx)
{
    fake_transaction_fini(ctx);
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strncmp(ctx->facts[i].name, "spf.", 4) == 0)
            fake_fact_put(ctx, ctx->facts[i].name, (struct mw_fact){.type = MW_FACT_NONE});
    ctx->has_no_header_yet = true;
    ctx->code = 0;
    ctx->reply[0] = ctx->rule[0] = ctx->where[0] = ctx->reason[0] = '\0';
    ctx->results[0] = ctx->log[0] = ctx->why[0] = '\0';
}

enum mw_verdict fake_mail(struct mw_ctx *ctx, const char *sender)
{
    forget(ctx);
    snprintf(ctx->sender, sizeof ctx->sender, "%s", sender);
    return settle(ctx, judge_mail(ctx, ctx->state));
}

enum mw_verdict fake_rcpt(struct mw_ctx *ctx, const char *address)
{
    struct fake_rcpt *rcpt = &ctx->rcpts[ctx->rcpt_count++];
    snprintf(rcpt->address, sizeof rcpt->address, "%s", address);
    rcpt->status = MW_RCPT_PENDING;
    enum mw_verdict verdict = settle(
        ctx, judge_later(ctx, ctx->state, MW_STAGE_RCPT, ctx->rcpt_count - 1));
    rcpt->status = verdict == MW_CONTINUE ? MW_RCPT_ACCEPTED : MW_RCPT_REFUSED_FILTER;
    return verdict;
}

enum mw_verdict fake_stage(struct mw_ctx *ctx, enum mw_stage stage)
{
    ctx->has_no_header_yet = stage < MW_STAGE_END_OF_HEADERS;
    if (!(ctx->instance->wanted & MW_STAGE_BIT(stage)))
        return MW_CONTINUE;
    return settle(ctx, judge_later(ctx, ctx->state, stage, 0));
}
