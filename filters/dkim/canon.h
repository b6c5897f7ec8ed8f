/* canon.h - canonical forms of header fields and bodies. RFC 6376 3.4.
 *
 * Pure. What comes out goes to a sink in order, in pieces of any size. Memory is constant, time linear, also over
 * bodies that are nothing but line ends. Pieces may be cut anywhere. */
#ifndef DKIM_CANON_H
#define DKIM_CANON_H

#include "signature.h"

struct sink {
    void (*put)(void *user, struct mw_slice octets);
    void *user;
};

/* One field of a header block as it stands on the wire: name, gap (blanks and the colon), value; a CRLF would be next. */
struct field {
    struct mw_slice name, gap, value;
};

/* The field, its CRLF included. */
void canon_field(enum canon canon, const struct field *field, struct sink sink);
/* A signature's own field: value[cut_from, cut_to) is left out, and the final CRLF. RFC 6376 3.7. */
void canon_signature(enum canon canon, const struct field *field, size_t cut_from, size_t cut_to,
                     struct sink sink);

struct canon_body {
    enum canon canon;
    struct sink sink;
    bool has_cr, has_blank,
        has_text;  /* a CR, blanks at the end of what came; something was put out */
    uint64_t ends; /* line ends that only count if something follows */
    uint64_t len;  /* octets put out */
};
void canon_body_begin(struct canon_body *body, enum canon canon, struct sink sink);
void canon_body_feed(struct canon_body *body, struct mw_slice piece);
void canon_body_end(struct canon_body *body);

#endif
