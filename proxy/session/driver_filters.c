/* driver_filters.c - the loop for filters without a session (chain/plugin.h, struct
 * mw_instance_services): thin, but for the DNS, whose records become slices here.
 *
 * The resolver is the process's: a changed `resolver` block waits for a restart, so an old load of
 * the configuration asks the same one as the new. */
#include <stdlib.h>

#include "session/driver_loop.h"

static struct mw_loop_services *loop_of(void *user)
{
    return user;
}

static uint64_t now_ms(void *user)
{
    return uv_now(loop_of(user)->loop);
}

static void *watch_start(void *user, int fd, uint32_t events,
                         void (*fn)(void *arg, uint32_t events), void *arg)
{
    return mw_loop_watch_start(loop_of(user), fd, events, fn, arg);
}

static void watch_change(void *user, void *handle, uint32_t events)
{
    (void)user;
    mw_loop_watch_change(handle, events);
}

static void watch_stop(void *user, void *handle)
{
    (void)user;
    mw_loop_watch_stop(handle);
}

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    return mw_loop_timer_start(loop_of(user), delay_ms, fn, arg);
}

static void timer_stop(void *user, void *handle)
{
    (void)user;
    mw_loop_timer_stop(handle);
}

static bool work(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    return mw_loop_work(loop_of(user), run, done, arg);
}

/* ---- questions ---- */

struct question {
    struct mw_query *query;
    enum mw_dns_kind kind;
    void (*answered)(void *arg, const struct mw_dns_answer *answer);
    void *arg;
};

static enum mw_dns_outcome outcome_of(enum mw_dns_status status)
{
    return status == MW_DNS_OK     ? MW_DNS_FOUND
           : status == MW_DNS_NONE ? MW_DNS_NOTHING
                                   : MW_DNS_FAILURE;
}

static struct mw_slice value_of(const struct mw_dns_record *record, enum mw_dns_kind kind)
{
    bool is_address = kind == MW_DNS_ADDRESS4 || kind == MW_DNS_ADDRESS6;
    return is_address
               ? MW_SLICE((const char *)record->address.octets, sizeof record->address.octets)
               : record->octets;
}

static void on_records(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count)
{
    struct question question = *(struct question *)user;
    struct mw_slice *values = count > 0 ? mw_xcalloc(count, sizeof *values) : NULL;
    free(user);
    for (size_t i = 0; i < count; i++)
        values[i] = value_of(&records[i], question.kind);
    const struct mw_dns_answer answer = {.size = sizeof answer,
                                         .outcome = outcome_of(status),
                                         .values = values,
                                         .count = count,
                                         .is_missing = mw_query_is_missing(question.query)};
    question.answered(question.arg, &answer);
    free(values);
}

static void *dns_ask(void *user, struct mw_slice name, enum mw_dns_kind kind,
                     void (*answered)(void *arg, const struct mw_dns_answer *answer), void *arg)
{
    struct mw_resolver *resolver = loop_of(user)->resolver;
    if (resolver == NULL)
        return NULL;
    struct question *question = mw_xalloc(sizeof *question);
    *question = (struct question){.kind = kind, .answered = answered, .arg = arg};
    /* the kinds are the types' own numbers (RFC 1035 3.2.2, RFC 3596 2.1) */
    question->query = mw_resolver_ask(resolver, name, (enum mw_dns_type)kind, on_records, question);
    return question;
}

static bool dns_is_free(void *user, void *handle)
{
    const struct question *question = handle;
    (void)user;
    return mw_query_is_free(question->query);
}

static void dns_cancel(void *user, void *handle)
{
    struct question *question = handle;
    (void)user;
    mw_query_cancel(&question->query);
    free(question);
}

/* ---- the whole ---- */

void mw_loop_instance_services(struct mw_loop_services *services, struct mw_log *log,
                               struct mw_instance_services *out_services)
{
    *out_services = (struct mw_instance_services){
        .user = services,
        .now_ms = now_ms,
        .watch_start = watch_start,
        .watch_change = watch_change,
        .watch_stop = watch_stop,
        .timer_start = timer_start,
        .timer_stop = timer_stop,
        .dns_ask = dns_ask,
        .dns_is_free = dns_is_free,
        .dns_cancel = dns_cancel,
        .work = work,
        .log = log,
    };
}
