/* endwant.c - a filter that wants end_of_message and does nothing: it puts the proxy on the spool
 * plan. */
#include <mailweir/filter.h>

static enum mw_verdict on_end_of_message(struct mw_ctx *ctx)
{
    (void)ctx;
    return MW_CONTINUE;
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "endwant",
    .version = "1.0",
    .summary = "wants the whole message, does nothing with it (benchmarks)",
    .end_of_message = on_end_of_message,
};

const struct mw_filter *mailweir_filter(const struct mw_host *host)
{
    (void)host;
    return &filter;
}
