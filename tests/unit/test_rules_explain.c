/* test_rules_explain.c - why: what is told of rules as they are decided, and that telling changes
 * nothing. */
#include <stdlib.h>

#include "live.h"
#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;
static struct mw_ctx ctx;
static struct rules *rules;
static char told[65536];
static bool is_asked;
static struct mw_host host;

static int host_is_explained(struct mw_ctx *at)
{
    (void)at;
    return is_asked;
}

static void host_explain(struct mw_ctx *at, uint32_t depth, struct mw_slice text)
{
    (void)at;
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%*s%.*s\n", (int)depth * 2, "", (int)text.len,
             text.ptr);
}

static bool begin(const char *text)
{
    rules = fake_begin(&ctx, &instance, text);
    if (rules == NULL)
        return false;
    host = fake_host;
    host.is_explained = host_is_explained;
    host.explain = host_explain;
    rules->host = &host;
    is_asked = true;
    told[0] = '\0';
    return true;
}

static void end(void)
{
    fake_end(&ctx);
}

static enum mw_verdict at(enum mw_stage stage)
{
    told[0] = '\0';
    return rules_live_run(&ctx, rules, stage, 0);
}

static enum mw_verdict mail(const char *sender)
{
    fake_mail(&ctx, sender);
    return at(MW_STAGE_MAIL);
}

static enum mw_verdict rcpt(const char *address)
{
    size_t index = ctx.rcpt_count++;
    snprintf(ctx.rcpts[index].address, sizeof ctx.rcpts[index].address, "%s", address);
    ctx.current = (ptrdiff_t)index;
    told[0] = '\0';
    enum mw_verdict verdict = rules_live_run(&ctx, rules, MW_STAGE_RCPT, index);
    ctx.current = -1;
    ctx.rcpts[index].status = MW_RCPT_ACCEPTED;
    return verdict;
}

#define TOLD(want)                                                           \
    do {                                                                     \
        if (strstr(told, want) == NULL) {                                    \
            mw_test_fail(__FILE__, __LINE__, "no '%s' in:\n%s", want, told); \
            return;                                                          \
        }                                                                    \
    } while (0)

TEST(a_rule_that_holds_is_told_with_its_tree_its_values_and_its_actions)
{
    CHECK(begin(
        "list internal = 10.0.0.0/8\n"
        "no: reject 550 5.7.1 \"Not from ${sender.domain}\"\n"
        "    when sender.domain == bad.example and (client.ip not in internal or helo == x)\n"));
    CHECK_INT(mail("a@bad.example"), MW_REJECT);
    TOLD("rule no (t.rules:2): holds\n"
         "  yes  all of these\n"
         "    yes  sender.domain == \"bad.example\": \"bad.example\"\n"
         "    yes  any of these\n"
         "      yes  client.ip not in internal (values): 192.0.2.1\n"
         "      no   helo == \"x\": \"mail.example.net\"\n"
         "  -> reject 550 5.7.1 \"Not from bad.example\"\n"
         "verdict at mail: reject by no (t.rules:2)\n");
    end();
}

TEST(a_rule_that_does_not_hold_shows_every_part)
{
    CHECK(begin("a: reject when sender == <> and helo =~ /^(\\w+)\\./\n"));
    CHECK_INT(mail("x@y.example"), MW_CONTINUE);
    TOLD("rule a (t.rules:1): does not hold\n"
         "  no   all of these\n"
         "    no   sender == \"\": \"x@y.example\"\n"
         "    yes  helo =~ /^(\\w+)\\./: \"mail.example.net\", ${1} \"mail\"\n"
         "verdict at mail: none\n");
    end();
}

TEST(of_several_values_the_one_that_held_is_shown)
{
    CHECK(begin(
        "a: log \"x\" when header(\"X\") =~ /two/\nb: log \"x\" when header(\"X\") == \"y\"\n"));
    mail("a@b.example");
    fake_header(&ctx, "X", "one");
    fake_header(&ctx, "X", "two\x1b");
    fake_header(&ctx, "X", "three");
    fake_header(&ctx, "X", "four");
    at(MW_STAGE_END_OF_HEADERS);
    TOLD("yes  header(\"X\") =~ /two/: \"two\\x1b\" (number 2 of 4)\n");
    TOLD("no   header(\"X\") == \"y\": \"one\", \"two\\x1b\", \"three\", ... 4 values\n");
    end();
}

TEST(what_is_not_there_and_what_failed_is_said)
{
    CHECK(begin("a: reject when auth.user == bob or client.name == x.example\n"));
    fake_fact_error(&ctx, "client.name");
    mail("a@b.example");
    TOLD("rule a (t.rules:1): undecided (a lookup failed), which counts as not holding\n");
    TOLD("no   auth.user == \"bob\": there is none\n");
    TOLD("?    client.name == \"x.example\": the look-up failed; a lookup failed\n");
    end();
}

TEST(what_waits_says_for_what)
{
    CHECK(begin("pass: accept when header(\"X\") == \"y\"\n"
                "no: reject 550 \"no\" when sender.domain == bad.example\n"));
    CHECK_INT(mail("a@bad.example"), MW_CONTINUE);
    TOLD("rule no (t.rules:2): holds, waits for pass (t.rules:1), which needs header(\"X\") "
         "(end-of-headers)\n");
    TOLD("1 more rule is not known yet\n");
    TOLD("verdict at mail: none; may yet come: no\n");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_REJECT);
    TOLD("rule pass (t.rules:1): does not hold\n");
    TOLD("verdict at end-of-headers: reject by no (t.rules:2)\n");
    end();
}

TEST(a_part_that_is_not_known_yet_is_open)
{
    CHECK(begin(
        "a: reject when (sender.domain == b.example and header(\"X\") == \"y\") or helo == z\n"));
    mail("a@b.example");
    TOLD("rule a (t.rules:1): not known yet, needs header(\"X\") (end-of-headers)\n"
         "  open any of these\n"
         "    open all of these\n"
         "      yes  sender.domain == \"b.example\": \"b.example\"\n"
         "      open header(\"X\") == \"y\": known at end-of-headers\n"
         "    no   helo == \"z\": \"mail.example.net\"\n");
    end();
}

TEST(an_observed_rule_says_what_it_would_do)
{
    CHECK(begin("a: observe reject 550 \"no\" when sender == <>\n"));
    CHECK_INT(mail(""), MW_CONTINUE);
    TOLD("rule a (t.rules:1): holds, observed only\n");
    TOLD("  would: reject 550 5.7.1 \"no\"\n");
    TOLD("verdict at mail: none\n");
    end();
}

TEST(scores_are_told_as_they_grow)
{
    CHECK(begin("a: score 1.5 when helo =~ /example/\nb: score fish -2 when always\n"
                "c: tag \"x\" when score >= 1 and score.fish < 0\n"));
    mail("a@b.example");
    TOLD("  -> score default +1.5, so far 1.5\n");
    TOLD("  -> score fish -2, so far -2\n");
    TOLD("yes  score >= 1: 1.5\n");
    TOLD("yes  score.fish < 0: -2\n");
    end();
}

TEST(a_rate_that_nobody_counted_is_not_counted_by_telling)
{
    CHECK(begin("a: defer when sender == <> and rate(\"${client.ip}\", \"1/10m\")\n"));
    for (int i = 0; i < 5; i++) {
        CHECK_INT(mail("x@y.example"), MW_CONTINUE);
        TOLD("open rate(\"${client.ip}\", \"1/600s\"): not counted, the rest decides\n");
    }
    CHECK_INT(mail(""), MW_CONTINUE);
    TOLD("no   rate(\"${client.ip}\", \"1/600s\"): \"192.0.2.1\" is within it\n");
    CHECK_INT(mail(""), MW_TEMPFAIL);
    TOLD("\"192.0.2.1\" is beyond it\n");
    end();
}

TEST(things_of_a_group_are_told_one_by_one)
{
    CHECK(begin("a: reject when to { address == <c@d.example> and name =~ /^C/ }\n"));
    mail("a@b.example");
    rcpt("c@d.example");
    fake_header(&ctx, "To", "A <a@d.example>, C <c@d.example>");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_REJECT);
    TOLD("  yes  any to { }\n"
         "    yes  number 2 of 2\n"
         "      yes  all of these\n"
         "        yes  to.address == \"c@d.example\": \"c@d.example\"\n");
    end();
}

TEST(the_index_leaves_rules_out_and_they_are_told_all_the_same)
{
    CHECK(
        begin("a: log \"x\" when subject =~ /invoice/\nb: log \"x\" when subject =~ /viagra/\n"
              "c: log \"x\" when subject =~ /lottery/\nd: log \"x\" when subject =~ /bitcoin/\n"));
    mail("a@b.example");
    fake_header(&ctx, "Subject", "an invoice");
    at(MW_STAGE_END_OF_HEADERS);
    TOLD("rule a (t.rules:1): holds\n");
    TOLD("rule b (t.rules:2): does not hold\n");
    TOLD("no   header(\"Subject\") =~ /viagra/: \"an invoice\"\n");
    const char *order[] = {"rule a", "rule b", "rule c", "rule d", "verdict"};
    for (size_t i = 1; i < 5; i++)
        CHECK(strstr(told, order[i - 1]) < strstr(told, order[i]));
    end();
}

TEST(of_thousands_only_those_that_say_something_are_told)
{
    char *text = calloc(1, 10000 * 60);
    CHECK(text != NULL);
    for (size_t i = 0, len = 0; i < 10000; i++)
        len += (size_t)sprintf(text + len, "r%zu: log \"x\" when subject =~ /word%zuq/\n", i, i);
    bool is_good = begin(text);
    free(text);
    CHECK(is_good);
    mail("a@b.example");
    fake_header(&ctx, "Subject", "word17q word4711q");
    at(MW_STAGE_END_OF_HEADERS);
    TOLD("rule r17 (t.rules:18): holds\n");
    TOLD("rule r4711 (t.rules:4712): holds\n");
    TOLD("9,998 more rules do not hold\n");
    CHECK(strlen(told) < 500);
    end();
}

TEST(rules_below_a_verdict_are_not_looked_at)
{
    CHECK(begin("a: reject when sender == <>\nb: log \"x\" when sender.domain == y\n"
                "c: log \"x\" when sender.domain == z\n"));
    CHECK_INT(mail(""), MW_REJECT);
    TOLD("2 rules below were not looked at\n");
    end();
}

TEST(nothing_is_told_where_nobody_asks)
{
    CHECK(begin("a: reject when sender == <>\n"));
    is_asked = false;
    CHECK_INT(mail(""), MW_REJECT);
    CHECK_INT(told[0], '\0');
    end();
}

/* The same mail with and without an audience comes to the same. */
TEST(telling_changes_nothing)
{
    static const char text[] =
        "list internal = 10.0.0.0/8\n"
        "a: score 2 when header(\"X\") =~ /(\\d)(\\d)/ or subject =~ /off(er|ice)/\n"
        "v: set var \"who\" \"${1}\" when header(\"X\") =~ /(\\w+)$/\n"
        "h: add header \"X-S: ${score} ${var('who')}\" when score > 0\n"
        "r: reject 550 \"${1}${2}\" when rcpt.domain == d.example and header(\"X\") =~ /^(.)(.)/\n"
        "e: defer when rate(\"${sender}\", \"3/10m\") and not client.ip in internal\n";
    char ends[2][30000] = {"", ""};
    for (int round = 0; round < 2; round++) {
        CHECK(begin(text));
        is_asked = round == 1;
        for (int i = 0; i < 6; i++) {
            char line[4000];
            int verdicts[4] = {(int)mail("a@b.example"),
                               (int)rcpt(i % 2 ? "x@d.example" : "x@e.example")};
            fake_header(&ctx, "X", i % 3 ? "47 bob" : "none");
            fake_header(&ctx, "Subject", i % 2 ? "an offer" : "lunch");
            ctx.code = 0;
            verdicts[2] = (int)at(MW_STAGE_DATA);
            verdicts[3] = (int)at(MW_STAGE_END_OF_HEADERS);
            int last = (int)at(MW_STAGE_END_OF_MESSAGE);
            const char *added = fake_header_value(&ctx, "X-S");
            snprintf(line, sizeof line, "%d %d %d %d %d %u %s %s\n", verdicts[0], verdicts[1],
                     verdicts[2], verdicts[3], last, ctx.code, ctx.reply, added ? added : "-");
            strcat(ends[round], line);
        }
        end();
    }
    CHECK_MEM(ends[1], strlen(ends[1]), ends[0]);
    CHECK(strstr(ends[0], "550 47") != NULL);
}
