/* tls.c - the engine: OpenSSL between two slices.
 *
 * OpenSSL reads and writes through a BIO of our own (wire_read, wire_write) that is no buffer: it
 * takes octets from the slice of the call under way and puts them into that call's mw_buf. Reading
 * ahead is off, so OpenSSL takes one record at a time and leaves the rest of the slice to the
 * caller, and with SSL_MODE_RELEASE_BUFFERS it gives its own buffers back when a record is
 * complete: between two events a connection holds no octets.
 *
 * A failure is final: it is kept in `error` and told again by every later call. What OpenSSL wants
 * the peer to know (an alert) is in wire_out then.
 *
 * After the handshake a peer can still send handshake messages: tickets, requests for new keys
 * (RFC 8446 4.6). They cost us more than they cost the peer, so their number without an octet of
 * the application between them is bounded; renegotiation is off (tls_context.c), and OpenSSL bounds
 * empty records and warnings itself. */
#include "net/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_priv.h"

enum {
    MESSAGES_MAX = 32,
    RECORD_MAX = SSL3_RT_MAX_PLAIN_LENGTH,
    WIRE_TYPE = BIO_TYPE_SOURCE_SINK | 127, /* of the BIO; nobody looks for it */
};

/* ---- the BIO ---- */

static void note_first(struct mw_tls *tls, const char *octets, size_t len)
{
    for (size_t i = 0; i < len && tls->first_len < sizeof tls->first; i++)
        tls->first[tls->first_len++] = (unsigned char)octets[i];
}

static int wire_read(BIO *bio, char *to, int size)
{
    struct mw_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->messages > MESSAGES_MAX)
        return -1;
    struct mw_slice part = mw_slice_take(*tls->in, (size_t)size);
    if (part.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, part.ptr, part.len);
    note_first(tls, part.ptr, part.len);
    *tls->in = mw_slice_skip(*tls->in, part.len);
    return (int)part.len;
}

static int wire_write(BIO *bio, const char *octets, int len)
{
    struct mw_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return mw_buf_add(tls->out, MW_SLICE(octets, (size_t)len)) == MW_OK ? len : -1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *mw_tls_wire_method(void)
{
    BIO_METHOD *method = BIO_meth_new(WIRE_TYPE, "mailweir wire");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read(method, wire_read);
    BIO_meth_set_write(method, wire_write);
    BIO_meth_set_ctrl(method, wire_control);
    return method;
}

/* ---- life ---- */

static void on_message(int is_written, int version, int type, const void *octets, size_t len,
                       SSL *ssl, void *user)
{
    (void)version, (void)octets, (void)len, (void)ssl;
    struct mw_tls *tls = user;
    if (tls->is_finished && !is_written && type == SSL3_RT_HANDSHAKE && tls->messages < UINT16_MAX)
        tls->messages++;
}

bool mw_tls_begin(struct mw_tls *tls, SSL_CTX *context, BIO_METHOD *method)
{
    ERR_clear_error();
    tls->ssl = SSL_new(context);
    BIO *bio = tls->ssl == NULL ? NULL : BIO_new(method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_msg_callback(tls->ssl, on_message);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    return true;
}

void mw_tls_release(struct mw_tls *tls)
{
    /* else OpenSSL takes the session for damaged and never resumes it. That a connection was cut
     * off says nothing about its session (RFC 5246 7.2.1) */
    if (tls->ssl != NULL && tls->error == NULL)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

void mw_tls_free(struct mw_tls **tls)
{
    struct mw_tls *self = *tls;
    if (self == NULL)
        return;
    mw_tls_release(self);
    mw_tls_set_unref(&self->set);
    mw_tls_server_unref(&self->server);
    mw_tls_client_unref(&self->client);
    free(self->info);
    free(self->error);
    free(self->session_key);
    free(self->sni);
    free(self);
    *tls = NULL;
}

const char *mw_tls_error(const struct mw_tls *tls)
{
    return tls->error != NULL ? tls->error : "";
}

const struct mw_tls_info *mw_tls_info(const struct mw_tls *tls)
{
    return tls->info;
}

/* ---- one call ---- */

static void enter(struct mw_tls *tls, struct mw_slice *in, struct mw_buf *out)
{
    ERR_clear_error();
    tls->in = in;
    tls->out = out;
}

static enum mw_err fail_with(struct mw_tls *tls, const char *text)
{
    tls->error = mw_xstrdup(text);
    ERR_clear_error();
    if (tls->client != NULL && !tls->is_finished) /* it may be the session that was offered */
        mw_tls_sessions_drop(mw_tls_client_sessions(tls->client),
                             MW_SLICE(tls->session_key, tls->session_key_len));
    return MW_ERR_IO;
}

static enum mw_err fail(struct mw_tls *tls)
{
    char text[256];
    if (tls->messages > MESSAGES_MAX)
        return fail_with(tls, "too many TLS handshake messages");
    mw_tls_explain(tls, (struct mw_tls_text){text, sizeof text});
    return fail_with(tls, text);
}

/* What the result of an OpenSSL call means, if it was not a success. */
static enum mw_err judge(struct mw_tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return MW_AGAIN;
    if (error == SSL_ERROR_ZERO_RETURN)
        return MW_ERR_CLOSED;
    return fail(tls);
}

static enum mw_err finish(struct mw_tls *tls)
{
    char text[256];
    X509 *leaf = SSL_get0_peer_certificate(tls->ssl);
    if (tls->client != NULL &&
        !mw_tls_client_finish(tls, leaf, (struct mw_tls_text){text, sizeof text}))
        return fail_with(tls, text);
    tls->info = mw_tls_info_new(tls, leaf);
    free(tls->sni);
    tls->sni = NULL;
    tls->is_finished = true;
    return MW_OK;
}

enum mw_err mw_tls_handshake(struct mw_tls *tls, struct mw_slice *wire_in, struct mw_buf *wire_out)
{
    if (tls->error != NULL)
        return MW_ERR_IO;
    if (tls->is_finished)
        return MW_OK;
    enter(tls, wire_in, wire_out);
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return finish(tls);
    enum mw_err err = judge(tls, result);
    if (err == MW_ERR_CLOSED)
        return fail_with(tls, "the peer gave up (alert close_notify)");
    return err;
}

/* ---- octets of the peer ---- */

/* Read once; *in_out_len grows. */
static enum mw_err read_record(struct mw_tls *tls, char *plain, size_t size, size_t *in_out_len)
{
    size_t count = 0;
    int result = SSL_read_ex(tls->ssl, plain + *in_out_len, size - *in_out_len, &count);
    if (result != 1)
        return judge(tls, result);
    *in_out_len += count;
    tls->messages = 0;
    return MW_OK;
}

enum mw_err mw_tls_open(struct mw_tls *tls, struct mw_slice *wire_in, char *plain, size_t size,
                        size_t *out_len, struct mw_buf *wire_out)
{
    size_t len = 0;
    enum mw_err err = MW_OK;
    mw_assert(tls->is_finished && size > 0);
    if (tls->error != NULL)
        return MW_ERR_IO;
    if (tls->is_dry && wire_in->len == 0)
        return MW_AGAIN;
    enter(tls, wire_in, wire_out);
    /* a record that does not fit in whole is begun only if it is the first one: what would be left
     * of it holds OpenSSL's buffer */
    while (err == MW_OK && (len == 0 || size - len >= RECORD_MAX))
        err = read_record(tls, plain, size, &len);
    tls->is_dry = err == MW_AGAIN;
    if (len == 0)
        return err;
    *out_len = len; /* an end or a failure behind them is told by the next call */
    return MW_OK;
}

bool mw_tls_is_dry(const struct mw_tls *tls)
{
    return tls->is_dry;
}

enum mw_err mw_tls_peek(struct mw_tls *tls, struct mw_slice *wire_in, struct mw_buf *wire_out)
{
    char octet;
    size_t count;
    mw_assert(tls->is_finished);
    if (tls->error != NULL)
        return MW_ERR_IO;
    if (tls->is_dry && wire_in->len == 0)
        return MW_AGAIN;
    enter(tls, wire_in, wire_out);
    int result = SSL_peek_ex(tls->ssl, &octet, 1, &count);
    enum mw_err err = result == 1 ? MW_OK : judge(tls, result);
    tls->is_dry = err == MW_AGAIN;
    return err;
}

/* ---- octets for the peer ---- */

enum mw_err mw_tls_seal(struct mw_tls *tls, struct mw_slice plain, struct mw_buf *wire_out)
{
    struct mw_slice nothing = MW_EMPTY;
    size_t count = 0;
    mw_assert(tls->is_finished);
    if (tls->error != NULL)
        return MW_ERR_IO;
    if (plain.len == 0)
        return MW_OK;
    enter(tls, &nothing, wire_out);
    int result = SSL_write_ex(tls->ssl, plain.ptr, plain.len, &count);
    if (result != 1)
        return fail(tls);
    mw_assert(count == plain.len); /* partial writes are not switched on */
    return MW_OK;
}

void mw_tls_close(struct mw_tls *tls, struct mw_buf *wire_out)
{
    struct mw_slice nothing = MW_EMPTY;
    if (!tls->is_finished || tls->error != NULL || tls->is_shut)
        return;
    tls->is_shut = true;
    enter(tls, &nothing, wire_out);
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}
