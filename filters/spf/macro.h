/* macro.h - macro strings of SPF (RFC 7208 7): are they well-formed, and what do they stand for.
 *
 * Pure, no allocation. Texts are at most CHECK_RECORD_MAX octets; values may hold any octet. Work is linear in text and values: of a name only
 * the right end is built, because that is all that a DNS name has room for. */
#ifndef SPF_MACRO_H
#define SPF_MACRO_H

#include "domain.h"
#include "text.h"

enum macro_place {
    MACRO_IN_DOMAIN,     /* a domain-spec: no %{c}, %{r}, %{t} */
    MACRO_IN_MODIFIER,   /* the value of a modifier that nobody knows */
    MACRO_IN_EXPLANATION /* blanks as well */
};
/* `text` is a macro-string as `place` has it (RFC 7208 7.1). */
bool macro_is_valid(struct mw_slice text, enum macro_place place);
/* `text` is a domain-spec: a valid macro-string that ends in a top label or a macro. */
bool macro_is_domain_spec(struct mw_slice text);
/* The letter stands in a macro of `text`, small or capital. `text` is valid. */
bool macro_uses(struct mw_slice text, char letter);

/* What the letters stand for: of['s' - 'a'] and so on. */
struct macro_values {
    struct mw_slice of[26];
};
/* The name that a domain-spec stands for, without a final dot; of one that is too long, labels are taken off its left end (RFC 7208 7.3).
 * Returns its length; 0: nothing is left. It may still be no name that can be asked for. */
size_t macro_domain(struct mw_slice spec, const struct macro_values *values,
                    char out[DOMAIN_MAX + 1]);
/* An explanation, at most `cap` octets; what is not printable ASCII becomes '?'. Returns its length. */
size_t macro_explanation(struct mw_slice text, const struct macro_values *values, char *out,
                         size_t cap);

#endif
