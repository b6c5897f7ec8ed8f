/* text.c - see text.h. Nothing here looks at the locale, allocates or keeps anything. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

bool text_ieq(struct mw_slice a, struct mw_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (text_lower(a.ptr[i]) != text_lower(b.ptr[i]))
            return false;
    return true;
}

ptrdiff_t text_find(struct mw_slice text, char c)
{
    const char *found = text.len ? memchr(text.ptr, c, text.len) : NULL;
    return found == NULL ? -1 : found - text.ptr;
}

ptrdiff_t text_rfind(struct mw_slice text, char c)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.ptr[i - 1] == c)
            return (ptrdiff_t)i - 1;
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct mw_slice text_trim(struct mw_slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = text_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

struct mw_slice text_domain(struct mw_slice address)
{
    ptrdiff_t at = text_rfind(address, '@');
    return at < 0 ? EMPTY : text_skip(address, (size_t)at + 1);
}

bool text_address_eq(struct mw_slice a, struct mw_slice b)
{
    ptrdiff_t at = text_rfind(a, '@');
    if (a.len != b.len || at != text_rfind(b, '@'))
        return false;
    size_t local = at < 0 ? a.len : (size_t)at;
    return text_eq(SLICE(a.ptr, local), SLICE(b.ptr, local)) &&
           text_ieq(text_skip(a, local), text_skip(b, local));
}

bool text_has_word(struct mw_slice words, struct mw_slice word)
{
    while (words.len > 0) {
        ptrdiff_t blank = text_find(words, ' ');
        struct mw_slice first = blank < 0 ? words : SLICE(words.ptr, (size_t)blank);
        if (text_ieq(first, word))
            return true;
        words = text_skip(words, first.len + 1);
    }
    return false;
}

bool text_number(struct mw_slice text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!text_is_digit(text.ptr[i]))
            return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* Length of the well-formed sequence at the front, 0 if it is not one. RFC 3629 4. */
static size_t sequence_len(const unsigned char *p, size_t len)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len < need)
        return 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

size_t text_utf8_len(struct mw_slice text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t at = 0;
    while (at < text.len) {
        uint64_t eight;
        if (text.len - at >= sizeof eight) { /* most mail is ASCII */
            memcpy(&eight, p + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t len = sequence_len(p + at, text.len - at);
        if (len == 0)
            return at;
        at += len;
    }
    return at;
}

size_t text_utf8_mend(struct mw_slice text, char *out)
{
    size_t len = 0;
    while (text.len > 0) {
        size_t good = text_utf8_len(text);
        memcpy(out + len, text.ptr, good);
        len += good;
        if (good == text.len)
            break;
        memcpy(out + len, "\xef\xbf\xbd", 3);
        len += 3;
        text = text_skip(text, good + 1);
    }
    return len;
}

uint64_t text_hash(struct mw_slice text, bool fold)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        char c = fold ? text_lower(text.ptr[i]) : text.ptr[i];
        hash = (hash ^ (unsigned char)c) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 32;
}

void builder_put(struct builder *builder, struct mw_slice text)
{
    size_t room = builder->cap - builder->len;
    size_t len = text.len < room ? text.len : room;
    if (len > 0)
        memcpy(builder->ptr + builder->len, text.ptr, len);
    builder->len += len;
}

void builder_putf(struct builder *builder, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0)
        builder_put(builder,
                    SLICE(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}
