/* line.h - find one command line at the front of what was read.
 *
 * Pure. The only line end is CRLF or a bare LF (a person typing in telnet; Postfix takes it too);
 * bare CR and NUL make the line bad. RFC 5321 2.3.8, 4.5.3.1.4. */
#ifndef MW_SMTP_LINE_H
#define MW_SMTP_LINE_H

#include "base/slice.h"

enum {
    MW_LINE_MAX = 2048,       /* octets of a command line with its end */
    MW_LINE_AUTH_MAX = 12288, /* of an AUTH response (RFC 4954 4.5) */
};

enum mw_line_kind {
    MW_LINE_NONE = 0, /* not complete yet: read more */
    MW_LINE_OK,       /* one good line */
    MW_LINE_TOO_LONG, /* longer than the limit: the whole line (once complete) is to be skipped */
    MW_LINE_BAD,      /* holds a NUL or a bare CR */
};

struct mw_line {
    enum mw_line_kind kind;
    struct mw_slice text; /* without the line end; MW_LINE_OK and MW_LINE_BAD */
    size_t used;          /* octets to consume from `in` */
    bool skip_rest; /* MW_LINE_TOO_LONG without its end in sight: consume `used`, then go on with
                       mw_line_skip */
};

/* Look at the front of `in`. MW_LINE_TOO_LONG is reported as soon as `limit` octets are there
 * without a line end. */
struct mw_line mw_line_next(struct mw_slice in, size_t limit);
/* Skipping an overlong line: how many octets of `in` belong to it; *out_done is true if its end was
 * among them. */
size_t mw_line_skip(struct mw_slice in, bool *out_done);

#endif
