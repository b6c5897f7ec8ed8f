/* fuzz_proxyproto.c - any octets: no over-read, and what was accepted prints to a header that means
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
    if (!is_good)
        abort();
}

static bool is_inside(struct mw_slice view, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)view.ptr;
    return view.len == 0 || (at >= data && view.len <= size && at <= data + size - view.len);
}

static void check_round_trip(const struct mw_proxy_header *header)
{
    struct mw_buf out = {0};
    struct mw_proxy_header again;
    size_t used;
    mw_proxy_print(header, &out);
    check(out.len <= 536);
    check(mw_proxy_parse(mw_buf_view(&out), &again, &used) == MW_OK && used == out.len);
    check(again.is_local == header->is_local && again.version == header->version);
    check(memcmp(&again.source, &header->source, sizeof again.source) == 0);
    check(memcmp(&again.destination, &header->destination, sizeof again.destination) == 0);
    check(again.source_port == header->source_port &&
          again.destination_port == header->destination_port);
    check(header->is_local || mw_slice_eq(again.unique_id, header->unique_id));
    for (size_t len = 0; len < out.len; len++) /* every beginning of a header can begin one */
        check(mw_proxy_parse(MW_SLICE(out.ptr, len), &again, &used) == MW_AGAIN);
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_proxy_header header;
    size_t used = 0;
    enum mw_err err = mw_proxy_parse(MW_SLICE((const char *)data, size), &header, &used);
    check(err == MW_OK || err == MW_AGAIN || err == MW_ERR_SYNTAX || err == MW_ERR_LIMIT);
    check(err != MW_AGAIN || size < MW_PROXY_MAX);
    if (err != MW_OK)
        return 0;
    check(used > 0 && used <= size && used <= MW_PROXY_MAX);
    check(is_inside(header.unique_id, data, size) && is_inside(header.authority, data, size));
    check_round_trip(&header);
    return 0;
}
