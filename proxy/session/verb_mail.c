/* verb_mail.c - MAIL FROM: opens the transaction. Forwarded as the client wrote it, or anew where a
 * filter changed the sender. */
#include "session/session_priv.h"

static void mail_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_transaction *tx = session->tx;
    if (outcome->verdict == MW_DISCARD) {
        tx->is_discarded =
            true; /* the dialogue goes on, so that the client's replies are true ones */
        mw_report_reject(session, "mail", outcome); /* as `discard`: law 1 wants it in the log */
    } else if (outcome->verdict != MW_CONTINUE) {
        mw_refuse(session, "mail", outcome);
        mw_transaction_end(session, true);
        return;
    }
    const struct mw_mailbox *sender = &tx->envelope.sender;
    struct mw_buf line = {0};
    if (sender->address.ptr != sender->original.ptr || tx->wants_prdr)
        mw_envelope_print(&line, MW_LIT("MAIL FROM:"), sender->address, sender->params);
    mw_enter_state(session, MW_STATE_IN_TX, "MAIL");
    if (mw_own_banner_answers(session, MW_VERB_MAIL)) {
        mw_answer_own(session, MW_REPLY_MAIL_OK);
    } else {
        tx->envelope.sent_sender = sender->address;
        mw_upstream_send_xforward(session);
        mw_forward(session, mw_buf_view(&line), 0);
    }
    mw_buf_fini(&line);
}

/* A keyword given twice has two readings (first or last): what we judge would not be what the
 * upstream takes. */
static bool has_repeated_param(const struct mw_envelope_arg *arg)
{
    for (size_t i = 0; i < arg->param_count; i++)
        if (mw_envelope_arg_param(arg, arg->params[i].key) != &arg->params[i])
            return true;
    return false;
}

static void open_transaction(struct mw_session *session, const struct mw_envelope_arg *arg)
{
    mw_transaction_begin(session);
    session->tx->requires_tls = mw_envelope_arg_param(arg, MW_LIT("REQUIRETLS")) != NULL;
    mw_envelope_set_sender(&session->tx->envelope, arg);
    mw_prdr_take(session, arg);
    session->subject.message_size = session->tx->envelope.declared_size;
    mw_enter_state(session, MW_STATE_IN_TX, "MAIL being judged");
    struct mw_call call = {.stage = MW_STAGE_MAIL};
    mw_run_stage_then(session, &call, mail_decided);
}

/* The forwarded client has passed: the command is looked at again, because filters may have waited.
 */
static void client_judged(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_envelope_arg arg;
    (void)outcome;
    if (mw_envelope_arg_parse(session->command.arg, MW_LIT("FROM"), &arg) == MW_OK)
        open_transaction(session, &arg);
}

/* RFC 8689 5: not where a leg is in the clear. The upstream's may be another connection than the
 * one that the list was made of. */
static bool can_require_tls(const struct mw_session *session)
{
    const struct mw_upstream *up = &session->up;
    return (session->shown & MW_EXT_REQUIRETLS) != 0 &&
           (up->state != MW_UP_READY ||
            (up->is_secure && (up->ehlo.exts & MW_EXT_REQUIRETLS) != 0));
}

void mw_verb_mail(struct mw_session *session)
{
    struct mw_envelope_arg arg;
    if (session->is_helo_refused ||
        session->is_helo_wanted) { /* a client that goes on regardless would evade the rule */
        mw_command_error(session, MW_REPLY_SEQUENCE_HELO);
        return;
    }
    if (mw_envelope_arg_parse(session->command.arg, MW_LIT("FROM"), &arg) != MW_OK ||
        has_repeated_param(&arg)) {
        mw_command_error(session, MW_REPLY_SYNTAX_MAIL);
        return;
    }
    const struct mw_param *size = mw_envelope_arg_param(&arg, MW_LIT("SIZE"));
    uint64_t declared = 0, limit = session->settings->max_message_size;
    if (size != NULL && limit != 0 &&
        (mw_slice_to_u64(size->value, UINT64_MAX, &declared) == MW_ERR_LIMIT || declared > limit)) {
        mw_report_reject_own(session, "mail", MW_REPLY_SIZE_DECLARED); /* RFC 1870 6.1 */
        mw_answer_own(session, MW_REPLY_SIZE_DECLARED);
        return;
    }
    if (mw_envelope_arg_param(&arg, MW_LIT("REQUIRETLS")) != NULL && !can_require_tls(session)) {
        mw_report_reject_own(session, "mail", MW_REPLY_REQUIRETLS_LACKING);
        mw_answer_own(session, MW_REPLY_REQUIRETLS_LACKING);
        return;
    }
    if (mw_prdr_refused(session, &arg))
        return;
    if (mw_must_judge_client(session))
        mw_judge_client(session, client_judged);
    else
        open_transaction(session, &arg);
}

void mw_reply_mail(struct mw_session *session, const struct mw_reply *reply)
{
    if (session->tx == NULL)
        return;
    if (reply->code >= 300) {
        mw_transaction_end(session, true);
        return;
    }
    session->up.has_tx = true;
}
