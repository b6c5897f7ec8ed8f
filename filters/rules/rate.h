/* rate.h - how often something happens: one GCRA word for each key, in a table of fixed size.
 *
 * Keys are hashed (SipHash-2-4, random key), sets have 16 entries, and where a set is full the entry
 * that is nearest to being drained goes: a drained one equals one that is not there. Several keys
 * never share an entry but by a collision of 64 bits. */
#ifndef RULES_RATE_H
#define RULES_RATE_H

#include "model.h"

struct rate_table;

struct rate_table *rules_rates_new(uint64_t entries);
void rules_rates_free(struct rate_table **table);
/* One more event. True: it is more than `count` in `period_ms`; then it is not counted. */
bool rules_rate_exceeds(struct rate_table *table, const struct rate *rate, struct mw_slice key,
                        uint64_t now_ms);

#endif
