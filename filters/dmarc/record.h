/* record.h - DMARC policy records: "v=DMARC1; p=reject; rua=mailto:..." (RFC 9989 4.7, 4.8).
 *
 * Pure, linear, no memory of its own. Any octets may come in. A record is one that begins with its
 * version; what is wrong behind that is left out in favour of the tag's default (4.8), and noted. */
#ifndef DMARC_RECORD_H
#define DMARC_RECORD_H

#include "text.h"

/* What the domain's owner asks for, from mild to strict. */
enum policy { POLICY_NONE = 0, POLICY_QUARANTINE, POLICY_REJECT };
const char *policy_name(enum policy policy); /* "none", "quarantine", "reject" */

enum psd { PSD_UNKNOWN = 0, PSD_YES, PSD_NO };

struct dmarc_record {
    enum policy p, sp, np; /* sp and np: filled in from those that count in their place (4.7) */
    enum psd psd;
    bool is_testing;                    /* t=y */
    bool is_dkim_strict, is_spf_strict; /* adkim=s, aspf=s */
    /* False: its policy is not valid and it wants no reports. Where it is the record to be applied, DMARC does not apply (4.10.1). */
    bool is_usable;
    const char *problem; /* static; the first thing that is wrong, or NULL */
};

/* False: no DMARC record at all. */
bool record_parse(struct mw_slice text, struct dmarc_record *out);

enum record_found { RECORD_NONE = 0, RECORD_ONE, RECORD_SEVERAL };
/* The record among the TXT records of a name. RECORD_SEVERAL: none of them counts (4.10 steps 2 and 6). */
enum record_found record_select(const struct mw_slice *texts, size_t count,
                                struct dmarc_record *out);

/* Whose policy is wanted: the domain's at which the record stands, or one's below it. */
enum subject {
    SUBJECT_ITSELF = 0,
    SUBJECT_BELOW,
    SUBJECT_MISSING /* below, and it does not exist */
};
/* One level milder where t=y (4.7). */
enum policy record_policy(const struct dmarc_record *record, enum subject subject);

#endif
