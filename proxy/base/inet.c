/* inet.c - addresses: strict text in, canonical text out.
 *
 * IPv4 is parsed here and not by inet_aton or inet_pton, whose ideas of "1", "010.0.0.1" and
 * "0x7f.1" differ between systems; an address that two programs read differently is an access list
 * with a hole. */
#include "base/inet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { V4_PREFIX = 96, V4_AT = 12, LABEL_MAX = 63, NAME_MAX_LEN = 107 };

static const unsigned char v4_head[V4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool mw_inet_is_v4(const struct mw_inet *address)
{
    return memcmp(address->octets, v4_head, V4_AT) == 0;
}

bool mw_inet_is_known(const struct mw_inet *address)
{
    static const struct mw_inet unknown;
    return memcmp(address, &unknown, sizeof unknown) != 0;
}

/* ---- addresses ---- */

static enum mw_err parse_v4(struct mw_slice text, struct mw_inet *out_address)
{
    struct mw_inet address = {{0}};
    memcpy(address.octets, v4_head, V4_AT);
    for (size_t i = 0; i < 4; i++) {
        struct mw_slice part = text, rest = MW_EMPTY;
        uint64_t value;
        if (i < 3 && !mw_slice_split(text, '.', &part, &rest))
            return MW_ERR_SYNTAX;
        if (part.len > 3 || (part.len > 1 && part.ptr[0] == '0'))
            return MW_ERR_SYNTAX;
        if (mw_slice_to_u64(part, 255, &value) != MW_OK)
            return MW_ERR_SYNTAX;
        address.octets[V4_AT + i] = (unsigned char)value;
        text = rest;
    }
    *out_address = address;
    return MW_OK;
}

enum mw_err mw_inet_parse(struct mw_slice text, struct mw_inet *out_address)
{
    if (mw_slice_find(text, ':') < 0)
        return parse_v4(text, out_address);
    char copy[MW_INET_TEXT_MAX];
    struct in6_addr v6;
    if (text.len >= sizeof copy || mw_slice_find(text, '\0') >= 0)
        return MW_ERR_SYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return MW_ERR_SYNTAX;
    memcpy(out_address->octets, &v6, sizeof out_address->octets);
    return MW_OK;
}

/* The number in decimal; returns the end. */
static char *put_decimal(char *at, unsigned number)
{
    if (number >= 100)
        *at++ = (char)('0' + number / 100);
    if (number >= 10)
        *at++ = (char)('0' + number / 10 % 10);
    *at++ = (char)('0' + number % 10);
    return at;
}

/* By hand, because every log line has an address, and inet_ntop() goes through printf. */
static struct mw_slice print_v4(const unsigned char *octets, char *out_text)
{
    char *at = put_decimal(out_text, octets[0]);
    for (int i = 1; i < 4; i++) {
        *at++ = '.';
        at = put_decimal(at, octets[i]);
    }
    *at = '\0';
    return MW_SLICE(out_text, (size_t)(at - out_text));
}

struct mw_slice mw_inet_print(const struct mw_inet *address, char out_text[MW_INET_TEXT_MAX])
{
    if (mw_inet_is_v4(address))
        return print_v4(address->octets + V4_AT, out_text);
    const char *text = inet_ntop(AF_INET6, address->octets, out_text, MW_INET_TEXT_MAX);
    mw_assert(text != NULL);
    return mw_slice_cstr(text);
}

/* ---- networks ---- */

/* The octet that a prefix leaves of octet `index`. */
static unsigned char mask_octet(uint32_t prefix, size_t index)
{
    size_t bits = prefix > index * 8 ? prefix - index * 8 : 0;
    return (unsigned char)(bits >= 8 ? 0xffu : 0xff00u >> bits);
}

enum mw_err mw_network_parse(struct mw_slice text, struct mw_network *out_network)
{
    struct mw_slice address_text = text, prefix_text;
    bool has_prefix = mw_slice_split(text, '/', &address_text, &prefix_text);
    struct mw_network network = {.prefix = 128};
    if (mw_inet_parse(address_text, &network.address) != MW_OK)
        return MW_ERR_SYNTAX;
    if (has_prefix) {
        bool is_dotted = mw_slice_find(address_text, ':') < 0;
        uint64_t prefix;
        if (prefix_text.len > 1 && prefix_text.ptr[0] == '0')
            return MW_ERR_SYNTAX;
        if (mw_slice_to_u64(prefix_text, is_dotted ? 32 : 128, &prefix) != MW_OK)
            return MW_ERR_SYNTAX;
        network.prefix = (uint32_t)prefix + (is_dotted ? V4_PREFIX : 0);
    }
    for (size_t i = 0; i < sizeof network.address.octets; i++)
        if ((network.address.octets[i] & ~mask_octet(network.prefix, i)) != 0)
            return MW_ERR_LIMIT;
    *out_network = network;
    return MW_OK;
}

bool mw_network_contains(const struct mw_network *network, const struct mw_inet *address)
{
    /* An unknown address is nowhere. ::/0 means all of IPv6: that mapped IPv4 addresses begin with
     * the same bits is our way to store them, not what the writer of ::/0 said. */
    if (!mw_inet_is_known(address) || (network->prefix < V4_PREFIX && mw_inet_is_v4(address)))
        return false;
    for (size_t i = 0; i < sizeof address->octets && i * 8 < network->prefix; i++)
        if (((address->octets[i] ^ network->address.octets[i]) & mask_octet(network->prefix, i)) !=
            0)
            return false;
    return true;
}

bool mw_networks_contain(const struct mw_network *networks, size_t count,
                         const struct mw_inet *address)
{
    for (size_t i = 0; i < count; i++)
        if (mw_network_contains(&networks[i], address))
            return true;
    return false;
}

/* ---- endpoints ---- */

static enum mw_err parse_port(struct mw_slice text, uint16_t *out_port)
{
    uint64_t port;
    if (text.len > 1 && text.ptr[0] == '0')
        return MW_ERR_SYNTAX;
    enum mw_err err = mw_slice_to_u64(text, UINT16_MAX, &port);
    if (err == MW_OK)
        *out_port = (uint16_t)port;
    return err;
}

bool mw_is_host_label(struct mw_slice label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!mw_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    return true;
}

/* A host name: labels of letters, digits, '-' and '_' (RFC 1123 2.1, and what DNS carries in
 * practice), a final dot allowed. The last label must not be a number, so that a
 * mistyped 10.0.0.256 is never taken for a name. */
static bool is_host_name(struct mw_slice name)
{
    struct mw_slice label = name, rest = name;
    uint64_t number;
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    if (rest.ptr[rest.len - 1] == '.')
        rest.len--;
    while (mw_slice_split(rest, '.', &label, &rest))
        if (!mw_is_host_label(label))
            return false;
    return mw_is_host_label(rest) && mw_slice_to_u64(rest, UINT64_MAX, &number) == MW_ERR_SYNTAX;
}

static enum mw_err parse_unix(struct mw_slice path, struct mw_endpoint *out_endpoint)
{
    if (path.len == 0 || mw_slice_find(path, '\0') >= 0)
        return MW_ERR_SYNTAX;
    if (path.len >= sizeof out_endpoint->path)
        return MW_ERR_LIMIT;
    out_endpoint->kind = MW_ENDPOINT_UNIX;
    memcpy(out_endpoint->path, path.ptr, path.len);
    return MW_OK;
}

static enum mw_err parse_host(struct mw_slice host, bool names_ok, struct mw_endpoint *out_endpoint)
{
    if (host.len > 0 && host.ptr[0] == '[') {
        /* RFC 3986 3.2.2: brackets hold an IPv6 address */
        if (host.len < 2 || host.ptr[host.len - 1] != ']' || mw_slice_find(host, ':') < 0)
            return MW_ERR_SYNTAX;
        return mw_inet_parse(MW_SLICE(host.ptr + 1, host.len - 2), &out_endpoint->address);
    }
    if (parse_v4(host, &out_endpoint->address) == MW_OK)
        return MW_OK;
    if (!names_ok || !is_host_name(host))
        return MW_ERR_SYNTAX;
    out_endpoint->kind = MW_ENDPOINT_NAME;
    memcpy(out_endpoint->path, host.ptr, host.len);
    return MW_OK;
}

enum mw_err mw_endpoint_parse(struct mw_slice text, bool names_ok, struct mw_endpoint *out_endpoint)
{
    struct mw_endpoint endpoint = {.kind = MW_ENDPOINT_INET};
    enum mw_err err;
    if (mw_slice_starts(text, MW_LIT("unix:"))) {
        err = parse_unix(mw_slice_skip(text, 5), &endpoint);
    } else {
        ptrdiff_t colon = mw_slice_rfind(text, ':');
        if (colon < 0)
            return MW_ERR_SYNTAX;
        err = parse_port(mw_slice_skip(text, (size_t)colon + 1), &endpoint.port);
        if (err == MW_OK)
            err = parse_host(mw_slice_take(text, (size_t)colon), names_ok, &endpoint);
    }
    if (err == MW_OK)
        *out_endpoint = endpoint;
    return err;
}

void mw_endpoint_print(const struct mw_endpoint *endpoint, char *out_text, size_t size)
{
    char text[MW_INET_TEXT_MAX];
    switch (endpoint->kind) {
    case MW_ENDPOINT_UNIX:
        snprintf(out_text, size, "unix:%s", endpoint->path);
        break;
    case MW_ENDPOINT_NAME:
        snprintf(out_text, size, "%s:%u", endpoint->path, endpoint->port);
        break;
    case MW_ENDPOINT_INET:
        mw_inet_print(&endpoint->address, text);
        snprintf(out_text, size, mw_inet_is_v4(&endpoint->address) ? "%s:%u" : "[%s]:%u", text,
                 endpoint->port);
        break;
    }
}

/* ---- socket addresses ---- */

socklen_t mw_endpoint_sockaddr(const struct mw_endpoint *endpoint,
                               struct sockaddr_storage *out_address)
{
    mw_assert(endpoint->kind != MW_ENDPOINT_NAME);
    memset(out_address, 0, sizeof *out_address);
    if (endpoint->kind == MW_ENDPOINT_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)(void *)out_address;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, endpoint->path, sizeof un->sun_path);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(endpoint->path) + 1);
    }
    if (mw_inet_is_v4(&endpoint->address)) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)out_address;
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        memcpy(&in->sin_addr, endpoint->address.octets + V4_AT, sizeof in->sin_addr);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out_address;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(endpoint->port);
    memcpy(&in6->sin6_addr, endpoint->address.octets, sizeof in6->sin6_addr);
    return sizeof *in6;
}

void mw_inet_from_sockaddr(const struct sockaddr *address, struct mw_inet *out_address,
                           uint16_t *out_port)
{
    uint16_t port = 0;
    memset(out_address, 0, sizeof *out_address);
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memcpy(out_address->octets, v4_head, V4_AT);
        memcpy(out_address->octets + V4_AT, &in.sin_addr, sizeof in.sin_addr);
        port = ntohs(in.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        memcpy(out_address->octets, &in6.sin6_addr, sizeof out_address->octets);
        port = ntohs(in6.sin6_port);
    }
    if (out_port != NULL)
        *out_port = port;
}
