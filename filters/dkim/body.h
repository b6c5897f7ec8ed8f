/* body.h - hashes of one body for several signatures: each canonical form is made once, each distinct hash computed once.
 *
 * Memory is constant but for the hashes asked for. */
#ifndef DKIM_BODY_H
#define DKIM_BODY_H

#include "digest.h"

struct body;
/* For at most `max` distinct hashes. Never NULL. */
struct body *body_new(size_t max);
void body_free(struct body **body); /* NULL: nothing */
/* Ask for a hash, before the first piece: of the whole, or of the first `length` octets of the canonical form. Returns its number; the same
 * for the same. */
size_t body_want(struct body *body, enum canon canon, bool has_length, uint64_t length);
void body_feed(struct body *body, struct mw_slice piece);
void body_end(struct body *body);
/* Behind the end: the hash, and the octets that the whole canonical form has. */
const unsigned char *body_hash(const struct body *body, size_t number);
uint64_t body_len(const struct body *body, enum canon canon);

#endif
