/* The words of actions, and the two acts: over a host of arrays. */
#include "action.h"

#include "fake_text.h"
#include "test.h"

enum { MAX = 8 };

struct mw_ctx {
    char rcpts[MAX][64];
    enum mw_rcpt_status status[MAX];
    size_t rcpt_count;
    struct {
        char name[32], value[64];
        bool is_added;
    } fields[2 * MAX];
    size_t field_count;
    bool refuses, keeps;
    uint32_t code;
    char dsn[16], reply[64];
};

static size_t rcpt_count(struct mw_ctx *ctx)
{
    return ctx->rcpt_count;
}

static int rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view)
{
    view->address = slice_of(ctx->rcpts[index]);
    view->domain = text_domain(view->address);
    view->local = SLICE(view->address.ptr, view->address.len - view->domain.len - 1);
    view->status = ctx->status[index];
    return 1;
}

static int rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    if (!ctx->refuses)
        fake_copy(ctx->rcpts[index], sizeof ctx->rcpts[index], address);
    return !ctx->refuses;
}

static int rcpt_delete(struct mw_ctx *ctx, size_t index)
{
    ctx->status[index] = MW_RCPT_DELETED;
    return 1;
}

static int header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view)
{
    view->is_added = ctx->fields[index].is_added;
    return 1;
}

static ptrdiff_t header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from)
{
    for (size_t i = from; i < ctx->field_count; i++)
        if (text_ieq(slice_of(ctx->fields[i].name), name))
            return (ptrdiff_t)i;
    return -1;
}

static int header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    fake_copy(ctx->fields[ctx->field_count].name, 32, name);
    fake_copy(ctx->fields[ctx->field_count].value, 64, value);
    ctx->fields[ctx->field_count++].is_added = true;
    return 1;
}

static int header_delete(struct mw_ctx *ctx, size_t index)
{
    if (ctx->keeps)
        return 0;
    ctx->field_count--;
    memmove(&ctx->fields[index], &ctx->fields[index + 1],
            (ctx->field_count - index) * sizeof ctx->fields[0]);
    return 1;
}

static int reply(struct mw_ctx *ctx, uint32_t code, struct mw_slice dsn, struct mw_slice text)
{
    ctx->code = code;
    fake_copy(ctx->dsn, sizeof ctx->dsn, dsn);
    fake_copy(ctx->reply, sizeof ctx->reply, text);
    return 1;
}

static const struct mw_host host = {.size = sizeof host,
                                    .rcpt_count = rcpt_count,
                                    .rcpt = rcpt,
                                    .rcpt_replace = rcpt_replace,
                                    .rcpt_delete = rcpt_delete,
                                    .header = header,
                                    .header_find = header_find,
                                    .header_add = header_add,
                                    .header_delete = header_delete,
                                    .reply = reply};

static void add_rcpt(struct mw_ctx *ctx, const char *address, enum mw_rcpt_status status)
{
    fake_copy(ctx->rcpts[ctx->rcpt_count], 64, slice_of(address));
    ctx->status[ctx->rcpt_count++] = status;
}

static void bring(struct mw_ctx *ctx, const char *name)
{
    header_add(ctx, slice_of(name), LIT("forged"));
    ctx->fields[ctx->field_count - 1].is_added = false;
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
    struct mw_ctx ctx = {.rcpt_count = 0};
    bring(&ctx, "x-mailweir-TAG");
    bring(&ctx, "Subject");
    bring(&ctx, "X-Mailweir-Tag");
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
    struct mw_ctx ctx = {.keeps = true};
    bring(&ctx, "X-Mailweir-Tag");
    bring(&ctx, "X-Mailweir-Tag");
    CHECK(action_tag(&host, &ctx, LIT("spf=softfail")));
    CHECK_INT(ctx.field_count, 3);
}

TEST(quarantine_takes_all_who_are_wanted)
{
    struct mw_ctx ctx = {.rcpt_count = 0};
    add_rcpt(&ctx, "a@example.test", MW_RCPT_REFUSED_UPSTREAM);
    add_rcpt(&ctx, "b@example.test", MW_RCPT_ACCEPTED);
    add_rcpt(&ctx, "c@example.test", MW_RCPT_PENDING);
    add_rcpt(&ctx, "d@example.test", MW_RCPT_ADDED);
    add_rcpt(&ctx, "e@example.test", MW_RCPT_DISCARDED);
    bring(&ctx, "X-Mailweir-Quarantine");
    bring(&ctx, "X-Mailweir-Recipient");
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
    CHECK_SLICE(slice_of(ctx.rcpts[0]), "a@example.test");
    CHECK_SLICE(slice_of(ctx.rcpts[1]), "q@example.test");
    CHECK_INT(ctx.status[2], MW_RCPT_DELETED);
    CHECK_INT(ctx.status[3], MW_RCPT_DELETED);
    CHECK_INT(ctx.status[4], MW_RCPT_DISCARDED);
    CHECK_INT(ctx.field_count, 4);
    CHECK_SLICE(slice_of(ctx.fields[0].value), "spf=fail");
    CHECK_SLICE(slice_of(ctx.fields[1].value), "b@example.test");
    CHECK_SLICE(slice_of(ctx.fields[3].value), "d@example.test");
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("dmarc=fail"),
                            NULL)); /* it is there already */
    CHECK(action_quarantine(&host, &ctx, LIT("other@example.test"), LIT("dmarc=fail"), NULL));
    CHECK_SLICE(slice_of(ctx.rcpts[1]), "q@example.test");
    CHECK_INT(ctx.field_count, 4);
}

TEST(quarantine_but_one)
{
    struct recipient c = {.local = LIT("c"), .domain = LIT("example.test")};
    const struct recipients spared = {&c, 1};
    struct mw_ctx ctx = {.rcpt_count = 0};
    add_rcpt(&ctx, "b@example.test", MW_RCPT_ACCEPTED);
    add_rcpt(&ctx, "c@example.test", MW_RCPT_ACCEPTED);
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), &spared));
    CHECK_SLICE(slice_of(ctx.rcpts[0]), "q@example.test");
    CHECK_SLICE(slice_of(ctx.rcpts[1]), "c@example.test");
    CHECK_INT(ctx.field_count, 0); /* c would read them */
}

TEST(quarantine_that_is_refused)
{
    struct mw_ctx ctx = {.refuses = true};
    add_rcpt(&ctx, "b@example.test", MW_RCPT_ACCEPTED);
    CHECK(!action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
}

TEST(quarantine_of_nobody)
{
    struct mw_ctx ctx = {.rcpt_count = 0};
    add_rcpt(&ctx, "q@example.test", MW_RCPT_ACCEPTED);
    add_rcpt(&ctx, "b@example.test", MW_RCPT_REFUSED_FILTER);
    CHECK(action_quarantine(&host, &ctx, LIT("q@example.test"), LIT("spf=fail"), NULL));
    CHECK_INT(ctx.field_count, 0);
}

TEST(refusals)
{
    struct mw_ctx ctx = {.code = 0};
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
    struct mw_ctx ctx = {.rcpt_count = 0};
    add_rcpt(&ctx, "b@example.test", MW_RCPT_ACCEPTED);
    CHECK(action_edit(&host, &ctx, ACTION_PASS, LIT("q@example.test"), LIT("spf=pass")));
    CHECK(action_edit(&host, &ctx, ACTION_ADD_HEADER, LIT("q@example.test"), LIT("spf=pass")));
    CHECK_INT(ctx.field_count, 0);
    CHECK(action_edit(&host, &ctx, ACTION_TAG, LIT("q@example.test"), LIT("spf=softfail")));
    CHECK_INT(ctx.field_count, 1);
    CHECK_SLICE(slice_of(ctx.fields[0].name), "X-Mailweir-Tag");
    CHECK_SLICE(slice_of(ctx.rcpts[0]), "b@example.test");
    CHECK(action_edit(&host, &ctx, ACTION_QUARANTINE, LIT("q@example.test"), LIT("spf=fail")));
    CHECK_SLICE(slice_of(ctx.rcpts[0]), "q@example.test");
    ctx = (struct mw_ctx){.refuses = true};
    add_rcpt(&ctx, "b@example.test", MW_RCPT_ACCEPTED);
    CHECK(!action_edit(&host, &ctx, ACTION_QUARANTINE, LIT("q@example.test"), LIT("spf=fail")));
}
