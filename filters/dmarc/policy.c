/* policy.c - see policy.h. */
#include "policy.h"

#include <stdio.h>

void policy_see(struct judgement *judgement, const bool is_silent[METHOD_COUNT])
{
    if (judgement->result != DMARC_FAIL || !(is_silent[METHOD_SPF] || is_silent[METHOD_DKIM]))
        return;
    judgement->result = DMARC_PERMERROR;
    judgement->is_blind = true;
    snprintf(judgement->problem, sizeof judgement->problem, "no result of %s for this message",
             !is_silent[METHOD_SPF]    ? "dkim"
             : !is_silent[METHOD_DKIM] ? "spf"
                                       : "spf and dkim");
}

/* False: nothing that could be acted upon. */
static bool outcome_of(const struct judgement *judgement, enum outcome *out)
{
    switch (judgement->result) {
    case DMARC_FAIL:
        *out = judgement->policy == POLICY_REJECT       ? OUTCOME_REJECT
               : judgement->policy == POLICY_QUARANTINE ? OUTCOME_QUARANTINE
                                                        : OUTCOME_NONE;
        return true;
    case DMARC_TEMPERROR:
        *out = OUTCOME_TEMPERROR;
        return true;
    case DMARC_PERMERROR:
        *out = OUTCOME_PERMERROR;
        return true;
    case DMARC_NONE:
    case DMARC_PASS:
    case DMARC_RESULTS:
        break;
    }
    return false;
}

static const struct exception *find_exception(const struct settings *settings,
                                              struct mw_slice domain, enum outcome outcome)
{
    for (size_t i = 0; i < settings->exception_count; i++) {
        const struct exception *exception = &settings->exceptions[i];
        if ((exception->outcomes >> outcome & 1) != 0 && domain_fits(&exception->domain, domain))
            return exception;
    }
    return NULL;
}

struct decision policy_decide(const struct settings *settings, const struct judgement *judgement,
                              const char *client)
{
    struct decision decision = {
        .action = ACTION_ADD_HEADER, .would = ACTION_ADD_HEADER, .rule = "profile", .where = EMPTY};
    enum outcome outcome;
    if (!outcome_of(judgement, &outcome))
        return decision;
    bool is_fail = judgement->result == DMARC_FAIL || judgement->is_blind;
    if (is_fail && client != NULL && networks_have(&settings->forwarders, client)) {
        decision.rule = "forwarders";
        decision.is_forwarded = true;
        return decision;
    }
    const struct exception *exception = find_exception(settings, judgement->domain, outcome);
    if (exception != NULL) {
        decision.action = decision.would = exception->choice.action;
        decision.rule = "on-domain";
        decision.where = exception->choice.where;
        return decision;
    }
    decision.action = settings->acts[outcome].action;
    decision.would = settings->would[outcome].action;
    decision.where = settings->acts[outcome].where;
    if (decision.where.len > 0)
        decision.rule = "on";
    else
        decision.where = settings->profile_where;
    return decision;
}

struct decision policy_spare(const struct settings *settings, struct decision decision)
{
    if (decision.action < ACTION_QUARANTINE && decision.would < ACTION_QUARANTINE)
        return decision;
    if (decision.action >= ACTION_QUARANTINE)
        decision.action = ACTION_ADD_HEADER;
    decision.would = decision.action;
    decision.rule = "skip-recipients";
    decision.where = settings->recipients_where;
    return decision;
}

/* ---- replies ---- */

struct reply policy_reply(const struct judgement *judgement, enum action action, bool both_failed,
                          char out[POLICY_REPLY_MAX])
{
    struct builder text = {.ptr = out, .cap = POLICY_REPLY_MAX};
    bool is_fail = judgement->result == DMARC_FAIL;
    struct reply reply = {.code = action == ACTION_DEFER ? 451 : 550,
                          .dsn = action == ACTION_DEFER ? "4.7.1" : "5.7.1"};
    if (is_fail && both_failed)
        reply.dsn = action == ACTION_DEFER ? "4.7.26" : "5.7.26";
    if (is_fail) {
        builder_put(&text, LIT("DMARC: mail from "));
        builder_put(&text, judgement->domain);
        builder_put(&text, LIT(" needs SPF or DKIM of that domain, and this has neither"));
    } else {
        builder_put(&text, judgement->result == DMARC_TEMPERROR
                               ? LIT("DMARC: the sender cannot be judged now")
                               : LIT("DMARC: the sender cannot be judged"));
        if (judgement->problem[0] != '\0')
            builder_putf(&text, ": %s", judgement->problem);
    }
    reply.text = SLICE(out, text.len);
    return reply;
}
