/* simulate.c - `mailweir simulate`: a fake session on standard input, as `exim -bh`.
 *
 * The real session with the real chain; what it needs besides is in memory (simulate_session.c).
 * Nothing is sent, nothing is written but spool files, and what filters count dies with the
 * process.
 *
 * The client's lines are taken from standard input one by one, each when the one before is decided
 * and answered, whether a person types them or a file holds them. LF is as good as CRLF. Content
 * behind BDAT is taken by its count, octet for octet. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/simulate_priv.h"
#include "smtp/command.h"

enum {
    INPUT_MAX = 65536, /* octets of standard input read ahead; a longer line comes in pieces */
    READ_SIZE = 16384,
};

/* ---- options ---- */

struct simulate_options {
    const char *config, *client, *listener, *server, *name, *tls, *user;
    bool shows_message, is_annotated, is_raw;
};

static int usage(const char *problem, const char *value)
{
    return mw_cli_problem("simulate", problem, value);
}

static int parse_options(int argc, char **argv, struct simulate_options *options)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"client", required_argument, NULL, 'i'},
        {"listener", required_argument, NULL, 'l'},
        {"server", required_argument, NULL, 's'},
        {"name", required_argument, NULL, 'n'},
        {"tls", required_argument, NULL, 't'},
        {"user", required_argument, NULL, 'u'},
        {"show-message", no_argument, NULL, 'm'},
        {"annotate", no_argument, NULL, 'a'},
        {"raw", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    int option;
    *options = (struct simulate_options){.config = MW_CONFIG_DEFAULT};
    const struct mw_cli_text texts[] = {
        {'c', &options->config},   {'i', &options->client},
        {'l', &options->listener}, {'s', &options->server},
        {'n', &options->name},     {'t', &options->tls},
        {'u', &options->user},     {0, NULL},
    };
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:", long_options, NULL)) != -1) {
        int status = mw_cli_take_option("simulate", argv, option, texts);
        if (status != EX_OK)
            return status;
        options->shows_message |= option == 'm';
        options->is_annotated |= option == 'a';
        options->is_raw |= option == 'r';
    }
    if (optind < argc)
        return usage("one argument too many", argv[optind]);
    if (options->client == NULL)
        return usage("who connects? --client IP or IP:PORT", NULL);
    return EX_OK;
}

bool mw_simulation_address(const char *text, struct mw_inet *out_address, uint16_t *out_port)
{
    struct mw_endpoint endpoint;
    if (mw_inet_parse(mw_slice_cstr(text), out_address) == MW_OK)
        return true;
    if (mw_endpoint_parse(mw_slice_cstr(text), false, &endpoint) != MW_OK ||
        endpoint.kind != MW_ENDPOINT_INET)
        return false;
    *out_address = endpoint.address;
    *out_port = endpoint.port;
    return true;
}

/* ---- from options to a simulation ---- */

int mw_simulation_listener(struct mw_simulation *sim, const char *command, const char *name)
{
    const struct mw_snapshot *snapshot = sim->snapshot;
    sim->listen = &snapshot->listeners[0];
    if (name == NULL)
        return EX_OK;
    struct mw_buf names = {0};
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        sim->listen = &snapshot->listeners[i];
        if (mw_slice_eq(sim->listen->name, mw_slice_cstr(name))) {
            mw_buf_fini(&names);
            return EX_OK;
        }
        mw_buf_putf(&names, " %.*s", (int)sim->listen->name.len, sim->listen->name.ptr);
    }
    int status = mw_cli_usage("%s: there is no listener '%s'; there is%.*s", command, name,
                              (int)names.len, names.ptr);
    mw_buf_fini(&names);
    return status;
}

void mw_simulation_server(struct mw_simulation *sim)
{
    for (size_t i = 0; i < sim->listen->address_count; i++) {
        const struct mw_endpoint *address = &sim->listen->addresses[i];
        if (address->kind != MW_ENDPOINT_INET)
            continue;
        sim->peer.server_address = address->address;
        sim->peer.server_port = address->port;
        return;
    }
}

/* The client as the options have it; they are checked before a configuration is looked at. */
static int fill_peer(struct mw_simulation *sim, const struct simulate_options *options,
                     struct mw_tls_info *tls)
{
    struct mw_session_peer *peer = &sim->peer;
    peer->port = MW_SIMULATED_CLIENT_PORT;
    peer->server_port = MW_SIMULATED_SERVER_PORT;
    if (!mw_simulation_address(options->client, &peer->address, &peer->port))
        return usage("--client is not an address such as 192.0.2.1 or [2001:db8::1]:41001",
                     options->client);
    if (options->server != NULL &&
        !mw_simulation_address(options->server, &peer->server_address, &peer->server_port))
        return usage("--server is not an address such as 192.0.2.1:25", options->server);
    if (options->name != NULL && !mw_config_hostname_ok(mw_slice_cstr(options->name)))
        return usage("--name is not a host name", options->name);
    peer->name = mw_slice_cstr(options->name);
    sim->user = mw_slice_cstr(options->user);
    if (options->tls == NULL)
        return EX_OK;
    *tls = (struct mw_tls_info){.is_secure = true, .bits = 256, .cipher = "TLS_AES_256_GCM_SHA384"};
    if (strlen(options->tls) > 11)
        return usage("--tls is not a version such as TLSv1.3", options->tls);
    tls->version = options->tls;
    peer->tls = tls;
    return EX_OK;
}

/* ---- standard input ---- */

static void read_input(struct mw_simulation *sim)
{
    char *room = mw_buf_reserve(&sim->typed, READ_SIZE);
    ssize_t count = read(STDIN_FILENO, room, READ_SIZE);
    if (count > 0)
        sim->typed.len += (size_t)count;
    else if (count == 0 || (errno != EINTR && errno != EAGAIN))
        sim->is_input_over = true;
}

/* The client is about to say `line`: does a chunk of content come behind it? */
static void note_chunk(struct mw_simulation *sim, struct mw_slice line)
{
    enum mw_state state = mw_session_state(sim->session);
    struct mw_command command;
    uint64_t size;
    bool is_last;
    if (state == MW_STATE_CONTENT || state == MW_STATE_IN_AUTH)
        return;
    mw_command_parse(line, &command);
    if (command.verb == MW_VERB_BDAT && mw_bdat_parse(command.arg, &size, &is_last) == MW_OK)
        sim->chunk_left = size;
}

static void say_line(struct mw_simulation *sim, struct mw_slice line, bool has_end)
{
    struct mw_buf octets = {0};
    mw_buf_put(&octets, line);
    if (has_end) {
        octets.len--;
        if (octets.len > 0 && octets.ptr[octets.len - 1] == '\r')
            octets.len--;
    }
    note_chunk(sim, mw_buf_view(&octets));
    if (sim->is_raw) {
        mw_buf_fini(&octets);
        mw_buf_put(&octets, line);
    } else if (has_end || sim->is_input_over) {
        mw_buf_put(&octets, MW_LIT("\r\n"));
    }
    mw_simulation_say(sim, mw_buf_view(&octets));
    mw_buf_fini(&octets);
}

/* Say the next line, or the next octets of a chunk, of what was read; false: read more first. */
static bool say_next(struct mw_simulation *sim)
{
    struct mw_slice in = mw_buf_view(&sim->typed);
    if (in.len == 0)
        return false;
    size_t used;
    if (sim->chunk_left > 0) {
        used = in.len < sim->chunk_left ? in.len : (size_t)sim->chunk_left;
        sim->chunk_left -= used;
        mw_simulation_say(sim, mw_slice_take(in, used));
    } else {
        ptrdiff_t end = mw_slice_find(in, '\n');
        if (end < 0 && in.len < INPUT_MAX && !sim->is_input_over)
            return false;
        used = end < 0 ? in.len : (size_t)end + 1;
        say_line(sim, mw_slice_take(in, used), end >= 0);
    }
    mw_buf_consume(&sim->typed, used);
    return true;
}

/* ---- the loop ---- */

/* Wait for input (where the client may speak), a filter's answer, or a deadline. */
static void wait_for_something(struct mw_simulation *sim, bool may_read)
{
    struct pollfd fds[2] = {
        {.fd = uv_backend_fd(&sim->serving->loop), .events = POLLIN},
        {.fd = may_read ? STDIN_FILENO : -1, .events = POLLIN},
    };
    if (poll(fds, 2, mw_simulation_wait_ms(sim)) > 0 && fds[1].revents != 0)
        read_input(sim);
}

static void one_turn(struct mw_simulation *sim)
{
    uv_run(&sim->serving->loop, UV_RUN_NOWAIT);
    uv_update_time(&sim->serving->loop);
    mw_simulation_tick(sim);
    mw_simulation_go_on(sim);
    if (mw_session_is_over(sim->session))
        return;
    bool is_idle = mw_simulation_is_idle(sim);
    if (is_idle && say_next(sim))
        return;
    if (is_idle && sim->is_input_over && !sim->was_told_eof) {
        mw_simulation_hang_up(sim);
        return;
    }
    wait_for_something(sim, is_idle && !sim->is_input_over);
}

static void describe(struct mw_simulation *sim)
{
    char client[MW_INET_TEXT_MAX];
    const struct mw_chain *chain = sim->listen->chain;
    mw_inet_print(&sim->peer.address, client);
    mw_note(sim, "simulated session at listener %.*s: client %.*s[%s]:%u, %s%s; nothing is sent",
            (int)sim->listen->name.len, sim->listen->name.ptr,
            sim->peer.name.len > 0 ? (int)sim->peer.name.len : 1,
            sim->peer.name.len > 0 ? sim->peer.name.ptr : "-", client, sim->peer.port,
            chain != NULL ? "chain " : "no chain, so no filter is asked",
            chain != NULL ? mw_chain_name(chain) : "");
}

static int simulate(struct mw_simulation *sim, const char *spool_dir)
{
    mw_spool_files_init(&sim->files, spool_dir);
    describe(sim);
    mw_simulation_begin(sim);
    while (!mw_session_is_over(sim->session) && !sim->is_output_broken)
        one_turn(sim);
    mw_simulation_end(sim);
    mw_spool_files_fini(&sim->files);
    return sim->is_output_broken ? EX_IOERR : EX_OK;
}

static int run_loaded(struct mw_simulation *sim, struct mw_cli_loaded *loaded,
                      const struct simulate_options *options)
{
    struct mw_serving serving;
    sim->snapshot = loaded->snapshot;
    int status = mw_simulation_listener(sim, "simulate", options->listener);
    if (status != EX_OK)
        return status;
    if (options->server == NULL)
        mw_simulation_server(sim);
    sim->serving = &serving;
    status = mw_serving_begin(&serving, loaded, MW_LOG_DEBUG);
    if (status == EX_OK)
        status = simulate(sim, loaded->process.spool_dir);
    mw_serving_end(&serving);
    return status;
}

int mw_cli_simulate(int argc, char **argv)
{
    struct simulate_options options;
    struct mw_cli_loaded loaded;
    struct mw_tls_info tls;
    int status = parse_options(argc, argv, &options);
    if (status != EX_OK)
        return status;
    struct mw_simulation sim = {
        .notes = options.is_annotated ? stdout : stderr,
        .shows_message = options.shows_message,
        .is_raw = options.is_raw,
    };
    status = fill_peer(&sim, &options, &tls);
    if (status != EX_OK)
        return status;
    mw_cli_load(options.config, &loaded);
    status = mw_cli_report(&loaded);
    if (status == EX_OK)
        status = run_loaded(&sim, &loaded, &options);
    mw_cli_unload(&loaded);
    return status;
}
