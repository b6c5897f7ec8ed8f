/* queue.c - an array of pieces used as a ring without wrap-around: it is compacted when it runs empty or full. */
#include "base/queue.h"

#include <stdlib.h>
#include <string.h>

enum { TAIL_SIZE = 1024, SMALL = 512 };

void mw_queue_clear(struct mw_queue *queue)
{
    for (uint32_t i = 0; i < queue->count; i++)
        free(queue->pieces[queue->first + i].owned);
    queue->first = queue->count = 0;
    queue->len = queue->front_used = 0;
    queue->tail = NULL;
    queue->tail_room = 0;
}

void mw_queue_fini(struct mw_queue *queue)
{
    mw_queue_clear(queue);
    free(queue->pieces);
    *queue = (struct mw_queue){0};
}

static struct mw_queue_piece *push(struct mw_queue *queue)
{
    if (queue->first + queue->count == queue->cap) {
        if (queue->first > 0 && queue->first >= queue->count) {
            memmove(queue->pieces, queue->pieces + queue->first,
                    queue->count * sizeof *queue->pieces);
            queue->first = 0;
        } else {
            queue->cap = queue->cap ? queue->cap * 2 : 4;
            queue->pieces = mw_xrealloc(queue->pieces, queue->cap * sizeof *queue->pieces);
        }
    }
    queue->tail = NULL;
    queue->tail_room = 0;
    struct mw_queue_piece *piece = &queue->pieces[queue->first + queue->count++];
    *piece = (struct mw_queue_piece){0};
    return piece;
}

void mw_queue_borrow(struct mw_queue *queue, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    if (queue->count > 0 && queue->tail == NULL) {
        /* a continuation of the piece before it: grow that one */
        struct mw_queue_piece *last = &queue->pieces[queue->first + queue->count - 1];
        if (last->owned == NULL && last->ptr + last->len == octets.ptr) {
            last->len += octets.len;
            queue->len += octets.len;
            return;
        }
    }
    struct mw_queue_piece *piece = push(queue);
    piece->ptr = octets.ptr;
    piece->len = octets.len;
    queue->len += octets.len;
}

void mw_queue_add(struct mw_queue *queue, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    if (queue->tail != NULL && octets.len <= queue->tail_room) {
        memcpy(queue->tail, octets.ptr, octets.len);
        queue->tail += octets.len;
        queue->tail_room -= (uint32_t)octets.len;
        queue->pieces[queue->first + queue->count - 1].len += octets.len;
        queue->len += octets.len;
        return;
    }
    struct mw_queue_piece *piece = push(queue);
    size_t size = octets.len <= SMALL ? TAIL_SIZE : octets.len;
    piece->owned = mw_xalloc(size);
    memcpy(piece->owned, octets.ptr, octets.len);
    piece->ptr = piece->owned;
    piece->len = octets.len;
    queue->len += octets.len;
    queue->tail = piece->owned + octets.len;
    queue->tail_room = (uint32_t)(size - octets.len);
}

size_t mw_queue_iov(const struct mw_queue *queue, struct iovec *out_iov, size_t max)
{
    size_t used = 0;
    for (uint32_t i = 0; i < queue->count && used < max; i++) {
        const struct mw_queue_piece *piece = &queue->pieces[queue->first + i];
        size_t skip = i == 0 ? queue->front_used : 0;
        out_iov[used].iov_base = (void *)(uintptr_t)(piece->ptr + skip);
        out_iov[used].iov_len = piece->len - skip;
        used++;
    }
    return used;
}

void mw_queue_consume(struct mw_queue *queue, size_t count)
{
    mw_assert(count <= queue->len);
    queue->len -= count;
    while (count > 0) {
        struct mw_queue_piece *piece = &queue->pieces[queue->first];
        size_t left = piece->len - queue->front_used;
        if (count < left) {
            queue->front_used += count;
            return;
        }
        count -= left;
        free(piece->owned);
        queue->front_used = 0;
        queue->first++;
        queue->count--;
    }
    if (queue->count == 0)
        mw_queue_clear(queue);
}

void mw_queue_settle(struct mw_queue *queue)
{
    if (queue->count == 0) {
        /* an idle session keeps nothing */
        free(queue->pieces);
        *queue = (struct mw_queue){0};
        return;
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        struct mw_queue_piece *piece = &queue->pieces[queue->first + i];
        if (piece->owned != NULL)
            continue;
        size_t skip = i == 0 ? queue->front_used : 0;
        piece->len -= skip;
        piece->owned = mw_xalloc(piece->len);
        memcpy(piece->owned, piece->ptr + skip, piece->len);
        piece->ptr = piece->owned;
        if (i == 0)
            queue->front_used = 0;
    }
}
