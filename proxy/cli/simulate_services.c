/* simulate_services.c - timers and blocking work for the filters of the one simulated session
 * (chain/run.h, struct mw_services). */
#include "cli/simulate_priv.h"

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    return mw_loop_timer_start(&((struct mw_simulation *)user)->serving->services, delay_ms, fn,
                               arg);
}

static void timer_stop(void *user, void *handle)
{
    (void)user;
    mw_loop_timer_stop(handle);
}

static bool work_queue(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    return mw_loop_work(&((struct mw_simulation *)user)->serving->services, run, done, arg);
}

static uint64_t now_ms(void *user)
{
    return uv_now(&((struct mw_simulation *)user)->serving->loop);
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
        .trace = sim->trace != NULL ? sim->trace : mw_note_trace,
        .explain = sim->explain,
        .log = sim->serving->log,
    };
}
