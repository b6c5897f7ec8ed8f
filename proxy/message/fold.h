/* fold.h - text in the form to compare with: what looks alike is alike.
 *
 * Unicode NFKC_Casefold (utf8proc) with default-ignorable characters (zero width, direction marks,
 * soft hyphens, tags, variation selectors) and combining marks over Latin letters removed, runs of
 * white space as one blank, and letters of other scripts (and digits within words) that look like a
 * Latin letter as that letter, by a table from Unicode's confusables (UTS 39). Idempotent. Pure. */
#ifndef MW_MESSAGE_FOLD_H
#define MW_MESSAGE_FOLD_H

#include "base/buf.h"

/* Appends at most `max` octets to `out`, never half a character. `text` may be any octets; what is
 * not UTF-8 counts as U+FFFD. */
void mw_text_fold(struct mw_slice text, size_t max, struct mw_buf *out);

#endif
