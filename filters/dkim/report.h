/* report.h - what a judged message leaves behind: facts for filters behind us, results in the header, counters, log lines, explanations. */
#ifndef DKIM_REPORT_H
#define DKIM_REPORT_H

#include "judge.h"
#include "policy.h"

/* Names of all counters and facts are made here. */
void report_open(struct dkim *dkim, struct mw_instance *instance);
void report_count(struct mw_ctx *ctx, const struct dkim *dkim, enum tally tally, uint64_t by);
/* `why`: the setting. */
void report_skip(struct mw_ctx *ctx, const struct dkim *dkim, enum tally why);
/* Behind the decision, before it takes effect. `check` NULL: there is no signature. */
void report_concluded(struct mw_ctx *ctx, const struct dkim *dkim, const struct message *message,
                      const struct dkim_check *check, const struct decision *decision);
void report_quarantined(struct mw_ctx *ctx, const struct dkim *dkim,
                        const struct decision *decision);
/* An edit broke signature `index`. */
void report_broken(struct mw_ctx *ctx, const struct dkim *dkim, const struct dkim_verdict *verdict,
                   enum dkim_part part, struct mw_slice field);

#endif
