/* clang-format off */
/* parse.c - the frame of a rule file: what is a rule, a list, a test, where the next one begins, and the words
 * between a rule's name and its condition.
 *
 *   file   = { list | import | test | rule }
 *   list   = see parse_list.c
 *   import = see parse_import.c
 *   rule   = NAME [ "at" STAGE ] ":" [ "observe" [ "until" DATE | N% ] ] [ "early" ] action { "," action } { clause }
 *   clause = "when" condition | "reason" TEXT | "on_error" outcome
 *
 * Each clause stands once, in any order; "when" must stand. */
/* clang-format on */
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "parse_import.h"

enum { FILE_MAX = 8 << 20, RULES_MAX = 100000 };

/* ---- tokens ---- */

struct mw_token rules_peek(struct parser *parser, enum mw_lex_mode mode)
{
    return parser->lang->lex_peek(parser->lexer, mode);
}

struct mw_token rules_next(struct parser *parser, enum mw_lex_mode mode)
{
    return parser->lang->lex_next(parser->lexer, mode);
}

bool rules_take(struct parser *parser, const char *text)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    if (!token_is(&token, text))
        return false;
    rules_next(parser, MW_LEX_EXPR);
    return true;
}

struct place rules_place(const struct parser *parser, const struct mw_token *token)
{
    return (struct place){.file = parser->file,
                          .line = token->line,
                          .column = token->column,
                          .length = token->text.len ? (uint32_t)token->text.len : 1};
}

bool rules_expected_hint(struct parser *parser, const struct mw_token *token, const char *what,
                         const char *hint)
{
    struct place place = rules_place(parser, token);
    if (token->kind == MW_TOKEN_ERROR)
        rules_error(parser->rules, &place, NULL, "%.*s", (int)token->value.len, token->value.ptr);
    else if (token->kind == MW_TOKEN_END)
        rules_error(parser->rules, &place, hint, "expected %s, found the end of the file", what);
    else
        rules_error(parser->rules, &place, hint, "expected %s, found %s%.*s%s", what,
                    token_is_text(token) ? "" : "'",
                    (int)(token->text.len < 40 ? token->text.len : 40), token->text.ptr,
                    token_is_text(token) ? "" : "'");
    return false;
}

bool rules_expected(struct parser *parser, const struct mw_token *token, const char *what)
{
    return rules_expected_hint(parser, token, what, NULL);
}

bool rules_expect(struct parser *parser, const char *text, const char *what)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    if (!token_is(&token, text))
        return rules_expected(parser, &token, what);
    rules_next(parser, MW_LEX_EXPR);
    return true;
}

bool rules_expect_text(struct parser *parser, const char *what, struct mw_slice *out_text,
                       struct place *out_place)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    if (!token_is_text(&token))
        return rules_expected(parser, &token, what);
    rules_next(parser, MW_LEX_EXPR);
    *out_text = rules_copy(parser, token.value);
    *out_place = rules_place(parser, &token);
    return true;
}

struct mw_slice rules_copy(const struct parser *parser, struct mw_slice text)
{
    return rules_keep_text(parser->rules, text);
}

const char *rules_near(struct parser *parser, struct mw_slice word, const char *const *names)
{
    const char *near = parser->lang->near_name(word, names);
    if (near == NULL)
        return NULL;
    size_t size = strlen(near) + 32;
    char *hint = rules_keep(parser->rules, size);
    snprintf(hint, size, "did you mean \"%s\"?", near);
    return hint;
}

bool rules_decimal(struct mw_slice text, int64_t *out)
{
    ptrdiff_t point = text_find(text, '.');
    struct mw_slice whole = point < 0 ? text : SLICE(text.ptr, (size_t)point);
    struct mw_slice fraction = point < 0 ? EMPTY : text_skip(text, (size_t)point + 1);
    uint64_t units, parts = 0;
    if (!text_number(whole, INT64_MAX / NUMBER_UNIT - 1, &units) || fraction.len > 3 ||
        (point >= 0 && !text_number(fraction, 999, &parts)))
        return false;
    for (size_t digits = fraction.len; digits < 3; digits++)
        parts *= 10;
    *out = (int64_t)(units * NUMBER_UNIT + parts);
    return true;
}

const char *rules_beside(struct parser *parser, struct mw_slice path)
{
    struct mw_slice file = slice_of(parser->file);
    ptrdiff_t slash = path.len > 0 && path.ptr[0] == '/' ? -1 : text_rfind(file, '/');
    size_t size = (size_t)(slash + 1) + path.len + 1;
    char *joined = rules_keep(parser->rules, size);
    struct builder out = {.ptr = joined, .cap = size - 1};
    builder_put(&out, SLICE(file.ptr, (size_t)(slash + 1)));
    builder_put(&out, path);
    return joined;
}

/* ---- rules ---- */

/* 2026-12-01 at midnight UTC, as seconds since 1970 (days by Howard Hinnant's civil calendar
 * algorithm). */
static bool parse_date(struct mw_slice text, int64_t *out)
{
    uint64_t year, month, day;
    if (text.len != 10 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        !text_number(SLICE(text.ptr, 4), 9999, &year) ||
        !text_number(SLICE(text.ptr + 5, 2), 12, &month) ||
        !text_number(SLICE(text.ptr + 8, 2), 31, &day) || month == 0 || day == 0 || year < 1970)
        return false;
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days[month - 1] || (month == 2 && day == 29 && !is_leap))
        return false;
    uint64_t shifted = month > 2 ? year : year - 1, month_at = (month + 9) % 12;
    uint64_t era_days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400;
    uint64_t total = era_days + (153 * month_at + 2) / 5 + day - 1;
    *out = ((int64_t)total - 719468) * 86400;
    return true;
}

static bool parse_observe(struct parser *parser)
{
    struct rule *rule = parser->rule;
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    rule->observe_percent = 100;
    if (token_is(&token, "until")) {
        rules_next(parser, MW_LEX_EXPR);
        token = rules_next(parser, MW_LEX_EXPR);
        if (token.kind != MW_TOKEN_NUMBER || !parse_date(token.text, &rule->observe_until))
            return rules_expected(parser, &token, "a date such as 2026-12-01");
    } else if (token.kind == MW_TOKEN_NUMBER) {
        uint64_t percent;
        bool is_percent = token.text.ptr[token.text.len - 1] == '%';
        if (!is_percent || !text_number(SLICE(token.text.ptr, token.text.len - 1), 100, &percent))
            return rules_expected(parser, &token, "a share such as 10%");
        rules_next(parser, MW_LEX_EXPR);
        rule->observe_percent = (uint32_t)percent;
    }
    return true;
}

static bool parse_at(struct parser *parser)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &token, "a stage");
    parser->rule->has_at = true;
    parser->rule->at_place = rules_place(parser, &token);
    if (rules_stage_find(token.text, &parser->rule->at))
        return true;
    rules_error(
        parser->rules, &parser->rule->at_place, rules_near(parser, token.text, rules_stage_names()),
        "unknown stage \"%.*s\": connect, helo, mail, rcpt, data, end-of-headers or end-of-message",
        (int)token.text.len, token.text.ptr);
    return false;
}

static bool parse_reason(struct parser *parser)
{
    struct mw_slice text;
    struct place place;
    return rules_expect_text(parser, "the reason in quotes", &text, &place) &&
           rules_parse_template(parser, text, &place, &parser->rule->reason);
}

/* when, reason, on_error in any order. */
static bool parse_clauses(struct parser *parser)
{
    static const char *const names[] = {"when", "reason", "on_error"};
    bool seen[3] = {false};
    for (;;) {
        struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
        size_t which = 0;
        while (which < 3 && !token_is(&token, names[which]))
            which++;
        if (which == 3)
            break;
        rules_next(parser, MW_LEX_EXPR);
        struct place place = rules_place(parser, &token);
        if (seen[which])
            rules_error(parser->rules, &place, NULL, "'%s' stands twice in this rule",
                        names[which]);
        seen[which] = true;
        bool is_good = which == 0
                           ? (parser->rule->condition = rules_parse_condition(parser)) != NULL
                       : which == 1 ? parse_reason(parser)
                                    : rules_parse_on_error(parser);
        if (!is_good)
            return false;
    }
    if (!seen[0]) {
        struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
        if (token.kind == MW_TOKEN_ERROR)
            return rules_expected(parser, &token, "'when'");
        struct place place = token.at_line_start ? parser->rule->place
                                                 : rules_place(parser, &token);
        rules_error(parser->rules, &place, "write `when always` if it is meant for every message",
                    token.at_line_start ? "rule \"%s\" has no condition"
                                        : "expected 'when' in rule \"%s\"",
                    parser->rule->name_text);
    }
    return seen[0];
}

static struct mw_slice where_of(struct parser *parser, uint32_t line)
{
    struct mw_slice file = slice_of(parser->file);
    struct mw_slice base = text_skip(file, (size_t)(text_rfind(file, '/') + 1));
    size_t cap = base.len + 16;
    char *text = rules_keep(parser->rules, cap);
    struct builder out = {.ptr = text, .cap = cap};
    builder_put(&out, base);
    builder_putf(&out, ":%u", line);
    return SLICE(text, out.len);
}

static void add_rule(struct parser *parser)
{
    struct rules *rules = parser->rules;
    if (rules->rule_count++ == RULES_MAX)
        rules_error(rules, &parser->rule->place, NULL, "more than %d rules", RULES_MAX);
    if (rules->last_rule == NULL)
        rules->rules = parser->rule;
    else
        rules->last_rule->next = parser->rule;
    rules->last_rule = parser->rule;
}

static bool parse_rule(struct parser *parser, const struct mw_token *name)
{
    struct rule *rule = rules_keep(parser->rules, sizeof *rule);
    parser->rule = rule;
    rule->name = rules_copy(parser, name->text);
    rule->name_text = rule->name.ptr;
    rule->place = rules_place(parser, name);
    rule->where = where_of(parser, name->line);
    add_rule(parser); /* broken or not, its name is known to tests */
    if (rules_take(parser, "at") && !parse_at(parser))
        return false;
    if (!rules_expect(parser, ":", "':' behind the rule's name"))
        return false;
    if (rules_take(parser, "observe") && !parse_observe(parser))
        return false;
    rule->is_early = rules_take(parser, "early");
    if (!rules_parse_actions(parser) || !parse_clauses(parser))
        return false;
    rule->has_verdict = rule->verdict != NULL || rule->on_error == ERROR_VERDICT;
    rules_check_captures(parser, rule);
    return true;
}

/* ---- files ---- */

/* Skip to what may begin a rule, a list or a test: a word at the very start of a line. */
static void resync(struct parser *parser)
{
    for (;;) {
        struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
        bool is_clause = token_is(&token, "when") || token_is(&token, "and") ||
                         token_is(&token, "or") || token_is(&token, "reason") ||
                         token_is(&token, "on_error");
        if (token.kind == MW_TOKEN_END ||
            (token.kind == MW_TOKEN_WORD && token.at_line_start && token.indent == 0 && !is_clause))
            return;
        rules_next(parser, MW_LEX_EXPR);
    }
}

/* `list`, `import` and `test` begin their own things only if no ':' follows: they are good names for
 * rules, too. */
static bool parse_item(struct parser *parser, const struct mw_token *first)
{
    struct mw_token behind = rules_peek(parser, MW_LEX_EXPR);
    bool is_rule = token_is(&behind, ":") || token_is(&behind, "at");
    if (!is_rule && token_is(first, "list"))
        return rules_parse_list(parser);
    if (!is_rule && token_is(first, "import"))
        return rules_parse_import(parser);
    if (!is_rule && token_is(first, "test"))
        return rules_parse_test(parser, first);
    if (!is_rule && !first->at_line_start) /* what is left of the rule before */
        return rules_expected_hint(
            parser, first, "'and', 'or' or the next rule",
            "texts with blanks stand in quotes; sizes and times are one word: 10MB, 7d");
    return parse_rule(parser, first);
}

void rules_parse_text(struct rules *rules, const char *file, struct mw_slice text)
{
    struct parser parser = {.rules = rules, .lang = rules->lang, .file = file};
    parser.lexer = rules->lang->lex_open(file, text);
    for (;;) {
        struct mw_token first = parser.has_pending ? parser.pending
                                                   : rules_next(&parser, MW_LEX_EXPR);
        parser.has_pending = false;
        if (first.kind == MW_TOKEN_END)
            break;
        bool is_good = first.kind == MW_TOKEN_WORD
                           ? parse_item(&parser, &first)
                           : rules_expected(&parser, &first,
                                            "a rule's name, 'list', 'import' or 'test'");
        parser.depth = parser.quantified = 0;
        if (!is_good && !parser.has_pending)
            resync(&parser);
    }
    rules->lang->lex_close(parser.lexer);
}

void rules_parse_file(struct rules *rules, const char *path)
{
    size_t len = 0;
    const char *error = NULL;
    char *text = rules->lang->file_read(path, FILE_MAX, &len, &error);
    if (text == NULL) {
        struct place place = {.file = path};
        rules_error(rules, &place, NULL, "cannot read the rule file: %s",
                    error ? error : "unknown error");
        return;
    }
    rules_parse_text(rules, path, SLICE(text, len));
    rules->lang->file_free(text);
}
