/* verify.h - the signatures of one message: what they are, what has to be asked for them, what becomes of them, and whether they still hold
 * when the message has been edited. RFC 6376 6.
 *
 * Pure: no host, no clock, no socket. The order: new (the header is complete), answer() and feed() in any order, end(), then the verdicts, then
 * again() as often as wanted. The memory of a check is its own: for each signature looked at the field itself (SIGNATURE_MAX), 4 KB for the
 * names it signs and 5 KB besides.
 *
 * What a signature covers is hashed when the header is there, and its key is tried when the answer comes: a message with many
 * signatures keeps the loop for one of them at a time. A check holds no keys. */
#ifndef DKIM_VERIFY_H
#define DKIM_VERIFY_H

#include "canon.h"

struct key_cache;

enum {
    DKIM_SIGNATURES_MAX = 50, /* what a check takes; `max-signatures` has a bound of its own */
    DKIM_KEYS_MAX = 3         /* records at one selector that are tried */
};

struct dkim_setup {
    size_t signatures_max, key_bits_min;
    bool allows_length;    /* signatures over a part of the body */
    bool is_checked_again; /* dkim_check_again() will be called */
    uint64_t now_s, tolerance_s;
    struct key_cache *keys; /* outlives the check; NULL: none are kept */
};

struct dkim_check;
/* `fields`: the header as it came, from the top; borrowed until return. `author`: the domain of From (normal form, may be empty): of
 * several results as good as each other the one nearest to it counts. NULL: there is no signature. */
struct dkim_check *dkim_check_new(const struct dkim_setup *setup, const struct field *fields,
                                  size_t count, struct mw_slice author);
void dkim_check_free(struct dkim_check **check); /* NULL: nothing */

size_t dkim_check_count(const struct dkim_check *check);   /* signatures looked at */
size_t dkim_check_ignored(const struct dkim_check *check); /* and those beyond the limit */

/* The name whose TXT records have the key; empty: nothing has to be asked for signature `index`. */
struct mw_slice dkim_check_question(const struct dkim_check *check, size_t index);
/* NULL: MW_DNS_FAILURE. Tries the keys. */
void dkim_check_answer(struct dkim_check *check, size_t index, const struct mw_dns_answer *answer);

/* False: no signature needs the body any more (never, or after a piece). */
bool dkim_check_wants_body(const struct dkim_check *check);
void dkim_check_feed(struct dkim_check *check, struct mw_slice piece);
/* The message is complete; questions without an answer are temperrors. */
void dkim_check_end(struct dkim_check *check);

/* Valid as long as the check; texts are views into it. */
struct dkim_verdict {
    enum dkim_result result;
    const char
        *problem; /* what is wrong; also of a pass that has something to note; NULL: nothing */
    struct mw_slice domain, selector; /* normal forms; empty: could not be read */
    struct mw_slice identity;         /* i=, without blanks; "@domain" if it is not given */
    struct mw_slice algorithm;        /* a= as given, without blanks */
    struct mw_slice
        tag; /* of b=: as many octets as tell it from the message's others, 8 at least (RFC 6008) */
    size_t key_bits; /* 0: no key was tried */
    bool is_testing; /* t=y */
    bool is_author;  /* the domain is the author's, or one above or below it */
};
const struct dkim_verdict *dkim_check_verdict(const struct dkim_check *check, size_t index);
/* The signature that stands for the message. */
size_t dkim_check_best(const struct dkim_check *check);
/* Those with that result, the nearest to the author first; returns their number, at most the number of signatures. */
size_t dkim_check_having(const struct dkim_check *check, enum dkim_result result,
                         size_t out_indexes[DKIM_SIGNATURES_MAX]);

/* What of a signature that passed does not hold any more. */
enum dkim_part {
    DKIM_PART_NONE = 0,
    DKIM_PART_HEADER,
    DKIM_PART_BODY,
    DKIM_PART_SIGNATURE /* its field is gone */
};
const char *dkim_part_name(enum dkim_part part);
/* Signature `index`, which passed, over the header as it is now, and the body if that was replaced (`body` NULL: it was not). Out_name: of
 * DKIM_PART_HEADER the first signed field that differs. */
enum dkim_part dkim_check_again(const struct dkim_check *check, size_t index,
                                const struct field *fields, size_t count,
                                const struct mw_slice *body, struct mw_slice *out_name);

#endif
