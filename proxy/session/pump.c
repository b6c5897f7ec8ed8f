/* pump.c - takes what the client sent, one command (or run of content) at a time, as far as it can
 * go now.
 *
 * A command is taken from the input only when it can be decided: SYNC verbs wait for earlier
 * replies, forwarded ones for the upstream (which is opened anew if it was dropped), and nothing is
 * taken while a filter's verdict is awaited. What is not taken stays in the input; that is the
 * whole of the client's backpressure. */
#include "session/session_priv.h"

/* Postfix's words for each way to be out of order. */
static void refuse_sequence(struct mw_session *session)
{
    enum mw_verb verb = session->command.verb;
    enum mw_reply_id reply = MW_REPLY_SEQUENCE;
    bool is_in_bdat = session->state == MW_STATE_IN_BDAT;
    if (verb == MW_VERB_MAIL)
        reply = MW_REPLY_SEQUENCE_NESTED;
    else if (verb == MW_VERB_RCPT)
        reply = is_in_bdat ? MW_REPLY_SEQUENCE_RCPT_BDAT : MW_REPLY_SEQUENCE_MAIL;
    else if (verb == MW_VERB_DATA)
        reply = is_in_bdat ? MW_REPLY_SEQUENCE_DATA_BDAT : MW_REPLY_SEQUENCE_RCPT;
    else if (is_in_bdat)
        reply = MW_REPLY_SEQUENCE_BDAT;
    else if (verb == MW_VERB_ETRN && session->state == MW_STATE_IN_TX)
        reply = MW_REPLY_SEQUENCE_AUTH;
    else if (verb == MW_VERB_AUTH)
        reply = session->state == MW_STATE_GREETED ? MW_REPLY_SEQUENCE_HELO
                                                   : MW_REPLY_SEQUENCE_AUTH;
    mw_command_error(session, reply);
    if (verb == MW_VERB_DATA)
        mw_refused_data(session);
}

bool mw_is_relay_verb(const struct mw_session *session, struct mw_slice word)
{
    const struct mw_listen_settings *settings = session->settings;
    for (size_t i = 0; i < settings->relay_verb_count; i++)
        if (mw_slice_ieq(settings->relay_verbs[i], word))
            return true;
    return false;
}

/* QUIT is answered by us if there is nobody else: no connection is opened for it. */
static bool needs_upstream(const struct mw_session *session, const struct mw_verb_row *row,
                           const struct mw_command *command)
{
    if (command->verb == MW_VERB_UNKNOWN)
        return mw_is_relay_verb(session, command->word);
    if ((row->legal & (1u << session->state)) == 0) /* a BDAT that is only taken to be refused */
        return false;
    if (mw_must_secure(session, command->verb) || mw_own_banner_answers(session, command->verb))
        return false;
    return (row->flags & MW_FLAG_RELAY) != 0 &&
           (command->verb != MW_VERB_QUIT || session->up.state != MW_UP_DOWN);
}

/* May this command be decided now, or has it to wait for earlier ones or for the upstream? */
static bool must_wait(const struct mw_session *session, const struct mw_verb_row *row,
                      const struct mw_command *command)
{
    const struct mw_upstream *up = &session->up;
    if ((row->flags & MW_FLAG_SYNC) != 0 && session->ring_count > 0)
        return true;
    /* own banner: a recipient that may have to wait for MAIL to be sent begins with a clean slate
     */
    if (command->verb == MW_VERB_RCPT && session->ring_count > 0 && mw_is_own_banner(session) &&
        session->tx != NULL && session->tx->envelope.sent_sender.ptr == NULL)
        return true;
    if (!needs_upstream(session, row, command))
        return false;
    if (up->state != MW_UP_READY || session->ring_count >= MW_RING_MAX)
        return true;
    if (up->expect_count > 0 && (up->ehlo.exts & MW_EXT_PIPELINING) == 0)
        return true;
    /* filters that count the upstream's answers see each one before the next recipient is judged */
    return command->verb == MW_VERB_RCPT && up->expect_count > 0 &&
           (session->stages & MW_STAGE_BIT(MW_STAGE_RCPT_REPLY)) != 0;
}

/* BDAT is always taken from the input with its count, even where it is refused: its payload follows
 * (RFC 3030 2). */
static bool is_legal(const struct mw_session *session, const struct mw_verb_row *row,
                     enum mw_verb verb)
{
    return (row->legal & (1u << session->state)) != 0 || verb == MW_VERB_BDAT;
}

/* Decided: its text may be gone with the read buffer. */
void mw_forget_command(struct mw_session *session)
{
    if (session->after_stage == NULL)
        session->command.line = session->command.word = session->command.arg = MW_EMPTY;
}

/* Commands that bring no message nearer (Postfix's smtpd_junk_command_limit): above the limit each
 * counts as an error, which ends the session in the end. False: it has ended. */
bool mw_count_junk(struct mw_session *session)
{
    uint32_t limit = session->settings->max_junk;
    if (limit == 0)
        return true;
    if (session->junk_since != session->accepted) {
        session->junk_since = session->accepted;
        session->junk = 0;
    }
    if (++session->junk <= limit)
        return true;
    if (mw_count_error(session))
        return true;
    mw_report_reject_own(session, "command", MW_REPLY_TOO_MANY_ERRORS);
    mw_session_finish(session, MW_REPLY_TOO_MANY_ERRORS, MW_END_ERRORS);
    return false;
}

/* Before STARTTLS where that is required. The payload of a BDAT is dropped by its count. */
static void refuse_insecure(struct mw_session *session)
{
    bool is_last;
    uint64_t size;
    if (session->command.verb == MW_VERB_BDAT &&
        mw_bdat_parse(session->command.arg, &size, &is_last) == MW_OK)
        mw_swallow(session, size);
    if (session->is_over)
        return;
    if (session->command.verb == MW_VERB_AUTH)
        session->has_secret = true;
    mw_command_error(session, MW_REPLY_STARTTLS_FIRST);
}

/* Cut a command line from the input and handle it. False: not complete, or it has to wait. */
static bool take_command(struct mw_session *session)
{
    if (mw_slice_istarts(session->input, MW_LIT("\x16\x03"))) { /* a TLS handshake in the clear */
        mw_report_reject_own(session, "command", MW_REPLY_FOREIGN);
        mw_session_finish(session, MW_REPLY_FOREIGN, MW_END_ERRORS);
        return false;
    }
    struct mw_line line = mw_line_next(session->input, MW_LINE_MAX);
    if (line.kind == MW_LINE_NONE)
        return false;
    struct mw_command command = {0};
    if (line.kind == MW_LINE_OK) {
        mw_command_parse(line.text, &command);
        const struct mw_verb_row *row = &mw_verb_rows[command.verb];
        if (session->up.state == MW_UP_DOWN && needs_upstream(session, row, &command) &&
            is_legal(session, row, command.verb)) {
            if (session->is_authenticated) { /* the new connection would not be */
                mw_session_finish(session, MW_REPLY_UPSTREAM_LOST_END, MW_END_UPSTREAM);
                return false;
            }
            mw_upstream_open(session);
        }
        if (is_legal(session, row, command.verb) ? must_wait(session, row, &command)
                                                 : session->ring_count > 0)
            return false; /* a reply on its way (RSET's, say) may make it legal */
    } else if (session->ring_count >= MW_RING_MAX) {
        return false;
    }
    session->input = mw_slice_skip(session->input, line.used);
    session->commands++;
    session->command = command;
    if (line.kind != MW_LINE_OK) {
        session->is_skipping_line = line.skip_rest;
        mw_command_error(session, line.kind == MW_LINE_TOO_LONG ? MW_REPLY_LINE_TOO_LONG
                                                                : MW_REPLY_LINE_BAD);
        return true;
    }
    const struct mw_verb_row *row = &mw_verb_rows[command.verb];
    if (mw_must_secure(session, command.verb) && !mw_is_foreign_word(command.line))
        refuse_insecure(session);
    else if (!is_legal(session, row, command.verb))
        refuse_sequence(session);
    else if ((row->flags & MW_FLAG_JUNK) == 0 || mw_count_junk(session))
        row->handle(session);
    mw_forget_command(session);
    return true;
}

static bool take_auth_line(struct mw_session *session)
{
    struct mw_line line = mw_line_next(session->input, MW_LINE_AUTH_MAX);
    if (line.kind == MW_LINE_NONE || session->ring_count > 0)
        return false;
    session->input = mw_slice_skip(session->input, line.used);
    session->has_secret = true;
    if (line.kind == MW_LINE_OK) {
        mw_auth_line(session, line.text);
    } else {
        session->is_skipping_line = line.skip_rest;
        mw_auth_line(session, MW_LIT("*")); /* cancel upstream: RFC 4954 4 */
    }
    return true;
}

static bool swallow(struct mw_session *session)
{
    struct mw_slice in = mw_slice_take(session->input, session->swallow_left);
    session->input = mw_slice_skip(session->input, in.len);
    session->swallow_left -= in.len;
    return session->swallow_left == 0;
}

static bool take_rest_of_line(struct mw_session *session)
{
    bool is_done = false;
    size_t used = mw_line_skip(session->input, &is_done);
    session->input = mw_slice_skip(session->input, used);
    session->is_skipping_line = !is_done;
    return is_done;
}

/* One step of the client's side. False: nothing more can be done with what is there. */
static bool take_input(struct mw_session *session)
{
    if (session->swallow_left > 0)
        return swallow(session);
    if (session->is_skipping_line)
        return session->input.len > 0 && take_rest_of_line(session);
    switch ((enum mw_state)session->state) {
    case MW_STATE_GREETED:
    case MW_STATE_READY:
    case MW_STATE_IN_TX:
    case MW_STATE_IN_BDAT:
        /* DATA is on its way: what follows is content or the end of the session, never a command */
        if (session->tx != NULL && session->tx->step != MW_STEP_NONE)
            return false;
        return take_command(session);
    case MW_STATE_IN_AUTH:
        return take_auth_line(session);
    case MW_STATE_CONTENT:
        return mw_content_take(session);
    case MW_STATE_OPENING:
    case MW_STATE_COMMIT:
    case MW_STATE_SECURING:
    case MW_STATE_CLOSING:
    case MW_STATE_COUNT:
        return false;
    }
    return false;
}

/* Nothing is owed to the client and nothing of its is in progress. */
static bool is_idle(const struct mw_session *session)
{
    return session->ring_count == 0 && session->after_stage == NULL && !session->awaits_upstream &&
           session->up.state != MW_UP_CONNECTING && session->up.state != MW_UP_OPENING;
}

void mw_pump(struct mw_session *session)
{
    session->is_held_back = false;
    while (!session->is_over && session->after_stage == NULL && !session->awaits_upstream) {
        if (mw_queue_len(&session->to_client) >= MW_CLIENT_QUEUE_MARK) {
            session->is_held_back =
                true; /* goes on when the client has taken some: mw_session_wants_progress */
            break;
        }
        if (session->is_draining && session->tx == NULL && is_idle(session) &&
            session->state != MW_STATE_IN_AUTH && session->state != MW_STATE_SECURING) {
            mw_session_finish(session, MW_REPLY_SHUTTING_DOWN, MW_END_SHUTDOWN);
            break;
        }
        if (!take_input(session))
            break;
    }
    if (session->is_client_gone && !session->is_over && is_idle(session) &&
        session->state != MW_STATE_COMMIT && session->state != MW_STATE_OPENING &&
        !mw_content_is_blocked(session))
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_CLIENT_CLOSED);
}
