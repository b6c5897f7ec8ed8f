/* process.h - what the process asks of the system: privileges, descriptors, memory, the service
 * manager, where its modules lie.
 *
 * Each function is one act with one result and a text for a person where it fails; worker.c decides
 * on the order. */
#ifndef MW_OPS_PROCESS_H
#define MW_OPS_PROCESS_H

#include "base/arena.h"
#include "base/slice.h"

/* Who to become. */
struct mw_account {
    unsigned int uid, gid;
    const char *name; /* as given */
};

/* Look up `user`. MW_ERR_NOENT with a text if there is no such account. */
MW_MUST_USE enum mw_err mw_process_account(const char *user, struct mw_account *out_account,
                                           const char **out_text);
/* Give up root for good: groups, group, user, and proof that there is no way back. `keep_raw`: of
 * all capabilities CAP_NET_RAW stays, which sockets with clients' addresses need (Linux TPROXY).
 * MW_ERR_DENIED with a text; the process must not go on then. Before any thread is started. */
MW_MUST_USE enum mw_err mw_process_become(const struct mw_account *account, bool keep_raw,
                                          const char **out_text);
/* May sockets have addresses that are not this machine's (CAP_NET_ADMIN or CAP_NET_RAW)? */
bool mw_process_may_be_transparent(void);

/* Raise the soft limit of open descriptors to the hard one. Returns what may be open now. */
size_t mw_process_raise_descriptors(void);
/* Let freed 128 KiB chunks be used again instead of going back to the system each time. */
void mw_process_tune_memory(void);
/* Can unlinked files be made in `directory`? A text if not. */
MW_MUST_USE enum mw_err mw_process_check_spool(const char *directory, const char **out_text);

/* Tell the service manager (sd_notify(3)) where $NOTIFY_SOCKET is set: "READY=1" and the like. Lost
 * messages are not an error. */
void mw_process_notify(const char *state);

/* Directories of filter modules in the order of searching, NULL-terminated, from `arena`: `given`,
 * $MAILWEIR_PLUGIN_PATH, the directory filters beside the program, the installed one. */
const char *const *mw_process_plugin_dirs(struct mw_arena *arena, const struct mw_slice *given,
                                          size_t given_count);

/* What this program is. Static texts. */
struct mw_build_info {
    const char *version, *build_type, *sanitizers, *compiler, *plugin_dir;
    const char *libuv;       /* running */
    const char *libuv_built; /* compiled against */
    const char *pcre2_built; /* what the rules filter was compiled against */
};
void mw_process_build_info(struct mw_build_info *out_info);

#endif
