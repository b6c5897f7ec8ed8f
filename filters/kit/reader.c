/* reader.c - see reader.h. */
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>

#include <mailweir/lang.h>

/* ---- complaining ---- */

static void tell(const struct reader *reader, enum mw_severity severity,
                 const struct mw_setting_place *at, const char *message, const char *hint)
{
    const struct mw_diag diag = {.size = sizeof diag,
                                 .severity = severity,
                                 .file = at->file,
                                 .line = at->line,
                                 .column = at->column,
                                 .length = at->length,
                                 .message = message,
                                 .hint = hint};
    reader->host->diag(reader->instance, &diag);
}

void reader_complain(struct reader *reader, const struct mw_setting_place *at, const char *hint,
                     const char *format, ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    tell(reader, MW_DIAG_ERROR, at, message, hint);
    reader->errors++;
}

void reader_warn(struct reader *reader, const struct mw_setting_place *at, const char *message)
{
    tell(reader, MW_DIAG_WARNING, at, message, NULL);
}

/* "did you mean 'x'?" in `out`, or NULL. */
static const char *suggest(const struct reader *reader, struct mw_slice word,
                           const char *const *names, char out[64])
{
    const char *near = reader->host->lang->near_name(word, names);
    if (near == NULL)
        return NULL;
    snprintf(out, 64, "did you mean '%s'?", near);
    return out;
}

/* ---- words and lines ---- */

const struct mw_setting_value *reader_value(const struct reader *reader, const char *name)
{
    return reader->host->setting(reader->instance, name);
}

uint64_t reader_number(const struct reader *reader, const char *name)
{
    return reader_value(reader, name)->number;
}

struct mw_slice reader_text(const struct reader *reader, const char *name)
{
    const struct mw_setting_value *value = reader_value(reader, name);
    return value->text_count > 0 ? value->texts[0] : EMPTY;
}

static struct mw_setting_place place_of(const struct mw_setting_value *value)
{
    return (struct mw_setting_place){
        .file = value->file, .line = value->line, .column = value->column, .length = 1};
}

struct mw_setting_place reader_place(const struct reader *reader, const char *name)
{
    return place_of(reader_value(reader, name));
}

struct mw_slice reader_where(const struct reader *reader, const struct mw_setting_place *place)
{
    if (place->file == NULL)
        return EMPTY;
    size_t size = strlen(place->file) + 12;
    char *where = reader->host->instance_alloc(reader->instance, size);
    snprintf(where, size, "%s:%u", place->file, place->line);
    return slice_of(where);
}

bool reader_is_none(const struct mw_setting_value *value)
{
    return value->text_count == 1 && text_is(value->texts[0], "none");
}

void *reader_room(const struct reader *reader, size_t count, size_t size)
{
    return reader->host->instance_alloc(reader->instance, (count + 1) * size);
}

struct piece piece_at(const struct mw_setting_value *value, size_t index)
{
    return (struct piece){.text = value->texts[index],
                          .place = value->places != NULL ? value->places[index] : place_of(value)};
}

struct piece piece_part(const struct piece *word, size_t skip, size_t len)
{
    struct piece part = {.text = SLICE(word->text.ptr + skip, len), .place = word->place};
    if (word->place.length == word->text.len && len > 0) {
        part.place.column += (uint32_t)skip;
        part.place.length = (uint32_t)len;
    }
    return part;
}

struct piece piece_item(const struct piece *word, size_t at)
{
    struct mw_slice rest = text_skip(word->text, at);
    ptrdiff_t comma = text_find(rest, ',');
    return piece_part(word, at < word->text.len ? at : word->text.len,
                      comma < 0 ? rest.len : (size_t)comma);
}

size_t reader_items_max(const struct mw_setting_value *value)
{
    size_t count = value->text_count;
    for (size_t i = 0; i < value->text_count; i++)
        for (size_t j = 0; j < value->texts[i].len; j++)
            count += value->texts[i].ptr[j] == ',';
    return count;
}

bool line_next(struct line *line)
{
    const struct mw_setting_value *value = line->value;
    const struct mw_setting_place *places = value->places;
    line->first = line->end;
    if (line->first >= value->text_count)
        return false;
    do
        line->end++;
    while (line->end < value->text_count &&
           (places == NULL || places[line->end].directive == places[line->first].directive));
    return true;
}

/* ---- what words stand for ---- */

bool reader_name(struct reader *reader, const struct piece *word, const char *const *names,
                 const char *wrong, uint32_t *out_index)
{
    char hint[64];
    for (uint32_t i = 0; names[i] != NULL; i++)
        if (text_is(word->text, names[i])) {
            *out_index = i;
            return true;
        }
    reader_complain(reader, &word->place, suggest(reader, word->text, names, hint), "'%.*s' is %s",
                    SHOW(word->text), wrong);
    return false;
}

bool reader_choice(struct reader *reader, const struct piece *word, struct choice *out)
{
    const char *names[ACTION_COUNT + 1] = {NULL};
    char wrong[100];
    uint32_t action;
    for (int i = 0; i < ACTION_COUNT; i++)
        names[i] = action_name((enum action)i);
    snprintf(wrong, sizeof wrong, "no action: %s", action_words);
    if (!reader_name(reader, word, names, wrong, &action))
        return false;
    *out = (struct choice){.action = (enum action)action,
                           .where = reader_where(reader, &word->place)};
    return true;
}

bool reader_domain(struct reader *reader, const struct piece *word, struct domain *out)
{
    char name[DOMAIN_MAX + 1];
    bool is_below = word->text.len > 1 && word->text.ptr[0] == '.';
    size_t len = domain_normalize(text_skip(word->text, is_below ? 1 : 0), name);
    if (len == 0) {
        reader_complain(reader, &word->place, NULL, "'%.*s' is not the name of a domain",
                        SHOW(word->text));
        return false;
    }
    char *kept = reader->host->instance_alloc(reader->instance, len);
    memcpy(kept, name, len);
    *out = (struct domain){.name = SLICE(kept, len), .is_below = is_below};
    return true;
}

void reader_networks(struct reader *reader, const char *name, const char *wrong, const char *hint,
                     struct networks *out)
{
    const struct mw_setting_value *value = reader_value(reader, name);
    out->list = reader_room(reader, value->text_count, sizeof *out->list);
    for (size_t i = 0; i < value->text_count && !reader_is_none(value); i++) {
        struct network *network = &out->list[out->count];
        struct piece word = piece_at(value, i);
        if (reader->host->lang->parse_network(word.text, network->address, &network->prefix))
            out->count++;
        else
            reader_complain(reader, &word.place, hint, "'%.*s' is %s", SHOW(word.text), wrong);
    }
}

static bool read_recipient(struct reader *reader, const struct piece *word, struct recipient *out)
{
    ptrdiff_t at = text_rfind(word->text, '@');
    struct domain domain = {.name = EMPTY};
    if (at < 0 || word->text.len < 2) {
        reader_complain(reader, &word->place, "someone@example.net, @example.net or someone@",
                        "'%.*s' is not a recipient", SHOW(word->text));
        return false;
    }
    size_t local_len = (size_t)at;
    const struct piece name = piece_part(word, local_len + 1, word->text.len - local_len - 1);
    if (name.text.len > 0 && !reader_domain(reader, &name, &domain))
        return false;
    *out = (struct recipient){.local = SLICE(word->text.ptr, local_len), .domain = domain.name};
    return true;
}

void reader_recipients(struct reader *reader, const char *name, struct recipients *out)
{
    const struct mw_setting_value *value = reader_value(reader, name);
    out->list = reader_room(reader, value->text_count, sizeof *out->list);
    out->count = 0;
    for (size_t i = 0; i < value->text_count && !reader_is_none(value); i++) {
        struct piece word = piece_at(value, i);
        out->count += read_recipient(reader, &word, &out->list[out->count]);
    }
}

struct mw_slice reader_quarantine(struct reader *reader, const struct mw_setting_place *needed)
{
    const struct mw_setting_place place = reader_place(reader, "quarantine-address");
    struct mw_slice address = reader_text(reader, "quarantine-address");
    ptrdiff_t at = text_rfind(address, '@');
    if (address.len > 0 && (at <= 0 || (size_t)at + 1 == address.len))
        reader_complain(reader, &place, "quarantine@example.net", "'%.*s' is not a whole address",
                        SHOW(address));
    if (address.len == 0 && needed != NULL)
        reader_complain(reader, needed, "quarantine-address quarantine@example.net",
                        "an action is 'quarantine', but there is no quarantine-address");
    return address;
}
