/* report.c - see report.h. */
#include "report.h"

#include "facts.h"
#include "log_line.h"
#include "result.h"

/* ---- names ---- */

static const char *const fact_names[FACT_COUNT] = {
    [FACT_RESULT] = "dkim.result",        [FACT_DOMAIN] = "dkim.domain",
    [FACT_SELECTOR] = "dkim.selector",    [FACT_IDENTITY] = "dkim.identity",
    [FACT_ALGORITHM] = "dkim.algorithm",  [FACT_PROBLEM] = "dkim.problem",
    [FACT_PASSED] = "dkim.passed",        [FACT_UNSURE] = "dkim.unsure",
    [FACT_SIGNATURES] = "dkim.signatures"};

static const char *const tally_names[TALLY_COUNT] = {
    [TALLY_SIGNATURES] = "signatures",
    [TALLY_IGNORED] = "ignored",
    [TALLY_LATE] = "late",
    [TALLY_SKIPPED_NETWORK] = "skipped-network",
    [TALLY_SKIPPED_AUTHENTICATED] = "skipped-authenticated",
    [TALLY_REJECTED] = "rejected",
    [TALLY_DEFERRED] = "deferred",
    [TALLY_QUARANTINED] = "quarantined",
    [TALLY_TAGGED] = "tagged",
    [TALLY_WOULD_REJECT] = "would-reject",
    [TALLY_WOULD_DEFER] = "would-defer",
    [TALLY_BROKEN] = "broken"};

void report_open(struct dkim *dkim, struct mw_instance *instance)
{
    const struct mw_host *host = dkim->host;
    for (int i = 0; i < DKIM_RESULTS; i++)
        dkim->results[i] = host->counter(instance, dkim_result_name((enum dkim_result)i));
    counters_define(host, instance, tally_names, TALLY_COUNT, dkim->tallies);
    facts_define(host, instance, fact_names, FACT_COUNT, dkim->facts);
}

void report_count(struct mw_ctx *ctx, const struct dkim *dkim, enum tally tally, uint64_t by)
{
    dkim->host->count(ctx, dkim->tallies[tally], by);
}

/* ---- log ---- */

static struct mw_slice cut(struct mw_slice text)
{
    text.len = text.len < 300 ? text.len : 300;
    return text;
}

static void put_verdict(struct log_line *line, const struct dkim_verdict *verdict)
{
    log_put_some(line, "d", verdict->domain);
    log_put_some(line, "s", verdict->selector);
    log_put_some(line, "a", verdict->algorithm);
    if (verdict->key_bits > 0)
        log_put_number(line, "bits", verdict->key_bits);
    log_put_some(line, "b", verdict->tag);
    log_put_some(line, "problem", slice_of(verdict->problem == NULL ? "" : verdict->problem));
}

void report_skip(struct mw_ctx *ctx, const struct dkim *dkim, enum tally why)
{
    struct log_line line = {.count = 0};
    bool is_network = why == TALLY_SKIPPED_NETWORK;
    log_put_some(&line, "reason", is_network ? LIT("network") : LIT("authenticated"));
    report_count(ctx, dkim, why, 1);
    log_write(&line, dkim->host, ctx, MW_LOG_DEBUG, "dkim-skipped");
    if (dkim->host->is_explained(ctx))
        dkim->host->explain(ctx, 0,
                            is_network ? LIT("not looked at (network)")
                                       : LIT("not looked at (authenticated)"));
}

static void log_signatures(struct mw_ctx *ctx, const struct dkim *dkim,
                           const struct dkim_check *check)
{
    for (size_t i = 0; i < dkim_check_count(check); i++) {
        const struct dkim_verdict *verdict = dkim_check_verdict(check, i);
        struct log_line line = {.count = 0};
        log_put_some(&line, "result", slice_of(dkim_result_name(verdict->result)));
        put_verdict(&line, verdict);
        log_write(&line, dkim->host, ctx, MW_LOG_DEBUG, "dkim-result");
    }
    if (dkim_check_ignored(check) == 0)
        return;
    struct log_line line = {.count = 0};
    log_put_number(&line, "count", dkim_check_ignored(check));
    log_write(&line, dkim->host, ctx, MW_LOG_INFO, "dkim-ignored");
}

static void log_would(struct mw_ctx *ctx, const struct dkim *dkim, const struct decision *decision)
{
    char text[POLICY_TEXT_MAX];
    struct log_line line = {.count = 0};
    struct reply reply = policy_reply(decision, decision->would, text);
    bool is_reject = decision->would == ACTION_REJECT;
    log_put_some(&line, "action", slice_of(action_name(decision->would)));
    log_put_number(&line, "code", reply.code);
    log_put_some(&line, "dsn", slice_of(reply.dsn));
    log_put_some(&line, "result", slice_of(dkim_result_name(decision->result)));
    put_verdict(&line, &decision->verdict);
    log_put_some(&line, "where", dkim->settings.require_where);
    report_count(ctx, dkim, is_reject ? TALLY_WOULD_REJECT : TALLY_WOULD_DEFER, 1);
    log_write(&line, dkim->host, ctx, MW_LOG_INFO, "dkim-would");
}

/* The host tells an observed filter's edits. */
void report_quarantined(struct mw_ctx *ctx, const struct dkim *dkim,
                        const struct decision *decision)
{
    struct log_line line = {.count = 0};
    report_count(ctx, dkim, TALLY_QUARANTINED, 1);
    if (dkim->host->is_observed(ctx))
        return;
    log_put_some(&line, "result", slice_of(dkim_result_name(decision->result)));
    put_verdict(&line, &decision->verdict);
    log_put_some(&line, "to", dkim->settings.quarantine_address);
    log_put_some(&line, "where", decision->where);
    log_write(&line, dkim->host, ctx, MW_LOG_INFO, "dkim-quarantined");
}

void report_broken(struct mw_ctx *ctx, const struct dkim *dkim, const struct dkim_verdict *verdict,
                   enum dkim_part part, struct mw_slice field)
{
    struct log_line line = {.count = 0};
    log_put_some(&line, "d", verdict->domain);
    log_put_some(&line, "s", verdict->selector);
    log_put_some(&line, "b", verdict->tag);
    log_put_some(&line, "part", slice_of(dkim_part_name(part)));
    log_put_some(&line, "field", cut(field));
    report_count(ctx, dkim, TALLY_BROKEN, 1);
    log_write(&line, dkim->host, ctx, MW_LOG_WARNING, "dkim-broken");
}

/* ---- facts ---- */

static void set_fact(struct mw_ctx *ctx, const struct dkim *dkim, enum fact fact,
                     struct mw_slice text)
{
    if (text.len > 0)
        fact_put(dkim->host, ctx, dkim->facts[fact], text);
}

static bool is_listed(const struct dkim_check *check, const size_t *which, size_t count,
                      struct mw_slice domain)
{
    for (size_t i = 0; i < count; i++)
        if (text_eq(dkim_check_verdict(check, which[i])->domain, domain))
            return true;
    return false;
}

/* The domains of the signatures with that result, each once. */
static void set_domains(struct mw_ctx *ctx, const struct dkim *dkim, enum fact fact,
                        const struct dkim_check *check, enum dkim_result result)
{
    size_t which[DKIM_SIGNATURES_MAX], count = dkim_check_having(check, result, which);
    size_t size = count * (DOMAIN_MAX + 1) + 1;
    struct builder list = {.ptr = dkim->host->transaction_alloc(ctx, size), .cap = size};
    for (size_t i = 0; i < count; i++) {
        struct mw_slice domain = dkim_check_verdict(check, which[i])->domain;
        if (is_listed(check, which, i, domain))
            continue;
        if (list.len > 0)
            builder_put(&list, LIT(" "));
        builder_put(&list, domain);
    }
    set_fact(ctx, dkim, fact, SLICE(list.ptr, list.len));
}

static void set_facts(struct mw_ctx *ctx, const struct dkim *dkim, const struct dkim_check *check,
                      const struct decision *decision)
{
    const struct dkim_verdict *verdict = &decision->verdict;
    uint64_t count = check == NULL ? 0 : dkim_check_count(check);
    set_fact(ctx, dkim, FACT_RESULT, slice_of(dkim_result_name(decision->result)));
    set_fact(ctx, dkim, FACT_DOMAIN, verdict->domain);
    set_fact(ctx, dkim, FACT_SELECTOR, verdict->selector);
    set_fact(ctx, dkim, FACT_IDENTITY, verdict->identity);
    set_fact(ctx, dkim, FACT_ALGORITHM, verdict->algorithm);
    set_fact(ctx, dkim, FACT_PROBLEM, slice_of(verdict->problem == NULL ? "" : verdict->problem));
    if (check != NULL) {
        set_domains(ctx, dkim, FACT_PASSED, check, DKIM_PASS);
        set_domains(ctx, dkim, FACT_UNSURE, check, DKIM_TEMPERROR);
    }
    if (dkim->facts[FACT_SIGNATURES] >= 0)
        dkim->host->fact_set(ctx, dkim->facts[FACT_SIGNATURES],
                             (struct mw_fact){.type = MW_FACT_NUMBER, .number = count}, 0);
}

/* ---- Authentication-Results: RFC 8601 2.7.1, RFC 6008 ---- */

static void add_result(struct mw_ctx *ctx, const struct dkim *dkim,
                       const struct dkim_verdict *verdict, bool is_utf8)
{
    struct result result;
    char key[48];
    struct builder comment = {.ptr = key, .cap = sizeof key};
    result_begin(&result, "dkim", dkim_result_name(verdict->result), is_utf8);
    if (verdict->key_bits > 0) {
        builder_putf(&comment, "%zu-bit key%s", verdict->key_bits,
                     verdict->is_testing ? ", testing" : "");
        result_comment(&result, SLICE(comment.ptr, comment.len));
    }
    if (verdict->problem != NULL)
        result_reason(&result, slice_of(verdict->problem));
    result_property(&result, "header.d", verdict->domain);
    result_property(&result, "header.s", verdict->selector);
    result_property(&result, "header.b", verdict->tag);
    result_property(&result, "header.a", verdict->algorithm);
    dkim->host->auth_result(ctx, result_text(&result));
}

/* ---- explain ---- */

static void explain(struct mw_ctx *ctx, const struct dkim *dkim, uint32_t depth,
                    const struct builder *text)
{
    dkim->host->explain(ctx, depth, SLICE(text->ptr, text->len));
}

static void explain_signature(struct mw_ctx *ctx, const struct dkim *dkim,
                              const struct dkim_verdict *verdict)
{
    char octets[1000];
    struct builder text = {.ptr = octets, .cap = sizeof octets};
    builder_putf(&text, "d=%.*s s=%.*s a=%.*s: %s", (int)verdict->domain.len, verdict->domain.ptr,
                 (int)verdict->selector.len, verdict->selector.ptr, (int)verdict->algorithm.len,
                 verdict->algorithm.ptr, dkim_result_name(verdict->result));
    if (verdict->problem != NULL)
        builder_putf(&text, " (%s)", verdict->problem);
    if (verdict->key_bits > 0)
        builder_putf(&text, ", key of %zu bits", verdict->key_bits);
    explain(ctx, dkim, 1, &text);
}

static void explain_message(struct mw_ctx *ctx, const struct dkim *dkim,
                            const struct dkim_check *check, const struct decision *decision)
{
    char octets[600];
    struct builder text = {.ptr = octets, .cap = sizeof octets};
    builder_putf(&text, "%s: %s", dkim_result_name(decision->result),
                 action_name(decision->action));
    if (decision->where.len > 0)
        builder_putf(&text, " (%.*s)", (int)decision->where.len, decision->where.ptr);
    if (decision->would != decision->action)
        builder_putf(&text, "; profile enforce: %s", action_name(decision->would));
    explain(ctx, dkim, 0, &text);
    for (size_t i = 0; check != NULL && i < dkim_check_count(check); i++)
        explain_signature(ctx, dkim, dkim_check_verdict(check, i));
    if (check == NULL || dkim_check_ignored(check) == 0)
        return;
    text.len = 0;
    builder_putf(&text, "%zu more signatures were not looked at", dkim_check_ignored(check));
    explain(ctx, dkim, 1, &text);
}

/* ---- the whole ---- */

void report_concluded(struct mw_ctx *ctx, const struct dkim *dkim, const struct message *message,
                      const struct dkim_check *check, const struct decision *decision)
{
    dkim->host->count(ctx, dkim->results[decision->result], 1);
    if (message->is_late)
        report_count(ctx, dkim, TALLY_LATE, 1);
    set_facts(ctx, dkim, check, decision);
    if (check != NULL) {
        report_count(ctx, dkim, TALLY_SIGNATURES, dkim_check_count(check));
        report_count(ctx, dkim, TALLY_IGNORED, dkim_check_ignored(check));
        log_signatures(ctx, dkim, check);
    }
    if (decision->would != decision->action)
        log_would(ctx, dkim, decision);
    if (dkim->host->is_explained(ctx))
        explain_message(ctx, dkim, check, decision);
    if (decision->action == ACTION_PASS)
        return;
    for (size_t i = 0; check != NULL && i < dkim_check_count(check); i++)
        add_result(ctx, dkim, dkim_check_verdict(check, i), message->is_utf8);
    if (check == NULL)
        dkim->host->auth_result(ctx, LIT("dkim=none"));
}
