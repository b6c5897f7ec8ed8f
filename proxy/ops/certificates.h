/* certificates.h - looks after the TLS files of the configuration in force while a worker serves:
 * takes over renewed ones without a reload, says when one is about to expire, and rotates the keys
 * of session tickets.
 *
 * Files are looked at when something changes in their directories, and every minute in any case
 * (network file systems, links that lead elsewhere tell nothing). Files that do not go together are
 * given a second look before anybody is told: a renewal is two files, and comes in between. Open
 * connections keep what they began with. Not here: reading certificates (net/tls.h), which files
 * there are (config.h). */
#ifndef MW_OPS_CERTIFICATES_H
#define MW_OPS_CERTIFICATES_H

#include <uv.h>

#include "base/log.h"
#include "ops/config.h"

struct mw_certificates;

/* All borrowed, until the close has ended. Nothing is looked after before mw_certificates_watch. */
struct mw_certificates *mw_certificates_new(uv_loop_t *loop, struct mw_log *log,
                                            struct mw_tls_tickets *tickets);
/* This snapshot is in force: its files count from now on, and its certificates' dates are told at
 * once where they are near. Borrowed until the next call or the close. */
void mw_certificates_watch(struct mw_certificates *certificates,
                           const struct mw_snapshot *snapshot);
/* Nothing is done any more; the handles close on the loop. NULL: nothing. */
void mw_certificates_close(struct mw_certificates **certificates);

#endif
