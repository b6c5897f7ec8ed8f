/* diag.h - problems in configuration and rule files, collected and printed the way people like to
 * read them.
 *
 *   conf.d/10-listen.conf:4:3: error: unknown directive 'adress' in block 'listen'
 *        4 |   adress 0.0.0.0:25
 *          |   ^~~~~~
 *          = did you mean 'address'?
 *
 * All problems of a run are collected; nothing stops at the first. Bounded: after 100 the rest is
 * only counted. */
#ifndef MW_BASE_DIAG_H
#define MW_BASE_DIAG_H

#include <mailweir/filter.h>

#include "base/buf.h"
#include "base/slice.h"

struct mw_diags;

struct mw_diags *mw_diags_new(void);
void mw_diags_free(struct mw_diags **diags);
/* Make a file's text known, so that the line and a caret can be shown. Copies both. */
void mw_diags_source(struct mw_diags *diags, const char *file, struct mw_slice text);
/* Record a problem. The format is for `message`; hint may be NULL. file may be NULL (then only the
 * message is printed). */
void mw_diags_add(struct mw_diags *diags, enum mw_severity severity, const char *file,
                  uint32_t line, uint32_t column, uint32_t length, const char *hint,
                  const char *format, ...) MW_PRINTF(8, 9);
size_t mw_diags_errors(const struct mw_diags *diags);
size_t mw_diags_warnings(const struct mw_diags *diags);
/* Print everything in the order of files and lines. Control characters in messages and source lines
 * are escaped, tabs are kept in the caret line so that the caret stands right. */
void mw_diags_print(const struct mw_diags *diags, struct mw_buf *out);

/* Nearest of the NULL-terminated `names`, or NULL (see mw_lang.near_name): Damerau-Levenshtein,
 * without case. */
const char *mw_near_name(struct mw_slice word, const char *const *names);

#endif
