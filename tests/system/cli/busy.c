/* busy.c - a filter without an opinion that keeps the loop busy, from its start() to its close(): an
 * alarm that rings again and again and wakes a watched descriptor, a question to the DNS and a job
 * on the pool, each asked anew when the last one has come back. It counts all of them. */
#include <mailweir/filter.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_MS = 20, NAP_US = 30000 };
enum { TICKS = 0, WAKES, ANSWERS, JOBS, COUNTERS };
static const char *const names[COUNTERS] = {"ticks", "wakes", "answers", "jobs"};

struct busy {
    struct mw_instance *instance;
    int counters[COUNTERS];
    int fd;
    struct mw_watch *watch;
    int is_asking, is_working;
};

static const struct mw_host *host;

static int open_busy(const struct mw_host *the_host, struct mw_instance *instance, void **state)
{
    struct busy *busy = calloc(1, sizeof *busy);
    busy->instance = instance;
    busy->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; i < COUNTERS; i++)
        busy->counters[i] = the_host->counter(instance, names[i]);
    *state = busy;
    return 0;
}

static void wake(void *user, uint32_t events)
{
    struct busy *busy = user;
    eventfd_t value;
    if ((events & MW_WATCH_READ) && eventfd_read(busy->fd, &value) == 0)
        host->tally(busy->instance, busy->counters[WAKES], 1);
}

static void answered(void *user, const struct mw_dns_answer *answer)
{
    struct busy *busy = user;
    busy->is_asking = 0;
    host->tally(busy->instance, busy->counters[ANSWERS], answer->size > 0);
}

static void nap(void *user)
{
    (void)user;
    usleep(NAP_US);
}

static void napped(void *user)
{
    struct busy *busy = user;
    busy->is_working = 0;
    host->tally(busy->instance, busy->counters[JOBS], 1);
}

static void tick(void *user)
{
    static const struct mw_slice name = {"busy.example", 12};
    struct busy *busy = user;
    host->tally(busy->instance, busy->counters[TICKS], 1);
    eventfd_write(busy->fd, 1);
    if (!busy->is_asking)
        busy->is_asking = host->dns(busy->instance, name, MW_DNS_ADDRESS4, answered, busy) != NULL;
    if (!busy->is_working)
        busy->is_working = host->job(busy->instance, nap, napped, busy);
    host->alarm(busy->instance, TICK_MS, tick, busy);
}

static void start_busy(void *state)
{
    struct busy *busy = state;
    busy->watch = host->watch(busy->instance, busy->fd, MW_WATCH_READ, wake, busy);
    host->note(busy->instance, MW_LOG_INFO, "busy-started", NULL, 0);
    tick(busy);
}

static void close_busy(void *state)
{
    struct busy *busy = state;
    host->watch_end(busy->watch);
    close(busy->fd);
    host->note(busy->instance, MW_LOG_INFO, "busy-closed", NULL, 0);
    free(busy);
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "busy",
    .open = open_busy,
    .close = close_busy,
    .start = start_busy,
};

MAILWEIR_EXPORT const struct mw_filter *mailweir_filter(const struct mw_host *the_host)
{
    host = the_host;
    return &filter;
}
