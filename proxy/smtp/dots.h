/* dots.h - message content on the wire: take DATA's dot-stuffing off, put it on, and decide on line
 * ends.
 *
 * The only end of data is CRLF "." CRLF (at the very start: "." CRLF). Everything else that
 * smuggling tries (LF.LF, LF.CRLF, CR.CR, CRLF.CR, CRLF.LF, NULs in between) is content, in one
 * reading only: what leaves here has canonical CRLF line ends, and the writer stuffs dots by those
 * alone. RFC 5321 2.3.8, 4.5.2; Postfix 3.9 smtpd_forbid_bare_newline.
 *
 * What is what, octet by octet:
 *   CRLF  the one line end of the dialogue. It alone makes "." an end of data, and it alone makes a
 *         leading dot a stuffed one that is taken off: both questions are answered by the same line
 *         ends, so they cannot disagree.
 *   LF    a bare one becomes CRLF (under REJECT too: a refused message that is already flowing stays
 *         harmless). A dot behind it is content and is kept: "x LF . LF y" are the lines "x", ".",
 *         "y". A sender that knows CRLF lines only has stuffed nothing there (RFC 5321 4.5.2; curl
 *         7.88 sending a file with LF, measured), and taking a dot away would damage its message.
 *         Postfix drops one dot there, because LF is a line end for it; a sender that stuffs behind
 *         bare LF thus shows one dot more than through Postfix alone, but no octet of anybody's text
 *         is lost. The LF begins a line for the writer, which stuffs its dot.
 *   CR    a bare one is content (PASS) or refuses the message (REJECT); it is never a line end.
 *         CR CR LF is a bare CR and a CRLF: the line behind it is stuffed like any other, so an
 *         upstream that drops all CRs in front of LF (Postfix 3.7) still finds no end in
 *         CR CR LF . CR CR LF.
 *   NUL   content (PASS) or refuses the message (REJECT).
 * One thing stuffing cannot mend: a server that takes a bare CR for a line end (Cisco's does), or
 * drops NULs, reads an end of data in CR . CR, CR . CRLF, CRLF NUL . CRLF and their mixtures, while
 * another does not. Content that would leave in such a form has no single reading, so it refuses the
 * message whatever the policy says (MW_SEEN_FAKE_END), and nothing of it leaves from there on.
 *
 * Pure; state is in the struct; the result does not depend on how the input was cut (a fuzz
 * invariant). Fast path: runs of clean lines come out as one span that points into the input, found
 * with SIMD where available. */
#ifndef MW_SMTP_DOTS_H
#define MW_SMTP_DOTS_H

#include "base/queue.h"
#include "base/slice.h"

enum mw_bare {
    MW_BARE_PASS = 0,  /* keep the octet as it is (bare CR, NUL) */
    MW_BARE_NORMALIZE, /* bare LF becomes CRLF */
    MW_BARE_REJECT,    /* note it; the session refuses the message with 550 5.5.2 */
};

/* Values that make no sense for an octet are read as the safe neighbour: a bare LF never passes,
 * and bare CR and NUL pass under PASS only. */
struct mw_dots_policy {
    enum mw_bare bare_lf; /* NORMALIZE (default) or REJECT */
    enum mw_bare bare_cr; /* PASS or REJECT (default) */
    enum mw_bare nul;     /* PASS (default) or REJECT */
};

/* What was seen (bits), whatever the policy: facts for filters and the log. */
enum {
    MW_SEEN_BARE_LF = 1,
    MW_SEEN_BARE_CR = 2,
    MW_SEEN_NUL = 4,
    MW_SEEN_FAKE_END = 8, /* bare CR or NUL around a lone dot: always refused; one of the two bits
                             is set as well */
};

struct mw_dots {
    uint8_t state;   /* private: position within a possible line end */
    uint8_t lax;     /* private: position within an end of data as a lax server would read it */
    uint8_t seen;    /* MW_SEEN_* */
    bool is_refused; /* something seen that the policy rejects */
    bool is_done;    /* the end of data was found */
    bool is_bdat;    /* content counted by BDAT: no dots, no end mark; line ends as policy says */
    bool is_binary;  /* BODY=BINARYMIME: nothing is looked at or changed */
    uint64_t octets; /* of content given out so far */
};

/* For DATA; for BDAT content (one struct for all chunks of a message). */
void mw_dots_init(struct mw_dots *dots);
void mw_dots_init_bdat(struct mw_dots *dots, bool is_binary);

/* One run of content. `ptr` is into the input, or into static memory ("\r\n" for a bare LF, "\r"
 * and "\r\n" for octets held back at a cut). */
struct mw_span {
    struct mw_slice octets;
    bool at_line_start; /* the first octet begins a line: the writer must stuff it if it is "." */
    bool has_wire_dot;  /* the octet in front of it, in the same input, is the dot that the sender
                           stuffed it with */
};

/* Take content from the front of `in`: sets *out_used to the octets consumed and *out_span to the
 * next run of content (possibly empty). Call again with the rest until nothing is left of `in`, or
 * dots->is_done (octets behind *out_used then are commands). Every call that is given octets
 * consumes one or gives content out. A dot at a line start is never inside a span, always at its
 * beginning, so stuffing is a look at one octet. Octets that may belong to an end of data (CR,
 * CRLF, CRLF., CRLF.CR) are held in `state` and come out later from static memory if they turn out
 * to be content. */
void mw_dots_take(struct mw_dots *dots, const struct mw_dots_policy *policy, struct mw_slice in,
                  size_t *out_used, struct mw_span *out_span);

/* BDAT LAST was consumed: what was held back at the end (a CR) comes out; content that does not end
 * in CRLF gets none added. */
void mw_dots_finish_bdat(struct mw_dots *dots, const struct mw_dots_policy *policy,
                         struct mw_span *out_span);

/* Write content as DATA: stuffs dots at line starts, keeps track of whether the content so far ends
 * in CRLF. Spans may be cut anywhere. Borrows the octets (see queue.h), but copies when many small
 * pieces follow each other, so that a hostile message does not cost the queue a multiple of its
 * octets. Zero-initialised is a valid beginning. */
struct mw_stuffer {
    const char *end;   /* private: where the last octets given to the queue ended */
    uint8_t state;     /* 0 = at a line start, 1 = inside a line, 2 = behind CR */
    uint8_t small_run; /* private: small pieces in a row so far */
};
/* `scan` false: the span comes from mw_dots_take, only its first octet can need a dot. true:
 * content from elsewhere (spool, header block, filter's body): every line start in it is looked at,
 * and a bare LF leaves as CRLF. What decides on the first octet is what was written before it
 * (stuffer->state), not span.at_line_start: the one reading that counts is the upstream's. */
void mw_stuff(struct mw_stuffer *stuffer, struct mw_queue *out, struct mw_span span, bool scan);
/* The end of data: CRLF first if the content does not end in one, then ".\r\n". */
void mw_stuff_end(struct mw_stuffer *stuffer, struct mw_queue *out);

#endif
