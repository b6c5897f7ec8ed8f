/* config_kit.h - one load of a configuration in a directory of its own, and what it said: for the
 * unit tests of ops/config*.c. */
#ifndef MW_TEST_CONFIG_KIT_H
#define MW_TEST_CONFIG_KIT_H

#include "ops/config.h"
#include "test.h"

/* One load; what it said stands in `said`. */
struct config_run {
    struct mw_plugins *plugins;
    struct mw_tls_tickets *tickets; /* given to the next load; the caller's */
    struct mw_snapshot *snapshot;
    struct mw_process_settings process;
    struct mw_diags *diags;
    char said[16384];
};
extern struct config_run run;

/* The working directory becomes an empty one of our own, removed at exit, so that messages name
 * "t.conf" and nothing of this machine. At every call the same. */
void enter_directory(void);
/* Load this text as t.conf, generation 7. Without plugins that were loaded before. */
void load(const char *text);
void fini(void);

#define SAID(text) CHECK_MEM(run.said, strlen(run.said), text)

#define UPSTREAM "upstream pf { address 127.0.0.1:10025\n identity xclient }\n"
#define LISTEN "listen mx { address 127.0.0.1:2525\n upstream pf }\n"

#endif
