/* dmarc.c - the module: descriptor and hooks. What happens in them is judge.c; README.md is the way in. */
#include "judge.h"

static const struct mw_host *host;

static int open_dmarc(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    (void)with; /* the one that mailweir_filter() was given */
    struct dmarc *dmarc = host->instance_alloc(instance, sizeof *dmarc);
    dmarc->host = host;
    if (!settings_read(host, instance, &dmarc->settings))
        return -1;
    judge_open(dmarc, instance);
    *state = dmarc;
    return 0;
}

static enum mw_verdict end_of_headers(struct mw_ctx *ctx)
{
    return judge_headers(ctx, host->state(ctx));
}

static enum mw_verdict end_of_message(struct mw_ctx *ctx)
{
    return judge_message(ctx, host->state(ctx));
}

static void release(struct mw_ctx *ctx)
{
    judge_release(ctx, host->state(ctx));
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "dmarc",
    .version = "1.0",
    .summary = "does SPF or DKIM vouch for the domain in From? (RFC 9989)",
    .settings = dmarc_settings,
    .setting_count = DMARC_SETTING_COUNT,
    .open = open_dmarc,
    .end_of_headers = end_of_headers,
    .end_of_message = end_of_message,
    .abort = release,
    .session_close = release,
};

/* NULL: that host has no names to ask for and no results to hand over. */
const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return given->size > offsetof(struct mw_host, authserv_id) ? &filter : NULL;
}
