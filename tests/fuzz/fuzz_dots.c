/* fuzz_dots.c - message content. The first octet chooses the cuts, the rest is the wire (of DATA,
 * then the same octets as BDAT content). Properties: the result does not depend on the cuts; what
 * we write reads back as the same content and ends where we say; no bare LF leaves; a server that
 * drops CRs before LF finds no other end, and, if the message is not refused, one that takes a bare
 * CR for a line end and drops NULs finds none either. */
#include "base/buf.h"
#include "smtp/dots.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mw_dots_policy policy = {MW_BARE_NORMALIZE, MW_BARE_PASS, MW_BARE_PASS};

struct result {
    struct mw_dots dots;
    struct mw_buf content, written;
    size_t used;
};

static void drain(struct mw_queue *queue, struct mw_buf *out)
{
    struct iovec iov[16];
    while (mw_queue_len(queue) > 0) {
        size_t count = mw_queue_iov(queue, iov, 16), total = 0;
        for (size_t i = 0; i < count; i++) {
            mw_buf_put(out, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
            total += iov[i].iov_len;
        }
        mw_queue_consume(queue, total);
    }
}

static struct result take_all(struct mw_slice wire, size_t step, bool is_bdat)
{
    struct result result = {0};
    struct mw_stuffer stuffer = {0};
    struct mw_queue queue = {0};
    struct mw_span span;
    if (is_bdat)
        mw_dots_init_bdat(&result.dots, false);
    else
        mw_dots_init(&result.dots);
    while (wire.len > 0 && !result.dots.is_done) {
        struct mw_slice piece = mw_slice_take(wire, step);
        wire = mw_slice_skip(wire, step);
        while (piece.len > 0 && !result.dots.is_done) {
            size_t used;
            mw_dots_take(&result.dots, &policy, piece, &used, &span);
            mw_assert(used > 0 || span.octets.len > 0);
            mw_buf_put(&result.content, span.octets);
            mw_stuff(&stuffer, &queue, span, false);
            piece = mw_slice_skip(piece, used);
            result.used += used;
        }
    }
    if (is_bdat) {
        mw_dots_finish_bdat(&result.dots, &policy, &span);
        mw_buf_put(&result.content, span.octets);
        mw_stuff(&stuffer, &queue, span, false);
    }
    mw_stuff_end(&stuffer, &queue);
    drain(&queue, &result.written);
    mw_queue_fini(&queue);
    return result;
}

static void result_fini(struct result *result)
{
    mw_buf_fini(&result->content);
    mw_buf_fini(&result->written);
}

static bool same(const struct mw_buf *a, const struct mw_buf *b)
{
    return mw_slice_eq(mw_buf_view(a), mw_buf_view(b));
}

/* Lines by a lax server's reading. `cr_ends`: CR ends a line and NULs are dropped; else LF does,
 * with all CRs before it. */
static bool has_lone_dot(struct mw_slice text, bool cr_ends)
{
    size_t len = 0;
    bool is_dot = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || (c == '\r' && cr_ends)) {
            if (len == 1 && is_dot)
                return true;
            len = 0;
        } else if (c == '\r') {
            size_t next = i;
            while (next < text.len && text.ptr[next] == '\r')
                next++;
            if (next == text.len || text.ptr[next] != '\n')
                len += 2;
        } else if (c != '\0' || !cr_ends) {
            is_dot = c == '.';
            len++;
        }
    }
    return false;
}

static void check_written(const struct result *result)
{
    struct mw_slice written = mw_buf_view(&result->written);
    struct result again = take_all(written, SIZE_MAX, false);
    mw_assert(again.dots.is_done && again.used == written.len);
    mw_assert(!(again.dots.seen & MW_SEEN_BARE_LF));
    mw_assert(mw_slice_starts(mw_buf_view(&again.content), mw_buf_view(&result->content)));
    mw_assert(again.content.len - result->content.len <=
              2); /* the CRLF that a BDAT content may lack */
    mw_assert(same(&again.written, &result->written));
    struct mw_slice body = mw_slice_take(written, written.len - 3);
    mw_assert(!has_lone_dot(body, false));
    mw_assert(result->dots.is_refused || !has_lone_dot(body, true));
    mw_assert(result->dots.is_refused == ((result->dots.seen & MW_SEEN_FAKE_END) != 0));
    result_fini(&again);
}

/* The writer's own scanning gives the same as the spans' flags. */
static void check_scanned(const struct result *result)
{
    struct mw_stuffer stuffer = {0};
    struct mw_queue queue = {0};
    struct mw_buf scanned = {0};
    mw_stuff(&stuffer, &queue, (struct mw_span){.octets = mw_buf_view(&result->content)}, true);
    mw_stuff_end(&stuffer, &queue);
    drain(&queue, &scanned);
    mw_assert(same(&scanned, &result->written));
    mw_queue_fini(&queue);
    mw_buf_fini(&scanned);
}

static void check_wire(struct mw_slice wire, size_t step, bool is_bdat)
{
    struct result whole = take_all(wire, SIZE_MAX, is_bdat), cut = take_all(wire, step, is_bdat);
    mw_assert(same(&whole.content, &cut.content) && same(&whole.written, &cut.written));
    mw_assert(whole.used == cut.used && whole.dots.is_done == cut.dots.is_done);
    mw_assert(whole.dots.seen == cut.dots.seen && whole.dots.is_refused == cut.dots.is_refused);
    mw_assert(whole.dots.octets == whole.content.len && cut.dots.octets == cut.content.len);
    if (whole.dots.is_done) {
        check_written(&whole);
        check_scanned(&whole);
    }
    result_fini(&whole);
    result_fini(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct mw_slice wire = MW_SLICE((const char *)data + 1, size - 1);
    size_t step = 1 + data[0] % 16;
    check_wire(wire, step, false);
    check_wire(wire, step, true);
    return 0;
}
