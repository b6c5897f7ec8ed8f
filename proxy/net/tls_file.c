/* tls_file.c - certificates, keys and stores out of PEM files. A file is read whole before OpenSSL
 * sees it, so that what a person must do about it (permissions, wrong form, wrong file, pass
 * phrase) can be told apart. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls_priv.h"

/* ---- has it changed ---- */

bool mw_tls_file_look(struct mw_tls_file *file)
{
    struct stat status;
    struct mw_tls_file seen = {.path = file->path};
    if (file->path == NULL)
        return false;
    if (stat(file->path, &status) != 0) {
        seen.error = errno;
    } else {
        seen.device = status.st_dev;
        seen.inode = status.st_ino;
        seen.size = status.st_size;
        /* the time of the last change of the inode: a new mode or owner counts as well */
        seen.changed = status.st_ctim;
    }
    bool is_new = seen.error != file->error || seen.device != file->device ||
                  seen.inode != file->inode || seen.size != file->size ||
                  seen.changed.tv_sec != file->changed.tv_sec ||
                  seen.changed.tv_nsec != file->changed.tv_nsec;
    *file = seen;
    return is_new;
}

void mw_tls_file_fini(struct mw_tls_file *file)
{
    free(file->path);
    *file = (struct mw_tls_file){0};
}

/* ---- reading ---- */

/* Octets until the end; -1 with errno. */
static int read_all(int fd, struct mw_buf *into)
{
    for (;;) {
        ssize_t count = read(fd, mw_buf_reserve(into, 4096), 4096);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return (int)count;
        into->len += (size_t)count;
        if (into->len > MW_TLS_FILE_MAX) {
            errno = EFBIG;
            return -1;
        }
    }
}

static void wipe(struct mw_buf *octets)
{
    if (octets->ptr != NULL)
        OPENSSL_cleanse(octets->ptr, octets->cap);
    mw_buf_fini(octets);
}

enum mw_err mw_tls_file_read(const char *path, struct mw_tls_text text, struct mw_buf *out_octets)
{
    /* not blocking: a FIFO without a writer must not hold the worker */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct mw_buf octets = MW_BUF_INIT(0);
    if (fd < 0 || read_all(fd, &octets) != 0) {
        mw_tls_say(text, "%s: cannot be read: %s", path, strerror(errno));
    } else if (octets.len == 0) {
        mw_tls_say(text, "%s: is empty", path);
    } else {
        *out_octets = octets;
        close(fd);
        return MW_OK;
    }
    wipe(&octets);
    if (fd >= 0)
        close(fd);
    return MW_ERR_IO;
}

static bool mentions(const struct mw_buf *octets, const char *word)
{
    return memmem(octets->ptr, octets->len, word, strlen(word)) != NULL;
}

/* There is no `wanted` in the file: what is there instead, and what to do. */
static void say_missing(struct mw_tls_text text, const char *path, const struct mw_buf *octets,
                        const char *wanted)
{
    if (octets->len > 1 && octets->ptr[0] == 0x30 && (unsigned char)octets->ptr[1] >= 0x80)
        mw_tls_say(text,
                   "%s: is in DER or PKCS#12 form, a %s in PEM form is needed (convert it with "
                   "openssl)",
                   path, wanted);
    else if (mentions(octets, "PRIVATE KEY-----"))
        mw_tls_say(text, "%s: holds a private key, and no %s", path, wanted);
    else if (mentions(octets, "BEGIN CERTIFICATE-----"))
        mw_tls_say(text, "%s: holds certificates, and no %s", path, wanted);
    else
        mw_tls_say(text, "%s: no %s in PEM form is in it (\"-----BEGIN ...\")", path, wanted);
}

/* No key with a pass phrase is asked for at a terminal. */
static int no_pass_phrase(char *buffer, int size, int is_writing, void *user)
{
    (void)buffer, (void)size, (void)is_writing;
    *(bool *)user = true;
    return -1;
}

static STACK_OF(X509) *
    parse_certificates(const char *path, const struct mw_buf *octets, struct mw_tls_text text)
{
    STACK_OF(X509) *found = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(octets->ptr, (int)octets->len);
    bool is_asked = false;
    X509 *next;
    mw_assert(found != NULL && bio != NULL);
    ERR_clear_error();
    while ((next = PEM_read_bio_X509(bio, NULL, no_pass_phrase, &is_asked)) != NULL)
        sk_X509_push(found, next);
    BIO_free(bio);
    bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (is_end && sk_X509_num(found) > 0) {
        ERR_clear_error();
        return found;
    }
    if (is_end)
        say_missing(text, path, octets, "certificate");
    else
        mw_tls_say(text, "%s: certificate %d is damaged (%s)", path, sk_X509_num(found) + 1,
                   mw_tls_reason());
    sk_X509_pop_free(found, X509_free);
    ERR_clear_error();
    return NULL;
}

STACK_OF(X509) * mw_tls_read_certificates(const char *path, struct mw_tls_text text)
{
    struct mw_buf octets;
    if (mw_tls_file_read(path, text, &octets) != MW_OK)
        return NULL;
    STACK_OF(X509) *found = parse_certificates(path, &octets, text);
    wipe(&octets); /* the key may stand in the same file */
    return found;
}

static EVP_PKEY *parse_key(const char *path, const struct mw_buf *octets, struct mw_tls_text text)
{
    BIO *bio = BIO_new_mem_buf(octets->ptr, (int)octets->len);
    bool is_asked = false;
    mw_assert(bio != NULL);
    ERR_clear_error();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &is_asked);
    BIO_free(bio);
    if (key == NULL && (is_asked || mentions(octets, "ENCRYPTED")))
        mw_tls_say(text,
                   "%s: the key has a pass phrase, and nobody is there to type it: write it "
                   "without one (openssl pkey -in ... -out ...)",
                   path);
    else if (key == NULL && mentions(octets, "PRIVATE KEY-----"))
        mw_tls_say(text, "%s: the private key is damaged (%s)", path, mw_tls_reason());
    else if (key == NULL)
        say_missing(text, path, octets, "private key");
    ERR_clear_error();
    return key;
}

EVP_PKEY *mw_tls_read_key(const char *path, struct mw_tls_text text)
{
    struct mw_buf octets;
    if (mw_tls_file_read(path, text, &octets) != MW_OK)
        return NULL;
    EVP_PKEY *key = parse_key(path, &octets, text);
    wipe(&octets);
    return key;
}

/* ---- a certificate and its key ---- */

void mw_tls_identity_fini(struct mw_tls_identity *identity)
{
    sk_X509_pop_free(identity->chain, X509_free);
    X509_free(identity->leaf);
    EVP_PKEY_free(identity->key);
    *identity = (struct mw_tls_identity){0};
}

enum mw_err mw_tls_identity_read(const char *certificate, const char *key, struct mw_tls_text text,
                                 struct mw_tls_identity *out_identity)
{
    struct mw_tls_identity identity = {0};
    identity.chain = mw_tls_read_certificates(certificate, text);
    if (identity.chain == NULL)
        return MW_ERR_CONFIG;
    identity.leaf = sk_X509_shift(identity.chain);
    identity.key = mw_tls_read_key(key, text);
    if (identity.key != NULL && X509_check_private_key(identity.leaf, identity.key) == 1) {
        *out_identity = identity;
        return MW_OK;
    }
    if (identity.key != NULL)
        mw_tls_say(text, "%s: does not belong to the certificate %s (the first one in it counts)",
                   key, certificate);
    ERR_clear_error();
    mw_tls_identity_fini(&identity);
    return MW_ERR_CONFIG;
}

enum mw_err mw_tls_identity_use(const struct mw_tls_identity *identity, const char *certificate,
                                SSL_CTX *context, struct mw_tls_text text)
{
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(context, identity->leaf, identity->key, identity->chain, 1) == 1)
        return MW_OK;
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL)
        mw_tls_say(text, "%s: the key of the certificate is too short: RSA needs 2048 bits",
                   certificate);
    else if (reason == SSL_R_CA_MD_TOO_WEAK)
        mw_tls_say(text, "%s: the certificate is signed with a digest that is too weak",
                   certificate);
    else
        mw_tls_say(text, "%s: OpenSSL does not take the certificate: %s", certificate,
                   mw_tls_reason());
    ERR_clear_error();
    return MW_ERR_CONFIG;
}

/* ---- whom to trust ---- */

X509_STORE *mw_tls_read_store(const char *path, struct mw_tls_text text)
{
    STACK_OF(X509) *certificates = mw_tls_read_certificates(path, text);
    if (certificates == NULL)
        return NULL;
    X509_STORE *store = X509_STORE_new();
    mw_assert(store != NULL);
    for (int i = 0; i < sk_X509_num(certificates); i++)
        (void)X509_STORE_add_cert(store, sk_X509_value(certificates, i));
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    sk_X509_pop_free(certificates, X509_free);
    ERR_clear_error();
    return store;
}
