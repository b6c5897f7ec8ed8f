/* host_load.c - what a filter asks of the host in open(): its settings, facts, counters,
 * diagnostics. */
#include <stdlib.h>
#include <string.h>

#include "base/lex.h"
#include "chain/chain_priv.h"

const struct mw_setting_value *mw_host_setting(struct mw_instance *instance, const char *name)
{
    for (size_t i = 0; i < instance->filter.setting_count; i++) {
        if (strcmp(instance->filter.settings[i].name, name) == 0)
            return &instance->settings[i];
    }
    return NULL;
}

const char *mw_host_instance_name(struct mw_instance *instance)
{
    return instance->name;
}

/* Chains sum up the stages once, so a later wish would not be heard. */
void mw_host_want(struct mw_instance *instance, uint32_t stages)
{
    if (instance->diags != NULL)
        instance->stages = stages & mw_stage_hooks(&instance->filter);
}

/* Give the diagnostics the text of the file that a problem is in, so that they can show the line.
 */
static void show_source(struct mw_instance *instance, const char *file)
{
    enum { SOURCE_MAX = 4194304 };
    if (instance->diag_source != NULL && strcmp(instance->diag_source, file) == 0)
        return;
    char *text;
    size_t len;
    const char *error;
    if (mw_file_read(file, SOURCE_MAX, &text, &len, &error) != MW_OK)
        return;
    mw_diags_source(instance->diags, file, MW_SLICE(text, len));
    instance->diag_source = mw_arena_cstr(&instance->set->arena, mw_slice_cstr(file));
    free(text);
}

void mw_host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    if (instance->diags == NULL)
        return;
    const char *message = diag->message != NULL ? diag->message : "problem without a message";
    if (diag->file == NULL) {
        mw_diags_add(instance->diags, diag->severity, instance->pos.file, instance->pos.line,
                     instance->pos.column, 0, diag->hint, "filter '%s': %s", instance->name,
                     message);
        return;
    }
    show_source(instance, diag->file);
    mw_diags_add(instance->diags, diag->severity, diag->file, diag->line, diag->column,
                 diag->length, diag->hint, "%s", message);
}

int mw_host_fact_id(struct mw_instance *instance, const char *name)
{
    int own = mw_facts_own_id(name);
    if (own >= 0) {
        instance->wanted_own |= UINT64_C(1) << own;
        return own;
    }
    const struct mw_instances *set = instance->set;
    for (size_t i = 0; i < set->fact_count; i++) {
        if (strcmp(set->facts[i].name, name) == 0)
            return mw_facts_own_count() + (int)i;
    }
    return -1;
}

/* Instances of one module, whatever their blocks are called. */
static bool is_same_module(const struct mw_instance *a, const struct mw_instance *b)
{
    return strcmp(a->filter.name, b->filter.name) == 0;
}

bool mw_fact_is_of(const struct mw_instance *instance, int id)
{
    const struct mw_instances *set = instance->set;
    int index = id - mw_facts_own_count();
    return index >= 0 && (size_t)index < set->fact_count &&
           is_same_module(set->facts[index].owner, instance);
}

int mw_host_fact_define(struct mw_instance *instance, const char *name)
{
    struct mw_instances *set = instance->set;
    int id = mw_host_fact_id(instance, name);
    if (id >= 0)
        return mw_fact_is_of(instance, id) ? id : -1;
    if (set->fact_count >= MW_FACTS_MAX)
        return -1;
    set->facts = mw_xrealloc(set->facts, (set->fact_count + 1) * sizeof *set->facts);
    set->facts[set->fact_count++] = (struct mw_fact_name){
        .owner = instance, .name = mw_arena_cstr(&set->arena, mw_slice_cstr(name))};
    return mw_facts_own_count() + (int)set->fact_count - 1;
}

int mw_host_counter(struct mw_instance *instance, const char *name)
{
    return mw_instances_counter(instance, name);
}

void *mw_host_instance_alloc(struct mw_instance *instance, size_t size)
{
    return mw_arena_alloc(&instance->set->arena, size);
}

const char *mw_host_authserv_id(struct mw_instance *instance)
{
    return instance->set->authserv_id;
}
