/* tool_counters.c - `mailweir rules unused|slow|top`: what the rules of the running service did, by
 * its counters, from the control socket (mailweir(8)) or from a file with such lines. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool.h"

enum { REPLY_MAX = 64 << 20, WAIT_S = 10, ROWS_DEFAULT = 20 };
#define CONTROL_DEFAULT "unix:/run/mailweir/ctl"

/* One rule's counters; its name is the text between FILTER. and the last dot. */
struct entry {
    struct mw_slice name;
    uint64_t values[COUNTER_COUNT];
    bool is_rule; /* it has `runs`, which lists do not */
};
struct entries {
    struct entry *at;
    size_t count, cap;
};

/* ---- asking ---- */

static int connect_to(const char *path, const char **out_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = WAIT_S};
    if (strncmp(path, "unix:", 5) == 0)
        path += 5;
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path) {
        *out_error = "the path is too long for a socket";
        return -1;
    }
    memcpy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    *out_error = strerror(errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Is the reply's end in it? A line of a dot alone. */
static bool is_whole(const char *text, size_t len)
{
    return (len >= 3 && memcmp(text + len - 3, "\n.\n", 3) == 0) || (len == 2 && *text == '.');
}

static char *read_reply(int fd, size_t *out_len, const char **out_error)
{
    size_t cap = 64 << 10, len = 0;
    char *text = malloc(cap);
    while (text != NULL && !is_whole(text, len)) {
        if (len == cap && (cap >= REPLY_MAX || (text = realloc(text, cap *= 2)) == NULL))
            break;
        ssize_t got = recv(fd, text + len, cap - len, 0);
        if (got <= 0) {
            *out_error = got == 0 ? "it closed the connection" : "it did not answer in time";
            free(text);
            return NULL;
        }
        len += (size_t)got;
    }
    *out_len = len;
    *out_error = "its reply is too long";
    if (text != NULL && !is_whole(text, len)) {
        free(text);
        text = NULL;
    }
    return text;
}

static char *ask(const char *path, const char *filter, size_t *out_len, const char **out_error)
{
    char request[300];
    struct builder out = {.ptr = request, .cap = sizeof request};
    builder_putf(&out, "counters %.200s.\n", filter);
    int fd = connect_to(path, out_error);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (send(fd, request, out.len, MSG_NOSIGNAL) == (ssize_t)out.len)
        text = read_reply(fd, out_len, out_error);
    else
        *out_error = "it does not take the request";
    close(fd);
    return text;
}

/* ---- counters to rules ---- */

static int counter_named(struct mw_slice name)
{
    static const char *const names[COUNTER_COUNT] = {"hits", "errors", "observed",
                                                     "runs", "time",   "suspended"};
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (text_is(name, names[i]))
            return i;
    return -1;
}

/* The counters come sorted by name, so that a rule's stand together; where they do not, sort_names()
 * puts them together. */
static struct entry *entry_of(struct entries *entries, struct mw_slice name)
{
    if (entries->count > 0 && text_eq(entries->at[entries->count - 1].name, name))
        return &entries->at[entries->count - 1];
    if (entries->count == entries->cap) {
        entries->cap = entries->cap > 0 ? entries->cap * 2 : 256;
        entries->at = realloc(entries->at, entries->cap * sizeof *entries->at);
        if (entries->at == NULL)
            abort();
    }
    struct entry *entry = &entries->at[entries->count++];
    *entry = (struct entry){.name = name};
    return entry;
}

/* "rules.bulk-client.hits 12" */
static void read_line(struct entries *entries, struct mw_slice filter, struct mw_slice line)
{
    ptrdiff_t blank = text_find(line, ' ');
    uint64_t value;
    if (blank < 0 || !text_number(text_trim(text_skip(line, (size_t)blank)), UINT64_MAX, &value))
        return;
    struct mw_slice name = SLICE(line.ptr, (size_t)blank);
    if (name.len <= filter.len || !text_eq(SLICE(name.ptr, filter.len), filter) ||
        name.ptr[filter.len] != '.')
        return;
    name = text_skip(name, filter.len + 1);
    ptrdiff_t dot = text_rfind(name, '.');
    int counter = dot > 0 ? counter_named(text_skip(name, (size_t)dot + 1)) : -1;
    if (counter < 0)
        return;
    struct entry *entry = entry_of(entries, SLICE(name.ptr, (size_t)dot));
    entry->values[counter] += value;
    entry->is_rule |= counter == COUNTER_RUNS;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    size_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = memcmp(left->name.ptr, right->name.ptr, len);
    return order != 0 ? order
                      : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

static void sort_names(struct entries *entries)
{
    size_t kept = 0;
    if (entries->count > 0)
        qsort(entries->at, entries->count, sizeof *entries->at, by_name);
    for (size_t i = 0; i < entries->count; i++) {
        if (kept > 0 && text_eq(entries->at[kept - 1].name, entries->at[i].name)) {
            for (unsigned k = 0; k < COUNTER_COUNT; k++)
                entries->at[kept - 1].values[k] += entries->at[i].values[k];
            entries->at[kept - 1].is_rule |= entries->at[i].is_rule;
        } else {
            entries->at[kept++] = entries->at[i];
        }
    }
    entries->count = kept;
}

static void read_counters(struct entries *entries, struct mw_slice filter, struct mw_slice text)
{
    while (text.len > 0) {
        ptrdiff_t end = text_find(text, '\n');
        struct mw_slice line = end < 0 ? text : SLICE(text.ptr, (size_t)end);
        text = end < 0 ? EMPTY : text_skip(text, (size_t)end + 1);
        read_line(entries, filter, text_trim(line));
    }
    sort_names(entries);
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++)
        if (entries->at[i].is_rule)
            entries->at[kept++] = entries->at[i];
    entries->count = kept;
}

/* ---- tables ---- */

static uint64_t ns_a_run(const struct entry *entry)
{
    uint64_t runs = entry->values[COUNTER_RUNS];
    return runs > 0 ? entry->values[COUNTER_TIME] * 1000 / runs : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    uint64_t x = left->values[COUNTER_TIME], y = right->values[COUNTER_TIME];
    return x != y ? (x < y) - (x > y) : by_name(a, b);
}

static int by_hits(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    uint64_t x = left->values[COUNTER_HITS], y = right->values[COUNTER_HITS];
    return x != y ? (x < y) - (x > y) : by_name(a, b);
}

static void print_unused(struct entries *entries, size_t count)
{
    static const char *const heads[] = {"never held", ">looked at", ">errors", NULL};
    struct tool_table table;
    size_t unused = 0;
    rules_table_init(&table, heads);
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->at[i];
        if (entry->values[COUNTER_HITS] > 0 || unused++ >= count)
            continue;
        rules_table_text(&table, entry->name);
        rules_table_number(&table, entry->values[COUNTER_RUNS]);
        rules_table_number(&table, entry->values[COUNTER_ERRORS]);
    }
    rules_table_end(&table);
    printf("%zu of %zu rules never held%s\n", unused, entries->count,
           unused > count ? "; --count shows more" : "");
}

static void print_slow(struct entries *entries, size_t count)
{
    static const char *const heads[] = {"rule",    ">total ms",  ">looked at", ">ns each",
                                        ">errors", ">suspended", NULL};
    struct tool_table table;
    if (entries->count > 0)
        qsort(entries->at, entries->count, sizeof *entries->at, by_time);
    rules_table_init(&table, heads);
    for (size_t i = 0; i < entries->count && i < count; i++) {
        const struct entry *entry = &entries->at[i];
        rules_table_text(&table, entry->name);
        rules_table_number(&table, entry->values[COUNTER_TIME] / 1000);
        rules_table_number(&table, entry->values[COUNTER_RUNS]);
        rules_table_number(&table, ns_a_run(entry));
        rules_table_number(&table, entry->values[COUNTER_ERRORS]);
        rules_table_number(&table, entry->values[COUNTER_SUSPENDED]);
    }
    rules_table_end(&table);
}

static void print_top(struct entries *entries, size_t count)
{
    static const char *const heads[] = {"rule", ">held", ">of these observed", ">looked at", NULL};
    struct tool_table table;
    if (entries->count > 0)
        qsort(entries->at, entries->count, sizeof *entries->at, by_hits);
    rules_table_init(&table, heads);
    for (size_t i = 0; i < entries->count && i < count; i++) {
        const struct entry *entry = &entries->at[i];
        if (entry->values[COUNTER_HITS] == 0)
            break;
        rules_table_text(&table, entry->name);
        rules_table_number(&table, entry->values[COUNTER_HITS]);
        rules_table_number(&table, entry->values[COUNTER_OBSERVED]);
        rules_table_number(&table, entry->values[COUNTER_RUNS]);
    }
    rules_table_end(&table);
}

/* ---- the commands ---- */

struct options {
    const char *control, *file, *filter;
    uint64_t count;
};

static bool parse_options(struct tool *tool, struct options *options)
{
    static const char *const known[] = {"--control", "--counters", "--filter", "--count", NULL};
    bool is_bad = false;
    *options = (struct options){.filter = "rules", .count = ROWS_DEFAULT};
    options->control = rules_tool_option(tool, "--control", &is_bad);
    options->file = rules_tool_option(tool, "--counters", &is_bad);
    const char *filter = rules_tool_option(tool, "--filter", &is_bad);
    const char *count = rules_tool_option(tool, "--count", &is_bad);
    if (is_bad || !rules_tool_options_end(tool, known))
        return false;
    if (filter != NULL)
        options->filter = filter;
    if (count != NULL &&
        (!text_number(slice_of(count), 1000000, &options->count) || options->count == 0)) {
        rules_tool_usage(tool, "--count is a number from 1 on, not '%s'", count);
        return false;
    }
    if (tool->argc > 0 || (options->control != NULL && options->file != NULL)) {
        rules_tool_usage(tool,
                         tool->argc > 0 ? "'%s' is one argument too many"
                                        : "the socket or a file, not both",
                         tool->argc > 0 ? tool->argv[0] : "");
        return false;
    }
    return true;
}

/* Heap. */
static char *get_counters(const struct tool *tool, const struct options *options, size_t *out_len)
{
    const char *error = NULL, *from = options->file;
    char *text;
    if (options->file != NULL) {
        char *read = tool->host->lang->file_read(from, REPLY_MAX, out_len, &error);
        text = read != NULL ? malloc(*out_len + 1) : NULL;
        if (text != NULL)
            memcpy(text, read, *out_len);
        tool->host->lang->file_free(read);
    } else {
        from = options->control != NULL ? options->control : CONTROL_DEFAULT;
        text = ask(from, options->filter, out_len, &error);
    }
    if (text == NULL)
        fprintf(stderr, "mailweir rules %s: %s: %s\n", tool->command, from,
                error != NULL ? error : "unknown error");
    return text;
}

int rules_tool_counters(struct tool *tool)
{
    struct options options;
    struct entries entries = {.count = 0};
    size_t len = 0;
    if (!parse_options(tool, &options))
        return EX_USAGE;
    char *text = get_counters(tool, &options, &len);
    if (text == NULL)
        return options.file != NULL ? EX_NOINPUT : EX_UNAVAILABLE;
    read_counters(&entries, slice_of(options.filter), SLICE(text, len));
    if (entries.count == 0)
        fprintf(stderr, "mailweir rules %s: no counters of a filter '%s' with rules there\n",
                tool->command, options.filter);
    else if (strcmp(tool->command, "unused") == 0)
        print_unused(&entries, options.count);
    else if (strcmp(tool->command, "slow") == 0)
        print_slow(&entries, options.count);
    else
        print_top(&entries, options.count);
    int status = entries.count > 0 ? EX_OK : EX_UNAVAILABLE;
    free(entries.at);
    free(text);
    return status;
}
