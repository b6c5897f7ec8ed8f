/* check.h - what has to be known of a rule set before it may run: stages, scopes, waits, and what
 * is wrong with it. */
#ifndef RULES_CHECK_H
#define RULES_CHECK_H

#include "model.h"

/* Completes every rule in file order and reports what can never work. Call once, after all files
 * are parsed without error. */
void rules_check(struct rules *rules);

static inline enum mw_stage later(enum mw_stage a, enum mw_stage b)
{
    return a > b ? a : b;
}

/* writes.c: what rules write and others read: scores, tags, variables, header fields, addresses of the
 * envelope. File order counts, whatever is known when: a rule reads what the rules above it have
 * written, and nothing that those below it write. So a reader waits until writers above are settled,
 * and a writer until readers above are. Neither makes a message be kept that was not kept before: the
 * other rule wants that stage anyway. */
struct written {
    enum mw_stage tags, tags_read; /* all of them: `tag` reads any */
    enum mw_stage headers;         /* fields of any name, for those who read all */
    enum mw_stage headers_read;    /* by those who read all */
    enum mw_stage sender, rcpt;
};
void rules_order_names(struct rules *rules);
/* Problems of reading what nobody writes. */
void rules_check_read(struct rules *rules, const struct field_use *use);
void rules_check_tags(struct rules *rules, const struct node *condition);
/* A rule that does nothing but add to scores that no rule below reads is not run. */
bool rules_is_idle(const struct rules *rules, const struct rule *rule);
/* The stage at which what the rules above write of it is settled. CONNECT: they do not. */
enum mw_stage rules_written_at(struct rules *rules, const struct field_use *use,
                               const struct written *written);
/* The stage before which a rule above may still read what this one writes. */
enum mw_stage rules_writes_from(struct rules *rules, const struct rule *rule,
                                const struct written *written);
/* The rule's stages are set: those below have to know what it reads and writes. */
void rules_note_access(struct rules *rules, const struct rule *rule, struct written *written);

/* cheap.c: which sides of the rule's condition are looked at first. Its values and patterns are
 * connected. */
void rules_order_sides(struct rule *rule);

/* stages.c: what a condition can come to at `stage`, as bits 1 << enum truth (subject.h), when
 * everything known is open. */
unsigned rules_possible(const struct node *node, enum mw_stage stage);
/* stages.c: the lists of rules for each stage, and the stages that the host must call. */
void rules_plan(struct rules *rules);

/* closed.c: warns of values that a field never has. */
void rules_check_closed(struct rules *rules, const struct node *node);

#endif
