/* index.c - building. Everything is kept in few flat arrays, each range given by its beginning and
 * the beginning of the next, so that ten thousand patterns take a few hundred kilobytes and a scan
 * touches little of it. */
#include "index_priv.h"

#include <stdlib.h>

enum {
    CLAUSES_KEPT = 4,   /* of a pattern: the rarest */
    COMMON_RARITY = 60, /* quarters of a bit: such a literal is in every other message */
    FILTER_BITS_A_GRAM = 16,
    FILTER_BITS_MAX = 20, /* as a power of two: 128 KB */
    TABLE_BITS_MIN = 6,
    LOAD_COST = 8, /* quarters of a bit of rarity that a bucket twice as full is worth */
    FEW = 500,     /* literals */
};

/* ---- arrays ---- */

static void *grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return array;
    size_t wanted = *cap < 64 ? 64 : *cap * 2;
    *cap = wanted < need ? need : wanted;
    array = realloc(array, *cap * size);
    if (array == NULL)
        abort(); /* out of memory while rules are loaded: nothing has been accepted yet */
    return array;
}

static void *zeroed(size_t count, size_t size)
{
    void *array = calloc(count == 0 ? 1 : count, size);
    if (array == NULL)
        abort();
    return array;
}

struct index *rules_index_new(void)
{
    return zeroed(1, sizeof(struct index));
}

static void free_table(struct gram_table *table)
{
    free(table->filter);
    free(table->starts);
    free(table->entries);
}

void rules_index_free(struct index **index_at)
{
    struct index *index = *index_at;
    *index_at = NULL;
    if (index == NULL)
        return;
    free_table(&index->long_grams);
    free_table(&index->short_grams);
    free(index->octets);
    free(index->literals);
    free(index->patterns);
    free(index->clauses);
    free(index->members);
    free(index->triggers);
    free(index->triggered);
    free(index->known);
    free(index);
}

/* ---- literals, each once ---- */

static struct mw_slice literal_text(const struct index *index, size_t literal)
{
    return SLICE(index->octets + index->literals[literal].at, index->literals[literal].len);
}

static void know(struct index *index, size_t literal)
{
    size_t at = text_hash(literal_text(index, literal), false) & (index->known_cap - 1);
    while (index->known[at] != 0)
        at = (at + 1) & (index->known_cap - 1);
    index->known[at] = (uint32_t)literal + 1;
}

static void make_known_larger(struct index *index)
{
    free(index->known);
    index->known_cap = index->known_cap == 0 ? 256 : index->known_cap * 2;
    index->known = zeroed(index->known_cap, sizeof *index->known);
    for (size_t i = 0; i < index->literal_count; i++)
        know(index, i);
}

static uint32_t new_literal(struct index *index, struct mw_slice text)
{
    size_t id = index->literal_count++;
    index->literals = grow(index->literals, &index->literal_cap, index->literal_count,
                           sizeof *index->literals);
    index->octets = grow(index->octets, &index->octet_cap, index->octet_count + text.len, 1);
    index->literals[id] = (struct index_literal){.at = (uint32_t)index->octet_count,
                                                 .len = (uint8_t)text.len};
    memcpy(index->octets + index->octet_count, text.ptr, text.len);
    index->octet_count += text.len;
    return (uint32_t)id;
}

static uint32_t literal_id(struct index *index, struct mw_slice text)
{
    if (index->literal_count * 2 >= index->known_cap)
        make_known_larger(index);
    size_t at = text_hash(text, false) & (index->known_cap - 1);
    for (; index->known[at] != 0; at = (at + 1) & (index->known_cap - 1))
        if (text_eq(text, literal_text(index, index->known[at] - 1)))
            return index->known[at] - 1;
    uint32_t id = new_literal(index, text);
    index->known[at] = id + 1;
    return id;
}

/* ---- patterns ---- */

static void add_clause(struct index *index, const struct literal_clause *clause)
{
    index->clauses = grow(index->clauses, &index->clause_cap, index->clause_count + 1,
                          sizeof *index->clauses);
    index->clauses[index->clause_count++] = (uint32_t)index->member_count;
    index->members = grow(index->members, &index->member_cap, index->member_count + clause->count,
                          sizeof *index->members);
    for (size_t i = 0; i < clause->count; i++)
        index->members[index->member_count++] = literal_id(index, clause->any[i]);
}

/* The rarest clause first: it triggers. The next rarest only as long as they say something. */
static void add_clauses(struct index *index, const struct literals *literals)
{
    bool is_done[CLAUSES_MAX] = {false};
    for (size_t kept = 0; kept < CLAUSES_KEPT; kept++) {
        size_t best = CLAUSES_MAX;
        uint32_t best_rarity = kept == 0 ? 0 : COMMON_RARITY;
        for (size_t i = 0; i < literals->count && i < CLAUSES_MAX; i++) {
            uint32_t rarity = is_done[i] ? 0 : rules_clause_rarity(&literals->clauses[i]);
            if (rarity > best_rarity) {
                best = i;
                best_rarity = rarity;
            }
        }
        if (best == CLAUSES_MAX)
            return;
        is_done[best] = true;
        add_clause(index, &literals->clauses[best]);
    }
}

uint32_t rules_index_add(struct index *index, const struct literals *literals)
{
    index->patterns = grow(index->patterns, &index->pattern_cap, index->pattern_count + 1,
                           sizeof *index->patterns);
    index->patterns[index->pattern_count] = (uint32_t)index->clause_count;
    if (literals != NULL)
        add_clauses(index, literals);
    return (uint32_t)index->pattern_count++;
}

/* ---- finishing ---- */

static uint32_t bits_for(size_t count, uint32_t max)
{
    uint32_t bits = TABLE_BITS_MIN;
    while (bits < max && ((size_t)1 << bits) < count)
        bits++;
    return bits;
}

/* Of the literal's grams the one that is rare in mail and whose bucket holds few others. */
static uint32_t choose_gram(const struct index *index, const struct gram_table *table,
                            size_t literal, const uint32_t *loads)
{
    struct mw_slice text = literal_text(index, literal);
    uint32_t best = 0;
    int64_t best_score = INT64_MIN;
    for (uint32_t at = 0; at + table->size <= text.len; at++) {
        uint32_t hash = gram_hash(gram_of(text.ptr + at, table->size));
        int64_t score = rules_literal_rarity(text.ptr + at, table->size);
        for (uint32_t load = loads[hash >> table->bucket_shift]; load > 0; load /= 2)
            score -= LOAD_COST;
        if (score > best_score) {
            best = at;
            best_score = score;
        }
    }
    return best;
}

static bool is_in(const struct index *index, const struct gram_table *table, size_t literal)
{
    return (index->literals[literal].len < index->short_below) == (table->size == GRAM_SHORT);
}

static struct gram_entry entry_of(const struct index *index, const struct gram_table *table,
                                  size_t literal)
{
    const char *text = literal_text(index, literal).ptr + index->literals[literal].gram_at;
    return (struct gram_entry){gram_of(text, table->size), (uint32_t)literal};
}

/* Counted, summed up, filled from each bucket's end. */
static void fill_table(struct index *index, struct gram_table *table, size_t buckets)
{
    for (size_t i = 0; i < index->literal_count; i++) {
        if (!is_in(index, table, i))
            continue;
        index->literals[i].gram_at = (uint8_t)choose_gram(index, table, i, table->starts);
        uint32_t hash = gram_hash(entry_of(index, table, i).gram);
        table->filter[hash >> table->filter_shift >> 6] |= UINT64_C(1)
                                                           << (hash >> table->filter_shift & 63);
        table->starts[hash >> table->bucket_shift]++;
    }
    for (size_t i = 1; i <= buckets; i++)
        table->starts[i] += table->starts[i - 1];
    for (size_t i = 0; i < index->literal_count; i++)
        if (is_in(index, table, i)) {
            struct gram_entry entry = entry_of(index, table, i);
            uint32_t bucket = gram_hash(entry.gram) >> table->bucket_shift;
            table->entries[--table->starts[bucket]] = entry;
        }
}

static void make_table(struct index *index, struct gram_table *table, uint32_t size)
{
    size_t count = 0;
    table->size = size;
    for (size_t i = 0; i < index->literal_count; i++)
        count += is_in(index, table, i);
    if (count == 0) {
        table->size = 0;
        return;
    }
    uint32_t filter_bits = bits_for(count * FILTER_BITS_A_GRAM, FILTER_BITS_MAX);
    uint32_t bucket_bits = bits_for(count, FILTER_BITS_MAX);
    table->filter_shift = 32 - filter_bits;
    table->bucket_shift = 32 - bucket_bits;
    table->filter = zeroed((size_t)1 << (filter_bits - 6), sizeof *table->filter);
    table->starts = zeroed(((size_t)1 << bucket_bits) + 1, sizeof *table->starts);
    table->entries = zeroed(count, sizeof *table->entries);
    fill_table(index, table, (size_t)1 << bucket_bits);
}

/* Few literals of which some have three octets: all by three, so that texts are gone through once. */
static size_t short_below(const struct index *index)
{
    bool has_short = false;
    for (size_t i = 0; i < index->literal_count; i++)
        has_short |= index->literals[i].len < GRAM_LONG;
    return has_short && index->literal_count <= FEW ? LITERAL_MAX + 1 : GRAM_LONG;
}

/* Which patterns each literal triggers: those whose first clause it is in. */
static void make_triggers(struct index *index)
{
    index->triggers = zeroed(index->literal_count + 1, sizeof *index->triggers);
    index->triggered = zeroed(index->member_count, sizeof *index->triggered);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t id = 0; id < index->pattern_count; id++) {
            uint32_t clause = index->patterns[id];
            if (clause == index->patterns[id + 1])
                continue;
            for (uint32_t i = index->clauses[clause]; i < index->clauses[clause + 1]; i++)
                if (pass == 0)
                    index->triggers[index->members[i]]++;
                else
                    index->triggered[--index->triggers[index->members[i]]] = id;
        }
        for (size_t i = 1; pass == 0 && i <= index->literal_count; i++)
            index->triggers[i] += index->triggers[i - 1];
    }
}

void rules_index_finish(struct index *index)
{
    /* the ends of the last ranges */
    index->patterns = grow(index->patterns, &index->pattern_cap, index->pattern_count + 1,
                           sizeof *index->patterns);
    index->patterns[index->pattern_count] = (uint32_t)index->clause_count;
    index->clauses = grow(index->clauses, &index->clause_cap, index->clause_count + 1,
                          sizeof *index->clauses);
    index->clauses[index->clause_count] = (uint32_t)index->member_count;
    free(index->known);
    index->known = NULL;
    index->known_cap = 0;
    make_triggers(index);
    index->short_below = short_below(index);
    make_table(index, &index->long_grams, GRAM_LONG);
    make_table(index, &index->short_grams, GRAM_SHORT);
}

uint32_t rules_index_count(const struct index *index)
{
    return (uint32_t)index->pattern_count;
}

static size_t table_memory(const struct gram_table *table)
{
    if (table->size == 0)
        return 0;
    size_t buckets = (size_t)1 << (32 - table->bucket_shift);
    return ((size_t)1 << (32 - table->filter_shift)) / 8 + (buckets + 1) * sizeof *table->starts +
           table->starts[buckets] * sizeof *table->entries;
}

size_t rules_index_memory(const struct index *index)
{
    size_t words = index->pattern_cap + index->clause_cap + index->member_cap +
                   (index->triggers == NULL ? 0 : index->literal_count + 1 + index->member_count) +
                   index->known_cap;
    return sizeof *index + index->octet_cap + index->literal_cap * sizeof *index->literals +
           words * sizeof(uint32_t) + table_memory(&index->long_grams) +
           table_memory(&index->short_grams);
}
