/* explain.c - exp= (RFC 7208 6.2): a domain's own words for its fail. Anything wrong with them, and there are none. */
#include "check_priv.h"

/* The name of the explanation, in `name`. False: halted. */
static bool find_name(struct spf_check *check, const struct plan *plan, char name[DOMAIN_MAX + 1],
                      size_t *out_len)
{
    struct macro_values values;
    if (!macro_fill(check, plan, plan->exp, &values))
        return false;
    *out_len = macro_domain(plan->exp, &values, name);
    return true;
}

/* RFC 7208 6.2: of one TXT record, US-ASCII, by the grammar of 7.1: what has line ends or control octets in it is not used at all. */
static bool is_usable(const struct question *txt)
{
    return txt->outcome == MW_DNS_FOUND && txt->count == 1 && txt->single.len > 0 &&
           macro_is_valid(txt->single, MACRO_IN_EXPLANATION);
}

bool check_explain(struct spf_check *check)
{
    char name[DOMAIN_MAX + 1], text[CHECK_EXPLANATION_MAX];
    struct macro_values values;
    struct plan *plan = check->explained_by;
    size_t len;
    check->halt = HALT_NONE;
    check->need_count = 0;
    if (!find_name(check, plan, name, &len))
        return false;
    const struct question *txt = answers_ask(check, SLICE(name, len), MW_DNS_STRINGS);
    if (txt == NULL)
        return false;
    if (!is_usable(txt))
        return true;
    if (!macro_fill(check, plan, txt->single, &values))
        return false;
    len = macro_explanation(txt->single, &values, text, sizeof text);
    check->verdict.explanation = pool_copy(&check->pool, SLICE(text, len));
    return true;
}
