/* restart.c - the beginning of a session, and its second beginning: after XCLIENT another client
 * stands behind the same connection, judged from the connect stage on.
 *
 * The reply to XCLIENT is the greeting for the new client, or its refusal; TLS stays up, counters
 * of the connection go on. */
#include "session/session_priv.h"

void mw_connect_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (mw_outcome_passes(outcome)) {
        if (mw_is_own_banner(session))
            mw_own_banner_greet(session);
        else
            mw_upstream_open(session);
        return;
    }
    mw_refuse_session(session, "connect", outcome);
}

void mw_session_restart(struct mw_session *session)
{
    mw_assert(session->tx == NULL && session->ring_count == 0 && session->after_stage == NULL);
    mw_upstream_drop(session);
    session->helo_line.len = session->helo_sent.len = 0;
    session->has_greeted = session->has_helo = session->is_esmtp = false;
    session->is_helo_refused = session->is_helo_wanted = session->is_authenticated = false;
    session->has_lent_filters = false; /* the new client's own begin below */
    session->shown = 0;
    mw_enter_state(session, MW_STATE_OPENING, "XCLIENT");
    session->ops->restart_filters(session->user);
    struct mw_call call = {.stage = MW_STAGE_CONNECT};
    mw_run_stage_then(session, &call, mw_connect_decided);
}
