/* header.h - a message's header block: taken from the content as it streams in, edited by filters,
 * written once.
 *
 * Octets that no filter touched leave exactly as they came. The block is every line up to the empty
 * line; a line that is no header field ends it too (the body then begins with that line and there
 * is no empty line, as Postfix reads it). Content handed in has canonical CRLF line ends
 * (smtp/dots.h), except in binary messages: there a bare LF ends a line too, as nearly all
 * receivers read it. Lines like "From someone Mon ..." before the first field belong to the block
 * but are no field: Postfix turns them into X-Mailbox-Line and reads on, so must we, or a message
 * could hide its header behind one. RFC 5322 2.2, 3.6.
 *
 * Fields may be looked at and edited once the block is complete. */
#ifndef MW_MESSAGE_HEADER_H
#define MW_MESSAGE_HEADER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/queue.h"

struct mw_charsets;

struct mw_header_limits {
    size_t size_max;   /* octets of the block; MW_ERR_LIMIT beyond */
    size_t fields_max; /* number of fields */
    size_t hops_max;   /* Received: fields */
};

struct mw_field {
    struct mw_slice raw; /* the whole field with its final CRLF; into the block, or the arena for
                            added and changed ones */
    uint32_t name_len;
    bool is_added, is_changed;
    bool is_decoded;
    struct mw_slice decoded; /* UTF-8, unfolded; arena */
};

struct mw_headers {
    struct mw_buf block;     /* as received */
    struct mw_field *fields; /* current fields in order; heap */
    size_t count, cap;
    size_t line_start;   /* private: where the line being read begins in `block`; in the end, where
                            the block ends */
    size_t scan;         /* private: octets of `block` that the decision on that line has seen */
    size_t name_len;     /* private: of the field name that the line begins with */
    size_t preamble_len; /* private: mbox "From " lines before the first field; they leave as they
                            came */
    size_t fields_max;   /* private: from the limits given to mw_headers_take, for edits */
    size_t received;     /* number of Received: fields as received */
    uint8_t line_kind;   /* private: what that line is */
    bool is_complete;    /* the end of the block was seen */
    bool has_separator;  /* an empty line ended it */
    bool is_edited;
    struct mw_arena *arena;
    struct mw_charsets *charsets; /* private: converters opened for mw_field_decoded */
};

void mw_headers_init(struct mw_headers *headers, struct mw_arena *arena);
/* Frees the block and the list. Views into them are gone; what the arena holds stays. */
void mw_headers_fini(struct mw_headers *headers);

/* Take content from the front of `in` until the block is complete: *out_used octets belong to it
 * (they are copied; octets behind it are body). Lines that turn out to be body and were already
 * copied are handed back: *out_body is what must be treated as the body's first octets (view into
 * the block, valid until fini), empty otherwise. MW_OK: complete. MW_AGAIN: more is needed (all of
 * `in` was used). MW_ERR_LIMIT: size or fields over the limit (*out_hops false) or too many hops
 * (true); nothing more may be taken then, mw_headers_finish makes what was read usable for the log.
 * The sum of what is done does not depend on how the content is cut. Linear in the content. */
MW_MUST_USE enum mw_err mw_headers_take(struct mw_headers *headers,
                                        const struct mw_header_limits *limits, struct mw_slice in,
                                        size_t *out_used, struct mw_slice *out_body,
                                        bool *out_hops);
/* The content ended inside the block: what is there becomes fields (or body, see above). */
void mw_headers_finish(struct mw_headers *headers, struct mw_slice *out_body);

struct mw_slice mw_field_name(const struct mw_field *field);
/* As on the wire behind the colon, without the final CRLF; folding and blanks kept. */
struct mw_slice mw_field_value(const struct mw_field *field);
/* Unfolded, RFC 2047-decoded, UTF-8, without blanks at either end; computed once, kept in the
 * arena. */
struct mw_slice mw_field_decoded(struct mw_headers *headers, size_t index);
/* Index of the next field of that name (without case) from `from` on, or -1. */
ptrdiff_t mw_headers_find(const struct mw_headers *headers, struct mw_slice name, size_t from);

/* Edits. MW_ERR_SYNTAX: the name is not ftext (RFC 5322 3.6.8), or the value has a NUL, a bare CR,
 * or a line end that is not followed by a blank ("\n" + blank is taken as folding and written as
 * CRLF). MW_ERR_LIMIT: more than fields_max + 200 fields, a value above 64 KiB, a name above 998
 * octets. MW_ERR_NOENT: bad index (mw_headers_insert takes 0..count, count being the end). One
 * blank is put between colon and value if the value has none. A changed field keeps its name as it
 * was written. */
MW_MUST_USE enum mw_err mw_headers_insert(struct mw_headers *headers, size_t index,
                                          struct mw_slice name, struct mw_slice value);
MW_MUST_USE enum mw_err mw_headers_change(struct mw_headers *headers, size_t index,
                                          struct mw_slice value);
MW_MUST_USE enum mw_err mw_headers_delete(struct mw_headers *headers, size_t index);

/* Write the block as it is now, with its separator. Where the block had none, one is written only
 * if filters edited it and fields are left (who replaces the body of such a message sets is_edited,
 * or the new body's first lines would become fields). `put` is called in order with views that live
 * as long as the headers; an unedited block is one view. */
void mw_headers_write(const struct mw_headers *headers,
                      void (*put)(void *user, struct mw_slice octets), void *user);

/* The block as it was received, its separator included; valid until fini. */
struct mw_slice mw_headers_block(const struct mw_headers *headers);

/* Message-ID's value, trimmed, for the log; empty if there is none. */
struct mw_slice mw_headers_message_id(const struct mw_headers *headers);

/* Unfold and decode one value, appended to `out`: RFC 2047 encoded-words (B and Q, adjacent ones
 * joined, split multi-octet characters healed), raw 8-bit taken as UTF-8 if it is valid, else as
 * ISO 8859-1. Bad octets become U+FFFD; encoded-words that are broken or in an unknown charset stay
 * as they stand. At most `max` octets are written, never half a character. Linear in the value. RFC
 * 2047 2, 4, 6.2; RFC 2231 5 (language suffix); RFC 6532. */
void mw_header_decode(struct mw_slice value, size_t max, struct mw_buf *out);

#endif
