/* author.h - the author domains of a message: those of the addresses in its From field (RFC 9989 5.3.1).
 *
 * Pure. One domain is what a message should have. RFC 9989 11.5 on those that have more: "apply the DMARC mechanism to each domain found ... and
 * apply the most strict policy", for a number that the receiver limits: here AUTHORS_MAX. So several From fields, and several addresses in one,
 * are read alike: every domain that some mail program could show is judged. Where programs differ in what they show (a NUL, "a@b@c", encoded
 * words in an address, a From behind a bare CR in another field), nobody can say what was judged, and the authors are incomplete: no pass can come
 * of that (RFC 9989 4.4). */
#ifndef DMARC_AUTHOR_H
#define DMARC_AUTHOR_H

#include <mailweir/content.h>

#include "domain.h"

enum {
    AUTHORS_MAX = 3,          /* different domains that are judged */
    AUTHOR_FIELDS_MAX = 8,    /* From fields that are read */
    AUTHOR_ENTRIES_MAX = 1000 /* the host shows no more of a field (filter.h, header_addresses) */
};

struct author {
    char octets[DOMAIN_MAX + 1];
    struct mw_slice domain; /* normal form: A-labels (RFC 5890 2.3) */
};
struct authors {
    struct author list[AUTHORS_MAX];
    size_t count;
    size_t fields;  /* From fields */
    size_t spelled; /* octets of their domains beyond ASCII, see from.h */
    bool
        is_incomplete; /* there is more than `list` has: a domain too many, one that is none, or what programs read differently */
    const char *problem; /* static; what is wrong with it, or NULL */
};

/* Start with zeros. One From field: its value as it stands, and the addresses in it; of a field above AUTHOR_FIELDS_MAX nothing is read. */
void authors_add(struct authors *authors, struct mw_slice value,
                 const struct mw_address *const *addresses, size_t count);
/* One field of any other name: its value as it stands. */
void authors_add_other(struct authors *authors, struct mw_slice value);
/* All fields are in. */
void authors_close(struct authors *authors);

#endif
