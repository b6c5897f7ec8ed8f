/* stages.c - when rules can come to something, and the plan that follows from it: per stage the
 * rules to look at, and the stages that are worth a call. A set that reads envelope and header only
 * never asks for the end of the message, so that mail streams. */
#include "check.h"
#include "plan.h"
#include "subject.h"

enum { CAN_FALSE = 1u << TRUTH_FALSE, CAN_TRUE = 1u << TRUTH_TRUE, CAN_WAIT = 1u << TRUTH_UNKNOWN };

static unsigned swap(unsigned set)
{
    return (set & CAN_WAIT) | (set & CAN_FALSE ? CAN_TRUE : 0u) | (set & CAN_TRUE ? CAN_FALSE : 0u);
}

/* `decisive` on either side settles; otherwise the whole waits if either side may. */
static unsigned combine(unsigned left, unsigned right, unsigned decisive, unsigned other)
{
    unsigned set = (left | right) & decisive;
    if (left & right & other)
        set |= other;
    if ((left & CAN_WAIT && right & (CAN_WAIT | other)) ||
        (right & CAN_WAIT && left & (CAN_WAIT | other)))
        set |= CAN_WAIT;
    return set;
}

static unsigned group_possible(const struct node *node, enum mw_stage stage)
{
    if (rules_group_stage(node->group) > stage)
        return CAN_WAIT;
    unsigned inner = rules_possible(node->left, stage);
    if (node->quantifier == FOR_ANY) /* there may be nothing of it */
        return inner | CAN_FALSE;
    return node->quantifier == FOR_ALL ? inner | CAN_TRUE : swap(inner | CAN_FALSE);
}

unsigned rules_possible(const struct node *node, enum mw_stage stage)
{
    switch (node->kind) {
    case NODE_TEST:
        return node->test.use->stage <= stage ? CAN_FALSE | CAN_TRUE : CAN_WAIT;
    case NODE_NOT:
        return swap(rules_possible(node->left, stage));
    case NODE_AND:
        return combine(rules_possible(node->left, stage), rules_possible(node->right, stage),
                       CAN_FALSE, CAN_TRUE);
    case NODE_OR:
        return combine(rules_possible(node->left, stage), rules_possible(node->right, stage),
                       CAN_TRUE, CAN_FALSE);
    case NODE_GROUP:
        return group_possible(node, stage);
    case NODE_RATE:
        return node->rate->stage <= stage ? CAN_FALSE | CAN_TRUE : CAN_WAIT;
    case NODE_ALWAYS:
        break;
    }
    return CAN_TRUE;
}

/* The stages at which rules of a scope are looked at. */
static const uint32_t scope_stages[SCOPE_COUNT] = {
    [SCOPE_SESSION] = MW_STAGE_BIT(MW_STAGE_CONNECT) | MW_STAGE_BIT(MW_STAGE_HELO),
    [SCOPE_MESSAGE] = MW_STAGE_BIT(MW_STAGE_MAIL) | MW_STAGE_BIT(MW_STAGE_DATA) |
                      MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE),
    [SCOPE_RCPT] = MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE),
};

/* Does the rule know more at `stage` than at `before`, the stage at which it was looked at last
 * (-1: none)? */
static bool has_news(const struct rule *rule, int before, int stage)
{
    bool has = (int)rule->fires_from > before && (int)rule->fires_from <= stage;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        has |= (int)use->stage > before && (int)use->stage <= stage;
    return has;
}

/* A verdict is worth a call wherever it may fall; everything else only at its last stage. */
static uint32_t wanted_stages(const struct rule *rule)
{
    uint32_t wants = MW_STAGE_BIT(rule->last);
    if (!rule->has_verdict)
        return wants;
    int before = -1;
    for (int stage = 0; stage < (int)rule->last; stage++) {
        if (!(scope_stages[rule->scope] & MW_STAGE_BIT(stage)))
            continue;
        if (stage >= (int)rule->fires_from && has_news(rule, before, stage) &&
            rules_possible(rule->condition, (enum mw_stage)stage) & CAN_TRUE)
            wants |= MW_STAGE_BIT(stage);
        before = stage;
    }
    return wants;
}

/* Stages before the end of the message at which the rule may turn out not to hold, up to `until`. */
static uint32_t clearing_stages(const struct rule *rule, enum mw_stage until)
{
    uint32_t stages = 0;
    int before = -1;
    for (int stage = 0; stage < (int)rule->last && stage <= (int)until; stage++) {
        if (!(scope_stages[rule->scope] & MW_STAGE_BIT(stage)))
            continue;
        if (stage >= (int)rule->from && has_news(rule, before, stage) &&
            rules_possible(rule->condition, (enum mw_stage)stage) & CAN_FALSE)
            stages |= MW_STAGE_BIT(stage);
        before = stage;
    }
    return stages;
}

/* A verdict that others wait for is worth a call, too, where it may clear the way for one below that
 * is ready before the end. From the last rule up: which scopes have such below. */
static void want_clearing_stages(struct rules *rules)
{
    bool waits[SCOPE_COUNT] = {false};
    for (size_t i = rules->rule_count; i-- > 0;) {
        struct rule *rule = rules->by_number[i];
        if (rule->is_idle || !rule->has_verdict)
            continue;
        bool others = rule->is_exemption && (waits[SCOPE_SESSION] || waits[SCOPE_MESSAGE]);
        enum mw_stage until = waits[rule->scope] || others              ? MW_STAGE_END_OF_HEADERS
                              : rule->is_exemption && waits[SCOPE_RCPT] ? MW_STAGE_RCPT
                                                                        : MW_STAGE_CONNECT;
        if (rule->observe_percent == 0 && until > MW_STAGE_CONNECT)
            rule->wants |= clearing_stages(rule, until);
        waits[rule->scope] |= !rule->is_early && rule->ready < rule->last;
    }
}

static enum mw_stage first_settling_stage(const struct rule *rule)
{
    for (unsigned stage = 0; stage < (unsigned)rule->last; stage++)
        if (rules_possible(rule->condition, (enum mw_stage)stage) & (CAN_FALSE | CAN_TRUE))
            return (enum mw_stage)stage;
    return rule->last;
}

static bool is_message_exemption(const struct rule *rule)
{
    return rule->scope == SCOPE_MESSAGE && rule->is_exemption && rule->last > MW_STAGE_RCPT;
}

/* Has it work at the stage, or does it hold back others there? */
static bool belongs_at(const struct rule *rule, enum mw_stage stage)
{
    if (rule->is_idle || stage > rule->last)
        return false;
    if (stage == MW_STAGE_RCPT && is_message_exemption(rule))
        return true;
    return (scope_stages[rule->scope] & MW_STAGE_BIT(stage)) &&
           (rule->has_verdict || stage >= rule->from);
}

/* ---- the plan of a stage ---- */

/* A verdict that is open at this stage for certain. */
static bool holds_up(const struct rule *rule, enum mw_stage stage)
{
    return rule->has_verdict && rule->observe_percent == 0 && stage < rule->from;
}

/* It could only find out that it must wait, and nobody waits for it who does not already. */
static bool waits_for_certain(const struct stage_plan *plan, const struct rule *rule)
{
    return rule->has_verdict && !rule->is_early && !rule->is_exemption &&
           (rule->number > plan->all_wait_from || rule->number > plan->waits_from[rule->scope]);
}

static void plan_rule(struct stage_plan *plan, struct rule *rule, enum mw_stage stage)
{
    if (!belongs_at(rule, stage))
        return;
    if (holds_up(rule, stage)) {
        if (plan->waits_from[rule->scope] == UINT32_MAX)
            plan->waits_from[rule->scope] = rule->number;
        if (rule->is_exemption && plan->all_wait_from == UINT32_MAX)
            plan->all_wait_from = rule->number;
    } else if (!waits_for_certain(plan, rule)) {
        bit_set(plan->all, rule->number);
        bit_set(plan->always, rule->number);
        plan->asks |= rule->asks;
    }
}

static void plan_stage(struct rules *rules, enum mw_stage stage)
{
    struct stage_plan *plan = rules_keep(rules, sizeof *plan);
    size_t size = rules->words * sizeof(uint64_t);
    rules->plans[stage] = plan;
    plan->all = rules_keep(rules, size);
    plan->always = rules_keep(rules, size);
    plan->fresh = rules_keep(rules, size);
    plan->carried = rules_keep(rules, size);
    plan->all_wait_from = UINT32_MAX;
    for (unsigned scope = 0; scope < SCOPE_COUNT; scope++)
        plan->waits_from[scope] = UINT32_MAX;
    if (!(rules->wants & MW_STAGE_BIT(stage)))
        return;
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        plan_rule(plan, rule, stage);
}

void rules_plan(struct rules *rules)
{
    rules->words = rules->rule_count / 64 + 1;
    rules->visit = rules_keep(rules, rules->words * sizeof *rules->visit);
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        if (rule->is_idle)
            continue;
        rule->from = first_settling_stage(rule);
        if (rule->has_at) /* it holds the no back as well as the yes */
            rule->from = later(rule->from, rule->at);
        rule->wants = wanted_stages(rule);
        rules->scope_count[rule->scope]++;
        rules->late_rcpt_count += rule->scope == SCOPE_RCPT && rule->last > MW_STAGE_RCPT;
    }
    want_clearing_stages(rules);
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        rules->wants |= rule->wants;
    rules_plan_groups(rules);
    for (unsigned stage = 0; stage < STAGES; stage++)
        plan_stage(rules, (enum mw_stage)stage);
    rules_plan_triggers(rules);
}
