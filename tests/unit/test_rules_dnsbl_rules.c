/* test_rules_dnsbl_rules.c - DNS lists in rules: dnsbl.score, .zones and .text in conditions and texts, what
 * is asked when, what tests of rule files say of them; and facts of other filters with several values. */
#include "closed.h"
#include "list.h"
#include "live.h"
#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static struct mw_instance instance;
static struct mw_ctx ctx;

static struct rules *load(const char *text)
{
    instance = (struct mw_instance){.counters = NULL};
    struct rules *rules = fake_load(&instance, text);
    if (rules == NULL)
        fprintf(stderr, "%s", instance.diags);
    return rules;
}

#define CHECK_DIAGS(text, want)                                                              \
    do {                                                                                     \
        instance = (struct mw_instance){.counters = NULL};                                   \
        struct rules *rules_ = fake_load(&instance, text);                                   \
        if (strcmp(instance.diags, want) != 0)                                               \
            mw_test_fail(__FILE__, __LINE__, "for\n%sgot\n%swant\n%s", text, instance.diags, \
                         want);                                                              \
        fake_unload(&instance, rules_);                                                      \
    } while (0)

static void report(void *user, const struct mw_test_result *result)
{
    (void)user;
    if (!result->passed)
        fprintf(stderr, "%s: %s\n", result->name, result->detail);
}

/* All test blocks pass. */
static void passes(const char *text, int line)
{
    struct rules *rules = load(text);
    if (rules == NULL || rules_test_run(rules, report, NULL) != 0)
        mw_test_fail(__FILE__, line, "a test of the rules fails");
    fake_unload(&instance, rules);
}
#define PASSES(text) passes(text, __LINE__)

/* ---- in tests of rule files ---- */

#define LISTS                                                            \
    "list bl = dnsbl \"a.example*3\", \"b.example=127.0.0.[2..4]*2\",\n" \
    "    \"w.example*-4\" threshold 4\n"                                 \
    "list rhs = dnsbl \"dbl.example\"\n"

TEST(test_blocks_say_who_is_listed)
{
    PASSES(LISTS
           "a: reject \"${client.ip} is listed by ${dnsbl.zones('bl')}\" when client.ip in bl\n"
           "test \"not\" { expect accept }\n"
           "test \"one is not enough\" { client 192.0.2.9 listed 192.0.2.9 \"a.example\" expect "
           "accept }\n"
           "test \"two are\" { client 192.0.2.9 listed 192.0.2.9 \"a.example\" listed 192.0.2.9 "
           "b.example expect reject by a }\n"
           "test \"other code\" { client 192.0.2.9 listed 192.0.2.9 \"a.example\" listed 192.0.2.9 "
           "b.example 127.0.0.5 expect accept }\n"
           "test \"several codes\" { client 192.0.2.9 listed 192.0.2.9 \"a.example\" listed "
           "192.0.2.9 b.example 127.0.0.5\n"
           "    listed 192.0.2.9 b.example 127.0.0.4 expect reject }\n"
           "test \"vouched for\" { client 192.0.2.9 listed 192.0.2.9 a.example listed 192.0.2.9 "
           "b.example listed 192.0.2.9 w.example expect accept }\n"
           "test \"somebody else\" { client 192.0.2.9 listed 192.0.2.8 a.example listed 192.0.2.8 "
           "b.example expect accept }\n"
           "test \"IPv6\" { client 2001:db8::1 listed 2001:db8:0::1 a.example listed 2001:db8::1 "
           "b.example expect reject }\n"
           "test \"refused to serve\" { client 192.0.2.9 listed 192.0.2.9 a.example "
           "127.255.255.254 listed 192.0.2.9 b.example expect accept }\n"
           "test \"lie\" { client 192.0.2.9 listed 192.0.2.9 a.example 192.0.2.80 listed 192.0.2.9 "
           "b.example expect accept }\n");
}

TEST(zone_that_fails_is_the_rules_error_unless_others_decide)
{
    PASSES(LISTS "a: reject when client.ip in bl on_error defer 451 4.7.1 \"later\"\n"
                 "test \"fails\" { listed 192.0.2.1 a.example listed 192.0.2.1 b.example fails "
                 "expect defer 451 by a }\n"
                 "test \"cannot matter\" { listed 192.0.2.1 b.example listed 192.0.2.1 w.example "
                 "listed 192.0.2.1 a.example fails expect accept }\n"
                 "test \"all well\" { listed 192.0.2.1 a.example expect accept }\n");
}

TEST(scores_are_numbers)
{
    PASSES(LISTS "high: tag \"high\" when dnsbl.score(\"bl\") >= 5\n"
                 "some: tag \"some\" when dnsbl.score(\"bl\") > 0\n"
                 "none: tag \"none\" when dnsbl.score(\"client.ip in bl\") == 0\n"
                 "good: tag \"good\" when dnsbl.score(\"bl\") < -1\n"
                 "odd: tag \"odd\" when dnsbl.score(\"bl\") != 0 and not dnsbl.score(\"bl\") <= 2\n"
                 "all: add header \"X-B: ${dnsbl.score('bl')} ${dnsbl.zones('bl')} "
                 "(${dnsbl.text('bl')})\" when always\n"
                 "test \"nothing\" { expect tag \"none\" expect miss some expect miss odd expect "
                 "header \"X-B: 0  ()\" }\n"
                 "test \"one\" { listed 192.0.2.1 b.example expect tag \"some\" expect miss odd "
                 "expect miss high expect header \"X-B: 2 b.example ()\" }\n"
                 "test \"both\" { listed 192.0.2.1 b.example \"why b\" listed 192.0.2.1 a.example "
                 "127.0.0.2 \"why a\"\n"
                 "    expect tag \"high\" expect tag \"odd\" expect miss none expect header \"X-B: "
                 "5 a.example, b.example (why a)\" }\n"
                 "test \"good\" { listed 192.0.2.1 w.example expect tag \"good\" expect miss some "
                 "expect header \"X-B: -4  ()\" }\n");
}

TEST(score_with_a_failing_zone_is_between_bounds)
{
    PASSES(LISTS "x: tag \"x\" when dnsbl.score(\"bl\") >= 3 on_error match\n" /* 1 .. 5 */
                 "y: tag \"y\" when dnsbl.score(\"bl\") >= 6 on_error match\n"
                 "z: tag \"z\" when dnsbl.score(\"bl\") >= -2 on_error no-match\n"
                 "e: tag \"e\" when dnsbl.score(\"bl\") == 7 on_error match\n"
                 "f: tag \"f\" when dnsbl.score(\"bl\") == 4 on_error match\n"
                 "t: add header \"X-B: ${dnsbl.score('bl')}\" when always\n"
                 "test \"t\" { listed 192.0.2.1 a.example fails listed 192.0.2.1 b.example expect "
                 "hit x expect miss y expect hit z expect miss e\n"
                 "    expect hit f expect header \"X-B: 2\" }\n");
}

TEST(zones_are_values)
{
    PASSES(LISTS "x: tag \"x\" when dnsbl.zones(\"bl\") == b.example\n"
                 "y: tag \"y\" when any(dnsbl.zones(\"bl\") =~ /^a\\./)\n"
                 "z: tag \"z\" when dnsbl.zones(\"bl\") in (w.example, .example)\n"
                 "n: tag \"n\" when dnsbl.zones(\"bl\") is empty\n"
                 "t: tag \"t\" when dnsbl.text(\"bl\") =~ /spam/\n"
                 "test \"b\" { listed 192.0.2.1 b.example 127.0.0.2 \"sends spam\" expect hit x "
                 "expect miss y expect hit z expect miss n expect hit t }\n"
                 "test \"a\" { listed 192.0.2.1 a.example expect miss x expect hit y expect miss n "
                 "expect miss t }\n"
                 "test \"w\" { listed 192.0.2.1 w.example expect miss z expect hit n }\n"
                 "test \"f\" { listed 192.0.2.1 a.example fails expect miss y expect miss n }\n");
}

TEST(domains_of_all_kinds_are_looked_up)
{
    PASSES(LISTS
           "s: tag \"s\" when sender.domain in rhs\n"
           "h: tag \"h\" when dnsbl.score(\"helo in rhs\") > 0\n"
           "f: tag \"f\" when dnsbl.score(\"from.domain in rhs\") >= 1\n"
           "g: tag \"g\" when from { dnsbl.score(\"domain in rhs\") > 0 and address =~ /^x/ }\n"
           "r: reject \"${dnsbl.zones('rcpt.domain in rhs')}\" when dnsbl.score(\"rcpt.domain in "
           "rhs\") > 0\n"
           "test \"sender\" { from <a@bad.test> listed BAD.test dbl.example 127.0.1.2 expect tag "
           "\"s\" expect miss h expect miss f expect accept }\n"
           "test \"helo\" { helo bad.test listed bad.test dbl.example expect miss s expect tag "
           "\"h\" }\n"
           "test \"header\" { header \"From: a@good.test, x@bad.test\" listed bad.test dbl.example "
           "expect tag \"f\" expect tag \"g\" }\n"
           "test \"of another\" { header \"From: x@good.test, b@bad.test\" listed bad.test "
           "dbl.example expect tag \"f\" expect miss g }\n"
           "test \"rcpt\" { to <a@good.test>, <b@bad.test> listed bad.test dbl.example expect "
           "reject by r for <b@bad.test> expect accept for <a@good.test> }\n");
}

TEST(what_cannot_be_is_told_at_load)
{
    CHECK_DIAGS("list x = dnsbl \"a.example\"\na: reject when dnsbl.score(\"y\") > 1\n",
                "dir/t.rules:2:16:11: error: unknown list \"y\"\n");
    CHECK_DIAGS(
        "list blocked = dnsbl \"a.example\"\na: reject when dnsbl.score(\"blokced\") > 1\n",
        "dir/t.rules:2:16:11: error: unknown list \"blokced\" | did you mean \"blocked\"?\n");
    CHECK_DIAGS(
        "list x = a, b\na: reject when dnsbl.score(\"helo in x\") > 1\n",
        "dir/t.rules:2:16:11: error: list \"x\" is not asked in the DNS | a list of the kind "
        "dnsbl has zones and weights\n");
    CHECK_DIAGS(LISTS "a: reject when dnsbl.score > 1\n",
                "dir/t.rules:4:16:11: error: dnsbl.score needs a name: dnsbl.score(\"...\")\n");
    CHECK_DIAGS(LISTS "a: reject when dnsbl.score(\"helo rhs\") > 1\n",
                "dir/t.rules:4:16:11: error: dnsbl.score needs a list, or FIELD in LIST, in its "
                "parentheses | such as dnsbl.score(\"blocked\") or dnsbl.score(\"sender.domain in "
                "blocked\")\n");
    CHECK_DIAGS(LISTS "a: reject when dnsbl.score(\"heelo in rhs\") > 1\n",
                "dir/t.rules:4:16:11: error: unknown field \"heelo\" | did you mean \"helo\"?\n");
    CHECK_DIAGS(
        LISTS "a: reject when dnsbl.score(\"subject in rhs\") > 1\n",
        "dir/t.rules:3:6:3: error: list \"rhs\" is asked in the DNS, and header is a text | a "
        "DNS list has addresses (client.ip) or domains\n");
    CHECK_DIAGS(LISTS "a: reject when dnsbl.score(\"rhs\") > 1.5\n",
                "dir/t.rules:4:37:3: error: dnsbl.score is a whole number\n");
    CHECK_DIAGS(LISTS "a: reject when dnsbl.zones(\"rhs\").fold == x\n",
                "dir/t.rules:4:16:11: error: dnsbl.zones has no .fold\n");
    CHECK_DIAGS(
        "list rhs = dnsbl \"dbl.example\"\n"
        "a at connect: reject when dnsbl.score(\"sender.domain in rhs\") > 0\n",
        "dir/t.rules:2:6:7: error: this rule can never be decided at connect: dnsbl.score is "
        "known at mail\n");
    CHECK_DIAGS(
        "list w = dnsbl \"w.example*-1\"\na: reject when client.ip in w\n",
        "dir/t.rules:2:29:1: error: nothing is ever in list \"w\": all its weights are below "
        "zero | read its dnsbl.score, or write `not in` and another list\n");
    CHECK_DIAGS("list w = dnsbl \"zen.example\"\na: reject when client.ip in w\n"
                "test \"t\" { listed 192.0.2.1 zon.example expect accept }\n",
                "dir/t.rules:3:29:11: error: no list has the zone \"zon.example\" | did you mean "
                "\"zen.example\"?\n");
}

TEST(lists_are_checked_where_they_stand)
{
    static char text[20000];
    CHECK_DIAGS("list x = dnsbl \"a.example*0\"\n",
                "dir/t.rules:1:16:13: error: \"0\" is no weight: a whole number up to 1000, not 0 "
                "| such as "
                "\"list.example*2\", or *-2 for those who vouch\n");
    CHECK_DIAGS(
        "list x = dnsbl \"a.example&1\"\n",
        "dir/t.rules:1:28:1: error: reply code: expected '.': a code has four parts | such as "
        "\"list.example&0.0.0.6\"\n");
    CHECK_DIAGS(
        "list x = dnsbl \"a.example\" threshold 2\n",
        "dir/t.rules:1:38:1: error: this list can never hold: its zones come to 1 at most | give "
        "zones more weight: \"list.example*2\"\n");
    CHECK_DIAGS(
        "list x = dnsbl \"a.example\"\na: log \"x\" when dnsbl.score(\"dnsbl.text in x\") > 0\n",
        "dir/t.rules:2:17:11: error: dnsbl.text needs a name: dnsbl.text(\"...\")\n");
    CHECK_DIAGS("list x = dnsbl \"a.example\"\na: log \"x\" when helo in x\n"
                "test \"t\" { listed a.test a.example 127.0.0 expect accept }\n",
                "dir/t.rules:3:36:7: error: expected a code such as 127.0.0.2, or fails, found "
                "'127.0.0'\n");
    PASSES("list x = dnsbl \"a.example\",\n \"b.example\"\n    timeout 1s\n  threshold 2\n"
           "timeout: log \"x\" when helo in x\nlist y = dnsbl \"c.example\"\n"
           "threshold at mail: log \"y\" when helo in y\n"
           "test \"t\" { helo a.test listed a.test a.example listed a.test c.example expect hit "
           "threshold "
           "expect miss timeout }\n");
    int len = snprintf(text, sizeof text, "list x = dnsbl \"a.example\"");
    for (int i = 0; i < 512; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, ",\n \"a.example=127.0.%d.%d\"",
                        i / 256, i % 256);
    CHECK_DIAGS(text, "dir/t.rules:513:2:23: error: more than 512 entries in one list\n");
}

/* ---- fields whose values are known ---- */

TEST(values_that_never_come_are_warned_of)
{
    CHECK_DIAGS(
        "a: reject when spf.result == failed\n",
        "dir/t.rules:1:16:10: warning: spf.result is never \"failed\" | did you mean \"fail\"?\n");
    CHECK_DIAGS(
        "a: reject when dmarc.policy in (quarantine, none, refuse)\n",
        "dir/t.rules:1:51:6: warning: dmarc.policy is never \"refuse\" | dmarc.policy is none, "
        "quarantine, reject\n");
    CHECK_DIAGS("a: reject when mime.defects == html-hiden or mime.defects == nesting\n",
                "dir/t.rules:1:16:12: warning: mime.defects is never \"html-hiden\" | did you mean "
                "\"html-hidden\"?\n");
    CHECK_DIAGS("a: reject when spf.result == PermError and spf.helo_result != \"\"\n", "");
}

/* The rules' own copy of the names of defects is the proxy's. */
TEST(defects_are_those_of_the_proxy)
{
    static const char *const names[] = {
#define DEFECT(id, name, severity, text) name,
#include "message/defects.def"
#undef DEFECT
        NULL};
    const char *const *known = rules_closed_values(rules_field(FIELD_MIME_DEFECTS));
    size_t i = 0;
    for (; names[i] != NULL && known[i] != NULL; i++)
        CHECK(strcmp(names[i], known[i]) == 0);
    CHECK(names[i] == NULL && known[i] == NULL);
}

/* ---- live ---- */

static void open_session(struct rules *rules)
{
    fake_ctx_init(&ctx, &instance, rules);
    fake_fact_ip(&ctx, "client.ip", "192.0.2.1");
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "a@x.example");
}

TEST(texts_have_what_the_lists_said)
{
    struct rules *rules = load(
        "list bl = dnsbl \"a.example*2\", \"b.example\", \"c.example\" threshold 3\n"
        "a at mail: reject \"listed by ${dnsbl.zones('bl')} (${dnsbl.score('bl')})\" reason "
        "\"${dnsbl.score('bl')}\"\n"
        "    when client.ip in bl\n");
    CHECK(rules != NULL);
    rules_lists_start(rules);
    instance.listed = "1.2.0.192.a.example 1.2.0.192.b.example ";
    open_session(rules);
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), MW_WAIT);
    fake_loop(&ctx);
    CHECK_INT(ctx.resumed, MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "listed by a.example, b.example (3)");
    CHECK_MEM(ctx.reason, strlen(ctx.reason), "3");
    CHECK_INT(instance.asked, 3);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* A rule that only tells the score asks for it when it acts, and only then. */
TEST(lists_of_texts_are_asked_when_the_rule_acts)
{
    struct rules *rules = load(
        "list bl = dnsbl \"a.example*2\", \"b.example\"\n"
        "a: log \"${dnsbl.score('bl')} ${dnsbl.zones('bl')}\" when sender.local == a\n");
    CHECK(rules != NULL);
    rules_lists_start(rules);
    instance.listed = "1.2.0.192.b.example ";
    open_session(rules);
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), MW_WAIT);
    fake_loop(&ctx);
    CHECK(strstr(ctx.log, "rule-log rule=a where=t.rules:2 text=1 b.example\n") != NULL);
    fake_ctx_fini(&ctx);
    open_session(rules);
    snprintf(ctx.sender, sizeof ctx.sender, "b@x.example");
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), MW_CONTINUE);
    CHECK_INT(instance.asked, 2);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* ---- facts of other filters ---- */

TEST(facts_with_several_values)
{
    struct rules *rules = load("p: tag \"p\" when dkim.passed == b.example\n"
                               "q: tag \"q\" when all(dkim.passed in (.example))\n"
                               "r: tag \"r\" when dkim.signatures >= 3\n"
                               "e: tag \"e\" when dmarc.aligned is empty\n"
                               "l: log \"${dkim.passed}\" when dkim.passed =~ /^b/\n");
    CHECK(rules != NULL);
    open_session(rules);
    fake_fact_text(&ctx, "dkim.passed", " a.example  B.example x.example");
    fake_fact_number(&ctx, "dkim.signatures", 3);
    rules_live_run(&ctx, rules, MW_STAGE_END_OF_MESSAGE, 0);
    CHECK_INT(fake_counter(&ctx, "p.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "q.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "r.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "e.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "l.hits"), 0);
    fake_ctx_fini(&ctx);
    open_session(rules);
    fake_fact_text(&ctx, "dkim.signatures", "03"); /* as a text */
    rules_live_run(&ctx, rules, MW_STAGE_END_OF_MESSAGE, 0);
    CHECK_INT(fake_counter(&ctx, "r.hits"), 1);
    fake_ctx_fini(&ctx);
    open_session(rules);
    fake_fact_error(&ctx, "dkim.passed");
    fake_fact_text(&ctx, "dmarc.aligned", "spf dkim");
    rules_live_run(&ctx, rules, MW_STAGE_END_OF_MESSAGE, 0);
    CHECK_INT(fake_counter(&ctx, "p.errors"), 1);
    CHECK_INT(fake_counter(&ctx, "e.hits"), 0);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(tests_say_facts_with_several_values)
{
    PASSES(
        "p: reject when dkim.passed == b.example and dkim.signatures == 2\n"
        "test \"p\" { fact dkim.passed \"a.example b.example\" fact dkim.signatures \"2\" expect "
        "reject by p }\n"
        "test \"q\" { fact dkim.passed \"a.example\" fact dkim.signatures \"2\" expect accept }\n"
        "test \"r\" { fact dkim.passed \"b.example\" fact dkim.signatures \"x\" expect accept }\n");
}
