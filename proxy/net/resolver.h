/* resolver.h - asynchronous DNS on the loop (c-ares), with a cache of bounded size in front.
 *
 * One a worker. Raw answers are taken apart here; what goes out are names and addresses that were
 * checked (no octet of an answer reaches a log line, an SMTP line or a filter unescaped). Answers
 * come never from inside the call that asked. Every question has a deadline (timeout x attempts)
 * and a place in a bounded table; equal questions under way are asked once. They go out no faster
 * than a server's socket can take them, in their order; the deadline runs from the ask. */
#ifndef MW_NET_RESOLVER_H
#define MW_NET_RESOLVER_H

#include "base/inet.h"
#include "net/conn.h"

struct mw_resolver;
struct mw_query; /* one question of one asker */

struct mw_resolver_config {
    const struct mw_endpoint *servers; /* at most 16 INET ones, port 0 means 53; none: those of
                                          /etc/resolv.conf, read once */
    size_t server_count;
    uint64_t timeout_ms; /* for one try; servers are tried in turn */
    uint32_t attempts;
    uint32_t cache_entries; /* 0: no cache */
};
/* `net` is borrowed. NULL: out_text says why. */
struct mw_resolver *mw_resolver_new(struct mw_net *net, const struct mw_resolver_config *config,
                                    char *out_text, size_t text_size);
/* No question may be under way (mw_query_cancel). The handles close on the loop afterwards. */
void mw_resolver_free(struct mw_resolver **resolver);

enum mw_dns_status {
    MW_DNS_OK = 0,
    MW_DNS_NONE,   /* there is no such name, or none of that type */
    MW_DNS_FAILED, /* time out, SERVFAIL, refused, nonsense, a loop of aliases, a server without a
                      say in it, too many questions: may be different later */
};

/* One record's data. */
struct mw_dns_record {
    struct mw_inet address; /* A, AAAA */
    struct mw_slice octets; /* PTR: host name (letters, digits, '-', '_', '.'), lower case, without
                               the final dot. MX: a name to ask for, printable ASCII, not always a
                               host name (RFC 2181 11); empty for "." (RFC 7505: no mail here).
                               TXT: strings joined; any octet may be among them */
    uint16_t preference;    /* MX */
    bool is_unusable; /* MX: the name cannot be written; `octets` is empty. It counts (RFC 7208
                               4.6.4) and leads nowhere */
};
enum mw_dns_type {
    MW_DNS_A = 1,
    MW_DNS_PTR = 12,
    MW_DNS_MX = 15,
    MW_DNS_TXT = 16,
    MW_DNS_AAAA = 28
};
enum {
    MW_DNS_RECORDS_MAX = 1024,   /* handed out; more are left aside */
    MW_DNS_QUESTIONS_MAX = 10000 /* under way; beyond them an ask is answered FAILED at once */
};
/* Borrowed until return. CNAMEs are followed. `count` is 0 unless OK. MX: the lowest preference
 * first, among equal ones by name. Addresses and PTR names that are no use (a name that is no host
 * name or reads as an address, an IPv4 address in an AAAA) are left out; none left: NONE. The
 * callback may ask, cancel and, with nothing under way, free the resolver; a cancel of its own
 * handle does nothing. */
typedef void mw_dns_fn(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count);
/* `name`: labels of 1 to 63 octets with dots between them, at most 253 octets in all; a final dot
 * does not count. Any octet but NUL: local parts come in here by way of SPF's macros (RFC 7208 7).
 * There are no escapes: a backslash is an octet as any other, and a label with a dot in it cannot
 * be asked for. What is no such name does not exist: MW_DNS_NONE. The handle is valid until `done`
 * has run or mw_query_cancel. Never NULL. A cancelled or timed out question may go on without its
 * asker and fill the cache. */
struct mw_query *mw_resolver_ask(struct mw_resolver *resolver, struct mw_slice name,
                                 enum mw_dns_type type, mw_dns_fn *done, void *user);
/* From inside `done` with MW_DNS_NONE: the name itself does not exist, and so nothing of another
 * type or below it (NXDOMAIN, RFC 8020 2). False where there are records of other types, perhaps;
 * also of an alias that leads to a name that does not exist. What cannot be asked for is missing:
 * there can be no such name. The cache answers all types by it (RFC 2308 5). */
bool mw_query_is_missing(const struct mw_query *query);

/* Forward-confirmed reverse name (as Postfix's client name): PTR, then A or AAAA of the names (the
 * first 5) must give the address back. `name` is empty unless OK. `reverse` is the first PTR name,
 * confirmed or not, empty where there is none (anybody can claim any name there; Postfix's
 * reject_unknown_reverse_client_hostname asks for it all the same). Bounded by one deadline for
 * all. */
typedef void mw_dns_name_fn(void *user, enum mw_dns_status status, struct mw_slice name,
                            struct mw_slice reverse);
struct mw_query *mw_resolver_client_name(struct mw_resolver *resolver,
                                         const struct mw_inet *address, mw_dns_name_fn *done,
                                         void *user);
/* Right behind the call that asked: this question made no server work, because its answer is in the
 * cache or another one waits for it. */
bool mw_query_is_free(const struct mw_query *query);
/* No answer will come. The handle is gone. NULL: nothing. */
void mw_query_cancel(struct mw_query **query);

/* How a question to the servers ended. */
enum mw_dns_ending {
    MW_DNS_ENDED_FOUND = 0,
    MW_DNS_ENDED_NONE,
    MW_DNS_ENDED_REFUSED,  /* by all servers: SERVFAIL, REFUSED, NOTIMP, FORMERR, or none listens
                             (c-ares 1.18 does not say which) */
    MW_DNS_ENDED_TIMEOUT,  /* or nobody wanted it any more before it was sent */
    MW_DNS_ENDED_UNUSABLE, /* nonsense, a loop of aliases, truncated by TCP too */
    MW_DNS_ENDING_COUNT
};
enum { MW_DNS_LATENCIES = 10 }; /* up to 1, 5, 10, 50, 100, 500 ms, 1, 2, 5 s; more */
struct mw_resolver_stats {
    uint64_t queries;    /* questions to the servers, each counted once whatever its tries */
    uint64_t cache_hits; /* asks answered from the cache */
    uint64_t joined;     /* asks that waited for another's question */
    uint64_t failures;   /* asks answered FAILED, from wherever */
    uint64_t dropped;    /* of these: MW_DNS_QUESTIONS_MAX were under way */
    uint64_t ended[MW_DNS_ENDING_COUNT]; /* together: queries - under_way */
    uint64_t
        latency[MW_DNS_LATENCIES]; /* of all questions that ended but for time-outs; each in one */
    uint64_t latency_us;           /* their sum */
    uint32_t under_way, waiting;   /* waiting: of those under way, not sent yet */
    uint32_t cached;
    size_t cached_octets;
};
void mw_resolver_stats(const struct mw_resolver *resolver, struct mw_resolver_stats *out_stats);

#endif
