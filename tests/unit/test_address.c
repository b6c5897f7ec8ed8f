/* test_address.c - address lists as the RFCs print them, as mail has them, and as attackers write
 * them. RFC 5322 3.4, 4.4, appendix A; RFC 2047 5; RFC 6532. */
#include "message/address.h"

#include <stdlib.h>

#include "base/buf.h"
#include "test.h"

static void *alloc(void *user, size_t size)
{
    return mw_arena_alloc(user, size);
}

/* "name <address>|name <address>": what the value is read as. */
static void show(struct mw_slice value, struct mw_buf *out)
{
    struct mw_arena arena = {0};
    const struct mw_address *const *list;
    size_t count = mw_address_list(value, alloc, &arena, &list);
    out->len = 0;
    for (size_t i = 0; i < count; i++) {
        struct mw_slice name = list[i]->name, address = list[i]->address;
        mw_buf_putf(out, "%s%.*s <%.*s>", i > 0 ? "|" : "", (int)name.len, name.ptr,
                    (int)address.len, address.ptr);
    }
    mw_arena_fini(&arena);
}

static const struct {
    const char *value, *want;
} cases[] = {
    /* RFC 5322 appendix A */
    {"John Doe <jdoe@machine.example>", "John Doe <jdoe@machine.example>"},
    {"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>"},
    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     "Mary Smith <mary@x.test>| <jdoe@example.org>|Who? <one@y.test>"},
    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     " <boss@nil.test>|Giant; \"Big\" Box <sysservices@example.net>"},
    {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     "Ed Jones <c@a.test>| <joe@where.test>|John <jdoe@one.test>"},
    {"Undisclosed recipients:;", ""},
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete <pete@silly.test>"},
    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
     "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
     "Chris Jones <c@public.example>| <joe@example.org>|John <jdoe@one.test>"},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
    {"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>"},
    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
     "Mary Smith <mary@example.net>| <jdoe@test.example>"},
    {"John Doe <jdoe@machine(comment).  example>", "John Doe <jdoe@machine.example>"},
    /* plain, empty, blanks, folding */
    {"", ""},
    {" \r\n ", ""},
    {",,;, ;", ""},
    {"a@b", " <a@b>"},
    {"a@b, c@d", " <a@b>| <c@d>"},
    {"a@b,c@d;e@f", " <a@b>| <c@d>| <e@f>"},
    {" A\r\n B\r\n <a@b>\r\n", "A B <a@b>"},
    {"A@B.EXAMPLE.", " <A@b.example>"},
    {"root", "root <root>"},
    {"root (Cron)", "root <root>"},
    {"root, a@b", "root <root>| <a@b>"},
    {"undisclosed-recipients:;", ""},
    {"Some name", "Some name <>"},
    {"\"Name\"", "Name <>"},
    {"http://a.example/", "//a.example/ <>"},
    {"Name <>", "Name <>"},
    {"<>", ""},
    {"<root>", " <root>"},
    {"Mail System <MAILER-DAEMON>", "Mail System <MAILER-DAEMON>"},
    {"Name <see below>", "Name <>"},
    {"Name <http://a.example/>", "Name <>"},
    /* comments */
    {"a@b (John (Jack) Doe)", "John (Jack) Doe <a@b>"},
    {"(John) a@b", "John <a@b>"},
    {"Name (x) <a@b>", "Name <a@b>"},
    {"<a@b> (Name)", "Name <a@b>"},
    {"a@b (One), c@d (Two)", "One <a@b>|Two <c@d>"},
    {"(a@b) <c@d>", "a@b <c@d>"},
    {"a(x)@(y)b(z)", "x <a@b>"},
    {"a@b (not\\)closed)", "not)closed <a@b>"},
    {"a@b (open", "open <a@b>"},
    /* names that look like addresses stay names */
    {"\"a@b\" <c@d>", "a@b <c@d>"},
    {"a@b <c@d>", "a@b <c@d>"},
    {"\"a@b, e@f\" <c@d>", "a@b, e@f <c@d>"},
    {"a@b via List <c@d>", "a@b via List <c@d>"},
    {"\"<a@b>\" <c@d>", "<a@b> <c@d>"},
    {"Meet @ Joe <c@d>", "Meet @Joe <c@d>"},
    {"=?utf-8?q?=3Ca=40b=3E?= <c@d>", "<a@b> <c@d>"},
    {"[list] Name <c@d>", "[list] Name <c@d>"},
    /* commas, brackets and colons that were forgotten */
    {"a@b c@d", " <a@b>| <c@d>"},
    {"<a@b> <c@d>", " <a@b>| <c@d>"},
    {"<a@b><c@d>", " <a@b>| <c@d>"},
    {"A <a@b> C <c@d>", "A <a@b>|C <c@d>"},
    {"a@b c@d <e@f>", " <a@b>|c@d <e@f>"},
    {"<a@b, c@d>", " <a@b>| <c@d>"},
    {"<a@b c@d>", " <a@b>| <c@d>"},
    {"<a@b; c@d", " <a@b>| <c@d>"},
    {"A <a@b, C <c@d>", "A <a@b>|C <c@d>"},
    {"A <a@b C <c@d>", "A <a@b>| <c@d>"},
    {"A <<a@b>>", "A <a@b>"},
    {"a@b>", " <a@b>"},
    {"Group: a@b, c@d", " <a@b>| <c@d>"},
    {"G: a@b; c@d", " <a@b>| <c@d>"},
    {"a@b: c@d", " <a@b>| <c@d>"},
    {"G: H: a@b;;", " <a@b>"},
    {"<mailto:a@b>", " <a@b>"},
    {"mailto:a@b", " <a@b>"},
    {"Name a@b", "Name <a@b>"},
    {"a@b Name", "Name <a@b>"},
    {"John Q. public@b", "John Q. <public@b>"},
    {"\"Name <a@b>", "Name <a@b>"},
    {"Name\" <a@b>", "Name <a@b>"},
    {"(Name <a@b>", "Name <a@b>"},
    {"Name) <a@b>", "Name <a@b>"},
    {"'a@b.example'", " <a@b.example>"},
    {"'a@b.example' <a@b.example>", "'a@b.example' <a@b.example>"},
    /* local parts */
    {"\"john doe\"@b", " <\"john doe\"@b>"},
    {"\"john.doe\"@b", " <john.doe@b>"},
    {"john.\"q x\".doe@b", " <\"john.q x.doe\"@b>"},
    {"\"a\\\"b\\\\c\"@d", " <\"a\\\"b\\\\c\"@d>"},
    {"\"a@b\"@c", " <\"a@b\"@c>"},
    {"a@b@c", " <\"a@b\"@c>"},
    {"<a@b@c>", " <\"a@b\"@c>"},
    {"\"\"@b", " <\"\"@b>"},
    {"a..b.@c", " <a..b.@c>"},
    {"john . smith@b", " <john.smith@b>"},
    {"< john. smith @ b >", " <john.smith@b>"},
    {"a+b/c=d%e!f@g", " <a+b/c=d%e!f@g>"},
    {"\"Name\"a@b", "Name <a@b>"},
    {"\"a\r\n b\"@c", " <\"a b\"@c>"},
    /* domains */
    {"a@[192.0.2.1]", " <a@[192.0.2.1]>"},
    {"<a@[ 192.0.2.1 ]>", " <a@[192.0.2.1]>"},
    {"a@[IPv6:2001:DB8::1]", " <a@[ipv6:2001:db8::1]>"},
    {"a@[192.0.2.1 c@d", " <a@[192.0.2.1]>| <c@d>"},
    {"a@[192.0.2.1, c@d]", " <a@[192.0.2.1]>| <c@d]>"},
    {"a@", "a@ <>"},
    {"a@, c@d", "a@ <>| <c@d>"},
    {"@b", "@ b <>"},
    {"a@b. Thanks", "Thanks <a@b>"},
    /* routes */
    {"<@a,@b:c@d>", " <c@d>"},
    {"<@a , , @b : c@d>", " <c@d>"},
    {"<@a, c@d>", " <c@d>"},
    {"<@a>", ""},
    /* encoded words, RFC 2047 */
    {"=?utf-8?q?Andr=C3=A9?= <a@b>", "Andr\xc3\xa9 <a@b>"},
    {"\"=?utf-8?q?Andr=C3=A9?=\" <a@b>", "Andr\xc3\xa9 <a@b>"},
    {"=?utf-8?q?A?=\r\n =?utf-8?q?B?= C <a@b>", "AB C <a@b>"},
    {"=?utf-8?q?Doe,_John?= <a@b>", "Doe, John <a@b>"},
    {"=?utf-8?q?Doe, John?= <a@b>", "Doe, John <a@b>"},
    {"=?utf-8?q?\"x?= <a@b>, =?utf-8?q?y\"?= <c@d>", "\"x <a@b>|y\" <c@d>"},
    {"=?utf-8?q?x <a@b>, y?= <c@d>", "=?utf-8?q?x <a@b>|y?= <c@d>"},
    {"=?utf-8?q?a?=<a@b>", "a <a@b>"},
    {"a@b (=?utf-8?b?SsO8?=)", "J\xc3\xbc <a@b>"},
    {"=?utf-8?q?a=0D=0Ab=00c?= <a@b>", "a b c <a@b>"},
    {"=?utf-8?q?a", "=?utf-8?q?a <>"},
    {"=?, a@b", "=? <>| <a@b>"},
    /* 8-bit: RFC 6532, and ISO 8859-1 */
    {"J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.example>", "J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.example>"},
    {"J\xfcrgen <j\xfc@b.example>", "J\xc3\xbcrgen <j\xc3\xbc@b.example>"},
    {"\xe2\x80\x8b <a@b>", "\xe2\x80\x8b <a@b>"},
};

TEST(lists_are_read_as_people_mean_them)
{
    struct mw_buf got = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        show(mw_slice_cstr(cases[i].value), &got);
        if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(cases[i].want)))
            mw_test_fail(__FILE__, __LINE__, "{%s} is {%.*s}, want {%s}", cases[i].value,
                         (int)got.len, got.ptr, cases[i].want);
    }
    mw_buf_fini(&got);
}

TEST(parts_of_an_address_are_views_of_it)
{
    struct mw_arena arena = {0};
    const struct mw_address *const *list;
    size_t count = mw_address_list(MW_LIT("N <\"x y\"@EXAMPLE.org>, root"), alloc, &arena, &list);
    CHECK_INT(count, 2);
    CHECK_INT(list[0]->size, sizeof(struct mw_address));
    CHECK_SLICE(list[0]->local, "\"x y\"");
    CHECK_SLICE(list[0]->domain, "example.org");
    CHECK_SLICE(list[0]->address, "\"x y\"@example.org");
    CHECK_SLICE(list[1]->address, "root");
    CHECK_SLICE(list[1]->local, "root");
    CHECK(list[1]->domain.len == 0);
    CHECK_SLICE(list[1]->name, "root");
    mw_arena_fini(&arena);
}

TEST(a_nul_in_a_value_ends_a_word_and_nothing_else)
{
    struct mw_buf got = {0};
    show(MW_LIT("a\0@b\0c@d"), &got);
    CHECK_SLICE(mw_buf_view(&got), " <a@b>| <c@d>");
    mw_buf_fini(&got);
}

TEST(addresses_beyond_the_limit_are_left_out)
{
    struct mw_arena arena = {0};
    struct mw_buf value = {0};
    for (int i = 0; i < MW_ADDRESSES_MAX + 500; i++)
        mw_buf_putf(&value, "n%d <a%d@b>, ", i, i);
    const struct mw_address *const *list;
    size_t count = mw_address_list(mw_buf_view(&value), alloc, &arena, &list);
    CHECK_INT(count, MW_ADDRESSES_MAX);
    CHECK_SLICE(list[MW_ADDRESSES_MAX - 1]->address, "a999@b");
    mw_arena_fini(&arena);
    mw_buf_fini(&value);
}

TEST(repeated_openings_cost_no_more_than_text)
{
    static const char *const units[] = {
        "(",
        "\"",
        "<",
        "[",
        "a@[",
        ",",
        "a.",
        "a . ",
        "=?",
        "=?a?q?",
        "\\\"",
        "()",
        "(x) a",
        "\" ",
        "@",
        "a@",
        "<@a,",
        ":",
        "a:",
        "((x)",
        "=?=",
        "a(x)@(y)",
        "<a@b",
        "a b ",
        "\"\".",
        "a@b@",
        "@a@[b ",
        "\\(",
        "=?utf-8?q?a?= ",
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct mw_buf value = {0};
        struct mw_arena arena = {0};
        const struct mw_address *const *list;
        while (value.len < 400 * 1024)
            mw_buf_put(&value, mw_slice_cstr(units[i]));
        double start = mw_test_cpu_s();
        mw_address_list(mw_buf_view(&value), alloc, &arena, &list);
        double took = (mw_test_cpu_s() - start) * 1e3;
        if (took > 1500) /* some 10 ms; the squares take minutes */
            mw_test_fail(__FILE__, __LINE__, "'%s' took %.0f ms", units[i], took);
        mw_arena_fini(&arena);
        mw_buf_fini(&value);
    }
}
