/* lookup.c - the loop around a check: run, ask what it wants to know, wait for all answers, run again.
 *
 *   lookups_begin -> step -> ask ... answered, answered -> step -> ... -> finish -> ended()
 *                                          late (timer) -> give up ----------^
 *   lookups_release, lookups_end -> drop: timer and questions are cancelled, nobody is told
 *
 * Nothing is touched behind ended(): it may resume a verdict, and with that end the session. */
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memory.h"

struct question {
    struct lookup *lookup;
    size_t index; /* of the needs of this run */
    struct mw_question *handle;
};

struct lookup {
    struct lookup *next;
    struct lookups *of;
    char client[16];
    struct mw_slice sender, helo; /* in `octets` */
    bool wants_explanation, is_done, is_used, was_late;
    uint64_t valid_until_ms;
    struct spf_setup setup;
    struct spf_check *check; /* NULL when it is done */
    struct mw_timer *timer;
    struct question *questions;
    size_t asked, open;
    struct spf_verdict verdict; /* its texts in `texts` */
    char *texts;
    char octets[];
};

bool lookup_is_done(const struct lookup *lookup)
{
    return lookup->is_done;
}

bool lookup_was_late(const struct lookup *lookup)
{
    return lookup->was_late;
}

const struct spf_verdict *lookup_verdict(const struct lookup *lookup)
{
    return &lookup->verdict;
}

/* ---- the end ---- */

static void cancel(struct lookup *lookup)
{
    const struct mw_host *host = lookup->of->host;
    for (size_t i = 0; i < lookup->asked; i++)
        if (lookup->questions[i].handle != NULL)
            host->dns_cancel(lookup->questions[i].handle);
    lookup->asked = lookup->open = 0;
    if (lookup->timer != NULL)
        host->timer_cancel(lookup->timer);
    lookup->timer = NULL;
}

/* Takes `lookup` off its list and frees it. */
static void drop(struct lookup *lookup)
{
    struct lookup **at = &lookup->of->first;
    while (*at != lookup)
        at = &(*at)->next;
    *at = lookup->next;
    lookup->of->count--;
    cancel(lookup);
    spf_check_free(&lookup->check);
    free(lookup->questions);
    free(lookup->texts);
    free(lookup);
}

static struct mw_slice keep(struct builder *texts, struct mw_slice text, size_t max)
{
    size_t at = texts->len;
    builder_put(texts, SLICE(text.ptr, text.len < max ? text.len : max));
    return SLICE(texts->ptr + at, texts->len - at);
}

/* The verdict is copied, so that the check with all its answers can go. */
static void keep_verdict(struct lookup *lookup)
{
    enum { NAME = 253, TEXT = 300 };
    struct spf_verdict *verdict = &lookup->verdict;
    spf_check_verdict(lookup->check, verdict);
    size_t cap = verdict->domain.len + verdict->record_domain.len + verdict->mechanism.len +
                 verdict->problem.len + verdict->explanation.len;
    lookup->texts = memory_new(1, cap + 1);
    struct builder texts = {.ptr = lookup->texts, .cap = cap};
    verdict->domain = keep(&texts, verdict->domain, NAME);
    verdict->record_domain = keep(&texts, verdict->record_domain, NAME);
    verdict->mechanism = keep(&texts, verdict->mechanism, TEXT);
    verdict->problem = keep(&texts, verdict->problem, TEXT);
    verdict->explanation = keep(&texts, verdict->explanation, CHECK_EXPLANATION_MAX);
}

static void finish(struct lookup *lookup)
{
    struct lookups *of = lookup->of;
    cancel(lookup);
    keep_verdict(lookup);
    spf_check_free(&lookup->check);
    lookup->is_done = true;
    bool is_error = lookup->verdict.result == SPF_TEMPERROR;
    lookup->valid_until_ms = of->host->now_ms(of->ctx) +
                             (is_error ? LOOKUP_KEEP_ERROR_MS : LOOKUP_KEEP_MS);
}

static void give_up(struct lookup *lookup)
{
    char why[64];
    cancel(lookup);
    snprintf(why, sizeof why, "no result within %llu s",
             (unsigned long long)lookup->of->limit_ms / 1000);
    spf_check_give_up(lookup->check, why);
    lookup->was_late = true;
    finish(lookup);
}

static void late(void *user)
{
    struct lookup *lookup = user;
    lookup->timer = NULL;
    give_up(lookup);
    lookup->of->ended(lookup->of->user);
}

/* ---- running ---- */

static bool step(struct lookup *lookup);

static void answered(void *user, const struct mw_dns_answer *answer)
{
    struct question *question = user;
    struct lookup *lookup = question->lookup;
    question->handle = NULL;
    spf_check_answer(lookup->check, question->index, answer);
    lookup->open--;
    if (lookup->open == 0 && step(lookup))
        lookup->of->ended(lookup->of->user);
}

/* The names of the needs are good until they are answered: all are asked before the first is answered, which is with a failure where there is
 * nobody to ask. */
static void ask(struct lookup *lookup, const struct spf_need *needs, size_t count)
{
    const struct lookups *of = lookup->of;
    free(lookup->questions);
    lookup->questions = memory_new(count, sizeof *lookup->questions);
    lookup->asked = count;
    lookup->open = 0;
    for (size_t i = 0; i < count; i++) {
        struct question *question = &lookup->questions[i];
        *question = (struct question){.lookup = lookup, .index = i};
        question->handle = of->host->query(of->ctx, needs[i].name, needs[i].kind, answered,
                                           question);
        lookup->open += question->handle != NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (lookup->questions[i].handle == NULL)
            spf_check_answer(lookup->check, i, NULL);
}

/* True: it is done. */
static bool step(struct lookup *lookup)
{
    const struct spf_need *needs;
    size_t count;
    while (!spf_check_run(lookup->check, &needs, &count)) {
        ask(lookup, needs, count);
        if (lookup->open > 0)
            return false;
    }
    finish(lookup);
    return true;
}

/* ---- beginning ---- */

static bool is_about(const struct lookup *lookup, const struct spf_sender *sender,
                     bool wants_explanation)
{
    return memcmp(lookup->client, sender->address, sizeof lookup->client) == 0 &&
           text_eq(lookup->sender, sender->sender) && text_eq(lookup->helo, sender->helo) &&
           (lookup->wants_explanation || !wants_explanation);
}

/* One that runs for this transaction, or has run and is not too old. */
static struct lookup *find(const struct lookups *lookups, const struct spf_sender *sender,
                           bool wants_explanation)
{
    uint64_t now_ms = lookups->host->now_ms(lookups->ctx);
    for (struct lookup *lookup = lookups->first; lookup != NULL; lookup = lookup->next)
        if (is_about(lookup, sender, wants_explanation) &&
            (!lookup->is_done || now_ms < lookup->valid_until_ms))
            return lookup;
    return NULL;
}

/* The list has the newest in front. */
static void make_room(struct lookups *lookups)
{
    struct lookup *oldest = NULL;
    if (lookups->count < LOOKUPS_MAX)
        return;
    for (struct lookup *lookup = lookups->first; lookup != NULL; lookup = lookup->next)
        if (!lookup->is_used)
            oldest = lookup;
    if (oldest != NULL)
        drop(oldest);
}

static struct lookup *lookup_new(struct lookups *lookups, const struct spf_sender *sender,
                                 bool wants_explanation)
{
    size_t len = sender->sender.len + sender->helo.len;
    struct lookup *lookup = memory_new(1, sizeof *lookup + len);
    struct builder octets = {.ptr = lookup->octets, .cap = len};
    lookup->of = lookups;
    memcpy(lookup->client, sender->address, sizeof lookup->client);
    lookup->sender = keep(&octets, sender->sender, len);
    lookup->helo = keep(&octets, sender->helo, len);
    lookup->wants_explanation = wants_explanation;
    lookup->setup = lookups->setup;
    lookup->setup.wants_explanation = wants_explanation;
    lookup->setup.time_s = (uint64_t)time(NULL);
    lookup->check = spf_check_new(&lookup->setup, sender);
    lookup->next = lookups->first;
    lookups->first = lookup;
    lookups->count++;
    return lookup;
}

struct lookup *lookups_begin(struct lookups *lookups, const struct spf_sender *sender,
                             bool wants_explanation, bool *out_is_known)
{
    struct lookup *lookup = find(lookups, sender, wants_explanation);
    *out_is_known = lookup != NULL;
    if (lookup == NULL) {
        make_room(lookups);
        lookup = lookup_new(lookups, sender, wants_explanation);
        if (!step(lookup)) {
            lookup->timer = lookups->host->timer(lookups->ctx, lookups->limit_ms, late, lookup);
            if (lookup->timer == NULL) /* no wait without a deadline */
                give_up(lookup);
        }
    }
    lookup->is_used = true;
    return lookup;
}

void lookups_release(struct lookups *lookups)
{
    for (struct lookup *lookup = lookups->first, *next; lookup != NULL; lookup = next) {
        next = lookup->next;
        lookup->is_used = false;
        if (!lookup->is_done)
            drop(lookup);
    }
}

void lookups_end(struct lookups *lookups)
{
    while (lookups->first != NULL)
        drop(lookups->first);
}
