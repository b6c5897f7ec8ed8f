/* test_spf_check.c - check_host() over small zones: RFC 7208 4 to 7, and records that want to do harm. The suite of RFC 7208 itself
 * is run by tests/system/test_spf_differential.py. */
#include "check.h"
#include "spf_zone.h"
#include "test.h"

#define SENDER(domain) LIT("user@" domain)
#define HELO LIT("mail.client.test")
/* One check from 192.0.2.1, and what it says. */
#define CHECK_RESULT(zone, domain, want)                                                          \
    do {                                                                                          \
        zone_check(&(zone), "192.0.2.1", SENDER(domain), HELO);                                   \
        if ((zone).verdict.result != (want)) {                                                    \
            mw_test_fail(__FILE__, __LINE__, "%s: %s (%.*s), want %s", domain,                    \
                         spf_result_name((zone).verdict.result), (int)(zone).verdict.problem.len, \
                         (zone).verdict.problem.ptr, spf_result_name(want));                      \
            zone_end(&(zone));                                                                    \
            return;                                                                               \
        }                                                                                         \
    } while (0)

/* ---- 4.1, 4.3: who is asked about ---- */

static const struct zone_entry basic[] = {
    ZONE_TXT("pass.test", "v=spf1 ip4:192.0.2.0/24 -all"),
    ZONE_TXT("fail.test", "v=spf1 -all"),
    ZONE_TXT("v6.test", "v=spf1 ip6:2001:db8::/32 ip6:::ffff:192.0.2.1 -all"),
    ZONE_TXT("xn--bcher-kva.test", "v=spf1 exists:%{d}.seen.test -all"),
    ZONE_A("xn--bcher-kva.test.seen.test", "127.0.0.2"),
    ZONE_TXT("mail.client.test", "v=spf1 ip4:192.0.2.1 -all"),
    ZONE_TXT("local.test", "v=spf1 exists:%{l}.seen.test -all"),
    ZONE_A("postmaster.seen.test", "127.0.0.2"),
    ZONE_TXT("nothing.test", "some other text"),
    ZONE_FAILS("fails.test", MW_DNS_STRINGS),
    ZONE_TXT("soft.test", "v=spf1 ?ip4:198.51.100.1 ~all"),
    ZONE_TXT("open.test", "v=spf1 ip4:198.51.100.1"),
};

TEST(results_of_plain_records)
{
    struct zone zone = ZONE(basic);
    CHECK_RESULT(zone, "pass.test", SPF_PASS);
    CHECK_SLICE(zone.verdict.mechanism, "ip4:192.0.2.0/24");
    CHECK_SLICE(zone.verdict.record_domain, "pass.test");
    CHECK_RESULT(zone, "fail.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.mechanism, "-all");
    CHECK_SLICE(zone.verdict.domain, "fail.test");
    CHECK_RESULT(zone, "Fail.TEST.", SPF_FAIL);
    CHECK_SLICE(zone.verdict.record_domain, "fail.test");
    CHECK_RESULT(zone, "soft.test", SPF_SOFTFAIL);
    CHECK_RESULT(zone, "open.test", SPF_NEUTRAL);
    CHECK_SLICE(zone.verdict.mechanism, "default");
    CHECK_RESULT(zone, "nothing.test", SPF_NONE);
    CHECK_SLICE(zone.verdict.mechanism, "");
    CHECK_RESULT(zone, "absent.test", SPF_NONE);
    CHECK_INT(zone.verdict.questions, 1);
    CHECK_RESULT(zone, "fails.test", SPF_TEMPERROR);
    CHECK_SLICE(zone.verdict.problem, "no answer from the DNS for TXT of fails.test");
    zone_end(&zone);
}

TEST(senders_without_a_domain_of_several_labels_have_none)
{
    static const struct mw_slice senders[] = {
        LIT("user@localhost"),   LIT("user@"),        LIT("user"),
        LIT("user@[192.0.2.1]"), LIT("user@a..test"), LIT("@"),
        LIT("user@fail.test/x"), LIT("a@b@c d.test"), LIT("user@\xff.test")};
    struct zone zone = ZONE(basic);
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        zone_check(&zone, "192.0.2.1", senders[i], HELO);
        CHECK_INT(zone.verdict.result, SPF_NONE);
        CHECK_INT(zone.verdict.questions, 0);
    }
    zone_end(&zone);
}

TEST(the_null_sender_is_postmaster_at_helo)
{
    struct zone zone = ZONE(basic);
    zone_check(&zone, "192.0.2.1", EMPTY, HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_check(&zone, "192.0.2.1", EMPTY, LIT("[192.0.2.1]"));
    CHECK_INT(zone.verdict.result, SPF_NONE);
    zone_check(&zone, "192.0.2.1", EMPTY, LIT("local.test"));
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_check(&zone, "192.0.2.1", LIT("@local.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_check(&zone, "192.0.2.1", LIT("\"a@b\"@LOCAL.test."), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK(zone_was_asked(&zone, "\"a@b\".seen.test", MW_DNS_ADDRESS4));
    CHECK_SLICE(zone.verdict.domain, "local.test");
    zone_end(&zone);
}

TEST(addresses_of_both_kinds_and_none_goes_free)
{
    struct zone zone = ZONE(basic);
    zone_check(&zone, "2001:db8::1", SENDER("v6.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_check(&zone, "::ffff:192.0.2.1", SENDER("pass.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_check(&zone, "192.0.2.1", SENDER("v6.test"),
               HELO); /* mapped in the record: no IPv4 address */
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    zone_check(&zone, "127.0.0.1", SENDER("fail.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    zone_check(&zone, "::1", SENDER("fail.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    zone_end(&zone);
}

TEST(u_labels_are_asked_for_as_a_labels)
{
    struct zone zone = ZONE(basic);
    zone_check(&zone, "192.0.2.1",
               LIT("j\xc3\xbcrgen@B\xc3\x9c"
                   "cher.test"),
               HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    CHECK_SLICE(zone.verdict.domain, "xn--bcher-kva.test");
    zone_check(&zone, "192.0.2.1", LIT("j\xc3\xbcrgen@local.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK(zone_was_asked(&zone, "j\xc3\xbcrgen.seen.test", MW_DNS_ADDRESS4));
    zone_check(&zone, "192.0.2.1", LIT("a\0b@local.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_INT(zone.verdict.questions, 1);
    CHECK_INT(zone.verdict.voids, 0);
    zone_end(&zone);
}

/* ---- 4.5, 4.6: selection and syntax ---- */

static char long_text[65536];

TEST(records_that_are_too_many_too_long_or_bad)
{
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text, "v=spf1 +all ", 12);
    const struct zone_entry entries[] = {
        ZONE_TXT("two.test", "v=spf1 -all"),
        ZONE_TXT("two.test", "v=spf1 +all"),
        ZONE_TXT("two.test", "other"),
        ZONE_TXT("nul.test", "v=spf1 +all\0"),
        ZONE_TXT("eight.test", "v=spf1 +all a:\x80.test"),
        {"long.test", MW_DNS_STRINGS, {long_text, sizeof long_text}},
        {"other.test", MW_DNS_STRINGS, {long_text + 1, sizeof long_text - 1}},
        ZONE_TXT("bad.test", "v=spf1 +all foo:bar"),
        ZONE_TXT("bare.test", "v=spf1"),
    };
    struct zone zone = ZONE(entries);
    CHECK_RESULT(zone, "two.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem, "2 SPF records at two.test");
    CHECK_SLICE(zone.verdict.record_domain, "two.test");
    CHECK_RESULT(zone, "nul.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem, "+all? at nul.test: an octet that is not printable ASCII");
    CHECK_RESULT(zone, "eight.test", SPF_PERMERROR);
    CHECK_RESULT(zone, "long.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem, "too long an SPF record at long.test");
    CHECK_RESULT(zone, "other.test", SPF_NONE);
    CHECK_RESULT(zone, "bad.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem, "foo:bar at bad.test: unknown mechanism");
    CHECK_SLICE(zone.verdict.mechanism, "foo:bar");
    CHECK_RESULT(zone, "bare.test", SPF_NEUTRAL);
    zone_end(&zone);
}

TEST(one_record_among_a_thousand_strings)
{
    static struct zone_entry entries[1001];
    for (size_t i = 0; i < 1000; i++)
        entries[i] = (struct zone_entry)ZONE_TXT("many.test", "google-site-verification=\x80\x01");
    entries[1000] = (struct zone_entry)ZONE_TXT("many.test", "v=spf1 ip4:192.0.2.1 -all");
    struct zone zone = ZONE(entries);
    CHECK_RESULT(zone, "many.test", SPF_PASS);
    entries[3] = entries[1000];
    CHECK_RESULT(zone, "many.test", SPF_PERMERROR);
    zone_end(&zone);
}

/* Longer than what libspf2 can compile: its -all would be lost. */
TEST(the_end_of_a_long_record_counts)
{
    static char record[CHECK_RECORD_MAX];
    static const struct mw_slice address = LIT("ip4:198.51.100.200 ");
    memcpy(record, "v=spf1 ", 7);
    size_t len = 7;
    for (; len + address.len + 4 <= sizeof record; len += address.len)
        memcpy(record + len, address.ptr, address.len);
    memcpy(record + len, "-all", 4);
    const struct zone_entry entries[] = {{"long.test", MW_DNS_STRINGS, {record, len + 4}}};
    struct zone zone = ZONE(entries);
    CHECK_RESULT(zone, "long.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.mechanism, "-all");
    zone_end(&zone);
}

/* ---- 4.6.4: limits ---- */

#define TEN(domain)                                                                           \
    "a:" domain " a:" domain " a:" domain " a:" domain " a:" domain " a:" domain " a:" domain \
    " a:" domain " a:" domain " a:" domain
static const struct zone_entry limits[] = {
    ZONE_A("host.test", "198.51.100.1"),
    ZONE_TXT("ten.test", "v=spf1 " TEN("host.test") " -all"),
    ZONE_TXT("eleven.test", "v=spf1 " TEN("host.test") " ptr -all"),
    ZONE_TXT("reached.test", "v=spf1 " TEN("host.test") " ip4:192.0.2.1 ptr -all"),
    ZONE_TXT("redirect.test", "v=spf1 " TEN("host.test") " redirect=fail.test"),
    ZONE_TXT("five.test", "v=spf1 a:host.test a:host.test a:host.test a:host.test a:host.test"),
    ZONE_TXT("over.test", "v=spf1 include:five.test include:five.test -all"),
    ZONE_TXT("at.test",
             "v=spf1 include:five.test a:host.test a:host.test a:host.test a:host.test -all"),
    ZONE_TXT("self.test", "v=spf1 include:self.test -all"),
    ZONE_TXT("loop-a.test", "v=spf1 redirect=loop-b.test"),
    ZONE_TXT("loop-b.test", "v=spf1 redirect=LOOP-a.test"),
    ZONE_TXT("fan.test", "v=spf1 include:fan1.test include:fan1.test include:fan1.test -all"),
    ZONE_TXT("fan1.test", "v=spf1 include:fan2.test include:fan2.test include:fan2.test -all"),
    ZONE_TXT("fan2.test", "v=spf1 include:fan.test include:fan1.test include:fan2.test -all"),
    ZONE_TXT("two-voids.test", "v=spf1 a:no1.test exists:no2.test -all"),
    ZONE_TXT("three-voids.test", "v=spf1 a:no1.test mx:no2.test exists:no3.test -all"),
    ZONE_TXT("same-voids.test", "v=spf1 a:no1.test a:no1.test a:no1.test -all"),
    ZONE_TXT("across.test", "v=spf1 include:two-voids.test a:no4.test -all"),
    ZONE_TXT("fail.test", "v=spf1 -all"),
};

TEST(ten_terms_are_looked_up_and_no_eleventh)
{
    struct zone zone = ZONE(limits);
    CHECK_RESULT(zone, "ten.test", SPF_FAIL);
    CHECK_INT(zone.verdict.terms, 10);
    CHECK_RESULT(zone, "reached.test", SPF_PASS);
    CHECK_RESULT(zone, "eleven.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "more than 10 terms that need DNS lookups: ptr at eleven.test");
    CHECK_SLICE(zone.verdict.mechanism, "ptr");
    CHECK_RESULT(zone, "redirect.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "more than 10 terms that need DNS lookups: redirect=fail.test at redirect.test");
    zone_end(&zone);
}

TEST(terms_are_counted_over_the_whole_check)
{
    struct zone zone = ZONE(limits);
    CHECK_RESULT(zone, "at.test", SPF_FAIL);
    CHECK_INT(zone.verdict.terms, 10);
    CHECK_RESULT(zone, "over.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "more than 10 terms that need DNS lookups: a:host.test at five.test");
    CHECK_SLICE(zone.verdict.record_domain, "five.test");
    zone_end(&zone);
}

TEST(loops_and_fan_outs_end)
{
    struct zone zone = ZONE(limits);
    CHECK_RESULT(zone, "self.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "more than 10 terms that need DNS lookups: include:self.test at self.test");
    CHECK_INT(zone.verdict.questions, 1);
    CHECK_RESULT(zone, "loop-a.test", SPF_PERMERROR);
    CHECK_INT(zone.verdict.questions, 2);
    CHECK_RESULT(zone, "fan.test", SPF_PERMERROR);
    CHECK_INT(zone.verdict.questions, 3);
    zone_end(&zone);
}

TEST(two_terms_may_find_nothing_and_no_third)
{
    struct zone zone = ZONE(limits);
    CHECK_RESULT(zone, "two-voids.test", SPF_FAIL);
    CHECK_INT(zone.verdict.voids, 2);
    CHECK_RESULT(zone, "three-voids.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "more than 2 terms without a DNS answer: exists:no3.test at three-voids.test");
    CHECK_RESULT(zone, "same-voids.test", SPF_PERMERROR);
    CHECK_INT(zone.verdict.questions, 2);
    CHECK_RESULT(zone, "across.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.record_domain, "across.test");
    zone_end(&zone);
}

/* ---- 5: mechanisms ---- */

static struct zone_entry exchangers[40];
static size_t fill_exchangers(size_t hosts)
{
    static char names[20][32], addresses[20][32];
    size_t count = 0;
    exchangers[count++] = (struct zone_entry)ZONE_TXT("mx.test", "v=spf1 mx/32 -all");
    for (size_t i = 0; i < hosts; i++) {
        snprintf(names[i], sizeof names[i], "h%zu.mx.test", i);
        snprintf(addresses[i], sizeof addresses[i], "192.0.2.%zu", hosts - i);
        exchangers[count++] = (struct zone_entry){"mx.test", MW_DNS_MAIL_EXCHANGER,
                                                  slice_of(names[i])};
        exchangers[count++] = (struct zone_entry){names[i], MW_DNS_ADDRESS4,
                                                  slice_of(addresses[i])};
    }
    return count;
}

TEST(hosts_of_an_mx_are_asked_for_side_by_side)
{
    struct zone zone = {.entries = exchangers, .count = fill_exchangers(10)};
    CHECK_RESULT(zone, "mx.test", SPF_PASS);
    CHECK_INT(zone.rounds, 3);
    CHECK_INT(zone.side_by_side, 10);
    CHECK_INT(zone.verdict.questions, 12);
    CHECK_INT(zone.verdict.terms, 1);
    zone.answers_backward = true;
    CHECK_RESULT(zone, "mx.test", SPF_PASS);
    zone_end(&zone);
}

TEST(eleven_hosts_are_too_many)
{
    struct zone zone = {.entries = exchangers, .count = fill_exchangers(11)};
    CHECK_RESULT(zone, "mx.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem, "mx/32 at mx.test: mx.test has 11 MX hosts, 10 are allowed");
    CHECK_INT(zone.verdict.questions, 2);
    zone_end(&zone);
}

TEST(hosts_of_an_mx_count_as_one_void)
{
    static const struct zone_entry entries[] = {ZONE_TXT("mx.test", "v=spf1 mx mx:null.test -all"),
                                                ZONE_MX("mx.test", "a.test"),
                                                ZONE_MX("mx.test", "b.test"),
                                                ZONE_MX("mx.test", "c.test"),
                                                ZONE_MX("null.test", ""),
                                                ZONE_TXT("some.test", "v=spf1 mx -all"),
                                                ZONE_MX("some.test", "a.test"),
                                                ZONE_MX("some.test", "d.test"),
                                                ZONE_A("d.test", "198.51.100.1"),
                                                ZONE_TXT("ill.test", "v=spf1 mx -all"),
                                                ZONE_MX("ill.test", "e.test"),
                                                ZONE_FAILS("e.test", MW_DNS_ADDRESS4)};
    struct zone zone = ZONE(entries);
    CHECK_RESULT(zone, "mx.test", SPF_FAIL);
    CHECK_INT(zone.verdict.voids, 2);
    CHECK_RESULT(zone, "some.test", SPF_FAIL);
    CHECK_INT(zone.verdict.voids, 0);
    CHECK_RESULT(zone, "ill.test", SPF_TEMPERROR);
    CHECK_SLICE(zone.verdict.problem, "mx at ill.test: no answer from the DNS for A of e.test");
    zone_end(&zone);
}

TEST(a_thousand_addresses_are_compared)
{
    static struct zone_entry entries[1030];
    static char addresses[1024][64];
    size_t count = 0;
    entries[count++] = (struct zone_entry)ZONE_TXT("many.test", "v=spf1 a -all");
    for (size_t i = 0; i < 1024; i++) {
        snprintf(addresses[i], sizeof addresses[i], "198.51.%zu.%zu", i / 256, i % 256);
        entries[count++] = (struct zone_entry){"many.test", MW_DNS_ADDRESS4,
                                               slice_of(addresses[i])};
    }
    struct zone zone = {.entries = entries, .count = count};
    CHECK_RESULT(zone, "many.test", SPF_FAIL);
    snprintf(addresses[1023], sizeof addresses[1023], "192.0.2.1");
    entries[count - 1].value = slice_of(addresses[1023]);
    CHECK_RESULT(zone, "many.test", SPF_PASS);
    zone_end(&zone);
}

static const struct zone_entry sixes[] = {
    ZONE_TXT("six.test", "v=spf1 a:host.test//64 exists:seen.test -all"),
    ZONE_AAAA("host.test", "2001:db8:1::5"),
    ZONE_A("host.test", "192.0.2.1"),
    ZONE_A("seen.test", "127.0.0.2"),
    ZONE_TXT("zero.test", "v=spf1 a:host.test/0//0 -all"),
    ZONE_TXT("dual.test", "v=spf1 a:host.test/24//48 -all"),
    ZONE_TXT("odd.test", "v=spf1 ip6:2001:db8:8000::/33 ip4:192.0.2.128/25 -all"),
    ZONE_TXT("p.test", "v=spf1 ptr:client.test -all"),
    ZONE_AAAA("mail.client.test", "2001:db8:1::9"),
    ZONE_PTR("9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
             "mail.client.test"),
};

TEST(ipv6_clients)
{
    struct zone zone = ZONE(sixes);
    zone_check(&zone, "2001:db8:1::9", SENDER("six.test"), HELO);
    CHECK_SLICE(zone.verdict.mechanism, "a:host.test//64");
    CHECK(!zone_was_asked(&zone, "host.test", MW_DNS_ADDRESS4));
    zone_check(&zone, "2001:db8:2::9", SENDER("six.test"),
               HELO); /* exists asks for A all the same */
    CHECK_SLICE(zone.verdict.mechanism, "exists:seen.test");
    CHECK(!zone_was_asked(&zone, "seen.test", MW_DNS_ADDRESS6));
    zone_check(&zone, "2001:db8:1::9", SENDER("p.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    zone_end(&zone);
}

TEST(prefix_lengths)
{
    struct zone zone = ZONE(sixes);
    static const struct {
        const char *address;
        struct mw_slice sender;
        enum spf_result want;
    } cases[] = {
        {"203.0.113.7", SENDER("zero.test"), SPF_PASS},
        {"fd00::1", SENDER("zero.test"), SPF_PASS},
        {"192.0.2.200", SENDER("dual.test"), SPF_PASS},
        {"192.0.3.1", SENDER("dual.test"), SPF_FAIL},
        {"2001:db8:1:ffff::", SENDER("dual.test"), SPF_PASS},
        {"2001:db8:2::5", SENDER("dual.test"), SPF_FAIL},
        {"2001:db8:8000::1", SENDER("odd.test"), SPF_PASS},
        {"2001:db8:7fff::1", SENDER("odd.test"), SPF_FAIL},
        {"192.0.2.127", SENDER("odd.test"), SPF_FAIL},
        {"2001:db8:c000::1", SENDER("odd.test"), SPF_PASS},
        {"192.0.2.192", SENDER("odd.test"), SPF_PASS},
        {"192.0.2.128", SENDER("odd.test"), SPF_PASS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zone_check(&zone, cases[i].address, cases[i].sender, HELO);
        CHECK_INT(zone.verdict.result, cases[i].want);
    }
    zone_end(&zone);
}

static const struct zone_entry pointers[] = {
    ZONE_TXT("client.test", "v=spf1 ptr -all"),
    ZONE_TXT("other.test", "v=spf1 ptr:%{h2} -all"),
    ZONE_TXT("forged.test", "v=spf1 ptr -all"),
    ZONE_TXT("p.test", "v=spf1 exists:%{p}.x.test -all"),
    ZONE_PTR("1.2.0.192.in-addr.arpa", "ill.client.test"),
    ZONE_PTR("1.2.0.192.in-addr.arpa", "mail.notclient.test"),
    ZONE_PTR("1.2.0.192.in-addr.arpa", "forged.test"),
    ZONE_PTR("1.2.0.192.in-addr.arpa", "mail.client.test"),
    ZONE_A("mail.client.test", "198.51.100.9"),
    ZONE_A("mail.client.test", "192.0.2.1"),
    ZONE_A("mail.notclient.test", "192.0.2.1"),
    ZONE_A("forged.test", "203.0.113.1"),
    ZONE_FAILS("ill.client.test", MW_DNS_ADDRESS4),
    ZONE_A("mail.notclient.test.x.test", "127.0.0.2"),
    ZONE_FAILS("3.2.0.192.in-addr.arpa", MW_DNS_NAME_OF),
};

TEST(ptr_wants_a_validated_name_and_passes_over_errors)
{
    struct zone zone = ZONE(pointers);
    CHECK_RESULT(zone, "client.test", SPF_PASS);
    CHECK_INT(zone.side_by_side, 2);
    CHECK(!zone_was_asked(&zone, "mail.notclient.test", MW_DNS_ADDRESS4));
    CHECK_RESULT(zone, "other.test", SPF_PASS);
    CHECK_RESULT(zone, "forged.test", SPF_FAIL);
    zone_check(&zone, "192.0.2.3", SENDER("client.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_INT(zone.verdict.voids, 0);
    zone_check(&zone, "192.0.2.4", SENDER("client.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_INT(zone.verdict.voids, 1);
    zone_end(&zone);
}

TEST(the_p_macro_is_the_first_validated_name_or_unknown)
{
    struct zone zone = ZONE(pointers);
    CHECK_RESULT(zone, "p.test", SPF_PASS);
    zone_check(&zone, "192.0.2.3", SENDER("p.test"), HELO);
    CHECK(zone_was_asked(&zone, "unknown.x.test", MW_DNS_ADDRESS4));
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    zone_end(&zone);
}

TEST(of_many_ptr_names_ten_are_looked_at)
{
    static struct zone_entry entries[60];
    static char names[50][48];
    size_t count = 0;
    entries[count++] = (struct zone_entry)ZONE_TXT("client.test", "v=spf1 ptr -all");
    for (size_t i = 0; i < 50; i++) {
        snprintf(names[i], sizeof names[i], "n%zu.client.test", i);
        entries[count++] = (struct zone_entry){"1.2.0.192.in-addr.arpa", MW_DNS_NAME_OF,
                                               slice_of(names[i])};
    }
    entries[count++] = (struct zone_entry)ZONE_A("n10.client.test", "192.0.2.1");
    struct zone zone = {.entries = entries, .count = count};
    CHECK_RESULT(zone, "client.test", SPF_FAIL);
    CHECK_INT(zone.verdict.questions, 12);
    CHECK_INT(zone.side_by_side, 10);
    entries[count - 1].name = "n9.client.test";
    CHECK_RESULT(zone, "client.test", SPF_PASS);
    zone_end(&zone);
}

/* ---- 5.2, 6.1: include and redirect ---- */

static const struct zone_entry includes[] = {
    ZONE_TXT("i-pass.test", "v=spf1 ?include:pass.test -all"),
    ZONE_TXT("pass.test", "v=spf1 +all"),
    ZONE_TXT("i-fail.test", "v=spf1 include:fail.test ~all"),
    ZONE_TXT("fail.test", "v=spf1 -all exp=exp.test"),
    ZONE_TXT("i-soft.test", "v=spf1 include:soft.test -all"),
    ZONE_TXT("soft.test", "v=spf1 ~all"),
    ZONE_TXT("i-neutral.test", "v=spf1 include:neutral.test -all"),
    ZONE_TXT("neutral.test", "v=spf1"),
    ZONE_TXT("i-temp.test", "v=spf1 include:temp.test +all"),
    ZONE_FAILS("temp.test", MW_DNS_STRINGS),
    ZONE_TXT("i-perm.test", "v=spf1 include:perm.test +all"),
    ZONE_TXT("perm.test", "v=spf1 x:y"),
    ZONE_TXT("i-none.test", "v=spf1 include:none.test +all"),
    ZONE_TXT("i-bad.test", "v=spf1 include:%{l}..test +all"),
    ZONE_TXT("i-single.test", "v=spf1 include:%{l} +all"),
    ZONE_TXT("r-fail.test", "v=spf1 redirect=fail.test exp=wrong.test"),
    ZONE_TXT("exp.test", "for %{d}"),
    ZONE_TXT("wrong.test", "wrong"),
    ZONE_TXT("r-none.test", "v=spf1 redirect=none.test"),
    ZONE_TXT("r-all.test", "v=spf1 redirect=none.test ~all"),
    ZONE_TXT("r-in.test", "v=spf1 include:r-fail.test -all exp=own.test"),
    ZONE_TXT("own.test", "own words"),
    ZONE_TXT("d.test", "v=spf1 redirect=D2.test"),
    ZONE_TXT("d2.test", "v=spf1 exists:%{d}.%{o}.seen.test -all"),
    ZONE_A("D2.test.d.test.seen.test", "127.0.0.2"),
};

TEST(the_table_of_include)
{
    struct zone zone = ZONE(includes);
    CHECK_RESULT(zone, "i-pass.test", SPF_NEUTRAL);
    CHECK_SLICE(zone.verdict.mechanism, "?include:pass.test");
    CHECK_SLICE(zone.verdict.record_domain, "i-pass.test");
    CHECK_RESULT(zone, "i-fail.test", SPF_SOFTFAIL);
    CHECK_RESULT(zone, "i-soft.test", SPF_FAIL);
    CHECK_RESULT(zone, "i-neutral.test", SPF_FAIL);
    CHECK_RESULT(zone, "i-temp.test", SPF_TEMPERROR);
    CHECK_RESULT(zone, "i-perm.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.record_domain, "perm.test");
    CHECK_RESULT(zone, "i-none.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "include:none.test at i-none.test: no SPF record at none.test");
    CHECK_RESULT(zone, "i-bad.test", SPF_PERMERROR);
    CHECK_RESULT(zone, "i-single.test", SPF_PERMERROR);
    CHECK_INT(zone.verdict.questions, 1);
    zone_end(&zone);
}

TEST(redirect_goes_where_nothing_matched)
{
    struct zone zone = ZONE(includes);
    CHECK_RESULT(zone, "r-fail.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.record_domain, "fail.test");
    CHECK_SLICE(zone.verdict.explanation, "for fail.test");
    CHECK_RESULT(zone, "r-none.test", SPF_PERMERROR);
    CHECK_SLICE(zone.verdict.problem,
                "redirect=none.test at r-none.test: no SPF record at none.test");
    CHECK_RESULT(zone, "r-all.test", SPF_SOFTFAIL);
    CHECK_RESULT(zone, "r-in.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.explanation, "own words");
    CHECK_RESULT(zone, "d.test", SPF_PASS);
    zone_end(&zone);
}

/* ---- 6.2: explanations ---- */

static const struct zone_entry explanations[] = {
    ZONE_TXT("good.test", "v=spf1 -all exp=%{d1r}.exp.test"),
    ZONE_TXT("good.exp.test", "See http://%{d}/why?s=%{S}&i=%{c} %{t} by %{r}: %{p}"),
    ZONE_TXT("crlf.test", "v=spf1 -all exp=crlf.exp.test"),
    ZONE_TXT("crlf.exp.test", "a\r\n250 ok"),
    ZONE_TXT("eight.test", "v=spf1 -all exp=eight.exp.test"),
    ZONE_TXT("eight.exp.test", "\xc3\xbc"),
    ZONE_TXT("two.test", "v=spf1 -all exp=two.exp.test"),
    ZONE_TXT("two.exp.test", "a"),
    ZONE_TXT("two.exp.test", "b"),
    ZONE_TXT("bad.test", "v=spf1 -all exp=bad.exp.test"),
    ZONE_TXT("bad.exp.test", "100% sure"),
    ZONE_TXT("ill.test", "v=spf1 -all exp=ill.exp.test"),
    ZONE_FAILS("ill.exp.test", MW_DNS_STRINGS),
    ZONE_TXT("none.test", "v=spf1 -all exp=none.exp.test"),
    ZONE_TXT("empty.test", "v=spf1 -all exp=empty.exp.test"),
    ZONE_TXT("empty.exp.test", ""),
    ZONE_TXT("soft.test", "v=spf1 ~all exp=good.exp.test"),
    ZONE_TXT("own.test", "v=spf1 -all exp=own.test"),
    ZONE_TXT("big.test", "v=spf1 -all exp=big.exp.test"),
    ZONE_TXT("big.exp.test", "%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%"
                             "{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}"
                             "%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%"
                             "{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}"),
    ZONE_TXT("h.test", "v=spf1 -all exp=h.exp.test"),
    ZONE_TXT("h.exp.test", "%{h} %{l}"),
};

TEST(explanations_are_expanded)
{
    struct zone zone = ZONE(explanations);
    zone.setup.receiver = LIT("mx.receiver.test");
    zone.setup.time_s = 1234567890;
    CHECK_RESULT(zone, "good.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.explanation, "See http://good.test/why?s=user%40good.test&i=192.0.2.1 "
                                          "1234567890 by mx.receiver.test: unknown");
    CHECK_INT(zone.verdict.terms, 0);
    CHECK_INT(zone.verdict.voids, 0);
    CHECK_RESULT(zone, "own.test", SPF_FAIL);
    CHECK_SLICE(zone.verdict.explanation, "v=spf1 -all exp=own.test");
    CHECK_INT(zone.verdict.questions, 1);
    CHECK_RESULT(zone, "big.test", SPF_FAIL);
    CHECK_INT(zone.verdict.explanation.len, CHECK_EXPLANATION_MAX);
    zone_end(&zone);
}

TEST(explanations_with_anything_wrong_are_left_out)
{
    struct zone zone = ZONE(explanations);
    static const struct mw_slice senders[] = {
        SENDER("crlf.test"), SENDER("eight.test"), SENDER("two.test"),  SENDER("bad.test"),
        SENDER("ill.test"),  SENDER("none.test"),  SENDER("empty.test")};
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        zone_check(&zone, "192.0.2.1", senders[i], HELO);
        CHECK_INT(zone.verdict.result, SPF_FAIL);
        CHECK_SLICE(zone.verdict.explanation, "");
        CHECK_INT(zone.verdict.questions, 2);
    }
    CHECK_RESULT(zone, "soft.test", SPF_SOFTFAIL);
    CHECK_INT(zone.verdict.questions, 1);
    zone_end(&zone);
}

TEST(what_a_client_says_cannot_end_a_line)
{
    struct zone zone = ZONE(explanations);
    zone_check(&zone, "192.0.2.1", LIT("a\r\nb@h.test"), LIT("x\r\n\x80\0y"));
    CHECK_SLICE(zone.verdict.explanation, "x????y a??b");
    zone_end(&zone);
}

TEST(explanations_are_asked_for_only_where_wanted)
{
    struct zone zone = ZONE(explanations);
    zone_begin(&zone, "192.0.2.1", SENDER("good.test"), HELO);
    zone.setup.wants_explanation = false;
    while (!zone_round(&zone))
        continue;
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_INT(zone.verdict.questions, 1);
    zone_end(&zone);
}

/* ---- local records ---- */

TEST(local_records_stand_in_for_the_dns)
{
    static const struct spf_local locals[] = {
        {LIT("xn--bcher-kva.test"), LIT("v=spf1 ip4:192.0.2.1 -all")},
        {LIT("fail.test"), LIT("v=spf1 redirect=xn--bcher-kva.test")},
        {LIT("i-fail.test"), LIT("v=spf1 include:FAIL.test. -all")},
        {LIT("bad.test"), LIT("v=spf1 oops")}};
    struct zone zone = ZONE(includes);
    zone.setup.locals = locals;
    zone.setup.local_count = 4;
    CHECK_RESULT(zone, "i-fail.test", SPF_PASS);
    CHECK_INT(zone.verdict.questions, 0);
    CHECK_INT(zone.rounds, 0);
    zone_check(&zone, "192.0.2.1",
               LIT("u@b\xc3\xbc"
                   "cher.test"),
               HELO);
    CHECK_INT(zone.verdict.result, SPF_PASS);
    CHECK_RESULT(zone, "r-fail.test", SPF_PASS); /* of the DNS, redirects to a local one */
    CHECK_RESULT(zone, "bad.test", SPF_PERMERROR);
    zone_end(&zone);
}

/* ---- bounds, deadlines ---- */

TEST(questions_are_bounded)
{
    static struct zone_entry entries[160];
    static char hosts[110][48], names[10][48];
    size_t count = 0;
    entries[count++] = (struct zone_entry)ZONE_TXT(
        "many.test", "v=spf1 mx:m0.test mx:m1.test mx:m2.test mx:m3.test mx:m4.test mx:m5.test "
                     "mx:m6.test mx:m7.test mx:m8.test "
                     "mx:%{p1}.m9.test -all exp=%{p}.x.test");
    for (size_t i = 0; i < 100; i++) {
        snprintf(hosts[i], sizeof hosts[i], "h%zu.test", i);
        snprintf(names[i / 10], sizeof names[0], i / 10 == 9 ? "unknown.m9.test" : "m%zu.test",
                 i / 10);
        entries[count++] = (struct zone_entry){names[i / 10], MW_DNS_MAIL_EXCHANGER,
                                               slice_of(hosts[i])};
    }
    for (size_t i = 100; i < 110; i++) {
        snprintf(hosts[i], sizeof hosts[i], "p%zu.test", i);
        entries[count++] = (struct zone_entry){"1.2.0.192.in-addr.arpa", MW_DNS_NAME_OF,
                                               slice_of(hosts[i])};
    }
    entries[count++] = (struct zone_entry)ZONE_A("*", "198.51.100.1");
    struct zone zone = {.entries = entries, .count = count};
    zone_check(&zone, "192.0.2.1", SENDER("many.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PERMERROR);
    CHECK_INT(zone.verdict.questions, CHECK_QUESTIONS_MAX);
    CHECK_SLICE(zone.verdict.problem, "more than 120 DNS questions: mx:%{p1}.m9.test at many.test");
    CHECK(zone.rounds <= 30);
    zone_end(&zone);
}

/* 100 answers of 64 KB each: the check ends instead of keeping them. */
TEST(memory_is_bounded)
{
    enum { ADDRESSES = 4000 };
    static struct zone_entry entries[ADDRESSES + 200];
    static char hosts[100][48];
    size_t count = 0;
    entries[count++] = (struct zone_entry)ZONE_TXT(
        "big.test", "v=spf1 mx:m0.test mx:m1.test mx:m2.test mx:m3.test mx:m4.test mx:m5.test "
                    "mx:m6.test mx:m7.test mx:m8.test -all");
    for (size_t i = 0; i < 90; i++) {
        static char names[9][48];
        snprintf(hosts[i], sizeof hosts[i], "h%zu.test", i);
        snprintf(names[i / 10], sizeof names[0], "m%zu.test", i / 10);
        entries[count++] = (struct zone_entry){names[i / 10], MW_DNS_MAIL_EXCHANGER,
                                               slice_of(hosts[i])};
    }
    for (size_t i = 0; i < ADDRESSES; i++)
        entries[count++] = (struct zone_entry)ZONE_AAAA("*", "2001:db8::ffff");
    struct zone zone = {.entries = entries, .count = count};
    zone_check(&zone, "2001:db8::1", SENDER("big.test"), HELO);
    CHECK_INT(zone.verdict.result, SPF_PERMERROR);
    CHECK(memcmp(zone.verdict.problem.ptr, "too large DNS answers", 21) == 0);
    zone_end(&zone);
}

TEST(names_of_every_length_are_harmless)
{
    static char sender[600];
    struct zone zone = ZONE(basic);
    memset(sender, 'a', sizeof sender);
    for (size_t i = 60; i < sizeof sender; i += 60)
        sender[i] = '.';
    for (size_t len = 1; len < sizeof sender - 10; len++) {
        memcpy(sender + len, "@local.test", 11);
        zone_check(&zone, "192.0.2.1", SLICE(sender, len + 11), SLICE(sender, len));
        CHECK_INT(zone.verdict.result, SPF_FAIL);
        memset(sender + len, 'a', 11);
        for (size_t i = 60; i < sizeof sender; i += 60)
            sender[i] = '.';
        zone_check(&zone, "192.0.2.1", EMPTY, SLICE(sender, len));
        CHECK_INT(zone.verdict.result, SPF_NONE);
    }
    zone_end(&zone);
}

TEST(a_deadline_decides)
{
    struct zone zone = ZONE(explanations);
    zone_begin(&zone, "192.0.2.1", SENDER("good.test"), HELO);
    zone.is_mute = true;
    CHECK(!zone_round(&zone));
    spf_check_give_up(zone.check, "no result within 20 s");
    CHECK(zone_round(&zone));
    CHECK_INT(zone.verdict.result, SPF_TEMPERROR);
    CHECK_SLICE(zone.verdict.problem, "no result within 20 s");
    zone_end(&zone);
}

TEST(a_deadline_leaves_a_fail_without_its_explanation)
{
    struct zone zone = ZONE(explanations);
    zone_begin(&zone, "192.0.2.1", SENDER("good.test"), HELO);
    CHECK(!zone_round(&zone));
    CHECK(!zone_round(&zone)); /* the explanation's name */
    spf_check_give_up(zone.check, "too late");
    spf_check_answer(zone.check, 0, NULL);
    CHECK(zone_round(&zone));
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_SLICE(zone.verdict.explanation, "");
    zone_end(&zone);
}

TEST(an_answer_that_never_came_is_a_failure)
{
    struct zone zone = ZONE(basic);
    zone.is_mute = true;
    CHECK_RESULT(zone, "pass.test", SPF_TEMPERROR);
    CHECK_INT(zone.rounds, 1);
    zone_end(&zone);
}

TEST(answers_out_of_place_are_passed_over)
{
    struct zone zone = ZONE(basic);
    const struct spf_need *needs;
    size_t count;
    const struct mw_slice all = LIT("v=spf1 +all"), none = LIT("v=spf1 -all");
    const struct mw_dns_answer first = {sizeof first, MW_DNS_FOUND, &none, 1, 0},
                               second = {sizeof second, MW_DNS_FOUND, &all, 1, 0};
    zone_begin(&zone, "192.0.2.1", SENDER("pass.test"), HELO);
    spf_check_answer(zone.check, 0, &second);
    CHECK(!spf_check_run(zone.check, &needs, &count) && count == 1);
    spf_check_answer(zone.check, 1, &second);
    spf_check_answer(zone.check, 0, &first);
    spf_check_answer(zone.check, 0, &second);
    CHECK(spf_check_run(zone.check, &needs, &count));
    spf_check_verdict(zone.check, &zone.verdict);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK(spf_check_run(zone.check, &needs, &count));
    zone_end(&zone);
    spf_check_free(&zone.check);
}

TEST(found_without_values_is_nothing)
{
    struct zone zone = ZONE(basic);
    const struct spf_need *needs;
    size_t count;
    const struct mw_dns_answer empty = {sizeof empty, MW_DNS_FOUND, NULL, 0, 0};
    zone_begin(&zone, "192.0.2.1", SENDER("pass.test"), HELO);
    CHECK(!spf_check_run(zone.check, &needs, &count));
    spf_check_answer(zone.check, 0, &empty);
    CHECK(spf_check_run(zone.check, &needs, &count));
    spf_check_verdict(zone.check, &zone.verdict);
    CHECK_INT(zone.verdict.result, SPF_NONE);
    zone_end(&zone);
}
