/* config_priv.h - what the files of the configuration's builder share: config.c runs a load and
 * reads the top level, config_chain.c filters and chains, config_relay.c upstreams and listeners,
 * config_tls.c makes the TLS sides of both, config_check.c holds the blocks against each other. */
#ifndef MW_OPS_CONFIG_PRIV_H
#define MW_OPS_CONFIG_PRIV_H

#include "ops/config.h"
#include "ops/schema.h"

/* Blocks with their checked values, as long as the load runs; what lasts is in `settings`. */
struct mw_config_upstream {
    const struct mw_conf_block *block;
    struct mw_conf_values values[MW_UPSTREAM_COUNT];
    struct mw_upstream_settings settings;
    bool is_warned; /* of the open-relay trap, once */
};
struct mw_config_chain {
    const struct mw_conf_block *block;
    struct mw_chain *chain; /* NULL: it has errors */
    bool is_used;
};
struct mw_config_listener {
    const struct mw_conf_block *block;
    struct mw_conf_values values[MW_LISTEN_COUNT];
    struct mw_config_upstream *upstream; /* NULL: not found, and said so */
};

/* The snapshot with what its maker keeps beside it. */
struct mw_config_snapshot {
    struct mw_snapshot base; /* first: a pointer to it is a pointer to this */
    struct mw_instance **filters;
    size_t filter_count;
    size_t upstream_count;
    struct mw_config_tls *tls; /* one reference each */
    size_t tls_count;
};

struct mw_config_builder {
    struct mw_arena *arena; /* the snapshot's */
    struct mw_diags *diags;
    struct mw_tls_tickets *tickets; /* NULL: none */
    struct mw_conf_block *root;
    struct mw_config_snapshot *snapshot;
    struct mw_conf_values top[MW_TOP_COUNT];
    struct mw_config_upstream *upstreams;
    size_t upstream_count;
    struct mw_config_chain *chains;
    size_t chain_count;
    struct mw_config_listener *listeners;
    struct mw_listen_settings *listen; /* parallel to listeners */
    size_t listener_count;
};

/* What a step says of itself is in diags as well, where it is counted; the load goes on to find
 * more. */
static inline void mw_config_go_on(enum mw_err err)
{
    mw_assert(err == MW_OK || err == MW_ERR_CONFIG);
}
bool mw_config_is_kind(const struct mw_conf_block *block, const char *kind);
bool mw_config_block_exists(const struct mw_config_builder *builder, const char *kind,
                            struct mw_slice name);
bool mw_config_name_ok(struct mw_slice name);
/* config_chain.c; in this order. */
void mw_config_open_filters(struct mw_config_builder *builder);
void mw_config_read_chains(struct mw_config_builder *builder);
size_t mw_config_count_kind(const struct mw_config_builder *builder, const char *kind);

/* The number, or the choice's index, of a directive with one value; 0 after an error there. */
static inline uint64_t mw_config_number(const struct mw_conf_values *values)
{
    return values->count > 0 ? values->values[0].number : 0;
}
static inline struct mw_slice mw_config_text(const struct mw_conf_values *values)
{
    return values->count > 0 ? values->values[0].text : MW_EMPTY;
}
/* A way out where no block of that kind has this name: "did you mean 'x'?", "there is 'x', 'y'",
 * "add a block ...". */
const char *mw_config_hint(const struct mw_config_builder *builder, const char *kind,
                           struct mw_slice name);

/* ---- config_relay.c: all upstream blocks; all listen blocks, behind the upstreams and chains that
 * they name ---- */
void mw_config_read_upstreams(struct mw_config_builder *builder);
void mw_config_read_listeners(struct mw_config_builder *builder);

/* ---- config_tls.c ---- */
/* The TLS side of a listener or upstream, from its checked values, into its settings. */
void mw_config_read_listen_tls(struct mw_config_builder *builder,
                               const struct mw_config_listener *listener,
                               struct mw_listen_settings *to);
void mw_config_read_upstream_tls(struct mw_config_builder *builder,
                                 struct mw_config_upstream *upstream);
void mw_config_free_tls(struct mw_config_snapshot *snapshot);

/* ---- config_check.c ---- */
/* Record a warning at a value, or at the block where the value is not given. */
void mw_config_warn(struct mw_config_builder *builder, const struct mw_conf_values *values,
                    const struct mw_conf_block *block, const char *hint, const char *format, ...)
    MW_PRINTF(5, 6);
/* The same for an error. */
void mw_config_refuse(struct mw_config_builder *builder, const struct mw_conf_values *values,
                      const struct mw_conf_block *block, const char *hint, const char *format, ...)
    MW_PRINTF(5, 6);
/* Does the configuration itself say so, or is it a default? */
static inline bool mw_config_is_given(const struct mw_conf_values *values)
{
    return values->count > 0 && values->pos.file != NULL;
}
/* The addresses of an upstream, host names looked up. */
void mw_config_resolve(struct mw_config_builder *builder, struct mw_config_upstream *upstream);
/* Everything that two blocks can only get wrong together. */
void mw_config_cross_check(struct mw_config_builder *builder);

#endif
