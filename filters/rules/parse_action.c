/* clang-format off */
/* parse_action.c - actions, their reply codes and their texts with ${...}.
 *
 *   action  = verdict [ CODE ] [ ENHANCED ] [ TEXT ]
 *           | "quarantine" ADDRESS | "score" [ NAME ] NUMBER | "tag" TEXT | "log" TEXT | "set" "var" NAME TEXT | "delay" TIME
 *           | ( "add" | "set" ) "header" "NAME: VALUE" | "delete" "header" "NAME"
 *           | "rewrite" ( "sender" | "rcpt" ) ADDRESS | "add" "rcpt" ADDRESS | "delete" "rcpt"
 *   verdict = "reject" | "defer" | "discard" | "accept" | "disconnect"
 *   outcome = "match" | "no-match" | verdict ...            (behind on_error) */
/* clang-format on */
#include <stdio.h>

#include "list.h"
#include "parse.h"
#include "regex.h"

enum { SCORE_MAX = 1000000, HEADER_NAME_MAX = 76, DELAY_MIN_MS = 1000, DELAY_MAX_MS = 60000 };

/* ---- texts ---- */

static struct piece *add_piece(struct parser *parser, struct piece ***tail, enum piece_kind kind)
{
    struct piece *piece = rules_keep(parser->rules, sizeof *piece);
    piece->kind = kind;
    **tail = piece;
    *tail = &piece->next;
    return piece;
}

/* header("Subject") inside ${...}: the name and what stands in the quotes. */
static bool split_arg(struct mw_slice *name, struct mw_slice *out_arg, bool *out_fold)
{
    ptrdiff_t open = text_find(*name, '(');
    if (open < 0)
        return true;
    struct mw_slice inner = text_skip(*name, (size_t)open + 1), fold = LIT(").fold");
    name->len = (size_t)open;
    *out_fold = inner.len > fold.len && text_eq(text_skip(inner, inner.len - fold.len), fold);
    if (*out_fold)
        inner.len -= fold.len - 1;
    if (inner.len < 3 || inner.ptr[inner.len - 1] != ')')
        return false;
    inner.len--;
    char quote = inner.ptr[0];
    if ((quote != '"' && quote != '\'') || inner.ptr[inner.len - 1] != quote)
        return false;
    *out_arg = SLICE(inner.ptr + 1, inner.len - 2);
    return true;
}

static bool parse_insert(struct parser *parser, struct mw_slice inner, const struct place *place,
                         struct piece ***tail)
{
    struct mw_slice name = text_trim(inner), arg = EMPTY;
    uint64_t number;
    parser->has_fold = false;
    if (name.len > 0 && text_number(name, CAPTURES_MAX - 1, &number)) {
        add_piece(parser, tail, PIECE_NUMBERED)->number = (uint32_t)number;
        return true;
    }
    if (name.len == 0 || !split_arg(&name, &arg, &parser->has_fold)) {
        rules_error(parser->rules, place, "write ${1}, ${name}, ${field} or ${header('X')}",
                    "'${%.*s}' is not understood", (int)inner.len, inner.ptr);
        return false;
    }
    bool is_score = name.len > 6 && memcmp(name.ptr, "score.", 6) == 0;
    bool is_folded = name.len > 5 && text_is(text_skip(name, name.len - 5), ".fold");
    if (!is_score && !is_folded && arg.len == 0 &&
        rules_field_find(name) == NULL) { /* a named group, we hope */
        add_piece(parser, tail, PIECE_NAMED)->text = rules_copy(parser, name);
        return true;
    }
    struct field_use *use = rules_parse_use(parser, name, arg, arg.len > 0, place);
    parser->has_fold = false;
    if (use == NULL)
        return false;
    if (use->field->id == FIELD_DNSBL_SCORE) /* nobody could tell half of one from the whole */
        rules_list_want_all(use->list);
    add_piece(parser, tail, PIECE_FIELD)->use = use;
    return true;
}

bool rules_parse_template(struct parser *parser, struct mw_slice text, const struct place *place,
                          struct template *out)
{
    struct piece **tail = &out->pieces;
    out->place = *place;
    while (text.len > 0) {
        size_t at = 0;
        while (at < text.len &&
               !(text.ptr[at] == '$' && at + 1 < text.len && text.ptr[at + 1] == '{'))
            at++;
        if (at > 0)
            add_piece(parser, &tail, PIECE_TEXT)->text = SLICE(text.ptr, at);
        text = text_skip(text, at);
        if (text.len == 0)
            break;
        ptrdiff_t end = text_find(text, '}');
        if (end < 0) {
            rules_error(parser->rules, place, NULL, "'${' without a '}'");
            return false;
        }
        if (!parse_insert(parser, SLICE(text.ptr + 2, (size_t)end - 2), place, &tail))
            return false;
        text = text_skip(text, (size_t)end + 1);
    }
    return true;
}

static bool has_group(const struct node *node, struct mw_slice name)
{
    if (node == NULL)
        return false;
    if (node->kind == NODE_TEST)
        return node->test.regex != NULL && !node->test.is_negated &&
               rules_regex_group(node->test.regex, name) > 0;
    return has_group(node->left, name) || has_group(node->right, name);
}

static void check_template(struct parser *parser, const struct rule *rule,
                           const struct template *text)
{
    for (const struct piece *piece = text->pieces; piece != NULL; piece = piece->next) {
        if (piece->kind == PIECE_NUMBERED && piece->number > rule->group_count)
            rules_error(parser->rules, &text->place,
                        rule->group_count ? NULL
                                          : "captures are made by ( ) in a pattern behind =~",
                        "${%u}: the patterns of this rule have %u group%s", piece->number,
                        rule->group_count, rule->group_count == 1 ? "" : "s");
        else if (piece->kind == PIECE_NAMED && !has_group(rule->condition, piece->text))
            rules_error(parser->rules, &text->place,
                        rules_near(parser, piece->text, rules_field_names()),
                        "${%.*s} is neither a field nor a group of a pattern of this rule",
                        (int)piece->text.len, piece->text.ptr);
    }
}

void rules_check_captures(struct parser *parser, const struct rule *rule)
{
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        check_template(parser, rule, &action->text);
    if (rule->error_action != NULL)
        check_template(parser, rule, &rule->error_action->text);
    check_template(parser, rule, &rule->reason);
}

/* ---- verdicts ---- */

struct verdict_form {
    enum action_kind kind;
    uint32_t first, last; /* codes; 0: takes none */
    uint32_t code;        /* default */
    const char *dsn, *text;
};
// clang-format off
static const struct verdict_form verdict_forms[] = {
    {ACT_REJECT,     500, 599, 550, "5.7.1", "Refused by policy"},
    {ACT_DEFER,      400, 499, 451, "4.7.1", "Try again later"},
    {ACT_DISCARD,    0,   0,   0,   NULL,    NULL},
    {ACT_ACCEPT,     0,   0,   0,   NULL,    NULL},
    {ACT_DISCONNECT, 400, 599, 421, "4.7.0", "Closing the connection"},
};
// clang-format on

/* RFC 5321 4.2.1: the second digit is 0 to 5. 421 announces the end of the connection (3.8) and is
 * disconnect's. */
static bool check_code(struct parser *parser, const struct verdict_form *form, uint32_t code,
                       const struct place *place)
{
    const char *words = rules_action_word(form->kind)->words;
    if (form->first == 0)
        rules_error(parser->rules, place, NULL, "%s takes no reply code", words);
    else if (code < form->first || code > form->last || code / 10 % 10 > 5)
        rules_error(parser->rules, place,
                    code >= 400 && code <= 499 && form->kind == ACT_REJECT ? "defer gives 4xx codes"
                    : code >= 500 && code <= 599 && form->kind == ACT_DEFER
                        ? "reject gives 5xx codes"
                        : NULL,
                    "%u is no reply code for %s, which gives %uxx", code, words, form->first / 100);
    else if (code == 421 && form->kind == ACT_DEFER)
        rules_error(parser->rules, place, "write disconnect", "421 closes the session");
    else
        return true;
    return false;
}

/* RFC 3463 2: class.subject.detail, the class as in the code (RFC 2034 4). */
static bool check_dsn(struct parser *parser, uint32_t code, struct mw_slice dsn,
                      const struct place *place)
{
    uint64_t number;
    struct mw_slice rest = dsn;
    for (int part = 0; part < 3; part++) {
        ptrdiff_t dot = text_find(rest, '.');
        struct mw_slice digits = dot < 0 ? rest : SLICE(rest.ptr, (size_t)dot);
        bool is_last = part == 2;
        if ((dot < 0) != is_last || digits.len > 3 || !text_number(digits, 999, &number)) {
            rules_error(parser->rules, place, NULL,
                        "'%.*s' is no enhanced status code such as %u.7.1", (int)dsn.len, dsn.ptr,
                        code / 100);
            return false;
        }
        rest = dot < 0 ? EMPTY : text_skip(rest, (size_t)dot + 1);
    }
    if (dsn.ptr[1] == '.' && (uint32_t)(dsn.ptr[0] - '0') == code / 100)
        return true;
    rules_error(parser->rules, place, NULL,
                "enhanced code %.*s does not fit reply code %u: its class must be %u", (int)dsn.len,
                dsn.ptr, code, code / 100);
    return false;
}

static bool check_ascii(struct parser *parser, struct mw_slice text, const struct place *place,
                        const char *what)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80 || (unsigned char)text.ptr[i] < ' ') {
            rules_error(parser->rules, place, NULL, "%s holds printable ASCII characters only",
                        what);
            return false;
        }
    return true;
}

static bool starts_with_digit(const struct mw_token *token)
{
    return token->kind == MW_TOKEN_WORD && text_is_digit(token->text.ptr[0]);
}

static bool parse_code(struct parser *parser, const struct verdict_form *form,
                       struct action *action)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    uint64_t code;
    if (!starts_with_digit(&token))
        return true;
    rules_next(parser, MW_LEX_LITERAL);
    struct place place = rules_place(parser, &token);
    if (!text_number(token.text, 999, &code)) {
        rules_error(parser->rules, &place, "a reply is CODE ENHANCED \"text\": 550 5.7.1 \"No\"",
                    "'%.*s' is no reply code", (int)token.text.len, token.text.ptr);
        return false;
    }
    if (!check_code(parser, form, (uint32_t)code, &place))
        return false;
    action->code = (uint32_t)code;
    token = rules_peek(parser, MW_LEX_LITERAL);
    if (!starts_with_digit(&token)) { /* the enhanced code of "refused by policy" for this class */
        action->dsn = code >= 500 ? LIT("5.7.1") : LIT("4.7.1");
        return true;
    }
    rules_next(parser, MW_LEX_LITERAL);
    place = rules_place(parser, &token);
    action->dsn = rules_copy(parser, token.text);
    return check_dsn(parser, action->code, action->dsn, &place);
}

static bool parse_verdict(struct parser *parser, struct action *action)
{
    const struct verdict_form *form = &verdict_forms[0];
    while (form->kind != action->kind)
        form++;
    if (!parse_code(parser, form, action))
        return false;
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    struct mw_slice text = form->text ? slice_of(form->text) : EMPTY;
    struct place place = action->place;
    if (token_is_text(&token)) {
        if (form->first == 0) {
            place = rules_place(parser, &token);
            rules_error(parser->rules, &place, "reason \"...\" is for the log",
                        "%s gives no reply of its own, so it takes no text",
                        rules_action_word(form->kind)->words);
            return false;
        }
        rules_expect_text(parser, "the reply's text", &text, &place);
        if (action->code == 0) {
            action->code = form->code;
            action->dsn = slice_of(form->dsn);
        }
    }
    return action->code == 0 || (check_ascii(parser, text, &place, "a reply") &&
                                 rules_parse_template(parser, text, &place, &action->text));
}

/* ---- other actions ---- */

static bool parse_score(struct parser *parser, struct action *action)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    action->name = LIT("default");
    if (token.kind == MW_TOKEN_WORD) {
        rules_next(parser, MW_LEX_EXPR);
        action->name = rules_copy(parser, token.text);
    }
    bool is_negative = rules_take(parser, "-");
    if (!is_negative)
        rules_take(parser, "+");
    token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_NUMBER || !rules_decimal(token.text, &action->number) ||
        action->number > (int64_t)SCORE_MAX * NUMBER_UNIT)
        return rules_expected(parser, &token,
                              "a score such as 3.0 (at most three digits behind the point)");
    if (is_negative)
        action->number = -action->number;
    action->slot = rules_name(parser->rules, &parser->rules->scores, action->name)->at;
    return true;
}

static bool parse_tag(struct parser *parser, struct action *action)
{
    struct place place;
    if (!rules_expect_text(parser, "the tag in quotes", &action->name, &place))
        return false;
    action->slot = rules_name(parser->rules, &parser->rules->tags, action->name)->at;
    return true;
}

/* A field name: printable ASCII but ':' (RFC 5322 2.2); and no ${...}, for what a rule adds is to
 * be found again. */
static bool check_header_name(struct parser *parser, struct mw_slice name,
                              const struct place *place)
{
    bool is_good = name.len > 0 && name.len <= HEADER_NAME_MAX;
    for (size_t i = 0; i < name.len; i++)
        is_good &= name.ptr[i] > ' ' && name.ptr[i] < 0x7f && name.ptr[i] != ':' &&
                   name.ptr[i] != '{';
    if (!is_good)
        rules_error(parser->rules, place, "write \"Name: value\"",
                    "'%.*s' is no name of a header field", (int)name.len, name.ptr);
    return is_good;
}

static bool parse_header(struct parser *parser, struct action *action)
{
    struct mw_slice text;
    struct place place;
    bool is_delete = action->kind == ACT_HEADER_DELETE;
    if (!rules_expect_text(parser, is_delete ? "the header's name in quotes" : "\"Name: value\"",
                           &text, &place))
        return false;
    ptrdiff_t colon = is_delete ? (ptrdiff_t)text.len : text_find(text, ':');
    if (colon < 0) {
        rules_error(parser->rules, &place, "write \"Name: value\"", "a header field needs a ':'");
        return false;
    }
    action->name = SLICE(text.ptr, (size_t)colon);
    struct mw_slice value = text_trim(text_skip(text, (size_t)colon + 1));
    return check_header_name(parser, action->name, &place) &&
           check_ascii(parser, value, &place, "a header field") &&
           rules_parse_template(parser, value, &place, &action->text);
}

static bool parse_address(struct parser *parser, struct action *action)
{
    struct mw_token token = rules_next(parser, MW_LEX_ADDRESS);
    if (token.kind != MW_TOKEN_ADDRESS && !token_is_text(&token))
        return rules_expected(parser, &token, "an address: <a@example.org> or \"...\"");
    struct place place = rules_place(parser, &token);
    if (token.value.len == 0 && action->kind != ACT_SENDER) {
        rules_error(parser->rules, &place, NULL, "a recipient cannot be empty");
        return false;
    }
    return rules_parse_template(parser, rules_copy(parser, token.value), &place, &action->text);
}

static bool parse_log(struct parser *parser, struct action *action)
{
    struct mw_slice text;
    struct place place;
    return rules_expect_text(parser, "the text in quotes", &text, &place) &&
           rules_parse_template(parser, text, &place, &action->text);
}

/* set var "x" "text": the name, then what it becomes. */
static bool parse_var(struct parser *parser, struct action *action)
{
    struct mw_slice text;
    struct place place;
    if (!rules_expect_text(parser, "the variable's name in quotes", &action->name, &place) ||
        !rules_expect_text(parser, "what it is set to, in quotes", &text, &place))
        return false;
    action->slot = rules_name(parser->rules, &parser->rules->vars, action->name)->at;
    return rules_parse_template(parser, text, &place, &action->text);
}

static bool parse_delay(struct parser *parser, struct action *action)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    uint64_t ms;
    if (token.kind != MW_TOKEN_NUMBER || !parser->lang->parse_duration(token.text, &ms))
        return rules_expected(parser, &token, "a time such as 5s");
    action->number = (int64_t)ms;
    if (ms >= DELAY_MIN_MS && ms <= DELAY_MAX_MS)
        return true;
    struct place place = rules_place(parser, &token);
    rules_error(parser->rules, &place, NULL, "a delay is between 1s and 60s");
    return false;
}

static bool parse_quarantine(struct parser *parser, struct action *action)
{
    struct mw_token token = rules_peek(parser, MW_LEX_ADDRESS);
    struct place place = rules_place(parser, &token);
    if (!parse_address(parser, action))
        return false;
    const struct piece *piece = action->text.pieces;
    if (piece == NULL || piece->next != NULL || piece->kind != PIECE_TEXT ||
        text_find(piece->text, '@') > 0)
        return true;
    rules_error(parser->rules, &place, NULL,
                "mail is quarantined at a whole address: <x@example.org>");
    return false;
}

static bool parse_operands(struct parser *parser, struct action *action)
{
    switch (action->kind) {
    case ACT_REJECT:
    case ACT_DEFER:
    case ACT_DISCARD:
    case ACT_ACCEPT:
    case ACT_DISCONNECT:
        return parse_verdict(parser, action);
    case ACT_SCORE:
        return parse_score(parser, action);
    case ACT_HEADER_ADD:
    case ACT_HEADER_SET:
    case ACT_HEADER_DELETE:
        return parse_header(parser, action);
    case ACT_SENDER:
    case ACT_RCPT:
    case ACT_RCPT_ADD:
        return parse_address(parser, action);
    case ACT_TAG:
        return parse_tag(parser, action);
    case ACT_LOG:
        return parse_log(parser, action);
    case ACT_VAR:
        return parse_var(parser, action);
    case ACT_DELAY:
        return parse_delay(parser, action);
    case ACT_QUARANTINE:
        return parse_quarantine(parser, action);
    case ACT_RCPT_DELETE:
    case ACT_COUNT:
        break;
    }
    return true;
}

/* ---- which action ---- */

static bool report_unknown(struct parser *parser, const struct mw_token *first,
                           const struct mw_token *second)
{
    static const char *const names[] = {"reject", "defer", "discard", "accept", "disconnect",
                                        "score",  "add",   "set",     "delete", "rewrite",
                                        "tag",    "log",   "observe", "early",  "quarantine",
                                        "delay",  NULL};
    struct place place = rules_place(parser, first);
    const char *hint = rules_near(parser, first->text, names);
    if (token_is(first, "tempfail"))
        hint = "the word is \"defer\"";
    if (second != NULL)
        rules_error(parser->rules, &place,
                    "add header, set header, delete header, rewrite sender, rewrite rcpt, add "
                    "rcpt, delete rcpt, set var",
                    "unknown action \"%.*s %.*s\"", (int)first->text.len, first->text.ptr,
                    (int)second->text.len, second->text.ptr);
    else
        rules_error(parser->rules, &place, hint, "unknown action \"%.*s\"", (int)first->text.len,
                    first->text.ptr);
    return false;
}

static bool words_are(const char *words, const struct mw_token *first,
                      const struct mw_token *second)
{
    struct mw_slice text = slice_of(words);
    ptrdiff_t blank = text_find(text, ' ');
    if (blank < 0)
        return second == NULL && text_eq(text, first->text);
    return second != NULL && text_eq(SLICE(text.ptr, (size_t)blank), first->text) &&
           text_eq(text_skip(text, (size_t)blank + 1), second->text);
}

static bool takes_two_words(const struct mw_token *first)
{
    return token_is(first, "add") || token_is(first, "set") || token_is(first, "delete") ||
           token_is(first, "rewrite");
}

static struct action *parse_action(struct parser *parser)
{
    struct mw_token first = rules_next(parser, MW_LEX_EXPR), behind, *second = NULL;
    if (first.kind != MW_TOKEN_WORD) {
        rules_expected(parser, &first, "an action");
        return NULL;
    }
    if (takes_two_words(&first)) {
        behind = rules_next(parser, MW_LEX_EXPR);
        second = &behind;
    }
    for (unsigned kind = 0; kind < ACT_COUNT; kind++) {
        if (!words_are(rules_action_word((enum action_kind)kind)->words, &first, second))
            continue;
        struct action *action = rules_keep(parser->rules, sizeof *action);
        action->kind = (enum action_kind)kind;
        action->place = rules_place(parser, &first);
        return parse_operands(parser, action) ? action : NULL;
    }
    report_unknown(parser, &first, second);
    return NULL;
}

bool rules_parse_actions(struct parser *parser)
{
    struct rule *rule = parser->rule;
    struct action **tail = &rule->actions;
    do {
        struct action *action = parse_action(parser);
        if (action == NULL)
            return false;
        *tail = action;
        tail = &action->next;
        if (!rules_action_word(action->kind)->is_verdict)
            continue;
        if (rule->verdict != NULL) {
            rules_error(parser->rules, &action->place, NULL,
                        "a rule has one verdict, and this one has %s already",
                        rules_action_word(rule->verdict->kind)->words);
            return false;
        }
        rule->verdict = action;
    } while (rules_take(parser, ","));
    return true;
}

bool rules_parse_on_error(struct parser *parser)
{
    struct rule *rule = parser->rule;
    if (rules_take(parser, "match")) {
        rule->on_error = ERROR_MATCH;
        return true;
    }
    if (rules_take(parser, "no-match"))
        return true;
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    struct action *action = parse_action(parser);
    if (action == NULL)
        return false;
    if (!rules_action_word(action->kind)->is_verdict) {
        struct place place = rules_place(parser, &token);
        rules_error(parser->rules, &place, NULL,
                    "behind on_error stands match, no-match or a verdict");
        return false;
    }
    rule->on_error = ERROR_VERDICT;
    rule->error_action = action;
    return true;
}
