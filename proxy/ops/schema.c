/* schema.c - the tables of directives. Adding a directive: an id in schema.h, a line here, its
 * reader in config.c, and its commented default in conf.d/ (a test compares the two); then make the
 * manual anew with `mailweir manual conf`. */
#include "ops/schema.h"

static const char *const workers[] = {"auto", "1", NULL};
static const char *const accept_proxy[] = {"off", "optional", "required", NULL};
static const char *const listen_tls[] = {"off", "starttls", "required", "implicit", NULL};
static const char *const upstream_tls[] = {"off",      "opportunistic", "required",
                                           "verified", "implicit",      NULL};
static const char *const tls_minimum[] = {"1.2", "1.3", "1.0", "1.1", NULL};
static const char *const client_name[] = {"auto", "on", "off", NULL};
static const char *const mixed_verdict[] = {"refuse", "accept-rest", "split", NULL};
static const char *const banner[] = {"upstream", "own", NULL};
static const char *const auth[] = {"off", "tls-only", "always", NULL};
static const char *const early_talker[] = {"pass", "note", "reject", NULL};
static const char *const bare_newline[] = {"normalize", "reject", NULL};
static const char *const pass_or_reject[] = {"pass", "reject", NULL};
static const char *const identity[] = {"none", "proxy-v1", "proxy-v2", "xclient", "xforward", NULL};
static const char *const on_error[] = {"tempfail", "accept", "reject", NULL};

enum { KIB = 1024, MIB = 1024 * 1024, SECOND = 1000, MINUTE = 60 * 1000, HOUR = 60 * 60 * 1000 };

/* clang-format off */
const struct mw_conf_rule mw_top_rules[MW_TOP_COUNT] = {
    [MW_TOP_WORKERS] = {.name = "workers", .type = MW_CONF_CHOICE, .default_text = "auto", .choices = workers,
        .help = "Number of worker processes. This version runs as one process: auto means 1, and other numbers are refused."},
    [MW_TOP_USER] = {.name = "user", .type = MW_CONF_TEXT, .default_text = "mailweir",
        .help = "Account to run as when started as root, taken on after the listening sockets are open. Without effect otherwise."},
    [MW_TOP_HOSTNAME] = {.name = "hostname", .type = MW_CONF_TEXT, .default_text = "",
        .help = "Our own name, in the EHLO that asks the upstream for XCLIENT and in greetings of our own. The system's host name if it is not given."},
    [MW_TOP_AUTHSERV_ID] = {.name = "authserv-id", .type = MW_CONF_TEXT, .default_text = "", .values_max = 16, .is_repeatable = true,
        .help = "Our name in Authentication-Results fields (RFC 8601), hostname if it is not given: filters' results are written under the first one, and fields that a client brings under any of them "
                "are deleted from its message (see trust-results). Further names are for what other machines of this service write."},
    [MW_TOP_LOG] = {.name = "log", .type = MW_CONF_WORDS, .default_text = "stderr format=logfmt level=info", .values_max = 4,
        .help = "Where log lines go: stderr, syslog, journald or file PATH; then format=logfmt or format=json, and level=debug, info, warning or error."},
    [MW_TOP_SPOOL_DIR] = {.name = "spool-dir", .type = MW_CONF_PATH, .default_text = "/var/tmp",
        .help = "Directory for the unlinked files that hold what a message has beyond spool-memory. They leave nothing behind, whatever happens."},
    [MW_TOP_PLUGIN_PATH] = {.name = "plugin-path", .type = MW_CONF_PATH, .default_text = "", .values_max = 16, .is_repeatable = true,
        .help = "Directories where filter modules are looked for first, before $MAILWEIR_PLUGIN_PATH, the directory filters beside the program, and the installed modules."},
    [MW_TOP_CONTROL] = {.name = "control", .type = MW_CONF_ENDPOINT, .default_text = "",
        .help = "Local socket where programs on this machine ask for the counters, as mailweir rules top does: unix:/run/mailweir/ctl. Open to the process's user and group; none if it is not given."},
    [MW_TOP_DRAIN_TIMEOUT] = {.name = "drain-timeout", .type = MW_CONF_DURATION, .default_text = "30s", .max = HOUR,
        .help = "At SIGTERM open sessions may go on that long (a time); then they end with 421 4.3.2."},
};

const struct mw_conf_rule mw_resolver_rules[MW_RESOLVER_COUNT] = {
    [MW_RESOLVER_NAMESERVER] = {.name = "nameserver", .type = MW_CONF_ENDPOINT, .default_text = "", .min = 53, .values_max = 8, .is_repeatable = true,
        .help = "Addresses of name servers; port 53 where none stands behind an address. Those of /etc/resolv.conf if none is given."},
    [MW_RESOLVER_TIMEOUT] = {.name = "timeout", .type = MW_CONF_DURATION, .default_text = "2s", .min = 100, .max = MINUTE,
        .help = "How long to wait for an answer in one try (a time)."},
    [MW_RESOLVER_ATTEMPTS] = {.name = "attempts", .type = MW_CONF_COUNT, .default_text = "2", .min = 1, .max = 10,
        .help = "How many tries a question has."},
    [MW_RESOLVER_CACHE] = {.name = "cache", .type = MW_CONF_COUNT, .default_text = "20000", .max = 1000000,
        .help = "Answers that are kept, for the time that they say of themselves. 0 means none."},
    [MW_RESOLVER_SESSION_QUERIES] = {.name = "session-queries", .type = MW_CONF_COUNT, .default_text = "500", .max = 1000000,
        .help = "Questions that name servers may be asked for one session in a minute, by filters (what the cache knows does not count); further ones wait for their place, at most 10 s, then fail, and the log says so (query-limit). Below 200 filters with short deadlines may fail where they should wait. 0 means no limit."},
};

const struct mw_conf_rule mw_listen_rules[MW_LISTEN_COUNT] = {
    [MW_LISTEN_ADDRESS] = {.name = "address", .type = MW_CONF_ENDPOINT, .default_text = NULL, .values_max = 16, .is_repeatable = true,
        .help = "Addresses to accept clients on. 0.0.0.0 and [::] go together: an IPv6 socket takes IPv6 only."},
    [MW_LISTEN_UPSTREAM] = {.name = "upstream", .type = MW_CONF_TEXT, .default_text = NULL,
        .help = "Name of the upstream block that these sessions are relayed to."},
    [MW_LISTEN_CHAIN] = {.name = "chain", .type = MW_CONF_TEXT, .default_text = "",
        .help = "Name of the chain block whose filters run for these sessions. Without it nothing is filtered."},
    [MW_LISTEN_TLS] = {.name = "tls", .type = MW_CONF_CHOICE, .default_text = "off", .choices = listen_tls,
        .help = "TLS with the client: starttls offers it, required refuses MAIL and AUTH without it (530 5.7.0), implicit begins with the handshake (port 465)."},
    [MW_LISTEN_CERTIFICATE] = {.name = "certificate", .type = MW_CONF_PATH, .default_text = "", .values_max = 3, .is_repeatable = true,
        .help = "PEM file with the certificate and its chain, PEM file with its key (without a pass phrase) and, if there is one, a DER file with its OCSP response. One pair a line; "
                "the names in the certificates decide which one a client gets, an ECDSA and an RSA one may stand for the same names, and the first is for clients that ask for no name or an unknown one. "
                "The files are read anew when they change."},
    [MW_LISTEN_CLIENT_CA] = {.name = "client-ca", .type = MW_CONF_PATH, .default_text = "",
        .help = "PEM file of authorities: clients are asked for a certificate, and filters learn whether one of these signed it. None is asked for if it is not given, and none is ever required."},
    [MW_LISTEN_TLS_MINIMUM] = {.name = "tls-minimum", .type = MW_CONF_CHOICE, .default_text = "1.2", .choices = tls_minimum,
        .help = "Oldest version of TLS that clients may use. 1.0 and 1.1 are broken (RFC 8996) and may need a cipher list with @SECLEVEL=0."},
    [MW_LISTEN_TLS_CIPHERS] = {.name = "tls-ciphers", .type = MW_CONF_TEXT, .default_text = "",
        .help = "Ciphers for TLS 1.2 and older, in the words of openssl-ciphers(1). Mozilla's intermediate list if it is not given."},
    [MW_LISTEN_HANDSHAKE_TIMEOUT] = {.name = "handshake-timeout", .type = MW_CONF_DURATION, .default_text = "30s", .min = SECOND, .max = HOUR,
        .help = "How long a TLS handshake with a client may take (a time)."},
    [MW_LISTEN_ACCEPT_PROXY] = {.name = "accept-proxy", .type = MW_CONF_CHOICE, .default_text = "off", .choices = accept_proxy,
        .help = "Whether connections begin with a PROXY header (version 1 or 2), from peers in trust only; others with one are refused."},
    [MW_LISTEN_ACCEPT_XCLIENT] = {.name = "accept-xclient", .type = MW_CONF_BOOL, .default_text = "off",
        .help = "Whether peers in trust may say with XCLIENT who the client is. From others XCLIENT is refused with 550 5.7.0."},
    [MW_LISTEN_ACCEPT_XFORWARD] = {.name = "accept-xforward", .type = MW_CONF_BOOL, .default_text = "off",
        .help = "Whether peers in trust may say with XFORWARD who the client was, for a place behind a Postfix (smtpd_proxy_filter, content_filter). From others XFORWARD is refused with 550 5.7.0."},
    [MW_LISTEN_TRUST] = {.name = "trust", .type = MW_CONF_NETWORK, .default_text = "127.0.0.0/8 ::1", .values_max = 64, .is_repeatable = true,
        .help = "Networks that a PROXY header, XCLIENT and XFORWARD are believed from, as far as the three directives above allow them."},
    [MW_LISTEN_TRUST_RESULTS] = {.name = "trust-results", .type = MW_CONF_NETWORK, .default_text = "", .values_max = 64, .is_repeatable = true,
        .help = "Networks of clients (by the address that PROXY, XCLIENT or XFORWARD say) whose Authentication-Results fields under our own authserv-id are kept. "
                "From everybody else they are forged, and are deleted."},
    [MW_LISTEN_CLIENT_NAME] = {.name = "client-name", .type = MW_CONF_CHOICE, .default_text = "auto", .choices = client_name,
        .help = "Whether the client's name is looked up before the greeting: the reverse name, if it leads back to the address. auto means on where somebody is told of it: "
                "the upstream (identity xclient or xforward), or a filter of the chain that asks for the fact client.name."},
    [MW_LISTEN_TRANSPARENT] = {.name = "transparent", .type = MW_CONF_BOOL, .default_text = "off",
        .help = "Take connections to any address that the system redirects here (Linux TPROXY), not only to those of address. Needs CAP_NET_ADMIN or CAP_NET_RAW at the start."},
    [MW_LISTEN_AUTH] = {.name = "auth", .type = MW_CONF_CHOICE, .default_text = "tls-only", .choices = auth,
        .help = "When AUTH is shown to the client and relayed: never, with TLS between the client and us, or even in the clear."},
    [MW_LISTEN_MIXED_VERDICT] = {.name = "mixed-verdict", .type = MW_CONF_CHOICE, .default_text = "refuse", .choices = mixed_verdict,
        .help = "When filters refuse a message for some of its recipients only, and only at its end: refuse it for all, accept it for the rest (the refused ones are dropped, and logged), "
                "or split: a recipient whose policy differs from the first one's is told 452 4.5.3 at RCPT, and comes in a transaction of its own. Clients that use PRDR get a reply for each recipient."},
    [MW_LISTEN_PRDR] = {.name = "prdr", .type = MW_CONF_BOOL, .default_text = "off",
        .help = "Offer PRDR: a client that asks for it gets a reply to the message for each recipient. Only where a filter of the chain judges whole messages."},
    [MW_LISTEN_EARLY_TALKER] = {.name = "early-talker", .type = MW_CONF_CHOICE, .default_text = "reject", .choices = early_talker,
        .help = "A client that speaks before the greeting: pass takes no notice, note tells filters (client.early), reject ends the session with 421 4.7.0."},
    [MW_LISTEN_BARE_NEWLINE] = {.name = "bare-newline", .type = MW_CONF_CHOICE, .default_text = "normalize", .choices = bare_newline,
        .help = "A line feed without carriage return in a message: made CRLF, or the message is refused with 550 5.5.2. Only CRLF.CRLF ends a message in either case."},
    [MW_LISTEN_BARE_CR] = {.name = "bare-cr", .type = MW_CONF_CHOICE, .default_text = "reject", .choices = pass_or_reject,
        .help = "A carriage return without line feed in a message: passed on as it is, or the message is refused with 550 5.5.2. Of BODY=BINARYMIME this is the header alone; its body may hold anything."},
    [MW_LISTEN_NUL] = {.name = "nul", .type = MW_CONF_CHOICE, .default_text = "pass", .choices = pass_or_reject,
        .help = "A NUL octet in a message: passed on as it is, or the message is refused with 550 5.5.2. Of BODY=BINARYMIME this is the header alone."},
    [MW_LISTEN_MAX_SESSIONS] = {.name = "max-sessions", .type = MW_CONF_COUNT, .default_text = "2000", .min = 1, .max = 1000000,
        .help = "Sessions at a time; the next one is told 421 4.3.2."},
    [MW_LISTEN_MAX_MESSAGE_SIZE] = {.name = "max-message-size", .type = MW_CONF_SIZE, .default_text = "50MB", .max = (uint64_t)1 << 40,
        .help = "Octets of a message, announced with SIZE (the upstream's own limit if that is smaller); more is refused with 552 5.3.4. 0 means no limit of ours."},
    [MW_LISTEN_MAX_ERRORS] = {.name = "max-errors", .type = MW_CONF_COUNT, .default_text = "20", .min = 1, .max = 1000000,
        .help = "Refused or malformed commands of one session, after which it ends with 421 4.7.0."},
    [MW_LISTEN_MAX_JUNK_COMMANDS] = {.name = "max-junk-commands", .type = MW_CONF_COUNT, .default_text = "100", .max = 1000000,
        .help = "NOOP, RSET, VRFY, EXPN, HELP and ETRN that a session may send without a message accepted in between; each further one counts as an error. 0 means no limit."},
    [MW_LISTEN_MAX_HEADER_SIZE] = {.name = "max-header-size", .type = MW_CONF_SIZE, .default_text = "256KiB", .min = 4 * KIB, .max = 16 * MIB,
        .help = "Octets of a message's header block; more is refused with 552 5.3.4."},
    [MW_LISTEN_MAX_HEADER_FIELDS] = {.name = "max-header-fields", .type = MW_CONF_COUNT, .default_text = "1000", .min = 10, .max = 100000,
        .help = "Header fields of a message; more is refused with 552 5.3.4."},
    [MW_LISTEN_MAX_HOPS] = {.name = "max-hops", .type = MW_CONF_COUNT, .default_text = "50", .min = 1, .max = 10000,
        .help = "Received header fields of a message; more is a loop, refused with 554 5.4.6."},
    [MW_LISTEN_COMMAND_TIMEOUT] = {.name = "command-timeout", .type = MW_CONF_DURATION, .default_text = "5m", .min = SECOND, .max = 24 * HOUR,
        .help = "How long to wait for a command (a time)."},
    [MW_LISTEN_DATA_TIMEOUT] = {.name = "data-timeout", .type = MW_CONF_DURATION, .default_text = "3m", .min = SECOND, .max = 24 * HOUR,
        .help = "How long to wait for more of a message (a time)."},
    [MW_LISTEN_HEADER_TIMEOUT] = {.name = "header-timeout", .type = MW_CONF_DURATION, .default_text = "5m", .min = SECOND, .max = 24 * HOUR,
        .help = "How long the whole header block may take (a time)."},
    [MW_LISTEN_MIN_DATA_RATE] = {.name = "min-data-rate", .type = MW_CONF_SIZE, .default_text = "100", .max = (uint64_t)1 << 30,
        .help = "Octets a second, over a minute, below which a message is given up with 421 4.4.2. 0 switches this off."},
    [MW_LISTEN_SPOOL_MEMORY] = {.name = "spool-memory", .type = MW_CONF_SIZE, .default_text = "256KiB", .max = (uint64_t)1 << 30,
        .help = "Octets of a held-back message that are kept in memory; the rest goes to a file in spool-dir."},
    [MW_LISTEN_RELAY_VERBS] = {.name = "relay-verbs", .type = MW_CONF_WORDS, .default_text = "", .values_max = 32,
        .help = "Further commands to pass to the upstream, which are refused with 502 5.5.2 otherwise. Only commands of one line with one reply: any other would break the framing."},
    [MW_LISTEN_RELAY_EXTENSIONS] = {.name = "relay-extensions", .type = MW_CONF_WORDS, .default_text = "", .values_max = 32,
        .help = "Further EHLO keywords of the upstream to show to clients. Unknown ones are hidden otherwise."},
};

const struct mw_conf_rule mw_upstream_rules[MW_UPSTREAM_COUNT] = {
    [MW_UPSTREAM_ADDRESS] = {.name = "address", .type = MW_CONF_ENDPOINT, .default_text = NULL, .max = 1, .values_max = 8, .is_repeatable = true,
        .help = "Addresses of the mail server, tried in order until one answers. A host name is looked up when the configuration is loaded, and all its addresses are used."},
    [MW_UPSTREAM_IDENTITY] = {.name = "identity", .type = MW_CONF_CHOICE, .default_text = "none", .choices = identity,
        .help = "How the upstream is told who the client is. With none every client looks like this machine, which makes an open relay of a server that trusts it."},
    [MW_UPSTREAM_REQUIRE_IDENTITY] = {.name = "require-identity", .type = MW_CONF_BOOL, .default_text = "on",
        .help = "Where identity is set: no session (421 4.3.5) if the upstream does not take it."},
    [MW_UPSTREAM_TRANSPARENT] = {.name = "transparent", .type = MW_CONF_BOOL, .default_text = "off",
        .help = "Connect from the client's own address (Linux TPROXY). The upstream's answers must be routed back through this machine; needs CAP_NET_ADMIN or CAP_NET_RAW, "
                "of which CAP_NET_RAW is kept when mailweir is started as root."},
    [MW_UPSTREAM_TLS] = {.name = "tls", .type = MW_CONF_CHOICE, .default_text = "off", .choices = upstream_tls,
        .help = "TLS with the upstream: opportunistic takes STARTTLS where it is offered and goes on in the clear where that fails, required makes no session without it, "
                "verified also checks the certificate, implicit begins with the handshake (port 465) and checks the certificate if ca or fingerprint is given."},
    [MW_UPSTREAM_CA] = {.name = "ca", .type = MW_CONF_PATH, .default_text = "",
        .help = "PEM file of authorities, one of which must have signed the upstream's certificate. The system's if it is not given."},
    [MW_UPSTREAM_FINGERPRINT] = {.name = "fingerprint", .type = MW_CONF_TEXT, .default_text = "", .values_max = 16, .is_repeatable = true,
        .help = "SHA-256 of certificates, in hexadecimal with or without colons: the upstream must have one of them, and nothing else counts, neither who signed it nor its names and dates. "
                "openssl x509 -in cert.pem -noout -fingerprint -sha256 prints it."},
    [MW_UPSTREAM_SERVER_NAME] = {.name = "server-name", .type = MW_CONF_TEXT, .default_text = "",
        .help = "Name that the upstream's certificate must have, and that is sent in the handshake (SNI). The name in address, if there is one and this is not given."},
    [MW_UPSTREAM_CLIENT_CERTIFICATE] = {.name = "client-certificate", .type = MW_CONF_PATH, .default_text = "", .values_max = 2,
        .help = "PEM file with our certificate and its chain, and PEM file with its key, for an upstream that asks for one."},
    [MW_UPSTREAM_TLS_MINIMUM] = {.name = "tls-minimum", .type = MW_CONF_CHOICE, .default_text = "1.2", .choices = tls_minimum,
        .help = "Oldest version of TLS to use with the upstream."},
    [MW_UPSTREAM_TLS_CIPHERS] = {.name = "tls-ciphers", .type = MW_CONF_TEXT, .default_text = "",
        .help = "Ciphers for TLS 1.2 and older, in the words of openssl-ciphers(1). Mozilla's intermediate list if it is not given."},
    [MW_UPSTREAM_BANNER] = {.name = "banner", .type = MW_CONF_CHOICE, .default_text = "upstream", .choices = banner,
        .help = "Who greets the client: with upstream every client costs the mail server a connection; with own we greet and answer EHLO ourselves, "
                "and connect when the first recipient has passed the filters."},
    [MW_UPSTREAM_CONNECT_TIMEOUT] = {.name = "connect-timeout", .type = MW_CONF_DURATION, .default_text = "30s", .min = SECOND, .max = HOUR,
        .help = "How long connecting may take until the greeting is complete, all addresses together (a time)."},
    [MW_UPSTREAM_REPLY_TIMEOUT] = {.name = "reply-timeout", .type = MW_CONF_DURATION, .default_text = "5m", .min = SECOND, .max = HOUR,
        .help = "How long to wait for the reply to a command (a time)."},
    [MW_UPSTREAM_FINAL_REPLY_TIMEOUT] = {.name = "final-reply-timeout", .type = MW_CONF_DURATION, .default_text = "10m", .min = SECOND, .max = HOUR,
        .help = "How long to wait for the reply to a whole message (a time). RFC 5321 4.5.3.2.6 asks for 10 minutes: giving up earlier makes duplicates."},
    [MW_UPSTREAM_KEEPALIVE] = {.name = "keepalive", .type = MW_CONF_DURATION, .default_text = "60s", .min = SECOND, .max = HOUR,
        .help = "While a message is held back, the upstream gets a NOOP this often (a time)."},
    [MW_UPSTREAM_MAX_CONNECTIONS] = {.name = "max-connections", .type = MW_CONF_COUNT, .default_text = "500", .max = 1000000,
        .help = "Connections at a time; a session beyond that waits for queue-timeout. Not above what the upstream serves at once. 0 means no limit."},
    [MW_UPSTREAM_QUEUE_TIMEOUT] = {.name = "queue-timeout", .type = MW_CONF_DURATION, .default_text = "10s", .max = HOUR,
        .help = "How long a session waits for one of max-connections (a time); then it is told 421 4.4.1. 0s means not at all."},
};

/* For the manual only: what chain/instance.c checks. */
static const struct mw_conf_rule filter_rules[] = {
    {.name = "module", .type = MW_CONF_TEXT, .default_text = NULL,
        .help = "Name of the module, looked for along plugin-path, or the path of its file."},
    {.name = "on-error", .type = MW_CONF_CHOICE, .default_text = "tempfail", .choices = on_error,
        .help = "What becomes of a command or message when the filter fails or misses its deadline."},
    {.name = "deadline", .type = MW_CONF_DURATION, .default_text = "30s",
        .help = "How long one decision of the filter may take (a time)."},
};

const char *const mw_block_kinds[] = {"resolver", "listen", "upstream", "filter", "chain", NULL};

#define RULES(table) (table), sizeof(table) / sizeof *(table)
const struct mw_schema_section mw_schema[] = {
    {"", false, "Directives outside of any block are about the process. They take effect at a restart, except hostname, authserv-id and drain-timeout.", RULES(mw_top_rules)},
    {"resolver", true, "How names are looked up while mailweir serves: the reverse names of clients, and what filters ask for. Takes effect at a restart, except session-queries. (Host names in the configuration are looked up by the system when it is loaded.)", RULES(mw_resolver_rules)},
    {"listen", false, "Where clients connect, what they may do, and where their sessions go. At least one is needed.", RULES(mw_listen_rules)},
    {"upstream", false, "The mail server behind us.", RULES(mw_upstream_rules)},
    {"filter", false, "One use of a filter module. Further directives are the module's own; mailweir check names an unknown one.", RULES(filter_rules)},
    {"chain", false, "Names of filter blocks in the order in which they run, on one line or many. "
              "A name behind the word observe runs without effect: what it would have done is logged and counted.", NULL, 0},
};
/* clang-format on */
const size_t mw_schema_count = sizeof mw_schema / sizeof *mw_schema;
