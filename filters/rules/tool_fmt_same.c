/* tool_fmt_same.c - has `fmt` changed blanks and line ends only? Its own pieces and the tokens of
 * the rule files' lexer are compared. */
#include <stdlib.h>

#include "tool_fmt_priv.h"

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
    rules_fmt_cut(before, &a);
    rules_fmt_cut(after, &b);
    bool is_same = a.count == b.count && b.error == NULL;
    for (size_t i = 0; is_same && i < a.count; i++)
        is_same = text_eq(a.at[i].text, b.at[i].text);
    free(a.at);
    free(b.at);
    return is_same;
}

bool rules_fmt_same(const struct mw_lang *lang, struct mw_slice before, struct mw_slice after)
{
    return cuts_alike(before, after) && lexes_alike(lang, before, after);
}
