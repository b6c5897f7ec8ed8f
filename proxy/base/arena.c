/* arena.c - a chain of chunks, newest first; big objects get a chunk of their own. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_FIRST = 240, CHUNK_MAX = 16384, ALIGN = alignof(max_align_t) };

struct mw_arena_chunk {
    struct mw_arena_chunk *next;
    size_t size; /* of data[] */
    size_t used;
    alignas(max_align_t) char data[];
};

void mw_arena_fini(struct mw_arena *arena)
{
    struct mw_arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct mw_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct mw_arena){0};
}

static struct mw_arena_chunk *chunk_new(size_t size)
{
    struct mw_arena_chunk *chunk = mw_xalloc(sizeof *chunk + size);
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

void *mw_arena_alloc(struct mw_arena *arena, size_t size)
{
    mw_assert(size < SIZE_MAX / 2);
    size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct mw_arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < need) {
        size_t next_size = chunk == NULL ? CHUNK_FIRST : chunk->size * 2;
        if (next_size > CHUNK_MAX)
            next_size = CHUNK_MAX;
        if (need > next_size / 2 && chunk != NULL) {
            /* a big object: its own chunk behind the newest, whose rest stays in use */
            struct mw_arena_chunk *own = chunk_new(need);
            own->next = chunk->next;
            chunk->next = own;
            chunk = own;
        } else {
            chunk = chunk_new(need > next_size ? need : next_size);
            chunk->next = arena->chunks;
            arena->chunks = chunk;
        }
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += need;
    arena->used += need;
    return memset(memory, 0, size);
}

void *mw_arena_alloc_array(struct mw_arena *arena, size_t count, size_t size)
{
    mw_assert(size == 0 || count < SIZE_MAX / 2 / size);
    return mw_arena_alloc(arena, count * size);
}

char *mw_arena_cstr(struct mw_arena *arena, struct mw_slice octets)
{
    char *copy = mw_arena_alloc(arena, octets.len + 1);
    if (octets.len > 0)
        memcpy(copy, octets.ptr, octets.len);
    return copy;
}

struct mw_slice mw_arena_dup(struct mw_arena *arena, struct mw_slice octets)
{
    return MW_SLICE(mw_arena_cstr(arena, octets), octets.len);
}

struct mw_slice mw_arena_printf(struct mw_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    mw_assert(len >= 0);
    char *text = mw_arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return MW_SLICE(text, (size_t)len);
}
