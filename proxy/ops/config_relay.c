/* config_relay.c - reads the blocks that say from where to where: listen and upstream. What they
 * get wrong together is config_check.c's affair. */
#include "ops/config_priv.h"

/* ---- upstreams ---- */

static void read_upstream(struct mw_config_builder *builder, struct mw_config_upstream *upstream)
{
    struct mw_conf_values *values = upstream->values;
    mw_config_go_on(mw_conf_check(builder->arena, upstream->block, mw_upstream_rules,
                                  MW_UPSTREAM_COUNT, NULL, 0, builder->diags, values));
    struct mw_upstream_settings *to = &upstream->settings;
    to->name = upstream->block->name;
    to->identity = (enum mw_identity)mw_config_number(&values[MW_UPSTREAM_IDENTITY]);
    to->require_identity = to->identity != MW_IDENTITY_NONE &&
                           mw_config_number(&values[MW_UPSTREAM_REQUIRE_IDENTITY]) != 0;
    to->connect_timeout_ms = mw_config_number(&values[MW_UPSTREAM_CONNECT_TIMEOUT]);
    to->reply_timeout_ms = mw_config_number(&values[MW_UPSTREAM_REPLY_TIMEOUT]);
    to->final_reply_timeout_ms = mw_config_number(&values[MW_UPSTREAM_FINAL_REPLY_TIMEOUT]);
    to->keepalive_ms = mw_config_number(&values[MW_UPSTREAM_KEEPALIVE]);
    to->max_connections = (uint32_t)mw_config_number(&values[MW_UPSTREAM_MAX_CONNECTIONS]);
    to->queue_timeout_ms = mw_config_number(&values[MW_UPSTREAM_QUEUE_TIMEOUT]);
    to->banner = (enum mw_banner)mw_config_number(&values[MW_UPSTREAM_BANNER]);
    to->is_transparent = mw_config_number(&values[MW_UPSTREAM_TRANSPARENT]) != 0;
    mw_config_resolve(builder, upstream);
    mw_config_read_upstream_tls(builder, upstream);
}

void mw_config_read_upstreams(struct mw_config_builder *builder)
{
    builder->upstreams = mw_arena_array(builder->arena, struct mw_config_upstream,
                                        mw_config_count_kind(builder, "upstream") + 1);
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next) {
        if (!mw_config_is_kind(b, "upstream"))
            continue;
        struct mw_config_upstream *upstream = &builder->upstreams[builder->upstream_count++];
        upstream->block = b;
        read_upstream(builder, upstream);
    }
    builder->snapshot->upstream_count = builder->upstream_count;
}

/* ---- listeners ---- */

static void find_upstream(struct mw_config_builder *builder, struct mw_config_listener *listener)
{
    const struct mw_conf_values *name = &listener->values[MW_LISTEN_UPSTREAM];
    if (name->count == 0)
        return;
    for (size_t i = 0; i < builder->upstream_count; i++)
        if (mw_slice_eq(builder->upstreams[i].block->name, name->values[0].text))
            listener->upstream = &builder->upstreams[i];
    if (listener->upstream == NULL)
        mw_conf_error(builder->diags, &name->values[0].pos, name->values[0].source_len,
                      mw_config_hint(builder, "upstream", name->values[0].text),
                      "there is no upstream '%.*s'", (int)name->values[0].text.len,
                      name->values[0].text.ptr);
}

static const struct mw_chain *find_chain(struct mw_config_builder *builder,
                                         const struct mw_conf_values *name)
{
    if (name->count == 0)
        return NULL;
    for (size_t i = 0; i < builder->chain_count; i++) {
        if (mw_slice_eq(builder->chains[i].block->name, name->values[0].text)) {
            builder->chains[i].is_used = true;
            return builder->chains[i].chain;
        }
    }
    mw_conf_error(builder->diags, &name->values[0].pos, name->values[0].source_len,
                  mw_config_hint(builder, "chain", name->values[0].text),
                  "there is no chain '%.*s'", (int)name->values[0].text.len,
                  name->values[0].text.ptr);
    return NULL;
}

static struct mw_slice *words_of(struct mw_arena *arena, const struct mw_conf_values *values)
{
    struct mw_slice *words = mw_arena_array(arena, struct mw_slice, values->count + 1);
    for (size_t i = 0; i < values->count; i++)
        words[i] = values->values[i].text;
    return words;
}

static void read_listen_addresses(struct mw_arena *arena, const struct mw_conf_values *values,
                                  struct mw_listen_settings *to)
{
    const struct mw_conf_values *from = &values[MW_LISTEN_ADDRESS];
    struct mw_endpoint *addresses = mw_arena_array(arena, struct mw_endpoint, from->count + 1);
    for (size_t i = 0; i < from->count; i++)
        addresses[i] = from->values[i].endpoint;
    to->addresses = addresses;
    to->address_count = from->count;
    from = &values[MW_LISTEN_TRUST];
    struct mw_network *trust = mw_arena_array(arena, struct mw_network, from->count + 1);
    for (size_t i = 0; i < from->count; i++)
        trust[i] = from->values[i].network;
    to->trust = trust;
    to->trust_count = from->count;
    from = &values[MW_LISTEN_TRUST_RESULTS];
    struct mw_network *results = mw_arena_array(arena, struct mw_network, from->count + 1);
    for (size_t i = 0; i < from->count; i++)
        results[i] = from->values[i].network;
    to->trust_results = results;
    to->trust_results_count = from->count;
}

static void read_listen_limits(const struct mw_conf_values *values, struct mw_listen_settings *to)
{
    to->max_sessions = (uint32_t)mw_config_number(&values[MW_LISTEN_MAX_SESSIONS]);
    to->max_message_size = mw_config_number(&values[MW_LISTEN_MAX_MESSAGE_SIZE]);
    to->max_junk = (uint32_t)mw_config_number(&values[MW_LISTEN_MAX_JUNK_COMMANDS]);
    to->max_errors = (uint32_t)mw_config_number(&values[MW_LISTEN_MAX_ERRORS]);
    to->header_limits = (struct mw_header_limits){
        .size_max = mw_config_number(&values[MW_LISTEN_MAX_HEADER_SIZE]),
        .fields_max = mw_config_number(&values[MW_LISTEN_MAX_HEADER_FIELDS]),
        .hops_max = mw_config_number(&values[MW_LISTEN_MAX_HOPS]),
    };
    to->command_timeout_ms = mw_config_number(&values[MW_LISTEN_COMMAND_TIMEOUT]);
    to->data_timeout_ms = mw_config_number(&values[MW_LISTEN_DATA_TIMEOUT]);
    to->header_timeout_ms = mw_config_number(&values[MW_LISTEN_HEADER_TIMEOUT]);
    to->min_data_rate = mw_config_number(&values[MW_LISTEN_MIN_DATA_RATE]);
    to->spool_memory = mw_config_number(&values[MW_LISTEN_SPOOL_MEMORY]);
}

/* The choices' order in the schema is not that of enum mw_bare: names, not indexes. */
static enum mw_bare pass_or_reject(const struct mw_conf_values *values)
{
    return mw_slice_eq(mw_config_text(values), MW_LIT("pass")) ? MW_BARE_PASS : MW_BARE_REJECT;
}

/* `auto`: where somebody is told of the name. A PROXY header has no field for it. */
static enum mw_client_name client_name(const struct mw_conf_values *values,
                                       const struct mw_listen_settings *listen)
{
    static const char *const words[] = {[MW_CLIENT_NAME_OFF] = "off", [MW_CLIENT_NAME_ON] = "on"};
    struct mw_slice word = mw_config_text(values);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mw_slice_eq(word, mw_slice_cstr(words[i])))
            return (enum mw_client_name)i;
    if (mw_chain_wants_fact(listen->chain, "client.name"))
        return MW_CLIENT_NAME_ON;
    bool is_told = listen->upstream != NULL && (listen->upstream->identity == MW_IDENTITY_XCLIENT ||
                                                listen->upstream->identity == MW_IDENTITY_XFORWARD);
    return is_told ? MW_CLIENT_NAME_ON : MW_CLIENT_NAME_OFF;
}

static void read_client_sources(const struct mw_conf_values *values, struct mw_listen_settings *to)
{
    to->accept_proxy = (enum mw_accept_proxy)mw_config_number(&values[MW_LISTEN_ACCEPT_PROXY]);
    to->accept_xclient = mw_config_number(&values[MW_LISTEN_ACCEPT_XCLIENT]) != 0;
    to->accept_xforward = mw_config_number(&values[MW_LISTEN_ACCEPT_XFORWARD]) != 0;
    to->client_name = client_name(&values[MW_LISTEN_CLIENT_NAME], to);
    to->is_transparent = mw_config_number(&values[MW_LISTEN_TRANSPARENT]) != 0;
}

static void read_listener(struct mw_config_builder *builder, struct mw_config_listener *listener,
                          struct mw_listen_settings *to)
{
    struct mw_conf_values *values = listener->values;
    mw_config_go_on(mw_conf_check(builder->arena, listener->block, mw_listen_rules, MW_LISTEN_COUNT,
                                  NULL, 0, builder->diags, values));
    find_upstream(builder, listener);
    to->name = listener->block->name;
    to->upstream = listener->upstream == NULL ? NULL : &listener->upstream->settings;
    to->chain = find_chain(builder, &values[MW_LISTEN_CHAIN]);
    read_client_sources(values, to);
    mw_config_read_listen_tls(builder, listener, to);
    to->mixed_verdict = (enum mw_mixed_verdict)mw_config_number(&values[MW_LISTEN_MIXED_VERDICT]);
    to->prdr = mw_config_number(&values[MW_LISTEN_PRDR]) != 0;
    to->auth = (enum mw_auth_policy)mw_config_number(&values[MW_LISTEN_AUTH]);
    to->early_talker = (enum mw_early_talker)mw_config_number(&values[MW_LISTEN_EARLY_TALKER]);
    to->line_ends = (struct mw_dots_policy){
        .bare_lf = mw_config_number(&values[MW_LISTEN_BARE_NEWLINE]) == 0 ? MW_BARE_NORMALIZE
                                                                          : MW_BARE_REJECT,
        .bare_cr = pass_or_reject(&values[MW_LISTEN_BARE_CR]),
        .nul = pass_or_reject(&values[MW_LISTEN_NUL]),
    };
    read_listen_addresses(builder->arena, values, to);
    read_listen_limits(values, to);
    to->relay_verbs = words_of(builder->arena, &values[MW_LISTEN_RELAY_VERBS]);
    to->relay_verb_count = values[MW_LISTEN_RELAY_VERBS].count;
    to->relay_extensions = words_of(builder->arena, &values[MW_LISTEN_RELAY_EXTENSIONS]);
    to->relay_extension_count = values[MW_LISTEN_RELAY_EXTENSIONS].count;
}

void mw_config_read_listeners(struct mw_config_builder *builder)
{
    size_t count = mw_config_count_kind(builder, "listen");
    builder->listeners = mw_arena_array(builder->arena, struct mw_config_listener, count + 1);
    builder->listen = mw_arena_array(builder->arena, struct mw_listen_settings, count + 1);
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next) {
        if (!mw_config_is_kind(b, "listen"))
            continue;
        struct mw_config_listener *listener = &builder->listeners[builder->listener_count];
        listener->block = b;
        read_listener(builder, listener, &builder->listen[builder->listener_count++]);
    }
    builder->snapshot->base.listeners = builder->listen;
    builder->snapshot->base.listener_count = builder->listener_count;
}
