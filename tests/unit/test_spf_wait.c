/* Waiting: for answers that come, come late or do not come at all, with a client that may be gone by then. */
#include "spf_fake.h"
#include "test.h"

static const char zone[] = "example.net TXT v=spf1 ip4:192.0.2.7 -all\n"
                           "fail.example TXT v=spf1 -all\n"
                           "mute.example TXT ?\n"
                           "mail.example.net TXT v=spf1 ip4:192.0.2.7 -all\n"
                           "chain.example TXT v=spf1 include:_a.chain.example -all\n"
                           "_a.chain.example TXT v=spf1 a:host.chain.example ~all\n"
                           "host.chain.example A 192.0.2.66\n";

static struct mw_instance instance;
static struct mw_ctx ctx;

static bool begin(const char *block)
{
    return fake_begin(&ctx, &instance, block, zone);
}

static void end(void)
{
    fake_end(&ctx);
}

TEST(nobody_waits_at_mail)
{
    CHECK(begin("helo-check off"));
    CHECK_INT(judge_mail(&ctx, ctx.state), MW_CONTINUE);
    end();
    CHECK(begin("helo-check off\njudge mail\nprofile enforce"));
    snprintf(ctx.sender, sizeof ctx.sender, "a@fail.example");
    CHECK_INT(judge_mail(&ctx, ctx.state), MW_WAIT);
    while (fake_answer(&ctx))
        ;
    CHECK(ctx.is_resumed);
    CHECK_INT(ctx.resumed, MW_REJECT);
    end();
}

TEST(mute_server_is_a_temperror_in_time)
{
    CHECK(begin("profile enforce\nlookup-time 20s"));
    fake_mail(&ctx, "a@mute.example");
    ctx.rcpt_count = 1;
    snprintf(ctx.rcpts[0].address, 100, "b@example.test");
    CHECK_INT(judge_later(&ctx, ctx.state, MW_STAGE_RCPT, 0), MW_WAIT);
    while (fake_answer(&ctx))
        ;
    CHECK(ctx.is_parked); /* HELO is known, the sender is not */
    fake_wait(&ctx, 19999);
    CHECK(ctx.is_parked);
    fake_wait(&ctx, 1);
    CHECK(!ctx.is_parked);
    CHECK_INT(ctx.resumed, MW_TEMPFAIL);
    CHECK_SLICE(slice_of(ctx.reply), "SPF: the record of mute.example could not be looked up (no "
                                     "result within 20 s), try again later");
    CHECK_INT(fake_open_questions(&ctx), 0);
    CHECK_INT(fake_counter(&ctx, "late"), 1);
    end();
}

TEST(client_that_leaves_ends_all_questions)
{
    for (int answers = 0; answers < 4; answers++) {
        CHECK(begin("profile enforce\nforwarder-domains .example.net"));
        snprintf(ctx.sender, sizeof ctx.sender, "a@chain.example");
        judge_mail(&ctx, ctx.state);
        ctx.rcpt_count = 1;
        judge_later(&ctx, ctx.state, MW_STAGE_RCPT, 0);
        for (int i = 0; i < answers; i++)
            fake_answer(&ctx);
        fake_fini(&ctx); /* as the host: ticket cancelled, abort, close */
        CHECK_INT(fake_open_questions(&ctx), 0);
        CHECK_INT(ctx.is_resumed, answers == 3);
        fake_wait(&ctx, 60000); /* no timer is left that could ring */
        CHECK(!fake_answer(&ctx));
        fake_instance_fini(&instance);
    }
}

TEST(rset_and_the_next_sender)
{
    CHECK(begin("profile enforce\nhelo-check off"));
    fake_mail(&ctx, "a@mute.example");
    CHECK_INT(fake_open_questions(&ctx), 1);
    judge_abort(&ctx, ctx.state);
    CHECK_INT(fake_open_questions(&ctx), 0);
    fake_mail(&ctx, "a@mute.example"); /* a message that ended without abort() */
    fake_mail(&ctx, "a@example.net");
    CHECK_INT(fake_open_questions(&ctx), 1);
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
    end();
}

/* The host's own deadline passed, on-error let the client go on: the answer that comes later must not go anywhere. */
TEST(late_answer_after_a_cancelled_ticket)
{
    CHECK(begin("profile enforce\nhelo-check off"));
    snprintf(ctx.sender, sizeof ctx.sender, "a@fail.example");
    judge_mail(&ctx, ctx.state);
    ctx.rcpt_count = 1;
    CHECK_INT(judge_later(&ctx, ctx.state, MW_STAGE_RCPT, 0), MW_WAIT);
    ctx.is_parked = false;
    ctx.cancelled(ctx.cancelled_user);
    while (fake_answer(&ctx))
        ;
    CHECK(!ctx.is_resumed);
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT); /* the next one finds it */
    end();
}

TEST(without_a_resolver_or_timers)
{
    CHECK(begin("profile enforce"));
    ctx.has_no_resolver = true;
    fake_mail(&ctx, "a@example.net");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_TEMPFAIL);
    end();
    CHECK(begin("profile enforce"));
    ctx.has_no_timers = true;
    fake_mail(&ctx, "a@example.net");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_TEMPFAIL);
    CHECK_INT(fake_open_questions(&ctx), 0);
    end();
}

/* ---- any order of events ---- */

/* One answer, of a random open question. */
static void answer_some(uint64_t *seed)
{
    size_t pick = mw_test_random(seed) % (ctx.asked + 1);
    for (size_t i = 0; i < ctx.asked; i++) {
        struct fake_question *question = &ctx.questions[(pick + i) % ctx.asked];
        if (!question->is_open)
            continue;
        const struct mw_dns_answer failure = {.size = sizeof failure, .outcome = MW_DNS_FAILURE};
        question->is_open = false;
        question->answered(question->user, &failure);
        return;
    }
}

static void begin_mail(uint64_t *seed)
{
    static const char *const senders[] = {
        "a@example.net",  "a@fail.example", "a@mute.example", "a@chain.example", "",
        "b@chain.example"};
    if (ctx.is_parked || ctx.asked > 1000)
        return;
    snprintf(ctx.sender, sizeof ctx.sender, "%s",
             senders[mw_test_random(seed) % (sizeof senders / sizeof *senders)]);
    ctx.transaction_slot = NULL; /* the old one's memory stays until the session ends */
    judge_mail(&ctx, ctx.state);
}

static void act(uint64_t *seed)
{
    switch (mw_test_random(seed) % 8) {
    case 0:
    case 1:
        begin_mail(seed);
        return;
    case 2:
    case 3:
        if (!ctx.is_parked) {
            ctx.rcpt_count = 1;
            judge_later(&ctx, ctx.state, MW_STAGE_RCPT, 0);
        }
        return;
    case 4:
        fake_answer(&ctx);
        return;
    case 5:
        answer_some(seed);
        return;
    case 6:
        fake_wait(&ctx, mw_test_random(seed) % 30000);
        return;
    default: /* the client resets, or has gone */
        if (ctx.is_parked)
            ctx.cancelled(ctx.cancelled_user);
        ctx.is_parked = false;
        judge_abort(&ctx, ctx.state);
        ctx.transaction_slot = NULL;
    }
}

/* Nothing is touched that is gone (the sanitizers look), whoever waits is woken, and the end leaves no question and no timer. */
TEST(events_in_any_order)
{
    uint64_t seed = 0x5bf2026;
    for (int round = 0; round < 1500; round++) {
        CHECK(begin(round % 2 == 0 ? "profile enforce\nforwarder-domains .example.net"
                                   : "judge mail\nprofile enforce\nhelo-check reject"));
        for (int i = 0; i < 40; i++) {
            act(&seed);
            struct session *session = ctx.session_slot;
            CHECK(session == NULL || session->lookups.count <= LOOKUPS_MAX);
            CHECK(session == NULL || (session->ticket != NULL) == ctx.is_parked);
        }
        if (ctx.is_parked) {
            fake_wait(&ctx, 20000);
            CHECK(!ctx.is_parked);
        }
        end();
        CHECK_INT(fake_open_questions(&ctx), 0);
        for (size_t i = 0; i < ctx.task_count; i++)
            CHECK(ctx.tasks[i].is_gone);
    }
}
