/* resolver_priv.h - what the resolver's files share: queries, kept answers, the cache.
 *
 * resolver.c holds questions (what c-ares is asked, once for all that want to know) and the asks
 * that wait for them; resolver_gate.c says when one may go out; resolver_lanes.c puts them to the
 * servers; resolver_name.c builds the client's name out of asks; resolver_cache.c keeps answers. */
#ifndef MW_NET_RESOLVER_PRIV_H
#define MW_NET_RESOLVER_PRIV_H

#include <ares.h>

#include "base/list.h"
#include "net/resolver.h"
#include "net/resolver_answer.h"

/* ---- queries: what an asker holds ---- */

/* Base of the kinds of queries. On the resolver's list of deadlines while it waits: all wait for
 * the same time, so the list in order of asking is in order of deadlines. */
struct mw_query {
    struct mw_resolver *resolver;
    const struct mw_query_kind *kind;
    struct mw_link by_deadline;
    uint64_t deadline_ms; /* uv_now() */
    bool is_running;      /* its callback runs: a cancel from there does nothing */
    bool is_put;          /* a server was asked because of it, or will be */
    bool is_missing;      /* while its callback runs: the name does not exist */
};
struct mw_query_kind {
    void (*expire)(struct mw_query *query);  /* the deadline has passed; not on the list any more */
    void (*release)(struct mw_query *query); /* cancelled: free it and what it holds */
};
/* Counts a query in and starts its deadline; counts it out and takes it off the list. */
void mw_query_begin(struct mw_query *query, struct mw_resolver *resolver,
                    const struct mw_query_kind *kind);
void mw_query_end(struct mw_query *query);
/* A query that ends in FAILED without being an ask of its own. */
void mw_resolver_count_failure(struct mw_resolver *resolver);

/* ---- answers as they are kept: one block, shared ---- */

struct mw_dns_answer {
    uint32_t refs;
    enum mw_dns_status status;
    bool is_missing;
    uint64_t expires_ms;
    size_t size; /* octets of the block */
    size_t count;
    struct mw_dns_record records[]; /* their octets behind them */
};
/* Copies; one reference, the caller's. */
struct mw_dns_answer *mw_dns_answer_new(const struct mw_dns_parsed *parsed, uint64_t expires_ms);
struct mw_dns_answer *mw_dns_answer_ref(struct mw_dns_answer *answer);
void mw_dns_answer_unref(struct mw_dns_answer **answer); /* NULL: nothing */

/* ---- the key of a question ---- */

struct mw_dns_seed {
    uint64_t k0, k1; /* random: nobody outside can choose names that collide */
};
struct mw_dns_key {
    uint64_t hash;
    enum mw_dns_type type;
    size_t len;
    char name[MW_DNS_NAME_MAX + 1]; /* normal form, NUL-terminated */
};
/* A type that no question has: under it the cache keeps that a name does not exist. */
#define MW_DNS_ANY_TYPE ((enum mw_dns_type)0)
/* False: `name` cannot stand in a question. */
bool mw_dns_key_init(struct mw_dns_key *key, const struct mw_dns_seed *seed, struct mw_slice name,
                     enum mw_dns_type type);
/* The same name, another type. */
void mw_dns_key_retype(struct mw_dns_key *key, const struct mw_dns_seed *seed,
                       enum mw_dns_type type);
bool mw_dns_key_eq(const struct mw_dns_key *a, const struct mw_dns_key *b);
/* SipHash-2-4. */
uint64_t mw_dns_hash(const struct mw_dns_seed *seed, struct mw_slice octets);

/* ---- the order in which questions go out, and how fast: pure, the caller has the clock ---- */

enum {
    MW_DNS_GATE_ROOM = 128,   /* questions on their way to a server */
    MW_DNS_GATE_LEASE_MS = 10 /* after that long one has arrived, or never will */
};
struct mw_dns_pass { /* one question's; zeroed to begin with */
    struct mw_link place;
    uint64_t sent_ns;
    bool is_waiting;
};
struct mw_dns_gate {
    struct mw_link waiting; /* in the order in which they came */
    struct mw_link recent;  /* sent, in that order; no answer yet */
    size_t waiting_count, recent_count;
};
/* All in constant time, but that each place is given back once. `now_ns`: uv_hrtime(). */
void mw_dns_gate_init(struct mw_dns_gate *gate);
void mw_dns_gate_wait(struct mw_dns_gate *gate, struct mw_dns_pass *pass);
/* Who may go now, and counts as sent from here on. NULL: nobody. */
struct mw_dns_pass *mw_dns_gate_next(struct mw_dns_gate *gate, uint64_t now_ns);
/* A server has answered: it and those that were sent before it have arrived. */
void mw_dns_gate_arrive(struct mw_dns_gate *gate, struct mw_dns_pass *pass);
/* It is over without that; whether it waits, was sent or has left before. */
void mw_dns_gate_leave(struct mw_dns_gate *gate, struct mw_dns_pass *pass);
/* How long until somebody may go, at least 1; 0: nobody waits. */
uint64_t mw_dns_gate_pause_ms(struct mw_dns_gate *gate, uint64_t now_ns);

/* ---- the way to the servers: c-ares ---- */

struct mw_dns_lanes;
/* Something may have been answered, and c-ares is not at work: the time for other people's code.
 * It may free the lanes. */
typedef void mw_dns_progress_fn(void *user);
/* A question lives for `life_ms` at most, give or take a seventh. NULL: *out_problem says why. */
struct mw_dns_lanes *mw_dns_lanes_new(uv_loop_t *loop, const struct mw_resolver_config *config,
                                      uint64_t life_ms, mw_dns_progress_fn *progress, void *user,
                                      const char **out_problem);
/* `done` runs exactly once: from the loop, from inside one of these functions, or (status
 * ARES_EDESTRUCTION) from mw_dns_lanes_free(). From inside it only mw_dns_lanes_ask_again() and
 * mw_dns_lanes_prefer() may be called. *out_server is set before it runs: the number of the server
 * that is asked first; after each time-out it is the next one, round. */
void mw_dns_lanes_ask(struct mw_dns_lanes *lanes, const struct mw_dns_key *key, ares_callback done,
                      void *arg, size_t *out_server);
/* The same without a change of lanes, which would cancel a channel that may be at work. */
void mw_dns_lanes_ask_again(struct mw_dns_lanes *lanes, const struct mw_dns_key *key,
                            ares_callback done, void *arg, size_t *out_server);
/* That server has answered where another one did not: soon it is asked first. Any number; they go
 * round. */
void mw_dns_lanes_prefer(struct mw_dns_lanes *lanes, size_t server);
/* There is no room for another question: the lanes' turns come faster while that is so, and those who
 * have waited longest make room. As mw_dns_lanes_ask(), `done` may run within. */
void mw_dns_lanes_hurry(struct mw_dns_lanes *lanes);
/* Now and then while questions are under way: answers that have come, then time-outs. */
void mw_dns_lanes_tick(struct mw_dns_lanes *lanes);
/* Its handles close on the loop afterwards. */
void mw_dns_lanes_free(struct mw_dns_lanes **lanes);

/* ---- the cache: least recently used goes first ---- */

struct mw_dns_cache;
enum {
    MW_DNS_CACHE_ENTRY_SIZE = 1024,        /* octets an entry may take on average */
    MW_DNS_CACHE_ENTRIES_MAX = 4 * 1048576 /* more are not kept, whatever was asked for */
};
/* NULL for 0 entries; the functions below take that for an empty cache. */
struct mw_dns_cache *mw_dns_cache_new(uint32_t entries);
void mw_dns_cache_free(struct mw_dns_cache **cache);
/* Borrowed, or NULL: not there, or not valid any more. */
struct mw_dns_answer *mw_dns_cache_find(struct mw_dns_cache *cache, const struct mw_dns_key *key,
                                        uint64_t now_ms);
/* Keeps a reference; replaces what is there. An answer that would take a large part of the whole
 * cache is not kept. */
void mw_dns_cache_put(struct mw_dns_cache *cache, const struct mw_dns_key *key,
                      struct mw_dns_answer *answer);
/* How long an answer is kept: its own TTL up to 1 h, up to 5 min where it is NONE, 2 s where it is
 * FAILED. */
uint64_t mw_dns_keep_ms(const struct mw_dns_parsed *parsed);
uint32_t mw_dns_cache_count(const struct mw_dns_cache *cache);
size_t mw_dns_cache_size(const struct mw_dns_cache *cache); /* octets of all entries */

#endif
