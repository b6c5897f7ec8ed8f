/* import_spamassassin.c - SpamAssassin's rules without plugins (Mail::SpamAssassin::Conf): header,
 * body, rawbody, uri, meta, score, describe.
 *
 * Read first, written then: a score or a description may stand below its rule, a meta rule above
 * the rules that it speaks of, and the last definition of a name counts. A meta rule carries the
 * conditions of its parts inside itself. */
#include "import_sa_priv.h"

enum { CONDITION_ROOM = 8 * 1024, DEPTH_MAX = 24 };

/* ---- reading ---- */

struct sa_rule *import_sa_rule(struct sa *sa, struct mw_slice name, bool makes)
{
    struct sa_rule **bucket = &sa->buckets[text_hash(name, false) % SA_BUCKETS];
    for (struct sa_rule *rule = *bucket; rule != NULL; rule = rule->chain)
        if (text_eq(rule->name, name))
            return rule;
    if (!makes)
        return NULL;
    struct sa_rule *rule = import_alloc(sa->import, sizeof *rule);
    rule->name = name;
    rule->chain = *bucket;
    *bucket = rule;
    *sa->tail = rule;
    sa->tail = &rule->next;
    return rule;
}

bool import_sa_is_name(struct mw_slice name)
{
    bool is_good = name.len > 0 && name.len <= 64 && !text_is_digit(name.ptr[0]);
    for (size_t i = 0; i < name.len; i++) {
        char small = text_lower(name.ptr[i]);
        is_good &= (small >= 'a' && small <= 'z') || text_is_digit(small) || small == '_';
    }
    return is_good;
}

/* "1", "-2.5", ".001", to thousandths. */
static bool read_score(struct mw_slice text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t units = 0, parts = 0;
    if (text.len > 0 && (is_negative || text.ptr[0] == '+'))
        text = text_skip(text, 1);
    ptrdiff_t point = text_find(text, '.');
    struct mw_slice whole = point < 0 ? text : SLICE(text.ptr, (size_t)point);
    struct mw_slice fraction = point < 0 ? EMPTY : text_skip(text, (size_t)point + 1);
    while (fraction.len > 3 && fraction.ptr[fraction.len - 1] == '0')
        fraction.len--;
    if ((whole.len > 0 && !text_number(whole, 1000000, &units)) || fraction.len > 3 ||
        (fraction.len > 0 && !text_number(fraction, 999, &parts)) || whole.len + fraction.len == 0)
        return false;
    for (size_t digits = fraction.len; digits < 3; digits++)
        parts *= 10;
    *out = (int64_t)(units * 1000 + parts) * (is_negative ? -1 : 1);
    return true;
}

static void read_score_line(struct sa *sa, uint32_t line, struct mw_slice text)
{
    struct mw_slice values, name = import_word(text, &values), rest;
    struct mw_slice first = import_word(values, &rest);
    int64_t score;
    if (!import_sa_is_name(name) || !read_score(first, &score)) {
        import_drop(sa->import, line,
                    "score: expected a rule's name and a number with at most three digits behind "
                    "the point");
        return;
    }
    if (rest.len > 0)
        import_note_once(sa->import, ONCE_SCORES, line,
                         "carried over; of several values the first counts (score set 0: without "
                         "network tests and Bayes), here and below");
    struct sa_rule *rule = import_sa_rule(sa, name, true);
    rule->score = score;
    rule->has_score = true;
    rule->score_line = line;
}

static void read_rule(struct sa *sa, uint32_t line, enum sa_type type, struct mw_slice text)
{
    struct mw_slice rest, name = import_word(text, &rest);
    if (!import_sa_is_name(name)) {
        import_drop(sa->import, line, "expected a rule's name");
        return;
    }
    struct sa_rule *rule = import_sa_rule(sa, name, true);
    if (rule->line != 0)
        import_drop(sa->import, rule->line,
                    import_format(sa->import, "line %u defines it anew", line));
    rule->line = line;
    rule->type = type;
    rule->text = rest;
}

static void read_describe(struct sa *sa, uint32_t line, struct mw_slice text)
{
    struct mw_slice rest, name = import_word(text, &rest);
    struct sa_rule *rule = import_sa_rule(sa, name, true);
    rule->describe = rest;
    rule->describe_line = line;
}

static void read_line(struct sa *sa, uint32_t line, struct mw_slice text)
{
    static const struct {
        const char *word;
        enum sa_type type;
    } types[] = {{"header", SA_HEADER}, {"body", SA_BODY}, {"rawbody", SA_RAWBODY},
                 {"uri", SA_URI},       {"meta", SA_META}, {"full", SA_OTHER}};
    struct mw_slice rest, word = import_word(text, &rest);
    struct import *import = sa->import;
    bool is_block = text_is(word, "ifplugin") || text_is(word, "if");
    if (is_block)
        sa->block_depth++;
    if (sa->block_depth > 0) {
        import_drop(import, line,
                    is_block ? "what depends on plugins and versions is left out, up to its endif"
                             : "it stands in a block that depends on a plugin or version");
        if (text_is(word, "endif"))
            sa->block_depth--;
        return;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (text_is(word, types[i].word)) {
            read_rule(sa, line, types[i].type, rest);
            return;
        }
    if (text_is(word, "score"))
        read_score_line(sa, line, rest);
    else if (text_is(word, "describe"))
        read_describe(sa, line, rest);
    else if (text_is(word, "lang"))
        import_drop(import, line, "settings for one language are left out");
    else if (text_is(word, "tflags"))
        import_drop(import, line, "tflags have no equal here");
    else
        import_drop(import, line,
                    import_format(import, "'%.*s' is no rule, score or description",
                                  word.len < 60 ? (int)word.len : 60, word.ptr));
}

/* ---- drafts of conditions ---- */

void import_sa_put(struct draft *draft, struct mw_slice text)
{
    if (text.len > draft->to.cap - draft->to.len)
        draft->why = "its condition would be too long";
    builder_put(&draft->to, text);
}

bool import_sa_fail(struct draft *draft, const char *why)
{
    if (draft->why == NULL)
        draft->why = why;
    return false;
}

bool import_sa_enter(struct draft *draft)
{
    if (++draft->sa->depth > DEPTH_MAX)
        return import_sa_fail(draft, "it speaks of itself, or goes too deep");
    if (++draft->factors > IMPORT_FACTORS_MAX)
        return import_sa_fail(draft, "its condition would be too long");
    return true;
}

void import_sa_leave(struct draft *draft)
{
    draft->sa->depth--;
}

bool import_sa_condition(struct draft *draft, struct sa_rule *rule)
{
    bool is_good;
    if (draft->why != NULL)
        return false;
    rule->is_open = true;
    switch (rule->type) {
    case SA_HEADER:
        is_good = import_sa_header(draft, rule->text);
        break;
    case SA_BODY:
    case SA_RAWBODY:
    case SA_URI:
        is_good = import_sa_text(draft, rule->type, rule->text);
        break;
    case SA_META:
        is_good = import_sa_meta(draft, rule->text);
        break;
    case SA_OTHER:
    case SA_NONE:
    default:
        is_good = import_sa_fail(draft, "full: no field holds the whole message as it came");
        break;
    }
    rule->is_open = false;
    return is_good && draft->why == NULL;
}

/* ---- writing ---- */

static void put_score(struct import *import, int64_t score)
{
    uint64_t size = (uint64_t)(score < 0 ? -score : score);
    import_put(import, import_format(import, "score default %s%u.%03u", score < 0 ? "-" : "",
                                     (unsigned)(size / 1000), (unsigned)(size % 1000)));
}

static void put_reason(struct sa *sa, const struct sa_rule *rule)
{
    if (rule->describe_line == 0)
        return;
    const char *why = import_text_fault(rule->describe, false);
    if (why == NULL && memmem(rule->describe.ptr, rule->describe.len, "${", 2) != NULL)
        why = "the text has \"${\"";
    if (why != NULL) {
        import_drop(sa->import, rule->describe_line, why);
        return;
    }
    import_put(sa->import, " reason ");
    import_put_quoted(sa->import, rule->describe);
}

static bool is_part(const struct sa_rule *rule)
{
    return rule->name.len > 1 && rule->name.ptr[0] == '_' && rule->name.ptr[1] == '_';
}

static int64_t score_of(const struct sa_rule *rule)
{
    bool is_trial = rule->name.len > 1 && rule->name.ptr[0] == 'T' && rule->name.ptr[1] == '_';
    return rule->has_score ? rule->score : is_trial ? 10 : 1000;
}

static void write_rule(struct sa *sa, struct sa_rule *rule)
{
    struct import *import = sa->import;
    char room[CONDITION_ROOM];
    struct draft draft = {.sa = sa, .to = {.ptr = room, .cap = sizeof room}};
    if (rule->text.len > IMPORT_LINE_MAX)
        draft.why = "the line is longer than 8 KB";
    if (!import_sa_condition(&draft, rule)) {
        import_drop(import, rule->line, draft.why);
        return;
    }
    import->result->carried++;
    if (is_part(rule) || score_of(rule) == 0) /* lives in the meta rules that speak of it */
        return;
    import_rule(import, rule->line, rule->name);
    put_score(import, score_of(rule));
    put_reason(sa, rule);
    import_put(import, " when ");
    import_put_slice(import, SLICE(room, draft.to.len));
}

/* In the order of their lines: a name that was defined anew has moved down. */
static struct sa_rule **by_line(struct sa *sa, uint32_t lines)
{
    struct sa_rule **sorted = import_alloc(sa->import, (lines + 1) * sizeof *sorted);
    for (struct sa_rule *rule = sa->rules; rule != NULL; rule = rule->next)
        if (rule->line > 0)
            sorted[rule->line] = rule;
    return sorted;
}

static void drop_orphans(struct sa *sa)
{
    for (const struct sa_rule *rule = sa->rules; rule != NULL; rule = rule->next) {
        if (rule->line == 0 && rule->score_line > 0)
            import_drop(sa->import, rule->score_line, "score: there is no such rule in this file");
        if (rule->line == 0 && rule->describe_line > 0)
            import_drop(sa->import, rule->describe_line,
                        "describe: there is no such rule in this file");
    }
}

/* A comment begins at a '#' that no backslash hides, in patterns as well. */
static struct mw_slice without_comment(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '#')
            text.len = i;
    }
    return text_trim(text);
}

void import_spamassassin(struct import *import, struct mw_slice table)
{
    struct sa *sa = import_alloc(import, sizeof *sa);
    struct mw_slice text;
    uint32_t line = 0, count = 0;
    sa->import = import;
    sa->tail = &sa->rules;
    while (import_next_line(&table, &line, &text)) {
        text = without_comment(text);
        if (text.len == 0)
            continue;
        if (++count > IMPORT_ENTRIES_MAX) {
            import_drop(import, line, "more than 20000 lines: it and all below it");
            break;
        }
        read_line(sa, line, text);
    }
    struct sa_rule **rules = by_line(sa, line);
    for (uint32_t at = 1; at <= line; at++)
        if (rules[at] != NULL)
            write_rule(sa, rules[at]);
    drop_orphans(sa);
}
