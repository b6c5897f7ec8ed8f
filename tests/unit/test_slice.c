/* test_slice.c - borrowed octets. */
#include "base/slice.h"

#include "test.h"

TEST(compare_with_and_without_case)
{
    CHECK(mw_slice_eq(MW_LIT("ab"), MW_LIT("ab")));
    CHECK(!mw_slice_eq(MW_LIT("ab"), MW_LIT("aB")));
    CHECK(!mw_slice_eq(MW_LIT("ab"), MW_LIT("abc")));
    CHECK(mw_slice_eq(MW_EMPTY, (struct mw_slice){0}));
    CHECK(mw_slice_ieq(MW_LIT("MaIl"), MW_LIT("mail")));
    CHECK(!mw_slice_ieq(MW_LIT("[@"), MW_LIT("{`")));
    CHECK(!mw_slice_ieq(MW_LIT("\xc3\x84"), MW_LIT("\xc3\xa4"))); /* ASCII only */
    CHECK(mw_slice_eq(MW_LIT("a\0b"), MW_LIT("a\0b")) &&
          !mw_slice_eq(MW_LIT("a\0b"), MW_LIT("a\0c")));
}

TEST(prefixes_and_suffixes)
{
    CHECK(mw_slice_starts(MW_LIT("abc"), MW_LIT("ab")) && mw_slice_starts(MW_LIT("abc"), MW_EMPTY));
    CHECK(!mw_slice_starts(MW_LIT("a"), MW_LIT("ab")) &&
          !mw_slice_starts(MW_LIT("Ab"), MW_LIT("ab")));
    CHECK(mw_slice_istarts(MW_LIT("ABc"), MW_LIT("ab")));
    CHECK(mw_slice_iends(MW_LIT("x.EXAMPLE"), MW_LIT(".example")));
    CHECK(!mw_slice_iends(MW_LIT("e"), MW_LIT(".example")));
    CHECK(mw_slice_iends(MW_LIT("e"), MW_EMPTY));
}

TEST(order_is_by_octet_then_length)
{
    CHECK(mw_slice_cmp(MW_LIT("a"), MW_LIT("b")) < 0 && mw_slice_cmp(MW_LIT("b"), MW_LIT("a")) > 0);
    CHECK(mw_slice_cmp(MW_LIT("a"), MW_LIT("ab")) < 0 && mw_slice_cmp(MW_LIT("a"), MW_EMPTY) > 0);
    CHECK_INT(mw_slice_cmp(MW_LIT("ab"), MW_LIT("ab")), 0);
    CHECK(mw_slice_cmp(MW_LIT("\x7f"), MW_LIT("\x80")) < 0); /* octets, not signed characters */
}

TEST(find_skip_take)
{
    CHECK_INT(mw_slice_find(MW_LIT("a.b.c"), '.'), 1);
    CHECK_INT(mw_slice_rfind(MW_LIT("a.b.c"), '.'), 3);
    CHECK_INT(mw_slice_find(MW_LIT("abc"), '\0'), -1);
    CHECK_INT(mw_slice_rfind(MW_EMPTY, 'a'), -1);
    CHECK_INT(mw_slice_find((struct mw_slice){0}, 'a'), -1);
    CHECK_SLICE(mw_slice_skip(MW_LIT("abc"), 2), "c");
    CHECK_SLICE(mw_slice_skip(MW_LIT("abc"), 9), "");
    CHECK_SLICE(mw_slice_skip((struct mw_slice){0}, 1), "");
    CHECK_SLICE(mw_slice_take(MW_LIT("abc"), 2), "ab");
    CHECK_SLICE(mw_slice_take(MW_LIT("abc"), 9), "abc");
}

TEST(trim_takes_blanks_only)
{
    CHECK_SLICE(mw_slice_trim(MW_LIT(" \ta b\t ")), "a b");
    CHECK_SLICE(mw_slice_trim(MW_LIT(" \t ")), "");
    CHECK_SLICE(mw_slice_trim(MW_LIT("\ra\n")), "\ra\n");
    CHECK_SLICE(mw_slice_trim(MW_EMPTY), "");
}

TEST(split_at_the_first)
{
    struct mw_slice head = MW_LIT("?"), tail = MW_LIT("?");
    CHECK(!mw_slice_split(MW_LIT("abc"), '=', &head, &tail));
    CHECK_SLICE(head, "?");
    CHECK(mw_slice_split(MW_LIT("a=b=c"), '=', &head, &tail));
    CHECK_SLICE(head, "a");
    CHECK_SLICE(tail, "b=c");
    CHECK(mw_slice_split(MW_LIT("="), '=', &head, &tail));
    CHECK(head.len == 0 && tail.len == 0);
}

TEST(numbers_are_plain_decimal)
{
    static const struct mw_slice bads[] = {
        {"", 0},   {"-1", 2},  {"+1", 2},  {" 1", 2},
        {"1 ", 2}, {"0x1", 3}, {"1\0", 2}, {"000000000000000000000", 21}};
    uint64_t value = 77;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++)
        CHECK_INT(mw_slice_to_u64(bads[i], UINT64_MAX, &value), MW_ERR_SYNTAX);
    CHECK_INT(mw_slice_to_u64(MW_LIT("18446744073709551616"), UINT64_MAX, &value), MW_ERR_LIMIT);
    CHECK_INT(mw_slice_to_u64(MW_LIT("101"), 100, &value), MW_ERR_LIMIT);
    CHECK_INT(value, 77);
    CHECK_INT(mw_slice_to_u64(MW_LIT("18446744073709551615"), UINT64_MAX, &value), MW_OK);
    CHECK(value == UINT64_MAX);
    CHECK_INT(mw_slice_to_u64(MW_LIT("00100"), 100, &value), MW_OK);
    CHECK_INT(value, 100);
}

TEST(hex_digits_of_either_case)
{
    CHECK_INT(mw_hex_value('0'), 0);
    CHECK_INT(mw_hex_value('a'), 10);
    CHECK_INT(mw_hex_value('F'), 15);
    CHECK_INT(mw_hex_value('g'), -1);
    CHECK_INT(mw_hex_value('/'), -1);
    CHECK_INT(mw_hex_value('\0'), -1);
}

TEST(cstr_of_null_is_empty)
{
    CHECK_INT(mw_slice_cstr(NULL).len, 0);
    CHECK(mw_slice_eq(mw_slice_cstr("ab"), MW_LIT("ab")));
}
