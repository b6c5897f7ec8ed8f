/* address.h - address lists of header fields (From, To, Cc, Reply-To, Sender): RFC 5322 3.4 and
 * 4.4, as tolerant as mail programs are, and never with two addresses made of one.
 *
 * Pure, linear. Groups are opened, comments dropped (a comment is the name where there is no other),
 * quoted strings undone, encoded words decoded, also in quotes. What is no address is left out;
 * "Some name" without an address gives an entry with a name only, and a single word (From: root) is
 * an address without a domain, and the name, too. */
#ifndef MW_MESSAGE_ADDRESS_H
#define MW_MESSAGE_ADDRESS_H

#include <mailweir/content.h>

#include "base/arena.h"

enum { MW_ADDRESSES_MAX = 1000 };

/* `value`: a raw header value. Results are made with `alloc`; returns their number. */
size_t mw_address_list(struct mw_slice value, void *(*alloc)(void *user, size_t size), void *user,
                       const struct mw_address *const **out_addresses);

#endif
