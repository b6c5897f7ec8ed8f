/* conn.h - one stream socket on a libuv loop: read into the worker's shared buffer, gathered
 * non-blocking writes.
 *
 * Built on uv_poll and plain system calls: no buffer per connection (an idle one costs one small
 * struct), one read and one gathered write an event, writability and hang-up under our control. The
 * owner gets callbacks and never sees libuv. Life-cycle: mw_conn_init or mw_conn_connect ->
 * callbacks -> mw_conn_close -> on_closed (then the memory may go). Callbacks never come from
 * inside a call to this module, except where said. With TLS (mw_conn_secure_*) on_read and flush
 * carry the octets of the peer; what goes over the wire stays inside this module. */
#ifndef MW_NET_CONN_H
#define MW_NET_CONN_H

#include <uv.h>

#include "base/inet.h"
#include "base/queue.h"
#include "base/slice.h"
#include "net/tls.h"

struct mw_conn;
struct mw_conn_tls;
struct mw_net_tls;

/* Shared by all connections of a loop. */
struct mw_net {
    uv_loop_t *loop;
    char *read_buffer;      /* MW_NET_READ_SIZE octets: holds what was read during one callback */
    struct mw_net_tls *tls; /* private; NULL until a connection uses TLS */
};
enum { MW_NET_READ_SIZE = 131072 };
void mw_net_init(struct mw_net *net, uv_loop_t *loop);
/* After all connections have been closed. */
void mw_net_fini(struct mw_net *net);

/* Octets of kernel memory that a TCP connection may hold in each direction. Without a bound a
 * stalled peer lets them grow to the system's maximum (megabytes each): gigabytes at 1,000
 * sessions. The receive bound is the window that we advertise at most: 10 MB/s over a path of 100
 * ms. The send bound takes a full read in one write. (Less where the system's limits say so.) */
enum { MW_NET_SEND_BUFFER = 524288, MW_NET_RECEIVE_WINDOW = 1048576 };
/* Set both bounds and TCP_NODELAY on a TCP socket; other sockets are left alone. On a listening
 * socket all that it accepts inherits them. The listener and mw_conn_connect call it; other owners
 * of sockets may. */
void mw_net_tune(int fd);

struct mw_conn_ops {
    /* mw_conn_connect: the connection stands (MW_OK) or failed (MW_ERR_IO, text in strerror form;
     * close it then). Exactly once. */
    void (*on_connected)(struct mw_conn *conn, enum mw_err err, const char *text);
    /* Octets arrived: in the shared buffer, valid until return. Comes only while reading is on. One
     * read a turn (with TLS a read may come in several parts). */
    void (*on_read)(struct mw_conn *conn, struct mw_slice octets);
    /* mw_conn_secure_server, _client: the handshake is done (MW_OK; mw_conn_tls has the facts) or
     * failed (MW_ERR_IO, text for the log; close it then). Exactly once, not after a close. An end
     * of the connection during the handshake is a failed handshake, not an on_eof. */
    void (*on_secured)(struct mw_conn *conn, enum mw_err err, const char *text);
    /* The peer closed its side, or the connection broke (`text` says how; NULL for an orderly end;
     * with TLS an end without close_notify has a text: octets may have been cut off).
     * At most once; reading is off then. After an orderly end the peer may still read: flushing
     * goes on. While reading is off an end waits behind the octets before it; only a failed write
     * is told at once (with reading on: behind the octets that can still be read). */
    void (*on_eof)(struct mw_conn *conn, const char *text);
    /* After a mw_conn_flush() that could not write everything: the queue is empty now. Never after
     * a failure. */
    void (*on_drained)(struct mw_conn *conn);
    /* The handle is gone: free the memory that holds the conn. Exactly once after mw_conn_close. */
    void (*on_closed)(struct mw_conn *conn);
};

struct mw_conn {
    uv_poll_t poll;
    const struct mw_conn_ops *ops;
    struct mw_net *net;
    struct mw_queue *out;    /* owner's queue; NULL until set */
    struct mw_conn_tls *tls; /* private; NULL in the clear */
    int fd;
    uint8_t wanted; /* private: poll events asked for */
    int error;      /* errno of a failed write; 0 = none. What is flushed from then on is dropped */
    bool is_reading, is_peeking, is_connecting, is_blocked, is_closing, has_eof;
    uint64_t octets_in, octets_out;
};

/* Take over a connected stream socket (made non-blocking if it is not). Reading is off. A socket
 * from a listener has its options already; others may want mw_net_tune(). MW_ERR_IO: not a socket
 * that can be watched; it stays the caller's. */
MW_MUST_USE enum mw_err mw_conn_init(struct mw_conn *conn, struct mw_net *net, int fd,
                                     const struct mw_conn_ops *ops);
/* Start connecting to an INET or UNIX endpoint. MW_ERR_IO if that failed at once (no handle exists
 * then; *out_text says why, for good). The deadline is the owner's. Nothing may be flushed before
 * on_connected. */
MW_MUST_USE enum mw_err mw_conn_connect(struct mw_conn *conn, struct mw_net *net,
                                        const struct mw_endpoint *to, const struct mw_conn_ops *ops,
                                        const char **out_text);
/* The same from a given address, which need not be one of this machine's (IP_TRANSPARENT, tcp(7);
 * routing has to bring the answers here, docs of Linux TPROXY); the port is the kernel's choice.
 * NULL: the system's choice. Families have to be the same. Needs CAP_NET_ADMIN or CAP_NET_RAW. */
MW_MUST_USE enum mw_err mw_conn_connect_from(struct mw_conn *conn, struct mw_net *net,
                                             const struct mw_inet *from,
                                             const struct mw_endpoint *to,
                                             const struct mw_conn_ops *ops, const char **out_text);
/* Switching is cheap: stopping makes no system call unless octets arrive in the meantime. */
void mw_conn_read_start(struct mw_conn *conn);
void mw_conn_read_stop(struct mw_conn *conn);
/* Look first, take later: with `is_on`, on_read shows what has arrived, and mw_conn_take() takes as
 * much of its front as the owner knows to be its own; the rest is shown, or read, next. For a
 * header in front of somebody else's octets (a PROXY header, then a handshake). Octets that are not
 * taken are shown again at once, so take all that can be taken. In the clear only. */
void mw_conn_peek(struct mw_conn *conn, bool is_on);
void mw_conn_take(struct mw_conn *conn, size_t count); /* inside on_read, or later */
/* Write what `queue` holds as far as the socket takes it (may be called at any time after
 * on_connected); what is left is settled (mw_queue_settle) and written when the socket is ready;
 * then on_drained. The queue must live until on_closed. A broken connection shows later, as on_eof.
 */
void mw_conn_flush(struct mw_conn *conn, struct mw_queue *queue);
/* Begin TLS. What was flushed before goes out in the clear, first (also where the socket was full;
 * on_drained comes then, as ever); what is flushed between that and on_secured is dropped. Nothing
 * that the peer sent is kept from before: the next octet of the wire is the handshake's. Reading
 * need not be on for the handshake, and is off after it. The deadline is the owner's. MW_ERR_IO: no
 * engine could be made. */
MW_MUST_USE enum mw_err mw_conn_secure_server(struct mw_conn *conn, struct mw_tls_server *server);
MW_MUST_USE enum mw_err mw_conn_secure_client(struct mw_conn *conn, struct mw_tls_client *client,
                                              struct mw_slice session_key);
/* Facts about the TLS connection, NULL in the clear, until on_secured, and after mw_conn_close.
 * Valid until on_closed. */
const struct mw_tls_info *mw_conn_tls(const struct mw_conn *conn);
/* Is the peer still there? False if an end or a reset is waiting to be read with no octets before
 * it (recv MSG_PEEK; with TLS what has arrived is read, as far as it takes to know, and kept). */
bool mw_conn_is_peer_present(struct mw_conn *conn);
/* Has all that was flushed gone to the kernel? (An empty queue does not say so with TLS.) */
bool mw_conn_is_flushed(const struct mw_conn *conn);
/* Nothing more will be written: close_notify where there is TLS, then FIN. Reading goes on. Only
 * when all is flushed, and on a connection that is not in a handshake. */
void mw_conn_finish(struct mw_conn *conn);
/* Close now; unwritten octets are lost. With `reset`, a RST is sent; without, what has been written
 * still arrives (octets that the peer sent and nobody read are dropped first, because they would
 * turn the FIN into a RST), with TLS followed by close_notify unless octets are lost. Idempotent.
 */
void mw_conn_close(struct mw_conn *conn, bool reset);

/* ---- listening ---- */
struct mw_listener;
/* Called for each accepted connection: the callee owns fd. */
typedef void mw_accept_fn(void *user, int fd, const struct sockaddr_storage *peer);
/* Accept on a listening socket, which is taken over on success. Applies mw_net_tune(). on_error:
 * accept failed (EMFILE...): the listener pauses for 100 ms by itself. Both callbacks may close the
 * listener. */
MW_MUST_USE enum mw_err mw_listener_open(struct mw_net *net, int fd, mw_accept_fn *on_accept,
                                         void (*on_error)(void *user, const char *text), void *user,
                                         struct mw_listener **out_listener);
void mw_listener_close(struct mw_listener **listener); /* closes the descriptor too */
void mw_listener_pause(struct mw_listener *listener, bool is_paused);
/* Create, bind and listen: SO_REUSEADDR, optional SO_REUSEPORT; IPv6 sockets take IPv6 only, so
 * 0.0.0.0 and :: go together. A UNIX socket file that nobody listens on is replaced. Returns the fd
 * (non-blocking, close-on-exec) or -1 with a text. */
int mw_listen_socket(const struct mw_endpoint *endpoint, bool reuse_port, const char **out_text);

#endif
