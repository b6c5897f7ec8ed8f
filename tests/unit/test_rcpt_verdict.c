/* test_rcpt_verdict.c - verdicts for single recipients, and policy groups: the host's side. What
 * the client is told is tests/system/dialogs/mixed. */
#include "chain_play.h"

/* What the playing filters say of which recipient. */
static size_t at;
static enum mw_verdict word;
static int taken;
static bool has_words;

PLAY(judges)
{
    UNUSED;
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    if (has_words) {
        host->reply(ctx, 554, MW_LIT("5.7.26"), MW_LIT("Not for me"));
        host->because(ctx, MW_LIT("rule-7"), MW_LIT("x.rules:12"), MW_LIT("private"));
    }
    taken = host->rcpt_verdict(ctx, at, word);
    return MW_CONTINUE;
}

/* Every stage's verdict for the recipient `at`, from filter a. */
static bool begin_judged(const char *members)
{
    if (!begin(members))
        return false;
    play[0] = judges;
    at = 1;
    word = MW_REJECT;
    taken = -1;
    has_words = false;
    if (kit_mail(&kit, "<s@example.net>") != MW_OK ||
        kit_rcpt(&kit, "<r0@example.test>") != MW_OK ||
        kit_rcpt(&kit, "<r1@example.test>") != MW_OK)
        return false;
    mw_envelope_set_status(&kit.envelope, 0, MW_RCPT_ACCEPTED, 250);
    mw_envelope_set_status(&kit.envelope, 1, MW_RCPT_ACCEPTED, 251);
    return true;
}

static const struct mw_rcpt_verdict *verdict_of(size_t index)
{
    return mw_subject_rcpt_verdict(&kit.subject, index);
}

TEST(a_recipient_is_refused_with_words_of_its_own)
{
    CHECK(begin_judged("a b"));
    has_words = true;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(taken, 1);
    CHECK(verdict_of(0) == NULL && verdict_of(2) == NULL);
    const struct mw_rcpt_verdict *verdict = verdict_of(1);
    CHECK_INT(verdict->stage, MW_STAGE_END_OF_MESSAGE);
    CHECK_INT(verdict->outcome.verdict, MW_REJECT);
    CHECK_INT(verdict->outcome.code, 554);
    CHECK_SLICE(verdict->outcome.dsn, "5.7.26");
    CHECK_SLICE(verdict->outcome.text, "Not for me");
    CHECK_SLICE(verdict->outcome.by, "a");
    CHECK_SLICE(verdict->outcome.rule, "rule-7");
    CHECK_SLICE(verdict->outcome.where, "x.rules:12");
    CHECK_SLICE(verdict->outcome.reason, "private");
    CHECK_INT(kit.envelope.rcpts[1].status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(kit.envelope.rcpts[1].code, 251); /* what RCPT was told stays known */
    CHECK_INT(kit.envelope.accepted, 1);
    kit_close(&kit);
}

TEST(words_that_were_not_given_are_the_verdicts_default)
{
    CHECK(begin_judged("a"));
    word = MW_TEMPFAIL;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(verdict_of(1)->outcome.code, 451);
    CHECK_SLICE(verdict_of(1)->outcome.text, "Try again later");
    CHECK(verdict_of(1)->outcome.where.len > 0); /* the filter block */
    at = 0;
    word = MW_DISCARD;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(verdict_of(0)->outcome.code, 0);
    CHECK_INT(kit.envelope.rcpts[0].status, MW_RCPT_DISCARDED);
    CHECK_INT(kit.envelope.discarded, 1);
    kit_close(&kit);
}

TEST(words_of_the_wrong_class_are_replaced)
{
    CHECK(begin_judged("a"));
    has_words = true; /* 554 */
    word = MW_TEMPFAIL;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(verdict_of(1)->outcome.code, 451);
    CHECK(kit_logged(&kit, "edit-refused"));
    kit_close(&kit);
}

PLAY(says_421)
{
    UNUSED;
    if (stage == MW_STAGE_END_OF_MESSAGE) {
        host->reply(ctx, 421, MW_LIT("4.7.0"), MW_LIT("Go away"));
        taken = host->rcpt_verdict(ctx, 1, MW_TEMPFAIL);
    }
    return MW_CONTINUE;
}

TEST(a_421_is_no_reply_for_one_recipient)
{
    CHECK(begin_judged("a"));
    play[0] = says_421;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(verdict_of(1)->outcome.code, 451);
    CHECK_INT(verdict_of(1)->outcome.verdict, MW_TEMPFAIL);
    kit_close(&kit);
}

PLAY(judges_all_then_rejects)
{
    UNUSED;
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    host->reply(ctx, 554, MW_LIT("5.7.1"), MW_LIT("For r0"));
    host->rcpt_verdict(ctx, 0, MW_REJECT);
    host->rcpt_verdict(ctx, 1, MW_REJECT);
    return MW_REJECT;
}

TEST(what_was_said_for_a_recipient_is_used_up)
{
    CHECK(begin_judged("a"));
    play[0] = judges_all_then_rejects;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_SLICE(verdict_of(0)->outcome.text, "For r0");
    CHECK_SLICE(verdict_of(1)->outcome.text, "Rejected");
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_SLICE(kit.outcome.text, "Rejected");
    kit_close(&kit);
}

/* ---- several filters ---- */

static struct mw_path_view seen;
PLAY(looks_and_judges)
{
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    seen = (struct mw_path_view){.size = sizeof seen};
    host->rcpt(ctx, 1, &seen);
    word = MW_DISCARD;
    return judges(host, ctx, stage, index, a, b);
}

TEST(the_first_filter_that_says_something_counts)
{
    CHECK(begin_judged("a b"));
    play[1] = looks_and_judges;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(seen.status, MW_RCPT_REFUSED_FILTER);
    CHECK_INT(taken, 1);
    CHECK_SLICE(verdict_of(1)->outcome.by, "a");
    CHECK_INT(verdict_of(1)->outcome.verdict, MW_REJECT);
    CHECK_INT(kit.envelope.rcpts[1].status, MW_RCPT_REFUSED_FILTER);
    kit_close(&kit);
}

PLAY(thinks_twice)
{
    UNUSED;
    if (stage == MW_STAGE_END_OF_MESSAGE) {
        host->rcpt_verdict(ctx, 1, MW_REJECT);
        host->rcpt_verdict(ctx, 1, MW_TEMPFAIL);
    }
    return MW_CONTINUE;
}

TEST(of_one_filter_the_last_word_counts)
{
    CHECK(begin_judged("a"));
    play[0] = thinks_twice;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(verdict_of(1)->outcome.code, 451);
    CHECK_INT(kit.envelope.refused_by_filter, 1);
    kit_close(&kit);
}

TEST(a_recipient_that_is_not_wanted_gets_no_verdict)
{
    CHECK(begin_judged("a"));
    mw_envelope_set_status(&kit.envelope, 1, MW_RCPT_REFUSED_UPSTREAM, 550);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(taken, 1);
    CHECK(verdict_of(1) == NULL);
    CHECK_INT(kit.envelope.rcpts[1].status, MW_RCPT_REFUSED_UPSTREAM);
    kit_close(&kit);
}

TEST(an_observed_filter_only_tells)
{
    CHECK(begin_judged("!a"));
    has_words = true;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(taken, 1);
    CHECK(verdict_of(1) == NULL);
    CHECK_INT(kit.envelope.rcpts[1].status, MW_RCPT_ACCEPTED);
    CHECK(kit_logged(&kit, "observed verdict=reject stage=end_of_message by=a rule=rule-7 "
                           "code=554 dsn=5.7.26 to=<r1@example.test>"));
    CHECK_INT(kit_counter(&kit, "a.observed-reject"), 1);
    kit_close(&kit);
}

/* ---- when, and of what ---- */

static enum mw_stage when;
PLAY(judges_when)
{
    UNUSED;
    if (stage == when)
        taken = host->rcpt_verdict(ctx, at, word);
    return MW_CONTINUE;
}

TEST(a_verdict_may_be_given_from_data_to_the_end)
{
    static const enum mw_stage good[] = {MW_STAGE_DATA, MW_STAGE_END_OF_MESSAGE};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(begin_judged("a"));
        play[0] = judges_when;
        when = good[i];
        CHECK_INT(kit_stage(&kit, good[i]), MW_OK);
        CHECK_INT(taken, 1);
        CHECK_INT(verdict_of(1)->stage, good[i]);
        kit_close(&kit);
    }
    static const enum mw_stage bad[] = {MW_STAGE_COMMAND, MW_STAGE_HELO, MW_STAGE_AUTH};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(begin_judged("a"));
        play[0] = judges_when;
        when = bad[i];
        CHECK_INT(kit_stage(&kit, bad[i]), MW_OK);
        CHECK_INT(taken, 0);
        CHECK(verdict_of(1) == NULL);
        kit_close(&kit);
    }
}

TEST(a_verdict_at_the_headers_counts)
{
    CHECK(begin_judged("a"));
    play[0] = judges_when;
    when = MW_STAGE_HEADER;
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(taken, 1);
    CHECK_INT(verdict_of(1)->stage, MW_STAGE_HEADER);
    kit_close(&kit);
}

TEST(a_streaming_chain_has_no_verdicts_for_recipients)
{
    CHECK(
        begin_with("filter a {\n module script\n want 192\n}\n", "a", NULL)); /* RCPT_REPLY, DATA */
    play[0] = judges_when;
    when = MW_STAGE_DATA;
    at = 0;
    word = MW_REJECT;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r0@example.test>"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(taken, 0);
    CHECK(verdict_of(0) == NULL);
    CHECK(kit_logged(&kit, "want end_of_message"));
    kit_close(&kit);
}

TEST(bad_verdicts_are_refused)
{
    static const struct {
        enum mw_verdict verdict;
        size_t at;
    } bad[] = {{MW_CONTINUE, 1},     {MW_ACCEPT, 1}, {MW_DISCONNECT, 1},         {MW_WAIT, 1},
               {MW_ERROR, 1},        {MW_SKIP, 1},   {(enum mw_verdict)4711, 1}, {MW_REJECT, 2},
               {MW_REJECT, SIZE_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(begin_judged("a"));
        word = bad[i].verdict;
        at = bad[i].at;
        CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
        CHECK_INT(taken, 0);
        CHECK(verdict_of(0) == NULL && verdict_of(1) == NULL);
        CHECK(kit_logged(&kit, "edit=rcpt-verdict"));
        kit_close(&kit);
    }
}

TEST(a_filter_that_is_not_asked_has_no_say)
{
    CHECK(begin_judged("a"));
    play[0] = waits;
    reset_wait();
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_AGAIN);
    CHECK_INT(the_host->rcpt_verdict(waiting_ctx, 1, MW_REJECT), 1); /* while it is waited for */
    the_host->resume(ticket, MW_CONTINUE);
    CHECK_INT(the_host->rcpt_verdict(waiting_ctx, 0, MW_REJECT), 0);
    CHECK(verdict_of(0) == NULL && verdict_of(1) != NULL);
    kit_close(&kit);
}

/* ---- many ---- */

PLAY(judges_everybody)
{
    UNUSED;
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    for (size_t i = 0; i < host->rcpt_count(ctx); i++) {
        host->reply(ctx, 550, MW_LIT("5.7.1"),
                    MW_LIT("The same words for all of them, which are rather many of them"));
        host->rcpt_verdict(ctx, i, MW_REJECT);
        if (i < 3000)
            host->rcpt_add(ctx, mw_slice_cstr(i % 2 ? "x@example.test" : "y@example.test"));
    }
    return MW_CONTINUE;
}

TEST(the_same_words_are_kept_once)
{
    CHECK(begin_judged("a"));
    play[0] = NULL;
    for (int i = 2; i < 5000; i++) {
        char arg[40];
        snprintf(arg, sizeof arg, "<r%d@example.test>", i);
        CHECK_INT(kit_rcpt(&kit, arg), MW_OK);
    }
    play[0] = judges_everybody;
    size_t before = mw_arena_used(&kit.transaction_arena);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    for (size_t i = 0; i < 5000; i++)
        CHECK_INT(verdict_of(i)->outcome.code, 550);
    CHECK(mw_arena_used(&kit.transaction_arena) - before < 5000 * 400);
    kit_close(&kit);
}

/* ---- groups ---- */

static const char *group_a, *group_b;
PLAY(names_group)
{
    UNUSED;
    const char *name = ((const char *)host->state(ctx))[0] == 'a' ? group_a : group_b;
    if (name != NULL && (stage == MW_STAGE_RCPT || stage == MW_STAGE_MAIL))
        taken = host->rcpt_group(ctx, mw_slice_cstr(name));
    return MW_CONTINUE;
}

/* The group of the next recipient, copied to the session's arena; "?" if RCPT failed. */
static struct mw_slice group_with(const char *of_a, const char *of_b)
{
    group_a = of_a;
    group_b = of_b;
    kit.subject.rcpt_group = MW_EMPTY;
    if (kit_rcpt(&kit, "<r@example.test>") != MW_OK)
        return MW_LIT("?");
    return mw_arena_dup(&kit.session_arena, kit.subject.rcpt_group);
}

TEST(groups_are_equal_only_if_every_filters_are)
{
    CHECK(begin("a b"));
    group_a = group_b = NULL;
    play[0] = play[1] = names_group;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    struct mw_slice one = group_with("x", NULL);
    CHECK_INT(taken, 1);
    CHECK(mw_slice_eq(one, group_with("x", NULL)));
    CHECK(!mw_slice_eq(one, group_with("y", NULL)));
    CHECK(!mw_slice_eq(one, group_with("", NULL)));
    CHECK(!mw_slice_eq(one, group_with(NULL, "x")));
    CHECK(!mw_slice_eq(one, group_with("x", "x")));
    CHECK(!mw_slice_eq(group_with("x", "yz"), group_with("xy", "z")));
    CHECK(!mw_slice_eq(group_with("x", "x"), group_with("xb 1 x", NULL)));
    CHECK_INT(group_with(NULL, NULL).len, 0);
    kit_close(&kit);
}

TEST(a_group_is_named_at_rcpt_and_is_short)
{
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[256] = '\0';
    CHECK(begin("a"));
    play[0] = names_group;
    group_a = "x";
    taken = -1;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(taken, 0);
    CHECK_INT(group_with(name, NULL).len, 0);
    CHECK_INT(taken, 0);
    CHECK(kit_logged(&kit, "edit=rcpt-group"));
    name[255] = '\0';
    CHECK(group_with(name, NULL).len > 255);
    CHECK_INT(taken, 1);
    kit_close(&kit);
}

TEST(an_observed_filter_names_no_group)
{
    CHECK(begin("!a"));
    play[0] = names_group;
    group_a = NULL;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(group_with("x", NULL).len, 0);
    CHECK_INT(taken, 1);
    kit_close(&kit);
}
