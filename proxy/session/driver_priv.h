/* driver_priv.h - what the driver's files share: the link (one client connection with everything
 * that hangs on it).
 *
 *   driver.c           links: reads and writes, one turn after an event, the end
 *   driver_ops.c       what the session asks for
 *   driver_front.c     before the session: PROXY header, health checks, the client's name
 *   driver_tls.c       handshakes with the client
 *   driver_upstream.c  the upstream's connection
 *   driver_services.c  what sessions' filters and spools need of the loop: timers, pool work, file
 *                      jobs
 *   driver_filters.c   what filters need of it without a session, questions to the DNS among it */
#ifndef MW_SESSION_DRIVER_PRIV_H
#define MW_SESSION_DRIVER_PRIV_H

#include "base/list.h"
#include "chain/run.h"
#include "session/driver.h"
#include "session/driver_loop.h"
#include "session/health.h"
#include "session/session.h"
#include "session/upstream_pool.h"

enum {
    MW_LINGER_MS = 2000,     /* for a client to take our last reply */
    MW_PROXY_WAIT_MS = 5000, /* for a PROXY header */
    MW_NAME_WAIT_MS = 30000, /* for the client's name: the resolver's own deadline is shorter */
    MW_NAME_MAX = 255,       /* octets of a host name */
    MW_WORK_MAX = 1000,      /* filters' jobs waiting for the pool, a worker */
    MW_PROGRESS_MAX = 16,    /* pieces of one message sent before other sessions get their turn */
};

struct mw_driver {
    struct mw_net *net;
    struct mw_log *log;
    struct mw_spool_files *files;
    struct mw_link clients; /* all of them */
    uint64_t next_id;
    struct mw_loop_services services; /* with the resolver, for names as well */
    struct mw_instance_services instance_services;
    struct mw_pools pools; /* upstreams by name */
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
    MW_PHASE_TLS,       /* the handshake of implicit TLS */
    MW_PHASE_NAME,      /* the client's name is looked up */
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

enum mw_leg_phase {
    MW_LEG_CONNECTING = 0,
    MW_LEG_GREETING, /* connected; its first octet is awaited */
    MW_LEG_UP,       /* the session knows of it */
};

/* The upstream's connection. Its memory lives until the handle is closed, so that a new one can be
 * opened meanwhile. */
struct mw_upstream_leg {
    struct mw_conn conn;
    struct mw_client *client; /* NULL: abandoned */
    uint8_t phase;            /* enum mw_leg_phase */
    bool is_securing;         /* a handshake is under way: nothing is read or written */
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
    struct mw_query *query;        /* for its name */
    struct mw_buf names;           /* what peer.name and peer.reverse_name show */
    struct mw_tls_info *proxy_tls; /* from the PROXY header; until the session begins */
    struct mw_arena proxy_texts;
    struct mw_pool *pool;      /* of the upstream; set with the session */
    struct mw_link queued;     /* on pool->waiting */
    struct mw_attempt attempt; /* the one under way, or the last */
    uint64_t tried;            /* addresses: mw_pool_pick */
    uint64_t connect_end;      /* of all attempts */
    uint64_t upstream_at;      /* deadline of the attempt, or of waiting in the queue; 0 = none */
    uint64_t timer_at;         /* what the timer is set to; UINT64_MAX = stopped */
    uint64_t phase_at;         /* deadline of PROXY, NAME, HEALTH, LINGER */
    uint64_t secure_at;        /* deadline of the client's handshake; 0 = none */
    uint8_t phase;             /* enum mw_link_phase */
    uint8_t handles;           /* open: conn, timer */
    bool is_local;             /* the load balancer's own connection (PROXY LOCAL) */
    bool is_handling, is_in_stage, is_decided;
    bool wants_connect, wants_secure, wants_secure_upstream;
    bool is_securing; /* a handshake with the client is under way */
    bool is_broken;   /* nothing can be written to the client any more */
    bool is_gone;
};

/* ---- driver.c ---- */
/* The session begins: peer and identity are known. */
void mw_client_begin(struct mw_client *client);
/* After every event: perform what the session asked for, write, arm. May free the client. */
void mw_client_after(struct mw_client *client);
/* Write what is in client->out, then close. */
void mw_client_linger(struct mw_client *client);
void mw_client_close(struct mw_client *client);
void mw_client_schedule(struct mw_client *client);
struct mw_client *mw_client_of(struct mw_conn *conn);
static inline uint64_t mw_client_now(const struct mw_client *client)
{
    return uv_now(client->driver->net->loop);
}
/* Something waits for the loop's next turn: driver->waiting, or a queue for connections. */
void mw_driver_wants_turn(struct mw_driver *driver);

/* ---- driver_upstream.c ---- */
/* Connect, or wait for a place. The session hears of it now (no way) or later. */
void mw_upstream_connect(struct mw_client *client);
/* Drop connection, attempt and place in the queue. */
void mw_upstream_close(struct mw_client *client);
/* The session asks for TLS on a connection that is up (STARTTLS). */
void mw_upstream_secure(struct mw_client *client);
void mw_upstream_timeout(struct mw_client *client); /* client->upstream_at is over */
void mw_upstream_serve_queues(struct mw_driver *driver);
void mw_upstream_flush(struct mw_client *client);
void mw_upstream_set_reading(struct mw_client *client);

/* ---- driver_ops.c ---- */
extern const struct mw_session_ops mw_client_session_ops;
void mw_client_begin_filters(struct mw_client *client);

/* ---- driver_front.c ---- */
void mw_front_start(struct mw_client *client);
void mw_front_data(struct mw_client *client, struct mw_slice octets);
void mw_front_timeout(struct mw_client *client);
void mw_front_secured(struct mw_client *client); /* MW_PHASE_TLS is over */
/* The client goes: free what the front holds. */
void mw_front_fini(struct mw_client *client);

/* ---- driver_tls.c ---- */
enum mw_tls_side { MW_TLS_SIDE_CLIENT = 0, MW_TLS_SIDE_UPSTREAM };
/* Count a handshake that is over; a failed one (`problem`) is logged. */
void mw_handshake_note(struct mw_client *client, enum mw_tls_side side,
                       const struct mw_tls_info *info, const char *problem);
/* Begin, behind what was flushed. */
void mw_handshake_begin(struct mw_client *client);
void mw_handshake_done(struct mw_conn *conn, enum mw_err err, const char *text); /* on_secured */
void mw_handshake_timeout(struct mw_client *client); /* client->secure_at is over */

/* ---- driver_services.c ---- */
void mw_services_fill(struct mw_client *client);
struct mw_spool *mw_services_spool_open(struct mw_client *client);
void mw_services_spool_close(struct mw_client *client, struct mw_spool *spool);
/* Start the spool's next file job, if there is one. True: it is done already, the session can go
 * on. */
bool mw_services_spool_jobs(struct mw_client *client);

#endif
