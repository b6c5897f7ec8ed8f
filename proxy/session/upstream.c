/* upstream.c - the other leg once it stands: commands out, replies in, and its loss. Opening it is
 * opening.c's affair.
 *
 * A reply belongs to the oldest command that is still owed one (`expects`), and only if that
 * command was on the wire when the reply was read. The connection is dropped, and later reopened,
 * where a streamed message had to be abandoned; a session that authenticated through it ends
 * instead. */
#include "session/session_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- sending ---- */

static void arm(struct mw_session *session, enum mw_expect_kind kind, enum mw_verb verb)
{
    const struct mw_upstream_settings *settings = session->settings->upstream;
    uint64_t wait = settings->reply_timeout_ms;
    if (session->up.state != MW_UP_READY)
        return; /* one deadline for the whole opening */
    if (kind == MW_EXPECT_FINAL)
        wait = settings->final_reply_timeout_ms;
    else if (kind == MW_EXPECT_SLOT && verb == MW_VERB_QUIT && wait > MW_QUIT_TIMEOUT_MS)
        wait = MW_QUIT_TIMEOUT_MS;
    session->upstream_deadline = session->now + wait;
}

void mw_upstream_send(struct mw_session *session, struct mw_slice line, enum mw_expect_kind kind,
                      uint32_t index)
{
    mw_queue_add(&session->to_upstream, line);
    mw_expect_push(session, kind, MW_VERB_UNKNOWN, index);
    arm(session, kind, MW_VERB_UNKNOWN);
}

void mw_upstream_reset(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    if (up->is_in_content) { /* no legal way out of DATA but the end of data: the connection has to
                                go */
        mw_upstream_drop(session);
        return;
    }
    if (!up->has_tx || up->state != MW_UP_READY)
        return;
    up->has_tx = false;
    mw_upstream_send(session, MW_LIT("RSET\r\n"), MW_EXPECT_RSET, 0);
}

void mw_upstream_keepalive(struct mw_session *session)
{
    session->keepalive_at = session->now + session->settings->upstream->keepalive_ms;
    if (session->up.state == MW_UP_READY && session->up.expect_count == 0 &&
        !session->up.is_in_content)
        mw_upstream_send(session, MW_LIT("NOOP\r\n"), MW_EXPECT_NOOP, 0);
}

void mw_upstream_drop(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    if (up->state == MW_UP_DOWN)
        return;
    /* QUIT where it costs nothing; never inside content, where it would be content */
    session->ops->close_upstream(session->user);
    mw_queue_clear(&session->to_upstream);
    session->upstream_in.len =
        0; /* its memory may still be borrowed: freed when the queues are settled */
    mw_expect_clear(session);
    up->state = MW_UP_DOWN;
    up->connection++;
    up->has_tx = up->is_in_content = up->has_replied_helo = false;
    up->is_secure = up->is_securing = up->has_own_ehlo = false;
    up->ehlo = up->offers = (struct mw_ehlo){0};
    mw_buf_fini(&up->first_words);
    session->upstream_deadline = 0;
}

/* ---- replies ---- */

/* A server that does not know PROXY takes the header for a command: its error comes where the reply
 * to the first command should be. */
bool mw_is_proxy_refusal(const struct mw_session *session, const struct mw_reply *reply)
{
    enum mw_identity identity = session->settings->upstream->identity;
    return (identity == MW_IDENTITY_PROXY_V1 || identity == MW_IDENTITY_PROXY_V2) &&
           session->settings->upstream->require_identity && !session->up.has_replied_helo &&
           (reply->code == 500 || reply->code == 502 || reply->code == 221);
}

/* Commands that every server knows: 500 or 502 is not about them. */
static bool is_known_everywhere(enum mw_verb verb)
{
    return verb == MW_VERB_HELO || verb == MW_VERB_EHLO || verb == MW_VERB_MAIL ||
           verb == MW_VERB_RSET || verb == MW_VERB_NOOP;
}

/* The stage's word in log lines. */
static const char *stage_word(enum mw_verb verb)
{
    static const char *const words[MW_VERB_COUNT] = {
        [MW_VERB_EHLO] = "helo", [MW_VERB_HELO] = "helo", [MW_VERB_MAIL] = "mail",
        [MW_VERB_RCPT] = "rcpt", [MW_VERB_AUTH] = "auth",
    };
    return words[verb] != NULL ? words[verb] : "command";
}

/* A reply to a command that was forwarded for the client. */
static void on_slot(struct mw_session *session, struct mw_expect expect,
                    const struct mw_reply *reply)
{
    enum mw_verb verb = (enum mw_verb)expect.verb;
    if (is_known_everywhere(verb) && mw_is_proxy_refusal(session, reply)) {
        mw_identity_failed(session, "the PROXY header was not understood");
        return;
    }
    if (reply->code >= 300 && reply->code < 400 && !(verb == MW_VERB_AUTH && reply->code == 334)) {
        /* the client would begin to send content, or credentials, that nobody asked for */
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "3xx for a command that has none");
        return;
    }
    session->up.has_replied_helo = true;
    if (verb == MW_VERB_RCPT)
        session->rcpt_at_hand = expect.index;
    if (reply->code >= 400)
        mw_report_reject_upstream(session, stage_word(verb), reply);
    if (reply->code == 421) {
        struct mw_buf text = {0};
        mw_reply_print(reply, &text);
        mw_session_finish_reply(session, mw_buf_view(&text), MW_END_UPSTREAM);
        mw_buf_fini(&text);
        return;
    }
    if (verb == MW_VERB_HELO || verb == MW_VERB_EHLO) {
        if (mw_reply_helo(session, reply, verb))
            return;
    }
    struct mw_buf text = {0};
    if (!reply->is_clean)
        mw_reply_print(reply, &text);
    mw_exchange_answer(session, reply->is_clean ? reply->octets : mw_buf_view(&text),
                       reply->is_clean);
    mw_buf_fini(&text);
    if (verb == MW_VERB_MAIL)
        mw_reply_mail(session, reply);
    else if (verb == MW_VERB_RCPT)
        mw_reply_rcpt(session, reply, expect.index);
    else if (verb == MW_VERB_RSET)
        mw_reply_rset(session, reply);
    else if (verb == MW_VERB_AUTH)
        mw_reply_auth(session, reply);
    else if (verb == MW_VERB_QUIT)
        mw_session_finish(session, MW_REPLY_COUNT, MW_END_QUIT);
}

/* The upstream speaks although it owes nothing. */
static void on_unsolicited(struct mw_session *session, const struct mw_reply *reply)
{
    if (session->tx != NULL && mw_commit_early_reply(session, reply))
        return;
    if (reply->code != 421) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "a reply that nothing asked for");
        return;
    }
    bool is_alone_again = mw_is_own_banner(session) && session->tx == NULL &&
                          session->ring_count == 0 && !session->is_authenticated &&
                          session->state != MW_STATE_IN_AUTH;
    if (is_alone_again || session->state == MW_STATE_SECURING) {
        mw_upstream_drop(session); /* it got tired of us: the next recipient opens a new one */
        return;
    }
    if (session->tx != NULL && session->tx->plan != MW_PLAN_STREAM &&
        (session->state == MW_STATE_CONTENT || session->state == MW_STATE_COMMIT)) {
        /* it got tired of waiting while the message was spooled: the envelope will be replayed */
        mw_upstream_drop(session);
        return;
    }
    struct mw_buf text = {0};
    mw_reply_print(reply, &text);
    mw_report_reject_upstream(session, "command", reply);
    mw_session_finish_reply(session, mw_buf_view(&text), MW_END_UPSTREAM);
    mw_buf_fini(&text);
}

static void on_reply(struct mw_session *session, const struct mw_reply *reply)
{
    /* a reply that came before its command was on the wire is no answer to it, however well it
     * would fit: law 1 */
    if (session->up.answerable == 0 || session->up.expect_count == 0) {
        on_unsolicited(session, reply);
        return;
    }
    session->up.answerable--;
    struct mw_expect expect = mw_expect_pop(session);
    bool is_ours = expect.kind == MW_EXPECT_OWN_EHLO || expect.kind == MW_EXPECT_STARTTLS ||
                   expect.kind == MW_EXPECT_XFORWARD;
    if (reply->code == 421 && is_ours) { /* not about what we said: it goes */
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_LOST, "421");
        return;
    }
    bool has_own_rule = expect.kind == MW_EXPECT_SLOT || expect.kind == MW_EXPECT_DATA ||
                        expect.kind == MW_EXPECT_FINAL;
    if (reply->code >= 300 && reply->code < 400 && !has_own_rule) { /* it might reach the client */
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "3xx for a command that has none");
        return;
    }
    switch ((enum mw_expect_kind)expect.kind) {
    case MW_EXPECT_GREETING:
    case MW_EXPECT_OWN_EHLO:
    case MW_EXPECT_STARTTLS:
    case MW_EXPECT_XCLIENT:
    case MW_EXPECT_AGAIN_HELO:
        mw_opening_reply(session, (enum mw_expect_kind)expect.kind, reply);
        break;
    case MW_EXPECT_SLOT:
        on_slot(session, expect, reply);
        break;
    case MW_EXPECT_XFORWARD:
        if (expect.index == 1 && reply->code >= 300 &&
            session->settings->upstream->require_identity)
            mw_identity_failed(session, "XFORWARD was refused");
        break; /* else for the upstream's log only: a refusal changes nothing */
    case MW_EXPECT_LATE_MAIL:
        mw_own_banner_mail_reply(session, reply);
        break;
    case MW_EXPECT_NOOP:
    case MW_EXPECT_RSET:
        /* not in its right mind: the next command gets a new connection, those on their way a 4xx
         */
        if (reply->code >= 300 && session->up.expect_count > 0)
            mw_upstream_lost(session, MW_REPLY_UPSTREAM_LOST, "refused RSET or NOOP");
        else if (reply->code >= 300)
            mw_upstream_drop(session);
        mw_commit_go_on(session);
        break;
    case MW_EXPECT_MAIL:
    case MW_EXPECT_RCPT:
    case MW_EXPECT_DATA:
    case MW_EXPECT_FINAL:
        mw_commit_reply(session, expect, reply);
        break;
    }
    if (session->up.expect_count > 0 && session->up.state == MW_UP_READY) {
        const struct mw_expect *next = &session->up.expects[session->up.expect_first];
        arm(session, (enum mw_expect_kind)next->kind, (enum mw_verb)next->verb);
    }
}

bool mw_upstream_may_speak(const struct mw_session *session)
{
    /* while a filter judges a spooled message nothing is owed: a 421 or the end means that the
     * envelope will be replayed */
    if (session->up.is_securing)
        return false;
    return session->after_stage == NULL ||
           (session->state == MW_STATE_COMMIT && session->tx->plan == MW_PLAN_SPOOL);
}

void mw_upstream_take(struct mw_session *session, struct mw_slice octets)
{
    struct mw_buf *in = &session->upstream_in;
    bool is_kept = in->len > 0;
    if (is_kept)
        mw_buf_put(in, octets);
    struct mw_slice view = is_kept ? mw_buf_view(in) : octets;
    struct mw_slice all = view;
    uint32_t connection = session->up.connection;
    while (view.len > 0 && !session->is_over && mw_upstream_may_speak(session) &&
           session->up.connection == connection) {
        struct mw_reply reply;
        size_t used = 0;
        enum mw_err err = mw_reply_parse(view, &reply, &used);
        if (err == MW_AGAIN)
            break;
        if (err != MW_OK) {
            mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE, "not an SMTP reply");
            return;
        }
        view = mw_slice_skip(view, used);
        bool was_securing = session->up.is_securing;
        on_reply(session, &reply);
        if (session->up.connection == connection && session->up.is_securing && !was_securing &&
            view.len > 0) { /* said in the clear, to be believed behind TLS (law 7) */
            mw_upstream_lost(session, MW_REPLY_UPSTREAM_NONSENSE,
                             "octets behind the reply to STARTTLS");
            return;
        }
    }
    if (session->is_over || session->up.connection != connection)
        return; /* dropped, perhaps opened anew already: what else the old one said does not matter
                 */
    if (!is_kept) {
        if (view.len > 0)
            mw_buf_put(in, view);
        return;
    }
    if (view.len == 0) {
        in->len = 0; /* freed when the queues are settled: a reply may be borrowed from it */
    } else if (view.len < all.len) {
        mw_queue_settle(&session->to_client);
        mw_buf_consume(in, all.len - view.len);
    }
}

/* ---- loss ---- */

static void end_before_greeting(struct mw_session *session, enum mw_reply_id reply,
                                bool has_lost_handshake)
{
    enum mw_reply_id last = MW_REPLY_UPSTREAM_NONE;
    if (reply == MW_REPLY_UPSTREAM_NONSENSE)
        last = reply;
    else if (has_lost_handshake)
        last = MW_REPLY_UPSTREAM_INSECURE;
    mw_report_reject_own(session, "connect", last);
    mw_session_finish(session, last, MW_END_UPSTREAM);
}

/* The commands at hand get a 4xx; the transaction is gone; the next command gets a new
 * connection. */
static void fail_commands(struct mw_session *session, enum mw_reply_id reply, bool is_being_judged)
{
    mw_cancel_stage(session);
    while (session->ring_count > 0)
        mw_exchange_answer_own(session, reply);
    if (is_being_judged)
        mw_answer_own(session, reply);
    mw_report_reject_own(session, "command", reply);
    if (session->state == MW_STATE_IN_AUTH) {
        session->subject.auth_user = MW_EMPTY; /* only claimed */
        mw_enter_state(session, MW_STATE_READY, "upstream lost");
    }
    mw_transaction_end(session, true);
}

void mw_upstream_lost(struct mw_session *session, enum mw_reply_id reply, const char *why)
{
    if (session->is_over || session->up.state == MW_UP_DOWN)
        return;
    bool has_lost_handshake = session->up.is_securing;
    bool was_opening = session->up.state != MW_UP_READY;
    bool is_quitting = session->up.expect_count > 0 &&
                       session->up.expects[session->up.expect_first].kind == MW_EXPECT_SLOT &&
                       session->up.expects[session->up.expect_first].verb == MW_VERB_QUIT;
    if (is_quitting) {
        mw_session_finish(session, MW_REPLY_BYE, MW_END_QUIT);
        return;
    }
    MW_LOG(session->log, session->subject.session_id, MW_EV_UPSTREAM_FAILED,
           mw_text("upstream", session->settings->upstream->name), mw_cstr("problem", why),
           mw_uint("unanswered", session->up.expect_count));
    mw_upstream_drop(session);
    if (has_lost_handshake && session->settings->upstream->tls == MW_UPSTREAM_TLS_OPPORTUNISTIC) {
        session->up.is_clear_agreed = true; /* for the rest of this session */
        mw_upstream_open(session);
        return;
    }
    if (session->state == MW_STATE_SECURING)
        return; /* nothing can be said to the client now; its next command opens a new connection */
    if (session->awaits_upstream) {
        mw_own_banner_failed(session, reply);
        return;
    }
    if (mw_is_own_banner(session) && !was_opening && session->tx == NULL &&
        session->ring_count == 0 && session->after_stage == NULL && !session->is_authenticated &&
        session->state != MW_STATE_IN_AUTH)
        return; /* alone again; nobody has to know */
    if (!session->has_greeted) {
        end_before_greeting(session, reply, has_lost_handshake);
        return;
    }
    if (session->tx != NULL && session->tx->step != MW_STEP_NONE) {
        bool can_replay = session->tx->plan == MW_PLAN_SPOOL && session->tx->step <= MW_STEP_DATA &&
                          !was_opening && reply == MW_REPLY_UPSTREAM_LOST &&
                          !session->is_authenticated && !session->tx->was_replayed;
        if (can_replay) { /* it left while we kept it waiting; nothing of the message has gone out
                           */
            session->tx->was_replayed = true;
            mw_commit_open_data(session);
        } else {
            mw_commit_failed(session, reply);
        }
        return;
    }
    bool is_spooling = session->tx != NULL && session->tx->plan != MW_PLAN_STREAM &&
                       (session->state == MW_STATE_CONTENT || session->state == MW_STATE_COMMIT ||
                        (session->state == MW_STATE_IN_BDAT && session->ring_count == 0));
    if (is_spooling && reply != MW_REPLY_UPSTREAM_NONSENSE)
        return; /* the envelope will be replayed on a new connection (late envelope) */
    if (session->tx != NULL && session->tx->is_stream_open) {
        /* mid-content: the client hears of it at the end of its message */
        mw_content_refuse_own(
            session, reply == MW_REPLY_UPSTREAM_TIMEOUT ? reply : MW_REPLY_UPSTREAM_LOST, "body");
        return;
    }
    bool is_being_judged = session->after_stage != NULL && session->command.line.len > 0;
    if (!was_opening && (session->ring_count > 0 || is_being_judged) &&
        reply != MW_REPLY_UPSTREAM_NONSENSE) {
        fail_commands(session, reply, is_being_judged);
        return;
    }
    /* between commands: as a direct server that went away, with a proper word */
    enum mw_reply_id last = was_opening ? MW_REPLY_UPSTREAM_NONE : MW_REPLY_UPSTREAM_LOST_END;
    if (reply == MW_REPLY_UPSTREAM_NONSENSE)
        last = reply;
    mw_report_reject_own(session, "command", last);
    mw_session_finish(session, last, MW_END_UPSTREAM);
}
