/* import_value.c - entries of pattern tables behind check_client_access, check_helo_access,
 * check_sender_access and check_recipient_access: the whole name or address against each pattern.
 *
 * What is missing has a name in Postfix: "unknown" for a client's name, "<>" for the sender. */
#include "import_priv.h"

bool import_needs_letter(const struct import_pattern *pattern)
{
    struct mw_slice text = pattern->text;
    size_t depth = 0;
    if (pattern->has_choice || pattern->is_extended)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text_lower(text.ptr[i]), behind = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        if (c == '\\') {
            i++;
        } else if (c == '[') {
            i += behind == '^' ? 2 : 1;
            while (++i < text.len && text.ptr[i] != ']')
                i += text.ptr[i] == '\\';
        } else if (c == '{') {
            while (i < text.len && text.ptr[i] != '}')
                i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && depth > 0) {
            depth--;
        } else if (depth == 0 && c >= 'g' && c <= 'z' && behind != '?' && behind != '*' &&
                   behind != '{') {
            return true;
        }
    }
    return false;
}

static void put_test(struct import *import, const char *field, struct mw_slice pattern,
                     const char *flags, struct mw_slice missing)
{
    bool takes_empty = import_pattern_matches(pattern, flags, true, EMPTY);
    bool takes_missing = missing.len > 0 ? import_pattern_matches(pattern, flags, true, missing)
                                         : takes_empty;
    import_put(import, field);
    import_put(import, " =~ ");
    import_put_regex(import, pattern, flags);
    if (takes_empty == takes_missing)
        return;
    import_put(import, takes_missing ? " or " : " and ");
    import_put(import, field);
    import_put(import, takes_missing ? " is empty" : " is not empty");
}

const char *import_value(struct import *import, const struct import_entry *entry)
{
    struct mw_slice pattern;
    const char *flags, *why;
    bool is_client = text_is(import->kind, "client");
    if (is_client && (entry->claim.is_negated || !import_needs_letter(&entry->pattern)))
        return "it may match addresses as well as names: write it as networks, in a cidr table";
    if ((why = import_first_match(import, &entry->claim, NULL, false, &pattern, &flags)) != NULL ||
        (why = import_pattern_check(import, pattern, flags, true)) != NULL)
        return why;
    import_rule(import, entry->line, EMPTY);
    import_put_slice(import, entry->action.words);
    import_put(import, " when ");
    if (is_client)
        put_test(import, "client.name", pattern, flags, LIT("unknown"));
    else if (text_is(import->kind, "sender"))
        put_test(import, "sender", pattern, flags, LIT("<>"));
    else
        put_test(import, text_is(import->kind, "helo") ? "helo" : "rcpt", pattern, flags, EMPTY);
    return NULL;
}
