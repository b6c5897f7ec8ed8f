/* spf_fake.h - a host for the SPF filter: settings from a text, an envelope, a header, a DNS whose answers come when the test says so, and what was told
 * and asked kept as text. */
#ifndef SPF_FAKE_H
#define SPF_FAKE_H

#include <stdbool.h>
#include <stdio.h>

#include "fake_settings.h"
#include "judge.h"

enum { FAKE_MAX = 64, FAKE_TEXT = 16384, FAKE_NAME = 64, FAKE_LINE = 512 };

struct fake_fact {
    char name[FAKE_NAME], text[FAKE_LINE];
    enum mw_fact_type type;
    size_t len;
};
struct fake_field {
    char name[FAKE_NAME], value[4096];
    bool is_added;
};
struct fake_rcpt {
    char address[256];
    enum mw_rcpt_status status;
};
struct fake_question {
    char name[256];
    enum mw_dns_kind kind;
    void (*answered)(void *user, const struct mw_dns_answer *answer);
    void *user;
    bool is_open;
};
struct mw_instance {
    struct fake_chunk *chunks;
    struct fake_settings settings;
    char names[FAKE_MAX][FAKE_NAME]; /* of counters */
    int counter_count;
    uint32_t wanted;
    char diags[FAKE_TEXT]; /* "file:line:column+length: error: message | hint" lines */
};
struct mw_ctx {
    struct mw_instance *instance;
    struct spf *state;
    void *session_slot, *transaction_slot;
    struct fake_chunk *session_chunks, *transaction_chunks;
    const char
        *zone; /* "NAME TYPE VALUE" lines; "NAME TYPE !" fails; "NAME TYPE ?" is never answered */
    struct fake_question questions[1024];
    size_t asked;
    uint64_t now_ms;
    void (*timer_fn[FAKE_MAX])(void *user);
    void *timer_user[FAKE_MAX];
    uint64_t timer_ms[FAKE_MAX];
    size_t timers;
    bool has_no_resolver, has_no_timers, is_observed, is_explained;
    struct fake_fact facts[FAKE_MAX];
    size_t fact_count;
    char sender[400], params[100];
    struct fake_rcpt rcpts[FAKE_MAX];
    size_t rcpt_count;
    struct fake_field fields[FAKE_MAX];
    size_t field_count;
    bool has_header, refuses_edits;
    uint64_t counts[FAKE_MAX];
    bool is_parked, is_resumed;
    void (*cancelled)(void *user);
    void *cancelled_user;
    enum mw_verdict resumed;
    uint32_t code;
    char dsn[16], reply[1200], rule[64], where[128], reason[400];
    char results[FAKE_TEXT]; /* auth_result lines */
    char log[FAKE_TEXT];     /* "event key=value" lines */
    char why[FAKE_TEXT];     /* explain lines */
};

extern const struct mw_host fake_host;

/* A block of settings, a directive a line; file "spf.conf", counted from line 1. NULL: an error, instance->diags has it. */
struct spf *fake_open(struct mw_instance *instance, const char *text);
void fake_instance_fini(struct mw_instance *instance);

void fake_init(struct mw_ctx *ctx, struct mw_instance *instance, struct spf *spf, const char *zone);
void fake_fini(struct mw_ctx *ctx); /* session_close, and everything is freed */
/* All at once: a block, and a session of mail.example.net [192.0.2.66]. False: the block is not good (stderr says why). */
bool fake_begin(struct mw_ctx *ctx, struct mw_instance *instance, const char *block,
                const char *zone);
void fake_end(struct mw_ctx *ctx);
void fake_set(struct mw_ctx *ctx, const char *fact, const char *text);
void fake_client(struct mw_ctx *ctx, const char *ip, const char *helo);
/* A transaction: what was told before is forgotten, counters are not. */
enum mw_verdict fake_mail(struct mw_ctx *ctx, const char *sender);
/* Another recipient; all questions are answered and timers rung until there is a verdict. */
enum mw_verdict fake_rcpt(struct mw_ctx *ctx, const char *address);
enum mw_verdict fake_stage(struct mw_ctx *ctx, enum mw_stage stage);
/* Hand out what can be answered. True: something was. */
bool fake_answer(struct mw_ctx *ctx);
/* Let time pass; timers ring. */
void fake_wait(struct mw_ctx *ctx, uint64_t ms);
size_t fake_open_questions(const struct mw_ctx *ctx);
uint64_t fake_count(const struct mw_ctx *ctx, const char *name);
/* A fact's text, or "". */
const char *fake_fact(const struct mw_ctx *ctx, const char *name);
const char *fake_field(const struct mw_ctx *ctx,
                       const char *name); /* the first one's value, or NULL */

#endif
