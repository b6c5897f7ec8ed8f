#include "conf_kit.h"

static const char *const tls_choices[] = {"off", "starttls", "required", "implicit", NULL};

// clang-format off
const struct mw_conf_rule rules[RULE_COUNT] = {
    [ADDRESS]     = {.name = "address",     .type = MW_CONF_ENDPOINT, .default_text = "", .values_max = 4, .is_repeatable = true},
    [SERVER]      = {.name = "server",      .type = MW_CONF_ENDPOINT, .default_text = "", .max = 1},
    [TRUST]       = {.name = "trust",       .type = MW_CONF_NETWORK,  .default_text = "127.0.0.0/8 ::1", .values_max = 100},
    [TLS]         = {.name = "tls",         .type = MW_CONF_CHOICE,   .default_text = "off", .choices = tls_choices},
    [MAX_ERRORS]  = {.name = "max-errors",  .type = MW_CONF_COUNT,    .default_text = "20", .min = 1, .max = 1000},
    [MAX_SIZE]    = {.name = "max-size",    .type = MW_CONF_SIZE,     .default_text = "50MB", .min = 1024, .max = UINT64_C(1) << 40},
    [TIMEOUT]     = {.name = "timeout",     .type = MW_CONF_DURATION, .default_text = "5m", .min = 1000, .max = 86400000},
    [REQUIRE]     = {.name = "require",     .type = MW_CONF_BOOL,     .default_text = "on"},
    [NAME]        = {.name = "name",        .type = MW_CONF_TEXT,     .default_text = ""},
    [STATE_DIR]   = {.name = "state-dir",   .type = MW_CONF_PATH,     .default_text = "/var/lib/mailweir"},
    [CERTIFICATE] = {.name = "certificate", .type = MW_CONF_FILES,    .default_text = "", .values_max = 2, .is_repeatable = true},
    [LOG]         = {.name = "log",         .type = MW_CONF_WORDS,    .default_text = "stderr 'level=info'"},
};
// clang-format on
const struct mw_conf_rule needed[2] = {
    {.name = "module", .type = MW_CONF_TEXT},
    {.name = "port", .type = MW_CONF_COUNT, .default_text = "25", .min = 1},
};

struct conf_run run;

void print_run(void)
{
    struct mw_buf out = {0};
    mw_diags_print(run.diags, &out);
    size_t len = out.len < sizeof run.printed - 1 ? out.len : sizeof run.printed - 1;
    if (len > 0)
        memcpy(run.printed, out.ptr, len);
    run.printed[len] = '\0';
    mw_buf_fini(&out);
}

void fini(void)
{
    mw_diags_free(&run.diags);
    mw_arena_fini(&run.arena);
    memset(&run, 0, sizeof run);
}

static void begin(struct mw_slice text)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_parse(&run.arena, "t.conf", text, run.diags, &run.root);
}

void parse_tree(const char *text)
{
    begin(mw_slice_cstr(text));
    print_run();
}

void parse_len(struct mw_slice text)
{
    begin(text);
    run.checked = mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags,
                                run.values);
    print_run();
}

void parse(const char *text)
{
    parse_len(mw_slice_cstr(text));
}

void load(const char *path)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_load(&run.arena, path, run.diags, &run.root);
    print_run();
}

static void dump_block(const struct mw_conf_block *block, struct mw_buf *out)
{
    for (const struct mw_conf_directive *d = block->directives; d != NULL; d = d->next) {
        for (size_t i = 0; i < d->word_count; i++)
            mw_buf_putf(out, "%s ", d->words[i].text.ptr);
        mw_buf_put(out, MW_LIT("; "));
    }
    for (const struct mw_conf_block *b = block->blocks; b != NULL; b = b->next) {
        mw_buf_putf(out, "%s%s%s { ", b->kind.ptr, b->name.len ? " " : "", b->name.ptr);
        dump_block(b, out);
        mw_buf_put(out, MW_LIT("} "));
    }
}

const char *dump(void)
{
    static char text[8192];
    struct mw_buf out = {0};
    dump_block(run.root, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.len ? out.ptr : "");
    mw_buf_fini(&out);
    return text;
}
