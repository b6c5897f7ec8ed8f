/* client.h - the client at the other end: the networks that settings name, and whose mail is left alone
 * (skip-networks, skip-authenticated). */
#ifndef FILTERS_KIT_CLIENT_H
#define FILTERS_KIT_CLIENT_H

#include "text.h"

struct network {
    unsigned char address[16]; /* IPv4 mapped */
    uint32_t prefix;           /* bits, 128 at most */
};
struct networks {
    struct network *list;
    size_t count;
};
/* `address`: 16 octets. Pure. */
bool networks_have(const struct networks *networks, const char *address);

enum { ADDRESS_TEXT_MAX = 48 };
/* "192.0.2.7", "2001:db8::1"; in `out`, with a NUL behind it. `address`: 16 octets, IPv4 mapped. */
struct mw_slice address_text(const char *address, char out[ADDRESS_TEXT_MAX]);

/* Numbers of the host's facts. */
struct client {
    int ip, user;
};
/* In open(). */
struct client client_open(const struct mw_host *host, struct mw_instance *instance);
/* 16 octets, or NULL: not known. */
const char *client_address(const struct client *client, const struct mw_host *host,
                           struct mw_ctx *ctx);

/* Whose mail is left alone. */
struct client_skip {
    struct networks networks;
    bool is_for_authenticated;
};
enum client_kind { CLIENT_STRANGER = 0, CLIENT_OF_NETWORK, CLIENT_AUTHENTICATED };
/* STRANGER: his mail is judged. One of both kinds is OF_NETWORK. */
enum client_kind client_kind(const struct client *client, const struct mw_host *host,
                             struct mw_ctx *ctx, const struct client_skip *skip);

#endif
