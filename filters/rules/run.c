/* run.c - one stage of the dialogue: every rule that may have work there, in file order.
 *
 * File order wins, not time: a verdict fires only when every earlier verdict rule of its scope is
 * settled, and every earlier `accept` and `discard` of any scope, because those are exemptions from
 * what follows. `early` lets a rule go ahead. A rule that has to wait stays unsettled and is
 * evaluated again at the next stage.
 *
 * Recipients' rules run at RCPT and, those that need more, once more at the end of the message for
 * each recipient that is still there; what they refuse then is deleted from the envelope, or the
 * message refused if nobody is left. */
#include <time.h>

#include "regex.h"
#include "subject.h"

/* Which verdicts must wait, as far as the rules above have told. */
struct queue {
    bool waits[SCOPE_COUNT];
    bool all_wait;
};

/* A recipient's end at the end of the message. */
struct fate {
    bool is_live, is_accepted;
    const struct rule *rule; /* that refused it */
    const struct action *action;
    struct mw_slice text, reason;
};

enum decision { DECISION_WAITS = 0, DECISION_NO, DECISION_YES };

/* ---- states ---- */

size_t rules_session_size(const struct rules *rules)
{
    return sizeof(struct session_state) + rules->count[SCOPE_SESSION];
}

struct transaction_state *rules_transaction_new(struct subject *subject)
{
    const struct rules *rules = subject->rules;
    size_t scores = rules->score_count * sizeof(int64_t);
    size_t flags = rules->tag_count + rules->count[SCOPE_MESSAGE] + rules->count[SCOPE_RCPT];
    struct transaction_state *state = subject->ops->alloc(subject, sizeof *state + scores + flags);
    state->scores = (int64_t *)(void *)(state + 1);
    state->tags = (uint8_t *)(state + 1) + scores;
    state->settled = state->tags + rules->tag_count;
    state->once = state->settled + rules->count[SCOPE_MESSAGE];
    return state;
}

static uint8_t *marks_of(struct subject *subject, size_t rcpt)
{
    struct transaction_state *state = subject->transaction;
    size_t stride = 1 + subject->rules->count[SCOPE_RCPT];
    if (rcpt >= state->marks_cap) {
        size_t cap = rcpt < 8 ? 16 : rcpt * 2;
        uint8_t *marks = subject->ops->alloc(subject, cap * stride);
        if (state->marks_cap > 0)
            memcpy(marks, state->marks, state->marks_cap * stride);
        state->marks = marks;
        state->marks_cap = cap;
    }
    return state->marks + rcpt * stride;
}

/* Where it is kept that the rule is settled; NULL: nobody will ask (decided here and now). */
static uint8_t *settled_mark(struct subject *subject, const struct rule *rule)
{
    switch (rule->scope) {
    case SCOPE_SESSION:
        return &subject->session->settled[rule->index];
    case SCOPE_MESSAGE:
        return &subject->transaction->settled[rule->index];
    case SCOPE_RCPT:
    case SCOPE_COUNT:
        break;
    }
    return subject->rules->late_rcpt_count == 0
               ? NULL
               : &marks_of(subject, subject->rcpt)[1 + rule->index];
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
    return rules_eval(subject, rule->condition);
}

/* A rule about the message that reads rcpt: does any recipient satisfy it? subject->rcpt stays at
 * that one. */
static enum truth eval_each(struct subject *subject, const struct rule *rule)
{
    size_t count = subject->ops->rcpt_count(subject);
    enum truth result = TRUTH_FALSE;
    for (size_t i = 0; i < count; i++) {
        if (!subject->ops->rcpt_is_live(subject, i))
            continue;
        subject->rcpt = i;
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
    if (subject->stage < rule->from)
        return TRUTH_UNKNOWN;
    return rule->is_each_rcpt ? eval_each(subject, rule) : eval_fresh(subject, rule);
}

static enum decision wait(struct subject *subject, const struct rule *rule, struct queue *queue)
{
    if (rule->has_verdict && !is_observed(subject, rule)) {
        queue->waits[rule->scope] = true;
        queue->all_wait |= rule->is_exemption;
    }
    return DECISION_WAITS;
}

static bool must_wait(const struct rule *rule, const struct queue *queue)
{
    return rule->has_verdict && !rule->is_early && (queue->all_wait || queue->waits[rule->scope]);
}

/* YES with *out_verdict: what to pronounce after the actions, NULL for none. */
static enum decision decide(struct subject *subject, const struct rule *rule, struct queue *queue,
                            const struct action **out_verdict)
{
    enum truth truth = eval_rule(subject, rule);
    if (truth == TRUTH_FALSE)
        return DECISION_NO;
    if (truth == TRUTH_UNKNOWN || subject->stage < rule->fires_from || must_wait(rule, queue))
        return wait(subject, rule, queue);
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

static void tell_observed(struct subject *subject, const struct rule *rule)
{
    char room[400];
    struct builder out = {.ptr = room, .cap = sizeof room};
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        char text[200];
        if (out.len > 0)
            rules_build(&out, LIT(", "));
        rules_build(&out, rules_action_text(action, text, sizeof text));
    }
    subject->ops->tell(subject, EVENT_OBSERVED, rule, SLICE(room, out.len));
}

/* The rule holds: do what it says. Returns the verdict to pronounce, or NULL. */
static const struct action *fire(struct subject *subject, const struct rule *rule,
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

/* ---- connect to end of headers, and RCPT ---- */

/* Only what lets the mail pass, or swallows it, is remembered: after a refusal the client may try
 * the same command again, and is to get the same answer. */
static enum mw_verdict finish(struct subject *subject, const struct rule *rule,
                              const struct action *verdict)
{
    bool is_final = verdict->kind == ACT_ACCEPT || verdict->kind == ACT_DISCARD;
    if (subject->stage == MW_STAGE_RCPT) {
        if (subject->rules->late_rcpt_count > 0)
            marks_of(subject, subject->rcpt)[0] = 1;
    } else if (is_final && subject->transaction != NULL) {
        subject->transaction->is_done = true;
    } else if (is_final) {
        subject->session->is_done = true;
    }
    return rules_pronounce(subject, rule, verdict);
}

/* `delete rcpt` while the recipient is being decided: the client is told yes, nothing goes
 * upstream. */
static enum mw_verdict drop_rcpt(struct subject *subject, const struct rule *rule)
{
    static const struct action discard = {.kind = ACT_DISCARD};
    subject->drops_rcpt = false;
    return finish(subject, rule, &discard);
}

/* What HELO settles is not kept: a client may say HELO again, under another name (RFC 5321 4.1.4).
 */
static void settle(const struct subject *subject, uint8_t *mark)
{
    if (mark != NULL && subject->stage != MW_STAGE_HELO)
        *mark = 1;
}

static enum mw_verdict run_stage(struct subject *subject)
{
    struct queue queue = {.all_wait = false};
    for (struct rule *const *at = subject->rules->at_stage[subject->stage]; *at != NULL; at++) {
        const struct rule *rule = *at;
        const struct action *verdict = NULL;
        size_t rcpt = subject->rcpt;
        uint8_t *mark = settled_mark(subject, rule);
        if (mark != NULL && *mark)
            continue;
        /* an exemption of the whole message, in the way of the recipients' verdicts */
        if (rule->scope != SCOPE_RCPT && subject->stage == MW_STAGE_RCPT) {
            wait(subject, rule, &queue);
            continue;
        }
        switch (decide(subject, rule, &queue, &verdict)) {
        case DECISION_WAITS:
            break;
        case DECISION_YES:
            verdict = fire(subject, rule, verdict);
            if (verdict != NULL)
                return finish(subject, rule, verdict);
            settle(subject, mark);
            if (subject->drops_rcpt)
                return drop_rcpt(subject, rule);
            break;
        case DECISION_NO:
            settle(subject, mark);
            break;
        }
        subject->rcpt = rcpt;
    }
    return MW_CONTINUE;
}

/* ---- end of the message ---- */

static struct mw_slice keep_text(struct subject *subject, struct mw_slice text)
{
    char *copy = subject->ops->alloc(subject, text.len + 1);
    memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

/* A recipient's verdict is kept until it is known whether anybody is left. */
static void seal(struct subject *subject, const struct rule *rule, const struct action *verdict,
                 struct fate *fate)
{
    if (verdict->kind == ACT_ACCEPT) {
        fate->is_accepted = true;
        return;
    }
    fate->rule = rule;
    fate->action = verdict;
    char text[512];
    fate->text = keep_text(subject,
                           rules_expand(subject, &verdict->text, INTO_REPLY, text, sizeof text));
    char reason[512];
    fate->reason = keep_text(subject, rules_reason(subject, rule, reason, sizeof reason));
}

/* Each recipient's turn. A condition that does not read rcpt is evaluated once for all. Returns a
 * verdict that is nobody's alone: disconnect. */
static const struct action *run_for_all(struct subject *subject, const struct rule *rule,
                                        struct fate *fates, size_t count)
{
    struct queue queue = {.all_wait = false};
    enum decision decision = DECISION_WAITS;
    const struct action *decided = NULL;
    for (size_t i = 0; i < count; i++) {
        struct fate *fate = &fates[i];
        subject->rcpt = i;
        if (!fate->is_live || fate->is_accepted || fate->rule != NULL)
            continue;
        uint8_t *mark = settled_mark(subject, rule);
        if (mark != NULL && *mark)
            continue;
        if (decision == DECISION_WAITS || rule->reads_rcpt)
            decision = decide(subject, rule, &queue, &decided);
        if (decision != DECISION_YES)
            continue;
        const struct action *verdict = fire(subject, rule, decided);
        if (verdict != NULL && verdict->kind == ACT_DISCONNECT)
            return verdict;
        if (verdict != NULL)
            seal(subject, rule, verdict, fate);
        fate->is_live = subject->ops->rcpt_is_live(subject, i);
    }
    return NULL;
}

static int severity_of(const struct action *action)
{
    return action->kind == ACT_DEFER ? 3 : action->kind == ACT_REJECT ? 2 : 1;
}

/* Nobody is left: the message's verdict is the mildest that any recipient got, for a client that
 * tries again later still reaches those that were only deferred. */
static enum mw_verdict refuse_all(struct subject *subject, const struct fate *fates, size_t count)
{
    const struct fate *chosen = NULL;
    for (size_t i = 0; i < count; i++)
        if (fates[i].rule != NULL &&
            (chosen == NULL || severity_of(fates[i].action) > severity_of(chosen->action)))
            chosen = &fates[i];
    if (chosen->action->code != 0)
        subject->ops->reply(subject, chosen->action->code, chosen->action->dsn, chosen->text);
    subject->ops->because(subject, chosen->rule, chosen->reason);
    return rules_action_word(chosen->action->kind)->verdict;
}

static enum mw_verdict settle_fates(struct subject *subject, const struct fate *fates, size_t count)
{
    size_t refused = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        refused += fates[i].rule != NULL;
        left += fates[i].is_live && fates[i].rule == NULL;
    }
    if (refused > 0 && left == 0)
        return refuse_all(subject, fates, count);
    for (size_t i = 0; i < count && refused > 0; i++) {
        if (fates[i].rule == NULL)
            continue;
        subject->rcpt = i;
        enum event event = subject->ops->rcpt_delete(subject, i) ? EVENT_RCPT_REFUSED
                                                                 : EVENT_EDIT_FAILED;
        subject->ops->tell(subject, event, fates[i].rule, fates[i].reason);
    }
    return MW_CONTINUE;
}

static struct fate *fates_new(struct subject *subject, size_t count)
{
    struct fate *fates = subject->ops->alloc(subject, count * sizeof *fates);
    for (size_t i = 0; i < count; i++) {
        fates[i].is_live = subject->ops->rcpt_is_live(subject, i);
        fates[i].is_accepted = marks_of(subject, i)[0] != 0;
    }
    return fates;
}

static enum mw_verdict run_end(struct subject *subject)
{
    struct queue queue = {.all_wait = false};
    size_t count = subject->rules->late_rcpt_count > 0 ? subject->ops->rcpt_count(subject) : 0;
    struct fate *fates = count > 0 ? fates_new(subject, count) : NULL;
    for (struct rule *const *at = subject->rules->at_stage[MW_STAGE_END_OF_MESSAGE]; *at != NULL;
         at++) {
        const struct rule *rule = *at;
        const struct action *verdict = NULL;
        if (rule->scope == SCOPE_RCPT) {
            verdict = run_for_all(subject, rule, fates, count);
        } else if (!subject->transaction->settled[rule->index] &&
                   decide(subject, rule, &queue, &verdict) == DECISION_YES) {
            verdict = fire(subject, rule, verdict);
            subject->transaction->settled[rule->index] = 1;
        }
        if (verdict != NULL && rule->scope == SCOPE_MESSAGE && count > 0 &&
            verdict->kind == ACT_ACCEPT)
            break; /* ends the rules, not what recipients' rules above have decided */
        if (verdict != NULL)
            return finish(subject, rule, verdict);
    }
    return settle_fates(subject, fates, count);
}

enum mw_verdict rules_run(struct subject *subject, enum mw_stage stage)
{
    if (subject->session->is_done ||
        (subject->transaction != NULL && subject->transaction->is_done))
        return MW_CONTINUE;
    subject->stage = stage;
    rules_regex_begin_stage(subject->rules);
    return stage == MW_STAGE_END_OF_MESSAGE ? run_end(subject) : run_stage(subject);
}
