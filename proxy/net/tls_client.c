/* tls_client.c - the side towards the upstream: whom to trust, who we are, sessions to reuse.
 *
 * The certificate is judged during the handshake (so that the peer gets its alert) and once more
 * after it, because a resumed session brings no certificate: sessions are kept per object, thrown
 * away when a file changes, and kept only when their verification was good. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls_priv.h"

enum { FINGERPRINT_LEN = 32, FILES = 3, SESSION_KEY_MAX = 512 };

struct mw_tls_client {
    int refs;
    enum mw_tls_verify verify;
    char *server_name, *minimum, *ciphers; /* NULL: as in the configuration */
    unsigned char (*fingerprints)[FINGERPRINT_LEN];
    size_t fingerprint_count;
    struct mw_tls_file files[FILES]; /* CA, certificate, key */
    bool is_address;                 /* server_name is one: it is verified, and is no SNI */
    SSL_CTX *context;
    bool is_stale; /* the files are others than those that `context` was made of */
    BIO_METHOD *wire;
    struct mw_tls_sessions sessions;
};

/* ---- fingerprints ---- */

static bool parse_fingerprint(const char *text, unsigned char *out)
{
    size_t digits = 0;
    unsigned char octets[FINGERPRINT_LEN] = {0};
    for (; *text != '\0'; text++) {
        int value = mw_hex_value(*text);
        if (*text == ':' && digits > 0 && digits % 2 == 0 && digits < FINGERPRINT_LEN * 2)
            continue;
        if (value < 0 || digits == FINGERPRINT_LEN * 2)
            return false;
        octets[digits / 2] = (unsigned char)(octets[digits / 2] << 4 | value);
        digits++;
    }
    memcpy(out, octets, sizeof octets);
    return digits == FINGERPRINT_LEN * 2;
}

static enum mw_err copy_fingerprints(struct mw_tls_client *client, const char *const *fingerprints,
                                     struct mw_tls_text text)
{
    size_t count = 0;
    while (fingerprints != NULL && fingerprints[count] != NULL)
        count++;
    if (count == 0) {
        mw_tls_say(text, "to verify by fingerprint needs at least one fingerprint");
        return MW_ERR_CONFIG;
    }
    client->fingerprints = mw_xcalloc(count, sizeof *client->fingerprints);
    client->fingerprint_count = count;
    for (size_t i = 0; i < count; i++) {
        if (parse_fingerprint(fingerprints[i], client->fingerprints[i]))
            continue;
        mw_tls_say(text,
                   "\"%s\" is not a SHA-256 fingerprint: 64 hexadecimal digits, with or without "
                   "colons (openssl x509 -noout -fingerprint -sha256 -in ...)",
                   fingerprints[i]);
        return MW_ERR_CONFIG;
    }
    return MW_OK;
}

static bool has_fingerprint(const struct mw_tls_client *client, X509 *leaf)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (leaf == NULL || X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
        return false;
    for (size_t i = 0; i < client->fingerprint_count; i++)
        if (memcmp(digest, client->fingerprints[i], FINGERPRINT_LEN) == 0)
            return true;
    return false;
}

/* ---- during and after a handshake ---- */

static int on_fingerprint(X509_STORE_CTX *store, void *user)
{
    bool is_good = has_fingerprint(user, X509_STORE_CTX_get0_cert(store));
    X509_STORE_CTX_set_error(store, is_good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return is_good;
}

/* No verification is asked for, so none is paid for. */
static int on_any_certificate(X509_STORE_CTX *store, void *user)
{
    (void)user;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 1;
}

/* A session that can be resumed: with TLS 1.3 after the handshake, when its ticket comes. Returns 1
 * if it was taken over. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct mw_tls *tls = SSL_get_app_data(ssl);
    struct mw_tls_client *client = tls->client;
    if (client->context != tls->began || /* the files have changed since */
        (client->verify != MW_TLS_VERIFY_NONE && SSL_get_verify_result(ssl) != X509_V_OK))
        return 0;
    return mw_tls_sessions_keep(&client->sessions, MW_SLICE(tls->session_key, tls->session_key_len),
                                session);
}

/* OpenSSL does not call on_session for a ticket that renews a resumed session of TLS 1.2. */
static void keep_renewed(const struct mw_tls *tls)
{
    if (SSL_session_reused(tls->ssl) != 1 || SSL_version(tls->ssl) >= TLS1_3_VERSION)
        return;
    SSL_SESSION *session = SSL_get1_session(tls->ssl);
    if (session != NULL && on_session(tls->ssl, session) == 0)
        SSL_SESSION_free(session);
}

bool mw_tls_client_finish(const struct mw_tls *tls, X509 *leaf, struct mw_tls_text text)
{
    const struct mw_tls_client *client = tls->client;
    bool is_verified = client->verify != MW_TLS_VERIFY_NONE;
    long result = SSL_get_verify_result(tls->ssl);
    if (is_verified && leaf == NULL)
        mw_tls_say(text, "the peer has no certificate");
    else if (is_verified && result != X509_V_OK)
        mw_tls_say(text, "the peer's certificate is not accepted: %s",
                   X509_verify_cert_error_string(result));
    else if (client->verify == MW_TLS_VERIFY_FINGERPRINT && !has_fingerprint(client, leaf))
        mw_tls_say(text, "the peer's certificate has none of the fingerprints that are expected");
    else {
        keep_renewed(tls);
        return true;
    }
    return false;
}

struct mw_tls_sessions *mw_tls_client_sessions(struct mw_tls_client *client)
{
    return &client->sessions;
}

/* ---- the context ---- */

/* Where systems keep the CAs that they trust, in one file: Debian, Fedora, SUSE, Alpine and the
 * BSDs. Not OpenSSL's directory of hashed names: it would be read during handshakes. */
static const char *system_store(void)
{
    static const char *const paths[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    const char *own = getenv(X509_get_default_cert_file_env());
    if (own != NULL)
        return own;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (access(paths[i], R_OK) == 0)
            return paths[i];
    return paths[0];
}

static enum mw_err use_store(struct mw_tls_client *client, SSL_CTX *context,
                             struct mw_tls_text text)
{
    X509_STORE *store = mw_tls_read_store(client->files[0].path, text);
    if (store == NULL)
        return MW_ERR_CONFIG;
    SSL_CTX_set_cert_store(context, store);
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!client->is_address && X509_VERIFY_PARAM_set1_host(param, client->server_name, 0) != 1)
        mw_tls_say(text, "\"%s\" is not a name that can be verified", client->server_name);
    else if (client->is_address && X509_VERIFY_PARAM_set1_ip_asc(param, client->server_name) != 1)
        mw_tls_say(text, "\"%s\" is not an address that can be verified", client->server_name);
    else
        return MW_OK;
    return MW_ERR_CONFIG;
}

static enum mw_err use_verification(struct mw_tls_client *client, SSL_CTX *context,
                                    struct mw_tls_text text)
{
    switch (client->verify) {
    case MW_TLS_VERIFY_NAME:
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        return use_store(client, context, text);
    case MW_TLS_VERIFY_FINGERPRINT:
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(context, on_fingerprint, client);
        return MW_OK;
    case MW_TLS_VERIFY_NONE:
        break;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(context, on_any_certificate, NULL);
    /* a short key of the peer is better than the clear, which would be next */
    if (SSL_CTX_get_security_level(context) > 1)
        SSL_CTX_set_security_level(context, 1);
    return MW_OK;
}

static enum mw_err use_identity(struct mw_tls_client *client, SSL_CTX *context,
                                struct mw_tls_text text)
{
    const char *certificate = client->files[1].path, *key = client->files[2].path;
    struct mw_tls_identity identity;
    if (certificate == NULL && key == NULL)
        return MW_OK;
    if (certificate == NULL || key == NULL) {
        mw_tls_say(text, "a client certificate needs its key, and the key its certificate");
        return MW_ERR_CONFIG;
    }
    if (mw_tls_identity_read(certificate, key, text, &identity) != MW_OK)
        return MW_ERR_CONFIG;
    enum mw_err err = mw_tls_identity_use(&identity, certificate, context, text);
    mw_tls_identity_fini(&identity);
    return err;
}

static SSL_CTX *new_context(struct mw_tls_client *client, struct mw_tls_text text)
{
    SSL_CTX *context = mw_tls_context_new(TLS_client_method(), client->minimum, client->ciphers,
                                          text);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (use_verification(client, context, text) == MW_OK &&
        use_identity(client, context, text) == MW_OK)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* ---- life ---- */

static char *dup_or_null(const char *text)
{
    return text == NULL ? NULL : mw_xstrdup(text);
}

static enum mw_err copy_config(struct mw_tls_client *client,
                               const struct mw_tls_client_config *config, struct mw_tls_text text)
{
    const char *ca = config->ca != NULL ? config->ca : system_store();
    client->verify = config->verify;
    client->server_name = dup_or_null(config->server_name);
    client->minimum = dup_or_null(config->minimum);
    client->ciphers = dup_or_null(config->ciphers);
    client->files[0].path = config->verify == MW_TLS_VERIFY_NAME ? mw_xstrdup(ca) : NULL;
    client->files[1].path = dup_or_null(config->certificate);
    client->files[2].path = dup_or_null(config->key);
    if (client->server_name != NULL) {
        ASN1_OCTET_STRING *address = a2i_IPADDRESS(client->server_name);
        client->is_address = address != NULL;
        ASN1_OCTET_STRING_free(address);
    }
    if (config->verify == MW_TLS_VERIFY_FINGERPRINT)
        return copy_fingerprints(client, config->fingerprints, text);
    if (config->verify == MW_TLS_VERIFY_NAME && client->server_name == NULL) {
        mw_tls_say(text, "to verify the certificate needs the name of the server");
        return MW_ERR_CONFIG;
    }
    return MW_OK;
}

static bool look_at_files(struct mw_tls_client *client)
{
    bool is_new = false;
    for (size_t i = 0; i < FILES; i++)
        is_new |= mw_tls_file_look(&client->files[i]);
    return is_new;
}

struct mw_tls_client *mw_tls_client_new(const struct mw_tls_client_config *config, char *out_text,
                                        size_t text_size)
{
    struct mw_tls_text text = {out_text, text_size};
    struct mw_tls_client *client = mw_xcalloc(1, sizeof *client);
    client->refs = 1;
    client->wire = mw_tls_wire_method();
    mw_assert(client->wire != NULL);
    mw_tls_sessions_init(&client->sessions);
    if (copy_config(client, config, text) == MW_OK) {
        (void)look_at_files(client);
        client->context = new_context(client, text);
    }
    ERR_clear_error();
    if (client->context == NULL)
        mw_tls_client_unref(&client);
    return client;
}

struct mw_tls_client *mw_tls_client_ref(struct mw_tls_client *client)
{
    client->refs++;
    return client;
}

void mw_tls_client_unref(struct mw_tls_client **client)
{
    struct mw_tls_client *self = *client;
    *client = NULL;
    if (self == NULL || --self->refs > 0)
        return;
    mw_tls_sessions_clear(&self->sessions);
    SSL_CTX_free(self->context);
    BIO_meth_free(self->wire);
    for (size_t i = 0; i < FILES; i++)
        mw_tls_file_fini(&self->files[i]);
    free(self->fingerprints);
    free(self->server_name);
    free(self->minimum);
    free(self->ciphers);
    free(self);
}

enum mw_tls_refresh mw_tls_client_refresh(struct mw_tls_client *client, char *out_text,
                                          size_t text_size)
{
    bool is_new = look_at_files(client);
    if (!is_new && !client->is_stale)
        return MW_TLS_UNCHANGED;
    SSL_CTX *context = new_context(client, (struct mw_tls_text){out_text, text_size});
    ERR_clear_error();
    client->is_stale = context == NULL;
    if (context == NULL) /* what failed may have been the moment's fault: tried again, told once */
        return is_new ? MW_TLS_FAILED : MW_TLS_UNCHANGED;
    SSL_CTX_free(client->context);
    client->context = context;
    mw_tls_sessions_clear(&client->sessions);
    return MW_TLS_RENEWED;
}

/* ---- connecting ---- */

static void reuse_session(struct mw_tls *tls)
{
    SSL_SESSION *session = mw_tls_sessions_take(&tls->client->sessions,
                                                MW_SLICE(tls->session_key, tls->session_key_len));
    if (session == NULL)
        return;
    (void)SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
}

struct mw_tls *mw_tls_connect(struct mw_tls_client *client, struct mw_slice session_key)
{
    struct mw_tls *tls = mw_xcalloc(1, sizeof *tls);
    session_key = session_key.len > SESSION_KEY_MAX ? MW_EMPTY : session_key;
    tls->client = mw_tls_client_ref(client);
    tls->began = client->context;
    tls->session_key = mw_xalloc(session_key.len + 1);
    memcpy(tls->session_key, session_key.ptr, session_key.len);
    tls->session_key_len = (uint16_t)session_key.len;
    bool has_sni = client->server_name != NULL && !client->is_address;
    if (!mw_tls_begin(tls, client->context, client->wire) ||
        (has_sni && SSL_set_tlsext_host_name(tls->ssl, client->server_name) != 1)) {
        mw_tls_free(&tls);
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    reuse_session(tls);
    return tls;
}
