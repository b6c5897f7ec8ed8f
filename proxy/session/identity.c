/* identity.c - telling the upstream who the client is (docs/identity.md): XCLIENT while opening,
 * XFORWARD before MAIL. The PROXY header is the owner's, in front of everything.
 *
 * What a client, its DNS or a trusted peer chose goes out as xtext (smtp/xclient.h): it can neither
 * end the line nor begin another attribute. */
#include "session/session_priv.h"

#include <string.h>

/* What is told about the client, of what is known; ADDR and PORT always. */
static void describe_client(const struct mw_session *session, struct mw_xclient *out)
{
    const struct mw_subject *subject = &session->subject;
    bool has_address = mw_inet_is_known(&subject->client_address);
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
        bool is_told = session->forwarded != NULL &&
                       session->forwarded->source != MW_X_SOURCE_UNKNOWN;
        values.has_source = true;
        values.source = MW_X_SOURCE_REMOTE;
        if (is_told && session->forwarded->source == MW_X_SOURCE_LOCAL)
            values.source = MW_X_SOURCE_LOCAL;
    }
    values.ident = (struct mw_xtext_value){.state = MW_X_GIVEN, .text = mw_report_id(session, id)};
    struct mw_buf line = {0};
    if (mw_xclient_print(&values, true, attrs, &line) == MW_OK)
        mw_upstream_send(session, mw_buf_view(&line), MW_EXPECT_XFORWARD,
                         session->settings->upstream->identity == MW_IDENTITY_XFORWARD);
    mw_buf_fini(&line);
}

void mw_identity_failed(struct mw_session *session, const char *problem)
{
    MW_LOG(session->log, session->subject.session_id, MW_EV_IDENTITY,
           mw_text("upstream", session->settings->upstream->name), mw_cstr("problem", problem),
           mw_cstr("advice",
                   "let the upstream take the client's identity from this host: "
                   "smtpd_authorized_xclient_hosts, smtpd_authorized_xforward_hosts or "
                   "smtpd_upstream_proxy_protocol; mailweir check --upstream shows which"));
    mw_session_finish(session, MW_REPLY_IDENTITY_REFUSED, MW_END_IDENTITY);
}

/* HELO comes with the client's own; where an XCLIENT peer told it, and at a reopening, it is known.
 */
void mw_identity_send_xclient(struct mw_session *session)
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
        mw_identity_failed(session, "the client's identity does not fit into XCLIENT");
    mw_buf_fini(&line);
}

/* What an upstream that takes identities by command has to announce; NULL: it does. */
const char *mw_identity_problem(const struct mw_session *session)
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
