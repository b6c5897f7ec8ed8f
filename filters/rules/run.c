/* run.c - one stage of the dialogue: every rule that may have work there, in file order.
 *
 * File order wins, not time: a verdict fires only when every earlier verdict rule of its scope is
 * settled, and every earlier `accept` and `discard` of any scope, because those are exemptions from
 * what follows. `early` lets a rule go ahead. A rule that has to wait stays unsettled and is
 * evaluated again at the next stage.
 *
 * Rules are not visited one by one: the plan (plan.h) says which have work at the stage, and of those
 * with a trigger only the ones whose literals are in the mail. */
#include <time.h>

#include "clock.h"
#include "explain.h"
#include "list.h"
#include "prefetch.h"
#include "run_priv.h"

enum { SAMPLE_ALL = 64, SAMPLE_ONE_OF = 64, HOUR_MS = 3600 * 1000, LEFT_US = 10000 };

/* ---- what is settled ---- */

static bool has_marks(const struct subject *subject, const struct rule *rule)
{
    return rule->scope != SCOPE_RCPT || subject->rules->late_rcpt_count > 0;
}

bool rules_is_settled(struct subject *subject, const struct rule *rule)
{
    return has_marks(subject, rule) &&
           bit_is_set(rules_marks(subject, rule->scope)->settled, rule->number);
}

/* What HELO settles is not kept: a client may say HELO again, under another name (RFC 5321 4.1.4).
 */
void rules_settle(struct subject *subject, const struct rule *rule, enum decision decision)
{
    if (subject->stage == MW_STAGE_HELO || !has_marks(subject, rule))
        return;
    struct marks *marks = rules_marks(subject, rule->scope);
    if (decision != DECISION_WAITS) {
        bit_set(marks->settled, rule->number);
        bit_clear(marks->pending, rule->number);
    } else if (rule->trigger != NULL && subject->stage >= rule->triggered) {
        bit_set(marks->pending, rule->number);
    }
}

/* ---- which rule is next ---- */

/* Recipients' marks do not count here: at RCPT there are none yet, and at the end of the message
 * each recipient has his own. */
void rules_walk_begin(struct walk *walk, struct subject *subject)
{
    struct rules *rules = subject->rules;
    const struct stage_plan *plan = rules->plans[subject->stage];
    bool is_session = subject->stage < MW_STAGE_MAIL;
    const struct marks *marks = is_session ? &subject->session->marks
                                           : &subject->transaction->marks;
    *walk = (struct walk){.subject = subject, .plan = plan};
    if (rules->scope_count[is_session ? SCOPE_SESSION : SCOPE_MESSAGE] == 0) {
        memcpy(rules->visit, plan->always, rules->words * sizeof *rules->visit);
        return;
    }
    for (size_t i = 0; i < rules->words; i++)
        rules->visit[i] = (plan->always[i] & ~marks->settled[i]) |
                          (plan->carried[i] & marks->pending[i]);
}

static void visit(struct walk *walk, const struct rule *rule)
{
    if (rule->number >= walk->at && bit_is_set(walk->plan->fresh, rule->number) &&
        (rule->scope == SCOPE_RCPT || !rules_is_settled(walk->subject, rule)))
        bit_set(walk->subject->rules->visit, rule->number);
}

/* The rules that a source triggers: those whose literals are in its values. */
static void pull_triggers(struct walk *walk, struct source *source)
{
    size_t count = 0;
    rules_values_scan(walk->subject, source);
    if (source->is_error) { /* there may be more than what was read: nothing can be ruled out */
        for (size_t i = 0; i < source->pattern_count; i++)
            for (const struct rule *rule = source->patterns[i].triggers; rule != NULL;
                 rule = rule->next_triggered)
                visit(walk, rule);
        return;
    }
    const uint32_t *ids = rules_index_candidates(source->scanned, &count);
    for (size_t i = 0; i < count; i++)
        for (const struct rule *rule = source->patterns[source->pattern_of_id[ids[i]]].triggers;
             rule != NULL; rule = rule->next_triggered)
            visit(walk, rule);
}

const struct rule *rules_walk_next(struct walk *walk)
{
    const struct rules *rules = walk->subject->rules;
    const struct stage_plan *plan = walk->plan;
    size_t next = bit_next(rules->visit, rules->words, walk->at);
    while (walk->next_source < plan->source_count && plan->source_from[walk->next_source] <= next) {
        pull_triggers(walk, plan->sources[walk->next_source++]);
        next = bit_next(rules->visit, rules->words, walk->at);
    }
    if (next == SIZE_MAX)
        return NULL;
    walk->at = next + 1;
    return rules->by_number[next];
}

void rules_walk_renew(struct walk *walk)
{
    for (size_t i = 0; i < walk->next_source; i++) {
        struct source *source = walk->plan->sources[i];
        if (source->epoch != walk->subject->epochs[source->depends])
            pull_triggers(walk, source);
    }
}

/* ---- one rule ---- */

static bool is_observed(struct subject *subject, const struct rule *rule)
{
    if (rule->observe_percent == 0)
        return false;
    if (rule->observe_percent < 100 && subject->ops->draw(subject) >= rule->observe_percent)
        return false;
    return rule->observe_until == 0 || time(NULL) < rule->observe_until;
}

static enum truth eval_fresh(struct subject *subject, const struct rule *rule)
{
    subject->captured = NULL;
    subject->error = NULL;
    subject->held_count = 0;
    return rules_eval(subject, rule->condition);
}

void rules_at_rcpt(struct subject *subject, size_t rcpt)
{
    if (subject->rcpt == rcpt)
        return;
    subject->rcpt = rcpt;
    rules_values_changed(subject, ON_RCPT);
}

/* A rule about the message that reads rcpt: does any recipient satisfy it? subject->rcpt stays at
 * that one. Before all of them are known, only what does not hang on them can settle it. */
static enum truth eval_each(struct subject *subject, const struct rule *rule)
{
    size_t count = subject->ops->rcpt_count(subject);
    enum truth result = TRUTH_FALSE;
    if (subject->stage < MW_STAGE_DATA)
        return eval_fresh(subject, rule);
    for (size_t i = 0; i < count; i++) {
        if (!subject->ops->rcpt_is_live(subject, i))
            continue;
        rules_at_rcpt(subject, i);
        enum truth truth = eval_fresh(subject, rule);
        if (truth == TRUTH_TRUE)
            return truth;
        if (truth == TRUTH_UNKNOWN || (truth == TRUTH_ERROR && result == TRUTH_FALSE))
            result = truth;
    }
    return result;
}

static enum truth eval_rule(struct subject *subject, const struct rule *rule)
{
    return rule->is_each_rcpt ? eval_each(subject, rule) : eval_fresh(subject, rule);
}

/* ---- what rules cost, and when it is too much ---- */

/* The first runs are all measured, later ones now and then: a clock costs as much as many tests. */
static enum truth eval_measured(struct subject *subject, const struct rule *rule)
{
    struct rule_live *live = &subject->rules->live[rule->number];
    uint64_t weight = live->runs < SAMPLE_ALL ? 1 : live->runs % SAMPLE_ONE_OF ? 0 : SAMPLE_ONE_OF;
    uint64_t start = weight > 0 ? rules_clock_ns() : 0;
    subject->spent_us = 0;
    enum truth truth = eval_rule(subject, rule);
    if (++live->runs == UINT32_MAX)
        live->runs = SAMPLE_ALL;
    subject->ops->tally(subject, rule, COUNTER_RUNS, 1);
    if (weight > 0)
        live->nanoseconds += (rules_clock_ns() - start) * weight;
    live->nanoseconds += subject->spent_us * 1000;
    if (live->nanoseconds >= 1000) {
        subject->ops->tally(subject, rule, COUNTER_TIME, live->nanoseconds / 1000);
        live->nanoseconds %= 1000;
    }
    return truth;
}

static bool is_suspended(struct subject *subject, const struct rule *rule)
{
    struct rule_live *live = &subject->rules->live[rule->number];
    if (live->suspended_until_ms == 0)
        return false;
    if (subject->ops->now_ms(subject) < live->suspended_until_ms)
        return true;
    live->suspended_until_ms = 0;
    return false;
}

/* Patterns that keep hitting their limits are not tried for an hour. Tests of rule files (clock 0)
 * suspend nothing. */
static void note_undecided(struct subject *subject, const struct rule *rule)
{
    struct rule_live *live = &subject->rules->live[rule->number];
    uint64_t now = subject->ops->now_ms(subject), limit = subject->rules->suspend_after;
    if (now == 0 || limit == 0)
        return;
    if (live->undecided == 0 || now - live->since_ms > HOUR_MS) {
        live->since_ms = now;
        live->undecided = 0;
    }
    if (++live->undecided < limit)
        return;
    live->undecided = 0;
    live->suspended_until_ms = now + HOUR_MS;
    subject->ops->tally(subject, rule, COUNTER_SUSPENDED, 1);
    subject->ops->tell(subject, EVENT_SUSPENDED, rule,
                       LIT("its patterns keep hitting their limit"));
}

static enum truth eval_guarded(struct subject *subject, const struct rule *rule)
{
    subject->is_undecided = false;
    subject->is_suspended = is_suspended(subject, rule);
    enum truth truth = eval_measured(subject, rule);
    if (truth == TRUTH_ERROR && subject->is_undecided)
        note_undecided(subject, rule);
    subject->is_suspended = false;
    return truth;
}

/* ---- what it comes to ---- */

/* An exemption that is not decided yet, in the way of those below. */
static void wait_for(struct subject *subject, const struct rule *rule, struct queue *queue)
{
    if (rule->has_verdict && !is_observed(subject, rule)) {
        queue->waits[rule->scope] = true;
        queue->all_wait |= rule->is_exemption;
    }
}

static bool must_wait(const struct subject *subject, const struct rule *rule,
                      const struct queue *queue)
{
    const struct stage_plan *plan = subject->rules->plans[subject->stage];
    return rule->has_verdict && !rule->is_early &&
           (queue->all_wait || queue->waits[rule->scope] || rule->number > plan->all_wait_from ||
            rule->number > plan->waits_from[rule->scope]);
}

static enum decision decide(struct subject *subject, const struct rule *rule, struct queue *queue,
                            const struct action **out_verdict)
{
    enum truth truth = subject->stage < rule->from ? TRUTH_UNKNOWN : eval_guarded(subject, rule);
    if (truth == TRUTH_FALSE)
        return DECISION_NO;
    if (truth == TRUTH_UNKNOWN || subject->stage < rule->fires_from ||
        must_wait(subject, rule, queue)) {
        wait_for(subject, rule, queue);
        return DECISION_WAITS;
    }
    if (truth == TRUTH_ERROR) {
        subject->ops->tell(subject, EVENT_ERROR, rule,
                           slice_of(subject->error ? subject->error : "undecided"));
        if (rule->on_error == ERROR_NO_MATCH)
            return DECISION_NO;
    }
    bool is_error = truth == TRUTH_ERROR && rule->on_error == ERROR_VERDICT;
    *out_verdict = is_error ? rule->error_action : rule->verdict;
    return DECISION_YES;
}

enum decision rules_decide(struct subject *subject, const struct rule *rule, struct queue *queue,
                           const struct action **out_verdict)
{
    enum decision decision = decide(subject, rule, queue, out_verdict);
    if (subject->explain != NULL)
        rules_explain_rule(subject, rule, decision, decision == DECISION_YES ? *out_verdict : NULL);
    return decision;
}

static void tell_observed(struct subject *subject, const struct rule *rule)
{
    char room[400];
    struct builder out = {.ptr = room, .cap = sizeof room};
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        char text[200];
        if (out.len > 0)
            builder_put(&out, LIT(", "));
        builder_put(&out, rules_action_text(action, text, sizeof text));
    }
    subject->ops->tell(subject, EVENT_OBSERVED, rule, SLICE(room, out.len));
}

const struct action *rules_fire(struct subject *subject, const struct rule *rule,
                                const struct action *verdict)
{
    subject->ops->tell(subject, EVENT_HIT, rule, EMPTY);
    if (is_observed(subject, rule)) {
        tell_observed(subject, rule);
        return NULL;
    }
    if (verdict == NULL || verdict == rule->verdict)
        rules_act(subject, rule);
    return verdict;
}

/* After a refusal the client may try the same command again, and is to get the same answer. */
enum mw_verdict rules_end(struct subject *subject, const struct rule *rule,
                          const struct action *verdict)
{
    bool is_final = verdict->kind == ACT_ACCEPT || verdict->kind == ACT_DISCARD ||
                    verdict->kind == ACT_QUARANTINE;
    if (subject->stage == MW_STAGE_RCPT) {
        if (subject->rules->late_rcpt_count > 0) {
            struct marks *marks = rules_rcpt_marks(subject, subject->rcpt);
            marks->is_decided = true;
            marks->by = rule->number;
        }
    } else if (is_final && subject->transaction != NULL) {
        subject->transaction->marks.is_decided = true;
    } else if (is_final) {
        subject->session->marks.is_decided = true;
    }
    return rules_pronounce(subject, rule, verdict);
}

/* ---- connect to end of headers, and RCPT ---- */

/* `delete rcpt` while the recipient is being decided: the client is told yes, nothing goes
 * upstream. */
static enum mw_verdict drop_rcpt(struct subject *subject, const struct rule *rule)
{
    static const struct action discard = {.kind = ACT_DISCARD};
    subject->drops_rcpt = false;
    return rules_end(subject, rule, &discard);
}

static enum mw_verdict run_stage(struct subject *subject)
{
    struct queue queue = {.all_wait = false};
    struct walk walk;
    rules_walk_begin(&walk, subject);
    for (const struct rule *rule; (rule = rules_walk_next(&walk)) != NULL;) {
        const struct action *verdict = NULL;
        size_t rcpt = subject->rcpt;
        /* an exemption of the whole message, in the way of the recipients' verdicts */
        if (rule->scope != SCOPE_RCPT && subject->stage == MW_STAGE_RCPT) {
            wait_for(subject, rule, &queue);
            continue;
        }
        enum decision decision = rules_decide(subject, rule, &queue, &verdict);
        if (decision == DECISION_YES) {
            verdict = rules_fire(subject, rule, verdict);
            if (verdict != NULL)
                return rules_end(subject, rule, verdict);
            rules_walk_renew(&walk);
        }
        rules_settle(subject, rule, decision);
        if (subject->drops_rcpt)
            return drop_rcpt(subject, rule);
        rules_at_rcpt(subject, rcpt);
    }
    return MW_CONTINUE;
}

static bool is_over(const struct subject *subject)
{
    return subject->session->marks.is_decided ||
           (subject->transaction != NULL && subject->transaction->marks.is_decided);
}

/* What a job has used of the message's time is gone; a little is left for the captures of rules that
 * fire. */
static void begin_matching(struct subject *subject)
{
    struct rules *rules = subject->rules;
    uint64_t budget = rules->deadline_ms * 1000, used = rules_prefetch_used_us(subject->prefetch);
    rules_regex_begin(rules->scratch, budget > used + LEFT_US ? budget - used : LEFT_US);
}

/* Stages that nobody wants are not run, so that it makes no difference whether they are called. */
static bool begin(struct subject *subject, enum mw_stage stage)
{
    struct rules *rules = subject->rules;
    if (is_over(subject) || !(rules->wants & MW_STAGE_BIT(stage)))
        return false;
    subject->stage = stage;
    subject->delay_ms = 0;
    rules_values_begin(subject);
    begin_matching(subject);
    return true;
}

enum mw_verdict rules_run(struct subject *subject, enum mw_stage stage)
{
    if (!begin(subject, stage))
        return MW_CONTINUE;
    subject->is_dry = false;
    enum mw_verdict verdict = stage == MW_STAGE_END_OF_MESSAGE ? rules_run_end(subject)
                                                               : run_stage(subject);
    if (subject->explain != NULL)
        rules_explain_end(subject, verdict);
    return verdict;
}

/* ---- questions ---- */

/* What its texts say of lists is asked when the rule is going to act, or may: not while the answers
 * that decide that are under way. */
static void ask_for_texts(struct subject *subject, const struct rule *rule)
{
    if (subject->stage < rule->fires_from)
        return;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        if (use->set != NULL && use->stage <= subject->stage)
            rules_dnsbl_is_asking(subject, use);
}

static void try_dry(struct subject *subject, const struct rule *rule)
{
    size_t before = rules_list_pending(subject->answers);
    if (eval_fresh(subject, rule) != TRUTH_FALSE && rules_list_pending(subject->answers) == before)
        ask_for_texts(subject, rule);
}

static void try_for_each(struct subject *subject, const struct rule *rule)
{
    size_t count = subject->ops->rcpt_count(subject);
    for (size_t i = 0; i < count; i++) {
        if (!subject->ops->rcpt_is_live(subject, i))
            continue;
        rules_at_rcpt(subject, i);
        if (rule->scope != SCOPE_RCPT || !rules_is_settled(subject, rule))
            try_dry(subject, rule);
    }
}

size_t rules_run_dry(struct subject *subject, enum mw_stage stage)
{
    const struct rules *rules = subject->rules;
    if (!begin(subject, stage) || !rules->plans[stage]->asks)
        return 0;
    size_t rcpt = subject->rcpt;
    subject->is_dry = true;
    for (size_t i = 0; (i = bit_next(rules->plans[stage]->all, rules->words, i)) != SIZE_MAX; i++) {
        const struct rule *rule = rules->by_number[i];
        bool is_of_rcpts = rule->scope == SCOPE_RCPT && stage == MW_STAGE_END_OF_MESSAGE;
        if (!rule->asks || stage < rule->from || (!is_of_rcpts && rules_is_settled(subject, rule)))
            continue;
        if (is_of_rcpts || (rule->is_each_rcpt && stage >= MW_STAGE_DATA))
            try_for_each(subject, rule);
        else if (rule->scope == SCOPE_RCPT || stage != MW_STAGE_RCPT)
            try_dry(subject, rule);
        rules_at_rcpt(subject, rcpt);
    }
    subject->is_dry = false;
    return rules_list_pending(subject->answers);
}
