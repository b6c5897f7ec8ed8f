/* list_table.c - a hash index over the entries of a content: 32 bits an entry, no pointer.
 *
 * A slot holds the offset of its entry in the text and four bits of the entry's hash, which spare
 * most looks at the text. The table is not a power of two, so that its load is always close to
 * LOAD and a million entries cost 5.3 MB besides their text.
 *
 * Hashes are taken from the end of a word to its front: so the hashes of ".example.net" and
 * "mail.example.net" come out of one pass over the latter. */
#include "list_priv.h"

#include <stdlib.h>

enum { LOAD_OF_100 = 75, OFFSET_BITS = 28, TAG_MASK = 15 };
#define OFFSET_MASK ((UINT32_C(1) << OFFSET_BITS) - 1)
#define HASH_START UINT64_C(0xcbf29ce484222325)

struct list_table {
    enum list_fold fold;
    uint32_t size;
    uint32_t slots[]; /* 0 = free; else offset + 1, tag above it */
};

static inline uint64_t hash_octet(uint64_t hash, char c, enum list_fold fold)
{
    return (hash ^ (unsigned char)(fold == FOLD_NONE ? c : text_lower(c))) *
           UINT64_C(0x100000001b3);
}

static inline uint64_t hash_end(uint64_t hash)
{
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t hash_of(struct mw_slice key, enum list_fold fold)
{
    uint64_t hash = HASH_START;
    for (size_t i = key.len; i-- > 0;)
        hash = hash_octet(hash, key.ptr[i], fold);
    return hash_end(hash);
}

static bool is_equal(struct mw_slice a, struct mw_slice b, enum list_fold fold)
{
    if (fold == FOLD_NONE)
        return text_eq(a, b);
    return fold == FOLD_ALL ? text_ieq(a, b) : text_address_eq(a, b);
}

/* The end behind the entry at `offset` if it equals `key`, or 0. */
static int end_if_equal(const struct list_content *content, uint32_t offset, struct mw_slice key,
                        enum list_fold fold)
{
    if (key.len >= content->len - offset)
        return 0;
    char end = content->text[offset + key.len];
    if (end != ENTRY_COUNTS && end != ENTRY_OTHER)
        return 0;
    return is_equal(SLICE(content->text + offset, key.len), key, fold) ? end : 0;
}

/* Where `key` stands (*out_end set), or the free slot where it would. */
static uint32_t slot_of(const struct list_content *content, const struct list_table *table,
                        struct mw_slice key, uint64_t hash, int *out_end)
{
    uint32_t at = (uint32_t)((hash >> 32) * table->size >> 32);
    uint32_t tag = (uint32_t)(hash & TAG_MASK);
    *out_end = 0;
    while (table->slots[at] != 0) {
        uint32_t slot = table->slots[at];
        if (slot >> OFFSET_BITS == tag)
            *out_end = end_if_equal(content, (slot & OFFSET_MASK) - 1, key, table->fold);
        if (*out_end != 0)
            break;
        at = at + 1 == table->size ? 0 : at + 1;
    }
    return at;
}

struct list_table *rules_list_table_new(struct list_content *content, enum list_fold fold)
{
    uint32_t size = (uint32_t)((uint64_t)content->entry_count * 100 / LOAD_OF_100 + 8);
    struct list_table *table = rules_list_alloc(content,
                                                sizeof *table + size * sizeof *table->slots);
    table->fold = fold;
    table->size = size;
    struct list_line line = {.line = 0};
    for (size_t at = 0; rules_list_line_next(content, &at, &line);) {
        int end;
        uint64_t hash = hash_of(line.text, fold);
        uint32_t slot = slot_of(content, table, line.text, hash, &end);
        if (end == 0) /* twice is as good as once; of a map's keys the first counts */
            table->slots[slot] = ((uint32_t)(line.text.ptr - content->text) + 1) |
                                 (uint32_t)(hash & TAG_MASK) << OFFSET_BITS;
    }
    return table;
}

int rules_list_table_find(const struct list_content *content, const struct list_table *table,
                          struct mw_slice key)
{
    int end;
    slot_of(content, table, key, hash_of(key, table->fold), &end);
    return end;
}

bool rules_list_table_find_tails(const struct list_content *content, const struct list_table *table,
                                 struct mw_slice key, char mark)
{
    uint64_t hash = HASH_START;
    int end = 0;
    for (size_t i = key.len; i-- > 0 && end == 0;) {
        hash = hash_octet(hash, key.ptr[i], table->fold);
        if (i == 0 || key.ptr[i] == mark)
            slot_of(content, table, text_skip(key, i), hash_end(hash), &end);
    }
    return end == ENTRY_COUNTS;
}
