/* regex_tree_set.c - characters: escapes, classes, and sets of them. */
#include <stdlib.h>

#include "literal.h"
#include "regex_tree.h"

enum { KELVIN = 0x212A, LONG_S = 0x017F, CHAR_MAX_UTF = 0x10FFFF };

static void set_bit(struct char_set *set, uint32_t c)
{
    set->bits[c / 64 & 3] |= UINT64_C(1) << (c % 64);
}

bool rules_set_has(const struct char_set *set, unsigned char c)
{
    return set->bits[c / 64] >> (c % 64) & 1;
}

/* Caseless, k and s match characters above ASCII: as if every k and s did. */
static bool may_be_wide(const struct char_set *set)
{
    return set->is_wide || rules_set_has(set, 'k') || rules_set_has(set, 's') ||
           rules_set_has(set, 'K') || rules_set_has(set, 'S');
}

bool rules_sets_meet(const struct char_set *a, const struct char_set *b)
{
    for (int i = 0; i < 4; i++)
        if (a->bits[i] & b->bits[i])
            return true;
    return (a->is_wide && may_be_wide(b)) || (b->is_wide && may_be_wide(a));
}

void rules_set_join(struct char_set *set, const struct char_set *other)
{
    for (int i = 0; i < 4; i++)
        set->bits[i] |= other->bits[i];
    set->is_wide |= other->is_wide;
    set->char_count = 0;
}

/* ---- building ---- */

void rules_set_begin(struct set_builder *builder, const struct tree_reader *reader)
{
    *builder = (struct set_builder){.is_utf = reader->is_utf, .caseless = reader->caseless};
}

static void list_char(struct set_builder *builder, uint32_t c)
{
    struct char_set *set = &builder->set;
    for (uint32_t i = 0; i < set->char_count; i++)
        if (set->chars[i] == c)
            return;
    if (set->char_count == SET_CHARS)
        builder->is_unlisted = true;
    else
        set->chars[set->char_count++] = c;
}

/* Two characters above ASCII are another case of an ASCII letter. */
static void add_ascii_case(struct set_builder *builder, uint32_t low, uint32_t high)
{
    const char *letters = low == high && low == KELVIN   ? "kK"
                          : low == high && low == LONG_S ? "sS"
                          : low == high                  ? ""
                                                         : "kKsS";
    for (; *letters != '\0'; letters++)
        set_bit(&builder->set, (unsigned char)*letters);
    builder->is_inexact |= low != high;
}

/* Characters above ASCII in UTF mode. Those with another case are not told one by one: literals are
 * folded as ASCII only. */
static void add_wide(struct set_builder *builder, uint32_t low, uint32_t high)
{
    builder->set.is_wide = true;
    if (builder->caseless)
        add_ascii_case(builder, low, high);
    for (uint32_t c = low; c <= high && !builder->is_unlisted; c++) {
        if (c == KELVIN || c == LONG_S)
            list_char(builder, c == KELVIN ? 'k' : 's');
        else if (builder->caseless)
            builder->is_unlisted = true;
        else
            list_char(builder, c);
    }
}

void rules_set_add_range(struct set_builder *builder, uint32_t low, uint32_t high)
{
    uint32_t octets = builder->is_utf ? 128 : 256;
    for (uint32_t c = low; c <= high && c < octets; c++) {
        set_bit(&builder->set, c);
        if (builder->caseless && c < 128 && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            set_bit(&builder->set, c ^ 32);
        if (builder->is_utf && builder->caseless &&
            (literal_fold((unsigned char)c) == 'k' || literal_fold((unsigned char)c) == 's'))
            builder->set.is_wide = true;
    }
    if (high >= octets)
        add_wide(builder, low < octets ? octets : low, high);
}

void rules_set_add_all(struct set_builder *builder)
{
    memset(builder->set.bits, 0xff, sizeof builder->set.bits);
    builder->set.is_wide = true;
    builder->is_unlisted = builder->is_inexact = true;
}

static void add_ranges(struct set_builder *builder, const char *pairs)
{
    for (; *pairs != '\0'; pairs += 2)
        rules_set_add_range(builder, (unsigned char)pairs[0], (unsigned char)pairs[1]);
}

/* All but those of `pairs`. */
static void add_but(struct set_builder *builder, const char *pairs)
{
    struct set_builder other = {.is_utf = builder->is_utf};
    add_ranges(&other, pairs);
    for (int i = 0; i < 4; i++)
        builder->set.bits[i] |= ~other.set.bits[i];
    builder->set.is_wide = true;
    builder->is_unlisted = true;
}

/* \h and \v match some above ASCII, too: which does not matter. */
static void add_blanks(struct set_builder *builder, const char *pairs, uint32_t latin)
{
    add_ranges(builder, pairs);
    if (!builder->is_utf)
        set_bit(&builder->set, latin);
    builder->set.is_wide = true;
    builder->is_unlisted = builder->is_inexact = true;
}

bool rules_set_add_escape(struct set_builder *builder, char letter)
{
    static const char digits[] = "09", words[] = "09AZaz__", spaces[] = "\t\r  ";
    if (letter == 'd')
        add_ranges(builder, digits);
    else if (letter == 'w')
        add_ranges(builder, words);
    else if (letter == 's')
        add_ranges(builder, spaces);
    else if (letter == 'D')
        add_but(builder, digits);
    else if (letter == 'W')
        add_but(builder, words);
    else if (letter == 'S')
        add_but(builder, spaces);
    else if (letter == 'N')
        add_but(builder, "\n\n");
    else if (letter == 'h')
        add_blanks(builder, "\t\t  ", 0xa0);
    else if (letter == 'v')
        add_blanks(builder, "\n\r", 0x85);
    else if (letter == 'H' || letter == 'V')
        rules_set_add_all(builder);
    else
        return false;
    return true;
}

/* The octets that U+212A and U+017F are made of: the scan folds these, also in raw text. */
static bool is_folded_away(uint32_t octet)
{
    return octet == 0xe2 || octet == 0x84 || octet == 0xaa || octet == 0xc5 || octet == 0xbf;
}

static void list_octet(struct set_builder *builder, uint32_t c)
{
    if (!builder->is_utf && is_folded_away(c))
        builder->is_unlisted = true;
    else
        list_char(builder, literal_fold((unsigned char)c));
}

struct char_set rules_set_end(struct set_builder *builder, bool is_negated)
{
    struct char_set *set = &builder->set;
    if (is_negated) {
        bool is_inexact = builder->is_inexact;
        for (int i = 0; i < 4; i++)
            set->bits[i] = is_inexact ? UINT64_MAX : ~set->bits[i];
        set->is_wide = true;
        builder->is_unlisted = true;
    }
    for (uint32_t word = 0; word < 4; word++)
        for (uint64_t bits = set->bits[word]; bits != 0 && !builder->is_unlisted; bits &= bits - 1)
            list_octet(builder, word * 64 + (uint32_t)__builtin_ctzll(bits));
    if (builder->is_unlisted)
        set->char_count = 0;
    return *set;
}

/* ---- single characters ---- */

/* The pattern is well-formed, as PCRE2 has accepted it. */
uint32_t rules_tree_next_char(struct tree_reader *reader)
{
    struct mw_slice rest = text_skip(reader->pattern, reader->at);
    uint32_t c = (unsigned char)rest.ptr[0];
    size_t len = !reader->is_utf || c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (len > rest.len)
        len = 1;
    reader->at += len;
    if (len == 1)
        return c;
    c &= 0x3fu >> (len - 1);
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)rest.ptr[i] & 0x3f);
    return c;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = text_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Up to `max` digits of the base; false if they are too many for a character. */
static bool read_digits(struct tree_reader *reader, int base, size_t max, uint32_t *out)
{
    *out = 0;
    for (; max > 0 && reader->at < reader->pattern.len; max--) {
        int digit = digit_of(reader->pattern.ptr[reader->at]);
        if (digit >= base)
            break;
        *out = *out * (uint32_t)base + (uint32_t)digit;
        if (*out > CHAR_MAX_UTF)
            return false;
        reader->at++;
    }
    return true;
}

/* "{41}" behind \x, \o, \N{U+. */
static bool read_braced(struct tree_reader *reader, int base, uint32_t *out)
{
    size_t begin = reader->at;
    if (!read_digits(reader, base, SIZE_MAX, out) || reader->at == begin ||
        reader->at >= reader->pattern.len || reader->pattern.ptr[reader->at] != '}')
        return false;
    reader->at++;
    return true;
}

static bool skip_text(struct tree_reader *reader, const char *text)
{
    struct mw_slice rest = text_skip(reader->pattern, reader->at), want = slice_of(text);
    if (rest.len < want.len || memcmp(rest.ptr, want.ptr, want.len) != 0)
        return false;
    reader->at += want.len;
    return true;
}

bool rules_tree_read_char_escape(struct tree_reader *reader, uint32_t *out_char)
{
    static const char simple[] = "a\ae\033f\fn\nr\rt\t";
    if (skip_text(reader, "x{"))
        return read_braced(reader, 16, out_char);
    if (skip_text(reader, "o{"))
        return read_braced(reader, 8, out_char);
    if (skip_text(reader, "N{U+"))
        return read_braced(reader, 16, out_char);
    uint32_t c = rules_tree_next_char(reader);
    if (c == 'x')
        return read_digits(reader, 16, 2, out_char);
    if (c == '0')
        return read_digits(reader, 8, 2, out_char);
    bool is_alnum = c < 128 && (text_is_digit((char)c) || digit_of((char)c) < 16 ||
                                (text_lower((char)c) >= 'a' && text_lower((char)c) <= 'z'));
    *out_char = c;
    if (!is_alnum)
        return true;
    for (const char *pair = simple; *pair != '\0'; pair += 2)
        if ((uint32_t)*pair == c) {
            *out_char = (unsigned char)pair[1];
            return true;
        }
    return false; /* \cX among them: who writes these has other worries than speed */
}

/* ---- classes ---- */

static bool add_posix(struct set_builder *builder, struct mw_slice name)
{
    static const struct {
        const char *name, *pairs;
    } known[] = {
        {"alpha", "AZaz"},     {"lower", "az"},
        {"upper", "AZ"},       {"alnum", "09AZaz"},
        {"blank", "\t\t  "},   {"digit", "09"},
        {"graph", "!~"},       {"print", " ~"},
        {"punct", "!/:@[`{~"}, {"space", "\t\r  "},
        {"word", "09AZaz__"},  {"xdigit", "09AFaf"},
        {"ascii", NULL},       {"cntrl", "\001\037\177\177"},
    };
    bool is_negated = name.len > 0 && name.ptr[0] == '^';
    if (is_negated)
        name = text_skip(name, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!text_is(name, known[i].name))
            continue;
        if (known[i].pairs == NULL || (is_negated && builder->caseless))
            rules_set_add_all(builder);
        else if (is_negated)
            add_but(builder, known[i].pairs);
        else
            add_ranges(builder, known[i].pairs);
        if (text_is(name, "cntrl"))
            rules_set_add_range(builder, 0, 0);
        return true;
    }
    return false;
}

/* "[:alpha:]" at the front of `text`, by PCRE2's own rule; its length or 0. */
static size_t posix_len(struct mw_slice text)
{
    if (text.len < 4 || text.ptr[0] != '[' || text_find(LIT(":.="), text.ptr[1]) < 0)
        return 0;
    char mark = text.ptr[1];
    for (size_t i = 2; i + 1 < text.len; i++) {
        char c = text.ptr[i], after = text.ptr[i + 1];
        if (c == '\\' && (after == ']' || after == '\\'))
            i++;
        else if ((c == '[' && after == mark) || c == ']')
            return 0;
        else if (c == mark && after == ']')
            return i + 2;
    }
    return 0;
}

/* What one element of a class was. */
enum element { ELEMENT_CHAR, ELEMENT_SET, ELEMENT_UNKNOWN };

static enum element read_class_escape(struct tree_reader *reader, struct set_builder *builder,
                                      uint32_t *out_char)
{
    char c = reader->pattern.ptr[reader->at];
    if (c != 'N' && rules_set_add_escape(builder, c)) {
        reader->at++;
        return ELEMENT_SET;
    }
    if (c == 'p' || c == 'P') {
        reader->at++; /* {Name} behind it: its characters do no harm in a set that holds all */
        return ELEMENT_UNKNOWN;
    }
    if (c == 'b') {
        reader->at++;
        *out_char = '\b';
        return ELEMENT_CHAR;
    }
    if (rules_tree_read_char_escape(reader, out_char))
        return ELEMENT_CHAR;
    reader->has_given_up = true; /* nobody knows how long it is: \c] */
    return ELEMENT_UNKNOWN;
}

/* \Q and \E in a class may even stand inside a range: only where the class ends is of interest. */
static bool skip_quote_mark(struct tree_reader *reader)
{
    if (skip_text(reader, "\\E"))
        reader->in_quote = false;
    else if (!reader->in_quote && skip_text(reader, "\\Q"))
        reader->in_quote = true;
    else
        return false;
    return true;
}

/* One element in front of the closing bracket. */
static enum element read_element(struct tree_reader *reader, struct set_builder *builder,
                                 uint32_t *out_char)
{
    struct mw_slice rest = text_skip(reader->pattern, reader->at);
    if (skip_quote_mark(reader))
        return ELEMENT_UNKNOWN;
    size_t posix = reader->in_quote ? 0 : posix_len(rest);
    if (posix > 0) {
        reader->at += posix;
        return add_posix(builder, SLICE(rest.ptr + 2, posix - 4)) ? ELEMENT_SET : ELEMENT_UNKNOWN;
    }
    if (!reader->in_quote && rest.ptr[0] == '\\' && rest.len > 1) {
        reader->at++;
        return read_class_escape(reader, builder, out_char);
    }
    *out_char = rules_tree_next_char(reader);
    return ELEMENT_CHAR;
}

static char class_peek(const struct tree_reader *reader, size_t ahead)
{
    size_t at = reader->at + ahead;
    return at < reader->pattern.len ? reader->pattern.ptr[at] : ']';
}

/* "-z" behind the character `low`. */
static void read_range(struct tree_reader *reader, struct set_builder *builder, uint32_t low)
{
    uint32_t high = low;
    reader->at++;
    if (read_element(reader, builder, &high) == ELEMENT_CHAR && high >= low)
        rules_set_add_range(builder, low, high);
    else /* the hyphen stands for itself */
        rules_set_add_all(builder);
}

static void read_member(struct tree_reader *reader, struct set_builder *builder)
{
    uint32_t c = 0;
    enum element element = read_element(reader, builder, &c);
    if (element == ELEMENT_UNKNOWN)
        rules_set_add_all(builder);
    else if (element == ELEMENT_CHAR && !reader->in_quote && class_peek(reader, 0) == '-' &&
             class_peek(reader, 1) != ']')
        read_range(reader, builder, c);
    else if (element == ELEMENT_CHAR)
        rules_set_add_range(builder, c, c);
}

struct char_set rules_tree_read_class(struct tree_reader *reader)
{
    struct set_builder builder;
    rules_set_begin(&builder, reader);
    reader->at++;
    bool is_negated = class_peek(reader, 0) == '^';
    if (is_negated)
        reader->at++;
    /* blanks that do not count, and quotes in front of what may be a first ']' */
    if (reader->extended_more || class_peek(reader, 0) == '\\')
        reader->has_given_up |= reader->extended_more ||
                                strchr("QE", class_peek(reader, 1)) != NULL;
    bool is_first = true;
    while (!reader->has_given_up && reader->at < reader->pattern.len &&
           (is_first || reader->in_quote || class_peek(reader, 0) != ']')) {
        read_member(reader, &builder);
        is_first = false;
    }
    reader->has_given_up |= reader->at >= reader->pattern.len;
    reader->at++;
    return rules_set_end(&builder, is_negated);
}
