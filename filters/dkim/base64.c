/* base64.c - see base64.h. */
#include "base64.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (text_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The octets of the `digits` that are left over at the end, and whether `pads` fit them. */
static bool finish(uint32_t bits, unsigned digits, unsigned pads, unsigned char *out, size_t room,
                   size_t *out_more)
{
    *out_more = digits > 1 ? digits - 1 : 0;
    if (digits == 1 || *out_more > room || (pads > 0 && (digits == 0 || digits + pads != 4)))
        return false;
    bits <<= 6 * (4 - digits);
    for (size_t i = 0; i < *out_more; i++)
        out[i] = (unsigned char)(bits >> (16 - 8 * i));
    return true;
}

bool dkim_base64(struct mw_slice text, unsigned char *out, size_t cap, size_t *out_len)
{
    uint32_t bits = 0;
    unsigned digits = 0, pads = 0;
    size_t len = 0, more;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int value = digit(c);
        if (is_blank(c))
            continue;
        if (c == '=' && pads < 2) {
            pads++;
            continue;
        }
        if (value < 0 || pads > 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++digits < 4)
            continue;
        if (cap - len < 3)
            return false;
        out[len++] = (unsigned char)(bits >> 16);
        out[len++] = (unsigned char)(bits >> 8);
        out[len++] = (unsigned char)bits;
        bits = digits = 0;
    }
    if (!finish(bits, digits, pads, out + len, cap - len, &more))
        return false;
    *out_len = len + more;
    return *out_len > 0;
}
