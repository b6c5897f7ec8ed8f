#include "rules_fake.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/lex.h"
#include "live.h"
#include "message/address.h"
#include "message/content.h"
#include "message/fold.h"
#include "message/header.h"
#include "testblock.h"

/* ---- loading ---- */

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
    static const struct {
        const char *name;
        struct mw_setting_value value;
    } others[] = {{"regex-deadline", {.number = 250}},
                  {"suspend-after", {.number = 10}},
                  {"rate-entries", {.number = 1024}},
                  {"list-timeout", {.number = 1000}},
                  {"index", {.number = 1}}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i].name) == 0)
            return &others[i].value;
    return strcmp(name, "files") == 0         ? &instance->files
           : strcmp(name, "match-limit") == 0 ? &instance->match_limit
           : strcmp(name, "scan-limit") == 0  ? &instance->scan_limit
                                              : NULL;
}

static const char *host_instance_name(struct mw_instance *instance)
{
    (void)instance;
    return "rules";
}

static void host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    bool is_error = diag->severity == MW_DIAG_ERROR;
    *(is_error ? &instance->errors : &instance->warnings) += 1;
    fake_append(instance->diags, sizeof instance->diags, "%s:%u:%u:%u: %s: %s%s%s\n",
                diag->file ? diag->file : "-", diag->line, diag->column, diag->length,
                is_error ? "error" : "warning", diag->message, diag->hint ? " | " : "",
                diag->hint ? diag->hint : "");
}

const char *const fake_fact_names[] = {"client.ip",
                                       "client.name",
                                       "client.port",
                                       "listener",
                                       "helo",
                                       "auth.user",
                                       "auth.mechanism",
                                       "session.messages",
                                       "session.errors",
                                       "spf.result",
                                       "spf.helo_result",
                                       "dkim.passed",
                                       "dkim.signatures",
                                       "dmarc.aligned",
                                       "dmarc.policy",
                                       NULL};

/* ---- message ---- */

static uint64_t host_message_size(struct mw_ctx *ctx)
{
    return ctx->body_len;
}

static size_t host_header_count(struct mw_ctx *ctx)
{
    return ctx->field_count;
}

static struct mw_slice host_header_decoded(struct mw_ctx *ctx, size_t index)
{
    return slice_of(ctx->fields[index].value);
}

static struct mw_slice host_body_view(struct mw_ctx *ctx, size_t max)
{
    ctx->body_views++;
    return (struct mw_slice){ctx->body, ctx->body_len < max ? ctx->body_len : max};
}

/* ---- edits ---- */

static int host_set_sender(struct mw_ctx *ctx, struct mw_slice address)
{
    if (address.len > 0 && !host_is_address(address))
        return 0;
    fake_copy(ctx->sender, sizeof ctx->sender, address);
    return 1;
}

static int host_header_change(struct mw_ctx *ctx, size_t index, struct mw_slice value)
{
    fake_copy(ctx->fields[index].value, sizeof ctx->fields[index].value, value);
    return 1;
}

/* ---- telling ---- */

/* As the host does it: what was said before is used up. */
static int host_rcpt_verdict(struct mw_ctx *ctx, size_t index, enum mw_verdict verdict)
{
    if (index >= ctx->rcpt_count ||
        (verdict != MW_REJECT && verdict != MW_TEMPFAIL && verdict != MW_DISCARD))
        return 0;
    struct fake_rcpt *rcpt = &ctx->rcpts[index];
    fake_append(ctx->log, sizeof ctx->log,
                "rcpt-verdict to=%s verdict=%d reply=%u %s %s by=%s %s (%s)\n", rcpt->address,
                (int)verdict, ctx->code, ctx->dsn, ctx->reply, ctx->rule, ctx->where, ctx->reason);
    if (rcpt->status == MW_RCPT_PENDING || rcpt->status == MW_RCPT_ACCEPTED)
        rcpt->status = verdict == MW_DISCARD ? MW_RCPT_DISCARDED : MW_RCPT_REFUSED_FILTER;
    ctx->code = 0;
    ctx->dsn[0] = ctx->reply[0] = ctx->rule[0] = ctx->where[0] = ctx->reason[0] = '\0';
    return 1;
}

static int host_rcpt_group(struct mw_ctx *ctx, struct mw_slice group)
{
    fake_copy(ctx->group, sizeof ctx->group, group);
    return 1;
}

static void host_log(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    (void)level;
    fake_append(ctx->log, sizeof ctx->log, "%s", event);
    fake_append_pairs(ctx->log, sizeof ctx->log, pairs, count);
    fake_append(ctx->log, sizeof ctx->log, "\n");
}

/* ---- content ---- */

static void host_want_content(struct mw_instance *instance, uint32_t needs)
{
    instance->needs = needs;
}

static struct mw_content_kit *the_kit;

static void free_kit(void)
{
    mw_content_kit_free(&the_kit);
}

/* One for all tests of the program. */
static struct mw_content_kit *kit(void)
{
    if (the_kit == NULL) {
        the_kit = mw_content_kit_new();
        atexit(free_kit);
    }
    return the_kit;
}

static void feed_message(struct mw_ctx *ctx, struct mw_content_maker *maker)
{
    char field[FAKE_NAME + sizeof ctx->fields[0].value + 64];
    for (size_t i = 0; i < ctx->field_count; i++) {
        int len = snprintf(field, sizeof field, "%s:%s\r\n", ctx->fields[i].name,
                           ctx->fields[i].value);
        mw_content_feed(maker, (struct mw_slice){field, (size_t)len});
    }
    mw_content_feed(maker, slice_of("\r\n"));
    mw_content_feed(maker, (struct mw_slice){ctx->body, ctx->body_len});
}

static const struct mw_content *host_content(struct mw_ctx *ctx)
{
    struct rules *rules = ctx->state;
    if (rules->content_needs == 0)
        return NULL;
    if (ctx->content == NULL) {
        ctx->content = mw_content_new(rules->content_needs, kit());
        feed_message(ctx, ctx->content);
    }
    const struct mw_content *view = mw_content_view(ctx->content);
    return view != NULL ? view : mw_content_finish(ctx->content, true);
}

static const struct mw_content *host_content_read(struct mw_instance *instance,
                                                  struct mw_slice message, uint32_t needs)
{
    (void)instance;
    struct mw_content_maker *maker = mw_content_new(needs, kit());
    mw_content_feed(maker, message);
    return mw_content_finish(maker, true);
}

static void host_content_hold(const struct mw_content *content)
{
    mw_content_ref(mw_content_maker_of(content));
}

static void host_content_release(const struct mw_content *content)
{
    struct mw_content_maker *maker = mw_content_maker_of(content);
    mw_content_unref(&maker);
}

static struct mw_slice take_buf(struct mw_buf *buf, void *(*alloc)(void *user, size_t size),
                                void *user)
{
    char *kept = alloc(user, buf->len + 1);
    if (buf->len > 0)
        memcpy(kept, buf->ptr, buf->len);
    struct mw_slice text = {kept, buf->len};
    mw_buf_fini(buf);
    return text;
}

static struct mw_slice host_header_text(struct mw_slice value,
                                        void *(*alloc)(void *user, size_t size), void *user)
{
    struct mw_buf buf = {.max = 0};
    mw_header_decode(value, 65536, &buf);
    return take_buf(&buf, alloc, user);
}

static struct mw_slice host_fold(struct mw_slice text, void *(*alloc)(void *user, size_t size),
                                 void *user)
{
    struct mw_buf buf = {.max = 0};
    mw_text_fold(text, text.len * 4 + 64, &buf);
    return take_buf(&buf, alloc, user);
}

/* ---- waiting ---- */

/* ---- the loop's services for an instance ---- */

static struct mw_alarm *host_alarm(struct mw_instance *instance, uint64_t delay_ms,
                                   void (*fn)(void *user), void *user)
{
    if (instance->alarm_count == sizeof instance->alarms / sizeof *instance->alarms)
        abort();
    struct fake_task *task = &instance->alarms[instance->alarm_count++];
    *task = (struct fake_task){.done = fn, .user = user, .at_ms = instance->clock_ms + delay_ms};
    return (struct mw_alarm *)(void *)task;
}

static void host_alarm_cancel(struct mw_alarm *alarm)
{
    ((struct fake_task *)(void *)alarm)->is_gone = true;
}

static struct mw_question *
host_dns(struct mw_instance *instance, struct mw_slice name, enum mw_dns_kind kind,
         void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    if (instance->question_count == sizeof instance->questions / sizeof *instance->questions)
        abort();
    struct fake_question *question = &instance->questions[instance->question_count++];
    *question = (struct fake_question){
        .kind = kind, .answered = answered, .user = user, .is_open = true};
    fake_copy(question->name, sizeof question->name, name);
    instance->asked++;
    return (struct mw_question *)(void *)question;
}

static uint64_t host_clock_ms(struct mw_instance *instance)
{
    return instance->clock_ms;
}

static void answer(struct mw_instance *instance, const struct fake_question *question)
{
    static const char octets[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 127, 0, 0, 2};
    static const struct mw_slice value = {octets, sizeof octets};
    struct mw_dns_answer result = {.size = sizeof result, .outcome = MW_DNS_NOTHING};
    if (instance->listed != NULL && strstr(instance->listed, question->name) != NULL)
        result = (struct mw_dns_answer){
            .size = sizeof result, .outcome = MW_DNS_FOUND, .values = &value, .count = 1};
    if (strstr(question->name, "fail.") != NULL)
        result.outcome = MW_DNS_FAILURE;
    if (question->is_open)
        question->answered(question->user, &result);
}

/* Answers and alarms may lead to others. */
static void run_instance(struct mw_instance *instance)
{
    for (size_t i = 0; i < instance->question_count; i++)
        answer(instance, &instance->questions[i]);
    instance->question_count = 0;
    struct fake_task *first = NULL;
    for (size_t i = 0; i < instance->alarm_count; i++)
        if (!instance->alarms[i].is_gone &&
            (first == NULL || instance->alarms[i].at_ms < first->at_ms))
            first = &instance->alarms[i];
    if (first == NULL) {
        instance->alarm_count = 0;
        return;
    }
    first->is_gone = true;
    if (first->at_ms > instance->clock_ms)
        instance->clock_ms = first->at_ms;
    first->done(first->user);
}

static void run_tasks(struct mw_ctx *ctx)
{
    for (size_t i = 0; i < ctx->task_count; i++) { /* tasks may add others */
        struct fake_task task = ctx->tasks[i];
        if (task.is_gone)
            continue;
        if (task.at_ms > ctx->instance->clock_ms)
            ctx->instance->clock_ms = task.at_ms;
        if (task.run != NULL)
            task.run(task.user);
        task.done(task.user);
    }
    ctx->task_count = 0;
}

void fake_loop(struct mw_ctx *ctx)
{
    struct mw_instance *instance = ctx->instance;
    while (ctx->task_count > 0 || instance->question_count > 0 || instance->alarm_count > 0) {
        run_tasks(ctx);
        run_instance(instance);
    }
}

void fake_cancel(struct mw_ctx *ctx)
{
    if (ctx->is_parked)
        ctx->cancelled(ctx->cancelled_user);
    ctx->is_parked = false;
}

const struct mw_host fake_host = {
    .size = sizeof(struct mw_host),
    .abi = MAILWEIR_ABI,
    .version = "test",
    .setting = host_setting,
    .instance_name = host_instance_name,
    .want = host_want,
    .diag = host_diag,
    .fact_id = host_fact_id,
    .counter = host_counter,
    .lang = &mw_lang_table,
    .instance_alloc = host_instance_alloc,
    .state = host_state,
    .session_slot = host_session_slot,
    .transaction_slot = host_transaction_slot,
    .session_alloc = host_session_alloc,
    .transaction_alloc = host_transaction_alloc,
    .fact = host_fact,
    .sender = host_sender,
    .rcpt_count = host_rcpt_count,
    .rcpt = host_rcpt,
    .message_size = host_message_size,
    .header_count = host_header_count,
    .header = host_header,
    .header_find = host_header_find,
    .header_decoded = host_header_decoded,
    .body_view = host_body_view,
    .set_sender = host_set_sender,
    .rcpt_replace = host_rcpt_replace,
    .rcpt_add = host_rcpt_add,
    .rcpt_delete = host_rcpt_delete,
    .rcpt_verdict = host_rcpt_verdict,
    .rcpt_group = host_rcpt_group,
    .is_observed = host_is_observed,
    .header_add = host_header_add,
    .header_change = host_header_change,
    .header_delete = host_header_delete,
    .reply = host_reply,
    .because = host_because,
    .log = host_log,
    .count = host_count,
    .now_ms = host_now_ms,
    .park = host_park,
    .resume = host_resume,
    .timer = host_timer,
    .timer_cancel = host_timer_cancel,
    .work = host_work,
    .want_content = host_want_content,
    .content = host_content,
    .content_read = host_content_read,
    .content_hold = host_content_hold,
    .content_release = host_content_release,
    .header_text = host_header_text,
    .header_addresses = mw_address_list,
    .fold = host_fold,
    .alarm = host_alarm,
    .alarm_cancel = host_alarm_cancel,
    .dns = host_dns,
    .dns_cancel = host_dns_cancel,
    .clock_ms = host_clock_ms,
};

/* ---- for tests ---- */

static void report_failed_test(void *user, const struct mw_test_result *result)
{
    struct rules *rules = user;
    struct place place = {.file = result->file, .line = result->line};
    if (!result->passed)
        rules_error(rules, &place, NULL, "test \"%s\" fails: %s", result->name, result->detail);
}

struct rules *fake_load(struct mw_instance *instance, const char *text)
{
    memset(instance, 0, sizeof *instance);
    struct rules *rules = rules_new(&fake_host, instance, 200000, 1 << 20);
    rules_parse_text(rules, "dir/t.rules", slice_of(text));
    if (rules_finish(rules)) {
        instance->wanted = rules->wants;
        /* what the host does at check and reload: a failing test keeps the rules out */
        rules_test_run(rules, report_failed_test, rules);
        if (rules->errors == 0)
            return rules;
    }
    rules_free(rules);
    return NULL;
}

const char *fake_problems(const struct mw_instance *instance)
{
    static char text[FAKE_TEXT];
    char *out = text;
    for (const char *at = instance->diags; *at != '\0';) {
        if (strncmp(at, "dir/t.rules:", 12) == 0)
            at += 12;
        size_t len = strcspn(at, "\n") + 1;
        memcpy(out, at, len);
        out += len;
        at += len;
    }
    *out = '\0';
    return text;
}

void fake_unload(struct mw_instance *instance, struct rules *rules)
{
    if (rules != NULL)
        rules_free(rules);
    fake_instance_fini(instance);
}

void fake_ctx_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state)
{
    fake_session_init(ctx, instance, state);
    instance->clock_ms = 1000;
}

void fake_reset(struct mw_ctx *ctx)
{
    fake_transaction_fini(ctx);
    ctx->in_transaction = false;
    mw_content_unref(&ctx->content);
}

void fake_ctx_fini(struct mw_ctx *ctx)
{
    fake_reset(ctx);
    fake_session_fini(ctx);
}

struct rules *fake_begin(struct mw_ctx *ctx, struct mw_instance *instance, const char *text)
{
    struct rules *rules = fake_load(instance, text);
    if (rules == NULL) {
        fprintf(stderr, "for\n%s\n%s", text, instance->diags);
        return NULL;
    }
    fake_ctx_init(ctx, instance, rules);
    fake_fact_ip(ctx, "client.ip", "192.0.2.1");
    fake_fact_text(ctx, "helo", "mail.example.net");
    return rules;
}

void fake_end(struct mw_ctx *ctx)
{
    fake_ctx_fini(ctx);
    fake_unload(ctx->instance, ctx->state);
}

void fake_mail(struct mw_ctx *ctx, const char *sender)
{
    fake_reset(ctx);
    ctx->in_transaction = true;
    snprintf(ctx->sender, sizeof ctx->sender, "%s", sender);
}

enum mw_verdict fake_rcpt(struct mw_ctx *ctx, const char *address)
{
    size_t index = ctx->rcpt_count++;
    struct fake_rcpt *rcpt = &ctx->rcpts[index];
    snprintf(rcpt->address, sizeof rcpt->address, "%s", address);
    rcpt->status = MW_RCPT_PENDING;
    ctx->current = (ptrdiff_t)index;
    enum mw_verdict verdict = rules_live_run(ctx, ctx->state, MW_STAGE_RCPT, index);
    ctx->current = -1;
    rcpt->status = verdict == MW_REJECT || verdict == MW_TEMPFAIL ? MW_RCPT_REFUSED_FILTER
                   : verdict == MW_DISCARD                        ? MW_RCPT_DISCARDED
                                                                  : MW_RCPT_ACCEPTED;
    return verdict;
}

const char *fake_header_value(struct mw_ctx *ctx, const char *name)
{
    ptrdiff_t at = host_header_find(ctx, slice_of(name), 0);
    return at < 0 ? NULL : ctx->fields[at].value;
}
