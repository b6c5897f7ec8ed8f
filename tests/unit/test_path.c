/* test_path.c - reverse-path and forward-path: what parses, what is well-formed, what may be sent.
 */
#include "smtp/path.h"

#include <stdlib.h>

#include "test.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static bool parses(struct mw_slice in, struct mw_path *out_path, size_t *out_used)
{
    char *copy = malloc(in.len ? in.len : 1);
    if (in.len > 0)
        memcpy(copy, in.ptr, in.len);
    bool ok = mw_path_parse(MW_SLICE(copy, in.len), out_path, out_used) == MW_OK;
    free(copy); /* ASan saw a read too far; the views are taken again from `in` */
    return ok && mw_path_parse(in, out_path, out_used) == MW_OK;
}

static const struct good {
    const char *in, *address, *local, *domain;
    size_t rest; /* octets behind the path */
    bool is_wellformed;
} goods[] = {
    /* clang-format off */
    {"<a@b.example>",              "a@b.example",        "a",            "b.example",   0, true},
    {"<a@b> SIZE=1",               "a@b",                "a",            "b",           7, true},
    {"<>",                         "",                   "",             "",            0, true},
    {"<> BODY=7BIT",               "",                   "",             "",           10, true},
    {"a@b SIZE=1",                 "a@b",                "a",            "b",           7, true},
    {"<postmaster>",               "postmaster",         "postmaster",   "",            0, true},
    {"<PostMaster>",               "PostMaster",         "PostMaster",   "",            0, true},
    {"<root>",                     "root",               "root",         "",            0, false},
    {"<\"a b\"@x>",                "\"a b\"@x",          "\"a b\"",      "x",           0, true},
    {"<\"a>b\"@x> K",              "\"a>b\"@x",          "\"a>b\"",      "x",           2, true},
    {"<\"a@b\"@x>",                "\"a@b\"@x",          "\"a@b\"",      "x",           0, true},
    {"<\"a\\\"b\"@x>",             "\"a\\\"b\"@x",       "\"a\\\"b\"",   "x",           0, true},
    {"<\"a\\\\\"@x>",              "\"a\\\\\"@x",        "\"a\\\\\"",    "x",           0, true},
    {"<\"\"@x>",                   "\"\"@x",             "\"\"",         "x",           0, true},
    {"\"a b\"@x SIZE=1",           "\"a b\"@x",          "\"a b\"",      "x",           7, true},
    {"<a@[192.0.2.1]>",            "a@[192.0.2.1]",      "a",            "[192.0.2.1]", 0, true},
    {"<a@[IPv6:2001:db8::1]>",     "a@[IPv6:2001:db8::1]", "a",  "[IPv6:2001:db8::1]", 0, true},
    {"<a@[tag:x>",                 "a@[tag:x",           "a",            "[tag:x",      0, false},
    {"<a@[256.0.0.1]>",            "a@[256.0.0.1]",      "a",            "[256.0.0.1]", 0, false},
    {"<a@[IPv6:zz]>",              "a@[IPv6:zz]",        "a",            "[IPv6:zz]",   0, false},
    {"<@r.example:a@b>",           "a@b",                "a",            "b",           0, true},
    {"<@r,@s.example:a@b>",        "a@b",                "a",            "b",           0, true},
    {"<@[IPv6:::1]:a@b>",          "a@b",                "a",            "b",           0, true},
    {"<@r,s:a@b>",                 "a@b",                "a",            "b",           0, false},
    {"<@a>",                       "@a",                 "",             "a",           0, false},
    {"<a@>",                       "a@",                 "a",            "",            0, false},
    {"<a..b@c>",                   "a..b@c",             "a..b",         "c",           0, false},
    {"<.a@c>",                     ".a@c",               ".a",           "c",           0, false},
    {"<a@b@c>",                    "a@b@c",              "a@b",          "c",           0, false},
    {"<a@-b>",                     "a@-b",               "a",            "-b",          0, false},
    {"<a@b-.c>",                   "a@b-.c",             "a",            "b-.c",        0, false},
    {"<a@b_c>",                    "a@b_c",              "a",            "b_c",         0, false},
    {"<a@b..c>",                   "a@b..c",             "a",            "b..c",        0, false},
    {"<a b@c>",                    "a b@c",              "a b",          "c",           0, false},
    {"<a\"b\"@c>",                 "a\"b\"@c",           "a\"b\"",       "c",           0, false},
    {"<DOMAIN\\user@c>",           "DOMAIN\\user@c",     "DOMAIN\\user", "c",           0, false},
    {"<a+tag=x!y%z@c>",            "a+tag=x!y%z@c",      "a+tag=x!y%z",  "c",           0, true},
    {"<\xc3\xa9t\xc3\xa9@\xc3\xa9.fr>", "\xc3\xa9t\xc3\xa9@\xc3\xa9.fr", "\xc3\xa9t\xc3\xa9", "\xc3\xa9.fr", 0, true},
    {"<\xe9@c>",                   "\xe9@c",             "\xe9",         "c",           0, false},
    {"<\xc0\xbe@c>",               "\xc0\xbe@c",         "\xc0\xbe",     "c",           0, false},
    {"<\xed\xa0\x80@c>",           "\xed\xa0\x80@c",     "\xed\xa0\x80", "c",           0, false},
    {"<\xf0\x9f\x93\xac@c>",       "\xf0\x9f\x93\xac@c", "\xf0\x9f\x93\xac", "c",       0, true},
    {"<__proto__@c>",              "__proto__@c",        "__proto__",    "c",           0, true},
    {"<|/bin/sh@c>",               "|/bin/sh@c",         "|/bin/sh",     "c",           0, true},
    {"<;id;@c>",                   ";id;@c",             ";id;",         "c",           0, false},
    {"<$(id)@c>",                  "$(id)@c",            "$(id)",        "c",           0, false},
    /* clang-format on */
};

TEST(path_good_ones_are_taken_apart)
{
    for (size_t i = 0; i < LEN(goods); i++) {
        const struct good *good = &goods[i];
        struct mw_slice in = MW_SLICE(good->in, strlen(good->in));
        struct mw_path path;
        size_t used;
        if (!parses(in, &path, &used))
            mw_test_fail(__FILE__, __LINE__, "%s does not parse", good->in);
        CHECK(parses(in, &path, &used));
        CHECK_SLICE(path.address, good->address);
        CHECK_SLICE(path.local, good->local);
        CHECK_SLICE(path.domain, good->domain);
        CHECK_INT(used, in.len - good->rest);
        CHECK_INT(path.has_brackets, good->in[0] == '<');
        CHECK_INT(path.is_null, good->address[0] == '\0');
        if (path.is_wellformed != good->is_wellformed)
            mw_test_fail(__FILE__, __LINE__, "%s: is_wellformed is wrong", good->in);
    }
}

#define S(literal)                  \
    {                               \
        literal, sizeof literal - 1 \
    }
static const struct mw_slice bads[] = {
    S(""),
    S(" "),
    S(" a@b"),
    S("<"),
    S("<a@b"),
    S("a@b>"),
    S("a<b@c"),
    S("<a<b@c>>"),
    S("<<a@b>>"),
    S("<\"a@b>"), /* quote opened, never closed: prescan and crackaddr */
    S("<a\"@b>"),
    S("\"a@b"),
    S("<\"a\\\"@b>"),
    S("<a\\>b@c>"), /* ends in two places */
    S("<a\\\"b@c>"),
    S("<a\\ b@c>"),
    S("<a\\@b@c>"),
    S("<a\\"),
    S("<\"a\\"),
    S("<a@b\r\nRCPT TO:<c@d>>"), /* Terada 2015 */
    S("<\"a\r\nDATA\r\n\"@b>"),
    S("<\"a\nb\"@c>"),
    S("<\"a\\\rb\"@c>"),
    S("<a\0b@c>"),
    S("<\"a\0\"@c>"),
    S("<\"a\\\0\"@c>"),
    S("<a\tb@c>"),
    S("<a\x1b[2J@c>"),
    S("<a\x7f@c>"),
    S("<@a:>"),
    S("\t<a@b>"),
};

TEST(path_bad_ones_are_refused)
{
    for (size_t i = 0; i < LEN(bads); i++) {
        struct mw_path path;
        size_t used;
        if (parses(bads[i], &path, &used))
            mw_test_fail(__FILE__, __LINE__, "%s parses", bads[i].ptr);
    }
}

TEST(path_every_control_character_is_refused_everywhere)
{
    for (int c = 0; c <= 0x20; c++) {
        char octet = c < 0x20 ? (char)c : 0x7f;
        for (size_t at = 1; at < 8; at++) {
            char whole[] = "<\"a?b\"@c>";
            struct mw_path path;
            size_t used;
            whole[at] = octet;
            CHECK(!parses(MW_SLICE(whole, 9), &path, &used));
            CHECK(!mw_path_is_safe(MW_SLICE(whole + 1, 7), true));
        }
    }
}

/* RFC 5321 4.5.3.1.3, with more room for VERP. */
TEST(path_length_is_bounded)
{
    char text[MW_PATH_MAX + 8];
    struct mw_path path;
    size_t used;
    memset(text, 'a', sizeof text);
    text[0] = '<';
    text[1] = 'x';
    text[2] = '@';
    text[MW_PATH_MAX - 1] = '>';
    CHECK(parses(MW_SLICE(text, MW_PATH_MAX), &path, &used));
    CHECK_INT(used, MW_PATH_MAX);
    CHECK(mw_path_is_safe(MW_SLICE(text + 1, MW_PATH_MAX - 2), false));
    text[MW_PATH_MAX - 1] = 'a';
    text[MW_PATH_MAX] = '>';
    CHECK(!parses(MW_SLICE(text, MW_PATH_MAX + 1), &path, &used));
    CHECK(!mw_path_is_safe(MW_SLICE(text + 1, MW_PATH_MAX - 1), false));
    text[MW_PATH_MAX] = 'a';
    CHECK(!parses(MW_SLICE(text, sizeof text), &path, &used));
}

TEST(safe_is_what_parses_back_to_itself)
{
    static const struct mw_slice safe[] = {S("a@b"),        S("root"),   S("\"a b\"@c"),
                                           S("\"a>b\"@c"),  S("a..b@c"), S("a@[1.2.3.4]"),
                                           S("\xc3\xa9@c"), S("D\\u@c")};
    static const struct mw_slice unsafe[] = {
        S("a@b>"),  S("<a@b>"),  S("a@b> SIZE=1"), S("a@b\r\nDATA"), S("a@b\n"),  S("\"a@b"),
        S("a\"@b"), S("@r:a@b"), S("a b@c"),       S("a@b "),        S(" a@b"),   S("a\0@b"),
        S("a\\"),   S("a@b>\0"), S("a@b> <c@d"),   S("\"a\\\"@b"),   S("a\\>@b"), S("\"a\r\"@b")};
    for (size_t i = 0; i < LEN(safe); i++)
        CHECK(mw_path_is_safe(safe[i], false));
    for (size_t i = 0; i < LEN(unsafe); i++)
        if (mw_path_is_safe(unsafe[i], true))
            mw_test_fail(__FILE__, __LINE__, "unsafe: %s", unsafe[i].ptr);
    CHECK(mw_path_is_safe(MW_EMPTY, true));
    CHECK(!mw_path_is_safe(MW_EMPTY, false));
}
#undef S

static struct mw_path path_of(const char *text)
{
    struct mw_path path = {0};
    size_t used;
    if (mw_path_parse(MW_SLICE(text, strlen(text)), &path, &used) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "%s does not parse", text);
    return path;
}

/* RFC 5321 2.4: the local part is case-sensitive, the domain is not. */
TEST(same_ignores_the_case_of_the_domain_only)
{
    struct mw_path a = path_of("<a@Example.ORG>"), b = path_of("a@example.org"),
                   c = path_of("<A@example.org>"), null = path_of("<>"),
                   route = path_of("<@x:a@example.org>");
    CHECK(mw_path_same(&a, &b));
    CHECK(mw_path_same(&a, &route));
    CHECK(!mw_path_same(&a, &c));
    CHECK(!mw_path_same(&a, &null));
    CHECK(mw_path_same(&null, &null));
}
