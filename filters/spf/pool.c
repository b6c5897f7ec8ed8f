/* pool.c - see pool.h. What is large gets a block of its own, all else shares blocks. */
#include "pool.h"

#include <stddef.h>
#include <stdlib.h>

#include "memory.h"

enum { BLOCK_SIZE = 8192 };

struct pool_block {
    struct pool_block *next;
    max_align_t data[];
};

static void *new_block(struct pool *pool, size_t size)
{
    struct pool_block *block = memory_new(1, sizeof *block + size);
    block->next = pool->blocks;
    pool->blocks = block;
    return block->data;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (size > BLOCK_SIZE / 2)
        return new_block(pool, size);
    if (size > pool->room) {
        pool->ptr = new_block(pool, BLOCK_SIZE);
        pool->room = BLOCK_SIZE;
    }
    void *data = pool->ptr;
    pool->ptr += size;
    pool->room -= size;
    return data;
}

struct mw_slice pool_copy(struct pool *pool, struct mw_slice text)
{
    char *copy = pool_alloc(pool, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

void pool_fini(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
}
