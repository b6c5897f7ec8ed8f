/* test_decode.c - header values to UTF-8: encoded-words right, nearly right and broken; charsets;
 * bounds. RFC 2047 4, 5, 6.2, 8; RFC 2231 5; RFC 6532. */
#include "message/header.h"

#include <stdlib.h>
#include <time.h>

#include "base/utf8.h"
#include "test.h"

static const struct {
    struct mw_slice value, want;
} cases[] = {
    /* plain */
    {MW_LIT(""), MW_LIT("")},
    {MW_LIT(" a b "), MW_LIT(" a b ")},
    {MW_LIT("a\r\n b\r\n\tc"), MW_LIT("a b\tc")},
    {MW_LIT("a\n b"), MW_LIT("a b")},
    {MW_LIT("\r\n a"), MW_LIT(" a")},
    {MW_LIT("a\rb"), MW_LIT("a\rb")},
    {MW_LIT("a\0b"), MW_LIT("a\0b")},
    /* the examples of RFC 2047 8, as text */
    {MW_LIT("(=?ISO-8859-1?Q?a?=)"), MW_LIT("(a)")},
    {MW_LIT("(=?ISO-8859-1?Q?a?= b)"), MW_LIT("(a b)")},
    {MW_LIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"), MW_LIT("(ab)")},
    {MW_LIT("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), MW_LIT("(ab)")},
    {MW_LIT("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)"), MW_LIT("(ab)")},
    {MW_LIT("(=?ISO-8859-1?Q?a_b?=)"), MW_LIT("(a b)")},
    {MW_LIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), MW_LIT("(a b)")},
    {MW_LIT("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
            "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
     MW_LIT("If you can read this you understand the example.")},
    {MW_LIT("=?ISO-8859-1?Q?Andr=E9?= Pirard"), MW_LIT("Andr\xc3\xa9 Pirard")},
    /* language, case, letters of either case in Q */
    {MW_LIT("=?us-ascii*en-us?q?hi?="), MW_LIT("hi")},
    {MW_LIT("=?UTF-8*?b?aGk=?="), MW_LIT("hi")},
    {MW_LIT("=?uTf-8?q?=c3=A9?="), MW_LIT("\xc3\xa9")},
    /* empty words, blanks only between words */
    {MW_LIT("=?utf-8?q?"
            "?="),
     MW_LIT("")},
    {MW_LIT("=?utf-8?b?"
            "?= x"),
     MW_LIT(" x")},
    {MW_LIT("=?utf-8?q?a?= b =?utf-8?q?c?="), MW_LIT("a b c")},
    {MW_LIT("=?utf-8?q?a?==?utf-8?q?b?="), MW_LIT("ab")},
    {MW_LIT("=?utf-8?q?a?= "), MW_LIT("a ")},
    /* multi-octet characters cut in two */
    {MW_LIT("=?utf-8?q?x=C3?= =?utf-8?q?=A9y?="), MW_LIT("x\xc3\xa9y")},
    {MW_LIT("=?utf-8?b?4oI=?= =?UTF-8?q?=AC?="), MW_LIT("\xe2\x82\xac")},
    {MW_LIT("=?utf-8?q?=C3?= z =?utf-8?q?=A9?="), MW_LIT("\xef\xbf\xbd z \xef\xbf\xbd")},
    {MW_LIT("=?utf-8?q?=C3?= =?utf-16be?q?=00=41?="), MW_LIT("\xef\xbf\xbd"
                                                             "A")},
    /* laxer than the RFC, as mail programs show it */
    {MW_LIT("a=?utf-8?q?b?=c"), MW_LIT("abc")},
    {MW_LIT("\"=?utf-8?q?b?=\" <x@y>"), MW_LIT("\"b\" <x@y>")},
    {MW_LIT("=?utf-8?q?two words?="), MW_LIT("two words")},
    {MW_LIT("=?utf-8?q?what?"
            "?="),
     MW_LIT("what?")},
    {MW_LIT("=?utf-8?b?aG k?="), MW_LIT("hi")},
    {MW_LIT("=?utf-8?b?aGk?="), MW_LIT("hi")},
    {MW_LIT("=?utf-8?b?aA==aQ==?="), MW_LIT("hi")},
    {MW_LIT("=?utf-8?b?aGl?="), MW_LIT("hi")},
    {MW_LIT("=?utf-8?q?50=?="), MW_LIT("50=")},
    {MW_LIT("=?utf-8?q?a=4x=?="), MW_LIT("a=4x=")},
    {MW_LIT("=?utf-8?q?a\xc3\xa9?="), MW_LIT("a\xc3\xa9")},
    /* broken: stays as text */
    {MW_LIT("=?"), MW_LIT("=?")},
    {MW_LIT("?="), MW_LIT("?=")},
    {MW_LIT("=?="), MW_LIT("=?=")},
    {MW_LIT("=??q?a?="), MW_LIT("=??q?a?=")},
    {MW_LIT("=?utf-8?q?a"), MW_LIT("=?utf-8?q?a")},
    {MW_LIT("=?utf-8?q?a?"), MW_LIT("=?utf-8?q?a?")},
    {MW_LIT("=?utf-8?q"), MW_LIT("=?utf-8?q")},
    {MW_LIT("=?utf-8?x?a?="), MW_LIT("=?utf-8?x?a?=")},
    {MW_LIT("=?utf-8?qq?a?="), MW_LIT("=?utf-8?qq?a?=")},
    {MW_LIT("=?utf-8?b?a!?="), MW_LIT("=?utf-8?b?a!?=")},
    {MW_LIT("=?utf-8?b?aGk=?= =?utf-8?b?a!?= x"), MW_LIT("hi =?utf-8?b?a!?= x")},
    {MW_LIT("=?klingon?q?a?="), MW_LIT("=?klingon?q?a?=")},
    {MW_LIT("=?utf-8//translit?q?a?="), MW_LIT("=?utf-8//translit?q?a?=")},
    {MW_LIT("=?utf 8?q?a?="), MW_LIT("=?utf 8?q?a?=")},
    {MW_LIT("=?utf-8?q?a\r\n b?="), MW_LIT("=?utf-8?q?a b?=")},
    {MW_LIT("=?utf-8?q?a =?utf-8?q?b?="), MW_LIT("=?utf-8?q?a b")},
    {MW_LIT("=?utf-8?q?a\r\n =?utf-8?q?b?= c"), MW_LIT("=?utf-8?q?a b c")},
    {MW_LIT("=?=?utf-8?q?b?="), MW_LIT("=?b")},
    /* raw 8-bit octets */
    {MW_LIT("caf\xc3\xa9"), MW_LIT("caf\xc3\xa9")},
    {MW_LIT("caf\xe9"), MW_LIT("caf\xc3\xa9")},
    {MW_LIT("caf\xe9 =?utf-8?q?=C3=A9?= \xc3\xa9"),
     MW_LIT("caf\xc3\xa9 \xc3\xa9 \xc3\x83\xc2\xa9")}, /* one value, one guess */
    {MW_LIT("\x80\xff"), MW_LIT("\xc2\x80\xc3\xbf")},
    {MW_LIT("=?us-ascii?q?=e9?="), MW_LIT("\xc3\xa9")},
    {MW_LIT("=?unknown-8bit?b?w6k=?="), MW_LIT("\xc3\xa9")},
    /* what is not UTF-8 under that name: one U+FFFD for each maximal subpart */
    {MW_LIT("=?utf-8?q?=C0=80?="), MW_LIT("\xef\xbf\xbd\xef\xbf\xbd")},
    {MW_LIT("=?utf-8?q?=ED=A0=80?="), MW_LIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
    {MW_LIT("=?utf-8?q?=F0=9F=98x?="), MW_LIT("\xef\xbf\xbdx")},
    {MW_LIT("=?utf-8?q?=F4=90=80=80?="),
     MW_LIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
    {MW_LIT("=?utf-8?q?=F0=9F=98=80?="), MW_LIT("\xf0\x9f\x98\x80")},
    /* charsets */
    {MW_LIT("=?windows-1252?q?=80=93=81?="), MW_LIT("\xe2\x82\xac\xe2\x80\x9c\xef\xbf\xbd")},
    {MW_LIT("=?cp1252?q?a=00?="), MW_LIT("a\0")},
    {MW_LIT("=?koi8-r?q?=F0=D2=C9=D7=C5=D4?="),
     MW_LIT("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82")},
    {MW_LIT("=?ISO-8859-15?Q?=A4?="), MW_LIT("\xe2\x82\xac")},
    {MW_LIT("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="), MW_LIT("\xe6\x97\xa5\xe6\x9c\xac")},
    {MW_LIT("=?gb2312?B?1tDOxA==?="), MW_LIT("\xe4\xb8\xad\xe6\x96\x87")},
    {MW_LIT("=?gb2312?B?1tDO?= =?gb2312?B?xA==?="), MW_LIT("\xe4\xb8\xad\xe6\x96\x87")},
    {MW_LIT("=?big5?B?pKSk5Q==?="), MW_LIT("\xe4\xb8\xad\xe6\x96\x87")},
    {MW_LIT("=?shift_jis?B?k/qWew==?="), MW_LIT("\xe6\x97\xa5\xe6\x9c\xac")},
    {MW_LIT("=?ks_c_5601-1987?B?x9GxuQ==?="), MW_LIT("\xed\x95\x9c\xea\xb5\xad")},
    {MW_LIT("=?utf-7?q?+AOk-?="), MW_LIT("\xc3\xa9")},
    {MW_LIT("=?windows-1255?q?=E0?="), MW_LIT("\xd7\x90")}, /* iconv holds the last one back */
    {MW_LIT("=?gb2312?q?=D6?="), MW_LIT("\xef\xbf\xbd")},
    {MW_LIT("=?koi8-r?q?=C1?= =?iso-8859-2?q?=B1?="), MW_LIT("\xd0\xb0\xc4\x85")},
};

static void print_octets(const char *label, struct mw_slice octets)
{
    fprintf(stderr, "  %s", label);
    for (size_t i = 0; i < octets.len; i++)
        fprintf(stderr, octets.ptr[i] > ' ' && octets.ptr[i] < 127 ? "%c" : "\\x%02x",
                (unsigned char)octets.ptr[i]);
    fputc('\n', stderr);
}

TEST(values_of_every_kind_are_decoded_as_expected)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_buf out = {0};
        mw_header_decode(cases[i].value, 1000, &out);
        if (!mw_slice_eq(mw_buf_view(&out), cases[i].want)) {
            mw_test_fail(__FILE__, __LINE__, "case %zu: %.*s", i, (int)cases[i].value.len,
                         cases[i].value.ptr);
            print_octets("got  ", mw_buf_view(&out));
            print_octets("want ", cases[i].want);
        }
        mw_buf_fini(&out);
    }
}

/* Whatever `max` is: not more, whole characters, and a beginning of the whole. */
TEST(output_is_bounded_and_never_half_a_character)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t max = 0; max < 20; max++) {
            struct mw_buf out = {0};
            mw_buf_put(&out, MW_LIT("old "));
            mw_header_decode(cases[i].value, max, &out);
            struct mw_slice added = mw_slice_skip(mw_buf_view(&out), 4);
            bool is_good = added.len <= max && mw_slice_starts(cases[i].want, added) &&
                           mw_utf8_is_valid(added);
            if (!is_good)
                mw_test_fail(__FILE__, __LINE__, "case %zu, max %zu", i, max);
            mw_buf_fini(&out);
        }
}

TEST(buffer_with_a_cap_is_respected)
{
    struct mw_buf out = MW_BUF_INIT(7);
    mw_buf_put(&out, MW_LIT("1234"));
    mw_header_decode(MW_LIT("=?utf-8?q?a=C3=A9b?="), 100, &out);
    CHECK(mw_slice_eq(mw_buf_view(&out), MW_LIT("1234a\xc3\xa9")));
    mw_buf_fini(&out);
}

static double seconds_for(struct mw_slice value)
{
    struct timespec from, to;
    struct mw_buf out = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    mw_header_decode(value, value.len * 3, &out);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    mw_buf_fini(&out);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* A quarter of a MiB of each; a quadratic search would need minutes. */
TEST(hostile_values_take_linear_time)
{
    static const char *const units[] = {
        "=?",
        "?=",
        "=?utf-8?q?",
        "=?utf-8?q?x",
        "=?utf-8?b?AAAA",
        "=?utf-8?b?!?=",
        "=?utf-8?q?a?=",
        "=?utf-8?q?=C3?= ",
        "=?utf-8*",
        "=?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "=?utf-8?q?a\r\n ",
        "=?koi8-r?q?=C1?= =?big5?q?=a4=a4?= =?euc-jp?q?=b4?= ",
        "=?gb2312?q?=D6?= x",
        "\xff",
        "\xc3\xa9",
        "\r\n ",
    };
    static const char *const ends[] = {"", "?=", "\r\n ?=", "=?utf-8?q?a?="};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            struct mw_buf value = {0};
            while (value.len < 1 << 18)
                mw_buf_put(&value, mw_slice_cstr(units[i]));
            mw_buf_put(&value, mw_slice_cstr(ends[j]));
            double seconds = seconds_for(mw_buf_view(&value));
            if (seconds > 3.0)
                mw_test_fail(__FILE__, __LINE__, "%s..%s took %.2f s", units[i], ends[j], seconds);
            mw_buf_fini(&value);
        }
}

TEST(random_words_give_valid_utf8)
{
    static const struct mw_slice parts[] = {
        MW_LIT("=?"),     MW_LIT("?="),      MW_LIT("?"),      MW_LIT("="),
        MW_LIT("utf-8"),  MW_LIT("?q?"),     MW_LIT("?B?"),    MW_LIT("=C3"),
        MW_LIT("=A9"),    MW_LIT("w6k="),    MW_LIT("utf-16"), MW_LIT("iso-2022-jp"),
        MW_LIT("=1B$B"),  MW_LIT("gb18030"), MW_LIT("utf-7"),  MW_LIT("+2AE-"),
        MW_LIT("\r\n "),  MW_LIT(" "),       MW_LIT("\xc3"),   MW_LIT("\xa9"),
        MW_LIT("euc-tw"), MW_LIT("=8E=A2"),  MW_LIT("*en"),    MW_LIT("big5"),
    };
    uint64_t random = 31337;
    for (int round = 0; round < 10000; round++) {
        struct mw_buf value = {0}, out = {0};
        for (uint64_t n = mw_test_random(&random) % 16; n > 0; n--)
            mw_buf_put(&value, parts[mw_test_random(&random) % (sizeof parts / sizeof *parts)]);
        mw_header_decode(mw_buf_view(&value), value.len * 3, &out);
        if (!mw_utf8_is_valid(mw_buf_view(&out)) || out.len > value.len * 3)
            mw_test_fail(__FILE__, __LINE__, "round %d", round);
        mw_buf_fini(&value);
        mw_buf_fini(&out);
    }
}
