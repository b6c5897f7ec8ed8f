/* check_priv.h - what the files of a check share: its table of answers, and the state of one evaluation.
 *
 * An evaluation starts at the beginning each time and runs until it meets a question that the table cannot answer (HALT_MISS). That costs a
 * few microseconds a round and at most as many rounds as there are lookups one behind the other; nothing has to be kept between them
 * but answers, parsed records (plans) and expanded names. Counters (terms, voids) start at zero with it. */
#ifndef SPF_CHECK_PRIV_H
#define SPF_CHECK_PRIV_H

#include "check.h"
#include "engine.h"
#include "macro.h"
#include "pool.h"
#include "record.h"

enum {
    NEEDS_MAX = 10,  /* asked at a time: the hosts of one MX, the names of one PTR */
    NAMES_KEPT = 11, /* of an MX or PTR answer: one more than is looked at */
    ANSWERS_MAX =
        CHECK_MEMORY_MAX -
        512 * 1024, /* octets of answers; the rest is for plans, names and texts, which are few */
    TEXT_SHOWN_MAX = 255 /* octets of a domain or a term in a verdict */
};

/* ---- answers ---- */

struct question {
    struct question *next;
    struct mw_slice name;
    uint64_t hash;
    enum mw_dns_kind kind;
    bool is_answered;
    enum mw_dns_outcome outcome; /* FOUND only with something in it */
    /* addresses: 4 or 16 octets each, one behind the other */
    const unsigned char *addresses;
    size_t count; /* of addresses, names or strings */
    /* names of hosts, at most NAMES_KEPT of them */
    struct mw_slice *names;
    /* strings: how many are SPF records, the first one, and the only string. .ptr NULL: longer than CHECK_RECORD_MAX */
    size_t records;
    struct mw_slice record, single;
};

/* ---- records, read and ready to be evaluated ---- */

struct plan_term {
    struct record_term term;
    struct mw_slice target; /* the name it is about, as soon as that is known */
    bool is_expanded, can_ask;
};
struct plan {
    struct plan *next;
    struct mw_slice domain; /* whose record it is, as it was asked for */
    struct mw_slice record;
    /* What is wrong with it; empty: nothing */
    struct mw_slice problem, bad_term;
    /* Without the terms that cannot decide: addresses that do not match, what stands behind one that does, or behind the 11th lookup */
    struct plan_term terms[ENGINE_TERMS_MAX];
    size_t count;
    struct plan_term redirect;
    bool has_redirect;
    struct mw_slice exp; /* empty: none */
};

/* ---- a check ---- */

enum halt { HALT_NONE = 0, HALT_MISS, HALT_ERROR };

struct spf_check {
    const struct spf_setup *setup;
    struct pool pool; /* all that the check points to */

    unsigned char address[16];      /* IPv4: the first 4 octets */
    size_t address_len;             /* 4 or 16 */
    struct mw_slice domain;         /* normal form; empty: none */
    struct mw_slice domain_written; /* the same as the sender wrote it, if ASCII */
    /* all but %{d} and %{p}; those of %{i}, %{c}, %{v}, %{t} and %{r} by check_values() */
    struct macro_values values;
    bool has_values;

    struct question *questions;
    size_t question_count, answer_octets;
    bool is_over_questions, is_over_memory;
    struct spf_need needs[NEEDS_MAX];
    struct question *needed[NEEDS_MAX];
    size_t need_count;

    struct plan *plans;
    enum halt halt;
    size_t terms, voids;

    bool is_decided, is_complete; /* complete: the explanation as well */
    struct spf_verdict verdict;
    struct plan *explained_by; /* whose exp= counts */
};

/* What the table says, or NULL: noted as a need (HALT_MISS). Beyond the limits of a check the answer is a failure, and is_over_questions or
 * is_over_memory says why. A name that cannot be asked for is MW_DNS_NOTHING. */
const struct question *answers_ask(struct spf_check *check, struct mw_slice name,
                                   enum mw_dns_kind kind);
void answers_take(struct spf_check *check, struct question *question,
                  const struct mw_dns_answer *answer);
/* check->values, filled in: few records have a macro. */
const struct macro_values *check_values(struct spf_check *check);
/* Labels of 1 to 63 octets, DOMAIN_MAX in all, no NUL. */
bool answers_can_ask(struct mw_slice name);
enum mw_dns_kind answers_address_kind(const struct spf_check *check);
/* One of its addresses is the client's, in the first `bits4` or `bits6` bits. */
bool answers_match(const struct spf_check *check, const struct question *question, unsigned bits4,
                   unsigned bits6);
bool check_matches(const struct spf_check *check, const unsigned char *address, unsigned bits4,
                   unsigned bits6);

/* Sets verdict, is_decided unless it had to halt (HALT_MISS). */
void check_evaluate(struct spf_check *check);
/* The explanation of a fail. True: there is one, or it is known that there is none. */
bool check_explain(struct spf_check *check);

/* One term of `plan` that needs a lookup. */
enum engine_answer term_test(struct spf_check *check, struct plan *plan, struct plan_term *term);
/* A domain that an include or redirect names: its result. False: halted. */
struct finding {
    enum spf_result result;
    struct plan *plan; /* NULL: there is no record */
    struct mw_slice mechanism;
};
bool evaluate_domain(struct spf_check *check, struct mw_slice domain, struct finding *out);
/* Count a term that needs lookups. False: too many, halted. */
bool term_count(struct spf_check *check, const struct plan *plan, const struct plan_term *term);
/* term->target is there afterwards, empty if the term has none that can be asked for. False: halted. */
bool term_expand(struct spf_check *check, const struct plan *plan, struct plan_term *term);
/* What %{p} stands for, at `domain`. False: halted. */
bool client_name(struct spf_check *check, struct mw_slice domain, struct mw_slice *out);
/* %{d} and %{p} for texts of `plan`, where `text` uses them. False: halted. */
bool macro_fill(struct spf_check *check, const struct plan *plan, struct mw_slice text,
                struct macro_values *out);

/* HALT_ERROR with that result; the first one stays. `plan`, `term`: NULL or where. `parts`: the problem, joined. */
void check_error(struct spf_check *check, enum spf_result result, const struct plan *plan,
                 struct mw_slice term, const struct mw_slice *parts, size_t count);
#define CHECK_ERROR(check, result, plan, term, ...)                                \
    check_error(check, result, plan, term, (const struct mw_slice[]){__VA_ARGS__}, \
                sizeof((const struct mw_slice[]){__VA_ARGS__}) / sizeof(struct mw_slice))
/* A printable copy, cut. */
struct mw_slice check_shown(struct spf_check *check, struct mw_slice text);
/* The same of the domain of `plan`, in lower case; NULL: empty. */
struct mw_slice check_shown_domain(struct spf_check *check, const struct plan *plan);

#endif
