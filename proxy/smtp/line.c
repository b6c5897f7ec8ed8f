/* line.c - one memchr for the line end, one look at the octets in front of it. */
#include "smtp/line.h"

#include <string.h>

/* A NUL ends a line early for servers written with C strings; a bare CR ends it for those that take
 * CR for a line end. Either would make two commands of one. RFC 5321 2.3.8: CR and LF only
 * together. */
static bool is_bad(struct mw_slice text)
{
    return mw_slice_find(text, '\0') >= 0 || mw_slice_find(text, '\r') >= 0;
}

struct mw_line mw_line_next(struct mw_slice in, size_t limit)
{
    ptrdiff_t end = mw_slice_find(in, '\n');
    if (end < 0) {
        if (in.len < limit)
            return (struct mw_line){.kind = MW_LINE_NONE, .text = MW_EMPTY};
        return (struct mw_line){
            .kind = MW_LINE_TOO_LONG, .text = MW_EMPTY, .used = in.len, .skip_rest = true};
    }
    size_t used = (size_t)end + 1;
    if (used > limit)
        return (struct mw_line){.kind = MW_LINE_TOO_LONG, .text = MW_EMPTY, .used = used};
    struct mw_slice text = mw_slice_take(in, (size_t)end);
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--; /* one only: the first CR of CR CR LF is bare */
    return (struct mw_line){
        .kind = is_bad(text) ? MW_LINE_BAD : MW_LINE_OK, .text = text, .used = used};
}

size_t mw_line_skip(struct mw_slice in, bool *out_done)
{
    ptrdiff_t end = mw_slice_find(in, '\n');
    *out_done = end >= 0;
    return end < 0 ? in.len : (size_t)end + 1;
}
