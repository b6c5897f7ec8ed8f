/* live.h - rules against the mail that goes through the proxy: a subject over the host's table. */
#ifndef RULES_LIVE_H
#define RULES_LIVE_H

#include "subject.h"

/* Run the rules of a stage; `rcpt` at RCPT only. The whole of each hook; MW_WAIT: patterns are matched
 * elsewhere, lists are being asked, or a rule said delay. */
enum mw_verdict rules_live_run(struct mw_ctx *ctx, struct rules *rules, enum mw_stage stage,
                               size_t rcpt);

#endif
