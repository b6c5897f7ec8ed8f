/* tls_priv.h - what the files of net/tls*.c share: reading PEM files, the settings that both sides
 * have in common, sessions kept for reuse, and the engine's struct. Nobody else includes it. */
#ifndef MW_NET_TLS_PRIV_H
#define MW_NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <sys/types.h>
#include <time.h>

#include "base/arena.h"
#include "base/list.h"
#include "net/tls.h"

/* Where a text for a person goes. */
struct mw_tls_text {
    char *ptr;
    size_t size;
};
void mw_tls_say(struct mw_tls_text text, const char *format, ...) MW_PRINTF(2, 3);

/* ---- tls_file.c: files in PEM form, and whether they changed ---- */

struct mw_tls_file {
    char *path; /* NULL: not used */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    int error; /* errno of stat; 0: it is there */
};
enum { MW_TLS_FILE_MAX = 4 * 1024 * 1024 };
/* Note the state of the file as it is now; true if it differs from the one noted before. */
bool mw_tls_file_look(struct mw_tls_file *file);
void mw_tls_file_fini(struct mw_tls_file *file);
/* All octets of a file: heap, the caller frees *out_octets. MW_ERR_IO with a text. */
MW_MUST_USE enum mw_err mw_tls_file_read(const char *path, struct mw_tls_text text,
                                         struct mw_buf *out_octets);
/* All certificates of a PEM file, at least one. NULL with a text. */
STACK_OF(X509) * mw_tls_read_certificates(const char *path, struct mw_tls_text text);
/* The file's private key; NULL with a text. */
EVP_PKEY *mw_tls_read_key(const char *path, struct mw_tls_text text);

/* A certificate with its chain and its key, checked to belong together. */
struct mw_tls_identity {
    STACK_OF(X509) * chain; /* without the leaf */
    X509 *leaf;
    EVP_PKEY *key;
};
MW_MUST_USE enum mw_err mw_tls_identity_read(const char *certificate, const char *key,
                                             struct mw_tls_text text,
                                             struct mw_tls_identity *out_identity);
void mw_tls_identity_fini(struct mw_tls_identity *identity);
MW_MUST_USE enum mw_err mw_tls_identity_use(const struct mw_tls_identity *identity,
                                            const char *certificate, SSL_CTX *context,
                                            struct mw_tls_text text);

/* A store of the certificates in a PEM file: each is an anchor, whether or not it signed itself.
 * NULL with a text. */
X509_STORE *mw_tls_read_store(const char *path, struct mw_tls_text text);

/* ---- tls_context.c: what both sides set ---- */

/* A context with our defaults. `minimum`, `ciphers`: see tls.h. NULL with a text. */
SSL_CTX *mw_tls_context_new(const SSL_METHOD *method, const char *minimum, const char *ciphers,
                            struct mw_tls_text text);
/* The BIO that stands between OpenSSL and the caller's octets (tls.c). NULL: out of memory. */
BIO_METHOD *mw_tls_wire_method(void);

/* ---- tls_ticket.c ---- */

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb: the keys are those of the server of the SSL. */
int mw_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int is_new);

/* ---- tls_session.c: sessions kept by a client ---- */

enum { MW_TLS_KEYS_MAX = 64, MW_TLS_SESSIONS_A_KEY = 4, MW_TLS_TICKET_MAX = 8192 };
struct mw_tls_sessions {
    struct mw_link keys; /* the one used last is at the end */
    size_t count;
};
void mw_tls_sessions_init(struct mw_tls_sessions *sessions);
void mw_tls_sessions_clear(struct mw_tls_sessions *sessions);
/* Keep a session (taken over if true). */
bool mw_tls_sessions_keep(struct mw_tls_sessions *sessions, struct mw_slice key,
                          SSL_SESSION *session);
/* The newest session for `key`, the caller's to free, or NULL. One of TLS 1.3 is given out once
 * only (RFC 8446 C.4). */
SSL_SESSION *mw_tls_sessions_take(struct mw_tls_sessions *sessions, struct mw_slice key);
void mw_tls_sessions_drop(struct mw_tls_sessions *sessions, struct mw_slice key);

/* ---- the sides ---- */

struct mw_tls_set; /* tls_server.c: the contexts and names of one reading of the files */

/* tls_server.c */
struct mw_tls_tickets *mw_tls_server_tickets(const struct mw_tls_server *server);
const EVP_CIPHER *mw_tls_server_cipher(const struct mw_tls_server *server);
void mw_tls_set_unref(struct mw_tls_set **set);
/* The octets of a server_name extension (RFC 6066 3); empty if it is not well-formed. */
struct mw_slice mw_tls_sni_of(struct mw_slice extension);

/* tls_client.c */
/* The handshake is done: is its result what the configuration asks for? False with a text. */
bool mw_tls_client_finish(const struct mw_tls *tls, X509 *leaf, struct mw_tls_text text);
struct mw_tls_sessions *mw_tls_client_sessions(struct mw_tls_client *client);

/* ---- the engine ---- */

struct mw_tls {
    SSL *ssl;
    struct mw_slice *in; /* during a call */
    struct mw_buf *out;
    struct mw_tls_server *server; /* one of them */
    struct mw_tls_client *client;
    struct mw_tls_set *set;   /* server: what it began with */
    const SSL_CTX *began;     /* client: what it began with */
    struct mw_tls_info *info; /* after the handshake */
    char *error;              /* why it failed; nothing works from then on */
    char *session_key;        /* client */
    char *sni; /* server: the name in the hello, cleaned; until the handshake's end */
    uint16_t session_key_len;
    uint16_t messages; /* of the handshake kind, since the last octet of the application */
    uint8_t first_len;
    bool is_named; /* server: there is a certificate for the name that was asked for */
    bool is_dry;   /* OpenSSL said that it needs more of the wire */
    bool is_finished, is_shut;
    unsigned char first[12]; /* of the wire: to tell what it was when it was no TLS */
};
/* What is common to accept and connect. False: out of memory. */
bool mw_tls_begin(struct mw_tls *tls, SSL_CTX *context, BIO_METHOD *method);

/* ---- tls_text.c: for people ---- */

/* Why OpenSSL's last call failed, from its error queue. Never empty. */
void mw_tls_explain(const struct mw_tls *tls, struct mw_tls_text text);
/* What OpenSSL has against a file: the first entry of its error queue in its own words. */
const char *mw_tls_reason(void);
/* Copy with everything replaced that is no printable character; bounded, NUL-terminated. */
void mw_tls_clean(struct mw_slice from, char *to, size_t size);

/* ---- tls_info.c ---- */
struct mw_tls_info *mw_tls_info_new(const struct mw_tls *tls, X509 *leaf);

#endif
