/* queue.c - an array of pieces used as a ring without wrap-around: it is compacted when it runs
 * empty or full. The array is in the queue itself as long as two pieces are enough. What is
 * consumed is cut off the piece. Lengths of pieces are 32 bits wide: longer octets become several
 * pieces. */
#include "base/queue.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAIL_SIZE = 1024,
    SMALL = 512,
    PIECE_MAX = 1 << 30,
    HEAP_FIRST = 4,
    WIPE_MAX = 16384,
};
#define BORROWED UINT32_MAX /* in `used` */

static struct mw_queue_piece *front_of(struct mw_queue *queue)
{
    return (queue->pieces == NULL ? queue->few : queue->pieces) + queue->first;
}

/* A line of an AUTH dialogue may have gone through here: small copies leave nothing behind. */
static void free_octets(const struct mw_queue_piece *piece)
{
    if (piece->used == BORROWED)
        return;
    char *copy = piece->ptr - piece->used;
    size_t size = (size_t)piece->used + piece->len;
    if (size <= WIPE_MAX)
        explicit_bzero(copy, size);
    free(copy);
}

void mw_queue_clear(struct mw_queue *queue)
{
    struct mw_queue_piece *piece = front_of(queue);
    for (uint32_t i = 0; i < queue->count; i++)
        free_octets(&piece[i]);
    queue->first = queue->count = queue->tail_room = 0;
    queue->len = 0;
}

void mw_queue_fini(struct mw_queue *queue)
{
    mw_queue_clear(queue);
    free(queue->pieces);
    *queue = (struct mw_queue){0};
}

/* The array is full at its end: move the pieces to its front, or to a bigger one. */
static void make_room(struct mw_queue *queue)
{
    struct mw_queue_piece *front = front_of(queue);
    if (queue->first > 0 && queue->first >= queue->count) {
        memmove(front - queue->first, front, queue->count * sizeof *front);
        queue->first = 0;
        return;
    }
    bool is_heap = queue->pieces != NULL;
    queue->cap = is_heap ? queue->cap * 2 : HEAP_FIRST;
    queue->pieces = mw_xrealloc(queue->pieces, queue->cap * sizeof *queue->pieces);
    if (!is_heap)
        memcpy(queue->pieces, queue->few, sizeof queue->few);
}

static void push(struct mw_queue *queue, struct mw_queue_piece piece)
{
    uint32_t cap = queue->pieces == NULL ? sizeof queue->few / sizeof *queue->few : queue->cap;
    if (queue->first + queue->count == cap)
        make_room(queue);
    front_of(queue)[queue->count++] = piece;
    queue->tail_room = 0;
    queue->len += piece.len;
}

void mw_queue_borrow(struct mw_queue *queue, struct mw_slice octets)
{
    if (queue->count > 0 && octets.len <= PIECE_MAX) {
        /* a continuation of the piece before it: grow that one */
        struct mw_queue_piece *last = &front_of(queue)[queue->count - 1];
        if (last->used == BORROWED && last->ptr + last->len == octets.ptr &&
            last->len <= PIECE_MAX - octets.len) {
            last->len += (uint32_t)octets.len;
            queue->len += octets.len;
            return;
        }
    }
    while (octets.len > 0) {
        struct mw_slice part = mw_slice_take(octets, PIECE_MAX);
        push(queue, (struct mw_queue_piece){.ptr = (char *)(uintptr_t)part.ptr,
                                            .len = (uint32_t)part.len,
                                            .used = BORROWED});
        octets = mw_slice_skip(octets, part.len);
    }
}

/* A copy in a heap block of its own, with room behind it if it is a small one. */
static void push_copy(struct mw_queue *queue, struct mw_slice octets)
{
    size_t size = octets.len <= SMALL ? TAIL_SIZE : octets.len;
    char *copy = mw_xalloc(size);
    memcpy(copy, octets.ptr, octets.len);
    push(queue, (struct mw_queue_piece){.ptr = copy, .len = (uint32_t)octets.len});
    queue->tail_room = (uint32_t)(size - octets.len);
}

void mw_queue_add(struct mw_queue *queue, struct mw_slice octets)
{
    if (octets.len > 0 && octets.len <= queue->tail_room) {
        struct mw_queue_piece *last = &front_of(queue)[queue->count - 1];
        memcpy(last->ptr + last->len, octets.ptr, octets.len);
        last->len += (uint32_t)octets.len;
        queue->tail_room -= (uint32_t)octets.len;
        queue->len += octets.len;
        return;
    }
    while (octets.len > 0) {
        struct mw_slice part = mw_slice_take(octets, PIECE_MAX);
        push_copy(queue, part);
        octets = mw_slice_skip(octets, part.len);
    }
}

size_t mw_queue_iov(const struct mw_queue *queue, struct iovec *out_iov, size_t max)
{
    const struct mw_queue_piece *piece = queue->pieces == NULL ? queue->few : queue->pieces;
    piece += queue->first;
    size_t used = 0;
    for (; used < queue->count && used < max; used++)
        out_iov[used] = (struct iovec){.iov_base = piece[used].ptr, .iov_len = piece[used].len};
    return used;
}

/* The beginning of a piece has left. */
static void cut(struct mw_queue_piece *piece, uint32_t count)
{
    piece->ptr += count;
    piece->len -= count;
    if (piece->used != BORROWED)
        piece->used += count;
}

void mw_queue_consume(struct mw_queue *queue, size_t count)
{
    mw_assert(count <= queue->len);
    queue->len -= count;
    while (count > 0) {
        struct mw_queue_piece *piece = front_of(queue);
        if (count < piece->len) {
            cut(piece, (uint32_t)count);
            return;
        }
        count -= piece->len;
        free_octets(piece);
        queue->first++;
        queue->count--;
    }
    if (queue->count == 0)
        mw_queue_clear(queue);
}

/* Copy what is borrowed. */
static void own_all(struct mw_queue *queue)
{
    struct mw_queue_piece *piece = front_of(queue);
    for (uint32_t i = 0; i < queue->count; i++) {
        if (piece[i].used != BORROWED)
            continue;
        char *copy = mw_xalloc(piece[i].len);
        memcpy(copy, piece[i].ptr, piece[i].len);
        piece[i].ptr = copy;
        piece[i].used = 0;
    }
}

void mw_queue_settle(struct mw_queue *queue)
{
    if (queue->count > 0)
        own_all(queue);
    else if (queue->pieces != NULL)
        mw_queue_fini(queue); /* an idle session keeps nothing */
}
