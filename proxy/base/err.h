/* err.h - error codes (err.def), assertions and allocation that ends the worker on failure.
 *
 * MW_OK is 0, MW_AGAIN means "not finished" and is not an error, all others are negative. */
#ifndef MW_BASE_ERR_H
#define MW_BASE_ERR_H

#include <stddef.h>

#define MW_MUST_USE __attribute__((warn_unused_result))
#define MW_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

enum mw_err {
#define MW_ERR(name, value, text, retryable) MW_##name = (value),
#include "base/err.def"
#undef MW_ERR
};

/* What a code means, for a person. Never NULL. */
const char *mw_err_text(enum mw_err err);

/* An invariant of ours; stays on in release builds. Never judges peer or operator input.
 * A failed one ends the worker: no mail is lost, because no client has a 250 that the upstream did
 * not give. */
#define mw_assert(condition) \
    ((condition) ? (void)0 : mw_assert_failed(#condition, __FILE__, __LINE__))
void mw_assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

/* malloc, calloc, realloc, strdup that never return NULL: out of memory ends the worker (everything
 * a peer can grow has its own limit, so this is the machine's failure, not a peer's doing). Free
 * with free(). */
void *mw_xalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mw_xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mw_xrealloc(void *memory, size_t size) __attribute__((returns_nonnull));
char *mw_xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

#endif
