/* chain.c - instances in the order in which they are asked; built once, then only read. */
#include <stdlib.h>

#include "chain/chain_priv.h"

struct mw_chain *mw_chain_new(struct mw_instances *instances, const char *name)
{
    struct mw_chain *chain = mw_xcalloc(1, sizeof *chain);
    chain->instances = instances;
    chain->name = mw_xstrdup(name);
    return chain;
}

void mw_chain_free(struct mw_chain **chain)
{
    if (*chain == NULL)
        return;
    free((*chain)->entries);
    free((*chain)->name);
    free(*chain);
    *chain = NULL;
}

/* Who wants the one stage makes the session run the other: header fields are shown as a part of
 * END_OF_HEADERS, and those that a filter adds at DATA go into the block there. The last look at an
 * edited message needs a message that is still here. */
static uint32_t stages_run_for(uint32_t wanted)
{
    if (wanted & (MW_STAGE_BIT(MW_STAGE_HEADER) | MW_STAGE_BIT(MW_STAGE_DATA)))
        wanted |= MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS);
    if (wanted & MW_STAGE_BIT(MW_STAGE_EDITED))
        wanted |= MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE);
    return wanted;
}

void mw_chain_add(struct mw_chain *chain, struct mw_instance *instance, bool is_observed)
{
    mw_assert(instance->set == chain->instances);
    chain->entries = mw_xrealloc(chain->entries, (chain->count + 1) * sizeof *chain->entries);
    chain->entries[chain->count++] = (struct mw_chain_entry){.instance = instance,
                                                             .is_observed = is_observed};
    chain->stages |= stages_run_for(instance->stages);
    if (instance->stages & MW_STAGE_BIT(MW_STAGE_BODY))
        chain->body_filters++;
    if (instance->content_needs != 0 && instance->stages & MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)) {
        chain->content_needs |= instance->content_needs;
        chain->stages |= MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY);
    }
}

const char *mw_chain_name(const struct mw_chain *chain)
{
    return chain->name;
}

size_t mw_chain_length(const struct mw_chain *chain)
{
    return chain->count;
}

uint32_t mw_chain_stages(const struct mw_chain *chain)
{
    return chain->stages;
}

bool mw_chain_wants_spool(const struct mw_chain *chain)
{
    return (chain->stages & MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)) != 0;
}

bool mw_chain_wants_fact(const struct mw_chain *chain, const char *name)
{
    int id = mw_facts_own_id(name);
    for (size_t i = 0; chain != NULL && id >= 0 && i < chain->count; i++) {
        if ((chain->entries[i].instance->wanted_own >> id & 1) != 0)
            return true;
    }
    return false;
}
