/* fuzz_bdat.c - BDAT framing: the input is a stream of commands and chunks as a client sends them.
 * The count decides what is content and what is a command, whatever the octets are; all chunks of a
 * message are one content. */
#include "base/buf.h"
#include "smtp/command.h"
#include "smtp/dots.h"
#include "smtp/line.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mw_dots_policy policy = {MW_BARE_NORMALIZE, MW_BARE_PASS, MW_BARE_PASS};

/* A count that parses is plain decimal: printed again it differs by leading zeros only. */
static void check_count(struct mw_slice arg, uint64_t size, bool is_last)
{
    struct mw_buf printed = {0};
    mw_assert(size <= INT64_MAX);
    while (arg.len > 1 && arg.ptr[0] == '0' && mw_is_digit(arg.ptr[1]))
        arg = mw_slice_skip(arg, 1);
    mw_buf_putf(&printed, "%llu", (unsigned long long)size);
    mw_assert(mw_slice_starts(arg, mw_buf_view(&printed)));
    struct mw_slice rest = mw_slice_trim(mw_slice_skip(arg, printed.len));
    mw_assert(is_last ? mw_slice_ieq(rest, MW_LIT("LAST")) : rest.len == 0);
    mw_buf_fini(&printed);
}

static void take_chunk(struct mw_dots *dots, struct mw_slice chunk, struct mw_buf *content)
{
    while (chunk.len > 0) {
        size_t used;
        struct mw_span span;
        mw_dots_take(dots, &policy, chunk, &used, &span);
        mw_assert(used > 0 || span.octets.len > 0);
        mw_assert(!dots->is_done); /* nothing inside a chunk ends it */
        mw_buf_put(content, span.octets);
        chunk = mw_slice_skip(chunk, used);
    }
}

/* The message's content must be what its octets give when they come in one chunk. */
static void finish(struct mw_dots *dots, struct mw_buf *content, const struct mw_buf *raw)
{
    struct mw_dots whole;
    struct mw_buf want = {0};
    struct mw_span span;
    mw_dots_finish_bdat(dots, &policy, &span);
    mw_buf_put(content, span.octets);
    mw_dots_init_bdat(&whole, false);
    take_chunk(&whole, mw_buf_view(raw), &want);
    mw_dots_finish_bdat(&whole, &policy, &span);
    mw_buf_put(&want, span.octets);
    mw_assert(mw_slice_eq(mw_buf_view(&want), mw_buf_view(content)));
    mw_assert(whole.is_refused == dots->is_refused && whole.seen == dots->seen);
    mw_buf_fini(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice in = MW_SLICE((const char *)data, size);
    struct mw_dots dots;
    struct mw_buf content = {0}, raw = {0};
    mw_dots_init_bdat(&dots, false);
    for (;;) {
        struct mw_line line = mw_line_next(in, MW_LINE_MAX);
        if (line.kind == MW_LINE_NONE)
            break;
        in = mw_slice_skip(in, line.used);
        struct mw_command command;
        uint64_t count;
        bool is_last;
        mw_command_parse(line.text, &command);
        if (line.kind != MW_LINE_OK || command.verb != MW_VERB_BDAT ||
            mw_bdat_parse(command.arg, &count, &is_last) != MW_OK)
            continue;
        check_count(command.arg, count, is_last);
        struct mw_slice chunk = mw_slice_take(in, count < in.len ? (size_t)count : in.len);
        take_chunk(&dots, chunk, &content);
        mw_buf_put(&raw, chunk);
        in = mw_slice_skip(in, chunk.len);
        if (is_last) {
            finish(&dots, &content, &raw);
            content.len = raw.len = 0;
            mw_dots_init_bdat(&dots, false);
        }
    }
    mw_buf_fini(&content);
    mw_buf_fini(&raw);
    return 0;
}
