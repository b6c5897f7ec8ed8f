/* fake_text.h - what the hosts that tests play have in common: memory that is given back at once, and texts in arrays. */
#ifndef FAKE_TEXT_H
#define FAKE_TEXT_H

#include <stddef.h>

#include <mailweir/filter.h>

struct fake_chunk;
/* Zeroed; lives until fake_release(). */
void *fake_keep(struct fake_chunk **chunks, size_t size);
/* Leaves NULL. */
void fake_release(struct fake_chunk **chunks);

/* Behind what `text` has; what does not fit is left out. */
void fake_append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As a string; cut if need be. */
void fake_copy(char *out, size_t size, struct mw_slice text);
/* "file:line:column+length: error: message | hint" and a line end. */
void fake_append_diag(char *text, size_t size, const struct mw_diag *diag);
/* " key=value" for each. */
void fake_append_pairs(char *text, size_t size, const struct mw_log_pair *pairs, size_t count);

#endif
