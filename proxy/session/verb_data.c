/* verb_data.c - DATA: the data stage, then the plan decides who says 354 (commit.c for the stream
 * plan, we for the others). */
#include "session/session_priv.h"

/* RFC 2920 3.1: DATA is the last command of a group. A client that sends on before it has the 354
 * (or somebody who makes it do so) means content; after a refusal that would be commands. */
void mw_refused_data(struct mw_session *session)
{
    if (session->is_over || session->input.len == 0)
        return;
    mw_report_reject_own(session, "data", MW_REPLY_PIPELINED_SYNC);
    mw_session_finish(session, MW_REPLY_PIPELINED_SYNC, MW_END_ERRORS);
}

static void data_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_transaction *tx = session->tx;
    if (outcome->verdict == MW_DISCARD) {
        tx->is_discarded = true;
        mw_report_reject(session, "data", outcome); /* as `discard`: law 1 wants it in the log */
    } else if (outcome->verdict != MW_CONTINUE) {
        mw_refuse(session, "data", outcome); /* the transaction stays as it was: RFC 5321 3.3 */
        mw_refused_data(session);
        return;
    }
    if (mw_envelope_wanted(&tx->envelope) == 0 && session->subject.rcpt_verdict_cap == 0)
        tx->is_discarded = true; /* else some were refused just now: told at the message's end */
    mw_dots_init(&tx->dots);
    if (tx->is_discarded)
        tx->plan = MW_PLAN_SWALLOW;
    else
        tx->plan = session->wants_spool ? MW_PLAN_SPOOL : MW_PLAN_STREAM;
    if (tx->plan == MW_PLAN_STREAM) {
        mw_exchange_open(session, MW_VERB_DATA);
        mw_commit_open_data(session);
        return;
    }
    mw_answer_own(session, MW_REPLY_GO_AHEAD);
    mw_content_begin(session);
}

void mw_verb_data(struct mw_session *session)
{
    const struct mw_envelope *envelope = &session->tx->envelope;
    if (session->command.arg.len > 0) {
        mw_command_error(session, MW_REPLY_SYNTAX_DATA);
        mw_refused_data(session);
    } else if (envelope->rcpt_count == 0) {
        mw_command_error(session, MW_REPLY_NO_RECIPIENTS);
        mw_refused_data(session);
    } else if (mw_envelope_wanted(envelope) == 0 && envelope->discarded == 0 &&
               !session->tx->is_discarded) {
        mw_report_reject_own(session, "data", MW_REPLY_NO_RECIPIENTS);
        mw_answer_own(session, MW_REPLY_NO_RECIPIENTS);
        mw_refused_data(session);
    } else {
        struct mw_call call = {.stage = MW_STAGE_DATA};
        mw_run_stage_then(session, &call, data_decided);
    }
}
