/* test_run.c - who is asked, what a verdict means and how far it reaches, observe mode. */
#include "chain_play.h"

/* ---- verdicts ---- */

TEST(run_without_chain_does_nothing)
{
    struct mw_subject subject = {0};
    struct mw_services services = {0};
    struct mw_run *run = mw_run_new(NULL, &subject, &services);
    struct mw_call call = {.stage = MW_STAGE_MAIL};
    struct mw_outcome outcome;
    char text[64];
    CHECK_INT(mw_run_stages(run), 0);
    mw_run_transaction_begin(run);
    CHECK_INT(mw_run_stage(run, &call, &outcome), MW_OK);
    CHECK_INT(outcome.verdict, MW_CONTINUE);
    mw_run_outcome(run, &outcome);
    CHECK_INT(outcome.verdict, MW_CONTINUE);
    CHECK_INT(mw_run_deadline(run), 0);
    CHECK_SLICE(mw_run_changes(run, text), "");
    mw_run_transaction_end(run, true);
    CHECK(run->live == NULL); /* an idle session costs this struct alone */
    CHECK(sizeof *run <= 48);
    mw_run_free(&run);
    CHECK(run == NULL);
}

TEST(filters_are_asked_in_order_until_one_decides)
{
    CHECK(begin("a b c"));
    play[1] = rejects_with_reply;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SAID("a:mail b:mail");
    CHECK_OUTCOME(MW_REJECT, 554, "b");
    CHECK_SLICE(kit.outcome.dsn, "5.7.26");
    CHECK_SLICE(kit.outcome.text, "No\nreally not");
    CHECK_SLICE(kit.outcome.rule, "rule-7");
    CHECK_SLICE(kit.outcome.where, "x.rules:12");
    CHECK_SLICE(kit.outcome.reason, "private");
    kit_end(&kit, true);
    CHECK_SAID("a:abort b:abort c:abort");
    kit_close(&kit);
    CHECK_SAID("a:session_close b:session_close c:session_close");
}

TEST(verdict_without_reply_gets_the_default)
{
    CHECK(begin("a"));
    play[0] = rejects_plainly;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_SLICE(kit.outcome.dsn, "5.7.1");
    CHECK_SLICE(kit.outcome.where, "test.conf:1"); /* at least the block */
    play[0] = tempfails;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK_SLICE(kit.outcome.dsn, "4.7.1");
    play[0] = disconnects;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_OUTCOME(MW_DISCONNECT, 421, "a");
    play[0] = discards;
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_OUTCOME(MW_DISCARD, 0, "a");
    kit_close(&kit);
}

/* RFC 5321 3.1: a server that does not want the client greets with 554. */
TEST(reject_at_connect_is_554)
{
    CHECK(begin("a"));
    play[0] = rejects_plainly;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 554, "a");
    kit_close(&kit);
}

static struct {
    uint32_t code;
    const char *dsn, *text;
    int result;
} wish;
PLAY(replies_as_wished)
{
    UNUSED;
    wish.result = host->reply(ctx, wish.code, mw_slice_cstr(wish.dsn), mw_slice_cstr(wish.text));
    return stage == MW_STAGE_MAIL ? MW_REJECT : MW_TEMPFAIL;
}

TEST(reply_of_bad_form_becomes_the_default_and_a_log_line)
{
    static const struct {
        uint32_t code;
        const char *dsn, *text;
    } bad[] = {
        {250, "2.0.0", "Ok"},     {354, "", "Go on"},           {600, "", "?"},
        {99999, "", "?"},         {550, "4.7.1", "class"},      {550, "5.7", "short"},
        {550, "5.7.1 ", "blank"}, {550, "5.7.1", "a\r\n250 b"}, {0, "", ""},
    };
    CHECK(begin("a"));
    play[0] = replies_as_wished;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wish.code = bad[i].code;
        wish.dsn = bad[i].dsn;
        wish.text = bad[i].text;
        CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
        CHECK_INT(wish.result, 0);
        CHECK_OUTCOME(MW_REJECT, 550, "a");
        CHECK_SLICE(kit.outcome.text, "Rejected");
        kit_end(&kit, true);
    }
    CHECK(kit_logged(&kit, "7Q2k9Z.1: edit-refused filter=a stage=mail edit=reply"));
    kit_close(&kit);
}

TEST(reply_of_the_other_class_becomes_the_default)
{
    CHECK(begin("a"));
    play[0] = replies_as_wished;
    wish.code = 450;
    wish.dsn = "4.7.1";
    wish.text = "later";
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK); /* REJECT with a 450 */
    CHECK_INT(wish.result, 1);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK(kit_logged(&kit, "its code is not of the verdict's class"));
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK); /* TEMPFAIL with a 450 */
    CHECK_OUTCOME(MW_TEMPFAIL, 450, "a");
    wish.code = 421; /* RFC 5321 3.8: whoever says 421 closes */
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_OUTCOME(MW_DISCONNECT, 421, "a");
    kit_close(&kit);
}

TEST(reply_of_one_stage_does_not_leak_into_the_next)
{
    CHECK(begin("a b"));
    play[0] = rejects_with_reply;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    play[0] = rejects_plainly;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_SLICE(kit.outcome.rule, "");
    kit_close(&kit);
}

/* ---- on-error ---- */

TEST(error_is_settled_by_on_error)
{
    static const struct {
        const char *conf;
        enum mw_verdict verdict;
        int code;
        const char *dsn, *by, *asked;
    } cases[] = {
        {ON_ERROR("tempfail"), MW_TEMPFAIL, 451, "4.3.0", "a", "a:mail"},
        {ON_ERROR("reject"), MW_REJECT, 550, "5.7.1", "a", "a:mail"},
        {ON_ERROR("accept"), MW_CONTINUE, 0, "", "", "a:mail b:mail"},
    };
    for (size_t i = 0; i < 3; i++) {
        CHECK(begin_with(cases[i].conf, "a b", NULL));
        play[0] = fails;
        CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
        CHECK_OUTCOME(cases[i].verdict, cases[i].code, cases[i].by);
        CHECK_SLICE(kit.outcome.dsn, cases[i].dsn);
        CHECK_SAID(cases[i].asked);
        CHECK(kit_logged(&kit, "7Q2k9Z.1: filter-failed filter=a stage=mail"));
        CHECK_INT(kit_counter(&kit, "a.failed"), 1);
        kit_close(&kit);
    }
}

PLAY(answers_nonsense)
{
    UNUSED;
    return (enum mw_verdict)77;
}
PLAY(waits_without_ticket)
{
    UNUSED;
    return MW_WAIT;
}

TEST(verdict_that_cannot_be_is_an_error)
{
    CHECK(begin("a"));
    play[0] = answers_nonsense;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "its verdict is not possible at this stage"));
    play[0] = waits_without_ticket;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "it answered MW_WAIT without host->park()"));
    play[0] = discards; /* there is no message to discard */
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    kit_close(&kit);
}

/* The upstream has the recipient: it can only be kept from getting mail by ending the session. */
TEST(error_at_rcpt_reply_disconnects)
{
    CHECK(begin("a"));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    play[0] = fails;
    CHECK_INT(kit_rcpt_reply(&kit, 0, 250), MW_OK);
    CHECK_OUTCOME(MW_DISCONNECT, 421, "a");
    CHECK_SLICE(kit.outcome.dsn, "4.3.0");
    play[0] = rejects_plainly;
    CHECK_INT(kit_rcpt_reply(&kit, 0, 250), MW_OK);
    CHECK_OUTCOME(MW_DISCONNECT, 421, "a");
    kit_close(&kit);
}

/* ---- ACCEPT ---- */

TEST(accept_at_connect_is_for_the_session)
{
    CHECK(begin("a b"));
    play[0] = accepts;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(mw_run_stages(kit.run), 0);
    CHECK_INT(kit_stage(&kit, MW_STAGE_HELO), MW_OK);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SAID("a:connect");
    kit_end(&kit, true); /* still told: they may hold something */
    CHECK_SAID("a:abort b:abort");
    kit_close(&kit);
}

TEST(accept_at_mail_is_for_the_transaction)
{
    CHECK(begin("a b"));
    play[0] = accepts;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_INT(kit_rcpt_reply(&kit, 0, 250), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_SAID("a:mail");
    CHECK_INT(mw_run_stages(kit.run) & MW_STAGE_BIT(MW_STAGE_BODY), 0);
    kit_end(&kit, false);
    said[0] = '\0';
    play[0] = NULL;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SAID("a:mail b:mail");
    kit_close(&kit);
}

PLAY(accepts_second_rcpt)
{
    UNUSED;
    return stage == MW_STAGE_RCPT && index == 1 ? MW_ACCEPT : MW_CONTINUE;
}

TEST(accept_at_rcpt_is_for_that_recipient)
{
    CHECK(begin("a b"));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    play[0] = accepts_second_rcpt;
    said[0] = '\0';
    for (int i = 0; i < 3; i++)
        CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_SAID("a:rcpt b:rcpt a:rcpt a:rcpt b:rcpt");
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(kit_rcpt_reply(&kit, i, 250), MW_OK);
    CHECK_SAID("a:rcpt_reply b:rcpt_reply a:rcpt_reply b:rcpt_reply");
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_SAID("a:data b:data");
    kit_end(&kit, true);
    said[0] = '\0';
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_INT(kit_rcpt_reply(&kit, 0, 250), MW_OK);
    CHECK_SAID("a:mail b:mail a:rcpt b:rcpt a:rcpt_reply b:rcpt_reply");
    kit_close(&kit);
}

TEST(accept_at_command_is_for_that_command)
{
    CHECK(begin("a b"));
    play[0] = accepts;
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_SAID("a:command a:command");
    kit_close(&kit);
}

/* ---- body ---- */

TEST(skip_ends_the_body_for_that_filter)
{
    CHECK(begin("a b"));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    said[0] = '\0';
    play[0] = skips;
    CHECK_INT(kit_body(&kit, "one\r\n"), MW_OK);
    CHECK_INT(kit_body(&kit, "two\r\n"), MW_OK);
    CHECK_SAID("a:body b:body b:body");
    play[1] = skips;
    CHECK_INT(kit_body(&kit, "three\r\n"), MW_OK);
    CHECK_SAID("b:body");
    CHECK_INT(mw_run_stages(kit.run) & MW_STAGE_BIT(MW_STAGE_BODY), 0); /* nobody is left to ask */
    kit_end(&kit, false);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK(mw_run_stages(kit.run) & MW_STAGE_BIT(MW_STAGE_BODY));
    kit_close(&kit);
}

PLAY(waits_in_content)
{
    UNUSED;
    if (stage != MW_STAGE_BODY && stage != MW_STAGE_HEADER)
        return MW_CONTINUE;
    ticket = host->park(ctx, NULL, NULL);
    return MW_WAIT;
}

TEST(body_and_header_hooks_may_not_wait)
{
    CHECK(begin("a"));
    play[0] = waits_in_content;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK(ticket == NULL);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK_INT(kit_body(&kit, "x\r\n"), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "header, body and edited hooks may not wait"));
    kit_close(&kit);
}

/* ---- observe ---- */

TEST(observed_verdict_is_logged_and_counted_only)
{
    CHECK(begin("!a b"));
    play[0] = rejects_with_reply;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_SAID("a:mail b:mail");
    CHECK(kit_logged(
        &kit, "7Q2k9Z.1: observed verdict=reject stage=mail by=a rule=rule-7 code=554 dsn=5.7.26"));
    CHECK_INT(kit_counter(&kit, "a.observed-reject"), 1);
    play[0] = accepts;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_SAID("a:rcpt b:rcpt");
    CHECK_INT(kit_counter(&kit, "a.observed-accept"), 1);
    play[0] = fails;
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK(kit_logged(&kit, "filter-failed filter=a stage=data outcome=observed"));
    kit_close(&kit);
}

TEST(observed_filter_that_waits_past_its_deadline_changes_nothing)
{
    CHECK(begin("!a b"));
    reset_wait();
    play[0] = waits;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    kit_pass(&kit, 10000);
    CHECK_INT(cancelled_count, 1);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_SAID("a:mail b:mail");
    kit_close(&kit);
}
