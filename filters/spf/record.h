/* record.h - SPF records: which TXT strings are one, and what terms stand in it (RFC 7208 4.5, 4.6, 5, 6, 12).
 *
 * Pure: views into the record, no allocation, linear. The grammar is kept to the letter: any record that the ABNF does not derive is refused,
 * whether or not the bad term would ever be reached (RFC 7208 4.6). */
#ifndef SPF_RECORD_H
#define SPF_RECORD_H

#include "text.h"

/* How many of the TXT strings are SPF records; *out_record is the first of them (untouched if there is none). */
size_t record_select(const struct mw_slice *strings, size_t count, struct mw_slice *out_record);

enum record_kind {
    RECORD_ALL = 0,
    RECORD_INCLUDE,
    RECORD_A,
    RECORD_MX,
    RECORD_PTR,
    RECORD_IP4,
    RECORD_IP6,
    RECORD_EXISTS,
    /* modifiers */
    RECORD_REDIRECT,
    RECORD_EXP,
    RECORD_OTHER
};
struct record_term {
    enum record_kind kind;
    char qualifier;            /* '+', '-', '~' or '?'; 0 of modifiers */
    struct mw_slice text;      /* all of it, as written; printable ASCII */
    struct mw_slice domain;    /* the domain-spec; empty: none given */
    unsigned char address[16]; /* RECORD_IP4: the first 4 octets */
    unsigned bits4, bits6; /* prefix lengths: of the address, or of those that `a` and `mx` find */
};

struct record_reader {
    struct mw_slice rest;
    bool has_redirect, has_exp;
    /* of RECORD_BAD */
    const char *problem;   /* "unknown mechanism" */
    struct mw_slice where; /* the term; may hold any octet */
};
enum record_step { RECORD_END = 0, RECORD_TERM, RECORD_BAD };
/* `record` was selected by record_select(). */
void record_begin(struct record_reader *reader, struct mw_slice record);
/* After RECORD_BAD or RECORD_END: no more. */
enum record_step record_next(struct record_reader *reader, struct record_term *out_term);

#endif
