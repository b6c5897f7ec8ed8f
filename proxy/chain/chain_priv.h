/* chain_priv.h - what the files of chain/ share: the structs behind plugin.h and run.h, and the
 * halves of the host table.
 *
 * Who owns what:
 *   mw_plugins    modules of the process                     plugin.c
 *   mw_instances  one load of the configuration: instances,  instance.c
 *                 fact names, counters, dead handles
 *   mw_chain      instances in order                         chain.c
 *   mw_run        one session on a chain; nearly empty until run.c
 *                 a wanted stage makes it `live`
 *   mw_ctx        one filter in one session                  run.c
 *   mw_ticket, mw_timer                                      async.c
 *   mw_watch, mw_alarm, mw_question                          host_loop.c
 *   mw_query_entry    a question of a session                host_query.c
 * Not here: what any other layer may see (plugin.h, run.h, stage.h). */
#ifndef MW_CHAIN_PRIV_H
#define MW_CHAIN_PRIV_H

#include "base/list.h"
#include "chain/plugin.h"
#include "chain/run.h"
#include "chain/stage.h"

/* ---- modules (plugin.c) ---- */

/* A descriptor as this host understands it: fields that the module's older header did not have are
 * NULL. */
struct mw_module {
    struct mw_module *next;
    char *path;
    struct mw_filter filter; /* settings point to `settings` */
    struct mw_setting *settings;
};

/* The module that `word` (the value of `module`) names, loaded if it was not yet; problems go to
 * diags. NULL on error. */
const struct mw_module *mw_plugins_load(struct mw_plugins *plugins, const struct mw_conf_word *word,
                                        struct mw_diags *diags);

/* ---- instances (instance.c) ---- */

enum {
    MW_COUNTERS_MAX = 100000, /* about 70 octets each, name included */
    MW_FACTS_MAX = 1000,
    MW_QUARANTINE_MAX =
        1024,             /* dead handles kept, so that a late resume or timer_cancel is harmless */
    MW_TIMERS_MAX = 1000, /* of one session */
};

/* What an instance has under way on the loop (host_loop.c): lists of struct mw_loop_handle. */
enum mw_loop_kind {
    MW_LOOP_WATCH = 0,
    MW_LOOP_ALARM,
    MW_LOOP_QUESTION,
    MW_LOOP_QUERY, /* a question for a session (host_query.c) */
    MW_LOOP_KINDS
};
struct mw_loop_list {
    struct mw_link handles;
    size_t count;
};

struct mw_instance {
    struct mw_instance *next;
    struct mw_instances *set;
    char *name;
    struct mw_conf_pos pos;
    struct mw_filter filter;
    void *state;            /* what open() gave us */
    uint32_t stages;        /* wanted, at most those with hooks */
    uint32_t content_needs; /* bits enum mw_content_need */
    uint64_t wanted_own;    /* bits of the proxy's own facts that it asked the ids of */
    enum mw_on_error on_error;
    uint64_t deadline_ms;
    struct mw_setting_value *settings; /* parallel to filter.settings */
    int failed_counter;
    struct mw_diags *diags;  /* while open() runs, else NULL */
    const char *diag_source; /* the file whose text the diagnostics have last been given */
    bool is_started;         /* in service: its loop services work */
    struct mw_loop_list loop[MW_LOOP_KINDS];
};

struct mw_counter {
    struct mw_instance *instance;
    const char *name;
    uint64_t value;
};
struct mw_fact_name {
    struct mw_instance *owner;
    const char *name;
};

/* Handles that are no longer valid but may still be in a filter's hands. */
struct mw_quarantine {
    struct mw_link dead; /* oldest first */
    size_t count;
};

struct mw_instances {
    struct mw_plugins *plugins;
    struct mw_arena arena;
    struct mw_instance *first, **last;
    struct mw_counter *counters;
    size_t counter_count, counter_cap;
    uint32_t *counter_buckets; /* open addressing, index + 1; power of two */
    size_t bucket_count;
    struct mw_fact_name *facts;
    size_t fact_count;
    struct mw_quarantine quarantine;
    struct mw_content_kit *content_kit; /* made when it is first needed */
    size_t works;   /* blocking jobs and callbacks under way: the set outlives them */
    bool is_orphan; /* its owner has let it go: closed when works is 0 */
    const struct mw_instance_services *services; /* NULL: not in service */
    uint64_t clock_ms;                           /* the latest that a filter was told */
    const char *authserv_id;
    struct mw_quarantine loop_dead; /* struct mw_loop_handle */
};

/* Same name, same id. -1 above MW_COUNTERS_MAX. */
int mw_instances_counter(struct mw_instance *instance, const char *name);
/* One of the host's own counts for an instance ("failed", "observed-reject"). Rare events: looked
 * up by name. */
void mw_instance_tally(struct mw_instance *instance, const char *name);
/* A job on the pool has begun, has ended (which may free an orphaned set). */
void mw_instances_hold(struct mw_instances *instances);
void mw_instances_release(struct mw_instances *instances);

/* ---- chain (chain.c) ---- */

struct mw_chain_entry {
    struct mw_instance *instance;
    bool is_observed;
};
struct mw_chain {
    struct mw_instances *instances;
    char *name;
    struct mw_chain_entry *entries;
    size_t count;
    uint32_t stages;
    uint32_t body_filters;  /* how many want BODY */
    uint32_t content_needs; /* of all instances */
};

/* ---- facts (facts.c) ---- */

struct mw_fact_cell {
    struct mw_fact fact;
    char *octets; /* heap copy behind fact.text */
    bool for_session;
};
/* Ids below this are the proxy's own. */
int mw_facts_own_count(void);
int mw_facts_own_id(const char *name);
struct mw_fact mw_facts_own(const struct mw_subject *subject, int id, bool in_transaction);
void mw_fact_cell_set(struct mw_fact_cell *cell, struct mw_fact fact, bool for_session);
void mw_fact_cell_clear(struct mw_fact_cell *cell);

/* ---- a run (run.c) ---- */

/* One filter in one session. */
struct mw_ctx {
    struct mw_run *run;
    const struct mw_chain_entry *entry;
    void *session_slot, *transaction_slot;
    bool is_skipping;     /* answered MW_SKIP: no more body of this message */
    bool has_replaced;    /* body_replace was called in this transaction */
    bool has_broken_body; /* ... and a later piece had to be refused: the message must not go out */
    uint8_t body_state;   /* where the replaced body stands, see host_edit.c */
};

enum mw_edit_kind {
    MW_EDIT_HEADER_ADD = 0,
    MW_EDIT_HEADER_DELETE,
    MW_EDIT_HEADER_CHANGE,
    MW_EDIT_RCPT_ADD,
    MW_EDIT_RCPT_DELETE,
    MW_EDIT_RCPT_CHANGE,
    MW_EDIT_SENDER,
    MW_EDIT_BODY,
    MW_EDIT_RESULT,
    MW_EDIT_COUNT
};

/* What a filter says with reply() and because(); dropped when its verdict is settled. */
struct mw_said {
    uint16_t code;
    bool has_reply;
    struct mw_slice dsn, text, rule, where, reason;
};

/* A header field that was added at DATA, before there is a header block. */
struct mw_early_field {
    struct mw_early_field *next;
    struct mw_slice name, value;
};

/* A session's questions to the DNS (host_query.c). */
struct mw_queries {
    struct mw_link open;   /* struct mw_query_entry: asked, to be asked later, or about to fail */
    struct mw_link queued; /* wait for one of those asked */
    size_t count, asked;   /* of both lists; of those asked */
    int64_t allowance; /* what is left of the session's share, less than nothing: host_query.c */
    uint64_t refilled_ms;
    bool has_begun, was_told;
};

struct mw_live {
    struct mw_ctx *ctxs; /* parallel to chain->entries */

    /* the stage being run */
    struct mw_call call;
    struct mw_buf kept;     /* copies of call's slices, once somebody waits */
    size_t position;        /* of the filter being asked */
    struct mw_ctx *current; /* the filter being asked or waited for */
    enum mw_stage stage;    /* its hook: HEADER or END_OF_HEADERS in one stage */
    bool is_waiting;
    bool is_closing; /* session_close hooks run: nothing new begins */
    struct mw_ticket *ticket;
    uint64_t deadline_ms;
    const char *failure; /* why MW_ERROR */
    struct mw_said said;
    struct mw_arena words; /* memory of said and outcome */
    struct mw_outcome outcome;

    /* the message's content, if some filter wants it (host_content.c) */
    struct mw_content_maker *content;
    struct mw_preparing *preparing; /* it is being finished on a thread: the stage waits */

    /* the walk over the header: what is shown next and where it ends; edits move both along */
    size_t header_next, header_end;

    /* the transaction */
    uint32_t edits[MW_EDIT_COUNT];
    uint32_t body_filters;    /* that have not skipped */
    uint64_t *accepted_rcpts; /* bit set of recipients with ACCEPT */
    size_t accepted_words;
    struct mw_early_field *early, **early_last; /* transaction arena */

    struct mw_link timers;
    size_t timer_count;
    struct mw_queries queries;
    struct mw_fact_cell *facts; /* by id - own count; NULL until one is set */
    size_t fact_count;
};

struct mw_run {
    const struct mw_chain *chain;
    struct mw_subject *subject;
    const struct mw_services *services;
    struct mw_live *live; /* NULL until a filter is first asked */
    bool in_transaction;
    bool has_accepted_session, has_accepted_transaction;
};

/* "7Q2k9Z.1" for log lines, into the caller's array. */
enum { MW_RUN_ID_MAX = 64 };
struct mw_slice mw_run_id(const struct mw_run *run, char out_text[MW_RUN_ID_MAX]);
/* Take a filter's answer to heart (verdict.c). True: the stage is decided, live->outcome says how.
 */
bool mw_run_settle(struct mw_ctx *ctx, enum mw_verdict verdict);
/* A verdict with what the filter said and is to be logged, checked; default replies supplied.
 * Memory: the filter's instance, and the words of the stage at hand. */
void mw_run_fill_outcome(struct mw_ctx *ctx, enum mw_verdict verdict,
                         struct mw_outcome *out_outcome);
/* The waiting filter has answered: settle it, ask the others, tell the owner when all is decided.
 */
void mw_run_resume(struct mw_run *run, enum mw_verdict verdict);
static inline struct mw_instance *mw_ctx_instance(const struct mw_ctx *ctx)
{
    return ctx->entry->instance;
}

/* ---- tickets, timers, work (async.c) ---- */

enum mw_handle_state { MW_HANDLE_DEAD = 0, MW_HANDLE_PARKED, MW_HANDLE_GIVEN, MW_HANDLE_TIMER };
/* Tickets and timers are the same kind of thing: a callback that is owed until it is called or
 * dropped. */
struct mw_handle {
    struct mw_link link; /* the run's timers, or the quarantine */
    struct mw_ctx *ctx;  /* NULL: dead */
    void (*fn)(void *user);
    void *user;
    void *service; /* timer: the loop's handle */
    enum mw_handle_state state;
    enum mw_verdict verdict;
};
struct mw_ticket {
    struct mw_handle handle;
};
struct mw_timer {
    struct mw_handle handle;
};

void mw_quarantine_init(struct mw_quarantine *quarantine);
void mw_quarantine_fini(struct mw_quarantine *quarantine);
/* Kill the run's ticket without a word; its memory goes to the quarantine. */
void mw_ticket_end(struct mw_live *live);
/* The same, and tell the filter: `cancelled` runs, once. */
void mw_ticket_cancel(struct mw_live *live);
void mw_timers_stop(struct mw_run *run);

/* ---- the host table's functions, by topic ---- */

extern const struct mw_host mw_host_table;

/* host_load.c */
const struct mw_setting_value *mw_host_setting(struct mw_instance *instance, const char *name);
const char *mw_host_instance_name(struct mw_instance *instance);
void mw_host_want(struct mw_instance *instance, uint32_t stages);
void mw_host_diag(struct mw_instance *instance, const struct mw_diag *diag);
int mw_host_fact_id(struct mw_instance *instance, const char *name);
int mw_host_fact_define(struct mw_instance *instance, const char *name);
int mw_host_counter(struct mw_instance *instance, const char *name);
void *mw_host_instance_alloc(struct mw_instance *instance, size_t size);

const char *mw_host_authserv_id(struct mw_instance *instance);
/* fact_define() gave this id to an instance of the same module. */
bool mw_fact_is_of(const struct mw_instance *instance, int id);

/* host_loop.c: the loop for an instance, the log without a session, and why */

struct mw_query_entry;
struct mw_loop_handle {
    struct mw_link link;          /* the instance's list of its kind, or the dead ones */
    struct mw_instance *instance; /* NULL: dead */
    void *service;                /* the loop's handle */
    void (*ready)(void *user, uint32_t events);
    void (*due)(void *user);
    void (*answered)(void *user, const struct mw_dns_answer *answer);
    void *user;
    enum mw_loop_kind kind;
    struct mw_query_entry *query; /* MW_LOOP_QUERY */
};
struct mw_question {
    struct mw_loop_handle handle;
};
/* The services, if this instance may ask for one more of that kind. */
const struct mw_instance_services *mw_loop_services_for(const struct mw_instance *instance,
                                                        enum mw_loop_kind kind);
struct mw_loop_handle *mw_loop_handle_new(struct mw_instance *instance, enum mw_loop_kind kind,
                                          void *user);
void mw_loop_handle_end(struct mw_loop_handle *handle);
bool mw_dns_is_kind(enum mw_dns_kind kind);

void mw_loop_init(struct mw_instance *instance);
/* The set's owner has let it go: from here on the loop calls no filter of it. */
void mw_loop_quiet(struct mw_instances *set);
/* Behind close(): end, and tell of, what the filter has forgotten. */
void mw_loop_fini(struct mw_instance *instance);
void mw_loop_quarantine_fini(struct mw_instances *set);
/* A filter's own line, `id` as for mw_log_named(). */
void mw_instance_log(const struct mw_instance *instance, struct mw_log *log, struct mw_slice id,
                     enum mw_log_level level, const char *event, const struct mw_log_pair *pairs,
                     size_t count);
struct mw_watch *mw_host_watch(struct mw_instance *instance, int fd, uint32_t events,
                               void (*fn)(void *user, uint32_t events), void *user);
void mw_host_watch_change(struct mw_watch *watch, uint32_t events);
void mw_host_watch_end(struct mw_watch *watch);
struct mw_alarm *mw_host_alarm(struct mw_instance *instance, uint64_t delay_ms,
                               void (*fn)(void *user), void *user);
void mw_host_alarm_cancel(struct mw_alarm *alarm);
struct mw_question *mw_host_dns(struct mw_instance *instance, struct mw_slice name,
                                enum mw_dns_kind kind,
                                void (*answered)(void *user, const struct mw_dns_answer *answer),
                                void *user);
void mw_host_dns_cancel(struct mw_question *question);
int mw_host_job(struct mw_instance *instance, void (*run)(void *user), void (*done)(void *user),
                void *user);
void mw_host_note(struct mw_instance *instance, enum mw_log_level level, const char *event,
                  const struct mw_log_pair *pairs, size_t count);
void mw_host_tally(struct mw_instance *instance, int counter_id, uint64_t by);
uint64_t mw_host_clock_ms(struct mw_instance *instance);
int mw_host_is_explained(struct mw_ctx *ctx);
void mw_host_explain(struct mw_ctx *ctx, uint32_t depth, struct mw_slice text);

/* host_query.c */
void mw_queries_init(struct mw_live *live);
/* The session ends: nothing of it is answered any more. */
void mw_queries_stop(struct mw_run *run);
struct mw_question *mw_host_query(struct mw_ctx *ctx, struct mw_slice name, enum mw_dns_kind kind,
                                  void (*answered)(void *user, const struct mw_dns_answer *answer),
                                  void *user);
void mw_query_drop(struct mw_query_entry *query);

/* host_message.c */
int mw_host_body_is_replaced(struct mw_ctx *ctx);
int mw_host_sender(struct mw_ctx *ctx, struct mw_path_view *view);
size_t mw_host_rcpt_count(struct mw_ctx *ctx);
int mw_host_rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view);
ptrdiff_t mw_host_rcpt_current(struct mw_ctx *ctx);
uint32_t mw_host_upstream_reply(struct mw_ctx *ctx, struct mw_slice *text);
uint64_t mw_host_message_size(struct mw_ctx *ctx);
size_t mw_host_header_count(struct mw_ctx *ctx);
int mw_host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view);
ptrdiff_t mw_host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from);
struct mw_slice mw_host_header_decoded(struct mw_ctx *ctx, size_t index);
struct mw_slice mw_host_body_view(struct mw_ctx *ctx, size_t max);

/* host_edit.c */
int mw_host_set_sender(struct mw_ctx *ctx, struct mw_slice address);
int mw_host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address);
int mw_host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address);
int mw_host_rcpt_delete(struct mw_ctx *ctx, size_t index);
int mw_host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value);
int mw_host_header_insert(struct mw_ctx *ctx, size_t index, struct mw_slice name,
                          struct mw_slice value);
int mw_host_header_change(struct mw_ctx *ctx, size_t index, struct mw_slice value);
int mw_host_header_delete(struct mw_ctx *ctx, size_t index);
int mw_host_body_replace(struct mw_ctx *ctx, struct mw_slice octets);
int mw_host_auth_result(struct mw_ctx *ctx, struct mw_slice result);
/* END_OF_HEADERS begins: fields added at DATA go into the block. */
void mw_edits_apply_early(struct mw_run *run);
/* Log one refused wish of a filter: an edit, a reply, a fact. */
void mw_edit_refused(struct mw_ctx *ctx, const char *what, const char *why);

/* host_content.c */
void mw_run_content_begin(struct mw_run *run); /* END_OF_HEADERS */
void mw_run_content_feed(struct mw_run *run, struct mw_slice octets);
/* END_OF_MESSAGE: true if a thread was asked to finish it; mw_run_prepared() follows. */
bool mw_run_content_prepare(struct mw_run *run);
/* Nobody waits for that thread any more; filters see no content. */
void mw_run_content_leave(struct mw_live *live);
void mw_run_content_end(struct mw_run *run); /* of the transaction */
void mw_host_want_content(struct mw_instance *instance, uint32_t needs);
const struct mw_content *mw_host_content(struct mw_ctx *ctx);
const struct mw_content *mw_host_content_read(struct mw_instance *instance, struct mw_slice message,
                                              uint32_t needs);
void mw_host_content_hold(const struct mw_content *content);
void mw_host_content_release(const struct mw_content *content);
struct mw_slice mw_host_header_text(struct mw_slice value, void *(*alloc)(void *user, size_t size),
                                    void *user);
size_t mw_host_header_addresses(struct mw_slice value, void *(*alloc)(void *user, size_t size),
                                void *user, const struct mw_address *const **out_addresses);
struct mw_slice mw_host_fold(struct mw_slice text, void *(*alloc)(void *user, size_t size),
                             void *user);
/* run.c: the thread is done */
void mw_run_prepared(struct mw_run *run);

/* host_rcpt.c */
int mw_host_rcpt_verdict(struct mw_ctx *ctx, size_t index, enum mw_verdict verdict);
int mw_host_rcpt_group(struct mw_ctx *ctx, struct mw_slice group);

/* async.c */
struct mw_ticket *mw_host_park(struct mw_ctx *ctx, void (*cancelled)(void *user), void *user);
void mw_host_resume(struct mw_ticket *ticket, enum mw_verdict verdict);
struct mw_timer *mw_host_timer(struct mw_ctx *ctx, uint64_t delay_ms, void (*fn)(void *user),
                               void *user);
void mw_host_timer_cancel(struct mw_timer *timer);
int mw_host_work(struct mw_ctx *ctx, void (*run)(void *user), void (*done)(void *user), void *user);
/* Queue a job that holds the set until its done() has run; `queue` is the service's, with its user.
 * 0: it was not taken. */
int mw_instances_work(struct mw_instances *set,
                      bool (*queue)(void *user, void (*run)(void *arg), void (*done)(void *arg),
                                    void *arg),
                      void *queue_user, void (*run)(void *user), void (*done)(void *user),
                      void *user);

#endif
