/* content_view.c - the second step: what the parts kept becomes the view. On the loop for ordinary
 * messages, on a thread of the pool for heavy ones; it touches nothing but the message's own memory
 * (and, under its lock, the kit's database). */
#include <string.h>

#include "base/utf8.h"
#include "message/archive.h"
#include "message/content_priv.h"
#include "message/html.h"
#include "message/magic.h"
#include "message/url.h"

enum { HALF = MW_CONTENT_TEXT_MAX / 2, URL_BUCKETS = 4096 };

/* ---- defects ---- */

#define NOTE MW_DEFECT_NOTE
#define MALFORMED MW_DEFECT_MALFORMED
#define AMBIGUOUS MW_DEFECT_AMBIGUOUS
static const struct mw_content_defect defect_table[MW_DEFECT_COUNT] = {
#define DEFECT(id, name_, severity_, meaning_)                    \
    [MW_DEFECT_##id] = {.size = sizeof(struct mw_content_defect), \
                        .name = name_,                            \
                        .severity = severity_,                    \
                        .meaning = meaning_},
#include "message/defects.def"
#undef DEFECT
};

const struct mw_content_defect *mw_content_defect(unsigned defect)
{
    return defect < MW_DEFECT_COUNT ? &defect_table[defect] : NULL;
}

static const struct mw_content_defect *const *list_defects(struct mw_arena *arena, uint64_t bits,
                                                           size_t *out_count)
{
    const struct mw_content_defect **list = mw_arena_alloc_array(
        arena, (size_t)__builtin_popcountll(bits) + 1, sizeof *list);
    size_t count = 0;
    for (unsigned i = 0; i < MW_DEFECT_COUNT; i++)
        if (bits & MW_DEFECT_BIT(i))
            list[count++] = &defect_table[i];
    *out_count = count;
    return list;
}

/* ---- texts ---- */

/* <meta charset=...> near the top, for pages whose part names none (WHATWG 13.2.3.2, roughly). */
static const struct mw_charset *page_charset(struct mw_slice page)
{
    struct mw_slice top = mw_slice_take(page, 1024);
    for (size_t at = 0; at + 8 < top.len; at++) {
        if (!mw_slice_istarts(mw_slice_skip(top, at), MW_LIT("charset")))
            continue;
        struct mw_slice name = mw_slice_trim(mw_slice_skip(top, at + 7));
        if (name.len == 0 || name.ptr[0] != '=')
            continue;
        name = mw_slice_trim(mw_slice_skip(name, 1));
        if (name.len > 0 && (name.ptr[0] == '"' || name.ptr[0] == '\''))
            name = mw_slice_skip(name, 1);
        size_t len = 0;
        while (len < name.len &&
               (mw_is_alnum(name.ptr[len]) || name.ptr[len] == '-' || name.ptr[len] == '_'))
            len++;
        return mw_charset_find(mw_slice_take(name, len));
    }
    return NULL;
}

struct conversion {
    struct mw_charsets **open;
    const struct mw_charset *charset;
    struct mw_utf8_sink sink;
};

static void convert(struct conversion *conversion, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    if (conversion->charset == NULL)
        mw_raw_put(&conversion->sink, octets);
    else
        mw_charset_put(conversion->open, conversion->charset, &conversion->sink, octets);
}

/* Moves them to the front; returns how many are left. */
static size_t drop_nuls(char *to, const char *from, size_t len, uint64_t *defects)
{
    size_t out = 0;
    for (const char *end = from + len, *nul; from < end; from = nul + 1) {
        nul = memchr(from, '\0', (size_t)(end - from));
        size_t run = (size_t)((nul == NULL ? end : nul) - from);
        memmove(to + out, from, run);
        out += run;
        if (nul == NULL)
            break;
        *defects |= MW_DEFECT_BIT(MW_DEFECT_TEXT_NUL);
    }
    return out;
}

/* LF line ends, no NUL, no byte order mark in front. In place; the result is never longer. */
static size_t normalize(char *text, size_t len, uint64_t *defects)
{
    size_t out = 0, at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (at == 0 && memchr(text, '\r', len) == NULL && memchr(text, '\0', len) == NULL)
        return len;
    while (at < len) {
        const char *cr = memchr(text + at, '\r', len - at);
        size_t run = cr == NULL ? len - at : (size_t)(cr - text) - at;
        out += drop_nuls(text + out, text + at, run, defects);
        at += run + 1;
        if (cr != NULL && (at >= len || text[at] != '\n')) /* a CR on its own */
            text[out++] = '\n';
    }
    return out;
}

/* U+FFFD stands for octets that were no character. memmem() goes octet by octet, so it is called
 * only where there is an octet that could be the first of one. */
static bool has_replacement(struct mw_slice text)
{
    struct mw_slice wanted = MW_UTF8_REPLACEMENT;
    const char *first = text.len == 0 ? NULL : memchr(text.ptr, wanted.ptr[0], text.len);
    if (first == NULL)
        return false;
    size_t before = (size_t)(first - text.ptr);
    return memmem(first, text.len - before, wanted.ptr, wanted.len) != NULL;
}

static void note_charset(struct mw_leaf *leaf, const struct mw_charset *charset,
                         struct mw_slice text)
{
    struct mw_slice name = leaf->part->charset;
    if (name.len > 0 && charset == NULL)
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_CHARSET_UNKNOWN);
    if (mw_slice_istarts(name, MW_LIT("utf-7")) || mw_slice_istarts(name, MW_LIT("utf-16")) ||
        mw_slice_istarts(name, MW_LIT("utf-32")) ||
        mw_slice_istarts(name, MW_LIT("unicode-1-1-utf-7")))
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_CHARSET_UTF7);
    if (has_replacement(text))
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_CHARSET_BAD);
}

/* The last octets of the text, in order; the ring's two pieces. */
static void tail_of(const struct mw_leaf *leaf, struct mw_slice out_pieces[2])
{
    size_t at = leaf->tail_len % HALF;
    bool is_full = leaf->tail_len > HALF;
    out_pieces[0] = is_full ? MW_SLICE(leaf->tail + at, HALF - at) : MW_EMPTY;
    out_pieces[1] = MW_SLICE(leaf->tail, leaf->tail_len >= HALF && at == 0 ? (size_t)HALF : at);
}

/* Head and tail are converted one after the other: a character cut in two where octets are missing
 * is one that nobody sees. Where nothing is missing they are put together first. */
static void convert_all(struct mw_leaf *leaf, struct conversion *conversion)
{
    struct mw_slice tail[2] = {MW_EMPTY, MW_EMPTY};
    bool is_whole = leaf->tail == NULL || leaf->tail_len <= HALF;
    if (leaf->tail != NULL)
        tail_of(leaf, tail);
    if (is_whole && tail[1].len > 0) {
        mw_buf_put(&leaf->text, tail[1]);
        tail[1] = MW_EMPTY;
    }
    convert(conversion, mw_buf_view(&leaf->text));
    if (is_whole)
        return;
    struct mw_buf joined = {0};
    mw_buf_put(&joined, tail[0]);
    mw_buf_put(&joined, tail[1]);
    mw_utf8_put(&conversion->sink, MW_LIT("\n"));
    convert(conversion, mw_buf_view(&joined));
    mw_buf_fini(&joined);
    leaf->is_cut = true;
}

static void make_text(struct mw_content_maker *maker, struct mw_leaf *leaf,
                      struct mw_charsets **open)
{
    struct mw_buf text = {0};
    struct mw_slice octets = mw_buf_view(&leaf->text);
    const struct mw_charset *charset = mw_charset_find(leaf->part->charset);
    if (charset == NULL && leaf->part->charset.len == 0 && leaf->is_html)
        charset = page_charset(octets);
    struct conversion conversion = {
        .open = open, .charset = charset, .sink = {.buf = &text, .left = 2 * MW_CONTENT_TEXT_MAX}};
    convert_all(leaf, &conversion);
    leaf->is_cut |= conversion.sink.is_full;
    if (leaf->is_cut)
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_TEXT_TRUNCATED);
    if (text.len > 0)
        text.len = normalize(text.ptr, text.len, &leaf->defects);
    note_charset(leaf, charset, mw_buf_view(&text));
    leaf->view.text = leaf->view.visible = mw_arena_dup(&maker->arena, mw_buf_view(&text));
    mw_buf_fini(&text);
    mw_buf_fini(&leaf->text);
}

/* ---- links ---- */

struct url_set {
    struct mw_content_maker *maker;
    const struct mw_content_url **urls; /* NULL until there is one: both tables take 16 KiB */
    size_t count;
    uint16_t *buckets; /* index + 1 */
};

static uint32_t hash_of(struct mw_slice a, struct mw_slice b)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < a.len + b.len; i++)
        hash = (hash ^ (unsigned char)(i < a.len ? a.ptr[i] : b.ptr[i - a.len])) * 16777619u;
    return hash;
}

static bool is_same(const struct mw_content_url *a, const struct mw_content_url *b)
{
    return a->source == b->source && mw_slice_eq(a->url, b->url) && mw_slice_eq(a->text, b->text);
}

/* What leads to another part of the message, or to no place that could be looked up. */
static bool leads_nowhere(const struct mw_url *split)
{
    static const char *const schemes[] = {"cid", "mid", "mailto", "tel", "sms", "about", NULL};
    for (size_t i = 0; schemes[i] != NULL; i++)
        if (mw_slice_eq(split->scheme, mw_slice_cstr(schemes[i])))
            return true;
    return false;
}

static void make_tables(struct url_set *set)
{
    struct mw_arena *arena = &set->maker->arena;
    set->urls = mw_arena_alloc_array(arena, MW_CONTENT_URLS_MAX, sizeof *set->urls);
    set->buckets = mw_arena_array(arena, uint16_t, URL_BUCKETS);
}

static void add_url(struct url_set *set, struct mw_leaf *leaf, struct mw_slice text,
                    struct mw_slice url, enum mw_content_url_source source)
{
    struct mw_arena *arena = &set->maker->arena;
    struct mw_url split;
    if (set->count >= MW_CONTENT_URLS_MAX) {
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_URLS);
        return;
    }
    struct mw_content_url found = {.size = sizeof found,
                                   .url = mw_slice_take(url, MW_URL_MAX),
                                   .text = text,
                                   .part = leaf->part->index,
                                   .source = source};
    if (set->urls == NULL)
        make_tables(set);
    size_t at = hash_of(found.url, text) % URL_BUCKETS;
    for (; set->buckets[at] != 0; at = (at + 1) % URL_BUCKETS)
        if (is_same(set->urls[set->buckets[at] - 1], &found))
            return;
    if (!mw_url_split(found.url, arena, &split) || leads_nowhere(&split))
        return;
    found.scheme = split.scheme;
    found.host = split.host;
    found.url = mw_arena_dup(arena, found.url);
    struct mw_content_url *kept = mw_arena_new(arena, struct mw_content_url);
    *kept = found;
    set->urls[set->count++] = kept;
    set->buckets[at] = (uint16_t)set->count;
}

static void find_urls(struct url_set *set, struct mw_leaf *leaf, struct mw_slice text)
{
    struct mw_slice url;
    for (size_t cursor = 0; mw_url_next(text, &cursor, &url);)
        add_url(set, leaf, MW_EMPTY, url, MW_URL_TEXT);
}

static void read_html(struct url_set *set, struct mw_leaf *leaf)
{
    struct mw_html html;
    mw_html_read(leaf->view.text, &set->maker->arena, &html);
    leaf->view.visible = html.visible;
    if (html.hidden > 0)
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_HTML_HIDDEN);
    if (!mw_content_wants(set->maker, MW_CONTENT_URLS))
        return;
    if (html.has_more_links)
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_URLS);
    for (size_t i = 0; i < html.link_count; i++)
        add_url(set, leaf, html.links[i].text, html.links[i].url,
                html.links[i].is_resource ? MW_URL_RESOURCE : MW_URL_LINK);
}

static void read_text(struct url_set *set, struct mw_leaf *leaf, struct mw_charsets **open)
{
    struct mw_content_maker *maker = set->maker;
    make_text(maker, leaf, open);
    if (leaf->is_html && mw_content_wants(maker, MW_CONTENT_HTML | MW_CONTENT_URLS))
        read_html(set, leaf);
    if (mw_content_wants(maker, MW_CONTENT_URLS))
        find_urls(set, leaf, leaf->view.visible);
}

static void read_texts(struct mw_content_maker *maker, struct mw_charsets **open)
{
    struct url_set set = {.maker = maker};
    for (struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next)
        if (leaf->is_text)
            read_text(&set, leaf, open);
    maker->view.urls = set.urls;
    maker->view.url_count = set.count;
}

/* ---- attachments ---- */

static bool names_agree(const struct mw_leaf *leaf, struct mw_slice magic)
{
    const struct mw_mime_part *part = leaf->part;
    if (part->name_count == 0)
        return mw_magic_agrees(magic, part->type_declared, MW_EMPTY);
    for (size_t i = 0; i < part->name_count; i++)
        if (!mw_magic_agrees(magic, part->type_declared, part->names[i]))
            return false;
    return true;
}

static void look_at_octets(struct mw_content_maker *maker, struct mw_leaf *leaf)
{
    if (leaf->head.len == 0 || maker->magic_left == 0)
        return;
    maker->magic_left--;
    struct mw_magic *magic = mw_content_magic_lock(maker->kit);
    if (magic != NULL)
        leaf->view.magic = mw_arena_dup(&maker->arena,
                                        mw_magic_type(magic, mw_buf_view(&leaf->head)));
    mw_content_magic_unlock(maker->kit);
    if (leaf->view.magic.len > 0 && !names_agree(leaf, leaf->view.magic))
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_TYPE_MISMATCH);
}

static void look_into_archive(struct mw_content_maker *maker, struct mw_leaf *leaf)
{
    struct mw_archive archive;
    mw_archive_read(mw_buf_view(&leaf->archive), !leaf->is_cut, &mw_archive_defaults, &maker->arena,
                    &archive);
    leaf->view.members = archive.members;
    leaf->view.member_count = archive.member_count;
    leaf->view.is_encrypted = archive.is_encrypted;
    leaf->defects |= archive.defects;
    if (leaf->is_cut)
        leaf->defects |= MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_LIMIT);
    mw_buf_fini(&leaf->archive);
}

static void read_attachments(struct mw_content_maker *maker)
{
    for (struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next) {
        if (leaf->is_attachment && mw_content_wants(maker, MW_CONTENT_MAGIC))
            look_at_octets(maker, leaf);
        if (leaf->archive_state == MW_LEAF_ARCHIVE)
            look_into_archive(maker, leaf);
        mw_buf_fini(&leaf->head);
        if (leaf->sha != NULL) {
            char *text = mw_arena_alloc(&maker->arena, MW_SHA256_TEXT + 1);
            mw_sha256_finish(&leaf->sha, text);
            leaf->view.sha256 = MW_SLICE(text, MW_SHA256_TEXT);
        }
    }
}

/* ---- the view ---- */

/* RFC 1847 2.2: what is in a multipart/encrypted is. */
static bool is_in_encrypted(const struct mw_mime_part *part)
{
    for (part = part->parent; part != NULL; part = part->parent)
        if (mw_slice_eq(part->type, MW_LIT("multipart/encrypted")))
            return true;
    return false;
}

static void fill_part(struct mw_content_maker *maker, struct mw_leaf *leaf)
{
    const struct mw_mime_part *part = leaf->part;
    struct mw_content_part *view = &leaf->view;
    view->size = sizeof *view;
    view->index = part->index;
    view->depth = part->depth;
    view->path = part->path;
    view->header = part->header;
    view->type = part->type;
    view->type_declared = part->type_declared;
    view->charset = part->charset;
    view->disposition = part->disposition;
    view->encoding = part->encoding;
    view->content_id = part->content_id;
    view->names = part->names;
    view->name_count = part->name_count;
    view->octets = part->is_container ? 0 : part->octets;
    view->is_container = part->is_container;
    view->is_message = part->is_message;
    view->is_attachment = leaf->is_attachment;
    view->is_alternative = part->is_alternative;
    view->is_truncated = leaf->is_cut;
    view->is_encrypted |= !part->is_container && is_in_encrypted(part);
    leaf->defects |= part->defects;
    maker->defects |= leaf->defects;
    view->defects = list_defects(&maker->arena, leaf->defects, &view->defect_count);
}

/* In the decoder's order: an alternative may have begun later than the part behind it. */
static void fill_parts(struct mw_content_maker *maker)
{
    const struct mw_content_part **parts = mw_arena_alloc_array(
        &maker->arena, maker->leaf_count + 1, sizeof *parts);
    for (struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next) {
        mw_assert(leaf->part->index < maker->leaf_count);
        fill_part(maker, leaf);
        parts[leaf->part->index] = &leaf->view;
    }
    maker->view.parts = parts;
    maker->view.part_count = maker->leaf_count;
}

const struct mw_content *mw_content_finish(struct mw_content_maker *maker, bool on_loop)
{
    struct mw_charsets *own = NULL;
    mw_assert(!maker->is_finished);
    mw_mime_finish(maker->mime);
    maker->defects = mw_mime_defects(maker->mime);
    if (mw_content_wants(maker, MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS))
        read_texts(maker, on_loop ? &maker->kit->charsets : &own);
    mw_charsets_free(&own);
    read_attachments(maker);
    fill_parts(maker);
    struct mw_content *view = &maker->view;
    view->size = sizeof *view;
    view->needs = maker->needs;
    view->octets = maker->octets;
    view->defects = list_defects(&maker->arena, maker->defects, &view->defect_count);
    maker->is_finished = true;
    return view;
}
