/* run.h - running the chain for one session: stages in, outcomes out; waits, deadlines, observe
 * mode, edits.
 *
 * Whoever owns the session fills a struct mw_subject (what filters may see) and a struct
 * mw_services (what the loop can do), and calls mw_run_stage(). Pure but for the filters
 * themselves: no socket, no clock of its own, no libuv. */
#ifndef MW_CHAIN_RUN_H
#define MW_CHAIN_RUN_H

#include <mailweir/filter.h>

#include "base/arena.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/tlsinfo.h"
#include "chain/plugin.h"
#include "message/envelope.h"
#include "message/header.h"
#include "message/spool.h"

/* How the upstream is, for facts; kept up to date by whoever connects. */
struct mw_upstream_view {
    uint32_t connections; /* of this worker, open or being opened */
    uint32_t waiting;     /* sessions that wait for one */
    bool is_up;           /* some address answered last time, or none was tried yet */
};

struct mw_rcpt_verdict;

/* Facts about the session that are known to the proxy; the session keeps them up to date, filters
 * read them by name (chain/facts.def). Pointers are borrowed and valid while the run lives; NULL /
 * empty = not known. */
struct mw_subject {
    struct mw_slice session_id; /* 7Q2k9Z */
    struct mw_slice listener;
    struct mw_inet client_address, server_address;
    uint16_t client_port, server_port;
    struct mw_slice client_name;         /* forward-confirmed reverse name, empty: unknown */
    struct mw_slice client_reverse_name; /* what the PTR record says, confirmed or not */
    struct mw_slice helo;
    struct mw_slice protocol; /* SMTP, ESMTP */
    struct mw_slice auth_user, auth_mechanism;
    bool is_early_talker;
    bool is_client_name_unknown;             /* its lookup failed for now: the fact is an error */
    const struct mw_tls_info *tls;           /* NULL: in the clear */
    const struct mw_upstream_view *upstream; /* NULL: not known */
    uint32_t message_number;                 /* of the current or next message, from 1 */
    uint32_t messages, errors;               /* so far */
    struct mw_arena *session_arena;
    /* transaction: NULL outside of one */
    struct mw_arena *transaction_arena;
    struct mw_envelope *envelope;
    struct mw_headers *headers; /* from end_of_headers on */
    struct mw_spool *spool;     /* spool plan, end_of_message */
    uint64_t message_size;      /* octets so far, header block included */
    bool has_replaced_body; /* set by a body edit: the header's Content-* are the filter's business
                             */
    /* what filters gave for Authentication-Results, in order; transaction's memory. Written with
     * mw_subject_write_results() */
    struct mw_slice *auth_results;
    size_t auth_result_count, auth_result_octets;
    struct mw_slice rcpt_group; /* of the recipient at hand, set by filters at rcpt; its owner
                                   empties it before. Valid until the next stage */
    /* verdicts for single recipients, by index; transaction's memory. Read with
     * mw_subject_rcpt_verdict() */
    struct mw_rcpt_verdict **rcpt_verdicts;
    size_t rcpt_verdict_cap;
};

struct mw_call;
struct mw_outcome;
/* One filter's answer, for whoever wants to see them all (`mailweir simulate`). Everything is
 * borrowed until trace() returns. */
struct mw_trace {
    const struct mw_call *call;
    enum mw_stage stage; /* of the hook */
    const char *filter;
    bool is_observed;        /* the verdict has no effect */
    enum mw_verdict verdict; /* as it counts: behind a failure, what on-error makes of it */
    const char *failure;     /* why it failed; NULL: it did not */
    const struct mw_outcome *outcome; /* reply, rule, where, reason, as far as there are some */
};

/* What the loop does for filters; filled by session/driver.c (or a test). */
struct mw_services {
    void *user;
    uint64_t (*now_ms)(void *user);
    /* Start a timer; fn(arg) once. Returns a handle for timer_stop. */
    void *(*timer_start)(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
    void (*timer_stop)(void *user, void *handle);
    /* Queue blocking work on the pool; false = full. done() runs on the loop, always, even after
     * the session is gone. */
    bool (*work)(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg);
    /* A stage that answered MW_AGAIN is decided: the session takes it with mw_run_outcome(). Never
     * called before mw_run_stage has returned. */
    void (*decided)(void *user);
    struct mw_log *log;
    uint32_t query_limit; /* questions to the DNS that the session has in a minute; 0: no limit */
    /* Told of every answer, also of those without an opinion; NULL: nobody listens. May not call
     * into the run. */
    void (*trace)(void *user, const struct mw_trace *trace);
    /* Told why, line by line, before a filter's answer (`mailweir explain`): `text` is as the filter
     * wrote it, borrowed. NULL: nobody listens. May not call into the run. */
    void (*explain)(void *user, const char *filter, uint32_t depth, struct mw_slice text);
};

/* Which stage, and its arguments. Slices are borrowed until mw_run_stage() returns; if a filter
 * waits, the run has copied them. */
struct mw_call {
    enum mw_stage stage;
    struct mw_slice a, b;   /* helo: name; auth: mechanism; header: name, value; body: octets;
                               command: verb, argument */
    size_t rcpt;            /* rcpt, rcpt_reply */
    uint32_t upstream_code; /* rcpt_reply */
    struct mw_slice upstream_text;
};

struct mw_outcome {
    enum mw_verdict verdict; /* CONTINUE, REJECT, TEMPFAIL, DISCARD, DISCONNECT; never WAIT, ERROR,
                                ACCEPT (done inside) */
    uint16_t code; /* 0 for CONTINUE and DISCARD; else of the verdict's class (554 at connect) */
    struct mw_slice dsn, text;
    struct mw_slice by;                  /* the filter's name; empty for CONTINUE */
    struct mw_slice rule, where, reason; /* where: at least the filter block's file:line */
};

/* What a filter said of one recipient, as its outcome: REJECT, TEMPFAIL or DISCARD. */
struct mw_rcpt_verdict {
    struct mw_outcome outcome; /* memory: the transaction's (`by`: the configuration's) */
    enum mw_stage stage;       /* at which it was said */
};
/* NULL: nobody said anything. */
const struct mw_rcpt_verdict *mw_subject_rcpt_verdict(const struct mw_subject *subject,
                                                      size_t index);
/* Record it (copied), or replace the one that is there; the recipient's status follows, its `code`
 * stays that of RCPT's reply. The index exists. */
void mw_subject_judge_rcpt(struct mw_subject *subject, size_t index, enum mw_stage stage,
                           const struct mw_outcome *outcome);

/* Put the results that filters gave, if there are some, at the top of the header under this
 * authserv-id. MW_ERR_LIMIT: filters have added so many fields that there is no room for it. */
MW_MUST_USE enum mw_err mw_subject_write_results(struct mw_subject *subject,
                                                 struct mw_slice authserv_id);

struct mw_run;

/* `subject` and `services` are borrowed and must outlive the run. NULL chain or an empty one is
 * allowed: then nothing runs. */
struct mw_run *mw_run_new(const struct mw_chain *chain, struct mw_subject *subject,
                          const struct mw_services *services);
/* Runs session_close hooks, cancels what is pending. */
void mw_run_free(struct mw_run **run);
/* The stages for which mw_run_stage() can make a difference now, a part of mw_chain_stages(): an
 * ACCEPT or a SKIP takes stages away. Calling for others is harmless. */
uint32_t mw_run_stages(const struct mw_run *run);

/* Run one stage through the chain. MW_OK: *out_outcome (slices valid until the next call on this
 * run). MW_AGAIN: some filter waits: `decided` will be called; until then no other stage may be
 * started (asserted), except by mw_run_cancel. Stage rules: after ACCEPT no filter is asked for the
 * rest of that scope; HEADER calls are made by the run itself, before END_OF_HEADERS, for filters
 * that want them; the first verdict other than CONTINUE ends the stage. EDITED is asked of every
 * filter that wants it, behind an ACCEPT for the transaction as well, and never waits. ABORT and
 * CLOSE are not for this call (see below). */
MW_MUST_USE enum mw_err mw_run_stage(struct mw_run *run, const struct mw_call *call,
                                     struct mw_outcome *out_outcome);
/* After decided(): the outcome of the stage that waited. */
void mw_run_outcome(struct mw_run *run, struct mw_outcome *out_outcome);
bool mw_run_is_waiting(const struct mw_run *run);
/* When the waiting filter's deadline passes (ms, 0 = none); the owner calls mw_run_expire() at or
 * after it: the filter's on-error applies and decided() follows (from inside mw_run_expire). */
uint64_t mw_run_deadline(const struct mw_run *run);
void mw_run_expire(struct mw_run *run, uint64_t now_ms);
/* The client went away while a filter waits: cancel the ticket; decided() will not come. */
void mw_run_cancel(struct mw_run *run);

/* The transaction begins (before MAIL's stage), ends without a message (abort hooks run), or ends
 * with one. Slots and ACCEPT scope of the transaction are reset. The transaction arena may be freed
 * after these return. */
void mw_run_transaction_begin(struct mw_run *run);
void mw_run_transaction_end(struct mw_run *run, bool is_aborted);

/* How many edits of each kind this transaction got, for changed= in the message line:
 * "+2h-1h~1h+1r-1r~1r~s~b+3a" (fields, recipients, sender, body, results for
 * Authentication-Results) without the kinds that did not happen; as text in the caller's array. */
struct mw_slice mw_run_changes(const struct mw_run *run, char out_text[64]);

#endif
