/* wire.h - a generator's connection: a non-blocking socket, in the clear or with TLS from the first
 * octet on (implicit TLS).
 *
 * wire_send and wire_recv are send(2) and recv(2) for both: -1 with errno EAGAIN means later. With
 * TLS one record can hide behind another, so a reader goes on until EAGAIN. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the connections of a run share. */
struct wire_tls {
    SSL_CTX *context;       /* NULL: in the clear */
    bool wants_resuming;    /* offer the newest ticket */
    SSL_SESSION *ticket;    /* the newest */
    unsigned full, resumed; /* handshakes */
    char how[64];           /* version and cipher of the last handshake */
};

struct wire {
    int fd; /* -1: closed */
    SSL *ssl;
    struct wire_tls *tls;
};

/* `version` is 1.2 or 1.3: that one only, with AES-256-GCM and X25519, as OpenSSL's clients have it
 * by themselves. False: another word. */
bool wire_tls_init(struct wire_tls *tls, const char *version, bool wants_resuming);
void wire_tls_fini(struct wire_tls *tls);

/* Begin connecting. False: errno. */
bool wire_connect(struct wire *wire, const struct sockaddr_in *to, struct wire_tls *tls);
/* Has connect() failed? False: errno. */
bool wire_is_connected(struct wire *wire);
/* Once connected, at every event: 1 = done (at once if there is no TLS), 0 = later, -1 = failed. */
int wire_shake(struct wire *wire);
ssize_t wire_send(struct wire *wire, const char *octets, size_t len);
ssize_t wire_recv(struct wire *wire, char *to, size_t size);
/* With close_notify. */
void wire_close(struct wire *wire);

#endif
