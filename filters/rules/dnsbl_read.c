/* dnsbl_read.c - what a DNS list is made of: zones, the answers that count, what they weigh.
 *
 *   "zen.example"                     any code in 127.0.0.0/8 counts, 1
 *   "zen.example=127.0.0.[2..11;20]"  these codes only, as postscreen_dnsbl_sites has them
 *   "multi.example&0.0.0.6"           codes in which all these bits are set, as Exim's dnslists has them
 *   "allow.example=127.0.[0..255].[1..3]*-2"  behind "*" what it adds; below zero for those who vouch
 *
 * A zone that stands there several times, with filters and weights of its own each time, is asked
 * once. */
#include "list_priv.h"

enum { NAME_MAX_OCTETS = 253, LABEL_MAX = 63 };

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
    return text_number(SLICE(reader->text.ptr + start, reader->at - start), 255, out);
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

static const char *take_mask_part(struct filter_reader *reader, unsigned char *out)
{
    uint64_t octet;
    if (!take_octet(reader, &octet))
        return "expected a number from 0 to 255";
    *out = (unsigned char)octet;
    return NULL;
}

/* No bits at all are set in every code; those of 127 say nothing. */
static bool is_empty_mask(const struct dnsbl_filter *filter)
{
    return (filter->mask[0] & ~127u) == 0 && filter->mask[1] == 0 && filter->mask[2] == 0 &&
           filter->mask[3] == 0;
}

const char *rules_dnsbl_filter(struct mw_slice text, bool with_mask,
                               struct dnsbl_filter *out_filter, size_t *out_at)
{
    struct filter_reader reader = {.text = text};
    const char *error = NULL;
    *out_filter = (struct dnsbl_filter){.is_there = true, .is_mask = with_mask};
    for (unsigned i = 0; i < 4 && error == NULL; i++) {
        if (i > 0 && !take(&reader, '.'))
            error = "expected '.': a code has four parts";
        else
            error = with_mask ? take_mask_part(&reader, &out_filter->mask[i])
                              : take_part(&reader, out_filter->octets[i]);
    }
    if (error == NULL && reader.at < text.len)
        error = "expected the end of the code";
    if (error == NULL && with_mask && is_empty_mask(out_filter))
        error = "a mask has bits behind the 127, such as 0.0.0.4";
    *out_at = reader.at;
    return error;
}

bool rules_dnsbl_fits(const struct dnsbl_filter *filter, const unsigned char ip[4])
{
    for (unsigned i = 0; i < 4 && filter->is_there; i++) {
        bool fits = filter->is_mask ? (ip[i] & filter->mask[i]) == filter->mask[i]
                                    : filter->octets[i][ip[i] / 64] >> ip[i] % 64 & 1;
        if (!fits)
            return false;
    }
    return true;
}

/* ---- zones ---- */

bool rules_dnsbl_is_name(struct mw_slice name)
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

/* A zone as it stands in the file, cut into its parts. */
struct written {
    struct mw_slice name, filter, weight; /* ptr NULL: it has none */
    bool is_mask;
};

static struct written cut(struct mw_slice text)
{
    struct written written = {.name = text};
    ptrdiff_t star = text_find(text, '*');
    if (star >= 0) {
        written.weight = text_skip(text, (size_t)star + 1);
        text.len = (size_t)star;
    }
    ptrdiff_t equals = text_find(text, '='), mask = text_find(text, '&');
    written.is_mask = mask >= 0 && (equals < 0 || mask < equals);
    ptrdiff_t sign = written.is_mask ? mask : equals;
    written.name = sign < 0 ? text : SLICE(text.ptr, (size_t)sign);
    if (sign >= 0)
        written.filter = text_skip(text, (size_t)sign + 1);
    if (written.name.len > 0 && written.name.ptr[written.name.len - 1] == '.')
        written.name.len--;
    return written;
}

static bool read_weight(struct mw_slice text, int32_t *out)
{
    uint64_t weight;
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    if (!text_number(text_skip(text, is_negative), DNSBL_WEIGHT_MAX, &weight) || weight == 0)
        return false;
    *out = is_negative ? -(int32_t)weight : (int32_t)weight;
    return true;
}

static bool has_good_weight(struct rules *rules, const struct written *written,
                            struct dnsbl_entry *entry, const struct place *place)
{
    entry->weight = 1;
    if (written->weight.ptr == NULL || read_weight(written->weight, &entry->weight))
        return true;
    rules_error(rules, place, "such as \"list.example*2\", or *-2 for those who vouch",
                "\"%.*s\" is no weight: a whole number up to %d, not 0", (int)written->weight.len,
                written->weight.ptr, DNSBL_WEIGHT_MAX);
    return false;
}

static bool has_good_filter(struct rules *rules, struct mw_slice text,
                            const struct written *written, struct dnsbl_entry *entry,
                            const struct place *place)
{
    size_t at = 0;
    if (written->filter.ptr == NULL)
        return true;
    const char *error = rules_dnsbl_filter(written->filter, written->is_mask, &entry->filter, &at);
    if (error == NULL)
        return true;
    struct place where = *place;
    ptrdiff_t before = written->filter.len > 0 ? written->filter.ptr - text.ptr
                                               : (ptrdiff_t)written->name.len + 1;
    where.column += 1 + (uint32_t)before + (uint32_t)at; /* behind the quote */
    where.length = 1;
    rules_error(rules, &where,
                written->is_mask ? "such as \"list.example&0.0.0.6\""
                                 : "such as \"list.example=127.0.0.[2..11;20]\"",
                "reply code: %s", error);
    return false;
}

static struct dnsbl_zone *zone_of(struct rules *rules, struct list *list, struct mw_slice name,
                                  const struct place *place)
{
    struct dnsbl_zone **tail = &list->zones;
    for (; *tail != NULL; tail = &(*tail)->next)
        if (text_ieq((*tail)->name, name))
            return *tail;
    if (list->zone_count == LIST_ZONES_MAX) {
        rules_error(rules, place, NULL, "more than %d zones in one list", LIST_ZONES_MAX);
        return NULL;
    }
    *tail = rules_keep(rules, sizeof **tail);
    (*tail)->list = list;
    (*tail)->name = rules_keep_text(rules, name);
    (*tail)->number = list->zone_count++;
    for (unsigned i = 0; i < ZONE_COUNTERS; i++)
        (*tail)->counters[i] = -1;
    return *tail;
}

static void add_entry(struct dnsbl_zone *zone, struct dnsbl_entry *entry)
{
    struct dnsbl_entry **tail = &zone->entries;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = entry;
    *(entry->weight < 0 ? &zone->down : &zone->up) += entry->weight;
}

bool rules_dnsbl_read(struct rules *rules, struct list *list, struct mw_slice text,
                      const struct place *place)
{
    enum { ENTRIES_MAX = LIST_ZONES_MAX * 4 };
    struct written written = cut(text);
    struct dnsbl_entry *entry = rules_keep(rules, sizeof *entry);
    if (!rules_dnsbl_is_name(written.name) || text_find(written.name, '.') < 0) {
        rules_error(rules, place,
                    "such as \"zen.spamhaus.org\" or \"list.example=127.0.0.[2..11]\"",
                    "\"%.*s\" is no zone of the DNS", (int)written.name.len, written.name.ptr);
        return false;
    }
    if (!has_good_filter(rules, text, &written, entry, place) ||
        !has_good_weight(rules, &written, entry, place))
        return false;
    if (list->count == ENTRIES_MAX) {
        rules_error(rules, place, NULL, "more than %d entries in one list", ENTRIES_MAX);
        return false;
    }
    struct dnsbl_zone *zone = zone_of(rules, list, written.name, place);
    if (zone == NULL)
        return false;
    list->count++;
    add_entry(zone, entry);
    return true;
}

int32_t rules_dnsbl_most(const struct list *list)
{
    int32_t most = 0;
    for (const struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next)
        most += zone->up;
    return most;
}
