#include "rules_fake.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/lex.h"
#include "testblock.h"

/* ---- memory ---- */

struct fake_chunk {
    struct fake_chunk *next;
    size_t pad;
};

static void *keep(struct fake_chunk **chunks, size_t size)
{
    struct fake_chunk *chunk = mw_xcalloc(1, sizeof *chunk + size);
    chunk->next = *chunks;
    *chunks = chunk;
    return chunk + 1;
}

static void release(struct fake_chunk **chunks)
{
    while (*chunks != NULL) {
        struct fake_chunk *next = (*chunks)->next;
        free(*chunks);
        *chunks = next;
    }
}

static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}

static void copy(char *out, size_t size, struct mw_slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.len ? text.ptr : "");
}

/* ---- loading ---- */

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
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
    append(instance->diags, sizeof instance->diags, "%s:%u:%u:%u: %s: %s%s%s\n",
           diag->file ? diag->file : "-", diag->line, diag->column, diag->length,
           is_error ? "error" : "warning", diag->message, diag->hint ? " | " : "",
           diag->hint ? diag->hint : "");
}

static const char *const fact_names[] = {
    "client.ip", "client.name",    "client.port",      "listener",       "helo",
    "auth.user", "auth.mechanism", "session.messages", "session.errors", NULL};

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
    append(instance->counters, sizeof instance->counters, "%s\n", name);
    return instance->counter_count++;
}

static void *host_instance_alloc(struct mw_instance *instance, size_t size)
{
    return keep(&instance->chunks, size);
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
    return keep(&ctx->session_chunks, size);
}

static void *host_transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->allocations++;
    return keep(&ctx->transaction_chunks, size);
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
    copy(ctx->sender, sizeof ctx->sender, address);
    return 1;
}

static int host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    if (index >= ctx->rcpt_count || !is_address(address))
        return 0;
    copy(ctx->rcpts[index].address, sizeof ctx->rcpts[index].address, address);
    return 1;
}

static int host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address)
{
    if (ctx->rcpt_count >= FAKE_MAX || !is_address(address))
        return 0;
    struct fake_rcpt *rcpt = &ctx->rcpts[ctx->rcpt_count++];
    copy(rcpt->address, sizeof rcpt->address, address);
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
    copy(header->name, sizeof header->name, name);
    copy(header->value, sizeof header->value, value);
    return 1;
}

static int host_header_change(struct mw_ctx *ctx, size_t index, struct mw_slice value)
{
    copy(ctx->headers[index].value, sizeof ctx->headers[index].value, value);
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
    copy(ctx->dsn, sizeof ctx->dsn, dsn);
    copy(ctx->reply, sizeof ctx->reply, text);
    return 1;
}

static void host_because(struct mw_ctx *ctx, struct mw_slice rule, struct mw_slice where,
                         struct mw_slice reason)
{
    copy(ctx->rule, sizeof ctx->rule, rule);
    copy(ctx->where, sizeof ctx->where, where);
    copy(ctx->reason, sizeof ctx->reason, reason);
}

static void host_log(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    (void)level;
    append(ctx->log, sizeof ctx->log, "%s", event);
    for (size_t i = 0; i < count; i++)
        append(ctx->log, sizeof ctx->log, " %s=%.*s", pairs[i].key, (int)pairs[i].value.len,
               pairs[i].value.ptr);
    append(ctx->log, sizeof ctx->log, "\n");
}

static void host_count(struct mw_ctx *ctx, int id, uint64_t by)
{
    if (id >= 0 && id < 256)
        ctx->counts[id] += by;
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
    .header_add = host_header_add,
    .header_change = host_header_change,
    .header_delete = host_header_delete,
    .reply = host_reply,
    .because = host_because,
    .log = host_log,
    .count = host_count,
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
    release(&instance->chunks);
}

void fake_ctx_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->instance = instance;
    ctx->state = state;
    ctx->current = -1;
    ctx->body = "";
}

void fake_reset(struct mw_ctx *ctx)
{
    release(&ctx->transaction_chunks);
    ctx->transaction_slot = NULL;
    ctx->in_transaction = false;
    ctx->rcpt_count = ctx->header_count = 0;
}

void fake_ctx_fini(struct mw_ctx *ctx)
{
    fake_reset(ctx);
    release(&ctx->session_chunks);
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
    const char *at = ctx->instance->counters;
    for (int id = 0; *at != '\0'; id++) {
        size_t len = strcspn(at, "\n");
        if (strlen(name) == len && memcmp(at, name, len) == 0)
            return ctx->counts[id];
        at += len + 1;
    }
    return UINT64_MAX;
}

const char *fake_header_value(struct mw_ctx *ctx, const char *name)
{
    ptrdiff_t at = host_header_find(ctx, slice(name), 0);
    return at < 0 ? NULL : ctx->headers[at].value;
}
