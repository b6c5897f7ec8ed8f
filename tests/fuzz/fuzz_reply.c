/* fuzz_reply.c - replies: parsing does not depend on cuts, printing gives a clean reply with the
 * same code and lines, and what we build from any text is one clean reply. */
#include "base/err.h"
#include "smtp/reply.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(struct mw_slice octets, uint16_t code, size_t lines)
{
    struct mw_reply reply;
    size_t used;
    mw_assert(mw_reply_parse(octets, &reply, &used) == MW_OK);
    mw_assert(used == octets.len && reply.is_clean && reply.code == code);
    mw_assert(lines == 0 || reply.line_count == lines);
}

static void check_lines(const struct mw_reply *reply)
{
    size_t at = 0, count = 0;
    struct mw_slice text = MW_EMPTY;
    while (mw_reply_line(reply, &at, &text))
        count++;
    mw_assert(count == reply->line_count && at == reply->octets.len);
    mw_assert(mw_slice_eq(text, reply->text));
}

/* No prefix of a reply is a reply already, and none is refused. */
static void check_prefixes(struct mw_slice octets)
{
    struct mw_reply reply;
    size_t used, step = octets.len > 2000 ? octets.len / 50 : 1;
    for (size_t len = 0; len < octets.len; len += step)
        mw_assert(mw_reply_parse(mw_slice_take(octets, len), &reply, &used) == MW_AGAIN);
}

static void check_parse(struct mw_slice in)
{
    struct mw_reply reply;
    size_t used;
    if (mw_reply_parse(in, &reply, &used) != MW_OK)
        return;
    mw_assert(used > 0 && used <= in.len && used <= MW_REPLY_MAX);
    mw_assert(reply.code >= 200 && reply.code <= 559 && reply.line_count <= MW_REPLY_LINES_MAX);
    check_lines(&reply);
    check_prefixes(reply.octets);
    struct mw_buf out = {0};
    mw_reply_print(&reply, &out);
    if (reply.is_clean)
        mw_assert(mw_slice_eq(mw_buf_view(&out), reply.octets));
    else if (out.len <= MW_REPLY_MAX && used < MW_REPLY_LINE_MAX)
        check_clean(mw_buf_view(&out), reply.code, reply.line_count);
    for (size_t i = 0; i < out.len; i++)
        mw_assert((unsigned char)out.ptr[i] >= 0x20 || strchr("\t\r\n", out.ptr[i]) != NULL);
    mw_buf_fini(&out);
}

static void check_build(struct mw_slice in)
{
    static const uint16_t codes[] = {250, 354, 421, 450, 550, 559};
    uint16_t code = codes[in.len > 0 ? (unsigned char)in.ptr[0] % 6 : 0];
    size_t dsn_len = in.len > 1 ? (unsigned char)in.ptr[1] % 12 : 0;
    struct mw_slice dsn = mw_slice_take(mw_slice_skip(in, 2), dsn_len);
    struct mw_slice text = mw_slice_skip(in, 2 + dsn_len);
    struct mw_buf out = {0};
    mw_reply_build(&out, code, dsn, text);
    check_clean(mw_buf_view(&out), code, 0);
    mw_assert(mw_reply_dsn(code, text).len <= 9);
    if (mw_reply_check(code, dsn, text) == NULL)
        mw_assert(code >= 400 && mw_slice_find(text, '\r') < 0 && mw_slice_find(text, '\0') < 0);
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice in = MW_SLICE((const char *)data, size);
    check_parse(in);
    check_build(in);
    return 0;
}
