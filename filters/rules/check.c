/* check.c - one pass over the rules in file order. For each: when is everything it reads known,
 * whose affair is it, when are its actions possible, for which earlier rules must its verdict wait.
 * What follows from these answers and cannot work is an error here, at load, not a surprise later.
 *
 * What rules write and others read (scores, header fields) is in writes.c. */
#include "check.h"

#include "list.h"
#include "values.h"

/* The verdicts above, as far as they concern those below. */
struct above {
    enum mw_stage wait[SCOPE_COUNT]; /* of that scope: latest stage */
    enum mw_stage exempt;            /* accept and discard of any scope */
    bool has_rcpt_exempt, has_message_exempt;
    const struct rule *always[SCOPE_COUNT]; /* decides everything */
    struct written written;                 /* writes.c */
};

/* ---- where values come from ---- */

static void connect_test(struct rules *rules, struct rule *rule, struct test *test)
{
    test->pattern = NO_PATTERN;
    rule->has_patterns |= test->op == OP_MATCH;
    if (test->op == OP_MATCH && test->use->source != NULL)
        test->pattern = rules_source_pattern(test->use->source, test->regex);
    if (test->op == OP_IN && test->list != NULL && rules_list_is_slow(test->list))
        rule->asks = true;
    if (test->op == OP_EQ && test->use->is_folded) /* so that any spelling may be written */
        test->text = rules_keep_text(rules, rules->host->fold(test->text, rules_room, rules));
}

static void connect_node(struct rules *rules, struct rule *rule, struct node *node)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_TEST)
        connect_test(rules, rule, &node->test);
    connect_node(rules, rule, node->left);
    connect_node(rules, rule, node->right);
}

static void connect(struct rules *rules, struct rule *rule)
{
    for (struct field_use *use = rule->uses; use != NULL; use = use->next) {
        use->source = rules_source(rules, use);
        rule->asks |= use->set != NULL;
        if (!rule->is_idle)
            rules->content_needs |= rules_field_needs(use->field);
    }
    connect_node(rules, rule, rule->condition);
    rules_order_sides(rule);
}

static void set_rates(const struct rule *rule, struct node *node)
{
    if (node == NULL)
        return;
    set_rates(rule, node->left);
    set_rates(rule, node->right);
    if (node->kind != NODE_RATE)
        return;
    node->rate->scope = rule->is_each_rcpt ? SCOPE_RCPT : rule->scope;
    for (const struct piece *piece = node->rate->key->pieces; piece != NULL; piece = piece->next)
        if (piece->use != NULL)
            node->rate->stage = later(node->rate->stage, piece->use->stage);
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
        if (!rules_action_word(action->kind)->is_verdict && action->kind != ACT_LOG &&
            action->kind != ACT_DELAY)
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
    /* what is known once there is a recipient (spf.result) is answered there */
    if (reads->other == MW_STAGE_RCPT && rule->has_verdict && !edits_message(rule))
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
    case ACT_QUARANTINE: /* edits header and envelope */
        return MW_STAGE_END_OF_MESSAGE;
    case ACT_SCORE:
    case ACT_TAG:
    case ACT_VAR:
    case ACT_DISCARD:
        return MW_STAGE_MAIL;
    case ACT_REJECT:
    case ACT_DEFER:
    case ACT_ACCEPT:
    case ACT_DISCONNECT:
    case ACT_LOG:
    case ACT_DELAY:
    case ACT_COUNT:
        break;
    }
    return MW_STAGE_CONNECT;
}

static enum mw_stage actions_from(const struct rule *rule, enum mw_stage ready)
{
    enum mw_stage from = MW_STAGE_CONNECT;
    if (rule->error_action != NULL)
        from = possible_from(rule->error_action, ready);
    for (int round = 0; round < 2; round++) /* one action may push another one back */
        for (const struct action *action = rule->actions; action != NULL; action = action->next)
            from = later(from, possible_from(action, later(ready, from)));
    return from;
}

/* Sets the stage of each use; returns the latest. */
static enum mw_stage set_use_stages(struct rules *rules, struct rule *rule,
                                    const struct above *above)
{
    enum mw_stage ready = MW_STAGE_CONNECT;
    for (struct field_use *use = rule->uses; use != NULL; use = use->next) {
        use->stage = use->is_whole ? later(use->field->stage, MW_STAGE_DATA) : use->field->stage;
        use->stage = later(use->stage, rules_written_at(rules, use, &above->written));
    }
    struct reads reads = read_uses(rule);
    rule->reads_rcpt = reads.rcpt || has_action(rule, ACT_RCPT);
    rule->scope = own_scope(rule, &reads);
    bool is_so_far = is_tally_at_rcpt(rule, &reads);
    rule->reads_rcpt |= is_so_far;
    for (struct field_use *use = rule->uses; use != NULL; use = use->next) {
        use->is_so_far = is_so_far && use->field->flags & FLAG_TALLY;
        if (use->field->flags & FLAG_TALLY && !is_so_far)
            use->stage = MW_STAGE_DATA;
        if (use->field->flags & FLAG_RCPT && rule->scope == SCOPE_MESSAGE)
            use->stage = later(use->stage, MW_STAGE_DATA);
        ready = later(ready, use->stage);
    }
    for (struct field_use *use = rule->uses; use != NULL; use = use->next)
        if (use->key != NULL)
            use->stage = use->key->stage;
    return ready;
}

static void check_at(struct rules *rules, const struct rule *rule, enum mw_stage ready)
{
    if (!rule->has_at || ready <= rule->at)
        return;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        if (use->stage == ready) {
            rules_error(rules, &rule->at_place,
                        use->key == NULL && ready > use->field->stage
                            ? "a rule above changes it there"
                            : NULL,
                        "this rule can never be decided at %s: %s is known at %s",
                        rules_stage_name(rule->at), use->field->name, rules_stage_name(ready));
            return;
        }
}

static void set_stages(struct rules *rules, struct rule *rule, const struct above *above)
{
    enum mw_stage ready = set_use_stages(rules, rule, above);
    check_at(rules, rule, ready);
    if (rule->has_at)
        ready = later(ready, rule->at);
    rule->is_each_rcpt = rule->scope == SCOPE_MESSAGE && rule->reads_rcpt;
    rule->scope = scope_below(rule, rule->scope, above);
    enum mw_stage writes_from = rules_writes_from(rules, rule, &above->written);
    enum mw_stage fires_from = later(actions_from(rule, later(ready, writes_from)), writes_from);
    if (rule->has_at)
        fires_from = later(fires_from, rule->at);
    rule->ready = fit_stage(rule->scope, later(ready, fires_from));
    /* A verdict may fall as soon as it is certain. What has none acts once, where all that it reads
     * is known, its texts included, whatever stages others ask for. */
    rule->fires_from = rule->has_verdict ? fit_stage(rule->scope, fires_from) : rule->ready;
    rule->last = rule->ready;
    if (rule->has_verdict && !rule->is_early)
        rule->last = fit_stage(rule->scope,
                               later(rule->ready, later(above->exempt, above->wait[rule->scope])));
    set_rates(rule, rule->condition);
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
                                               : !text_ieq(a->text, b->text);
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

static void check_name(struct rules *rules, const struct rule *rule)
{
    struct name_slot *slot = rules_name(rules, &rules->rule_names, rule->name);
    if (slot->rule == NULL)
        slot->rule = rule;
    else
        rules_error(rules, &rule->place, "names are what logs, counters and tests speak of",
                    "rule \"%s\" is there already (%.*s)", rule->name_text,
                    (int)slot->rule->where.len, slot->rule->where.ptr);
}

static void check_expects(struct rules *rules)
{
    for (const struct test_block *test = rules->tests; test != NULL; test = test->next)
        for (const struct expect *expect = test->expects; expect != NULL; expect = expect->next)
            if (expect->rule.len > 0 && rules_name_find(&rules->rule_names, expect->rule) == NULL)
                rules_error(rules, &expect->place, NULL, "there is no rule \"%.*s\"",
                            (int)expect->rule.len, expect->rule.ptr);
}

/* A misspelt zone in a test would list nothing. */
static void check_listings(struct rules *rules)
{
    for (const struct test_block *test = rules->tests; test != NULL; test = test->next)
        for (const struct listing *at = test->listings; at != NULL; at = at->next)
            if (!rules_list_has_zone(rules, at->zone))
                rules_error(rules, &at->place, rules_list_near_zone(rules, at->zone),
                            "no list has the zone \"%.*s\"", (int)at->zone.len, at->zone.ptr);
}

static void check_rule(struct rules *rules, struct rule *rule, struct above *above)
{
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        rules_check_read(rules, use);
    rules_check_tags(rules, rule->condition);
    check_contradictions(rules, rule->condition);
    rules_check_closed(rules, rule->condition);
    rule->is_idle = rules_is_idle(rules, rule);
    rule->is_exemption = has_action(rule, ACT_ACCEPT) || has_action(rule, ACT_DISCARD);
    connect(rules, rule);
    set_stages(rules, rule, above);
    check_reachable(rules, rule, above);
    note_verdict(above, rule);
    rules_note_access(rules, rule, &above->written);
}

static void prepare(struct rules *rules)
{
    uint32_t number = 0;
    rules_order_names(rules);
    rules->by_number = rules_keep(rules, (rules->rule_count + 1) * sizeof *rules->by_number);
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        rules->by_number[number] = rule;
        rule->number = number++;
        check_name(rules, rule);
    }
}

void rules_check(struct rules *rules)
{
    struct above above = {.has_rcpt_exempt = false};
    prepare(rules);
    check_expects(rules);
    check_listings(rules);
    for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        check_rule(rules, rule, &above);
    for (const struct list *list = rules->lists; list != NULL; list = rules_list_next(list))
        if (!rules_list_is_used(list))
            rules_warning(rules, rules_list_place(list), NULL, "list \"%.*s\" is never used",
                          (int)rules_list_name(list).len, rules_list_name(list).ptr);
    rules_room_reset(rules);
    if (rules->errors == 0)
        rules_plan(rules);
}
