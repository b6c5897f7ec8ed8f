/* pure.h - a session without sockets: the test plays client, upstream, filters, disk and clock.
 *
 * The harness does what session/driver.c does, in memory: after every event it collects what the
 * session wrote into `client_got` and `upstream_got`, runs spool jobs, and checks the session's
 * invariants. */
#ifndef MW_TEST_PURE_H
#define MW_TEST_PURE_H

#include "session/session.h"

enum { PURE_RULES_MAX = 16, PURE_WORDS_MAX = 8, PURE_JUDGED_MAX = 4 };

/* A verdict for one recipient, "b@up.test 550 5.7.1 Not for me". */
struct pure_judged {
    enum mw_verdict verdict;
    char text[160];
};

/* What the pretended filter says at a stage. */
struct pure_rule {
    enum mw_stage stage;
    int32_t index; /* nth call of that stage (from 0); -1 = every one */
    bool waits;    /* MW_AGAIN first; pure_decide() gives the verdict */
    bool is_held;  /* "hold" instead of "wait": a dialog says when that is */
    enum mw_verdict verdict;
    uint16_t code;
    char dsn[12], text[120];
    /* edits made together with the verdict; empty = none */
    char sender[80], rcpt[80], add_rcpt[80], delete_rcpt[80], add_header[120], delete_header[40],
        body[120], group[40], auth_result[120];
    struct pure_judged judged[PURE_JUDGED_MAX];
    size_t judged_count;
};

struct pure {
    struct mw_snapshot snapshot;
    struct mw_listen_settings listen;
    struct mw_upstream_settings upstream;
    struct mw_endpoint address;
    struct mw_session *session;
    struct mw_log *log;
    struct mw_spool_files files;
    uint64_t now;
    struct mw_buf client_got, upstream_got;
    struct pure_rule rules[PURE_RULES_MAX];
    size_t rule_count;
    uint32_t calls[MW_STAGE_COUNT];
    const struct pure_rule *waiting;
    bool wants_connect, is_connected, is_client_closed, is_client_absent, wants_spool;
    bool client_blocked, upstream_blocked;     /* the peer takes nothing: its queue stays */
    bool jobs_held;                            /* the disk is slow: no spool job runs */
    bool wants_client_tls, wants_upstream_tls; /* a handshake was asked for */
    struct mw_buf known_ehlo;                  /* banner own */
    struct mw_network trust, trust_results;
    uint32_t connects, closes, restarts;
    struct mw_slice words[3][PURE_WORDS_MAX]; /* relay-verbs, relay-extensions, authserv-id */
    char spool_dir[200];
};

/* Default settings; change them before pure_start. */
void pure_init(struct pure *pure);
/* "STAGE[:N] [wait|hold] VERDICT [CODE DSN "TEXT"] [edit...]": see tests/system/dialogs/README.md.
 * False: not understood. */
bool pure_add_rule(struct pure *pure, struct mw_slice text);
/* "DIRECTIVE VALUE", as in a listen or upstream block; the text must live as long as `pure`. False:
 * not known here. In pure_set.c. */
bool pure_set(struct pure *pure, struct mw_slice text);
void pure_start(struct pure *pure);
void pure_fini(struct pure *pure);

void pure_client_sends(struct pure *pure, struct mw_slice octets);
void pure_client_closes(struct pure *pure);
/* Accept the connection that the session asked for. */
void pure_upstream_accepts(struct pure *pure);
void pure_upstream_refuses(struct pure *pure);
void pure_upstream_sends(struct pure *pure, struct mw_slice octets);
void pure_upstream_closes(struct pure *pure);
/* The handshake that was asked for: done, or failed. False: none was asked for. */
bool pure_client_secures(struct pure *pure, bool is_good);
bool pure_upstream_secures(struct pure *pure, bool is_good);
void pure_decide(struct pure *pure); /* the waiting filter's verdict */
void pure_time(struct pure *pure, uint64_t ms);
/* Let blocked queues go and held jobs run. */
void pure_progress(struct pure *pure);
void pure_shutdown(struct pure *pure, bool is_now);

#endif
