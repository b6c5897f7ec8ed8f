/* run_priv.h - what run.c and run_end.c share: which rule is next, what it comes to. */
#ifndef RULES_RUN_PRIV_H
#define RULES_RUN_PRIV_H

#include "plan.h"
#include "subject.h"

/* The rules of a stage, one after the other. */
struct walk {
    struct subject *subject;
    const struct stage_plan *plan;
    size_t at;          /* rules before it have had their turn */
    size_t next_source; /* triggers of those before it are known */
};
void rules_walk_begin(struct walk *walk, struct subject *subject);
/* NULL: no more. */
const struct rule *rules_walk_next(struct walk *walk);
/* A rule has done something: what it edited may trigger others. */
void rules_walk_renew(struct walk *walk);

/* Which verdicts must wait, as far as the rules above have told. */
struct queue {
    bool waits[SCOPE_COUNT];
    bool all_wait;
};

enum decision { DECISION_WAITS = 0, DECISION_NO, DECISION_YES };

/* YES with *out_verdict: what to pronounce after the actions, NULL for none. */
enum decision rules_decide(struct subject *subject, const struct rule *rule, struct queue *queue,
                           const struct action **out_verdict);
/* The rule holds: do what it says. Returns the verdict to pronounce, or NULL. */
const struct action *rules_fire(struct subject *subject, const struct rule *rule,
                                const struct action *verdict);
/* Only what lets the mail pass, or swallows it, is remembered. */
enum mw_verdict rules_end(struct subject *subject, const struct rule *rule,
                          const struct action *verdict);
void rules_settle(struct subject *subject, const struct rule *rule, enum decision decision);

/* run_end.c */
enum mw_verdict rules_run_end(struct subject *subject);

#endif
