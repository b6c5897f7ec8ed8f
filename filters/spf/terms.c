/* terms.c - one term of a record: the name it is about, the lookups it needs, and whether it matches (RFC 7208 5). */
#include "check_priv.h"

/* ---- names ---- */

/* "2.2.0.192.in-addr.arpa" */
static struct mw_slice reverse_name(struct spf_check *check, char out[DOMAIN_MAX + 1])
{
    static const struct mw_slice spec = LIT("%{ir}.%{v}.arpa");
    return SLICE(out, macro_domain(spec, check_values(check), out));
}

/* 0: not below it, 1: below it, 2: it. */
static int nearness(struct mw_slice name, struct mw_slice domain)
{
    if (domain.len > name.len || !text_ieq(text_skip(name, name.len - domain.len), domain))
        return 0;
    if (domain.len == name.len)
        return 2;
    return name.ptr[name.len - domain.len - 1] == '.' ? 1 : 0;
}

static size_t names_looked_at(const struct question *ptr)
{
    return ptr->count < CHECK_PTR_MAX ? ptr->count : CHECK_PTR_MAX;
}

/* The host's addresses have the client's among them. An error skips the name (RFC 7208 5.5). */
static bool is_validated(const struct spf_check *check, const struct question *host)
{
    return host->outcome == MW_DNS_FOUND && answers_match(check, host, 32, 128);
}

/* Ask for the addresses of all those names that are `near` or nearer, side by side. False: not all are there. */
static bool ask_hosts(struct spf_check *check, const struct question *ptr, struct mw_slice domain,
                      int near)
{
    bool is_complete = true;
    for (size_t i = 0; i < names_looked_at(ptr); i++)
        if (nearness(ptr->names[i], domain) >= near &&
            answers_ask(check, ptr->names[i], answers_address_kind(check)) == NULL)
            is_complete = false;
    return is_complete;
}

/* The first validated name of the greatest nearness from `near` on; *out is untouched where there is none. */
static bool find_name(struct spf_check *check, const struct question *ptr, struct mw_slice domain,
                      int near, struct mw_slice *out)
{
    int best = near - 1;
    if (!ask_hosts(check, ptr, domain, near))
        return false;
    for (size_t i = 0; i < names_looked_at(ptr); i++) {
        int found = nearness(ptr->names[i], domain);
        if (found <= best)
            continue;
        const struct question *host = answers_ask(check, ptr->names[i],
                                                  answers_address_kind(check));
        if (host != NULL && is_validated(check, host)) {
            best = found;
            *out = ptr->names[i];
        }
    }
    return true;
}

bool client_name(struct spf_check *check, struct mw_slice domain, struct mw_slice *out)
{
    char name[DOMAIN_MAX + 1];
    const struct question *ptr = answers_ask(check, reverse_name(check, name), MW_DNS_NAME_OF);
    *out = LIT("unknown");
    if (ptr == NULL)
        return false;
    return ptr->outcome != MW_DNS_FOUND || find_name(check, ptr, domain, 0, out);
}

bool macro_fill(struct spf_check *check, const struct plan *plan, struct mw_slice text,
                struct macro_values *out)
{
    *out = *check_values(check);
    out->of['d' - 'a'] = plan->domain;
    return !macro_uses(text, 'p') || client_name(check, plan->domain, &out->of['p' - 'a']);
}

/* A domain-spec without macros needs no values. */
static bool expand(struct spf_check *check, const struct plan *plan, struct mw_slice spec,
                   struct mw_slice *out)
{
    struct macro_values values;
    char name[DOMAIN_MAX + 1];
    bool has_macro = text_find(spec, '%') >= 0;
    if (has_macro && !macro_fill(check, plan, spec, &values))
        return false;
    size_t len = macro_domain(spec, has_macro ? &values : &check->values, name);
    *out = pool_copy(&check->pool, SLICE(name, len));
    return true;
}

bool term_expand(struct spf_check *check, const struct plan *plan, struct plan_term *term)
{
    if (term->is_expanded)
        return true;
    term->target = plan->domain;
    if (term->term.domain.len > 0 && !expand(check, plan, term->term.domain, &term->target))
        return false;
    term->can_ask = answers_can_ask(term->target);
    term->is_expanded = true;
    return true;
}

/* ---- limits and errors ---- */

static struct mw_slice number_text(struct spf_check *check, size_t number)
{
    char text[24];
    struct builder out = {.ptr = text, .cap = sizeof text};
    builder_putf(&out, "%zu", number);
    return pool_copy(&check->pool, SLICE(out.ptr, out.len));
}

bool term_count(struct spf_check *check, const struct plan *plan, const struct plan_term *term)
{
    if (check->terms < CHECK_TERMS_MAX) {
        check->terms++;
        return true;
    }
    CHECK_ERROR(check, SPF_PERMERROR, plan, term->term.text, LIT("more than "),
                number_text(check, CHECK_TERMS_MAX), LIT(" terms that need DNS lookups: "),
                term->term.text, LIT(" at "), plan->domain);
    return false;
}

/* A term whose lookups have found nothing (RFC 7208 4.6.4). It counts once, however many hosts it asked for. */
static enum engine_answer count_void(struct spf_check *check, const struct plan *plan,
                                     const struct plan_term *term)
{
    if (check->voids < CHECK_VOIDS_MAX) {
        check->voids++;
        return ENGINE_NO;
    }
    CHECK_ERROR(check, SPF_PERMERROR, plan, term->term.text, LIT("more than "),
                number_text(check, CHECK_VOIDS_MAX), LIT(" terms without a DNS answer: "),
                term->term.text, LIT(" at "), plan->domain);
    return ENGINE_STOP;
}

static const char *kind_name(enum mw_dns_kind kind)
{
    switch (kind) {
    case MW_DNS_ADDRESS4:
        return "A";
    case MW_DNS_ADDRESS6:
        return "AAAA";
    case MW_DNS_MAIL_EXCHANGER:
        return "MX";
    case MW_DNS_NAME_OF:
        return "PTR";
    case MW_DNS_STRINGS:
        break;
    }
    return "TXT";
}

/* A lookup failed: temperror; or the check is at one of its own bounds: permerror. */
static enum engine_answer failed(struct spf_check *check, const struct plan *plan,
                                 const struct plan_term *term, struct mw_slice name,
                                 enum mw_dns_kind kind)
{
    struct mw_slice text = term->term.text;
    if (check->is_over_questions)
        CHECK_ERROR(check, SPF_PERMERROR, plan, text, LIT("more than "),
                    number_text(check, CHECK_QUESTIONS_MAX), LIT(" DNS questions: "), text,
                    LIT(" at "), plan->domain);
    else if (check->is_over_memory)
        CHECK_ERROR(check, SPF_PERMERROR, plan, text, LIT("too large DNS answers: "), text,
                    LIT(" at "), plan->domain);
    else
        CHECK_ERROR(check, SPF_TEMPERROR, plan, text, text, LIT(" at "), plan->domain,
                    LIT(": no answer from the DNS for "), slice_of(kind_name(kind)), LIT(" of "),
                    name);
    return ENGINE_STOP;
}

/* ---- mechanisms ---- */

static enum engine_answer test_address(struct spf_check *check, struct plan *plan,
                                       struct plan_term *term, enum mw_dns_kind kind)
{
    const struct question *found = answers_ask(check, term->target, kind);
    if (found == NULL)
        return ENGINE_STOP;
    if (found->outcome == MW_DNS_FAILURE)
        return failed(check, plan, term, term->target, kind);
    if (found->outcome == MW_DNS_NOTHING)
        return count_void(check, plan, term);
    if (term->term.kind == RECORD_EXISTS)
        return ENGINE_YES;
    return answers_match(check, found, term->term.bits4, term->term.bits6) ? ENGINE_YES : ENGINE_NO;
}

/* In the order of the answer; all are asked at once. */
static enum engine_answer test_hosts(struct spf_check *check, struct plan *plan,
                                     struct plan_term *term, const struct question *mx)
{
    enum mw_dns_kind kind = answers_address_kind(check);
    bool is_complete = true, is_void = true;
    for (size_t i = 0; i < mx->count; i++)
        is_complete = answers_ask(check, mx->names[i], kind) != NULL && is_complete;
    for (size_t i = 0; is_complete && i < mx->count; i++) {
        const struct question *host = answers_ask(check, mx->names[i], kind);
        if (host->outcome == MW_DNS_FAILURE)
            return failed(check, plan, term, mx->names[i], kind);
        if (host->outcome == MW_DNS_NOTHING)
            continue;
        is_void = false;
        if (answers_match(check, host, term->term.bits4, term->term.bits6))
            return ENGINE_YES;
    }
    if (!is_complete)
        return ENGINE_STOP;
    return is_void ? count_void(check, plan, term) : ENGINE_NO;
}

static enum engine_answer test_mx(struct spf_check *check, struct plan *plan,
                                  struct plan_term *term)
{
    const struct question *mx = answers_ask(check, term->target, MW_DNS_MAIL_EXCHANGER);
    if (mx == NULL)
        return ENGINE_STOP;
    if (mx->outcome == MW_DNS_FAILURE)
        return failed(check, plan, term, term->target, MW_DNS_MAIL_EXCHANGER);
    if (mx->outcome == MW_DNS_NOTHING)
        return count_void(check, plan, term);
    if (mx->count <= CHECK_MX_MAX)
        return test_hosts(check, plan, term, mx);
    CHECK_ERROR(check, SPF_PERMERROR, plan, term->term.text, term->term.text, LIT(" at "),
                plan->domain, LIT(": "), term->target, LIT(" has "), number_text(check, mx->count),
                LIT(" MX hosts, "), number_text(check, CHECK_MX_MAX), LIT(" are allowed"));
    return ENGINE_STOP;
}

/* RFC 7208 5.5: errors do not match. Only names below the target are looked up, others cannot match. */
static enum engine_answer test_ptr(struct spf_check *check, struct plan *plan,
                                   struct plan_term *term)
{
    char name[DOMAIN_MAX + 1];
    struct mw_slice found = EMPTY;
    const struct question *ptr = answers_ask(check, reverse_name(check, name), MW_DNS_NAME_OF);
    if (ptr == NULL)
        return ENGINE_STOP;
    if (ptr->outcome == MW_DNS_NOTHING)
        return count_void(check, plan, term);
    if (ptr->outcome == MW_DNS_FAILURE)
        return ENGINE_NO;
    if (!find_name(check, ptr, term->target, 1, &found))
        return ENGINE_STOP;
    return found.len > 0 ? ENGINE_YES : ENGINE_NO;
}

/* The table of RFC 7208 5.2. */
static enum engine_answer test_include(struct spf_check *check, struct plan *plan,
                                       struct plan_term *term)
{
    struct finding found;
    if (!evaluate_domain(check, term->target, &found))
        return ENGINE_STOP;
    if (found.result == SPF_PASS)
        return ENGINE_YES;
    if (found.result != SPF_NONE)
        return ENGINE_NO;
    CHECK_ERROR(check, SPF_PERMERROR, plan, term->term.text, term->term.text, LIT(" at "),
                plan->domain, LIT(": no SPF record at "), term->target);
    return ENGINE_STOP;
}

enum engine_answer term_test(struct spf_check *check, struct plan *plan, struct plan_term *term)
{
    if (!term_count(check, plan, term) || !term_expand(check, plan, term))
        return ENGINE_STOP;
    if (!term->can_ask &&
        term->term.kind !=
            RECORD_INCLUDE) /* RFC 7208 4.8: as a name that does not exist; nothing was asked */
        return ENGINE_NO;
    switch ((int)term->term.kind) {
    case RECORD_A:
        return test_address(check, plan, term, answers_address_kind(check));
    case RECORD_EXISTS: /* A, whatever the client's address is: RFC 7208 5.7 */
        return test_address(check, plan, term, MW_DNS_ADDRESS4);
    case RECORD_MX:
        return test_mx(check, plan, term);
    case RECORD_PTR:
        return test_ptr(check, plan, term);
    default:
        return test_include(check, plan, term);
    }
}
