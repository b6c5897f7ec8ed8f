/* worker.h - one process that serves: a loop, a snapshot, its listeners, sessions and log.
 *
 * Life: mw_worker_new -> mw_worker_start (configuration, sockets, privileges, log; prints what is
 * wrong) -> mw_worker_run (until a signal has ended it) -> mw_worker_free. Everything hangs off the
 * struct, nothing is global, so that a later master can fork several.
 *
 * Signals:
 *   TERM, INT  drain: no new connections, open sessions end at their next boundary, after
 *              drain-timeout at once; a second one ends them now
 *   HUP        log file opened anew, configuration loaded anew: whole, or the old one stays in force
 *   USR1       counters to the log */
#ifndef MW_OPS_WORKER_H
#define MW_OPS_WORKER_H

#include "base/err.h"

struct mw_worker;

/* `config_path` is borrowed. */
struct mw_worker *mw_worker_new(const char *config_path);
/* 0 when all listeners accept (READY was printed), else an exit status of sysexits.h after saying
 * why on stderr. */
MW_MUST_USE int mw_worker_start(struct mw_worker *worker);
/* Serve. Returns the exit status: 0 after an orderly end. */
MW_MUST_USE int mw_worker_run(struct mw_worker *worker);
/* Also half-built, and NULL. */
void mw_worker_free(struct mw_worker **worker);

#endif
