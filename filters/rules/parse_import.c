/* parse_import.c - `import`: a table of another program becomes rules of this set. */
#include "parse_import.h"

#include <stdio.h>

#include "import.h"

enum { TABLE_MAX = 1 << 20, PREFIX_MAX = 60 };

struct directive {
    struct mw_token format_token;
    struct mw_slice format, kind, path;
    struct place path_place;
};

/* ---- the directive ---- */

/* "pcre:/etc/postfix/header_checks": the type is only that if the path does not begin before it. */
static struct mw_slice split_type(struct mw_slice *path)
{
    ptrdiff_t colon = text_find(*path, ':');
    struct mw_slice type = SLICE(path->ptr, colon < 0 ? 0 : (size_t)colon);
    if (type.len == 0 || text_find(type, '/') >= 0 || text_find(type, '.') >= 0)
        return EMPTY;
    *path = text_skip(*path, (size_t)colon + 1);
    return type;
}

static bool is_name_in(struct mw_slice word, const char *const *names)
{
    while (*names != NULL && !text_is(word, *names))
        names++;
    return *names != NULL;
}

static bool parse_format(struct parser *parser, struct directive *out)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &token, "postfix, milter-regex or spamassassin");
    out->format_token = token;
    out->format = rules_copy(parser, token.text);
    if (is_name_in(out->format, rules_import_formats()))
        return true;
    struct place place = rules_place(parser, &token);
    rules_error(parser->rules, &place, rules_near(parser, token.text, rules_import_formats()),
                "unknown format \"%.*s\": postfix, milter-regex or spamassassin",
                (int)token.text.len, token.text.ptr);
    return false;
}

static bool parse_kind(struct parser *parser, struct directive *out)
{
    if (!rules_expect(parser, "as", "'as' and what the table is for"))
        return false;
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &token,
                              "header, body, mime_header, nested_header, client, "
                              "helo, sender or recipient");
    out->kind = rules_copy(parser, token.text);
    if (is_name_in(out->kind, rules_import_kinds()))
        return true;
    struct place place = rules_place(parser, &token);
    rules_error(parser->rules, &place, rules_near(parser, token.text, rules_import_kinds()),
                "unknown kind of table \"%.*s\": header, body, mime_header, nested_header, client, "
                "helo, sender or recipient",
                (int)token.text.len, token.text.ptr);
    return false;
}

/* ---- the table ---- */

/* The file's name without its folder; the kind behind it unless it begins with that, so that one
 * table imported twice makes different names. */
static struct mw_slice prefix_of(const struct directive *directive, char *room, size_t cap)
{
    struct mw_slice path = directive->path, kind = directive->kind;
    struct mw_slice name = text_skip(path, (size_t)(text_rfind(path, '/') + 1));
    bool has_kind = name.len >= kind.len && text_eq(SLICE(name.ptr, kind.len), kind);
    struct builder to = {.ptr = room, .cap = cap};
    builder_put(&to, name.len < PREFIX_MAX / 2 ? name : SLICE(name.ptr, PREFIX_MAX / 2));
    if (!has_kind) {
        builder_put(&to, LIT("."));
        builder_put(&to, kind);
    }
    return SLICE(room, to.len);
}

static void warn(struct parser *parser, const char *file, const struct import_result *result)
{
    for (const struct import_note *note = result->notes; note != NULL; note = note->next) {
        struct place place = {.file = file, .line = note->line, .column = 1, .length = 1};
        rules_warning(parser->rules, &place, NULL, "%s%s",
                      strncmp(note->reason, "carried over", 12) == 0 ? "" : "not carried over: ",
                      note->reason);
    }
}

static bool add_rules(struct parser *parser, const struct directive *directive, const char *file,
                      struct mw_slice table)
{
    char prefix[PREFIX_MAX];
    struct import_result result;
    const char *error = rules_import(directive->format, directive->kind,
                                     prefix_of(directive, prefix, sizeof prefix), table, &result);
    if (error != NULL) {
        rules_error(parser->rules, &directive->path_place, NULL, "cannot import %s: %s", file,
                    error);
        return false;
    }
    warn(parser, file, &result);
    rules_parse_text(parser->rules, file, SLICE(result.text, result.len));
    rules_import_free(&result);
    return true;
}

static bool read_table(struct parser *parser, const struct directive *directive)
{
    size_t len = 0;
    const char *error = NULL, *file = rules_beside(parser, directive->path);
    char *table = parser->lang->file_read(file, TABLE_MAX, &len, &error);
    if (table == NULL) {
        rules_error(parser->rules, &directive->path_place, NULL, "cannot read the table %s: %s",
                    file, error ? error : "unknown error");
        return false;
    }
    bool is_good = add_rules(parser, directive, file, SLICE(table, len));
    parser->lang->file_free(table);
    return is_good;
}

/* "postfix:pcre", as rules_import() wants it. */
static struct mw_slice join_type(struct parser *parser, struct mw_slice format,
                                 struct mw_slice type)
{
    size_t size = format.len + type.len + 2;
    struct builder to = {.ptr = rules_keep(parser->rules, size), .cap = size};
    builder_put(&to, format);
    builder_put(&to, LIT(":"));
    builder_put(&to, type);
    return SLICE(to.ptr, to.len);
}

bool rules_parse_import(struct parser *parser)
{
    struct directive directive = {.kind = EMPTY};
    if (!parse_format(parser, &directive) ||
        !rules_expect_text(parser, "the table's file name in quotes", &directive.path,
                           &directive.path_place))
        return false;
    if (text_is(directive.format, "postfix")) {
        struct mw_slice type = split_type(&directive.path);
        if (!parse_kind(parser, &directive))
            return false;
        if (type.len > 0)
            directive.format = join_type(parser, directive.format, type);
    }
    return read_table(parser, &directive);
}
