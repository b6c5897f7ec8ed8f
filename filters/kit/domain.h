/* domain.h - domain names of mail: the one form in which they are asked for and compared.
 *
 * Pure. A-labels by libidn2 (IDNA 2008, non-transitional). RFC 1035 2.3.4 (sizes), RFC 5890. */
#ifndef FILTERS_KIT_DOMAIN_H
#define FILTERS_KIT_DOMAIN_H

#include "text.h"

enum { DOMAIN_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* `text` as a name to ask for, in `out`: ASCII lower case, U-labels (UTF-8) as A-labels, one final dot removed. 0: it is none: empty, longer than
 * DOMAIN_MAX, an empty label or one above DOMAIN_LABEL_MAX, octets other than letters, digits, '-' and '_', bad UTF-8, a label
 * that IDNA does not allow, an address literal ("[...]"). Else the length. */
size_t domain_normalize(struct mw_slice text, char out[DOMAIN_MAX + 1]);
/* Normal forms from here on. */
size_t domain_labels(struct mw_slice domain);
/* Without its first `count` labels; empty if it has no more. */
struct mw_slice domain_parent(struct mw_slice domain, size_t count);
/* `domain` is `of` or below it. */
bool domain_is_below(struct mw_slice domain, struct mw_slice of);

/* What settings say: "example.net", or ".example.net" for it and all below. */
struct domain {
    struct mw_slice name;
    bool is_below;
};
bool domain_fits(const struct domain *domain, struct mw_slice name);

#endif
