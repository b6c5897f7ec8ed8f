/* opening.c - the upstream from connecting until the client may talk to it.
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
 * relay. One that has to be secure and is not gets none either. */
#include "session/session_priv.h"

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
        const char *problem = mw_identity_problem(session);
        if (problem != NULL && settings->require_identity) {
            mw_identity_failed(session, problem);
            return;
        }
        if (problem == NULL && settings->identity == MW_IDENTITY_XCLIENT) {
            mw_identity_send_xclient(session);
            return;
        }
    }
    opened_at_last(session);
}

static void on_greeting(struct mw_session *session, const struct mw_reply *reply)
{
    bool negotiates = wants_starttls(session) ||
                      is_by_command(session->settings->upstream->identity);
    if (reply->code >= 300 || !negotiates) {
        opened(session, reply);
        if (negotiates && !session->is_over)
            mw_upstream_drop(session);
        return;
    }
    mw_buf_put(&session->up.first_words, reply->octets);
    go_on_opening(session);
}

static void on_own_ehlo(struct mw_session *session, const struct mw_reply *reply)
{
    if (!session->up.is_secure && mw_is_proxy_refusal(session, reply)) {
        mw_identity_failed(session, "the PROXY header was not understood");
        return;
    }
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
    bool is_strange = reply->code < 300 && reply->code != 220;
    if (is_strange || (reply->code >= 500 && reply->code <= 504) ||
        (reply->code == 550 && mw_slice_istarts(reply->text, MW_LIT("5.7.0")))) {
        /* our command was refused, not the client */
        mw_identity_failed(session, "XCLIENT was refused");
        return;
    }
    opened(session, reply);
    /* whether it took the identity and refuses the client, or took nothing: this connection may
     * still have our own rights. The next command gets a new one, and a new XCLIENT */
    if (reply->code >= 300 && !session->is_over)
        mw_upstream_drop(session);
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

void mw_opening_reply(struct mw_session *session, enum mw_expect_kind kind,
                      const struct mw_reply *reply)
{
    if (kind == MW_EXPECT_GREETING)
        on_greeting(session, reply);
    else if (kind == MW_EXPECT_OWN_EHLO)
        on_own_ehlo(session, reply);
    else if (kind == MW_EXPECT_STARTTLS)
        on_starttls(session, reply);
    else if (kind == MW_EXPECT_XCLIENT)
        on_xclient(session, reply);
    else
        on_again_helo(session, reply);
}
