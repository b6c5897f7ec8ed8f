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

/* Append what somebody else wrote, for a person's terminal: printable UTF-8 as it is, everything
 * else as \xNN (a line end too), "..." where it is cut after `max` octets. */
void mw_cli_put(struct mw_buf *out, struct mw_slice octets, size_t max);

#endif
