/* test_host_query.c - questions to the DNS for a session: its share of them, how many at once, and
 * their end. The loop is the test's own. */
#include <stdlib.h>

#include "chain_play.h"
#include "loop_kit.h"

static const struct mw_dns_answer nothing = {.size = sizeof nothing, .outcome = MW_DNS_NOTHING};

static const struct mw_host *api;
static struct mw_ctx *asker;
static bool is_in_call;
static int outcomes[4], order_len;
static char order[256];

PLAY(shows_itself)
{
    UNUSED;
    api = host;
    asker = ctx;
    return MW_CONTINUE;
}

static void on_answer(void *user, const struct mw_dns_answer *answer)
{
    if (is_in_call || order_len > 200)
        abort();
    outcomes[answer->outcome]++;
    if (user != NULL)
        order[order_len++] = *(const char *)user;
}

/* A session whose filter may ask, with that share. */
static bool begin_asking(uint32_t limit)
{
    loop_reset();
    memset(outcomes, 0, sizeof outcomes);
    order_len = 0;
    if (!begin("a b"))
        return false;
    kit.services.query_limit = limit;
    mw_instances_serve(kit.instances, &loop.services);
    play[0] = shows_itself;
    return kit_stage(&kit, MW_STAGE_CONNECT) == MW_OK;
}

static void end(void)
{
    kit_close(&kit);
    mw_log_close(&loop.log);
}

static struct mw_question *ask(const char *tag)
{
    is_in_call = true;
    struct mw_question *question = api->query(asker, MW_LIT("a.example"), MW_DNS_STRINGS, on_answer,
                                              (void *)tag);
    is_in_call = false;
    return question;
}

static int ask_many(int count)
{
    int made = 0;
    for (int i = 0; i < count; i++)
        made += ask(NULL) != NULL;
    return made;
}

/* Everything that is under way comes to its end. */
static void settle(void)
{
    for (int i = 0; i < 20 && loop.open > 0; i++) {
        loop_answer(&nothing);
        loop_due();
    }
}

TEST(query_is_answered_once)
{
    const struct mw_slice value = MW_LIT("v=spf1");
    const struct mw_dns_answer found = {
        .size = sizeof found, .outcome = MW_DNS_FOUND, .values = &value, .count = 1};
    CHECK(begin_asking(500));
    struct mw_question *question = ask("x");
    CHECK(question != NULL);
    CHECK_SLICE(loop.slots[0].name, "a.example");
    CHECK_INT(loop.slots[0].kind, MW_DNS_STRINGS);
    loop_answer(&found);
    CHECK_INT(outcomes[MW_DNS_FOUND], 1);
    api->dns_cancel(question); /* late: nothing */
    CHECK_INT(loop.open, 0);
    end();
}

TEST(query_that_is_not_possible_is_null)
{
    CHECK(begin_asking(500));
    CHECK(api->query(asker, MW_LIT("a.example"), (enum mw_dns_kind)2, on_answer, NULL) == NULL);
    CHECK(api->query(asker, MW_LIT("a.example"), MW_DNS_ADDRESS4, NULL, NULL) == NULL);
    loop.is_dns_away = true;
    CHECK(ask(NULL) == NULL);
    CHECK_INT(loop.open, 0);
    end();
    CHECK(begin("a")); /* not in service: a tool, a test */
    play[0] = shows_itself;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK(ask(NULL) == NULL);
    kit_close(&kit);
}

TEST(queries_beyond_the_share_fail_later_and_it_is_told_once)
{
    CHECK(begin_asking(5));
    CHECK_INT(ask_many(8), 8);
    CHECK_INT(outcomes[MW_DNS_FAILURE], 0);
    loop_due();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 3);
    loop_answer(&nothing);
    CHECK_INT(outcomes[MW_DNS_NOTHING], 5);
    CHECK_INT(kit_counter(&kit, "a.query-limit"), 3);
    CHECK(kit_logged(&kit, "query-limit filter=a limit=5"));
    size_t len = mw_log_memory_view(kit.log).len;
    CHECK_INT(ask_many(1), 1);
    settle();
    CHECK_INT(mw_log_memory_view(kit.log).len, len); /* told once */
    CHECK_INT(kit_counter(&kit, "a.query-limit"), 4);
    end();
}

static bool is_free;

static bool free_now(void *user, void *handle)
{
    (void)user;
    return is_free && handle != NULL;
}

TEST(questions_that_ask_no_server_cost_nothing)
{
    CHECK(begin_asking(5));
    loop.services.dns_is_free = free_now;
    is_free = true; /* in the cache: a relay's session of hundreds of messages */
    CHECK_INT(ask_many(50), 50);
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 50);
    is_free = false;
    CHECK_INT(ask_many(6), 6);
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 55);
    CHECK_INT(outcomes[MW_DNS_FAILURE], 1);
    is_free = true; /* never more comes back than was taken */
    loop.now += 60000;
    CHECK_INT(ask_many(5), 5);
    is_free = false;
    CHECK_INT(ask_many(6), 6);
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 2);
    end();
}

TEST(share_is_refilled_evenly_within_a_minute)
{
    CHECK(begin_asking(60));
    CHECK_INT(ask_many(71), 71); /* 10 s of debt: 10 places */
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 1);
    loop.now += 999; /* one second a question, and not quite one */
    ask_many(2);
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 3);
    loop.now += 1; /* the rest was not lost */
    ask_many(2);
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 4);
    loop.now += 3600000; /* no more than the whole of it */
    ask_many(71);
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 5);
    CHECK_INT(outcomes[MW_DNS_NOTHING], 70 + 1 + 70);
    end();
}

TEST(queries_beyond_the_share_wait_for_their_place)
{
    CHECK(begin_asking(60));
    CHECK_INT(ask_many(60), 60);
    CHECK(ask("x") != NULL);
    CHECK(ask("y") != NULL);
    CHECK(kit_logged(&kit, "query-limit filter=a limit=60"));
    loop_answer(&nothing);
    CHECK_INT(outcomes[MW_DNS_NOTHING], 60);
    CHECK_INT(order_len, 0); /* not asked yet */
    CHECK_INT(loop.open, 2);
    loop_due();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 0);
    loop_answer(&nothing);
    CHECK_MEM(order, (size_t)order_len, "xy");
    CHECK_INT(loop.open, 0);
    end();
}

TEST(waiting_query_that_is_cancelled_gives_its_place_back)
{
    CHECK(begin_asking(60));
    CHECK_INT(ask_many(69), 69);
    struct mw_question *waiting = ask("x");
    CHECK_INT(loop.open, 70);
    api->dns_cancel(waiting);
    api->dns_cancel(waiting);
    CHECK_INT(loop.open, 69);
    CHECK_INT(ask_many(2), 2); /* one has the place, one has none */
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 70);
    CHECK_INT(outcomes[MW_DNS_FAILURE], 1);
    CHECK_INT(order_len, 0);
    end();
}

TEST(share_of_zero_is_no_limit)
{
    CHECK(begin_asking(0));
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ask_many(900), 900);
        settle();
    }
    CHECK_INT(outcomes[MW_DNS_NOTHING], 2700);
    end();
}

TEST(sixty_four_are_asked_at_once_and_the_rest_in_order)
{
    CHECK(begin_asking(500));
    CHECK_INT(ask_many(64), 64);
    CHECK_INT(loop.open, 64);
    CHECK(ask("x") != NULL);
    CHECK(ask("y") != NULL);
    CHECK_INT(loop.open, 64);
    struct loop_slot first = loop.slots[0];
    loop.slots[0].is_used = false;
    loop.open--;
    first.answered(first.arg, &nothing); /* one ends, one begins */
    CHECK_INT(loop.open, 64);
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 66);
    CHECK_MEM(order, (size_t)order_len, "xy");
    end();
}

TEST(cancelled_query_makes_room_for_the_next)
{
    CHECK(begin_asking(500));
    struct mw_question *first = ask("1");
    CHECK_INT(ask_many(63), 63);
    struct mw_question *queued = ask("2");
    CHECK(ask("3") != NULL);
    api->dns_cancel(queued); /* it was never asked */
    api->dns_cancel(queued);
    CHECK_INT(loop.open, 64);
    api->dns_cancel(first); /* 3 takes its place */
    CHECK_INT(loop.open, 64);
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 64);
    CHECK_MEM(order, (size_t)order_len, "3");
    end();
}

TEST(failing_query_can_be_cancelled)
{
    CHECK(begin_asking(1));
    CHECK_INT(ask_many(1), 1);
    struct mw_question *failing = ask("x");
    CHECK_INT(loop.open, 2);
    api->dns_cancel(failing);
    CHECK_INT(loop.open, 1);
    settle();
    CHECK_INT(outcomes[MW_DNS_FAILURE], 0);
    end();
}

TEST(resolver_that_goes_away_fails_what_waits)
{
    CHECK(begin_asking(500));
    CHECK_INT(ask_many(66), 66);
    loop.is_dns_away = true;
    settle();
    CHECK_INT(outcomes[MW_DNS_NOTHING], 64);
    CHECK_INT(outcomes[MW_DNS_FAILURE], 2);
    end();
}

TEST(open_queries_are_bounded)
{
    CHECK(begin_asking(0));
    CHECK_INT(ask_many(1100), 1000);
    settle();
    CHECK_INT(ask_many(10), 10);
    end();
}

TEST(queries_end_unanswered_with_their_session)
{
    CHECK(begin_asking(70));
    CHECK_INT(ask_many(80), 80); /* asked, queued, failing */
    struct mw_question *late = ask(NULL);
    CHECK_INT(loop.open, 64 + 11);
    mw_run_free(&kit.run);
    CHECK_INT(loop.open, 0);
    api->dns_cancel(late);
    loop_due();
    CHECK_INT(outcomes[MW_DNS_FAILURE] + outcomes[MW_DNS_NOTHING], 0);
    end();
}

static struct mw_question *asked_at_close;
PLAY(asks_at_close)
{
    UNUSED;
    api = host;
    asker = ctx;
    if (stage == MW_STAGE_CLOSE)
        asked_at_close = ask("x");
    return MW_CONTINUE;
}

TEST(nothing_is_asked_when_the_session_closes)
{
    CHECK(begin_asking(500));
    play[0] = asks_at_close;
    asked_at_close = (struct mw_question *)&order;
    mw_run_free(&kit.run);
    CHECK(asked_at_close == NULL);
    CHECK_INT(loop.open, 0);
    end();
}

/* The first answer ends the session: what else was asked is gone. */
static void end_session(void *user, const struct mw_dns_answer *answer)
{
    (void)user;
    outcomes[answer->outcome]++;
    mw_run_free(&kit.run);
}

TEST(session_may_end_in_a_callback)
{
    CHECK(begin_asking(500));
    CHECK(api->query(asker, MW_LIT("a.example"), MW_DNS_ADDRESS4, end_session, NULL) != NULL);
    CHECK_INT(ask_many(70), 70);
    loop_answer(&nothing);
    CHECK_INT(outcomes[MW_DNS_NOTHING], 1);
    CHECK_INT(loop.open, 0);
    end();
}

/* ---- anything at any time ---- */

TEST(queries_keep_their_bounds_whatever_happens)
{
    uint64_t seed = 20261122;
    static struct mw_question *handles[300];
    for (int round = 0; round < 20; round++) {
        uint32_t limit = (uint32_t)(mw_test_random(&seed) % 400);
        CHECK(begin_asking(limit));
        memset(handles, 0, sizeof handles);
        for (int step = 0; step < 600; step++) {
            size_t at = mw_test_random(&seed) % 300;
            switch (mw_test_random(&seed) % 8) {
            case 0:
                loop_due();
                break;
            case 1:
                api->dns_cancel(handles[at]); /* alive, or dead for a while */
                break;
            case 2: {
                struct loop_slot slot = loop.slots[at];
                if (!slot.is_used || slot.answered == NULL)
                    break;
                loop.slots[at].is_used = false;
                loop.open--;
                slot.answered(slot.arg, &nothing);
                break;
            }
            case 3:
                loop.now += mw_test_random(&seed) % 200;
                break;
            default:
                handles[at] = ask(NULL);
                CHECK(handles[at] != NULL || kit.run->live->queries.count == 1000);
            }
            const struct mw_queries *queries = &kit.run->live->queries;
            CHECK(queries->asked <= 64 && queries->asked <= queries->count);
            CHECK(mw_list_is_empty(&queries->queued) || queries->asked == 64);
        }
        end();
        CHECK_INT(loop.open, 0);
    }
}
