/* test_rules_literal.c - what literals are taken from patterns, and that they are never more than a
 * pattern needs: by a table, and against PCRE2 over random patterns with texts made for them. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "literal.h"

#include <pcre2.h>
#include <stdlib.h>

#include "pattern_kit.h"
#include "regex_tree.h"
#include "test.h"

/* "abc" or "abc|abd & xyz"; "-": none. */
static const char *told(const char *pattern, const char *flags, bool is_utf)
{
    static char text[8192];
    struct builder out = {.ptr = text, .cap = sizeof text - 1};
    struct literal_room room;
    struct literals literals;
    if (!rules_literals_of(slice_of(pattern), slice_of(flags), is_utf, &room, &literals))
        return "-";
    for (size_t i = 0; i < literals.count; i++) {
        builder_put(&out, i > 0 ? LIT(" & ") : EMPTY);
        for (size_t k = 0; k < literals.clauses[i].count; k++) {
            builder_put(&out, k > 0 ? LIT("|") : EMPTY);
            builder_put(&out, literals.clauses[i].any[k]);
        }
    }
    text[out.len] = '\0';
    return text;
}

static const struct {
    const char *pattern, *flags, *want;
} cases[] = {
    /* runs and what ends them */
    {"viagra", "", "viagra"},
    {"VIAgra", "", "viagra"},
    {"ab", "", "-"},
    {"", "", "-"},
    {"abc.def", "", "abc & def"},
    {"abc.*def", "", "abc & def"},
    {"abc\\s+def", "", "abc & def"},
    {"ab\\s+de", "", "-"},
    {"abc\\bdef", "", "abcdef"},
    {"^abc$", "m", "abc"},
    {"\\Aabc\\z", "", "abc"},
    {"abc\\.def", "", "abc.def"},
    {"a\\x62\\x{63}\\o{144}\\145", "", "-"}, /* \145: a reference or an octal number */
    {"a\\x62\\x{63}\\o{144}\\0145", "", "abcd\f5"},
    {"abc\\/\\@\\-", "", "abc/@-"},
    {"\\tab\\n", "", "\tab\n"},
    /* quantifiers */
    {"abcx?def", "", "abcdef|abcxdef"},
    {"abcx*def", "", "abc & def"},
    {"abcx+def", "", "abcx & xdef"},
    {"abcx{3}def", "", "abcxxxdef"},
    {"abcx{2,4}def", "", "abcxx & xdef"},
    {"abcx{2,}def", "", "abcxx & xdef"},
    {"abcx{0}def", "", "abcdef"},
    {"abcx{0,5}def", "", "abc & def"},
    {"abcx{def", "", "abcx{def"},
    {"abcx{,3}def", "", "-"}, /* PCRE2 10.43 counts it as a quantifier, 10.42 does not */
    {"(?:abc)+", "", "abc & abc"},
    {"(?:abc|xyz){2}", "", "abcabc|xyzabc|abcxyz|xyzxyz"},
    {"(?:abc|xyz)*d", "", "-"},
    {"(?:foo\\d+bar)+baz", "", "foo & bar & baz"},
    {"abc++def", "", "abc & cdef"},
    {"abcd{100}", "", "abcddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},
    /* groups and choices */
    {"(abc)(?:def)(?<n>ghi)(?'m'jkl)(?P<o>mno)", "", "abcdefghijklmno"},
    {"(?>abc)def", "", "abcdef"},
    {"abc|def", "", "abc|def"},
    {"abc|de", "", "-"},
    {"abc|", "", "-"},
    {"(?:abc|de)fgh", "", "abcfgh|defgh"},
    {"(?:abc\\d|defg\\d)hij", "", "abc|defg & hij"},
    {"(?:abc.*d|\\d)hij", "", "hij"},
    {"(?:abc|xabcx)y", "", "abcy|xabcxy"},
    {"abc|xabcx", "", "abc"},
    {"(?:abc.longer|def)x", "", "longer|def"},
    /* classes */
    {"[Vv]iagra", "", "viagra"},
    {"v[i1!]agra", "", "v!agra|v1agra|viagra"},
    {"v[i1][a4@]gra", "", "v14gra|vi4gra|v1@gra|vi@gra|v1agra|viagra"},
    {"v[^i]agra", "", "agra"},
    {"v[a-z]agra", "", "agra"},
    {"v[a-c]gra", "", "vagra|vbgra|vcgra"},
    {"a[]b]cd", "", "a]cd|abcd"},
    {"abc[\\]]def", "", "abc]def"},
    {"abc[[:space:]]def", "", "abc & def"},
    {"abc[a\\Qx]\\E]def", "", "abc & def"},
    {"abc[\\Qx]\\E]def", "", "-"},
    {"abc[a\\E-c]def", "", "abc & def"},
    {"abc[[]def", "", "abc[def"},
    {"abc[\\x41]def", "", "abcadef"},
    {"abc\\pLdef\\p{Lu}ghi", "", "abc & def & ghi"},
    {"abc\\Rdef\\hghi", "", "abc & def & ghi"},
    /* quotes, comments, options */
    {"\\Qa.c*\\Ed", "", "a.c*d"},
    {"abc(?#x+)def", "", "abcdef"},
    {"a b c # d\n e", "x", "abce"},
    {"a\\ b[ ]c", "x", "a b c"},
    {"abc d{2} e", "x", "abcdde"},
    {"ab(?i)CD", "", "abcd"},
    {"ab(?x: c d )e f", "", "abcde f"},
    {"(?x)a b(?-x)c d", "", "abc d"},
    {"a(?i:\xc3\xa9)bcd", "", "bcd"},
    {"a\xc3\xa9"
     "bcd",
     "",
     "a\xc3\xa9"
     "bcd"},
    {"a\xc3\xa9"
     "bcd",
     "i", "bcd"},
    {"a\\x{e9}\\N{U+20AC}\\x{1F48A}", "", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\x8a"},
    {"(?i)\xe2\x84\xaa"
     "elvin\\x{17f}",
     "", "kelvins"},
    {"\xe2\x84\xaa"
     "elvin",
     "", "kelvin"},
    /* looking around */
    {"(?=.*abc)(?=.*def)", "", "abc & def"},
    {"abc(?=def)", "", "def & abc"},
    {"abc(?!def)ghi", "", "abcghi"},
    {"(?<=abc)def", "", "def"},
    {"(?<!abc)def", "", "def"},
    {"(?=abc)?def", "", "def"},
    /* references back */
    {"(abc)\\1def", "", "abc & def"},
    {"(?<n>abc)\\k<n>def(?P=n)", "", "abc & def"},
    {"(abc)\\g{1}def", "", "abc & def"},
    /* given up */
    {"abc(?R)?", "", "-"},
    {"(abc)(?1)", "", "-"},
    {"(?<n>abc)(?&n)\\g<n>", "", "-"},
    {"(a)?(?(1)bcd|efg)", "", "-"},
    {"abc\\Kdef", "", "-"},
    {"\\Gabc", "", "-"},
    {"abc(*ACCEPT)def", "", "-"},
    {"(*UCP)abc", "", "-"},
    {"(*CR)abc", "", "-"},
    {"(?|abc|def)", "", "-"},
    {"(?C1)abc", "", "-"},
    {"abc\\X", "", "-"},
    {"(*UTF)abc", "", "abc"},
    {"(*NO_JIT)(*NO_START_OPT)abc", "", "abc"},
};

/* PCRE2 takes a quantifier of a quantifier of a ...: a recursion over them ended with the stack. */
TEST(quantifiers_behind_quantifiers_are_given_up)
{
    static char pattern[4000];
    struct literal_room *room = calloc(1, sizeof *room);
    struct literals literals;
    memset(pattern, '+', sizeof pattern);
    memcpy(pattern, "abc.", 4);
    CHECK(!rules_literals_of(SLICE(pattern, sizeof pattern), SLICE("", 0), false, room, &literals));
    CHECK(rules_literals_of(SLICE(pattern, 8), SLICE("", 0), false, room, &literals));
    free(room);
}

TEST(literals_are_those_that_a_pattern_needs)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = told(cases[i].pattern, cases[i].flags, true);
        if (strcmp(got, cases[i].want) != 0)
            mw_test_fail(__FILE__, __LINE__, "/%s/%s: '%s', want '%s'", cases[i].pattern,
                         cases[i].flags, got, cases[i].want);
    }
}

TEST(raw_patterns_do_without_the_octets_that_a_scan_folds)
{
    CHECK(strcmp(told("a\xc3\xa9"
                      "bcd",
                      "", false),
                 "a\xc3\xa9"
                 "bcd") == 0);
    CHECK(strcmp(told("abc\xe2\x84\xaa"
                      "def",
                      "", false),
                 "abc & def") == 0);
    CHECK(strcmp(told("abc\\xc5\\xbf"
                      "def",
                      "", false),
                 "abc & def") == 0);
    CHECK(strcmp(told("abc\\xff", "i", false), "abc\xff") == 0);
}

/* Sizes at which something does not fit: less comes out, and nothing breaks. */
TEST(large_patterns_give_what_fits)
{
    static char pattern[8193];
    struct literal_room room;
    struct literals literals;
    for (int words = 100; words <= 1000; words += 300) {
        struct builder out = {.ptr = pattern, .cap = sizeof pattern - 1};
        for (int i = 0; i < words; i++)
            builder_putf(&out, "%sw%dz", i > 0 ? "|" : "", i + 1000);
        bool has_some = rules_literals_of(SLICE(pattern, out.len), EMPTY, true, &room, &literals);
        CHECK_INT(has_some, words <= LITERALS_MAX);
        CHECK(!has_some || literals.clauses[0].count == (size_t)words);
    }
    struct builder out = {.ptr = pattern, .cap = sizeof pattern - 1};
    for (int i = 0; i < 1000; i++)
        builder_put(&out, LIT("longword."));
    CHECK(rules_literals_of(SLICE(pattern, out.len), EMPTY, true, &room, &literals));
    CHECK_INT(literals.count, CLAUSES_MAX);
    memset(pattern, '(', 4000);
    memset(pattern + 4000, ')', 4000);
    CHECK(!rules_literals_of(SLICE(pattern, 8000), EMPTY, true, &room, &literals));
    memset(pattern, 'a', 8000);
    CHECK(rules_literals_of(SLICE(pattern, 8000), EMPTY, true, &room, &literals));
    for (size_t i = 0; i < literals.count; i++)
        CHECK(literals.clauses[i].any[0].len <= LITERAL_MAX);
}

/* ---- against PCRE2 ---- */

static bool matches(const struct pattern_kit *kit, struct mw_slice text)
{
    uint32_t options = kit->is_utf ? PCRE2_UTF : PCRE2_NEVER_UTF;
    options |= strchr(kit->flags, 'i') ? PCRE2_CASELESS : 0;
    options |= strchr(kit->flags, 'm') ? PCRE2_MULTILINE : 0;
    options |= strchr(kit->flags, 's') ? PCRE2_DOTALL : 0;
    options |= strchr(kit->flags, 'x') ? PCRE2_EXTENDED : 0;
    int error;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)kit->pattern_room, kit->pattern.len, options,
                                     &error, &offset, NULL);
    if (code == NULL)
        return false;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(context, 20000);
    int got = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, 0, 0, data, context);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return got >= 0;
}

/* The text as the index sees it, here done the slow way. */
static struct mw_slice folded(struct mw_slice text, char *room)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len;) {
        struct mw_slice rest = text_skip(text, i);
        if (rest.len >= 3 && memcmp(rest.ptr, "\xe2\x84\xaa", 3) == 0) {
            room[len++] = 'k';
            i += 3;
        } else if (rest.len >= 2 && memcmp(rest.ptr, "\xc5\xbf", 2) == 0) {
            room[len++] = 's';
            i += 2;
        } else {
            room[len++] = (char)literal_fold((unsigned char)rest.ptr[0]);
            i++;
        }
    }
    return SLICE(room, len);
}

static bool has_any(struct mw_slice text, const struct literal_clause *clause)
{
    for (size_t i = 0; i < clause->count; i++)
        if (memmem(text.ptr, text.len, clause->any[i].ptr, clause->any[i].len) != NULL)
            return true;
    return false;
}

TEST(whenever_pcre2_matches_each_clause_is_in_the_text)
{
    static struct pattern_kit kit;
    static char room[PATTERN_KIT_TEXT];
    uint64_t seed = 20261122;
    size_t proofs = 0;
    for (int i = 0; i < 60000; i++) {
        unsigned char choices[160];
        for (size_t k = 0; k < sizeof choices; k++)
            choices[k] = (unsigned char)(mw_test_random(&seed) >> 40);
        kit_make(&kit, choices, (size_t)(20 + i % 140));
        struct mw_slice pattern = SLICE(kit.pattern_room, kit.pattern.len);
        struct mw_slice text = SLICE(kit.text_room, kit.text.len);
        struct literal_room literal_room;
        struct literals literals;
        if (!rules_literals_of(pattern, slice_of(kit.flags), kit.is_utf, &literal_room,
                               &literals) ||
            !matches(&kit, text))
            continue;
        proofs++;
        struct mw_slice seen = folded(text, room);
        for (size_t k = 0; k < literals.count; k++)
            if (!has_any(seen, &literals.clauses[k]))
                mw_test_fail(__FILE__, __LINE__, "/%.*s/%s matches '%.*s': clause %zu is not in it",
                             (int)pattern.len, pattern.ptr, kit.flags, (int)text.len, text.ptr, k);
    }
    CHECK(proofs > 1000); /* else the test says nothing */
}
