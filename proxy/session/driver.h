/* driver.h - the glue between sockets and the pure session: reads become events, queues become
 * writes, timers, the chain's waits and the spool's file jobs are looked after. One driver a
 * worker. The only file of session/ that knows net/ and libuv. */
#ifndef MW_SESSION_DRIVER_H
#define MW_SESSION_DRIVER_H

#include "base/log.h"
#include "message/spool.h"
#include "net/conn.h"
#include "net/resolver.h"
#include "session/settings.h"

struct mw_driver;

struct mw_handshake_stats {
    uint64_t done, failed;
    uint64_t resumed; /* of those done */
};

/* Totals since the start, for status, metrics and tests. */
struct mw_driver_stats {
    uint64_t sessions_open, sessions_total, sessions_refused;
    uint64_t messages_accepted, messages_refused, messages_discarded, messages_lost;
    uint64_t octets_in, octets_out;
    struct mw_handshake_stats client_handshakes, upstream_handshakes;
};

/* `net`, `log` and `files` are borrowed and must outlive the driver. */
struct mw_driver *mw_driver_new(struct mw_net *net, struct mw_log *log,
                                struct mw_spool_files *files);
/* The resolver for clients' names and filters' questions (NULL: nothing is looked up). Borrowed;
 * before it goes, set NULL: no question may be under way then. */
void mw_driver_set_resolver(struct mw_driver *driver, struct mw_resolver *resolver);
/* What the driver's loop does for filters without a session (mw_instances_serve). Part of the
 * driver, and so of no load of the configuration: an old one keeps it until its last session has
 * gone. Every set of instances that has it must be closed before the driver is freed. */
const struct mw_instance_services *mw_driver_instance_services(const struct mw_driver *driver);
/* Only when no session is left (see mw_driver_stop). */
void mw_driver_free(struct mw_driver **driver);

/* Take over an accepted socket as a session of `listen` (which is part of `snapshot`; a reference
 * is taken). Never fails: what cannot be served is told so (421) and closed. */
void mw_driver_accept(struct mw_driver *driver, struct mw_snapshot *snapshot,
                      const struct mw_listen_settings *listen, int fd,
                      const struct sockaddr_storage *peer);

/* Begin to drain: idle sessions get 421 4.3.2 now, others when their transaction is over.
 * `on_empty(user)` once no session is left (from the loop, never from inside this call). */
void mw_driver_drain(struct mw_driver *driver, void (*on_empty)(void *user), void *user);
/* End every session now: those inside a transaction get 421 4.3.2 too (nothing of theirs was
 * acknowledged). */
void mw_driver_stop(struct mw_driver *driver);
/* SIGHUP with a log opened anew or similar: the driver's log from now on. */
void mw_driver_stats(const struct mw_driver *driver, struct mw_driver_stats *out_stats);

#endif
