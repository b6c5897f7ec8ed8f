/* utf8.h - one character of UTF-8 at a time: for everything that prints or decodes text it cannot
 * trust.
 *
 * Pure, header only. Well-formed means RFC 3629 4: no overlong forms, no surrogates, nothing above
 * U+10FFFF. */
#ifndef MW_BASE_UTF8_H
#define MW_BASE_UTF8_H

#include <string.h>

#include "base/slice.h"

/* U+FFFD, what stands for octets that are no character. */
#define MW_UTF8_REPLACEMENT MW_LIT("\xef\xbf\xbd")

/* Range of the second octet behind `lead`, and the character's length; 0 if nothing begins with
 * `lead`. */
static inline size_t mw_utf8_lead(unsigned char lead, unsigned char *out_low,
                                  unsigned char *out_high)
{
    *out_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *out_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Octets of the character at the front of `text`, which is not empty. If there is none
 * (*out_is_valid false): octets that one U+FFFD stands for, at least 1 (Unicode 3.9, "maximal
 * subpart"). */
static inline size_t mw_utf8_next(struct mw_slice text, bool *out_is_valid)
{
    unsigned char low, high;
    size_t len = mw_utf8_lead((unsigned char)text.ptr[0], &low, &high);
    size_t at = 1;
    for (; at < len && at < text.len; at++) {
        unsigned char octet = (unsigned char)text.ptr[at];
        if (octet < low || octet > high)
            break;
        low = 0x80;
        high = 0xbf;
    }
    *out_is_valid = at == len;
    return at;
}

/* Octets at the front of `text` that are ASCII, as far as that can be told eight at a time: where it
 * ends, nothing may be wrong. */
static inline size_t mw_utf8_ascii_run(struct mw_slice text)
{
    uint64_t octets;
    size_t at = 0;
    for (; text.len - at >= sizeof octets; at += sizeof octets) {
        memcpy(&octets, text.ptr + at, sizeof octets);
        if ((octets & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return at;
}

static inline bool mw_utf8_is_valid(struct mw_slice text)
{
    for (size_t at = 0; at < text.len;) {
        bool is_valid;
        at += mw_utf8_ascii_run(MW_SLICE(text.ptr + at, text.len - at));
        if (at == text.len)
            break;
        at += mw_utf8_next(MW_SLICE(text.ptr + at, text.len - at), &is_valid);
        if (!is_valid)
            return false;
    }
    return true;
}

#endif
