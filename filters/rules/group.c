/* group.c - a recipient's policy group. Under `mixed-verdict split` (mailweir.conf(5)) the proxy lets
 * recipients into one transaction only if they are of one group, so that a refusal at the end of the
 * message is the same for all of them and can be told in the one reply that there is.
 *
 * Two recipients are of one group if everything that is still open about them is the same: each rule
 * that may refuse one of them at the end is reduced by what is known at RCPT, and what is left of it is
 * the same for both. A digest of these rests names the group. */
#include "plan.h"
#include "subject.h"

struct digest {
    uint64_t value; /* FNV-1a */
};

static void feed(struct digest *digest, char c)
{
    digest->value = (digest->value ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}

/* What is left of a condition when all that is known at RCPT has been filled in. */
static void feed_rest(struct subject *subject, struct digest *digest, const struct node *node)
{
    subject->captured = NULL;
    subject->held_count = 0;
    enum truth truth = rules_eval(subject, node);
    feed(digest, "ftue"[truth]);
    if (truth != TRUTH_UNKNOWN)
        return;
    if (node->kind == NODE_AND || node->kind == NODE_OR || node->kind == NODE_NOT)
        feed_rest(subject, digest, node->left);
    if (node->kind == NODE_AND || node->kind == NODE_OR)
        feed_rest(subject, digest, node->right);
}

/* The rules are looked at as for questions to lists: nothing is counted, and what waits for other
 * rules is open. */
static uint64_t rest_of_rules(struct subject *subject)
{
    const struct rules *rules = subject->rules;
    struct digest digest = {UINT64_C(0xcbf29ce484222325)};
    subject->is_dry = true;
    for (size_t i = 0; i < rules->group_rule_count; i++) {
        const struct rule *rule = rules->group_rules[i];
        if (rules_is_settled(subject, rule))
            feed(&digest, 'f');
        else
            feed_rest(subject, &digest, rule->condition);
    }
    subject->is_dry = false;
    return digest.value;
}

struct mw_slice rules_rcpt_group(struct subject *subject, char room[GROUP_NAME_MAX])
{
    struct builder out = {.ptr = room, .cap = GROUP_NAME_MAX};
    if (rules_rcpt_marks(subject, subject->rcpt)->is_decided)
        builder_put(&out, LIT("accepted"));
    else
        builder_putf(&out, "%016llx", (unsigned long long)rest_of_rules(subject));
    return SLICE(room, out.len);
}

/* ---- while loading ---- */

static bool may_refuse_late(const struct rule *rule)
{
    bool is_observed = rule->observe_percent >= 100 && rule->observe_until == 0;
    return rule->scope == SCOPE_RCPT && rule->last > MW_STAGE_RCPT && rule->has_verdict &&
           !is_observed;
}

void rules_plan_groups(struct rules *rules)
{
    rules->group_rules = rules_keep(rules, (rules->late_rcpt_count + 1) * sizeof(struct rule *));
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        if (rule->is_idle || !may_refuse_late(rule))
            continue;
        rules->has_groups = true;
        if (rule->reads_rcpt) /* the others are the same for all who are not accepted */
            rules->group_rules[rules->group_rule_count++] = rule;
    }
    if (rules->group_rule_count > 0)
        rules->wants |= MW_STAGE_BIT(MW_STAGE_RCPT);
}
