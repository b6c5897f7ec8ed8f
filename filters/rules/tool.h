/* tool.h - `mailweir rules COMMAND`: rule files without a service and without a configuration, and
 * the counters of a running one.
 *
 * Results go to standard output; what is wrong goes to host->diag, which the program prints with
 * the line it speaks of, or to standard error where it is about the command itself. */
#ifndef RULES_TOOL_H
#define RULES_TOOL_H

#include <stdio.h>

#include "model.h"

struct tool {
    const struct mw_host *host;
    struct mw_instance *instance;
    const char *command;
    int argc; /* the command's own arguments */
    char **argv;
};

/* The descriptor's tool(): an exit status of sysexits.h. */
int rules_tool(const struct mw_host *host, struct mw_instance *instance, int argc, char **argv);

/* ---- shared by the commands ---- */

/* "mailweir rules COMMAND: TEXT" on standard error; EX_USAGE. */
int rules_tool_usage(const struct tool *tool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The value of an option that takes one ("--as"), taken out of the arguments with it; NULL: it was
 * not given. Sets *out_is_bad if the value is missing. */
const char *rules_tool_option(struct tool *tool, const char *name, bool *out_is_bad);
/* The same for one without a value. */
bool rules_tool_flag(struct tool *tool, const char *name);
/* No option is left that nobody has taken: true. Otherwise it was reported. */
bool rules_tool_options_end(struct tool *tool, const char *const *known);

/* Read files as one set: parsed, checked, ready to run test blocks. *out_is_good: no errors, else
 * they were reported. What depends on the configuration (which filters provide facts) is not looked
 * at. rules_free() it. */
struct rules *rules_tool_load(const struct tool *tool, char **files, int count, bool has_index,
                              bool *out_is_good);

/* A table of right- and left-aligned columns on standard output. */
enum { TABLE_COLUMNS_MAX = 8 };
struct tool_table {
    size_t columns, rows, cap;
    bool is_right[TABLE_COLUMNS_MAX];
    char **cells; /* heap: row after row */
};
/* `heads`: "rule", ">hits" (right-aligned), ..., NULL. */
void rules_table_init(struct tool_table *table, const char *const *heads);
/* One cell more; rows fill by themselves. */
void rules_table_text(struct tool_table *table, struct mw_slice text);
void rules_table_number(struct tool_table *table, uint64_t number);
/* Prints and frees. */
void rules_table_end(struct tool_table *table);

/* ---- the commands ---- */

int rules_tool_lint(struct tool *tool);
int rules_tool_fmt(struct tool *tool);
int rules_tool_bench(struct tool *tool);
int rules_tool_import(struct tool *tool);
int rules_tool_counters(struct tool *tool); /* unused, slow, top */
int rules_tool_syntax(struct tool *tool);
int rules_tool_manual(struct tool *tool);

/* tool_fmt.c: `text` in the canonical layout; NULL and *out_why (static) where it cannot be. Heap. */
char *rules_format(struct mw_slice text, size_t *out_len, const char **out_why);
/* tool_syntax.c: the editors' files. */
void rules_syntax_vim(FILE *out);
void rules_syntax_vscode(FILE *out);

#endif
