/* path.h - reverse-path and forward-path: take apart, compare, check for the wire.
 *
 * Pure, views only. RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3 (8-bit octets are allowed where atext is).
 */
#ifndef MW_SMTP_PATH_H
#define MW_SMTP_PATH_H

#include "base/slice.h"

/* The longest path in octets, brackets included. RFC 5321 4.5.3.1.3 says 256; long VERP senders
 * exceed it. */
enum { MW_PATH_MAX = 1024 };

struct mw_path {
    struct mw_slice address; /* local-part "@" domain as written, without brackets and source route;
                                empty for "<>" */
    struct mw_slice local;   /* as written, quotes kept: "a b" of <"a b"@x> is `"a b"` */
    struct mw_slice domain;  /* as written, `[192.0.2.1]` with brackets; empty if there is no "@"
                                (e.g. <postmaster>) */
    bool has_brackets;
    bool is_null;       /* "<>" */
    bool is_wellformed; /* the mailbox follows RFC 5321/6531 grammar; if not, the upstream judges it
                         */
};

/* Parse the path at the front of `in`. `out_used` = octets of the path. Knows quoted strings
 * ("a>b"@x), quoted pairs, address literals and source routes (<@a,@b:c@d>). Without brackets the
 * path ends at the first blank outside quotes. MW_ERR_SYNTAX: empty input, no closing ">", a
 * control character (also inside quotes), longer than MW_PATH_MAX; and what two servers end in
 * different places: an unbalanced quote, a bracket inside, a backslash outside quotes in front of
 * < > " \ @ or a blank. A source route to nobody (<@a:>) as well. */
MW_MUST_USE enum mw_err mw_path_parse(struct mw_slice in, struct mw_path *out_path,
                                      size_t *out_used);

/* Whether `address` (without brackets) may be put between "<" and ">" on the wire: parses back to
 * itself (so it has no source route), no control characters, no blank outside quotes, not longer
 * than MW_PATH_MAX - 2. The empty address is allowed where `null_ok` (a sender). Filters' and
 * rules' addresses pass through this before anything is sent. */
bool mw_path_is_safe(struct mw_slice address, bool null_ok);

/* Same mailbox: local part octet by octet, domain without case. */
bool mw_path_same(const struct mw_path *a, const struct mw_path *b);

#endif
