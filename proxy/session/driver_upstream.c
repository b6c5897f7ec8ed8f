/* driver_upstream.c - the upstream's leg: a place among the connections that are allowed, an
 * address that answers, the identity in front, the handshake.
 *
 *   wants_connect -> queue (max-connections) -> attempt, attempt, ... -> greeting begins -> UP
 *
 * The session hears of a connection (upstream_up) when the first octet of its greeting is there.
 * Until then nothing of the dialogue has been said, and the next address can take over in silence:
 * when this one refuses, hangs, closes, or fails the handshake of implicit TLS. Each attempt has an
 * equal share of what is left of connect-timeout. What the pool knows (which addresses are down,
 * who waits) is in upstream_pool.c. */
#include <stdio.h>
#include <stdlib.h>

#include "net/proxyproto.h"
#include "session/driver_priv.h"

static const char NO_ENGINE[] = "no TLS engine could be made";

static struct mw_upstream_leg *leg_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct mw_upstream_leg, conn);
}

static const struct mw_endpoint *address_of(const struct mw_client *client)
{
    return &client->listen->upstream->addresses[client->attempt.index];
}

static struct mw_slice id_of(const struct mw_client *client)
{
    return mw_session_subject(client->session)->session_id;
}

/* ---- the end of a leg ---- */

static void leg_closed(struct mw_conn *conn)
{
    free(leg_of(conn));
}

void mw_upstream_close(struct mw_client *client)
{
    struct mw_upstream_leg *leg = client->upstream;
    client->wants_connect = client->wants_secure_upstream = false;
    client->upstream_at = 0;
    if (client->pool != NULL)
        mw_pool_leave(client->pool, &client->queued);
    if (leg == NULL)
        return;
    client->upstream = NULL;
    leg->client = NULL;
    mw_conn_close(&leg->conn, false);
    mw_pool_closed(client->pool);
    if (!mw_list_is_empty(&client->pool->waiting))
        mw_driver_wants_turn(client->driver);
}

/* ---- TLS ---- */

/* Sessions are reused for the same address of the same upstream. */
static enum mw_err begin_tls(struct mw_client *client)
{
    const struct mw_upstream_settings *upstream = client->listen->upstream;
    char address[128];
    struct mw_buf key = {0};
    mw_endpoint_print(address_of(client), address, sizeof address);
    mw_buf_put(&key, upstream->name);
    mw_buf_putf(&key, " %s", address);
    enum mw_err err = mw_conn_secure_client(&client->upstream->conn, upstream->tls_client,
                                            mw_buf_view(&key));
    client->upstream->is_securing = err == MW_OK;
    mw_buf_fini(&key);
    return err;
}

static void secure_failed(struct mw_client *client, const char *text)
{
    mw_handshake_note(client, MW_TLS_SIDE_UPSTREAM, NULL, text);
    mw_upstream_close(client);
    mw_session_upstream_failed(client->session, text, mw_client_now(client));
}

void mw_upstream_secure(struct mw_client *client)
{
    client->wants_secure_upstream = false;
    if (begin_tls(client) != MW_OK)
        secure_failed(client, NO_ENGINE);
}

/* ---- attempts ---- */

static void try_next(struct mw_client *client, const char *why);

static void note_failure(struct mw_client *client, const char *text)
{
    const struct mw_upstream_settings *upstream = client->listen->upstream;
    char address[128];
    uint64_t wait_ms;
    mw_endpoint_print(address_of(client), address, sizeof address);
    MW_LOG(client->driver->log, id_of(client), MW_EV_UPSTREAM_FAILED,
           mw_text("upstream", upstream->name), mw_cstr("address", address),
           mw_cstr("problem", text));
    if (mw_pool_failed(client->pool, upstream->addresses, upstream->address_count, &client->attempt,
                       mw_client_now(client), &wait_ms))
        MW_LOG(client->driver->log, MW_EMPTY, MW_EV_UPSTREAM_DOWN,
               mw_text("upstream", upstream->name), mw_cstr("address", address),
               mw_cstr("problem", text), mw_seconds("retry", wait_ms));
}

static void attempt_failed(struct mw_client *client, const char *text)
{
    note_failure(client, text);
    mw_upstream_close(client);
    mw_queue_clear(mw_session_to_upstream(client->session)); /* a PROXY header at most */
    try_next(client, text);
}

/* The PROXY header goes first, in the clear also where TLS follows. */
static void send_identity(struct mw_client *client)
{
    enum mw_identity identity = client->listen->upstream->identity;
    if (identity != MW_IDENTITY_PROXY_V1 && identity != MW_IDENTITY_PROXY_V2)
        return;
    const struct mw_subject *subject = mw_session_subject(client->session);
    struct mw_buf header = {0};
    struct mw_proxy_header proxy = {.version = identity == MW_IDENTITY_PROXY_V1 ? 1 : 2,
                                    .source = subject->client_address,
                                    .destination = subject->server_address,
                                    .source_port = subject->client_port,
                                    .destination_port = subject->server_port,
                                    .unique_id = subject->session_id};
    if (subject->tls != NULL)
        mw_proxy_set_tls(&proxy, subject->tls);
    mw_proxy_print(&proxy, &header);
    mw_queue_add(mw_session_to_upstream(client->session), mw_buf_view(&header));
    mw_buf_fini(&header);
}

static void leg_connected(struct mw_conn *conn, enum mw_err err, const char *text)
{
    struct mw_upstream_leg *leg = leg_of(conn);
    struct mw_client *client = leg->client;
    if (client == NULL)
        return;
    if (err != MW_OK) {
        attempt_failed(client, text);
    } else {
        leg->phase = MW_LEG_GREETING;
        send_identity(client);
        mw_upstream_flush(client);
        if (client->listen->upstream->tls == MW_UPSTREAM_TLS_IMPLICIT && begin_tls(client) != MW_OK)
            attempt_failed(client, NO_ENGINE);
    }
    mw_client_after(client);
}

static void leg_secured(struct mw_conn *conn, enum mw_err err, const char *text)
{
    struct mw_upstream_leg *leg = leg_of(conn);
    struct mw_client *client = leg->client;
    char problem[256]; /* the text may belong to the connection, which is closed here */
    if (client == NULL)
        return;
    leg->is_securing = false;
    if (err != MW_OK) {
        (void)snprintf(problem, sizeof problem, "%s", text);
        if (leg->phase == MW_LEG_UP) {
            secure_failed(client, problem);
        } else {
            mw_handshake_note(client, MW_TLS_SIDE_UPSTREAM, NULL, problem);
            attempt_failed(client, problem);
        }
    } else {
        mw_handshake_note(client, MW_TLS_SIDE_UPSTREAM, mw_conn_tls(conn), NULL);
        if (leg->phase == MW_LEG_UP)
            mw_session_upstream_secured(client->session, mw_conn_tls(conn), mw_client_now(client));
    }
    mw_client_after(client);
}

/* The first octet of the greeting: this is our connection. */
static void greeting_begins(struct mw_upstream_leg *leg)
{
    struct mw_client *client = leg->client;
    char address[128];
    uint64_t down_ms;
    leg->phase = MW_LEG_UP;
    client->upstream_at = 0;
    if (mw_pool_succeeded(client->pool, address_of(client), mw_client_now(client), &down_ms)) {
        mw_endpoint_print(address_of(client), address, sizeof address);
        MW_LOG(client->driver->log, MW_EMPTY, MW_EV_UPSTREAM_UP,
               mw_text("upstream", client->listen->upstream->name), mw_cstr("address", address),
               mw_seconds("down", down_ms));
    }
    if (mw_conn_tls(&leg->conn) != NULL)
        mw_session_upstream_secured(client->session, mw_conn_tls(&leg->conn),
                                    mw_client_now(client));
    if (leg->client != NULL)
        mw_session_upstream_up(client->session, mw_client_now(client));
}

static void leg_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct mw_upstream_leg *leg = leg_of(conn);
    struct mw_client *client = leg->client;
    if (client == NULL)
        return;
    if (leg->phase == MW_LEG_GREETING)
        greeting_begins(leg);
    if (leg->client != NULL)
        mw_session_upstream_data(client->session, octets, mw_client_now(client));
    mw_client_after(client);
}

static void leg_eof(struct mw_conn *conn, const char *text)
{
    struct mw_upstream_leg *leg = leg_of(conn);
    struct mw_client *client = leg->client;
    if (client == NULL)
        return;
    if (leg->phase == MW_LEG_GREETING)
        attempt_failed(client, text != NULL ? text : "closed before its greeting");
    else
        mw_session_upstream_eof(client->session, text, mw_client_now(client));
    mw_client_after(client);
}

static void leg_drained(struct mw_conn *conn)
{
    struct mw_client *client = leg_of(conn)->client;
    if (client == NULL)
        return;
    mw_session_progress(client->session, mw_client_now(client));
    mw_client_after(client);
}

static const struct mw_conn_ops leg_ops = {
    .on_connected = leg_connected,
    .on_read = leg_read,
    .on_secured = leg_secured,
    .on_eof = leg_eof,
    .on_drained = leg_drained,
    .on_closed = leg_closed,
};

static enum mw_err open_leg(struct mw_client *client, const char **out_text)
{
    struct mw_upstream_leg *leg = mw_xcalloc(1, sizeof *leg);
    leg->client = client;
    const struct mw_inet *from = client->listen->upstream->is_transparent
                                     ? &mw_session_subject(client->session)->client_address
                                     : NULL;
    enum mw_err err = mw_conn_connect_from(&leg->conn, client->driver->net, from,
                                           address_of(client), &leg_ops, out_text);
    if (err != MW_OK) {
        free(leg);
        return err;
    }
    client->upstream = leg;
    mw_pool_opened(client->pool);
    return MW_OK;
}

/* The first that speaks. `why` is what the session is told if there is none left. */
static void try_next(struct mw_client *client, const char *why)
{
    const struct mw_upstream_settings *upstream = client->listen->upstream;
    size_t count = upstream->address_count < MW_ADDRESSES_MAX ? upstream->address_count
                                                              : MW_ADDRESSES_MAX;
    for (;;) {
        uint64_t now = mw_client_now(client);
        size_t left = count - (size_t)__builtin_popcountll(client->tried);
        if (left == 0 || now >= client->connect_end)
            break;
        uint64_t share = (client->connect_end - now) / left;
        if (!mw_pool_pick(client->pool, upstream->addresses, count, &client->tried, now, share,
                          &client->attempt))
            break;
        if (open_leg(client, &why) == MW_OK) {
            client->upstream_at = now + share;
            return;
        }
        note_failure(client, why);
    }
    mw_session_upstream_failed(client->session, why, mw_client_now(client));
}

/* ---- the queue ---- */

static void begin_attempts(struct mw_client *client)
{
    client->tried = 0;
    client->connect_end = mw_client_now(client) + client->listen->upstream->connect_timeout_ms;
    try_next(client, "no address answered");
}

void mw_upstream_connect(struct mw_client *client)
{
    const struct mw_upstream_settings *upstream = client->listen->upstream;
    struct mw_pool *pool = client->pool;
    client->wants_connect = false;
    if (mw_list_is_empty(&pool->waiting) && mw_pool_has_room(pool, upstream->max_connections)) {
        begin_attempts(client);
    } else if (upstream->queue_timeout_ms == 0) {
        mw_session_upstream_failed(client->session, "max-connections is reached",
                                   mw_client_now(client));
    } else {
        mw_pool_enqueue(pool, &client->queued);
        client->upstream_at = mw_client_now(client) + upstream->queue_timeout_ms;
    }
}

static void serve(struct mw_pool *pool)
{
    for (uint32_t count = pool->view.waiting; count > 0; count--) {
        if (mw_list_is_empty(&pool->waiting))
            return;
        struct mw_client *client = mw_container_of(pool->waiting.next, struct mw_client, queued);
        if (!mw_pool_has_room(pool, client->listen->upstream->max_connections))
            return;
        mw_pool_leave(pool, &client->queued);
        begin_attempts(client);
        mw_client_after(client);
    }
}

void mw_upstream_serve_queues(struct mw_driver *driver)
{
    mw_list_for_each (link, &driver->pools.all)
        serve(mw_container_of(link, struct mw_pool, all));
}

void mw_upstream_timeout(struct mw_client *client)
{
    client->upstream_at = 0;
    if (!mw_list_contains(&client->queued)) {
        attempt_failed(client, "no answer in its share of connect-timeout");
        return;
    }
    mw_pool_leave(client->pool, &client->queued);
    mw_session_upstream_failed(client->session, "no connection was free within queue-timeout",
                               mw_client_now(client));
}

/* ---- after every event ---- */

void mw_upstream_flush(struct mw_client *client)
{
    struct mw_queue *queue = mw_session_to_upstream(client->session);
    struct mw_upstream_leg *leg = client->upstream;
    if (leg != NULL && leg->phase != MW_LEG_CONNECTING && !leg->is_securing &&
        mw_queue_len(queue) > 0)
        mw_conn_flush(&leg->conn, queue);
}

void mw_upstream_set_reading(struct mw_client *client)
{
    struct mw_upstream_leg *leg = client->upstream;
    if (leg == NULL || leg->phase == MW_LEG_CONNECTING || leg->is_securing)
        return;
    if (leg->phase == MW_LEG_GREETING || mw_session_wants_upstream(client->session))
        mw_conn_read_start(&leg->conn);
    else
        mw_conn_read_stop(&leg->conn);
}
