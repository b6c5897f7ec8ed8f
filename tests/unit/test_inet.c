/* Addresses, networks, endpoints: strict in, canonical out. */
#include "base/inet.h"

#include <arpa/inet.h>

#include "test.h"

static const char *parsed(const char *text)
{
    static char printed[MW_INET_TEXT_MAX];
    struct mw_inet address;
    enum mw_err err = mw_inet_parse(mw_slice_cstr(text), &address);
    return err != MW_OK ? mw_err_text(err) : mw_inet_print(&address, printed).ptr;
}

#define CHECK_TEXT(got, want)                \
    do {                                     \
        const char *got_ = (got);            \
        CHECK_MEM(got_, strlen(got_), want); \
    } while (0)

TEST(inet_good_addresses_print_canonically)
{
    static const char *const pairs[][2] = {
        {"127.0.0.1", "127.0.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::1", "::1"},
        {"::", "::"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::ffff:c000:201", "192.0.2.1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CHECK_TEXT(parsed(pairs[i][0]), pairs[i][1]);
}

TEST(inet_loose_addresses_are_refused)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        "1..3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "01.2.3.4",
        "1.2.3.00",
        "256.1.1.1",
        "1.2.3.1000",
        "0x7f.0.0.1",
        "1.2.3.-4",
        "1.2.3.4/8",
        "2001:db8::g",
        "1::2::3",
        "[::1]",
        "fe80::1%eth0",
        ":",
        "::ffff:1.2.3.256",
        "1:2:3:4:5:6:7:8:9",
        "localhost",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_TEXT(parsed(bad[i]), "not well-formed");
    struct mw_inet address;
    CHECK_INT(mw_inet_parse(MW_LIT("1.2.3.4\0"), &address), MW_ERR_SYNTAX);
    CHECK_INT(mw_inet_parse(MW_LIT("::1\0x"), &address), MW_ERR_SYNTAX);
}

TEST(inet_v4_is_told_from_v6)
{
    struct mw_inet v4, v6;
    CHECK_INT(mw_inet_parse(MW_LIT("10.0.0.1"), &v4), MW_OK);
    CHECK_INT(mw_inet_parse(MW_LIT("::a00:1"), &v6), MW_OK);
    CHECK(mw_inet_is_v4(&v4));
    CHECK(!mw_inet_is_v4(&v6));
}

/* 1 = contained, 0 = not, else the parse error. */
static int contains(const char *network_text, const char *address_text)
{
    struct mw_network network;
    struct mw_inet address;
    enum mw_err err = mw_network_parse(mw_slice_cstr(network_text), &network);
    if (err != MW_OK)
        return err;
    if (mw_inet_parse(mw_slice_cstr(address_text), &address) != MW_OK)
        return 99;
    return mw_network_contains(&network, &address);
}

TEST(network_contains_its_addresses_only)
{
    CHECK_INT(contains("10.0.0.0/8", "10.255.255.255"), 1);
    CHECK_INT(contains("10.0.0.0/8", "11.0.0.0"), 0);
    CHECK_INT(contains("192.0.2.128/25", "192.0.2.128"), 1);
    CHECK_INT(contains("192.0.2.128/25", "192.0.2.127"), 0);
    CHECK_INT(contains("192.0.2.1", "192.0.2.1"), 1);
    CHECK_INT(contains("192.0.2.1", "192.0.2.2"), 0);
    CHECK_INT(contains("fd00::/8", "fdff::1"), 1);
    CHECK_INT(contains("fd00::/8", "fe80::1"), 0);
    CHECK_INT(contains("2001:db8::/33", "2001:db8:7fff::"), 1);
    CHECK_INT(contains("2001:db8::/33", "2001:db8:8000::"), 0);
    CHECK_INT(contains("::ffff:10.0.0.0/104", "10.1.2.3"), 1);
}

TEST(network_of_everything_does_not_mix_families)
{
    CHECK_INT(contains("0.0.0.0/0", "203.0.113.9"), 1);
    CHECK_INT(contains("0.0.0.0/0", "2001:db8::1"), 0);
    CHECK_INT(contains("::/0", "2001:db8::1"), 1);
    CHECK_INT(contains("::/0", "203.0.113.9"), 0);
}

TEST(network_never_contains_the_unknown_address)
{
    CHECK_INT(contains("::/0", "::"), 0);
    CHECK_INT(contains("::", "::"), 0);
    CHECK_INT(contains("::/128", "::"), 0);
}

TEST(network_with_host_bits_is_told_apart_from_nonsense)
{
    CHECK_INT(contains("10.1.2.3/8", "10.0.0.1"), MW_ERR_LIMIT);
    CHECK_INT(contains("fd00::1/8", "::1"), MW_ERR_LIMIT);
    CHECK_INT(contains("::ffff:10.0.0.0/8", "::1"), MW_ERR_LIMIT);
    static const char *const bad[] = {
        "10.0.0.0/33",  "::/129", "10.0.0.0/",   "10.0.0.0/08", "10.0.0.0/-1",
        "10.0.0.0/8/8", "/8",     "10.0.0.0/ 8", "example.com", "10.0.0.0/255.0.0.0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(contains(bad[i], "::1"), MW_ERR_SYNTAX);
}

static const char *endpoint(const char *text, bool names_ok)
{
    static char printed[160];
    struct mw_endpoint endpoint;
    enum mw_err err = mw_endpoint_parse(mw_slice_cstr(text), names_ok, &endpoint);
    if (err != MW_OK)
        return mw_err_text(err);
    mw_endpoint_print(&endpoint, printed, sizeof printed);
    return printed;
}

TEST(endpoint_good_forms_print_as_written)
{
    static const char *const good[] = {"127.0.0.1:25", "[::1]:25", "[2001:db8::1]:65535",
                                       "unix:/run/x", "0.0.0.0:0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_TEXT(endpoint(good[i], false), good[i]);
    CHECK_TEXT(endpoint("mx.example.test:587", true), "mx.example.test:587");
    CHECK_TEXT(endpoint("mx.example.test.:587", true), "mx.example.test.:587");
    CHECK_TEXT(endpoint("localhost:25", true), "localhost:25");
    CHECK_TEXT(endpoint("[::ffff:192.0.2.1]:25", false), "192.0.2.1:25");
}

TEST(endpoint_names_only_where_allowed)
{
    CHECK_TEXT(endpoint("localhost:25", false), "not well-formed");
    static const char *const bad[] = {"10.0.0.256:25", "1.2.3:25", "1:25",        "-a.b:25",
                                      "a-.b:25",       "a..b:25",  ".:25",        ".a:25",
                                      "a b:25",        ":25",      "a:b:25",      "::1:25",
                                      "[a.b]:25",      "a/b:25",   "h\xc3\xa9:25"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_TEXT(endpoint(bad[i], true), "not well-formed");
}

TEST(endpoint_bad_ports_and_brackets_are_refused)
{
    static const char *const bad[] = {
        "127.0.0.1", "127.0.0.1:", "127.0.0.1:025",  "127.0.0.1:+25", "[::1]",
        "[::1:25",   "::1]:25",    "[127.0.0.1]:25", "unix:",         "[fe80::1%1]:2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_TEXT(endpoint(bad[i], false), "not well-formed");
    CHECK_TEXT(endpoint("127.0.0.1:65536", false), "a limit was reached");
}

TEST(endpoint_socket_path_has_its_limit)
{
    char text[128] = "unix:/";
    memset(text + 6, 'x', 106);
    CHECK_TEXT(endpoint(text, false), text); /* 107 octets of path */
    text[6 + 106] = 'x';
    CHECK_TEXT(endpoint(text, false), "a limit was reached");
}

TEST(endpoint_to_sockaddr_and_back)
{
    struct mw_endpoint endpoint;
    struct sockaddr_storage storage;
    struct mw_inet address;
    uint16_t port;
    char printed[MW_INET_TEXT_MAX];
    CHECK_INT(mw_endpoint_parse(MW_LIT("192.0.2.1:2525"), false, &endpoint), MW_OK);
    CHECK_INT(mw_endpoint_sockaddr(&endpoint, &storage), sizeof(struct sockaddr_in));
    CHECK_INT(storage.ss_family, AF_INET);
    mw_inet_from_sockaddr((struct sockaddr *)&storage, &address, &port);
    CHECK_SLICE(mw_inet_print(&address, printed), "192.0.2.1");
    CHECK_INT(port, 2525);
    CHECK_INT(mw_endpoint_parse(MW_LIT("[2001:db8::1]:25"), false, &endpoint), MW_OK);
    CHECK_INT(mw_endpoint_sockaddr(&endpoint, &storage), sizeof(struct sockaddr_in6));
    mw_inet_from_sockaddr((struct sockaddr *)&storage, &address, &port);
    CHECK_SLICE(mw_inet_print(&address, printed), "2001:db8::1");
    CHECK_INT(port, 25);
    CHECK_INT(mw_endpoint_parse(MW_LIT("unix:/x"), false, &endpoint), MW_OK);
    CHECK_INT(mw_endpoint_sockaddr(&endpoint, &storage),
              offsetof(struct sockaddr_un, sun_path) + 3);
    CHECK_TEXT(((struct sockaddr_un *)&storage)->sun_path, "/x");
    mw_inet_from_sockaddr((struct sockaddr *)&storage, &address, &port); /* no address: unknown */
    CHECK_SLICE(mw_inet_print(&address, printed), "::");
    CHECK_INT(port, 0);
}
