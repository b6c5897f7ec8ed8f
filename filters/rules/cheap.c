/* cheap.c - which side of an `and` or `or` is looked at first: the cheaper one, if nobody can see the
 * difference. What a condition comes to is the same either way (eval.c). What may be seen is
 *  - rate(), which counts when it is looked at: such nodes keep their order
 *  - captures and values that held, in texts: of the rules whose texts have any, only what stands on
 *    the path of `and`s from the top may change places (there both sides are looked at when the rule
 *    holds), and only if not both sides leave something behind. */
#include "check.h"
#include "list.h"
#include "regex.h"

/* Rough, in comparisons of two short texts. */
enum {
    COST_COMPARE = 1,
    COST_LIST = 2,
    COST_SLOW_LIST = 10000,
    COST_HEADER = 4,   /* is searched for a field, which is decoded */
    COST_CONTENT = 20, /* is decoded */
    COST_PATTERN = 10, /* over a line; text is hundreds of them */
    TEXT_LINES = 100,
};

struct weight {
    uint64_t cost;
    bool has_rate, leaves; /* captures, values for texts */
};

static uint64_t value_cost(const struct field *field)
{
    return field->stage < MW_STAGE_END_OF_HEADERS    ? COST_COMPARE
           : field->stage == MW_STAGE_END_OF_HEADERS ? COST_HEADER
                                                     : COST_CONTENT;
}

static bool is_long(const struct field *field)
{
    return field->id == FIELD_BODY_TEXT || field->id == FIELD_BODY_HTML ||
           field->id == FIELD_RAW_BODY || field->id == FIELD_BODY_LINE;
}

static uint64_t pattern_cost(const struct test *test)
{
    static const uint64_t of_class[] = {
        [REGEX_LITERAL] = 1, [REGEX_LINEAR] = 4, [REGEX_RISKY] = 20};
    uint64_t lines = is_long(test->use->field) ? TEXT_LINES : 1;
    return COST_PATTERN * lines * of_class[rules_regex_class(test->regex)];
}

static struct weight weigh_test(const struct test *test)
{
    struct weight weight = {.cost = value_cost(test->use->field)};
    if (test->op == OP_MATCH)
        weight.cost += pattern_cost(test);
    else if (test->op == OP_IN && test->list != NULL)
        weight.cost += rules_list_is_slow(test->list) ? COST_SLOW_LIST : COST_LIST;
    if (test->use->field->flags & FLAG_LIST)
        weight.cost += COST_SLOW_LIST;
    weight.leaves = test->use->source != NULL ||
                    (test->op == OP_MATCH && rules_regex_groups(test->regex) > 0);
    return weight;
}

/* `is_top`: on the path of `and`s from the top; `is_free`: the rule's texts have nothing that comes
 * from the condition. */
static struct weight weigh(struct node *node, bool is_top, bool is_free)
{
    if (node->kind == NODE_TEST)
        return weigh_test(&node->test);
    if (node->kind == NODE_RATE || node->kind == NODE_ALWAYS)
        return (struct weight){.has_rate = node->kind == NODE_RATE};
    struct weight left = weigh(node->left, is_top && node->kind == NODE_AND, is_free);
    if (node->kind == NODE_NOT)
        return left;
    if (node->kind == NODE_GROUP)
        return (struct weight){left.cost * 2 + COST_CONTENT, left.has_rate, left.leaves};
    struct weight right = weigh(node->right, is_top && node->kind == NODE_AND, is_free);
    bool is_unseen = is_free ||
                     (is_top && node->kind == NODE_AND && !(left.leaves && right.leaves));
    node->is_right_first = is_unseen && !left.has_rate && !right.has_rate && right.cost < left.cost;
    return (struct weight){left.cost + right.cost, left.has_rate || right.has_rate,
                           left.leaves || right.leaves};
}

static bool is_plain(const struct template *text)
{
    for (const struct piece *piece = text->pieces; piece != NULL; piece = piece->next)
        if (piece->kind != PIECE_TEXT)
            return false;
    return true;
}

void rules_order_sides(struct rule *rule)
{
    bool is_free = is_plain(&rule->reason) &&
                   (rule->error_action == NULL || is_plain(&rule->error_action->text));
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        is_free &= is_plain(&action->text);
    weigh(rule->condition, true, is_free);
}
