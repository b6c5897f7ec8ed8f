/* wire.h - one outgoing connection without a loop: connect, speak, shake hands, read replies, each
 * step with a deadline. For commands that ask a server a few questions and end (`mailweir check
 * --upstream`); the service itself uses net/conn.h.
 *
 * The server is not trusted: replies are parsed strictly and bounded, and one that speaks out of
 * turn is found out. */
#ifndef MW_CLI_WIRE_H
#define MW_CLI_WIRE_H

#include "base/buf.h"
#include "base/inet.h"
#include "net/tls.h"
#include "smtp/reply.h"

struct mw_wire {
    int fd;               /* -1: not open */
    struct mw_tls *tls;   /* NULL: in the clear */
    struct mw_buf in;     /* what the server said and nobody took yet */
    struct mw_buf sealed; /* of TLS: octets of the wire, not opened yet */
    size_t taken;         /* octets at the front of `in` that the last reply is a view of */
    char problem[256];  /* why the last step failed, for a person; may hold the server's octets, */
    size_t problem_len; /* also a NUL */
};

#define MW_WIRE_INIT ((struct mw_wire){.fd = -1})

/* All return MW_OK; MW_ERR_TIMEOUT; MW_ERR_CLOSED: the server hung up; MW_ERR_IO; and have said in
 * `problem` what happened. */
MW_MUST_USE enum mw_err mw_wire_connect(struct mw_wire *wire, const struct mw_endpoint *to,
                                        uint64_t timeout_ms);
/* MW_ERR_SYNTAX: the server had more to say than it was asked for; nothing was sent. */
MW_MUST_USE enum mw_err mw_wire_send(struct mw_wire *wire, struct mw_slice octets,
                                     uint64_t timeout_ms);
/* MW_ERR_SYNTAX too, as above: nothing from before the handshake may be taken for an answer behind
 * it. */
MW_MUST_USE enum mw_err mw_wire_secure(struct mw_wire *wire, struct mw_tls_client *client,
                                       struct mw_slice session_key, uint64_t timeout_ms);
/* One reply; valid until the next call. MW_ERR_SYNTAX: what came is none. */
MW_MUST_USE enum mw_err mw_wire_reply(struct mw_wire *wire, struct mw_reply *out_reply,
                                      uint64_t timeout_ms);
/* Does the server say something by itself (or hang up) within that time? */
bool mw_wire_speaks(struct mw_wire *wire, uint64_t timeout_ms);
void mw_wire_close(struct mw_wire *wire);

#endif
