/* clang-format off */
/* parse_cond.c - conditions.
 *
 *   condition   = conjunction { "or" conjunction }
 *   conjunction = factor { "and" factor }
 *   factor      = "not" factor | "(" condition ")" | ( "any" | "all" | "none" ) "(" test ")" | "always" | test
 *   test        = FIELD [ "(" TEXT ")" ] check
 *   check       = "is" [ "not" ] "empty" | [ "not" ] "in" ( LIST | "(" values ")" ) | ( "==" | "!=" ) CONSTANT
 *               | ( "<" | "<=" | ">" | ">=" ) NUMBER | ( "=~" | "!~" ) REGEX */
/* clang-format on */
#include <stdio.h>

#include "list.h"
#include "parse.h"
#include "regex.h"

/* ---- fields ---- */

size_t rules_slot(struct rules *rules, struct name_slot **slots, size_t *count,
                  struct mw_slice name)
{
    size_t at = 0;
    for (; *slots != NULL; slots = &(*slots)->next, at++)
        if (text_eq((*slots)->name, name))
            return at;
    struct name_slot *slot = rules_keep(rules, sizeof *slot);
    slot->name = name;
    *slots = slot;
    ++*count;
    return at;
}

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

struct field_use *rules_parse_use(struct parser *parser, struct mw_slice name, struct mw_slice arg,
                                  bool has_arg, const struct place *place)
{
    struct mw_slice score;
    const struct field *field = find_field(name, &score);
    if (field == NULL) {
        rules_error(parser->rules, place, rules_near(parser, name, rules_field_names()),
                    "unknown field \"%.*s\"", (int)name.len, name.ptr);
        return NULL;
    }
    if (!check_arg(parser, field, has_arg, place))
        return NULL;
    struct field_use *use = rules_keep(parser->rules, sizeof *use);
    use->field = field;
    use->arg = has_arg ? rules_copy(parser, arg) : EMPTY;
    use->place = *place;
    use->stage = field->stage;
    use->is_whole = parser->quantified > 0 && field->flags & FLAG_RCPT;
    if (field->id == FIELD_SUBJECT) { /* a word for header("Subject") */
        use->field = rules_field(FIELD_HEADER);
        use->arg = LIT("Subject");
    }
    if (field->id == FIELD_SCORE)
        use->slot = rules_slot(parser->rules, &parser->rules->scores, &parser->rules->score_count,
                               rules_copy(parser, score));
    use->next = parser->rule->uses;
    parser->rule->uses = use;
    return use;
}

static struct field_use *parse_field(struct parser *parser)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR), behind;
    struct mw_slice arg = EMPTY;
    struct place place = rules_place(parser, &token), arg_place;
    if (token.kind != MW_TOKEN_WORD) {
        rules_expected(parser, &token, "a field");
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
    }
    return rules_parse_use(parser, token.text, arg, has_arg, &place);
}

/* ---- constants ---- */

static bool parse_number(struct parser *parser, struct test *test, const char *what)
{
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
    if (test->use->field->type != TYPE_ADDRESS || rules_text_find(test->text, '@') >= 0 ||
        rules_text_find(test->text, '.') < 0)
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

static const char *near_list(struct parser *parser, struct mw_slice name)
{
    size_t count = 0;
    for (const struct list *list = parser->rules->lists; list != NULL; list = list->next)
        count++;
    const char **names = rules_keep(parser->rules, (count + 1) * sizeof *names);
    for (const struct list *list = parser->rules->lists; list != NULL; list = list->next)
        *names++ = list->name.ptr;
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
        test->list = rules_keep(parser->rules, sizeof *test->list);
        test->list->name = LIT("here");
        test->list->place = place;
        if (!rules_parse_list_body(parser, test->list, ")"))
            return false;
    } else if (token.kind != MW_TOKEN_WORD) {
        return rules_expected(parser, &token, "a list's name, or values in parentheses");
    } else if ((test->list = rules_list_find(parser->rules, token.text)) == NULL) {
        rules_error(parser->rules, &place, near_list(parser, token.text), "unknown list \"%.*s\"",
                    (int)token.text.len, token.text.ptr);
        return false;
    }
    if (test->list->is_cidr && test->use->field->type != TYPE_IP) {
        rules_error(parser->rules, &place, NULL,
                    "list \"%.*s\" holds networks, and %s is no IP address", (int)token.text.len,
                    token.text.ptr, test->use->field->name);
        return false;
    }
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
        return rules_expected(parser, &token,
                              "an operator (== != =~ !~ < <= > >= in, not in, is empty)");
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

static struct node *new_node(struct parser *parser, enum node_kind kind, struct node *left,
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
    struct node *node = new_node(parser, NODE_TEST, NULL, NULL);
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    node->test.place = rules_place(parser, &token);
    node->test.quantifier = quantifier;
    node->test.use = parse_field(parser);
    return node->test.use != NULL && parse_operator(parser, &node->test) ? node : NULL;
}

/* all(...): one test, for "all of these hold" would be ambiguous for two. */
static struct node *parse_quantified(struct parser *parser, enum quantifier quantifier)
{
    parser->quantified++;
    rules_next(parser, MW_LEX_EXPR); /* "(" */
    struct node *node = parse_test(parser, quantifier);
    parser->quantified--;
    if (node == NULL)
        return NULL;
    const struct test *test = &node->test;
    bool is_many = test->use->is_whole || test->use->field->flags & FLAG_MANY;
    if (!is_many)
        rules_error(parser->rules, &test->place, NULL,
                    "%s has one value: any, all and none say nothing about it",
                    test->use->field->name);
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    if (token_is(&token, "and") || token_is(&token, "or")) {
        struct place place = rules_place(parser, &token);
        rules_error(parser->rules, &place, "write all(...) and all(...)",
                    "any, all and none take one test");
        return NULL;
    }
    return rules_expect(parser, ")", "')'") && is_many ? node : NULL;
}

/* ---- and, or, not ---- */

static struct node *parse_or(struct parser *parser);

static struct node *parse_parenthesis(struct parser *parser)
{
    rules_next(parser, MW_LEX_EXPR);
    struct node *node = parse_or(parser);
    return node != NULL && rules_expect(parser, ")", "')', 'and' or 'or'") ? node : NULL;
}

static struct node *parse_word(struct parser *parser, const struct mw_token *token)
{
    static const char *const quantifiers[] = {"any", "all", "none"};
    if (rules_take(parser, "always"))
        return new_node(parser, NODE_ALWAYS, NULL, NULL);
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
        node = inner == NULL ? NULL : new_node(parser, NODE_NOT, inner, NULL);
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
        left = right == NULL ? NULL : new_node(parser, NODE_AND, left, right);
    }
    return left;
}

static struct node *parse_or(struct parser *parser)
{
    struct node *left = parse_and(parser);
    while (left != NULL && rules_take(parser, "or")) {
        struct node *right = parse_and(parser);
        left = right == NULL ? NULL : new_node(parser, NODE_OR, left, right);
    }
    return left;
}

struct node *rules_parse_condition(struct parser *parser)
{
    parser->tests = 0;
    return parse_or(parser);
}
