/* pure_set.c - the directives of mailweir.conf that mean something to a session, for dialogs:
 * "max-errors 3". Those of conf.d that are about sockets, processes and filters are not here. */
#include "pure.h"

#include <stdio.h>

static bool to_number(struct mw_slice text, uint64_t *out_number)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},      {"ms", 1},       {"s", 1000},   {"m", 60000},
                 {"kB", 1000}, {"MB", 1000000}, {"KiB", 1024}, {"MiB", 1048576}};
    size_t digits = 0;
    while (digits < text.len && mw_is_digit(text.ptr[digits]))
        digits++;
    if (mw_slice_to_u64(mw_slice_take(text, digits), UINT32_MAX, out_number) != MW_OK)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (mw_slice_eq(mw_slice_skip(text, digits), mw_slice_cstr(units[i].unit))) {
            *out_number *= units[i].factor;
            return true;
        }
    return false;
}

static size_t to_words(struct mw_slice text, struct mw_slice words[PURE_WORDS_MAX])
{
    size_t count = 0;
    struct mw_slice word, rest;
    while (text.len > 0 && count < PURE_WORDS_MAX) {
        word = text;
        rest = MW_EMPTY;
        mw_slice_split(text, ' ', &word, &rest);
        words[count++] = word;
        text = rest;
    }
    return count;
}

/* The directives of mailweir.conf that mean something to a session, and where they go. */
static bool set_number(struct pure *pure, struct mw_slice name, uint64_t number)
{
    struct mw_listen_settings *listen = &pure->listen;
    struct mw_upstream_settings *upstream = &pure->upstream;
    const struct {
        const char *name;
        uint64_t *to;
        uint32_t *to_u32;
        size_t *to_size;
    } settings[] = {
        {.name = "max-message-size", .to = &listen->max_message_size},
        {.name = "max-errors", .to_u32 = &listen->max_errors},
        {.name = "max-junk-commands", .to_u32 = &listen->max_junk},
        {.name = "max-header-size", .to_size = &listen->header_limits.size_max},
        {.name = "max-header-fields", .to_size = &listen->header_limits.fields_max},
        {.name = "max-hops", .to_size = &listen->header_limits.hops_max},
        {.name = "command-timeout", .to = &listen->command_timeout_ms},
        {.name = "data-timeout", .to = &listen->data_timeout_ms},
        {.name = "header-timeout", .to = &listen->header_timeout_ms},
        {.name = "min-data-rate", .to = &listen->min_data_rate},
        {.name = "spool-memory", .to_size = &listen->spool_memory},
        {.name = "connect-timeout", .to = &upstream->connect_timeout_ms},
        {.name = "reply-timeout", .to = &upstream->reply_timeout_ms},
        {.name = "final-reply-timeout", .to = &upstream->final_reply_timeout_ms},
        {.name = "keepalive", .to = &upstream->keepalive_ms},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!mw_slice_eq(name, mw_slice_cstr(settings[i].name)))
            continue;
        if (settings[i].to != NULL)
            *settings[i].to = number;
        if (settings[i].to_u32 != NULL)
            *settings[i].to_u32 = (uint32_t)number;
        if (settings[i].to_size != NULL)
            *settings[i].to_size = (size_t)number;
        return true;
    }
    return false;
}

static int position(struct mw_slice word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (mw_slice_eq(word, mw_slice_cstr(words[i])))
            return i;
    return -1;
}

static bool set_word(struct pure *pure, struct mw_slice name, struct mw_slice value)
{
    static const char *const auth[] = {"off", "tls-only", "always", NULL},
                             *const early[] = {"pass", "note", "reject", NULL},
                             *const bare[] = {"pass", "normalize", "reject", NULL},
                             *const on_off[] = {"off", "on", NULL}, *const identity[] = {"none",
                                                                                         "proxy-v1",
                                                                                         "proxy-v2",
                                                                                         "xclient",
                                                                                         "xforward",
                                                                                         NULL},
                             *const tls[] = {"off", "starttls", "required", "implicit", NULL},
                             *const up_tls[] = {"off",      "opportunistic", "required",
                                                "verified", "implicit",      NULL},
                             *const banner[] = {"upstream", "own", NULL},
                             *const mixed[] = {"refuse", "accept-rest", "split", NULL};
    struct mw_listen_settings *listen = &pure->listen;
    int at = -1;
    if (mw_slice_eq(name, MW_LIT("relay-verbs"))) {
        listen->relay_verbs = pure->words[0];
        listen->relay_verb_count = to_words(value, pure->words[0]);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("relay-extensions"))) {
        listen->relay_extensions = pure->words[1];
        listen->relay_extension_count = to_words(value, pure->words[1]);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("authserv-id"))) {
        pure->snapshot.authserv_id_count = to_words(value, pure->words[2]);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("trust-results"))) {
        if (mw_network_parse(value, &pure->trust_results) != MW_OK)
            return false;
        listen->trust_results = &pure->trust_results;
        listen->trust_results_count = 1;
        return true;
    } else if (mw_slice_eq(name, MW_LIT("spool-dir"))) {
        snprintf(pure->spool_dir, sizeof pure->spool_dir, "%.*s", (int)value.len, value.ptr);
        mw_spool_files_fini(&pure->files);
        mw_spool_files_init(&pure->files, pure->spool_dir);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("auth"))) {
        listen->auth = (enum mw_auth_policy)(at = position(value, auth));
    } else if (mw_slice_eq(name, MW_LIT("early-talker"))) {
        listen->early_talker = (enum mw_early_talker)(at = position(value, early));
    } else if (mw_slice_eq(name, MW_LIT("bare-newline"))) {
        listen->line_ends.bare_lf = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("bare-cr"))) {
        listen->line_ends.bare_cr = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("nul"))) {
        listen->line_ends.nul = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("identity"))) {
        pure->upstream.identity = (enum mw_identity)(at = position(value, identity));
    } else if (mw_slice_eq(name, MW_LIT("tls"))) {
        listen->tls = (enum mw_listen_tls)(at = position(value, tls));
    } else if (mw_slice_eq(name, MW_LIT("upstream.tls"))) {
        pure->upstream.tls = (enum mw_upstream_tls)(at = position(value, up_tls));
    } else if (mw_slice_eq(name, MW_LIT("banner"))) {
        pure->upstream.banner = (enum mw_banner)(at = position(value, banner));
    } else if (mw_slice_eq(name, MW_LIT("mixed-verdict"))) {
        listen->mixed_verdict = (enum mw_mixed_verdict)(at = position(value, mixed));
    } else if (mw_slice_eq(name, MW_LIT("prdr"))) {
        listen->prdr = (at = position(value, on_off)) == 1;
    } else if (mw_slice_eq(name, MW_LIT("accept-xclient"))) {
        listen->accept_xclient = (at = position(value, on_off)) == 1;
    } else if (mw_slice_eq(name, MW_LIT("accept-xforward"))) {
        listen->accept_xforward = (at = position(value, on_off)) == 1;
    } else if (mw_slice_eq(name, MW_LIT("trust"))) {
        if (mw_network_parse(value, &pure->trust) != MW_OK)
            return false;
        listen->trust = &pure->trust;
        listen->trust_count = 1;
        return true;
    } else if (mw_slice_eq(name, MW_LIT("require-identity"))) {
        pure->upstream.require_identity = (at = position(value, on_off)) == 1;
    }
    return at >= 0;
}

bool pure_set(struct pure *pure, struct mw_slice text)
{
    struct mw_slice name, value;
    uint64_t number;
    return mw_slice_split(text, ' ', &name, &value) &&
           (set_word(pure, name, value) ||
            (to_number(value, &number) && set_number(pure, name, number)));
}
