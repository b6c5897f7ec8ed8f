#include "policy.h"

static const struct exception *find_exception(const struct settings *settings,
                                              const struct finding *finding)
{
    const struct spf_verdict *verdict = &finding->verdict;
    for (size_t i = 0; i < settings->exception_count; i++) {
        const struct exception *exception = &settings->exceptions[i];
        if ((exception->results >> verdict->result & 1) != 0 && verdict->domain.len > 0 &&
            domain_fits(&exception->domain, verdict->domain))
            return exception;
    }
    return NULL;
}

/* `on-domain` is about the domains that mail claims to be from: a HELO is none of them. */
struct choice policy_choice(const struct settings *settings, const struct finding *finding,
                            bool would)
{
    enum spf_result result = finding->verdict.result;
    if (finding->identity == IDENTITY_HELO && settings->helo_check != HELO_REJECT)
        return (struct choice){.action = ACTION_ADD_HEADER, .where = EMPTY};
    const struct exception *exception = finding->identity == IDENTITY_MAILFROM
                                            ? find_exception(settings, finding)
                                            : NULL;
    if (exception != NULL)
        return exception->choice;
    return would ? settings->would[finding->identity][result]
                 : settings->acts[finding->identity][result];
}

struct decision policy_decide(const struct settings *settings, const struct finding *findings,
                              size_t count, bool would)
{
    struct decision decision = {.finding = NULL, .action = ACTION_PASS, .where = EMPTY};
    for (size_t i = 0; i < count; i++) {
        struct choice choice = policy_choice(settings, &findings[i], would);
        if (decision.finding == NULL || choice.action > decision.action)
            decision = (struct decision){&findings[i], choice.action, choice.where};
    }
    return decision;
}

struct decision policy_forwarded(struct decision decision, enum spf_result result)
{
    if (result == SPF_PASS && decision.action > ACTION_ADD_HEADER)
        decision.action = ACTION_ADD_HEADER;
    if (result == SPF_TEMPERROR && decision.action == ACTION_REJECT)
        decision.action = ACTION_DEFER;
    return decision;
}
