/* driver_front.c - before a session: who the client is (PROXY header from trusted peers, its name
 * in the DNS), the handshake of implicit TLS, and the load balancer's own connections, which
 * mailweir answers itself.
 *
 *   accepted -> PROXY -> TLS -> NAME -> the session begins
 *                          \-> HEALTH (LOCAL in the header)
 *
 * accept-proxy required: only peers in `trust` are served, and each must send a header; optional:
 * peers in `trust` must send one, others are served as they are. Whether a header is expected is
 * never guessed from what a peer sends. Exactly the header is taken from the socket (as its
 * specification advises): what is behind it may be the first octets of a handshake. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/proxyproto.h"
#include "session/driver_priv.h"
#include "smtp/replies.h"

static bool is_trusted(const struct mw_client *client)
{
    return mw_networks_contain(client->listen->trust, client->listen->trust_count,
                               &client->peer.address);
}

static void say_and_close(struct mw_client *client, enum mw_reply_id id)
{
    struct mw_buf reply = {0};
    mw_reply_own(&reply, id);
    mw_queue_add(&client->out, mw_buf_view(&reply));
    mw_buf_fini(&reply);
    mw_client_linger(client);
}

static void refuse_proxy(struct mw_client *client, const char *problem)
{
    char address[MW_INET_TEXT_MAX];
    MW_LOG(client->driver->log, MW_EMPTY, MW_EV_PROXY_BAD,
           mw_text("listener", client->listen->name),
           mw_client("client", MW_EMPTY, mw_inet_print(&client->peer.address, address),
                     client->peer.port),
           mw_cstr("problem", problem));
    mw_conn_peek(&client->conn, false);
    if (client->listen->tls == MW_LISTEN_TLS_IMPLICIT) /* it expects a handshake, not words */
        mw_client_close(client);
    else
        say_and_close(client, MW_REPLY_PROXY_BAD);
}

void mw_front_fini(struct mw_client *client)
{
    mw_query_cancel(&client->query);
    mw_buf_fini(&client->proxy_in);
    mw_buf_fini(&client->names);
    mw_arena_fini(&client->proxy_texts);
    client->proxy_tls = NULL;
    client->peer.name = client->peer.reverse_name = MW_EMPTY;
    client->peer.tls = NULL;
    if (client->health != NULL)
        mw_health_fini(client->health);
    free(client->health);
    client->health = NULL;
}

/* ---- the load balancer's own connection ---- */

static void flush_health(struct mw_client *client)
{
    if (client->health->is_over) {
        mw_client_linger(client);
        return;
    }
    mw_conn_flush(&client->conn, &client->out);
    mw_client_schedule(client);
}

static void begin_health(struct mw_client *client)
{
    client->phase = MW_PHASE_HEALTH;
    client->phase_at = mw_client_now(client) + 2 * MW_PROXY_WAIT_MS;
    client->health = mw_xcalloc(1, sizeof *client->health);
    mw_health_start(client->health, client->snapshot->hostname, client->driver->is_draining,
                    &client->out);
    mw_conn_read_start(&client->conn);
    flush_health(client);
}

/* ---- the client's name ---- */

static void begin_session(struct mw_client *client)
{
    if (mw_conn_tls(&client->conn) != NULL) /* ours is what the client really has */
        client->peer.tls = mw_conn_tls(&client->conn);
    else
        client->peer.tls = client->proxy_tls;
    mw_client_begin(client);
}

static void name_known(void *user, enum mw_dns_status status, struct mw_slice name,
                       struct mw_slice reverse)
{
    struct mw_client *client = user;
    client->query = NULL;
    client->names = MW_BUF_INIT(2 * MW_NAME_MAX);
    if (mw_buf_add(&client->names, name) == MW_OK && mw_buf_add(&client->names, reverse) == MW_OK) {
        client->peer.name = mw_slice_take(mw_buf_view(&client->names), name.len);
        client->peer.reverse_name = mw_slice_skip(mw_buf_view(&client->names), name.len);
    }
    client->peer.is_name_unknown = status == MW_DNS_FAILED;
    begin_session(client);
}

static bool wants_name(const struct mw_client *client)
{
    return client->listen->client_name == MW_CLIENT_NAME_ON &&
           client->driver->services.resolver != NULL && mw_inet_is_known(&client->peer.address);
}

/* Nothing is read meanwhile: a client that leaves is noticed when the session begins. */
static void look_up_name(struct mw_client *client)
{
    client->phase = MW_PHASE_NAME;
    client->phase_at = mw_client_now(client) + MW_NAME_WAIT_MS;
    mw_conn_read_stop(&client->conn);
    client->query = mw_resolver_client_name(client->driver->services.resolver,
                                            &client->peer.address, name_known, client);
    mw_client_schedule(client);
}

/* ---- the steps ---- */

void mw_front_secured(struct mw_client *client)
{
    if (client->is_local)
        begin_health(client);
    else if (wants_name(client))
        look_up_name(client);
    else
        begin_session(client);
}

/* The client's address is known. */
static void identified(struct mw_client *client)
{
    if (client->listen->tls != MW_LISTEN_TLS_IMPLICIT) {
        mw_front_secured(client);
        return;
    }
    client->phase = MW_PHASE_TLS;
    client->phase_at = UINT64_MAX; /* secure_at holds */
    mw_handshake_begin(client);
    mw_client_schedule(client);
}

void mw_front_start(struct mw_client *client)
{
    enum mw_accept_proxy accept = client->listen->accept_proxy;
    bool trusted = accept != MW_ACCEPT_PROXY_OFF && is_trusted(client);
    if (accept == MW_ACCEPT_PROXY_REQUIRED && !trusted) {
        refuse_proxy(client, "the peer is not in `trust`");
        return;
    }
    if (!trusted) {
        identified(client);
        return;
    }
    client->phase = MW_PHASE_PROXY;
    client->phase_at = mw_client_now(client) + MW_PROXY_WAIT_MS;
    client->proxy_in = MW_BUF_INIT(MW_PROXY_MAX);
    mw_conn_peek(&client->conn, true);
    mw_conn_read_start(&client->conn);
    mw_client_schedule(client);
}

static void take_header(struct mw_client *client, const struct mw_proxy_header *header)
{
    client->is_local = header->is_local;
    if (header->is_local)
        return;
    client->peer.address = header->source;
    client->peer.port = header->source_port;
    client->peer.server_address = header->destination;
    client->peer.server_port = header->destination_port;
    if (header->tls.is_secure) {
        client->proxy_tls = mw_arena_new(&client->proxy_texts, struct mw_tls_info);
        mw_proxy_get_tls(header, &client->proxy_texts, client->proxy_tls);
    }
}

/* `octets` were only looked at: all that belong to the header are taken, none behind it. */
static void take_proxy(struct mw_client *client, struct mw_slice octets)
{
    size_t before = client->proxy_in.len, used;
    struct mw_proxy_header header;
    octets = mw_slice_take(octets, MW_PROXY_MAX - before);
    mw_buf_put(&client->proxy_in, octets);
    enum mw_err err = mw_proxy_parse(mw_buf_view(&client->proxy_in), &header, &used);
    if (err == MW_AGAIN && client->proxy_in.len < MW_PROXY_MAX) {
        mw_conn_take(&client->conn, octets.len);
        return;
    }
    if (err != MW_OK) {
        refuse_proxy(client, "not a PROXY header, or malformed");
        return;
    }
    mw_assert(used > before);
    mw_conn_take(&client->conn, used - before);
    mw_conn_peek(&client->conn, false);
    mw_conn_read_stop(&client->conn);
    take_header(client, &header);
    mw_buf_fini(&client->proxy_in);
    identified(client);
}

void mw_front_data(struct mw_client *client, struct mw_slice octets)
{
    if (client->phase == MW_PHASE_PROXY) {
        take_proxy(client, octets);
    } else if (client->phase == MW_PHASE_HEALTH) {
        mw_health_data(client->health, client->snapshot->hostname, octets, &client->out);
        flush_health(client);
    }
}

void mw_front_timeout(struct mw_client *client)
{
    if (client->phase == MW_PHASE_PROXY) {
        refuse_proxy(client, "no header in time");
    } else if (client->phase == MW_PHASE_NAME) {
        mw_query_cancel(&client->query);
        name_known(client, MW_DNS_FAILED, MW_EMPTY, MW_EMPTY);
    } else {
        mw_client_close(client);
    }
}
