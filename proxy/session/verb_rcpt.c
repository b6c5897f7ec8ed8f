/* verb_rcpt.c - RCPT TO: each recipient is judged by itself. A refused one is refused to the client
 * and not sent upstream; a discarded one is told 250 and not sent either; the upstream's own answer
 * is shown to filters (rcpt_reply). */
#include "session/session_priv.h"

static void rcpt_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    uint32_t index = session->rcpt_at_hand;
    struct mw_envelope *envelope = &session->tx->envelope;
    struct mw_rcpt *rcpt = &envelope->rcpts[index];
    if (outcome->verdict == MW_DISCARD)
        mw_report_reject(session, "rcpt", outcome);
    if (outcome->verdict == MW_DISCARD || rcpt->status == MW_RCPT_DELETED) {
        mw_envelope_set_status(envelope, index, MW_RCPT_DISCARDED, 250);
        mw_answer_own(session, MW_REPLY_RCPT_OK);
        return;
    }
    if (outcome->verdict != MW_CONTINUE) {
        mw_envelope_set_status(envelope, index, MW_RCPT_REFUSED_FILTER, outcome->code);
        mw_refuse(session, "rcpt", outcome);
        return;
    }
    if (mw_mixed_must_split(session, index)) {
        /* not refused, and not to be counted as refused: it comes again in the next transaction */
        mw_envelope_set_status(envelope, index, MW_RCPT_DELETED, mw_reply_own_code(MW_REPLY_SPLIT));
        mw_report_reject_own(session, "rcpt", MW_REPLY_SPLIT);
        mw_answer_own(session, MW_REPLY_SPLIT);
        return;
    }
    if (mw_own_banner_rcpt(session, index))
        return;
    struct mw_buf line = {0};
    if (rcpt->mailbox.address.ptr != rcpt->mailbox.original.ptr)
        mw_envelope_print(&line, MW_LIT("RCPT TO:"), rcpt->mailbox.address, rcpt->mailbox.params);
    rcpt->sent = rcpt->mailbox.address;
    mw_forward(session, mw_buf_view(&line), index);
    mw_buf_fini(&line);
}

void mw_verb_rcpt(struct mw_session *session)
{
    struct mw_envelope_arg arg;
    if (mw_envelope_arg_parse(session->command.arg, MW_LIT("TO"), &arg) != MW_OK ||
        arg.path.is_null) {
        mw_command_error(session, MW_REPLY_SYNTAX_RCPT);
        return;
    }
    size_t index;
    session->rcpts_tried++;
    if (mw_envelope_add_rcpt(&session->tx->envelope, &arg, &index) != MW_OK) {
        mw_report_reject_own(session, "rcpt", MW_REPLY_TOO_MANY_RCPTS);
        mw_answer_own(session, MW_REPLY_TOO_MANY_RCPTS);
        return;
    }
    session->rcpt_at_hand = (uint32_t)index;
    session->subject.rcpt_group = MW_EMPTY;
    struct mw_call call = {.stage = MW_STAGE_RCPT, .rcpt = index};
    mw_run_stage_then(session, &call, rcpt_decided);
}

/* A filter saw the upstream's answer; the client has it already. Only DISCONNECT means something
 * now. */
static void reply_seen(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (outcome->verdict == MW_DISCONNECT)
        mw_refuse(session, "rcpt_reply", outcome);
}

void mw_reply_rcpt(struct mw_session *session, const struct mw_reply *reply, uint32_t index)
{
    if (session->tx == NULL || index >= session->tx->envelope.rcpt_count)
        return; /* MAIL was refused meanwhile */
    bool is_accepted = reply->code < 300;
    struct mw_envelope *envelope = &session->tx->envelope;
    mw_envelope_set_status(envelope, index,
                           is_accepted ? MW_RCPT_ACCEPTED : MW_RCPT_REFUSED_UPSTREAM, reply->code);
    envelope->rcpts[index].is_upstream = is_accepted;
    session->rcpts_accepted += is_accepted;
    struct mw_call call = {.stage = MW_STAGE_RCPT_REPLY,
                           .rcpt = index,
                           .upstream_code = reply->code,
                           .upstream_text = reply->text};
    mw_run_stage_then(session, &call, reply_seen);
}
