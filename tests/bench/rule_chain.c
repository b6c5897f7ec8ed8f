/* rule_chain.c - the filter `rules` as the proxy has it: loaded from rule files, asked by a chain at
 * every stage of whole messages, without sockets. For tests/bench/rule-engine, which see.
 *
 *   bench_rule_chain --plugins DIR [--rounds N] [--view] MESSAGES RULES[,SETTING WORD]...
 *
 * MESSAGES: a folder. Each set of rules is loaded on its own, and behind the comma goes into its
 * filter block ("big.rules,index off"). Round after round all messages go through every set, in
 * turning order; what is measured is the thread's CPU time of the transaction: envelope, header
 * block, content, spool, all stages. With --view there are no rules: the messages are only taken
 * apart, all of the view but what libmagic says.
 *
 * One line of JSON for each set: {"rules", "load_s", "rss_kib", "ms": [a message, by round], "hits",
 * "runs", "mark", "errors"}. `mark` is a sum over the rules and their hits, so that it differs if hits do;
 * rss_kib is what loading added, used_kib what the first round did. */
#include <dirent.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chain/run.h"
#include "message/content.h"

enum { SETS_MAX = 16, ROUNDS_MAX = 200, WORKS_MAX = 16, PIECE = 65536 };

struct message {
    char *octets; /* with CRLF */
    size_t len;
};
struct work {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};
struct set {
    const char *rules, *setting;
    struct mw_arena arena;
    struct mw_diags *diags;
    struct mw_instances *instances;
    struct mw_chain *chain;
    struct mw_run *run;
    struct mw_subject subject;
    struct mw_services services;
    struct mw_arena session_arena, transaction_arena;
    struct mw_envelope envelope;
    struct mw_headers headers;
    bool is_decided;
    double load_s, ms[ROUNDS_MAX];
    long rss_kib, used_kib;
    uint64_t hits, runs, errors, mark;
};
struct bench {
    struct mw_plugins *plugins;
    struct message *messages;
    size_t count, octets, rounds;
    struct set sets[SETS_MAX];
    size_t set_count;
    struct mw_spool_files files;
    struct mw_log *log;
    struct work works[WORKS_MAX];
    size_t work_count;
};

static double cpu_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long rss_kib(void)
{
    long pages = 0, ignored = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        abort();
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- messages ---- */

static void load_message(struct bench *bench, const char *path)
{
    static char room[1 << 20];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t len = fread(room, 1, sizeof room, file);
    fclose(file);
    struct message message = {.octets = mw_xalloc(2 * len + 2)};
    for (size_t i = 0; i < len; i++) {
        if (room[i] == '\n' && (i == 0 || room[i - 1] != '\r'))
            message.octets[message.len++] = '\r';
        message.octets[message.len++] = room[i];
    }
    bench->messages = mw_xrealloc(bench->messages, (bench->count + 1) * sizeof message);
    bench->messages[bench->count++] = message;
    bench->octets += message.len;
}

static void load_messages(struct bench *bench, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            load_message(bench, path);
        free(entries[i]);
    }
    if (bench->count == 0) {
        fprintf(stderr, "%s: no messages\n", folder);
        exit(2);
    }
    free(entries);
}

/* ---- what the loop would do ---- */

static struct bench *the_bench; /* of the services: there is one */

static uint64_t now_ms(void *user)
{
    struct timespec time;
    (void)user;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    (void)user, (void)delay_ms, (void)fn, (void)arg;
    return the_bench; /* never due: nothing here waits for one */
}

static void timer_stop(void *user, void *handle)
{
    (void)user, (void)handle;
}

static bool take_work(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    (void)user;
    if (the_bench->work_count == WORKS_MAX)
        return false;
    the_bench->works[the_bench->work_count++] = (struct work){run, done, arg};
    return true;
}

static void decided(void *user)
{
    ((struct set *)user)->is_decided = true;
}

/* The pool: what it does counts as well, and is done at once. */
static void do_works(struct bench *bench)
{
    while (bench->work_count > 0) {
        struct work work = bench->works[--bench->work_count];
        work.run(work.arg);
        work.done(work.arg);
    }
}

/* ---- a set of rules ---- */

static void fail(struct set *set)
{
    struct mw_buf out = MW_BUF_INIT(0);
    mw_diags_print(set->diags, &out);
    fprintf(stderr, "%.*s\n", (int)out.len, out.ptr);
    exit(1);
}

static void begin_session(struct bench *bench, struct set *set)
{
    set->subject = (struct mw_subject){.session_id = MW_LIT("7Q2k9Z"),
                                       .listener = MW_LIT("mx"),
                                       .client_port = 41001,
                                       .helo = MW_LIT("client.example.net"),
                                       .protocol = MW_LIT("ESMTP"),
                                       .message_number = 1,
                                       .session_arena = &set->session_arena};
    (void)!mw_inet_parse(MW_LIT("198.51.100.7"), &set->subject.client_address);
    set->services = (struct mw_services){.user = set,
                                         .now_ms = now_ms,
                                         .timer_start = timer_start,
                                         .timer_stop = timer_stop,
                                         .work = take_work,
                                         .decided = decided,
                                         .log = bench->log};
    set->run = mw_run_new(set->chain, &set->subject, &set->services);
}

static void load_set(struct bench *bench, struct set *set)
{
    char text[8192];
    struct mw_conf_block *root = NULL;
    snprintf(text, sizeof text, "filter rules {\n module rules\n files %s\n %s\n}\n", set->rules,
             set->setting);
    long before = rss_kib();
    double begun = cpu_s();
    set->diags = mw_diags_new();
    set->instances = mw_instances_new(bench->plugins);
    if (mw_conf_parse(&set->arena, "bench.conf", mw_slice_cstr(text), set->diags, &root) != MW_OK)
        fail(set);
    struct mw_instance *instance = mw_instance_open(set->instances, root->blocks, set->diags);
    if (instance == NULL)
        fail(set);
    set->load_s = cpu_s() - begun;
    malloc_trim(0); /* what only loading needed goes back */
    set->rss_kib = rss_kib() - before;
    set->chain = mw_chain_new(set->instances, "bench");
    mw_chain_add(set->chain, instance, false);
    begin_session(bench, set);
}

static void unload_set(struct set *set)
{
    mw_run_free(&set->run);
    mw_chain_free(&set->chain);
    mw_instances_free(&set->instances);
    mw_diags_free(&set->diags);
    mw_arena_fini(&set->session_arena);
    mw_arena_fini(&set->arena);
}

/* ---- a message ---- */

static void stage(struct bench *bench, struct set *set, struct mw_call call)
{
    struct mw_outcome outcome;
    set->is_decided = false;
    enum mw_err err = mw_run_stage(set->run, &call, &outcome);
    if (err == MW_AGAIN)
        do_works(bench);
    if (err == MW_AGAIN && !set->is_decided) {
        fputs("a stage waits for what is not there\n", stderr);
        exit(1);
    }
}

static void play_envelope(struct bench *bench, struct set *set)
{
    struct mw_envelope_arg arg;
    struct mw_call call = {.stage = MW_STAGE_RCPT};
    set->subject.transaction_arena = &set->transaction_arena;
    mw_envelope_init(&set->envelope, &set->transaction_arena);
    if (mw_envelope_arg_parse(MW_LIT("FROM:<sender@example.net> SIZE=5000"), MW_LIT("FROM"), &arg))
        abort();
    mw_envelope_set_sender(&set->envelope, &arg);
    set->subject.envelope = &set->envelope;
    mw_run_transaction_begin(set->run);
    stage(bench, set, (struct mw_call){.stage = MW_STAGE_MAIL});
    if (mw_envelope_arg_parse(MW_LIT("TO:<recipient@example.com>"), MW_LIT("TO"), &arg) ||
        mw_envelope_add_rcpt(&set->envelope, &arg, &call.rcpt))
        abort();
    stage(bench, set, call);
    mw_envelope_set_status(&set->envelope, call.rcpt, MW_RCPT_ACCEPTED, 250);
    stage(bench, set, (struct mw_call){.stage = MW_STAGE_DATA});
}

static void play_body(struct bench *bench, struct set *set, struct mw_slice body)
{
    for (struct mw_slice piece; body.len > 0; body = mw_slice_skip(body, piece.len)) {
        piece = mw_slice_take(body, PIECE);
        set->subject.message_size += piece.len;
        if (set->subject.spool != NULL)
            mw_spool_add(set->subject.spool, piece, true);
        stage(bench, set, (struct mw_call){.stage = MW_STAGE_BODY, .a = piece});
    }
}

static void play_content(struct bench *bench, struct set *set, const struct message *message)
{
    static const struct mw_header_limits limits = {262144, 1000, 100};
    struct mw_slice octets = MW_SLICE(message->octets, message->len), body;
    size_t used;
    bool has_hops;
    mw_headers_init(&set->headers, &set->transaction_arena);
    enum mw_err err = mw_headers_take(&set->headers, &limits, octets, &used, &body, &has_hops);
    if (err == MW_AGAIN)
        mw_headers_finish(&set->headers, &body);
    set->subject.headers = &set->headers;
    set->subject.message_size = used;
    set->subject.spool = mw_chain_wants_spool(set->chain) ? mw_spool_new(&bench->files, 262144)
                                                          : NULL;
    stage(bench, set, (struct mw_call){.stage = MW_STAGE_END_OF_HEADERS});
    play_body(bench, set, body);
    play_body(bench, set, mw_slice_skip(octets, used));
    stage(bench, set, (struct mw_call){.stage = MW_STAGE_END_OF_MESSAGE});
}

static void play_message(struct bench *bench, struct set *set, const struct message *message)
{
    play_envelope(bench, set);
    play_content(bench, set, message);
    mw_run_transaction_end(set->run, false);
    mw_headers_fini(&set->headers);
    mw_spool_free(&set->subject.spool);
    mw_envelope_fini(&set->envelope);
    mw_arena_fini(&set->transaction_arena);
    set->subject.envelope = NULL;
    set->subject.headers = NULL;
    set->subject.transaction_arena = NULL;
    set->subject.message_size = 0;
    set->subject.rcpt_verdicts = NULL;
    set->subject.rcpt_verdict_cap = 0;
    set->subject.message_number++;
}

/* ---- rounds ---- */

static double play_round(struct bench *bench, struct set *set)
{
    double begun = cpu_s();
    for (size_t i = 0; i < bench->count; i++)
        play_message(bench, set, &bench->messages[i]);
    return (cpu_s() - begun) * 1e3 / (double)bench->count;
}

static void play(struct bench *bench)
{
    for (size_t i = 0; i < bench->set_count; i++) {
        struct set *set = &bench->sets[i];
        stage(bench, set, (struct mw_call){.stage = MW_STAGE_CONNECT});
        stage(bench, set, (struct mw_call){.stage = MW_STAGE_HELO, .a = set->subject.helo});
        long before = rss_kib();
        play_round(bench, set); /* the JIT takes a pattern when it is first matched */
        set->used_kib = rss_kib() - before;
    }
    for (size_t round = 0; round < bench->rounds; round++)
        for (size_t i = 0; i < bench->set_count; i++) {
            struct set *set = &bench->sets[(round + i) % bench->set_count];
            set->ms[round] = play_round(bench, set);
        }
}

static void count_hits(void *user, const char *filter, const char *name, uint64_t value)
{
    struct set *set = user;
    size_t len = strlen(name);
    uint64_t mark = UINT64_C(0xcbf29ce484222325);
    (void)filter;
    if (len > 7 && strcmp(name + len - 7, ".errors") == 0)
        set->errors += value;
    if (len > 5 && strcmp(name + len - 5, ".runs") == 0)
        set->runs += value;
    if (len < 5 || strcmp(name + len - 5, ".hits") != 0)
        return;
    for (size_t i = 0; i < len; i++)
        mark = (mark ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    set->hits += value;
    set->mark += mark * value;
}

static void print_set(const struct bench *bench, struct set *set)
{
    mw_instances_counters(set->instances, count_hits, set);
    printf("{\"rules\": \"%s\", \"messages\": %zu, \"octets\": %zu, "
           "\"load_s\": %.4f, \"rss_kib\": %ld, \"used_kib\": %ld, \"hits\": %llu, \"runs\": %llu, "
           "\"mark\": %llu, "
           "\"errors\": %llu, \"ms\": [",
           set->rules, bench->count, bench->octets, set->load_s, set->rss_kib, set->used_kib,
           (unsigned long long)set->hits, (unsigned long long)set->runs,
           (unsigned long long)set->mark, (unsigned long long)set->errors);
    for (size_t i = 0; i < bench->rounds; i++)
        printf("%s%.5f", i > 0 ? ", " : "", set->ms[i]);
    puts("]}");
}

/* ---- the view alone ---- */

static void view_round(const struct bench *bench, struct mw_content_kit *kit, uint32_t needs)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct mw_content_maker *maker = mw_content_new(needs, kit);
        struct mw_slice rest = MW_SLICE(bench->messages[i].octets, bench->messages[i].len);
        for (; rest.len > 0; rest = mw_slice_skip(rest, PIECE))
            mw_content_feed(maker, mw_slice_take(rest, PIECE));
        mw_content_finish(maker, true);
        mw_content_unref(&maker);
    }
}

/* By what is asked for, each with all that comes before it. */
static void view(const struct bench *bench)
{
    static const struct {
        const char *name;
        uint32_t needs;
    } steps[] = {{"parts", MW_CONTENT_PARTS},
                 {"text", MW_CONTENT_TEXT},
                 {"html", MW_CONTENT_HTML},
                 {"urls", MW_CONTENT_URLS},
                 {"sha256", MW_CONTENT_URLS | MW_CONTENT_SHA256},
                 {"archives", MW_CONTENT_URLS | MW_CONTENT_SHA256 | MW_CONTENT_ARCHIVES}};
    struct mw_content_kit *kit = mw_content_kit_new();
    for (size_t step = 0; step < sizeof steps / sizeof *steps; step++) {
        view_round(bench, kit, steps[step].needs);
        printf("{\"view\": \"%s\", \"messages\": %zu, \"octets\": %zu, \"ms\": [", steps[step].name,
               bench->count, bench->octets);
        for (size_t round = 0; round < bench->rounds; round++) {
            double begun = cpu_s();
            view_round(bench, kit, steps[step].needs);
            printf("%s%.5f", round > 0 ? ", " : "", (cpu_s() - begun) * 1e3 / (double)bench->count);
        }
        puts("]}");
    }
    mw_content_kit_free(&kit);
}

/* ---- from the command line ---- */

static void usage(void)
{
    fputs("usage: bench_rule_chain --plugins DIR [--rounds N] [--view] MESSAGES "
          "RULES[,SETTING]...\n",
          stderr);
    exit(2);
}

static void add_set(struct bench *bench, char *word)
{
    if (bench->set_count == SETS_MAX)
        usage();
    struct set *set = &bench->sets[bench->set_count++];
    char *comma = strchr(word, ',');
    if (comma != NULL)
        *comma = '\0';
    set->rules = word;
    set->setting = comma == NULL ? "" : comma + 1;
}

static void play_sets(struct bench *bench, const char *plugins)
{
    const char *directories[] = {plugins, NULL};
    bench->plugins = mw_plugins_new(directories);
    for (size_t i = 0; i < bench->set_count; i++)
        load_set(bench, &bench->sets[i]);
    play(bench);
    for (size_t i = 0; i < bench->set_count; i++) {
        print_set(bench, &bench->sets[i]);
        unload_set(&bench->sets[i]);
    }
    mw_plugins_free(&bench->plugins);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.rounds = 5};
    static const struct option options[] = {{"plugins", required_argument, NULL, 'p'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"view", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    const char *plugins = NULL;
    bool is_view = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'p')
            plugins = optarg;
        else if (option == 'r')
            bench.rounds = strtoul(optarg, NULL, 10);
        else if (option == 'v')
            is_view = true;
        else
            usage();
    }
    if (optind >= argc || bench.rounds == 0 || bench.rounds > ROUNDS_MAX ||
        (!is_view && plugins == NULL))
        usage();
    the_bench = &bench;
    load_messages(&bench, argv[optind++]);
    while (optind < argc)
        add_set(&bench, argv[optind++]);
    bench.log = mw_log_memory(MW_LOG_ERROR);
    mw_spool_files_init(&bench.files, "/tmp");
    if (is_view)
        view(&bench);
    else
        play_sets(&bench, plugins);
    for (size_t i = 0; i < bench.count; i++)
        free(bench.messages[i].octets);
    free(bench.messages);
    mw_spool_files_fini(&bench.files);
    mw_log_close(&bench.log);
    return 0;
}
