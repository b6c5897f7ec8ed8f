/* report.c - see report.h. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "facts.h"
#include "log_line.h"
#include "result.h"

static const char *const fact_names[FACT_COUNT] = {
    [FACT_RESULT] = "dmarc.result",   [FACT_DOMAIN] = "dmarc.domain",
    [FACT_POLICY] = "dmarc.policy",   [FACT_ORG_DOMAIN] = "dmarc.org_domain",
    [FACT_ALIGNED] = "dmarc.aligned", [FACT_PROBLEM] = "dmarc.problem"};

static const char *const tally_names[TALLY_COUNT] = {
    [TALLY_SKIPPED_NETWORK] = "skipped-network",
    [TALLY_SKIPPED_AUTHENTICATED] = "skipped-authenticated",
    [TALLY_FORWARDED] = "forwarded",
    [TALLY_SKIPPED_RECIPIENT] = "skipped-recipient",
    [TALLY_QUESTIONS] = "questions",
    [TALLY_LATE] = "late",
    [TALLY_REJECTED] = "rejected",
    [TALLY_DEFERRED] = "deferred",
    [TALLY_QUARANTINED] = "quarantined",
    [TALLY_TAGGED] = "tagged",
    [TALLY_WOULD_REJECT] = "would-reject",
    [TALLY_WOULD_DEFER] = "would-defer",
    [TALLY_WOULD_QUARANTINE] = "would-quarantine",
};

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_SPF] = "spf", [METHOD_DKIM] = "dkim"};

void report_open(struct dmarc *dmarc, struct mw_instance *instance)
{
    const struct mw_host *host = dmarc->host;
    facts_define(host, instance, fact_names, FACT_COUNT, dmarc->facts);
    for (int result = 0; result < DMARC_RESULTS; result++)
        dmarc->results[result] = host->counter(instance,
                                               dmarc_result_name((enum dmarc_result)result));
    counters_define(host, instance, tally_names, TALLY_COUNT, dmarc->tallies);
}

void report_count(struct mw_ctx *ctx, const struct dmarc *dmarc, enum tally tally, uint64_t by)
{
    dmarc->host->count(ctx, dmarc->tallies[tally], by);
}

/* ---- texts ---- */

static struct mw_slice aligned(const struct judgement *judgement)
{
    bool spf = judgement->is_aligned[METHOD_SPF], dkim = judgement->is_aligned[METHOD_DKIM];
    return spf && dkim ? LIT("spf dkim") : spf ? LIT("spf") : dkim ? LIT("dkim") : EMPTY;
}

static bool has_policy(const struct judgement *judgement)
{
    return judgement->result == DMARC_PASS || judgement->result == DMARC_FAIL;
}

struct mw_slice report_tag(const struct judgement *judgement, char out[40])
{
    struct builder text = {.ptr = out, .cap = 40};
    builder_putf(&text, "dmarc=%s", dmarc_result_name(judgement->result));
    if (has_policy(judgement))
        builder_putf(&text, " p=%s", policy_name(judgement->policy));
    return SLICE(out, text.len);
}

/* "fail p=reject of example.net", with the record's place if that is another. */
static struct mw_slice reason(const struct judgement *judgement, char *out, size_t cap)
{
    char tag[40];
    struct builder text = {.ptr = out, .cap = cap};
    builder_put(&text, report_tag(judgement, tag));
    builder_put(&text, judgement->domain.len > 0 ? LIT(" domain=") : EMPTY);
    builder_put(&text, judgement->domain);
    if (judgement->record_domain.len > 0 && !text_eq(judgement->record_domain, judgement->domain)) {
        builder_put(&text, LIT(" record=_dmarc."));
        builder_put(&text, judgement->record_domain);
    }
    if (judgement->problem[0] != '\0')
        builder_putf(&text, " (%s)", judgement->problem);
    return SLICE(out, text.len);
}

enum { REASON_MAX = 900 };

void report_because(const struct lookup *lookup, const struct decision *decision)
{
    char text[REASON_MAX];
    lookup->dmarc->host->because(lookup->ctx, slice_of(decision->rule), decision->where,
                                 reason(&lookup->judgement, text, sizeof text));
}

/* ---- facts and fields ---- */

static void set_fact(const struct lookup *lookup, enum fact fact, struct mw_slice text)
{
    fact_put(lookup->dmarc->host, lookup->ctx, lookup->dmarc->facts[fact], text);
}

static void set_facts(const struct lookup *lookup)
{
    const struct judgement *judgement = &lookup->judgement;
    set_fact(lookup, FACT_RESULT, slice_of(dmarc_result_name(judgement->result)));
    set_fact(lookup, FACT_DOMAIN, judgement->domain);
    set_fact(lookup, FACT_POLICY,
             has_policy(judgement) ? slice_of(policy_name(judgement->policy)) : EMPTY);
    set_fact(lookup, FACT_ORG_DOMAIN, judgement->organization);
    set_fact(lookup, FACT_ALIGNED, aligned(judgement));
    set_fact(lookup, FACT_PROBLEM, slice_of(judgement->problem));
}

/* What becomes of a message, in the words of aggregate reports (RFC 9990): none, quarantine, reject. */
static const char *disposition(enum action action)
{
    return action == ACTION_REJECT || action == ACTION_DEFER     ? "reject"
           : action == ACTION_QUARANTINE || action == ACTION_TAG ? "quarantine"
                                                                 : "none";
}

/* RFC 9989 9.1: policy.dmarc and header.from. */
static void put_result(const struct lookup *lookup, const struct decision *decision)
{
    const struct judgement *judgement = &lookup->judgement;
    struct result result;
    char comment[64];
    result_begin(&result, "dmarc", dmarc_result_name(judgement->result), false);
    if (has_policy(judgement)) {
        /* Where some are refused, who reads this is not. */
        bool is_spared = lookup->is_partial && decision->action >= ACTION_DEFER;
        snprintf(comment, sizeof comment, "p=%s dis=%s%s", policy_name(judgement->policy),
                 is_spared ? "none" : disposition(decision->action),
                 decision->is_forwarded ? " forwarder" : "");
        result_comment(&result, slice_of(comment));
    } else if (judgement->problem[0] != '\0') {
        result_comment(&result, slice_of(judgement->problem));
    }
    if (has_policy(judgement))
        result_property(&result, "policy.dmarc", slice_of(policy_name(judgement->policy)));
    result_property(&result, "header.from", judgement->domain);
    lookup->dmarc->host->auth_result(lookup->ctx, result_text(&result));
}

/* ---- log ---- */

void report_blind(struct mw_ctx *ctx, const struct dmarc *dmarc, enum method method, bool is_loaded)
{
    struct log_line line = {.count = 0};
    log_put(&line, "without", slice_of(method_names[method]));
    log_put(&line, "problem",
            is_loaded ? LIT("no result for this message: its filter stands behind dmarc in "
                            "the chain, is not in it, or left the message out")
                      : LIT("there is no such filter"));
    log_write(&line, dmarc->host, ctx, MW_LOG_WARNING, "dmarc-blind");
}

/* Whose message it is. */
static void put_scene(struct log_line *line, const struct lookup *lookup)
{
    const struct dmarc *dmarc = lookup->dmarc;
    struct mw_path_view sender = {.size = sizeof sender};
    const char *client = client_address(&dmarc->client, dmarc->host, lookup->ctx);
    if (client != NULL)
        log_put_address(line, "client", client);
    if (dmarc->host->sender(lookup->ctx, &sender))
        log_put_path(line, "from", sender.address);
}

/* `to`: where it goes instead; may be empty. */
static void log_result(const struct lookup *lookup, const struct decision *decision,
                       enum mw_log_level level, const char *event, enum action action,
                       struct mw_slice to)
{
    const struct judgement *judgement = &lookup->judgement;
    struct log_line line = {.count = 0};
    log_put(&line, "result", slice_of(dmarc_result_name(judgement->result)));
    log_put(&line, "domain", judgement->domain);
    log_put(&line, "policy",
            has_policy(judgement) ? slice_of(policy_name(judgement->policy)) : EMPTY);
    log_put(&line, "org", judgement->organization);
    log_put(&line, "aligned", aligned(judgement));
    log_put(&line, "action", slice_of(action_name(action)));
    log_put(&line, "rule", slice_of(decision->rule));
    log_put_some(&line, "where", decision->where);
    log_put_some(&line, "problem", slice_of(judgement->problem));
    put_scene(&line, lookup);
    log_put_some(&line, "to", to);
    log_write(&line, lookup->dmarc->host, lookup->ctx, level, event);
}

/* Observing, what `enforce` would do is said, if anybody would notice. */
static void report_would(const struct lookup *lookup, const struct decision *decision)
{
    if (decision->would == decision->action || decision->would < ACTION_QUARANTINE)
        return;
    enum tally tally = decision->would == ACTION_REJECT  ? TALLY_WOULD_REJECT
                       : decision->would == ACTION_DEFER ? TALLY_WOULD_DEFER
                                                         : TALLY_WOULD_QUARANTINE;
    report_count(lookup->ctx, lookup->dmarc, tally, 1);
    log_result(lookup, decision, MW_LOG_INFO, "dmarc-would", decision->would, EMPTY);
}

/* The host tells an observed filter's edits. */
void report_edited(const struct lookup *lookup, const struct decision *decision)
{
    const struct dmarc *dmarc = lookup->dmarc;
    bool is_moved = decision->action == ACTION_QUARANTINE;
    report_count(lookup->ctx, dmarc, is_moved ? TALLY_QUARANTINED : TALLY_TAGGED, 1);
    if (!dmarc->host->is_observed(lookup->ctx))
        log_result(lookup, decision, MW_LOG_INFO, is_moved ? "dmarc-quarantined" : "dmarc-tagged",
                   decision->action, is_moved ? dmarc->settings.quarantine_address : EMPTY);
}

/* ---- why ---- */

__attribute__((format(printf, 3, 4))) static void explain(const struct lookup *lookup,
                                                          uint32_t depth, const char *format, ...)
{
    char text[REASON_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0)
        lookup->dmarc->host->explain(
            lookup->ctx, depth,
            SLICE(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}

#define SHOW(slice) (int)(slice).len, (slice).ptr

static void explain_answer(const struct lookup *lookup, const struct answer *answer)
{
    const struct dmarc_record *record = &answer->record;
    if (answer->kind != MW_DNS_STRINGS)
        explain(lookup, 1, "%s: %s", answer->name,
                answer->state == ANSWER_FOUND     ? "exists"
                : answer->is_missing              ? "does not exist"
                : answer->state == ANSWER_NOTHING ? "nothing"
                                                  : "no answer");
    else if (answer->state == ANSWER_FOUND)
        explain(lookup, 1, "%s: p=%s sp=%s np=%s%s%s%s%s%s", answer->name, policy_name(record->p),
                policy_name(record->sp), policy_name(record->np),
                record->psd == PSD_YES  ? " psd=y"
                : record->psd == PSD_NO ? " psd=n"
                                        : "",
                record->is_testing ? " t=y" : "", record->is_dkim_strict ? " adkim=s" : "",
                record->is_spf_strict ? " aspf=s" : "",
                record->is_usable ? "" : " (cannot be applied)");
    else
        explain(lookup, 1, "%s: %s", answer->name,
                answer->is_several                ? "more than one record, so none"
                : answer->state == ANSWER_NOTHING ? "no record"
                                                  : "no answer");
}

static void explain_all(const struct lookup *lookup, const struct decision *decision)
{
    char text[REASON_MAX];
    const struct judgement *judgement = &lookup->judgement;
    struct mw_slice why = reason(judgement, text, sizeof text);
    explain(lookup, 0, "%.*s: %s (%s%s%.*s)", SHOW(why), action_name(decision->action),
            decision->rule, decision->where.len > 0 ? " " : "", SHOW(decision->where));
    for (size_t i = 0; i < lookup->answers.count; i++)
        explain_answer(lookup, &lookup->answers.list[i]);
    if (judgement->organization.len > 0)
        explain(lookup, 1, "organization: %.*s", SHOW(judgement->organization));
    for (size_t i = 0; i < lookup->identifiers.count; i++) {
        const struct identifier *identifier = &lookup->identifiers.list[i];
        explain(lookup, 1, "%s: %.*s%s", method_names[identifier->method], SHOW(identifier->domain),
                identifier->is_open ? " (lookup failed)" : "");
    }
    struct mw_slice by = aligned(judgement);
    explain(lookup, 1, "aligned: %.*s", SHOW(by.len > 0 ? by : LIT("nothing")));
}

void report_concluded(const struct lookup *lookup, const struct decision *decision)
{
    const struct mw_host *host = lookup->dmarc->host;
    host->count(lookup->ctx, lookup->dmarc->results[lookup->judgement.result], 1);
    if (decision->is_forwarded)
        report_count(lookup->ctx, lookup->dmarc, TALLY_FORWARDED, 1);
    set_facts(lookup);
    if (decision->action != ACTION_PASS)
        put_result(lookup, decision);
    log_result(lookup, decision, MW_LOG_DEBUG, "dmarc-result", decision->action, EMPTY);
    report_would(lookup, decision);
    if (host->is_explained(lookup->ctx))
        explain_all(lookup, decision);
}
