/* answers.h - what the DNS has said in the course of one message: each question is asked once, however many domains' walks go by it, and
 * there is room for ANSWERS_MAX of them and no more.
 *
 * Pure: who reads an answer that is not there makes it a question that waits; whoever owns the table asks the DNS and puts the answers in. */
#ifndef DMARC_ANSWERS_H
#define DMARC_ANSWERS_H

#include "domain.h"
#include "record.h"

enum { ANSWERS_MAX = 48 };

enum answer_state {
    ANSWER_WANTED = 0, /* nobody has asked the DNS yet */
    ANSWER_ASKED,
    ANSWER_NOTHING,
    ANSWER_FOUND, /* of TXT at _dmarc.DOMAIN: a record; of others: something */
    ANSWER_FAILED
};

struct answer {
    char name[DOMAIN_MAX + 1]; /* to ask for: normal form */
    size_t name_len;
    struct mw_slice domain; /* the name without "_dmarc.", a view into it */
    enum mw_dns_kind kind;
    enum answer_state state;
    bool is_missing; /* ANSWER_NOTHING: the name itself does not exist (NXDOMAIN) */
    bool is_bare; /* ANSWER_NOTHING: it does, as far as was said, and has no record of that kind */
    bool is_several; /* more records than one: state is ANSWER_NOTHING (RFC 9989 4.10) */
    struct dmarc_record record;
    void *owner, *pending; /* the owner's */
    uint64_t until_ms;     /* the owner's */
};

struct answers {
    struct answer list[ANSWERS_MAX];
    size_t count;
    bool is_full; /* more was wanted */
};

/* The DMARC record of `domain` (normal form). NULL: there is no more room, which counts as a failure. */
struct answer *answers_record(struct answers *answers, struct mw_slice domain);
/* Whether `domain` has anything of that kind. */
struct answer *answers_any(struct answers *answers, struct mw_slice domain, enum mw_dns_kind kind);

/* What the DNS said; NULL: nothing that could be used. */
void answer_put(struct answer *answer, const struct mw_dns_answer *dns);

static inline bool answer_waits(const struct answer *answer)
{
    return answer->state == ANSWER_WANTED || answer->state == ANSWER_ASKED;
}

#endif
