/* archive_priv.h - what archive.c and archive_zip.c share: one look into an archive and what it may
 * still cost. */
#ifndef MW_MESSAGE_ARCHIVE_PRIV_H
#define MW_MESSAGE_ARCHIVE_PRIV_H

#include "message/archive.h"

struct mw_archive_job {
    const struct mw_archive_limits *limits;
    struct mw_arena *arena;
    uint64_t deadline_us; /* of the thread's CPU clock */
    uint64_t unpacked;    /* octets, of all layers */
    uint64_t packed;      /* octets they came from */
    uint32_t depth;
    bool is_over; /* a budget is used up */
    bool is_encrypted;
    uint64_t defects;
    const struct mw_content_member **members; /* heap */
    size_t count, cap;
};

/* Is the time up, or something else? Sets is_over and the defect. */
bool mw_archive_over(struct mw_archive_job *job);
/* False if there are too many. The name may be any octets: UTF-8, else `is_dos` says which. */
bool mw_archive_add(struct mw_archive_job *job, struct mw_slice name, bool is_dos, uint64_t octets,
                    bool is_encrypted);
void mw_archive_defect(struct mw_archive_job *job, uint64_t bit);

/* Does it end like a zip, with a directory that is there? */
bool mw_archive_has_zip_end(struct mw_slice octets);
/* The members of a zip, by its directory and by its local headers. */
void mw_archive_zip(struct mw_archive_job *job, struct mw_slice octets, bool is_whole);

#endif
