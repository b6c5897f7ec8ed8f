/* test_limits.c - filters/limits, the module itself, through the chain. */
#include "chain_kit.h"

static struct kit kit;

#define BITS(...) bits_of((const enum mw_stage[]){__VA_ARGS__, MW_STAGE_COUNT})
static uint32_t bits_of(const enum mw_stage *stages)
{
    uint32_t bits = 0;
    for (; *stages != MW_STAGE_COUNT; stages++)
        bits |= MW_STAGE_BIT(*stages);
    return bits;
}

static bool begin(const char *settings)
{
    char conf[512];
    snprintf(conf, sizeof conf, "filter limits {\n module limits\n %s\n}\n", settings);
    return kit_open(&kit, conf, "limits");
}

#define CHECK_SAYS(want_verdict, want_code, want_dsn, want_rule) \
    do {                                                         \
        CHECK_INT(kit.outcome.verdict, want_verdict);            \
        CHECK_INT(kit.outcome.code, want_code);                  \
        CHECK_SLICE(kit.outcome.dsn, want_dsn);                  \
        CHECK_SLICE(kit.outcome.rule, want_rule);                \
        CHECK_SLICE(kit.outcome.where, "test.conf:3");           \
    } while (0)
#define CHECK_PASSES(call)                           \
    do {                                             \
        CHECK_INT(call, MW_OK);                      \
        CHECK_INT(kit.outcome.verdict, MW_CONTINUE); \
    } while (0)

TEST(without_limits_no_stage_is_wanted)
{
    CHECK(begin(""));
    CHECK_INT(mw_chain_stages(kit.chain), 0);
    kit_close(&kit);
}

TEST(each_limit_wants_its_stages_only)
{
    CHECK(begin("max-recipients 10"));
    CHECK_INT(mw_chain_stages(kit.chain), BITS(MW_STAGE_RCPT, MW_STAGE_RCPT_REPLY));
    kit_close(&kit);
    CHECK(begin("max-messages 10"));
    CHECK_INT(mw_chain_stages(kit.chain), BITS(MW_STAGE_MAIL));
    kit_close(&kit);
    CHECK(begin("max-message-size 10MB"));
    CHECK_INT(mw_chain_stages(kit.chain),
              BITS(MW_STAGE_MAIL, MW_STAGE_END_OF_HEADERS, MW_STAGE_BODY));
    CHECK(!mw_chain_wants_spool(kit.chain));
    kit_close(&kit);
    CHECK(begin("max-refused-in-a-row 10"));
    CHECK_INT(mw_chain_stages(kit.chain), BITS(MW_STAGE_RCPT_REPLY));
    kit_close(&kit);
}

TEST(recipients_over_the_limit_get_452)
{
    CHECK(begin("max-recipients 2"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    CHECK_PASSES(kit_rcpt(&kit, "<a@example.test>"));
    CHECK_PASSES(kit_rcpt(&kit, "<b@example.test>"));
    CHECK_INT(kit_rcpt(&kit, "<c@example.test>"), MW_OK);
    CHECK_SAYS(MW_TEMPFAIL, 452, "4.5.3", "max-recipients");
    CHECK_SLICE(kit.outcome.reason, "3, limit 2");
    CHECK_INT(kit_counter(&kit, "limits.max-recipients"), 1);
    kit_end(&kit, false);
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>")); /* the rest comes in a message of its own */
    CHECK_PASSES(kit_rcpt(&kit, "<c@example.test>"));
    kit_close(&kit);
}

TEST(recipients_refused_upstream_do_not_count)
{
    CHECK(begin("max-recipients 2"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    for (size_t i = 0; i < 5; i++) {
        CHECK_PASSES(kit_rcpt(&kit, "<unknown@example.test>"));
        CHECK_PASSES(kit_rcpt_reply(&kit, i, i % 2 ? 550 : 450));
    }
    CHECK_PASSES(kit_rcpt(&kit, "<a@example.test>"));
    CHECK_PASSES(kit_rcpt_reply(&kit, 5, 250));
    CHECK_PASSES(kit_rcpt(&kit, "<b@example.test>"));
    CHECK_INT(kit_rcpt(&kit, "<c@example.test>"), MW_OK);
    CHECK_SAYS(MW_TEMPFAIL, 452, "4.5.3", "max-recipients");
    CHECK_INT(kit_counter(&kit, "limits.recipients-accepted"), 1);
    CHECK_INT(kit_counter(&kit, "limits.recipients-unknown"), 2);
    kit_close(&kit);
}

/* A client that pipelines: all RCPTs are decided before the upstream's first answer. */
TEST(recipients_count_while_the_upstream_has_not_answered)
{
    CHECK(begin("max-recipients 2"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    CHECK_PASSES(kit_rcpt(&kit, "<a@example.test>"));
    CHECK_PASSES(kit_rcpt(&kit, "<b@example.test>"));
    CHECK_INT(kit_rcpt(&kit, "<c@example.test>"), MW_OK);
    CHECK_SAYS(MW_TEMPFAIL, 452, "4.5.3", "max-recipients");
    CHECK_PASSES(kit_rcpt_reply(&kit, 0, 550));
    CHECK_PASSES(kit_rcpt_reply(&kit, 1, 250));
    CHECK_PASSES(kit_rcpt(&kit, "<d@example.test>")); /* one was refused: there is room */
    kit_close(&kit);
}

TEST(recipients_refused_by_a_later_filter_do_not_count)
{
    CHECK(begin("max-recipients 1"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    CHECK_PASSES(kit_rcpt(&kit, "<a@example.test>"));
    mw_envelope_set_status(&kit.envelope, 0, MW_RCPT_REFUSED_FILTER, 550);
    CHECK_PASSES(kit_rcpt(&kit, "<b@example.test>"));
    CHECK_INT(kit_rcpt(&kit, "<c@example.test>"), MW_OK);
    CHECK_SAYS(MW_TEMPFAIL, 452, "4.5.3", "max-recipients");
    kit_close(&kit);
}

TEST(recipients_of_the_session_add_up)
{
    CHECK(begin("max-recipients-session 3"));
    for (int i = 0; i < 3; i++) {
        CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
        CHECK_PASSES(kit_rcpt(&kit, "<a@example.test>"));
        CHECK_PASSES(kit_rcpt_reply(&kit, 0, 250));
        kit_end(&kit, false);
    }
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    CHECK_INT(kit_rcpt(&kit, "<a@example.test>"), MW_OK);
    CHECK_SAYS(MW_TEMPFAIL, 452, "4.5.3", "max-recipients-session");
    kit_close(&kit);
}

TEST(messages_over_the_limit_end_the_session)
{
    CHECK(begin("max-messages 2"));
    for (int i = 0; i < 2; i++) {
        CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
        kit_end(&kit, true); /* an aborted transaction is no message */
        CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
        kit_end(&kit, false);
    }
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SAYS(MW_DISCONNECT, 421, "4.7.0", "max-messages");
    kit_close(&kit);
}

TEST(size_declared_too_large_is_refused_at_mail)
{
    CHECK(begin("max-message-size 1kB"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net> SIZE=1000"));
    kit_end(&kit, true);
    CHECK_INT(kit_mail(&kit, "<s@example.net> SIZE=1001"), MW_OK);
    CHECK_SAYS(MW_REJECT, 552, "5.3.4", "max-message-size");
    kit_close(&kit);
}

TEST(size_that_grows_too_large_is_refused_in_header_or_body)
{
    char block[1200] = "X: ";
    CHECK(begin("max-message-size 1kB"));
    CHECK_PASSES(kit_mail(&kit, "<s@example.net> SIZE=5"));
    CHECK_PASSES(kit_header(&kit, "A: b\r\n\r\n"));
    CHECK_PASSES(kit_body(&kit, "short\r\n"));
    memset(block + 3, 'x', 1000);
    memcpy(block + 1003, "\r\n", 3);
    CHECK_INT(kit_body(&kit, block + 3), MW_OK);
    CHECK_SAYS(MW_REJECT, 552, "5.3.4", "max-message-size");
    kit_end(&kit, true);
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    memcpy(block + 1003, "\r\n\r\n", 5);
    CHECK_INT(kit_header(&kit, block), MW_OK);
    CHECK_SAYS(MW_REJECT, 552, "5.3.4", "max-message-size");
    kit_close(&kit);
}

TEST(unknown_recipients_in_a_row_end_the_session)
{
    CHECK(begin("max-refused-in-a-row 3"));
    static const uint32_t codes[] = {550, 551, 250, 550, 450, 553};
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>"));
    for (size_t i = 0; i < 6; i++) {
        CHECK_PASSES(kit_rcpt(&kit, "<x@example.test>"));
        CHECK_PASSES(kit_rcpt_reply(&kit, i, codes[i]));
    }
    kit_end(&kit, true);
    CHECK_PASSES(kit_mail(&kit, "<s@example.net>")); /* the row goes on in the next transaction */
    CHECK_PASSES(kit_rcpt(&kit, "<x@example.test>"));
    CHECK_INT(kit_rcpt_reply(&kit, 0, 550), MW_OK);
    CHECK_SAYS(MW_DISCONNECT, 421, "4.7.0", "max-refused-in-a-row");
    CHECK_INT(kit_counter(&kit, "limits.recipients-unknown"), 5);
    CHECK_INT(kit_counter(&kit, "limits.max-refused-in-a-row"), 1);
    kit_close(&kit);
}
