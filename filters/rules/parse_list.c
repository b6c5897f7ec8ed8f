/* clang-format off */
/* parse_list.c - lists.
 *
 *   list  = "list" NAME "=" ( kind | value { "," value } )
 *   kind  = "file" TEXT | "cidr" TEXT | "lmdb" TEXT
 *         | "regex" ( TEXT | REGEX { "," REGEX } )
 *         | "postfix" TEXT [ "value" WORD { "," WORD } ]
 *         | "redis" TEXT [ "password" "file" TEXT ] [ "timeout" DURATION ]
 *         | "dnsbl" TEXT { "," TEXT } { "threshold" NUMBER | "timeout" DURATION }
 *
 * Options stand on the line of what they belong to; those of dnsbl may have lines of their own. */
/* clang-format on */
#include "list_priv.h"
#include "parse.h"

enum { TIMEOUT_MAX_MS = 60000, WORDS_MAX = 400 };

/* Values up to `close` (")"; NULL: up to the first that no comma follows). */
bool rules_parse_list_body(struct parser *parser, struct list *list, const char *close)
{
    struct list_entry **tail = &list->entries;
    while (*tail != NULL)
        tail = &(*tail)->next;
    for (;;) {
        struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
        bool is_value = token.kind == MW_TOKEN_WORD || token.kind == MW_TOKEN_ADDRESS ||
                        token_is_text(&token);
        if (!is_value)
            return rules_expected(parser, &token, "a value of the list");
        struct place place = rules_place(parser, &token);
        rules_list_add(parser->rules, list, &tail, rules_copy(parser, token.value), &place);
        token = rules_peek(parser, MW_LEX_LITERAL);
        if (token_is(&token, ",")) {
            rules_next(parser, MW_LEX_LITERAL);
            continue;
        }
        return close == NULL || rules_expect(parser, close, "',' or ')'");
    }
}

/* ---- options ---- */

/* The next token if it is this word on the same line as `before`. */
static bool take_option(struct parser *parser, const struct mw_token *before, const char *word)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    if (token.line != before->line || !token_is(&token, word))
        return false;
    rules_next(parser, MW_LEX_LITERAL);
    return true;
}

static bool parse_timeout(struct parser *parser, struct list *list)
{
    struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
    struct place place = rules_place(parser, &token);
    uint64_t ms;
    if (token.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &token, "a duration such as 50ms or 3s");
    if (!parser->lang->parse_duration(token.text, &ms) || ms == 0 || ms > TIMEOUT_MAX_MS) {
        rules_error(parser->rules, &place, "such as 50ms or 3s, at most 60s",
                    "'%.*s' is no time to wait for an answer", (int)token.text.len, token.text.ptr);
        return false;
    }
    list->timeout_ms = ms;
    return true;
}

static bool parse_password(struct parser *parser, struct list *list)
{
    struct mw_slice path;
    struct place place;
    return rules_expect(parser, "file", "'file' (a password does not stand in rules)") &&
           rules_expect_text(parser, "the password file's name in quotes", &path, &place) &&
           rules_redis_password(parser->rules, list, rules_beside(parser, path), &place);
}

/* `value reject, 550`: the values' first words that count. */
static bool parse_words(struct parser *parser, struct list *list)
{
    char text[WORDS_MAX];
    struct builder words = {.ptr = text, .cap = sizeof text - 1};
    struct mw_token token;
    do {
        token = rules_next(parser, MW_LEX_LITERAL);
        if (token.kind != MW_TOKEN_WORD && !token_is_text(&token))
            return rules_expected(parser, &token, "a word with which values begin, such as REJECT");
        builder_put(&words, token.value);
        builder_put(&words, LIT("\n"));
        token = rules_peek(parser, MW_LEX_LITERAL);
    } while (token_is(&token, ",") && (rules_next(parser, MW_LEX_LITERAL), true));
    list->source.words = (char *)rules_copy(parser, SLICE(text, words.len)).ptr;
    return true;
}

/* ---- kinds ---- */

/* What a list is made of, on the line of its kind. */
static bool expect_text(struct parser *parser, const char *what, struct mw_token *out_token,
                        struct mw_slice *out_text, struct place *out_place)
{
    *out_token = rules_peek(parser, MW_LEX_LITERAL);
    return rules_expect_text(parser, what, out_text, out_place);
}

static bool parse_file(struct parser *parser, struct list *list)
{
    struct mw_token token;
    struct mw_slice path;
    struct place place;
    if (!expect_text(parser, "the list's file name in quotes", &token, &path, &place))
        return false;
    if (list->kind == LIST_POSTFIX && take_option(parser, &token, "value") &&
        !parse_words(parser, list))
        return false;
    const char *beside = rules_beside(parser, path);
    return list->kind == LIST_LMDB ? rules_list_lmdb(parser->rules, list, beside, &place)
                                   : rules_list_read(parser->rules, list, beside, &place);
}

static bool parse_regex(struct parser *parser, struct list *list)
{
    struct mw_slice path;
    struct place place;
    struct mw_token token = rules_peek(parser, MW_LEX_REGEX);
    if (token_is_text(&token))
        return rules_expect_text(parser, "the list's file name in quotes", &path, &place) &&
               rules_list_patterns_read(parser->rules, list, rules_beside(parser, path), &place);
    for (;;) {
        token = rules_next(parser, MW_LEX_REGEX);
        if (token.kind != MW_TOKEN_REGEX)
            return rules_expected(parser, &token, "a /pattern/ or a file name in quotes");
        place = rules_place(parser, &token);
        rules_list_add_pattern(parser->rules, list, &token, &place);
        token = rules_peek(parser, MW_LEX_EXPR);
        if (!token_is(&token, ","))
            return true;
        rules_next(parser, MW_LEX_EXPR);
    }
}

static uint64_t default_timeout(const struct parser *parser)
{
    const struct mw_setting_value *value = parser->rules->host->setting(parser->rules->instance,
                                                                        "list-timeout");
    return value != NULL && value->number > 0 ? value->number : REDIS_TIMEOUT_MS;
}

static bool parse_redis(struct parser *parser, struct list *list)
{
    struct mw_token token;
    struct mw_slice text;
    struct place place;
    list->timeout_ms = default_timeout(parser);
    if (!expect_text(parser, "\"ADDRESS:PORT/DATABASE/KEY\"", &token, &text, &place) ||
        !rules_redis_read(parser->rules, list, rules_copy(parser, text), &place))
        return false;
    if (take_option(parser, &token, "password") && !parse_password(parser, list))
        return false;
    return !take_option(parser, &token, "timeout") || parse_timeout(parser, list);
}

static bool parse_threshold(struct parser *parser, struct list *list)
{
    struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
    struct place place = rules_place(parser, &token);
    uint64_t threshold, most = (uint64_t)rules_dnsbl_most(list);
    if (token.kind != MW_TOKEN_WORD || !text_number(token.text, INT32_MAX, &threshold) ||
        threshold == 0)
        return rules_expected(parser, &token, "the sum from which on the list holds, from 1");
    if (threshold > most) {
        rules_error(parser->rules, &place, "give zones more weight: \"list.example*2\"",
                    "this list can never hold: its zones come to %llu at most",
                    (unsigned long long)most);
        return false;
    }
    list->threshold = (int32_t)threshold;
    return true;
}

/* Lists of many zones have lines of their own for their options. There a rule may begin with the same
 * word: then it is that rule's name. */
static bool take_dnsbl_option(struct parser *parser, const struct mw_token *before,
                              const char *word)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    if (parser->has_pending || !token_is(&token, word))
        return false;
    rules_next(parser, MW_LEX_LITERAL);
    struct mw_token behind = rules_peek(parser, MW_LEX_EXPR);
    if (token.line == before->line || (!token_is(&behind, ":") && !token_is(&behind, "at")))
        return true;
    parser->pending = token;
    parser->has_pending = true;
    return false;
}

static bool parse_dnsbl_options(struct parser *parser, struct list *list,
                                const struct mw_token *before)
{
    for (;;) {
        if (take_dnsbl_option(parser, before, "threshold")) {
            if (!parse_threshold(parser, list))
                return false;
        } else if (take_dnsbl_option(parser, before, "timeout")) {
            if (!parse_timeout(parser, list))
                return false;
        } else {
            return true;
        }
    }
}

static bool parse_dnsbl(struct parser *parser, struct list *list)
{
    struct mw_token token;
    struct mw_slice text;
    struct place place;
    list->timeout_ms = DNSBL_TIMEOUT_MS;
    do {
        if (!expect_text(parser, "a zone of the DNS in quotes", &token, &text, &place) ||
            !rules_dnsbl_read(parser->rules, list, text, &place))
            return false;
    } while (rules_take(parser, ","));
    return parse_dnsbl_options(parser, list, &token);
}

static const char *const kind_names[] = {"file", "cidr",  "regex", "postfix",
                                         "lmdb", "redis", "dnsbl", NULL};
static const struct {
    enum list_kind kind;
    bool (*parse)(struct parser *parser, struct list *list);
} kinds[] = {{LIST_FILE, parse_file},    {LIST_CIDR, parse_file}, {LIST_REGEX, parse_regex},
             {LIST_POSTFIX, parse_file}, {LIST_LMDB, parse_file}, {LIST_REDIS, parse_redis},
             {LIST_DNSBL, parse_dnsbl}};

static bool parse_kind(struct parser *parser, struct list *list, const struct mw_token *word)
{
    struct place place = rules_place(parser, word);
    for (size_t i = 0; kind_names[i] != NULL; i++) {
        if (!token_is(word, kind_names[i]))
            continue;
        list->kind = kinds[i].kind;
        return kinds[i].parse(parser, list);
    }
    rules_error(parser->rules, &place, rules_near(parser, word->text, kind_names),
                "unknown kind of list '%.*s': a list is file, cidr, regex, postfix, lmdb, redis or "
                "dnsbl and a text in quotes, or its values",
                (int)word->text.len, word->text.ptr);
    return false;
}

/* `regex file "x"`: two kinds where one is enough. */
static bool is_kind_name(const struct mw_token *token)
{
    for (size_t i = 0; kind_names[i] != NULL; i++)
        if (token_is(token, kind_names[i]))
            return true;
    return false;
}

/* What comes behind the values on their line is none of them; only a rule's name may stand there
 * (import_write.c: what comes from one entry stands on one line). */
static bool expect_end(struct parser *parser, uint32_t line)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    if (token.line != line || (token.kind != MW_TOKEN_WORD && !token_is_text(&token)))
        return true;
    if (token.kind == MW_TOKEN_WORD && token.text.ptr[token.text.len - 1] == ':')
        return true;
    return rules_expected(parser, &token, "',' between the values of a list, or the line's end");
}

/* `file "x"`, and anything else of the form WORD "x", is a kind; so is `regex /x/`. WORD "," WORD is
 * values. */
static bool is_kind(struct parser *parser, const struct mw_token *word)
{
    struct mw_token behind = rules_peek(parser, MW_LEX_LITERAL);
    if (behind.line != word->line)
        return false;
    if (token_is(word, "regex") && behind.text.len > 0 && behind.text.ptr[0] == '/')
        return true;
    return token_is_text(&behind) || behind.kind == MW_TOKEN_ERROR;
}

static bool parse_values(struct parser *parser, struct list *list)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    if (token.kind != MW_TOKEN_WORD)
        return rules_parse_list_body(parser, list, NULL);
    rules_next(parser, MW_LEX_LITERAL);
    if (is_kind(parser, &token))
        return parse_kind(parser, list, &token);
    struct mw_token behind = rules_peek(parser, MW_LEX_LITERAL);
    if (is_kind_name(&token) && behind.line == token.line && behind.kind == MW_TOKEN_WORD)
        return rules_expected(parser, &behind, "a text in quotes behind the kind of the list");
    struct list_entry **tail = &list->entries;
    struct place place = rules_place(parser, &token);
    rules_list_add(parser->rules, list, &tail, rules_copy(parser, token.value), &place);
    return rules_take(parser, ",") ? rules_parse_list_body(parser, list, NULL)
                                   : expect_end(parser, token.line);
}

bool rules_parse_list(struct parser *parser)
{
    struct mw_token name = rules_next(parser, MW_LEX_EXPR);
    if (name.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &name, "the list's name");
    struct place place = rules_place(parser, &name);
    struct list *list = rules_list_new(parser->rules, rules_keep_text(parser->rules, name.text),
                                       &place);
    struct list *other = rules_list_find(parser->rules, list->name);
    if (other != NULL)
        rules_error(parser->rules, &list->place, NULL, "list \"%.*s\" is there already (%s:%u)",
                    (int)list->name.len, list->name.ptr, other->place.file, other->place.line);
    list->next = parser->rules->lists;
    parser->rules->lists = list; /* also after an error below: rules that use it are not to blame */
    list->is_bad = true;
    if (!rules_expect(parser, "=", "'='") || !parse_values(parser, list))
        return false;
    list->is_bad = false;
    return true;
}
