/* key.h - public keys of DKIM: a record of the DNS read and judged, and a signature verified with it. RFC 6376 3.6.1, RFC 8301, RFC 8463.
 *
 * Pure but for OpenSSL. Nothing of a record reaches OpenSSL before its size and form have been checked here: a number of 512 to 4096 bits
 * and an odd exponent of 3 to 2^32, or 32 octets. */
#ifndef DKIM_KEY_H
#define DKIM_KEY_H

#include "signature.h"

struct evp_pkey_ctx_st;

enum {
    KEY_RECORD_MAX = 8192, /* octets of a record */
    KEY_BITS_MIN = 512,    /* what can be looked at; what counts is `min-key-bits` */
    KEY_BITS_MAX = 4096
};

struct key {
    enum algorithm algorithm;
    size_t bits;
    bool is_testing, is_strict;                          /* t=y, t=s */
    unsigned char number[KEY_BITS_MAX / 8], exponent[4]; /* RSA; Ed25519: 32 octets of `number` */
    size_t number_len, exponent_len;
};

/* The record of a key that could have made a signature of that algorithm. NULL: it is in *out. Else why it is none. Linear. */
const char *key_parse(struct mw_slice record, enum algorithm algorithm, struct key *out);

/* Is `data` the signature of the SHA-256 hash? Takes up to some 100 us of CPU (RSA of 4096 bits; 32-bit exponents more). */
bool key_verify(const struct key *key, const unsigned char hash[32], const unsigned char *data,
                size_t len);

/* The two halves of that, for RSA: what OpenSSL makes of a key, which serves any number of signatures, good and bad, and goes with
 * EVP_PKEY_CTX_free(); and a signature. NULL: OpenSSL does not take the key, and no signature is good. */
struct evp_pkey_ctx_st *key_prepare(const struct key *key);
bool key_verify_ready(struct evp_pkey_ctx_st *ready, const unsigned char hash[32],
                      const unsigned char *data, size_t len);

#endif
