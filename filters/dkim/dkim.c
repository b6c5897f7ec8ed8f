/* dkim.c - the module: descriptor and hooks. What happens in them is judge.c; README.md is the way in. */
#include "judge.h"

static const struct mw_host *host;

static int open_dkim(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    (void)with; /* the one that mailweir_filter() was given */
    struct dkim *dkim = host->instance_alloc(instance, sizeof *dkim);
    dkim->host = host;
    if (!settings_read(host, instance, &dkim->settings))
        return -1;
    judge_open(dkim, instance);
    *state = dkim;
    return 0;
}

static void close_dkim(void *state)
{
    judge_close(state);
}

static enum mw_verdict end_of_headers(struct mw_ctx *ctx)
{
    return judge_headers(ctx, host->state(ctx));
}

static enum mw_verdict body(struct mw_ctx *ctx, struct mw_slice octets)
{
    return judge_body(ctx, host->state(ctx), octets);
}

static enum mw_verdict end_of_message(struct mw_ctx *ctx)
{
    return judge_message(ctx, host->state(ctx));
}

static enum mw_verdict edited(struct mw_ctx *ctx)
{
    return judge_edited(ctx, host->state(ctx));
}

static void released(struct mw_ctx *ctx)
{
    judge_release(ctx, host->state(ctx));
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "dkim",
    .version = "1.0",
    .summary = "whose signatures does the message bear, and do they hold? (RFC 6376)",
    .settings = dkim_settings,
    .setting_count = DKIM_SETTING_COUNT,
    .open = open_dkim,
    .close = close_dkim,
    .end_of_headers = end_of_headers,
    .body = body,
    .end_of_message = end_of_message,
    .abort = released,
    .session_close = released,
    .edited = edited,
};

/* NULL: that host has no questions for sessions and no results to hand over. */
const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return given->size > offsetof(struct mw_host, body_is_replaced) ? &filter : NULL;
}
