/* config.h - from configuration files to a snapshot: what session/settings.h needs, checked as a
 * whole.
 *
 * A load either gives a complete snapshot or none; every problem of the run is in `diags`, with
 * file:line and a caret. Nothing here opens a socket. Host names of upstreams are looked up
 * (blocking) and files are read, so this runs at start, at SIGHUP and in `mailweir check`, never in
 * between. Not here: what a directive is called and what its default is (schema.h), listening
 * (worker.h). */
#ifndef MW_OPS_CONFIG_H
#define MW_OPS_CONFIG_H

#include "base/log.h"
#include "chain/plugin.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "session/settings.h"

/* What is about the process and not about a session. Zero-initialised is a valid empty one. */
struct mw_process_settings {
    struct mw_arena arena; /* holds all texts here */
    struct mw_log_config log;
    const char *user;
    const char *spool_dir;
    const char *const *plugin_dirs; /* NULL-terminated, in the order of searching */
    const char *control;            /* path of the control socket; empty: none */
    uint64_t drain_timeout_ms;
    struct mw_resolver_config resolver;
};
void mw_process_settings_fini(struct mw_process_settings *process);

/* Load `path`, a file or a directory of *.conf. *plugins: NULL at the first load, which makes it
 * from plugin-path; the caller frees it, after the snapshots. *out_process (fini by the caller) is
 * set in any case, as far as it could be read. Returns a snapshot with one reference, or NULL when
 * diags has an error. Its listeners give no session tickets: for who only wants to know. */
struct mw_snapshot *mw_config_load(const char *path, struct mw_plugins **plugins,
                                   uint32_t generation, struct mw_diags *diags,
                                   struct mw_process_settings *out_process);
/* The same to serve with: the keys of session tickets outlive the loads (borrowed until the last
 * snapshot has gone). */
struct mw_snapshot *mw_config_load_to_serve(const char *path, struct mw_plugins **plugins,
                                            struct mw_tls_tickets *tickets, uint32_t generation,
                                            struct mw_diags *diags,
                                            struct mw_process_settings *out_process);

/* Run the tests that the filters of a snapshot from mw_config_load() brought along. Returns how
 * many failed. */
size_t mw_config_test(struct mw_snapshot *snapshot, mw_test_report *report, void *user);
/* The same with each failed test as a diagnostic of that severity. Returns how many tests ran. */
size_t mw_config_test_into(struct mw_snapshot *snapshot, enum mw_severity severity,
                           struct mw_diags *diags);

/* Print every problem on stderr, and "N errors; the configuration was not loaded" if one is an
 * error. Returns how many are. */
size_t mw_config_complain(const struct mw_diags *diags);

/* What a snapshot holds, for `mailweir check` and the log. */
struct mw_config_counts {
    size_t listeners, upstreams, filters, chains;
};
void mw_config_count(const struct mw_snapshot *snapshot, struct mw_config_counts *out_counts);

/* The filter blocks in the order of the files; index below counts.filters. Valid as long as the
 * snapshot. */
const struct mw_instance *mw_config_filter(const struct mw_snapshot *snapshot, size_t index);

/* One side of TLS of a snapshot, with the files that it was made from: what certificates.c looks
 * after and `mailweir check` tells of. Exactly one of server and client is set. Owned by the
 * snapshot. */
struct mw_config_tls {
    const char *kind; /* "listener", "upstream" */
    struct mw_slice name;
    struct mw_tls_server *server;
    struct mw_tls_client *client;
    const char *const *files; /* NULL-terminated */
};
size_t mw_config_tls_count(const struct mw_snapshot *snapshot);
const struct mw_config_tls *mw_config_tls(const struct mw_snapshot *snapshot, size_t index);
/* When the first certificate of a listener expires, seconds since 1970; INT64_MAX: it has none. For
 * metrics, as mw_config_tls(). */
int64_t mw_config_tls_expiry(const struct mw_config_tls *tls);
/* Warn of a certificate from this long before its end. */
enum { MW_CERTIFICATE_WARNING_S = 14 * 24 * 3600 };
/* "2027-02-01", UTC. */
enum { MW_DATE_TEXT_MAX = 16 };
void mw_config_date(int64_t seconds, char out_text[MW_DATE_TEXT_MAX]);

/* Some upstream is connected to from the clients' own addresses: the process needs a capability. */
bool mw_config_is_transparent(const struct mw_snapshot *snapshot);

/* Host names are in bounds and made of characters that may stand in an SMTP line. */
bool mw_config_hostname_ok(struct mw_slice name);

#endif
