/* live.c - fields read through host->..., edits and replies handed to it. Lives on the stack of one
 * hook; what outlasts the hook is in the session's and the transaction's slots. */
#include "live.h"

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
    bool is_wanted = type_is_number(field->type) ? fact.type == MW_FACT_NUMBER
                     : field->type == TYPE_IP    ? fact.type == MW_FACT_ADDRESS
                                                 : fact.type == MW_FACT_TEXT;
    if (!is_wanted)
        return GOT_END;
    out->text = fact.text;
    out->number = fact.number < INT64_MAX / NUMBER_UNIT ? (int64_t)fact.number * NUMBER_UNIT
                                                        : INT64_MAX;
    return GOT_VALUE;
}

static enum got give_text(struct mw_slice text, struct value *out)
{
    out->text = text.ptr ? text : EMPTY;
    return GOT_VALUE;
}

static enum got give_number(uint64_t number, struct value *out)
{
    out->number = number < INT64_MAX / NUMBER_UNIT ? (int64_t)number * NUMBER_UNIT : INT64_MAX;
    return GOT_VALUE;
}

/* The value of an ESMTP parameter ("SIZE=1000 SMTPUTF8"); one without a value reads as its own
 * name. RFC 5321 4.1.2. */
static enum got get_param(struct mw_slice params, struct mw_slice name, struct value *out)
{
    while (params.len > 0) {
        ptrdiff_t end = rules_text_find(params, ' ');
        struct mw_slice word = end < 0 ? params : SLICE(params.ptr, (size_t)end);
        params = end < 0 ? EMPTY : text_skip(params, (size_t)end + 1);
        ptrdiff_t equals = rules_text_find(word, '=');
        struct mw_slice key = equals < 0 ? word : SLICE(word.ptr, (size_t)equals);
        if (key.len > 0 && rules_text_ieq(key, name))
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

static enum got get_tally(struct live *live, enum field_id id, struct value *out)
{
    size_t count = live->host->rcpt_count(live->ctx), found = 0;
    if (id == FIELD_RCPT_COUNT)
        return give_number(count, out);
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

/* *cursor: index of the next field to look at. */
static enum got get_header(struct live *live, const struct field_use *use, size_t *cursor,
                           struct value *out)
{
    ptrdiff_t at = live->host->header_find(live->ctx, use->arg, *cursor);
    if (at < 0)
        return GOT_END;
    *cursor = (size_t)at + 1;
    if (use->field->id == FIELD_HEADER)
        return give_text(rules_text_trim(live->host->header_decoded(live->ctx, (size_t)at)), out);
    struct mw_header_view view = {.size = sizeof view};
    live->host->header(live->ctx, (size_t)at, &view);
    return give_text(rules_text_trim(view.value), out);
}

static enum got get_header_name(struct live *live, size_t *cursor, struct value *out)
{
    struct mw_header_view view = {.size = sizeof view};
    if (*cursor >= live->host->header_count(live->ctx) ||
        !live->host->header(live->ctx, (*cursor)++, &view))
        return GOT_END;
    return give_text(view.name, out);
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

static struct mw_slice body_of(struct live *live)
{
    struct rules *rules = live->subject.rules;
    if (!live->has_body) {
        live->has_body = true;
        live->body = live->host->body_view(live->ctx, (size_t)rules->scan_limit);
        if (live->body.len >= rules->scan_limit)
            live->host->count(live->ctx, rules->truncated_counter, 1);
    }
    return live->body.ptr ? live->body : EMPTY;
}

static enum got get_single(struct live *live, const struct field_use *use, struct value *out)
{
    enum field_id id = use->field->id;
    if (use->field->flags & FLAG_FACT)
        return get_fact(live, use->field, out);
    if (use->field->flags & FLAG_RCPT)
        return get_rcpt(live, id, out);
    if (use->field->flags & FLAG_TALLY)
        return get_tally(live, id, out);
    if (id == FIELD_HEADER_COUNT)
        return get_header_count(live, use, out);
    if (id == FIELD_RAW_BODY)
        return give_text(body_of(live), out);
    if (id == FIELD_MESSAGE_SIZE)
        return give_number(live->host->message_size(live->ctx), out);
    return get_sender(live, use, out);
}

static enum got live_get(struct subject *subject, const struct field_use *use, size_t *cursor,
                         struct value *out)
{
    struct live *live = live_of(subject);
    if (use->field->id == FIELD_HEADER || use->field->id == FIELD_RAW_HEADER)
        return get_header(live, use, cursor, out);
    if (use->field->id == FIELD_HEADER_NAMES)
        return get_header_name(live, cursor, out);
    if (use->field->id == FIELD_BODY_LINE)
        return rules_next_line(body_of(live), cursor, &out->text) ? GOT_VALUE : GOT_END;
    return (*cursor)++ > 0 ? GOT_END : get_single(live, use, out);
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
    return subject->transaction != NULL || subject->stage >= MW_STAGE_MAIL
               ? live->host->transaction_alloc(live->ctx, size)
               : live->host->session_alloc(live->ctx, size);
}

static uint32_t live_draw(struct subject *subject)
{
    struct value ip = {.text = EMPTY};
    if (get_fact(live_of(subject), rules_field(FIELD_CLIENT_IP), &ip) != GOT_VALUE)
        return 0;
    return (uint32_t)(rules_text_hash(ip.text, false) % 100);
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

/* ---- telling ---- */

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
        [EVENT_RCPT_REFUSED] = {"rule-rcpt-refused", "reason", MW_LOG_INFO},
        [EVENT_EDIT_FAILED] = {"rule-edit-refused", "edit", MW_LOG_WARNING},
    };
    struct live *live = live_of(subject);
    if (event == EVENT_HIT) {
        live->host->count(live->ctx, rule->hits_counter, 1);
        return;
    }
    if (event == EVENT_ERROR || event == EVENT_EDIT_FAILED)
        live->host->count(live->ctx, rule->errors_counter, 1);
    struct mw_log_pair pairs[4] = {
        {"rule", rule->name}, {"where", rule->where}, {events[event].key, text}};
    size_t count = 3;
    struct mw_path_view view = {.size = sizeof view};
    if (rule->scope == SCOPE_RCPT && subject->transaction != NULL &&
        live->host->rcpt(live->ctx, subject->rcpt, &view))
        pairs[count++] = (struct mw_log_pair){"to", view.address};
    live->host->log(live->ctx, events[event].level, events[event].name, pairs, count);
}

static const struct subject_ops live_ops = {
    .get = live_get,
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
    .reply = live_reply,
    .because = live_because,
    .tell = live_tell,
};

enum mw_verdict rules_live_run(struct mw_ctx *ctx, struct rules *rules, enum mw_stage stage,
                               size_t rcpt)
{
    struct live live;
    struct subject *subject = &live.subject;
    live.ctx = ctx;
    live.host = rules->host;
    live.has_body = false;
    subject->ops = &live_ops;
    subject->rules = rules;
    subject->transaction = NULL;
    subject->stage = stage;
    subject->rcpt = rcpt;
    subject->drops_rcpt = false;
    void **session = rules->host->session_slot(ctx);
    if (*session == NULL)
        *session = rules->host->session_alloc(ctx, rules_session_size(rules));
    subject->session = *session;
    if (stage >= MW_STAGE_MAIL) {
        void **transaction = rules->host->transaction_slot(ctx);
        if (*transaction == NULL)
            *transaction = rules_transaction_new(subject);
        subject->transaction = *transaction;
    }
    return rules_run(subject, stage);
}
