/* live.c - fields read through host->..., edits and replies handed to it. Lives on the stack of one
 * hook; what outlasts the hook is in the session's and the transaction's slots. */
#include "live.h"

#include <stdlib.h>

#include "explain.h"
#include "list.h"
#include "plan.h"
#include "prefetch.h"
#include "rate.h"

struct live {
    struct subject subject; /* first: a subject is turned back into this */
    struct mw_ctx *ctx;
    const struct mw_host *host;
    struct mw_slice body;
    bool has_body;
};

static struct live *live_of(struct subject *subject)
{
    return (struct live *)(void *)subject;
}

/* ---- fields ---- */

static enum got get_fact(struct live *live, const struct field *field, struct value *out)
{
    int id = live->subject.rules->fact_ids[field->id];
    struct mw_fact fact = {.type = MW_FACT_NONE};
    if (id >= 0)
        fact = live->host->fact(live->ctx, id);
    if (fact.type == MW_FACT_ERROR)
        return GOT_ERROR;
    if (type_is_number(field->type) &&
        fact.type == MW_FACT_TEXT && /* another filter's idea of it */
        text_number(fact.text, UINT32_MAX, &fact.number))
        fact.type = MW_FACT_NUMBER;
    bool is_wanted = type_is_number(field->type) ? fact.type == MW_FACT_NUMBER
                     : field->type == TYPE_IP    ? fact.type == MW_FACT_ADDRESS
                                                 : fact.type == MW_FACT_TEXT;
    if (!is_wanted)
        return GOT_END;
    out->text = fact.text;
    out->number = rules_thousandths(fact.number);
    return GOT_VALUE;
}

static enum got give_text(struct mw_slice text, struct value *out)
{
    out->text = text.ptr ? text : EMPTY;
    return GOT_VALUE;
}

static enum got give_number(uint64_t number, struct value *out)
{
    out->number = rules_thousandths(number);
    return GOT_VALUE;
}

/* The value of an ESMTP parameter ("SIZE=1000 SMTPUTF8"); one without a value reads as its own
 * name. RFC 5321 4.1.2. */
static enum got get_param(struct mw_slice params, struct mw_slice name, struct value *out)
{
    while (params.len > 0) {
        ptrdiff_t end = text_find(params, ' ');
        struct mw_slice word = end < 0 ? params : SLICE(params.ptr, (size_t)end);
        params = end < 0 ? EMPTY : text_skip(params, (size_t)end + 1);
        ptrdiff_t equals = text_find(word, '=');
        struct mw_slice key = equals < 0 ? word : SLICE(word.ptr, (size_t)equals);
        if (key.len > 0 && text_ieq(key, name))
            return give_text(equals < 0 ? word : text_skip(word, (size_t)equals + 1), out);
    }
    return GOT_END;
}

static enum got get_sender(struct live *live, const struct field_use *use, struct value *out)
{
    struct mw_path_view view = {.size = sizeof view};
    if (!live->host->sender(live->ctx, &view))
        return GOT_END;
    if (use->field->id == FIELD_SENDER_PARAM)
        return get_param(view.params, use->arg, out);
    return give_text(use->field->id == FIELD_SENDER         ? view.address
                     : use->field->id == FIELD_SENDER_LOCAL ? view.local
                                                            : view.domain,
                     out);
}

static enum got get_rcpt(struct live *live, enum field_id id, struct value *out)
{
    struct mw_path_view view = {.size = sizeof view};
    if (!live->host->rcpt(live->ctx, live->subject.rcpt, &view))
        return GOT_END;
    return give_text(id == FIELD_RCPT         ? view.address
                     : id == FIELD_RCPT_LOCAL ? view.local
                                              : view.domain,
                     out);
}

static enum got get_tally(struct live *live, const struct field_use *use, struct value *out)
{
    enum field_id id = use->field->id;
    size_t count = use->is_so_far ? live->subject.rcpt : live->host->rcpt_count(live->ctx);
    size_t found = 0;
    if (id == FIELD_RCPT_COUNT)
        return give_number(count + use->is_so_far, out);
    for (size_t i = 0; i < count; i++) {
        struct mw_path_view view = {.size = sizeof view};
        if (!live->host->rcpt(live->ctx, i, &view))
            continue;
        bool is_refused = view.status == MW_RCPT_REFUSED_FILTER ||
                          view.status == MW_RCPT_REFUSED_UPSTREAM;
        found += id == FIELD_RCPT_REFUSED ? is_refused : view.status == MW_RCPT_ACCEPTED;
    }
    return give_number(found, out);
}

static enum got get_header_count(struct live *live, const struct field_use *use, struct value *out)
{
    uint64_t count = 0;
    if (use->arg.len == 0)
        return give_number(live->host->header_count(live->ctx), out);
    for (ptrdiff_t at = -1;
         (at = live->host->header_find(live->ctx, use->arg, (size_t)(at + 1))) >= 0;)
        count++;
    return give_number(count, out);
}

static enum got get_age(struct subject *subject, struct value *out)
{
    int64_t seconds;
    if (!rules_date_age(subject, &seconds))
        return GOT_END;
    out->number = seconds * NUMBER_UNIT;
    return GOT_VALUE;
}

static struct mw_slice live_body(struct subject *subject)
{
    struct live *live = live_of(subject);
    struct rules *rules = subject->rules;
    if (!live->has_body) {
        live->has_body = true;
        live->body = live->host->body_view(live->ctx, (size_t)rules->scan_limit);
        if (live->body.len >= rules->scan_limit)
            live->host->count(live->ctx, rules->truncated_counter, 1);
    }
    return live->body.ptr ? live->body : EMPTY;
}

static enum got live_get(struct subject *subject, const struct field_use *use, struct value *out)
{
    struct live *live = live_of(subject);
    enum field_id id = use->field->id;
    if (use->field->flags & FLAG_FACT)
        return get_fact(live, use->field, out);
    if (use->field->flags & FLAG_RCPT)
        return get_rcpt(live, id, out);
    if (use->field->flags & FLAG_TALLY)
        return get_tally(live, use, out);
    if (id == FIELD_HEADER_COUNT)
        return get_header_count(live, use, out);
    if (id == FIELD_RAW_BODY)
        return give_text(live_body(subject), out);
    if (id == FIELD_MESSAGE_SIZE)
        return give_number(live->host->message_size(live->ctx), out);
    if (id == FIELD_ATTACHMENT_COUNT || id == FIELD_MIME_PARTS)
        return give_number(rules_content_number(subject, id), out);
    return id == FIELD_DATE_AGE ? get_age(subject, out) : get_sender(live, use, out);
}

static bool live_header(struct subject *subject, size_t index, struct mw_header_view *out)
{
    return live_of(subject)->host->header(live_of(subject)->ctx, index, out);
}

static struct mw_slice live_header_text(struct subject *subject, size_t index)
{
    return live_of(subject)->host->header_decoded(live_of(subject)->ctx, index);
}

static const struct mw_content *live_content(struct subject *subject)
{
    return live_of(subject)->host->content(live_of(subject)->ctx);
}

static uint64_t live_now_ms(struct subject *subject)
{
    return live_of(subject)->host->now_ms(live_of(subject)->ctx);
}

static bool live_rate(struct subject *subject, const struct rate *rate, struct mw_slice key)
{
    return rules_rate_exceeds(subject->rules->rate_table, rate, key, live_now_ms(subject));
}

/* ---- recipients, memory, edits ---- */

static size_t live_rcpt_count(struct subject *subject)
{
    return live_of(subject)->host->rcpt_count(live_of(subject)->ctx);
}

static bool live_rcpt_is_live(struct subject *subject, size_t index)
{
    struct mw_path_view view = {.size = sizeof view};
    return live_of(subject)->host->rcpt(live_of(subject)->ctx, index, &view) &&
           (view.status == MW_RCPT_PENDING || view.status == MW_RCPT_ACCEPTED);
}

static void *live_alloc(struct subject *subject, size_t size)
{
    struct live *live = live_of(subject);
    return subject->session != NULL && subject->stage >= MW_STAGE_MAIL
               ? live->host->transaction_alloc(live->ctx, size)
               : live->host->session_alloc(live->ctx, size);
}

static uint32_t live_draw(struct subject *subject)
{
    struct value ip = {.text = EMPTY};
    if (get_fact(live_of(subject), rules_field(FIELD_CLIENT_IP), &ip) != GOT_VALUE)
        return 0;
    return (uint32_t)(text_hash(ip.text, false) % 100);
}

static size_t live_header_count(struct subject *subject)
{
    return live_of(subject)->host->header_count(live_of(subject)->ctx);
}

static ptrdiff_t live_header_find(struct subject *subject, struct mw_slice name, size_t from)
{
    return live_of(subject)->host->header_find(live_of(subject)->ctx, name, from);
}

static bool live_header_add(struct subject *subject, struct mw_slice name, struct mw_slice value)
{
    return live_of(subject)->host->header_add(live_of(subject)->ctx, name, value);
}

static bool live_header_change(struct subject *subject, size_t index, struct mw_slice value)
{
    return live_of(subject)->host->header_change(live_of(subject)->ctx, index, value);
}

static bool live_header_delete(struct subject *subject, size_t index)
{
    return live_of(subject)->host->header_delete(live_of(subject)->ctx, index);
}

static bool live_set_sender(struct subject *subject, struct mw_slice address)
{
    return live_of(subject)->host->set_sender(live_of(subject)->ctx, address);
}

static bool live_rcpt_replace(struct subject *subject, size_t index, struct mw_slice address)
{
    return live_of(subject)->host->rcpt_replace(live_of(subject)->ctx, index, address);
}

static bool live_rcpt_add(struct subject *subject, struct mw_slice address)
{
    return live_of(subject)->host->rcpt_add(live_of(subject)->ctx, address);
}

static bool live_rcpt_delete(struct subject *subject, size_t index)
{
    return live_of(subject)->host->rcpt_delete(live_of(subject)->ctx, index);
}

/* A host that does not take it leaves the old way: the message does not go to him. */
static bool live_rcpt_verdict(struct subject *subject, size_t index, enum mw_verdict verdict)
{
    struct live *live = live_of(subject);
    return live->host->rcpt_verdict(live->ctx, index, verdict) ||
           live->host->rcpt_delete(live->ctx, index);
}

/* ---- telling ---- */

static void live_tally(struct subject *subject, const struct rule *rule, enum counter counter,
                       uint64_t by)
{
    live_of(subject)->host->count(live_of(subject)->ctx, rule->counters[counter], by);
}

static void live_reply(struct subject *subject, uint32_t code, struct mw_slice dsn,
                       struct mw_slice text)
{
    live_of(subject)->host->reply(live_of(subject)->ctx, code, dsn, text);
}

static void live_because(struct subject *subject, const struct rule *rule, struct mw_slice reason)
{
    live_of(subject)->host->because(live_of(subject)->ctx, rule->name, rule->where, reason);
}

static void live_tell(struct subject *subject, enum event event, const struct rule *rule,
                      struct mw_slice text)
{
    static const struct {
        const char *name, *key;
        enum mw_log_level level;
    } events[] = {
        [EVENT_HIT] = {"rule-hit", "text", MW_LOG_DEBUG},
        [EVENT_ERROR] = {"rule-error", "error", MW_LOG_WARNING},
        [EVENT_OBSERVED] = {"rule-observed", "would", MW_LOG_INFO},
        [EVENT_TAG] = {"rule-tag", "tag", MW_LOG_INFO},
        [EVENT_LOG] = {"rule-log", "text", MW_LOG_INFO},
        [EVENT_QUARANTINED] = {"rule-quarantined", "at", MW_LOG_INFO},
        [EVENT_SUSPENDED] = {"rule-suspended", "error", MW_LOG_WARNING},
        [EVENT_DELAYED] = {"rule-delayed", "seconds", MW_LOG_INFO},
        [EVENT_RCPT_REFUSED] = {"rule-rcpt-refused", "reason", MW_LOG_INFO},
        [EVENT_EDIT_FAILED] = {"rule-edit-refused", "edit", MW_LOG_WARNING},
    };
    struct live *live = live_of(subject);
    if (event == EVENT_HIT) {
        live_tally(subject, rule, COUNTER_HITS, 1);
        return;
    }
    if (event == EVENT_OBSERVED)
        live_tally(subject, rule, COUNTER_OBSERVED, 1);
    if (event == EVENT_ERROR || event == EVENT_EDIT_FAILED)
        live_tally(subject, rule, COUNTER_ERRORS, 1);
    struct mw_log_pair pairs[4] = {
        {"rule", rule->name}, {"where", rule->where}, {events[event].key, text}};
    size_t count = 3;
    struct mw_path_view view = {.size = sizeof view};
    bool is_of_rcpt = rule->scope == SCOPE_RCPT || event == EVENT_QUARANTINED;
    if (is_of_rcpt && subject->transaction != NULL &&
        live->host->rcpt(live->ctx, subject->rcpt, &view))
        pairs[count++] = (struct mw_log_pair){"to", view.address};
    live->host->log(live->ctx, events[event].level, events[event].name, pairs, count);
}

static const struct subject_ops live_ops = {
    .get = live_get,
    .header = live_header,
    .header_text = live_header_text,
    .body = live_body,
    .content = live_content,
    .rate = live_rate,
    .now_ms = live_now_ms,
    .rcpt_count = live_rcpt_count,
    .rcpt_is_live = live_rcpt_is_live,
    .alloc = live_alloc,
    .draw = live_draw,
    .header_count = live_header_count,
    .header_find = live_header_find,
    .header_add = live_header_add,
    .header_change = live_header_change,
    .header_delete = live_header_delete,
    .set_sender = live_set_sender,
    .rcpt_replace = live_rcpt_replace,
    .rcpt_add = live_rcpt_add,
    .rcpt_delete = live_rcpt_delete,
    .rcpt_verdict = live_rcpt_verdict,
    .reply = live_reply,
    .because = live_because,
    .tell = live_tell,
    .tally = live_tally,
};

/* ---- a run ---- */

static void live_init(struct live *live, struct mw_ctx *ctx, struct rules *rules,
                      enum mw_stage stage, size_t rcpt)
{
    struct subject *subject = &live->subject;
    memset(live, 0, sizeof *live);
    live->ctx = ctx;
    live->host = rules->host;
    subject->ops = &live_ops;
    subject->rules = rules;
    subject->stage = stage;
    subject->rcpt = rcpt;
    void **session = rules->host->session_slot(ctx);
    if (*session == NULL)
        *session = rules_session_new(subject);
    subject->session = *session;
    if (stage >= MW_STAGE_MAIL) {
        void **transaction = rules->host->transaction_slot(ctx);
        if (*transaction == NULL)
            *transaction = rules_transaction_new(subject);
        subject->transaction = *transaction;
    }
}

/* ---- a stage that may take its time ---- */

/* What a stage waits for, one after the other: a job that matches patterns, lists that are asked (as
 * often as answers bring up new questions, but not for ever), the time of `delay`. On the stack until
 * it has to wait; then on the heap until the verdict is given or nobody wants it any more. */
struct pause {
    struct mw_ctx *ctx;
    struct rules *rules;
    enum mw_stage stage;
    size_t rcpt;
    struct mw_ticket *ticket; /* NULL: not parked, or cancelled */
    bool is_on_heap, is_working, has_tried_work;
    unsigned rounds;
    struct list_answers *answers;
    struct prefetch *prefetch;
    struct mw_timer *timer; /* of a delay */
    enum mw_verdict verdict;
};

enum { ROUNDS_MAX = 4, DELAYS_MAX_MS = 5 * 60 * 1000 };

static enum mw_verdict advance(struct pause *pause);

static void pause_fini(struct pause *pause)
{
    rules_list_answers_free(&pause->answers);
    rules_prefetch_free(&pause->prefetch);
    if (pause->is_on_heap)
        free(pause);
}

/* The verdict is no longer wanted. A job goes on, and its end frees the rest. */
static void on_cancelled(void *user)
{
    struct pause *pause = user;
    pause->ticket = NULL;
    if (pause->is_working)
        return;
    if (pause->timer != NULL)
        pause->rules->host->timer_cancel(pause->timer);
    if (pause->answers != NULL)
        rules_list_cancel(pause->answers);
    pause_fini(pause);
}

static struct pause *to_heap(const struct pause *pause)
{
    struct pause *kept = malloc(sizeof *kept);
    if (kept == NULL)
        abort();
    *kept = *pause;
    kept->is_on_heap = true;
    return kept;
}

static struct pause *park(struct pause *pause)
{
    struct pause *kept = pause->is_on_heap ? pause : to_heap(pause);
    if (kept->ticket == NULL)
        kept->ticket = kept->rules->host->park(kept->ctx, on_cancelled, kept);
    return kept;
}

static void go_on(struct pause *pause)
{
    struct mw_ticket *ticket = pause->ticket;
    const struct mw_host *host = pause->rules->host;
    enum mw_verdict verdict = advance(pause);
    if (verdict != MW_WAIT)
        host->resume(ticket, verdict);
}

/* -- patterns -- */

static void do_work(void *user)
{
    rules_prefetch_run(((struct pause *)user)->prefetch);
}

static void on_worked(void *user)
{
    struct pause *pause = user;
    pause->is_working = false;
    if (pause->ticket == NULL)
        pause_fini(pause);
    else
        go_on(pause);
}

/* False: too little to do, or the pool has enough to do; then the loop does it. It is the first
 * thing that a stage may wait for, so that nothing is parked yet. */
static bool start_work(struct pause *pause, struct live *live)
{
    if (pause->has_tried_work)
        return false;
    pause->has_tried_work = true;
    struct prefetch *prefetch = rules_prefetch_new(&live->subject);
    if (prefetch == NULL)
        return false;
    struct pause *kept = to_heap(pause);
    kept->prefetch = prefetch;
    kept->is_working = true;
    if (kept->rules->host->work(kept->ctx, do_work, on_worked, kept)) {
        park(kept);
        return true;
    }
    pause_fini(kept);
    return false;
}

/* -- lists -- */

static void on_answered(void *user)
{
    go_on(user);
}

static bool start_asking(struct pause *pause, struct live *live)
{
    if (!pause->rules->plans[pause->stage]->asks)
        return false;
    if (pause->answers == NULL) {
        pause->answers = rules_list_answers_new(pause->rules);
        rules_list_answers_charge(pause->answers, pause->ctx);
    }
    live->subject.answers = pause->answers;
    if (pause->rounds++ >= ROUNDS_MAX || rules_run_dry(&live->subject, pause->stage) == 0)
        return false;
    struct pause *kept = park(pause);
    rules_list_ask(kept->answers, on_answered, kept);
    return true;
}

/* -- delay -- */

static void on_delayed(void *user)
{
    struct pause *pause = user;
    struct mw_ticket *ticket = pause->ticket;
    const struct mw_host *host = pause->rules->host;
    enum mw_verdict verdict = pause->verdict;
    pause_fini(pause);
    host->resume(ticket, verdict);
}

static bool start_delay(struct pause *pause, struct live *live, enum mw_verdict verdict)
{
    struct session_state *session = live->subject.session;
    uint64_t left = DELAYS_MAX_MS - session->delayed_ms;
    uint64_t wait = live->subject.delay_ms < left ? live->subject.delay_ms : left;
    if (wait == 0 || live->host->is_observed(live->ctx))
        return false;
    session->delayed_ms += wait;
    struct pause *kept = park(pause);
    kept->verdict = verdict;
    kept->timer = kept->rules->host->timer(kept->ctx, wait, on_delayed, kept);
    return true;
}

/* -- all of it -- */

/* Recipients of different groups may get different verdicts at the end of the message. */
static void name_group(struct live *live, enum mw_stage stage, enum mw_verdict verdict)
{
    char room[GROUP_NAME_MAX];
    if (stage != MW_STAGE_RCPT || !live->subject.rules->has_groups ||
        (verdict != MW_CONTINUE && verdict != MW_ACCEPT) ||
        live->subject.session->marks.is_decided || live->subject.transaction->marks.is_decided)
        return;
    live->host->rcpt_group(live->ctx, rules_rcpt_group(&live->subject, room));
}

static enum mw_verdict advance(struct pause *pause)
{
    struct live live;
    live_init(&live, pause->ctx, pause->rules, pause->stage, pause->rcpt);
    if (start_work(pause, &live))
        return MW_WAIT;
    live.subject.prefetch = pause->prefetch;
    if (start_asking(pause, &live))
        return MW_WAIT;
    live.subject.explain = rules_explain_new(&live.subject, pause->ctx);
    enum mw_verdict verdict = rules_run(&live.subject, pause->stage);
    name_group(&live, pause->stage, verdict);
    if (start_delay(pause, &live, verdict))
        return MW_WAIT;
    pause_fini(pause);
    return verdict;
}

enum mw_verdict rules_live_run(struct mw_ctx *ctx, struct rules *rules, enum mw_stage stage,
                               size_t rcpt)
{
    struct pause pause = {.ctx = ctx, .rules = rules, .stage = stage, .rcpt = rcpt};
    if (!(rules->wants & MW_STAGE_BIT(stage)))
        return MW_CONTINUE;
    return advance(&pause);
}
