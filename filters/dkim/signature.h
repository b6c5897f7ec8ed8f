/* signature.h - one DKIM-Signature field, read and judged by itself: syntax, versions, what its tags say of each other. RFC 6376 3.5, RFC 8301,
 * RFC 8463.
 *
 * Pure: views into the field, no allocation. Linear. What needs the clock, the key or the message is verify.c's. */
#ifndef DKIM_SIGNATURE_H
#define DKIM_SIGNATURE_H

#include "domain.h"

enum {
    SIGNATURE_MAX = 16384,     /* octets of a field; a longer one is not read */
    SIGNATURE_NAMES_MAX = 512, /* names in h= */
    SIGNATURE_DATA_MAX = 512   /* octets of b=: RSA of 4096 bits */
};

/* Results as RFC 8601 2.7.1 names them, the better one first. A temperror may be a pass when it is looked at again, so it comes before what
 * will not. */
enum dkim_result {
    DKIM_PASS = 0,
    DKIM_TEMPERROR,
    DKIM_POLICY,
    DKIM_NEUTRAL,
    DKIM_FAIL,
    DKIM_PERMERROR,
    DKIM_NONE,
    DKIM_RESULTS
};
const char *dkim_result_name(enum dkim_result result);

enum canon { CANON_SIMPLE = 0, CANON_RELAXED, CANONS };
enum algorithm { ALGORITHM_OTHER = 0, ALGORITHM_RSA_SHA256, ALGORITHM_ED25519_SHA256 };

struct signature {
    /* What could be read, also of a signature that is not valid; empty else. */
    struct mw_slice domain, selector; /* normal forms; into the two arrays */
    struct mw_slice algorithm_name;   /* a= as it stands */
    struct mw_slice data_text;        /* b= as it stands */
    struct mw_slice identity;         /* i= as it stands; empty: "@domain" is meant */
    /* Only of a valid one. */
    enum algorithm algorithm;
    enum canon header, body;
    struct mw_slice names; /* h=: names with ':' between, none empty, From among them */
    size_t name_count;
    unsigned char body_hash[32], data[SIGNATURE_DATA_MAX];
    size_t data_len;
    bool has_length, has_time, has_expiry,
        is_own_domain; /* l=, t=, x=; the domain of i= is that of d= */
    uint64_t length, time_s, expiry_s;
    size_t data_at,
        data_end; /* octets of the value between which b='s value stands, blanks around it included */
    char domain_room[DOMAIN_MAX + 1], selector_room[DOMAIN_MAX + 1];
};

/* `value` is the field's, as it stands behind the colon. NULL: valid. Else what is wrong with it, and *out_result what becomes of it. The views
 * hold as long as `value` and as long as *out is not moved. */
const char *signature_parse(struct mw_slice value, struct signature *out,
                            enum dkim_result *out_result);

/* Names of h=, one after the other: the first of *rest, trimmed, which becomes what is behind it. False: there is none left. */
bool signature_next_name(struct mw_slice *rest, struct mw_slice *out_name);

#endif
