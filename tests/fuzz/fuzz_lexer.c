/* fuzz_lexer.c - every mode over any octets: tokens lie inside the source, in order and without
 * overlap, their places are right, there is always progress, and looking ahead changes nothing. The
 * first octet chooses how modes are mixed. */
#include <string.h>

#include "base/lex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODES = MW_LEX_ADDRESS + 1 };

static void check_inside(struct mw_slice source, struct mw_slice part)
{
    mw_assert(part.ptr >= source.ptr && part.len <= source.len);
    mw_assert((size_t)(part.ptr - source.ptr) <= source.len - part.len);
}

/* The token's line and column, counted again from the start of the text. */
static void check_place(struct mw_slice source, const struct mw_token *token)
{
    size_t at = (size_t)(token->text.ptr - source.ptr), line = 1, line_start = 0;
    for (size_t i = 0; i < at; i++) {
        if (source.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    if (line == 1 && mw_slice_starts(source, MW_LIT("\xef\xbb\xbf")))
        line_start = 3;
    mw_assert(token->line == line && token->column == at - line_start + 1);
}

static bool same(const struct mw_token *a, const struct mw_token *b)
{
    return a->kind == b->kind && a->text.ptr == b->text.ptr && a->text.len == b->text.len &&
           mw_slice_eq(a->value, b->value) && a->line == b->line && a->column == b->column;
}

static void run(struct mw_slice source, unsigned mix)
{
    struct mw_lexer *lexer = mw_lex_open("fuzz", source);
    size_t last_end = 0, count = 0;
    for (;; count++) {
        unsigned choice = mix < MODES ? mix : (unsigned)(mix * 31 + count) % MODES;
        enum mw_lex_mode mode = (enum mw_lex_mode)choice;
        struct mw_token other = mw_lex_peek(lexer, (enum mw_lex_mode)((choice + 1) % MODES));
        struct mw_token ahead = mw_lex_peek(lexer, mode);
        struct mw_token token = mw_lex_next(lexer, mode);
        mw_assert(same(&ahead, &token));
        check_inside(source, other.text);
        check_inside(source, token.text);
        size_t start = (size_t)(token.text.ptr - source.ptr);
        mw_assert(start >= last_end);
        last_end = start + token.text.len;
        if (source.len < 4096)
            check_place(source, &token);
        if (token.kind == MW_TOKEN_END)
            break;
        mw_assert(token.text.len > 0 && count <= source.len);
        if (token.kind != MW_TOKEN_ERROR)
            mw_assert(token.value.len <= token.text.len);
    }
    mw_lex_close(lexer);
}

static void run_values(struct mw_slice text)
{
    uint64_t number, span;
    if (mw_parse_size(text, &number) == MW_OK)
        mw_assert(text.len > 0 && mw_is_digit(text.ptr[0]));
    if (mw_parse_duration(text, &number) == MW_OK)
        mw_assert(number == 0 || !mw_is_digit(text.ptr[text.len - 1]));
    if (mw_parse_rate(text, &number, &span) == MW_OK)
        mw_assert(span > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice source = size == 0 ? MW_EMPTY : MW_SLICE((const char *)data, size);
    for (unsigned mode = 0; mode < MODES; mode++)
        run(source, mode);
    if (size > 0)
        run(source, MODES + data[0]);
    run_values(source);
    return 0;
}
