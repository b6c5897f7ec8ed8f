/* serving.h - a loaded configuration in service without sockets: a loop, a resolver and what else
 * filters may ask for (chain/plugin.h, struct mw_instance_services), for simulate, explain and
 * replay.
 *
 * One a loaded configuration; any number of simulated sessions, one after the other. */
#ifndef MW_CLI_SERVING_H
#define MW_CLI_SERVING_H

#include <uv.h>

#include "base/log.h"
#include "cli/cli_priv.h"
#include "net/conn.h"
#include "session/driver_loop.h"

struct mw_serving {
    struct mw_cli_loaded *loaded; /* borrowed */
    uv_loop_t loop;
    struct mw_net net;
    struct mw_log *log; /* in memory: what filters say without a session, too */
    struct mw_loop_services services;
    struct mw_instance_services instance_services;
};

/* Every filter's start() is called. `loaded` without errors; `level`: what the log keeps. EX_OK, or
 * it was said on stderr what is wrong; _end also then. */
int mw_serving_begin(struct mw_serving *serving, struct mw_cli_loaded *loaded,
                     enum mw_log_level level);
/* No session is left. loaded->snapshot goes with it: filters are closed while there is a loop. A
 * zeroed one is fine. */
void mw_serving_end(struct mw_serving *serving);

#endif
