/* test_host_loop.c - what an instance may ask of the loop without a session: when it works, its
 * bounds, ends from every place, and what becomes of it when a load of the configuration goes. The
 * loop is the test's own: nothing happens before it says so. */
#include <stdlib.h>

#include "chain_play.h"
#include "loop_kit.h"

/* ---- one filter ---- */

static const struct mw_host *api;
static struct mw_instance *mine;
static int starts, closes;
static void (*at_start)(void), (*at_close)(void);

static int on_open(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    (void)state;
    api = with;
    mine = instance;
    return 0;
}
static void on_start(void *state)
{
    (void)state;
    starts++;
    if (at_start != NULL)
        at_start();
}
static void on_close(void *state)
{
    (void)state;
    closes++;
    if (at_close != NULL)
        at_close();
}

/* A loaded filter that is not in service yet. */
static bool load(struct kit *to)
{
    loop_reset();
    starts = closes = 0;
    at_start = at_close = NULL;
    kit_script(play_dispatch, on_open, on_close);
    kit_script_more(on_start, NULL, NULL);
    return kit_load(to, A) != NULL;
}

static bool serve(struct kit *to)
{
    if (!load(to))
        return false;
    mw_instances_serve(to->instances, &loop.services);
    return true;
}

static void end(struct kit *to)
{
    kit_close(to);
    mw_log_close(&loop.log);
}

/* ---- watches ---- */

static int heard;
static uint32_t heard_events;
static struct mw_watch *watch, *other;

static void hear(void *user, uint32_t events)
{
    (void)user;
    heard++;
    heard_events = events;
}
static void end_both(void *user, uint32_t events)
{
    (void)user, (void)events;
    heard++;
    api->watch_end(watch);
    api->watch_end(other);
    api->watch_end(watch); /* once more: nothing */
}

TEST(services_work_from_start_on)
{
    struct kit it = {0};
    CHECK(load(&it));
    CHECK(api->watch(mine, 5, MW_WATCH_READ, hear, NULL) == NULL);
    CHECK(api->alarm(mine, 10, (void (*)(void *))abort, NULL) == NULL);
    CHECK(api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, NULL, NULL) == NULL);
    CHECK_INT(api->job(mine, free, NULL, NULL), 0);
    CHECK_INT(starts, 0);
    mw_instances_serve(it.instances, &loop.services);
    mw_instances_serve(it.instances, &loop.services); /* start() is once */
    CHECK_INT(starts, 1);
    watch = api->watch(mine, 5, MW_WATCH_READ, hear, NULL);
    CHECK(watch != NULL);
    api->watch_end(watch);
    end(&it);
    CHECK_INT(closes, 1);
}

static void watch_in_start(void)
{
    watch = api->watch(mine, 7, MW_WATCH_READ, hear, NULL);
}
static void end_watch(void)
{
    api->watch_end(watch);
}

TEST(start_may_use_the_services_already)
{
    struct kit it = {0};
    CHECK(load(&it));
    at_start = watch_in_start;
    at_close = end_watch;
    mw_instances_serve(it.instances, &loop.services);
    CHECK(watch != NULL);
    CHECK_INT(loop.open, 1);
    mw_instances_free(&it.instances);
    CHECK_INT(loop.open, 0);
    CHECK(!loop_logged("problem")); /* ended in close(): nothing was forgotten */
    end(&it);
}

TEST(watch_hears_what_it_asked_for)
{
    struct kit it = {0};
    CHECK(serve(&it));
    heard = 0;
    watch = api->watch(mine, 5, MW_WATCH_READ | MW_WATCH_ERROR, hear, NULL);
    CHECK(watch != NULL);
    loop_ready(5, MW_WATCH_WRITE);
    loop_ready(6, MW_WATCH_READ);
    CHECK_INT(heard, 0);
    loop_ready(5, MW_WATCH_READ | MW_WATCH_WRITE);
    CHECK_INT(heard, 1);
    CHECK_INT(heard_events, MW_WATCH_READ);
    api->watch_change(watch, 0);
    loop_ready(5, MW_WATCH_READ);
    CHECK_INT(heard, 1);
    api->watch_change(watch, MW_WATCH_WRITE);
    loop_ready(5, MW_WATCH_WRITE);
    CHECK_INT(heard, 2);
    api->watch_end(watch);
    api->watch_change(watch, MW_WATCH_READ); /* a dead handle: nothing */
    CHECK_INT(loop.open, 0);
    end(&it);
}

TEST(watch_that_is_not_possible_is_null)
{
    struct kit it = {0};
    CHECK(serve(&it));
    CHECK(api->watch(mine, LOOP_PLAIN_FILE, MW_WATCH_READ, hear, NULL) == NULL);
    CHECK(api->watch(mine, -1, MW_WATCH_READ, hear, NULL) == NULL);
    CHECK(api->watch(mine, 5, MW_WATCH_READ, NULL, NULL) == NULL);
    api->watch_end(NULL);
    api->watch_change(NULL, MW_WATCH_READ);
    CHECK_INT(loop.open, 0);
    end(&it);
}

TEST(watches_end_inside_their_own_and_other_callbacks)
{
    struct kit it = {0};
    CHECK(serve(&it));
    heard = 0;
    watch = api->watch(mine, 5, MW_WATCH_READ, end_both, NULL);
    other = api->watch(mine, 5, MW_WATCH_READ, end_both, NULL);
    loop_ready(5, MW_WATCH_READ);
    CHECK_INT(heard, 1); /* the second was ended by the first */
    CHECK_INT(loop.open, 0);
    end(&it);
}

TEST(watches_are_bounded_for_each_instance)
{
    struct kit it = {0};
    CHECK(serve(&it));
    int made = 0;
    for (int fd = 100; fd < 400; fd++)
        made += api->watch(mine, fd, MW_WATCH_READ, hear, NULL) != NULL;
    CHECK_INT(made, 256);
    end(&it);
}

TEST(forgotten_watches_are_ended_and_told)
{
    struct kit it = {0};
    CHECK(serve(&it));
    CHECK(api->watch(mine, 5, MW_WATCH_READ, hear, NULL) != NULL);
    CHECK(api->watch(mine, 6, MW_WATCH_READ, hear, NULL) != NULL);
    mw_instances_free(&it.instances);
    CHECK_INT(loop.open, 0);
    CHECK(loop_logged("problem"));
    CHECK(loop_logged("filter=a watches=2"));
    end(&it);
}

/* ---- alarms ---- */

static int rung;
static struct mw_alarm *alarms[4];

static void ring(void *user)
{
    rung++;
    if (user != NULL) /* its own handle: dead already */
        api->alarm_cancel(*(struct mw_alarm **)user);
}
static void ring_again(void *user)
{
    rung++;
    alarms[0] = api->alarm(mine, 10, ring, user);
}
static void cancel_next(void *user)
{
    rung++;
    api->alarm_cancel(*(struct mw_alarm **)user);
}

TEST(alarm_rings_once_and_may_be_set_anew_inside)
{
    struct kit it = {0};
    CHECK(serve(&it));
    rung = 0;
    alarms[0] = api->alarm(mine, 10, ring_again, &alarms[0]);
    CHECK(alarms[0] != NULL);
    loop_due();
    CHECK_INT(rung, 1);
    loop_due();
    CHECK_INT(rung, 2);
    loop_due();
    CHECK_INT(rung, 2);
    api->alarm_cancel(alarms[0]); /* late: nothing */
    api->alarm_cancel(NULL);
    CHECK(api->alarm(mine, 10, NULL, NULL) == NULL);
    end(&it);
}

TEST(alarm_is_cancelled_from_another_ones_callback)
{
    struct kit it = {0};
    CHECK(serve(&it));
    rung = 0;
    alarms[0] = api->alarm(mine, 10, cancel_next, &alarms[1]);
    alarms[1] = api->alarm(mine, 10, ring, NULL);
    loop_due();
    CHECK_INT(rung, 1);
    CHECK_INT(loop.open, 0);
    end(&it);
}

TEST(alarms_are_bounded_and_cancelled_at_close)
{
    struct kit it = {0};
    CHECK(serve(&it));
    int made = 0;
    rung = 0;
    for (int i = 0; i < 1100; i++)
        made += api->alarm(mine, 10, ring, NULL) != NULL;
    CHECK_INT(made, 1000);
    mw_instances_free(&it.instances);
    CHECK_INT(loop.open, 0);
    CHECK_INT(rung, 0);
    CHECK(!loop_logged("problem"));
    end(&it);
}

TEST(dead_handles_are_used_again_only_behind_a_thousand_others)
{
    struct kit it = {0};
    CHECK(serve(&it));
    struct mw_alarm *first = api->alarm(mine, 10, ring, NULL);
    api->alarm_cancel(first);
    for (int i = 0; i < 1023; i++) {
        struct mw_alarm *next = api->alarm(mine, 10, ring, NULL);
        CHECK(next != NULL && next != first);
        api->alarm_cancel(next);
        api->alarm_cancel(first); /* stale, and harmless */
    }
    CHECK(api->alarm(mine, 10, ring, NULL) == first);
    end(&it);
}

/* ---- questions ---- */

static int answers;
static char answer_text[64];
static struct mw_question *questions[2];

static void on_answer(void *user, const struct mw_dns_answer *answer)
{
    answers++;
    snprintf(answer_text, sizeof answer_text, "%d %zu %.*s", (int)answer->outcome, answer->count,
             answer->count > 0 ? (int)answer->values[0].len : 0,
             answer->count > 0 ? answer->values[0].ptr : "");
    if (user != NULL)
        api->dns_cancel(*(struct mw_question **)user);
}

TEST(question_is_answered_once)
{
    struct kit it = {0};
    const struct mw_slice value = MW_LIT("v=spf1");
    const struct mw_dns_answer found = {
        .size = sizeof found, .outcome = MW_DNS_FOUND, .values = &value, .count = 1};
    CHECK(serve(&it));
    answers = 0;
    questions[0] = api->dns(mine, MW_LIT("a.example"), MW_DNS_STRINGS, on_answer, &questions[0]);
    CHECK(questions[0] != NULL);
    CHECK_SLICE(loop.slots[0].name, "a.example");
    CHECK_INT(loop.slots[0].kind, MW_DNS_STRINGS);
    loop_answer(&found);
    CHECK_INT(answers, 1);
    CHECK_MEM(answer_text, strlen(answer_text), "0 1 v=spf1");
    api->dns_cancel(questions[0]); /* late: nothing */
    CHECK_INT(loop.open, 0);
    end(&it);
}

TEST(question_is_cancelled_by_hand_by_another_answer_and_at_close)
{
    struct kit it = {0};
    const struct mw_dns_answer nothing = {.size = sizeof nothing, .outcome = MW_DNS_NOTHING};
    CHECK(serve(&it));
    answers = 0;
    questions[0] = api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, on_answer, NULL);
    api->dns_cancel(questions[0]);
    CHECK_INT(loop.open, 0);
    questions[0] = api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, on_answer, &questions[1]);
    questions[1] = api->dns(mine, MW_LIT("b.example"), MW_DNS_ADDRESS6, on_answer, NULL);
    loop_answer(&nothing);
    CHECK_INT(answers, 1);
    CHECK(api->dns(mine, MW_LIT("c.example"), MW_DNS_NAME_OF, on_answer, NULL) != NULL);
    mw_instances_free(&it.instances);
    CHECK_INT(loop.open, 0);
    CHECK_INT(answers, 1);
    end(&it);
}

TEST(question_that_is_not_possible_is_null)
{
    struct kit it = {0};
    CHECK(serve(&it));
    CHECK(api->dns(mine, MW_LIT("a.example"), (enum mw_dns_kind)2, on_answer, NULL) == NULL);
    CHECK(api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, NULL, NULL) == NULL);
    loop.is_dns_away = true;
    CHECK(api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, on_answer, NULL) == NULL);
    end(&it);
}

TEST(questions_are_bounded)
{
    struct kit it = {0};
    CHECK(serve(&it));
    int made = 0;
    for (int i = 0; i < 10050; i++)
        made += api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, on_answer, NULL) != NULL;
    CHECK_INT(made, 10000);
    end(&it);
}

/* ---- blocking work, and the end of a load while something is under way ---- */

static int runs, dones;
static int asked_in_done;

static void run(void *user)
{
    (void)user;
    runs++;
}
static void done(void *user)
{
    (void)user;
    dones++;
    asked_in_done = api->job(mine, run, NULL, NULL) + (api->alarm(mine, 1, ring, NULL) != NULL) +
                    (api->watch(mine, 5, MW_WATCH_READ, hear, NULL) != NULL) +
                    (api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, on_answer, NULL) != NULL);
}

TEST(job_holds_the_instance_until_it_is_done)
{
    struct kit it = {0};
    CHECK(serve(&it));
    runs = dones = heard = rung = 0;
    at_close = end_watch;
    watch = api->watch(mine, 5, MW_WATCH_READ, hear, NULL);
    CHECK(api->alarm(mine, 10, ring, NULL) != NULL);
    CHECK_INT(api->job(mine, run, done, NULL), 1);
    mw_instances_free(&it.instances); /* the last session has gone, the pool is still at it */
    CHECK_INT(closes, 0);
    loop_ready(5, MW_WATCH_READ); /* nothing comes any more but done() */
    loop_due();
    api->watch_change(watch, MW_WATCH_READ);
    loop_ready(5, MW_WATCH_READ);
    CHECK_INT(heard + rung, 0);
    loop_work();
    CHECK_INT(runs, 1);
    CHECK_INT(dones, 1);
    CHECK_INT(asked_in_done, 0); /* and nothing new begins */
    CHECK_INT(closes, 1);
    CHECK_INT(loop.open, 0);
    CHECK(!loop_logged("problem"));
    end(&it);
}

TEST(job_is_refused_when_the_pool_is_full)
{
    struct kit it = {0};
    CHECK(serve(&it));
    loop.is_pool_full = true;
    CHECK_INT(api->job(mine, run, done, NULL), 0);
    CHECK_INT(api->job(mine, NULL, done, NULL), 0);
    mw_instances_free(&it.instances);
    CHECK_INT(closes, 1); /* nothing holds it */
    end(&it);
}

/* A callback that ends the last session of an old load: its own state must outlast it. */
static struct kit *dropped;
static int closes_inside;

static void drop_alarm(void *user)
{
    (void)user;
    mw_instances_free(&dropped->instances);
    closes_inside = closes;
}
static void drop_watch(void *user, uint32_t events)
{
    (void)events;
    drop_alarm(user);
}
static void drop_answer(void *user, const struct mw_dns_answer *answer)
{
    (void)answer;
    drop_alarm(user);
}

TEST(load_that_ends_inside_a_callback_is_closed_behind_it)
{
    const struct mw_dns_answer failure = {.size = sizeof failure, .outcome = MW_DNS_FAILURE};
    for (int i = 0; i < 3; i++) {
        struct kit it = {0};
        CHECK(serve(&it));
        dropped = &it;
        closes_inside = -1;
        watch = api->watch(mine, 5, MW_WATCH_READ, drop_watch, NULL);
        at_close = end_watch;
        if (i == 0) {
            loop_ready(5, MW_WATCH_READ);
        } else if (i == 1) {
            CHECK(api->alarm(mine, 1, drop_alarm, NULL) != NULL);
            loop_due();
        } else {
            CHECK(api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, drop_answer, NULL) != NULL);
            loop_answer(&failure);
        }
        CHECK_INT(closes_inside, 0);
        CHECK_INT(closes, 1);
        CHECK_INT(loop.open, 0);
        end(&it);
    }
}

/* ---- telling ---- */

TEST(note_is_a_line_without_a_session)
{
    struct kit it = {0};
    const struct mw_log_pair pairs[] = {{"list", MW_LIT("spam\nmers")}, {"entries", MW_LIT("12")}};
    CHECK(load(&it));
    api->note(mine, MW_LOG_INFO, "too-early", pairs, 2);
    mw_instances_serve(it.instances, &loop.services);
    api->note(mine, MW_LOG_WARNING, "list-read", pairs, 2);
    CHECK(!loop_logged("too-early"));
    CHECK(loop_logged("list-read filter=a list=\"spam\\x0amers\" entries=12"));
    api->note(mine, MW_LOG_INFO, NULL, NULL, 0);
    end(&it);
}

TEST(tally_counts_for_its_own_instance_only)
{
    struct kit it = {0};
    CHECK(load(&it));
    struct mw_instance *first = mine;
    int hits = api->counter(first, "hits");
    CHECK(kit_load(&it, B) != NULL);
    api->tally(first, hits, 3);
    api->tally(mine, hits, 100); /* not its own */
    api->tally(first, -1, 100);
    api->tally(first, 9999, 100);
    CHECK_INT(kit_counter(&it, "a.hits"), 3);
    end(&it);
}

TEST(clock_goes_without_a_loop_and_never_back)
{
    struct kit it = {0};
    CHECK(load(&it));
    uint64_t before = api->clock_ms(mine);
    CHECK(before > 0);
    loop.now = before - 1; /* the loop's clock is that of its last turn */
    mw_instances_serve(it.instances, &loop.services);
    CHECK_INT(api->clock_ms(mine), before);
    loop.now = before + 70;
    CHECK_INT(api->clock_ms(mine), before + 70);
    end(&it);
}

/* ---- why ---- */

static char why[256];
static void on_why(void *user, const char *filter, uint32_t depth, struct mw_slice text)
{
    size_t len = strlen(why);
    (void)user;
    snprintf(why + len, sizeof why - len, "%s %u %.*s;", filter, depth, (int)text.len, text.ptr);
}

PLAY(explains)
{
    UNUSED;
    if (!host->is_explained(ctx))
        return MW_CONTINUE;
    host->explain(ctx, 0, MW_LIT("rule one: true"));
    host->explain(ctx, 1, MW_LIT("helo is empty: false"));
    return MW_REJECT;
}

TEST(reasons_go_to_who_listens)
{
    why[0] = '\0';
    CHECK(begin("a"));
    play[0] = explains;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, ""); /* nobody asks why */
    kit.services.explain = on_why;
    CHECK_INT(kit_stage(&kit, MW_STAGE_HELO), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_MEM(why, strlen(why), "a 0 rule one: true;a 1 helo is empty: false;");
    kit_close(&kit);
}
