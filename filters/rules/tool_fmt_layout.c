/* tool_fmt_layout.c - the layout of rule files.
 *
 *   short-rule: score 3 when subject =~ /invoice/i
 *
 *   long-rule:
 *       reject 550 5.7.1 "A text that makes the rule longer than 100 columns"
 *       when subject =~ /invoice/i
 *            and client.ip not in internal
 *
 * Only blanks and line ends change. Lines of test blocks and of rules with comments inside keep
 * their breaks and are indented anew. */
#include <stdlib.h>

#include "tool_fmt_priv.h"

enum { COLUMNS = 100, WIDE = 1000, INDENT = 4, CONDITION_INDENT = 9 };

/* ---- writing ---- */

struct sheet {
    struct builder out;
    size_t column;
    size_t equals_column; /* of the lists being aligned */
};

static void put(struct sheet *sheet, struct mw_slice text)
{
    builder_put(&sheet->out, text);
    sheet->column += text.len;
}

static void put_blanks(struct sheet *sheet, size_t count)
{
    while (count-- > 0)
        put(sheet, LIT(" "));
}

static void new_line(struct sheet *sheet, size_t indent)
{
    builder_put(&sheet->out, LIT("\n"));
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
                builder_put(&sheet->out, LIT("\n"));
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
            builder_put(&sheet->out, from->has_empty_line ? LIT("\n\n") : LIT("\n"));
        sheet->column = 0;
        if (item == ITEM_LIST && (!was_list || from->has_empty_line))
            sheet->equals_column = align(from, end);
        was_list = item == ITEM_LIST;
        put_item(sheet, item, from, stop);
        from = stop;
    }
    if (pieces->count > 0)
        builder_put(&sheet->out, LIT("\n"));
}

char *rules_format(struct mw_slice text, size_t *out_len, const char **out_why)
{
    struct pieces pieces = {.count = 0};
    rules_fmt_cut(text, &pieces);
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
