/* cli.c - the table of commands, and what they share: options, help, usage errors. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/diag.h"
#include "base/utf8.h"
#include "cli/cli_priv.h"
#include "cli/replay.h"
#include "cli/sink.h"
#include "cli/view.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis; /* NULL: not listed */
    const char *summary;
    const char *details;
};

/* clang-format off */
static const struct command commands[] = {
    {"run", mw_cli_run, "run [-c PATH]", "serve, in the foreground",
        "Prints READY on stderr once all listeners accept, and tells systemd (Type=notify).\n"
        "SIGHUP loads the configuration anew (whole, or the old one stays), SIGTERM drains,\n"
        "a second SIGTERM ends at once, SIGUSR1 writes the counters to the log.\n"},
    {"check", mw_cli_check, "check [-c PATH] [-v] [--stages] [--cost] ...", "load everything, run the rules' tests, say what is wrong",
        "Exit status 0, or 78 with every problem named by file, line and column.\n"
        "-v lists the filters with their modules and stages.\n"
        "--stages and --cost: what the filters say of when their rules are decided, and of what\n"
        "they cost.\n"
        "--upstream then connects to every upstream: does it answer, take the clients' identity,\n"
        "refuse to relay for a stranger? No message is sent. Exit status 1 if one is not as\n"
        "configured, 69 if one does not answer.\n"},
    {"simulate", mw_cli_simulate, "simulate [-c PATH] --client IP[:PORT] ...", "a fake session on standard input; nothing is sent",
        "Replies go to standard output, what each filter decides and why to standard error.\n"
        "  --client IP[:PORT]   who connects\n"
        "  --name HOST          its verified host name (none)\n"
        "  --listener NAME      where (the first one)\n"
        "  --server IP:PORT     to which address (the listener's first)\n"
        "  --tls VERSION        over TLS from the beginning, as TLSv1.3; STARTTLS works without\n"
        "  --user NAME          has logged in as NAME\n"
        "  --show-message       show envelope and header as they would go upstream\n"
        "  --annotate           decisions among the replies, on standard output\n"
        "  --raw                octets of the input as they are: LF is not made CRLF\n"},
    {"test", mw_cli_test, "test [-c PATH] [--coverage]", "run the test blocks of the rule files (TAP)",
        "--coverage: and which rules none of them reached.\n"
        "Exit status 0 when all pass, 1 when one fails, 78 when the configuration has errors.\n"},
    {"explain", mw_cli_explain, "explain [-c PATH] [OPTIONS] FILE|-", "why a message would be let through or refused",
        "Every filter's decision, and for rules each condition with its value.\n"
        "  --client IP[:PORT]   who brings it (the topmost Received field that says)\n"
        "  --name HOST          its verified host name (none)\n"
        "  --helo NAME          what it says in EHLO (that field's)\n"
        "  --user NAME          has logged in as NAME\n"
        "  --from ADDRESS       the sender (Return-Path)\n"
        "  --to ADDRESS         a recipient, repeatable (Delivered-To, X-Original-To, To)\n"
        "  --listener NAME      where (the first one)\n"},
    {"replay", mw_replay_main, "replay [-c OLD] [--against NEW] MAIL...", "old mail again: which verdicts change",
        "MAIL: files, directories, Maildirs, mboxes. Envelope and client as the messages remember\n"
        "them, or as --client, --from, --to say. Without --against: what -c makes of the mail.\n"
        "  --json   the table as JSON      --jobs N   processes (one for each CPU)\n"
        "Exit status 0, or 1 if a verdict changed.\n"},
    {"view", mw_view_main, "view [--json] FILE|-", "what rules see of a message",
        "Subject and addresses decoded; parts with names, types, sizes, hashes, texts; links,\n"
        "archives' members and every defect. --json gives all of it as one object.\n"},
    {"sink", mw_sink_main, "sink --listen ADDRESS [--maildir DIR] ...", "a small mail server for trying and testing",
        "Options: mailweir sink --help\n"},
    {"rules", mw_cli_tool, "rules COMMAND ...", "what the rules filter brings along: lint, fmt, bench, ...",
        "lint, fmt, bench, import, unused, slow, top: mailweir rules --help\n"
        "Any filter can bring a command: mailweir NAME ... is that of the module NAME.\n"},
    {"version", mw_cli_version, "version", "version, build, libraries", ""},
    {"help", mw_cli_help, "help [COMMAND]", "this text, or more about one command", ""},
    {"manual", mw_cli_manual, NULL, "", ""},
};
/* clang-format on */
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const char *mw_cli_command(size_t index, const char **out_synopsis, const char **out_summary,
                           const char **out_details)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i].synopsis == NULL || index-- > 0)
            continue;
        *out_synopsis = commands[i].synopsis;
        *out_summary = commands[i].summary;
        *out_details = commands[i].details;
        return commands[i].name;
    }
    return NULL;
}

int mw_cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("mailweir: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry: mailweir help\n", stderr);
    return EX_USAGE;
}

int mw_cli_problem(const char *command, const char *problem, const char *value)
{
    return mw_cli_usage("%s: %s%s%s", command, problem, value != NULL ? ": " : "",
                        value != NULL ? value : "");
}

int mw_cli_take_option(const char *command, char **argv, int option,
                       const struct mw_cli_text *texts)
{
    if (option == ':')
        return mw_cli_problem(command, "a value is needed behind", argv[optind - 1]);
    if (option == '?')
        return mw_cli_problem(command, "no such option", argv[optind - 1]);
    for (; texts->text != NULL; texts++)
        if (texts->option == option)
            *texts->text = optarg;
    return EX_OK;
}

void mw_cli_put(struct mw_buf *out, struct mw_slice octets, size_t max)
{
    bool is_cut = octets.len > max;
    octets = mw_slice_take(octets, max);
    while (octets.len > 0) {
        bool is_valid;
        size_t len = mw_utf8_next(octets, &is_valid);
        unsigned char lead = (unsigned char)octets.ptr[0];
        /* C1 controls, U+0080 to U+009F, move cursors too */
        bool is_c1 = len == 2 && lead == 0xc2 && (unsigned char)octets.ptr[1] < 0xa0;
        bool is_control = len == 1 && (lead < ' ' || lead == 0x7f);
        if (is_valid && !is_c1 && !is_control)
            mw_buf_put(out, mw_slice_take(octets, len));
        else
            for (size_t i = 0; i < len; i++)
                mw_buf_putf(out, "\\x%02x", (unsigned char)octets.ptr[i]);
        octets = mw_slice_skip(octets, len);
    }
    if (is_cut)
        mw_buf_put(out, MW_LIT("..."));
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].synopsis != NULL)
            names[count++] = commands[i].name;
    const char *near = mw_near_name(mw_slice_cstr(name), names);
    if (near != NULL)
        return mw_cli_usage("unknown command '%s': did you mean '%s'?", name, near);
    return mw_cli_usage("unknown command '%s'", name);
}

static void print_all(FILE *out)
{
    fputs("mailweir stands between SMTP clients and a mail server and runs filters on the "
          "dialogue.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].synopsis != NULL)
            fprintf(out, "  mailweir %-44s %s\n", commands[i].synopsis, commands[i].summary);
    fputs("\n-c PATH is a file, or a directory of *.conf; default " MW_CONFIG_DEFAULT ".\n"
          "Manuals: mailweir(8), mailweir.conf(5).\n",
          out);
}

static void print_one(FILE *out, const struct command *command)
{
    fprintf(out, "mailweir %s\n  %s\n\n%s", command->synopsis, command->summary, command->details);
}

int mw_cli_help(int argc, char **argv)
{
    if (argc > 2)
        return mw_cli_usage("help takes one command");
    if (argc < 2) {
        print_all(stdout);
        return EX_OK;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL || command->synopsis == NULL)
        return unknown_command(argv[1]);
    print_one(stdout, command);
    return EX_OK;
}

int mw_cli_options(int argc, char **argv, struct mw_cli_options *out_options)
{
    /* clang-format off */
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"verbose", no_argument, NULL, 'v'},
        {"upstream", no_argument, NULL, 'u'},
        {"stages", no_argument, NULL, 's'},
        {"cost", no_argument, NULL, 'k'},
        {"coverage", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    /* clang-format on */
    int option;
    bool is_check = strcmp(argv[0], "check") == 0, is_test = strcmp(argv[0], "test") == 0;
    *out_options = (struct mw_cli_options){.config = MW_CONFIG_DEFAULT};
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:v", long_options, NULL)) != -1) {
        if (option == 'c')
            out_options->config = optarg;
        else if (option == 'v')
            out_options->is_verbose = true;
        else if (option == 'u' && is_check)
            out_options->wants_upstream = true;
        else if (option == 's' && is_check)
            out_options->wants_stages = true;
        else if (option == 'k' && is_check)
            out_options->wants_cost = true;
        else if (option == 't' && is_test)
            out_options->wants_coverage = true;
        else if (option == ':')
            return mw_cli_usage("%s: %s needs a value", argv[0], argv[optind - 1]);
        else
            return mw_cli_usage("%s: unknown option '%s'", argv[0], argv[optind - 1]);
    }
    if (optind < argc)
        return mw_cli_usage("%s: '%s' is one argument too many", argv[0], argv[optind]);
    return 0;
}

int mw_cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_all(stderr);
        return EX_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct command *command = find_command(name);
    if (command == NULL && mw_cli_has_tool(name))
        return mw_cli_tool(argc - 1, argv + 1);
    if (command == NULL)
        return unknown_command(name);
    bool has_own_help = command->run == mw_sink_main || command->run == mw_cli_tool;
    bool wants_help = argc == 3 && strcmp(argv[2], "--help") == 0 && !has_own_help;
    if (wants_help && command->synopsis != NULL) {
        print_one(stdout, command);
        return EX_OK;
    }
    return command->run(argc - 1, argv + 1);
}
