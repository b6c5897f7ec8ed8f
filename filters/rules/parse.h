/* parse.h - rule files to rules in memory. Every problem of a file is reported: after one the
 * parser goes on at the next rule, list or test that begins a line. */
#ifndef RULES_PARSE_H
#define RULES_PARSE_H

#include "model.h"

/* Read one file and add what it holds. Problems go to rules_error(). */
void rules_parse_file(struct rules *rules, const char *path);
/* The same for a text; it must live as long as the call, `file` as long as the rules. */
void rules_parse_text(struct rules *rules, const char *file, struct mw_slice text);

/* ---- shared by the parser's files (parse*.c) ---- */

struct parser {
    struct rules *rules;
    const struct mw_lang *lang;
    struct mw_lexer *lexer;
    const char *file;
    struct rule *rule;       /* the one being read */
    struct mw_token pending; /* began the next rule, found where this one should go on */
    bool has_pending;
    uint32_t quantified;   /* inside any() all() none() */
    uint32_t depth;        /* of parentheses and `not` */
    uint32_t tests;        /* in this rule's condition */
    enum group group;      /* inside its braces */
    uint32_t items;        /* uses of fields of a group inside it */
    bool has_fold;         /* .fold stood behind the parentheses of the field being read */
    struct mw_token taken; /* a field's word that was taken to look behind it */
    bool has_taken;
};

enum { DEPTH_MAX = 64, TESTS_MAX = 1000 };

struct mw_token rules_peek(struct parser *parser, enum mw_lex_mode mode);
struct mw_token rules_next(struct parser *parser, enum mw_lex_mode mode);
static inline bool token_is(const struct mw_token *token, const char *text)
{
    return (token->kind == MW_TOKEN_WORD || token->kind == MW_TOKEN_PUNCT) &&
           text_is(token->text, text);
}
static inline bool token_is_text(const struct mw_token *token)
{
    return token->kind == MW_TOKEN_STRING || token->kind == MW_TOKEN_RAW;
}
/* Take the next token if it is this word or sign. */
bool rules_take(struct parser *parser, const char *text);
/* The same, or report "expected WHAT". */
bool rules_expect(struct parser *parser, const char *text, const char *what);
/* "expected WHAT, found ..." at the token (lexical errors speak for themselves). Always false. */
bool rules_expected(struct parser *parser, const struct mw_token *token, const char *what);
/* ... with a hint, which may be NULL. */
bool rules_expected_hint(struct parser *parser, const struct mw_token *token, const char *what,
                         const char *hint);
bool rules_expect_text(struct parser *parser, const char *what, struct mw_slice *out_text,
                       struct place *out_place);
struct place rules_place(const struct parser *parser, const struct mw_token *token);
/* " did you mean "x"?" as a hint, or NULL. In the instance's memory. */
const char *rules_near(struct parser *parser, struct mw_slice word, const char *const *names);
struct mw_slice rules_copy(const struct parser *parser, struct mw_slice text);
/* A decimal with up to three digits behind the point, as thousandths. */
bool rules_decimal(struct mw_slice text, int64_t *out);

/* parse_cond.c */
struct node *rules_parse_condition(struct parser *parser);
/* What stands in parentheses or braces. */
struct node *rules_parse_or(struct parser *parser);
struct node *rules_node(struct parser *parser, enum node_kind kind, struct node *left,
                        struct node *right);
/* parse_group.c: behind the group's word, at "{"; behind `rate`, at "(". NULL: reported. */
struct node *rules_parse_group(struct parser *parser, enum group group, const struct mw_token *word,
                               enum quantifier quantifier);
struct node *rules_parse_rate(struct parser *parser, const struct mw_token *word);
/* A use of a field by its name, ("...") behind it already read into arg; adds it to the rule. NULL:
 * reported. */
struct field_use *rules_parse_use(struct parser *parser, struct mw_slice name, struct mw_slice arg,
                                  bool has_arg, const struct place *place);

/* A hint, or NULL. */
const char *rules_near_list(struct parser *parser, struct mw_slice name);

/* parse_dnsbl.c: what stands in the parentheses of dnsbl.score and its like. False: reported. */
bool rules_parse_listing(struct parser *parser, struct field_use *use);
/* A test of one: how far the list has to be asked. */
void rules_note_listing(const struct test *test);
/* The same for FIELD in LIST. */
void rules_list_in(struct parser *parser, struct list *list, const struct place *place);

/* parse_action.c */
bool rules_parse_actions(struct parser *parser);
/* What may stand behind on_error. */
bool rules_parse_on_error(struct parser *parser);
bool rules_parse_template(struct parser *parser, struct mw_slice text, const struct place *place,
                          struct template *out);
/* Captures can be checked once the condition is known. */
void rules_check_captures(struct parser *parser, const struct rule *rule);

/* parse_list.c: behind `list` */
bool rules_parse_list(struct parser *parser);
bool rules_parse_list_body(struct parser *parser, struct list *list, const char *close);
/* parse_test.c: behind `test` */
bool rules_parse_test(struct parser *parser, const struct mw_token *keyword);
/* A path beside the rule file. */
const char *rules_beside(struct parser *parser, struct mw_slice path);

#endif
