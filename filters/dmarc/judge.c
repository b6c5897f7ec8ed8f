/* judge.c - see judge.h. In the order in which it happens. */
#include "judge.h"

#include <stdlib.h>

#include "act.h"
#include "facts.h"
#include "memory.h"
#include "report.h"

/* Filters are opened in the order of the chains: who has defined nothing by now is not in front of us in any that was read so far. */
static void warn_of_missing(const struct mw_host *host, struct mw_instance *instance)
{
    bool has_spf = host->fact_id(instance, "spf.result") >= 0;
    bool has_dkim = host->fact_id(instance, "dkim.result") >= 0;
    if (has_spf && has_dkim)
        return;
    const struct mw_diag diag = {
        .size = sizeof diag,
        .severity = MW_DIAG_WARNING,
        .message = has_spf    ? "no filter in front of this one checks DKIM signatures: what does "
                                "not pass by SPF cannot be judged, and is never a fail"
                   : has_dkim ? "no filter in front of this one checks SPF: what does not pass by "
                                "its DKIM signatures cannot be judged, and is never a fail"
                              : "no filter in front of this one checks SPF and DKIM signatures: "
                                "nothing can be judged, neither a pass nor a fail",
        .hint = "chain NAME { spf dkim dmarc }"};
    host->diag(instance, &diag);
}

void judge_open(struct dmarc *dmarc, struct mw_instance *instance)
{
    const struct mw_host *host = dmarc->host;
    warn_of_missing(host, instance);
    dmarc->instance = instance;
    dmarc->client = client_open(host, instance);
    report_open(dmarc, instance);
}

/* ---- a message's lookup ---- */

static struct lookup *lookup_of(struct mw_ctx *ctx, const struct dmarc *dmarc)
{
    return *dmarc->host->session_slot(ctx);
}

/* What is asked from now on has lookup-time from now on. */
static void give_time(struct lookup *lookup)
{
    const struct dmarc *dmarc = lookup->dmarc;
    lookup->until_ms = dmarc->host->now_ms(lookup->ctx) + dmarc->settings.lookup_ms;
}

static struct lookup *lookup_new(struct mw_ctx *ctx, struct dmarc *dmarc)
{
    struct lookup *lookup = memory_new(1, sizeof *lookup);
    lookup->ctx = ctx;
    lookup->dmarc = dmarc;
    give_time(lookup);
    *dmarc->host->session_slot(ctx) = lookup;
    return lookup;
}

static void cancel_question(struct lookup *lookup, struct answer *answer)
{
    lookup->dmarc->host->dns_cancel(answer->pending);
    answer->pending = NULL;
    lookup->pending--;
}

static void cancel_questions(struct lookup *lookup)
{
    for (size_t i = 0; i < lookup->answers.count && lookup->pending > 0; i++)
        if (lookup->answers.list[i].pending != NULL)
            cancel_question(lookup, &lookup->answers.list[i]);
}

void judge_release(struct mw_ctx *ctx, struct dmarc *dmarc)
{
    struct lookup *lookup = lookup_of(ctx, dmarc);
    if (lookup == NULL)
        return;
    cancel_questions(lookup);
    if (lookup->timer != NULL)
        dmarc->host->timer_cancel(lookup->timer);
    *dmarc->host->session_slot(ctx) = NULL;
    free(lookup);
}

/* ---- the header has come ---- */

static bool is_skipped(struct mw_ctx *ctx, const struct dmarc *dmarc)
{
    enum client_kind kind = client_kind(&dmarc->client, dmarc->host, ctx, &dmarc->settings.skip);
    if (kind == CLIENT_STRANGER)
        return false;
    report_count(ctx, dmarc,
                 kind == CLIENT_OF_NETWORK ? TALLY_SKIPPED_NETWORK : TALLY_SKIPPED_AUTHENTICATED,
                 1);
    return true;
}

static void read_authors(struct mw_ctx *ctx, const struct mw_host *host, struct authors *authors)
{
    struct memory memory = {.host = host, .ctx = ctx};
    struct mw_header_view field = {.size = sizeof field};
    const struct mw_address *const *addresses;
    /* one more than is read tells that there are too many */
    for (size_t i = 0; authors->fields <= AUTHOR_FIELDS_MAX && host->header(ctx, i, &field); i++) {
        if (!text_ieq(field.name, LIT("From"))) {
            authors_add_other(authors, field.value);
            continue;
        }
        size_t count = host->header_addresses(field.value, memory_of_transaction, &memory,
                                              &addresses);
        authors_add(authors, field.value, addresses, count);
    }
    authors_close(authors);
}

/* ---- questions ---- */

static void answered(void *user, const struct mw_dns_answer *dns);

static void ask_one(struct lookup *lookup, struct answer *answer)
{
    const struct mw_host *host = lookup->dmarc->host;
    answer->state = ANSWER_ASKED;
    answer->owner = lookup;
    answer->until_ms = lookup->until_ms;
    answer->pending = host->query(lookup->ctx, SLICE(answer->name, answer->name_len), answer->kind,
                                  answered, answer);
    report_count(lookup->ctx, lookup->dmarc, TALLY_QUESTIONS, 1);
    if (answer->pending != NULL)
        lookup->pending++;
    else
        answer->state = ANSWER_FAILED;
}

/* Ask what waits, while there is time; before the message has come nothing fails for want of it. True: something has failed at once, and so has
 * its answer. */
static bool ask(struct lookup *lookup)
{
    bool has_time = lookup->dmarc->host->now_ms(lookup->ctx) < lookup->until_ms, has_failed = false;
    if (!has_time && !lookup->has_identifiers)
        return false;
    for (size_t i = 0; i < lookup->answers.count; i++) {
        struct answer *answer = &lookup->answers.list[i];
        if (answer->state != ANSWER_WANTED)
            continue;
        if (has_time)
            ask_one(lookup, answer);
        else
            answer->state = ANSWER_FAILED;
        has_failed |= answer->state == ANSWER_FAILED;
    }
    return has_failed;
}

/* As far as the answers go. True: judged. */
static bool advance(struct lookup *lookup)
{
    const struct identifiers *identifiers = lookup->has_identifiers ? &lookup->identifiers : NULL;
    while (!align_judge(&lookup->answers, &lookup->authors, identifiers, &lookup->judgement))
        if (!ask(lookup))
            return false;
    return true;
}

/* What has had its time has failed. True: something has. */
static bool drop_late(struct lookup *lookup)
{
    const struct mw_host *host = lookup->dmarc->host;
    uint64_t now_ms = host->now_ms(lookup->ctx);
    bool has_failed = false;
    for (size_t i = 0; i < lookup->answers.count && lookup->pending > 0; i++) {
        struct answer *answer = &lookup->answers.list[i];
        if (answer->pending == NULL || answer->until_ms > now_ms)
            continue;
        cancel_question(lookup, answer);
        answer->state = ANSWER_FAILED;
        has_failed = true;
    }
    if (has_failed && !lookup->is_late)
        report_count(lookup->ctx, lookup->dmarc, TALLY_LATE, 1);
    lookup->is_late |= has_failed;
    return has_failed;
}

/* As far as the answers go that come in time. Ends, for the table of answers does. */
static bool advance_in_time(struct lookup *lookup)
{
    while (!advance(lookup))
        if (!drop_late(lookup))
            return false;
    return true;
}

enum mw_verdict judge_headers(struct mw_ctx *ctx, struct dmarc *dmarc)
{
    judge_release(ctx, dmarc); /* of a message that ended without a word to us */
    if (is_skipped(ctx, dmarc))
        return MW_CONTINUE;
    struct lookup *lookup = lookup_new(ctx, dmarc);
    read_authors(ctx, dmarc->host, &lookup->authors);
    advance(lookup);
    return MW_CONTINUE;
}

/* ---- the message has come ---- */

static void find_others(struct dmarc *dmarc)
{
    const struct mw_host *host = dmarc->host;
    if (dmarc->has_others)
        return;
    dmarc->has_others = true;
    dmarc->spf_result = host->fact_id(dmarc->instance, "spf.result");
    dmarc->spf_domain = host->fact_id(dmarc->instance, "spf.domain");
    dmarc->spf_identity = host->fact_id(dmarc->instance, "spf.identity");
    dmarc->dkim_result = host->fact_id(dmarc->instance, "dkim.result");
    dmarc->dkim_passed = host->fact_id(dmarc->instance, "dkim.passed");
    dmarc->dkim_domain = host->fact_id(dmarc->instance, "dkim.domain");
    dmarc->dkim_unsure = host->fact_id(dmarc->instance, "dkim.unsure");
}

/* From a forwarder nothing else is expected: `forwarders` of spf and of dmarc name the same hosts. */
static void see_silence(struct lookup *lookup, enum method method, int id)
{
    struct dmarc *dmarc = lookup->dmarc;
    const char *client = client_address(&dmarc->client, dmarc->host, lookup->ctx);
    lookup->is_silent[method] = true;
    if (dmarc->is_blind_told[method] ||
        (client != NULL && networks_have(&dmarc->settings.forwarders, client)))
        return;
    dmarc->is_blind_told[method] = true;
    report_blind(lookup->ctx, dmarc, method, id >= 0);
}

/* RFC 9989 4.4.2: of the identity MAIL FROM alone; that of the null sender is postmaster at HELO's name (RFC 7208 2.4). */
static struct mw_slice read_spf(struct lookup *lookup)
{
    struct dmarc *dmarc = lookup->dmarc;
    struct mw_ctx *ctx = lookup->ctx;
    struct mw_slice result = fact_text(dmarc->host, ctx, dmarc->spf_result);
    struct mw_slice identity = fact_text(dmarc->host, ctx, dmarc->spf_identity);
    struct mw_path_view sender = {.size = sizeof sender};
    bool is_null = dmarc->host->sender(ctx, &sender) && sender.original.len == 0;
    if (result.len == 0)
        see_silence(lookup, METHOD_SPF, dmarc->spf_result);
    if (text_is(identity, "helo") && !is_null)
        return EMPTY;
    bool is_open = text_is(result, "temperror");
    if (is_open || text_is(result, "pass"))
        identifiers_add(&lookup->identifiers, METHOD_SPF,
                        fact_text(dmarc->host, ctx, dmarc->spf_domain), is_open);
    return result;
}

/* Each domain of a list with blanks between. */
static void add_dkim(struct lookup *lookup, struct mw_slice list, bool is_open)
{
    while (list.len > 0) {
        ptrdiff_t blank = text_find(list, ' ');
        struct mw_slice domain = blank < 0 ? list : SLICE(list.ptr, (size_t)blank);
        identifiers_add(&lookup->identifiers, METHOD_DKIM, domain, is_open);
        list = text_skip(list, domain.len + 1);
    }
}

/* Every signature that passed, and those that might have: dkim.unsure, and of a filter that does not give that, dkim.domain. It may not stand for
 * more than its own domain: whose key cannot be looked up is for the signer to choose, and so is a second author. */
static struct mw_slice read_dkim(struct lookup *lookup)
{
    struct dmarc *dmarc = lookup->dmarc;
    struct mw_ctx *ctx = lookup->ctx;
    struct mw_slice result = fact_text(dmarc->host, ctx, dmarc->dkim_result);
    struct mw_slice domain = fact_text(dmarc->host, ctx, dmarc->dkim_domain);
    struct mw_slice unsure = fact_text(dmarc->host, ctx, dmarc->dkim_unsure);
    if (result.len == 0)
        see_silence(lookup, METHOD_DKIM, dmarc->dkim_result);
    add_dkim(lookup, fact_text(dmarc->host, ctx, dmarc->dkim_passed), false);
    add_dkim(lookup, unsure, true);
    if (!text_is(result, "temperror"))
        return result;
    add_dkim(lookup, domain, true);
    lookup->identifiers.is_open[METHOD_DKIM] = unsure.len == 0 && domain.len == 0;
    return result;
}

static void read_identifiers(struct lookup *lookup)
{
    struct mw_slice spf = read_spf(lookup), dkim = read_dkim(lookup);
    lookup->has_identifiers = true;
    lookup->both_failed = (text_is(spf, "fail") || text_is(spf, "softfail")) &&
                          text_is(dkim, "fail");
}

/* ---- the conclusion ---- */

/* Ends the lookup. */
static enum mw_verdict conclude(struct lookup *lookup)
{
    struct mw_ctx *ctx = lookup->ctx;
    struct dmarc *dmarc = lookup->dmarc;
    policy_see(&lookup->judgement, lookup->is_silent);
    struct decision decision = policy_decide(&dmarc->settings, &lookup->judgement,
                                             client_address(&dmarc->client, dmarc->host, ctx));
    decision = act_spare(lookup, decision);
    report_concluded(lookup, &decision);
    enum mw_verdict verdict = act(lookup, &decision);
    judge_release(ctx, dmarc);
    return verdict;
}

/* ---- waiting ---- */

static void resume(struct lookup *lookup)
{
    const struct mw_host *host = lookup->dmarc->host;
    struct mw_ticket *ticket = lookup->ticket;
    host->resume(ticket, conclude(lookup));
}

static void answered(void *user, const struct mw_dns_answer *dns)
{
    struct answer *answer = user;
    struct lookup *lookup = answer->owner;
    answer->pending = NULL;
    lookup->pending--;
    answer_put(answer, dns);
    if (advance(lookup) && lookup->ticket != NULL)
        resume(lookup);
}

static void late(void *user);

/* For the question that has the least time left. */
static void set_timer(struct lookup *lookup)
{
    const struct mw_host *host = lookup->dmarc->host;
    uint64_t now_ms = host->now_ms(lookup->ctx), until_ms = lookup->until_ms;
    for (size_t i = 0; i < lookup->answers.count; i++) {
        const struct answer *answer = &lookup->answers.list[i];
        if (answer->pending != NULL && answer->until_ms < until_ms)
            until_ms = answer->until_ms;
    }
    lookup->timer = host->timer(lookup->ctx, until_ms > now_ms ? until_ms - now_ms : 1, late,
                                lookup);
}

static void late(void *user)
{
    struct lookup *lookup = user;
    lookup->timer = NULL;
    if (lookup->ticket == NULL)
        return; /* the host's deadline was shorter */
    if (advance_in_time(lookup))
        resume(lookup);
    else
        set_timer(lookup);
}

static void cancelled(void *user)
{
    struct lookup *lookup = user;
    lookup->ticket = NULL;
}

static enum mw_verdict wait_for_answers(struct lookup *lookup)
{
    set_timer(lookup);
    lookup->ticket = lookup->dmarc->host->park(lookup->ctx, cancelled, lookup);
    return lookup->ticket != NULL ? MW_WAIT : MW_ERROR;
}

enum mw_verdict judge_message(struct mw_ctx *ctx, struct dmarc *dmarc)
{
    struct lookup *lookup = lookup_of(ctx, dmarc);
    if (lookup == NULL)
        return MW_CONTINUE;
    find_others(dmarc);
    read_identifiers(lookup);
    give_time(lookup);
    return advance_in_time(lookup) ? conclude(lookup) : wait_for_answers(lookup);
}
