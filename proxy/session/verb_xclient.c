/* verb_xclient.c - XCLIENT and XFORWARD from trusted peers: who the client really is.
 *
 * XCLIENT (Postfix's XCLIENT_README) makes another client of this connection: the session begins
 * anew (restart.c). Whether the peer may say so is judged by the address that is in force, as
 * Postfix does: after ADDR was changed to a stranger's, a second XCLIENT is refused.
 * XFORWARD (XFORWARD_README) lends the client's attributes to one transaction: filters and log see
 * them, and the upstream gets them before MAIL. The connect and HELO stages run for the lent client
 * when MAIL comes; what they refuse is the reply to MAIL.
 * Both are answered here and never forwarded with our privilege. */
#include "session/session_priv.h"

#include <stdlib.h>

enum {
    XCLIENTS_MAX = 100, /* of one connection: each opens filters and upstream anew */
    XFORWARDS_MAX = 64, /* of one transaction; its attributes need one or two */
};

bool mw_is_trusted(const struct mw_session *session)
{
    const struct mw_listen_settings *settings = session->settings;
    const struct mw_inet *address = session->forwarded != NULL ? &session->forwarded->address
                                                               : &session->subject.client_address;
    return mw_networks_contain(settings->trust, settings->trust_count, address);
}

static void refuse_syntax(struct mw_session *session, struct mw_slice problem)
{
    struct mw_outcome outcome = {.verdict = MW_REJECT,
                                 .by = MW_LIT("mailweir"),
                                 .code = 501,
                                 .dsn = MW_LIT("5.5.4"),
                                 .text = problem};
    mw_refuse(session, "command", &outcome);
    if (!mw_count_error(session))
        mw_session_finish(session, MW_REPLY_TOO_MANY_ERRORS, MW_END_ERRORS);
}

/* Read the command's attributes; false: refused, and answered. `storage` is the caller's to free.
 */
static bool take_attributes(struct mw_session *session, bool is_allowed, bool is_forward,
                            struct mw_buf *storage, struct mw_xclient *out_values)
{
    struct mw_slice problem;
    if (!is_allowed || !mw_is_trusted(session)) {
        mw_command_error(session, MW_REPLY_DENIED);
        return false;
    }
    if (session->tx != NULL) {
        mw_command_error(session, MW_REPLY_SEQUENCE_AUTH);
        return false;
    }
    if (mw_xclient_parse(session->command.arg, is_forward, storage, out_values, &problem) == MW_OK)
        return true;
    refuse_syntax(session, problem);
    return false;
}

/* A text of the subject: as given, forgotten where it is not available, as it was where absent. */
static void take_text(struct mw_arena *arena, const struct mw_xtext_value *value,
                      struct mw_slice *to)
{
    if (value->state == MW_X_GIVEN)
        *to = mw_arena_dup(arena, value->text);
    else if (value->state != MW_X_ABSENT)
        *to = MW_EMPTY;
}

static void take_name(struct mw_subject *subject, struct mw_arena *arena,
                      const struct mw_xclient *values)
{
    /* another address without a name: the old one is not its name */
    if (values->name.state == MW_X_ABSENT && values->address_state != MW_X_ABSENT) {
        subject->client_name = MW_EMPTY;
        subject->is_client_name_unknown = false;
    }
    if (values->name.state != MW_X_ABSENT || values->address_state != MW_X_ABSENT)
        subject->client_reverse_name = MW_EMPTY;
    take_text(arena, &values->name, &subject->client_name);
    if (values->name.state != MW_X_ABSENT)
        subject->is_client_name_unknown = values->name.state == MW_X_TEMPUNAVAIL;
}

static void take_address(struct mw_subject *subject, const struct mw_xclient *values)
{
    if (values->address_state == MW_X_GIVEN)
        subject->client_address = values->address;
    else if (values->address_state != MW_X_ABSENT)
        subject->client_address = (struct mw_inet){0};
    if (values->port_state != MW_X_ABSENT)
        subject->client_port = values->port_state == MW_X_GIVEN ? values->port : 0;
}

/* ---- XCLIENT ---- */

static void apply_xclient(struct mw_session *session, const struct mw_xclient *values)
{
    struct mw_subject *subject = &session->subject;
    take_address(subject, values);
    take_name(subject, &session->arena, values);
    take_text(&session->arena, &values->reverse_name, &subject->client_reverse_name);
    if (values->destination_state == MW_X_GIVEN)
        subject->server_address = values->destination;
    if (values->destination_port_state == MW_X_GIVEN)
        subject->server_port = values->destination_port;
    subject->helo = subject->protocol = MW_EMPTY;
    take_text(&session->arena, &values->helo, &subject->helo);
    take_text(&session->arena, &values->proto, &subject->protocol);
    /* as Postfix: without LOGIN the new client has none. It is not the one that authenticated here,
     * nor the one that an earlier XCLIENT told of */
    subject->auth_user = subject->auth_mechanism = MW_EMPTY;
    take_text(&session->arena, &values->login, &subject->auth_user);
    if (subject->auth_user.len > 0)
        subject->auth_mechanism = MW_LIT("XCLIENT");
    session->has_conveyed_login = subject->auth_user.len > 0;
}

void mw_verb_xclient(struct mw_session *session)
{
    struct mw_xclient values;
    struct mw_buf storage = {0};
    if (take_attributes(session, session->settings->accept_xclient, false, &storage, &values)) {
        if (++session->xclients > XCLIENTS_MAX) {
            mw_command_error(session, MW_REPLY_DENIED);
        } else if (session->input.len > 0) {
            /* who would say what stands behind it? Postfix refuses pipelining here, too */
            mw_report_reject_own(session, "command", MW_REPLY_PIPELINED_SYNC);
            mw_session_finish(session, MW_REPLY_PIPELINED_SYNC, MW_END_ERRORS);
        } else {
            mw_xforward_end(session);
            apply_xclient(session, &values);
            mw_forget_command(session);
            mw_session_restart(session);
        }
    }
    mw_buf_fini(&storage);
}

/* ---- XFORWARD ---- */

static void keep_own_client(struct mw_session *session)
{
    const struct mw_subject *subject = &session->subject;
    struct mw_own_client *own = mw_xcalloc(1, sizeof *own);
    *own = (struct mw_own_client){.address = subject->client_address,
                                  .port = subject->client_port,
                                  .name = subject->client_name,
                                  .reverse_name = subject->client_reverse_name,
                                  .helo = subject->helo,
                                  .protocol = subject->protocol,
                                  .is_name_unknown = subject->is_client_name_unknown};
    session->forwarded = own;
}

void mw_xforward_end(struct mw_session *session)
{
    struct mw_own_client *own = session->forwarded;
    struct mw_subject *subject = &session->subject;
    if (own == NULL)
        return;
    session->forwarded = NULL;
    subject->client_address = own->address;
    subject->client_port = own->port;
    subject->client_name = own->name;
    subject->client_reverse_name = own->reverse_name;
    subject->helo = own->helo;
    subject->protocol = own->protocol;
    subject->is_client_name_unknown = own->is_name_unknown;
    mw_arena_fini(&own->arena);
    free(own);
}

/* The first XFORWARD of a transaction sets what is not given to unknown, further ones add. */
static void apply_xforward(struct mw_session *session, const struct mw_xclient *values)
{
    struct mw_subject *subject = &session->subject;
    if (session->forwarded == NULL) {
        keep_own_client(session);
        subject->client_address = (struct mw_inet){0};
        subject->client_port = 0;
        subject->client_name = subject->helo = subject->protocol = MW_EMPTY;
        subject->is_client_name_unknown = false;
    }
    take_address(subject, values);
    take_name(subject, &session->forwarded->arena, values);
    take_text(&session->forwarded->arena, &values->helo, &subject->helo);
    take_text(&session->forwarded->arena, &values->proto, &subject->protocol);
    if (values->has_source)
        session->forwarded->source = (uint8_t)values->source;
}

bool mw_must_judge_client(const struct mw_session *session)
{
    return session->forwarded != NULL ? !session->forwarded->is_judged : session->has_lent_filters;
}

static bool is_refused(struct mw_session *session, const char *stage,
                       const struct mw_outcome *outcome)
{
    if (mw_outcome_passes(outcome))
        return false;
    if (session->forwarded != NULL)
        session->forwarded->is_judged = false; /* the next MAIL is refused, too */
    else
        session->has_lent_filters = true;
    mw_refuse(session, stage, outcome);
    return true;
}

static void helo_judged(struct mw_session *session, const struct mw_outcome *outcome)
{
    mw_stage_fn *go_on = session->after_judging;
    if (!is_refused(session, "helo", outcome))
        go_on(session, outcome);
}

static void connect_judged(struct mw_session *session, const struct mw_outcome *outcome)
{
    if (is_refused(session, "connect", outcome))
        return;
    if (session->subject.helo.len == 0) {
        helo_judged(session, outcome);
        return;
    }
    struct mw_call call = {.stage = MW_STAGE_HELO, .a = session->subject.helo};
    mw_run_stage_then(session, &call, helo_judged);
}

/* A rule about the client alone was asked about the peer that forwards when that one connected. It
 * must neither let everybody pass because the peer is our own machine, nor overlook the client. */
void mw_judge_client(struct mw_session *session, mw_stage_fn *go_on)
{
    session->has_lent_filters = session->forwarded != NULL;
    if (session->forwarded != NULL)
        session->forwarded->is_judged = true;
    session->after_judging = go_on;
    session->ops->restart_filters(session->user);
    struct mw_call call = {.stage = MW_STAGE_CONNECT};
    mw_run_stage_then(session, &call, connect_judged);
}

void mw_verb_xforward(struct mw_session *session)
{
    struct mw_xclient values;
    struct mw_buf storage = {0};
    if (take_attributes(session, session->settings->accept_xforward, true, &storage, &values)) {
        if (session->forwarded != NULL && session->forwarded->commands >= XFORWARDS_MAX) {
            mw_command_error(session, MW_REPLY_SEQUENCE);
        } else {
            apply_xforward(session, &values);
            session->forwarded->commands++;
            mw_answer_own(session, MW_REPLY_OK);
        }
    }
    mw_buf_fini(&storage);
}
