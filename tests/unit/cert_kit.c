#include "cert_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { DAY_S = 86400 };

static void must(int is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "cert_kit: %s failed\n", what);
    abort();
}

static FILE *create(const char *file, const char *suffix)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", file, suffix);
    FILE *stream = fopen(path, "w");
    must(stream != NULL, path);
    return stream;
}

static void set_names(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    char alternative[256];
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                    -1, 0),
         "CN");
    must(X509_set_issuer_name(certificate, subject), "issuer");
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    must(names != NULL && X509_add_ext(certificate, names, -1), "subjectAltName");
    X509_EXTENSION_free(names);
}

void cert_make(const char *file, const char *name, int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    unsigned char serial[8];
    must(key != NULL && certificate != NULL && RAND_bytes(serial, sizeof serial) == 1, "key");
    serial[0] = 1;
    must(X509_set_version(certificate, X509_VERSION_3), "version");
    ASN1_INTEGER *number = X509_get_serialNumber(certificate);
    must(ASN1_STRING_set(number, serial, sizeof serial), "serial");
    X509_gmtime_adj(X509_getm_notBefore(certificate), (days < 0 ? -400L : -1L) * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S + DAY_S / 2);
    set_names(certificate, name);
    must(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0,
         "signature");
    FILE *stream = create(file, ".pem");
    must(PEM_write_X509(stream, certificate), "certificate file");
    fclose(stream);
    stream = create(file, ".key");
    must(PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL), "key file");
    fclose(stream);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
