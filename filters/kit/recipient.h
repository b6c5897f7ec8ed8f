/* recipient.h - recipients that settings name (skip-recipients): who is never refused, whatever a message's sender is worth. */
#ifndef FILTERS_KIT_RECIPIENT_H
#define FILTERS_KIT_RECIPIENT_H

#include "text.h"

/* "a@example.net", "@example.net" (local empty), "a@" (domain empty). */
struct recipient {
    struct mw_slice local, domain; /* domain: normal form */
};
struct recipients {
    struct recipient *list;
    size_t count;
};
/* Local parts without case: who writes postmaster@ means Postmaster too (RFC 5321 4.5.1). Pure. */
bool recipients_have(const struct recipients *recipients, const struct mw_path_view *rcpt);

/* Is mail for him under way still: neither refused, deleted nor discarded? */
bool recipient_is_wanted(const struct mw_path_view *rcpt);

#endif
