/* driver_loop.h - a loop's timers and blocking work in the form that filters need them
 * (chain/run.h, struct mw_services). For whoever owns the loop: the driver, and `mailweir simulate`.
 */
#ifndef MW_SESSION_DRIVER_LOOP_H
#define MW_SESSION_DRIVER_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"

/* Zeroed but for the first two is ready. Must outlive all timers and work. */
struct mw_loop_services {
    uv_loop_t *loop;
    uint32_t work_max; /* jobs that may wait for the pool */
    uint32_t work_pending;
};

/* fn(arg) once, from the loop; the handle is for mw_loop_timer_stop until then. */
void *mw_loop_timer_start(struct mw_loop_services *services, uint64_t delay_ms,
                          void (*fn)(void *arg), void *arg);
void mw_loop_timer_stop(void *handle);
/* run(arg) on a thread of the pool, then done(arg) on the loop, always. False: too many wait. */
bool mw_loop_work(struct mw_loop_services *services, void (*run)(void *arg),
                  void (*done)(void *arg), void *arg);

#endif
