/* proxyproto.h - the PROXY protocol, versions 1 and 2: read the header in front of a connection,
 * write one.
 *
 * Pure. Source: HAProxy's protocol text; decisions for odd input follow the table in
 * docs/identity.md. Nothing is believed here: whether the peer may send a header is the caller's
 * question. */
#ifndef MW_NET_PROXYPROTO_H
#define MW_NET_PROXYPROTO_H

#include "base/buf.h"
#include "base/inet.h"
#include "base/tlsinfo.h"

enum {
    MW_PROXY_V1_MAX = 107,
    MW_PROXY_MAX = 4096,    /* octets of a header that we read */
    MW_PROXY_SENT_MAX = 536 /* ... that we write: Postfix refuses longer ones */
};

/* The client's TLS connection to the proxy in front (SSL TLV of version 2). Without is_secure
 * everything else is false or empty; common_name is empty without has_certificate. */
struct mw_proxy_tls {
    bool is_secure;
    bool has_certificate;            /* the client presented one in this TLS session */
    bool is_resumed;                 /* ... but not on this connection */
    bool is_verified;                /* has_certificate, and the proxy verified it */
    struct mw_slice version, cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    struct mw_slice common_name;     /* of the certificate's subject: counts only if is_verified */
    struct mw_slice signature_algorithm, key_algorithm; /* of the proxy's own certificate */
};

/* Texts are views into the input: UTF-8 without control characters, or empty; a value that is no
 * such text is taken for absent. */
struct mw_proxy_header {
    uint8_t version; /* 1 or 2 */
    bool is_local;   /* v2 LOCAL, v1 UNKNOWN, v2 UNSPEC or UNIX: no address: the connection is the
                        proxy's own */
    struct mw_inet source, destination;
    uint16_t source_port, destination_port;
    struct mw_slice unique_id; /* at most 128 octets */
    struct mw_slice authority; /* the server name that the client asked for in TLS */
    struct mw_slice alpn;
    struct mw_proxy_tls tls;
};

/* Read one header from the front of `in`. MW_AGAIN: incomplete, and everything so far can begin a
 * header. MW_OK: *out_used octets. MW_ERR_SYNTAX: not a header, or malformed in any way (wrong
 * CRC32C, TLV that overruns the header or the TLV around it, an SSL TLV without its five octets, a
 * TLV of a kind that we read twice, lower case, blanks, leading zeros in ports or octets, port
 * above 65535, family and address that differ). MW_ERR_LIMIT: longer than MW_PROXY_MAX. */
MW_MUST_USE enum mw_err mw_proxy_parse(struct mw_slice in, struct mw_proxy_header *out_header,
                                       size_t *out_used);
/* Append a header. IPv4 pair -> TCP4 / AF_INET; mixed families -> both as IPv6. is_local: v2 LOCAL,
 * v1 UNKNOWN. v2 carries CRC32C, and those of UNIQUE_ID (at most 128 octets), AUTHORITY and SSL
 * (with VERSION, CIPHER and CN) that are given and texts. Never above MW_PROXY_SENT_MAX octets: the
 * common name goes first, then the cipher, then AUTHORITY. */
void mw_proxy_print(const struct mw_proxy_header *header, struct mw_buf *out);

/* What a header says of the client's TLS connection, copied into the arena; a text that is too long
 * is left out (half a name is another name). */
void mw_proxy_get_tls(const struct mw_proxy_header *header, struct mw_arena *arena,
                      struct mw_tls_info *out_info);
/* The other way: tls and authority of a header to be written; views into `info`. */
void mw_proxy_set_tls(struct mw_proxy_header *header, const struct mw_tls_info *info);

#endif
