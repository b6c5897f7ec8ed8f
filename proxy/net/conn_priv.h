/* conn_priv.h - what conn.c (the socket) and conn_tls.c (TLS between the socket and the owner)
 * share. Nobody else includes it. */
#ifndef MW_NET_CONN_PRIV_H
#define MW_NET_CONN_PRIV_H

#include "base/list.h"
#include "net/conn.h"

enum {
    MW_CONN_READS_A_TURN = 4 /* full buffers one connection may take before the others' turn */
};

/* What the connections of a loop that use TLS share; made when the first of them begins. */
struct mw_net_tls {
    char *plain;        /* MW_NET_READ_SIZE octets: what was opened during one callback */
    char *gathered;     /* small pieces of a queue, to be sealed as one record */
    struct mw_buf wire; /* sealed, on its way to the socket; empty between two calls */
    struct mw_link turns;
    uv_idle_t *idle; /* while `turns` is not empty; heap */
};

enum mw_conn_phase {
    MW_CONN_WAITS = 0, /* octets in the clear have to leave first */
    MW_CONN_SHAKES,
    MW_CONN_SECURE,
    MW_CONN_FAILED, /* on_secured was told so */
};

/* A connection's TLS. */
struct mw_conn_tls {
    struct mw_conn *conn; /* whose it is */
    struct mw_tls *engine;
    struct mw_link turns; /* on the net's list: reads on without an event of the socket */
    struct mw_slice in;   /* of the wire, not opened yet: in the read buffer, or in `kept` */
    struct mw_buf kept;   /* what `in` points to between two events */
    struct mw_buf out;    /* sealed, and the socket did not take it */
    enum mw_conn_phase phase;
    bool speaks_first; /* a client */
    bool has_more;     /* the engine has octets, or an end, without an event of the socket */
    bool owes_drained; /* a flush could not write everything */
};

/* conn.c */
void mw_conn_watch(struct mw_conn *conn, int surplus);
void mw_conn_fail_writing(struct mw_conn *conn, int error);
/* The end of reading: `error` is an errno, 0 for an orderly end; `text` (NULL: strerror's) is what
 * the owner is told. */
void mw_conn_finish_reading(struct mw_conn *conn, int error, const char *text);

/* conn_tls.c: what conn.c does differently with TLS; all want conn->tls. */
bool mw_conn_tls_needs_read(const struct mw_conn *conn);
void mw_conn_tls_readable(struct mw_conn *conn);
/* The socket takes octets again: true if it took all. */
bool mw_conn_tls_write(struct mw_conn *conn);
/* All was written (after mw_conn_tls_write said so): tell the owner what he waits for. */
void mw_conn_tls_drained(struct mw_conn *conn);
void mw_conn_tls_flush(struct mw_conn *conn);
void mw_conn_tls_read_start(struct mw_conn *conn);
bool mw_conn_tls_is_peer_present(struct mw_conn *conn);
void mw_conn_tls_finish(struct mw_conn *conn);
void mw_conn_tls_close(struct mw_conn *conn, bool reset);
void mw_conn_tls_free(struct mw_conn_tls **tls);
void mw_net_tls_free(struct mw_net_tls **tls);

#endif
