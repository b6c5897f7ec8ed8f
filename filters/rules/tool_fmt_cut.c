/* tool_fmt_cut.c - a rule file as the pieces that `fmt` moves: it keeps comments and line breaks,
 * which the lexer of the rule files drops. */
#include <stdlib.h>

#include "tool_fmt_priv.h"

static size_t quoted_len(struct mw_slice text)
{
    char quote = text.ptr[0];
    for (size_t i = 1; i < text.len && text.ptr[i] != '\n'; i++) {
        if (text.ptr[i] == '\\' && quote == '"' && i + 1 < text.len)
            i++;
        else if (text.ptr[i] == quote)
            return i + 1;
    }
    return 0;
}

static bool is_letter(char c)
{
    return (text_lower(c) >= 'a' && text_lower(c) <= 'z') || c == '_';
}

static size_t regex_len(struct mw_slice text)
{
    size_t i = 1;
    for (; i < text.len && text.ptr[i] != '\n' && text.ptr[i] != '/'; i++)
        i += text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] != '\n';
    if (i >= text.len || text.ptr[i] != '/')
        return 0;
    for (i++; i < text.len && is_letter(text.ptr[i]);)
        i++;
    return i;
}

/* <a,b@example.net> is one piece. 0: no address. */
static size_t address_len(struct mw_slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '>')
            return i + 1;
        if (text.ptr[i] == '<' || (unsigned char)text.ptr[i] <= ' ')
            return 0;
    }
    return 0;
}

static bool ends_in_match(struct mw_slice text)
{
    return text.len >= 2 && text.ptr[text.len - 1] == '~' &&
           (text.ptr[text.len - 2] == '=' || text.ptr[text.len - 2] == '!');
}

static size_t plain_len(struct mw_slice text)
{
    size_t i = 0;
    while (i < text.len && (unsigned char)text.ptr[i] > ' ' && !strchr(",(){}#\"'", text.ptr[i]) &&
           !(text.ptr[i] == '/' && ends_in_match(SLICE(text.ptr, i))))
        i++;
    return i > 0 ? i : 1;
}

static bool is_name(struct mw_slice text)
{
    bool is_good = text.len > 0 && is_letter(text.ptr[0]);
    for (size_t i = 1; i < text.len; i++)
        is_good &= is_letter(text.ptr[i]) || text_is_digit(text.ptr[i]) || text.ptr[i] == '.' ||
                   text.ptr[i] == '-';
    return is_good;
}

/* "name:" at the beginning of a line is two pieces. */
static size_t head_len(struct mw_slice text)
{
    ptrdiff_t colon = text_find(text, ':');
    bool is_head = colon > 0 && is_name(SLICE(text.ptr, (size_t)colon)) &&
                   ((size_t)colon + 1 == text.len || text.ptr[colon + 1] != ':');
    return is_head ? (size_t)colon : 0;
}

static bool is_lone_colon(struct mw_slice text)
{
    return text.ptr[0] == ':' && (text.len == 1 || text.ptr[1] != ':');
}

/* "name=value" is three. */
static size_t list_head_len(struct mw_slice text)
{
    ptrdiff_t sign = text_find(text, '=');
    return sign < 0 ? text.len : sign == 0 ? 1 : (size_t)sign;
}

static enum kind kind_of(char c)
{
    return c == '#'   ? COMMENT
           : c == ',' ? COMMA
           : c == '(' ? OPEN
           : c == ')' ? CLOSE
           : c == '{' ? BRACE
           : c == '}' ? BRACE_END
                      : PLAIN;
}

static size_t line_len(struct mw_slice text)
{
    ptrdiff_t end = text_find(text, '\n');
    size_t len = end < 0 ? text.len : (size_t)end;
    while (len > 0 && (unsigned char)text.ptr[len - 1] <= ' ')
        len--;
    return len;
}

/* Length of the piece at the front; 0: it has no end. */
static size_t piece_len(struct mw_slice text, enum kind kind, const struct piece_of_text *before)
{
    char c = text.ptr[0];
    if (kind == COMMENT)
        return line_len(text);
    if (kind != PLAIN)
        return 1;
    if (c == '"' || c == '\'')
        return quoted_len(text);
    if (c == '/' && before != NULL && ends_in_match(before->text))
        return regex_len(text);
    size_t len = c == '<' ? address_len(text) : 0;
    return len > 0 ? len : plain_len(text);
}

static struct piece_of_text *new_piece(struct pieces *pieces)
{
    if (pieces->count == pieces->cap) {
        pieces->cap = pieces->cap > 0 ? pieces->cap * 2 : 256;
        pieces->at = realloc(pieces->at, pieces->cap * sizeof *pieces->at);
        if (pieces->at == NULL)
            abort();
    }
    return &pieces->at[pieces->count++];
}

struct cutter {
    struct pieces *pieces;
    int depth;
    size_t line_ends; /* since the last piece */
    bool has_blank, is_in_head, is_in_list_head;
};

static size_t cut_one(struct cutter *cutter, struct mw_slice text)
{
    struct pieces *pieces = cutter->pieces;
    enum kind kind = kind_of(text.ptr[0]);
    bool starts_line = cutter->line_ends > 0 || pieces->count == 0;
    const struct piece_of_text *before = pieces->count > 0 ? &pieces->at[pieces->count - 1] : NULL;
    bool follows_comma = before != NULL && before->kind == COMMA;
    size_t len = piece_len(text, kind, before);
    if (len == 0)
        return 0;
    cutter->is_in_head = (starts_line && !follows_comma && cutter->depth == 0) ||
                         (cutter->is_in_head && !starts_line);
    if (kind == PLAIN && cutter->is_in_head && is_lone_colon(text) && before != NULL &&
        is_name(before->text)) {
        kind = COLON;
        len = 1;
    } else if (kind == PLAIN && cutter->is_in_head && head_len(SLICE(text.ptr, len)) > 0) {
        len = head_len(SLICE(text.ptr, len));
    } else if (kind == PLAIN && cutter->is_in_list_head) {
        len = list_head_len(SLICE(text.ptr, len));
    }
    cutter->is_in_list_head = (starts_line && text_is(SLICE(text.ptr, len), "list")) ||
                              (cutter->is_in_list_head && !text_is(SLICE(text.ptr, len), "="));
    cutter->depth -= (kind == CLOSE || kind == BRACE_END) && cutter->depth > 0;
    *new_piece(pieces) = (struct piece_of_text){.text = SLICE(text.ptr, len),
                                                .kind = kind,
                                                .is_glued = !cutter->has_blank && !starts_line,
                                                .starts_line = starts_line,
                                                .has_empty_line = cutter->line_ends > 1,
                                                .depth = cutter->depth};
    cutter->depth += kind == OPEN || kind == BRACE;
    cutter->is_in_head &= kind == PLAIN && !text_is(SLICE(text.ptr, len), "=");
    cutter->has_blank = false;
    cutter->line_ends = 0;
    return len;
}

void rules_fmt_cut(struct mw_slice text, struct pieces *pieces)
{
    struct cutter cutter = {.pieces = pieces};
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t len = 1;
        if (c <= ' ') {
            cutter.has_blank = true;
            cutter.line_ends += c == '\n';
        } else if ((len = cut_one(&cutter, text)) == 0) {
            pieces->error = "a quote or a pattern has no end";
            return;
        }
        text = text_skip(text, len);
    }
    if (cutter.depth != 0)
        pieces->error = "a bracket has no partner";
}
