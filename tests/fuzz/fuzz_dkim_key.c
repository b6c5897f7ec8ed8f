/* fuzz_dkim_key.c - a key record: what is taken has sizes within its bounds, and OpenSSL can look at it without harm. First
 * octet: RSA or Ed25519; with its second bit the rest is the key itself, in base64 made here. */
#include "key.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_record(struct mw_slice record, enum algorithm algorithm)
{
    struct key key;
    unsigned char hash[32] = {1}, signature[512] = {1};
    if (key_parse(record, algorithm, &key) != NULL)
        return;
    check(record.len <= KEY_RECORD_MAX);
    if (algorithm == ALGORITHM_RSA_SHA256) {
        check(key.bits >= KEY_BITS_MIN && key.bits <= KEY_BITS_MAX);
        check(key.number_len == (key.bits + 7) / 8 && key.number[0] != 0);
        check(key.exponent_len >= 1 && key.exponent_len <= 4 &&
              (key.exponent[key.exponent_len - 1] & 1));
    } else {
        check(key.number_len == 32);
    }
    /* a signature of ones is good for nobody but a key that was made for it */
    key_verify(&key, hash, signature, algorithm == ALGORITHM_RSA_SHA256 ? key.number_len : 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char record[2 * KEY_RECORD_MAX];
    if (size == 0)
        return 0;
    bool is_rsa = data[0] & 1;
    enum algorithm algorithm = is_rsa ? ALGORITHM_RSA_SHA256 : ALGORITHM_ED25519_SHA256;
    struct mw_slice rest = SLICE((const char *)data + 1, size - 1);
    if (!(data[0] & 2) || rest.len > KEY_RECORD_MAX) {
        check_record(rest, algorithm);
        return 0;
    }
    struct builder text = {record, 0, sizeof record};
    builder_put(&text, is_rsa ? LIT("k=rsa; p=") : LIT("k=ed25519; p="));
    int len = EVP_EncodeBlock((unsigned char *)record + text.len, (const unsigned char *)rest.ptr,
                              (int)rest.len);
    check_record(SLICE(record, text.len + (size_t)len), algorithm);
    return 0;
}
