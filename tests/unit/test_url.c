/* test_url.c - URLs in plain text, and hosts as browsers read them. */
#include "base/buf.h"
#include "message/url.h"
#include "test.h"

#include <stdlib.h>
#include <time.h>

/* ---- finding ---- */

struct pair {
    const char *text, *want; /* URLs found, one blank between two */
};

static void find_all(struct mw_slice text, struct mw_buf *out)
{
    struct mw_slice url;
    for (size_t cursor = 0; mw_url_next(text, &cursor, &url);) {
        if (out->len > 0)
            mw_buf_putc(out, ' ');
        mw_buf_put(out, url);
    }
}

static void expect_found(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct mw_buf got = {0};
        find_all(mw_slice_cstr(pairs[i].text), &got);
        if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(pairs[i].want)))
            mw_test_fail(__FILE__, __LINE__, "%s: '%.*s', want '%s'", pairs[i].text, (int)got.len,
                         got.ptr, pairs[i].want);
        mw_buf_fini(&got);
    }
}
#define EXPECT_FOUND(...)                                       \
    do {                                                        \
        static const struct pair pairs_[] = {__VA_ARGS__};      \
        expect_found(pairs_, sizeof pairs_ / sizeof pairs_[0]); \
    } while (0)

/* clang-format off */
TEST(next_with_scheme)
{
    EXPECT_FOUND({"see http://a.example/b?c#d now", "http://a.example/b?c#d"},
                 {"HTTPS://A.example", "HTTPS://A.example"}, {"ftp://a/b sftp://c ws://d", "ftp://a/b sftp://c ws://d"},
                 {"http://user:pw@a.example:8080/", "http://user:pw@a.example:8080/"},
                 {"http://2130706433/x http://[::1]/", "http://2130706433/x http://[::1]/"},
                 {"http:\\\\a.example\\b", "http:\\\\a.example\\b"},
                 {"texthttp://a.example", "http://a.example"}, {"xftp://localhost", ""},
                 {"http://caf\xc3\xa9.example/\xe2\x82\xac", "http://caf\xc3\xa9.example/\xe2\x82\xac"},
                 {"http://%67oogle.example", "http://%67oogle.example"},
                 {"http:// http:/// x", ""}, {"http:", ""}, {"http://", ""}, {"foo://bar.qux", ""});
}

TEST(next_bare)
{
    EXPECT_FOUND({"www.a.example", "www.a.example"}, {"WWW.x/y", "WWW.x/y"}, {"ftp.a.example.", "ftp.a.example"},
                 {"visit example.com now", "example.com"}, {"example.com/path?q", "example.com/path?q"},
                 {"sub.example.co.uk:8080/x", "sub.example.co.uk:8080/x"}, {"a.com?x=1", "a.com?x=1"},
                 {"example.com: yes", "example.com"}, {"example.xyz, example.top!", "example.xyz example.top"},
                 {"b\xc3\xbc" "cher.de", "b\xc3\xbc" "cher.de"}, {"\xe8\xae\xbf\xe9\x97\xae" "example.com", "example.com"},
                 {"example.xn--p1ai", "example.xn--p1ai"}, {"a_b-c.info", "a_b-c.info"},
                 {"-example.com-", "example.com"}, {"example.com./x", "example.com./x"});
}

TEST(next_bare_hosts_need_a_known_top_level_domain)
{
    EXPECT_FOUND({"file.txt setup.exe a.b.c 3.14 1.2.3.4 e.g. i.e. v1.0.2", ""},
                 {"example.invalid x.html", ""}, {"www. www.. .com com. ..com", ""},
                 {"the end.Then more", ""}, {"it is done.So we", ""}, {"Example.Com", "Example.Com"},
                 {"EXAMPLE.COM", "EXAMPLE.COM"}, {"a..com", ""}, {"...", ""});
}

TEST(next_addresses_are_none)
{
    EXPECT_FOUND({"bob@example.com", ""}, {"mailto:bob@example.com", ""}, {"bob.jones@example.com.", ""},
                 {"www.x@example.com", ""}, {"<bob@example.com> or example.org", "example.org"},
                 {"http://bob@example.com", "http://bob@example.com"});
}

TEST(next_punctuation_behind_is_left_out)
{
    EXPECT_FOUND({"http://a.example/.", "http://a.example/"}, {"(http://a.example/b)", "http://a.example/b"},
                 {"http://a.example/b_(c)", "http://a.example/b_(c)"}, {"(http://a.example/b_(c)).", "http://a.example/b_(c)"},
                 {"<http://a.example>", "http://a.example"}, {"\"http://a.example\"", "http://a.example"},
                 {"[http://a.example/]", "http://a.example/"}, {"http://a.example/?!?!...", "http://a.example/"},
                 {"'http://a.example/',", "http://a.example/"}, {"*http://a.example/*", "http://a.example/"},
                 {"(see example.com)", "example.com"}, {"www.example.com...", "www.example.com"},
                 {"\xe2\x80\x9chttp://a.example/\xe2\x80\x9d", "http://a.example/"},
                 {"http://a.example/\xc2\xa0x", "http://a.example/"}, {"\xef\xbc\x88http://a.example/\xef\xbc\x89", "http://a.example/"});
}

TEST(next_several)
{
    EXPECT_FOUND({"a.com b.net\nhttp://c.org", "a.com b.net http://c.org"},
                 {"http://a.com,http://b.com;https://c.com", "http://a.com http://b.com https://c.com"},
                 {"http://r.com/?u=http://x.com/", "http://r.com/?u=http://x.com/"},
                 {"http://a.com|http://b.com", "http://a.com http://b.com"},
                 {"(a.com)(b.com)", "a.com b.com"}, {"a.com/x)www.b.com", "a.com/x)www.b.com"});
}
/* clang-format on */

/* Text without a ':' or '.' is passed over in blocks: it makes no difference where in one a URL
 * begins, and how much stands behind it. */
TEST(next_finds_at_every_place)
{
    static const char *const urls[] = {"http://a.example/b", "a.com", "www.b"};
    char room[128];
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        size_t len = strlen(urls[i]);
        for (size_t before = 1; before <= 40; before++) {
            for (size_t behind = 1; behind <= 40; behind++) {
                struct mw_slice text = MW_SLICE(room, before + len + behind), url;
                size_t cursor = 0;
                memset(room, ' ', sizeof room);
                memcpy(room + before, urls[i], len);
                CHECK(mw_url_next(text, &cursor, &url));
                CHECK(url.ptr == room + before && url.len == len);
                CHECK_INT(cursor, before + len);
                CHECK(!mw_url_next(text, &cursor, &url));
                CHECK_INT(cursor, text.len);
            }
        }
    }
}

/* Nothing beyond the end is looked at: a block of its own shows it to the sanitizer, and what would
 * stand behind it would make a URL. */
TEST(next_stays_within_the_text)
{
    static const char whole[] = "twelve octets and four more, then http://a.example/b";
    for (size_t len = 0; len < sizeof whole - sizeof "a.example/b"; len++) {
        struct mw_slice url;
        size_t cursor = 0;
        char *text = malloc(len + 1);
        memcpy(text + 1, whole, len);
        CHECK(!mw_url_next(MW_SLICE(text + 1, len), &cursor, &url));
        free(text);
    }
}

TEST(next_resumes_at_the_cursor_and_ends)
{
    struct mw_slice text = MW_LIT("a.com b.com"), url;
    size_t cursor = 0;
    CHECK(mw_url_next(text, &cursor, &url));
    CHECK(url.ptr == text.ptr && url.len == 5 && cursor == 5);
    CHECK(mw_url_next(text, &cursor, &url));
    CHECK(url.ptr == text.ptr + 6);
    CHECK(!mw_url_next(text, &cursor, &url));
    CHECK_INT(cursor, text.len);
    CHECK(!mw_url_next(text, &cursor, &url));
    cursor = 0;
    CHECK(!mw_url_next(MW_EMPTY, &cursor, &url));
}

TEST(next_reads_octets_that_are_no_text)
{
    struct mw_buf got = {0};
    find_all(MW_LIT("\xff.\xc3http://a.com\0b.com\x80.com"), &got);
    CHECK_MEM(got.ptr, got.len, "http://a.com b.com");
    mw_buf_fini(&got);
}

/* ---- taking apart ---- */

/* "scheme host port user path", "-" for false. */
static void expect_split(struct mw_slice url, const char *want)
{
    struct mw_arena arena = {0};
    struct mw_buf got = {0};
    struct mw_url read;
    if (mw_url_split(url, &arena, &read))
        mw_buf_putf(&got, "%.*s %.*s %u%s %.*s", (int)read.scheme.len, read.scheme.ptr,
                    (int)read.host.len, read.host.ptr, read.port, read.has_user ? "@" : "",
                    (int)read.path.len, read.path.ptr);
    else
        mw_buf_putc(&got, '-');
    if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(want)))
        mw_test_fail(__FILE__, __LINE__, "%.*s: '%.*s', want '%s'", (int)url.len, url.ptr,
                     (int)got.len, got.ptr, want);
    mw_buf_fini(&got);
    mw_arena_fini(&arena);
}

static void expect_splits(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_split(mw_slice_cstr(pairs[i].text), pairs[i].want);
}
#define EXPECT_SPLIT(...)                                        \
    do {                                                         \
        static const struct pair pairs_[] = {__VA_ARGS__};       \
        expect_splits(pairs_, sizeof pairs_ / sizeof pairs_[0]); \
    } while (0)

/* clang-format off */
TEST(split_parts)
{
    EXPECT_SPLIT({"http://A.Example/B?C#D", "http a.example 0 /B?C#D"}, {"HTTPS://a:443", "https a 443 "},
                 {"http://a?b", "http a 0 ?b"}, {"http://a#b", "http a 0 #b"}, {"http://a:/b", "http a 0 /b"},
                 {"http://a:00080/", "http a 80 /"}, {"http://a:65535", "http a 65535 "},
                 {"http://a:65536/", "-"}, {"http://a:8x/", "-"}, {"http://a:99999999999999999999999/", "-"},
                 {"www.a.example/x", "http www.a.example 0 /x"}, {"example.com:8080/x", "http example.com 8080 /x"},
                 {"example.com./", "http example.com 0 /"}, {"//cdn.example/x", "http cdn.example 0 /x"});
}

TEST(split_as_browsers_do)
{
    /* WHATWG URL 4.4: slashes of any kind and number */
    EXPECT_SPLIT({"http:\\\\a.example\\b", "http a.example 0 \\b"}, {"http:a.example", "http a.example 0 "},
                 {"http:/a.example", "http a.example 0 "}, {"http:////a.example/", "http a.example 0 /"},
                 {"http:/\\/\\a.example", "http a.example 0 "}, {"  http://a.example/ \n", "http a.example 0 /"},
                 {"ht\ttp:/\n/a.ex\r\nample/x\ty", "http a.example 0 /xy"},
                 {"\x01\x02http://a/", "http a 0 /"}, {"/\\a.example/x", "http a.example 0 /x"});
}

TEST(split_user_info)
{
    EXPECT_SPLIT({"http://bank.example@evil.example/", "http evil.example 0@ /"},
                 {"http://a:b@c@d/", "http d 0@ /"}, {"http://www.bank.example%2f@evil.example", "http evil.example 0@ "},
                 {"http://a\\@b", "http a 0 \\@b"}, {"http://a/@b", "http a 0 /@b"}, {"http://a?@b", "http a 0 ?@b"},
                 {"http://u:p@[::1]:80/", "http [::1] 80@ /"}, {"http://@a/", "http a 0@ /"}, {"http://a@/", "-"});
}

TEST(split_host_percent_signs)
{
    EXPECT_SPLIT({"http://%65vil.ex%41mple/", "http evil.example 0 /"}, {"http://%2525/", "-"},
                 {"http://a%00b/", "-"}, {"http://a%2fb/", "-"}, {"http://a%zz/", "-"},
                 {"http://caf%C3%A9.example/", "http xn--caf-dma.example 0 /"}, {"http://%ff/", "-"},
                 {"http://%31%32%37.1/", "http 127.0.0.1 0 /"});
}

TEST(split_host_idna)
{
    EXPECT_SPLIT({"http://b\xc3\xbc" "cher.example/", "http xn--bcher-kva.example 0 /"},
                 {"http://B\xc3\x9c" "CHER.example/", "http xn--bcher-kva.example 0 /"},
                 {"http://fa\xc3\x9f.de/", "http xn--fa-hia.de 0 /"},
                 {"http://XN--BCHER-KVA.example/", "http xn--bcher-kva.example 0 /"},
                 {"http://\xef\xbd\x85\xef\xbd\x96il\xe3\x80\x82" "com/", "http evil.com 0 /"},
                 {"http://evil\xef\xbc\x8e" "com\xef\xbd\xa1/", "http evil.com 0 /"},
                 {"http://ev\xc2\xadil.com/", "http evil.com 0 /"}, {"http://ev\xe2\x80\x8bil.com/", "http evil.com 0 /"},
                 {"http://\xf0\x9d\x90\x9e" "vil.com/", "http evil.com 0 /"},
                 {"http://\xd0\xb0pple.com/", "http xn--pple-43d.com 0 /"},
                 {"http://\xef\xbc\x85\x34\x31.com/", "-"}, {"http://a\xe2\x84\x80" "b.com/", "-"},
                 {"http://\xff/", "-"}, {"http://\xc2\xad/", "-"});
}

TEST(split_host_that_idna_refuses_is_kept)
{
    /* a joiner without its context (RFC 5892 A.1) */
    EXPECT_SPLIT({"http://A\xe2\x80\x8d" "B.com/", "http a\xe2\x80\x8d" "b.com 0 /"});
}

TEST(split_host_ipv4_in_all_spellings)
{
    EXPECT_SPLIT({"http://127.0.0.1/", "http 127.0.0.1 0 /"}, {"http://2130706433/", "http 127.0.0.1 0 /"},
                 {"http://0x7f000001/", "http 127.0.0.1 0 /"}, {"http://0X7F.1/", "http 127.0.0.1 0 /"},
                 {"http://017700000001/", "http 127.0.0.1 0 /"}, {"http://0177.0.0.01/", "http 127.0.0.1 0 /"},
                 {"http://127.1/", "http 127.0.0.1 0 /"}, {"http://127.0.1/", "http 127.0.0.1 0 /"},
                 {"http://192.0x00A80001", "http 192.168.0.1 0 "}, {"http://1.2.3.4./", "http 1.2.3.4 0 /"},
                 {"http://\xef\xbc\x91.2.3.4/", "http 1.2.3.4 0 /"}, {"http://0x/", "http 0.0.0.0 0 /"},
                 {"http://256.1.1.1/", "-"}, {"http://1.2.3.4.5/", "-"}, {"http://4294967296/", "-"},
                 {"http://4294967295/", "http 255.255.255.255 0 /"}, {"http://1.2.3.08/", "-"}, {"http://a.1/", "-"},
                 {"http://1.2.3.4x/", "http 1.2.3.4x 0 /"}, {"http://0x7f.1.evil.com/", "http 0x7f.1.evil.com 0 /"},
                 {"http://1..2/", "-"}, {"http://99999999999999999999/", "-"});
}

TEST(split_host_ipv6)
{
    EXPECT_SPLIT({"http://[2001:DB8:0:0:0:0:0:1]:8080/", "http [2001:db8::1] 8080 /"}, {"http://[::]/", "http [::] 0 /"},
                 {"http://[::ffff:1.2.3.4]/", "http [::ffff:1.2.3.4] 0 /"}, {"http://[::ffff:102:304]/", "http [::ffff:1.2.3.4] 0 /"},
                 {"http://[1:0:0:2:0:0:0:3]/", "http [1:0:0:2::3] 0 /"}, {"http://[fe80::1%25eth0]/", "-"},
                 {"http://[::1/", "-"}, {"http://::1/", "-"}, {"http://[]/", "-"}, {"http://[::1]x/", "-"}, {"http://[1.2.3.4]/", "-"});
}

TEST(split_hosts_no_browser_goes_to)
{
    EXPECT_SPLIT({"http:///", "-"}, {"http://", "-"}, {"http:", "-"}, {"http://a b/", "-"}, {"http://a<b/", "-"},
                 {"http://a^b/", "-"}, {"http://a|b/", "-"}, {"http://.../", "-"}, {"http://a[b]/", "-"});
}

TEST(split_schemes_without_a_host)
{
    EXPECT_SPLIT({"mailto:a@b.example", "mailto  0 a@b.example"}, {"data:text/html,x", "data  0 text/html,x"},
                 {"JavaScript://a%0aalert(1)", "javascript  0 //a%0aalert(1)"}, {"java\nscript:x", "javascript  0 x"},
                 {"tel:+123", "tel  0 +123"}, {"cid:a@b", "cid  0 a@b"}, {"about:blank", "about  0 blank"},
                 {"tg://resolve?domain=x", "tg resolve 0 ?domain=x"}, {"smb://host/share", "smb host 0 /share"},
                 {"odd://a b/c", "odd  0 //a b/c"});
}

TEST(split_file)
{
    EXPECT_SPLIT({"file://Host.example/x", "file host.example 0 /x"}, {"file:///etc/x", "file  0 ///etc/x"},
                 {"file:/x", "file  0 /x"}, {"file://C:/x", "file  0 //C:/x"}, {"file:\\\\host\\share", "file host 0 \\share"});
}

TEST(split_relative_is_none)
{
    EXPECT_SPLIT({"", "-"}, {"   ", "-"}, {"/a/b", "-"}, {"#top", "-"}, {"?a=b", "-"}, {"index.html", "-"},
                 {"a/b.com", "-"}, {"bob@example.com", "-"}, {":", "-"}, {"://a", "-"}, {"1http://a", "-"});
}
/* clang-format on */

TEST(split_reads_any_octets)
{
    expect_split(MW_LIT("http://a\0.example/"), "-");
    expect_split(MW_LIT("\0http://a.example/"), "http a.example 0 /");
    expect_split(MW_LIT("ht\0tp://a"), "-");
}

TEST(split_is_bounded)
{
    struct mw_buf url = {0};
    mw_buf_put(&url, MW_LIT("http://"));
    for (int i = 0; i < 20000; i++)
        mw_buf_putc(&url, 'u');
    mw_buf_put(&url, MW_LIT("@a.example/"));
    for (int i = 0; i < 20000; i++)
        mw_buf_putc(&url, 'p');
    struct mw_arena arena = {0};
    struct mw_url read;
    CHECK(mw_url_split(mw_buf_view(&url), &arena, &read));
    CHECK_SLICE(read.host, "a.example"); /* long user info hides no host */
    CHECK_INT(read.path.len, MW_URL_MAX);
    mw_arena_fini(&arena);
    url.len = 7;
    for (int i = 0; i < 20000; i++)
        mw_buf_putc(&url, 'h');
    CHECK(!mw_url_split(mw_buf_view(&url), &arena, &read));
    mw_arena_fini(&arena);
    mw_buf_fini(&url);
}

/* ---- hostile input stays linear ---- */

static void expect_quick(const char *piece)
{
    enum { SIZE = 1000 * 1000, BOUND_MS = 1500 }; /* 30 in release; room for sanitizers */
    struct mw_buf text = {0};
    while (text.len < SIZE)
        mw_buf_put(&text, mw_slice_cstr(piece));
    clock_t start = clock();
    struct mw_slice url;
    for (size_t cursor = 0; mw_url_next(mw_buf_view(&text), &cursor, &url);)
        continue;
    struct mw_arena arena = {0};
    struct mw_url read;
    (void)mw_url_split(mw_buf_view(&text), &arena, &read);
    long ms = (long)((clock() - start) * 1000 / CLOCKS_PER_SEC);
    if (ms > BOUND_MS)
        mw_test_fail(__FILE__, __LINE__, "1 MB of %s took %ld ms", piece, ms);
    mw_arena_fini(&arena);
    mw_buf_fini(&text);
}

TEST(hostile_repetition_is_linear)
{
    static const char *const pieces[] = {"www.",      "a.a.a.",
                                         "http://",   "http:// ",
                                         "://",       ".",
                                         ":",         "a.",
                                         "a.com ",    "http://a.com,",
                                         "a.com@",    "@",
                                         "http://a)", "http://a.",
                                         "http:////", "www.x(",
                                         "\xc3\xbc.", "\xc3",
                                         "a:b.",      "a.zz ",
                                         "http://[",  "a.com:1",
                                         "a.com/x ",  "\xe2\x80\x9d",
                                         "-.",        "x",
                                         "%41",       "http://a.com\xe2\x80\xa6"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        expect_quick(pieces[i]);
}
