/* RFC 9989 5.3.1, 11.5: author domains, from raw From fields. */
#include "author.h"

#include <stdlib.h>

#include "from.h"
#include "message/address.h"
#include "test.h"

static struct authors authors;

/* Memory of one message; the next one takes it over. */
static _Alignas(16) char pool[65536];
static size_t used;

static void *allot(void *user, size_t size)
{
    (void)user;
    size = (size + 15) / 16 * 16;
    if (size > sizeof pool - used)
        abort();
    void *memory = memset(pool + used, 0, size);
    used += size;
    return memory;
}

/* Each field becomes addresses as the host makes them. */
static void read_fields(const char *const *fields, size_t count)
{
    authors = (struct authors){.count = 0};
    used = 0;
    for (size_t i = 0; i < count; i++) {
        const struct mw_address *const *list;
        size_t found = mw_address_list(slice_of(fields[i]), allot, NULL, &list);
        authors_add(&authors, slice_of(fields[i]), list, found);
    }
    authors_close(&authors);
}
#define READ(...)                                   \
    read_fields((const char *const[]){__VA_ARGS__}, \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *domains(void)
{
    static char text[1000];
    struct builder out = {.ptr = text, .cap = sizeof text - 1};
    for (size_t i = 0; i < authors.count; i++)
        builder_putf(&out, "%s%s", i > 0 ? " " : "", authors.list[i].octets);
    text[out.len] = '\0';
    return text;
}
#define CHECK_DOMAINS(want)                  \
    do {                                     \
        const char *got_ = domains();        \
        CHECK_MEM(got_, strlen(got_), want); \
    } while (0)

TEST(one_address_gives_one_domain)
{
    static const char *const fields[] = {
        " a@Example.NET",
        " \"b@evil.example\" <a@example.net>",
        " a@example.net <a@example.net>",
        " John Q. Public [sales] <a@example.net>",
        " Group: a@example.net;",
        " a@example.net, b@EXAMPLE.net.",
        " (comment) <a@example.net> (x@y.example)",
        " Smith, John <a@example.net>",
        " =?utf-8?q?b=40evil.example?= <a@example.net>",
        "\r\n\t<a@example.net>",
        " <@relay.example:a@example.net>",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        READ(fields[i]);
        if (strcmp(domains(), "example.net") != 0 || authors.is_incomplete)
            mw_test_fail(__FILE__, __LINE__, "'%s': %s", fields[i], domains());
    }
}

TEST(u_labels_become_a_labels)
{
    READ(" a@b\xc3\xbc"
         "cher.example");
    CHECK_DOMAINS("xn--bcher-kva.example");
    CHECK(authors.problem == NULL && !authors.is_incomplete);
    READ(" a@B\xc3\x9c"
         "CHER.example, b@xn--bcher-kva.example");
    CHECK_DOMAINS("xn--bcher-kva.example");
}

TEST(several_domains_are_all_judged)
{
    READ(" a@one.example, b@two.example");
    CHECK_DOMAINS("one.example two.example");
    CHECK(!authors.is_incomplete && authors.problem != NULL);
    READ(" a@one.example", " b@two.example");
    CHECK_DOMAINS("one.example two.example");
    CHECK(!authors.is_incomplete && authors.problem != NULL);
    READ(" a@one.example", " a@one.example");
    CHECK_DOMAINS("one.example");
    CHECK(!authors.is_incomplete && authors.problem != NULL);
    READ(" Group: a@one.example, b@two.example;");
    CHECK_DOMAINS("one.example two.example");
    READ(" <a@one.example> <b@two.example>"); /* a comma is missing */
    CHECK_DOMAINS("one.example two.example");
}

TEST(more_than_can_be_judged_is_told)
{
    READ(" a@1.example, a@2.example, a@3.example, a@4.example, a@5.example");
    CHECK_DOMAINS("1.example 2.example 3.example");
    CHECK(authors.is_incomplete);
    authors = (struct authors){.count = 0};
    static const struct mw_address one = {.domain = {"one.example", 11}};
    const struct mw_address *list[] = {&one};
    for (int i = 0; i < 1000; i++)
        authors_add(&authors, EMPTY, list, 1);
    authors_close(&authors);
    CHECK_DOMAINS("one.example");
    CHECK(authors.is_incomplete && authors.fields == 1000);
}

TEST(no_domain_is_told)
{
    static const char *const fields[] = {
        "",    " ",   " root", " \"Some One\"",  " undisclosed:;",
        " <>", " a@", " ,,,",  " (x@y.example)", " \"a@b.example\""};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        READ(fields[i]);
        if (authors.count != 0 || !authors.is_incomplete || authors.problem == NULL)
            mw_test_fail(__FILE__, __LINE__, "'%s': %s", fields[i], domains());
    }
    authors = (struct authors){.count = 0};
    authors_close(&authors);
    CHECK(authors.is_incomplete && authors.problem != NULL);
}

TEST(domain_that_is_none_is_told)
{
    static const char *const fields[] = {" a@[192.0.2.1], b@[IPv6:2001:db8::1]", " a@exa..mple.net",
                                         " a@-\x80.net", " a@x.example, b@[IPv6:::1]",
                                         " a@exa!mple.net"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        READ(fields[i]);
        if (!authors.is_incomplete || authors.problem == NULL)
            mw_test_fail(__FILE__, __LINE__, "'%s': %s", fields[i], domains());
    }
}

/* 4.4: a malformed From cannot be aligned; what is common and clear to everybody counts as well-formed. */
TEST(forms_that_programs_read_differently_are_told)
{
    static const char *const good[] = {
        " a@example.net",
        " <a@example.net>",
        "\r\n\t\"Some \\\"One\\\"\" (a (b) \\) c)\r\n <a@example.net> (d)",
        " J\xfcrgen \xc3\xa9 <a@example.net>",
        " [list] a.b. c <a@example.net>,",
        " .NET \"b\" (c) <a@example.net>, \"d, e\" (f; g) <a@example.net>",
        " a\"b\"c <a@example.net>",
        " \"a, b\" c.d (e; f) <a@example.net> (g, h), i@example.net (j, k)",
        " a@example.net <a@example.net>, \xe9.@example.net, d",
        " \"a\".b.\"c\"@example.net",
        " Smith, John <a@example.net>",
        " A@Example.net. <a@example.net>",
        " <@a.example,@b.example:c@example.net>",
        " Some: a@example.net, <b@example.org>;, Others:;",
        " \"a b\"@example.net",
        " a@[192.0.2.1]",
        " <>",
        "",
    };
    static const char *const bad[] = {
        " \"a@example.net",
        " (a@example.net",
        " a@example.net)",
        " a b@example.net",
        " \"a\" b@example.net",
        " a@example.net b",
        " .a \"b,c\" <a@example.net>",
        " a[b] (c,d) <a@example.net>",
        " a (b,c), d@example.net",
        " a@example.net \"b,c\" <a@example.net>",
        " a.@example.net (b,c)",
        " \xe9@example.net (b,c)",
        " [a]:; (b,c) <a@example.net>",
        " <\"a,b\">",
        " <\"a@example.net\">",
        " <@b.example:\"a@example.net\">",
        " a@example .net <a@example>",
        " a@example. net <a@example>",
        " [a] (b;c) <a@example.net>",
        " G: .a (\\,) <a@example.net>;",
        " a\"b\"@example.net",
        " \"a\"b@example.net",
        " \"a\"\"b\"@example.net",
        " <a@example.net",
        " a@example.net>",
        " <a@example.net> b",
        " <a@example.net> (b",
        " <a@example.net b>",
        " <<a@example.net>>",
        " <a>@example.net",
        " a@b@example.net",
        " a@(b)example.net",
        " a @example.net",
        " a@ example.net",
        " <a(b)@example.net>",
        " a@example.net;",
        " a@example.net: b@example.net;",
        " A: B: a@example.net;;",
        " : a@example.net;",
        " <mailto:a@example.net>",
        " <@a.example a@example.net>",
        " b@example.org <a@example.net>",
        " b@example.net c@example.org <a@example.net>",
        " a\\b <a@example.net>",
        " a] <a@example.net>",
        " a@[b, <c@d>]",
        " a@[b",
        " a@[b]c",
        " =?utf-8?q?x?=[y] <a@example.net>",
        " [a <a@example.net>",
        " [\"a\"] <a@example.net>",
        " a\x01 <a@example.net>",
        " a@example.net\nX",
        " a@example.net\rX",
        " \"a\x7f\" <a@example.net>",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (from_problem(slice_of(good[i]), NULL, NULL) != NULL)
            mw_test_fail(__FILE__, __LINE__, "'%s': %s", good[i],
                         from_problem(slice_of(good[i]), NULL, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (from_problem(slice_of(bad[i]), NULL, NULL) == NULL)
            mw_test_fail(__FILE__, __LINE__, "'%s'", bad[i]);
}

/* IDNA is dear: U+FDFA becomes 18 letters. What may be read of it is bounded, and what is beyond is told. */
TEST(names_beyond_ascii_are_read_up_to_a_bound)
{
    static const char *const names[] = {"\xef\xb7\xba\xef\xb7\xba.example", "B\xc3\xbc"
                                                                            "cher.example"};
    static char text[1 << 17];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct builder field = {.ptr = text, .cap = sizeof text};
        while (field.len + 100 < sizeof text)
            builder_putf(&field,
                         "x@b\xc3\xbc"
                         "cher.example <x@%s>, ",
                         names[i]);
        authors = (struct authors){.count = 0};
        authors_add(&authors, SLICE(text, field.len), NULL, 0);
        authors_close(&authors);
        CHECK(authors.is_incomplete && authors.problem != NULL);
        CHECK(authors.spelled < 8192 + 100);
    }
    authors = (struct authors){.count = 0};
    authors_add(&authors,
                LIT(" b\xc3\xbc"
                    "cher@B\xc3\xbc"
                    "cher.example"),
                NULL, 0);
    CHECK(!authors.is_incomplete && authors.spelled == 15);
    authors.spelled = 1 << 20; /* letters that cost nothing are read all the same */
    authors_add(&authors, LIT(" a@example.net"), NULL, 0);
    CHECK_DOMAINS("xn--bcher-kva.example example.net");
}

/* Nothing is searched for again and again. */
TEST(long_fields_take_linear_time)
{
    static const char *const pieces[] = {"(",   "\"", "a@b ", "<",  "[",
                                         "@a,", "G:", "a@[",  "\\", "<a@b>,"};
    static char text[1 << 20];
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct builder out = {.ptr = text, .cap = sizeof text};
        while (out.len + 8 < sizeof text)
            builder_put(&out, slice_of(pieces[i]));
        from_problem(SLICE(text, out.len), NULL,
                     NULL); /* quadratic would be minutes, and the test's time-out */
        CHECK(out.len > (1 << 19));
    }
}
