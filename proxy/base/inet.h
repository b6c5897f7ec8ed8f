/* inet.h - IP addresses and networks as values; IPv4 is held as ::ffff:a.b.c.d throughout.
 *
 * Pure parsing and printing; nothing here looks anything up. */
#ifndef MW_BASE_INET_H
#define MW_BASE_INET_H

#include <netinet/in.h>
#include <sys/un.h>

#include "base/slice.h"

struct mw_inet {
    unsigned char octets[16]; /* network order; all zero: not known */
};
struct mw_network {
    struct mw_inet address;
    uint32_t prefix; /* 0..128 over the mapped form: an IPv4 /8 is 104 */
};
enum { MW_INET_TEXT_MAX = 46 };

bool mw_inet_is_v4(const struct mw_inet *address);
bool mw_inet_is_known(const struct mw_inet *address);
/* Textual form without brackets; IPv6 by inet_pton, IPv4 strictly dotted decimal without leading
 * zeros. */
MW_MUST_USE enum mw_err mw_inet_parse(struct mw_slice text, struct mw_inet *out_address);
/* NUL-terminated into the caller's array; returns it as a slice. IPv4 as a.b.c.d. */
struct mw_slice mw_inet_print(const struct mw_inet *address, char out_text[MW_INET_TEXT_MAX]);
/* "10.0.0.0/8", "192.0.2.1", "fd00::/8": MW_ERR_SYNTAX, or MW_ERR_LIMIT if host bits are set. */
MW_MUST_USE enum mw_err mw_network_parse(struct mw_slice text, struct mw_network *out_network);
/* Families never mix: ::/0 holds no IPv4 address, 0.0.0.0/0 (prefix 96) no other. The unknown
 * address is in no network. */
bool mw_network_contains(const struct mw_network *network, const struct mw_inet *address);
bool mw_networks_contain(const struct mw_network *networks, size_t count,
                         const struct mw_inet *address);

/* A label of a host name as DNS carries it in practice: letters, digits, '-' and '_', at most 63,
 * no '-' at either end (RFC 1123 2.1). */
bool mw_is_host_label(struct mw_slice label);

/* A place to listen or connect: 127.0.0.1:25, [::1]:25, unix:/run/x, name:25 (a name only where
 * `names_ok`). Port 0 lets the kernel choose. MW_ERR_LIMIT: a port above 65535, a path that does
 * not fit; MW_ERR_SYNTAX: everything else. */
struct mw_endpoint {
    enum { MW_ENDPOINT_INET = 0, MW_ENDPOINT_UNIX, MW_ENDPOINT_NAME } kind;
    struct mw_inet address;
    uint16_t port;
    char path[108]; /* UNIX: path; NAME: host name */
};
MW_MUST_USE enum mw_err mw_endpoint_parse(struct mw_slice text, bool names_ok,
                                          struct mw_endpoint *out_endpoint);
/* For people and logs; NUL-terminated. */
void mw_endpoint_print(const struct mw_endpoint *endpoint, char *out_text, size_t size);
/* Socket address of an INET or UNIX endpoint; returns its length. IPv4 becomes AF_INET. */
socklen_t mw_endpoint_sockaddr(const struct mw_endpoint *endpoint,
                               struct sockaddr_storage *out_address);
/* Unknown address and port 0 for a family that is neither IPv4 nor IPv6. out_port may be NULL. */
void mw_inet_from_sockaddr(const struct sockaddr *address, struct mw_inet *out_address,
                           uint16_t *out_port);

#endif
