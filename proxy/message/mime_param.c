/* mime_param.c - structured field values: a head and parameters, as RFC 2045 5.1 and RFC 2231 have
 * them and as they are found.
 *
 * One pass from left to right over the unfolded value. Where programs read a value in two ways, the
 * second way is kept beside the first (`other`):
 *
 *   name=two words; x=1      "two" and "two words"
 *   name="C:\dir\a.exe"      with and without what a backslash quotes
 *   name="a.txt".exe         the quoted text and all of it
 */
#include <string.h>

#include "message/mime_priv.h"

enum { SECTION_MAX = 9999 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct mw_slice trim(struct mw_slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = mw_slice_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

struct mw_slice mw_mime_lower(struct mw_arena *arena, struct mw_slice text)
{
    char *copy = mw_arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = mw_lower(copy[i]);
    return MW_SLICE(copy, text.len);
}

/* The blanks that follow them stay (RFC 5322 2.2.3). */
struct mw_slice mw_mime_text(struct mw_arena *arena, struct mw_slice raw)
{
    char *copy = mw_arena_cstr(arena, raw);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        bool is_end = raw.ptr[i] == '\n' ||
                      (raw.ptr[i] == '\r' && i + 1 < raw.len && raw.ptr[i + 1] == '\n');
        if (!is_end)
            copy[len++] = raw.ptr[i] == '\0' ? ' ' : raw.ptr[i];
    }
    return trim(MW_SLICE(copy, len));
}

/* ---- comments ---- */

/* Octets of the comment in front, comments within it too (RFC 5322 3.2.2); 0: it has no end. */
static size_t comment_len(struct mw_slice in)
{
    size_t depth = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == '\\')
            i++;
        else if (in.ptr[i] == '(')
            depth++;
        else if (in.ptr[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

struct cursor {
    struct mw_slice rest;
    bool has_open_comment; /* a "(" has no end: none is looked for again */
};

/* Is there a comment in front? It is passed over. */
static bool skip_comment(struct cursor *in)
{
    if (in->rest.len == 0 || in->rest.ptr[0] != '(' || in->has_open_comment)
        return false;
    size_t len = comment_len(in->rest);
    in->has_open_comment = len == 0;
    in->rest = mw_slice_skip(in->rest, len);
    return len > 0;
}

static void skip_blanks(struct cursor *in)
{
    while (in->rest.len > 0) {
        if (is_blank(in->rest.ptr[0]))
            in->rest = mw_slice_skip(in->rest, 1);
        else if (!skip_comment(in))
            return;
    }
}

/* ---- the head ---- */

/* "Multipart (x) / Mixed ; ..." gives "multipart/mixed". A blank ends it, but for one beside "/". */
static struct mw_slice take_head(struct mw_arena *arena, struct cursor *in)
{
    char *head = mw_arena_alloc(arena, in->rest.len + 1);
    size_t len = 0;
    while (in->rest.len > 0 && in->rest.ptr[0] != ';') {
        size_t before = in->rest.len;
        skip_blanks(in);
        if (in->rest.len == 0 || in->rest.ptr[0] == ';')
            break;
        if (before != in->rest.len && len > 0 && head[len - 1] != '/' && in->rest.ptr[0] != '/')
            break;
        if (in->rest.ptr[0] != '"')
            head[len++] = mw_lower(in->rest.ptr[0]);
        in->rest = mw_slice_skip(in->rest, 1);
    }
    return MW_SLICE(head, len);
}

struct mw_slice mw_mime_token(struct mw_arena *arena, struct mw_slice raw)
{
    struct cursor in = {.rest = mw_mime_text(arena, raw)};
    return take_head(arena, &in);
}

/* ---- values ---- */

/* Without the backslashes that quote something. */
static struct mw_slice unquote(struct mw_arena *arena, struct mw_slice text)
{
    char *copy = mw_arena_cstr(arena, text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        copy[len++] = text.ptr[i];
    }
    return MW_SLICE(copy, len);
}

/* Is there a backslash that quotes what needs no quoting? Then it is a folder's. */
static bool has_folders(struct mw_slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] != '\\')
            continue;
        if (text.ptr[i + 1] != '"' && text.ptr[i + 1] != '\\')
            return true;
        i++;
    }
    return false;
}

/* Position of the quote that ends the string, or SIZE_MAX. `text` begins behind the first one. */
static size_t find_quote(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            return i;
    }
    return SIZE_MAX;
}

static size_t find_semicolon(struct mw_slice text)
{
    ptrdiff_t at = mw_slice_find(text, ';');
    return at < 0 ? text.len : (size_t)at;
}

/* What stands between a quoted string and the next ";", which should be nothing. */
static void take_behind_quotes(struct mw_arena *arena, struct cursor *in,
                               struct mw_mime_param *param, uint64_t *defects)
{
    skip_blanks(in);
    if (in->rest.len == 0 || in->rest.ptr[0] == ';')
        return;
    struct mw_slice junk = mw_slice_take(in->rest, find_semicolon(in->rest));
    *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
    if (mw_slice_find(junk, '=') >= 0 && junk.ptr[0] != '"')
        return; /* a parameter without its ";" */
    in->rest = mw_slice_skip(in->rest, junk.len);
    char *all = mw_arena_alloc(arena, param->value.len + junk.len + 1);
    size_t len = param->value.len;
    if (len > 0)
        memcpy(all, param->value.ptr, len);
    for (size_t i = 0; i < junk.len; i++)
        if (junk.ptr[i] != '"')
            all[len++] = junk.ptr[i];
    param->other = trim(MW_SLICE(all, len));
}

static void take_quoted(struct mw_arena *arena, struct cursor *in, struct mw_mime_param *param,
                        uint64_t *defects)
{
    in->rest = mw_slice_skip(in->rest, 1);
    size_t end = find_quote(in->rest);
    bool has_end = end != SIZE_MAX;
    if (!has_end) {
        *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
        end = find_semicolon(in->rest);
        param->other = trim(in->rest);
    }
    struct mw_slice text = mw_slice_take(in->rest, end);
    param->is_quoted = true;
    param->value = unquote(arena, text);
    if (has_folders(text)) {
        param->other = param->value;
        param->value = text;
    }
    in->rest = mw_slice_skip(in->rest, has_end ? end + 1 : end);
    if (has_end)
        take_behind_quotes(arena, in, param, defects);
}

/* Does a parameter begin here, although there is no ";" before it? */
static bool is_parameter(struct mw_slice text)
{
    size_t at = 0;
    while (at < text.len &&
           (mw_is_alnum(text.ptr[at]) || text.ptr[at] == '-' || text.ptr[at] == '*'))
        at++;
    return at > 0 && at < text.len && text.ptr[at] == '=';
}

/* "a.z(.gif)ip" is "a.zip", to the letter of RFC 2045 5.1; ptr NULL: there is no comment. */
static struct mw_slice without_comments(struct mw_arena *arena, struct mw_slice text)
{
    if (text.len == 0 || memchr(text.ptr, '(', text.len) == NULL)
        return (struct mw_slice){0};
    char *copy = mw_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    struct cursor in = {.rest = text};
    while (in.rest.len > 0) {
        if (skip_comment(&in))
            continue;
        copy[len++] = in.rest.ptr[0];
        in.rest = mw_slice_skip(in.rest, 1);
    }
    return MW_SLICE(copy, len);
}

static void take_bare(struct mw_arena *arena, struct cursor *in, struct mw_mime_param *param,
                      uint64_t *defects)
{
    struct mw_slice all = mw_slice_take(in->rest, find_semicolon(in->rest));
    size_t len = 0;
    while (len < all.len && !is_blank(all.ptr[len]))
        len++;
    param->value = mw_slice_take(all, len);
    size_t used = all.len;
    struct cursor behind = {.rest = mw_slice_skip(all, len)};
    skip_blanks(&behind);
    if (is_parameter(behind.rest)) {
        used = len;
        *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
    }
    if (trim(all).len != len)
        param->other = trim(all);
    else
        param->other = without_comments(arena, param->value);
    in->rest = mw_slice_skip(in->rest, used);
}

/* ---- parameters ---- */

/* "name*", "name*0", "name*0*" (RFC 2231 3, 4.1). Anything else stays a name. */
static void split_name(struct mw_mime_param *param, uint64_t *defects)
{
    struct mw_slice base, piece;
    if (!mw_slice_split(param->name, '*', &base, &piece))
        return;
    bool is_extended = piece.len == 0 || piece.ptr[piece.len - 1] == '*';
    struct mw_slice digits = mw_slice_take(piece, piece.len - (piece.len > 0 && is_extended));
    uint64_t number = 0;
    if (digits.len > 0 && mw_slice_to_u64(digits, SECTION_MAX, &number) != MW_OK) {
        *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_2231);
        return;
    }
    param->name = base;
    param->section = digits.len > 0 ? (int)number : -1;
    param->is_extended = is_extended;
}

/* The name and "="; false: there is none, and what stands in its place was passed over. */
static bool take_name(struct mw_arena *arena, struct cursor *in, struct mw_slice *out_name,
                      uint64_t *defects)
{
    size_t len = 0;
    while (len < in->rest.len && memchr("=; \t\"", in->rest.ptr[len], 5) == NULL)
        len++;
    struct mw_slice name = mw_slice_take(in->rest, len);
    in->rest = mw_slice_skip(in->rest, len);
    skip_blanks(in);
    if (in->rest.len == 0 || in->rest.ptr[0] != '=' || name.len == 0) {
        *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
        if (name.len == 0)
            in->rest = mw_slice_skip(in->rest, 1);
        return false;
    }
    in->rest = mw_slice_skip(in->rest, 1);
    skip_blanks(in);
    *out_name = mw_mime_lower(arena, name);
    return true;
}

static void take_params(struct mw_arena *arena, struct cursor *in, struct mw_mime_value *out)
{
    for (;;) {
        size_t before;
        do {
            before = in->rest.len;
            skip_blanks(in);
            while (in->rest.len > 0 && (in->rest.ptr[0] == ';' || in->rest.ptr[0] == ','))
                in->rest = mw_slice_skip(in->rest, 1);
        } while (in->rest.len < before);
        if (in->rest.len == 0)
            return;
        if (out->count == MW_MIME_PARAMS_MAX) {
            out->defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
            return;
        }
        struct mw_mime_param param = {.section = -1, .value = MW_EMPTY};
        if (!take_name(arena, in, &param.name, &out->defects))
            continue;
        if (in->rest.len > 0 && in->rest.ptr[0] == '"')
            take_quoted(arena, in, &param, &out->defects);
        else
            take_bare(arena, in, &param, &out->defects);
        split_name(&param, &out->defects);
        out->params[out->count++] = param;
    }
}

void mw_mime_value_parse(struct mw_arena *arena, struct mw_slice raw, struct mw_mime_value *out)
{
    *out = (struct mw_mime_value){.text = mw_mime_text(arena, raw)};
    size_t room = 0; /* each parameter has a "=" */
    for (size_t i = 0; i < out->text.len && room < MW_MIME_PARAMS_MAX; i++)
        room += out->text.ptr[i] == '=';
    out->params = mw_arena_array(arena, struct mw_mime_param, room);
    struct cursor in = {.rest = out->text};
    out->head = take_head(arena, &in);
    if (is_parameter(
            out->head)) {    /* "Content-Disposition: filename=x": some read on as if nothing */
        in.rest = out->text; /* were missing */
        out->head = MW_EMPTY;
        out->defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_BAD);
    }
    take_params(arena, &in, out);
}

/* ---- forms ---- */

static struct mw_slice decode_percent(struct mw_arena *arena, struct mw_slice text)
{
    char *copy = mw_arena_cstr(arena, text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] != '%' || i + 2 >= text.len ? -1 : mw_hex_value(text.ptr[i + 1]);
        int low = high < 0 ? -1 : mw_hex_value(text.ptr[i + 2]);
        copy[len++] = low < 0 ? text.ptr[i] : (char)(high * 16 + low);
        i += low < 0 ? 0 : 2;
    }
    return MW_SLICE(copy, len);
}

/* charset'language'text (RFC 2231 4): the charset is cut off. */
static struct mw_slice cut_charset(struct mw_slice *text)
{
    struct mw_slice charset, rest, language, tail;
    if (!mw_slice_split(*text, '\'', &charset, &rest) ||
        !mw_slice_split(rest, '\'', &language, &tail))
        return MW_EMPTY;
    *text = tail;
    return charset;
}

struct forms {
    struct mw_arena *arena;
    struct mw_mime_form *list;
    size_t count, max;
};

static void add_form(struct forms *forms, struct mw_mime_form form)
{
    if (form.text.ptr == NULL || forms->count == forms->max)
        return;
    for (size_t i = 0; i < forms->count; i++)
        if (mw_slice_eq(forms->list[i].text, form.text) &&
            mw_slice_ieq(forms->list[i].charset, form.charset))
            return;
    forms->list[forms->count++] = form;
}

static void add_extended(struct forms *forms, const struct mw_mime_param *param)
{
    struct mw_slice text = param->value;
    struct mw_slice charset = cut_charset(&text);
    add_form(forms, (struct mw_mime_form){.text = decode_percent(forms->arena, text),
                                          .charset = charset,
                                          .is_2231 = true});
}

/* The piece with the lowest number from `section` on; the first one, if there are two. */
static const struct mw_mime_param *next_piece(const struct mw_mime_value *value,
                                              struct mw_slice name, int section, bool *out_is_twice)
{
    const struct mw_mime_param *found = NULL;
    *out_is_twice = false;
    for (size_t i = 0; i < value->count; i++) {
        const struct mw_mime_param *param = &value->params[i];
        if (param->section < section || !mw_slice_eq(param->name, name))
            continue;
        *out_is_twice = found != NULL && (param->section == found->section ||
                                          (*out_is_twice && param->section > found->section));
        if (found == NULL || param->section < found->section)
            found = param;
    }
    return found;
}

static struct mw_slice piece_text(struct mw_arena *arena, const struct mw_mime_param *piece,
                                  struct mw_slice *charset)
{
    struct mw_slice text = piece->value;
    if (piece->section == 0 && piece->is_extended)
        *charset = cut_charset(&text);
    return piece->is_extended ? decode_percent(arena, text) : text;
}

/* All pieces in the order of their numbers, those behind a gap too, and as a second form those
 * before the gap. */
static void add_pieces(struct forms *forms, struct mw_mime_value *value, struct mw_slice name)
{
    bool is_twice;
    const struct mw_mime_param *piece = next_piece(value, name, 0, &is_twice);
    if (piece == NULL)
        return;
    char *all = mw_arena_alloc(forms->arena, value->text.len + 1);
    size_t len = 0, until_gap = SIZE_MAX;
    struct mw_slice charset = MW_EMPTY;
    for (int section = 0; piece != NULL;
         section = piece->section + 1, piece = next_piece(value, name, section, &is_twice)) {
        if (piece->section != section && until_gap == SIZE_MAX)
            until_gap = len;
        if (piece->section != section || is_twice)
            value->defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_2231);
        struct mw_slice text = piece_text(forms->arena, piece, &charset);
        if (text.len > 0)
            memcpy(all + len, text.ptr, text.len);
        len += text.len;
    }
    struct mw_mime_form form = {.text = MW_SLICE(all, len), .charset = charset, .is_2231 = true};
    add_form(forms, form);
    form.text.len = until_gap == SIZE_MAX ? 0 : until_gap;
    form.is_second = true;
    if (form.text.len > 0)
        add_form(forms, form);
}

/* Some programs take the pieces in the order in which they stand: a second form, if that differs. */
static void add_pieces_as_they_stand(struct forms *forms, const struct mw_mime_value *value,
                                     struct mw_slice name)
{
    char *all = mw_arena_alloc(forms->arena, value->text.len + 1);
    size_t len = 0;
    bool is_sorted = true, is_extended = false;
    int last = -1;
    for (size_t i = 0; i < value->count; i++) {
        const struct mw_mime_param *piece = &value->params[i];
        if (piece->section < 0 || !mw_slice_eq(piece->name, name))
            continue;
        is_sorted &= piece->section > last;
        is_extended |= piece->is_extended;
        last = piece->section;
        if (piece->value.len > 0)
            memcpy(all + len, piece->value.ptr, piece->value.len);
        len += piece->value.len;
    }
    if (is_sorted)
        return;
    struct mw_mime_form form = {
        .text = MW_SLICE(all, len), .charset = MW_EMPTY, .is_2231 = true, .is_second = true};
    if (is_extended) {
        form.charset = cut_charset(&form.text);
        form.text = decode_percent(forms->arena, form.text);
    }
    add_form(forms, form);
}

size_t mw_mime_forms(struct mw_arena *arena, struct mw_mime_value *value, struct mw_slice name,
                     struct mw_mime_form *out_forms, size_t max)
{
    struct forms forms = {.arena = arena, .list = out_forms, .max = max};
    for (size_t i = 0; i < value->count; i++)
        if (value->params[i].section < 0 && value->params[i].is_extended &&
            mw_slice_eq(value->params[i].name, name))
            add_extended(&forms, &value->params[i]);
    add_pieces(&forms, value, name);
    add_pieces_as_they_stand(&forms, value, name);
    for (int second = 0; second < 2; second++)
        for (size_t i = 0; i < value->count; i++) {
            const struct mw_mime_param *param = &value->params[i];
            if (param->section < 0 && !param->is_extended && mw_slice_eq(param->name, name))
                add_form(&forms, (struct mw_mime_form){.text = second ? param->other : param->value,
                                                       .charset = MW_EMPTY,
                                                       .is_second = second != 0});
        }
    return forms.count;
}
