/* policy.h - what is done with a message, by its result and the settings. Pure. */
#ifndef DMARC_POLICY_H
#define DMARC_POLICY_H

#include "align.h"
#include "settings.h"

struct decision {
    enum action action, would; /* in this profile, and what `profile enforce` would do */
    /* The setting that decided: "profile", "on", "on-domain", "forwarders", "skip-recipients"; and where it stands, which may be empty. */
    const char *rule;
    struct mw_slice where;
    bool is_forwarded; /* a fail that is let pass for its forwarder's sake */
};
/* Methods that have no result for this message (their filter is missing, stands behind, or left the message out) may be those by which it would have
 * passed: such a fail is a permerror, marked `is_blind`. */
void policy_see(struct judgement *judgement, const bool is_silent[METHOD_COUNT]);
/* `client`: 16 octets, or NULL if it is not known. */
struct decision policy_decide(const struct settings *settings, const struct judgement *judgement,
                              const char *client);
/* All who still want the message are in `skip-recipients`: nothing is done to it that would keep it from them. */
struct decision policy_spare(const struct settings *settings, struct decision decision);

enum {
    POLICY_REPLY_MAX = 480
}; /* a reply line is at most 512 octets, code and line end included (RFC 5321 4.5.3.1.5) */
/* For defer and reject. `both_failed`: SPF and DKIM each had something to check, and it failed (RFC 7372 3.4). */
struct reply policy_reply(const struct judgement *judgement, enum action action, bool both_failed,
                          char out[POLICY_REPLY_MAX]);

#endif
