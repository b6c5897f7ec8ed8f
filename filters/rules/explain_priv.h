/* explain_priv.h - what explain.c and explain_tree.c share. */
#ifndef RULES_EXPLAIN_PRIV_H
#define RULES_EXPLAIN_PRIV_H

#include "explain.h"

enum { EXPLAIN_LINE_MAX = 1500 };

struct explain {
    const struct mw_host *host;
    struct mw_ctx *ctx;
    size_t next;       /* rules before this one have been told of */
    uint64_t *waiting; /* rules that wait at this stage */
    size_t told;
    size_t quiet, open;              /* not told: do not hold; are not known yet */
    size_t settled;                  /* at an earlier stage */
    const struct rule *verdict_rule; /* the last one that had a verdict to pronounce */
    char room[EXPLAIN_LINE_MAX];
    struct builder line;
};

/* explain->line as one line; a new one begins. */
void rules_explain_tell(struct explain *explain, uint32_t depth);

/* explain_tree.c: what a condition comes to, without effects. */
enum truth rules_explain_truth(struct subject *subject, const struct node *node);
/* Does any test in it hold? */
bool rules_explain_has_true(struct subject *subject, const struct node *node);
/* The tree, from `depth` on. */
void rules_explain_tree(struct subject *subject, const struct node *node, uint32_t depth);

#endif
