/* describe.h - conditions, values and places in words, for `explain`, reports and lint.
 *
 * What is written is the rule language again, in one normal form: two conditions that read the same
 * here are the same. Values come from strangers: they are cut, and what is not printable is escaped. */
#ifndef RULES_DESCRIBE_H
#define RULES_DESCRIBE_H

#include "model.h"

enum { DESCRIBE_VALUE_MAX = 80 };

/* At most `max` octets, cut between characters, control characters and bad UTF-8 as \xNN. */
void rules_describe_text(struct builder *out, struct mw_slice text, size_t max);
/* In quotes; an address or a number without. */
void rules_describe_value(struct builder *out, const struct field *field,
                          const struct value *value);
/* header("Subject").fold */
void rules_describe_use(struct builder *out, const struct rules *rules,
                        const struct field_use *use);
/* any(rcpt.domain == "example.net") */
void rules_describe_test(struct builder *out, const struct rules *rules, const struct test *test);
/* The whole condition, in full: what stands in `out` then is its normal form if it fits. */
void rules_describe_node(struct builder *out, const struct rules *rules, const struct node *node);
/* "networks in a file"; of the words in parentheses "values" */
const char *rules_describe_list_kind(const struct list *list);
/* rate("...", "200 in 600s") */
void rules_describe_rate(struct builder *out, const struct rules *rules, const struct rate *rate);
/* "any ", "all " before a group; empty for any */
const char *rules_quantifier_name(enum quantifier quantifier);
/* 12,345 */
void rules_describe_count(struct builder *out, uint64_t count);

#endif
