/* import_sa_priv.h - what the importer of SpamAssassin's rules keeps in its own files: the rules
 * that it has read (import_spamassassin.c), and the drafts of their conditions (import_sa_tests.c,
 * import_sa_meta.c). */
#ifndef RULES_IMPORT_SA_PRIV_H
#define RULES_IMPORT_SA_PRIV_H

#include "import_priv.h"

enum { SA_BUCKETS = 4096 };

enum sa_type { SA_NONE = 0, SA_HEADER, SA_BODY, SA_RAWBODY, SA_URI, SA_META, SA_OTHER };

struct sa_rule {
    struct mw_slice name, text; /* what stands behind the name */
    enum sa_type type;
    uint32_t line; /* of the definition that counts; 0: none */
    struct mw_slice describe;
    uint32_t describe_line, score_line;
    int64_t score;           /* thousandths */
    bool has_score, is_open; /* open: being written, so that a meta of itself is found */
    struct sa_rule *chain, *next;
};

struct sa {
    struct import *import;
    struct sa_rule *buckets[SA_BUCKETS], *rules, **tail;
    uint32_t depth, block_depth; /* of `if` and `ifplugin` */
};

/* ---- import_spamassassin.c ---- */

/* The rule of that name; if there is none it is made, without a line, or NULL. */
struct sa_rule *import_sa_rule(struct sa *sa, struct mw_slice name, bool makes);
bool import_sa_is_name(struct mw_slice name);

/* A condition being written. */
struct draft {
    struct sa *sa;
    struct builder to;
    uint32_t factors; /* tests, nots and parentheses so far */
    const char *why;  /* it cannot be carried over; static or from import_format() */
};

void import_sa_put(struct draft *draft, struct mw_slice text);
/* False; the first reason stays. */
bool import_sa_fail(struct draft *draft, const char *why);
/* One parenthesis, `not` or rule further in; leave() is its end, whatever enter() said. */
bool import_sa_enter(struct draft *draft);
void import_sa_leave(struct draft *draft);
/* The condition of a whole rule, whatever its type. False: draft->why. */
bool import_sa_condition(struct draft *draft, struct sa_rule *rule);

/* ---- conditions of what stands behind a rule's name; false: draft->why ---- */

bool import_sa_header(struct draft *draft, struct mw_slice text);
/* body, rawbody, uri */
bool import_sa_text(struct draft *draft, enum sa_type type, struct mw_slice text);
bool import_sa_meta(struct draft *draft, struct mw_slice text);

#endif
