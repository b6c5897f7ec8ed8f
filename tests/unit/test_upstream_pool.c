/* test_upstream_pool.c - which address is tried when, the queue, and what is remembered of an
 * upstream. */
#include "session/upstream_pool.h"
#include "test.h"

enum { SHARE = 500 };

static const struct mw_endpoint addresses[] = {{.port = 1}, {.port = 2}, {.port = 3}};

static struct mw_pools pools;

static struct mw_pool *fresh_pool(void)
{
    mw_pools_init(&pools, 42);
    return mw_pool_of(&pools, MW_LIT("mx"));
}

/* The next address as a number from 1; 0: none. */
static size_t pick(struct mw_pool *pool, uint64_t *tried, uint64_t now, struct mw_attempt *out)
{
    if (!mw_pool_pick(pool, addresses, 3, tried, now, SHARE, out))
        return 0;
    return out->index + 1;
}

static size_t first(struct mw_pool *pool, uint64_t now)
{
    uint64_t tried = 0;
    struct mw_attempt attempt;
    return pick(pool, &tried, now, &attempt);
}

static uint64_t fail(struct mw_pool *pool, size_t number, bool is_probe, uint64_t now)
{
    struct mw_attempt attempt = {.index = number - 1, .is_probe = is_probe};
    uint64_t wait = 0;
    mw_pool_failed(pool, addresses, 3, &attempt, now, &wait);
    return wait;
}

static bool is_about(uint64_t wait, uint64_t backoff)
{
    return wait >= backoff * 3 / 4 && wait <= backoff * 5 / 4;
}

TEST(pick_healthy_follows_the_configuration)
{
    struct mw_pool *pool = fresh_pool();
    uint64_t tried = 0;
    struct mw_attempt attempt;
    CHECK_INT(pick(pool, &tried, 0, &attempt), 1);
    CHECK(!attempt.is_probe);
    CHECK_INT(pick(pool, &tried, 0, &attempt), 2);
    CHECK_INT(pick(pool, &tried, 0, &attempt), 3);
    CHECK_INT(pick(pool, &tried, 0, &attempt), 0);
    mw_pools_fini(&pools);
}

TEST(pick_failed_address_goes_last_until_its_back_off_is_over)
{
    struct mw_pool *pool = fresh_pool();
    uint64_t wait = fail(pool, 1, false, 100), tried = 0;
    struct mw_attempt attempt;
    CHECK(is_about(wait, MW_BACKOFF_MIN_MS));
    CHECK_INT(pick(pool, &tried, 101, &attempt), 2);
    CHECK_INT(pick(pool, &tried, 101, &attempt), 3);
    CHECK_INT(pick(pool, &tried, 101, &attempt), 1); /* never refused without trying */
    CHECK(!attempt.is_probe);
    CHECK_INT(first(pool, 100 + wait - 1), 2);
    CHECK_INT(first(pool, 100 + wait), 1);
    mw_pools_fini(&pools);
}

TEST(pick_one_session_probes_the_others_stay_away)
{
    struct mw_pool *pool = fresh_pool();
    uint64_t now = fail(pool, 1, false, 0), tried = 0;
    struct mw_attempt attempt;
    CHECK_INT(pick(pool, &tried, now, &attempt), 1);
    CHECK(attempt.is_probe);
    CHECK_INT(first(pool, now), 2);
    CHECK_INT(first(pool, now + SHARE - 1), 2);
    CHECK_INT(first(pool, now + SHARE), 1); /* the one that probed was never heard of again */
    mw_pools_fini(&pools);
}

TEST(pick_all_down_earliest_first)
{
    struct mw_pool *pool = fresh_pool();
    fail(pool, 3, false, 0);
    fail(pool, 1, false, 10000);
    fail(pool, 2, false, 5000);
    /* 3 is due, 2 and 1 are not */
    uint64_t tried = 0;
    struct mw_attempt attempt;
    CHECK_INT(pick(pool, &tried, 5001, &attempt), 3);
    CHECK_INT(pick(pool, &tried, 5001, &attempt), 2);
    CHECK_INT(pick(pool, &tried, 5001, &attempt), 1);
    CHECK_INT(pick(pool, &tried, 5001, &attempt), 0);
    CHECK(!pool->view.is_up);
    mw_pools_fini(&pools);
}

TEST(failed_probe_doubles_up_to_a_minute)
{
    struct mw_pool *pool = fresh_pool();
    uint64_t now = fail(pool, 1, false, 0);
    uint64_t want = MW_BACKOFF_MIN_MS;
    for (int i = 0; i < 10; i++) {
        want = want * 2 < MW_BACKOFF_MAX_MS ? want * 2 : MW_BACKOFF_MAX_MS;
        uint64_t wait = fail(pool, 1, true, now);
        CHECK(is_about(wait, want));
        CHECK_INT(fail(pool, 1, false, now + 1), wait - 1); /* not its business: nothing changes */
        now += wait;
    }
    CHECK_INT(want, MW_BACKOFF_MAX_MS);
    mw_pools_fini(&pools);
}

TEST(failed_and_succeeded_tell_the_change_once)
{
    struct mw_pool *pool = fresh_pool();
    struct mw_attempt attempt = {0};
    uint64_t wait, down = 0;
    CHECK(pool->view.is_up);
    CHECK(!mw_pool_succeeded(pool, &addresses[0], 5, &down));
    CHECK(mw_pool_failed(pool, addresses, 3, &attempt, 1000, &wait));
    CHECK(!mw_pool_failed(pool, addresses, 3, &attempt, 1500, &wait));
    CHECK(pool->view.is_up); /* the others were never seen down */
    CHECK(mw_pool_succeeded(pool, &addresses[0], 4000, &down));
    CHECK_INT(down, 3000);
    CHECK(!mw_pool_succeeded(pool, &addresses[0], 4001, &down));
    CHECK_INT(first(pool, 4001), 1);
    mw_pools_fini(&pools);
}

TEST(failed_only_address_is_tried_all_the_same)
{
    struct mw_pool *pool = fresh_pool();
    struct mw_attempt attempt = {0};
    uint64_t wait, tried = 0;
    mw_pool_failed(pool, addresses, 1, &attempt, 0, &wait);
    CHECK(!pool->view.is_up);
    CHECK(mw_pool_pick(pool, addresses, 1, &tried, 1, SHARE, &attempt));
    CHECK(!mw_pool_pick(pool, addresses, 1, &tried, 1, SHARE, &attempt));
    mw_pools_fini(&pools);
}

TEST(addresses_are_told_apart_by_kind_and_path)
{
    struct mw_pool *pool = fresh_pool();
    const struct mw_endpoint sockets[] = {{.kind = MW_ENDPOINT_UNIX, .path = "/run/a"},
                                          {.kind = MW_ENDPOINT_UNIX, .path = "/run/b"}};
    struct mw_attempt attempt = {0};
    uint64_t wait, tried = 0;
    mw_pool_failed(pool, sockets, 2, &attempt, 0, &wait);
    CHECK(mw_pool_pick(pool, sockets, 2, &tried, 1, SHARE, &attempt));
    CHECK_INT(attempt.index, 1);
    mw_pools_fini(&pools);
}

TEST(entries_of_forgotten_addresses_go)
{
    struct mw_pool *pool = fresh_pool();
    const uint64_t day = 24 * 3600 * 1000;
    struct mw_attempt attempt = {0};
    uint64_t wait;
    for (uint16_t port = 1; port <= 1000; port++) {
        const struct mw_endpoint address = {.port = port};
        CHECK(mw_pool_failed(pool, &address, 1, &attempt, port * (day / 10), &wait));
    }
    size_t count = 0;
    mw_list_for_each (link, &pool->down) {
        (void)link;
        count++;
    }
    CHECK(count <= 12);
    mw_pools_fini(&pools);
}

TEST(pick_more_addresses_than_are_tried_ends)
{
    struct mw_pool *pool = fresh_pool();
    struct mw_endpoint many[MW_ADDRESSES_MAX + 10] = {0};
    struct mw_attempt attempt;
    uint64_t tried = 0;
    size_t count = 0;
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        many[i].port = (uint16_t)(i + 1);
    while (mw_pool_pick(pool, many, sizeof many / sizeof *many, &tried, 0, SHARE, &attempt))
        CHECK_INT(attempt.index, count++);
    CHECK_INT(count, MW_ADDRESSES_MAX);
    mw_pools_fini(&pools);
}

TEST(pools_are_kept_by_name)
{
    struct mw_pool *pool = fresh_pool();
    struct mw_pool *other = mw_pool_of(&pools, MW_LIT("mx2"));
    CHECK(pool != other);
    CHECK(mw_pool_of(&pools, MW_LIT("mx")) == pool);
    mw_pool_opened(pool);
    CHECK(!mw_pool_has_room(pool, 1));
    CHECK(mw_pool_has_room(pool, 2));
    CHECK(mw_pool_has_room(pool, 0));
    CHECK(mw_pool_has_room(other, 1));
    mw_pool_closed(pool);
    CHECK(mw_pool_has_room(pool, 1));
    mw_pools_fini(&pools);
}

TEST(queue_keeps_order_and_count)
{
    struct mw_pool *pool = fresh_pool();
    struct mw_link a = {0}, b = {0}, c = {0};
    mw_pool_enqueue(pool, &a);
    mw_pool_enqueue(pool, &b);
    mw_pool_enqueue(pool, &c);
    CHECK_INT(pool->view.waiting, 3);
    mw_pool_leave(pool, &b);
    mw_pool_leave(pool, &b);
    CHECK_INT(pool->view.waiting, 2);
    CHECK(pool->waiting.next == &a && a.next == &c);
    mw_pool_leave(pool, &a);
    mw_pool_leave(pool, &c);
    CHECK_INT(pool->view.waiting, 0);
    mw_pools_fini(&pools);
}

TEST(ehlo_last_one_counts_too_long_is_not_kept)
{
    struct mw_pool *pool = fresh_pool();
    static char long_reply[MW_KNOWN_EHLO_MAX + 1];
    mw_pool_remember_ehlo(pool, MW_LIT("250 a\r\n"));
    const char *kept = pool->ehlo.ptr;
    mw_pool_remember_ehlo(pool, MW_LIT("250 a\r\n"));
    CHECK(pool->ehlo.ptr == kept); /* no change, no copy */
    mw_pool_remember_ehlo(pool, MW_LIT("250 b\r\n"));
    CHECK_MEM(pool->ehlo.ptr, pool->ehlo.len, "250 b\r\n");
    mw_pool_remember_ehlo(pool, MW_SLICE(long_reply, sizeof long_reply));
    CHECK_MEM(pool->ehlo.ptr, pool->ehlo.len, "250 b\r\n");
    mw_pools_fini(&pools);
}
