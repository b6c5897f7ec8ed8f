/* odd.c - modules that must not be loaded, one for each ODD_... macro; without one it is good. */
/* clang-format off */
#include <mailweir/filter.h>

#ifndef ODD_NO_SYMBOL

static int open_odd(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
#ifdef ODD_OPEN
    struct mw_diag first = {.size = sizeof first, .message = "the first thing", .hint = "mend it"};
    struct mw_diag second = {.size = sizeof second, .severity = MW_DIAG_ERROR, .file = "other.rules", .line = 3, .column = 2,
                             .length = 4, .message = "the second thing"};
    host->diag(instance, &first);
    host->diag(instance, &second);
    return 0; /* errors were told: that is enough */
#endif
    (void)host, (void)instance;
#ifdef ODD_FACT
    return host->fact_define(instance, "script.result") == -1 && host->fact_id(instance, "script.result") >= 0 ? 0 : -1;
#elif defined ODD_SILENT
    return -1;
#else
    return 0;
#endif
}
static enum mw_verdict on_mail(struct mw_ctx *ctx) { (void)ctx; return MW_CONTINUE; }

#ifdef ODD_OLD
static void start_odd(void *state) { (void)state; __builtin_trap(); }
#endif

#ifdef ODD_SETTING
static const struct mw_setting settings[] = {{.size = sizeof(struct mw_setting), .name = "on-error", .default_text = ""}};
#endif

static const struct mw_filter filter = {
#ifdef ODD_SHORT
    .size = 64,
#elif defined ODD_OLD
    .size = offsetof(struct mw_filter, start), /* built when there was no start: what follows is something else */
    .start = start_odd,
#else
    .size = sizeof filter,
#endif
#ifdef ODD_ABI
    .abi = MAILWEIR_ABI + 1,
#else
    .abi = MAILWEIR_ABI,
#endif
    .name = ODD_NAME,
    .open = open_odd,
#ifdef ODD_SETTING
    .settings = settings,
    .setting_count = 1,
#endif
    .mail = on_mail,
};

const struct mw_filter *mailweir_filter(const struct mw_host *host)
{
    (void)host;
#ifdef ODD_NULL
    return 0;
#endif
    return &filter;
}
#else
MAILWEIR_EXPORT int something_else = 1;
#endif
