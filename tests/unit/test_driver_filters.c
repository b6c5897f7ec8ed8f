/* test_driver_filters.c - the driver's services for filters without a session, on a real loop:
 * descriptors, alarms, the pool, questions to a scripted name server; and a reload in the middle of
 * them. What the host makes of them is test_host_loop.c's business. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "chain_kit.h"
#include "dns_server.h"
#include "session/driver.h"

enum { TURN_MS = 30000, TIMEOUT_MS = 10000 };

/* clang-format off */
static const struct dns_line lines[] = {
    {"a.test",                 MW_DNS_A,    FAULT_NONE,     300, {"192.0.2.1", "192.0.2.2"}},
    {"a.test",                 MW_DNS_AAAA, FAULT_NONE,     300, {"2001:db8::1"}},
    {"a.test",                 MW_DNS_MX,   FAULT_NONE,     300, {"Mx1.A.test", "mx2.a.test"}},
    {"a.test",                 MW_DNS_TXT,  FAULT_NONE,     300, {"v=spf1 -all"}},
    {"1.2.0.192.in-addr.arpa", MW_DNS_PTR,  FAULT_NONE,     300, {"A.test"}},
    {"slow.test",              MW_DNS_A,    FAULT_SLOW,     300, {"192.0.2.9"}},
    {"servfail.test",          MW_DNS_A,    FAULT_SERVFAIL,   0, {NULL}},
};
/* clang-format on */

static struct dns_world world;
static struct mw_log *logged;
static struct mw_driver *driver;

static enum mw_verdict no_opinion(const struct mw_host *host, struct mw_ctx *ctx,
                                  enum mw_stage stage, size_t index, struct mw_slice a,
                                  struct mw_slice b)
{
    (void)host, (void)ctx, (void)stage, (void)index, (void)a, (void)b;
    return MW_CONTINUE;
}

static const struct mw_host *api;
static struct mw_instance *latest; /* the instance that was opened last */
static int on_open(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    api = host;
    latest = instance;
    return 0;
}

/* A load of the configuration in service. NULL if something is wrong. */
static struct mw_instance *serve(struct kit *load)
{
    if (kit_load(load, "filter f {\n module script\n}\n") == NULL)
        return NULL;
    mw_instances_serve(load->instances, mw_driver_instance_services(driver));
    return latest;
}

static bool begin(void)
{
    static struct mw_spool_files files;
    kit_script(no_opinion, on_open, NULL);
    logged = mw_log_memory(MW_LOG_DEBUG);
    if (!dns_world_open(&world, lines, sizeof lines / sizeof *lines, TIMEOUT_MS, 1, 100))
        return false;
    driver = mw_driver_new(&world.net, logged, &files);
    mw_driver_set_resolver(driver, world.resolver);
    return true;
}

/* True: nothing is left on the loop. */
static bool finish(struct kit *load)
{
    kit_close(load);
    mw_driver_set_resolver(driver, NULL);
    mw_driver_free(&driver);
    bool is_clean = dns_world_close(&world);
    mw_log_close(&logged);
    return is_clean;
}

/* ---- descriptors ---- */

struct ear {
    int calls;
    uint32_t events;
    int fd;
    struct mw_watch *watch;
};

static void hear(void *user, uint32_t events)
{
    struct ear *ear = user;
    ear->calls++;
    ear->events = events;
}

static void hear_and_close(void *user, uint32_t events)
{
    struct ear *ear = user;
    hear(user, events);
    api->watch_end(ear->watch);
    close(ear->fd);
}

TEST(watch_is_level_triggered_and_can_pause)
{
    struct kit load = {0};
    struct ear ear = {0};
    int ends[2];
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    ear.watch = api->watch(mine, ends[0], MW_WATCH_READ, hear, &ear);
    CHECK(ear.watch != NULL);
    CHECK(api->watch(mine, ends[0], MW_WATCH_READ, hear, &ear) == NULL); /* once is enough */
    dns_turn(&world, NULL, 0, 20);
    CHECK_INT(ear.calls, 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    dns_turn(&world, &ear.calls, 3, TURN_MS); /* nobody reads it */
    CHECK_INT(ear.calls, 3);
    CHECK_INT(ear.events, MW_WATCH_READ);
    api->watch_change(ear.watch, 0);
    dns_turn(&world, NULL, 0, 20);
    CHECK_INT(ear.calls, 3);
    api->watch_change(ear.watch, MW_WATCH_READ);
    dns_turn(&world, &ear.calls, 4, TURN_MS);
    CHECK_INT(ear.calls, 4);
    api->watch_end(ear.watch);
    close(ends[0]);
    close(ends[1]);
    CHECK(finish(&load));
}

TEST(watch_ended_inside_its_callback_lets_the_descriptor_go)
{
    struct kit load = {0};
    struct ear ears[2] = {0};
    int ends[2];
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    for (int i = 0; i < 2; i++) { /* the second time with the same numbers */
        struct ear *ear = &ears[i];
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
        ear->fd = ends[0];
        ear->watch = api->watch(mine, ends[0], MW_WATCH_READ, hear_and_close, ear);
        CHECK(ear->watch != NULL);
        close(ends[1]); /* the other end is closed: readable */
        dns_turn(&world, &ear->calls, 1, TURN_MS);
        dns_turn(&world, NULL, 0, 20);
        CHECK_INT(ear->calls, 1);
    }
    CHECK_INT(ears[0].fd, ears[1].fd);
    CHECK(finish(&load));
}

TEST(watch_of_a_plain_file_is_not_possible)
{
    struct kit load = {0};
    struct ear ear = {0};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(api->watch(mine, fd, MW_WATCH_READ, hear, &ear) == NULL);
    close(fd);
    CHECK(api->watch(mine, fd, MW_WATCH_READ, hear, &ear) == NULL);
    CHECK(finish(&load));
}

/* A port of loopback where nobody listens, nor can while *out_fd is open. */
static struct sockaddr_in nobody(int *out_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *out_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)!bind(*out_fd, (struct sockaddr *)&address, len);
    (void)!getsockname(*out_fd, (struct sockaddr *)&address, &len);
    return address;
}

TEST(watch_tells_of_an_error_and_does_not_spin)
{
    struct kit load = {0};
    struct ear ear = {0};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    int reserved;
    struct sockaddr_in address = nobody(&reserved);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) != 0);
    ear.watch = api->watch(mine, fd, MW_WATCH_READ | MW_WATCH_WRITE, hear, &ear);
    CHECK(ear.watch != NULL);
    dns_turn(&world, &ear.calls, 1, TURN_MS);
    dns_turn(&world, NULL, 0, 100);
    CHECK_INT(ear.calls, 1);
    CHECK(ear.events & MW_WATCH_ERROR);
    int error = 0;
    socklen_t len = sizeof error;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    CHECK_INT(error, ECONNREFUSED);
    api->watch_end(ear.watch);
    close(fd);
    close(reserved);
    CHECK(finish(&load));
}

TEST(forgotten_watch_leaves_the_loop_with_its_filter)
{
    struct kit load = {0};
    struct ear ear = {0};
    int ends[2];
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(api->watch(mine, ends[0], MW_WATCH_READ, hear, &ear) != NULL);
    mw_instances_free(&load.instances);
    CHECK_INT(write(ends[1], "x", 1), 1);
    dns_turn(&world, NULL, 0, 20);
    CHECK_INT(ear.calls, 0);
    struct mw_slice text = mw_log_memory_view(logged);
    CHECK(memmem(text.ptr, text.len, "filter=f watches=1", 18) != NULL);
    close(ends[0]);
    close(ends[1]);
    CHECK(finish(&load));
}

/* ---- alarms, the pool ---- */

static void count_up(void *user)
{
    ++*(int *)user;
}

/* run() on a thread, then done() on the loop: the second reads what the first has left. */
struct errand {
    pthread_t thread;
    int is_run, is_done;
    bool was_elsewhere;
};
static void run_errand(void *user)
{
    struct errand *errand = user;
    errand->thread = pthread_self();
    errand->is_run++;
}
static void end_errand(void *user)
{
    struct errand *errand = user;
    errand->was_elsewhere = !pthread_equal(errand->thread, pthread_self());
    errand->is_done += errand->is_run;
}

TEST(alarm_and_job_come_back_on_the_loop)
{
    struct kit load = {0};
    int rung = 0, cancelled = 0;
    struct errand errand = {.is_run = 0};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    uint64_t before = api->clock_ms(mine);
    CHECK(api->alarm(mine, 30, count_up, &rung) != NULL);
    struct mw_alarm *never = api->alarm(mine, 10, count_up, &cancelled);
    api->alarm_cancel(never);
    CHECK_INT(api->job(mine, run_errand, end_errand, &errand), 1);
    CHECK_INT(errand.is_done, 0);
    dns_turn(&world, &errand.is_done, 1, TURN_MS);
    CHECK_INT(errand.is_done, 1);
    CHECK(errand.was_elsewhere);
    dns_turn(&world, &rung, 1, TURN_MS);
    CHECK_INT(rung, 1);
    CHECK_INT(cancelled, 0);
    CHECK(api->clock_ms(mine) >= before + 30);
    CHECK(finish(&load));
}

/* ---- questions ---- */

struct answers {
    int calls;
    enum mw_dns_outcome outcome;
    size_t count;
    bool is_missing;
    char text[256]; /* values, a blank behind each */
};

static void on_answer(void *user, const struct mw_dns_answer *answer)
{
    struct answers *answers = user;
    size_t len = 0;
    answers->calls++;
    answers->outcome = answer->outcome;
    answers->count = answer->count;
    answers->is_missing = answer->size >= sizeof *answer && answer->is_missing;
    answers->text[0] = '\0';
    for (size_t i = 0; i < answer->count; i++) {
        struct mw_slice value = answer->values[i];
        char shown[MW_INET_TEXT_MAX];
        struct mw_inet address;
        if (value.len == sizeof address.octets) {
            memcpy(address.octets, value.ptr, value.len);
            value = mw_inet_print(&address, shown);
        }
        len += (size_t)snprintf(answers->text + len, sizeof answers->text - len, "%.*s ",
                                (int)value.len, value.ptr);
    }
}

static struct answers last_found; /* the last one */

#define CHECK_ANSWER(name, kind, want_outcome, want)                             \
    do {                                                                         \
        struct answers found_ = {0};                                             \
        CHECK(api->dns(mine, MW_LIT(name), (kind), on_answer, &found_) != NULL); \
        CHECK_INT(found_.calls, 0);                                              \
        dns_turn(&world, &found_.calls, 1, TURN_MS);                             \
        CHECK_INT(found_.calls, 1);                                              \
        CHECK_INT(found_.outcome, want_outcome);                                 \
        CHECK_MEM(found_.text, strlen(found_.text), want);                       \
        last_found = found_;                                                     \
    } while (0)

TEST(questions_of_every_kind_are_answered)
{
    struct kit load = {0};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    CHECK_ANSWER("a.test", MW_DNS_ADDRESS4, MW_DNS_FOUND, "192.0.2.1 192.0.2.2 ");
    CHECK(!last_found.is_missing);
    CHECK_ANSWER("A.TEST", MW_DNS_ADDRESS4, MW_DNS_FOUND, "192.0.2.1 192.0.2.2 "); /* cache */
    CHECK_ANSWER("a.test", MW_DNS_ADDRESS6, MW_DNS_FOUND, "2001:db8::1 ");
    CHECK_ANSWER("a.test", MW_DNS_MAIL_EXCHANGER, MW_DNS_FOUND, "mx1.a.test mx2.a.test ");
    CHECK_ANSWER("a.test", MW_DNS_STRINGS, MW_DNS_FOUND, "v=spf1 -all ");
    CHECK_ANSWER("1.2.0.192.in-addr.arpa", MW_DNS_NAME_OF, MW_DNS_FOUND, "a.test ");
    CHECK_ANSWER("1.2.0.192.in-addr.arpa", MW_DNS_STRINGS, MW_DNS_NOTHING, "");
    CHECK(!last_found.is_missing); /* it is there */
    CHECK_ANSWER("none.test", MW_DNS_ADDRESS4, MW_DNS_NOTHING, "");
    CHECK(last_found.is_missing);
    CHECK_ANSWER("none.test", MW_DNS_MAIL_EXCHANGER, MW_DNS_NOTHING, "");
    CHECK(last_found.is_missing);
    CHECK_ANSWER("not a name\n", MW_DNS_ADDRESS4, MW_DNS_NOTHING, "");
    CHECK_ANSWER("a..name", MW_DNS_ADDRESS4, MW_DNS_NOTHING, "");
    CHECK(last_found.is_missing); /* there can be no such name */
    CHECK_ANSWER("servfail.test", MW_DNS_ADDRESS4, MW_DNS_FAILURE, "");
    CHECK(!last_found.is_missing);
    CHECK(finish(&load));
}

/* A session's own questions; the run is the kit's, the loop is real. */
static struct mw_ctx *asker;
static enum mw_verdict show_ctx(const struct mw_host *host, struct mw_ctx *ctx, enum mw_stage stage,
                                size_t index, struct mw_slice a, struct mw_slice b)
{
    (void)host, (void)stage, (void)index, (void)a, (void)b;
    asker = ctx;
    return MW_CONTINUE;
}

TEST(questions_of_a_session_are_answered_within_its_share)
{
    struct kit load = {0};
    struct answers found = {0}, failed = {0}, never = {0};
    CHECK(begin());
    kit_script(show_ctx, on_open, NULL);
    CHECK(kit_open(&load, "filter f {\n module script\n}\n", "f"));
    load.services.query_limit = 1;
    mw_instances_serve(load.instances, mw_driver_instance_services(driver));
    CHECK_INT(kit_stage(&load, MW_STAGE_CONNECT), MW_OK);
    CHECK(api->query(asker, MW_LIT("a.test"), MW_DNS_STRINGS, on_answer, &found) != NULL);
    CHECK(api->query(asker, MW_LIT("a.test"), MW_DNS_STRINGS, on_answer, &failed) != NULL);
    CHECK_INT(found.calls + failed.calls, 0);
    dns_turn(&world, &found.calls, 1, TURN_MS);
    dns_turn(&world, &failed.calls, 1, TURN_MS);
    CHECK_INT(found.outcome, MW_DNS_FOUND);
    CHECK_MEM(found.text, strlen(found.text), "v=spf1 -all ");
    CHECK_INT(failed.outcome, MW_DNS_FAILURE);
    load.services.query_limit = 0;
    CHECK(api->query(asker, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &never) != NULL);
    mw_run_free(&load.run);
    dns_turn(&world, NULL, 0, SERVER_SLOW_MS + 50);
    CHECK_INT(never.calls, 0);
    CHECK(finish(&load));
}

TEST(question_without_a_resolver_is_not_possible)
{
    struct kit load = {0};
    struct answers answers = {0};
    CHECK(begin());
    mw_driver_set_resolver(driver, NULL);
    struct mw_instance *mine = serve(&load);
    CHECK(api->dns(mine, MW_LIT("a.test"), MW_DNS_ADDRESS4, on_answer, &answers) == NULL);
    CHECK(finish(&load));
}

TEST(question_cancelled_is_never_answered)
{
    struct kit load = {0};
    struct answers answers = {0};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    struct mw_question *question = api->dns(mine, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer,
                                            &answers);
    CHECK(question != NULL);
    api->dns_cancel(question);
    dns_turn(&world, NULL, 0, 2 * SERVER_SLOW_MS);
    CHECK_INT(answers.calls, 0);
    CHECK(finish(&load));
}

/* ---- reload ---- */

TEST(reload_leaves_the_old_loads_questions_alone)
{
    struct kit old = {0}, new = {0};
    struct answers of_old = {0}, of_new = {0};
    CHECK(begin());
    struct mw_instance *was = serve(&old);
    CHECK(api->dns(was, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &of_old) != NULL);
    struct mw_instance *is = serve(&new); /* a session of the old load goes on */
    CHECK(is != NULL && is != was);
    CHECK(api->dns(is, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &of_new) != NULL);
    dns_turn(&world, &of_old.calls, 1, TURN_MS);
    dns_turn(&world, &of_new.calls, 1, TURN_MS);
    CHECK_INT(of_old.calls, 1);
    CHECK_INT(of_new.calls, 1);
    CHECK_INT(of_old.outcome, MW_DNS_FOUND);
    struct answers again = {0};
    CHECK(api->dns(was, MW_LIT("a.test"), MW_DNS_ADDRESS4, on_answer, &again) != NULL);
    dns_turn(&world, &again.calls, 1, TURN_MS);
    CHECK_INT(again.outcome, MW_DNS_FOUND);
    kit_close(&old);
    CHECK(finish(&new));
}

TEST(old_load_that_goes_takes_its_questions_with_it)
{
    struct kit old = {0}, new = {0};
    struct answers of_old = {0}, of_new = {0};
    int rung = 0;
    CHECK(begin());
    struct mw_instance *was = serve(&old);
    CHECK(api->dns(was, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &of_old) != NULL);
    CHECK(api->alarm(was, 10, count_up, &rung) != NULL);
    struct mw_instance *is = serve(&new);
    CHECK(api->dns(is, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &of_new) != NULL);
    kit_close(&old); /* its last session has gone */
    dns_turn(&world, &of_new.calls, 1, TURN_MS);
    CHECK_INT(of_new.calls, 1);
    CHECK_INT(of_new.outcome, MW_DNS_FOUND);
    CHECK_INT(of_old.calls, 0);
    CHECK_INT(rung, 0);
    CHECK(finish(&new));
}

static void ask_more(void *user)
{
    struct answers *answers = user;
    answers->count = api->dns(latest, MW_LIT("a.test"), MW_DNS_ADDRESS4, on_answer, answers) !=
                     NULL;
}
static void nap(void *user)
{
    (void)user;
    usleep(50000);
}

/* The pool is still at it when the resolver goes: the end of a worker. */
TEST(resolver_may_go_while_a_job_of_a_closed_load_runs)
{
    struct kit load = {0};
    struct answers answers = {.count = 99};
    CHECK(begin());
    struct mw_instance *mine = serve(&load);
    CHECK(api->dns(mine, MW_LIT("slow.test"), MW_DNS_ADDRESS4, on_answer, &answers) != NULL);
    CHECK_INT(api->job(mine, nap, ask_more, &answers), 1);
    mw_instances_free(&load.instances);
    mw_driver_set_resolver(driver, NULL);
    mw_resolver_free(&world.resolver); /* asserts that nobody waits for an answer */
    uint64_t patience = TURN_MS;
    while (answers.count == 99 && patience-- > 0)
        dns_turn(&world, NULL, 0, 1);
    CHECK_INT(answers.count, 0); /* done() ran, and could ask nothing */
    CHECK_INT(answers.calls, 0);
    CHECK(finish(&load));
}
