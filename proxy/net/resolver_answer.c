/* resolver_answer.c - the parser of DNS answers.
 *
 * Names are read into `struct wire_name`: their labels with lengths, decompressed and in lower case
 * (a length is below 'A', so folding the whole is safe). In this form any octet in a label is
 * harmless and two names are equal when their octets are; aliases are followed in it. Text is made
 * of a name only when it is handed out, and only of a host name: no answer can smuggle a dot, a
 * blank or a line end into something that is printed.
 *
 * A server may put records in any order, so each alias that is followed looks at all of them again:
 * by the hash of their owner, which the first reading notes, since names in many pieces (60 and
 * more) are dear to read. Aliases in their usual order are followed as they come. Hashes can be
 * made to collide; that costs what all names cost without hashes, once for each alias. The worst
 * packet that was thought of (2,048 records, their owners in 61 pieces, 8 aliases in reverse order)
 * takes 1.2 ms, a thousand ordinary addresses 36 us. */
#include "net/resolver_answer.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_LEN = 12,
    WIRE_MAX = 255, /* RFC 1035 2.3.4 */
    JUMPS_MAX = 64, /* compression pointers of one name */
    CLASS_IN = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    RCODE_NXDOMAIN = 3,
    RR_MIN_LEN = 11, /* the root, type, class, TTL, length */
    SOA_MIN_LEN = 22 /* two root names and five numbers */
};
#define TTL_UNKNOWN UINT32_MAX

struct wire_name {
    size_t len; /* with the final zero */
    unsigned char octets[WIRE_MAX];
};

struct packet {
    const unsigned char *octets;
    size_t len;
};

struct rr {
    struct wire_name owner;
    unsigned type, class;
    uint32_t ttl_s;
    size_t data, data_len, end;
};

/* A record of the answer section, for the second look. */
struct seen {
    uint32_t hash; /* of its owner */
    uint32_t at;
};

/* One answer being taken apart. */
struct parse {
    struct packet packet;
    struct mw_arena *arena;
    unsigned type;
    struct wire_name name; /* what is looked for now: the question, then what its aliases say */
    struct wire_name alias;
    unsigned flags;
    size_t answers_at, answer_count, authorities_at, authority_count;
    struct seen *seen;
    struct mw_dns_record *records;
    size_t count, count_max;
    uint32_t ttl_s;
    bool is_found; /* records of the type exist, usable or not */
    bool is_alias; /* of the question's name */
};

/* ---- names ---- */

bool mw_dns_name_normalize(struct mw_slice name, char out_name[MW_DNS_NAME_MAX + 1],
                           size_t *out_len)
{
    size_t label = 0;
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > MW_DNS_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '\0')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > MW_DNS_LABEL_MAX || (label == 0 && (i == 0 || name.ptr[i - 1] == '.')))
            return false;
        out_name[i] = mw_lower(c);
    }
    if (label == 0)
        return false;
    out_name[name.len] = '\0';
    *out_len = name.len;
    return true;
}

/* The labels of a name in normal form. */
static void wire_of_text(struct mw_slice name, struct wire_name *out_name)
{
    size_t length_at = 0, at = 1;
    mw_assert(name.len > 0 && name.len <= MW_DNS_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.') {
            out_name->octets[length_at] = (unsigned char)(at - length_at - 1);
            length_at = at++;
        } else {
            out_name->octets[at++] = (unsigned char)name.ptr[i];
        }
    }
    out_name->octets[length_at] = (unsigned char)(at - length_at - 1);
    out_name->octets[at++] = 0;
    out_name->len = at;
}

static bool wire_eq(const struct wire_name *a, const struct wire_name *b)
{
    return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

/* FNV-1a */
static uint32_t hash_of(const struct wire_name *name)
{
    uint32_t hash = 0x811c9dc5;
    for (size_t i = 0; i < name->len; i++)
        hash = (hash ^ name->octets[i]) * 0x01000193;
    return hash;
}

static void copy_folded(struct wire_name *name, const unsigned char *octets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        name->octets[name->len++] = (unsigned char)mw_lower((char)octets[i]);
}

/* Read the name at `at`; the position behind it, or 0 if it is none. A pointer must lead to before
 * the piece that it ends (RFC 1035 4.1.4: a prior occurrence), so that no loop exists. */
static size_t read_name(const struct packet *packet, size_t at, struct wire_name *out_name)
{
    size_t end = 0, piece = at, jumps = 0;
    out_name->len = 0;
    while (at < packet->len) {
        size_t octet = packet->octets[at];
        if (octet >= 0xc0) {
            if (at + 1 >= packet->len || ++jumps > JUMPS_MAX)
                return 0;
            end = end == 0 ? at + 2 : end;
            at = (octet & 0x3f) << 8 | packet->octets[at + 1];
            if (at >= piece || at < HEADER_LEN)
                return 0;
            piece = at;
            continue;
        }
        if (octet > MW_DNS_LABEL_MAX || octet >= packet->len - at ||
            out_name->len + octet + 1 > WIRE_MAX)
            return 0;
        copy_folded(out_name, packet->octets + at, octet + 1);
        at += octet + 1;
        if (octet == 0)
            return end == 0 ? at : end;
    }
    return 0;
}

static bool is_host_label(const unsigned char *label, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = (char)label[i];
        if (!mw_is_alnum(c) && c != '-' && c != '_')
            return false;
    }
    return label[0] != '-' && label[len - 1] != '-';
}

static bool is_all_digits(const unsigned char *label, size_t len)
{
    size_t digits = 0;
    while (digits < len && mw_is_digit((char)label[digits]))
        digits++;
    return digits == len;
}

/* The name as text, if it is a host name (see the header). The root is not one. */
static bool host_text(struct mw_arena *arena, const struct wire_name *name,
                      struct mw_slice *out_text)
{
    char text[WIRE_MAX];
    size_t len = 0;
    bool ends_in_digits = true;
    for (size_t at = 0, label; (label = name->octets[at]) > 0; at += label + 1) {
        if (!is_host_label(name->octets + at + 1, label))
            return false;
        ends_in_digits = is_all_digits(name->octets + at + 1, label);
        memcpy(text + len, name->octets + at + 1, label);
        len += label;
        text[len++] = '.';
    }
    if (ends_in_digits)
        return false;
    *out_text = mw_arena_dup(arena, MW_SLICE(text, len - 1));
    return true;
}

/* The name as text that can be asked for again: whoever takes it for more than that has to look at it. No octet is left that ends a
 * line or a label where the name does not. */
static bool printable_text(struct mw_arena *arena, const struct wire_name *name,
                           struct mw_slice *out_text)
{
    char text[WIRE_MAX];
    size_t len = 0;
    for (size_t at = 0, label; (label = name->octets[at]) > 0; at += label + 1) {
        for (size_t i = 1; i <= label; i++) {
            char c = (char)name->octets[at + i];
            if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\')
                return false;
            text[len++] = c;
        }
        text[len++] = '.';
    }
    *out_text = mw_arena_dup(arena, MW_SLICE(text, len - 1));
    return true;
}

/* ---- records ---- */

static unsigned u16_at(const struct packet *packet, size_t at)
{
    return (unsigned)packet->octets[at] << 8 | packet->octets[at + 1];
}

static uint32_t u32_at(const struct packet *packet, size_t at)
{
    return (uint32_t)u16_at(packet, at) << 16 | u16_at(packet, at + 2);
}

/* A TTL with the highest bit set means zero (RFC 2181 8). */
static uint32_t ttl_at(const struct packet *packet, size_t at)
{
    uint32_t ttl_s = u32_at(packet, at);
    return ttl_s > INT32_MAX ? 0 : ttl_s;
}

static bool read_rr(const struct packet *packet, size_t at, struct rr *out_rr)
{
    at = read_name(packet, at, &out_rr->owner);
    if (at == 0 || packet->len - at < 10)
        return false;
    out_rr->type = u16_at(packet, at);
    out_rr->class = u16_at(packet, at + 2);
    out_rr->ttl_s = ttl_at(packet, at + 4);
    out_rr->data_len = u16_at(packet, at + 8);
    out_rr->data = at + 10;
    out_rr->end = out_rr->data + out_rr->data_len;
    return out_rr->end <= packet->len;
}

static void lower_ttl(struct parse *parse, uint32_t ttl_s)
{
    if (ttl_s < parse->ttl_s)
        parse->ttl_s = ttl_s;
}

/* A name that fills the record's data from `at` on. */
static bool read_data_name(const struct parse *parse, const struct rr *rr, size_t at,
                           struct wire_name *out_name)
{
    return at < rr->end && read_name(&parse->packet, at, out_name) == rr->end;
}

/* The readers of one type's data: false if it is malformed, *out_usable whether it can be handed
 * out. */

static bool read_address(const struct parse *parse, const struct rr *rr,
                         struct mw_dns_record *out_record, bool *out_usable)
{
    static const unsigned char v4_head[12] = {[10] = 0xff, [11] = 0xff};
    size_t want = rr->type == MW_DNS_A ? 4 : 16;
    if (rr->data_len != want)
        return false;
    unsigned char *octets = out_record->address.octets;
    memcpy(octets, v4_head, sizeof v4_head);
    memcpy(octets + 16 - want, parse->packet.octets + rr->data, want);
    *out_usable = want == 4 || (memcmp(octets, v4_head, sizeof v4_head) != 0 &&
                                mw_inet_is_known(&out_record->address));
    return true;
}

static bool read_ptr(const struct parse *parse, const struct rr *rr,
                     struct mw_dns_record *out_record, bool *out_usable)
{
    struct wire_name name;
    if (!read_data_name(parse, rr, rr->data, &name))
        return false;
    *out_usable = host_text(parse->arena, &name, &out_record->octets);
    return true;
}

static bool read_mx(const struct parse *parse, const struct rr *rr,
                    struct mw_dns_record *out_record, bool *out_usable)
{
    struct wire_name name;
    if (rr->data_len < 3 || !read_data_name(parse, rr, rr->data + 2, &name))
        return false;
    out_record->preference = (uint16_t)u16_at(&parse->packet, rr->data);
    out_record->octets = MW_EMPTY;
    /* the root: "no mail here" (RFC 7505) */
    out_record->is_unusable = name.len > 1 &&
                              !printable_text(parse->arena, &name, &out_record->octets);
    return *out_usable = true;
}

/* The strings joined without anything between them (RFC 7208 3.3); no string at all is empty. */
static bool read_txt(const struct parse *parse, const struct rr *rr,
                     struct mw_dns_record *out_record, bool *out_usable)
{
    char *text = mw_arena_alloc(parse->arena, rr->data_len + 1);
    size_t len = 0;
    for (size_t at = rr->data; at < rr->end;) {
        size_t part = parse->packet.octets[at++];
        if (part > rr->end - at)
            return false;
        memcpy(text + len, parse->packet.octets + at, part);
        len += part;
        at += part;
    }
    out_record->octets = MW_SLICE(text, len);
    return *out_usable = true;
}

static bool add_record(struct parse *parse, const struct rr *rr)
{
    bool is_good = false, is_usable = false;
    struct mw_dns_record record = {.octets = MW_EMPTY};
    parse->is_found = true;
    lower_ttl(parse, rr->ttl_s);
    if (parse->count == parse->count_max)
        return true;
    if (rr->type == MW_DNS_A || rr->type == MW_DNS_AAAA)
        is_good = read_address(parse, rr, &record, &is_usable);
    else if (rr->type == MW_DNS_PTR)
        is_good = read_ptr(parse, rr, &record, &is_usable);
    else if (rr->type == MW_DNS_MX)
        is_good = read_mx(parse, rr, &record, &is_usable);
    else if (rr->type == MW_DNS_TXT)
        is_good = read_txt(parse, rr, &record, &is_usable);
    if (is_usable)
        parse->records[parse->count++] = record;
    return is_good;
}

/* ---- the answer ---- */

/* The counts of the header, as far as they can be true, and room for what they promise. */
static bool read_counts(struct parse *parse)
{
    const struct packet *packet = &parse->packet;
    size_t most = (packet->len - HEADER_LEN) / RR_MIN_LEN;
    parse->answer_count = u16_at(packet, 6);
    parse->authority_count = u16_at(packet, 8);
    if (parse->answer_count > MW_DNS_SECTION_MAX || parse->answer_count > most ||
        parse->authority_count > MW_DNS_SECTION_MAX)
        return false;
    parse->count_max = parse->answer_count < MW_DNS_RECORDS_MAX ? parse->answer_count
                                                                : MW_DNS_RECORDS_MAX;
    parse->records = mw_arena_array(parse->arena, struct mw_dns_record, parse->count_max);
    parse->seen = mw_arena_array(parse->arena, struct seen, parse->answer_count);
    return true;
}

/* Header and question; leaves the position of the answers. */
static bool read_question(struct parse *parse)
{
    const struct packet *packet = &parse->packet;
    struct wire_name name;
    if (packet->len < HEADER_LEN)
        return false;
    parse->flags = u16_at(packet, 2);
    unsigned rcode = parse->flags & 0xf;
    /* a response (0x8000) to a query (opcode 0: 0x7800), not truncated (0x0200) */
    if ((parse->flags & 0xfa00) != 0x8000 || (rcode != 0 && rcode != RCODE_NXDOMAIN))
        return false;
    size_t at = read_name(packet, HEADER_LEN, &name);
    if (at == 0 || packet->len - at < 4 || !wire_eq(&name, &parse->name))
        return false;
    parse->answers_at = at + 4;
    return u16_at(packet, 4) == 1 && u16_at(packet, at) == parse->type &&
           u16_at(packet, at + 2) == CLASS_IN && read_counts(parse);
}

/* Take a record of the name, or note where its (first) alias points. False: malformed. */
static bool take_rr(struct parse *parse, const struct rr *rr)
{
    if (rr->class != CLASS_IN || !wire_eq(&rr->owner, &parse->name))
        return true;
    if (rr->type == parse->type)
        return add_record(parse, rr);
    if (rr->type != TYPE_CNAME || parse->alias.len > 0)
        return true;
    if (!parse->is_found)
        lower_ttl(parse, rr->ttl_s);
    return read_data_name(parse, rr, rr->data, &parse->alias);
}

/* Read the whole section and remember whose each record is. */
static bool first_look(struct parse *parse)
{
    struct rr rr;
    size_t at = parse->answers_at;
    for (size_t i = 0; i < parse->answer_count; i++, at = rr.end) {
        if (!read_rr(&parse->packet, at, &rr))
            return false;
        parse->seen[i] = (struct seen){hash_of(&rr.owner), (uint32_t)at};
        if (!take_rr(parse, &rr))
            return false;
    }
    parse->authorities_at = at;
    return true;
}

static bool look_again(struct parse *parse)
{
    struct rr rr;
    uint32_t hash = hash_of(&parse->name);
    for (size_t i = 0; i < parse->answer_count; i++) {
        if (parse->seen[i].hash != hash)
            continue;
        if (!read_rr(&parse->packet, parse->seen[i].at, &rr) || !take_rr(parse, &rr))
            return false;
    }
    return true;
}

/* Follow the aliases to the records. False: malformed, or too many aliases (a loop). */
static bool collect(struct parse *parse)
{
    if (!first_look(parse))
        return false;
    for (int aliases = 0; !parse->is_found && parse->alias.len > 0; aliases++) {
        if (aliases == MW_DNS_CNAMES_MAX)
            return false;
        parse->is_alias = true;
        parse->name = parse->alias;
        parse->alias.len = 0;
        if (!look_again(parse))
            return false;
    }
    return true;
}

static bool is_nxdomain(const struct parse *parse)
{
    return (parse->flags & 0xf) == RCODE_NXDOMAIN;
}

/* How long "no such thing" may be kept: the lesser of the SOA's TTL and its minimum, and not at all
 * without one (RFC 2308 5). False: malformed, or not an answer but a referral. */
static bool read_authority(struct parse *parse)
{
    struct rr rr;
    bool has_ns = false;
    size_t at = parse->authorities_at;
    for (size_t i = 0; i < parse->authority_count; i++, at = rr.end) {
        if (!read_rr(&parse->packet, at, &rr))
            return false;
        has_ns = has_ns || rr.type == TYPE_NS;
        if (rr.class != CLASS_IN || rr.type != TYPE_SOA)
            continue;
        if (rr.data_len < SOA_MIN_LEN)
            return false;
        lower_ttl(parse, rr.ttl_s);
        lower_ttl(parse, ttl_at(&parse->packet, rr.end - 4));
        return true;
    }
    parse->ttl_s = 0;
    /* 0x0400: an authority, 0x0080: recurses */
    return is_nxdomain(parse) || (!has_ns && (parse->flags & 0x0480) != 0);
}

/* The best mail exchanger first; by name where the preference is the same, for a stable order. */
static int compare_mx(const void *left, const void *right)
{
    const struct mw_dns_record *a = left, *b = right;
    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    size_t common = a->octets.len < b->octets.len ? a->octets.len : b->octets.len;
    int order = memcmp(a->octets.ptr, b->octets.ptr, common);
    return order != 0 ? order : a->octets.len < b->octets.len ? -1 : a->octets.len > b->octets.len;
}

static enum mw_dns_status read_answer(struct parse *parse)
{
    if (!read_question(parse) || !collect(parse))
        return MW_DNS_FAILED;
    if (parse->count > 0 && !is_nxdomain(parse)) {
        if (parse->type == MW_DNS_MX)
            qsort(parse->records, parse->count, sizeof parse->records[0], compare_mx);
        return MW_DNS_OK;
    }
    if (!parse->is_found && !read_authority(parse))
        return MW_DNS_FAILED;
    return MW_DNS_NONE;
}

void mw_dns_answer_parse(struct mw_arena *arena, struct mw_slice packet, struct mw_slice name,
                         enum mw_dns_type type, struct mw_dns_parsed *out_parsed)
{
    struct parse parse = {.packet = {(const unsigned char *)packet.ptr, packet.len},
                          .arena = arena,
                          .type = type,
                          .ttl_s = TTL_UNKNOWN};
    wire_of_text(name, &parse.name);
    enum mw_dns_status status = read_answer(&parse);
    *out_parsed = (struct mw_dns_parsed){.status = status, .records = parse.records};
    if (status == MW_DNS_OK)
        out_parsed->count = parse.count;
    out_parsed->is_missing = status == MW_DNS_NONE && is_nxdomain(&parse) && !parse.is_found &&
                             !parse.is_alias;
    if (status != MW_DNS_FAILED)
        out_parsed->ttl_s = parse.ttl_s;
}
