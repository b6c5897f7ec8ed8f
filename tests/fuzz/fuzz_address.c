/* fuzz_address.c - any header value: addresses in well-formed UTF-8 without control characters,
 * whose parts fit together; and each of them, written as <address>, is read as itself (but for what
 * looks like an encoded-word, which is a name there and an address here). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void *alloc(void *user, size_t size)
{
    return mw_arena_alloc(user, size);
}

static void expect_clean(struct mw_slice text)
{
    expect(mw_utf8_is_valid(text));
    for (size_t i = 0; i < text.len; i++)
        expect((unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 127);
}

static void expect_stable(const struct mw_address *address)
{
    struct mw_arena arena = {0};
    struct mw_slice text = mw_arena_printf(&arena, "<%.*s>", (int)address->address.len,
                                           address->address.ptr);
    const struct mw_address *const *list;
    expect(mw_address_list(text, alloc, &arena, &list) == 1);
    expect(mw_slice_eq(list[0]->address, address->address));
    expect(mw_slice_eq(list[0]->domain, address->domain));
    mw_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_arena arena = {0};
    const struct mw_address *const *list;
    size_t count = mw_address_list(MW_SLICE((const char *)data, size), alloc, &arena, &list);
    expect(count <= MW_ADDRESSES_MAX && count <= size);
    for (size_t i = 0; i < count; i++) {
        const struct mw_address *address = list[i];
        expect_clean(address->name);
        expect_clean(address->address);
        expect(address->address.len > 0 || address->name.len > 0);
        expect(address->address.len ==
               address->local.len + address->domain.len + (address->domain.len > 0));
        for (size_t j = 0; j < address->domain.len; j++)
            expect(mw_lower(address->domain.ptr[j]) == address->domain.ptr[j]);
        if (address->address.len > 0 &&
            memmem(address->address.ptr, address->address.len, "=?", 2) == NULL)
            expect_stable(address);
    }
    mw_arena_fini(&arena);
    return 0;
}
