/* settings.h - what a session needs to know from the configuration: plain immutable data inside a
 * counted snapshot.
 *
 * ops/config.c fills these from the configuration files; session/ only reads them. A session holds
 * one reference to its snapshot from accept to close, so a reload never changes the rules of a
 * dialogue that is under way. */
#ifndef MW_SESSION_SETTINGS_H
#define MW_SESSION_SETTINGS_H

#include "base/arena.h"
#include "base/inet.h"
#include "chain/plugin.h"
#include "message/header.h"
#include "smtp/dots.h"

enum mw_identity {
    MW_IDENTITY_NONE = 0,
    MW_IDENTITY_PROXY_V1,
    MW_IDENTITY_PROXY_V2,
    MW_IDENTITY_XCLIENT,
    MW_IDENTITY_XFORWARD
};
enum mw_listen_tls {
    MW_LISTEN_TLS_OFF = 0,
    MW_LISTEN_TLS_STARTTLS,
    MW_LISTEN_TLS_REQUIRED,
    MW_LISTEN_TLS_IMPLICIT
};
enum mw_upstream_tls {
    MW_UPSTREAM_TLS_OFF = 0,
    MW_UPSTREAM_TLS_OPPORTUNISTIC, /* if it offers STARTTLS; in the clear if the handshake fails */
    MW_UPSTREAM_TLS_REQUIRED,      /* no session without */
    MW_UPSTREAM_TLS_VERIFIED,      /* required, and the certificate is right */
    MW_UPSTREAM_TLS_IMPLICIT
};
enum mw_banner { MW_BANNER_UPSTREAM = 0, MW_BANNER_OWN };
enum mw_mixed_verdict { MW_MIXED_REFUSE = 0, MW_MIXED_ACCEPT_REST, MW_MIXED_SPLIT };
enum mw_client_name { MW_CLIENT_NAME_OFF = 0, MW_CLIENT_NAME_ON }; /* `auto` is decided at load */
struct mw_tls_server; /* net/tls.h; the session only sees whether there is one */
struct mw_tls_client;
enum mw_early_talker { MW_EARLY_PASS = 0, MW_EARLY_NOTE, MW_EARLY_REJECT };
enum mw_auth_policy { MW_AUTH_OFF = 0, MW_AUTH_TLS_ONLY, MW_AUTH_ALWAYS };
enum mw_accept_proxy {
    MW_ACCEPT_PROXY_OFF = 0,
    MW_ACCEPT_PROXY_OPTIONAL,
    MW_ACCEPT_PROXY_REQUIRED
};

/* An `upstream NAME { }` block. Times in milliseconds. */
struct mw_upstream_settings {
    struct mw_slice name;
    const struct mw_endpoint
        *addresses; /* tried in order; host names were resolved when the configuration was loaded */
    size_t address_count;
    enum mw_identity identity;
    bool require_identity;
    uint64_t connect_timeout_ms; /* until the greeting is complete, all addresses together */
    uint64_t reply_timeout_ms;
    uint64_t final_reply_timeout_ms; /* after the end of a message */
    uint64_t keepalive_ms;           /* NOOP interval while a message is spooled */
    uint32_t max_connections;        /* a worker; 0 = no limit */
    uint64_t queue_timeout_ms;       /* how long a session waits for one of them; 0 = not at all */
    enum mw_upstream_tls tls;
    struct mw_tls_client *tls_client; /* NULL: tls off; owned by the snapshot */
    enum mw_banner banner;
    bool is_transparent; /* connect from the client's own address (Linux TPROXY) */
};

/* A `listen NAME { }` block with what it refers to. */
struct mw_listen_settings {
    struct mw_slice name;
    const struct mw_endpoint *addresses;
    size_t address_count;
    const struct mw_upstream_settings *upstream;
    const struct mw_chain *chain; /* NULL: no filters */
    enum mw_accept_proxy accept_proxy;
    bool accept_xclient, accept_xforward;
    const struct mw_network *trust_results; /* clients whose Authentication-Results under our name
                                               are kept */
    size_t trust_results_count;
    const struct mw_network *trust; /* peers that PROXY, XCLIENT and XFORWARD are taken from */
    size_t trust_count;
    enum mw_listen_tls tls;
    struct mw_tls_server *tls_server; /* NULL: tls off; owned by the snapshot */
    uint64_t handshake_timeout_ms;
    enum mw_client_name client_name; /* look up the verified reverse name */
    enum mw_mixed_verdict mixed_verdict;
    bool prdr; /* offer per-recipient replies; needs a chain that sees the whole message */
    bool is_transparent; /* the listening socket takes connections to any address (Linux TPROXY) */
    enum mw_auth_policy auth;
    struct mw_dots_policy line_ends;
    enum mw_early_talker early_talker;
    uint32_t max_sessions;     /* a worker */
    uint64_t max_message_size; /* octets; 0 = no limit */
    uint32_t max_errors;
    uint32_t max_junk; /* NOOP, RSET and their kind between messages; more count as errors; 0 = no
                          limit */
    uint64_t command_timeout_ms, data_timeout_ms, header_timeout_ms;
    uint64_t min_data_rate; /* octets a second, over a minute; 0 = off */
    size_t spool_memory;
    struct mw_header_limits header_limits;
    const struct mw_slice *relay_verbs;
    size_t relay_verb_count;
    const struct mw_slice *relay_extensions;
    size_t relay_extension_count;
};

/* One load of the configuration: listeners, upstreams, chains, filter instances. */
struct mw_snapshot {
    uint32_t refs;
    uint32_t generation;
    struct mw_arena arena; /* holds everything here */
    struct mw_slice
        hostname; /* ours: in the EHLO that asks for XCLIENT, and in greetings of our own */
    const struct mw_slice *authserv_ids; /* as mw_authres_id() makes them; the first is ours */
    size_t authserv_id_count;
    uint32_t query_limit; /* questions to the DNS a session and minute; 0: no limit */
    const struct mw_listen_settings *listeners;
    size_t listener_count;
    struct mw_chain **chains;
    size_t chain_count;
    struct mw_instances *instances;
    void (*free)(
        struct mw_snapshot *snapshot); /* set by its maker; called when the last reference goes */
};

static inline struct mw_snapshot *mw_snapshot_ref(struct mw_snapshot *snapshot)
{
    snapshot->refs++;
    return snapshot;
}
static inline void mw_snapshot_unref(struct mw_snapshot **snapshot)
{
    if (*snapshot != NULL && --(*snapshot)->refs == 0)
        (*snapshot)->free(*snapshot);
    *snapshot = NULL;
}

#endif
