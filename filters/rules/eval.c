/* eval.c - conditions. A test is UNKNOWN until its field is known; and, or, not go by Kleene, with
 * ERROR (a lookup that failed, a pattern that hit its limit) weaker than everything that settles:
 * "A and B" with A false is false, whatever B's error. UNKNOWN goes before ERROR, because what is
 * still to come may settle it.
 *
 * Several values: a test holds if any value satisfies it. A field with one value that is missing is
 * empty: tests do not hold for it and negated tests (!=, !~, not in) do. */
#include "list.h"
#include "prefetch.h"
#include "regex.h"
#include "subject.h"

enum { VALUES_A_LOOK = 64, KEY_MAX = 512 };

/* ---- values ---- */

static enum got next_tag(struct subject *subject, size_t *cursor, struct value *out)
{
    for (const struct name_slot *tag = subject->rules->tags.first; tag != NULL; tag = tag->next) {
        if (tag->at < *cursor || !subject->transaction->tags[tag->at])
            continue;
        *cursor = tag->at + 1;
        out->text = tag->name;
        return GOT_VALUE;
    }
    return GOT_END;
}

static enum got next_single(struct subject *subject, const struct field_use *use, size_t *cursor,
                            struct value *out)
{
    if (use->field->id == FIELD_TAG)
        return next_tag(subject, cursor, out);
    if ((*cursor)++ > 0)
        return GOT_END;
    if (use->field->id != FIELD_SCORE)
        return subject->ops->get(subject, use, out);
    out->number = subject->transaction->scores[use->slot];
    return GOT_VALUE;
}

/* All recipients, one after the other, each with its one value. */
static enum got next_of_whole(struct subject *subject, struct value_walk *walk, struct value *out)
{
    size_t count = subject->ops->rcpt_count(subject), saved = subject->rcpt;
    enum got got = GOT_END;
    for (; got == GOT_END && walk->rcpt < count; walk->rcpt++) {
        if (!subject->ops->rcpt_is_live(subject, walk->rcpt))
            continue;
        subject->rcpt = walk->rcpt;
        got = subject->ops->get(subject, walk->use, out);
    }
    subject->rcpt = saved;
    if (got == GOT_VALUE && walk->use->is_folded)
        out->text = subject->rules->host->fold(out->text, rules_room, subject->rules);
    return got;
}

static enum got next_of_source(struct subject *subject, struct value_walk *walk, struct value *out)
{
    struct source *source = walk->use->source;
    bool is_item = walk->use->is_item;
    if (!walk->is_begun) {
        rules_values_read(subject, source);
        walk->cursor = is_item ? rules_values_first(source, subject->of) : 0;
        walk->is_begun = true;
    }
    size_t at = walk->cursor++;
    if (at >= source->count)
        return source->is_error && at == source->count ? GOT_ERROR : GOT_END;
    if (is_item && source->items[at].of != subject->of)
        return GOT_END;
    *out = source->items[at].value;
    return GOT_VALUE;
}

enum got rules_next_value(struct subject *subject, struct value_walk *walk, struct value *out)
{
    if (walk->use->field->flags & FLAG_LIST)
        return rules_dnsbl_next(subject, walk, out);
    if (walk->use->is_whole)
        return next_of_whole(subject, walk, out);
    return walk->use->source != NULL ? next_of_source(subject, walk, out)
                                     : next_single(subject, walk->use, &walk->cursor, out);
}

bool rules_next_line(struct mw_slice body, size_t *cursor, struct mw_slice *out)
{
    if (*cursor >= body.len)
        return false;
    struct mw_slice rest = text_skip(body, *cursor);
    ptrdiff_t end = text_find(rest, '\n');
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
        return text_address_eq(value->text, test->text);
    case TYPE_HOST:
        return text_ieq(without_dot(value->text), without_dot(test->text));
    case TYPE_NAME:
        return text_ieq(value->text, test->text);
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
        if (!text_number(value->text, INT64_MAX / NUMBER_UNIT, &parsed))
            return false;
        number = (int64_t)parsed * NUMBER_UNIT;
    }
    return test->op == OP_LT   ? number < test->number
           : test->op == OP_LE ? number <= test->number
           : test->op == OP_GT ? number > test->number
                               : number >= test->number;
}

static enum truth undecided(struct subject *subject, const char *why)
{
    subject->is_undecided = true;
    subject->error = why;
    return TRUTH_ERROR;
}

/* The value as patterns see it. `at`: its place in the test's source. */
static struct mw_slice text_of(struct subject *subject, const struct test *test, size_t at,
                               struct mw_slice text)
{
    struct source *source = test->use->source;
    if (source == NULL || at >= source->count) /* not kept: all recipients */
        return rules_pattern_text(subject->rules, text, rules_regex_is_utf(test->regex), rules_room,
                                  subject->rules);
    rules_values_texts(subject, source);
    return source->texts[at];
}

static enum truth is_match(struct subject *subject, const struct test *test, size_t at,
                           struct mw_slice value)
{
    bool wants_captures = !test->is_negated && rules_regex_groups(test->regex) > 0;
    enum regex_result result = REGEX_UNDECIDED;
    if (subject->is_suspended)
        return undecided(subject, "its patterns are suspended");
    bool is_known = rules_prefetched(subject, test, at, &result);
    if (!is_known || (result == REGEX_YES && wants_captures))
        result = rules_regex_match(subject->rules->scratch, test->regex,
                                   text_of(subject, test, at, value),
                                   wants_captures ? subject->captures : NULL);
    if (result == REGEX_YES && wants_captures)
        subject->captured = test->regex;
    return result == REGEX_NO    ? TRUTH_FALSE
           : result == REGEX_YES ? TRUTH_TRUE
                                 : undecided(subject, "a regular expression hit its limit");
}

/* Lists that live elsewhere hold nothing in tests of rule files: there is nobody to ask. */
static enum truth is_in(struct subject *subject, const struct test *test, const struct value *value)
{
    if (subject->answers == NULL && rules_list_is_slow(test->list))
        return subject->is_dry ? TRUTH_UNKNOWN : TRUTH_FALSE;
    switch (rules_list_has(test->set, value, subject->answers, &subject->error)) {
    case LIST_NO:
        return TRUTH_FALSE;
    case LIST_YES:
        return TRUTH_TRUE;
    case LIST_ASK:
        if (subject->is_dry)
            return TRUTH_UNKNOWN;
        subject->error = "a list has not answered";
        break;
    case LIST_FAILED:
        break;
    }
    return TRUTH_ERROR;
}

static enum truth try_value(struct subject *subject, const struct test *test, size_t at,
                            const struct value *value)
{
    bool holds = false;
    switch (test->op) {
    case OP_EQ:
        holds = is_equal(test, value);
        break;
    case OP_MATCH:
        return is_match(subject, test, at, value->text);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        holds = is_ordered(test, value);
        break;
    case OP_EMPTY:
        holds = !type_is_number(test->use->field->type) && text_trim(value->text).len == 0;
        break;
    case OP_IN:
        return is_in(subject, test, value);
    }
    return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

/* ---- one test over all values ---- */

static enum truth negate(enum truth truth)
{
    return truth == TRUTH_FALSE ? TRUTH_TRUE : truth == TRUTH_TRUE ? TRUTH_FALSE : truth;
}

/* Of two values' answers, the one that counts for the whole: what is still to come before what
 * failed, and that before no. */
static enum truth weaker(enum truth a, enum truth b)
{
    return a == TRUTH_UNKNOWN || b == TRUTH_UNKNOWN ? TRUTH_UNKNOWN
           : a == TRUTH_ERROR || b == TRUTH_ERROR   ? TRUTH_ERROR
                                                    : TRUTH_FALSE;
}

/* The literals that the pattern needs are in none of the values. */
static bool is_hopeless(struct subject *subject, const struct test *test)
{
    struct source *source = test->use->source;
    return test->op == OP_MATCH && !test->is_negated && source != NULL &&
           test->pattern != NO_PATTERN && !rules_values_may_match(subject, source, test->pattern);
}

static void note_held(struct subject *subject, const struct source *source, size_t at)
{
    size_t i = 0;
    while (i < subject->held_count && subject->held[i].source != source)
        i++;
    if (source == NULL || i == HELD_MAX)
        return;
    subject->held[i] = (struct held){source, at};
    subject->held_count += i == subject->held_count;
}

/* Does any value satisfy (`wanted` TRUE), or fail to satisfy (`wanted` FALSE), the test? Stops at
 * the first that does. */
static enum truth any_value(struct subject *subject, const struct test *test, enum truth wanted)
{
    struct value_walk walk = {.use = test->use};
    struct value value = {.text = EMPTY};
    enum truth result = TRUTH_FALSE;
    if (wanted == TRUTH_TRUE && is_hopeless(subject, test))
        return TRUTH_FALSE;
    for (uint32_t seen = 1;; seen++) {
        enum got got = rules_next_value(subject, &walk, &value);
        if (got == GOT_END)
            return result;
        enum truth truth = TRUTH_ERROR;
        if (got == GOT_VALUE)
            truth = try_value(subject, test, walk.cursor - 1, &value);
        else
            subject->error = "a lookup failed";
        if (test->is_negated)
            truth = negate(truth);
        if (truth == wanted) {
            if (wanted == TRUTH_TRUE)
                note_held(subject, test->use->source, walk.cursor - 1);
            return TRUTH_TRUE;
        }
        if (truth == TRUTH_ERROR || truth == TRUTH_UNKNOWN)
            result = weaker(result, truth);
        if (got == GOT_ERROR)
            return result;
        if (test->op == OP_MATCH && seen % VALUES_A_LOOK == 0 && subject->prefetch == NULL &&
            rules_regex_is_late(subject->rules->scratch))
            return undecided(subject, "a regular expression took too long");
    }
}

static enum truth eval_single(struct subject *subject, const struct test *test)
{
    struct value value = {.text = EMPTY};
    struct value_walk walk = {.use = test->use};
    enum truth truth;
    if (is_hopeless(subject, test)) /* a value that is missing is empty, and has no literals */
        return TRUTH_FALSE;
    switch (rules_next_value(subject, &walk, &value)) {
    case GOT_VALUE:
        truth = try_value(subject, test, 0, &value);
        return test->is_negated ? negate(truth) : truth;
    case GOT_ERROR:
        subject->error = "a lookup failed";
        return TRUTH_ERROR;
    case GOT_END:
        break;
    }
    bool is_text = test->use->field->type != TYPE_IP && !type_is_number(test->use->field->type);
    truth = is_text                ? try_value(subject, test, SIZE_MAX, &value)
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

/* What only counts once rules above have run is open while questions are gathered. */
static bool is_open(const struct subject *subject, const struct field_use *use)
{
    return use->stage > subject->stage ||
           (subject->is_dry && (use->field->id == FIELD_SCORE || use->field->id == FIELD_TAG ||
                                use->field->id == FIELD_VAR));
}

static enum truth eval_test(struct subject *subject, const struct test *test)
{
    if (is_open(subject, test->use))
        return TRUTH_UNKNOWN;
    if (test->use->field->id == FIELD_DNSBL_SCORE)
        return rules_dnsbl_score_test(subject, test);
    if (subject->is_dry && test->use->field->flags & FLAG_LIST &&
        rules_dnsbl_is_asking(subject, test->use))
        return TRUTH_UNKNOWN;
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

/* ---- groups and rates ---- */

/* Does any thing of the group satisfy (`wanted` TRUE), or fail to satisfy, what stands inside? */
static enum truth any_thing(struct subject *subject, const struct node *node, enum truth wanted)
{
    enum truth result = TRUTH_FALSE;
    uint32_t count = rules_group_count(subject, node->group);
    for (subject->of = 0; subject->of < count; subject->of++) {
        enum truth truth = rules_eval(subject, node->left);
        if (truth == wanted)
            return TRUTH_TRUE;
        if (truth == TRUTH_ERROR || truth == TRUTH_UNKNOWN)
            result = weaker(result, truth);
    }
    return result;
}

static enum truth eval_group(struct subject *subject, const struct node *node)
{
    if (rules_group_stage(node->group) > subject->stage)
        return TRUTH_UNKNOWN;
    if (node->quantifier == FOR_ANY)
        return any_thing(subject, node, TRUTH_TRUE);
    enum truth wanted = node->quantifier == FOR_ALL ? TRUTH_FALSE : TRUTH_TRUE;
    return negate(any_thing(subject, node, wanted));
}

/* Counted once for each session, message or recipient, however often it is looked at. */
static enum truth eval_rate(struct subject *subject, const struct rate *rate)
{
    if (rate->stage > subject->stage || subject->is_dry)
        return TRUTH_UNKNOWN;
    uint8_t *rated = &rules_marks(subject, rate->scope)->rates[rate->index];
    if (*rated == RATED_NOT_YET) {
        char room[KEY_MAX];
        struct mw_slice key = rules_expand(subject, rate->key, INTO_LOG, room, sizeof room);
        *rated = subject->ops->rate(subject, rate, key) ? RATED_BEYOND : RATED_WITHIN;
    }
    return *rated == RATED_BEYOND ? TRUTH_TRUE : TRUTH_FALSE;
}

/* ---- and, or, not ---- */

/* Neither side has settled it. */
static enum truth join(enum truth left, enum truth right, enum truth decisive)
{
    if (left == TRUTH_UNKNOWN || right == TRUTH_UNKNOWN)
        return TRUTH_UNKNOWN;
    if (left == TRUTH_ERROR || right == TRUTH_ERROR)
        return TRUTH_ERROR;
    return negate(decisive);
}

/* The cheaper side first. What is told about errors is as if the left side had been. */
static enum truth combine_from_right(struct subject *subject, const struct node *node,
                                     enum truth decisive)
{
    const char *before = subject->error;
    bool was_undecided = subject->is_undecided;
    enum truth right = rules_eval(subject, node->right);
    const char *error = subject->error;
    bool is_undecided = subject->is_undecided;
    if (right == decisive)
        return right;
    subject->error = before;
    subject->is_undecided = was_undecided;
    enum truth left = rules_eval(subject, node->left);
    if (left == decisive)
        return left;
    if (error != before)
        subject->error = error;
    subject->is_undecided |= is_undecided;
    return join(left, right, decisive);
}

/* `decisive` settles the whole: FALSE for and, TRUE for or. */
static enum truth combine(struct subject *subject, const struct node *node, enum truth decisive)
{
    if (node->is_right_first)
        return combine_from_right(subject, node, decisive);
    enum truth left = rules_eval(subject, node->left);
    if (left == decisive)
        return left;
    enum truth right = rules_eval(subject, node->right);
    return right == decisive ? right : join(left, right, decisive);
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
    case NODE_GROUP:
        return eval_group(subject, node);
    case NODE_RATE:
        return eval_rate(subject, node->rate);
    case NODE_ALWAYS:
        break;
    }
    return TRUTH_TRUE;
}
