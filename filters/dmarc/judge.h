/* judge.h - the way of one message through the hooks.
 *
 * At end_of_headers the author domains are known, and the questions about them go out; nobody waits. At end_of_message SPF and DKIM have given
 * their facts (their filters stand before this one in the chain); what is missing then is waited for. A question has
 * `lookup-time`: from the end of the header if it was asked before the message's end, else from there, so that neither a slow body nor slow filters
 * before this one use up what is needed for the organizational domains of identifiers.
 *
 * A message's questions live on the heap and not in the transaction's memory: a transaction may end without a word to us, and answers may come
 * later. A session has one of them at most; the next message, the abort or the end of the session gives it back. */
#ifndef DMARC_JUDGE_H
#define DMARC_JUDGE_H

#include "policy.h"

enum fact {
    FACT_RESULT = 0,
    FACT_DOMAIN,
    FACT_POLICY,
    FACT_ORG_DOMAIN,
    FACT_ALIGNED,
    FACT_PROBLEM,
    FACT_COUNT
};
enum tally {
    TALLY_SKIPPED_NETWORK = 0,
    TALLY_SKIPPED_AUTHENTICATED,
    TALLY_FORWARDED,
    TALLY_SKIPPED_RECIPIENT,
    TALLY_QUESTIONS,
    TALLY_LATE,
    TALLY_REJECTED,
    TALLY_DEFERRED,
    TALLY_QUARANTINED,
    TALLY_TAGGED,
    TALLY_WOULD_REJECT,
    TALLY_WOULD_DEFER,
    TALLY_WOULD_QUARANTINE,
    TALLY_COUNT
};

/* One `filter` block. */
struct dmarc {
    const struct mw_host *host;
    struct mw_instance *instance;
    struct settings settings;
    struct client client;
    int facts[FACT_COUNT], results[DMARC_RESULTS], tallies[TALLY_COUNT];
    /* Facts of other filters, looked for at the first message: those filters may be loaded behind this one. */
    bool has_others;
    int spf_result, spf_domain, spf_identity, dkim_result, dkim_passed, dkim_domain, dkim_unsure;
    bool is_blind_told[METHOD_COUNT]; /* once is enough */
};

/* One message. */
struct lookup {
    struct mw_ctx *ctx;
    struct dmarc *dmarc;
    struct answers answers;
    struct authors authors;
    struct identifiers identifiers;
    bool has_identifiers, both_failed;
    bool is_silent[METHOD_COUNT]; /* a method has no result for this message */
    bool is_partial;              /* some recipients are spared what is done (skip-recipients) */
    struct judgement judgement;
    uint64_t until_ms; /* for what is asked now */
    bool is_late;
    size_t pending; /* questions under way */
    struct mw_ticket *ticket;
    struct mw_timer *timer;
};

void judge_open(struct dmarc *dmarc, struct mw_instance *instance);
enum mw_verdict judge_headers(struct mw_ctx *ctx, struct dmarc *dmarc);
enum mw_verdict judge_message(struct mw_ctx *ctx, struct dmarc *dmarc);
/* The transaction was aborted, or the session ends. */
void judge_release(struct mw_ctx *ctx, struct dmarc *dmarc);

#endif
