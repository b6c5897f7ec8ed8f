/* report.h - what a loaded set has to say of itself: `mailweir check --stages` and `--cost`, `mailweir
 * test --coverage`. Tables of aligned columns, one line at a time. */
#ifndef RULES_REPORT_H
#define RULES_REPORT_H

#include "model.h"

/* "stages": when each rule is decided, for whom, and why not sooner.
 * "cost": what the patterns of each rule cost, dearest first (measures: a millisecond a pattern).
 * "rules": names, places and counters.
 * "coverage": the rules that no test block has reached, once the tests have run.
 * 0: no such topic. */
int rules_report(struct rules *rules, const char *topic, mw_report_line *line, void *user);

/* coverage.c: the rules that held (or would have) in a test block. */
void rules_coverage_note(struct rules *rules, const struct rule *const *hits, size_t count);
void rules_coverage_report(const struct rules *rules, mw_report_line *line, void *user);

#endif
