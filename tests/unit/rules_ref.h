/* rules_ref.h - a second opinion on what rules mean: a reference evaluator, slow and plain.
 *
 * It takes the tree that the engine's parser built, and what check.c says about each rule (whose
 * affair it is, from which stage its actions are possible, when a field is known), and decides
 * everything else by itself: at each stage every rule is evaluated from scratch, in file order, in
 * Kleene's three values with error. There is no plan of stages, no trigger, no index, no kept value:
 * patterns are compiled and matched one by one by PCRE2's interpreter, lists are walked, values are
 * read for each test anew.
 *
 * Its world is a context of the fake host (rules_fake.h): what it edits, replies, logs and counts
 * goes there, as the engine's does, so that two contexts can be compared. */
#ifndef RULES_REF_H
#define RULES_REF_H

#include "rules_fake.h"

struct ref;

/* `text` is what the rules were parsed from: patterns and the values of lists are read from it, not
 * from the engine's forms. All must outlive the result. */
struct ref *ref_new(const struct rules *rules, const char *text, struct mw_ctx *world);
void ref_free(struct ref **ref);
/* One hook. */
enum mw_verdict ref_run(struct ref *ref, enum mw_stage stage, size_t rcpt);
/* The transaction is over. */
void ref_reset(struct ref *ref);
/* Do not look at a verdict as long as one above it is open whatever the mail is. That makes a
 * difference only where rules read what others change meanwhile. */
void ref_be_patient(struct ref *ref);
/* A pattern hit a limit: from there on the result means nothing. */
bool ref_is_beyond(const struct ref *ref);

/* What the transaction has come to. */
int64_t ref_score(const struct ref *ref, size_t slot);
bool ref_tag(const struct ref *ref, size_t slot);
struct mw_slice ref_var(const struct ref *ref, size_t slot);

#endif
