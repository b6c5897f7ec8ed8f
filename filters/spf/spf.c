/* spf.c - the module: descriptor and hooks. What happens in them is judge.c; README.md is the way in. */
#include "judge.h"

static const struct mw_host *host;

static int open_spf(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    (void)with; /* the one that mailweir_filter() was given */
    struct spf *spf = host->instance_alloc(instance, sizeof *spf);
    spf->host = host;
    if (!settings_read(host, instance, &spf->settings))
        return -1;
    judge_open(spf, instance);
    *state = spf;
    return 0;
}

static enum mw_verdict mail(struct mw_ctx *ctx)
{
    return judge_mail(ctx, host->state(ctx));
}

static enum mw_verdict rcpt(struct mw_ctx *ctx, size_t index)
{
    return judge_later(ctx, host->state(ctx), MW_STAGE_RCPT, index);
}

static enum mw_verdict data(struct mw_ctx *ctx)
{
    return judge_later(ctx, host->state(ctx), MW_STAGE_DATA, 0);
}

static enum mw_verdict end_of_headers(struct mw_ctx *ctx)
{
    return judge_later(ctx, host->state(ctx), MW_STAGE_END_OF_HEADERS, 0);
}

static void aborted(struct mw_ctx *ctx)
{
    judge_abort(ctx, host->state(ctx));
}

static void session_close(struct mw_ctx *ctx)
{
    judge_close(ctx, host->state(ctx));
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "spf",
    .version = "1.0",
    .summary = "may this client send mail from this domain? (RFC 7208)",
    .settings = spf_settings,
    .setting_count = SPF_SETTING_COUNT,
    .open = open_spf,
    .mail = mail,
    .rcpt = rcpt,
    .data = data,
    .end_of_headers = end_of_headers,
    .abort = aborted,
    .session_close = session_close,
};

/* NULL: that host has no names to ask for and no results to hand over. */
const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return given->size > offsetof(struct mw_host, authserv_id) ? &filter : NULL;
}
