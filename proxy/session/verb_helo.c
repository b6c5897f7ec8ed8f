/* verb_helo.c - HELO and EHLO: forwarded as the client wrote them; the EHLO reply is rewritten
 * (smtp/ehlo.h). A 2xx ends any transaction (RFC 5321 4.1.4) and is remembered, so that a reopened
 * upstream can be told the same. */
#include "session/session_priv.h"

/* What filters and the log see: the name of this line, or nothing before the first accepted one. */
static void show_helo(struct mw_session *session, const struct mw_buf *line)
{
    struct mw_command command;
    session->subject.helo = session->subject.protocol = MW_EMPTY;
    if (line->len < 2)
        return;
    mw_command_parse(MW_SLICE(line->ptr, line->len - 2), &command);
    session->subject.helo = command.arg;
    session->is_esmtp_said = command.verb == MW_VERB_EHLO;
    session->subject.protocol = mw_protocol(session);
}

struct mw_slice mw_protocol(const struct mw_session *session)
{
    bool is_secure = mw_is_secure(session);
    if (!session->is_esmtp_said)
        return MW_LIT("SMTP");
    if (session->is_authenticated || session->has_conveyed_login)
        return is_secure ? MW_LIT("ESMTPSA") : MW_LIT("ESMTPA");
    return is_secure ? MW_LIT("ESMTPS") : MW_LIT("ESMTP");
}

static void helo_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (!mw_outcome_passes(outcome)) {
        mw_refuse(session, "helo", outcome);
        session->is_helo_refused = !session->has_helo;
        show_helo(session, &session->helo_line);
        return;
    }
    if (!mw_own_banner_helo(session))
        mw_forward(session, mw_buf_view(&session->helo_sent), 0);
}

void mw_verb_helo(struct mw_session *session)
{
    bool is_ehlo = session->command.verb == MW_VERB_EHLO;
    if (session->command.arg.len == 0) {
        mw_command_error(session, is_ehlo ? MW_REPLY_SYNTAX_EHLO : MW_REPLY_SYNTAX_HELO);
        return;
    }
    mw_xforward_end(session); /* it was about the client that said the HELO before */
    struct mw_buf *line = &session->helo_sent;
    line->len = 0;
    mw_buf_put(line, session->command.line);
    mw_buf_put(line, MW_LIT("\r\n"));
    show_helo(session, line);
    struct mw_call call = {.stage = MW_STAGE_HELO, .a = session->subject.helo};
    mw_run_stage_then(session, &call, helo_decided);
}

/* The client's list, made of the upstream's. */
static void print_ehlo(struct mw_session *session, const struct mw_reply *reply, struct mw_buf *out)
{
    const struct mw_listen_settings *settings = session->settings;
    struct mw_ehlo ehlo;
    mw_ehlo_parse(reply, &ehlo);
    bool is_secure = mw_is_secure(session), is_trusted = mw_is_trusted(session);
    struct mw_ehlo_policy policy = {
        .max_message_size = settings->max_message_size,
        .hostname = mw_is_own_banner(session) ? session->snapshot->hostname : MW_EMPTY,
        .show_auth = settings->auth == MW_AUTH_ALWAYS ||
                     (settings->auth == MW_AUTH_TLS_ONLY && is_secure),
        .show_starttls = !is_secure && (settings->tls == MW_LISTEN_TLS_STARTTLS ||
                                        settings->tls == MW_LISTEN_TLS_REQUIRED),
        .show_requiretls = is_secure && session->up.is_secure,
        .show_xclient = settings->accept_xclient && is_trusted,
        .show_xforward = settings->accept_xforward && is_trusted,
        .show_prdr = settings->prdr && session->wants_spool,
        .show_chunking = (ehlo.exts & MW_EXT_CHUNKING) != 0 || session->wants_spool,
        .has_relay_extensions = settings->relay_extension_count > 0,
        .relay_extensions = settings->relay_extensions,
        .relay_extension_count = settings->relay_extension_count,
    };
    mw_ehlo_print(reply, &policy, out, &session->shown);
}

void mw_helo_accepted(struct mw_session *session, const struct mw_reply *reply, enum mw_verb verb)
{
    mw_transaction_end(session, true);
    session->has_helo = true;
    session->is_helo_refused = session->is_helo_wanted = false;
    struct mw_buf accepted = session->helo_sent;
    session->helo_sent = session->helo_line;
    session->helo_line = accepted;
    mw_buf_fini(&session->helo_sent);
    session->is_esmtp = verb == MW_VERB_EHLO;
    session->shown = 0;
    mw_enter_state(session, MW_STATE_READY, "greeted");
    if (verb == MW_VERB_HELO)
        return;
    struct mw_buf text = {0};
    print_ehlo(session, reply, &text);
    if (session->up.state == MW_UP_READY && session->ring_count > 0)
        mw_exchange_answer(session, mw_buf_view(&text), false);
    else
        mw_answer(session, mw_buf_view(&text)); /* own banner: there is nobody to ask */
    mw_buf_fini(&text);
}

bool mw_reply_helo(struct mw_session *session, const struct mw_reply *reply, enum mw_verb verb)
{
    if (reply->code >= 300) {
        show_helo(session, &session->helo_line);
        return false;
    }
    session->up.has_tx = false; /* RFC 5321 4.1.4: as RSET */
    session->up.ehlo = (struct mw_ehlo){0};
    if (verb == MW_VERB_EHLO) {
        mw_ehlo_parse(reply, &session->up.ehlo);
        if (mw_is_own_banner(session))
            session->ops->remember_ehlo(session->user, reply->octets);
    }
    mw_helo_accepted(session, reply, verb);
    return verb == MW_VERB_EHLO;
}
