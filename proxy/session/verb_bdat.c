/* verb_bdat.c - BDAT (RFC 3030): the payload is counted, whatever its octets are, and always taken,
 * also where the chunk is refused.
 *
 * A message that comes in chunks is spooled under every plan: the replies to chunks are ours
 * (Postfix's words), the message's reply is the upstream's. It leaves as one BDAT where the
 * upstream offers CHUNKING, else as DATA (commit.c). */
#include "session/session_priv.h"

enum {
    SWALLOW_RATE = 100,                 /* octets a second where min-data-rate is off */
    SWALLOW_UNLIMITED = 1024 * 1048576, /* where max-message-size is off */
};

void mw_swallow(struct mw_session *session, uint64_t size)
{
    const struct mw_listen_settings *settings = session->settings;
    uint64_t limit = settings->max_message_size, rate = settings->min_data_rate;
    if (size > (limit != 0 ? 2 * limit + (16u << 20) : SWALLOW_UNLIMITED)) {
        mw_session_finish(session, MW_REPLY_TOO_BIG, MW_END_ERRORS);
        return;
    }
    session->swallow_left = size;
    session->swallow_until = session->now + settings->data_timeout_ms +
                             size * 1000 / (rate != 0 ? rate : SWALLOW_RATE);
}

/* Refused for its place in the dialogue: the payload is dropped by its count, the dialogue goes on.
 */
static void chunk_refused(struct mw_session *session, enum mw_reply_id reply, uint64_t size)
{
    mw_swallow(session, size);
    if (!session->is_over)
        mw_command_error(session, reply);
}

static void bdat_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    struct mw_transaction *tx = session->tx;
    if (outcome->verdict == MW_DISCARD) {
        tx->is_discarded = true;
        mw_report_reject(session, "data", outcome); /* as `discard`: law 1 wants it in the log */
    } else if (outcome->verdict == MW_DISCONNECT) {
        mw_refuse(session, "data", outcome);
        return;
    } else if (outcome->verdict != MW_CONTINUE) {
        mw_content_refuse(session, outcome, "data");
    }
    if (mw_envelope_wanted(&tx->envelope) == 0 && session->subject.rcpt_verdict_cap == 0)
        tx->is_discarded = true; /* else some were refused just now: told at the message's end */
    tx->plan = tx->is_discarded ? MW_PLAN_SWALLOW : MW_PLAN_SPOOL;
    mw_content_begin(session);
}

void mw_verb_bdat(struct mw_session *session)
{
    uint64_t size;
    bool is_last;
    if (mw_bdat_parse(session->command.arg, &size, &is_last) != MW_OK) {
        /* two readings of a count are a smuggling hole: none is taken */
        mw_report_reject_own(session, "data", MW_REPLY_SYNTAX_BDAT);
        struct mw_buf reply = {0};
        mw_reply_own(&reply, MW_REPLY_SYNTAX_BDAT);
        mw_session_finish_reply(session, mw_buf_view(&reply), MW_END_ERRORS);
        mw_buf_fini(&reply);
        return;
    }
    if (size == 0 && !is_last && !mw_count_junk(session))
        return;
    struct mw_transaction *tx = session->tx;
    if (tx == NULL) {
        chunk_refused(session, MW_REPLY_SEQUENCE_RCPT, size);
        return;
    }
    if (!tx->is_bdat) {
        const struct mw_envelope *envelope = &tx->envelope;
        bool is_wanted = mw_envelope_wanted(envelope) > 0 || envelope->discarded > 0 ||
                         tx->is_discarded;
        if (envelope->rcpt_count == 0 || !is_wanted) {
            /* RFC 3030 2: a failed BDAT ends the transaction; the client would have to RSET */
            mw_transaction_end(session, true);
            chunk_refused(session, MW_REPLY_NO_RECIPIENTS, size);
            return;
        }
    }
    tx->bdat_left = tx->bdat_size = size;
    tx->is_last_chunk = is_last;
    if (tx->is_bdat) {
        mw_content_begin(session);
        return;
    }
    tx->is_bdat = true;
    mw_dots_init_bdat(&tx->dots, tx->envelope.is_binary);
    struct mw_call call = {.stage = MW_STAGE_DATA};
    mw_run_stage_then(session, &call, bdat_decided);
}
