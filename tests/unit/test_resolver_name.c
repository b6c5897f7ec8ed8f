/* test_resolver_name.c - the client's name: confirmed forward, in order, and never a stranger's. */
#include <stdlib.h>

#include "dns_kit.h"
#include "dns_server.h"
#include "test.h"

/* c-ares itself would go on for 900 ms. LATE_MS: what our own timers may add. Where nothing is to
 * time out, nothing does on the busiest machine: PATIENT_MS. */
enum {
    TIMEOUT_MS = 300,
    PATIENT_MS = 10000,
    ATTEMPTS = 2,
    DEADLINE_MS = TIMEOUT_MS * ATTEMPTS,
    LATE_MS = 200,
    TURN_MS = 30000
};

/* clang-format off */
static const struct dns_line lines[] = {
    /* 192.0.2.1: plain */
    {"1.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"Mail.one.test"}},
    {"mail.one.test",           MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.9", "192.0.2.1"}},
    /* .2: a stranger's name; .3: PTR without A; .4: no PTR */
    {"2.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"mail.one.test"}},
    {"3.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"gone.test"}},
    /* .5: three names, the second and third confirm, the second slowly */
    {"5.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"mail.one.test", "slow.five.test", "five.test"}},
    {"slow.five.test",          MW_DNS_A,   FAULT_SLOW,     300, {"192.0.2.5"}},
    {"five.test",               MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.5"}},
    /* .6: one lookup fails, none confirms; .7: one fails, one confirms; .8: the PTR fails */
    {"6.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"servfail.test", "gone.test"}},
    {"7.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"servfail.test", "seven.test"}},
    {"seven.test",              MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.7"}},
    {"servfail.test",           MW_DNS_A,   FAULT_SERVFAIL,   0, {NULL}},
    {"8.2.0.192.in-addr.arpa",  MW_DNS_PTR, FAULT_SERVFAIL,   0, {NULL}},
    /* .10: the sixth name would confirm; .11: names that are none */
    {"10.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,     300, {"n1.test", "n2.test", "n3.test", "n4.test", "n5.test", "ten.test"}},
    {"ten.test",                MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.10"}},
    {"11.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,     300, {"e vil.test", "192.0.2.11", "a\r\nQUIT.test"}},
    {"e vil.test",              MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.11"}},
    /* .12: the forward lookup is mute; .13: the PTR is slow, then the forward one mute */
    {"12.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_NONE,     300, {"mute.test"}},
    {"mute.test",               MW_DNS_A,   FAULT_MUTE,       0, {NULL}},
    {"13.2.0.192.in-addr.arpa", MW_DNS_PTR, FAULT_SLOW,     300, {"silent.test"}},
    {"silent.test",             MW_DNS_A,   FAULT_MUTE,       0, {NULL}},
    /* loopback and IPv6 like all others */
    {"1.0.0.127.in-addr.arpa",  MW_DNS_PTR, FAULT_NONE,     300, {"localhost"}},
    {"localhost",               MW_DNS_A,   FAULT_NONE,     300, {"127.0.0.1"}},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", MW_DNS_PTR, FAULT_NONE, 300, {"six.test"}},
    {"six.test",                MW_DNS_AAAA, FAULT_NONE,    300, {"2001:db8::1"}},
    {"six.test",                MW_DNS_A,   FAULT_NONE,     300, {"192.0.2.66"}},
};
/* clang-format on */

static struct dns_world world;
static struct dns_result result;

static bool open_world(uint32_t cache_entries)
{
    return dns_world_open(&world, lines, sizeof lines / sizeof lines[0], TIMEOUT_MS, ATTEMPTS,
                          cache_entries);
}

static bool open_patient(uint32_t cache_entries)
{
    return dns_world_open(&world, lines, sizeof lines / sizeof lines[0], PATIENT_MS, ATTEMPTS,
                          cache_entries);
}

static struct mw_query *ask(const char *address, struct dns_result *out)
{
    struct mw_inet inet;
    if (mw_inet_parse(mw_slice_cstr(address), &inet) != MW_OK)
        return NULL;
    *out = (struct dns_result){.loop = &world.loop};
    return mw_resolver_client_name(world.resolver, &inet, dns_on_name, out);
}

/* The milliseconds that it took, world.stalled_ms of them at the most not ours. */
static uint64_t look_up(const char *address)
{
    dns_stall_forget(&world);
    uv_update_time(&world.loop);
    uint64_t before = uv_now(&world.loop);
    ask(address, &result);
    dns_turn(&world, &result.calls, 1, TURN_MS);
    return result.at_ms - before;
}

static bool is_named(const char *address, enum mw_dns_status status, const char *name)
{
    look_up(address);
    return result.calls == 1 && result.status == status && strcmp(result.text, name) == 0;
}

TEST(name_that_leads_back_is_the_clients)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.1", MW_DNS_OK, "mail.one.test"));
    CHECK(is_named("127.0.0.1", MW_DNS_OK, "localhost"));
    CHECK(is_named("2001:db8::1", MW_DNS_OK, "six.test"));
    CHECK(dns_world_close(&world));
}

TEST(name_that_does_not_lead_back_is_not)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.2", MW_DNS_NONE, ""));
    CHECK(is_named("192.0.2.3", MW_DNS_NONE, ""));
    CHECK(is_named("192.0.2.4", MW_DNS_NONE, ""));
    CHECK(is_named("2001:db8::2", MW_DNS_NONE, ""));
    CHECK(dns_world_close(&world));
}

TEST(name_is_the_first_in_order_that_is_confirmed)
{
    CHECK(open_patient(100));
    CHECK(look_up("192.0.2.5") >= SERVER_SLOW_MS - 10);
    CHECK_INT(result.status, MW_DNS_OK);
    CHECK(strcmp(result.text, "slow.five.test") == 0);
    CHECK(dns_world_close(&world));
}

TEST(name_is_unknown_for_now_where_a_lookup_failed)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.6", MW_DNS_FAILED, ""));
    CHECK(is_named("192.0.2.7", MW_DNS_OK, "seven.test"));
    CHECK(is_named("192.0.2.8", MW_DNS_FAILED, ""));
    CHECK(dns_world_close(&world));
}

TEST(name_is_looked_for_among_the_first_five)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.10", MW_DNS_NONE, ""));
    CHECK_INT(world.server.asked, 6);
    CHECK(dns_world_close(&world));
}

TEST(name_with_hostile_octets_is_not_even_asked_for)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.11", MW_DNS_NONE, ""));
    CHECK_INT(world.server.asked, 1);
    CHECK(dns_world_close(&world));
}

TEST(name_has_one_deadline_for_all)
{
    CHECK(open_world(100));
    uint64_t took = look_up("192.0.2.12");
    CHECK_INT(result.status, MW_DNS_FAILED);
    CHECK(took >= DEADLINE_MS && took <= DEADLINE_MS + LATE_MS + world.longest_stall_ms);
    took = look_up("192.0.2.13");
    CHECK_INT(result.status, MW_DNS_FAILED);
    CHECK(took >= DEADLINE_MS && took <= DEADLINE_MS + LATE_MS + world.longest_stall_ms);
    CHECK(dns_world_close(&world));
}

TEST(name_comes_from_the_cache_the_second_time)
{
    CHECK(open_patient(100));
    CHECK(is_named("192.0.2.1", MW_DNS_OK, "mail.one.test"));
    struct mw_query *query = ask("192.0.2.1", &result);
    CHECK(query != NULL);
    CHECK_INT(result.calls, 0);
    dns_turn(&world, &result.calls, 1, TURN_MS);
    CHECK_INT(result.status, MW_DNS_OK);
    CHECK_INT(world.server.asked, 2);
    CHECK(dns_world_close(&world));
}

TEST(name_lookup_can_be_cancelled_at_every_point)
{
    struct mw_query *query;
    CHECK(open_world(0));
    query = ask("192.0.2.1", &result);
    mw_query_cancel(&query);
    for (uint64_t ms = 0; ms < 4; ms++) { /* the PTR, or the names, are on their way */
        query = ask("192.0.2.5", &result);
        dns_turn(&world, NULL, 0, ms);
        CHECK(result.calls == 0 || world.stalled_ms > SERVER_SLOW_MS / 2);
        if (result.calls == 0) /* else it was answered meanwhile */
            mw_query_cancel(&query);
    }
    result.calls = 0;
    dns_turn(&world, NULL, 0, DEADLINE_MS);
    CHECK_INT(result.calls, 0);
    CHECK(dns_world_close(&world));
}

static struct mw_query *others[3];
static int cancelling_calls;

static void cancel_others(void *user, enum mw_dns_status status, struct mw_slice name,
                          struct mw_slice reverse)
{
    (void)reverse;
    (void)user;
    (void)status;
    (void)name;
    cancelling_calls++;
    for (int i = 0; i < 3; i++)
        mw_query_cancel(&others[i]);
}

TEST(name_lookup_cancels_others_and_itself_from_its_callback)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.4", "192.0.2.12"};
    struct mw_inet inet;
    CHECK(open_world(0));
    for (size_t i = 0; i < 3; i++) {
        cancelling_calls = 0;
        CHECK(mw_inet_parse(mw_slice_cstr(addresses[i]), &inet) == MW_OK);
        for (int j = 0; j < 3; j++)
            others[j] = mw_resolver_client_name(world.resolver, &inet, cancel_others, NULL);
        dns_turn(&world, &cancelling_calls, 1, TURN_MS);
        dns_turn(&world, NULL, 0, 20);
        CHECK_INT(cancelling_calls, 1);
    }
    CHECK(dns_world_close(&world));
}

static void free_resolver(void *user, enum mw_dns_status status, struct mw_slice name,
                          struct mw_slice reverse)
{
    (void)reverse;
    (void)status;
    (void)name;
    ++*(int *)user;
    mw_resolver_free(&world.resolver);
}

TEST(name_callback_may_free_the_resolver)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.12"};
    struct mw_inet inet;
    for (size_t i = 0; i < 2; i++) {
        int freed = 0;
        CHECK(open_world(0));
        CHECK(mw_inet_parse(mw_slice_cstr(addresses[i]), &inet) == MW_OK);
        mw_resolver_client_name(world.resolver, &inet, free_resolver, &freed);
        dns_turn(&world, &freed, 1, TURN_MS);
        CHECK_INT(freed, 1);
        CHECK(dns_world_close(&world));
    }
}
