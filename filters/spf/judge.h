/* judge.h - one message of one session: begin its checks at MAIL, wait for them where the settings say, and answer the hooks.
 *
 *   judge_mail     skip, or begin up to three checks: the sender, the HELO, a forwarder's domain (with judge mail: wait here)
 *   judge_rcpt     wait for them; conclude: facts, counters, log, result for the header; refuse
 *   judge_data     quarantine
 *   judge_headers  tag, Received-SPF
 *
 * Each hook waits if need be, so that the conclusion is there wherever somebody asks first. */
#ifndef SPF_JUDGE_H
#define SPF_JUDGE_H

#include "lookup.h"
#include "words.h"

enum skip {
    SKIP_NOT = 0,
    SKIP_ADDRESS,
    SKIP_NETWORK,
    SKIP_AUTHENTICATED,
    SKIP_HELO,
    SKIP_NAME,
    SKIP_FORWARDER,
    SKIP_COUNT
};

/* What is counted, behind the results of each identity. */
enum tally {
    TALLY_CACHE_HITS = 0,
    TALLY_CHECKS,
    TALLY_QUESTIONS,
    TALLY_LATE,
    TALLY_REJECTED,
    TALLY_DEFERRED,
    TALLY_QUARANTINED,
    TALLY_TAGGED,
    TALLY_WOULD_REJECT,
    TALLY_WOULD_DEFER,
    TALLY_WOULD_QUARANTINE,
    TALLY_SKIPPED_RECIPIENT,
    TALLY_FORWARDED,
    TALLY_COUNT
};

enum fact {
    FACT_RESULT = 0,
    FACT_DOMAIN,
    FACT_IDENTITY,
    FACT_MECHANISM,
    FACT_EXPLANATION,
    FACT_PROBLEM,
    FACT_HELO_RESULT,
    FACT_HELO_DOMAIN,
    FACT_FORWARDER,
    FACT_COUNT
};

/* One `filter` block. */
struct spf {
    const struct mw_host *host;
    struct settings settings;
    struct mw_slice receiver; /* our name in header fields */
    struct client client;
    int client_name, helo; /* facts of the host's; client_name -1: nobody needs it */
    int facts[FACT_COUNT];
    int results[IDENTITY_COUNT][SPF_RESULTS], skips[SKIP_COUNT],
        tallies[TALLY_COUNT]; /* counters */
};

struct session {
    struct spf *spf;
    struct mw_ctx *ctx;
    struct lookups lookups;
    struct mw_ticket *ticket; /* a hook waits: */
    enum mw_stage stage;
    size_t rcpt;
};

struct transaction {
    struct scene scene;
    char client[16];
    enum skip skip;
    bool is_null_sender, is_concluded, has_told_would, is_quarantined;
    struct lookup *mailfrom, *helo, *forwarder; /* NULL: not checked */
    struct lookup *fresh[3];                    /* of these, those that were not known before */
    size_t fresh_count;
    struct mw_slice forwarder_domain;
    struct finding findings[IDENTITY_COUNT];
    size_t finding_count;
    struct decision decision, would;
};

/* Ids of facts and counters, and the stages that the settings need. */
void judge_open(struct spf *spf, struct mw_instance *instance);

enum mw_verdict judge_mail(struct mw_ctx *ctx, struct spf *spf);
enum mw_verdict judge_later(struct mw_ctx *ctx, struct spf *spf, enum mw_stage stage,
                            size_t rcpt); /* rcpt, data, end_of_headers */
void judge_abort(struct mw_ctx *ctx, struct spf *spf);
void judge_close(struct mw_ctx *ctx, struct spf *spf);

#endif
