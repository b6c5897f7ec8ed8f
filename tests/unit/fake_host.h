/* fake_host.h - what the hosts that tests play for a filter have in common: an instance and a session of it in arrays, which a test fills and reads,
 * and the functions of the host's table that are the same for every filter.
 *
 * A filter's own fake (rules_fake.h, spf_fake.h) makes the table from these functions and its own few, and says which facts there are. What a
 * filter does not use stays zero. The limits of the arrays are the fake's: what is beyond them is refused where the host may refuse, and ends
 * the test program elsewhere. Nothing here has a clock or a loop: time is `clock_ms`, and who runs the tasks says when. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <stdbool.h>
#include <stdio.h>

#include <mailweir/filter.h>

#include "fake_text.h"

enum { FAKE_MAX = 64, FAKE_TASKS_MAX = 8, FAKE_TEXT = 32768, FAKE_NAME = 80, FAKE_LINE = 512 };

struct fake_fact {
    char name[FAKE_NAME];
    struct mw_fact fact; /* its text in `text` */
    char text[FAKE_LINE];
};
struct fake_field {
    char name[128], value[2048];
    bool is_added;
};
struct fake_rcpt {
    char address[256];
    enum mw_rcpt_status status;
};
/* Work that waits: `run` (may be NULL), then `done`. */
struct fake_task {
    void (*run)(void *user), (*done)(void *user);
    void *user;
    uint64_t at_ms;
    bool is_gone;
};
struct fake_question {
    char name[256];
    enum mw_dns_kind kind;
    void (*answered)(void *user, const struct mw_dns_answer *answer);
    void *user;
    bool is_open;
};

/* What the functions of the host's table see as an instance ... */
struct mw_instance {
    struct fake_chunk *chunks;
    struct fake_settings *settings; /* where the filter's settings are read from a text */
    struct mw_setting_value files, match_limit, scan_limit; /* the rule engine's */
    char diags[FAKE_TEXT];                                  /* a line each */
    size_t errors, warnings;
    char (*counters)[FAKE_NAME]; /* names; heap */
    int counter_count, counter_cap;
    uint32_t wanted, needs;
    uint64_t clock_ms;
    struct fake_task alarms[16];
    struct fake_question questions[16]; /* of the instance: host->dns() */
    size_t alarm_count, question_count, asked;
    const char
        *listed; /* names that the DNS has (127.0.0.2), a blank behind each; "fail.": no answer */
};
/* ... and as a context. */
struct mw_ctx {
    struct mw_instance *instance;
    void *state, *session_slot, *transaction_slot;
    struct fake_chunk *session_chunks, *transaction_chunks;
    size_t allocations; /* calls of session_alloc and transaction_alloc */
    struct fake_fact facts[FAKE_MAX];
    size_t fact_count;
    uint64_t *counts; /* heap */
    int count_cap;
    bool is_observed, is_explained;

    bool in_transaction;
    char sender[400], params[256];
    struct fake_rcpt rcpts[FAKE_MAX];
    size_t rcpt_count;
    ptrdiff_t current; /* whose stage it is, -1: nobody's */
    struct fake_field fields[FAKE_MAX];
    size_t field_count;
    bool has_no_header_yet; /* the fields are not seen */
    bool refuses_edits;     /* of recipients */
    const char *body;
    size_t body_len, body_views;
    struct mw_content_maker *content;

    struct fake_task tasks[FAKE_TASKS_MAX];
    size_t task_count;
    bool has_no_timers;
    bool is_parked, is_resumed;
    void (*cancelled)(void *user);
    void *cancelled_user;
    enum mw_verdict resumed; /* what host->resume was told */
    const char
        *zone; /* "NAME TYPE VALUE" lines; "NAME TYPE !" fails; "NAME TYPE ?" is never answered */
    struct fake_question *questions; /* of the session: host->query() */
    size_t asked;
    bool has_no_resolver;

    uint32_t code;
    char dsn[16], reply[1200], rule[128], where[128], reason[400];
    char group[256];                        /* of the last recipient */
    char log[FAKE_TEXT];                    /* "event key=value key=value" lines */
    char results[FAKE_MAX * FAKE_LINE / 4]; /* auth_result lines */
    char why[FAKE_MAX * FAKE_LINE / 4];     /* explain lines */
};

/* The filter's own fake has these two. */
extern const struct mw_host fake_host;
extern const char *const fake_fact_names[]; /* NULL behind the last */

/* ---- for the table ---- */

void host_want(struct mw_instance *instance, uint32_t stages);
int host_counter(struct mw_instance *instance, const char *name);
void *host_instance_alloc(struct mw_instance *instance, size_t size);
int host_fact_id(struct mw_instance *instance, const char *name);

void *host_state(struct mw_ctx *ctx);
void **host_session_slot(struct mw_ctx *ctx);
void **host_transaction_slot(struct mw_ctx *ctx);
void *host_session_alloc(struct mw_ctx *ctx, size_t size);
void *host_transaction_alloc(struct mw_ctx *ctx, size_t size);
struct mw_fact host_fact(struct mw_ctx *ctx, int id);
void host_count(struct mw_ctx *ctx, int id, uint64_t by);
int host_is_observed(struct mw_ctx *ctx);

/* No sender outside a transaction. Recipients: an address has an '@' with something on either side and no blank; who is being asked about
 * (`current`) is not deleted. */
int host_sender(struct mw_ctx *ctx, struct mw_path_view *view);
size_t host_rcpt_count(struct mw_ctx *ctx);
int host_rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view);
int host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address);
int host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address);
int host_rcpt_delete(struct mw_ctx *ctx, size_t index);
bool host_is_address(struct mw_slice address);

int host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view);
ptrdiff_t host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from);
int host_header_insert(struct mw_ctx *ctx, size_t index, struct mw_slice name,
                       struct mw_slice value);
int host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value);
int host_header_delete(struct mw_ctx *ctx, size_t index);

int host_reply(struct mw_ctx *ctx, uint32_t code, struct mw_slice dsn, struct mw_slice text);
void host_because(struct mw_ctx *ctx, struct mw_slice rule, struct mw_slice where,
                  struct mw_slice reason);

uint64_t host_now_ms(struct mw_ctx *ctx);
struct mw_ticket *host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user);
void host_resume(struct mw_ticket *ticket, enum mw_verdict verdict);
struct mw_timer *host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                            void *user);
void host_timer_cancel(struct mw_timer *timer);
int host_work(struct mw_ctx *ctx, void (*run)(void *user), void (*done)(void *user), void *user);
void host_dns_cancel(struct mw_question *question);

/* ---- for tests, and for the filter's own fake ---- */

/* A session: everything but the instance, its clock and the state is as of nothing; nobody is `current`. */
void fake_session_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state);
/* The transaction: slot, memory, recipients and fields are gone. */
void fake_transaction_fini(struct mw_ctx *ctx);
/* ... and the session. */
void fake_session_fini(struct mw_ctx *ctx);
/* Memory and the names of counters. */
void fake_instance_fini(struct mw_instance *instance);

/* The fact's text is copied, cut if need be. */
void fake_fact_put(struct mw_ctx *ctx, const char *name, struct mw_fact fact);
void fake_fact_text(struct mw_ctx *ctx, const char *name, const char *text);
void fake_fact_number(struct mw_ctx *ctx, const char *name, uint64_t number);
void fake_fact_ip(struct mw_ctx *ctx, const char *name, const char *ip);
void fake_fact_error(struct mw_ctx *ctx, const char *name);
/* A fact's text, or "". */
const char *fake_fact(const struct mw_ctx *ctx, const char *name);
/* The message brings it. */
void fake_header(struct mw_ctx *ctx, const char *name, const char *value);
/* UINT64_MAX: there is no such counter. */
uint64_t fake_counter(const struct mw_ctx *ctx, const char *name);

#endif
