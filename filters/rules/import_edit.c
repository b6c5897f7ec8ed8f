/* import_edit.c - entries of header_checks that change the header: PREPEND, REPLACE, IGNORE, STRIP.
 *
 * Postfix changes one line. The rule language changes all fields of a name, and rules below see
 * what was changed. So an entry is carried over only where that is the same: the pattern takes every
 * field of its names, or the field is one of those that a message has once. */
#include "import_priv.h"

enum { NAMES_MAX = 16, NAME_MAX = 76 };

struct names {
    struct mw_slice list[NAMES_MAX];
    size_t count;
};

/* RFC 5322 3.6: at most one of each. */
static const char *const single_fields[] = {
    "date:", "from:",    "sender:",     "reply-to:",    "to:",         "cc:",
    "bcc:",  "subject:", "message-id:", "in-reply-to:", "references:", NULL};

/* ---- which fields a pattern takes ---- */

static bool read_name(struct import *import, struct mw_slice *text, struct names *names)
{
    char name[NAME_MAX];
    size_t len = 0;
    while (text->len > 0 && len < sizeof name) {
        char c = text->ptr[0];
        size_t used = 1;
        if (c == '\\' && text->len > 1 && (text->ptr[1] == '-' || text->ptr[1] == '_')) {
            c = text->ptr[1];
            used = 2;
        }
        char small = text_lower(c);
        if (!(small >= 'a' && small <= 'z') && !text_is_digit(c) && c != '-' && c != '_')
            break;
        name[len++] = c;
        *text = text_skip(*text, used);
    }
    if (len == 0 || names->count == NAMES_MAX)
        return false;
    names->list[names->count++] = import_keep(import, SLICE(name, len));
    return true;
}

static bool take(struct mw_slice *text, const char *front)
{
    size_t len = strlen(front);
    if (text->len < len || memcmp(text->ptr, front, len) != 0)
        return false;
    *text = text_skip(*text, len);
    return true;
}

/* ^Name: or ^(Name|Other): and no more than .* behind: all fields of these names, whatever they
 * say. */
static bool takes_whole_fields(struct import *import, const struct import_entry *entry,
                               struct names *names)
{
    const struct import_pattern *pattern = &entry->pattern;
    struct mw_slice text = pattern->text;
    if (entry->claim.is_negated || entry->claim.around != NULL || !pattern->is_anchored ||
        !pattern->is_caseless || !pattern->is_dotall)
        return false;
    for (const struct import_claim *at = entry->claim.earlier; at != NULL; at = at->earlier)
        if (!import_are_disjoint(at, &entry->claim))
            return false;
    if (!take(&text, "^"))
        return false;
    bool is_group = take(&text, "(");
    if (is_group)
        take(&text, "?:");
    do {
        if (!read_name(import, &text, names))
            return false;
    } while (is_group && take(&text, "|"));
    if ((is_group && !take(&text, ")")) || !take(&text, ":"))
        return false;
    if (take(&text, ".*"))
        take(&text, "$");
    return text.len == 0;
}

/* The name of the one field that can match, if a message has at most one of it; else "". */
static struct mw_slice single_field(const struct import_entry *entry)
{
    const struct import_pattern *pattern = &entry->pattern;
    bool is_known = !entry->claim.is_negated && pattern->start_count == 1;
    for (const char *const *name = single_fields; *name != NULL && is_known; name++) {
        size_t len = strlen(*name);
        if (pattern->starts[0].len >= len && memcmp(pattern->starts[0].ptr, *name, len) == 0)
            return SLICE(*name, len - 1);
    }
    return EMPTY;
}

/* ---- what rules below would see ---- */

static bool does_something(const struct import_entry *entry)
{
    return entry->action.effect != EFFECT_NONE && entry->action.effect != EFFECT_LOST;
}

/* Could an entry below match the field that this one makes? Postfix does not look at it. */
static bool is_seen_below(struct import *import, const struct import_entry *entry)
{
    const struct import_action *action = &entry->action;
    struct mw_slice parts[] = {action->field, LIT(": "), action->value};
    struct mw_slice line = import_join(import, parts, 3);
    const char *insert = memmem(line.ptr, line.len, "${", 2);
    struct mw_slice fixed = import_keep(
        import, SLICE(line.ptr, insert == NULL ? line.len : (size_t)(insert - line.ptr)));
    char flags[5];
    for (const struct import_entry *below = entry->next; below != NULL; below = below->next) {
        if (!does_something(below) || import_excludes(&below->claim, fixed.ptr))
            continue;
        if (insert != NULL || below->claim.is_negated ||
            import_pattern_matches(below->pattern.text,
                                   import_pattern_flags(&below->pattern, flags), false, line))
            return true;
    }
    return false;
}

/* ---- rules ---- */

static void put_condition(struct import *import, struct mw_slice pattern, const char *flags,
                          struct mw_slice single)
{
    import_put(import, " when raw.header.lines =~ ");
    import_put_regex(import, pattern, flags);
    if (single.len == 0)
        return;
    import_put(import, " and header.count(");
    import_put_quoted(import, single);
    import_put(import, ") == 1");
}

static void note_single(struct import *import, const struct import_entry *entry,
                        struct mw_slice single)
{
    import_note(
        import, entry->line,
        import_format(import,
                      "carried over for messages with one %.*s field; if there are several, "
                      "they are left as they are",
                      (int)single.len, single.ptr));
}

static void put_log(struct import *import, const struct import_entry *entry)
{
    if (entry->action.log.len == 0)
        return;
    import_put(import, ", ");
    import_put_slice(import, entry->action.log);
}

static const char *write_delete(struct import *import, const struct import_entry *entry,
                                struct mw_slice pattern, const char *flags)
{
    struct names names = {.count = 0};
    struct mw_slice single = EMPTY;
    if (!takes_whole_fields(import, entry, &names)) {
        single = single_field(entry);
        names = (struct names){.list = {single}, .count = 1};
        if (single.len == 0)
            return "it picks some fields of a name, and mailweir deletes all or none (write "
                   "/^Name:/ if all are meant)";
        note_single(import, entry, single);
    }
    import_rule(import, entry->line, EMPTY);
    for (size_t i = 0; i < names.count; i++) {
        import_put(import, i > 0 ? ", delete header " : "delete header ");
        import_put_quoted(import, names.list[i]);
    }
    put_log(import, entry);
    put_condition(import, pattern, flags, single);
    return NULL;
}

static const char *write_replace(struct import *import, const struct import_entry *entry,
                                 struct mw_slice pattern, const char *flags)
{
    struct mw_slice single = single_field(entry);
    if (single.len == 0)
        return "it replaces one field of perhaps several, and mailweir replaces all of a name";
    note_single(import, entry, single);
    import_rule(import, entry->line, EMPTY);
    if (!text_ieq(single, entry->action.field)) {
        import_put(import, "delete header ");
        import_put_quoted(import, single);
        import_put(import, ", ");
    }
    import_put_slice(import, entry->action.words);
    put_condition(import, pattern, flags, single);
    return NULL;
}

const char *import_edit(struct import *import, const struct import_entry *entry,
                        struct mw_slice pattern, const char *flags)
{
    if (entry->action.effect == EFFECT_DELETE)
        return write_delete(import, entry, pattern, flags);
    if (is_seen_below(import, entry))
        return "entries below would look at the field that it makes, and in Postfix they do not";
    if (entry->action.effect == EFFECT_REPLACE)
        return write_replace(import, entry, pattern, flags);
    if (single_field(entry).len == 0)
        import_note(import, entry->line,
                    "carried over; the field is added once, however many lines match");
    import_rule(import, entry->line, EMPTY);
    import_put_slice(import, entry->action.words);
    put_condition(import, pattern, flags, EMPTY);
    return NULL;
}
