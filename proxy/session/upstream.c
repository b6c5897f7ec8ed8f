/* upstream.c - the other leg: opening it, telling it who the client is, taking its replies apart.
 *
 * Opening, step by step; each waits for its reply, because Postfix refuses pipelining around PROXY,
 * STARTTLS, XCLIENT and EHLO (go_on_opening):
 *   connected           the PROXY header was put in front by the owner; implicit TLS is done
 *   greeting            the client gets it, at the end of all this
 *   EHLO <our name>     where TLS or an identity has to be negotiated
 *   STARTTLS            handshake; what the upstream said before is forgotten; EHLO again
 *   XCLIENT             its reply is the client's greeting
 *   reopening           the client's accepted HELO line again, in silence
 * An upstream that does not take the identity it was configured for gets no session
 * (require-identity): every client would be the proxy's own address to it, and that is an open
 * relay. One that has to be secure and is not gets none either.
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

/* What is told about the client, of what is known; ADDR and PORT always. */
static void describe_client(const struct mw_session *session, struct mw_xclient *out)
{
    const struct mw_subject *subject = &session->subject;
    static const struct mw_inet unknown;
    bool has_address = memcmp(&subject->client_address, &unknown, sizeof unknown) != 0;
    *out = (struct mw_xclient){.address_state = has_address ? MW_X_GIVEN : MW_X_UNAVAILABLE,
                               .address = subject->client_address,
                               .port_state = has_address ? MW_X_GIVEN : MW_X_UNAVAILABLE,
                               .port = subject->client_port};
    out->name.state = subject->is_client_name_unknown ? MW_X_TEMPUNAVAIL : MW_X_UNAVAILABLE;
    if (subject->client_name.len > 0)
        out->name = (struct mw_xtext_value){.state = MW_X_GIVEN, .text = subject->client_name};
}

/* The identity goes by XFORWARD: it was configured so, or a trusted peer said so and the upstream
 * takes it. */
static bool is_identity_forwarded(const struct mw_session *session)
{
    return session->settings->upstream->identity == MW_IDENTITY_XFORWARD ||
           session->forwarded != NULL;
}

void mw_upstream_send_xforward(struct mw_session *session)
{
    const struct mw_upstream *up = &session->up;
    const struct mw_subject *subject = &session->subject;
    uint32_t attrs = up->ehlo.xforward_attrs | up->offers.xforward_attrs;
    struct mw_xclient values = {0};
    char id[40];
    if (attrs == 0 || ((up->ehlo.exts | up->offers.exts) & MW_EXT_PIPELINING) == 0)
        return;
    if (is_identity_forwarded(session)) {
        describe_client(session, &values);
        values.helo = (struct mw_xtext_value){
            .state = subject->helo.len > 0 ? MW_X_GIVEN : MW_X_UNAVAILABLE, .text = subject->helo};
        values.proto = (struct mw_xtext_value){
            .state = subject->protocol.len > 0 ? MW_X_GIVEN : MW_X_UNAVAILABLE,
            .text = subject->protocol};
        values.has_source = true;
        values.source = MW_X_SOURCE_REMOTE;
    }
    values.ident = (struct mw_xtext_value){.state = MW_X_GIVEN, .text = mw_report_id(session, id)};
    struct mw_buf line = {0};
    if (mw_xclient_print(&values, true, attrs, &line) == MW_OK)
        mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_XFORWARD,
                         session->settings->upstream->identity == MW_IDENTITY_XFORWARD);
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
    const struct mw_upstream_settings *settings = session->settings->upstream;
    /* it may have to wait for a free connection first (the owner bounds both parts by themselves)
     */
    session->upstream_deadline = session->now + settings->connect_timeout_ms +
                                 (settings->max_connections != 0 ? settings->queue_timeout_ms : 0);
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
    up->is_secure = up->is_securing = up->has_own_ehlo = false;
    up->ehlo = up->offers = (struct mw_ehlo){0};
    mw_buf_fini(&up->first_words);
    session->upstream_deadline = 0;
}

void mw_upstream_connected(struct mw_session *session)
{
    session->up.state = MW_UP_OPENING;
    session->upstream_deadline = session->now + session->settings->upstream->connect_timeout_ms;
    mw_expect_push(session, MW_EXPECT_GREETING, MW_VERB_UNKNOWN, 0);
}

/* After a reopening in silence: whoever waited for it goes on. */
static void ready_again(struct mw_session *session)
{
    session->up.state = MW_UP_READY;
    session->up.has_replied_helo = session->has_helo;
    session->upstream_deadline = 0;
    mw_own_banner_go_on(session);
    mw_commit_go_on(session);
}

/* Everything is negotiated; `reply` is what the upstream says to a client that begins. */
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
    ready_again(session);
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

/* ---- opening: TLS and identity ---- */

static void insecure(struct mw_session *session, const char *problem)
{
    MW_LOG(session->log, session->subject.session_id, MW_EV_UPSTREAM_FAILED,
           mw_text("upstream", session->settings->upstream->name), mw_cstr("problem", problem),
           mw_cstr("advice", "let the upstream offer STARTTLS with a certificate that we trust, or "
                             "set another tls in its block"));
    if (session->has_greeted) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_AWAY, problem);
        return;
    }
    mw_report_reject_own(session, "connect", MW_REPLY_UPSTREAM_INSECURE);
    mw_session_finish(session, MW_REPLY_UPSTREAM_INSECURE, MW_END_UPSTREAM);
}

/* HELO comes with the client's own; where an XCLIENT peer told it, and at a reopening, it is known.
 */
static void send_xclient(struct mw_session *session)
{
    const struct mw_subject *subject = &session->subject;
    struct mw_xclient values;
    struct mw_buf line = {0};
    describe_client(session, &values);
    values.reverse_name = values.name;
    if (subject->client_reverse_name.len > 0)
        values.reverse_name = (struct mw_xtext_value){.state = MW_X_GIVEN,
                                                      .text = subject->client_reverse_name};
    if (subject->helo.len > 0) {
        bool is_esmtp = !mw_slice_eq(subject->protocol, MW_LIT("SMTP"));
        values.helo = (struct mw_xtext_value){.state = MW_X_GIVEN, .text = subject->helo};
        values.proto = (struct mw_xtext_value){.state = MW_X_GIVEN,
                                               .text = is_esmtp ? MW_LIT("ESMTP") : MW_LIT("SMTP")};
    }
    if (session->has_conveyed_login)
        values.login = (struct mw_xtext_value){.state = MW_X_GIVEN, .text = subject->auth_user};
    if (subject->server_port != 0) {
        values.destination_state = values.destination_port_state = MW_X_GIVEN;
        values.destination = subject->server_address;
        values.destination_port = subject->server_port;
    }
    if (mw_xclient_print(&values, false, session->up.offers.xclient_attrs, &line) == MW_OK)
        mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_XCLIENT, 0);
    else
        identity_failed(session, "the client's identity does not fit into XCLIENT");
    mw_buf_fini(&line);
}

static bool wants_starttls(const struct mw_session *session)
{
    enum mw_upstream_tls tls = session->settings->upstream->tls;
    bool is_wanted = tls == MW_UPSTREAM_TLS_OPPORTUNISTIC || tls == MW_UPSTREAM_TLS_REQUIRED ||
                     tls == MW_UPSTREAM_TLS_VERIFIED;
    return is_wanted && !session->up.is_secure && !session->up.is_clear_agreed;
}

static bool is_by_command(enum mw_identity identity)
{
    return identity == MW_IDENTITY_XCLIENT || identity == MW_IDENTITY_XFORWARD;
}

/* STARTTLS, or not where that is allowed. False: the session is over or the connection dropped. */
static bool start_tls(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    if ((up->offers.exts & MW_EXT_STARTTLS) != 0) {
        mw_upstream_send(session, MW_LIT("STARTTLS\r\n"), MW_EXPECT_STARTTLS, 0);
        return false;
    }
    if (session->settings->upstream->tls != MW_UPSTREAM_TLS_OPPORTUNISTIC) {
        insecure(session, "STARTTLS is not announced");
        return false;
    }
    up->is_clear_agreed = true;
    return true;
}

/* What an upstream that takes identities by command has to announce; NULL: it does. */
static const char *identity_problem(const struct mw_session *session)
{
    const struct mw_ehlo *offers = &session->up.offers;
    if (session->settings->upstream->identity == MW_IDENTITY_XCLIENT)
        return (offers->exts & MW_EXT_XCLIENT) != 0 &&
                       (offers->xclient_attrs & MW_XCLIENT_ADDR) != 0
                   ? NULL
                   : "XCLIENT with ADDR is not announced";
    if ((offers->exts & MW_EXT_XFORWARD) == 0 || (offers->xforward_attrs & MW_XCLIENT_ADDR) == 0)
        return "XFORWARD with ADDR is not announced";
    return (offers->exts & MW_EXT_PIPELINING) != 0 ? NULL : "XFORWARD without PIPELINING";
}

static void opened_at_last(struct mw_session *session)
{
    struct mw_reply greeting;
    struct mw_buf words = session->up.first_words;
    size_t used;
    session->up.first_words = (struct mw_buf){0};
    if (mw_reply_parse(mw_buf_view(&words), &greeting, &used) == MW_OK)
        opened(session, &greeting);
    mw_buf_fini(&words);
}

/* The next step of the opening behind the greeting. */
static void go_on_opening(struct mw_session *session)
{
    const struct mw_upstream_settings *settings = session->settings->upstream;
    struct mw_upstream *up = &session->up;
    if (!up->has_own_ehlo && (wants_starttls(session) || is_by_command(settings->identity))) {
        struct mw_buf line = {0};
        mw_buf_putf(&line, "EHLO %.*s\r\n", (int)session->snapshot->hostname.len,
                    session->snapshot->hostname.ptr);
        mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_OWN_EHLO, 0);
        mw_buf_fini(&line);
        return;
    }
    if (wants_starttls(session) && !start_tls(session))
        return;
    if (is_by_command(settings->identity)) {
        const char *problem = identity_problem(session);
        if (problem != NULL && settings->require_identity) {
            identity_failed(session, problem);
            return;
        }
        if (problem == NULL && settings->identity == MW_IDENTITY_XCLIENT) {
            send_xclient(session);
            return;
        }
    }
    opened_at_last(session);
}

static void on_greeting(struct mw_session *session, const struct mw_reply *reply)
{
    if (reply->code >= 300 ||
        (!wants_starttls(session) && !is_by_command(session->settings->upstream->identity))) {
        opened(session, reply);
        return;
    }
    mw_buf_put(&session->up.first_words, reply->octets);
    go_on_opening(session);
}

static void on_own_ehlo(struct mw_session *session, const struct mw_reply *reply)
{
    session->up.has_own_ehlo = true;
    session->up.offers = (struct mw_ehlo){0};
    if (reply->code == 250)
        mw_ehlo_parse(reply, &session->up.offers);
    go_on_opening(session);
}

static void on_starttls(struct mw_session *session, const struct mw_reply *reply)
{
    if (reply->code == 220) {
        session->up.is_securing = true;
        session->ops->secure_upstream(session->user);
    } else if (session->settings->upstream->tls == MW_UPSTREAM_TLS_OPPORTUNISTIC) {
        session->up.is_clear_agreed = true;
        go_on_opening(session);
    } else {
        insecure(session, "STARTTLS was refused");
    }
}

void mw_upstream_secured(struct mw_session *session, const struct mw_tls_info *info)
{
    struct mw_upstream *up = &session->up;
    up->is_secure = info->is_secure;
    if (!up->is_securing)
        return; /* implicit: the greeting comes now */
    up->is_securing = up->has_own_ehlo = false;
    up->offers = (struct mw_ehlo){0};
    session->upstream_in.len = 0;
    go_on_opening(session);
}

static void on_xclient(struct mw_session *session, const struct mw_reply *reply)
{
    session->up.offers = (struct mw_ehlo){0};
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
    if (session->tx != NULL && session->tx->requires_tls &&
        (!session->up.is_secure || (session->up.ehlo.exts & MW_EXT_REQUIRETLS) == 0)) {
        mw_upstream_lost(session, MW_REPLY_UPSTREAM_AWAY, "the new connection has no REQUIRETLS");
        return;
    }
    if (mw_is_own_banner(session) && session->is_esmtp)
        session->ops->remember_ehlo(session->user, reply->octets);
    ready_again(session);
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
                          session->ring_count == 0 && !session->is_authenticated;
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
    switch ((enum mw_expect_kind)expect.kind) {
    case MW_EXPECT_GREETING:
        on_greeting(session, reply);
        break;
    case MW_EXPECT_OWN_EHLO:
        on_own_ehlo(session, reply);
        break;
    case MW_EXPECT_STARTTLS:
        on_starttls(session, reply);
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
        if (expect.index == 1 && reply->code >= 300 &&
            session->settings->upstream->require_identity)
            identity_failed(session, "XFORWARD was refused");
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
        session->ring_count == 0 && session->after_stage == NULL && !session->is_authenticated)
        return; /* alone again; nobody has to know */
    if (!session->has_greeted) {
        enum mw_reply_id last = MW_REPLY_UPSTREAM_NONE;
        if (reply == MW_REPLY_UPSTREAM_NONSENSE)
            last = reply;
        else if (has_lost_handshake)
            last = MW_REPLY_UPSTREAM_INSECURE;
        mw_report_reject_own(session, "connect", last);
        mw_session_finish(session, last, MW_END_UPSTREAM);
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
