/* check.c - one pass over the rules in file order. For each: when is everything it reads known,
 * whose affair is it, when are its actions possible, for which earlier rules must its verdict wait.
 * What follows from these answers and cannot work is an error here, at load, not a surprise later.
 *
 * Scores and tags are known as soon as the rules above that write them are settled: a score made of
 * envelope facts can be read at MAIL, one that counts words of the body only at the end. */
#include "check.h"

#include <stdio.h>

#include "list.h"

/* The verdicts above, as far as they concern those below. */
struct above {
    enum mw_stage wait[SCOPE_COUNT]; /* of that scope: latest stage */
    enum mw_stage exempt;            /* accept and discard of any scope */
    bool has_rcpt_exempt, has_message_exempt;
    const struct rule *always[SCOPE_COUNT]; /* decides everything */
};

static enum mw_stage later(enum mw_stage a, enum mw_stage b)
{
    return a > b ? a : b;
}

/* ---- scores and tags ---- */

static struct name_slot *slot_at(struct name_slot *slots, size_t index)
{
    while (index-- > 0)
        slots = slots->next;
    return slots;
}

static void note_writes(struct rules *rules, const struct rule *rule)
{
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        if (action->kind != ACT_SCORE && action->kind != ACT_TAG)
            continue;
        struct name_slot *slot = slot_at(action->kind == ACT_SCORE ? rules->scores : rules->tags,
                                         action->slot);
        slot->is_written = true;
        slot->settled = later(slot->settled,
                              rule->last == MW_STAGE_RCPT ? MW_STAGE_DATA : rule->last);
    }
}

/* When the tags or the score that `use` reads are known, given the rules above. */
static enum mw_stage written_stage(struct rules *rules, const struct field_use *use)
{
    enum mw_stage stage = MW_STAGE_MAIL;
    if (use->field->id == FIELD_SCORE)
        return later(stage, slot_at(rules->scores, use->slot)->settled);
    for (const struct name_slot *tag = rules->tags; tag != NULL; tag = tag->next)
        if (tag->is_written)
            stage = later(stage, tag->settled);
    return stage;
}

static void check_score_read(struct rules *rules, const struct field_use *use)
{
    struct name_slot *slot = slot_at(rules->scores, use->slot);
    if (use->field->id != FIELD_SCORE || slot->is_written)
        return;
    rules_error(rules, &use->place,
                "a score is read behind the rules that make it: file order counts",
                "no rule above adds to score \"%.*s\", so it is always 0", (int)slot->name.len,
                slot->name.ptr);
}

static bool is_tag_written(const struct rules *rules, struct mw_slice name)
{
    for (const struct name_slot *tag = rules->tags; tag != NULL; tag = tag->next)
        if (tag->is_written && text_eq(tag->name, name))
            return true;
    return false;
}

static void check_tag_reads(struct rules *rules, const struct node *node)
{
    if (node == NULL)
        return;
    check_tag_reads(rules, node->left);
    check_tag_reads(rules, node->right);
    const struct test *test = &node->test;
    if (node->kind == NODE_TEST && test->use->field->id == FIELD_TAG && test->op == OP_EQ &&
        !is_tag_written(rules, test->text))
        rules_error(rules, &test->place, "a tag is read behind the rules that set it",
                    "no rule above sets tag \"%.*s\"", (int)test->text.len, test->text.ptr);
}

/* A rule that does nothing but add to scores that no rule below reads is not run. */
static bool is_score_read_below(const struct rule *rule, size_t slot)
{
    for (const struct rule *below = rule->next; below != NULL; below = below->next)
        for (const struct field_use *use = below->uses; use != NULL; use = use->next)
            if (use->field->id == FIELD_SCORE && use->slot == slot)
                return true;
    return false;
}

static bool is_idle(const struct rule *rule)
{
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        if (action->kind != ACT_SCORE || is_score_read_below(rule, action->slot))
            return false;
    return true;
}

/* ---- scope ---- */

static bool has_action(const struct rule *rule, enum action_kind kind)
{
    if (rule->error_action != NULL && rule->error_action->kind == kind)
        return true;
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        if (action->kind == kind)
            return true;
    return false;
}

/* Does anything it does belong to one message, and not to a verdict or the log? */
static bool edits_message(const struct rule *rule)
{
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        if (!rules_action_word(action->kind)->is_verdict && action->kind != ACT_LOG)
            return true;
    return false;
}

struct reads {
    bool rcpt, tally;
    enum mw_stage other; /* latest stage of everything else */
};

static struct reads read_uses(const struct rule *rule)
{
    struct reads reads = {.other = rule->has_at ? rule->at : MW_STAGE_CONNECT};
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next) {
        if (use->field->flags & FLAG_TALLY)
            reads.tally = true;
        else if (use->field->flags & FLAG_RCPT && !use->is_whole)
            reads.rcpt = true;
        else
            reads.other = later(reads.other, use->stage);
    }
    return reads;
}

/* Does `rcpt.count` mean "so far", at this RCPT? Only where nothing of the message is needed. */
static bool is_tally_at_rcpt(const struct rule *rule, const struct reads *reads)
{
    return reads->tally && reads->other <= MW_STAGE_RCPT && !edits_message(rule);
}

static enum scope own_scope(const struct rule *rule, const struct reads *reads)
{
    if (has_action(rule, ACT_RCPT) || has_action(rule, ACT_RCPT_DELETE))
        return SCOPE_RCPT;
    if (reads->rcpt)
        return rule->has_verdict || !edits_message(rule) ? SCOPE_RCPT : SCOPE_MESSAGE;
    if (is_tally_at_rcpt(rule, reads) || (rule->has_at && rule->at == MW_STAGE_RCPT))
        return SCOPE_RCPT;
    if (reads->other > MW_STAGE_HELO || reads->tally || edits_message(rule) ||
        has_action(rule, ACT_DISCARD))
        return SCOPE_MESSAGE;
    return SCOPE_SESSION;
}

/* Waiting for an exemption makes a rule the affair of whom the exemption may concern. */
static enum scope scope_below(const struct rule *rule, enum scope scope, const struct above *above)
{
    if (!rule->has_verdict || rule->is_early)
        return scope;
    if (above->has_rcpt_exempt)
        return SCOPE_RCPT;
    return above->has_message_exempt && scope == SCOPE_SESSION ? SCOPE_MESSAGE : scope;
}

/* ---- stages ---- */

/* Up to a stage at which rules of the scope run. */
static enum mw_stage fit_stage(enum scope scope, enum mw_stage stage)
{
    if (scope == SCOPE_SESSION)
        return stage;
    if (scope == SCOPE_RCPT)
        return stage <= MW_STAGE_RCPT ? MW_STAGE_RCPT : MW_STAGE_END_OF_MESSAGE;
    if (stage <= MW_STAGE_MAIL)
        return MW_STAGE_MAIL;
    return stage == MW_STAGE_RCPT ? MW_STAGE_DATA : stage;
}

/* First stage at which an action is possible, if the rule can be decided at `ready`. The envelope
 * has gone upstream at DATA: what is decided later is put right at the end of the message, where
 * the proxy can replay it. */
static enum mw_stage possible_from(const struct action *action, enum mw_stage ready)
{
    switch (action->kind) {
    case ACT_HEADER_ADD:
    case ACT_HEADER_SET:
    case ACT_HEADER_DELETE:
        return MW_STAGE_END_OF_HEADERS;
    case ACT_SENDER:
        return ready <= MW_STAGE_MAIL ? MW_STAGE_MAIL : MW_STAGE_END_OF_MESSAGE;
    case ACT_RCPT_ADD:
        return ready <= MW_STAGE_DATA ? MW_STAGE_DATA : MW_STAGE_END_OF_MESSAGE;
    case ACT_RCPT:
    case ACT_RCPT_DELETE:
        return ready <= MW_STAGE_RCPT ? MW_STAGE_RCPT : MW_STAGE_END_OF_MESSAGE;
    case ACT_SCORE:
    case ACT_TAG:
    case ACT_DISCARD:
        return MW_STAGE_MAIL;
    case ACT_REJECT:
    case ACT_DEFER:
    case ACT_ACCEPT:
    case ACT_DISCONNECT:
    case ACT_LOG:
    case ACT_COUNT:
        break;
    }
    return MW_STAGE_CONNECT;
}

static enum mw_stage actions_from(const struct rule *rule, enum mw_stage ready)
{
    enum mw_stage from = MW_STAGE_CONNECT;
    for (int round = 0; round < 2; round++) /* one action may push another one back */
        for (const struct action *action = rule->actions; action != NULL; action = action->next)
            from = later(from, possible_from(action, later(ready, from)));
    return from;
}

/* Sets the stage of each use; returns the latest. */
static enum mw_stage set_use_stages(struct rules *rules, struct rule *rule)
{
    enum mw_stage ready = MW_STAGE_CONNECT;
    for (struct field_use *use = rule->uses; use != NULL; use = use->next) {
        use->stage = use->is_whole ? later(use->field->stage, MW_STAGE_DATA) : use->field->stage;
        if (use->field->id == FIELD_SCORE || use->field->id == FIELD_TAG)
            use->stage = written_stage(rules, use);
    }
    struct reads reads = read_uses(rule);
    rule->reads_rcpt = reads.rcpt || has_action(rule, ACT_RCPT);
    rule->scope = own_scope(rule, &reads);
    bool is_tally_late = reads.tally && !is_tally_at_rcpt(rule, &reads);
    for (struct field_use *use = rule->uses; use != NULL; use = use->next) {
        if (use->field->flags & FLAG_TALLY && is_tally_late)
            use->stage = MW_STAGE_DATA;
        if (use->field->flags & FLAG_RCPT && rule->scope == SCOPE_MESSAGE)
            use->stage = MW_STAGE_DATA;
        ready = later(ready, use->stage);
    }
    return ready;
}

static void check_at(struct rules *rules, const struct rule *rule, enum mw_stage ready)
{
    if (!rule->has_at || ready <= rule->at)
        return;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        if (use->stage == ready) {
            rules_error(rules, &rule->at_place, NULL,
                        "this rule can never be decided at %s: %s is known at %s",
                        rules_stage_name(rule->at), use->field->name, rules_stage_name(ready));
            return;
        }
}

static void set_stages(struct rules *rules, struct rule *rule, const struct above *above)
{
    enum mw_stage ready = set_use_stages(rules, rule);
    check_at(rules, rule, ready);
    if (rule->has_at)
        ready = later(ready, rule->at);
    rule->is_each_rcpt = rule->scope == SCOPE_MESSAGE && rule->reads_rcpt;
    rule->scope = scope_below(rule, rule->scope, above);
    enum mw_stage fires_from = actions_from(rule, ready);
    if (rule->has_at)
        fires_from = later(fires_from, rule->at);
    rule->ready = fit_stage(rule->scope, later(ready, fires_from));
    rule->fires_from = fit_stage(rule->scope, fires_from);
    rule->last = rule->ready;
    if (rule->has_verdict && !rule->is_early)
        rule->last = fit_stage(rule->scope,
                               later(rule->ready, later(above->exempt, above->wait[rule->scope])));
}

/* ---- what the rule means for those below ---- */

static bool is_observed_for_good(const struct rule *rule)
{
    return rule->observe_percent >= 100 && rule->observe_until == 0;
}

static void note_verdict(struct above *above, const struct rule *rule)
{
    if (!rule->has_verdict || is_observed_for_good(rule))
        return;
    above->wait[rule->scope] = later(above->wait[rule->scope], rule->last);
    if (rule->is_exemption) {
        above->exempt = later(above->exempt, rule->last);
        above->has_rcpt_exempt |= rule->scope == SCOPE_RCPT;
        above->has_message_exempt |= rule->scope == SCOPE_MESSAGE;
    }
    if (rule->condition->kind == NODE_ALWAYS && rule->verdict != NULL &&
        rule->observe_percent == 0 && above->always[rule->scope] == NULL)
        above->always[rule->scope] = rule;
}

/* Everything is decided above: for the recipient by its own rules or the message's, and so on. */
static void check_reachable(struct rules *rules, const struct rule *rule, const struct above *above)
{
    for (unsigned scope = 0; scope <= (unsigned)rule->scope; scope++) {
        const struct rule *always = above->always[scope];
        bool is_passed = always != NULL && ((rule->has_verdict && scope == (unsigned)rule->scope) ||
                                            always->last <= rule->ready);
        if (!is_passed || rule->is_early)
            continue;
        rules_error(rules, &rule->place, NULL,
                    "rule \"%s\" can never be reached: \"%s\" (%.*s) decides always",
                    rule->name_text, always->name_text, (int)always->where.len, always->where.ptr);
        return;
    }
}

/* ---- conditions that cannot hold ---- */

static bool is_contradiction(const struct test *a, const struct test *b)
{
    bool is_single = !(a->use->field->flags & FLAG_MANY) && !a->use->is_whole;
    bool is_plain = a->op == OP_EQ && b->op == OP_EQ && !a->is_negated && !b->is_negated;
    if (!is_single || !is_plain || a->use->field != b->use->field ||
        !text_eq(a->use->arg, b->use->arg) || a->use->slot != b->use->slot ||
        a->use->field->type == TYPE_IP)
        return false;
    return type_is_number(a->use->field->type) ? a->number != b->number
                                               : !rules_text_ieq(a->text, b->text);
}

/* `first` and every test that must hold together with it. */
static void check_against(struct rules *rules, const struct test *first, const struct node *node)
{
    if (node->kind == NODE_AND) {
        check_against(rules, first, node->left);
        check_against(rules, first, node->right);
    } else if (node->kind == NODE_TEST && is_contradiction(first, &node->test)) {
        rules_error(rules, &node->test.place, "write `or`, or `in ( ... )`",
                    "this rule can never fire: %s cannot have two values at once",
                    first->use->field->name);
    }
}

static void check_and_leaves(struct rules *rules, const struct node *leaf,
                             const struct node *others)
{
    if (leaf->kind == NODE_AND) {
        check_and_leaves(rules, leaf->left, others);
        check_and_leaves(rules, leaf->right, others);
    } else if (leaf->kind == NODE_TEST) {
        check_against(rules, &leaf->test, others);
    }
}

static void check_contradictions(struct rules *rules, const struct node *node)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_AND)
        check_and_leaves(rules, node->left, node->right);
    check_contradictions(rules, node->left);
    check_contradictions(rules, node->right);
}

/* ---- names ---- */

static void check_names(struct rules *rules)
{
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        for (const struct rule *other = rules->rules; other != rule; other = other->next) {
            if (!text_eq(rule->name, other->name))
                continue;
            rules_error(rules, &rule->place, "names are what logs, counters and tests speak of",
                        "rule \"%s\" is there already (%.*s)", rule->name_text,
                        (int)other->where.len, other->where.ptr);
            break;
        }
}

static void check_expects(struct rules *rules)
{
    for (const struct test_block *test = rules->tests; test != NULL; test = test->next)
        for (const struct expect *expect = test->expects; expect != NULL; expect = expect->next) {
            const struct rule *rule = rules->rules;
            while (rule != NULL && !text_eq(rule->name, expect->rule))
                rule = rule->next;
            if (expect->rule.len > 0 && rule == NULL)
                rules_error(rules, &expect->place, NULL, "there is no rule \"%.*s\"",
                            (int)expect->rule.len, expect->rule.ptr);
        }
}

void rules_check(struct rules *rules)
{
    struct above above = {.has_rcpt_exempt = false};
    check_names(rules);
    check_expects(rules);
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
            check_score_read(rules, use);
        check_tag_reads(rules, rule->condition);
        check_contradictions(rules, rule->condition);
        rule->is_idle = is_idle(rule);
        rule->is_exemption = has_action(rule, ACT_ACCEPT) || has_action(rule, ACT_DISCARD);
        set_stages(rules, rule, &above);
        check_reachable(rules, rule, &above);
        note_verdict(&above, rule);
        note_writes(rules, rule);
    }
    for (const struct list *list = rules->lists; list != NULL; list = list->next)
        if (!list->is_used)
            rules_warning(rules, &list->place, NULL, "list \"%.*s\" is never used",
                          (int)list->name.len, list->name.ptr);
    rules_plan(rules);
}
