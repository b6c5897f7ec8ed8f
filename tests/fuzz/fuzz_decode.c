/* fuzz_decode.c - any header value: well-formed UTF-8 comes out, within the bound, and a smaller
 * bound gives a beginning of it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "message/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct mw_slice value = MW_SLICE((const char *)data + 1, size - 1);
    struct mw_buf whole = {0}, part = {0};
    size_t max = value.len * 3;
    mw_header_decode(value, max, &whole);
    expect(whole.len <= max);
    expect(mw_utf8_is_valid(mw_buf_view(&whole)));
    mw_header_decode(value, data[0], &part);
    expect(part.len <= data[0]);
    expect(mw_utf8_is_valid(mw_buf_view(&part)));
    expect(mw_slice_starts(mw_buf_view(&whole), mw_buf_view(&part)));
    mw_buf_fini(&whole);
    mw_buf_fini(&part);
    return 0;
}
