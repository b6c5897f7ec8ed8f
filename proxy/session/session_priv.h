/* session_priv.h - the session's struct and what its files share. Not for anybody outside session/.
 *
 * Who does what:
 *   session.c      events, states, stages, what the owner asks, invariants
 *   pump.c         takes the client's commands one by one
 *   clock.c        all deadlines
 *   exchange.c     replies to the client in command order; what the upstream still owes us
 *   transaction.c  begin and end of a transaction; stores pointers into its arena
 *   verb_*.c       one verb each: syntax, stage, forwarding, what its reply means
 *   content.c      message content: from octets to header block, body, stream or spool
 *   commit.c       end of message: verdict, envelope brought up to date, late DATA, final reply
 *   mixed.c        recipients with different verdicts: who gets the message, what is told; PRDR
 *   opening.c      the upstream from connecting to the client's greeting: TLS, identity, HELO again
 *   identity.c     who the client is, told upstream: XCLIENT, XFORWARD
 *   upstream.c     commands out, replies in, keep-alive, loss
 *   own_banner.c   `banner own`: alone until a recipient has passed
 *   restart.c      the beginning, and the second one after XCLIENT
 *   report.c       the log lines for users
 */
#ifndef MW_SESSION_PRIV_H
#define MW_SESSION_PRIV_H

#include "message/authres.h"
#include "session/session.h"
#include "smtp/command.h"
#include "smtp/dots.h"
#include "smtp/ehlo.h"
#include "smtp/line.h"
#include "smtp/replies.h"
#include "smtp/reply.h"
#include "smtp/xclient.h"

enum {
    MW_RING_MAX =
        64, /* commands forwarded or answered, whose replies the client does not have yet */
    MW_CLIENT_QUEUE_MARK = 65536,   /* octets for a slow client above which we read nothing more */
    MW_UPSTREAM_QUEUE_MARK = 65536, /* octets for a slow upstream above which content waits */
    MW_QUIT_TIMEOUT_MS = 5000,      /* for the upstream's 221 */
    MW_RATE_WINDOW_MS = 60000,
};

/* A command whose reply the client does not have yet. */
struct mw_exchange {
    uint8_t verb;  /* enum mw_verb */
    bool is_ready; /* a local reply that waits for its turn */
    uint32_t reply_len;
    char *reply; /* heap; only when is_ready */
};

/* Replies that the upstream owes us, in the order of what we sent. */
enum mw_expect_kind {
    MW_EXPECT_GREETING = 0, /* after connecting */
    MW_EXPECT_OWN_EHLO,     /* our EHLO, to learn about STARTTLS, XCLIENT, XFORWARD */
    MW_EXPECT_STARTTLS,     /* 220: then the handshake */
    MW_EXPECT_XCLIENT,      /* its reply is the client's greeting */
    MW_EXPECT_AGAIN_HELO,   /* reopening: the client's HELO once more */
    MW_EXPECT_SLOT,         /* belongs to the first unanswered exchange */
    MW_EXPECT_RSET,         /* ours, before a replay or after a refusal */
    MW_EXPECT_MAIL,         /* replay */
    MW_EXPECT_RCPT,         /* replay or added recipient; `index` */
    MW_EXPECT_DATA,         /* late DATA: 354 */
    MW_EXPECT_FINAL,        /* the message's reply */
    MW_EXPECT_NOOP,         /* keep-alive */
    MW_EXPECT_XFORWARD,     /* before MAIL; index 1: the client's identity hangs on it */
    MW_EXPECT_LATE_MAIL,    /* own banner: MAIL after the first recipient has passed */
};
struct mw_expect {
    uint8_t kind;
    uint8_t verb;   /* SLOT */
    uint32_t index; /* recipient */
};

enum mw_up_state {
    MW_UP_DOWN = 0, /* no connection */
    MW_UP_CONNECTING,
    MW_UP_OPENING, /* greeting, TLS, XCLIENT, HELO again */
    MW_UP_READY,
};

struct mw_upstream {
    uint8_t state;     /* enum mw_up_state */
    bool is_reopening; /* the client has its greeting already */
    bool has_tx;       /* MAIL was accepted there and not yet ended */
    bool has_replied_helo;
    bool is_in_content;    /* DATA was accepted: every octet is content until the end */
    bool is_secure;        /* the handshake is done */
    bool is_securing;      /* it is under way: nothing may be written */
    bool is_clear_agreed;  /* opportunistic, and there is no TLS to be had */
    bool has_own_ehlo;     /* `offers` is what it answers on this connection, in this TLS state */
    struct mw_ehlo offers; /* to our own EHLO, while opening; XFORWARD's attributes later on */
    struct mw_buf first_words; /* the upstream's first words, kept while more has to be done before
                               the client gets them */
    uint32_t answerable; /* of the expected replies: their commands were on the wire when this event
                            began */
    uint32_t connection; /* counts connections that were dropped: replies of an old one are never
                            taken for a new one's */
    struct mw_ehlo ehlo; /* what it announced to the client's EHLO (or to our own, while opening) */
    struct mw_expect *expects;
    uint32_t expect_first, expect_count, expect_cap;
};

enum mw_plan {
    MW_PLAN_STREAM = 0,
    MW_PLAN_SPOOL,
    MW_PLAN_SWALLOW /* content is read and dropped */
};

/* One mail transaction: from MAIL to the end of its message, or RSET. Everything in it dies
 * together. */
struct mw_transaction {
    struct mw_arena arena;
    struct mw_envelope envelope;
    struct mw_headers headers;
    struct mw_dots dots;
    struct mw_stuffer stuffer;
    struct mw_spool *spool;
    struct mw_buf pending;         /* copy of `rest` while end_of_headers waits */
    struct mw_authres_watch watch; /* for forged results behind a header without an end */
    bool is_watched;
    uint64_t begun_ms, size; /* octets of content so far */
    uint64_t bdat_left, bdat_size;
    uint64_t filter_us;
    uint32_t number;   /* of the message in the session, from 1 */
    uint8_t plan;      /* enum mw_plan */
    bool is_discarded; /* a filter said so: 250 to the client, nothing to the upstream */
    bool is_bdat, is_last_chunk;
    bool has_header;        /* the header block is complete */
    bool is_header_written; /* to the upstream */
    bool is_end_pending; /* the end of the content was seen while end_of_headers is being judged */
    bool awaits_spool;   /* the end of the message waits for file jobs */
    bool is_stream_open; /* DATA of the stream plan went through: content flows */
    struct mw_slice
        handed_back;        /* while end_of_headers is being judged: what of the block is body */
    struct mw_span rest;    /* and what of the span came behind it */
    bool was_replayed;      /* the upstream was lost at the late envelope once; not a second time */
    bool awaits_read;       /* the next piece of the spool has to be read from its file */
    uint64_t bdat_sent_len; /* octets of the body given to the upstream */
    bool is_refused;        /* content is swallowed; `refusal` is the reply at its end */
    struct mw_buf refusal;  /* a whole reply */
    uint16_t refusal_code;
    bool requires_tls;      /* RFC 8689: no leg of it may be in the clear */
    bool was_logged;        /* the message line was written */
    bool wants_prdr;        /* MAIL had PRDR, which we had announced */
    bool gives_prdr;        /* the message's reply is one for each recipient and one for all */
    bool were_rcpts_logged; /* that a single verdict was about */
    struct mw_buf group;    /* split: the policy group of its recipients */
    struct mw_slice message_id;
    uint8_t step; /* enum mw_commit_step */
};

/* How far the hand-over to the upstream is (commit.c). */
enum mw_commit_step {
    MW_STEP_NONE = 0,
    MW_STEP_OPEN,  /* the upstream's envelope is brought up to date, one command at a time */
    MW_STEP_DATA,  /* DATA was sent, 354 is awaited */
    MW_STEP_SEND,  /* content goes out of the spool */
    MW_STEP_FINAL, /* the final dot (or BDAT LAST) is out: law 1, wait for the upstream's word */
};

typedef void mw_stage_fn(struct mw_session *session, const struct mw_outcome *outcome);

/* Who the client is by its connection, put back when what XFORWARD said is over. */
struct mw_own_client {
    struct mw_inet address;
    uint16_t port;
    struct mw_slice name, reverse_name, helo, protocol;
    bool is_name_unknown;
    uint32_t commands;     /* XFORWARDs so far */
    uint8_t source;        /* SOURCE that was given: MW_X_SOURCE_*; 0: none */
    bool is_judged;        /* the connect and HELO stages have seen the client that it lends */
    struct mw_arena arena; /* holds what they said */
};

struct mw_session {
    struct mw_snapshot *snapshot;
    const struct mw_listen_settings *settings;
    const struct mw_session_ops *ops;
    void *user;
    struct mw_log *log;
    struct mw_arena arena;
    struct mw_subject subject;
    uint64_t now;

    uint8_t state; /* enum mw_state; written by mw_enter_state only */
    uint8_t end;   /* enum mw_session_end */
    bool is_over, is_draining;
    bool is_helo_refused; /* by a filter, and none was accepted: no MAIL */
    bool has_helo, is_esmtp, is_authenticated, has_secret, has_greeted;
    bool is_esmtp_said;      /* the HELO at hand is an EHLO */
    bool is_helo_wanted;     /* after STARTTLS: what HELO said before is forgotten (RFC 3207 4.2) */
    bool has_conveyed_login; /* auth_user came with XCLIENT */
    uint32_t xclients;
    bool awaits_upstream; /* own banner: a recipient waits until the upstream has the envelope */
    struct mw_own_client *forwarded; /* XFORWARD is in force; what it replaced */
    bool has_lent_filters;           /* the filters' session is that of a forwarded client */
    bool is_skipping_line, is_client_gone, wants_spool, in_event;
    mw_stage_fn *after_judging; /* what MAIL goes on with */
    bool is_held_back; /* the client does not take its replies: no further command is read from
                          `input` */
    uint32_t stages;   /* bits that the chain wants */
    uint32_t shown;    /* MW_EXT_* that the client may use */

    /* client side */
    struct mw_buf client_in; /* read but not taken yet */
    uint64_t swallow_left;   /* octets of a refused BDAT's payload still to be dropped */
    uint64_t swallow_until;  /* ... and by when, at min-data-rate */
    size_t client_used;      /* of it: taken, to be dropped when the queues are settled */
    struct mw_slice input;   /* what the pump works on during one event */
    struct mw_queue to_client;
    struct mw_exchange *ring; /* heap while in use */
    uint32_t ring_first, ring_count, ring_cap;

    /* the command at hand */
    struct mw_command command;
    struct mw_buf held;       /* its text while a stage waits */
    mw_stage_fn *after_stage; /* a stage waits; called with its outcome */
    uint32_t rcpt_at_hand;

    /* upstream side */
    struct mw_upstream up;
    struct mw_buf upstream_in;
    struct mw_queue to_upstream;
    struct mw_buf helo_line; /* the client's accepted HELO or EHLO with CRLF, for reopening */
    struct mw_buf helo_sent; /* the one whose reply is awaited */

    struct mw_transaction *tx;

    /* AUTH */
    struct mw_slice auth_mechanism;
    uint8_t auth_step;

    /* deadlines, absolute ms; 0 = not armed */
    uint64_t upstream_deadline, header_deadline, rate_deadline, keepalive_at, write_deadline;
    uint64_t stage_since;  /* when the stage that waits began */
    uint64_t client_since; /* when the client last did something, or we last answered */
    uint64_t rate_octets;  /* of content when the window began */
    size_t write_len;      /* of both queues when write_deadline was armed */

    /* for the session line */
    uint64_t begun_ms, octets_in, octets_out;
    uint32_t junk;       /* commands of that kind since a message was accepted */
    uint64_t junk_since; /* `accepted` when counting began */
    uint32_t commands, errors, messages_done, messages_tried, rcpts_accepted, rcpts_tried;
    uint64_t accepted, refused, discarded, lost;
};

#define MW_STATE_BIT(name) (1u << MW_STATE_##name)

/* ---- verbs (verbs.c) ---- */
enum {
    MW_FLAG_SYNC = 1,
    MW_FLAG_RELAY = 2,
    MW_FLAG_PAYLOAD = 4,
    MW_FLAG_RESETS = 8,
    MW_FLAG_JUNK = 16
};
struct mw_verb_row {
    uint32_t legal; /* bits of states */
    enum mw_stage stage;
    void (*handle)(struct mw_session *session);
    uint32_t flags;
};
extern const struct mw_verb_row mw_verb_rows[MW_VERB_COUNT];
void mw_verb_helo(struct mw_session *session);
void mw_verb_mail(struct mw_session *session);
void mw_verb_rcpt(struct mw_session *session);
void mw_verb_data(struct mw_session *session);
void mw_verb_bdat(struct mw_session *session);
void mw_verb_rset(struct mw_session *session);
void mw_verb_relay(struct mw_session *session);
void mw_verb_auth(struct mw_session *session);
void mw_verb_starttls(struct mw_session *session);
void mw_verb_xclient(struct mw_session *session);
void mw_verb_xforward(struct mw_session *session);
void mw_verb_quit(struct mw_session *session);
void mw_verb_unknown(struct mw_session *session);
/* Named in relay-verbs: forwarded although we do not know it. */
bool mw_is_relay_verb(const struct mw_session *session, struct mw_slice word);
/* What the upstream's reply to a forwarded command means; called before it is relayed. True: the
 * reply was relayed (rewritten) by the callee. */
bool mw_reply_helo(struct mw_session *session, const struct mw_reply *reply, enum mw_verb verb);
void mw_reply_mail(struct mw_session *session, const struct mw_reply *reply);
void mw_reply_rcpt(struct mw_session *session, const struct mw_reply *reply, uint32_t index);
void mw_reply_rset(struct mw_session *session, const struct mw_reply *reply);
void mw_reply_auth(struct mw_session *session, const struct mw_reply *reply);
/* IN_AUTH: the client's next response line. */
void mw_auth_line(struct mw_session *session, struct mw_slice line);

/* ---- session.c ---- */
void mw_enter_state(struct mw_session *session, enum mw_state state, const char *why);
/* Run a stage (skipped at no cost if no filter wants it), then `after`, now or when the verdict
 * comes. */
void mw_run_stage_then(struct mw_session *session, const struct mw_call *call, mw_stage_fn *after);
/* The verdict that is being waited for is no longer wanted. */
void mw_cancel_stage(struct mw_session *session);
/* End the dialogue: the reply (may be MW_REPLY_COUNT = none) is the last thing the client gets. */
void mw_session_finish(struct mw_session *session, enum mw_reply_id reply, enum mw_session_end end);
void mw_session_finish_reply(struct mw_session *session, struct mw_slice reply,
                             enum mw_session_end end);
/* A command of the client's was wrong: counts, answers, and ends the session at max-errors. */
void mw_command_error(struct mw_session *session, enum mw_reply_id reply);
/* One more error of the client; false: that was one too many. */
bool mw_count_error(struct mw_session *session);

/* Words of another protocol, or of none: the session ends (attacks.md 6). */
bool mw_is_foreign_word(struct mw_slice line);
/* May this peer tell who the client is? */
bool mw_is_trusted(const struct mw_session *session);
static inline bool mw_is_secure(const struct mw_session *session)
{
    return session->subject.tls != NULL && session->subject.tls->is_secure;
}
/* What `protocol` is called now: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848); empty before
 * HELO. */
struct mw_slice mw_protocol(const struct mw_session *session);

/* ---- verb_helo.c ---- */
/* HELO or EHLO is accepted; `reply` is what the upstream says now, or said to an earlier client. */
void mw_helo_accepted(struct mw_session *session, const struct mw_reply *reply, enum mw_verb verb);

/* ---- verb_starttls.c ---- */
/* No command but those of RFC 3207 4 before the client is secure. */
bool mw_must_secure(const struct mw_session *session, enum mw_verb verb);
void mw_client_secured(struct mw_session *session, const struct mw_tls_info *info);

/* ---- verb_xclient.c ---- */
/* The client at hand is another one than the filters' session knows: before MAIL they have to see
 * it from the connect stage on. */
bool mw_must_judge_client(const struct mw_session *session);
/* Do that; a refusal is the reply to the command at hand, else `go_on`. */
void mw_judge_client(struct mw_session *session, mw_stage_fn *go_on);
/* What XFORWARD said is over: with its transaction. Harmless where there is none. */
void mw_xforward_end(struct mw_session *session);

/* ---- restart.c ---- */
/* The subject is another client now: close the filters' session, begin as at connect. */
void mw_session_restart(struct mw_session *session);
void mw_connect_decided(struct mw_session *session, const struct mw_outcome *outcome);

/* ---- own_banner.c: `banner own`, the upstream is connected when a recipient has passed ---- */
static inline bool mw_is_own_banner(const struct mw_session *session)
{
    return session->settings->upstream->banner == MW_BANNER_OWN;
}
/* This command is answered without an upstream. */
bool mw_own_banner_answers(const struct mw_session *session, enum mw_verb verb);
void mw_own_banner_greet(struct mw_session *session);
/* EHLO or HELO has passed: true if it was answered from what is known. */
bool mw_own_banner_helo(struct mw_session *session);
/* The recipient at hand has passed: true if the upstream has to be given the envelope first (the
 * command is answered later). */
bool mw_own_banner_rcpt(struct mw_session *session, size_t index);
/* The upstream is ready or has answered: go on with the recipient that waits. */
void mw_own_banner_go_on(struct mw_session *session);
void mw_own_banner_mail_reply(struct mw_session *session, const struct mw_reply *reply);
/* No upstream: the recipient that waits gets its reply. */
void mw_own_banner_failed(struct mw_session *session, enum mw_reply_id reply);

/* The payload of a refused BDAT is dropped by its count, if that can be done in reasonable time:
 * else the session ends. */
void mw_swallow(struct mw_session *session, uint64_t size);
/* DATA was refused, and answered: what stands behind it in the client's packet was meant as
 * content, and must not run as commands. */
void mw_refused_data(struct mw_session *session);

/* ---- pump.c ---- */
/* The command at hand brings no message nearer: false if that ended the session. */
bool mw_count_junk(struct mw_session *session);
/* Take what can be taken of session->input. */
void mw_pump(struct mw_session *session);
/* The command at hand is decided: its text may go with the read buffer. */
void mw_forget_command(struct mw_session *session);

/* ---- clock.c ---- */
/* A filter's verdict came: what it took is neither the client's nor the upstream's time. */
void mw_clock_shift(struct mw_session *session);
void mw_clock_arm_write(struct mw_session *session); /* the owner has written what it could */
void mw_clock_disarm_upstream(struct mw_session *session);
void mw_clock_expire(struct mw_session *session); /* act on the deadline that has passed */

/* ---- exchange.c ---- */
/* Answer the command at hand ourselves; leaves when all earlier commands have their replies. */
void mw_answer(struct mw_session *session, struct mw_slice reply);
void mw_answer_own(struct mw_session *session, enum mw_reply_id reply);
/* A filter refused the command at hand: log, answer, and end the session where it said DISCONNECT.
 */
void mw_refuse(struct mw_session *session, const char *stage, const struct mw_outcome *outcome);
/* The session ends with the refusal: where there is no command that it could answer. */
void mw_refuse_session(struct mw_session *session, const char *stage,
                       const struct mw_outcome *outcome);
/* Nothing against going on. DISCARD means that too where there is nothing yet to deliver. */
static inline bool mw_outcome_passes(const struct mw_outcome *outcome)
{
    return outcome->verdict == MW_CONTINUE || outcome->verdict == MW_DISCARD;
}
void mw_build_outcome(const struct mw_outcome *outcome, struct mw_buf *out);
/* Forward the command at hand (its line plus CRLF, or `line` with CRLF where a filter changed it;
 * copied) and remember whose reply comes back. `index`: the recipient. */
void mw_forward(struct mw_session *session, struct mw_slice line, uint32_t index);
/* Register an unanswered exchange without sending (the message's final reply). */
void mw_exchange_open(struct mw_session *session, enum mw_verb verb);
/* Give the first unanswered exchange its reply. */
void mw_exchange_answer(struct mw_session *session, struct mw_slice reply, bool is_borrowed);
void mw_exchange_answer_own(struct mw_session *session, enum mw_reply_id reply);
void mw_exchange_clear(struct mw_session *session);
void mw_expect_push(struct mw_session *session, enum mw_expect_kind kind, enum mw_verb verb,
                    uint32_t index);
struct mw_expect mw_expect_pop(struct mw_session *session);
void mw_expect_clear(struct mw_session *session);

/* ---- transaction.c ---- */
void mw_transaction_begin(struct mw_session *session);
/* Ends the transaction at hand, if any: filters are told, memory goes. State becomes READY (or
 * GREETED). */
void mw_transaction_end(struct mw_session *session, bool is_aborted);

/* ---- content.c ---- */
/* Take content from session->input; false when more is needed or something has to happen first. */
bool mw_content_take(struct mw_session *session);
void mw_content_begin(struct mw_session *session);
void mw_content_go_on(struct mw_session *session); /* the stage that waited is decided */
/* The content ended inside the header block: true if the end_of_headers stage was started
 * (mw_commit_message_end follows). */
bool mw_content_finish_header(struct mw_session *session);
/* Act on a verdict about the message. True: CONTINUE. */
bool mw_content_verdict(struct mw_session *session, const struct mw_outcome *outcome,
                        const char *stage);
void mw_content_refuse_upstream(struct mw_session *session, const struct mw_reply *reply);
/* Refuse the message: content is swallowed from now on, the reply comes at its end. First refusal
 * counts. */
void mw_content_refuse_own(struct mw_session *session, enum mw_reply_id reply, const char *stage);
void mw_content_refuse(struct mw_session *session, const struct mw_outcome *outcome,
                       const char *stage);
/* Octets that the listener's settings do not let pass were seen. Harmless where there are none. */
void mw_content_refuse_bad_octets(struct mw_session *session);
/* All of the content is there: the last line may be one that has to be refused. */
void mw_content_watch_end(struct mw_session *session);
/* Every filter has let the header pass: what they said of the message goes to its top. */
void mw_content_write_results(struct mw_session *session);
bool mw_content_is_blocked(const struct mw_session *session);

/* ---- commit.c ---- */
/* Bring the upstream's envelope up to date, then DATA. The exchange that gets the answer is open.
 */
void mw_commit_open_data(struct mw_session *session);
void mw_commit_begin(struct mw_session *session);       /* content is complete */
void mw_commit_message_end(struct mw_session *session); /* and the header block is judged */
/* Something changed: the upstream is ready, answered, took octets, or the spool has more. Harmless
 * at any time. */
void mw_commit_go_on(struct mw_session *session);
void mw_commit_reply(struct mw_session *session, struct mw_expect expect,
                     const struct mw_reply *reply);
/* The upstream went away or timed out while it was being handed the message: answer the client, end
 * the transaction. */
void mw_commit_failed(struct mw_session *session, enum mw_reply_id reply);
/* A reply that nothing asked for while content flows. True if it was dealt with as the message's
 * refusal. */
bool mw_commit_early_reply(struct mw_session *session, const struct mw_reply *reply);
bool mw_commit_wants_progress(const struct mw_session *session);

/* ---- mixed.c ---- */
/* The message's verdict is CONTINUE: do verdicts for single recipients refuse it all the same? Then
 * mw_mixed_refusal() appends the reply and returns its code. */
bool mw_mixed_refuses(struct mw_session *session);
uint16_t mw_mixed_refusal(struct mw_session *session, struct mw_buf *out);
/* tx->gives_prdr: append the whole group around `reply`, which is the message's. */
void mw_mixed_print_prdr(struct mw_session *session, struct mw_slice reply, uint16_t code,
                         struct mw_buf *out);
/* Log the verdicts for single recipients, once, when it is known what the client is told (the
 * message's code; 0: nothing). */
void mw_mixed_report(struct mw_session *session, uint16_t told);
/* The recipient at hand passed the filters, but its policy group is not that of the others. */
bool mw_mixed_must_split(struct mw_session *session, size_t index);
/* PRDR behind MAIL FROM: refused (and answered), or noted and taken out. */
bool mw_prdr_refused(struct mw_session *session, const struct mw_envelope_arg *arg);
void mw_prdr_take(struct mw_session *session, const struct mw_envelope_arg *arg);

/* ---- identity.c ---- */
/* Log why, and end the session: without its identity the client would be us to the upstream. */
void mw_identity_failed(struct mw_session *session, const char *problem);
/* What an upstream that takes identities by command lacks; NULL: nothing. */
const char *mw_identity_problem(const struct mw_session *session);
void mw_identity_send_xclient(struct mw_session *session);
/* Before MAIL: XFORWARD with the message's id (it is then in the upstream's log, too) and, where
 * the identity goes that way, with the client's. Where the upstream takes it and commands may be
 * pipelined. */
void mw_upstream_send_xforward(struct mw_session *session);

/* ---- opening.c ---- */
void mw_upstream_open(struct mw_session *session);
/* The connection stands (event): the opening dialogue begins. */
void mw_upstream_connected(struct mw_session *session);
void mw_upstream_secured(struct mw_session *session, const struct mw_tls_info *info);
void mw_opening_reply(struct mw_session *session, enum mw_expect_kind kind,
                      const struct mw_reply *reply);

/* ---- upstream.c ---- */
void mw_upstream_drop(struct mw_session *session);
/* Its octets may be read and taken for replies now; else they wait (a filter thinks about what it
 * said or will be told). */
bool mw_upstream_may_speak(const struct mw_session *session);
/* A server that knows no PROXY takes the header for a command: is this its error, where the reply
 * to the first command should be? */
bool mw_is_proxy_refusal(const struct mw_session *session, const struct mw_reply *reply);
void mw_upstream_take(struct mw_session *session, struct mw_slice octets);
void mw_upstream_lost(struct mw_session *session, enum mw_reply_id reply, const char *why);
void mw_upstream_keepalive(struct mw_session *session);
/* Send a command of our own (without a client's exchange). */
void mw_upstream_send(struct mw_session *session, struct mw_slice line, enum mw_expect_kind kind,
                      uint32_t index);
/* End the upstream's transaction, if it has one, with an RSET whose reply nobody sees. */
void mw_upstream_reset(struct mw_session *session);

/* ---- report.c ---- */
struct mw_slice mw_report_id(const struct mw_session *session, char out_text[40]);
void mw_report_reject(struct mw_session *session, const char *stage,
                      const struct mw_outcome *outcome);
void mw_report_reject_own(struct mw_session *session, const char *stage, enum mw_reply_id reply);
void mw_report_reject_upstream(struct mw_session *session, const char *stage,
                               const struct mw_reply *reply);
/* A verdict for one recipient; `told`: what the client got for it, 0 = nothing. */
void mw_report_rcpt(struct mw_session *session, const struct mw_rcpt_verdict *verdict,
                    struct mw_slice to, uint16_t told);
/* Fields of our own name that a client brought were deleted. */
void mw_report_forged(struct mw_session *session, size_t count);
/* The header is so full that filters' results found no room in it. */
void mw_report_no_room(struct mw_session *session);
void mw_report_message(struct mw_session *session, const char *verdict, uint16_t code,
                       struct mw_slice text);

#endif
