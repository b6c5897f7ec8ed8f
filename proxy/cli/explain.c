/* explain.c - `mailweir explain`: one message, and why it is let through or refused: every filter's
 * decision at each step of the dialogue, and of filters that can say more (rules) every condition
 * with its value. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/message_file.h"
#include "cli/simulate_priv.h"
#include "cli/trial.h"

enum { RCPTS_MAX = 1000, TEXT_SHOWN = 2000 };

struct options {
    const char *config, *client, *listener, *name, *user, *helo, *from, *message;
    struct mw_slice rcpts[RCPTS_MAX];
    size_t rcpt_count;
};

static int usage(const char *problem, const char *value)
{
    return mw_cli_problem("explain", problem, value);
}

static struct mw_slice without_brackets(const char *text)
{
    struct mw_slice address = mw_slice_cstr(text);
    if (address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>')
        address = MW_SLICE(address.ptr + 1, address.len - 2);
    return address;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"client", required_argument, NULL, 'i'},
        {"name", required_argument, NULL, 'n'},
        {"listener", required_argument, NULL, 'l'},
        {"user", required_argument, NULL, 'u'},
        {"helo", required_argument, NULL, 'h'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    const struct mw_cli_text texts[] = {
        {'c', &options->config}, {'i', &options->client},
        {'n', &options->name},   {'l', &options->listener},
        {'u', &options->user},   {'h', &options->helo},
        {'f', &options->from},   {0, NULL},
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:", long_options, NULL)) != -1) {
        int status = mw_cli_take_option("explain", argv, option, texts);
        if (status != EX_OK)
            return status;
        if (option == 't' && options->rcpt_count == RCPTS_MAX)
            return usage("too many recipients", NULL);
        if (option == 't')
            options->rcpts[options->rcpt_count++] = without_brackets(optarg);
    }
    if (optind + 1 != argc)
        return usage(optind < argc ? "one message at a time" : "which message? A file, or -", NULL);
    options->message = argv[optind];
    return EX_OK;
}

/* ---- telling ---- */

static void print_buf(struct mw_buf *line)
{
    mw_buf_putc(line, '\n');
    fwrite(line->ptr, 1, line->len, stdout);
    mw_buf_fini(line);
}

static void on_stage(void *user, const char *stage, struct mw_slice about)
{
    struct mw_buf line = {0};
    (void)user;
    mw_cli_put(&line, about.len > 0 ? about : mw_slice_cstr(stage), TEXT_SHOWN);
    print_buf(&line);
}

static void on_explained(void *user, const char *filter, uint32_t depth, struct mw_slice text)
{
    struct mw_buf line = {0};
    (void)user;
    mw_buf_putf(&line, "  %*s", (int)(2 * (depth < 20 ? depth : 20)), "");
    if (depth == 0)
        mw_buf_putf(&line, "%s: ", filter);
    mw_cli_put(&line, text, TEXT_SHOWN);
    print_buf(&line);
}

static void put_value(struct mw_buf *line, const char *before, struct mw_slice value)
{
    if (value.len == 0)
        return;
    mw_buf_put(line, mw_slice_cstr(before));
    mw_cli_put(line, value, TEXT_SHOWN);
}

static void tell_decision(const struct mw_trial_setup *setup,
                          const struct mw_trial_decision *decision)
{
    struct mw_buf line = {0};
    mw_buf_putf(&line, "%s", decision->stage);
    if (decision->rcpt >= 0 && (size_t)decision->rcpt < setup->rcpt_count)
        put_value(&line, " ", setup->rcpts[decision->rcpt]);
    put_value(&line, ": ", decision->filter);
    put_value(&line, ": ", decision->verdict);
    mw_buf_put(&line, decision->is_observed ? MW_LIT(" (observed, without effect)") : MW_EMPTY);
    if (decision->code != 0)
        mw_buf_putf(&line, " %u", decision->code);
    put_value(&line, " ", decision->dsn);
    put_value(&line, " ", decision->text);
    put_value(&line, "; rule ", decision->rule);
    put_value(&line, ", ", decision->where);
    put_value(&line, "; ", decision->reason);
    print_buf(&line);
}

static void tell_lines(const char *label, struct mw_slice text)
{
    struct mw_slice shown, rest = text;
    while (rest.len > 0) {
        if (!mw_slice_split(rest, '\n', &shown, &rest)) {
            shown = rest;
            rest = MW_EMPTY;
        }
        if (shown.len > 0 && shown.ptr[shown.len - 1] == '\r')
            shown.len--;
        if (shown.len == 0)
            continue;
        struct mw_buf line = {0};
        mw_buf_putf(&line, "  %s", label);
        mw_cli_put(&line, shown, TEXT_SHOWN);
        print_buf(&line);
    }
}

static void tell_result(const struct mw_trial_setup *setup, const struct mw_trial *trial)
{
    struct mw_buf line = {0};
    printf("\ndecisions:%s\n", trial->count == 0 ? " none, no filter had an opinion" : "");
    for (size_t i = 0; i < trial->count; i++)
        tell_decision(setup, &trial->decisions[i]);
    if (trial->command == NULL)
        mw_buf_put(&line, MW_LIT("result: the session ended without a reply"));
    else
        mw_buf_putf(&line, "result: %s",
                    trial->is_delivered   ? "delivered: "
                    : trial->is_discarded ? "discarded: "
                    : trial->code >= 500  ? "refused: "
                                          : "deferred: ");
    mw_cli_put(&line, trial->reply, TEXT_SHOWN);
    if (trial->command != NULL)
        mw_buf_putf(&line, " (to %s)", trial->command);
    print_buf(&line);
    if (trial->is_delivered) {
        printf("what would go upstream:\n");
        tell_lines("", trial->envelope);
        tell_lines("", trial->header);
    }
}

/* ---- the command ---- */

static int fill(const struct options *options, const struct mw_message_envelope *envelope,
                struct mw_trial_setup *setup)
{
    setup->client_port = MW_SIMULATED_CLIENT_PORT;
    setup->server_port = MW_SIMULATED_SERVER_PORT;
    if (options->client != NULL) {
        if (!mw_simulation_address(options->client, &setup->client, &setup->client_port))
            return usage("--client is not an address such as 192.0.2.1 or [2001:db8::1]:41001",
                         options->client);
    } else if (mw_inet_parse(envelope->client, &setup->client) != MW_OK) {
        return usage("who brings it? --client IP (the message's Received fields do not say)", NULL);
    }
    if (options->name != NULL && !mw_config_hostname_ok(mw_slice_cstr(options->name)))
        return usage("--name is not a host name", options->name);
    setup->client_name = mw_slice_cstr(options->name);
    setup->user = mw_slice_cstr(options->user);
    setup->helo = options->helo != NULL    ? mw_slice_cstr(options->helo)
                  : envelope->helo.len > 0 ? envelope->helo
                                           : MW_LIT("client.invalid");
    setup->sender = options->from != NULL ? without_brackets(options->from) : envelope->sender;
    if (options->from == NULL && !envelope->has_sender)
        return usage("whose is it? --from ADDRESS (the message has no Return-Path)", NULL);
    setup->rcpts = options->rcpt_count > 0 ? options->rcpts : &envelope->rcpt;
    setup->rcpt_count = options->rcpt_count > 0 ? options->rcpt_count : envelope->rcpt.len > 0;
    if (setup->rcpt_count == 0)
        return usage("who is it for? --to ADDRESS (the message does not say)", NULL);
    return EX_OK;
}

static int explain(const struct options *options, struct mw_cli_loaded *loaded,
                   struct mw_trial_setup *setup)
{
    struct mw_serving serving;
    struct mw_simulation sim = {.snapshot = loaded->snapshot};
    struct mw_trial trial = {.on_stage = on_stage, .on_explained = on_explained};
    int status = mw_simulation_listener(&sim, "explain", options->listener);
    if (status != EX_OK)
        return status;
    mw_simulation_server(&sim);
    setup->serving = &serving;
    setup->listen = sim.listen;
    setup->server = sim.peer.server_address;
    status = mw_serving_begin(&serving, loaded, MW_LOG_ERROR);
    if (status == EX_OK) {
        on_stage(NULL, "connect", MW_EMPTY);
        mw_trial_run(setup, &trial);
        tell_result(setup, &trial);
        mw_trial_fini(&trial);
        status = fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    }
    mw_serving_end(&serving);
    return status;
}

int mw_cli_explain(int argc, char **argv)
{
    static struct options options;
    struct mw_cli_loaded loaded;
    struct mw_trial_setup setup = {.message = MW_EMPTY};
    struct mw_message_envelope envelope;
    struct mw_buf message = {0};
    options = (struct options){.config = MW_CONFIG_DEFAULT};
    int status = parse_options(argc, argv, &options);
    if (status == EX_OK && !mw_message_file_read(options.message, &message))
        status = EX_NOINPUT;
    if (status == EX_OK) {
        setup.message = mw_buf_view(&message);
        mw_message_file_envelope(setup.message, &envelope);
        status = fill(&options, &envelope, &setup);
    }
    if (status == EX_OK) {
        mw_cli_load(options.config, &loaded);
        status = mw_cli_report(&loaded);
        if (status == EX_OK)
            status = explain(&options, &loaded, &setup);
        mw_cli_unload(&loaded);
    }
    mw_buf_fini(&message);
    return status;
}
