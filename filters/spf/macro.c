/* macro.c - see macro.h. A macro-string is a row of items: literal octets, an escape (%%, %_, %-) or a value ("%{ir.}"). Items are cut by
 * one function, so that what is checked and what is expanded cannot differ. */
#include "macro.h"

#include "check.h"

/* ---- items ---- */

struct macro_item {
    struct mw_slice literal; /* of a literal or an escape */
    char letter;             /* of a value: small; else 0 */
    bool is_escaped;         /* a value by its capital letter: URL-escaped */
    bool is_reversed;
    unsigned parts; /* how many from the right; 0: all */
    struct mw_slice delimiters;
    bool is_macro; /* macro-expand of the grammar: a value or an escape */
};

static bool is_alpha(char c)
{
    return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* transformers *delimiter "}", from behind the letter. */
static size_t cut_transformers(struct mw_slice text, size_t at, struct macro_item *out)
{
    bool has_digits = at < text.len && text_is_digit(text.ptr[at]);
    for (; at < text.len && text_is_digit(text.ptr[at]); at++)
        if (out->parts < DOMAIN_MAX) /* a value has no more labels that matter */
            out->parts = out->parts * 10 + (unsigned)(text.ptr[at] - '0');
    if (has_digits && out->parts == 0)
        return 0;
    if (at < text.len && text_lower(text.ptr[at]) == 'r') {
        out->is_reversed = true;
        at++;
    }
    size_t start = at;
    while (at < text.len && is_one_of(text.ptr[at], ".-+,/_="))
        at++;
    out->delimiters = at > start ? SLICE(text.ptr + start, at - start) : LIT(".");
    return at < text.len && text.ptr[at] == '}' ? at + 1 : 0;
}

/* What begins with '%'. Returns the octets of the item, 0: bad syntax. */
static size_t cut_macro(struct mw_slice text, struct macro_item *out)
{
    char next = text.len > 1 ? text.ptr[1] : '\0';
    out->is_macro = true;
    if (next == '%' || next == '_' || next == '-') {
        out->literal = next == '%' ? LIT("%") : next == '_' ? LIT(" ") : LIT("%20");
        return 2;
    }
    if (next != '{' || text.len < 4 || !is_one_of(text_lower(text.ptr[2]), "slodiphcrtv"))
        return 0;
    out->letter = text_lower(text.ptr[2]);
    out->is_escaped = out->letter != text.ptr[2];
    return cut_transformers(text, 3, out);
}

/* The item at the front of `text`, which is not empty. */
static size_t cut_item(struct mw_slice text, struct macro_item *out)
{
    *out = (struct macro_item){.literal = EMPTY};
    if (text.ptr[0] == '%')
        return cut_macro(text, out);
    ptrdiff_t end = text_find(text, '%');
    out->literal = end < 0 ? text : SLICE(text.ptr, (size_t)end);
    return out->literal.len;
}

static bool is_literal(struct mw_slice text, bool with_blanks)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c < '!' || c > '~') && !(with_blanks && c == ' '))
            return false;
    }
    return true;
}

/* *out_last: the last item. An empty text is valid and has none. */
static bool is_row_of_items(struct mw_slice text, enum macro_place place,
                            struct macro_item *out_last)
{
    *out_last = (struct macro_item){.literal = EMPTY};
    while (text.len > 0) {
        size_t len = cut_item(text, out_last);
        if (len == 0)
            return false;
        if (place == MACRO_IN_DOMAIN && is_one_of(out_last->letter, "crt"))
            return false;
        if (!out_last->is_macro && !is_literal(out_last->literal, place == MACRO_IN_EXPLANATION))
            return false;
        text = text_skip(text, len);
    }
    return true;
}

bool macro_is_valid(struct mw_slice text, enum macro_place place)
{
    struct macro_item last;
    return is_row_of_items(text, place, &last);
}

/* RFC 7208 7.1: letters and digits with a letter among them, or with a '-' inside. */
static bool is_top_label(struct mw_slice label)
{
    bool has_alpha = false, has_hyphen = false;
    if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        has_alpha = has_alpha || is_alpha(c);
        has_hyphen = has_hyphen || c == '-';
        if (!is_alpha(c) && !text_is_digit(c) && c != '-')
            return false;
    }
    return has_alpha || has_hyphen;
}

bool macro_is_domain_spec(struct mw_slice text)
{
    struct macro_item last;
    if (text.len == 0 || !is_row_of_items(text, MACRO_IN_DOMAIN, &last))
        return false;
    if (last.is_macro)
        return true;
    struct mw_slice end = last.literal;
    if (end.ptr[end.len - 1] == '.')
        end.len--;
    ptrdiff_t dot = text_rfind(end, '.');
    return dot >= 0 && is_top_label(text_skip(end, (size_t)dot + 1));
}

bool macro_uses(struct mw_slice text, char letter)
{
    struct macro_item item;
    for (size_t len = 1; text.len > 0 && len > 0; text = text_skip(text, len)) {
        len = cut_item(text, &item);
        if (len > 0 && item.letter == letter)
            return true;
    }
    return false;
}

/* ---- values ---- */

/* Where an expansion goes: `keeps_end` drops from the left what does not fit, else what does not fit is left out. */
struct macro_sink {
    char *ptr;
    size_t len, cap;
    bool keeps_end;
};

static void put(struct macro_sink *sink, struct mw_slice text)
{
    size_t room = sink->cap - sink->len;
    if (text.len > room && sink->keeps_end) {
        if (text.len > sink->cap)
            text = text_skip(text, text.len - sink->cap);
        size_t kept = sink->cap - text.len < sink->len ? sink->cap - text.len : sink->len;
        memmove(sink->ptr, sink->ptr + sink->len - kept, kept);
        sink->len = kept;
    } else if (text.len > room) {
        text.len = room;
    }
    if (text.len > 0)
        memcpy(sink->ptr + sink->len, text.ptr, text.len);
    sink->len += text.len;
}

/* RFC 3986 2.1, 2.3. */
static void put_escaped(struct macro_sink *sink, struct mw_slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool is_plain = is_alpha((char)c) || text_is_digit((char)c) || is_one_of((char)c, "-._~");
        put(sink, is_plain ? SLICE(text.ptr + i, 1) : SLICE(escape, sizeof escape));
    }
}

static void put_part(struct macro_sink *sink, const struct macro_item *item, struct mw_slice part,
                     bool is_first)
{
    if (!is_first)
        put(sink, LIT("."));
    if (item->is_escaped)
        put_escaped(sink, part);
    else
        put(sink, part);
}

static bool is_delimiter(const struct macro_item *item, char c)
{
    return text_find(item->delimiters, c) >= 0;
}

static size_t count_parts(const struct macro_item *item, struct mw_slice value)
{
    size_t parts = 1;
    for (size_t i = 0; i < value.len; i++)
        parts += is_delimiter(item, value.ptr[i]);
    return parts;
}

/* The parts from the left but the first `skipped`. */
static void put_forward(struct macro_sink *sink, const struct macro_item *item,
                        struct mw_slice value, size_t skipped)
{
    bool is_first = true;
    for (size_t from = 0, at = 0; at <= value.len; at++) {
        if (at < value.len && !is_delimiter(item, value.ptr[at]))
            continue;
        if (skipped > 0) {
            skipped--;
        } else {
            put_part(sink, item, SLICE(value.ptr + from, at - from), is_first);
            is_first = false;
        }
        from = at + 1;
    }
}

/* The same from the right: RFC 7208 7.3 reverses first, then takes the right-hand parts. */
static void put_backward(struct macro_sink *sink, const struct macro_item *item,
                         struct mw_slice value, size_t skipped)
{
    bool is_first = true;
    for (size_t end = value.len, at = value.len + 1; at > 0; at--) {
        if (at > 1 && !is_delimiter(item, value.ptr[at - 2]))
            continue;
        if (skipped > 0) {
            skipped--;
        } else {
            put_part(sink, item, SLICE(value.ptr + at - 1, end - (at - 1)), is_first);
            is_first = false;
        }
        end = at > 1 ? at - 2 : 0;
    }
}

static void put_item(struct macro_sink *sink, const struct macro_item *item,
                     const struct macro_values *values)
{
    if (item->letter == 0) {
        put(sink, item->literal);
        return;
    }
    struct mw_slice value = values->of[item->letter - 'a'];
    if (value.len == 0)
        return;
    size_t parts = count_parts(item, value);
    size_t skipped = item->parts > 0 && item->parts < parts ? parts - item->parts : 0;
    (item->is_reversed ? put_backward : put_forward)(sink, item, value, skipped);
}

/* ---- names and explanations ---- */

/* One octet more than a name has, to see that it was too long, and one for a final dot. */
enum { END_MAX = DOMAIN_MAX + 2 };

/* Labels off the left end until it fits. `text` may have lost its own left end already. */
static struct mw_slice shorten(struct mw_slice text)
{
    while (text.len > DOMAIN_MAX) {
        ptrdiff_t dot = text_find(text, '.');
        text = dot < 0 ? EMPTY : text_skip(text, (size_t)dot + 1);
    }
    return text;
}

/* From the last item to the first, until the end of the name is there. */
static size_t build_end(struct mw_slice spec, const struct macro_values *values, char end[END_MAX])
{
    uint16_t starts[CHECK_RECORD_MAX];
    struct macro_item item;
    size_t count = 0, len = 0;
    for (size_t at = 0; at < spec.len && count < CHECK_RECORD_MAX; count++) {
        starts[count] = (uint16_t)at;
        at += cut_item(text_skip(spec, at), &item);
    }
    while (count > 0 && len < END_MAX) {
        char text[END_MAX];
        struct macro_sink sink = {.ptr = text, .cap = END_MAX - len, .keeps_end = true};
        cut_item(text_skip(spec, starts[--count]), &item);
        put_item(&sink, &item, values);
        len += sink.len;
        memcpy(end + END_MAX - len, text, sink.len);
    }
    return len;
}

size_t macro_domain(struct mw_slice spec, const struct macro_values *values,
                    char out[DOMAIN_MAX + 1])
{
    char end[END_MAX];
    size_t len = build_end(spec, values, end);
    struct mw_slice name = SLICE(end + END_MAX - len, len);
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    name = shorten(name);
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return name.len;
}

size_t macro_explanation(struct mw_slice text, const struct macro_values *values, char *out,
                         size_t cap)
{
    struct macro_sink sink = {.ptr = out, .cap = cap};
    struct macro_item item;
    for (size_t len = 1; text.len > 0 && len > 0 && sink.len < cap; text = text_skip(text, len)) {
        len = cut_item(text, &item);
        if (len > 0)
            put_item(&sink, &item, values);
    }
    for (size_t i = 0; i < sink.len; i++)
        if (out[i] < ' ' || out[i] > '~')
            out[i] = '?';
    return sink.len;
}
