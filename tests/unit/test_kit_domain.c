/* test_kit_domain.c - the one form of domain names. RFC 1035 2.3.4, RFC 5890, RFC 5891. */
#include <stdlib.h>

#include "domain.h"
#include "test.h"

#define CHECK_FORM(text, want)                                 \
    do {                                                       \
        char form_[DOMAIN_MAX + 1];                            \
        size_t form_len_ = domain_normalize(LIT(text), form_); \
        CHECK_MEM(form_, form_len_, want);                     \
    } while (0)
#define CHECK_NONE(text) CHECK_FORM(text, "")

TEST(ascii_names_become_lower_case_without_their_final_dot)
{
    CHECK_FORM("example.net", "example.net");
    CHECK_FORM("EXAMPLE.Net.", "example.net");
    CHECK_FORM("net", "net");
    CHECK_FORM("_spf.a-b.example.net", "_spf.a-b.example.net");
    CHECK_FORM("xn--bcher-kva.example", "xn--bcher-kva.example");
    CHECK_FORM("192.0.2.1", "192.0.2.1");
}

TEST(what_is_no_name_is_refused)
{
    CHECK_NONE("");
    CHECK_NONE(".");
    CHECK_NONE("..");
    CHECK_NONE(".example.net");
    CHECK_NONE("example..net");
    CHECK_NONE("example.net..");
    CHECK_NONE("exa mple.net");
    CHECK_NONE("example.net ");
    CHECK_NONE("exam\0ple.net");
    CHECK_NONE("a/b.example.net");
    CHECK_NONE("[192.0.2.1]");
    CHECK_NONE("[IPv6:2001:db8::1]");
    CHECK_NONE("a%b.example");
    CHECK_NONE("a\r\nb.example");
}

/* Bücher. */
TEST(u_labels_become_a_labels)
{
    CHECK_FORM("b\xc3\xbc"
               "cher.example",
               "xn--bcher-kva.example");
    CHECK_FORM("B\xc3\x9c"
               "CHER.Example",
               "xn--bcher-kva.example");
    CHECK_FORM("_spf.b\xc3\xbc"
               "cher.example.",
               "_spf.xn--bcher-kva.example");
    CHECK_FORM("bu\xcc\x88"
               "cher.example",
               "xn--bcher-kva.example"); /* not composed */
}

/* IDNA 2008, non-transitional: RFC 5894 7.2. */
TEST(sharp_s_stays_what_it_is)
{
    CHECK_FORM("fa\xc3\x9f.de", "xn--fa-hia.de");
}

TEST(the_ideographic_full_stop_is_a_dot_but_makes_no_empty_label)
{
    CHECK_FORM("a\xe3\x80\x82"
               "example",
               "a.example");
    CHECK_NONE("a\xe3\x80\x82\xe3\x80\x82"
               "example");
    CHECK_NONE("\xe3\x80\x82");
}

TEST(labels_that_idna_does_not_allow_are_refused)
{
    CHECK_NONE("\xf0\x9f\x98\x80\xff.example");
    CHECK_NONE("a\xc3.example");                     /* cut UTF-8 */
    CHECK_NONE("\xc0\xae.example");                  /* overlong */
    CHECK_NONE("\xed\xa0\x80.example");              /* surrogate */
    CHECK_NONE("a\xe2\x80\x8b\xe2\x80\xae.example"); /* right-to-left override */
    CHECK_NONE("\xcc\x88"
               "a.example"); /* begins with a mark */
}

static void fill_labels(char *out, size_t len, size_t label)
{
    for (size_t i = 0; i < len; i++)
        out[i] = i % (label + 1) == label ? '.' : 'a';
}

TEST(sizes_are_those_of_rfc_1035)
{
    char text[300], out[DOMAIN_MAX + 1];
    memset(text, 'a', sizeof text);
    CHECK_INT(domain_normalize(SLICE(text, 63), out), 63);
    CHECK_INT(domain_normalize(SLICE(text, 64), out), 0);
    fill_labels(text, sizeof text, 49);
    CHECK_INT(domain_normalize(SLICE(text, 253), out), 253);
    CHECK_INT(domain_normalize(SLICE(text, 254), out), 0);
    text[253] = '.';
    CHECK_INT(domain_normalize(SLICE(text, 254), out), 253);
}

/* U-labels are counted as A-labels: 40 of these letters need more than 63 octets. */
TEST(a_u_label_that_is_too_long_as_an_a_label_is_refused)
{
    char text[200], out[DOMAIN_MAX + 1];
    size_t len = 0;
    for (unsigned i = 0; i < 60; i++) {
        text[len++] = '\xd0';
        text[len++] = (char)(0xb0 + i * 7 % 16);
    }
    CHECK_INT(domain_normalize(SLICE(text, len), out), 0);
    CHECK(domain_normalize(SLICE(text, 40), out) > 20);
}

TEST(megabytes_are_refused_at_once)
{
    enum { LARGE = 4 << 20 };
    char out[DOMAIN_MAX + 1], *text = malloc(LARGE);
    CHECK(text != NULL);
    memset(text, '\xe3', LARGE);
    CHECK_INT(domain_normalize(SLICE(text, LARGE), out), 0);
    free(text);
}

TEST(labels_and_parents)
{
    struct mw_slice name = LIT("a.b.example.net");
    CHECK_INT(domain_labels(name), 4);
    CHECK_INT(domain_labels(LIT("net")), 1);
    CHECK_INT(domain_labels(EMPTY), 0);
    CHECK_SLICE(domain_parent(name, 0), "a.b.example.net");
    CHECK_SLICE(domain_parent(name, 2), "example.net");
    CHECK_SLICE(domain_parent(name, 3), "net");
    CHECK_SLICE(domain_parent(name, 4), "");
    CHECK_SLICE(domain_parent(name, 99), "");
}

TEST(below_means_whole_labels)
{
    CHECK(domain_is_below(LIT("example.net"), LIT("example.net")));
    CHECK(domain_is_below(LIT("a.example.net"), LIT("example.net")));
    CHECK(!domain_is_below(LIT("badexample.net"), LIT("example.net")));
    CHECK(!domain_is_below(LIT("net"), LIT("example.net")));
    CHECK(!domain_is_below(LIT("example.net"), EMPTY));
    CHECK(!domain_is_below(EMPTY, EMPTY));
}

TEST(domains_of_settings)
{
    const struct domain itself = {.name = LIT("example.net")};
    const struct domain below = {.name = LIT("example.net"), .is_below = true};
    CHECK(domain_fits(&itself, LIT("example.net")));
    CHECK(!domain_fits(&itself, LIT("a.example.net")));
    CHECK(domain_fits(&below, LIT("example.net")));
    CHECK(domain_fits(&below, LIT("a.b.example.net")));
    CHECK(!domain_fits(&below, LIT("badexample.net")));
    CHECK(!domain_fits(&below, LIT("net")));
    CHECK(!domain_fits(&below, EMPTY));
}
