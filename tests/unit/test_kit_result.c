/* What stands in Authentication-Results is a form that any reader takes as it was meant, whatever octets went in. */
#include "result.h"
#include "test.h"

static struct mw_slice built(struct result *result, const char *property, struct mw_slice value,
                             bool is_utf8)
{
    result_begin(result, "spf", "fail", is_utf8);
    result_property(result, property, value);
    return result_text(result);
}

TEST(property_plain_and_quoted)
{
    static const struct {
        const char *value, *want;
        bool is_utf8;
    } rows[] = {
        {"a@example.net", "a@example.net", false},
        {"example.net", "example.net", false},
        {"@example.net", "@example.net", false},
        {"a.b+c=d@example.net", "a.b+c=d@example.net", false},
        {"o'neill{x}@example.net", "o'neill{x}@example.net", false},
        {"a=b", "\"a=b\"", false}, /* '=' is a tspecial */
        {"2001:db8::1", "\"2001:db8::1\"", false},
        {"[192.0.2.1]", "\"[192.0.2.1]\"", false},
        {"a b@example.net", "\"a b@example.net\"", false},
        {".a@example.net", "\".a@example.net\"", false},
        {"a..b@example.net", "\"a..b@example.net\"", false},
        {"a@", "\"a@\"", false},
        {"a@x/y", "\"a@x/y\"", false},
        {"a@x%{h}.net", "\"a@x%{h}.net\"", false}, /* a dot-atom, but no domain-name */
        {"a@x!y.net", "\"a@x!y.net\"", true},
        {"a@_x-y.net", "a@_x-y.net", false},
        {"x%{h}.net", "x%{h}.net", false}, /* a token */
        {"\303\274x!y.net", "\"\303\274x!y.net\"", true},
        {"\"a b\"@example.net", "\"\\\"a b\\\"@example.net\"", false},
        {"a\\@example.net", "\"a\\\\@example.net\"", false},
        {"a;dkim=pass@example.net", "\"a_dkim=pass@example.net\"", false},
        {"a(b@example.net", "\"a(b@example.net\"", false},
        {"a\r\nX: y@example.net", "\"a??X: y@example.net\"", false},
        {"\303\274@example.net", "\"??@example.net\"", false},
        {"\303\274@ex\303\244mple.net", "\303\274@ex\303\244mple.net", true},
        {"ex\303\244mple.net", "ex\303\244mple.net", true},
        {"b7wHAN/W", "\"b7wHAN/W\"", true}, /* base64, as in header.b */
        {"\303@example.net", "\"?@example.net\"", true},
        {"a\302\205b", "\"a??b\"", true},  /* NEL, a line end to some */
        {"\355\240\200", "\"???\"", true}, /* a surrogate */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result;
        char want[200];
        snprintf(want, sizeof want, "spf=fail smtp.mailfrom=%s", rows[i].want);
        CHECK_SLICE(built(&result, "smtp.mailfrom", slice_of(rows[i].value), rows[i].is_utf8),
                    want);
    }
}

TEST(empty_parts_leave_nothing)
{
    struct result result;
    result_begin(&result, "spf", "none", false);
    result_comment(&result, EMPTY);
    result_reason(&result, EMPTY);
    result_property(&result, "smtp.helo", EMPTY);
    CHECK_SLICE(result_text(&result), "spf=none");
}

TEST(comment_cannot_be_left)
{
    struct result result;
    result_begin(&result, "spf", "permerror", false);
    result_comment(&result, LIT("a) x=y (b\\ ; \"c\r\n\t\303\274"));
    result_reason(&result, LIT("say \"no\"; \\ (x)"));
    CHECK_SLICE(result_text(&result),
                "spf=permerror (a_ x=y _b_ _ _c????\?) reason=\"say \\\"no\\\"_ \\\\ (x)\"");
}

/* A part that does not fit is not there at all: never an open quote. */
TEST(long_values_stay_whole)
{
    char text[4000];
    memset(text, '"', sizeof text);
    for (size_t len = 0; len < 3000; len += 7) {
        struct result result;
        result_begin(&result, "dkim", "pass", false);
        result_comment(&result, SLICE(text, len));
        for (int i = 0; i < 5; i++)
            result_property(&result, "header.b", SLICE(text, len));
        result_reason(&result, SLICE(text, len));
        struct mw_slice got = result_text(&result);
        CHECK(got.len <= RESULT_MAX);
        bool is_quoted = false;
        for (size_t i = 0; i < got.len; i++) {
            if (is_quoted && got.ptr[i] == '\\')
                i++;
            else if (got.ptr[i] == '"')
                is_quoted = !is_quoted;
        }
        CHECK(!is_quoted);
    }
}

/* Whatever octets: printable, and no control octet gets through. */
TEST(random_octets_are_tamed)
{
    uint64_t seed = 0x5bf1;
    for (int round = 0; round < 20000; round++) {
        char octets[80];
        size_t len = mw_test_random(&seed) % sizeof octets;
        for (size_t i = 0; i < len; i++)
            octets[i] = (char)mw_test_random(&seed);
        struct result result;
        built(&result, "smtp.helo", SLICE(octets, len), false);
        result_comment(&result, SLICE(octets, len));
        struct mw_slice got = result_text(&result);
        for (size_t i = 0; i < got.len; i++)
            CHECK(got.ptr[i] >= 0x20 && got.ptr[i] < 0x7f && got.ptr[i] != ';');
    }
}

TEST(quote_for_other_fields)
{
    char octets[40];
    struct builder out = {.ptr = octets, .cap = sizeof octets};
    result_quote(&out, LIT("a\"b\n"), false);
    CHECK_MEM(out.ptr, out.len, "\"a\\\"b?\"");
}
