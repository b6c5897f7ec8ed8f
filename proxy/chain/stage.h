/* stage.h - what is known about each stage and verdict as such (stages.def): names for logs,
 * scopes, hooks.
 *
 * Pure tables. Used by the run, by the host, and by whoever logs "stage=". */
#ifndef MW_CHAIN_STAGE_H
#define MW_CHAIN_STAGE_H

#include <mailweir/filter.h>

#include <stdbool.h>

/* How far an ACCEPT reaches. */
enum mw_scope { MW_SCOPE_NONE = 0, MW_SCOPE_SESSION, MW_SCOPE_TRANSACTION, MW_SCOPE_RCPT };

/* Static names for logs: "end_of_headers", "tempfail"; "?" for a value outside the enum. */
const char *mw_stage_name(enum mw_stage stage);
const char *mw_verdict_name(enum mw_verdict verdict);

enum mw_scope mw_stage_scope(enum mw_stage stage);
/* A hook of this stage may answer MW_WAIT. */
bool mw_stage_may_wait(enum mw_stage stage);
/* Whether `verdict` makes sense at `stage`: a discard needs a message or a recipient, after the
 * upstream's reply to RCPT only MW_DISCONNECT is left. MW_WAIT and values outside the enum are
 * never allowed here. */
bool mw_stage_allows(enum mw_stage stage, enum mw_verdict verdict);
/* The bits MW_STAGE_BIT() of all hooks that the descriptor has. */
uint32_t mw_stage_hooks(const struct mw_filter *filter);

#endif
