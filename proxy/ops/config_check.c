/* config_check.c - what two blocks can only get wrong together, and what only the machine can
 * answer (host names).
 *
 * Errors are for what cannot work; warnings for what works and is most likely not meant. Positions
 * are those of the value that a person would change. */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ops/config_priv.h"
#include "smtp/command.h"

enum { ADDRESSES_MAX = 32, VERB_MAX_LEN = 20, MESSAGE_MAX = 1024, V4_PREFIX = 96 };

/* ---- problems at a value, or at its block ---- */

static void report(struct mw_config_builder *builder, enum mw_severity severity,
                   const struct mw_conf_values *values, const struct mw_conf_block *block,
                   const char *hint, const char *message)
{
    bool is_given = mw_config_is_given(values);
    const struct mw_conf_pos *pos = is_given ? &values->values[0].pos : &block->pos;
    mw_diags_add(builder->diags, severity, pos->file, pos->line, pos->column,
                 is_given ? values->values[0].source_len : (uint32_t)block->kind.len, hint, "%s",
                 message);
}

void mw_config_warn(struct mw_config_builder *builder, const struct mw_conf_values *values,
                    const struct mw_conf_block *block, const char *hint, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    report(builder, MW_DIAG_WARNING, values, block, hint, message);
}

void mw_config_refuse(struct mw_config_builder *builder, const struct mw_conf_values *values,
                      const struct mw_conf_block *block, const char *hint, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    report(builder, MW_DIAG_ERROR, values, block, hint, message);
}

/* ---- addresses of an upstream ---- */

/* Append all addresses of a host name; false if there are none. */
static bool look_up(const struct mw_endpoint *name, struct mw_endpoint *addresses, size_t *count,
                    const char **out_text)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(name->path, NULL, &hints, &found);
    if (error != 0) {
        *out_text = gai_strerror(error);
        return false;
    }
    for (const struct addrinfo *info = found; info != NULL && *count < ADDRESSES_MAX;
         info = info->ai_next) {
        struct mw_endpoint *to = &addresses[*count];
        uint16_t no_port;
        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        *to = (struct mw_endpoint){.kind = MW_ENDPOINT_INET};
        mw_inet_from_sockaddr(info->ai_addr, &to->address, &no_port);
        to->port = name->port;
        (*count)++;
    }
    freeaddrinfo(found);
    return true;
}

void mw_config_resolve(struct mw_config_builder *builder, struct mw_config_upstream *upstream)
{
    const struct mw_conf_values *given = &upstream->values[MW_UPSTREAM_ADDRESS];
    struct mw_endpoint *addresses = mw_arena_array(builder->arena, struct mw_endpoint,
                                                   ADDRESSES_MAX);
    size_t count = 0;
    for (size_t i = 0; i < given->count && count < ADDRESSES_MAX; i++) {
        const struct mw_conf_value *value = &given->values[i];
        const char *text = NULL;
        if (value->endpoint.kind != MW_ENDPOINT_NAME)
            addresses[count++] = value->endpoint;
        else if (!look_up(&value->endpoint, addresses, &count, &text))
            mw_conf_error(builder->diags, &value->pos, value->source_len,
                          "names are looked up when the configuration is loaded; an address "
                          "needs no lookup",
                          "the address of '%s' cannot be found: %s", value->endpoint.path, text);
    }
    upstream->settings.addresses = addresses;
    upstream->settings.address_count = count;
}

/* ---- questions about addresses ---- */

static bool is_zero(const struct mw_inet *address, size_t from)
{
    for (size_t i = from; i < sizeof address->octets; i++)
        if (address->octets[i] != 0)
            return false;
    return true;
}

static bool is_wildcard(const struct mw_endpoint *endpoint)
{
    return endpoint->kind == MW_ENDPOINT_INET &&
           is_zero(&endpoint->address, mw_inet_is_v4(&endpoint->address) ? 12 : 0);
}

/* Reachable from this machine only. */
static bool is_local(const struct mw_endpoint *endpoint)
{
    static const struct mw_inet ip6_loopback = {{[15] = 1}};
    if (endpoint->kind != MW_ENDPOINT_INET)
        return true;
    if (mw_inet_is_v4(&endpoint->address))
        return endpoint->address.octets[12] == 127;
    return memcmp(&endpoint->address, &ip6_loopback, sizeof ip6_loopback) == 0;
}

/* Both cannot be listened on: the same, or one is the wildcard of the other's family. */
static bool overlaps(const struct mw_endpoint *a, const struct mw_endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind != MW_ENDPOINT_INET)
        return strcmp(a->path, b->path) == 0;
    if (a->port != b->port || mw_inet_is_v4(&a->address) != mw_inet_is_v4(&b->address))
        return false;
    return is_wildcard(a) || is_wildcard(b) ||
           memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

/* ---- checks ---- */

static const struct mw_conf_value *listen_value(const struct mw_config_builder *builder,
                                                size_t listener, size_t index)
{
    const struct mw_conf_values *values = &builder->listeners[listener].values[MW_LISTEN_ADDRESS];
    return index < values->count ? &values->values[index] : NULL;
}

/* The first place before (listener, index) that listens where this one does. */
static const struct mw_conf_value *find_earlier(const struct mw_config_builder *builder,
                                                size_t listener, size_t index)
{
    const struct mw_conf_value *value = listen_value(builder, listener, index);
    for (size_t i = 0; i <= listener; i++) {
        const struct mw_conf_value *other;
        for (size_t j = 0; (other = listen_value(builder, i, j)) != NULL; j++) {
            if (i == listener && j == index)
                return NULL;
            if (overlaps(&other->endpoint, &value->endpoint))
                return other;
        }
    }
    return NULL;
}

static void check_duplicates(struct mw_config_builder *builder)
{
    for (size_t i = 0; i < builder->listener_count; i++) {
        const struct mw_conf_value *value;
        for (size_t j = 0; (value = listen_value(builder, i, j)) != NULL; j++) {
            const struct mw_conf_value *earlier = find_earlier(builder, i, j);
            char text[128];
            if (earlier == NULL)
                continue;
            mw_endpoint_print(&earlier->endpoint, text, sizeof text);
            mw_conf_error(builder->diags, &value->pos, value->source_len,
                          mw_arena_printf(builder->arena, "%s is listened on at %s:%u", text,
                                          earlier->pos.file, earlier->pos.line)
                              .ptr,
                          "this address is taken already");
        }
    }
}

/* A listener that is its own upstream would relay to itself until nothing is left. */
static void check_loop(struct mw_config_builder *builder, const struct mw_config_listener *listener)
{
    const struct mw_conf_values *addresses = &listener->values[MW_LISTEN_ADDRESS];
    const struct mw_upstream_settings *to = &listener->upstream->settings;
    for (size_t i = 0; i < addresses->count; i++) {
        const struct mw_conf_value *own = &addresses->values[i];
        for (size_t j = 0; j < to->address_count; j++) {
            bool is_same = overlaps(&own->endpoint, &to->addresses[j]) &&
                           (!is_wildcard(&own->endpoint) || is_local(&to->addresses[j]));
            if (is_same)
                mw_conf_error(builder->diags, &own->pos, own->source_len, NULL,
                              "this is also the address of upstream '%.*s': sessions would be "
                              "relayed to ourselves",
                              (int)to->name.len, to->name.ptr);
        }
    }
}

static bool has_address(const struct mw_endpoint *addresses, size_t count, bool want_local)
{
    for (size_t i = 0; i < count; i++)
        if (is_local(&addresses[i]) == want_local)
            return true;
    return false;
}

/* Other machines can connect to it. */
static bool is_public(const struct mw_config_listener *listener)
{
    const struct mw_conf_values *addresses = &listener->values[MW_LISTEN_ADDRESS];
    for (size_t i = 0; i < addresses->count; i++)
        if (!is_local(&addresses->values[i].endpoint))
            return true;
    return false;
}

/* A peer, perhaps on this machine, brings clients from anywhere. (With XFORWARD it has judged them
 * already.) */
static bool speaks_for_others(const struct mw_config_listener *listener)
{
    const struct mw_conf_values *values = listener->values;
    return mw_config_number(&values[MW_LISTEN_ACCEPT_PROXY]) != MW_ACCEPT_PROXY_OFF ||
           mw_config_number(&values[MW_LISTEN_ACCEPT_XCLIENT]) != 0;
}

/* Without an identity every client is 127.0.0.1 for the upstream, which nearly every server relays
 * for. XFORWARD is for the upstream's log and changes nothing there. */
static void check_open_relay(struct mw_config_builder *builder,
                             const struct mw_config_listener *listener)
{
    struct mw_config_upstream *upstream = listener->upstream;
    const struct mw_upstream_settings *to = &upstream->settings;
    /* XCLIENT that is not required is left out in silence where the upstream does not announce it
     */
    bool is_optional = !to->require_identity && to->identity == MW_IDENTITY_XCLIENT;
    bool is_told = (to->identity != MW_IDENTITY_NONE && to->identity != MW_IDENTITY_XFORWARD &&
                    !is_optional) ||
                   to->is_transparent;
    if (is_told || upstream->is_warned || (!is_public(listener) && !speaks_for_others(listener)) ||
        !has_address(to->addresses, to->address_count, true))
        return;
    upstream->is_warned = true;
    mw_config_warn(builder, &upstream->values[MW_UPSTREAM_IDENTITY], upstream->block,
                   "set 'identity xclient' or 'identity proxy-v2' here and its counterpart in the "
                   "mail server (README.md)",
                   "open relay: upstream '%.*s' sees every client of listener '%.*s' as this "
                   "machine%s, and a mail server that trusts 127.0.0.1 relays for all of them",
                   (int)to->name.len, to->name.ptr, (int)listener->block->name.len,
                   listener->block->name.ptr,
                   to->identity == MW_IDENTITY_XFORWARD ? " (XFORWARD is for its log only)"
                   : is_optional ? " if it does not announce XCLIENT (require-identity off)"
                                 : "");
}

static bool holds_everybody(const struct mw_network *network)
{
    return network->prefix == 0 ||
           (network->prefix == V4_PREFIX && mw_inet_is_v4(&network->address));
}

/* Trust in everybody is trust in whoever connects. */
static void check_trust(struct mw_config_builder *builder,
                        const struct mw_config_listener *listener)
{
    static const struct {
        enum mw_listen_directive directive;
        const char *name;
    } claims[] = {{MW_LISTEN_ACCEPT_PROXY, "accept-proxy"},
                  {MW_LISTEN_ACCEPT_XCLIENT, "accept-xclient"},
                  {MW_LISTEN_ACCEPT_XFORWARD, "accept-xforward"}};
    const struct mw_conf_values *trust = &listener->values[MW_LISTEN_TRUST];
    const char *name = NULL;
    for (size_t i = 0; i < sizeof claims / sizeof *claims && name == NULL; i++)
        if (mw_config_number(&listener->values[claims[i].directive]) != 0)
            name = claims[i].name;
    for (size_t i = 0; name != NULL && i < trust->count; i++) {
        const struct mw_conf_value *value = &trust->values[i];
        if (holds_everybody(&value->network))
            mw_diags_add(builder->diags, MW_DIAG_WARNING, value->pos.file, value->pos.line,
                         value->pos.column, value->source_len,
                         "name the machines that stand in front of mailweir",
                         "whoever can connect can claim any address ('%s' from everybody)", name);
    }
}

/* Where TLS is optional, `always` lets passwords cross the network in the clear. */
static void check_auth(struct mw_config_builder *builder, const struct mw_config_listener *listener,
                       const struct mw_listen_settings *settings)
{
    bool is_clear = settings->tls == MW_LISTEN_TLS_OFF || settings->tls == MW_LISTEN_TLS_STARTTLS;
    if (settings->auth == MW_AUTH_ALWAYS && is_clear && is_public(listener))
        mw_config_warn(builder, &listener->values[MW_LISTEN_AUTH], listener->block, "auth tls-only",
                       "clients may send their passwords in the clear");
}

static void check_transparent_addresses(struct mw_config_builder *builder,
                                        const struct mw_conf_values *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->values[i].endpoint.kind == MW_ENDPOINT_UNIX)
            mw_conf_error(builder->diags, &addresses->values[i].pos,
                          addresses->values[i].source_len, NULL,
                          "'transparent on' is about IP addresses; a UNIX socket has none");
}

static void check_transparent(struct mw_config_builder *builder,
                              const struct mw_config_upstream *upstream)
{
    const struct mw_conf_values *transparent = &upstream->values[MW_UPSTREAM_TRANSPARENT];
    if (!upstream->settings.is_transparent)
        return;
    check_transparent_addresses(builder, &upstream->values[MW_UPSTREAM_ADDRESS]);
    if (upstream->settings.identity != MW_IDENTITY_NONE)
        mw_config_warn(builder, transparent, upstream->block, "set 'identity none'",
                       "the upstream is told twice who the client is: it sees the client's own "
                       "address, and 'identity %s' besides",
                       mw_config_text(&upstream->values[MW_UPSTREAM_IDENTITY]).ptr);
}

static void check_require(struct mw_config_builder *builder,
                          const struct mw_config_upstream *upstream)
{
    const struct mw_conf_values *require = &upstream->values[MW_UPSTREAM_REQUIRE_IDENTITY];
    bool is_asked = require->pos.file != NULL && mw_config_number(require) != 0;
    if (is_asked && upstream->settings.identity == MW_IDENTITY_NONE)
        mw_conf_error(builder->diags, &require->values[0].pos, require->values[0].source_len,
                      "add 'identity xclient' or another identity",
                      "an identity is required, but none is to be conveyed");
}

/* Commands that have a row of their own keep their own rules: XCLIENT from a stranger must never
 * get through. */
static void check_verbs(struct mw_config_builder *builder, const struct mw_conf_values *verbs)
{
    for (size_t i = 0; i < verbs->count; i++) {
        const struct mw_conf_value *value = &verbs->values[i];
        bool is_word = value->text.len <= VERB_MAX_LEN;
        for (size_t j = 0; j < value->text.len; j++)
            is_word = is_word && mw_is_alnum(value->text.ptr[j]);
        struct mw_command command = {.verb = MW_VERB_UNKNOWN};
        if (is_word)
            mw_command_parse(value->text, &command);
        if (!is_word || value->text.len == 0)
            mw_conf_error(builder->diags, &value->pos, value->source_len, NULL,
                          "a command is a word of at most %d letters and digits", VERB_MAX_LEN);
        else if (command.verb != MW_VERB_UNKNOWN)
            mw_conf_error(builder->diags, &value->pos, value->source_len, NULL,
                          "'%s' is a command that mailweir handles itself; leave it out",
                          mw_verb_name(command.verb));
    }
}

/* Keywords whose meaning depends on us may not be shown just because the upstream has them. */
static void check_extensions(struct mw_config_builder *builder, const struct mw_conf_values *words)
{
    static const char *const own[] = {"STARTTLS",   "XCLIENT",  "XFORWARD",   "AUTH",
                                      "REQUIRETLS", "CHUNKING", "BINARYMIME", "PIPELINING",
                                      "SIZE",       "PRDR",     NULL};
    for (size_t i = 0; i < words->count; i++)
        for (size_t j = 0; own[j] != NULL; j++)
            if (mw_slice_ieq(words->values[i].text, mw_slice_cstr(own[j])))
                mw_conf_error(builder->diags, &words->values[i].pos, words->values[i].source_len,
                              NULL, "'%s' has rules of its own; leave it out", own[j]);
}

/* Where nothing else is wrong: a misspelt name elsewhere would be told twice. */
static void check_unused_chains(struct mw_config_builder *builder)
{
    if (mw_diags_errors(builder->diags) > 0)
        return;
    for (size_t i = 0; i < builder->chain_count; i++) {
        const struct mw_conf_block *block = builder->chains[i].block;
        if (!builder->chains[i].is_used)
            mw_diags_add(builder->diags, MW_DIAG_WARNING, block->pos.file, block->pos.line,
                         block->pos.column, (uint32_t)block->kind.len,
                         mw_arena_printf(builder->arena, "add 'chain %.*s' to a listen block",
                                         (int)block->name.len, block->name.ptr)
                             .ptr,
                         "no listener uses chain '%.*s': its filters do not run",
                         (int)block->name.len, block->name.ptr);
    }
}

void mw_config_cross_check(struct mw_config_builder *builder)
{
    if (builder->listener_count == 0 && mw_diags_errors(builder->diags) == 0)
        mw_diags_add(builder->diags, MW_DIAG_ERROR, NULL, 0, 0, 0,
                     "listen NAME { address 127.0.0.1:2525 ... }",
                     "there is no listener: nobody could connect");
    check_duplicates(builder);
    for (size_t i = 0; i < builder->listener_count; i++) {
        const struct mw_config_listener *listener = &builder->listeners[i];
        check_verbs(builder, &listener->values[MW_LISTEN_RELAY_VERBS]);
        check_extensions(builder, &listener->values[MW_LISTEN_RELAY_EXTENSIONS]);
        check_trust(builder, listener);
        check_auth(builder, listener, &builder->listen[i]);
        if (builder->listen[i].is_transparent)
            check_transparent_addresses(builder, &listener->values[MW_LISTEN_ADDRESS]);
        if (listener->upstream == NULL)
            continue;
        check_loop(builder, listener);
        check_open_relay(builder, listener);
    }
    for (size_t i = 0; i < builder->upstream_count; i++) {
        check_require(builder, &builder->upstreams[i]);
        check_transparent(builder, &builder->upstreams[i]);
    }
    check_unused_chains(builder);
}
