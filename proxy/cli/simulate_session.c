/* simulate_session.c - the owner of a simulated session: performs what it asks for, at once and in
 * memory.
 *
 * The same shape as session/driver.c: one event, then everything that it brought about, until
 * nothing moves. What the session asks for inside an event is noted and done between events. There
 * is one session, no socket, and an upstream that never keeps anybody waiting; only filters may. */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/simulate_priv.h"

static uint64_t now_of(const struct mw_simulation *sim)
{
    return uv_now(&sim->serving->loop);
}

static struct mw_tls_info simulated_tls(void)
{
    return (struct mw_tls_info){
        .is_secure = true, .bits = 256, .version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};
}

/* ---- what the session asks for ---- */

static enum mw_err op_run_stage(void *user, const struct mw_call *call,
                                struct mw_outcome *out_outcome)
{
    struct mw_simulation *sim = user;
    return mw_run_stage(sim->run, call, out_outcome);
}

static void op_cancel_stage(void *user)
{
    mw_run_cancel(((struct mw_simulation *)user)->run);
}

static void op_transaction_begin(void *user)
{
    struct mw_simulation *sim = user;
    if (sim->run != NULL)
        mw_run_transaction_begin(sim->run);
}

static void op_transaction_end(void *user, bool is_aborted)
{
    struct mw_simulation *sim = user;
    if (sim->run != NULL)
        mw_run_transaction_end(sim->run, is_aborted);
}

static struct mw_slice op_changes(void *user, char out_text[64])
{
    struct mw_simulation *sim = user;
    return sim->run != NULL ? mw_run_changes(sim->run, out_text) : MW_EMPTY;
}

static void op_connect_upstream(void *user)
{
    ((struct mw_simulation *)user)->wants_connect = true;
}

static void op_close_upstream(void *user)
{
    struct mw_simulation *sim = user;
    sim->wants_connect = sim->is_connected = sim->wants_upstream_tls = false;
    mw_buf_fini(&sim->answers);
}

static void op_secure_client(void *user)
{
    ((struct mw_simulation *)user)->wants_client_tls = true;
}

static void op_secure_upstream(void *user)
{
    ((struct mw_simulation *)user)->wants_upstream_tls = true;
}

static void open_chain(struct mw_simulation *sim)
{
    const struct mw_chain *chain = sim->listen->chain;
    if (chain == NULL || mw_chain_length(chain) == 0)
        return;
    sim->run = mw_run_new(chain, mw_session_subject(sim->session), &sim->services);
    mw_session_set_stages(sim->session, mw_run_stages(sim->run), mw_chain_wants_spool(chain));
}

static void op_restart_filters(void *user)
{
    struct mw_simulation *sim = user;
    mw_note(sim, "XCLIENT: another client begins, the filters start over");
    mw_run_free(&sim->run);
    sim->is_decided = false;
    open_chain(sim);
}

static struct mw_slice op_known_ehlo(void *user)
{
    return mw_buf_view(&((struct mw_simulation *)user)->ehlo);
}

static void op_remember_ehlo(void *user, struct mw_slice reply)
{
    (void)user;
    (void)reply;
}

/* Input is not looked at before it is due: an end that comes right behind a message (a file without
 * QUIT) is not taken for a client that hung up before its reply. */
static bool op_client_present(void *user)
{
    return !((struct mw_simulation *)user)->was_told_eof;
}

static struct mw_spool *op_spool_open(void *user)
{
    struct mw_simulation *sim = user;
    return mw_spool_new(&sim->files, sim->listen->spool_memory);
}

static void op_spool_close(void *user, struct mw_spool *spool)
{
    (void)user;
    mw_spool_free(&spool);
}

static const struct mw_session_ops session_ops = {
    .run_stage = op_run_stage,
    .cancel_stage = op_cancel_stage,
    .transaction_begin = op_transaction_begin,
    .transaction_end = op_transaction_end,
    .changes = op_changes,
    .connect_upstream = op_connect_upstream,
    .close_upstream = op_close_upstream,
    .secure_client = op_secure_client,
    .secure_upstream = op_secure_upstream,
    .restart_filters = op_restart_filters,
    .known_ehlo = op_known_ehlo,
    .remember_ehlo = op_remember_ehlo,
    .client_present = op_client_present,
    .spool_open = op_spool_open,
    .spool_close = op_spool_close,
};

/* ---- events between the session and what stands behind it ---- */

static void connect_model(struct mw_simulation *sim)
{
    enum mw_upstream_tls tls = sim->listen->upstream->tls;
    struct mw_tls_info info = simulated_tls();
    sim->wants_connect = false;
    sim->is_connected = true;
    sim->model.offers.has_starttls = tls != MW_UPSTREAM_TLS_OFF && tls != MW_UPSTREAM_TLS_IMPLICIT;
    mw_model_greet(&sim->model, &sim->answers);
    if (tls == MW_UPSTREAM_TLS_IMPLICIT)
        mw_session_upstream_secured(sim->session, &info, now_of(sim));
    mw_session_upstream_up(sim->session, now_of(sim));
}

static void answer(struct mw_simulation *sim)
{
    struct mw_buf answers = sim->answers;
    sim->answers = (struct mw_buf){0};
    mw_session_upstream_data(sim->session, mw_buf_view(&answers), now_of(sim));
    mw_session_settle(sim->session); /* it may have borrowed from them for the client */
    mw_buf_fini(&answers);
}

static void decide(struct mw_simulation *sim)
{
    struct mw_outcome outcome;
    sim->is_decided = false;
    mw_run_outcome(sim->run, &outcome);
    mw_session_decided(sim->session, &outcome, now_of(sim));
}

/* The handshake succeeds, whatever was agreed upon before. */
static void secure(struct mw_simulation *sim)
{
    struct mw_tls_info info = simulated_tls();
    if (sim->wants_client_tls) {
        sim->wants_client_tls = false;
        mw_note(sim, "TLS with the client: simulated as %s; go on with EHLO, in the clear",
                info.version);
        mw_session_client_secured(sim->session, &info, now_of(sim));
        return;
    }
    sim->wants_upstream_tls = sim->model.offers.has_starttls = false;
    mw_session_upstream_secured(sim->session, &info, now_of(sim));
}

/* One file job of the spool, here and now: nobody else waits. */
static bool run_spool_job(struct mw_simulation *sim)
{
    struct mw_spool *spool = mw_session_spool(sim->session);
    struct mw_spool_job job;
    if (spool == NULL || !mw_spool_job(spool, &job))
        return false;
    mw_spool_job_done(spool, job.is_read ? pread(job.fd, job.octets, job.len, (off_t)job.offset)
                                         : pwrite(job.fd, job.octets, job.len, (off_t)job.offset));
    return true;
}

/* One event that needs neither the client nor time; false: there is none. */
static bool next_event(struct mw_simulation *sim)
{
    if (sim->wants_connect)
        connect_model(sim);
    else if (sim->wants_client_tls || sim->wants_upstream_tls)
        secure(sim);
    else if (sim->is_decided)
        decide(sim);
    else if (sim->answers.len > 0 && mw_session_wants_upstream(sim->session))
        answer(sim);
    else if (mw_session_wants_progress(sim->session) || run_spool_job(sim))
        mw_session_progress(sim->session, now_of(sim));
    else
        return false;
    return true;
}

/* ---- what the session says ---- */

static void to_model(struct mw_simulation *sim)
{
    struct mw_queue *queue = mw_session_to_upstream(sim->session);
    struct iovec iov[16];
    while (sim->is_connected && mw_queue_len(queue) > 0) {
        size_t count = mw_queue_iov(queue, iov, 16), len = 0;
        for (size_t i = 0; i < count; i++) {
            mw_model_take(&sim->model, MW_SLICE(iov[i].iov_base, iov[i].iov_len), &sim->answers);
            len += iov[i].iov_len;
        }
        mw_queue_consume(queue, len);
    }
}

static void to_client(struct mw_simulation *sim)
{
    struct mw_queue *queue = mw_session_to_client(sim->session);
    struct iovec iov[16];
    while (mw_queue_len(queue) > 0) {
        size_t count = mw_queue_iov(queue, iov, 16), len = 0;
        for (size_t i = 0; i < count; i++) {
            if (sim->replies != NULL)
                mw_buf_put(sim->replies, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
            else
                fwrite(iov[i].iov_base, 1, iov[i].iov_len, stdout);
            len += iov[i].iov_len;
        }
        sim->octets_out += len;
        mw_queue_consume(queue, len);
    }
    if (sim->replies == NULL && fflush(stdout) != 0)
        sim->is_output_broken = true;
}

void mw_simulation_go_on(struct mw_simulation *sim)
{
    do {
        to_model(sim);
        mw_note_log(sim);
        to_client(sim);
        mw_session_settle(sim->session);
    } while (!mw_session_is_over(sim->session) && next_event(sim));
}

/* ---- time ---- */

static uint64_t deadline_of(const struct mw_simulation *sim)
{
    uint64_t deadline = mw_session_deadline(sim->session);
    uint64_t run = sim->run != NULL ? mw_run_deadline(sim->run) : 0;
    return run != 0 && run < deadline ? run : deadline;
}

void mw_simulation_tick(struct mw_simulation *sim)
{
    uint64_t now = now_of(sim);
    uint64_t run = sim->run != NULL ? mw_run_deadline(sim->run) : 0;
    if (run != 0 && now >= run)
        mw_run_expire(sim->run, now);
    else if (now >= mw_session_deadline(sim->session))
        mw_session_timer(sim->session, now);
}

int mw_simulation_wait_ms(const struct mw_simulation *sim)
{
    enum { A_DAY_MS = 86400000 };
    uint64_t deadline = deadline_of(sim), now = now_of(sim);
    int loop_ms = uv_loop_alive(&sim->serving->loop) ? uv_backend_timeout(&sim->serving->loop) : -1;
    if (deadline == UINT64_MAX)
        return loop_ms;
    uint64_t left = deadline > now ? deadline - now : 0;
    int session_ms = left < A_DAY_MS ? (int)left : A_DAY_MS;
    return loop_ms >= 0 && loop_ms < session_ms ? loop_ms : session_ms;
}

/* ---- the client ---- */

bool mw_simulation_is_idle(const struct mw_simulation *sim)
{
    bool is_waiting = sim->run != NULL && mw_run_is_waiting(sim->run);
    return !is_waiting && mw_session_wants_client(sim->session);
}

void mw_simulation_say(struct mw_simulation *sim, struct mw_slice octets)
{
    mw_session_client_data(sim->session, octets, now_of(sim));
    if (mw_session_had_secret(sim->session))
        explicit_bzero((void *)(uintptr_t)octets.ptr, octets.len);
    mw_simulation_go_on(sim);
}

void mw_simulation_hang_up(struct mw_simulation *sim)
{
    sim->was_told_eof = true;
    mw_session_client_eof(sim->session, now_of(sim));
    mw_simulation_go_on(sim);
}

/* ---- beginning and end ---- */

static void prepare_model(struct mw_simulation *sim)
{
    const struct mw_upstream_settings *upstream = sim->listen->upstream;
    struct mw_model_offers offers = {
        .has_xclient = upstream->identity == MW_IDENTITY_XCLIENT,
        .has_xforward = upstream->identity == MW_IDENTITY_XCLIENT ||
                        upstream->identity == MW_IDENTITY_XFORWARD,
    };
    mw_model_init(&sim->model, &offers);
    sim->model.on_message = mw_note_message;
    sim->model.user = sim;
    mw_model_take(&sim->model, MW_LIT("EHLO simulated.invalid\r\n"), &sim->ehlo);
}

void mw_simulation_begin(struct mw_simulation *sim)
{
    struct mw_tls_info info = simulated_tls();
    prepare_model(sim);
    mw_simulation_services(sim);
    if (sim->peer.tls == NULL && sim->listen->tls == MW_LISTEN_TLS_IMPLICIT)
        sim->peer.tls = &info; /* copied */
    sim->session = mw_session_new(sim->snapshot, sim->listen, &session_ops, sim, sim->serving->log,
                                  MW_LIT("simulate"), &sim->peer);
    struct mw_subject *subject = mw_session_subject(sim->session);
    sim->upstream_view = (struct mw_upstream_view){.connections = 1, .is_up = true};
    subject->upstream = &sim->upstream_view;
    if (sim->user.len > 0) {
        subject->auth_user = sim->user;
        subject->auth_mechanism = MW_LIT("PLAIN");
    }
    open_chain(sim);
    mw_session_start(sim->session, now_of(sim));
    mw_simulation_go_on(sim);
}

void mw_simulation_end(struct mw_simulation *sim)
{
    mw_session_stats_add(sim->session, 0, sim->octets_out);
    mw_session_log_end(sim->session, now_of(sim));
    if (!mw_session_is_over(sim->session))
        mw_session_shutdown(sim->session, true, now_of(sim));
    mw_run_free(&sim->run);
    mw_note_log(sim);
    if (mw_log_dropped(sim->serving->log) > 0)
        mw_note(sim, "%llu further log lines are not shown",
                (unsigned long long)mw_log_dropped(sim->serving->log));
    mw_session_free(&sim->session);
    mw_model_fini(&sim->model);
    mw_buf_fini(&sim->answers);
    mw_buf_fini(&sim->ehlo);
    mw_buf_fini(&sim->typed);
}
