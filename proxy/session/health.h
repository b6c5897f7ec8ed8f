/* health.h - what a load balancer's own connection (PROXY LOCAL or UNKNOWN) gets: a short dialogue
 * with mailweir itself, without an upstream connection, without filters, without a log line.
 * Nothing can be sent through it.
 *
 * Pure. Bounded: at most 20 commands, 512 octets a line. */
#ifndef MW_SESSION_HEALTH_H
#define MW_SESSION_HEALTH_H

#include "base/buf.h"
#include "base/queue.h"

struct mw_health {
    struct mw_buf in;
    uint32_t commands;
    bool is_over;
};

/* Appends the greeting: 220, or 421 while the service drains (the balancer then takes us out). */
void mw_health_start(struct mw_health *health, struct mw_slice hostname, bool is_draining,
                     struct mw_queue *out);
void mw_health_data(struct mw_health *health, struct mw_slice hostname, struct mw_slice octets,
                    struct mw_queue *out);
void mw_health_fini(struct mw_health *health);

#endif
