/* mixed.c - messages whose recipients do not all get the same verdict: who gets the message, and
 * what the client is told.
 *
 * SMTP has one reply for a message, however many recipients it has. Verdicts for single recipients
 * (chain/host_rcpt.c) are known at its end; what becomes of them:
 *
 *  - every recipient refused: the refusal is the message's reply, nothing goes upstream
 *  - some, and the client gave PRDR: the others get the message, each has a reply of its own
 *  - some, mixed-verdict refuse: nobody gets it; the reply is one of the refusals, with its
 *    recipient in front
 *  - some, accept-rest: the others get it, and the client gets the upstream's reply: whoever was
 *    refused gets nothing and nobody is told; the log says told=250
 *  - some, split: as refuse. But recipients of different policy groups did not get into one
 *    transaction in the first place (452 4.5.3 at RCPT)
 *
 * Of several refusals that have to share one reply the first temporary one counts, else the first:
 * the client then keeps the message, and what is refused for good will be refused again. A
 * discarded recipient refuses nothing.
 *
 * PRDR (draft-hall-prdr-00, as Exim has it): "PRDR" behind MAIL FROM, ours alone: it never goes
 * upstream. If more than one recipient was told 2xx at RCPT, the message's reply is a group: 353, a
 * reply for each of those in RCPT's order, and the reply for the whole. It leaves as one, when the
 * upstream has answered (law 1). Where the message is refused as a whole before that, a single
 * reply is enough: Exim's client takes one without a 353 for all recipients. Recipients that have
 * a reply of their own anyway are not split. */
#include "session/session_priv.h"

/* Longer addresses are not repeated in replies: the reason would not fit on the line. */
enum { SHOWN_ADDRESS_MAX = 254 };

/* ---- who was refused ---- */

/* The client was told at RCPT that this one is accepted. */
static bool is_promised(const struct mw_rcpt *rcpt)
{
    return rcpt->code >= 200 && rcpt->code < 300;
}

static bool refuses(const struct mw_rcpt_verdict *verdict)
{
    return verdict != NULL && verdict->outcome.verdict != MW_DISCARD;
}

/* A filter that moves a message to another address makes one recipient of many: the first gets that
 * address, the others are taken off. This is what refuses such an address, or NULL: it speaks for
 * those that were taken off as well, or they would get nothing and nobody would be told. */
static const struct mw_rcpt_verdict *refusal_of_moved(const struct mw_session *session)
{
    const struct mw_envelope *envelope = &session->tx->envelope;
    size_t count = envelope->rcpt_count < session->subject.rcpt_verdict_cap
                       ? envelope->rcpt_count
                       : session->subject.rcpt_verdict_cap;
    for (size_t i = 0; i < count; i++) {
        const struct mw_mailbox *mailbox = &envelope->rcpts[i].mailbox;
        const struct mw_rcpt_verdict *verdict = mw_subject_rcpt_verdict(&session->subject, i);
        if (refuses(verdict) && mailbox->address.ptr != mailbox->original.ptr)
            return verdict;
    }
    return NULL;
}

/* `moved`: refusal_of_moved(), looked for once for all recipients. */
static const struct mw_rcpt_verdict *verdict_of(const struct mw_session *session, size_t index,
                                                const struct mw_rcpt_verdict *moved)
{
    const struct mw_rcpt_verdict *verdict = mw_subject_rcpt_verdict(&session->subject, index);
    const struct mw_rcpt *rcpt = &session->tx->envelope.rcpts[index];
    bool is_taken_off = rcpt->status == MW_RCPT_DELETED && is_promised(rcpt);
    return verdict == NULL && is_taken_off ? moved : verdict;
}

/* What refuses this recipient at the end of the message, or NULL. */
static const struct mw_outcome *refusal_of(const struct mw_session *session, size_t index,
                                           const struct mw_rcpt_verdict *moved)
{
    const struct mw_rcpt_verdict *verdict = verdict_of(session, index, moved);
    return refuses(verdict) ? &verdict->outcome : NULL;
}

struct tally {
    size_t promised, refused, wanted; /* of those promised */
    size_t at;                        /* the recipient whose refusal speaks for all */
};

static struct tally tally_of(const struct mw_session *session)
{
    const struct mw_envelope *envelope = &session->tx->envelope;
    const struct mw_rcpt_verdict *moved = refusal_of_moved(session);
    const struct mw_outcome *first = NULL;
    struct tally tally = {0};
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        const struct mw_rcpt *rcpt = &envelope->rcpts[i];
        if (!is_promised(rcpt))
            continue;
        const struct mw_outcome *refusal = refusal_of(session, i, moved);
        tally.promised++;
        tally.refused += refusal != NULL;
        tally.wanted += mw_rcpt_is_wanted(rcpt);
        if (refusal != NULL && (first == NULL || (first->code >= 500 && refusal->code < 500))) {
            first = refusal;
            tally.at = i;
        }
    }
    return tally;
}

bool mw_mixed_refuses(struct mw_session *session)
{
    struct mw_transaction *tx = session->tx;
    struct tally tally = tally_of(session);
    bool is_discarding = tally.promised > tally.refused + tally.wanted;
    tx->gives_prdr = tx->wants_prdr && tally.promised > 1;
    if (tally.refused == 0)
        return false;
    if (tally.wanted == 0 && !is_discarding)
        return true;
    if (tx->gives_prdr)
        return false;
    /* what filters added is delivered in the place of something, but not in the place of a refusal
     */
    return session->settings->mixed_verdict != MW_MIXED_ACCEPT_REST ||
           mw_envelope_wanted(&tx->envelope) == 0;
}

/* ---- replies ---- */

/* "<b@example.net>: text" */
static void build_for(struct mw_buf *out, const struct mw_rcpt *rcpt, uint16_t code,
                      struct mw_slice dsn, struct mw_slice text)
{
    struct mw_slice address = rcpt->mailbox.original;
    if (address.len > SHOWN_ADDRESS_MAX) {
        mw_reply_build(out, code, dsn, text);
        return;
    }
    struct mw_buf words = {0};
    mw_buf_put(&words, MW_LIT("<"));
    mw_buf_put(&words, address);
    mw_buf_put(&words, MW_LIT(">: "));
    mw_buf_put(&words, text);
    mw_reply_build(out, code, dsn, mw_buf_view(&words));
    mw_buf_fini(&words);
}

uint16_t mw_mixed_refusal(struct mw_session *session, struct mw_buf *out)
{
    struct tally tally = tally_of(session);
    const struct mw_outcome *refusal = refusal_of(session, tally.at, refusal_of_moved(session));
    mw_assert(refusal != NULL && refusal->code >= 400);
    if (tally.refused == tally.promised)
        mw_build_outcome(refusal, out);
    else
        build_for(out, &session->tx->envelope.rcpts[tally.at], refusal->code, refusal->dsn,
                  refusal->text);
    return refusal->code;
}

/* What a recipient is told that nobody refused: the message's fate, on one line, however long the
 * upstream's reply is (there may be 10,000 of them). */
static void build_fate(struct mw_buf *out, const struct mw_rcpt *rcpt, struct mw_slice reply,
                       uint16_t code)
{
    struct mw_reply parsed = {0};
    size_t used;
    if (code < 300)
        build_for(out, rcpt, code, mw_reply_own_dsn(MW_REPLY_OK), mw_reply_own_text(MW_REPLY_OK));
    else if (mw_reply_parse(reply, &parsed, &used) == MW_OK)
        mw_reply_build(out, code, MW_EMPTY, parsed.text);
    else
        mw_reply_build(out, code, MW_EMPTY, MW_EMPTY);
}

void mw_mixed_print_prdr(struct mw_session *session, struct mw_slice reply, uint16_t code,
                         struct mw_buf *out)
{
    const struct mw_envelope *envelope = &session->tx->envelope;
    const struct mw_rcpt_verdict *moved = refusal_of_moved(session);
    mw_reply_own(out, MW_REPLY_PRDR_FOLLOWS);
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        const struct mw_rcpt *rcpt = &envelope->rcpts[i];
        const struct mw_outcome *refusal = refusal_of(session, i, moved);
        if (!is_promised(rcpt))
            continue;
        if (refusal != NULL)
            build_for(out, rcpt, refusal->code, refusal->dsn, refusal->text);
        else
            build_fate(out, rcpt, reply, code);
    }
    mw_buf_put(out, reply);
}

/* ---- the log ---- */

void mw_mixed_report(struct mw_session *session, uint16_t told)
{
    struct mw_transaction *tx = session->tx;
    if (tx->were_rcpts_logged || session->subject.rcpt_verdict_cap == 0)
        return;
    const struct mw_rcpt_verdict *moved = refusal_of_moved(session);
    tx->were_rcpts_logged = true;
    for (size_t i = 0; i < tx->envelope.rcpt_count; i++) {
        const struct mw_rcpt_verdict *verdict = verdict_of(session, i, moved);
        const struct mw_rcpt *rcpt = &tx->envelope.rcpts[i];
        if (verdict == NULL)
            continue;
        uint16_t own = tx->gives_prdr && told != 0 && refuses(verdict) ? verdict->outcome.code
                                                                       : told;
        mw_report_rcpt(session, verdict, rcpt->mailbox.address, is_promised(rcpt) ? own : 0);
    }
}

/* ---- split ---- */

bool mw_mixed_must_split(struct mw_session *session, size_t index)
{
    struct mw_transaction *tx = session->tx;
    struct mw_slice group = session->subject.rcpt_group;
    if (session->settings->mixed_verdict != MW_MIXED_SPLIT || tx->wants_prdr || tx->is_discarded)
        return false;
    ptrdiff_t first = mw_envelope_next_unsent(&tx->envelope, 0, true);
    if (first >= 0 && (size_t)first < index)
        return !mw_slice_eq(group, mw_buf_view(&tx->group));
    tx->group.len = 0; /* the first one that is wanted names the transaction's group */
    mw_buf_put(&tx->group, group);
    return false;
}

/* ---- PRDR behind MAIL FROM ---- */

bool mw_prdr_refused(struct mw_session *session, const struct mw_envelope_arg *arg)
{
    const struct mw_param *param = mw_envelope_arg_param(arg, MW_LIT("PRDR"));
    if (param == NULL)
        return false;
    if ((session->shown & MW_EXT_PRDR) == 0) {
        /* an upstream that knows it would take it, and answer in a way that nobody here expects */
        mw_report_reject_own(session, "mail", MW_REPLY_PRDR_UNKNOWN);
        mw_answer_own(session, MW_REPLY_PRDR_UNKNOWN);
        return true;
    }
    if (param->has_value) {
        mw_command_error(session, MW_REPLY_SYNTAX_MAIL);
        return true;
    }
    return false;
}

void mw_prdr_take(struct mw_session *session, const struct mw_envelope_arg *arg)
{
    struct mw_transaction *tx = session->tx;
    if (mw_envelope_arg_param(arg, MW_LIT("PRDR")) == NULL)
        return;
    tx->wants_prdr = true;
    struct mw_buf rest = {0};
    for (size_t i = 0; i < arg->param_count; i++) {
        const struct mw_param *param = &arg->params[i];
        if (mw_slice_ieq(param->key, MW_LIT("PRDR")))
            continue;
        if (rest.len > 0)
            mw_buf_putc(&rest, ' ');
        mw_buf_put(&rest, param->key);
        if (param->has_value) {
            mw_buf_putc(&rest, '=');
            mw_buf_put(&rest, param->value);
        }
    }
    tx->envelope.sender.params = rest.len == 0 ? MW_EMPTY
                                               : mw_arena_dup(&tx->arena, mw_buf_view(&rest));
    mw_buf_fini(&rest);
}
