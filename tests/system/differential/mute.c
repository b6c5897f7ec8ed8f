/* mute.c - a filter that wants every stage and has no opinion at any of them (smtp.md, law 3). The
 * differential test compiles it with mailweir's public header alone and puts it into the chain:
 * mail through it must be what it was without.
 *
 *   early on   every stage but those that make the proxy keep the message back: the stream plan
 *   late on    stages that may wait do: the verdict comes later, from the loop */
#include <mailweir/filter.h>

static const struct mw_host *host;

static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting),
     .name = "early",
     .type = MW_SETTING_BOOL,
     .default_text = "off",
     .help = "leave body and end of message out"},
    {.size = sizeof(struct mw_setting),
     .name = "late",
     .type = MW_SETTING_BOOL,
     .default_text = "off",
     .help = "give verdicts later"},
};

struct mute {
    int is_late;
};

static int on_open(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    struct mute *mute = *state = with->instance_alloc(instance, sizeof *mute);
    mute->is_late = with->setting(instance, "late")->number != 0;
    if (with->setting(instance, "early")->number != 0)
        with->want(instance,
                   ~(MW_STAGE_BIT(MW_STAGE_BODY) | MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)));
    return 0;
}

/* The verdict that comes later: in the session's memory, so that nothing is left when the session
 * goes. */
struct later {
    struct mw_ticket *ticket; /* NULL: nobody waits (any more) */
};

static void on_time(void *user)
{
    struct later *later = user;
    struct mw_ticket *ticket = later->ticket;
    later->ticket = NULL;
    if (ticket != NULL)
        host->resume(ticket, MW_CONTINUE);
}

static void on_cancelled(void *user)
{
    ((struct later *)user)->ticket = NULL;
}

static enum mw_verdict nothing(struct mw_ctx *ctx)
{
    const struct mute *mute = host->state(ctx);
    if (!mute->is_late)
        return MW_CONTINUE;
    void **slot = host->session_slot(ctx);
    if (*slot == NULL)
        *slot = host->session_alloc(ctx, sizeof(struct later));
    struct later *later = *slot;
    later->ticket = host->park(ctx, on_cancelled, later);
    host->timer(ctx, 0, on_time, later);
    return MW_WAIT;
}

static enum mw_verdict on_text(struct mw_ctx *ctx, struct mw_slice text)
{
    (void)text;
    return nothing(ctx);
}
static enum mw_verdict on_index(struct mw_ctx *ctx, size_t index)
{
    (void)index;
    return nothing(ctx);
}
static enum mw_verdict on_command(struct mw_ctx *ctx, struct mw_slice verb, struct mw_slice arg)
{
    (void)verb, (void)arg;
    return nothing(ctx);
}
/* These may not wait. */
static enum mw_verdict on_header(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    (void)ctx, (void)name, (void)value;
    return MW_CONTINUE;
}
static enum mw_verdict on_body(struct mw_ctx *ctx, struct mw_slice octets)
{
    (void)ctx, (void)octets;
    return MW_CONTINUE;
}
static enum mw_verdict on_rcpt_reply(struct mw_ctx *ctx, size_t index)
{
    (void)ctx, (void)index;
    return MW_CONTINUE;
}
static void on_end(struct mw_ctx *ctx)
{
    (void)ctx;
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "mute",
    .version = "1.0",
    .summary = "has no opinion",
    .settings = settings,
    .setting_count = sizeof settings / sizeof *settings,
    .open = on_open,
    .connect = nothing,
    .helo = on_text,
    .starttls = nothing,
    .auth = on_text,
    .mail = nothing,
    .rcpt = on_index,
    .rcpt_reply = on_rcpt_reply,
    .data = nothing,
    .header = on_header,
    .end_of_headers = nothing,
    .body = on_body,
    .end_of_message = nothing,
    .abort = on_end,
    .session_close = on_end,
    .command = on_command,
};
const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return &filter;
}
