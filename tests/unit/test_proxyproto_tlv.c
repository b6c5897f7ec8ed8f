/* test_proxyproto_tlv.c - the TLVs of PROXY version 2: what they say of the client's TLS
 * connection, every length too short and too long, texts that are none, and our own headers. */
#include "net/proxyproto.h"

#include <stdlib.h>
#include <string.h>

#include "haproxy_header.h"
#include "test.h"

/* ---- helpers ---- */

enum { HEAD4 = 16 + 12 };

/* A version 2 header over IPv4 that is being put together. */
struct octets {
    char at[8192];
    size_t len;
};

static void put(struct octets *to, const void *octets, size_t len)
{
    memcpy(to->at + to->len, octets, len);
    to->len += len;
}

static void put_tlv_of(struct octets *to, unsigned type, size_t announced, const void *value,
                       size_t len)
{
    const unsigned char head[3] = {(unsigned char)type, (unsigned char)(announced >> 8),
                                   (unsigned char)announced};
    put(to, head, 3);
    put(to, value, len);
}

static void put_tlv(struct octets *to, unsigned type, const char *value)
{
    put_tlv_of(to, type, strlen(value), value, strlen(value));
}

static void set_length(struct octets *to)
{
    to->at[14] = (char)((to->len - 16) >> 8);
    to->at[15] = (char)(to->len - 16);
}

static struct octets begin(void)
{
    struct octets header = {.len = 0};
    put(&header,
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0"
        "\xc6\x33\x64\x07\xc0\x00\x02\x01\xa0\x29\x00\x19",
        HEAD4);
    return header;
}

/* SSL with `client`, `verify` and the sub-TLVs in `rest`. */
static void put_ssl(struct octets *to, unsigned client, uint32_t verify, const struct octets *rest)
{
    struct octets value = {.len = 0};
    const unsigned char head[5] = {(unsigned char)client, (unsigned char)(verify >> 24),
                                   (unsigned char)(verify >> 16), (unsigned char)(verify >> 8),
                                   (unsigned char)verify};
    put(&value, head, 5);
    if (rest != NULL)
        put(&value, rest->at, rest->len);
    put_tlv_of(to, 0x20, value.len, value.at, value.len);
}

/* Parse an exact-size heap copy; its views live until the next call. */
static enum mw_err parse(const void *octets, size_t len, struct mw_proxy_header *out_header,
                         size_t *out_used)
{
    static char *copy;
    free(copy);
    copy = mw_xalloc(len > 0 ? len : 1);
    memcpy(copy, octets, len);
    return mw_proxy_parse(MW_SLICE(copy, len), out_header, out_used);
}

static enum mw_err verdict(struct octets *header, struct mw_proxy_header *out_header)
{
    size_t used = 0;
    set_length(header);
    enum mw_err err = parse(header->at, header->len, out_header, &used);
    return err == MW_OK && used != header->len ? MW_ERR_LIMIT : err;
}

static enum mw_err verdict_of_ssl(unsigned client, uint32_t verify, const struct octets *rest,
                                  struct mw_proxy_header *out_header)
{
    struct octets header = begin();
    put_ssl(&header, client, verify, rest);
    return verdict(&header, out_header);
}

/* Bitwise, from the definition: not the code under test. RFC 3720 12.1. */
static uint32_t crc32c_of(const char *octets, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)octets[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

/* Append a good checksum. */
static void put_crc(struct octets *to)
{
    put_tlv_of(to, 0x03, 4, "\0\0\0\0", 4);
    set_length(to);
    uint32_t crc = crc32c_of(to->at, to->len);
    for (size_t i = 0; i < 4; i++)
        to->at[to->len - 4 + i] = (char)(crc >> (24 - 8 * i));
}

/* ---- reading SSL ---- */

TEST(haproxy_says_tls_without_a_certificate)
{
    struct mw_proxy_header header;
    size_t used;
    CHECK_INT(parse(haproxy, HAPROXY_LEN, &header, &used), MW_OK);
    CHECK_INT(used, HAPROXY_LEN);
    CHECK_SLICE(header.alpn, "smtp");
    CHECK_SLICE(header.authority, "mx.weir.test");
    CHECK(header.tls.is_secure);
    /* its "verify" is 0 although no certificate was sent */
    CHECK(!header.tls.has_certificate && !header.tls.is_verified && !header.tls.is_resumed);
    CHECK_SLICE(header.tls.version, "TLSv1.3");
    CHECK_SLICE(header.tls.cipher, "TLS_AES_256_GCM_SHA384");
    CHECK_SLICE(header.tls.signature_algorithm, "RSA-SHA256");
    CHECK_SLICE(header.tls.key_algorithm, "RSA2048");
    CHECK_SLICE(header.tls.common_name, "");
}

TEST(certificate_counts_with_its_bit_and_verify_zero)
{
    struct octets rest = {.len = 0};
    put_tlv(&rest, 0x22, "client.example.org");
    for (unsigned client = 0; client < 256; client++) {
        for (unsigned at = 0; at < 33; at++) {
            uint32_t verify = at == 32 ? 0 : UINT32_C(1) << at;
            struct mw_proxy_header header;
            CHECK_INT(verdict_of_ssl(client, verify, &rest, &header), MW_OK);
            bool is_secure = client & 1, has_certificate = is_secure && (client & 6) != 0;
            CHECK(header.tls.is_secure == is_secure);
            CHECK(header.tls.has_certificate == has_certificate);
            CHECK(header.tls.is_resumed == (has_certificate && (client & 2) == 0));
            CHECK(header.tls.is_verified == (has_certificate && verify == 0));
            CHECK_SLICE(header.tls.common_name, has_certificate ? "client.example.org" : "");
        }
    }
}

TEST(without_an_ssl_tlv_nothing_is_said_of_tls)
{
    struct mw_proxy_header header;
    struct octets plain = begin(), outside = begin();
    CHECK_INT(verdict(&plain, &header), MW_OK);
    CHECK(!header.tls.is_secure && !header.tls.is_verified);
    CHECK_SLICE(header.tls.version, "");
    put_tlv(&outside, 0x21, "TLSv1.3"); /* sub-TLVs outside SSL mean nothing */
    put_tlv(&outside, 0x22, "admin");
    CHECK_INT(verdict(&outside, &header), MW_OK);
    CHECK(!header.tls.is_secure);
    CHECK_INT(header.tls.version.len + header.tls.common_name.len, 0);
}

TEST(ssl_of_a_client_in_clear_text_says_nothing_else)
{
    struct octets rest = {.len = 0};
    struct mw_proxy_header header;
    put_tlv(&rest, 0x21, "TLSv1.3");
    put_tlv(&rest, 0x22, "admin");
    CHECK_INT(verdict_of_ssl(6, 0, &rest, &header), MW_OK);
    CHECK(!header.tls.is_secure && !header.tls.has_certificate && !header.tls.is_verified);
    CHECK_INT(header.tls.version.len + header.tls.common_name.len, 0);
}

TEST(ssl_skips_what_it_does_not_know)
{
    struct octets rest = {.len = 0};
    struct mw_proxy_header header;
    put_tlv(&rest, 0x20, "xxxxxxx"); /* no SSL in SSL */
    put_tlv(&rest, 0x02, "inner.example.org");
    put_tlv(&rest, 0x03, "not a checksum");
    put_tlv(&rest, 0xff, "");
    put_tlv(&rest, 0x23, "ECDHE");
    CHECK_INT(verdict_of_ssl(1, 0, &rest, &header), MW_OK);
    CHECK_SLICE(header.tls.cipher, "ECDHE");
    CHECK_SLICE(header.authority, "");
}

TEST(ssl_of_fewer_than_five_octets_is_refused)
{
    for (size_t len = 0; len < 7; len++) {
        struct octets header = begin();
        struct mw_proxy_header out;
        put_tlv_of(&header, 0x20, len, "\x07\0\0\0\0\x21\0", len);
        CHECK_INT(verdict(&header, &out), len == 5 ? MW_OK : MW_ERR_SYNTAX);
    }
}

/* HAProxy BUG/MAJOR of 2020: a TLV's length is believed beyond what holds it. */
TEST(sub_tlv_stays_inside_ssl_though_the_header_goes_on)
{
    for (size_t more = 0; more < 70; more++) {
        struct octets header = begin();
        struct mw_proxy_header out;
        put_tlv_of(&header, 0x20, 5 + 3 + 7, "\x01\0\0\0\0", 5);
        put_tlv_of(&header, 0x21, 7 + more, "TLSv1.3", 7);
        for (int i = 0; i < 10; i++)
            put_tlv(&header, 0x04, "pad"); /* octets that an overrun would find */
        CHECK_INT(verdict(&header, &out), more == 0 ? MW_OK : MW_ERR_SYNTAX);
    }
}

TEST(sub_tlv_head_that_is_cut_is_refused)
{
    for (size_t len = 0; len < 3; len++) {
        struct octets header = begin();
        struct mw_proxy_header out;
        put_tlv_of(&header, 0x20, 5 + len, "\x01\0\0\0\0\x21\0\0", 5 + len);
        put_tlv(&header, 0x04, "behind it");
        CHECK_INT(verdict(&header, &out), len == 0 ? MW_OK : MW_ERR_SYNTAX);
    }
}

TEST(sub_tlv_with_the_largest_length_is_refused)
{
    struct octets header = begin(), outer = begin();
    struct mw_proxy_header out;
    put_tlv_of(&header, 0x20, 5 + 3, "\x01\0\0\0\0\x22\xff\xff", 8);
    CHECK_INT(verdict(&header, &out), MW_ERR_SYNTAX);
    put_tlv_of(&outer, 0x20, 65535, "\x01\0\0\0\0", 5);
    CHECK_INT(verdict(&outer, &out), MW_ERR_SYNTAX);
}

/* ---- lengths ---- */

TEST(tlv_lengths_one_less_and_one_more_are_refused_at_the_end)
{
    static const unsigned types[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30, 0xe0, 0xf0, 0xff};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (int more = -1; more < 2; more++) {
            struct octets header = begin();
            struct mw_proxy_header out;
            put_tlv_of(&header, types[i], (size_t)(8 + more), "\x01\0\0\0\0vwx", 8);
            bool is_bad = more != 0 || types[i] == 0x03 || types[i] == 0x20;
            CHECK_INT(verdict(&header, &out), is_bad ? MW_ERR_SYNTAX : MW_OK);
        }
    }
}

TEST(header_length_one_less_and_one_more)
{
    for (int more = -1; more < 2; more++) {
        char copy[HAPROXY_LEN + 1];
        struct mw_proxy_header out;
        size_t used;
        memcpy(copy, haproxy, HAPROXY_LEN);
        copy[HAPROXY_LEN] = 'E'; /* the client's first octet */
        copy[15] = (char)(copy[15] + more);
        CHECK_INT(parse(copy, HAPROXY_LEN + 1, &out, &used), more == 0 ? MW_OK : MW_ERR_SYNTAX);
        CHECK_INT(parse(copy, HAPROXY_LEN, &out, &used), more < 0    ? MW_ERR_SYNTAX
                                                         : more == 0 ? MW_OK
                                                                     : MW_AGAIN);
    }
}

TEST(every_type_is_taken_or_skipped_when_empty)
{
    for (unsigned type = 0; type < 256; type++) {
        struct octets header = begin();
        struct mw_proxy_header out;
        put_tlv(&header, type, "");
        bool is_bad = type == 0x03 || type == 0x20; /* these have a size */
        CHECK_INT(verdict(&header, &out), is_bad ? MW_ERR_SYNTAX : MW_OK);
    }
}

TEST(header_of_nothing_but_empty_tlvs_up_to_the_cap)
{
    struct octets header = begin();
    struct mw_proxy_header out;
    while (header.len + 3 <= MW_PROXY_MAX)
        put_tlv(&header, 0x04, "");
    CHECK_INT(verdict(&header, &out), MW_OK);
    put_tlv(&header, 0x04, "");
    CHECK_INT(verdict(&header, &out), MW_ERR_LIMIT);
}

TEST(announced_length_of_65535_is_refused_before_it_arrives)
{
    struct octets header = begin();
    struct mw_proxy_header out;
    size_t used;
    header.at[14] = header.at[15] = (char)0xff;
    CHECK_INT(parse(header.at, 15, &out, &used), MW_AGAIN);
    CHECK_INT(parse(header.at, 16, &out, &used), MW_ERR_LIMIT);
}

/* ---- twice ---- */

TEST(tlv_that_is_read_and_comes_twice_is_refused)
{
    static const unsigned types[] = {0x01, 0x02, 0x05};
    struct mw_proxy_header out;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (int kind = 0; kind < 4; kind++) { /* empty or no text first: it came all the same */
            struct octets header = begin();
            put_tlv(&header, types[i], kind & 1 ? "\x07" : "");
            put_tlv(&header, types[i], kind & 2 ? "x" : "");
            CHECK_INT(verdict(&header, &out), MW_ERR_SYNTAX);
        }
    }
    for (unsigned type = 0x21; type <= 0x25; type++) {
        struct octets rest = {.len = 0};
        put_tlv(&rest, type, "");
        CHECK_INT(verdict_of_ssl(7, 0, &rest, &out), MW_OK);
        put_tlv(&rest, type, "x");
        CHECK_INT(verdict_of_ssl(7, 0, &rest, &out), MW_ERR_SYNTAX);
        CHECK_INT(verdict_of_ssl(0, 0, &rest, &out), MW_ERR_SYNTAX);
    }
    struct octets header = begin();
    put_ssl(&header, 0, 1, NULL);
    put_ssl(&header, 7, 0, NULL);
    CHECK_INT(verdict(&header, &out), MW_ERR_SYNTAX);
}

TEST(checksum_anywhere_is_verified_and_two_are_refused)
{
    struct octets header = begin();
    struct mw_proxy_header out;
    put_tlv(&header, 0x02, "mx.weir.test");
    put_crc(&header);
    CHECK_INT(verdict(&header, &out), MW_OK);
    header.at[HEAD4 + 3] ^= 1; /* "m" */
    CHECK_INT(verdict(&header, &out), MW_ERR_SYNTAX);
    header.at[HEAD4 + 3] ^= 1;
    put_crc(&header); /* right for its own octets, and the first is wrong now */
    CHECK_INT(verdict(&header, &out), MW_ERR_SYNTAX);
    struct octets twice = begin();
    put_tlv_of(&twice, 0x03, 4, "\0\0\0\0", 4);
    put_tlv_of(&twice, 0x03, 4, "\0\0\0\0", 4);
    CHECK_INT(verdict(&twice, &out), MW_ERR_SYNTAX);
}

TEST(checksum_of_another_length_is_refused_though_its_octets_are_right)
{
    for (size_t len = 0; len < 9; len++) {
        struct octets header = begin();
        struct mw_proxy_header out;
        put_tlv_of(&header, 0x03, len, "\0\0\0\0\0\0\0\0", len);
        set_length(&header);
        uint32_t crc = crc32c_of(header.at, header.len);
        for (size_t i = 0; i < 4 && i < len; i++)
            header.at[HEAD4 + 3 + i] = (char)(crc >> (24 - 8 * i));
        CHECK_INT(verdict(&header, &out), len == 4 ? MW_OK : MW_ERR_SYNTAX);
    }
}

/* ---- texts ---- */

static struct mw_slice text_of(const struct mw_proxy_header *header, unsigned index)
{
    const struct mw_slice texts[] = {header->alpn,
                                     header->authority,
                                     header->unique_id,
                                     header->tls.version,
                                     header->tls.common_name,
                                     header->tls.cipher,
                                     header->tls.signature_algorithm,
                                     header->tls.key_algorithm};
    return texts[index];
}

/* The value in every TLV that holds a text, read back from each. */
static bool is_taken_everywhere(const void *value, size_t len, bool want)
{
    static const unsigned types[] = {0x01, 0x02, 0x05, 0x21, 0x22, 0x23, 0x24, 0x25};
    for (unsigned i = 0; i < 8; i++) {
        struct octets header = begin(), rest = {.len = 0};
        struct mw_proxy_header out;
        put_tlv_of(i < 3 ? &header : &rest, types[i], len, value, len);
        put_ssl(&header, 7, 0, &rest);
        if (verdict(&header, &out) != MW_OK)
            return false;
        struct mw_slice got = text_of(&out, i);
        if (got.ptr == NULL || (want ? !mw_slice_eq(got, MW_SLICE(value, len)) : got.len != 0))
            return false;
    }
    return true;
}

TEST(text_with_a_control_character_anywhere_is_not_taken)
{
    for (unsigned octet = 0; octet < 256; octet++) {
        for (size_t at = 0; at < 5; at++) {
            char value[5] = "abcde";
            value[at] = (char)octet;
            /* an octet above 0x7f alone is not UTF-8 */
            CHECK(is_taken_everywhere(value, 5, octet >= 0x20 && octet < 0x7f));
        }
    }
}

TEST(text_is_utf8)
{
    static const struct {
        const char *value;
        bool want;
    } cases[] = {
        {"m\xc3\xbcller.example", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x93\xa7", true},
        {"\xc2\xa0", true},          /* U+00A0, the first that is no control character */
        {"x\xc2\x9b[2J", false},     /* U+009B, CSI: moves the cursor of some terminals */
        {"x\xc2\x85y", false},       /* U+0085, NEL: a line end to some */
        {"\xc0\x80", false},         /* NUL, overlong */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"ab\xc3", false},           /* cut */
        {"a b=c\"<>\\+", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(is_taken_everywhere(cases[i].value, strlen(cases[i].value), cases[i].want));
}

/* ---- mutations: no verdict but ours, and no view outside ---- */

static bool is_inside(struct mw_slice view, const char *octets, size_t len)
{
    return view.len == 0 ||
           (view.ptr >= octets && view.len <= len && view.ptr <= octets + len - view.len);
}

static bool is_sane(const char *octets, size_t len)
{
    char *copy = mw_xalloc(len > 0 ? len : 1);
    struct mw_proxy_header out;
    size_t used = 0;
    memcpy(copy, octets, len);
    enum mw_err err = mw_proxy_parse(MW_SLICE(copy, len), &out, &used);
    bool is_good = err == MW_AGAIN || err == MW_ERR_SYNTAX || err == MW_ERR_LIMIT || err == MW_OK;
    if (err == MW_OK) {
        is_good = used > 0 && used <= len && (!out.tls.is_verified || out.tls.has_certificate) &&
                  (!out.tls.has_certificate || out.tls.is_secure);
        for (unsigned i = 0; i < 8; i++)
            is_good = is_good && is_inside(text_of(&out, i), copy, len);
    }
    free(copy);
    return is_good;
}

/* HAProxy's header without the checksum's reach: the same TLVs, NOOP in its place. */
TEST(every_octet_changed_and_every_prefix_of_good_headers)
{
    struct octets good[3] = {begin(), begin(), begin()};
    struct octets rest = {.len = 0};
    put(&good[0], haproxy + HEAD4, HAPROXY_LEN - HEAD4);
    good[0].at[HEAD4] = 0x04;
    put_tlv(&rest, 0x21, "TLSv1.2");
    put_tlv(&rest, 0x22, "client.example.org");
    put_ssl(&good[1], 3, 0, &rest);
    put_tlv(&good[1], 0x30, "netns");
    put_tlv(&good[1], 0x05, "");
    put_tlv(&good[1], 0xe5, "custom");
    put_tlv(&good[2], 0x02, "mx.weir.test");
    put_crc(&good[2]);
    for (size_t i = 0; i < 3; i++) {
        struct mw_proxy_header out;
        size_t used;
        CHECK_INT(verdict(&good[i], &out), MW_OK);
        for (size_t len = 0; len < good[i].len; len++)
            CHECK_INT(parse(good[i].at, len, &out, &used), MW_AGAIN);
        for (size_t at = 0; at < good[i].len; at++) {
            char before = good[i].at[at];
            for (unsigned value = 0; value < 256; value++) {
                good[i].at[at] = (char)value;
                CHECK(is_sane(good[i].at, good[i].len));
            }
            good[i].at[at] = before;
        }
    }
}

TEST(every_sixteen_bit_length_of_header_tlv_and_sub_tlv)
{
    static const size_t places[] = {14, HEAD4 + 1, HEAD4 + 3 + 5 + 1};
    struct octets header = begin(), rest = {.len = 0};
    put_tlv(&rest, 0x21, "TLSv1.3");
    put_tlv(&rest, 0x23, "ECDHE");
    put_ssl(&header, 1, 0, &rest);
    put_tlv(&header, 0x02, "mx.weir.test");
    set_length(&header);
    for (size_t i = 0; i < 3; i++) {
        char before[2] = {header.at[places[i]], header.at[places[i] + 1]};
        for (unsigned length = 0; length < 65536; length++) {
            header.at[places[i]] = (char)(length >> 8);
            header.at[places[i] + 1] = (char)length;
            CHECK(is_sane(header.at, header.len));
        }
        memcpy(header.at + places[i], before, 2);
    }
}

/* ---- writing ---- */

static struct mw_proxy_header full_header(void)
{
    struct mw_proxy_header header = {
        .version = 2,
        .source_port = 41001,
        .destination_port = 25,
        .unique_id = MW_LIT("7Q2k9Z"),
        .authority = MW_LIT("mx.weir.test"),
        .tls = {.is_secure = true,
                .has_certificate = true,
                .is_verified = true,
                .version = MW_LIT("TLSv1.3"),
                .cipher = MW_LIT("TLS_AES_256_GCM_SHA384"),
                .common_name = MW_LIT("client.example.org")},
    };
    (void)!mw_inet_parse(MW_LIT("2001:db8::7"), &header.source);
    (void)!mw_inet_parse(MW_LIT("2001:db8::1"), &header.destination);
    return header;
}

/* Print, check the size, parse; the views live until the next call. */
static bool print_and_parse(const struct mw_proxy_header *header, struct mw_proxy_header *out_read)
{
    struct mw_buf out = {0};
    size_t used = 0;
    mw_proxy_print(header, &out);
    bool is_good = out.len <= MW_PROXY_SENT_MAX &&
                   parse(out.ptr, out.len, out_read, &used) == MW_OK && used == out.len;
    mw_buf_fini(&out);
    return is_good;
}

TEST(print_ssl_in_octets)
{
    struct mw_buf out = {0};
    struct mw_proxy_header header = full_header();
    mw_proxy_print(&header, &out);
    static const char want[] = "\x05\x00\x06"
                               "7Q2k9Z"
                               "\x02\x00\x0cmx.weir.test"
                               "\x20\x00\x3d\x07\x00\x00\x00\x00"
                               "\x21\x00\x07TLSv1.3"
                               "\x22\x00\x12"
                               "client.example.org"
                               "\x23\x00\x16TLS_AES_256_GCM_SHA384"
                               "\x03\x00\x04";
    CHECK_INT(out.len, 16 + 36 + sizeof want - 1 + 4);
    CHECK(memcmp(out.ptr + 16 + 36, want, sizeof want - 1) == 0);
    char copy[MW_PROXY_SENT_MAX];
    uint32_t crc = 0;
    memcpy(copy, out.ptr, out.len);
    memset(copy + out.len - 4, 0, 4);
    for (size_t i = out.len - 4; i < out.len; i++)
        crc = crc << 8 | (unsigned char)out.ptr[i];
    CHECK(crc == crc32c_of(copy, out.len));
    mw_buf_fini(&out);
}

TEST(print_then_parse_gives_the_same_tls)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        struct mw_proxy_header header = full_header(), read;
        header.tls.is_secure = bits & 1;
        header.tls.has_certificate = bits & 2;
        header.tls.is_resumed = bits & 4;
        header.tls.is_verified = bits & 8;
        if (bits & 16)
            header.authority = MW_EMPTY;
        if (bits & 32)
            header.tls.cipher = header.tls.version = MW_EMPTY;
        CHECK(print_and_parse(&header, &read));
        bool has_certificate = (bits & 3) == 3;
        CHECK(read.tls.is_secure == header.tls.is_secure);
        CHECK(read.tls.has_certificate == has_certificate);
        CHECK(read.tls.is_resumed == (has_certificate && (bits & 4)));
        CHECK(read.tls.is_verified == (has_certificate && (bits & 8)));
        CHECK(mw_slice_eq(read.authority, header.authority));
        CHECK(mw_slice_eq(read.tls.cipher, bits & 1 ? header.tls.cipher : MW_EMPTY));
        CHECK_SLICE(read.tls.common_name, has_certificate ? "client.example.org" : "");
    }
}

/* A reader that looks at "verify" alone must not take a client for verified. */
TEST(print_verify_is_zero_only_for_a_verified_certificate)
{
    for (unsigned bits = 0; bits < 4; bits++) {
        struct mw_proxy_header header = full_header();
        struct mw_buf out = {0};
        header.unique_id = header.authority = MW_EMPTY;
        header.tls.has_certificate = bits & 1;
        header.tls.is_verified = bits & 2;
        mw_proxy_print(&header, &out);
        CHECK_INT((unsigned char)out.ptr[16 + 36], 0x20);
        bool is_zero = memcmp(out.ptr + 16 + 36 + 4, "\0\0\0\0", 4) == 0;
        CHECK(is_zero == (bits == 3));
        mw_buf_fini(&out);
    }
}

/* 16 + 36 addresses + 7 checksum + 9 id + 8 SSL + 10 version = 86; each further text takes 3 more
 * than its length. */
TEST(print_drops_common_name_then_cipher_then_authority)
{
    static char text[600];
    memset(text, 'x', sizeof text);
    for (size_t len = 1; len < sizeof text; len++) {
        struct mw_proxy_header header = full_header(), read;
        size_t rest = MW_PROXY_SENT_MAX - 86 - 3 - 12; /* AUTHORITY mx.weir.test */
        header.tls.cipher = MW_LIT("ECDHE");
        header.tls.common_name = MW_SLICE(text, len);
        CHECK(print_and_parse(&header, &read));
        CHECK_INT(read.tls.common_name.len, 8 + 3 + len <= rest ? len : 0);
        CHECK_SLICE(read.tls.cipher, "ECDHE");
        header.tls.common_name = MW_LIT("n");
        header.tls.cipher = MW_SLICE(text, len);
        CHECK(print_and_parse(&header, &read));
        CHECK_INT(read.tls.common_name.len, 4 + 3 + len <= rest ? 1 : 0);
        CHECK_INT(read.tls.cipher.len, 3 + len <= rest ? len : 0);
        CHECK_SLICE(read.authority, "mx.weir.test");
        header.tls.cipher = MW_LIT("c");
        header.authority = MW_SLICE(text, len);
        rest = MW_PROXY_SENT_MAX - 86;
        CHECK(print_and_parse(&header, &read));
        CHECK_INT(read.tls.common_name.len, 4 + 4 + 3 + len <= rest ? 1 : 0);
        CHECK_INT(read.tls.cipher.len, 4 + 3 + len <= rest ? 1 : 0);
        CHECK_INT(read.authority.len, 3 + len <= rest ? len : 0);
        CHECK_SLICE(read.tls.version, "TLSv1.3");
        CHECK_SLICE(read.unique_id, "7Q2k9Z");
    }
}

TEST(print_never_exceeds_what_postfix_takes)
{
    static char text[70000];
    uint64_t seed = 20;
    memset(text, 'x', sizeof text);
    for (int round = 0; round < 4000; round++) {
        struct mw_proxy_header header = full_header(), read;
        struct mw_slice *const texts[] = {&header.unique_id, &header.authority, &header.tls.cipher,
                                          &header.tls.common_name, &header.tls.version};
        for (size_t i = 0; i < 5; i++) {
            size_t top = mw_test_random(&seed) % 4 == 0 ? sizeof text : 300;
            *texts[i] = MW_SLICE(text, (size_t)(mw_test_random(&seed) % top));
        }
        CHECK(print_and_parse(&header, &read));
        CHECK(read.tls.is_secure && read.tls.is_verified);
        CHECK_INT(read.unique_id.len, header.unique_id.len < 128 ? header.unique_id.len : 128);
    }
}

/* What a client chose (SNI, a certificate's name) is sent as a text or not at all. */
TEST(print_sends_texts_only)
{
    static const char *const bad[] = {"a\r\nb", "a\x01", "\x7f", "\xff", "x\xc2\x9by", "\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mw_proxy_header header = full_header(), read;
        header.unique_id = header.authority = header.tls.common_name = header.tls.cipher =
            header.tls.version = mw_slice_cstr(bad[i]);
        CHECK(print_and_parse(&header, &read));
        CHECK(read.tls.is_verified);
        CHECK_INT(read.unique_id.len + read.authority.len + read.tls.common_name.len +
                      read.tls.cipher.len + read.tls.version.len,
                  0);
    }
    struct mw_proxy_header header = full_header(), read;
    header.authority = MW_SLICE("mx\0.weir.test", 13);
    CHECK(print_and_parse(&header, &read));
    CHECK_INT(read.authority.len, 0);
}

TEST(print_cuts_an_id_between_characters)
{
    static char id[200];
    struct mw_proxy_header header = full_header(), read;
    for (size_t i = 0; i + 3 <= sizeof id; i += 3)
        memcpy(id + i, "\xe2\x82\xac", 3);
    header.unique_id = MW_SLICE(id, 198);
    CHECK(print_and_parse(&header, &read));
    CHECK_INT(read.unique_id.len, 126);
    memset(id, 0x80, sizeof id); /* no text, and no beginning to cut at */
    CHECK(print_and_parse(&header, &read));
    CHECK_INT(read.unique_id.len, 0);
}

TEST(print_of_a_header_that_is_zero_elsewhere)
{
    struct mw_proxy_header header = {.version = 2}, read;
    CHECK(print_and_parse(&header, &read));
    CHECK(!read.tls.is_secure);
    header.tls.is_secure = header.tls.has_certificate = true;
    CHECK(print_and_parse(&header, &read));
    CHECK(read.tls.has_certificate && !read.tls.is_verified);
}

/* ---- struct mw_tls_info ---- */

TEST(tls_info_there_and_back)
{
    struct mw_tls_info info = {.is_secure = true,
                               .is_resumed = true,
                               .has_certificate = true,
                               .is_verified = true,
                               .version = "TLSv1.2",
                               .cipher = "ECDHE-RSA-AES256-GCM-SHA384",
                               .sni = "mx.weir.test",
                               .subject = "client.example.org"};
    struct mw_tls_info back;
    struct mw_arena arena = {0};
    struct mw_proxy_header header = full_header(), read;
    mw_proxy_set_tls(&header, &info);
    CHECK(print_and_parse(&header, &read));
    mw_proxy_get_tls(&read, &arena, &back);
    CHECK(back.is_secure && back.is_resumed && back.has_certificate && back.is_verified);
    CHECK(strcmp(info.version, back.version) == 0 && strcmp(info.cipher, back.cipher) == 0);
    CHECK(strcmp(info.sni, back.sni) == 0 && strcmp(info.subject, back.subject) == 0);
    info = (struct mw_tls_info){.version = "TLSv1.2", .sni = "x", .has_certificate = true};
    header.authority = MW_EMPTY;
    mw_proxy_set_tls(&header, &info);
    CHECK(print_and_parse(&header, &read));
    mw_proxy_get_tls(&read, &arena, &back);
    CHECK(!back.is_secure && !back.has_certificate);
    CHECK_INT(strlen(back.version) + strlen(back.sni), 0);
    mw_arena_fini(&arena);
}

TEST(tls_info_of_haproxy_and_of_a_stranger)
{
    struct mw_proxy_header header;
    struct mw_tls_info info;
    struct mw_arena arena = {0};
    size_t used;
    CHECK_INT(parse(haproxy, HAPROXY_LEN, &header, &used), MW_OK);
    mw_proxy_get_tls(&header, &arena, &info);
    CHECK(info.is_secure && !info.has_certificate && !info.is_verified);
    CHECK(strcmp(info.cipher, "TLS_AES_256_GCM_SHA384") == 0 && strcmp(info.problem, "") == 0);
    header = full_header();
    header.tls.is_verified = false;
    mw_proxy_get_tls(&header, &arena, &info);
    CHECK(info.has_certificate && !info.is_verified);
    CHECK(strcmp(info.problem, "not verified by the proxy in front") == 0);
    CHECK(strcmp(info.subject, "client.example.org") == 0);
    mw_arena_fini(&arena);
}

TEST(tls_info_leaves_out_what_does_not_fit)
{
    static char name[256];
    struct mw_proxy_header header = full_header();
    struct mw_tls_info info;
    struct mw_arena arena = {0};
    memset(name, 'n', sizeof name);
    header.authority = MW_SLICE(name, 255);
    header.tls.common_name = MW_SLICE(name, 256);
    header.tls.version = MW_LIT("TLSv1.3-longer");
    mw_proxy_get_tls(&header, &arena, &info);
    CHECK_INT(strlen(info.sni), 255);
    CHECK_INT(strlen(info.subject), 0);
    CHECK_INT(strlen(info.version), 0);
    mw_arena_fini(&arena);
}
