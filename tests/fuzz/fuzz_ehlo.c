/* fuzz_ehlo.c - the upstream's EHLO reply under each policy: what the client gets is one clean
 * reply that announces exactly what `shown` says, nothing that is ours to use, and nothing of a
 * larger size. */
#include "base/err.h"
#include "smtp/ehlo.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mw_slice listed[] = {{"X-LISTED", 8}, {"STARTTLS", 8}, {"", 0}};

static void check_shown(const struct mw_reply *reply, const struct mw_ehlo_policy *policy)
{
    struct mw_buf out = {0};
    struct mw_reply printed;
    struct mw_ehlo upstream, client;
    uint32_t shown;
    size_t used;
    mw_ehlo_parse(reply, &upstream);
    mw_ehlo_print(reply, policy, &out, &shown);
    enum mw_err err = mw_reply_parse(mw_buf_view(&out), &printed, &used);
    mw_assert(err == MW_OK ||
              err == MW_ERR_LIMIT); /* ours behind a reply that was at its limits already */
    if (err == MW_OK) {
        uint32_t hidden = MW_EXT_STARTTLS | MW_EXT_XCLIENT | MW_EXT_XFORWARD | MW_EXT_REQUIRETLS |
                          MW_EXT_XFORWARD_IDENT;
        mw_assert(used == out.len && printed.is_clean && printed.code == 250);
        mw_ehlo_parse(&printed, &client);
        mw_assert(client.exts == shown && (shown & hidden) == 0 && client.xclient_attrs == 0);
        mw_assert(shown & MW_EXT_PIPELINING);
        mw_assert(policy->show_auth || !(shown & MW_EXT_AUTH));
        mw_assert(policy->show_chunking == ((shown & MW_EXT_CHUNKING) != 0));
        mw_assert(!(shown & MW_EXT_BINARYMIME) || (shown & MW_EXT_CHUNKING));
        mw_assert(policy->max_message_size == 0 ||
                  (client.size > 0 && client.size <= policy->max_message_size));
        mw_assert(upstream.size == 0 || client.size <= upstream.size);
        uint32_t ours = MW_EXT_PIPELINING | MW_EXT_SIZE | MW_EXT_CHUNKING;
        mw_assert((shown & ~ours & ~upstream.exts) == 0);
    }
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_reply reply;
    size_t used;
    if (mw_reply_parse(MW_SLICE((const char *)data, size), &reply, &used) != MW_OK ||
        reply.code != 250)
        return 0;
    for (unsigned bits = 0; bits < 16; bits++) {
        struct mw_ehlo_policy policy = {.max_message_size = bits & 1 ? 1000 : 0,
                                        .show_auth = bits & 2,
                                        .show_chunking = bits & 4,
                                        .has_relay_extensions = bits & 8,
                                        .relay_extensions = listed,
                                        .relay_extension_count = 3};
        check_shown(&reply, &policy);
    }
    return 0;
}
