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
    struct mw_snapshot *snapshot = mw_config_load(
        worker->config_path, &worker->plugins, worker->snapshot->generation + 1, diags, &process);
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
    log_counter(worker, "log.dropped", mw_log_dropped(worker->log));
    mw_instances_counters(worker->snapshot->instances, log_filter_counter, &sink);
}
