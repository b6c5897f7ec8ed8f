/* eval.c - conditions. A test is UNKNOWN until its field is known; and, or, not go by Kleene, with
 * ERROR (a lookup that failed, a pattern that hit its limit) weaker than everything that settles:
 * "A and B" with A false is false, whatever B's error. UNKNOWN goes before ERROR, because what is
 * still to come may settle it.
 *
 * Several values: a test holds if any value satisfies it. A field with one value that is missing is
 * empty: tests do not hold for it and negated tests (!=, !~, not in) do. */
#include <stdlib.h>

#include "list.h"
#include "regex.h"
#include "subject.h"

enum { VALUES_A_LOOK = 64, MEND_MAX = 64 * 1024 };

/* ---- values ---- */

static enum got next_tag(struct subject *subject, size_t *cursor, struct value *out)
{
    size_t at = 0;
    for (const struct name_slot *tag = subject->rules->tags; tag != NULL; tag = tag->next, at++) {
        if (at < *cursor || !subject->transaction->tags[at])
            continue;
        *cursor = at + 1;
        out->text = tag->name;
        return GOT_VALUE;
    }
    return GOT_END;
}

static enum got next_of_field(struct subject *subject, const struct field_use *use, size_t *cursor,
                              struct value *out)
{
    if (use->field->id == FIELD_TAG)
        return next_tag(subject, cursor, out);
    if (use->field->id != FIELD_SCORE)
        return subject->ops->get(subject, use, cursor, out);
    if ((*cursor)++ > 0)
        return GOT_END;
    out->number = subject->transaction->scores[use->slot];
    return GOT_VALUE;
}

/* All recipients, one after the other, each with its one value. */
static enum got next_of_whole(struct subject *subject, struct value_walk *walk, struct value *out)
{
    size_t count = subject->ops->rcpt_count(subject), saved = subject->rcpt;
    enum got got = GOT_END;
    for (; got == GOT_END && walk->rcpt < count; walk->rcpt++) {
        size_t cursor = 0;
        if (!subject->ops->rcpt_is_live(subject, walk->rcpt))
            continue;
        subject->rcpt = walk->rcpt;
        got = next_of_field(subject, walk->use, &cursor, out);
    }
    subject->rcpt = saved;
    return got;
}

enum got rules_next_value(struct subject *subject, struct value_walk *walk, struct value *out)
{
    return walk->use->is_whole ? next_of_whole(subject, walk, out)
                               : next_of_field(subject, walk->use, &walk->cursor, out);
}

bool rules_next_line(struct mw_slice body, size_t *cursor, struct mw_slice *out)
{
    if (*cursor >= body.len)
        return false;
    struct mw_slice rest = text_skip(body, *cursor);
    ptrdiff_t end = rules_text_find(rest, '\n');
    size_t len = end < 0 ? rest.len : (size_t)end;
    *cursor += end < 0 ? len : len + 1;
    if (len > 0 && rest.ptr[len - 1] == '\r')
        len--;
    *out = SLICE(rest.ptr, len);
    return true;
}

/* ---- one value against one test ---- */

static struct mw_slice without_dot(struct mw_slice host)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool in_network(struct mw_slice address, const unsigned char network[16], uint32_t prefix)
{
    uint32_t whole = prefix / 8, rest = prefix % 8;
    if (address.len != 16 || memcmp(address.ptr, network, whole) != 0)
        return false;
    unsigned mask = 0xff00u >> rest & 0xff;
    return rest == 0 || ((unsigned char)address.ptr[whole] & mask) == (network[whole] & mask);
}

static bool is_equal(const struct test *test, const struct value *value)
{
    switch (test->use->field->type) {
    case TYPE_IP:
        return in_network(value->text, test->network, test->prefix);
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_SCORE:
        return value->number == test->number;
    case TYPE_ADDRESS:
        return rules_text_address_eq(value->text, test->text);
    case TYPE_HOST:
        return rules_text_ieq(without_dot(value->text), without_dot(test->text));
    case TYPE_NAME:
        return rules_text_ieq(value->text, test->text);
    case TYPE_TEXT:
    case TYPE_BYTES:
        break;
    }
    return text_eq(value->text, test->text);
}

static bool is_ordered(const struct test *test, const struct value *value)
{
    int64_t number = value->number;
    if (!type_is_number(test->use->field->type)) { /* a parameter: SIZE=12345 */
        uint64_t parsed;
        if (!rules_text_number(value->text, INT64_MAX / NUMBER_UNIT, &parsed))
            return false;
        number = (int64_t)parsed * NUMBER_UNIT;
    }
    return test->op == OP_LT   ? number < test->number
           : test->op == OP_LE ? number <= test->number
           : test->op == OP_GT ? number > test->number
                               : number >= test->number;
}

/* Envelope and HELO may hold any octet; what is not UTF-8 is shown to the pattern as U+FFFD. Not in
 * the session's memory: a client can say HELO for ever. */
static struct mw_slice as_utf8(struct rules *rules, struct mw_slice text)
{
    if (text.len > MEND_MAX)
        text.len = MEND_MAX;
    char **room = &rules->mended[rules->mended_at];
    if (*room == NULL)
        *room = malloc(MEND_MAX * 3);
    if (*room == NULL)
        return EMPTY;
    return SLICE(*room, rules_text_utf8_mend(text, *room));
}

static enum truth is_match(struct subject *subject, const struct test *test, struct mw_slice text)
{
    if (text.len > subject->rules->scan_limit)
        text.len = subject->rules->scan_limit;
    bool is_mended = rules_regex_is_utf(test->regex) && rules_text_utf8_len(text) != text.len;
    if (is_mended)
        text = as_utf8(subject->rules, text);
    bool wants_captures = !test->is_negated && rules_regex_groups(test->regex) > 0;
    switch (rules_regex_match(subject->rules, test->regex, text,
                              wants_captures ? subject->captures : NULL)) {
    case REGEX_NO:
        return TRUTH_FALSE;
    case REGEX_YES:
        if (wants_captures) {
            subject->captured = test->regex;
            subject->rules->mended_at ^= is_mended;
        }
        return TRUTH_TRUE;
    case REGEX_UNDECIDED:
        break;
    }
    subject->error = "a regular expression hit its limit";
    return TRUTH_ERROR;
}

static enum truth try_value(struct subject *subject, const struct test *test,
                            const struct value *value)
{
    bool holds = false;
    switch (test->op) {
    case OP_EQ:
        holds = is_equal(test, value);
        break;
    case OP_MATCH:
        return is_match(subject, test, value->text);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        holds = is_ordered(test, value);
        break;
    case OP_EMPTY:
        holds = !type_is_number(test->use->field->type) && rules_text_trim(value->text).len == 0;
        break;
    case OP_IN:
        holds = rules_list_has(test->set, value);
        break;
    }
    return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

/* ---- one test over all values ---- */

static enum truth negate(enum truth truth)
{
    return truth == TRUTH_FALSE ? TRUTH_TRUE : truth == TRUTH_TRUE ? TRUTH_FALSE : truth;
}

/* Does any value satisfy (`wanted` TRUE), or fail to satisfy (`wanted` FALSE), the test? Stops at
 * the first that does. */
static enum truth any_value(struct subject *subject, const struct test *test, enum truth wanted)
{
    struct value_walk walk = {.use = test->use};
    struct value value = {.text = EMPTY};
    enum truth result = TRUTH_FALSE;
    for (uint32_t seen = 1;; seen++) {
        enum got got = rules_next_value(subject, &walk, &value);
        if (got == GOT_END)
            return result;
        enum truth truth = TRUTH_ERROR;
        if (got == GOT_VALUE)
            truth = try_value(subject, test, &value);
        else
            subject->error = "a lookup failed";
        if (test->is_negated)
            truth = negate(truth);
        if (truth == wanted)
            return TRUTH_TRUE;
        if (truth == TRUTH_ERROR)
            result = TRUTH_ERROR;
        if (got == GOT_ERROR)
            return result;
        if (test->op == OP_MATCH && seen % VALUES_A_LOOK == 0 &&
            rules_regex_is_late(subject->rules)) {
            subject->error = "a regular expression took too long";
            return TRUTH_ERROR;
        }
    }
}

static enum truth eval_single(struct subject *subject, const struct test *test)
{
    struct value value = {.text = EMPTY};
    struct value_walk walk = {.use = test->use};
    enum truth truth;
    switch (rules_next_value(subject, &walk, &value)) {
    case GOT_VALUE:
        truth = try_value(subject, test, &value);
        return test->is_negated ? negate(truth) : truth;
    case GOT_ERROR:
        subject->error = "a lookup failed";
        return TRUTH_ERROR;
    case GOT_END:
        break;
    }
    bool is_text = test->use->field->type != TYPE_IP && !type_is_number(test->use->field->type);
    truth = is_text                ? try_value(subject, test, &value)
            : test->op == OP_EMPTY ? TRUTH_TRUE
                                   : TRUTH_FALSE;
    return test->is_negated ? negate(truth) : truth;
}

/* `is empty`: there is no value with anything in it. Negation is of the whole, not of each value.
 */
static enum truth eval_empty(struct subject *subject, const struct test *test)
{
    struct test each = *test;
    each.is_negated = false;
    enum truth has_full = any_value(subject, &each, TRUTH_FALSE);
    return test->is_negated ? has_full : negate(has_full);
}

static enum truth eval_test(struct subject *subject, const struct test *test)
{
    if (test->use->stage > subject->stage)
        return TRUTH_UNKNOWN;
    if (test->op == OP_MATCH)
        rules_regex_begin_test(subject->rules);
    bool is_many = test->use->is_whole || (test->use->field->flags & FLAG_MANY);
    if (!is_many)
        return test->quantifier == FOR_NONE ? negate(eval_single(subject, test))
                                            : eval_single(subject, test);
    if (test->op == OP_EMPTY && test->quantifier == FOR_ANY)
        return eval_empty(subject, test);
    if (test->quantifier == FOR_ANY)
        return any_value(subject, test, TRUTH_TRUE);
    return negate(any_value(subject, test, test->quantifier == FOR_ALL ? TRUTH_FALSE : TRUTH_TRUE));
}

/* ---- and, or, not ---- */

/* `decisive` settles the whole: FALSE for and, TRUE for or. */
static enum truth combine(struct subject *subject, const struct node *node, enum truth decisive)
{
    enum truth left = rules_eval(subject, node->left);
    if (left == decisive)
        return left;
    enum truth right = rules_eval(subject, node->right);
    if (right == decisive)
        return right;
    if (left == TRUTH_UNKNOWN || right == TRUTH_UNKNOWN)
        return TRUTH_UNKNOWN;
    if (left == TRUTH_ERROR || right == TRUTH_ERROR)
        return TRUTH_ERROR;
    return negate(decisive);
}

enum truth rules_eval(struct subject *subject, const struct node *node)
{
    switch (node->kind) {
    case NODE_TEST:
        return eval_test(subject, &node->test);
    case NODE_NOT:
        return negate(rules_eval(subject, node->left));
    case NODE_AND:
        return combine(subject, node, TRUTH_FALSE);
    case NODE_OR:
        return combine(subject, node, TRUTH_TRUE);
    case NODE_ALWAYS:
        break;
    }
    return TRUTH_TRUE;
}
