/* driver_loop.c - see driver_loop.h. */
#include "session/driver_loop.h"

#include <mailweir/filter.h>
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

/* ---- watched descriptors ---- */

struct filter_watch {
    uv_poll_t poll;
    void (*fn)(void *arg, uint32_t events);
    void *arg;
};

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* libuv stops a handle whose descriptor has an error pending, and says so once. Its owner learns
 * what it is by reading or writing: so it hears of both. */
static void watch_ready(uv_poll_t *poll, int status, int ready)
{
    const struct filter_watch *watch = poll->data;
    uint32_t events = 0;
    if (status < 0)
        events = MW_WATCH_READ | MW_WATCH_WRITE | MW_WATCH_ERROR;
    if (ready & UV_READABLE)
        events |= MW_WATCH_READ;
    if (ready & UV_WRITABLE)
        events |= MW_WATCH_WRITE;
    watch->fn(watch->arg, events);
}

void mw_loop_watch_change(void *handle, uint32_t events)
{
    struct filter_watch *watch = handle;
    int wanted = ((events & MW_WATCH_READ) ? UV_READABLE : 0) |
                 ((events & MW_WATCH_WRITE) ? UV_WRITABLE : 0);
    if (wanted == 0)
        uv_poll_stop(&watch->poll);
    else
        uv_poll_start(&watch->poll, wanted, watch_ready);
}

void *mw_loop_watch_start(struct mw_loop_services *services, int fd, uint32_t events,
                          void (*fn)(void *arg, uint32_t events), void *arg)
{
    struct filter_watch *watch = mw_xcalloc(1, sizeof *watch);
    *watch = (struct filter_watch){.fn = fn, .arg = arg};
    if (uv_poll_init(services->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    mw_loop_watch_change(watch, events);
    return watch;
}

void mw_loop_watch_stop(void *handle)
{
    struct filter_watch *watch = handle;
    uv_close((uv_handle_t *)&watch->poll, watch_closed);
}
