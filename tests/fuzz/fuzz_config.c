/* fuzz_config.c - any octets as a configuration: read, checked against a schema with every type,
 * and printed. What comes out must be consistent: words with places, values within the bounds of
 * their rule, text without control characters. */
#include <string.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tls_choices[] = {"off", "starttls", "required", "implicit", NULL};
static const char *const kinds[] = {"listen", "upstream", "filter", "chain", NULL};
// clang-format off
static const struct mw_conf_rule rules[] = {
    {.name = "address",     .type = MW_CONF_ENDPOINT, .default_text = "", .values_max = 4, .is_repeatable = true},
    {.name = "server",      .type = MW_CONF_ENDPOINT, .default_text = "", .max = 1},
    {.name = "trust",       .type = MW_CONF_NETWORK,  .default_text = "127.0.0.0/8 ::1", .values_max = 100},
    {.name = "tls",         .type = MW_CONF_CHOICE,   .default_text = "off", .choices = tls_choices},
    {.name = "max-errors",  .type = MW_CONF_COUNT,    .default_text = "20", .min = 1, .max = 1000},
    {.name = "max-size",    .type = MW_CONF_SIZE,     .default_text = "50MB", .min = 1024, .max = UINT64_C(1) << 40},
    {.name = "timeout",     .type = MW_CONF_DURATION, .default_text = "5m", .min = 1000, .max = 86400000},
    {.name = "require",     .type = MW_CONF_BOOL,     .default_text = "on"},
    {.name = "text",        .type = MW_CONF_TEXT},
    {.name = "state-dir",   .type = MW_CONF_PATH,     .default_text = "/var/lib/mailweir"},
    {.name = "log",         .type = MW_CONF_WORDS,    .default_text = "stderr level=info"},
};
// clang-format on
enum { RULE_COUNT = sizeof rules / sizeof *rules, OWN_COUNT = RULE_COUNT - 2 };

static void check_text(struct mw_slice text)
{
    mw_assert(text.ptr != NULL && text.ptr[text.len] == '\0');
    for (size_t i = 0; i < text.len; i++)
        mw_assert((unsigned char)text.ptr[i] >= ' ' || text.ptr[i] == '\t');
}

static void check_values(struct mw_arena *arena, const struct mw_conf_block *block,
                         struct mw_diags *diags)
{
    struct mw_conf_values values[RULE_COUNT];
    size_t errors = mw_diags_errors(diags);
    enum mw_err err = mw_conf_check(arena, block, rules, OWN_COUNT, rules + OWN_COUNT,
                                    RULE_COUNT - OWN_COUNT, diags, values);
    mw_assert(err != MW_OK || mw_diags_errors(diags) == errors);
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct mw_conf_rule *rule = &rules[i];
        for (size_t j = 0; j < values[i].count; j++) {
            uint64_t number = values[i].values[j].number;
            check_text(values[i].values[j].text);
            mw_assert(rule->type != MW_CONF_CHOICE || number < 4);
            mw_assert(rule->type == MW_CONF_ENDPOINT || rule->max == 0 ||
                      (number >= rule->min && number <= rule->max));
        }
        mw_assert(err != MW_OK || values[i].count > 0 || rule->default_text != NULL);
    }
}

static void check_tree(struct mw_arena *arena, const struct mw_conf_block *block,
                       struct mw_diags *diags, size_t depth)
{
    mw_assert(depth <= 4);
    for (const struct mw_conf_directive *d = block->directives; d != NULL; d = d->next) {
        mw_assert(d->word_count > 0);
        for (size_t i = 0; i < d->word_count; i++) {
            mw_assert(d->words[i].pos.line > 0 && d->words[i].pos.column > 0);
            check_text(d->words[i].text);
        }
    }
    check_values(arena, block, diags);
    if (mw_conf_check_kinds(arena, block, kinds, diags) != MW_OK)
        mw_assert(mw_diags_errors(diags) > 0);
    for (const struct mw_conf_block *child = block->blocks; child != NULL; child = child->next)
        check_tree(arena, child, diags, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_arena arena = {0};
    struct mw_diags *diags = mw_diags_new();
    struct mw_conf_block *root;
    struct mw_buf out = {0};
    enum mw_err err = mw_conf_parse(&arena, "fuzz.conf", MW_SLICE((const char *)data, size), diags,
                                    &root);
    mw_assert((err == MW_OK) == (mw_diags_errors(diags) == 0));
    check_tree(&arena, root, diags, 0);
    mw_diags_print(diags, &out);
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)out.ptr[i];
        mw_assert((c >= ' ' && c != 0x7f) || c == '\n' || c == '\t');
    }
    mw_buf_fini(&out);
    mw_diags_free(&diags);
    mw_arena_fini(&arena);
    return 0;
}
