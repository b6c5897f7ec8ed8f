/* settings.c - the table of settings, and the reading of those that are words, with reader.h. */
#include "settings.h"

#include "reader.h"

/* Of `max-signatures`. A key is a question of the session's share, and DMARC asks behind us, up to 48: both fit into what the host lets wait for a place
 * (83, where `session-queries` is 500), so that a message of many keys cannot make DMARC's questions fail. */
enum { SIGNATURES_MOST = 20 };

/* clang-format off */
static const char *const profiles[] = {"observe", "enforce", NULL};
static const char *const requires[] = {"off", "any", "author", NULL};
static const char *const protects[] = {"off", "log", "on", NULL};

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
    SETTING(MW_SETTING_COUNT, "max-signatures", "5", .min = 1, .max = SIGNATURES_MOST,
        .help = "signatures of a message that are looked at, from the top"),
    SETTING(MW_SETTING_COUNT, "min-key-bits", "1024", .min = 1024, .max = 4096,
        .help = "smaller RSA keys give policy, not pass (RFC 8301 3.2: never less than 1024)"),
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

/* ---- on RESULT[,RESULT] ACTION ---- */

/* Results with commas or blanks between. */
static uint32_t read_results(struct reader *reader, const struct line *line)
{
    const char *names[DKIM_RESULTS + 1] = {NULL};
    uint32_t results = 0, result;
    for (int i = 0; i < DKIM_RESULTS; i++)
        names[i] = dkim_result_name((enum dkim_result)i);
    for (size_t i = line->first; i + 1 < line->end; i++) {
        struct piece word = piece_at(line->value, i), part;
        for (size_t at = 0; at < word.text.len; at += part.text.len + 1) {
            part = piece_item(&word, at);
            if (reader_name(reader, &part, names,
                            "no result of DKIM: pass, policy, neutral, fail, temperror, "
                            "permerror or none",
                            &result))
                results |= 1u << result;
        }
    }
    return results;
}

static void read_on(struct reader *reader, struct settings *out, const struct line *line,
                    struct mw_setting_place *quarantine)
{
    struct piece last = piece_at(line->value, line->end - 1);
    struct choice choice = {.action = ACTION_PASS};
    size_t errors = reader->errors;
    uint32_t results = read_results(reader, line);
    if (line->end - line->first < 2)
        reader_complain(reader, &last.place, "on fail reject",
                        "a result and an action are expected: %s", action_words);
    else if (reader_choice(reader, &last, &choice) && choice.action == ACTION_QUARANTINE)
        *quarantine = last.place;
    for (int i = 0; reader->errors == errors && i < DKIM_RESULTS; i++)
        if (results >> i & 1)
            out->acts[i] = choice;
}

/* True: some action is quarantine; *out_place is where one says so. */
static bool read_actions(struct reader *reader, struct settings *out,
                         struct mw_setting_place *out_place)
{
    struct line line = {.value = reader_value(reader, "on")};
    bool has_quarantine = false;
    for (int i = 0; i < DKIM_RESULTS; i++)
        out->acts[i] = (struct choice){.action = ACTION_ADD_HEADER, .where = EMPTY};
    while (line_next(&line))
        read_on(reader, out, &line, out_place);
    for (int i = 0; i < DKIM_RESULTS; i++)
        has_quarantine |= out->acts[i].action == ACTION_QUARANTINE;
    return has_quarantine;
}

/* ---- the whole ---- */

bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out)
{
    struct reader reader = {.host = host, .instance = instance};
    const struct mw_setting_place require = reader_place(&reader, "require-signature");
    const struct mw_setting_place protect = reader_place(&reader, "protect-dkim");
    struct mw_setting_place quarantine = {.file = NULL};
    out->profile = (enum profile)reader_number(&reader, "profile");
    out->require = (enum require)reader_number(&reader, "require-signature");
    out->require_where = reader_where(&reader, &require);
    out->protect_where = reader_where(&reader, &protect);
    out->protect = (enum protect)reader_number(&reader, "protect-dkim");
    out->lookup_ms = reader_number(&reader, "lookup-time");
    out->skip.is_for_authenticated = reader_number(&reader, "skip-authenticated") != 0;
    out->setup = (struct dkim_setup){
        .signatures_max = (size_t)reader_number(&reader, "max-signatures"),
        .key_bits_min = (size_t)reader_number(&reader, "min-key-bits"),
        .allows_length = reader_number(&reader, "allow-body-length") != 0,
        .is_checked_again = out->protect != PROTECT_OFF,
        .tolerance_s = reader_number(&reader, "clock-tolerance") / 1000};
    bool has_quarantine = read_actions(&reader, out, &quarantine);
    reader_networks(&reader, "skip-networks", NETWORK_WRONG, NETWORK_HINT, &out->skip.networks);
    out->quarantine_address = reader_quarantine(&reader, has_quarantine ? &quarantine : NULL);
    return reader.errors == 0;
}
