/* marks.c - what was settled, as sets of bits: of a session, a message, a recipient. */
#include "subject.h"

/* Recipients' sets are read at the end of the message, if at all. */
static size_t set_size(const struct rules *rules, enum scope scope)
{
    bool has_set = rules->scope_count[scope] > 0 &&
                   (scope != SCOPE_RCPT || rules->late_rcpt_count > 0);
    return has_set ? rules->words * sizeof(uint64_t) : 0;
}

/* Octets behind the struct itself. */
static size_t marks_size(const struct rules *rules, enum scope scope)
{
    return set_size(rules, scope) * 2 + rules->rate_count;
}

static void marks_init(const struct rules *rules, struct marks *marks, enum scope scope, char *room)
{
    size_t set = set_size(rules, scope);
    marks->settled = (uint64_t *)(void *)room;
    marks->pending = (uint64_t *)(void *)(room + set);
    marks->rates = (uint8_t *)room + set * 2;
}

struct session_state *rules_session_new(struct subject *subject)
{
    const struct rules *rules = subject->rules;
    struct session_state *state = subject->ops->alloc(
        subject, sizeof *state + marks_size(rules, SCOPE_SESSION));
    marks_init(rules, &state->marks, SCOPE_SESSION, (char *)(state + 1));
    return state;
}

struct transaction_state *rules_transaction_new(struct subject *subject)
{
    const struct rules *rules = subject->rules;
    size_t scores = rules->scores.count * sizeof(int64_t);
    size_t vars = rules->vars.count * sizeof(struct mw_slice);
    size_t once = rules->scope_count[SCOPE_RCPT] > 0 ? rules->words * sizeof(uint64_t) : 0;
    size_t marks = marks_size(rules, SCOPE_MESSAGE);
    struct transaction_state *state = subject->ops->alloc(
        subject, sizeof *state + scores + vars + once + marks + rules->tags.count);
    char *room = (char *)(state + 1);
    state->scores = (int64_t *)(void *)room;
    state->vars = (struct mw_slice *)(void *)(room += scores);
    state->once = (uint64_t *)(void *)(room += vars);
    marks_init(rules, &state->marks, SCOPE_MESSAGE, room += once);
    state->tags = (uint8_t *)room + marks;
    return state;
}

struct marks *rules_rcpt_marks(struct subject *subject, size_t rcpt)
{
    struct transaction_state *state = subject->transaction;
    if (rcpt >= state->rcpts_cap) {
        size_t cap = rcpt < 8 ? 16 : rcpt * 2;
        struct marks **rcpts = subject->ops->alloc(subject, cap * sizeof *rcpts);
        if (state->rcpts_cap > 0)
            memcpy(rcpts, state->rcpts, state->rcpts_cap * sizeof *rcpts);
        state->rcpts = rcpts;
        state->rcpts_cap = cap;
    }
    if (state->rcpts[rcpt] == NULL) {
        struct marks *marks = subject->ops->alloc(
            subject, sizeof *marks + marks_size(subject->rules, SCOPE_RCPT));
        marks_init(subject->rules, marks, SCOPE_RCPT, (char *)(marks + 1));
        state->rcpts[rcpt] = marks;
    }
    return state->rcpts[rcpt];
}

struct marks *rules_marks(struct subject *subject, enum scope scope)
{
    switch (scope) {
    case SCOPE_SESSION:
        return &subject->session->marks;
    case SCOPE_MESSAGE:
        return &subject->transaction->marks;
    case SCOPE_RCPT:
    case SCOPE_COUNT:
        break;
    }
    return rules_rcpt_marks(subject, subject->rcpt);
}
