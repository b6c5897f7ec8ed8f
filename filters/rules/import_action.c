/* import_action.c - what stands behind a pattern or key of a Postfix table (header_checks(5),
 * access(5)), as actions of the rule language. */
#include <stdio.h>

#include "import_priv.h"
#include "model.h"

struct reading {
    struct import *import;
    struct import_action *out;
    uint32_t groups;
    bool is_access;
};

static bool lose(struct reading *reading, const char *why)
{
    reading->out->effect = EFFECT_LOST;
    reading->out->why = why;
    return false;
}

/* ---- $1 ---- */

/* "$1", "${1}", "$(1)" at the front of `text`: its length, 0 if it is none. */
static size_t insert_len(struct mw_slice text, uint64_t *out_number)
{
    bool has_brackets = text.len > 1 && (text.ptr[1] == '{' || text.ptr[1] == '(');
    size_t start = has_brackets ? 2 : 1, end = start;
    while (end < text.len && text_is_digit(text.ptr[end]))
        end++;
    if (!text_number(SLICE(text.ptr + start, end - start), CAPTURES_MAX - 1, out_number) ||
        end == start)
        return 0;
    if (!has_brackets)
        return end;
    return end < text.len && text.ptr[end] == (text.ptr[1] == '{' ? '}' : ')') ? end + 1 : 0;
}

/* Postfix's $1 as ${1}; false: `why` is set. */
static bool to_template(struct reading *reading, struct mw_slice text, struct mw_slice *out)
{
    size_t cap = text.len * 3 + 1;
    struct builder to = {.ptr = import_alloc(reading->import, cap), .cap = cap};
    while (text.len > 0) {
        uint64_t number = 0;
        bool is_insert = text.ptr[0] == '$' && reading->groups != IMPORT_NO_INSERTS;
        size_t len = is_insert ? insert_len(text, &number) : 1;
        if (is_insert && len > 0) {
            if (number == 0 || number > reading->groups)
                return lose(reading, "the text speaks of a group that its pattern does not have");
            builder_putf(&to, "${%u}", (unsigned)number);
            reading->out->has_inserts = true;
        } else if (is_insert && text.len > 1 && text.ptr[1] == '$') {
            builder_put(&to, LIT("$"));
            len = 2;
        } else if (is_insert) {
            return lose(reading, "the text has a '$' without a number (write $$ for a '$')");
        } else {
            builder_put(&to, SLICE(text.ptr, 1));
        }
        bool ends_open = to.len > 0 && to.ptr[to.len - 1] == '$';
        text = text_skip(text, len);
        if (ends_open && text.len > 0 && text.ptr[0] == '{')
            return lose(reading, "the text has \"${\" as plain characters");
    }
    *out = SLICE(to.ptr, to.len);
    return true;
}

static bool set_words(struct reading *reading, enum import_effect effect, const char *before,
                      struct mw_slice text, bool is_ascii_only)
{
    struct mw_slice template;
    const char *fault = import_text_fault(text, is_ascii_only);
    if (fault != NULL)
        return lose(reading, fault);
    if (!to_template(reading, text, &template))
        return false;
    reading->out->effect = effect;
    reading->out->words = import_join(
        reading->import,
        (struct mw_slice[]){slice_of(before), import_quote(reading->import, template)}, 2);
    return true;
}

/* ---- verdicts ---- */

/* "5.7.1 " at the front (RFC 3463 2): its length, or 0. */
static size_t dsn_len(struct mw_slice text)
{
    size_t at = 1;
    if (text.len < 5 || (text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5'))
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        if (at >= text.len || text.ptr[at++] != '.')
            return 0;
        while (at < text.len && text_is_digit(text.ptr[at])) {
            at++;
            digits++;
        }
        if (digits == 0 || digits > 3)
            return 0;
    }
    return at == text.len || text.ptr[at] == ' ' || text.ptr[at] == '\t' ? at : 0;
}

static const char *kind_class(const struct import *import)
{
    static const char *const classes[][2] = {{"client", "Client host rejected: "},
                                             {"helo", "Helo command rejected: "},
                                             {"sender", "Sender address rejected: "},
                                             {"recipient", "Recipient address rejected: "}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (text_is(import->kind, classes[i][0]))
            return classes[i][1];
    return "";
}

/* A reply: `code` 0 means "by the class of the enhanced code", which REJECT's text may begin with. */
static bool set_reply(struct reading *reading, unsigned code, struct mw_slice text)
{
    char before[64], dsn[16];
    size_t len = dsn_len(text);
    char class = len > 0 ? text.ptr[0] : '5';
    if (code == 0 && class == '2')
        return lose(reading, "its enhanced status code is no refusal");
    if (code == 0)
        code = reading->is_access ? (class == '5' ? 554 : 450) : (class == '5' ? 550 : 450);
    if (len > 0 && (unsigned)(class - '0') != code / 100)
        return lose(reading, "its enhanced status code does not fit the reply code");
    if (code / 10 % 10 > 5)
        return lose(reading, "its reply code is none (RFC 5321 4.2.1)");
    snprintf(dsn, sizeof dsn, "%.*s", (int)len, text.ptr);
    if (len == 0)
        snprintf(dsn, sizeof dsn, "%u.7.1", code / 100);
    text = text_trim(text_skip(text, len));
    if (text.len == 0)
        text = reading->is_access ? LIT("Access denied") : LIT("message content rejected");
    snprintf(before, sizeof before, "%s %u %s ",
             code == 421 || code == 521 ? "disconnect"
             : code >= 500              ? "reject"
                                        : "defer",
             code, dsn);
    struct mw_slice parts[] = {slice_of(reading->is_access ? kind_class(reading->import) : ""),
                               text};
    return set_words(reading, EFFECT_VERDICT, before, import_join(reading->import, parts, 2), true);
}

static bool set_discard(struct reading *reading, struct mw_slice text)
{
    reading->out->is_discard = true;
    if (text.len > 0)
        return set_words(reading, EFFECT_VERDICT, "discard reason ", text, false);
    reading->out->effect = EFFECT_VERDICT;
    reading->out->words = LIT("discard");
    return true;
}

/* ---- header fields, addresses ---- */

static bool is_field_name(struct mw_slice name)
{
    bool is_good = name.len > 0 && name.len <= 76;
    for (size_t i = 0; i < name.len; i++)
        is_good &= name.ptr[i] > ' ' && name.ptr[i] < 0x7f && !strchr("{$:", name.ptr[i]);
    return is_good;
}

static bool set_field(struct reading *reading, enum import_effect effect, struct mw_slice text)
{
    ptrdiff_t colon = text_find(text, ':');
    struct import_action *out = reading->out;
    out->field = text_trim(SLICE(text.ptr, colon < 0 ? 0 : (size_t)colon));
    if (!is_field_name(out->field))
        return lose(reading, "its text does not begin with a header field's name and ':'");
    const char *before = effect == EFFECT_ADD ? "add header " : "set header ";
    struct mw_slice value = text_trim(text_skip(text, (size_t)colon + 1));
    struct mw_slice parts[] = {out->field, LIT(": "), value};
    return set_words(reading, effect, before, import_join(reading->import, parts, 3), true) &&
           to_template(reading, value, &out->value);
}

static bool set_address(struct reading *reading, const char *before, struct mw_slice text)
{
    if (text.len > 2 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>')
        text = SLICE(text.ptr + 1, text.len - 2);
    if (text_domain(text).len == 0 || text_find(text, ' ') >= 0)
        return lose(reading, "there is no address behind the action");
    return set_words(reading, EFFECT_ENVELOPE, before, text, true);
}

static bool set_strip(struct reading *reading, struct mw_slice text)
{
    if (!set_words(reading, EFFECT_DELETE, "log ", text.len > 0 ? text : LIT("stripped"), false))
        return false;
    reading->out->log = reading->out->words;
    return true;
}

/* ---- which ---- */

enum command {
    COMMAND_OK = 0,
    COMMAND_DUNNO,
    COMMAND_REJECT,
    COMMAND_DISCARD,
    COMMAND_WARN,
    COMMAND_INFO,
    COMMAND_PREPEND,
    COMMAND_BCC,
    COMMAND_REDIRECT,
    COMMAND_REPLACE,
    COMMAND_IGNORE,
    COMMAND_STRIP,
    COMMAND_DEFER,
    COMMAND_LOST
};
enum { IN_CHECKS = 1, IN_ACCESS = 2, IN_BOTH = 3 };

// clang-format off
static const struct command_form {
    const char *word;
    unsigned where;
    enum command command;
    const char *why;
} command_forms[] = {
    {"OK",       IN_BOTH,   COMMAND_OK,       NULL},
    {"DUNNO",    IN_BOTH,   COMMAND_DUNNO,    NULL},
    {"permit",   IN_ACCESS, COMMAND_OK,       NULL},
    {"REJECT",   IN_BOTH,   COMMAND_REJECT,   NULL},
    {"DISCARD",  IN_BOTH,   COMMAND_DISCARD,  NULL},
    {"WARN",     IN_BOTH,   COMMAND_WARN,     NULL},
    {"INFO",     IN_BOTH,   COMMAND_INFO,     NULL},
    {"PREPEND",  IN_BOTH,   COMMAND_PREPEND,  NULL},
    {"BCC",      IN_BOTH,   COMMAND_BCC,      NULL},
    {"REDIRECT", IN_BOTH,   COMMAND_REDIRECT, NULL},
    {"REPLACE",  IN_CHECKS, COMMAND_REPLACE,  NULL},
    {"IGNORE",   IN_CHECKS, COMMAND_IGNORE,   NULL},
    {"STRIP",    IN_CHECKS, COMMAND_STRIP,    NULL},
    {"DEFER",    IN_ACCESS, COMMAND_DEFER,    NULL},
    {"HOLD",     IN_BOTH,   COMMAND_LOST, "HOLD: there is no queue here in which mail could be held"},
    {"FILTER",   IN_BOTH,   COMMAND_LOST, "FILTER: mailweir does not route mail to content filters"},
    {"PASS",     IN_CHECKS, COMMAND_LOST, "PASS: what has been inspected before cannot be left standing alone"},
    {"DELAY",    IN_CHECKS, COMMAND_LOST, "DELAY: there is no queue here in which mail could wait"},
    {"DEFER_IF_PERMIT", IN_ACCESS, COMMAND_LOST, "DEFER_IF_PERMIT: what later restrictions of Postfix say is not known here"},
    {"DEFER_IF_REJECT", IN_ACCESS, COMMAND_LOST, "DEFER_IF_REJECT: what later restrictions of Postfix say is not known here"},
};
// clang-format on

static const struct command_form *find_command(struct mw_slice word, bool is_access)
{
    for (size_t i = 0; i < sizeof command_forms / sizeof *command_forms; i++)
        if (command_forms[i].where & (is_access ? IN_ACCESS : IN_CHECKS) &&
            text_ieq(word, slice_of(command_forms[i].word)))
            return &command_forms[i];
    return NULL;
}

static bool do_command(struct reading *reading, const struct command_form *form,
                       struct mw_slice text)
{
    bool is_access = reading->is_access;
    switch (form->command) {
    case COMMAND_OK:
    case COMMAND_DUNNO:
        reading->out->is_ok = form->command == COMMAND_OK && is_access;
        return true;
    case COMMAND_REJECT:
        return set_reply(reading, 0, text);
    case COMMAND_DEFER:
        return set_reply(reading, 450, text);
    case COMMAND_DISCARD:
        return set_discard(reading, text);
    case COMMAND_WARN:
        return set_words(
            reading, EFFECT_LOG, "log ",
            import_join(reading->import, (struct mw_slice[]){LIT("warning: "), text}, 2), false);
    case COMMAND_INFO:
        return set_words(reading, EFFECT_LOG, "log ",
                         import_join(reading->import, (struct mw_slice[]){LIT("info: "), text}, 2),
                         false);
    case COMMAND_PREPEND:
        return set_field(reading, EFFECT_ADD, text);
    case COMMAND_REPLACE:
        return set_field(reading, EFFECT_REPLACE, text);
    case COMMAND_BCC:
        return set_address(reading, "add rcpt ", text);
    case COMMAND_REDIRECT:
        return set_address(reading, "rewrite rcpt ", text);
    case COMMAND_IGNORE:
        reading->out->effect = EFFECT_DELETE;
        return true;
    case COMMAND_STRIP:
        return set_strip(reading, text);
    case COMMAND_LOST:
        break;
    }
    return lose(reading, form->why);
}

void import_action(struct import *import, struct mw_slice text, bool is_access, uint32_t groups,
                   struct import_action *out)
{
    struct reading reading = {
        .import = import, .out = out, .groups = groups, .is_access = is_access};
    struct mw_slice rest, word = import_word(text, &rest);
    uint64_t code;
    *out = (struct import_action){.effect = EFFECT_NONE, .words = EMPTY, .log = EMPTY};
    const struct command_form *form = find_command(word, is_access);
    bool is_number = text_number(word, UINT64_MAX, &code) && word.len > 0;
    if (form != NULL)
        do_command(&reading, form, rest);
    else if (is_access && is_number && rest.len == 0) /* "an all-numerical result is OK" */
        out->is_ok = true;
    else if (is_access && is_number && word.len == 3 && code >= 400 && code <= 599)
        set_reply(&reading, (unsigned)code, rest);
    else if (text.len == 0)
        lose(&reading, "there is no action");
    else if (is_access)
        lose(&reading, import_format(import, "the restriction '%.*s' exists in Postfix only",
                                     word.len < 80 ? (int)word.len : 80, word.ptr));
    else
        lose(&reading, import_format(import, "'%.*s' is no action of header_checks(5)",
                                     word.len < 80 ? (int)word.len : 80, word.ptr));
}

void import_finish(struct import *import, uint32_t line, const struct import_action *action,
                   const char *why)
{
    if (why != NULL)
        import_drop(import, line, why);
    else
        import->result->carried++;
    if (action->is_ok)
        import_note_once(
            import, ONCE_OK, line,
            "carried over; OK exempts from this table only, and not from whatever else "
            "stands in the same restrictions of Postfix");
}
