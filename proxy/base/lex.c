/* lex.c - one position in a text, and one function for each kind of token.
 *
 * Nothing is remembered between tokens but the place, so a token that was looked at in one mode can
 * be cut again in another. No token but NEWLINE crosses a line end: an open quote is found on its
 * own line. Errors are tokens too: the lexer always moves on, so that a file's other errors are
 * found in the same run. */
#include "base/lex.h"

#include <string.h>

#include "base/arena.h"

struct place {
    size_t pos;
    size_t line_start;
    uint32_t line;
    bool is_line_used; /* a token began on this line already */
};

struct mw_lexer {
    const char *file;
    struct mw_slice text;
    struct place at;
    struct mw_arena arena; /* decoded values */
    bool has_peeked;       /* `peeked` was cut at `at` in peeked_mode and ends at peeked_end */
    enum mw_lex_mode peeked_mode;
    struct mw_token peeked;
    struct place peeked_end;
};

enum { AT_END = -1 };

struct mw_lexer *mw_lex_open(const char *file, struct mw_slice text)
{
    struct mw_lexer *lexer = mw_xcalloc(1, sizeof *lexer);
    lexer->file = file;
    lexer->text = text.ptr == NULL ? MW_EMPTY : text;
    lexer->at.line = 1;
    if (mw_slice_starts(text, MW_LIT("\xef\xbb\xbf"))) /* a byte order mark says nothing in UTF-8 */
        lexer->at.pos = lexer->at.line_start = 3;
    return lexer;
}

void mw_lex_close(struct mw_lexer *lexer)
{
    if (lexer == NULL)
        return;
    mw_arena_fini(&lexer->arena);
    free(lexer);
}

const char *mw_lex_file(const struct mw_lexer *lexer)
{
    return lexer->file;
}

/* ---- octets ---- */

static int octet_at(const struct mw_lexer *lexer, size_t pos)
{
    return pos < lexer->text.len ? (unsigned char)lexer->text.ptr[pos] : AT_END;
}

static int octet(const struct mw_lexer *lexer, size_t ahead)
{
    return octet_at(lexer, lexer->at.pos + ahead);
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_control(int c)
{
    return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f;
}

/* Length of the line end at `pos`: LF, CRLF; 0 if there is none. A lone CR is a control character.
 */
static size_t line_end_at(const struct mw_lexer *lexer, size_t pos)
{
    if (octet_at(lexer, pos) == '\n')
        return 1;
    return octet_at(lexer, pos) == '\r' && octet_at(lexer, pos + 1) == '\n' ? 2 : 0;
}

static bool is_line_over(const struct mw_lexer *lexer, size_t pos)
{
    return octet_at(lexer, pos) == AT_END || line_end_at(lexer, pos) > 0;
}

static bool is_blank_at(const struct mw_lexer *lexer, size_t pos)
{
    int c = octet_at(lexer, pos);
    return c == ' ' || c == '\t' || is_line_over(lexer, pos);
}

/* ---- building tokens ---- */

static void pass_line_end(struct mw_lexer *lexer, size_t len)
{
    lexer->at.pos += len;
    lexer->at.line_start = lexer->at.pos;
    lexer->at.line++;
    lexer->at.is_line_used = false;
}

static struct mw_token token_here(struct mw_lexer *lexer)
{
    struct place *at = &lexer->at;
    struct mw_token token = {
        .line = at->line,
        .column = (uint32_t)(at->pos - at->line_start) + 1,
        .at_line_start = !at->is_line_used,
        .indent = (uint32_t)(at->pos - at->line_start),
        .value = MW_EMPTY,
        .flags = MW_EMPTY,
    };
    at->is_line_used = true;
    return token;
}

/* The token's text is the next `len` octets; the lexer moves behind them. */
static struct mw_token take(struct mw_lexer *lexer, enum mw_token_kind kind, size_t len)
{
    struct mw_token token = token_here(lexer);
    token.kind = kind;
    token.text = token.value = MW_SLICE(lexer->text.ptr + lexer->at.pos, len);
    lexer->at.pos += len;
    return token;
}

/* An error about `len` octets from `pos`, on the current line; the lexer goes on at `resume`. */
static struct mw_token error_at(struct mw_lexer *lexer, size_t pos, size_t len, size_t resume,
                                const char *message)
{
    struct mw_token token = token_here(lexer);
    token.kind = MW_TOKEN_ERROR;
    token.column = (uint32_t)(pos - lexer->at.line_start) + 1;
    token.text = MW_SLICE(lexer->text.ptr + pos, len);
    token.value = mw_slice_cstr(message);
    lexer->at.pos = resume;
    return token;
}

static struct mw_token control_error(struct mw_lexer *lexer, size_t pos, size_t resume)
{
    return error_at(lexer, pos, 1, resume,
                    octet_at(lexer, pos) == 0      ? "a NUL octet has no place in this file"
                    : octet_at(lexer, pos) == '\r' ? "a carriage return without a line feed"
                                                   : "a control character has no place here");
}

/* A copy of `text` in which `\` in front of `first` or `second` is gone. */
static struct mw_slice unescape(struct mw_lexer *lexer, struct mw_slice text, char first,
                                char second)
{
    char *copy = mw_arena_cstr(&lexer->arena, text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            char next = text.ptr[++i];
            if (next != first && next != second)
                copy[len++] = c;
            c = next;
        }
        copy[len++] = c;
    }
    return MW_SLICE(copy, len);
}

/* ---- blanks and comments ---- */

/* Skip the comment up to its line end; returns where the first control character in it is, or 0. */
static size_t skip_comment(struct mw_lexer *lexer)
{
    size_t bad = 0, pos = lexer->at.pos;
    for (; !is_line_over(lexer, pos); pos++)
        if (bad == 0 && is_control(octet_at(lexer, pos)))
            bad = pos;
    lexer->at.pos = pos;
    return bad;
}

/* Skip what separates tokens; returns where a control character in a comment is, or 0. In
 * configuration files line ends are tokens, unless a `\` stands right before. */
static size_t skip_blanks(struct mw_lexer *lexer, bool is_config)
{
    for (;;) {
        int c = octet(lexer, 0);
        size_t line_end = line_end_at(lexer, lexer->at.pos);
        if (c == ' ' || c == '\t') {
            lexer->at.pos++;
        } else if (line_end > 0 && !is_config) {
            pass_line_end(lexer, line_end);
        } else if (c == '#') {
            size_t bad = skip_comment(lexer);
            if (bad > 0)
                return bad;
        } else if (is_config && c == '\\' && line_end_at(lexer, lexer->at.pos + 1) > 0) {
            pass_line_end(lexer, 1 + line_end_at(lexer, lexer->at.pos + 1));
        } else {
            return 0;
        }
    }
}

/* ---- quoted things ---- */

/* From the opening octet to the closing one on the same line, `\` hiding the octet behind it if
 * `has_escapes`. Returns the position of the closing octet, or of the line end if there is none. */
static size_t closing_at(const struct mw_lexer *lexer, int close, bool has_escapes)
{
    size_t pos = lexer->at.pos + 1;
    while (!is_line_over(lexer, pos) && octet_at(lexer, pos) != close) {
        if (has_escapes && octet_at(lexer, pos) == '\\' && !is_line_over(lexer, pos + 1))
            pos++;
        pos++;
    }
    return pos;
}

static size_t find_control(const struct mw_lexer *lexer, size_t from, size_t to)
{
    while (from < to && !is_control(octet_at(lexer, from)))
        from++;
    return from;
}

/* "..." with \" and \\. Any other escape is an error: to keep or to drop the backslash would both
 * be a guess. */
static struct mw_token lex_string(struct mw_lexer *lexer)
{
    size_t start = lexer->at.pos, close = closing_at(lexer, '"', true);
    if (octet_at(lexer, close) != '"')
        return error_at(lexer, start, close - start, close, "the string is not closed on its line");
    bool has_escape = false;
    for (size_t pos = start + 1; pos < close; pos++) {
        if (is_control(octet_at(lexer, pos)))
            return control_error(lexer, pos, close + 1);
        if (octet_at(lexer, pos) != '\\')
            continue;
        int next = octet_at(lexer, ++pos);
        if (next != '"' && next != '\\')
            return error_at(lexer, pos - 1, 2, close + 1,
                            "only \\\" and \\\\ are known in \"...\"; write '...' for text with "
                            "backslashes");
        has_escape = true;
    }
    struct mw_token token = take(lexer, MW_TOKEN_STRING, close + 1 - start);
    token.value = MW_SLICE(token.text.ptr + 1, token.text.len - 2);
    if (has_escape)
        token.value = unescape(lexer, token.value, '"', '\\');
    return token;
}

static struct mw_token lex_raw(struct mw_lexer *lexer)
{
    size_t start = lexer->at.pos, close = closing_at(lexer, '\'', false);
    if (octet_at(lexer, close) != '\'')
        return error_at(lexer, start, close - start, close, "the '...' is not closed on its line");
    size_t bad = find_control(lexer, start, close);
    if (bad < close)
        return control_error(lexer, bad, close + 1);
    struct mw_token token = take(lexer, MW_TOKEN_RAW, close + 1 - start);
    token.value = MW_SLICE(token.text.ptr + 1, token.text.len - 2);
    return token;
}

static struct mw_token lex_regex(struct mw_lexer *lexer)
{
    size_t start = lexer->at.pos, close = closing_at(lexer, '/', true);
    if (octet_at(lexer, close) != '/')
        return error_at(lexer, start, close - start, close,
                        "the regular expression is not closed on its line");
    size_t bad = find_control(lexer, start, close);
    if (bad < close)
        return control_error(lexer, bad, close + 1);
    size_t end = close + 1;
    while (is_letter(octet_at(lexer, end)))
        end++;
    struct mw_token token = take(lexer, MW_TOKEN_REGEX, end - start);
    token.flags = MW_SLICE(lexer->text.ptr + close + 1, end - close - 1);
    token.value = MW_SLICE(token.text.ptr + 1, close - start - 1);
    if (mw_slice_find(token.value, '/') >= 0)
        token.value = unescape(lexer, token.value, '/', '/');
    return token;
}

/* <local@domain>; a quoted local part may hold '>' (RFC 5321 4.1.2). */
static struct mw_token lex_address(struct mw_lexer *lexer)
{
    size_t start = lexer->at.pos, pos = start + 1;
    bool is_quoted = false;
    for (; !is_line_over(lexer, pos); pos++) {
        int c = octet_at(lexer, pos);
        if (c == '>' && !is_quoted)
            break;
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted && !is_line_over(lexer, pos + 1))
            pos++;
    }
    if (octet_at(lexer, pos) != '>')
        return error_at(lexer, start, pos - start, pos, "the address has no closing '>'");
    size_t bad = find_control(lexer, start, pos);
    if (bad < pos)
        return control_error(lexer, bad, pos + 1);
    struct mw_token token = take(lexer, MW_TOKEN_ADDRESS, pos + 1 - start);
    token.value = MW_SLICE(token.text.ptr + 1, token.text.len - 2);
    return token;
}

/* ---- configuration: words up to a blank ---- */

/* Where the bare word that begins at `pos` ends: at a blank, or at a `\` that joins lines. */
static size_t word_end(const struct mw_lexer *lexer, size_t pos)
{
    while (!is_blank_at(lexer, pos) &&
           !(octet_at(lexer, pos) == '\\' && line_end_at(lexer, pos + 1) > 0))
        pos++;
    return pos;
}

static struct mw_token lex_config_word(struct mw_lexer *lexer)
{
    size_t start = lexer->at.pos, end = word_end(lexer, start);
    for (size_t pos = start; pos < end; pos++) {
        int c = octet_at(lexer, pos);
        if (is_control(c))
            return control_error(lexer, pos, end);
        if (c == '"' || c == '\'')
            return error_at(lexer, pos, 1, end,
                            "a quote inside a word; put quotes around the whole word");
    }
    if (octet_at(lexer, end - 1) == '\\' && !is_line_over(lexer, end)) {
        size_t pos = end;
        while (octet_at(lexer, pos) == ' ' || octet_at(lexer, pos) == '\t')
            pos++;
        if (is_line_over(lexer, pos))
            return error_at(lexer, end - 1, 1, end,
                            "blanks behind the '\\' at the end of the line; it does not join");
    }
    int c = octet_at(lexer, start);
    bool is_brace = end - start == 1 && (c == '{' || c == '}');
    return take(lexer, is_brace ? MW_TOKEN_PUNCT : MW_TOKEN_WORD, end - start);
}

static struct mw_token lex_config(struct mw_lexer *lexer)
{
    int c = octet(lexer, 0);
    size_t line_end = line_end_at(lexer, lexer->at.pos);
    if (line_end > 0) {
        struct mw_token token = take(lexer, MW_TOKEN_NEWLINE, 0);
        token.text = token.value = MW_SLICE(lexer->text.ptr + lexer->at.pos, line_end);
        pass_line_end(lexer, line_end);
        return token;
    }
    if (c != '"' && c != '\'')
        return lex_config_word(lexer);
    struct mw_token token = c == '"' ? lex_string(lexer) : lex_raw(lexer);
    size_t end = word_end(lexer, lexer->at.pos);
    if (token.kind != MW_TOKEN_ERROR && end > lexer->at.pos)
        return error_at(lexer, lexer->at.pos, end - lexer->at.pos, end,
                        "a blank is needed behind the closing quote");
    return token;
}

/* ---- expressions ---- */

static bool is_word_octet(int c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

/* '-' and '.' belong to a word only between its other octets: "no-executables:" and "client.ip",
 * not "end." */
static struct mw_token lex_word(struct mw_lexer *lexer)
{
    size_t end = 1;
    for (size_t pos = 1;; pos++) {
        int c = octet(lexer, pos);
        if (is_word_octet(c))
            end = pos + 1;
        else if (c != '-' && c != '.')
            break;
    }
    return take(lexer, MW_TOKEN_WORD, end);
}

static size_t count_digits(const struct mw_lexer *lexer, size_t ahead)
{
    size_t count = 0;
    while (is_digit(octet(lexer, ahead + count)))
        count++;
    return count;
}

/* 2026-12-01: its length, or 0. */
static size_t date_len(const struct mw_lexer *lexer)
{
    bool is_date = count_digits(lexer, 0) == 4 && octet(lexer, 4) == '-' &&
                   count_digits(lexer, 5) == 2 && octet(lexer, 7) == '-' &&
                   count_digits(lexer, 8) == 2;
    return is_date ? 10 : 0;
}

/* 5, 3.0, 5.7.1, 2KB, 10m, 10%, 20/10m: what it means is the parser's affair. */
static struct mw_token lex_number(struct mw_lexer *lexer)
{
    size_t len = date_len(lexer);
    if (len > 0)
        return take(lexer, MW_TOKEN_NUMBER, len);
    len = count_digits(lexer, 0);
    while (octet(lexer, len) == '.' && is_digit(octet(lexer, len + 1)))
        len += 1 + count_digits(lexer, len + 1);
    if (octet(lexer, len) == '/' && is_digit(octet(lexer, len + 1)))
        len += 1 + count_digits(lexer, len + 1);
    if (octet(lexer, len) == '%')
        return take(lexer, MW_TOKEN_NUMBER, len + 1);
    while (is_letter(octet(lexer, len)))
        len++;
    return take(lexer, MW_TOKEN_NUMBER, len);
}

/* What people write who come from other languages, and what it is called here. */
static struct mw_token lex_unexpected(struct mw_lexer *lexer)
{
    static const struct {
        const char *text, *message;
    } known[] = {
        {"&&", "'&&' is not known; write 'and'"},
        {"||", "'||' is not known; write 'or'"},
        {"!", "'!' is not known; write 'not'"},
        {"~", "'~' is not known; write '=~'"},
        {";", "';' is not needed; a new line or a ',' is enough"},
        {"/", "a regular expression stands only behind '=~', '!~' and 'regex'"},
    };
    struct place *at = &lexer->at;
    struct mw_slice rest = mw_slice_skip(lexer->text, at->pos);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct mw_slice text = mw_slice_cstr(known[i].text);
        if (mw_slice_starts(rest, text))
            return error_at(lexer, at->pos, text.len, at->pos + text.len, known[i].message);
    }
    if (is_control(octet(lexer, 0)))
        return control_error(lexer, at->pos, at->pos + 1);
    size_t len = 1;
    if (octet(lexer, 0) >= 0x80)
        while (octet(lexer, len) >= 0x80)
            len++;
    return error_at(lexer, at->pos, len, at->pos + len,
                    len > 1 ? "letters beyond ASCII stand only inside quotes"
                            : "this character has no meaning here");
}

static struct mw_token lex_expr(struct mw_lexer *lexer)
{
    static const char pairs[][3] = {"==", "!=", "=~", "!~", "<=", ">="};
    int c = octet(lexer, 0), next = octet(lexer, 1);
    if (c == '"')
        return lex_string(lexer);
    if (c == '\'')
        return lex_raw(lexer);
    if (is_digit(c))
        return lex_number(lexer);
    if (is_word_octet(c))
        return lex_word(lexer);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (c == pairs[i][0] && next == pairs[i][1])
            return take(lexer, MW_TOKEN_PUNCT, 2);
    if (c > 0 && strchr("(){}[],:<>=+-", c) != NULL)
        return take(lexer, MW_TOKEN_PUNCT, 1);
    return lex_unexpected(lexer);
}

/* ---- literals ---- */

static struct mw_token lex_literal(struct mw_lexer *lexer)
{
    int c = octet(lexer, 0);
    if (c == '"')
        return lex_string(lexer);
    if (c == '\'')
        return lex_raw(lexer);
    if (c == '<')
        return lex_address(lexer);
    if (c > 0 && strchr(",(){}", c) != NULL)
        return take(lexer, MW_TOKEN_PUNCT, 1);
    size_t start = lexer->at.pos, end = start;
    while (!is_blank_at(lexer, end) &&
           (octet_at(lexer, end) == 0 || strchr(",)}#", octet_at(lexer, end)) == NULL))
        end++;
    for (size_t pos = start; pos < end; pos++) {
        if (is_control(octet_at(lexer, pos)))
            return control_error(lexer, pos, end);
        if (octet_at(lexer, pos) == '"')
            return error_at(lexer, pos, 1, end,
                            "a quote inside a value; put quotes around the whole value");
    }
    return take(lexer, MW_TOKEN_WORD, end - start);
}

/* ---- the next token ---- */

static struct mw_token cut(struct mw_lexer *lexer, enum mw_lex_mode mode)
{
    size_t bad = skip_blanks(lexer, mode == MW_LEX_CONFIG);
    if (bad > 0)
        return control_error(lexer, bad, lexer->at.pos);
    int c = octet(lexer, 0);
    if (c == AT_END)
        return take(lexer, MW_TOKEN_END, 0);
    switch (mode) {
    case MW_LEX_CONFIG:
        return lex_config(lexer);
    case MW_LEX_LITERAL:
        return lex_literal(lexer);
    case MW_LEX_REGEX:
        return c == '/' ? lex_regex(lexer) : lex_expr(lexer);
    case MW_LEX_ADDRESS:
        return c == '<' ? lex_address(lexer) : lex_expr(lexer);
    case MW_LEX_EXPR:
        break;
    }
    return lex_expr(lexer);
}

struct mw_token mw_lex_peek(struct mw_lexer *lexer, enum mw_lex_mode mode)
{
    if (!lexer->has_peeked || lexer->peeked_mode != mode) {
        struct place start = lexer->at;
        lexer->peeked = cut(lexer, mode);
        lexer->peeked_mode = mode;
        lexer->peeked_end = lexer->at;
        lexer->has_peeked = true;
        lexer->at = start;
    }
    return lexer->peeked;
}

struct mw_token mw_lex_next(struct mw_lexer *lexer, enum mw_lex_mode mode)
{
    struct mw_token token = mw_lex_peek(lexer, mode);
    lexer->at = lexer->peeked_end;
    lexer->has_peeked = false;
    return token;
}
