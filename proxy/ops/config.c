/* config.c - reads the blocks of a configuration into a snapshot.
 *
 * Everything is read even after an error, so that one run tells all; values that could not be read
 * are 0 then, and nobody uses them, because a snapshot with errors is thrown away as a whole.
 * Order: top level, upstreams, filters, chains, listeners (each refers to those before it), then
 * what needs all of them (config_check.c). */
#include "ops/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "message/authres.h"
#include "ops/config_priv.h"
#include "ops/process.h"

enum { NAME_MAX_LEN = 63, HOST_NAME_MAX_LEN = 253, NAMES_SHOWN = 5 };

void mw_process_settings_fini(struct mw_process_settings *process)
{
    mw_arena_fini(&process->arena);
    *process = (struct mw_process_settings){0};
}

/* ---- finding blocks ---- */

bool mw_config_is_kind(const struct mw_conf_block *block, const char *kind)
{
    return mw_slice_eq(block->kind, mw_slice_cstr(kind));
}

size_t mw_config_count_kind(const struct mw_config_builder *builder, const char *kind)
{
    size_t count = 0;
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next)
        count += mw_config_is_kind(b, kind);
    return count;
}

bool mw_config_block_exists(const struct mw_config_builder *builder, const char *kind,
                            struct mw_slice name)
{
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next)
        if (mw_config_is_kind(b, kind) && mw_slice_eq(b->name, name))
            return true;
    return false;
}

const char *mw_config_hint(const struct mw_config_builder *builder, const char *kind,
                           struct mw_slice name)
{
    size_t count = 0;
    struct mw_slice list = MW_LIT("there is");
    const char **names = mw_arena_array(builder->arena, const char *,
                                        mw_config_count_kind(builder, kind) + 1);
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next)
        if (mw_config_is_kind(b, kind))
            names[count++] = b->name.ptr;
    const char *near = mw_near_name(name, names);
    if (near != NULL)
        return mw_arena_printf(builder->arena, "did you mean '%s'?", near).ptr;
    if (count == 0)
        return mw_arena_printf(builder->arena, "add a block: %s %.*s { ... }", kind, (int)name.len,
                               name.ptr)
            .ptr;
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        list = mw_arena_printf(builder->arena, "%s%s '%s'", list.ptr, i == 0 ? "" : ",", names[i]);
    return count > NAMES_SHOWN ? mw_arena_printf(builder->arena, "%s, ...", list.ptr).ptr
                               : list.ptr;
}

bool mw_config_name_ok(struct mw_slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    return true;
}

/* A block that there is one of has no name. (A second one without is the parser's error.) */
static void check_nameless(struct mw_config_builder *builder, const struct mw_conf_block *block)
{
    if (block->name.len > 0)
        mw_conf_error(builder->diags, &block->pos, (uint32_t)block->kind.len,
                      mw_arena_printf(builder->arena, "%s { ... }", block->kind.ptr).ptr,
                      "there is one '%s' only: it has no name", block->kind.ptr);
}

/* Kinds and names of all blocks. `observe` is a word of the chain's, so no filter can have that
 * name. */
static void check_blocks(struct mw_config_builder *builder)
{
    static const char *const no_kinds[] = {NULL};
    mw_config_go_on(
        mw_conf_check_kinds(builder->arena, builder->root, mw_block_kinds, builder->diags));
    for (const struct mw_conf_block *b = builder->root->blocks; b != NULL; b = b->next) {
        uint32_t length = (uint32_t)b->kind.len;
        mw_config_go_on(mw_conf_check_kinds(builder->arena, b, no_kinds, builder->diags));
        if (mw_config_is_kind(b, "resolver"))
            check_nameless(builder, b);
        else if (b->name.len == 0)
            mw_conf_error(
                builder->diags, &b->pos, length,
                mw_arena_printf(builder->arena, "%.*s NAME { ... }", (int)b->kind.len, b->kind.ptr)
                    .ptr,
                "this block needs a name");
        else if (!mw_config_name_ok(b->name))
            mw_conf_error(builder->diags, &b->pos, length,
                          "letters, digits, '-' and '_', at most 63 of them",
                          "'%.*s' is no name for a block", (int)b->name.len, b->name.ptr);
        else if (mw_config_is_kind(b, "filter") && mw_slice_eq(b->name, MW_LIT("observe")))
            mw_conf_error(builder->diags, &b->pos, length, NULL,
                          "a filter cannot be named 'observe': the word has a meaning in chains");
    }
}

/* ---- top level ---- */

static void log_option(struct mw_config_builder *builder, const struct mw_conf_value *word,
                       struct mw_log_config *log)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    struct mw_slice key, value;
    const char *const *choices = NULL;
    if (mw_slice_split(word->text, '=', &key, &value))
        choices = mw_slice_eq(key, MW_LIT("format"))  ? formats
                  : mw_slice_eq(key, MW_LIT("level")) ? levels
                                                      : NULL;
    for (size_t i = 0; choices != NULL && choices[i] != NULL; i++) {
        if (!mw_slice_eq(value, mw_slice_cstr(choices[i])))
            continue;
        if (choices == formats)
            log->format = (enum mw_log_format)i;
        else
            log->level = (enum mw_log_level)i;
        return;
    }
    mw_conf_error(builder->diags, &word->pos, word->source_len,
                  choices == formats  ? "format=logfmt or format=json"
                  : choices == levels ? "level=debug, info, warning or error"
                                      : "format=logfmt|json, level=debug|info|warning|error",
                  "'%.*s' is no option of 'log'", (int)word->text.len, word->text.ptr);
}

/* A log file's path, relative to the file that names it. */
static const char *log_path(struct mw_arena *arena, const struct mw_conf_value *word)
{
    struct mw_slice file = mw_slice_cstr(word->pos.file);
    ptrdiff_t slash = mw_slice_rfind(file, '/');
    if (word->text.len > 0 && word->text.ptr[0] == '/')
        return mw_arena_cstr(arena, word->text);
    file = mw_slice_take(file, (size_t)(slash + 1));
    return mw_arena_printf(arena, "%.*s%.*s", (int)file.len, file.ptr, (int)word->text.len,
                           word->text.ptr)
        .ptr;
}

static void read_log(struct mw_config_builder *builder, struct mw_arena *arena,
                     struct mw_log_config *log)
{
    static const char *const sinks[] = {"stderr", "file", "syslog", "journald", NULL};
    const struct mw_conf_values *words = &builder->top[MW_TOP_LOG];
    size_t sink = 0, next = 1;
    log->level = MW_LOG_INFO;
    if (words->count == 0)
        return;
    const struct mw_conf_value *first = &words->values[0];
    while (sinks[sink] != NULL && !mw_slice_eq(first->text, mw_slice_cstr(sinks[sink])))
        sink++;
    if (sinks[sink] == NULL) {
        const char *near = mw_near_name(first->text, sinks);
        mw_conf_error(builder->diags, &first->pos, first->source_len,
                      near == NULL ? "stderr, syslog, journald or file PATH"
                                   : mw_arena_printf(arena, "did you mean '%s'?", near).ptr,
                      "'%.*s' is no place to log to", (int)first->text.len, first->text.ptr);
        return;
    }
    log->sink = (enum mw_log_sink)sink;
    if (log->sink == MW_LOG_FILE && words->count < 2) {
        mw_conf_error(builder->diags, &first->pos, first->source_len, "log file PATH",
                      "the log file needs a name");
        return;
    }
    if (log->sink == MW_LOG_FILE)
        log->path = log_path(arena, &words->values[next++]);
    for (; next < words->count; next++)
        log_option(builder, &words->values[next], log);
}

bool mw_config_hostname_ok(struct mw_slice name)
{
    if (name.len == 0 || name.len > HOST_NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '.')
            return false;
    return mw_is_alnum(name.ptr[0]) && mw_is_alnum(name.ptr[name.len - 1]);
}

static void read_hostname(struct mw_config_builder *builder)
{
    const struct mw_conf_values *given = &builder->top[MW_TOP_HOSTNAME];
    char system[HOST_NAME_MAX_LEN + 1] = "";
    struct mw_slice name = mw_config_text(given);
    if (given->count > 0 && !mw_config_hostname_ok(name))
        mw_conf_error(builder->diags, &given->values[0].pos, given->values[0].source_len,
                      "letters, digits, '-' and '.'", "'%.*s' is not a host name", (int)name.len,
                      name.ptr);
    if (given->count == 0) {
        if (gethostname(system, sizeof system - 1) != 0 ||
            !mw_config_hostname_ok(mw_slice_cstr(system)))
            name = MW_LIT("localhost");
        else
            name = mw_slice_cstr(system);
    }
    builder->snapshot->base.hostname = mw_arena_dup(builder->arena, name);
}

/* Behind read_hostname(): that is the name if none is given. */
static void read_authserv_ids(struct mw_config_builder *builder)
{
    const struct mw_conf_values *given = &builder->top[MW_TOP_AUTHSERV_ID];
    struct mw_snapshot *snapshot = &builder->snapshot->base;
    struct mw_slice *ids = mw_arena_array(builder->arena, struct mw_slice, given->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < given->count; i++) {
        const struct mw_conf_value *value = &given->values[i];
        if (mw_authres_id(value->text, builder->arena, &ids[count]))
            count++;
        else
            mw_conf_error(builder->diags, &value->pos, value->source_len,
                          "a host name, such as mx.example.net", "'%.*s' is no authserv-id",
                          (int)value->text.len, value->text.ptr);
    }
    if (given->count == 0 && mw_authres_id(snapshot->hostname, builder->arena, &ids[0]))
        count = 1;
    snapshot->authserv_ids = ids;
    snapshot->authserv_id_count = count;
}

/* A unix: path is no place to send questions to. */
static void read_nameservers(struct mw_config_builder *builder, const struct mw_conf_values *given,
                             struct mw_process_settings *process)
{
    struct mw_endpoint *servers = mw_arena_array(&process->arena, struct mw_endpoint,
                                                 given->count + 1);
    for (size_t i = 0; i < given->count; i++) {
        const struct mw_conf_value *value = &given->values[i];
        servers[i] = value->endpoint;
        if (value->endpoint.kind != MW_ENDPOINT_INET)
            mw_conf_error(builder->diags, &value->pos, value->source_len,
                          "an address such as 127.0.0.1:53 or [::1]:53",
                          "a name server is asked over the network");
    }
    process->resolver.servers = servers;
    process->resolver.server_count = given->count;
}

static void read_resolver(struct mw_config_builder *builder, struct mw_process_settings *process)
{
    static const struct mw_conf_block none = {.kind = {.ptr = "resolver", .len = 8}};
    const struct mw_conf_block *block = builder->root->blocks;
    struct mw_conf_values values[MW_RESOLVER_COUNT];
    while (block != NULL && !mw_config_is_kind(block, "resolver"))
        block = block->next;
    mw_config_go_on(mw_conf_check(builder->arena, block == NULL ? &none : block, mw_resolver_rules,
                                  MW_RESOLVER_COUNT, NULL, 0, builder->diags, values));
    read_nameservers(builder, &values[MW_RESOLVER_NAMESERVER], process);
    process->resolver.timeout_ms = mw_config_number(&values[MW_RESOLVER_TIMEOUT]);
    process->resolver.attempts = (uint32_t)mw_config_number(&values[MW_RESOLVER_ATTEMPTS]);
    process->resolver.cache_entries = (uint32_t)mw_config_number(&values[MW_RESOLVER_CACHE]);
    builder->snapshot->base.query_limit = (uint32_t)mw_config_number(
        &values[MW_RESOLVER_SESSION_QUERIES]);
}

static void read_control(struct mw_config_builder *builder, struct mw_process_settings *process)
{
    const struct mw_conf_values *given = &builder->top[MW_TOP_CONTROL];
    process->control = "";
    if (given->count == 0)
        return;
    const struct mw_conf_value *value = &given->values[0];
    if (value->endpoint.kind == MW_ENDPOINT_UNIX)
        process->control = mw_arena_cstr(&process->arena, mw_slice_cstr(value->endpoint.path));
    else
        mw_conf_error(builder->diags, &value->pos, value->source_len,
                      "control unix:/run/mailweir/ctl", "the control socket is a local one");
}

static void read_top(struct mw_config_builder *builder, struct mw_process_settings *process)
{
    mw_config_go_on(mw_conf_check(builder->arena, builder->root, mw_top_rules, MW_TOP_COUNT, NULL,
                                  0, builder->diags, builder->top));
    const struct mw_conf_values *paths = &builder->top[MW_TOP_PLUGIN_PATH];
    struct mw_slice *dirs = mw_arena_array(builder->arena, struct mw_slice, paths->count + 1);
    for (size_t i = 0; i < paths->count; i++)
        dirs[i] = paths->values[i].text;
    process->plugin_dirs = mw_process_plugin_dirs(&process->arena, dirs, paths->count);
    process->user = mw_arena_cstr(&process->arena, mw_config_text(&builder->top[MW_TOP_USER]));
    process->spool_dir = mw_arena_cstr(&process->arena,
                                       mw_config_text(&builder->top[MW_TOP_SPOOL_DIR]));
    process->drain_timeout_ms = mw_config_number(&builder->top[MW_TOP_DRAIN_TIMEOUT]);
    read_log(builder, &process->arena, &process->log);
    read_hostname(builder);
    read_authserv_ids(builder);
    read_control(builder, process);
    read_resolver(builder, process);
}

/* ---- the whole ---- */

static struct mw_config_snapshot *config_of(const struct mw_snapshot *snapshot)
{
    return mw_container_of(snapshot, struct mw_config_snapshot, base);
}

static void snapshot_free(struct mw_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->chain_count; i++)
        mw_chain_free(&snapshot->chains[i]);
    mw_config_free_tls(config_of(snapshot));
    mw_instances_free(&snapshot->instances);
    mw_arena_fini(&snapshot->arena);
    free(config_of(snapshot));
}

struct mw_snapshot *mw_config_load_to_serve(const char *path, struct mw_plugins **plugins,
                                            struct mw_tls_tickets *tickets, uint32_t generation,
                                            struct mw_diags *diags,
                                            struct mw_process_settings *out_process)
{
    struct mw_config_snapshot *config = mw_xcalloc(1, sizeof *config);
    struct mw_snapshot *snapshot = &config->base;
    struct mw_config_builder builder = {
        .arena = &snapshot->arena, .diags = diags, .tickets = tickets, .snapshot = config};
    size_t errors_before = mw_diags_errors(diags);
    *out_process = (struct mw_process_settings){0};
    snapshot->refs = 1;
    snapshot->generation = generation;
    snapshot->free = snapshot_free;
    mw_config_go_on(mw_conf_load(&snapshot->arena, path, diags, &builder.root));
    read_top(&builder, out_process);
    if (*plugins == NULL)
        *plugins = mw_plugins_new(out_process->plugin_dirs);
    snapshot->instances = mw_instances_new(*plugins);
    if (snapshot->authserv_id_count > 0)
        mw_instances_name(snapshot->instances, snapshot->authserv_ids[0]);
    check_blocks(&builder);
    mw_config_read_upstreams(&builder);
    mw_config_open_filters(&builder);
    mw_config_read_chains(&builder);
    mw_config_read_listeners(&builder);
    mw_config_cross_check(&builder);
    if (mw_diags_errors(diags) > errors_before)
        mw_snapshot_unref(&snapshot);
    return snapshot;
}

struct mw_snapshot *mw_config_load(const char *path, struct mw_plugins **plugins,
                                   uint32_t generation, struct mw_diags *diags,
                                   struct mw_process_settings *out_process)
{
    return mw_config_load_to_serve(path, plugins, NULL, generation, diags, out_process);
}

size_t mw_config_test(struct mw_snapshot *snapshot, mw_test_report *report, void *user)
{
    struct mw_config_snapshot *config = config_of(snapshot);
    size_t failed = 0;
    for (size_t i = 0; i < config->filter_count; i++) {
        int count = mw_instance_test(config->filters[i], report, user);
        failed += count > 0 ? (size_t)count : 0;
    }
    return failed;
}

struct test_sink {
    struct mw_diags *diags;
    enum mw_severity severity;
    size_t count;
};

/* What a filter says of a failure may have several lines; a diagnostic's hint is one. */
static void add_failure(const struct test_sink *sink, const struct mw_test_result *result)
{
    struct mw_buf hint = {0};
    for (const char *at = result->detail; at != NULL && *at != '\0'; at++) {
        if (*at == '\n')
            mw_buf_put(&hint, MW_LIT("; "));
        else
            mw_buf_putc(&hint, *at);
    }
    char *text = hint.len > 0 ? mw_buf_detach_cstr(&hint) : NULL;
    mw_diags_add(sink->diags, sink->severity, result->file, result->line, 1, 0, text,
                 "the test '%s' failed", result->name);
    free(text);
}

static void on_test(void *user, const struct mw_test_result *result)
{
    struct test_sink *sink = user;
    sink->count++;
    if (!result->passed)
        add_failure(sink, result);
}

size_t mw_config_test_into(struct mw_snapshot *snapshot, enum mw_severity severity,
                           struct mw_diags *diags)
{
    struct test_sink sink = {diags, severity, 0};
    (void)mw_config_test(snapshot, on_test, &sink);
    return sink.count;
}

size_t mw_config_complain(const struct mw_diags *diags)
{
    struct mw_buf printed = {0};
    size_t errors = mw_diags_errors(diags);
    mw_diags_print(diags, &printed);
    struct mw_slice text = mw_buf_view(&printed);
    fwrite(text.ptr, 1, text.len, stderr);
    mw_buf_fini(&printed);
    if (errors > 0)
        fprintf(stderr, "%zu error%s; the configuration was not loaded\n", errors,
                errors == 1 ? "" : "s");
    return errors;
}

void mw_config_count(const struct mw_snapshot *snapshot, struct mw_config_counts *out_counts)
{
    const struct mw_config_snapshot *config = config_of(snapshot);
    *out_counts = (struct mw_config_counts){
        .listeners = snapshot->listener_count,
        .upstreams = config->upstream_count,
        .filters = config->filter_count,
        .chains = snapshot->chain_count,
    };
}

const struct mw_instance *mw_config_filter(const struct mw_snapshot *snapshot, size_t index)
{
    return config_of(snapshot)->filters[index];
}

size_t mw_config_tls_count(const struct mw_snapshot *snapshot)
{
    return config_of(snapshot)->tls_count;
}

const struct mw_config_tls *mw_config_tls(const struct mw_snapshot *snapshot, size_t index)
{
    return &config_of(snapshot)->tls[index];
}

bool mw_config_is_transparent(const struct mw_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].upstream->is_transparent)
            return true;
    return false;
}
