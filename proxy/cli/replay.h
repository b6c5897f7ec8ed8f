/* replay.h - `mailweir replay`: old mail through one configuration, or through two, and what
 * differs.
 *
 *   replay.c          the command: options, what is told in the end
 *   replay_items.c    which messages: files, directories, Maildirs, mboxes
 *   replay_work.c     worker processes: each loads the configurations and takes its share */
#ifndef MW_CLI_REPLAY_H
#define MW_CLI_REPLAY_H

#include "base/buf.h"

int mw_replay_main(int argc, char **argv);

/* ---- replay_items.c ---- */

/* A message: a whole file, or a piece of an mbox. */
struct mw_replay_item {
    const char *path;     /* the list's */
    uint64_t offset, len; /* len 0: the whole file */
};
struct mw_replay_items {
    struct mw_replay_item *items;
    size_t count, cap;
    char **paths;
    size_t path_count, path_cap;
};
enum { MW_REPLAY_ITEMS_MAX = 10000000 };
/* Add what is at `path`. False: it was said on stderr what is wrong. */
bool mw_replay_items_add(struct mw_replay_items *items, const char *path);
void mw_replay_items_fini(struct mw_replay_items *items);
/* The message's octets; mbox quoting (">From ") is undone. */
bool mw_replay_item_read(const struct mw_replay_item *item, struct mw_buf *out);

/* ---- replay_work.c ---- */

struct mw_replay_setup {
    const char *old_config, *new_config;           /* new_config may be NULL */
    const char *listener, *client, *sender, *rcpt; /* NULL: what the message remembers */
    const struct mw_replay_items *items;
    unsigned jobs;
};
/* What one message came to. */
struct mw_replay_record {
    size_t index;
    bool is_error;        /* it could not be read */
    bool has_other_edits; /* both delivered, but not the same header or envelope */
    struct mw_slice old_verdict, new_verdict; /* "250", "550 rules:spam"; borrowed */
};
/* Runs all; `done` once for each message, in no order. EX_OK, or an exit status after a message. */
int mw_replay_run(const struct mw_replay_setup *setup,
                  void (*done)(void *user, const struct mw_replay_record *record), void *user);

#endif
