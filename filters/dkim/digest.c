/* digest.c - see digest.h. */
#include "digest.h"

#include <stdlib.h>

#include <openssl/evp.h>

static void must(int is_done)
{
    if (is_done != 1)
        abort(); /* out of memory: SHA-256 itself is always there */
}

void digest_begin(struct digest *digest)
{
    digest->len = 0;
    digest->ctx = EVP_MD_CTX_new();
    must(digest->ctx != NULL);
    must(EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL));
}

static void flush(struct digest *digest)
{
    must(EVP_DigestUpdate(digest->ctx, digest->octets, digest->len));
    digest->len = 0;
}

void digest_put(struct digest *digest, struct mw_slice octets)
{
    if (octets.len > sizeof digest->octets - digest->len)
        flush(digest);
    if (octets.len > sizeof digest->octets) {
        must(EVP_DigestUpdate(digest->ctx, octets.ptr, octets.len));
        return;
    }
    if (octets.len > 0)
        memcpy(digest->octets + digest->len, octets.ptr, octets.len);
    digest->len += octets.len;
}

void digest_end(struct digest *digest, unsigned char out[32])
{
    flush(digest);
    must(EVP_DigestFinal_ex(digest->ctx, out, NULL));
    digest_fini(digest);
}

void digest_fini(struct digest *digest)
{
    EVP_MD_CTX_free(digest->ctx);
    digest->ctx = NULL;
}

static void put(void *user, struct mw_slice octets)
{
    digest_put(user, octets);
}

struct sink digest_sink(struct digest *digest)
{
    return (struct sink){put, digest};
}
