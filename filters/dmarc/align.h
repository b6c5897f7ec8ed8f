/* align.h - the verdict of DMARC: does something that SPF or DKIM has authenticated belong to the author's organization, and if not, what
 * does the domain's owner want done (RFC 9989 4.4, 5.3)?
 *
 * Pure. Runs as far as the answers at hand go; what it has to know next waits in the table of answers (answers.h). */
#ifndef DMARC_ALIGN_H
#define DMARC_ALIGN_H

#include "author.h"
#include "walk.h"

enum dmarc_result {
    DMARC_NONE = 0,
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR,
    DMARC_PERMERROR,
    DMARC_RESULTS
};
const char *dmarc_result_name(enum dmarc_result result); /* as RFC 8601 2.7 has them */

enum method { METHOD_SPF = 0, METHOD_DKIM, METHOD_COUNT };

enum { IDENTIFIERS_MAX = 32 };
/* What has been authenticated (RFC 9989 4.3). */
struct identifier {
    char octets[DOMAIN_MAX + 1];
    struct mw_slice domain; /* normal form */
    enum method method;
    bool is_open; /* not authenticated, but perhaps later: the method's lookup failed (temperror) */
};
struct identifiers {
    struct identifier list[IDENTIFIERS_MAX];
    size_t count;
    bool is_open[METHOD_COUNT]; /* the method's lookup failed, and for which domain is not known */
};
/* One more, `domain` as the method tells it. What is no domain, is there already or finds no room is left out. */
void identifiers_add(struct identifiers *identifiers, enum method method, struct mw_slice domain,
                     bool is_open);

enum { PROBLEM_MAX = 200 };
struct judgement {
    enum dmarc_result result;
    /* Views of the author domain that this is about: */
    struct mw_slice domain;        /* itself; empty: none */
    struct mw_slice organization;  /* empty: not known */
    struct mw_slice record_domain; /* where the applied record stands; empty: there is none */
    enum policy policy; /* with pass and fail: what the owner wants done with mail that fails */
    bool is_aligned[METHOD_COUNT];
    bool is_blind;             /* would be a fail, if no method had kept silent (policy_see()) */
    char problem[PROBLEM_MAX]; /* printable ASCII, empty: nothing to tell */
};

/* Judge the message. `identifiers` NULL: they are not known yet; everything is asked for that does not depend on them. False: answers are
 * missing, or identifiers. Several authors: the judgement that is worst, a fail by a strict policy before all others. */
bool align_judge(struct answers *answers, const struct authors *authors,
                 const struct identifiers *identifiers, struct judgement *out);

#endif
