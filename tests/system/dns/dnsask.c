/* dnsask.c - asks the resolver what its arguments say, all at once, and prints the answers.
 *
 *      dnsask [-s ADDRESS:PORT]... [-t MS] [-a ATTEMPTS] [-c ENTRIES] [-n TIMES] [-i MS]
 *             TYPE NAME...
 *
 * TYPE is A, AAAA, MX, PTR, TXT or CLIENT (then NAME is an address). Without -s the servers are
 * those of /etc/resolv.conf. One line a question, in order: type, name, OK | NONE | FAILED, data
 * (octets that are not printable as \xNN; MX records whose name is none with a '?'), at the end.
 * With -n every question is asked again from its own callback; with -i too, that many milliseconds
 * after its answer, and each answer has its line at once, with the milliseconds that it took in
 * front. The last line has the counters (missing: answers NONE because the name does not exist) and
 * what it cost. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/resolver.h"

enum { SERVERS_MAX = 8, QUESTIONS_MAX = 20000, CLIENT = 0 };

struct question {
    uv_timer_t pause;
    uint64_t asked_ms;
    const char *type_name, *name;
    struct mw_query *query; /* of addresses, names, texts */
    int type;
    unsigned long left; /* times to ask */
    struct mw_buf text; /* the first answer */
};

static uv_loop_t loop;
static struct mw_net net;
static struct mw_resolver *resolver;
static struct question questions[QUESTIONS_MAX];
static size_t question_count, open_count, missing_count;
static uint64_t pause_ms;

static void stop(const char *text)
{
    fprintf(stderr, "dnsask: %s\n", text);
    exit(2);
}

static void finish(struct question *question);

/* ---- answers ---- */

static void add_escaped(struct mw_buf *buf, struct mw_slice octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        if (c > ' ' && c < 0x7f && c != '\\' && c != '?')
            mw_buf_putc(buf, (char)c);
        else
            mw_buf_putf(buf, "\\x%02x", c);
    }
}

static void add_record(struct mw_buf *buf, int type, const struct mw_dns_record *record)
{
    char address[MW_INET_TEXT_MAX];
    mw_buf_putc(buf, ' ');
    if (type == MW_DNS_A || type == MW_DNS_AAAA)
        mw_buf_put(buf, mw_inet_print(&record->address, address));
    if (type == MW_DNS_MX)
        mw_buf_putf(buf, "%u:", record->preference);
    add_escaped(buf, record->octets);
    if (record->is_unusable)
        mw_buf_putc(buf, '?');
}

static void add_status(struct mw_buf *buf, enum mw_dns_status status)
{
    static const char *const names[] = {"OK", "NONE", "FAILED"};
    mw_buf_put(buf, mw_slice_cstr(names[status]));
}

static void on_records(void *user, enum mw_dns_status status, const struct mw_dns_record *records,
                       size_t count)
{
    struct question *question = user;
    missing_count += mw_query_is_missing(question->query);
    if (question->text.len == 0) {
        add_status(&question->text, status);
        for (size_t i = 0; i < count; i++)
            add_record(&question->text, question->type, &records[i]);
    }
    finish(question);
}

static void on_name(void *user, enum mw_dns_status status, struct mw_slice name,
                    struct mw_slice reverse)
{
    (void)reverse;
    struct question *question = user;
    if (question->text.len == 0) {
        add_status(&question->text, status);
        if (status == MW_DNS_OK)
            mw_buf_putc(&question->text, ' ');
        add_escaped(&question->text, name);
    }
    finish(question);
}

/* ---- questions ---- */

static void ask(struct question *question)
{
    question->asked_ms = uv_now(&loop);
    struct mw_slice name = mw_slice_cstr(question->name);
    struct mw_inet address;
    if (question->type != CLIENT)
        question->query = mw_resolver_ask(resolver, name, (enum mw_dns_type)question->type,
                                          on_records, question);
    else if (mw_inet_parse(name, &address) == MW_OK)
        mw_resolver_client_name(resolver, &address, on_name, question);
    else
        stop("CLIENT wants an address");
}

static void print_answer(struct question *question)
{
    struct mw_buf name = {0};
    add_escaped(&name, mw_slice_cstr(question->name));
    printf("%s %.*s %.*s\n", question->type_name, (int)name.len, name.ptr, (int)question->text.len,
           question->text.ptr);
    mw_buf_fini(&name);
    mw_buf_fini(&question->text);
}

static void on_pause_over(uv_timer_t *timer)
{
    ask(timer->data);
}

static void finish(struct question *question)
{
    bool is_last = --question->left == 0;
    if (pause_ms > 0) {
        printf("%" PRIu64 " ", uv_now(&loop) - question->asked_ms);
        print_answer(question);
        fflush(stdout);
    }
    if (is_last && --open_count == 0)
        uv_stop(&loop);
    else if (!is_last && pause_ms > 0)
        uv_timer_start(&question->pause, on_pause_over, pause_ms, 0);
    else if (!is_last)
        ask(question);
}

static int type_of(const char *name)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {{"A", MW_DNS_A},     {"AAAA", MW_DNS_AAAA}, {"MX", MW_DNS_MX},
                 {"PTR", MW_DNS_PTR}, {"TXT", MW_DNS_TXT},   {"CLIENT", CLIENT}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    }
    stop("unknown type");
    return -1;
}

static unsigned long number(const char *text)
{
    uint64_t value = 0;
    if (mw_slice_to_u64(mw_slice_cstr(text), 1000000000, &value) != MW_OK)
        stop("a number is expected");
    return value;
}

/* ---- the program ---- */

static void read_arguments(int argc, char **argv, struct mw_resolver_config *config,
                           struct mw_endpoint *servers)
{
    unsigned long times = 1;
    for (int option; (option = getopt(argc, argv, "s:t:a:c:n:i:")) != -1;) {
        if (option == 's' && (config->server_count == SERVERS_MAX ||
                              mw_endpoint_parse(mw_slice_cstr(optarg), false,
                                                &servers[config->server_count++]) != MW_OK))
            stop("-s wants an address and a port, at most eight times");
        else if (option == 't')
            config->timeout_ms = number(optarg);
        else if (option == 'a')
            config->attempts = (uint32_t)number(optarg);
        else if (option == 'c')
            config->cache_entries = (uint32_t)number(optarg);
        else if (option == 'n')
            times = number(optarg);
        else if (option == 'i')
            pause_ms = number(optarg);
        else if (option == '?')
            exit(2);
    }
    if (argc == optind || (argc - optind) % 2 != 0 || argc - optind > 2 * QUESTIONS_MAX ||
        times == 0)
        stop("wants pairs of TYPE and NAME");
    for (int i = optind; i < argc; i += 2)
        questions[question_count++] = (struct question){
            .type_name = argv[i], .name = argv[i + 1], .type = type_of(argv[i]), .left = times};
}

static uint64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void print_stats(uint64_t wall_us, uint64_t spent_us)
{
    static const char *const endings[MW_DNS_ENDING_COUNT] = {"found", "none", "refused", "timeout",
                                                             "unusable"};
    struct mw_resolver_stats stats;
    struct rusage usage;
    mw_resolver_stats(resolver, &stats);
    getrusage(RUSAGE_SELF, &usage);
    printf("queries=%" PRIu64 " hits=%" PRIu64 " joined=%" PRIu64 " failures=%" PRIu64
           " dropped=%" PRIu64 " cached=%" PRIu32 " octets=%zu under_way=%" PRIu32,
           stats.queries, stats.cache_hits, stats.joined, stats.failures, stats.dropped,
           stats.cached, stats.cached_octets, stats.under_way);
    for (size_t i = 0; i < MW_DNS_ENDING_COUNT; i++)
        printf(" %s=%" PRIu64, endings[i], stats.ended[i]);
    for (size_t i = 0; i < MW_DNS_LATENCIES; i++)
        printf(" latency%zu=%" PRIu64, i, stats.latency[i]);
    printf(" missing=%zu", missing_count);
    printf(" latency_us=%" PRIu64 " wall_us=%" PRIu64 " cpu_us=%" PRIu64 " rss_kib=%ld\n",
           stats.latency_us, wall_us, spent_us, usage.ru_maxrss);
}

static void print_all(uint64_t wall_us, uint64_t spent_us)
{
    for (size_t i = 0; pause_ms == 0 && i < question_count; i++)
        print_answer(&questions[i]);
    print_stats(wall_us, spent_us);
}

int main(int argc, char **argv)
{
    struct mw_endpoint servers[SERVERS_MAX];
    struct mw_resolver_config config = {
        .servers = servers, .timeout_ms = 2000, .attempts = 2, .cache_entries = 20000};
    char text[120];
    read_arguments(argc, argv, &config, servers);
    uv_loop_init(&loop);
    mw_net_init(&net, &loop);
    resolver = mw_resolver_new(&net, &config, text, sizeof text);
    if (resolver == NULL)
        stop(text);
    uint64_t began_ns = uv_hrtime(), before_us = cpu_us();
    open_count = question_count;
    for (size_t i = 0; i < question_count; i++) {
        uv_timer_init(&loop, &questions[i].pause);
        questions[i].pause.data = &questions[i];
        ask(&questions[i]);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    print_all((uv_hrtime() - began_ns) / 1000, cpu_us() - before_us);
    mw_resolver_free(&resolver);
    for (size_t i = 0; i < question_count; i++)
        uv_close((uv_handle_t *)&questions[i].pause, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    mw_net_fini(&net);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
