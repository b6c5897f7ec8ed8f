/* facts.c - see facts.h. */
#include "facts.h"

void facts_define(const struct mw_host *host, struct mw_instance *instance,
                  const char *const *names, size_t count, int *out_ids)
{
    for (size_t i = 0; i < count; i++)
        out_ids[i] = host->fact_define(instance, names[i]);
}

void counters_define(const struct mw_host *host, struct mw_instance *instance,
                     const char *const *names, size_t count, int *out_ids)
{
    for (size_t i = 0; i < count; i++)
        out_ids[i] = host->counter(instance, names[i]);
}

static struct mw_fact fact_of(const struct mw_host *host, struct mw_ctx *ctx, int id)
{
    return id < 0 ? (struct mw_fact){.type = MW_FACT_NONE} : host->fact(ctx, id);
}

struct mw_slice fact_text(const struct mw_host *host, struct mw_ctx *ctx, int id)
{
    struct mw_fact fact = fact_of(host, ctx, id);
    return fact.type == MW_FACT_TEXT ? fact.text : EMPTY;
}

const char *fact_address(const struct mw_host *host, struct mw_ctx *ctx, int id)
{
    struct mw_fact fact = fact_of(host, ctx, id);
    return fact.type == MW_FACT_ADDRESS && fact.text.len == 16 ? fact.text.ptr : NULL;
}

void fact_put(const struct mw_host *host, struct mw_ctx *ctx, int id, struct mw_slice text)
{
    if (id >= 0)
        host->fact_set(ctx, id, (struct mw_fact){.type = MW_FACT_TEXT, .text = text}, 0);
}
