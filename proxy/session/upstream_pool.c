/* upstream_pool.c - health of addresses by back-off, the queue for connections.
 *
 * Only addresses that are down have an entry. The first failure makes one (1 s); a failure of the
 * attempt that was made when the back-off was over doubles it (60 s at most, each with a jitter of
 * a quarter, so that workers do not come together); failures of sessions that were under way
 * anyway, or that had no other address left, change nothing. */
#include "session/upstream_pool.h"

#include <stdlib.h>
#include <string.h>

/* Entries of addresses that the configuration no longer has go when new ones come. */
enum { FORGET_MS = 24 * 3600 * 1000 };

struct mw_down {
    struct mw_link down;
    struct mw_endpoint address;
    uint64_t since, retry_at; /* ms */
    uint64_t backoff_ms;
};

void mw_pools_init(struct mw_pools *pools, uint64_t seed)
{
    mw_list_init(&pools->all);
    pools->random = seed | 1;
}

static void forget(struct mw_down *down)
{
    mw_list_remove(&down->down);
    free(down);
}

void mw_pools_fini(struct mw_pools *pools)
{
    mw_list_for_each (link, &pools->all) {
        struct mw_pool *pool = mw_container_of(link, struct mw_pool, all);
        mw_assert(mw_list_is_empty(&pool->waiting) && pool->view.connections == 0);
        mw_list_for_each (entry, &pool->down)
            forget(mw_container_of(entry, struct mw_down, down));
        mw_list_remove(&pool->all);
        mw_buf_fini(&pool->ehlo);
        free(pool);
    }
}

struct mw_pool *mw_pool_of(struct mw_pools *pools, struct mw_slice name)
{
    mw_list_for_each (link, &pools->all) {
        struct mw_pool *pool = mw_container_of(link, struct mw_pool, all);
        if (mw_slice_eq(pool->name, name))
            return pool;
    }
    struct mw_pool *pool = mw_xcalloc(1, sizeof *pool + name.len);
    char *copy = (char *)(pool + 1);
    memcpy(copy, name.ptr, name.len);
    pool->name = MW_SLICE(copy, name.len);
    pool->pools = pools;
    pool->view.is_up = true;
    mw_list_init(&pool->waiting);
    mw_list_init(&pool->down);
    mw_list_append(&pools->all, &pool->all);
    return pool;
}

/* ---- connections ---- */

void mw_pool_closed(struct mw_pool *pool)
{
    mw_assert(pool->view.connections > 0);
    pool->view.connections--;
}

void mw_pool_enqueue(struct mw_pool *pool, struct mw_link *place)
{
    mw_assert(!mw_list_contains(place));
    mw_list_append(&pool->waiting, place);
    pool->view.waiting++;
}

void mw_pool_leave(struct mw_pool *pool, struct mw_link *place)
{
    if (!mw_list_contains(place))
        return;
    mw_list_remove(place);
    pool->view.waiting--;
}

/* ---- addresses ---- */

static bool is_same(const struct mw_endpoint *a, const struct mw_endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == MW_ENDPOINT_INET)
        return a->port == b->port && memcmp(&a->address, &b->address, sizeof a->address) == 0;
    return a->port == b->port && strcmp(a->path, b->path) == 0;
}

static struct mw_down *find(const struct mw_pool *pool, const struct mw_endpoint *address)
{
    mw_list_for_each (link, &pool->down) {
        struct mw_down *down = mw_container_of(link, struct mw_down, down);
        if (is_same(&down->address, address))
            return down;
    }
    return NULL;
}

bool mw_pool_pick(struct mw_pool *pool, const struct mw_endpoint *addresses, size_t count,
                  uint64_t *tried, uint64_t now_ms, uint64_t share_ms,
                  struct mw_attempt *out_attempt)
{
    size_t best = MW_ADDRESSES_MAX;
    uint64_t best_at = 0; /* 0: works; else when it is due */
    for (size_t i = 0; i < count && i < MW_ADDRESSES_MAX; i++) {
        if ((*tried >> i & 1) != 0)
            continue;
        const struct mw_down *down = find(pool, &addresses[i]);
        uint64_t at = down == NULL || down->retry_at <= now_ms ? 0 : down->retry_at;
        if (best == MW_ADDRESSES_MAX || at < best_at) {
            best = i;
            best_at = at;
        }
        if (best_at == 0)
            break;
    }
    if (best == MW_ADDRESSES_MAX)
        return false;
    *tried |= (uint64_t)1 << best;
    struct mw_down *down = find(pool, &addresses[best]);
    *out_attempt = (struct mw_attempt){.index = best, .is_probe = down != NULL && best_at == 0};
    if (out_attempt->is_probe)
        down->retry_at = now_ms + share_ms;
    return true;
}

/* The back-off, a quarter more or less (xorshift64). */
static uint64_t with_jitter(struct mw_pools *pools, uint64_t backoff_ms)
{
    uint64_t x = pools->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pools->random = x;
    return backoff_ms * 3 / 4 + x % (backoff_ms / 2 + 1);
}

static struct mw_down *note_down(struct mw_pool *pool, const struct mw_endpoint *address,
                                 uint64_t now_ms)
{
    mw_list_for_each (link, &pool->down) {
        struct mw_down *old = mw_container_of(link, struct mw_down, down);
        if (old->retry_at + FORGET_MS < now_ms)
            forget(old);
    }
    struct mw_down *down = mw_xcalloc(1, sizeof *down);
    down->address = *address;
    down->since = now_ms;
    down->backoff_ms = MW_BACKOFF_MIN_MS;
    mw_list_append(&pool->down, &down->down);
    return down;
}

bool mw_pool_failed(struct mw_pool *pool, const struct mw_endpoint *addresses, size_t count,
                    const struct mw_attempt *attempt, uint64_t now_ms, uint64_t *out_wait_ms)
{
    const struct mw_endpoint *address = &addresses[attempt->index];
    struct mw_down *down = find(pool, address);
    bool was_up = down == NULL;
    if (was_up) {
        down = note_down(pool, address, now_ms);
    } else if (attempt->is_probe) {
        down->backoff_ms *= 2;
        if (down->backoff_ms > MW_BACKOFF_MAX_MS)
            down->backoff_ms = MW_BACKOFF_MAX_MS;
    }
    if (was_up || attempt->is_probe)
        down->retry_at = now_ms + with_jitter(pool->pools, down->backoff_ms);
    *out_wait_ms = down->retry_at > now_ms ? down->retry_at - now_ms : 0;
    pool->view.is_up = false;
    for (size_t i = 0; i < count && i < MW_ADDRESSES_MAX && !pool->view.is_up; i++)
        pool->view.is_up = find(pool, &addresses[i]) == NULL;
    return was_up;
}

bool mw_pool_succeeded(struct mw_pool *pool, const struct mw_endpoint *address, uint64_t now_ms,
                       uint64_t *out_down_ms)
{
    struct mw_down *down = find(pool, address);
    pool->view.is_up = true;
    if (down == NULL)
        return false;
    *out_down_ms = now_ms - down->since;
    forget(down);
    return true;
}

/* ---- EHLO ---- */

void mw_pool_remember_ehlo(struct mw_pool *pool, struct mw_slice reply)
{
    if (reply.len > MW_KNOWN_EHLO_MAX || mw_slice_eq(mw_buf_view(&pool->ehlo), reply))
        return;
    mw_buf_fini(&pool->ehlo);
    mw_buf_put(&pool->ehlo, reply);
}
