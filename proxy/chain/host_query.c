/* host_query.c - questions to the DNS for a session (host->query): the instance's own way to ask
 * (host_loop.c), with a share of the resolver that one client cannot exceed.
 *
 *   asked    the resolver has it; at most 64 of a session at once
 *   queued   waits, in order, until one of those is answered or cancelled
 *   later    beyond the session's share: a timer rings when its place has been refilled; then it is
 *            queued
 *   failing  that would take longer than WAIT_MAX_MS, or there is no resolver any more: a timer of no
 *            length brings MW_DNS_FAILURE, because no callback comes from inside the call that
 *            started it
 *
 * The share (`resolver { session-queries }`, mw_services.query_limit) is a bucket that is full when
 * the session first asks, holds as many questions as the setting says, and is refilled evenly within
 * a minute. What it guards against is a peer that has us ask (a tree of SPF includes, a message of a
 * thousand signatures): a question costs its place when it is asked for, and gives it back if no
 * server was asked because of it (the cache had the answer, or another session waits for the same),
 * so that a busy relay's session is not held up. What exceeds it is counted for the filter
 * ("query-limit") and told once a session.
 *
 * It waits rather than fails because a peer chooses how much is asked for him: one that has spent the
 * share with records of his own would have every question about his next mail fail at will, and pass
 * where a failure is let pass (DMARC does so unless told otherwise). Those questions of other
 * people's domains are few, and come through in a second or two.
 *
 * Beyond 1,000 questions open in one session, and beyond 100,000 of one instance, there is no
 * handle: that is a filter in a loop. Everything here ends with the session. The handle that the
 * filter holds is of the instance's kind, so that a late dns_cancel() finds a dead one. */
#include <stdlib.h>
#include <string.h>

#include "chain/chain_priv.h"

enum {
    ASKED_MAX = 64,
    OPEN_MAX = 1000,
    WINDOW_MS = 60000,
    WAIT_MAX_MS = 10000, /* for a place in the share */
    NAME_KEPT_MAX = 254, /* one more than a name may have: a longer one stays too long */
};

enum query_state { QUERY_QUEUED = 0, QUERY_ASKED, QUERY_LATER, QUERY_FAILING };

struct mw_query_entry {
    struct mw_link link; /* mw_queries.queued, or .open in any other state */
    struct mw_run *run;
    struct mw_loop_handle *handle;
    enum query_state state;
    enum mw_dns_kind kind;
    size_t name_len;
    char name[NAME_KEPT_MAX];
};

void mw_queries_init(struct mw_live *live)
{
    mw_list_init(&live->queries.open);
    mw_list_init(&live->queries.queued);
}

/* ---- the share ---- */

/* One question costs WINDOW_MS, and a millisecond brings `limit`: whole numbers, however the two
 * divide. */
static void refill(struct mw_queries *queries, uint64_t limit, uint64_t now_ms)
{
    int64_t full = (int64_t)(limit * WINDOW_MS);
    uint64_t passed = now_ms - queries->refilled_ms;
    if (!queries->has_begun || passed >= WINDOW_MS + WAIT_MAX_MS)
        queries->allowance = full;
    else
        queries->allowance += (int64_t)(passed * limit);
    if (queries->allowance > full)
        queries->allowance = full;
    queries->has_begun = true;
    queries->refilled_ms = now_ms;
}

/* Take a place. False: there will be none for too long. *out_wait_ms: until it is there. */
static bool takes_share(struct mw_run *run, const struct mw_instance_services *services,
                        uint64_t *out_wait_ms)
{
    struct mw_queries *queries = &run->live->queries;
    int64_t limit = run->services->query_limit;
    *out_wait_ms = 0;
    if (limit == 0)
        return true;
    refill(queries, (uint64_t)limit, services->now_ms(services->user));
    int64_t left = queries->allowance - WINDOW_MS;
    if (left < -WAIT_MAX_MS * limit)
        return false;
    queries->allowance = left;
    if (left < 0)
        *out_wait_ms = (uint64_t)((-left + limit - 1) / limit);
    return true;
}

static void tell_limit(struct mw_ctx *ctx)
{
    struct mw_run *run = ctx->run;
    mw_instance_tally(mw_ctx_instance(ctx), "query-limit");
    if (run->live->queries.was_told || run->services->log == NULL)
        return;
    run->live->queries.was_told = true;
    char id[MW_RUN_ID_MAX];
    MW_LOG(run->services->log, mw_run_id(run, id), MW_EV_QUERY_LIMIT,
           mw_cstr("filter", mw_ctx_instance(ctx)->name),
           mw_uint("limit", run->services->query_limit));
}

static void give_back(struct mw_run *run)
{
    int64_t full = (int64_t)run->services->query_limit * WINDOW_MS;
    struct mw_queries *queries = &run->live->queries;
    queries->allowance = full - queries->allowance < WINDOW_MS ? full
                                                               : queries->allowance + WINDOW_MS;
}

/* ---- life ---- */

static struct mw_query_entry *query_new(struct mw_run *run, struct mw_loop_handle *handle,
                                        struct mw_slice name, enum mw_dns_kind kind)
{
    struct mw_query_entry *query = mw_xcalloc(1, sizeof *query);
    name = mw_slice_take(name, NAME_KEPT_MAX);
    query->run = run;
    query->handle = handle;
    query->kind = kind;
    query->name_len = name.len;
    if (name.len > 0)
        memcpy(query->name, name.ptr, name.len);
    handle->query = query;
    mw_list_append(&run->live->queries.queued, &query->link);
    run->live->queries.count++;
    return query;
}

/* Its callback runs next, or never. */
static void query_end(struct mw_query_entry *query)
{
    struct mw_queries *queries = &query->run->live->queries;
    queries->count--;
    queries->asked -= query->state == QUERY_ASKED;
    mw_list_remove(&query->link);
    mw_loop_handle_end(query->handle);
    free(query);
}

static void answer(struct mw_loop_handle *handle, const struct mw_dns_answer *answer);

static void on_answer(void *arg, const struct mw_dns_answer *given)
{
    answer(arg, given);
}

static void on_failure(void *arg)
{
    static const struct mw_dns_answer failure = {.size = sizeof failure, .outcome = MW_DNS_FAILURE};
    answer(arg, &failure);
}

static void enter(struct mw_query_entry *query, enum query_state state, void *service)
{
    struct mw_queries *queries = &query->run->live->queries;
    query->state = state;
    query->handle->service = service;
    queries->asked += state == QUERY_ASKED;
    mw_list_remove(&query->link);
    mw_list_append(&queries->open, &query->link);
}

static bool ask(struct mw_query_entry *query)
{
    const struct mw_instance_services *services = query->handle->instance->set->services;
    void *service = services->dns_ask(services->user, MW_SLICE(query->name, query->name_len),
                                      query->kind, on_answer, query->handle);
    if (service == NULL)
        return false;
    enter(query, QUERY_ASKED, service);
    if (services->dns_is_free != NULL && services->dns_is_free(services->user, service))
        give_back(query->run);
    return true;
}

static void fail_soon(struct mw_query_entry *query)
{
    const struct mw_instance_services *services = query->handle->instance->set->services;
    enter(query, QUERY_FAILING,
          services->timer_start(services->user, 0, on_failure, query->handle));
}

/* There is room among those asked. */
static void ask_next(struct mw_run *run)
{
    struct mw_queries *queries = &run->live->queries;
    while (queries->asked < ASKED_MAX && !mw_list_is_empty(&queries->queued)) {
        struct mw_query_entry *query = mw_container_of(queries->queued.next, struct mw_query_entry,
                                                       link);
        if (!ask(query))
            fail_soon(query);
    }
}

static void on_refilled(void *arg)
{
    struct mw_query_entry *query = ((struct mw_loop_handle *)arg)->query;
    query->state = QUERY_QUEUED;
    mw_list_remove(&query->link);
    mw_list_append(&query->run->live->queries.queued, &query->link);
    ask_next(query->run);
}

static void ask_later(struct mw_query_entry *query, uint64_t wait_ms)
{
    const struct mw_instance_services *services = query->handle->instance->set->services;
    enter(query, QUERY_LATER,
          services->timer_start(services->user, wait_ms, on_refilled, query->handle));
}

/* The filter may end the session in its callback: everything of ours is done before. */
static void answer(struct mw_loop_handle *handle, const struct mw_dns_answer *given)
{
    struct mw_instances *set = handle->instance->set;
    struct mw_run *run = handle->query->run;
    void (*fn)(void *user, const struct mw_dns_answer *answer) = handle->answered;
    void *user = handle->user;
    query_end(handle->query);
    ask_next(run);
    mw_instances_hold(set);
    fn(user, given);
    mw_instances_release(set);
}

/* What was never asked has cost nothing. */
static void query_stop(struct mw_query_entry *query)
{
    const struct mw_instance_services *services = query->handle->instance->set->services;
    if (query->state == QUERY_ASKED)
        services->dns_cancel(services->user, query->handle->service);
    else if (query->state == QUERY_FAILING || query->state == QUERY_LATER)
        services->timer_stop(services->user, query->handle->service);
    if (query->state == QUERY_QUEUED || query->state == QUERY_LATER)
        give_back(query->run);
    query_end(query);
}

void mw_query_drop(struct mw_query_entry *query)
{
    struct mw_run *run = query->run;
    query_stop(query);
    ask_next(run);
}

void mw_queries_stop(struct mw_run *run)
{
    mw_list_for_each (link, &run->live->queries.queued)
        query_stop(mw_container_of(link, struct mw_query_entry, link));
    mw_list_for_each (link, &run->live->queries.open)
        query_stop(mw_container_of(link, struct mw_query_entry, link));
}

/* ---- host->query ---- */

struct mw_question *mw_host_query(struct mw_ctx *ctx, struct mw_slice name, enum mw_dns_kind kind,
                                  void (*answered)(void *user, const struct mw_dns_answer *answer),
                                  void *user)
{
    struct mw_live *live = ctx->run->live;
    struct mw_instance *instance = mw_ctx_instance(ctx);
    const struct mw_instance_services *services = mw_loop_services_for(instance, MW_LOOP_QUERY);
    if (answered == NULL || !mw_dns_is_kind(kind) || services == NULL ||
        services->dns_ask == NULL || services->timer_start == NULL || live->is_closing ||
        live->queries.count >= OPEN_MAX)
        return NULL;
    struct mw_loop_handle *handle = mw_loop_handle_new(instance, MW_LOOP_QUERY, user);
    handle->answered = answered;
    struct mw_query_entry *query = query_new(ctx->run, handle, name, kind);
    uint64_t wait_ms;
    if (!takes_share(ctx->run, services, &wait_ms)) {
        tell_limit(ctx);
        fail_soon(query);
    } else if (wait_ms > 0) {
        tell_limit(ctx);
        ask_later(query, wait_ms);
    } else if (live->queries.asked < ASKED_MAX && !ask(query)) {
        query_end(query); /* no resolver */
        return NULL;
    }
    return mw_container_of(handle, struct mw_question, handle);
}
