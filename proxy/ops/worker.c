/* worker.c - starts a worker and runs its loop.
 *
 * The order of the start: configuration (as root it may be readable for root only), sockets (port
 * 25), then the privileges go, and only then are the log and the spool directory opened, so that
 * what works at the start works after a rotation too. Until the log is open problems go to stderr
 * as they are. */
#include "ops/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ops/process.h"
#include "ops/worker_priv.h"

enum { DESCRIPTORS_SPARE = 64 };

static const int signal_numbers[MW_WORKER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

struct mw_worker *mw_worker_new(const char *config_path)
{
    struct mw_worker *worker = mw_xcalloc(1, sizeof *worker);
    worker->config_path = config_path;
    worker->tickets = mw_tls_tickets_new();
    mw_list_init(&worker->listeners);
    return worker;
}

/* ---- start ---- */

/* Say it on stderr; returns the status. */
static int fail(int status, const char *format, ...) MW_PRINTF(2, 3);
static int fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("mailweir: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static int load(struct mw_worker *worker)
{
    struct mw_diags *diags = mw_diags_new();
    worker->snapshot = mw_config_load_to_serve(worker->config_path, &worker->plugins,
                                               worker->tickets, 1, diags, &worker->process);
    /* a service that comes back after a power cut must not stay away for a test: reload and check
     * are stricter */
    if (worker->snapshot != NULL)
        mw_config_test_into(worker->snapshot, MW_DIAG_WARNING, diags);
    size_t errors = mw_config_complain(diags);
    mw_diags_free(&diags);
    if (errors > 0)
        return EX_CONFIG;
    worker->drain_timeout_ms = worker->process.drain_timeout_ms;
    return 0;
}

/* Whom to become; `*out_is_wanted` false when we are nobody special. */
static int find_account(const struct mw_worker *worker, struct mw_account *out_account,
                        bool *out_is_wanted)
{
    const char *text;
    *out_is_wanted = geteuid() == 0;
    if (!*out_is_wanted)
        return 0;
    if (mw_process_account(worker->process.user, out_account, &text) != MW_OK)
        return fail(EX_NOUSER,
                    "started as root, to run as user '%s': %s\n"
                    "  make the account:  useradd --system --home-dir /nonexistent --shell "
                    "/usr/sbin/nologin %s\n"
                    "  or name another:   user NAME   in the configuration ('user root' stays "
                    "root, which is not advised)",
                    worker->process.user, text, worker->process.user);
    if (out_account->uid == 0)
        fail(0, "warning: running as root ('user %s'): a flaw in a filter would be root's too",
             worker->process.user);
    return 0;
}

static int open_loop(struct mw_worker *worker)
{
    int error = uv_loop_init(&worker->loop);
    if (error != 0)
        return fail(EX_OSERR, "no event loop: %s", uv_strerror(error));
    worker->has_loop = true;
    mw_net_init(&worker->net, &worker->loop);
    return 0;
}

static int open_sockets(struct mw_worker *worker)
{
    char text[512];
    int error = 0;
    if (mw_listening_prepare(worker, worker->snapshot, &error, text, sizeof text) == MW_OK)
        return 0;
    if (error == EADDRINUSE)
        return fail(EX_UNAVAILABLE, "%s\n  which program has it:  ss -ltnp", text);
    if (error == EPERM)
        return fail(EX_NOPERM, "%s", text);
    if (error == EACCES)
        return fail(EX_NOPERM,
                    "%s\n  ports below 1024 need a start as root, or CAP_NET_BIND_SERVICE", text);
    return fail(EX_UNAVAILABLE, "%s", text);
}

static int drop_privileges(const struct mw_worker *worker, const struct mw_account *account)
{
    const char *text;
    bool keep_raw = mw_config_is_transparent(worker->snapshot);
    if (mw_process_become(account, keep_raw, &text) == MW_OK)
        return 0;
    return fail(EX_NOPERM, "cannot become user '%s': %s", account->name, text);
}

bool mw_worker_may_serve(const struct mw_snapshot *snapshot)
{
    return !mw_config_is_transparent(snapshot) || mw_process_may_be_transparent();
}

static int check_privileges(const struct mw_worker *worker)
{
    if (mw_worker_may_serve(worker->snapshot))
        return 0;
    return fail(EX_NOPERM,
                "an upstream with 'transparent on' needs CAP_NET_RAW: start as root, or with "
                "AmbientCapabilities=CAP_NET_RAW");
}

static int open_files(struct mw_worker *worker)
{
    const char *text;
    const char *directory = worker->process.spool_dir;
    if (strlen(directory) >= sizeof worker->files.directory)
        return fail(EX_CANTCREAT, "spool-dir %s: the name is too long", directory);
    if (mw_process_check_spool(directory, &text) != MW_OK)
        return fail(EX_CANTCREAT, "no files can be made in spool-dir %s: %s", directory, text);
    mw_spool_files_init(&worker->files, directory);
    if (mw_log_open(&worker->process.log, &worker->log, &text) != MW_OK)
        return fail(EX_CANTCREAT, "the log cannot be opened%s%s: %s",
                    worker->process.log.path == NULL ? "" : " at ",
                    worker->process.log.path == NULL ? "" : worker->process.log.path, text);
    return 0;
}

static int open_resolver(struct mw_worker *worker)
{
    char text[256] = "";
    worker->resolver = mw_resolver_new(&worker->net, &worker->process.resolver, text, sizeof text);
    if (worker->resolver == NULL)
        return fail(EX_OSERR, "names cannot be looked up: %s", text);
    return 0;
}

/* With the privileges that it has from now on, so that it can be removed at the end. */
static int open_control(struct mw_worker *worker)
{
    const char *path = worker->process.control;
    char text[256];
    if (*path == '\0' || mw_control_open(&worker->loop, path, mw_worker_answer, worker,
                                         &worker->control, text, sizeof text) == MW_OK)
        return 0;
    return fail(EX_CANTCREAT, "control unix:%s: %s", path, text);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct mw_worker *worker = handle->data;
    if (number == SIGTERM || number == SIGINT)
        mw_worker_end(worker);
    else if (worker->phase != MW_WORKER_SERVING)
        return;
    else if (number == SIGHUP)
        mw_worker_reload(worker);
    else
        mw_worker_log_counters(worker, true);
}

static void on_flush(uv_prepare_t *handle)
{
    struct mw_worker *worker = mw_container_of(handle, struct mw_worker, flush);
    mw_log_flush(worker->log);
}

static void start_handles(struct mw_worker *worker)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < MW_WORKER_SIGNALS; i++) {
        uv_signal_init(&worker->loop, &worker->signals[i]);
        worker->signals[i].data = worker;
        uv_signal_start(&worker->signals[i], on_signal, signal_numbers[i]);
    }
    uv_prepare_init(&worker->loop, &worker->flush);
    uv_prepare_start(&worker->flush, on_flush);
    uv_timer_init(&worker->loop, &worker->deadline);
    worker->certificates = mw_certificates_new(&worker->loop, worker->log, worker->tickets);
    mw_certificates_watch(worker->certificates, worker->snapshot);
    worker->has_handles = true;
}

/* ---- ready ---- */

/* Two descriptors a session, and some: told at the start rather than found out under load. */
static void check_descriptors(struct mw_worker *worker, size_t available)
{
    uint64_t wanted = DESCRIPTORS_SPARE;
    for (size_t i = 0; i < worker->snapshot->listener_count; i++)
        wanted += 2 * (uint64_t)worker->snapshot->listeners[i].max_sessions;
    if (wanted > available)
        MW_LOG(worker->log, MW_EMPTY, MW_EV_PROBLEM,
               mw_cstr("text",
                       "max-sessions needs more open descriptors than the limit allows: raise "
                       "LimitNOFILE (ulimit -Hn) or lower max-sessions"),
               mw_uint("wanted", wanted), mw_uint("limit", available));
}

static void announce(struct mw_worker *worker, size_t descriptors)
{
    struct mw_config_counts counts;
    struct mw_build_info build;
    size_t listening = mw_listening_commit(worker);
    mw_config_count(worker->snapshot, &counts);
    mw_process_build_info(&build);
    check_descriptors(worker, descriptors);
    MW_LOG(worker->log, MW_EMPTY, MW_EV_STARTED, mw_cstr("version", build.version),
           mw_uint("pid", (uint64_t)getpid()), mw_cstr("config", worker->config_path),
           mw_uint("listeners", listening), mw_uint("filters", counts.filters),
           mw_uint("gen", worker->snapshot->generation));
    mw_log_flush(worker->log);
    fputs("READY\n", stderr);
    mw_process_notify("READY=1");
}

int mw_worker_start(struct mw_worker *worker)
{
    struct mw_account account;
    bool is_root;
    int status;
    mw_process_tune_memory();
    size_t descriptors = mw_process_raise_descriptors();
    if ((status = load(worker)) != 0 || (status = find_account(worker, &account, &is_root)) != 0 ||
        (status = open_loop(worker)) != 0 || (status = open_sockets(worker)) != 0 ||
        (is_root && (status = drop_privileges(worker, &account)) != 0) ||
        (status = check_privileges(worker)) != 0 || (status = open_files(worker)) != 0 ||
        (status = open_resolver(worker)) != 0 || (status = open_control(worker)) != 0)
        return status;
    worker->driver = mw_driver_new(&worker->net, worker->log, &worker->files);
    mw_driver_set_resolver(worker->driver, worker->resolver);
    start_handles(worker);
    mw_instances_serve(worker->snapshot->instances, mw_driver_instance_services(worker->driver));
    announce(worker, descriptors);
    worker->phase = MW_WORKER_SERVING;
    return 0;
}

/* ---- run and end ---- */

int mw_worker_run(struct mw_worker *worker)
{
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    mw_assert(worker->phase == MW_WORKER_ENDED);
    MW_LOG(worker->log, MW_EMPTY, MW_EV_STOPPED, mw_uint("pid", (uint64_t)getpid()));
    return worker->exit_status;
}

static void close_loop(struct mw_worker *worker)
{
    mw_listening_close_all(worker);
    mw_control_close(&worker->control);
    if (worker->driver != NULL) {
        uv_close((uv_handle_t *)&worker->deadline, NULL);
        if (worker->has_handles)
            mw_worker_close_handles(worker);
    }
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    mw_driver_free(&worker->driver); /* has a handle of its own to close */
    mw_resolver_free(&worker->resolver);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    mw_net_fini(&worker->net);
    mw_assert(uv_loop_close(&worker->loop) == 0);
}

void mw_worker_free(struct mw_worker **worker)
{
    struct mw_worker *dead = *worker;
    if (dead == NULL)
        return;
    if (dead->has_loop)
        close_loop(dead);
    mw_snapshot_unref(&dead->snapshot);
    mw_plugins_free(&dead->plugins);
    mw_spool_files_fini(&dead->files);
    mw_log_close(&dead->log);
    mw_process_settings_fini(&dead->process);
    mw_tls_tickets_free(&dead->tickets);
    free(dead);
    *worker = NULL;
}
