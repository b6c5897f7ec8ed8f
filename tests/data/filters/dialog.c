/* dialog.c - the filter of the dialog tests in the running program: does what the `filter` lines of
 * a dialog say (tests/system/dialogs/README.md), as tests/lib/pure.c does it for the pure session.
 *
 *     filter script {
 *         module dialog
 *         rule 'rcpt:1 wait reject 550 5.7.1 "No" add-rcpt=copy@up.test'
 *         spool on
 *     }
 *
 * A verdict that waits comes from a timer, a few milliseconds later. */
#include <mailweir/filter.h>

#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 16, WAIT_MS = 5 };

struct edit {
    const char *key;
    int (*apply)(struct mw_ctx *ctx, struct mw_slice value);
};

struct rule {
    enum mw_stage stage;
    long index; /* nth call of that stage; -1 = every one */
    int waits;
    enum mw_verdict verdict;
    unsigned code;
    struct mw_slice dsn, text;
    struct mw_slice edits; /* what follows, unparsed: KEY=VALUE ... */
};
struct script {
    struct rule rules[RULES_MAX];
    size_t rule_count;
};
struct calls {
    unsigned of[MW_STAGE_COUNT];
};
struct pending {
    struct mw_ctx *ctx;
    struct mw_ticket *ticket;
    struct mw_timer *timer;
    const struct rule *rule;
};

static const struct mw_host *host;
static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting),
     .name = "rule",
     .type = MW_SETTING_TEXT,
     .default_text = "",
     .repeatable = 1,
     .help = "STAGE[:N] [wait] VERDICT [CODE DSN \"TEXT\"] [edits]"},
    {.size = sizeof(struct mw_setting),
     .name = "spool",
     .type = MW_SETTING_BOOL,
     .default_text = "off",
     .help = "want the end of every message, so that it is spooled"},
};

/* ---- words ---- */

static struct mw_slice text_of(const char *cstr)
{
    return (struct mw_slice){cstr, strlen(cstr)};
}
static int is(struct mw_slice text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}
static struct mw_slice skip(struct mw_slice text, size_t count)
{
    return (struct mw_slice){text.ptr + count, text.len - count};
}
static struct mw_slice unquote(struct mw_slice text)
{
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        return (struct mw_slice){text.ptr + 1, text.len - 2};
    return text;
}

/* Up to the next blank outside of quotes. */
static struct mw_slice next_word(struct mw_slice *text)
{
    size_t len = 0;
    int quoted = 0;
    while (text->len > 0 && text->ptr[0] == ' ')
        *text = skip(*text, 1);
    while (len < text->len && (quoted || text->ptr[len] != ' '))
        quoted ^= text->ptr[len++] == '"';
    struct mw_slice word = {text->ptr, len};
    *text = skip(*text, len);
    return word;
}

/* "a SEP b": the part in front of the first `separator`; *rest is what follows. All of it if there
 * is none. */
static struct mw_slice head_of(struct mw_slice text, char separator, struct mw_slice *rest)
{
    const char *at = text.len > 0 ? memchr(text.ptr, separator, text.len) : NULL;
    size_t len = at != NULL ? (size_t)(at - text.ptr) : text.len;
    *rest = skip(text, at != NULL ? len + 1 : len);
    return (struct mw_slice){text.ptr, len};
}

static long number_of(struct mw_slice text)
{
    long number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || number > 9999)
            return -1;
        number = number * 10 + text.ptr[i] - '0';
    }
    return text.len > 0 ? number : -1;
}

/* ---- edits ---- */

static int edit_sender(struct mw_ctx *ctx, struct mw_slice value)
{
    return host->set_sender(ctx, value);
}
static int edit_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    ptrdiff_t current = host->rcpt_current(ctx);
    return host->rcpt_replace(ctx, current >= 0 ? (size_t)current : 0, value);
}
static int edit_add_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    return host->rcpt_add(ctx, value);
}
static int edit_delete_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    for (size_t i = 0; i < host->rcpt_count(ctx); i++) {
        struct mw_path_view path = {.size = sizeof path};
        if (host->rcpt(ctx, i, &path) && path.address.len == value.len &&
            memcmp(path.address.ptr, value.ptr, value.len) == 0)
            return host->rcpt_delete(ctx, i);
    }
    return 0;
}
static int edit_add_header(struct mw_ctx *ctx, struct mw_slice value)
{
    struct mw_slice rest, name = head_of(value, ':', &rest);
    return host->header_add(ctx, name, rest);
}
static int edit_delete_header(struct mw_ctx *ctx, struct mw_slice value)
{
    ptrdiff_t at = host->header_find(ctx, value, 0);
    return at < 0 || host->header_delete(ctx, (size_t)at);
}
/* "b@up.test" or "b@up.test 550 5.7.1 Not for me". */
static int judge(struct mw_ctx *ctx, struct mw_slice value, enum mw_verdict verdict)
{
    struct mw_slice address = next_word(&value);
    long code = number_of(next_word(&value));
    struct mw_slice dsn = next_word(&value);
    while (value.len > 0 && value.ptr[0] == ' ')
        value = skip(value, 1);
    for (size_t i = 0; i < host->rcpt_count(ctx); i++) {
        struct mw_path_view path = {.size = sizeof path};
        if (!host->rcpt(ctx, i, &path) || path.original.len != address.len ||
            memcmp(path.original.ptr, address.ptr, address.len) != 0)
            continue;
        if (code > 0 && !host->reply(ctx, (unsigned)code, dsn, value))
            return 0;
        host->because(ctx, text_of("rule"), text_of(""), text_of(""));
        return host->rcpt_verdict(ctx, i, verdict);
    }
    return 0;
}
static int edit_reject_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    return judge(ctx, value, MW_REJECT);
}
static int edit_tempfail_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    return judge(ctx, value, MW_TEMPFAIL);
}
static int edit_discard_rcpt(struct mw_ctx *ctx, struct mw_slice value)
{
    return judge(ctx, value, MW_DISCARD);
}
static int edit_group(struct mw_ctx *ctx, struct mw_slice value)
{
    return host->rcpt_group(ctx, value);
}
static int edit_auth_result(struct mw_ctx *ctx, struct mw_slice value)
{
    return host->auth_result(ctx, value);
}
static int edit_body(struct mw_ctx *ctx, struct mw_slice value)
{
    return host->body_replace(ctx, value) && host->body_replace(ctx, text_of("\r\n"));
}

static const struct edit edits[] = {
    {"sender", edit_sender},
    {"rcpt", edit_rcpt},
    {"add-rcpt", edit_add_rcpt},
    {"delete-rcpt", edit_delete_rcpt},
    {"add-header", edit_add_header},
    {"delete-header", edit_delete_header},
    {"body", edit_body},
    {"reject-rcpt", edit_reject_rcpt},
    {"tempfail-rcpt", edit_tempfail_rcpt},
    {"discard-rcpt", edit_discard_rcpt},
    {"group", edit_group},
    {"auth-result", edit_auth_result},
};

static const struct edit *find_edit(struct mw_slice key)
{
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++)
        if (is(key, edits[i].key))
            return &edits[i];
    return NULL;
}

static int apply_edits(struct mw_ctx *ctx, struct mw_slice list)
{
    for (struct mw_slice word = next_word(&list); word.len > 0; word = next_word(&list)) {
        struct mw_slice value, key = head_of(word, '=', &value);
        if (!find_edit(key)->apply(ctx, unquote(value)))
            return 0;
    }
    return 1;
}

/* ---- reading the rules ---- */

static int parse_stage(struct rule *rule, struct mw_slice word)
{
    static const char *const names[MW_STAGE_COUNT] = {
        [MW_STAGE_CONNECT] = "connect",
        [MW_STAGE_HELO] = "helo",
        [MW_STAGE_STARTTLS] = "starttls",
        [MW_STAGE_AUTH] = "auth",
        [MW_STAGE_MAIL] = "mail",
        [MW_STAGE_RCPT] = "rcpt",
        [MW_STAGE_RCPT_REPLY] = "rcpt_reply",
        [MW_STAGE_DATA] = "data",
        [MW_STAGE_END_OF_HEADERS] = "end_of_headers",
        [MW_STAGE_BODY] = "body",
        [MW_STAGE_END_OF_MESSAGE] = "end_of_message",
        [MW_STAGE_COMMAND] = "command",
        [MW_STAGE_EDITED] = "edited",
    };
    struct mw_slice number, name = head_of(word, ':', &number);
    rule->index = number.len > 0 ? number_of(number) : -1;
    for (int i = 0; i < MW_STAGE_COUNT; i++)
        if (names[i] != NULL && is(name, names[i])) {
            rule->stage = (enum mw_stage)i;
            return 1;
        }
    return 0;
}

static int parse_verdict(struct rule *rule, struct mw_slice word)
{
    static const char *const names[] = {"continue", "accept",  "reject",
                                        "tempfail", "discard", "disconnect"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is(word, names[i])) {
            rule->verdict = (enum mw_verdict)i;
            return 1;
        }
    return 0;
}

static int parse_rule(struct rule *rule, struct mw_slice text)
{
    if (!parse_stage(rule, next_word(&text)))
        return 0;
    struct mw_slice word = next_word(&text);
    rule->waits = is(word, "wait");
    if (rule->waits)
        word = next_word(&text);
    if (!parse_verdict(rule, word))
        return 0;
    struct mw_slice behind = text;
    long code = number_of(next_word(&behind));
    if (code >= 0) {
        rule->code = (unsigned)code;
        rule->dsn = next_word(&behind);
        rule->text = unquote(next_word(&behind));
        text = behind;
    }
    rule->edits = text;
    for (word = next_word(&text); word.len > 0; word = next_word(&text)) {
        struct mw_slice value, key = head_of(word, '=', &value);
        if (find_edit(key) == NULL)
            return 0;
    }
    return 1;
}

static int on_open(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    struct script *script = *state = with->instance_alloc(instance, sizeof *script);
    const struct mw_setting_value *rules = with->setting(instance, "rule");
    unsigned stages = with->setting(instance, "spool")->number
                          ? MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)
                          : 0;
    for (size_t i = 0; i < rules->text_count; i++) {
        if (rules->texts[i].len == 0)
            continue;
        struct rule *rule = &script->rules[script->rule_count];
        if (script->rule_count == RULES_MAX || !parse_rule(rule, rules->texts[i])) {
            struct mw_diag diag = {.size = sizeof diag,
                                   .file = rules->file,
                                   .line = rules->line,
                                   .message = "bad rule"};
            with->diag(instance, &diag);
            return -1;
        }
        stages |= MW_STAGE_BIT(rule->stage);
        script->rule_count++;
    }
    with->want(instance, stages);
    return 0;
}

/* ---- verdicts ---- */

static enum mw_verdict decide(struct mw_ctx *ctx, const struct rule *rule)
{
    if (rule->code != 0)
        host->reply(ctx, rule->code, rule->dsn, rule->text);
    if (rule->verdict != MW_CONTINUE)
        host->because(ctx, text_of("rule"), text_of(""), text_of(""));
    return rule->verdict;
}

static void timer_fires(void *user)
{
    struct pending *pending = user;
    enum mw_verdict verdict = decide(pending->ctx, pending->rule);
    struct mw_ticket *ticket = pending->ticket;
    free(pending);
    host->resume(ticket, verdict);
}

static void cancelled(void *user)
{
    struct pending *pending = user;
    host->timer_cancel(pending->timer);
    free(pending);
}

static enum mw_verdict wait_for(struct mw_ctx *ctx, const struct rule *rule)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL)
        return MW_ERROR;
    pending->ctx = ctx;
    pending->rule = rule;
    pending->ticket = host->park(ctx, cancelled, pending);
    pending->timer = host->timer(ctx, WAIT_MS, timer_fires, pending);
    return MW_WAIT;
}

static enum mw_verdict run(struct mw_ctx *ctx, enum mw_stage stage)
{
    const struct script *script = host->state(ctx);
    void **slot = host->session_slot(ctx);
    if (*slot == NULL)
        *slot = host->session_alloc(ctx, sizeof(struct calls));
    unsigned nth = ((struct calls *)*slot)->of[stage]++;
    for (size_t i = 0; i < script->rule_count; i++) {
        const struct rule *rule = &script->rules[i];
        if (rule->stage != stage || (rule->index >= 0 && (unsigned)rule->index != nth))
            continue;
        if (!apply_edits(ctx, rule->edits))
            return MW_ERROR;
        return rule->waits ? wait_for(ctx, rule) : decide(ctx, rule);
    }
    return MW_CONTINUE;
}

/* ---- hooks ---- */

static enum mw_verdict on_connect(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_CONNECT);
}
static enum mw_verdict on_helo(struct mw_ctx *ctx, struct mw_slice name)
{
    (void)name;
    return run(ctx, MW_STAGE_HELO);
}
static enum mw_verdict on_starttls(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_STARTTLS);
}
static enum mw_verdict on_auth(struct mw_ctx *ctx, struct mw_slice mechanism)
{
    (void)mechanism;
    return run(ctx, MW_STAGE_AUTH);
}
static enum mw_verdict on_mail(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_MAIL);
}
static enum mw_verdict on_rcpt(struct mw_ctx *ctx, size_t index)
{
    (void)index;
    return run(ctx, MW_STAGE_RCPT);
}
static enum mw_verdict on_rcpt_reply(struct mw_ctx *ctx, size_t index)
{
    (void)index;
    return run(ctx, MW_STAGE_RCPT_REPLY);
}
static enum mw_verdict on_data(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_DATA);
}
static enum mw_verdict on_end_of_headers(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_END_OF_HEADERS);
}
static enum mw_verdict on_body(struct mw_ctx *ctx, struct mw_slice octets)
{
    (void)octets;
    return run(ctx, MW_STAGE_BODY);
}
static enum mw_verdict on_end_of_message(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_END_OF_MESSAGE);
}
static enum mw_verdict on_command(struct mw_ctx *ctx, struct mw_slice verb, struct mw_slice arg)
{
    (void)verb, (void)arg;
    return run(ctx, MW_STAGE_COMMAND);
}

static enum mw_verdict on_edited(struct mw_ctx *ctx)
{
    return run(ctx, MW_STAGE_EDITED);
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "dialog",
    .version = "1",
    .summary = "does what a dialog says",
    .settings = settings,
    .setting_count = sizeof settings / sizeof *settings,
    .open = on_open,
    .connect = on_connect,
    .helo = on_helo,
    .starttls = on_starttls,
    .auth = on_auth,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .rcpt_reply = on_rcpt_reply,
    .data = on_data,
    .end_of_headers = on_end_of_headers,
    .body = on_body,
    .end_of_message = on_end_of_message,
    .command = on_command,
    .edited = on_edited,
};

const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return &filter;
}
