/* test_run.c - stages, verdicts, waits, deadlines, observe mode, edits: with filters written right
 * here (script.so calls back).
 *
 * `play[NAME]` is what the filter of that name does; `said` collects who was asked what. */
#include "chain_kit.h"

#include "chain/chain_priv.h"

typedef enum mw_verdict play_fn(const struct mw_host *host, struct mw_ctx *ctx, enum mw_stage stage,
                                size_t index, struct mw_slice a, struct mw_slice b);

static struct kit kit;
static play_fn *play[4]; /* of filters a, b, c, d */
static char said[1024];  /* "a:mail b:mail ..." */
static const struct mw_slice none = {"", 0};

static enum mw_verdict dispatch(const struct mw_host *host, struct mw_ctx *ctx, enum mw_stage stage,
                                size_t index, struct mw_slice a, struct mw_slice b)
{
    const char *name = host->state(ctx);
    size_t len = strlen(said);
    snprintf(said + len, sizeof said - len, "%s%s:%s", len > 0 ? " " : "", name,
             mw_stage_name(stage));
    play_fn *fn = play[name[0] - 'a'];
    return fn == NULL ? MW_CONTINUE : fn(host, ctx, stage, index, a, b);
}

#define A "filter a {\n module script\n deadline 10s\n}\n"
#define B "filter b {\n module script\n deadline 10s\n}\n"
#define C "filter c {\n module script\n deadline 10s\n}\n"

static bool begin_with(const char *conf, const char *members, script_open_fn *open)
{
    memset(play, 0, sizeof play);
    said[0] = '\0';
    kit_script(dispatch, open, NULL);
    return kit_open(&kit, conf, members);
}
static bool begin(const char *members)
{
    return begin_with(A B C, members, NULL);
}

#define CHECK_SAID(want)                     \
    do {                                     \
        CHECK_MEM(said, strlen(said), want); \
        said[0] = '\0';                      \
    } while (0)
#define CHECK_OUTCOME(want_verdict, want_code, want_by) \
    do {                                                \
        CHECK_INT(kit.outcome.verdict, want_verdict);   \
        CHECK_INT(kit.outcome.code, want_code);         \
        CHECK_SLICE(kit.outcome.by, want_by);           \
    } while (0)

/* ---- little filters ---- */

#define PLAY(name)                                                                    \
    static enum mw_verdict name(const struct mw_host *host, struct mw_ctx *ctx,       \
                                enum mw_stage stage, size_t index, struct mw_slice a, \
                                struct mw_slice b)
#define UNUSED (void)host, (void)ctx, (void)stage, (void)index, (void)a, (void)b

PLAY(rejects_plainly)
{
    UNUSED;
    return MW_REJECT;
}
PLAY(rejects_with_reply)
{
    UNUSED;
    host->reply(ctx, 554, MW_LIT("5.7.26"), MW_LIT("No\nreally not"));
    host->because(ctx, MW_LIT("rule-7"), MW_LIT("x.rules:12"), MW_LIT("private"));
    return MW_REJECT;
}
PLAY(tempfails)
{
    UNUSED;
    return MW_TEMPFAIL;
}
PLAY(accepts)
{
    UNUSED;
    return MW_ACCEPT;
}
PLAY(discards)
{
    UNUSED;
    return MW_DISCARD;
}
PLAY(disconnects)
{
    UNUSED;
    return MW_DISCONNECT;
}
PLAY(fails)
{
    UNUSED;
    return MW_ERROR;
}
PLAY(skips)
{
    UNUSED;
    return MW_SKIP;
}

static struct mw_ticket *ticket; /* of the filter that waits */
static struct mw_ctx *waiting_ctx;
static int cancelled_count;
static const struct mw_host *the_host;
static void cancelled(void *user)
{
    cancelled_count += user == &cancelled_count;
}
PLAY(waits)
{
    UNUSED;
    ticket = host->park(ctx, cancelled, &cancelled_count);
    waiting_ctx = ctx;
    the_host = host;
    return MW_WAIT;
}
static void reset_wait(void)
{
    ticket = NULL;
    cancelled_count = 0;
}

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

#define ON_ERROR(how) "filter a {\n module script\n deadline 10s\n on-error " how "\n}\n" B

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
    CHECK(kit_logged(&kit, "header and body hooks may not wait"));
    kit_close(&kit);
}

/* ---- waiting ---- */

TEST(wait_and_resume_continues_with_the_next_filter)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = waits;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    CHECK(mw_run_is_waiting(kit.run));
    CHECK_INT(mw_run_deadline(kit.run), kit.now + 10000);
    CHECK_SAID("a:mail");
    the_host->resume(ticket, MW_CONTINUE);
    CHECK_INT(kit.decided, 1);
    CHECK(!mw_run_is_waiting(kit.run));
    CHECK_INT(mw_run_deadline(kit.run), 0);
    CHECK_SAID("b:mail");
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(cancelled_count, 0);
    the_host->resume(ticket, MW_REJECT); /* twice: harmless */
    CHECK_INT(kit.decided, 1);
    kit_close(&kit);
}

TEST(resume_with_verdict_reply_and_edit)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = waits;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    CHECK_INT(the_host->set_sender(waiting_ctx, MW_LIT("t@example.net")), 1);
    CHECK_INT(the_host->reply(waiting_ctx, 553, MW_LIT("5.1.8"), MW_LIT("no such domain")), 1);
    the_host->because(waiting_ctx, MW_LIT("dns"), none, none);
    the_host->resume(ticket, MW_REJECT);
    CHECK_OUTCOME(MW_REJECT, 553, "a");
    CHECK_SLICE(kit.outcome.rule, "dns");
    CHECK_SLICE(kit.envelope.sender.address, "t@example.net");
    CHECK_SAID("a:mail");
    kit_close(&kit);
}

TEST(two_filters_may_wait_one_after_the_other)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = play[1] = waits;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    struct mw_ticket *first = ticket;
    the_host->resume(first, MW_CONTINUE);
    CHECK_INT(kit.decided, 0);
    CHECK(mw_run_is_waiting(kit.run));
    CHECK_SAID("a:mail b:mail");
    the_host->resume(first, MW_REJECT); /* the dead one: not b's */
    CHECK(mw_run_is_waiting(kit.run));
    the_host->resume(ticket, MW_TEMPFAIL);
    CHECK_INT(kit.decided, 1);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "b");
    kit_close(&kit);
}

/* The call's slices belong to a read buffer that is reused while a filter waits. */
PLAY(waits_or_notes_name)
{
    UNUSED;
    if (stage == MW_STAGE_HELO && strcmp(host->state(ctx), "a") == 0)
        return waits(host, ctx, stage, index, a, b);
    if (stage == MW_STAGE_HELO)
        snprintf(said, sizeof said, "%.*s", (int)a.len, a.ptr);
    return MW_CONTINUE;
}

TEST(arguments_survive_a_wait)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = play[1] = waits_or_notes_name;
    char line[] = "mail.example.net";
    struct mw_call call = {.stage = MW_STAGE_HELO, .a = mw_slice_cstr(line)};
    CHECK_INT(kit_call(&kit, &call), MW_AGAIN);
    memset(line, '!', sizeof line - 1);
    the_host->resume(ticket, MW_CONTINUE);
    CHECK_SAID("mail.example.net");
    kit_close(&kit);
}

PLAY(resumes_at_once)
{
    UNUSED;
    struct mw_ticket *mine = host->park(ctx, cancelled, &cancelled_count);
    host->resume(mine, MW_REJECT);
    host->resume(mine, MW_CONTINUE); /* the first one counts */
    return MW_WAIT;
}

TEST(resume_inside_the_hook_is_as_good_as_returning)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = resumes_at_once;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_INT(kit.decided, 0);
    CHECK_INT(cancelled_count, 0);
    CHECK_SAID("a:mail");
    kit_close(&kit);
}

PLAY(parks_and_decides)
{
    UNUSED;
    ticket = host->park(ctx, cancelled, &cancelled_count);
    the_host = host;
    return MW_CONTINUE;
}
PLAY(parks_twice)
{
    UNUSED;
    ticket = host->park(ctx, cancelled, &cancelled_count);
    the_host = host;
    return host->park(ctx, cancelled, &cancelled_count) == NULL ? MW_WAIT : MW_REJECT;
}

TEST(park_without_wait_is_cancelled)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = parks_and_decides;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(cancelled_count, 1);
    the_host->resume(ticket, MW_REJECT);
    CHECK_SAID("a:mail b:mail");
    kit_close(&kit);
}

TEST(second_park_is_refused)
{
    CHECK(begin("a"));
    reset_wait();
    play[0] = parks_twice;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    the_host->resume(ticket, MW_CONTINUE);
    CHECK_INT(cancelled_count, 0);
    kit_close(&kit);
}

TEST(deadline_cancels_and_on_error_decides)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = waits;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    kit_pass(&kit, 9999);
    CHECK_INT(cancelled_count, 0);
    mw_run_expire(kit.run, kit.now); /* too early: nothing */
    CHECK(mw_run_is_waiting(kit.run));
    kit_pass(&kit, 1);
    CHECK_INT(cancelled_count, 1);
    CHECK_INT(kit.decided, 1);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "reason=\"no verdict within its deadline\""));
    the_host->resume(ticket, MW_CONTINUE); /* late: harmless */
    CHECK_INT(kit.decided, 1);
    CHECK_INT(cancelled_count, 1);
    kit_close(&kit);
}

TEST(deadline_with_on_error_accept_asks_the_next)
{
    CHECK(begin_with(ON_ERROR("accept"), "a b", NULL));
    reset_wait();
    play[0] = waits;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    kit_pass(&kit, 10000);
    CHECK_INT(kit.decided, 1);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_SAID("a:mail b:mail");
    kit_close(&kit);
}

TEST(cancel_tells_the_filter_once_and_nobody_else)
{
    CHECK(begin("a b"));
    reset_wait();
    play[0] = waits;
    kit.decided = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    mw_run_cancel(kit.run);
    CHECK_INT(cancelled_count, 1);
    CHECK_INT(kit.decided, 0);
    CHECK(!mw_run_is_waiting(kit.run));
    mw_run_cancel(kit.run);
    the_host->resume(ticket, MW_REJECT);
    CHECK_INT(cancelled_count, 1);
    CHECK_INT(kit.decided, 0);
    play[0] = NULL;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK); /* and life goes on */
    kit_close(&kit);
}

TEST(freeing_a_waiting_run_cancels_aborts_and_closes)
{
    CHECK(begin("a"));
    reset_wait();
    play[0] = waits;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    play[0] = NULL;
    said[0] = '\0';
    mw_run_free(&kit.run);
    CHECK_INT(cancelled_count, 1);
    CHECK_SAID("a:abort a:session_close");
    the_host->resume(ticket, MW_REJECT); /* the session is gone: still harmless */
    kit.run = mw_run_new(kit.chain, &kit.subject, &kit.services);
    kit_close(&kit);
}

TEST(tickets_are_used_again_only_much_later)
{
    CHECK(begin("a"));
    reset_wait();
    play[0] = waits;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_AGAIN);
    struct mw_ticket *old = ticket;
    the_host->resume(old, MW_CONTINUE);
    int until_reuse = 0;
    do {
        CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_AGAIN);
        the_host->resume(ticket, MW_CONTINUE);
        until_reuse++;
    } while (ticket != old && until_reuse < 5000);
    CHECK_INT(until_reuse, MW_QUARANTINE_MAX);
    play[0] = NULL;
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

static int edit_results[10];
PLAY(edits_much)
{
    UNUSED;
    if (stage == MW_STAGE_MAIL)
        edit_results[0] = host->set_sender(ctx, MW_LIT("new@example.net"));
    if (stage == MW_STAGE_RCPT)
        edit_results[1] = host->rcpt_replace(ctx, index, MW_LIT("other@example.test"));
    if (stage == MW_STAGE_DATA)
        edit_results[2] = host->rcpt_add(ctx, MW_LIT("archive@example.test"));
    if (stage == MW_STAGE_END_OF_HEADERS) {
        edit_results[3] = host->header_add(ctx, MW_LIT("X-Last"), MW_LIT("1"));
        edit_results[4] = host->header_insert(ctx, 0, MW_LIT("X-First"), MW_LIT("2"));
        edit_results[5] = host->header_change(ctx, 1, MW_LIT("changed"));
        edit_results[6] = host->header_delete(ctx, 2);
    }
    if (stage == MW_STAGE_END_OF_MESSAGE)
        edit_results[7] = host->body_replace(ctx, MW_LIT("new body\n.dot\rx"));
    return MW_CONTINUE;
}

static bool whole_message(void)
{
    return kit_mail(&kit, "<s@example.net>") == MW_OK &&
           kit_rcpt(&kit, "<r@example.test>") == MW_OK && kit_rcpt_reply(&kit, 0, 250) == MW_OK &&
           kit_stage(&kit, MW_STAGE_DATA) == MW_OK &&
           kit_header(&kit, "Subject: one\r\nTo: two\r\nDate: three\r\n\r\n") == MW_OK &&
           kit_body(&kit, "old\r\n") == MW_OK && kit_stage(&kit, MW_STAGE_END_OF_MESSAGE) == MW_OK;
}

TEST(observed_edits_are_answered_and_not_made)
{
    CHECK(begin("!a"));
    play[0] = edits_much;
    memset(edit_results, -1, sizeof edit_results);
    CHECK(whole_message());
    for (int i = 0; i <= 7; i++)
        CHECK_INT(edit_results[i], 1);
    CHECK_SLICE(kit.envelope.sender.address, "s@example.net");
    CHECK_SLICE(kit.envelope.rcpts[0].mailbox.address, "r@example.test");
    CHECK_INT(kit.envelope.rcpt_count, 1);
    CHECK(!kit.headers.is_edited);
    CHECK_INT(mw_spool_size(kit.subject.spool), 5);
    char text[64];
    CHECK_SLICE(mw_run_changes(kit.run, text), "");
    CHECK_INT(kit_counter(&kit, "a.observed-edit"), 8);
    CHECK(kit_logged(&kit, "observed edit=header-change stage=end_of_headers by=a what=To"));
    kit_close(&kit);
}

/* ---- edits ---- */

static char seen[512]; /* what the later filter saw */
PLAY(looks_on)
{
    UNUSED;
    size_t len = strlen(seen);
    struct mw_path_view path = {.size = sizeof path};
    if (stage == MW_STAGE_MAIL && host->sender(ctx, &path))
        len += (size_t)snprintf(seen + len, sizeof seen - len, "from=%.*s(%.*s) ",
                                (int)path.address.len, path.address.ptr, (int)path.original.len,
                                path.original.ptr);
    if (stage == MW_STAGE_RCPT && host->rcpt(ctx, index, &path))
        len += (size_t)snprintf(seen + len, sizeof seen - len, "to=%.*s@%.*s ", (int)path.local.len,
                                path.local.ptr, (int)path.domain.len, path.domain.ptr);
    if (stage == MW_STAGE_HEADER)
        len += (size_t)snprintf(seen + len, sizeof seen - len, "%.*s:%.*s ", (int)a.len, a.ptr,
                                (int)b.len, b.ptr);
    if (stage == MW_STAGE_END_OF_MESSAGE) {
        struct mw_slice body = host->body_view(ctx, 100);
        snprintf(seen + len, sizeof seen - len, "[%.*s]", (int)body.len, body.ptr);
    }
    return MW_CONTINUE;
}

TEST(edits_are_made_at_once_and_seen_by_later_filters)
{
    CHECK(begin("a b"));
    play[0] = edits_much;
    play[1] = looks_on;
    seen[0] = '\0';
    memset(edit_results, -1, sizeof edit_results);
    CHECK(whole_message());
    for (int i = 0; i <= 7; i++)
        CHECK_INT(edit_results[i], 1);
    CHECK_MEM(seen, strlen(seen),
              "from=new@example.net(s@example.net) to=other@example.test X-First: 2 "
              "Subject: changed Date: three X-Last: 1 [new body\r\n.dot\r\nx]");
    char text[64];
    CHECK_SLICE(mw_run_changes(kit.run, text), "+2h-1h~1h+1r~1r~s~b");
    CHECK(kit.subject.has_replaced_body);
    CHECK(mw_spool_has_dots(kit.subject.spool));
    CHECK(kit_logged(&kit, "7Q2k9Z.1: edit edit=rcpt-replace stage=rcpt by=a what=r@example.test "
                           "to=other@example.test"));
    CHECK_INT(kit.subject.message_size, 38 + mw_spool_size(kit.subject.spool));
    kit_end(&kit, false);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SLICE(mw_run_changes(kit.run, text), "~s"); /* counted anew */
    kit_close(&kit);
}

TEST(body_pieces_are_joined_with_one_reading_of_line_ends)
{
    static const char *const pieces[] = {"a\r", "\nb\r", "c\n", ".\n", "\n.", "x\r", "\r\n", NULL};
    CHECK(begin("a"));
    CHECK(whole_message());
    struct mw_ctx *ctx = &kit.run->live->ctxs[0];
    kit.run->live->current = ctx; /* as inside end_of_message */
    for (size_t i = 0; pieces[i] != NULL; i++)
        CHECK_INT(mw_host_table.body_replace(ctx, mw_slice_cstr(pieces[i])), 1);
    CHECK_SLICE(mw_host_table.body_view(ctx, 100), "a\r\nb\r\nc\r\n.\r\n\r\n.x\r\n\r\n");
    kit.run->live->current = NULL;
    kit_close(&kit);
}

static int nul_results[2];
PLAY(sends_a_nul)
{
    UNUSED;
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    nul_results[0] = host->body_replace(ctx, MW_LIT("fine\n"));
    nul_results[1] = host->body_replace(ctx, MW_LIT("\0.\n"));
    return MW_CONTINUE;
}

/* The old body is gone and the new one is not whole: not even on-error accept may let that go out.
 */
TEST(body_broken_half_way_is_never_sent)
{
    CHECK(begin_with(ON_ERROR("accept"), "a", NULL));
    play[0] = sends_a_nul;
    CHECK(whole_message());
    CHECK_INT(nul_results[0], 1);
    CHECK_INT(nul_results[1], 0);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    kit_close(&kit);
}

static int wrong_results[20];
PLAY(edits_wrongly)
{
    UNUSED;
    int i = 0;
    memset(wrong_results, -1, sizeof wrong_results);
    if (stage == MW_STAGE_CONNECT) {
        wrong_results[i++] = host->set_sender(ctx, MW_LIT("a@b"));
        wrong_results[i++] = host->header_add(ctx, MW_LIT("A"), MW_LIT("b"));
    }
    if (stage == MW_STAGE_MAIL) {
        wrong_results[i++] = host->set_sender(ctx, MW_LIT("a@b>\r\nRCPT TO:<x@y"));
        wrong_results[i++] = host->rcpt_replace(ctx, 0, MW_LIT("a@b")); /* no recipient yet */
        wrong_results[i++] = host->header_add(ctx, MW_LIT("A"), MW_LIT("b"));
    }
    if (stage == MW_STAGE_RCPT) {
        wrong_results[i++] = host->rcpt_delete(ctx, index); /* it is being decided */
        wrong_results[i++] = host->rcpt_replace(ctx, index, MW_LIT(""));
        wrong_results[i++] = host->rcpt_add(ctx, MW_LIT("x y"));
    }
    if (stage == MW_STAGE_DATA) {
        wrong_results[i++] = host->header_add(ctx, MW_LIT("Bad Name"), MW_LIT("x"));
        wrong_results[i++] = host->header_add(ctx, MW_LIT("X"), MW_LIT("x\r\nY: z"));
        wrong_results[i++] = host->header_delete(ctx, 0);
    }
    if (stage == MW_STAGE_END_OF_HEADERS) {
        wrong_results[i++] = host->header_change(ctx, 99, MW_LIT("x"));
        wrong_results[i++] = host->header_delete(ctx, 99);
        wrong_results[i++] = host->header_add(ctx, MW_LIT("X"), MW_LIT("x\n\nbody"));
        wrong_results[i++] = host->body_replace(ctx, MW_LIT("x"));
    }
    return MW_CONTINUE;
}

#define CHECK_ALL_REFUSED(count)             \
    do {                                     \
        for (int i_ = 0; i_ < (count); i_++) \
            CHECK_INT(wrong_results[i_], 0); \
        CHECK_INT(wrong_results[count], -1); \
    } while (0)

TEST(edits_that_cannot_be_are_refused_and_logged)
{
    CHECK(begin("a"));
    play[0] = edits_wrongly;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_ALL_REFUSED(2);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_ALL_REFUSED(4);
    CHECK_SLICE(kit.envelope.sender.address, "s@example.net");
    CHECK(!kit.headers.is_edited);
    CHECK(kit_logged(
        &kit, "edit-refused filter=a stage=rcpt edit=rcpt-delete reason=\"it is being decided"));
    kit_close(&kit);
}

PLAY(adds_at_data)
{
    UNUSED;
    if (stage == MW_STAGE_DATA)
        edit_results[0] = host->header_add(ctx, MW_LIT("X-Early"), MW_LIT("bird"));
    return MW_CONTINUE;
}

TEST(header_added_at_data_is_there_when_the_header_comes)
{
    char conf[256];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_DATA));
    CHECK(begin_with(conf, "a", NULL));
    play[0] = adds_at_data;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(mw_run_stages(kit.run), MW_STAGE_BIT(MW_STAGE_DATA));
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(edit_results[0], 1);
    CHECK(mw_run_stages(kit.run) &
          MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS)); /* now somebody wants it */
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit.headers.count, 2);
    CHECK_SLICE(kit.headers.fields[1].raw, "X-Early: bird\r\n");
    CHECK_INT(mw_run_stages(kit.run), MW_STAGE_BIT(MW_STAGE_DATA));
    kit_close(&kit);
}

PLAY(edits_late)
{
    UNUSED;
    if (stage == MW_STAGE_END_OF_HEADERS) {
        edit_results[0] = host->set_sender(ctx, MW_LIT("x@example.net"));
        edit_results[1] = host->header_add(ctx, MW_LIT("X"), MW_LIT("y"));
    }
    if (stage == MW_STAGE_BODY)
        edit_results[2] = host->header_add(ctx, MW_LIT("X"), MW_LIT("y"));
    return MW_CONTINUE;
}

/* Plan "stream": DATA goes upstream before the content is read, the header before the body. */
TEST(edits_of_what_has_streamed_away_are_refused)
{
    char conf[256];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY));
    CHECK(begin_with(conf, "a", NULL));
    play[0] = edits_late;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit_body(&kit, "x\r\n"), MW_OK);
    CHECK_INT(edit_results[0], 0);
    CHECK_INT(edit_results[1], 1);
    CHECK_INT(edit_results[2], 0);
    CHECK(kit_logged(&kit, "too late"));
    kit_close(&kit);
}

/* A filter that changes the header while it is being shown it sees every received field once. */
PLAY(edits_while_looking)
{
    UNUSED;
    if (stage != MW_STAGE_HEADER)
        return MW_CONTINUE;
    size_t len = strlen(seen);
    snprintf(seen + len, sizeof seen - len, "%.*s ", (int)a.len, a.ptr);
    ptrdiff_t here = host->header_find(ctx, a, 0);
    if (mw_slice_eq(a, MW_LIT("One")) || mw_slice_eq(a, MW_LIT("Three")))
        host->header_delete(ctx, (size_t)here);
    if (mw_slice_eq(a, MW_LIT("Two")))
        host->header_insert(ctx, 0, MW_LIT("Zero"), MW_LIT("new"));
    host->header_add(ctx, MW_LIT("X-Seen"), a);
    return MW_CONTINUE;
}

TEST(header_edits_do_not_confuse_the_walk)
{
    CHECK(begin("a"));
    play[0] = edits_while_looking;
    seen[0] = '\0';
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "One: 1\r\nTwo: 2\r\nThree: 3\r\nFour: 4\r\n\r\n"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "One Two Three Four ");
    CHECK_INT(kit.headers.count, 7);
    CHECK_SLICE(mw_field_name(&kit.headers.fields[0]), "Zero");
    CHECK_SLICE(mw_field_name(&kit.headers.fields[2]), "Four");
    kit_close(&kit);
}

PLAY(rejects_at_header)
{
    UNUSED;
    return stage == MW_STAGE_HEADER && mw_slice_ieq(a, MW_LIT("x-bad")) ? MW_REJECT : MW_CONTINUE;
}

TEST(verdict_at_a_header_field_ends_the_stage)
{
    CHECK(begin("a b"));
    play[0] = rejects_at_header;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    said[0] = '\0';
    CHECK_INT(kit_header(&kit, "A: 1\r\nX-Bad: 2\r\nB: 3\r\n\r\n"), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_SAID("a:header a:header");
    kit_close(&kit);
}

/* ---- state, facts, services ---- */

static int ids[4];
static int open_facts(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    if (strcmp(host->instance_name(instance), "a") == 0) {
        ids[0] = host->fact_define(instance, "a.result");
        ids[1] = host->fact_define(instance, "a.score");
        ids[3] = host->counter(instance, "hits");
    }
    ids[2] = host->fact_id(instance, "client.ip");
    return 0;
}
PLAY(sets_facts)
{
    UNUSED;
    if (stage != MW_STAGE_MAIL)
        return MW_CONTINUE;
    char text[] = "pass";
    host->fact_set(ctx, ids[0], (struct mw_fact){.type = MW_FACT_TEXT, .text = mw_slice_cstr(text)},
                   0);
    host->fact_set(ctx, ids[1], (struct mw_fact){.type = MW_FACT_NUMBER, .number = 7}, 1);
    host->fact_set(ctx, ids[2], (struct mw_fact){.type = MW_FACT_NUMBER, .number = 7},
                   1);    /* not ours */
    memset(text, 'x', 4); /* it was copied */
    host->count(ctx, ids[3], 2);
    return MW_CONTINUE;
}
PLAY(reads_facts)
{
    UNUSED;
    struct mw_fact result = host->fact(ctx, ids[0]), score = host->fact(ctx, ids[1]),
                   ip = host->fact(ctx, ids[2]);
    snprintf(seen, sizeof seen, "%d %.*s %d %llu %d %zu", result.type, (int)result.text.len,
             result.text.len ? result.text.ptr : "", score.type, (unsigned long long)score.number,
             ip.type, ip.text.len);
    host->fact_set(ctx, ids[0], (struct mw_fact){.type = MW_FACT_ERROR},
                   1);             /* a's, not b's: ignored */
    host->count(ctx, ids[3], 100); /* nor its counter */
    return MW_CONTINUE;
}

TEST(facts_live_as_long_as_they_were_set_for)
{
    CHECK(begin_with(A B, "a b", open_facts));
    play[0] = sets_facts;
    play[1] = reads_facts;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_MEM(seen, strlen(seen), "0  0 0 3 16");
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "1 pass 2 7 3 16");
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "1 pass 2 7 3 16");
    kit_end(&kit, true);
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_MEM(seen, strlen(seen), "0  2 7 3 16");
    CHECK_INT(kit_counter(&kit, "a.hits"), 2);
    kit_close(&kit);
}

static struct mw_fact asked[15];
PLAY(asks_all)
{
    UNUSED;
    for (int i = 0; i < 15; i++)
        asked[i] = host->fact(ctx, i);
    return host->fact(ctx, -1).type == MW_FACT_NONE && host->fact(ctx, 9999).type == MW_FACT_NONE
               ? MW_CONTINUE
               : MW_REJECT;
}

TEST(own_facts_come_from_the_subject)
{
    CHECK(begin("a"));
    play[0] = asks_all;
    kit.subject.auth_user = MW_LIT("jane");
    CHECK_INT(mw_facts_own_count(), 15);
    CHECK_INT(kit_mail(&kit, "<s@example.net> SIZE=4711"), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_SLICE(asked[mw_facts_own_id("session.id")].text, "7Q2k9Z");
    CHECK_SLICE(asked[mw_facts_own_id("listener")].text, "mx");
    CHECK_INT(asked[mw_facts_own_id("client.port")].number, 41001);
    CHECK_INT(asked[mw_facts_own_id("client.ip")].text.len, 16);
    CHECK_INT(asked[mw_facts_own_id("server.ip")].type, MW_FACT_NONE);
    CHECK_INT(asked[mw_facts_own_id("client.name")].type, MW_FACT_NONE);
    CHECK_SLICE(asked[mw_facts_own_id("auth.user")].text, "jane");
    CHECK_INT(asked[mw_facts_own_id("message.size")].number, 4711);
    CHECK_INT(mw_facts_own_id("nonsense"), -1);
    kit_close(&kit);
}

PLAY(uses_slots)
{
    UNUSED;
    int **session = (int **)host->session_slot(ctx),
        **transaction = (int **)host->transaction_slot(ctx);
    if (*session == NULL)
        *session = host->session_alloc(ctx, sizeof **session);
    if (*transaction == NULL)
        *transaction = host->transaction_alloc(ctx, sizeof **transaction);
    ++**session, ++**transaction;
    snprintf(seen, sizeof seen, "%s %d %d", (const char *)host->state(ctx), **session,
             **transaction);
    return MW_CONTINUE;
}

TEST(slots_are_per_filter_session_and_transaction)
{
    CHECK(begin("a b"));
    play[0] = play[1] = uses_slots;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "b 2 2");
    play[0] = play[1] = NULL;
    kit_end(&kit, true);
    play[0] = play[1] = uses_slots;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "b 3 1");
    play[0] = play[1] = NULL;
    kit_close(&kit);
}

static int fired;
static struct mw_timer *timers[3];
static void fire(void *user)
{
    fired += *(int *)user;
}
PLAY(starts_timers)
{
    UNUSED;
    static int values[3] = {1, 10, 100};
    for (int i = 0; i < 3; i++)
        timers[i] = host->timer(ctx, 100u * (unsigned)(i + 1), fire, &values[i]);
    the_host = host;
    return MW_CONTINUE;
}

TEST(timers_fire_once_or_are_stopped)
{
    CHECK(begin("a"));
    play[0] = starts_timers;
    fired = 0;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    kit_pass(&kit, 100);
    CHECK_INT(fired, 1);
    the_host->timer_cancel(timers[0]); /* has fired: harmless */
    the_host->timer_cancel(timers[1]);
    the_host->timer_cancel(timers[1]);
    the_host->timer_cancel(NULL);
    kit_pass(&kit, 100);
    CHECK_INT(fired, 1);
    play[0] = NULL;
    mw_run_free(&kit.run); /* the session ends: the third one never fires */
    kit_pass(&kit, 1000);
    CHECK_INT(fired, 1);
    kit.run = mw_run_new(kit.chain, &kit.subject, &kit.services);
    kit_close(&kit);
}

PLAY(starts_a_flood_of_timers)
{
    UNUSED;
    return host->timer(ctx, 1, NULL, NULL) == NULL ? MW_CONTINUE : MW_REJECT;
}

TEST(timer_without_function_is_refused)
{
    CHECK(begin("a"));
    play[0] = starts_a_flood_of_timers;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    kit_close(&kit);
}

static int work_steps;
static void work_run(void *user)
{
    work_steps += user == &work_steps;
}
static void work_done(void *user)
{
    work_steps += user == &work_steps ? 10 : 0;
    if (ticket != NULL)
        the_host->resume(ticket, MW_TEMPFAIL);
}
static void work_cancelled(void *user)
{
    (void)user;
    ticket = NULL;
}
PLAY(works)
{
    UNUSED;
    the_host = host;
    if (stage != MW_STAGE_MAIL)
        return MW_CONTINUE;
    if (!host->work(ctx, work_run, work_done, &work_steps))
        return MW_ERROR;
    ticket = host->park(ctx, work_cancelled, NULL);
    return MW_WAIT;
}

TEST(work_runs_and_resumes)
{
    CHECK(begin("a"));
    play[0] = works;
    work_steps = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    CHECK_INT(work_steps, 0);
    kit_work(&kit);
    CHECK_INT(work_steps, 11);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    kit.is_pool_full = true;
    ticket = NULL;
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    kit_end(&kit, true);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a"); /* MW_ERROR */
    kit_close(&kit);
}

static int closed_before_done;
static void close_state(void *state)
{
    (void)state;
    closed_before_done = work_steps < 11;
    work_steps += 1000;
}

/* Session and configuration end while a job is on the pool: done() still comes, and close() only
 * after it. */
TEST(work_outlives_session_and_configuration)
{
    CHECK(begin("a"));
    kit_script(dispatch, NULL, close_state);
    play[0] = works;
    work_steps = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    play[0] = NULL;
    kit_close(&kit); /* frees run and instances, and then lets the pool work */
    CHECK(ticket == NULL);
    CHECK(!closed_before_done);
    CHECK_INT(work_steps, 1000 * 3 + 11);
}

PLAY(logs)
{
    UNUSED;
    struct mw_log_pair pairs[] = {{"one", MW_LIT("1")}, {"two", MW_LIT("2 3")}};
    host->log(ctx, MW_LOG_INFO, "hello", pairs, 2);
    host->log(ctx, (enum mw_log_level)99, "never", NULL, 0);
    host->log(ctx, MW_LOG_INFO, NULL, NULL, 0);
    return MW_CONTINUE;
}

TEST(log_lines_carry_filter_and_session)
{
    CHECK(begin("a"));
    play[0] = logs;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK(kit_logged(&kit, "7Q2k9Z: hello filter=a one=1 two=\"2 3\""));
    kit_close(&kit);
}

static uint32_t reply_code;
static ptrdiff_t current_rcpt;
PLAY(notes_upstream_reply)
{
    UNUSED;
    struct mw_slice text;
    reply_code = host->upstream_reply(ctx, &text);
    current_rcpt = host->rcpt_current(ctx);
    snprintf(seen, sizeof seen, "%.*s", (int)text.len, text.ptr);
    return MW_CONTINUE;
}

TEST(upstream_reply_is_known_at_rcpt_reply_only)
{
    CHECK(begin("a"));
    play[0] = notes_upstream_reply;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(reply_code, 0);
    CHECK_INT(current_rcpt, -1);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_INT(current_rcpt, 0);
    CHECK_INT(kit_rcpt_reply(&kit, 0, 550), MW_OK);
    CHECK_INT(reply_code, 550);
    CHECK_MEM(seen, strlen(seen), "2.1.5 so it is");
    kit_close(&kit);
}

/* A struct of an older header is filled as far as it goes, garbage in `size` is survived. */
TEST(views_of_any_declared_size_are_filled_safely)
{
    CHECK(begin("a"));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    struct mw_ctx *ctx = &kit.run->live->ctxs[0];
    static const size_t sizes[] = {0, 3, sizeof(struct mw_path_view),
                                   sizeof(struct mw_path_view) + 64, SIZE_MAX};
    for (size_t i = 0; i < 5; i++) {
        struct {
            struct mw_path_view view;
            char guard[64];
        } box;
        memset(&box, 'g', sizeof box);
        box.view.size = sizes[i];
        CHECK_INT(mw_host_table.sender(ctx, &box.view), 1);
        CHECK_SLICE(box.view.domain, "example.net");
        CHECK(box.view.size <= sizeof box.view);
        for (size_t j = 0; j < sizeof box.guard; j++)
            CHECK_INT(box.guard[j], 'g');
    }
    kit_close(&kit);
}

/* Transactions, waits, expiries and cancels in any order; the oracle is that each park ends exactly
 * once. */
static uint64_t seed;
static int parked, ended;
static void note_cancelled(void *user)
{
    (void)user;
    ended++;
    ticket = NULL;
}
PLAY(does_anything)
{
    UNUSED;
    static const enum mw_verdict all[] = {MW_CONTINUE, MW_CONTINUE, MW_CONTINUE, MW_ACCEPT,
                                          MW_REJECT,   MW_TEMPFAIL, MW_DISCARD,  MW_DISCONNECT,
                                          MW_SKIP,     MW_ERROR};
    the_host = host;
    if (stage == MW_STAGE_ABORT || stage == MW_STAGE_CLOSE)
        return MW_CONTINUE;
    if (mw_test_random(&seed) % 4 == 0) {
        struct mw_ticket *mine = host->park(ctx, note_cancelled, NULL);
        if (mine == NULL)
            return MW_CONTINUE;
        parked++;
        if (mw_test_random(&seed) % 3 == 0) {
            ended++;
            host->resume(mine, all[mw_test_random(&seed) % 10]);
        } else {
            ticket = mine;
        }
        return MW_WAIT;
    }
    return all[mw_test_random(&seed) % 10];
}

TEST(random_interleavings_end_every_ticket_once)
{
    static const enum mw_stage stages[] = {MW_STAGE_COMMAND, MW_STAGE_DATA, MW_STAGE_BODY,
                                           MW_STAGE_AUTH};
    seed = 20240607;
    parked = ended = 0;
    struct mw_ticket *stale = NULL;
    for (int round = 0; round < 60; round++) {
        CHECK(begin(round % 2 ? "a !b c" : "a b c"));
        play[0] = play[1] = play[2] = does_anything;
        ticket = stale = NULL;
        for (int step = 0; step < 300; step++) {
            if (mw_run_is_waiting(kit.run)) {
                uint64_t dice = mw_test_random(&seed) % 4;
                stale = ticket;
                if (dice == 0) {
                    mw_run_cancel(kit.run);
                } else if (dice == 1) {
                    kit_pass(&kit, 10000);
                } else {
                    struct mw_ticket *mine = ticket;
                    ticket = NULL;
                    ended++;
                    the_host->resume(mine, MW_CONTINUE);
                }
                continue;
            }
            if (stale != NULL && mw_test_random(&seed) % 8 == 0)
                the_host->resume(stale, MW_REJECT);
            enum mw_err err;
            if (kit.subject.envelope == NULL)
                err = kit_mail(&kit, "<s@example.net>");
            else if (mw_test_random(&seed) % 6 == 0)
                kit_end(&kit, mw_test_random(&seed) % 2), err = MW_OK;
            else
                err = kit_stage(&kit, stages[mw_test_random(&seed) % 4]);
            CHECK(err == MW_OK ? !mw_run_is_waiting(kit.run) : mw_run_is_waiting(kit.run));
            said[0] = '\0';
        }
        kit_close(&kit);
    }
    CHECK(parked > 1000);
    CHECK_INT(ended, parked);
}
