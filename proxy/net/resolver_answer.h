/* resolver_answer.h - a raw DNS answer taken apart: octets from a server in, checked records out.
 *
 * Pure: no I/O, memory from the caller's arena only, bounded work for any octets (names point
 * backwards only, at most MW_DNS_SECTION_MAX records of a section are looked at, at most
 * MW_DNS_CNAMES_MAX aliases are followed). Whether the id is the one that was sent is c-ares's
 * business; whether the question is the one that was asked is looked at here again.
 * RFC 1035 4 (format), RFC 2181 5 and 8 (names, TTLs), RFC 2308 (what a negative answer is worth).
 */
#ifndef MW_NET_RESOLVER_ANSWER_H
#define MW_NET_RESOLVER_ANSWER_H

#include "base/arena.h"
#include "net/resolver.h"

enum {
    MW_DNS_NAME_MAX = 253, /* octets of a name as text, without the final dot */
    MW_DNS_LABEL_MAX = 63,
    MW_DNS_SECTION_MAX = 2048, /* records of a section; an answer with more is nonsense */
    MW_DNS_CNAMES_MAX = 8
};

/* A name to ask for, in its one form: ASCII in lower case, without a final dot. False if it cannot
 * stand in a question: empty, too long, an empty or too long label, NUL (c-ares takes C strings).
 * More than host names passes on purpose: RFC 2317 zones have '/', SPF macros (RFC 7208 7.3) bring
 * local parts, with blanks and UTF-8. */
bool mw_dns_name_normalize(struct mw_slice name, char out_name[MW_DNS_NAME_MAX + 1],
                           size_t *out_len);

struct mw_dns_parsed {
    enum mw_dns_status status;
    uint32_t ttl_s; /* how long the answer may be kept, by its own records; not capped; 0: not */
    const struct mw_dns_record *records;
    size_t count;    /* 0 unless OK */
    bool is_missing; /* NONE, because the name does not exist: no record of any type, and no name
                        below it (RFC 8020 2). Not of an alias: it exists, whatever the name that it
                        leads to does (RFC 2308 2.1, RFC 6604 3) */
};

/* Take `packet` apart as the answer to (name, type); `name` in normal form. Always sets the result:
 * FAILED for everything that is not a whole answer to this question (also truncation, a code other
 * than NOERROR and NXDOMAIN, a loop of aliases, nothing but a referral: RFC 2308 2.2, nothing from
 * a server that neither recurses nor is the authority), NONE where no usable record is left. A record is
 * unusable, and left out, if its name is not a host name (letters, digits, '-', '_'; no hyphen at
 * either end of a label; the last label not all digits, which would read as an address), if an
 * AAAA record holds an address that is an IPv4 one in disguise, or none. An MX record is left out
 * never, and marked if its name has octets that are not printable, a blank, a backslash, or a dot
 * inside a label.
 * Memory: records and their octets are from `arena`. */
void mw_dns_answer_parse(struct mw_arena *arena, struct mw_slice packet, struct mw_slice name,
                         enum mw_dns_type type, struct mw_dns_parsed *out_parsed);

#endif
