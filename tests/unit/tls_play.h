/* tls_play.h - two TLS engines that talk to each other through two buffers, cut as the test wants
 * it. */
#ifndef MW_TLS_PLAY_H
#define MW_TLS_PLAY_H

#include "net/tls.h"
#include "tls_kit.h"

struct play_side {
    struct mw_tls *tls;
    struct mw_buf in;  /* octets of the wire for it */
    struct mw_buf got; /* what it opened */
    enum mw_err err;   /* of its last call */
};
struct play {
    struct play_side server, client;
    size_t cut;  /* octets of the wire a call gets at most; 0: all */
    bool is_bad; /* an engine broke its contract */
};

/* Objects of one side with the texts of failures on stderr. */
struct mw_tls_server *play_server(const struct mw_tls_server_config *config);
struct mw_tls_client *play_client(const struct mw_tls_client_config *config);

/* A client that takes any certificate, as most of SMTP's do. `name` may be NULL. */
struct mw_tls_client *play_any_client(const char *name);
/* A certificate of the site's CA with `id` as its common name, in files. */
struct mw_tls_pair play_pair(const char *id, const char *names, enum kit_kind kind);
struct mw_tls_server *play_server_of(const struct mw_tls_pair *pairs, size_t count);
/* The site's server, and a client that verifies it. */
struct mw_tls_server *play_site_server(struct mw_tls_tickets *tickets, const char *client_ca);
struct mw_tls_client *play_site_client(void);

/* Engines for both; the handshake has not begun. */
bool play_open(struct play *play, struct mw_tls_server *server, struct mw_tls_client *client);
/* Until both are done (true) or one failed, or nobody has anything to say. */
bool play_shake(struct play *play);
/* Let a side open all that is on its wire: MW_AGAIN, or how it ended. */
enum mw_err play_read(struct play *play, struct play_side *side);
/* Seal and let the other side open: true if it arrived as it was. */
bool play_say(struct play *play, struct play_side *from, struct mw_slice octets);
/* close_notify both ways, then free. */
void play_close(struct play *play);
/* The usual case in one call: connect, shake hands, take the tickets. */
bool play_all(struct play *play, struct mw_tls_server *server, struct mw_tls_client *client);

#endif
