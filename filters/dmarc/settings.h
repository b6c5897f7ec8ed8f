/* settings.h - what one `filter` block of module dmarc says, read and checked.
 *
 * settings_read() is called in open(); what it leaves behind lives as long as the instance and never changes. Judging by it is policy.h. */
#ifndef DMARC_SETTINGS_H
#define DMARC_SETTINGS_H

#include "action.h"
#include "client.h"
#include "domain.h"
#include "recipient.h"

enum profile { PROFILE_OBSERVE = 0, PROFILE_ENFORCE };

/* What an action can be given for. The first three are a fail, by the policy that applies. */
enum outcome {
    OUTCOME_REJECT = 0,
    OUTCOME_QUARANTINE,
    OUTCOME_NONE, /* in on-domain only: "p=none MUST NOT modify existing mail handling" (RFC 9989 5.4) */
    OUTCOME_TEMPERROR,
    OUTCOME_PERMERROR,
    OUTCOME_COUNT
};

struct exception {
    struct domain domain;
    uint32_t outcomes; /* bits 1 << enum outcome */
    struct choice choice;
};

struct settings {
    enum profile profile;
    uint64_t lookup_ms;
    /* What is done in this profile, and what `profile enforce` would do. */
    struct choice acts[OUTCOME_COUNT], would[OUTCOME_COUNT];
    /* Where these settings stand; empty: nowhere. */
    struct mw_slice profile_where, recipients_where;
    struct exception *exceptions; /* `on-domain`; the first that fits counts */
    size_t exception_count;
    struct client_skip skip;
    struct networks forwarders;
    struct recipients skip_recipients;
    struct mw_slice quarantine_address;
};

/* For the descriptor. */
enum { DMARC_SETTING_COUNT = 9 };
extern const struct mw_setting dmarc_settings[DMARC_SETTING_COUNT];

/* Read the block; everything that is wrong goes to host->diag. False: there was an error. */
bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out);

#endif
