/* simulate_services.c - timers and blocking work for the filters of the one simulated session
 * (chain/run.h, struct mw_services); session/driver_services.c in small. */
#include <stdlib.h>

#include "cli/simulate_priv.h"

enum { WORK_MAX = 100 }; /* jobs on the pool */

struct filter_timer {
    uv_timer_t timer;
    void (*fn)(void *arg);
    void *arg;
};

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void timer_stop(void *user, void *handle)
{
    (void)user;
    struct filter_timer *timer = handle;
    uv_close((uv_handle_t *)&timer->timer, timer_closed);
}

static void timer_fired(uv_timer_t *handle)
{
    struct filter_timer *timer = handle->data;
    void (*fn)(void *arg) = timer->fn;
    void *arg = timer->arg;
    uv_close((uv_handle_t *)&timer->timer, timer_closed);
    fn(arg);
}

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    struct mw_simulation *sim = user;
    struct filter_timer *timer = mw_xcalloc(1, sizeof *timer);
    timer->fn = fn;
    timer->arg = arg;
    uv_timer_init(&sim->loop, &timer->timer);
    timer->timer.data = timer;
    uv_timer_start(&timer->timer, timer_fired, delay_ms, 0);
    return timer;
}

struct filter_work {
    uv_work_t work;
    struct mw_simulation *sim;
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
    job->sim->work_pending--;
    job->done(job->arg);
    free(job);
}

static bool work_queue(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    struct mw_simulation *sim = user;
    if (sim->work_pending >= WORK_MAX)
        return false;
    struct filter_work *job = mw_xcalloc(1, sizeof *job);
    *job = (struct filter_work){.sim = sim, .run = run, .done = done, .arg = arg};
    job->work.data = job;
    sim->work_pending++;
    uv_queue_work(&sim->loop, &job->work, work_run, work_done);
    return true;
}

static uint64_t now_ms(void *user)
{
    return uv_now(&((struct mw_simulation *)user)->loop);
}

/* Taken up by mw_simulation_go_on: never inside an event of the session. */
static void decided(void *user)
{
    ((struct mw_simulation *)user)->is_decided = true;
}

void mw_simulation_services(struct mw_simulation *sim)
{
    sim->services = (struct mw_services){
        .user = sim,
        .now_ms = now_ms,
        .timer_start = timer_start,
        .timer_stop = timer_stop,
        .work = work_queue,
        .decided = decided,
        .trace = mw_note_trace,
        .log = sim->log,
    };
}
