#include "spf_fake.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/lex.h"
#include "fake_text.h"

/* ---- settings ---- */

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
    return fake_settings_find(&instance->settings, name);
}

static void host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    fake_append_diag(instance->diags, sizeof instance->diags, diag);
}

static void host_want(struct mw_instance *instance, uint32_t stages)
{
    instance->wanted = stages;
}

static int host_counter(struct mw_instance *instance, const char *name)
{
    snprintf(instance->names[instance->counter_count], FAKE_NAME, "%s", name);
    return instance->counter_count++;
}

static void *host_instance_alloc(struct mw_instance *instance, size_t size)
{
    return fake_keep(&instance->chunks, size);
}

static const char *host_authserv_id(struct mw_instance *instance)
{
    (void)instance;
    return "mx.example.test";
}

/* ---- facts: the host's own, then those of the filter ---- */

static const char *const known[] = {
    "client.ip",       "client.name",     "helo",          "auth.user",       "spf.result",
    "spf.domain",      "spf.identity",    "spf.mechanism", "spf.explanation", "spf.problem",
    "spf.helo_result", "spf.helo_domain", "spf.forwarder"};

static int host_fact_id(struct mw_instance *instance, const char *name)
{
    (void)instance;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], name) == 0)
            return (int)i;
    return -1;
}

static struct fake_fact *find_fact(const struct mw_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strcmp(ctx->facts[i].name, name) == 0)
            return (struct fake_fact *)&ctx->facts[i];
    return NULL;
}

static void put_fact(struct mw_ctx *ctx, const char *name, enum mw_fact_type type,
                     struct mw_slice text)
{
    struct fake_fact *fact = find_fact(ctx, name);
    if (fact == NULL)
        fact = &ctx->facts[ctx->fact_count++];
    if (name != fact->name)
        snprintf(fact->name, sizeof fact->name, "%s", name);
    fact->type = type;
    fact->len = text.len < sizeof fact->text ? text.len : sizeof fact->text - 1;
    memset(fact->text, 0, sizeof fact->text);
    memcpy(fact->text, text.ptr, fact->len);
}

static struct mw_fact host_fact(struct mw_ctx *ctx, int id)
{
    const struct fake_fact *fact = find_fact(ctx, known[id]);
    return fact == NULL
               ? (struct mw_fact){.type = MW_FACT_NONE}
               : (struct mw_fact){.type = fact->type, .text = SLICE(fact->text, fact->len)};
}

static void host_fact_set(struct mw_ctx *ctx, int id, struct mw_fact fact, uint32_t for_session)
{
    (void)for_session;
    put_fact(ctx, known[id], fact.type, fact.text);
}

/* ---- session, envelope ---- */

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
    return fake_keep(&ctx->session_chunks, size);
}

static void *host_transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    return fake_keep(&ctx->transaction_chunks, size);
}

static uint64_t host_now_ms(struct mw_ctx *ctx)
{
    return ctx->now_ms;
}

static void view_path(const char *address, struct mw_path_view *view)
{
    struct mw_slice text = slice_of(address);
    ptrdiff_t at = text_rfind(text, '@');
    view->address = view->original = text;
    view->local = at < 0 ? text : SLICE(address, (size_t)at);
    view->domain = text_domain(text);
}

static int host_sender(struct mw_ctx *ctx, struct mw_path_view *view)
{
    view_path(ctx->sender, view);
    view->params = slice_of(ctx->params);
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
    view->status = ctx->rcpts[index].status;
    return 1;
}

static int host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    if (ctx->refuses_edits)
        return 0;
    fake_copy(ctx->rcpts[index].address, sizeof ctx->rcpts[index].address, address);
    return 1;
}

static int host_rcpt_delete(struct mw_ctx *ctx, size_t index)
{
    ctx->rcpts[index].status = MW_RCPT_DELETED;
    return 1;
}

/* ---- header: what is added at data stands behind what comes ---- */

static int host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view)
{
    if (!ctx->has_header || index >= ctx->field_count)
        return 0;
    view->name = slice_of(ctx->fields[index].name);
    view->value = slice_of(ctx->fields[index].value);
    view->is_added = ctx->fields[index].is_added;
    return 1;
}

static ptrdiff_t host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from)
{
    for (size_t i = from; ctx->has_header && i < ctx->field_count; i++)
        if (text_ieq(slice_of(ctx->fields[i].name), name))
            return (ptrdiff_t)i;
    return -1;
}

static int host_header_insert(struct mw_ctx *ctx, size_t index, struct mw_slice name,
                              struct mw_slice value)
{
    memmove(&ctx->fields[index + 1], &ctx->fields[index],
            (ctx->field_count - index) * sizeof *ctx->fields);
    ctx->field_count++;
    struct fake_field *field = &ctx->fields[index];
    fake_copy(field->name, sizeof field->name, name);
    fake_copy(field->value, sizeof field->value, value);
    field->is_added = true;
    return 1;
}

static int host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    return host_header_insert(ctx, ctx->field_count, name, value);
}

static int host_header_delete(struct mw_ctx *ctx, size_t index)
{
    if (ctx->is_observed)
        return 0;
    ctx->field_count--;
    memmove(&ctx->fields[index], &ctx->fields[index + 1],
            (ctx->field_count - index) * sizeof *ctx->fields);
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

static void host_log(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    fake_append(ctx->log, sizeof ctx->log, "%s %s", levels[level], event);
    fake_append_pairs(ctx->log, sizeof ctx->log, pairs, count);
    fake_append(ctx->log, sizeof ctx->log, "\n");
}

static void host_count(struct mw_ctx *ctx, int id, uint64_t by)
{
    ctx->counts[id] += by;
}

static int host_auth_result(struct mw_ctx *ctx, struct mw_slice result)
{
    fake_append(ctx->results, sizeof ctx->results, "%.*s\n", (int)result.len, result.ptr);
    return 1;
}

static int host_is_observed(struct mw_ctx *ctx)
{
    return ctx->is_observed;
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

/* ---- waiting ---- */

static struct mw_ticket *host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user)
{
    ctx->is_parked = true;
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

static struct mw_timer *host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                                   void *user)
{
    if (ctx->has_no_timers)
        return NULL;
    size_t at = 0;
    while (at < ctx->timers && ctx->timer_fn[at] != NULL)
        at++;
    if (at == FAKE_MAX)
        abort();
    ctx->timers += at == ctx->timers;
    ctx->timer_fn[at] = fn;
    ctx->timer_user[at] = user;
    ctx->timer_ms[at] = ctx->now_ms + delay_ms;
    return (struct mw_timer *)(void *)&ctx->timer_fn[at];
}

static void host_timer_cancel(struct mw_timer *timer)
{
    *(void (**)(void *user))(void *)timer = NULL;
}

static struct mw_question *
host_query(struct mw_ctx *ctx, struct mw_slice name, enum mw_dns_kind kind,
           void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    if (ctx->has_no_resolver)
        return NULL;
    if (ctx->asked == sizeof ctx->questions / sizeof *ctx->questions)
        abort();
    struct fake_question *question = &ctx->questions[ctx->asked++];
    *question = (struct fake_question){
        .kind = kind, .answered = answered, .user = user, .is_open = true};
    fake_copy(question->name, sizeof question->name, name);
    return (struct mw_question *)(void *)question;
}

static void host_dns_cancel(struct mw_question *question)
{
    ((struct fake_question *)(void *)question)->is_open = false;
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
    ctx->now_ms += ms;
    for (size_t i = 0; i < ctx->timers; i++) {
        void (*fn)(void *user) = ctx->timer_fn[i];
        if (fn == NULL || ctx->timer_ms[i] > ctx->now_ms)
            continue;
        ctx->timer_fn[i] = NULL;
        fn(ctx->timer_user[i]);
    }
}

size_t fake_open_questions(const struct mw_ctx *ctx)
{
    size_t count = 0;
    for (size_t i = 0; i < ctx->asked; i++)
        count += ctx->questions[i].is_open;
    return count;
}

/* ---- the table ---- */

static void *host_state(struct mw_ctx *ctx)
{
    return ctx->state;
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
    fake_settings_read(&instance->settings, spf_settings, SPF_SETTING_COUNT, "spf.conf", text);
    struct spf *spf = fake_keep(&instance->chunks, sizeof *spf);
    spf->host = &fake_host;
    if (!settings_read(&fake_host, instance, &spf->settings))
        return NULL;
    judge_open(spf, instance);
    return spf;
}

void fake_instance_fini(struct mw_instance *instance)
{
    fake_release(&instance->chunks);
}

void fake_init(struct mw_ctx *ctx, struct mw_instance *instance, struct spf *spf, const char *zone)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->instance = instance;
    ctx->state = spf;
    ctx->zone = zone;
    ctx->now_ms = 1000000;
}

void fake_fini(struct mw_ctx *ctx)
{
    if (ctx->is_parked)
        ctx->cancelled(ctx->cancelled_user);
    judge_abort(ctx, ctx->state);
    fake_release(&ctx->transaction_chunks);
    judge_close(ctx, ctx->state);
    fake_release(&ctx->session_chunks);
}

void fake_set(struct mw_ctx *ctx, const char *fact, const char *text)
{
    put_fact(ctx, fact, MW_FACT_TEXT, slice_of(text));
}

void fake_client(struct mw_ctx *ctx, const char *ip, const char *helo)
{
    unsigned char octets[16];
    uint32_t prefix;
    mw_lang_table.parse_network(slice_of(ip), octets, &prefix);
    put_fact(ctx, "client.ip", MW_FACT_ADDRESS, SLICE((const char *)octets, sizeof octets));
    fake_set(ctx, "helo", helo);
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
    fake_release(&ctx->transaction_chunks);
    ctx->transaction_slot = NULL;
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strncmp(ctx->facts[i].name, "spf.", 4) == 0)
            put_fact(ctx, ctx->facts[i].name, MW_FACT_NONE, EMPTY);
    ctx->rcpt_count = ctx->field_count = 0;
    ctx->has_header = false;
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
    ctx->has_header = stage >= MW_STAGE_END_OF_HEADERS;
    if (!(ctx->instance->wanted & MW_STAGE_BIT(stage)))
        return MW_CONTINUE;
    return settle(ctx, judge_later(ctx, ctx->state, stage, 0));
}

uint64_t fake_count(const struct mw_ctx *ctx, const char *name)
{
    for (int i = 0; i < ctx->instance->counter_count; i++)
        if (strcmp(ctx->instance->names[i], name) == 0)
            return ctx->counts[i];
    return UINT64_MAX;
}

const char *fake_fact(const struct mw_ctx *ctx, const char *name)
{
    const struct fake_fact *fact = find_fact(ctx, name);
    return fact != NULL ? fact->text : "";
}

const char *fake_field(const struct mw_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < ctx->field_count; i++)
        if (strcmp(ctx->fields[i].name, name) == 0)
            return ctx->fields[i].value;
    return NULL;
}
