/* settings.c - the table of settings, and the reading of those that are words, with reader.h. */
#include "settings.h"

#include "reader.h"

/* clang-format off */
static const char *const profiles[] = {"observe", "enforce", NULL};

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
    WORDS("skip-recipients", "",
        "recipients for whom no message is refused or quarantined: addresses, @domain, local@; the others of the message are judged as without them"),
    SETTING(MW_SETTING_TEXT, "quarantine-address", "", .help = "where mail goes whose action is quarantine"),
};

static const char *const outcomes[] = {[OUTCOME_REJECT] = "reject", [OUTCOME_QUARANTINE] = "quarantine", [OUTCOME_NONE] = "none",
    [OUTCOME_TEMPERROR] = "temperror", [OUTCOME_PERMERROR] = "permerror", [OUTCOME_COUNT] = "fail", NULL};
#define OUTCOME_WORDS "reject, quarantine, fail, temperror or permerror"

static const enum action enforced[OUTCOME_COUNT] = {[OUTCOME_REJECT] = ACTION_REJECT, [OUTCOME_QUARANTINE] = ACTION_TAG,
    [OUTCOME_NONE] = ACTION_ADD_HEADER, [OUTCOME_TEMPERROR] = ACTION_ADD_HEADER, [OUTCOME_PERMERROR] = ACTION_ADD_HEADER};
/* clang-format on */

/* ---- on, on-domain ---- */

/* The list "a,b,c" as bits; 1 << OUTCOME_COUNT says that `fail` is among them. */
static uint32_t read_outcomes(struct reader *reader, const struct piece *word)
{
    uint32_t bits = 0, outcome;
    struct piece part;
    for (size_t at = 0; at <= word->text.len; at += part.text.len + 1) {
        part = piece_item(word, at);
        if (!reader_name(reader, &part, outcomes,
                         "no result of DMARC that can be acted upon: " OUTCOME_WORDS, &outcome))
            continue;
        bits |= 1u << outcome;
        if (outcome == OUTCOME_COUNT)
            bits |= 1u << OUTCOME_REJECT | 1u << OUTCOME_QUARANTINE;
    }
    return bits;
}

/* False: the line has another number of words. */
static bool has_words(struct reader *reader, const struct line *line, size_t count,
                      const char *form)
{
    size_t found = line->end - line->first;
    struct piece word = piece_at(line->value, found > count ? line->first + count : line->end - 1);
    if (found < count)
        reader_complain(reader, &word.place, form, "something is missing behind '%.*s'",
                        SHOW(word.text));
    else if (found > count)
        reader_complain(reader, &word.place, form,
                        "nothing is expected here, but '%.*s' stands here", SHOW(word.text));
    return found == count;
}

static void read_on(struct reader *reader, struct settings *out, const struct line *line)
{
    struct choice choice;
    if (!has_words(reader, line, 2, "a line is: on RESULT[,RESULT] ACTION"))
        return;
    struct piece results = piece_at(line->value, line->first);
    struct piece action = piece_at(line->value, line->first + 1);
    uint32_t bits = read_outcomes(reader, &results);
    if ((bits >> OUTCOME_NONE & 1) != 0)
        reader_complain(reader, &results.place, "for single domains: on-domain DOMAIN none ACTION",
                        "mail that fails under the policy none is left alone (RFC 9989 5.4)");
    if (!reader_choice(reader, &action, &choice))
        return;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if ((bits >> i & 1) != 0)
            out->acts[i] = out->would[i] = choice;
}

static void read_on_domain(struct reader *reader, struct settings *out, const struct line *line)
{
    struct exception exception = {.outcomes = 0};
    if (!has_words(reader, line, 3, "a line is: on-domain DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION"))
        return;
    struct piece domains = piece_at(line->value, line->first), part;
    struct piece results = piece_at(line->value, line->first + 1);
    struct piece action = piece_at(line->value, line->first + 2);
    exception.outcomes = read_outcomes(reader, &results);
    if ((exception.outcomes >> OUTCOME_COUNT & 1) != 0)
        exception.outcomes |=
            1u << OUTCOME_NONE; /* the operator names the domain: its policy does not matter */
    if (!reader_choice(reader, &action, &exception.choice))
        return;
    for (size_t at = 0; at <= domains.text.len; at += part.text.len + 1) {
        part = piece_item(&domains, at);
        if (reader_domain(reader, &part, &exception.domain))
            out->exceptions[out->exception_count++] = exception;
    }
}

static void read_lines(struct reader *reader, struct settings *out)
{
    struct line line = {.value = reader_value(reader, "on")};
    while (line_next(&line))
        read_on(reader, out, &line);
    line = (struct line){.value = reader_value(reader, "on-domain")};
    out->exceptions = reader_room(reader, reader_items_max(line.value), sizeof *out->exceptions);
    while (line_next(&line))
        read_on_domain(reader, out, &line);
}

/* ---- the others ---- */

static void read_networks(struct reader *reader, const char *name, struct networks *out)
{
    reader_networks(
        reader, name, "neither an address nor a network",
        "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, without bits behind the prefix", out);
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

static void read_quarantine(struct reader *reader, struct settings *out)
{
    const struct choice *choice = find_quarantine(out);
    struct mw_slice address = reader_text(reader, "quarantine-address");
    out->quarantine_address = address;
    if (address.len == 0 && choice != NULL)
        reader_complain(reader, &(struct mw_setting_place){.file = NULL},
                        "add: quarantine-address spam@example.net",
                        "the action quarantine (%.*s) needs a quarantine-address",
                        SHOW(choice->where));
    else if (address.len > 0 && (text_domain(address).len == 0 || text_find(address, '@') == 0)) {
        struct piece word = piece_at(reader_value(reader, "quarantine-address"), 0);
        reader_complain(reader, &word.place, NULL, "'%.*s' is not an address", SHOW(address));
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
    struct reader reader = {.host = host, .instance = instance};
    const struct mw_setting_place profile = reader_place(&reader, "profile");
    const struct mw_setting_place recipients = reader_place(&reader, "skip-recipients");
    *out = (struct settings){
        .profile = (enum profile)reader_number(&reader, "profile"),
        .profile_where = reader_where(&reader, &profile),
        .recipients_where = reader_where(&reader, &recipients),
        .lookup_ms = reader_number(&reader, "lookup-time"),
        .skip.is_for_authenticated = reader_number(&reader, "skip-authenticated") != 0};
    set_defaults(out);
    read_lines(&reader, out);
    read_networks(&reader, "skip-networks", &out->skip.networks);
    read_networks(&reader, "forwarders", &out->forwarders);
    reader_recipients(&reader, "skip-recipients", &out->skip_recipients);
    read_quarantine(&reader, out);
    return reader.errors == 0;
}
