/* evaluate.c - check_host() of RFC 7208 4: the record of a domain, what its terms say (engine.h), and where it leads on to.
 *
 * Every error ends the whole check: an include's temperror and permerror are those of the record that includes (5.2), so HALT_ERROR needs no
 * way back. */
#include "check_priv.h"

/* ---- plans ---- */

static bool is_test(enum record_kind kind)
{
    return kind != RECORD_ALL && kind != RECORD_IP4 && kind != RECORD_IP6;
}

/* The address of an ip4 or ip6 term is the client's; one of the other kind never is. */
static bool is_sure(const struct spf_check *check, const struct record_term *term)
{
    return check->address_len == (term->kind == RECORD_IP4 ? 4 : 16) &&
           check_matches(check, term->address, term->bits4, term->bits6);
}

struct planner {
    struct plan *plan;
    size_t tests;
    bool is_closed; /* what comes now is never reached */
};

static void plan_add(const struct spf_check *check, struct planner *planner,
                     const struct record_term *term)
{
    struct plan *plan = planner->plan;
    bool is_address = term->kind == RECORD_IP4 || term->kind == RECORD_IP6;
    if (term->kind == RECORD_REDIRECT) {
        plan->redirect.term = *term;
        plan->has_redirect = true;
    }
    if (term->kind == RECORD_EXP)
        plan->exp = term->domain;
    if (term->kind >= RECORD_REDIRECT || planner->is_closed ||
        (is_address && !is_sure(check, term)))
        return;
    plan->terms[plan->count++].term = *term;
    /* the eleventh lookup is one too many, and the last term that is ever looked at */
    planner->is_closed = !is_test(term->kind) || ++planner->tests > CHECK_TERMS_MAX;
}

/* Syntax first, all of it: RFC 7208 4.6. */
static void plan_read(struct spf_check *check, struct plan *plan)
{
    struct planner planner = {.plan = plan};
    struct record_reader reader;
    struct record_term term;
    enum record_step step;
    record_begin(&reader, plan->record);
    while ((step = record_next(&reader, &term)) == RECORD_TERM)
        plan_add(check, &planner, &term);
    if (step == RECORD_BAD) {
        plan->problem = slice_of(reader.problem);
        plan->bad_term = reader.where;
    }
}

/* By the octets of the name: %{d} keeps its letters' case. */
static struct plan *plan_of(struct spf_check *check, struct mw_slice domain, struct mw_slice record)
{
    struct plan *plan = check->plans;
    while (plan != NULL && !text_eq(plan->domain, domain))
        plan = plan->next;
    if (plan != NULL)
        return plan;
    plan = pool_alloc(&check->pool, sizeof *plan);
    *plan = (struct plan){.next = check->plans,
                          .domain = pool_copy(&check->pool, domain),
                          .record = pool_copy(&check->pool, record),
                          .exp = EMPTY};
    check->plans = plan;
    plan_read(check, plan);
    return plan;
}

/* ---- the record of a domain ---- */

static const struct spf_local *find_local(const struct spf_check *check, struct mw_slice domain)
{
    char normal[DOMAIN_MAX + 1];
    size_t len = check->setup->local_count > 0 ? domain_normalize(domain, normal) : 0;
    for (size_t i = 0; len > 0 && i < check->setup->local_count; i++)
        if (text_eq(check->setup->locals[i].domain, SLICE(normal, len)))
            return &check->setup->locals[i];
    return NULL;
}

static bool record_error(struct spf_check *check, enum spf_result result, struct mw_slice domain,
                         struct mw_slice what)
{
    struct plan at = {.domain = domain};
    CHECK_ERROR(check, result, &at, EMPTY, what, domain);
    return false;
}

static bool records_error(struct spf_check *check, struct mw_slice domain, size_t records)
{
    char text[40];
    struct builder out = {.ptr = text, .cap = sizeof text};
    builder_putf(&out, "%zu SPF records at ", records);
    return record_error(check, SPF_PERMERROR, domain, SLICE(out.ptr, out.len));
}

static bool lookup_error(struct spf_check *check, struct mw_slice domain)
{
    if (check->is_over_questions)
        return record_error(check, SPF_PERMERROR, domain,
                            LIT("too many DNS questions, for the record of "));
    if (check->is_over_memory)
        return record_error(check, SPF_PERMERROR, domain,
                            LIT("too large DNS answers, with the record of "));
    return record_error(check, SPF_TEMPERROR, domain, LIT("no answer from the DNS for TXT of "));
}

/* The record's text; .ptr NULL: there is none. False: halted. RFC 7208 4.4, 4.5. */
static bool find_record(struct spf_check *check, struct mw_slice domain, struct mw_slice *out)
{
    const struct spf_local *local = find_local(check, domain);
    *out = SLICE(NULL, 0);
    if (local != NULL) {
        *out = local->record;
    } else {
        const struct question *txt = answers_ask(check, domain, MW_DNS_STRINGS);
        if (txt == NULL)
            return false;
        if (txt->outcome == MW_DNS_FAILURE)
            return lookup_error(check, domain);
        if (txt->records > 1)
            return records_error(check, domain, txt->records);
        if (txt->records == 0)
            return true;
        *out = txt->record;
    }
    if (out->ptr == NULL || out->len > CHECK_RECORD_MAX)
        return record_error(check, SPF_PERMERROR, domain, LIT("too long an SPF record at "));
    return true;
}

/* *out NULL: no record (result none). False: halted. RFC 7208 4.3: a name of one label has none. */
static bool find_plan(struct spf_check *check, struct mw_slice domain, struct plan **out)
{
    struct mw_slice record = SLICE(NULL, 0);
    *out = NULL;
    if (!answers_can_ask(domain) || text_find(domain, '.') < 0)
        return true;
    if (!find_record(check, domain, &record))
        return false;
    if (record.ptr == NULL)
        return true;
    struct plan *plan = plan_of(check, domain, record);
    *out = plan;
    if (plan->problem.len == 0)
        return true;
    CHECK_ERROR(check, SPF_PERMERROR, plan, plan->bad_term, plan->bad_term, LIT(" at "),
                plan->domain, LIT(": "), plan->problem);
    return false;
}

/* ---- one record, and those it leads to ---- */

/* What the terms that need lookups answer, as far as anybody wants to know: none behind a match. False: halted. Most rounds of a check end
 * here, waiting for the DNS; libspf2 has its turn when all its questions have an answer. */
static bool test_terms(struct spf_check *check, struct plan *plan,
                       enum engine_answer answers[ENGINE_TERMS_MAX])
{
    for (size_t i = 0; i < plan->count && is_test(plan->terms[i].term.kind); i++) {
        answers[i] = term_test(check, plan, &plan->terms[i]);
        if (answers[i] != ENGINE_NO)
            return answers[i] == ENGINE_YES;
    }
    return true;
}

static enum engine_answer on_test(void *user, size_t index)
{
    return ((const enum engine_answer *)user)[index];
}

/* False: halted. */
static bool run_plan(struct spf_check *check, struct plan *plan, struct engine_outcome *out)
{
    struct engine_term terms[ENGINE_TERMS_MAX];
    enum engine_answer answers[ENGINE_TERMS_MAX] = {ENGINE_NO};
    if (!test_terms(check, plan, answers))
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        const struct record_term *term = &plan->terms[i].term;
        terms[i].qualifier = term->qualifier;
        terms[i].kind = is_test(term->kind)        ? ENGINE_TEST
                        : term->kind == RECORD_ALL ? ENGINE_ALL
                                                   : ENGINE_SURE;
    }
    engine_run(terms, plan->count, on_test, answers, out);
    if (out->end != ENGINE_BROKEN)
        return true;
    CHECK_ERROR(check, SPF_TEMPERROR, plan, EMPTY, LIT("libspf2 failed with the record of "),
                plan->domain, LIT(": "), slice_of(out->problem));
    return false;
}

/* RFC 7208 6.1. False: halted. */
static bool follow(struct spf_check *check, struct plan *plan, struct mw_slice *out_domain,
                   struct plan **out_plan)
{
    struct plan_term *redirect = &plan->redirect;
    if (!term_count(check, plan, redirect) || !term_expand(check, plan, redirect) ||
        !find_plan(check, redirect->target, out_plan))
        return false;
    *out_domain = redirect->target;
    if (*out_plan != NULL)
        return true;
    CHECK_ERROR(check, SPF_PERMERROR, plan, redirect->term.text, redirect->term.text, LIT(" at "),
                plan->domain, LIT(": no SPF record at "), redirect->target);
    return false;
}

bool evaluate_domain(struct spf_check *check, struct mw_slice domain, struct finding *out)
{
    struct plan *plan;
    *out = (struct finding){.result = SPF_NONE, .mechanism = EMPTY};
    if (!find_plan(check, domain, &plan))
        return false;
    while (plan != NULL) {
        struct engine_outcome outcome;
        if (!run_plan(check, plan, &outcome))
            return false;
        *out = (struct finding){
            .result = outcome.result, .plan = plan, .mechanism = LIT("default")};
        if (outcome.end == ENGINE_MATCH)
            out->mechanism = plan->terms[outcome.index].term.text;
        if (outcome.end == ENGINE_MATCH || !plan->has_redirect)
            return true;
        if (!follow(check, plan, &domain, &plan))
            return false;
    }
    return true;
}

/* ---- the check ---- */

void check_evaluate(struct spf_check *check)
{
    struct finding found;
    check->halt = HALT_NONE;
    check->terms = check->voids = 0;
    check->need_count = 0;
    if (evaluate_domain(check, check->domain_written, &found)) {
        check->verdict.result = found.result;
        check->verdict.mechanism = check_shown(check, found.mechanism);
        check->verdict.record_domain = check_shown_domain(check, found.plan);
        if (found.result == SPF_FAIL && found.plan->exp.len > 0)
            check->explained_by = found.plan;
    }
    check->is_decided = check->halt != HALT_MISS;
    check->verdict.terms = check->terms;
    check->verdict.voids = check->voids;
}
