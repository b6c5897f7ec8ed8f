/* fuzz_archive.c - any octets as an archive: members in well-formed UTF-8 without NUL, no more of
 * them than allowed, and an end within the budgets. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "message/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mw_archive_limits limits = {
        .members_max = 20, .octets_max = 1 << 20, .ratio_max = 100, .time_max_us = 20000};
    struct mw_arena arena = {0};
    struct mw_archive archive;
    struct mw_slice octets = MW_SLICE((const char *)data, size);
    (void)mw_archive_is_known(octets);
    mw_archive_read(octets, size % 2 == 0, &limits, &arena, &archive);
    expect(archive.member_count <= limits.members_max);
    for (size_t i = 0; i < archive.member_count; i++) {
        const struct mw_content_member *member = archive.members[i];
        expect(member->depth <= 1);
        expect(mw_utf8_is_valid(member->name));
        expect(memchr(member->name.ptr, 0, member->name.len) == NULL);
    }
    mw_arena_fini(&arena);
    return 0;
}
