/* from.h - is a From field such that every program reads the same addresses in it?
 *
 * RFC 9989 4.4: "Identifier Alignment cannot occur with a message that is not valid per RFC 5322, particularly one with a malformed, absent, or
 * repeated RFC5322.From". The host's reader of addresses takes what is malformed as well as it can (message/address.h); others take it in other ways,
 * and who forges a From chooses the form on which they differ. So the grammar is asked for here (RFC 5322 3.4, with groups and routes), but for what
 * is common and read by all in one way: dots, brackets and 8-bit octets in a name, a name that is the address again, words without an address.
 *
 * Pure, linear, no memory. */
#ifndef DMARC_FROM_H
#define DMARC_FROM_H

#include "text.h"

/* NULL: it is. Else what is wrong, static. `value`: the field's, as it stands. `found` is told the domain of each address on the way, as it
 * stands: what a reader finds who keeps to the grammar, and sees no encoded words. It may be NULL. */
const char *from_problem(struct mw_slice value, void (*found)(void *user, struct mw_slice domain),
                         void *user);

/* Does another field's value hold what is a From of its own to programs that end lines where we do not ("s\rFrom: ceo@bank.example")? */
bool from_is_hidden_in(struct mw_slice value);

bool from_is_ascii(struct mw_slice text);
/* Domains beyond ASCII are dear to read (IDNA), and a field may be full of them. `spelled` counts their octets; false: there were too many. */
bool from_may_spell(size_t *spelled, struct mw_slice domain);

#endif
