/* stages.c - when rules can come to something, and the plan that follows from it: per stage the
 * rules to look at, and the stages that are worth a call. A set that reads envelope and header only
 * never asks for the end of the message, so that mail streams. */
#include "check.h"
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

static void plan_stage(struct rules *rules, enum mw_stage stage)
{
    size_t count = 0;
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        count += belongs_at(rule, stage);
    struct rule **list = rules_keep(rules, (count + 1) * sizeof(struct rule *));
    rules->at_stage[stage] = list;
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        if (belongs_at(rule, stage))
            *list++ = rule;
}

void rules_plan(struct rules *rules)
{
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        if (rule->is_idle)
            continue;
        rule->from = first_settling_stage(rule);
        rule->wants = wanted_stages(rule);
        rule->index = rules->count[rule->scope]++;
        rules->wants |= rule->wants;
        rules->late_rcpt_count += rule->scope == SCOPE_RCPT && rule->last > MW_STAGE_RCPT;
    }
    for (unsigned stage = 0; stage < STAGES; stage++)
        plan_stage(rules, (enum mw_stage)stage);
}
