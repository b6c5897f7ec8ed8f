/* trial.h - one message through one simulated session, and what came of it: what `mailweir explain`
 * shows and `mailweir replay` compares.
 *
 * The real session with the real chain, as in `mailweir simulate`; nothing is sent. */
#ifndef MW_CLI_TRIAL_H
#define MW_CLI_TRIAL_H

#include "base/buf.h"
#include "cli/serving.h"

/* Who brings the message. Slices are borrowed. */
struct mw_trial_setup {
    struct mw_serving *serving; /* the configuration */
    const struct mw_listen_settings *listen;
    struct mw_inet client, server;
    uint16_t client_port, server_port;
    struct mw_slice client_name, helo, user;
    struct mw_slice sender; /* without brackets; empty: the null sender */
    const struct mw_slice *rcpts;
    size_t rcpt_count;
    struct mw_slice message; /* LF or CRLF */
};

/* One filter's answer that is more than "no opinion". */
struct mw_trial_decision {
    const char *stage; /* static */
    struct mw_slice filter, verdict, rule, where, reason, dsn, text;
    ptrdiff_t rcpt; /* index, or -1 */
    uint16_t code;
    bool is_observed;
};

struct mw_trial {
    struct mw_arena arena;
    struct mw_trial_decision *decisions;
    size_t count, cap;
    uint16_t code;         /* of the reply that settled the message: to its content, or to what was
                              refused before */
    struct mw_slice reply; /* its last line */
    const char *command;   /* what it replied to: "connect", "MAIL", "RCPT", "DATA", "message" */
    bool is_delivered;     /* the model upstream got it */
    bool is_discarded;     /* 2xx, and nothing was delivered */
    struct mw_slice envelope, header; /* as they would go upstream */
    uint64_t size;                    /* of the message there */
    /* Told while it runs; may be NULL. `stage` heads what comes below it. */
    void (*on_stage)(void *user, const char *stage, struct mw_slice about);
    void (*on_explained)(void *user, const char *filter, uint32_t depth, struct mw_slice text);
    void *user;
};

/* Runs it to its end; *trial holds on_stage, on_explained and user, and gets the rest. */
void mw_trial_run(const struct mw_trial_setup *setup, struct mw_trial *trial);
void mw_trial_fini(struct mw_trial *trial);

#endif
