/* settings_read.c - reading a block's settings, with reader.h. */
#include "settings.h"

#include "reader.h"
#include "words.h"

/* clang-format off */
/* fail and permerror are for good, temperror is not; the rest is none of a receiver's business (RFC 7208 8). */
static const enum action enforced[SPF_RESULTS] = {
    [SPF_NONE] = ACTION_ADD_HEADER, [SPF_NEUTRAL] = ACTION_ADD_HEADER, [SPF_PASS] = ACTION_ADD_HEADER, [SPF_FAIL] = ACTION_REJECT,
    [SPF_SOFTFAIL] = ACTION_ADD_HEADER, [SPF_TEMPERROR] = ACTION_DEFER, [SPF_PERMERROR] = ACTION_REJECT};
/* clang-format on */

/* ---- lists of a line: "a,b" or "a, b" ---- */

struct list {
    const struct line *line;
    size_t at,
        offset; /* of line->value->texts, in that word; behind the last part: the word behind the list */
    bool is_over;
};

static bool list_next(struct list *list, struct piece *out)
{
    if (list->is_over)
        return false;
    struct piece word = piece_at(list->line->value, list->at);
    *out = piece_item(&word, list->offset);
    list->offset += out->text.len + 1;
    list->is_over = list->offset > word.text.len; /* no comma behind it */
    if (list->is_over || (list->offset == word.text.len && list->at + 1 < list->line->end)) {
        list->at++;
        list->offset = 0;
    }
    return true;
}

/* ---- on, on-domain ---- */

/* The list at word *at, as bits; *at stands behind it afterwards. */
static uint32_t read_results(struct reader *reader, const struct line *line, size_t *at)
{
    struct list list = {.line = line, .at = *at};
    struct piece part;
    const char *names[SPF_RESULTS + 1] = {NULL};
    uint32_t bits = 0, result;
    for (int i = 0; i < SPF_RESULTS; i++)
        names[i] = spf_result_name((enum spf_result)i);
    while (list_next(&list, &part))
        if (reader_name(reader, &part, names,
                        "no result of SPF: none, neutral, pass, fail, softfail, temperror or "
                        "permerror",
                        &result))
            bits |= 1u << result;
    *at = list.at;
    return bits;
}

/* The last word of a line. `form`: how a line is written. */
static bool read_action(struct reader *reader, const struct line *line, size_t at, const char *form,
                        struct choice *out)
{
    if (at >= line->end) {
        struct piece last = piece_at(line->value, line->end - 1);
        reader_complain(reader, &last.place, NULL, "an action is missing behind '%.*s': %s",
                        SHOW(last.text), action_words);
        return false;
    }
    struct piece word = piece_at(line->value, at);
    if (!reader_choice(reader, &word, out))
        return false;
    if (at + 1 < line->end) {
        struct piece extra = piece_at(line->value, at + 1);
        reader_complain(reader, &extra.place, form, "nothing is expected behind '%s'",
                        action_name(out->action));
        return false;
    }
    return true;
}

static bool is_action(const struct piece *word)
{
    enum action action;
    return action_parse(word->text, &action);
}

/* The word at *at, if it is an identity or stands where only one can stand; IDENTITY_COUNT: no identity is named. */
static uint32_t read_identity(struct reader *reader, const struct line *line, size_t *at)
{
    const char *names[IDENTITY_COUNT + 1] = {NULL};
    uint32_t only = IDENTITY_COUNT;
    if (*at >= line->end)
        return only;
    struct piece word = piece_at(line->value, *at);
    bool is_known = false;
    for (int i = 0; i < IDENTITY_COUNT; i++) {
        names[i] = identity_name((enum identity)i);
        is_known |= text_is(word.text, names[i]);
    }
    if (!is_known && *at + 1 < line->end) {
        struct piece next = piece_at(line->value, *at + 1);
        is_known = !is_action(&word) && is_action(&next);
    }
    if (!is_known)
        return only;
    ++*at;
    reader_name(reader, &word, names, "no identity: mailfrom or helo", &only);
    return only;
}

static void read_on(struct reader *reader, struct settings *out, const struct line *line)
{
    size_t at = line->first, errors = reader->errors;
    uint32_t results = read_results(reader, line, &at);
    uint32_t only = read_identity(reader, line, &at);
    if (only == IDENTITY_HELO && out->helo_check != HELO_REJECT) {
        struct piece word = piece_at(line->value, at - 1);
        reader_warn(reader, &word.place, "this has no effect without 'helo-check reject'");
    }
    struct choice choice;
    if (!read_action(reader, line, at, "a line is: on RESULT[,RESULT] [helo|mailfrom] ACTION",
                     &choice) ||
        reader->errors > errors)
        return;
    for (uint32_t identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++)
            if ((only == IDENTITY_COUNT || only == identity) && (results >> result & 1) != 0)
                out->acts[identity][result] = out->would[identity][result] = choice;
}

/* Each domain of the first list is an exception; their results and action come behind it. */
static void read_on_domain(struct reader *reader, struct settings *out, const struct line *line)
{
    struct list list = {.line = line, .at = line->first};
    struct piece part;
    size_t first = out->exception_count;
    struct choice choice;
    while (list_next(&list, &part))
        if (reader_domain(reader, &part, &out->exceptions[out->exception_count].domain))
            out->exception_count++;
    size_t at = list.at;
    if (at >= line->end) {
        struct piece last = piece_at(line->value, line->end - 1);
        reader_complain(reader, &last.place, NULL,
                        "a result and an action are missing behind '%.*s'", SHOW(last.text));
        return;
    }
    uint32_t results = read_results(reader, line, &at);
    if (!read_action(reader, line, at,
                     "a line is: on-domain DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION", &choice))
        return;
    for (size_t i = first; i < out->exception_count; i++) {
        out->exceptions[i].results = results;
        out->exceptions[i].choice = choice;
    }
}

/* ---- lists ---- */

static void read_domains(struct reader *reader, const char *name, struct domains *out)
{
    const struct mw_setting_value *value = reader_value(reader, name);
    out->list = reader_room(reader, value->text_count, sizeof *out->list);
    for (size_t i = 0; i < value->text_count && !reader_is_none(value); i++) {
        struct piece word = piece_at(value, i);
        if (reader_domain(reader, &word, &out->list[out->count]))
            out->count++;
    }
}

static void read_recipients(struct reader *reader, struct settings *out)
{
    reader_recipients(reader, "skip-recipients", &out->skip_recipients);
    if (out->skip_recipients.count > 0 && out->judge_at == JUDGE_MAIL) {
        struct piece word = piece_at(reader_value(reader, "skip-recipients"), 0);
        reader_complain(reader, &word.place, "judge rcpt",
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
            reader_complain(reader, place, RECORD_EXAMPLE, "this record cannot be used: %.*s",
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
    struct builder text = {.ptr = reader_room(reader, len, 1), .cap = len};
    for (size_t i = first; i < line->end; i++) {
        if (i > first)
            builder_put(&text, LIT(" "));
        builder_put(&text, line->value->texts[i]);
    }
    return SLICE(text.ptr, text.len);
}

static void read_local(struct reader *reader, struct settings *out, const struct line *line)
{
    struct piece name = piece_at(line->value, line->first);
    struct domain domain;
    if (line->end - line->first < 2) {
        reader_complain(reader, &name.place,
                        "local-record example.net \"v=spf1 ip4:192.0.2.1 -all\"",
                        "a record is missing behind '%.*s'", SHOW(name.text));
        return;
    }
    if (!reader_domain(reader, &name, &domain))
        return;
    struct spf_local *local = &out->locals[out->local_count];
    *local = (struct spf_local){.domain = domain.name,
                                .record = join(reader, line, line->first + 1)};
    struct piece record = piece_at(line->value, line->first + 1);
    bool is_marked = text_ieq(
                         SLICE(local->record.ptr, local->record.len < 6 ? local->record.len : 6),
                         LIT("v=spf1")) &&
                     (local->record.len == 6 || local->record.ptr[6] == ' ');
    if (domain.is_below)
        reader_complain(reader, &name.place, NULL,
                        "a record is of one domain: without the dot in front");
    else if (!is_marked)
        reader_complain(reader, &record.place, RECORD_EXAMPLE,
                        "this record cannot be used: it does not begin with v=spf1");
    else
        probe_record(reader, local, &record.place);
    out->local_count++;
}

/* ---- the rest ---- */

static void read_profile(struct reader *reader, struct settings *out)
{
    const struct mw_setting_place place = reader_place(reader, "profile");
    struct mw_slice where = reader_where(reader, &place);
    out->profile = (enum profile)reader_number(reader, "profile");
    for (int identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++) {
            out->would[identity][result] = (struct choice){enforced[result], where};
            out->acts[identity][result] = (struct choice){
                out->profile == PROFILE_ENFORCE ? enforced[result] : ACTION_ADD_HEADER, where};
        }
}

static void read_explanation(struct reader *reader, struct settings *out)
{
    struct mw_slice text = reader_text(reader, "explanation");
    out->explanation = text_is(text, "off")  ? EXPLANATION_OFF
                       : text_is(text, "on") ? EXPLANATION_ON
                                             : EXPLANATION_OWN;
    out->own_explanation = text;
    size_t bad;
    if (out->explanation == EXPLANATION_OWN && !words_check_own(text, &bad)) {
        struct piece word = piece_at(reader_value(reader, "explanation"), 0);
        reader_complain(
            reader, &word.place,
            "%{i} client's address, %{s} sender, %{h} HELO, %{d} domain, %{result}, %% a "
            "percent sign; %{S} and so on for use in a URL",
            "octet %zu of the explanation: only printable ASCII and these macros may stand "
            "there",
            bad + 1);
    }
}

static void read_lines(struct reader *reader, struct settings *out, const char *name,
                       void (*read)(struct reader *reader, struct settings *out,
                                    const struct line *line))
{
    struct line line = {.value = reader_value(reader, name)};
    while (line_next(&line))
        read(reader, out, &line);
}

bool settings_read(const struct mw_host *host, struct mw_instance *instance, struct settings *out)
{
    struct reader reader = {.host = host, .instance = instance};
    const struct mw_setting_place quarantine = reader_place(&reader, "quarantine-address");
    out->helo_check = (enum helo_check)reader_number(&reader, "helo-check");
    out->judge_at = (enum judge_at)reader_number(&reader, "judge");
    out->result_header = (enum result_header)reader_number(&reader, "result-header");
    out->lookup_ms = reader_number(&reader, "lookup-time");
    out->skip.is_for_authenticated = reader_number(&reader, "skip-authenticated") != 0;
    out->exceptions = reader_room(&reader, reader_items_max(reader_value(&reader, "on-domain")),
                                  sizeof *out->exceptions);
    out->locals = reader_room(&reader, reader_value(&reader, "local-record")->text_count,
                              sizeof *out->locals);
    read_profile(&reader, out);
    read_lines(&reader, out, "on", read_on);
    read_lines(&reader, out, "on-domain", read_on_domain);
    read_lines(&reader, out, "local-record", read_local);
    reader_networks(&reader, "skip-networks", NETWORK_WRONG, NETWORK_HINT, &out->skip.networks);
    reader_networks(&reader, "forwarders", NETWORK_WRONG,
                    NETWORK_HINT "; a domain stands in forwarder-domains", &out->forwarders);
    read_domains(&reader, "skip-helo", &out->skip_helo);
    read_domains(&reader, "skip-names", &out->skip_names);
    read_domains(&reader, "forwarder-domains", &out->forwarder_domains);
    read_recipients(&reader, out);
    read_explanation(&reader, out);
    out->quarantine_address = reader_quarantine(
        &reader, settings_may(out, ACTION_QUARANTINE) ? &quarantine : NULL);
    return reader.errors == 0;
}
