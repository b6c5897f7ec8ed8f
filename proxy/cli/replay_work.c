/* replay_work.c - see replay.h. Filters are not made for two threads, so the work is shared among
 * processes: each takes every nth message and writes one line a message into its pipe:
 *
 *   INDEX TAB e|s|o TAB OLD TAB NEW LF        error, same edits, other edits */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "cli/message_file.h"
#include "cli/replay.h"
#include "cli/simulate_priv.h"
#include "cli/trial.h"

enum { JOBS_MAX = 64, LINE_MAX_OCTETS = 4096 };

/* ---- one message ---- */

struct side {
    struct mw_cli_loaded loaded;
    struct mw_serving serving;
    struct mw_simulation sim; /* which listener */
    struct mw_trial trial;
};

static struct mw_slice given_or(const char *given, struct mw_slice remembered)
{
    return given != NULL ? mw_slice_cstr(given) : remembered;
}

static void fill(const struct mw_replay_setup *setup, struct mw_slice message,
                 struct mw_slice *rcpt, struct mw_trial_setup *out)
{
    struct mw_message_envelope envelope;
    mw_message_file_envelope(message, &envelope);
    *out = (struct mw_trial_setup){.client_port = MW_SIMULATED_CLIENT_PORT,
                                   .server_port = MW_SIMULATED_SERVER_PORT,
                                   .client_name = MW_EMPTY,
                                   .user = MW_EMPTY,
                                   .message = message,
                                   .rcpts = rcpt,
                                   .rcpt_count = 1};
    if (mw_inet_parse(given_or(setup->client, envelope.client), &out->client) != MW_OK &&
        mw_inet_parse(MW_LIT("192.0.2.1"), &out->client) != MW_OK)
        return;
    out->helo = envelope.helo.len > 0 ? envelope.helo : MW_LIT("client.invalid");
    out->sender = given_or(setup->sender, envelope.sender);
    *rcpt = given_or(setup->rcpt,
                     envelope.rcpt.len > 0 ? envelope.rcpt : MW_LIT("postmaster@invalid.invalid"));
}

static void try_side(struct side *side, struct mw_trial_setup *setup)
{
    setup->serving = &side->serving;
    setup->listen = side->sim.listen;
    setup->server = side->sim.peer.server_address;
    side->trial = (struct mw_trial){0};
    mw_trial_run(setup, &side->trial);
}

/* "550 rules:spam", "250", "250 discard rules:quiet". */
static void put_verdict(struct mw_buf *line, const struct mw_trial *trial)
{
    const struct mw_trial_decision *decisive = NULL;
    mw_buf_putf(line, "%u%s", trial->code, trial->is_discarded ? " discarded" : "");
    for (size_t i = 0; i < trial->count; i++)
        if (!trial->decisions[i].is_observed)
            decisive = &trial->decisions[i];
    if (decisive == NULL)
        return;
    mw_buf_putc(line, ' ');
    mw_cli_put(line, decisive->filter, 100);
    if (decisive->rule.len > 0)
        mw_buf_putc(line, ':');
    mw_cli_put(line, decisive->rule, 200);
}

static bool has_other_edits(const struct mw_trial *a, const struct mw_trial *b)
{
    return a->is_delivered && b->is_delivered &&
           (!mw_slice_eq(a->header, b->header) || !mw_slice_eq(a->envelope, b->envelope) ||
            a->size != b->size);
}

static void try_one(const struct mw_replay_setup *setup, size_t index, struct side *sides,
                    struct mw_buf *line)
{
    struct mw_buf message = {0};
    struct mw_slice rcpt;
    struct mw_trial_setup trial_setup;
    size_t side_count = setup->new_config != NULL ? 2 : 1;
    mw_buf_putf(line, "%zu\t", index);
    if (!mw_replay_item_read(&setup->items->items[index], &message)) {
        mw_buf_put(line, MW_LIT("e\t\t\n"));
        mw_buf_fini(&message);
        return;
    }
    fill(setup, mw_buf_view(&message), &rcpt, &trial_setup);
    for (size_t i = 0; i < side_count; i++)
        try_side(&sides[i], &trial_setup);
    bool is_other = side_count == 2 && has_other_edits(&sides[0].trial, &sides[1].trial);
    mw_buf_put(line, is_other ? MW_LIT("o\t") : MW_LIT("s\t"));
    put_verdict(line, &sides[0].trial);
    mw_buf_putc(line, '\t');
    put_verdict(line, &sides[side_count - 1].trial);
    mw_buf_putc(line, '\n');
    for (size_t i = 0; i < side_count; i++)
        mw_trial_fini(&sides[i].trial);
    mw_buf_fini(&message);
}

/* ---- a worker process ---- */

static bool write_all(int fd, struct mw_slice octets)
{
    while (octets.len > 0) {
        ssize_t count = write(fd, octets.ptr, octets.len);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        octets = mw_slice_skip(octets, (size_t)count);
    }
    return true;
}

static int load_side(const struct mw_replay_setup *setup, const char *config, bool is_told,
                     struct side *side)
{
    mw_cli_load(config, &side->loaded);
    int status = is_told ? mw_cli_report(&side->loaded) : EX_OK;
    if (status != EX_OK || side->loaded.snapshot == NULL)
        return EX_CONFIG;
    side->sim.snapshot = side->loaded.snapshot;
    status = mw_simulation_listener(&side->sim, "replay", setup->listener);
    if (status == EX_OK)
        mw_simulation_server(&side->sim);
    return status;
}

static int serve_side(const struct mw_replay_setup *setup, const char *config, struct side *side)
{
    int status = load_side(setup, config, false, side);
    return status == EX_OK ? mw_serving_begin(&side->serving, &side->loaded, MW_LOG_ERROR) : status;
}

static int work(const struct mw_replay_setup *setup, unsigned job, int fd)
{
    struct side sides[2];
    memset(sides, 0, sizeof sides);
    int status = serve_side(setup, setup->old_config, &sides[0]);
    if (status == EX_OK && setup->new_config != NULL)
        status = serve_side(setup, setup->new_config, &sides[1]);
    for (size_t i = job; status == EX_OK && i < setup->items->count; i += setup->jobs) {
        struct mw_buf line = {0};
        try_one(setup, i, sides, &line);
        if (!write_all(fd, mw_buf_view(&line)))
            status = EX_IOERR;
        mw_buf_fini(&line);
    }
    for (size_t i = 0; i < 2; i++) {
        mw_serving_end(&sides[i].serving);
        mw_cli_unload(&sides[i].loaded);
    }
    return status;
}

/* ---- the parent ---- */

struct worker {
    pid_t pid;
    int fd;
    struct mw_buf in;
};

static bool start(const struct mw_replay_setup *setup, unsigned job, struct worker *worker)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    fflush(stdout);
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        _exit(work(setup, job, ends[1]));
    }
    close(ends[1]);
    worker->fd = ends[0];
    if (worker->pid > 0)
        return true;
    close(ends[0]);
    worker->fd = -1;
    return false;
}

static bool read_record(struct mw_slice line, struct mw_replay_record *out)
{
    struct mw_slice index, kind;
    uint64_t number;
    if (!mw_slice_split(line, '\t', &index, &line) || !mw_slice_split(line, '\t', &kind, &line) ||
        !mw_slice_split(line, '\t', &out->old_verdict, &out->new_verdict) ||
        mw_slice_to_u64(index, MW_REPLAY_ITEMS_MAX, &number) != MW_OK || kind.len != 1)
        return false;
    out->index = (size_t)number;
    out->is_error = kind.ptr[0] == 'e';
    out->has_other_edits = kind.ptr[0] == 'o';
    return true;
}

static void take_lines(struct worker *worker,
                       void (*done)(void *user, const struct mw_replay_record *record), void *user)
{
    struct mw_slice rest = mw_buf_view(&worker->in), line;
    struct mw_replay_record record;
    while (mw_slice_split(rest, '\n', &line, &rest))
        if (read_record(line, &record))
            done(user, &record);
    mw_buf_consume(&worker->in, worker->in.len - rest.len);
}

static int finish(struct worker *worker)
{
    int status = 0;
    close(worker->fd);
    worker->fd = -1;
    mw_buf_fini(&worker->in);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "mailweir: a worker process died by signal %d\n", WTERMSIG(status));
    return EX_SOFTWARE;
}

static void read_some(struct worker *worker, int *status,
                      void (*done)(void *user, const struct mw_replay_record *record), void *user)
{
    char *room = mw_buf_reserve(&worker->in, LINE_MAX_OCTETS);
    ssize_t count = read(worker->fd, room, LINE_MAX_OCTETS);
    if (count > 0) {
        worker->in.len += (size_t)count;
        take_lines(worker, done, user);
    } else if (count == 0 || errno != EINTR) {
        int ended = finish(worker);
        *status = *status == EX_OK ? ended : *status;
    }
}

static bool load_once(const struct mw_replay_setup *setup)
{
    const char *const configs[] = {setup->old_config, setup->new_config};
    for (size_t i = 0; i < 2 && configs[i] != NULL; i++) {
        struct side side;
        memset(&side, 0, sizeof side);
        int status = load_side(setup, configs[i], true, &side);
        mw_cli_unload(&side.loaded);
        if (status != EX_OK)
            return false;
    }
    return true;
}

int mw_replay_run(const struct mw_replay_setup *setup,
                  void (*done)(void *user, const struct mw_replay_record *record), void *user)
{
    struct worker workers[JOBS_MAX];
    memset(workers, 0, sizeof workers);
    struct pollfd fds[JOBS_MAX];
    unsigned jobs = setup->jobs < JOBS_MAX ? setup->jobs : JOBS_MAX, open = 0;
    int status = EX_OK;
    if (!load_once(setup)) /* so that errors are told once, and warnings, too */
        return EX_CONFIG;
    for (unsigned i = 0; i < jobs; i++) {
        if (start(setup, i, &workers[i]))
            open++;
        else
            status = EX_OSERR;
        fds[i] = (struct pollfd){.fd = workers[i].fd, .events = POLLIN};
    }
    while (open > 0) {
        if (poll(fds, jobs, -1) < 0 && errno != EINTR)
            break;
        for (unsigned i = 0; i < jobs; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            read_some(&workers[i], &status, done, user);
            open -= workers[i].fd < 0;
            fds[i].fd = workers[i].fd;
        }
    }
    return status;
}
