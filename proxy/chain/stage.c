/* stage.c - the tables behind stage.h. */
#include "chain/stage.h"

struct stage_row {
    const char *name;
    enum mw_scope scope;
    bool may_wait;
};

static const struct stage_row stages[] = {
#define MW_STAGE_DEF(id, hook, scope, may_wait) \
    [MW_STAGE_##id] = {#hook, MW_SCOPE_##scope, may_wait},
#include "chain/stages.def"
#undef MW_STAGE_DEF
};
_Static_assert(sizeof stages / sizeof *stages == MW_STAGE_COUNT, "stages.def lists every stage");

static const char *const verdicts[] = {
    [MW_CONTINUE] = "continue", [MW_ACCEPT] = "accept",   [MW_REJECT] = "reject",
    [MW_TEMPFAIL] = "tempfail", [MW_DISCARD] = "discard", [MW_DISCONNECT] = "disconnect",
    [MW_SKIP] = "skip",         [MW_WAIT] = "wait",       [MW_ERROR] = "error",
};

const char *mw_stage_name(enum mw_stage stage)
{
    return (unsigned)stage < MW_STAGE_COUNT ? stages[stage].name : "?";
}

const char *mw_verdict_name(enum mw_verdict verdict)
{
    return (unsigned)verdict < sizeof verdicts / sizeof *verdicts ? verdicts[verdict] : "?";
}

enum mw_scope mw_stage_scope(enum mw_stage stage)
{
    return stages[stage].scope;
}

bool mw_stage_may_wait(enum mw_stage stage)
{
    return stages[stage].may_wait;
}

bool mw_stage_allows(enum mw_stage stage, enum mw_verdict verdict)
{
    switch (verdict) {
    case MW_CONTINUE:
    case MW_ACCEPT:
    case MW_SKIP:
    case MW_ERROR:
    case MW_DISCONNECT:
        return true;
    case MW_REJECT:
    case MW_TEMPFAIL:
        /* The upstream has accepted the recipient: the client cannot be told otherwise any more. */
        return stage != MW_STAGE_RCPT_REPLY;
    case MW_DISCARD:
        return stages[stage].scope == MW_SCOPE_TRANSACTION || stage == MW_STAGE_RCPT;
    case MW_WAIT:
        break;
    }
    return false;
}

uint32_t mw_stage_hooks(const struct mw_filter *filter)
{
    uint32_t bits = 0;
#define MW_STAGE_DEF(id, hook, scope, may_wait) \
    if (filter->hook != NULL)                   \
        bits |= MW_STAGE_BIT(MW_STAGE_##id);
#include "chain/stages.def"
#undef MW_STAGE_DEF
    return bits;
}
