/* list_dnsbl.c - lists that are asked in the DNS (RFC 5782): an address in the zone means "listed".
 *
 * An IP address is asked for as its octets (IPv6: its nibbles) in reverse order, a host name or the
 * domain of an address as it is (2.1 to 2.3). Answers other than 127.0.0.0/8 come from resolvers
 * that lie about names that do not exist, 127.255.255.0/24 from lists that refuse to serve whoever
 * asks: both are failures, not listings. A filter behind "=" takes some of the codes only, written
 * as postscreen_dnsbl_sites has them: 127.0.0.[2..11;20]. */
#include "list_priv.h"

#include <stdlib.h>

enum { NAME_MAX_OCTETS = 253, LABEL_MAX = 63 };

struct dnsbl_zone {
    struct mw_slice name;
    struct dnsbl_filter filter;
    struct dnsbl_zone *next;
};
struct dnsbl_ask {
    struct list_question *question;
    const struct dnsbl_zone *zone;
    struct mw_question *handle;
};

/* ---- filters ---- */

struct filter_reader {
    struct mw_slice text;
    size_t at;
};

static bool take(struct filter_reader *reader, char c)
{
    if (reader->at >= reader->text.len || reader->text.ptr[reader->at] != c)
        return false;
    reader->at++;
    return true;
}

static bool take_octet(struct filter_reader *reader, uint64_t *out)
{
    size_t start = reader->at;
    while (reader->at < reader->text.len && reader->at - start < 3 &&
           text_is_digit(reader->text.ptr[reader->at]))
        reader->at++;
    return rules_text_number(SLICE(reader->text.ptr + start, reader->at - start), 255, out);
}

/* "2", "2..11" */
static const char *take_range(struct filter_reader *reader, uint64_t bits[4])
{
    uint64_t low, high;
    if (!take_octet(reader, &low))
        return "expected a number from 0 to 255";
    high = low;
    if (reader->at + 1 < reader->text.len && reader->text.ptr[reader->at] == '.' &&
        reader->text.ptr[reader->at + 1] == '.') {
        reader->at += 2;
        if (!take_octet(reader, &high))
            return "expected a number from 0 to 255";
    }
    if (high < low)
        return "a range goes from the lower to the higher number";
    for (uint64_t i = low; i <= high; i++)
        bits[i / 64] |= UINT64_C(1) << i % 64;
    return NULL;
}

/* "0", "[2..4;6]" */
static const char *take_part(struct filter_reader *reader, uint64_t bits[4])
{
    uint64_t octet;
    const char *error;
    if (!take(reader, '[')) {
        if (!take_octet(reader, &octet))
            return "expected a number from 0 to 255, or [...]";
        bits[octet / 64] |= UINT64_C(1) << octet % 64;
        return NULL;
    }
    do {
        error = take_range(reader, bits);
    } while (error == NULL && take(reader, ';'));
    if (error == NULL && !take(reader, ']'))
        error = "expected '..', ';' or ']'";
    return error;
}

const char *rules_dnsbl_filter(struct mw_slice text, struct dnsbl_filter *out_filter,
                               size_t *out_at)
{
    struct filter_reader reader = {.text = text};
    const char *error = NULL;
    *out_filter = (struct dnsbl_filter){.is_there = true};
    for (unsigned i = 0; i < 4 && error == NULL; i++) {
        if (i > 0 && !take(&reader, '.'))
            error = "expected '.': a code has four parts";
        else
            error = take_part(&reader, out_filter->octets[i]);
    }
    if (error == NULL && reader.at < text.len)
        error = text.ptr[reader.at] == '*' ? "weights are not known here: a list has a value or not"
                                           : "expected the end of the code";
    *out_at = reader.at;
    return error;
}

bool rules_dnsbl_fits(const struct dnsbl_filter *filter, const unsigned char ip[4])
{
    for (unsigned i = 0; i < 4 && filter->is_there; i++)
        if (!(filter->octets[i][ip[i] / 64] >> ip[i] % 64 & 1))
            return false;
    return true;
}

/* ---- zones ---- */

/* Letters, digits, - and _ in labels of 1 to 63 octets: what may be asked for without surprises. */
static bool is_name(struct mw_slice name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = text_lower(name.ptr[i]);
        bool is_good = (c >= 'a' && c <= 'z') || text_is_digit(c) || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !is_good || label == LABEL_MAX)
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label > 0 && name.len <= NAME_MAX_OCTETS;
}

bool rules_dnsbl_read(struct rules *rules, struct list *list, struct mw_slice text,
                      const struct place *place)
{
    struct dnsbl_zone *zone = rules_keep(rules, sizeof *zone);
    ptrdiff_t equals = rules_text_find(text, '=');
    struct mw_slice name = equals < 0 ? text : SLICE(text.ptr, (size_t)equals);
    size_t at = 0;
    struct place where = *place;
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!is_name(name) || rules_text_find(name, '.') < 0) {
        rules_error(rules, place,
                    "such as \"zen.spamhaus.org\" or \"list.example=127.0.0.[2..11]\"",
                    "\"%.*s\" is no zone of the DNS", (int)name.len, name.ptr);
        return false;
    }
    const char *error = equals < 0 ? NULL
                                   : rules_dnsbl_filter(text_skip(text, (size_t)equals + 1),
                                                        &zone->filter, &at);
    if (error != NULL) {
        where.column += 1 + (uint32_t)equals + 1 + (uint32_t)at; /* behind the quote */
        where.length = 1;
        rules_error(rules, &where, "such as \"list.example=127.0.0.[2..11;20]\"", "reply code: %s",
                    error);
        return false;
    }
    if (list->zone_count == LIST_ZONES_MAX) {
        rules_error(rules, place, NULL, "more than %d zones in one list", LIST_ZONES_MAX);
        return false;
    }
    zone->name = rules_keep_text(rules, name);
    struct dnsbl_zone **tail = &list->zones;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = zone;
    list->zone_count++;
    return true;
}

/* ---- names ---- */

static size_t reverse_ip(const unsigned char *address, char out[256])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const char digits[] = "0123456789abcdef";
    struct builder builder = {.ptr = out, .cap = 255};
    if (memcmp(address, mapped, sizeof mapped) == 0) {
        for (unsigned i = 16; i-- > 12;)
            rules_buildf(&builder, "%u.", address[i]);
        return builder.len;
    }
    for (unsigned i = 16; i-- > 0;)
        rules_buildf(&builder, "%c.%c.", digits[address[i] & 15], digits[address[i] >> 4]);
    return builder.len;
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
        struct mw_slice host = kind == SET_ADDRESS ? rules_text_domain(key) : key;
        if (!is_name(host)) /* an address literal, nothing at all, UTF-8 */
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

/* ---- asking ---- */

/* Listed, not (by this zone's filter), or an answer that says that the list does not work. */
static enum list_answer judge(const struct dnsbl_zone *zone, const struct mw_dns_answer *answer,
                              const char **out_error)
{
    enum list_answer result = LIST_NO;
    if (answer->outcome != MW_DNS_FOUND) {
        *out_error = "the DNS has no answer for the list at the moment";
        return answer->outcome == MW_DNS_NOTHING ? LIST_NO : LIST_FAILED;
    }
    for (size_t i = 0; i < answer->count; i++) {
        const unsigned char *ip = (const unsigned char *)answer->values[i].ptr + 12;
        *out_error = "the list does not serve this resolver (127.255.255.x)";
        if (answer->values[i].len != 16 || ip[0] != 127) {
            *out_error = "the answer is no code of a list (127.0.0.0/8): does the resolver lie?";
            return LIST_FAILED;
        }
        if (ip[1] == 255 && ip[2] == 255)
            return LIST_FAILED;
        if (rules_dnsbl_fits(&zone->filter, ip))
            result = LIST_YES;
    }
    return result;
}

static void on_answer(void *user, const struct mw_dns_answer *answer)
{
    struct dnsbl_ask *ask = user;
    struct list_question *question = ask->question;
    const char *error = NULL;
    enum list_answer result = judge(ask->zone, answer, &error);
    ask->handle = NULL;
    question->ask_open--;
    if (result == LIST_FAILED)
        question->error = error;
    if (result == LIST_YES)
        rules_list_answered(question, LIST_YES, NULL);
    else if (question->ask_open == 0)
        rules_list_answered(question, question->error != NULL ? LIST_FAILED : LIST_NO,
                            question->error);
}

void rules_dnsbl_ask(struct list_question *question)
{
    const struct list *list = question->set->list;
    const struct mw_host *host = list->rules->host;
    char name[256];
    question->asks = calloc(list->zone_count, sizeof *question->asks);
    if (question->asks == NULL)
        abort();
    for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next) {
        size_t len = rules_dnsbl_name(question->set->kind, question->key, zone->name, name);
        if (len == 0)
            continue;
        struct dnsbl_ask *ask = &question->asks[question->ask_count++];
        ask->question = question;
        ask->zone = zone;
        ask->handle = host->dns(list->rules->instance, SLICE(name, len), MW_DNS_ADDRESS4, on_answer,
                                ask);
        if (ask->handle != NULL)
            question->ask_open++;
        else
            question->error = "there is no resolver";
    }
    if (question->ask_open == 0)
        rules_list_answered(question, question->error != NULL ? LIST_FAILED : LIST_NO,
                            question->error);
}

void rules_dnsbl_forget(struct list_question *question)
{
    for (size_t i = 0; i < question->ask_count; i++)
        if (question->asks[i].handle != NULL)
            question->set->list->rules->host->dns_cancel(question->asks[i].handle);
    free(question->asks);
    question->asks = NULL;
    question->ask_count = question->ask_open = 0;
}
