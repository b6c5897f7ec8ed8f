/* async.c - what takes time: tickets (a verdict that comes later), timers, blocking work.
 *
 * A filter holds our pointers while we may have dropped them already: a timer fired, a client went
 * away, a session closed. So a handle that dies is not freed but goes to the quarantine of its
 * instance set, marked dead, and is reused only when 1,024 others have died after it. Late and
 * double calls find a dead handle and do nothing. */
#include <stdlib.h>

#include "chain/chain_priv.h"

/* ---- quarantine ---- */

void mw_quarantine_init(struct mw_quarantine *quarantine)
{
    mw_list_init(&quarantine->dead);
    quarantine->count = 0;
}

void mw_quarantine_fini(struct mw_quarantine *quarantine)
{
    mw_list_for_each (link, &quarantine->dead)
        free(mw_container_of(link, struct mw_handle, link));
    mw_quarantine_init(quarantine);
}

static void bury(struct mw_quarantine *quarantine, struct mw_handle *handle)
{
    mw_list_remove(&handle->link);
    *handle = (struct mw_handle){.ctx = NULL};
    mw_list_append(&quarantine->dead, &handle->link);
    quarantine->count++;
}

/* A fresh handle: the longest dead one, once there are enough of them. */
static struct mw_handle *handle_new(struct mw_ctx *ctx, enum mw_handle_state state,
                                    void (*fn)(void *user), void *user)
{
    struct mw_quarantine *quarantine = &mw_ctx_instance(ctx)->set->quarantine;
    struct mw_handle *handle;
    if (quarantine->count >= MW_QUARANTINE_MAX) {
        handle = mw_container_of(quarantine->dead.next, struct mw_handle, link);
        mw_list_remove(&handle->link);
        quarantine->count--;
    } else {
        handle = mw_xcalloc(1, sizeof *handle);
    }
    *handle = (struct mw_handle){.ctx = ctx, .fn = fn, .user = user, .state = state};
    return handle;
}

static void handle_end(struct mw_handle *handle)
{
    bury(&mw_ctx_instance(handle->ctx)->set->quarantine, handle);
}

/* ---- tickets ---- */

struct mw_ticket *mw_host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user)
{
    struct mw_live *live = ctx->run->live;
    bool in_hook = live->current == ctx && !live->is_waiting;
    if (!in_hook || live->ticket != NULL || !mw_stage_may_wait(live->stage))
        return NULL;
    struct mw_handle *handle = handle_new(ctx, MW_HANDLE_PARKED, cancelled, user);
    live->ticket = mw_container_of(handle, struct mw_ticket, handle);
    return live->ticket;
}

void mw_host_resume(struct mw_ticket *ticket, enum mw_verdict verdict)
{
    if (ticket == NULL || ticket->handle.state != MW_HANDLE_PARKED)
        return;
    struct mw_run *run = ticket->handle.ctx->run;
    if (!run->live
             ->is_waiting) { /* its hook has not returned yet: check_ticket() takes it from here */
        ticket->handle.state = MW_HANDLE_GIVEN;
        ticket->handle.verdict = verdict;
        return;
    }
    mw_ticket_end(run->live);
    mw_run_resume(run, verdict);
}

void mw_ticket_end(struct mw_live *live)
{
    struct mw_handle *handle = &live->ticket->handle;
    live->ticket = NULL;
    handle_end(handle);
}

void mw_ticket_cancel(struct mw_live *live)
{
    void (*cancelled)(void *user) = live->ticket->handle.fn;
    void *user = live->ticket->handle.user;
    mw_ticket_end(live); /* before the call: a resume from inside it finds a dead ticket */
    if (cancelled != NULL)
        cancelled(user);
}

/* ---- timers ---- */

static void timer_end(struct mw_handle *handle)
{
    handle->ctx->run->live->timer_count--;
    handle_end(handle);
}

static void timer_fired(void *arg)
{
    struct mw_handle *handle = arg;
    void (*fn)(void *user) = handle->fn;
    void *user = handle->user;
    timer_end(handle);
    fn(user); /* may end the session: nothing of ours is touched behind it */
}

struct mw_timer *mw_host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                               void *user)
{
    struct mw_run *run = ctx->run;
    struct mw_live *live = run->live;
    const struct mw_services *services = run->services;
    if (fn == NULL || live->is_closing || live->timer_count >= MW_TIMERS_MAX ||
        services->timer_start == NULL)
        return NULL;
    struct mw_handle *handle = handle_new(ctx, MW_HANDLE_TIMER, fn, user);
    handle->service = services->timer_start(services->user, delay_ms, timer_fired, handle);
    mw_list_append(&live->timers, &handle->link);
    live->timer_count++;
    return mw_container_of(handle, struct mw_timer, handle);
}

static void timer_stop(struct mw_handle *handle)
{
    const struct mw_services *services = handle->ctx->run->services;
    services->timer_stop(services->user, handle->service);
    timer_end(handle);
}

void mw_host_timer_cancel(struct mw_timer *timer)
{
    if (timer != NULL && timer->handle.state == MW_HANDLE_TIMER)
        timer_stop(&timer->handle);
}

void mw_timers_stop(struct mw_run *run)
{
    mw_list_for_each (link, &run->live->timers)
        timer_stop(mw_container_of(link, struct mw_handle, link));
}

/* ---- blocking work ---- */

/* The job holds the instance set, not the session: done() may use the filter's state also after
 * session and configuration are gone. */
struct job {
    struct mw_instances *set;
    void (*run)(void *user);
    void (*done)(void *user);
    void *user;
};

static void job_run(void *arg) /* on a pool thread */
{
    const struct job *job = arg;
    job->run(job->user);
}

static void job_done(void *arg)
{
    struct job job = *(struct job *)arg;
    free(arg);
    if (job.done != NULL)
        job.done(job.user);
    mw_instances_release(job.set);
}

int mw_instances_work(struct mw_instances *set,
                      bool (*queue)(void *user, void (*run)(void *arg), void (*done)(void *arg),
                                    void *arg),
                      void *queue_user, void (*run)(void *user), void (*done)(void *user),
                      void *user)
{
    if (run == NULL || queue == NULL)
        return 0;
    struct job *job = mw_xalloc(sizeof *job);
    *job = (struct job){.set = set, .run = run, .done = done, .user = user};
    if (!queue(queue_user, job_run, job_done, job)) {
        free(job);
        return 0;
    }
    mw_instances_hold(set);
    return 1;
}

int mw_host_work(struct mw_ctx *ctx, void (*run)(void *user), void (*done)(void *user), void *user)
{
    const struct mw_services *services = ctx->run->services;
    return mw_instances_work(mw_ctx_instance(ctx)->set, services->work, services->user, run, done,
                             user);
}
