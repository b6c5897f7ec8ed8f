/* settings_read.c - reading a block's settings.
 *
 * The host has checked choices, durations and the like. Lists of words it cannot check: here each word has its place in the file, so that what is
 * wrong is shown with a caret under it. A line is what stands under one `directive` number. */
#include <stdarg.h>
#include <stdio.h>

#include <mailweir/lang.h>

#include "domain.h"
#include "settings.h"
#include "words.h"

/* clang-format off */
/* fail and permerror are for good, temperror is not; the rest is none of a receiver's business (RFC 7208 8). */
static const enum action enforced[SPF_RESULTS] = {
    [SPF_NONE] = ACTION_ADD_HEADER, [SPF_NEUTRAL] = ACTION_ADD_HEADER, [SPF_PASS] = ACTION_ADD_HEADER, [SPF_FAIL] = ACTION_REJECT,
    [SPF_SOFTFAIL] = ACTION_ADD_HEADER, [SPF_TEMPERROR] = ACTION_DEFER, [SPF_PERMERROR] = ACTION_REJECT};
/* clang-format on */

/* ---- reading words ---- */

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

static void tell(struct reader *reader, enum mw_severity severity,
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
    reader->errors += severity == MW_DIAG_ERROR;
}

/* `hint` may be NULL. */
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
    tell(reader, MW_DIAG_ERROR, at, message, hint);
}

#define SHOW(slice) (int)((slice).len > 100 ? 100 : (slice).len), (slice).ptr

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

static struct mw_setting_place place_of(const struct mw_setting_value *value)
{
    return (struct mw_setting_place){
        .file = value->file, .line = value->line, .column = value->column, .length = 1};
}

static struct piece word_at(const struct line *line, size_t index)
{
    struct piece piece = {.text = line->value->texts[index], .place = place_of(line->value)};
    if (line->value->places != NULL)
        piece.place = line->value->places[index];
    return piece;
}

/* The part of `piece` that begins `skip` octets into it. A quoted word stands with its quotes in the file: its parts are not pointed at. */
static struct piece part_of(const struct piece *piece, size_t skip, size_t len)
{
    struct piece part = {.text = SLICE(piece->text.ptr + skip, len), .place = piece->place};
    if (piece->place.length == piece->text.len && len > 0) {
        part.place.column += (uint32_t)skip;
        part.place.length = (uint32_t)len;
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

static const struct mw_setting_value *value_of(const struct reader *reader, const char *name)
{
    return reader->host->setting(reader->instance, name);
}

static uint64_t number_of(const struct reader *reader, const char *name)
{
    return value_of(reader, name)->number;
}

static struct mw_slice only_text(const struct mw_setting_value *value)
{
    return value->text_count > 0 ? value->texts[0] : EMPTY;
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

/* The next part of a list "a,b" or "a, b" that begins at word *at; false: it is over, *at stands behind it. */
static bool next_part(const struct line *line, size_t *at, size_t *offset, struct piece *out)
{
    if (*at >= line->end)
        return false;
    struct piece word = word_at(line, *at);
    struct mw_slice rest = text_skip(word.text, *offset);
    ptrdiff_t comma = text_find(rest, ',');
    size_t len = comma >= 0 ? (size_t)comma : rest.len;
    *out = part_of(&word, *offset, len);
    *offset += len + 1;
    if (comma < 0)
        return true; /* the caller sees *offset beyond the word: the list's end */
    if (*offset >= word.text.len && *at + 1 < line->end) {
        *at += 1;
        *offset = 0;
    }
    return true;
}

/* All parts of the list at word *at go to `read`; *at stands behind the list afterwards. */
static void for_parts(struct reader *reader, const struct line *line, size_t *at,
                      void (*read)(struct reader *reader, const struct piece *part, void *user),
                      void *user)
{
    size_t offset = 0;
    struct piece part;
    while (next_part(line, at, &offset, &part)) {
        read(reader, &part, user);
        if (offset > word_at(line, *at).text.len)
            break;
    }
    *at += 1;
}

/* ---- on, on-domain ---- */

static void read_result(struct reader *reader, const struct piece *part, void *user)
{
    static const char *const results[] = {"none",     "neutral",   "pass",      "fail",
                                          "softfail", "temperror", "permerror", NULL};
    uint32_t *bits = user;
    char hint[64];
    for (int i = 0; i < SPF_RESULTS; i++)
        if (text_is(part->text, spf_result_name((enum spf_result)i))) {
            *bits |= 1u << i;
            return;
        }
    complain(reader, &part->place, suggest(reader, part->text, results, hint),
             "'%.*s' is no result of SPF: none, neutral, pass, fail, softfail, temperror or "
             "permerror",
             SHOW(part->text));
}

/* The last word of a line. */
static bool read_action(struct reader *reader, const struct line *line, size_t at,
                        struct choice *out)
{
    static const char *const words[] = {"pass",  "add-header", "tag", "quarantine",
                                        "defer", "reject",     NULL};
    char hint[64];
    if (at >= line->end) {
        struct piece last = word_at(line, line->end - 1);
        complain(reader, &last.place, NULL, "an action is missing behind '%.*s': %s",
                 SHOW(last.text), action_words);
        return false;
    }
    struct piece word = word_at(line, at);
    if (!action_parse(word.text, &out->action)) {
        complain(reader, &word.place, suggest(reader, word.text, words, hint),
                 "'%.*s' is no action: %s", SHOW(word.text), action_words);
        return false;
    }
    if (at + 1 < line->end) {
        struct piece extra = word_at(line, at + 1);
        complain(reader, &extra.place, NULL, "nothing is expected behind '%s'",
                 action_name(out->action));
        return false;
    }
    out->where = where_of(reader, &word.place);
    return true;
}

static void warn_helo(struct reader *reader, const struct mw_setting_place *place)
{
    if (reader->out->helo_check != HELO_REJECT)
        tell(reader, MW_DIAG_WARNING, place, "this has no effect without 'helo-check reject'",
             NULL);
}

static void read_on(struct reader *reader, const struct line *line)
{
    uint32_t results = 0, only = IDENTITY_COUNT;
    size_t at = line->first, errors = reader->errors;
    for_parts(reader, line, &at, read_result, &results);
    if (at < line->end) {
        struct piece word = word_at(line, at);
        for (uint32_t i = 0; i < IDENTITY_COUNT; i++)
            if (text_is(word.text, identity_name((enum identity)i))) {
                only = i;
                at++;
                if (i == IDENTITY_HELO)
                    warn_helo(reader, &word.place);
                break;
            }
    }
    struct choice choice;
    if (!read_action(reader, line, at, &choice) || reader->errors > errors)
        return;
    for (uint32_t identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++)
            if ((only == IDENTITY_COUNT || only == identity) && (results >> result & 1) != 0)
                reader->out->acts[identity][result] = reader->out->would[identity][result] = choice;
}

static bool read_domain(struct reader *reader, const struct piece *part, struct domain *out)
{
    char name[DOMAIN_MAX + 1];
    bool is_below = part->text.len > 1 && part->text.ptr[0] == '.';
    size_t len = domain_normalize(text_skip(part->text, is_below ? 1 : 0), name);
    if (len == 0) {
        complain(reader, &part->place, NULL, "'%.*s' is not the name of a domain",
                 SHOW(part->text));
        return false;
    }
    char *kept = reader->host->instance_alloc(reader->instance, len);
    memcpy(kept, name, len);
    *out = (struct domain){.name = SLICE(kept, len), .is_below = is_below};
    return true;
}

/* `on-domain`: each domain of the list is an exception; their results and action come behind the list. */
static void read_exception_domain(struct reader *reader, const struct piece *part, void *user)
{
    (void)user;
    struct settings *out = reader->out;
    if (read_domain(reader, part, &out->exceptions[out->exception_count].domain))
        out->exception_count++;
}

static void read_on_domain(struct reader *reader, const struct line *line)
{
    struct settings *out = reader->out;
    size_t at = line->first, first = out->exception_count;
    uint32_t results = 0;
    struct choice choice = {.action = ACTION_PASS};
    for_parts(reader, line, &at, read_exception_domain, NULL);
    if (at >= line->end) {
        struct piece last = word_at(line, line->end - 1);
        complain(reader, &last.place, NULL, "a result and an action are missing behind '%.*s'",
                 SHOW(last.text));
        return;
    }
    for_parts(reader, line, &at, read_result, &results);
    if (!read_action(reader, line, at, &choice))
        return;
    for (size_t i = first; i < out->exception_count; i++) {
        out->exceptions[i].results = results;
        out->exceptions[i].choice = choice;
    }
}

/* Room for as many domains as there are between the commas of a setting. */
static size_t parts_max(const struct mw_setting_value *value)
{
    size_t count = value->text_count;
    for (size_t i = 0; i < value->text_count; i++)
        for (size_t j = 0; j < value->texts[i].len; j++)
            count += value->texts[i].ptr[j] == ',';
    return count;
}

/* ---- lists ---- */

static void *room(const struct reader *reader, size_t count, size_t size)
{
    return reader->host->instance_alloc(reader->instance, (count + 1) * size);
}

/* "none" alone empties a list that has a default. */
static bool is_none(const struct mw_setting_value *value)
{
    return value->text_count == 1 && text_is(value->texts[0], "none");
}

static void read_networks(struct reader *reader, const char *name, struct networks *out)
{
    const struct mw_setting_value *value = value_of(reader, name);
    const struct line line = {.value = value, .end = value->text_count};
    out->list = room(reader, value->text_count, sizeof *out->list);
    if (is_none(value))
        return;
    for (size_t i = 0; i < value->text_count; i++) {
        struct network *network = &out->list[out->count];
        struct piece word = word_at(&line, i);
        if (reader->host->lang->parse_network(word.text, network->address, &network->prefix))
            out->count++;
        else
            complain(reader, &word.place,
                     "an address or a network such as 192.0.2.0/24 or "
                     "2001:db8::/32, without bits behind the prefix",
                     "'%.*s' is not a network", SHOW(word.text));
    }
}

static void read_domains(struct reader *reader, const char *name, struct domains *out)
{
    const struct mw_setting_value *value = value_of(reader, name);
    const struct line line = {.value = value, .end = value->text_count};
    out->list = room(reader, value->text_count, sizeof *out->list);
    for (size_t i = 0; i < value->text_count && !is_none(value); i++) {
        struct piece word = word_at(&line, i);
        if (read_domain(reader, &word, &out->list[out->count]))
            out->count++;
    }
}

static void read_recipient(struct reader *reader, const struct piece *word)
{
    struct settings *out = reader->out;
    ptrdiff_t at = text_rfind(word->text, '@');
    struct recipient recipient = {.local = EMPTY, .domain = EMPTY};
    struct domain domain = {.name = EMPTY};
    if (at < 0 || word->text.len < 2) {
        complain(reader, &word->place, "someone@example.net, @example.net or someone@",
                 "'%.*s' is not a recipient", SHOW(word->text));
        return;
    }
    recipient.local = SLICE(word->text.ptr, (size_t)at);
    const struct piece name = part_of(word, (size_t)at + 1, word->text.len - (size_t)at - 1);
    if (name.text.len > 0 && !read_domain(reader, &name, &domain))
        return;
    recipient.domain = domain.name;
    out->skip_recipients[out->skip_recipient_count++] = recipient;
}

static void read_recipients(struct reader *reader)
{
    const struct mw_setting_value *value = value_of(reader, "skip-recipients");
    const struct line line = {.value = value, .end = value->text_count};
    reader->out->skip_recipients = room(reader, value->text_count,
                                        sizeof *reader->out->skip_recipients);
    for (size_t i = 0; i < value->text_count && !is_none(value); i++) {
        struct piece word = word_at(&line, i);
        read_recipient(reader, &word);
    }
    if (reader->out->skip_recipient_count > 0 && reader->out->judge_at == JUDGE_MAIL) {
        struct piece word = word_at(&line, 0);
        complain(reader, &word.place, "judge rcpt",
                 "recipients cannot be skipped with 'judge mail': none is known there");
    }
}

/* ---- local-record ---- */

#define RECORD_EXAMPLE "\"v=spf1 ip4:192.0.2.1 -all\", for example"

/* What is wrong with a record, as an evaluation finds it before it asks anything; empty: nothing. */
static void probe_record(struct reader *reader, const struct spf_local *local,
                         const struct mw_setting_place *place)
{
    static const char nobody[16];
    char sender[DOMAIN_MAX + 16];
    struct builder address = {.ptr = sender, .cap = sizeof sender};
    builder_put(&address, LIT("postmaster@"));
    builder_put(&address, local->domain);
    const struct spf_setup setup = {
        .receiver = LIT("localhost"), .locals = local, .local_count = 1};
    const struct spf_sender who = {
        .address = nobody, .sender = SLICE(sender, address.len), .helo = local->domain};
    struct spf_check *check = spf_check_new(&setup, &who);
    const struct spf_need *needs;
    size_t count;
    struct spf_verdict verdict;
    if (spf_check_run(check, &needs, &count)) {
        spf_check_verdict(check, &verdict);
        if (verdict.result == SPF_PERMERROR)
            complain(reader, place, RECORD_EXAMPLE, "this record cannot be used: %.*s",
                     SHOW(verdict.problem));
    }
    spf_check_free(&check);
}

/* A record without quotes comes as several words. */
static struct mw_slice join(const struct reader *reader, const struct line *line, size_t first)
{
    size_t len = 0;
    for (size_t i = first; i < line->end; i++)
        len += line->value->texts[i].len + 1;
    struct builder text = {.ptr = room(reader, len, 1), .cap = len};
    for (size_t i = first; i < line->end; i++) {
        if (i > first)
            builder_put(&text, LIT(" "));
        builder_put(&text, line->value->texts[i]);
    }
    return SLICE(text.ptr, text.len);
}

static void read_local(struct reader *reader, const struct line *line)
{
    struct settings *out = reader->out;
    struct piece name = word_at(line, line->first);
    struct domain domain;
    if (line->end - line->first < 2) {
        complain(reader, &name.place, "local-record example.net \"v=spf1 ip4:192.0.2.1 -all\"",
                 "a record is missing behind '%.*s'", SHOW(name.text));
        return;
    }
    if (!read_domain(reader, &name, &domain))
        return;
    struct spf_local *local = &out->locals[out->local_count];
    *local = (struct spf_local){.domain = domain.name,
                                .record = join(reader, line, line->first + 1)};
    struct piece record = word_at(line, line->first + 1);
    bool is_marked = text_ieq(
                         SLICE(local->record.ptr, local->record.len < 6 ? local->record.len : 6),
                         LIT("v=spf1")) &&
                     (local->record.len == 6 || local->record.ptr[6] == ' ');
    if (domain.is_below)
        complain(reader, &name.place, NULL, "a record is of one domain: without the dot in front");
    else if (!is_marked)
        complain(reader, &record.place, RECORD_EXAMPLE,
                 "this record cannot be used: it does not begin with v=spf1");
    else
        probe_record(reader, local, &record.place);
    out->local_count++;
}

/* ---- the rest ---- */

static void read_profile(struct reader *reader)
{
    struct settings *out = reader->out;
    const struct mw_setting_value *value = value_of(reader, "profile");
    const struct mw_setting_place place = place_of(value);
    struct mw_slice where = where_of(reader, &place);
    out->profile = (enum profile)value->number;
    for (int identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++) {
            out->would[identity][result] = (struct choice){enforced[result], where};
            out->acts[identity][result] = (struct choice){
                out->profile == PROFILE_ENFORCE ? enforced[result] : ACTION_ADD_HEADER, where};
        }
}

static void read_explanation(struct reader *reader)
{
    struct settings *out = reader->out;
    const struct mw_setting_value *value = value_of(reader, "explanation");
    const struct line line = {.value = value, .end = value->text_count};
    struct mw_slice text = only_text(value);
    out->explanation = text_is(text, "off")  ? EXPLANATION_OFF
                       : text_is(text, "on") ? EXPLANATION_ON
                                             : EXPLANATION_OWN;
    out->own_explanation = text;
    size_t bad;
    if (out->explanation == EXPLANATION_OWN && !words_check_own(text, &bad)) {
        struct piece word = word_at(&line, 0);
        complain(reader, &word.place,
                 "%{i} client's address, %{s} sender, %{h} HELO, %{d} domain, %{result}, %% a "
                 "percent sign; %{S} and so on for use in a URL",
                 "octet %zu of the explanation: only printable ASCII and these macros may stand "
                 "there",
                 bad + 1);
    }
}

static void read_quarantine(struct reader *reader)
{
    struct settings *out = reader->out;
    const struct mw_setting_value *value = value_of(reader, "quarantine-address");
    const struct mw_setting_place place = place_of(value);
    struct mw_slice address = only_text(value);
    ptrdiff_t at = text_rfind(address, '@');
    out->quarantine_address = address;
    if (address.len > 0 && (at <= 0 || (size_t)at + 1 == address.len))
        complain(reader, &place, "quarantine@example.net", "'%.*s' is not a whole address",
                 SHOW(address));
    if (address.len == 0 && settings_may(out, ACTION_QUARANTINE))
        complain(reader, &place, "quarantine-address quarantine@example.net",
                 "an action is 'quarantine', but there is no quarantine-address");
}

bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out)
{
    struct reader reader = {.host = host, .instance = instance, .out = out};
    out->helo_check = (enum helo_check)number_of(&reader, "helo-check");
    out->judge_at = (enum judge_at)number_of(&reader, "judge");
    out->result_header = (enum result_header)number_of(&reader, "result-header");
    out->lookup_ms = number_of(&reader, "lookup-time");
    out->skip_authenticated = number_of(&reader, "skip-authenticated") != 0;
    out->exceptions = room(&reader, parts_max(value_of(&reader, "on-domain")),
                           sizeof *out->exceptions);
    out->locals = room(&reader, value_of(&reader, "local-record")->text_count, sizeof *out->locals);
    read_profile(&reader);
    for_lines(&reader, "on", read_on);
    for_lines(&reader, "on-domain", read_on_domain);
    for_lines(&reader, "local-record", read_local);
    read_networks(&reader, "skip-networks", &out->skip_networks);
    read_networks(&reader, "forwarders", &out->forwarders);
    read_domains(&reader, "skip-helo", &out->skip_helo);
    read_domains(&reader, "skip-names", &out->skip_names);
    read_domains(&reader, "forwarder-domains", &out->forwarder_domains);
    read_recipients(&reader);
    read_explanation(&reader);
    read_quarantine(&reader);
    return reader.errors == 0;
}
