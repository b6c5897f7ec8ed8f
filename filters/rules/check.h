/* check.h - what has to be known of a rule set before it may run: stages, scopes, waits, and what
 * is wrong with it. */
#ifndef RULES_CHECK_H
#define RULES_CHECK_H

#include "model.h"

/* Completes every rule in file order and reports what can never work. Call once, after all files
 * are parsed without error. */
void rules_check(struct rules *rules);

/* stages.c: what a condition can come to at `stage`, as bits 1 << enum truth (subject.h), when
 * everything known is open. */
unsigned rules_possible(const struct node *node, enum mw_stage stage);
/* stages.c: the lists of rules for each stage, and the stages that the host must call. */
void rules_plan(struct rules *rules);

#endif
