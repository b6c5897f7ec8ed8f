/* policy.h - what is done with a message, by its result and the settings. Pure. */
#ifndef DMARC_POLICY_H
#define DMARC_POLICY_H

#include "align.h"
#include "settings.h"

struct decision {
    enum action action, would; /* in this profile, and what `profile enforce` would do */
    const char *rule; /* the setting that decided: "profile", "on", "on-domain", "forwarders" */
    struct mw_slice where; /* and where it stands; may be empty */
    bool is_forwarded;     /* a fail that is let pass for its forwarder's sake */
};
/* `client`: 16 octets, or NULL if it is not known. */
struct decision policy_decide(const struct settings *settings, const struct judgement *judgement,
                              const char *client);

enum {
    POLICY_REPLY_MAX = 480
}; /* a reply line is at most 512 octets, code and line end included (RFC 5321 4.5.3.1.5) */
/* For defer and reject. `both_failed`: SPF and DKIM each had something to check, and it failed (RFC 7372 3.4). */
struct reply policy_reply(const struct judgement *judgement, enum action action, bool both_failed,
                          char out[POLICY_REPLY_MAX]);

#endif
