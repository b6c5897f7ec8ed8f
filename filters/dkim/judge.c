/* judge.c - see judge.h. The way of one message:
 *
 *   END_OF_HEADERS   skipped? no signature? else dkim_check_new(): the header is hashed; host->query() for each key, nobody waits
 *   BODY             hashed, piece by piece; SKIP where nothing needs it
 *   END_OF_MESSAGE   conclude() if all answers are there, else park(); the last answer, or the timer, concludes and resumes
 *   EDITED           signatures that passed, over the message as it leaves
 *   ABORT, CLOSE, the next END_OF_HEADERS: release()
 *
 * Answers come to the session, never to the transaction's memory: a transaction may end without a word to us. */
#include "judge.h"

#include <stdlib.h>
#include <time.h>

#include <mailweir/content.h>

#include "key_cache.h"
#include "memory.h"
#include "report.h"

/* ---- loading ---- */

void judge_open(struct dkim *dkim, struct mw_instance *instance)
{
    const struct mw_host *host = dkim->host;
    uint32_t stages = MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY) |
                      MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE) | MW_STAGE_BIT(MW_STAGE_ABORT) |
                      MW_STAGE_BIT(MW_STAGE_CLOSE);
    if (dkim->settings.protect != PROTECT_OFF)
        stages |= MW_STAGE_BIT(MW_STAGE_EDITED);
    host->want(instance, stages);
    dkim->client = client_open(host, instance);
    dkim->keys = key_cache_new();
    report_open(dkim, instance);
}

void judge_close(struct dkim *dkim)
{
    key_cache_free(&dkim->keys);
}

/* ---- memory ---- */

static struct session *session_of(struct mw_ctx *ctx, struct dkim *dkim)
{
    void **slot = dkim->host->session_slot(ctx);
    if (*slot == NULL) {
        struct session *session = dkim->host->session_alloc(ctx, sizeof *session);
        size_t max = dkim->settings.setup.signatures_max;
        *session = (struct session){.dkim = dkim, .ctx = ctx};
        session->askings = dkim->host->session_alloc(ctx, max * sizeof *session->askings);
        *slot = session;
    }
    return *slot;
}

static struct message *message_of(struct mw_ctx *ctx, const struct dkim *dkim)
{
    return *dkim->host->transaction_slot(ctx);
}

static void stop_asking(struct session *session)
{
    const struct mw_host *host = session->dkim->host;
    for (size_t i = 0; i < session->dkim->settings.setup.signatures_max; i++) {
        if (session->askings[i].question != NULL)
            host->dns_cancel(session->askings[i].question);
        session->askings[i].question = NULL;
    }
    session->waiting = 0;
    if (session->timer != NULL)
        host->timer_cancel(session->timer);
    session->timer = NULL;
}

static void release(struct session *session)
{
    stop_asking(session);
    session->ticket = NULL; /* the host has ended it, if there was one */
    dkim_check_free(&session->check);
}

void judge_release(struct mw_ctx *ctx, struct dkim *dkim)
{
    struct session *session = *dkim->host->session_slot(ctx);
    if (session != NULL)
        release(session);
}

/* ---- who is not looked at ---- */

static bool is_skipped(struct mw_ctx *ctx, const struct dkim *dkim)
{
    enum client_kind kind = client_kind(&dkim->client, dkim->host, ctx, &dkim->settings.skip);
    if (kind == CLIENT_STRANGER)
        return false;
    report_skip(ctx, dkim,
                kind == CLIENT_OF_NETWORK ? TALLY_SKIPPED_NETWORK : TALLY_SKIPPED_AUTHENTICATED);
    return true;
}

static struct message *message_new(struct mw_ctx *ctx, const struct dkim *dkim)
{
    struct mw_path_view from = {.size = sizeof from};
    struct message *message = dkim->host->transaction_alloc(ctx, sizeof *message);
    message->is_utf8 = dkim->host->sender(ctx, &from) &&
                       text_has_word(from.params, LIT("SMTPUTF8"));
    message->is_skipped = is_skipped(ctx, dkim);
    *dkim->host->transaction_slot(ctx) = message;
    return message;
}

/* ---- the header as it came, and as it is ---- */

struct header {
    struct field *fields; /* heap */
    size_t count;
};

/* Name and value are views of one field as it stands on the wire: what is between them is blanks (RFC 5322 4.5) and the
 * colon, and the simple form has them. */
static struct field field_of(const struct mw_header_view *view)
{
    const char *end = view->name.ptr + view->name.len;
    size_t gap = 0;
    while (end[gap] == ' ' || end[gap] == '\t')
        gap++;
    return (struct field){.name = view->name,
                          .gap = end[gap] == ':' ? SLICE(end, gap + 1) : LIT(":"),
                          .value = view->value};
}

/* `as_it_came`: without the fields of filters before us. */
static struct header read_header(struct mw_ctx *ctx, const struct dkim *dkim, bool as_it_came)
{
    size_t count = dkim->host->header_count(ctx);
    struct header header = {.fields = memory_new(count + 1, sizeof *header.fields)};
    for (size_t i = 0; i < count; i++) {
        struct mw_header_view view = {.size = sizeof view};
        if (dkim->host->header(ctx, i, &view) && !(as_it_came && view.is_added))
            header.fields[header.count++] = field_of(&view);
    }
    return header;
}

/* The domain of the first author, in normal form; empty: there is none. */
static struct mw_slice author_of(struct mw_ctx *ctx, const struct dkim *dkim,
                                 const struct header *header, char room[DOMAIN_MAX + 1])
{
    struct memory memory = {dkim->host, ctx};
    for (size_t i = 0; i < header->count; i++) {
        const struct mw_address *const *addresses;
        if (!text_ieq(header->fields[i].name, LIT("From")))
            continue;
        size_t count = dkim->host->header_addresses(header->fields[i].value, memory_of_transaction,
                                                    &memory, &addresses);
        for (size_t j = 0; j < count; j++) /* not the "Smith" of "Smith, John <j@example.net>" */
            if (addresses[j]->domain.len > 0)
                return SLICE(room, domain_normalize(addresses[j]->domain, room));
        return EMPTY;
    }
    return EMPTY;
}

/* ---- END_OF_HEADERS: the check begins ---- */

static void answered(void *user, const struct mw_dns_answer *answer);

static void ask(struct session *session, size_t index)
{
    struct dkim *dkim = session->dkim;
    struct mw_slice name = dkim_check_question(session->check, index);
    struct asking *asking = &session->askings[index];
    if (name.len == 0)
        return;
    asking->session = session;
    asking->question = dkim->host->query(session->ctx, name, MW_DNS_STRINGS, answered, asking);
    if (asking->question != NULL)
        session->waiting++;
    else
        dkim_check_answer(session->check, index, NULL);
}

static uint64_t unix_time(void)
{
    return (uint64_t)time(NULL);
}

enum mw_verdict judge_headers(struct mw_ctx *ctx, struct dkim *dkim)
{
    struct session *session = session_of(ctx, dkim);
    char room[DOMAIN_MAX + 1];
    release(session);
    if (message_new(ctx, dkim)->is_skipped ||
        dkim->host->header_find(ctx, LIT("DKIM-Signature"), 0) < 0)
        return MW_CONTINUE;
    struct dkim_setup setup = dkim->settings.setup;
    struct header header = read_header(ctx, dkim, true);
    setup.now_s = unix_time();
    setup.keys = dkim->keys;
    session->asked_ms = dkim->host->now_ms(ctx);
    session->check = dkim_check_new(&setup, header.fields, header.count,
                                    author_of(ctx, dkim, &header, room));
    free(header.fields);
    for (size_t i = 0; session->check != NULL && i < dkim_check_count(session->check); i++)
        ask(session, i);
    return MW_CONTINUE;
}

/* ---- BODY ---- */

enum mw_verdict judge_body(struct mw_ctx *ctx, struct dkim *dkim, struct mw_slice octets)
{
    struct session *session = session_of(ctx, dkim);
    if (message_of(ctx, dkim) == NULL || session->check == NULL ||
        !dkim_check_wants_body(session->check))
        return MW_SKIP;
    dkim_check_feed(session->check, octets);
    return MW_CONTINUE;
}

/* ---- END_OF_MESSAGE: everything is there, or is waited for ---- */

static enum mw_verdict refuse(struct mw_ctx *ctx, const struct dkim *dkim,
                              const struct decision *decision)
{
    char text[POLICY_TEXT_MAX];
    bool is_reject = decision->action == ACTION_REJECT;
    struct reply reply = policy_reply(decision, decision->action, text);
    enum mw_verdict verdict = action_refuse(dkim->host, ctx, decision->action, &reply);
    dkim->host->because(
        ctx, slice_of(dkim_result_name(decision->result)), decision->where,
        slice_of(decision->verdict.problem == NULL ? "" : decision->verdict.problem));
    report_count(ctx, dkim, is_reject ? TALLY_REJECTED : TALLY_DEFERRED, 1);
    return verdict;
}

static enum mw_verdict act(struct mw_ctx *ctx, const struct dkim *dkim,
                           const struct decision *decision)
{
    char why[40];
    struct builder text = {.ptr = why, .cap = sizeof why};
    if (decision->action >= ACTION_DEFER)
        return refuse(ctx, dkim, decision);
    builder_putf(&text, "dkim=%s", dkim_result_name(decision->result));
    if (!action_edit(dkim->host, ctx, decision->action, dkim->settings.quarantine_address,
                     SLICE(text.ptr, text.len)))
        return MW_ERROR; /* it may not go to where it was addressed */
    if (decision->action == ACTION_TAG)
        report_count(ctx, dkim, TALLY_TAGGED, 1);
    if (decision->action == ACTION_QUARANTINE)
        report_quarantined(ctx, dkim, decision);
    return MW_CONTINUE;
}

static enum mw_verdict conclude(struct session *session)
{
    struct dkim *dkim = session->dkim;
    struct mw_ctx *ctx = session->ctx;
    stop_asking(session);
    message_of(ctx, dkim)->is_concluded = true;
    if (session->check != NULL)
        dkim_check_end(session->check);
    struct decision decision = policy_decide(&dkim->settings, session->check);
    report_concluded(ctx, dkim, message_of(ctx, dkim), session->check, &decision);
    enum mw_verdict verdict = act(ctx, dkim, &decision);
    if (decision.result != DKIM_PASS || dkim->settings.protect == PROTECT_OFF)
        dkim_check_free(&session->check);
    return verdict;
}

/* The last thing: what is behind resume() may be the end of the session. */
static void conclude_later(struct session *session)
{
    struct mw_ticket *ticket = session->ticket;
    session->ticket = NULL;
    enum mw_verdict verdict = conclude(session);
    session->dkim->host->resume(ticket, verdict);
}

static void answered(void *user, const struct mw_dns_answer *answer)
{
    struct asking *asking = user;
    struct session *session = asking->session;
    asking->question = NULL;
    session->waiting--;
    dkim_check_answer(session->check, (size_t)(asking - session->askings), answer);
    if (session->waiting == 0 && session->ticket != NULL)
        conclude_later(session);
}

static void late(void *user)
{
    struct session *session = user;
    session->timer = NULL;
    message_of(session->ctx, session->dkim)->is_late = true;
    conclude_later(session);
}

/* The client has gone, or `deadline` was shorter than lookup-time. */
static void cancelled(void *user)
{
    release(user);
}

static uint64_t time_left(const struct session *session)
{
    uint64_t spent = session->dkim->host->now_ms(session->ctx) - session->asked_ms;
    return spent < session->dkim->settings.lookup_ms ? session->dkim->settings.lookup_ms - spent
                                                     : 1;
}

enum mw_verdict judge_message(struct mw_ctx *ctx, struct dkim *dkim)
{
    struct session *session = session_of(ctx, dkim);
    const struct message *message = message_of(ctx, dkim);
    if (message == NULL || message->is_skipped)
        return MW_CONTINUE;
    if (session->waiting > 0)
        session->ticket = dkim->host->park(ctx, cancelled, session);
    if (session->ticket == NULL)
        return conclude(session);
    session->timer = dkim->host->timer(ctx, time_left(session), late, session);
    return MW_WAIT;
}

/* ---- EDITED ---- */

static size_t check_again(struct mw_ctx *ctx, struct dkim *dkim, const struct dkim_check *check)
{
    size_t passing[DKIM_SIGNATURES_MAX], broken = 0,
                                         count = dkim_check_having(check, DKIM_PASS, passing);
    struct header header = read_header(ctx, dkim, false);
    bool is_replaced = dkim->host->body_is_replaced(ctx) != 0;
    struct mw_slice body = is_replaced ? dkim->host->body_view(ctx, SIZE_MAX) : EMPTY;
    for (size_t i = 0; i < count; i++) {
        struct mw_slice name;
        enum dkim_part part = dkim_check_again(check, passing[i], header.fields, header.count,
                                               is_replaced ? &body : NULL, &name);
        if (part == DKIM_PART_NONE)
            continue;
        report_broken(ctx, dkim, dkim_check_verdict(check, passing[i]), part, name);
        broken++;
    }
    free(header.fields);
    return broken;
}

/* Temporary: it is not the sender who can mend it, and the mail is not lost while somebody here does. */
static enum mw_verdict refuse_broken(struct mw_ctx *ctx, const struct dkim *dkim)
{
    dkim->host->reply(
        ctx, 451, LIT("4.3.0"),
        LIT("Local processing would break the message's DKIM signature; try again later"));
    dkim->host->because(ctx, LIT("protect-dkim"), dkim->settings.protect_where,
                        LIT("an edit breaks a signature: see dkim-broken"));
    return MW_TEMPFAIL;
}

enum mw_verdict judge_edited(struct mw_ctx *ctx, struct dkim *dkim)
{
    struct session *session = session_of(ctx, dkim);
    const struct message *message = message_of(ctx, dkim);
    if (message == NULL || session->check == NULL)
        return MW_CONTINUE;
    if (!message
             ->is_concluded) { /* a filter before us accepted the message: nobody wants to know */
        release(session);
        return MW_CONTINUE;
    }
    size_t broken = check_again(ctx, dkim, session->check);
    dkim_check_free(&session->check);
    return broken > 0 && dkim->settings.protect == PROTECT_ON ? refuse_broken(ctx, dkim)
                                                              : MW_CONTINUE;
}
