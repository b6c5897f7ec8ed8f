/* script.c - a filter whose hooks all call one function of the test program, so that a test writes
 * its filters itself: it finds `script_handler` with dlsym() and puts its function there. */
/* clang-format off */
#include <mailweir/filter.h>

typedef enum mw_verdict script_fn(const struct mw_host *host, struct mw_ctx *ctx, enum mw_stage stage, size_t index,
                                  struct mw_slice a, struct mw_slice b);
/* Called in open(); what it returns is open()'s result. NULL: 0. */
typedef int script_open_fn(const struct mw_host *host, struct mw_instance *instance, void **state);
typedef void script_close_fn(void *state);
/* As the descriptor's; NULL: nothing happens, no such topic, 70. */
typedef void script_start_fn(void *state);
typedef int script_report_fn(void *state, const char *topic, mw_report_line *line, void *user);
typedef int script_tool_fn(const struct mw_host *host, struct mw_instance *instance, int argc, char **argv);

MAILWEIR_EXPORT script_fn *script_handler;
MAILWEIR_EXPORT script_open_fn *script_open;
MAILWEIR_EXPORT script_close_fn *script_close;
MAILWEIR_EXPORT script_start_fn *script_start;
MAILWEIR_EXPORT script_report_fn *script_report;
MAILWEIR_EXPORT script_tool_fn *script_tool;
static const struct mw_host *host;
static const struct mw_slice none = {"", 0};

static const char *const colours[] = {"red", "green", NULL};
static const struct mw_setting settings[] = {
    {.size = sizeof(struct mw_setting), .name = "want", .type = MW_SETTING_COUNT, .default_text = "0"},
    {.size = sizeof(struct mw_setting), .name = "colour", .type = MW_SETTING_CHOICE, .default_text = "green", .choices = colours},
    {.size = sizeof(struct mw_setting), .name = "words", .type = MW_SETTING_TEXT, .default_text = "", .repeatable = 1},
    {.size = sizeof(struct mw_setting), .name = "size", .type = MW_SETTING_SIZE, .default_text = "1KiB", .min = 10},
    {.size = sizeof(struct mw_setting), .name = "pause", .type = MW_SETTING_DURATION, .default_text = "2s"},
    {.size = sizeof(struct mw_setting), .name = "loud", .type = MW_SETTING_BOOL, .default_text = "off"},
};

static int open_script(const struct mw_host *with, struct mw_instance *instance, void **state)
{
    uint64_t want = with->setting(instance, "want")->number;
    if (want != 0)
        with->want(instance, (uint32_t)want);
    *state = (void *)with->instance_name(instance);
    return script_open == NULL ? 0 : script_open(with, instance, state);
}
static void close_script(void *state)
{
    if (script_close != NULL)
        script_close(state);
}

static void start_script(void *state)
{
    if (script_start != NULL)
        script_start(state);
}
static int report_script(void *state, const char *topic, mw_report_line *line, void *user)
{
    return script_report == NULL ? 0 : script_report(state, topic, line, user);
}
static int tool_script(const struct mw_host *with, struct mw_instance *instance, int argc, char **argv)
{
    return script_tool == NULL ? 70 : script_tool(with, instance, argc, argv);
}

#define HOOK(name, STAGE) \
    static enum mw_verdict name(struct mw_ctx *ctx) { return script_handler(host, ctx, MW_STAGE_##STAGE, 0, none, none); }
#define HOOK_INDEX(name, STAGE) \
    static enum mw_verdict name(struct mw_ctx *ctx, size_t index) \
    { return script_handler(host, ctx, MW_STAGE_##STAGE, index, none, none); }
#define HOOK_SLICE(name, STAGE) \
    static enum mw_verdict name(struct mw_ctx *ctx, struct mw_slice a) \
    { return script_handler(host, ctx, MW_STAGE_##STAGE, 0, a, none); }
#define HOOK_SLICES(name, STAGE) \
    static enum mw_verdict name(struct mw_ctx *ctx, struct mw_slice a, struct mw_slice b) \
    { return script_handler(host, ctx, MW_STAGE_##STAGE, 0, a, b); }
#define HOOK_VOID(name, STAGE) \
    static void name(struct mw_ctx *ctx) { script_handler(host, ctx, MW_STAGE_##STAGE, 0, none, none); }
HOOK(on_connect, CONNECT)
HOOK_SLICE(on_helo, HELO)
HOOK(on_starttls, STARTTLS)
HOOK_SLICE(on_auth, AUTH)
HOOK(on_mail, MAIL)
HOOK_INDEX(on_rcpt, RCPT)
HOOK_INDEX(on_rcpt_reply, RCPT_REPLY)
HOOK(on_data, DATA)
HOOK_SLICES(on_header, HEADER)
HOOK(on_end_of_headers, END_OF_HEADERS)
HOOK_SLICE(on_body, BODY)
HOOK(on_end_of_message, END_OF_MESSAGE)
HOOK_VOID(on_abort, ABORT)
HOOK_VOID(on_close, CLOSE)
HOOK_SLICES(on_command, COMMAND)
HOOK(on_edited, EDITED)

static int run_tests(void *state, mw_test_report *report, void *user)
{
    struct mw_test_result result = {.size = sizeof result, .name = state, .passed = 0, .detail = "it is a test"};
    report(user, &result);
    return 1;
}

static const struct mw_filter filter = {
    .size = sizeof filter, .abi = MAILWEIR_ABI, .name = "script", .version = "1", .summary = "calls the test program",
    .settings = settings, .setting_count = sizeof settings / sizeof *settings,
    .open = open_script, .close = close_script, .test = run_tests,
    .connect = on_connect, .helo = on_helo, .starttls = on_starttls, .auth = on_auth, .mail = on_mail, .rcpt = on_rcpt,
    .rcpt_reply = on_rcpt_reply, .data = on_data, .header = on_header, .end_of_headers = on_end_of_headers,
    .body = on_body, .end_of_message = on_end_of_message, .abort = on_abort, .session_close = on_close,
    .command = on_command, .edited = on_edited,
    .start = start_script, .report = report_script, .tool = tool_script,
};

const struct mw_filter *mailweir_filter(const struct mw_host *given)
{
    host = given;
    return &filter;
}
