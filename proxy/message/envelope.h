/* envelope.h - sender and recipients of one transaction: as the client gave them, as filters
 * changed them, and what became of each. Plain values in the transaction's arena; nothing here
 * sends anything.
 *
 * The envelope that goes upstream is `sender.address` and every recipient whose mw_rcpt_is_wanted()
 * holds. */
#ifndef MW_MESSAGE_ENVELOPE_H
#define MW_MESSAGE_ENVELOPE_H

#include <mailweir/filter.h>

#include "base/arena.h"
#include "smtp/command.h"

struct mw_mailbox {
    struct mw_slice original; /* without brackets, as the client gave it */
    struct mw_slice address; /* as filters changed it; same pointer as `original` if they did not */
    struct mw_slice local, domain; /* of `address` */
    struct mw_slice params; /* ESMTP parameters as the client wrote them; empty for recipients that
                               a filter added */
};

struct mw_rcpt {
    struct mw_mailbox mailbox;
    enum mw_rcpt_status status;
    uint16_t code;    /* of the reply that the client got, 0 while there is none */
    bool is_upstream; /* the upstream's transaction has this recipient under `sent` */
    struct mw_slice
        sent; /* the address that the upstream was given; set by the session, as is_upstream */
};

struct mw_envelope {
    struct mw_mailbox sender;
    bool has_sender;
    struct mw_slice
        sent_sender; /* as given to the upstream, set by the session; .ptr NULL: no MAIL was sent */
    uint64_t declared_size; /* SIZE=, 0 if none */
    bool is_binary;         /* BODY=BINARYMIME */
    bool is_utf8;           /* SMTPUTF8 */
    struct mw_rcpt *rcpts;  /* heap: grows by doubling; mw_envelope_fini frees */
    size_t rcpt_count, rcpt_cap;
    size_t accepted, refused_by_filter, refused_by_upstream,
        discarded;          /* recipients with that status now */
    struct mw_arena *arena; /* the transaction's: addresses are copied into it */
};

/* Hard limit of recipients that we keep for one transaction (the client gets 452 4.5.3 beyond). RFC
 * 5321 4.5.3.1.8 asks for 100. */
enum { MW_RCPTS_MAX = 10000 };

void mw_envelope_init(struct mw_envelope *envelope, struct mw_arena *arena);
void mw_envelope_fini(struct mw_envelope *envelope);
/* Copies all of `arg` into the arena. */
void mw_envelope_set_sender(struct mw_envelope *envelope, const struct mw_envelope_arg *arg);
/* The new recipient is PENDING; *out_index is its index. MW_ERR_LIMIT at MW_RCPTS_MAX. */
MW_MUST_USE enum mw_err mw_envelope_add_rcpt(struct mw_envelope *envelope,
                                             const struct mw_envelope_arg *arg, size_t *out_index);
/* Filters' edits: MW_ERR_SYNTAX if the address may not go on the wire (mw_path_is_safe),
 * MW_ERR_LIMIT at MW_RCPTS_MAX, MW_ERR_NOENT for a bad index or where there is no sender. Adding an
 * address that is already wanted does nothing (MW_OK), nor does deleting a recipient that is not.
 */
MW_MUST_USE enum mw_err mw_envelope_rewrite_sender(struct mw_envelope *envelope,
                                                   struct mw_slice address);
MW_MUST_USE enum mw_err mw_envelope_rewrite_rcpt(struct mw_envelope *envelope, size_t index,
                                                 struct mw_slice address);
MW_MUST_USE enum mw_err mw_envelope_insert_rcpt(struct mw_envelope *envelope,
                                                struct mw_slice address);
MW_MUST_USE enum mw_err mw_envelope_delete_rcpt(struct mw_envelope *envelope, size_t index);
/* Status changes keep the counters right; `code` is the reply's. */
void mw_envelope_set_status(struct mw_envelope *envelope, size_t index, enum mw_rcpt_status status,
                            uint16_t code);

/* The message is to go to this recipient: it is PENDING, ACCEPTED or ADDED. */
bool mw_rcpt_is_wanted(const struct mw_rcpt *rcpt);
/* What has to be done so that the upstream's transaction equals the wanted envelope: nothing, only
 * further RCPTs, or RSET and the whole envelope again (a sender or recipient changed or was
 * deleted). */
enum mw_envelope_gap { MW_GAP_NONE = 0, MW_GAP_ADD, MW_GAP_REPLAY };
enum mw_envelope_gap mw_envelope_gap(const struct mw_envelope *envelope);
/* Next wanted recipient from index `from` on that is not upstream (or, with `all`, every wanted
 * one); -1 if there is none. */
ptrdiff_t mw_envelope_next_unsent(const struct mw_envelope *envelope, size_t from, bool all);
size_t mw_envelope_wanted(const struct mw_envelope *envelope);

#endif
