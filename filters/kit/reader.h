/* reader.h - reading a filter's settings in open(): the words that the host cannot check, each with its place in the file, so that what is wrong is
 * shown with a caret under it and, where one is near, with the name that was meant.
 *
 *     struct line line = {.value = reader_value(&reader, "on")};
 *     while (line_next(&line))
 *         ... piece_at(line.value, line.first) ... piece_item(&word, at) ... reader_choice(&reader, &word, &choice) ...
 *     return reader.errors == 0;
 *
 * A line is what stands under one `directive` number of a repeatable setting; a word may be a list with commas. What is read into lives as long as
 * the instance. Not for hooks. */
#ifndef FILTERS_KIT_READER_H
#define FILTERS_KIT_READER_H

#include "action.h"
#include "client.h"
#include "domain.h"
#include "recipient.h"

/* Rows of a filter's table of settings. */
#define SETTING(of_type, of_name, of_default, ...)                           \
    {                                                                        \
        .size = sizeof(struct mw_setting), .name = of_name, .type = of_type, \
        .default_text = of_default, __VA_ARGS__                              \
    }
#define WORDS(of_name, of_default, of_help) \
    SETTING(MW_SETTING_TEXT, of_name, of_default, .repeatable = 1, .help = of_help)

struct reader {
    const struct mw_host *host;
    struct mw_instance *instance;
    size_t errors;
};

/* Octets of a word, and where they stand. */
struct piece {
    struct mw_slice text;
    struct mw_setting_place place;
};

/* ---- complaining ---- */

/* For "%.*s" in messages: no more of a word than can be shown. */
#define SHOW(slice) (int)((slice).len > 100 ? 100 : (slice).len), (slice).ptr

/* An error at that place, and one more in reader->errors. `hint` may be NULL. */
void reader_complain(struct reader *reader, const struct mw_setting_place *at, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
void reader_warn(struct reader *reader, const struct mw_setting_place *at, const char *message);

/* ---- words and lines ---- */

const struct mw_setting_value *reader_value(const struct reader *reader, const char *name);
uint64_t reader_number(const struct reader *reader, const char *name);
/* Of a setting of one word; empty: not given. */
struct mw_slice reader_text(const struct reader *reader, const char *name);
/* Where the setting as a whole stands. */
struct mw_setting_place reader_place(const struct reader *reader, const char *name);
/* "conf.d/30-filters.conf:12"; empty if the place has no file. */
struct mw_slice reader_where(const struct reader *reader, const struct mw_setting_place *place);
/* "none" alone empties a list that has a default. */
bool reader_is_none(const struct mw_setting_value *value);
/* Zeroed room for `count` things, and one more. */
void *reader_room(const struct reader *reader, size_t count, size_t size);

struct piece piece_at(const struct mw_setting_value *value, size_t index);
/* `len` octets from `skip` on. A quoted word stands with its quotes in the file: its parts are not pointed at. */
struct piece piece_part(const struct piece *word, size_t skip, size_t len);
/* From `at` up to a comma or the end; the next one begins at + text.len + 1. */
struct piece piece_item(const struct piece *word, size_t at);
/* As many as all the words of a setting can have items. */
size_t reader_items_max(const struct mw_setting_value *value);

/* Words first <= i < end of value->texts. */
struct line {
    const struct mw_setting_value *value;
    size_t first, end;
};
/* The next line; from {.value = ...} on, the first one. False: there is no other. */
bool line_next(struct line *line);

/* ---- what words stand for ----
 * Where a function returns false, it has complained. */

/* One of `names` (NULL at the end). `wrong`: what any other word is: "no result of SPF: none, pass or fail". */
bool reader_name(struct reader *reader, const struct piece *word, const char *const *names,
                 const char *wrong, uint32_t *out_index);
bool reader_choice(struct reader *reader, const struct piece *word, struct choice *out);
bool reader_domain(struct reader *reader, const struct piece *word, struct domain *out);
#define NETWORK_WRONG "not a network"
#define NETWORK_HINT                                                                          \
    "an address or a network such as 192.0.2.0/24 or 2001:db8::/32, without bits behind the " \
    "prefix"
/* All words of the setting. `wrong`: what a word is that is no network; `hint`: how to write one. */
void reader_networks(struct reader *reader, const char *name, const char *wrong, const char *hint,
                     struct networks *out);
/* All words of the setting: a@example.net, @example.net, a@; "none" is an empty list. */
void reader_recipients(struct reader *reader, const char *name, struct recipients *out);
/* The setting quarantine-address: a whole address, or empty. `needed`: where an action wants one to be given; NULL: none does. */
struct mw_slice reader_quarantine(struct reader *reader, const struct mw_setting_place *needed);

#endif
