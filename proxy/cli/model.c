/* model.c - takes commands and content off one buffer, in the mode that the last command left. */
#include "cli/model.h"

#include <string.h>

#include "smtp/command.h"
#include "smtp/line.h"

enum { PIECE_MAX = 65536 }; /* octets of an endless line of content taken at a time */

static void say(struct mw_buf *out, const char *reply)
{
    mw_buf_put(out, mw_slice_cstr(reply));
    mw_buf_put(out, MW_LIT("\r\n"));
}

static void forget_message(struct mw_model *model)
{
    mw_buf_fini(&model->envelope);
    mw_buf_fini(&model->header);
    model->envelope.max = MW_MODEL_ENVELOPE_MAX;
    model->header.max = MW_MODEL_HEADER_MAX;
    model->size = 0;
    model->is_header_complete = false;
}

void mw_model_init(struct mw_model *model, const struct mw_model_offers *offers)
{
    *model = (struct mw_model){.offers = *offers};
    forget_message(model);
}

void mw_model_fini(struct mw_model *model)
{
    forget_message(model);
    mw_buf_fini(&model->in);
}

void mw_model_greet(struct mw_model *model, struct mw_buf *out_replies)
{
    forget_message(model);
    mw_buf_fini(&model->in);
    model->mode = MW_MODEL_COMMAND;
    model->is_mid_line = false;
    say(out_replies, "220 simulated.invalid ESMTP nothing is sent");
}

/* ---- the message ---- */

/* Where a header block ends: behind its empty line; 0: not yet. */
static size_t header_end(struct mw_slice block)
{
    if (mw_slice_starts(block, MW_LIT("\r\n")))
        return 2;
    const char *end = block.len == 0 ? NULL : memmem(block.ptr, block.len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - block.ptr) + 4;
}

static void keep(struct mw_model *model, struct mw_slice octets)
{
    model->size += octets.len;
    if (model->is_header_complete)
        return;
    size_t before = model->header.len;
    if (mw_buf_add(&model->header, octets) != MW_OK) {
        model->is_header_complete = true;
        return;
    }
    /* an end that began in the octets before is found as well */
    size_t from = before < 3 ? 0 : before - 3;
    struct mw_slice fresh = mw_slice_skip(mw_buf_view(&model->header), from);
    size_t end = from == 0 ? header_end(fresh) : 0;
    if (from > 0) {
        const char *found = memmem(fresh.ptr, fresh.len, "\r\n\r\n", 4);
        end = found == NULL ? 0 : (size_t)(found - fresh.ptr) + 4;
    }
    if (end > 0) {
        model->header.len = from + end;
        model->is_header_complete = true;
    }
}

static void message_complete(struct mw_model *model, struct mw_buf *out)
{
    if (model->on_message != NULL)
        model->on_message(model->user, model);
    forget_message(model);
    model->mode = MW_MODEL_COMMAND;
    say(out, "250 2.0.0 Ok: queued as SIMULATED");
}

/* One line of content, or a piece of one, from the front of `in`; false: more is needed. */
static bool take_content(struct mw_model *model, struct mw_slice *in, struct mw_buf *out)
{
    ptrdiff_t end = mw_slice_find(*in, '\n');
    if (end < 0 && in->len < PIECE_MAX)
        return false;
    struct mw_slice line = mw_slice_take(*in, end < 0 ? in->len : (size_t)end + 1);
    bool begins_line = !model->is_mid_line;
    *in = mw_slice_skip(*in, line.len);
    model->is_mid_line = end < 0;
    if (begins_line && mw_slice_eq(line, MW_LIT(".\r\n")))
        message_complete(model, out);
    else
        keep(model, begins_line && line.ptr[0] == '.' ? mw_slice_skip(line, 1) : line);
    return true;
}

static bool take_chunk(struct mw_model *model, struct mw_slice *in, struct mw_buf *out)
{
    struct mw_slice piece = *in;
    if (piece.len > model->chunk_left)
        piece.len = (size_t)model->chunk_left;
    keep(model, piece);
    *in = mw_slice_skip(*in, piece.len);
    model->chunk_left -= piece.len;
    if (model->chunk_left > 0)
        return false;
    if (model->is_last_chunk) {
        message_complete(model, out);
        return true;
    }
    model->mode = MW_MODEL_COMMAND;
    say(out, "250 2.0.0 Ok");
    return true;
}

/* ---- commands ---- */

static void ehlo(const struct mw_model *model, struct mw_buf *out)
{
    say(out, "250-simulated.invalid");
    say(out, "250-PIPELINING");
    say(out, "250-SIZE");
    say(out, "250-VRFY");
    say(out, "250-ETRN");
    if (model->offers.has_starttls)
        say(out, "250-STARTTLS");
    say(out, "250-AUTH PLAIN LOGIN");
    if (model->offers.has_xclient)
        say(out, "250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT");
    if (model->offers.has_xforward)
        say(out, "250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
    say(out, "250-ENHANCEDSTATUSCODES");
    say(out, "250-8BITMIME");
    say(out, "250-DSN");
    say(out, "250-SMTPUTF8");
    say(out, "250 CHUNKING");
}

/* Every login is right. */
static void auth(struct mw_model *model, const struct mw_command *command, struct mw_buf *out)
{
    struct mw_slice mechanism, initial;
    bool has_initial;
    if (mw_auth_parse(command->arg, &mechanism, &initial, &has_initial) != MW_OK) {
        say(out, "501 5.5.4 Syntax: AUTH mechanism");
        return;
    }
    bool is_login = mw_slice_ieq(mechanism, MW_LIT("LOGIN"));
    if (has_initial && !is_login) {
        say(out, "235 2.7.0 Authentication successful");
        return;
    }
    model->mode = is_login && !has_initial ? MW_MODEL_LOGIN_NAME : MW_MODEL_RESPONSE;
    say(out, !is_login ? "334 " : has_initial ? "334 UGFzc3dvcmQ6" : "334 VXNlcm5hbWU6");
}

static void take_response(struct mw_model *model, struct mw_slice response, struct mw_buf *out)
{
    bool is_name = model->mode == MW_MODEL_LOGIN_NAME;
    bool is_cancelled = mw_slice_eq(response, MW_LIT("*"));
    model->mode = is_name && !is_cancelled ? MW_MODEL_RESPONSE : MW_MODEL_COMMAND;
    say(out, is_cancelled ? "501 5.7.0 Authentication aborted"
             : is_name    ? "334 UGFzc3dvcmQ6"
                          : "235 2.7.0 Authentication successful");
}

static void bdat(struct mw_model *model, const struct mw_command *command, struct mw_buf *out)
{
    if (mw_bdat_parse(command->arg, &model->chunk_left, &model->is_last_chunk) != MW_OK) {
        say(out, "501 5.5.4 Syntax: BDAT count [LAST]");
        return;
    }
    model->mode = MW_MODEL_CHUNK;
}

static void note_envelope(struct mw_model *model, struct mw_slice line)
{
    if (model->envelope.len + line.len + 1 > MW_MODEL_ENVELOPE_MAX)
        return;
    mw_buf_put(&model->envelope, line);
    mw_buf_putc(&model->envelope, '\n');
}

/* Replies that need no thought. MAIL and RCPT are noted as well; what is not here gets a 250, as a
 * relay-verb would. */
static const char *reply_to(enum mw_verb verb)
{
    static const char *const replies[MW_VERB_COUNT] = {
        [MW_VERB_HELO] = "250 simulated.invalid",
        [MW_VERB_MAIL] = "250 2.1.0 Ok",
        [MW_VERB_RCPT] = "250 2.1.5 Ok",
        [MW_VERB_DATA] = "354 End data with <CR><LF>.<CR><LF>",
        [MW_VERB_VRFY] = "252 2.0.0 nothing is looked up here",
        [MW_VERB_EXPN] = "502 5.5.1 no lists here",
        [MW_VERB_HELP] = "214 2.0.0 a simulation: every sender, recipient and message is taken",
        [MW_VERB_STARTTLS] = "220 2.0.0 Ready to start TLS",
        [MW_VERB_XCLIENT] = "220 simulated.invalid ESMTP nothing is sent",
        [MW_VERB_QUIT] = "221 2.0.0 Bye",
    };
    return replies[verb] != NULL ? replies[verb] : "250 2.0.0 Ok";
}

static void obey(struct mw_model *model, struct mw_slice line, struct mw_buf *out)
{
    struct mw_command command;
    mw_command_parse(line, &command);
    if (command.verb == MW_VERB_EHLO) {
        ehlo(model, out);
        return;
    }
    if (command.verb == MW_VERB_AUTH) {
        auth(model, &command, out);
        return;
    }
    if (command.verb == MW_VERB_BDAT) {
        bdat(model, &command, out);
        return;
    }
    if (command.verb == MW_VERB_MAIL || command.verb == MW_VERB_RSET)
        forget_message(model);
    if (command.verb == MW_VERB_MAIL || command.verb == MW_VERB_RCPT)
        note_envelope(model, line);
    if (command.verb == MW_VERB_DATA)
        model->mode = MW_MODEL_CONTENT;
    say(out, reply_to(command.verb));
}

static bool take_line(struct mw_model *model, struct mw_slice *in, struct mw_buf *out)
{
    struct mw_line line = mw_line_next(*in, MW_LINE_AUTH_MAX);
    if (line.kind == MW_LINE_NONE)
        return false;
    *in = mw_slice_skip(*in, line.used);
    if (line.kind != MW_LINE_OK)
        say(out, "500 5.5.2 Error: bad syntax");
    else if (model->mode == MW_MODEL_COMMAND)
        obey(model, line.text, out);
    else
        take_response(model, line.text, out);
    return true;
}

void mw_model_take(struct mw_model *model, struct mw_slice octets, struct mw_buf *out_replies)
{
    mw_buf_put(&model->in, octets);
    struct mw_slice in = mw_buf_view(&model->in);
    bool goes_on = true;
    while (goes_on && (in.len > 0 || (model->mode == MW_MODEL_CHUNK && model->chunk_left == 0))) {
        if (model->mode == MW_MODEL_CONTENT)
            goes_on = take_content(model, &in, out_replies);
        else if (model->mode == MW_MODEL_CHUNK)
            goes_on = take_chunk(model, &in, out_replies);
        else
            goes_on = take_line(model, &in, out_replies);
    }
    mw_buf_consume(&model->in, model->in.len - in.len);
}
