/* digest.h - SHA-256 of octets that come in pieces: OpenSSL's, which knows what the processor can
 * do. */
#ifndef MW_BASE_DIGEST_H
#define MW_BASE_DIGEST_H

#include "base/slice.h"

enum { MW_SHA256_TEXT = 64 };

struct mw_sha256;

struct mw_sha256 *mw_sha256_new(void); /* never NULL */
void mw_sha256_add(struct mw_sha256 *sha, struct mw_slice octets);
/* 64 lower-case hexadecimal digits, no NUL; frees it. */
void mw_sha256_finish(struct mw_sha256 **sha, char out_text[MW_SHA256_TEXT]);
void mw_sha256_free(struct mw_sha256 **sha);

#endif
