/* index_scan.c - looking through texts. A text is folded piece by piece into a small buffer, and a
 * gram's hash is looked up at each place of it; what the filter lets through is compared.
 *
 * Literals that were found, and patterns that were triggered, carry the number of the message, so
 * that forgetting everything is adding one to it. Whether a triggered pattern's other clauses were
 * seen is asked at the end: they may stand behind. */
#include <endian.h>
#include <stdlib.h>

#include "index_priv.h"

enum {
    PIECE = 16 * 1024,
    REACH = LITERAL_MAX, /* a literal begins and ends that near to its gram at most */
    AT_ONCE = 4,         /* places; eight octets hold their grams */
    PAD = 8,             /* zeros behind the text: a gram may be read across its end */
};

struct index_scan {
    const struct index *index;
    uint32_t generation;
    uint32_t *seen;      /* generation in which a literal was found */
    uint32_t *triggered; /* ... a pattern was triggered */
    uint32_t *found;     /* the patterns triggered in this one */
    uint32_t *candidates;
    size_t found_count;
    unsigned char buffer[REACH + PIECE + REACH + PAD];
};

static void *zeroed(size_t count, size_t size)
{
    void *array = calloc(count == 0 ? 1 : count, size);
    if (array == NULL)
        abort(); /* out of memory before a message is looked at: it has no 250 yet */
    return array;
}

struct index_scan *rules_index_scan_new(const struct index *index)
{
    struct index_scan *scan = zeroed(1, sizeof *scan);
    scan->index = index;
    scan->generation = 1;
    scan->seen = zeroed(index->literal_count, sizeof *scan->seen);
    scan->triggered = zeroed(index->pattern_count, sizeof *scan->triggered);
    scan->found = zeroed(index->pattern_count, sizeof *scan->found);
    scan->candidates = zeroed(index->pattern_count, sizeof *scan->candidates);
    return scan;
}

void rules_index_scan_free(struct index_scan **scan_at)
{
    struct index_scan *scan = *scan_at;
    *scan_at = NULL;
    if (scan == NULL)
        return;
    free(scan->seen);
    free(scan->triggered);
    free(scan->found);
    free(scan->candidates);
    free(scan);
}

void rules_index_scan_begin(struct index_scan *scan)
{
    scan->found_count = 0;
    if (++scan->generation != 0)
        return;
    memset(scan->seen, 0, scan->index->literal_count * sizeof *scan->seen);
    memset(scan->triggered, 0, scan->index->pattern_count * sizeof *scan->triggered);
    scan->generation = 1;
}

/* ---- found ---- */

static void see(struct index_scan *scan, uint32_t literal)
{
    const struct index *index = scan->index;
    scan->seen[literal] = scan->generation;
    for (uint32_t i = index->triggers[literal]; i < index->triggers[literal + 1]; i++) {
        uint32_t id = index->triggered[i];
        if (scan->triggered[id] == scan->generation)
            continue;
        scan->triggered[id] = scan->generation;
        scan->found[scan->found_count++] = id;
    }
}

/* The filter has let a gram at `at` through; `end`: of the folded text. */
static void look_up(struct index_scan *scan, const struct gram_table *table, uint32_t gram,
                    size_t at, size_t end)
{
    const struct index *index = scan->index;
    uint32_t bucket = gram_hash(gram) >> table->bucket_shift;
    for (uint32_t i = table->starts[bucket]; i < table->starts[bucket + 1]; i++) {
        const struct gram_entry *entry = &table->entries[i];
        if (entry->gram != gram || scan->seen[entry->literal] == scan->generation)
            continue;
        const struct index_literal *literal = &index->literals[entry->literal];
        if (at < literal->gram_at || at - literal->gram_at + literal->len > end)
            continue;
        if (memcmp(scan->buffer + at - literal->gram_at, index->octets + literal->at,
                   literal->len) == 0)
            see(scan, entry->literal);
    }
}

static inline uint64_t passes(const struct gram_table *table, uint32_t gram)
{
    uint32_t bit = gram_hash(gram) >> table->filter_shift;
    return table->filter[bit >> 6] >> (bit & 63) & 1;
}

/* Eight octets, the first lowest; beyond the text there is PAD. */
static inline uint64_t octets_of(const unsigned char *at)
{
    uint64_t octets;
    memcpy(&octets, at, sizeof octets);
    return le64toh(octets);
}

/* All places of the buffer from `from` to `to`; the text in it ends at `end`. Some places at a time:
 * what is rare is asked once for all of them. */
static void look_at(struct index_scan *scan, const struct gram_table *table, size_t from, size_t to,
                    size_t end)
{
    const struct gram_table local = *table; /* else each look-up would read it anew */
    const uint32_t mask = local.size == GRAM_SHORT ? 0xffffff : 0xffffffff;
    for (size_t at = from; at < to; at += AT_ONCE) {
        uint64_t octets = octets_of(scan->buffer + at);
        uint32_t hits = 0;
        for (uint32_t i = 0; i < AT_ONCE; i++)
            hits |= (uint32_t)passes(&local, (uint32_t)(octets >> 8 * i) & mask) << i;
        for (; hits != 0; hits &= hits - 1) {
            uint32_t i = (uint32_t)__builtin_ctz(hits);
            if (at + i < to)
                look_up(scan, table, (uint32_t)(octets >> 8 * i) & mask, at + i, end);
        }
    }
}

/* ---- folding ---- */

/* U+212A KELVIN SIGN and U+017F LATIN SMALL LETTER LONG S are k and s to a caseless pattern in UTF
 * mode. How many octets at the front of `text` are one of them, and which it is. */
static size_t fold_wide(struct mw_slice text, unsigned char *out)
{
    if (text.len >= 3 && memcmp(text.ptr, "\xe2\x84\xaa", 3) == 0) {
        *out = 'k';
        return 3;
    }
    if (text.len >= 2 && memcmp(text.ptr, "\xc5\xbf", 2) == 0) {
        *out = 's';
        return 2;
    }
    return 0;
}

/* Mostly neither of the first octets is there, which memchr() tells at a gigabyte a second. */
static bool has_wide(struct mw_slice text)
{
    return (memchr(text.ptr, 0xe2, text.len) != NULL &&
            memmem(text.ptr, text.len, "\xe2\x84\xaa", 3) != NULL) ||
           (memchr(text.ptr, 0xc5, text.len) != NULL &&
            memmem(text.ptr, text.len, "\xc5\xbf", 2) != NULL);
}

/* Eight octets at a time: the upper bit of each says whether it is at least A, and beyond Z. */
static uint64_t fold_eight(uint64_t octets)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = octets & ones * 0x7f;
    uint64_t is_upper = ((low + ones * (0x80 - 'A')) ^ (low + ones * (0x7f - 'Z'))) & ~octets;
    return octets | (is_upper & ones * 0x80) >> 2;
}

static void fold_plain(const char *text, size_t len, unsigned char *out)
{
    size_t at = 0;
    for (uint64_t octets; len - at >= sizeof octets; at += sizeof octets) {
        memcpy(&octets, text + at, sizeof octets);
        octets = fold_eight(octets);
        memcpy(out + at, &octets, sizeof octets);
    }
    for (; at < len; at++)
        out[at] = literal_fold((unsigned char)text[at]);
}

/* Fold as much of `text` as goes into `room` octets; what is left stays in *text. Returns what was
 * written. */
static size_t fold(struct mw_slice *text, unsigned char *out, size_t room)
{
    size_t len = text->len < room ? text->len : room;
    /* a piece may end within one of the two: looked for in what is behind it, too */
    struct mw_slice seen = SLICE(text->ptr, text->len < len + 2 ? text->len : len + 2);
    if (!has_wide(seen)) {
        fold_plain(text->ptr, len, out);
        *text = text_skip(*text, len);
        return len;
    }
    size_t written = 0;
    while (written < room && text->len > 0) {
        size_t used = fold_wide(*text, out + written);
        if (used == 0) {
            out[written] = literal_fold((unsigned char)text->ptr[0]);
            used = 1;
        }
        written++;
        *text = text_skip(*text, used);
    }
    return written;
}

/* ---- a text ---- */

void rules_index_scan_text(struct index_scan *scan, struct mw_slice text)
{
    const struct index *index = scan->index;
    size_t at = 0, end = 0; /* in the buffer: the next place to look at, the end of what is there */
    if (index->literal_count == 0)
        return;
    do {
        end += fold(&text, scan->buffer + end, sizeof scan->buffer - PAD - end);
        memset(scan->buffer + end, 0, PAD);
        size_t to = text.len > 0 ? end - REACH : end;
        if (index->long_grams.size != 0)
            look_at(scan, &index->long_grams, at, to, end);
        if (index->short_grams.size != 0)
            look_at(scan, &index->short_grams, at, to, end);
        /* keep as much as a literal may reach back, and what has not been looked at */
        size_t from = to < REACH ? 0 : to - REACH;
        memmove(scan->buffer, scan->buffer + from, end - from);
        end -= from;
        at = to - from;
    } while (text.len > 0);
}

/* ---- answers ---- */

static bool is_any_seen(const struct index_scan *scan, uint32_t clause)
{
    const struct index *index = scan->index;
    for (uint32_t i = index->clauses[clause]; i < index->clauses[clause + 1]; i++)
        if (scan->seen[index->members[i]] == scan->generation)
            return true;
    return false;
}

bool rules_index_is_candidate(const struct index_scan *scan, uint32_t id)
{
    const struct index *index = scan->index;
    uint32_t first = index->patterns[id], end = index->patterns[id + 1];
    if (first == end)
        return true;
    if (scan->triggered[id] != scan->generation)
        return false;
    for (uint32_t clause = first + 1; clause < end; clause++)
        if (!is_any_seen(scan, clause))
            return false;
    return true;
}

const uint32_t *rules_index_candidates(struct index_scan *scan, size_t *out_count)
{
    size_t count = 0;
    for (size_t i = 0; i < scan->found_count; i++)
        if (rules_index_is_candidate(scan, scan->found[i]))
            scan->candidates[count++] = scan->found[i];
    *out_count = count;
    return scan->candidates;
}
