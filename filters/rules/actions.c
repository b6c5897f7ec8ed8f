/* actions.c - what rules do. Edits go to the subject one by one; a refused one is told and counted
 * as the rule's error, and the rest goes on: mail is not lost over a header. */
#include "plan.h"
#include "subject.h"

enum {
    REPLY_MAX = 480,
    HEADER_MAX = 900,
    ADDRESS_MAX = 512,
    LOG_MAX = 1000,
    REASON_MAX = 300,
    VAR_MAX = 1000
};

#define ACTION(id_, words_, is_verdict_, verdict_) \
    {.kind = ACT_##id_, .words = words_, .is_verdict = is_verdict_, .verdict = verdict_},
static const struct action_word action_words[ACT_COUNT] = {
#include "actions.def"
};
#undef ACTION

const struct action_word *rules_action_word(enum action_kind kind)
{
    return &action_words[kind];
}

struct mw_slice rules_action_text(const struct action *action, char *room, size_t cap)
{
    struct builder out = {.ptr = room, .cap = cap};
    builder_put(&out, slice_of(action_words[action->kind].words));
    if (action->code != 0)
        builder_putf(&out, " %u", action->code);
    if (action->dsn.len != 0)
        builder_putf(&out, " %.*s", (int)action->dsn.len, action->dsn.ptr);
    if (action->name.len != 0)
        builder_putf(&out, " %.*s", (int)action->name.len, action->name.ptr);
    return SLICE(room, out.len);
}

/* ---- edits ---- */

/* All fields of that name from `from` on. */
static bool delete_headers(struct subject *subject, struct mw_slice name, size_t from)
{
    for (ptrdiff_t at; (at = subject->ops->header_find(subject, name, from)) >= 0;) {
        size_t before = subject->ops->header_count(subject);
        if (!subject->ops->header_delete(subject, (size_t)at))
            return false;
        from = subject->ops->header_count(subject) < before ? (size_t)at : (size_t)at + 1;
    }
    return true;
}

/* All fields of that name become one, at the place of the first. */
static bool set_header(struct subject *subject, struct mw_slice name, struct mw_slice value)
{
    ptrdiff_t first = subject->ops->header_find(subject, name, 0);
    if (first < 0)
        return subject->ops->header_add(subject, name, value);
    return subject->ops->header_change(subject, (size_t)first, value) &&
           delete_headers(subject, name, (size_t)first + 1);
}

bool rules_header_delete(struct subject *subject, struct mw_slice name)
{
    rules_values_changed(subject, ON_HEADER);
    return delete_headers(subject, name, 0);
}

static bool edit_header(struct subject *subject, const struct action *action)
{
    char room[HEADER_MAX];
    struct mw_slice value = rules_expand(subject, &action->text, INTO_HEADER, room, sizeof room);
    rules_values_changed(subject, ON_HEADER);
    return action->kind == ACT_HEADER_ADD ? subject->ops->header_add(subject, action->name, value)
                                          : set_header(subject, action->name, value);
}

static bool edit_envelope(struct subject *subject, const struct action *action)
{
    char room[ADDRESS_MAX + 1];
    struct mw_slice address = rules_expand(subject, &action->text, INTO_ADDRESS, room, sizeof room);
    if (address.len > ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.ptr[i] < ' ' || address.ptr[i] == 0x7f)
            return false;
    rules_values_changed(subject, action->kind == ACT_SENDER ? ON_SENDER : ON_RCPT);
    if (action->kind == ACT_SENDER)
        return subject->ops->set_sender(subject, address);
    if (address.len == 0)
        return false;
    return action->kind == ACT_RCPT ? subject->ops->rcpt_replace(subject, subject->rcpt, address)
                                    : subject->ops->rcpt_add(subject, address);
}

/* ---- all actions but verdicts ---- */

static void note_score(struct transaction_state *state, const struct rule *rule,
                       const struct action *action)
{
    struct builder out = {
        .ptr = state->scored, .len = state->scored_len, .cap = sizeof state->scored};
    builder_putf(&out, "%s%s %s", out.len ? ", " : "", rule->name_text,
                 action->number > 0 ? "+" : "");
    rules_build_number(&out, action->number);
    state->scored_len = out.len;
}

static void add_score(struct subject *subject, const struct rule *rule, const struct action *action)
{
    int64_t *score = &subject->transaction->scores[action->slot];
    note_score(subject->transaction, rule, action);
    if (__builtin_add_overflow(*score, action->number, score))
        *score = action->number > 0 ? INT64_MAX : INT64_MIN;
}

static bool set_var(struct subject *subject, const struct action *action)
{
    char room[VAR_MAX];
    struct mw_slice text = rules_expand(subject, &action->text, INTO_LOG, room, sizeof room);
    char *kept = subject->ops->alloc(subject, text.len + 1);
    memcpy(kept, text.ptr, text.len);
    subject->transaction->vars[action->slot] = SLICE(kept, text.len);
    rules_values_changed(subject, ON_VARS);
    return true;
}

static void delay(struct subject *subject, const struct rule *rule, const struct action *action)
{
    char room[32];
    struct builder text = {.ptr = room, .cap = sizeof room};
    rules_build_number(&text, action->number); /* milliseconds are thousandths */
    subject->delay_ms += (uint64_t)action->number;
    subject->ops->tell(subject, EVENT_DELAYED, rule, SLICE(room, text.len));
}

static bool perform(struct subject *subject, const struct rule *rule, const struct action *action)
{
    char room[LOG_MAX];
    switch (action->kind) {
    case ACT_SCORE:
        add_score(subject, rule, action);
        return true;
    case ACT_TAG:
        subject->transaction->tags[action->slot] = 1;
        subject->ops->tell(subject, EVENT_TAG, rule, action->name);
        return true;
    case ACT_LOG:
        subject->ops->tell(subject, EVENT_LOG, rule,
                           rules_expand(subject, &action->text, INTO_LOG, room, sizeof room));
        return true;
    case ACT_HEADER_ADD:
    case ACT_HEADER_SET:
        return edit_header(subject, action);
    case ACT_HEADER_DELETE:
        return rules_header_delete(subject, action->name);
    case ACT_SENDER:
    case ACT_RCPT:
    case ACT_RCPT_ADD:
        return edit_envelope(subject, action);
    case ACT_RCPT_DELETE:
        if (subject->stage == MW_STAGE_RCPT)
            return subject->drops_rcpt = true;
        return subject->ops->rcpt_delete(subject, subject->rcpt);
    case ACT_VAR:
        return set_var(subject, action);
    case ACT_DELAY:
        delay(subject, rule, action);
        return true;
    case ACT_REJECT:
    case ACT_DEFER:
    case ACT_DISCARD:
    case ACT_ACCEPT:
    case ACT_DISCONNECT:
    case ACT_QUARANTINE:
    case ACT_COUNT:
        break;
    }
    return true; /* the verdict, if there is one, is pronounced afterwards */
}

/* Speaks of the whole message: done once, for however many recipients the rule holds. */
static bool is_of_message(enum action_kind kind)
{
    return kind != ACT_RCPT && kind != ACT_RCPT_DELETE && kind != ACT_LOG;
}

void rules_act(struct subject *subject, const struct rule *rule)
{
    bool is_repeated = rule->scope == SCOPE_RCPT &&
                       bit_is_set(subject->transaction->once, rule->number);
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        if (is_repeated && is_of_message(action->kind))
            continue;
        if (!perform(subject, rule, action)) {
            char room[200];
            subject->ops->tell(subject, EVENT_EDIT_FAILED, rule,
                               rules_action_text(action, room, sizeof room));
        }
    }
    if (rule->scope == SCOPE_RCPT)
        bit_set(subject->transaction->once, rule->number);
}

struct mw_slice rules_reason(struct subject *subject, const struct rule *rule, char *room,
                             size_t cap)
{
    const struct transaction_state *state = subject->transaction;
    if (rule->reason.pieces != NULL || state == NULL || state->scored_len == 0)
        return rules_expand(subject, &rule->reason, INTO_LOG, room, cap);
    struct builder out = {.ptr = room, .cap = cap};
    for (const struct field_use *use = rule->uses; use != NULL && out.len == 0; use = use->next) {
        if (use->field->id != FIELD_SCORE)
            continue;
        builder_put(&out, LIT("score "));
        rules_build_number(&out, state->scores[use->slot]);
        builder_put(&out, LIT(": "));
        builder_put(&out, SLICE(state->scored, state->scored_len));
    }
    return SLICE(room, out.len);
}

enum mw_verdict rules_pronounce(struct subject *subject, const struct rule *rule,
                                const struct action *verdict)
{
    char reply[REPLY_MAX], reason[REASON_MAX];
    if (verdict->code != 0)
        subject->ops->reply(subject, verdict->code, verdict->dsn,
                            rules_expand(subject, &verdict->text, INTO_REPLY, reply, sizeof reply));
    subject->ops->because(subject, rule, rules_reason(subject, rule, reason, sizeof reason));
    return action_words[verdict->kind].verdict;
}
