/* queue.h - octets on their way out: what a session wants written, gathered for one writev.
 *
 * The session adds pieces while it handles one event. Pieces may be *borrowed* (pointing into the
 * read buffer or into static text): they live until the event is over. Then whoever does the I/O
 * takes mw_queue_iov(), writes what the socket takes, calls mw_queue_consume(), and finally
 * mw_queue_settle(), which copies what is left over, so that nothing borrowed outlives the event.
 * Bounded by backpressure: the session stops reading the other side while mw_queue_len() is above
 * its mark. Pure. */
#ifndef MW_BASE_QUEUE_H
#define MW_BASE_QUEUE_H

#include <sys/uio.h>

#include "base/slice.h"

/* Octets that are still to be written. Only owned ones are ever written to. */
struct mw_queue_piece {
    char *ptr;
    uint32_t len;
    uint32_t used; /* owned: octets in front of ptr that have left, so where the heap block begins;
                      else all ones */
};

/* Zero-initialised is a valid empty queue. */
struct mw_queue {
    struct mw_queue_piece *pieces; /* heap, only while `few` does not do */
    uint32_t first, count;
    uint32_t cap;       /* of the heap array */
    uint32_t tail_room; /* behind the last piece, an owned one: small pieces are appended there */
    size_t len;         /* octets in all */
    struct mw_queue_piece few[2]; /* most events write one or two pieces */
};

void mw_queue_fini(struct mw_queue *queue);
/* Append octets that live until the end of the event (no copy now). */
void mw_queue_borrow(struct mw_queue *queue, struct mw_slice octets);
/* Append a copy. Small copies share one allocation. */
void mw_queue_add(struct mw_queue *queue, struct mw_slice octets);
static inline size_t mw_queue_len(const struct mw_queue *queue)
{
    return queue->len;
}
/* Fill up to `max` iovecs from the front; returns how many. */
size_t mw_queue_iov(const struct mw_queue *queue, struct iovec *out_iov, size_t max);
/* `count` octets from the front have been written. */
void mw_queue_consume(struct mw_queue *queue, size_t count);
/* End of the event: copy what is still borrowed; free what is not needed. */
void mw_queue_settle(struct mw_queue *queue);
void mw_queue_clear(struct mw_queue *queue);

#endif
