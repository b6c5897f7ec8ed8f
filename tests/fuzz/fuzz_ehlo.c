/* fuzz_ehlo.c - the upstream's EHLO reply under each policy: what the client gets is one clean
 * reply within the limits that announces exactly what `shown` says, nothing that is ours to use but
 * where the policy says so, and nothing of a larger size. */
#include "base/err.h"
#include "smtp/ehlo.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mw_slice listed[] = {{"X-LISTED", 8}, {"STARTTLS", 8}, {"", 0}};

/* Bits that stand in the list because we put them there. */
static uint32_t ours_of(const struct mw_ehlo_policy *policy)
{
    uint32_t ours = MW_EXT_PIPELINING | MW_EXT_SIZE | MW_EXT_CHUNKING;
    ours |= policy->show_starttls ? MW_EXT_STARTTLS : 0;
    ours |= policy->show_xclient ? MW_EXT_XCLIENT : 0;
    ours |= policy->show_xforward ? MW_EXT_XFORWARD : 0;
    return ours | (policy->show_prdr ? MW_EXT_PRDR : 0);
}

static void check_lines(struct mw_slice text)
{
    struct mw_slice line;
    while (mw_slice_split(text, '\n', &line, &text))
        mw_assert(line.len + 1 <= 512);
    mw_assert(text.len == 0);
}

static void check_bits(const struct mw_ehlo_policy *policy, const struct mw_ehlo *upstream,
                       uint32_t shown)
{
    uint32_t ours = ours_of(policy);
    uint32_t only_ours = MW_EXT_STARTTLS | MW_EXT_XCLIENT | MW_EXT_XFORWARD | MW_EXT_PRDR;
    mw_assert(shown & MW_EXT_PIPELINING);
    mw_assert((shown & only_ours) == (ours & only_ours));
    mw_assert((shown & MW_EXT_XFORWARD_IDENT) == 0);
    mw_assert(policy->show_auth || !(shown & MW_EXT_AUTH));
    mw_assert(policy->show_requiretls || !(shown & MW_EXT_REQUIRETLS));
    mw_assert(policy->show_chunking == ((shown & MW_EXT_CHUNKING) != 0));
    mw_assert(!(shown & MW_EXT_BINARYMIME) || (shown & MW_EXT_CHUNKING));
    mw_assert((shown & ~ours & ~upstream->exts) == 0);
}

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
    mw_assert(err == MW_OK && used == out.len && printed.is_clean && printed.code == 250);
    check_lines(mw_buf_view(&out));
    check_bits(policy, &upstream, shown);
    mw_ehlo_parse(&printed, &client);
    mw_assert((client.exts & ~(uint32_t)MW_EXT_XFORWARD_IDENT) == shown);
    mw_assert(client.xclient_attrs == (policy->show_xclient ? 0x1ff : 0));
    mw_assert((client.xforward_attrs != 0) == policy->show_xforward);
    mw_assert(policy->max_message_size == 0 ||
              (client.size > 0 && client.size <= policy->max_message_size));
    mw_assert(upstream.size == 0 || client.size <= upstream.size);
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_reply reply;
    size_t used;
    if (mw_reply_parse(MW_SLICE((const char *)data, size), &reply, &used) != MW_OK ||
        reply.code != 250)
        return 0;
    for (unsigned bits = 0; bits < 64; bits++) {
        bool is_trusted = bits & 16, is_tls = bits & 32;
        struct mw_ehlo_policy policy = {.max_message_size = bits & 1 ? 1000 : 0,
                                        .hostname = is_tls ? MW_LIT("mx.weir.test") : MW_EMPTY,
                                        .show_auth = bits & 2,
                                        .show_starttls = !is_tls,
                                        .show_requiretls = is_tls,
                                        .show_xclient = is_trusted,
                                        .show_xforward = is_trusted,
                                        .show_prdr = is_trusted != is_tls,
                                        .show_chunking = bits & 4,
                                        .has_relay_extensions = bits & 8,
                                        .relay_extensions = listed,
                                        .relay_extension_count = 3};
        check_shown(&reply, &policy);
    }
    return 0;
}
