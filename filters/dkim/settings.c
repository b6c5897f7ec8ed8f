/* settings.c - the table of settings, and the reading of those that are words: each has its place in the file, so that what is wrong is shown with a
 * caret under it. */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>

#include <mailweir/lang.h>

/* clang-format off */
static const char *const profiles[] = {"observe", "enforce", NULL};
static const char *const requires[] = {"off", "any", "author", NULL};
static const char *const protects[] = {"off", "log", "on", NULL};

#define SETTING(of_type, of_name, of_default, ...) \
    {.size = sizeof(struct mw_setting), .name = of_name, .type = of_type, .default_text = of_default, __VA_ARGS__}

const struct mw_setting dkim_settings[DKIM_SETTING_COUNT] = {
    SETTING(MW_SETTING_CHOICE, "profile", "observe", .choices = profiles,
        .help = "observe (nobody is refused for want of a signature; the log tells who would be) or enforce (require-signature refuses)"),
    SETTING(MW_SETTING_TEXT, "on", "", .repeatable = 1,
        .help = "RESULT[,RESULT] ACTION: what is done with a result, in whatever profile; pass, add-header, tag, quarantine, defer or reject; later lines "
                "win; where no line says otherwise: add-header"),
    SETTING(MW_SETTING_CHOICE, "require-signature", "off", .choices = requires,
        .help = "refuse messages without a passing signature: off, any, or author (one of the domain of From, of one above or below it)"),
    SETTING(MW_SETTING_CHOICE, "protect-dkim", "log", .choices = protects,
        .help = "look at the signatures that passed again when the message leaves edited: off, log (tell which broke) or on (defer the message)"),
    SETTING(MW_SETTING_COUNT, "max-signatures", "5", .min = 1, .max = DKIM_SIGNATURES_MAX,
        .help = "signatures of a message that are looked at, from the top"),
    SETTING(MW_SETTING_COUNT, "min-key-bits", "1024", .min = 512, .max = 4096,
        .help = "smaller RSA keys give policy, not pass (RFC 8301: 1024 or more)"),
    SETTING(MW_SETTING_BOOL, "allow-body-length", "off",
        .help = "let signatures pass that cover only a part of the body (l=): what was added behind it is anybody's"),
    SETTING(MW_SETTING_DURATION, "clock-tolerance", "5m", .max = 864000000,
        .help = "how far a signer's clock may differ from ours: t= in the future, x= in the past"),
    SETTING(MW_SETTING_DURATION, "lookup-time", "15s", .min = 1000, .max = 600000,
        .help = "how long the keys of one message may take before the result is temperror; should be below deadline"),
    SETTING(MW_SETTING_TEXT, "skip-networks", "127.0.0.0/8 ::1", .repeatable = 1,
        .help = "clients whose mail is not looked at: addresses and networks; none: nobody"),
    SETTING(MW_SETTING_BOOL, "skip-authenticated", "on", .help = "do not look at mail of clients that have authenticated"),
    SETTING(MW_SETTING_TEXT, "quarantine-address", "", .help = "where mail goes whose action is quarantine"),
};
/* clang-format on */

/* ---- reading words ---- */

struct reader {
    const struct mw_host *host;
    struct mw_instance *instance;
    struct settings *out;
    struct mw_setting_place quarantine; /* where an action says so */
    size_t errors;
};

/* A word or a part of one, and where it stands. */
struct piece {
    struct mw_slice text;
    struct mw_setting_place place;
};

#define SHOW(slice) (int)((slice).len > 100 ? 100 : (slice).len), (slice).ptr

static void complain(struct reader *reader, const struct mw_setting_place *at, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
static void complain(struct reader *reader, const struct mw_setting_place *at, const char *hint,
                     const char *format, ...)
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
    if (near != NULL)
        snprintf(out, 64, "did you mean '%s'?", near);
    return near != NULL ? out : NULL;
}

static const struct mw_setting_value *value_of(const struct reader *reader, const char *name)
{
    return reader->host->setting(reader->instance, name);
}

static uint64_t number_of(const struct reader *reader, const char *name)
{
    return value_of(reader, name)->number;
}

static struct mw_setting_place place_of(const struct mw_setting_value *value)
{
    return (struct mw_setting_place){
        .file = value->file, .line = value->line, .column = value->column, .length = 1};
}

static struct piece word_at(const struct mw_setting_value *value, size_t index)
{
    bool has_places = value->size > offsetof(struct mw_setting_value, places) &&
                      value->places != NULL;
    return (struct piece){.text = value->texts[index],
                          .place = has_places ? value->places[index] : place_of(value)};
}

/* The part of `word` from `at` on, up to a comma. A quoted word stands with its quotes in the file: its parts are not pointed at. */
static struct piece part_at(const struct piece *word, size_t at)
{
    struct piece part = {.text = text_skip(word->text, at), .place = word->place};
    ptrdiff_t comma = text_find(part.text, ',');
    if (comma >= 0)
        part.text.len = (size_t)comma;
    if (word->place.length == word->text.len && part.text.len > 0) {
        part.place.column += (uint32_t)at;
        part.place.length = (uint32_t)part.text.len;
    }
    return part;
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

/* ---- on RESULT[,RESULT] ACTION ---- */

static const char *const result_words[] = {"pass",      "policy",    "neutral", "fail",
                                           "temperror", "permerror", "none",    NULL};

static void read_result(struct reader *reader, const struct piece *part, uint32_t *results)
{
    enum dkim_result result;
    char hint[64];
    if (dkim_result_parse(part->text, &result))
        *results |= 1u << result;
    else
        complain(reader, &part->place, suggest(reader, part->text, result_words, hint),
                 "'%.*s' is no result of DKIM: pass, policy, neutral, fail, temperror, permerror "
                 "or none",
                 SHOW(part->text));
}

/* All words of a line but the last: results, with commas or blanks between. */
static uint32_t read_results(struct reader *reader, const struct mw_setting_value *value,
                             size_t first, size_t end)
{
    uint32_t results = 0;
    for (size_t i = first; i < end; i++) {
        struct piece word = word_at(value, i);
        for (size_t at = 0; at < word.text.len;) {
            struct piece part = part_at(&word, at);
            read_result(reader, &part, &results);
            at += part.text.len + 1;
        }
    }
    return results;
}

static void read_on_line(struct reader *reader, const struct mw_setting_value *value, size_t first,
                         size_t end)
{
    static const char *const words[] = {"pass",  "add-header", "tag", "quarantine",
                                        "defer", "reject",     NULL};
    struct piece last = word_at(value, end - 1);
    struct choice choice = {.where = where_of(reader, &last.place)};
    char hint[64];
    size_t errors = reader->errors;
    uint32_t results = read_results(reader, value, first, end - 1);
    if (end - first < 2)
        complain(reader, &last.place, "on fail reject", "a result and an action are expected: %s",
                 action_words);
    else if (!action_parse(last.text, &choice.action))
        complain(reader, &last.place, suggest(reader, last.text, words, hint),
                 "'%.*s' is no action: %s", SHOW(last.text), action_words);
    if (choice.action == ACTION_QUARANTINE)
        reader->quarantine = last.place;
    for (int i = 0; reader->errors == errors && i < DKIM_RESULTS; i++)
        if (results >> i & 1)
            reader->out->acts[i] = choice;
}

static void read_on(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "on");
    const struct mw_setting_place *places = value->places;
    for (size_t first = 0, end; first < value->text_count; first = end) {
        end = first + 1;
        while (end < value->text_count && places != NULL &&
               places[end].directive == places[first].directive)
            end++;
        read_on_line(reader, value, first, end);
    }
}

/* ---- the rest ---- */

static void read_networks(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "skip-networks");
    struct settings *out = reader->out;
    out->skip_networks = reader->host->instance_alloc(
        reader->instance, (value->text_count + 1) * sizeof *out->skip_networks);
    if (value->text_count == 1 && text_is(value->texts[0], "none"))
        return;
    for (size_t i = 0; i < value->text_count; i++) {
        struct network *network = &out->skip_networks[out->skip_network_count];
        struct piece word = word_at(value, i);
        if (reader->host->lang->parse_network(word.text, network->address, &network->prefix))
            out->skip_network_count++;
        else
            complain(reader, &word.place,
                     "an address or a network such as 192.0.2.0/24 or 2001:db8::/32, without bits "
                     "behind the prefix",
                     "'%.*s' is not a network", SHOW(word.text));
    }
}

static void read_quarantine(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "quarantine-address");
    struct settings *out = reader->out;
    const struct mw_setting_place place = place_of(value);
    struct mw_slice address = value->text_count > 0 ? value->texts[0] : EMPTY;
    ptrdiff_t at = text_rfind(address, '@');
    bool is_needed = false;
    for (int i = 0; i < DKIM_RESULTS; i++)
        is_needed |= out->acts[i].action == ACTION_QUARANTINE;
    out->quarantine_address = address;
    if (address.len > 0 && (at <= 0 || (size_t)at + 1 == address.len))
        complain(reader, &place, "quarantine@example.net", "'%.*s' is not a whole address",
                 SHOW(address));
    if (address.len == 0 && is_needed)
        complain(reader, &reader->quarantine, "quarantine-address quarantine@example.net",
                 "an action is 'quarantine', but there is no quarantine-address");
}

bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out)
{
    struct reader reader = {.host = host, .instance = instance, .out = out};
    const struct mw_setting_place require = place_of(value_of(&reader, "require-signature"));
    out->profile = (enum profile)number_of(&reader, "profile");
    out->require = (enum require)number_of(&reader, "require-signature");
    out->require_where = where_of(&reader, &require);
    out->protect = (enum protect)number_of(&reader, "protect-dkim");
    out->lookup_ms = number_of(&reader, "lookup-time");
    out->skip_authenticated = number_of(&reader, "skip-authenticated") != 0;
    out->setup = (struct dkim_setup){.signatures_max = (size_t)number_of(&reader, "max-signatures"),
                                     .key_bits_min = (size_t)number_of(&reader, "min-key-bits"),
                                     .allows_length = number_of(&reader, "allow-body-length") != 0,
                                     .is_checked_again = out->protect != PROTECT_OFF,
                                     .tolerance_s = number_of(&reader, "clock-tolerance") / 1000};
    for (int i = 0; i < DKIM_RESULTS; i++)
        out->acts[i] = (struct choice){.action = ACTION_ADD_HEADER, .where = EMPTY};
    read_on(&reader);
    read_networks(&reader);
    read_quarantine(&reader);
    return reader.errors == 0;
}

bool settings_skip_client(const struct settings *settings, const char *address)
{
    for (size_t i = 0; i < settings->skip_network_count; i++) {
        const struct network *network = &settings->skip_networks[i];
        uint32_t whole = network->prefix / 8, bits = network->prefix % 8;
        unsigned mask = 0xff00u >> bits & 0xffu;
        if (memcmp(network->address, address, whole) == 0 &&
            (bits == 0 || ((network->address[whole] ^ (unsigned char)address[whole]) & mask) == 0))
            return true;
    }
    return false;
}
