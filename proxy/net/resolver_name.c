/* resolver_name.c - the client's name: what its reverse zone says, and its owner confirms.
 *
 * Anyone can write any name into the reverse zone of an address; only the owner of the name can
 * make it lead back to the address. So: PTR, then the addresses of each name, all at once; the
 * first name, in the order of the PTR answer, that has the address among its own is the client's
 * (RFC 8499 6 "FCrDNS"; as Postfix's smtpd_peer.c).
 *
 * One object and one deadline for the whole; its asks are cancelled when it ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/resolver_priv.h"

enum {
    NAMES_MAX = 5,
    REVERSE_MAX = 80 /* 32 nibbles with dots and ip6.arpa */
};

/* One name of the reverse zone. */
struct candidate {
    struct lookup *lookup;
    struct mw_query *ask; /* NULL: answered */
    bool is_confirmed, has_failed;
    size_t len;
    char name[MW_DNS_NAME_MAX];
};

struct lookup {
    struct mw_query query;
    struct mw_inet address;
    struct mw_query *reverse; /* the PTR question; NULL: answered */
    struct candidate candidates[NAMES_MAX];
    size_t count;
    mw_dns_name_fn *done;
    void *user;
};

/* ---- ending ---- */

static void drop_asks(struct lookup *lookup)
{
    mw_query_cancel(&lookup->reverse);
    for (size_t i = 0; i < lookup->count; i++)
        mw_query_cancel(&lookup->candidates[i].ask);
}

static void finish(struct lookup *lookup, enum mw_dns_status status, struct mw_slice name)
{
    drop_asks(lookup);
    mw_query_end(&lookup->query);
    lookup->query.is_running = true;
    struct mw_slice reverse = lookup->count == 0
                                  ? MW_EMPTY
                                  : MW_SLICE(lookup->candidates[0].name, lookup->candidates[0].len);
    lookup->done(lookup->user, status, name, reverse);
    free(lookup);
}

static void expire_lookup(struct mw_query *query)
{
    mw_resolver_count_failure(query->resolver);
    finish(mw_container_of(query, struct lookup, query), MW_DNS_FAILED, MW_EMPTY);
}

static void release_lookup(struct mw_query *query)
{
    struct lookup *lookup = mw_container_of(query, struct lookup, query);
    drop_asks(lookup);
    free(lookup);
}

static const struct mw_query_kind lookup_kind = {expire_lookup, release_lookup};

/* ---- forward: is it the address's own name? ---- */

/* The first confirmed name wins as soon as all before it are known not to be. */
static void judge(struct lookup *lookup)
{
    bool has_failed = false;
    for (size_t i = 0; i < lookup->count; i++) {
        const struct candidate *candidate = &lookup->candidates[i];
        if (candidate->ask != NULL)
            return;
        if (candidate->is_confirmed) {
            finish(lookup, MW_DNS_OK, MW_SLICE(candidate->name, candidate->len));
            return;
        }
        has_failed = has_failed || candidate->has_failed;
    }
    finish(lookup, has_failed ? MW_DNS_FAILED : MW_DNS_NONE, MW_EMPTY);
}

static void on_forward(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count)
{
    struct candidate *candidate = user;
    candidate->ask = NULL;
    candidate->has_failed = status == MW_DNS_FAILED;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&records[i].address, &candidate->lookup->address, sizeof records[i].address) ==
            0)
            candidate->is_confirmed = true;
    }
    judge(candidate->lookup);
}

/* ---- reverse: what names does it claim? ---- */

static void add_candidate(struct lookup *lookup, struct mw_slice name)
{
    struct candidate *candidate = &lookup->candidates[lookup->count++];
    mw_assert(name.len <= sizeof candidate->name);
    candidate->lookup = lookup;
    candidate->len = name.len;
    memcpy(candidate->name, name.ptr, name.len);
}

static void on_reverse(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count)
{
    struct lookup *lookup = user;
    lookup->reverse = NULL;
    if (status != MW_DNS_OK) {
        finish(lookup, status, MW_EMPTY);
        return;
    }
    for (size_t i = 0; i < count && i < NAMES_MAX; i++)
        add_candidate(lookup, records[i].octets);
    enum mw_dns_type type = mw_inet_is_v4(&lookup->address) ? MW_DNS_A : MW_DNS_AAAA;
    for (size_t i = 0; i < lookup->count; i++) {
        struct candidate *candidate = &lookup->candidates[i];
        candidate->ask = mw_resolver_ask(lookup->query.resolver,
                                         MW_SLICE(candidate->name, candidate->len), type,
                                         on_forward, candidate);
    }
}

/* The name of an address in the reverse tree (RFC 1035 3.5, RFC 3596 2.5). */
static struct mw_slice reverse_name(const struct mw_inet *address, char out_name[REVERSE_MAX])
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *octets = address->octets;
    size_t len = 0;
    if (mw_inet_is_v4(address)) {
        int written = snprintf(out_name, REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", octets[15],
                               octets[14], octets[13], octets[12]);
        return MW_SLICE(out_name, (size_t)written);
    }
    for (size_t i = 16; i-- > 0;) {
        out_name[len++] = digits[octets[i] & 0xf];
        out_name[len++] = '.';
        out_name[len++] = digits[octets[i] >> 4];
        out_name[len++] = '.';
    }
    memcpy(out_name + len, "ip6.arpa", 8);
    return MW_SLICE(out_name, len + 8);
}

struct mw_query *mw_resolver_client_name(struct mw_resolver *resolver,
                                         const struct mw_inet *address, mw_dns_name_fn *done,
                                         void *user)
{
    char name[REVERSE_MAX];
    struct lookup *lookup = mw_xcalloc(1, sizeof *lookup);
    lookup->address = *address;
    lookup->done = done;
    lookup->user = user;
    mw_query_begin(&lookup->query, resolver, &lookup_kind);
    lookup->reverse = mw_resolver_ask(resolver, reverse_name(address, name), MW_DNS_PTR, on_reverse,
                                      lookup);
    return &lookup->query;
}
