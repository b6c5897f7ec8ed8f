/* test_dnsanswer.c - DNS answers as packets: what is read from right ones, and that wrong ones are
 * refused as a whole (MW_DNS_FAILED) or lose the record that is wrong. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "dns_kit.h"
#include "net/resolver_answer.h"
#include "test.h"

static struct dns_packet packet;
static struct mw_arena arena;
static struct mw_dns_parsed got;

/* Parse from a heap copy of the exact size, so that the sanitizer sees any read beyond. */
static void parse_octets(const unsigned char *octets, size_t len, const char *name,
                         enum mw_dns_type type)
{
    char *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, octets, len);
    mw_arena_fini(&arena);
    mw_dns_answer_parse(&arena, MW_SLICE(copy, len), mw_slice_cstr(name), type, &got);
    free(copy); /* records are no views into the packet */
}

static void parse(const char *name, enum mw_dns_type type)
{
    parse_octets(packet.octets, packet.len, name, type);
}

static bool is_address(size_t at, const char *text)
{
    struct mw_inet address;
    return mw_inet_parse(mw_slice_cstr(text), &address) == MW_OK && at < got.count &&
           memcmp(&address, &got.records[at].address, sizeof address) == 0;
}

/* Is a PTR answer with this name in wire form handed out? */
static enum mw_dns_status ptr_status(const void *wire, size_t len)
{
    dns_begin(&packet, DNS_RESPONSE, "1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    dns_rr(&packet, DNS_ANSWER, "1.2.0.192.in-addr.arpa", MW_DNS_PTR, 60);
    dns_octets(&packet, wire, len);
    dns_rr_end(&packet);
    parse("1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    return got.status;
}

/* ---- names of questions ---- */

static bool normalizes_to(struct mw_slice name, const char *want)
{
    char text[MW_DNS_NAME_MAX + 1];
    size_t len = 0;
    bool is_good = mw_dns_name_normalize(name, text, &len);
    return want == NULL ? !is_good : is_good && strlen(want) == len && strcmp(text, want) == 0;
}

TEST(name_is_lowered_and_loses_one_final_dot)
{
    CHECK(normalizes_to(MW_LIT("Mail.Example.TEST"), "mail.example.test"));
    CHECK(normalizes_to(MW_LIT("mail.example.test."), "mail.example.test"));
    CHECK(normalizes_to(MW_LIT("_spf.a+b/c!=.x-.test"), "_spf.a+b/c!=.x-.test"));
    CHECK(normalizes_to(MW_LIT("x"), "x"));
}

TEST(name_that_cannot_be_asked_is_refused)
{
    CHECK(normalizes_to(MW_EMPTY, NULL));
    CHECK(normalizes_to(MW_LIT("."), NULL));
    CHECK(normalizes_to(MW_LIT(".test"), NULL));
    CHECK(normalizes_to(MW_LIT("a..test"), NULL));
    CHECK(normalizes_to(MW_LIT("a.test.."), NULL));
    CHECK(normalizes_to(MW_LIT("a\0b.test"), NULL));
    CHECK(normalizes_to(MW_LIT("a.test\0"), NULL));
}

TEST(name_may_hold_any_octet_but_nul)
{ /* RFC 7208 7.3: local parts get into names */
    char octet[2] = "", want[2] = "";
    CHECK(normalizes_to(MW_LIT("Joe Blow.\xc3\x9c.test"), "joe blow.\xc3\x9c.test"));
    CHECK(normalizes_to(MW_LIT("a\\046b.test"), "a\\046b.test"));
    CHECK(normalizes_to(MW_LIT("a\r\n.test"), "a\r\n.test"));
    for (int c = 1; c < 256; c++) {
        octet[0] = (char)c;
        want[0] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c;
        CHECK(normalizes_to(MW_SLICE(octet, 1), c == '.' ? NULL : want));
    }
}

TEST(name_lengths_are_bounded)
{
    char name[300];
    memset(name, 'a', sizeof name);
    CHECK(!normalizes_to(MW_SLICE(name, 63), NULL));
    CHECK(normalizes_to(MW_SLICE(name, 64), NULL));
    for (size_t at = 63; at < sizeof name; at += 64)
        name[at] = '.';
    CHECK(!normalizes_to(MW_SLICE(name, 253), NULL));
    name[253] = '.';
    CHECK(!normalizes_to(MW_SLICE(name, 254), NULL)); /* the final dot does not count */
    name[253] = 'a';
    CHECK(normalizes_to(MW_SLICE(name, 254), NULL));
}

/* ---- names that do not exist ---- */

/* An empty answer about a.test with this code; its alias, or NULL. */
static bool is_missing(unsigned flags, const char *alias)
{
    dns_begin(&packet, flags, "a.test", MW_DNS_A);
    if (alias != NULL)
        dns_named(&packet, "a.test", DNS_TYPE_CNAME, 60, alias);
    dns_soa(&packet, "test", 60, 60);
    parse("a.test", MW_DNS_A);
    return got.is_missing;
}

TEST(answer_name_is_missing_if_the_server_says_so)
{
    CHECK(is_missing(DNS_NXDOMAIN, NULL));
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK_INT(got.ttl_s, 60);
    CHECK(!is_missing(DNS_RESPONSE, NULL)); /* it exists, without an address */
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK(!is_missing(DNS_SERVFAIL, NULL));
    CHECK(!is_missing(DNS_REFUSED, NULL));
    CHECK_INT(got.status, MW_DNS_FAILED);
}

TEST(answer_name_that_is_an_alias_exists)
{ /* RFC 2308 2.1, RFC 6604 3: the code is about the last name of the chain */
    CHECK(!is_missing(DNS_NXDOMAIN, "b.test"));
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK(!is_missing(DNS_RESPONSE, "b.test"));
    CHECK(!is_missing(DNS_NXDOMAIN, "a.test")); /* a loop */
    CHECK_INT(got.status, MW_DNS_FAILED);
}

TEST(answer_name_that_has_records_exists_whatever_the_code)
{
    dns_begin(&packet, DNS_NXDOMAIN, "a.test", MW_DNS_A);
    dns_a(&packet, "a.test", 300, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK(!got.is_missing);
    dns_begin(&packet, DNS_NXDOMAIN, "a.test", MW_DNS_A);
    dns_a(&packet, "b.test", 300, "192.0.2.1"); /* somebody else's */
    parse("a.test", MW_DNS_A);
    CHECK(got.status == MW_DNS_NONE && got.is_missing && got.ttl_s == 0);
}

/* ---- what right answers say ---- */

TEST(answer_addresses_of_both_families_are_read)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_a(&packet, "a.test", 300, "192.0.2.1");
    dns_a(&packet, "A.Test", 200, "192.0.2.2");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.count, 2);
    CHECK(is_address(0, "192.0.2.1") && is_address(1, "192.0.2.2"));
    CHECK_INT(got.ttl_s, 200);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_AAAA);
    dns_aaaa(&packet, "a.test", 7, "2001:db8::1");
    parse("a.test", MW_DNS_AAAA);
    CHECK_INT(got.count, 1);
    CHECK(is_address(0, "2001:db8::1"));
}

TEST(answer_names_are_lowered_and_decompressed)
{
    dns_begin(&packet, DNS_RESPONSE, "mail.test", MW_DNS_MX);
    dns_mx(&packet, "mail.test", 60, 10, "MX1.Mail.Test");
    dns_rr(&packet, DNS_ANSWER, "mail.test", MW_DNS_MX, 60);
    dns_u16(&packet, 20);
    dns_octets(&packet, "\3mx2", 4);
    dns_pointer(&packet, DNS_AT_QUESTION);
    dns_rr_end(&packet);
    dns_mx(&packet, "mail.test", 60, 0, ""); /* RFC 7505 */
    parse("mail.test", MW_DNS_MX);
    CHECK_INT(got.count, 3);
    CHECK_SLICE(got.records[0].octets, "");
    CHECK(!got.records[0].is_unusable);
    CHECK_SLICE(got.records[1].octets, "mx1.mail.test");
    CHECK_INT(got.records[1].preference, 10);
    CHECK_SLICE(got.records[2].octets, "mx2.mail.test");
    CHECK_INT(got.records[2].preference, 20);
}

TEST(answer_mail_exchangers_come_in_order_and_bad_ones_are_marked)
{ /* RFC 7208 4.6.4 counts all of them */
    dns_begin(&packet, DNS_RESPONSE, "mail.test", MW_DNS_MX);
    dns_mx(&packet, "mail.test", 60, 20, "b.test");
    dns_mx(&packet, "mail.test", 60, 20, "a.test");
    dns_mx(&packet, "mail.test", 60, 30, "10.0.0.1");
    dns_mx(&packet, "mail.test", 60, 10, "a b.test");
    dns_mx(&packet, "mail.test", 60, 20, "aa.test");
    parse("mail.test", MW_DNS_MX);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.count, 5);
    CHECK_SLICE(got.records[0].octets, "");
    CHECK(got.records[0].is_unusable);
    CHECK_INT(got.records[0].preference, 10);
    CHECK_SLICE(got.records[1].octets, "a.test");
    CHECK_SLICE(got.records[2].octets, "aa.test");
    CHECK_SLICE(got.records[3].octets, "b.test");
    CHECK(!got.records[3].is_unusable);
    CHECK_SLICE(got.records[4].octets, "10.0.0.1"); /* a name like others: it can be asked for */
    CHECK(!got.records[4].is_unusable);
}

TEST(answer_txt_strings_are_joined)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_TXT);
    dns_rr(&packet, DNS_ANSWER, "a.test", MW_DNS_TXT, 60);
    dns_octets(&packet, "\7v=spf1 \0\4-all", 14);
    dns_rr_end(&packet);
    dns_rr(&packet, DNS_ANSWER, "a.test", MW_DNS_TXT, 60); /* without any string */
    dns_rr_end(&packet);
    parse("a.test", MW_DNS_TXT);
    CHECK_INT(got.count, 2);
    CHECK_SLICE(got.records[0].octets, "v=spf1 -all");
    CHECK_SLICE(got.records[1].octets, "");
}

TEST(answer_aliases_are_followed_in_any_order)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_named(&packet, "a.test", DNS_TYPE_CNAME, 50, "B.test");
    dns_a(&packet, "c.test", 60, "192.0.2.3");
    dns_a(&packet, "other.test", 1, "192.0.2.9");
    dns_named(&packet, "b.test", DNS_TYPE_CNAME, 40, "c.test");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.count, 1);
    CHECK(is_address(0, "192.0.2.3"));
    CHECK_INT(got.ttl_s, 40);
}

TEST(answer_alias_of_a_classless_reverse_zone_is_followed)
{ /* RFC 2317: the alias is no host name, and need not be one */
    dns_begin(&packet, DNS_RESPONSE, "1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    dns_named(&packet, "1.2.0.192.in-addr.arpa", DNS_TYPE_CNAME, 60, "1.0/25.2.0.192.in-addr.arpa");
    dns_named(&packet, "1.0/25.2.0.192.in-addr.arpa", MW_DNS_PTR, 60, "a.test");
    parse("1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    CHECK_INT(got.count, 1);
    CHECK_SLICE(got.records[0].octets, "a.test");
}

static void begin_chain(int aliases)
{
    char name[32], next[32];
    dns_begin(&packet, DNS_RESPONSE, "n0.test", MW_DNS_A);
    for (int i = 0; i < aliases; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        snprintf(next, sizeof next, "n%d.test", i + 1);
        dns_named(&packet, name, DNS_TYPE_CNAME, 60, next);
    }
    snprintf(name, sizeof name, "n%d.test", aliases);
    dns_a(&packet, name, 60, "192.0.2.1");
}

TEST(answer_at_most_eight_aliases_are_followed)
{
    begin_chain(8);
    parse("n0.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    begin_chain(9);
    parse("n0.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
}

TEST(answer_alias_loop_fails)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_named(&packet, "a.test", DNS_TYPE_CNAME, 60, "b.test");
    dns_named(&packet, "b.test", DNS_TYPE_CNAME, 60, "a.test");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_named(&packet, "a.test", DNS_TYPE_CNAME, 60, "a.test");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
}

TEST(answer_negative_ttl_is_the_lesser_of_the_soa)
{
    static const unsigned flags[] = {DNS_RESPONSE, DNS_NXDOMAIN};
    for (size_t i = 0; i < 2; i++) {
        dns_begin(&packet, flags[i], "no.a.test", MW_DNS_A);
        dns_soa(&packet, "test", 900, 120);
        parse("no.a.test", MW_DNS_A);
        CHECK_INT(got.status, MW_DNS_NONE);
        CHECK_INT(got.ttl_s, 120);
        dns_begin(&packet, flags[i], "no.a.test", MW_DNS_A);
        dns_soa(&packet, "test", 30, 120);
        parse("no.a.test", MW_DNS_A);
        CHECK_INT(got.ttl_s, 30);
    }
}

TEST(answer_negative_behind_an_alias_is_none)
{
    dns_begin(&packet, DNS_NXDOMAIN, "a.test", MW_DNS_A);
    dns_named(&packet, "a.test", DNS_TYPE_CNAME, 20, "gone.test");
    dns_soa(&packet, "test", 900, 120);
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK_INT(got.ttl_s, 20);
}

TEST(answer_negative_without_soa_is_not_kept)
{ /* RFC 2308 5 */
    dns_begin(&packet, DNS_NXDOMAIN, "a.test", MW_DNS_A);
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_NONE);
    CHECK_INT(got.ttl_s, 0);
}

TEST(answer_ttl_with_the_highest_bit_is_zero)
{ /* RFC 2181 8 */
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_a(&packet, "a.test", 0x80000001, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.ttl_s, 0);
}

TEST(answer_records_are_bounded)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    for (int i = 0; i < MW_DNS_RECORDS_MAX + 10; i++)
        dns_a(&packet, "a.test", 60, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.count, MW_DNS_RECORDS_MAX);
}

TEST(answer_that_is_a_referral_fails)
{ /* RFC 2308 2.2: name servers and nothing else */
    static const struct {
        unsigned flags;
        bool has_ns, has_soa;
        enum mw_dns_status want;
    } cases[] = {
        {DNS_RESPONSE, true, false, MW_DNS_FAILED}, {DNS_RESPONSE, true, true, MW_DNS_NONE},
        {DNS_RESPONSE, false, false, MW_DNS_NONE},  {DNS_NXDOMAIN, true, false, MW_DNS_NONE},
        {0x8500, false, false, MW_DNS_NONE},   /* an authority that does not recurse */
        {0x8100, false, false, MW_DNS_FAILED}, /* neither: it has no say */
        {0x8100, false, true, MW_DNS_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dns_begin(&packet, cases[i].flags, "a.test", MW_DNS_A);
        if (cases[i].has_ns) {
            dns_rr(&packet, DNS_AUTHORITY, "test", 2, 60);
            dns_name(&packet, "ns.test");
            dns_rr_end(&packet);
        }
        if (cases[i].has_soa)
            dns_soa(&packet, "test", 900, 120);
        parse("a.test", MW_DNS_A);
        CHECK_INT(got.status, cases[i].want);
        CHECK_INT(got.ttl_s, cases[i].has_soa ? 120 : 0);
    }
}

TEST(answer_aliases_in_reverse_order_among_many_are_found)
{
    char name[32], next[32];
    dns_begin(&packet, DNS_RESPONSE, "n0.test", MW_DNS_A);
    dns_a(&packet, "n8.test", 60, "192.0.2.8");
    for (int i = 7; i >= 0; i--) {
        for (int k = 0; k < 100; k++)
            dns_a(&packet, "x.test", 60, "192.0.2.9");
        snprintf(name, sizeof name, "n%d.test", i);
        snprintf(next, sizeof next, "n%d.test", i + 1);
        dns_named(&packet, name, DNS_TYPE_CNAME, (uint32_t)(10 + i), next);
    }
    parse("n0.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_INT(got.count, 1);
    CHECK(is_address(0, "192.0.2.8"));
    CHECK_INT(got.ttl_s, 10);
}

TEST(answer_of_other_classes_and_owners_is_left_aside)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    dns_a(&packet, "a.test", 60, "192.0.2.1");
    packet.octets[packet.len - 11] = 3; /* class CHAOS */
    dns_a(&packet, "b.test", 60, "192.0.2.2");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_NONE);
}

/* ---- names that must not come out ---- */

TEST(answer_name_with_a_hostile_label_is_left_out)
{
    CHECK_INT(ptr_status("\4mail\4test", 11), MW_DNS_OK);
    CHECK_INT(ptr_status("\4m_-l\4test", 11), MW_DNS_OK);
    CHECK_INT(ptr_status("\11a.example\4test", 16), MW_DNS_NONE); /* one label with a dot */
    CHECK_INT(ptr_status("\3a\\b\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a\0b\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a\r\n\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a b\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a\x1b[\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a\xc3\xbc\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3a\"b\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3[1]\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3-ab\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3ab-\4test", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\0", 1), MW_DNS_NONE); /* the root */
    CHECK_INT(got.count, 0);
}

TEST(answer_name_that_reads_as_an_address_is_left_out)
{
    CHECK_INT(ptr_status("\2\x31\x30\1\x30\1\x30\1\x31", 10), MW_DNS_NONE); /* 10.0.0.1 */
    CHECK_INT(ptr_status("\4mail\3\x31\x32\x33", 10), MW_DNS_NONE);
    CHECK_INT(ptr_status("\3\x31\x32\x33\4test", 10), MW_DNS_OK);
}

TEST(answer_keeps_the_usable_among_hostile_names)
{
    dns_begin(&packet, DNS_RESPONSE, "1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    dns_named(&packet, "1.2.0.192.in-addr.arpa", MW_DNS_PTR, 60, "bad name.test");
    dns_named(&packet, "1.2.0.192.in-addr.arpa", MW_DNS_PTR, 60, "good.test");
    parse("1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    CHECK_INT(got.count, 1);
    CHECK_SLICE(got.records[0].octets, "good.test");
}

TEST(answer_ipv4_in_disguise_is_left_out)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_AAAA);
    dns_aaaa(&packet, "a.test", 60, "::ffff:127.0.0.1");
    dns_aaaa(&packet, "a.test", 60, "::");
    parse("a.test", MW_DNS_AAAA);
    CHECK_INT(got.status, MW_DNS_NONE);
}

/* ---- answers that are none ---- */

TEST(answer_to_another_question_fails)
{
    dns_begin(&packet, DNS_RESPONSE, "b.test", MW_DNS_A);
    dns_a(&packet, "a.test", 60, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_AAAA);
    dns_a(&packet, "a.test", 60, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    packet.octets[packet.len - 1] = 3; /* class */
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    packet.octets[5] = 2; /* two questions */
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    packet.octets[5] = 0; /* none */
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
}

TEST(answer_with_wrong_flags_fails)
{
    static const unsigned flags[] = {0x0100, /* a query */
                                     0x9180, /* opcode STATUS */
                                     DNS_TRUNCATED, DNS_FORMERR, DNS_SERVFAIL,
                                     DNS_REFUSED,   0x8184 /* NOTIMP */};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        dns_begin(&packet, flags[i], "a.test", MW_DNS_A);
        dns_a(&packet, "a.test", 60, "192.0.2.1");
        parse("a.test", MW_DNS_A);
        CHECK_INT(got.status, MW_DNS_FAILED);
        CHECK_INT(got.count, 0);
    }
}

TEST(answer_cut_anywhere_fails)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_MX);
    dns_named(&packet, "a.test", DNS_TYPE_CNAME, 60, "b.test");
    dns_mx(&packet, "b.test", 60, 10, "mx.test");
    dns_rr(&packet, DNS_ANSWER, "b.test", MW_DNS_MX, 60);
    dns_u16(&packet, 20);
    dns_pointer(&packet, DNS_AT_QUESTION);
    dns_rr_end(&packet);
    for (size_t len = 0; len < packet.len; len++) {
        parse_octets(packet.octets, len, "a.test", MW_DNS_MX);
        CHECK_INT(got.status, MW_DNS_FAILED);
    }
    parse("a.test", MW_DNS_MX);
    CHECK_INT(got.count, 2);
}

TEST(answer_negative_cut_anywhere_fails)
{
    dns_begin(&packet, DNS_NXDOMAIN, "a.test", MW_DNS_A);
    dns_soa(&packet, "test", 900, 120);
    for (size_t len = 0; len < packet.len; len++) {
        parse_octets(packet.octets, len, "a.test", MW_DNS_A);
        CHECK_INT(got.status, MW_DNS_FAILED);
    }
}

TEST(answer_with_data_of_a_wrong_length_fails)
{
    static const struct {
        enum mw_dns_type type;
        const char *data;
        size_t len;
    } cases[] = {
        {MW_DNS_A, "\1\2\3", 3},      {MW_DNS_A, "\1\2\3\4\5", 5}, {MW_DNS_A, "", 0},
        {MW_DNS_AAAA, "\1\2\3\4", 4}, {MW_DNS_MX, "\0", 1},        {MW_DNS_MX, "\0\1", 2},
        {MW_DNS_MX, "\0\1\1a", 4},    {MW_DNS_PTR, "", 0},         {MW_DNS_PTR, "\1a\0x", 4},
        {MW_DNS_PTR, "\1a", 2},       {MW_DNS_TXT, "\5abcd", 5},   {MW_DNS_TXT, "\1a\377", 3},
        {MW_DNS_PTR, "\100a\0", 3},   {MW_DNS_PTR, "\200a\0", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dns_begin(&packet, DNS_RESPONSE, "a.test", cases[i].type);
        dns_rr(&packet, DNS_ANSWER, "a.test", cases[i].type, 60);
        dns_octets(&packet, cases[i].data, cases[i].len);
        dns_rr_end(&packet);
        parse("a.test", cases[i].type);
        CHECK_INT(got.status, MW_DNS_FAILED);
    }
}

TEST(answer_compression_that_does_not_lead_backwards_fails)
{
    unsigned char self[2] = {0xc0, 0};
    dns_begin(&packet, DNS_RESPONSE, "1.2.0.192.in-addr.arpa", MW_DNS_PTR);
    self[1] = (unsigned char)(packet.len + 24 + 10); /* where the data will stand */
    CHECK_INT(ptr_status(self, 2), MW_DNS_FAILED);
    self[1] = (unsigned char)(self[1] + 40); /* forward, beyond the end */
    CHECK_INT(ptr_status(self, 2), MW_DNS_FAILED);
    CHECK_INT(ptr_status("\xff\xff", 2), MW_DNS_FAILED);
    CHECK_INT(ptr_status("\xc0\x00", 2), MW_DNS_FAILED); /* into the header */
    CHECK_INT(ptr_status("\xc0", 1), MW_DNS_FAILED);
}

TEST(answer_compression_chain_is_bounded)
{ /* each pointer leads to the one before it: legal one by one, and work without end together */
    size_t first;
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_PTR);
    dns_rr(&packet, DNS_ANSWER, "a.test", MW_DNS_TXT, 60);
    first = packet.len;
    dns_octets(&packet, "\1a\0", 3);
    dns_pointer(&packet, first);
    for (size_t at = first + 3; at < first + 3 + 2 * 100; at += 2)
        dns_pointer(&packet, at);
    dns_rr_end(&packet);
    dns_rr(&packet, DNS_ANSWER, "a.test", MW_DNS_PTR, 60);
    dns_pointer(&packet, first + 3 + 2 * 100);
    dns_rr_end(&packet);
    parse("a.test", MW_DNS_PTR);
    CHECK_INT(got.status, MW_DNS_FAILED);
    packet.octets[packet.len - 1] = (unsigned char)(first + 3 + 2 * 10);
    parse("a.test", MW_DNS_PTR);
    CHECK_INT(got.status, MW_DNS_OK);
    CHECK_SLICE(got.records[0].octets, "a");
}

TEST(answer_name_of_more_than_255_octets_fails)
{
    unsigned char wire[300];
    size_t at;
    for (at = 0; at < 256; at += 64) {
        wire[at] = 63;
        memset(wire + at + 1, 'a', 63);
    }
    wire[at] = 0;
    CHECK_INT(ptr_status(wire, at + 1), MW_DNS_FAILED);
    wire[192] = 61; /* 3 x 64 + 62 + 1 = 255 */
    wire[192 + 62] = 0;
    CHECK_INT(ptr_status(wire, 255), MW_DNS_OK);
    CHECK_INT(got.records[0].octets.len, 253);
}

TEST(answer_with_more_records_than_any_has_fails)
{
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    for (int i = 0; i < MW_DNS_SECTION_MAX + 1; i++)
        dns_a(&packet, "a.test", 60, "192.0.2.1");
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
    dns_begin(&packet, DNS_RESPONSE, "a.test", MW_DNS_A);
    packet.octets[7] = 1; /* says so, has none */
    parse("a.test", MW_DNS_A);
    CHECK_INT(got.status, MW_DNS_FAILED);
}
