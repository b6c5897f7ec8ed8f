/* conn_tls_kit.h - connections with TLS that note everything, and a peer by hand: a descriptor and
 * an engine without a loop. */
#ifndef MW_CONN_TLS_KIT_H
#define MW_CONN_TLS_KIT_H

#include <stdio.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/conn.h"
#include "net/conn_priv.h"
#include "tls_kit.h"

struct end {
    struct mw_conn conn;
    struct mw_queue out;
    struct mw_buf got;
    int reads, eofs, drains, secures, closes;
    enum mw_err secure_err;
    char text[160]; /* of on_eof or on_secured */
    bool has_eof_text;
    bool stop_on_read, stop_on_secured, close_on_read, close_on_secured, close_on_drained;
    bool looks_on_read, was_present; /* asks for the peer's presence */
    struct mw_slice say_on_secured;
    struct mw_tls_server *upgrade; /* at "STARTTLS" */
};

extern uv_loop_t loop;
extern struct mw_net net;
extern struct mw_tls_server *server; /* for mail.weir.test */
extern struct mw_tls_client *client; /* verifies it */
extern const struct mw_conn_ops end_ops;

bool set_up(void);
/* Close what is open; nothing may be left, on_closed must have come once. */
bool tear_down(struct end *a, struct end *b);
bool turn_until(const int *counter, int want, uint64_t ms);
bool turn_until_got(const struct end *end, size_t len);
/* Turns of the loop in `ms`: a few, or it spins. */
int count_turns(uint64_t ms);

/* a = server, b = client, on one loop. */
bool open_pair(struct end *a, struct end *b);
bool open_secure(struct end *a, struct end *b);
/* The server end of a socketpair of `type`; the other descriptor is returned. */
int open_half(struct end *a, int type);
/* The same over TCP. */
int open_tcp_half(struct end *a);

void send_text(struct end *end, const char *text);
/* 'a'..'z' again and again, from a buffer that is overwritten after the call. */
void send_block(struct end *end, size_t size);
bool is_block(const struct mw_buf *buf, size_t size);

/* A client by hand. */
struct peer {
    int fd;
    struct mw_tls *tls;
    struct mw_buf in, got, out;
    enum mw_err err;
    bool is_shaken, has_end;
};
/* Begins the handshake. */
void peer_open(struct peer *peer, int fd);
/* Read what is there and answer; `count` octets of the wire at most. */
void peer_turn(struct peer *peer, size_t count);
/* ... once something is there: what was sent over TCP may take its time, also on one machine. */
void peer_await(struct peer *peer);
/* Both until the end is secured (true) or failed. */
bool peer_shake(struct peer *peer, struct end *end);
/* Seal; the wire's octets are left in peer->out. */
void peer_seal(struct peer *peer, const char *text);
/* Write the first `count` octets of peer->out. */
void peer_push(struct peer *peer, size_t count);
void peer_say(struct peer *peer, const char *text);
void peer_close(struct peer *peer);

#endif
