/* dns_server.h - a scripted name server on the test's own loop, UDP and TCP on one loopback port,
 * and a resolver that asks it. What it answers, and what goes wrong, stands in a table. */
#ifndef MW_TEST_DNS_SERVER_H
#define MW_TEST_DNS_SERVER_H

#include "net/resolver.h"

enum dns_fault {
    FAULT_NONE = 0,
    FAULT_MUTE,
    FAULT_DEAF_ONCE, /* the first question gets no answer */
    FAULT_SLOW,      /* answers after SERVER_SLOW_MS */
    FAULT_SERVFAIL,
    FAULT_REFUSED,
    FAULT_NO_EDNS,         /* FORMERR to a question with EDNS (RFC 6891 7) */
    FAULT_TRUNCATED,       /* UDP: only TC; the answer by TCP */
    FAULT_TRUNCATED_MUTE,  /* ... and by TCP nothing */
    FAULT_TRUNCATED_TWICE, /* TC by TCP too */
    FAULT_WRONG_QUESTION,
    FAULT_WRONG_ID,
    FAULT_GARBAGE, /* the id, then noise */
    FAULT_SHORT,   /* one octet less */
    FAULT_LOOP,    /* an alias to itself */
    FAULT_NO_SOA   /* NXDOMAIN without one */
};
enum { SERVER_SLOW_MS = 250, SERVER_LINE_DATA = 8 };

/* What there is under (name, type). A name that no line has does not exist. */
struct dns_line {
    const char *name;
    unsigned type;
    enum dns_fault fault;
    uint32_t ttl_s;
    const char *data[SERVER_LINE_DATA]; /* addresses, names, text; MX always with preference 10 */
};

struct dns_server {
    uv_udp_t udp;
    uv_tcp_t tcp;
    struct mw_endpoint endpoint;
    const struct dns_line *lines;
    size_t line_count;
    int asked, asked_tcp; /* questions that arrived */
    char last_name[256];
    unsigned last_type;
};

struct dns_world {
    uv_loop_t loop;
    struct mw_net net;
    struct dns_server server;
    struct mw_resolver *resolver;
    uv_timer_t patience, pulse;            /* bounds dns_turn; wakes it */
    uint64_t stalled_ms, longest_stall_ms; /* while it turned the machine was busy with others */
};

/* False if something could not be opened. Server and resolver are on the same loop. */
bool dns_world_open(struct dns_world *world, const struct dns_line *lines, size_t line_count,
                    uint64_t timeout_ms, uint32_t attempts, uint32_t cache_entries);
/* Everything closes and the loop is empty; false if not. */
bool dns_world_close(struct dns_world *world);
/* Run the loop until *counter is at least `want`, for at most `ms`. NULL: for `ms`. Adds to
 * `stalled_ms`: an upper bound on time is one on the resolver's time only with that added; what one
 * timer ends is late by `longest_stall_ms` at most. Both count from dns_stall_forget() on. */
void dns_turn(struct dns_world *world, const int *counter, int want, uint64_t ms);
void dns_stall_forget(struct dns_world *world);

/* What a question got: a callback's `user`. */
struct dns_result {
    int calls;
    enum mw_dns_status status;
    size_t count;
    struct mw_inet address; /* of the first record */
    uint16_t preference;
    char text[512]; /* of all records, joined by a comma */
    uint64_t at_ms;
    uv_loop_t *loop; /* for at_ms; may be NULL */
};
void dns_on_records(void *result, enum mw_dns_status status, const struct mw_dns_record *records,
                    size_t count);
void dns_on_name(void *result, enum mw_dns_status status, struct mw_slice name,
                 struct mw_slice reverse);

#endif
