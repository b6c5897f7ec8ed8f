/* html_token.c - tags and what is in them, by the states of HTML 13.2.5, written as loops. Quoted
 * values and raw text are jumped over by memchr; nothing is copied. */
#include <string.h>

#include "base/utf8.h"
#include "message/html_priv.h"

enum { TAG_NAME_MAX = 32 };

static const char *const attribute_names[MW_A_COUNT] = {
    [MW_A_ACTION] = "action",   [MW_A_ALT] = "alt",       [MW_A_BACKGROUND] = "background",
    [MW_A_BGCOLOR] = "bgcolor", [MW_A_COLOR] = "color",   [MW_A_CONTENT] = "content",
    [MW_A_DATA] = "data",       [MW_A_DYNSRC] = "dynsrc", [MW_A_FORMACTION] = "formaction",
    [MW_A_HIDDEN] = "hidden",   [MW_A_HREF] = "href",     [MW_A_HTTP_EQUIV] = "http-equiv",
    [MW_A_LOWSRC] = "lowsrc",   [MW_A_OPEN] = "open",     [MW_A_POSTER] = "poster",
    [MW_A_REL] = "rel",         [MW_A_SIZE] = "size",     [MW_A_SRC] = "src",
    [MW_A_SRCSET] = "srcset",   [MW_A_STYLE] = "style",   [MW_A_TEXT] = "text",
    [MW_A_TYPE] = "type",       [MW_A_VALUE] = "value",   [MW_A_XLINK_HREF] = "xlink:href",
};

/* ---- tags ---- */

static bool ends_name(const char *at, const char *end)
{
    return at < end && (mw_html_is_space(*at) || *at == '/' || *at == '>');
}

/* 1 + the first attribute that we know with this letter; they stand in the order of their names. */
static const uint8_t first_attribute['z' - 'a' + 1] = {
    ['a' - 'a'] = 1 + MW_A_ACTION, ['b' - 'a'] = 1 + MW_A_BACKGROUND, ['c' - 'a'] = 1 + MW_A_COLOR,
    ['d' - 'a'] = 1 + MW_A_DATA,   ['f' - 'a'] = 1 + MW_A_FORMACTION, ['h' - 'a'] = 1 + MW_A_HIDDEN,
    ['l' - 'a'] = 1 + MW_A_LOWSRC, ['o' - 'a'] = 1 + MW_A_OPEN,       ['p' - 'a'] = 1 + MW_A_POSTER,
    ['r' - 'a'] = 1 + MW_A_REL,    ['s' - 'a'] = 1 + MW_A_SIZE,       ['t' - 'a'] = 1 + MW_A_TEXT,
    ['v' - 'a'] = 1 + MW_A_VALUE,  ['x' - 'a'] = 1 + MW_A_XLINK_HREF,
};

static enum mw_html_attribute find_attribute(struct mw_slice name)
{
    char letter = mw_lower(name.ptr[0]);
    size_t i = letter >= 'a' && letter <= 'z' ? first_attribute[letter - 'a'] : 0;
    for (; i > 0 && i <= MW_A_COUNT && attribute_names[i - 1][0] == letter; i++)
        if (mw_slice_ieq(name, mw_slice_cstr(attribute_names[i - 1])))
            return (enum mw_html_attribute)(i - 1);
    return MW_A_COUNT;
}

/* Of two attributes with one name the first counts (13.2.5.33). */
static void note_attribute(struct mw_html_token *token, struct mw_slice name, struct mw_slice value)
{
    enum mw_html_attribute attribute = find_attribute(name);
    if (attribute != MW_A_COUNT) {
        if (token->value[attribute].ptr == NULL)
            token->value[attribute] = value;
        token->has_attribute = true;
        return;
    }
    if (!token->is_end && value.len > 0 && mw_slice_istarts(name, MW_LIT("on")))
        token->has_handler = true;
}

/* Ends of names and of values without quotes. */
enum { END_NAME = 1, END_VALUE = 2 };
static const uint8_t tag_ends[256] = {['\t'] = END_NAME | END_VALUE,
                                      ['\n'] = END_NAME | END_VALUE,
                                      ['\f'] = END_NAME | END_VALUE,
                                      ['\r'] = END_NAME | END_VALUE,
                                      [' '] = END_NAME | END_VALUE,
                                      ['>'] = END_NAME | END_VALUE,
                                      ['/'] = END_NAME,
                                      ['='] = END_NAME};

static const char *skip_to(const char *at, const char *end, uint8_t kind)
{
    while (at < end && !(tag_ends[(unsigned char)*at] & kind))
        at++;
    return at;
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && mw_html_is_space(*at))
        at++;
    return at;
}

/* The value behind '=' (13.2.5.35 to 39). NULL: the input ends in it. */
static const char *read_value(const char *at, const char *end, struct mw_slice *out_value)
{
    at = skip_spaces(at, end);
    if (at == end)
        return NULL;
    if (*at == '"' || *at == '\'') {
        const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
        if (close == NULL)
            return NULL;
        *out_value = MW_SLICE(at + 1, (size_t)(close - at - 1));
        return close + 1;
    }
    const char *stop = skip_to(at, end, END_VALUE);
    *out_value = MW_SLICE(at, (size_t)(stop - at));
    return stop;
}

/* One attribute that begins at `at`. NULL: the input ends in it. */
static const char *read_attribute(struct mw_html_token *token, const char *at, const char *end)
{
    const char *stop = skip_to(at + 1, end, END_NAME); /* a '=' in front is part of the name */
    struct mw_slice name = MW_SLICE(at, (size_t)(stop - at)), value = MW_SLICE(stop, 0);
    at = skip_spaces(stop, end);
    if (at < end && *at == '=')
        at = read_value(at + 1, end, &value);
    if (at != NULL)
        note_attribute(token, name, value);
    return at;
}

/* Attributes up to the '>' (13.2.5.32 to 40); the place behind it. NULL: the input ends before. */
static const char *read_attributes(struct mw_html_token *token, const char *at, const char *end)
{
    while (at != NULL && at < end) {
        if (*at == '>')
            return at + 1;
        if (*at == '/') {
            at++;
            token->is_empty = at < end && *at == '>';
        } else if (mw_html_is_space(*at)) {
            at++;
        } else {
            at = read_attribute(token, at, end);
        }
    }
    return NULL;
}

static void read_tag_name(struct mw_html_token *token, const char *at, const char *stop)
{
    char lower[TAG_NAME_MAX];
    token->name = MW_SLICE(at, (size_t)(stop - at));
    struct mw_slice name = mw_slice_take(token->name, sizeof lower);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = mw_lower(at[i]);
    token->tag = mw_html_tag_find(MW_SLICE(lower, name.len), &token->flags, &token->key);
}

const char *mw_html_token_read(struct mw_html_token *token, const char *at, const char *end,
                               bool is_end)
{
    const char *stop = at;
    while (stop < end && !ends_name(stop, end))
        stop++;
    if (token->has_attribute)
        memset(token->value, 0, sizeof token->value);
    token->has_attribute = token->has_handler = token->is_empty = false;
    token->is_end = is_end;
    read_tag_name(token, at, stop);
    return read_attributes(token, stop, end);
}

struct mw_slice mw_html_token_value(const struct mw_html_token *token,
                                    enum mw_html_attribute attribute, struct mw_buf *scratch)
{
    struct mw_slice raw = token->value[attribute];
    if (raw.len == 0)
        return MW_EMPTY;
    if (memchr(raw.ptr, '&', raw.len) == NULL && memchr(raw.ptr, '\0', raw.len) == NULL)
        return raw;
    scratch->len = 0;
    while (raw.len > 0) {
        size_t plain = 0;
        while (plain < raw.len && raw.ptr[plain] != '&' && raw.ptr[plain] != '\0')
            plain++;
        mw_buf_put(scratch, mw_slice_take(raw, plain));
        raw = mw_slice_skip(raw, plain);
        if (raw.len == 0)
            break;
        char value[MW_HTML_REFERENCE_MAX];
        size_t len, used = 1;
        if (raw.ptr[0] == '\0')
            mw_buf_put(scratch, MW_UTF8_REPLACEMENT);
        else if ((used = mw_html_reference(raw, true, value, &len)) > 0)
            mw_buf_put(scratch, MW_SLICE(value, len));
        else
            mw_buf_putc(scratch, '&');
        raw = mw_slice_skip(raw, used > 0 ? used : 1);
    }
    return mw_buf_view(scratch);
}

/* ---- raw text and comments ---- */

/* Does `name` stand at `at`, followed by what ends a tag's name? */
static bool is_name_at(const char *at, const char *end, struct mw_slice name)
{
    return (size_t)(end - at) > name.len && mw_slice_ieq(MW_SLICE(at, name.len), name) &&
           ends_name(at + name.len, end);
}

/* The end tag of the raw element that has just begun (13.2.5.9 to 14); the end if there is none. */
static const char *raw_end(const char *at, const char *end, struct mw_slice name)
{
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        if (end - at > 2 && at[1] == '/' && is_name_at(at + 2, end, name))
            return at;
        at++;
    }
    return end;
}

/* The same for <script>, where a comment that holds "<script" hides one end tag (13.2.5.15 to
 * 31). */
static const char *script_end(const char *at, const char *end)
{
    bool is_escaped = false, is_double = false;
    for (; at < end; at++) {
        if (is_escaped && *at == '-' && end - at > 2 && at[1] == '-') {
            const char *dash = at + 1;
            while (dash < end && *dash == '-')
                dash++;
            if (dash < end && *dash == '>')
                is_escaped = is_double = false;
            at = dash - 1;
        } else if (*at == '<' && end - at > 1) {
            bool is_close = at[1] == '/';
            bool is_script = is_name_at(at + 1 + is_close, end, MW_LIT("script"));
            if (is_close && is_script && !is_double)
                return at;
            if (is_script)
                is_double = is_escaped && !is_close;
            else if (!is_escaped && end - at > 3 && memcmp(at, "<!--", 4) == 0) {
                is_escaped = true;
                at++; /* its dashes may be those of "-->" too */
            }
        } else if (!is_escaped) {
            const char *next = memchr(at, '<', (size_t)(end - at));
            at = next == NULL ? end - 1 : next - 1 >= at ? next - 1 : at;
        }
    }
    return end;
}

const char *mw_html_raw_end(const struct mw_html_token *token, const char *at, const char *end)
{
    if (token->tag == MW_TAG_plaintext)
        return end;
    return token->tag == MW_TAG_script ? script_end(at, end) : raw_end(at, end, token->name);
}

/* 13.2.5.43 to 52: ends with "-->", "--!>", or at once with ">" and "->". */
const char *mw_html_comment_end(const char *from, const char *end)
{
    const char *at = from;
    while (at < end && (at = memchr(at, '>', (size_t)(end - at))) != NULL) {
        size_t before = (size_t)(at - from);
        at++;
        if (before == 0 || (before == 1 && at[-2] == '-') ||
            (before >= 2 && at[-2] == '-' && at[-3] == '-') ||
            (before >= 3 && at[-2] == '!' && at[-3] == '-' && at[-4] == '-'))
            return at;
    }
    return end;
}
