/* counters.c - what the service has counted: one visit of all of it, for the log (SIGUSR1, the end)
 * and for the control socket; and what else that socket answers. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ops/process.h"
#include "ops/worker_priv.h"

/* ---- the visit ---- */

typedef void visit_fn(void *user, const char *name, uint64_t value);
struct visitor {
    visit_fn *visit;
    void *user;
};

static void tell(const struct visitor *visitor, const char *name, uint64_t value)
{
    visitor->visit(visitor->user, name, value);
}

static void tell_handshakes(const struct visitor *visitor, const char *side,
                            const struct mw_handshake_stats *stats)
{
    char name[64];
    snprintf(name, sizeof name, "tls.%s.handshakes", side);
    tell(visitor, name, stats->done);
    snprintf(name, sizeof name, "tls.%s.resumed", side);
    tell(visitor, name, stats->resumed);
    snprintf(name, sizeof name, "tls.%s.failed", side);
    tell(visitor, name, stats->failed);
}

static void tell_driver(const struct visitor *visitor, const struct mw_driver *driver)
{
    struct mw_driver_stats stats;
    mw_driver_stats(driver, &stats);
    tell(visitor, "sessions.open", stats.sessions_open);
    tell(visitor, "sessions.total", stats.sessions_total);
    tell(visitor, "sessions.refused", stats.sessions_refused);
    tell(visitor, "messages.accepted", stats.messages_accepted);
    tell(visitor, "messages.refused", stats.messages_refused);
    tell(visitor, "messages.discarded", stats.messages_discarded);
    tell(visitor, "messages.lost", stats.messages_lost);
    tell(visitor, "octets.in", stats.octets_in);
    tell(visitor, "octets.out", stats.octets_out);
    tell_handshakes(visitor, "client", &stats.client_handshakes);
    tell_handshakes(visitor, "upstream", &stats.upstream_handshakes);
}

/* Questions to servers: by how they ended, and those that did not time out by how long they took. */
static void tell_questions(const struct visitor *visitor, const struct mw_resolver_stats *stats)
{
    static const char *const endings[MW_DNS_ENDING_COUNT] = {
        [MW_DNS_ENDED_FOUND] = "dns.ended.found",
        [MW_DNS_ENDED_NONE] = "dns.ended.none",
        [MW_DNS_ENDED_REFUSED] = "dns.ended.refused",
        [MW_DNS_ENDED_TIMEOUT] = "dns.ended.timeout",
        [MW_DNS_ENDED_UNUSABLE] = "dns.ended.unusable",
    };
    static const char *const latencies[MW_DNS_LATENCIES] = {
        "dns.latency.1ms",   "dns.latency.5ms",   "dns.latency.10ms", "dns.latency.50ms",
        "dns.latency.100ms", "dns.latency.500ms", "dns.latency.1s",   "dns.latency.2s",
        "dns.latency.5s",    "dns.latency.more"};
    for (size_t i = 0; i < MW_DNS_ENDING_COUNT; i++)
        tell(visitor, endings[i], stats->ended[i]);
    for (size_t i = 0; i < MW_DNS_LATENCIES; i++)
        tell(visitor, latencies[i], stats->latency[i]);
    tell(visitor, "dns.latency.total-us", stats->latency_us);
}

static void tell_resolver(const struct visitor *visitor, const struct mw_resolver *resolver)
{
    struct mw_resolver_stats stats = {0};
    if (resolver != NULL)
        mw_resolver_stats(resolver, &stats);
    tell(visitor, "dns.queries", stats.queries);
    tell(visitor, "dns.cache-hits", stats.cache_hits);
    tell(visitor, "dns.joined", stats.joined);
    tell(visitor, "dns.failures", stats.failures);
    tell(visitor, "dns.dropped", stats.dropped);
    tell(visitor, "dns.under-way", stats.under_way);
    tell(visitor, "dns.cached", stats.cached);
    tell(visitor, "dns.cached-octets", stats.cached_octets);
    tell_questions(visitor, &stats);
}

/* Seconds since 1970 at which the first certificate of a listener expires. */
static void tell_expiries(const struct visitor *visitor, const struct mw_snapshot *snapshot)
{
    char name[256];
    for (size_t i = 0; i < mw_config_tls_count(snapshot); i++) {
        const struct mw_config_tls *tls = mw_config_tls(snapshot, i);
        int64_t expiry = mw_config_tls_expiry(tls);
        if (expiry == INT64_MAX || expiry < 0)
            continue;
        snprintf(name, sizeof name, "tls.%.*s.expiry", (int)tls->name.len, tls->name.ptr);
        tell(visitor, name, (uint64_t)expiry);
    }
}

static void tell_filter(void *user, const char *filter, const char *name, uint64_t value)
{
    char text[256];
    snprintf(text, sizeof text, "%s.%s", filter, name);
    tell(user, text, value);
}

static void tell_all(struct mw_worker *worker, visit_fn *visit, void *user)
{
    struct visitor visitor = {visit, user};
    tell_driver(&visitor, worker->driver);
    tell_resolver(&visitor, worker->resolver);
    tell_expiries(&visitor, worker->snapshot);
    tell(&visitor, "log.dropped", mw_log_dropped(worker->log));
}

static void tell_filters(struct mw_worker *worker, visit_fn *visit, void *user)
{
    struct visitor visitor = {visit, user};
    mw_instances_counters(worker->snapshot->instances, tell_filter, &visitor);
}

/* ---- to the log ---- */

static void log_counter(void *user, const char *name, uint64_t value)
{
    MW_LOG(user, MW_EMPTY, MW_EV_COUNTERS, mw_cstr("name", name), mw_uint("value", value));
}

static void log_counter_above_zero(void *user, const char *name, uint64_t value)
{
    if (value > 0)
        log_counter(user, name, value);
}

void mw_worker_log_counters(struct mw_worker *worker, bool with_zeros)
{
    tell_all(worker, log_counter, worker->log);
    tell_filters(worker, with_zeros ? log_counter : log_counter_above_zero, worker->log);
}

/* ---- to the control socket ---- */

struct listing {
    struct mw_slice prefix;
    struct mw_buf *out;
};

/* Names of filters' counters are the filters' own: a line end among them would forge a line. */
static void put_name(struct mw_buf *out, struct mw_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char octet = (unsigned char)name.ptr[i];
        mw_buf_putc(out, octet < ' ' || octet == 0x7f ? '?' : name.ptr[i]);
    }
}

static void list_counter(void *user, const char *name, uint64_t value)
{
    const struct listing *listing = user;
    struct mw_slice text = mw_slice_cstr(name);
    if (!mw_slice_starts(text, listing->prefix))
        return;
    put_name(listing->out, text);
    mw_buf_putf(listing->out, " %" PRIu64 "\n", value);
}

static void answer_counters(struct mw_worker *worker, struct mw_slice prefix, struct mw_buf *out)
{
    struct listing listing = {prefix, out};
    tell_all(worker, list_counter, &listing);
    tell_filters(worker, list_counter, &listing);
}

static void answer_version(struct mw_worker *worker, struct mw_slice argument, struct mw_buf *out)
{
    struct mw_build_info build;
    (void)argument;
    mw_process_build_info(&build);
    mw_buf_putf(out, "version %s\npid %lu\ngeneration %u\n", build.version, (unsigned long)getpid(),
                worker->snapshot->generation);
}

static void answer_help(struct mw_worker *worker, struct mw_slice argument, struct mw_buf *out)
{
    (void)worker, (void)argument;
    mw_buf_put(out,
               MW_LIT("counters [PREFIX]  NAME VALUE of every counter, filters' as FILTER.NAME\n"
                      "version            version, process id, generation of the configuration\n"
                      "help               this text\n"));
}

static const struct {
    const char *word;
    void (*answer)(struct mw_worker *worker, struct mw_slice argument, struct mw_buf *out);
    bool takes_argument;
} requests[] = {
    {"counters", answer_counters, true},
    {"version", answer_version, false},
    {"help", answer_help, false},
};
enum { REQUEST_COUNT = sizeof requests / sizeof *requests };

static void answer_unknown(struct mw_slice word, struct mw_buf *out)
{
    const char *words[REQUEST_COUNT + 1] = {NULL};
    for (size_t i = 0; i < REQUEST_COUNT; i++)
        words[i] = requests[i].word;
    const char *near = mw_near_name(word, words);
    mw_buf_put(out, MW_LIT("error: unknown request '"));
    put_name(out, word);
    mw_buf_putf(out, near != NULL ? "': did you mean '%s'?\n" : "': %s lists them\n",
                near != NULL ? near : "help");
}

void mw_worker_answer(void *user, struct mw_slice request, struct mw_buf *out)
{
    struct mw_slice word = request, argument = MW_EMPTY;
    (void)mw_slice_split(request, ' ', &word, &argument);
    for (size_t i = 0; i < REQUEST_COUNT; i++) {
        if (!mw_slice_eq(word, mw_slice_cstr(requests[i].word)))
            continue;
        if (argument.len > 0 && !requests[i].takes_argument)
            mw_buf_putf(out, "error: '%s' takes nothing behind it\n", requests[i].word);
        else
            requests[i].answer(user, argument, out);
        return;
    }
    answer_unknown(word, out);
}
