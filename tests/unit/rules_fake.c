#include "rules_fake.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/lex.h"
#include "fake_text.h"
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

static void host_want(struct mw_instance *instance, uint32_t stages)
{
    instance->wanted = stages;
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

static const char *const fact_names[] = {"client.ip",
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

static int host_fact_id(struct mw_instance *instance, const char *name)
{
    (void)instance;
    for (int i = 0; fact_names[i] != NULL; i++)
        if (strcmp(fact_names[i], name) == 0)
            return i;
    return -1;
}

static int host_counter(struct mw_instance *instance, const char *name)
{
    if (instance->counter_count == instance->counter_cap) {
        instance->counter_cap = instance->counter_cap ? instance->counter_cap * 2 : 64;
        instance->counters = mw_xrealloc(instance->counters, (size_t)instance->counter_cap *
                                                                 sizeof *instance->counters);
    }
    snprintf(instance->counters[instance->counter_count], FAKE_NAME, "%s", name);
    return instance->counter_count++;
}

static void *host_instance_alloc(struct mw_instance *instance, size_t size)
{
    return fake_keep(&instance->chunks, size);
}

/* ---- sessions ---- */

static void *host_state(struct mw_ctx *ctx)
{
    return ctx->state;
}

static void **host_session_slot(struct mw_ctx *ctx)
{
    return &ctx->session_slot;
}

static void **host_transaction_slot(struct mw_ctx *ctx)
{
    return &ctx->transaction_slot;
}

static void *host_session_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->allocations++;
    return fake_keep(&ctx->session_chunks, size);
}

static void *host_transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->allocations++;
    return fake_keep(&ctx->transaction_chunks, size);
}

static struct mw_fact host_fact(struct mw_ctx *ctx, int id)
{
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strcmp(ctx->facts[i].name, fact_names[id]) == 0)
            return ctx->facts[i].fact;
    return (struct mw_fact){.type = MW_FACT_NONE};
}

/* ---- envelope ---- */

static struct mw_slice slice(const char *text)
{
    return (struct mw_slice){text, strlen(text)};
}

static void view_path(const char *address, struct mw_path_view *view)
{
    const char *at = strrchr(address, '@');
    view->address = view->original = slice(address);
    view->local = at ? (struct mw_slice){address, (size_t)(at - address)} : slice(address);
    view->domain = at ? slice(at + 1) : slice("");
}

static int host_sender(struct mw_ctx *ctx, struct mw_path_view *view)
{
    if (!ctx->in_transaction)
        return 0;
    view_path(ctx->sender, view);
    view->params = slice(ctx->params);
    return 1;
}

static size_t host_rcpt_count(struct mw_ctx *ctx)
{
    return ctx->rcpt_count;
}

static int host_rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view)
{
    if (index >= ctx->rcpt_count)
        return 0;
    view_path(ctx->rcpts[index].address, view);
    view->params = slice("");
    view->status = ctx->rcpts[index].status;
    return 1;
}

static uint64_t host_message_size(struct mw_ctx *ctx)
{
    return ctx->body_len;
}

/* ---- message ---- */

static size_t host_header_count(struct mw_ctx *ctx)
{
    return ctx->header_count;
}

static int host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view)
{
    if (index >= ctx->header_count)
        return 0;
    view->name = slice(ctx->headers[index].name);
    view->value = slice(ctx->headers[index].value);
    return 1;
}

static ptrdiff_t host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from)
{
    for (size_t i = from; i < ctx->header_count; i++)
        if (mw_slice_ieq(slice(ctx->headers[i].name), name))
            return (ptrdiff_t)i;
    return -1;
}

static struct mw_slice host_header_decoded(struct mw_ctx *ctx, size_t index)
{
    return slice(ctx->headers[index].value);
}

static struct mw_slice host_body_view(struct mw_ctx *ctx, size_t max)
{
    ctx->body_views++;
    return (struct mw_slice){ctx->body, ctx->body_len < max ? ctx->body_len : max};
}

/* ---- edits ---- */

static bool is_address(struct mw_slice address)
{
    ptrdiff_t at = mw_slice_rfind(address, '@');
    return at > 0 && (size_t)at + 1 < address.len && mw_slice_find(address, ' ') < 0;
}

static int host_set_sender(struct mw_ctx *ctx, struct mw_slice address)
{
    if (address.len > 0 && !is_address(address))
        return 0;
    fake_copy(ctx->sender, sizeof ctx->sender, address);
    return 1;
}

static int host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    if (index >= ctx->rcpt_count || !is_address(address))
        return 0;
    fake_copy(ctx->rcpts[index].address, sizeof ctx->rcpts[index].address, address);
    return 1;
}

static int host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address)
{
    if (ctx->rcpt_count >= FAKE_MAX || !is_address(address))
        return 0;
    struct fake_rcpt *rcpt = &ctx->rcpts[ctx->rcpt_count++];
    fake_copy(rcpt->address, sizeof rcpt->address, address);
    rcpt->status = MW_RCPT_ADDED;
    return 1;
}

static int host_rcpt_delete(struct mw_ctx *ctx, size_t index)
{
    if (index >= ctx->rcpt_count || (ptrdiff_t)index == ctx->current)
        return 0;
    ctx->rcpts[index].status = MW_RCPT_DELETED;
    return 1;
}

static int host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    if (ctx->header_count >= FAKE_MAX)
        return 0;
    struct fake_header *header = &ctx->headers[ctx->header_count++];
    fake_copy(header->name, sizeof header->name, name);
    fake_copy(header->value, sizeof header->value, value);
    return 1;
}

static int host_header_change(struct mw_ctx *ctx, size_t index, struct mw_slice value)
{
    fake_copy(ctx->headers[index].value, sizeof ctx->headers[index].value, value);
    return 1;
}

static int host_header_delete(struct mw_ctx *ctx, size_t index)
{
    ctx->header_count--;
    memmove(&ctx->headers[index], &ctx->headers[index + 1],
            (ctx->header_count - index) * sizeof *ctx->headers);
    return 1;
}

/* ---- telling ---- */

static int host_reply(struct mw_ctx *ctx, uint32_t code, struct mw_slice dsn, struct mw_slice text)
{
    ctx->code = code;
    fake_copy(ctx->dsn, sizeof ctx->dsn, dsn);
    fake_copy(ctx->reply, sizeof ctx->reply, text);
    return 1;
}

static void host_because(struct mw_ctx *ctx, struct mw_slice rule, struct mw_slice where,
                         struct mw_slice reason)
{
    fake_copy(ctx->rule, sizeof ctx->rule, rule);
    fake_copy(ctx->where, sizeof ctx->where, where);
    fake_copy(ctx->reason, sizeof ctx->reason, reason);
}

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

static int host_is_observed(struct mw_ctx *ctx)
{
    return ctx->is_observed;
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

static void host_count(struct mw_ctx *ctx, int id, uint64_t by)
{
    if (id < 0)
        return;
    if (id >= ctx->count_cap) {
        int cap = id + 256;
        ctx->counts = mw_xrealloc(ctx->counts, (size_t)cap * sizeof *ctx->counts);
        memset(ctx->counts + ctx->count_cap, 0,
               (size_t)(cap - ctx->count_cap) * sizeof *ctx->counts);
        ctx->count_cap = cap;
    }
    ctx->counts[id] += by;
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
    char field[FAKE_NAME + sizeof ctx->headers[0].value + 64];
    for (size_t i = 0; i < ctx->header_count; i++) {
        int len = snprintf(field, sizeof field, "%s:%s\r\n", ctx->headers[i].name,
                           ctx->headers[i].value);
        mw_content_feed(maker, (struct mw_slice){field, (size_t)len});
    }
    mw_content_feed(maker, slice("\r\n"));
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

static uint64_t host_now_ms(struct mw_ctx *ctx)
{
    return ctx->instance->clock_ms;
}

static struct mw_ticket *host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user)
{
    ctx->is_parked = true;
    ctx->is_resumed = false;
    ctx->cancelled = cancelled;
    ctx->cancelled_user = user;
    return (struct mw_ticket *)(void *)ctx;
}

static void host_resume(struct mw_ticket *ticket, enum mw_verdict verdict)
{
    struct mw_ctx *ctx = (struct mw_ctx *)(void *)ticket;
    ctx->is_parked = false;
    ctx->is_resumed = true;
    ctx->resumed = verdict;
}

static struct fake_task *new_task(struct mw_ctx *ctx, struct fake_task task)
{
    if (ctx->task_count == sizeof ctx->tasks / sizeof *ctx->tasks)
        abort();
    ctx->tasks[ctx->task_count] = task;
    return &ctx->tasks[ctx->task_count++];
}

static struct mw_timer *host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                                   void *user)
{
    struct fake_task task = {.done = fn, .user = user, .at_ms = ctx->instance->clock_ms + delay_ms};
    return (struct mw_timer *)(void *)new_task(ctx, task);
}

static void host_timer_cancel(struct mw_timer *timer)
{
    ((struct fake_task *)(void *)timer)->is_gone = true;
}

static int host_work(struct mw_ctx *ctx, void (*run)(void *user), void (*done)(void *user),
                     void *user)
{
    new_task(ctx, (struct fake_task){.run = run, .done = done, .user = user});
    return 1;
}

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
    (void)kind;
    if (instance->question_count == sizeof instance->questions / sizeof *instance->questions)
        abort();
    struct fake_question *question = &instance->questions[instance->question_count++];
    *question = (struct fake_question){.answered = answered, .user = user};
    fake_copy(question->name, sizeof question->name, name);
    instance->asked++;
    return (struct mw_question *)(void *)question;
}

static void host_dns_cancel(struct mw_question *question)
{
    ((struct fake_question *)(void *)question)->is_gone = true;
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
    if (!question->is_gone)
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
    rules_parse_text(rules, "dir/t.rules", slice(text));
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

void fake_unload(struct mw_instance *instance, struct rules *rules)
{
    if (rules != NULL)
        rules_free(rules);
    free(instance->counters);
    instance->counters = NULL;
    fake_release(&instance->chunks);
}

void fake_ctx_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state)
{
    memset(ctx, 0, sizeof *ctx);
    instance->clock_ms = 1000;
    ctx->instance = instance;
    ctx->state = state;
    ctx->current = -1;
    ctx->body = "";
}

void fake_reset(struct mw_ctx *ctx)
{
    fake_release(&ctx->transaction_chunks);
    ctx->transaction_slot = NULL;
    ctx->in_transaction = false;
    ctx->rcpt_count = ctx->header_count = 0;
    mw_content_unref(&ctx->content);
}

void fake_ctx_fini(struct mw_ctx *ctx)
{
    fake_reset(ctx);
    fake_release(&ctx->session_chunks);
    free(ctx->counts);
    ctx->counts = NULL;
    ctx->count_cap = 0;
}

static struct fake_fact *new_fact(struct mw_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strcmp(ctx->facts[i].name, name) == 0)
            return &ctx->facts[i];
    ctx->facts[ctx->fact_count].name = name;
    return &ctx->facts[ctx->fact_count++];
}

void fake_fact_text(struct mw_ctx *ctx, const char *name, const char *text)
{
    struct fake_fact *fact = new_fact(ctx, name);
    snprintf(fact->text, sizeof fact->text, "%s", text);
    fact->fact = (struct mw_fact){.type = MW_FACT_TEXT, .text = slice(fact->text)};
}

void fake_fact_number(struct mw_ctx *ctx, const char *name, uint64_t number)
{
    new_fact(ctx, name)->fact = (struct mw_fact){.type = MW_FACT_NUMBER, .number = number};
}

void fake_fact_ip(struct mw_ctx *ctx, const char *name, const char *ip)
{
    struct fake_fact *fact = new_fact(ctx, name);
    uint32_t prefix;
    mw_lang_table.parse_network(slice(ip), (unsigned char *)fact->text, &prefix);
    fact->fact = (struct mw_fact){.type = MW_FACT_ADDRESS, .text = {fact->text, 16}};
}

void fake_fact_error(struct mw_ctx *ctx, const char *name)
{
    new_fact(ctx, name)->fact = (struct mw_fact){.type = MW_FACT_ERROR};
}

void fake_header(struct mw_ctx *ctx, const char *name, const char *value)
{
    host_header_add(ctx, slice(name), slice(value));
}

uint64_t fake_counter(struct mw_ctx *ctx, const char *name)
{
    for (int id = 0; id < ctx->instance->counter_count; id++)
        if (strcmp(ctx->instance->counters[id], name) == 0)
            return id < ctx->count_cap ? ctx->counts[id] : 0;
    return UINT64_MAX;
}

const char *fake_header_value(struct mw_ctx *ctx, const char *name)
{
    ptrdiff_t at = host_header_find(ctx, slice(name), 0);
    return at < 0 ? NULL : ctx->headers[at].value;
}
