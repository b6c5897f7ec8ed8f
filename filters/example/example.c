/* example.c - every hook of a filter, to copy from. It refuses recipients by name and senders whose
 * domain has a file in a directory (looked up on the pool: the asynchronous hook), and adds a field
 * to the header. Build it with mailweir's header alone:
 *
 *   cc -shared -fPIC -o example.so example.c $(pkg-config --cflags mailweir-filter) */
/* clang-format off */ /* hooks that have little to say stay short */
#include <mailweir/content.h>
#include <mailweir/filter.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct mw_host *host; /* the proxy's functions: one table for all blocks and sessions */

/* Checked by the configuration before open(): names, types, bounds. default_text NULL would mean: required. */
static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting), .name = "refuse", .type = MW_SETTING_TEXT, .default_text = "",
     .help = "local part of a recipient to refuse"},
    {.size = sizeof(struct mw_setting), .name = "blocked", .type = MW_SETTING_TEXT, .default_text = "",
     .help = "directory with a file for each sender domain to refuse"},
    {.size = sizeof(struct mw_setting), .name = "whole-message", .type = MW_SETTING_BOOL, .default_text = "off",
     .help = "refuse empty bodies (makes the proxy spool)"},
};

struct example { const struct mw_setting_value *refuse, *blocked; int refusals, client; }; /* one `filter` block */
struct message { size_t fields, octets; };                                                /* one transaction */

static struct mw_slice text(const char *cstr) { return (struct mw_slice){cstr, strlen(cstr)}; }

static int on_open(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    struct example *example = *state = with->instance_alloc(instance, sizeof *example); /* the host frees it */
    example->refuse = with->setting(instance, "refuse");
    example->blocked = with->setting(instance, "blocked");
    example->refusals = with->counter(instance, "refusals");
    example->client = with->fact_id(instance, "client.ip");
    /* A stage that nobody wants costs nothing, and without end_of_message mail streams: ask for no more than you need. */
    if (with->setting(instance, "whole-message")->number != 0)
        with->want_content(instance, MW_CONTENT_PARTS); /* nothing else of a message is decoded */
    else
        with->want(instance, ~(MW_STAGE_BIT(MW_STAGE_BODY) | MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)));
    return 0; /* -1, after host->diag(), would keep the whole configuration from being loaded */
}

static enum mw_verdict on_connect(struct mw_ctx *ctx) /* the address is known: 16 octets */
{
    const struct example *example = host->state(ctx);
    return host->fact(ctx, example->client).type == MW_FACT_ADDRESS ? MW_CONTINUE : MW_ERROR; /* ERROR: on-error decides */
}
static enum mw_verdict on_helo(struct mw_ctx *ctx, struct mw_slice name)
{
    struct mw_log_pair pair = {"name", name}; /* peers' octets are escaped by the log */
    host->log(ctx, MW_LOG_DEBUG, "greeted", &pair, 1);
    return MW_CONTINUE;
}
static enum mw_verdict on_starttls(struct mw_ctx *ctx) { (void)ctx; return MW_CONTINUE; }
static enum mw_verdict on_auth(struct mw_ctx *ctx, struct mw_slice mechanism) { (void)ctx, (void)mechanism; return MW_CONTINUE; }

/* ---- the asynchronous hook. Its job is no session memory: it may end after the session has. ---- */
struct job { struct mw_ctx *ctx; struct mw_ticket *ticket; int is_blocked; char path[512]; };

static void look(void *user) /* on a pool thread: may block, may not call the host */
{
    struct job *job = user;
    job->is_blocked = access(job->path, F_OK) == 0;
}
static void cancelled(void *user) { ((struct job *)user)->ticket = NULL; } /* deadline passed, or the client has gone */
static void looked(void *user)                                             /* on the loop, always */
{
    struct job *job = user;
    if (job->ticket != NULL && job->is_blocked)
        host->reply(job->ctx, 550, text("5.7.1"), text("Sender domain is blocked"));
    if (job->ticket != NULL)
        host->resume(job->ticket, job->is_blocked ? MW_REJECT : MW_CONTINUE); /* do not touch ctx behind this */
    free(job);
}
static enum mw_verdict on_mail(struct mw_ctx *ctx)
{
    const struct example *example = host->state(ctx);
    struct mw_path_view from = {.size = sizeof from};
    if (example->blocked->text_count == 0 || !host->sender(ctx, &from) || from.domain.len == 0 || from.domain.len > 255 ||
        memchr(from.domain.ptr, '/', from.domain.len) != NULL) /* peers choose these octets */
        return MW_CONTINUE;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return MW_ERROR;
    job->ctx = ctx;
    snprintf(job->path, sizeof job->path, "%s/%.*s", example->blocked->texts[0].ptr, (int)from.domain.len, from.domain.ptr);
    if (!host->work(ctx, look, looked, job)) { /* the pool is full */
        free(job);
        return MW_TEMPFAIL; /* without host->reply(): a default reply */
    }
    job->ticket = host->park(ctx, cancelled, job);
    return MW_WAIT;
}

static enum mw_verdict on_rcpt(struct mw_ctx *ctx, size_t index)
{
    const struct example *example = host->state(ctx);
    struct mw_path_view to = {.size = sizeof to};
    if (example->refuse->text_count == 0 || !host->rcpt(ctx, index, &to) || to.local.len != example->refuse->texts[0].len ||
        memcmp(to.local.ptr, example->refuse->texts[0].ptr, to.local.len) != 0)
        return MW_CONTINUE;
    host->count(ctx, example->refusals, 1);
    host->reply(ctx, 550, text("5.1.1"), text("No such user here"));
    host->because(ctx, text("refuse"), text(""), text("listed")); /* for the log line, not for the client */
    return MW_REJECT;
}
static enum mw_verdict on_rcpt_reply(struct mw_ctx *ctx, size_t index) /* what did the upstream say? */
{
    (void)index;
    return host->upstream_reply(ctx, NULL) == 421 ? MW_DISCONNECT : MW_CONTINUE;
}
static enum mw_verdict on_data(struct mw_ctx *ctx)
{
    *host->transaction_slot(ctx) = host->transaction_alloc(ctx, sizeof(struct message)); /* freed with the transaction */
    return MW_CONTINUE;
}
static enum mw_verdict on_header(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    (void)name, (void)value; /* borrowed until we return */
    ((struct message *)*host->transaction_slot(ctx))->fields++;
    return MW_CONTINUE;
}
static enum mw_verdict on_end_of_headers(struct mw_ctx *ctx)
{
    char value[32];
    snprintf(value, sizeof value, "%zu fields", ((struct message *)*host->transaction_slot(ctx))->fields);
    host->header_add(ctx, text("X-Example"), text(value)); /* filters behind us see it */
    return MW_CONTINUE;
}
static enum mw_verdict on_body(struct mw_ctx *ctx, struct mw_slice octets)
{
    ((struct message *)*host->transaction_slot(ctx))->octets += octets.len;
    return MW_SKIP; /* seen enough: no more pieces of this message */
}
static enum mw_verdict on_end_of_message(struct mw_ctx *ctx) /* host->body_view() and body_replace() work here */
{
    const struct mw_content *content = host->content(ctx); /* parts, names, texts, links: what open() asked for */
    char attachments[24];
    size_t count = 0;
    for (size_t i = 0; content != NULL && i < content->part_count; i++)
        count += content->parts[i]->is_attachment != 0;
    int len = snprintf(attachments, sizeof attachments, "%zu", count);
    struct mw_log_pair pair = {"attachments", {attachments, (size_t)len}};
    host->log(ctx, MW_LOG_INFO, "example-content", &pair, 1);
    return ((struct message *)*host->transaction_slot(ctx))->octets == 0 ? MW_REJECT : MW_CONTINUE;
}
static enum mw_verdict on_command(struct mw_ctx *ctx, struct mw_slice verb, struct mw_slice arg)
{
    (void)ctx, (void)arg;
    return verb.len == 4 && memcmp(verb.ptr, "VRFY", 4) == 0 ? MW_REJECT : MW_CONTINUE;
}
static void on_abort(struct mw_ctx *ctx) { (void)ctx; }         /* no message came of it: let go of what is in no arena */
static void on_session_close(struct mw_ctx *ctx) { (void)ctx; } /* `ctx` ends here */

static const struct mw_filter filter = {
    .size = sizeof filter, .abi = MAILWEIR_ABI, .name = "example", .version = "1.0", .summary = "shows every hook",
    .settings = settings, .setting_count = sizeof settings / sizeof *settings, .open = on_open,
    .connect = on_connect, .helo = on_helo, .starttls = on_starttls, .auth = on_auth, .mail = on_mail, .rcpt = on_rcpt,
    .rcpt_reply = on_rcpt_reply, .data = on_data, .header = on_header, .end_of_headers = on_end_of_headers, .body = on_body,
    .end_of_message = on_end_of_message, .abort = on_abort, .session_close = on_session_close, .command = on_command,
};
const struct mw_filter *mailweir_filter(const struct mw_host *given) { host = given; return &filter; }
