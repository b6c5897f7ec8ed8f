/* taglist.h - "a=x; b=y": the lists of DKIM signatures and keys (RFC 6376 3.2) and of DMARC records (RFC 9989 4.7).
 *
 * Pure: views into the text; no allocation. Any octets may come in. */
#ifndef FILTERS_KIT_TAGLIST_H
#define FILTERS_KIT_TAGLIST_H

#include "text.h"

enum { TAGLIST_MAX = 64 }; /* tags; a list with more is not valid */

struct tag {
    struct mw_slice name,
        value; /* value: without folding white space around it; inside it as it stands */
};
struct taglist {
    struct tag tags[TAGLIST_MAX];
    size_t count;
};

/* False: not a tag list (a name that is none, no '=', the same name twice, an octet that a value may not have, too many). An empty one is
 * valid, and one final ';' is. Names count with case (RFC 6376 3.2). Linear. */
bool taglist_parse(struct mw_slice text, struct taglist *out);
/* The value's view, or .ptr NULL. */
struct mw_slice taglist_find(const struct taglist *list, const char *name);

#endif
