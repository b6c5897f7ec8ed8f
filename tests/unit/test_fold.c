/* test_fold.c - comparison forms: what looks alike is alike, what does not stays apart.
 * UAX 15 (normalization), UTS 39 (look-alikes). */
#include "message/fold.h"

#include <stdlib.h>
#include <time.h>

#include "test.h"

static const struct {
    const char *text, *want;
} cases[] = {
    {"", ""},
    {"PayPal", "paypal"},
    {"a  b\t\r\n c", "a b c"},
    {" a ", " a "},
    /* case, compatibility */
    {"STRASSE stra\xc3\x9f"
     "e",
     "strasse strasse"},
    {"\xef\xbc\xb0\xef\xbd\x81\xef\xbd\x99", "pay"},             /* fullwidth */
    {"\xf0\x9d\x90\xa9\xf0\x9d\x92\xb6\xf0\x9d\x95\x90", "pay"}, /* mathematical */
    {"\xe2\x93\x9f\xf0\x9f\x85\xb0\xf0\x9f\x87\xbe", "pay"},     /* circled, squared, flag */
    {"\xef\xac\x81ne \xe2\x84\xa2", "fine tm"},                  /* ligature, sign */
    {"\xc4\xb0\xc4\xb1", "ii"},                                  /* Turkish */
    /* marks over Latin letters */
    {"p\xc3\xa1yp\xc3\xa4l", "paypal"},
    {"p\xcc\x81\xcc\xa7"
     "a\xcc\xb6y",
     "pay"},
    {"\xc5\x82\xc3\xb8\xc4\x91", "lod"},
    {"1\xcc\xb8x", "lx"},
    {"=\xcc\xb8", "\xe2\x89\xa0"},    /* no letter: composed */
    {"\xd0\xb8\xcc\x86", "\xd0\xb9"}, /* nor Latin */
    {"\xe3\x81\x8b\xe3\x82\x99", "\xe3\x81\x8c"},
    /* what is not seen */
    {"pa\xe2\x80\x8by\xc2\xadp\xe2\x80\x8d"
     "al",
     "paypal"},
    {"\xe2\x80\xae"
     "abc\xe2\x80\xac\xe2\x81\xa6",
     "abc"},
    {"a\xf3\xa0\x81\xa1\xef\xb8\x8f\xef\xbb\xbf"
     "b",
     "ab"},
    {"a\xe2\x80\x8b \xe2\x80\x8b b", "a b"},
    /* blanks of all kinds */
    {"a\xc2\xa0\xe3\x80\x80\xe2\x80\xa8\xe2\xa0\x80 b", "a b"},
    /* look-alikes */
    {"\xd1\x80\xd0\xb0\xd1\x83\xd1\x80\xd0\xb0l", "paypal"}, /* Cyrillic */
    {"\xd0\xa0\xd0\x90\xd0\xa3\xd0\xa0\xd0\x90L", "paypal"},
    {"\xce\xa1\xce\x91\xce\xa5", "pay"},             /* Greek capitals */
    {"\xce\x9d\xce\xbd", "nv"},                      /* by their shape */
    {"\xd1\x97\xd1\x91", "ie"},                      /* with marks */
    {"\xd5\xb0\xd6\x85\xd5\xbd\xd5\xbd", "houu"},    /* Armenian */
    {"\xe1\x8f\xa2\xe1\x8e\xaa\xea\xae\xaf", "pac"}, /* Cherokee */
    {"\xe1\xb4\x98\xe1\xb4\x80\xca\x8f", "pay"},     /* small capitals */
    {"\xf0\x9d\x9a\xb8\xce\x97", "ph"},              /* mathematical Greek */
    /* other scripts stay */
    {"\xd1\x89\xd0\xb6", "\xd1\x89\xd0\xb6"},
    {"\xe4\xb8\xad\xe6\x96\x87", "\xe4\xb8\xad\xe6\x96\x87"},
    {"\xed\x95\x9c\xea\xb8\x80", "\xed\x95\x9c\xea\xb8\x80"},
    {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"},
    /* digits in words */
    {"P4YP41 v1agra", "paypal vlagra"},
    {"l0g1n", "logln"},
    {"vi@gra ca$h 5ale", "viagra cash sale"},
    {"10 1,000 2024-05-17 13:37", "10 1,000 2024-05-17 13:37"},
    {"$100 4.5", "$100 4.5"},
    {"b1tc01n", "bltcoln"},
    {"covid19", "covidl9"},
    {"x 1 y", "x 1 y"},
    {"user@example.com", "user@example.com"},
    {"us3r@ex4mple.com", "user@example.com"},
    {"buy @mazon.com", "buy amazon.com"},
    {"\xd0\xb6"
     "1",
     "\xd0\xb6"
     "1"},
    /* broken UTF-8 */
    {"a\xff"
     "b\xc3",
     "a\xef\xbf\xbd"
     "b\xef\xbf\xbd"},
};

TEST(texts_are_folded)
{
    struct mw_buf got = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        got.len = 0;
        mw_text_fold(mw_slice_cstr(cases[i].text), SIZE_MAX, &got);
        if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(cases[i].want)))
            mw_test_fail(__FILE__, __LINE__, "{%s} is {%.*s}, want {%s}", cases[i].text,
                         (int)got.len, got.ptr, cases[i].want);
    }
    mw_buf_fini(&got);
}

static const struct {
    unsigned character;
    char letter;
} alikes[] = {
#define ALIKE(character, letter) {character, letter},
#include "message/fold_alike.def"
#undef ALIKE
};

static struct mw_slice encode(unsigned c, char *octets)
{
    if (c < 0x800) {
        octets[0] = (char)(0xc0 | c >> 6);
        octets[1] = (char)(0x80 | (c & 0x3f));
        return MW_SLICE(octets, 2);
    }
    octets[0] = (char)(0xe0 | c >> 12);
    octets[1] = (char)(0x80 | (c >> 6 & 0x3f));
    octets[2] = (char)(0x80 | (c & 0x3f));
    return MW_SLICE(octets, 3);
}

TEST(the_table_of_look_alikes_is_in_order_and_each_line_works)
{
    struct mw_buf got = {0};
    for (size_t i = 0; i < sizeof alikes / sizeof *alikes; i++) {
        char octets[4];
        CHECK(i == 0 || alikes[i - 1].character < alikes[i].character);
        CHECK(alikes[i].character < 0x10000 && mw_lower(alikes[i].letter) == alikes[i].letter);
        got.len = 0;
        mw_text_fold(encode(alikes[i].character, octets), SIZE_MAX, &got);
        if (got.len != 1 || got.ptr[0] != alikes[i].letter)
            mw_test_fail(__FILE__, __LINE__, "U+%04X is '%.*s', want '%c'", alikes[i].character,
                         (int)got.len, got.ptr, alikes[i].letter);
    }
    mw_buf_fini(&got);
}

TEST(nothing_is_written_beyond_the_bound_and_no_half_character)
{
    struct mw_slice text = MW_LIT("ab\xe4\xb8\xad\xe6\x96\x87 x");
    static const char *const want[] = {"", "a", "ab", "ab", "ab", "ab\xe4\xb8\xad"};
    for (size_t max = 0; max < 6; max++) {
        struct mw_buf got = {0};
        mw_text_fold(text, max, &got);
        CHECK_SLICE(mw_buf_view(&got), want[max]);
        mw_buf_fini(&got);
    }
    struct mw_buf capped = MW_BUF_INIT(3);
    mw_buf_put(&capped, MW_LIT("X1"));
    mw_text_fold(MW_LIT("yz"), SIZE_MAX, &capped);
    CHECK_SLICE(mw_buf_view(&capped), "X1y"); /* what was there stays as it is */
    mw_buf_fini(&capped);
}

static double fold_ms(struct mw_slice text, size_t *out_len)
{
    struct timespec start, end;
    struct mw_buf got = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    mw_text_fold(text, SIZE_MAX, &got);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    *out_len = got.len;
    mw_buf_fini(&got);
    return (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
}

TEST(time_is_linear_whatever_the_text)
{
    static const char *const units[] = {
        "Plain words of text 123. ",
        "\xcc\x81",
        "\xcc\x81\xcc\xa7",
        "e\xcc\x81\xcc\xa7",
        "\xe1\x85\xa1",
        "\xe0\xa6\xbe",
        "\xef\xb7\xba",
        "1",
        "1@",
        "a@",
        "@",
        "\xff",
        "\xd0\xb8",
        "\xe2\x80\x8b",
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct mw_buf text = {0};
        size_t len;
        while (text.len < 1024 * 1024)
            mw_buf_put(&text, mw_slice_cstr(units[i]));
        double took = fold_ms(mw_buf_view(&text), &len);
        printf("     %-24s %4.0f MB/s\n", i == 0 ? "ASCII" : units[i],
               (double)text.len / 1e3 / took);
        if (took > 3000) /* some 100 ms in a debug build */
            mw_test_fail(__FILE__, __LINE__, "'%s' took %.0f ms", units[i], took);
        if (units[i][0] == (char)0xcc && len > 64) /* marks by themselves are dropped */
            mw_test_fail(__FILE__, __LINE__, "%zu octets of marks", len);
        mw_buf_fini(&text);
    }
}
