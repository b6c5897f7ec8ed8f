/* memory.h - memory that a filter has of its own, and the transaction's, for functions of the host that ask for an allocator. */
#ifndef FILTERS_KIT_MEMORY_H
#define FILTERS_KIT_MEMORY_H

#include "text.h"

/* Zeroed, for free(); never NULL: without memory the worker ends, as it does everywhere. `size` above 0. */
void *memory_new(size_t count, size_t size);

/* memory_of_transaction() with one of these as `user` gives memory that lives as long as the transaction, zeroed. */
struct memory {
    const struct mw_host *host;
    struct mw_ctx *ctx;
};
void *memory_of_transaction(void *user, size_t size);

#endif
