/* buf.h - octets being built: length, capacity and a hard cap that it never grows beyond. */
#ifndef MW_BASE_BUF_H
#define MW_BASE_BUF_H

#include "base/slice.h"

/* Zero-initialised is valid and means: empty, without a cap. */
struct mw_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* octets; 0 = no cap */
};

#define MW_BUF_INIT(limit) ((struct mw_buf){.max = (limit)})

void mw_buf_fini(struct mw_buf *buf); /* frees; the buffer is empty and usable again */
/* Append all or nothing. MW_ERR_LIMIT if it would exceed the cap (nothing changed). */
MW_MUST_USE enum mw_err mw_buf_add(struct mw_buf *buf, struct mw_slice octets);
/* The same for callers whose buffer has no cap, or whose input is bounded below it by construction
 * (asserted). */
void mw_buf_put(struct mw_buf *buf, struct mw_slice octets);
void mw_buf_putc(struct mw_buf *buf, char octet);
void mw_buf_putf(struct mw_buf *buf, const char *format, ...) MW_PRINTF(2, 3);
/* Remove from the front (moves the rest). */
void mw_buf_consume(struct mw_buf *buf, size_t count);
/* Room for `more` octets behind the end; add to buf->len what you wrote. */
char *mw_buf_reserve(struct mw_buf *buf, size_t more);
/* Borrowed view of all octets, until the next change. */
static inline struct mw_slice mw_buf_view(const struct mw_buf *buf)
{
    return buf->len == 0 ? MW_EMPTY : MW_SLICE(buf->ptr, buf->len);
}
/* A NUL-terminated heap copy; the caller frees it. The buffer is empty afterwards. */
char *mw_buf_detach_cstr(struct mw_buf *buf);

#endif
