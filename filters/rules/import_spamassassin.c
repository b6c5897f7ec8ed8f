/* import_spamassassin.c - SpamAssassin's rules without plugins (Mail::SpamAssassin::Conf): header,
 * body, rawbody, uri, meta, score, describe.
 *
 * Read first, written then: a score or a description may stand below its rule, a meta rule above
 * the rules that it speaks of, and the last definition of a name counts. A meta rule carries the
 * conditions of its parts inside itself. */
#include <stdio.h>

#include "import_priv.h"

enum {
    BUCKETS = 4096,
    CONDITION_ROOM = 8 * 1024,
    DEPTH_MAX = 24,
    SUM_MAX = 12,
    CHOICES_MAX = 200 /* terms of "at least k of n" */
};

enum sa_type { SA_NONE = 0, SA_HEADER, SA_BODY, SA_RAWBODY, SA_URI, SA_META, SA_OTHER };

struct sa_rule {
    struct mw_slice name, text; /* what stands behind the name */
    enum sa_type type;
    uint32_t line; /* of the definition that counts; 0: none */
    struct mw_slice describe;
    uint32_t describe_line, score_line;
    int64_t score;           /* thousandths */
    bool has_score, is_open; /* open: being written, so that a meta of itself is found */
    struct sa_rule *chain, *next;
};

struct sa {
    struct import *import;
    struct sa_rule *buckets[BUCKETS], *rules, **tail;
    uint32_t depth, block_depth; /* of `if` and `ifplugin` */
};

/* ---- reading ---- */

static struct sa_rule *rule_of(struct sa *sa, struct mw_slice name, bool makes)
{
    struct sa_rule **bucket = &sa->buckets[rules_text_hash(name, false) % BUCKETS];
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

static bool is_name(struct mw_slice name)
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
    ptrdiff_t point = rules_text_find(text, '.');
    struct mw_slice whole = point < 0 ? text : SLICE(text.ptr, (size_t)point);
    struct mw_slice fraction = point < 0 ? EMPTY : text_skip(text, (size_t)point + 1);
    while (fraction.len > 3 && fraction.ptr[fraction.len - 1] == '0')
        fraction.len--;
    if ((whole.len > 0 && !rules_text_number(whole, 1000000, &units)) || fraction.len > 3 ||
        (fraction.len > 0 && !rules_text_number(fraction, 999, &parts)) ||
        whole.len + fraction.len == 0)
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
    if (!is_name(name) || !read_score(first, &score)) {
        import_drop(sa->import, line,
                    "score: expected a rule's name and a number with at most three digits behind "
                    "the point");
        return;
    }
    if (rest.len > 0)
        import_note_once(sa->import, ONCE_SCORES, line,
                         "carried over; of several values the first counts (score set 0: without "
                         "network tests and Bayes), here and below");
    struct sa_rule *rule = rule_of(sa, name, true);
    rule->score = score;
    rule->has_score = true;
    rule->score_line = line;
}

static void read_rule(struct sa *sa, uint32_t line, enum sa_type type, struct mw_slice text)
{
    struct mw_slice rest, name = import_word(text, &rest);
    if (!is_name(name)) {
        import_drop(sa->import, line, "expected a rule's name");
        return;
    }
    struct sa_rule *rule = rule_of(sa, name, true);
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
    struct sa_rule *rule = rule_of(sa, name, true);
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

/* ---- building conditions ---- */

struct draft {
    struct sa *sa;
    struct builder to;
    uint32_t factors;
    const char *why;
};

static void put(struct draft *draft, struct mw_slice text)
{
    if (text.len > draft->to.cap - draft->to.len)
        draft->why = "its condition would be too long";
    rules_build(&draft->to, text);
}

static void put_regex(struct draft *draft, struct mw_slice pattern, const char *flags)
{
    put(draft, LIT("/"));
    for (size_t i = 0; i < pattern.len; i++) {
        size_t len = pattern.ptr[i] == '\\' && i + 1 < pattern.len ? 2 : 1;
        put(draft, pattern.ptr[i] == '/' ? LIT("\\") : EMPTY);
        put(draft, SLICE(pattern.ptr + i, len));
        i += len - 1;
    }
    put(draft, LIT("/"));
    put(draft, slice_of(flags));
}

static bool fail(struct draft *draft, const char *why)
{
    if (draft->why == NULL)
        draft->why = why;
    return false;
}

/* One parenthesis, `not` or rule further in; leave() is its end, whatever enter() said. */
static bool enter(struct draft *draft)
{
    if (++draft->sa->depth > DEPTH_MAX)
        return fail(draft, "it speaks of itself, or goes too deep");
    if (++draft->factors > IMPORT_FACTORS_MAX)
        return fail(draft, "its condition would be too long");
    return true;
}

static void leave(struct draft *draft)
{
    draft->sa->depth--;
}

/* ---- patterns ---- */

struct sa_pattern {
    struct import_pattern pattern;
    char room[5];
    const char *flags;
    struct mw_slice rest; /* behind it */
};

/* /re/flags, or m{re}flags with any delimiter. */
static bool read_pattern(struct draft *draft, struct mw_slice text, struct sa_pattern *out)
{
    if (text.len > 1 && text.ptr[0] == 'm' && text.ptr[1] != ' ')
        text = text_skip(text, 1);
    if (text.len < 2)
        return fail(draft, "expected a pattern");
    char open = text.ptr[0];
    char close = open == '{'   ? '}'
                 : open == '(' ? ')'
                 : open == '<' ? '>'
                 : open == '[' ? ']'
                               : open;
    if (close == open && open != '/' && strchr("!#%,|~@;:", open) == NULL)
        return fail(draft, "expected a pattern");
    size_t end = 1, nesting = 0, behind;
    for (; end < text.len; end++) {
        if (text.ptr[end] == '\\')
            end++;
        else if (text.ptr[end] == close && nesting == 0)
            break;
        else if (close != open && text.ptr[end] == open)
            nesting++;
        else if (close != open && text.ptr[end] == close)
            nesting--;
    }
    if (end >= text.len)
        return fail(draft, "the pattern is not closed");
    for (behind = end + 1; behind < text.len && text.ptr[behind] >= 'a' && text.ptr[behind] <= 'z';)
        behind++;
    out->rest = rules_text_trim(text_skip(text, behind));
    const char *why = import_pattern_perl(draft->sa->import, SLICE(text.ptr + 1, end - 1),
                                          SLICE(text.ptr + end + 1, behind - end - 1),
                                          &out->pattern);
    out->flags = import_pattern_flags(&out->pattern, out->room);
    if (why == NULL && open != '/' && open != '{' && memchr(text.ptr + 1, '\\', end - 1) != NULL &&
        strchr("!#%,~@;:<", open) == NULL)
        why = "its delimiter has a meaning of its own in the pattern";
    return why == NULL || fail(draft, why);
}

static void put_match(struct draft *draft, const char *field, const struct sa_pattern *pattern,
                      bool is_utf)
{
    const char *why = import_pattern_check(draft->sa->import, pattern->pattern.text, pattern->flags,
                                           is_utf);
    if (why != NULL)
        fail(draft, why);
    draft->factors += 3; /* with a parenthesis, and `is empty` */
    put(draft, slice_of(field));
    put(draft, LIT(" =~ "));
    put_regex(draft, pattern->pattern.text, pattern->flags);
}

/* ---- header ---- */

struct place_of {
    const char *fields[3]; /* in the language; any of them */
    bool is_utf;
};

static const char *header_field(struct import *import, struct mw_slice name, bool is_raw)
{
    struct mw_slice parts[] = {is_raw ? LIT("raw.header(") : LIT("header("),
                               import_quote(import, name), LIT(")")};
    return import_join(import, parts, 3).ptr;
}

static bool find_address(struct draft *draft, struct mw_slice name, struct place_of *out)
{
    static const char *const known[][2] = {{"From", "from.address"},
                                           {"To", "to.address"},
                                           {"Cc", "cc.address"},
                                           {"Reply-To", "reply_to.address"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (rules_text_ieq(name, slice_of(known[i][0]))) {
            out->fields[0] = known[i][1];
            return true;
        }
    return fail(draft, ":addr is known for From, To, Cc and Reply-To");
}

static bool find_place(struct draft *draft, struct mw_slice field, struct place_of *out)
{
    struct import *import = draft->sa->import;
    ptrdiff_t colon = rules_text_find(field, ':');
    struct mw_slice name = colon < 0 ? field : SLICE(field.ptr, (size_t)colon);
    struct mw_slice how = colon < 0 ? EMPTY : text_skip(field, (size_t)colon + 1);
    bool is_raw = text_is(how, "raw");
    *out = (struct place_of){.is_utf = !is_raw};
    if (text_is(how, "addr"))
        return find_address(draft, name, out);
    if (how.len > 0 && !is_raw)
        return fail(draft,
                    "of what may stand behind a header's name, :raw and :addr are known here");
    if (text_is(name, "ALL") || text_is(name, "ALL-TRUSTED") || text_is(name, "ALL-EXTERNAL"))
        return fail(draft, "it looks at all header fields as one text");
    if (name.len > 14 && memcmp(name.ptr, "X-Spam-Relays-", 14) == 0)
        return fail(draft, "what SpamAssassin makes of the Received fields is not known here");
    if (text_is(name, "EnvelopeFrom")) {
        out->fields[0] = "sender";
        out->is_utf = true;
    } else if (text_is(name, "ToCc")) {
        out->fields[0] = header_field(import, LIT("To"), is_raw);
        out->fields[1] = header_field(import, LIT("Cc"), is_raw);
    } else if (text_is(name, "MESSAGEID")) {
        out->fields[0] = header_field(import, LIT("Message-Id"), is_raw);
        out->fields[1] = header_field(import, LIT("Resent-Message-Id"), is_raw);
        out->fields[2] = header_field(import, LIT("X-Message-Id"), is_raw);
    } else {
        out->fields[0] = header_field(import, name, is_raw);
    }
    return true;
}

/* "[if-unset: VALUE]" behind the pattern. */
static bool read_unset(struct draft *draft, struct sa_pattern *pattern, struct mw_slice *out)
{
    struct mw_slice rest = pattern->rest;
    *out = EMPTY;
    if (rest.len < 11 || memcmp(rest.ptr, "[if-unset:", 10) != 0)
        return true;
    ptrdiff_t end = rules_text_find(rest, ']');
    if (end < 0)
        return fail(draft, "[if-unset: is not closed");
    *out = rules_text_trim(SLICE(rest.ptr + 10, (size_t)end - 10));
    pattern->rest = rules_text_trim(text_skip(rest, (size_t)end + 1));
    return true;
}

/* The field matches; where it is missing, its stand-in does. */
static void put_header_test(struct draft *draft, const struct place_of *place,
                            const struct sa_pattern *pattern, struct mw_slice unset)
{
    bool takes_unset = import_pattern_matches(pattern->pattern.text, pattern->flags, place->is_utf,
                                              unset);
    for (size_t i = 0; i < 3 && place->fields[i] != NULL; i++) {
        put(draft, i > 0 ? LIT(" or ") : EMPTY);
        put_match(draft, place->fields[i], pattern, place->is_utf);
    }
    if (!takes_unset)
        return;
    put(draft, LIT(" or ("));
    for (size_t i = 0; i < 3 && place->fields[i] != NULL; i++) {
        put(draft, i > 0 ? LIT(" and ") : EMPTY);
        put(draft, slice_of(place->fields[i]));
        put(draft, LIT(" is empty"));
    }
    put(draft, LIT(")"));
}

static bool is_field_name(struct mw_slice name)
{
    bool is_good = name.len > 0 && name.len <= 76;
    for (size_t i = 0; i < name.len; i++)
        is_good &= name.ptr[i] > ' ' && name.ptr[i] < 0x7f && !strchr("\"\\{}()", name.ptr[i]);
    return is_good;
}

static bool put_header(struct draft *draft, struct mw_slice text)
{
    struct mw_slice rest, field = import_word(text, &rest), unset;
    struct mw_slice behind, op = import_word(rest, &behind);
    struct sa_pattern pattern;
    struct place_of place;
    if (field.len > 7 && memcmp(field.ptr, "exists:", 7) == 0) {
        if (!is_field_name(text_skip(field, 7)) || rules_text_find(field, ':') != 6)
            return fail(draft, "exists: needs a header field's name");
        put(draft, LIT("header.names == "));
        put(draft, import_quote(draft->sa->import, text_skip(field, 7)));
        return true;
    }
    if (field.len > 5 && memcmp(field.ptr, "eval:", 5) == 0)
        return fail(draft, "eval: calls SpamAssassin's own code");
    bool is_negated = text_is(op, "!~");
    if (!is_field_name(field) || (!is_negated && !text_is(op, "=~")))
        return fail(draft, "expected a header field, =~ or !~ and a pattern");
    if (!find_place(draft, field, &place) || !read_pattern(draft, behind, &pattern) ||
        !read_unset(draft, &pattern, &unset))
        return false;
    if (pattern.rest.len > 0)
        return fail(draft, "there is something behind the pattern");
    put(draft, is_negated ? LIT("not (") : EMPTY);
    put_header_test(draft, &place, &pattern, unset);
    put(draft, is_negated ? LIT(")") : EMPTY);
    return true;
}

/* ---- body, uri ---- */

/* ^ and $ outside classes, not escaped. */
static bool has_anchor(struct mw_slice text)
{
    bool is_class = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\') {
            if (i + 1 < text.len && strchr("AzZG", text.ptr[i + 1]) != NULL)
                return true;
            i++;
        } else if (is_class) {
            is_class = c != ']';
        } else if (c == '[') {
            is_class = true;
            i += i + 1 < text.len && text.ptr[i + 1] == '^';
            i += i + 1 < text.len && text.ptr[i + 1] == ']';
        } else if (c == '^' || c == '$') {
            return true;
        }
    }
    return false;
}

/* SpamAssassin joins a paragraph's lines and makes one blank of several: so a blank in the pattern
 * takes any number of blanks and line ends here. */
static void widen_blanks(struct draft *draft, struct import_pattern *pattern)
{
    struct mw_slice in = pattern->text;
    size_t cap = in.len * 3 + 1;
    struct builder to = {.ptr = import_alloc(draft->sa->import, cap), .cap = cap};
    bool is_class = false;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i], behind = i + 1 < in.len ? in.ptr[i + 1] : '\0';
        if (c == '\\' && behind != '\0') {
            rules_build(&to, SLICE(in.ptr + i++, 2));
            continue;
        }
        is_class = is_class ? c != ']' : c == '[';
        bool is_blank = c == ' ' && !is_class && !pattern->is_extended &&
                        (behind == '\0' || strchr("*+?{ ", behind) == NULL);
        rules_build(&to, is_blank ? LIT("\\s+") : SLICE(in.ptr + i, 1));
    }
    pattern->text = SLICE(to.ptr, to.len);
}

static bool put_text_rule(struct draft *draft, enum sa_type type, struct mw_slice text)
{
    struct sa_pattern pattern;
    if (text.len > 5 && memcmp(text.ptr, "eval:", 5) == 0)
        return fail(draft, "eval: calls SpamAssassin's own code");
    if (!read_pattern(draft, text, &pattern))
        return false;
    if (pattern.rest.len > 0)
        return fail(draft, "there is something behind the pattern");
    if (type == SA_URI) {
        put_match(draft, "url", &pattern, true);
        return true;
    }
    if (has_anchor(pattern.pattern.text))
        return fail(draft,
                    "^ and $ speak of paragraphs and chunks that exist in SpamAssassin only");
    if (type == SA_BODY)
        widen_blanks(draft, &pattern.pattern);
    put_match(draft, type == SA_BODY ? "subject" : "body.html", &pattern, true);
    put(draft, LIT(" or "));
    put_match(draft, "body.text", &pattern, true);
    return true;
}

/* ---- meta ---- */

static bool put_rule(struct draft *draft, struct sa_rule *rule);

struct meta {
    struct draft *draft;
    struct mw_slice rest;
};

static bool meta_take(struct meta *meta, const char *sign)
{
    size_t len = strlen(sign);
    meta->rest = rules_text_trim(meta->rest);
    if (meta->rest.len < len || memcmp(meta->rest.ptr, sign, len) != 0)
        return false;
    meta->rest = text_skip(meta->rest, len);
    return true;
}

static bool put_or(struct meta *meta);

static struct mw_slice meta_name(struct meta *meta)
{
    size_t len = 0;
    meta->rest = rules_text_trim(meta->rest);
    while (len < meta->rest.len && is_name(SLICE(meta->rest.ptr, len + 1)))
        len++;
    struct mw_slice name = SLICE(meta->rest.ptr, len);
    meta->rest = text_skip(meta->rest, len);
    return name;
}

static bool put_name(struct draft *draft, struct mw_slice name)
{
    struct sa_rule *rule = rule_of(draft->sa, name, false);
    if (name.len == 0)
        return fail(draft, "its expression is not understood");
    if (rule == NULL || rule->line == 0)
        return fail(draft, import_format(draft->sa->import, "it speaks of %.*s, which is not there",
                                         (int)name.len, name.ptr));
    if (rule->is_open)
        return fail(draft, "it speaks of itself, or goes too deep");
    put(draft, LIT("("));
    bool is_good = enter(draft) && put_rule(draft, rule);
    leave(draft);
    put(draft, LIT(")"));
    return is_good;
}

/* ---- A + B + C > 1: at least so many of them ---- */

struct sum {
    struct mw_slice names[SUM_MAX];
    size_t count;
    uint32_t choices;
};

/* `need` of the names from `from` on: each in turn, with need - 1 of those behind it. */
static bool put_at_least(struct draft *draft, struct sum *sum, size_t from, uint64_t need)
{
    bool has_any = false, is_good = enter(draft);
    put(draft, need == 0 ? LIT("(always") : LIT("("));
    for (size_t i = from; is_good && need > 0 && i + need <= sum->count; i++) {
        if (++sum->choices > CHOICES_MAX)
            is_good = fail(draft, "its sum has too many combinations");
        put(draft, has_any ? LIT(" or ") : EMPTY);
        is_good = is_good && put_name(draft, sum->names[i]);
        if (is_good && need > 1) {
            put(draft, LIT(" and "));
            is_good = put_at_least(draft, sum, i + 1, need - 1);
        }
        has_any = true;
    }
    put(draft, LIT(")"));
    leave(draft);
    return is_good && (has_any || need == 0 || fail(draft, "its sum can never be so large"));
}

static bool read_number(struct meta *meta, uint64_t *out)
{
    size_t len = 0;
    meta->rest = rules_text_trim(meta->rest);
    while (len < meta->rest.len && text_is_digit(meta->rest.ptr[len]))
        len++;
    bool is_good = rules_text_number(SLICE(meta->rest.ptr, len), SUM_MAX + 1, out) && len > 0;
    meta->rest = text_skip(meta->rest, len);
    return is_good && (meta->rest.len == 0 || meta->rest.ptr[0] != '.');
}

static bool put_comparison(struct meta *meta, struct sum *sum)
{
    struct draft *draft = meta->draft;
    uint64_t number;
    bool is_ge = meta_take(meta, ">="), is_le = !is_ge && meta_take(meta, "<=");
    bool is_eq = !is_ge && !is_le && meta_take(meta, "==");
    bool is_gt = !is_ge && !is_le && !is_eq && meta_take(meta, ">");
    bool is_lt = !is_ge && !is_le && !is_eq && !is_gt && meta_take(meta, "<");
    if (!is_ge && !is_le && !is_eq && !is_gt && !is_lt)
        return put_at_least(draft, sum, 0, 1); /* any, as a truth */
    if (!read_number(meta, &number))
        return fail(draft, "it compares with something else than a small whole number");
    if (is_ge || is_gt)
        return put_at_least(draft, sum, 0, number + is_gt);
    if (is_eq && number > 0) {
        put(draft, LIT("("));
        bool is_good = enter(draft) && put_at_least(draft, sum, 0, number);
        if (is_good && number < sum->count) {
            put(draft, LIT(" and not "));
            is_good = put_at_least(draft, sum, 0, number + 1);
        }
        leave(draft);
        put(draft, LIT(")"));
        return is_good;
    }
    uint64_t below = is_lt ? number : number + 1; /* fewer than that */
    if (below == 0 || below > sum->count)
        return fail(draft, "its comparison holds always or never");
    put(draft, LIT("not "));
    return put_at_least(draft, sum, 0, below);
}

/* "A + B + C", perhaps in parentheses, at the front? Then the names are taken. */
static bool take_sum(struct meta *meta, struct sum *sum)
{
    struct meta ahead = *meta;
    *sum = (struct sum){.count = 0};
    bool has_open = meta_take(&ahead, "(");
    do {
        struct mw_slice name = meta_name(&ahead);
        if (name.len == 0 || sum->count == SUM_MAX)
            return false;
        sum->names[sum->count++] = name;
    } while (meta_take(&ahead, "+"));
    if (has_open && !meta_take(&ahead, ")"))
        return false;
    struct mw_slice rest = rules_text_trim(ahead.rest);
    bool is_compared = rest.len > 0 && (rest.ptr[0] == '<' || rest.ptr[0] == '>' ||
                                        (rest.ptr[0] == '=' && rest.len > 1 && rest.ptr[1] == '='));
    if (!is_compared && (sum->count == 1 || has_open))
        return false; /* a plain name, or a parenthesis */
    *meta = ahead;
    return true;
}

static bool put_parenthesis(struct meta *meta)
{
    put(meta->draft, LIT("("));
    bool is_good = enter(meta->draft) && put_or(meta) &&
                   (meta_take(meta, ")") || fail(meta->draft, "its expression is not understood"));
    leave(meta->draft);
    put(meta->draft, LIT(")"));
    return is_good;
}

/* "!" binds before + and <. */
static bool put_not(struct meta *meta)
{
    struct draft *draft = meta->draft;
    put(draft, LIT("not "));
    bool is_good = enter(draft) &&
                   (meta_take(meta, "(")   ? put_parenthesis(meta)
                    : meta_take(meta, "!") ? fail(draft, "its expression is not understood")
                                           : put_name(draft, meta_name(meta)));
    leave(draft);
    return is_good;
}

static bool put_factor(struct meta *meta)
{
    struct sum sum;
    if (meta_take(meta, "!"))
        return put_not(meta);
    if (take_sum(meta, &sum))
        return put_comparison(meta, &sum);
    return meta_take(meta, "(") ? put_parenthesis(meta) : put_name(meta->draft, meta_name(meta));
}

static bool put_and(struct meta *meta)
{
    bool is_good = put_factor(meta);
    while (is_good && meta_take(meta, "&&")) {
        put(meta->draft, LIT(" and "));
        is_good = put_factor(meta);
    }
    return is_good;
}

static bool put_or(struct meta *meta)
{
    bool is_good = put_and(meta);
    while (is_good && meta_take(meta, "||")) {
        put(meta->draft, LIT(" or "));
        is_good = put_and(meta);
    }
    return is_good;
}

static bool put_meta(struct draft *draft, struct mw_slice text)
{
    struct meta meta = {.draft = draft, .rest = text};
    if (!put_or(&meta))
        return false;
    return rules_text_trim(meta.rest).len == 0 ||
           fail(draft, "its expression has more than and, or, not and counts of rules");
}

static bool put_rule(struct draft *draft, struct sa_rule *rule)
{
    bool is_good;
    if (draft->why != NULL)
        return false;
    rule->is_open = true;
    switch (rule->type) {
    case SA_HEADER:
        is_good = put_header(draft, rule->text);
        break;
    case SA_BODY:
    case SA_RAWBODY:
    case SA_URI:
        is_good = put_text_rule(draft, rule->type, rule->text);
        break;
    case SA_META:
        is_good = put_meta(draft, rule->text);
        break;
    case SA_OTHER:
    case SA_NONE:
    default:
        is_good = fail(draft, "full: no field holds the whole message as it came");
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
    if (!put_rule(&draft, rule)) {
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
    return rules_text_trim(text);
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
