/* trigger.c - which rules need not be looked at because a pattern that they need cannot match.
 *
 * A trigger is a test that has to hold for the whole condition to hold (on the path of `and`s from
 * the top, and of groups for which any thing will do), a pattern over a field's values that has
 * literals. Where the literals are not in the mail, the rule is false without a look at it, exactly
 * as if it had been evaluated: then it is settled. That is why later stages look at it only if it was
 * looked at when its trigger became known (plan.h: fresh, carried). */
#include <stdlib.h>

#include "plan.h"
#include "regex.h"

enum { INDEX_MIN = 4 };

/* ---- indexes ---- */

/* Patterns that the index has found nothing to look for in: candidates without any text. */
static void drop_always(struct source *source)
{
    rules_index_scan_begin(source->scan);
    for (size_t i = 0; i < source->pattern_count; i++)
        if (source->patterns[i].id != NO_ID &&
            rules_index_is_candidate(source->scan, source->patterns[i].id))
            source->patterns[i].id = NO_ID;
}

static void build_index(struct source *source)
{
    size_t count = 0;
    for (size_t i = 0; i < source->pattern_count; i++)
        count += rules_regex_literals(source->patterns[i].regex) != NULL;
    if (count < INDEX_MIN)
        return;
    source->index = rules_index_new();
    source->pattern_of_id = calloc(count, sizeof *source->pattern_of_id);
    if (source->pattern_of_id == NULL)
        abort();
    for (size_t i = 0; i < source->pattern_count; i++) {
        struct pattern *pattern = &source->patterns[i];
        const struct literals *literals = rules_regex_literals(pattern->regex);
        if (literals == NULL)
            continue;
        pattern->id = rules_index_add(source->index, literals);
        source->pattern_of_id[pattern->id] = (uint32_t)i;
    }
    rules_index_finish(source->index);
    source->scan = rules_index_scan_new(source->index);
    drop_always(source);
}

void rules_triggers_free(struct rules *rules)
{
    for (struct source *source = rules->sources; source != NULL; source = source->next) {
        rules_index_scan_free(&source->scan);
        rules_index_free(&source->index);
        free(source->pattern_of_id);
        source->pattern_of_id = NULL;
    }
}

/* ---- triggers ---- */

static bool can_trigger(const struct test *test)
{
    return test->op == OP_MATCH && !test->is_negated && test->quantifier == FOR_ANY &&
           test->use->source != NULL && test->pattern != NO_PATTERN &&
           test->use->source->patterns[test->pattern].id != NO_ID;
}

/* The one that is known first: the sooner a rule is settled, the better. */
static struct test *trigger_in(struct node *node)
{
    if (node->kind == NODE_TEST)
        return can_trigger(&node->test) ? &node->test : NULL;
    if (node->kind == NODE_GROUP)
        return node->quantifier == FOR_ANY ? trigger_in(node->left) : NULL;
    if (node->kind != NODE_AND)
        return NULL;
    struct test *left = trigger_in(node->left), *right = trigger_in(node->right);
    if (left == NULL || right == NULL)
        return left ? left : right;
    return right->use->stage < left->use->stage ? right : left;
}

/* What a recipient's rule says at the end of the message, and a message's rule of each recipient,
 * changes from one recipient to the next: such a pattern triggers only where there is one. */
static bool is_steady(const struct rule *rule)
{
    return rule->trigger->use->source->depends != ON_RCPT ||
           (rule->scope == SCOPE_RCPT && rule->last == MW_STAGE_RCPT);
}

static void choose(struct rule *rule)
{
    rule->trigger = rule->is_idle ? NULL : trigger_in(rule->condition);
    if (rule->trigger != NULL && !is_steady(rule))
        rule->trigger = NULL;
    rule->triggered = MW_STAGE_COUNT;
    if (rule->trigger == NULL)
        return;
    struct pattern *pattern = &rule->trigger->use->source->patterns[rule->trigger->pattern];
    rule->next_triggered = pattern->triggers;
    pattern->triggers = rule;
}

/* Is this the stage for the trigger's first word? Recipients' rules that run twice have theirs at
 * the second run; an exemption in the way of recipients is no more than looked at there. */
static bool is_fresh_at(const struct rule *rule, enum mw_stage stage)
{
    if (rule->trigger->use->stage > stage)
        return false;
    if (stage == MW_STAGE_RCPT)
        return rule->scope == SCOPE_RCPT && rule->last == MW_STAGE_RCPT;
    return true;
}

static void place(struct rules *rules, struct rule *rule)
{
    for (unsigned stage = 0; stage < STAGES; stage++) {
        struct stage_plan *plan = rules->plans[stage];
        if (!bit_is_set(plan->always, rule->number))
            continue;
        if (rule->triggered == MW_STAGE_COUNT && !is_fresh_at(rule, (enum mw_stage)stage))
            continue;
        bit_clear(plan->always, rule->number);
        if (rule->triggered == MW_STAGE_COUNT) {
            bit_set(plan->fresh, rule->number);
            rule->triggered = (enum mw_stage)stage;
        } else {
            bit_set(plan->carried, rule->number);
        }
    }
}

/* ---- the sources of a stage, in the order in which their first rules stand ---- */

static int by_from(const void *a, const void *b)
{
    const struct source *const *left = a, *const *right = b;
    return ((*left)->from > (*right)->from) - ((*left)->from < (*right)->from);
}

static void gather(struct rules *rules, struct stage_plan *plan)
{
    for (struct source *source = rules->sources; source != NULL; source = source->next)
        source->from = UINT32_MAX;
    for (size_t i = 0; (i = bit_next(plan->fresh, rules->words, i)) != SIZE_MAX; i++) {
        struct source *source = rules->by_number[i]->trigger->use->source;
        plan->source_count += source->from == UINT32_MAX;
        if (source->from > i)
            source->from = (uint32_t)i;
    }
    plan->sources = rules_keep(rules, (plan->source_count + 1) * sizeof(struct source *));
    plan->source_from = rules_keep(rules, (plan->source_count + 1) * sizeof(uint32_t));
    size_t count = 0;
    for (struct source *source = rules->sources; source != NULL; source = source->next)
        if (source->from != UINT32_MAX)
            plan->sources[count++] = source;
    if (count > 0)
        qsort(plan->sources, count, sizeof(struct source *), by_from);
    for (size_t i = 0; i < count; i++)
        plan->source_from[i] = plan->sources[i]->from;
}

void rules_plan_triggers(struct rules *rules)
{
    if (!rules->has_index)
        return;
    for (struct source *source = rules->sources; source != NULL; source = source->next)
        build_index(source);
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        choose(rule);
        if (rule->trigger != NULL)
            place(rules, rule);
    }
    for (unsigned stage = 0; stage < STAGES; stage++)
        gather(rules, rules->plans[stage]);
}
