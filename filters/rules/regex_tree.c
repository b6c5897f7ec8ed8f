/* regex_tree.c - the reader of patterns: a descent through choices, sequences, items and
 * quantifiers, in the order in which PCRE2's own parser takes them. */
#include "regex_tree.h"

#include <stdlib.h>

enum { QUANTIFIERS_MAX = 4 }; /* behind one item; more: given up */

static struct tree_node *read_choice(struct tree_reader *reader);

static struct tree_node *new_node(struct tree_reader *reader, enum tree_kind kind)
{
    struct regex_tree *tree = reader->tree;
    if (tree->node_count == tree->node_cap) {
        reader->has_given_up = true;
        return &tree->nodes[tree->node_cap]; /* one more than node_cap is there, for this */
    }
    struct tree_node *node = &tree->nodes[tree->node_count++];
    node->kind = kind;
    return node;
}

static struct tree_node *new_whole(struct tree_reader *reader, enum tree_kind kind,
                                   struct tree_node *part)
{
    struct tree_node *node = new_node(reader, kind);
    node->first = part;
    return node;
}

static struct tree_node *new_set(struct tree_reader *reader, struct char_set set)
{
    struct tree_node *node = new_node(reader, TREE_SET);
    node->set = set;
    return node;
}

static struct tree_node *new_char(struct tree_reader *reader, uint32_t c)
{
    struct set_builder builder;
    rules_set_begin(&builder, reader);
    rules_set_add_range(&builder, c, c);
    return new_set(reader, rules_set_end(&builder, false));
}

static struct tree_node *new_assert(struct tree_reader *reader, enum tree_assert assertion)
{
    struct tree_node *node = new_node(reader, TREE_ASSERT);
    node->assertion = assertion;
    return node;
}

static struct tree_node *give_up(struct tree_reader *reader)
{
    reader->has_given_up = true;
    return NULL;
}

/* ---- looking ahead ---- */

static struct mw_slice rest_of(const struct tree_reader *reader)
{
    return text_skip(reader->pattern, reader->at);
}

static char peek(const struct tree_reader *reader, size_t ahead)
{
    size_t at = reader->at + ahead;
    return at < reader->pattern.len ? reader->pattern.ptr[at] : '\0';
}

static bool is_at(const struct tree_reader *reader, const char *text)
{
    struct mw_slice rest = rest_of(reader), want = slice_of(text);
    return rest.len >= want.len && memcmp(rest.ptr, want.ptr, want.len) == 0;
}

static bool skip(struct tree_reader *reader, const char *text)
{
    if (!is_at(reader, text))
        return false;
    reader->at += strlen(text);
    return true;
}

static void skip_behind(struct tree_reader *reader, char end)
{
    ptrdiff_t at = text_find(rest_of(reader), end);
    if (at < 0)
        reader->at = reader->pattern.len;
    else
        reader->at += (size_t)at + 1;
}

/* Blanks and comments of /x. Which characters above ASCII are blanks is PCRE2's affair. */
static bool skip_blank(struct tree_reader *reader)
{
    char c = peek(reader, 0);
    if (!reader->extended || reader->at >= reader->pattern.len)
        return false;
    if ((unsigned char)c >= 0x80) {
        reader->has_given_up = true;
        return false;
    }
    if (c == '#')
        skip_behind(reader, '\n');
    else if (c == ' ' || (c >= '\t' && c <= '\r'))
        reader->at++;
    else
        return false;
    return true;
}

/* What is neither item nor quantifier. */
static void skip_nothings(struct tree_reader *reader)
{
    for (bool more = true; more;) {
        if (reader->in_quote) {
            more = skip(reader, "\\E");
            reader->in_quote = !more;
        } else if (skip(reader, "\\Q")) {
            reader->in_quote = true;
        } else if (is_at(reader, "(?#")) {
            skip_behind(reader, ')');
        } else {
            more = skip(reader, "\\E") || skip_blank(reader);
        }
    }
}

/* ---- escapes ---- */

static struct tree_node *new_escape_set(struct tree_reader *reader, char letter)
{
    struct set_builder builder;
    rules_set_begin(&builder, reader);
    rules_set_add_escape(&builder, letter);
    return new_set(reader, rules_set_end(&builder, false));
}

static struct tree_node *new_any(struct tree_reader *reader)
{
    struct set_builder builder;
    rules_set_begin(&builder, reader);
    rules_set_add_all(&builder);
    return new_set(reader, rules_set_end(&builder, false));
}

/* \R: \r\n or one of the line ends. */
static struct tree_node *read_line_end(struct tree_reader *reader)
{
    struct tree_node *repeat = new_whole(reader, TREE_REPEAT, new_escape_set(reader, 'v'));
    repeat->min = 1;
    repeat->max = 2;
    repeat->is_possessive = true;
    return repeat;
}

/* \pL, \p{...} */
static struct tree_node *read_property(struct tree_reader *reader)
{
    if (peek(reader, 0) == '{')
        skip_behind(reader, '}');
    else
        reader->at++;
    return new_any(reader);
}

/* \g{2} \g-1 \k<name> refer back; \g<name> and \g'name' call. */
static struct tree_node *read_named_reference(struct tree_reader *reader, char letter)
{
    char open = peek(reader, 0);
    if (open == '{') {
        skip_behind(reader, '}');
    } else if (letter == 'k' && (open == '<' || open == '\'')) {
        reader->at++;
        skip_behind(reader, open == '<' ? '>' : '\'');
    } else {
        return give_up(reader); /* a call, or \g12 */
    }
    return new_node(reader, TREE_BACKREF);
}

static struct tree_node *read_digit_reference(struct tree_reader *reader)
{
    if (text_is_digit(peek(reader, 0))) /* \12: group 12 or an octal number, as groups are */
        return give_up(reader);
    return new_node(reader, TREE_BACKREF);
}

/* Behind the backslash. */
static struct tree_node *read_escape(struct tree_reader *reader)
{
    char c = peek(reader, 0);
    uint32_t character;
    if (c == '\0')
        return give_up(reader);
    if (strchr("dDwWsShHvV", c) != NULL || (c == 'N' && peek(reader, 1) != '{')) {
        reader->at++;
        return new_escape_set(reader, c);
    }
    if (strchr("123456789bBAzZgkpPR", c) == NULL)
        return rules_tree_read_char_escape(reader, &character) ? new_char(reader, character)
                                                               : give_up(reader);
    reader->at++;
    switch (c) {
    case 'b':
        return new_assert(reader, ASSERT_WORD_EDGE);
    case 'B':
        return new_assert(reader, ASSERT_OTHER);
    case 'A':
        return new_assert(reader, ASSERT_START);
    case 'Z':
        return new_assert(reader, ASSERT_END);
    case 'z':
        return new_assert(reader, ASSERT_VERY_END);
    case 'g':
    case 'k':
        return read_named_reference(reader, c);
    case 'p':
    case 'P':
        return read_property(reader);
    case 'R':
        return read_line_end(reader);
    default:
        return read_digit_reference(reader);
    }
}

/* ---- groups ---- */

/* The letters of "(?i-s)" up to ')' or ':'. */
static bool read_options(struct tree_reader *reader)
{
    bool value = true;
    if (skip(reader, "^"))
        reader->caseless = reader->multiline = reader->dotall = reader->extended =
            reader->extended_more = false;
    for (;; reader->at++) {
        switch (peek(reader, 0)) {
        case ')':
        case ':':
            return true;
        case '-':
            value = false;
            break;
        case 'i':
            reader->caseless = value;
            break;
        case 'm':
            reader->multiline = value;
            break;
        case 's':
            reader->dotall = value;
            break;
        case 'x':
            reader->extended_more |= peek(reader, 1) == 'x';
            reader->extended = value;
            if (peek(reader, 1) == 'x')
                reader->at++;
            break;
        case 'n':
        case 'J':
        case 'U':
            break;
        default:
            return false;
        }
    }
}

/* Behind the head of a group: its inside and the closing bracket; options set inside end here. */
static struct tree_node *read_inside(struct tree_reader *reader, struct tree_reader before)
{
    if (++reader->depth > TREE_DEPTH_MAX)
        return give_up(reader);
    struct tree_node *inside = read_choice(reader);
    if (!skip(reader, ")"))
        return give_up(reader);
    reader->depth--;
    reader->caseless = before.caseless;
    reader->multiline = before.multiline;
    reader->dotall = before.dotall;
    reader->extended = before.extended;
    reader->extended_more = before.extended_more;
    return inside;
}

static struct tree_node *read_wrapped(struct tree_reader *reader, enum tree_kind kind)
{
    struct tree_node *inside = read_inside(reader, *reader);
    return inside == NULL ? NULL : new_whole(reader, kind, inside);
}

static struct tree_node *read_named_group(struct tree_reader *reader, char end)
{
    skip_behind(reader, end);
    return read_inside(reader, *reader);
}

/* At '('. NULL without giving up: "(?i)", which is not an item. */
static struct tree_node *read_group(struct tree_reader *reader)
{
    struct tree_reader before = *reader;
    if (is_at(reader, "(*"))
        return give_up(reader);
    reader->at++;
    if (!skip(reader, "?") || skip(reader, ":"))
        return read_inside(reader, before);
    if (skip(reader, ">"))
        return read_wrapped(reader, TREE_ATOMIC);
    if (skip(reader, "="))
        return read_wrapped(reader, TREE_AHEAD);
    if (skip(reader, "!") || skip(reader, "<=") || skip(reader, "<!"))
        return read_wrapped(reader, TREE_ASIDE);
    if (skip(reader, "P=")) {
        skip_behind(reader, ')');
        return new_node(reader, TREE_BACKREF);
    }
    if (is_at(reader, "<*"))
        return give_up(reader);
    if (skip(reader, "P<") || skip(reader, "<"))
        return read_named_group(reader, '>');
    if (skip(reader, "'"))
        return read_named_group(reader, '\'');
    if (!read_options(reader)) /* calls, conditions, callouts, (?|, (?* */
        return give_up(reader);
    bool is_setting = peek(reader, 0) == ')';
    reader->at++;
    return is_setting ? NULL : read_inside(reader, before);
}

/* ---- items ---- */

static struct tree_node *read_dot(struct tree_reader *reader)
{
    return reader->dotall ? new_any(reader) : new_escape_set(reader, 'N');
}

static struct tree_node *read_item(struct tree_reader *reader)
{
    char c = reader->pattern.ptr[reader->at];
    if (reader->in_quote)
        return new_char(reader, rules_tree_next_char(reader));
    if (c == '(')
        return read_group(reader);
    if (skip(reader, "[[:<:]]") || skip(reader, "[[:>:]]"))
        return new_assert(reader, ASSERT_WORD_EDGE);
    if (c == '[')
        return new_set(reader, rules_tree_read_class(reader));
    if (c == '\\' && reader->at + 1 < reader->pattern.len) {
        reader->at++;
        return read_escape(reader);
    }
    if (c == '.' || c == '^' || c == '$') {
        reader->at++;
        if (c == '.')
            return read_dot(reader);
        if (c == '^')
            return new_assert(reader, reader->multiline ? ASSERT_LINE_START : ASSERT_START);
        return new_assert(reader, reader->multiline ? ASSERT_LINE_END : ASSERT_END);
    }
    return new_char(reader, rules_tree_next_char(reader));
}

/* "{2}", "{2,}", "{2,5}". Versions of PCRE2 differ over "{,5}" and blanks: given up. */
static bool read_braces(struct tree_reader *reader, uint32_t *out_min, uint32_t *out_max)
{
    struct mw_slice rest = text_skip(rest_of(reader), 1);
    ptrdiff_t close = text_find(rest, '}');
    if (rest.len == 0 || strchr("0123456789 ,\t", rest.ptr[0]) == NULL)
        return false;
    struct mw_slice inner = SLICE(rest.ptr, close < 0 ? 0 : (size_t)close);
    ptrdiff_t comma = text_find(inner, ',');
    struct mw_slice low = comma < 0 ? inner : SLICE(inner.ptr, (size_t)comma);
    struct mw_slice high = comma < 0 ? inner : text_skip(inner, (size_t)comma + 1);
    uint64_t min, max = TREE_UNBOUNDED;
    if (close < 0 || !text_number(low, 65535, &min) ||
        (high.len > 0 && !text_number(high, 65535, &max))) {
        reader->has_given_up = true;
        return false;
    }
    reader->at += (size_t)close + 2;
    *out_min = (uint32_t)min;
    *out_max = (uint32_t)max;
    return true;
}

/* The quantifiers behind an item: PCRE2 takes "a{2}{3}", and a thousand of them, each of which is a
 * level of the tree. */
static struct tree_node *read_quantifiers(struct tree_reader *reader, struct tree_node *item)
{
    for (unsigned levels = 0;; levels++) {
        if (levels > QUANTIFIERS_MAX) {
            reader->has_given_up = true;
            return item;
        }
        skip_nothings(reader);
        uint32_t min = 0, max = TREE_UNBOUNDED;
        char c = reader->in_quote ? '\0' : peek(reader, 0);
        if (reader->has_given_up || (c != '*' && c != '+' && c != '?' && c != '{') ||
            (c == '{' && !read_braces(reader, &min, &max)))
            return item;
        if (c != '{')
            reader->at++;
        if (c == '+')
            min = 1;
        if (c == '?')
            max = 1;
        item = new_whole(reader, TREE_REPEAT, item);
        item->min = min;
        item->max = max;
        item->is_possessive = skip(reader, "+");
        if (!item->is_possessive)
            skip(reader, "?");
    }
}

static struct tree_node *read_sequence(struct tree_reader *reader)
{
    struct tree_node *whole = new_node(reader, TREE_CONCAT), **end = &whole->first;
    for (;;) {
        skip_nothings(reader);
        char c = peek(reader, 0);
        if (reader->has_given_up || reader->at >= reader->pattern.len ||
            (!reader->in_quote && (c == '|' || c == ')')))
            return whole;
        struct tree_node *item = read_item(reader);
        if (item == NULL)
            continue;
        *end = read_quantifiers(reader, item);
        end = &(*end)->next;
    }
}

static struct tree_node *read_choice(struct tree_reader *reader)
{
    struct tree_node *first = read_sequence(reader);
    if (reader->has_given_up || peek(reader, 0) != '|')
        return first;
    struct tree_node *whole = new_whole(reader, TREE_CHOICE, first), *last = first;
    while (!reader->has_given_up && skip(reader, "|")) {
        last->next = read_sequence(reader);
        last = last->next;
    }
    return whole;
}

/* ---- a pattern ---- */

static void read_flags(struct tree_reader *reader, struct mw_slice flags)
{
    reader->caseless = text_find(flags, 'i') >= 0;
    reader->multiline = text_find(flags, 'm') >= 0;
    reader->dotall = text_find(flags, 's') >= 0;
    reader->extended = text_find(flags, 'x') >= 0;
}

/* Verbs in front that leave the meaning alone. Others, (*UCP) and the newlines, are no item either,
 * so that read_group gives up over them. */
static void skip_verbs(struct tree_reader *reader)
{
    static const char *const harmless[] = {"(*UTF)", "(*NO_JIT)", "(*NO_START_OPT)",
                                           "(*NO_AUTO_POSSESS)", "(*NO_DOTSTAR_ANCHOR)"};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (skip(reader, harmless[i]))
            i = (size_t)-1;
}

bool rules_tree_read(struct mw_slice pattern, struct mw_slice flags, bool is_utf,
                     struct regex_tree *out_tree)
{
    struct regex_tree tree = {.node_cap = 3 * pattern.len + 4};
    struct tree_reader reader = {.pattern = pattern, .is_utf = is_utf, .tree = &tree};
    tree.nodes = calloc(tree.node_cap + 1, sizeof *tree.nodes);
    if (tree.nodes == NULL)
        return false; /* the pattern always runs then */
    read_flags(&reader, flags);
    skip_verbs(&reader);
    tree.root = read_choice(&reader);
    if (reader.has_given_up || reader.at < pattern.len) {
        rules_tree_fini(&tree);
        return false;
    }
    *out_tree = tree;
    return true;
}

void rules_tree_fini(struct regex_tree *tree)
{
    free(tree->nodes);
    *tree = (struct regex_tree){0};
}
