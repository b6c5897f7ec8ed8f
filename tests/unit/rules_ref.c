/* rules_ref.c - what follows from conditions: who wins, who waits, what is done. */
#include "rules_ref_priv.h"

#include <stdlib.h>
#include <time.h>

#include "base/slice.h"

struct ref_chunk {
    struct ref_chunk *next;
    _Alignas(16) char octets[];
};

void *ref_keep(void *ref_, size_t size)
{
    struct ref *ref = ref_;
    struct ref_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        abort();
    chunk->next = ref->chunks;
    ref->chunks = chunk;
    return chunk->octets;
}

static void forget(struct ref *ref)
{
    while (ref->chunks != NULL) {
        struct ref_chunk *next = ref->chunks->next;
        free(ref->chunks);
        ref->chunks = next;
    }
}

struct ref *ref_new(const struct rules *rules, const char *text, struct mw_ctx *world)
{
    struct ref *ref = calloc(1, sizeof *ref);
    if (ref == NULL || rules->rule_count > REF_RULES || rules->scores.count > REF_SLOTS ||
        rules->tags.count > REF_SLOTS || rules->vars.count > REF_SLOTS)
        abort();
    ref->rules = rules;
    ref->text = text;
    ref->ctx = world;
    ref_patterns_new(ref);
    return ref;
}

void ref_reset(struct ref *ref)
{
    memset(&ref->message, 0, sizeof ref->message);
    memset(ref->rcpts, 0, sizeof ref->rcpts);
    memset(ref->scores, 0, sizeof ref->scores);
    memset(ref->tags, 0, sizeof ref->tags);
    memset(ref->once, 0, sizeof ref->once);
    memset(ref->vars, 0, sizeof ref->vars);
    forget(ref);
}

void ref_free(struct ref **ref)
{
    if (*ref == NULL)
        return;
    ref_patterns_free(*ref);
    forget(*ref);
    free(*ref);
    *ref = NULL;
}

bool ref_is_beyond(const struct ref *ref)
{
    return ref->is_beyond;
}

void ref_be_patient(struct ref *ref)
{
    ref->is_patient = true;
}

int64_t ref_score(const struct ref *ref, size_t slot)
{
    return ref->scores[slot];
}

bool ref_tag(const struct ref *ref, size_t slot)
{
    return ref->tags[slot];
}

struct mw_slice ref_var(const struct ref *ref, size_t slot)
{
    return ref->vars[slot];
}

/* ---- one rule ---- */

enum outcome { WAITS = 0, NO, YES };

/* Verdicts that are open above, as far as those below must wait for them. */
struct open {
    bool scope[SCOPE_COUNT], all;
};

static bool is_observed(const struct ref *ref, const struct rule *rule)
{
    struct ref_value ip[REF_VALUES];
    struct field_use use = {.field = rules_field(FIELD_CLIENT_IP)};
    bool has_failed;
    uint64_t draw = 0;
    if (rule->observe_percent == 0)
        return false;
    if (ref_values((struct ref *)(uintptr_t)ref, &use, false, ip, &has_failed) > 0)
        draw = text_hash(ip[0].text, false) % 100;
    return draw < rule->observe_percent &&
           (rule->observe_until == 0 || time(NULL) < rule->observe_until);
}

static struct ref_marks *marks_of(struct ref *ref, enum scope scope)
{
    return scope == SCOPE_SESSION   ? &ref->session
           : scope == SCOPE_MESSAGE ? &ref->message
                                    : &ref->rcpts[ref->rcpt];
}

static enum truth eval_once(struct ref *ref, const struct rule *rule)
{
    ref->captured = NULL;
    ref->error = NULL;
    ref->held_count = 0;
    return ref_eval(ref, rule->condition);
}

/* A rule of the message that reads rcpt holds if it holds for any recipient. Who they are is known
 * at DATA. */
static enum truth eval_rule(struct ref *ref, const struct rule *rule)
{
    enum truth result = TRUTH_FALSE;
    if (!rule->is_each_rcpt || ref->stage < MW_STAGE_DATA)
        return eval_once(ref, rule);
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++) {
        if (!ref_rcpt_is_live(ref, i))
            continue;
        ref->rcpt = i;
        enum truth truth = eval_once(ref, rule);
        if (truth == TRUTH_TRUE)
            return truth;
        if (truth == TRUTH_UNKNOWN || (truth == TRUTH_ERROR && result == TRUTH_FALSE))
            result = truth;
    }
    return result;
}

static bool is_exempting(const struct action *action)
{
    return action != NULL && (action->kind == ACT_ACCEPT || action->kind == ACT_DISCARD);
}

static void leave_open(struct ref *ref, const struct rule *rule, struct open *open)
{
    if ((rule->verdict == NULL && rule->error_action == NULL) || is_observed(ref, rule))
        return;
    open->scope[rule->scope] = true;
    open->all |= is_exempting(rule->verdict) || is_exempting(rule->error_action);
}

static bool is_scope_of(enum scope scope, enum mw_stage stage)
{
    if (stage < MW_STAGE_MAIL)
        return scope == SCOPE_SESSION;
    if (stage == MW_STAGE_RCPT)
        return scope == SCOPE_RCPT;
    return scope == SCOPE_MESSAGE || (scope == SCOPE_RCPT && stage == MW_STAGE_END_OF_MESSAGE);
}

/* A verdict above that is open at this stage whatever the mail is: who must wait for it is not
 * looked at, and so is not settled by what edits may still change. */
static bool is_held_up(const struct ref *ref, const struct rule *rule)
{
    if (rule->is_early || is_exempting(rule->verdict) || is_exempting(rule->error_action))
        return false;
    for (const struct rule *above = ref->rules->rules; above != rule; above = above->next) {
        bool is_exemption = is_exempting(above->verdict) || is_exempting(above->error_action);
        bool is_here = is_scope_of(above->scope, ref->stage) ||
                       (ref->stage == MW_STAGE_RCPT && is_exemption &&
                        above->scope == SCOPE_MESSAGE);
        if (above->has_verdict && above->observe_percent == 0 && is_here &&
            ref->stage < above->from && ref->stage <= above->last &&
            (above->scope == rule->scope || is_exemption))
            return true;
    }
    return false;
}

static enum outcome decide(struct ref *ref, const struct rule *rule, struct open *open,
                           const struct action **out_verdict)
{
    bool has_verdict = rule->verdict != NULL || rule->error_action != NULL;
    bool is_blind = (rule->has_at && ref->stage < rule->at) ||
                    (ref->is_patient && has_verdict && is_held_up(ref, rule));
    enum truth truth = is_blind ? TRUTH_UNKNOWN : eval_rule(ref, rule);
    if (truth == TRUTH_FALSE)
        return NO;
    if (truth == TRUTH_UNKNOWN || ref->stage < rule->fires_from ||
        (!has_verdict && ref->stage < rule->ready) || /* its texts want to be filled in */
        (has_verdict && !rule->is_early && (open->all || open->scope[rule->scope]))) {
        leave_open(ref, rule, open);
        return WAITS;
    }
    *out_verdict = rule->verdict;
    if (truth == TRUTH_ERROR) {
        ref_tally(ref, rule, COUNTER_ERRORS);
        ref_tell(ref, rule, "rule-error", "error", slice_of(ref->error ? ref->error : "undecided"));
        if (rule->on_error == ERROR_NO_MATCH)
            return NO;
        if (rule->on_error == ERROR_VERDICT)
            *out_verdict = rule->error_action;
    }
    return YES;
}

/* Returns the verdict that is to be given, if any. */
static const struct action *fire(struct ref *ref, const struct rule *rule,
                                 const struct action *verdict, bool *out_drops)
{
    ref_tally(ref, rule, COUNTER_HITS);
    if (is_observed(ref, rule)) {
        ref_tell_observed(ref, rule);
        return NULL;
    }
    if (verdict == rule->verdict)
        ref_act(ref, rule, out_drops);
    return verdict;
}

static enum mw_verdict say(struct ref *ref, const struct rule *rule, const struct action *verdict,
                           struct mw_slice text, struct mw_slice reason)
{
    char where[80];
    snprintf(where, sizeof where, "t.rules:%u", rule->place.line);
    if (verdict->code != 0)
        fake_host.reply(ref->ctx, verdict->code, verdict->dsn, text);
    fake_host.because(ref->ctx, rule->name, slice_of(where), reason);
    return rules_action_word(verdict->kind)->verdict;
}

/* What lets mail pass or swallows it stays; a refused command may be given again. */
static enum mw_verdict end(struct ref *ref, const struct rule *rule, const struct action *verdict)
{
    bool is_kept = verdict->kind == ACT_ACCEPT || verdict->kind == ACT_DISCARD ||
                   verdict->kind == ACT_QUARANTINE;
    if (ref->stage == MW_STAGE_RCPT) {
        ref->rcpts[ref->rcpt].is_decided = true;
        ref->rcpts[ref->rcpt].decided_by = rule->number;
    } else if (ref->stage >= MW_STAGE_MAIL)
        ref->message.is_decided |= is_kept;
    else
        ref->session.is_decided |= is_kept;
    return say(ref, rule, verdict, ref_expand(ref, &verdict->text, REF_IN_REPLY),
               ref_expand(ref, &rule->reason, REF_IN_LOG));
}

static void settle(struct ref *ref, const struct rule *rule, enum outcome outcome)
{
    if (outcome != WAITS && ref->stage != MW_STAGE_HELO) /* HELO may come again */
        marks_of(ref, rule->scope)->settled[rule->number] = true;
}

/* ---- connect to end of headers, and each RCPT ---- */

static enum mw_verdict run_stage(struct ref *ref)
{
    static const struct action drop = {.kind = ACT_DISCARD};
    struct open open = {.all = false};
    size_t rcpt = ref->rcpt;
    for (const struct rule *rule = ref->rules->rules; rule != NULL; rule = rule->next) {
        const struct action *verdict = NULL;
        bool drops = false;
        ref->rcpt = rcpt;
        if (rule->is_idle)
            continue;
        if (ref->stage == MW_STAGE_RCPT && rule->scope == SCOPE_MESSAGE &&
            !ref->message.settled[rule->number] &&
            (is_exempting(rule->verdict) || is_exempting(rule->error_action)))
            leave_open(ref, rule, &open); /* an exemption that may concern this recipient */
        if (!is_scope_of(rule->scope, ref->stage) ||
            marks_of(ref, rule->scope)->settled[rule->number])
            continue;
        enum outcome outcome = decide(ref, rule, &open, &verdict);
        if (outcome == YES)
            verdict = fire(ref, rule, verdict, &drops);
        if (outcome == YES && verdict != NULL)
            return end(ref, rule, verdict);
        settle(ref, rule, outcome);
        if (drops)
            return end(ref, rule, &drop);
    }
    return MW_CONTINUE;
}

/* ---- the end of the message ---- */

struct fate {
    bool is_accepted;
    const struct rule *rule;
    const struct action *verdict;
    struct mw_slice text, reason;
};

static bool is_open(const struct ref *ref, const struct fate *fates, size_t rcpt)
{
    return ref_rcpt_is_live(ref, rcpt) && !fates[rcpt].is_accepted && fates[rcpt].rule == NULL;
}

static bool is_quarantined(const struct fate *fate)
{
    return fate->rule != NULL && fate->verdict->kind == ACT_QUARANTINE;
}

static void seal(struct ref *ref, const struct rule *rule, const struct action *verdict,
                 struct fate *fate)
{
    if (verdict->kind == ACT_ACCEPT) {
        fate->is_accepted = true;
        ref->rcpts[ref->rcpt].decided_by = rule->number;
        return;
    }
    fate->rule = rule;
    fate->verdict = verdict;
    fate->text = ref_expand(ref, &verdict->text,
                            verdict->kind == ACT_QUARANTINE ? REF_IN_ADDRESS : REF_IN_REPLY);
    fate->reason = ref_expand(ref, &rule->reason, REF_IN_LOG);
}

/* Who else reads the message must not see whom it was kept from. */
static void mark_quarantined(struct ref *ref, const struct fate *fates)
{
    const struct rule *last = NULL;
    ref_delete_headers(ref, LIT("X-Mailweir-Quarantine"), 0);
    ref_delete_headers(ref, LIT("X-Mailweir-Recipient"), 0);
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++) {
        if (!is_quarantined(&fates[i]))
            continue;
        if (fates[i].rule != last)
            fake_host.header_add(ref->ctx, LIT("X-Mailweir-Quarantine"), fates[i].rule->name);
        last = fates[i].rule;
        fake_host.header_add(ref->ctx, LIT("X-Mailweir-Recipient"),
                             slice_of(ref->ctx->rcpts[i].address));
    }
}

/* The first of those that go to one address becomes it, the others go. */
static bool redirect(struct ref *ref, const struct fate *fates, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_quarantined(&fates[i]) && text_address_eq(fates[i].text, fates[at].text))
            return fake_host.rcpt_delete(ref->ctx, at);
    return fake_host.rcpt_replace(ref->ctx, at, fates[at].text);
}

static bool quarantine(struct ref *ref, const struct fate *fates, bool is_for_all)
{
    bool is_good = true, is_any = false;
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++)
        is_any |= is_quarantined(&fates[i]);
    if (is_any && is_for_all)
        mark_quarantined(ref, fates);
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++) {
        if (!is_quarantined(&fates[i]))
            continue;
        ref->rcpt = i;
        ref_tell(ref, fates[i].rule, "rule-quarantined", "at", fates[i].text);
        is_good &= redirect(ref, fates, i) != 0;
    }
    return is_good;
}

static bool is_refused(const struct fate *fate)
{
    return fate->rule != NULL && !is_quarantined(fate);
}

static enum mw_verdict say_fate(struct ref *ref, const struct fate *fate)
{
    return say(ref, fate->rule, fate->verdict, fate->text, fate->reason);
}

/* One rule refused everybody whom the envelope ever had, in the same words. */
static bool is_of_message(const struct fate *fates, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_refused(&fates[i]) || fates[i].verdict != fates[0].verdict ||
            !mw_slice_eq(fates[i].text, fates[0].text) ||
            !mw_slice_eq(fates[i].reason, fates[0].reason))
            return false;
    return count > 0;
}

/* What was decided for recipients is done: everybody has a verdict of his own. */
static enum mw_verdict settle_fates(struct ref *ref, const struct fate *fates)
{
    bool is_anybody_else = false, is_good = true;
    if (is_of_message(fates, ref->envelope))
        return say_fate(ref, &fates[0]);
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++)
        is_anybody_else |= ref_rcpt_is_live(ref, i) && fates[i].rule == NULL;
    if (!quarantine(ref, fates, !is_anybody_else))
        return MW_TEMPFAIL;
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++) {
        if (!is_refused(&fates[i]))
            continue;
        ref->rcpt = i;
        bool is_done = fake_host.rcpt_verdict(ref->ctx, i, say_fate(ref, &fates[i]));
        if (!is_done)
            ref_tally(ref, fates[i].rule, COUNTER_ERRORS);
        ref_tell(ref, fates[i].rule, is_done ? "rule-rcpt-refused" : "rule-edit-refused",
                 is_done ? "reason" : "edit", fates[i].reason);
        is_good &= is_done;
    }
    return is_good ? MW_CONTINUE : MW_TEMPFAIL;
}

/* A recipients' rule, for each of them. What does not read rcpt is the same for all, and is looked
 * at once. Returns what ends everything: disconnect. */
static const struct action *run_for_all(struct ref *ref, const struct rule *rule,
                                        struct fate *fates, struct open *opens)
{
    enum outcome outcome = WAITS;
    const struct action *decided = NULL;
    size_t count = ref->ctx->rcpt_count;
    for (size_t i = 0; i < count; i++) {
        bool drops = false;
        if (!is_open(ref, fates, i) || ref->rcpts[i].settled[rule->number])
            continue;
        ref->rcpt = i;
        if (outcome == WAITS || rule->reads_rcpt)
            outcome = decide(ref, rule, &opens[i], &decided);
        const struct action *verdict = outcome == YES ? fire(ref, rule, decided, &drops) : NULL;
        if (verdict != NULL && verdict->kind == ACT_DISCONNECT)
            return verdict;
        if (verdict != NULL)
            seal(ref, rule, verdict, &fates[i]);
    }
    return NULL;
}

static enum mw_verdict quarantine_all(struct ref *ref, const struct rule *rule,
                                      const struct action *verdict, struct fate *fates)
{
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++)
        if (ref_rcpt_is_live(ref, i) && fates[i].rule == NULL &&
            !(fates[i].is_accepted && ref->rcpts[i].decided_by < rule->number)) {
            ref->rcpt = i; /* who was accepted by a rule below, too */
            seal(ref, rule, verdict, &fates[i]);
        }
    enum mw_verdict settled = settle_fates(ref, fates);
    return settled == MW_CONTINUE ? end(ref, rule, verdict) : settled;
}

static enum mw_verdict run_end(struct ref *ref)
{
    struct fate fates[FAKE_MAX] = {{.is_accepted = false}};
    struct open open = {.all = false}, opens[FAKE_MAX] = {{.all = false}};
    size_t rcpt = ref->rcpt;
    ref->envelope = ref->ctx->rcpt_count;
    for (size_t i = 0; i < ref->ctx->rcpt_count; i++)
        fates[i].is_accepted = ref->rcpts[i].is_decided;
    for (const struct rule *rule = ref->rules->rules; rule != NULL; rule = rule->next) {
        const struct action *verdict = NULL;
        bool drops = false;
        ref->rcpt = rcpt;
        if (rule->is_idle || rule->scope == SCOPE_SESSION ||
            (rule->scope == SCOPE_MESSAGE && ref->message.settled[rule->number]) ||
            (rule->scope == SCOPE_RCPT && rule->last == MW_STAGE_RCPT))
            continue;
        if (rule->scope == SCOPE_RCPT) {
            verdict = run_for_all(ref, rule, fates, opens);
        } else {
            enum outcome outcome = decide(ref, rule, &open, &verdict);
            verdict = outcome == YES ? fire(ref, rule, verdict, &drops) : NULL;
            settle(ref, rule, outcome);
        }
        if (verdict != NULL && verdict->kind == ACT_QUARANTINE)
            return quarantine_all(ref, rule, verdict, fates);
        if (verdict != NULL && verdict->kind == ACT_ACCEPT && rule->scope == SCOPE_MESSAGE &&
            ref->rules->late_rcpt_count > 0)
            break;
        if (verdict != NULL)
            return end(ref, rule, verdict);
    }
    return settle_fates(ref, fates);
}

enum mw_verdict ref_run(struct ref *ref, enum mw_stage stage, size_t rcpt)
{
    if (ref->session.is_decided || (stage >= MW_STAGE_MAIL && ref->message.is_decided) ||
        !(ref->rules->wants & MW_STAGE_BIT(stage)))
        return MW_CONTINUE;
    ref->stage = stage;
    ref->rcpt = rcpt;
    return stage == MW_STAGE_END_OF_MESSAGE ? run_end(ref) : run_stage(ref);
}
