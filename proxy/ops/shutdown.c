/* shutdown.c - how a worker ends.
 *
 *   SERVING -- signal --> DRAINING -- no session left --------------------------> ENDED
 *                            |  second signal, or drain-timeout
 *                            +--> STOPPING -- no session left ------------------> ENDED
 *                                    |  GRACE_MS: something does not come back
 *                                    +--> the process ends as it is
 * Nothing acknowledged can be lost by any of these: a client has its 250 after the upstream's only.
 */
#include <sysexits.h>
#include <unistd.h>

#include "ops/process.h"
#include "ops/worker_priv.h"

enum { GRACE_MS = 5000 };

static struct mw_worker *worker_of(const uv_timer_t *timer)
{
    return mw_container_of(timer, struct mw_worker, deadline);
}

static void on_grace_over(uv_timer_t *timer)
{
    struct mw_worker *worker = worker_of(timer);
    MW_LOG(
        worker->log, MW_EMPTY, MW_EV_PROBLEM,
        mw_cstr("text", "sessions or filters did not end in time; the process ends without them"));
    mw_log_flush(worker->log);
    _exit(EX_SOFTWARE);
}

/* From the loop, once, when the driver has no session left. */
static void on_empty(void *user)
{
    struct mw_worker *worker = user;
    worker->phase = MW_WORKER_ENDED;
    mw_worker_log_counters(worker, false);
    mw_worker_close_handles(worker);
    /* what still runs is a filter's blocking work on the pool: bounded, too, but not kept waiting
     * for */
    uv_timer_start(&worker->deadline, on_grace_over, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&worker->deadline);
}

static void stop_now(struct mw_worker *worker)
{
    worker->phase = MW_WORKER_STOPPING;
    uv_timer_start(&worker->deadline, on_grace_over, GRACE_MS, 0);
    mw_driver_stop(worker->driver);
}

static void on_drain_over(uv_timer_t *timer)
{
    stop_now(worker_of(timer));
}

void mw_worker_end(struct mw_worker *worker)
{
    struct mw_driver_stats stats;
    if (worker->phase == MW_WORKER_DRAINING)
        stop_now(worker);
    if (worker->phase != MW_WORKER_SERVING)
        return;
    worker->phase = MW_WORKER_DRAINING;
    mw_process_notify("STOPPING=1");
    mw_driver_stats(worker->driver, &stats);
    MW_LOG(worker->log, MW_EMPTY, MW_EV_DRAINING, mw_uint("sessions", stats.sessions_open),
           mw_seconds("timeout", worker->drain_timeout_ms));
    mw_listening_close_all(worker);
    mw_control_close(&worker->control); /* the next process may want its place already */
    uv_timer_start(&worker->deadline, on_drain_over, worker->drain_timeout_ms, 0);
    mw_driver_drain(worker->driver, on_empty, worker);
}

/* No session is left, so ours is the last reference to the snapshot: with it the filters are closed,
 * or (with blocking work under way) at least ask nothing any more. Only then may the resolver go. */
void mw_worker_close_handles(struct mw_worker *worker)
{
    for (size_t i = 0; i < MW_WORKER_SIGNALS; i++)
        uv_close((uv_handle_t *)&worker->signals[i], NULL);
    uv_close((uv_handle_t *)&worker->flush, NULL);
    mw_certificates_close(&worker->certificates);
    mw_snapshot_unref(&worker->snapshot);
    mw_driver_set_resolver(worker->driver, NULL);
    mw_resolver_free(&worker->resolver);
    worker->has_handles = false;
}
