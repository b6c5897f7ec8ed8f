/* slice.c - comparisons and cuts over borrowed octets. Nothing here allocates. */
#include "base/slice.h"

#include <string.h>

struct mw_slice mw_slice_cstr(const char *text)
{
    return text == NULL ? MW_EMPTY : MW_SLICE(text, strlen(text));
}

bool mw_slice_eq(struct mw_slice a, struct mw_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool mw_slice_ieq(struct mw_slice a, struct mw_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (mw_lower(a.ptr[i]) != mw_lower(b.ptr[i]))
            return false;
    return true;
}

bool mw_slice_starts(struct mw_slice text, struct mw_slice prefix)
{
    return text.len >= prefix.len && mw_slice_eq(mw_slice_take(text, prefix.len), prefix);
}

bool mw_slice_istarts(struct mw_slice text, struct mw_slice prefix)
{
    return text.len >= prefix.len && mw_slice_ieq(mw_slice_take(text, prefix.len), prefix);
}

bool mw_slice_iends(struct mw_slice text, struct mw_slice suffix)
{
    return text.len >= suffix.len &&
           mw_slice_ieq(mw_slice_skip(text, text.len - suffix.len), suffix);
}

int mw_slice_cmp(struct mw_slice a, struct mw_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t mw_slice_find(struct mw_slice text, char octet)
{
    const char *at = text.len == 0 ? NULL : memchr(text.ptr, octet, text.len);
    return at == NULL ? -1 : at - text.ptr;
}

ptrdiff_t mw_slice_rfind(struct mw_slice text, char octet)
{
    const char *at = text.len == 0 ? NULL : memrchr(text.ptr, octet, text.len);
    return at == NULL ? -1 : at - text.ptr;
}

struct mw_slice mw_slice_skip(struct mw_slice text, size_t count)
{
    if (count > text.len)
        count = text.len;
    return MW_SLICE(text.len == 0 ? "" : text.ptr + count, text.len - count);
}

struct mw_slice mw_slice_take(struct mw_slice text, size_t count)
{
    return MW_SLICE(text.ptr, count < text.len ? count : text.len);
}

struct mw_slice mw_slice_trim(struct mw_slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = mw_slice_skip(text, 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool mw_slice_split(struct mw_slice text, char octet, struct mw_slice *out_head,
                    struct mw_slice *out_tail)
{
    ptrdiff_t at = mw_slice_find(text, octet);
    if (at < 0)
        return false;
    *out_head = mw_slice_take(text, (size_t)at);
    *out_tail = mw_slice_skip(text, (size_t)at + 1);
    return true;
}

enum mw_err mw_slice_to_u64(struct mw_slice text, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 20)
        return MW_ERR_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        if (!mw_is_digit(text.ptr[i]))
            return MW_ERR_SYNTAX;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return MW_ERR_LIMIT;
        value = value * 10 + digit;
    }
    if (value > max)
        return MW_ERR_LIMIT;
    *out_value = value;
    return MW_OK;
}

int mw_hex_value(char c)
{
    if (mw_is_digit(c))
        return c - '0';
    c = mw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
