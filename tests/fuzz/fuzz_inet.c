/* fuzz_inet.c - addresses, networks and endpoints: what parses prints, and what was printed parses
 * to the same value. */
#include <string.h>

#include "base/inet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct mw_slice text)
{
    struct mw_inet address, again;
    char printed[MW_INET_TEXT_MAX];
    if (mw_inet_parse(text, &address) != MW_OK)
        return;
    enum mw_err err = mw_inet_parse(mw_inet_print(&address, printed), &again);
    mw_assert(err == MW_OK && memcmp(&address, &again, sizeof address) == 0);
}

static void check_network(struct mw_slice text)
{
    static const struct mw_inet unknown;
    struct mw_network network;
    if (mw_network_parse(text, &network) != MW_OK)
        return;
    mw_assert(network.prefix <= 128);
    bool holds_itself = mw_network_contains(&network, &network.address);
    mw_assert(holds_itself || memcmp(&network.address, &unknown, sizeof unknown) == 0 ||
              network.prefix < 96);
    mw_assert(!mw_network_contains(&network, &unknown));
}

static void check_endpoint(struct mw_slice text, bool names_ok)
{
    struct mw_endpoint endpoint, again;
    struct sockaddr_storage storage;
    char printed[128];
    if (mw_endpoint_parse(text, names_ok, &endpoint) != MW_OK)
        return;
    mw_assert(names_ok || endpoint.kind != MW_ENDPOINT_NAME);
    mw_endpoint_print(&endpoint, printed, sizeof printed);
    enum mw_err err = mw_endpoint_parse(mw_slice_cstr(printed), names_ok, &again);
    mw_assert(err == MW_OK && memcmp(&endpoint, &again, sizeof endpoint) == 0);
    if (endpoint.kind != MW_ENDPOINT_NAME)
        mw_assert(mw_endpoint_sockaddr(&endpoint, &storage) <= sizeof(struct sockaddr_un));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice text = MW_SLICE((const char *)data, size);
    check_address(text);
    check_network(text);
    check_endpoint(text, false);
    check_endpoint(text, true);
    return 0;
}
