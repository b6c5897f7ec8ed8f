/* test_buf.c - buffers that grow to a cap, and arenas. */
#include "base/buf.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/arena.h"
#include "test.h"

TEST(buf_zeroed_is_empty_and_grows)
{
    struct mw_buf buf = {0};
    CHECK_SLICE(mw_buf_view(&buf), "");
    for (int i = 0; i < 1000; i++)
        mw_buf_putf(&buf, "%d,", i % 10);
    CHECK_INT(buf.len, 2000);
    CHECK_MEM(buf.ptr + 1990, 10, "5,6,7,8,9,");
    mw_buf_fini(&buf);
    CHECK(buf.ptr == NULL && buf.len == 0);
}

TEST(buf_cap_is_all_or_nothing)
{
    struct mw_buf buf = MW_BUF_INIT(4);
    CHECK(mw_buf_add(&buf, MW_LIT("abc")) == MW_OK);
    CHECK(mw_buf_add(&buf, MW_LIT("de")) == MW_ERR_LIMIT);
    CHECK(mw_slice_eq(mw_buf_view(&buf), MW_LIT("abc")));
    CHECK(mw_buf_add(&buf, MW_LIT("d")) == MW_OK);
    CHECK(mw_buf_add(&buf, MW_EMPTY) == MW_OK);
    CHECK(mw_buf_add(&buf, MW_LIT("e")) == MW_ERR_LIMIT);
    CHECK(mw_buf_add(&buf, MW_SLICE(buf.ptr, SIZE_MAX)) == MW_ERR_LIMIT);
    mw_buf_fini(&buf);
    CHECK_INT(buf.max, 4); /* the cap outlives the octets */
}

TEST(buf_consume_moves_the_rest)
{
    struct mw_buf buf = {0};
    mw_buf_put(&buf, MW_LIT("abcdef"));
    mw_buf_consume(&buf, 0);
    mw_buf_consume(&buf, 4);
    CHECK(mw_slice_eq(mw_buf_view(&buf), MW_LIT("ef")));
    mw_buf_consume(&buf, 2);
    CHECK_INT(buf.len, 0);
    mw_buf_putc(&buf, 'x');
    CHECK_SLICE(mw_buf_view(&buf), "x");
    mw_buf_fini(&buf);
}

TEST(buf_reserve_then_len)
{
    struct mw_buf buf = {0};
    memset(mw_buf_reserve(&buf, 100), 'y', 100);
    buf.len += 100;
    CHECK(buf.cap >= 100 && mw_buf_view(&buf).ptr[99] == 'y');
    mw_buf_fini(&buf);
}

TEST(buf_detach_gives_the_text_away)
{
    struct mw_buf buf = {0};
    mw_buf_put(&buf, MW_LIT("text"));
    char *text = mw_buf_detach_cstr(&buf);
    CHECK_MEM(text, strlen(text), "text");
    CHECK(buf.ptr == NULL);
    free(text);
    text = mw_buf_detach_cstr(&buf);
    CHECK_INT(strlen(text), 0);
    free(text);
}

/* ---- Arenas ---- */

TEST(arena_memory_is_zeroed_aligned_and_apart)
{
    struct mw_arena arena = {0};
    unsigned char *all[300];
    for (size_t i = 0; i < 300; i++) {
        all[i] = mw_arena_alloc(&arena, i);
        CHECK_INT((uintptr_t)all[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < i; j++)
            CHECK_INT(all[i][j], 0);
        memset(all[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t j = 0; j < i; j++)
            CHECK_INT(all[i][j], i & 0xff);
    CHECK(mw_arena_used(&arena) >= 300 * 299 / 2);
    mw_arena_fini(&arena);
    CHECK_INT(mw_arena_used(&arena), 0);
}

/* An object that does not fit goes beside; the chunk in use goes on being used. */
TEST(arena_big_objects_do_not_waste_small_ones)
{
    struct mw_arena arena = {0};
    char *first = mw_arena_alloc(&arena, 16);
    char *big = mw_arena_alloc(&arena, 1 << 20);
    char *second = mw_arena_alloc(&arena, 16);
    memset(big, 'x', 1 << 20);
    CHECK(second > first && second - first < 256);
    mw_arena_fini(&arena);
    big = mw_arena_alloc(&arena, 1 << 20); /* as the first object too */
    memset(big, 'x', 1 << 20);
    memset(mw_arena_alloc(&arena, 5000), 'y', 5000);
    mw_arena_fini(&arena);
}

TEST(arena_copies_end_in_a_nul)
{
    struct mw_arena arena = {0};
    struct mw_slice copy = mw_arena_dup(&arena, MW_LIT("a\0b"));
    CHECK_INT(copy.len, 3);
    CHECK(memcmp(copy.ptr, "a\0b", 4) == 0);
    CHECK_MEM(mw_arena_cstr(&arena, MW_EMPTY), 0, "");
    CHECK(mw_slice_eq(mw_arena_printf(&arena, "%s-%d", "x", 42), MW_LIT("x-42")));
    int *numbers = mw_arena_array(&arena, int, 10);
    CHECK_INT(numbers[9], 0);
    mw_arena_fini(&arena);
    mw_arena_fini(&arena); /* empty and usable again */
}
