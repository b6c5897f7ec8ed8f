/* driver_priv.h - what the driver's three files share: the link (one client connection with
 * everything that hangs on it).
 *
 *   driver.c           links: reads and writes, the upstream's connection, timers, the end
 *   driver_front.c     before the session: limits, PROXY header, health checks
 *   driver_services.c  what filters and spools need of the loop: timers, pool work, file jobs */
#ifndef MW_SESSION_DRIVER_PRIV_H
#define MW_SESSION_DRIVER_PRIV_H

#include "base/list.h"
#include "chain/run.h"
#include "session/driver.h"
#include "session/health.h"
#include "session/session.h"

enum {
    MW_LINGER_MS = 2000,     /* for a client to take our last reply */
    MW_PROXY_WAIT_MS = 5000, /* for a PROXY header */
    MW_WORK_MAX = 1000,      /* filters' jobs waiting for the pool, a worker */
    MW_PROGRESS_MAX = 16,    /* pieces of one message sent before other sessions get their turn */
};

struct mw_driver {
    struct mw_net *net;
    struct mw_log *log;
    struct mw_spool_files *files;
    struct mw_link clients; /* all of them */
    uint64_t next_id;
    uint32_t upstream_open, work_pending;
    bool is_draining;
    void (*on_empty)(void *user);
    void *on_empty_user;
    uv_timer_t turn; /* sessions that have more to send than one turn allows; announces on_empty */
    bool has_turn;
    struct mw_link waiting; /* links for the next turn */
    struct mw_driver_stats stats;
};

enum mw_link_phase {
    MW_PHASE_PROXY = 0, /* a PROXY header is awaited */
    MW_PHASE_HEALTH,    /* a load balancer's own connection */
    MW_PHASE_SESSION,
    MW_PHASE_LINGER, /* our last words are on their way */
    MW_PHASE_CLOSED, /* handles are being closed */
};

/* A file job of a spool. Outlives the link if it has to. */
struct mw_file_job {
    uv_work_t work;
    struct mw_spool_job job;
    struct mw_spool *spool;
    struct mw_client *client; /* NULL: the session has gone; the spool is freed with the job */
    ptrdiff_t result;
};

/* The upstream's connection. Its memory lives until the handle is closed, so that a new one can be
 * opened meanwhile. */
struct mw_upstream_leg {
    struct mw_conn conn;
    struct mw_client *client; /* NULL: abandoned */
    bool is_connected;
};

struct mw_client {
    struct mw_conn conn;
    uv_timer_t timer;
    struct mw_link all, waiting;
    struct mw_driver *driver;
    struct mw_snapshot *snapshot;
    const struct mw_listen_settings *listen;
    struct mw_session *session;
    struct mw_run *run;
    struct mw_services services;
    struct mw_upstream_leg *upstream;
    struct mw_file_job *file_job;
    struct mw_queue out; /* before and after the session */
    struct mw_health *health;
    struct mw_buf proxy_in;
    struct mw_session_peer peer;
    uint64_t timer_at;     /* what the timer is set to; UINT64_MAX = stopped */
    uint64_t attempt_at;   /* the next upstream address is tried then; 0 = none */
    uint64_t phase_at;     /* deadline of PROXY, HEALTH, LINGER */
    uint32_t address_next; /* of the upstream */
    uint8_t phase;         /* enum mw_link_phase */
    uint8_t handles;       /* open: conn, timer */
    bool is_handling, wants_connect, wants_close, is_decided, is_gone;
};

/* ---- driver.c ---- */
/* The session begins: peer and identity are known. `early`: octets behind the PROXY header. */
void mw_client_begin(struct mw_client *client, struct mw_slice early);
/* After every event: perform what the session asked for, write, arm. May free the client. */
void mw_client_after(struct mw_client *client);
/* Write what is in client->out, then close. */
void mw_client_linger(struct mw_client *client);
void mw_client_close(struct mw_client *client);
void mw_client_schedule(struct mw_client *client);
struct mw_client *mw_client_of(struct mw_conn *conn);

/* ---- driver_front.c ---- */
void mw_front_start(struct mw_client *client);
void mw_front_data(struct mw_client *client, struct mw_slice octets);
void mw_front_timeout(struct mw_client *client);

/* ---- driver_services.c ---- */
void mw_services_fill(struct mw_client *client);
struct mw_spool *mw_services_spool_open(struct mw_client *client);
void mw_services_spool_close(struct mw_client *client, struct mw_spool *spool);
/* Start the spool's next file job, if there is one. True: it is done already, the session can go
 * on. */
bool mw_services_spool_jobs(struct mw_client *client);

#endif
