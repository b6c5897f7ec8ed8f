/* policy.h - from a result to what is done: the tables of settings.h applied to one message.
 *
 * Pure: findings in, a decision out. */
#ifndef SPF_POLICY_H
#define SPF_POLICY_H

#include "settings.h"

/* What came of the check of one identity; borrowed from the check. */
struct finding {
    enum identity
        identity; /* whose row of the table is meant: the null sender's is mailfrom (RFC 7208 2.4) */
    bool is_null_sender;
    struct spf_verdict verdict;
};

struct decision {
    const struct finding *finding; /* the one that decided; NULL: nothing was checked */
    enum action action;
    struct mw_slice where; /* the setting: "file:line"; empty: the filter block */
};

/* What becomes of one finding. `would`: under `profile enforce`. */
struct choice policy_choice(const struct settings *settings, const struct finding *finding,
                            bool would);

/* What becomes of the message: the sternest action, that of the first finding where two say the same. A HELO that is only recorded (helo-check header)
 * decides nothing. */
struct decision policy_decide(const struct settings *settings, const struct finding *findings,
                              size_t count, bool would);

/* The message came from a host that calls itself one of `forwarder-domains`; `result` is that domain's own. With a pass nothing is done about the
 * message that would not be done about a pass; where it is not known, nothing is refused for good. */
struct decision policy_forwarded(struct decision decision, enum spf_result result);

#endif
