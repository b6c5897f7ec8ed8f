/* tool_fmt.c - `mailweir rules fmt`: one layout for rule files.
 *
 *   short-rule: score 3 when subject =~ /invoice/i
 *
 *   long-rule:
 *       reject 550 5.7.1 "A text that makes the rule longer than 100 columns"
 *       when subject =~ /invoice/i
 *            and client.ip not in internal
 *
 * Only blanks and line ends change. Lines of test blocks and of rules with comments inside keep their
 * breaks and are indented anew. Whether nothing else has changed is checked by reading both texts
 * with the rule files' own lexer; if they differ, the file is left alone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool.h"

enum { COLUMNS = 100, WIDE = 1000, INDENT = 4, CONDITION_INDENT = 9, FORMAT_MAX = 8 << 20 };

enum kind { PLAIN = 0, COMMENT, COMMA, OPEN, CLOSE, BRACE, BRACE_END, COLON };
struct piece_of_text {
    struct mw_slice text;
    enum kind kind;
    bool is_glued; /* no blank before it */
    bool starts_line;
    bool has_empty_line; /* before it */
    int depth;           /* of brackets it stands in */
};
struct pieces {
    struct piece_of_text *at;
    size_t count, cap;
    const char *error;
};

/* ---- cutting ---- */

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
    ptrdiff_t colon = rules_text_find(text, ':');
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
    ptrdiff_t sign = rules_text_find(text, '=');
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
    ptrdiff_t end = rules_text_find(text, '\n');
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

static void cut(struct mw_slice text, struct pieces *pieces)
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

/* ---- writing ---- */

struct sheet {
    struct builder out;
    size_t column;
    size_t equals_column; /* of the lists being aligned */
};

static void put(struct sheet *sheet, struct mw_slice text)
{
    rules_build(&sheet->out, text);
    sheet->column += text.len;
}

static void put_blanks(struct sheet *sheet, size_t count)
{
    while (count-- > 0)
        put(sheet, LIT(" "));
}

static void new_line(struct sheet *sheet, size_t indent)
{
    rules_build(&sheet->out, LIT("\n"));
    sheet->column = 0;
    put_blanks(sheet, indent);
}

static size_t gap(const struct piece_of_text *left, const struct piece_of_text *right)
{
    if (left == NULL || right->kind == COMMA || right->kind == CLOSE || right->kind == COLON ||
        left->kind == OPEN)
        return 0;
    if (right->kind == COMMENT)
        return 2;
    if (text_is(left->text, "=") || text_is(right->text, "="))
        return 1;
    if (left->kind == COMMA || left->kind == COLON || left->kind == BRACE || right->kind == BRACE ||
        right->kind == BRACE_END)
        return 1;
    return right->is_glued ? 0 : 1;
}

/* What is wider than WIDE need not be measured to its end. */
static size_t width(const struct piece_of_text *from, const struct piece_of_text *end)
{
    size_t sum = 0;
    for (const struct piece_of_text *piece = from; piece < end && sum <= WIDE; piece++)
        sum += (piece > from ? gap(piece - 1, piece) : 0) + piece->text.len;
    return sum;
}

static void put_all(struct sheet *sheet, const struct piece_of_text *from,
                    const struct piece_of_text *end)
{
    for (const struct piece_of_text *piece = from; piece < end; piece++) {
        put_blanks(sheet, piece > from ? gap(piece - 1, piece) : 0);
        put(sheet, piece->text);
    }
}

static bool is_junction(const struct piece_of_text *piece)
{
    return piece->kind == PLAIN && (text_is(piece->text, "and") || text_is(piece->text, "or"));
}

/* How good a place to break before `piece`; 0: none. */
static int break_value(const struct piece_of_text *from, const struct piece_of_text *piece)
{
    if (piece == from || piece->kind == COMMA || piece->kind == CLOSE)
        return 0;
    if (is_junction(piece))
        return piece->depth == from->depth ? 3 : 2;
    return piece[-1].kind == COMMA ? 1 : 0;
}

/* Where the line that begins at `from` is to end: the last of the best places within the margin; if
 * nothing fits, the first place there is. */
static const struct piece_of_text *line_end(const struct piece_of_text *from,
                                            const struct piece_of_text *end, size_t column)
{
    const struct piece_of_text *best = NULL;
    int best_value = 0;
    for (const struct piece_of_text *piece = from; piece < end; piece++) {
        bool fits = column + width(from, piece) <= COLUMNS;
        int value = break_value(from, piece);
        if (!fits && best != NULL)
            break;
        if (value > 0 && (value >= best_value || best == NULL)) {
            best = piece;
            best_value = value;
        }
    }
    return best != NULL ? best : end;
}

static void put_wrapped(struct sheet *sheet, const struct piece_of_text *from,
                        const struct piece_of_text *end, size_t indent)
{
    while (sheet->column + width(from, end) > COLUMNS) {
        const struct piece_of_text *stop = line_end(from, end, sheet->column);
        put_all(sheet, from, stop);
        if (stop == end)
            return;
        new_line(sheet, indent);
        from = stop;
    }
    put_all(sheet, from, end);
}

/* ---- items ---- */

static bool begins_clause(const struct piece_of_text *piece)
{
    return piece->kind == PLAIN && piece->depth == 0 &&
           (text_is(piece->text, "when") || text_is(piece->text, "reason") ||
            text_is(piece->text, "on_error"));
}

static void put_rule(struct sheet *sheet, const struct piece_of_text *from,
                     const struct piece_of_text *end)
{
    const struct piece_of_text *clause = from;
    if (width(from, end) <= COLUMNS) {
        put_all(sheet, from, end);
        return;
    }
    while (clause < end && clause->kind != COLON)
        clause++;
    clause += clause < end;
    put_all(sheet, from, clause);
    while (clause < end) {
        const struct piece_of_text *next = clause + 1;
        while (next < end && !begins_clause(next))
            next++;
        new_line(sheet, INDENT);
        put_wrapped(sheet, clause, next,
                    text_is(clause->text, "when") ? CONDITION_INDENT : 2 * INDENT);
        clause = next;
    }
}

/* `list a   = 1`: the signs of lists that stand line below line are aligned. */
static void put_list(struct sheet *sheet, const struct piece_of_text *from,
                     const struct piece_of_text *end)
{
    const struct piece_of_text *sign = from;
    while (sign < end && !text_is(sign->text, "="))
        sign++;
    size_t left = width(from, sign);
    bool is_one_line = sheet->equals_column + 2 + width(sign, end) <= COLUMNS + 1;
    put_all(sheet, from, sign);
    if (sign < end)
        put_blanks(sheet, is_one_line && sheet->equals_column > left
                              ? sheet->equals_column - left + 1
                              : 1);
    put_wrapped(sheet, sign, end, INDENT);
}

/* As it stands, line by line, indented anew. Blanks within test lines may be meant to align. */
static void put_lines(struct sheet *sheet, const struct piece_of_text *from,
                      const struct piece_of_text *end, bool is_test)
{
    for (const struct piece_of_text *piece = from; piece < end; piece++) {
        if (piece->starts_line && piece > from) {
            bool is_end = piece->kind == BRACE_END && piece->depth == 0;
            if (piece->has_empty_line)
                rules_build(&sheet->out, LIT("\n"));
            new_line(sheet, is_end                           ? 0
                            : !is_test && is_junction(piece) ? CONDITION_INDENT
                                                             : INDENT);
        } else if (is_test && piece > from) {
            const char *before = piece[-1].text.ptr + piece[-1].text.len;
            for (; before < piece->text.ptr; before++)
                put(sheet, LIT(" "));
        } else if (piece > from) {
            put_blanks(sheet, gap(piece - 1, piece));
        }
        put(sheet, piece->text);
    }
}

enum item { ITEM_NONE = 0, ITEM_COMMENT, ITEM_LIST, ITEM_IMPORT, ITEM_TEST, ITEM_RULE };

static bool has_colon(const struct piece_of_text *piece, const struct piece_of_text *end)
{
    bool has_stage = end - piece > 3 && text_is(piece[1].text, "at");
    size_t at = has_stage ? 3 : 1;
    return (size_t)(end - piece) > at && piece[at].kind == COLON;
}

/* What begins here. */
static enum item item_at(const struct piece_of_text *piece, const struct piece_of_text *end)
{
    bool is_declared = piece + 1 < end && piece[1].kind == PLAIN && !piece[1].is_glued;
    if (!piece->starts_line || piece->depth != 0)
        return ITEM_NONE;
    if (piece->kind == COMMENT)
        return ITEM_COMMENT;
    if (piece->kind != PLAIN)
        return ITEM_NONE;
    if (has_colon(piece, end))
        return ITEM_RULE;
    if (is_declared && text_is(piece->text, "list"))
        return ITEM_LIST;
    if (is_declared && text_is(piece->text, "import"))
        return ITEM_IMPORT;
    return is_declared && text_is(piece->text, "test") ? ITEM_TEST : ITEM_NONE;
}

/* The first piece behind the item. Comments belong to it if it goes on behind them. */
static const struct piece_of_text *item_end(const struct piece_of_text *from,
                                            const struct piece_of_text *end)
{
    const struct piece_of_text *last = from + 1;
    if (from->kind == COMMENT)
        return last;
    for (const struct piece_of_text *piece = last; piece < end; piece++) {
        enum item item = item_at(piece, end);
        if (item != ITEM_NONE && item != ITEM_COMMENT)
            break;
        if (item == ITEM_NONE) /* comments on lines of their own wait for what comes behind */
            last = piece + 1;
    }
    return last;
}

static bool has_comment(const struct piece_of_text *from, const struct piece_of_text *end)
{
    while (from < end && from->kind != COMMENT)
        from++;
    return from < end;
}

static void put_item(struct sheet *sheet, enum item item, const struct piece_of_text *from,
                     const struct piece_of_text *end)
{
    const struct piece_of_text *stop = end;
    if (item == ITEM_TEST) {
        put_lines(sheet, from, end, true);
        return;
    }
    if (end - from > 1 && end[-1].kind == COMMENT && !end[-1].starts_line)
        stop = end - 1; /* at the end of the last line */
    if (has_comment(from, stop) && item != ITEM_COMMENT)
        put_lines(sheet, from, stop, false);
    else if (item == ITEM_RULE)
        put_rule(sheet, from, stop);
    else if (item == ITEM_LIST)
        put_list(sheet, from, stop);
    else
        put_all(sheet, from, stop);
    if (stop < end) {
        put_blanks(sheet, 2);
        put(sheet, stop->text);
    }
}

/* How far the signs of the lists from here on stand to the right. */
static size_t align(const struct piece_of_text *from, const struct piece_of_text *end)
{
    size_t column = 0;
    while (from < end && item_at(from, end) == ITEM_LIST) {
        const struct piece_of_text *stop = item_end(from, end), *sign = from;
        while (sign < stop && !text_is(sign->text, "="))
            sign++;
        if (width(from, sign) > column)
            column = width(from, sign);
        if (stop < end && stop->has_empty_line)
            break;
        from = stop;
    }
    return column;
}

static void put_file(struct sheet *sheet, const struct pieces *pieces, const char **out_why)
{
    const struct piece_of_text *end = pieces->at + pieces->count;
    bool was_list = false;
    for (const struct piece_of_text *from = pieces->at; from < end;) {
        enum item item = item_at(from, end);
        const struct piece_of_text *stop = item_end(from, end);
        if (item == ITEM_NONE) {
            *out_why = "something stands where a rule, a list, a test or an import should begin";
            return;
        }
        if (from > pieces->at)
            rules_build(&sheet->out, from->has_empty_line ? LIT("\n\n") : LIT("\n"));
        sheet->column = 0;
        if (item == ITEM_LIST && (!was_list || from->has_empty_line))
            sheet->equals_column = align(from, end);
        was_list = item == ITEM_LIST;
        put_item(sheet, item, from, stop);
        from = stop;
    }
    if (pieces->count > 0)
        rules_build(&sheet->out, LIT("\n"));
}

char *rules_format(struct mw_slice text, size_t *out_len, const char **out_why)
{
    struct pieces pieces = {.count = 0};
    cut(text, &pieces);
    *out_why = pieces.error;
    size_t cap = text.len * 2 + pieces.count * 24 + 64;
    struct sheet sheet = {.out = {.ptr = malloc(cap), .cap = cap}};
    if (sheet.out.ptr == NULL)
        abort();
    if (*out_why == NULL)
        put_file(&sheet, &pieces, out_why);
    if (*out_why == NULL && sheet.out.len == cap)
        *out_why = "it would grow too much";
    free(pieces.at);
    if (*out_why != NULL) {
        free(sheet.out.ptr);
        return NULL;
    }
    *out_len = sheet.out.len;
    return sheet.out.ptr;
}

/* ---- is it the same? ---- */

/* Which tokens can stand here: the parser knows, and so does whoever remembers two words. */
struct reader {
    const struct mw_lang *lang;
    struct mw_lexer *lexer;
    bool wants_regex, is_in_list, wants_list, is_after_in;
    int words_open;
};

static enum mw_lex_mode mode_of(const struct reader *reader)
{
    return reader->wants_regex                            ? MW_LEX_REGEX
           : reader->is_in_list || reader->words_open > 0 ? MW_LEX_LITERAL
                                                          : MW_LEX_EXPR;
}

static struct mw_token next_token(struct reader *reader)
{
    struct mw_token ahead = reader->lang->lex_peek(reader->lexer, mode_of(reader));
    if (ahead.at_line_start && ahead.indent == 0)
        reader->is_in_list = false;
    struct mw_token token = reader->lang->lex_next(reader->lexer, mode_of(reader));
    bool is_open = text_is(token.text, "("), is_close = text_is(token.text, ")");
    reader->wants_regex = text_is(token.text, "=~") || text_is(token.text, "!~");
    reader->is_in_list |= reader->wants_list && text_is(token.text, "=");
    if (token.at_line_start)
        reader->wants_list = token.kind == MW_TOKEN_WORD && text_is(token.text, "list");
    reader->words_open = is_open && reader->is_after_in ? 1 : is_close ? 0 : reader->words_open;
    reader->is_after_in = token.kind == MW_TOKEN_WORD && text_is(token.text, "in");
    return token;
}

/* The lexer's own view of both texts. What it cannot read in this way is compared piece by piece
 * alone. */
static bool lexes_alike(const struct mw_lang *lang, struct mw_slice before, struct mw_slice after)
{
    struct reader a = {.lang = lang, .lexer = lang->lex_open("before", before)};
    struct reader b = {.lang = lang, .lexer = lang->lex_open("after", after)};
    bool is_same = true, goes_on = true;
    while (is_same && goes_on) {
        struct mw_token left = next_token(&a), right = next_token(&b);
        goes_on = left.kind != MW_TOKEN_END && left.kind != MW_TOKEN_ERROR;
        is_same = left.kind == right.kind &&
                  (left.kind == MW_TOKEN_ERROR || text_eq(left.text, right.text));
    }
    lang->lex_close(a.lexer);
    lang->lex_close(b.lexer);
    return is_same;
}

static bool cuts_alike(struct mw_slice before, struct mw_slice after)
{
    struct pieces a = {.count = 0}, b = {.count = 0};
    cut(before, &a);
    cut(after, &b);
    bool is_same = a.count == b.count && b.error == NULL;
    for (size_t i = 0; is_same && i < a.count; i++)
        is_same = text_eq(a.at[i].text, b.at[i].text);
    free(a.at);
    free(b.at);
    return is_same;
}

/* ---- files ---- */

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        text += done;
        len -= (size_t)done;
    }
    return fsync(fd) == 0;
}

/* Written beside it and moved over it: a service that reloads sees the old file or the new one. */
static bool replace_file(const char *path, const char *text, size_t len)
{
    char beside[4096];
    struct stat status;
    int size = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if (size < 0 || (size_t)size >= sizeof beside || stat(path, &status) != 0)
        return false;
    int fd = mkstemp(beside);
    if (fd < 0)
        return false;
    bool is_good = write_all(fd, text, len) && fchmod(fd, status.st_mode & 07777) == 0 &&
                   (fchown(fd, status.st_uid, status.st_gid) == 0 || geteuid() != 0);
    is_good &= close(fd) == 0;
    is_good = is_good && rename(beside, path) == 0;
    if (!is_good)
        unlink(beside);
    return is_good;
}

static int complain(const char *path, const char *why, int status)
{
    fprintf(stderr, "mailweir rules fmt: %s: left as it is: %s\n", path, why);
    return status;
}

static int format_text(const struct tool *tool, const char *path, struct mw_slice before,
                       bool is_check)
{
    size_t len = 0;
    const char *why = NULL;
    char *text = rules_format(before, &len, &why);
    int status = EX_OK;
    if (text == NULL)
        return complain(path, why, EX_CONFIG);
    struct mw_slice after = SLICE(text, len);
    if (!cuts_alike(before, after) || !lexes_alike(tool->host->lang, before, after)) {
        status = complain(path, "its meaning would change: please report this as a bug",
                          EX_SOFTWARE);
    } else if (!text_eq(before, after)) {
        printf("%s%s\n", path, is_check ? " would change" : "");
        if (is_check)
            status = EXIT_FAILURE;
        else if (!replace_file(path, text, len))
            status = complain(path, strerror(errno), EX_IOERR);
    }
    free(text);
    return status;
}

int rules_tool_fmt(struct tool *tool)
{
    static const char *const options[] = {"--check", NULL};
    int worst = EX_OK;
    bool is_check = rules_tool_flag(tool, "--check");
    if (!rules_tool_options_end(tool, options))
        return EX_USAGE;
    if (tool->argc == 0)
        return rules_tool_usage(tool, "which files?");
    for (int i = 0; i < tool->argc; i++) {
        size_t len = 0;
        const char *error = NULL;
        char *text = tool->host->lang->file_read(tool->argv[i], FORMAT_MAX, &len, &error);
        int status = text != NULL
                         ? format_text(tool, tool->argv[i], SLICE(text, len), is_check)
                         : complain(tool->argv[i], error ? error : "unreadable", EX_NOINPUT);
        if (text != NULL)
            tool->host->lang->file_free(text);
        worst = status > worst ? status : worst;
    }
    return worst;
}
