/* tls_kit.h - certificates for tests, made by the library in milliseconds, in a directory that goes
 * away when the test ends. */
#ifndef MW_TLS_KIT_H
#define MW_TLS_KIT_H

#include <openssl/ssl.h>
#include <stdbool.h>

enum kit_kind { KIT_EC = 0, KIT_RSA };
struct kit_cert {
    X509 *x509;
    EVP_PKEY *key;
};

/* What to put into a certificate. Zero is good: an EC leaf for 30 days, signed by itself. */
struct kit_want {
    const struct kit_cert *issuer; /* NULL: itself */
    const char *common_name;       /* NULL: none */
    const char *names;             /* "DNS:a.test,DNS:*.b.test"; NULL: no subjectAltName */
    enum kit_kind kind;
    int days; /* 0: 30; negative: expired that long ago */
    bool is_ca;
};
/* Owned by the kit until the program ends. */
struct kit_cert kit_issue(const struct kit_want *want);

/* Files in the directory; the paths live until the program ends. */
const char *kit_path(const char *name);
const char *kit_write(const char *name, const void *octets, size_t len);
/* Certificates one after another, ended by X509 NULL. */
const char *kit_write_certs(const char *name, const struct kit_cert *certs, size_t count);
const char *kit_write_key(const char *name, const struct kit_cert *cert, const char *pass_phrase);
/* An OCSP response about `cert`, good until `seconds` from now. */
const char *kit_write_staple(const char *name, const struct kit_cert *cert,
                             const struct kit_cert *issuer, long seconds);

/* What most tests use: a CA, and a server certificate of it (EC) for mail.weir.test. */
struct kit_site {
    struct kit_cert ca, server;
    const char *ca_file, *cert_file, *key_file;
};
const struct kit_site *kit_site(void);

#endif
