/* settings.h - what one `filter` block of module dkim says, read and checked in open(). It lives as long as the instance and never changes. */
#ifndef DKIM_SETTINGS_H
#define DKIM_SETTINGS_H

#include "action.h"
#include "verify.h"

enum profile { PROFILE_OBSERVE = 0, PROFILE_ENFORCE };
enum require { REQUIRE_OFF = 0, REQUIRE_ANY, REQUIRE_AUTHOR };
enum protect { PROTECT_OFF = 0, PROTECT_LOG, PROTECT_ON };

struct network {
    unsigned char address[16];
    uint32_t prefix;
};
/* An action, and the setting that says so: "conf.d/30-filters.conf:12". */
struct choice {
    enum action action;
    struct mw_slice where;
};

struct settings {
    enum profile profile;
    enum require require;
    enum protect protect;
    struct dkim_setup setup; /* but for the time */
    uint64_t lookup_ms;
    struct choice acts[DKIM_RESULTS];
    struct mw_slice require_where;
    struct network *skip_networks;
    size_t skip_network_count;
    bool skip_authenticated;
    struct mw_slice quarantine_address;
};

/* For the descriptor. */
enum { DKIM_SETTING_COUNT = 12 };
extern const struct mw_setting dkim_settings[DKIM_SETTING_COUNT];

/* Everything that is wrong goes to host->diag. False: there was an error. */
bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out);
/* `address`: 16 octets. */
bool settings_skip_client(const struct settings *settings, const char *address);

#endif
