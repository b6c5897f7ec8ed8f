/* fuzz_path.c - paths: what parses is one line, what is safe comes back unchanged, what is
 * well-formed is safe. The input is tried as a path on the wire and as an address that a filter
 * gives. */
#include "base/err.h"
#include "smtp/path.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        mw_assert((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
}

static void check_parsed(struct mw_slice in, const struct mw_path *path, size_t used)
{
    struct mw_slice text = mw_slice_take(in, used);
    mw_assert(used > 0 && used <= in.len && used <= MW_PATH_MAX);
    check_text(text);
    mw_assert(path->is_null == mw_slice_eq(text, MW_LIT("<>")));
    mw_assert(path->is_null == (path->address.len == 0));
    mw_assert(path->has_brackets == (text.ptr[0] == '<'));
    mw_assert(!path->has_brackets || text.ptr[used - 1] == '>');
    mw_assert(path->has_brackets || used == in.len || in.ptr[used] == ' ');
    mw_assert(path->local.len + path->domain.len <= path->address.len);
    mw_assert(mw_slice_starts(path->address, path->local));
    mw_assert(mw_path_same(path, path));
    /* cutting off what is behind the path changes nothing */
    struct mw_path again;
    size_t again_used;
    mw_assert(mw_path_parse(text, &again, &again_used) == MW_OK && again_used == used);
    mw_assert(mw_slice_eq(again.address, path->address));
    mw_assert(again.is_wellformed == path->is_wellformed);
    if (path->is_wellformed && path->address.len <= MW_PATH_MAX - 2)
        mw_assert(mw_path_is_safe(path->address, true));
}

static void check_safe(struct mw_slice address)
{
    char text[MW_PATH_MAX + 16];
    static const char tail[] = " SIZE=1>\"";
    struct mw_path path;
    size_t used;
    mw_assert(address.len <= MW_PATH_MAX - 2);
    check_text(address);
    text[0] = '<';
    if (address.len > 0)
        memcpy(text + 1, address.ptr, address.len);
    text[address.len + 1] = '>';
    memcpy(text + address.len + 2, tail, sizeof tail);
    mw_assert(mw_path_parse(MW_SLICE(text, address.len + 2 + sizeof tail - 1), &path, &used) ==
              MW_OK);
    mw_assert(used == address.len + 2);
    mw_assert(mw_slice_eq(path.address, address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice in = MW_SLICE((const char *)data, size);
    struct mw_path path;
    size_t used;
    if (mw_path_parse(in, &path, &used) == MW_OK)
        check_parsed(in, &path, used);
    if (mw_path_is_safe(in, true))
        check_safe(in);
    return 0;
}
