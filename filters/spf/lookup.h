/* lookup.h - checks (check.h) that run: their questions go to the host's resolver, their answers come back, and what came of them is kept for the
 * session.
 *
 * A session asks about one sender once: 100 messages of it within LOOKUP_KEEP_MS cost one check. At most LOOKUPS_MAX results are kept, as copies; a
 * check and its memory live only while it runs. Running checks belong to the transaction at hand: lookups_release() ends them. */
#ifndef SPF_LOOKUP_H
#define SPF_LOOKUP_H

#include "check.h"

enum {
    LOOKUPS_MAX = 16, /* of a session */
    LOOKUP_KEEP_MS = 300000,
    LOOKUP_KEEP_ERROR_MS = 10000, /* a temperror: the next message may have better luck */
};

struct lookup;
struct lookups {
    const struct mw_host *host;
    struct mw_ctx *ctx;
    struct spf_setup setup; /* of every check; wants_explanation and time are filled in */
    uint64_t limit_ms;      /* for one check */
    /* Called when a check has ended, from the loop; whoever it belongs to may be gone afterwards. Never from inside lookups_begin(). */
    void (*ended)(void *user);
    void *user;
    struct lookup *first;
    size_t count;
};

/* Begin to check; what is known already is taken as it is (*out_is_known). All of `sender` is copied. Never NULL; valid until lookups_release(). */
struct lookup *lookups_begin(struct lookups *lookups, const struct spf_sender *sender,
                             bool wants_explanation, bool *out_is_known);
bool lookup_is_done(const struct lookup *lookup);
/* The deadline decided it. */
bool lookup_was_late(const struct lookup *lookup);
/* Of one that is done; borrowed from it. */
const struct spf_verdict *lookup_verdict(const struct lookup *lookup);

/* A transaction is over: running checks are cancelled, results kept. */
void lookups_release(struct lookups *lookups);
/* The session is over. */
void lookups_end(struct lookups *lookups);

#endif
