/* dnsbl_values.c - dnsbl.score, dnsbl.zones, dnsbl.text: what the zones of a list say of a field.
 *
 * A field with several values scores what the worst of them does, and all their zones are named.
 * Zones that have not answered leave the score between two bounds; a test that comes to the same for
 * both is decided, any other is an error. Texts have what is known. */
#include "list.h"
#include "subject.h"

struct look {
    struct list_sum sum;
    bool is_asking; /* the answer is still to come */
};

static void add(struct look *look, const struct list_sum *sum)
{
    struct list_sum *all = &look->sum;
    all->low = sum->low > all->low ? sum->low : all->low;
    all->high = sum->high > all->high ? sum->high : all->high;
    for (size_t i = 0; i < LIST_ZONE_WORDS; i++)
        all->hits[i] |= sum->hits[i];
    if (all->text.len == 0)
        all->text = sum->text;
    all->is_partial |= sum->is_partial;
    if (sum->is_partial && sum->error != NULL)
        all->error = sum->error;
}

static void look_up(struct subject *subject, const struct field_use *use, struct look *out)
{
    struct value_walk walk = {.use = use->key};
    struct value value = {.text = EMPTY};
    bool is_first = true;
    enum got got;
    *out = (struct look){.sum = {.text = EMPTY}};
    if (subject->answers == NULL) { /* nobody to ask, as in eval.c */
        out->is_asking = subject->is_dry;
        return;
    }
    while ((got = rules_next_value(subject, &walk, &value)) == GOT_VALUE) {
        struct list_sum sum;
        bool is_asking = rules_list_sum(use->set, &value, subject->answers, &sum) == LIST_ASK;
        if (is_first)
            out->sum = sum;
        else
            add(out, &sum);
        out->is_asking |= is_asking;
        is_first = false;
        if (!(use->key->field->flags & FLAG_MANY))
            return;
    }
    if (got == GOT_ERROR) {
        out->sum.is_partial = true;
        out->sum.high = INT32_MAX;
        out->sum.error = "a lookup failed";
    }
}

bool rules_dnsbl_is_asking(struct subject *subject, const struct field_use *use)
{
    struct look look;
    look_up(subject, use, &look);
    return look.is_asking;
}

/* Is every sum from `low` to `high` on the same side? */
static enum truth compare(enum test_op op, int64_t low, int64_t high, int64_t than)
{
    switch (op) {
    case OP_LT:
        return high < than ? TRUTH_TRUE : low >= than ? TRUTH_FALSE : TRUTH_ERROR;
    case OP_LE:
        return high <= than ? TRUTH_TRUE : low > than ? TRUTH_FALSE : TRUTH_ERROR;
    case OP_GT:
        return low > than ? TRUTH_TRUE : high <= than ? TRUTH_FALSE : TRUTH_ERROR;
    case OP_GE:
        return low >= than ? TRUTH_TRUE : high < than ? TRUTH_FALSE : TRUTH_ERROR;
    case OP_EQ:
        return low == than && high == than ? TRUTH_TRUE
               : than < low || than > high ? TRUTH_FALSE
                                           : TRUTH_ERROR;
    case OP_EMPTY:
    case OP_MATCH:
    case OP_IN:
        break;
    }
    return TRUTH_FALSE; /* a score is not empty, and takes neither pattern nor list */
}

enum truth rules_dnsbl_score_test(struct subject *subject, const struct test *test)
{
    struct look look;
    look_up(subject, test->use, &look);
    if (look.is_asking && subject->is_dry)
        return TRUTH_UNKNOWN;
    enum truth truth = compare(test->op, look.sum.low * NUMBER_UNIT, look.sum.high * NUMBER_UNIT,
                               test->number);
    if (truth == TRUTH_ERROR)
        subject->error = look.sum.error != NULL ? look.sum.error : "a zone has not answered";
    bool is_negated = test->is_negated != (test->quantifier == FOR_NONE);
    return truth == TRUTH_ERROR || !is_negated ? truth
           : truth == TRUTH_TRUE               ? TRUTH_FALSE
                                               : TRUTH_TRUE;
}

static enum got next_zone(struct value_walk *walk, struct value *out)
{
    for (; walk->cursor < LIST_ZONE_WORDS * 64; walk->cursor++) {
        if (!(walk->zones[walk->cursor / 64] >> walk->cursor % 64 & 1))
            continue;
        out->text = slice_of(rules_list_zone_name(walk->use->list, walk->cursor++));
        return GOT_VALUE;
    }
    return walk->is_partial ? GOT_ERROR : GOT_END;
}

enum got rules_dnsbl_next(struct subject *subject, struct value_walk *walk, struct value *out)
{
    enum field_id id = walk->use->field->id;
    if (!walk->is_begun) {
        struct look look;
        look_up(subject, walk->use, &look);
        walk->is_begun = true;
        walk->is_partial = look.sum.is_partial;
        memcpy(walk->zones, look.sum.hits, sizeof walk->zones);
        out->text = look.sum.text;
        out->number = look.sum.low * NUMBER_UNIT;
        if (id == FIELD_DNSBL_SCORE)
            return GOT_VALUE;
        if (id == FIELD_DNSBL_TEXT)
            return look.sum.text.len > 0 ? GOT_VALUE : look.sum.is_partial ? GOT_ERROR : GOT_END;
    }
    return id == FIELD_DNSBL_ZONES ? next_zone(walk, out) : GOT_END;
}
