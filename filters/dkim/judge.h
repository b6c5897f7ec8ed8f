/* judge.h - the way of one message through the hooks, and what becomes of the results: facts, Authentication-Results, counters, log lines, the verdict.
 *
 * What a session holds is one check (verify.h) and the questions to the DNS that are under way; all of it is given back when the message ends, or
 * when the next one begins, for a transaction may end without a word to us. */
#ifndef DKIM_JUDGE_H
#define DKIM_JUDGE_H

#include "settings.h"

enum fact {
    FACT_RESULT = 0,
    FACT_DOMAIN,
    FACT_SELECTOR,
    FACT_IDENTITY,
    FACT_ALGORITHM,
    FACT_PROBLEM,
    FACT_PASSED,
    FACT_UNSURE,
    FACT_SIGNATURES,
    FACT_COUNT
};
enum tally {
    TALLY_SIGNATURES = 0,
    TALLY_IGNORED,
    TALLY_LATE,
    TALLY_SKIPPED_NETWORK,
    TALLY_SKIPPED_AUTHENTICATED,
    TALLY_REJECTED,
    TALLY_DEFERRED,
    TALLY_QUARANTINED,
    TALLY_TAGGED,
    TALLY_WOULD_REJECT,
    TALLY_WOULD_DEFER,
    TALLY_BROKEN,
    TALLY_COUNT
};

/* One `filter` block. */
struct dkim {
    const struct mw_host *host;
    struct settings settings;
    struct client client;
    struct key_cache *keys; /* may be NULL */
    int facts[FACT_COUNT], results[DKIM_RESULTS], tallies[TALLY_COUNT];
};

/* A question of one signature's; `question` is NULL when it is answered. */
struct asking {
    struct session *session;
    struct mw_question *question;
};
struct session {
    struct dkim *dkim;
    struct mw_ctx *ctx;
    struct dkim_check
        *check;             /* of the message at hand, or the last one; NULL: without signatures */
    struct asking *askings; /* max-signatures of them */
    size_t waiting;         /* questions without an answer */
    uint64_t asked_ms;
    struct mw_ticket *ticket;
    struct mw_timer *timer;
};
/* What is known of a message; in the transaction's memory from end_of_headers on. */
struct message {
    bool is_skipped, is_utf8, is_late, is_concluded;
};

void judge_open(struct dkim *dkim, struct mw_instance *instance);
void judge_close(struct dkim *dkim);
enum mw_verdict judge_headers(struct mw_ctx *ctx, struct dkim *dkim);
enum mw_verdict judge_body(struct mw_ctx *ctx, struct dkim *dkim, struct mw_slice octets);
enum mw_verdict judge_message(struct mw_ctx *ctx, struct dkim *dkim);
enum mw_verdict judge_edited(struct mw_ctx *ctx, struct dkim *dkim);
/* The transaction was aborted, the session ends. */
void judge_release(struct mw_ctx *ctx, struct dkim *dkim);

#endif
