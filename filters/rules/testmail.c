/* testmail.c - a block's message, taken apart just far enough for the fields of the language, and
 * edited in memory. */
#include <stdio.h>
#include <stdlib.h>

#include "list.h"
#include "rate.h"
#include "testblock.h"

struct chunk {
    struct chunk *next;
};

static struct test_mail *mail_of(struct subject *subject)
{
    return (struct test_mail *)(void *)subject;
}

static void *keep(struct test_mail *mail, size_t size)
{
    struct chunk *chunk = calloc(1, sizeof *chunk + size + 16);
    if (chunk == NULL)
        abort();
    chunk->next = mail->chunks;
    mail->chunks = chunk;
    return chunk + 1;
}

static struct mw_slice keep_text(struct test_mail *mail, struct mw_slice text)
{
    char *copy = keep(mail, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

/* Room for one more element; the old array stays in the mail's memory until the end. */
static void *grow(struct test_mail *mail, void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap ? *cap * 2 : 8;
    void *larger = keep(mail, *cap * size);
    if (count > 0)
        memcpy(larger, array, count * size);
    return larger;
}

/* ---- fields ---- */

static enum got give(struct mw_slice text, struct value *out)
{
    if (text.len == 0)
        return GOT_END;
    out->text = text;
    return GOT_VALUE;
}

static enum got give_number(uint64_t number, struct value *out)
{
    out->number = (int64_t)number * NUMBER_UNIT;
    return GOT_VALUE;
}

static struct mw_slice local_of(struct mw_slice address)
{
    ptrdiff_t at = text_rfind(address, '@');
    return at < 0 ? address : SLICE(address.ptr, (size_t)at);
}

/* " SIZE=1000 SMTPUTF8": as live.c reads them. */
static enum got get_param(struct mw_slice params, struct mw_slice name, struct value *out)
{
    while (params.len > 0) {
        ptrdiff_t end = text_find(params, ' ');
        struct mw_slice word = end < 0 ? params : SLICE(params.ptr, (size_t)end);
        params = end < 0 ? EMPTY : text_skip(params, (size_t)end + 1);
        ptrdiff_t equals = text_find(word, '=');
        if (text_ieq(equals < 0 ? word : SLICE(word.ptr, (size_t)equals), name))
            return give(equals < 0 ? word : text_skip(word, (size_t)equals + 1), out);
    }
    return GOT_END;
}

static enum got get_tally(const struct test_mail *mail, const struct field_use *use,
                          struct value *out)
{
    enum field_id id = use->field->id;
    size_t count = use->is_so_far ? mail->subject.rcpt : mail->rcpt_count;
    enum mw_rcpt_status status = id == FIELD_RCPT_REFUSED ? MW_RCPT_REFUSED_FILTER
                                                          : MW_RCPT_ACCEPTED;
    uint64_t found = 0;
    if (id == FIELD_RCPT_COUNT)
        return give_number(count + use->is_so_far, out);
    for (size_t i = 0; i < count; i++)
        found += mail->rcpts[i].status == status;
    return give_number(found, out);
}

/* `fact "spf.result=fail"` lines. */
static enum got get_fact(const struct test_mail *mail, const char *name, struct value *out)
{
    struct mw_slice wanted = slice_of(name);
    for (const struct line *line = mail->block->facts; line != NULL; line = line->next)
        if (line->text.len > wanted.len && line->text.ptr[wanted.len] == '=' &&
            text_eq(SLICE(line->text.ptr, wanted.len), wanted))
            return give(text_skip(line->text, wanted.len + 1), out);
    return GOT_END;
}

static enum got get_filter_fact(const struct test_mail *mail, const struct field *field,
                                struct value *out)
{
    uint64_t number;
    enum got got = get_fact(mail, field->name, out);
    if (got != GOT_VALUE || !type_is_number(field->type))
        return got;
    return text_number(out->text, UINT32_MAX, &number) ? give_number(number, out) : GOT_END;
}

static enum got get_client(const struct test_mail *mail, const struct field *field,
                           struct value *out)
{
    const struct test_block *block = mail->block;
    enum field_id id = field->id;
    if (field->flags & FLAG_FILTER)
        return get_filter_fact(mail, field, out);
    if (id == FIELD_CLIENT_IP)
        return give(SLICE((const char *)block->client_ip, sizeof block->client_ip), out);
    if (id == FIELD_CLIENT_PORT)
        return give_number(block->client_port, out);
    if (id == FIELD_SESSION_MESSAGES || id == FIELD_SESSION_ERRORS || id == FIELD_CLIENT_TLS)
        return give_number(0, out);
    return give(id == FIELD_CLIENT_NAME      ? block->client_name
                : id == FIELD_LISTENER       ? block->listener
                : id == FIELD_HELO           ? block->helo
                : id == FIELD_AUTH_USER      ? block->user
                : id == FIELD_AUTH_MECHANISM ? block->mechanism
                                             : EMPTY,
                out);
}

static ptrdiff_t find_header(const struct test_mail *mail, struct mw_slice name, size_t from)
{
    for (size_t i = from; i < mail->header_count; i++)
        if (text_ieq(mail->headers[i].name, name))
            return (ptrdiff_t)i;
    return -1;
}

static enum got get_header_count(const struct test_mail *mail, struct mw_slice name,
                                 struct value *out)
{
    uint64_t count = 0;
    for (size_t i = 0; i < mail->header_count; i++)
        count += name.len == 0 || text_ieq(mail->headers[i].name, name);
    return give_number(count, out);
}

static enum got get_age(struct test_mail *mail, struct value *out)
{
    int64_t seconds;
    if (!rules_date_age(&mail->subject, &seconds))
        return GOT_END;
    out->number = seconds * NUMBER_UNIT;
    return GOT_VALUE;
}

static enum got test_get(struct subject *subject, const struct field_use *use, struct value *out)
{
    struct test_mail *mail = mail_of(subject);
    enum field_id id = use->field->id;
    if (use->field->flags & FLAG_FACT)
        return get_client(mail, use->field, out);
    if (use->field->flags & FLAG_RCPT) {
        struct mw_slice address = mail->rcpts[mail->subject.rcpt].address;
        return give(id == FIELD_RCPT         ? address
                    : id == FIELD_RCPT_LOCAL ? local_of(address)
                                             : text_domain(address),
                    out);
    }
    if (use->field->flags & FLAG_TALLY)
        return get_tally(mail, use, out);
    if (id == FIELD_HEADER_COUNT)
        return get_header_count(mail, use->arg, out);
    if (id == FIELD_RAW_BODY)
        return give(mail->body, out);
    if (id == FIELD_MESSAGE_SIZE)
        return give_number(mail->message.len, out);
    if (id == FIELD_ATTACHMENT_COUNT || id == FIELD_MIME_PARTS)
        return give_number(rules_content_number(subject, id), out);
    if (id == FIELD_DATE_AGE)
        return get_age(mail, out);
    if (id == FIELD_SENDER_PARAM)
        return get_param(mail->block->params, use->arg, out);
    return give(id == FIELD_SENDER         ? mail->sender
                : id == FIELD_SENDER_LOCAL ? local_of(mail->sender)
                                           : text_domain(mail->sender),
                out);
}

static bool test_header(struct subject *subject, size_t index, struct mw_header_view *out)
{
    struct test_mail *mail = mail_of(subject);
    if (index >= mail->header_count)
        return false;
    out->name = mail->headers[index].name;
    out->value = mail->headers[index].value;
    return true;
}

static struct mw_slice test_header_text(struct subject *subject, size_t index)
{
    const struct rules *rules = subject->rules;
    return rules->host->header_text(mail_of(subject)->headers[index].value, rules_room,
                                    subject->rules);
}

static struct mw_slice test_body(struct subject *subject)
{
    return mail_of(subject)->body;
}

static const struct mw_content *test_content(struct subject *subject)
{
    struct test_mail *mail = mail_of(subject);
    const struct rules *rules = subject->rules;
    if (mail->content == NULL && rules->content_needs != 0)
        mail->content = rules->host->content_read(rules->instance, mail->message,
                                                  rules->content_needs);
    return mail->content;
}

/* Time stands still in tests. */
static uint64_t test_now_ms(struct subject *subject)
{
    (void)subject;
    return 0;
}

static bool test_rate(struct subject *subject, const struct rate *rate, struct mw_slice key)
{
    return rules_rate_exceeds(mail_of(subject)->rates, rate, key, 0);
}

static void test_tally(struct subject *subject, const struct rule *rule, enum counter counter,
                       uint64_t by)
{
    (void)subject;
    (void)rule;
    (void)counter;
    (void)by;
}

/* ---- recipients, memory, edits ---- */

static size_t test_rcpt_count(struct subject *subject)
{
    return mail_of(subject)->rcpt_count;
}

static bool test_rcpt_is_live(struct subject *subject, size_t index)
{
    enum mw_rcpt_status status = mail_of(subject)->rcpts[index].status;
    return status == MW_RCPT_PENDING || status == MW_RCPT_ACCEPTED;
}

static void *test_alloc(struct subject *subject, size_t size)
{
    return keep(mail_of(subject), size);
}

static uint32_t test_draw(struct subject *subject)
{
    (void)subject;
    return 0; /* a rule that is observed for some is observed in tests */
}

static size_t test_header_count(struct subject *subject)
{
    return mail_of(subject)->header_count;
}

static ptrdiff_t test_header_find(struct subject *subject, struct mw_slice name, size_t from)
{
    return find_header(mail_of(subject), name, from);
}

static void add_header(struct test_mail *mail, struct mw_slice name, struct mw_slice value)
{
    mail->headers = grow(mail, mail->headers, mail->header_count, &mail->header_cap,
                         sizeof *mail->headers);
    mail->headers[mail->header_count++] = (struct test_header){name, value};
}

static bool test_header_add(struct subject *subject, struct mw_slice name, struct mw_slice value)
{
    struct test_mail *mail = mail_of(subject);
    add_header(mail, keep_text(mail, name), keep_text(mail, value));
    return true;
}

static bool test_header_change(struct subject *subject, size_t index, struct mw_slice value)
{
    struct test_mail *mail = mail_of(subject);
    mail->headers[index].value = keep_text(mail, value);
    return true;
}

static bool test_header_delete(struct subject *subject, size_t index)
{
    struct test_mail *mail = mail_of(subject);
    mail->header_count--;
    memmove(&mail->headers[index], &mail->headers[index + 1],
            (mail->header_count - index) * sizeof *mail->headers);
    return true;
}

/* The host's own judgement is finer (RFC 5321 4.1.2); what it refuses most often is refused here
 * too. */
static bool is_address(struct mw_slice address)
{
    ptrdiff_t at = text_rfind(address, '@');
    return at > 0 && (size_t)at + 1 < address.len && text_find(address, ' ') < 0 &&
           text_find(address, '<') < 0 && text_find(address, '>') < 0;
}

static bool test_set_sender(struct subject *subject, struct mw_slice address)
{
    struct test_mail *mail = mail_of(subject);
    if (address.len > 0 && !is_address(address))
        return false;
    mail->sender = keep_text(mail, address);
    return true;
}

static bool test_rcpt_replace(struct subject *subject, size_t index, struct mw_slice address)
{
    struct test_mail *mail = mail_of(subject);
    if (!is_address(address))
        return false;
    mail->rcpts[index].address = keep_text(mail, address);
    return true;
}

static void add_rcpt(struct test_mail *mail, struct mw_slice address, enum mw_rcpt_status status)
{
    mail->rcpts = grow(mail, mail->rcpts, mail->rcpt_count, &mail->rcpt_cap, sizeof *mail->rcpts);
    mail->rcpts[mail->rcpt_count++] = (struct test_rcpt){
        .address = address, .given = address, .status = status};
}

static bool test_rcpt_add(struct subject *subject, struct mw_slice address)
{
    struct test_mail *mail = mail_of(subject);
    if (!is_address(address))
        return false;
    add_rcpt(mail, keep_text(mail, address), MW_RCPT_ADDED);
    return true;
}

static bool test_rcpt_delete(struct subject *subject, size_t index)
{
    mail_of(subject)->rcpts[index].status = MW_RCPT_DELETED;
    return true;
}

static bool test_rcpt_verdict(struct subject *subject, size_t index, enum mw_verdict verdict)
{
    struct test_mail *mail = mail_of(subject);
    struct test_rcpt *rcpt = &mail->rcpts[index];
    rcpt->status = verdict == MW_DISCARD ? MW_RCPT_DISCARDED : MW_RCPT_REFUSED_FILTER;
    rcpt->ending = mail->said;
    rcpt->ending.verdict = verdict;
    mail->said = (struct ending){.verdict = MW_CONTINUE};
    return true;
}

/* ---- telling ---- */

static void test_reply(struct subject *subject, uint32_t code, struct mw_slice dsn,
                       struct mw_slice text)
{
    (void)dsn;
    (void)text;
    mail_of(subject)->said.code = code;
}

static void test_because(struct subject *subject, const struct rule *rule, struct mw_slice reason)
{
    (void)reason;
    mail_of(subject)->said.rule = rule;
}

static void note_hit(struct test_mail *mail, const struct rule *rule)
{
    for (size_t i = 0; i < mail->hit_count; i++)
        if (mail->hits[i] == rule)
            return;
    mail->hits = grow(mail, mail->hits, mail->hit_count, &mail->hit_cap, sizeof(struct rule *));
    mail->hits[mail->hit_count++] = rule;
}

static void note_quarantined(struct test_mail *mail, const struct rule *rule)
{
    mail->rcpts[mail->subject.rcpt].ending = (struct ending){.verdict = MW_ACCEPT, .rule = rule};
}

static void test_tell(struct subject *subject, enum event event, const struct rule *rule,
                      struct mw_slice text)
{
    struct test_mail *mail = mail_of(subject);
    if (event == EVENT_HIT)
        note_hit(mail, rule);
    else if (event == EVENT_QUARANTINED)
        note_quarantined(mail, rule);
    else if (event == EVENT_ERROR || event == EVENT_EDIT_FAILED)
        builder_putf(&mail->told_text, "\n  %s: %s%.*s", rule->name_text,
                     event == EVENT_ERROR ? "" : "not possible: ", (int)text.len, text.ptr);
}

static const struct subject_ops test_ops = {
    .get = test_get,
    .header = test_header,
    .header_text = test_header_text,
    .body = test_body,
    .content = test_content,
    .rate = test_rate,
    .now_ms = test_now_ms,
    .rcpt_count = test_rcpt_count,
    .rcpt_is_live = test_rcpt_is_live,
    .alloc = test_alloc,
    .draw = test_draw,
    .header_count = test_header_count,
    .header_find = test_header_find,
    .header_add = test_header_add,
    .header_change = test_header_change,
    .header_delete = test_header_delete,
    .set_sender = test_set_sender,
    .rcpt_replace = test_rcpt_replace,
    .rcpt_add = test_rcpt_add,
    .rcpt_delete = test_rcpt_delete,
    .rcpt_verdict = test_rcpt_verdict,
    .reply = test_reply,
    .because = test_because,
    .tell = test_tell,
    .tally = test_tally,
};

/* ---- the message ---- */

/* One field off the front of `rest`, folded lines included. False at the empty line, which is
 * taken. RFC 5322 2.2.3. */
static bool take_field(struct mw_slice *rest, struct mw_slice *out_field)
{
    size_t end = 0;
    do {
        ptrdiff_t line = text_find(text_skip(*rest, end), '\n');
        end = line < 0 ? rest->len : end + (size_t)line + 1;
    } while (end < rest->len && (rest->ptr[end] == ' ' || rest->ptr[end] == '\t'));
    *out_field = SLICE(rest->ptr, end);
    *rest = text_skip(*rest, end);
    return text_trim(*out_field).len > 0;
}

/* Files may have the line ends of the editor that made them. */
static struct mw_slice to_crlf(struct test_mail *mail, struct mw_slice text)
{
    char *copy = keep(mail, text.len * 2);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
            copy[len++] = '\r';
        copy[len++] = text.ptr[i];
    }
    return SLICE(copy, len);
}

static void read_message(struct test_mail *mail, struct mw_slice rest)
{
    struct mw_slice field;
    mail->message = rest;
    while (rest.len > 0 && take_field(&rest, &field)) {
        while (field.len > 0 &&
               (field.ptr[field.len - 1] == '\n' || field.ptr[field.len - 1] == '\r'))
            field.len--;
        ptrdiff_t colon = text_find(field, ':');
        if (colon > 0)
            add_header(mail, text_trim(SLICE(field.ptr, (size_t)colon)),
                       text_skip(field, (size_t)colon + 1));
    }
    mail->body = rest;
}

static void build_message(struct test_mail *mail, const struct test_block *block)
{
    size_t size = 2;
    for (const struct line *line = block->headers; line != NULL; line = line->next)
        size += line->text.len + 2;
    for (const struct line *line = block->body; line != NULL; line = line->next)
        size += line->text.len + 2;
    struct builder out = {.ptr = keep(mail, size), .cap = size};
    for (const struct line *line = block->headers; line != NULL; line = line->next) {
        builder_put(&out, line->text);
        builder_put(&out, LIT("\r\n"));
    }
    builder_put(&out, LIT("\r\n"));
    for (const struct line *line = block->body; line != NULL; line = line->next) {
        builder_put(&out, line->text);
        builder_put(&out, LIT("\r\n"));
    }
    read_message(mail, SLICE(out.ptr, out.len));
}

static bool has_slow_lists(const struct rules *rules)
{
    const struct list *list = rules->lists;
    while (list != NULL && !rules_list_is_slow(list))
        list = rules_list_next(list);
    return list != NULL;
}

void rules_test_mail_init(struct test_mail *mail, struct rules *rules,
                          const struct test_block *block, struct rate_table *rates)
{
    memset(mail, 0, sizeof *mail);
    mail->block = block;
    mail->subject.ops = &test_ops;
    mail->subject.rules = rules;
    mail->subject.session = rules_session_new(&mail->subject);
    mail->rates = rates;
    mail->told_text = (struct builder){.ptr = mail->told, .cap = sizeof mail->told};
    mail->sender = block->sender;
    if (has_slow_lists(rules)) {
        mail->subject.answers = rules_list_answers_new(rules);
        rules_list_answers_play(mail->subject.answers, block->listings);
    }
    if (block->message != NULL)
        read_message(mail, to_crlf(mail, SLICE(block->message, block->message_len)));
    else
        build_message(mail, block);
}

void rules_test_mail_add_rcpt(struct test_mail *mail, struct mw_slice address)
{
    add_rcpt(mail, address, MW_RCPT_PENDING);
}

void rules_test_mail_fini(struct test_mail *mail)
{
    rules_list_answers_free(&mail->subject.answers);
    if (mail->content != NULL)
        mail->subject.rules->host->content_release(mail->content);
    while (mail->chunks != NULL) {
        struct chunk *next = mail->chunks->next;
        free(mail->chunks);
        mail->chunks = next;
    }
}
