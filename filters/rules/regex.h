/* regex.h - PCRE2 behind three calls: compile with a diagnostic, match within limits, read a
 * capture's number.
 *
 * A match has three results. UNDECIDED means that a limit was reached: it is an error of the rule,
 * never "no match". Patterns over decoded text run in UTF mode on text that the caller has
 * validated; patterns over raw octets do not. */
#ifndef RULES_REGEX_H
#define RULES_REGEX_H

#include "model.h"

enum regex_result { REGEX_NO = 0, REGEX_YES, REGEX_UNDECIDED };

/* Called once the settings are known, before any pattern; and after all sessions have gone. */
void rules_regex_open(struct rules *rules);
void rules_regex_close(struct rules *rules);

/* Read a pattern of the rule language: value and flags as the lexer gives them. NULL: an error was
 * reported. */
struct regex *rules_regex_compile(struct rules *rules, struct mw_slice pattern,
                                  struct mw_slice flags, const struct place *place, bool is_utf);
/* Warn about patterns that are legal and hardly meant; `is_anchored_type`: addresses, hosts. */
void rules_regex_advise(struct rules *rules, const struct regex *regex, const struct place *place,
                        const struct field *field);
uint32_t rules_regex_groups(const struct regex *regex);
/* Number of the named group, or -1. */
int rules_regex_group(const struct regex *regex, struct mw_slice name);
bool rules_regex_is_utf(const struct regex *regex);

/* Time is bounded for each test (all its values) and for each stage (all rules); both begin with
 * these. */
void rules_regex_begin_stage(struct rules *rules);
void rules_regex_begin_test(struct rules *rules);
/* Is either bound passed? Reads the clock. */
bool rules_regex_is_late(struct rules *rules);

/* out_captures (CAPTURES_MAX slices into text; may be NULL) is set when the answer is YES: group 0
 * and those behind it, unset ones empty. */
enum regex_result rules_regex_match(struct rules *rules, const struct regex *regex,
                                    struct mw_slice text, struct mw_slice *out_captures);

#endif
