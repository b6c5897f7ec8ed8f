/* list_answers.c - the questions of one transaction to lists that live elsewhere.
 *
 * A question is noted when a look-up first needs its answer, asked with all others that were noted,
 * and answered once: by the server, by its deadline, or by nobody being there to ask. One alarm
 * serves the whole round: it fires at the next deadline, and once more, at once, when the last
 * answer has come, so that done() never runs inside somebody else's callback. */
#include "list_priv.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static void on_alarm(void *user);

struct list_answers *rules_list_answers_new(struct rules *rules)
{
    struct list_answers *answers = calloc(1, sizeof *answers);
    if (answers == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    answers->rules = rules;
    return answers;
}

void rules_list_answers_charge(struct list_answers *answers, struct mw_ctx *ctx)
{
    const struct mw_host *host = answers->rules->host;
    bool can_charge = host->size >= offsetof(struct mw_host, query) + sizeof host->query &&
                      host->query != NULL;
    answers->payer = can_charge ? ctx : NULL;
}

void rules_list_answers_free(struct list_answers **answers_at)
{
    struct list_answers *answers = *answers_at;
    *answers_at = NULL;
    if (answers == NULL)
        return;
    rules_list_cancel(answers);
    for (size_t i = 0; i < answers->count; i++) {
        rules_dnsbl_free(answers->questions[i]);
        free(answers->questions[i]);
    }
    free(answers->questions);
    free(answers->slots);
    free(answers);
}

void rules_list_answers_play(struct list_answers *answers, const struct listing *listings)
{
    answers->is_played = true;
    answers->listings = listings;
}

size_t rules_list_pending(const struct list_answers *answers)
{
    return answers->pending;
}

/* ---- noting ---- */

/* The form in which a value is compared with what was asked before, and asked. False: no list has it. */
static bool key_of(enum set_kind kind, struct mw_slice text, char *out, size_t *out_len)
{
    size_t fold_from = kind == SET_HOST || kind == SET_NAME ? 0 : text.len;
    if (kind == SET_HOST && text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > LIST_ENTRY_MAX)
        return false;
    if (kind == SET_ADDRESS) {
        ptrdiff_t at = text_rfind(text, '@');
        fold_from = at < 0 ? text.len : (size_t)at;
    }
    for (size_t i = 0; i < text.len; i++)
        out[i] = i < fold_from ? text.ptr[i] : text_lower(text.ptr[i]);
    *out_len = text.len;
    return true;
}

/* ---- the questions there are ---- */

static void draw_secret(struct list_answers *answers)
{
    if (getrandom(answers->secret, sizeof answers->secret, 0) != sizeof answers->secret)
        answers->secret[0] = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)answers;
    answers->secret[1] |= 1;
}

/* Keys are the sender's words: without the secret he could have thousands in one slot. */
static uint64_t hash_of(const struct list_answers *answers, struct mw_slice key)
{
    uint64_t hash = answers->secret[0];
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * answers->secret[1];
    return hash ^ hash >> 32;
}

/* Where the question is, or would be. */
static struct list_question **slot_of(const struct list_answers *answers,
                                      const struct list_set *set, uint64_t hash,
                                      struct mw_slice key)
{
    size_t mask = answers->cap * 2 - 1, i = hash & mask;
    while (answers->slots[i] != NULL &&
           (answers->slots[i]->hash != hash || answers->slots[i]->set != set ||
            !text_eq(answers->slots[i]->key, key)))
        i = (i + 1) & mask;
    return &answers->slots[i];
}

static struct list_question *find(const struct list_answers *answers, const struct list_set *set,
                                  uint64_t hash, struct mw_slice key)
{
    return answers->cap == 0 ? NULL : *slot_of(answers, set, hash, key);
}

/* Half of the slots are free. */
static void grow(struct list_answers *answers)
{
    answers->cap = answers->cap == 0 ? 16 : answers->cap * 2;
    answers->questions = realloc(answers->questions, answers->cap * sizeof *answers->questions);
    free(answers->slots);
    answers->slots = calloc(answers->cap * 2, sizeof *answers->slots);
    if (answers->questions == NULL || answers->slots == NULL)
        abort();
    for (size_t i = 0; i < answers->count; i++) {
        struct list_question *question = answers->questions[i];
        *slot_of(answers, question->set, question->hash, question->key) = question;
    }
}

static struct list_question *note(struct list_answers *answers, struct list_set *set, uint64_t hash,
                                  struct mw_slice key)
{
    struct list_question *question = calloc(1, sizeof *question + key.len);
    if (question == NULL)
        abort();
    if (answers->count == answers->cap)
        grow(answers);
    memcpy(question->octets, key.ptr, key.len);
    question->key = SLICE(question->octets, key.len);
    question->answers = answers;
    question->set = set;
    question->hash = hash;
    answers->questions[answers->count++] = question;
    *slot_of(answers, set, hash, key) = question;
    return question;
}

/* A test block's question is answered on the spot. */
static void play(struct list_question *question)
{
    question->state = QUESTION_ASKED;
    question->answers->open += 2; /* none is ever over: there is nobody to call */
    if (question->set->list->kind == LIST_DNSBL)
        rules_dnsbl_play(question, question->answers->listings);
    else
        rules_list_answered(question, LIST_NO, NULL);
    question->answers->open--;
}

/* A message with a thousand links must not become a hundred thousand questions. */
static size_t cost_of(const struct list *list)
{
    return list->kind == LIST_DNSBL ? list->zone_count : 1;
}

enum list_answer rules_list_question(struct list_set *set, struct mw_slice text,
                                     struct list_answers *answers,
                                     struct list_question **out_question, const char **out_error)
{
    char octets[LIST_ENTRY_MAX];
    size_t len;
    if (!key_of(set->kind, text, octets, &len))
        return LIST_NO;
    if (answers == NULL || (set->list->life == NULL && !answers->is_played)) {
        *out_error = "lists that live elsewhere are only asked by the running service";
        return LIST_FAILED;
    }
    if (answers->count == 0)
        draw_secret(answers);
    struct mw_slice key = SLICE(octets, len);
    uint64_t hash = hash_of(answers, key);
    struct list_question *question = find(answers, set, hash, key);
    if (question == NULL && answers->cost + cost_of(set->list) > LIST_QUESTIONS_MAX) {
        *out_error = "too many questions to lists in one transaction";
        return LIST_FAILED;
    }
    if (question == NULL) {
        question = note(answers, set, hash, key);
        answers->cost += cost_of(set->list);
        if (answers->is_played)
            play(question);
        else
            answers->pending++;
    }
    *out_question = question;
    return LIST_YES;
}

enum list_answer rules_list_answer(struct list_set *set, struct mw_slice text,
                                   struct list_answers *answers, const char **out_error)
{
    struct list_question *question = NULL;
    enum list_answer can = rules_list_question(set, text, answers, &question, out_error);
    if (can != LIST_YES)
        return can;
    if (question->state != QUESTION_ANSWERED)
        return LIST_ASK;
    if (question->answer == LIST_FAILED)
        *out_error = question->error;
    return question->answer;
}

/* ---- asking ---- */

static uint64_t now_ms(const struct list_answers *answers)
{
    return answers->rules->host->clock_ms(answers->rules->instance);
}

static void set_alarm(struct list_answers *answers, uint64_t delay_ms)
{
    const struct mw_host *host = answers->rules->host;
    if (answers->alarm != NULL)
        host->alarm_cancel(answers->alarm);
    answers->alarm = host->alarm(answers->rules->instance, delay_ms, on_alarm, answers);
}

/* At the next deadline, or at once when nothing is open any more. */
static void wait_on(struct list_answers *answers)
{
    uint64_t next = UINT64_MAX, now = now_ms(answers);
    if (answers->open == 0) {
        answers->is_over = true;
        set_alarm(answers, 0);
        return;
    }
    for (size_t i = 0; i < answers->count; i++) {
        const struct list_question *question = answers->questions[i];
        if (question->state == QUESTION_ASKED && question->deadline_ms < next)
            next = question->deadline_ms;
    }
    set_alarm(answers, next > now ? next - now : 0);
}

static void ask(struct list_question *question)
{
    if (question->set->list->kind == LIST_REDIS)
        rules_redis_ask(question);
    else
        rules_dnsbl_ask(question);
}

static void forget(struct list_question *question)
{
    rules_redis_forget(question);
    rules_dnsbl_forget(question);
}

/* splitmix64: below `bound`, which is small. */
static size_t draw(uint64_t *state, size_t bound)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((z ^ z >> 31) % bound);
}

/* There may be more than the session has questions left. In the sender's order he would put five
 * hundred names that nobody lists before the one that is listed. */
static void shuffle(struct list_answers *answers)
{
    uint64_t state = answers->secret[0];
    if (answers->payer == NULL || answers->pending <= DNSBL_OPEN_MAX)
        return;
    for (size_t i = answers->count; i > 1; i--) {
        size_t other = draw(&state, i);
        struct list_question *kept = answers->questions[i - 1];
        answers->questions[i - 1] = answers->questions[other];
        answers->questions[other] = kept;
    }
}

void rules_list_ask(struct list_answers *answers, void (*done)(void *user), void *user)
{
    uint64_t now = now_ms(answers);
    answers->done = done;
    answers->user = user;
    answers->is_over = false;
    shuffle(answers);
    answers->open++; /* until all are asked: some are answered on the spot */
    for (size_t i = 0; i < answers->count; i++) {
        struct list_question *question = answers->questions[i];
        if (question->state != QUESTION_NOTED)
            continue;
        question->state = QUESTION_ASKED;
        question->deadline_ms = now + question->set->list->timeout_ms;
        answers->pending--;
        answers->open++;
        ask(question);
    }
    rules_dnsbl_go_on(answers);
    answers->open--;
    wait_on(answers);
}

void rules_list_answered(struct list_question *question, enum list_answer answer, const char *error)
{
    struct list_answers *answers = question->answers;
    if (question->state != QUESTION_ASKED)
        return;
    question->state = QUESTION_ANSWERED;
    question->answer = answer;
    question->error = error;
    forget(question);
    if (--answers->open == 0)
        wait_on(answers);
}

static void end_late(struct list_answers *answers)
{
    uint64_t now = now_ms(answers);
    answers->open++; /* keeps rules_list_answered() from winding up in between */
    for (size_t i = 0; i < answers->count; i++) {
        struct list_question *question = answers->questions[i];
        if (question->state != QUESTION_ASKED || question->deadline_ms > now)
            continue;
        if (question->set->list->kind == LIST_DNSBL)
            rules_dnsbl_end(question);
        else
            rules_list_answered(question, LIST_FAILED, "no answer in time");
    }
    rules_dnsbl_go_on(answers);
    answers->open--;
}

static void on_alarm(void *user)
{
    struct list_answers *answers = user;
    answers->alarm = NULL;
    if (!answers->is_over) {
        end_late(answers);
        wait_on(answers);
        return;
    }
    void (*done)(void *) = answers->done;
    answers->done = NULL;
    if (done != NULL)
        done(answers->user); /* may free `answers` */
}

void rules_list_cancel(struct list_answers *answers)
{
    answers->done = NULL;
    answers->open++;
    for (size_t i = 0; i < answers->count; i++)
        if (answers->questions[i]->state == QUESTION_ASKED)
            rules_list_answered(answers->questions[i], LIST_FAILED, "nobody waits for it any more");
    answers->open = 0;
    if (answers->alarm != NULL)
        answers->rules->host->alarm_cancel(answers->alarm);
    answers->alarm = NULL;
}
