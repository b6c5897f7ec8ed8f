/* html_link.c - where the elements of an HTML text lead to, and what they load. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "message/html_priv.h"

/* A link while its text may still grow: places in the visible text, which moves. */
struct mw_html_found {
    struct mw_slice url;
    size_t text_from, text_to;
    bool is_resource;
};

static struct mw_slice value_of(struct mw_html_links *links, enum mw_html_attribute attribute)
{
    return mw_html_token_value(links->token, attribute, &links->scratch);
}

/* At most `max` octets, no half character at the end. */
static struct mw_slice shorten(struct mw_slice text, size_t max)
{
    if (text.len <= max)
        return text;
    size_t len = max;
    while (len > 0 && len > max - 4 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return mw_slice_take(text, len);
}

/* WHATWG URL 4.4: C0 controls and blanks at the ends, tabs and line ends anywhere are taken out. */
static struct mw_slice copy_url(struct mw_html_links *links, struct mw_slice url)
{
    while (url.len > 0 && (unsigned char)url.ptr[0] <= ' ')
        url = mw_slice_skip(url, 1);
    while (url.len > 0 && (unsigned char)url.ptr[url.len - 1] <= ' ')
        url.len--;
    size_t max = url.len <= MW_HTML_URL_MAX ? url.len : MW_HTML_URL_MAX + 1, len = 0;
    char *copy = mw_arena_alloc(links->arena, max + 1);
    for (size_t i = 0; i < url.len && len < max; i++)
        if (url.ptr[i] != '\t' && url.ptr[i] != '\n' && url.ptr[i] != '\r')
            copy[len++] = url.ptr[i];
    struct mw_slice kept = shorten(MW_SLICE(copy, len), MW_HTML_URL_MAX);
    /* Its host may be behind the cut. A data: URL has none. */
    if (kept.len < len && !mw_slice_istarts(kept, MW_LIT("data:")))
        links->has_more = true;
    return kept;
}

static bool add_link(struct mw_html_links *links, struct mw_slice url, bool is_resource)
{
    while (url.len > 0 && (unsigned char)url.ptr[0] <= ' ')
        url = mw_slice_skip(url, 1);
    if (url.len == 0)
        return false;
    if (links->count == MW_HTML_LINKS_MAX) {
        links->has_more = true;
        return false;
    }
    if (links->count == links->cap) {
        links->cap = links->cap > 0 ? links->cap * 2 : 16;
        links->list = mw_xrealloc(links->list, links->cap * sizeof *links->list);
    }
    url = copy_url(links, url);
    links->list[links->count++] = (struct mw_html_found){.url = url, .is_resource = is_resource};
    if (mw_slice_istarts(url, MW_LIT("javascript:")) || mw_slice_istarts(url, MW_LIT("vbscript:")))
        links->has_script = true;
    return true;
}

static void add_value(struct mw_html_links *links, enum mw_html_attribute attribute,
                      bool is_resource)
{
    if (links->token->value[attribute].len > 0)
        add_link(links, value_of(links, attribute), is_resource);
}

/* srcset: "URL 2x, URL 640w". */
static void add_srcset(struct mw_html_links *links)
{
    struct mw_slice rest = value_of(links, MW_A_SRCSET);
    while (rest.len > 0) {
        size_t len = 0;
        while (rest.len > 0 && (mw_html_is_space(rest.ptr[0]) || rest.ptr[0] == ','))
            rest = mw_slice_skip(rest, 1);
        while (len < rest.len && !mw_html_is_space(rest.ptr[len]))
            len++;
        struct mw_slice url = mw_slice_take(rest, len);
        rest = mw_slice_skip(rest, len);
        if (url.len > 0 && url.ptr[url.len - 1] == ',') {
            url.len--;
        } else {
            ptrdiff_t comma = mw_slice_find(rest, ',');
            rest = mw_slice_skip(rest, comma < 0 ? rest.len : (size_t)comma);
        }
        add_link(links, url, true);
    }
}

/* <meta http-equiv=refresh content="0; url='...'"> (HTML 4.2.5.3). */
static void add_refresh(struct mw_html_links *links)
{
    if (!mw_slice_ieq(value_of(links, MW_A_HTTP_EQUIV), MW_LIT("refresh")))
        return;
    struct mw_slice text = value_of(links, MW_A_CONTENT);
    while (text.len > 0 && (mw_is_digit(text.ptr[0]) || mw_html_is_space(text.ptr[0]) ||
                            text.ptr[0] == '.' || text.ptr[0] == ';' || text.ptr[0] == ','))
        text = mw_slice_skip(text, 1);
    if (mw_slice_istarts(text, MW_LIT("url"))) {
        struct mw_slice rest = mw_slice_skip(text, 3);
        while (rest.len > 0 && mw_html_is_space(rest.ptr[0]))
            rest = mw_slice_skip(rest, 1);
        if (rest.len > 0 && rest.ptr[0] == '=')
            text = mw_slice_skip(rest, 1);
        while (text.len > 0 && mw_html_is_space(text.ptr[0]))
            text = mw_slice_skip(text, 1);
    }
    if (text.len > 0 && (text.ptr[0] == '"' || text.ptr[0] == '\'')) {
        char quote = text.ptr[0];
        text = mw_slice_skip(text, 1);
        ptrdiff_t close = mw_slice_find(text, quote);
        if (close >= 0)
            text = mw_slice_take(text, (size_t)close);
    }
    add_link(links, text, false);
}

static bool is_loaded_link(struct mw_slice rel)
{
    static const char *const kinds[] = {"stylesheet", "icon",       "preload", "prefetch",
                                        "import",     "preconnect", "manifest"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (rel.len > 0 && strcasestr(rel.ptr, kinds[i]) != NULL)
            return true;
    return false;
}

static void end_link(struct mw_html_links *links)
{
    if (links->open > 0)
        links->list[links->open - 1].text_to = links->text_len;
    links->open = 0;
}

static void add_anchor(struct mw_html_links *links)
{
    end_link(links);
    enum mw_html_attribute attribute = links->token->value[MW_A_HREF].len > 0 ? MW_A_HREF
                                                                              : MW_A_XLINK_HREF;
    if (!add_link(links, value_of(links, attribute), false))
        return;
    links->open = links->count;
    links->list[links->count - 1].text_from = links->text_len;
}

/* Links that an element has of its own kind. */
static void add_links_of(struct mw_html_links *links)
{
    switch ((int)links->token->tag) {
    case MW_TAG_a:
        add_anchor(links);
        break;
    case MW_TAG_area:
        add_value(links, MW_A_HREF, false);
        break;
    case MW_TAG_form:
        add_value(links, MW_A_ACTION, false);
        break;
    case MW_TAG_link:
        if (is_loaded_link(mw_arena_dup(links->arena, value_of(links, MW_A_REL))))
            add_value(links, MW_A_HREF, true);
        break;
    case MW_TAG_meta:
        add_refresh(links);
        break;
    case MW_TAG_base:
        if (links->base.ptr == NULL && links->token->value[MW_A_HREF].len > 0) {
            links->base = copy_url(links, value_of(links, MW_A_HREF));
        }
        break;
    case MW_TAG_object:
        add_value(links, MW_A_DATA, true);
        break;
    default: /* in pictures, formulas, and the drawings of Office programs */
        add_value(links, MW_A_XLINK_HREF, true);
        if (links->token->tag == MW_TAG_OTHER || links->token->tag == MW_TAG_img ||
            links->token->tag == MW_TAG_math)
            add_value(links, MW_A_HREF, false);
        break;
    }
}

void mw_html_links_add(struct mw_html_links *links, const struct mw_html_token *token,
                       size_t text_len)
{
    static const enum mw_html_attribute sources[] = {MW_A_SRC, MW_A_LOWSRC, MW_A_DYNSRC,
                                                     MW_A_BACKGROUND, MW_A_POSTER};
    links->token = token;
    links->text_len = text_len;
    add_links_of(links);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        add_value(links, sources[i], true);
    if (links->token->value[MW_A_SRCSET].len > 0)
        add_srcset(links);
    add_value(links, MW_A_FORMACTION, false);
}

void mw_html_links_add_style(struct mw_html_links *links, struct mw_slice style)
{
    struct mw_slice url;
    for (size_t cursor = 0; mw_html_style_url(style, &cursor, &url);)
        add_link(links, url, true);
}

void mw_html_links_end(struct mw_html_links *links, size_t text_len)
{
    links->text_len = text_len;
    end_link(links);
}

static struct mw_slice link_text(const struct mw_html_found *found, struct mw_slice visible)
{
    struct mw_slice text = MW_SLICE(visible.ptr + found->text_from, 0);
    if (found->text_to > found->text_from)
        text.len = found->text_to - found->text_from;
    while (text.len > 0 && mw_html_is_space(text.ptr[0]))
        text = mw_slice_skip(text, 1);
    return shorten(text, MW_HTML_LINK_TEXT_MAX);
}

/* ---- <base href> ---- */

/* Octets of the scheme with its ':'; 0: none. */
static size_t scheme_len(struct mw_slice url)
{
    size_t len = 0;
    while (len < url.len && (mw_is_alnum(url.ptr[len]) || (len > 0 && url.ptr[len] != '\0' &&
                                                           strchr("+-.", url.ptr[len]) != NULL)))
        len++;
    return len > 0 && mw_is_alpha(url.ptr[0]) && len < url.len && url.ptr[len] == ':' ? len + 1 : 0;
}

static size_t span_until(struct mw_slice url, size_t from, const char *stops)
{
    while (from < url.len && (url.ptr[from] == '\0' || strchr(stops, url.ptr[from]) == NULL))
        from++;
    return from;
}

static bool is_slash(struct mw_slice url, size_t at)
{
    return at < url.len && (url.ptr[at] == '/' || url.ptr[at] == '\\');
}

enum {
    JOINED_MAX = 64 * 1024
}; /* octets of a text's joined links: a base is short, links are many */

/* RFC 3986 5.2 as far as it matters to where a link leads: the host is the base's, "." and ".." stay.
 * A base without a host changes nothing. */
static struct mw_slice join(struct mw_html_links *links, struct mw_slice url, size_t *left)
{
    struct mw_slice base = links->base;
    size_t host = scheme_len(base);
    bool is_whole = url.len == 0 || url.ptr[0] == '#' || scheme_len(url) > 0 ||
                    (is_slash(url, 0) && is_slash(url, 1));
    if (base.len == 0 || is_whole || !is_slash(base, host) || !is_slash(base, host + 1))
        return url;
    size_t root = span_until(base, host + 2, "/\\?#"), keep = root;
    size_t query = span_until(base, root, "?#");
    if (url.ptr[0] == '?')
        keep = query;
    else if (!is_slash(url, 0))
        for (keep = query; keep > root && !is_slash(base, keep - 1); keep--)
            ;
    size_t len = keep + 1 + url.len;
    if (len > *left) {
        links->has_more = true;
        return url;
    }
    *left -= len;
    bool needs_slash = keep == root && !is_slash(url, 0);
    char *joined = mw_arena_alloc(links->arena, len);
    memcpy(joined, base.ptr, keep);
    if (needs_slash)
        joined[keep++] = '/';
    memcpy(joined + keep, url.ptr, url.len);
    return MW_SLICE(joined, keep + url.len);
}

void mw_html_links_finish(struct mw_html_links *links, struct mw_html *html)
{
    struct mw_html_link *all = mw_arena_array(links->arena, struct mw_html_link, links->count);
    size_t left = JOINED_MAX;
    for (size_t i = 0; i < links->count; i++)
        all[i] = (struct mw_html_link){.url = join(links, links->list[i].url, &left),
                                       .text = link_text(&links->list[i], html->visible),
                                       .is_resource = links->list[i].is_resource};
    html->links = all;
    html->link_count = links->count;
    html->has_more_links = links->has_more;
    html->has_script |= links->has_script;
    if (links->base.ptr != NULL)
        html->base = links->base;
    free(links->list);
    mw_buf_fini(&links->scratch);
}
