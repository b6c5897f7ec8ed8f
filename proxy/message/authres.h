/* authres.h - Authentication-Results fields (RFC 8601): whose a received one claims to be, and how
 * our own is written.
 *
 * A field that carries the name of this service (its authserv-id) and comes from outside is forged,
 * and whoever reads the mail later would believe it: RFC 8601 5 wants it deleted. Readers differ in
 * how strict they are, so the question here is not what the grammar says, but whether *any* reader
 * could take the field for ours. Pure; linear in the field. */
#ifndef MW_MESSAGE_AUTHRES_H
#define MW_MESSAGE_AUTHRES_H

#include "message/header.h"

#define MW_AUTHRES_FIELD "Authentication-Results"

enum { MW_AUTHRES_RESULT_MAX = 1000, MW_AUTHRES_ID_MAX = 253 };

/* The form in which ids are compared and written: A-labels (RFC 5891), lower case, no final dot;
 * from `arena`. False: it is no host name that could stand there (letters, digits, "-", "_", "." and
 * UTF-8, at most 253 octets as A-labels). */
bool mw_authres_id(struct mw_slice id, struct mw_arena *arena, struct mw_slice *out_id);

/* Could a reader of this field value take its authserv-id for one of `ids` (as mw_authres_id() made
 * them)? For a well-formed value that is the id which RFC 8601 2.2 reads: behind comments and folds,
 * a word or quoted string, without case, with or without a final dot, as A-labels or U-labels, with
 * or without a version behind it. Where a value is not well-formed in front of its first result, or
 * where readers with less grammar (no nested comments, no quoted pairs, RFC 2047 decoding first)
 * find another first word, each of those words counts as well. */
bool mw_authres_is_own(struct mw_slice value, const struct mw_slice *ids, size_t id_count);

/* One whole field with its name: is it such a one, or does one stand in it behind a bare CR, where
 * some readers begin another field? */
bool mw_authres_is_forged(struct mw_slice field, const struct mw_slice *ids, size_t id_count);

/* Delete all such fields from the header. Returns how many; 0 costs a look at the names and a search
 * for CRs. */
size_t mw_authres_strip(struct mw_headers *headers, const struct mw_slice *ids, size_t id_count);

/* A header that is ended by a line that is no field, and not by an empty one ("no field", " x" as
 * the first line): that line and all behind it are body to us, but many readers go on to the first
 * empty line, and find fields there. What goes through the watch are the octets behind such a
 * header, cut anywhere, up to the end of the message. A line begins behind a CR as well. Zeroed: a
 * beginning; holds 16 KiB at most; ends with fini. */
struct mw_authres_watch {
    struct mw_buf line; /* private: a field as far as it came, if it may be one of results */
    uint64_t line_len;  /* private: octets since the last LF */
    char last;          /* private: the octet before; NUL: none yet */
    bool is_kept;       /* private: `line` is the one at hand */
    bool is_over;       /* the empty line has come: what is behind it is body to everybody */
    bool has_own;       /* a field that a reader could take for ours */
};
/* Both return has_own; the second when the message has ended. Linear. */
bool mw_authres_watch(struct mw_authres_watch *watch, struct mw_slice octets,
                      const struct mw_slice *ids, size_t id_count);
bool mw_authres_watch_end(struct mw_authres_watch *watch, const struct mw_slice *ids,
                          size_t id_count);
void mw_authres_watch_fini(struct mw_authres_watch *watch);

/* Why this may not stand in the field as one result, NULL: it may. `is_utf8`: the message is of
 * SMTPUTF8. */
const char *mw_authres_problem(struct mw_slice result, bool is_utf8);

/* Append the field's value: " ID;" and each result on a line of its own, folded at blanks so that a
 * line has 78 octets where that is possible, and never more than 998. Results are those that
 * mw_authres_problem() lets pass. */
void mw_authres_print(struct mw_slice id, const struct mw_slice *results, size_t count,
                      struct mw_buf *out);

#endif
