/* sink_main.c - `mailweir sink`: options, signals, READY. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/sink.h"

static const char usage[] =
    "usage: mailweir sink --listen ADDR (--maildir DIR | --discard) [options]\n"
    "\n"
    "A small SMTP server that stores what it gets, for trying and testing.\n"
    "  --listen ADDR           127.0.0.1:2526, [::1]:2526, unix:/run/sink; port 0: any free one\n"
    "  --maildir DIR           store there (made if missing); 250 comes when the message is on "
    "disk\n"
    "  --discard               store nothing\n"
    "  --raw                   store the octets as they came: CRLF, no lines added on top\n"
    "  --no-fsync              do not wait for the disk\n"
    "  --no-pipelining         do not offer PIPELINING, and end sessions that pipeline\n"
    "  --no-chunking           do not offer CHUNKING (BDAT)\n"
    "  --xclient, --proxy      take XCLIENT; require a PROXY header (v1 or v2) on each connection\n"
    "  --banner NAME           host name in the greeting\n"
    "  --max-size OCTETS       of a message (100000000)\n"
    "  --max-sessions N        at a time (100)\n"
    "  --idle-timeout MS       of a session (300000)\n"
    "  --fail STAGE=WHAT       WHAT: a reply code 400-599, close, hang or garbage. STAGE: connect "
    "helo xclient\n"
    "                          mail rcpt data bdat eod rset noop quit; rcpt:WORD=550 only where "
    "WORD occurs\n"
    "  --delay STAGE=MS        answer later\n"
    "  --quiet                 only READY and errors\n";

static const char *const stage_names[MW_SINK_STAGE_COUNT] = {
    [MW_SINK_CONNECT] = "connect", [MW_SINK_HELO] = "helo", [MW_SINK_XCLIENT] = "xclient",
    [MW_SINK_MAIL] = "mail",       [MW_SINK_RCPT] = "rcpt", [MW_SINK_DATA] = "data",
    [MW_SINK_BDAT] = "bdat",       [MW_SINK_EOD] = "eod",   [MW_SINK_RSET] = "rset",
    [MW_SINK_NOOP] = "noop",       [MW_SINK_QUIT] = "quit",
};

static int complain(const char *option, const char *value, const char *advice)
{
    fprintf(stderr, "mailweir sink: %s %s: %s\n", option, value != NULL ? value : "", advice);
    return EX_USAGE;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out_number)
{
    return text != NULL && mw_slice_to_u64(mw_slice_cstr(text), max, out_number) == MW_OK;
}

static bool parse_stage(struct mw_slice name, enum mw_sink_stage *out_stage)
{
    for (int stage = 0; stage < MW_SINK_STAGE_COUNT; stage++) {
        if (mw_slice_ieq(name, mw_slice_cstr(stage_names[stage]))) {
            *out_stage = (enum mw_sink_stage)stage;
            return true;
        }
    }
    return false;
}

static bool parse_fault_kind(struct mw_slice what, struct mw_sink_fault *fault)
{
    static const char *const words[] = {"", "close", "hang", "garbage"};
    uint64_t code;
    for (int kind = MW_SINK_CLOSE; kind <= MW_SINK_GARBAGE; kind++) {
        if (mw_slice_ieq(what, mw_slice_cstr(words[kind]))) {
            fault->kind = (enum mw_sink_fault_kind)kind;
            return true;
        }
    }
    if (mw_slice_to_u64(what, 599, &code) != MW_OK || code < 400)
        return false;
    fault->kind = MW_SINK_REPLY;
    fault->code = (uint16_t)code;
    return true;
}

/* STAGE[:WORD]=WHAT. `value` is an element of argv: it may be cut into pieces, and it lives for
 * good. */
static const char *parse_fault(char *value, struct mw_sink_config *config)
{
    struct mw_slice stage, what, word;
    if (config->fault_count == MW_SINK_FAULT_MAX)
        return "too many; 16 are possible";
    struct mw_sink_fault *fault = &config->faults[config->fault_count];
    char *equals = value != NULL ? strrchr(value, '=') : NULL;
    if (equals == NULL)
        return "STAGE=WHAT is needed, for example rcpt=450";
    *equals = '\0';
    what = mw_slice_cstr(equals + 1);
    if (mw_slice_split(mw_slice_cstr(value), ':', &stage, &word))
        fault->match = word.ptr;
    else
        stage = mw_slice_cstr(value);
    if (!parse_stage(stage, &fault->stage))
        return "no such stage";
    if (!parse_fault_kind(what, fault))
        return "a reply code 400-599, close, hang or garbage is needed";
    config->fault_count++;
    return NULL;
}

static const char *parse_delay(const char *value, struct mw_sink_config *config)
{
    struct mw_slice name, text;
    enum mw_sink_stage stage;
    uint64_t ms;
    if (value == NULL || !mw_slice_split(mw_slice_cstr(value), '=', &name, &text))
        return "STAGE=MS is needed, for example eod=500";
    if (!parse_stage(name, &stage))
        return "no such stage";
    if (mw_slice_to_u64(text, 3600000, &ms) != MW_OK)
        return "a number of milliseconds up to an hour is needed";
    config->delay_ms[stage] = (uint32_t)ms;
    return NULL;
}

struct options {
    struct mw_sink_config config;
    bool has_listen, is_discarding, is_quiet;
};

/* Options without a value. */
static bool take_flag(const char *name, struct options *options)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"--raw", &options->config.is_raw},
        {"--no-fsync", &options->config.has_no_fsync},
        {"--no-pipelining", &options->config.has_no_pipelining},
        {"--no-chunking", &options->config.has_no_chunking},
        {"--xclient", &options->config.takes_xclient},
        {"--proxy", &options->config.takes_proxy},
        {"--discard", &options->is_discarding},
        {"--quiet", &options->is_quiet},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static const char *take_number(const char *name, const char *value, struct mw_sink_config *config)
{
    uint64_t number = 0;
    bool is_size = strcmp(name, "--max-size") == 0;
    if (!parse_number(value, is_size ? UINT64_C(1) << 40 : 10000000, &number) || number == 0)
        return "a number above 0 is needed";
    if (is_size)
        config->max_size = number;
    else if (strcmp(name, "--max-sessions") == 0)
        config->max_sessions = (uint32_t)number;
    else
        config->idle_ms = (uint32_t)number;
    return NULL;
}

/* Options with a value: NULL, or what is wrong. */
static const char *take_option(const char *name, char *value, struct options *options)
{
    struct mw_sink_config *config = &options->config;
    if (strcmp(name, "--listen") == 0) {
        options->has_listen = value != NULL && mw_endpoint_parse(mw_slice_cstr(value), false,
                                                                 &config->listen) == MW_OK;
        return options->has_listen ? NULL
                                   : "an address like 127.0.0.1:2526 or unix:/run/sink is needed";
    }
    if (strcmp(name, "--fail") == 0)
        return parse_fault(value, config);
    if (strcmp(name, "--delay") == 0)
        return parse_delay(value, config);
    if (strcmp(name, "--max-size") == 0 || strcmp(name, "--max-sessions") == 0 ||
        strcmp(name, "--idle-timeout") == 0)
        return take_number(name, value, config);
    bool is_maildir = strcmp(name, "--maildir") == 0;
    if (!is_maildir && strcmp(name, "--banner") != 0)
        return "no such option; see mailweir sink --help";
    if (value == NULL || value[0] == '\0' || strlen(value) > 200)
        return "a value is needed";
    *(is_maildir ? &config->maildir : &config->banner) = value;
    return NULL;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (take_flag(argv[i], options))
            continue;
        const char *name = argv[i];
        char *value = i + 1 < argc ? argv[++i] : NULL;
        const char *wrong = take_option(name, value, options);
        if (wrong != NULL)
            return complain(name, value, wrong);
    }
    if (!options->has_listen)
        return complain("--listen", "", "is needed; see mailweir sink --help");
    if ((options->config.maildir == NULL) != options->is_discarding)
        return complain("--maildir", "", "either this or --discard is needed");
    return EX_OK;
}

/* ---- running ---- */

struct run {
    struct mw_sink *sink;
    uv_signal_t signals[2];
};

static void on_signal(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;
    (void)number;
    mw_sink_stop(&run->sink);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
}

static void print_line(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "sink: %s\n", line);
}

static int refuse_to_start(const struct mw_sink_config *config, const char *error)
{
    char address[160];
    mw_endpoint_print(&config->listen, address, sizeof address);
    fprintf(stderr,
            "mailweir sink: cannot start on %s%s%s: %s\n"
            "  = if the address is in use, give another to --listen; port 0 takes any free one, "
            "READY tells which\n",
            address, config->maildir != NULL ? " with Maildir " : "",
            config->maildir != NULL ? config->maildir : "", error);
    return EX_UNAVAILABLE;
}

static void serve(struct run *run, uv_loop_t *loop)
{
    char address[160];
    struct mw_endpoint endpoint = mw_sink_endpoint(run->sink);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
    }
    mw_endpoint_print(&endpoint, address, sizeof address);
    fprintf(stderr, "READY %s\n", address);
    uv_run(loop, UV_RUN_DEFAULT);
}

int mw_sink_main(int argc, char **argv)
{
    struct options options = {0};
    const char *error = "";
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EX_OK;
    }
    int status = parse_options(argc, argv, &options);
    if (status != EX_OK)
        return status;
    options.config.on_line = options.is_quiet ? NULL : print_line;
    uv_loop_t loop;
    struct mw_net net;
    uv_loop_init(&loop);
    mw_net_init(&net, &loop);
    struct run run = {.sink = mw_sink_start(&net, &options.config, &error)};
    if (run.sink != NULL)
        serve(&run, &loop);
    else
        status = refuse_to_start(&options.config, error);
    uv_run(&loop, UV_RUN_DEFAULT);
    mw_net_fini(&net);
    uv_loop_close(&loop);
    return status;
}
