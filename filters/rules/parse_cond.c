/* clang-format off */
/* parse_cond.c - conditions.
 *
 *   condition   = conjunction { "or" conjunction }
 *   conjunction = factor { "and" factor }
 *   factor      = "not" factor | "(" condition ")" | ( "any" | "all" | "none" ) "(" ( test | group ) ")" | "always" | group | rate | test
 *   group       = ( "attachment" | "archive" | "url" | "from" | "to" | "cc" | "reply_to" ) "{" condition "}"
 *   rate        = "rate" "(" TEXT "," TEXT ")"
 *   test        = FIELD [ "(" TEXT ")" ] [ ".fold" ] check
 *   check       = "is" [ "not" ] "empty" | [ "not" ] "in" ( LIST | "(" values ")" ) | ( "==" | "!=" ) CONSTANT
 *               | ( "<" | "<=" | ">" | ">=" ) NUMBER | ( "=~" | "!~" ) REGEX */
/* clang-format on */
#include <stdio.h>

#include "list.h"
#include "parse.h"
#include "regex.h"

/* ---- fields ---- */

/* "score.spam" is the field `score` with a name. */
static const struct field *find_field(struct mw_slice name, struct mw_slice *out_score)
{
    *out_score = LIT("default");
    if (name.len > 6 && memcmp(name.ptr, "score.", 6) == 0) {
        *out_score = text_skip(name, 6);
        return rules_field(FIELD_SCORE);
    }
    return rules_field_find(name);
}

static bool check_arg(struct parser *parser, const struct field *field, bool has_arg,
                      const struct place *place)
{
    if (has_arg && !(field->flags & (FLAG_ARG | FLAG_ARG_OK)))
        rules_error(parser->rules, place, NULL, "%s takes nothing in parentheses", field->name);
    else if (!has_arg && field->flags & FLAG_ARG)
        rules_error(parser->rules, place, NULL, "%s needs a name: %s(\"...\")", field->name,
                    field->name);
    else
        return true;
    return false;
}

/* Takes ".fold" off the end of a name. */
static bool take_fold(struct mw_slice *name)
{
    struct mw_slice fold = LIT(".fold");
    if (name->len <= fold.len || !text_eq(text_skip(*name, name->len - fold.len), fold))
        return false;
    name->len -= fold.len;
    return true;
}

static bool check_fold(struct parser *parser, const struct field *field, bool is_folded,
                       const struct place *place)
{
    if (field->flags & FLAG_LIST && is_folded) {
        rules_error(parser->rules, place, NULL, "%s has no .fold", field->name);
        return false;
    }
    if (!is_folded || (field->type != TYPE_BYTES && field->type != TYPE_IP &&
                       !type_is_number(field->type) && field->id != FIELD_TAG))
        return true;
    rules_error(parser->rules, place, NULL, "%s is no decoded text: it has no .fold", field->name);
    return false;
}

/* Inside a group, "size" is its own size; other fields go by their full names. */
static const struct field *find_in_group(const struct parser *parser, struct mw_slice name)
{
    char full[64];
    struct builder out = {.ptr = full, .cap = sizeof full};
    if (parser->group == GROUP_NONE)
        return NULL;
    builder_putf(&out, "%s.", rules_group_name(parser->group));
    builder_put(&out, name);
    const struct field *field = rules_field_find(SLICE(full, out.len));
    return field != NULL && field->flags & FLAG_ITEM ? field : NULL;
}

/* "from has from.address, from.domain, from.name"; NULL: there are none of that name. */
static const char *members_of(struct parser *parser, struct mw_slice name)
{
    char text[400];
    struct builder out = {.ptr = text, .cap = sizeof text - 1};
    unsigned count = 0;
    builder_put(&out, name);
    builder_put(&out, LIT(" has"));
    for (unsigned id = 0; id < FIELD_COUNT; id++) {
        struct mw_slice field = slice_of(rules_field((enum field_id)id)->name);
        if (field.len > name.len && field.ptr[name.len] == '.' &&
            text_eq(SLICE(field.ptr, name.len), name))
            builder_putf(&out, "%s %s", count++ > 0 ? "," : "", field.ptr);
    }
    if (rules_group_find(name) != GROUP_NONE)
        builder_putf(&out, "; or write %.*s { ... }", (int)name.len, name.ptr);
    return count > 0 ? rules_keep_text(parser->rules, SLICE(text, out.len)).ptr : NULL;
}

/* A hint: inside a group its properties come first, outside there are groups besides fields. */
static const char *near_field(struct parser *parser, struct mw_slice name)
{
    const char *names[FIELD_COUNT + GROUP_COUNT + 1];
    size_t count = 0, prefix = strlen(rules_group_name(parser->group)) + 1;
    const char *members = name.len < 32 ? members_of(parser, name) : NULL;
    if (members != NULL)
        return members;
    for (unsigned id = 0; id < FIELD_COUNT && parser->group != GROUP_NONE; id++) {
        const struct field *field = rules_field((enum field_id)id);
        if (rules_field_group(field) == parser->group && strlen(field->name) > prefix)
            names[count++] = field->name + prefix;
    }
    names[count] = NULL;
    const char *near = count > 0 ? rules_near(parser, name, names) : NULL;
    if (near != NULL)
        return near;
    count = 0;
    for (unsigned id = 0; id < FIELD_COUNT; id++)
        names[count++] = rules_field((enum field_id)id)->name;
    for (unsigned group = GROUP_NONE + 1; group < GROUP_COUNT; group++)
        names[count++] = rules_group_name((enum group)group);
    names[count] = NULL;
    return rules_near(parser, name, names);
}

static void set_slot(struct parser *parser, struct field_use *use, struct mw_slice score)
{
    struct rules *rules = parser->rules;
    if (use->field->id == FIELD_SCORE)
        use->slot = rules_name(rules, &rules->scores, rules_copy(parser, score))->at;
    if (use->field->id == FIELD_VAR)
        use->slot = rules_name(rules, &rules->vars, use->arg)->at;
}

struct field_use *rules_parse_use(struct parser *parser, struct mw_slice name, struct mw_slice arg,
                                  bool has_arg, const struct place *place)
{
    struct mw_slice score, whole = name;
    bool is_folded = take_fold(&name) || parser->has_fold;
    const struct field *field = find_in_group(parser, name);
    if (field == NULL)
        field = find_field(name, &score);
    if (field == NULL) {
        rules_error(parser->rules, place, near_field(parser, name), "unknown field \"%.*s\"",
                    (int)whole.len, whole.ptr);
        return NULL;
    }
    if (!check_arg(parser, field, has_arg, place) || !check_fold(parser, field, is_folded, place))
        return NULL;
    struct field_use *use = rules_keep(parser->rules, sizeof *use);
    use->field = field;
    use->arg = has_arg ? rules_copy(parser, arg) : EMPTY;
    use->place = *place;
    use->stage = field->stage;
    use->is_folded = is_folded;
    use->is_whole = parser->quantified > 0 && field->flags & FLAG_RCPT;
    use->is_item = parser->group != GROUP_NONE && rules_field_group(field) == parser->group;
    parser->items += use->is_item;
    if (field->id == FIELD_SUBJECT) { /* a word for header("Subject") */
        use->field = rules_field(FIELD_HEADER);
        use->arg = LIT("Subject");
    }
    set_slot(parser, use, score);
    if (field->flags & FLAG_LIST && !rules_parse_listing(parser, use))
        return NULL;
    use->next = parser->rule->uses;
    parser->rule->uses = use;
    return use;
}

/* ".fold" directly behind the parenthesis of header("X"). */
static bool take_fold_behind(struct parser *parser)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    if (token.kind != MW_TOKEN_WORD || !text_is(token.text, ".fold"))
        return false;
    rules_next(parser, MW_LEX_LITERAL);
    return true;
}

/* The word was looked behind already, where it might have begun a group. */
static struct mw_token take_field_word(struct parser *parser)
{
    if (!parser->has_taken)
        return rules_next(parser, MW_LEX_EXPR);
    parser->has_taken = false;
    return parser->taken;
}

static struct field_use *parse_field(struct parser *parser)
{
    struct mw_token token = take_field_word(parser), behind;
    struct mw_slice arg = EMPTY;
    struct place place = rules_place(parser, &token), arg_place;
    if (token.kind != MW_TOKEN_WORD) {
        rules_expected_hint(parser, &token, "a field",
                            token_is_text(&token) || token.kind == MW_TOKEN_NUMBER
                                ? "the field stands first: FIELD == X, FIELD in LIST"
                                : NULL);
        return NULL;
    }
    behind = rules_peek(parser, MW_LEX_EXPR);
    if (token.at_line_start && token_is(&behind, ":")) {
        rules_error(parser->rules, &place, NULL,
                    "expected a condition for rule \"%s\", found the next rule",
                    parser->rule->name_text);
        parser->pending = token;
        parser->has_pending = true;
        return NULL;
    }
    bool has_arg = token_is(&behind, "(");
    if (has_arg) {
        rules_next(parser, MW_LEX_EXPR);
        if (!rules_expect_text(parser, "a name in quotes", &arg, &arg_place) ||
            !rules_expect(parser, ")", "')'"))
            return NULL;
        parser->has_fold = take_fold_behind(parser);
    }
    struct field_use *use = rules_parse_use(parser, token.text, arg, has_arg, &place);
    parser->has_fold = false;
    return use;
}

/* ---- constants ---- */

/* 7d, 30m: in milliseconds, which are thousandths of a second. */
static bool parse_age(struct parser *parser, struct test *test)
{
    bool is_negative = rules_take(parser, "-");
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    uint64_t ms = 0;
    bool is_zero = token.kind == MW_TOKEN_NUMBER && text_is(token.text, "0");
    if (!is_zero && (token.kind != MW_TOKEN_NUMBER ||
                     !parser->lang->parse_duration(token.text, &ms) || ms > INT64_MAX))
        return rules_expected(parser, &token, "a time such as 7d or 30m");
    test->number = is_negative ? -(int64_t)ms : (int64_t)ms;
    return true;
}

static bool parse_number(struct parser *parser, struct test *test, const char *what)
{
    if (test->use->field->flags & FLAG_AGE)
        return parse_age(parser, test);
    bool is_negative = rules_take(parser, "-");
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    uint64_t octets;
    bool is_good = token.kind == MW_TOKEN_NUMBER;
    if (is_good && !rules_decimal(token.text, &test->number)) {
        is_good = test->use->field->type != TYPE_SCORE &&
                  parser->lang->parse_size(token.text, &octets) &&
                  octets <= INT64_MAX / NUMBER_UNIT;
        if (is_good)
            test->number = (int64_t)octets * NUMBER_UNIT;
    }
    if (!is_good)
        return rules_expected(parser, &token, what);
    if (is_negative)
        test->number = -test->number;
    if (test->use->field->type == TYPE_SCORE || test->number % NUMBER_UNIT == 0)
        return true;
    struct place place = rules_place(parser, &token);
    rules_error(parser->rules, &place, NULL, "%s is a whole number", test->use->field->name);
    return false;
}

static bool parse_ip(struct parser *parser, struct test *test)
{
    struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
    bool is_value = token.kind == MW_TOKEN_WORD || token_is_text(&token);
    if (is_value && parser->lang->parse_network(token.value, test->network, &test->prefix))
        return true;
    return rules_expected(parser, &token, "an IP address or network");
}

static void advise_constant(struct parser *parser, const struct test *test,
                            const struct place *place)
{
    if (test->use->field->type != TYPE_ADDRESS || text_find(test->text, '@') >= 0 ||
        text_find(test->text, '.') < 0)
        return;
    rules_error(parser->rules, place, "compare the .domain, or write the whole address",
                "this test can never hold: %s is a whole address and \"%.*s\" is not",
                test->use->field->name, (int)test->text.len, test->text.ptr);
}

static bool parse_constant(struct parser *parser, struct test *test)
{
    if (test->use->field->type == TYPE_IP)
        return parse_ip(parser, test);
    if (type_is_number(test->use->field->type))
        return parse_number(parser, test, "a number");
    struct mw_token token = rules_next(parser, MW_LEX_ADDRESS);
    if (token.kind != MW_TOKEN_WORD && token.kind != MW_TOKEN_ADDRESS &&
        token.kind != MW_TOKEN_NUMBER && !token_is_text(&token))
        return rules_expected(parser, &token, "a text to compare with");
    struct place place = rules_place(parser, &token);
    if (token.kind == MW_TOKEN_WORD && rules_field_find(token.text) != NULL) {
        rules_error(parser->rules, &place, "put it in quotes if the word itself is meant",
                    "a field cannot be compared with a field");
        return false;
    }
    test->text = rules_copy(parser, token.value);
    advise_constant(parser, test, &place);
    return true;
}

/* ---- tests ---- */

static bool parse_regex(struct parser *parser, struct test *test)
{
    const struct field *field = test->use->field;
    struct mw_token token = rules_next(parser, MW_LEX_REGEX);
    if (token.kind != MW_TOKEN_REGEX && !token_is_text(&token))
        return rules_expected(parser, &token, "a regular expression: /.../");
    struct place place = rules_place(parser, &token);
    if (field->type == TYPE_IP || type_is_number(field->type)) {
        rules_error(parser->rules, &place,
                    field->type == TYPE_IP ? "write `in` and a list of networks"
                                           : "write == < <= > or >=",
                    "%s is no text: it takes no regular expression", field->name);
        return false;
    }
    if (parser->rules->regexes == NULL)
        return false;
    test->regex = rules_regex_compile(parser->rules, token.value, token.flags, &place,
                                      field->type != TYPE_BYTES);
    if (test->regex == NULL)
        return false;
    rules_regex_advise(parser->rules, test->regex, &place, field);
    if (rules_regex_groups(test->regex) > parser->rule->group_count)
        parser->rule->group_count = rules_regex_groups(test->regex);
    return true;
}

const char *rules_near_list(struct parser *parser, struct mw_slice name)
{
    size_t count = 0;
    for (const struct list *list = parser->rules->lists; list != NULL; list = rules_list_next(list))
        count++;
    const char **names = rules_keep(parser->rules, (count + 1) * sizeof *names);
    for (const struct list *list = parser->rules->lists; list != NULL; list = rules_list_next(list))
        *names++ = rules_list_name(list).ptr;
    return rules_near(parser, name, names - count);
}

static bool parse_in(struct parser *parser, struct test *test)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    struct place place = rules_place(parser, &token);
    if (type_is_number(test->use->field->type)) {
        rules_error(parser->rules, &place,
                    "write == < <= > or >=", "%s is a number: it takes no list",
                    test->use->field->name);
        return false;
    }
    if (token_is(&token, "(")) {
        test->list = rules_list_new(parser->rules, LIT("here"), &place);
        if (!rules_parse_list_body(parser, test->list, ")"))
            return false;
    } else if (token.kind != MW_TOKEN_WORD) {
        return rules_expected_hint(parser, &token, "a list's name, or values in parentheses",
                                   "also a single value: in (10.0.0.0/8)");
    } else if ((test->list = rules_list_find(parser->rules, token.text)) == NULL) {
        rules_error(parser->rules, &place, rules_near_list(parser, token.text),
                    "unknown list \"%.*s\"", (int)token.text.len, token.text.ptr);
        return false;
    }
    if (rules_list_kind(test->list) == LIST_CIDR && test->use->field->type != TYPE_IP) {
        rules_error(parser->rules, &place, NULL,
                    "list \"%.*s\" holds networks, and %s is no IP address", (int)token.text.len,
                    token.text.ptr, test->use->field->name);
        return false;
    }
    if (rules_list_kind(test->list) == LIST_DNSBL)
        rules_list_in(parser, test->list, &place);
    test->set = rules_list_set(parser->rules, test->list, test->use->field);
    return true; /* bad entries are reported at their own places, and are no fault of this rule */
}

static bool check_ordering(struct parser *parser, const struct test *test,
                           const struct mw_token *op)
{
    if (type_is_number(test->use->field->type) || test->use->field->flags & FLAG_DIGITS)
        return true;
    struct place place = rules_place(parser, op);
    rules_error(parser->rules, &place, "texts are compared with == != =~ !~ and in",
                "%s is no number", test->use->field->name);
    return false;
}

/* `when attachment.encrypted`, and the next line begins the next rule: the fault is the field's. */
static bool no_operator(struct parser *parser, const struct test *test,
                        const struct mw_token *token)
{
    struct mw_token behind = rules_peek(parser, MW_LEX_EXPR);
    const char *alone = type_is_number(test->use->field->type)
                            ? "a field alone is no condition: write == 1, or > 0"
                            : "a field alone is no condition: write == \"x\", or is not empty";
    bool is_word = token->kind == MW_TOKEN_WORD;
    if (is_word && token->at_line_start && token_is(&behind, ":")) {
        rules_error(parser->rules, &test->place, alone,
                    "expected an operator behind %s, found the next rule", test->use->field->name);
        parser->pending = *token;
        parser->has_pending = true;
        return false;
    }
    bool is_end = token->kind == MW_TOKEN_END || token_is(token, "and") || token_is(token, "or") ||
                  token_is(token, ")") || token_is(token, "}");
    return rules_expected_hint(parser, token,
                               "an operator (== != =~ !~ < <= > >= in, not in, is empty)",
                               is_end                 ? alone
                               : token_is(token, "=") ? "write =="
                               : is_word              ? "a part of a text is found with =~ /.../"
                                                      : NULL);
}

static bool parse_operator(struct parser *parser, struct test *test)
{
    static const struct {
        const char *sign;
        enum test_op op;
        bool is_negated;
    } known[] = {{"==", OP_EQ, false},   {"!=", OP_EQ, true},    {"=~", OP_MATCH, false},
                 {"!~", OP_MATCH, true}, {"<=", OP_LE, false},   {">=", OP_GE, false},
                 {"<", OP_LT, false},    {">", OP_GT, false},    {"in", OP_IN, false},
                 {"not", OP_IN, true},   {"is", OP_EMPTY, false}};
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    size_t which = 0;
    while (which < sizeof known / sizeof *known && !token_is(&token, known[which].sign))
        which++;
    if (which == sizeof known / sizeof *known)
        return no_operator(parser, test, &token);
    test->op = known[which].op;
    test->is_negated = known[which].is_negated;
    switch (test->op) {
    case OP_EQ:
        return parse_constant(parser, test);
    case OP_MATCH:
        return parse_regex(parser, test);
    case OP_IN:
        return (!test->is_negated || rules_expect(parser, "in", "'in' behind 'not'")) &&
               parse_in(parser, test);
    case OP_EMPTY:
        test->is_negated = rules_take(parser, "not");
        return rules_expect(parser, "empty", "'empty' or 'not empty'");
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        break;
    }
    return check_ordering(parser, test, &token) && parse_number(parser, test, "a number");
}

struct node *rules_node(struct parser *parser, enum node_kind kind, struct node *left,
                        struct node *right)
{
    struct node *node = rules_keep(parser->rules, sizeof *node);
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

static struct node *parse_test(struct parser *parser, enum quantifier quantifier)
{
    struct node *node = rules_node(parser, NODE_TEST, NULL, NULL);
    struct mw_token token = parser->has_taken ? parser->taken : rules_peek(parser, MW_LEX_EXPR);
    node->test.place = rules_place(parser, &token);
    node->test.quantifier = quantifier;
    node->test.use = parse_field(parser);
    if (node->test.use == NULL || !parse_operator(parser, &node->test))
        return NULL;
    if (node->test.use->field->flags & FLAG_LIST)
        rules_note_listing(&node->test);
    return node;
}

/* ---- any, all, none ---- */

/* The word is followed by `{`: attachment { ... }. */
static enum group group_ahead(struct parser *parser)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    return token.kind == MW_TOKEN_WORD ? rules_group_find(token.text) : GROUP_NONE;
}

static struct node *parse_quantified_test(struct parser *parser, enum quantifier quantifier)
{
    struct node *node = parse_test(parser, quantifier);
    if (node == NULL)
        return NULL;
    const struct test *test = &node->test;
    if (test->use->is_whole || test->use->field->flags & FLAG_MANY)
        return node;
    rules_error(parser->rules, &test->place, NULL,
                "%s has one value: any, all and none say nothing about it", test->use->field->name);
    rules_take(parser, ")");
    return NULL;
}

/* A test or a group. A word that is both (url) is a group where `{` follows. */
static struct node *parse_quantifiable(struct parser *parser, enum quantifier quantifier)
{
    enum group group = group_ahead(parser);
    if (group == GROUP_NONE)
        return parse_quantified_test(parser, quantifier);
    struct mw_token word = rules_next(parser, MW_LEX_EXPR),
                    behind = rules_peek(parser, MW_LEX_EXPR);
    if (token_is(&behind, "{"))
        return rules_parse_group(parser, group, &word, quantifier);
    parser->taken = word;
    parser->has_taken = true;
    return parse_quantified_test(parser, quantifier);
}

/* all(...): one test, for "all of these hold" would be ambiguous for two. */
static struct node *parse_quantified(struct parser *parser, enum quantifier quantifier)
{
    parser->quantified++;
    rules_next(parser, MW_LEX_EXPR); /* "(" */
    struct node *node = parse_quantifiable(parser, quantifier);
    parser->quantified--;
    if (node == NULL)
        return NULL;
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    if (token_is(&token, "and") || token_is(&token, "or")) {
        struct place place = rules_place(parser, &token);
        rules_error(parser->rules, &place, "write all(...) and all(...)",
                    "any, all and none take one test");
        return NULL;
    }
    return rules_expect(parser, ")", "')'") ? node : NULL;
}

/* ---- and, or, not ---- */

static struct node *parse_parenthesis(struct parser *parser)
{
    rules_next(parser, MW_LEX_EXPR);
    struct node *node = rules_parse_or(parser);
    return node != NULL && rules_expect(parser, ")", "')', 'and' or 'or'") ? node : NULL;
}

static struct node *parse_word(struct parser *parser, const struct mw_token *token)
{
    static const char *const quantifiers[] = {"any", "all", "none"};
    if (rules_take(parser, "always"))
        return rules_node(parser, NODE_ALWAYS, NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        if (!token_is(token, quantifiers[i]))
            continue;
        rules_next(parser, MW_LEX_EXPR);
        struct mw_token behind = rules_peek(parser, MW_LEX_EXPR);
        if (token_is(&behind, "("))
            return parse_quantified(parser, (enum quantifier)i);
        rules_expected(parser, &behind, "'('");
        return NULL;
    }
    enum group group = group_ahead(parser);
    bool is_rate = token_is(token, "rate");
    if (group == GROUP_NONE && !is_rate)
        return parse_test(parser, FOR_ANY);
    struct mw_token word = rules_next(parser, MW_LEX_EXPR),
                    behind = rules_peek(parser, MW_LEX_EXPR);
    if (token_is(&behind, is_rate ? "(" : "{"))
        return is_rate ? rules_parse_rate(parser, &word)
                       : rules_parse_group(parser, group, &word, FOR_ANY);
    parser->taken = word;
    parser->has_taken = true;
    return parse_test(parser, FOR_ANY);
}

static struct node *parse_factor(struct parser *parser)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    struct place place = rules_place(parser, &token);
    if (parser->depth >= DEPTH_MAX) {
        rules_error(parser->rules, &place, NULL, "more than %d levels of parentheses", DEPTH_MAX);
        return NULL;
    }
    if (++parser->tests > TESTS_MAX) { /* conditions are walked recursively */
        rules_error(parser->rules, &place, "look values up in a list",
                    "more than %d tests in one condition", TESTS_MAX);
        return NULL;
    }
    parser->depth++;
    struct node *node = NULL;
    if (token_is(&token, "not")) {
        rules_next(parser, MW_LEX_EXPR);
        struct node *inner = parse_factor(parser);
        node = inner == NULL ? NULL : rules_node(parser, NODE_NOT, inner, NULL);
    } else if (token_is(&token, "(")) {
        node = parse_parenthesis(parser);
    } else {
        node = parse_word(parser, &token);
    }
    parser->depth--;
    return node;
}

static struct node *parse_and(struct parser *parser)
{
    struct node *left = parse_factor(parser);
    while (left != NULL && rules_take(parser, "and")) {
        struct node *right = parse_factor(parser);
        left = right == NULL ? NULL : rules_node(parser, NODE_AND, left, right);
    }
    return left;
}

struct node *rules_parse_or(struct parser *parser)
{
    struct node *left = parse_and(parser);
    while (left != NULL && rules_take(parser, "or")) {
        struct node *right = parse_and(parser);
        left = right == NULL ? NULL : rules_node(parser, NODE_OR, left, right);
    }
    return left;
}

struct node *rules_parse_condition(struct parser *parser)
{
    parser->tests = parser->items = 0;
    parser->group = GROUP_NONE;
    parser->has_taken = parser->has_fold = false;
    struct node *node = rules_parse_or(parser);
    parser->group = GROUP_NONE;
    return node;
}
