/* The words of actions, and the two acts: over a host of arrays. */
#include "action.h"

#include "fake_host.h"
#include "test.h"

const char *const fake_fact_names[] = {NULL};

static const struct mw_host host = {.size = sizeof host,
                                    .rcpt_count = host_rcpt_count,
                                    .rcpt = host_rcpt,
                                    .rcpt_replace = host_rcpt_replace,
                                    .rcpt_delete = host_rcpt_delete,
                                    .header = host_header,
                                    .header_find = host_header_find,
                                    .header_add = host_header_add,
                                    .header_delete = host_header_delete,
                                    .reply = host_reply};
static struct mw_ctx ctx;

static void begin(void)
{
    fake_session_init(&ctx, NULL, NULL);
}

static void add_rcpt(const char *address, enum mw_rcpt_status status)
{
    struct fake_rcpt *rcpt = &ctx.rcpts[ctx.rcpt_count++];
    fake_copy(rcpt->address, sizeof rcpt->address, slice_of(address));
    rcpt->status = status;
}

static void bring(const char *name)
{
    fake_header(&ctx, name, "forged");
}

TEST(words)
{
    static const char *const good[] = {"pass",       "add-header", "tag",
                                       "quarantine", "defer",      "reject"};
    static const char *const bad[] = {"", "Reject", "rejec", "rejectx", "add_header", "discard"};
    enum action action;
    for (int i = 0; i < ACTION_COUNT; i++) {
        CHECK(action_parse(slice_of(good[i]), &action));
        CHECK_INT(action, i);
        CHECK_SLICE(slice_of(action_name(action)), good[i]);
        CHECK(strstr(action_words, good[i]) != NULL);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!action_parse(slice_of(bad[i]), &action));
}

TEST(tag_is_the_only_one_of_its_name)
{
    begin();
    bring("x-mailweir-TAG");
    bring("Subject");
    bring("X-Mailweir-Tag");
    CHECK(action_tag(&host, &ctx, LIT("spf=softfail")));
    CHECK(action_tag(&host, &ctx, LIT("dmarc=fail")));
    CHECK_INT(ctx.field_count, 3);
    CHECK_SLICE(slice_of(ctx.fields[0].name), "Subject");
    CHECK_SLICE(slice_of(ctx.fields[1].value), "spf=softfail");
    CHECK_SLICE(slice_of(ctx.fields[2].value), "dmarc=fail");
}

/* An observed filter deletes nothing: that must not go on for ever. */
TEST(fields_that_cannot_be_deleted)
{
    begin();
    ctx.is_observed = true;
    bring("X-Mailweir-Tag");
    bring("X-Mailweir-Tag");
    CHECK(action_tag(&host, &ctx, LIT("spf=softfail")));
    CHECK_INT(ctx.field_count, 3);
}

TEST(quarantine_takes_all_who_are_wanted)
{
    begin();
    add_rcpt("a@example.test", MW_RCPT_REFUSED_UPSTREAM);
    add_rcpt("b@example.test", MW_RCPT_ACCEPTED);
    add_rcpt("c@example.test", MW_RCPT_PENDING);
    add_rcpt("d@example.test", MW_RCPT_ADDED);
    add_rcpt("e@example.test", MW_RCPT_DISCARDED);
    bring("X-Mailweir-Quarantine");
    bring("X-Mailweir-Recipient");
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "a@example.test");
    CHECK_SLICE(slice_of(ctx.rcpts[1].address), "q@example.test");
    CHECK_INT(ctx.rcpts[2].status, MW_RCPT_DELETED);
    CHECK_INT(ctx.rcpts[3].status, MW_RCPT_DELETED);
    CHECK_INT(ctx.rcpts[4].status, MW_RCPT_DISCARDED);
    CHECK_INT(ctx.field_count, 4);
    CHECK_SLICE(slice_of(ctx.fields[0].value), "spf=fail");
    CHECK_SLICE(slice_of(ctx.fields[1].value), "b@example.test");
    CHECK_SLICE(slice_of(ctx.fields[3].value), "d@example.test");
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("dmarc=fail"),
                            NULL)); /* it is there already */
    CHECK(action_quarantine(&host, &ctx, LIT("other@example.test"), LIT("dmarc=fail"), NULL));
    CHECK_SLICE(slice_of(ctx.rcpts[1].address), "q@example.test");
    CHECK_INT(ctx.field_count, 4);
}

TEST(quarantine_but_one)
{
    struct recipient c = {.local = LIT("c"), .domain = LIT("example.test")};
    const struct recipients spared = {&c, 1};
    begin();
    add_rcpt("b@example.test", MW_RCPT_ACCEPTED);
    add_rcpt("c@example.test", MW_RCPT_ACCEPTED);
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), &spared));
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "q@example.test");
    CHECK_SLICE(slice_of(ctx.rcpts[1].address), "c@example.test");
    CHECK_INT(ctx.field_count, 0); /* c would read them */
}

TEST(quarantine_that_is_refused)
{
    begin();
    ctx.refuses_edits = true;
    add_rcpt("b@example.test", MW_RCPT_ACCEPTED);
    CHECK(!action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
}

TEST(quarantine_of_nobody)
{
    begin();
    add_rcpt("q@example.test", MW_RCPT_ACCEPTED);
    add_rcpt("b@example.test", MW_RCPT_REFUSED_FILTER);
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
    CHECK_INT(ctx.field_count, 0);
}

TEST(refusals)
{
    begin();
    const struct reply good = {.code = 550, .dsn = "5.7.23", .text = LIT("No")};
    const struct reply later = {.code = 451, .dsn = "4.7.24", .text = LIT("Not now")};
    CHECK_INT(action_refuse(&host, &ctx, ACTION_REJECT, &good), MW_REJECT);
    CHECK_INT(ctx.code, 550);
    CHECK_SLICE(slice_of(ctx.dsn), "5.7.23");
    CHECK_SLICE(slice_of(ctx.reply), "No");
    CHECK_INT(action_refuse(&host, &ctx, ACTION_DEFER, &later), MW_TEMPFAIL);
    CHECK_INT(ctx.code, 451);
    CHECK_SLICE(slice_of(ctx.reply), "Not now");
}

TEST(edits_of_actions)
{
    begin();
    add_rcpt("b@example.test", MW_RCPT_ACCEPTED);
    CHECK(action_edit(&host, &ctx, ACTION_PASS, LIT("q@example.test"), LIT("spf=pass")));
    CHECK(action_edit(&host, &ctx, ACTION_ADD_HEADER, LIT("q@example.test"), LIT("spf=pass")));
    CHECK_INT(ctx.field_count, 0);
    CHECK(action_edit(&host, &ctx, ACTION_TAG, LIT("q@example.test"), LIT("spf=softfail")));
    CHECK_INT(ctx.field_count, 1);
    CHECK_SLICE(slice_of(ctx.fields[0].name), "X-Mailweir-Tag");
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "b@example.test");
    CHECK(action_edit(&host, &ctx, ACTION_QUARANTINE, LIT("q@example.test"), LIT("spf=fail")));
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "q@example.test");
    begin();
    ctx.refuses_edits = true;
    add_rcpt("b@example.test", MW_RCPT_ACCEPTED);
    CHECK(!action_edit(&host, &ctx, ACTION_QUARANTINE, LIT("q@example.test"), LIT("spf=fail")));
}
