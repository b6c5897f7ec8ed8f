/* instance.c - the filters of one load of the configuration: blocks checked, settings typed, open()
 * called; and what is counted and named for all of them together. */
#include <stdlib.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "message/content.h"

/* What every filter block may say; the order is that of the values below. */
static const char *const on_error_choices[] = {"tempfail", "accept", "reject", NULL};
enum { RULE_MODULE = 0, RULE_ON_ERROR, RULE_DEADLINE, RULE_COUNT };
static const struct mw_conf_rule host_rules[RULE_COUNT] = {
    [RULE_MODULE] = {.name = "module",
                     .type = MW_CONF_TEXT,
                     .help = "the filter module: a name in the module directory, or a path"},
    [RULE_ON_ERROR] =
        {.name = "on-error",
         .type = MW_CONF_CHOICE,
         .default_text = "tempfail",
         .choices = on_error_choices,
         .help = "what becomes of mail when the filter fails: tempfail, accept (ask the next "
                 "filter) or reject"},
    [RULE_DEADLINE] = {.name = "deadline",
                       .type = MW_CONF_DURATION,
                       .default_text = "30s",
                       .min = 1,
                       .max = 3600000,
                       .help =
                           "how long the filter may take for one verdict; then on-error applies"},
};

/* ---- sets ---- */

struct mw_instances *mw_instances_new(struct mw_plugins *plugins)
{
    struct mw_instances *set = mw_xcalloc(1, sizeof *set);
    set->plugins = plugins;
    set->last = &set->first;
    set->authserv_id = "localhost";
    mw_quarantine_init(&set->quarantine);
    mw_quarantine_init(&set->loop_dead);
    return set;
}

static void set_free(struct mw_instances *set)
{
    for (struct mw_instance *instance = set->first; instance != NULL; instance = instance->next) {
        if (instance->filter.close != NULL)
            instance->filter.close(instance->state);
        mw_loop_fini(instance);
    }
    mw_quarantine_fini(&set->quarantine);
    mw_content_kit_free(&set->content_kit);
    mw_loop_quarantine_fini(set);
    free(set->counters);
    free(set->counter_buckets);
    free(set->facts);
    mw_arena_fini(&set->arena);
    free(set);
}

/* Blocking work may still be under way on the pool, or a callback of the loop may have brought us
 * here; both will want the filter's state. The last one to come back closes then. */
void mw_instances_free(struct mw_instances **instances)
{
    struct mw_instances *set = *instances;
    *instances = NULL;
    if (set == NULL)
        return;
    mw_loop_quiet(set);
    if (set->works == 0)
        set_free(set);
}

void mw_instances_name(struct mw_instances *instances, struct mw_slice authserv_id)
{
    instances->authserv_id = mw_arena_cstr(&instances->arena, authserv_id);
}

void mw_instances_hold(struct mw_instances *instances)
{
    instances->works++;
}

void mw_instances_release(struct mw_instances *instances)
{
    mw_assert(instances->works > 0);
    instances->works--;
    if (instances->works == 0 && instances->is_orphan)
        set_free(instances);
}

/* ---- one instance ---- */

static const enum mw_conf_type conf_types[] = {
    [MW_SETTING_BOOL] = MW_CONF_BOOL,   [MW_SETTING_COUNT] = MW_CONF_COUNT,
    [MW_SETTING_SIZE] = MW_CONF_SIZE,   [MW_SETTING_DURATION] = MW_CONF_DURATION,
    [MW_SETTING_TEXT] = MW_CONF_TEXT,   [MW_SETTING_CHOICE] = MW_CONF_CHOICE,
    [MW_SETTING_FILES] = MW_CONF_FILES,
};

/* The filter's settings as schema rules. */
static struct mw_conf_rule *rules_of(struct mw_arena *arena, const struct mw_filter *filter)
{
    struct mw_conf_rule *rules = mw_arena_array(arena, struct mw_conf_rule,
                                                filter->setting_count + 1);
    for (size_t i = 0; i < filter->setting_count; i++) {
        const struct mw_setting *setting = &filter->settings[i];
        bool is_repeatable = setting->repeatable != 0;
        rules[i] = (struct mw_conf_rule){
            .name = setting->name,
            .type = conf_types[setting->type],
            .default_text = setting->default_text,
            .choices = setting->choices,
            .min = setting->min,
            .max = setting->max,
            .values_max = is_repeatable ? 1000 : 1,
            .is_repeatable = is_repeatable,
            .help = setting->help,
        };
    }
    return rules;
}

/* Where each word stood. The files' names outlive the tree; most words stand in the same one. */
static const struct mw_setting_place *places_of(struct mw_arena *arena,
                                                const struct mw_conf_values *values)
{
    struct mw_setting_place *places = mw_arena_array(arena, struct mw_setting_place,
                                                     values->count + 1);
    const char *file = NULL, *copy = NULL;
    for (size_t i = 0; i < values->count; i++) {
        const struct mw_conf_value *value = &values->values[i];
        if (value->pos.file != NULL && value->pos.file != file) {
            file = value->pos.file;
            copy = mw_arena_cstr(arena, mw_slice_cstr(file));
        }
        places[i] = (struct mw_setting_place){.file = value->pos.file != NULL ? copy : NULL,
                                              .line = value->pos.line,
                                              .column = value->pos.column,
                                              .length = value->source_len,
                                              .directive = value->directive};
    }
    return places;
}

/* Checked values in the form that filters read. */
static struct mw_setting_value *settings_of(struct mw_arena *arena, const struct mw_filter *filter,
                                            const struct mw_conf_values *values)
{
    struct mw_setting_value *settings = mw_arena_array(arena, struct mw_setting_value,
                                                       filter->setting_count + 1);
    for (size_t i = 0; i < filter->setting_count; i++) {
        const struct mw_conf_values *from = &values[i];
        struct mw_slice *texts = mw_arena_array(arena, struct mw_slice, from->count + 1);
        for (size_t j = 0; j < from->count; j++)
            texts[j] = mw_arena_dup(arena, from->values[j].text); /* outlives the tree */
        struct mw_setting_value *to = &settings[i];
        to->size = sizeof *to;
        to->number = from->count > 0 ? from->values[0].number : 0;
        to->texts = texts;
        to->text_count = from->count;
        to->places = places_of(arena, from);
        if (from->pos.file != NULL) {
            to->file = mw_arena_cstr(arena, mw_slice_cstr(from->pos.file));
            to->line = from->pos.line;
            to->column = from->pos.column;
        }
    }
    return settings;
}

static const struct mw_conf_word *module_word(const struct mw_conf_block *block)
{
    for (const struct mw_conf_directive *d = block->directives; d != NULL; d = d->next) {
        if (d->word_count > 1 && mw_slice_eq(d->words[0].text, MW_LIT("module")))
            return &d->words[1];
    }
    return NULL;
}

/* Call open() with a place for its diagnostics. Errors it reported count as failure, whatever it
 * returned. */
static bool open_filter(struct mw_instance *instance, struct mw_diags *diags)
{
    size_t errors_before = mw_diags_errors(diags);
    instance->diags = diags;
    int result = instance->filter.open == NULL
                     ? 0
                     : instance->filter.open(&mw_host_table, instance, &instance->state);
    instance->diags = NULL;
    bool has_errors = mw_diags_errors(diags) > errors_before;
    if (result == 0 && !has_errors)
        return true;
    if (result == 0 && instance->filter.close != NULL)
        instance->filter.close(instance->state);
    if (!has_errors)
        mw_conf_error(diags, &instance->pos, 0, NULL, "filter '%s' (module %s) could not be opened",
                      instance->name, instance->filter.name);
    return false;
}

/* The instance as far as the host sees it; open() comes next. NULL if the block is not valid. */
static struct mw_instance *prepare(struct mw_instances *set, const struct mw_conf_block *block,
                                   const struct mw_module *module, struct mw_diags *diags)
{
    struct mw_arena scratch = {0};
    const struct mw_filter *filter = &module->filter;
    struct mw_conf_values *values = mw_arena_array(&scratch, struct mw_conf_values,
                                                   RULE_COUNT + filter->setting_count);
    struct mw_instance *instance = NULL;
    if (mw_conf_check(&scratch, block, host_rules, RULE_COUNT, rules_of(&scratch, filter),
                      filter->setting_count, diags, values) == MW_OK) {
        instance = mw_arena_new(&set->arena, struct mw_instance);
        instance->set = set;
        mw_loop_init(instance);
        instance->name = mw_arena_cstr(&set->arena, block->name);
        instance->pos = block->pos;
        if (block->pos.file != NULL)
            instance->pos.file = mw_arena_cstr(&set->arena, mw_slice_cstr(block->pos.file));
        instance->filter = *filter;
        instance->stages = mw_stage_hooks(filter);
        instance->on_error = (enum mw_on_error)values[RULE_ON_ERROR].values[0].number;
        instance->deadline_ms = values[RULE_DEADLINE].values[0].number;
        instance->settings = settings_of(&set->arena, filter, values + RULE_COUNT);
    }
    mw_arena_fini(&scratch);
    return instance;
}

struct mw_instance *mw_instance_open(struct mw_instances *instances,
                                     const struct mw_conf_block *block, struct mw_diags *diags)
{
    if (block->name.len == 0) {
        mw_conf_error(diags, &block->pos, 0, "filter NAME { module ... }",
                      "this filter has no name");
        return NULL;
    }
    if (mw_instances_find(instances, block->name) != NULL) {
        mw_conf_error(diags, &block->pos, 0, NULL, "there is another filter '%s'", block->name.ptr);
        return NULL;
    }
    const struct mw_conf_word *word = module_word(block);
    if (word == NULL) {
        mw_conf_error(diags, &block->pos, 0, "add: module NAME", "filter '%s' names no module",
                      block->name.ptr);
        return NULL;
    }
    const struct mw_module *module = mw_plugins_load(instances->plugins, word, diags);
    if (module == NULL)
        return NULL;
    struct mw_instance *instance = prepare(instances, block, module, diags);
    if (instance == NULL || !open_filter(instance, diags))
        return NULL;
    instance->failed_counter = mw_instances_counter(instance, "failed");
    *instances->last = instance;
    instances->last = &instance->next;
    return instance;
}

struct mw_instance *mw_instances_find(struct mw_instances *instances, struct mw_slice name)
{
    for (struct mw_instance *instance = instances->first; instance != NULL;
         instance = instance->next) {
        if (mw_slice_eq(mw_slice_cstr(instance->name), name))
            return instance;
    }
    return NULL;
}

const char *mw_instance_name(const struct mw_instance *instance)
{
    return instance->name;
}

const struct mw_filter *mw_instance_filter(const struct mw_instance *instance)
{
    return &instance->filter;
}

bool mw_instances_share_facts(const struct mw_instance *a, const struct mw_instance *b)
{
    if (strcmp(a->filter.name, b->filter.name) != 0)
        return false;
    for (size_t i = 0; i < a->set->fact_count; i++)
        if (strcmp(a->set->facts[i].owner->filter.name, a->filter.name) == 0)
            return true;
    return false;
}

uint32_t mw_instance_stages(const struct mw_instance *instance)
{
    return instance->stages;
}

int mw_instance_test(struct mw_instance *instance, mw_test_report *report, void *user)
{
    return instance->filter.test == NULL ? 0 : instance->filter.test(instance->state, report, user);
}

bool mw_instance_report(const struct mw_instance *instance, const char *topic, mw_report_line *line,
                        void *user)
{
    return instance->filter.report != NULL &&
           instance->filter.report(instance->state, topic, line, user) != 0;
}

/* ---- service ---- */

void mw_instances_serve(struct mw_instances *instances, const struct mw_instance_services *services)
{
    instances->services = services;
    for (struct mw_instance *instance = instances->first; instance != NULL;
         instance = instance->next) {
        if (instance->is_started)
            continue;
        instance->is_started = true;
        if (instance->filter.start != NULL)
            instance->filter.start(instance->state);
    }
}

/* ---- tools: a filter without a configuration ---- */

enum mw_err mw_plugins_tool(struct mw_plugins *plugins, const char *name, int argc, char **argv,
                            struct mw_diags *diags, int *out_status)
{
    struct mw_conf_word word = {.text = mw_slice_cstr(name)};
    const struct mw_module *module = mw_plugins_load(plugins, &word, diags);
    if (module == NULL)
        return MW_ERR_CONFIG;
    if (module->filter.tool == NULL)
        return MW_ERR_NOENT;
    struct mw_instances *set = mw_instances_new(plugins);
    struct mw_instance *scratch = mw_arena_new(&set->arena, struct mw_instance);
    scratch->set = set;
    scratch->name = mw_arena_cstr(&set->arena, word.text);
    scratch->pos = word.pos;
    scratch->filter = module->filter;
    scratch->filter.setting_count = 0; /* there is no block that they could stand in */
    scratch->diags = diags;
    mw_loop_init(scratch);
    *out_status = module->filter.tool(&mw_host_table, scratch, argc, argv);
    mw_instances_free(&set); /* the scratch instance is not on its list: nothing to close */
    return MW_OK;
}

/* ---- counters: rule files have thousands, so names are found by hash ---- */

/* FNV-1a over owner and name. */
static size_t counter_hash(const struct mw_instance *instance, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uintptr_t)instance;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return (size_t)(hash ^ (hash >> 32));
}

/* The bucket where this counter is, or would be put. */
static uint32_t *counter_bucket(struct mw_instances *set, const struct mw_instance *instance,
                                const char *name)
{
    size_t mask = set->bucket_count - 1;
    for (size_t at = counter_hash(instance, name) & mask;; at = (at + 1) & mask) {
        uint32_t *bucket = &set->counter_buckets[at];
        if (*bucket == 0)
            return bucket;
        const struct mw_counter *counter = &set->counters[*bucket - 1];
        if (counter->instance == instance && strcmp(counter->name, name) == 0)
            return bucket;
    }
}

/* Keep the buckets at most half full. */
static void grow_counters(struct mw_instances *set)
{
    if (set->counter_count < set->counter_cap)
        return;
    set->counter_cap = set->counter_cap == 0 ? 16 : set->counter_cap * 2;
    set->counters = mw_xrealloc(set->counters, set->counter_cap * sizeof *set->counters);
    free(set->counter_buckets);
    set->bucket_count = set->counter_cap * 2;
    set->counter_buckets = mw_xcalloc(set->bucket_count, sizeof *set->counter_buckets);
    for (size_t i = 0; i < set->counter_count; i++)
        *counter_bucket(set, set->counters[i].instance, set->counters[i].name) = (uint32_t)i + 1;
}

int mw_instances_counter(struct mw_instance *instance, const char *name)
{
    struct mw_instances *set = instance->set;
    grow_counters(set);
    uint32_t *bucket = counter_bucket(set, instance, name);
    if (*bucket != 0)
        return (int)(*bucket - 1);
    if (set->counter_count >= MW_COUNTERS_MAX)
        return -1;
    set->counters[set->counter_count++] = (struct mw_counter){
        .instance = instance, .name = mw_arena_cstr(&set->arena, mw_slice_cstr(name))};
    *bucket = (uint32_t)set->counter_count;
    return (int)set->counter_count - 1;
}

void mw_instance_tally(struct mw_instance *instance, const char *name)
{
    int id = mw_instances_counter(instance, name);
    if (id >= 0)
        instance->set->counters[id].value++;
}

void mw_instances_counters(struct mw_instances *instances,
                           void (*visit)(void *user, const char *filter, const char *name,
                                         uint64_t value),
                           void *user)
{
    for (size_t i = 0; i < instances->counter_count; i++) {
        const struct mw_counter *counter = &instances->counters[i];
        visit(user, counter->instance->name, counter->name, counter->value);
    }
}
