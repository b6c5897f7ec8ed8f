/* test_line.c - one command line at the front of what was read. */
#include "smtp/line.h"

#include <stdlib.h>

#include "test.h"

static struct mw_line next(struct mw_slice in)
{
    return mw_line_next(in, MW_LINE_MAX);
}

TEST(line_crlf_is_cut_off)
{
    struct mw_line line = next(MW_LIT("NOOP x \r\nQUIT\r\n"));
    CHECK_INT(line.kind, MW_LINE_OK);
    CHECK_SLICE(line.text, "NOOP x ");
    CHECK_INT(line.used, 9);
    CHECK(!line.skip_rest);
}

TEST(line_bare_lf_ends_it_too)
{
    struct mw_line line = next(MW_LIT("NOOP\nQUIT\n"));
    CHECK_INT(line.kind, MW_LINE_OK);
    CHECK_SLICE(line.text, "NOOP");
    CHECK_INT(line.used, 5);
}

TEST(line_empty_is_a_line)
{
    CHECK_INT(next(MW_LIT("\r\n")).kind, MW_LINE_OK);
    CHECK_INT(next(MW_LIT("\n")).used, 1);
    CHECK_INT(next(MW_LIT("\r\n")).text.len, 0);
}

TEST(line_incomplete_waits)
{
    CHECK_INT(next(MW_EMPTY).kind, MW_LINE_NONE);
    CHECK_INT(next(MW_LIT("NOOP")).kind, MW_LINE_NONE);
    CHECK_INT(next(MW_LIT("NOOP\r")).kind, MW_LINE_NONE);
    CHECK_INT(next(MW_LIT("NOOP\r")).used, 0);
}

/* RFC 5321 2.3.8 */
TEST(line_with_bare_cr_or_nul_is_bad)
{
    static const struct mw_slice bad[] = {{"NO\rOP\r\n", 7}, {"NOOP\r\r\n", 7}, {"\rNOOP\n", 6},
                                          {"NO\0OP\r\n", 7}, {"\0\n", 2},       {"NOOP\0\r\n", 7},
                                          {"NOOP\r\0\n", 7}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mw_line line = next(bad[i]);
        CHECK_INT(line.kind, MW_LINE_BAD);
        CHECK_INT(line.used, bad[i].len);
    }
}

/* RFC 5321 4.5.3.1.4 */
TEST(line_limit_counts_the_line_end)
{
    char in[40];
    memset(in, 'x', sizeof in);
    in[9] = '\n';
    CHECK_INT(mw_line_next(MW_SLICE(in, sizeof in), 10).kind, MW_LINE_OK);
    struct mw_line line = mw_line_next(MW_SLICE(in, sizeof in), 9);
    CHECK_INT(line.kind, MW_LINE_TOO_LONG);
    CHECK_INT(line.used, 10);
    CHECK(!line.skip_rest);
}

TEST(line_without_end_is_too_long_at_the_limit)
{
    char in[40];
    memset(in, 'x', sizeof in);
    CHECK_INT(mw_line_next(MW_SLICE(in, 9), 10).kind, MW_LINE_NONE);
    struct mw_line line = mw_line_next(MW_SLICE(in, 10), 10);
    CHECK_INT(line.kind, MW_LINE_TOO_LONG);
    CHECK_INT(line.used, 10);
    CHECK(line.skip_rest);
}

TEST(skip_ends_behind_the_line_end)
{
    bool done;
    CHECK_INT(mw_line_skip(MW_LIT("xxx"), &done), 3);
    CHECK(!done);
    CHECK_INT(mw_line_skip(MW_LIT("xx\r\nNOOP\r\n"), &done), 4);
    CHECK(done);
    CHECK_INT(mw_line_skip(MW_EMPTY, &done), 0);
    CHECK(!done);
}

/* What arrives in pieces gives the same lines as what arrives at once. */
TEST(line_result_does_not_depend_on_cuts)
{
    static const char wire[] = "EHLO a\r\nMAIL FROM:<>\nbad\rline\r\n\r\nQUIT\r\n";
    struct mw_slice whole = MW_LIT("EHLO a\r\nMAIL FROM:<>\nbad\rline\r\n\r\nQUIT\r\n");
    size_t begin = 0;
    for (size_t have = 0; have <= whole.len; have++) {
        struct mw_line part = next(MW_SLICE(wire + begin, have - begin));
        struct mw_line full = next(MW_SLICE(wire + begin, whole.len - begin));
        if (part.kind == MW_LINE_NONE)
            continue;
        CHECK_INT(part.kind, full.kind);
        CHECK_INT(part.used, full.used);
        begin += part.used;
    }
    CHECK_INT(begin, whole.len);
}
