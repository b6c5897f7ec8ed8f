/* client.c - see client.h. */
#include "client.h"

#include <arpa/inet.h>

#include "facts.h"

static bool has(const struct network *network, const unsigned char *address)
{
    uint32_t octets = network->prefix / 8, bits = network->prefix % 8;
    if (memcmp(network->address, address, octets) != 0)
        return false;
    return bits == 0 || (network->address[octets] ^ address[octets]) >> (8 - bits) == 0;
}

bool networks_have(const struct networks *networks, const char *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (has(&networks->list[i], (const unsigned char *)address))
            return true;
    return false;
}

struct mw_slice address_text(const char *address, char out[ADDRESS_TEXT_MAX])
{
    static const char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (char)0xff, (char)0xff};
    bool is_v4 = memcmp(address, mapped, sizeof mapped) == 0;
    inet_ntop(is_v4 ? AF_INET : AF_INET6, address + (is_v4 ? 12 : 0), out, ADDRESS_TEXT_MAX);
    return slice_of(out);
}

struct client client_open(const struct mw_host *host, struct mw_instance *instance)
{
    return (struct client){.ip = host->fact_id(instance, "client.ip"),
                           .user = host->fact_id(instance, "auth.user")};
}

const char *client_address(const struct client *client, const struct mw_host *host,
                           struct mw_ctx *ctx)
{
    return fact_address(host, ctx, client->ip);
}

enum client_kind client_kind(const struct client *client, const struct mw_host *host,
                             struct mw_ctx *ctx, const struct client_skip *skip)
{
    const char *address = client_address(client, host, ctx);
    if (address != NULL && networks_have(&skip->networks, address))
        return CLIENT_OF_NETWORK;
    if (skip->is_for_authenticated && fact_text(host, ctx, client->user).len > 0)
        return CLIENT_AUTHENTICATED;
    return CLIENT_STRANGER;
}
