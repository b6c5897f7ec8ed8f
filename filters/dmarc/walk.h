/* walk.h - the DNS tree walk: which domain an address's domain belongs to, and which record speaks for it (RFC 9989 4.10).
 *
 * Pure. The names of one walk are asked for together and not one after the other: the walk is as fast as the slowest answer, at the price
 * of a question or two above a "psd=" that would have ended it. */
#ifndef DMARC_WALK_H
#define DMARC_WALK_H

#include "answers.h"

enum { WALK_MAX = 8 }; /* names of one walk (RFC 9989 4.10) */

/* The domains whose records a walk from `domain` asks for, longest first, as views of it. Returns their number, 1 to WALK_MAX. */
size_t walk_names(struct mw_slice domain, struct mw_slice out[WALK_MAX]);

enum walk_state { WALK_WAITS = 0, WALK_DONE, WALK_FAILED };
struct walk {
    struct mw_slice
        organization; /* the organizational domain (4.10.2), a view of the domain that was given */
    const struct dmarc_record
        *record; /* the one that is to be applied to that domain (4.10.1); NULL: there is none */
    struct mw_slice record_domain; /* where it stands */
    bool has_several;              /* some name on the way has more records than one */
};
/* `domain` in normal form. *out is set for WALK_DONE. */
enum walk_state walk_run(struct answers *answers, struct mw_slice domain, struct walk *out);

#endif
