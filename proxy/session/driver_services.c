/* driver_services.c - the loop's services for filters (chain/run.h, struct mw_services) and the
 * spool's file jobs. */
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "session/driver_priv.h"

/* ---- timers and blocking work ---- */

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    struct mw_client *client = user;
    return mw_loop_timer_start(&client->driver->services, delay_ms, fn, arg);
}

static void timer_stop(void *user, void *handle)
{
    (void)user;
    mw_loop_timer_stop(handle);
}

static bool work_queue(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    struct mw_client *client = user;
    return mw_loop_work(&client->driver->services, run, done, arg);
}

static uint64_t now_ms(void *user)
{
    return mw_client_now(user);
}

/* A stage that waited is decided. Never inside an event of the same session: filters run in none of
 * those meanwhile. */
static void decided(void *user)
{
    struct mw_client *client = user;
    if (client->session == NULL)
        return;
    if (client->is_handling) { /* a cancel callback of a filter that resumes: taken up when the
                                  event is over */
        client->is_decided = true;
        return;
    }
    struct mw_outcome outcome;
    mw_run_outcome(client->run, &outcome);
    mw_session_decided(client->session, &outcome, now_ms(client));
    mw_client_after(client);
}

void mw_services_fill(struct mw_client *client)
{
    client->services = (struct mw_services){
        .user = client,
        .now_ms = now_ms,
        .timer_start = timer_start,
        .timer_stop = timer_stop,
        .work = work_queue,
        .decided = decided,
        .log = client->driver->log,
        .query_limit = client->snapshot->query_limit,
    };
}

/* ---- spool ---- */

struct mw_spool *mw_services_spool_open(struct mw_client *client)
{
    return mw_spool_new(client->driver->files, client->listen->spool_memory);
}

void mw_services_spool_close(struct mw_client *client, struct mw_spool *spool)
{
    if (client->file_job != NULL && client->file_job->spool == spool) {
        client->file_job->client = NULL; /* freed when the job is done */
        client->file_job = NULL;
        return;
    }
    mw_spool_free(&spool);
}

static void file_run(uv_work_t *work)
{
    struct mw_file_job *job = work->data;
    job->result = job->job.is_read
                      ? pread(job->job.fd, job->job.octets, job->job.len, (off_t)job->job.offset)
                      : pwrite(job->job.fd, job->job.octets, job->job.len, (off_t)job->job.offset);
}

static void file_done(uv_work_t *work, int status)
{
    (void)status;
    struct mw_file_job *job = work->data;
    struct mw_client *client = job->client;
    struct mw_spool *spool = job->spool;
    mw_spool_job_done(spool, job->result);
    free(job);
    if (client == NULL) {
        mw_spool_free(&spool);
        return;
    }
    client->file_job = NULL;
    if (mw_spool_error(spool) != MW_OK)
        MW_LOG(client->driver->log, mw_session_subject(client->session)->session_id,
               MW_EV_SPOOL_FAILED,
               mw_cstr("advice", "look at the free space and health of spool-dir"));
    mw_session_progress(client->session, now_ms(client));
    mw_client_after(client);
}

/* What was written a moment ago is in the page cache: then no thread has to be asked. Never blocks.
 */
static bool read_now(struct mw_spool *spool, const struct mw_spool_job *job)
{
    struct iovec to = {.iov_base = job->octets, .iov_len = job->len};
    ssize_t count = preadv2(job->fd, &to, 1, (off_t)job->offset, RWF_NOWAIT);
    if (count <= 0)
        return false;
    mw_spool_job_done(spool, count);
    return true;
}

bool mw_services_spool_jobs(struct mw_client *client)
{
    struct mw_spool *spool = mw_session_spool(client->session);
    struct mw_spool_job job;
    if (spool == NULL || client->file_job != NULL || !mw_spool_job(spool, &job))
        return false;
    if (job.is_read && read_now(spool, &job))
        return true;
    struct mw_file_job *file_job = mw_xcalloc(1, sizeof *file_job);
    *file_job = (struct mw_file_job){.job = job, .spool = spool, .client = client};
    file_job->work.data = file_job;
    client->file_job = file_job;
    uv_queue_work(client->driver->net->loop, &file_job->work, file_run, file_done);
    return false;
}
