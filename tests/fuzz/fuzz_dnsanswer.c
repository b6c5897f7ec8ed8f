/* fuzz_dnsanswer.c - any octets as a DNS answer: no over-read, bounded results, and nothing comes
 * out that is not a host name, an address, or the printable name of a mail exchanger.
 *
 * The first octet chooses the type of question (low nibble) and whether the rest is the whole
 * packet (0x10 not set; asked for is "a.test") or its counts and sections, to which header and
 * question are put in front, so that mutations get past them. */
#include <stdlib.h>
#include <string.h>

#include "net/resolver_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
    if (!is_good)
        abort();
}

static bool is_host_name(struct mw_slice name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '.' ? label == 0 : !mw_is_alnum(c) && c != '-' && c != '_')
            return false;
        if (mw_lower(c) != c)
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0 && name.len <= MW_DNS_NAME_MAX;
}

/* Of a mail exchanger's name: no octet that ends a line or is an escape. */
static bool is_askable(struct mw_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c <= ' ' || c > '~' || c == '\\' || mw_lower(c) != c)
            return false;
    }
    return name.len <= MW_DNS_NAME_MAX && name.ptr[0] != '.' && name.ptr[name.len - 1] != '.';
}

static void check_record(const struct mw_dns_record *record, enum mw_dns_type type)
{
    static const struct mw_inet unknown;
    bool is_address = type == MW_DNS_A || type == MW_DNS_AAAA;
    check(is_address == (memcmp(&record->address, &unknown, sizeof unknown) != 0));
    check(type != MW_DNS_A || mw_inet_is_v4(&record->address));
    check(type != MW_DNS_AAAA || !mw_inet_is_v4(&record->address));
    check(!is_address || record->octets.len == 0);
    check(type != MW_DNS_PTR || is_host_name(record->octets));
    check(type != MW_DNS_MX || record->octets.len == 0 || is_askable(record->octets));
    check(!record->is_unusable || (type == MW_DNS_MX && record->octets.len == 0));
}

static void check_parse(struct mw_slice packet, enum mw_dns_type type)
{
    struct mw_arena arena = {0};
    struct mw_dns_parsed parsed;
    mw_dns_answer_parse(&arena, packet, MW_LIT("a.test"), type, &parsed);
    check(parsed.status <= MW_DNS_FAILED && parsed.count <= MW_DNS_RECORDS_MAX);
    check((parsed.status == MW_DNS_OK) == (parsed.count > 0));
    check(parsed.ttl_s <= INT32_MAX && (parsed.status != MW_DNS_FAILED || parsed.ttl_s == 0));
    check(!parsed.is_missing || parsed.status == MW_DNS_NONE);
    for (size_t i = 0; i < parsed.count; i++) {
        check_record(&parsed.records[i], type);
        check(i == 0 || parsed.records[i - 1].preference <= parsed.records[i].preference);
    }
    /* a record, a name of its own, its place in the list of what was seen */
    check(mw_arena_used(&arena) < MW_DNS_RECORDS_MAX * (sizeof *parsed.records + 300) +
                                      MW_DNS_SECTION_MAX * 16 + 4 * packet.len);
    mw_arena_fini(&arena);
}

static void check_name(struct mw_slice name)
{
    char text[MW_DNS_NAME_MAX + 1], again[MW_DNS_NAME_MAX + 1];
    size_t len, again_len;
    if (!mw_dns_name_normalize(name, text, &len))
        return;
    check(len > 0 && len <= MW_DNS_NAME_MAX && text[len] == '\0');
    check(mw_dns_name_normalize(MW_SLICE(text, len), again, &again_len));
    check(len == again_len && memcmp(text, again, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum mw_dns_type types[] = {MW_DNS_A, MW_DNS_PTR, MW_DNS_MX, MW_DNS_TXT,
                                             MW_DNS_AAAA};
    static const unsigned char question[] = "\1a\4test\0\0\0\0"; /* then class: 1 */
    unsigned char head[12 + 12] = {0, 0, 0x81, 0x80, 0, 1};
    if (size < 6)
        return 0;
    enum mw_dns_type type = types[(data[0] & 0xf) % 5];
    check_name(MW_SLICE((const char *)data, size));
    if ((data[0] & 0x10) == 0) {
        check_parse(MW_SLICE((const char *)data + 1, size - 1), type);
        return 0;
    }
    memcpy(head + 6, data + 1, 4); /* how many answers, how many authorities */
    memcpy(head + 12, question, 12);
    head[21] = (unsigned char)type;
    head[23] = 1;
    char *packet = malloc(sizeof head + size - 5);
    memcpy(packet, head, sizeof head);
    memcpy(packet + sizeof head, data + 5, size - 5);
    check_parse(MW_SLICE(packet, sizeof head + size - 5), type);
    free(packet);
    return 0;
}
