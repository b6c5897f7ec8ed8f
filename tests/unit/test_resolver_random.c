/* test_resolver_random.c - questions, cancels and nested questions in random order over a server
 * with faults: every query that is not cancelled is answered exactly once, none after its cancel.
 */
#include <stdlib.h>

#include "dns_kit.h"
#include "dns_server.h"
#include "test.h"

enum { SLOTS = 1024, STEPS = 4000, BURST = 600, TIMEOUT_MS = 20, ATTEMPTS = 2 };

/* clang-format off */
static const struct dns_line lines[] = {
    {"a.test",                 MW_DNS_A,   FAULT_NONE,      0, {"192.0.2.1"}},
    {"kept.test",              MW_DNS_A,   FAULT_NONE,    300, {"192.0.2.1"}},
    {"mute.test",              MW_DNS_A,   FAULT_MUTE,      0, {NULL}},
    {"servfail.test",          MW_DNS_A,   FAULT_SERVFAIL,  0, {NULL}},
    {"big.test",               MW_DNS_A,   FAULT_TRUNCATED, 0, {"192.0.2.1"}},
    {"garbage.test",           MW_DNS_A,   FAULT_GARBAGE,   0, {NULL}},
    {"1.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,      0, {"a.test", "mute.test", "kept.test"}},
    {"2.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,      0, {"mute.test", "kept.test"}},
    {"3.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,    300, {"kept.test", "a.test"}},
};
static const char *const names[] = {"a.test", "kept.test", "mute.test", "servfail.test", "big.test", "garbage.test",
                                    "missing.test", "bad name", "A.TEST"};
/* clang-format on */
enum { NAMES = sizeof names / sizeof names[0] };

struct slot {
    struct mw_query *query; /* NULL: free */
    bool is_waiting;
};

static struct dns_world world;
static struct slot slots[SLOTS];
static uint64_t state;
static int asked, answered, cancelled, faults;
static uint32_t most_waiting; /* at the gate */

static void step(void);

static void on_any(struct slot *slot)
{
    if (!slot->is_waiting)
        faults++; /* twice, or after a cancel */
    slot->is_waiting = false;
    answered++;
    for (uint64_t more = mw_test_random(&state) % 3; more > 0; more--)
        step();
    if (!slot->is_waiting) /* not asked for again meanwhile */
        slot->query = NULL;
}

static void on_records(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count)
{
    struct mw_inet sum = {{0}};
    for (size_t i = 0; i < count; i++)
        sum.octets[15] ^= records[i].address.octets[15]; /* the sanitizer looks on */
    faults += (status == MW_DNS_OK) != (count > 0) || (count == 1 && sum.octets[15] != 1);
    on_any(user);
    for (size_t i = 0; i < count; i++) /* the records live until return */
        sum.octets[15] ^= records[i].address.octets[15];
    faults += sum.octets[15] != 0;
}

static void on_name(void *user, enum mw_dns_status status, struct mw_slice name,
                    struct mw_slice reverse)
{
    (void)reverse;
    faults += (status == MW_DNS_OK) != (name.len > 0);
    on_any(user);
}

static void ask(struct slot *slot)
{
    uint64_t random = mw_test_random(&state);
    struct mw_inet address = {{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
    slot->is_waiting = true;
    asked++;
    address.octets[15] = (unsigned char)(1 + (random >> 8) % 4);
    char other[32]; /* one of many */
    snprintf(other, sizeof other, "n%d.missing.test", (int)(random >> 16) % 10000);
    const char *name = (random >> 40) % 2 == 0 ? other : names[random % NAMES];
    slot->query = (random >> 62) == 0
                      ? mw_resolver_client_name(world.resolver, &address, on_name, slot)
                      : mw_resolver_ask(world.resolver, mw_slice_cstr(name), MW_DNS_A, on_records,
                                        slot);
}

/* Ask in a free slot, or cancel what a slot waits for (in a callback: perhaps its own, which does
 * nothing). */
static void step(void)
{
    struct slot *slot = &slots[mw_test_random(&state) % SLOTS];
    if (slot->query == NULL) {
        ask(slot);
    } else if (mw_test_random(&state) % 4 == 0) {
        cancelled += slot->is_waiting;
        slot->is_waiting = false;
        mw_query_cancel(&slot->query);
    }
}

/* Without a turn of the loop: more than goes out at once. */
static void burst(void)
{
    struct mw_resolver_stats stats;
    for (int i = 0; i < BURST; i++)
        step();
    mw_resolver_stats(world.resolver, &stats);
    if (stats.waiting > most_waiting)
        most_waiting = stats.waiting;
}

static void play(uint64_t seed)
{
    state = seed;
    asked = answered = cancelled = faults = 0;
    memset(slots, 0, sizeof slots);
    CHECK(dns_world_open(&world, lines, sizeof lines / sizeof lines[0], TIMEOUT_MS, ATTEMPTS, 4));
    for (int i = 0; i < STEPS; i++) {
        step();
        if (mw_test_random(&state) % 8 == 0)
            uv_run(&world.loop, UV_RUN_NOWAIT);
        if (mw_test_random(&state) % 256 == 0)
            dns_turn(&world, NULL, 0, 5);
        if (mw_test_random(&state) % 512 == 0)
            burst();
    }
    for (int i = 0; i < SLOTS; i += 2) {
        cancelled += slots[i].is_waiting;
        slots[i].is_waiting = false;
        mw_query_cancel(&slots[i].query);
    }
    for (int turns = 0; turns < 1000 && answered + cancelled < asked; turns++)
        dns_turn(&world, NULL, 0, 10);
    CHECK_INT(faults, 0);
    CHECK_INT(answered + cancelled, asked);
    CHECK(dns_world_close(&world));
    printf("     seed %" PRIu64 ": %d asked, %d answered, %d cancelled\n", seed, asked, answered,
           cancelled);
}

TEST(resolver_keeps_its_promises_under_random_use)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        play(seed);
    CHECK(most_waiting > 0);
}
