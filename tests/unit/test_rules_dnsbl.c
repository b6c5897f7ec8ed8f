/* test_rules_dnsbl.c - DNS lists: the forms of filters and masks; several zones: weights, sums and
 * their bounds, zones that fail, and how rules read all that. What a single zone answers is in test_rules_list_slow.c. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "list_kit.h"
#include "list_priv.h"
#include "test.h"

static struct list_kit kit;

#define CHECK_SUM(value, want)                                                                \
    do {                                                                                      \
        const char *sum_ = kit_sum(&kit, value);                                              \
        if (strcmp(sum_, want) != 0)                                                          \
            mw_test_fail(__FILE__, __LINE__, "the sum of %s is '%s', want '%s'", value, sum_, \
                         want);                                                               \
    } while (0)

/* ---- filters of reply codes, as postscreen_dnsbl_sites has them, and masks ---- */

static bool fits(bool is_mask, const char *text, const char *ip_text)
{
    struct dnsbl_filter filter;
    unsigned char ip[4];
    size_t at;
    return rules_dnsbl_filter(slice_of(text), is_mask, &filter, &at) == NULL &&
           inet_pton(AF_INET, ip_text, ip) == 1 && rules_dnsbl_fits(&filter, ip);
}

struct bad_form {
    const char *text, *error; /* what the error begins with */
    size_t at;
};

static void check_bad_forms(bool is_mask, const struct bad_form *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct dnsbl_filter filter;
        size_t at;
        const char *error = rules_dnsbl_filter(slice_of(cases[i].text), is_mask, &filter, &at);
        CHECK(error != NULL);
        if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0 || at != cases[i].at)
            mw_test_fail(__FILE__, __LINE__, "%s: '%s' at %zu", cases[i].text, error, at);
    }
}

TEST(filter_takes_numbers_ranges_and_sets)
{
    CHECK(fits(false, "127.0.0.2", "127.0.0.2"));
    CHECK(!fits(false, "127.0.0.2", "127.0.0.3"));
    CHECK(fits(false, "127.0.0.[2..11]", "127.0.0.2"));
    CHECK(fits(false, "127.0.0.[2..11]", "127.0.0.11"));
    CHECK(!fits(false, "127.0.0.[2..11]", "127.0.0.12"));
    CHECK(!fits(false, "127.0.0.[2..11]", "127.0.1.2"));
    CHECK(fits(false, "127.0.[1;3..4].[0..255]", "127.0.4.255"));
    CHECK(!fits(false, "127.0.[1;3..4].[0..255]", "127.0.2.1"));
    CHECK(fits(false, "[127].[0].[0].[64;200..201;255]", "127.0.0.201"));
    CHECK(fits(false, "[127].[0].[0].[64;200..201;255]", "127.0.0.64"));
    CHECK(!fits(false, "[127].[0].[0].[64;200..201;255]", "127.0.0.65"));
}

TEST(mask_wants_all_of_its_bits)
{
    CHECK(fits(true, "0.0.0.4", "127.0.0.4"));
    CHECK(fits(true, "0.0.0.4", "127.0.0.6"));
    CHECK(!fits(true, "0.0.0.4", "127.0.0.8"));
    CHECK(fits(true, "0.0.0.6", "127.0.0.6"));
    CHECK(fits(true, "0.0.0.6", "127.0.0.14"));
    CHECK(!fits(true, "0.0.0.6", "127.0.0.4"));
    CHECK(!fits(true, "0.0.0.6", "127.0.0.2"));
    CHECK(fits(true, "127.0.1.128", "127.3.255.255"));
    CHECK(!fits(true, "127.0.1.128", "127.3.255.127"));
}

TEST(filter_of_bad_form_is_refused_where_it_is_bad)
{
    static const struct bad_form cases[] = {{"", "expected a number", 0},
                                            {"127", "expected '.'", 3},
                                            {"127.0.0", "expected '.'", 7},
                                            {"127.0.0.", "expected a number", 8},
                                            {"127.0.0.256", "expected a number", 11},
                                            {"127.0.0.2.3", "expected the end", 9},
                                            {"127.0.0.2*3", "expected the end", 9},
                                            {"127.0.0.[", "expected a number", 9},
                                            {"127.0.0.[]", "expected a number", 9},
                                            {"127.0.0.[3..2]", "a range goes", 13},
                                            {"127.0.0.[1..]", "expected a number", 12},
                                            {"127.0.0.[1", "expected '..', ';' or ']'", 10},
                                            {"127.0.0.[1,2]", "expected '..', ';' or ']'", 10},
                                            {"127.0.0.[[1]]", "expected a number", 9},
                                            {"a.b.c.d", "expected a number", 0}};
    check_bad_forms(false, cases, sizeof cases / sizeof *cases);
}

TEST(mask_of_bad_form_is_refused_where_it_is_bad)
{
    static const struct bad_form cases[] = {
        {"", "expected a number", 0},          {"0.0.0", "expected '.'", 5},
        {"0.0.0.[1]", "expected a number", 6}, {"0.0.0.256", "expected a number", 9},
        {"0.0.0.1.", "expected the end", 7},   {"0.0.0.0", "a mask has bits", 7},
        {"127.0.0.0", "a mask has bits", 9},   {"0.0.0.-1", "expected a number", 6}};
    check_bad_forms(true, cases, sizeof cases / sizeof *cases);
}

/* Any octets: no crash, and the place is inside. */
TEST(filter_of_any_octets_ends)
{
    uint64_t seed = 7;
    static const char signs[] = "0123456789.[];*127.0.0.2";
    for (unsigned i = 0; i < 200000; i++) {
        char text[24];
        size_t len = mw_test_random(&seed) % sizeof text, at = 0;
        for (size_t k = 0; k < len; k++)
            text[k] = signs[mw_test_random(&seed) % (sizeof signs - 1)];
        struct dnsbl_filter filter;
        const char *error = rules_dnsbl_filter(SLICE(text, len), i % 2, &filter, &at);
        CHECK(at <= len && (error != NULL || at == len));
    }
}

/* ---- sums ---- */

static const struct kit_answer answers[] = {
    {"1.2.0.192.a.example", "127.0.0.2"},
    {"1.2.0.192.b.example", "127.0.0.3"},
    {"1.2.0.192.c.example", "127.0.0.6"},
    {"2.2.0.192.a.example", "127.0.0.2"},
    {"2.2.0.192.b.example", "?"},
    {"2.2.0.192.w.example", "?"},
    {"3.2.0.192.a.example", "127.0.0.2"},
    {"3.2.0.192.w.example", "127.0.10.2 127.0.5.1"},
    {"4.2.0.192.a.example", "!"},
    {"4.2.0.192.b.example", "127.0.0.3"},
    {"5.2.0.192.a.example", "127.255.255.254"},
    {"5.2.0.192.b.example", "127.0.0.2 198.51.100.1"},
    {"6.2.0.192.a.example", "127.0.0.2 127.0.0.4"},
    {"7.2.0.192.a.example", "?"},
    {"8.2.0.192.b.example", "127.0.0.2"},
    {"TXT 1.2.0.192.b.example", "See https://b.example"},
    {"TXT 2.2.0.192.a.example", "?"},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d."
     "0.1.0.0.2.a.example",
     "127.0.0.2"},
    {"bad.test.a.example", "127.0.1.2"},
    {"bad.test.b.example", "127.0.1.2"},
    {0}};

TEST(weights_of_zones_add_up)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"b.example=127.0.0.[2..9]*2\", \"c.example&0.0.0.4\" threshold "
          "5 timeout 300ms",
          "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS_NOT("192.0.2.3"); /* 3 */
    CHECK_HAS_NOT("192.0.2.8"); /* 2 */
    rules_list_want_all(kit_set(&kit)->list);
    CHECK_SUM("192.0.2.1", "6 of a.example b.example c.example");
    CHECK_SUM("192.0.2.3", "3 of a.example");
    CHECK_SUM("192.0.2.8", "2 of b.example");
    CHECK_SUM("192.0.2.99", "0");
    CHECK_SUM("2001:db8::1", "3 of a.example");
    kit_fini(&kit);
}

TEST(domains_are_asked_in_the_same_lists)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"b.example*2\" threshold 5", "sender.domain");
    CHECK_HAS("bad.test");
    CHECK_HAS("BAD.test.");
    CHECK_SUM("bad.test", "5 of a.example b.example");
    CHECK_HAS_NOT("good.test");
    kit.asked[0] = '\0';
    CHECK_HAS_NOT("");
    CHECK_HAS_NOT("[192.0.2.1]");
    CHECK_HAS_NOT("192.0.2.1"); /* lists of domains answer "do not ask that" with a code */
    CHECK_HAS_NOT("a b.test");
    CHECK_HAS_NOT("b\xc3\xa4"
                  "d.test");
    CHECK_HAS_NOT("bad..test");
    CHECK_INT(strlen(kit.asked), 0); /* none of them was asked for */
    kit_fini(&kit);
}

TEST(those_who_vouch_take_off)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"w.example=127.0.[0..255].[1..3]*-2\" threshold 2 timeout 300ms",
          "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS_NOT("192.0.2.3");                     /* 3 - 2, once, though two codes fit */
    CHECK_FAILED("192.0.2.2", "no answer in time"); /* 3, or 1 */
    rules_list_want_all(kit_set(&kit)->list);
    CHECK_SUM("192.0.2.3", "1 of a.example");
    CHECK_SUM("192.0.2.2", "1..3 of a.example");
    kit_fini(&kit);
}

TEST(zone_with_several_entries_is_asked_once)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example=127.0.0.2*3\", \"A.example.=127.0.0.4*4\", \"a.example=127.0.0.9*5\" "
          "threshold 7",
          "client.ip");
    CHECK_HAS("192.0.2.6"); /* both codes */
    CHECK_HAS_NOT("192.0.2.1");
    rules_list_want_all(kit_set(&kit)->list);
    kit.asked[0] = '\0';
    CHECK_SUM("192.0.2.6", "7 of a.example");
    CHECK(strcmp(kit.asked, "6.2.0.192.a.example\n") == 0);
    kit_fini(&kit);
}

/* A name server that does not answer costs nothing where the others decide. */
TEST(nobody_waits_for_what_cannot_matter)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"b.example*2\" threshold 3 timeout 60s", "client.ip");
    CHECK_HAS("192.0.2.2"); /* b is silent: 3 suffices */
    START("dnsbl \"a.example*3\", \"b.example*2\" threshold 5 timeout 60s", "client.ip");
    CHECK_HAS_NOT("192.0.2.7"); /* a is silent: without b it cannot come to 5 */
    START("dnsbl \"a.example*3\", \"b.example*2\", \"w.example*-1\" threshold 3 timeout 300ms",
          "client.ip");
    CHECK_FAILED("192.0.2.2", "no answer in time"); /* w may take one off */
    CHECK_SUM("192.0.2.2", "2..5 of a.example");
    kit_fini(&kit);
}

TEST(zone_that_fails_counts_only_where_it_matters)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"b.example*2\" threshold 2 timeout 300ms", "client.ip");
    CHECK_HAS("192.0.2.4");            /* a fails, b has 2 */
    CHECK_FAILED("192.0.2.5", "the "); /* a refuses to serve, b has an address that is no code */
    CHECK_FAILED("192.0.2.7", "no answer in time");
    rules_list_want_all(kit_set(&kit)->list);
    CHECK_HAS("192.0.2.4");
    CHECK_SUM("192.0.2.4", "2..5 of b.example");
    CHECK_SUM("192.0.2.1", "5 of a.example b.example");
    CHECK_SUM("192.0.2.5", "0..5");
    CHECK_INT(kit_count(&kit, "list.l.b.example.failures"), 2);
    CHECK_INT(kit_count(&kit, "list.l.b.example.hits"), 4);
    CHECK_INT(kit_count(&kit, "list.l.b.example.queries"), 7);
    CHECK_INT(kit_count(&kit, "list.l.a.example.queries"), 7);
    CHECK_INT(kit_count(&kit, "list.l.a.example.hits"), 1);
    kit_fini(&kit);
}

TEST(zone_that_keeps_failing_is_left_alone_for_a_while)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example\" timeout 20ms", "client.ip");
    for (unsigned i = 0; i < 5; i++)
        CHECK_FAILED("192.0.2.7", "no answer in time");
    CHECK(
        kit_noted(&kit, "list-zone-suspended list=l zone=a.example reason=no answer in time\n", 1));
    kit.asked[0] = '\0';
    CHECK_FAILED("192.0.2.1", "not asked for a minute");
    CHECK_INT(strlen(kit.asked), 0);
    kit.clock_skew_ms += 61000;
    CHECK_FAILED("192.0.2.7",
                 "no answer in time"); /* tried again: still dead, and not told again */
    CHECK_FAILED("192.0.2.1", "not asked for a minute");
    CHECK(kit_noted(&kit, "list-zone-suspended", 1));
    CHECK(strstr(strstr(kit.notes, "list-zone-suspended") + 1, "list-zone-suspended") == NULL);
    kit.clock_skew_ms += 61000;
    CHECK_HAS("192.0.2.1");
    CHECK(kit_noted(&kit, "list-zone-back list=l zone=a.example\n", 1));
    for (unsigned i = 0; i < 4; i++) /* the count begins anew */
        CHECK_FAILED("192.0.2.7", "no answer in time");
    CHECK_HAS("192.0.2.1");
    kit_fini(&kit);
}

TEST(text_of_the_heaviest_zone_is_asked_for_once_it_is_wanted)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example\", \"b.example*2\" timeout 300ms", "client.ip");
    rules_list_want_all(kit_set(&kit)->list);
    CHECK_SUM("192.0.2.1", "3 of a.example b.example");
    CHECK(strstr(kit.asked, "TXT") == NULL);
    rules_list_want_text(kit_set(&kit)->list);
    CHECK_SUM("192.0.2.1", "3 of a.example b.example, See https://b.example");
    CHECK_SUM("192.0.2.3", "1 of a.example"); /* has none */
    kit.asked[0] = '\0';
    CHECK_SUM("192.0.2.99", "0"); /* nothing is listed: nothing to tell */
    CHECK(strstr(kit.asked, "TXT") == NULL);
    kit_fini(&kit);
}

TEST(text_that_does_not_come_changes_nothing)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example*3\", \"b.example\" threshold 3 timeout 100ms", "client.ip");
    rules_list_want_text(kit_set(&kit)->list);
    CHECK_HAS("192.0.2.2"); /* after the timeout: the sum was known before */
    CHECK(strstr(kit.asked, "TXT 2.2.0.192.a.example\n") != NULL);
    CHECK_INT(kit_count(&kit, "list.l.a.example.failures"), 0);
    kit_fini(&kit);
}

/* The sum's bounds against the plain definition: each zone answers, fails or is silent at random. */
TEST(bounds_of_random_lists_are_as_defined)
{
    static struct kit_answer said[16];
    static char names[16][64];
    uint64_t seed = 11;
    for (unsigned round = 0; round < 60; round++) {
        char text[600];
        struct builder out = {.ptr = text, .cap = sizeof text - 1};
        unsigned zones = 1 + (unsigned)(mw_test_random(&seed) % 6);
        int low = 0, high = 0;
        builder_putf(&out, "dnsbl");
        memset(said, 0, sizeof said);
        for (unsigned i = 0; i < zones; i++) {
            int weight = (int)(mw_test_random(&seed) % 9) - 4;
            unsigned says = (unsigned)(mw_test_random(&seed) % 5);
            weight = weight == 0 ? 5 : weight;
            builder_putf(&out, "%s \"z%u.example*%d\"", i > 0 ? "," : "", i, weight);
            snprintf(names[i], sizeof names[i], "1.2.0.192.z%u.example", i);
            said[i] = (struct kit_answer){names[i], says == 0   ? "!"
                                                    : says == 1 ? "127.255.255.255"
                                                    : says == 2 ? ""
                                                                : "127.0.0.2"};
            bool is_known = says >= 2;
            low += is_known ? (says > 2) * weight : weight < 0 ? weight : 0;
            high += is_known ? (says > 2) * weight : weight > 0 ? weight : 0;
        }
        text[out.len] = '\0';
        kit_init(&kit);
        kit.dns = said;
        START(text, "client.ip");
        rules_list_want_all(kit_set(&kit)->list);
        char want[64], got[64];
        snprintf(want, sizeof want, low == high ? "%d" : "%d..%d", low, high);
        const char *sum = kit_sum(&kit, "192.0.2.1");
        snprintf(got, sizeof got, "%.*s", (int)strcspn(sum, " "), sum);
        CHECK(strcmp(got, want) == 0);
        kit_fini(&kit);
    }
}

TEST(lists_of_bad_form_are_errors)
{
    kit_init(&kit);
    CHECK_ERROR("dnsbl \"a.example*0\"", "client.ip",
                "\"0\" is no weight: a whole number up to 1000");
    CHECK_ERROR("dnsbl \"a.example*\"", "client.ip", "\"\" is no weight");
    CHECK_ERROR("dnsbl \"a.example*1.5\"", "client.ip", "\"1.5\" is no weight");
    CHECK_ERROR("dnsbl \"a.example*--1\"", "client.ip", "\"--1\" is no weight");
    CHECK_ERROR("dnsbl \"a.example*1001\"", "client.ip", "\"1001\" is no weight");
    CHECK_ERROR("dnsbl \"a.example=127.0.0.[2..x]*2\"", "client.ip",
                "t.rules:1:39:1: error: reply code: expected a number");
    CHECK_ERROR("dnsbl \"a.example&0.0.0.0\"", "client.ip",
                "t.rules:1:34:1: error: reply code: a mask has bits");
    CHECK_ERROR("dnsbl \"a.example&\"", "client.ip", "reply code: expected a number");
    CHECK_ERROR("dnsbl \"a.example*2\", \"b.example*-9\" threshold 3", "client.ip",
                "this list can never hold: its zones come to 2 at most");
    CHECK_ERROR("dnsbl \"a.example\" threshold 0", "client.ip",
                "expected the sum from which on the list holds, from 1");
    CHECK_ERROR("dnsbl \"a.example\" threshold -1", "client.ip", "expected the sum");
    CHECK_ERROR("dnsbl \"a.example\" threshold", "client.ip", "expected the sum");
    kit_fini(&kit);
}

/* A message with very many links must not make a storm of questions. */
TEST(each_zone_counts_where_questions_are_bounded)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"a.example\", \"b.example\", \"c.example\", \"d.example\"", "client.ip");
    struct list_answers *asked = rules_list_answers_new(kit.rules);
    struct list_sum sum;
    for (unsigned i = 0; i <= LIST_QUESTIONS_MAX / 4; i++) {
        unsigned char ip[16] = {[10] = 0xff,     [11] = 0xff, 10, 0, (unsigned char)(i >> 8),
                                (unsigned char)i};
        struct value value = {.text = SLICE((const char *)ip, 16)};
        CHECK_INT(rules_list_sum(kit_set(&kit), &value, asked, &sum),
                  i < LIST_QUESTIONS_MAX / 4 ? LIST_ASK : LIST_FAILED);
    }
    CHECK(strstr(sum.error, "too many questions") != NULL);
    CHECK(sum.is_partial && sum.low == 0 && sum.high == 4);
    rules_list_answers_free(&asked);
    kit_fini(&kit);
}
