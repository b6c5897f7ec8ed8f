/* mime_name.c - every name that a mail program may give to a part's file.
 *
 * Three parsers agree on few of the odd ones, so none is left out: each form of the parameter
 * (mime_param.c) becomes UTF-8, loses its folders, and counts once. Only first readings of
 * different forms are compared for the defect "name-conflict"; a plain ASCII stand-in beside the
 * real name, with the same ending, is what RFC 2231 wants and no conflict. */
#include <string.h>

#include "base/utf8.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/mime_priv.h"

static bool is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* What stands behind the last dot. */
static struct mw_slice ending(struct mw_slice name)
{
    ptrdiff_t dot = mw_slice_rfind(name, '.');
    return dot < 0 ? MW_EMPTY : mw_slice_skip(name, (size_t)dot + 1);
}

static bool is_conflict(struct mw_slice a, struct mw_slice b)
{
    if (!mw_slice_ieq(ending(a), ending(b)))
        return true;
    return is_ascii(a) && is_ascii(b) && !mw_slice_eq(a, b);
}

static struct mw_slice cut_folders(struct mw_slice name)
{
    size_t from = name.len;
    while (from > 0 && name.ptr[from - 1] != '/' && name.ptr[from - 1] != '\\')
        from--;
    return mw_slice_skip(name, from);
}

static uint32_t code_point(const unsigned char *c, size_t len)
{
    switch (len) {
    case 1:
        return c[0];
    case 2:
        return (c[0] & 0x1fU) << 6 | (c[1] & 0x3fU);
    case 3:
        return (c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU);
    default:
        return (c[0] & 0x07U) << 18 | (c[1] & 0x3fU) << 12 | (c[2] & 0x3fU) << 6 | (c[3] & 0x3fU);
    }
}

/* Characters that have no width or turn the direction of others. Not the joiners U+200C and
 * U+200D: scripts and emoji need them. */
static bool is_invisible(uint32_t c)
{
    return c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Copies with control characters replaced. The name is well-formed UTF-8. */
static struct mw_slice replace_controls(struct mw_mime_names *names, struct mw_slice name)
{
    char *copy = mw_arena_cstr(names->arena, name);
    size_t len = 0;
    for (size_t at = 0; at < name.len;) {
        bool is_valid;
        struct mw_slice rest = mw_slice_skip(name, at);
        size_t octets = mw_utf8_next(rest, &is_valid);
        uint32_t c = code_point((const unsigned char *)rest.ptr, octets);
        bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        if (is_control)
            copy[len] = c == '\t' ? ' ' : '_'; /* a tab is what folding leaves */
        else
            memcpy(copy + len, rest.ptr, octets);
        len += is_control ? 1 : octets;
        if ((is_control && c != '\t') || is_invisible(c))
            names->defects |= MW_DEFECT_BIT(MW_DEFECT_NAME_CONTROL);
        at += octets;
    }
    return mw_slice_trim(MW_SLICE(copy, len));
}

/* Head and tail of a name that is too long: the tail says what it is. */
static struct mw_slice shorten(struct mw_mime_names *names, struct mw_slice name)
{
    size_t half = MW_MIME_NAME_MAX / 2;
    if (name.len <= MW_MIME_NAME_MAX)
        return name;
    names->defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
    size_t head = half, tail = name.len - half;
    while (head > 0 && ((unsigned char)name.ptr[head] & 0xc0) == 0x80)
        head--;
    while (tail < name.len && ((unsigned char)name.ptr[tail] & 0xc0) == 0x80)
        tail++;
    char *copy = mw_arena_alloc(names->arena, MW_MIME_NAME_MAX + 1);
    memcpy(copy, name.ptr, head);
    memcpy(copy + head, name.ptr + tail, name.len - tail);
    return MW_SLICE(copy, head + name.len - tail);
}

void mw_mime_names_add(struct mw_mime_names *names, struct mw_slice utf8, bool is_second)
{
    struct mw_slice name = mw_slice_trim(cut_folders(utf8));
    name = shorten(names, replace_controls(names, name));
    if (name.len == 0)
        return;
    if (!is_second && names->first.len == 0)
        names->first = name;
    else if (!is_second && is_conflict(names->first, name))
        names->defects |= MW_DEFECT_BIT(MW_DEFECT_NAME_CONFLICT);
    for (size_t i = 0; i < names->count; i++)
        if (mw_slice_eq(names->list[i], name))
            return;
    if (names->count == MW_MIME_NAMES_MAX) {
        names->defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
        return;
    }
    names->list[names->count++] = name;
}

/* "=?x-nosuch?q?a=2Eexe?=": programs that take an unknown charset for the usual one show "a.exe". The
 * text with such charsets replaced; empty: there is none in it. */
static struct mw_slice with_usual_charsets(struct mw_arena *arena, struct mw_slice text)
{
    static const char usual[] = "utf-8";
    char *copy = NULL;
    size_t len = 0, words = 0;
    for (size_t at = 0; at + 2 < text.len; at++)
        words += text.ptr[at] == '=' && text.ptr[at + 1] == '?';
    if (words == 0)
        return MW_EMPTY;
    bool is_changed = false;
    copy = mw_arena_alloc(arena, text.len + words * sizeof usual);
    while (text.len > 0) {
        struct mw_slice name = mw_slice_skip(text, 2), charset, rest;
        if (!mw_slice_starts(text, MW_LIT("=?")) || !mw_slice_split(name, '?', &charset, &rest) ||
            charset.len > MW_MIME_NAME_MAX) {
            copy[len++] = text.ptr[0];
            text = mw_slice_skip(text, 1);
            continue;
        }
        (void)mw_slice_split(charset, '*', &charset, &name); /* RFC 2231 5: a language behind it */
        bool is_known = charset.len == 0 || mw_charset_find(charset) != NULL;
        struct mw_slice put = is_known ? charset : MW_LIT("utf-8");
        is_changed |= !is_known;
        memcpy(copy + len, "=?", 2);
        len += 2;
        if (put.len > 0)
            memcpy(copy + len, put.ptr, put.len);
        len += put.len;
        text = MW_SLICE(rest.ptr - 1, rest.len + 1);
    }
    return is_changed ? MW_SLICE(copy, len) : MW_EMPTY;
}

static void add_form(struct mw_mime_names *names, const struct mw_mime_form *form, bool is_second)
{
    struct mw_buf text = {0};
    size_t max = form->text.len * 3;
    const struct mw_charset *charset = mw_charset_find(form->charset);
    if (form->charset.len > 0 && charset == NULL && !form->is_second)
        names->defects |= MW_DEFECT_BIT(MW_DEFECT_CHARSET_UNKNOWN);
    if (form->is_2231 && form->charset.len > 0) {
        struct mw_charsets *open = NULL;
        struct mw_utf8_sink sink = {.buf = &text, .left = max};
        if (charset != NULL)
            mw_charset_put(&open, charset, &sink, form->text);
        else
            mw_raw_put(&sink, form->text);
        mw_charsets_free(&open);
    } else {
        mw_header_decode(form->text, max, &text);
    }
    mw_mime_names_add(names, mw_buf_view(&text), is_second || form->is_second);
    struct mw_slice usual = with_usual_charsets(names->arena, form->text);
    if (usual.len > 0) {
        text.len = 0;
        mw_header_decode(usual, max + usual.len, &text);
        mw_mime_names_add(names, mw_buf_view(&text), is_second || form->is_second);
    }
    mw_buf_fini(&text);
}

static void take(struct mw_mime_names *names, struct mw_mime_value *value, struct mw_slice name,
                 bool is_second)
{
    struct mw_mime_form forms[MW_MIME_FORMS_MAX];
    size_t count = mw_mime_forms(names->arena, value, name, forms, MW_MIME_FORMS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!forms[i].is_second)
            add_form(names, &forms[i], is_second);
    for (size_t i = 0; i < count; i++)
        if (forms[i].is_second)
            add_form(names, &forms[i], true);
}

void mw_mime_names_take(struct mw_mime_names *names, struct mw_mime_value *value,
                        bool is_disposition)
{
    take(names, value, is_disposition ? MW_LIT("filename") : MW_LIT("name"), false);
    take(names, value, is_disposition ? MW_LIT("name") : MW_LIT("filename"), false);
}
