/* tls_server.c - the side that clients see.
 *
 * One reading of the files is a *set*: immutable, counted, replaced as a whole by _refresh. Pairs
 * whose certificates have the same names and keys of different kinds share one SSL_CTX, and OpenSSL
 * picks by what the client can verify. The SSL_CTX is chosen in the ClientHello callback, not the
 * one for server names: only there it is early enough that a session ticket is judged by the chosen
 * certificate (its session id context), so that a ticket of one name or one client CA opens no
 * session of another (RFC 6066 3). A name that nothing fits gets the first pair. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_priv.h"
#include "net/tls_set.h"

enum {
    TICKET_LIFE_S = 2 * MW_TLS_TICKET_ROTATION_S, /* its key is good for at least as long */
    CLIENT_CHAIN_MAX = 32768,                     /* octets of a client's certificates */
    CA_NAMES_MAX = 64 /* more are not announced: clients with a certificate send it anyway */
};

struct mw_tls_server {
    int refs;
    struct mw_tls_server_config config; /* texts are ours */
    struct mw_tls_pair *pairs;
    struct mw_tls_file *files; /* certificate, key, staple of each pair, then the client CA */
    size_t file_count;
    struct mw_tls_set *set;
    bool is_stale; /* the files are others than those that `set` was read from */
    BIO_METHOD *wire;
    EVP_CIPHER *ticket_cipher;
};

struct mw_tls_tickets *mw_tls_server_tickets(const struct mw_tls_server *server)
{
    return server->config.tickets;
}

const EVP_CIPHER *mw_tls_server_cipher(const struct mw_tls_server *server)
{
    return server->ticket_cipher;
}

/* ---- during a handshake ---- */

static void keep_name(struct mw_tls *tls, struct mw_slice name)
{
    char text[MW_TLS_NAME_MAX + 1];
    mw_tls_clean(name, text, sizeof text);
    free(tls->sni);
    tls->sni = mw_xstrdup(text);
}

static int on_client_hello(SSL *ssl, int *alert, void *user)
{
    const unsigned char *octets = NULL;
    size_t len = 0;
    struct mw_tls *tls = SSL_get_app_data(ssl);
    (void)alert, (void)user;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &octets, &len) != 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    struct mw_slice name = mw_tls_sni_of(MW_SLICE((const char *)octets, len));
    keep_name(tls, name);
    SSL_CTX *context = mw_tls_set_find(tls->set, name);
    tls->is_named = context != NULL;
    if (context != NULL && context != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, context);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* The choice is made; this only says in the ServerHello whether there was one. */
static int on_server_name(SSL *ssl, int *alert, void *user)
{
    const struct mw_tls *tls = SSL_get_app_data(ssl);
    (void)alert, (void)user;
    return tls->is_named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int on_status_request(SSL *ssl, void *user)
{
    const struct mw_tls *tls = SSL_get_app_data(ssl);
    (void)user;
    struct mw_slice staple = mw_tls_set_staple(tls->set, SSL_get_certificate(ssl));
    unsigned char *copy = staple.len == 0 ? NULL : OPENSSL_memdup(staple.ptr, staple.len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple.len);
    return SSL_TLSEXT_ERR_OK;
}

/* Verify a client's certificate and go on whatever comes out: the result stays with the SSL. */
static int on_client_certificate(X509_STORE_CTX *store, void *user)
{
    (void)user;
    (void)X509_verify_cert(store);
    return 1;
}

/* ---- the contexts ---- */

static void use_tickets(SSL_CTX *context, bool has_tickets)
{
    if (!has_tickets) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, mw_tls_ticket_key);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_timeout(context, TICKET_LIFE_S);
}

static void ask_for_certificates(SSL_CTX *context, X509_STORE *anchors)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(anchors);
    int count = sk_X509_OBJECT_num(objects);
    SSL_CTX_set1_cert_store(context, anchors);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, on_client_certificate, NULL);
    SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_MAX);
    for (int i = 0; i < count && count <= CA_NAMES_MAX; i++)
        (void)SSL_CTX_add_client_CA(context,
                                    X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)));
}

static SSL_CTX *new_context(struct mw_tls_server *server, X509_STORE *anchors,
                            struct mw_tls_text text)
{
    const struct mw_tls_server_config *config = &server->config;
    SSL_CTX *context = mw_tls_context_new(TLS_server_method(), config->minimum, config->ciphers,
                                          text);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_client_hello_cb(context, on_client_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_status_cb(context, on_status_request);
    use_tickets(context, config->tickets != NULL);
    if (anchors != NULL)
        ask_for_certificates(context, anchors);
    return context;
}

/* ---- reading the files ---- */

static enum mw_err add_pair(struct mw_tls_server *server, const struct mw_tls_pair *pair,
                            X509_STORE *anchors, struct mw_tls_set *set, struct mw_tls_text text)
{
    struct mw_tls_identity identity;
    if (mw_tls_identity_read(pair->certificate, pair->key, text, &identity) != MW_OK)
        return MW_ERR_CONFIG;
    enum mw_err err = MW_OK;
    SSL_CTX *context = mw_tls_set_place(set, &identity);
    if (context == NULL) {
        context = new_context(server, anchors, text);
        err = context == NULL ? MW_ERR_CONFIG : MW_OK;
        if (err == MW_OK)
            mw_tls_set_add_context(set, context);
    }
    if (err == MW_OK)
        err = mw_tls_identity_use(&identity, pair->certificate, context, text);
    if (err == MW_OK)
        mw_tls_set_add_staple(set, pair->staple);
    mw_tls_identity_fini(&identity);
    return err;
}

static struct mw_tls_set *read_set(struct mw_tls_server *server, struct mw_tls_text text)
{
    X509_STORE *anchors = NULL;
    if (server->config.client_ca != NULL) {
        anchors = mw_tls_read_store(server->config.client_ca, text);
        if (anchors == NULL)
            return NULL;
    }
    struct mw_tls_set *set = mw_tls_set_new(server->config.pair_count);
    enum mw_err err = MW_OK;
    for (size_t i = 0; i < server->config.pair_count && err == MW_OK; i++)
        err = add_pair(server, &server->pairs[i], anchors, set, text);
    if (err == MW_OK)
        mw_tls_set_complete(set, anchors);
    else
        mw_tls_set_unref(&set);
    X509_STORE_free(anchors);
    return set;
}

/* ---- life ---- */

static char *dup_or_null(const char *text)
{
    return text == NULL ? NULL : mw_xstrdup(text);
}

static void copy_config(struct mw_tls_server *server, const struct mw_tls_server_config *config)
{
    server->pairs = mw_xcalloc(config->pair_count, sizeof *server->pairs);
    server->files = mw_xcalloc(config->pair_count * 3 + 1, sizeof *server->files);
    for (size_t i = 0; i < config->pair_count; i++) {
        struct mw_tls_file *files = server->files + i * 3;
        files[0].path = dup_or_null(config->pairs[i].certificate);
        files[1].path = dup_or_null(config->pairs[i].key);
        files[2].path = dup_or_null(config->pairs[i].staple);
        server->pairs[i] = (struct mw_tls_pair){
            .certificate = files[0].path, .key = files[1].path, .staple = files[2].path};
    }
    server->file_count = config->pair_count * 3 + 1;
    server->files[server->file_count - 1].path = dup_or_null(config->client_ca);
    server->config = (struct mw_tls_server_config){
        .pairs = server->pairs,
        .pair_count = config->pair_count,
        .client_ca = server->files[server->file_count - 1].path,
        .minimum = dup_or_null(config->minimum),
        .ciphers = dup_or_null(config->ciphers),
        .tickets = config->tickets,
    };
}

static bool look_at_files(struct mw_tls_server *server)
{
    bool is_new = false;
    for (size_t i = 0; i < server->file_count; i++)
        is_new |= mw_tls_file_look(&server->files[i]);
    return is_new;
}

struct mw_tls_server *mw_tls_server_new(const struct mw_tls_server_config *config, char *out_text,
                                        size_t text_size)
{
    struct mw_tls_text text = {out_text, text_size};
    if (config->pair_count == 0) {
        mw_tls_say(text, "TLS needs a certificate and its key");
        return NULL;
    }
    struct mw_tls_server *server = mw_xcalloc(1, sizeof *server);
    server->refs = 1;
    server->wire = mw_tls_wire_method();
    server->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    mw_assert(server->wire != NULL && server->ticket_cipher != NULL);
    copy_config(server, config);
    (void)look_at_files(server); /* before they are read: a change meanwhile shows next time */
    server->set = read_set(server, text);
    if (server->set == NULL)
        mw_tls_server_unref(&server);
    return server;
}

struct mw_tls_server *mw_tls_server_ref(struct mw_tls_server *server)
{
    server->refs++;
    return server;
}

void mw_tls_server_unref(struct mw_tls_server **server)
{
    struct mw_tls_server *self = *server;
    *server = NULL;
    if (self == NULL || --self->refs > 0)
        return;
    mw_tls_set_unref(&self->set);
    BIO_meth_free(self->wire);
    EVP_CIPHER_free(self->ticket_cipher);
    for (size_t i = 0; i < self->file_count; i++)
        mw_tls_file_fini(&self->files[i]);
    free(self->files);
    free(self->pairs);
    free((char *)(uintptr_t)self->config.minimum);
    free((char *)(uintptr_t)self->config.ciphers);
    free(self);
}

enum mw_tls_refresh mw_tls_server_refresh(struct mw_tls_server *server, char *out_text,
                                          size_t text_size)
{
    bool is_new = look_at_files(server);
    if (!is_new && !server->is_stale)
        return MW_TLS_UNCHANGED;
    struct mw_tls_set *set = read_set(server, (struct mw_tls_text){out_text, text_size});
    server->is_stale = set == NULL;
    if (set == NULL) /* what failed may have been the moment's fault: tried again, told once */
        return is_new ? MW_TLS_FAILED : MW_TLS_UNCHANGED;
    mw_tls_set_unref(&server->set);
    server->set = set;
    return MW_TLS_RENEWED;
}

int64_t mw_tls_server_expiry(const struct mw_tls_server *server)
{
    return mw_tls_set_expiry(server->set);
}

struct mw_tls *mw_tls_accept(struct mw_tls_server *server)
{
    struct mw_tls *tls = mw_xcalloc(1, sizeof *tls);
    tls->server = mw_tls_server_ref(server);
    tls->set = mw_tls_set_ref(server->set);
    if (mw_tls_begin(tls, mw_tls_set_default(server->set), server->wire))
        SSL_set_accept_state(tls->ssl);
    else
        mw_tls_free(&tls);
    return tls;
}
