/* maildir.h - messages into a Maildir: written under tmp/, made durable, then moved to new/ in one
 * step.
 *
 * A message is in new/ whole or not at all, whatever dies in between. Names are unique on this
 * host. Not here: reading mail, flags, quotas. Errors of single writes are remembered and told by
 * commit. */
#ifndef MW_CLI_MAILDIR_H
#define MW_CLI_MAILDIR_H

#include "base/buf.h"

struct mw_maildir;

/* Open `path`, which is made with its tmp/, new/ and cur/ if missing (the parent must exist).
 * MW_ERR_IO with a text for a person in *out_text. */
MW_MUST_USE enum mw_err mw_maildir_open(const char *path, struct mw_maildir **out_maildir,
                                        const char **out_text);
void mw_maildir_close(struct mw_maildir **maildir);

/* One message being written. Private but for `name`, its file name. */
struct mw_maildir_file {
    int fd;
    bool is_lf;  /* CRLF is stored as LF, which readers of a Maildir expect */
    bool has_cr; /* a CR at the end of what came last */
    int error;   /* errno of what went wrong first; 0 = nothing */
    char name[96];
    struct mw_buf pending;
};

/* Create the file under tmp/. With `is_lf` line ends become LF; without it every octet is stored.
 */
MW_MUST_USE enum mw_err mw_maildir_begin(struct mw_maildir *maildir, bool is_lf,
                                         struct mw_maildir_file *out_file);
void mw_maildir_write(struct mw_maildir_file *file, struct mw_slice octets);
/* Make it durable (unless `is_quick`) and visible; the file is closed either way, and removed on
 * failure (MW_ERR_IO). May run in another thread as long as nobody else uses this file. */
MW_MUST_USE enum mw_err mw_maildir_commit(struct mw_maildir *maildir, struct mw_maildir_file *file,
                                          bool is_quick);
/* Close and remove. */
void mw_maildir_abort(struct mw_maildir *maildir, struct mw_maildir_file *file);

#endif
