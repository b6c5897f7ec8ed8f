/* fuzz_fold.c - any octets: well-formed UTF-8 within the bound comes out, no run of blanks, and
 * folding that again changes nothing, cut short or not. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "message/fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void check(struct mw_slice text, size_t max)
{
    struct mw_buf once = {0}, twice = {0};
    mw_text_fold(text, max, &once);
    struct mw_slice folded = mw_buf_view(&once);
    expect(folded.len <= max);
    expect(mw_utf8_is_valid(folded));
    for (size_t i = 0; i < folded.len; i++) {
        expect(folded.ptr[i] < 'A' || folded.ptr[i] > 'Z');
        expect(i == 0 || folded.ptr[i] != ' ' || folded.ptr[i - 1] != ' ');
    }
    mw_text_fold(folded, SIZE_MAX, &twice);
    expect(mw_slice_eq(folded, mw_buf_view(&twice)));
    mw_buf_fini(&once);
    mw_buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct mw_slice text = MW_SLICE((const char *)data + 1, size - 1);
    check(text, SIZE_MAX);
    check(text, data[0]);
    return 0;
}
