/* fuzz_content.c - any octets as a message: the view does not depend on how they were cut, its texts
 * are UTF-8 without NUL, and memory stays within bounds. The first octet chooses the cuts. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "message/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ALL = MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS |
          MW_CONTENT_SHA256 | MW_CONTENT_ARCHIVES,
    MEMORY_MAX = 64 * 1024 * 1024
};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void expect_text(struct mw_slice text)
{
    expect(text.ptr != NULL);
    expect(mw_utf8_is_valid(text));
    expect(mw_slice_find(text, '\0') < 0 && mw_slice_find(text, '\r') < 0);
}

static void expect_sane(const struct mw_content *view)
{
    expect(view->part_count > 0);
    for (size_t i = 0; i < view->part_count; i++) {
        const struct mw_content_part *part = view->parts[i];
        expect(part->index == i && part->type.len > 0);
        expect_text(part->text);
        expect(mw_utf8_is_valid(part->visible));
        for (size_t k = 0; k < part->name_count; k++)
            expect(mw_utf8_is_valid(part->names[k]) && mw_slice_find(part->names[k], '/') < 0);
        for (size_t k = 0; k < part->member_count; k++)
            expect(mw_utf8_is_valid(part->members[k]->name));
    }
    for (size_t i = 0; i < view->url_count; i++)
        expect(view->urls[i]->part < view->part_count);
}

static void expect_same_part(const struct mw_content_part *a, const struct mw_content_part *b)
{
    expect(mw_slice_eq(a->path, b->path) && mw_slice_eq(a->type, b->type));
    expect(mw_slice_eq(a->header, b->header));
    expect(a->octets == b->octets && mw_slice_eq(a->sha256, b->sha256));
    expect(mw_slice_eq(a->text, b->text) && mw_slice_eq(a->visible, b->visible));
    expect(a->name_count == b->name_count && a->member_count == b->member_count);
    expect(a->defect_count == b->defect_count && a->is_alternative == b->is_alternative);
    for (size_t i = 0; i < a->defect_count; i++)
        expect(a->defects[i] == b->defects[i]);
    for (size_t i = 0; i < a->name_count; i++)
        expect(mw_slice_eq(a->names[i], b->names[i]));
}

static void expect_same(const struct mw_content *a, const struct mw_content *b)
{
    expect(a->part_count == b->part_count && a->url_count == b->url_count);
    expect(a->defect_count == b->defect_count && a->octets == b->octets);
    for (size_t i = 0; i < a->part_count; i++)
        expect_same_part(a->parts[i], b->parts[i]);
    for (size_t i = 0; i < a->url_count; i++)
        expect(mw_slice_eq(a->urls[i]->url, b->urls[i]->url) &&
               mw_slice_eq(a->urls[i]->host, b->urls[i]->host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mw_content_kit *kit;
    if (kit == NULL)
        kit = mw_content_kit_new();
    if (size == 0)
        return 0;
    size_t cut = 1 + data[0] % 61;
    struct mw_slice message = MW_SLICE((const char *)data + 1, size - 1);
    struct mw_content_maker *whole = mw_content_new(ALL, kit), *pieces = mw_content_new(ALL, kit);
    mw_content_feed(whole, message);
    for (size_t at = 0; at < message.len; at += cut)
        mw_content_feed(pieces, mw_slice_take(mw_slice_skip(message, at), cut));
    const struct mw_content *a = mw_content_finish(whole, true);
    const struct mw_content *b = mw_content_finish(pieces, false);
    expect_sane(a);
    expect_same(a, b);
    expect(mw_content_memory(whole) < MEMORY_MAX);
    mw_content_unref(&whole);
    mw_content_unref(&pieces);
    return 0;
}
