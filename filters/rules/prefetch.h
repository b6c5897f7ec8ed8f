/* prefetch.h - patterns matched in a pool thread, before the rules of a stage run.
 *
 * Where much text meets patterns, or patterns that may take long meet more than a little, the loop
 * would stand still: then the sources of the stage are folded, scanned and matched by a job, under
 * one deadline for all, and what each pattern came to for each value is kept in a table that eval.c
 * asks first. What rules edit in the run makes the table stale for what comes from there. */
#ifndef RULES_PREFETCH_H
#define RULES_PREFETCH_H

#include "regex.h"
#include "subject.h"

struct prefetch;

/* The work of the stage that subject->stage says, copied so that it can be done elsewhere. NULL: too
 * little to be worth it. On the loop. */
struct prefetch *rules_prefetch_new(struct subject *subject);
/* Do it. On any thread. */
void rules_prefetch_run(struct prefetch *prefetch);
/* On the loop. */
void rules_prefetch_free(struct prefetch **prefetch);

/* ---- in a run ---- */

/* The result for the value at that place of the test's source. False: it is not known. */
bool rules_prefetched(struct subject *subject, const struct test *test, size_t at,
                      enum regex_result *out_result);
/* Give the source the values that the job had, in all their forms. False: they are not there. */
bool rules_prefetch_fill(struct subject *subject, struct source *source);
/* How long the job took. */
uint64_t rules_prefetch_used_us(const struct prefetch *prefetch);

#endif
