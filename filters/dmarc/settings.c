/* settings.c - the table of settings, and the reading of those that are words.
 *
 * The host has checked choices and durations. Lists of words it cannot check: here each word has its place in the file, so that what is wrong
 * is shown with a caret under it. A line is what stands under one `directive` number. */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>

#include <mailweir/lang.h>

/* clang-format off */
static const char *const profiles[] = {"observe", "enforce", NULL};

#define SETTING(of_type, of_name, of_default, ...) \
    {.size = sizeof(struct mw_setting), .name = of_name, .type = of_type, .default_text = of_default, __VA_ARGS__}
#define WORDS(of_name, of_default, of_help) SETTING(MW_SETTING_TEXT, of_name, of_default, .repeatable = 1, .help = of_help)

const struct mw_setting dmarc_settings[DMARC_SETTING_COUNT] = {
    SETTING(MW_SETTING_CHOICE, "profile", "observe", .choices = profiles,
        .help = "what is done where no line says otherwise: observe (results in the header, nobody is refused; the log tells what enforce would have done) "
        "or enforce (a fail is rejected or tagged as the domain's policy says)"),
    WORDS("on", "",
        "RESULT[,RESULT] ACTION: what is done with a result, in whatever profile; reject and quarantine (a fail under that policy), fail (both), temperror or "
        "permerror; pass, add-header, tag, quarantine, defer or reject; later lines win"),
    WORDS("on-domain", "",
        "DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION: the same for mail whose author is of these domains (.example.net: it and all below); none is a fail under "
        "that policy, fail is one under any; the first line that fits wins"),
    SETTING(MW_SETTING_DURATION, "lookup-time", "10s", .min = 100, .max = 600000,
        .help = "how long the lookups for one message may take before the result is temperror; should be below deadline"),
    WORDS("skip-networks", "127.0.0.0/8 ::1", "clients whose mail is not judged: addresses and networks; none: nobody"),
    SETTING(MW_SETTING_BOOL, "skip-authenticated", "on", .help = "do not judge mail of clients that have authenticated"),
    WORDS("forwarders", "",
        "hosts that forward mail to us, mailing lists among them: addresses and networks; their mail is judged, and no fail is acted upon"),
    SETTING(MW_SETTING_TEXT, "quarantine-address", "", .help = "where mail goes whose action is quarantine"),
};

static const char *const outcomes[] = {[OUTCOME_REJECT] = "reject", [OUTCOME_QUARANTINE] = "quarantine", [OUTCOME_NONE] = "none",
    [OUTCOME_TEMPERROR] = "temperror", [OUTCOME_PERMERROR] = "permerror", [OUTCOME_COUNT] = "fail", NULL};
#define OUTCOME_WORDS "reject, quarantine, fail, temperror or permerror"

static const enum action enforced[OUTCOME_COUNT] = {[OUTCOME_REJECT] = ACTION_REJECT, [OUTCOME_QUARANTINE] = ACTION_TAG,
    [OUTCOME_NONE] = ACTION_ADD_HEADER, [OUTCOME_TEMPERROR] = ACTION_ADD_HEADER, [OUTCOME_PERMERROR] = ACTION_ADD_HEADER};
/* clang-format on */

struct reader {
    const struct mw_host *host;
    struct mw_instance *instance;
    struct settings *out;
    size_t errors;
};

/* One line of a repeatable setting. */
struct line {
    const struct mw_setting_value *value;
    size_t first, end; /* of value->texts */
};

/* Octets of a word, and where they stand. */
struct piece {
    struct mw_slice text;
    struct mw_setting_place place;
};

#define SHOW(slice) (int)((slice).len > 100 ? 100 : (slice).len), (slice).ptr

/* `hint` may be NULL. */
__attribute__((format(printf, 4, 5))) static void complain(struct reader *reader,
                                                           const struct mw_setting_place *at,
                                                           const char *hint, const char *format,
                                                           ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const struct mw_diag diag = {.size = sizeof diag,
                                 .severity = MW_DIAG_ERROR,
                                 .file = at->file,
                                 .line = at->line,
                                 .column = at->column,
                                 .length = at->length,
                                 .message = message,
                                 .hint = hint};
    reader->host->diag(reader->instance, &diag);
    reader->errors++;
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

static struct piece word_at(const struct line *line, size_t index)
{
    const struct mw_setting_value *value = line->value;
    struct piece piece = {
        .text = value->texts[index],
        .place = {.file = value->file, .line = value->line, .column = value->column, .length = 1}};
    if (value->places != NULL)
        piece.place = value->places[index];
    return piece;
}

/* `len` octets of a word. A quoted word stands with its quotes in the file: its parts are not pointed at. */
static struct piece part_of(const struct piece *word, size_t skip, size_t len)
{
    struct piece part = {.text = SLICE(word->text.ptr + skip, len), .place = word->place};
    if (word->place.length == word->text.len && len > 0) {
        part.place.column += (uint32_t)skip;
        part.place.length = (uint32_t)len;
    }
    return part;
}

static const struct mw_setting_value *value_of(const struct reader *reader, const char *name)
{
    return reader->host->setting(reader->instance, name);
}

static struct mw_slice where_of(const struct reader *reader, const struct mw_setting_place *place)
{
    if (place->file == NULL)
        return EMPTY;
    size_t size = strlen(place->file) + 12;
    char *where = reader->host->instance_alloc(reader->instance, size);
    snprintf(where, size, "%s:%u", place->file, place->line);
    return slice_of(where);
}

/* Hand each line of a setting to `read`. */
static void for_lines(struct reader *reader, const char *name,
                      void (*read)(struct reader *reader, const struct line *line))
{
    const struct mw_setting_value *value = value_of(reader, name);
    const struct mw_setting_place *places = value->places;
    for (size_t first = 0, end; first < value->text_count; first = end) {
        end = first + 1;
        while (end < value->text_count &&
               (places == NULL || places[end].directive == places[first].directive))
            end++;
        read(reader, &(struct line){.value = value, .first = first, .end = end});
    }
}

/* Each part of "a,b,c" to `read`. */
static void for_parts(struct reader *reader, struct piece word,
                      void (*read)(struct reader *reader, const struct piece *part, void *user),
                      void *user)
{
    size_t at = 0;
    for (;;) {
        struct mw_slice rest = text_skip(word.text, at);
        ptrdiff_t comma = text_find(rest, ',');
        struct piece part = part_of(&word, at, comma < 0 ? rest.len : (size_t)comma);
        read(reader, &part, user);
        if (comma < 0)
            return;
        at += (size_t)comma + 1;
    }
}

/* ---- on, on-domain ---- */

static void read_outcome(struct reader *reader, const struct piece *part, void *user)
{
    uint32_t *bits = user;
    char hint[64];
    for (uint32_t i = 0; i < OUTCOME_COUNT; i++)
        if (text_is(part->text, outcomes[i])) {
            *bits |= 1u << i;
            return;
        }
    if (text_is(part->text, "fail"))
        *bits |= 1u << OUTCOME_REJECT | 1u << OUTCOME_QUARANTINE | 1u << OUTCOME_COUNT;
    else
        complain(reader, &part->place, suggest(reader, part->text, outcomes, hint),
                 "'%.*s' is no result of DMARC that can be acted upon: " OUTCOME_WORDS,
                 SHOW(part->text));
}

/* The last word of a line. */
static bool read_action(struct reader *reader, const struct line *line, size_t at,
                        struct choice *out)
{
    static const char *const words[] = {"pass",  "add-header", "tag", "quarantine",
                                        "defer", "reject",     NULL};
    char hint[64];
    struct piece word = word_at(line, at);
    if (!action_parse(word.text, &out->action)) {
        complain(reader, &word.place, suggest(reader, word.text, words, hint),
                 "'%.*s' is no action: %s", SHOW(word.text), action_words);
        return false;
    }
    out->where = where_of(reader, &word.place);
    return true;
}

/* False: the line has another number of words. */
static bool has_words(struct reader *reader, const struct line *line, size_t count,
                      const char *form)
{
    size_t found = line->end - line->first;
    struct piece word = word_at(line, found > count ? line->first + count : line->end - 1);
    if (found < count)
        complain(reader, &word.place, form, "something is missing behind '%.*s'", SHOW(word.text));
    else if (found > count)
        complain(reader, &word.place, form, "nothing is expected here, but '%.*s' stands here",
                 SHOW(word.text));
    return found == count;
}

static void read_on(struct reader *reader, const struct line *line)
{
    struct settings *out = reader->out;
    struct choice choice;
    uint32_t bits = 0;
    if (!has_words(reader, line, 2, "a line is: on RESULT[,RESULT] ACTION"))
        return;
    struct piece results = word_at(line, line->first);
    for_parts(reader, results, read_outcome, &bits);
    if ((bits >> OUTCOME_NONE & 1) != 0)
        complain(reader, &results.place, "for single domains: on-domain DOMAIN none ACTION",
                 "mail that fails under the policy none is left alone (RFC 9989 5.4)");
    if (!read_action(reader, line, line->first + 1, &choice))
        return;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if ((bits >> i & 1) != 0)
            out->acts[i] = out->would[i] = choice;
}

static void read_domain(struct reader *reader, const struct piece *part, void *user)
{
    const struct exception *pattern = user;
    struct settings *out = reader->out;
    char name[DOMAIN_MAX + 1];
    bool is_below = part->text.len > 1 && part->text.ptr[0] == '.';
    size_t len = domain_normalize(text_skip(part->text, is_below ? 1 : 0), name);
    if (len == 0) {
        complain(reader, &part->place, NULL, "'%.*s' is not the name of a domain",
                 SHOW(part->text));
        return;
    }
    char *kept = reader->host->instance_alloc(reader->instance, len);
    memcpy(kept, name, len);
    struct exception *exception = &out->exceptions[out->exception_count++];
    *exception = *pattern;
    exception->domain = SLICE(kept, len);
    exception->is_below = is_below;
}

static void read_exception(struct reader *reader, const struct line *line)
{
    struct exception pattern = {.outcomes = 0};
    if (!has_words(reader, line, 3, "a line is: on-domain DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION"))
        return;
    for_parts(reader, word_at(line, line->first + 1), read_outcome, &pattern.outcomes);
    if ((pattern.outcomes >> OUTCOME_COUNT & 1) != 0)
        pattern.outcomes |=
            1u << OUTCOME_NONE; /* the operator names the domain: its policy does not matter */
    if (read_action(reader, line, line->first + 2, &pattern.choice))
        for_parts(reader, word_at(line, line->first), read_domain, &pattern);
}

static void *room(const struct reader *reader, size_t count, size_t size)
{
    return reader->host->instance_alloc(reader->instance, (count + 1) * size);
}

static void read_exceptions(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "on-domain");
    size_t most = value->text_count;
    for (size_t i = 0; i < value->text_count; i++)
        for (size_t j = 0; j < value->texts[i].len; j++)
            most += value->texts[i].ptr[j] == ',';
    reader->out->exceptions = room(reader, most, sizeof *reader->out->exceptions);
    for_lines(reader, "on-domain", read_exception);
}

/* ---- the others ---- */

/* "none" alone empties a list that has a default. */
static void read_networks(struct reader *reader, const char *name, struct networks *out)
{
    const struct mw_setting_value *value = value_of(reader, name);
    const struct line line = {.value = value, .end = value->text_count};
    out->list = room(reader, value->text_count, sizeof *out->list);
    if (value->text_count == 1 && text_is(value->texts[0], "none"))
        return;
    for (size_t i = 0; i < value->text_count; i++) {
        struct network *network = &out->list[out->count];
        struct piece word = word_at(&line, i);
        if (reader->host->lang->parse_network(word.text, network->address, &network->prefix))
            out->count++;
        else
            complain(reader, &word.place,
                     "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, without bits behind the "
                     "prefix",
                     "'%.*s' is neither an address nor a network", SHOW(word.text));
    }
}

bool networks_have(const struct networks *networks, const char *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        const struct network *network = &networks->list[i];
        uint32_t octets = network->prefix / 8, bits = network->prefix % 8;
        unsigned char next = octets < 16 ? (unsigned char)address[octets] ^ network->address[octets]
                                         : 0;
        if (memcmp(network->address, address, octets) == 0 &&
            (bits == 0 || next >> (8 - bits) == 0))
            return true;
    }
    return false;
}

/* Where the first action `quarantine` stands, or NULL. */
static const struct choice *find_quarantine(const struct settings *settings)
{
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (settings->acts[i].action == ACTION_QUARANTINE)
            return &settings->acts[i];
    for (size_t i = 0; i < settings->exception_count; i++)
        if (settings->exceptions[i].choice.action == ACTION_QUARANTINE)
            return &settings->exceptions[i].choice;
    return NULL;
}

static void read_quarantine(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "quarantine-address");
    const struct choice *choice = find_quarantine(reader->out);
    const struct line line = {.value = value, .end = value->text_count};
    reader->out->quarantine_address = value->text_count > 0 ? value->texts[0] : EMPTY;
    struct mw_slice address = reader->out->quarantine_address;
    if (address.len == 0 && choice != NULL)
        complain(reader, &(struct mw_setting_place){.file = NULL},
                 "add: quarantine-address spam@example.net",
                 "the action quarantine (%.*s) needs a quarantine-address", SHOW(choice->where));
    else if (address.len > 0 && (text_domain(address).len == 0 || text_find(address, '@') == 0)) {
        struct piece word = word_at(&line, 0);
        complain(reader, &word.place, NULL, "'%.*s' is not an address", SHOW(address));
    }
}

static void set_defaults(struct settings *out)
{
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        out->would[i] = (struct choice){.action = enforced[i], .where = EMPTY};
        out->acts[i] = out->would[i];
        if (out->profile == PROFILE_OBSERVE)
            out->acts[i].action = ACTION_ADD_HEADER;
    }
}

bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out)
{
    struct reader reader = {.host = host, .instance = instance, .out = out};
    *out = (struct settings){
        .profile = (enum profile)value_of(&reader, "profile")->number,
        .lookup_ms = value_of(&reader, "lookup-time")->number,
        .skip_authenticated = value_of(&reader, "skip-authenticated")->number != 0};
    set_defaults(out);
    for_lines(&reader, "on", read_on);
    read_exceptions(&reader);
    read_networks(&reader, "skip-networks", &out->skip_networks);
    read_networks(&reader, "forwarders", &out->forwarders);
    read_quarantine(&reader);
    return reader.errors == 0;
}
