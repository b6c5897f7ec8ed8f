/* dns_kit.c - see the header. Lengths are the caller's responsibility; a packet that does not fit
 * ends the test program. */
#include "dns_kit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static size_t rr_data_at; /* of the record under construction */

struct mw_slice dns_view(const struct dns_packet *packet)
{
    return MW_SLICE((const char *)packet->octets, packet->len);
}

void dns_octets(struct dns_packet *packet, const void *octets, size_t len)
{
    if (len > sizeof packet->octets - packet->len)
        abort();
    memcpy(packet->octets + packet->len, octets, len);
    packet->len += len;
}

static void put_u16(struct dns_packet *packet, size_t at, unsigned value)
{
    packet->octets[at] = (unsigned char)(value >> 8);
    packet->octets[at + 1] = (unsigned char)value;
}

void dns_u16(struct dns_packet *packet, unsigned value)
{
    unsigned char octets[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    dns_octets(packet, octets, sizeof octets);
}

void dns_u32(struct dns_packet *packet, uint32_t value)
{
    dns_u16(packet, value >> 16);
    dns_u16(packet, value & 0xffff);
}

void dns_name(struct dns_packet *packet, const char *name)
{
    while (*name != '\0') {
        unsigned char len = (unsigned char)strcspn(name, ".");
        dns_octets(packet, &len, 1);
        dns_octets(packet, name, len);
        name += len;
        if (*name == '.')
            name++;
    }
    dns_octets(packet, "", 1);
}

void dns_pointer(struct dns_packet *packet, size_t to)
{
    dns_u16(packet, 0xc000 | (unsigned)to);
}

void dns_begin(struct dns_packet *packet, unsigned flags, const char *name, unsigned type)
{
    packet->len = 0;
    dns_u16(packet, 0x1234);
    dns_u16(packet, flags);
    dns_u16(packet, 1);
    dns_octets(packet, "\0\0\0\0\0\0", 6);
    dns_name(packet, name);
    dns_u16(packet, type);
    dns_u16(packet, 1);
}

void dns_rr(struct dns_packet *packet, enum dns_section section, const char *owner, unsigned type,
            uint32_t ttl_s)
{
    unsigned count = (unsigned)packet->octets[section] << 8 | packet->octets[section + 1];
    put_u16(packet, section, count + 1);
    dns_name(packet, owner);
    dns_u16(packet, type);
    dns_u16(packet, 1);
    dns_u32(packet, ttl_s);
    dns_u16(packet, 0);
    rr_data_at = packet->len;
}

void dns_rr_end(struct dns_packet *packet)
{
    put_u16(packet, rr_data_at - 2, (unsigned)(packet->len - rr_data_at));
}

static void address(struct dns_packet *packet, int family, const char *text)
{
    unsigned char octets[16];
    if (inet_pton(family, text, octets) != 1)
        abort();
    dns_octets(packet, octets, family == AF_INET ? 4 : 16);
    dns_rr_end(packet);
}

void dns_a(struct dns_packet *packet, const char *owner, uint32_t ttl_s, const char *text)
{
    dns_rr(packet, DNS_ANSWER, owner, 1, ttl_s);
    address(packet, AF_INET, text);
}

void dns_aaaa(struct dns_packet *packet, const char *owner, uint32_t ttl_s, const char *text)
{
    dns_rr(packet, DNS_ANSWER, owner, 28, ttl_s);
    address(packet, AF_INET6, text);
}

void dns_named(struct dns_packet *packet, const char *owner, unsigned type, uint32_t ttl_s,
               const char *name)
{
    dns_rr(packet, DNS_ANSWER, owner, type, ttl_s);
    dns_name(packet, name);
    dns_rr_end(packet);
}

void dns_mx(struct dns_packet *packet, const char *owner, uint32_t ttl_s, unsigned preference,
            const char *name)
{
    dns_rr(packet, DNS_ANSWER, owner, 15, ttl_s);
    dns_u16(packet, preference);
    dns_name(packet, name);
    dns_rr_end(packet);
}

void dns_soa(struct dns_packet *packet, const char *owner, uint32_t ttl_s, uint32_t minimum_s)
{
    dns_rr(packet, DNS_AUTHORITY, owner, DNS_TYPE_SOA, ttl_s);
    dns_name(packet, "ns.test");
    dns_name(packet, "hostmaster.test");
    for (uint32_t i = 1; i < 5; i++)
        dns_u32(packet, i);
    dns_u32(packet, minimum_s);
    dns_rr_end(packet);
}
