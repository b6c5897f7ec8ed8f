/* report.h - what a judged message leaves behind: facts for filters behind us, its result in the header, counters, log lines, explanations. */
#ifndef DMARC_REPORT_H
#define DMARC_REPORT_H

#include "judge.h"

/* Names of all counters and facts are made here. */
void report_open(struct dmarc *dmarc, struct mw_instance *instance);
void report_count(struct mw_ctx *ctx, const struct dmarc *dmarc, enum tally tally, uint64_t by);
/* A method has left no facts: DMARC judges by less. */
void report_blind(struct mw_ctx *ctx, const struct dmarc *dmarc, enum method method,
                  bool is_loaded);
/* Behind the decision, before it takes effect. */
void report_concluded(const struct lookup *lookup, const struct decision *decision);
/* The message has been tagged or moved. */
void report_edited(const struct lookup *lookup, const struct decision *decision);
/* "dmarc=fail p=reject": for X-Mailweir-Tag and its like. */
struct mw_slice report_tag(const struct judgement *judgement, char out[40]);
/* For host->because(). */
void report_because(const struct lookup *lookup, const struct decision *decision);

#endif
