/* tool.c - the table of `mailweir rules` and what its commands share. */
#include "tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sysexits.h>

#include "check.h"
#include "describe.h"
#include "load.h"
#include "parse.h"
#include "rate.h"

/* ---- the commands ---- */

struct command {
    const char *name;
    int (*run)(struct tool *);
    const char *synopsis, *summary;
};

static int help(struct tool *tool);

/* clang-format off */
static const struct command commands[] = {
    {"lint", rules_tool_lint, "lint FILE...", "check rule files, run their tests, give advice"},
    {"fmt", rules_tool_fmt, "fmt [--check] FILE...", "lay rule files out in one way; --check only says which would change"},
    {"bench", rules_tool_bench, "bench FILE... --mail DIR", "time rules over the messages of a directory"},
    {"import", rules_tool_import, "import FORMAT FILE [--as KIND]", "another program's table as rules, on standard output"},
    {"unused", rules_tool_counters, "unused [--control PATH | --counters FILE]", "rules of the running service that never held"},
    {"slow", rules_tool_counters, "slow [--control PATH | --counters FILE]", "rules that take most time"},
    {"top", rules_tool_counters, "top [--control PATH | --counters FILE]", "rules that hold most often"},
    {"syntax", rules_tool_syntax, "syntax vim|vscode", "colours for an editor, from the grammar's tables"},
    {"manual", rules_tool_manual, "manual", "the tables of fields and actions, for the manual page"},
    {"help", help, "help", "this text"},
};
/* clang-format on */
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fputs("mailweir rules COMMAND: rule files, without a configuration.\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  mailweir rules %-44s %s\n", commands[i].synopsis, commands[i].summary);
    fputs(
        "\nunused, slow and top ask the service at unix:/run/mailweir/ctl unless told otherwise;\n"
        "--filter NAME if its filter block is not called rules, --count N for more or fewer "
        "lines.\n"
        "FORMAT: postfix, milter-regex, spamassassin. Exit status 0, or 78 if a file has errors.\n",
        out);
}

static int help(struct tool *tool)
{
    (void)tool;
    print_help(stdout);
    return EX_OK;
}

static int unknown_command(const struct mw_host *host, const char *name)
{
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *near = host->lang->near_name(slice_of(name), names);
    fprintf(stderr, "mailweir rules: unknown command '%s'%s%s%s\nTry: mailweir rules help\n", name,
            near != NULL ? ": did you mean '" : "", near != NULL ? near : "",
            near != NULL ? "'?" : "");
    return EX_USAGE;
}

int rules_tool(const struct mw_host *host, struct mw_instance *instance, int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EX_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        struct tool tool = {host, instance, name, argc - 2, argv + 2};
        int status = commands[i].run(&tool);
        return fflush(stdout) == 0 || status != EX_OK ? status : EX_IOERR;
    }
    return unknown_command(host, name);
}

/* ---- arguments ---- */

int rules_tool_usage(const struct tool *tool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "mailweir rules %s: ", tool->command);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry: mailweir rules help\n", stderr);
    return EX_USAGE;
}

static void take_out(struct tool *tool, int at, int count)
{
    for (int i = at; i + count < tool->argc; i++)
        tool->argv[i] = tool->argv[i + count];
    tool->argc -= count;
}

const char *rules_tool_option(struct tool *tool, const char *name, bool *out_is_bad)
{
    size_t len = strlen(name);
    for (int i = 0; i < tool->argc; i++) {
        const char *arg = tool->argv[i];
        if (strncmp(arg, name, len) != 0 || (arg[len] != '\0' && arg[len] != '='))
            continue;
        if (arg[len] == '=') {
            take_out(tool, i, 1);
            return arg + len + 1;
        }
        if (i + 1 == tool->argc) {
            *out_is_bad = true;
            rules_tool_usage(tool, "%s needs a value", name);
            return NULL;
        }
        const char *value = tool->argv[i + 1];
        take_out(tool, i, 2);
        return value;
    }
    return NULL;
}

bool rules_tool_flag(struct tool *tool, const char *name)
{
    for (int i = 0; i < tool->argc; i++)
        if (strcmp(tool->argv[i], name) == 0) {
            take_out(tool, i, 1);
            return true;
        }
    return false;
}

bool rules_tool_options_end(struct tool *tool, const char *const *known)
{
    for (int i = 0; i < tool->argc; i++) {
        const char *arg = tool->argv[i];
        if (arg[0] != '-' || arg[1] == '\0')
            continue;
        const char *near = tool->host->lang->near_name(slice_of(arg), known);
        if (near != NULL)
            rules_tool_usage(tool, "unknown option '%s': did you mean '%s'?", arg, near);
        else
            rules_tool_usage(tool, "unknown option '%s'", arg);
        return false;
    }
    return true;
}

/* ---- a set of rules on its own ---- */

/* What load.c does for a service, without what only a service has: counters and facts. */
static bool finish_alone(struct rules *rules)
{
    if (rules->errors == 0)
        rules_check(rules);
    for (unsigned id = 0; id < FIELD_COUNT; id++)
        rules->fact_ids[id] = -1;
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        for (unsigned counter = 0; counter < COUNTER_COUNT; counter++)
            rule->counters[counter] = -1;
    rules->truncated_counter = -1;
    rules->live = rules_keep(rules, (rules->rule_count + 1) * sizeof *rules->live);
    if (rules->rate_count > 0)
        rules->rate_table = rules_rates_new(rules->rate_entries);
    return rules->errors == 0;
}

struct rules *rules_tool_load(const struct tool *tool, char **files, int count, bool has_index,
                              bool *out_is_good)
{
    enum { MATCH_LIMIT = 200000, SCAN_LIMIT = 1 << 20 };
    struct rules *rules = rules_new(tool->host, tool->instance, MATCH_LIMIT, SCAN_LIMIT);
    rules->has_index = has_index;
    for (int i = 0; i < count; i++)
        rules_parse_file(rules, files[i]);
    *out_is_good = finish_alone(rules);
    return rules;
}

/* ---- tables ---- */

static char *keep_cell(struct mw_slice text)
{
    char *cell = malloc(text.len + 1);
    if (cell == NULL)
        abort();
    memcpy(cell, text.ptr, text.len);
    cell[text.len] = '\0';
    return cell;
}

void rules_table_init(struct tool_table *table, const char *const *heads)
{
    *table = (struct tool_table){.columns = 0};
    while (heads[table->columns] != NULL && table->columns < TABLE_COLUMNS_MAX) {
        table->is_right[table->columns] = *heads[table->columns] == '>';
        table->columns++;
    }
    for (size_t i = 0; i < table->columns; i++)
        rules_table_text(table, slice_of(heads[i] + table->is_right[i]));
}

/* What comes from files and sockets is escaped. */
void rules_table_text(struct tool_table *table, struct mw_slice text)
{
    char room[400];
    struct builder out = {.ptr = room, .cap = sizeof room};
    if (table->rows == table->cap) {
        table->cap = table->cap > 0 ? table->cap * 2 : 64;
        table->cells = realloc(table->cells, table->cap * sizeof *table->cells);
        if (table->cells == NULL)
            abort();
    }
    rules_describe_text(&out, text, sizeof room / 4);
    table->cells[table->rows++] = keep_cell(SLICE(out.ptr, out.len));
}

void rules_table_number(struct tool_table *table, uint64_t number)
{
    char room[40];
    struct builder out = {.ptr = room, .cap = sizeof room};
    rules_describe_count(&out, number);
    rules_table_text(table, SLICE(out.ptr, out.len));
}

static void print_row(const struct tool_table *table, const int *widths, size_t row)
{
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = table->cells[row * table->columns + i];
        bool is_last = i + 1 == table->columns;
        if (table->is_right[i])
            printf("%*s", widths[i], cell);
        else
            printf("%-*s", is_last ? 0 : widths[i], cell);
        fputs(is_last ? "\n" : "  ", stdout);
    }
}

void rules_table_end(struct tool_table *table)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->rows; i++) {
        int width = (int)strlen(table->cells[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t row = 0; row < table->rows / table->columns; row++)
        print_row(table, widths, row);
    for (size_t i = 0; i < table->rows; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct tool_table){.columns = 0};
}
