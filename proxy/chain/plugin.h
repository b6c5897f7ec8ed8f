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

enum mw_on_error { MW_ON_ERROR_TEMPFAIL = 0, MW_ON_ERROR_ACCEPT, MW_ON_ERROR_REJECT };

struct mw_plugins; /* the process's loaded modules */

/* `directories`: NULL-terminated list where `module NAME` looks for NAME.so (a NAME with a "/" is a
 * path). */
struct mw_plugins *mw_plugins_new(const char *const *directories);
/* Only when no instance is left. Modules stay mapped. */
void mw_plugins_free(struct mw_plugins **plugins);

/* Instance names, facts and counters are per instance set (= one load of the configuration). */
struct mw_instances;
struct mw_instances *mw_instances_new(struct mw_plugins *plugins);
/* Calls every close(). */
void mw_instances_free(struct mw_instances **instances);

/* Load the module that `block` (kind "filter") names, check the block against host directives
 * (module, on-error, deadline) + the filter's settings, and open() it. Problems go to diags (with
 * file:line); NULL on error. */
struct mw_instance *mw_instance_open(struct mw_instances *instances,
                                     const struct mw_conf_block *block, struct mw_diags *diags);
struct mw_instance *mw_instances_find(struct mw_instances *instances, struct mw_slice name);
const char *mw_instance_name(const struct mw_instance *instance);
const struct mw_filter *mw_instance_filter(const struct mw_instance *instance);
uint32_t mw_instance_stages(const struct mw_instance *instance);
/* Run the instance's own tests; returns how many failed (0 when it has none). */
int mw_instance_test(struct mw_instance *instance, mw_test_report *report, void *user);
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
/* Union of the stages wanted, and END_OF_HEADERS if HEADER or DATA is: a stage that is not in it
 * costs nothing. */
uint32_t mw_chain_stages(const struct mw_chain *chain);
/* Some filter wants end_of_message: messages are spooled. Else they stream. */
bool mw_chain_wants_spool(const struct mw_chain *chain);
/* Some filter asked for the id of this fact of the proxy's own: for facts that cost something to
 * know ("client.name"). False for a NULL chain. */
bool mw_chain_wants_fact(const struct mw_chain *chain, const char *name);

#endif
