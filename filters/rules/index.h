/* index.h - which of thousands of patterns may match a text: found by the literals that they need.
 *
 * From each pattern a conjunction of any-of sets of literals is taken (literal.h); a text that has
 * none of some set's literals cannot match. All literals of an index are looked for at once, by a
 * hash of four octets of each (three where a literal has no more); only the rarest set of a pattern
 * triggers it, the next rarest are checked by whether they were seen, the others are left out.
 * Patterns without a usable literal are candidates always.
 *
 * Literals are folded: ASCII case, and U+212A (k) and U+017F (s), which caseless UTF patterns match
 * too. What it says is a superset of what matches: with the index off the hits are the same
 * (tests/unit/test_rules_index.c). An index never changes once it is finished; a scan belongs to one
 * thread. */
#ifndef RULES_INDEX_H
#define RULES_INDEX_H

#include "literal.h"

struct index;

struct index *rules_index_new(void);
void rules_index_free(struct index **index);
/* A pattern with the literals that it needs; NULL: none. Ids count from 0, in order of the calls;
 * returned. The literals are copied. */
uint32_t rules_index_add(struct index *index, const struct literals *literals);
/* Nothing is added afterwards; only then it may be scanned for. */
void rules_index_finish(struct index *index);
/* Patterns. */
uint32_t rules_index_count(const struct index *index);
/* Octets of memory. */
size_t rules_index_memory(const struct index *index);

struct index_scan;
struct index_scan *rules_index_scan_new(const struct index *index);
void rules_index_scan_free(struct index_scan **scan);
/* Forget what was seen: the next texts are of another message, or of another value. Constant time. */
void rules_index_scan_begin(struct index_scan *scan);
/* Look through one more text (one value of the field). Literals do not reach from one text into the
 * next. */
void rules_index_scan_text(struct index_scan *scan, struct mw_slice text);
/* May the pattern match a text seen since the last begin? */
bool rules_index_is_candidate(const struct index_scan *scan, uint32_t id);
/* The patterns with literals that may match, in no order; valid until the next call on the scan. */
const uint32_t *rules_index_candidates(struct index_scan *scan, size_t *out_count);

#endif
