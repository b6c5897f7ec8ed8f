/* rules_ref_eval.c - conditions, by the letter of docs/rules.md. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules_ref_priv.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/slice.h"
#include "list.h"

enum { MATCH_LIMIT = 1000000 };

/* ---- patterns and lists, from the text of the file ---- */

static const char *text_at(const struct ref *ref, const struct place *place)
{
    const char *at = ref->text;
    for (uint32_t line = 1; line < place->line; line++)
        at = strchr(at, '\n') + 1;
    return at + place->column - 1;
}

static uint32_t options_of(const char *flags)
{
    uint32_t options = 0;
    for (; *flags >= 'a' && *flags <= 'z'; flags++)
        options |= *flags == 'i'   ? PCRE2_CASELESS
                   : *flags == 'm' ? PCRE2_MULTILINE
                   : *flags == 's' ? PCRE2_DOTALL
                                   : PCRE2_EXTENDED;
    return options;
}

static pcre2_code *pattern_of(struct ref *ref, const struct test *test)
{
    for (size_t i = 0; i < ref->pattern_count; i++)
        if (ref->patterns[i].test == test)
            return ref->patterns[i].code;
    const char *start = strchr(text_at(ref, &test->place), '/') + 1, *end = strchr(start, '/');
    uint32_t options = options_of(end + 1) | (test->use->field->type != TYPE_BYTES ? PCRE2_UTF : 0);
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)start, (size_t)(end - start), options, &code,
                                         &offset, NULL);
    if (compiled == NULL || ref->pattern_count == REF_PATTERNS)
        abort();
    ref->patterns[ref->pattern_count++] = (struct ref_pattern){test, compiled};
    return compiled;
}

void ref_patterns_new(struct ref *ref)
{
    ref->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(ref->limits, MATCH_LIMIT);
}

void ref_patterns_free(struct ref *ref)
{
    pcre2_match_context_free(ref->limits);
    for (size_t i = 0; i < ref->pattern_count; i++)
        pcre2_code_free(ref->patterns[i].code);
}

int ref_group(const struct ref *ref, struct mw_slice name)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    for (size_t i = 0; i < ref->pattern_count; i++)
        if (ref->patterns[i].test == ref->captured) {
            int number = pcre2_substring_number_from_name(ref->patterns[i].code, (PCRE2_SPTR)text);
            return number > 0 ? number : -1;
        }
    return -1;
}

static bool matches(struct ref *ref, const struct test *test, struct mw_slice value)
{
    pcre2_code *code = pattern_of(ref, test);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    uint32_t groups = 0;
    int count = pcre2_match(code, (PCRE2_SPTR)value.ptr, value.len, 0, 0, data, ref->limits);
    ref->is_beyond |= count < 0 && count != PCRE2_ERROR_NOMATCH;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (count > 0 && !test->is_negated && groups > 0) {
        PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
        for (int i = 0; i < CAPTURES_MAX; i++)
            ref->captures[i] = i < count && ends[2 * i] != PCRE2_UNSET
                                   ? SLICE(value.ptr + ends[2 * i], ends[2 * i + 1] - ends[2 * i])
                                   : EMPTY;
        ref->captured = test;
    }
    pcre2_match_data_free(data);
    return count > 0;
}

static bool in_network(struct mw_slice address, const unsigned char *network, uint32_t prefix)
{
    if (address.len != 16)
        return false;
    for (uint32_t bit = 0; bit < prefix; bit++)
        if (((unsigned char)address.ptr[bit / 8] ^ network[bit / 8]) & 0x80 >> bit % 8)
            return false;
    return true;
}

static struct mw_slice undotted(struct mw_slice host)
{
    host.len -= host.len > 0 && host.ptr[host.len - 1] == '.';
    return host;
}

static bool ends_with(struct mw_slice text, struct mw_slice tail)
{
    return text.len > tail.len && mw_slice_ieq(mw_slice_skip(text, text.len - tail.len), tail);
}

static bool same_address(struct mw_slice a, struct mw_slice b)
{
    ptrdiff_t at = mw_slice_rfind(a, '@');
    if (at < 0 || at != mw_slice_rfind(b, '@'))
        return mw_slice_eq(a, b);
    return mw_slice_eq(mw_slice_take(a, (size_t)at), mw_slice_take(b, (size_t)at)) &&
           mw_slice_ieq(a, b);
}

static bool is_entry(const struct field *field, struct mw_slice value, struct mw_slice entry)
{
    unsigned char network[16];
    uint32_t prefix = 0;
    switch (field->type) {
    case TYPE_IP:
        return fake_host.lang->parse_network(entry, network, &prefix) &&
               in_network(value, network, prefix);
    case TYPE_HOST:
        if (entry.ptr[0] == '.')
            return ends_with(undotted(value), entry);
        return mw_slice_ieq(undotted(value), entry);
    case TYPE_ADDRESS:
        return entry.ptr[0] == '@' ? ends_with(value, entry) : same_address(value, entry);
    case TYPE_NAME:
        return mw_slice_ieq(value, entry);
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_SCORE:
    case TYPE_TEXT:
    case TYPE_BYTES:
        break;
    }
    return mw_slice_eq(value, entry);
}

/* The values stand behind "list NAME = " up to the line's end, or behind "in (" up to ")". */
static bool is_in(const struct ref *ref, const struct test *test, struct mw_slice value)
{
    struct mw_slice name = rules_list_name(test->list);
    char head[64];
    const char *at, *end;
    if (text_is(name, "here")) {
        at = strstr(text_at(ref, &test->place), "in (") + 4;
        end = strchr(at, ')');
    } else {
        snprintf(head, sizeof head, "list %.*s = ", (int)name.len, name.ptr);
        at = strstr(ref->text, head) + strlen(head);
        end = strchr(at, '\n');
    }
    while (at < end) {
        size_t len = strcspn(at, ",)\n");
        struct mw_slice entry = SLICE(at, len);
        if (entry.ptr[0] == '"')
            entry = SLICE(at + 1, len - 2);
        if (is_entry(test->use->field, value, entry))
            return true;
        at += len;
        at += strspn(at, ", ");
    }
    return false;
}

/* ---- one value, one test ---- */

static bool is_equal(const struct test *test, const struct ref_value *value)
{
    switch (test->use->field->type) {
    case TYPE_IP:
        return in_network(value->text, test->network, test->prefix);
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_SCORE:
        return value->number == test->number;
    case TYPE_ADDRESS:
        return same_address(value->text, test->text);
    case TYPE_HOST:
        return mw_slice_ieq(undotted(value->text), undotted(test->text));
    case TYPE_NAME:
        return mw_slice_ieq(value->text, test->text);
    case TYPE_TEXT:
    case TYPE_BYTES:
        break;
    }
    return mw_slice_eq(value->text, test->text);
}

static bool is_ordered(const struct test *test, int64_t number, struct mw_slice text)
{
    uint64_t parsed;
    if (!type_is_number(test->use->field->type)) {
        if (mw_slice_to_u64(text, INT64_MAX / NUMBER_UNIT, &parsed) != MW_OK)
            return false;
        number = (int64_t)parsed * NUMBER_UNIT;
    }
    return test->op == OP_LT   ? number < test->number
           : test->op == OP_LE ? number <= test->number
           : test->op == OP_GT ? number > test->number
                               : number >= test->number;
}

/* Without negation. */
static bool value_holds(struct ref *ref, const struct test *test, const struct ref_value *value)
{
    switch (test->op) {
    case OP_EQ:
        return is_equal(test, value);
    case OP_MATCH:
        return matches(ref, test, value->text);
    case OP_EMPTY:
        return !type_is_number(test->use->field->type) && text_trim(value->text).len == 0;
    case OP_IN:
        return is_in(ref, test, value->text);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        break;
    }
    return is_ordered(test, value->number, value->text);
}

static enum truth truth_of(bool holds)
{
    return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth not(enum truth truth) {
    return truth == TRUTH_TRUE    ? TRUTH_FALSE
           : truth == TRUTH_FALSE ? TRUTH_TRUE
                                  : truth;
}

static bool same_source(const struct field_use *a, const struct field_use *b)
{
    return a->field == b->field && a->slot == b->slot && a->is_folded == b->is_folded &&
           mw_slice_ieq(a->arg, b->arg);
}

/* For ${...}: the value that the field's last test held for. */
static void hold(struct ref *ref, const struct field_use *use, const struct ref_value *value)
{
    size_t i = 0;
    bool is_kept = use->field->flags & FLAG_MANY ||
                   (!type_is_number(use->field->type) && use->field->type != TYPE_IP);
    while (i < ref->held_count && !same_source(ref->held[i].use, use))
        i++;
    if (i == REF_HELD || use->is_whole || use->field->id == FIELD_TAG || !is_kept)
        return;
    ref->held[i].use = use;
    ref->held[i].value = *value;
    ref->held_count += i == ref->held_count;
}

/* Does any value satisfy the test (`wanted` true), or fail it? */
static enum truth any_value(struct ref *ref, const struct test *test, bool is_negated, bool wanted)
{
    struct ref_value *values = ref_keep(ref, REF_VALUES * sizeof *values);
    bool has_failed;
    size_t count = ref_values(ref, test->use, test->use->is_item, values, &has_failed);
    for (size_t i = 0; i < count; i++) {
        bool holds = value_holds(ref, test, &values[i]) != is_negated;
        if (holds != wanted)
            continue;
        if (wanted)
            hold(ref, test->use, &values[i]);
        return TRUTH_TRUE;
    }
    if (has_failed)
        ref->error = "a lookup failed";
    return has_failed ? TRUTH_ERROR : TRUTH_FALSE;
}

/* One value; where it is missing it counts as empty. */
static enum truth eval_single(struct ref *ref, const struct test *test)
{
    struct ref_value values[REF_VALUES], nothing = {.text = EMPTY};
    bool has_failed;
    size_t count = ref_values(ref, test->use, false, values, &has_failed);
    enum field_type type = test->use->field->type;
    if (has_failed) {
        ref->error = "a lookup failed";
        return TRUTH_ERROR;
    }
    if (count == 0 && (type == TYPE_IP || type_is_number(type)))
        return truth_of((test->op == OP_EMPTY) != test->is_negated);
    bool holds = value_holds(ref, test, count > 0 ? &values[0] : &nothing);
    return truth_of(holds != test->is_negated);
}

static enum truth eval_test(struct ref *ref, const struct test *test)
{
    if (test->use->stage > ref->stage)
        return TRUTH_UNKNOWN;
    if (!test->use->is_whole && !(test->use->field->flags & FLAG_MANY))
        return test->quantifier == FOR_NONE ? not(eval_single(ref, test)) : eval_single(ref, test);
    if (test->quantifier == FOR_ALL)
        return not(any_value(ref, test, test->is_negated, false));
    if (test->quantifier == FOR_NONE)
        return not(any_value(ref, test, test->is_negated, true));
    if (test->op == OP_EMPTY) { /* there is no value with anything in it */
        enum truth has_full = any_value(ref, test, false, false);
        return test->is_negated ? has_full : not(has_full);
    }
    return any_value(ref, test, test->is_negated, true);
}

/* ---- the tree ---- */

static uint32_t things(struct ref *ref, enum group group)
{
    static const enum field_id of_group[GROUP_COUNT] = {[GROUP_ATTACHMENT] = FIELD_ATTACHMENT_SIZE,
                                                        [GROUP_URL] = FIELD_URL,
                                                        [GROUP_FROM] = FIELD_FROM_ADDRESS,
                                                        [GROUP_TO] = FIELD_TO_ADDRESS,
                                                        [GROUP_CC] = FIELD_CC_ADDRESS,
                                                        [GROUP_REPLY_TO] = FIELD_REPLY_TO_ADDRESS};
    struct ref_value *values = ref_keep(ref, REF_VALUES * sizeof *values);
    struct field_use use = {.field = rules_field(of_group[group])};
    bool has_failed;
    return (uint32_t)ref_values(ref, &use, false, values, &has_failed);
}

/* Kleene: false < unknown, error < true; unknown before error, for what is to come may settle it. */
static enum truth or (enum truth a, enum truth b) {
    if (a == TRUTH_TRUE || b == TRUTH_TRUE) return TRUTH_TRUE;
    if (a == TRUTH_UNKNOWN || b == TRUTH_UNKNOWN) return TRUTH_UNKNOWN;
    return a == TRUTH_ERROR || b == TRUTH_ERROR ? TRUTH_ERROR : TRUTH_FALSE;
}

static enum truth eval_group(struct ref *ref, const struct node *node)
{
    if (rules_group_stage(node->group) > ref->stage)
        return TRUTH_UNKNOWN;
    enum truth any = TRUTH_FALSE;
    uint32_t count = things(ref, node->group);
    for (uint32_t of = 0; of < count && any != TRUTH_TRUE; of++) {
        ref->of = of;
        enum truth truth = ref_eval(ref, node->left);
        any = or (any, node->quantifier == FOR_ALL ? not(truth) : truth);
    }
    return node->quantifier == FOR_ANY ? any : not(any);
}

enum truth ref_eval(struct ref *ref, const struct node *node)
{
    enum truth left;
    switch (node->kind) {
    case NODE_TEST:
        return eval_test(ref, &node->test);
    case NODE_NOT:
        return not(ref_eval(ref, node->left));
    case NODE_AND: /* the right side is not looked at where the left one settles: ${1} is of those that were */
        left = not(ref_eval(ref, node->left));
        return left == TRUTH_TRUE ? TRUTH_FALSE : not(or (left, not(ref_eval(ref, node->right))));
    case NODE_OR:
        left = ref_eval(ref, node->left);
        return left == TRUTH_TRUE ? left : or (left, ref_eval(ref, node->right));
    case NODE_GROUP:
        return eval_group(ref, node);
    case NODE_RATE:
        abort(); /* the generator writes none: a rate counts, so that looking twice is not looking once */
    case NODE_ALWAYS:
        break;
    }
    return TRUTH_TRUE;
}
