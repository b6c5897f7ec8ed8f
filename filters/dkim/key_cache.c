/* key_cache.c - see key_cache.h. Sets of a few places; a key's numbers, hashed with a secret, choose the set. */
#include "key_cache.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "memory.h"

enum { WAYS = 8, SET_BITS = 5, WORDS = KEY_BITS_MAX / 32 };
_Static_assert(WAYS << SET_BITS == KEY_CACHE_MAX, "sets of places");

/* A place; a free one has never been used. */
struct kept {
    EVP_PKEY_CTX *ready;
    uint64_t used; /* when, by the cache's clock */
    struct key key;
};
struct key_cache {
    uint64_t clock, made, secret[WORDS + 1];
    struct kept keys[KEY_CACHE_MAX];
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = memory_new(1, sizeof *cache);
    if (RAND_bytes((unsigned char *)cache->secret, sizeof cache->secret) != 1)
        key_cache_free(&cache);
    return cache;
}

void key_cache_free(struct key_cache **cache)
{
    for (size_t i = 0; *cache != NULL && i < KEY_CACHE_MAX; i++)
        EVP_PKEY_CTX_free((*cache)->keys[i].ready);
    free(*cache);
    *cache = NULL;
}

/* Senders choose keys: the sum of 32-bit words, each times a secret, lets two keys meet by chance only, whoever made them (Carter, Wegman 1979). */
static struct kept *set_of(struct key_cache *cache, const struct key *key)
{
    uint32_t word;
    memcpy(&word, key->exponent, sizeof word);
    uint64_t sum = cache->secret[WORDS] * word;
    for (size_t i = 0; i * sizeof word < key->number_len; i++) {
        memcpy(&word, key->number + i * sizeof word, sizeof word);
        sum += cache->secret[i] * word;
    }
    return &cache->keys[(sum >> (64 - SET_BITS)) * WAYS];
}

static bool is_same(const struct key *a, const struct key *b)
{
    return a->number_len == b->number_len && a->exponent_len == b->exponent_len &&
           memcmp(a->number, b->number, a->number_len) == 0 &&
           memcmp(a->exponent, b->exponent, a->exponent_len) == 0;
}

/* The key, made ready; it stays the cache's. NULL: OpenSSL does not take it, and nothing is kept. */
static EVP_PKEY_CTX *find(struct key_cache *cache, const struct key *key)
{
    struct kept *set = set_of(cache, key), *oldest = set;
    cache->clock++;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].ready != NULL && is_same(&set[i].key, key)) {
            set[i].used = cache->clock;
            return set[i].ready;
        }
        if (set[i].used < oldest->used)
            oldest = &set[i];
    }
    EVP_PKEY_CTX *ready = key_prepare(key);
    if (ready == NULL)
        return NULL;
    cache->made++;
    EVP_PKEY_CTX_free(oldest->ready);
    *oldest = (struct kept){.ready = ready, .used = cache->clock, .key = *key};
    return ready;
}

bool key_cache_verify(struct key_cache *cache, const struct key *key, const unsigned char hash[32],
                      const unsigned char *data, size_t len)
{
    if (cache == NULL || key->algorithm != ALGORITHM_RSA_SHA256)
        return key_verify(key, hash, data, len);
    return key_verify_ready(find(cache, key), hash, data, len);
}

uint64_t key_cache_made(const struct key_cache *cache)
{
    return cache->made;
}
