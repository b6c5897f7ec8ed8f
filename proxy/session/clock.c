/* clock.c - every wait of a session has a deadline; this file knows them all.
 *
 *   client      command-timeout for a whole command, data-timeout for more of a message (counted
 *               from when it last did something, and not while we hold it back), header-timeout for
 *               the whole header block, min-data-rate over a minute
 *   upstream    connect-timeout for the whole opening, reply-timeout for a reply,
 *               final-reply-timeout for the message's
 *   both        data-timeout for taking some of what waits to be written
 *   keep-alive  NOOP while a message is spooled
 *
 * While a filter thinks only the chain's own deadline runs (chain/run.h). A handshake with the
 * client has the owner's. */
#include "session/session_priv.h"

/* While a filter thinks we read from nobody: that time is neither the client's nor the upstream's.
 */
void mw_clock_shift(struct mw_session *session)
{
    uint64_t waited = session->now - session->stage_since;
    uint64_t *deadlines[] = {&session->upstream_deadline, &session->header_deadline,
                             &session->rate_deadline};
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        if (*deadlines[i] != 0)
            *deadlines[i] += waited;
    session->client_since = session->now;
}

/* Something is to be written: the peers have data-timeout to take some of it. Looked at when the
 * owner has written. */
void mw_clock_arm_write(struct mw_session *session)
{
    size_t waiting = mw_queue_len(&session->to_client) + mw_queue_len(&session->to_upstream);
    if (waiting == 0) {
        session->write_deadline = 0;
    } else if (session->write_deadline == 0 || waiting < session->write_len) {
        session->write_len = waiting;
        session->write_deadline = session->now + session->settings->data_timeout_ms;
    }
}

void mw_clock_disarm_upstream(struct mw_session *session)
{
    const struct mw_upstream *up = &session->up;
    if (up->state == MW_UP_DOWN || (up->state == MW_UP_READY && up->expect_count == 0))
        session->upstream_deadline = 0;
}

/* When the client has to have said something; 0 while it is not its turn. */
static uint64_t client_deadline(const struct mw_session *session)
{
    if (session->ring_count > 0 || session->after_stage != NULL || session->is_over ||
        session->awaits_upstream)
        return 0;
    const struct mw_listen_settings *settings = session->settings;
    if (session->swallow_left > 0) {
        uint64_t next = session->client_since + settings->data_timeout_ms;
        return next < session->swallow_until ? next : session->swallow_until;
    }
    switch ((enum mw_state)session->state) {
    case MW_STATE_GREETED:
    case MW_STATE_READY:
    case MW_STATE_IN_TX:
    case MW_STATE_IN_BDAT:
    case MW_STATE_IN_AUTH:
        return session->client_since + settings->command_timeout_ms;
    case MW_STATE_CONTENT:
        return mw_content_is_blocked(session) ? 0
                                              : session->client_since + settings->data_timeout_ms;
    case MW_STATE_OPENING:
    case MW_STATE_COMMIT:
    case MW_STATE_SECURING: /* the handshake has the owner's deadline */
    case MW_STATE_CLOSING:
    case MW_STATE_COUNT:
        return 0;
    }
    return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b != 0 && b < a ? b : a;
}

uint64_t mw_session_deadline(const struct mw_session *session)
{
    uint64_t deadline = UINT64_MAX;
    if (session->is_over)
        return earlier(deadline, session->write_deadline);
    if (session->after_stage == NULL) { /* a filter's own deadline is the chain's */
        deadline = earlier(deadline, client_deadline(session));
        deadline = earlier(deadline, session->upstream_deadline);
        deadline = earlier(deadline, session->header_deadline);
        deadline = earlier(deadline, session->rate_deadline);
    }
    deadline = earlier(deadline, session->keepalive_at);
    return earlier(deadline, session->write_deadline);
}

static bool is_due(const struct mw_session *session, uint64_t deadline)
{
    return deadline != 0 && deadline <= session->now;
}

/* The minimum rate over the last window; a window in which we held the client back does not count
 * against it. */
static bool is_too_slow(struct mw_session *session)
{
    if (!is_due(session, session->rate_deadline) || session->tx == NULL)
        return false;
    uint64_t got = session->tx->size - session->rate_octets;
    session->rate_octets = session->tx->size;
    session->rate_deadline = session->now + MW_RATE_WINDOW_MS;
    /* between chunks, too: chunks of nothing would hold the session and its upstream for ever */
    bool is_its_turn = session->state == MW_STATE_IN_BDAT ||
                       (session->state == MW_STATE_CONTENT && !mw_content_is_blocked(session));
    return is_its_turn && session->ring_count == 0 &&
           got < session->settings->min_data_rate * (MW_RATE_WINDOW_MS / 1000);
}

void mw_clock_expire(struct mw_session *session)
{
    if (is_due(session, session->write_deadline) && mw_queue_len(&session->to_client) == 0) {
        session->write_deadline = 0;
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_TIMEOUT, "it takes nothing more");
    } else if (is_due(session, session->write_deadline)) {
        /* the client takes nothing of what we have for it: no reply would reach it */
        mw_queue_clear(&session->to_client);
        mw_queue_clear(&session->to_upstream);
        session->write_deadline = 0;
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_CLIENT_TIMEOUT);
    } else if (session->after_stage != NULL) {
        if (is_due(session, session->keepalive_at))
            mw_upstream_keepalive(session);
    } else if (is_due(session, session->upstream_deadline)) {
        session->upstream_deadline = 0;
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_TIMEOUT, "no reply in time");
    } else if (is_due(session, client_deadline(session)) ||
               is_due(session, session->header_deadline)) {
        mw_report_reject_own(session, session->state == MW_STATE_CONTENT ? "body" : "command",
                             MW_REPLY_CLIENT_TIMEOUT);
        mw_session_finish(session, MW_REPLY_CLIENT_TIMEOUT, MW_END_CLIENT_TIMEOUT);
    } else if (is_too_slow(session)) {
        mw_report_reject_own(session, "body", MW_REPLY_TOO_SLOW);
        mw_session_finish(session, MW_REPLY_TOO_SLOW, MW_END_CLIENT_TIMEOUT);
    } else if (is_due(session, session->keepalive_at)) {
        mw_upstream_keepalive(session);
    }
}
