#include "report.h"

#include <stdio.h>

#include "facts.h"
#include "log_line.h"

/* ---- names ---- */

static const char *const skip_names[SKIP_COUNT] = {[SKIP_NOT] = "not",
                                                   [SKIP_ADDRESS] = "address",
                                                   [SKIP_NETWORK] = "network",
                                                   [SKIP_AUTHENTICATED] = "authenticated",
                                                   [SKIP_HELO] = "helo",
                                                   [SKIP_NAME] = "name",
                                                   [SKIP_FORWARDER] = "forwarder"};

static const char *const tally_names[TALLY_COUNT] = {
    [TALLY_CACHE_HITS] = "cache-hits",
    [TALLY_CHECKS] = "checks",
    [TALLY_QUESTIONS] = "questions",
    [TALLY_LATE] = "late",
    [TALLY_REJECTED] = "rejected",
    [TALLY_DEFERRED] = "deferred",
    [TALLY_QUARANTINED] = "quarantined",
    [TALLY_TAGGED] = "tagged",
    [TALLY_WOULD_REJECT] = "would-reject",
    [TALLY_WOULD_DEFER] = "would-defer",
    [TALLY_WOULD_QUARANTINE] = "would-quarantine",
    [TALLY_SKIPPED_RECIPIENT] = "skipped-recipient",
    [TALLY_FORWARDED] = "forwarded",
};

static const char *const fact_names[FACT_COUNT] = {
    [FACT_RESULT] = "spf.result",           [FACT_DOMAIN] = "spf.domain",
    [FACT_IDENTITY] = "spf.identity",       [FACT_MECHANISM] = "spf.mechanism",
    [FACT_EXPLANATION] = "spf.explanation", [FACT_PROBLEM] = "spf.problem",
    [FACT_HELO_RESULT] = "spf.helo_result", [FACT_HELO_DOMAIN] = "spf.helo_domain",
    [FACT_FORWARDER] = "spf.forwarder",
};

void report_open(struct spf *spf, struct mw_instance *instance)
{
    const struct mw_host *host = spf->host;
    char name[40];
    for (int identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++) {
            snprintf(name, sizeof name, "%s-%s", identity_name((enum identity)identity),
                     spf_result_name((enum spf_result)result));
            spf->results[identity][result] = host->counter(instance, name);
        }
    for (int skip = SKIP_NOT + 1; skip < SKIP_COUNT; skip++) {
        snprintf(name, sizeof name, "skipped-%s", skip_names[skip]);
        spf->skips[skip] = host->counter(instance, name);
    }
    counters_define(host, instance, tally_names, TALLY_COUNT, spf->tallies);
    facts_define(host, instance, fact_names, FACT_COUNT, spf->facts);
}

void report_count(struct mw_ctx *ctx, const struct spf *spf, enum tally tally, uint64_t by)
{
    spf->host->count(ctx, spf->tallies[tally], by);
}

static struct mw_slice with_identity(const char *of_mail, const char *of_helo,
                                     const struct finding *finding, char out[40])
{
    struct builder text = {.ptr = out, .cap = 40};
    builder_putf(&text, "%s%s", finding->identity == IDENTITY_HELO ? of_helo : of_mail,
                 spf_result_name(finding->verdict.result));
    return SLICE(out, text.len);
}

struct mw_slice report_tag(const struct finding *finding, char out[40])
{
    return with_identity("spf=", "spf-helo=", finding, out);
}

struct mw_slice report_rule(const struct finding *finding, char out[40])
{
    return with_identity("", "helo-", finding, out);
}

/* ---- log ---- */

static void put_scene(struct log_line *line, const struct scene *scene)
{
    log_put_address(line, "client", scene->client);
    log_put(line, "helo", scene->helo);
    log_put_path(line, "from", scene->sender);
}

static void put_finding(struct log_line *line, const struct finding *finding)
{
    const struct spf_verdict *verdict = &finding->verdict;
    log_put(line, "result", slice_of(spf_result_name(verdict->result)));
    log_put(line, "identity", slice_of(identity_name(finding->identity)));
    log_put(line, "domain", verdict->domain);
    log_put_some(line, "mechanism", verdict->mechanism);
    if (!text_eq(verdict->record_domain, verdict->domain))
        log_put_some(line, "of", verdict->record_domain);
    log_put_some(line, "problem", verdict->problem);
}

void report_skip(struct mw_ctx *ctx, const struct spf *spf, const struct transaction *transaction)
{
    struct log_line line = {.count = 0};
    log_put(&line, "result", transaction->skip == SKIP_FORWARDER ? LIT("policy") : LIT("none"));
    log_put(&line, "reason", slice_of(skip_names[transaction->skip]));
    put_scene(&line, &transaction->scene);
    spf->host->count(ctx, spf->skips[transaction->skip], 1);
    log_write(&line, spf->host, ctx, MW_LOG_DEBUG, "spf-skipped");
}

static void log_result(struct mw_ctx *ctx, const struct spf *spf,
                       const struct transaction *transaction, const struct finding *finding)
{
    struct log_line line = {.count = 0};
    put_finding(&line, finding);
    put_scene(&line, &transaction->scene);
    log_put(&line, "action",
            slice_of(action_name(policy_choice(&spf->settings, finding, false).action)));
    log_put_number(&line, "questions", finding->verdict.questions);
    log_write(&line, spf->host, ctx, MW_LOG_DEBUG, "spf-result");
}

void report_would(struct mw_ctx *ctx, const struct spf *spf, const struct transaction *transaction)
{
    const struct decision *would = &transaction->would;
    bool is_reply = would->action >= ACTION_DEFER;
    enum tally tally = would->action == ACTION_REJECT  ? TALLY_WOULD_REJECT
                       : would->action == ACTION_DEFER ? TALLY_WOULD_DEFER
                                                       : TALLY_WOULD_QUARANTINE;
    char text[WORDS_REPLY_MAX];
    struct reply reply = words_reply(&spf->settings, &transaction->scene, would->finding,
                                     would->action, text);
    struct log_line line = {.count = 0};
    log_put(&line, "action", slice_of(action_name(would->action)));
    if (is_reply) {
        log_put_number(&line, "code", reply.code);
        log_put(&line, "dsn", slice_of(reply.dsn));
    }
    put_finding(&line, would->finding);
    put_scene(&line, &transaction->scene);
    report_count(ctx, spf, tally, 1);
    log_write(&line, spf->host, ctx, MW_LOG_INFO, "spf-would");
}

/* The host tells an observed filter's edits. */
void report_quarantined(struct mw_ctx *ctx, const struct spf *spf,
                        const struct transaction *transaction)
{
    report_count(ctx, spf, TALLY_QUARANTINED, 1);
    if (spf->host->is_observed(ctx))
        return;
    struct log_line line = {.count = 0};
    put_finding(&line, transaction->decision.finding);
    put_scene(&line, &transaction->scene);
    log_put(&line, "to", spf->settings.quarantine_address);
    log_put_some(&line, "where", transaction->decision.where);
    log_write(&line, spf->host, ctx, MW_LOG_INFO, "spf-quarantined");
}

/* ---- facts ---- */

static void set_fact(struct mw_ctx *ctx, const struct spf *spf, enum fact fact,
                     struct mw_slice text)
{
    if (text.len > 0)
        fact_put(spf->host, ctx, spf->facts[fact], text);
}

/* A bounce is checked by its HELO name, and that is the identity which other methods compare (RFC 8601 2.7.2). */
static void set_facts(struct mw_ctx *ctx, const struct spf *spf, const struct finding *finding)
{
    const struct spf_verdict *verdict = &finding->verdict;
    struct mw_slice result = slice_of(spf_result_name(verdict->result));
    if (finding->identity == IDENTITY_HELO) {
        set_fact(ctx, spf, FACT_HELO_RESULT, result);
        set_fact(ctx, spf, FACT_HELO_DOMAIN, verdict->domain);
        return;
    }
    set_fact(ctx, spf, FACT_RESULT, result);
    set_fact(ctx, spf, FACT_DOMAIN, verdict->domain);
    set_fact(ctx, spf, FACT_IDENTITY, finding->is_null_sender ? LIT("helo") : LIT("mailfrom"));
    set_fact(ctx, spf, FACT_MECHANISM, verdict->mechanism);
    set_fact(ctx, spf, FACT_EXPLANATION, verdict->explanation);
    set_fact(ctx, spf, FACT_PROBLEM, verdict->problem);
}

/* ---- results ---- */

static void add_result(struct mw_ctx *ctx, const struct spf *spf,
                       const struct transaction *transaction, const struct finding *finding,
                       struct mw_slice forwarder)
{
    struct result result;
    words_result(&result, &transaction->scene, finding, forwarder);
    spf->host->auth_result(ctx, result_text(&result));
}

void report_concluded(struct mw_ctx *ctx, const struct spf *spf,
                      const struct transaction *transaction)
{
    bool wants_results = spf->settings.result_header == HEADER_RESULTS ||
                         spf->settings.result_header == HEADER_BOTH;
    bool is_forwarded = transaction->forwarder != NULL &&
                        lookup_verdict(transaction->forwarder)->result == SPF_PASS;
    if (is_forwarded) {
        set_fact(ctx, spf, FACT_FORWARDER, transaction->forwarder_domain);
        report_count(ctx, spf, TALLY_FORWARDED, 1);
    }
    for (size_t i = 0; i < transaction->finding_count; i++) {
        const struct finding *finding = &transaction->findings[i];
        spf->host->count(ctx, spf->results[finding->identity][finding->verdict.result], 1);
        set_facts(ctx, spf, finding);
        log_result(ctx, spf, transaction, finding);
        bool is_twice = i > 0 && transaction->is_null_sender; /* the same check has said it */
        if (wants_results && !is_twice &&
            policy_choice(&spf->settings, finding, false).action != ACTION_PASS)
            add_result(ctx, spf, transaction, finding,
                       is_forwarded ? transaction->forwarder_domain : EMPTY);
    }
}

/* ---- explain ---- */

static void explain(struct mw_ctx *ctx, const struct spf *spf, uint32_t depth,
                    const struct builder *text)
{
    spf->host->explain(ctx, depth, SLICE(text->ptr, text->len));
}

void report_explain(struct mw_ctx *ctx, const struct spf *spf,
                    const struct transaction *transaction)
{
    char octets[600], reason[WORDS_REASON_MAX];
    struct builder text = {.ptr = octets, .cap = sizeof octets};
    if (transaction->skip != SKIP_NOT) {
        builder_putf(&text, "not checked (%s)", skip_names[transaction->skip]);
        explain(ctx, spf, 0, &text);
        return;
    }
    for (size_t i = 0; i < transaction->finding_count; i++) {
        const struct finding *finding = &transaction->findings[i];
        struct choice choice = policy_choice(&spf->settings, finding, false);
        struct mw_slice why = words_reason(finding, reason);
        text.len = 0;
        builder_putf(&text, "%s %.*s: %s", identity_name(finding->identity),
                     (int)finding->verdict.domain.len, finding->verdict.domain.ptr,
                     spf_result_name(finding->verdict.result));
        builder_putf(&text, why.len > 0 ? " (%.*s)" : "%.*s", (int)why.len, why.ptr);
        builder_putf(&text, ", %zu question%s: %s", finding->verdict.questions,
                     finding->verdict.questions == 1 ? "" : "s", action_name(choice.action));
        if (choice.where.len > 0)
            builder_putf(&text, " (%.*s)", (int)choice.where.len, choice.where.ptr);
        enum action would = policy_choice(&spf->settings, finding, true).action;
        if (would != choice.action)
            builder_putf(&text, ", enforce would: %s", action_name(would));
        explain(ctx, spf, 0, &text);
    }
    if (transaction->forwarder == NULL)
        return;
    text.len = 0;
    builder_putf(&text, "forwarder %.*s: %s: %s", (int)transaction->forwarder_domain.len,
                 transaction->forwarder_domain.ptr,
                 spf_result_name(lookup_verdict(transaction->forwarder)->result),
                 action_name(transaction->decision.action));
    explain(ctx, spf, 0, &text);
}
