/* digest.c - EVP behind a name of ours. */
#include "base/digest.h"

#include <openssl/evp.h>

static EVP_MD_CTX *context_of(struct mw_sha256 *sha)
{
    return (EVP_MD_CTX *)(void *)sha;
}

struct mw_sha256 *mw_sha256_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    mw_assert(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    return (struct mw_sha256 *)(void *)context;
}

void mw_sha256_add(struct mw_sha256 *sha, struct mw_slice octets)
{
    mw_assert(EVP_DigestUpdate(context_of(sha), octets.ptr, octets.len) == 1);
}

void mw_sha256_finish(struct mw_sha256 **sha, char out_text[MW_SHA256_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char octets[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    mw_assert(EVP_DigestFinal_ex(context_of(*sha), octets, &count) == 1);
    for (size_t i = 0; i < MW_SHA256_TEXT / 2; i++) {
        out_text[2 * i] = digits[octets[i] >> 4];
        out_text[2 * i + 1] = digits[octets[i] & 15];
    }
    mw_sha256_free(sha);
}

void mw_sha256_free(struct mw_sha256 **sha)
{
    if (*sha != NULL)
        EVP_MD_CTX_free(context_of(*sha));
    *sha = NULL;
}
