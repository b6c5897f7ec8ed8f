/* check.h - check_host() of RFC 7208 for one sender, without waiting: it runs as far as the answers at hand go, says what it has to
 * know next, and runs again when that is there.
 *
 * Pure: no host, no clock, no socket; whoever owns the check asks the DNS and keeps the deadline. The memory of a check is its own and bounded
 * (CHECK_MEMORY_MAX); so are its questions (CHECK_QUESTIONS_MAX) and the octets of a record (CHECK_RECORD_MAX).
 *
 * Inside: record.c selects and parses records, macro.c expands, answers.c keeps what the DNS said, evaluate.c does includes, redirects and
 * limits, terms.c one term, explain.c the domain's explanation. engine.c is the only file that knows libspf2: it gets rewritten records of
 * literals and tokens, never an octet that a peer chose. */
#ifndef SPF_CHECK_H
#define SPF_CHECK_H

#include "text.h"

enum {
    CHECK_RECORD_MAX = 4096,   /* octets of a record; longer: permerror */
    CHECK_QUESTIONS_MAX = 120, /* DNS questions of one check, those for the explanation included */
    CHECK_TERMS_MAX = 10,      /* terms that cause lookups (RFC 7208 4.6.4) */
    CHECK_VOIDS_MAX = 2,       /* lookups without an answer */
    CHECK_MX_MAX = 10,
    CHECK_PTR_MAX = 10,
    CHECK_EXPLANATION_MAX = 512, /* octets of an explanation, expanded; the rest is cut */
    CHECK_MEMORY_MAX = 1048576
};

enum spf_result {
    SPF_NONE = 0,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULTS
};
/* "none", "pass", ... as RFC 8601 2.7.2 has them. */
const char *spf_result_name(enum spf_result result);

/* A record that stands in the configuration instead of the DNS. */
struct spf_local {
    struct mw_slice domain; /* normal form (domain.h) */
    struct mw_slice record; /* "v=spf1 ..." */
};

struct spf_setup {
    struct mw_slice receiver; /* for %{r} */
    const struct spf_local *locals;
    size_t local_count;
    uint64_t time_s; /* for %{t} */
    bool wants_explanation;
};
/* All of it is copied. */
struct spf_sender {
    const char *address; /* 16 octets, IPv4 mapped */
    /* The identity: an address, its local part as it stands (who has it from MAIL takes the quotes
     * of SMTP off). Empty (null sender): "postmaster@" HELO; the same for a HELO check. */
    struct mw_slice sender;
    struct mw_slice helo;
};

struct spf_check;
/* Never NULL. `setup` is borrowed and has to outlive the check. */
struct spf_check *spf_check_new(const struct spf_setup *setup, const struct spf_sender *sender);
void spf_check_free(struct spf_check **check); /* NULL: nothing */

/* `name`: octets of a name as host->query() takes it; valid until the answer is given. */
struct spf_need {
    struct mw_slice name;
    enum mw_dns_kind kind;
};
/* Run as far as it goes. True: decided. False: *out_needs, *out_count (1 or more, each question once in a check) are what it has to know;
 * give all answers, in any order, then run again. */
bool spf_check_run(struct spf_check *check, const struct spf_need **out_needs, size_t *out_count);
/* The answer to needs[index] of the last run; copied. `answer` NULL: MW_DNS_FAILURE, and so is one that never came when it runs again. */
void spf_check_answer(struct spf_check *check, size_t index, const struct mw_dns_answer *answer);

/* Borrowed from the check. Texts are printable ASCII.
 *   domain         that was checked (normal form); empty where the result is none for want of one
 *   mechanism      the term that decided, as the record has it ("include:_spf.example.net"); "default"
 *                  where none did; empty where there is no record. Of an error: the term that met it
 *   record_domain  whose record that term stands in, in lower case
 *   explanation    of a fail, from exp=: the domain's words, one line; empty: none
 *   problem        of temperror and permerror: what is wrong, where ("2 SPF records at example.net") */
struct spf_verdict {
    enum spf_result result;
    struct mw_slice domain, mechanism, record_domain, explanation, problem;
    size_t questions, terms, voids;
};
void spf_check_verdict(const struct spf_check *check, struct spf_verdict *out_verdict);
/* Decide now: temperror with `why` as its problem ("no result within 20 s"). For a deadline. Where only the explanation is still missing,
 * the result stays and the explanation is left out. */
void spf_check_give_up(struct spf_check *check, const char *why);

#endif
