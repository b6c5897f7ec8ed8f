/* rules.c - the filter `rules`: the descriptor, its settings and its hooks. What rules are,
 * docs/rules.md says; how they run, run.c.
 *
 * A session's and a transaction's states are the only memory that mail costs (subject.h). The host
 * is asked for exactly those stages at which some rule can come to something, so that rules about
 * envelope and header leave the message streaming. */
#include "list.h"
#include "live.h"
#include "load.h"
#include "parse.h"
#include "report.h"
#include "testblock.h"
#include "tool.h"

static const struct mw_host *host;

static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting),
     .name = "files",
     .type = MW_SETTING_FILES,
     .default_text = NULL,
     .repeatable = 1,
     .help = "Rule files, in the order in which their rules count; patterns such as rules/*.rules "
             "are expanded and sorted."},
    {.size = sizeof(struct mw_setting),
     .name = "match-limit",
     .type = MW_SETTING_COUNT,
     .default_text = "200000",
     .min = 1000,
     .max = 10000000,
     .help = "Steps that one match of a regular expression may take; more is an error of its "
             "rule, not a miss. Long texts are bounded by the clock as well."},
    {.size = sizeof(struct mw_setting),
     .name = "scan-limit",
     .type = MW_SETTING_SIZE,
     .default_text = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "How much of a body, or of any other value, rules look at."},
    {.size = sizeof(struct mw_setting),
     .name = "regex-deadline",
     .type = MW_SETTING_DURATION,
     .default_text = "250ms",
     .min = 10,
     .max = 10000,
     .help = "How long all regular expressions together may take over one message; what is not "
             "decided then is an error of its rule."},
    {.size = sizeof(struct mw_setting),
     .name = "suspend-after",
     .type = MW_SETTING_COUNT,
     .default_text = "10",
     .max = 1000000,
     .help = "A rule whose patterns hit their limits that often within an hour is suspended for an "
             "hour: its patterns count as undecided and are not tried. 0: never."},
    {.size = sizeof(struct mw_setting),
     .name = "rate-entries",
     .type = MW_SETTING_COUNT,
     .default_text = "65536",
     .min = 1024,
     .max = 1 << 24,
     .help =
         "Keys that rate() remembers; 16 octets each. Beyond them the ones that were seen least "
         "are forgotten."},
    {.size = sizeof(struct mw_setting),
     .name = "list-timeout",
     .type = MW_SETTING_DURATION,
     .default_text = "25ms",
     .min = 1,
     .max = 60000,
     .help =
         "How long a list in Redis may take to answer, where the list itself does not say; then "
         "the look-up has failed."},
    {.size = sizeof(struct mw_setting),
     .name = "index",
     .type = MW_SETTING_BOOL,
     .default_text = "on",
     .help = "Look for the literals of all patterns at once, and run those patterns only that may "
             "match. The hits are the same without; it is there to prove that."},
};

static uint64_t setting_number(struct mw_instance *instance, const char *name)
{
    return host->setting(instance, name)->number;
}

static int rules_open(const struct mw_host *from, struct mw_instance *instance, void **state)
{
    struct rules *rules = rules_new(from, instance, setting_number(instance, "match-limit"),
                                    setting_number(instance, "scan-limit"));
    rules->deadline_ms = setting_number(instance, "regex-deadline");
    rules->suspend_after = setting_number(instance, "suspend-after");
    rules->rate_entries = setting_number(instance, "rate-entries");
    rules->has_index = setting_number(instance, "index") != 0;
    const struct mw_setting_value *files = from->setting(instance, "files");
    for (size_t i = 0; i < files->text_count; i++)
        rules_parse_file(rules, files->texts[i].ptr);
    if (!rules_finish(rules)) {
        rules_free(rules);
        return -1;
    }
    from->want(instance, rules->wants);
    if (rules->content_needs != 0)
        from->want_content(instance, rules->content_needs);
    *state = rules;
    return 0;
}

static void rules_start(void *state)
{
    rules_lists_start(state);
}

static void rules_close(void *state)
{
    rules_free(state);
}

static int rules_test(void *state, mw_test_report *report, void *user)
{
    return rules_test_run(state, report, user);
}

static int rules_say(void *state, const char *topic, mw_report_line *line, void *user)
{
    return rules_report(state, topic, line, user);
}

static enum mw_verdict on_connect(struct mw_ctx *ctx)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_CONNECT, 0);
}

static enum mw_verdict on_helo(struct mw_ctx *ctx, struct mw_slice name)
{
    (void)name; /* the fact `helo` */
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_HELO, 0);
}

static enum mw_verdict on_mail(struct mw_ctx *ctx)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_MAIL, 0);
}

static enum mw_verdict on_rcpt(struct mw_ctx *ctx, size_t index)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_RCPT, index);
}

static enum mw_verdict on_data(struct mw_ctx *ctx)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_DATA, 0);
}

static enum mw_verdict on_end_of_headers(struct mw_ctx *ctx)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_END_OF_HEADERS, 0);
}

static enum mw_verdict on_end_of_message(struct mw_ctx *ctx)
{
    return rules_live_run(ctx, host->state(ctx), MW_STAGE_END_OF_MESSAGE, 0);
}

static const struct mw_filter filter = {
    .size = sizeof(struct mw_filter),
    .abi = MAILWEIR_ABI,
    .name = "rules",
    .version = "1",
    .summary = "rules in a language of their own: conditions on envelope, header and body; "
               "verdicts, edits, scores",
    .settings = settings,
    .setting_count = sizeof settings / sizeof *settings,
    .open = rules_open,
    .close = rules_close,
    .test = rules_test,
    .connect = on_connect,
    .helo = on_helo,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data = on_data,
    .end_of_headers = on_end_of_headers,
    .end_of_message = on_end_of_message,
    .start = rules_start,
    .report = rules_say,
    .tool = rules_tool,
};

const struct mw_filter *mailweir_filter(const struct mw_host *from)
{
    if (from->abi != MAILWEIR_ABI || from->size < sizeof(struct mw_host))
        return NULL;
    host = from;
    return &filter;
}
