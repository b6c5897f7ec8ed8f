/* upstream.c - the other leg: opening it, telling it who the client is, taking its replies apart.
 *
 * Opening, one row a step (each waits for its reply: Postfix refuses pipelining around PROXY,
 * XCLIENT and EHLO): connected             PROXY header was put in front by the owner   -> GREETING
 *   greeting, no XCLIENT                                               -> the client's greeting;
 * ready greeting, XCLIENT     EHLO <our name>                              -> OWN_EHLO EHLO reply
 * XCLIENT attributes that it listed            -> XCLIENT XCLIENT reply         (a new greeting) ->
 * the client's greeting; ready reopening             the client's accepted HELO line again ->
 * AGAIN_HELO; ready, in silence An upstream that does not take the identity it was configured for
 * gets no session (require-identity): every client would be the proxy's own address to it, and that
 * is an open relay.
 *
 * The connection is dropped and later reopened where a streamed message had to be abandoned; a
 * session that authenticated through it ends instead. */
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

void mw_upstream_send_ident(struct mw_session *session)
{
    const uint32_t needed = MW_EXT_XFORWARD_IDENT | MW_EXT_PIPELINING;
    char id[40];
    if ((session->up.ehlo.exts & needed) != needed)
        return;
    struct mw_buf line = {0};
    mw_buf_put(&line, MW_LIT("XFORWARD IDENT="));
    mw_xtext_encode(mw_report_id(session, id), &line);
    mw_buf_put(&line, MW_LIT("\r\n"));
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_XFORWARD, 0);
    mw_buf_fini(&line);
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

/* ---- opening ---- */

void mw_upstream_open(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    mw_assert(up->state == MW_UP_DOWN);
    up->state = MW_UP_CONNECTING;
    up->is_reopening = session->has_greeted;
    session->upstream_deadline = session->now + session->settings->upstream->connect_timeout_ms;
    session->ops->connect_upstream(session->user);
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
    up->ehlo = (struct mw_ehlo){0};
    session->upstream_deadline = 0;
}

void mw_upstream_connected(struct mw_session *session)
{
    session->up.state = MW_UP_OPENING;
    mw_expect_push(session, MW_EXPECT_GREETING, MW_VERB_UNKNOWN, 0);
}

static void opened(struct mw_session *session, const struct mw_reply *reply)
{
    struct mw_upstream *up = &session->up;
    if (!up->is_reopening) {
        up->state = MW_UP_READY;
        session->upstream_deadline = 0;
        session->has_greeted = true;
        struct mw_buf greeting = {0};
        mw_reply_print(reply, &greeting);
        if (reply->code >= 400)
            mw_report_reject_upstream(session, "connect", reply);
        if (reply->code == 421) {
            mw_session_finish_reply(session, mw_buf_view(&greeting), MW_END_UPSTREAM);
        } else {
            mw_queue_add(&session->to_client, mw_buf_view(&greeting));
            session->client_since = session->now;
            mw_enter_state(session, MW_STATE_GREETED, "greeting");
        }
        mw_buf_fini(&greeting);
        return;
    }
    if (reply->code >= 300) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_AWAY, "refused at greeting");
        return;
    }
    if (session->has_helo) {
        mw_upstream_send(session, mw_buf_view(&session->helo_line), MW_EXPECT_AGAIN_HELO, 0);
        return; /* still within connect-timeout */
    }
    up->state = MW_UP_READY;
    session->upstream_deadline = 0;
    mw_commit_go_on(session);
}

static void identity_failed(struct mw_session *session, const char *problem)
{
    MW_LOG(session->log, session->subject.session_id, MW_EV_IDENTITY,
           mw_text("upstream", session->settings->upstream->name), mw_cstr("problem", problem),
           mw_cstr("advice", "let the upstream accept the client's identity from this host "
                             "(smtpd_authorized_xclient_hosts or smtpd_upstream_proxy_protocol), "
                             "or set identity none"));
    mw_session_finish(session, MW_REPLY_IDENTITY_REFUSED, MW_END_IDENTITY);
}

/* One attribute, if the upstream listed it. Values are xtext (never a blank or a line end). */
static void xclient_add(const struct mw_upstream *up, struct mw_buf *line, uint32_t attr,
                        const char *name, struct mw_slice value)
{
    if ((up->ehlo.xclient_attrs & attr) == 0)
        return;
    mw_buf_putf(line, " %s=", name);
    mw_xtext_encode(value, line);
}

static struct mw_slice xclient_address(const struct mw_inet *address,
                                       char out_text[MW_INET_TEXT_MAX + 8])
{
    char text[MW_INET_TEXT_MAX];
    struct mw_slice printed = mw_inet_print(address, text);
    struct mw_slice prefix = mw_inet_is_v4(address) ? MW_EMPTY : MW_LIT("IPV6:");
    memcpy(out_text, prefix.ptr, prefix.len);
    memcpy(out_text + prefix.len, printed.ptr, printed.len);
    return MW_SLICE(out_text, prefix.len + printed.len);
}

static struct mw_slice decimal(uint32_t number, char out_text[12])
{
    size_t at = 12;
    do {
        out_text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return MW_SLICE(out_text + at, 12 - at);
}

/* ADDR first, so that nothing can cut it off. HELO and PROTO come with the client's own EHLO. */
static void send_xclient(struct mw_session *session)
{
    const struct mw_subject *subject = &session->subject;
    const struct mw_upstream *up = &session->up;
    char address[MW_INET_TEXT_MAX + 8], number[12];
    struct mw_buf line = {0};
    mw_buf_put(&line, MW_LIT("XCLIENT"));
    xclient_add(up, &line, MW_XCLIENT_ADDR, "ADDR",
                xclient_address(&subject->client_address, address));
    xclient_add(up, &line, MW_XCLIENT_NAME, "NAME",
                subject->client_name.len > 0 ? subject->client_name : MW_LIT("[UNAVAILABLE]"));
    xclient_add(up, &line, MW_XCLIENT_PORT, "PORT", decimal(subject->client_port, number));
    if (subject->server_port != 0) {
        xclient_add(up, &line, MW_XCLIENT_DESTADDR, "DESTADDR",
                    xclient_address(&subject->server_address, address));
        xclient_add(up, &line, MW_XCLIENT_DESTPORT, "DESTPORT",
                    decimal(subject->server_port, number));
    }
    mw_buf_put(&line, MW_LIT("\r\n"));
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_XCLIENT, 0);
    mw_buf_fini(&line);
}

static void on_greeting(struct mw_session *session, const struct mw_reply *reply)
{
    if (session->settings->upstream->identity != MW_IDENTITY_XCLIENT || reply->code >= 300) {
        opened(session, reply);
        return;
    }
    struct mw_buf line = {0};
    mw_buf_putf(&line, "EHLO %.*s\r\n", (int)session->snapshot->hostname.len,
                session->snapshot->hostname.ptr);
    mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_OWN_EHLO, 0);
    mw_buf_fini(&line);
}

static void on_own_ehlo(struct mw_session *session, const struct mw_reply *reply)
{
    mw_ehlo_parse(reply, &session->up.ehlo);
    bool is_offered = reply->code == 250 && (session->up.ehlo.exts & MW_EXT_XCLIENT) != 0 &&
                      (session->up.ehlo.xclient_attrs & MW_XCLIENT_ADDR) != 0;
    if (is_offered) {
        send_xclient(session);
    } else if (session->settings->upstream->require_identity) {
        identity_failed(session, "XCLIENT with ADDR is not announced");
    } else {
        /* allowed by configuration: the client then gets a greeting that is not the first one's
         * words */
        struct mw_reply greeting = {
            .code = 220, .octets = MW_LIT("220 ESMTP\r\n"), .is_clean = true, .line_count = 1};
        opened(session, &greeting);
    }
}

static void on_xclient(struct mw_session *session, const struct mw_reply *reply)
{
    session->up.ehlo = (struct mw_ehlo){0};
    if (reply->code == 501 || reply->code == 502 || reply->code == 503 ||
        (reply->code == 550 && mw_slice_istarts(reply->text, MW_LIT("5.7.0")))) {
        /* our command was refused, not the client */
        identity_failed(session, "XCLIENT was refused");
        return;
    }
    opened(session, reply);
}

static void on_again_helo(struct mw_session *session, const struct mw_reply *reply)
{
    if (reply->code >= 300) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_AWAY, "refused our HELO on a new connection");
        return;
    }
    mw_ehlo_parse(reply, &session->up.ehlo);
    if (!session->is_esmtp)
        session->up.ehlo = (struct mw_ehlo){0};
    session->up.state = MW_UP_READY;
    session->up.has_replied_helo = true;
    session->upstream_deadline = 0;
    mw_commit_go_on(session);
}

/* ---- replies ---- */

/* A server that does not know PROXY takes the header for a command: its error comes where the reply
 * to HELO should be. */
static bool is_identity_refusal(const struct mw_session *session, const struct mw_reply *reply,
                                enum mw_verb verb)
{
    enum mw_identity identity = session->settings->upstream->identity;
    return (identity == MW_IDENTITY_PROXY_V1 || identity == MW_IDENTITY_PROXY_V2) &&
           session->settings->upstream->require_identity && !session->up.has_replied_helo &&
           (verb == MW_VERB_HELO || verb == MW_VERB_EHLO) &&
           (reply->code == 500 || reply->code == 502 || reply->code == 221);
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
    if (is_identity_refusal(session, reply, verb)) {
        identity_failed(session, "the PROXY header was not understood");
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
    switch ((enum mw_expect_kind)expect.kind) {
    case MW_EXPECT_GREETING:
        on_greeting(session, reply);
        break;
    case MW_EXPECT_OWN_EHLO:
        on_own_ehlo(session, reply);
        break;
    case MW_EXPECT_XCLIENT:
        on_xclient(session, reply);
        break;
    case MW_EXPECT_AGAIN_HELO:
        on_again_helo(session, reply);
        break;
    case MW_EXPECT_SLOT:
        on_slot(session, expect, reply);
        break;
    case MW_EXPECT_XFORWARD:
        break; /* for the upstream's log only: a refusal changes nothing */
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
        on_reply(session, &reply);
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

void mw_upstream_lost(struct mw_session *session, enum mw_reply_id reply, const char *why)
{
    if (session->is_over || session->up.state == MW_UP_DOWN)
        return;
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
    if (!session->has_greeted) {
        mw_report_reject_own(session, "connect",
                             reply == MW_REPLY_UPSTREAM_NONSENSE ? reply : MW_REPLY_UPSTREAM_NONE);
        mw_session_finish(session,
                          reply == MW_REPLY_UPSTREAM_NONSENSE ? reply : MW_REPLY_UPSTREAM_NONE,
                          MW_END_UPSTREAM);
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
                        session->state == MW_STATE_IN_BDAT);
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
        /* the commands at hand get a 4xx; the transaction is gone; the next command gets a new
         * connection */
        mw_cancel_stage(session);
        while (session->ring_count > 0)
            mw_exchange_answer_own(session, reply);
        if (is_being_judged)
            mw_answer_own(session, reply);
        mw_report_reject_own(session, "command", reply);
        if (session->state == MW_STATE_IN_AUTH)
            mw_enter_state(session, MW_STATE_READY, "upstream lost");
        mw_transaction_end(session, true);
        return;
    }
    /* between commands: as a direct server that went away, with a proper word */
    enum mw_reply_id last = was_opening ? MW_REPLY_UPSTREAM_NONE : MW_REPLY_UPSTREAM_LOST_END;
    if (reply == MW_REPLY_UPSTREAM_NONSENSE)
        last = reply;
    mw_report_reject_own(session, "command", last);
    mw_session_finish(session, last, MW_END_UPSTREAM);
}
