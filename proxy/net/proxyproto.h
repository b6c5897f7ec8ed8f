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

enum { MW_PROXY_V1_MAX = 107, MW_PROXY_MAX = 4096 };

struct mw_proxy_header {
    uint8_t version; /* 1 or 2 */
    bool is_local;   /* v2 LOCAL, v1 UNKNOWN, v2 UNSPEC or UNIX: no address: the connection is the
                        proxy's own */
    struct mw_inet source, destination;
    uint16_t source_port, destination_port;
    struct mw_slice unique_id, authority; /* of the TLVs; views into the input; may be empty */
};

/* Read one header from the front of `in`. MW_AGAIN: incomplete, and everything so far can begin a
 * header. MW_OK: *out_used octets. MW_ERR_SYNTAX: not a header, or malformed in any way (wrong
 * CRC32C, TLV that overruns, lower case, blanks, leading zeros in ports or octets, port above
 * 65535, family and address that differ). MW_ERR_LIMIT: longer than MW_PROXY_MAX. */
MW_MUST_USE enum mw_err mw_proxy_parse(struct mw_slice in, struct mw_proxy_header *out_header,
                                       size_t *out_used);
/* Append a header. IPv4 pair -> TCP4 / AF_INET; mixed families -> both as IPv6. is_local: v2 LOCAL,
 * v1 UNKNOWN. v2 carries CRC32C, and UNIQUE_ID when given (at most 128 octets); never above 536
 * octets. */
void mw_proxy_print(const struct mw_proxy_header *header, struct mw_buf *out);

#endif
