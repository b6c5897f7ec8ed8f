/* list_regex.c - lists of patterns. They are compiled with the rules, for their memory is the
 * rules' own (regex.h): a file of patterns that changes is read at the next reload of the rules,
 * and the log says so.
 *
 * One index over the literals that the patterns need tells which of them may match a text at all
 * (index.h); only those are run. */
#include "list_priv.h"

#include <stdlib.h>

#include "index.h"

struct list_patterns {
    struct regex **regexes;
    uint32_t count, always_count;
    uint32_t *always; /* patterns without a literal: run over every text */
    bool is_utf;
    struct index *index;
    struct index_scan *scan;
    char *mended; /* the text as UTF-8 where it was none */
    size_t mended_cap;
};

/* ---- reading ---- */

static void skip_to_line(const struct mw_lang *lang, struct mw_lexer *lexer, uint32_t line)
{
    for (;;) {
        struct mw_token token = lang->lex_peek(lexer, MW_LEX_LITERAL);
        if (token.kind == MW_TOKEN_END || token.line > line)
            return;
        lang->lex_next(lexer, MW_LEX_LITERAL);
    }
}

static struct place place_of(const char *file, const struct mw_token *token)
{
    return (struct place){.file = file,
                          .line = token->line,
                          .column = token->column,
                          .length = (uint32_t)(token->text.len > 0 ? token->text.len : 1)};
}

static void read_pattern(struct rules *rules, struct list *list, struct mw_lexer *lexer,
                         const char *file, struct mw_token token)
{
    struct place place = place_of(file, &token);
    struct mw_token behind;
    if (token.kind != MW_TOKEN_REGEX) {
        bool is_error = token.kind == MW_TOKEN_ERROR;
        struct mw_slice what = is_error ? token.value : LIT("expected a pattern between slashes");
        rules_error(rules, &place, "one /pattern/flags a line; # begins a comment", "%.*s",
                    (int)what.len, what.ptr);
        skip_to_line(rules->lang, lexer, token.line);
        return;
    }
    rules_list_add_pattern(rules, list, &token, &place);
    behind = rules->lang->lex_peek(lexer, MW_LEX_LITERAL);
    if (behind.kind == MW_TOKEN_END || behind.line > token.line)
        return;
    place = place_of(file, &behind);
    rules_error(rules, &place, "one /pattern/flags a line; # begins a comment",
                "something stands behind the pattern");
    skip_to_line(rules->lang, lexer, token.line);
}

void rules_list_add_pattern(struct rules *rules, struct list *list, const struct mw_token *token,
                            const struct place *place)
{
    struct list_pattern *pattern = rules_keep(rules, sizeof *pattern);
    pattern->pattern = rules_keep_text(rules, token->value);
    pattern->flags = rules_keep_text(rules, token->flags);
    pattern->place = *place;
    if (list->patterns_tail == NULL)
        list->patterns_tail = &list->patterns;
    *list->patterns_tail = pattern;
    list->patterns_tail = &pattern->next;
    list->pattern_count++;
}

bool rules_list_patterns_read(struct rules *rules, struct list *list, const char *path,
                              const struct place *place)
{
    size_t len = 0, errors = rules->errors;
    const char *error = NULL;
    char *text = rules->lang->file_read(path, LIST_FILE_MAX, &len, &error);
    if (text == NULL) {
        rules_error(rules, place, NULL, "cannot read list file %s: %s", path,
                    error ? error : "unknown error");
        return false;
    }
    const char *file = rules_keep_text(rules, slice_of(path)).ptr;
    list->source.path = (char *)file;
    list->stamp = rules_list_stamp(path);
    struct mw_lexer *lexer = rules->lang->lex_open(file, SLICE(text, len));
    for (;;) {
        struct mw_token token = rules->lang->lex_next(lexer, MW_LEX_REGEX);
        if (token.kind == MW_TOKEN_END || rules->errors - errors >= LIST_PROBLEMS_MAX)
            break;
        if (list->pattern_count >= LIST_PATTERNS_MAX) {
            rules_error(rules, place, NULL, "list file %s has more than %d patterns", path,
                        LIST_PATTERNS_MAX);
            break;
        }
        read_pattern(rules, list, lexer, file, token);
    }
    rules->lang->lex_close(lexer);
    rules->lang->file_free(text);
    return rules->errors == errors;
}

/* ---- building ---- */

struct list_patterns *rules_list_patterns_new(struct rules *rules, const struct list *list,
                                              bool is_utf)
{
    struct list_patterns *patterns = rules_keep(rules, sizeof *patterns);
    patterns->is_utf = is_utf;
    patterns->regexes = rules_keep(rules, (list->pattern_count + 1) * sizeof *patterns->regexes);
    patterns->always = rules_keep(rules, (list->pattern_count + 1) * sizeof *patterns->always);
    patterns->index = rules_index_new();
    size_t errors = rules->errors;
    for (const struct list_pattern *at = list->patterns; at != NULL; at = at->next) {
        struct regex *regex = rules_regex_compile(rules, at->pattern, at->flags, &at->place,
                                                  is_utf);
        if (regex == NULL)
            continue;
        const struct literals *literals = rules_regex_literals(regex);
        uint32_t id = rules_index_add(patterns->index, literals);
        patterns->regexes[id] = regex;
        patterns->count = id + 1;
        if (literals == NULL)
            patterns->always[patterns->always_count++] = id;
    }
    rules_index_finish(patterns->index);
    patterns->scan = rules_index_scan_new(patterns->index);
    if (rules->errors == errors)
        return patterns;
    rules_list_patterns_free(&patterns);
    return NULL;
}

void rules_list_patterns_free(struct list_patterns **patterns_at)
{
    struct list_patterns *patterns = *patterns_at;
    *patterns_at = NULL;
    if (patterns == NULL)
        return;
    rules_index_scan_free(&patterns->scan);
    rules_index_free(&patterns->index);
    free(patterns->mended);
    patterns->mended = NULL;
}

/* ---- matching ---- */

/* As UTF-8; what is none of it is U+FFFD. */
static struct mw_slice mended(struct list_patterns *patterns, struct mw_slice text)
{
    if (!patterns->is_utf || text_utf8_len(text) == text.len)
        return text;
    if (patterns->mended_cap < text.len * 3) {
        free(patterns->mended);
        patterns->mended_cap = text.len * 3;
        patterns->mended = malloc(patterns->mended_cap);
        if (patterns->mended == NULL)
            abort();
    }
    return SLICE(patterns->mended, text_utf8_mend(text, patterns->mended));
}

static enum regex_result match_any(struct rules *rules, const struct list_patterns *patterns,
                                   const uint32_t *ids, size_t count, struct mw_slice text)
{
    enum regex_result result = REGEX_NO;
    for (size_t i = 0; i < count; i++) {
        enum regex_result one = rules_regex_match(rules->scratch, patterns->regexes[ids[i]], text,
                                                  NULL);
        if (one == REGEX_YES)
            return REGEX_YES;
        if (one == REGEX_UNDECIDED)
            result = REGEX_UNDECIDED;
    }
    return result;
}

enum list_answer rules_list_patterns_match(struct rules *rules, struct list_patterns *patterns,
                                           struct mw_slice text, const char **out_error)
{
    size_t count;
    if (text.len > rules->scan_limit)
        text.len = rules->scan_limit;
    text = mended(patterns, text);
    rules_index_scan_begin(patterns->scan);
    rules_index_scan_text(patterns->scan, text);
    const uint32_t *ids = rules_index_candidates(patterns->scan, &count);
    enum regex_result found = match_any(rules, patterns, ids, count, text);
    if (found != REGEX_YES && patterns->always_count > 0) {
        enum regex_result other = match_any(rules, patterns, patterns->always,
                                            patterns->always_count, text);
        found = other == REGEX_NO ? found : other;
    }
    if (found == REGEX_UNDECIDED)
        *out_error = "a pattern of the list hit its limit";
    return found == REGEX_YES ? LIST_YES : found == REGEX_NO ? LIST_NO : LIST_FAILED;
}
