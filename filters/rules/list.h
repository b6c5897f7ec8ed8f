/* list.h - lists of the rule language: inline, file, cidr, regex, postfix, lmdb, redis, dnsbl.
 *
 * A list is a bag of words until a field is looked up in it; then it becomes a set of the kind that
 * the field's type needs (networks, hosts, addresses, texts), built once for each kind and checked
 * entry by entry. Files are read anew when they change (inotify), in a pool thread, and exchanged
 * whole: sessions see the old list or the new one; a list that fails to reload keeps its content and
 * says so. Everything here runs on the loop but for the reading.
 *
 * Lists that live elsewhere (redis, dnsbl) are asked between two looks at the rules: a look-up that
 * has no answer yet says LIST_ASK and notes the question; the engine then asks all that was noted at
 * once, waits, and looks again. */
#ifndef RULES_LIST_H
#define RULES_LIST_H

#include "model.h"

enum list_kind {
    LIST_INLINE = 0,
    LIST_FILE,
    LIST_CIDR,
    LIST_REGEX,
    LIST_POSTFIX,
    LIST_LMDB,
    LIST_REDIS,
    LIST_DNSBL
};

struct list;         /* list_priv.h */
struct list_set;     /* a list as the fields of one type look it up */
struct list_answers; /* what lists that live elsewhere have said to one transaction */

/* An empty list, and the values in parentheses behind `in`: parse_list.c. */
struct list *rules_list_new(struct rules *rules, struct mw_slice name, const struct place *place);
/* parse_list.c makes it; NULL: none of that name. */
struct list *rules_list_find(const struct rules *rules, struct mw_slice name);
struct mw_slice rules_list_name(const struct list *list);
const struct place *rules_list_place(const struct list *list);
enum list_kind rules_list_kind(const struct list *list);
struct list *rules_list_next(const struct list *list); /* rules->lists, then NULL */
/* Has to be asked over the network. */
bool rules_list_is_slow(const struct list *list);
bool rules_list_is_used(const struct list *list);

/* The set for fields of that type. Entries that do not fit are errors. NULL after an error. */
struct list_set *rules_list_set(struct rules *rules, struct list *list, const struct field *field);

enum list_answer { LIST_NO = 0, LIST_YES, LIST_FAILED, LIST_ASK };
/* `answers` may be NULL for lists that are not slow. FAILED: *out_error (static) says why. */
enum list_answer rules_list_has(struct list_set *set, const struct value *value,
                                struct list_answers *answers, const char **out_error);

/* ---- sums: what the zones of a DNS list come to together ---- */

struct list_sum {
    int64_t low, high;              /* it is between these; the same once all is known */
    uint64_t hits[LIST_ZONE_WORDS]; /* zones that added to it, as bits */
    struct mw_slice text;           /* the TXT record of the first of them; empty: none is known */
    bool is_partial;                /* some zone has not answered */
    const char *error;              /* why; may be NULL */
};
/* YES: *out_sum says what is known. ASK: nothing yet. As rules_list_has() otherwise (NO: the sum is 0). */
enum list_answer rules_list_sum(struct list_set *set, const struct value *value,
                                struct list_answers *answers, struct list_sum *out_sum);
/* Some test changes its mind where the sum reaches `cut`: waiting ends when all such are decided. */
void rules_list_cut(struct list *list, int64_t cut);
/* Every zone's answer counts; its TXT record is asked for as well. */
void rules_list_want_all(struct list *list);
void rules_list_want_text(struct list *list);
/* The sum from which on `in` holds; the most that there can be. */
int32_t rules_list_threshold(const struct list *list);
int32_t rules_list_most(const struct list *list);
/* The word of that number that stands on the spot, in (a, b). False: no more. */
bool rules_list_word(const struct list *list, size_t number, struct mw_slice *out_word,
                     struct place *out_place);
/* Of any list. */
bool rules_list_has_zone(const struct rules *rules, struct mw_slice name);
/* A hint, or NULL. */
const char *rules_list_near_zone(const struct rules *rules, struct mw_slice name);
/* NULL: no such zone. */
const char *rules_list_zone_name(const struct list *list, size_t number);

/* ---- lists that live elsewhere ---- */

struct list_answers *rules_list_answers_new(struct rules *rules);
/* Questions to the DNS are charged to the session (host->query), which outlives the answers or
 * cancels them. Without it they are the instance's own (host->dns). */
void rules_list_answers_charge(struct list_answers *answers, struct mw_ctx *ctx);
/* Nobody is asked: what a `test` block lists is what the DNS would say. */
struct listing;
void rules_list_answers_play(struct list_answers *answers, const struct listing *listings);
/* Nothing more will come. */
void rules_list_answers_free(struct list_answers **answers);
/* Questions that were noted and not asked yet. */
size_t rules_list_pending(const struct list_answers *answers);
/* Ask them all. done(user) runs once, on the loop, never before this returns, when every one has an
 * answer or its time is over (`list-timeout`; then the answer is FAILED). */
void rules_list_ask(struct list_answers *answers, void (*done)(void *user), void *user);
/* The asker has gone: done will not run. */
void rules_list_cancel(struct list_answers *answers);

/* ---- life ---- */

/* The service begins: watch the files, open connections when they are first needed. */
void rules_lists_start(struct rules *rules);
/* Before the set is freed. */
void rules_lists_stop(struct rules *rules);

#endif
