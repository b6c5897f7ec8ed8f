#include "fake_host.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/lex.h"
#include "text.h"

/* ---- instances ---- */

void host_want(struct mw_instance *instance, uint32_t stages)
{
    instance->wanted = stages;
}

int host_counter(struct mw_instance *instance, const char *name)
{
    if (instance->counter_count == instance->counter_cap) {
        instance->counter_cap = instance->counter_cap ? instance->counter_cap * 2 : 64;
        instance->counters = mw_xrealloc(instance->counters, (size_t)instance->counter_cap *
                                                                 sizeof *instance->counters);
    }
    snprintf(instance->counters[instance->counter_count], FAKE_NAME, "%s", name);
    return instance->counter_count++;
}

void *host_instance_alloc(struct mw_instance *instance, size_t size)
{
    return fake_keep(&instance->chunks, size);
}

void fake_instance_fini(struct mw_instance *instance)
{
    free(instance->counters);
    instance->counters = NULL;
    fake_release(&instance->chunks);
}

/* ---- sessions ---- */

void *host_state(struct mw_ctx *ctx)
{
    return ctx->state;
}

void **host_session_slot(struct mw_ctx *ctx)
{
    return &ctx->session_slot;
}

void **host_transaction_slot(struct mw_ctx *ctx)
{
    return &ctx->transaction_slot;
}

void *host_session_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->allocations++;
    return fake_keep(&ctx->session_chunks, size);
}

void *host_transaction_alloc(struct mw_ctx *ctx, size_t size)
{
    ctx->allocations++;
    return fake_keep(&ctx->transaction_chunks, size);
}

void host_count(struct mw_ctx *ctx, int id, uint64_t by)
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

uint64_t fake_counter(const struct mw_ctx *ctx, const char *name)
{
    for (int id = 0; id < ctx->instance->counter_count; id++)
        if (strcmp(ctx->instance->counters[id], name) == 0)
            return id < ctx->count_cap ? ctx->counts[id] : 0;
    return UINT64_MAX;
}

int host_is_observed(struct mw_ctx *ctx)
{
    return ctx->is_observed;
}

void fake_session_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->instance = instance;
    ctx->state = state;
    ctx->current = -1;
    ctx->body = "";
}

void fake_transaction_fini(struct mw_ctx *ctx)
{
    fake_release(&ctx->transaction_chunks);
    ctx->transaction_slot = NULL;
    ctx->rcpt_count = ctx->field_count = 0;
}

void fake_session_fini(struct mw_ctx *ctx)
{
    fake_transaction_fini(ctx);
    fake_release(&ctx->session_chunks);
    free(ctx->counts);
    ctx->counts = NULL;
    ctx->count_cap = 0;
}

/* ---- facts ---- */

int host_fact_id(struct mw_instance *instance, const char *name)
{
    (void)instance;
    for (int i = 0; fake_fact_names[i] != NULL; i++)
        if (strcmp(fake_fact_names[i], name) == 0)
            return i;
    return -1;
}

static const struct fake_fact *find_fact(const struct mw_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < ctx->fact_count; i++)
        if (strcmp(ctx->facts[i].name, name) == 0)
            return &ctx->facts[i];
    return NULL;
}

struct mw_fact host_fact(struct mw_ctx *ctx, int id)
{
    const struct fake_fact *fact = find_fact(ctx, fake_fact_names[id]);
    return fact != NULL ? fact->fact : (struct mw_fact){.type = MW_FACT_NONE};
}

void fake_fact_put(struct mw_ctx *ctx, const char *name, struct mw_fact fact)
{
    const struct fake_fact *known = find_fact(ctx, name);
    struct fake_fact *to =
        &ctx->facts[known != NULL ? known - ctx->facts : (ptrdiff_t)ctx->fact_count];
    if (known == NULL) {
        ctx->fact_count++;
        snprintf(to->name, sizeof to->name, "%s", name);
    }
    size_t len = fact.text.len < sizeof to->text ? fact.text.len : sizeof to->text - 1;
    memset(to->text, 0, sizeof to->text);
    if (len > 0)
        memcpy(to->text, fact.text.ptr, len);
    to->fact = fact;
    to->fact.text = SLICE(to->text, len);
}

void fake_fact_text(struct mw_ctx *ctx, const char *name, const char *text)
{
    fake_fact_put(ctx, name, (struct mw_fact){.type = MW_FACT_TEXT, .text = slice_of(text)});
}

void fake_fact_number(struct mw_ctx *ctx, const char *name, uint64_t number)
{
    fake_fact_put(ctx, name, (struct mw_fact){.type = MW_FACT_NUMBER, .number = number});
}

void fake_fact_ip(struct mw_ctx *ctx, const char *name, const char *ip)
{
    char octets[16];
    uint32_t prefix;
    mw_lang_table.parse_network(slice_of(ip), (unsigned char *)octets, &prefix);
    fake_fact_put(ctx, name,
                  (struct mw_fact){.type = MW_FACT_ADDRESS, .text = SLICE(octets, sizeof octets)});
}

void fake_fact_error(struct mw_ctx *ctx, const char *name)
{
    fake_fact_put(ctx, name, (struct mw_fact){.type = MW_FACT_ERROR});
}

const char *fake_fact(const struct mw_ctx *ctx, const char *name)
{
    const struct fake_fact *fact = find_fact(ctx, name);
    return fact != NULL ? fact->text : "";
}

/* ---- envelope ---- */

static void view_path(const char *address, struct mw_path_view *view)
{
    const char *at = strrchr(address, '@');
    view->address = view->original = slice_of(address);
    view->local = at ? SLICE(address, (size_t)(at - address)) : slice_of(address);
    view->domain = at ? slice_of(at + 1) : slice_of("");
}

int host_sender(struct mw_ctx *ctx, struct mw_path_view *view)
{
    if (!ctx->in_transaction)
        return 0;
    view_path(ctx->sender, view);
    view->params = slice_of(ctx->params);
    return 1;
}

size_t host_rcpt_count(struct mw_ctx *ctx)
{
    return ctx->rcpt_count;
}

int host_rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view)
{
    if (index >= ctx->rcpt_count)
        return 0;
    view_path(ctx->rcpts[index].address, view);
    view->params = slice_of("");
    view->status = ctx->rcpts[index].status;
    return 1;
}

bool host_is_address(struct mw_slice address)
{
    ptrdiff_t at = text_rfind(address, '@');
    return at > 0 && (size_t)at + 1 < address.len && text_find(address, ' ') < 0;
}

int host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    if (ctx->refuses_edits || index >= ctx->rcpt_count || !host_is_address(address))
        return 0;
    fake_copy(ctx->rcpts[index].address, sizeof ctx->rcpts[index].address, address);
    return 1;
}

int host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address)
{
    if (ctx->rcpt_count >= FAKE_MAX || !host_is_address(address))
        return 0;
    struct fake_rcpt *rcpt = &ctx->rcpts[ctx->rcpt_count++];
    fake_copy(rcpt->address, sizeof rcpt->address, address);
    rcpt->status = MW_RCPT_ADDED;
    return 1;
}

int host_rcpt_delete(struct mw_ctx *ctx, size_t index)
{
    if (index >= ctx->rcpt_count || (ptrdiff_t)index == ctx->current)
        return 0;
    ctx->rcpts[index].status = MW_RCPT_DELETED;
    return 1;
}

/* ---- header ---- */

int host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view)
{
    if (ctx->has_no_header_yet || index >= ctx->field_count)
        return 0;
    view->name = slice_of(ctx->fields[index].name);
    view->value = slice_of(ctx->fields[index].value);
    view->is_added = ctx->fields[index].is_added;
    return 1;
}

ptrdiff_t host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from)
{
    for (size_t i = from; !ctx->has_no_header_yet && i < ctx->field_count; i++)
        if (text_ieq(slice_of(ctx->fields[i].name), name))
            return (ptrdiff_t)i;
    return -1;
}

int host_header_insert(struct mw_ctx *ctx, size_t index, struct mw_slice name,
                       struct mw_slice value)
{
    if (ctx->field_count >= FAKE_MAX)
        return 0;
    struct fake_field *field = &ctx->fields[index];
    memmove(field + 1, field, (ctx->field_count - index) * sizeof *field);
    ctx->field_count++;
    fake_copy(field->name, sizeof field->name, name);
    fake_copy(field->value, sizeof field->value, value);
    field->is_added = true;
    return 1;
}

int host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    return host_header_insert(ctx, ctx->field_count, name, value);
}

void fake_header(struct mw_ctx *ctx, const char *name, const char *value)
{
    if (host_header_add(ctx, slice_of(name), slice_of(value)))
        ctx->fields[ctx->field_count - 1].is_added = false;
}

int host_header_delete(struct mw_ctx *ctx, size_t index)
{
    if (ctx->is_observed)
        return 0;
    struct fake_field *field = &ctx->fields[index];
    ctx->field_count--;
    memmove(field, field + 1, (ctx->field_count - index) * sizeof *field);
    return 1;
}

/* ---- telling ---- */

int host_reply(struct mw_ctx *ctx, uint32_t code, struct mw_slice dsn, struct mw_slice text)
{
    ctx->code = code;
    fake_copy(ctx->dsn, sizeof ctx->dsn, dsn);
    fake_copy(ctx->reply, sizeof ctx->reply, text);
    return 1;
}

void host_because(struct mw_ctx *ctx, struct mw_slice rule, struct mw_slice where,
                  struct mw_slice reason)
{
    fake_copy(ctx->rule, sizeof ctx->rule, rule);
    fake_copy(ctx->where, sizeof ctx->where, where);
    fake_copy(ctx->reason, sizeof ctx->reason, reason);
}

/* ---- waiting ---- */

uint64_t host_now_ms(struct mw_ctx *ctx)
{
    return ctx->instance->clock_ms;
}

struct mw_ticket *host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user)
{
    ctx->is_parked = true;
    ctx->is_resumed = false;
    ctx->cancelled = cancelled;
    ctx->cancelled_user = user;
    return (struct mw_ticket *)(void *)ctx;
}

void host_resume(struct mw_ticket *ticket, enum mw_verdict verdict)
{
    struct mw_ctx *ctx = (struct mw_ctx *)(void *)ticket;
    ctx->is_parked = false;
    ctx->is_resumed = true;
    ctx->resumed = verdict;
}

/* Behind the others; in the place of one that is gone when there is no more room. */
static struct fake_task *new_task(struct mw_ctx *ctx, struct fake_task task)
{
    size_t at = ctx->task_count;
    if (at == FAKE_TASKS_MAX)
        for (at = 0; at < FAKE_TASKS_MAX && !ctx->tasks[at].is_gone; at++)
            ;
    if (at == FAKE_TASKS_MAX)
        abort();
    ctx->task_count += at == ctx->task_count;
    ctx->tasks[at] = task;
    return &ctx->tasks[at];
}

struct mw_timer *host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                            void *user)
{
    struct fake_task task = {.done = fn, .user = user, .at_ms = ctx->instance->clock_ms + delay_ms};
    return ctx->has_no_timers ? NULL : (struct mw_timer *)(void *)new_task(ctx, task);
}

void host_timer_cancel(struct mw_timer *timer)
{
    ((struct fake_task *)(void *)timer)->is_gone = true;
}

int host_work(struct mw_ctx *ctx, void (*run)(void *user), void (*done)(void *user), void *user)
{
    new_task(ctx, (struct fake_task){.run = run, .done = done, .user = user});
    return 1;
}

void host_dns_cancel(struct mw_question *question)
{
    ((struct fake_question *)(void *)question)->is_open = false;
}
