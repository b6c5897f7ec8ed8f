/* driver_loop.h - a loop's timers, blocking work and watched descriptors in the form that filters
 * need them (chain/run.h, struct mw_services; chain/plugin.h, struct mw_instance_services). For
 * whoever owns the loop: the driver, and `mailweir simulate`. */
#ifndef MW_SESSION_DRIVER_LOOP_H
#define MW_SESSION_DRIVER_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "chain/plugin.h"
#include "net/resolver.h"

/* Zeroed but for the first two is ready. Must outlive all timers, work, watches and questions. */
struct mw_loop_services {
    uv_loop_t *loop;
    uint32_t work_max; /* jobs that may wait for the pool */
    uint32_t work_pending;
    struct mw_resolver *resolver; /* NULL: filters ask the DNS nothing. Borrowed */
};

/* fn(arg) once, from the loop; the handle is for mw_loop_timer_stop until then. */
void *mw_loop_timer_start(struct mw_loop_services *services, uint64_t delay_ms,
                          void (*fn)(void *arg), void *arg);
void mw_loop_timer_stop(void *handle);
/* run(arg) on a thread of the pool, then done(arg) on the loop, always. False: too many wait. */
bool mw_loop_work(struct mw_loop_services *services, void (*run)(void *arg),
                  void (*done)(void *arg), void *arg);
/* fn(arg, events) whenever the descriptor is ready, with bits of enum mw_watch_event
 * (<mailweir/filter.h>); behind MW_WATCH_ERROR it is paused. The descriptor becomes non-blocking.
 * NULL: it cannot be watched (a file), or is watched already. */
void *mw_loop_watch_start(struct mw_loop_services *services, int fd, uint32_t events,
                          void (*fn)(void *arg, uint32_t events), void *arg);
/* 0: pause. */
void mw_loop_watch_change(void *handle, uint32_t events);
/* The descriptor may be closed afterwards, and not before. */
void mw_loop_watch_stop(void *handle);

/* ---- driver_filters.c ---- */

/* All of it for filters without a session (mw_instances_serve). `services` is borrowed: every set of
 * instances that has these must be closed before it goes, and before its resolver goes. */
void mw_loop_instance_services(struct mw_loop_services *services, struct mw_log *log,
                               struct mw_instance_services *out_services);

#endif
