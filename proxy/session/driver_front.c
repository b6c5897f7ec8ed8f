/* driver_front.c - before a session: how many there may be, who the client is (PROXY header from
 * trusted peers), and the load balancer's own connections, which mailweir answers itself.
 *
 * accept-proxy required: only peers in `trust` are served, and each must send a header; optional:
 * peers in `trust` must send one, others are served as they are. Whether a header is expected is
 * never guessed from what a peer sends. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/proxyproto.h"
#include "session/driver_priv.h"
#include "smtp/replies.h"

static uint64_t now_of(const struct mw_client *client)
{
    return uv_now(client->driver->net->loop);
}

static bool is_trusted(const struct mw_client *client)
{
    for (size_t i = 0; i < client->listen->trust_count; i++)
        if (mw_network_contains(&client->listen->trust[i], &client->peer.address))
            return true;
    return false;
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
    say_and_close(client, MW_REPLY_PROXY_BAD);
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
        mw_client_begin(client, MW_EMPTY);
        return;
    }
    client->phase = MW_PHASE_PROXY;
    client->phase_at = now_of(client) + MW_PROXY_WAIT_MS;
    client->proxy_in = MW_BUF_INIT(MW_NET_READ_SIZE + MW_PROXY_MAX);
    mw_conn_read_start(&client->conn);
    mw_client_schedule(client);
}

static void flush_health(struct mw_client *client)
{
    if (client->health->is_over) {
        mw_client_linger(client);
        return;
    }
    mw_conn_flush(&client->conn, &client->out);
    mw_client_schedule(client);
}

static void begin_health(struct mw_client *client, struct mw_slice early)
{
    client->phase = MW_PHASE_HEALTH;
    client->phase_at = now_of(client) + 2 * MW_PROXY_WAIT_MS;
    client->health = mw_xcalloc(1, sizeof *client->health);
    mw_health_start(client->health, client->snapshot->hostname, client->driver->is_draining,
                    &client->out);
    if (early.len > 0)
        mw_health_data(client->health, client->snapshot->hostname, early, &client->out);
    flush_health(client);
}

static void take_proxy(struct mw_client *client, struct mw_slice octets)
{
    if (mw_buf_add(&client->proxy_in, octets) != MW_OK) {
        refuse_proxy(client, "too many octets without a header");
        return;
    }
    struct mw_proxy_header header;
    size_t used;
    enum mw_err err = mw_proxy_parse(mw_buf_view(&client->proxy_in), &header, &used);
    if (err == MW_AGAIN)
        return;
    if (err != MW_OK) {
        refuse_proxy(client, "not a PROXY header, or malformed");
        return;
    }
    struct mw_buf kept = client->proxy_in;
    client->proxy_in = (struct mw_buf){0};
    struct mw_slice early = mw_slice_skip(mw_buf_view(&kept), used);
    if (header.is_local) {
        begin_health(client, early);
    } else {
        client->peer.address = header.source;
        client->peer.port = header.source_port;
        client->peer.server_address = header.destination;
        client->peer.server_port = header.destination_port;
        mw_client_begin(client, early);
    }
    mw_buf_fini(&kept);
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
    if (client->phase == MW_PHASE_PROXY)
        refuse_proxy(client, "no header in time");
    else
        mw_client_close(client);
}
