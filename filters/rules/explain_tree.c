/* explain_tree.c - a condition as a tree of lines: each test with what it was compared with, the
 * value that decided and what it came to.
 *
 *   no   all of these
 *     yes  client.ip not in internal (values): 203.0.113.9
 *     no   subject =~ /invoice/i: "Lunch"
 *
 * The engine stops at what settles a condition; here every test is looked at, for somebody who
 * wonders why a rule did not fire wants to see all that spoke against it. Only rates are not counted
 * on that occasion. */
#include "describe.h"
#include "explain_priv.h"
#include "list.h"
#include "regex.h"

enum { VALUES_SHOWN = 3, ITEMS_SHOWN = 3, FALSE_SHOWN = 10, VALUES_COUNTED = 1000 };

static const char *truth_word(enum truth truth)
{
    return truth == TRUTH_TRUE      ? "yes  "
           : truth == TRUTH_FALSE   ? "no   "
           : truth == TRUTH_UNKNOWN ? "open "
                                    : "?    ";
}

/* ---- what it comes to ---- */

static bool has_rate(const struct node *node)
{
    return node != NULL &&
           (node->kind == NODE_RATE || has_rate(node->left) || has_rate(node->right));
}

static enum truth negate(enum truth truth)
{
    return truth == TRUTH_FALSE ? TRUTH_TRUE : truth == TRUTH_TRUE ? TRUTH_FALSE : truth;
}

static enum truth combine(enum truth left, enum truth right, enum truth decisive)
{
    if (left == decisive || right == decisive)
        return decisive;
    if (left == TRUTH_UNKNOWN || right == TRUTH_UNKNOWN)
        return TRUTH_UNKNOWN;
    return left == TRUTH_ERROR || right == TRUTH_ERROR ? TRUTH_ERROR : negate(decisive);
}

static bool is_counted(struct subject *subject, const struct rate *rate)
{
    return rate->stage <= subject->stage &&
           rules_marks(subject, rate->scope)->rates[rate->index] != RATED_NOT_YET;
}

enum truth rules_explain_truth(struct subject *subject, const struct node *node)
{
    switch (node->kind) {
    case NODE_NOT:
        return negate(rules_explain_truth(subject, node->left));
    case NODE_AND:
    case NODE_OR:
        return combine(rules_explain_truth(subject, node->left),
                       rules_explain_truth(subject, node->right),
                       node->kind == NODE_AND ? TRUTH_FALSE : TRUTH_TRUE);
    case NODE_RATE:
        return is_counted(subject, node->rate) ? rules_eval(subject, node) : TRUTH_UNKNOWN;
    case NODE_GROUP:
        if (has_rate(node->left))
            return TRUTH_UNKNOWN;
        break;
    case NODE_ALWAYS:
    case NODE_TEST:
        break;
    }
    return rules_eval(subject, node);
}

bool rules_explain_has_true(struct subject *subject, const struct node *node)
{
    if (node->kind == NODE_AND || node->kind == NODE_OR)
        return rules_explain_has_true(subject, node->left) ||
               rules_explain_has_true(subject, node->right);
    return rules_explain_truth(subject, node) == TRUTH_TRUE;
}

/* ---- values ---- */

/* Where in a long text the pattern matched: the text's beginning says nothing. */
static void put_match(struct subject *subject, const struct test *test, struct mw_slice text)
{
    struct builder *line = &subject->explain->line;
    struct mw_slice captures[CAPTURES_MAX];
    if (test->op != OP_MATCH || test->is_negated || text.len <= DESCRIBE_VALUE_MAX ||
        (rules_regex_is_utf(test->regex) && text_utf8_len(text) < text.len) ||
        rules_regex_match(subject->rules->scratch, test->regex, text, captures) != REGEX_YES)
        return;
    builder_put(line, LIT(", in it \""));
    rules_describe_text(line, captures[0], DESCRIBE_VALUE_MAX);
    builder_put(line, LIT("\""));
}

/* The values that there are: the first few and their number. */
static void put_values(struct subject *subject, const struct test *test)
{
    struct builder *line = &subject->explain->line;
    struct value_walk walk = {.use = test->use};
    struct value value = {.text = EMPTY};
    size_t count = 0;
    enum got got;
    for (; (got = rules_next_value(subject, &walk, &value)) == GOT_VALUE; count++) {
        if (count == VALUES_COUNTED)
            break;
        if (count < VALUES_SHOWN) {
            builder_put(line, count == 0 ? LIT(": ") : LIT(", "));
            rules_describe_value(line, test->use->field, &value);
        }
    }
    if (count == 0)
        builder_put(line, got == GOT_ERROR ? LIT(": the look-up failed") : LIT(": there is none"));
    if (count > VALUES_SHOWN)
        builder_putf(line, ", ... %zu%s values", count, count == VALUES_COUNTED ? " or more" : "");
}

static const struct held *held_of(const struct subject *subject, const struct test *test)
{
    for (size_t i = 0; i < subject->held_count; i++)
        if (subject->held[i].source == test->use->source)
            return &subject->held[i];
    return NULL;
}

/* The one that satisfied the test. */
static void put_held(struct subject *subject, const struct test *test, const struct held *held)
{
    struct builder *line = &subject->explain->line;
    const struct source *source = test->use->source;
    builder_put(line, LIT(": "));
    rules_describe_value(line, source->field, &source->items[held->at].value);
    put_match(subject, test, source->items[held->at].value.text);
    if (source->count > 1 && !test->use->is_item)
        builder_putf(line, " (number %zu of %zu)", held->at + 1, source->count);
}

static void put_captures(struct subject *subject, const struct test *test)
{
    struct builder *line = &subject->explain->line;
    uint32_t groups = test->op == OP_MATCH ? rules_regex_groups(test->regex) : 0;
    if (groups == 0 || test->is_negated || subject->captured != test->regex)
        return;
    for (uint32_t i = 1; i <= groups && i < CAPTURES_MAX; i++) {
        builder_putf(line, ", ${%u} \"", i);
        rules_describe_text(line, subject->captures[i], DESCRIBE_VALUE_MAX);
        builder_put(line, LIT("\""));
    }
}

/* ---- tests ---- */

static void tell_test(struct subject *subject, const struct test *test, enum truth truth,
                      uint32_t depth)
{
    struct explain *explain = subject->explain;
    builder_put(&explain->line, slice_of(truth_word(truth)));
    rules_describe_test(&explain->line, subject->rules, test);
    if (test->op == OP_IN)
        builder_putf(&explain->line, " (%s)", rules_describe_list_kind(test->list));
    const struct held *held = truth == TRUTH_TRUE && test->use->source != NULL
                                  ? held_of(subject, test)
                                  : NULL;
    if (test->use->stage > subject->stage)
        builder_putf(&explain->line, ": known at %s", rules_stage_name(test->use->stage));
    else if (held != NULL)
        put_held(subject, test, held);
    else
        put_values(subject, test);
    if (truth == TRUTH_TRUE)
        put_captures(subject, test);
    if (truth == TRUTH_ERROR)
        builder_putf(&explain->line, "; %s", subject->error ? subject->error : "undecided");
    rules_explain_tell(explain, depth);
}

/* Evaluated anew, so that what held and what was captured is this test's own. */
static void look_at_test(struct subject *subject, const struct node *node, uint32_t depth)
{
    subject->held_count = 0;
    subject->captured = NULL;
    subject->error = NULL;
    tell_test(subject, &node->test, rules_eval(subject, node), depth);
}

/* ---- groups and rates ---- */

static void tell_item(struct subject *subject, const struct node *node, uint32_t count,
                      uint32_t depth)
{
    struct explain *explain = subject->explain;
    uint32_t of = subject->of;
    builder_putf(&explain->line, "%snumber %u of %u",
                 truth_word(rules_explain_truth(subject, node->left)), of + 1, count);
    rules_explain_tell(explain, depth);
    rules_explain_tree(subject, node->left, depth + 1);
    subject->of = of;
}

/* The one that decided; the first few if none did. */
static void tell_items(struct subject *subject, const struct node *node, uint32_t depth)
{
    enum truth decisive = node->quantifier == FOR_ALL ? TRUTH_FALSE : TRUTH_TRUE;
    uint32_t count = rules_group_count(subject, node->group);
    for (subject->of = 0; subject->of < count; subject->of++)
        if (rules_explain_truth(subject, node->left) == decisive) {
            tell_item(subject, node, count, depth);
            return;
        }
    for (subject->of = 0; subject->of < count && subject->of < ITEMS_SHOWN; subject->of++)
        tell_item(subject, node, count, depth);
    if (count > ITEMS_SHOWN) {
        builder_putf(&subject->explain->line, "     %u more likewise", count - ITEMS_SHOWN);
        rules_explain_tell(subject->explain, depth);
    }
}

static void tell_group(struct subject *subject, const struct node *node, uint32_t depth)
{
    struct explain *explain = subject->explain;
    bool is_known = rules_group_stage(node->group) <= subject->stage;
    const char *what = rules_group_name(node->group);
    builder_putf(&explain->line, "%s%s %s { }", truth_word(rules_explain_truth(subject, node)),
                 rules_quantifier_name(node->quantifier), what);
    if (!is_known)
        builder_putf(&explain->line, ": known at %s",
                     rules_stage_name(rules_group_stage(node->group)));
    else if (rules_group_count(subject, node->group) == 0)
        builder_putf(&explain->line, ": there is none");
    rules_explain_tell(explain, depth);
    if (is_known)
        tell_items(subject, node, depth + 1);
}

static void tell_rate(struct subject *subject, const struct node *node, uint32_t depth)
{
    struct explain *explain = subject->explain;
    bool has_counted = is_counted(subject, node->rate);
    enum truth truth = rules_explain_truth(subject, node);
    builder_put(&explain->line, slice_of(truth_word(truth)));
    rules_describe_rate(&explain->line, subject->rules, node->rate);
    if (!has_counted) {
        builder_put(&explain->line, LIT(": not counted, the rest decides"));
    } else {
        char room[200];
        builder_put(&explain->line, LIT(": \""));
        rules_describe_text(&explain->line,
                            rules_expand(subject, node->rate->key, INTO_LOG, room, sizeof room),
                            DESCRIBE_VALUE_MAX);
        builder_put(&explain->line,
                    truth == TRUTH_TRUE ? LIT("\" is beyond it") : LIT("\" is within it"));
    }
    rules_explain_tell(explain, depth);
}

/* ---- and, or, not ---- */

struct branch {
    uint32_t depth;
    size_t told, hidden; /* branches that do not hold */
};

/* "A and (B and C)" is one list. Where nothing of a long list of alternatives holds, a few stand
 * for all. */
static void tell_branches(struct subject *subject, const struct node *node, enum node_kind kind,
                          struct branch *branch)
{
    if (node->kind == kind) {
        tell_branches(subject, node->left, kind, branch);
        tell_branches(subject, node->right, kind, branch);
        return;
    }
    if (kind == NODE_OR && rules_explain_truth(subject, node) == TRUTH_FALSE &&
        branch->told++ >= FALSE_SHOWN)
        branch->hidden++;
    else
        rules_explain_tree(subject, node, branch->depth);
}

static void tell_list(struct subject *subject, const struct node *node, uint32_t depth)
{
    struct explain *explain = subject->explain;
    struct branch branch = {.depth = depth + 1};
    builder_putf(&explain->line, "%s%s", truth_word(rules_explain_truth(subject, node)),
                 node->kind == NODE_AND ? "all of these" : "any of these");
    rules_explain_tell(explain, depth);
    tell_branches(subject, node, node->kind, &branch);
    if (branch.hidden > 0) {
        builder_putf(&explain->line, "no   %zu more", branch.hidden);
        rules_explain_tell(explain, branch.depth);
    }
}

void rules_explain_tree(struct subject *subject, const struct node *node, uint32_t depth)
{
    struct explain *explain = subject->explain;
    switch (node->kind) {
    case NODE_TEST:
        look_at_test(subject, node, depth);
        return;
    case NODE_GROUP:
        tell_group(subject, node, depth);
        return;
    case NODE_RATE:
        tell_rate(subject, node, depth);
        return;
    case NODE_AND:
    case NODE_OR:
        tell_list(subject, node, depth);
        return;
    case NODE_NOT:
        builder_putf(&explain->line, "%snot", truth_word(rules_explain_truth(subject, node)));
        rules_explain_tell(explain, depth);
        rules_explain_tree(subject, node->left, depth + 1);
        return;
    case NODE_ALWAYS:
        builder_put(&explain->line, LIT("yes  always"));
        rules_explain_tell(explain, depth);
        return;
    }
}
