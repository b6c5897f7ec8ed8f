/* test_rules_shipped.c - the rules that we ship load without a word, and their own tests pass. */
#include <glob.h>
#include <stdlib.h>

#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static void count_passed(void *user, const struct mw_test_result *result)
{
    *(size_t *)user += result->passed;
}

/* All files of rules/, as the shipped configuration names them. */
static void load_shipped(struct rules *rules, const char *pattern)
{
    glob_t files;
    char path[512];
    snprintf(path, sizeof path, "%s/rules/%s", MW_TEST_SOURCE_DIR, pattern);
    if (glob(path, 0, NULL, &files) != 0)
        return;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *kept = fake_host.instance_alloc(rules->instance, strlen(files.gl_pathv[i]) + 1);
        memcpy(kept, files.gl_pathv[i], strlen(files.gl_pathv[i]) + 1);
        rules_parse_file(rules, kept);
    }
    globfree(&files);
}

TEST(shipped_rules_load_and_pass_their_tests)
{
    static struct mw_instance instance;
    struct rules *rules = rules_new(&fake_host, &instance, 200000, 1 << 20);
    load_shipped(rules, "*.rules");
    bool is_good = rules_finish(rules);
    if (!is_good || instance.warnings > 0)
        mw_test_fail(__FILE__, __LINE__, "%s", instance.diags);
    size_t passed = 0;
    CHECK_INT(rules_test_run(rules, count_passed, &passed), 0);
    CHECK(passed >= 10);
    CHECK(rules->wants & MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE));
    fake_unload(&instance, rules);
}

TEST(without_the_body_file_messages_stream)
{
    static struct mw_instance instance;
    struct rules *rules = rules_new(&fake_host, &instance, 200000, 1 << 20);
    load_shipped(rules, "[12]*.rules");
    CHECK(rules_finish(rules));
    uint32_t streams = MW_STAGE_BIT(MW_STAGE_HELO) | MW_STAGE_BIT(MW_STAGE_MAIL) |
                       MW_STAGE_BIT(MW_STAGE_RCPT) | MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS);
    CHECK_INT(rules->wants & ~streams, 0);
    fake_unload(&instance, rules);
}
