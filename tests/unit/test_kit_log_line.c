/* Log lines: what is left out, and what does not fit. */
#include "log_line.h"

#include "fake_text.h"
#include "test.h"

struct mw_ctx {
    char log[4096];
};

static void host_log(struct mw_ctx *ctx, enum mw_log_level level, const char *event,
                     const struct mw_log_pair *pairs, size_t count)
{
    fake_append(ctx->log, sizeof ctx->log, "%d %s", (int)level, event);
    fake_append_pairs(ctx->log, sizeof ctx->log, pairs, count);
}

static const struct mw_host host = {.size = sizeof host, .log = host_log};

TEST(pairs)
{
    struct mw_ctx ctx = {.log = ""};
    struct log_line line = {.count = 0};
    log_put(&line, "result", LIT("fail"));
    log_put(&line, "domain", EMPTY);
    log_put_some(&line, "problem", EMPTY);
    log_put_some(&line, "where", LIT("a.conf:1"));
    log_put_number(&line, "none", 0);
    log_put_number(&line, "most", UINT64_MAX);
    log_write(&line, &host, &ctx, MW_LOG_INFO, "spf-result");
    char want[200];
    snprintf(want, sizeof want,
             "%d spf-result result=fail domain= where=a.conf:1 none=0 most=18446744073709551615",
             MW_LOG_INFO);
    CHECK_SLICE(slice_of(ctx.log), want);
}

TEST(who_and_from_where)
{
    static const char v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 127, 0, 0, 1};
    static char longest[LOG_PATH_MAX + 1];
    struct log_line line = {.count = 0}, empty = {.count = 0};
    memset(longest, 'a', sizeof longest);
    log_put_address(&line, "client", v4);
    log_put_path(&line, "from", SLICE(longest, sizeof longest));
    CHECK_SLICE(line.pairs[0].value, "127.0.0.1");
    CHECK_INT(line.pairs[1].value.len, LOG_PATH_MAX + 2);
    CHECK_INT(line.pairs[1].value.ptr[0], '<');
    CHECK_INT(line.pairs[1].value.ptr[LOG_PATH_MAX], 'a');
    CHECK_INT(line.pairs[1].value.ptr[LOG_PATH_MAX + 1], '>');
    log_put_path(&empty, "from", EMPTY);
    CHECK_SLICE(empty.pairs[0].value, "<>");
}

TEST(no_more_than_there_is_room_for)
{
    struct log_line line = {.count = 0};
    for (uint64_t i = 0; i < 2 * LOG_NUMBERS_MAX; i++)
        log_put_number(&line, "n", i);
    CHECK_INT(line.count, LOG_NUMBERS_MAX);
    CHECK_SLICE(line.pairs[LOG_NUMBERS_MAX - 1].value, "3");
    for (int i = 0; i < 2 * LOG_PAIRS_MAX; i++)
        log_put(&line, "x", LIT("y"));
    CHECK_INT(line.count, LOG_PAIRS_MAX);
    CHECK_SLICE(line.pairs[0].value, "0");
}
