/* list.c - sets are open-addressing hash tables of slices. Networks are looked up once for each
 * prefix length that occurs (longest first), hosts once for each parent domain, addresses whole and
 * by @domain: the cost does not grow with the list. */
#include "list.h"

#include <stdio.h>

enum { FILE_MAX = 16 << 20, LINE_MAX_OCTETS = 1024 };

enum set_kind { SET_NETWORK = 0, SET_HOST, SET_ADDRESS, SET_TEXT, SET_NAME };

struct list_set {
    enum set_kind kind;
    size_t size;            /* of the table: a power of two */
    struct mw_slice *slots; /* ptr NULL = free; networks: address (16) and prefix (1) */
    bool has_prefix[129];
    struct list_set *next;
};

struct list *rules_list_find(const struct rules *rules, struct mw_slice name)
{
    for (struct list *list = rules->lists; list != NULL; list = list->next)
        if (text_eq(list->name, name))
            return list;
    return NULL;
}

void rules_list_add(struct rules *rules, struct list *list, struct list_entry ***tail,
                    struct mw_slice text, const struct place *place)
{
    struct list_entry *entry = rules_keep(rules, sizeof *entry);
    entry->text = text;
    entry->place = *place;
    **tail = entry;
    *tail = &entry->next;
    list->count++;
}

/* ---- files ---- */

static struct mw_slice take_line(struct mw_slice *rest)
{
    ptrdiff_t end = rules_text_find(*rest, '\n');
    struct mw_slice line = end < 0 ? *rest : SLICE(rest->ptr, (size_t)end);
    *rest = end < 0 ? EMPTY : text_skip(*rest, (size_t)end + 1);
    return line;
}

static void read_line(struct rules *rules, struct list *list, struct list_entry ***tail,
                      struct mw_slice line, struct place place)
{
    ptrdiff_t comment = rules_text_find(line, '#');
    struct mw_slice text = rules_text_trim(comment < 0 ? line : SLICE(line.ptr, (size_t)comment));
    if (text.len == 0)
        return;
    place.column = (uint32_t)(text.ptr - line.ptr) + 1;
    place.length = (uint32_t)text.len;
    if (text.len > LINE_MAX_OCTETS)
        rules_error(rules, &place, NULL, "an entry of more than %d octets", LINE_MAX_OCTETS);
    else if (rules_text_find(text, ' ') >= 0 || rules_text_find(text, '\t') >= 0)
        rules_error(rules, &place, "one entry a line; # begins a comment",
                    "more than one word in list \"%.*s\"", (int)list->name.len, list->name.ptr);
    else
        rules_list_add(rules, list, tail, text, &place);
}

bool rules_list_read(struct rules *rules, struct list *list, const char *path,
                     const struct place *place)
{
    size_t len = 0;
    const char *error = NULL;
    char *text = rules->lang->file_read(path, FILE_MAX, &len, &error);
    if (text == NULL) {
        rules_error(rules, place, NULL, "cannot read list file %s: %s", path,
                    error ? error : "unknown error");
        return false;
    }
    struct file_text *kept = rules_keep(rules, sizeof *kept);
    kept->text = text;
    kept->next = rules->texts;
    rules->texts = kept;
    struct mw_slice rest = SLICE(text, len);
    struct list_entry **tail = &list->entries;
    struct place at = {.file = rules_keep_text(rules, slice_of(path)).ptr};
    while (rest.len > 0) {
        at.line++;
        read_line(rules, list, &tail, take_line(&rest), at);
    }
    return true;
}

/* ---- sets ---- */

static bool folds_case(enum set_kind kind)
{
    return kind == SET_HOST || kind == SET_ADDRESS || kind == SET_NAME;
}

static bool is_equal(enum set_kind kind, struct mw_slice a, struct mw_slice b)
{
    if (kind == SET_ADDRESS)
        return rules_text_address_eq(a, b);
    return folds_case(kind) ? rules_text_ieq(a, b) : text_eq(a, b);
}

/* The slot that holds `key`, or the free one where it would stand. */
static struct mw_slice *slot_of(const struct list_set *set, struct mw_slice key)
{
    size_t at = rules_text_hash(key, folds_case(set->kind)) & (set->size - 1);
    while (set->slots[at].ptr != NULL && !is_equal(set->kind, set->slots[at], key))
        at = (at + 1) & (set->size - 1);
    return &set->slots[at];
}

static bool holds(const struct list_set *set, struct mw_slice key)
{
    return slot_of(set, key)->ptr != NULL;
}

static void mask(unsigned char address[16], uint32_t prefix)
{
    for (uint32_t bit = prefix; bit < 128; bit = (bit | 7) + 1) {
        unsigned keep = bit & 7;
        address[bit >> 3] = (unsigned char)(address[bit >> 3] & (keep ? 0xff00u >> keep : 0));
    }
}

static bool put_network(struct rules *rules, struct list_set *set, const struct list_entry *entry)
{
    unsigned char *key = rules_keep(rules, 17);
    uint32_t prefix;
    if (!rules->lang->parse_network(entry->text, key, &prefix) || prefix > 128)
        return false;
    key[16] = (unsigned char)prefix;
    set->has_prefix[prefix] = true;
    struct mw_slice text = SLICE((const char *)key, 17);
    *slot_of(set, text) = text;
    return true;
}

static bool put(struct rules *rules, struct list_set *set, const struct list_entry *entry)
{
    if (set->kind == SET_NETWORK)
        return put_network(rules, set, entry);
    if (set->kind == SET_HOST && rules_text_find(entry->text, '@') >= 0)
        return false;
    if (set->kind == SET_ADDRESS && rules_text_find(entry->text, '@') < 0 &&
        rules_text_find(entry->text, '.') >= 0)
        return false; /* a bare domain: @domain is meant, or the field .domain */
    *slot_of(set, entry->text) = entry->text;
    return true;
}

static enum set_kind kind_for(enum field_type type)
{
    switch (type) {
    case TYPE_IP:
        return SET_NETWORK;
    case TYPE_HOST:
        return SET_HOST;
    case TYPE_ADDRESS:
        return SET_ADDRESS;
    case TYPE_NAME:
        return SET_NAME;
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_SCORE:
    case TYPE_TEXT:
    case TYPE_BYTES:
        break;
    }
    return SET_TEXT;
}

static void report_entry(struct rules *rules, const struct list_entry *entry,
                         const struct list *list, const struct field *field, enum set_kind kind)
{
    const char *wanted = kind == SET_NETWORK ? "an IP address or network"
                         : kind == SET_HOST  ? "a host name or .domain"
                                             : "an address or @domain";
    const char *hint =
        kind == SET_NETWORK ? "write 192.0.2.1 or 192.0.2.0/24 (no bits set behind the prefix)"
        : kind == SET_HOST
            ? "look the whole address up instead of its domain"
            : "write @example.net for all addresses of a domain, or look the .domain up";
    rules_error(rules, &entry->place, hint,
                "\"%.*s\" is not %s, which list \"%.*s\" needs because %s is looked up in it",
                (int)entry->text.len, entry->text.ptr, wanted, (int)list->name.len, list->name.ptr,
                field->name);
}

struct list_set *rules_list_set(struct rules *rules, struct list *list, const struct field *field)
{
    enum set_kind kind = kind_for(field->type);
    list->is_used = true;
    for (struct list_set *set = list->sets; set != NULL; set = set->next)
        if (set->kind == kind)
            return set;
    struct list_set *set = rules_keep(rules, sizeof *set);
    set->kind = kind;
    for (set->size = 8; set->size < list->count * 2; set->size *= 2)
        continue;
    set->slots = rules_keep(rules, set->size * sizeof *set->slots);
    bool is_good = true;
    for (struct list_entry *entry = list->entries; entry != NULL; entry = entry->next) {
        if (put(rules, set, entry))
            continue;
        report_entry(rules, entry, list, field, kind);
        is_good = false;
    }
    set->next = list->sets;
    list->sets = set;
    return is_good ? set : NULL;
}

/* ---- looking up ---- */

static bool has_network(const struct list_set *set, struct mw_slice address)
{
    unsigned char key[17];
    if (address.len != 16)
        return false;
    memcpy(key, address.ptr, 16);
    for (uint32_t prefix = 129; prefix-- > 0;) {
        if (!set->has_prefix[prefix])
            continue;
        mask(key, prefix);
        key[16] = (unsigned char)prefix;
        if (holds(set, SLICE((const char *)key, 17)))
            return true;
    }
    return false;
}

/* "mail.example.net": itself, then ".example.net", ".net". */
static bool has_host(const struct list_set *set, struct mw_slice host)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || holds(set, host))
        return host.len != 0;
    for (size_t i = 1; i < host.len; i++)
        if (host.ptr[i] == '.' && holds(set, text_skip(host, i)))
            return true;
    return false;
}

/* The whole address, then @its.domain. */
static bool has_address(const struct list_set *set, struct mw_slice address)
{
    if (holds(set, address))
        return true;
    ptrdiff_t at = rules_text_rfind(address, '@');
    return at >= 0 && holds(set, text_skip(address, (size_t)at));
}

bool rules_list_has(const struct list_set *set, const struct value *value)
{
    switch (set->kind) {
    case SET_NETWORK:
        return has_network(set, value->text);
    case SET_HOST:
        return has_host(set, value->text);
    case SET_ADDRESS:
        return value->text.len > 0 ? has_address(set, value->text) : holds(set, value->text);
    case SET_TEXT:
    case SET_NAME:
        break;
    }
    return holds(set, value->text);
}
