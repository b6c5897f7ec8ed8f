/* prefetch.c - see prefetch.h. A job owns all that it touches: header values and the body are copied,
 * the content view is held, sources and patterns do not change after loading. */
#include "prefetch.h"

#include <stdlib.h>

#include "clock.h"
enum {
    SMALL = 16 * 1024, /* messages below are worth a thread only for patterns that may ... */
    MUCH = 256 * 1024, /* octets under patterns */
    MUCH_FOR_RISKY = 16 * 1024,   /* ... take long: octets, for each such pattern */
    TABLE_MAX = 16 * 1024 * 1024, /* octets of results */
    MATCHES_A_LOOK = 64
};

enum known { UNKNOWN = 0, KNOWN_NO, KNOWN_YES, KNOWN_UNDECIDED };

struct chunk {
    struct chunk *next;
    _Alignas(16) char octets[];
};

struct part { /* one source */
    struct source *source;
    bool is_folded; /* its own: the loop changes the source's for a moment (read_unfolded) */
    struct item *items;
    struct mw_slice *texts;
    size_t count;
    struct index_scan *scan;
    uint8_t **known;    /* by pattern, then by value; NULL: none matches */
    uint64_t *spent_us; /* by pattern; 0 once a rule has been charged with it */
};
static uint8_t all_undecided[1];

struct prefetch {
    struct rules *rules;
    const struct mw_content *content; /* held */
    struct part *parts;
    size_t part_count;
    struct part **by_source;
    struct regex_scratch *scratch;
    struct chunk *chunks;
    size_t table; /* octets */
    uint64_t matches, used_us;
};

static void *keep(void *prefetch_, size_t size)
{
    struct prefetch *prefetch = prefetch_;
    struct chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        abort();
    chunk->next = prefetch->chunks;
    prefetch->chunks = chunk;
    return chunk->octets;
}

static struct mw_slice keep_text(struct prefetch *prefetch, struct mw_slice text)
{
    char *copy = keep(prefetch, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

/* ---- is it worth it? ---- */

/* Sources that are new at the stage, and do not change from recipient to recipient. */
static bool is_of_stage(const struct source *source, enum mw_stage stage)
{
    return source->pattern_count > 0 && source->field->stage >= MW_STAGE_END_OF_HEADERS &&
           source->field->stage <= stage;
}

/* Folding is left to the job: the values as they are, read anew by whoever comes next. */
static void read_unfolded(struct subject *subject, struct source *source)
{
    bool is_folded = source->is_folded;
    source->is_folded = false;
    if (is_folded)
        source->epoch = 0;
    rules_values_read(subject, source);
    source->is_folded = is_folded;
    if (is_folded)
        source->epoch = 0;
}

/* What patterns that may take long would have to look at, if it were all of the message. */
static uint64_t most_risky(const struct subject *subject, uint64_t octets)
{
    uint64_t count = 0;
    for (const struct source *source = subject->rules->sources; source != NULL;
         source = source->next)
        count += is_of_stage(source, subject->stage) ? source->risky_count : 0;
    return count * octets;
}

/* Patterns that may take long, and whose literals are in the values. */
static size_t risky_candidates(struct subject *subject, struct source *source)
{
    size_t count = 0;
    if (source->is_folded || source->risky_count == 0) /* not folded yet: nothing to look in */
        return source->risky_count;
    for (size_t i = 0; i < source->pattern_count; i++)
        count += rules_regex_class(source->patterns[i].regex) == REGEX_RISKY &&
                 rules_values_may_match(subject, source, i);
    return count;
}

static bool is_worth_it(struct subject *subject)
{
    uint64_t all = 0, risky = 0;
    for (struct source *source = subject->rules->sources; source != NULL; source = source->next) {
        if (!is_of_stage(source, subject->stage))
            continue;
        uint64_t octets = 0;
        read_unfolded(subject, source);
        for (size_t i = 0; i < source->count; i++)
            octets += source->items[i].value.text.len;
        all += octets;
        risky += risky_candidates(subject, source) * octets;
    }
    return all > MUCH || risky > MUCH_FOR_RISKY;
}

/* ---- on the loop, before ---- */

/* Long texts stay in the view that is held. */
static bool is_in_view(const struct source *source)
{
    return source->field->id == FIELD_BODY_TEXT || source->field->id == FIELD_BODY_HTML ||
           source->field->id == FIELD_MIME_HEADER_LINES ||
           source->field->id == FIELD_NESTED_HEADER_LINES;
}

/* Lines of the body are too many to be copied one by one. */
static void copy_lines(struct subject *subject, struct prefetch *prefetch, struct part *part)
{
    struct mw_slice body = subject->ops->body(subject);
    struct mw_slice copy = keep_text(prefetch, body);
    for (size_t i = 0; i < part->count; i++)
        part->items[i].value.text.ptr = copy.ptr + (part->items[i].value.text.ptr - body.ptr);
}

static void copy_texts(struct prefetch *prefetch, struct part *part)
{
    for (size_t i = 0; i < part->count; i++)
        part->items[i].value.text = keep_text(prefetch, part->items[i].value.text);
}

static void copy_part(struct subject *subject, struct prefetch *prefetch, struct source *source)
{
    struct part *part = &prefetch->parts[prefetch->part_count++];
    read_unfolded(subject, source);
    part->source = source;
    part->is_folded = source->is_folded;
    part->count = source->count;
    part->items = keep(prefetch, (source->count + 1) * sizeof *part->items);
    part->texts = keep(prefetch, (source->count + 1) * sizeof *part->texts);
    part->known = keep(prefetch, source->pattern_count * sizeof *part->known);
    part->spent_us = keep(prefetch, source->pattern_count * sizeof *part->spent_us);
    if (source->count > 0)
        memcpy(part->items, source->items, source->count * sizeof *part->items);
    if (source->field->id == FIELD_BODY_LINE)
        copy_lines(subject, prefetch, part);
    else if (!is_in_view(source))
        copy_texts(prefetch, part);
    prefetch->by_source[source->number] = part;
}

static void copy_parts(struct subject *subject, struct prefetch *prefetch)
{
    struct rules *rules = subject->rules;
    prefetch->parts = keep(prefetch, rules->source_count * sizeof *prefetch->parts);
    prefetch->by_source = keep(prefetch, rules->source_count * sizeof *prefetch->by_source);
    for (struct source *source = rules->sources; source != NULL; source = source->next)
        if (is_of_stage(source, subject->stage))
            copy_part(subject, prefetch, source);
}

struct prefetch *rules_prefetch_new(struct subject *subject)
{
    struct rules *rules = subject->rules;
    struct field_use size = {.field = rules_field(FIELD_MESSAGE_SIZE)};
    struct value octets = {.number = 0};
    if (subject->stage < MW_STAGE_END_OF_HEADERS || subject->session->marks.is_decided ||
        subject->transaction->marks.is_decided || !(rules->wants & MW_STAGE_BIT(subject->stage)) ||
        subject->ops->get(subject, &size, &octets) != GOT_VALUE)
        return NULL;
    uint64_t message = (uint64_t)(octets.number / NUMBER_UNIT);
    if (message < SMALL && most_risky(subject, message) <= MUCH_FOR_RISKY)
        return NULL;
    rules_values_begin(subject);
    if (!is_worth_it(subject))
        return NULL;
    struct prefetch *prefetch = calloc(1, sizeof *prefetch);
    if (prefetch == NULL)
        abort();
    prefetch->rules = rules;
    prefetch->scratch = rules_regex_scratch_new(rules);
    if (rules->content_needs != 0 && subject->stage == MW_STAGE_END_OF_MESSAGE)
        prefetch->content = subject->ops->content(subject);
    if (prefetch->content != NULL)
        rules->host->content_hold(prefetch->content);
    copy_parts(subject, prefetch);
    return prefetch;
}

void rules_prefetch_free(struct prefetch **prefetch_at)
{
    struct prefetch *prefetch = *prefetch_at;
    *prefetch_at = NULL;
    if (prefetch == NULL)
        return;
    for (size_t i = 0; i < prefetch->part_count; i++)
        rules_index_scan_free(&prefetch->parts[i].scan);
    if (prefetch->content != NULL)
        prefetch->rules->host->content_release(prefetch->content);
    rules_regex_scratch_free(&prefetch->scratch);
    for (struct chunk *next; prefetch->chunks != NULL; prefetch->chunks = next) {
        next = prefetch->chunks->next;
        free(prefetch->chunks);
    }
    free(prefetch);
}

/* ---- in the pool ---- */

static void prepare_texts(struct prefetch *prefetch, struct part *part)
{
    const struct rules *rules = prefetch->rules;
    for (size_t i = 0; i < part->count; i++) {
        struct mw_slice *value = &part->items[i].value.text;
        if (part->is_folded)
            *value = rules->host->fold(*value, keep, prefetch);
        part->texts[i] = rules_pattern_text(rules, *value, part->source->field->type != TYPE_BYTES,
                                            keep, prefetch);
    }
}

static void scan(struct part *part)
{
    if (part->source->index == NULL)
        return;
    part->scan = rules_index_scan_new(part->source->index);
    rules_index_scan_begin(part->scan);
    for (size_t i = 0; i < part->count; i++)
        rules_index_scan_text(part->scan, part->texts[i]);
}

/* Past the deadline nothing more is tried, however short it is. */
static enum known match(struct prefetch *prefetch, const struct regex *regex, struct mw_slice text)
{
    if (++prefetch->matches % MATCHES_A_LOOK == 0 && rules_regex_is_late(prefetch->scratch))
        prefetch->table = TABLE_MAX; /* the rest is not decided, and need not be kept */
    if (prefetch->table >= TABLE_MAX)
        return KNOWN_UNDECIDED;
    switch (rules_regex_match(prefetch->scratch, regex, text, NULL)) {
    case REGEX_NO:
        return KNOWN_NO;
    case REGEX_YES:
        return KNOWN_YES;
    case REGEX_UNDECIDED:
        break;
    }
    return KNOWN_UNDECIDED;
}

static void match_pattern(struct prefetch *prefetch, struct part *part, size_t number)
{
    const struct pattern *pattern = &part->source->patterns[number];
    if (part->count == 0 ||
        (pattern->id != NO_ID && !rules_index_is_candidate(part->scan, pattern->id)))
        return;
    part->known[number] = all_undecided;
    if (prefetch->table + part->count > TABLE_MAX)
        return;
    prefetch->table += part->count;
    uint8_t *known = keep(prefetch, part->count);
    uint64_t start = rules_clock_us();
    for (size_t i = 0; i < part->count; i++)
        known[i] = (uint8_t)match(prefetch, pattern->regex, part->texts[i]);
    part->spent_us[number] = rules_clock_us() - start;
    part->known[number] = known;
}

void rules_prefetch_run(struct prefetch *prefetch)
{
    uint64_t start = rules_clock_us();
    rules_regex_begin(prefetch->scratch, prefetch->rules->deadline_ms * 1000);
    for (size_t i = 0; i < prefetch->part_count; i++) {
        struct part *part = &prefetch->parts[i];
        prepare_texts(prefetch, part);
        scan(part);
        for (size_t number = 0; number < part->source->pattern_count; number++)
            match_pattern(prefetch, part, number);
    }
    prefetch->used_us = rules_clock_us() - start;
}

uint64_t rules_prefetch_used_us(const struct prefetch *prefetch)
{
    return prefetch == NULL ? 0 : prefetch->used_us;
}

/* ---- on the loop, afterwards ---- */

static struct part *part_of(const struct subject *subject, const struct source *source)
{
    if (subject->prefetch == NULL || source == NULL ||
        subject->epochs[source->depends] != subject->begun)
        return NULL;
    return subject->prefetch->by_source[source->number];
}

bool rules_prefetched(struct subject *subject, const struct test *test, size_t at,
                      enum regex_result *out_result)
{
    struct part *part = part_of(subject, test->use->source);
    if (part == NULL || test->pattern == NO_PATTERN || at >= part->count)
        return false;
    if (!subject->is_dry) {
        subject->spent_us += part->spent_us[test->pattern];
        part->spent_us[test->pattern] = 0;
    }
    const uint8_t *known = part->known[test->pattern];
    unsigned what = known == NULL ? KNOWN_NO : known == all_undecided ? KNOWN_UNDECIDED : known[at];
    *out_result = what == KNOWN_NO ? REGEX_NO : what == KNOWN_YES ? REGEX_YES : REGEX_UNDECIDED;
    return true;
}

bool rules_prefetch_fill(struct subject *subject, struct source *source)
{
    struct part *part = part_of(subject, source);
    if (part == NULL)
        return false;
    source->epoch = source->texts_epoch = subject->begun;
    source->count = 0;
    source->is_error = false;
    for (size_t i = 0; i < part->count; i++) {
        rules_values_add(source, part->items[i].value.text, part->items[i].value.number,
                         part->items[i].of);
        source->texts[i] = part->texts[i];
    }
    source->scan_epoch = source->epoch;
    source->scanned = part->scan;
    return true;
}
