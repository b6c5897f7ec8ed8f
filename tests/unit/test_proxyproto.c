/* test_proxyproto.c - PROXY headers, versions 1 and 2: the protocol text's rules, one test each;
 * HAProxy's own octets. */
#include "net/proxyproto.h"

#include <stdlib.h>
#include <string.h>

#include "haproxy_header.h"
#include "test.h"

/* ---- helpers ---- */

/* Parse an exact-size heap copy, so that a sanitizer sees one octet too many. */
static enum mw_err parse(const void *octets, size_t len, struct mw_proxy_header *out_header,
                         size_t *out_used)
{
    static char *copy; /* views stay valid until the next call */
    free(copy);
    copy = mw_xalloc(len > 0 ? len : 1);
    memcpy(copy, octets, len);
    return mw_proxy_parse(MW_SLICE(copy, len), out_header, out_used);
}

static enum mw_err parse_text(const char *text, struct mw_proxy_header *out_header,
                              size_t *out_used)
{
    return parse(text, strlen(text), out_header, out_used);
}

static enum mw_err verdict_of(const char *text)
{
    struct mw_proxy_header header;
    size_t used = 0;
    return parse_text(text, &header, &used);
}

static bool has_pair(const struct mw_proxy_header *header, const char *source, unsigned source_port,
                     const char *destination, unsigned destination_port)
{
    char text[MW_INET_TEXT_MAX];
    return mw_slice_eq(mw_inet_print(&header->source, text), mw_slice_cstr(source)) &&
           mw_slice_eq(mw_inet_print(&header->destination, text), mw_slice_cstr(destination)) &&
           header->source_port == source_port && header->destination_port == destination_port;
}

static bool same(const struct mw_proxy_header *a, const struct mw_proxy_header *b)
{
    return a->is_local == b->is_local && memcmp(&a->source, &b->source, sizeof a->source) == 0 &&
           memcmp(&a->destination, &b->destination, sizeof a->destination) == 0 &&
           a->source_port == b->source_port && a->destination_port == b->destination_port;
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define PAIR4 \
    "\xc6\x33\x64\x07\xc0\x00\x02\x01\xa0\x29\x00\x19" /* 198.51.100.7:41001 -> 192.0.2.1:25 */

/* Signature, command, family, then the length of `rest` and `rest`. */
static struct mw_slice v2(unsigned char command, unsigned char family, const void *rest, size_t len)
{
    static char octets[8192];
    memcpy(octets, SIGNATURE, 12);
    octets[12] = (char)command;
    octets[13] = (char)family;
    octets[14] = (char)(len >> 8);
    octets[15] = (char)len;
    memcpy(octets + 16, rest, len);
    return MW_SLICE(octets, 16 + len);
}

static enum mw_err v2_verdict(unsigned char command, unsigned char family, const void *rest,
                              size_t len, struct mw_proxy_header *out_header)
{
    size_t used = 0;
    struct mw_slice octets = v2(command, family, rest, len);
    enum mw_err err = parse(octets.ptr, octets.len, out_header, &used);
    return err == MW_OK && used != octets.len ? MW_ERR_LIMIT : err;
}

/* ---- version 1 ---- */

TEST(v1_tcp4_is_read)
{
    struct mw_proxy_header header;
    size_t used;
    CHECK_INT(parse_text("PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n", &header, &used), MW_OK);
    CHECK_INT(used, 44);
    CHECK_INT(header.version, 1);
    CHECK(!header.is_local);
    CHECK(has_pair(&header, "198.51.100.7", 41001, "192.0.2.1", 25));
    CHECK_INT(header.unique_id.len, 0);
}

TEST(v1_tcp6_is_read_and_a_mapped_address_is_ipv4)
{
    struct mw_proxy_header header;
    size_t used;
    CHECK_INT(parse_text("PROXY TCP6 2001:DB8::7 ::ffff:192.0.2.1 65535 0\r\n", &header, &used),
              MW_OK);
    CHECK(has_pair(&header, "2001:db8::7", 65535, "192.0.2.1", 0));
    CHECK(mw_inet_is_v4(&header.destination));
}

TEST(v1_unknown_has_no_address_with_or_without_a_rest)
{
    static const char *const texts[] = {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN \r\n",
                                        "PROXY UNKNOWN 198.51.100.7 192.0.2.1 41001 25\r\n",
                                        "PROXY UNKNOWN anything\t\x01\xff\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct mw_proxy_header header;
        size_t used = 0;
        CHECK_INT(parse_text(texts[i], &header, &used), MW_OK);
        CHECK_INT(used, strlen(texts[i]));
        CHECK(header.is_local);
        CHECK_INT(header.source_port, 0);
    }
}

TEST(v1_octets_behind_the_header_stay)
{
    struct mw_proxy_header header;
    size_t used;
    CHECK_INT(
        parse_text("PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\nEHLO x\r\n", &header, &used),
        MW_OK);
    CHECK_INT(used, 44);
    CHECK_INT(parse_text("PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n", &header, &used), MW_OK);
    CHECK_INT(used, 15);
}

TEST(v1_malformed_is_refused)
{
    /* clang-format off */
    static const char *const texts[] = {
        "proxy TCP4 198.51.100.7 192.0.2.1 41001 25\r\n",  "PROXY tcp4 198.51.100.7 192.0.2.1 41001 25\r\n",
        "PROXY unknown\r\n",                               "PROXY UNKNOWNX\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\n",    "PROXY UNKNOWN\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r",    /* AGAIN: checked below */
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\rX\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\r\n",
        "PROXY  TCP4 198.51.100.7 192.0.2.1 41001 25\r\n", "PROXY TCP4  198.51.100.7 192.0.2.1 41001 25\r\n",
        "PROXY TCP4 198.51.100.7  192.0.2.1 41001 25\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001  25\r\n",
        " PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25 \r\n",
        "PROXY\tTCP4 198.51.100.7 192.0.2.1 41001 25\r\n", "PROXY TCP4 198.51.100.7\t192.0.2.1 41001 25\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25 x\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 65536 25\r\n",  "PROXY TCP4 198.51.100.7 192.0.2.1 99999999999999999999999 25\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 041001 25\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001 025\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 00\r\n",  "PROXY TCP4 198.51.100.7 192.0.2.1 41001 -1\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 +25\r\n", "PROXY TCP4 198.51.100.7 192.0.2.1 41001 0x19\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 \r\n",    "PROXY TCP4 198.51.100.7 192.0.2.1  25\r\n",
        "PROXY TCP4 198.51.100.07 192.0.2.1 41001 25\r\n", "PROXY TCP4 198.51.100.256 192.0.2.1 41001 25\r\n",
        "PROXY TCP4 198.51.100 192.0.2.1 41001 25\r\n",    "PROXY TCP4 198.51.100.7.1 192.0.2.1 41001 25\r\n",
        "PROXY TCP4 0xc6.51.100.7 192.0.2.1 41001 25\r\n", "PROXY TCP4 198.51.100.7 mx.weir.test 41001 25\r\n",
        "PROXY TCP4 2001:db8::7 192.0.2.1 41001 25\r\n",   "PROXY TCP4 198.51.100.7 ::1 41001 25\r\n",
        "PROXY TCP6 198.51.100.7 2001:db8::1 41001 25\r\n", "PROXY TCP6 2001:db8::7 192.0.2.1 41001 25\r\n",
        "PROXY TCP6 [2001:db8::7] 2001:db8::1 41001 25\r\n", "PROXY TCP6 fe80::1%lo 2001:db8::1 41001 25\r\n",
        "PROXY TCP6 2001:db8:::7 2001:db8::1 41001 25\r\n", "PROXY TCP5 198.51.100.7 192.0.2.1 41001 25\r\n",
        "PROXY UDP4 198.51.100.7 192.0.2.1 41001 25\r\n",  "PROXY \r\n", "PROXY\r\n", "PROXY TCP4\r\n", "PROXY TCP4 \r\n",
        "P\r\n", "EHLO weir.test\r\n", "\n", "\r\nPROXY UNKNOWN\r\n", "GET / HTTP/1.1\r\n", "\x16\x03\x01",
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum mw_err want = i == 6 ? MW_AGAIN : MW_ERR_SYNTAX;
        if (verdict_of(texts[i]) != want) {
            mw_test_fail(__FILE__, __LINE__, "%s: %d", texts[i], verdict_of(texts[i]));
            return;
        }
    }
}

TEST(v1_nul_inside_is_refused)
{
    struct mw_proxy_header header;
    size_t used;
    static const char text[] = "PROXY TCP4 198.51.100.7\0 192.0.2.1 41001 25\r\n";
    CHECK_INT(parse(text, sizeof text - 1, &header, &used), MW_ERR_SYNTAX);
    static const char unknown[] = "PROXY UNKNOWN \0\r\n";
    CHECK_INT(parse(unknown, sizeof unknown - 1, &header, &used), MW_ERR_SYNTAX);
}

TEST(v1_of_107_octets_is_read_and_of_108_refused)
{
    char text[128];
    struct mw_proxy_header header;
    size_t used;
    memset(text, 'x', sizeof text);
    memcpy(text, "PROXY UNKNOWN ", 14);
    memcpy(text + 105, "\r\n", 2);
    CHECK_INT(parse(text, 107, &header, &used), MW_OK);
    CHECK_INT(used, 107);
    CHECK_INT(parse(text, 106, &header, &used), MW_AGAIN);
    memcpy(text + 105, "x\r\n", 3);
    CHECK_INT(parse(text, 108, &header, &used), MW_ERR_SYNTAX);
    CHECK_INT(parse(text, 107, &header, &used),
              MW_ERR_SYNTAX); /* at once: no line end can follow any more */
    CHECK_INT(parse(text, 105, &header, &used), MW_AGAIN);
}

TEST(v1_every_truncation_is_incomplete)
{
    static const char *const texts[] = {
        "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n", "PROXY UNKNOWN ffff\r\n",
        "PROXY TCP6 2001:db8:1234:5678:9abc:def0:1234:5678 ::ffff:255.255.255.255 65535 65535\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            struct mw_proxy_header header;
            size_t used;
            CHECK_INT(parse(texts[i], len, &header, &used), MW_AGAIN);
        }
    }
}

TEST(v1_that_cannot_become_a_header_is_refused_early)
{
    static const char *const texts[] = {"E",
                                        "PX",
                                        "PROXY TCP7",
                                        "PROXY TCP4 198.51.100.7 1x",
                                        "PROXY TCP4 2001:",
                                        "PROXY TCP4 1.2.3.999 ",
                                        "PROXY TCP4 198.51.100.7 192.0.2.1 4100x",
                                        "PROXY TCP4 198.51.100.7 192.0.2.1 123456",
                                        "PROXY UNKNOWNx",
                                        "PROXY TCP4 198.51.100.7\n",
                                        "PROXY TCP4 198.51.100.7\r",
                                        "PROXY TCP6 g",
                                        "PROXY TCP4 1.1.1.1 1111111111111111"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (verdict_of(texts[i]) != MW_ERR_SYNTAX) {
            mw_test_fail(__FILE__, __LINE__, "%s: %d", texts[i], verdict_of(texts[i]));
            return;
        }
    }
}

/* ---- version 2 ---- */

TEST(v2_tcp4_is_read)
{
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4, 12, &header), MW_OK);
    CHECK_INT(header.version, 2);
    CHECK(!header.is_local);
    CHECK(has_pair(&header, "198.51.100.7", 41001, "192.0.2.1", 25));
}

TEST(v2_tcp6_is_read_and_mapped_addresses_are_ipv4)
{
    unsigned char rest[36] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7, [26] = 0xff, 0xff, 192,
                              0,    2,    1,    0xa0, 0x29,     0,           25};
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x21, rest, sizeof rest, &header), MW_OK);
    CHECK(has_pair(&header, "2001:db8::7", 41001, "192.0.2.1", 25));
}

TEST(v2_local_skips_whatever_it_holds)
{
    struct mw_proxy_header header;
    static const unsigned char junk[40] = {0xff, 0xff, 0xff, 0x03, 0x00};
    CHECK_INT(v2_verdict(0x20, 0x00, "", 0, &header), MW_OK);
    CHECK(header.is_local);
    CHECK_INT(v2_verdict(0x20, 0x11, PAIR4, 12, &header), MW_OK);
    CHECK(header.is_local);
    CHECK_INT(header.source_port, 0);
    CHECK_INT(v2_verdict(0x20, 0xff, junk, sizeof junk, &header), MW_OK);
    CHECK(header.is_local);
}

TEST(v2_unspec_and_unix_have_no_address)
{
    static const char names[216] = "/run/front.sock";
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x00, "", 0, &header), MW_OK);
    CHECK(header.is_local);
    CHECK_INT(v2_verdict(0x21, 0x31, names, sizeof names, &header), MW_OK);
    CHECK(header.is_local);
    CHECK_INT(v2_verdict(0x21, 0x31, names, 215, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x00, "\x04\0\0", 3, &header), MW_OK); /* a TLV may follow */
}

TEST(v2_only_the_listed_kinds_and_commands_are_taken)
{
    char rest[256] = {0};
    int taken = 0;
    for (unsigned kind = 0; kind < 256; kind++) {
        struct mw_proxy_header header;
        enum mw_err err = v2_verdict(0x21, (unsigned char)kind, rest, 216, &header);
        CHECK(err == MW_OK || err == MW_ERR_SYNTAX);
        taken += err == MW_OK;
        CHECK(err != MW_OK || kind == 0x00 || kind == 0x11 || kind == 0x21 || kind == 0x31);
    }
    CHECK_INT(taken, 4);
    taken = 0;
    for (unsigned command = 0; command < 256; command++) {
        struct mw_proxy_header header;
        taken += v2_verdict((unsigned char)command, 0x11, PAIR4, 12, &header) == MW_OK;
    }
    CHECK_INT(taken, 2); /* 0x20 and 0x21 */
}

TEST(v2_shorter_than_its_family_is_refused)
{
    static const char zeros[36];
    struct mw_proxy_header header;
    for (size_t len = 0; len < 36; len++) {
        CHECK_INT(v2_verdict(0x21, 0x11, PAIR4, len < 12 ? len : 11, &header), MW_ERR_SYNTAX);
        CHECK_INT(v2_verdict(0x21, 0x21, zeros, len, &header), MW_ERR_SYNTAX);
    }
}

TEST(v2_tlvs_known_and_unknown_of_any_length)
{
    static const char rest[] = PAIR4 "\x04\x00\x00"                     /* NOOP, empty */
                                     "\xe0\x00\x01x"                    /* custom */
                                     "\x30\x00\x02ns"                   /* NETNS */
                                     "\x02\x00\x0cmx.weir.test"         /* AUTHORITY */
                                     "\x01\x00\x04smtp"                 /* ALPN */
                                     "\x20\x00\x05\x01\x00\x00\x00\x00" /* SSL */
                                     "\x05\x00\x05q-123";               /* UNIQUE_ID */
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x11, rest, sizeof rest - 1, &header), MW_OK);
    CHECK_SLICE(header.authority, "mx.weir.test");
    CHECK_SLICE(header.unique_id, "q-123");
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x05\0\0\x02\0\0", 18, &header), MW_OK);
    CHECK_INT(header.unique_id.len + header.authority.len, 0);
}

TEST(v2_tlv_that_overruns_is_refused)
{
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x04", 13, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x04\0", 14, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x04\0\x01", 15, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x04\xff\xffx", 16, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x00, "\x01", 1, &header), MW_ERR_SYNTAX);
}

TEST(v2_tlv_with_two_meanings_is_refused)
{
    char long_id[12 + 3 + 129] = PAIR4 "\x05\x00\x81";
    struct mw_proxy_header header;
    memset(long_id + 15, 'i', 129);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x05\0\x01x\x05\0\x01y", 20, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x02\0\x01x\x02\0\x01x", 20, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, long_id, sizeof long_id, &header), MW_ERR_SYNTAX);
    long_id[14] = (char)0x80;
    CHECK_INT(v2_verdict(0x21, 0x11, long_id, sizeof long_id - 1, &header), MW_OK);
    CHECK_INT(header.unique_id.len, 128);
}

TEST(v2_longer_than_the_cap_is_refused_as_soon_as_its_length_is_known)
{
    static char rest[MW_PROXY_MAX - 16] = PAIR4 "\x04";
    struct mw_proxy_header header;
    size_t used, tlv = sizeof rest - 15;
    rest[13] = (char)(tlv >> 8);
    rest[14] = (char)tlv;
    CHECK_INT(v2_verdict(0x21, 0x11, rest, sizeof rest, &header), MW_OK); /* 4096 in all */
    struct mw_slice head = v2(0x21, 0x11, PAIR4, 12);
    char copy[16];
    memcpy(copy, head.ptr, 16);
    copy[14] = (char)((sizeof rest + 1) >> 8);
    copy[15] = (char)(sizeof rest + 1);
    CHECK_INT(parse(copy, 16, &header, &used), MW_ERR_LIMIT);
    CHECK_INT(parse(copy, 15, &header, &used), MW_AGAIN);
}

TEST(v2_refused_at_the_first_octet_that_differs)
{
    struct mw_slice head = v2(0x21, 0x11, PAIR4, 12);
    for (size_t at = 0; at < 13; at++) {
        char copy[16];
        struct mw_proxy_header header;
        size_t used;
        memcpy(copy, head.ptr, 16);
        CHECK_INT(parse(copy, at + 1, &header, &used), MW_AGAIN);
        copy[at] = (char)(copy[at] ^ 0x40);
        CHECK_INT(parse(copy, at + 1, &header, &used), MW_ERR_SYNTAX);
    }
}

TEST(v2_of_haproxy_with_every_option_is_read)
{
    struct mw_proxy_header header;
    size_t used;
    CHECK_INT(HAPROXY_LEN, 142);
    CHECK_INT(parse(haproxy, HAPROXY_LEN, &header, &used), MW_OK);
    CHECK_INT(used, HAPROXY_LEN);
    CHECK(has_pair(&header, "127.0.0.1", 59678, "127.0.0.1", 24504));
    CHECK_SLICE(header.authority, "mx.weir.test");
    CHECK_SLICE(header.unique_id, "7F000001:E91E_--");
}

TEST(v2_of_haproxy_every_truncation_is_incomplete)
{
    for (size_t len = 0; len < HAPROXY_LEN; len++) {
        struct mw_proxy_header header;
        size_t used;
        CHECK_INT(parse(haproxy, len, &header, &used), MW_AGAIN);
    }
}

/* RFC 3720 12.1: the checksum must be verified. The one bit that turns PROXY into LOCAL is outside
 * its reach, because the content of LOCAL must be skipped: then no address is taken. */
TEST(v2_with_a_checksum_no_flipped_bit_gives_other_addresses)
{
    int accepted = 0;
    for (size_t bit = 0; bit < HAPROXY_LEN * 8; bit++) {
        char copy[HAPROXY_LEN];
        struct mw_proxy_header header;
        size_t used = 0;
        memcpy(copy, haproxy, HAPROXY_LEN);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        enum mw_err err = parse(copy, HAPROXY_LEN, &header, &used);
        if (err != MW_OK)
            continue;
        accepted++;
        CHECK(header.is_local ? bit == 12 * 8
                              : has_pair(&header, "127.0.0.1", 59678, "127.0.0.1", 24504));
        CHECK(header.is_local ||
              bit / 8 == 28); /* the type of the checksum itself: it is another TLV then */
    }
    CHECK_INT(accepted, 1 + 6); /* 0x01 and 0x02 would be a second ALPN and AUTHORITY */
}

TEST(v2_with_a_checksum_no_changed_octet_gives_other_addresses)
{
    for (size_t at = 0; at < HAPROXY_LEN; at++) {
        for (unsigned value = 0; value < 256; value++) {
            char copy[HAPROXY_LEN];
            struct mw_proxy_header header;
            size_t used = 0;
            memcpy(copy, haproxy, HAPROXY_LEN);
            copy[at] = (char)value;
            if (parse(copy, HAPROXY_LEN, &header, &used) == MW_OK && !header.is_local)
                CHECK(has_pair(&header, "127.0.0.1", 59678, "127.0.0.1", 24504));
        }
    }
}

TEST(v2_checksum_of_a_wrong_size_or_twice_is_refused)
{
    struct mw_proxy_header header;
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x03\0\0", 15, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x03\0\x03xyz", 18, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x03\0\x05vwxyz", 20, &header), MW_ERR_SYNTAX);
    CHECK_INT(v2_verdict(0x21, 0x11, PAIR4 "\x03\0\x04\0\0\0\0\x03\0\x04\0\0\0\0", 26, &header),
              MW_ERR_SYNTAX);
}

/* ---- writing ---- */

static struct mw_proxy_header header_of(uint8_t version, const char *source,
                                        const char *destination)
{
    struct mw_proxy_header header = {
        .version = version, .source_port = 41001, .destination_port = 25};
    (void)!mw_inet_parse(mw_slice_cstr(source), &header.source);
    (void)!mw_inet_parse(mw_slice_cstr(destination), &header.destination);
    header.unique_id = header.authority = MW_EMPTY;
    return header;
}

TEST(print_v1_in_every_family)
{
    struct mw_buf out = {0};
    struct mw_proxy_header header = header_of(1, "198.51.100.7", "192.0.2.1");
    mw_proxy_print(&header, &out);
    CHECK_MEM(out.ptr, out.len, "PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n");
    out.len = 0;
    header = header_of(1, "2001:db8::7", "2001:db8::1");
    mw_proxy_print(&header, &out);
    CHECK_MEM(out.ptr, out.len, "PROXY TCP6 2001:db8::7 2001:db8::1 41001 25\r\n");
    out.len = 0;
    header = header_of(1, "198.51.100.7", "2001:db8::1");
    mw_proxy_print(&header, &out);
    CHECK_MEM(out.ptr, out.len, "PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 41001 25\r\n");
    out.len = 0;
    header.is_local = true;
    mw_proxy_print(&header, &out);
    CHECK_MEM(out.ptr, out.len, "PROXY UNKNOWN\r\n");
    mw_buf_fini(&out);
}

TEST(print_then_parse_gives_the_same)
{
    static const char *const addresses[] = {"198.51.100.7",
                                            "0.0.0.0",
                                            "255.255.255.255",
                                            "::",
                                            "::1",
                                            "::1.2.3.4",
                                            "2001:db8:1234:5678:9abc:def0:1234:5678",
                                            "::ffff:192.0.2.1"};
    size_t count = sizeof addresses / sizeof *addresses;
    for (size_t i = 0; i < count * count * 2; i++) {
        struct mw_buf out = {0};
        struct mw_proxy_header read = {0};
        size_t used = 0;
        struct mw_proxy_header header = header_of((uint8_t)(1 + i % 2), addresses[i / 2 % count],
                                                  addresses[i / 2 / count]);
        if (header.version == 2)
            header.unique_id = mw_slice_take(MW_LIT("7Q2k9Z.1"), i % 9);
        mw_proxy_print(&header, &out);
        CHECK(out.len <= 536);
        CHECK_INT(parse(out.ptr, out.len, &read, &used), MW_OK);
        CHECK_INT(used, out.len);
        CHECK(same(&header, &read));
        CHECK(mw_slice_eq(header.unique_id, read.unique_id));
        mw_buf_fini(&out);
    }
}

TEST(print_v2_appends_with_its_own_checksum_and_a_bounded_id)
{
    struct mw_buf out = {0};
    struct mw_proxy_header header = header_of(2, "198.51.100.7", "192.0.2.1"), read;
    char id[1000];
    size_t used;
    memset(id, 'i', sizeof id);
    header.unique_id = MW_SLICE(id, sizeof id);
    mw_buf_put(&out, MW_LIT("what was there before"));
    mw_proxy_print(&header, &out);
    CHECK(out.len - 21 <= 536);
    CHECK_INT(parse(out.ptr + 21, out.len - 21, &read, &used), MW_OK);
    CHECK_INT(read.unique_id.len, 128);
    out.ptr[21 + 20] ^= 1; /* an address octet */
    CHECK_INT(parse(out.ptr + 21, out.len - 21, &read, &used), MW_ERR_SYNTAX);
    mw_buf_fini(&out);
}

TEST(print_v2_local_is_empty)
{
    struct mw_buf out = {0};
    struct mw_proxy_header header = header_of(2, "198.51.100.7", "192.0.2.1");
    header.is_local = true;
    header.unique_id = MW_LIT("x");
    mw_proxy_print(&header, &out);
    CHECK_INT(out.len, 16);
    CHECK(memcmp(out.ptr, SIGNATURE "\x20\0\0\0", 16) == 0);
    mw_buf_fini(&out);
}
