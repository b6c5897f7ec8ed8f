/* report.h - what a judged message leaves behind: facts for filters behind us, counters, log lines, results in the header. */
#ifndef SPF_REPORT_H
#define SPF_REPORT_H

#include "judge.h"

/* Names of all counters and facts are made here. */
void report_open(struct spf *spf, struct mw_instance *instance);

/* Once a message, when all its checks are done. */
void report_skip(struct mw_ctx *ctx, const struct spf *spf, const struct transaction *transaction);
/* Behind the decision: facts, debug lines, Authentication-Results. */
void report_concluded(struct mw_ctx *ctx, const struct spf *spf,
                      const struct transaction *transaction);
/* `profile enforce` would have done it. */
void report_would(struct mw_ctx *ctx, const struct spf *spf, const struct transaction *transaction);
void report_quarantined(struct mw_ctx *ctx, const struct spf *spf,
                        const struct transaction *transaction);
/* For `mailweir explain`. */
void report_explain(struct mw_ctx *ctx, const struct spf *spf,
                    const struct transaction *transaction);

/* "spf=fail", "spf-helo=fail" */
struct mw_slice report_tag(const struct finding *finding, char out[40]);
/* "fail", "helo-fail": what `rule=` of the log has. */
struct mw_slice report_rule(const struct finding *finding, char out[40]);
void report_count(struct mw_ctx *ctx, const struct spf *spf, enum tally tally, uint64_t by);

#endif
