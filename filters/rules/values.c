/* values.c - sources: found or made at load, read and put into the form for patterns in a run. */
#include "values.h"

#include <stdlib.h>

#include "prefetch.h"
#include "regex.h"
#include "subject.h"

/* ---- memory of a run ---- */

enum { ROOM_CHUNK = 64 * 1024, ROOM_KEPT = 1 << 20 };

struct room {
    struct room *next;
    size_t used, cap;
    _Alignas(16) char octets[];
};

static struct room *room_new(size_t size)
{
    size_t cap = size > ROOM_CHUNK ? size : ROOM_CHUNK;
    struct room *room = malloc(sizeof *room + cap);
    if (room == NULL)
        abort();
    room->next = NULL;
    room->used = 0;
    room->cap = cap;
    return room;
}

void *rules_room(void *rules_, size_t size)
{
    struct rules *rules = rules_;
    struct room *room = rules->room;
    size = (size + 15) & ~(size_t)15;
    if (room == NULL || room->cap - room->used < size) {
        room = room_new(size);
        room->next = rules->room;
        rules->room = room;
    }
    void *memory = room->octets + room->used;
    room->used += size;
    return memory;
}

/* Keeps one ordinary chunk, so that most messages cost no allocation. */
void rules_room_reset(struct rules *rules)
{
    while (rules->room != NULL && (rules->room->next != NULL || rules->room->cap > ROOM_KEPT)) {
        struct room *next = rules->room->next;
        free(rules->room);
        rules->room = next;
    }
    if (rules->room != NULL)
        rules->room->used = 0;
}

void rules_room_free(struct rules *rules)
{
    for (struct room *next; rules->room != NULL; rules->room = next) {
        next = rules->room->next;
        free(rules->room);
    }
}

/* ---- sources ---- */

static enum depends depends_of(const struct field *field)
{
    if (field->id == FIELD_VAR)
        return ON_VARS;
    if (field->flags & FLAG_RCPT)
        return ON_RCPT;
    if (field->id >= FIELD_SENDER && field->id <= FIELD_SENDER_PARAM)
        return ON_SENDER;
    return field->stage == MW_STAGE_END_OF_HEADERS ? ON_HEADER : ON_NOTHING;
}

static bool has_source(const struct field_use *use)
{
    const struct field *field = use->field;
    if (use->is_whole || field->id == FIELD_SCORE || field->id == FIELD_TAG ||
        field->flags & FLAG_LIST)
        return false;
    return field->flags & FLAG_MANY || (!type_is_number(field->type) && field->type != TYPE_IP);
}

static size_t hash_of(const struct field *field, struct mw_slice arg, size_t slot, bool is_folded)
{
    return text_hash(arg, true) * 31 + (size_t)field->id * 2 + is_folded + slot * 1009;
}

static struct source **place_of(const struct rules *rules, const struct field_use *use)
{
    size_t at = hash_of(use->field, use->arg, use->slot, use->is_folded);
    for (;; at++) {
        struct source **place = &rules->source_table[at & (rules->source_size - 1)];
        const struct source *source = *place;
        if (source == NULL || (source->field == use->field && source->is_folded == use->is_folded &&
                               source->slot == use->slot && text_ieq(source->arg, use->arg)))
            return place;
    }
}

static void grow_table(struct rules *rules)
{
    rules->source_size = rules->source_size ? rules->source_size * 2 : 32;
    rules->source_table = rules_keep(rules, rules->source_size * sizeof(struct source *));
    for (struct source *source = rules->sources; source != NULL; source = source->next) {
        struct field_use use = {.field = source->field,
                                .arg = source->arg,
                                .slot = source->slot,
                                .is_folded = source->is_folded};
        *place_of(rules, &use) = source;
    }
}

struct source *rules_source(struct rules *rules, const struct field_use *use)
{
    if (!has_source(use))
        return NULL;
    if (rules->source_count * 2 >= rules->source_size)
        grow_table(rules);
    struct source **place = place_of(rules, use);
    if (*place != NULL)
        return *place;
    struct source *source = rules_keep(rules, sizeof *source);
    source->field = use->field;
    source->arg = use->arg;
    source->slot = use->slot;
    source->is_folded = use->is_folded;
    source->depends = depends_of(use->field);
    source->number = rules->source_count++;
    source->next = rules->sources;
    rules->sources = source;
    return *place = source;
}

size_t rules_source_pattern(struct source *source, const struct regex *regex)
{
    if (source->pattern_count == source->pattern_cap) {
        source->pattern_cap = source->pattern_cap ? source->pattern_cap * 2 : 8;
        source->patterns = realloc(source->patterns,
                                   source->pattern_cap * sizeof *source->patterns);
        if (source->patterns == NULL)
            abort();
    }
    source->patterns[source->pattern_count] = (struct pattern){.regex = regex, .id = NO_ID};
    source->risky_count += rules_regex_class(regex) == REGEX_RISKY;
    return source->pattern_count++;
}

void rules_sources_free(struct rules *rules)
{
    for (struct source *source = rules->sources; source != NULL; source = source->next) {
        free(source->patterns);
        free(source->items);
        free(source->texts);
        source->patterns = NULL;
        source->items = NULL;
        source->texts = NULL;
    }
}

/* ---- a run ---- */

void rules_values_begin(struct subject *subject)
{
    struct rules *rules = subject->rules;
    rules_room_reset(rules);
    subject->begun = ++rules->epoch;
    for (unsigned i = 0; i < DEPENDS_COUNT; i++)
        subject->epochs[i] = rules->epoch;
}

void rules_values_changed(struct subject *subject, enum depends depends)
{
    subject->epochs[depends] = ++subject->rules->epoch;
}

void rules_values_add(struct source *source, struct mw_slice text, int64_t number, uint32_t of)
{
    if (source->count == source->cap) {
        source->cap = source->cap ? source->cap * 2 : 4;
        source->items = realloc(source->items, source->cap * sizeof *source->items);
        source->texts = realloc(source->texts, source->cap * sizeof *source->texts);
        if (source->items == NULL || source->texts == NULL)
            abort();
    }
    source->items[source->count++] = (struct item){
        .value = {.text = text.ptr ? text : EMPTY, .number = number}, .of = of};
}

static void fold_all(struct rules *rules, struct source *source)
{
    for (size_t i = 0; i < source->count; i++)
        source->items[i].value.text = rules->host->fold(source->items[i].value.text, rules_room,
                                                        rules);
}

static void read_single(struct subject *subject, struct source *source)
{
    struct field_use use = {.field = source->field, .arg = source->arg, .slot = source->slot};
    struct value value = {.text = EMPTY};
    enum got got = subject->ops->get(subject, &use, &value);
    if (got == GOT_VALUE)
        rules_values_add(source, value.text, value.number, 0);
    source->is_error = got == GOT_ERROR;
}

/* A fact that stands for several values: they have blanks between them. */
static void read_fact_list(struct subject *subject, struct source *source)
{
    struct field_use use = {.field = source->field};
    struct value value = {.text = EMPTY};
    enum got got = subject->ops->get(subject, &use, &value);
    struct mw_slice rest = got == GOT_VALUE ? value.text : EMPTY;
    source->is_error = got == GOT_ERROR;
    for (rest = text_trim(rest); rest.len > 0; rest = text_trim(rest)) {
        ptrdiff_t blank = text_find(rest, ' ');
        size_t len = blank < 0 ? rest.len : (size_t)blank;
        rules_values_add(source, SLICE(rest.ptr, len), 0, 0);
        rest = text_skip(rest, len);
    }
}

static void read_lines(struct subject *subject, struct source *source)
{
    struct mw_slice body = subject->ops->body(subject), line;
    for (size_t at = 0; rules_next_line(body, &at, &line);)
        rules_values_add(source, line, 0, 0);
}

static void read_var(struct subject *subject, struct source *source)
{
    struct mw_slice text = subject->transaction->vars[source->slot];
    if (text.ptr != NULL)
        rules_values_add(source, text, 0, 0);
}

void rules_values_read(struct subject *subject, struct source *source)
{
    uint64_t epoch = subject->epochs[source->depends];
    if (source->epoch == epoch || rules_prefetch_fill(subject, source))
        return;
    source->epoch = epoch;
    source->count = 0;
    source->is_error = false;
    const struct field *field = source->field;
    if (field->id == FIELD_VAR)
        read_var(subject, source);
    else if (field->id == FIELD_BODY_LINE)
        read_lines(subject, source);
    else if (!(field->flags & FLAG_MANY))
        read_single(subject, source);
    else if (field->flags & FLAG_FACT)
        read_fact_list(subject, source);
    else if (source->depends == ON_HEADER)
        rules_read_header(subject, source);
    else
        rules_read_content(subject, source);
    if (source->is_folded)
        fold_all(subject->rules, source);
}

struct mw_slice rules_pattern_text(const struct rules *rules, struct mw_slice text, bool is_utf,
                                   void *(*alloc)(void *user, size_t size), void *user)
{
    if (text.len > rules->scan_limit)
        text.len = rules->scan_limit;
    if (!is_utf || text_utf8_len(text) == text.len)
        return text;
    char *room = alloc(user, text.len * 3);
    return SLICE(room, text_utf8_mend(text, room));
}

void rules_values_texts(struct subject *subject, struct source *source)
{
    rules_values_read(subject, source);
    if (source->texts_epoch == source->epoch)
        return;
    source->texts_epoch = source->epoch;
    for (size_t i = 0; i < source->count; i++)
        source->texts[i] = rules_pattern_text(subject->rules, source->items[i].value.text,
                                              source->field->type != TYPE_BYTES, rules_room,
                                              subject->rules);
}

void rules_values_scan(struct subject *subject, struct source *source)
{
    rules_values_texts(subject, source);
    if (source->index == NULL || source->scan_epoch == source->epoch)
        return;
    source->scan_epoch = source->epoch;
    source->scanned = source->scan;
    rules_index_scan_begin(source->scan);
    for (size_t i = 0; i < source->count; i++)
        rules_index_scan_text(source->scan, source->texts[i]);
}

bool rules_values_may_match(struct subject *subject, struct source *source, size_t pattern)
{
    uint32_t id = source->patterns[pattern].id;
    if (id == NO_ID)
        return true;
    rules_values_scan(subject, source);
    return source->is_error || rules_index_is_candidate(source->scanned, id);
}

size_t rules_values_first(const struct source *source, uint32_t of)
{
    size_t low = 0, high = source->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->items[middle].of < of)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t rules_group_count(struct subject *subject, enum group group)
{
    return group >= GROUP_FROM ? rules_address_count(subject, group)
                               : rules_content_count(subject, group);
}
