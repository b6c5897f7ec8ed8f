/* text.h - octets: comparing, copying and building. A filter links nothing of the proxy, so it
 * brings its own few. */
#ifndef FILTERS_KIT_TEXT_H
#define FILTERS_KIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <mailweir/filter.h>

#define LIT(literal) ((struct mw_slice){.ptr = "" literal, .len = sizeof(literal) - 1})
#define SLICE(pointer, length) ((struct mw_slice){.ptr = (pointer), .len = (length)})
#define EMPTY ((struct mw_slice){.ptr = "", .len = 0})

static inline struct mw_slice slice_of(const char *text)
{
    return SLICE(text, strlen(text));
}
static inline bool text_eq(struct mw_slice a, struct mw_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool text_is(struct mw_slice a, const char *b)
{
    return text_eq(a, slice_of(b));
}
static inline struct mw_slice text_skip(struct mw_slice text, size_t count)
{
    return count >= text.len ? EMPTY : SLICE(text.ptr + count, text.len - count);
}
static inline char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Without regard to ASCII case. */
bool text_ieq(struct mw_slice a, struct mw_slice b);
/* Position of the first / last `c`, or -1. */
ptrdiff_t text_find(struct mw_slice text, char c);
ptrdiff_t text_rfind(struct mw_slice text, char c);
/* Without blanks and line ends around it. */
struct mw_slice text_trim(struct mw_slice text);
/* The domain of an address: behind the last '@'; empty if there is none. */
struct mw_slice text_domain(struct mw_slice address);
/* Two addresses: the local part as it is, the domain without case (RFC 5321 2.4). */
bool text_address_eq(struct mw_slice a, struct mw_slice b);
/* Among words with one blank between them, without case: " SIZE=1000 SMTPUTF8" of MAIL has SMTPUTF8 (RFC 6531 3.4). */
bool text_has_word(struct mw_slice words, struct mw_slice word);
/* All decimal digits, at most `max`; false for anything else. */
bool text_number(struct mw_slice text, uint64_t max, uint64_t *out);
/* How many octets at the front are well-formed UTF-8 (RFC 3629). */
size_t text_utf8_len(struct mw_slice text);
/* Copy of `text` into `out` (3 * text.len octets of room) with each bad octet as U+FFFD; returns
 * the length. */
size_t text_utf8_mend(struct mw_slice text, char *out);
/* 64-bit FNV-1a; `fold` takes ASCII letters as lower case. */
uint64_t text_hash(struct mw_slice text, bool fold);

/* A text being built in the caller's array; what does not fit is left out. */
struct builder {
    char *ptr;
    size_t len, cap;
};
void builder_put(struct builder *builder, struct mw_slice text);
void builder_putf(struct builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
