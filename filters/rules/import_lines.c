/* import_lines.c - "the first pattern that matches a line decides" as one pattern.
 *
 * Tests of the language speak of any of several values, so an order among patterns that counts line
 * by line has to stand inside the pattern: \A, then what must not be found, then what must:
 *
 *   \A(?!^From:)(?=.*?in force)(?!.*?taken by an earlier one).*?(the pattern)
 *
 * A lazy .*? finds the same leftmost match as a search does, so captures are the original's. */
#include "import_priv.h"

/* ---- what cannot be ---- */

static bool conflict(struct mw_slice a, struct mw_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    return !text_ieq(SLICE(a.ptr, len), SLICE(b.ptr, len));
}

static bool has_starts(const struct import_claim *claim)
{
    return claim->pattern != NULL && !claim->is_negated && claim->pattern->start_count > 0;
}

/* Every way in which a text that matches may begin is another one than `start`. */
static bool pattern_excludes(const struct import_pattern *pattern, struct mw_slice start)
{
    for (size_t i = 0; i < pattern->start_count; i++)
        if (!conflict(pattern->starts[i], start))
            return false;
    return true;
}

static bool pattern_conflicts(const struct import_pattern *a, const struct import_pattern *b)
{
    for (size_t i = 0; i < b->start_count; i++)
        if (!pattern_excludes(a, b->starts[i]))
            return false;
    return true;
}

bool import_excludes(const struct import_claim *claim, const char *start)
{
    for (; claim != NULL; claim = claim->around)
        if (has_starts(claim) && pattern_excludes(claim->pattern, slice_of(start)))
            return true;
    return false;
}

bool import_are_disjoint(const struct import_claim *a, const struct import_claim *b)
{
    for (; a != NULL; a = a->around)
        for (const struct import_claim *other = b; has_starts(a) && other != NULL;
             other = other->around)
            if (has_starts(other) && pattern_conflicts(a->pattern, other->pattern))
                return true;
    return false;
}

/* ---- building ---- */

enum { ROOM = IMPORT_PATTERN_MAX + 64 };

struct weave {
    struct builder to;
    const struct import_pattern *main; /* whose flags are those of the whole */
    const struct import_claim *within; /* a block around everything, or NULL */
    const char *why;                   /* it cannot be done */
};

static void put(struct weave *weave, struct mw_slice text)
{
    if (text.len > weave->to.cap - weave->to.len)
        weave->why = "together with the entries above that go first the pattern is too long";
    builder_put(&weave->to, text);
}

/* "(?" and the flags in which this pattern differs from the whole. */
static void put_open(struct weave *weave, const struct import_pattern *pattern)
{
    struct {
        char flag;
        bool has, want;
    } flags[] = {{'i', weave->main->is_caseless, pattern->is_caseless},
                 {'m', weave->main->is_multiline, pattern->is_multiline},
                 {'s', weave->main->is_dotall, pattern->is_dotall},
                 {'x', false, pattern->is_extended}};
    put(weave, LIT("(?"));
    for (size_t i = 0; i < 4; i++)
        if (flags[i].want && !flags[i].has)
            put(weave, SLICE(&flags[i].flag, 1));
    bool has_minus = false;
    for (size_t i = 0; i < 4; i++) {
        if (flags[i].want || !flags[i].has)
            continue;
        put(weave, has_minus ? EMPTY : LIT("-"));
        put(weave, SLICE(&flags[i].flag, 1));
        has_minus = true;
    }
    put(weave, LIT(":"));
}

/* The pattern anywhere in the text, from its beginning. */
static void put_search(struct weave *weave, const struct import_pattern *pattern,
                       struct mw_slice text)
{
    const struct import_pattern *main = weave->main;
    bool is_same = pattern->is_caseless == main->is_caseless &&
                   pattern->is_multiline == main->is_multiline &&
                   pattern->is_dotall == main->is_dotall && !pattern->is_extended;
    if (!pattern->is_anchored)
        put(weave, main->is_dotall ? LIT(".*?") : LIT("(?s:.*?)"));
    bool is_bare = is_same && !pattern->has_choice;
    if (!is_bare)
        put_open(weave, pattern);
    put(weave, text);
    if (!is_bare)
        put(weave, LIT(")"));
}

static void put_look(struct weave *weave, const struct import_pattern *pattern, bool is_negated)
{
    if (pattern->opaque != NULL) {
        weave->why = "an entry above it, or a block around it, cannot be made part of the pattern";
        return;
    }
    put(weave, is_negated ? LIT("(?!") : LIT("(?="));
    put_search(weave, pattern, pattern->bare);
    put(weave, LIT(")"));
}

static void put_around(struct weave *weave, const struct import_claim *claim)
{
    for (; claim != NULL && weave->why == NULL; claim = claim->around) {
        if (claim->pattern == NULL)
            weave->why = "the block around it is not carried over";
        else
            put_look(weave, claim->pattern, claim->is_negated);
    }
}

/* No line that `claim` takes: its blocks and its pattern do not all hold. */
static void put_exclusion(struct weave *weave, const struct import_claim *claim)
{
    if (claim->pattern == NULL)
        return; /* told where it stands */
    if (claim->around == NULL) {
        put_look(weave, claim->pattern, !claim->is_negated);
        return;
    }
    put(weave, LIT("(?!"));
    put_around(weave, claim->around);
    put_look(weave, claim->pattern, claim->is_negated);
    put(weave, LIT(")"));
}

static void weave_all(struct weave *weave, const struct import_claim *claim, bool guards)
{
    if (guards)
        put(weave, LIT("(?!\\z)"));
    if (weave->within != NULL)
        put_look(weave, weave->within->pattern, false);
    put_around(weave, claim->around);
    for (const struct import_claim *at = claim->earlier; at != NULL; at = at->earlier) {
        if (weave->why != NULL)
            return;
        if (!import_are_disjoint(at, claim))
            put_exclusion(weave, at);
    }
    if (claim->is_negated)
        put_look(weave, claim->pattern, true);
}

/* `guards`: not the empty line. */
static const char *build(struct import *import, const struct import_claim *claim,
                         const struct import_claim *within, bool guards,
                         struct mw_slice *out_pattern, const char **out_flags)
{
    const struct import_pattern *main = claim->pattern;
    char room[ROOM], flags[5];
    struct weave weave = {.main = main, .within = within, .to = {.ptr = room, .cap = sizeof room}};
    *out_flags = import_keep(import, slice_of(import_pattern_flags(main, flags))).ptr;
    *out_pattern = main->text;
    put(&weave, LIT("\\A"));
    weave_all(&weave, claim, guards);
    if (weave.to.len == 2 && !claim->is_negated)
        return weave.why; /* it stands alone */
    if (main->opaque != NULL)
        return import_format(import, "the order of the table cannot be put into its pattern: %s",
                             main->opaque);
    if (!claim->is_negated)
        put_search(&weave, main, main->text);
    *out_pattern = import_keep(import, SLICE(room, weave.to.len));
    char *without_x = strchr(*out_flags, 'x'); /* it is the last one, and said inside */
    if (without_x != NULL)
        *without_x = '\0';
    return weave.why != NULL ? weave.why
                             : import_pattern_check(import, *out_pattern, *out_flags, false);
}

const char *import_first_match(struct import *import, const struct import_claim *claim,
                               const struct import_claim *within, bool skips_empty,
                               struct mw_slice *out_pattern, const char **out_flags)
{
    const char *why = build(import, claim, within, false, out_pattern, out_flags);
    if (why != NULL || !skips_empty ||
        !import_pattern_matches(*out_pattern, *out_flags, false, EMPTY))
        return why;
    return build(import, claim, within, true, out_pattern, out_flags);
}
