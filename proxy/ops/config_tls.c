/* config_tls.c - the TLS side of listeners and upstreams: reads its directives, makes the objects
 * of net/tls.h from their files, and says what is wrong with either at the word that a person would
 * change.
 *
 * A `certificate` line is one pair, so its words are counted line by line in the block itself: the
 * checked values of a repeatable directive are one list. The files' problems are told by net/tls.c
 * in words; the value whose path stands in them gets the caret. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ops/config_priv.h"

enum { FINGERPRINT_DIGITS = 64, PROBLEM_TEXT_MAX = 1024, PAIR_FILES_MAX = 3 };

/* ---- dates ---- */

void mw_config_date(int64_t seconds, char out_text[MW_DATE_TEXT_MAX])
{
    time_t when = (time_t)seconds;
    struct tm date;
    if (gmtime_r(&when, &date) == NULL ||
        strftime(out_text, MW_DATE_TEXT_MAX, "%Y-%m-%d", &date) == 0)
        memcpy(out_text, "-", 2);
}

/* ---- files and their problems ---- */

/* The texts of some directives that an object was made from. */
struct sources {
    const struct mw_conf_values *of[4];
    size_t count;
};

static const char *const *files_of(struct mw_arena *arena, const struct sources *sources)
{
    size_t max = 1, count = 0;
    for (size_t i = 0; i < sources->count; i++)
        max += sources->of[i]->count;
    const char **files = mw_arena_array(arena, const char *, max);
    for (size_t i = 0; i < sources->count; i++)
        for (size_t j = 0; j < sources->of[i]->count; j++)
            files[count++] = sources->of[i]->values[j].text.ptr;
    return files;
}

/* The value that a problem names first; the longer one where a path begins as another does. */
static const struct mw_conf_value *find_named(const struct sources *sources, const char *problem)
{
    const struct mw_conf_value *named = NULL;
    const char *named_at = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        for (size_t j = 0; j < sources->of[i]->count; j++) {
            const struct mw_conf_value *value = &sources->of[i]->values[j];
            const char *at = value->text.len > 0 ? strstr(problem, value->text.ptr) : NULL;
            bool is_better = named == NULL || at < named_at ||
                             (at == named_at && value->text.len > named->text.len);
            if (at != NULL && is_better) {
                named = value;
                named_at = at;
            }
        }
    }
    return named;
}

/* At the value that is named, else at `otherwise`. */
static void report_problem(struct mw_config_builder *builder, const struct sources *sources,
                           const struct mw_conf_values *otherwise,
                           const struct mw_conf_block *block, const char *problem)
{
    const struct mw_conf_value *named = find_named(sources, problem);
    if (named == NULL || named->pos.file == NULL)
        mw_config_refuse(builder, otherwise, block, NULL, "%s", problem);
    else
        mw_conf_error(builder->diags, &named->pos, named->source_len, NULL, "%s", problem);
}

/* Room for one more side; the snapshot frees what is put in. */
static struct mw_config_tls *add_side(struct mw_config_builder *builder)
{
    struct mw_config_snapshot *snapshot = builder->snapshot;
    if (snapshot->tls == NULL)
        snapshot->tls = mw_arena_array(builder->arena, struct mw_config_tls,
                                       mw_config_count_kind(builder, "listen") +
                                           mw_config_count_kind(builder, "upstream"));
    return &snapshot->tls[snapshot->tls_count++];
}

void mw_config_free_tls(struct mw_config_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->tls_count; i++) {
        mw_tls_server_unref(&snapshot->tls[i].server);
        mw_tls_client_unref(&snapshot->tls[i].client);
    }
}

int64_t mw_config_tls_expiry(const struct mw_config_tls *tls)
{
    return tls->server == NULL ? INT64_MAX : mw_tls_server_expiry(tls->server);
}

static const char *text_or_null(const struct mw_conf_values *values)
{
    return mw_config_text(values).len > 0 ? values->values[0].text.ptr : NULL;
}

/* Directives that were given without anything to have an effect on. */
static void warn_unused(struct mw_config_builder *builder, const struct mw_conf_values *values,
                        const struct mw_conf_block *block, const char *name, const char *hint)
{
    if (mw_config_is_given(values))
        mw_config_warn(builder, values, block, hint, "'%s' has no effect with 'tls off'", name);
}

/* ---- listeners ---- */

/* One line: false after an error there. */
static bool read_pair(struct mw_config_builder *builder, const struct mw_conf_directive *line,
                      const struct mw_conf_value *values, struct mw_tls_pair *out_pair)
{
    size_t count = line->word_count - 1;
    if (count == 1) {
        mw_conf_error(builder->diags, &line->words[1].pos, line->words[1].source_len,
                      "certificate CERTIFICATE KEY, or CERTIFICATE KEY STAPLE; where both are in "
                      "one file, name it twice",
                      "the file with the key of this certificate is missing");
        return false;
    }
    *out_pair = (struct mw_tls_pair){
        .certificate = values[0].text.ptr,
        .key = values[1].text.ptr,
        .staple = count > 2 ? values[2].text.ptr : NULL,
    };
    return true;
}

/* The pairs line by line; false if one has an error (told). `pairs` has room for one a value. */
static bool read_pairs(struct mw_config_builder *builder, const struct mw_conf_block *block,
                       const struct mw_conf_values *values, struct mw_tls_pair *pairs,
                       size_t *out_count)
{
    size_t used = 0, count = 0;
    bool is_good = true;
    for (const struct mw_conf_directive *line = block->directives; line != NULL;
         line = line->next) {
        if (!mw_slice_eq(line->words[0].text, MW_LIT("certificate")))
            continue;
        size_t words = line->word_count - 1;
        /* refused when the values were checked: nothing here can be told apart any more */
        if (line->is_broken || words == 0 || words > PAIR_FILES_MAX || used + words > values->count)
            return false;
        if (read_pair(builder, line, &values->values[used], &pairs[count]))
            count++;
        else
            is_good = false;
        used += words;
    }
    *out_count = count;
    return is_good && used == values->count;
}

/* The nearest end of a listener's certificates, told while there is time. */
static void check_expiry(struct mw_config_builder *builder, const struct mw_conf_values *pairs,
                         const struct mw_conf_block *block, int64_t expiry)
{
    char date[MW_DATE_TEXT_MAX];
    int64_t left = expiry - (int64_t)time(NULL);
    if (left > MW_CERTIFICATE_WARNING_S)
        return;
    mw_config_date(expiry, date);
    if (left < 0)
        mw_config_warn(builder, pairs, block, "renew it: clients that verify refuse it",
                       "a certificate of listener '%.*s' has expired on %s", (int)block->name.len,
                       block->name.ptr, date);
    else
        mw_config_warn(builder, pairs, block, NULL,
                       "a certificate of listener '%.*s' expires on %s, in %" PRId64 " days",
                       (int)block->name.len, block->name.ptr, date, left / 86400);
}

static void make_server(struct mw_config_builder *builder,
                        const struct mw_config_listener *listener,
                        const struct mw_tls_server_config *config, struct mw_listen_settings *to)
{
    const struct mw_conf_values *values = listener->values;
    const struct mw_conf_values *pairs = &values[MW_LISTEN_CERTIFICATE];
    const struct sources files = {{pairs, &values[MW_LISTEN_CLIENT_CA]}, 2};
    const struct sources all = {
        {pairs, &values[MW_LISTEN_CLIENT_CA], &values[MW_LISTEN_TLS_CIPHERS]}, 3};
    char problem[PROBLEM_TEXT_MAX] = "";
    struct mw_tls_server *server = mw_tls_server_new(config, problem, sizeof problem);
    if (server == NULL) {
        report_problem(builder, &all, pairs, listener->block, problem);
        return;
    }
    *add_side(builder) = (struct mw_config_tls){
        .kind = "listener",
        .name = to->name,
        .server = server,
        .files = files_of(builder->arena, &files),
    };
    to->tls_server = server;
    check_expiry(builder, pairs, listener->block, mw_tls_server_expiry(server));
}

void mw_config_read_listen_tls(struct mw_config_builder *builder,
                               const struct mw_config_listener *listener,
                               struct mw_listen_settings *to)
{
    static const char off[] = "add 'tls starttls', 'tls required' or 'tls implicit'";
    const struct mw_conf_values *values = listener->values;
    const struct mw_conf_values *given = &values[MW_LISTEN_CERTIFICATE];
    struct mw_tls_pair *pairs = mw_arena_array(builder->arena, struct mw_tls_pair,
                                               given->count + 1);
    size_t count = 0;
    to->tls = (enum mw_listen_tls)mw_config_number(&values[MW_LISTEN_TLS]);
    to->handshake_timeout_ms = mw_config_number(&values[MW_LISTEN_HANDSHAKE_TIMEOUT]);
    bool is_good = read_pairs(builder, listener->block, given, pairs, &count);
    if (to->tls == MW_LISTEN_TLS_OFF) {
        warn_unused(builder, given, listener->block, "certificate", off);
        warn_unused(builder, &values[MW_LISTEN_CLIENT_CA], listener->block, "client-ca", off);
        return;
    }
    if (is_good && count == 0)
        mw_config_refuse(builder, &values[MW_LISTEN_TLS], listener->block,
                         mw_arena_printf(builder->arena,
                                         "TLS takes two lines: 'tls %s' and 'certificate "
                                         "/path/to/fullchain.pem /path/to/privkey.pem'",
                                         mw_config_text(&values[MW_LISTEN_TLS]).ptr)
                             .ptr,
                         "listener '%.*s' has no certificate", (int)to->name.len, to->name.ptr);
    if (!is_good || count == 0)
        return;
    const struct mw_tls_server_config config = {
        .pairs = pairs,
        .pair_count = count,
        .client_ca = text_or_null(&values[MW_LISTEN_CLIENT_CA]),
        .minimum = text_or_null(&values[MW_LISTEN_TLS_MINIMUM]),
        .ciphers = text_or_null(&values[MW_LISTEN_TLS_CIPHERS]),
        .tickets = builder->tickets,
    };
    make_server(builder, listener, &config, to);
}

/* ---- upstreams ---- */

static bool fingerprint_ok(struct mw_slice text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_colon = text.ptr[i] == ':' && digits > 0 && digits % 2 == 0;
        if (!is_colon && mw_hex_value(text.ptr[i]) < 0)
            return false;
        digits += !is_colon;
    }
    return digits == FINGERPRINT_DIGITS;
}

static const char *const *read_fingerprints(struct mw_config_builder *builder,
                                            const struct mw_conf_values *given)
{
    const char **texts = mw_arena_array(builder->arena, const char *, given->count + 1);
    for (size_t i = 0; i < given->count; i++) {
        const struct mw_conf_value *value = &given->values[i];
        texts[i] = value->text.ptr;
        if (fingerprint_ok(value->text))
            continue;
        mw_conf_error(builder->diags, &value->pos, value->source_len,
                      "openssl x509 -in cert.pem -noout -fingerprint -sha256",
                      "a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits, with "
                      "or without colons");
    }
    return texts;
}

/* As given, else the first host name among the addresses; NULL: none. */
static const char *server_name(struct mw_config_builder *builder,
                               const struct mw_config_upstream *upstream)
{
    const struct mw_conf_values *given = &upstream->values[MW_UPSTREAM_SERVER_NAME];
    const struct mw_conf_values *addresses = &upstream->values[MW_UPSTREAM_ADDRESS];
    struct mw_inet address;
    if (given->count > 0) {
        const struct mw_conf_value *value = &given->values[0];
        bool is_address = mw_inet_parse(value->text, &address) == MW_OK;
        if (is_address || !mw_config_hostname_ok(value->text))
            mw_conf_error(builder->diags, &value->pos, value->source_len,
                          "the name in the upstream's certificate, as in mx.example.test",
                          "'%s' is not a host name", value->text.ptr);
        return value->text.ptr;
    }
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->values[i].endpoint.kind == MW_ENDPOINT_NAME)
            return addresses->values[i].endpoint.path;
    return NULL;
}

static enum mw_tls_verify how_to_verify(const struct mw_config_upstream *upstream)
{
    enum mw_upstream_tls tls = upstream->settings.tls;
    bool has_ca = upstream->values[MW_UPSTREAM_CA].count > 0;
    /* whoever makes the handshake fail gets the octets in the clear: there is nothing to verify for
     */
    if (tls == MW_UPSTREAM_TLS_OPPORTUNISTIC)
        return MW_TLS_VERIFY_NONE;
    if (upstream->values[MW_UPSTREAM_FINGERPRINT].count > 0)
        return MW_TLS_VERIFY_FINGERPRINT;
    if (tls == MW_UPSTREAM_TLS_VERIFIED || (tls == MW_UPSTREAM_TLS_IMPLICIT && has_ca))
        return MW_TLS_VERIFY_NAME;
    return MW_TLS_VERIFY_NONE;
}

static void check_upstream_off(struct mw_config_builder *builder,
                               const struct mw_config_upstream *upstream)
{
    static const char off[] = "add 'tls verified', or another one";
    const struct mw_conf_values *values = upstream->values;
    const struct mw_conf_values *fingerprint = &values[MW_UPSTREAM_FINGERPRINT];
    if (mw_config_is_given(fingerprint))
        mw_config_refuse(builder, fingerprint, upstream->block, off,
                         "a fingerprint is to be verified, but there is no TLS with the upstream");
    warn_unused(builder, &values[MW_UPSTREAM_CA], upstream->block, "ca", off);
    warn_unused(builder, &values[MW_UPSTREAM_SERVER_NAME], upstream->block, "server-name", off);
    warn_unused(builder, &values[MW_UPSTREAM_CLIENT_CERTIFICATE], upstream->block,
                "client-certificate", off);
}

/* What was given to verify with, and is not used for it. */
static void check_unverified(struct mw_config_builder *builder,
                             const struct mw_config_upstream *upstream, enum mw_tls_verify verify)
{
    const struct mw_conf_values *ca = &upstream->values[MW_UPSTREAM_CA];
    const struct mw_conf_values *fingerprint = &upstream->values[MW_UPSTREAM_FINGERPRINT];
    const char *word = mw_config_text(&upstream->values[MW_UPSTREAM_TLS]).ptr;
    if (verify == MW_TLS_VERIFY_NONE && (ca->count > 0 || fingerprint->count > 0))
        mw_config_warn(builder, fingerprint->count > 0 ? fingerprint : ca, upstream->block,
                       "set 'tls verified'",
                       "the upstream's certificate is not verified with 'tls %s'", word);
    else if (verify == MW_TLS_VERIFY_FINGERPRINT && ca->count > 0)
        mw_config_warn(builder, ca, upstream->block, NULL,
                       "'ca' has no effect beside 'fingerprint': the fingerprint alone decides");
}

static void make_client(struct mw_config_builder *builder, struct mw_config_upstream *upstream,
                        const struct mw_tls_client_config *config)
{
    const struct mw_conf_values *values = upstream->values;
    const struct sources files = {
        {&values[MW_UPSTREAM_CA], &values[MW_UPSTREAM_CLIENT_CERTIFICATE]}, 2};
    const struct sources all = {{&values[MW_UPSTREAM_CA], &values[MW_UPSTREAM_CLIENT_CERTIFICATE],
                                 &values[MW_UPSTREAM_TLS_CIPHERS]},
                                3};
    char problem[PROBLEM_TEXT_MAX] = "";
    struct mw_tls_client *client = mw_tls_client_new(config, problem, sizeof problem);
    if (client == NULL) {
        report_problem(builder, &all, &values[MW_UPSTREAM_TLS], upstream->block, problem);
        return;
    }
    *add_side(builder) = (struct mw_config_tls){
        .kind = "upstream",
        .name = upstream->settings.name,
        .client = client,
        .files = files_of(builder->arena, &files),
    };
    upstream->settings.tls_client = client;
}

void mw_config_read_upstream_tls(struct mw_config_builder *builder,
                                 struct mw_config_upstream *upstream)
{
    const struct mw_conf_values *values = upstream->values;
    const struct mw_conf_values *pair = &values[MW_UPSTREAM_CLIENT_CERTIFICATE];
    size_t errors_before = mw_diags_errors(builder->diags);
    upstream->settings.tls = (enum mw_upstream_tls)mw_config_number(&values[MW_UPSTREAM_TLS]);
    if (pair->count == 1)
        mw_conf_error(
            builder->diags, &pair->values[0].pos, pair->values[0].source_len,
            "client-certificate CERTIFICATE KEY; where both are in one file, name it twice",
            "the file with the key of this certificate is missing");
    const struct mw_tls_client_config config = {
        .verify = how_to_verify(upstream),
        .server_name = server_name(builder, upstream),
        .ca = text_or_null(&values[MW_UPSTREAM_CA]),
        .fingerprints = read_fingerprints(builder, &values[MW_UPSTREAM_FINGERPRINT]),
        .certificate = text_or_null(pair),
        .key = pair->count > 1 ? pair->values[1].text.ptr : NULL,
        .minimum = text_or_null(&values[MW_UPSTREAM_TLS_MINIMUM]),
        .ciphers = text_or_null(&values[MW_UPSTREAM_TLS_CIPHERS]),
    };
    if (upstream->settings.tls == MW_UPSTREAM_TLS_OFF) {
        check_upstream_off(builder, upstream);
        return;
    }
    check_unverified(builder, upstream, config.verify);
    if (config.verify == MW_TLS_VERIFY_NAME && config.server_name == NULL)
        mw_config_refuse(builder, &values[MW_UPSTREAM_TLS], upstream->block,
                         "add 'server-name NAME', the name in its certificate",
                         "the upstream has no name to verify: 'address' has none");
    if (mw_diags_errors(builder->diags) == errors_before)
        make_client(builder, upstream, &config);
}
