/* pattern_kit.h - patterns out of octets, each with a text that it should match: what random tests
 * and the fuzz target of literals and the index feed on. The octets are choices; without any left
 * the first choice is taken, so that every pattern ends.
 *
 * The text is a guess: lookarounds and anchors may spoil it. Who asks PCRE2 whether it matches
 * loses nothing by that. */
#ifndef PATTERN_KIT_H
#define PATTERN_KIT_H

#include <stdio.h>

#include "text.h"

enum { PATTERN_KIT_PATTERN = 1024, PATTERN_KIT_TEXT = 4096, PATTERN_KIT_DEPTH = 5 };

struct pattern_kit {
    const unsigned char *choices;
    size_t left;
    bool is_utf, is_muted; /* muted: what follows is not in the text */
    struct builder pattern, text;
    char pattern_room[PATTERN_KIT_PATTERN], text_room[PATTERN_KIT_TEXT];
    char flags[5];
};

static inline unsigned kit_choose(struct pattern_kit *kit, unsigned count)
{
    if (kit->left == 0)
        return 0;
    kit->left--;
    return *kit->choices++ % count;
}

static inline void kit_put(struct pattern_kit *kit, const char *pattern)
{
    builder_put(&kit->pattern, slice_of(pattern));
}

/* Whole characters only. */
static inline void kit_say(struct pattern_kit *kit, const char *text)
{
    if (!kit->is_muted && kit->text.cap - kit->text.len > 8)
        builder_put(&kit->text, slice_of(text));
}

static inline void kit_sequence(struct pattern_kit *kit, unsigned depth);

/* One character in the forms in which a pattern may write it, and a text with it. */
static inline void kit_char(struct pattern_kit *kit)
{
    static const struct {
        const char *pattern, *text, *other_case;
    } known[] = {
        {"a", "a", "A"},          {"b", "b", "B"},
        {"c", "c", "C"},          {"K", "K", "k"},
        {"k", "k", "K"},          {"s", "s", "S"},
        {"S", "S", "s"},          {" ", " ", " "},
        {"\\ ", " ", " "},        {"\\x61", "a", "A"},
        {"\\x{62}", "b", "B"},    {"\\.", ".", "."},
        {"\\n", "\n", "\n"},      {"\\t", "\t", "\t"},
        {"\\o{142}", "b", "B"},   {"-", "-", "-"},
        {"1", "1", "1"},          {"{", "{", "{"},
        {"]", "]", "]"},          {"\\Qa.b\\E", "a.b", "A.B"},
        {"\\Qk*\\E", "k*", "K*"}, {"\\E", "", ""},
        {"#", "#", "#"},          {"x{2}", "xx", "xX"},
        {"\\061", "1", "1"},      {"\\/", "/", "/"},
        {"\\e", "\033", "\033"},
    };
    static const struct {
        const char *pattern, *text, *other_case;
    } wide[] = {
        {"\xc3\xa9", "\xc3\xa9", "\xc3\x89"},
        {"\\x{e9}", "\xc3\xa9", "\xc3\x89"},
        {"\xe2\x84\xaa", "\xe2\x84\xaa", "k"},
        {"\\x{17f}", "\xc5\xbf", "s"},
        {"k", "\xe2\x84\xaa", "\xe2\x84\xaa"},
        {"S", "\xc5\xbf", "\xc5\xbf"},
        {"\\N{U+212A}", "\xe2\x84\xaa", "K"},
        {"\xe2\x84\xab", "\xe2\x84\xab", "\xc3\xa5"},
        {"\xf0\x9f\x92\x8a", "\xf0\x9f\x92\x8a", "\xf0\x9f\x92\x8a"},
    };
    static const struct {
        const char *pattern, *text;
    } raw[] = {
        {"\xe9", "\xe9"},         {"\\xe2", "\xe2"},          {"\xe2\x84\xaa", "\xe2\x84\xaa"},
        {"\x84\xaa", "\x84\xaa"}, {"\\xc5\\xbf", "\xc5\xbf"}, {"\xff", "\xff"}};
    unsigned which = kit_choose(kit, 40);
    bool is_other = kit_choose(kit, 3) == 1;
    if (which < sizeof known / sizeof *known) {
        kit_put(kit, known[which].pattern);
        kit_say(kit, is_other ? known[which].other_case : known[which].text);
    } else if (kit->is_utf) {
        which %= sizeof wide / sizeof *wide;
        kit_put(kit, wide[which].pattern);
        kit_say(kit, is_other ? wide[which].other_case : wide[which].text);
    } else {
        which %= sizeof raw / sizeof *raw;
        kit_put(kit, raw[which].pattern);
        kit_say(kit, raw[which].text);
    }
}

static inline void kit_chars(struct pattern_kit *kit)
{
    static const char *const words[] = {"abc", "ks", "a-b c", "bask"};
    unsigned which = kit_choose(kit, 8);
    if (which < sizeof words / sizeof *words) {
        kit_put(kit, words[which]);
        kit_say(kit, words[which]);
    }
    for (unsigned count = kit_choose(kit, 4); count > 0; count--)
        kit_char(kit);
}

static inline void kit_set(struct pattern_kit *kit)
{
    static const struct {
        const char *pattern, *text;
    } known[] = {
        {"[ab]", "b"},       {"[a4@]", "@"},       {"[^a]", "c"},          {"[Kk]", "K"},
        {"[\\d_]", "_"},     {"[[:alpha:]]", "x"}, {"[]a]", "]"},          {"[^]a]", "b"},
        {"[a-c]", "c"},      {"[a-cA-C]", "B"},    {"[\\Qa]\\E]", "]"},    {"[\\x61-\\x63]", "b"},
        {"[-a]", "-"},       {"[a-]", "-"},        {"[a-\\d]", "7"},       {"[\\b]", "\b"},
        {"\\d", "5"},        {"\\w", "k"},         {"\\s", " "},           {"\\S", "."},
        {".", "z"},          {"\\W", "-"},         {"\\h", "\t"},          {"\\R", "\r\n"},
        {"\\N", "q"},        {"[a\\]b]", "]"},     {"[[:^digit:]s]", "a"}, {"\\pL", "k"},
        {"[\\]\\\\]", "\\"}, {"[[a]", "["},        {"[[:x]", ":"},         {"[+--]", ","},
        {"[s]", "s"},        {"[\\Wk]", "-"},      {"[a\\E-c]", "b"},      {"[\\p{Lu}b]", "B"},
        {"[\\n\\r]", "\n"},  {"\\p{^Lu}", "."},    {"[^\\W\\d_]", "s"},    {"[^K]", "s"},
    };
    unsigned which = kit_choose(kit, sizeof known / sizeof *known);
    kit_put(kit, known[which].pattern);
    kit_say(kit, known[which].text);
}

static inline void kit_choice(struct pattern_kit *kit, unsigned depth)
{
    unsigned count = 1 + kit_choose(kit, 4), taken = kit_choose(kit, count);
    bool was_muted = kit->is_muted;
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            kit_put(kit, "|");
        kit->is_muted = was_muted || i != taken;
        kit_sequence(kit, depth + 1);
    }
    kit->is_muted = was_muted;
}

static inline void kit_group(struct pattern_kit *kit, unsigned depth)
{
    static const char *const heads[] = {"(",     "(?:",   "(?i:", "(?-i:", "(?>",    "(?=",
                                        "(?!",   "(?<!",  "(?<=", "(?x:",  "(?s-i:", "(?<n>",
                                        "(?'q'", "(?^i:", "(?:",  "(?m:",  "(?P<p>", "(?xi: "};
    unsigned which = kit_choose(kit, sizeof heads / sizeof *heads);
    bool was_muted = kit->is_muted;
    kit_put(kit, heads[which]);
    if (which >= 6 && which <= 8)
        kit->is_muted = true;
    kit_choice(kit, depth);
    kit->is_muted = was_muted;
    kit_put(kit, ")");
}

static inline void kit_odd(struct pattern_kit *kit)
{
    static const char *const usual[] = {
        "^",       "$",     "\\b",  "(?i)", "(?-i)", "(?x) ", "(?#c)", "\\A",  "\\z",    "\\B",
        "[[:<:]]", "(?-x)", "(?s)", "(?m)", "(?U)",  "# c\n", "(?^)",  "(?=)", "\\Q\\E", "(?-i) "};
    static const char *const rare[] = {"\\1",       "\\K",   "(?R)?", "(?1)?", "\\G",    "\\g{1}",
                                       "(?(1)a|b)", "(?C1)", "(*F)?", "(?xx)", "\\k<n>", "\\X"};
    if (kit_choose(kit, 16) == 1)
        kit_put(kit, rare[kit_choose(kit, sizeof rare / sizeof *rare)]);
    else
        kit_put(kit, usual[kit_choose(kit, sizeof usual / sizeof *usual)]);
}

static inline void kit_quantifier(struct pattern_kit *kit, size_t from)
{
    static const struct {
        const char *pattern;
        int copies; /* beside the first; -1: without it */
    } known[] = {{"", 0},     {"", 0},      {"", 0},     {"", 0},       {"", 0},     {"?", 0},
                 {"?", -1},   {"*", -1},    {"*", 1},    {"+", 0},      {"+", 2},    {"{2}", 1},
                 {"{2,}", 2}, {"{1,3}", 1}, {"{0}", -1}, {"{0,2}", -1}, {"+?", 0},   {"*+", 1},
                 {"{,2}", 0}, {"??", 0},    {"{3}+", 2}, {" {2}", 0},   {"{2}?", 1}, {"(?#c)+", 1}};
    unsigned which = kit_choose(kit, sizeof known / sizeof *known);
    size_t len = kit->text.len - from;
    kit_put(kit, known[which].pattern);
    if (known[which].copies < 0)
        kit->text.len = from;
    for (int i = 0; i < known[which].copies && kit->text.len + len < kit->text.cap; i++)
        builder_put(&kit->text, SLICE(kit->text.ptr + from, len));
}

static inline void kit_sequence(struct pattern_kit *kit, unsigned depth)
{
    for (unsigned count = kit_choose(kit, 7); count > 0; count--) {
        size_t from = kit->text.len;
        unsigned which = kit_choose(kit, 16);
        if (which < 8)
            kit_chars(kit);
        else if (which < 11)
            kit_set(kit);
        else if (which < 12)
            kit_odd(kit);
        else if (depth < PATTERN_KIT_DEPTH)
            kit_group(kit, depth);
        kit_quantifier(kit, from);
    }
}

/* The pattern and the text are in the builders then. */
static inline void kit_make(struct pattern_kit *kit, const unsigned char *choices, size_t count)
{
    static const char *const flags[] = {"", "i", "s", "m", "x", "im", "is", "ix"};
    kit->choices = choices;
    kit->left = count;
    kit->is_utf = kit_choose(kit, 3) != 1;
    snprintf(kit->flags, sizeof kit->flags, "%s", flags[kit_choose(kit, 8)]);
    kit->is_muted = false;
    kit->pattern = (struct builder){.ptr = kit->pattern_room, .cap = PATTERN_KIT_PATTERN};
    kit->text = (struct builder){.ptr = kit->text_room, .cap = PATTERN_KIT_TEXT};
    kit_say(kit, kit_choose(kit, 2) ? "xyz " : "");
    kit_choice(kit, 0);
    kit_say(kit, kit_choose(kit, 2) ? " abc" : "");
}

#endif
