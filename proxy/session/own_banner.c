/* own_banner.c - `banner own`: we greet and answer ourselves until a recipient has passed the
 * filters; only then is the upstream connected. A storm of junk costs the mail server nothing.
 *
 *   greeting, HELO   ours
 *   EHLO             the list that this upstream gave last (the first session of all asks it)
 *   MAIL             judged, told 250, kept
 *   RCPT             judged; the first that passes opens the upstream, in silence: HELO, MAIL, then
 *                    this RCPT. Its reply is the upstream's; where MAIL is refused, that refusal
 *   AUTH, VRFY, ...  need the upstream: it is opened for them
 *
 * From then on the dialogue is relayed as with `banner upstream`, until the connection is lost
 * between transactions: then we are alone again. */
#include "session/session_priv.h"

static bool is_alone(const struct mw_session *session)
{
    return mw_is_own_banner(session) && session->up.state == MW_UP_DOWN &&
           !session->is_authenticated;
}

bool mw_own_banner_answers(const struct mw_session *session, enum mw_verb verb)
{
    if (!is_alone(session))
        return false;
    switch ((int)verb) {
    case MW_VERB_EHLO:
        return session->ops->known_ehlo(session->user).len > 0;
    case MW_VERB_HELO:
    case MW_VERB_MAIL:
    case MW_VERB_RCPT:
    case MW_VERB_DATA:
    case MW_VERB_BDAT:
    case MW_VERB_RSET:
    case MW_VERB_NOOP:
        return true;
    default:
        return false;
    }
}

void mw_own_banner_greet(struct mw_session *session)
{
    struct mw_buf line = {0};
    struct mw_slice name = session->snapshot->hostname;
    mw_buf_putf(&line, "220 %.*s ESMTP\r\n", (int)name.len, name.ptr);
    mw_queue_add(&session->to_client, mw_buf_view(&line));
    mw_buf_fini(&line);
    session->has_greeted = true;
    session->client_since = session->now;
    mw_enter_state(session, MW_STATE_GREETED, "own greeting");
}

bool mw_own_banner_helo(struct mw_session *session)
{
    enum mw_verb verb = session->command.verb;
    if (!is_alone(session))
        return false;
    if (verb == MW_VERB_HELO) {
        struct mw_buf line = {0};
        struct mw_slice name = session->snapshot->hostname;
        mw_buf_putf(&line, "250 %.*s\r\n", (int)name.len, name.ptr);
        mw_helo_accepted(session, NULL, verb);
        mw_answer(session, mw_buf_view(&line));
        mw_buf_fini(&line);
        return true;
    }
    struct mw_reply reply;
    size_t used;
    if (mw_reply_parse(session->ops->known_ehlo(session->user), &reply, &used) != MW_OK)
        return false;
    mw_helo_accepted(session, &reply, verb);
    return true;
}

/* ---- the first recipient that passed ---- */

bool mw_own_banner_rcpt(struct mw_session *session, size_t index)
{
    mw_assert(index == session->rcpt_at_hand);
    if (!mw_is_own_banner(session) || session->up.has_tx || session->is_authenticated)
        return false;
    /* with a connection that stands, MAIL was forwarded: its reply may still be on its way */
    if (session->up.state == MW_UP_READY && session->tx->envelope.sent_sender.ptr != NULL)
        return false;
    session->awaits_upstream = true;
    if (session->up.state == MW_UP_DOWN)
        mw_upstream_open(session);
    mw_own_banner_go_on(session);
    return true;
}

static void send_mail(struct mw_session *session)
{
    struct mw_envelope *envelope = &session->tx->envelope;
    struct mw_buf line = {0};
    mw_envelope_print(&line, MW_LIT("MAIL FROM:"), envelope->sender.address,
                      envelope->sender.params);
    mw_upstream_send_xforward(session);
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_LATE_MAIL, 0);
    mw_buf_fini(&line);
}

void mw_own_banner_go_on(struct mw_session *session)
{
    if (session->awaits_upstream && session->up.state == MW_UP_READY &&
        session->up.expect_count == 0)
        send_mail(session);
}

static void forward_rcpt(struct mw_session *session)
{
    uint32_t index = session->rcpt_at_hand;
    struct mw_rcpt *rcpt = &session->tx->envelope.rcpts[index];
    struct mw_buf line = {0};
    mw_envelope_print(&line, MW_LIT("RCPT TO:"), rcpt->mailbox.address, rcpt->mailbox.params);
    rcpt->sent = rcpt->mailbox.address;
    session->command.verb = MW_VERB_RCPT;
    mw_forward(session, mw_buf_view(&line), index);
    mw_buf_fini(&line);
}

static void answer_rcpt(struct mw_session *session, struct mw_slice reply, uint16_t code)
{
    mw_envelope_set_status(&session->tx->envelope, session->rcpt_at_hand, MW_RCPT_REFUSED_UPSTREAM,
                           code);
    session->awaits_upstream = false;
    session->command.verb = MW_VERB_RCPT;
    mw_answer(session, reply);
}

void mw_own_banner_mail_reply(struct mw_session *session, const struct mw_reply *reply)
{
    if (session->tx == NULL || !session->awaits_upstream)
        return;
    if (reply->code < 300) {
        session->awaits_upstream = false;
        session->up.has_tx = true;
        session->tx->envelope.sent_sender = session->tx->envelope.sender.address;
        forward_rcpt(session);
        return;
    }
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    mw_report_reject_upstream(session, "mail", reply);
    if (reply->code == 421)
        mw_session_finish_reply(session, mw_buf_view(&text), MW_END_UPSTREAM);
    else
        answer_rcpt(session, mw_buf_view(&text), reply->code);
    mw_buf_fini(&text);
}

void mw_own_banner_failed(struct mw_session *session, enum mw_reply_id reply)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, reply);
    mw_report_reject_own(session, "rcpt", reply);
    if (mw_reply_own_code(reply) == 421)
        mw_session_finish(session, reply, MW_END_UPSTREAM);
    else
        answer_rcpt(session, mw_buf_view(&text), mw_reply_own_code(reply));
    mw_buf_fini(&text);
}
