/* values.h - the values of a field, read once for all the rules that look at it.
 *
 * A source is a field with its name in parentheses and its form (.fold): header("Subject"),
 * url.text.fold. Its values are read when the first rule of a stage wants them, kept for the run of
 * that stage, and read again when a rule has edited what they come from. What patterns see is cut at
 * `scan-limit` and well-formed UTF-8, which is made so once and not for each pattern.
 *
 * Everything here is scratch of one run: a set of rules runs one stage of one session at a time. */
#ifndef RULES_VALUES_H
#define RULES_VALUES_H

#include <mailweir/content.h>

#include "index.h"
#include "model.h"

struct subject;

/* What may change a source's values while rules run. */
enum depends { ON_NOTHING = 0, ON_SENDER, ON_RCPT, ON_HEADER, ON_VARS, DEPENDS_COUNT };

struct item {
    struct value value;
    uint32_t of; /* a property: of which attachment, link, address, member; from 0, ascending */
};

struct pattern {
    const struct regex *regex;
    uint32_t id;           /* in the index; NO_ID: not in it */
    struct rule *triggers; /* rules that it triggers, by next_triggered */
};
#define NO_ID UINT32_MAX

struct source {
    const struct field *field;
    struct mw_slice arg;
    size_t slot; /* VAR */
    bool is_folded;
    enum depends depends;
    size_t number;
    struct source *next;

    /* patterns that are matched against it */
    struct pattern *patterns;
    size_t pattern_count, pattern_cap;
    size_t risky_count;
    struct index *index;     /* NULL: not worth it */
    uint32_t *pattern_of_id; /* which pattern an id of the index is */
    uint32_t from;           /* trigger.c: scratch */

    /* of the run */
    uint64_t epoch, texts_epoch, scan_epoch;
    struct item *items; /* heap, as all below; reused */
    struct mw_slice *texts;
    size_t count, cap;
    bool is_error;           /* behind the items: a look-up failed */
    struct index_scan *scan; /* its own */
    struct index_scan
        *scanned; /* the one that has looked through the values: its own, or a job's */
};

/* The addresses of the From (To, Cc, Reply-To) fields, parsed once for all their properties. */
enum { ADDRESS_FIELDS_MAX = 16 };
struct address_field {
    const struct mw_address *const *addresses;
    size_t count;
};
struct addresses {
    uint64_t epoch;
    struct address_field fields[ADDRESS_FIELDS_MAX];
    size_t field_count, count;
};

/* ---- while loading ---- */

/* The source of a use; made if it is new. NULL: its values are read one by one. */
struct source *rules_source(struct rules *rules, const struct field_use *use);
/* One more pattern; its number in the source. */
size_t rules_source_pattern(struct source *source, const struct regex *regex);
void rules_sources_free(struct rules *rules);

/* ---- in a run ---- */

/* A run begins: nothing read before counts. */
void rules_values_begin(struct subject *subject);
/* What was read from there is stale. */
void rules_values_changed(struct subject *subject, enum depends depends);
/* Values are read if they are stale: items, count, is_error. */
void rules_values_read(struct subject *subject, struct source *source);
/* ... and texts, as patterns see them. */
void rules_values_texts(struct subject *subject, struct source *source);
/* May that pattern match one of the source's values, by the literals that are in them? */
bool rules_values_may_match(struct subject *subject, struct source *source, size_t pattern);
/* The source's literals are looked for, if that was not done yet. */
void rules_values_scan(struct subject *subject, struct source *source);
/* The first item of the `of`th thing. */
size_t rules_values_first(const struct source *source, uint32_t of);
/* Things of a group that the message has. */
uint32_t rules_group_count(struct subject *subject, enum group group);

/* For the files that read values. */
void rules_values_add(struct source *source, struct mw_slice text, int64_t number, uint32_t of);
void rules_read_header(struct subject *subject, struct source *source);  /* header_values.c */
void rules_read_content(struct subject *subject, struct source *source); /* content_values.c */
/* Single numbers of the content: attachment.count, mime.parts. */
uint64_t rules_content_number(struct subject *subject, enum field_id id);
uint32_t rules_content_count(struct subject *subject, enum group group);
uint32_t rules_address_count(struct subject *subject, enum group group);
/* The time since the message's Date field, in seconds. False: there is none that can be read. */
bool rules_date_age(struct subject *subject, int64_t *out_seconds);
/* date.c: RFC 5322 3.3 and 4.3, seconds since 1970. */
bool rules_date(struct mw_slice value, int64_t *out_seconds);

/* A value as patterns see it: no longer than the scan limit, and for patterns over text UTF-8, with
 * U+FFFD for what is none (envelope and HELO may hold any octet). Thread-safe if `alloc` is. */
struct mw_slice rules_pattern_text(const struct rules *rules, struct mw_slice text, bool is_utf,
                                   void *(*alloc)(void *user, size_t size), void *user);

/* Memory that lasts as long as the run. Never NULL. `rules` is a struct rules *. */
void *rules_room(void *rules, size_t size);
void rules_room_reset(struct rules *rules);
void rules_room_free(struct rules *rules);

#endif
