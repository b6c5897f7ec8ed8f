/* content.h - builds the view of <mailweir/content.h> while a message comes in.
 *
 *   octets -> mime.h -> charset.h -> text -> html.h -> visible text, links -> url.h
 *                    -> SHA-256 (base/digest.h), first octets (magic.h), archives (archive.h)
 *
 * Two steps. While octets come in (mw_content_feed) they are only decoded and sorted: constant work
 * for each. At the end (mw_content_finish) charsets, HTML, links, magic and archives are looked at,
 * all bounded; mw_content_is_heavy says whether that belongs on a thread of the pool. One object a
 * message. Counted; complete after the finish and unchanged from then on, so that other threads may
 * read it. */
#ifndef MW_MESSAGE_CONTENT_H
#define MW_MESSAGE_CONTENT_H

#include <mailweir/content.h>

#include "base/slice.h"

enum {
    MW_CONTENT_TEXT_MAX = 1024 * 1024,          /* octets of one part: half of it head, half tail */
    MW_CONTENT_TEXTS_MAX = 4 * 1024 * 1024,     /* of a message */
    MW_CONTENT_ARCHIVE_MAX = 8 * 1024 * 1024,   /* octets of one archive that are kept */
    MW_CONTENT_ARCHIVES_MAX = 16 * 1024 * 1024, /* of a message's */
    MW_CONTENT_MAGIC_MAX = 64,                  /* parts whose octets libmagic is shown */
    MW_CONTENT_URLS_MAX = 1000,
    MW_CONTENT_LIGHT = 128 * 1024 /* octets of text that the loop itself may look at */
};

/* What all messages of a worker share: the database of magic.h, opened when it is first needed, and
 * the loop's charset converters. */
struct mw_content_kit;
struct mw_content_kit *mw_content_kit_new(void);
/* No message may be under way. */
void mw_content_kit_free(struct mw_content_kit **kit);

struct mw_content_maker; /* a view being made, and later the view's owner */

/* `needs`: bits enum mw_content_need. `kit` is borrowed until the finish. */
struct mw_content_maker *mw_content_new(uint32_t needs, struct mw_content_kit *kit);
void mw_content_feed(struct mw_content_maker *maker, struct mw_slice octets);
/* Does the finish take longer than the loop should be held up? */
bool mw_content_is_heavy(const struct mw_content_maker *maker);
/* The view; valid until the last unref. `on_loop`: the kit's converters are free to use. Any other
 * thread opens its own. */
const struct mw_content *mw_content_finish(struct mw_content_maker *maker, bool on_loop);
/* NULL before the finish. */
const struct mw_content *mw_content_view(const struct mw_content_maker *maker);
struct mw_content_maker *mw_content_maker_of(const struct mw_content *content);
/* On the loop only, like the unref: the count is no atomic one. */
void mw_content_ref(struct mw_content_maker *maker);
/* Frees with the last one; also a view that was never finished. */
void mw_content_unref(struct mw_content_maker **maker);
/* Octets of heap memory held: for tests of the limits above. */
size_t mw_content_memory(const struct mw_content_maker *maker);

/* The constant that stands for a defect (message/mime.h). */
const struct mw_content_defect *mw_content_defect(unsigned defect);

#endif
