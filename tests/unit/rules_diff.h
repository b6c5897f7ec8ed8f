/* rules_diff.h - the engine against the reference, and against itself in other settings, over one
 * generated case (rules_gen.h). Each plays the same dialogue in a context of its own and leaves a
 * trace: after each hook the verdict, the reply, the envelope, the header block, scores, tags,
 * variables, what was logged and what each rule's counters say. Traces must be the same. */
#ifndef RULES_DIFF_H
#define RULES_DIFF_H

#include "rules_gen.h"

enum diff_against {
    DIFF_REFERENCE = 0,     /* the reference, called at the stages that the engine asks for */
    DIFF_REFERENCE_PATIENT, /* ... and it looks at no verdict below one that is still open */
    DIFF_NO_INDEX,          /* the engine with `index off` */
    DIFF_COUNT
};

struct diff_totals {
    uint64_t cases, rules, refused, beyond, hooks, hits, errors, observed, verdicts[8];
};

/* False: they differ. Rules that cannot be loaded are switched off in `at`. */
bool diff_case(struct gen_case *at, enum diff_against against, struct diff_totals *totals);
/* Switch off what is not needed for the difference, and print what is left. */
void diff_explain(struct gen_case *at, enum diff_against against);

#endif
