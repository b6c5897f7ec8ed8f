/* trial.c - see trial.h. The dialogue is short: EHLO, MAIL, RCPTs, DATA, the content, QUIT, each said
 * when the one before is answered; the content only if it was asked for. */
#include "cli/trial.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "chain/stage.h"
#include "cli/simulate_priv.h"

enum { PIECE = 65536, REPLY_SHOWN = 512 };

struct run {
    struct mw_simulation sim; /* first */
    const struct mw_trial_setup *setup;
    struct mw_trial *trial;
    struct mw_buf replies;
};

/* ---- what filters say ---- */

static void keep_decision(struct mw_trial *trial, const struct mw_trace *trace)
{
    struct mw_arena *arena = &trial->arena;
    const struct mw_outcome *outcome = trace->outcome;
    if (trial->count == trial->cap) {
        trial->cap = trial->cap ? 2 * trial->cap : 8;
        trial->decisions = mw_xrealloc(trial->decisions, trial->cap * sizeof *trial->decisions);
    }
    bool is_rcpt = trace->stage == MW_STAGE_RCPT || trace->stage == MW_STAGE_RCPT_REPLY;
    trial->decisions[trial->count++] = (struct mw_trial_decision){
        .stage = mw_stage_name(trace->stage),
        .filter = mw_arena_dup(arena, mw_slice_cstr(trace->filter)),
        .verdict = mw_arena_dup(arena, mw_slice_cstr(mw_verdict_name(trace->verdict))),
        .rule = mw_arena_dup(arena, outcome->rule),
        .where = mw_arena_dup(arena, outcome->where),
        .reason = mw_arena_dup(arena, trace->failure != NULL ? mw_slice_cstr(trace->failure)
                                                             : outcome->reason),
        .dsn = mw_arena_dup(arena, outcome->dsn),
        .text = mw_arena_dup(arena, outcome->text),
        .rcpt = is_rcpt ? (ptrdiff_t)trace->call->rcpt : -1,
        .code = outcome->code,
        .is_observed = trace->is_observed,
    };
}

static void on_trace(void *user, const struct mw_trace *trace)
{
    struct run *run = user;
    if (trace->verdict != MW_CONTINUE || trace->failure != NULL)
        keep_decision(run->trial, trace);
}

static void on_explain(void *user, const char *filter, uint32_t depth, struct mw_slice text)
{
    struct run *run = user;
    run->trial->on_explained(run->trial->user, filter, depth, text);
}

static void on_message(void *user, const struct mw_model *model)
{
    struct run *run = user;
    struct mw_trial *trial = run->trial;
    trial->is_delivered = true;
    trial->envelope = mw_arena_dup(&trial->arena, mw_buf_view(&model->envelope));
    trial->header = mw_arena_dup(&trial->arena, mw_buf_view(&model->header));
    trial->size = model->size;
}

/* ---- the dialogue ---- */

/* Go on until the client may speak again, or the session is over. */
static void settle(struct run *run)
{
    struct mw_simulation *sim = &run->sim;
    for (;;) {
        uv_run(&sim->serving->loop, UV_RUN_NOWAIT);
        uv_update_time(&sim->serving->loop);
        mw_simulation_tick(sim);
        mw_simulation_go_on(sim);
        if (mw_session_is_over(sim->session) || mw_simulation_is_idle(sim))
            return;
        struct pollfd loop = {.fd = uv_backend_fd(&sim->serving->loop), .events = POLLIN};
        poll(&loop, 1, mw_simulation_wait_ms(sim));
    }
}

/* The last line of the replies so far; they are forgotten. 0: there was none. */
static uint16_t last_reply(struct run *run, struct mw_slice *out_line)
{
    struct mw_slice text = mw_buf_view(&run->replies);
    uint64_t code = 0;
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    ptrdiff_t start = mw_slice_rfind(text, '\n');
    struct mw_slice line = mw_slice_skip(text, (size_t)(start + 1));
    if (mw_slice_to_u64(mw_slice_take(line, 3), 599, &code) != MW_OK)
        code = 0;
    *out_line = mw_arena_dup(&run->trial->arena, mw_slice_take(line, REPLY_SHOWN));
    run->replies.len = 0;
    return (uint16_t)code;
}

/* The first refusal is what became of the message, as long as nothing else does. */
static uint16_t note_reply(struct run *run, const char *command, bool is_final)
{
    struct mw_trial *trial = run->trial;
    struct mw_slice line;
    uint16_t code = last_reply(run, &line);
    if (code != 0 && (is_final || (code >= 400 && trial->code == 0))) {
        trial->code = code;
        trial->reply = line;
        trial->command = command;
    }
    return code;
}

static uint16_t say(struct run *run, const char *command, struct mw_buf *line)
{
    if (!mw_session_is_over(run->sim.session)) {
        mw_buf_put(line, MW_LIT("\r\n"));
        if (run->trial->on_stage != NULL)
            run->trial->on_stage(run->trial->user, command,
                                 mw_slice_take(mw_buf_view(line), line->len - 2));
        mw_simulation_say(&run->sim, mw_buf_view(line));
        settle(run);
    }
    mw_buf_fini(line);
    return note_reply(run, command, false);
}

/* RFC 5321 4.5.2, and CRLF for every LF. */
static void stuff(struct mw_slice message, struct mw_buf *out)
{
    while (message.len > 0) {
        ptrdiff_t end = mw_slice_find(message, '\n');
        struct mw_slice line = mw_slice_take(message, end < 0 ? message.len : (size_t)end);
        message = mw_slice_skip(message, line.len + 1);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0 && line.ptr[0] == '.')
            mw_buf_putc(out, '.');
        mw_buf_put(out, line);
        mw_buf_put(out, MW_LIT("\r\n"));
    }
    mw_buf_put(out, MW_LIT(".\r\n"));
}

static void say_content(struct run *run)
{
    struct mw_buf content = {0};
    stuff(run->setup->message, &content);
    if (run->trial->on_stage != NULL)
        run->trial->on_stage(run->trial->user, "message", MW_EMPTY);
    struct mw_slice rest = mw_buf_view(&content);
    while (rest.len > 0 && !mw_session_is_over(run->sim.session)) {
        struct mw_slice piece = mw_slice_take(rest, PIECE);
        rest = mw_slice_skip(rest, piece.len);
        mw_simulation_say(&run->sim, piece);
        settle(run);
    }
    mw_buf_fini(&content);
    uint16_t code = note_reply(run, "message", true);
    run->trial->is_discarded = code / 100 == 2 && !run->trial->is_delivered;
}

static void say_rcpts(struct run *run)
{
    for (size_t i = 0; i < run->setup->rcpt_count; i++) {
        struct mw_buf line = {0};
        mw_buf_put(&line, MW_LIT("RCPT TO:<"));
        mw_buf_put(&line, run->setup->rcpts[i]);
        mw_buf_putc(&line, '>');
        say(run, "RCPT", &line);
    }
}

static void say_all(struct run *run)
{
    struct mw_buf line = {0};
    settle(run);
    note_reply(run, "connect", false);
    mw_buf_put(&line, MW_LIT("EHLO "));
    mw_buf_put(&line, run->setup->helo);
    say(run, "EHLO", &line);
    mw_buf_put(&line, MW_LIT("MAIL FROM:<"));
    mw_buf_put(&line, run->setup->sender);
    mw_buf_putc(&line, '>');
    if (say(run, "MAIL", &line) / 100 != 2)
        return;
    say_rcpts(run);
    mw_buf_put(&line, MW_LIT("DATA"));
    if (say(run, "DATA", &line) == 354)
        say_content(run);
}

void mw_trial_run(const struct mw_trial_setup *setup, struct mw_trial *trial)
{
    struct run run = {.setup = setup, .trial = trial};
    struct mw_simulation *sim = &run.sim;
    struct mw_buf quit = {0};
    sim->serving = setup->serving;
    sim->snapshot = setup->serving->loaded->snapshot;
    sim->listen = setup->listen;
    sim->peer = (struct mw_session_peer){.address = setup->client,
                                         .port = setup->client_port,
                                         .server_address = setup->server,
                                         .server_port = setup->server_port,
                                         .name = setup->client_name};
    sim->user = setup->user;
    sim->replies = &run.replies;
    sim->trace = on_trace;
    sim->explain = trial->on_explained != NULL ? on_explain : NULL;
    sim->log_seen = mw_log_memory_view(setup->serving->log).len;
    uv_update_time(&setup->serving->loop);
    mw_spool_files_init(&sim->files, setup->serving->loaded->process.spool_dir);
    mw_simulation_begin(sim);
    sim->model.on_message = on_message;
    sim->model.user = &run;
    say_all(&run);
    mw_buf_put(&quit, MW_LIT("QUIT"));
    if (!mw_session_is_over(sim->session)) {
        mw_buf_put(&quit, MW_LIT("\r\n"));
        mw_simulation_say(sim, mw_buf_view(&quit));
    }
    mw_buf_fini(&quit);
    mw_simulation_end(sim);
    mw_spool_files_fini(&sim->files);
    mw_buf_fini(&run.replies);
}

void mw_trial_fini(struct mw_trial *trial)
{
    free(trial->decisions);
    mw_arena_fini(&trial->arena);
}
