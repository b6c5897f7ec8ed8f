/* test_resolver_gate.c - who may go out when: room, leases, order, leaving; and what the resolver
 * makes of it with a burst that no socket could hold. */
#include <stdlib.h>

#include "dns_server.h"
#include "net/resolver_priv.h"
#include "test.h"

enum { ROOM = MW_DNS_GATE_ROOM, COUNT = 3 * ROOM };
#define MS UINT64_C(1000000)
#define LEASE (MW_DNS_GATE_LEASE_MS * MS)

static struct mw_dns_gate gate;
static struct mw_dns_pass passes[COUNT];

static void open_gate(void)
{
    memset(passes, 0, sizeof passes);
    mw_dns_gate_init(&gate);
    for (size_t i = 0; i < COUNT; i++)
        mw_dns_gate_wait(&gate, &passes[i]);
}

/* Let through whoever may go; how many those are, or -1 if they do not come in order. */
static int let_go(size_t first, uint64_t now_ns)
{
    int count = 0;
    for (struct mw_dns_pass *pass; (pass = mw_dns_gate_next(&gate, now_ns)) != NULL; count++)
        if (pass != &passes[first + (size_t)count] || pass->is_waiting)
            return -1;
    return count;
}

TEST(gate_lets_through_what_there_is_room_for_in_order)
{
    open_gate();
    CHECK_INT(gate.waiting_count, COUNT);
    CHECK_INT(let_go(0, 7 * MS), ROOM);
    CHECK_INT(let_go(ROOM, 7 * MS + LEASE - 1), 0);
    CHECK_INT(gate.waiting_count, COUNT - ROOM);
    for (size_t i = 0; i < 3; i++) /* answers, in any order */
        mw_dns_gate_leave(&gate, &passes[ROOM - 1 - 20 * i]);
    CHECK_INT(let_go(ROOM, 8 * MS), 3);
    CHECK_INT(gate.recent_count, ROOM);
}

TEST(gate_takes_an_answer_for_all_that_was_sent_before)
{ /* a socket is read in order: the silent ones in front of it have arrived, too */
    open_gate();
    let_go(0, MS);
    mw_dns_gate_arrive(&gate, &passes[9]);
    CHECK_INT(gate.recent_count, ROOM - 10);
    mw_dns_gate_arrive(&gate, &passes[9]); /* again, and one that arrived with it */
    mw_dns_gate_arrive(&gate, &passes[3]);
    CHECK_INT(gate.recent_count, ROOM - 10);
    mw_dns_gate_arrive(&gate, &passes[ROOM]); /* still waits: says nothing */
    CHECK_INT(gate.recent_count, ROOM - 10);
    CHECK_INT(let_go(ROOM, MS), 10);
    mw_dns_gate_arrive(&gate, &passes[ROOM + 9]);
    CHECK_INT(gate.recent_count, 0);
    CHECK_INT(let_go(ROOM + 10, MS), ROOM);
}

TEST(gate_takes_its_places_back_from_the_mute)
{
    open_gate();
    CHECK_INT(let_go(0, MS), ROOM);
    CHECK_INT(let_go(ROOM, MS + LEASE), ROOM);
    mw_dns_gate_leave(&gate, &passes[0]); /* an answer after all: no room twice */
    CHECK_INT(let_go(2 * ROOM, MS + LEASE), 0);
    CHECK_INT(let_go(2 * ROOM, MS + 2 * LEASE), ROOM);
    CHECK_INT(gate.waiting_count, 0);
}

TEST(gate_says_how_long_to_wait)
{
    open_gate();
    CHECK_INT(mw_dns_gate_pause_ms(&gate, 0), 1); /* somebody may go right now */
    let_go(0, 10 * MS);
    CHECK_INT(mw_dns_gate_pause_ms(&gate, 10 * MS), MW_DNS_GATE_LEASE_MS + 1);
    CHECK_INT(mw_dns_gate_pause_ms(&gate, 12 * MS), MW_DNS_GATE_LEASE_MS - 1);
    CHECK_INT(mw_dns_gate_pause_ms(&gate, 10 * MS + LEASE), 1);
    for (size_t i = 0; i < COUNT; i++)
        mw_dns_gate_leave(&gate, &passes[i]);
    CHECK_INT(mw_dns_gate_pause_ms(&gate, 12 * MS), 0);
}

TEST(gate_forgets_who_leaves_while_waiting)
{
    open_gate();
    let_go(0, MS);
    for (size_t i = ROOM; i < COUNT; i++)
        if (i % 2 == 0)
            mw_dns_gate_leave(&gate, &passes[i]);
    CHECK_INT(gate.waiting_count, ROOM);
    for (size_t i = ROOM + 1; i < COUNT; i += 2)
        CHECK(mw_dns_gate_next(&gate, MS + LEASE) == &passes[i]);
    mw_dns_gate_leave(&gate, &passes[ROOM]); /* twice does nothing */
    CHECK_INT(gate.waiting_count, 0);
    CHECK_INT(gate.recent_count, ROOM);
    CHECK(mw_dns_gate_next(&gate, MS + 9 * LEASE) == NULL);
}

/* ---- the resolver at its gate ---- */

/* clang-format off */
static const struct dns_line lines[] = {
    {"a.test",  MW_DNS_A, FAULT_NONE, 300, {"192.0.2.1"}},
};
/* clang-format on */
static struct dns_world world;
static struct dns_result results[MW_DNS_QUESTIONS_MAX];
static struct mw_query *queries[MW_DNS_QUESTIONS_MAX];

static struct mw_resolver_stats stats(void)
{
    struct mw_resolver_stats stats;
    mw_resolver_stats(world.resolver, &stats);
    return stats;
}

/* The server is on the same loop: while a test puts its questions nobody reads them, and what was
 * sent in that time may be too much for the socket. So there are second tries. */
enum { ATTEMPTS = 3 };

static bool open_world(uint64_t timeout_ms)
{
    memset(results, 0, sizeof results);
    return dns_world_open(&world, lines, 1, timeout_ms, ATTEMPTS, 0);
}

static void ask(int at, const char *name)
{
    results[at].loop = &world.loop;
    queries[at] = mw_resolver_ask(world.resolver, mw_slice_cstr(name), MW_DNS_A, dns_on_records,
                                  &results[at]);
}

/* What was sent is answered, or asked again for a while. */
static void end_questions(void)
{
    for (int turns = 0; turns < 500 && stats().under_way > 0; turns++)
        dns_turn(&world, NULL, 0, 10);
}

static void ask_many(int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%d.nowhere", i);
        ask(i, name);
    }
}

TEST(resolver_burst_is_answered_and_few_are_asked_twice)
{ /* in one lump all but 270 would be lost, each time */
    CHECK(open_world(1500));
    ask_many(MW_DNS_QUESTIONS_MAX);
    CHECK_INT(stats().under_way, MW_DNS_QUESTIONS_MAX);
    CHECK(stats().waiting > 0);
    int answered = 0;
    for (int i = 0; i < MW_DNS_QUESTIONS_MAX; i++) {
        dns_turn(&world, &results[i].calls, 1, 5000);
        answered += results[i].status == MW_DNS_NONE && results[i].calls == 1;
    }
    CHECK_INT(answered, MW_DNS_QUESTIONS_MAX);
    CHECK(world.server.asked >= MW_DNS_QUESTIONS_MAX);
    CHECK(world.server.asked < MW_DNS_QUESTIONS_MAX * 5 / 4);
    CHECK_INT(stats().waiting, 0);
    CHECK(dns_world_close(&world));
}

TEST(resolver_mute_server_holds_up_the_line_for_a_moment_only)
{ /* the last of 5,000 goes out although none of the others is ever answered, in its order */
    CHECK(open_world(2000));
    uv_udp_recv_stop(&world.server.udp);
    uint64_t began_ms = uv_hrtime() / MS;
    ask_many(5000);
    for (int turns = 0; turns < 3000 && stats().waiting > 0; turns++)
        dns_turn(&world, NULL, 0, 1);
    uint64_t took_ms = uv_hrtime() / MS - began_ms;
    CHECK_INT(stats().waiting, 0);
    CHECK(took_ms >= 5000 / ROOM * MW_DNS_GATE_LEASE_MS / 2); /* and not in one lump */
    CHECK(took_ms < 3000);
    for (int i = 0; i < 5000; i++)
        mw_query_cancel(&queries[i]);
    CHECK_INT(stats().under_way, 5000); /* they were sent: a late answer would be kept */
    CHECK(dns_world_close(&world));
}

TEST(query_cancelled_at_the_gate_is_never_sent)
{
    enum { LAST = 9000 };
    CHECK(open_world(500));
    ask_many(LAST);
    struct mw_resolver_stats before = stats();
    int sent = (int)(before.under_way - before.waiting);
    CHECK(sent >= ROOM && sent < LAST - 1);
    ask(LAST, "n8999.nowhere"); /* joins: wanted by two */
    for (int i = 0; i < LAST; i++)
        mw_query_cancel(&queries[i]);
    CHECK_INT(stats().joined, 1);
    CHECK_INT(stats().waiting, 1);
    CHECK_INT(stats().under_way, sent + 1);
    CHECK_INT(stats().ended[MW_DNS_ENDED_TIMEOUT], LAST - sent - 1);
    dns_turn(&world, &results[LAST].calls, 1, 5000);
    CHECK_INT(results[LAST].status, MW_DNS_NONE);
    end_questions();
    CHECK_INT(stats().under_way, 0);
    CHECK(world.server.asked <= ATTEMPTS * (sent + 1));
    CHECK_INT(results[0].calls + results[LAST - 1].calls, 0);
    CHECK(dns_world_close(&world));
}

TEST(query_deadline_runs_while_it_waits_at_the_gate)
{ /* a whole table takes 780 ms to go out; patience is 60 ms */
    CHECK(open_world(20));
    uv_udp_recv_stop(&world.server.udp);
    ask_many(MW_DNS_QUESTIONS_MAX);
    uv_update_time(&world.loop);
    dns_turn(&world, &results[MW_DNS_QUESTIONS_MAX - 1].calls, 1, 5000);
    CHECK_INT(results[MW_DNS_QUESTIONS_MAX - 1].calls, 1);
    CHECK_INT(results[MW_DNS_QUESTIONS_MAX - 1].status, MW_DNS_FAILED);
    CHECK_INT(stats().waiting, 0); /* those that nobody waits for have left the queue */
    CHECK(stats().ended[MW_DNS_ENDED_TIMEOUT] > 0);
    CHECK_INT(stats().failures, MW_DNS_QUESTIONS_MAX);
    CHECK(dns_world_close(&world));
}

static void cancel_rest(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                        size_t count)
{
    int *calls = user;
    (void)status;
    (void)records;
    (void)count;
    ++*calls;
    for (int i = 0; i < 1000; i++)
        mw_query_cancel(&queries[i]); /* sent, answered, and waiting ones */
}

TEST(queries_cancelled_from_the_first_answer_leave_an_empty_gate)
{
    char name[32];
    int calls = 0;
    CHECK(open_world(300));
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%d.nowhere", i);
        queries[i] = mw_resolver_ask(world.resolver, mw_slice_cstr(name), MW_DNS_A, cancel_rest,
                                     &calls);
    }
    dns_turn(&world, &calls, 1, 5000);
    CHECK_INT(calls, 1);
    CHECK_INT(stats().waiting, 0);
    CHECK(stats().under_way < 1000);
    end_questions();
    CHECK_INT(stats().under_way, 0);
    CHECK_INT(calls, 1);
    CHECK(dns_world_close(&world));
}
