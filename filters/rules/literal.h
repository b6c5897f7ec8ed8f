/* literal.h - the literals that a pattern cannot match without.
 *
 * Read from the pattern's own text by a parser of PCRE2's syntax that knows when to give up
 * (recursion, verbs, \K, \G, conditionals, ...: regex_tree.h): then there are none, and the pattern
 * always runs.
 * Pure. */
#ifndef RULES_LITERAL_H
#define RULES_LITERAL_H

#include "text.h"

struct tree_node;

enum { LITERAL_MIN = 3, LITERAL_MAX = 64, LITERALS_MAX = 256, CLAUSES_MAX = 16 };

/* Any of these has to be in the text. */
struct literal_clause {
    const struct mw_slice *any;
    size_t count;
};
/* ... for every clause. Folded, at least LITERAL_MIN octets each. */
struct literals {
    const struct literal_clause *clauses;
    size_t count;
};

/* Where literals are put: 9 KB, so that who keeps thousands makes copies. */
struct literal_room {
    struct literal_clause clauses[CLAUSES_MAX];
    size_t clause_count;
    struct mw_slice slices[LITERALS_MAX];
    size_t slice_count;
    char octets[4096];
    size_t octet_count;
};

/* False: no usable literal. `flags`: the letters i m s x as the rule language has them. The result
 * points into `room`. */
bool rules_literals_of(struct mw_slice pattern, struct mw_slice flags, bool is_utf,
                       struct literal_room *room, struct literals *out_literals);
/* The same for a pattern that has been read. */
bool rules_literals_of_tree(const struct tree_node *root, bool is_utf, struct literal_room *room,
                            struct literals *out_literals);

/* One octet of a text in the form that literals have (ASCII only; U+212A and U+017F are the scan's
 * business). */
static inline unsigned char literal_fold(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}
/* How rare a literal's beginning of `len` octets is in mail, in quarters of a bit: for choosing. */
uint32_t rules_literal_rarity(const char *octets, size_t len);
/* A clause is as rare as the commonest of its literals, and less so with more of them. */
uint32_t rules_clause_rarity(const struct literal_clause *clause);

#endif
