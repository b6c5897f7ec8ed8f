/* test_rules_order.c - file order wins, not time: what a rule reads is what the rules above it have
 * written, and what it comes to does not hang on which stages other rules ask for. And what becomes of
 * recipients who are not all judged alike. */
#include "live.h"
#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;
static struct mw_ctx ctx;
static struct rules *rules;

static bool begin(const char *text)
{
    rules = fake_begin(&ctx, &instance, text);
    return rules != NULL;
}

static void end(void)
{
    fake_end(&ctx);
}

/* The text loads, and all its tests pass. */
static void holds(const char *text, const char *file, int line)
{
    struct rules *set = fake_load(&instance, text);
    if (set == NULL)
        mw_test_fail(file, line, "for\n%s\n%s", text, instance.diags);
    fake_unload(&instance, set);
}
#define HOLDS(text) holds(text, __FILE__, __LINE__)

/* The text does not load, and says so. */
static void fails(const char *text, const char *says, const char *file, int line)
{
    struct rules *set = fake_load(&instance, text);
    if (set != NULL || strstr(instance.diags, says) == NULL)
        mw_test_fail(file, line, "for\n%s\n%s", text, instance.diags);
    fake_unload(&instance, set);
}
#define FAILS(text, says) fails(text, says, __FILE__, __LINE__)

static enum mw_verdict at(enum mw_stage stage)
{
    return rules_live_run(&ctx, rules, stage, 0);
}

static enum mw_verdict mail(const char *sender)
{
    fake_mail(&ctx, sender);
    ctx.log[0] = '\0';
    return at(MW_STAGE_MAIL);
}

static enum mw_verdict rcpt(const char *address)
{
    ctx.group[0] = '\0';
    return fake_rcpt(&ctx, address);
}

static enum mw_verdict message(const char *body)
{
    ctx.body = body;
    ctx.body_len = strlen(body);
    enum mw_verdict verdict = at(MW_STAGE_DATA);
    if (verdict == MW_CONTINUE)
        verdict = at(MW_STAGE_END_OF_HEADERS);
    return verdict != MW_CONTINUE ? verdict : at(MW_STAGE_END_OF_MESSAGE);
}

static bool has_hit(const char *counter)
{
    return fake_counter(&ctx, counter) > 0;
}

#define CHECK_TEXT(got, want) CHECK_MEM(got, strlen(got), want)

/* ---- nobody asks, somebody asks ---- */

TEST(a_message_rule_on_rcpt_waits_for_recipients)
{
    const char *text = "a: tag \"x\" when helo == mail.example.net and rcpt == \"a@a.example\"\n"
                       "b: reject when sender == \"z@z.example\"\n";
    CHECK(begin(text));
    CHECK_INT(mail("b@b.example"), MW_CONTINUE);
    CHECK_INT(rcpt("a@a.example"), MW_CONTINUE);
    CHECK_INT(message(""), MW_CONTINUE);
    CHECK(has_hit("a.hits"));
    end();
    /* what does not hang on recipients is settled without them */
    CHECK(begin("a: add header \"X: 1\" when helo == other.example and rcpt == \"a@a.example\"\n"
                "b: reject when sender == \"z@z.example\"\n"));
    CHECK_INT(mail("b@b.example"), MW_CONTINUE);
    CHECK_INT(rcpt("a@a.example"), MW_CONTINUE);
    CHECK_INT(message(""), MW_CONTINUE);
    CHECK(!has_hit("a.hits"));
    CHECK_INT(fake_counter(&ctx, "a.runs"), 1);
    end();
}

TEST(a_rule_without_verdict_acts_where_its_texts_are_known)
{
    CHECK(begin("l: log \"${subject}\" when sender == \"a@a.example\"\n"
                "z: reject when sender == \"z@z.example\"\n"));
    CHECK_INT(mail("a@a.example"), MW_CONTINUE);
    CHECK_TEXT(ctx.log, "");
    CHECK_INT(rcpt("r@x.example"), MW_CONTINUE);
    fake_header(&ctx, "Subject", " hello");
    CHECK_INT(message(""), MW_CONTINUE);
    CHECK_TEXT(ctx.log, "rule-log rule=l where=t.rules:1 text=hello\n");
    end();
}

/* ---- writers and readers ---- */

TEST(a_rule_that_waits_sees_nothing_that_rules_below_write)
{
    HOLDS("x: reject when body.line =~ /never/\n"
          "a: score 2 when sender == \"s@s.example\"\n"
          "b: reject when score >= 3\n"
          "c: score 2 when sender == \"s@s.example\"\n"
          "d: tag \"spam\" when score >= 4\n"
          "test \"t\" { from <s@s.example> body \"x\" expect miss b expect tag \"spam\" expect "
          "score == 4 }\n");
    HOLDS("x: reject when body.line =~ /never/\n"
          "o: tag \"o\" when helo == other\n"
          "b: reject when tag in (\"o\", \"late\")\n"
          "c: tag \"late\" when sender == \"s@s.example\"\n"
          "test \"t\" { from <s@s.example> body \"x\" expect accept expect tag \"late\" }\n");
    HOLDS("x: reject when body.line =~ /never/\n"
          "s: set var \"v\" \"one\" when always\n"
          "b: reject when var(\"v\") == \"two\"\n"
          "c: set var \"v\" \"two\" when sender == \"s@s.example\"\n"
          "d: tag \"d\" when var(\"v\") == \"two\"\n"
          "test \"t\" { from <s@s.example> body \"x\" expect accept expect hit d }\n");
    HOLDS("x: reject when body.line =~ /never/\n"
          "b: reject when header(\"X-A\") == \"1\" or header.names == \"X-B\"\n"
          "c: add header \"x-a: 1\", add header \"X-B: 1\" when always\n"
          "test \"t\" { body \"x\" expect accept expect header \"X-A: 1\" }\n");
}

TEST(a_reader_waits_for_an_edit_above_that_comes_later)
{
    HOLDS("a: set header \"Subject: new\" when body.text =~ /x/\n"
          "b: reject when subject == \"new\"\n"
          "g: rewrite sender <bounce@x.example> when subject == \"gone\"\n"
          "test \"t\" { header \"Subject: old\" body \"x\" expect reject by b }\n"
          "test \"u\" { header \"Subject: new\" body \"y\" expect reject by b }\n"
          "test \"v\" { header \"Subject: old\" body \"y\" expect accept }\n");
    HOLDS("g: rewrite sender <bounce@x.example> when subject == \"new\"\n"
          "h: add header \"X-Sender: ${sender}\" when sender == <bounce@x.example>\n"
          "test \"t\" { from <a@x.example> header \"Subject: new\" expect header \"X-Sender: "
          "bounce@x.example\" }\n");
    HOLDS("g: rewrite rcpt \"b@x.example\" when rcpt == \"a@x.example\" and body.text =~ /x/\n"
          "h: reject when rcpt == \"b@x.example\"\n"
          "test \"t\" { to <a@x.example> to <c@x.example> body \"x\" expect reject by h for "
          "<a@x.example> expect accept for <c@x.example> }\n");
    HOLDS(
        "e: set header \"From: <new@x.example>\", delete header \"Date\", set header \"To: "
        "<t@new.example>\" when body.text =~ /x/\n"
        "f: score 1 when from.address == <new@x.example>\n"
        "g: score 2 when header.count(\"date\") == 0\n"
        "h: score 4 when any(to.domain == \"new.example\")\n"
        "i: score 8 when raw.header.lines =~ /^From: ?<new@/\n"
        "j: score 16 when cc.address is empty\n"
        "s: reject when score == 31\n"
        "test \"t\" { header \"From: a@b.example\" header \"Date: x\" body \"x\" expect reject by "
        "s }\n");
}

TEST(edits_move_only_those_who_read_them)
{
    /* all at the end of the header: nothing is kept back */
    CHECK(begin("a: set header \"Subject: new\" when helo == x\n"
                "b: reject when subject == \"new\"\n"));
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    end();
    CHECK(begin("a: set header \"Subject: new\" when body.text =~ /x/\n"
                "b: add header \"X: y\" when header(\"X-Other\") == \"new\"\n"));
    fake_header(&ctx, "X-Other", " new");
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
    CHECK(!has_hit("b.hits")); /* nobody asks for the end of the header */
    end();
    CHECK(begin("a: set header \"Subject: new\" when body.text =~ /x/\n"
                "b: early reject when header(\"X-Other\") == \"new\"\n"
                "c: early reject when subject == \"new\"\n"));
    CHECK(mail("a@x.example") == MW_CONTINUE);
    fake_header(&ctx, "X-Other", " new");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_REJECT);
    CHECK_TEXT(ctx.rule, "b");
    end();
    FAILS("a: set header \"Subject: new\" when body.text =~ /x/\n"
          "b at end-of-headers: reject when subject == \"new\"\n",
          "2:6:14: error: this rule can never be decided at end-of-headers: header is known at "
          "end-of-message | a rule above changes it there");
}

TEST(at_holds_back_the_no_as_well)
{
    CHECK(begin("h at end-of-message: log \"${rcpt.refused}\" when rcpt.refused > 0\n"
                "z: reject when rcpt == \"no@x.example\"\n"
                "y: reject when sender == \"z@z.example\"\n"
                "d: reject when header.count > 99\n"));
    CHECK_INT(mail("a@a.example"), MW_CONTINUE);
    CHECK_INT(rcpt("a@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_DATA), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
    ctx.rcpts[0].status = MW_RCPT_REFUSED_UPSTREAM;
    CHECK_INT(fake_counter(&ctx, "h.runs"), 0);
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_CONTINUE);
    CHECK(has_hit("h.hits"));
    end();
}

/* ---- recipients ---- */

TEST(folding_counts_inside_all_and_none_of_the_recipients)
{
    HOLDS("r: reject when none(rcpt.fold in (a@a.example))\n"
          "test \"t\" { to <A@a.example> expect accept }\n"
          "test \"u\" { to <b@a.example> expect reject by r }\n");
    HOLDS("r: reject when all(rcpt.local.fold =~ /^ab*$/)\n"
          "test \"t\" { to <A@a.example> to <AB@a.example> expect reject by r }\n"
          "test \"u\" { to <B@a.example> expect accept }\n");
}

TEST(a_count_of_recipients_is_the_one_at_their_rcpt)
{
    /* whether x holds y up or not */
    static const char *const above[] = {"", "x: accept when attachment.count > 5\n"};
    for (size_t i = 0; i < 2; i++) {
        char text[1000];
        snprintf(
            text, sizeof text,
            "%sy: reject when rcpt.count > 2\n"
            "z: defer when rcpt.accepted == 1 and rcpt.refused == 0\n"
            "test \"t\" { to <a@x.example> to <b@x.example> to <c@x.example> to <d@x.example>\n"
            " expect accept for <a@x.example> expect defer by z for <b@x.example>\n"
            " expect reject by y for <c@x.example> expect reject by y for <d@x.example> }\n",
            above[i]);
        HOLDS(text);
    }
}

TEST(quarantine_of_the_message_spares_nobody_whom_a_rule_below_accepted)
{
    HOLDS("q: quarantine <q@q.example> when body.line =~ /bad/\n"
          "a: accept when rcpt == \"a@a.example\"\n"
          "z: reject when rcpt == \"x@x.example\" and subject =~ /z/\n"
          "test \"t\" { to <a@a.example> to <b@a.example> body \"bad\"\n"
          "  expect rcpt <q@q.example> expect no rcpt <a@a.example> expect no rcpt <b@a.example>\n"
          "  expect quarantine by q for <a@a.example> }\n");
    HOLDS("a: accept when rcpt == \"a@a.example\"\n"
          "q: early quarantine <q@q.example> when body.line =~ /bad/\n"
          "z: reject when rcpt == \"x@x.example\" and subject =~ /z/\n"
          "test \"t\" { to <a@a.example> to <b@a.example> body \"bad\"\n"
          "  expect rcpt <q@q.example> expect rcpt <a@a.example> expect no rcpt <b@a.example> }\n");
    HOLDS("q: early quarantine <q@q.example> when body.line =~ /bad/\n"
          "a: accept when rcpt == \"a@a.example\"\n"
          "z: reject when rcpt == \"x@x.example\" and subject =~ /z/\n"
          "test \"t\" { to <a@a.example> to <b@a.example> body \"bad\"\n"
          "  expect rcpt <q@q.example> expect no rcpt <a@a.example> expect no rcpt <b@a.example> "
          "}\n");
}

TEST(quarantine_of_the_message_delivers_nothing_to_who_was_refused_above)
{
    HOLDS(
        "r: reject 550 5.7.1 \"r\" when rcpt == \"b@a.example\" and subject =~ /z/\n"
        "q: early quarantine <q@q.example> when body.line =~ /bad/\n"
        "test \"t\" { to <b@a.example> header \"Subject: z\" body \"bad\" expect reject 550 by r "
        "}\n"
        "test \"u\" { to <b@a.example> to <c@a.example> header \"Subject: z\" body \"bad\"\n"
        "  expect reject by r for <b@a.example> expect quarantine for <c@a.example> expect no rcpt "
        "<b@a.example> }\n");
}

TEST(tests_name_recipients_as_they_wrote_them)
{
    HOLDS("bank: quarantine <s@x.example> when rcpt == <pay@x.example> and body.text =~ /account/\n"
          "old: rewrite rcpt \"new@x.example\" when rcpt == <old@x.example>\n"
          "test \"t\" { to <pay@x.example> to <ann@x.example> to <old@x.example> body \"account\"\n"
          "  expect quarantine by bank for <pay@x.example> expect accept for <ann@x.example>\n"
          "  expect accept for <old@x.example> expect rcpt <new@x.example> expect accept }\n");
}

TEST(who_is_refused_at_the_end_gets_his_own_words)
{
    CHECK(begin(
        "a: reject 550 5.7.1 \"not ${rcpt}\" reason \"why\" when rcpt == \"bob@x.example\" and "
        "subject == \"x\"\n"
        "b: defer when rcpt == \"eve@x.example\" and subject == \"x\"\n"
        "c: discard when rcpt == \"dan@x.example\" and subject == \"x\"\n"));
    mail("s@x.example");
    rcpt("alice@x.example");
    rcpt("bob@x.example");
    rcpt("eve@x.example");
    rcpt("dan@x.example");
    fake_header(&ctx, "Subject", " x");
    CHECK_INT(message(""), MW_CONTINUE);
    CHECK_INT(ctx.rcpts[0].status, MW_RCPT_ACCEPTED);
    CHECK_INT(ctx.rcpts[1].status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(ctx.rcpts[2].status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(ctx.rcpts[3].status, MW_RCPT_DISCARDED);
    CHECK(strstr(ctx.log, "rcpt-verdict to=bob@x.example verdict=2 reply=550 5.7.1 not "
                          "bob@x.example by=a t.rules:1 (why)\n") != NULL);
    CHECK(strstr(ctx.log,
                 "rcpt-verdict to=eve@x.example verdict=3 reply=0   by=b t.rules:2 ()\n") != NULL);
    CHECK(strstr(ctx.log,
                 "rcpt-verdict to=dan@x.example verdict=4 reply=0   by=c t.rules:3 ()\n") != NULL);
    /* nobody is left, but they were told different things: the host weighs them */
    mail("s@x.example");
    rcpt("bob@x.example");
    rcpt("eve@x.example");
    fake_header(&ctx, "Subject", " x");
    CHECK_INT(message(""), MW_CONTINUE);
    CHECK_INT(ctx.rcpts[0].status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(ctx.rcpts[1].status, MW_RCPT_REFUSED_FILTER);
    /* all there is in the same words: the message's */
    mail("s@x.example");
    rcpt("bob@x.example");
    fake_header(&ctx, "Subject", " x");
    CHECK_INT(message(""), MW_REJECT);
    CHECK_TEXT(ctx.reply, "not bob@x.example");
    CHECK_INT(ctx.rcpts[0].status, MW_RCPT_ACCEPTED);
    end();
}

/* ---- policy groups ---- */

/* Of that recipient; a second call overwrites neither of two. */
static const char *group_of(const char *address)
{
    static char names[2][sizeof ctx.group];
    static unsigned turn;
    char *name = names[turn++ % 2];
    rcpt(address);
    snprintf(name, sizeof names[0], "%s", ctx.group);
    return name;
}
#define SAME(a, b) CHECK(strcmp(group_of(a), group_of(b)) == 0 && ctx.group[0] != '\0')
#define DIFFERENT(a, b) CHECK(strcmp(group_of(a), group_of(b)) != 0 && ctx.group[0] != '\0')

TEST(recipients_of_whom_the_same_is_open_are_of_one_group)
{
    CHECK(begin("strict: reject when rcpt.domain in (a.example, b.example) and subject == \"x\"\n"
                "odd: defer when (rcpt.local == odd or subject == \"y\") and body.text =~ /z/\n"
                "watch: observe reject when rcpt.local == c and subject == \"x\"\n"));
    CHECK(instance.wanted & MW_STAGE_BIT(MW_STAGE_RCPT));
    mail("s@x.example");
    SAME("a@a.example", "b@b.example");
    DIFFERENT("a@a.example", "a@c.example");
    SAME("c@c.example", "d@c.example"); /* who is only observed is judged as the others */
    DIFFERENT("odd@c.example", "d@c.example");
    DIFFERENT("odd@a.example", "odd@c.example");
    end();
}

TEST(who_is_accepted_is_of_a_group_of_his_own_where_others_may_be_refused)
{
    CHECK(begin("pm: accept when rcpt.local == postmaster\n"
                "spam: reject when subject == \"spam\"\n"));
    mail("s@x.example");
    SAME("a@a.example", "b@b.example");
    DIFFERENT("a@a.example", "postmaster@a.example");
    end();
    /* what is the same for all names no groups */
    CHECK(
        begin("spam: reject when subject == \"spam\"\nno: reject when rcpt == \"n@x.example\"\n"));
    mail("s@x.example");
    CHECK_TEXT(group_of("a@a.example"), "");
    end();
}

/* ---- cheap tests first ---- */

TEST(cheap_tests_run_first_wherever_they_stand)
{
    CHECK(begin("a: reject when body.line =~ /^(a|aa|aaa|a?a)+$/ and header(\"X\") == \"1\"\n"
                "b: reject when body.line =~ /^(b|bb|bbb|b?b)+$/ or header(\"Y\") == \"1\"\n"));
    mail("a@a.example");
    rcpt("r@x.example");
    fake_header(&ctx, "Y", " 1");
    /* the pattern would hit its limit, and the rule tell an error */
    static const char lines[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\r\n"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbba\r\n";
    CHECK_INT(message(lines), MW_REJECT);
    CHECK_TEXT(ctx.rule, "b");
    CHECK_INT(ctx.body_views, 0); /* nobody has looked at the body */
    end();
}

TEST(an_order_that_texts_show_is_kept)
{
    HOLDS(
        "a: set header \"X: ${1}\" when body.line =~ /^(\\w+)$/ or header(\"S\") =~ /^(s)/\n"
        "b: set header \"Y: ${1}\" when body.line =~ /^(b\\w+)$/ and header(\"S\") =~ /^(t)/\n"
        "c: set header \"Z: ${1}\" when body.line =~ /^(b\\w+)$/ and helo == h\n"
        "test \"t\" { helo h header \"S: s\" body \"body\" expect header \"X: body\" }\n"
        "test \"u\" { helo h header \"S: t\" body \"body\" expect header \"Y: t\" expect header "
        "\"Z: "
        "body\" }\n"
        "test \"v\" { helo h header \"S: s\" body \"b 1\" expect header \"X: s\" expect no header "
        "\"Z\" }\n");
}

/* ---- who is settled early holds nobody up ---- */

TEST(what_is_settled_early_lets_those_below_go)
{
    CHECK(begin("x: accept when helo == \"never.example\" and body.line =~ /x/\n"
                "y: disconnect when auth.user is not empty\n"));
    fake_fact_text(&ctx, "auth.user", "ann");
    CHECK_INT(mail("a@a.example"), MW_DISCONNECT);
    end();
    CHECK(begin("x: accept when sender == \"never@x.example\" and body.line =~ /x/\n"
                "y: reject when rcpt == \"no@x.example\"\n"));
    CHECK_INT(mail("a@a.example"), MW_CONTINUE);
    CHECK_INT(rcpt("no@x.example"), MW_REJECT);
    CHECK_INT(mail("never@x.example"), MW_CONTINUE);
    CHECK_INT(rcpt("no@x.example"), MW_CONTINUE);
    end();
}
