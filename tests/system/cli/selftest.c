/* selftest.c - a filter that does nothing but bring along two tests (one passes, one fails with what
 * `fail` names), a report, and a command. */
#include <mailweir/filter.h>
#include <stdio.h>
#include <string.h>

static const struct mw_host *host;
static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting),
     .name = "fail",
     .type = MW_SETTING_BOOL,
     .default_text = "on",
     .help = "fail."},
};

static int self_open(const struct mw_host *the_host, struct mw_instance *instance, void **state)
{
    host = the_host;
    *state = host->setting(instance, "fail")->number != 0 ? (void *)&host : NULL;
    return 0;
}

static int self_test(void *state, mw_test_report *report, void *user)
{
    struct mw_test_result passed = {
        .size = sizeof passed, .name = "good # not a directive", .passed = 1};
    struct mw_test_result failed = {.size = sizeof failed,
                                    .name = "bad",
                                    .file = "some.rules",
                                    .line = 7,
                                    .detail = "wanted: this\ngot: that"};
    report(user, &passed);
    if (state == NULL)
        return 0;
    report(user, &failed);
    return 1;
}

static struct mw_slice text(const char *words)
{
    return (struct mw_slice){words, strlen(words)};
}

static int self_report(void *state, const char *topic, mw_report_line *line, void *user)
{
    (void)state;
    if (strcmp(topic, "stages") != 0)
        return 0;
    line(user, text("one: connect"));
    line(user, text("\033[31mtwo: rcpt"));
    return 1;
}

/* Prints its arguments, complains, and returns the last of them. */
static int self_tool(const struct mw_host *the_host, struct mw_instance *instance, int argc,
                     char **argv)
{
    struct mw_diag diag = {.size = sizeof diag, .severity = MW_DIAG_WARNING, .message = "look out"};
    printf("%s:", the_host->instance_name(instance));
    for (int i = 0; i < argc; i++)
        printf(" %s", argv[i]);
    putchar('\n');
    the_host->diag(instance, &diag);
    return argc > 1 ? argv[argc - 1][0] - '0' : 0;
}

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "selftest",
    .settings = settings,
    .setting_count = 1,
    .open = self_open,
    .test = self_test,
    .report = self_report,
    .tool = self_tool,
};

const struct mw_filter *mailweir_filter(const struct mw_host *the_host)
{
    (void)the_host;
    return &filter;
}
