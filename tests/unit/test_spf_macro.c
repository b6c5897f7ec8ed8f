/* test_spf_macro.c - macro strings. RFC 7208 7; its examples of 7.4 are here. */
#include "check.h"
#include "macro.h"
#include "test.h"

static struct macro_values sample(void)
{
    struct macro_values values = {0};
    for (size_t i = 0; i < 26; i++)
        values.of[i] = EMPTY;
    values.of['s' - 'a'] = LIT("strong-bad@email.example.com");
    values.of['l' - 'a'] = LIT("strong-bad");
    values.of['o' - 'a'] = LIT("email.example.com");
    values.of['d' - 'a'] = LIT("email.example.com");
    values.of['i' - 'a'] = LIT("192.0.2.3");
    values.of['v' - 'a'] = LIT("in-addr");
    values.of['h' - 'a'] = LIT("mx.example.org");
    values.of['p' - 'a'] = LIT("mx.example.org");
    values.of['c' - 'a'] = LIT("192.0.2.3");
    values.of['r' - 'a'] = LIT("mail.example.net");
    values.of['t' - 'a'] = LIT("1234567890");
    return values;
}

static bool expands(const char *spec, const char *want)
{
    struct macro_values values = sample();
    char out[DOMAIN_MAX + 1];
    size_t len = macro_domain(slice_of(spec), &values, out);
    if (text_is(SLICE(out, len), want))
        return true;
    mw_test_fail(__FILE__, __LINE__, "%s is '%.*s', want '%s'", spec, (int)len, out, want);
    return false;
}

static bool explains(const char *text, const char *want)
{
    struct macro_values values = sample();
    char out[CHECK_EXPLANATION_MAX];
    size_t len = macro_explanation(slice_of(text), &values, out, sizeof out);
    if (text_is(SLICE(out, len), want))
        return true;
    mw_test_fail(__FILE__, __LINE__, "%s is '%.*s', want '%s'", text, (int)len, out, want);
    return false;
}

TEST(the_examples_of_rfc_7208_7_4)
{
    static const char *const examples[][2] = {
        {"%{s}", "strong-bad@email.example.com"},
        {"%{o}", "email.example.com"},
        {"%{d}", "email.example.com"},
        {"%{d4}", "email.example.com"},
        {"%{d3}", "email.example.com"},
        {"%{d2}", "example.com"},
        {"%{d1}", "com"},
        {"%{dr}", "com.example.email"},
        {"%{d2r}", "example.email"},
        {"%{l}", "strong-bad"},
        {"%{l-}", "strong.bad"},
        {"%{lr}", "strong-bad"},
        {"%{lr-}", "bad.strong"},
        {"%{l1r-}", "strong"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
        {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
        {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        CHECK(expands(examples[i][0], examples[i][1]));
}

TEST(escapes_and_capitals)
{
    CHECK(explains("%%%_%-x", "% %20x"));
    CHECK(explains("%{S}", "strong-bad%40email.example.com"));
    CHECK(explains("%{L1R-}", "strong"));
    CHECK(explains("%{c} %{t} %{r}", "192.0.2.3 1234567890 mail.example.net"));
    CHECK(expands("%{I}.x.y.", "192.0.2.3.x.y"));
}

TEST(delimiters_split_and_join_with_dots)
{
    CHECK(!macro_is_valid(LIT("%{s@}"), MACRO_IN_DOMAIN));
    CHECK(expands("%{s-.}", "strong.bad@email.example.com"));
    CHECK(expands("%{o2.,}", "example.com"));
    CHECK(expands("%{i99r}", "3.2.0.192"));
    CHECK(expands("%{i1}", "3"));
    CHECK(expands("%{i1r}", "192"));
    CHECK(expands("%{i999999999999999999999}", "192.0.2.3"));
}

TEST(empty_parts_are_parts)
{
    struct macro_values values = sample();
    char out[DOMAIN_MAX + 1];
    values.of['l' - 'a'] = LIT("-a--b-");
    CHECK_MEM(out, macro_domain(LIT("%{l-}"), &values, out), ".a..b");
    CHECK_MEM(out, macro_domain(LIT("%{lr-}x"), &values, out), ".b..a.x");
    CHECK_MEM(out, macro_domain(LIT("%{l2-}x"), &values, out), "b.x");
    CHECK_MEM(out, macro_domain(LIT("%{l2r-}x"), &values, out), "a.x");
}

/* RFC 7208 7.3: labels are taken off the left end until 253 octets are left. */
TEST(names_that_are_too_long_lose_labels_at_the_left)
{
    struct macro_values values = sample();
    char out[DOMAIN_MAX + 1], local[300], want[300];
    memset(local, 'x', sizeof local);
    for (size_t i = 9; i < sizeof local; i += 10)
        local[i] = '.';
    values.of['l' - 'a'] = SLICE(local, 299);
    size_t len = macro_domain(LIT("%{l}.example"), &values, out);
    memcpy(want, local + 60, 239);
    CHECK_INT(len, 247);
    CHECK(memcmp(out, want, 239) == 0 && memcmp(out + 239, ".example", 8) == 0);
    values.of['l' - 'a'] = SLICE(local + 60, 239 + 1 - 1);
    CHECK_INT(macro_domain(LIT("abcde.%{l}.example"), &values, out), 253);
    CHECK_INT(macro_domain(LIT("abcdef.%{l}.example"), &values, out), 247);
    memset(local, 'x', sizeof local);
    values.of['l' - 'a'] = SLICE(local, 254);
    CHECK_INT(macro_domain(LIT("%{l}"), &values, out), 0);
    CHECK_INT(macro_domain(LIT("a.%{l}."), &values, out), 0);
    values.of['l' - 'a'] = SLICE(local, 253);
    CHECK_INT(macro_domain(LIT("%{l}."), &values, out), 253);
}

/* All the expansion of a hostile domain-spec costs is its right end. */
TEST(a_spec_of_thousands_of_macros_is_bounded)
{
    static char spec[CHECK_RECORD_MAX], value[4000];
    struct macro_values values = sample();
    char out[DOMAIN_MAX + 1];
    for (size_t i = 0; i + 4 <= sizeof spec; i += 4)
        memcpy(spec + i, "%{L}", 4);
    memset(value, '!', sizeof value);
    values.of['l' - 'a'] = SLICE(value, sizeof value);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(macro_domain(SLICE(spec, sizeof spec), &values, out), 0);
    values.of['l' - 'a'] = EMPTY;
    CHECK_INT(macro_domain(SLICE(spec, sizeof spec), &values, out), 0);
    values.of['l' - 'a'] = LIT("ab.");
    CHECK_INT(macro_domain(SLICE(spec, sizeof spec), &values, out), 251);
}

TEST(explanations_are_cut_and_printable)
{
    struct macro_values values = sample();
    char out[16];
    values.of['h' - 'a'] = LIT("a\r\nb\x80\0c");
    CHECK_MEM(out, macro_explanation(LIT("<%{h}>"), &values, out, sizeof out), "<a??b??c>");
    CHECK_MEM(out, macro_explanation(LIT("%{s}%{s}"), &values, out, sizeof out),
              "strong-bad@email");
    CHECK_MEM(out, macro_explanation(LIT("%{H}"), &values, out, 5), "a%0D%");
}

TEST(what_a_place_allows)
{
    CHECK(macro_is_valid(LIT("a b %{c}%{r}%{t}"), MACRO_IN_EXPLANATION));
    CHECK(!macro_is_valid(LIT("a b"), MACRO_IN_MODIFIER));
    CHECK(macro_is_valid(LIT("%{c}%{r}%{t}"), MACRO_IN_MODIFIER));
    CHECK(!macro_is_valid(LIT("%{c}"), MACRO_IN_DOMAIN) &&
          !macro_is_valid(LIT("%{R}"), MACRO_IN_DOMAIN));
    CHECK(!macro_is_valid(LIT("a\r\nb"), MACRO_IN_EXPLANATION) &&
          !macro_is_valid(LIT("\xc3\xbc"), MACRO_IN_EXPLANATION));
    CHECK(!macro_is_valid(LIT("100%"), MACRO_IN_EXPLANATION) &&
          !macro_is_valid(LIT("%{d"), MACRO_IN_EXPLANATION));
    CHECK(macro_is_valid(EMPTY, MACRO_IN_MODIFIER) && !macro_is_domain_spec(EMPTY));
}

TEST(letters_that_are_used)
{
    CHECK(macro_uses(LIT("x.%{P2r}.y"), 'p') && macro_uses(LIT("%{d}%{p}"), 'p'));
    CHECK(!macro_uses(LIT("p.%{d}.%%p"), 'p') && !macro_uses(EMPTY, 'p'));
}
