/* plan.h - what there is to do at a stage, worked out at load (stages.c, trigger.c), so that a stage
 * costs what its candidates cost and not what all rules would.
 *
 * Sets of rules are bits by rule->number. A rule with a trigger (a pattern that must match for the
 * rule to hold, and that needs literals) is `always` looked at before its trigger is known, `fresh`
 * at the stage where it is, and `carried` at later ones: there it is looked at only if it was left
 * waiting. Rules of the other kind are `always`. */
#ifndef RULES_PLAN_H
#define RULES_PLAN_H

#include "values.h"

struct stage_plan {
    uint64_t *all; /* those below together: has work here, or holds others back */
    uint64_t *always, *fresh, *carried;
    struct source **sources; /* of fresh triggers */
    uint32_t *source_from;   /* the first rule that each triggers */
    size_t source_count;
    /* Rules behind these wait for certain: for one above of their scope, or for an exemption. */
    uint32_t waits_from[SCOPE_COUNT], all_wait_from;
    bool asks; /* some rule here asks lists that live elsewhere */
};

static inline bool bit_is_set(const uint64_t *set, size_t number)
{
    return set[number / 64] >> number % 64 & 1;
}
static inline void bit_set(uint64_t *set, size_t number)
{
    set[number / 64] |= UINT64_C(1) << number % 64;
}
static inline void bit_clear(uint64_t *set, size_t number)
{
    set[number / 64] &= ~(UINT64_C(1) << number % 64);
}
/* The first member from `from` on; SIZE_MAX: none. */
static inline size_t bit_next(const uint64_t *set, size_t words, size_t from)
{
    size_t word = from / 64;
    if (word >= words)
        return SIZE_MAX;
    uint64_t bits = set[word] & ~UINT64_C(0) << from % 64;
    while (bits == 0) {
        if (++word == words)
            return SIZE_MAX;
        bits = set[word];
    }
    return word * 64 + (size_t)__builtin_ctzll(bits);
}

/* group.c: the rules that tell recipients apart at the end of the message. */
void rules_plan_groups(struct rules *rules);
/* trigger.c: a trigger for each rule that has one, the indexes, and their part of the plans. */
void rules_plan_triggers(struct rules *rules);
void rules_triggers_free(struct rules *rules);

#endif
