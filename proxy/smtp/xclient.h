/* xclient.h - XCLIENT and XFORWARD (Postfix's XCLIENT_README, XFORWARD_README): attributes read
 * from a trusted peer's command, and written for an upstream.
 *
 * Pure. As receiver all or nothing: everything is parsed and checked before a value is used
 * (Postfix itself applies what stands before an error). As sender every value is xtext, so that no
 * octet of a peer can end the line or begin another attribute; and what Postfix would answer with
 * 501, which ends the connection's use, is not sent at all. The attributes: xclient.def. */
#ifndef MW_SMTP_XCLIENT_H
#define MW_SMTP_XCLIENT_H

#include "base/buf.h"
#include "base/inet.h"
#include "smtp/ehlo.h"

enum {
    MW_XCLIENT_LINE_MAX = 512,  /* octets of a command that we write, with CRLF */
    MW_XCLIENT_VALUE_MAX = 255, /* octets of a value as written, in xtext (Postfix's limit) */
    MW_XCLIENT_PROTO_MAX = 64,  /* octets of XFORWARD's PROTO, decoded */
};

/* One attribute's state. */
enum mw_xvalue {
    MW_X_ABSENT = 0, /* not in the command */
    MW_X_GIVEN,
    MW_X_UNAVAILABLE, /* [UNAVAILABLE] */
    MW_X_TEMPUNAVAIL, /* [TEMPUNAVAIL] */
};
struct mw_xtext_value {
    enum mw_xvalue state;
    struct mw_slice text; /* GIVEN: decoded, no control character in it; in the caller's storage */
};
struct mw_xclient {
    struct mw_xtext_value name, reverse_name, helo, proto, login, ident;
    enum mw_xvalue address_state, port_state, destination_state, destination_port_state;
    struct mw_inet address, destination;
    uint16_t port, destination_port;
    enum { MW_X_SOURCE_UNKNOWN = 0, MW_X_SOURCE_LOCAL, MW_X_SOURCE_REMOTE } source; /* XFORWARD */
    bool has_source;
};

/* The argument of XCLIENT (is_forward false) or XFORWARD: attributes with blanks between them.
 * Decoded values are appended to `storage`, which is grown once, at the start: the slices point
 * into it, and live until it changes again.
 * MW_ERR_SYNTAX and *out_problem ("Bad ADDR syntax", "Bad XCLIENT attribute name: FOO", Postfix's
 * words; printable, at most 100 octets, static or in storage) for: no attribute, unknown name for
 * this verb, a missing "=" or value, a value above MW_XCLIENT_VALUE_MAX octets as written, an
 * address without IPV6: or with brackets, a port above 65535, a name that is no host name, PROTO
 * other than SMTP or ESMTP (XCLIENT) or above 64 octets (XFORWARD), SOURCE other than LOCAL or
 * REMOTE, a control character. MW_ERR_LIMIT: `storage` has a cap that arg.len + 100 exceeds.
 * A repeated attribute: the last one counts. A value with an invalid xtext sequence ("+ZZ") is
 * taken literally as a whole, and digits of either case are decoded, both as Postfix does. Either
 * word in brackets is understood for every attribute but XCLIENT's PROTO, also where it came in
 * xtext; the unspecified address (::) is an unavailable one. XCLIENT's PROTO comes back in upper
 * case. */
MW_MUST_USE enum mw_err mw_xclient_parse(struct mw_slice arg, bool is_forward,
                                         struct mw_buf *storage, struct mw_xclient *out_values,
                                         struct mw_slice *out_problem);

/* Append "XCLIENT ...CRLF" (or XFORWARD) with those of `values` that are in `attrs` (what the peer
 * announced: enum mw_xclient_attr) and belong to the verb, ADDR first. ABSENT ones are left out.
 * [UNAVAILABLE] stands for what must not be sent as it is: a name that is no host name (whatever
 * DNS said), a text that is empty or holds a control character (a NUL would end a login early at a
 * receiver in C), the unspecified address; and for [TEMPUNAVAIL] wherever Postfix does not know
 * that word: it does for XCLIENT's NAME and REVERSE_NAME. Left out: XCLIENT's PROTO other than
 * SMTP or ESMTP, XFORWARD's above its limit, a SOURCE that is not known.
 * Over MW_XCLIENT_LINE_MAX octets HELO goes first, then REVERSE_NAME; HELO also where it alone is
 * over MW_XCLIENT_VALUE_MAX in xtext. MW_ERR_LIMIT (nothing appended): still too long, or LOGIN or
 * IDENT over MW_XCLIENT_VALUE_MAX in xtext, or the cap of `out`. MW_ERR_SYNTAX (nothing appended):
 * no attribute is left. */
MW_MUST_USE enum mw_err mw_xclient_print(const struct mw_xclient *values, bool is_forward,
                                         uint32_t attrs, struct mw_buf *out);

#endif
