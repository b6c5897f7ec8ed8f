/* key.c - see key.h. */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base64.h"
#include "taglist.h"

/* ---- DER: the little of it that an RSA key is made of ---- */

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_NULL = 0x05, DER_OID = 0x06, DER_SEQUENCE = 0x30 };

struct der {
    const unsigned char *ptr;
    size_t len;
};

/* The length behind a tag: one octet, or up to two behind their number. Shortest form only (X.690 10.1). */
static bool der_length(struct der *in, size_t *out)
{
    size_t first = in->len > 0 ? in->ptr[0] : 0x80, octets = first < 0x80 ? 0 : first - 0x80,
           len = first;
    if ((first >= 0x80 && (octets < 1 || octets > 2)) || in->len < 1 + octets)
        return false;
    if (octets > 0)
        len = octets == 1 ? in->ptr[1] : (size_t)in->ptr[1] << 8 | in->ptr[2];
    if ((octets == 1 && len < 0x80) || (octets == 2 && len < 0x100))
        return false;
    *in = (struct der){in->ptr + 1 + octets, in->len - 1 - octets};
    *out = len;
    return true;
}

/* The element at the front, if it has that tag. */
static bool der_take(struct der *in, unsigned char tag, struct der *out)
{
    size_t len;
    if (in->len < 2 || in->ptr[0] != tag)
        return false;
    struct der rest = {in->ptr + 1, in->len - 1};
    if (!der_length(&rest, &len) || len > rest.len)
        return false;
    *out = (struct der){rest.ptr, len};
    *in = (struct der){rest.ptr + len, rest.len - len};
    return true;
}

/* A number above zero, without leading zeros. */
static bool der_number(struct der *in, struct der *out)
{
    if (!der_take(in, DER_INTEGER, out) || out->len == 0 || out->ptr[0] & 0x80)
        return false;
    if (out->ptr[0] == 0) { /* only where the next octet would look like a sign */
        *out = (struct der){out->ptr + 1, out->len - 1};
        return out->len > 0 && out->ptr[0] & 0x80;
    }
    return true;
}

/* RFC 8017 A.1.1: SEQUENCE { modulus, exponent }, and nothing else. */
static bool der_rsa(struct der in, struct der *out_number, struct der *out_exponent)
{
    struct der key;
    return der_take(&in, DER_SEQUENCE, &key) && in.len == 0 && der_number(&key, out_number) &&
           der_number(&key, out_exponent) && key.len == 0;
}

/* RFC 3279 2.3.1: SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING of the above }, which is what everybody publishes; RFC 6376 3.6.1 has
 * the inner one alone. */
static bool der_key(struct der in, struct der *out_number, struct der *out_exponent)
{
    static const unsigned char rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    struct der whole = in, outer, algorithm, oid, bits, null = {NULL, 0};
    if (der_rsa(in, out_number, out_exponent))
        return true;
    if (!der_take(&whole, DER_SEQUENCE, &outer) || whole.len > 0 ||
        !der_take(&outer, DER_SEQUENCE, &algorithm) || !der_take(&algorithm, DER_OID, &oid) ||
        oid.len != sizeof rsa || memcmp(oid.ptr, rsa, sizeof rsa) != 0)
        return false;
    if (algorithm.len > 0 &&
        (!der_take(&algorithm, DER_NULL, &null) || null.len + algorithm.len > 0))
        return false;
    if (!der_take(&outer, DER_BITS, &bits) || outer.len > 0 || bits.len < 1 || bits.ptr[0] != 0)
        return false;
    return der_rsa((struct der){bits.ptr + 1, bits.len - 1}, out_number, out_exponent);
}

/* ---- the record ---- */

/* Is one of the words, or no list given at all? RFC 6376 3.6.1: what is not known does not count. */
static bool lists(struct mw_slice list, const char *word, const char *other)
{
    struct mw_slice rest = list, item;
    bool has = list.ptr == NULL;
    while (signature_next_name(&rest, &item))
        has |= text_ieq(item, slice_of(word)) || text_ieq(item, slice_of(other));
    return has;
}

static bool has_flag(struct mw_slice flags, const char *flag)
{
    return flags.ptr != NULL && lists(flags, flag, flag);
}

static size_t bit_length(struct der number)
{
    size_t bits = 8 * number.len;
    for (unsigned bit = 0x80; bit > 0 && !(number.ptr[0] & bit); bit >>= 1)
        bits--;
    return bits;
}

static const char *rsa_key(struct der octets, struct key *out)
{
    struct der number, exponent;
    if (!der_key(octets, &number, &exponent))
        return "the key is no RSA key";
    out->bits = bit_length(number);
    if (out->bits > KEY_BITS_MAX)
        return "the RSA key is larger than 4096 bits";
    if (out->bits < KEY_BITS_MIN)
        return "the RSA key is smaller than 512 bits";
    bool is_one = exponent.len == 1 && exponent.ptr[0] == 1;
    if (exponent.len > sizeof out->exponent || !(exponent.ptr[exponent.len - 1] & 1) || is_one ||
        !(number.ptr[number.len - 1] & 1))
        return "the RSA key has absurd numbers";
    memcpy(out->number, number.ptr, number.len);
    memcpy(out->exponent, exponent.ptr, exponent.len);
    out->number_len = number.len;
    out->exponent_len = exponent.len;
    return NULL;
}

static const char *ed25519_key(struct der octets, struct key *out)
{
    if (octets.len != 32)
        return "the key is no Ed25519 key";
    memcpy(out->number, octets.ptr, octets.len);
    out->number_len = octets.len;
    out->bits = 256;
    return NULL;
}

const char *key_parse(struct mw_slice record, enum algorithm algorithm, struct key *out)
{
    struct taglist tags;
    unsigned char octets[KEY_RECORD_MAX];
    struct der key = {octets, 0};
    *out = (struct key){.algorithm = algorithm};
    if (record.len > KEY_RECORD_MAX)
        return "the key record is too long";
    if (!taglist_parse(record, &tags))
        return "the key record is no tag list";
    struct mw_slice version = taglist_find(&tags, "v"), text = taglist_find(&tags, "p");
    struct mw_slice kind = taglist_find(&tags, "k"), flags = taglist_find(&tags, "t");
    bool is_rsa = algorithm == ALGORITHM_RSA_SHA256;
    if (version.ptr != NULL && (!text_is(version, "DKIM1") || !text_is(tags.tags[0].name, "v")))
        return "the key record is not of DKIM1";
    if (text.ptr == NULL)
        return "the key record has no key";
    if (text.len == 0)
        return "the key is revoked";
    if (!text_ieq(kind.ptr == NULL ? LIT("rsa") : kind, is_rsa ? LIT("rsa") : LIT("ed25519")))
        return "the key is of another kind than the signature";
    if (!lists(taglist_find(&tags, "h"), "sha256", "sha256"))
        return "the key is not for SHA-256";
    if (!lists(taglist_find(&tags, "s"), "email", "*"))
        return "the key is not for mail";
    if (!dkim_base64(text, octets, sizeof octets, &key.len))
        return "the key is no base64";
    out->is_testing = has_flag(flags, "y");
    out->is_strict = has_flag(flags, "s");
    return is_rsa ? rsa_key(key, out) : ed25519_key(key, out);
}

/* ---- OpenSSL ---- */

static EVP_PKEY *rsa_load(const struct key *key)
{
    EVP_PKEY *loaded = NULL;
    OSSL_PARAM *params = NULL;
    BIGNUM *number = BN_bin2bn(key->number, (int)key->number_len, NULL);
    BIGNUM *exponent = BN_bin2bn(key->exponent, (int)key->exponent_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (number != NULL && exponent != NULL && build != NULL && ctx != NULL &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, number) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) &&
        (params = OSSL_PARAM_BLD_to_param(build)) != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
        EVP_PKEY_fromdata(ctx, &loaded, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        loaded = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(number);
    BN_free(exponent);
    return loaded;
}

/* RSASSA-PKCS1-v1_5 over a hash that is there already. RFC 6376 3.3.2. */
EVP_PKEY_CTX *key_prepare(const struct key *key)
{
    EVP_PKEY *loaded = rsa_load(key);
    EVP_PKEY_CTX *ctx = loaded == NULL ? NULL : EVP_PKEY_CTX_new(loaded, NULL);
    EVP_PKEY_free(loaded); /* the context has it */
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) <= 0) {
        EVP_PKEY_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

bool key_verify_ready(EVP_PKEY_CTX *ready, const unsigned char hash[32], const unsigned char *data,
                      size_t len)
{
    bool is_good = ready != NULL && EVP_PKEY_verify(ready, data, len, hash, 32) == 1;
    ERR_clear_error(); /* the proxy's TLS looks at the thread's queue of errors: nothing of ours may be left in it */
    return is_good;
}

static bool rsa_verify(const struct key *key, const unsigned char hash[32],
                       const unsigned char *data, size_t len)
{
    EVP_PKEY_CTX *ready = key_prepare(key);
    bool is_good = key_verify_ready(ready, hash, data, len);
    EVP_PKEY_CTX_free(ready);
    return is_good;
}

/* RFC 8463 3: what PureEdDSA signs is the SHA-256 hash. */
static bool ed25519_verify(const struct key *key, const unsigned char hash[32],
                           const unsigned char *data, size_t len)
{
    EVP_PKEY *loaded = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->number, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good = loaded != NULL && ctx != NULL &&
                   EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, loaded) > 0 &&
                   EVP_DigestVerify(ctx, data, len, hash, 32) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(loaded);
    ERR_clear_error(); /* as above */
    return is_good;
}

bool key_verify(const struct key *key, const unsigned char hash[32], const unsigned char *data,
                size_t len)
{
    return (key->algorithm == ALGORITHM_RSA_SHA256 ? rsa_verify : ed25519_verify)(key, hash, data,
                                                                                  len);
}
