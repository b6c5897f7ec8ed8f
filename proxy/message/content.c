/* content.c - the first step: octets go through the MIME decoder into the parts that want them.
 *
 * What a part keeps follows from what was asked for: a text its head and tail, an attachment its
 * first octets (what it looks like), an archive all of it, each within the message's budgets. A part
 * that nobody asked about costs its header only. */
#include "message/content_priv.h"

#include <stdlib.h>
#include <string.h>

#include "message/archive.h"
#include "message/magic.h"

enum { HALF = MW_CONTENT_TEXT_MAX / 2, ARCHIVE_HEAD = 512 };

/* ---- the kit ---- */

struct mw_content_kit *mw_content_kit_new(void)
{
    struct mw_content_kit *kit = mw_xcalloc(1, sizeof *kit);
    pthread_mutex_init(&kit->magic_lock, NULL);
    return kit;
}

void mw_content_kit_free(struct mw_content_kit **kit_at)
{
    struct mw_content_kit *kit = *kit_at;
    *kit_at = NULL;
    if (kit == NULL)
        return;
    mw_magic_free(&kit->magic);
    mw_charsets_free(&kit->charsets);
    pthread_mutex_destroy(&kit->magic_lock);
    free(kit);
}

struct mw_magic *mw_content_magic_lock(struct mw_content_kit *kit)
{
    const char *problem;
    pthread_mutex_lock(&kit->magic_lock);
    if (!kit->has_magic)
        kit->magic = mw_magic_new(&problem);
    kit->has_magic = true;
    return kit->magic;
}

void mw_content_magic_unlock(struct mw_content_kit *kit)
{
    pthread_mutex_unlock(&kit->magic_lock);
}

/* ---- parts ---- */

static bool ends_with_any(struct mw_slice name, const char *const *ends)
{
    for (; *ends != NULL; ends++)
        if (mw_slice_iends(name, mw_slice_cstr(*ends)))
            return true;
    return false;
}

/* A page that says it is application/octet-stream opens in a browser all the same. */
static bool is_page_by_name(const struct mw_mime_part *part)
{
    static const char *const pages[] = {".html", ".htm",   ".xhtml", ".xht", ".shtml",
                                        ".svg",  ".mhtml", ".mht",   ".hta", NULL};
    for (size_t i = 0; i < part->name_count; i++) {
        struct mw_slice name = part->names[i];
        while (name.len > 0 && (name.ptr[name.len - 1] == '.' || name.ptr[name.len - 1] == ' '))
            name.len--; /* Windows drops them */
        if (ends_with_any(name, pages))
            return true;
    }
    return false;
}

static bool is_one_of(struct mw_slice type, const char *const *types)
{
    for (; *types != NULL; types++)
        if (mw_slice_eq(type, mw_slice_cstr(*types)))
            return true;
    return false;
}

/* What mail programs show as a page: text/x-amp-html in Gmail, text/watch-html in Apple's. */
static bool is_html(const struct mw_mime_part *part)
{
    static const char *const types[] = {"text/html",       "application/xhtml+xml", "image/svg+xml",
                                        "text/x-amp-html", "text/watch-html",       NULL};
    return is_one_of(part->type, types) || is_page_by_name(part);
}

/* Reports are text that mail programs show among the other texts (RFC 3464, 8098, 5965). */
static bool is_text(const struct mw_mime_part *part)
{
    static const char *const types[] = {
        "message/delivery-status",          "message/global-delivery-status",
        "message/disposition-notification", "message/global-disposition-notification",
        "message/feedback-report",          NULL};
    return mw_slice_starts(part->type, MW_LIT("text/")) || is_one_of(part->type, types);
}

static bool has_archive_name(const struct mw_mime_part *part)
{
    for (size_t i = 0; i < part->name_count; i++)
        if (mw_archive_is_name(part->names[i]))
            return true;
    return false;
}

/* By its first octets, or by its name: a zip is found by its end, whatever stands in front. */
static bool is_archive(const struct mw_leaf *leaf)
{
    return mw_archive_is_known(mw_buf_view(&leaf->head)) || has_archive_name(leaf->part);
}

static bool is_attachment(const struct mw_mime_part *part, bool is_text)
{
    if (part->is_container)
        return part->is_message && part->parent != NULL;
    return part->name_count > 0 || !is_text || mw_slice_eq(part->disposition, MW_LIT("attachment"));
}

static void on_part(void *user, struct mw_mime_part *part)
{
    struct mw_content_maker *maker = user;
    struct mw_leaf *leaf = mw_arena_new(&maker->arena, struct mw_leaf);
    part->user = leaf;
    leaf->part = part;
    leaf->view.magic = leaf->view.sha256 = leaf->view.text = leaf->view.visible = MW_EMPTY;
    leaf->is_html = !part->is_container && is_html(part);
    leaf->is_text = !part->is_container && (leaf->is_html || is_text(part));
    leaf->is_attachment = is_attachment(part, leaf->is_text);
    if (!part->is_container && mw_content_wants(maker, MW_CONTENT_SHA256))
        leaf->sha = mw_sha256_new();
    if (!leaf->is_attachment || !mw_content_wants(maker, MW_CONTENT_ARCHIVES))
        leaf->archive_state = MW_LEAF_NO_ARCHIVE;
    *maker->last_leaf = leaf;
    maker->last_leaf = &leaf->next;
    maker->leaf_count++;
}

static void keep_head(struct mw_leaf *leaf, struct mw_slice octets, size_t max)
{
    if (leaf->head.len < max)
        mw_buf_put(&leaf->head, mw_slice_take(octets, max - leaf->head.len));
}

static void put_ring(struct mw_leaf *leaf, struct mw_slice octets)
{
    if (octets.len > HALF) {
        leaf->tail_len += octets.len - HALF;
        octets = mw_slice_skip(octets, octets.len - HALF);
    }
    while (octets.len > 0) {
        size_t at = leaf->tail_len % HALF;
        struct mw_slice run = mw_slice_take(octets, HALF - at);
        memcpy(leaf->tail + at, run.ptr, run.len);
        leaf->tail_len += run.len;
        octets = mw_slice_skip(octets, run.len);
    }
}

static void keep_text(struct mw_content_maker *maker, struct mw_leaf *leaf, struct mw_slice octets)
{
    size_t room = HALF - leaf->text.len;
    struct mw_slice first = mw_slice_take(octets,
                                          room < maker->texts_left ? room : maker->texts_left);
    if (leaf->tail == NULL && !leaf->is_cut && first.len > 0) {
        mw_buf_put(&leaf->text, first);
        maker->texts_left -= first.len;
        octets = mw_slice_skip(octets, first.len);
    }
    if (octets.len == 0)
        return;
    if (leaf->tail == NULL && !leaf->is_cut && maker->texts_left >= HALF) {
        leaf->tail = mw_xalloc(HALF);
        maker->texts_left -= HALF;
    }
    if (leaf->tail != NULL)
        put_ring(leaf, octets);
    else
        leaf->is_cut = true;
}

static void keep_archive(struct mw_content_maker *maker, struct mw_leaf *leaf,
                         struct mw_slice octets)
{
    if (leaf->archive_state == MW_LEAF_UNDECIDED) {
        if (leaf->head.len < ARCHIVE_HEAD)
            return; /* decided with the octets that fill the head, or at the end */
        leaf->archive_state = is_archive(leaf) ? MW_LEAF_ARCHIVE : MW_LEAF_NO_ARCHIVE;
    }
    if (leaf->archive_state != MW_LEAF_ARCHIVE)
        return;
    size_t room = MW_CONTENT_ARCHIVE_MAX - leaf->archive.len;
    if (room > maker->archives_left)
        room = maker->archives_left;
    struct mw_slice kept = mw_slice_take(octets, room);
    mw_buf_put(&leaf->archive, kept);
    maker->archives_left -= kept.len;
    leaf->is_cut |= kept.len < octets.len;
}

/* The octets that came while the head was short belong to the archive, too. */
static void on_octets_archive(struct mw_content_maker *maker, struct mw_leaf *leaf,
                              struct mw_slice octets, size_t head_before)
{
    bool was_undecided = leaf->archive_state == MW_LEAF_UNDECIDED;
    if (was_undecided && leaf->head.len >= ARCHIVE_HEAD && head_before > 0)
        keep_archive(maker, leaf, mw_slice_take(mw_buf_view(&leaf->head), head_before));
    keep_archive(maker, leaf, octets);
}

static void on_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    struct mw_content_maker *maker = user;
    struct mw_leaf *leaf = part->user;
    if (leaf->sha != NULL)
        mw_sha256_add(leaf->sha, octets);
    if (leaf->is_text &&
        mw_content_wants(maker, MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS))
        keep_text(maker, leaf, octets);
    size_t head_before = leaf->head.len;
    if (leaf->is_attachment && mw_content_wants(maker, MW_CONTENT_MAGIC))
        keep_head(leaf, octets, MW_MAGIC_HEAD);
    else if (leaf->archive_state == MW_LEAF_UNDECIDED)
        keep_head(leaf, octets, ARCHIVE_HEAD);
    if (leaf->archive_state != MW_LEAF_NO_ARCHIVE)
        on_octets_archive(maker, leaf, octets, head_before);
}

static void on_end(void *user, struct mw_mime_part *part)
{
    struct mw_content_maker *maker = user;
    struct mw_leaf *leaf = part->user;
    if (leaf->archive_state != MW_LEAF_UNDECIDED || leaf->head.len == 0)
        return;
    /* an archive shorter than what is looked at to know one */
    if (is_archive(leaf)) {
        leaf->archive_state = MW_LEAF_ARCHIVE;
        keep_archive(maker, leaf, mw_buf_view(&leaf->head));
    }
}

/* ---- life ---- */

struct mw_content_maker *mw_content_new(uint32_t needs, struct mw_content_kit *kit)
{
    struct mw_content_maker *maker = mw_xcalloc(1, sizeof *maker);
    const struct mw_mime_sink sink = {
        .user = maker, .part = on_part, .octets = on_octets, .end = on_end};
    maker->refs = 1;
    maker->needs = needs;
    maker->kit = kit;
    maker->texts_left = MW_CONTENT_TEXTS_MAX;
    maker->archives_left = MW_CONTENT_ARCHIVES_MAX;
    maker->magic_left = MW_CONTENT_MAGIC_MAX;
    maker->last_leaf = &maker->leafs;
    maker->mime = mw_mime_new(&sink);
    return maker;
}

void mw_content_feed(struct mw_content_maker *maker, struct mw_slice octets)
{
    mw_assert(!maker->is_finished);
    maker->octets += octets.len;
    mw_mime_feed(maker->mime, octets);
}

bool mw_content_is_heavy(const struct mw_content_maker *maker)
{
    if (MW_CONTENT_TEXTS_MAX - maker->texts_left > MW_CONTENT_LIGHT)
        return true;
    bool wants_magic = mw_content_wants(maker, MW_CONTENT_MAGIC);
    for (const struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next)
        if (leaf->archive_state == MW_LEAF_ARCHIVE ||
            (wants_magic && leaf->is_attachment && leaf->head.len > 0))
            return true;
    return false;
}

void mw_content_ref(struct mw_content_maker *maker)
{
    maker->refs++;
}

static void free_leaf(struct mw_leaf *leaf)
{
    mw_sha256_free(&leaf->sha);
    mw_buf_fini(&leaf->head);
    mw_buf_fini(&leaf->text);
    mw_buf_fini(&leaf->archive);
    free(leaf->tail);
}

void mw_content_unref(struct mw_content_maker **maker_at)
{
    struct mw_content_maker *maker = *maker_at;
    *maker_at = NULL;
    if (maker == NULL || --maker->refs > 0)
        return;
    for (struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next)
        free_leaf(leaf);
    mw_mime_free(&maker->mime);
    mw_arena_fini(&maker->arena);
    free(maker);
}

struct mw_content_maker *mw_content_maker_of(const struct mw_content *content)
{
    return (struct mw_content_maker *)(uintptr_t)content; /* the view is its first member */
}

const struct mw_content *mw_content_view(const struct mw_content_maker *maker)
{
    return maker->is_finished ? &maker->view : NULL;
}

size_t mw_content_memory(const struct mw_content_maker *maker)
{
    size_t octets = sizeof *maker + mw_arena_used(&maker->arena) + mw_mime_memory(maker->mime);
    for (const struct mw_leaf *leaf = maker->leafs; leaf != NULL; leaf = leaf->next)
        octets += leaf->head.cap + leaf->text.cap + leaf->archive.cap +
                  (leaf->tail == NULL ? 0 : (size_t)HALF);
    return octets;
}
