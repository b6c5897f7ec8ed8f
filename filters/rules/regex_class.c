/* regex_class.c - which patterns may take long.
 *
 * A matcher that goes back tries, from each place of the text, each way through the pattern. That
 * stays linear when two things hold.
 *
 * 1. Few ways, and short ones. Bounded repeats and choices multiply; up to WAYS_MAX ways of
 *    STEPS_MAX steps are fine.
 * 2. An unbounded repeat of a set, x*, does not read the same octets again and again. It does when
 *    many paths arrive at it: at the beginning of the pattern (one path from each octet), or behind
 *    another unbounded repeat that may give octets back to what follows (one from each of those). I
 *    call such a place crowded. But if on the way from there to x* the pattern must read an octet
 *    that x* cannot read (a separator), then paths that begin inside one run of x* die, and each
 *    octet is read a bounded number of times: /foo\s+bar/, /<[^>]*>/. In /foo.*bar/ or /\d+x/ there
 *    is no separator: quadratic.
 *
 * An unbounded repeat gives nothing back that helps if what follows cannot begin with one of its
 * octets. Groups that repeat without bound, back references and what the tree does not tell are
 * taken as risky. It errs on that side only. */
#include "regex_priv.h"

enum {
    WAYS_MAX = 300,
    STEPS_MAX = 1000,
    WAYS_MANY = 1000000, /* counting stops */
    SEPARATORS = 8,
    UNROLL_MAX = 4, /* (...){2,4} is walked through one by one */
};

struct separator {
    bool is_edge; /* \b, or ^ with m, in place of a character */
    enum tree_assert edge;
    struct char_set set;
};

/* A place in the pattern, as seen by the paths that come there. */
struct flow {
    bool is_crowded, is_risky, was_cleared;
    uint32_t ways;
    bool is_pending; /* behind an unbounded repeat of `pending`, nothing read since */
    struct char_set pending;
    size_t separator_count; /* since it became crowded, or since an unbounded repeat */
    struct separator separators[SEPARATORS];
};

static void walk(struct flow *flow, const struct tree_node *node);

/* ---- helpers ---- */

static uint32_t times(uint32_t a, uint32_t b)
{
    uint64_t product = (uint64_t)a * b;
    return product > WAYS_MANY ? WAYS_MANY : (uint32_t)product;
}

/* Adds the characters with which the node may begin. True: it may match nothing. */
static bool first_of(const struct tree_node *node, struct char_set *set)
{
    bool may_be_empty = true;
    switch (node->kind) {
    case TREE_SET:
        rules_set_join(set, &node->set);
        return false;
    case TREE_CONCAT:
        for (const struct tree_node *child = node->first; child != NULL; child = child->next)
            if (!first_of(child, set))
                return false;
        return true;
    case TREE_CHOICE:
        may_be_empty = false;
        for (const struct tree_node *child = node->first; child != NULL; child = child->next)
            may_be_empty |= first_of(child, set);
        return may_be_empty;
    case TREE_REPEAT:
        return (node->max == 0 || first_of(node->first, set)) || node->min == 0;
    case TREE_ATOMIC:
        return first_of(node->first, set);
    case TREE_BACKREF:
        memset(set->bits, 0xff, sizeof set->bits);
        set->is_wide = true;
        return true;
    case TREE_ASSERT:
    case TREE_AHEAD:
    case TREE_ASIDE:
        break;
    }
    return true;
}

static bool has_unbounded(const struct tree_node *node)
{
    if (node->kind == TREE_REPEAT && node->max == TREE_UNBOUNDED)
        return true;
    for (const struct tree_node *child = node->first; child != NULL; child = child->next)
        if (has_unbounded(child))
            return true;
    return false;
}

/* How many characters one way through the node looks at, runs of unbounded repeats apart; of a
 * choice, one for each part that is left at once. */
static uint32_t steps_of(const struct tree_node *node)
{
    uint32_t sum = 0, most = 0, count = 0;
    for (const struct tree_node *child = node->first; child != NULL; child = child->next) {
        uint32_t steps = steps_of(child);
        sum = sum + steps > WAYS_MANY ? WAYS_MANY : sum + steps;
        most = steps > most ? steps : most;
        count++;
    }
    if (node->kind == TREE_CHOICE)
        return most + count > WAYS_MANY ? WAYS_MANY : most + count;
    if (node->kind == TREE_REPEAT && node->max != TREE_UNBOUNDED)
        return times(sum, node->max);
    return node->kind == TREE_SET ? 1 : sum;
}

/* The set, when the node is one in brackets or without. */
static const struct char_set *only_set(const struct tree_node *node)
{
    while ((node->kind == TREE_CONCAT && node->first != NULL && node->first->next == NULL) ||
           node->kind == TREE_ATOMIC)
        node = node->first;
    return node->kind == TREE_SET ? &node->set : NULL;
}

/* ---- separators ---- */

static void clear(struct flow *flow)
{
    flow->separator_count = 0;
    flow->was_cleared = true;
}

static void crowd(struct flow *flow)
{
    flow->is_crowded = true;
    flow->is_pending = false;
    clear(flow);
}

static void separate(struct flow *flow, const struct char_set *set)
{
    if (flow->separator_count < SEPARATORS)
        flow->separators[flow->separator_count++] = (struct separator){.set = *set};
}

static void separate_edge(struct flow *flow, enum tree_assert edge)
{
    if (flow->separator_count < SEPARATORS)
        flow->separators[flow->separator_count++] = (struct separator){.is_edge = true,
                                                                       .edge = edge};
}

/* Is a run of the set never read across a word's edge? */
static bool is_of_one_kind(const struct char_set *set)
{
    bool has_word = false, has_other = set->is_wide;
    for (uint32_t c = 0; c < 256; c++) {
        if (!rules_set_has(set, (unsigned char)c))
            continue;
        char lower = text_lower((char)c);
        bool is_word = c < 128 &&
                       ((lower >= 'a' && lower <= 'z') || text_is_digit((char)c) || c == '_');
        has_word |= is_word;
        has_other |= !is_word;
    }
    return !has_word || !has_other;
}

static bool is_kept_apart(const struct flow *flow, const struct char_set *set)
{
    for (size_t i = 0; i < flow->separator_count; i++) {
        const struct separator *separator = &flow->separators[i];
        if (!separator->is_edge && !rules_sets_meet(&separator->set, set))
            return true;
        if (separator->is_edge && separator->edge == ASSERT_LINE_START && !rules_set_has(set, '\n'))
            return true;
        if (separator->is_edge && separator->edge == ASSERT_WORD_EDGE && is_of_one_kind(set))
            return true;
    }
    return false;
}

/* ---- along the pattern ---- */

/* May be read here, need not. */
static void pass_optional(struct flow *flow, const struct char_set *set)
{
    if (flow->is_pending && rules_sets_meet(&flow->pending, set))
        crowd(flow);
}

static void pass(struct flow *flow, const struct char_set *set)
{
    pass_optional(flow, set);
    flow->is_pending = false;
    separate(flow, set);
}

static void pass_unbounded(struct flow *flow, const struct char_set *set,
                           const struct tree_node *node)
{
    pass_optional(flow, set);
    if (flow->is_crowded && !is_kept_apart(flow, set))
        flow->is_risky = true;
    clear(flow);
    if (node->min > 0)
        separate(flow, set);
    if (!flow->is_pending || node->min > 0)
        flow->pending = *set;
    else
        rules_set_join(&flow->pending, set); /* a*b*: what follows follows both */
    flow->is_pending = !node->is_possessive || (flow->is_pending && node->min == 0);
}

static void pass_bounded(struct flow *flow, const struct char_set *set,
                         const struct tree_node *node)
{
    if (node->min > 0)
        pass(flow, set);
    else if (node->max > 0)
        pass_optional(flow, set);
    if (!node->is_possessive)
        flow->ways = times(flow->ways, node->max - node->min + 1);
}

/* How many ways the parts of a choice have when they are tried on the same octet. */
static uint32_t most_ways(const uint32_t ways[256])
{
    uint32_t most = 1;
    for (size_t c = 0; c < 256; c++)
        most = ways[c] > most ? ways[c] : most;
    return most;
}

static void count_ways(uint32_t ways[256], const struct char_set *first, bool may_be_empty,
                       uint32_t count)
{
    bool wide = first->is_wide || may_be_empty;
    for (uint32_t c = 0; c < 256; c++)
        if (may_be_empty || rules_set_has(first, (unsigned char)c) || (wide && c >= 128))
            ways[c] = ways[c] > WAYS_MANY ? WAYS_MANY : ways[c] + count;
}

/* What several parts may begin from and end in; `after` is where they meet again. */
struct meeting {
    struct flow before, after;
    uint32_t ways[256];
    struct char_set firsts;
    bool may_be_empty, is_any_cleared;
};

static void meet(struct meeting *meeting, const struct tree_node *part)
{
    struct flow flow = meeting->before;
    struct char_set first = {.is_wide = false};
    bool may_be_empty = part == NULL || first_of(part, &first);
    flow.ways = 1;
    flow.was_cleared = false;
    if (part != NULL)
        walk(&flow, part);
    count_ways(meeting->ways, &first, may_be_empty, flow.ways);
    rules_set_join(&meeting->firsts, &first);
    meeting->may_be_empty |= may_be_empty;
    meeting->is_any_cleared |= flow.was_cleared;
    meeting->after.is_risky |= flow.is_risky;
    meeting->after.is_crowded |= flow.is_crowded;
    if (flow.is_pending) {
        if (meeting->after.is_pending)
            rules_set_join(&meeting->after.pending, &flow.pending);
        else
            meeting->after.pending = flow.pending;
        meeting->after.is_pending = true;
    }
}

/* One of the parts from `first` on, or nothing if has_none. */
static void walk_parts(struct flow *flow, const struct tree_node *first, bool is_only_one,
                       bool has_none)
{
    struct meeting meeting = {.before = *flow, .after = *flow};
    meeting.after.is_pending = meeting.after.is_crowded = false;
    for (const struct tree_node *part = first; part != NULL; part = part->next) {
        meet(&meeting, part);
        if (is_only_one)
            break;
    }
    if (has_none)
        meet(&meeting, NULL);
    struct flow *after = &meeting.after;
    after->ways = times(flow->ways, most_ways(meeting.ways));
    if (meeting.is_any_cleared)
        clear(after);
    else if (!meeting.may_be_empty)
        separate(after, &meeting.firsts);
    *flow = *after;
}

/* (...){3,20} */
static void walk_many(struct flow *flow, const struct tree_node *node)
{
    if (has_unbounded(node->first)) {
        flow->is_risky = true;
        return;
    }
    uint32_t before = flow->ways, all = node->max - node->min + 1;
    flow->ways = 1;
    walk_parts(flow, node->first, true, node->min == 0);
    for (uint32_t i = 0; i < node->max && all < WAYS_MANY && flow->ways > 1; i++)
        all = times(all, flow->ways);
    flow->ways = times(before, all);
}

static void walk_repeat(struct flow *flow, const struct tree_node *node)
{
    const struct char_set *set = only_set(node->first);
    if (set != NULL && node->max == TREE_UNBOUNDED)
        pass_unbounded(flow, set, node);
    else if (set != NULL)
        pass_bounded(flow, set, node);
    else if (node->max == TREE_UNBOUNDED)
        flow->is_risky = true;
    else if (node->max > UNROLL_MAX)
        walk_many(flow, node);
    else
        for (uint32_t i = 0; i < node->max; i++)
            walk_parts(flow, node->first, true, i >= node->min);
}

static void walk_assert(struct flow *flow, const struct tree_node *node)
{
    if (node->assertion == ASSERT_START) { /* one place of the text: all else has died */
        flow->is_crowded = flow->is_pending = false;
        clear(flow);
    } else if (node->assertion == ASSERT_LINE_START || node->assertion == ASSERT_WORD_EDGE) {
        separate_edge(flow, node->assertion);
    }
}

static void walk_around(struct flow *flow, const struct tree_node *node)
{
    struct flow inside = *flow;
    walk(&inside, node->first);
    flow->is_risky |= inside.is_risky;
    flow->ways = inside.ways > flow->ways ? inside.ways : flow->ways;
}

static void walk(struct flow *flow, const struct tree_node *node)
{
    switch (node->kind) {
    case TREE_CONCAT:
    case TREE_ATOMIC:
        for (const struct tree_node *child = node->first; child != NULL; child = child->next)
            walk(flow, child);
        break;
    case TREE_CHOICE:
        walk_parts(flow, node->first, false, false);
        break;
    case TREE_SET:
        pass(flow, &node->set);
        break;
    case TREE_REPEAT:
        walk_repeat(flow, node);
        break;
    case TREE_ASSERT:
        walk_assert(flow, node);
        break;
    case TREE_AHEAD:
    case TREE_ASIDE:
        walk_around(flow, node);
        break;
    case TREE_BACKREF:
        flow->is_risky = true;
        break;
    }
}

/* A repeat at the very end takes what it finds, and that is the match: nothing is read twice. */
static bool is_free_end(const struct tree_node *node)
{
    return node->next == NULL && node->kind == TREE_REPEAT && node->max == TREE_UNBOUNDED &&
           node->min <= 1 && only_set(node->first) != NULL;
}

bool rules_tree_is_risky(const struct tree_node *root)
{
    struct flow flow = {.is_crowded = true, .ways = 1};
    if (root->kind == TREE_CONCAT) {
        for (const struct tree_node *child = root->first; child != NULL; child = child->next)
            if (!is_free_end(child))
                walk(&flow, child);
    } else {
        walk(&flow, root);
    }
    return flow.is_risky || flow.ways > WAYS_MAX || steps_of(root) > STEPS_MAX;
}

/* ---- patterns that never match ---- */

/* How far a sequence has come. */
struct progress {
    bool has_read, is_behind_end, is_behind_very_end, has_read_line_end;
};

/* Does reading this, which takes a character at least, contradict what is before it? */
static bool contradicts(struct progress *progress, const struct char_set *first)
{
    if (progress->is_behind_very_end || progress->has_read_line_end)
        return true;
    progress->has_read_line_end = progress->is_behind_end;
    return progress->is_behind_end && !rules_set_has(first, '\n');
}

static bool is_sequence_hopeless(const struct tree_node *node)
{
    struct progress progress = {.has_read = false};
    for (const struct tree_node *child = node->first; child != NULL; child = child->next) {
        if (child->kind == TREE_ASSERT) {
            if (child->assertion == ASSERT_START && progress.has_read)
                return true;
            progress.is_behind_end |= child->assertion == ASSERT_END;
            progress.is_behind_very_end |= child->assertion == ASSERT_VERY_END;
            continue;
        }
        struct char_set first = {.is_wide = false};
        if (rules_tree_is_hopeless(child) ||
            (!first_of(child, &first) && contradicts(&progress, &first)))
            return true;
        struct char_set ignored = {.is_wide = false};
        progress.has_read |= !first_of(child, &ignored);
    }
    return false;
}

bool rules_tree_is_hopeless(const struct tree_node *node)
{
    switch (node->kind) {
    case TREE_CONCAT:
        return is_sequence_hopeless(node);
    case TREE_CHOICE:
        for (const struct tree_node *child = node->first; child != NULL; child = child->next)
            if (!rules_tree_is_hopeless(child))
                return false;
        return true;
    case TREE_REPEAT:
        return node->min > 0 && rules_tree_is_hopeless(node->first);
    case TREE_ATOMIC:
        return rules_tree_is_hopeless(node->first);
    case TREE_SET:
    case TREE_ASSERT:
    case TREE_AHEAD:
    case TREE_ASIDE:
    case TREE_BACKREF:
        break;
    }
    return false;
}
