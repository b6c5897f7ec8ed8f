/* probe.h - `mailweir check --upstream`: asks every upstream what a configuration can only hope
 * for: that it answers, takes the clients' identity, and refuses to relay for a stranger.
 *
 * Each address gets one dialogue: greeting, TLS as configured, EHLO, the identity of a stranger
 * (192.0.2.1, RFC 5737), a recipient in a foreign domain (example.net, RFC 2606), RSET, QUIT. No
 * message is ever sent. Blocking: for a command, not for the service. */
#ifndef MW_CLI_PROBE_H
#define MW_CLI_PROBE_H

#include <stdio.h>

#include "session/settings.h"

/* Probe every address of every upstream that a listener uses; one line a step to `out`. Returns
 * EX_OK; EX_UNAVAILABLE when an address gave no greeting; EXIT_FAILURE when one was found that is
 * not as configured (identity not taken, an open relay, TLS not possible, no SMTP), whatever else
 * there was. */
int mw_probe_upstreams(const struct mw_snapshot *snapshot, FILE *out);

#endif
