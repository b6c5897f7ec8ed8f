/* taglist.c - see taglist.h. One pass over the octets; a value is looked at where it ends. */
#include "taglist.h"

static bool is_alpha(char c)
{
    return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

/* RFC 6376 3.2: tag-name = ALPHA *ALNUMPUNC. */
static bool is_name(struct mw_slice name)
{
    if (name.len == 0 || !is_alpha(name.ptr[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_alpha(name.ptr[i]) && !text_is_digit(name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return true;
}

/* How many octets of folding white space are at the front: a blank, or a line end with a blank behind it (RFC 5322
 * 3.2.2). A bare LF counts as a line end: binary messages have them. */
static size_t blank_len(struct mw_slice text)
{
    size_t at = 0;
    if (at < text.len && text.ptr[at] == '\r')
        at++;
    if (at < text.len && text.ptr[at] == '\n')
        at++;
    else if (at > 0)
        return 0;
    return at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t') ? at + 1 : 0;
}

/* Of the UTF-8 sequence at the front; 0: it is none. */
static size_t sequence_len(struct mw_slice text)
{
    unsigned char c = (unsigned char)text.ptr[0];
    size_t need = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return need <= text.len && text_utf8_len(SLICE(text.ptr, need)) == need ? need : 0;
}

/* Visible ASCII, UTF-8 (RFC 8616 3) and folding white space; ';' has been cut at already. */
static bool is_text(struct mw_slice text)
{
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t len = blank_len(text);
        if (c > 0x20 && c < 0x7f)
            len = 1;
        else if (c >= 0x80)
            len = sequence_len(text);
        if (len == 0)
            return false;
        text = text_skip(text, len);
    }
    return true;
}

/* "name=value" with white space around both. */
static bool spec_parse(struct mw_slice spec, struct tag *out)
{
    ptrdiff_t equals = text_find(spec, '=');
    if (equals < 0 || !is_text(spec))
        return false;
    out->name = text_trim(SLICE(spec.ptr, (size_t)equals));
    out->value = text_trim(text_skip(spec, (size_t)equals + 1));
    return is_name(out->name);
}

static bool has(const struct taglist *list, struct mw_slice name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_eq(list->tags[i].name, name))
            return true;
    return false;
}

bool taglist_parse(struct mw_slice text, struct taglist *out)
{
    out->count = 0;
    for (;;) {
        ptrdiff_t end = text_find(text, ';');
        struct mw_slice spec = end < 0 ? text : SLICE(text.ptr, (size_t)end);
        if (end < 0 && text_trim(spec).len == 0)
            return is_text(spec); /* nothing, or nothing behind the final ';' */
        struct tag tag;
        if (out->count == TAGLIST_MAX || !spec_parse(spec, &tag) || has(out, tag.name))
            return false;
        out->tags[out->count++] = tag;
        if (end < 0)
            return true;
        text = text_skip(text, (size_t)end + 1);
    }
}

struct mw_slice taglist_find(const struct taglist *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_is(list->tags[i].name, name))
            return list->tags[i].value;
    return SLICE(NULL, 0);
}
