/* verbs.c - the table of verbs (smtp/verbs.def) with everything that the session needs of each. */
#include "session/session_priv.h"

/* The columns of verbs.def are written without prefixes, so that the table reads well; here they
 * get their meaning. */
#define GREETED MW_STATE_BIT(GREETED)
#define READY MW_STATE_BIT(READY)
#define IN_TX MW_STATE_BIT(IN_TX)
#define IN_BDAT MW_STATE_BIT(IN_BDAT)
#define SYNC MW_FLAG_SYNC
#define RELAY MW_FLAG_RELAY
#define PAYLOAD MW_FLAG_PAYLOAD
#define RESETS MW_FLAG_RESETS
#define JUNK MW_FLAG_JUNK

const struct mw_verb_row mw_verb_rows[MW_VERB_COUNT] = {
    [MW_VERB_UNKNOWN] = {GREETED | READY | IN_TX | IN_BDAT, MW_STAGE_COMMAND, mw_verb_unknown,
                         SYNC},
#define MW_VERB(name, legal_states, filter_stage, handler, row_flags) \
    [MW_VERB_##name] = {(legal_states), MW_STAGE_##filter_stage, mw_verb_##handler, (row_flags)},
#include "smtp/verbs.def"
#undef MW_VERB
};
