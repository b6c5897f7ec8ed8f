/* buf.c - growth by doubling, never beyond the cap. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mw_buf_fini(struct mw_buf *buf)
{
    free(buf->ptr);
    *buf = MW_BUF_INIT(buf->max);
}

static void grow(struct mw_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need)
        cap *= 2;
    buf->ptr = mw_xrealloc(buf->ptr, cap);
    buf->cap = cap;
}

enum mw_err mw_buf_add(struct mw_buf *buf, struct mw_slice octets)
{
    if (buf->max != 0 && (octets.len > buf->max || buf->len > buf->max - octets.len))
        return MW_ERR_LIMIT;
    if (octets.len > 0) {
        memcpy(mw_buf_reserve(buf, octets.len), octets.ptr, octets.len);
        buf->len += octets.len;
    }
    return MW_OK;
}

void mw_buf_put(struct mw_buf *buf, struct mw_slice octets)
{
    enum mw_err err = mw_buf_add(buf, octets);
    mw_assert(err == MW_OK);
}

void mw_buf_putc(struct mw_buf *buf, char octet)
{
    mw_buf_put(buf, MW_SLICE(&octet, 1));
}

void mw_buf_putf(struct mw_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    mw_assert(len >= 0);
    size_t need = (size_t)len;
    mw_assert(buf->max == 0 || need <= buf->max - buf->len);
    vsnprintf(mw_buf_reserve(buf, need + 1), need + 1, format, again);
    va_end(again);
    buf->len += need;
}

void mw_buf_consume(struct mw_buf *buf, size_t count)
{
    mw_assert(count <= buf->len);
    if (count > 0 && count < buf->len)
        memmove(buf->ptr, buf->ptr + count, buf->len - count);
    buf->len -= count;
}

char *mw_buf_reserve(struct mw_buf *buf, size_t more)
{
    if (buf->ptr == NULL || buf->cap - buf->len < more)
        grow(buf, buf->len + more);
    return buf->ptr + buf->len;
}

char *mw_buf_detach_cstr(struct mw_buf *buf)
{
    *mw_buf_reserve(buf, 1) = '\0';
    char *text = buf->ptr;
    *buf = MW_BUF_INIT(buf->max);
    return text;
}
