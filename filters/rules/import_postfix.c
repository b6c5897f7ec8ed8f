/* import_postfix.c - Postfix's tables of patterns (header_checks(5), pcre_table(5),
 * regexp_table(5)): logical lines, if ... endif, and for each line of mail the first entry that
 * matches.
 *
 * Which entries may be left to the order of the rules, and which not: a REJECT or DISCARD that is
 * carried over ends the message, so nothing below it needs to know. Every other entry takes its
 * lines away from those below it, and that is made part of their patterns (import_lines.c). */
#include <stdio.h>

#include "import_priv.h"

/* ---- lines ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Comments and blank lines end nothing: a logical line may go on behind them. */
static bool is_idle(struct mw_slice line)
{
    struct mw_slice text = text_trim(line);
    return text.len == 0 || text.ptr[0] == '#';
}

static struct mw_slice append(struct import *import, struct mw_slice text, struct mw_slice line)
{
    return import_join(import, (struct mw_slice[]){text, line}, 2);
}

bool import_next_logical(struct import *import, struct mw_slice *rest, uint32_t *line,
                         struct import_logical *out)
{
    struct mw_slice physical;
    do {
        if (!import_next_line(rest, line, &physical))
            return false;
    } while (is_idle(physical));
    *out = (struct import_logical){.text = physical, .line = *line};
    for (;;) {
        struct mw_slice ahead = *rest;
        uint32_t ahead_line = *line;
        if (!import_next_line(&ahead, &ahead_line, &physical))
            break;
        bool goes_on = !is_idle(physical) && is_blank(physical.ptr[0]);
        if (!goes_on && !is_idle(physical))
            break;
        if (goes_on && out->text.len <= IMPORT_LINE_MAX)
            out->text = append(import, out->text, physical);
        *rest = ahead;
        *line = ahead_line;
    }
    while (out->text.len > 0 && is_blank(out->text.ptr[out->text.len - 1]))
        out->text.len--;
    return true;
}

const char *import_split_pattern(struct mw_slice text, struct mw_slice *out_pattern,
                                 struct mw_slice *out_flags, struct mw_slice *out_rest)
{
    size_t end = 1, behind;
    if (text.len == 0 || is_blank(text.ptr[0]))
        return "there is no pattern";
    while (end < text.len && text.ptr[end] != text.ptr[0])
        end += text.ptr[end] == '\\' && end + 1 < text.len ? 2 : 1;
    if (end >= text.len)
        return "the pattern is not closed";
    for (behind = end + 1; behind < text.len && !is_blank(text.ptr[behind]);)
        behind++;
    *out_pattern = SLICE(text.ptr + 1, end - 1);
    *out_flags = SLICE(text.ptr + end + 1, behind - end - 1);
    *out_rest = text_trim(text_skip(text, behind));
    return NULL;
}

/* ---- entries ---- */

struct table {
    struct import *import;
    bool is_pcre, is_access;
    struct import_claim *around; /* the innermost open block */
    struct import_claim *taken;  /* the last entry that takes its lines from those below */
    struct import_claim mime;    /* what mime_header_checks sees and header_checks does not */
    struct import_pattern mime_pattern;
    struct import_entry *entries, **tail;
    const char *first_verdict;
    bool has_mixed_verdicts;
};

static bool is_alnum(char c)
{
    return text_is_digit(c) || (text_lower(c) >= 'a' && text_lower(c) <= 'z');
}

/* regexp_table(5): i and x are on by default, and each flag turns something over. */
static const char *read_posix(struct table *table, struct mw_slice pattern, struct mw_slice flags,
                              struct import_pattern *out)
{
    bool is_caseless = true, is_extended = true, is_newline = false;
    for (size_t i = 0; i < flags.len; i++) {
        bool *turned = flags.ptr[i] == 'i'   ? &is_caseless
                       : flags.ptr[i] == 'x' ? &is_extended
                       : flags.ptr[i] == 'm' ? &is_newline
                                             : NULL;
        if (turned == NULL)
            return "a flag behind the pattern is unknown";
        *turned = !*turned;
    }
    return import_pattern_posix(table->import, pattern, is_extended, is_caseless, is_newline, out);
}

/* "!/pattern/flags rest" into a claim. NULL on success. */
static const char *read_claim(struct table *table, struct mw_slice text, struct import_claim *claim,
                              struct import_pattern *pattern, struct mw_slice *out_rest)
{
    struct mw_slice body, flags;
    *out_rest = EMPTY;
    while (text.len > 0 && (text.ptr[0] == '!' || is_blank(text.ptr[0]))) {
        claim->is_negated ^= text.ptr[0] == '!';
        text = text_skip(text, 1);
    }
    const char *why = import_split_pattern(text, &body, &flags, out_rest);
    if (why == NULL)
        why = table->is_pcre ? import_pattern_pcre(table->import, body, flags, pattern)
                             : read_posix(table, body, flags, pattern);
    claim->pattern = why == NULL ? pattern : NULL;
    return why;
}

static void open_block(struct table *table, const struct import_logical *line, struct mw_slice text)
{
    struct import_entry *block = import_alloc(table->import, sizeof *block);
    struct mw_slice rest;
    const char *why = read_claim(table, text, &block->claim, &block->pattern, &rest);
    block->claim.around = table->around;
    table->around = &block->claim;
    if (why != NULL)
        import_drop(table->import, line->line,
                    import_format(table->import, "with the block that it begins: %s", why));
}

static void close_block(struct table *table, const struct import_logical *line)
{
    if (table->around == NULL)
        import_drop(table->import, line->line, "endif without if");
    else
        table->around = (struct import_claim *)table->around->around;
}

static void add_entry(struct table *table, const struct import_logical *line)
{
    struct import *import = table->import;
    struct import_entry *entry = import_alloc(import, sizeof *entry);
    struct mw_slice rest;
    entry->line = line->line;
    entry->claim.around = table->around;
    const char *why = read_claim(table, line->text, &entry->claim, &entry->pattern, &rest);
    if (why != NULL) {
        import_drop(import, line->line,
                    import_format(import, "%s; entries below no longer yield to it", why));
        return;
    }
    import_action(import, rest, table->is_access,
                  entry->claim.is_negated ? 0 : entry->pattern.groups, &entry->action);
    if (entry->action.has_inserts && !table->is_pcre && entry->pattern.has_loose_groups) {
        entry->action.effect = EFFECT_LOST;
        entry->action.why =
            "what $1 holds may differ between POSIX and Perl in a pattern with | or "
            "with a repeated group";
    }
    *table->tail = entry;
    table->tail = &entry->next;
}

static bool begins_with_word(struct mw_slice text, const char *word)
{
    size_t len = strlen(word);
    return text.len >= len && text_ieq(SLICE(text.ptr, len), slice_of(word)) &&
           (text.len == len || !is_alnum(text.ptr[len]));
}

static void read_line(struct table *table, const struct import_logical *line)
{
    struct mw_slice text = line->text;
    if (text.len > IMPORT_LINE_MAX)
        import_drop(table->import, line->line, "the line is longer than 8 KB");
    else if (is_blank(text.ptr[0]))
        import_drop(table->import, line->line,
                    "it begins with a blank, and there is no line above "
                    "that it could continue");
    else if (!is_alnum(text.ptr[0]))
        add_entry(table, line);
    else if (begins_with_word(text, "if"))
        open_block(table, line, text_trim(text_skip(text, 2)));
    else if (begins_with_word(text, "endif"))
        close_block(table, line);
    else
        import_drop(table->import, line->line, "it is neither a pattern nor if or endif");
}

static void read_table(struct table *table, struct mw_slice text)
{
    struct import_logical logical;
    uint32_t line = 0, count = 0;
    while (import_next_logical(table->import, &text, &line, &logical)) {
        if (++count > IMPORT_ENTRIES_MAX) {
            import_drop(table->import, logical.line,
                        "more than 20000 entries: it and all below it");
            break;
        }
        read_line(table, &logical);
    }
}

/* ---- fields that header_checks leaves to mime_header_checks ---- */

static const char *const mime_names[] = {"mime-version:",
                                         "content-type:",
                                         "content-transfer-encoding:",
                                         "content-disposition:",
                                         "content-id:",
                                         "content-description:",
                                         NULL};

static void set_mime(struct table *table)
{
    import_pattern_pcre(table->import,
                        LIT("^(?:MIME-Version|Content-Type|Content-Transfer-Encoding|"
                            "Content-Disposition|Content-ID|Content-Description):"),
                        EMPTY, &table->mime_pattern);
    table->mime.pattern = &table->mime_pattern;
    if (text_is(table->import->kind, "header"))
        table->taken = &table->mime;
}

static bool is_mime_start(struct mw_slice start)
{
    for (const char *const *name = mime_names; *name != NULL; name++)
        if (start.len >= strlen(*name) && memcmp(start.ptr, *name, strlen(*name)) == 0)
            return true;
    return false;
}

/* Nothing but fields of MIME can match. */
static bool is_mime_only(const struct import_claim *claim)
{
    for (; claim != NULL; claim = claim->around) {
        size_t count = claim->pattern == NULL || claim->is_negated ? 0
                                                                   : claim->pattern->start_count;
        bool is_only = count > 0;
        for (size_t i = 0; i < count; i++)
            is_only &= is_mime_start(claim->pattern->starts[i]);
        if (is_only)
            return true;
    }
    return false;
}

static bool can_be_mime(const struct import_claim *claim)
{
    for (const char *const *name = mime_names; *name != NULL; name++)
        if (!import_excludes(claim, *name))
            return true;
    return false;
}

/* ---- rules ---- */

/* A rule of mime_header: header blocks of parts, and MIME's own fields wherever they stand. */
static const char *write_mime(struct table *table, const struct import_entry *entry,
                              struct mw_slice pattern, const char *flags)
{
    struct import *import = table->import;
    struct mw_slice inner;
    const char *inner_flags, *why;
    const struct import_claim *within = is_mime_only(&entry->claim) ? NULL : &table->mime;
    bool has_more = can_be_mime(&entry->claim);
    if (has_more && (why = import_first_match(import, &entry->claim, within, false, &inner,
                                              &inner_flags)) != NULL)
        return why;
    import_rule(import, entry->line, EMPTY);
    import_put_slice(import, entry->action.words);
    import_put(import, " when mime.header.lines =~ ");
    import_put_regex(import, pattern, flags);
    if (has_more) {
        import_put(import, " or raw.header.lines =~ ");
        import_put_regex(import, inner, inner_flags);
        import_put(import, " or nested.header.lines =~ ");
        import_put_regex(import, inner, inner_flags);
    }
    return NULL;
}

static bool is_edit(const struct import_action *action)
{
    return action->effect == EFFECT_ADD || action->effect == EFFECT_DELETE ||
           action->effect == EFFECT_REPLACE;
}

static const char *write_check(struct table *table, const struct import_entry *entry)
{
    struct import *import = table->import;
    struct mw_slice pattern;
    const char *flags;
    bool is_header = text_is(import->kind, "header"), is_body = text_is(import->kind, "body");
    if (is_header && is_mime_only(&entry->claim))
        return "Postfix leaves this field to mime_header_checks: import the table as mime_header, "
               "too";
    if (is_edit(&entry->action) && !is_header)
        return "mailweir edits the message's own header only";
    const char *why = import_first_match(import, &entry->claim, NULL, is_body, &pattern, &flags);
    if (why != NULL)
        return why;
    if (is_edit(&entry->action))
        return import_edit(import, entry, pattern, flags);
    if (text_is(import->kind, "mime_header"))
        return write_mime(table, entry, pattern, flags);
    import_rule(import, entry->line, EMPTY);
    import_put_slice(import, entry->action.words);
    import_put(import, is_header ? " when raw.header.lines =~ "
                       : is_body ? " when body.line =~ "
                                 : " when nested.header.lines =~ ");
    import_put_regex(import, pattern, flags);
    return NULL;
}

/* The message's first line with a verdict decides in Postfix, the first rule here: the same, unless
 * verdicts differ in kind. */
static void watch_verdicts(struct table *table, const struct import_entry *entry)
{
    const char *kind = entry->action.is_discard            ? "DISCARD"
                       : entry->action.words.ptr[0] == 'd' ? "a deferral"
                                                           : "REJECT";
    if (table->first_verdict == NULL)
        table->first_verdict = kind;
    if (strcmp(kind, table->first_verdict) == 0 || table->has_mixed_verdicts || table->is_access)
        return;
    table->has_mixed_verdicts = true;
    import_note(table->import, entry->line,
                import_format(table->import,
                              "carried over; but a message with one line for %s and another for %s "
                              "gets the verdict of the entry that stands first in the table, in "
                              "Postfix that of the line that stands first in the message",
                              table->first_verdict, kind));
}

static void write_entry(struct table *table, struct import_entry *entry)
{
    struct import *import = table->import;
    const char *why = entry->action.effect == EFFECT_LOST ? entry->action.why : NULL;
    entry->claim.earlier = table->taken;
    if (why == NULL && entry->action.effect != EFFECT_NONE)
        why = table->is_access ? import_value(import, entry) : write_check(table, entry);
    import_finish(import, entry->line, &entry->action, why);
    if (why == NULL && entry->action.effect == EFFECT_VERDICT)
        watch_verdicts(table, entry);
    else
        table->taken = &entry->claim;
}

void import_postfix_patterns(struct import *import, struct mw_slice text, bool is_pcre)
{
    struct table table = {
        .import = import,
        .is_pcre = is_pcre,
        .is_access = text_is(import->kind, "client") || text_is(import->kind, "helo") ||
                     text_is(import->kind, "sender") || text_is(import->kind, "recipient")};
    table.tail = &table.entries;
    set_mime(&table);
    read_table(&table, text);
    for (struct import_entry *entry = table.entries; entry != NULL; entry = entry->next)
        write_entry(&table, entry);
}

/* ---- which kind of pattern ---- */

static bool is_perlish(struct mw_slice pattern)
{
    for (size_t i = 0; i + 1 < pattern.len; i++) {
        char c = pattern.ptr[i], behind = pattern.ptr[i + 1];
        if ((c == '(' || c == '*' || c == '+' || c == '?') && behind == '?')
            return true;
        if (c == '\\' && strchr("dDhHtnrxAzZQEKRpP", behind) != NULL && behind != '\0')
            return true;
        i += c == '\\';
    }
    return false;
}

bool import_looks_like_pcre(struct import *import, struct mw_slice table)
{
    struct import_logical logical;
    uint32_t line = 0;
    while (import_next_logical(import, &table, &line, &logical)) {
        struct mw_slice text = logical.text, pattern, flags, rest;
        if (begins_with_word(text, "if"))
            text = text_trim(text_skip(text, 2));
        while (text.len > 0 && (text.ptr[0] == '!' || is_blank(text.ptr[0])))
            text = text_skip(text, 1);
        if (text.len == 0 || is_alnum(text.ptr[0]) ||
            import_split_pattern(text, &pattern, &flags, &rest) != NULL)
            continue;
        bool has_flag = false; /* that regexp: does not have */
        for (size_t i = 0; i < flags.len; i++)
            has_flag |= flags.ptr[i] != '\0' && strchr("sAEUX", flags.ptr[i]) != NULL;
        if (has_flag || is_perlish(pattern))
            return true;
    }
    return false;
}
