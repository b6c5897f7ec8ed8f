/* worker_priv.h - the worker's struct, shared by its files: worker.c starts and runs it, shutdown.c
 * ends it, listening.c keeps its sockets, reload.c exchanges its snapshot, counters.c tells what was
 * counted, to the log and to the control socket. */
#ifndef MW_OPS_WORKER_PRIV_H
#define MW_OPS_WORKER_PRIV_H

#include <uv.h>

#include "base/list.h"
#include "base/log.h"
#include "message/spool.h"
#include "net/conn.h"
#include "ops/certificates.h"
#include "ops/config.h"
#include "ops/control.h"
#include "ops/worker.h"
#include "session/driver.h"

enum mw_worker_phase {
    MW_WORKER_NEW = 0, /* nothing runs yet */
    MW_WORKER_SERVING,
    MW_WORKER_DRAINING, /* no listeners; sessions go on */
    MW_WORKER_STOPPING, /* sessions were told to end now */
    MW_WORKER_ENDED,    /* no sessions; handles are closing */
};

enum { MW_WORKER_SIGNALS = 4 };

struct mw_worker {
    const char *config_path;
    enum mw_worker_phase phase;
    uv_loop_t loop;
    struct mw_net net;
    struct mw_log *log;
    struct mw_spool_files files;
    struct mw_resolver *resolver; /* outlives the driver's last session */
    struct mw_driver *driver;
    struct mw_tls_tickets *tickets; /* keys, for all loads */
    struct mw_certificates *certificates;
    struct mw_control *control; /* NULL: not asked for */
    struct mw_plugins *plugins;
    struct mw_snapshot *snapshot;       /* new sessions take this one */
    struct mw_process_settings process; /* of the start: what needs a restart stays as it was */
    uint64_t drain_timeout_ms;          /* of the last load */
    struct mw_link listeners;           /* struct mw_listening */
    uv_signal_t signals[MW_WORKER_SIGNALS];
    uv_prepare_t flush;  /* log lines leave before the loop sleeps */
    uv_timer_t deadline; /* while draining and stopping */
    int exit_status;
    bool has_loop, has_handles;
};

/* One listening socket. */
struct mw_listening {
    struct mw_link listeners;
    struct mw_worker *worker;
    struct mw_endpoint endpoint;
    const struct mw_listen_settings *settings; /* of worker->snapshot */
    const struct mw_listen_settings *next;     /* of the snapshot being loaded; NULL: not in it */
    struct mw_listener *listener;
    bool is_new, is_transparent;
};

/* ---- listening.c ---- */

/* Open what `snapshot` asks for beyond the sockets that are open already; equal addresses keep
 * theirs (and cannot change `transparent`, which is a socket's for good). All or nothing: on
 * failure every new socket is closed again and the errno and address of the failed one are in
 * *out_error, out_text. Afterwards mw_listening_commit() or _rollback() must follow. */
MW_MUST_USE enum mw_err mw_listening_prepare(struct mw_worker *worker,
                                             const struct mw_snapshot *snapshot, int *out_error,
                                             char *out_text, size_t text_size);
/* The prepared snapshot is in force: close what it does not want. Returns how many sockets are
 * open. */
size_t mw_listening_commit(struct mw_worker *worker);
void mw_listening_rollback(struct mw_worker *worker);
void mw_listening_close_all(struct mw_worker *worker);

/* ---- reload.c ---- */

void mw_worker_reload(struct mw_worker *worker);

/* ---- counters.c ---- */

/* One log line for each counter: the driver's totals and the filters' (those above 0 only, unless
 * `with_zeros`: a thousand rules have two thousand of them). */
void mw_worker_log_counters(struct mw_worker *worker, bool with_zeros);
/* Requests of the control socket: a mw_control_answer, whose user is the worker. */
void mw_worker_answer(void *worker, struct mw_slice request, struct mw_buf *out);

/* The capability that the snapshot's upstreams need is there? */
bool mw_worker_may_serve(const struct mw_snapshot *snapshot);

/* ---- shutdown.c ---- */

/* First call: drain. Second call, or when the drain time is over: stop. */
void mw_worker_end(struct mw_worker *worker);
/* Everything on the loop but the deadline; no session is left. */
void mw_worker_close_handles(struct mw_worker *worker);

#endif
