/* driver.c - links: one client's socket, its session, its timer.
 *
 * Every callback of the loop has the same shape: tell the session (one event), then
 * mw_client_after(): perform what the session asked for meanwhile (connect, close, secure), write
 * both queues in one call each, settle, start file jobs, set reading and the timer. Nothing here
 * knows what SMTP is; nothing in the session knows what a socket is.
 *
 * Life of a client: accepted -> PROXY, TLS, NAME (driver_front.c) -> SESSION -> LINGER (our last
 * reply is on its way) -> CLOSED -> freed when both handles are gone. An upstream leg has its own
 * life (driver_upstream.c), because a session may drop one and open another. */
#include "session/driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "session/driver_priv.h"
#include "smtp/replies.h"

struct mw_client *mw_client_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct mw_client, conn);
}

/* ---- the end of a client ---- */

/* The loop's callbacks for the driver itself: next turn of busy sessions, and the end of a drain.
 */
static void check_empty(struct mw_driver *driver);

static void client_gone(struct mw_client *client)
{
    if (--client->handles > 0)
        return;
    struct mw_driver *driver = client->driver;
    struct mw_snapshot *snapshot = client->snapshot;
    mw_list_remove(&client->all);
    mw_list_remove(&client->waiting);
    driver->stats.sessions_open--;
    mw_queue_fini(&client->out);
    free(client);
    mw_snapshot_unref(&snapshot);
    check_empty(driver);
}

static void client_closed(struct mw_conn *conn)
{
    client_gone(mw_client_of(conn));
}

static void timer_closed(uv_handle_t *handle)
{
    client_gone(handle->data);
}

/* Log, tell the filters, free the session. */
static void end_session(struct mw_client *client)
{
    struct mw_driver *driver = client->driver;
    if (client->session == NULL)
        return;
    uint64_t counts[4];
    mw_session_stats_add(client->session, 0, client->conn.octets_out);
    mw_session_log_end(client->session, mw_client_now(client));
    mw_session_result(client->session, counts);
    driver->stats.messages_accepted += counts[0];
    driver->stats.messages_refused += counts[1];
    driver->stats.messages_discarded += counts[2];
    driver->stats.messages_lost += counts[3];
    driver->stats.octets_in += client->conn.octets_in;
    driver->stats.octets_out += client->conn.octets_out;
    mw_upstream_close(client);
    /* a session that ended by itself has no transaction any more; one that is cut off ends it while
     * filters still listen */
    if (!mw_session_is_over(client->session))
        mw_session_shutdown(client->session, true, mw_client_now(client));
    mw_run_free(&client->run);
    mw_conn_flush(&client->conn, &client->out); /* instead of the queue that goes now */
    mw_session_free(&client->session);
}

void mw_client_close(struct mw_client *client)
{
    if (client->phase == MW_PHASE_CLOSED)
        return;
    end_session(client);
    mw_front_fini(client);
    client->phase = MW_PHASE_CLOSED;
    mw_conn_close(&client->conn, false);
    uv_close((uv_handle_t *)&client->timer, timer_closed);
}

void mw_client_linger(struct mw_client *client)
{
    if (client->phase == MW_PHASE_CLOSED)
        return;
    client->phase = MW_PHASE_LINGER;
    client->phase_at = mw_client_now(client) + MW_LINGER_MS;
    mw_conn_flush(&client->conn, &client->out);
    if (mw_conn_is_flushed(&client->conn)) {
        if (client->is_gone) {
            mw_client_close(client);
            return;
        }
        /* octets that the client has sent meanwhile must not turn our reply into a reset: read them
         * until it closes */
        mw_conn_finish(&client->conn);
    }
    mw_conn_read_start(&client->conn);
    mw_client_schedule(client);
}

/* ---- after every event ---- */

void mw_client_schedule(struct mw_client *client)
{
    uint64_t deadline = UINT64_MAX, now = mw_client_now(client);
    if (client->phase == MW_PHASE_CLOSED)
        return;
    if (client->phase != MW_PHASE_SESSION) {
        deadline = client->phase_at;
    } else {
        deadline = mw_session_deadline(client->session);
        uint64_t run = client->run != NULL ? mw_run_deadline(client->run) : 0;
        if (run != 0 && run < deadline)
            deadline = run;
        if (client->upstream_at != 0 && client->upstream_at < deadline)
            deadline = client->upstream_at;
    }
    if (client->secure_at != 0 && client->secure_at < deadline)
        deadline = client->secure_at;
    /* a timer that fires early is cheaper than one that is set anew with every command */
    if (deadline >= client->timer_at)
        return;
    client->timer_at = deadline;
    uv_timer_start(&client->timer, client->timer.timer_cb, deadline > now ? deadline - now : 0, 0);
}

static void set_reading(struct mw_conn *conn, bool is_wanted)
{
    if (is_wanted)
        mw_conn_read_start(conn);
    else
        mw_conn_read_stop(conn);
}

static void flush(struct mw_client *client)
{
    struct mw_queue *to_client = mw_session_to_client(client->session);
    if (mw_queue_len(to_client) > 0 && !client->is_securing)
        mw_conn_flush(&client->conn, to_client);
    mw_upstream_flush(client);
    mw_session_settle(client->session);
}

static void next_turn(uv_timer_t *timer);

void mw_driver_wants_turn(struct mw_driver *driver)
{
    if (!uv_is_active((uv_handle_t *)&driver->turn))
        uv_timer_start(&driver->turn, next_turn, 0, 0);
}

static void wait_for_turn(struct mw_client *client)
{
    if (!mw_list_contains(&client->waiting))
        mw_list_append(&client->driver->waiting, &client->waiting);
    mw_driver_wants_turn(client->driver);
}

/* The session's last words move to the client's own queue: they outlive the session. */
static void keep_last_words(struct mw_client *client)
{
    struct mw_queue *to_client = mw_session_to_client(client->session);
    struct iovec iov[16];
    while (mw_queue_len(to_client) > 0) {
        size_t count = mw_queue_iov(to_client, iov, 16), len = 0;
        for (size_t i = 0; i < count; i++) {
            mw_queue_add(&client->out, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
            len += iov[i].iov_len;
        }
        mw_queue_consume(to_client, len);
    }
}

static void session_over(struct mw_client *client)
{
    enum mw_session_end end = mw_session_end(client->session);
    keep_last_words(client);
    end_session(client);
    if (end == MW_END_CLIENT_CLOSED)
        client->is_gone = true;
    if (client->is_securing ||
        (mw_conn_is_flushed(&client->conn) && (end == MW_END_QUIT || client->is_gone)))
        mw_client_close(client);
    else
        mw_client_linger(client);
}

void mw_client_after(struct mw_client *client)
{
    if (client->phase != MW_PHASE_SESSION || client->is_handling)
        return;
    client->is_handling = true;
    for (int rounds = 0;; rounds++) {
        if (client->wants_connect && !mw_session_is_over(client->session))
            mw_upstream_connect(client);
        flush(client);
        if (mw_session_is_over(client->session) || client->is_broken)
            break;
        if (client->wants_secure)
            mw_handshake_begin(client);
        if (client->wants_secure_upstream)
            mw_upstream_secure(client);
        if (client->is_decided) {
            struct mw_outcome outcome;
            client->is_decided = false;
            mw_run_outcome(client->run, &outcome);
            mw_session_decided(client->session, &outcome, mw_client_now(client));
            continue;
        }
        if (client->wants_connect)
            continue;
        if (!mw_session_wants_progress(client->session) && !mw_services_spool_jobs(client))
            break;
        if (rounds >= MW_PROGRESS_MAX) { /* others want to live, too */
            wait_for_turn(client);
            break;
        }
        mw_session_progress(client->session, mw_client_now(client));
    }
    client->is_handling = false;
    if (mw_session_is_over(client->session)) {
        session_over(client);
        return;
    }
    if (client->is_broken) {
        mw_client_close(client);
        return;
    }
    if (!client->is_securing)
        set_reading(&client->conn, mw_session_wants_client(client->session));
    mw_upstream_set_reading(client);
    mw_client_schedule(client);
}

static void next_turn(uv_timer_t *timer)
{
    struct mw_driver *driver = timer->data;
    struct mw_link now_waiting;
    mw_list_init(&now_waiting);
    mw_list_for_each (link, &driver->waiting) {
        mw_list_remove(link);
        mw_list_append(&now_waiting, link);
    }
    while (!mw_list_is_empty(&now_waiting)) {
        struct mw_client *client = mw_container_of(now_waiting.next, struct mw_client, waiting);
        mw_list_remove(&client->waiting);
        if (client->session != NULL) {
            mw_session_progress(client->session, mw_client_now(client));
            mw_client_after(client);
        }
    }
    mw_upstream_serve_queues(driver);
    check_empty(driver);
}

/* ---- the client's events ---- */

static void client_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct mw_client *client = mw_client_of(conn);
    if (client->phase == MW_PHASE_PROXY || client->phase == MW_PHASE_HEALTH) {
        mw_front_data(client, octets);
        return;
    }
    if (client->phase != MW_PHASE_SESSION)
        return; /* lingering: dropped */
    mw_session_client_data(client->session, octets, mw_client_now(client));
    bool had_secret = mw_session_had_secret(client->session);
    mw_client_after(client);
    if (had_secret)
        explicit_bzero((void *)(uintptr_t)octets.ptr, octets.len);
}

static void client_eof(struct mw_conn *conn, const char *text)
{
    struct mw_client *client = mw_client_of(conn);
    client->is_gone = true;
    if (client->phase != MW_PHASE_SESSION) {
        mw_client_close(client);
        return;
    }
    if (text != NULL) /* reset: no reply will reach it */
        mw_queue_clear(mw_session_to_client(client->session));
    mw_session_client_eof(client->session, mw_client_now(client));
    mw_client_after(client);
}

static void client_drained(struct mw_conn *conn)
{
    struct mw_client *client = mw_client_of(conn);
    if (client->phase == MW_PHASE_SESSION) {
        mw_session_progress(client->session, mw_client_now(client));
        mw_client_after(client);
    } else if (client->phase == MW_PHASE_LINGER) {
        mw_client_linger(client);
    }
}

static const struct mw_conn_ops client_ops = {
    .on_read = client_read,
    .on_secured = mw_handshake_done,
    .on_eof = client_eof,
    .on_drained = client_drained,
    .on_closed = client_closed,
};

static void client_timer(uv_timer_t *timer)
{
    struct mw_client *client = timer->data;
    uint64_t now = mw_client_now(client);
    client->timer_at = UINT64_MAX;
    if (client->phase == MW_PHASE_LINGER) {
        if (now >= client->phase_at)
            mw_client_close(client);
    } else if (client->secure_at != 0 && now >= client->secure_at) {
        mw_handshake_timeout(client);
        mw_client_after(client);
    } else if (client->phase != MW_PHASE_SESSION) {
        if (client->phase != MW_PHASE_CLOSED && now >= client->phase_at)
            mw_front_timeout(client);
    } else {
        uint64_t run = client->run != NULL ? mw_run_deadline(client->run) : 0;
        if (client->upstream_at != 0 && now >= client->upstream_at)
            mw_upstream_timeout(client);
        else if (run != 0 && now >= run)
            mw_run_expire(client->run, now); /* comes back as decided() */
        else if (now >= mw_session_deadline(client->session))
            mw_session_timer(client->session, now);
        mw_client_after(client);
    }
    mw_client_schedule(client);
}

/* ---- beginning ---- */

/* Seven letters and digits; starts from the clock, so that ids of two runs do not meet in one log.
 */
static struct mw_slice make_id(struct mw_driver *driver, char out_text[12])
{
    static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint64_t number = driver->next_id++;
    for (size_t i = 7; i-- > 0; number /= sizeof digits - 1)
        out_text[i] = digits[number % (sizeof digits - 1)];
    return MW_SLICE(out_text, 7);
}

void mw_client_begin(struct mw_client *client)
{
    struct mw_driver *driver = client->driver;
    char id[12];
    client->phase = MW_PHASE_SESSION;
    client->session = mw_session_new(client->snapshot, client->listen, &mw_client_session_ops,
                                     client, driver->log, make_id(driver, id), &client->peer);
    mw_front_fini(client);
    client->pool = mw_pool_of(&driver->pools, client->listen->upstream->name);
    mw_session_subject(client->session)->upstream = &client->pool->view;
    mw_client_begin_filters(client);
    mw_session_start(client->session, mw_client_now(client));
    if (driver->is_draining && !mw_session_is_over(client->session))
        mw_session_shutdown(client->session, false, mw_client_now(client));
    mw_client_after(client);
}

/* With implicit TLS there is nobody who could read a reply. */
static void refuse_socket(struct mw_driver *driver, const struct mw_listen_settings *listen, int fd,
                          enum mw_reply_id id)
{
    struct mw_buf reply = {0};
    mw_reply_own(&reply, id);
    if (listen->tls != MW_LISTEN_TLS_IMPLICIT &&
        send(fd, reply.ptr, reply.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        shutdown(fd, SHUT_WR);
    mw_buf_fini(&reply);
    close(fd);
    driver->stats.sessions_refused++;
}

/* Sessions of this listener; the name survives reloads, the settings do not. */
static bool is_full(struct mw_driver *driver, const struct mw_listen_settings *listen)
{
    if (driver->stats.sessions_open < listen->max_sessions)
        return false;
    uint32_t count = 0;
    mw_list_for_each (link, &driver->clients) {
        const struct mw_client *client = mw_container_of(link, struct mw_client, all);
        count += mw_slice_eq(client->listen->name, listen->name);
    }
    return count >= listen->max_sessions;
}

void mw_driver_accept(struct mw_driver *driver, struct mw_snapshot *snapshot,
                      const struct mw_listen_settings *listen, int fd,
                      const struct sockaddr_storage *peer)
{
    if (driver->is_draining || is_full(driver, listen)) {
        refuse_socket(driver, listen, fd,
                      driver->is_draining ? MW_REPLY_SHUTTING_DOWN : MW_REPLY_TOO_BUSY);
        return;
    }
    struct mw_client *client = mw_xcalloc(1, sizeof *client);
    if (mw_conn_init(&client->conn, driver->net, fd, &client_ops) != MW_OK) {
        free(client);
        refuse_socket(driver, listen, fd, MW_REPLY_TOO_BUSY);
        return;
    }
    client->driver = driver;
    client->snapshot = mw_snapshot_ref(snapshot);
    client->listen = listen;
    client->timer_at = UINT64_MAX;
    client->handles = 2;
    mw_inet_from_sockaddr((const struct sockaddr *)peer, &client->peer.address, &client->peer.port);
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) == 0)
        mw_inet_from_sockaddr((const struct sockaddr *)&own, &client->peer.server_address,
                              &client->peer.server_port);
    uv_timer_init(driver->net->loop, &client->timer);
    client->timer.data = client;
    client->timer.timer_cb = client_timer;
    mw_list_append(&driver->clients, &client->all);
    driver->stats.sessions_open++;
    driver->stats.sessions_total++;
    mw_front_start(client);
}

/* ---- the driver ---- */

struct mw_driver *mw_driver_new(struct mw_net *net, struct mw_log *log,
                                struct mw_spool_files *files)
{
    struct mw_driver *driver = mw_xcalloc(1, sizeof *driver);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    driver->net = net;
    driver->services = (struct mw_loop_services){.loop = net->loop, .work_max = MW_WORK_MAX};
    driver->log = log;
    mw_loop_instance_services(&driver->services, log, &driver->instance_services);
    driver->files = files;
    driver->next_id = (((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 8) +
                      (uint64_t)getpid() % 256;
    mw_list_init(&driver->clients);
    mw_list_init(&driver->waiting);
    mw_pools_init(&driver->pools, driver->next_id ^ uv_hrtime());
    uv_timer_init(net->loop, &driver->turn);
    uv_unref((uv_handle_t *)&driver->turn);
    driver->turn.data = driver;
    return driver;
}

void mw_driver_set_resolver(struct mw_driver *driver, struct mw_resolver *resolver)
{
    driver->services.resolver = resolver;
}

const struct mw_instance_services *mw_driver_instance_services(const struct mw_driver *driver)
{
    return &driver->instance_services;
}

static void driver_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mw_driver_free(struct mw_driver **driver)
{
    if (*driver == NULL)
        return;
    mw_assert(mw_list_is_empty(&(*driver)->clients));
    mw_pools_fini(&(*driver)->pools);
    uv_close((uv_handle_t *)&(*driver)->turn, driver_closed);
    *driver = NULL;
}

static void check_empty(struct mw_driver *driver)
{
    if (driver->on_empty == NULL || !mw_list_is_empty(&driver->clients))
        return;
    void (*on_empty)(void *user) = driver->on_empty;
    driver->on_empty = NULL;
    on_empty(driver->on_empty_user);
}

static void shutdown_all(struct mw_driver *driver, bool is_now)
{
    mw_list_for_each (link, &driver->clients) {
        struct mw_client *client = mw_container_of(link, struct mw_client, all);
        if (client->phase == MW_PHASE_SESSION) {
            mw_session_shutdown(client->session, is_now, mw_client_now(client));
            mw_client_after(client);
        } else if (is_now || client->phase == MW_PHASE_HEALTH) {
            mw_client_close(client);
        }
    }
}

void mw_driver_drain(struct mw_driver *driver, void (*on_empty)(void *user), void *user)
{
    driver->is_draining = true;
    driver->on_empty = on_empty;
    driver->on_empty_user = user;
    shutdown_all(driver, false);
    if (mw_list_is_empty(&driver->clients)) {
        uv_timer_start(&driver->turn, next_turn, 0, 0); /* never from inside this call */
        uv_ref((uv_handle_t *)&driver->turn);
    }
}

void mw_driver_stop(struct mw_driver *driver)
{
    driver->is_draining = true;
    shutdown_all(driver, true);
}

void mw_driver_stats(const struct mw_driver *driver, struct mw_driver_stats *out_stats)
{
    *out_stats = driver->stats;
}
