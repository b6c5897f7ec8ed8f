/* facts.h - facts and counters by the numbers that the host gives them: asked for in open(), used while mail comes in.
 *
 * A number below 0 says that there is no such fact; that is no error, here as in filter.h. */
#ifndef FILTERS_KIT_FACTS_H
#define FILTERS_KIT_FACTS_H

#include "text.h"

/* ---- in open() ---- */

/* A fact of ours for each of `names`, in the order of `out_ids`. */
void facts_define(const struct mw_host *host, struct mw_instance *instance,
                  const char *const *names, size_t count, int *out_ids);
/* A counter for each of them. */
void counters_define(const struct mw_host *host, struct mw_instance *instance,
                     const char *const *names, size_t count, int *out_ids);

/* ---- while mail comes in ---- */

/* Empty: not known, or no text. Valid as long as the host says of host->fact(). */
struct mw_slice fact_text(const struct mw_host *host, struct mw_ctx *ctx, int id);
/* An address, 16 octets; NULL: not known (the client came through a local socket), or none. */
const char *fact_address(const struct mw_host *host, struct mw_ctx *ctx, int id);
/* The host keeps a copy. An empty text is one too. */
void fact_put(const struct mw_host *host, struct mw_ctx *ctx, int id, struct mw_slice text);

#endif
