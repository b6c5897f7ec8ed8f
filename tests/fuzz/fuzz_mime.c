/* fuzz_mime.c - any message: the same parts, octets and defects however it is cut; every part
 * begins and ends once; what is said about parts is well-formed and within the limits. The first two
 * octets choose the cuts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "message/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct leaf {
    struct mw_buf octets;
    bool is_ended;
};

struct reading {
    struct mw_mime *mime;
    size_t begun, ended;
};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void expect_part(const struct mw_mime_part *part)
{
    expect(part->depth <= MW_MIME_DEPTH_MAX);
    expect((part->parent == NULL) == (part->depth == 0));
    if (part->parent != NULL) {
        expect(part->parent->is_container && part->parent->index < part->index);
        expect(part->parent->depth + 1 == part->depth);
        expect(!((struct leaf *)part->parent->user)->is_ended);
    }
    expect(part->type.len > 0 && part->header.len <= MW_MIME_HEADER_MAX);
    expect(part->name_count <= MW_MIME_NAMES_MAX);
    for (size_t i = 0; i < part->name_count; i++) {
        expect(part->names[i].len > 0 && part->names[i].len <= MW_MIME_NAME_MAX);
        expect(mw_utf8_is_valid(part->names[i]));
        for (size_t k = 0; k < i; k++)
            expect(!mw_slice_eq(part->names[i], part->names[k]));
    }
}

static void on_part(void *user, struct mw_mime_part *part)
{
    struct reading *reading = user;
    expect(part->user == NULL && part->octets == 0);
    part->user = calloc(1, sizeof(struct leaf));
    expect(part->user != NULL);
    expect_part(part);
    reading->begun++;
}

static void on_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    struct leaf *leaf = part->user;
    (void)user;
    expect(octets.len > 0 && !part->is_container && !leaf->is_ended);
    mw_buf_put(&leaf->octets, octets);
}

static void on_end(void *user, struct mw_mime_part *part)
{
    struct reading *reading = user;
    struct leaf *leaf = part->user;
    expect(!leaf->is_ended && part->octets == leaf->octets.len);
    leaf->is_ended = true;
    reading->ended++;
}

/* `seed` 0: whole; 1: octet by octet; else pieces of random length. */
static void read_message(struct reading *reading, struct mw_slice message, uint32_t seed)
{
    *reading = (struct reading){0};
    struct mw_mime_sink sink = {
        .user = reading, .part = on_part, .octets = on_octets, .end = on_end};
    reading->mime = mw_mime_new(&sink);
    uint32_t state = seed;
    while (message.len > 0) {
        state = state * 1103515245U + 12345U;
        size_t len = seed == 0 ? message.len : seed == 1 ? 1 : state >> 16 & 0x3f;
        mw_mime_feed(reading->mime, mw_slice_take(message, len));
        message = mw_slice_skip(message, len);
    }
    mw_mime_finish(reading->mime);
    expect(mw_mime_count(reading->mime) <= MW_MIME_PARTS_MAX);
    expect(reading->begun == mw_mime_count(reading->mime) && reading->ended == reading->begun);
}

static void expect_same_part(const struct mw_mime_part *a, const struct mw_mime_part *b)
{
    expect(a->index == b->index && a->depth == b->depth && a->defects == b->defects);
    expect((a->parent == NULL ? 0 : a->parent->index) ==
           (b->parent == NULL ? 0 : b->parent->index));
    expect(mw_slice_eq(a->path, b->path) && mw_slice_eq(a->header, b->header));
    expect(mw_slice_eq(a->type, b->type) && mw_slice_eq(a->type_declared, b->type_declared));
    expect(mw_slice_eq(a->charset, b->charset) && mw_slice_eq(a->disposition, b->disposition));
    expect(mw_slice_eq(a->encoding, b->encoding) && mw_slice_eq(a->content_id, b->content_id));
    expect(a->decoded_as == b->decoded_as && a->is_container == b->is_container);
    expect(a->is_message == b->is_message && a->is_alternative == b->is_alternative);
    expect(a->name_count == b->name_count);
    for (size_t i = 0; i < a->name_count; i++)
        expect(mw_slice_eq(a->names[i], b->names[i]));
    const struct leaf *left = a->user, *right = b->user;
    expect(mw_slice_eq(mw_buf_view(&left->octets), mw_buf_view(&right->octets)));
}

static void expect_same(const struct reading *a, const struct reading *b)
{
    expect(mw_mime_defects(a->mime) == mw_mime_defects(b->mime));
    expect(mw_mime_count(a->mime) == mw_mime_count(b->mime));
    for (size_t i = 0; i < mw_mime_count(a->mime); i++)
        expect_same_part(mw_mime_part(a->mime, i), mw_mime_part(b->mime, i));
}

static void end_reading(struct reading *reading)
{
    for (size_t i = 0; i < mw_mime_count(reading->mime); i++) {
        struct leaf *leaf = mw_mime_part(reading->mime, i)->user;
        mw_buf_fini(&leaf->octets);
        free(leaf);
    }
    mw_mime_free(&reading->mime);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct mw_slice message = MW_SLICE((const char *)data + 2, size - 2);
    struct reading whole, single, cut;
    read_message(&whole, message, 0);
    read_message(&single, message, 1);
    read_message(&cut, message, 2U + data[0] + 256U * data[1]);
    expect_same(&whole, &single);
    expect_same(&whole, &cut);
    end_reading(&whole);
    end_reading(&single);
    end_reading(&cut);
    return 0;
}
