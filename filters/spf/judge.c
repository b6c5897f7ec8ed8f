/* judge.c - the way of one message:
 *
 *   MAIL: skipped? -> nothing but a counter
 *         else lookups_begin() for sender, HELO, forwarder; nobody waits (judge rcpt)
 *   RCPT, DATA, END_OF_HEADERS: proceed() if all are done, else park(); lookups call ended(), which proceeds and resumes
 *   ABORT, the next MAIL: what still runs is cancelled;  CLOSE: everything is
 *
 * The transaction's memory points to lookups of the session; they are not dropped before the next MAIL. */
#include "judge.h"

#include "domain.h"
#include "facts.h"
#include "report.h"

/* ---- loading ---- */

void judge_open(struct spf *spf, struct mw_instance *instance)
{
    const struct settings *settings = &spf->settings;
    const struct mw_host *host = spf->host;
    bool has_received = settings->result_header == HEADER_RECEIVED_SPF ||
                        settings->result_header == HEADER_BOTH;
    bool may_quarantine = settings_may(settings, ACTION_QUARANTINE);
    uint32_t stages = MW_STAGE_BIT(MW_STAGE_MAIL) | MW_STAGE_BIT(MW_STAGE_ABORT) |
                      MW_STAGE_BIT(MW_STAGE_CLOSE);
    if (settings->judge_at == JUDGE_RCPT)
        stages |= MW_STAGE_BIT(MW_STAGE_RCPT);
    if (may_quarantine)
        stages |= MW_STAGE_BIT(MW_STAGE_DATA);
    if (has_received || may_quarantine || settings_may(settings, ACTION_TAG))
        stages |= MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS);
    host->want(instance, stages);
    spf->receiver = slice_of(host->authserv_id(instance));
    spf->client = client_open(host, instance);
    spf->helo = host->fact_id(instance, "helo");
    bool needs_name = settings->skip_names.count > 0 || settings->forwarder_domains.count > 0;
    spf->client_name = needs_name ? host->fact_id(instance, "client.name") : -1;
    report_open(spf, instance);
}

/* ---- memory ---- */

static struct mw_slice keep(struct mw_ctx *ctx, const struct spf *spf, struct mw_slice text)
{
    char *kept = spf->host->transaction_alloc(ctx, text.len + 1);
    if (text.len > 0)
        memcpy(kept, text.ptr, text.len);
    return SLICE(kept, text.len);
}

static struct transaction *transaction_of(struct mw_ctx *ctx, const struct spf *spf)
{
    return *spf->host->transaction_slot(ctx);
}

static void ended(void *user);

static struct session *session_of(struct mw_ctx *ctx, struct spf *spf)
{
    void **slot = spf->host->session_slot(ctx);
    struct session *session = *slot;
    if (session != NULL)
        return session;
    session = *slot = spf->host->session_alloc(ctx, sizeof *session);
    *session = (struct session){.spf = spf, .ctx = ctx};
    session->lookups = (struct lookups){.host = spf->host,
                                        .ctx = ctx,
                                        .setup = {.receiver = spf->receiver,
                                                  .locals = spf->settings.locals,
                                                  .local_count = spf->settings.local_count},
                                        .limit_ms = spf->settings.lookup_ms,
                                        .ended = ended,
                                        .user = session};
    return session;
}

/* ---- beginning ---- */

static void set_scene(struct mw_ctx *ctx, const struct spf *spf, struct transaction *transaction)
{
    struct mw_path_view from = {.size = sizeof from};
    const char *client = client_address(&spf->client, spf->host, ctx);
    spf->host->sender(ctx, &from);
    transaction->skip = client != NULL ? SKIP_NOT : SKIP_ADDRESS;
    if (client != NULL)
        memcpy(transaction->client, client, 16);
    transaction->is_null_sender = from.address.len == 0;
    transaction->scene = (struct scene){
        .client = transaction->client,
        .sender = keep(ctx, spf, from.address),
        .helo = keep(ctx, spf, fact_text(spf->host, ctx, spf->helo)),
        .receiver = spf->receiver,
        .is_utf8 = text_has_word(from.params, LIT("SMTPUTF8"))};
}

/* Nobody is asked anything about a client that is skipped. */
static enum skip skip_of(struct mw_ctx *ctx, const struct spf *spf,
                         const struct transaction *transaction)
{
    const struct settings *settings = &spf->settings;
    if (transaction->skip != SKIP_NOT)
        return transaction->skip;
    enum client_kind kind = client_kind(&spf->client, spf->host, ctx, &settings->skip);
    if (kind != CLIENT_STRANGER)
        return kind == CLIENT_OF_NETWORK ? SKIP_NETWORK : SKIP_AUTHENTICATED;
    if (domains_have(&settings->skip_helo, transaction->scene.helo))
        return SKIP_HELO;
    if (domains_have(&settings->skip_names, fact_text(spf->host, ctx, spf->client_name)))
        return SKIP_NAME;
    return networks_have(&settings->forwarders, transaction->client) ? SKIP_FORWARDER : SKIP_NOT;
}

static struct lookup *begin(struct session *session, struct transaction *transaction,
                            struct mw_slice sender, bool wants_explanation)
{
    bool is_known;
    const struct spf_sender who = {
        .address = transaction->client, .sender = sender, .helo = transaction->scene.helo};
    struct lookup *lookup = lookups_begin(&session->lookups, &who, wants_explanation, &is_known);
    report_count(session->ctx, session->spf, is_known ? TALLY_CACHE_HITS : TALLY_CHECKS, 1);
    if (!is_known)
        transaction->fresh[transaction->fresh_count++] = lookup;
    return lookup;
}

static struct mw_slice postmaster(struct session *session, struct mw_slice domain)
{
    size_t cap = domain.len + sizeof "postmaster@";
    struct builder text = {.ptr = session->spf->host->transaction_alloc(session->ctx, cap),
                           .cap = cap};
    builder_put(&text, LIT("postmaster@"));
    builder_put(&text, domain);
    return SLICE(text.ptr, text.len);
}

/* A sender as RFC 7208 sees it: the quotes that SMTP needs around an odd local part are none of it (RFC 5321 4.1.2). */
static struct mw_slice unquoted(struct session *session, struct mw_slice address)
{
    ptrdiff_t at = text_rfind(address, '@');
    if (at < 2 || address.ptr[0] != '"' || address.ptr[at - 1] != '"')
        return address;
    struct builder text = {.ptr = session->spf->host->transaction_alloc(session->ctx, address.len),
                           .cap = address.len};
    for (ptrdiff_t i = 1; i < at - 1; i++) {
        if (address.ptr[i] == '\\' && i + 1 < at - 1)
            i++;
        builder_put(&text, SLICE(address.ptr + i, 1));
    }
    builder_put(&text, text_skip(address, (size_t)at));
    return SLICE(text.ptr, text.len);
}

static void begin_checks(struct session *session, struct transaction *transaction)
{
    const struct settings *settings = &session->spf->settings;
    struct mw_slice helo_sender = postmaster(session, transaction->scene.helo);
    bool is_on = settings->explanation == EXPLANATION_ON;
    /* RFC 7208 2.4: the null sender is the postmaster of HELO */
    transaction->mailfrom = begin(
        session, transaction,
        transaction->is_null_sender ? helo_sender : unquoted(session, transaction->scene.sender),
        is_on);
    if (settings->helo_check != HELO_OFF && transaction->is_null_sender)
        transaction->helo = transaction->mailfrom;
    else if (settings->helo_check != HELO_OFF)
        transaction->helo = begin(session, transaction, helo_sender,
                                  is_on && settings->helo_check == HELO_REJECT);
    const struct domain *forwarder = domains_find(&settings->forwarder_domains,
                                                  transaction->scene.helo);
    if (forwarder == NULL)
        forwarder = domains_find(
            &settings->forwarder_domains,
            fact_text(session->spf->host, session->ctx, session->spf->client_name));
    if (forwarder == NULL)
        return;
    transaction->forwarder_domain = forwarder->name;
    transaction->forwarder = begin(session, transaction, postmaster(session, forwarder->name),
                                   false);
}

/* ---- the conclusion ---- */

static bool is_done(const struct lookup *lookup)
{
    return lookup == NULL || lookup_is_done(lookup);
}

static bool is_ready(const struct transaction *transaction)
{
    return is_done(transaction->mailfrom) && is_done(transaction->helo) &&
           is_done(transaction->forwarder);
}

static void add_finding(struct transaction *transaction, enum identity identity,
                        const struct lookup *lookup)
{
    if (lookup != NULL)
        transaction->findings[transaction->finding_count++] = (struct finding){
            .identity = identity,
            .is_null_sender = identity == IDENTITY_MAILFROM && transaction->is_null_sender,
            .verdict = *lookup_verdict(lookup)};
}

static struct decision decide(const struct settings *settings,
                              const struct transaction *transaction, bool would)
{
    struct decision decision = policy_decide(settings, transaction->findings,
                                             transaction->finding_count, would);
    if (transaction->forwarder == NULL)
        return decision;
    return policy_forwarded(decision, lookup_verdict(transaction->forwarder)->result);
}

static void count_fresh(struct mw_ctx *ctx, const struct spf *spf,
                        const struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->fresh_count; i++) {
        const struct lookup *lookup = transaction->fresh[i];
        report_count(ctx, spf, TALLY_QUESTIONS, lookup_verdict(lookup)->questions);
        report_count(ctx, spf, TALLY_LATE, lookup_was_late(lookup));
    }
}

static void conclude(struct mw_ctx *ctx, const struct spf *spf, struct transaction *transaction)
{
    if (transaction->is_concluded)
        return;
    transaction->is_concluded = true;
    add_finding(transaction, IDENTITY_MAILFROM, transaction->mailfrom);
    add_finding(transaction, IDENTITY_HELO, transaction->helo);
    transaction->decision = decide(&spf->settings, transaction, false);
    transaction->would = decide(&spf->settings, transaction, true);
    count_fresh(ctx, spf, transaction);
    report_concluded(ctx, spf, transaction);
}

/* ---- what the hooks answer ---- */

static enum mw_verdict refuse(struct mw_ctx *ctx, const struct spf *spf,
                              const struct transaction *transaction)
{
    const struct decision *decision = &transaction->decision;
    bool is_rejected = decision->action == ACTION_REJECT;
    char text[WORDS_REPLY_MAX], reason[WORDS_REASON_MAX], rule[40];
    struct reply reply = words_reply(&spf->settings, &transaction->scene, decision->finding,
                                     decision->action, text);
    enum mw_verdict verdict = action_refuse(spf->host, ctx, decision->action, &reply);
    spf->host->because(ctx, report_rule(decision->finding, rule), decision->where,
                       words_reason(decision->finding, reason));
    report_count(ctx, spf, is_rejected ? TALLY_REJECTED : TALLY_DEFERRED, 1);
    return verdict;
}

/* At rcpt (`rcpt` is the recipient) or mail. */
static enum mw_verdict judge(struct mw_ctx *ctx, const struct spf *spf,
                             struct transaction *transaction, const struct mw_path_view *rcpt)
{
    if (spf->host->is_explained(ctx))
        report_explain(ctx, spf, transaction);
    if (rcpt != NULL && recipients_have(&spf->settings.skip_recipients, rcpt)) {
        report_count(ctx, spf, TALLY_SKIPPED_RECIPIENT, 1);
        return MW_CONTINUE;
    }
    if (transaction->decision.action >= ACTION_DEFER)
        return refuse(ctx, spf, transaction);
    if (transaction->would.action >= ACTION_QUARANTINE &&
        transaction->would.action != transaction->decision.action && !transaction->has_told_would) {
        transaction->has_told_would = true;
        report_would(ctx, spf, transaction);
    }
    return MW_CONTINUE;
}

/* Mail that should have gone elsewhere must not be delivered where it was going. */
static enum mw_verdict quarantine(struct mw_ctx *ctx, struct spf *spf,
                                  struct transaction *transaction)
{
    char why[40];
    if (transaction->decision.action != ACTION_QUARANTINE)
        return MW_CONTINUE;
    if (!action_quarantine(spf->host, ctx, spf->settings.quarantine_address,
                           report_tag(transaction->decision.finding, why),
                           &spf->settings.skip_recipients))
        return MW_TEMPFAIL;
    transaction->is_quarantined = true;
    report_quarantined(ctx, spf, transaction);
    return MW_CONTINUE;
}

static void put_received(struct mw_ctx *ctx, const struct spf *spf,
                         const struct transaction *transaction)
{
    char value[WORDS_RECEIVED_MAX];
    for (size_t i = transaction->finding_count; i-- > 0;) {
        const struct finding *finding = &transaction->findings[i];
        bool is_twice = i > 0 && transaction->is_null_sender;
        if (!is_twice && policy_choice(&spf->settings, finding, false).action != ACTION_PASS)
            spf->host->header_insert(ctx, 0, LIT("Received-SPF"),
                                     words_received(&transaction->scene, finding, value));
    }
}

static enum mw_verdict put_headers(struct mw_ctx *ctx, const struct spf *spf,
                                   const struct transaction *transaction)
{
    char why[40];
    enum result_header header = spf->settings.result_header;
    if (transaction->is_quarantined)
        action_clean(spf->host, ctx);
    if (transaction->decision.action == ACTION_TAG) {
        action_tag(spf->host, ctx, report_tag(transaction->decision.finding, why));
        report_count(ctx, spf, TALLY_TAGGED, 1);
    }
    if (header == HEADER_RECEIVED_SPF || header == HEADER_BOTH)
        put_received(ctx, spf, transaction);
    return MW_CONTINUE;
}

static enum mw_verdict judge_rcpt(struct mw_ctx *ctx, struct spf *spf,
                                  struct transaction *transaction, size_t index)
{
    struct mw_path_view rcpt = {.size = sizeof rcpt};
    if (!spf->host->rcpt(ctx, index, &rcpt))
        return MW_CONTINUE;
    return judge(ctx, spf, transaction, &rcpt);
}

/* The checks are done: the answer of the stage. */
static enum mw_verdict proceed(struct session *session, struct transaction *transaction)
{
    struct mw_ctx *ctx = session->ctx;
    struct spf *spf = session->spf;
    conclude(ctx, spf, transaction);
    if (session->stage == MW_STAGE_MAIL)
        return judge(ctx, spf, transaction, NULL);
    if (session->stage == MW_STAGE_RCPT)
        return judge_rcpt(ctx, spf, transaction, session->rcpt);
    if (session->stage == MW_STAGE_DATA)
        return quarantine(ctx, spf, transaction);
    return put_headers(ctx, spf, transaction);
}

/* ---- waiting ---- */

static void cancelled(void *user)
{
    ((struct session *)user)->ticket = NULL;
}

static void ended(void *user)
{
    struct session *session = user;
    struct transaction *transaction = transaction_of(session->ctx, session->spf);
    if (session->ticket == NULL || transaction == NULL || !is_ready(transaction))
        return;
    struct mw_ticket *ticket = session->ticket;
    session->ticket = NULL;
    session->spf->host->resume(ticket, proceed(session, transaction));
}

static enum mw_verdict await(struct session *session, struct transaction *transaction,
                             enum mw_stage stage, size_t rcpt)
{
    session->stage = stage;
    session->rcpt = rcpt;
    if (is_ready(transaction))
        return proceed(session, transaction);
    session->ticket = session->spf->host->park(session->ctx, cancelled, session);
    return session->ticket != NULL ? MW_WAIT : MW_ERROR;
}

/* ---- hooks ---- */

enum mw_verdict judge_mail(struct mw_ctx *ctx, struct spf *spf)
{
    struct session *session = session_of(ctx, spf);
    struct transaction *transaction = spf->host->transaction_alloc(ctx, sizeof *transaction);
    *spf->host->transaction_slot(ctx) = transaction;
    lookups_release(&session->lookups);
    set_scene(ctx, spf, transaction);
    transaction->skip = skip_of(ctx, spf, transaction);
    if (transaction->skip != SKIP_NOT) {
        report_skip(ctx, spf, transaction);
        if (spf->host->is_explained(ctx))
            report_explain(ctx, spf, transaction);
        return MW_CONTINUE;
    }
    begin_checks(session, transaction);
    if (spf->settings.judge_at == JUDGE_MAIL)
        return await(session, transaction, MW_STAGE_MAIL, 0);
    return MW_CONTINUE;
}

enum mw_verdict judge_later(struct mw_ctx *ctx, struct spf *spf, enum mw_stage stage, size_t rcpt)
{
    struct transaction *transaction = transaction_of(ctx, spf);
    if (transaction == NULL || transaction->skip != SKIP_NOT)
        return MW_CONTINUE;
    return await(session_of(ctx, spf), transaction, stage, rcpt);
}

void judge_abort(struct mw_ctx *ctx, struct spf *spf)
{
    struct session *session = *spf->host->session_slot(ctx);
    if (session != NULL)
        lookups_release(&session->lookups);
}

void judge_close(struct mw_ctx *ctx, struct spf *spf)
{
    struct session *session = *spf->host->session_slot(ctx);
    if (session != NULL)
        lookups_end(&session->lookups);
}
