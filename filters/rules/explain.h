/* explain.h - why rules came to what they came to, told line by line (`mailweir explain`).
 *
 * The engine calls these three; they look again at what it has looked at and change nothing that a
 * rule could see: a part of a condition that has an effect (rate) is only looked at if the engine
 * did. Where nobody wants to know, there is no struct explain, and nothing here costs anything. */
#ifndef RULES_EXPLAIN_H
#define RULES_EXPLAIN_H

#include "run_priv.h"

/* For one run of a stage, in the session's or the transaction's memory; NULL: nobody asks. */
struct explain *rules_explain_new(struct subject *subject, struct mw_ctx *ctx);
/* The engine has decided about a rule, and not yet done what it says. `verdict`: what would be
 * pronounced. subject->explain may be NULL, here and below. */
void rules_explain_rule(struct subject *subject, const struct rule *rule, enum decision decision,
                        const struct action *verdict);
/* The stage is over. */
void rules_explain_end(struct subject *subject, enum mw_verdict verdict);

#endif
