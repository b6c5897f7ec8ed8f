/* verb_other.c - the verbs without a transaction of their own: RSET, QUIT, NOOP and its kind,
 * what is not known. */
#include "session/session_priv.h"

/* True if a filter refused the command (which has its reply then). */
static bool was_refused(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (mw_outcome_passes(outcome))
        return false;
    mw_refuse(session, "command", outcome);
    return true;
}

static void run_command_stage(struct mw_session *session, mw_stage_fn *after)
{
    struct mw_call call = {
        .stage = MW_STAGE_COMMAND, .a = session->command.word, .b = session->command.arg};
    mw_run_stage_then(session, &call, after);
}

static void relay_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (was_refused(session, outcome))
        return;
    if (mw_own_banner_answers(session, session->command.verb))
        mw_answer_own(session, MW_REPLY_OK);
    else
        mw_forward(session, MW_EMPTY, 0);
}

void mw_verb_relay(struct mw_session *session)
{
    run_command_stage(session, relay_decided);
}

/* RSET and QUIT are never refused: what a filter says of them is only logged. */
static void rset_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (outcome->verdict == MW_DISCONNECT) {
        was_refused(session, outcome);
        return;
    }
    if (mw_own_banner_answers(session, MW_VERB_RSET)) {
        mw_xforward_end(session);
        mw_transaction_end(session, true);
        mw_answer_own(session, MW_REPLY_OK);
    } else {
        mw_forward(session, MW_EMPTY, 0);
    }
}

void mw_verb_rset(struct mw_session *session)
{
    run_command_stage(session, rset_decided);
}

void mw_reply_rset(struct mw_session *session, const struct mw_reply *reply)
{
    if (reply->code >= 300)
        return;
    session->up.has_tx = false;
    mw_xforward_end(session);
    mw_transaction_end(session, true);
}

static void quit_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (outcome->verdict == MW_DISCONNECT)
        was_refused(session, outcome);
    else if (session->up.state !=
             MW_UP_READY) /* nobody there to say 221, and none is called for that */
        mw_session_finish(session, MW_REPLY_BYE, MW_END_QUIT);
    else
        mw_forward(session, MW_EMPTY, 0);
}

void mw_verb_quit(struct mw_session *session)
{
    run_command_stage(session, quit_decided);
}

static void unknown_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (was_refused(session, outcome))
        return;
    if (mw_is_relay_verb(session, session->command.word))
        mw_forward(session, MW_EMPTY, 0);
    else
        mw_command_error(session, MW_REPLY_UNKNOWN_COMMAND);
}

bool mw_is_foreign_word(struct mw_slice line)
{
    static const char *const words[] = {"GET ",    "POST ",       "HEAD ",    "PUT ",
                                        "DELETE ", "CONNECT ",    "OPTIONS ", "PATCH ",
                                        "TRACE ",  "PRI * HTTP/", "SSH-"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mw_slice_istarts(line, mw_slice_cstr(words[i])))
            return true;
    return false;
}

void mw_verb_unknown(struct mw_session *session)
{
    if (mw_is_foreign_word(session->command.line)) {
        /* whoever made it send that hopes that what follows is taken for commands */
        mw_report_reject_own(session, "command", MW_REPLY_FOREIGN);
        mw_session_finish(session, MW_REPLY_FOREIGN, MW_END_ERRORS);
        return;
    }
    run_command_stage(session, unknown_decided);
}
