/* test_wait.c - verdicts that come later: tickets, deadlines, cancelling, timers, blocking work. */
#include "chain_play.h"

static const struct mw_slice none = {"", 0};

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
    struct mw_ticket *mine = host->park(ctx, play_cancelled, &cancelled_count);
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
    ticket = host->park(ctx, play_cancelled, &cancelled_count);
    the_host = host;
    return MW_CONTINUE;
}
PLAY(parks_twice)
{
    UNUSED;
    ticket = host->park(ctx, play_cancelled, &cancelled_count);
    the_host = host;
    return host->park(ctx, play_cancelled, &cancelled_count) == NULL ? MW_WAIT : MW_REJECT;
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

/* ---- timers and work ---- */

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
    kit_script(play_dispatch, NULL, close_state);
    play[0] = works;
    work_steps = 0;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_AGAIN);
    play[0] = NULL;
    kit_close(&kit); /* frees run and instances, and then lets the pool work */
    CHECK(ticket == NULL);
    CHECK(!closed_before_done);
    CHECK_INT(work_steps, 1000 * 3 + 11);
}

/* ---- everything at once ---- */

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
