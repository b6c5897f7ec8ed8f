/* schema.h - every directive that the configuration may hold, block by block: name, type, default,
 * bounds and one sentence of help.
 *
 * The one place where these facts stand. config.c reads values by the ids below; the manual
 * (mailweir.conf(5)) and the test that compares the shipped conf.d with the defaults are made from
 * the same tables. A filter's block is not here: its host part (module, on-error, deadline) and the
 * module's own settings are chain/instance.c's affair. */
#ifndef MW_OPS_SCHEMA_H
#define MW_OPS_SCHEMA_H

#include "base/buf.h"
#include "base/conf.h"

/* Ids index the tables, and the values that mw_conf_check() makes of them. */
enum mw_top_directive {
    MW_TOP_WORKERS = 0,
    MW_TOP_USER,
    MW_TOP_HOSTNAME,
    MW_TOP_AUTHSERV_ID,
    MW_TOP_LOG,
    MW_TOP_SPOOL_DIR,
    MW_TOP_PLUGIN_PATH,
    MW_TOP_CONTROL,
    MW_TOP_DRAIN_TIMEOUT,
    MW_TOP_COUNT
};

enum mw_resolver_directive {
    MW_RESOLVER_NAMESERVER = 0,
    MW_RESOLVER_TIMEOUT,
    MW_RESOLVER_ATTEMPTS,
    MW_RESOLVER_CACHE,
    MW_RESOLVER_SESSION_QUERIES,
    MW_RESOLVER_COUNT
};

enum mw_listen_directive {
    MW_LISTEN_ADDRESS = 0,
    MW_LISTEN_UPSTREAM,
    MW_LISTEN_CHAIN,
    MW_LISTEN_TLS,
    MW_LISTEN_CERTIFICATE,
    MW_LISTEN_CLIENT_CA,
    MW_LISTEN_TLS_MINIMUM,
    MW_LISTEN_TLS_CIPHERS,
    MW_LISTEN_HANDSHAKE_TIMEOUT,
    MW_LISTEN_ACCEPT_PROXY,
    MW_LISTEN_ACCEPT_XCLIENT,
    MW_LISTEN_ACCEPT_XFORWARD,
    MW_LISTEN_TRUST,
    MW_LISTEN_TRUST_RESULTS,
    MW_LISTEN_CLIENT_NAME,
    MW_LISTEN_TRANSPARENT,
    MW_LISTEN_AUTH,
    MW_LISTEN_MIXED_VERDICT,
    MW_LISTEN_PRDR,
    MW_LISTEN_EARLY_TALKER,
    MW_LISTEN_BARE_NEWLINE,
    MW_LISTEN_BARE_CR,
    MW_LISTEN_NUL,
    MW_LISTEN_MAX_SESSIONS,
    MW_LISTEN_MAX_MESSAGE_SIZE,
    MW_LISTEN_MAX_ERRORS,
    MW_LISTEN_MAX_JUNK_COMMANDS,
    MW_LISTEN_MAX_HEADER_SIZE,
    MW_LISTEN_MAX_HEADER_FIELDS,
    MW_LISTEN_MAX_HOPS,
    MW_LISTEN_COMMAND_TIMEOUT,
    MW_LISTEN_DATA_TIMEOUT,
    MW_LISTEN_HEADER_TIMEOUT,
    MW_LISTEN_MIN_DATA_RATE,
    MW_LISTEN_SPOOL_MEMORY,
    MW_LISTEN_RELAY_VERBS,
    MW_LISTEN_RELAY_EXTENSIONS,
    MW_LISTEN_COUNT
};

enum mw_upstream_directive {
    MW_UPSTREAM_ADDRESS = 0,
    MW_UPSTREAM_IDENTITY,
    MW_UPSTREAM_REQUIRE_IDENTITY,
    MW_UPSTREAM_TRANSPARENT,
    MW_UPSTREAM_TLS,
    MW_UPSTREAM_CA,
    MW_UPSTREAM_FINGERPRINT,
    MW_UPSTREAM_SERVER_NAME,
    MW_UPSTREAM_CLIENT_CERTIFICATE,
    MW_UPSTREAM_TLS_MINIMUM,
    MW_UPSTREAM_TLS_CIPHERS,
    MW_UPSTREAM_BANNER,
    MW_UPSTREAM_CONNECT_TIMEOUT,
    MW_UPSTREAM_REPLY_TIMEOUT,
    MW_UPSTREAM_FINAL_REPLY_TIMEOUT,
    MW_UPSTREAM_KEEPALIVE,
    MW_UPSTREAM_MAX_CONNECTIONS,
    MW_UPSTREAM_QUEUE_TIMEOUT,
    MW_UPSTREAM_COUNT
};

extern const struct mw_conf_rule mw_top_rules[MW_TOP_COUNT];
extern const struct mw_conf_rule mw_resolver_rules[MW_RESOLVER_COUNT];
extern const struct mw_conf_rule mw_listen_rules[MW_LISTEN_COUNT];
extern const struct mw_conf_rule mw_upstream_rules[MW_UPSTREAM_COUNT];

/* The kinds of blocks, NULL-terminated, for mw_conf_check_kinds(). */
extern const char *const mw_block_kinds[];

/* One section of the manual: a kind of block with its directives. */
struct mw_schema_section {
    const char *kind; /* "" for the top level */
    bool is_single;   /* a block without a name, at most once */
    const char *help;
    const struct mw_conf_rule *rules; /* NULL: described in words (chain) */
    size_t rule_count;
};
extern const struct mw_schema_section mw_schema[];
extern const size_t mw_schema_count;

/* Append mailweir.conf(5), in mdoc, made from the tables. The same tables always give the same
 * octets. */
void mw_schema_manual(struct mw_buf *out);

#endif
