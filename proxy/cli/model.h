/* model.h - a mail server in memory that takes everything: what `mailweir simulate` puts behind the
 * real session.
 *
 * It speaks as Postfix does (the EHLO list, the words of the replies), accepts every sender,
 * recipient, login and message, and keeps nothing but what the last message looked like: the
 * envelope, and the first octets of the content, as mailweir sent them. Pure: octets in, octets
 * out. Its peer is our own session, so a line or content that is not well-formed is our own mistake
 * and merely gets a 500. */
#ifndef MW_CLI_MODEL_H
#define MW_CLI_MODEL_H

#include "base/buf.h"

enum {
    MW_MODEL_HEADER_MAX = 1048576,   /* octets of content that are kept: every header block that a
                                        listener may allow by default, and some */
    MW_MODEL_ENVELOPE_MAX = 1048576, /* octets of MAIL and RCPT lines */
};

/* What the model announces besides what every Postfix does; set by its owner. */
struct mw_model_offers {
    bool has_xclient, has_xforward, has_starttls;
};

enum mw_model_mode {
    MW_MODEL_COMMAND = 0,
    MW_MODEL_LOGIN_NAME, /* AUTH LOGIN: the name comes, then the password */
    MW_MODEL_RESPONSE,   /* the last response of an AUTH dialogue comes */
    MW_MODEL_CONTENT,    /* behind 354 */
    MW_MODEL_CHUNK,      /* behind BDAT */
};

struct mw_model {
    struct mw_model_offers offers;
    /* Called for each complete message, before its reply is made. */
    void (*on_message)(void *user, const struct mw_model *model);
    void *user;

    struct mw_buf envelope;  /* "MAIL FROM:<a@b> SIZE=1\nRCPT TO:<c@d>\n": as they came */
    struct mw_buf header;    /* the content's header block, with its empty line if it came */
    uint64_t size;           /* octets of content */
    bool is_header_complete; /* ... or too long to be kept */

    /* private */
    struct mw_buf in; /* not used yet */
    enum mw_model_mode mode;
    bool is_mid_line;    /* CONTENT: the front of `in` continues a line */
    bool is_last_chunk;  /* CHUNK */
    uint64_t chunk_left; /* CHUNK: octets to come */
};

void mw_model_init(struct mw_model *model, const struct mw_model_offers *offers);
void mw_model_fini(struct mw_model *model);
/* A connection was made: the greeting. What an earlier connection left is forgotten. */
void mw_model_greet(struct mw_model *model, struct mw_buf *out_replies);
/* Octets from the client; replies are appended. */
void mw_model_take(struct mw_model *model, struct mw_slice octets, struct mw_buf *out_replies);

#endif
