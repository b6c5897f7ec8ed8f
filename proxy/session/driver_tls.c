/* driver_tls.c - handshakes with the client: before the session (implicit TLS) or inside it
 * (STARTTLS). The upstream's are in driver_upstream.c; both are counted and logged here.
 *
 * Between the reply that announces TLS and the end of the handshake nothing is written to the
 * client and nothing read from it. Whatever ends a session in that time ends it without a word: our
 * last words would be octets in the middle of a handshake. */
#include <stdio.h>

#include "session/driver_priv.h"

void mw_handshake_note(struct mw_client *client, enum mw_tls_side side,
                       const struct mw_tls_info *info, const char *problem)
{
    struct mw_handshake_stats *stats = side == MW_TLS_SIDE_CLIENT
                                           ? &client->driver->stats.client_handshakes
                                           : &client->driver->stats.upstream_handshakes;
    if (problem == NULL) {
        stats->done++;
        stats->resumed += info != NULL && info->is_resumed;
        return;
    }
    stats->failed++;
    if (client->is_local) /* a load balancer that only looks whether somebody answers */
        return;
    char address[MW_INET_TEXT_MAX];
    struct mw_slice id = client->session != NULL ? mw_session_subject(client->session)->session_id
                                                 : MW_EMPTY;
    struct mw_log_field where = side == MW_TLS_SIDE_CLIENT
                                    ? mw_text("listener", client->listen->name)
                                    : mw_text("upstream", client->listen->upstream->name);
    MW_LOG(client->driver->log, id, MW_EV_TLS_FAILED,
           mw_cstr("side", side == MW_TLS_SIDE_CLIENT ? "client" : "upstream"), where,
           mw_client("client", MW_EMPTY, mw_inet_print(&client->peer.address, address),
                     client->peer.port),
           mw_cstr("problem", problem));
}

/* Nothing can be said to this client any more. mw_client_after() closes it, if it has a session. */
static void fail(struct mw_client *client, const char *problem)
{
    mw_handshake_note(client, MW_TLS_SIDE_CLIENT, NULL, problem);
    client->secure_at = 0;
    client->is_gone = client->is_broken = true;
    if (client->phase == MW_PHASE_SESSION)
        mw_session_client_eof(client->session, mw_client_now(client));
    else
        mw_client_close(client);
}

void mw_handshake_begin(struct mw_client *client)
{
    client->wants_secure = false;
    client->is_securing = true;
    client->secure_at = mw_client_now(client) + client->listen->handshake_timeout_ms;
    if (mw_conn_secure_server(&client->conn, client->listen->tls_server) != MW_OK)
        fail(client, "no TLS engine could be made");
}

void mw_handshake_done(struct mw_conn *conn, enum mw_err err, const char *text)
{
    struct mw_client *client = mw_client_of(conn);
    if (err != MW_OK) {
        fail(client, text);
        mw_client_after(client);
        return;
    }
    mw_handshake_note(client, MW_TLS_SIDE_CLIENT, mw_conn_tls(conn), NULL);
    client->is_securing = false;
    client->secure_at = 0;
    if (client->phase == MW_PHASE_TLS) {
        mw_front_secured(client);
        return;
    }
    mw_session_client_secured(client->session, mw_conn_tls(conn), mw_client_now(client));
    mw_client_after(client);
}

void mw_handshake_timeout(struct mw_client *client)
{
    fail(client, "not finished within handshake-timeout");
}
