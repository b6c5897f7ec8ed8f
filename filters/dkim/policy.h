/* policy.h - from a message's results to what is done, and the words for it. RFC 6376 6.3, RFC 7372.
 *
 * Pure. */
#ifndef DKIM_POLICY_H
#define DKIM_POLICY_H

#include "settings.h"

struct decision {
    enum dkim_result result;
    struct dkim_verdict
        verdict;           /* of the signature that stands for the message; zeroed: there is none */
    enum action action;    /* what is done */
    enum action would;     /* what `profile enforce` would do */
    struct mw_slice where; /* the setting that says so */
    bool is_unmatched;     /* there is a pass, but none of the author's domain, which is required */
};
/* `check` NULL: no signature. */
struct decision policy_decide(const struct settings *settings, const struct dkim_check *check);

enum { POLICY_TEXT_MAX = 600 };
/* For the actions defer and reject. */
struct reply policy_reply(const struct decision *decision, enum action action,
                          char out[POLICY_TEXT_MAX]);

#endif
