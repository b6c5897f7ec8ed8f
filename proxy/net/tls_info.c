/* tls_info.c - the facts about a connection after its handshake. What peers chose (server names,
 * certificates) is cleaned on its way in. */
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_priv.h"

/* The texts while they are gathered; what is there moves into one block behind the struct. */
struct texts {
    char sni[MW_TLS_NAME_MAX + 1], subject[MW_TLS_NAME_MAX + 1];
    char fingerprint[MW_TLS_TEXT_MAX + 1], problem[MW_TLS_TEXT_MAX + 1];
};

static void copy_cstr(const char *from, char *to, size_t size)
{
    mw_tls_clean(mw_slice_cstr(from), to, size);
}

static void copy_asn1(const ASN1_STRING *from, char *to, size_t size)
{
    unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, from);
    if (len > 0)
        mw_tls_clean(MW_SLICE((const char *)text, (size_t)len), to, size);
    OPENSSL_free(text);
}

static void first_dns_name(X509 *leaf, char *to, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        copy_asn1(name->d.dNSName, to, size);
        break;
    }
    GENERAL_NAMES_free(names);
}

static void fill_subject(X509 *leaf, struct texts *info)
{
    X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0)
        copy_asn1(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), info->subject,
                  sizeof info->subject);
    if (info->subject[0] == '\0')
        first_dns_name(leaf, info->subject, sizeof info->subject);
}

static void fill_fingerprint(X509 *leaf, struct texts *info)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
        return;
    for (unsigned int i = 0; i < len; i++)
        snprintf(info->fingerprint + (size_t)i * 3, 4, i + 1 < len ? "%02X:" : "%02X", digest[i]);
}

static void fill_certificate(const struct mw_tls *tls, X509 *leaf, struct mw_tls_info *info,
                             struct texts *texts)
{
    long result = SSL_get_verify_result(tls->ssl);
    info->has_certificate = true;
    info->is_verified = result == X509_V_OK;
    if (result == X509_V_ERR_APPLICATION_VERIFICATION)
        copy_cstr("not checked", texts->problem, sizeof texts->problem);
    else if (result != X509_V_OK)
        copy_cstr(X509_verify_cert_error_string(result), texts->problem, sizeof texts->problem);
    fill_subject(leaf, texts);
    fill_fingerprint(leaf, texts);
}

/* Into the block; an empty text needs no room. */
static const char *pack(char **at, const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return "";
    char *copy = memcpy(*at, text, len + 1);
    *at += len + 1;
    return copy;
}

struct mw_tls_info *mw_tls_info_new(const struct mw_tls *tls, X509 *leaf)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    struct texts texts = {0};
    struct mw_tls_info info = {.is_secure = true,
                               .is_resumed = SSL_session_reused(tls->ssl) == 1,
                               .bits = (uint16_t)SSL_CIPHER_get_bits(cipher, NULL),
                               .version = SSL_get_version(tls->ssl), /* static, as the next one */
                               .cipher = SSL_CIPHER_get_name(cipher)};
    /* a server's OpenSSL forgets names that it has no certificate for, and those of resumed
     * sessions (TLS 1.2) */
    copy_cstr(tls->server != NULL ? tls->sni
                                  : SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
              texts.sni, sizeof texts.sni);
    if (leaf != NULL)
        fill_certificate(tls, leaf, &info, &texts);
    size_t size = sizeof info + strlen(texts.sni) + strlen(texts.subject) +
                  strlen(texts.fingerprint) + strlen(texts.problem) + 4;
    struct mw_tls_info *packed = mw_xalloc(size);
    char *at = (char *)(packed + 1);
    info.sni = pack(&at, texts.sni);
    info.subject = pack(&at, texts.subject);
    info.fingerprint = pack(&at, texts.fingerprint);
    info.problem = pack(&at, texts.problem);
    *packed = info;
    return packed;
}
