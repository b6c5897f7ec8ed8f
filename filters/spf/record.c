/* record.c - see record.h. A term is cut off at the blank, then its name decides who reads the rest. */
#include "record.h"

#include <arpa/inet.h>

#include "macro.h"

static const struct mw_slice version = LIT("v=spf1");

/* RFC 7208 4.5: the version section ends at a blank or with the record. Strings of the ABNF are without case. */
static bool is_spf(struct mw_slice text)
{
    return text.len >= version.len && text_ieq(SLICE(text.ptr, version.len), version) &&
           (text.len == version.len || text.ptr[version.len] == ' ');
}

size_t record_select(const struct mw_slice *strings, size_t count, struct mw_slice *out_record)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (is_spf(strings[i]) && found++ == 0)
            *out_record = strings[i];
    return found;
}

/* ---- prefix lengths and addresses ---- */

/* "0", or decimal digits that do not begin with 0, up to `max`. */
static bool read_bits(struct mw_slice text, unsigned max, unsigned *out)
{
    uint64_t bits;
    if (!text_number(text, max, &bits) || (text.ptr[0] == '0' && text.len > 1))
        return false;
    *out = (unsigned)bits;
    return true;
}

/* Digits at the end of `text` behind `slashes`: their start, or 0. Something that is no prefix length stays part of the
 * name in front of it, which it makes a bad one. */
static size_t find_bits(struct mw_slice text, struct mw_slice slashes)
{
    size_t at = text.len;
    while (at > 0 && text_is_digit(text.ptr[at - 1]))
        at--;
    if (at == text.len || at < slashes.len ||
        !text_eq(SLICE(text.ptr + at - slashes.len, slashes.len), slashes))
        return 0;
    return at;
}

/* Take dual-cidr-length off the end of *text (RFC 7208 5.6). */
static bool cut_dual_bits(struct mw_slice *text, struct record_term *term)
{
    size_t at = find_bits(*text, LIT("//"));
    if (at > 0) {
        if (!read_bits(text_skip(*text, at), 128, &term->bits6))
            return false;
        text->len = at - 2;
    }
    at = find_bits(*text, LIT("/"));
    if (at > 0) {
        if (!read_bits(text_skip(*text, at), 32, &term->bits4))
            return false;
        text->len = at - 1;
    }
    return true;
}

/* "192.0.2.0": four numbers without zeros in front (RFC 7208 5.6: qnum). */
static bool read_ip4(struct mw_slice text, unsigned char out[4])
{
    for (size_t i = 0; i < 4; i++) {
        unsigned number;
        ptrdiff_t dot = i < 3 ? text_find(text, '.') : (ptrdiff_t)text.len;
        if (dot <= 0 || !read_bits(SLICE(text.ptr, (size_t)dot), 255, &number))
            return false;
        out[i] = (unsigned char)number;
        text = text_skip(text, (size_t)dot + 1);
    }
    return true;
}

static bool read_ip6(struct mw_slice text, unsigned char out[16])
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len >= sizeof copy || text_find(text, '\0') >= 0)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET6, copy, out) == 1;
}

/* ---- what follows a mechanism's name ---- */

/* Each returns what is wrong, or NULL. */
typedef const char *read_fn(struct mw_slice rest, struct record_term *term);

static const char *read_nothing(struct mw_slice rest, struct record_term *term)
{
    (void)term;
    return rest.len == 0 ? NULL : "nothing may follow \"all\"";
}

static const char *read_domain(struct mw_slice rest, struct record_term *term)
{
    if (rest.len < 2 || rest.ptr[0] != ':')
        return "a domain is missing";
    term->domain = text_skip(rest, 1);
    return macro_is_domain_spec(term->domain) ? NULL : "not a domain";
}

static const char *read_optional_domain(struct mw_slice rest, struct record_term *term)
{
    return rest.len == 0 ? NULL : read_domain(rest, term);
}

static const char *read_dual(struct mw_slice rest, struct record_term *term)
{
    if (!cut_dual_bits(&rest, term))
        return "bad prefix length";
    return read_optional_domain(rest, term);
}

static const char *read_address(struct mw_slice rest, struct record_term *term)
{
    bool is_ip4 = term->kind == RECORD_IP4;
    ptrdiff_t slash = text_find(rest, '/');
    if (rest.len < 2 || rest.ptr[0] != ':')
        return "an address is missing";
    if (slash >= 0) {
        struct mw_slice bits = text_skip(rest, (size_t)slash + 1);
        if (!(is_ip4 ? read_bits(bits, 32, &term->bits4) : read_bits(bits, 128, &term->bits6)))
            return "bad prefix length";
        rest.len = (size_t)slash;
    }
    rest = text_skip(rest, 1);
    return (is_ip4 ? read_ip4 : read_ip6)(rest, term->address) ? NULL : "not an address";
}

static const struct mechanism {
    const char *name;
    enum record_kind kind;
    read_fn *read;
} mechanisms[] = {
    {"all", RECORD_ALL, read_nothing},
    {"include", RECORD_INCLUDE, read_domain},
    {"a", RECORD_A, read_dual},
    {"mx", RECORD_MX, read_dual},
    {"ptr", RECORD_PTR, read_optional_domain},
    {"ip4", RECORD_IP4, read_address},
    {"ip6", RECORD_IP6, read_address},
    {"exists", RECORD_EXISTS, read_domain},
};

/* ---- terms ---- */

static bool is_qualifier(char c)
{
    return c == '+' || c == '-' || c == '~' || c == '?';
}

static const char *read_mechanism(struct mw_slice text, struct record_term *term)
{
    term->qualifier = is_qualifier(text.ptr[0]) ? text.ptr[0] : '+';
    if (is_qualifier(text.ptr[0]))
        text = text_skip(text, 1);
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ':' && text.ptr[len] != '/')
        len++;
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (text_ieq(SLICE(text.ptr, len), slice_of(mechanisms[i].name))) {
            term->kind = mechanisms[i].kind;
            return mechanisms[i].read(text_skip(text, len), term);
        }
    return "unknown mechanism";
}

/* Octets of "name=" at the front, 0: this is no modifier (RFC 7208 4.6.1: name). */
static size_t modifier_len(struct mw_slice text)
{
    size_t at = 0;
    for (; at < text.len && text.ptr[at] != '='; at++) {
        char c = text_lower(text.ptr[at]);
        bool is_alpha = c >= 'a' && c <= 'z';
        if (!is_alpha && (at == 0 || !(text_is_digit(c) || c == '-' || c == '_' || c == '.')))
            return 0;
    }
    return at > 0 && at < text.len ? at + 1 : 0;
}

static const char *read_target(struct mw_slice value, bool *has, struct record_term *term)
{
    if (*has)
        return "given twice";
    *has = true;
    term->domain = value;
    return macro_is_domain_spec(value) ? NULL : "not a domain";
}

static const char *read_modifier(struct record_reader *reader, struct mw_slice text, size_t len,
                                 struct record_term *term)
{
    struct mw_slice name = SLICE(text.ptr, len - 1), value = text_skip(text, len);
    if (text_ieq(name, LIT("redirect"))) {
        term->kind = RECORD_REDIRECT;
        return read_target(value, &reader->has_redirect, term);
    }
    if (text_ieq(name, LIT("exp"))) {
        term->kind = RECORD_EXP;
        return read_target(value, &reader->has_exp, term);
    }
    term->kind = RECORD_OTHER;
    return macro_is_valid(value, MACRO_IN_MODIFIER) ? NULL : "bad macro";
}

static bool is_printable(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '!' || text.ptr[i] > '~')
            return false;
    return true;
}

void record_begin(struct record_reader *reader, struct mw_slice record)
{
    *reader = (struct record_reader){.rest = text_skip(record, version.len)};
}

enum record_step record_next(struct record_reader *reader, struct record_term *out_term)
{
    while (reader->rest.len > 0 && reader->rest.ptr[0] == ' ')
        reader->rest = text_skip(reader->rest, 1);
    if (reader->rest.len == 0)
        return RECORD_END;
    ptrdiff_t blank = text_find(reader->rest, ' ');
    struct mw_slice text = blank < 0 ? reader->rest : SLICE(reader->rest.ptr, (size_t)blank);
    reader->rest = text_skip(reader->rest, text.len);
    *out_term = (struct record_term){.text = text, .domain = EMPTY, .bits4 = 32, .bits6 = 128};
    size_t modifier = modifier_len(text);
    reader->problem = !is_printable(text) ? "an octet that is not printable ASCII"
                      : modifier > 0      ? read_modifier(reader, text, modifier, out_term)
                                          : read_mechanism(text, out_term);
    if (reader->problem == NULL)
        return RECORD_TERM;
    reader->where = text;
    reader->rest = EMPTY;
    return RECORD_BAD;
}
