/* list.c - lists and their sets: which look-up serves a list of that kind for a field of that type.
 *
 * Whatever the kind, the cost of a look-up does not grow with the list: a hash of the word (host
 * names: of each of its parents in the same pass), a binary search for networks, a walk down a tree
 * for LMDB, an index of literals for patterns. */
#include "list_priv.h"

#include <stdio.h>
#include <stdlib.h>

struct list *rules_list_new(struct rules *rules, struct mw_slice name, const struct place *place)
{
    struct list *list = rules_keep(rules, sizeof *list);
    list->rules = rules;
    list->name = name;
    list->place = *place;
    list->hits_counter = list->reloads_counter = list->failures_counter = -1;
    list->threshold = 1;
    return list;
}

struct mw_slice rules_list_name(const struct list *list)
{
    return list->name;
}

const struct place *rules_list_place(const struct list *list)
{
    return &list->place;
}

enum list_kind rules_list_kind(const struct list *list)
{
    return list->kind;
}

struct list *rules_list_next(const struct list *list)
{
    return list->next;
}

bool rules_list_is_used(const struct list *list)
{
    return list->is_used;
}

bool rules_list_is_slow(const struct list *list)
{
    return list->kind == LIST_REDIS || list->kind == LIST_DNSBL;
}

struct list *rules_list_find(const struct rules *rules, struct mw_slice name)
{
    for (struct list *list = rules->lists; list != NULL; list = list->next)
        if (text_eq(list->name, name))
            return list;
    return NULL;
}

void rules_list_add(struct rules *rules, struct list *list, struct list_entry ***tail,
                    struct mw_slice text, const struct place *place)
{
    struct list_entry *entry = rules_keep(rules, sizeof *entry);
    entry->text = text;
    entry->place = *place;
    **tail = entry;
    *tail = &entry->next;
    list->count++;
}

void rules_list_note(const struct list *list, enum mw_log_level level, const char *event,
                     const char *key, struct mw_slice detail)
{
    const struct mw_host *host = list->rules->host;
    struct mw_log_pair pairs[] = {{.key = "list", .value = list->name},
                                  {.key = key, .value = detail}};
    if (host->note != NULL)
        host->note(list->rules->instance, level, event, pairs, detail.len > 0 ? 2 : 1);
}

/* ---- problems of files ---- */

void rules_list_problem_text(const struct list *list, const struct list_problem *problem,
                             const char *field, char out[400])
{
    static const char *const texts[] = {
        [PROBLEM_WORDS] = "more than one word",
        [PROBLEM_CONTROL] = "a control character in an entry",
        [PROBLEM_NO_VALUE] = "a key without a value (KEY, blanks, VALUE)",
    };
    int name_len = (int)list->name.len;
    if (problem->kind == PROBLEM_LONG)
        snprintf(out, 400, "an entry of more than %d octets", LIST_ENTRY_MAX);
    else if (problem->kind != PROBLEM_MISFIT)
        snprintf(out, 400, "%s in list \"%.*s\"", texts[problem->kind], name_len, list->name.ptr);
    else
        snprintf(out, 400,
                 "\"%s\" is not %s, which list \"%.*s\" needs because %s is looked up in it",
                 problem->text,
                 problem->wanted == SET_NETWORK ? "an IP address or network"
                 : problem->wanted == SET_HOST  ? "a host name or .domain"
                                                : "an address or @domain",
                 name_len, list->name.ptr, field);
}

static const char *hint_of(const struct list_problem *problem)
{
    if (problem->kind == PROBLEM_WORDS)
        return "one entry a line; # begins a comment";
    if (problem->kind == PROBLEM_NO_VALUE)
        return "a line that begins with a blank belongs to the one before it";
    if (problem->kind != PROBLEM_MISFIT)
        return NULL;
    return problem->wanted == SET_NETWORK
               ? "write 192.0.2.1 or 192.0.2.0/24 (no bits set behind the prefix)"
           : problem->wanted == SET_HOST
               ? "look the whole address up instead of its domain"
               : "write @example.net for all addresses of a domain, or look the .domain up";
}

/* Where the problem stands: in a file, or at the entry of that number. */
static struct place place_of(const struct list *list, const struct list_problem *problem)
{
    const struct list_entry *entry = list->entries;
    if (list->source.path != NULL)
        return (struct place){.file = list->source.path,
                              .line = problem->line,
                              .column = problem->column,
                              .length = problem->length};
    for (uint32_t i = 1; i < problem->line; i++)
        entry = entry->next;
    return entry->place;
}

static void report(struct rules *rules, const struct list *list,
                   const struct list_problems *problems, const char *field)
{
    char text[400];
    size_t shown = problems->count < LIST_PROBLEMS_MAX ? problems->count : LIST_PROBLEMS_MAX;
    for (size_t i = 0; i < shown; i++) {
        struct place place = place_of(list, &problems->at[i]);
        rules_list_problem_text(list, &problems->at[i], field, text);
        rules_error(rules, &place, hint_of(&problems->at[i]), "%s", text);
    }
    if (problems->count > shown)
        rules_error(rules, &list->place, NULL, "... and %zu more problems in list \"%.*s\"",
                    problems->count - shown, (int)list->name.len, list->name.ptr);
}

/* ---- what lists are made of ---- */

bool rules_list_read(struct rules *rules, struct list *list, const char *path,
                     const struct place *place)
{
    struct list_problems problems = {.count = 0};
    list->source.kind = list->kind;
    list->source.path = (char *)rules_keep_text(rules, slice_of(path)).ptr;
    list->source_place = *place;
    list->stamp = rules_list_stamp(path);
    list->content = rules_list_content_read(rules->lang, &list->source, &problems);
    if (problems.unreadable != NULL)
        rules_error(rules, place, NULL, "cannot read list file %s: %s", path, problems.unreadable);
    report(rules, list, &problems, "");
    return list->content != NULL;
}

bool rules_list_lmdb(struct rules *rules, struct list *list, const char *path,
                     const struct place *place)
{
    const char *error = NULL;
    list->source.kind = list->kind;
    list->source.path = (char *)rules_keep_text(rules, slice_of(path)).ptr;
    list->source_place = *place;
    list->stamp = rules_list_stamp(path);
    list->lmdb = rules_lmdb_open(path, &error);
    if (list->lmdb == NULL)
        rules_error(rules, place, NULL, "cannot use LMDB file %s: %s", path, error);
    return list->lmdb != NULL;
}

/* Values on the spot, joined. */
static void join_entries(struct rules *rules, struct list *list)
{
    size_t len = 0;
    for (const struct list_entry *entry = list->entries; entry != NULL; entry = entry->next)
        len += entry->text.len + 1;
    char *text = rules_keep(rules, len + 1), *at = text;
    for (const struct list_entry *entry = list->entries; entry != NULL; entry = entry->next) {
        if (entry->text.len > 0)
            memcpy(at, entry->text.ptr, entry->text.len);
        at += entry->text.len;
        *at++ = ENTRY_COUNTS;
    }
    if (list->entries != NULL)
        list->content = rules_list_content_new(rules, SLICE(text, len), false);
}

/* ---- sets ---- */

static enum set_kind kind_of_set(enum field_type type, enum list_kind kind)
{
    switch (type) {
    case TYPE_IP:
        return SET_NETWORK;
    case TYPE_HOST:
        return SET_HOST;
    case TYPE_ADDRESS:
        return SET_ADDRESS;
    case TYPE_NAME:
        return SET_NAME;
    case TYPE_BYTES:
        return kind == LIST_REGEX ? SET_BYTES : SET_TEXT;
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_SCORE:
    case TYPE_TEXT:
        break;
    }
    return SET_TEXT;
}

static bool index_set(struct rules *rules, struct list *list, const struct field *field,
                      enum set_kind kind)
{
    struct list_problems problems = {.count = 0};
    if (list->content == NULL && list->source.path == NULL)
        join_entries(rules, list);
    if (list->content == NULL)
        return false;
    list->source.set_kinds |= 1u << kind;
    rules_list_content_index(list->content, rules->lang, list->kind, kind, &problems);
    report(rules, list, &problems, field->name);
    return problems.count == 0;
}

static bool takes(struct rules *rules, const struct list *list, const struct field *field,
                  enum set_kind kind)
{
    static const char *const hint = "a DNS list has addresses (client.ip) or domains";
    if (list->kind == LIST_REGEX && kind == SET_NETWORK)
        rules_error(rules, &list->place, "list networks with cidr",
                    "list \"%.*s\" holds patterns, and %s is an IP address", (int)list->name.len,
                    list->name.ptr, field->name);
    else if (list->kind == LIST_DNSBL && kind != SET_NETWORK && kind != SET_HOST &&
             kind != SET_ADDRESS)
        rules_error(rules, &list->place, hint,
                    "list \"%.*s\" is asked in the DNS, and %s is a text", (int)list->name.len,
                    list->name.ptr, field->name);
    else
        return true;
    return false;
}

/* What the set needs beyond the list itself. */
static bool prepare(struct rules *rules, struct list_set *set, const struct field *field)
{
    struct list *list = set->list;
    switch (list->kind) {
    case LIST_INLINE:
    case LIST_FILE:
    case LIST_CIDR:
    case LIST_POSTFIX:
        return index_set(rules, list, field, set->kind);
    case LIST_REGEX:
        set->patterns = rules_list_patterns_new(rules, list, set->kind != SET_BYTES);
        return set->patterns != NULL;
    case LIST_LMDB:
    case LIST_REDIS:
    case LIST_DNSBL:
        break;
    }
    return true;
}

/* Counters are made when a named list is first used. */
static void make_counters(struct rules *rules, struct list *list)
{
    static const struct {
        const char *name;
        size_t offset;
    } counters[] = {{"hits", offsetof(struct list, hits_counter)},
                    {"reloads", offsetof(struct list, reloads_counter)},
                    {"failures", offsetof(struct list, failures_counter)}};
    bool is_named = rules_list_find(rules, list->name) == list;
    bool changes = list->source.path != NULL || rules_list_is_slow(list);
    for (size_t i = 0; is_named && i < sizeof counters / sizeof *counters; i++) {
        char name[300];
        bool is_wanted = i == 0 || (changes && (i == 2 || !rules_list_is_slow(list)));
        snprintf(name, sizeof name, "list.%.200s.%s", list->name.ptr, counters[i].name);
        if (is_wanted)
            *(int *)((char *)list + counters[i].offset) = rules->host->counter(rules->instance,
                                                                               name);
    }
}

/* "list.blocked.zen.example.queries" */
static void make_zone_counters(struct rules *rules, struct list *list)
{
    static const char *const names[ZONE_COUNTERS] = {"queries", "hits", "failures"};
    for (struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next)
        for (unsigned i = 0; i < ZONE_COUNTERS; i++) {
            char name[600];
            snprintf(name, sizeof name, "list.%.200s.%s.%s", list->name.ptr, zone->name.ptr,
                     names[i]);
            zone->counters[i] = rules->host->counter(rules->instance, name);
        }
}

struct list_set *rules_list_set(struct rules *rules, struct list *list, const struct field *field)
{
    enum set_kind kind = kind_of_set(field->type, list->kind);
    if (!list->is_used) {
        make_counters(rules, list);
        make_zone_counters(rules, list);
    }
    list->is_used = true;
    for (struct list_set *set = list->sets; set != NULL; set = set->next)
        if (set->kind == kind)
            return set;
    if (list->is_bad || !takes(rules, list, field, kind))
        return NULL;
    struct list_set *set = rules_keep(rules, sizeof *set);
    set->list = list;
    set->kind = kind;
    set->next = list->sets;
    if (!prepare(rules, set, field))
        return NULL;
    list->sets = set;
    return set;
}

/* ---- looking up ---- */

static bool has_word(const struct list_set *set, struct mw_slice text)
{
    const struct list_content *content = set->list->content;
    const struct list_table *table = content->tables[set->kind];
    switch (set->kind) {
    case SET_NETWORK:
        return text.len == 16 && rules_list_nets_find(content->nets, (const void *)text.ptr);
    case SET_HOST: /* "mail.example.net": itself, then ".example.net", ".net" */
        if (text.len > 0 && text.ptr[text.len - 1] == '.')
            text.len--;
        return text.len > 0 && rules_list_table_find_tails(content, table, text, '.');
    case SET_ADDRESS: {
        ptrdiff_t at = text_rfind(text, '@'); /* the whole address, then @its.domain */
        return rules_list_table_find(content, table, text) != 0 ||
               (at >= 0 && rules_list_table_find(content, table, text_skip(text, (size_t)at)) != 0);
    }
    case SET_TEXT:
    case SET_NAME:
    case SET_BYTES:
    case SET_KINDS:
        break;
    }
    return rules_list_table_find(content, table, text) != 0;
}

/* Postfix's order: the first key that is there decides. */
static bool has_key_of_map(const struct list_set *set, struct mw_slice text)
{
    struct list_keys keys;
    const struct list_content *content = set->list->content;
    rules_list_keys(LIST_POSTFIX, set->kind, text, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        int end = rules_list_table_find(content, content->tables[SET_TEXT], keys.keys[i]);
        if (end != 0)
            return end == ENTRY_COUNTS;
    }
    return false;
}

static enum list_answer has_key_of_lmdb(const struct list_set *set, struct mw_slice text,
                                        const char **out_error)
{
    struct list_keys keys;
    enum list_answer answer = LIST_NO;
    rules_list_keys(LIST_LMDB, set->kind, text, &keys);
    for (size_t i = 0; i < keys.count && answer == LIST_NO; i++)
        answer = rules_lmdb_has(set->list->lmdb, keys.keys[i], out_error);
    return answer;
}

static enum list_answer look_up(struct list_set *set, struct mw_slice text,
                                struct list_answers *answers, const char **out_error)
{
    switch (set->list->kind) {
    case LIST_INLINE:
    case LIST_FILE:
    case LIST_CIDR:
        return has_word(set, text) ? LIST_YES : LIST_NO;
    case LIST_POSTFIX:
        return has_key_of_map(set, text) ? LIST_YES : LIST_NO;
    case LIST_LMDB:
        return has_key_of_lmdb(set, text, out_error);
    case LIST_REGEX:
        return rules_list_patterns_match(set->list->rules, set->patterns, text, out_error);
    case LIST_REDIS:
    case LIST_DNSBL:
        break;
    }
    return rules_list_answer(set, text, answers, out_error);
}

enum list_answer rules_list_has(struct list_set *set, const struct value *value,
                                struct list_answers *answers, const char **out_error)
{
    struct mw_slice text = value->text.len > 0 ? value->text : EMPTY;
    enum list_answer answer = look_up(set, text, answers, out_error);
    if (answer == LIST_YES)
        list_tally(set->list, set->list->hits_counter);
    else if (answer == LIST_FAILED)
        list_tally(set->list, set->list->failures_counter);
    return answer;
}

/* ---- sums ---- */

static void sum_of(const struct list_question *question, struct list_sum *out)
{
    out->low = question->low;
    out->high = question->high;
    out->error = question->error;
    for (size_t i = 0; i < question->set->list->zone_count; i++) {
        const struct dnsbl_ask *ask = &question->asks[i];
        if (ask->state != ASK_ANSWERED)
            out->is_partial = true;
        else if (ask->weight > 0)
            out->hits[ask->zone->number / 64] |= UINT64_C(1) << ask->zone->number % 64;
    }
    if (question->text != NULL)
        out->text = slice_of(question->text);
}

/* Nobody can be asked: it may be anything. */
static void unknown_sum(const struct list *list, struct list_sum *out)
{
    for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next) {
        out->low += zone->down;
        out->high += zone->up;
    }
    out->is_partial = true;
}

enum list_answer rules_list_sum(struct list_set *set, const struct value *value,
                                struct list_answers *answers, struct list_sum *out_sum)
{
    struct list_question *question = NULL;
    *out_sum = (struct list_sum){.text = EMPTY};
    switch (rules_list_question(set, value->text.len > 0 ? value->text : EMPTY, answers, &question,
                                &out_sum->error)) {
    case LIST_YES:
        if (question->state != QUESTION_ANSWERED) {
            unknown_sum(set->list, out_sum);
            return LIST_ASK;
        }
        sum_of(question, out_sum);
        return LIST_YES;
    case LIST_NO:
        return LIST_NO;
    case LIST_FAILED:
    case LIST_ASK:
        break;
    }
    unknown_sum(set->list, out_sum);
    return LIST_FAILED;
}

void rules_list_cut(struct list *list, int64_t cut)
{
    int32_t least = 0;
    for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next)
        least += zone->down;
    if (cut <= least || cut > rules_dnsbl_most(list)) /* decided before anybody is asked */
        cut = cut <= least ? least : rules_dnsbl_most(list) + 1;
    for (size_t i = 0; i < list->cut_count; i++)
        if (list->cuts[i] == cut)
            return;
    if (list->cut_count < LIST_CUTS_MAX)
        list->cuts[list->cut_count++] = (int32_t)cut;
    else
        list->wants_all = true;
}

void rules_list_want_all(struct list *list)
{
    list->wants_all = true;
}

void rules_list_want_text(struct list *list)
{
    list->wants_text = true;
}

int32_t rules_list_threshold(const struct list *list)
{
    return list->threshold;
}

int32_t rules_list_most(const struct list *list)
{
    return rules_dnsbl_most(list);
}

bool rules_list_word(const struct list *list, size_t number, struct mw_slice *out_word,
                     struct place *out_place)
{
    const struct list_entry *entry = list->entries;
    while (entry != NULL && number-- > 0)
        entry = entry->next;
    if (entry == NULL)
        return false;
    *out_word = entry->text;
    *out_place = entry->place;
    return true;
}

/* Zone names of all lists; as many as fit. */
enum { NEAR_ZONES_MAX = 256 };
static size_t zone_names(const struct rules *rules, const char *names[NEAR_ZONES_MAX + 1])
{
    size_t count = 0;
    for (const struct list *list = rules->lists; list != NULL; list = list->next)
        for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next)
            if (count < NEAR_ZONES_MAX)
                names[count++] = zone->name.ptr;
    names[count] = NULL;
    return count;
}

bool rules_list_has_zone(const struct rules *rules, struct mw_slice name)
{
    for (const struct list *list = rules->lists; list != NULL; list = list->next)
        for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next)
            if (text_ieq(zone->name, name))
                return true;
    return false;
}

const char *rules_list_near_zone(const struct rules *rules, struct mw_slice name)
{
    const char *names[NEAR_ZONES_MAX + 1], *near = NULL;
    char text[300];
    if (zone_names(rules, names) > 0)
        near = rules->lang->near_name(name, names);
    if (near == NULL)
        return NULL;
    struct builder out = {.ptr = text, .cap = sizeof text};
    builder_putf(&out, "did you mean \"%s\"?", near);
    return rules_keep_text(rules, SLICE(text, out.len)).ptr;
}

const char *rules_list_zone_name(const struct list *list, size_t number)
{
    const struct dnsbl_zone *zone = list->zones;
    while (zone != NULL && zone->number != number)
        zone = zone->next;
    return zone != NULL ? zone->name.ptr : NULL;
}

/* ---- life ---- */

void rules_lists_start(struct rules *rules)
{
    for (struct list *list = rules->lists; list != NULL; list = list->next)
        if (list->content != NULL)
            rules_list_content_trim(list->content, list->source.set_kinds);
    rules_list_watch_start(rules);
}

static void stop(struct list *list)
{
    rules_redis_stop(list);
    rules_dnsbl_stop(list);
    rules_list_content_free(&list->content);
    rules_lmdb_close(&list->lmdb);
    for (struct list_set *set = list->sets; set != NULL; set = set->next)
        rules_list_patterns_free(&set->patterns);
}

void rules_lists_stop(struct rules *rules)
{
    rules_list_watch_stop(rules);
    for (struct list *list = rules->lists; list != NULL; list = list->next)
        stop(list);
}
