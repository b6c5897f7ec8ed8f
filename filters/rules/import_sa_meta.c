/* import_sa_meta.c - SpamAssassin's meta rules: and, or, not, and sums of rules compared with a
 * number. A sum becomes all the ways to choose so many of its rules, within bounds. */
#include "import_sa_priv.h"

enum {
    SUM_MAX = 12,
    CHOICES_MAX = 200 /* terms of "at least k of n" */
};

/* ---- reading ---- */

struct meta {
    struct draft *draft;
    struct mw_slice rest;
};

static bool meta_take(struct meta *meta, const char *sign)
{
    size_t len = strlen(sign);
    meta->rest = text_trim(meta->rest);
    if (meta->rest.len < len || memcmp(meta->rest.ptr, sign, len) != 0)
        return false;
    meta->rest = text_skip(meta->rest, len);
    return true;
}

static bool put_or(struct meta *meta);

static struct mw_slice meta_name(struct meta *meta)
{
    size_t len = 0;
    meta->rest = text_trim(meta->rest);
    while (len < meta->rest.len && import_sa_is_name(SLICE(meta->rest.ptr, len + 1)))
        len++;
    struct mw_slice name = SLICE(meta->rest.ptr, len);
    meta->rest = text_skip(meta->rest, len);
    return name;
}

static bool put_name(struct draft *draft, struct mw_slice name)
{
    struct sa_rule *rule = import_sa_rule(draft->sa, name, false);
    if (name.len == 0)
        return import_sa_fail(draft, "its expression is not understood");
    if (rule == NULL || rule->line == 0)
        return import_sa_fail(draft, import_format(draft->sa->import,
                                                   "it speaks of %.*s, which is not there",
                                                   (int)name.len, name.ptr));
    if (rule->is_open)
        return import_sa_fail(draft, "it speaks of itself, or goes too deep");
    import_sa_put(draft, LIT("("));
    bool is_good = import_sa_enter(draft) && import_sa_condition(draft, rule);
    import_sa_leave(draft);
    import_sa_put(draft, LIT(")"));
    return is_good;
}

/* ---- A + B + C > 1: at least so many of them ---- */

struct sum {
    struct mw_slice names[SUM_MAX];
    size_t count;
    uint32_t choices;
};

/* `need` of the names from `from` on: each in turn, with need - 1 of those behind it. */
static bool put_at_least(struct draft *draft, struct sum *sum, size_t from, uint64_t need)
{
    bool has_any = false, is_good = import_sa_enter(draft);
    import_sa_put(draft, need == 0 ? LIT("(always") : LIT("("));
    for (size_t i = from; is_good && need > 0 && i + need <= sum->count; i++) {
        if (++sum->choices > CHOICES_MAX)
            is_good = import_sa_fail(draft, "its sum has too many combinations");
        import_sa_put(draft, has_any ? LIT(" or ") : EMPTY);
        is_good = is_good && put_name(draft, sum->names[i]);
        if (is_good && need > 1) {
            import_sa_put(draft, LIT(" and "));
            is_good = put_at_least(draft, sum, i + 1, need - 1);
        }
        has_any = true;
    }
    import_sa_put(draft, LIT(")"));
    import_sa_leave(draft);
    return is_good &&
           (has_any || need == 0 || import_sa_fail(draft, "its sum can never be so large"));
}

static bool read_number(struct meta *meta, uint64_t *out)
{
    size_t len = 0;
    meta->rest = text_trim(meta->rest);
    while (len < meta->rest.len && text_is_digit(meta->rest.ptr[len]))
        len++;
    bool is_good = text_number(SLICE(meta->rest.ptr, len), SUM_MAX + 1, out) && len > 0;
    meta->rest = text_skip(meta->rest, len);
    return is_good && (meta->rest.len == 0 || meta->rest.ptr[0] != '.');
}

static bool put_comparison(struct meta *meta, struct sum *sum)
{
    struct draft *draft = meta->draft;
    uint64_t number;
    bool is_ge = meta_take(meta, ">="), is_le = !is_ge && meta_take(meta, "<=");
    bool is_eq = !is_ge && !is_le && meta_take(meta, "==");
    bool is_gt = !is_ge && !is_le && !is_eq && meta_take(meta, ">");
    bool is_lt = !is_ge && !is_le && !is_eq && !is_gt && meta_take(meta, "<");
    if (!is_ge && !is_le && !is_eq && !is_gt && !is_lt)
        return put_at_least(draft, sum, 0, 1); /* any, as a truth */
    if (!read_number(meta, &number))
        return import_sa_fail(draft, "it compares with something else than a small whole number");
    if (is_ge || is_gt)
        return put_at_least(draft, sum, 0, number + is_gt);
    if (is_eq && number > 0) {
        import_sa_put(draft, LIT("("));
        bool is_good = import_sa_enter(draft) && put_at_least(draft, sum, 0, number);
        if (is_good && number < sum->count) {
            import_sa_put(draft, LIT(" and not "));
            is_good = put_at_least(draft, sum, 0, number + 1);
        }
        import_sa_leave(draft);
        import_sa_put(draft, LIT(")"));
        return is_good;
    }
    uint64_t below = is_lt ? number : number + 1; /* fewer than that */
    if (below == 0 || below > sum->count)
        return import_sa_fail(draft, "its comparison holds always or never");
    import_sa_put(draft, LIT("not "));
    return put_at_least(draft, sum, 0, below);
}

/* "A + B + C", perhaps in parentheses, at the front? Then the names are taken. */
static bool take_sum(struct meta *meta, struct sum *sum)
{
    struct meta ahead = *meta;
    *sum = (struct sum){.count = 0};
    bool has_open = meta_take(&ahead, "(");
    do {
        struct mw_slice name = meta_name(&ahead);
        if (name.len == 0 || sum->count == SUM_MAX)
            return false;
        sum->names[sum->count++] = name;
    } while (meta_take(&ahead, "+"));
    if (has_open && !meta_take(&ahead, ")"))
        return false;
    struct mw_slice rest = text_trim(ahead.rest);
    bool is_compared = rest.len > 0 && (rest.ptr[0] == '<' || rest.ptr[0] == '>' ||
                                        (rest.ptr[0] == '=' && rest.len > 1 && rest.ptr[1] == '='));
    if (!is_compared && (sum->count == 1 || has_open))
        return false; /* a plain name, or a parenthesis */
    *meta = ahead;
    return true;
}

static bool put_parenthesis(struct meta *meta)
{
    import_sa_put(meta->draft, LIT("("));
    bool is_good = import_sa_enter(meta->draft) && put_or(meta) &&
                   (meta_take(meta, ")") ||
                    import_sa_fail(meta->draft, "its expression is not understood"));
    import_sa_leave(meta->draft);
    import_sa_put(meta->draft, LIT(")"));
    return is_good;
}

/* "!" binds before + and <. */
static bool put_not(struct meta *meta)
{
    struct draft *draft = meta->draft;
    import_sa_put(draft, LIT("not "));
    bool is_good = import_sa_enter(draft) &&
                   (meta_take(meta, "(") ? put_parenthesis(meta)
                    : meta_take(meta, "!")
                        ? import_sa_fail(draft, "its expression is not understood")
                        : put_name(draft, meta_name(meta)));
    import_sa_leave(draft);
    return is_good;
}

static bool put_factor(struct meta *meta)
{
    struct sum sum;
    if (meta_take(meta, "!"))
        return put_not(meta);
    if (take_sum(meta, &sum))
        return put_comparison(meta, &sum);
    return meta_take(meta, "(") ? put_parenthesis(meta) : put_name(meta->draft, meta_name(meta));
}

static bool put_and(struct meta *meta)
{
    bool is_good = put_factor(meta);
    while (is_good && meta_take(meta, "&&")) {
        import_sa_put(meta->draft, LIT(" and "));
        is_good = put_factor(meta);
    }
    return is_good;
}

static bool put_or(struct meta *meta)
{
    bool is_good = put_and(meta);
    while (is_good && meta_take(meta, "||")) {
        import_sa_put(meta->draft, LIT(" or "));
        is_good = put_and(meta);
    }
    return is_good;
}

bool import_sa_meta(struct draft *draft, struct mw_slice text)
{
    struct meta meta = {.draft = draft, .rest = text};
    if (!put_or(&meta))
        return false;
    return text_trim(meta.rest).len == 0 ||
           import_sa_fail(draft, "its expression has more than and, or, not and counts of rules");
}
