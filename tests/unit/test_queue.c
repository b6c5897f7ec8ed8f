/* test_queue.c - octets on their way out: order, ownership, partial writes. */
#include "base/queue.h"

#include <stdlib.h>

#include "base/buf.h"
#include "test.h"

static bool holds(const struct mw_queue *queue, const char *want)
{
    struct iovec iov[256];
    struct mw_buf all = {0};
    size_t count = mw_queue_iov(queue, iov, 256);
    for (size_t i = 0; i < count; i++)
        mw_buf_put(&all, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
    bool is_same = all.len == queue->len &&
                   mw_slice_eq(mw_buf_view(&all), MW_SLICE(want, strlen(want)));
    mw_buf_fini(&all);
    return is_same;
}

TEST(order_is_kept_between_borrowed_and_copied)
{
    struct mw_queue queue = {0};
    char copied[] = "cd";
    mw_queue_borrow(&queue, MW_LIT("ab"));
    mw_queue_add(&queue, MW_SLICE(copied, 2));
    copied[0] = copied[1] = '?';
    mw_queue_add(&queue, MW_LIT("e"));
    mw_queue_borrow(&queue, MW_LIT("f"));
    mw_queue_add(&queue, MW_EMPTY);
    mw_queue_borrow(&queue, MW_EMPTY);
    mw_queue_add(&queue, MW_LIT("g"));
    CHECK(holds(&queue, "abcdefg"));
    mw_queue_fini(&queue);
    CHECK_INT(mw_queue_len(&queue), 0);
}

TEST(neighbours_in_memory_become_one_piece)
{
    static const char text[] = "abcdef";
    struct mw_queue queue = {0};
    struct iovec iov[4];
    for (size_t i = 0; i < 6; i++)
        mw_queue_borrow(&queue, MW_SLICE(text + i, 1));
    CHECK_INT(mw_queue_iov(&queue, iov, 4), 1);
    CHECK(holds(&queue, "abcdef"));
    mw_queue_fini(&queue);
}

TEST(small_copies_share_one_piece)
{
    struct mw_queue queue = {0};
    struct iovec iov[64];
    for (int i = 0; i < 50; i++)
        mw_queue_add(&queue, MW_LIT("250 2.0.0 Ok\r\n"));
    CHECK_INT(mw_queue_iov(&queue, iov, 64), 1);
    mw_queue_fini(&queue);
}

TEST(iov_respects_its_maximum)
{
    struct mw_queue queue = {0};
    struct iovec iov[2];
    mw_queue_borrow(&queue, MW_LIT("a"));
    mw_queue_add(&queue, MW_LIT("b"));
    mw_queue_borrow(&queue, MW_LIT("c"));
    CHECK_INT(mw_queue_iov(&queue, iov, 2), 2);
    mw_queue_fini(&queue);
}

/* A socket takes as little as one octet; then the event ends and nothing borrowed may be left. */
TEST(partial_writes_and_settle_lose_nothing)
{
    for (size_t step = 1; step < 12; step++) {
        char borrowed[] = "0123456789";
        struct mw_queue queue = {0};
        struct mw_buf got = {0};
        mw_queue_borrow(&queue, MW_SLICE(borrowed, 10));
        mw_queue_add(&queue, MW_LIT("copied"));
        mw_queue_borrow(&queue, MW_SLICE(borrowed, 4));
        mw_queue_consume(&queue, 0);
        while (mw_queue_len(&queue) > 0) {
            struct iovec iov;
            CHECK_INT(mw_queue_iov(&queue, &iov, 1), 1);
            size_t count = iov.iov_len < step ? iov.iov_len : step;
            mw_buf_put(&got, MW_SLICE(iov.iov_base, count));
            mw_queue_consume(&queue, count);
            mw_queue_settle(&queue);
            memset(borrowed, '?', 10);
        }
        CHECK_SLICE(mw_buf_view(&got), "0123456789copied0123");
        mw_queue_settle(&queue);
        CHECK(queue.pieces == NULL); /* an idle session keeps nothing */
        mw_queue_fini(&queue);
        mw_buf_fini(&got);
    }
}

TEST(settled_pieces_are_not_joined_with_borrowed_ones)
{
    static const char text[] = "abcd";
    struct mw_queue queue = {0};
    mw_queue_borrow(&queue, MW_SLICE(text, 2));
    mw_queue_settle(&queue);
    mw_queue_borrow(&queue, MW_SLICE(text + 2, 2));
    CHECK(holds(&queue, "abcd"));
    mw_queue_fini(&queue);
}

TEST(clear_forgets_and_can_be_used_again)
{
    struct mw_queue queue = {0};
    mw_queue_add(&queue, MW_LIT("x"));
    mw_queue_clear(&queue);
    CHECK_INT(mw_queue_len(&queue), 0);
    mw_queue_add(&queue, MW_LIT("y"));
    CHECK(holds(&queue, "y"));
    mw_queue_fini(&queue);
}

TEST(random_use_keeps_the_octets_in_order)
{
    uint64_t seed = 99;
    static char source[4096];
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (char)('a' + i % 26);
    struct mw_queue queue = {0};
    struct mw_buf want = {0};
    for (int round = 0; round < 20000; round++) {
        size_t len = mw_test_random(&seed) % 700, from = mw_test_random(&seed) % 3000;
        struct mw_slice octets = MW_SLICE(source + from, len);
        switch (mw_test_random(&seed) % 4) {
        case 0:
            mw_queue_add(&queue, octets);
            mw_buf_put(&want, octets);
            break;
        case 1:
            mw_queue_borrow(&queue, octets);
            mw_buf_put(&want, octets);
            break;
        case 2:
            mw_queue_settle(&queue);
            break;
        default: {
            struct iovec iov[3];
            size_t count = mw_queue_iov(&queue, iov, 3), total = 0;
            for (size_t i = 0; i < count; i++) {
                CHECK(memcmp(iov[i].iov_base, want.ptr + total, iov[i].iov_len) == 0);
                total += iov[i].iov_len;
            }
            size_t eaten = total == 0 ? 0 : mw_test_random(&seed) % (total + 1);
            mw_queue_consume(&queue, eaten);
            mw_buf_consume(&want, eaten);
        }
        }
        CHECK_INT(mw_queue_len(&queue), want.len);
    }
    mw_queue_fini(&queue);
    mw_buf_fini(&want);
}
