/* lex.h - the lexer and the value parsers that configuration and rule files share; see
 * <mailweir/lang.h> for the tokens.
 *
 * The functions here are the ones behind host->lang; mw_lang_table is that table. */
#ifndef MW_BASE_LEX_H
#define MW_BASE_LEX_H

#include <mailweir/lang.h>

#include "base/slice.h"

struct mw_lexer *mw_lex_open(const char *file, struct mw_slice text);
void mw_lex_close(struct mw_lexer *lexer);
struct mw_token mw_lex_next(struct mw_lexer *lexer, enum mw_lex_mode mode);
struct mw_token mw_lex_peek(struct mw_lexer *lexer, enum mw_lex_mode mode);
const char *mw_lex_file(const struct mw_lexer *lexer);

MW_MUST_USE enum mw_err mw_parse_size(struct mw_slice text, uint64_t *out_octets);
MW_MUST_USE enum mw_err mw_parse_duration(struct mw_slice text, uint64_t *out_ms);
MW_MUST_USE enum mw_err mw_parse_rate(struct mw_slice text, uint64_t *out_count, uint64_t *out_ms);
/* Whole file into heap memory (free()), NUL-terminated behind the length. MW_ERR_LIMIT above max;
 * *out_error: text for a person. */
MW_MUST_USE enum mw_err mw_file_read(const char *path, size_t max, char **out_text, size_t *out_len,
                                     const char **out_error);

extern const struct mw_lang mw_lang_table;

#endif
