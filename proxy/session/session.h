/* session.h - one SMTP session as a pure function of events: bytes in, bytes out, and a few calls
 * to its owner.
 *
 * The session has no socket, no clock and no thread. Its owner (session/driver.c, or a test) tells
 * it what happened by the mw_session_<event>() functions, each with the current time, and gets back
 *   - octets in two queues (mw_session_to_client, mw_session_to_upstream), to be written and then
 * settled,
 *   - whether to read (mw_session_wants_client, mw_session_wants_upstream): backpressure is the
 * answer "no",
 *   - when to call mw_session_timer() (mw_session_deadline),
 *   - calls through struct mw_session_ops. None of them may call back into the session.
 * After every event: write both queues, then mw_session_settle(). Slices given to an event may be
 * reused after that.
 *
 * How a session works inside is told at the head of session.c. */
#ifndef MW_SESSION_SESSION_H
#define MW_SESSION_SESSION_H

#include "base/log.h"
#include "base/queue.h"
#include "base/tlsinfo.h"
#include "chain/run.h"
#include "session/settings.h"

struct mw_session;

enum mw_state {
#define MW_STATE(name, word, meaning) MW_STATE_##name,
#include "session/states.def"
#undef MW_STATE
    MW_STATE_COUNT
};

/* How a session ended, for its log line and for tests. */
enum mw_session_end {
    MW_END_NONE = 0,
    MW_END_QUIT,
    MW_END_CLIENT_CLOSED,
    MW_END_CLIENT_TIMEOUT,
    MW_END_REFUSED,  /* by a filter: DISCONNECT, or REJECT at connect */
    MW_END_ERRORS,   /* max-errors, early talker, unparsable BDAT */
    MW_END_UPSTREAM, /* not reachable, lost, nonsense, 421 */
    MW_END_IDENTITY, /* the upstream does not take the identity */
    MW_END_SHUTDOWN,
};
const char *mw_session_end_word(enum mw_session_end end);

/* What a session asks of its owner. */
struct mw_session_ops {
    /* Run a filter stage: MW_OK and *out_outcome, or MW_AGAIN: mw_session_decided() follows later.
     */
    enum mw_err (*run_stage)(void *user, const struct mw_call *call,
                             struct mw_outcome *out_outcome);
    void (*cancel_stage)(void *user); /* the outcome is no longer wanted */
    void (*transaction_begin)(void *user);
    void (*transaction_end)(void *user, bool is_aborted);
    struct mw_slice (*changes)(void *user,
                               char out_text[64]); /* edits of the transaction, for the log */
    /* Connect (first time or again): mw_session_upstream_up() or _failed() follows, never from
     * inside this call. */
    void (*connect_upstream)(void *user);
    /* Drop the connection, or the attempt; no further event about it. */
    void (*close_upstream)(void *user);
    /* The reply that announces it is the last thing in the queue: write it, drop whatever the peer
     * said before, shake hands. mw_session_client_secured() (or _upstream_secured()) follows, or
     * client_eof (upstream_eof, upstream_failed); never from inside this call. */
    void (*secure_client)(void *user);
    void (*secure_upstream)(void *user);
    /* Another client begins on this connection (XCLIENT): the subject has changed. Close the
     * filters' session and open a new one. */
    void (*restart_filters)(void *user);
    /* What this upstream answered to an EHLO last (`banner own`), whole reply; empty: not known
     * yet.
     */
    struct mw_slice (*known_ehlo)(void *user);
    void (*remember_ehlo)(void *user, struct mw_slice reply);
    /* Two-step commit: is the client's side still open (or are octets of it still unread)? */
    bool (*client_present)(void *user);
    struct mw_spool *(*spool_open)(void *user);
    /* Takes the spool; a job may still be under way. */
    void (*spool_close)(void *user, struct mw_spool *spool);
};

/* Who the client is, before its first word: from its socket, its PROXY header, its handshake. The
 * texts are borrowed. */
struct mw_session_peer {
    struct mw_inet address, server_address;
    uint16_t port, server_port;
    struct mw_slice reverse_name;  /* what the PTR record says, verified or not */
    struct mw_slice name;          /* verified reverse name */
    bool is_name_unknown;          /* the lookup failed for now: neither a name nor none */
    const struct mw_tls_info *tls; /* NULL: in the clear so far; copied */
};

/* `id` is copied. Everything else is borrowed and must outlive the session. `stages`: bits of the
 * stages that the chain wants. */
struct mw_session *mw_session_new(struct mw_snapshot *snapshot,
                                  const struct mw_listen_settings *settings,
                                  const struct mw_session_ops *ops, void *user, struct mw_log *log,
                                  struct mw_slice id, const struct mw_session_peer *peer);
/* Frees everything; a spool goes to ops->spool_close. The owner's chain run must be freed before
 * (its close hooks look at the subject). */
void mw_session_free(struct mw_session **session);
/* What filters see; valid as long as the session. */
struct mw_subject *mw_session_subject(struct mw_session *session);
void mw_session_set_stages(struct mw_session *session, uint32_t stages, bool wants_spool);

/* ---- events ---- */
void mw_session_start(struct mw_session *session, uint64_t now_ms);
void mw_session_client_data(struct mw_session *session, struct mw_slice octets, uint64_t now_ms);
void mw_session_client_eof(struct mw_session *session, uint64_t now_ms);
void mw_session_upstream_up(struct mw_session *session, uint64_t now_ms);
void mw_session_upstream_failed(struct mw_session *session, const char *text, uint64_t now_ms);
/* The handshake that was asked for is done. `info` is copied. */
void mw_session_client_secured(struct mw_session *session, const struct mw_tls_info *info,
                               uint64_t now_ms);
void mw_session_upstream_secured(struct mw_session *session, const struct mw_tls_info *info,
                                 uint64_t now_ms);
void mw_session_upstream_data(struct mw_session *session, struct mw_slice octets, uint64_t now_ms);
void mw_session_upstream_eof(struct mw_session *session, const char *text, uint64_t now_ms);
void mw_session_decided(struct mw_session *session, const struct mw_outcome *outcome,
                        uint64_t now_ms);
/* A queue ran empty or shorter, or a spool job is done: go on. */
void mw_session_progress(struct mw_session *session, uint64_t now_ms);
void mw_session_timer(struct mw_session *session, uint64_t now_ms);
/* The service ends: 421 at the next command boundary, or at once with `is_now`. */
void mw_session_shutdown(struct mw_session *session, bool is_now, uint64_t now_ms);

/* ---- what to do next ---- */
struct mw_queue *mw_session_to_client(struct mw_session *session);
struct mw_queue *mw_session_to_upstream(struct mw_session *session);
void mw_session_settle(struct mw_session *session);
bool mw_session_wants_client(const struct mw_session *session);
bool mw_session_wants_upstream(const struct mw_session *session);
/* More content is ready for the upstream as soon as its queue is empty: call mw_session_progress
 * then. */
bool mw_session_wants_progress(const struct mw_session *session);
uint64_t mw_session_deadline(const struct mw_session *session); /* absolute ms; UINT64_MAX = none */
/* The dialogue is over: flush to_client, then close both sides and free. */
bool mw_session_is_over(const struct mw_session *session);
struct mw_spool *mw_session_spool(struct mw_session *session);
enum mw_state mw_session_state(const struct mw_session *session);
enum mw_session_end mw_session_end(const struct mw_session *session);
/* Octets of the last client_data held credentials: wipe the buffer they were read into. */
bool mw_session_had_secret(struct mw_session *session);
/* The identity header (PROXY) is the owner's business; it tells here what the upstream greeting
 * must still prove. */
void mw_session_stats_add(struct mw_session *session, uint64_t octets_in, uint64_t octets_out);
void mw_session_add_filter_time(struct mw_session *session, uint64_t microseconds);
/* Write the session's log line. Once, by the owner, before mw_session_free. */
void mw_session_log_end(struct mw_session *session, uint64_t now_ms);
void mw_session_result(const struct mw_session *session,
                       uint64_t out_counts[4]); /* messages accepted, refused, discarded, lost */

/* Asserts every invariant (listed in session.c). Called after each event in debug builds, and by
 * tests. */
void mw_session_check(const struct mw_session *session);

#endif
