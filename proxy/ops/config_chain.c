/* config_chain.c - filter blocks to open filters, chain blocks to chains. */
#include "ops/config_priv.h"

/* ---- filters ---- */

/* Filter blocks in the order in which they are opened. */
struct filter_order {
    const struct mw_conf_block **blocks;
    size_t count;
};

static void put_filter(struct filter_order *order, const struct mw_conf_block *block)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->blocks[i] == block)
            return;
    order->blocks[order->count++] = block;
}

/* All of that name: a second one is an error, told when it is opened. An empty name stands for any. */
static void put_filters(struct filter_order *order, const struct mw_config_builder *builder,
                        struct mw_slice name)
{
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next)
        if (mw_config_is_kind(b, "filter") && mw_config_name_ok(b->name) &&
            (name.len == 0 || mw_slice_eq(b->name, name)))
            put_filter(order, b);
}

/* Those that chains name come first, in the order of the chains: a filter that reads a fact finds
 * the one in front of it that provides it, wherever in the files its block stands. */
static void order_filters(const struct mw_config_builder *builder, struct filter_order *order)
{
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next) {
        if (!mw_config_is_kind(b, "chain"))
            continue;
        for (const struct mw_conf_directive *line = b->directives; line != NULL; line = line->next)
            for (size_t i = 0; i < line->word_count; i++)
                if (line->words[i].text.len > 0)
                    put_filters(order, builder, line->words[i].text);
    }
    put_filters(order, builder, MW_EMPTY);
}

void mw_config_open_filters(struct mw_config_builder *builder)
{
    struct mw_config_snapshot *snapshot = builder->snapshot;
    size_t count = mw_config_count_kind(builder, "filter");
    struct filter_order order = {
        .blocks = mw_arena_array(builder->arena, const struct mw_conf_block *, count + 1)};
    order_filters(builder, &order);
    snapshot->filters = mw_arena_array(builder->arena, struct mw_instance *, count + 1);
    for (size_t i = 0; i < order.count; i++) {
        struct mw_instance *filter = mw_instance_open(snapshot->base.instances, order.blocks[i],
                                                      builder->diags);
        if (filter != NULL)
            snapshot->filters[snapshot->filter_count++] = filter;
    }
}

/* ---- chains ---- */

/* What has been read of a chain so far. */
struct chain_reader {
    struct mw_config_builder *builder;
    struct mw_chain *chain;
    const struct mw_conf_word *observe; /* the word before this one was `observe` */
    struct mw_instance **members;
    size_t member_count;
    bool is_bad;
};

static bool is_member(const struct chain_reader *reader, const struct mw_instance *filter)
{
    for (size_t i = 0; i < reader->member_count; i++)
        if (reader->members[i] == filter)
            return true;
    return false;
}

/* Not an error: one of them may be observed. */
static void warn_of_shared_facts(const struct chain_reader *reader,
                                 const struct mw_instance *filter, const struct mw_conf_word *word)
{
    for (size_t i = 0; i < reader->member_count; i++) {
        const struct mw_instance *other = reader->members[i];
        if (!mw_instances_share_facts(filter, other))
            continue;
        mw_diags_add(reader->builder->diags, MW_DIAG_WARNING, word->pos.file, word->pos.line,
                     word->pos.column, word->source_len,
                     "what it finds overwrites what the other has found: rules see the last result",
                     "filters '%s' and '%s' of this chain are both of module %s",
                     mw_instance_name(other), mw_instance_name(filter),
                     mw_instance_filter(filter)->name);
    }
}

static void read_member(struct chain_reader *reader, const struct mw_conf_word *word)
{
    struct mw_config_builder *builder = reader->builder;
    struct mw_instance *filter = mw_instances_find(builder->snapshot->base.instances, word->text);
    bool is_observed = reader->observe != NULL;
    reader->observe = NULL;
    if (filter == NULL && !mw_config_block_exists(builder, "filter", word->text)) {
        mw_conf_error(builder->diags, &word->pos, word->source_len,
                      mw_config_hint(builder, "filter", word->text), "there is no filter '%.*s'",
                      (int)word->text.len, word->text.ptr);
    } else if (filter != NULL && is_member(reader, filter)) {
        mw_conf_error(builder->diags, &word->pos, word->source_len,
                      "a second filter block can use the same module",
                      "filter '%.*s' is in this chain twice", (int)word->text.len, word->text.ptr);
    } else if (filter != NULL) {
        warn_of_shared_facts(reader, filter, word);
        mw_chain_add(reader->chain, filter, is_observed);
        reader->members[reader->member_count++] = filter;
        return;
    }
    reader->is_bad = true;
}

static void read_members(struct chain_reader *reader, const struct mw_conf_directive *line)
{
    for (size_t i = 0; i < line->word_count; i++) {
        const struct mw_conf_word *word = &line->words[i];
        bool is_observe = !word->is_quoted && mw_slice_eq(word->text, MW_LIT("observe"));
        if (is_observe && reader->observe == NULL)
            reader->observe = word;
        else
            read_member(reader, word);
    }
}

static void read_chain(struct mw_config_builder *builder, struct mw_config_chain *chain)
{
    struct mw_snapshot *snapshot = &builder->snapshot->base;
    struct chain_reader reader = {
        .builder = builder,
        .chain = mw_chain_new(snapshot->instances, chain->block->name.ptr),
        .members = mw_arena_array(builder->arena, struct mw_instance *,
                                  builder->snapshot->filter_count + 1),
    };
    snapshot->chains[snapshot->chain_count++] = reader.chain;
    for (const struct mw_conf_directive *line = chain->block->directives; line != NULL;
         line = line->next)
        read_members(&reader, line);
    if (reader.observe != NULL) {
        mw_conf_error(builder->diags, &reader.observe->pos, reader.observe->source_len,
                      "observe NAME", "'observe' needs the name of a filter behind it");
        reader.is_bad = true;
    }
    if (!reader.is_bad)
        chain->chain = reader.chain;
}

void mw_config_read_chains(struct mw_config_builder *builder)
{
    size_t count = mw_config_count_kind(builder, "chain");
    builder->chains = mw_arena_array(builder->arena, struct mw_config_chain, count + 1);
    builder->snapshot->base.chains = mw_arena_array(builder->arena, struct mw_chain *, count + 1);
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next) {
        if (!mw_config_is_kind(b, "chain"))
            continue;
        struct mw_config_chain *chain = &builder->chains[builder->chain_count++];
        chain->block = b;
        read_chain(builder, chain);
    }
}
