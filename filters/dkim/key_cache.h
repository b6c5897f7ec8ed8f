/* key_cache.h - RSA keys that OpenSSL has made ready, kept for the next signature of the same key: making one takes nearly as long as verifying.
 *
 * It maps the numbers of a key, as key_parse() took them from the record that the DNS gave for this very signature, to what OpenSSL made of
 * them. It knows no domain, no answer and no result: how long a key is valid is the resolver's affair, and one that is revoked is not asked for here.
 *
 * One for each instance of the filter. Keys are tried on the worker's loop, when their answer comes, never on the pool (host->work): that
 * thread alone owns the cache and every key in it, so there is no lock, and OpenSSL's objects have this one owner.
 *
 * Bounds: KEY_CACHE_MAX keys of some 4 kB at most (RSA-4096), 1 MB in all. Of the eight that can stand in the same place the least recently used goes. */
#ifndef DKIM_KEY_CACHE_H
#define DKIM_KEY_CACHE_H

#include "key.h"

enum { KEY_CACHE_MAX = 256 };

struct key_cache;
struct key_cache *key_cache_new(void); /* NULL: no secret could be drawn */
void key_cache_free(struct key_cache **cache);

/* As key_verify(), of a key that key_parse() took. `cache` NULL, or not RSA (32 octets are ready at once): nothing is kept. */
bool key_cache_verify(struct key_cache *cache, const struct key *key, const unsigned char hash[32],
                      const unsigned char *data, size_t len);
uint64_t key_cache_made(const struct key_cache *cache); /* keys that were not there; for tests */

#endif
