/* host_loop.c - what an instance may ask of the loop without a session: descriptors to watch,
 * alarms, questions to the DNS, blocking work; and its lines in the log, its counts, its clock, and
 * its reasons.
 *
 * Life-times. The services are the driver's and outlive every instance. An instance may ask from
 * its start() to its close(), so an old load of the configuration goes on as before until its last
 * session has gone. When its owner lets the set go (mw_loop_quiet), alarms and questions end and
 * watches pause: what comes back to a filter from then on is done() of its jobs, and close(), behind
 * the last of them. close() ends its watches; what it forgets is ended for it, and told. While a
 * callback of ours runs the set is held: a callback that ends the last session of an old load must
 * not find its own state freed.
 *
 * Handles. As with tickets (async.c) a dead handle is kept for a while, so that ending it again, or
 * late, does nothing. A handle is dead before its callback runs where that comes once only. */
#include <stdlib.h>
#include <time.h>

#include "chain/chain_priv.h"

struct mw_watch {
    struct mw_loop_handle handle;
};
struct mw_alarm {
    struct mw_loop_handle handle;
};

/* What one instance may have under way. */
static const size_t kind_max[MW_LOOP_KINDS] = {[MW_LOOP_WATCH] = 256,
                                               [MW_LOOP_ALARM] = 1000,
                                               [MW_LOOP_QUESTION] = 10000,
                                               [MW_LOOP_QUERY] = 100000};

enum { WATCH_ASKABLE = MW_WATCH_READ | MW_WATCH_WRITE, LOG_PAIRS_MAX = 24 };

/* ---- handles ---- */

void mw_loop_init(struct mw_instance *instance)
{
    for (size_t i = 0; i < MW_LOOP_KINDS; i++)
        mw_list_init(&instance->loop[i].handles);
}

void mw_loop_quarantine_fini(struct mw_instances *set)
{
    mw_list_for_each (link, &set->loop_dead.dead)
        free(mw_container_of(link, struct mw_loop_handle, link));
    mw_quarantine_init(&set->loop_dead);
}

void mw_loop_handle_end(struct mw_loop_handle *handle)
{
    struct mw_instance *instance = handle->instance;
    struct mw_quarantine *dead = &instance->set->loop_dead;
    mw_list_remove(&handle->link);
    instance->loop[handle->kind].count--;
    *handle = (struct mw_loop_handle){.kind = handle->kind};
    mw_list_append(&dead->dead, &handle->link);
    dead->count++;
}

const struct mw_instance_services *mw_loop_services_for(const struct mw_instance *instance,
                                                        enum mw_loop_kind kind)
{
    const struct mw_instances *set = instance->set;
    bool may_ask = instance->is_started && !set->is_orphan &&
                   instance->loop[kind].count < kind_max[kind];
    return may_ask ? set->services : NULL;
}

/* A fresh handle, on its instance's list: the longest dead one, once there are enough of them. */
struct mw_loop_handle *mw_loop_handle_new(struct mw_instance *instance, enum mw_loop_kind kind,
                                          void *user)
{
    struct mw_quarantine *dead = &instance->set->loop_dead;
    struct mw_loop_handle *handle;
    if (dead->count >= MW_QUARANTINE_MAX) {
        handle = mw_container_of(dead->dead.next, struct mw_loop_handle, link);
        mw_list_remove(&handle->link);
        dead->count--;
    } else {
        handle = mw_xcalloc(1, sizeof *handle);
    }
    *handle = (struct mw_loop_handle){.instance = instance, .user = user, .kind = kind};
    mw_list_append(&instance->loop[kind].handles, &handle->link);
    instance->loop[kind].count++;
    return handle;
}

/* The loop's part of a handle, or NULL where it could not be had: then there is no handle either.
 */
static struct mw_loop_handle *started(struct mw_loop_handle *handle, void *service)
{
    handle->service = service;
    if (service != NULL)
        return handle;
    mw_loop_handle_end(handle);
    return NULL;
}

static bool is_alive(const struct mw_loop_handle *handle)
{
    return handle != NULL && handle->instance != NULL;
}

/* ---- watches ---- */

static void watch_ready(void *arg, uint32_t events)
{
    struct mw_loop_handle *handle = arg;
    struct mw_instances *set = handle->instance->set;
    mw_instances_hold(set);
    handle->ready(handle->user, events);
    mw_instances_release(set);
}

struct mw_watch *mw_host_watch(struct mw_instance *instance, int fd, uint32_t events,
                               void (*fn)(void *user, uint32_t events), void *user)
{
    const struct mw_instance_services *services = mw_loop_services_for(instance, MW_LOOP_WATCH);
    if (fn == NULL || fd < 0 || services == NULL || services->watch_start == NULL)
        return NULL;
    struct mw_loop_handle *handle = mw_loop_handle_new(instance, MW_LOOP_WATCH, user);
    handle->ready = fn;
    handle = started(handle, services->watch_start(services->user, fd, events & WATCH_ASKABLE,
                                                   watch_ready, handle));
    return handle == NULL ? NULL : mw_container_of(handle, struct mw_watch, handle);
}

void mw_host_watch_change(struct mw_watch *watch, uint32_t events)
{
    if (watch == NULL || !is_alive(&watch->handle))
        return;
    const struct mw_instances *set = watch->handle.instance->set;
    if (!set->is_orphan)
        set->services->watch_change(set->services->user, watch->handle.service,
                                    events & WATCH_ASKABLE);
}

void mw_host_watch_end(struct mw_watch *watch)
{
    if (watch == NULL || !is_alive(&watch->handle))
        return;
    const struct mw_instance_services *services = watch->handle.instance->set->services;
    services->watch_stop(services->user, watch->handle.service);
    mw_loop_handle_end(&watch->handle);
}

/* ---- alarms ---- */

static void alarm_due(void *arg)
{
    struct mw_loop_handle *handle = arg;
    struct mw_instances *set = handle->instance->set;
    void (*fn)(void *user) = handle->due;
    void *user = handle->user;
    mw_loop_handle_end(handle);
    mw_instances_hold(set);
    fn(user);
    mw_instances_release(set);
}

struct mw_alarm *mw_host_alarm(struct mw_instance *instance, uint64_t delay_ms,
                               void (*fn)(void *user), void *user)
{
    const struct mw_instance_services *services = mw_loop_services_for(instance, MW_LOOP_ALARM);
    if (fn == NULL || services == NULL || services->timer_start == NULL)
        return NULL;
    struct mw_loop_handle *handle = mw_loop_handle_new(instance, MW_LOOP_ALARM, user);
    handle->due = fn;
    handle = started(handle, services->timer_start(services->user, delay_ms, alarm_due, handle));
    return handle == NULL ? NULL : mw_container_of(handle, struct mw_alarm, handle);
}

static void alarm_stop(struct mw_loop_handle *handle)
{
    const struct mw_instance_services *services = handle->instance->set->services;
    services->timer_stop(services->user, handle->service);
    mw_loop_handle_end(handle);
}

void mw_host_alarm_cancel(struct mw_alarm *alarm)
{
    if (alarm != NULL && is_alive(&alarm->handle))
        alarm_stop(&alarm->handle);
}

/* ---- questions ---- */

static void question_answered(void *arg, const struct mw_dns_answer *answer)
{
    struct mw_loop_handle *handle = arg;
    struct mw_instances *set = handle->instance->set;
    void (*fn)(void *user, const struct mw_dns_answer *answer) = handle->answered;
    void *user = handle->user;
    mw_loop_handle_end(handle);
    mw_instances_hold(set);
    fn(user, answer);
    mw_instances_release(set);
}

bool mw_dns_is_kind(enum mw_dns_kind kind)
{
    return kind == MW_DNS_ADDRESS4 || kind == MW_DNS_ADDRESS6 || kind == MW_DNS_NAME_OF ||
           kind == MW_DNS_MAIL_EXCHANGER || kind == MW_DNS_STRINGS;
}

struct mw_question *mw_host_dns(struct mw_instance *instance, struct mw_slice name,
                                enum mw_dns_kind kind,
                                void (*answered)(void *user, const struct mw_dns_answer *answer),
                                void *user)
{
    const struct mw_instance_services *services = mw_loop_services_for(instance, MW_LOOP_QUESTION);
    if (answered == NULL || !mw_dns_is_kind(kind) || services == NULL || services->dns_ask == NULL)
        return NULL;
    struct mw_loop_handle *handle = mw_loop_handle_new(instance, MW_LOOP_QUESTION, user);
    handle->answered = answered;
    handle = started(handle,
                     services->dns_ask(services->user, name, kind, question_answered, handle));
    return handle == NULL ? NULL : mw_container_of(handle, struct mw_question, handle);
}

static void question_stop(struct mw_loop_handle *handle)
{
    const struct mw_instance_services *services = handle->instance->set->services;
    services->dns_cancel(services->user, handle->service);
    mw_loop_handle_end(handle);
}

void mw_host_dns_cancel(struct mw_question *question)
{
    if (question == NULL || !is_alive(&question->handle))
        return;
    if (question->handle.query != NULL)
        mw_query_drop(question->handle.query);
    else
        question_stop(&question->handle);
}

/* ---- the end ---- */

void mw_loop_quiet(struct mw_instances *set)
{
    for (struct mw_instance *instance = set->first; instance != NULL; instance = instance->next) {
        mw_list_for_each (link, &instance->loop[MW_LOOP_ALARM].handles)
            alarm_stop(mw_container_of(link, struct mw_loop_handle, link));
        mw_list_for_each (link, &instance->loop[MW_LOOP_QUESTION].handles)
            question_stop(mw_container_of(link, struct mw_loop_handle, link));
        mw_list_for_each (link, &instance->loop[MW_LOOP_WATCH].handles)
            set->services->watch_change(set->services->user,
                                        mw_container_of(link, struct mw_loop_handle, link)->service,
                                        0);
    }
    set->is_orphan = true;
}

void mw_loop_fini(struct mw_instance *instance)
{
    const struct mw_instance_services *services = instance->set->services;
    struct mw_loop_list *watches = &instance->loop[MW_LOOP_WATCH];
    if (watches->count == 0)
        return;
    MW_LOG(services->log, MW_EMPTY, MW_EV_PROBLEM,
           mw_cstr("text", "a filter was closed and still watched descriptors: its watches were "
                           "ended; tell its author"),
           mw_cstr("filter", mw_instance_name(instance)), mw_uint("watches", watches->count));
    mw_list_for_each (link, &watches->handles) {
        struct mw_loop_handle *handle = mw_container_of(link, struct mw_loop_handle, link);
        services->watch_stop(services->user, handle->service);
        mw_loop_handle_end(handle);
    }
}

/* ---- blocking work ---- */

int mw_host_job(struct mw_instance *instance, void (*run)(void *user), void (*done)(void *user),
                void *user)
{
    struct mw_instances *set = instance->set;
    if (!instance->is_started || set->is_orphan)
        return 0;
    return mw_instances_work(set, set->services->work, set->services->user, run, done, user);
}

/* ---- telling ---- */

void mw_instance_log(const struct mw_instance *instance, struct mw_log *log, struct mw_slice id,
                     enum mw_log_level level, const char *event, const struct mw_log_pair *pairs,
                     size_t count)
{
    if (log == NULL || event == NULL || (unsigned)level > MW_LOG_ERROR || !mw_log_wants(log, level))
        return;
    struct mw_log_field fields[1 + LOG_PAIRS_MAX] = {mw_cstr("filter", mw_instance_name(instance))};
    size_t n = 1;
    for (size_t i = 0; i < count && n <= LOG_PAIRS_MAX; i++)
        fields[n++] = mw_text(pairs[i].key, pairs[i].value);
    mw_log_named(log, level, mw_slice_cstr(event), id, fields, n);
}

void mw_host_note(struct mw_instance *instance, enum mw_log_level level, const char *event,
                  const struct mw_log_pair *pairs, size_t count)
{
    const struct mw_instance_services *services = instance->set->services;
    if (services != NULL)
        mw_instance_log(instance, services->log, MW_EMPTY, level, event, pairs, count);
}

void mw_host_tally(struct mw_instance *instance, int counter_id, uint64_t by)
{
    const struct mw_instances *set = instance->set;
    if (counter_id < 0 || (size_t)counter_id >= set->counter_count ||
        set->counters[counter_id].instance != instance)
        return;
    set->counters[counter_id].value += by;
}

/* The loop's clock stands still within a turn and may be a little behind the system's, which is
 * asked before there is a loop: it must not seem to go back between the two. */
uint64_t mw_host_clock_ms(struct mw_instance *instance)
{
    struct mw_instances *set = instance->set;
    struct timespec now;
    uint64_t ms;
    if (set->services != NULL) {
        ms = set->services->now_ms(set->services->user);
    } else {
        clock_gettime(CLOCK_MONOTONIC, &now);
        ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    }
    if (ms > set->clock_ms)
        set->clock_ms = ms;
    return set->clock_ms;
}

/* ---- why ---- */

int mw_host_is_explained(struct mw_ctx *ctx)
{
    return ctx->run->services->explain != NULL;
}

void mw_host_explain(struct mw_ctx *ctx, uint32_t depth, struct mw_slice text)
{
    const struct mw_services *services = ctx->run->services;
    if (services->explain != NULL)
        services->explain(services->user, mw_instance_name(mw_ctx_instance(ctx)), depth, text);
}
