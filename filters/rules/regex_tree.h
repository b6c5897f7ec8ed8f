/* regex_tree.h - what a pattern says, as a tree: for taking literals from it (literal.c) and for
 * judging what it may cost (regex_class.c).
 *
 * The reader knows the syntax of PCRE2 10.42 and is only given patterns that PCRE2 has accepted. It
 * gives up where a pattern's meaning is not in its text order (recursion, subroutine calls,
 * conditionals, verbs, callouts, \K, \G, \X) and where versions of PCRE2 differ. Sets of characters
 * are never smaller than what the pattern matches. Pure. */
#ifndef RULES_REGEX_TREE_H
#define RULES_REGEX_TREE_H

#include "text.h"

enum {
    TREE_DEPTH_MAX = 40, /* groups in groups; more: given up */
    SET_CHARS = 5,       /* as many characters of a set are told one by one */
};
#define TREE_UNBOUNDED UINT32_MAX

/* One character. `bits` are octets, or ASCII in UTF mode, where is_wide tells that characters above
 * may match. When char_count is not 0, `chars` are all that can match, folded. */
struct char_set {
    uint64_t bits[4];
    uint32_t chars[SET_CHARS];
    uint32_t char_count;
    bool is_wide;
};

enum tree_kind {
    TREE_CONCAT = 0, /* its parts, one behind the other; none: empty */
    TREE_CHOICE,     /* one of its parts */
    TREE_SET,        /* one character */
    TREE_REPEAT,     /* its only part, min to max times */
    TREE_ATOMIC,     /* its only part, never taken back */
    TREE_ASSERT,     /* ^ $ \b ... */
    TREE_AHEAD,      /* (?=...) */
    TREE_ASIDE,      /* the other ways of looking around: says nothing about the text */
    TREE_BACKREF     /* what a group has matched */
};

enum tree_assert {
    ASSERT_START = 0,  /* ^ without m, \A */
    ASSERT_LINE_START, /* ^ with m */
    ASSERT_END,        /* $ without m, \Z: may stand before a last line end */
    ASSERT_VERY_END,   /* \z */
    ASSERT_LINE_END,   /* $ with m */
    ASSERT_WORD_EDGE,  /* \b and what PCRE2 makes of [[:<:]] */
    ASSERT_OTHER
};

struct tree_node {
    enum tree_kind kind;
    enum tree_assert assertion;     /* ASSERT */
    uint32_t min, max;              /* REPEAT */
    bool is_possessive;             /* REPEAT */
    struct tree_node *first, *next; /* parts; the next part of the same whole */
    struct char_set set;            /* SET */
};

struct regex_tree {
    struct tree_node *root;
    struct tree_node *nodes;
    size_t node_count, node_cap;
};

/* `flags`: the letters i m s x. False: given up, and nothing to free. */
bool rules_tree_read(struct mw_slice pattern, struct mw_slice flags, bool is_utf,
                     struct regex_tree *out_tree);
void rules_tree_fini(struct regex_tree *tree);

bool rules_set_has(const struct char_set *set, unsigned char c);
/* May one character match both? */
bool rules_sets_meet(const struct char_set *a, const struct char_set *b);
void rules_set_join(struct char_set *set, const struct char_set *other);

/* ---- between regex_tree.c and regex_tree_set.c ---- */

struct tree_reader {
    struct mw_slice pattern;
    size_t at;
    bool is_utf, has_given_up, in_quote; /* \Q */
    bool caseless, multiline, dotall, extended, extended_more;
    uint32_t depth;
    struct regex_tree *tree;
};

/* A set being put together. */
struct set_builder {
    struct char_set set;
    bool is_utf, caseless;
    bool is_unlisted; /* holds characters that `chars` does not tell */
    bool is_inexact;  /* larger than what the pattern says: its complement would be too small */
};

void rules_set_begin(struct set_builder *builder, const struct tree_reader *reader);
void rules_set_add_range(struct set_builder *builder, uint32_t low, uint32_t high);
/* Everything, known or not. */
void rules_set_add_all(struct set_builder *builder);
/* \d \w ...; false: not such a letter. */
bool rules_set_add_escape(struct set_builder *builder, char letter);
struct char_set rules_set_end(struct set_builder *builder, bool is_negated);
/* At '[': reads the class. */
struct char_set rules_tree_read_class(struct tree_reader *reader);
/* Behind a backslash at one of 0 a c e f n o r t x or punctuation: the character. False: none. */
bool rules_tree_read_char_escape(struct tree_reader *reader, uint32_t *out_char);
/* The character here, which is not at the end. */
uint32_t rules_tree_next_char(struct tree_reader *reader);

#endif
