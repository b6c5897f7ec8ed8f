/* tlsinfo.h - what is known about a TLS connection, as plain data: filled by net/tls.c (our own
 * handshakes) or from a trusted proxy's PROXY header (SSL TLV), read by the session, the log and
 * filters.
 *
 * All texts are printable ASCII or UTF-8 without control characters, NUL-terminated and bounded:
 * peers choose what stands in certificates and server names. */
#ifndef MW_BASE_TLSINFO_H
#define MW_BASE_TLSINFO_H

#include <stdbool.h>
#include <stdint.h>

struct mw_tls_info {
    bool is_secure; /* there is a TLS connection; nothing else here counts without it */
    bool is_resumed;
    bool has_certificate; /* the peer presented one in this TLS session */
    bool is_verified;     /* ... and it chains to a CA that we were told to trust */
    uint16_t bits;        /* of the cipher's key; 0: not known (PROXY header) */
    char version[12];     /* "TLSv1.3" */
    char cipher[48];      /* "TLS_AES_256_GCM_SHA384" */
    char sni[256];        /* the server name that the client asked for; empty: none */
    char subject[256];    /* of the peer's certificate: its common name, else its first DNS name */
    char fingerprint[96]; /* SHA-256 of the peer's certificate: "AB:CD:...", upper case; empty */
    char problem[96];     /* why the peer's certificate was not verified; empty where it was */
};

#endif
