/* rules_fake.h - a host for the rule engine, small enough to read: settings, facts, an envelope, a
 * header block and a body in arrays, and everything that was asked for or told kept as text. */
#ifndef RULES_FAKE_H
#define RULES_FAKE_H

#include <stdbool.h>
#include <stdio.h>

#include <mailweir/content.h>

#include "load.h"
#include "parse.h"

enum { FAKE_MAX = 64, FAKE_TEXT = 32768, FAKE_NAME = 80 };

struct fake_header {
    char name[128], value[2048];
};
struct fake_rcpt {
    char address[256];
    enum mw_rcpt_status status;
};
struct fake_fact {
    const char *name;
    struct mw_fact fact;
    char text[256];
};

/* Work that waits: fake_loop() does it. */
struct fake_task {
    void (*run)(void *user), (*done)(void *user);
    void *user;
    uint64_t at_ms;
    bool is_gone;
};
/* A question to the DNS, answered by fake_loop(). */
struct fake_question {
    char name[256];
    void (*answered)(void *user, const struct mw_dns_answer *answer);
    void *user;
    bool is_gone;
};

/* What the functions of the host's table see as an instance ... */
struct mw_instance {
    struct fake_chunk *chunks;
    char diags[FAKE_TEXT]; /* "file:line:col:length: error: message | hint" lines */
    size_t errors, warnings;
    struct mw_setting_value files, match_limit, scan_limit;
    char (*counters)[FAKE_NAME]; /* names; heap */
    int counter_count, counter_cap;
    uint32_t wanted, needs;
    uint64_t clock_ms;
    struct fake_task alarms[16];
    struct fake_question questions[16];
    size_t alarm_count, question_count, asked;
    const char
        *listed; /* names that the DNS has (127.0.0.2), a blank behind each; "fail.": no answer */
};
/* ... and as a context. */
struct mw_ctx {
    struct mw_instance *instance;
    void *state, *session_slot, *transaction_slot;
    struct fake_chunk *session_chunks, *transaction_chunks;
    struct fake_fact facts[FAKE_MAX];
    size_t fact_count;
    bool in_transaction;
    char sender[256], params[256];
    struct fake_rcpt rcpts[FAKE_MAX];
    size_t rcpt_count;
    ptrdiff_t current;
    struct fake_header headers[FAKE_MAX];
    size_t header_count;
    const char *body;
    size_t body_len, body_views;
    size_t allocations; /* calls of session_alloc and transaction_alloc */
    uint64_t *counts;   /* heap */
    int count_cap;
    struct mw_content_maker *content;
    struct fake_task tasks[8];
    size_t task_count;
    bool is_parked, is_resumed, is_observed;
    void (*cancelled)(void *user);
    void *cancelled_user;
    enum mw_verdict resumed; /* what host->resume was told */
    char group[256];         /* of the last recipient */
    uint32_t code;
    char dsn[16], reply[600], rule[128], where[128], reason[400];
    char log[FAKE_TEXT]; /* "event key=value key=value" lines */
};

extern const struct mw_host fake_host;

/* Load rules from a text; NULL if there was an error (fake->diags has all problems). */
struct rules *fake_load(struct mw_instance *instance, const char *text);
void fake_unload(struct mw_instance *instance, struct rules *rules);

/* Run what was given to the pool and what timers wait for, until there is nothing more. */
void fake_loop(struct mw_ctx *ctx);
/* The client has gone: what waits is told so. */
void fake_cancel(struct mw_ctx *ctx);
/* A session. fake_ctx_fini frees it. */
void fake_ctx_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state);
void fake_ctx_fini(struct mw_ctx *ctx);
void fake_fact_text(struct mw_ctx *ctx, const char *name, const char *text);
void fake_fact_number(struct mw_ctx *ctx, const char *name, uint64_t number);
void fake_fact_ip(struct mw_ctx *ctx, const char *name, const char *ip);
void fake_fact_error(struct mw_ctx *ctx, const char *name);
void fake_header(struct mw_ctx *ctx, const char *name, const char *value);
/* Ends the transaction: slot and memory are gone. */
void fake_reset(struct mw_ctx *ctx);
uint64_t fake_counter(struct mw_ctx *ctx, const char *name);
/* Index of the only header of that name's value, or NULL. */
const char *fake_header_value(struct mw_ctx *ctx, const char *name);

#endif
