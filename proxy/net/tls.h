/* tls.h - TLS for connections: the settings of a side (certificates, trust, tickets), and the
 * engine that one connection owns. OpenSSL is known to net/tls*.c only.
 *
 *   tls_server.c   certificates by server name, ECDSA and RSA side by side, client CA, OCSP
 *                  staples, tickets; made anew while in use when a file changes
 *   tls_client.c   trust (CA file, system store, fingerprints), our own certificate, sessions kept
 *                  for reuse
 *   tls_ticket.c   the keys of session tickets: shared by all workers, rotated
 *   tls.c          the engine: octets of the wire in, octets of the peer out. No socket, no buffer
 *                  while idle
 *
 * Objects of a side are counted: a snapshot holds one reference, each connection that began with it
 * another one. Nothing here blocks; files are read by _new and _refresh only. */
#ifndef MW_NET_TLS_H
#define MW_NET_TLS_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/tlsinfo.h"

/* ---- keys of session tickets ---- */

/* Lives in memory that later worker processes inherit (MAP_SHARED). The newest key encrypts, the
 * two before it still decrypt (and their tickets are renewed). */
struct mw_tls_tickets;
struct mw_tls_tickets *mw_tls_tickets_new(void);
void mw_tls_tickets_free(struct mw_tls_tickets **tickets);
enum { MW_TLS_TICKET_ROTATION_S = 3600 };
/* A new key comes in force, the oldest goes. Called once per MW_TLS_TICKET_ROTATION_S, by one
 * process. */
void mw_tls_tickets_rotate(struct mw_tls_tickets *tickets);

/* ---- the side that clients see ---- */

struct mw_tls_pair {
    const char *certificate; /* PEM: the certificate, then its chain */
    const char *key;         /* PEM, without a pass phrase */
    const char *staple; /* OCSP response, DER; NULL: none. A missing or stale file is left out */
};
struct mw_tls_server_config {
    const struct mw_tls_pair *pairs; /* the first is the default where no name fits */
    size_t pair_count;
    const char *client_ca; /* PEM; NULL: no certificate is asked for. Asked, never required: filters
                              decide */
    const char *minimum;   /* "1.2" or "1.3" (older ones only by name: "1.0", "1.1") */
    const char *ciphers; /* OpenSSL list for TLS 1.2 and older; NULL: Mozilla's intermediate list */
    struct mw_tls_tickets *tickets; /* borrowed, must outlive; NULL: no tickets */
};
struct mw_tls_server;
/* Reads all files. NULL: out_text says which file and what is wrong with it, and what to do (a key
 * that does not belong to its certificate, a file that cannot be read, an expired certificate is
 * only a warning of mw_tls_server_expiry's caller). The config's texts are copied. */
struct mw_tls_server *mw_tls_server_new(const struct mw_tls_server_config *config, char *out_text,
                                        size_t text_size);
struct mw_tls_server *mw_tls_server_ref(struct mw_tls_server *server);
void mw_tls_server_unref(struct mw_tls_server **server);
enum mw_tls_refresh { MW_TLS_UNCHANGED = 0, MW_TLS_RENEWED, MW_TLS_FAILED };
/* Look whether a file has changed (name, inode, size, time) and read all anew if so. Connections
 * under way keep what they began with; a failure keeps the old certificates in force and says why
 * (once for each new state of the files). */
enum mw_tls_refresh mw_tls_server_refresh(struct mw_tls_server *server, char *out_text,
                                          size_t text_size);
/* When the first of the leaf certificates expires, seconds since 1970. */
int64_t mw_tls_server_expiry(const struct mw_tls_server *server);

/* ---- the side towards the upstream ---- */

enum mw_tls_verify {
    MW_TLS_VERIFY_NONE = 0,    /* encrypted only */
    MW_TLS_VERIFY_NAME,        /* chain to `ca` or the system's store, and the server name */
    MW_TLS_VERIFY_FINGERPRINT, /* the leaf is one of `fingerprints`; nothing else counts */
};
struct mw_tls_client_config {
    enum mw_tls_verify verify;
    const char *server_name; /* SNI, and the name to verify; NULL: none */
    const char *ca;          /* PEM; NULL: the system's store */
    const char *const
        *fingerprints; /* SHA-256 of the certificate, hex with or without colons; NULL-terminated */
    const char *certificate, *key; /* ours; NULL: none */
    const char *minimum, *ciphers; /* as above */
};
struct mw_tls_client;
struct mw_tls_client *mw_tls_client_new(const struct mw_tls_client_config *config, char *out_text,
                                        size_t text_size);
struct mw_tls_client *mw_tls_client_ref(struct mw_tls_client *client);
void mw_tls_client_unref(struct mw_tls_client **client);
enum mw_tls_refresh mw_tls_client_refresh(struct mw_tls_client *client, char *out_text,
                                          size_t text_size);

/* ---- the engine of one connection ---- */

struct mw_tls; /* opaque; about what OpenSSL needs */
/* Both take a reference. `session_key`: connections to the same place reuse a session (client
 * side); at most 64 are kept. NULL: out of memory or refused by OpenSSL. */
struct mw_tls *mw_tls_accept(struct mw_tls_server *server);
struct mw_tls *mw_tls_connect(struct mw_tls_client *client, struct mw_slice session_key);
/* Nothing more will be said or opened: OpenSSL's memory goes now, facts and error text stay. */
void mw_tls_release(struct mw_tls *tls);
void mw_tls_free(struct mw_tls **tls);

/* What conn.c works with: one call each for octets from the wire, octets for the wire. See tls.c.
 * MW_OK, MW_AGAIN (more octets of the wire are needed), MW_ERR_IO (out_text from mw_tls_error). */
MW_MUST_USE enum mw_err mw_tls_handshake(struct mw_tls *tls, struct mw_slice *wire_in,
                                         struct mw_buf *wire_out);
/* Open what is in *wire_in (consumed from its front) into `plain`; *out_len octets. MW_AGAIN: all
 * of wire_in was taken and no octet is ready. MW_ERR_CLOSED: the peer said close_notify. */
MW_MUST_USE enum mw_err mw_tls_open(struct mw_tls *tls, struct mw_slice *wire_in, char *plain,
                                    size_t size, size_t *out_len, struct mw_buf *wire_out);
/* After MW_OK: is it known that there is nothing more without more octets of the wire? */
bool mw_tls_is_dry(const struct mw_tls *tls);
/* Take records off wire_in until it is clear what comes next, and leave it to mw_tls_open: MW_OK
 * (an octet of the peer), MW_AGAIN (nothing yet), MW_ERR_CLOSED, MW_ERR_IO. */
MW_MUST_USE enum mw_err mw_tls_peek(struct mw_tls *tls, struct mw_slice *wire_in,
                                    struct mw_buf *wire_out);
/* Seal octets: appended to wire_out. */
MW_MUST_USE enum mw_err mw_tls_seal(struct mw_tls *tls, struct mw_slice plain,
                                    struct mw_buf *wire_out);
/* close_notify, as far as it can still be said. */
void mw_tls_close(struct mw_tls *tls, struct mw_buf *wire_out);
const char *mw_tls_error(const struct mw_tls *tls);
/* After the handshake; valid as long as tls. */
const struct mw_tls_info *mw_tls_info(const struct mw_tls *tls);

#endif
