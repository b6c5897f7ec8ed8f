/* digest.h - SHA-256 of what comes in small pieces, as canonical forms do: gathered first, because a call of OpenSSL costs
 * as much as a hundred octets. */
#ifndef DKIM_DIGEST_H
#define DKIM_DIGEST_H

#include "canon.h"

struct evp_md_ctx_st;

struct digest {
    struct evp_md_ctx_st *ctx;
    size_t len;
    char octets[1024];
};

/* Ends the process where there is no memory, as everywhere. */
void digest_begin(struct digest *digest);
void digest_put(struct digest *digest, struct mw_slice octets);
/* The hash; the digest is over. */
void digest_end(struct digest *digest, unsigned char out[32]);
/* Over without a hash; also of one that never began (zeroed). */
void digest_fini(struct digest *digest);
/* What canon.h puts out goes into the digest. */
struct sink digest_sink(struct digest *digest);

#endif
