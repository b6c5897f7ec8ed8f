/* driver_loop.c - see driver_loop.h. */
#include "session/driver_loop.h"

#include <stdlib.h>

/* ---- timers ---- */

struct filter_timer {
    uv_timer_t timer;
    void (*fn)(void *arg);
    void *arg;
};

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mw_loop_timer_stop(void *handle)
{
    struct filter_timer *timer = handle;
    uv_close((uv_handle_t *)&timer->timer, timer_closed);
}

static void timer_fired(uv_timer_t *handle)
{
    struct filter_timer *timer = handle->data;
    void (*fn)(void *arg) = timer->fn;
    void *arg = timer->arg;
    mw_loop_timer_stop(timer);
    fn(arg);
}

void *mw_loop_timer_start(struct mw_loop_services *services, uint64_t delay_ms,
                          void (*fn)(void *arg), void *arg)
{
    struct filter_timer *timer = mw_xcalloc(1, sizeof *timer);
    timer->fn = fn;
    timer->arg = arg;
    uv_timer_init(services->loop, &timer->timer);
    timer->timer.data = timer;
    uv_timer_start(&timer->timer, timer_fired, delay_ms, 0);
    return timer;
}

/* ---- blocking work ---- */

struct filter_work {
    uv_work_t work;
    struct mw_loop_services *services;
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void work_run(uv_work_t *work)
{
    struct filter_work *job = work->data;
    job->run(job->arg);
}

static void work_done(uv_work_t *work, int status)
{
    (void)status;
    struct filter_work *job = work->data;
    job->services->work_pending--;
    job->done(job->arg);
    free(job);
}

bool mw_loop_work(struct mw_loop_services *services, void (*run)(void *arg),
                  void (*done)(void *arg), void *arg)
{
    if (services->work_pending >= services->work_max)
        return false;
    struct filter_work *job = mw_xcalloc(1, sizeof *job);
    *job = (struct filter_work){.services = services, .run = run, .done = done, .arg = arg};
    job->work.data = job;
    services->work_pending++;
    uv_queue_work(services->loop, &job->work, work_run, work_done);
    return true;
}
