/* loop_kit.h - a loop for instances (chain/plugin.h, struct mw_instance_services) where nothing
 * happens before the test says so. */
#ifndef MW_TEST_LOOP_KIT_H
#define MW_TEST_LOOP_KIT_H

#include "chain_kit.h"

enum { LOOP_SLOTS = 10100, LOOP_WORKS = 8, LOOP_PLAIN_FILE = 99 };
struct loop_slot {
    bool is_used;
    int fd;
    uint32_t events;
    struct mw_slice name;
    enum mw_dns_kind kind;
    void (*ready)(void *arg, uint32_t events);
    void (*due)(void *arg);
    void (*answered)(void *arg, const struct mw_dns_answer *answer);
    void *arg;
};
struct loop_kit {
    struct mw_instance_services services;
    struct loop_slot slots[LOOP_SLOTS];
    size_t open; /* slots in use: watches, timers, questions */
    uint64_t now;
    bool is_dns_away, is_pool_full;
    struct kit_work works[LOOP_WORKS];
    size_t work_count;
    struct mw_log *log;
};
extern struct loop_kit loop;

/* A fresh one, with a log in memory (the test closes it). The descriptor LOOP_PLAIN_FILE cannot be
 * watched. */
void loop_reset(void);
/* The descriptor is ready: everybody who asked for that hears of it. */
void loop_ready(int fd, uint32_t events);
/* All timers that are set ring. */
void loop_due(void);
/* All questions have this answer. */
void loop_answer(const struct mw_dns_answer *answer);
/* The pool does what it has. */
void loop_work(void);
bool loop_logged(const char *needle);

#endif
