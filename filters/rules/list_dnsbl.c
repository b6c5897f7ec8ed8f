/* list_dnsbl.c - lists that are asked in the DNS (RFC 5782): an address in the zone means "listed".
 *
 * An IP address is asked for as its octets (IPv6: its nibbles) in reverse order, a host name or the
 * domain of an address as it is (2.1 to 2.4). All zones of a list are asked at once. What each says
 * adds its weight to a sum, of which only the bounds are known while some have not answered; when all
 * tests that read the sum (list->cuts) come to the same whatever the rest says, nobody is waited for
 * any more. At the deadline that is so as well, with the difference that a test may be undecided.
 *
 *   waiting   in the queue of the stage (struct list_answers), which has 64 of them under way at once
 *   asked     of the host: charged to the session whose mail it is, where there is one (host->query),
 *             so that nobody's message of a thousand links is a thousand questions for free. Those
 *             beyond the session's share wait there for their place, and fail, or their time is over
 *   answered, failed
 *   dropped   the sum is known without it, or nobody wants it any more
 *
 * Equal questions of other sessions, and those that were asked before, are the resolver's to know:
 * they cost nothing, and go on if the session that had them asked first goes away. */
#include "list_priv.h"

#include <stdlib.h>

enum { NAME_MAX_OCTETS = 253 };

/* ---- names ---- */

static size_t reverse_ip(const unsigned char *address, char out[256])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const char digits[] = "0123456789abcdef";
    struct builder builder = {.ptr = out, .cap = 255};
    if (memcmp(address, mapped, sizeof mapped) == 0) {
        for (unsigned i = 16; i-- > 12;)
            builder_putf(&builder, "%u.", address[i]);
        return builder.len;
    }
    for (unsigned i = 16; i-- > 0;)
        builder_putf(&builder, "%c.%c.", digits[address[i] & 15], digits[address[i] >> 4]);
    return builder.len;
}

/* 192.0.2.1 in the place of a name: lists of domains say "do not ask for addresses" with a code that
 * looks like a listing. No name ends in a number (RFC 1123 2.1). */
static bool ends_in_number(struct mw_slice host)
{
    struct mw_slice last = text_skip(host, (size_t)(text_rfind(host, '.') + 1));
    for (size_t i = 0; i < last.len; i++)
        if (!text_is_digit(last.ptr[i]))
            return false;
    return true;
}

size_t rules_dnsbl_name(enum set_kind kind, struct mw_slice key, struct mw_slice zone,
                        char out[256])
{
    size_t len;
    if (kind == SET_NETWORK) {
        if (key.len != 16)
            return 0;
        len = reverse_ip((const unsigned char *)key.ptr, out);
    } else {
        struct mw_slice host = kind == SET_ADDRESS ? text_domain(key) : key;
        /* an address literal, nothing at all, UTF-8 */
        if (!rules_dnsbl_is_name(host) || ends_in_number(host))
            return 0;
        memcpy(out, host.ptr, host.len);
        out[host.len] = '.';
        len = host.len + 1;
    }
    if (len + zone.len > NAME_MAX_OCTETS)
        return 0;
    memcpy(out + len, zone.ptr, zone.len);
    return len + zone.len;
}

/* ---- the sum ---- */

static bool is_decided(const struct list_question *question)
{
    const struct list *list = question->set->list;
    if (list->wants_all || list->cut_count == 0)
        return false;
    for (size_t i = 0; i < list->cut_count; i++)
        if (question->low < list->cuts[i] && question->high >= list->cuts[i])
            return false;
    return true;
}

/* What `in` comes to. */
static void tell(struct list_question *question)
{
    int32_t threshold = question->set->list->threshold;
    rules_list_answered(question,
                        question->low >= threshold   ? LIST_YES
                        : question->high < threshold ? LIST_NO
                                                     : LIST_FAILED,
                        question->error != NULL ? question->error : "a zone has not answered");
}

/* The host has answered, or need not. */
static void close_handle(struct list_question *question, struct mw_question **handle)
{
    if (*handle != NULL)
        question->answers->queue.open--;
    *handle = NULL;
}

static void cancel(struct list_question *question, struct mw_question **handle)
{
    if (*handle != NULL)
        question->set->list->rules->host->dns_cancel(*handle);
    close_handle(question, handle);
}

static void close_asks(struct list_question *question)
{
    for (size_t i = 0; question->asks != NULL && i < question->set->list->zone_count; i++) {
        struct dnsbl_ask *ask = &question->asks[i];
        cancel(question, &ask->handle);
        if (ask->state == ASK_WAITING || ask->state == ASK_ASKED)
            ask->state = ASK_DROPPED;
    }
    question->ask_open = 0;
}

/* Of the host, on somebody's account. */
static struct mw_question *put(struct list_question *question, struct mw_slice name,
                               enum mw_dns_kind kind,
                               void (*answered)(void *user, const struct mw_dns_answer *answer),
                               void *user)
{
    struct list_answers *answers = question->answers;
    const struct rules *rules = answers->rules;
    struct mw_question *handle =
        answers->payer != NULL ? rules->host->query(answers->payer, name, kind, answered, user)
                               : rules->host->dns(rules->instance, name, kind, answered, user);
    answers->queue.open += handle != NULL;
    return handle;
}

static void finish(struct list_question *question);

static void maybe_finish(struct list_question *question)
{
    if (question->ask_open == 0 || is_decided(question))
        finish(question);
}

/* ---- texts ---- */

static const struct dnsbl_ask *heaviest(const struct list_question *question)
{
    const struct dnsbl_ask *found = NULL;
    for (size_t i = 0; i < question->set->list->zone_count; i++) {
        const struct dnsbl_ask *ask = &question->asks[i];
        if (ask->state == ASK_ANSWERED && ask->weight > (found != NULL ? found->weight : 0))
            found = ask;
    }
    return found;
}

static void keep_text(struct list_question *question, struct mw_slice text)
{
    if (text.len > DNSBL_TEXT_MAX)
        text.len = DNSBL_TEXT_MAX;
    if (text.len == 0 || question->text != NULL)
        return;
    question->text = calloc(1, text.len + 1);
    if (question->text == NULL)
        abort();
    memcpy(question->text, text.ptr, text.len);
}

static void on_text(void *user, const struct mw_dns_answer *answer)
{
    struct list_question *question = user;
    close_handle(question, &question->text_handle);
    if (answer->outcome == MW_DNS_FOUND && answer->count > 0)
        keep_text(question, answer->values[0]);
    tell(question);
    rules_dnsbl_go_on(question->answers);
}

/* The list's own words about the listing, from the zone that weighs most (RFC 5782 2.1). */
static bool ask_text(struct list_question *question)
{
    const struct list *list = question->set->list;
    const struct dnsbl_ask *ask = list->wants_text ? heaviest(question) : NULL;
    char name[256];
    if (ask == NULL)
        return false;
    size_t len = rules_dnsbl_name(question->set->kind, question->key, ask->zone->name, name);
    question->text_handle = put(question, SLICE(name, len), MW_DNS_STRINGS, on_text, question);
    return question->text_handle != NULL;
}

static void finish(struct list_question *question)
{
    close_asks(question);
    if (!ask_text(question))
        tell(question);
}

/* ---- answers ---- */

static void settle(struct dnsbl_ask *ask, int32_t weight)
{
    ask->state = ASK_ANSWERED;
    ask->weight = weight;
    ask->question->low += weight - ask->zone->down;
    ask->question->high += weight - ask->zone->up;
}

static void fail(struct dnsbl_ask *ask, const char *error)
{
    ask->state = ASK_FAILED;
    ask->question->error = error;
}

static bool is_charged(const struct list_question *question)
{
    return question->answers->payer != NULL;
}

static void fail_zone(struct dnsbl_ask *ask, const char *error)
{
    fail(ask, error);
    rules_dnsbl_zone_failed(ask->zone, ask->question->set->kind, !is_charged(ask->question), error);
}

static void on_answer(void *user, const struct mw_dns_answer *answer)
{
    struct dnsbl_ask *ask = user;
    struct list_question *question = ask->question;
    const char *error;
    int32_t weight = rules_dnsbl_judge(ask->zone, answer, &error);
    close_handle(question, &ask->handle);
    question->ask_open--;
    if (answer->outcome == MW_DNS_FAILURE && is_charged(question))
        error = "no answer for the list: the DNS has none, or the client has used up its questions "
                "(query-limit)";
    if (error != NULL) {
        fail_zone(ask, error);
    } else {
        settle(ask, weight);
        rules_dnsbl_zone_works(ask->zone);
        if (weight != 0)
            list_tally(question->set->list, ask->zone->counters[ZONE_HITS]);
    }
    maybe_finish(question);
    rules_dnsbl_go_on(question->answers);
}

/* ---- asking ---- */

static void begin(struct list_question *question)
{
    struct list *list = question->set->list;
    question->asks = calloc(list->zone_count, sizeof *question->asks);
    if (question->asks == NULL)
        abort();
    for (struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next) {
        question->asks[zone->number] = (struct dnsbl_ask){.question = question, .zone = zone};
        question->low += zone->down;
        question->high += zone->up;
    }
}

static void wait_in_queue(struct dnsbl_ask *ask)
{
    struct dnsbl_queue *queue = &ask->question->answers->queue;
    *(queue->first == NULL ? &queue->first : &queue->last->next) = ask;
    queue->last = ask;
    ask->question->ask_open++;
}

void rules_dnsbl_ask(struct list_question *question)
{
    const struct list *list = question->set->list;
    char name[256];
    begin(question);
    for (size_t i = 0; i < list->zone_count; i++) {
        struct dnsbl_ask *ask = &question->asks[i];
        if (rules_dnsbl_name(question->set->kind, question->key, ask->zone->name, name) == 0)
            settle(ask, 0);
        else
            wait_in_queue(ask);
    }
    maybe_finish(question);
}

static void ask_zone(struct dnsbl_ask *ask)
{
    struct list_question *question = ask->question;
    char name[256];
    size_t len = rules_dnsbl_name(question->set->kind, question->key, ask->zone->name, name);
    if (rules_dnsbl_zone_is_suspended(ask->zone)) {
        fail(ask, "a zone that has failed too often is not asked for a minute");
    } else {
        list_tally(question->set->list, ask->zone->counters[ZONE_QUERIES]);
        ask->state = ASK_ASKED;
        ask->handle = put(question, SLICE(name, len), MW_DNS_ADDRESS4, on_answer, ask);
        if (ask->handle != NULL)
            return;
        fail(ask, "there is no resolver");
    }
    question->ask_open--;
    maybe_finish(question);
}

/* Those that are not waiting any more leave on the way. */
void rules_dnsbl_go_on(struct list_answers *answers)
{
    struct dnsbl_queue *queue = &answers->queue;
    while (queue->first != NULL && queue->open < DNSBL_OPEN_MAX) {
        struct dnsbl_ask *ask = queue->first;
        queue->first = ask->next;
        if (ask->state == ASK_WAITING)
            ask_zone(ask);
    }
}

void rules_dnsbl_end(struct list_question *question)
{
    for (size_t i = 0; i < question->set->list->zone_count; i++) {
        struct dnsbl_ask *ask = &question->asks[i];
        if (ask->state == ASK_ASKED)
            fail_zone(ask, "no answer in time");
        else if (ask->state == ASK_WAITING) /* says nothing about the zone */
            fail(ask, "too many questions for its turn to come in time");
    }
    tell(question);
}

void rules_dnsbl_forget(struct list_question *question)
{
    close_asks(question);
    cancel(question, &question->text_handle);
}

void rules_dnsbl_free(struct list_question *question)
{
    rules_dnsbl_forget(question);
    free(question->asks);
    free(question->text);
    question->asks = NULL;
    question->text = NULL;
}

/* ---- in tests ---- */

/* The value of a `listed` line, as this look-up would have it: an address, a host, a domain. */
static bool is_about(const struct list_question *question, const struct listing *listing)
{
    unsigned char address[16];
    uint32_t prefix;
    struct mw_slice key = question->key, value = listing->value;
    if (question->set->kind == SET_NETWORK)
        return question->set->list->rules->lang->parse_network(value, address, &prefix) &&
               prefix == 128 && text_eq(key, SLICE((const char *)address, sizeof address));
    if (value.len > 0 && value.ptr[value.len - 1] == '.')
        value.len--;
    return text_ieq(value, question->set->kind == SET_ADDRESS ? text_domain(key) : key);
}

static void play_zone(struct dnsbl_ask *ask, const struct listing *listings)
{
    enum { CODES_MAX = 16 };
    unsigned char codes[CODES_MAX][16];
    struct mw_slice values[CODES_MAX];
    struct mw_dns_answer answer = {.size = sizeof answer, .values = values};
    const char *error;
    char name[256];
    struct mw_slice text = EMPTY, key = ask->question->key;
    if (rules_dnsbl_name(ask->question->set->kind, key, ask->zone->name, name) == 0)
        listings = NULL;
    for (const struct listing *at = listings; at != NULL && answer.count < CODES_MAX;
         at = at->next) {
        if (!text_ieq(at->zone, ask->zone->name) || !is_about(ask->question, at))
            continue;
        memset(codes[answer.count], 0, 12);
        memcpy(codes[answer.count] + 12, at->code, 4);
        values[answer.count] = SLICE((const char *)codes[answer.count], 16);
        answer.count++;
        text = text.len > 0 ? text : at->text;
        if (at->has_failed)
            answer.outcome = MW_DNS_FAILURE;
    }
    if (answer.count == 0)
        answer.outcome = MW_DNS_NOTHING;
    int32_t weight = rules_dnsbl_judge(ask->zone, &answer, &error);
    if (error != NULL)
        fail(ask, error);
    else
        settle(ask, weight);
    if (ask == heaviest(ask->question)) {
        free(ask->question->text);
        ask->question->text = NULL;
        keep_text(ask->question, text);
    }
}

void rules_dnsbl_play(struct list_question *question, const struct listing *listings)
{
    begin(question);
    for (size_t i = 0; i < question->set->list->zone_count; i++)
        play_zone(&question->asks[i], listings);
    tell(question);
}
