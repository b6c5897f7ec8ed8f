/* resolver_cache.c - answers kept: a hash table of chains, a list in order of use, two bounds.
 *
 * Everything in it is chosen by strangers (each client chooses its address and what its reverse
 * zone says), so the hash is keyed with a secret, and entries as well as octets are bounded. The
 * table has its final size from the start: no rehash ever holds up the loop. */
#include <stdlib.h>
#include <string.h>

#include "net/resolver_priv.h"

enum {
    LARGE_PART = 4, /* an answer above a fourth of the bound is not kept */
    KEEP_MAX_S = 3600,
    KEEP_NONE_MAX_S = 300,
    KEEP_FAILED_MS = 2000
};

struct entry {
    struct entry *next; /* of its chain */
    struct mw_link by_use;
    struct mw_dns_answer *answer;
    uint64_t hash;
    enum mw_dns_type type;
    size_t len;
    char name[];
};

struct mw_dns_cache {
    struct mw_link by_use; /* most recently used first */
    uint32_t count, count_max;
    size_t size, size_max;
    size_t mask;
    struct entry *chains[];
};

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) ---- */

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* Up to eight octets, the first one lowest. */
static uint64_t word_of(const char *octets, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(unsigned char)octets[i] << (8 * i);
    return word;
}

uint64_t mw_dns_hash(const struct mw_dns_seed *seed, struct mw_slice octets)
{
    uint64_t v[4] = {
        seed->k0 ^ UINT64_C(0x736f6d6570736575), seed->k1 ^ UINT64_C(0x646f72616e646f6d),
        seed->k0 ^ UINT64_C(0x6c7967656e657261), seed->k1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = octets.len & ~(size_t)7;
    for (size_t at = 0; at < whole; at += 8)
        sip_word(v, word_of(octets.ptr + at, 8));
    sip_word(v, word_of(octets.ptr + whole, octets.len & 7) | (uint64_t)octets.len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool mw_dns_key_init(struct mw_dns_key *key, const struct mw_dns_seed *seed, struct mw_slice name,
                     enum mw_dns_type type)
{
    if (!mw_dns_name_normalize(name, key->name, &key->len))
        return false;
    mw_dns_key_retype(key, seed, type);
    return true;
}

void mw_dns_key_retype(struct mw_dns_key *key, const struct mw_dns_seed *seed,
                       enum mw_dns_type type)
{
    struct mw_dns_seed of_type = {seed->k0 ^ (uint64_t)type, seed->k1};
    key->type = type;
    key->hash = mw_dns_hash(&of_type, MW_SLICE(key->name, key->len));
}

bool mw_dns_key_eq(const struct mw_dns_key *a, const struct mw_dns_key *b)
{
    return a->hash == b->hash && a->type == b->type && a->len == b->len &&
           memcmp(a->name, b->name, a->len) == 0;
}

/* ---- answers ---- */

struct mw_dns_answer *mw_dns_answer_new(const struct mw_dns_parsed *parsed, uint64_t expires_ms)
{
    size_t size = sizeof(struct mw_dns_answer) + parsed->count * sizeof parsed->records[0];
    size_t text_at = size;
    for (size_t i = 0; i < parsed->count; i++)
        size += parsed->records[i].octets.len;
    struct mw_dns_answer *answer = mw_xalloc(size);
    *answer = (struct mw_dns_answer){.refs = 1,
                                     .status = parsed->status,
                                     .is_missing = parsed->is_missing,
                                     .expires_ms = expires_ms,
                                     .size = size,
                                     .count = parsed->count};
    char *text = (char *)answer + text_at;
    for (size_t i = 0; i < parsed->count; i++) {
        struct mw_dns_record *record = &answer->records[i];
        *record = parsed->records[i];
        memcpy(text, record->octets.ptr, record->octets.len);
        record->octets.ptr = text;
        text += record->octets.len;
    }
    return answer;
}

struct mw_dns_answer *mw_dns_answer_ref(struct mw_dns_answer *answer)
{
    answer->refs++;
    return answer;
}

void mw_dns_answer_unref(struct mw_dns_answer **answer)
{
    struct mw_dns_answer *gone = *answer;
    *answer = NULL;
    if (gone != NULL && --gone->refs == 0)
        free(gone);
}

/* ---- entries ---- */

static size_t entry_size(const struct entry *entry)
{
    return sizeof *entry + entry->len + entry->answer->size;
}

static bool is_entry_of(const struct entry *entry, const struct mw_dns_key *key)
{
    return entry->hash == key->hash && entry->type == key->type && entry->len == key->len &&
           memcmp(entry->name, key->name, key->len) == 0;
}

/* The pointer that leads to the key's entry, or to the end of its chain. */
static struct entry **place_of(struct mw_dns_cache *cache, const struct mw_dns_key *key)
{
    struct entry **place = &cache->chains[key->hash & cache->mask];
    while (*place != NULL && !is_entry_of(*place, key))
        place = &(*place)->next;
    return place;
}

static void drop(struct mw_dns_cache *cache, struct entry **place)
{
    struct entry *entry = *place;
    *place = entry->next;
    cache->count--;
    cache->size -= entry_size(entry);
    mw_list_remove(&entry->by_use);
    mw_dns_answer_unref(&entry->answer);
    free(entry);
}

static void drop_oldest(struct mw_dns_cache *cache)
{
    struct entry *entry = mw_container_of(cache->by_use.prev, struct entry, by_use);
    struct entry **place = &cache->chains[entry->hash & cache->mask];
    while (*place != entry)
        place = &(*place)->next;
    drop(cache, place);
}

/* Make it the most recently used one: in front of the first. */
static void touch(struct mw_dns_cache *cache, struct entry *entry)
{
    mw_list_remove(&entry->by_use);
    mw_list_append(cache->by_use.next, &entry->by_use);
}

/* ---- the cache ---- */

struct mw_dns_cache *mw_dns_cache_new(uint32_t entries)
{
    size_t chains = 16;
    if (entries == 0)
        return NULL;
    if (entries > MW_DNS_CACHE_ENTRIES_MAX)
        entries = MW_DNS_CACHE_ENTRIES_MAX;
    while (chains < entries)
        chains *= 2;
    struct mw_dns_cache *cache = mw_xcalloc(1, sizeof *cache + chains * sizeof cache->chains[0]);
    mw_list_init(&cache->by_use);
    cache->count_max = entries;
    cache->size_max = (size_t)entries * MW_DNS_CACHE_ENTRY_SIZE;
    cache->mask = chains - 1;
    return cache;
}

void mw_dns_cache_free(struct mw_dns_cache **cache)
{
    if (*cache == NULL)
        return;
    while ((*cache)->count > 0)
        drop_oldest(*cache);
    free(*cache);
    *cache = NULL;
}

struct mw_dns_answer *mw_dns_cache_find(struct mw_dns_cache *cache, const struct mw_dns_key *key,
                                        uint64_t now_ms)
{
    if (cache == NULL)
        return NULL;
    struct entry **place = place_of(cache, key);
    if (*place == NULL)
        return NULL;
    if ((*place)->answer->expires_ms <= now_ms) {
        drop(cache, place);
        return NULL;
    }
    touch(cache, *place);
    return (*place)->answer;
}

static struct entry *entry_new(const struct mw_dns_key *key, struct mw_dns_answer *answer)
{
    struct entry *entry = mw_xalloc(sizeof *entry + key->len);
    *entry = (struct entry){.hash = key->hash, .type = key->type, .len = key->len};
    entry->answer = mw_dns_answer_ref(answer);
    memcpy(entry->name, key->name, key->len);
    return entry;
}

void mw_dns_cache_put(struct mw_dns_cache *cache, const struct mw_dns_key *key,
                      struct mw_dns_answer *answer)
{
    if (cache == NULL)
        return;
    struct entry **place = place_of(cache, key);
    if (*place != NULL)
        drop(cache, place);
    struct entry *entry = entry_new(key, answer);
    entry->next = cache->chains[key->hash & cache->mask];
    cache->chains[key->hash & cache->mask] = entry;
    touch(cache, entry);
    cache->count++;
    cache->size += entry_size(entry);
    if (entry_size(entry) > cache->size_max / LARGE_PART)
        drop(cache, &cache->chains[key->hash & cache->mask]);
    while (cache->count > cache->count_max || cache->size > cache->size_max)
        drop_oldest(cache);
}

uint64_t mw_dns_keep_ms(const struct mw_dns_parsed *parsed)
{
    if (parsed->status == MW_DNS_FAILED)
        return KEEP_FAILED_MS;
    uint32_t max_s = parsed->status == MW_DNS_OK ? KEEP_MAX_S : KEEP_NONE_MAX_S;
    return UINT64_C(1000) * (parsed->ttl_s < max_s ? parsed->ttl_s : max_s);
}

uint32_t mw_dns_cache_count(const struct mw_dns_cache *cache)
{
    return cache == NULL ? 0 : cache->count;
}

size_t mw_dns_cache_size(const struct mw_dns_cache *cache)
{
    return cache == NULL ? 0 : cache->size;
}
