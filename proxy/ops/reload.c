/* reload.c - SIGHUP: a new snapshot beside the old one, put in force as a whole or not at all. */
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
    if (text_differs(old->control, new->control))
        return "'control' was changed: it takes effect at a restart";
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
    mw_instances_serve(snapshot->instances, mw_driver_instance_services(worker->driver));
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
