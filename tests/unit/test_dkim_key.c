/* RFC 6376 3.6.1, RFC 8301, RFC 8463: key records, and the DER in them, as anybody may publish them. */
#include "key.h"

#include <openssl/evp.h>

#include "dkim_kit.h"
#include "test.h"

static struct key key;

static const char *problem(const char *record, enum algorithm algorithm)
{
    const char *found = key_parse(slice_of(record), algorithm, &key);
    return found == NULL ? "" : found;
}

#define CHECK_RSA(record, want)                                       \
    do {                                                              \
        const char *found_ = problem((record), ALGORITHM_RSA_SHA256); \
        CHECK_MEM(found_, strlen(found_), (want));                    \
    } while (0)
#define CHECK_ED(record, want)                                            \
    do {                                                                  \
        const char *found_ = problem((record), ALGORITHM_ED25519_SHA256); \
        CHECK_MEM(found_, strlen(found_), (want));                        \
    } while (0)

#define ED "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

TEST(tags_of_a_record)
{
    CHECK_ED("v=DKIM1; k=ed25519; p=" ED, "");
    CHECK(key.bits == 256 && !key.is_testing && !key.is_strict);
    CHECK_ED("k=Ed25519; h=sha1:sha256; s=email; t=y : s; n=notes; x=y; p=" ED ";", "");
    CHECK(key.is_testing && key.is_strict);
    CHECK_ED("k=ed25519; s=tlsrpt:*; p=" ED, "");
    CHECK_ED("k=ed25519; v=DKIM1; p=" ED, "the key record is not of DKIM1"); /* first, if at all */
    CHECK_ED("v=DKIM2; k=ed25519; p=" ED, "the key record is not of DKIM1");
    CHECK_ED("v=dkim1; k=ed25519; p=" ED, "the key record is not of DKIM1");
    CHECK_ED("v=DKIM1; k=ed25519; p=", "the key is revoked");
    CHECK_ED("v=DKIM1; k=ed25519", "the key record has no key");
    CHECK_ED("", "the key record has no key");
    CHECK_ED("v=DKIM1; p=" ED, "the key is of another kind than the signature");
    CHECK_RSA("v=DKIM1; k=ed25519; p=" ED, "the key is of another kind than the signature");
    CHECK_RSA("v=DKIM1; k=x509; p=" ED, "the key is of another kind than the signature");
    CHECK_ED("v=DKIM1; k=ed25519; h=sha1; p=" ED, "the key is not for SHA-256");
    CHECK_ED("v=DKIM1; k=ed25519; h=; p=" ED, "the key is not for SHA-256");
    CHECK_ED("v=DKIM1; k=ed25519; s=tlsrpt; p=" ED, "the key is not for mail");
    CHECK_ED("v=DKIM1; k=ed25519; p=" ED "; p=" ED, "the key record is no tag list");
    CHECK_ED("v=spf1 -all", "the key record is not of DKIM1");
    CHECK_ED("hello", "the key record is no tag list");
    CHECK_ED("v=DKIM1; k=ed25519; p=!", "the key is no base64");
    CHECK_ED("v=DKIM1; k=ed25519; p=AAAA", "the key is no Ed25519 key");
    CHECK_RSA("v=DKIM1; k=rsa; p=AAAA", "the key is no RSA key");
}

TEST(long_records_are_not_read)
{
    static char record[KEY_RECORD_MAX + 1];
    memset(record, 'x', sizeof record);
    memcpy(record, "k=ed25519; p=" ED "; n=", strlen("k=ed25519; p=" ED "; n="));
    CHECK(key_parse(SLICE(record, KEY_RECORD_MAX), ALGORITHM_ED25519_SHA256, &key) == NULL);
    CHECK(strcmp(key_parse(SLICE(record, KEY_RECORD_MAX + 1), ALGORITHM_ED25519_SHA256, &key),
                 "the key record is too long") == 0);
}

/* ---- RSA keys that are made up ---- */

struct der {
    unsigned char ptr[4000];
    size_t len;
};

/* Tag, length in its shortest form, octets; `extra` octets more are promised. */
static void put(struct der *out, unsigned char tag, const unsigned char *octets, size_t len,
                size_t extra)
{
    size_t says = len + extra;
    out->ptr[out->len++] = tag;
    if (says >= 0x100)
        out->ptr[out->len++] = 0x82;
    else if (says >= 0x80)
        out->ptr[out->len++] = 0x81;
    if (says >= 0x100)
        out->ptr[out->len++] = (unsigned char)(says >> 8);
    out->ptr[out->len++] = (unsigned char)says;
    memcpy(out->ptr + out->len, octets, len);
    out->len += len;
}

static const char *record_of(const struct der *der)
{
    static char record[8000];
    size_t at = (size_t)snprintf(record, sizeof record, "v=DKIM1; p=");
    EVP_EncodeBlock((unsigned char *)record + at, der->ptr, (int)der->len);
    return record;
}

/* A number of that many bits, its last octet `low`, and an exponent; wrapped as RFC 3279 has it, or not. */
static const char *rsa_record(size_t bits, unsigned char low, const char *exponent,
                              size_t exponent_len, bool is_wrapped)
{
    static const unsigned char algorithm[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                              0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    struct der numbers = {.len = 0}, sequence = {.len = 0}, parts = {.len = 0}, outer = {.len = 0};
    unsigned char number[2001] = {0};
    size_t len = (bits + 7) / 8, skip = bits % 8 == 0 ? 0 : 1;
    memset(number + 1, 0xa5, len);
    number[1] = (unsigned char)(bits % 8 == 0 ? 0x80 : 1u << (bits % 8 - 1));
    number[len] = low;
    put(&numbers, 0x02, number + skip, len + 1 - skip, 0);
    put(&numbers, 0x02, (const unsigned char *)exponent, exponent_len, 0);
    put(&sequence, 0x30, numbers.ptr, numbers.len, 0);
    if (!is_wrapped)
        return record_of(&sequence);
    memmove(sequence.ptr + 1, sequence.ptr, sequence.len);
    sequence.ptr[0] = 0; /* no unused bits */
    put(&parts, 0x30, algorithm, sizeof algorithm, 0);
    put(&parts, 0x03, sequence.ptr, sequence.len + 1, 0);
    put(&outer, 0x30, parts.ptr, parts.len, 0);
    return record_of(&outer);
}

#define F4 "\1\0\1", 3

TEST(sizes_of_rsa_keys)
{
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        CHECK_RSA(rsa_record(511, 1, F4, wrapped), "the RSA key is smaller than 512 bits");
        CHECK_RSA(rsa_record(512, 1, F4, wrapped), "");
        CHECK_INT(key.bits, 512);
        CHECK_RSA(rsa_record(1023, 1, F4, wrapped), "");
        CHECK_INT(key.bits, 1023);
        CHECK_RSA(rsa_record(4096, 1, F4, wrapped), "");
        CHECK_INT(key.bits, 4096);
        CHECK_RSA(rsa_record(4097, 1, F4, wrapped), "the RSA key is larger than 4096 bits");
        CHECK_RSA(rsa_record(16000, 1, F4, wrapped), "the RSA key is larger than 4096 bits");
        CHECK_RSA(rsa_record(16, 1, F4, wrapped), "the RSA key is smaller than 512 bits");
    }
}

TEST(absurd_numbers)
{
    static const char *const absurd = "the RSA key has absurd numbers", *const none =
                                                                            "the key is no RSA key";
    CHECK_RSA(rsa_record(1024, 2, F4, true), absurd); /* even */
    CHECK_RSA(rsa_record(1024, 1, "\1", 1, true), absurd);
    CHECK_RSA(rsa_record(1024, 1, "\2", 1, true), absurd);
    CHECK_RSA(rsa_record(1024, 1, "\3", 1, true), "");
    CHECK_RSA(rsa_record(1024, 1, "\1\0\0\0\1", 5, true), absurd); /* 2^32 + 1 */
    CHECK_RSA(rsa_record(1024, 1, "\0\xff\xff\xff\xff", 5, true), "");
    CHECK_INT(key.exponent_len, 4);
    CHECK_RSA(rsa_record(1024, 1, "\xff\xff\xff\xff", 4, true), none); /* negative */
    CHECK_RSA(rsa_record(1024, 1, "\0\0\3", 3, true), none);           /* not the shortest form */
    CHECK_RSA(rsa_record(1024, 1, "\0", 1, true), none);
    CHECK_RSA(rsa_record(1024, 1, "", 0, true), none);
}

/* Each octet of a real key's DER changed in eight ways, and cut at each place: some key or none, and never harm. */
TEST(damaged_der)
{
    struct der der;
    char text[1000], record[1500];
    struct mw_slice base64 = slice_of(strstr(kit_record(KIT_RSA_1024), "p=") + 2);
    memcpy(text, base64.ptr, base64.len);
    der.len = (size_t)EVP_DecodeBlock(der.ptr, (const unsigned char *)text, (int)base64.len);
    while (base64.ptr[--base64.len] == '=')
        der.len--;
    size_t good = 0, cut = 0;
    for (size_t i = 0; i < der.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            der.ptr[i] ^= (unsigned char)(1 << bit);
            good += *problem(record_of(&der), ALGORITHM_RSA_SHA256) == '\0';
            der.ptr[i] ^= (unsigned char)(1 << bit);
        }
    CHECK(good > 900 &&
          good < 8 * der.len - 100); /* numbers may be others, what is around them may not */
    while (der.len > 0) {
        der.len--;
        cut += *problem(record_of(&der), ALGORITHM_RSA_SHA256) == '\0';
    }
    CHECK_INT(cut, 0);
    snprintf(record, sizeof record, "%sAAAA", kit_record(KIT_RSA_2048));
    CHECK(*problem(record, ALGORITHM_RSA_SHA256) != '\0'); /* something behind it */
}

TEST(only_the_right_signature_is_good)
{
    unsigned char hash[32] = {1}, data[512] = {0};
    CHECK_RSA(kit_record(KIT_RSA_1024), "");
    for (size_t len = 0; len <= sizeof data; len += 16)
        CHECK(!key_verify(&key, hash, data, len));
    CHECK_ED(kit_record(KIT_ED25519), "");
    for (size_t len = 0; len <= 80; len++)
        CHECK(!key_verify(&key, hash, data, len));
    memset(key.number, 0xff, 32); /* no point of the curve */
    CHECK(!key_verify(&key, hash, data, 64));
}
