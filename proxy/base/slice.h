/* slice.h - borrowed octets: how everything that is read travels through the code.
 *
 * A slice never owns, never ends in a NUL that you may count on, and may hold any octet. Pass it by
 * value. Whoever hands one out says until when it lives. */
#ifndef MW_BASE_SLICE_H
#define MW_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifndef MW_SLICE_DEFINED /* the same struct stands in <mailweir/filter.h>, which includes nothing \
                            of ours */
#define MW_SLICE_DEFINED
struct mw_slice {
    const char *ptr;
    size_t len;
};
#endif

/* A slice over a string literal, over (pointer, length), and the empty one. */
#define MW_LIT(literal) ((struct mw_slice){.ptr = "" literal, .len = sizeof(literal) - 1})
#define MW_SLICE(pointer, length) ((struct mw_slice){.ptr = (pointer), .len = (length)})
#define MW_EMPTY ((struct mw_slice){.ptr = "", .len = 0})

/* A slice over a C string of our own making (never over peer data). NULL gives the empty slice. */
struct mw_slice mw_slice_cstr(const char *text);

bool mw_slice_eq(struct mw_slice a, struct mw_slice b);
/* Equal without regard to ASCII case: verbs, keywords, domains (RFC 5321 2.4). */
bool mw_slice_ieq(struct mw_slice a, struct mw_slice b);
bool mw_slice_starts(struct mw_slice text, struct mw_slice prefix);
bool mw_slice_istarts(struct mw_slice text, struct mw_slice prefix);
bool mw_slice_iends(struct mw_slice text, struct mw_slice suffix);
/* Octet order, then length: for sorting. */
int mw_slice_cmp(struct mw_slice a, struct mw_slice b);

/* Position of the first `octet`, or -1. */
ptrdiff_t mw_slice_find(struct mw_slice text, char octet);
ptrdiff_t mw_slice_rfind(struct mw_slice text, char octet);
/* Without the first `count` octets (all of them if there are fewer). */
struct mw_slice mw_slice_skip(struct mw_slice text, size_t count);
struct mw_slice mw_slice_take(struct mw_slice text, size_t count);
/* Without blanks (SP, HTAB) at either end. */
struct mw_slice mw_slice_trim(struct mw_slice text);
/* Split at the first `octet`: true with both halves, false if it does not occur (outputs
 * untouched). */
bool mw_slice_split(struct mw_slice text, char octet, struct mw_slice *out_head,
                    struct mw_slice *out_tail);

/* Decimal digits only (no sign, no blank), 1 to 20 of them, value within 0..max.
 * MW_ERR_SYNTAX for anything else, MW_ERR_LIMIT above max. */
MW_MUST_USE enum mw_err mw_slice_to_u64(struct mw_slice text, uint64_t max, uint64_t *out_value);

/* ASCII helpers that do not look at the locale. */
static inline bool mw_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool mw_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool mw_is_alnum(char c)
{
    return mw_is_alpha(c) || mw_is_digit(c);
}
static inline char mw_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char mw_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
/* Value of a hexadecimal digit of either case, or -1. */
int mw_hex_value(char c);

#endif
