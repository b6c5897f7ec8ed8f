/* memory.c - see memory.h. */
#include "memory.h"

#include <stdlib.h>

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        abort();
    return memory;
}

void *memory_of_transaction(void *user, size_t size)
{
    const struct memory *memory = user;
    return memory->host->transaction_alloc(memory->ctx, size);
}
