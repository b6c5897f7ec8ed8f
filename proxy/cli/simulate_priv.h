/* simulate_priv.h - what the files of `mailweir simulate` share.
 *
 *   simulate.c           the command: options, the session's parts, the loop around standard input
 *   simulate_session.c   what session/driver.c is to a real session: events, calls, the model
 *                        upstream
 *   simulate_services.c  timers and pool work for filters in the session
 *   serving.c            the loop, and the filters in service
 *   simulate_notes.c     what is told about it: decisions, log lines, the message
 *   model.c              the upstream */
#ifndef MW_CLI_SIMULATE_PRIV_H
#define MW_CLI_SIMULATE_PRIV_H

#include <stdio.h>

#include "base/log.h"
#include "chain/run.h"
#include "cli/model.h"
#include "cli/serving.h"
#include "message/spool.h"
#include "session/session.h"

/* Where none are given. */
enum { MW_SIMULATED_CLIENT_PORT = 41001, MW_SIMULATED_SERVER_PORT = 25 };

struct mw_simulation {
    struct mw_serving *serving;   /* borrowed: loop, log */
    struct mw_snapshot *snapshot; /* borrowed */
    const struct mw_listen_settings *listen;
    struct mw_session_peer peer;
    struct mw_slice user;   /* who has logged in already; empty: nobody */
    FILE *notes;            /* NULL: nobody wants them (trial.c) */
    struct mw_buf *replies; /* where they go; NULL: standard output */
    void *owner;            /* of trace and explain, where they are not simulate's own */
    void (*trace)(void *user, const struct mw_trace *trace);
    void (*explain)(void *user, const char *filter, uint32_t depth, struct mw_slice text);
    bool shows_message, is_raw;

    size_t log_seen; /* octets of it that were printed */
    struct mw_spool_files files;
    struct mw_session *session;
    struct mw_run *run; /* NULL: no chain */
    struct mw_services services;
    struct mw_upstream_view upstream_view;
    struct mw_model model;
    struct mw_buf answers; /* of the model, not yet given to the session */
    struct mw_buf ehlo;    /* what the model answers to EHLO */

    struct mw_buf typed; /* read from standard input and not yet said */
    uint64_t chunk_left; /* octets of a BDAT chunk that the client still has to send */
    uint64_t octets_out;
    bool is_input_over, was_told_eof, is_output_broken;

    /* what the session or a filter has asked for */
    bool wants_connect, is_connected, wants_client_tls, wants_upstream_tls, is_decided;
};

/* ---- simulate_session.c ---- */

void mw_simulation_begin(struct mw_simulation *sim);
/* Go on until nothing moves without the client, a timer or a filter; replies go to standard output.
 */
void mw_simulation_go_on(struct mw_simulation *sim);
/* Deadlines that have passed. */
void mw_simulation_tick(struct mw_simulation *sim);
/* Milliseconds until the next of them; -1: none. */
int mw_simulation_wait_ms(const struct mw_simulation *sim);
/* The client may speak: nothing of what it said before is undecided. */
bool mw_simulation_is_idle(const struct mw_simulation *sim);
void mw_simulation_say(struct mw_simulation *sim, struct mw_slice octets);
void mw_simulation_hang_up(struct mw_simulation *sim);
void mw_simulation_end(struct mw_simulation *sim);

/* ---- simulate_services.c ---- */

void mw_simulation_services(struct mw_simulation *sim);

/* ---- simulate.c, for trial.c ---- */

/* "192.0.2.1", "192.0.2.1:41001", "2001:db8::1", "[2001:db8::1]:41001"; *out_port stays without one. */
bool mw_simulation_address(const char *text, struct mw_inet *out_address, uint16_t *out_port);
/* The listener of that name, or the first one for NULL; else a usage error of `command`. */
int mw_simulation_listener(struct mw_simulation *sim, const char *command, const char *name);
/* The address that the client came to: the listener's first one. */
void mw_simulation_server(struct mw_simulation *sim);

/* ---- simulate_notes.c ---- */

/* One line, "** TEXT". */
void mw_note(struct mw_simulation *sim, const char *format, ...) MW_PRINTF(2, 3);
void mw_note_trace(void *user, const struct mw_trace *trace);
/* The log's new lines. */
void mw_note_log(struct mw_simulation *sim);
void mw_note_message(void *user, const struct mw_model *model);

#endif
