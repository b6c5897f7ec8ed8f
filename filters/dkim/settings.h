/* settings.h - what one `filter` block of module dkim says, read and checked in open(). It lives as long as the instance and never changes. */
#ifndef DKIM_SETTINGS_H
#define DKIM_SETTINGS_H

#include "action.h"
#include "client.h"
#include "verify.h"

enum profile { PROFILE_OBSERVE = 0, PROFILE_ENFORCE };
enum require { REQUIRE_OFF = 0, REQUIRE_ANY, REQUIRE_AUTHOR };
enum protect { PROTECT_OFF = 0, PROTECT_LOG, PROTECT_ON };

struct settings {
    enum profile profile;
    enum require require;
    enum protect protect;
    struct dkim_setup setup; /* but for the time */
    uint64_t lookup_ms;
    struct choice acts[DKIM_RESULTS];
    struct mw_slice require_where, protect_where; /* empty: not written */
    struct client_skip skip;
    struct mw_slice quarantine_address;
};

/* For the descriptor. */
enum { DKIM_SETTING_COUNT = 12 };
extern const struct mw_setting dkim_settings[DKIM_SETTING_COUNT];

/* Everything that is wrong goes to host->diag. False: there was an error. */
bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out);

#endif
