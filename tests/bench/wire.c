/* wire.c - OpenSSL straight on the socket: what it costs does not count, the generator has a CPU of
 * its own. Tickets of TLS 1.3 are meant to be used once, but servers without early data do not
 * check that (RFC 8446 8), so one of them is enough for the connections that are on their way. */
#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- shared ---- */

/* Returns 1: the session is ours. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct wire *wire = SSL_get_app_data(ssl);
    SSL_SESSION_free(wire->tls->ticket);
    wire->tls->ticket = session;
    return 1;
}

bool wire_tls_init(struct wire_tls *tls, const char *version, bool wants_resuming)
{
    int number = strcmp(version, "1.3") == 0   ? TLS1_3_VERSION
                 : strcmp(version, "1.2") == 0 ? TLS1_2_VERSION
                                               : 0;
    *tls = (struct wire_tls){.wants_resuming = wants_resuming};
    if (number == 0)
        return false;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, number) != 1 ||
        SSL_CTX_set_max_proto_version(context, number) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES256-GCM-SHA384") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1) {
        SSL_CTX_free(context);
        return false;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
    tls->context = context;
    return true;
}

void wire_tls_fini(struct wire_tls *tls)
{
    SSL_SESSION_free(tls->ticket);
    SSL_CTX_free(tls->context);
}

/* ---- one connection ---- */

/* A copy: a connection that ends badly makes its session one that is never resumed again. */
static bool offer_ticket(struct wire *wire)
{
    SSL_SESSION *copy = SSL_SESSION_dup(wire->tls->ticket);
    bool is_offered = copy != NULL && SSL_set_session(wire->ssl, copy) == 1;
    SSL_SESSION_free(copy);
    return is_offered;
}

static bool begin_tls(struct wire *wire)
{
    wire->ssl = SSL_new(wire->tls->context);
    if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1)
        return false;
    SSL_set_app_data(wire->ssl, wire);
    SSL_set_connect_state(wire->ssl);
    return !wire->tls->wants_resuming || wire->tls->ticket == NULL || offer_ticket(wire);
}

bool wire_connect(struct wire *wire, const struct sockaddr_in *to, struct wire_tls *tls)
{
    const int on = 1;
    *wire = (struct wire){.fd = -1, .tls = tls};
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return false;
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls->context != NULL && !begin_tls(wire)) {
        errno = ENOMEM;
        return false;
    }
    return connect(wire->fd, (const struct sockaddr *)to, sizeof *to) == 0 || errno == EINPROGRESS;
}

bool wire_is_connected(struct wire *wire)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return false;
    errno = error;
    return error == 0;
}

/* Is it a matter of waiting? Else errno says something, if only that the protocol failed. */
static bool is_later(struct wire *wire, int result)
{
    int error = SSL_get_error(wire->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return true;
    }
    if (error != SSL_ERROR_SYSCALL || errno == 0 || errno == EAGAIN)
        errno = EPROTO;
    return false;
}

/* nginx writes two tickets and the greeting in three segments and leaves Nagle's algorithm on: a
 * delayed acknowledgement would make each session wait for 40 ms. For once, not for good (tcp(7)).
 */
static void acknowledge_at_once(struct wire *wire)
{
    const int on = 1;
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void note_handshake(struct wire *wire)
{
    struct wire_tls *tls = wire->tls;
    if (SSL_session_reused(wire->ssl) == 1)
        tls->resumed++;
    else
        tls->full++;
    snprintf(tls->how, sizeof tls->how, "%s %s", SSL_get_version(wire->ssl),
             SSL_get_cipher_name(wire->ssl));
}

int wire_shake(struct wire *wire)
{
    if (wire->ssl == NULL)
        return 1;
    ERR_clear_error();
    int result = SSL_do_handshake(wire->ssl);
    if (result == 1) {
        note_handshake(wire);
        acknowledge_at_once(wire);
        return 1;
    }
    return is_later(wire, result) ? 0 : -1;
}

ssize_t wire_send(struct wire *wire, const char *octets, size_t len)
{
    size_t count = 0;
    if (wire->ssl == NULL)
        return send(wire->fd, octets, len, MSG_NOSIGNAL);
    ERR_clear_error();
    int result = SSL_write_ex(wire->ssl, octets, len, &count);
    if (result == 1)
        return (ssize_t)count;
    (void)is_later(wire, result);
    return -1;
}

ssize_t wire_recv(struct wire *wire, char *to, size_t size)
{
    size_t count = 0;
    if (wire->ssl == NULL)
        return recv(wire->fd, to, size, 0);
    ERR_clear_error();
    int result = SSL_read_ex(wire->ssl, to, size, &count);
    if (result == 1)
        return (ssize_t)count;
    if (SSL_get_error(wire->ssl, result) == SSL_ERROR_ZERO_RETURN)
        return 0;
    (void)is_later(wire, result);
    return -1;
}

void wire_close(struct wire *wire)
{
    if (wire->ssl != NULL && SSL_is_init_finished(wire->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(wire->ssl);
    }
    SSL_free(wire->ssl);
    wire->ssl = NULL;
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}
