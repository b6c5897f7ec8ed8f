/* replies.h - the replies that mailweir authors itself (replies.def), by name.
 *
 * Everything that is said in our own words goes through here, so that the catalogue is complete and
 * one place knows how a reply is written (mw_reply_build). Pure; texts are static. */
#ifndef MW_SMTP_REPLIES_H
#define MW_SMTP_REPLIES_H

#include "base/buf.h"
#include "base/slice.h"

enum mw_reply_id {
#define MW_REPLY(name, code, enhanced, text) MW_REPLY_##name,
#include "smtp/replies.def"
#undef MW_REPLY
    MW_REPLY_COUNT
};

/* Append the reply, line end included. */
void mw_reply_own(struct mw_buf *out, enum mw_reply_id id);
/* Its parts, for logs and for verdicts that carry a reply. The enhanced code may be empty (354). */
uint16_t mw_reply_own_code(enum mw_reply_id id);
struct mw_slice mw_reply_own_dsn(enum mw_reply_id id);
struct mw_slice mw_reply_own_text(enum mw_reply_id id);

#endif
