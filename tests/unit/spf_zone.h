/* spf_zone.h - a DNS zone in a table, and SPF checks over it: the other half of spf_check_run(). Fails the test that uses it where a
 * check breaks a law of check.h: a question asked twice, too many of them, texts that are not printable, a run that needs nothing. */
#ifndef SPF_ZONE_H
#define SPF_ZONE_H

#include "check.h"

struct zone_entry {
    const char *name; /* "*": any name */
    enum mw_dns_kind kind;
    struct mw_slice value; /* addresses as text; .ptr NULL: the server fails */
};
#define ZONE_A(name, address)            \
    {                                    \
        name, MW_DNS_ADDRESS4,           \
        {                                \
            address, sizeof(address) - 1 \
        }                                \
    }
#define ZONE_AAAA(name, address)         \
    {                                    \
        name, MW_DNS_ADDRESS6,           \
        {                                \
            address, sizeof(address) - 1 \
        }                                \
    }
#define ZONE_MX(name, host)          \
    {                                \
        name, MW_DNS_MAIL_EXCHANGER, \
        {                            \
            host, sizeof(host) - 1   \
        }                            \
    }
#define ZONE_PTR(name, host)       \
    {                              \
        name, MW_DNS_NAME_OF,      \
        {                          \
            host, sizeof(host) - 1 \
        }                          \
    }
#define ZONE_TXT(name, text)       \
    {                              \
        name, MW_DNS_STRINGS,      \
        {                          \
            text, sizeof(text) - 1 \
        }                          \
    }
#define ZONE_FAILS(name, kind) \
    {                          \
        name, kind,            \
        {                      \
            NULL, 0            \
        }                      \
    }

enum { ZONE_ASKED_MAX = CHECK_QUESTIONS_MAX + 8 };

struct zone {
    const struct zone_entry *entries;
    size_t count;
    struct spf_setup setup; /* zeroed: explanations are wanted all the same */
    bool answers_backward;
    bool is_mute; /* no answer is ever given */
    /* results, valid until the next check */
    struct spf_check *check;
    struct spf_verdict verdict;
    size_t rounds, side_by_side; /* runs that needed something; the most that one of them needed */
    struct spf_need asked[ZONE_ASKED_MAX];
    char names[ZONE_ASKED_MAX][256];
    size_t asked_count;
};
#define ZONE(table)                                                 \
    {                                                               \
        .entries = table, .count = sizeof(table) / sizeof(*(table)) \
    }

/* From beginning to end. `address` "192.0.2.1" or "2001:db8::1". */
void zone_check(struct zone *zone, const char *address, struct mw_slice sender,
                struct mw_slice helo);
/* One step at a time. */
void zone_begin(struct zone *zone, const char *address, struct mw_slice sender,
                struct mw_slice helo);
bool zone_round(struct zone *zone); /* true: decided */
void zone_end(struct zone *zone);
bool zone_was_asked(const struct zone *zone, const char *name, enum mw_dns_kind kind);

#endif
