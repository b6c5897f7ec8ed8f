/* regex.h - PCRE2 behind a few calls: compile with a diagnostic, match within limits, say what a
 * pattern costs.
 *
 * A match has three results. UNDECIDED means that a limit was reached: it is an error of the rule,
 * never "no match". Patterns over decoded text run in UTF mode on text that the caller has
 * validated; patterns over raw octets do not. Compiled patterns do not change (but that the JIT
 * takes each when it is first matched, under a lock) and may be used by several threads; each thread
 * has its own struct regex_scratch. */
#ifndef RULES_REGEX_H
#define RULES_REGEX_H

#include "literal.h"
#include "model.h"

enum regex_result { REGEX_NO = 0, REGEX_YES, REGEX_UNDECIDED };

/* What a pattern may cost. A: needs a literal, so that it hardly ever runs. B: runs over every text,
 * in time that grows with the text's length. C: may take longer than that, with literals (then it is
 * indexed all the same) or without, so it is built with callouts that look at the clock. */
enum regex_class { REGEX_LITERAL = 0, REGEX_LINEAR, REGEX_RISKY };

/* Called once the settings are known, before any pattern; and after all sessions have gone. */
void rules_regex_open(struct rules *rules);
void rules_regex_close(struct rules *rules);

/* Read a pattern of the rule language: value and flags as the lexer gives them. NULL: an error was
 * reported. The same pattern with the same flags is compiled once. */
struct regex *rules_regex_compile(struct rules *rules, struct mw_slice pattern,
                                  struct mw_slice flags, const struct place *place, bool is_utf);
/* Warn about patterns that are legal and hardly meant. */
void rules_regex_advise(struct rules *rules, const struct regex *regex, const struct place *place,
                        const struct field *field);
uint32_t rules_regex_groups(const struct regex *regex);
/* Number of the named group, or -1. */
int rules_regex_group(const struct regex *regex, struct mw_slice name);
/* As it was written, and its flags. */
struct mw_slice rules_regex_source(const struct regex *regex, char out_flags[5]);
bool rules_regex_is_utf(const struct regex *regex);
enum regex_class rules_regex_class(const struct regex *regex);
/* NULL: none. */
const struct literals *rules_regex_literals(const struct regex *regex);
/* Measured now, on a text of mail: picoseconds an octet. For `check` and `rules bench`. */
uint64_t rules_regex_price(struct rules *rules, const struct regex *regex);

/* ---- matching ---- */

struct regex_scratch; /* match data, JIT stack, clock; one a thread */

struct regex_scratch *rules_regex_scratch_new(const struct rules *rules);
void rules_regex_scratch_free(struct regex_scratch **scratch);
/* A message (or a stage) begins: all matching until the next call has that long. */
void rules_regex_begin(struct regex_scratch *scratch, uint64_t budget_us);
/* Is the time over? Reads the clock. Once it is, every match of class C, and of the others on texts
 * that are not short, is UNDECIDED at once. */
bool rules_regex_is_late(struct regex_scratch *scratch);
/* out_captures (CAPTURES_MAX slices into text; may be NULL) is set when the answer is YES: group 0
 * and those behind it, unset ones empty. */
enum regex_result rules_regex_match(struct regex_scratch *scratch, const struct regex *regex,
                                    struct mw_slice text, struct mw_slice *out_captures);

#endif
