/* ehlo.h - the EHLO reply: what the upstream offers, and the list that the client gets.
 *
 * Pure. Announced = (upstream's list intersected with what we can carry) + our own; greeting line
 * and order stay the upstream's (design: smtp.md, Extensions). RFC 5321 4.1.1.1, 1869. */
#ifndef MW_SMTP_EHLO_H
#define MW_SMTP_EHLO_H

#include "base/buf.h"
#include "smtp/reply.h"

/* clang-format off */
enum mw_ext { /* bits */
    MW_EXT_PIPELINING   = 1u << 0,
    MW_EXT_SIZE         = 1u << 1,
    MW_EXT_8BITMIME     = 1u << 2,
    MW_EXT_SMTPUTF8     = 1u << 3,
    MW_EXT_DSN          = 1u << 4,
    MW_EXT_ENHANCED     = 1u << 5,
    MW_EXT_CHUNKING     = 1u << 6,
    MW_EXT_BINARYMIME   = 1u << 7,
    MW_EXT_STARTTLS     = 1u << 8,
    MW_EXT_AUTH         = 1u << 9,
    MW_EXT_XCLIENT      = 1u << 10,
    MW_EXT_XFORWARD     = 1u << 11,
    MW_EXT_REQUIRETLS   = 1u << 12,
    MW_EXT_XFORWARD_IDENT = 1u << 13, /* XFORWARD with IDENT among its attributes */
    MW_EXT_PRDR         = 1u << 15, /* per-recipient replies to the message: ours, whatever the upstream says of it */
    MW_EXT_PASSED       = 1u << 14,   /* others that pass unchanged: DELIVERBY MT-PRIORITY FUTURERELEASE LIMITS VRFY ETRN HELP EXPN */
};
/* clang-format on */

/* XCLIENT attributes that the upstream announced. */
enum mw_xclient_attr {
    MW_XCLIENT_NAME = 1u << 0,
    MW_XCLIENT_ADDR = 1u << 1,
    MW_XCLIENT_PORT = 1u << 2,
    MW_XCLIENT_PROTO = 1u << 3,
    MW_XCLIENT_HELO = 1u << 4,
    MW_XCLIENT_LOGIN = 1u << 5,
    MW_XCLIENT_DESTADDR = 1u << 6,
    MW_XCLIENT_DESTPORT = 1u << 7,
    MW_XCLIENT_REVERSE_NAME = 1u << 8,
    MW_XCLIENT_SOURCE = 1u << 9, /* XFORWARD */
    MW_XCLIENT_IDENT = 1u << 10, /* XFORWARD */
};

struct mw_ehlo {
    uint32_t exts;                          /* MW_EXT_*: what the upstream announced */
    uint32_t xclient_attrs, xforward_attrs; /* MW_XCLIENT_* */
    uint64_t size;                          /* of SIZE; 0 = none given or unlimited */
};

/* Learn from a 250 reply to EHLO. Keywords compare without case; "AUTH=" (old form) counts as AUTH;
 * attributes behind XCLIENT and XFORWARD count only where the verb has them (xclient.def). */
void mw_ehlo_parse(const struct mw_reply *reply, struct mw_ehlo *out_ehlo);

/* What decides on the client's list. */
struct mw_ehlo_policy {
    uint64_t max_message_size; /* 0 = no limit of our own */
    struct mw_slice hostname;  /* our name in the first line; empty: the upstream's stays */
    bool show_auth;
    bool show_starttls;               /* ours */
    bool show_requiretls;             /* both legs are TLS; shown if the upstream has it */
    bool show_xclient, show_xforward; /* ours, to trusted peers; with the attributes that we take */
    bool show_prdr;                   /* ours */
    bool show_chunking; /* ours: the message path takes BDAT whatever the upstream offers */
    bool has_relay_extensions;
    const struct mw_slice
        *relay_extensions; /* further keywords let through, from the configuration */
    size_t relay_extension_count;
};

/* Append the client's reply. PIPELINING is always in the list (added behind the others if the
 * upstream lacks it), SIZE is the smaller of both (added if only we have a limit), CHUNKING follows
 * show_chunking (added if the upstream lacks it), BINARYMIME needs both CHUNKING and BINARYMIME
 * upstream, the upstream's own STARTTLS, XCLIENT, XFORWARD and PRDR lines never (ours as the policy
 * says), REQUIRETLS if the policy allows and the upstream has it, AUTH lines as show_auth says,
 * unknown keywords only if listed. Our STARTTLS takes the place of the upstream's, if there is one;
 * ours go behind the others otherwise. *out_shown = MW_EXT_* bits that the client now may use.
 * What is printed parses as a reply, and no line is over 512 octets: longer ones of the upstream
 * are cut at a blank, or left out, as are lines beyond what a reply may hold.
 * Reads `reply->octets` only, which may be a copy of an earlier connection's (mw_reply_parse of
 * stored octets); an empty reply gives our own list alone, with an empty first line where there is
 * no hostname. */
void mw_ehlo_print(const struct mw_reply *reply, const struct mw_ehlo_policy *policy,
                   struct mw_buf *out, uint32_t *out_shown);

#endif
