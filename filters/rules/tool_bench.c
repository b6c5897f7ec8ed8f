/* tool_bench.c - `mailweir rules bench`: the rules over a heap of mail, with and without the index,
 * and which of them took the time. Messages are decoded as they would be in the service; the
 * envelope is the same for all. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "clock.h"
#include "describe.h"
#include "load.h"
#include "rate.h"
#include "testblock.h"
#include "tool.h"

enum {
    MESSAGE_MAX = 64 << 20,
    FILES_MAX = 1000000,
    DEPTH_MAX_DIRS = 8,
    ROWS_DEFAULT = 20,
    WARM_UP = 200
};

/* ---- the messages ---- */

struct files {
    char **paths;
    size_t count, cap;
};

static void add_file(struct files *files, const char *path)
{
    if (files->count == files->cap) {
        files->cap = files->cap > 0 ? files->cap * 2 : 1024;
        files->paths = realloc(files->paths, files->cap * sizeof *files->paths);
    }
    if (files->paths == NULL || (files->paths[files->count++] = strdup(path)) == NULL)
        abort();
}

static void gather(struct files *files, const char *path, unsigned depth)
{
    DIR *dir = depth < DEPTH_MAX_DIRS ? opendir(path) : NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char child[4096];
        struct stat status;
        int len = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof child ||
            stat(child, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            gather(files, child, depth + 1);
        else if (S_ISREG(status.st_mode) && files->count < FILES_MAX)
            add_file(files, child);
    }
    if (dir != NULL)
        closedir(dir);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void files_fini(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
}

/* ---- one run ---- */

struct cost {
    const struct rule *rule;
    uint64_t runs, hits, microseconds;
};
struct bench {
    struct rules *rules;
    struct subject_ops ops; /* of test messages, with our tally */
    struct cost *costs;     /* by rule->number */
    struct rate_table *rates;
    uint64_t *nanoseconds; /* of each message */
    enum mw_verdict *verdicts;
    size_t count;
    uint64_t octets;
};
struct bench_mail {
    struct test_mail mail; /* first */
    struct bench *bench;
};

static void bench_tally(struct subject *subject, const struct rule *rule, enum counter counter,
                        uint64_t by)
{
    struct cost *cost = &((struct bench_mail *)(void *)subject)->bench->costs[rule->number];
    if (counter == COUNTER_RUNS)
        cost->runs += by;
    else if (counter == COUNTER_TIME)
        cost->microseconds += by;
}

static void play(struct bench *bench, char *message, size_t len)
{
    static const unsigned char stranger[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, 1};
    struct test_block block = {.name = "bench",
                               .client_port = 41001,
                               .client_name = EMPTY,
                               .listener = LIT("mx"),
                               .helo = LIT("client.example.net"),
                               .user = EMPTY,
                               .mechanism = EMPTY,
                               .sender = LIT("sender@example.net"),
                               .params = EMPTY,
                               .message = message,
                               .message_len = len};
    struct bench_mail mail = {.bench = bench};
    memcpy(block.client_ip, stranger, sizeof stranger);
    uint64_t start = rules_clock_ns();
    rules_test_mail_init(&mail.mail, bench->rules, &block, bench->rates);
    bench->ops = *mail.mail.subject.ops;
    bench->ops.tally = bench_tally;
    mail.mail.subject.ops = &bench->ops;
    bench->verdicts[bench->count] = rules_test_play(&mail.mail).verdict;
    bench->nanoseconds[bench->count++] = rules_clock_ns() - start;
    bench->octets += len;
    for (size_t i = 0; i < mail.mail.hit_count; i++)
        bench->costs[mail.mail.hits[i]->number].hits++;
    rules_test_mail_fini(&mail.mail);
}

static void bench_init(struct bench *bench, struct rules *rules, size_t count)
{
    *bench = (struct bench){.rules = rules};
    bench->costs = calloc(rules->rule_count + 1, sizeof *bench->costs);
    bench->nanoseconds = calloc(count + 1, sizeof *bench->nanoseconds);
    bench->verdicts = calloc(count + 1, sizeof *bench->verdicts);
    if (bench->costs == NULL || bench->nanoseconds == NULL || bench->verdicts == NULL)
        abort();
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        bench->costs[rule->number].rule = rule;
    if (rules->rate_count > 0)
        bench->rates = rules_rates_new(rules->rate_entries);
}

static void bench_fini(struct bench *bench)
{
    rules_rates_free(&bench->rates);
    free(bench->costs);
    free(bench->nanoseconds);
    free(bench->verdicts);
}

static void run_all(struct bench *bench, const struct tool *tool, const struct files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        size_t len = 0;
        const char *error = NULL;
        char *message = tool->host->lang->file_read(files->paths[i], MESSAGE_MAX, &len, &error);
        if (message == NULL) {
            fprintf(stderr, "%s: left out: %s\n", files->paths[i], error ? error : "unreadable");
            continue;
        }
        play(bench, message, len);
        tool->host->lang->file_free(message);
    }
}

/* Patterns are compiled and memory is touched at first use: that is not the rules' cost. */
static void warm_up(struct rules *rules, const struct tool *tool, const struct files *files)
{
    struct bench bench;
    struct files few = *files;
    few.count = few.count < WARM_UP ? few.count : WARM_UP;
    bench_init(&bench, rules, few.count);
    run_all(&bench, tool, &few);
    bench_fini(&bench);
    memset(rules->live, 0, rules->rule_count * sizeof *rules->live);
}

/* ---- telling ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double ms(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e6;
}

static void print_times(const char *name, struct bench *bench)
{
    uint64_t sum = 0;
    size_t count = bench->count;
    uint64_t *sorted = malloc((count + 1) * sizeof *sorted);
    if (sorted == NULL)
        abort();
    memcpy(sorted, bench->nanoseconds, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_number);
    for (size_t i = 0; i < count; i++)
        sum += sorted[i];
    printf("%-10s %8.3f ms a message; half below %.3f, 99 %% below %.3f, longest %.3f\n", name,
           ms(sum / count), ms(sorted[count / 2]), ms(sorted[count * 99 / 100]),
           ms(sorted[count - 1]));
    free(sorted);
}

static int by_cost(const void *a, const void *b)
{
    const struct cost *left = a, *right = b;
    return left->microseconds != right->microseconds
               ? (left->microseconds < right->microseconds) -
                     (left->microseconds > right->microseconds)
               : (left->rule->number > right->rule->number) -
                     (left->rule->number < right->rule->number);
}

static void print_costs(struct bench *bench, size_t rows)
{
    static const char *const heads[] = {"rule",       "place", ">us a message",
                                        ">looked at", ">held", NULL};
    struct tool_table table;
    size_t rule_count = bench->rules->rule_count;
    rules_table_init(&table, heads);
    qsort(bench->costs, rule_count, sizeof *bench->costs, by_cost);
    for (size_t i = 0; i < rule_count && i < rows; i++) {
        const struct cost *cost = &bench->costs[i];
        char room[40];
        struct builder out = {.ptr = room, .cap = sizeof room};
        builder_putf(&out, "%.1f", (double)cost->microseconds / (double)bench->count);
        rules_table_text(&table, cost->rule->name);
        rules_table_text(&table, cost->rule->where);
        rules_table_text(&table, SLICE(out.ptr, out.len));
        rules_table_number(&table, cost->runs);
        rules_table_number(&table, cost->hits);
    }
    rules_table_end(&table);
}

static size_t count_verdicts(const struct bench *bench, enum mw_verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < bench->count; i++)
        count += bench->verdicts[i] == verdict;
    return count;
}

static void print_verdicts(const struct bench *bench)
{
    size_t refused = count_verdicts(bench, MW_REJECT) + count_verdicts(bench, MW_DISCONNECT);
    size_t deferred = count_verdicts(bench, MW_TEMPFAIL);
    size_t discarded = count_verdicts(bench, MW_DISCARD);
    printf("verdicts   %zu let through, %zu refused, %zu deferred, %zu discarded\n",
           bench->count - refused - deferred - discarded, refused, deferred, discarded);
}

/* ---- the command ---- */

static void no_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    (void)instance;
    (void)diag;
}

/* The same files a second time; what there is to say of them was said. */
static bool bench_unindexed(const struct tool *tool, const struct files *files,
                            const struct bench *indexed)
{
    struct mw_host quiet = *tool->host;
    struct tool again = *tool;
    bool is_good = false;
    quiet.diag = no_diag;
    again.host = &quiet;
    struct rules *rules = rules_tool_load(&again, tool->argv, tool->argc, false, &is_good);
    struct bench bench;
    warm_up(rules, &again, files);
    bench_init(&bench, rules, files->count);
    run_all(&bench, &again, files);
    bool is_same = bench.count == indexed->count &&
                   memcmp(bench.verdicts, indexed->verdicts,
                          bench.count * sizeof *bench.verdicts) == 0;
    print_times("index off", &bench);
    bench_fini(&bench);
    rules_free(rules);
    return is_same;
}

static int bench_files(const struct tool *tool, struct rules *rules, const struct files *files,
                       size_t rows)
{
    struct bench bench;
    warm_up(rules, tool, files);
    bench_init(&bench, rules, files->count);
    run_all(&bench, tool, files);
    int status = EX_NOINPUT;
    if (bench.count > 0) {
        printf("mail       %zu messages, %.1f MiB; %zu rules\n", bench.count,
               (double)bench.octets / 1048576, rules->rule_count);
        print_times("index on", &bench);
        bool is_same = bench_unindexed(tool, files, &bench);
        status = is_same ? EX_OK : EX_SOFTWARE;
        print_verdicts(&bench);
        puts(is_same ? "" : "the index changes verdicts: please report this as a bug\n");
        print_costs(&bench, rows);
        puts("the first rule that reads the content pays for decoding the message");
    } else {
        fprintf(stderr, "mailweir rules bench: there are no messages\n");
    }
    bench_fini(&bench);
    return status;
}

int rules_tool_bench(struct tool *tool)
{
    static const char *const options[] = {"--mail", "--count", NULL};
    struct files files = {.count = 0};
    bool is_bad = false, is_good = false;
    uint64_t rows = ROWS_DEFAULT;
    const char *mail = rules_tool_option(tool, "--mail", &is_bad);
    const char *count = rules_tool_option(tool, "--count", &is_bad);
    if (is_bad || !rules_tool_options_end(tool, options))
        return EX_USAGE;
    if (mail == NULL || tool->argc == 0)
        return rules_tool_usage(tool, "which rules, over which mail? bench FILE... --mail DIR");
    if (count != NULL && !text_number(slice_of(count), 1000000, &rows))
        return rules_tool_usage(tool, "--count is a number, not '%s'", count);
    struct rules *rules = rules_tool_load(tool, tool->argv, tool->argc, true, &is_good);
    int status = EX_CONFIG;
    if (is_good) {
        gather(&files, mail, 0);
        if (files.count > 0)
            qsort(files.paths, files.count, sizeof *files.paths, by_path);
        status = bench_files(tool, rules, &files, (size_t)rows);
        files_fini(&files);
    }
    rules_free(rules);
    return status;
}
