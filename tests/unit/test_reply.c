/* test_reply.c - the upstream's replies, ours, and the form of filters'. */
#include "smtp/reply.h"

#include <stdlib.h>

#include "smtp/replies.h"
#include "test.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define S(literal)                  \
    {                               \
        literal, sizeof literal - 1 \
    }

static enum mw_err parse(struct mw_slice in, struct mw_reply *out_reply, size_t *out_used)
{
    return mw_reply_parse(in, out_reply, out_used);
}

static bool prints_as(struct mw_slice in, const char *want)
{
    struct mw_reply reply;
    size_t used;
    struct mw_buf out = {0};
    if (parse(in, &reply, &used) != MW_OK)
        return false;
    mw_reply_print(&reply, &out);
    bool is_same = mw_slice_eq(mw_buf_view(&out), MW_SLICE(want, strlen(want)));
    mw_buf_fini(&out);
    return is_same;
}

/* RFC 5321 4.2, 4.2.1 */
TEST(reply_single_line)
{
    struct mw_reply reply;
    size_t used;
    CHECK(parse(MW_LIT("250 2.1.0 Ok\r\n354 next"), &reply, &used) == MW_OK);
    CHECK_INT(reply.code, 250);
    CHECK_INT(used, 14);
    CHECK_SLICE(reply.text, "2.1.0 Ok");
    CHECK_INT(reply.line_count, 1);
    CHECK(reply.is_clean);
}

TEST(reply_multi_line)
{
    struct mw_slice in = MW_LIT("250-mx.example\r\n250-SIZE 1000\r\n250 HELP\r\n");
    struct mw_reply reply;
    struct mw_slice text;
    size_t used, at = 0;
    CHECK(parse(in, &reply, &used) == MW_OK);
    CHECK_INT(used, in.len);
    CHECK_INT(reply.line_count, 3);
    CHECK_SLICE(reply.text, "HELP");
    CHECK(mw_reply_line(&reply, &at, &text));
    CHECK_SLICE(text, "mx.example");
    CHECK(mw_reply_line(&reply, &at, &text) && mw_reply_line(&reply, &at, &text));
    CHECK_SLICE(text, "HELP");
    CHECK(!mw_reply_line(&reply, &at, &text));
}

TEST(reply_waits_for_its_last_line_at_every_cut)
{
    struct mw_slice in = MW_LIT("550-5.7.1 no\r\n550 5.7.1 never\r\n");
    struct mw_reply reply;
    size_t used;
    for (size_t len = 0; len < in.len; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, in.ptr, len);
        char *exact = realloc(copy, len ? len : 1);
        CHECK_INT(parse(MW_SLICE(exact, len), &reply, &used), MW_AGAIN);
        free(exact);
    }
    CHECK(parse(in, &reply, &used) == MW_OK);
}

/* OpenSMTPD CVE-2020-8794: a last line without its blank */
TEST(reply_without_text_is_complete)
{
    struct mw_reply reply;
    size_t used;
    CHECK(parse(MW_LIT("250\r\n"), &reply, &used) == MW_OK);
    CHECK_INT(reply.text.len, 0);
    CHECK(parse(MW_LIT("250-a\r\n250\r\n"), &reply, &used) == MW_OK);
    CHECK_INT(reply.line_count, 2);
    CHECK(prints_as(MW_LIT("250-a\r\n250\r\n"), "250-a\r\n250\r\n"));
}

TEST(reply_nonsense_is_refused)
{
    static const struct mw_slice bads[] = {S("HTTP/1.1 200 OK\r\n"),
                                           S("\r\n"),
                                           S("\n"),
                                           S("25\r\n"),
                                           S("150 x\r\n"),
                                           S("600 x\r\n"),
                                           S("260 x\r\n"),
                                           S("2500 x\r\n"),
                                           S("250x\r\n"),
                                           S("250\tx\r\n"),
                                           S(" 250 x\r\n"),
                                           S("-50 x\r\n"),
                                           S("250-a\r\n550 b\r\n"),
                                           S("250-a\r\n251 b\r\n"),
                                           S("250-a\r\nb\r\n"),
                                           S("250 a\0b\r\n"),
                                           S("250\0\r\n"),
                                           S("\x16\x03\x01"),
                                           S("2x"),
                                           S("250\rx\r\n"),
                                           S("\xb2\x35\x30 x\r\n"),
                                           S("250-a\r\n\r\n")};
    for (size_t i = 0; i < LEN(bads); i++) {
        struct mw_reply reply;
        size_t used;
        if (parse(bads[i], &reply, &used) != MW_ERR_SYNTAX)
            mw_test_fail(__FILE__, __LINE__, "not refused: %s", bads[i].ptr);
    }
}

TEST(reply_limits_hold)
{
    struct mw_reply reply;
    size_t used;
    struct mw_buf in = {0};
    mw_buf_put(&in, MW_LIT("250 "));
    while (in.len < MW_REPLY_LINE_MAX - 2)
        mw_buf_putc(&in, 'x');
    mw_buf_put(&in, MW_LIT("\r\n"));
    CHECK(parse(mw_buf_view(&in), &reply, &used) == MW_OK);
    in.len -= 2;
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_AGAIN);
    mw_buf_put(&in, MW_LIT("xx\r\n"));
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_ERR_LIMIT);
    in.len = 0;
    for (size_t i = 1; i < MW_REPLY_LINES_MAX; i++)
        mw_buf_put(&in, MW_LIT("250-x\r\n"));
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_AGAIN);
    size_t before = in.len;
    mw_buf_put(&in, MW_LIT("250 x\r\n"));
    CHECK(parse(mw_buf_view(&in), &reply, &used) == MW_OK);
    in.len = before;
    mw_buf_put(&in, MW_LIT("250-x\r\n250 x\r\n"));
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_ERR_LIMIT);
    mw_buf_fini(&in);
}

TEST(reply_total_is_bounded)
{
    struct mw_reply reply;
    size_t used;
    struct mw_buf in = {0};
    while (in.len < MW_REPLY_MAX) {
        mw_buf_put(&in, MW_LIT("250-"));
        for (int i = 0; i < 500; i++)
            mw_buf_putc(&in, 'x');
        mw_buf_put(&in, MW_LIT("\r\n"));
    }
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_ERR_LIMIT);
    mw_buf_put(&in, MW_LIT("250 complete\r\n"));
    CHECK_INT(parse(mw_buf_view(&in), &reply, &used), MW_ERR_LIMIT);
    mw_buf_fini(&in);
}

TEST(reply_clean_is_printed_as_it_is)
{
    CHECK(
        prints_as(MW_LIT("250-a\tb\r\n250  \xc3\xa9 \r\nrest"), "250-a\tb\r\n250  \xc3\xa9 \r\n"));
}

/* A hostile upstream: reply splitting, terminal control */
TEST(reply_dirty_is_rebuilt)
{
    struct mw_reply reply;
    size_t used;
    CHECK(parse(MW_LIT("250 ok\n"), &reply, &used) == MW_OK);
    CHECK(!reply.is_clean);
    CHECK(prints_as(MW_LIT("250 ok\n"), "250 ok\r\n"));
    CHECK(prints_as(MW_LIT("250-a\n250 b\r\n"), "250-a\r\n250 b\r\n"));
    CHECK(prints_as(MW_LIT("250 a\r550 b\r\n"), "250 a?550 b\r\n"));
    CHECK(prints_as(MW_LIT("250 \x1b[2Jx\x7f\r\n"), "250 ?[2Jx?\r\n"));
    CHECK(prints_as(MW_LIT("250 a\r\r\n"), "250 a?\r\n"));
}

/* ---- Building ---- */

static void check_built(uint16_t code, struct mw_slice dsn, struct mw_slice text, const char *want)
{
    struct mw_buf out = {0};
    mw_reply_build(&out, code, dsn, text);
    if (!mw_slice_eq(mw_buf_view(&out), MW_SLICE(want, strlen(want))))
        mw_test_fail(__FILE__, __LINE__, "built %.*s, want %s", (int)out.len, out.ptr, want);
    mw_buf_fini(&out);
}

TEST(build_lines)
{
    check_built(250, MW_LIT("2.0.0"), MW_LIT("Ok"), "250 2.0.0 Ok\r\n");
    check_built(354, MW_EMPTY, MW_LIT("Go"), "354 Go\r\n");
    check_built(550, MW_LIT("5.7.1"), MW_LIT("a\nb\n"), "550-5.7.1 a\r\n550 5.7.1 b\r\n");
    check_built(550, MW_LIT("5.7.1"), MW_LIT("a\r\n\r\nb\r\n"),
                "550-5.7.1 a\r\n550-5.7.1\r\n550 5.7.1 b\r\n");
    check_built(550, MW_EMPTY, MW_EMPTY, "550 \r\n");
    check_built(451, MW_LIT("4.7.1"), MW_EMPTY, "451 4.7.1\r\n");
}

TEST(build_text_never_ends_the_line)
{
    check_built(550, MW_EMPTY, MW_LIT("a\r250 ok"), "550 a?250 ok\r\n");
    check_built(550, MW_EMPTY, MW_LIT("a\0b\x1b\x7f"), "550 a?b??\r\n");
    check_built(550, MW_EMPTY, MW_LIT("a\n250 ok\nb"), "550-a\r\n550-250 ok\r\n550 b\r\n");
}

TEST(build_leaves_out_an_enhanced_code_that_lies)
{
    check_built(550, MW_LIT("4.7.1"), MW_LIT("x"), "550 x\r\n");
    check_built(550, MW_LIT("5.7.1\r\n250"), MW_LIT("x"), "550 x\r\n");
    check_built(550, MW_LIT("5.7.1 y"), MW_LIT("x"), "550 x\r\n");
}

TEST(build_cuts_at_512_octets_and_not_inside_a_character)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct mw_buf text = {0}, out = {0};
        for (size_t i = 0; i < shift; i++)
            mw_buf_putc(&text, 'x');
        for (size_t i = 0; i < 300; i++)
            mw_buf_put(&text, MW_LIT("\xe2\x82\xac"));
        mw_reply_build(&out, 550, MW_LIT("5.7.1"), mw_buf_view(&text));
        CHECK(out.len <= 512 && out.len > 508);
        CHECK_MEM(out.ptr + out.len - 5, 5, "\xe2\x82\xac\r\n");
        mw_buf_fini(&text);
        mw_buf_fini(&out);
    }
}

TEST(build_of_a_giant_text_still_parses)
{
    struct mw_buf text = {0}, out = {0};
    struct mw_reply reply;
    size_t used;
    for (size_t i = 0; i < 3000; i++) {
        mw_buf_put(&text, MW_LIT("a line of the text that nobody will read\n"));
        for (size_t j = 0; i % 2 && j < 100; j++)
            mw_buf_put(&text, MW_LIT("and more "));
    }
    mw_reply_build(&out, 550, MW_LIT("5.7.1"), mw_buf_view(&text));
    CHECK(parse(mw_buf_view(&out), &reply, &used) == MW_OK);
    CHECK_INT(used, out.len);
    CHECK(reply.is_clean);
    mw_buf_fini(&text);
    mw_buf_fini(&out);
}

TEST(build_of_many_lines_stops_at_the_limit)
{
    struct mw_buf text = {0}, out = {0};
    struct mw_reply reply;
    size_t used;
    for (size_t i = 0; i < 400; i++)
        mw_buf_put(&text, MW_LIT("x\n"));
    mw_reply_build(&out, 550, MW_EMPTY, mw_buf_view(&text));
    CHECK(parse(mw_buf_view(&out), &reply, &used) == MW_OK);
    CHECK_INT(reply.line_count, MW_REPLY_LINES_MAX);
    mw_buf_fini(&text);
    mw_buf_fini(&out);
}

/* ---- Form ---- */

/* RFC 2034 3, RFC 3463 2 */
TEST(check_form_of_replies_of_filters)
{
    CHECK(mw_reply_check(550, MW_LIT("5.7.1"), MW_LIT("No\nnot even so")) == NULL);
    CHECK(mw_reply_check(451, MW_EMPTY, MW_EMPTY) == NULL);
    CHECK(mw_reply_check(421, MW_LIT("4.7.999"), MW_LIT("\xc3\xa9")) == NULL);
    static const uint16_t codes[] = {0, 99, 250, 354, 399, 460, 560, 599, 600, 999, 65535};
    for (size_t i = 0; i < LEN(codes); i++)
        CHECK(mw_reply_check(codes[i], MW_EMPTY, MW_LIT("x")) != NULL);
    static const struct mw_slice dsns[] = {S("4.7.1"),     S("5"),        S("5.7"),    S("5.7."),
                                           S("5.7.1."),    S("5.7.1234"), S("5.7.1 "), S("5..1"),
                                           S("5.7.1\r\n"), S("5.7.x"),    S("2.0.0"),  S("\0.7.1")};
    for (size_t i = 0; i < LEN(dsns); i++)
        CHECK(mw_reply_check(550, dsns[i], MW_LIT("x")) != NULL);
    static const struct mw_slice texts[] = {S("a\r"), S("a\0"), S("\x1b[m"), S("\x7f"),
                                            S("a\r\nb")};
    for (size_t i = 0; i < LEN(texts); i++)
        CHECK(mw_reply_check(550, MW_EMPTY, texts[i]) != NULL);
}

TEST(dsn_at_the_start_of_a_text)
{
    CHECK_SLICE(mw_reply_dsn(250, MW_LIT("2.1.0 Ok")), "2.1.0");
    CHECK_SLICE(mw_reply_dsn(550, MW_LIT("5.7.1")), "5.7.1");
    CHECK_INT(mw_reply_dsn(550, MW_LIT("4.7.1 x")).len, 0);
    CHECK_INT(mw_reply_dsn(550, MW_LIT("5.7.1x")).len, 0);
    CHECK_INT(mw_reply_dsn(550, MW_LIT("No")).len, 0);
    CHECK_INT(mw_reply_dsn(354, MW_LIT("3.0.0 x")).len, 0);
    CHECK_INT(mw_reply_dsn(550, MW_EMPTY).len, 0);
}

TEST(own_replies_are_well_formed)
{
    for (int i = 0; i < MW_REPLY_COUNT; i++) {
        enum mw_reply_id id = (enum mw_reply_id)i;
        struct mw_buf out = {0};
        struct mw_reply reply;
        size_t used;
        mw_reply_own(&out, id);
        CHECK(parse(mw_buf_view(&out), &reply, &used) == MW_OK);
        CHECK(reply.is_clean && used == out.len && reply.line_count == 1);
        CHECK_INT(reply.code, mw_reply_own_code(id));
        CHECK(mw_slice_eq(mw_reply_dsn(reply.code, reply.text), mw_reply_own_dsn(id)));
        CHECK(mw_slice_iends(reply.text, mw_reply_own_text(id)));
        if (reply.code >= 400)
            CHECK(mw_reply_check(reply.code, mw_reply_own_dsn(id), mw_reply_own_text(id)) == NULL);
        mw_buf_fini(&out);
    }
    CHECK_INT(mw_reply_own_code(MW_REPLY_GO_AHEAD), 354);
    CHECK_INT(mw_reply_own_dsn(MW_REPLY_GO_AHEAD).len, 0);
}
