/* index_priv.h - an index as index.c builds it and index_scan.c reads it. */
#ifndef RULES_INDEX_PRIV_H
#define RULES_INDEX_PRIV_H

#include "index.h"

/* Literals by their hash of one gram: a bit filter in front, then buckets of entries. */
struct gram_entry {
    uint32_t gram, literal;
};
struct gram_table {
    uint32_t size; /* octets of a gram; 0: no literals, nothing below is set */
    uint32_t filter_shift, bucket_shift;
    uint64_t *filter;
    uint32_t *starts; /* of each bucket's entries, and the end of the last */
    struct gram_entry *entries;
};

struct index_literal {
    uint32_t at; /* in octets */
    uint8_t len;
    uint8_t gram_at; /* where in the literal the gram is that finds it */
};

/* Ranges of another array, each up to the beginning of the next. */
struct index {
    char *octets;
    struct index_literal *literals;
    uint32_t *patterns; /* first clause of each; without any: always a candidate */
    uint32_t *clauses;  /* first literal of each, in members; the first clause triggers */
    uint32_t *members;  /* literals */
    uint32_t *triggers; /* first pattern that each literal triggers, in triggered */
    uint32_t *triggered;
    size_t octet_count, literal_count, pattern_count, clause_count, member_count;
    size_t octet_cap, literal_cap, pattern_cap, clause_cap, member_cap;
    struct gram_table long_grams, short_grams;
    size_t short_below; /* literals of fewer octets are found by short grams */
    uint32_t *known;    /* while it is built: literals by hash of their octets, + 1 */
    size_t known_cap;
};

enum { GRAM_LONG = 4, GRAM_SHORT = 3 };

static inline uint32_t gram_of(const char *octets, uint32_t size)
{
    const unsigned char *at = (const unsigned char *)octets;
    uint32_t gram = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    return size == GRAM_SHORT ? gram : gram | (uint32_t)at[3] << 24;
}

static inline uint32_t gram_hash(uint32_t gram)
{
    gram *= UINT32_C(0x9e3779b1);
    return gram ^ gram >> 15; /* the product's upper bits know little of the gram's */
}

#endif
