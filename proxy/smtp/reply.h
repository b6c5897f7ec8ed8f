/* reply.h - SMTP replies: parse what the upstream says, build what we say, check what filters say.
 *
 * Pure: no I/O, no allocation. RFC 5321 4.2, 4.5.3.1.5; RFC 2034, 3463 (enhanced codes).
 * Not here: when a reply may be sent (session/), our own texts (replies.def). */
#ifndef MW_SMTP_REPLY_H
#define MW_SMTP_REPLY_H

#include "base/buf.h"
#include "base/slice.h"

enum {
    MW_REPLY_LINE_MAX =
        4096, /* octets of one upstream reply line; RFC says 512, real servers exceed it */
    MW_REPLY_MAX = 65536, /* octets of one upstream reply, all lines */
    MW_REPLY_LINES_MAX = 256,
    MW_REPLY_TEXT_MAX =
        490, /* octets of text on a line that we write: 512 with code, enhanced code and CRLF */
};

struct mw_reply {
    uint16_t code; /* 200..599 */
    struct mw_slice
        octets; /* the whole reply as it came, with its line ends: relayed as is when it is clean */
    struct mw_slice text; /* of the last line, behind code and separator */
    uint16_t line_count;
    bool
        is_clean; /* every line ends in CRLF and holds printable ASCII, HTAB or 8-bit octets only */
};

/* Read one complete reply from the front of `in`.
 * MW_OK: *out_used octets belong to it. MW_AGAIN: the last line has not arrived. MW_ERR_SYNTAX: a
 * line does not begin with three digits 2..5 0..5 0..9 and " ", "-" or the line end; codes of the
 * lines differ; a line has a NUL. MW_ERR_LIMIT: a line, the reply or the number of lines is over
 * its limit. A bare LF is taken as line end (not clean). */
MW_MUST_USE enum mw_err mw_reply_parse(struct mw_slice in, struct mw_reply *out_reply,
                                       size_t *out_used);

/* Iterate over the lines: *at starts at 0; false when there are no more. out_text = behind code and
 * separator. */
bool mw_reply_line(const struct mw_reply *reply, size_t *at, struct mw_slice *out_text);

/* Append the reply for the client: as is when clean, else each line rebuilt with CRLF and every
 * control character replaced by "?" (a hostile upstream cannot split a reply or move the cursor of
 * somebody's terminal). */
void mw_reply_print(const struct mw_reply *reply, struct mw_buf *out);

/* Build "CODE DSN text\r\n" (multi-line "CODE-DSN text" when text holds "\n"); control characters
 * become "?", each line is cut to 512 octets at a UTF-8 boundary, lines beyond MW_REPLY_LINES_MAX
 * or MW_REPLY_MAX are left out. dsn may be empty; one that is no enhanced code of the code's class
 * is left out. The text never ends the line early, whatever it holds. The code is 200..599 with a
 * second digit of 0..5 (asserted: others' codes pass through mw_reply_check first). */
void mw_reply_build(struct mw_buf *out, uint16_t code, struct mw_slice dsn, struct mw_slice text);

/* Form of a reply that a filter or rule gives: code 4xx or 5xx, second digit 0-5 (RFC 5321 4.2),
 * dsn empty or "C.S.D" with C equal to the code's class and 1-3 digits each (RFC 3463 2), text
 * without control characters ("\n" separates lines, HTAB is allowed). NULL if good, else what is
 * wrong (static text, for a log or a diagnostic). */
const char *mw_reply_check(uint16_t code, struct mw_slice dsn, struct mw_slice text);

/* The enhanced code at the start of a text ("2.1.0 Ok"), or empty. RFC 2034 3: class equal to the
 * code's. */
struct mw_slice mw_reply_dsn(uint16_t code, struct mw_slice text);

#endif
