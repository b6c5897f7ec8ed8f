/* rate.c - see rate.h. A word is the theoretical arrival time in microseconds (GCRA, ITU-T I.371):
 * an event is one too many if it would push that more than the period ahead of the clock. */
#include "rate.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { WAYS = 16 };

struct entry {
    uint64_t key; /* 0: free */
    uint64_t arrival_us;
};
struct rate_table {
    uint64_t secret[2];
    size_t mask; /* of sets */
    struct entry *entries;
};

struct rate_table *rules_rates_new(uint64_t entries)
{
    struct rate_table *table = calloc(1, sizeof *table);
    size_t sets = 1;
    while (sets * WAYS < entries)
        sets *= 2;
    if (table == NULL || (table->entries = calloc(sets * WAYS, sizeof *table->entries)) == NULL)
        abort();
    table->mask = sets - 1;
    if (getrandom(table->secret, sizeof table->secret, 0) != sizeof table->secret)
        table->secret[0] = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)table;
    return table;
}

void rules_rates_free(struct rate_table **table)
{
    if (*table == NULL)
        return;
    free((*table)->entries);
    free(*table);
    *table = NULL;
}

/* ---- SipHash-2-4 ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* The rate's own number is part of what is hashed: two rules never count for each other. */
static uint64_t hash(const struct rate_table *table, uint64_t number, struct mw_slice text)
{
    struct sip s = {table->secret[0] ^ UINT64_C(0x736f6d6570736575),
                    table->secret[1] ^ UINT64_C(0x646f72616e646f6d),
                    table->secret[0] ^ UINT64_C(0x6c7967656e657261),
                    table->secret[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)text.len << 56;
    size_t at = 0;
    sip_word(&s, number);
    for (; text.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + at, 8);
        sip_word(&s, word);
    }
    for (size_t i = at; i < text.len; i++)
        last |= (uint64_t)(unsigned char)text.ptr[i] << (8 * (i - at));
    sip_word(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    uint64_t result = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return result ? result : 1;
}

/* ---- counting ---- */

static struct entry *find(struct rate_table *table, uint64_t key)
{
    struct entry *set = &table->entries[(key & table->mask) * WAYS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].arrival_us < oldest->arrival_us)
            oldest = &set[i]; /* a free one is as old as can be */
    }
    *oldest = (struct entry){.key = key};
    return oldest;
}

bool rules_rate_exceeds(struct rate_table *table, const struct rate *rate, struct mw_slice key,
                        uint64_t now_ms)
{
    struct entry *entry = find(table, hash(table, rate->index, key));
    uint64_t now_us = now_ms * 1000, period_us = rate->period_ms * 1000;
    uint64_t step_us = period_us / rate->count;
    uint64_t arrival_us = entry->arrival_us > now_us ? entry->arrival_us : now_us;
    if (arrival_us > now_us + period_us) /* the clock was set back */
        arrival_us = now_us + period_us;
    if (arrival_us + step_us > now_us + period_us) {
        entry->arrival_us = arrival_us;
        return true;
    }
    entry->arrival_us = arrival_us + step_us;
    return false;
}
