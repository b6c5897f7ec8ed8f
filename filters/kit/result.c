/* result.c - what peers chose goes through one of three doors: plain (a token, a domain, an address of a dot-atom), quoted, or left out. Behind
 * each of them stand octets that cannot end the value, the result or the field. */
#include "result.h"

enum {
    COMMENT_MAX = 200, /* octets of a comment or a reason */
    VALUE_MAX =
        400, /* of a value: a local part of 64, '@', a domain of 255, and something for those that keep to no limit */
};

static struct mw_slice cut(struct mw_slice text, size_t max)
{
    return text.len > max ? SLICE(text.ptr, max) : text;
}

void result_begin(struct result *result, const char *method, const char *value, bool is_utf8)
{
    result->text = (struct builder){.ptr = result->octets, .cap = RESULT_MAX};
    result->is_utf8 = is_utf8;
    builder_put(&result->text, slice_of(method));
    builder_put(&result->text, LIT("="));
    builder_put(&result->text, slice_of(value));
}

struct mw_slice result_text(const struct result *result)
{
    return SLICE(result->octets, result->text.len);
}

/* ---- octets ---- */

/* Length of the character at the front of `text` that may stand in a header as it is: 0 for a control octet, a bad one, and any 8-bit one
 * where the message is not SMTPUTF8 (RFC 6532). U+0080 to U+009F are controls too. */
static size_t char_len(struct mw_slice text, bool is_utf8)
{
    unsigned char first = (unsigned char)text.ptr[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    if (!is_utf8)
        return 0;
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    bool is_control = first == 0xc2 && text.len > 1 && (unsigned char)text.ptr[1] < 0xa0;
    return len <= text.len && text_utf8_len(SLICE(text.ptr, len)) == len && !is_control ? len : 0;
}

/* How many octets at the front are letters, digits, blanks, '.' and '-': nearly all there is, and neither replaced nor escaped anywhere. */
static size_t harmless_len(struct mw_slice text)
{
    size_t len = 0;
    for (; len < text.len; len++) {
        char c = text_lower(text.ptr[len]);
        if (!text_is_digit(c) && (c < 'a' || c > 'z') && c != ' ' && c != '.' && c != '-')
            break;
    }
    return len;
}

/* Each octet of `text`: those of `replaced` as '_', those of `escaped` behind a backslash, bad ones as '?'. */
static void put_clean(struct builder *out, struct mw_slice text, bool is_utf8, const char *replaced,
                      const char *escaped)
{
    for (size_t len; text.len > 0; text = text_skip(text, len)) {
        len = harmless_len(text);
        builder_put(out, SLICE(text.ptr, len));
        if (len > 0)
            continue;
        len = char_len(text, is_utf8);
        if (len == 0) {
            builder_put(out, LIT("?"));
            len = 1;
        } else if (len == 1 && strchr(replaced, text.ptr[0]) != NULL) {
            builder_put(out, LIT("_"));
        } else {
            if (len == 1 && strchr(escaped, text.ptr[0]) != NULL)
                builder_put(out, LIT("\\"));
            builder_put(out, SLICE(text.ptr, len));
        }
    }
}

/* RFC 5322 3.2.3; 8-bit characters by RFC 6532 3.2. */
static bool is_dot_atom(struct mw_slice text, bool is_utf8)
{
    bool is_after_dot = true;
    for (size_t len; text.len > 0; text = text_skip(text, len)) {
        char c = text.ptr[0];
        len = char_len(text, is_utf8);
        if (len == 0 || (len == 1 && strchr(" ()<>[]:;@\\,\"", c) != NULL) ||
            (c == '.' && is_after_dot))
            return false;
        is_after_dot = c == '.';
    }
    return !is_after_dot;
}

/* RFC 2045 5.1: a token holds none of the tspecials. */
static bool is_token(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (char_len(SLICE(text.ptr + i, 1), false) == 0 ||
            strchr(" ()<>@,;:\\\"/[]?=", text.ptr[i]) != NULL)
            return false;
    return text.len > 0;
}

/* RFC 6376 3.5: letters, digits, '-' and dots between them; '_' too, because there are such names and readers take them. */
static bool is_domain_name(struct mw_slice text, bool is_utf8)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text_lower(text.ptr[i]);
        bool is_ldh = text_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
        if (!is_ldh && c != '.' && (unsigned char)c < 0x80)
            return false;
    }
    return is_dot_atom(text, is_utf8);
}

/* RFC 8601 2.2: pvalue = value / [ [ local-part ] "@" ] domain-name */
static bool is_plain(struct mw_slice value, bool is_utf8)
{
    ptrdiff_t at = text_rfind(value, '@');
    if (at < 0)
        return is_token(value) || (is_utf8 && is_domain_name(value, true));
    return (at == 0 || is_dot_atom(SLICE(value.ptr, (size_t)at), is_utf8)) &&
           is_domain_name(text_skip(value, (size_t)at + 1), is_utf8);
}

/* ---- parts ---- */

/* All of `part`, or nothing of it: half a quoted string would swallow what follows. */
static void put_whole(struct result *result, const struct builder *part)
{
    if (result->text.len + part->len <= result->text.cap)
        builder_put(&result->text, SLICE(part->ptr, part->len));
}

/* A ';' is legal in comments and quoted strings, but programs that cut at each one are common. */
void result_comment(struct result *result, struct mw_slice text)
{
    char octets[COMMENT_MAX + 3];
    struct builder part = {.ptr = octets, .cap = sizeof octets};
    builder_put(&part, LIT(" ("));
    put_clean(&part, cut(text, COMMENT_MAX), result->is_utf8, "()\\;\"", "");
    builder_put(&part, LIT(")"));
    if (text.len > 0)
        put_whole(result, &part);
}

void result_quote(struct builder *out, struct mw_slice text, bool is_utf8)
{
    builder_put(out, LIT("\""));
    put_clean(out, text, is_utf8, ";", "\"\\");
    builder_put(out, LIT("\""));
}

void result_reason(struct result *result, struct mw_slice text)
{
    char octets[2 * COMMENT_MAX + 16];
    struct builder part = {.ptr = octets, .cap = sizeof octets};
    builder_put(&part, LIT(" reason="));
    result_quote(&part, cut(text, COMMENT_MAX), result->is_utf8);
    if (text.len > 0)
        put_whole(result, &part);
}

void result_property(struct result *result, const char *property, struct mw_slice value)
{
    char octets[2 * VALUE_MAX + 64];
    struct builder part = {.ptr = octets, .cap = sizeof octets};
    value = cut(value, VALUE_MAX);
    builder_put(&part, LIT(" "));
    builder_put(&part, slice_of(property));
    builder_put(&part, LIT("="));
    if (is_plain(value, result->is_utf8))
        builder_put(&part, value);
    else
        result_quote(&part, value, result->is_utf8);
    if (value.len > 0)
        put_whole(result, &part);
}
