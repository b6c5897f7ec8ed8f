/* explain.c - a stage told rule by rule: what holds, what does not, what is not known yet or waits,
 * and at the end the verdict, or what it waits for.
 *
 * Rules that nobody can learn from are counted and not told: in a large set those that do not hold
 * and of whose conditions no part does. Rules that the engine passed over (triggers that are not in
 * the mail, stages that have nothing to decide) are told in their place in file order: when the
 * engine comes to a rule, those before it that were left out are made up for. */
#include "explain_priv.h"

#include <time.h>

#include "describe.h"

enum { TELL_ALL_MAX = 50, TOLD_MAX = 300, NAMES_MAX = 5, TEXT_MAX = 500 };

/* ---- lines ---- */

void rules_explain_tell(struct explain *explain, uint32_t depth)
{
    explain->host->explain(explain->ctx, depth, SLICE(explain->line.ptr, explain->line.len));
    explain->line.len = 0;
}

struct explain *rules_explain_new(struct subject *subject, struct mw_ctx *ctx)
{
    const struct rules *rules = subject->rules;
    const struct mw_host *host = rules->host;
    bool can_tell = host->size >= offsetof(struct mw_host, explain) + sizeof host->explain &&
                    host->explain != NULL && host->is_explained != NULL;
    if (!can_tell || !host->is_explained(ctx))
        return NULL;
    struct explain *explain = subject->ops->alloc(subject, sizeof *explain +
                                                               rules->words * sizeof(uint64_t));
    explain->host = host;
    explain->ctx = ctx;
    explain->waiting = (uint64_t *)(void *)(explain + 1);
    explain->line = (struct builder){.ptr = explain->room, .cap = sizeof explain->room};
    return explain;
}

/* ---- rules in words ---- */

static void put_rule(struct explain *explain, const struct rule *rule)
{
    builder_putf(&explain->line, "%s (%.*s)", rule->name_text, (int)rule->where.len,
                 rule->where.ptr);
}

/* "url, known at end-of-message" */
static void put_needs(struct subject *subject, const struct rule *rule)
{
    struct builder *line = &subject->explain->line;
    size_t count = 0;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next) {
        if (use->stage <= subject->stage)
            continue;
        if (count++ == NAMES_MAX)
            break;
        builder_put(line, count == 1 ? LIT("needs ") : LIT(", "));
        rules_describe_use(line, subject->rules, use);
        builder_putf(line, " (%s)", rules_stage_name(use->stage));
    }
    if (count > NAMES_MAX)
        builder_put(line, LIT(", ..."));
    if (count == 0)
        builder_putf(line, "decided at %s", rules_stage_name(rule->last));
}

static bool is_observed(struct subject *subject, const struct rule *rule)
{
    return rule->observe_percent != 0 &&
           (rule->observe_percent >= 100 || subject->ops->draw(subject) < rule->observe_percent) &&
           (rule->observe_until == 0 || time(NULL) < rule->observe_until);
}

/* ---- waiting ---- */

static bool is_of_stage(const struct rule *rule, enum mw_stage stage)
{
    if (rule->is_idle || stage > rule->last)
        return false;
    switch (rule->scope) {
    case SCOPE_SESSION:
        return stage <= MW_STAGE_HELO;
    case SCOPE_RCPT:
        return stage == MW_STAGE_RCPT || stage == MW_STAGE_END_OF_MESSAGE;
    case SCOPE_MESSAGE:
    case SCOPE_COUNT:
        break;
    }
    return stage == MW_STAGE_MAIL || stage == MW_STAGE_DATA || stage >= MW_STAGE_END_OF_HEADERS;
}

static bool is_settled(struct subject *subject, const struct rule *rule)
{
    bool has_own_marks = rule->scope == SCOPE_RCPT && subject->stage == MW_STAGE_END_OF_MESSAGE;
    return !has_own_marks && rules_is_settled(subject, rule);
}

/* A verdict above that may still fall. */
static bool is_open(struct subject *subject, const struct rule *above)
{
    if (above->is_idle || !above->has_verdict || above->last < subject->stage ||
        is_observed(subject, above))
        return false;
    if (bit_is_set(subject->explain->waiting, above->number))
        return true;
    bool is_of_others = above->scope == SCOPE_MESSAGE && subject->stage == MW_STAGE_RCPT;
    return (subject->stage < above->from || (is_of_others && above->last > MW_STAGE_RCPT)) &&
           !is_settled(subject, above);
}

static const struct rule *find_blocker(struct subject *subject, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->number; i++) {
        const struct rule *above = subject->rules->by_number[i];
        if ((above->scope == rule->scope || above->is_exemption) && is_open(subject, above))
            return above;
    }
    return NULL;
}

static void put_wait(struct subject *subject, const struct rule *rule, enum truth truth)
{
    struct explain *explain = subject->explain;
    if (truth == TRUTH_UNKNOWN) {
        builder_put(&explain->line, LIT("not known yet, "));
        put_needs(subject, rule);
        return;
    }
    builder_put(&explain->line, truth == TRUTH_TRUE ? LIT("holds, ") : LIT("undecided, "));
    const struct rule *blocker = find_blocker(subject, rule);
    if (subject->stage < rule->fires_from || blocker == NULL) {
        builder_putf(
            &explain->line, "has its turn at %s",
            rules_stage_name(subject->stage < rule->fires_from ? rule->fires_from : rule->last));
        return;
    }
    builder_put(&explain->line, LIT("waits for "));
    put_rule(explain, blocker);
    builder_put(&explain->line, LIT(", which "));
    put_needs(subject, blocker);
}

/* ---- what it does ---- */

static void put_score(struct subject *subject, const struct action *action, bool is_done)
{
    struct builder *line = &subject->explain->line;
    int64_t score = subject->transaction->scores[action->slot];
    builder_put(line, action->number > 0 ? LIT(" +") : LIT(" "));
    rules_build_number(line, action->number);
    builder_put(line, LIT(", so far "));
    if (is_done && __builtin_add_overflow(score, action->number, &score))
        score = action->number > 0 ? INT64_MAX : INT64_MIN;
    rules_build_number(line, score);
}

static void tell_action(struct subject *subject, const struct action *action, bool is_done)
{
    struct explain *explain = subject->explain;
    char words[200], text[TEXT_MAX];
    builder_putf(&explain->line, "%s ", is_done ? "->" : "would:");
    builder_put(&explain->line, rules_action_text(action, words, sizeof words));
    if (action->kind == ACT_SCORE)
        put_score(subject, action, is_done);
    else if (action->kind == ACT_DELAY)
        builder_putf(&explain->line, " %llu ms", (unsigned long long)action->number);
    if (action->text.pieces != NULL) {
        builder_put(&explain->line, LIT(" \""));
        rules_describe_text(&explain->line,
                            rules_expand(subject, &action->text, INTO_LOG, text, sizeof text),
                            TEXT_MAX);
        builder_put(&explain->line, LIT("\""));
    }
    rules_explain_tell(explain, 1);
}

/* Of a message's rule that holds for a second recipient nothing is done again (actions.c). */
static void tell_actions(struct subject *subject, const struct rule *rule,
                         const struct action *verdict)
{
    bool is_done = !is_observed(subject, rule);
    if (verdict != NULL && verdict != rule->verdict) { /* on_error's */
        tell_action(subject, verdict, is_done);
        return;
    }
    for (const struct action *action = rule->actions; action != NULL; action = action->next)
        tell_action(subject, action, is_done);
}

/* ---- one rule ---- */

static void put_recipient(struct subject *subject, const struct rule *rule, enum decision decision)
{
    struct field_use use = {.field = rules_field(FIELD_RCPT)};
    struct value value = {.text = EMPTY};
    bool is_each = rule->is_each_rcpt && decision == DECISION_YES;
    bool is_his = rule->scope == SCOPE_RCPT && subject->stage == MW_STAGE_END_OF_MESSAGE;
    if ((!is_each && !is_his) || subject->ops->get(subject, &use, &value) != GOT_VALUE)
        return;
    builder_put(&subject->explain->line, is_each ? LIT(" because of <") : LIT(" for <"));
    rules_describe_text(&subject->explain->line, value.text, DESCRIBE_VALUE_MAX);
    builder_put(&subject->explain->line, LIT(">"));
}

static void put_outcome(struct subject *subject, const struct rule *rule, enum decision decision,
                        enum truth truth)
{
    struct builder *line = &subject->explain->line;
    const char *error = subject->error ? subject->error : "a part of it is";
    if (decision == DECISION_WAITS)
        put_wait(subject, rule, truth);
    else if (truth == TRUTH_ERROR)
        builder_putf(line, "undecided (%s), which counts as %s", error,
                     decision == DECISION_NO ? "not holding" : "holding by its on_error");
    else
        builder_put(line, decision == DECISION_YES ? LIT("holds") : LIT("does not hold"));
    if (decision == DECISION_YES && is_observed(subject, rule))
        builder_put(line, LIT(", observed only"));
    if (subject->is_suspended)
        builder_put(line, LIT("; its patterns are suspended"));
    put_recipient(subject, rule, decision);
}

static bool is_worth_telling(struct subject *subject, const struct rule *rule,
                             enum decision decision, enum truth truth)
{
    struct explain *explain = subject->explain;
    if (decision == DECISION_YES)
        return true;
    if (explain->told >= TOLD_MAX)
        return false;
    if (truth == TRUTH_ERROR || (decision == DECISION_WAITS && truth == TRUTH_TRUE))
        return true;
    bool is_small = subject->rules->rule_count <= TELL_ALL_MAX;
    return (is_small && decision == DECISION_NO) ||
           rules_explain_has_true(subject, rule->condition);
}

static void tell_rule(struct subject *subject, const struct rule *rule, enum decision decision,
                      const struct action *verdict)
{
    struct explain *explain = subject->explain;
    const struct subject saved = *subject;
    subject->is_suspended = subject->rules->live[rule->number].suspended_until_ms != 0;
    subject->error = NULL;
    enum truth truth = rules_explain_truth(subject, rule->condition);
    if (decision == DECISION_WAITS && truth == TRUTH_FALSE)
        decision = DECISION_NO;
    else if (decision == DECISION_WAITS)
        bit_set(explain->waiting, rule->number);
    if (!is_worth_telling(subject, rule, decision, truth)) {
        *(decision == DECISION_WAITS ? &explain->open : &explain->quiet) += 1;
        *subject = saved;
        return;
    }
    explain->told++;
    builder_put(&explain->line, LIT("rule "));
    put_rule(explain, rule);
    builder_put(&explain->line, LIT(": "));
    put_outcome(subject, rule, decision, truth);
    rules_explain_tell(explain, 0);
    rules_explain_tree(subject, rule->condition, 1);
    *subject = saved;
    if (decision == DECISION_YES)
        tell_actions(subject, rule, verdict);
}

/* ---- a stage ---- */

/* The rules before `number` that the engine has passed over. */
static void tell_passed(struct subject *subject, size_t number)
{
    const struct rules *rules = subject->rules;
    const struct stage_plan *plan = rules->plans[subject->stage];
    struct explain *explain = subject->explain;
    for (; explain->next < number; explain->next++) {
        const struct rule *rule = rules->by_number[explain->next];
        if (!is_of_stage(rule, subject->stage))
            continue;
        bool is_in_plan = bit_is_set(plan->all, rule->number);
        if (is_settled(subject, rule) || (is_in_plan && bit_is_set(plan->carried, rule->number)))
            explain->settled++;
        else if (subject->stage < rule->from)
            explain->open++;
        else /* without its literals it cannot hold; or it waits for certain */
            tell_rule(subject, rule, is_in_plan ? DECISION_NO : DECISION_WAITS, NULL);
    }
}

void rules_explain_rule(struct subject *subject, const struct rule *rule, enum decision decision,
                        const struct action *verdict)
{
    struct explain *explain = subject->explain;
    if (explain == NULL)
        return;
    tell_passed(subject, rule->number);
    if (decision == DECISION_WAITS)
        bit_set(explain->waiting, rule->number);
    if (decision == DECISION_YES && verdict != NULL && !is_observed(subject, rule))
        explain->verdict_rule = rule;
    if (subject->stage < rule->from)
        explain->open++;
    else
        tell_rule(subject, rule, decision, verdict);
    if (explain->next <= rule->number)
        explain->next = rule->number + 1;
}

static void tell_count(struct explain *explain, size_t count, const char *one, const char *many)
{
    if (count == 0)
        return;
    rules_describe_count(&explain->line, count);
    builder_putf(&explain->line, " %s", count == 1 ? one : many);
    rules_explain_tell(explain, 0);
}

/* A verdict that ends the stage where it stands; recipients' verdicts do not. */
static bool has_ended(const struct subject *subject, enum mw_verdict verdict)
{
    const struct rule *rule = subject->explain->verdict_rule;
    return verdict != MW_CONTINUE && rule != NULL &&
           (rule->scope != SCOPE_RCPT || subject->stage == MW_STAGE_RCPT);
}

static void tell_below(struct subject *subject)
{
    size_t count = 0;
    for (size_t i = subject->explain->next; i < subject->rules->rule_count; i++)
        count += is_of_stage(subject->rules->by_number[i], subject->stage);
    tell_count(subject->explain, count, "rule below was not looked at",
               "rules below were not looked at");
}

static const char *verdict_word(enum mw_verdict verdict, const struct rule *rule)
{
    if (rule != NULL && rule->verdict != NULL && rule->verdict->kind == ACT_QUARANTINE)
        return "quarantine";
    return verdict == MW_ACCEPT       ? "accept"
           : verdict == MW_REJECT     ? "reject"
           : verdict == MW_TEMPFAIL   ? "defer"
           : verdict == MW_DISCARD    ? "discard"
           : verdict == MW_DISCONNECT ? "disconnect"
                                      : "none";
}

/* The rules that hold and wait: their verdicts may yet fall. */
static void put_waiting(struct subject *subject)
{
    struct explain *explain = subject->explain;
    const struct rules *rules = subject->rules;
    size_t count = 0;
    for (size_t i = 0; (i = bit_next(explain->waiting, rules->words, i)) != SIZE_MAX; i++) {
        if (!rules->by_number[i]->has_verdict || count++ >= NAMES_MAX)
            continue;
        builder_put(&explain->line, count == 1 ? LIT("; may yet come: ") : LIT(", "));
        builder_put(&explain->line, rules->by_number[i]->name);
    }
    if (count > NAMES_MAX)
        builder_putf(&explain->line, ", ... %zu rules", count);
}

void rules_explain_end(struct subject *subject, enum mw_verdict verdict)
{
    struct explain *explain = subject->explain;
    if (explain == NULL)
        return;
    bool is_cut = has_ended(subject, verdict);
    if (!is_cut)
        tell_passed(subject, subject->rules->rule_count);
    tell_count(explain, explain->quiet, "more rule does not hold", "more rules do not hold");
    tell_count(explain, explain->open, "more rule is not known yet",
               "more rules are not known yet");
    tell_count(explain, explain->settled, "rule was settled before", "rules were settled before");
    if (is_cut)
        tell_below(subject);
    builder_putf(&explain->line, "verdict at %s: %s", rules_stage_name(subject->stage),
                 verdict_word(verdict, verdict != MW_CONTINUE ? explain->verdict_rule : NULL));
    if (verdict != MW_CONTINUE && explain->verdict_rule != NULL) {
        builder_put(&explain->line, LIT(" by "));
        put_rule(explain, explain->verdict_rule);
    } else {
        put_waiting(subject);
    }
    rules_explain_tell(explain, 0);
}
