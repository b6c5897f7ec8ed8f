/* load.h - from files to a set that may run: parse, check, test. */
#ifndef RULES_LOAD_H
#define RULES_LOAD_H

#include "model.h"

/* An empty set over a host; limits are to be set before anything is parsed. */
struct rules *rules_new(const struct mw_host *host, struct mw_instance *instance,
                        uint64_t match_limit, uint64_t scan_limit);
/* After parsing: check, look facts and counters up, run the tests. False: errors were reported, the
 * set must not run. */
bool rules_finish(struct rules *rules);
/* Frees what is not the instance's memory. */
void rules_free(struct rules *rules);

#endif
