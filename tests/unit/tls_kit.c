#include "tls_kit.h"

#include <dirent.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATHS = 256, CERTS = 128 };
static char directory[] = "/tmp/mailweir-tls-XXXXXX";
static char *paths[PATHS];
static size_t path_count;
static struct kit_cert certs_made[CERTS];
static size_t cert_count;

static void check(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "tls_kit: %s failed\n", what);
    exit(2);
}

static void remove_all(void)
{
    DIR *listing = opendir(directory);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        (void)unlinkat(dirfd(listing), entry->d_name, 0);
    if (listing != NULL)
        closedir(listing);
    rmdir(directory);
    for (size_t i = 0; i < path_count; i++)
        free(paths[i]);
    for (size_t i = 0; i < cert_count; i++) {
        X509_free(certs_made[i].x509);
        EVP_PKEY_free(certs_made[i].key);
    }
}

const char *kit_path(const char *name)
{
    char path[256];
    if (path_count == 0) {
        check(mkdtemp(directory) != NULL, "mkdtemp");
        atexit(remove_all);
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    for (size_t i = 0; i < path_count; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    check(path_count < PATHS, "path table");
    return paths[path_count++] = strdup(path);
}

/* ---- certificates ---- */

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    check(extension != NULL, value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

struct kit_cert kit_issue(const struct kit_want *want)
{
    static long serial = 1000;
    long days = want->days == 0 ? 30 : want->days;
    X509 *x509 = X509_new();
    EVP_PKEY *key = want->kind == KIT_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *issuer = want->issuer != NULL ? want->issuer->x509 : x509;
    check(x509 != NULL && key != NULL, "key generation");
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x509), (days < 0 ? days - 30 : -1) * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x509), days * 86400);
    X509_set_pubkey(x509, key);
    if (want->common_name != NULL)
        X509_NAME_add_entry_by_NID(X509_get_subject_name(x509), NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)want->common_name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer));
    add_extension(x509, issuer, NID_basic_constraints,
                  want->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (want->names != NULL)
        add_extension(x509, issuer, NID_subject_alt_name, want->names);
    check(X509_sign(x509, want->issuer != NULL ? want->issuer->key : key, EVP_sha256()) > 0,
          "X509_sign");
    check(cert_count < CERTS, "certificate table");
    if (path_count == 0)
        (void)kit_path(".");
    return certs_made[cert_count++] = (struct kit_cert){x509, key};
}

/* ---- files ---- */

static FILE *create(const char *path)
{
    char next[300];
    snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(next, "w");
    check(file != NULL, path);
    return file;
}

/* Renamed into place, as those who renew certificates do. */
static const char *finish(FILE *file, const char *path)
{
    char next[300];
    snprintf(next, sizeof next, "%s.next", path);
    fclose(file);
    check(rename(next, path) == 0, "rename");
    return path;
}

const char *kit_write(const char *name, const void *octets, size_t len)
{
    const char *path = kit_path(name);
    FILE *file = create(path);
    check(fwrite(octets, 1, len, file) == len, path);
    return finish(file, path);
}

const char *kit_write_certs(const char *name, const struct kit_cert *certs, size_t count)
{
    const char *path = kit_path(name);
    FILE *file = create(path);
    for (size_t i = 0; i < count; i++)
        check(PEM_write_X509(file, certs[i].x509) == 1, path);
    return finish(file, path);
}

const char *kit_write_key(const char *name, const struct kit_cert *cert, const char *pass_phrase)
{
    const char *path = kit_path(name);
    FILE *file = create(path);
    int len = pass_phrase != NULL ? (int)strlen(pass_phrase) : 0;
    check(PEM_write_PKCS8PrivateKey(file, cert->key, pass_phrase != NULL ? EVP_aes_128_cbc() : NULL,
                                    (char *)(uintptr_t)pass_phrase, len, NULL, NULL) == 1,
          path);
    return finish(file, path);
}

const char *kit_write_staple(const char *name, const struct kit_cert *cert,
                             const struct kit_cert *issuer, long seconds)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert->x509, issuer->x509);
    ASN1_TIME *now = X509_gmtime_adj(NULL, -3600), *next = X509_gmtime_adj(NULL, seconds);
    unsigned char *octets = NULL;
    OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, now, next);
    check(OCSP_basic_sign(basic, issuer->x509, issuer->key, EVP_sha256(), NULL, 0) == 1, "OCSP");
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &octets);
    const char *path = kit_write(name, octets, (size_t)len);
    OPENSSL_free(octets);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return path;
}

const struct kit_site *kit_site(void)
{
    static struct kit_site site;
    if (site.ca_file != NULL)
        return &site;
    site.ca = kit_issue(&(struct kit_want){.common_name = "Weir Test CA", .is_ca = true});
    site.server = kit_issue(&(struct kit_want){
        .issuer = &site.ca, .common_name = "mail.weir.test", .names = "DNS:mail.weir.test"});
    site.cert_file = kit_write_certs("site.pem", &site.server, 1);
    site.key_file = kit_write_key("site.key", &site.server, NULL);
    site.ca_file = kit_write_certs("site-ca.pem", &site.ca, 1);
    return &site;
}
