/* selftest.c - a filter that does nothing but bring two tests along: one passes, one fails with
 * what `fail` names. */
#include <mailweir/filter.h>

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

static const struct mw_filter filter = {
    .size = sizeof filter,
    .abi = MAILWEIR_ABI,
    .name = "selftest",
    .settings = settings,
    .setting_count = 1,
    .open = self_open,
    .test = self_test,
};

const struct mw_filter *mailweir_filter(const struct mw_host *the_host)
{
    (void)the_host;
    return &filter;
}
