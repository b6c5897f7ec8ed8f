/* content_priv.h - what content.c (octets come in) and content_view.c (the finish) share. */
#ifndef MW_MESSAGE_CONTENT_PRIV_H
#define MW_MESSAGE_CONTENT_PRIV_H

#include <pthread.h>

#include "base/buf.h"
#include "base/digest.h"
#include "message/charset.h"
#include "message/content.h"
#include "message/mime.h"

struct mw_magic;

struct mw_content_kit {
    pthread_mutex_t magic_lock; /* finishes on pool threads share the database */
    struct mw_magic *magic;
    bool has_magic; /* was opened, or cannot be */
    struct mw_charsets *charsets;
};

enum mw_leaf_archive { MW_LEAF_UNDECIDED = 0, MW_LEAF_NO_ARCHIVE, MW_LEAF_ARCHIVE };

/* A part as it comes in. */
struct mw_leaf {
    const struct mw_mime_part *part;
    struct mw_leaf *next;
    struct mw_content_part view;
    uint64_t defects; /* beside part->defects */
    bool is_text, is_html, is_attachment;
    struct mw_sha256 *sha;
    struct mw_buf head; /* first octets, for magic and archives */
    struct mw_buf text; /* the first octets of a text ... */
    char *tail;      /* ... and a ring of the last MW_CONTENT_TEXT_MAX / 2, once there is so much */
    size_t tail_len; /* octets ever put into the ring */
    bool is_cut;     /* some octets were let go */
    enum mw_leaf_archive archive_state;
    struct mw_buf archive;
};

struct mw_content_maker {
    struct mw_content view;
    uint32_t refs;
    bool is_finished;
    uint32_t needs;
    struct mw_content_kit *kit;
    struct mw_mime *mime;
    struct mw_arena arena; /* the view's memory */
    struct mw_leaf *leafs, **last_leaf;
    size_t leaf_count;
    size_t texts_left, archives_left, magic_left; /* of the limits in content.h */
    uint64_t octets;
    uint64_t defects;
};

static inline bool mw_content_wants(const struct mw_content_maker *maker, uint32_t needs)
{
    return (maker->needs & needs) != 0;
}

/* The kit's database for one question: NULL where there is none. Give it back with _unlock. */
struct mw_magic *mw_content_magic_lock(struct mw_content_kit *kit);
void mw_content_magic_unlock(struct mw_content_kit *kit);

#endif
