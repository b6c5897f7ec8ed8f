/* reload.c - SIGHUP: a new snapshot beside the old one, put in force as a whole or not at all. And
 * the counters' log lines. */
#include <string.h>

#include "ops/process.h"
#include "ops/worker_priv.h"

/* ---- reload ---- */

/* Every line of the printed diagnostics as a log line of its own. */
static void log_diags(struct mw_worker *worker, enum mw_event_id event,
                      const struct mw_diags *diags)
{
    struct mw_buf printed = {0};
    mw_diags_print(diags, &printed);
    struct mw_slice rest = mw_buf_view(&printed), line;
    while (rest.len > 0) {
        if (!mw_slice_split(rest, '\n', &line, &rest)) {
            line = rest;
            rest = MW_EMPTY;
        }
        if (line.len > 0)
            MW_LOG(worker->log, MW_EMPTY, event, mw_text("text", line));
    }
    mw_buf_fini(&printed);
}

static void refuse(struct mw_worker *worker, const char *text, const struct mw_diags *diags)
{
    MW_LOG(worker->log, MW_EMPTY, MW_EV_RELOAD_FAILED,
           mw_uint("errors", mw_diags_errors(diags) > 0 ? mw_diags_errors(diags) : 1),
           mw_uint("gen", worker->snapshot->generation), mw_cstr("text", text));
}

static bool text_differs(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) != 0;
}

static bool resolver_differs(const struct mw_resolver_config *a, const struct mw_resolver_config *b)
{
    if (a->server_count != b->server_count || a->timeout_ms != b->timeout_ms ||
        a->attempts != b->attempts || a->cache_entries != b->cache_entries)
        return true;
    for (size_t i = 0; i < a->server_count; i++)
        if (memcmp(&a->servers[i].address, &b->servers[i].address, sizeof a->servers->address) !=
                0 ||
            a->servers[i].port != b->servers[i].port)
            return true;
    return false;
}

/* What was changed in the files but takes effect at a restart only: told, or somebody would wait
 * for it. */
static const char *needs_restart(const struct mw_process_settings *old,
                                 const struct mw_process_settings *new)
{
    if (old->log.sink != new->log.sink || old->log.format != new->log.format ||
        old->log.level != new->log.level || text_differs(old->log.path, new->log.path))
        return "'log' was changed: it takes effect at a restart";
    if (text_differs(old->user, new->user))
        return "'user' was changed: it takes effect at a restart";
    if (text_differs(old->spool_dir, new->spool_dir))
        return "'spool-dir' was changed: it takes effect at a restart";
    if (resolver_differs(&old->resolver, &new->resolver))
        return "'resolver' was changed: it takes effect at a restart";
    for (size_t i = 0; old->plugin_dirs[i] != NULL || new->plugin_dirs[i] != NULL; i++)
        if (text_differs(old->plugin_dirs[i], new->plugin_dirs[i]))
            return "'plugin-path' was changed: it takes effect at a restart";
    return NULL;
}

/* Put a loaded snapshot in force, or say why not. Takes the reference. */
static void exchange(struct mw_worker *worker, struct mw_snapshot *snapshot,
                     const struct mw_process_settings *process, const struct mw_diags *diags)
{
    char text[512];
    int error;
    if (!mw_worker_may_serve(snapshot)) {
        refuse(worker, "an upstream with 'transparent on' needs CAP_NET_RAW: restart", diags);
        mw_snapshot_unref(&snapshot);
        return;
    }
    if (mw_listening_prepare(worker, snapshot, &error, text, sizeof text) != MW_OK) {
        refuse(worker, text, diags);
        mw_snapshot_unref(&snapshot);
        return;
    }
    struct mw_snapshot *old = worker->snapshot;
    worker->snapshot = snapshot;
    worker->drain_timeout_ms = process->drain_timeout_ms;
    size_t listeners = mw_listening_commit(worker);
    const char *note = needs_restart(&worker->process, process);
    mw_certificates_watch(worker->certificates, snapshot);
    MW_LOG(worker->log, MW_EMPTY, MW_EV_RELOADED, mw_uint("gen", snapshot->generation),
           mw_uint("listeners", listeners), mw_uint("warnings", mw_diags_warnings(diags)),
           mw_cstr("note", note));
    mw_snapshot_unref(&old);
}

void mw_worker_reload(struct mw_worker *worker)
{
    struct mw_diags *diags = mw_diags_new();
    struct mw_process_settings process;
    mw_log_reopen(worker->log);
    mw_process_notify("RELOADING=1");
    struct mw_snapshot *snapshot = mw_config_load_to_serve(
        worker->config_path, &worker->plugins, worker->tickets, worker->snapshot->generation + 1,
        diags, &process);
    if (snapshot != NULL)
        mw_config_test_into(snapshot, MW_DIAG_ERROR, diags);
    if (mw_diags_errors(diags) > 0) {
        log_diags(worker, MW_EV_RELOAD_FAILED, diags);
        refuse(worker, "the old configuration stays in force", diags);
        mw_snapshot_unref(&snapshot);
    } else {
        log_diags(worker, MW_EV_RELOADED, diags); /* warnings */
        exchange(worker, snapshot, &process, diags);
    }
    mw_process_settings_fini(&process);
    mw_diags_free(&diags);
    mw_process_notify("READY=1");
}

/* ---- counters ---- */

static void log_counter(struct mw_worker *worker, const char *name, uint64_t value)
{
    MW_LOG(worker->log, MW_EMPTY, MW_EV_COUNTERS, mw_cstr("name", name), mw_uint("value", value));
}

struct counter_sink {
    struct mw_worker *worker;
    bool with_zeros;
};

static void log_filter_counter(void *user, const char *filter, const char *name, uint64_t value)
{
    const struct counter_sink *sink = user;
    char text[256];
    if (value == 0 && !sink->with_zeros)
        return;
    snprintf(text, sizeof text, "%s.%s", filter, name);
    log_counter(sink->worker, text, value);
}

static void log_handshakes(struct mw_worker *worker, const char *side,
                           const struct mw_handshake_stats *stats)
{
    char name[64];
    snprintf(name, sizeof name, "tls.%s.handshakes", side);
    log_counter(worker, name, stats->done);
    snprintf(name, sizeof name, "tls.%s.resumed", side);
    log_counter(worker, name, stats->resumed);
    snprintf(name, sizeof name, "tls.%s.failed", side);
    log_counter(worker, name, stats->failed);
}

static void log_resolver_counters(struct mw_worker *worker)
{
    struct mw_resolver_stats stats = {0};
    if (worker->resolver != NULL)
        mw_resolver_stats(worker->resolver, &stats);
    log_counter(worker, "dns.queries", stats.queries);
    log_counter(worker, "dns.cache-hits", stats.cache_hits);
    log_counter(worker, "dns.joined", stats.joined);
    log_counter(worker, "dns.failures", stats.failures);
    log_counter(worker, "dns.under-way", stats.under_way);
    log_counter(worker, "dns.cached", stats.cached);
}

/* Seconds since 1970 at which the first certificate of a listener expires. */
static void log_expiries(struct mw_worker *worker)
{
    char name[256];
    for (size_t i = 0; i < mw_config_tls_count(worker->snapshot); i++) {
        const struct mw_config_tls *tls = mw_config_tls(worker->snapshot, i);
        int64_t expiry = mw_config_tls_expiry(tls);
        if (expiry == INT64_MAX || expiry < 0)
            continue;
        snprintf(name, sizeof name, "tls.%.*s.expiry", (int)tls->name.len, tls->name.ptr);
        log_counter(worker, name, (uint64_t)expiry);
    }
}

void mw_worker_log_counters(struct mw_worker *worker, bool with_zeros)
{
    struct counter_sink sink = {worker, with_zeros};
    struct mw_driver_stats stats;
    mw_driver_stats(worker->driver, &stats);
    log_counter(worker, "sessions.open", stats.sessions_open);
    log_counter(worker, "sessions.total", stats.sessions_total);
    log_counter(worker, "sessions.refused", stats.sessions_refused);
    log_counter(worker, "messages.accepted", stats.messages_accepted);
    log_counter(worker, "messages.refused", stats.messages_refused);
    log_counter(worker, "messages.discarded", stats.messages_discarded);
    log_counter(worker, "messages.lost", stats.messages_lost);
    log_counter(worker, "octets.in", stats.octets_in);
    log_counter(worker, "octets.out", stats.octets_out);
    log_handshakes(worker, "client", &stats.client_handshakes);
    log_handshakes(worker, "upstream", &stats.upstream_handshakes);
    log_resolver_counters(worker);
    log_expiries(worker);
    log_counter(worker, "log.dropped", mw_log_dropped(worker->log));
    mw_instances_counters(worker->snapshot->instances, log_filter_counter, &sink);
}
