/* cli.h - the program's commands: one table, one function each.
 *
 * A command gets its own arguments (argv[0] is its name) and returns an exit status of sysexits.h:
 * 0, 64 usage, 69 unavailable (a port is taken, an upstream does not answer), 77 not permitted, 78
 * configuration; `test` and `check` say 1 and 78 for what they are there to find: 1 a failed test,
 * or an upstream that is not as the configuration has it, 78 errors in the files. */
#ifndef MW_CLI_CLI_H
#define MW_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#define MW_CONFIG_DEFAULT "/etc/mailweir/conf.d"

int mw_cli_main(int argc, char **argv);

int mw_cli_run(int argc, char **argv);
int mw_cli_check(int argc, char **argv);
int mw_cli_test(int argc, char **argv);
int mw_cli_simulate(int argc, char **argv);
int mw_cli_explain(int argc, char **argv);
int mw_cli_version(int argc, char **argv);
int mw_cli_help(int argc, char **argv);
int mw_cli_manual(int argc, char **argv);
/* completion.c: `mailweir manual completion bash|zsh`. */
int mw_cli_completion(const char *shell);
/* The listed command number `index`, NULL behind the last; its options are in the texts. */
const char *mw_cli_command(size_t index, const char **out_synopsis, const char **out_summary,
                           const char **out_details);
/* A command that a filter brings along: argv[0] is the filter's name. */
int mw_cli_tool(int argc, char **argv);
/* Is there a filter module of that name? */
bool mw_cli_has_tool(const char *name);

/* Options that the commands with a configuration share: -c PATH, -v; `check` alone has --upstream,
 * --stages and --cost, `test` --coverage. */
struct mw_cli_options {
    const char *config;
    bool is_verbose, wants_upstream, wants_stages, wants_cost, wants_coverage;
};
/* 0, or an exit status after a message (or, for --help, the command's help). */
int mw_cli_options(int argc, char **argv, struct mw_cli_options *out_options);
/* "mailweir: TEXT", and how to learn more; returns EX_USAGE. */
int mw_cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
