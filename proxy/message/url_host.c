/* url_host.c - hosts as browsers read them (WHATWG URL 3.5), and top level domains.
 *
 * The order is the standard's: percent signs, then IDNA (libidn2, UTS 46 without transitional
 * rules), then IPv4 in any spelling. Where it leaves the standard: a host that IDNA refuses is kept
 * as lower-case UTF-8, as some programs would still look it up; final dots are taken off. */
#include "message/url_priv.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

/* ---- characters ---- */

static uint32_t code_of(struct mw_slice character)
{
    const unsigned char *octet = (const unsigned char *)character.ptr;
    if (character.len == 1)
        return octet[0];
    uint32_t code = octet[0] & (0xffu >> (character.len + 1));
    for (size_t i = 1; i < character.len; i++)
        code = code << 6 | (octet[i] & 0x3f);
    return code;
}

/* What UTS 46 maps to nothing. */
static bool is_ignored(uint32_t code)
{
    return code == 0xad || code == 0x34f || (code >= 0x180b && code <= 0x180f) || code == 0x200b ||
           code == 0x2060 || code == 0x2064 || (code >= 0xfe00 && code <= 0xfe0f) || code == 0xfeff;
}

/* Dots and letters of full width as plain ones, the rest as it is. Done here as well as in libidn2,
 * so that a host that it refuses for another reason cannot hide behind them. */
static void put_mapped(struct mw_slice character, struct mw_buf *out)
{
    uint32_t code = code_of(character);
    if (is_ignored(code))
        return;
    if (code == 0x3002 || code == 0xff61)
        mw_buf_putc(out, '.');
    else if (code >= 0xff01 && code <= 0xff5e)
        mw_buf_putc(out, mw_lower((char)(code - 0xff01 + '!')));
    else if (code < 0x80)
        mw_buf_putc(out, mw_lower((char)code));
    else
        mw_buf_put(out, character);
}

/* False: no UTF-8. */
static bool map_host(struct mw_slice host, struct mw_buf *out)
{
    while (host.len > 0) {
        bool is_valid;
        size_t len = mw_utf8_next(host, &is_valid);
        if (!is_valid)
            return false;
        put_mapped(mw_slice_take(host, len), out);
        host = mw_slice_skip(host, len);
    }
    return true;
}

static void percent_decode(struct mw_slice host, struct mw_buf *out)
{
    for (size_t at = 0; at < host.len; at++) {
        int high = -1, low = -1;
        if (host.ptr[at] == '%' && at + 2 < host.len) {
            high = mw_hex_value(host.ptr[at + 1]);
            low = mw_hex_value(host.ptr[at + 2]);
        }
        bool is_pair = high >= 0 && low >= 0;
        mw_buf_putc(out, is_pair ? (char)(high * 16 + low) : host.ptr[at]);
        at += is_pair ? 2 : 0;
    }
}

/* Forbidden domain code points (WHATWG URL 3.2). */
static bool has_forbidden(struct mw_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c <= ' ' || c == 0x7f || (c < 0x80 && strchr("#%/:<>?@[\\]^|", c) != NULL))
            return true;
    }
    return false;
}

static bool is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* U-labels as A-labels, in place; unchanged if IDNA refuses the host. */
static void to_ascii(struct mw_buf *host)
{
    enum { IDNA_MAX = 1024 };
    if (host->len > IDNA_MAX || is_ascii(mw_buf_view(host)))
        return;
    *mw_buf_reserve(host, 1) = '\0';
    char *ascii = NULL;
    if (idn2_to_ascii_8z(host->ptr, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return;
    host->len = 0;
    for (const char *c = ascii; *c != '\0'; c++)
        mw_buf_putc(host, mw_lower(*c));
    idn2_free(ascii);
}

/* ---- addresses ---- */

/* A number of an IPv4 address: 0x hexadecimal, 0 octal, else decimal; "0x" is 0. */
static bool read_part(struct mw_slice text, uint64_t *out_value)
{
    unsigned base = 10;
    if (text.len >= 2 && text.ptr[0] == '0') {
        bool is_hex = text.ptr[1] == 'x';
        base = is_hex ? 16 : 8;
        text = mw_slice_skip(text, is_hex ? 2 : 1);
    } else if (text.len == 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = mw_hex_value(text.ptr[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        if (value <= UINT32_MAX)
            value = value * base + (unsigned)digit;
    }
    *out_value = value;
    return true;
}

static struct mw_slice last_label(struct mw_slice host)
{
    ptrdiff_t dot = mw_slice_rfind(host, '.');
    return dot < 0 ? host : mw_slice_skip(host, (size_t)dot + 1);
}

/* WHATWG URL 3.5 "ends in a number": then it is an address or nothing. */
static bool ends_in_number(struct mw_slice host)
{
    struct mw_slice last = last_label(host);
    size_t digits = 0;
    while (digits < last.len && mw_is_digit(last.ptr[digits]))
        digits++;
    uint64_t value;
    return (last.len > 0 && digits == last.len) ||
           (mw_slice_starts(last, MW_LIT("0x")) && read_part(last, &value));
}

static bool read_ipv4(struct mw_slice host, struct mw_arena *arena, struct mw_slice *out_host)
{
    uint64_t address = 0, value;
    for (unsigned count = 0; count < 4; count++) {
        struct mw_slice part = host, rest;
        bool is_last = !mw_slice_split(host, '.', &part, &rest);
        if (!read_part(part, &value))
            return false;
        if (is_last) {
            if (value >= (uint64_t)1 << (8 * (4 - count)))
                return false;
            address |= value;
            *out_host = mw_arena_printf(
                arena, "%u.%u.%u.%u", (unsigned)(address >> 24), (unsigned)(address >> 16 & 0xff),
                (unsigned)(address >> 8 & 0xff), (unsigned)(address & 0xff));
            return true;
        }
        if (value > 255)
            return false;
        address |= value << (24 - 8 * count);
        host = rest;
    }
    return false;
}

/* Between the brackets. RFC 5952, which inet_ntop follows. */
static bool read_ipv6(struct mw_slice text, struct mw_arena *arena, struct mw_slice *out_host)
{
    char plain[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof plain || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(plain, text.ptr, text.len);
    plain[text.len] = '\0';
    if (inet_pton(AF_INET6, plain, &address) != 1 ||
        inet_ntop(AF_INET6, &address, plain, sizeof plain) == NULL)
        return false;
    *out_host = mw_arena_printf(arena, "[%s]", plain);
    return true;
}

static void drop_final_dots(struct mw_buf *host)
{
    while (host->len > 0 && host->ptr[host->len - 1] == '.')
        host->len--;
}

static bool read_name(struct mw_buf *host, struct mw_arena *arena, struct mw_slice *out_host)
{
    drop_final_dots(host);
    to_ascii(host);
    drop_final_dots(host);
    struct mw_slice name = mw_buf_view(host);
    if (name.len == 0 || has_forbidden(name))
        return false;
    if (ends_in_number(name))
        return read_ipv4(name, arena, out_host);
    *out_host = mw_arena_dup(arena, name);
    return true;
}

bool mw_url_host(struct mw_slice host, struct mw_arena *arena, struct mw_slice *out_host)
{
    if (host.len == 0 || host.len > MW_URL_HOST_MAX)
        return false;
    if (host.ptr[0] == '[')
        return host.ptr[host.len - 1] == ']' &&
               read_ipv6(MW_SLICE(host.ptr + 1, host.len - 2), arena, out_host);
    struct mw_buf decoded = {0}, mapped = {0};
    percent_decode(host, &decoded);
    bool is_host = map_host(mw_buf_view(&decoded), &mapped) && read_name(&mapped, arena, out_host);
    mw_buf_fini(&decoded);
    mw_buf_fini(&mapped);
    return is_host;
}

/* ---- top level domains ---- */

/* clang-format off */
/* Two letters: the second ones by the first. IANA's root zone database: the country codes of ISO
 * 3166 that are delegated, with ac, eu, su and uk. */
static const char *const country_codes['z' - 'a' + 1] = {
    "cdefgilmoqrstuwxz", "abdefghijmnorstvwyz", "acdfghiklmnoruvwxyz", "ejkmoz", "cegrstu",
    "ijkmor", "abdefghilmnpqrstuwy", "kmnrtu", "delmnoqrst", "emop", "eghimnprwyz",
    "abcikrstuvy", "acdeghklmnopqrstuvwxyz", "acefgilopruz", "m", "aefghklmnrstwy", "a",
    "eosuw", "abcdeghijklmnorstuvxyz", "cdfghjklmnortvwz", "agksyz", "aceginu", "fs", "", "et",
    "amw",
};

/* Others, in octet order: the old ones of the root zone, and those among the new ones that mail
 * shows most, or that abuse lists name most (as of 2024). A bare host below another one needs a
 * scheme or "www." to count as a link. */
static const char *const generic_names[] = {
    "academy", "aero", "agency", "app", "arpa", "art", "asia", "autos", "bar", "best", "bet", "bid",
    "bio", "biz", "blog", "bond", "boutique", "business", "buzz", "cafe", "capital", "care", "cash",
    "casino", "cat", "center", "cfd", "chat", "city", "cloud", "club", "codes", "com", "company",
    "coop", "country", "cyou", "date", "deals", "dev", "digital", "download", "edu", "email",
    "events", "expert", "express", "faith", "fashion", "finance", "fit", "fun", "fund", "gdn",
    "gov", "group", "guru", "hair", "help", "homes", "host", "icu", "info", "ink", "int",
    "international", "jobs", "kim", "lat", "life", "limited", "link", "live", "loan", "lol",
    "ltd", "makeup", "market", "marketing", "media", "men", "mil", "mobi", "mom", "monster",
    "museum", "name", "net", "network", "news", "ninja", "one", "online", "ooo", "org", "page",
    "party", "pics", "post", "press", "pro", "promo", "quest", "racing", "rest", "review", "run",
    "sale", "sbs", "science", "services", "shop", "site", "skin", "social", "solutions", "space",
    "store", "stream", "studio", "support", "surf", "tattoo", "tech", "tel", "today", "tokyo",
    "top", "trade", "travel", "uno", "vip", "wang", "watch", "webcam", "website", "wiki", "win",
    "work", "works", "world", "xin", "xxx", "xyz", "zip", "zone",
};
/* clang-format on */

bool mw_url_is_tld(struct mw_slice label)
{
    char lower[16];
    if (mw_slice_istarts(label, MW_LIT("xn--")) && label.len > 4)
        return true;
    if (label.len < 2 || label.len >= sizeof lower)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!mw_is_alpha(label.ptr[i]))
            return false;
        lower[i] = mw_lower(label.ptr[i]);
    }
    lower[label.len] = '\0';
    if (label.len == 2)
        return strchr(country_codes[lower[0] - 'a'], lower[1]) != NULL;
    size_t low = 0, high = sizeof generic_names / sizeof generic_names[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lower, generic_names[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
