/* plugin.h - loaded filter modules, and instances of them (one for each `filter` block of one
 * configuration).
 *
 * A module is dlopen()ed once per process and stays (code that sessions may still run is never
 * unmapped). An instance belongs to a snapshot: open() when the configuration loads, close() when
 * the last session of that snapshot has gone. */
#ifndef MW_CHAIN_PLUGIN_H
#define MW_CHAIN_PLUGIN_H

#include <mailweir/filter.h>

#include "base/arena.h"
#include "base/conf.h"
#include "base/diag.h"
#include "base/log.h"

enum mw_on_error { MW_ON_ERROR_TEMPFAIL = 0, MW_ON_ERROR_ACCEPT, MW_ON_ERROR_REJECT };

struct mw_plugins; /* the process's loaded modules */

/* `directories`: NULL-terminated list where `module NAME` looks for NAME.so (a NAME with a "/" is a
 * path). */
struct mw_plugins *mw_plugins_new(const char *const *directories);
/* Only when no instance is left. Modules stay mapped. */
void mw_plugins_free(struct mw_plugins **plugins);

/* Is there a module of that name in the directories? `name` is no path. */
bool mw_plugins_has(const struct mw_plugins *plugins, const char *name);
/* Run the command that the module `name` brings along (its tool()), with an instance that has no
 * settings and no loop; argv[0] is the name. MW_OK: *out_status is what it returned. MW_ERR_NOENT:
 * the module has no such command. MW_ERR_CONFIG: it cannot be loaded, diags say why. What the tool
 * says with host->diag() is in diags as well. */
MW_MUST_USE enum mw_err mw_plugins_tool(struct mw_plugins *plugins, const char *name, int argc,
                                        char **argv, struct mw_diags *diags, int *out_status);

/* Instance names, facts and counters are per instance set (= one load of the configuration). */
struct mw_instances;
struct mw_instances *mw_instances_new(struct mw_plugins *plugins);
/* What filters are told by host->authserv_id(), before the first of them is opened ("localhost" if
 * nobody says). Copied. */
void mw_instances_name(struct mw_instances *instances, struct mw_slice authserv_id);
/* Calls every close(). While blocking work is under way that has to wait for its end; of the loop's
 * other services nothing comes back to a filter from here on. */
void mw_instances_free(struct mw_instances **instances);

/* What the loop does for instances; filled by the driver (or a test). What is NULL is not possible
 * there. Callbacks come from the loop, never from inside a call. */
struct mw_instance_services {
    void *user;
    uint64_t (*now_ms)(void *user);
    /* fn(arg, events) whenever the descriptor is ready: bits of enum mw_watch_event. Behind
     * MW_WATCH_ERROR it is paused, as by watch_change(0). Returns a handle, NULL: it cannot be
     * watched. The descriptor may be closed when watch_stop() has returned. */
    void *(*watch_start)(void *user, int fd, uint32_t events,
                         void (*fn)(void *arg, uint32_t events), void *arg);
    void (*watch_change)(void *user, void *handle, uint32_t events);
    void (*watch_stop)(void *user, void *handle);
    /* fn(arg) once; the handle is for timer_stop until then. */
    void *(*timer_start)(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
    void (*timer_stop)(void *user, void *handle);
    /* answered(arg, answer) once; the handle is for dns_cancel until then. NULL: no resolver. */
    void *(*dns_ask)(void *user, struct mw_slice name, enum mw_dns_kind kind,
                     void (*answered)(void *arg, const struct mw_dns_answer *answer), void *arg);
    /* Right behind dns_ask: no server was asked because of it. NULL: nobody knows. */
    bool (*dns_is_free)(void *user, void *handle);
    void (*dns_cancel)(void *user, void *handle);
    /* As mw_services.work (run.h). */
    bool (*work)(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg);
    struct mw_log *log;
};
/* The set goes into service: the loop's services work from now on, and each instance's start() is
 * called, once, however often this is. `services` are borrowed and must outlive every close(). */
void mw_instances_serve(struct mw_instances *instances,
                        const struct mw_instance_services *services);

/* Load the module that `block` (kind "filter") names, check the block against host directives
 * (module, on-error, deadline) + the filter's settings, and open() it. Problems go to diags (with
 * file:line); NULL on error. */
struct mw_instance *mw_instance_open(struct mw_instances *instances,
                                     const struct mw_conf_block *block, struct mw_diags *diags);
struct mw_instance *mw_instances_find(struct mw_instances *instances, struct mw_slice name);
const char *mw_instance_name(const struct mw_instance *instance);
const struct mw_filter *mw_instance_filter(const struct mw_instance *instance);
uint32_t mw_instance_stages(const struct mw_instance *instance);
/* Both are of one module and provide facts, the same ones: in one session the later overwrite the
 * earlier. */
bool mw_instances_share_facts(const struct mw_instance *a, const struct mw_instance *b);
/* Run the instance's own tests; returns how many failed (0 when it has none). */
int mw_instance_test(struct mw_instance *instance, mw_test_report *report, void *user);
/* What the filter says on a topic ("stages", "cost"); false: nothing, it does not know the topic. */
bool mw_instance_report(const struct mw_instance *instance, const char *topic, mw_report_line *line,
                        void *user);
/* Visit all counters as "FILTER.NAME". Counts live with the set. */
void mw_instances_counters(struct mw_instances *instances,
                           void (*visit)(void *user, const char *filter, const char *name,
                                         uint64_t value),
                           void *user);

/* ---- chain: instances in order, immutable once built ---- */

struct mw_chain;
struct mw_chain *mw_chain_new(struct mw_instances *instances, const char *name);
void mw_chain_free(struct mw_chain **chain);
void mw_chain_add(struct mw_chain *chain, struct mw_instance *instance, bool is_observed);
const char *mw_chain_name(const struct mw_chain *chain);
size_t mw_chain_length(const struct mw_chain *chain);
/* Union of the stages wanted, END_OF_HEADERS if HEADER or DATA is, END_OF_MESSAGE if EDITED is: a
 * stage that is not in it costs nothing. */
uint32_t mw_chain_stages(const struct mw_chain *chain);
/* Some filter wants end_of_message or edited: messages are spooled. Else they stream. */
bool mw_chain_wants_spool(const struct mw_chain *chain);
/* Some filter asked for the id of this fact of the proxy's own: for facts that cost something to
 * know ("client.name"). False for a NULL chain. */
bool mw_chain_wants_fact(const struct mw_chain *chain, const char *name);

#endif
