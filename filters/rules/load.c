/* load.c - a set's beginning and end, and the way its problems are reported. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "list.h"
#include "plan.h"
#include "rate.h"
#include "regex.h"

struct mw_slice rules_keep_text(const struct rules *rules, struct mw_slice text)
{
    char *copy = rules_keep(rules, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

/* ---- problems ---- */

static void report(struct rules *rules, enum mw_severity severity, const struct place *place,
                   const char *hint, const char *message)
{
    struct mw_diag diag = {.size = sizeof diag,
                           .severity = severity,
                           .file = place->file,
                           .line = place->line,
                           .column = place->column,
                           .length = place->length,
                           .message = message,
                           .hint = hint};
    rules->host->diag(rules->instance, &diag);
}

void rules_error(struct rules *rules, const struct place *place, const char *hint,
                 const char *format, ...)
{
    char message[2400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    rules->errors++;
    report(rules, MW_DIAG_ERROR, place, hint, message);
}

void rules_warning(struct rules *rules, const struct place *place, const char *hint,
                   const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    report(rules, MW_DIAG_WARNING, place, hint, message);
}

/* ---- life ---- */

struct rules *rules_new(const struct mw_host *host, struct mw_instance *instance,
                        uint64_t match_limit, uint64_t scan_limit)
{
    struct rules *rules = host->instance_alloc(instance, sizeof *rules);
    rules->host = host;
    rules->instance = instance;
    rules->lang = host->lang;
    rules->match_limit = match_limit;
    rules->scan_limit = scan_limit;
    rules->deadline_ms = 250;
    rules->suspend_after = 10;
    rules->rate_entries = 65536;
    rules->has_index = true;
    rules->addresses = rules_keep(rules, (GROUP_COUNT - GROUP_FROM) * sizeof *rules->addresses);
    rules_regex_open(rules);
    rules->scratch = rules_regex_scratch_new(rules);
    return rules;
}

static void free_texts(struct rules *rules)
{
    for (struct file_text *text = rules->texts; text != NULL; text = text->next)
        rules->lang->file_free(text->text);
    rules->texts = NULL;
}

void rules_free(struct rules *rules)
{
    rules_lists_stop(rules);
    rules_triggers_free(rules);
    rules_sources_free(rules);
    rules_room_free(rules);
    rules_rates_free(&rules->rate_table);
    rules_regex_scratch_free(&rules->scratch);
    rules_regex_close(rules);
    free_texts(rules);
}

/* "no-executables.hits": shown as FILTER.no-executables.hits. */
static int counter_of(struct rules *rules, const struct rule *rule, const char *what)
{
    char name[300];
    snprintf(name, sizeof name, "%.200s.%s", rule->name_text, what);
    return rules->host->counter(rules->instance, name);
}

static void look_up_fact(struct rules *rules, const struct field_use *use)
{
    const struct field *field = use->field;
    if (!(field->flags & FLAG_FACT) || rules->fact_ids[field->id] >= 0)
        return;
    rules->fact_ids[field->id] = rules->host->fact_id(rules->instance, field->name);
    if (field->flags & FLAG_FILTER && rules->fact_ids[field->id] < 0)
        rules_error(rules, &use->place, "such a filter has to stand before this one in the chain",
                    "no filter provides %s", field->name);
}

/* Only facts that some rule speaks of: whoever asks for client.name makes the proxy look it up. */
static void look_up_facts(struct rules *rules)
{
    struct field_use ip = {.field = rules_field(FIELD_CLIENT_IP)};
    for (unsigned id = 0; id < FIELD_COUNT; id++)
        rules->fact_ids[id] = -1;
    look_up_fact(rules, &ip); /* of every rule: live.c */
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
            look_up_fact(rules, use);
}

/* A counter that never moves is not asked for. */
static bool is_counted(const struct rule *rule, enum counter counter)
{
    return counter == COUNTER_OBSERVED    ? rule->observe_percent > 0
           : counter == COUNTER_SUSPENDED ? rule->has_patterns
                                          : true;
}

/* All hits first: should there be more counters than a filter may have, those are what counts. */
static void look_up_counters(struct rules *rules)
{
    static const char *const names[COUNTER_COUNT] = {"hits", "errors", "observed",
                                                     "runs", "time",   "suspended"};
    rules->truncated_counter = rules->host->counter(rules->instance, "truncated-bodies");
    for (unsigned counter = 0; counter < COUNTER_COUNT; counter++)
        for (struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
            rule->counters[counter] = is_counted(rule, (enum counter)counter)
                                          ? counter_of(rules, rule, names[counter])
                                          : -1;
}

bool rules_finish(struct rules *rules)
{
    if (rules->errors == 0)
        rules_check(rules);
    if (rules->errors == 0)
        look_up_facts(rules);
    if (rules->errors > 0)
        return false;
    look_up_counters(rules);
    rules->live = rules_keep(rules, (rules->rule_count + 1) * sizeof *rules->live);
    if (rules->rate_count > 0)
        rules->rate_table = rules_rates_new(rules->rate_entries);
    return true;
}
