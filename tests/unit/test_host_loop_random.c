/* test_host_loop_random.c - the loop's services for one instance, begun, ended and called back in
 * random order, also inside each other's callbacks: nothing comes back that is over, nothing is
 * left behind. */
#include "chain/chain_priv.h"
#include "loop_kit.h"

/* ---- one filter in service ---- */

static const struct mw_host *api;
static struct mw_instance *mine;
static int closes;
static void (*at_close)(void);

static enum mw_verdict no_opinion(const struct mw_host *host, struct mw_ctx *ctx,
                                  enum mw_stage stage, size_t index, struct mw_slice a,
                                  struct mw_slice b)
{
    (void)host, (void)ctx, (void)stage, (void)index, (void)a, (void)b;
    return MW_CONTINUE;
}
static int on_open(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    api = host;
    mine = instance;
    return 0;
}
static void on_close(void *state)
{
    (void)state;
    closes++;
    at_close();
}

static bool serve(struct kit *to)
{
    loop_reset();
    closes = 0;
    kit_script(no_opinion, on_open, on_close);
    if (kit_load(to, "filter a {\n module script\n}\n") == NULL)
        return false;
    mw_instances_serve(to->instances, &loop.services);
    return true;
}

/* ---- everything at once, in random order ---- */

enum { RECORDS = 200, STEPS = 4000, ROUNDS = 30 };
/* What the test believes of one handle. */
static struct record {
    enum mw_loop_kind kind;
    bool is_live;
    void *handle;
} records[RECORDS];
static uint64_t seed;
static int depth, jobs_under_way;
static bool is_wrong; /* a callback came that nobody waits for */

static size_t pick(size_t count)
{
    return (size_t)(mw_test_random(&seed) % count);
}

static void some_step(void);

static void came_back(struct record *record, bool is_over)
{
    is_wrong |= !record->is_live;
    record->is_live &= !is_over;
    if (depth++ < 3)
        for (size_t n = pick(4); n > 0; n--)
            some_step();
    depth--;
}
static void random_ready(void *user, uint32_t events)
{
    (void)events;
    came_back(user, false);
}
static void random_due(void *user)
{
    came_back(user, true);
}
static void random_answer(void *user, const struct mw_dns_answer *answer)
{
    (void)answer;
    came_back(user, true);
}
static void random_run(void *user)
{
    (void)user;
}
static void random_done(void *user)
{
    (void)user;
    jobs_under_way--;
}

static void begin_one(struct record *record)
{
    record->kind = (enum mw_loop_kind)pick(MW_LOOP_KINDS);
    if (record->kind == MW_LOOP_WATCH)
        record->handle = api->watch(mine, (int)pick(8), MW_WATCH_READ, random_ready, record);
    else if (record->kind == MW_LOOP_ALARM)
        record->handle = api->alarm(mine, 1, random_due, record);
    else
        record->handle = api->dns(mine, MW_LIT("a.example"), MW_DNS_ADDRESS4, random_answer,
                                  record);
    record->is_live = record->handle != NULL;
}

static void end_one(struct record *record)
{
    for (size_t n = 1 + pick(2); n > 0; n--) { /* twice is as good as once */
        if (record->kind == MW_LOOP_WATCH)
            api->watch_end(record->handle);
        else if (record->kind == MW_LOOP_ALARM)
            api->alarm_cancel(record->handle);
        else
            api->dns_cancel(record->handle);
    }
    record->is_live = false;
    record->handle = NULL;
}

static void some_step(void)
{
    static const struct mw_dns_answer failure = {.size = sizeof failure, .outcome = MW_DNS_FAILURE};
    struct record *record = &records[pick(RECORDS)];
    size_t what = pick(100);
    if (what < 96)
        (record->is_live ? end_one : begin_one)(record);
    else if (what == 96)
        loop_ready((int)pick(8), MW_WATCH_READ);
    else if (what == 97)
        loop_due();
    else if (what == 98)
        loop_answer(&failure);
    else if (loop.work_count < LOOP_WORKS)
        jobs_under_way += api->job(mine, random_run, random_done, NULL);
    if (what == 99 && pick(3) == 0)
        loop_work();
}

static size_t live_records(void)
{
    size_t count = 0;
    for (size_t i = 0; i < RECORDS; i++)
        count += records[i].is_live;
    return count;
}

static void end_live_watches(void)
{
    for (size_t i = 0; i < RECORDS; i++)
        if (records[i].is_live && records[i].kind == MW_LOOP_WATCH)
            end_one(&records[i]);
}

TEST(random_steps_never_call_back_what_is_over)
{
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct kit it = {0};
        CHECK(serve(&it));
        seed = round * UINT64_C(0x9e3779b97f4a7c15);
        memset(records, 0, sizeof records);
        is_wrong = false;
        jobs_under_way = 0;
        at_close = end_live_watches;
        for (int step = 0; step < STEPS; step++) {
            some_step();
            if (is_wrong || loop.open != live_records())
                printf("round %d, step %d\n", (int)round, step);
            CHECK(!is_wrong);
            CHECK_INT(loop.open, live_records());
        }
        bool is_busy = jobs_under_way > 0;
        mw_instances_free(&it.instances);
        CHECK_INT(closes, is_busy ? 0 : 1);
        loop_ready(3, MW_WATCH_READ);
        loop_due();
        loop_work();
        CHECK_INT(closes, 1);
        CHECK_INT(loop.open, 0);
        CHECK_INT(jobs_under_way, 0);
        CHECK(!is_wrong);
        CHECK(!loop_logged("problem"));
        kit_close(&it);
        mw_log_close(&loop.log);
    }
}
