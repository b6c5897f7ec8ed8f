/* The tables of directives: sound in themselves, in step with the shipped conf.d, and the manual's
 * only source. */
#include "ops/schema.h"

#include <glob.h>
#include <stdlib.h>

#include "base/lex.h"
#include "test.h"

#define CONF_D MW_TEST_SOURCE_DIR "/conf.d/"

static const struct mw_schema_section *section_of(struct mw_slice kind)
{
    for (size_t i = 0; i < mw_schema_count; i++)
        if (mw_slice_eq(kind, mw_slice_cstr(mw_schema[i].kind)))
            return &mw_schema[i];
    return NULL;
}

TEST(every_directive_has_help_that_is_a_sentence)
{
    for (size_t i = 0; i < mw_schema_count; i++) {
        for (size_t j = 0; j < mw_schema[i].rule_count; j++) {
            const struct mw_conf_rule *rule = &mw_schema[i].rules[j];
            CHECK(rule->name != NULL && rule->help != NULL);
            size_t len = strlen(rule->help);
            CHECK(len > 20 && rule->help[len - 1] == '.');
            CHECK((rule->type == MW_CONF_CHOICE) == (rule->choices != NULL));
        }
    }
}

TEST(every_default_is_valid)
{
    static const char *const blocks[] = {"", "listen", "upstream", "resolver"};
    for (size_t i = 0; i < 4; i++) {
        const struct mw_schema_section *section = section_of(mw_slice_cstr(blocks[i]));
        struct mw_arena arena = {0};
        struct mw_diags *diags = mw_diags_new();
        struct mw_conf_block *root;
        struct mw_conf_values values[MW_LISTEN_COUNT];
        CHECK(mw_conf_parse(&arena, "t", MW_LIT("address 127.0.0.1:1\nupstream u\n"), diags,
                            &root) == MW_OK);
        CHECK(section->rule_count <= MW_LISTEN_COUNT);
        enum mw_err err = mw_conf_check(&arena, root, section->rules, section->rule_count, NULL, 0,
                                        diags, values);
        struct mw_buf printed = {0};
        mw_diags_print(diags, &printed);
        /* the two required ones are unknown at the top level and in resolver, and one of them in
         * upstream: nothing else may be wrong */
        static const size_t unknown_of[] = {2, 0, 1, 2};
        size_t unknown = unknown_of[i];
        if (mw_diags_errors(diags) != unknown)
            mw_test_fail(__FILE__, __LINE__, "%.*s", (int)printed.len, printed.ptr);
        CHECK((err == MW_OK) == (unknown == 0));
        mw_buf_fini(&printed);
        mw_diags_free(&diags);
        mw_arena_fini(&arena);
    }
}

/* ---- conf.d against the tables ---- */

enum { SEEN_MAX = 256 };
struct seen {
    const struct mw_conf_rule *rules[SEEN_MAX];
    size_t count;
};

static const struct mw_conf_rule *find_rule(const struct mw_schema_section *section,
                                            struct mw_slice name)
{
    for (size_t i = 0; i < section->rule_count; i++)
        if (mw_slice_eq(name, mw_slice_cstr(section->rules[i].name)))
            return &section->rules[i];
    return NULL;
}

/* "# name value ..." with the name of a directive of this block: the value must be the default. */
static void check_line(const char *path, unsigned line_number,
                       const struct mw_schema_section *section, struct mw_slice line,
                       struct seen *seen)
{
    struct mw_slice name, value = MW_EMPTY, text = mw_slice_trim(line);
    bool is_comment = text.len > 0 && text.ptr[0] == '#';
    if (is_comment)
        text = mw_slice_trim(mw_slice_skip(text, 1));
    if (!mw_slice_split(text, ' ', &name, &value))
        return;
    const struct mw_conf_rule *rule = find_rule(section, name);
    if (rule == NULL)
        return;
    if (seen->count < SEEN_MAX)
        seen->rules[seen->count++] = rule;
    bool has_default = rule->default_text != NULL && *rule->default_text != '\0';
    if (is_comment && has_default && !mw_slice_eq(value, mw_slice_cstr(rule->default_text)))
        mw_test_fail(__FILE__, __LINE__, "%s:%u: '%.*s' is shown with '%.*s', the default is '%s'",
                     path, line_number, (int)name.len, name.ptr, (int)value.len, value.ptr,
                     rule->default_text);
}

/* The section that the block of this line begins, or NULL. Blocks of conf.d stand at the left
 * margin. */
static const struct mw_schema_section *opens(struct mw_slice line)
{
    struct mw_slice kind, rest;
    if (line.len == 0 || line.ptr[line.len - 1] != '{' || line.ptr[0] == '#' ||
        !mw_slice_split(line, ' ', &kind, &rest))
        return NULL;
    return section_of(kind);
}

static void check_file(const char *path, struct seen *seen)
{
    char *text;
    size_t len;
    const char *error;
    unsigned line_number = 0;
    CHECK(mw_file_read(path, 1 << 20, &text, &len, &error) == MW_OK);
    const struct mw_schema_section *top = section_of(MW_EMPTY), *section = top;
    struct mw_slice rest = MW_SLICE(text, len), line;
    while (mw_slice_split(rest, '\n', &line, &rest)) {
        const struct mw_schema_section *opened = opens(line);
        line_number++;
        if (opened != NULL)
            section = opened;
        else if (mw_slice_eq(line, MW_LIT("}")))
            section = top;
        else if (section->rules != NULL &&
                 !mw_slice_eq(mw_slice_cstr(section->kind), MW_LIT("filter")))
            check_line(path, line_number, section, line, seen);
    }
    CHECK_INT(rest.len, 0); /* the last line has its end */
    free(text);
}

static bool is_seen(const struct seen *seen, const struct mw_conf_rule *rule)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->rules[i] == rule)
            return true;
    return false;
}

TEST(conf_d_shows_every_directive_with_its_default)
{
    glob_t found;
    struct seen seen = {0};
    CHECK_INT(glob(CONF_D "*.conf", 0, NULL, &found), 0);
    CHECK(found.gl_pathc >= 5); /* each filter may bring one of its own */
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_file(found.gl_pathv[i], &seen);
    globfree(&found);
    for (size_t i = 0; i < mw_schema_count; i++) {
        if (strcmp(mw_schema[i].kind, "filter") == 0)
            continue;
        for (size_t j = 0; j < mw_schema[i].rule_count; j++)
            if (!is_seen(&seen, &mw_schema[i].rules[j]))
                mw_test_fail(__FILE__, __LINE__, "conf.d does not show '%s' of block '%s'",
                             mw_schema[i].rules[j].name, mw_schema[i].kind);
    }
}

/* ---- the manual ---- */

TEST(manual_in_docs_is_the_one_that_the_tables_make)
{
    char *text;
    size_t len;
    const char *error;
    struct mw_buf made = {0};
    CHECK(mw_file_read(MW_TEST_SOURCE_DIR "/docs/man/mailweir.conf.5", 1 << 20, &text, &len,
                       &error) == MW_OK);
    mw_schema_manual(&made);
    bool is_same = made.len == len && memcmp(made.ptr, text, len) == 0;
    mw_buf_fini(&made);
    free(text);
    if (!is_same)
        mw_test_fail(__FILE__, __LINE__, "stale: mailweir manual conf > docs/man/mailweir.conf.5");
}
