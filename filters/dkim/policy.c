/* policy.c - see policy.h. */
#include "policy.h"

static bool has_temperror(const struct dkim_check *check)
{
    for (size_t i = 0; check != NULL && i < dkim_check_count(check); i++)
        if (dkim_check_verdict(check, i)->result == DKIM_TEMPERROR)
            return true;
    return false;
}

static bool has_author(const struct dkim_check *check)
{
    size_t passing[DKIM_SIGNATURES_MAX];
    return check != NULL && dkim_check_having(check, DKIM_PASS, passing) > 0 &&
           dkim_check_verdict(check, passing[0])->is_author;
}

/* Where a signature is required and none is good enough: later, if one may be good then. */
static enum action required(const struct settings *settings, const struct dkim_check *check,
                            const struct decision *decision)
{
    bool is_met = settings->require == REQUIRE_OFF ||
                  (decision->result == DKIM_PASS &&
                   (settings->require == REQUIRE_ANY || has_author(check)));
    if (is_met)
        return ACTION_PASS;
    return has_temperror(check) ? ACTION_DEFER : ACTION_REJECT;
}

struct decision policy_decide(const struct settings *settings, const struct dkim_check *check)
{
    struct decision decision = {.result = DKIM_NONE};
    if (check != NULL) {
        decision.verdict = *dkim_check_verdict(check, dkim_check_best(check));
        decision.result = decision.verdict.result;
    }
    struct choice choice = settings->acts[decision.result];
    enum action demand = required(settings, check, &decision);
    decision.action = decision.would = choice.action;
    decision.where = choice.where;
    if (demand <= choice.action)
        return decision;
    decision.is_unmatched = decision.result == DKIM_PASS;
    decision.would = demand;
    if (settings->profile == PROFILE_ENFORCE) {
        decision.action = demand;
        decision.where = settings->require_where;
    }
    return decision;
}

/* " (example.net: the signature is bad)" */
static void put_reason(struct builder *out, const struct dkim_verdict *verdict)
{
    if (verdict->problem == NULL)
        return;
    builder_put(out, LIT(" ("));
    builder_put(out, verdict->domain);
    builder_put(out, verdict->domain.len > 0 ? LIT(": ") : EMPTY);
    builder_put(out, slice_of(verdict->problem));
    builder_put(out, LIT(")"));
}

struct reply policy_reply(const struct decision *decision, enum action action,
                          char out[POLICY_TEXT_MAX])
{
    struct builder text = {.ptr = out, .cap = POLICY_TEXT_MAX};
    struct reply reply = {.code = action == ACTION_REJECT ? 550 : 451};
    bool is_good = decision->result == DKIM_PASS;
    if (decision->result == DKIM_TEMPERROR || (action == ACTION_DEFER && decision->is_unmatched)) {
        reply.dsn = action == ACTION_REJECT ? "5.7.5" : "4.7.5"; /* RFC 6376 6.3 */
        builder_put(&text, LIT("Unable to verify signature - key server unavailable"));
    } else if (is_good && decision->is_unmatched) {
        reply.dsn = action == ACTION_REJECT ? "5.7.22" : "4.7.22";
        builder_put(&text, LIT("No valid author-matched DKIM signature found"));
    } else if (is_good || decision->result == DKIM_POLICY) {
        reply.dsn = action == ACTION_REJECT ? "5.7.21" : "4.7.21";
        builder_put(&text, LIT("No acceptable DKIM signature found"));
    } else {
        reply.dsn = action == ACTION_REJECT ? "5.7.20" : "4.7.20";
        builder_put(&text, LIT("No passing DKIM signature found"));
    }
    if (!is_good)
        put_reason(&text, &decision->verdict);
    reply.text = SLICE(text.ptr, text.len);
    return reply;
}
