/* decode.c - RFC 2047 for test messages only: live mail is decoded by the proxy. Knows UTF-8,
 * US-ASCII and ISO-8859-1 (and windows-1252 as far as they agree); a word in any other character
 * set stays as it is written. */
#include "testblock.h"

enum charset { CHARSET_OTHER = 0, CHARSET_UTF8, CHARSET_LATIN1 };

static enum charset charset_of(struct mw_slice name)
{
    ptrdiff_t language = rules_text_find(name, '*'); /* RFC 2231 5 */
    if (language >= 0)
        name.len = (size_t)language;
    if (rules_text_ieq(name, LIT("utf-8")) || rules_text_ieq(name, LIT("us-ascii")))
        return CHARSET_UTF8;
    return rules_text_ieq(name, LIT("iso-8859-1")) || rules_text_ieq(name, LIT("windows-1252"))
               ? CHARSET_LATIN1
               : CHARSET_OTHER;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                           ? c - '0'
           : text_lower(c) >= 'a' && text_lower(c) <= 'f' ? text_lower(c) - 'a' + 10
                                                          : -1;
}

static size_t decode_q(struct mw_slice text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_hex = text.ptr[i] == '=' && i + 2 < text.len && hex_value(text.ptr[i + 1]) >= 0 &&
                      hex_value(text.ptr[i + 2]) >= 0;
        if (is_hex) {
            out[len++] = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        } else {
            out[len++] = text.ptr[i] == '_' ? ' ' : text.ptr[i];
        }
    }
    return len;
}

static size_t decode_b(struct mw_slice text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, count = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
        if (digit == NULL)
            continue;
        bits = bits << 6 | (uint32_t)(digit - digits);
        count += 6;
        if (count >= 8)
            out[len++] = (char)(bits >> (count -= 8) & 0xff);
    }
    return len;
}

/* To UTF-8, in place of `len` octets at `out`; at most twice as many afterwards. */
static size_t widen_latin1(char *out, size_t len)
{
    size_t high = 0;
    for (size_t i = 0; i < len; i++)
        high += (unsigned char)out[i] >= 0x80;
    for (size_t from = len, to = len + high; from > 0;) {
        unsigned char c = (unsigned char)out[--from];
        if (c >= 0x80) {
            out[--to] = (char)(0x80 | (c & 0x3f));
            c = (unsigned char)(0xc0 | c >> 6);
        }
        out[--to] = (char)c;
    }
    return len + high;
}

/* "=?charset?B?text?=" at the front: decodes it and sets *out_used; 0 octets and *out_used 0 if it
 * is none. */
static size_t decode_word(struct mw_slice text, char *out, size_t *out_used)
{
    struct mw_slice parts[3], rest = text_skip(text, 2);
    *out_used = 0;
    if (text.len < 8 || memcmp(text.ptr, "=?", 2) != 0)
        return 0;
    for (int i = 0; i < 3; i++) {
        ptrdiff_t mark = rules_text_find(rest, '?');
        if (mark < 0)
            return 0;
        parts[i] = SLICE(rest.ptr, (size_t)mark);
        rest = text_skip(rest, (size_t)mark + 1);
    }
    enum charset charset = charset_of(parts[0]);
    char encoding = parts[1].len == 1 ? text_lower(parts[1].ptr[0]) : '\0';
    if (rest.len == 0 || rest.ptr[0] != '=' || charset == CHARSET_OTHER ||
        (encoding != 'q' && encoding != 'b'))
        return 0;
    *out_used = (size_t)(rest.ptr + 1 - text.ptr);
    size_t len = encoding == 'q' ? decode_q(parts[2], out) : decode_b(parts[2], out);
    return charset == CHARSET_LATIN1 ? widen_latin1(out, len) : len;
}

/* Blanks between two encoded words vanish (RFC 2047 6.2). */
static size_t blanks_before_word(struct mw_slice text)
{
    size_t blanks = 0;
    while (blanks < text.len && (text.ptr[blanks] == ' ' || text.ptr[blanks] == '\t' ||
                                 text.ptr[blanks] == '\r' || text.ptr[blanks] == '\n'))
        blanks++;
    return blanks > 0 && text.len - blanks >= 2 && memcmp(text.ptr + blanks, "=?", 2) == 0 ? blanks
                                                                                           : 0;
}

size_t rules_decode_header(struct mw_slice value, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < value.len;) {
        size_t used = 0, got = decode_word(text_skip(value, i), out + len, &used);
        if (used > 0) {
            len += got;
            i += used;
            i += blanks_before_word(text_skip(value, i));
        } else if (value.ptr[i] == '\r' || value.ptr[i] == '\n') {
            i++;
        } else {
            out[len++] = value.ptr[i++];
        }
    }
    return len;
}
