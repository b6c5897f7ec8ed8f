/* tlsinfo.h - what is known about a TLS connection, as plain data: filled by net/tls_info.c (our
 * own handshakes) or from a trusted proxy's PROXY header (SSL TLV), read by the session, the log
 * and filters.
 *
 * All texts are printable ASCII or UTF-8 without control characters, NUL-terminated, never NULL
 * behind mw_tls_info_copy(), and bounded: peers choose what stands in certificates and server
 * names. They belong to whoever filled the struct; an idle connection pays for those that it has.
 */
#ifndef MW_BASE_TLSINFO_H
#define MW_BASE_TLSINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum { MW_TLS_NAME_MAX = 255, MW_TLS_TEXT_MAX = 95 };

struct mw_tls_info {
    bool is_secure; /* there is a TLS connection; nothing else here counts without it */
    bool is_resumed;
    bool has_certificate; /* the peer presented one in this TLS session */
    bool is_verified;     /* ... and it chains to a CA that we were told to trust */
    uint16_t bits;        /* of the cipher's key; 0: not known (PROXY header) */
    const char *version;  /* "TLSv1.3" */
    const char *cipher;   /* "TLS_AES_256_GCM_SHA384" */
    const char *sni;      /* the server name that the client asked for; empty: none */
    const char *subject;  /* of the peer's certificate: its common name, else its first DNS name */
    const char *fingerprint; /* SHA-256 of the peer's certificate: "AB:CD:...", upper case; empty */
    const char *problem;     /* why the peer's certificate was not verified; empty where it was */
};

/* Copy with all texts. NULL counts as empty. */
void mw_tls_info_copy(struct mw_arena *arena, const struct mw_tls_info *from,
                      struct mw_tls_info *out_info);

#endif
