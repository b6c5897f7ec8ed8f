/* transaction.c - begin and end of a mail transaction. Freeing its arena is the reset; nothing
 * outside struct mw_transaction and the subject's transaction part (set and cleared here) points
 * into it. */
#include "session/session_priv.h"

#include <stdlib.h>

/* What filters said of single recipients is in the transaction's arena. */
static void forget_rcpts(struct mw_session *session)
{
    session->subject.rcpt_group = MW_EMPTY;
    session->subject.rcpt_verdicts = NULL;
    session->subject.rcpt_verdict_cap = 0;
}

static void forget_results(struct mw_session *session)
{
    session->subject.auth_results = NULL;
    session->subject.auth_result_count = session->subject.auth_result_octets = 0;
}

void mw_transaction_begin(struct mw_session *session)
{
    mw_assert(session->tx == NULL);
    struct mw_transaction *tx = mw_xcalloc(1, sizeof *tx);
    session->tx = tx;
    tx->begun_ms = session->now;
    tx->number = ++session->messages_tried;
    mw_envelope_init(&tx->envelope, &tx->arena);
    mw_headers_init(&tx->headers, &tx->arena);
    session->subject.message_number = tx->number;
    session->subject.transaction_arena = &tx->arena;
    session->subject.envelope = &tx->envelope;
    session->subject.headers = NULL;
    session->subject.spool = NULL;
    session->subject.message_size = 0;
    session->subject.has_replaced_body = false;
    forget_rcpts(session);
    forget_results(session);
    session->ops->transaction_begin(session->user);
}

void mw_transaction_end(struct mw_session *session, bool is_aborted)
{
    struct mw_transaction *tx = session->tx;
    if (tx == NULL)
        return;
    mw_mixed_report(session, 0); /* if nobody has: then nobody was told anything */
    session->ops->transaction_end(session->user, is_aborted);
    mw_upstream_reset(session);
    uint64_t left = tx->is_bdat ? tx->bdat_left : 0;
    session->subject.transaction_arena = NULL;
    session->subject.envelope = NULL;
    session->subject.headers = NULL;
    session->subject.spool = NULL;
    session->subject.message_size = 0;
    forget_rcpts(session);
    forget_results(session);
    /* pieces of the header block or spool may still wait in the queue: make them its own */
    mw_queue_settle(&session->to_upstream);
    if (tx->spool != NULL)
        session->ops->spool_close(session->user, tx->spool);
    mw_headers_fini(&tx->headers);
    mw_envelope_fini(&tx->envelope);
    mw_buf_fini(&tx->pending);
    mw_authres_watch_fini(&tx->watch);
    mw_buf_fini(&tx->refusal);
    mw_buf_fini(&tx->group);
    mw_arena_fini(&tx->arena);
    free(tx);
    session->tx = NULL;
    session->awaits_upstream = false;
    mw_xforward_end(session);
    session->header_deadline = session->rate_deadline = session->keepalive_at = 0;
    if (session->state != MW_STATE_CLOSING)
        mw_enter_state(session, session->has_helo ? MW_STATE_READY : MW_STATE_GREETED,
                       is_aborted ? "transaction aborted" : "transaction over");
    /* given up in mid-chunk: what is left of the payload must never be read as commands. Last,
     * because it may end the session, which would end the transaction */
    if (left > 0)
        mw_swallow(session, left);
}
