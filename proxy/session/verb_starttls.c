/* verb_starttls.c - STARTTLS with the client (RFC 3207): 220, handshake, and a dialogue that begins
 * anew.
 *
 * Law 7: nothing that was read before the handshake is interpreted after it. Octets behind the
 * command in the same read are an injection (or a client that cannot wait): the session ends. What
 * arrives later belongs to the handshake, which fails on it. HELO, and with it the transaction, is
 * forgotten; so are the answers to it: a client has to say EHLO again before MAIL. */
#include "session/session_priv.h"

bool mw_must_secure(const struct mw_session *session, enum mw_verb verb)
{
    if (session->settings->tls != MW_LISTEN_TLS_REQUIRED || mw_is_secure(session))
        return false;
    return verb != MW_VERB_EHLO && verb != MW_VERB_HELO && verb != MW_VERB_STARTTLS &&
           verb != MW_VERB_NOOP && verb != MW_VERB_QUIT && verb != MW_VERB_XCLIENT &&
           verb != MW_VERB_XFORWARD;
}

static bool is_offered(const struct mw_session *session)
{
    return session->settings->tls == MW_LISTEN_TLS_STARTTLS ||
           session->settings->tls == MW_LISTEN_TLS_REQUIRED;
}

void mw_verb_starttls(struct mw_session *session)
{
    if (mw_is_secure(session)) {
        mw_command_error(session, MW_REPLY_STARTTLS_ACTIVE);
    } else if (!is_offered(session)) {
        mw_command_error(session, MW_REPLY_NOT_OFFERED);
    } else if (session->command.arg.len > 0) {
        mw_command_error(session, MW_REPLY_SYNTAX_STARTTLS);
    } else if (session->is_authenticated) {
        /* the upstream cannot be made to forget who it authenticated */
        mw_command_error(session, MW_REPLY_SEQUENCE_AUTHED);
    } else if (session->input.len > 0) {
        mw_report_reject_own(session, "starttls", MW_REPLY_PIPELINED_SYNC);
        mw_session_finish(session, MW_REPLY_PIPELINED_SYNC, MW_END_ERRORS);
    } else {
        mw_transaction_end(session, true);
        mw_xforward_end(session);
        mw_answer_own(session, MW_REPLY_STARTTLS_READY);
        mw_enter_state(session, MW_STATE_SECURING, "STARTTLS");
        session->ops->secure_client(session->user);
    }
}

/* There is no command that could be answered now: what a filter refuses ends the session. */
static void starttls_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (mw_outcome_passes(outcome))
        return;
    mw_refuse_session(session, "starttls", outcome);
}

void mw_client_secured(struct mw_session *session, const struct mw_tls_info *info)
{
    mw_assert(session->state == MW_STATE_SECURING);
    struct mw_tls_info *kept = mw_arena_new(&session->arena, struct mw_tls_info);
    mw_tls_info_copy(&session->arena, info, kept);
    session->subject.tls = kept;
    session->subject.helo = session->subject.protocol = MW_EMPTY;
    session->helo_line.len = 0;
    session->has_helo = session->is_esmtp = session->is_helo_refused = false;
    session->is_helo_wanted = true;
    session->shown = 0;
    session->client_in.len = session->client_used = 0;
    session->input = MW_EMPTY;
    session->client_since = session->now;
    mw_enter_state(session, MW_STATE_GREETED, "secured");
    struct mw_call call = {.stage = MW_STAGE_STARTTLS};
    mw_run_stage_then(session, &call, starttls_decided);
}
