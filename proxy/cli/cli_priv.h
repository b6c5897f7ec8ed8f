/* cli_priv.h - what several commands share: a configuration loaded without a service, and showing
 * what strangers wrote. */
#ifndef MW_CLI_CLI_PRIV_H
#define MW_CLI_CLI_PRIV_H

#include "base/buf.h"
#include "ops/config.h"

struct mw_cli_loaded {
    struct mw_plugins *plugins;
    struct mw_snapshot *snapshot; /* NULL: errors in diags */
    struct mw_process_settings process;
    struct mw_diags *diags;
};
void mw_cli_load(const char *path, struct mw_cli_loaded *out_loaded);
void mw_cli_unload(struct mw_cli_loaded *loaded);
/* Print what is wrong on stderr: EX_OK, or EX_CONFIG if something is. */
int mw_cli_report(const struct mw_cli_loaded *loaded);

/* "COMMAND: PROBLEM: VALUE" as a usage error; value may be NULL. */
int mw_cli_problem(const char *command, const char *problem, const char *value);
/* An option with a text; tables end with a NULL text. */
struct mw_cli_text {
    int option;
    const char **text;
};
/* Take what getopt_long() (opterr 0, ":" in front of its letters) has returned: a text of the table
 * is set, others are the caller's; EX_OK, or EX_USAGE after a message. */
int mw_cli_take_option(const char *command, char **argv, int option,
                       const struct mw_cli_text *texts);

/* Append what somebody else wrote, for a person's terminal: printable UTF-8 as it is, everything
 * else as \xNN (a line end too), "..." where it is cut after `max` octets. */
void mw_cli_put(struct mw_buf *out, struct mw_slice octets, size_t max);

#endif
