/* settings.h - what one `filter` block of module spf says, read and checked.
 *
 * settings_read() is called in open(); what it leaves behind lives as long as the instance and never changes. Judging by it is policy.h. */
#ifndef SPF_SETTINGS_H
#define SPF_SETTINGS_H

#include "action.h"
#include "check.h"
#include "client.h"
#include "domain.h"
#include "recipient.h"

/* Who is checked (RFC 7208 2.3, 2.4). */
enum identity { IDENTITY_MAILFROM = 0, IDENTITY_HELO, IDENTITY_COUNT };
const char *identity_name(enum identity identity); /* "mailfrom", "helo" */

enum profile { PROFILE_OBSERVE = 0, PROFILE_ENFORCE };
enum helo_check { HELO_OFF = 0, HELO_HEADER, HELO_REJECT };
enum judge_at { JUDGE_RCPT = 0, JUDGE_MAIL };
enum result_header { HEADER_RESULTS = 0, HEADER_RECEIVED_SPF, HEADER_BOTH, HEADER_NONE };
enum explanation { EXPLANATION_OFF = 0, EXPLANATION_ON, EXPLANATION_OWN };

struct domains {
    struct domain *list;
    size_t count;
};
struct exception {
    struct domain domain;
    uint32_t results; /* bits 1 << enum spf_result */
    struct choice choice;
};

struct settings {
    enum profile profile;
    enum helo_check helo_check;
    enum judge_at judge_at;
    enum result_header result_header;
    uint64_t lookup_ms;
    /* What is done in this profile, and what `profile enforce` would do. */
    struct choice acts[IDENTITY_COUNT][SPF_RESULTS], would[IDENTITY_COUNT][SPF_RESULTS];
    struct exception *exceptions; /* `on-domain`; the first that fits counts */
    size_t exception_count;
    struct client_skip skip;
    struct networks forwarders;
    struct domains skip_helo, skip_names, forwarder_domains;
    struct recipients skip_recipients;
    struct spf_local *locals;
    size_t local_count;
    enum explanation explanation;
    struct mw_slice own_explanation;
    struct mw_slice quarantine_address;
};

/* For the descriptor. */
enum { SPF_SETTING_COUNT = 17 };
extern const struct mw_setting spf_settings[SPF_SETTING_COUNT];

/* Read the block; everything that is wrong goes to host->diag. False: there was an error. */
bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out);

/* Does any result lead to this action? (In this profile.) */
bool settings_may(const struct settings *settings, enum action action);
/* `name`: as a peer gave it. */
bool domains_have(const struct domains *domains, struct mw_slice name);
/* The first one that fits, or NULL. */
const struct domain *domains_find(const struct domains *domains, struct mw_slice name);

#endif
