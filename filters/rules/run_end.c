/* run_end.c - the end of the message. Recipients' rules that need more than what is known at RCPT
 * run here once for each recipient that is still there. Whom they refuse gets a verdict of his own
 * (the host and the listener's `mixed-verdict` say what becomes of the message), whose mail they
 * quarantine gets another address, and what refuses everybody is the message's verdict. */
#include "run_priv.h"

enum { FATE_TEXT_MAX = 520 };

/* A recipient's end. */
struct fate {
    bool is_live, is_accepted;
    uint32_t accepted_by;    /* number of the rule */
    const struct rule *rule; /* that refused or quarantined it */
    const struct action *action;
    struct mw_slice text, reason; /* the reply's, or where to */
};

static struct mw_slice keep_text(struct subject *subject, struct mw_slice text)
{
    char *copy = rules_room(subject->rules, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

/* A recipient's verdict is kept until it is known whether anybody is left. */
static void seal(struct subject *subject, const struct rule *rule, const struct action *verdict,
                 struct fate *fate)
{
    if (verdict->kind == ACT_ACCEPT) {
        fate->is_accepted = true;
        fate->accepted_by = rule->number;
        return;
    }
    char text[FATE_TEXT_MAX], reason[FATE_TEXT_MAX];
    enum target into = verdict->kind == ACT_QUARANTINE ? INTO_ADDRESS : INTO_REPLY;
    fate->rule = rule;
    fate->action = verdict;
    fate->text = keep_text(subject, rules_expand(subject, &verdict->text, into, text, sizeof text));
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
        rules_at_rcpt(subject, i);
        if (!fate->is_live || fate->is_accepted || fate->rule != NULL ||
            rules_is_settled(subject, rule))
            continue;
        if (decision == DECISION_WAITS || rule->reads_rcpt)
            decision = rules_decide(subject, rule, &queue, &decided);
        if (decision != DECISION_YES)
            continue;
        const struct action *verdict = rules_fire(subject, rule, decided);
        if (verdict != NULL && verdict->kind == ACT_DISCONNECT)
            return verdict;
        if (verdict != NULL)
            seal(subject, rule, verdict, fate);
        fate->is_live = subject->ops->rcpt_is_live(subject, i);
    }
    return NULL;
}

/* ---- quarantine ---- */

static bool is_quarantined(const struct fate *fate)
{
    return fate->rule != NULL && fate->action->kind == ACT_QUARANTINE;
}

static struct mw_slice address_of(struct subject *subject, size_t rcpt)
{
    struct field_use use = {.field = rules_field(FIELD_RCPT)};
    struct value value = {.text = EMPTY};
    rules_at_rcpt(subject, rcpt);
    subject->ops->get(subject, &use, &value);
    return value.text;
}

/* The first recipient that goes to an address becomes it, the others are taken off. */
static bool redirect(struct subject *subject, const struct fate *fates, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_quarantined(&fates[i]) && text_address_eq(fates[i].text, fates[at].text))
            return subject->ops->rcpt_delete(subject, at);
    return subject->ops->rcpt_replace(subject, at, fates[at].text);
}

/* Who it was for, and why it is here. Only where everybody's mail goes to quarantine: otherwise the
 * other recipients would read it. What the message brought along under these names goes. */
static void mark_quarantined(struct subject *subject, const struct fate *fates, size_t count)
{
    const struct rule *rule = NULL;
    rules_header_delete(subject, LIT("X-Mailweir-Quarantine"));
    rules_header_delete(subject, LIT("X-Mailweir-Recipient"));
    for (size_t i = 0; i < count; i++) {
        if (!is_quarantined(&fates[i]))
            continue;
        if (rule != fates[i].rule)
            subject->ops->header_add(subject, LIT("X-Mailweir-Quarantine"), fates[i].rule->name);
        rule = fates[i].rule;
        subject->ops->header_add(subject, LIT("X-Mailweir-Recipient"), address_of(subject, i));
    }
}

/* False: an address was not taken, and mail that should not be delivered must not be. */
static bool quarantine(struct subject *subject, const struct fate *fates, size_t count)
{
    bool is_for_all = true, is_good = true;
    for (size_t i = 0; i < count; i++)
        is_for_all &= !fates[i].is_live || fates[i].rule != NULL;
    if (is_for_all)
        mark_quarantined(subject, fates, count);
    for (size_t i = 0; i < count; i++) {
        if (!is_quarantined(&fates[i]))
            continue;
        rules_at_rcpt(subject, i);
        subject->ops->tell(subject, EVENT_QUARANTINED, fates[i].rule, fates[i].text);
        is_good &= redirect(subject, fates, i);
    }
    return is_good;
}

/* ---- what becomes of them ---- */

static bool is_refused(const struct fate *fate)
{
    return fate->rule != NULL && fate->action->kind != ACT_QUARANTINE;
}

static enum mw_verdict say(struct subject *subject, const struct fate *fate)
{
    if (fate->action->code != 0)
        subject->ops->reply(subject, fate->action->code, fate->action->dsn, fate->text);
    subject->ops->because(subject, fate->rule, fate->reason);
    return rules_action_word(fate->action->kind)->verdict;
}

/* One rule refused everybody whom the envelope ever had, in the same words: that is the message's
 * verdict. In all other cases the host puts together what each is told: under PRDR each has a reply
 * of his own, without it a recipient who was only deferred counts more than one who was rejected. */
static bool is_of_message(const struct fate *fates, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_refused(&fates[i]) || fates[i].action != fates[0].action ||
            !text_eq(fates[i].text, fates[0].text) || !text_eq(fates[i].reason, fates[0].reason))
            return false;
    return count > 0;
}

/* False: mail that should not be delivered would be. */
static bool refuse(struct subject *subject, const struct fate *fates, size_t count)
{
    bool is_good = true;
    for (size_t i = 0; i < count; i++) {
        if (!is_refused(&fates[i]))
            continue;
        rules_at_rcpt(subject, i);
        bool is_taken = subject->ops->rcpt_verdict(subject, i, say(subject, &fates[i]));
        subject->ops->tell(subject, is_taken ? EVENT_RCPT_REFUSED : EVENT_EDIT_FAILED,
                           fates[i].rule, fates[i].reason);
        is_good &= is_taken;
    }
    return is_good;
}

static enum mw_verdict settle_fates(struct subject *subject, const struct fate *fates, size_t count)
{
    size_t quarantined = 0;
    if (is_of_message(fates, count))
        return say(subject, &fates[0]);
    for (size_t i = 0; i < count; i++)
        quarantined += is_quarantined(&fates[i]);
    if (quarantined > 0 && !quarantine(subject, fates, count))
        return MW_TEMPFAIL;
    return refuse(subject, fates, count) ? MW_CONTINUE : MW_TEMPFAIL;
}

static struct fate *fates_new(struct subject *subject, size_t count)
{
    struct fate *fates = rules_room(subject->rules, count * sizeof *fates);
    memset(fates, 0, count * sizeof *fates);
    for (size_t i = 0; i < count; i++) {
        fates[i].is_live = subject->ops->rcpt_is_live(subject, i);
        if (subject->rules->late_rcpt_count == 0)
            continue;
        const struct marks *marks = rules_rcpt_marks(subject, i);
        fates[i].is_accepted = marks->is_decided;
        fates[i].accepted_by = marks->by;
    }
    return fates;
}

static bool is_spared(const struct fate *fate, const struct rule *rule)
{
    return fate->is_accepted && fate->accepted_by < rule->number;
}

/* A message rule said quarantine: for everybody who is still there. Whom a rule accepted is spared
 * only if that rule stands above. */
static enum mw_verdict quarantine_all(struct subject *subject, const struct rule *rule,
                                      const struct action *verdict, struct fate *fates,
                                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fates[i].is_live && fates[i].rule == NULL && !is_spared(&fates[i], rule)) {
            rules_at_rcpt(subject, i);
            seal(subject, rule, verdict, &fates[i]);
        }
    enum mw_verdict settled = settle_fates(subject, fates, count);
    return settled == MW_CONTINUE ? rules_end(subject, rule, verdict) : settled;
}

/* ---- the rules ---- */

enum mw_verdict rules_run_end(struct subject *subject)
{
    struct queue queue = {.all_wait = false};
    size_t count = subject->ops->rcpt_count(subject), rcpt = subject->rcpt;
    struct fate *fates = fates_new(subject, count);
    struct walk walk;
    rules_walk_begin(&walk, subject);
    for (const struct rule *rule; (rule = rules_walk_next(&walk)) != NULL;) {
        const struct action *verdict = NULL;
        if (rule->scope == SCOPE_RCPT) {
            verdict = run_for_all(subject, rule, fates, count);
        } else {
            enum decision decision = rules_decide(subject, rule, &queue, &verdict);
            verdict = decision == DECISION_YES ? rules_fire(subject, rule, verdict) : NULL;
            rules_settle(subject, rule, decision);
        }
        rules_walk_renew(&walk);
        if (verdict != NULL && verdict->kind == ACT_QUARANTINE)
            return quarantine_all(subject, rule, verdict, fates, count);
        if (verdict != NULL && rule->scope == SCOPE_MESSAGE && verdict->kind == ACT_ACCEPT &&
            subject->rules->late_rcpt_count > 0)
            break; /* ends the rules, not what recipients' rules above have decided */
        if (verdict != NULL)
            return rules_end(subject, rule, verdict);
        rules_at_rcpt(subject, rcpt);
    }
    return settle_fates(subject, fates, count);
}
