/* upstream_pool.h - what a worker knows about each upstream, beyond one session and one load of the
 * configuration: how many connections there are, who waits for one, which addresses are down, what
 * its EHLO said last.
 *
 * Upstreams are told apart by name; a reload that keeps the name keeps all of this. The driver
 * connects and reports; nothing here knows a socket or a clock, so a unit test plays it. */
#ifndef MW_SESSION_UPSTREAM_POOL_H
#define MW_SESSION_UPSTREAM_POOL_H

#include "base/buf.h"
#include "base/inet.h"
#include "base/list.h"
#include "chain/run.h"

enum {
    MW_ADDRESSES_MAX = 64, /* of one upstream that are tried */
    MW_BACKOFF_MIN_MS = 1000,
    MW_BACKOFF_MAX_MS = 60000,
    MW_KNOWN_EHLO_MAX = 16384,
};

/* All upstreams of a worker. */
struct mw_pools {
    struct mw_link all;
    uint64_t random; /* for the jitter */
};

struct mw_pool {
    struct mw_link all;
    struct mw_pools *pools;
    struct mw_slice name;
    struct mw_upstream_view view; /* connections, waiting, is_up: what filters see */
    struct mw_link waiting;       /* sessions that wait for a connection, in order of arrival */
    struct mw_link down;          /* struct mw_down: addresses that failed */
    struct mw_buf ehlo;           /* the last whole reply to EHLO; empty: none yet */
};

void mw_pools_init(struct mw_pools *pools, uint64_t seed);
void mw_pools_fini(struct mw_pools *pools);
/* The pool of that name; made if there is none. Lives until mw_pools_fini. */
struct mw_pool *mw_pool_of(struct mw_pools *pools, struct mw_slice name);

/* ---- connections ---- */
static inline bool mw_pool_has_room(const struct mw_pool *pool, uint32_t max_connections)
{
    return max_connections == 0 || pool->view.connections < max_connections;
}
static inline void mw_pool_opened(struct mw_pool *pool)
{
    pool->view.connections++;
}
void mw_pool_closed(struct mw_pool *pool);
/* A place at the end of the queue; leaving it is harmless where there is none. */
void mw_pool_enqueue(struct mw_pool *pool, struct mw_link *place);
void mw_pool_leave(struct mw_pool *pool, struct mw_link *place);

/* ---- addresses ---- */
struct mw_attempt {
    size_t index;  /* of the address */
    bool is_probe; /* it is down, and its back-off is over: this attempt decides how it goes on */
};
/* Which address is tried next; `tried`: bit i for address i, set by this call. Those that work
 * first, in the order of the configuration; then those in back-off, the one that is due earliest
 * first. An address whose back-off is over counts as working for one attempt: for `share_ms` after
 * that the others leave it alone. False: all were tried. */
bool mw_pool_pick(struct mw_pool *pool, const struct mw_endpoint *addresses, size_t count,
                  uint64_t *tried, uint64_t now_ms, uint64_t share_ms,
                  struct mw_attempt *out_attempt);
/* It was refused, timed out, or was lost before it said a word. `out_wait_ms`: until it is tried
 * first again. True: it was up until now. */
bool mw_pool_failed(struct mw_pool *pool, const struct mw_endpoint *addresses, size_t count,
                    const struct mw_attempt *attempt, uint64_t now_ms, uint64_t *out_wait_ms);
/* It spoke. True: it was down; `out_down_ms`: for so long. */
bool mw_pool_succeeded(struct mw_pool *pool, const struct mw_endpoint *address, uint64_t now_ms,
                       uint64_t *out_down_ms);

/* ---- EHLO ---- */
/* Keep a copy; too long ones (MW_KNOWN_EHLO_MAX) are not kept. */
void mw_pool_remember_ehlo(struct mw_pool *pool, struct mw_slice reply);

#endif
