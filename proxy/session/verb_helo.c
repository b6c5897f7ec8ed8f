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
    session->subject.protocol = command.verb == MW_VERB_EHLO ? MW_LIT("ESMTP") : MW_LIT("SMTP");
}

static void helo_decided(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (outcome->verdict != MW_CONTINUE && outcome->verdict != MW_DISCARD) {
        mw_refuse(session, "helo", outcome);
        session->is_helo_refused = !session->has_helo;
        show_helo(session, &session->helo_line);
        return;
    }
    mw_forward(session, mw_buf_view(&session->helo_sent), 0);
}

void mw_verb_helo(struct mw_session *session)
{
    bool is_ehlo = session->command.verb == MW_VERB_EHLO;
    if (session->command.arg.len == 0) {
        mw_command_error(session, is_ehlo ? MW_REPLY_SYNTAX_EHLO : MW_REPLY_SYNTAX_HELO);
        return;
    }
    struct mw_buf *line = &session->helo_sent;
    line->len = 0;
    mw_buf_put(line, session->command.line);
    mw_buf_put(line, MW_LIT("\r\n"));
    show_helo(session, line);
    struct mw_call call = {.stage = MW_STAGE_HELO, .a = session->subject.helo};
    mw_run_stage_then(session, &call, helo_decided);
}

bool mw_reply_helo(struct mw_session *session, const struct mw_reply *reply, enum mw_verb verb)
{
    if (reply->code >= 300) {
        show_helo(session, &session->helo_line);
        return false;
    }
    session->up.has_tx = false; /* RFC 5321 4.1.4: as RSET */
    mw_transaction_end(session, true);
    session->has_helo = true;
    session->is_helo_refused = false;
    struct mw_buf accepted = session->helo_sent;
    session->helo_sent = session->helo_line;
    session->helo_line = accepted;
    mw_buf_fini(&session->helo_sent);
    session->is_esmtp = verb == MW_VERB_EHLO;
    mw_enter_state(session, MW_STATE_READY, "greeted");
    if (verb == MW_VERB_HELO) {
        session->up.ehlo = (struct mw_ehlo){0};
        session->shown = 0;
        return false;
    }
    const struct mw_listen_settings *settings = session->settings;
    mw_ehlo_parse(reply, &session->up.ehlo);
    struct mw_ehlo_policy policy = {
        .max_message_size = settings->max_message_size,
        .show_auth = settings->auth == MW_AUTH_ALWAYS,
        .show_chunking = (session->up.ehlo.exts & MW_EXT_CHUNKING) != 0 || session->wants_spool,
        .has_relay_extensions = settings->relay_extension_count > 0,
        .relay_extensions = settings->relay_extensions,
        .relay_extension_count = settings->relay_extension_count,
    };
    struct mw_buf text = {0};
    mw_ehlo_print(reply, &policy, &text, &session->shown);
    mw_exchange_answer(session, mw_buf_view(&text), false);
    mw_buf_fini(&text);
    return true;
}
