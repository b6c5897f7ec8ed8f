/* report.c - the log lines that users read: one a rejection, one a message, one a session. Keys and
 * order are fixed (the design's config.md); "who said no" is always by=. */
#include "chain/stage.h"
#include "session/session_priv.h"

#include <string.h>

enum {
    ID_MAX = 40,
    ID_TAIL_MAX = 11, /* "." and the message's number */
};

/* By hand: every line that users read has an id. */
struct mw_slice mw_report_id(const struct mw_session *session, char out_text[ID_MAX])
{
    struct mw_slice id = mw_slice_take(session->subject.session_id, ID_MAX - ID_TAIL_MAX);
    if (id.len > 0)
        memcpy(out_text, id.ptr, id.len);
    if (session->tx == NULL)
        return MW_SLICE(out_text, id.len);
    char digits[ID_TAIL_MAX];
    size_t first = sizeof digits;
    unsigned number = session->tx->number;
    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    digits[--first] = '.';
    memcpy(out_text + id.len, digits + first, sizeof digits - first);
    return MW_SLICE(out_text, id.len + sizeof digits - first);
}

/* The client as every line shows it. `address` must hold MW_INET_TEXT_MAX octets. */
static struct mw_log_field client_field(const struct mw_session *session, char *address)
{
    const struct mw_subject *subject = &session->subject;
    return mw_client("client", subject->client_name,
                     mw_inet_print(&subject->client_address, address), subject->client_port);
}

static struct mw_slice sender_of(const struct mw_session *session)
{
    return session->tx != NULL ? session->tx->envelope.sender.address : MW_EMPTY;
}

/* The recipient at hand, for a line about RCPT. */
static struct mw_slice rcpt_of(const struct mw_session *session, const char *stage)
{
    if (session->tx == NULL || stage[0] != 'r' ||
        session->rcpt_at_hand >= session->tx->envelope.rcpt_count)
        return MW_EMPTY;
    return session->tx->envelope.rcpts[session->rcpt_at_hand].mailbox.address;
}

/* `told`: what the client got instead of the code, 0 = the code. */
static void line_about(struct mw_session *session, enum mw_event_id event, const char *stage,
                       const struct mw_outcome *outcome, struct mw_slice to, uint16_t told)
{
    char id[40], address[MW_INET_TEXT_MAX];
    bool has_sender = session->tx != NULL && session->tx->envelope.has_sender;
    struct mw_log_field fields[13] = {
        mw_cstr("stage", stage),
        mw_text("by", outcome->by),
        mw_text("rule", outcome->rule),
        mw_uint("code", outcome->code),
        mw_text("dsn", outcome->dsn),
        client_field(session, address),
        has_sender ? mw_addr("from", sender_of(session)) : mw_text("from", MW_EMPTY),
        to.len > 0 ? mw_addr("to", to) : mw_text("to", MW_EMPTY),
        mw_text("text", outcome->text),
        mw_text("where", outcome->where),
    };
    size_t count = 10;
    if (outcome->reason.len > 0)
        fields[count++] = mw_text("reason", outcome->reason);
    if (told != 0)
        fields[count++] = mw_uint("told", told);
    mw_log_event(session->log, event, mw_report_id(session, id), fields, count);
}

static void refusal_line(struct mw_session *session, enum mw_event_id event, const char *stage,
                         const struct mw_outcome *outcome)
{
    line_about(session, event, stage, outcome, rcpt_of(session, stage), 0);
}

void mw_report_reject(struct mw_session *session, const char *stage,
                      const struct mw_outcome *outcome)
{
    if (outcome->verdict != MW_DISCARD) {
        refusal_line(session, MW_EV_REJECT, stage, outcome);
        return;
    }
    struct mw_outcome told = *outcome;
    told.code = 250; /* law 1: the one 250 that is not the upstream's is in the log */
    refusal_line(session, MW_EV_DISCARD, stage, &told);
}

void mw_report_rcpt(struct mw_session *session, const struct mw_rcpt_verdict *verdict,
                    struct mw_slice to, uint16_t told)
{
    struct mw_outcome outcome = verdict->outcome;
    bool is_discard = outcome.verdict == MW_DISCARD;
    if (is_discard)
        outcome.code = 250;
    line_about(session, is_discard ? MW_EV_DISCARD : MW_EV_REJECT, mw_stage_name(verdict->stage),
               &outcome, to, told);
}

void mw_report_reject_own(struct mw_session *session, const char *stage, enum mw_reply_id reply)
{
    struct mw_outcome outcome = {.by = MW_LIT("mailweir"),
                                 .code = mw_reply_own_code(reply),
                                 .dsn = mw_reply_own_dsn(reply),
                                 .text = mw_reply_own_text(reply)};
    refusal_line(session, MW_EV_REJECT, stage, &outcome);
}

void mw_report_reject_upstream(struct mw_session *session, const char *stage,
                               const struct mw_reply *reply)
{
    struct mw_outcome outcome = {.by = MW_LIT("upstream"),
                                 .code = reply->code,
                                 .dsn = mw_reply_dsn(reply->code, reply->text),
                                 .text = reply->text};
    refusal_line(session, MW_EV_REJECT, stage, &outcome);
}

void mw_report_forged(struct mw_session *session, size_t count)
{
    char id[40], address[MW_INET_TEXT_MAX];
    MW_LOG(session->log, mw_report_id(session, id), MW_EV_FORGED_RESULTS, mw_uint("fields", count),
           client_field(session, address), mw_text("helo", session->subject.helo),
           mw_addr("from", session->tx->envelope.sender.address));
}

void mw_report_no_room(struct mw_session *session)
{
    char id[40];
    MW_LOG(session->log, mw_report_id(session, id), MW_EV_EDIT_REFUSED,
           mw_cstr("edit", "auth-result"),
           mw_cstr("reason", "the header has no room for another field"));
}

/* Postfix's "2.0.0 Ok: queued as BEE4AA75756" and what others say in that place. */
static struct mw_slice queue_id(struct mw_slice text)
{
    const struct mw_slice mark = MW_LIT("queued as ");
    for (size_t i = 0; i + mark.len < text.len; i++)
        if (mw_lower(text.ptr[i]) == 'q' && mw_slice_istarts(mw_slice_skip(text, i), mark)) {
            struct mw_slice id = mw_slice_skip(text, i + mark.len);
            size_t len = 0;
            while (len < id.len && id.ptr[len] > ' ' && id.ptr[len] < 127 && id.ptr[len] != ';')
                len++;
            return mw_slice_take(id, len);
        }
    return MW_EMPTY;
}

void mw_report_message(struct mw_session *session, const char *verdict, uint16_t code,
                       struct mw_slice text)
{
    struct mw_transaction *tx = session->tx;
    if (tx == NULL || tx->was_logged)
        return;
    tx->was_logged = true;
    char id[40], address[MW_INET_TEXT_MAX], changes[64];
    const struct mw_subject *subject = &session->subject;
    struct mw_log_field fields[] = {
        mw_cstr("verdict", verdict),
        mw_uint("code", code),
        mw_text("dsn", mw_reply_dsn(code, text)),
        client_field(session, address),
        mw_text("helo", subject->helo),
        mw_text("proto", subject->protocol),
        mw_text("tls", mw_is_secure(session) ? mw_slice_cstr(subject->tls->version) : MW_EMPTY),
        mw_text("user", subject->auth_user),
        mw_addr("from", tx->envelope.sender.address),
        mw_ratio("nrcpt", tx->envelope.accepted, tx->envelope.rcpt_count),
        mw_uint("size", tx->size),
        mw_text("msgid", tx->message_id),
        mw_text("upstream", session->settings->upstream->name),
        mw_text("queued", queue_id(text)),
        mw_text("changed", session->ops->changes(session->user, changes)),
        mw_seconds("delay", session->now - tx->begun_ms),
        mw_seconds("weir", tx->filter_us / 1000),
        mw_uint("gen", session->snapshot->generation),
    };
    mw_log_event(session->log, MW_EV_MESSAGE, mw_report_id(session, id), fields,
                 sizeof fields / sizeof *fields);
}

const char *mw_session_end_word(enum mw_session_end end)
{
    static const char *const words[] = {
        [MW_END_NONE] = "open",
        [MW_END_QUIT] = "quit",
        [MW_END_CLIENT_CLOSED] = "client-closed",
        [MW_END_CLIENT_TIMEOUT] = "client-timeout",
        [MW_END_REFUSED] = "refused",
        [MW_END_ERRORS] = "errors",
        [MW_END_UPSTREAM] = "upstream",
        [MW_END_IDENTITY] = "identity",
        [MW_END_SHUTDOWN] = "shutdown",
    };
    return words[end];
}

void mw_session_log_end(struct mw_session *session, uint64_t now_ms)
{
    char address[MW_INET_TEXT_MAX];
    struct mw_log_field fields[] = {
        mw_cstr("end", mw_session_end_word((enum mw_session_end)session->end)),
        client_field(session, address),
        mw_seconds("time", now_ms - session->begun_ms),
        mw_ratio("messages", session->accepted + session->discarded, session->messages_tried),
        mw_ratio("rcpts", session->rcpts_accepted, session->rcpts_tried),
        mw_uint("commands", session->commands),
        mw_uint("errors", session->errors),
        mw_uint("in", session->octets_in),
        mw_uint("out", session->octets_out),
    };
    mw_log_event(session->log, MW_EV_SESSION, session->subject.session_id, fields,
                 sizeof fields / sizeof *fields);
}
