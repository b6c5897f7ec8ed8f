/* limits.c - how much one session may do: recipients, messages, octets, unknown recipients in a
 * row.
 *
 * Every limit is off (0) until it is set. Only the stages that the limits in force need are asked
 * for, so that an unused limit costs nothing; a message-size limit alone does not make the proxy
 * spool. What counts as a recipient: one that nobody has refused. Refusals by the upstream come
 * back through rcpt_reply; a refusal by a filter behind this one shows in the recipient's status
 * when the next RCPT is asked about. */
#include <mailweir/filter.h>

#include <stdio.h>
#include <string.h>

static const struct mw_host *host;

enum limit_id {
    LIMIT_RECIPIENTS = 0,
    LIMIT_RECIPIENTS_SESSION,
    LIMIT_MESSAGES,
    LIMIT_SIZE,
    LIMIT_REFUSED,
    LIMIT_COUNT
};

/* clang-format off */
static const struct mw_setting settings[LIMIT_COUNT] = {
    [LIMIT_RECIPIENTS] = {.size = sizeof(struct mw_setting), .name = "max-recipients", .type = MW_SETTING_COUNT,
        .default_text = "0", .help = "recipients of one message; further ones get 452 4.5.3 (0: no limit)"},
    [LIMIT_RECIPIENTS_SESSION] = {.size = sizeof(struct mw_setting), .name = "max-recipients-session", .type = MW_SETTING_COUNT,
        .default_text = "0", .help = "recipients of all messages of a session; further ones get 452 4.5.3 (0: no limit)"},
    [LIMIT_MESSAGES] = {.size = sizeof(struct mw_setting), .name = "max-messages", .type = MW_SETTING_COUNT,
        .default_text = "0", .help = "messages of one session; the next MAIL gets 421 4.7.0 and has to connect again (0: no limit)"},
    [LIMIT_SIZE] = {.size = sizeof(struct mw_setting), .name = "max-message-size", .type = MW_SETTING_SIZE,
        .default_text = "0", .help = "octets of a message, declared or received; larger ones get 552 5.3.4 (0: no limit)"},
    [LIMIT_REFUSED] = {.size = sizeof(struct mw_setting), .name = "max-refused-in-a-row", .type = MW_SETTING_COUNT,
        .default_text = "0", .help = "recipients refused for good by the upstream without an accepted one between; then 421 4.7.0 and the end (0: no limit)"},
};

/* The stages that a limit needs, and what it says when it is reached. */
static const struct {
    uint32_t stages;
    enum mw_verdict verdict;
    uint32_t code;
    const char *dsn, *text;
} rows[LIMIT_COUNT] = {
    [LIMIT_RECIPIENTS] = {MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_RCPT_REPLY), MW_TEMPFAIL,
        452, "4.5.3", "Error: too many recipients"},
    [LIMIT_RECIPIENTS_SESSION] = {MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_RCPT_REPLY), MW_TEMPFAIL,
        452, "4.5.3", "Error: too many recipients in this session"},
    [LIMIT_MESSAGES] = {MW_STAGE_BIT(MW_STAGE_MAIL), MW_DISCONNECT,
        421, "4.7.0", "Error: too many messages in this session, connect again"},
    [LIMIT_SIZE] = {MW_STAGE_BIT(MW_STAGE_MAIL) | MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY), MW_REJECT,
        552, "5.3.4", "Error: message size exceeds the limit"},
    [LIMIT_REFUSED] = {MW_STAGE_BIT(MW_STAGE_RCPT_REPLY), MW_DISCONNECT,
        421, "4.7.0", "Error: too many unknown recipients"},
};
/* clang-format on */

/* One `filter` block. */
struct limits {
    struct {
        uint64_t max; /* 0: off */
        struct mw_slice where;
        int counter;
    } of[LIMIT_COUNT];
    int accepted_counter, unknown_counter, messages_fact;
};
struct session {
    uint64_t recipients, refused_in_a_row;
};
struct transaction {
    uint64_t recipients;
    size_t last; /* the recipient counted last */
    int is_open; /* ... and what becomes of it behind us is not yet known */
};

static struct mw_slice text(const char *cstr)
{
    return (struct mw_slice){cstr, strlen(cstr)};
}

/* ---- loading ---- */

/* "conf.d/50-limits.conf:4": what the log names when this limit refuses something. */
static struct mw_slice position(struct mw_instance *instance, const struct mw_setting_value *value)
{
    if (value->file == NULL)
        return text("");
    size_t size = strlen(value->file) + 12;
    char *where = host->instance_alloc(instance, size);
    snprintf(where, size, "%s:%u", value->file, value->line);
    return text(where);
}

static int open_limits(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    (void)with; /* the one that mailweir_filter() was given */
    struct limits *limits = host->instance_alloc(instance, sizeof *limits);
    uint32_t stages = 0;
    for (int i = 0; i < LIMIT_COUNT; i++) {
        const struct mw_setting_value *value = host->setting(instance, settings[i].name);
        limits->of[i].max = value->number;
        limits->of[i].where = position(instance, value);
        limits->of[i].counter = host->counter(instance, settings[i].name);
        if (value->number > 0)
            stages |= rows[i].stages;
    }
    limits->accepted_counter = host->counter(instance, "recipients-accepted");
    limits->unknown_counter = host->counter(instance, "recipients-unknown");
    limits->messages_fact = host->fact_id(instance, "session.messages");
    host->want(instance, stages);
    *state = limits;
    return 0;
}

/* ---- in hooks ---- */

static struct session *session_of(struct mw_ctx *ctx)
{
    void **slot = host->session_slot(ctx);
    if (*slot == NULL)
        *slot = host->session_alloc(ctx, sizeof(struct session));
    return *slot;
}

static struct transaction *transaction_of(struct mw_ctx *ctx)
{
    void **slot = host->transaction_slot(ctx);
    if (*slot == NULL)
        *slot = host->transaction_alloc(ctx, sizeof(struct transaction));
    return *slot;
}

static int is_over(const struct limits *limits, enum limit_id id, uint64_t value)
{
    return limits->of[id].max > 0 && value > limits->of[id].max;
}

/* The limit is reached: say so to the client, the log and the counters. */
static enum mw_verdict refuse(struct mw_ctx *ctx, const struct limits *limits, enum limit_id id,
                              uint64_t value)
{
    char reason[64];
    snprintf(reason, sizeof reason, "%llu, limit %llu", (unsigned long long)value,
             (unsigned long long)limits->of[id].max);
    host->reply(ctx, rows[id].code, text(rows[id].dsn), text(rows[id].text));
    host->because(ctx, text(settings[id].name), limits->of[id].where, text(reason));
    host->count(ctx, limits->of[id].counter, 1);
    return rows[id].verdict;
}

static enum mw_verdict check_size(struct mw_ctx *ctx)
{
    const struct limits *limits = host->state(ctx);
    uint64_t size = host->message_size(ctx);
    if (is_over(limits, LIMIT_SIZE, size))
        return refuse(ctx, limits, LIMIT_SIZE, size);
    return MW_CONTINUE;
}

/* Messages of this session are counted here; before DATA the size is what MAIL declared (RFC 1870).
 */
static enum mw_verdict mail(struct mw_ctx *ctx)
{
    const struct limits *limits = host->state(ctx);
    uint64_t number = host->fact(ctx, limits->messages_fact).number + 1;
    if (is_over(limits, LIMIT_MESSAGES, number))
        return refuse(ctx, limits, LIMIT_MESSAGES, number);
    return check_size(ctx);
}

static void uncount(struct session *session, struct transaction *transaction)
{
    session->recipients--;
    transaction->recipients--;
}

/* A filter behind us may have refused the recipient that we counted last. */
static void settle_last(struct mw_ctx *ctx, struct session *session,
                        struct transaction *transaction)
{
    struct mw_path_view last = {.size = sizeof last};
    if (transaction->is_open && host->rcpt(ctx, transaction->last, &last) &&
        last.status == MW_RCPT_REFUSED_FILTER)
        uncount(session, transaction);
    transaction->is_open = 0;
}

static enum mw_verdict rcpt(struct mw_ctx *ctx, size_t index)
{
    const struct limits *limits = host->state(ctx);
    struct session *session = session_of(ctx);
    struct transaction *transaction = transaction_of(ctx);
    settle_last(ctx, session, transaction);
    if (is_over(limits, LIMIT_RECIPIENTS, transaction->recipients + 1))
        return refuse(ctx, limits, LIMIT_RECIPIENTS, transaction->recipients + 1);
    if (is_over(limits, LIMIT_RECIPIENTS_SESSION, session->recipients + 1))
        return refuse(ctx, limits, LIMIT_RECIPIENTS_SESSION, session->recipients + 1);
    session->recipients++;
    transaction->recipients++;
    transaction->last = index;
    transaction->is_open = 1;
    return MW_CONTINUE;
}

/* Only a refusal for good tells that somebody guesses addresses; a 4xx is greylisting or trouble.
 */
static enum mw_verdict rcpt_reply(struct mw_ctx *ctx, size_t index)
{
    const struct limits *limits = host->state(ctx);
    struct session *session = session_of(ctx);
    struct transaction *transaction = transaction_of(ctx);
    uint32_t code = host->upstream_reply(ctx, NULL);
    if (transaction->is_open && transaction->last == index)
        transaction->is_open = 0;
    if (code < 400) {
        session->refused_in_a_row = 0;
        host->count(ctx, limits->accepted_counter, 1);
        return MW_CONTINUE;
    }
    if (transaction->recipients > 0) /* none are counted when only LIMIT_REFUSED is in force */
        uncount(session, transaction);
    if (code < 500)
        return MW_CONTINUE;
    host->count(ctx, limits->unknown_counter, 1);
    session->refused_in_a_row++;
    if (limits->of[LIMIT_REFUSED].max > 0 &&
        session->refused_in_a_row >= limits->of[LIMIT_REFUSED].max)
        return refuse(ctx, limits, LIMIT_REFUSED, session->refused_in_a_row);
    return MW_CONTINUE;
}

static enum mw_verdict body(struct mw_ctx *ctx, struct mw_slice octets)
{
    (void)octets;
    return check_size(ctx);
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "limits",
    .version = "1.0",
    .summary = "limits on recipients, messages and sizes of a session",
    .settings = settings,
    .setting_count = LIMIT_COUNT,
    .open = open_limits,
    .mail = mail,
    .rcpt = rcpt,
    .rcpt_reply = rcpt_reply,
    .end_of_headers = check_size,
    .body = body,
};

const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return &filter;
}
