/* dns_kit.h - DNS packets put together by hand, right ones and wrong ones. */
#ifndef MW_TEST_DNS_KIT_H
#define MW_TEST_DNS_KIT_H

#include "base/slice.h"

enum {
    DNS_RESPONSE = 0x8180, /* to a recursive question, by one who recurses; NOERROR */
    DNS_SERVFAIL = 0x8182,
    DNS_FORMERR = 0x8181,
    DNS_NXDOMAIN = 0x8183,
    DNS_REFUSED = 0x8185,
    DNS_TRUNCATED = 0x8380,
    DNS_AT_QUESTION = 12, /* where the name of the question stands */
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6
};

/* Where a record goes: the position of its count in the header. */
enum dns_section { DNS_ANSWER = 6, DNS_AUTHORITY = 8 };

struct dns_packet {
    size_t len;
    unsigned char octets[65535];
};

struct mw_slice dns_view(const struct dns_packet *packet);
/* Header and one question. Names are text, "a.test", labels up to 63; "" is the root. */
void dns_begin(struct dns_packet *packet, unsigned flags, const char *name, unsigned type);
/* One record; the data follows by dns_octets and friends, dns_rr_end() sets its length. */
void dns_rr(struct dns_packet *packet, enum dns_section section, const char *owner, unsigned type,
            uint32_t ttl_s);
void dns_rr_end(struct dns_packet *packet);
void dns_octets(struct dns_packet *packet, const void *octets, size_t len);
void dns_u16(struct dns_packet *packet, unsigned value);
void dns_u32(struct dns_packet *packet, uint32_t value);
void dns_name(struct dns_packet *packet, const char *name);
void dns_pointer(struct dns_packet *packet, size_t to);
/* Whole records of the answer. */
void dns_a(struct dns_packet *packet, const char *owner, uint32_t ttl_s, const char *address);
void dns_aaaa(struct dns_packet *packet, const char *owner, uint32_t ttl_s, const char *address);
void dns_named(struct dns_packet *packet, const char *owner, unsigned type, uint32_t ttl_s,
               const char *name); /* PTR, CNAME */
void dns_mx(struct dns_packet *packet, const char *owner, uint32_t ttl_s, unsigned preference,
            const char *name);
void dns_soa(struct dns_packet *packet, const char *owner, uint32_t ttl_s, uint32_t minimum_s);

#endif
