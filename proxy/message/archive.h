/* archive.h - what an archive holds: names, sizes, passwords; by libarchive, within budgets.
 *
 * zip, tar (also compressed), 7z, rar (both), gzip, bzip2, xz, zstd, lz4, compress; archives in
 * archives are opened once.
 * Octets are unpacked only to reach what is behind them, or to look into an inner archive; a budget
 * that is used up ends the work. Hostile input; runs in the caller's thread and never blocks.
 * Damaged archives give what can be read; a zip without its end is read by its local headers. */
#ifndef MW_MESSAGE_ARCHIVE_H
#define MW_MESSAGE_ARCHIVE_H

#include <mailweir/content.h>

#include "base/arena.h"

struct mw_archive_limits {
    size_t members_max;   /* of all layers */
    uint64_t octets_max;  /* unpacked in all */
    uint32_t ratio_max;   /* unpacked : packed, once more than 1 MiB is unpacked */
    uint64_t time_max_us; /* CPU time of the calling thread */
};
extern const struct mw_archive_limits mw_archive_defaults; /* 1,000; 32 MiB; 100; 50 ms */

struct mw_archive {
    const struct mw_content_member *const *members;
    size_t member_count;
    bool is_encrypted;
    uint64_t defects; /* MW_DEFECT_BIT of ARCHIVE_... (message/mime.h) */
};

/* Does it begin like an archive of a kind known here? `head`: its first octets, 512 suffice. */
bool mw_archive_is_known(struct mw_slice head);
/* Is it the name of an archive, or of an office document, which is one? What has such a name is
 * worth a look whatever it begins with: a zip is found by its end. */
bool mw_archive_is_name(struct mw_slice name);
/* `is_whole` false: only the first octets of it are here. Memory from `arena`. */
void mw_archive_read(struct mw_slice octets, bool is_whole, const struct mw_archive_limits *limits,
                     struct mw_arena *arena, struct mw_archive *out_archive);

#endif
