/* arena.h - memory with one common life-time: per session, per transaction, per load of a
 * configuration.
 *
 * Freeing the arena is the reset; nothing is freed by itself. Small at first (an idle session must
 * stay small), chunks double up to 16 KiB. Zero-initialised is a valid empty arena. What a peer can
 * grow is bounded by its own limit at the place where it is put in; mw_arena_used() serves budgets.
 */
#ifndef MW_BASE_ARENA_H
#define MW_BASE_ARENA_H

#include "base/slice.h"

struct mw_arena_chunk;
struct mw_arena {
    struct mw_arena_chunk *chunks; /* newest first */
    size_t used;                   /* octets handed out since the last reset */
};

void mw_arena_fini(
    struct mw_arena *arena); /* frees everything; the arena is empty and usable again */
/* Zeroed memory, aligned for any object, valid until mw_arena_fini. Never NULL. */
void *mw_arena_alloc(struct mw_arena *arena, size_t size) __attribute__((returns_nonnull));
#define mw_arena_new(arena, type) ((type *)mw_arena_alloc((arena), sizeof(type)))
#define mw_arena_array(arena, type, count) \
    ((type *)mw_arena_alloc_array((arena), (count), sizeof(type)))
void *mw_arena_alloc_array(struct mw_arena *arena, size_t count, size_t size)
    __attribute__((returns_nonnull));
/* Copies. A copied slice is followed by a NUL that does not count in its length. */
struct mw_slice mw_arena_dup(struct mw_arena *arena, struct mw_slice octets);
char *mw_arena_cstr(struct mw_arena *arena, struct mw_slice octets);
struct mw_slice mw_arena_printf(struct mw_arena *arena, const char *format, ...) MW_PRINTF(2, 3);
static inline size_t mw_arena_used(const struct mw_arena *arena)
{
    return arena->used;
}

#endif
