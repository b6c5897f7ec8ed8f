/* pool.h - memory that is taken piece by piece and given back all at once: a check's. How much may be taken is the taker's business
 * (CHECK_MEMORY_MAX). */
#ifndef SPF_POOL_H
#define SPF_POOL_H

#include "text.h"

/* Zeroed: empty. */
struct pool {
    struct pool_block *blocks;
    char *ptr; /* `room` octets of the newest shared block */
    size_t room;
};
/* Zeroed, aligned for any type, never NULL. */
void *pool_alloc(struct pool *pool, size_t size);
/* With a NUL behind it that does not count. */
struct mw_slice pool_copy(struct pool *pool, struct mw_slice text);
void pool_fini(struct pool *pool);

#endif
