/* fuzz_header.c - any content as a header block: octets leave as they came, however they were cut;
 * edits never break out of their field. The first octet chooses cuts and limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct mw_arena arena;
    struct mw_headers headers;
    enum mw_err err;
    bool has_hops;
    struct mw_buf body;
};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void put_out(void *user, struct mw_slice octets)
{
    mw_buf_put(user, octets);
}

static void read_content(struct reading *reading, const struct mw_header_limits *limits,
                         struct mw_slice content, size_t cut)
{
    *reading = (struct reading){.err = MW_AGAIN};
    mw_headers_init(&reading->headers, &reading->arena);
    struct mw_slice given = MW_EMPTY;
    while (reading->err == MW_AGAIN && content.len > 0) {
        struct mw_slice piece = mw_slice_take(content, cut);
        size_t used;
        reading->err = mw_headers_take(&reading->headers, limits, piece, &used, &given,
                                       &reading->has_hops);
        content = mw_slice_skip(content, used);
        expect(reading->err != MW_AGAIN || used == piece.len);
    }
    if (reading->err == MW_AGAIN)
        mw_headers_finish(&reading->headers, &given);
    mw_buf_put(&reading->body, given);
    mw_buf_put(&reading->body, content);
}

static void end_reading(struct reading *reading)
{
    mw_headers_fini(&reading->headers);
    mw_arena_fini(&reading->arena);
    mw_buf_fini(&reading->body);
}

static void expect_exact(const struct reading *reading, struct mw_slice content)
{
    struct mw_buf out = {0};
    mw_headers_write(&reading->headers, put_out, &out);
    mw_buf_put(&out, mw_buf_view(&reading->body));
    expect(mw_slice_eq(mw_buf_view(&out), content));
    mw_buf_fini(&out);
}

static void expect_same(const struct reading *a, const struct reading *b)
{
    expect(a->err == b->err || (a->err != MW_ERR_LIMIT && b->err != MW_ERR_LIMIT));
    expect(a->has_hops == b->has_hops);
    if (a->err == MW_ERR_LIMIT)
        return;
    expect(a->headers.count == b->headers.count);
    expect(mw_slice_eq(mw_buf_view(&a->body), mw_buf_view(&b->body)));
    for (size_t i = 0; i < a->headers.count; i++)
        expect(mw_slice_eq(a->headers.fields[i].raw, b->headers.fields[i].raw));
}

static void expect_answer(enum mw_err err)
{
    expect(err == MW_OK || err == MW_ERR_SYNTAX || err == MW_ERR_LIMIT);
}

/* Use the content as a value too; read again what was written: the fields must be those that we
 * think there are. */
static void expect_sound_edits(struct reading *reading, struct mw_slice content)
{
    struct mw_headers *headers = &reading->headers;
    expect_answer(mw_headers_insert(headers, headers->count / 2, MW_LIT("X-Test"), content));
    if (headers->count > 0)
        expect_answer(mw_headers_change(headers, headers->count - 1, mw_slice_take(content, 9)));
    expect_answer(mw_headers_insert(headers, 0, mw_slice_take(content, 5), MW_LIT("value")));
    if (!headers->is_edited)
        return;
    for (size_t i = 0; i < headers->count; i++)
        (void)mw_field_decoded(headers, i);
    struct mw_buf out = {0};
    mw_headers_write(headers, put_out, &out);
    struct reading again;
    struct mw_header_limits limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    read_content(&again, &limits, mw_buf_view(&out), SIZE_MAX);
    expect(again.err == MW_OK && again.body.len == 0 && again.headers.has_separator);
    expect(again.headers.count == headers->count);
    end_reading(&again);
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct mw_slice content = MW_SLICE((const char *)data + 1, size - 1);
    bool is_limited = data[0] & 128;
    struct mw_header_limits limits = {is_limited ? data[0] & 127u : SIZE_MAX, is_limited ? 4 : 1000,
                                      is_limited ? 2 : 1000};
    struct reading whole, pieces;
    read_content(&whole, &limits, content, SIZE_MAX);
    for (size_t cut = 1; cut <= 16; cut += 1 + data[0] % 7) {
        read_content(&pieces, &limits, content, cut);
        expect_same(&whole, &pieces);
        if (pieces.err != MW_ERR_LIMIT)
            expect_exact(&pieces, content);
        end_reading(&pieces);
    }
    if (whole.err != MW_ERR_LIMIT) {
        expect_exact(&whole, content);
        expect_sound_edits(&whole, content);
    } else {
        struct mw_slice rest;
        mw_headers_finish(&whole.headers, &rest);
        (void)mw_headers_message_id(&whole.headers);
    }
    end_reading(&whole);
    return 0;
}
