/* simulate_notes.c - tells what happens in a simulated session: one line for each filter that was
 * asked, each log line that a real session would have written, each message as it would leave.
 *
 * Every line begins with "** ", so that it is told apart from the replies where both go to one
 * place. Nothing that a filter or a client wrote gets out of its line. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "chain/stage.h"
#include "cli/cli_priv.h"
#include "cli/simulate_priv.h"

enum {
    TEXT_MAX = 400,        /* octets of one value */
    LINE_MAX_SHOWN = 2000, /* octets of a header line */
};

static void print_line(struct mw_simulation *sim, struct mw_buf *line)
{
    mw_buf_putc(line, '\n');
    if (sim->notes != NULL) {
        fputs("** ", sim->notes);
        fwrite(line->ptr, 1, line->len, sim->notes);
        fflush(sim->notes);
    }
    mw_buf_fini(line);
}

void mw_note(struct mw_simulation *sim, const char *format, ...)
{
    char text[1024];
    struct mw_buf line = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mw_buf_put(&line, mw_slice_cstr(text));
    print_line(sim, &line);
}

/* ---- decisions ---- */

/* What the stage is about: "rcpt <b@example.test>", "helo mail.example.net". */
static void put_stage(const struct mw_simulation *sim, const struct mw_trace *trace,
                      struct mw_buf *line)
{
    const struct mw_call *call = trace->call;
    const struct mw_envelope *envelope = mw_session_subject(sim->session)->envelope;
    mw_buf_put(line, mw_slice_cstr(mw_stage_name(trace->stage)));
    if (trace->stage == MW_STAGE_HELO || trace->stage == MW_STAGE_AUTH ||
        trace->stage == MW_STAGE_COMMAND) {
        mw_buf_putc(line, ' ');
        mw_cli_put(line, call->a, TEXT_MAX);
        return;
    }
    const struct mw_mailbox *mailbox = NULL;
    if (trace->stage == MW_STAGE_MAIL && envelope != NULL)
        mailbox = &envelope->sender;
    if ((trace->stage == MW_STAGE_RCPT || trace->stage == MW_STAGE_RCPT_REPLY) &&
        envelope != NULL && call->rcpt < envelope->rcpt_count)
        mailbox = &envelope->rcpts[call->rcpt].mailbox;
    if (mailbox == NULL)
        return;
    mw_buf_put(line, MW_LIT(" <"));
    mw_cli_put(line, mailbox->address, TEXT_MAX);
    mw_buf_putc(line, '>');
}

static void put_value(struct mw_buf *line, const char *key, struct mw_slice value)
{
    if (value.len == 0)
        return;
    mw_buf_putf(line, " %s=", key);
    bool has_blank = mw_slice_find(value, ' ') >= 0;
    if (has_blank)
        mw_buf_putc(line, '"');
    mw_cli_put(line, value, TEXT_MAX);
    if (has_blank)
        mw_buf_putc(line, '"');
}

static void put_reply(struct mw_buf *line, const struct mw_outcome *outcome)
{
    if (outcome->code == 0)
        return;
    mw_buf_putf(line, " %u", outcome->code);
    if (outcome->dsn.len > 0)
        mw_buf_putc(line, ' ');
    mw_cli_put(line, outcome->dsn, TEXT_MAX);
    mw_buf_put(line, MW_LIT(" \""));
    mw_cli_put(line, outcome->text, TEXT_MAX);
    mw_buf_putc(line, '"');
}

/* Body hooks are asked for every piece: only what they do about it is worth a line. */
static bool is_worth_telling(const struct mw_trace *trace)
{
    return trace->stage != MW_STAGE_BODY || trace->verdict != MW_CONTINUE || trace->failure != NULL;
}

void mw_note_trace(void *user, const struct mw_trace *trace)
{
    struct mw_simulation *sim = user;
    struct mw_buf line = {0};
    if (!is_worth_telling(trace))
        return;
    mw_note_log(sim); /* edits come before the verdict that they were made with */
    put_stage(sim, trace, &line);
    mw_buf_putf(&line, ": %s: ", trace->filter);
    if (trace->is_observed)
        mw_buf_put(&line, MW_LIT("observed, without effect: "));
    if (trace->failure != NULL)
        mw_buf_putf(&line, "failed (%s), on-error: ", trace->failure);
    mw_buf_put(&line, mw_slice_cstr(mw_verdict_name(trace->verdict)));
    put_reply(&line, trace->outcome);
    put_value(&line, "rule", trace->outcome->rule);
    put_value(&line, "where", trace->outcome->where);
    put_value(&line, "reason", trace->outcome->reason);
    print_line(sim, &line);
}

/* ---- log lines ---- */

void mw_note_log(struct mw_simulation *sim)
{
    struct mw_slice fresh = mw_slice_skip(mw_log_memory_view(sim->serving->log), sim->log_seen);
    struct mw_slice text, rest, id, event;
    sim->log_seen += fresh.len;
    while (mw_slice_split(fresh, '\n', &text, &rest)) {
        fresh = rest;
        if (!mw_slice_split(text, ' ', &id, &event) || !mw_slice_starts(id, MW_LIT("simulate")))
            event = text;
        if (mw_slice_starts(event, MW_LIT("dialogue ")))
            continue;
        struct mw_buf line = {0};
        mw_buf_put(&line, MW_LIT("log: "));
        mw_buf_put(&line, event);
        print_line(sim, &line);
    }
}

/* ---- the message ---- */

static void put_lines(struct mw_simulation *sim, const char *label, struct mw_slice text)
{
    while (text.len > 0) {
        ptrdiff_t end = mw_slice_find(text, '\n');
        struct mw_slice shown = mw_slice_take(text, end < 0 ? text.len : (size_t)end);
        text = mw_slice_skip(text, shown.len + 1);
        if (shown.len > 0 && shown.ptr[shown.len - 1] == '\r')
            shown.len--;
        struct mw_buf line = {0};
        mw_buf_putf(&line, "%s | ", label);
        mw_cli_put(&line, shown, LINE_MAX_SHOWN);
        print_line(sim, &line);
    }
}

void mw_note_message(void *user, const struct mw_model *model)
{
    struct mw_simulation *sim = user;
    mw_note_log(sim);
    if (!sim->shows_message)
        return;
    mw_note(sim,
            "the message as it would go upstream, %llu octets:", (unsigned long long)model->size);
    put_lines(sim, "envelope", mw_buf_view(&model->envelope));
    put_lines(sim, "header", mw_buf_view(&model->header));
}
