/* probe_priv.h - what the two files of the upstream probe share: probe.c asks, probe_tell.c tells.
 */
#ifndef MW_CLI_PROBE_PRIV_H
#define MW_CLI_PROBE_PRIV_H

#include "cli/probe.h"
#include "cli/wire.h"
#include "smtp/ehlo.h"

enum mw_finding { MW_FINDING_OK = 0, MW_FINDING_WARNING, MW_FINDING_FAILED };

struct mw_probe {
    const struct mw_snapshot *snapshot;
    const struct mw_upstream_settings *upstream;
    const struct mw_endpoint *address;
    FILE *out;
    struct mw_wire wire;
    struct mw_ehlo ehlo;
    uint64_t step_us;      /* when the step at hand began; 0: there is nothing to be timed */
    bool is_before_queue;  /* all listeners in front take XFORWARD: another server judges clients */
    bool has_no_tls;       /* opportunistic, and the handshake failed: once more in the clear */
    bool is_stranger;      /* the server takes us for the stranger */
    bool is_refused_there; /* ... and refuses it at once */
    bool is_relaying;
    bool is_unreachable, is_wrong;
};

/* A step begins: the time of the next finding counts from here. */
void mw_probe_begin_step(struct mw_probe *probe);
/* `advice`: NULL, or what to do. MW_FINDING_FAILED makes the upstream wrong; what is merely not
 * reachable says so itself. */
void mw_probe_tell(struct mw_probe *probe, enum mw_finding finding, const char *step,
                   struct mw_slice words, const char *advice);
/* The step failed as probe->wire says. Returns false. */
bool mw_probe_tell_wire(struct mw_probe *probe, const char *step, const char *advice);
/* With the server's reply: the code once, then every line. */
void mw_probe_tell_reply(struct mw_probe *probe, enum mw_finding finding, const char *step,
                         const struct mw_reply *reply, const char *advice);

#endif
