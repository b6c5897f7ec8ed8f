/* resolver.h - asynchronous DNS on the loop (c-ares), with a cache of bounded size in front.
 *
 * One a worker. Raw answers are taken apart here; what goes out are names and addresses that were
 * checked (no octet of an answer reaches a log line, an SMTP line or a filter unescaped). Answers
 * come never from inside the call that asked. Every question has a deadline (timeout x attempts)
 * and a place in a bounded table; equal questions under way are asked once. */
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
    uint64_t timeout_ms; /* for one try */
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
    MW_DNS_FAILED, /* time out, SERVFAIL, refused, nonsense, too many questions: may be different
                      later */
};

/* One record's data. */
struct mw_dns_record {
    struct mw_inet address; /* A, AAAA */
    struct mw_slice octets; /* PTR, MX: host name (letters, digits, '-', '_', '.'), lower case,
                               without the final dot; empty for MX "." (RFC 7505: no mail here).
                               TXT: strings joined; any octet may be among them */
    uint16_t preference;    /* MX */
};
enum mw_dns_type {
    MW_DNS_A = 1,
    MW_DNS_PTR = 12,
    MW_DNS_MX = 15,
    MW_DNS_TXT = 16,
    MW_DNS_AAAA = 28
};
/* Borrowed until return. CNAMEs are followed. `count` is 0 unless OK. At most 64 records. Records
 * that are no use (a name that is no host name or reads as an address, an IPv4 address in an AAAA)
 * are left out; none left: NONE. The callback may ask, cancel and, with nothing under way, free the
 * resolver; a cancel of its own handle does nothing. */
typedef void mw_dns_fn(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count);
/* `name` is a name of at most 253 octets, printable ASCII without a backslash (bad ones:
 * MW_DNS_NONE). The handle is valid until `done` has run or mw_query_cancel. Never NULL. A
 * cancelled or timed out question may go on without its asker and fill the cache. */
struct mw_query *mw_resolver_ask(struct mw_resolver *resolver, struct mw_slice name,
                                 enum mw_dns_type type, mw_dns_fn *done, void *user);

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
/* No answer will come. The handle is gone. NULL: nothing. */
void mw_query_cancel(struct mw_query **query);

struct mw_resolver_stats {
    uint64_t queries, cache_hits, joined,
        failures; /* asked of a server; answered from the cache; waited for another's; FAILED */
    uint32_t under_way, cached;
};
void mw_resolver_stats(const struct mw_resolver *resolver, struct mw_resolver_stats *out_stats);

#endif
