/* test_rules_live.c - the filter's hooks over a host: sessions with several transactions, edits,
 * replies, logs, counters. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "live.h"
#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;
static struct mw_ctx ctx;
static struct rules *rules;

static bool begin(const char *text)
{
    rules = fake_begin(&ctx, &instance, text);
    if (rules == NULL)
        return false;
    fake_fact_number(&ctx, "client.port", 4711);
    return true;
}

static void end(void)
{
    fake_end(&ctx);
}

/* Long texts are matched in the pool. */
static enum mw_verdict at(enum mw_stage stage)
{
    enum mw_verdict verdict = rules_live_run(&ctx, rules, stage, 0);
    if (verdict != MW_WAIT)
        return verdict;
    fake_loop(&ctx);
    return ctx.is_resumed ? ctx.resumed : MW_WAIT;
}

static enum mw_verdict mail(const char *sender)
{
    fake_mail(&ctx, sender);
    return at(MW_STAGE_MAIL);
}

static enum mw_verdict rcpt(const char *address)
{
    return fake_rcpt(&ctx, address);
}

static void body(const char *text)
{
    ctx.body = text;
    ctx.body_len = strlen(text);
}

#define CHECK_TEXT(got, want) CHECK_MEM(got, strlen(got), want)

TEST(a_verdict_brings_reply_reason_and_place)
{
    CHECK(
        begin("# one\nno-body: reject 554 5.7.1 \"No ${1} from ${client.ip}\" reason \"saw ${1}\"\n"
              "when sender =~ /^(.*)@bad\\.example$/\n"));
    CHECK_INT(mail("x@bad.example"), MW_REJECT);
    CHECK_INT(ctx.code, 554);
    CHECK_TEXT(ctx.dsn, "5.7.1");
    CHECK_TEXT(ctx.reply, "No x from 192.0.2.1");
    CHECK_TEXT(ctx.rule, "no-body");
    CHECK_TEXT(ctx.where, "t.rules:2");
    CHECK_TEXT(ctx.reason, "saw x");
    CHECK_INT(fake_counter(&ctx, "no-body.hits"), 1);
    CHECK_INT(mail("x@good.example"), MW_CONTINUE);
    CHECK_INT(fake_counter(&ctx, "no-body.hits"), 1);
    end();
}

TEST(verdicts_map_to_the_hosts)
{
    CHECK(begin("a: accept when sender.local == a\nb: defer when sender.local == b\nc: discard "
                "when sender.local == c\n"
                "d: disconnect \"go\" when sender.local == d\n"));
    CHECK_INT(mail("a@x.example"), MW_ACCEPT);
    CHECK_INT(mail("b@x.example"), MW_TEMPFAIL);
    CHECK_INT(ctx.code, 0); /* the host's own reply */
    CHECK_INT(mail("c@x.example"), MW_DISCARD);
    CHECK_INT(mail("d@x.example"), MW_DISCONNECT);
    CHECK_INT(ctx.code, 421);
    end();
}

TEST(an_accepted_session_is_left_alone)
{
    CHECK(begin("a: accept when client.ip == 192.0.2.1\nb: reject when sender == \"\"\n"));
    CHECK_INT(at(MW_STAGE_CONNECT), MW_ACCEPT);
    CHECK_INT(mail(""), MW_CONTINUE);
    end();
}

TEST(each_helo_is_judged)
{
    CHECK(begin("a: reject when helo == bad.example\nl: log \"conn\" when client.port == 4711\n"));
    CHECK_INT(at(MW_STAGE_CONNECT), MW_CONTINUE);
    CHECK_TEXT(ctx.log, "rule-log rule=l where=t.rules:2 text=conn\n");
    fake_fact_text(&ctx, "helo", "bad.example");
    CHECK_INT(at(MW_STAGE_HELO), MW_REJECT);
    fake_fact_text(&ctx, "helo", "good.example");
    CHECK_INT(at(MW_STAGE_HELO), MW_CONTINUE);
    fake_fact_text(&ctx, "helo", "bad.example");
    CHECK_INT(at(MW_STAGE_HELO), MW_REJECT);
    CHECK_TEXT(ctx.log, "rule-log rule=l where=t.rules:2 text=conn\n"); /* once */
    end();
}

TEST(transactions_do_not_remember_each_other)
{
    CHECK(begin("s: score 3 when sender.local == a\nt: tag \"t\" when sender.local == a\n"
                "r: reject when score >= 6\nu: reject when tag == t and sender.local == b\n"));
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(mail("b@x.example"), MW_CONTINUE);
    end();
}

TEST(a_refused_command_is_refused_again)
{
    CHECK(begin("a: reject when all(rcpt.domain == x.example)\n"));
    mail("s@x.example");
    CHECK_INT(rcpt("a@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_DATA), MW_REJECT);
    CHECK_INT(at(MW_STAGE_DATA), MW_REJECT);
    end();
}

TEST(a_score_tells_what_it_is_made_of)
{
    CHECK(begin("a: score 3 when sender == \"\"\nb: score -0.5 when client.port == 4711\n"
                "c: reject when score > 2\n"));
    CHECK_INT(mail(""), MW_REJECT);
    CHECK_TEXT(ctx.reason, "score 2.5: a +3, b -0.5");
    end();
}

TEST(values_that_are_not_utf8_cost_the_session_nothing)
{
    CHECK(begin(
        "a: log \"${1}\" when helo =~ /^(.+)x/ and helo =~ /y$/\nb: reject when helo == q\n"));
    fake_fact_text(&ctx, "helo", "\xff\xfexy");
    at(MW_STAGE_HELO);
    size_t before = ctx.allocations;
    for (int i = 0; i < 100; i++)
        CHECK_INT(at(MW_STAGE_HELO), MW_CONTINUE);
    CHECK_INT(ctx.allocations, before);
    CHECK(strstr(ctx.log, "text=\xef\xbf\xbd\xef\xbf\xbd\n") != NULL);
    end();
}

TEST(header_edits_are_made_at_the_end_of_the_header)
{
    CHECK(begin("a: add header \"X-A: ${sender}\", set header \"X-S: one\", delete header \"X-D\" "
                "when sender.local == a\n"));
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    fake_header(&ctx, "x-s", " 1");
    fake_header(&ctx, "X-D", " 1");
    fake_header(&ctx, "X-S", " 2");
    fake_header(&ctx, "X-D", " 2");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
    CHECK_INT(ctx.field_count, 2);
    CHECK_TEXT(ctx.fields[0].value, "one");
    CHECK_TEXT(fake_header_value(&ctx, "X-A"), "a@x.example");
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_CONTINUE); /* not a second time */
    CHECK_INT(ctx.field_count, 2);
    end();
}

TEST(hostile_values_cannot_break_out)
{
    CHECK(begin("a: reject 550 5.7.1 \"<${header('X')}>\" when header(\"X\") is not empty and "
                "sender == \"\"\n"
                "b: add header \"Y: ${header('X')}\", log \"${header('X')}\" when header(\"X\") is "
                "not empty\n"
                "c: rewrite rcpt \"${1}\" when rcpt =~ /^(.*)/s\n"));
    mail("");
    fake_header(&ctx, "X", "a\r\n250 \x01\x7f\xc3\xa9\xc3\xa9 b\t");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_REJECT);
    CHECK_TEXT(ctx.reply, "<a  250   ?? b>");
    mail("s@x.example");
    fake_header(&ctx, "X", "a\r\nBcc: \xff");
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
    CHECK_TEXT(fake_header_value(&ctx, "Y"), "a  Bcc: ?");
    CHECK_INT(rcpt("a\nb@x.example"), MW_CONTINUE);
    CHECK(strstr(ctx.log, "rule-edit-refused rule=c where=t.rules:3 edit=rewrite rcpt") != NULL);
    CHECK_INT(fake_counter(&ctx, "c.errors"), 1);
    end();
}

TEST(long_values_are_cut)
{
    static char value[2000];
    memset(value, 'v', sizeof value - 1);
    CHECK(begin(
        "a: reject 550 5.7.1 \"${subject}${subject}${subject}\" when subject is not empty\n"));
    mail("");
    fake_header(&ctx, "Subject", value);
    CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_REJECT);
    CHECK_INT(strlen(ctx.reply), 480);
    end();
}

TEST(recipients_get_their_own_verdicts)
{
    CHECK(begin("a: reject 550 5.1.1 \"No ${rcpt.local}\" when rcpt.local == none\n"
                "b: rewrite rcpt \"${1}@new.example\" when rcpt =~ /^(.*)@old\\.example$/\n"
                "c: delete rcpt when rcpt.local == drop\n"
                "d: add rcpt <audit@x.example> when sender.domain == x.example\n"));
    mail("s@x.example");
    CHECK_INT(rcpt("none@x.example"), MW_REJECT);
    CHECK_TEXT(ctx.reply, "No none");
    CHECK_INT(rcpt("a@old.example"), MW_CONTINUE);
    CHECK_TEXT(ctx.rcpts[1].address, "a@new.example");
    CHECK_INT(rcpt("drop@x.example"), MW_DISCARD);
    CHECK_TEXT(ctx.rule, "c");
    CHECK_INT(rcpt("b@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_DATA), MW_CONTINUE);
    CHECK_INT(ctx.rcpt_count, 5);
    CHECK_TEXT(ctx.rcpts[4].address, "audit@x.example");
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_DATA));
    end();
}

TEST(refused_at_the_end_means_a_verdict_of_ones_own_or_the_messages)
{
    const char *text = "p: accept when rcpt.local == postmaster\n"
                       "spam: reject 550 5.7.1 \"Spam\" when raw.body =~ /spam/\n";
    CHECK(begin(text));
    mail("s@x.example");
    CHECK_INT(rcpt("a@x.example"), MW_CONTINUE);
    CHECK_INT(rcpt("postmaster@x.example"), MW_ACCEPT);
    CHECK_INT(rcpt("b@x.example"), MW_CONTINUE);
    body("some spam\r\n");
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_CONTINUE);
    CHECK_INT(ctx.rcpts[0].status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(ctx.rcpts[1].status, MW_RCPT_ACCEPTED);
    CHECK_INT(ctx.rcpts[2].status, MW_RCPT_REFUSED_FILTER);
    CHECK_TEXT(ctx.log,
               "rcpt-verdict to=a@x.example verdict=2 reply=550 5.7.1 Spam by=spam t.rules:2 ()\n"
               "rule-rcpt-refused rule=spam where=t.rules:2 reason= to=a@x.example\n"
               "rcpt-verdict to=b@x.example verdict=2 reply=550 5.7.1 Spam by=spam t.rules:2 ()\n"
               "rule-rcpt-refused rule=spam where=t.rules:2 reason= to=b@x.example\n");
    CHECK_INT(ctx.body_views, 1); /* one look for all recipients */
    CHECK_INT(fake_counter(&ctx, "spam.hits"), 2);

    mail("s@x.example");
    CHECK_INT(rcpt("a@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_REJECT);
    CHECK_TEXT(ctx.reply, "Spam");
    CHECK_TEXT(ctx.rule, "spam");
    CHECK_INT(ctx.rcpts[0].status, MW_RCPT_ACCEPTED);
    end();
}

TEST(many_recipients_keep_their_marks)
{
    CHECK(begin("p: accept when rcpt.local =~ /^p/\nspam: reject when raw.body =~ /spam/\n"));
    mail("s@x.example");
    for (int i = 0; i < 60; i++)
        CHECK_INT(rcpt(i % 3 ? "a@x.example" : "p@x.example"), i % 3 ? MW_CONTINUE : MW_ACCEPT);
    body("spam");
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_CONTINUE);
    for (int i = 0; i < 60; i++)
        CHECK_INT(ctx.rcpts[i].status, i % 3 ? MW_RCPT_REFUSED_FILTER : MW_RCPT_ACCEPTED);
    end();
}

TEST(rates_are_counted_once_a_message_and_drain_with_time)
{
    CHECK(begin("a: defer when rate(\"${sender}\", \"2/10m\")\n"
                "b: log \"again\" when rate(\"${sender}\", \"2/10m\") and rcpt.count > 0\n"
                "c: reject when rate(\"${rcpt}\", \"1/1h\")\n"));
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(rcpt("r@x.example"), MW_CONTINUE);
    CHECK_INT(rcpt("r@x.example"), MW_REJECT); /* for each recipient */
    CHECK_INT(rcpt("s@x.example"), MW_CONTINUE);
    CHECK_INT(at(MW_STAGE_DATA), MW_CONTINUE);
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(mail("a@x.example"), MW_TEMPFAIL);
    CHECK_INT(mail("b@x.example"), MW_CONTINUE); /* another key */
    instance.clock_ms += 299000;
    CHECK_INT(mail("a@x.example"), MW_TEMPFAIL);
    instance.clock_ms += 2000; /* one of two in ten minutes has drained */
    CHECK_INT(mail("a@x.example"), MW_CONTINUE);
    CHECK_INT(mail("a@x.example"), MW_TEMPFAIL);
    end();
}

TEST(failed_lookups_are_errors_not_misses)
{
    CHECK(begin("a: reject when client.name == \"x.example\"\n"
                "b: defer 451 4.3.0 \"DNS\" when client.name == \"x.example\" on_error defer 450 "
                "4.7.1 \"error\"\n"
                "c: reject when client.name == \"x.example\" and client.port == 1\n"));
    fake_fact_error(&ctx, "client.name");
    CHECK_INT(at(MW_STAGE_CONNECT), MW_TEMPFAIL);
    CHECK_INT(ctx.code, 450);
    CHECK_INT(fake_counter(&ctx, "a.errors"), 1);
    CHECK_INT(fake_counter(&ctx, "b.errors"), 1);
    CHECK_INT(fake_counter(&ctx, "c.errors"), 0); /* the port settles it */
    CHECK(strstr(ctx.log, "rule-error rule=a where=t.rules:1 error=a lookup failed") != NULL);
    end();
}

TEST(observed_rules_tell_and_do_nothing)
{
    CHECK(begin("a: observe reject 550 5.7.1 \"x\" when sender == \"\"\n"
                "b: observe until 2001-01-01 defer when sender.local == b\n"
                "c: observe until 2999-01-01 defer when sender.local == b\n"
                "d: observe 100% add header \"X: y\" when sender.local == b\n"
                "e: observe 0% reject when sender.local == e\n"));
    CHECK_INT(mail(""), MW_CONTINUE);
    CHECK_TEXT(ctx.log, "rule-observed rule=a where=t.rules:1 would=reject 550 5.7.1\n");
    CHECK_INT(fake_counter(&ctx, "a.hits"), 1);
    CHECK_INT(mail("b@x.example"), MW_TEMPFAIL); /* its date has passed */
    CHECK_TEXT(ctx.rule, "b");
    CHECK_INT(mail("e@x.example"), MW_REJECT);
    end();
}

TEST(a_share_is_observed_by_client_address)
{
    CHECK(begin("a: observe 50% reject when client.ip in (10.0.0.0/8)\n"));
    int observed = 0;
    for (int i = 0; i < 200; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.1.2.%d", i);
        fake_fact_ip(&ctx, "client.ip", ip);
        fake_ctx_fini(&ctx);
        ctx.session_slot = NULL;
        enum mw_verdict first = at(MW_STAGE_CONNECT);
        ctx.session_slot = NULL;
        CHECK_INT(at(MW_STAGE_CONNECT), first);
        observed += first == MW_CONTINUE;
    }
    CHECK(observed > 60 && observed < 140);
    end();
}

TEST(bodies_are_read_up_to_the_scan_limit)
{
    CHECK(begin("a: reject when raw.body =~ /end/\nb: reject when body.line == \"end\"\n"));
    char *large = malloc(3 << 20);
    CHECK(large != NULL);
    memset(large, 'x', 3 << 20);
    memcpy(large + (1 << 20) - 5, "\r\nend\r\nend", 10);
    mail("");
    ctx.body = large;
    ctx.body_len = 3 << 20;
    CHECK_INT(at(MW_STAGE_END_OF_MESSAGE), MW_REJECT);
    CHECK_INT(fake_counter(&ctx, "truncated-bodies"), 1);
    free(large);
    end();
}

TEST(the_filter_opens_from_its_settings)
{
    char path[] = "/tmp/mw-rules-open-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    CHECK(file != NULL);
    fputs("a: reject when sender == \"\"\ntest \"t\" { from <> expect reject by a }\n", file);
    fclose(file);
    struct mw_slice name = {path, strlen(path)};
    memset(&instance, 0, sizeof instance);
    instance.files = (struct mw_setting_value){.texts = &name, .text_count = 1};
    instance.match_limit.number = 200000;
    instance.scan_limit.number = 1 << 20;
    const struct mw_filter *filter = mailweir_filter(&fake_host);
    void *state = NULL;
    CHECK(filter != NULL);
    CHECK_INT(filter->open(&fake_host, &instance, &state), 0);
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_MAIL));
    CHECK_INT(filter->test(state, NULL, NULL), 0);
    rules = state;
    fake_ctx_init(&ctx, &instance, state);
    ctx.in_transaction = true;
    CHECK_INT(filter->mail(&ctx), MW_REJECT);
    fake_ctx_fini(&ctx);
    filter->close(state);

    file = fopen(path, "w");
    fputs("a: reject when sendr == \"\"\n", file);
    fclose(file);
    CHECK_INT(filter->open(&fake_host, &instance, &state), -1);
    CHECK_INT(instance.errors, 1);
    unlink(path);
    CHECK_INT(filter->open(&fake_host, &instance, &state), -1); /* no file */
    fake_unload(&instance, NULL);
}

/* Not a benchmark, but a guard: rules must not allocate for each evaluation, and not take long. */
TEST(twenty_rules_cost_little)
{
    static char text[4096];
    int len = 0;
    for (int i = 0; i < 10; i++)
        len += snprintf(
            text + len, sizeof text - (size_t)len,
            "e%d: reject when sender.domain == bad%d.example and helo =~ /bad$/\n"
            "h%d: reject when subject =~ /viagra%d/i or header(\"From\") == \"bad%d\"\n",
            i, i, i, i, i);
    CHECK(begin(text));
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    enum { MESSAGES = 20000 };
    for (int i = 0; i < MESSAGES; i++) {
        ctx.allocations = 0;
        CHECK_INT(mail("s@x.example"), MW_CONTINUE);
        CHECK_INT(rcpt("a@x.example"), MW_CONTINUE);
        fake_header(&ctx, "Received", "from a by b");
        fake_header(&ctx, "From", "Alice <alice@example.org>");
        fake_header(&ctx, "Subject", "lunch at noon, and what else there is to say");
        CHECK_INT(at(MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
        CHECK(ctx.allocations <= 2);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double us = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
                1e3 / MESSAGES;
    printf("     20 rules: %.1f us a message in this build\n", us);
    CHECK(us < 1000);
    end();
}
