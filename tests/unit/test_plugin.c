/* test_plugin.c - loading modules: what is taken, what is refused, and what a person is told about
 * it. */
#include "chain_kit.h"

#include <stdlib.h>

#include "chain/chain_priv.h"

static enum mw_verdict no_opinion(const struct mw_host *host, struct mw_ctx *ctx,
                                  enum mw_stage stage, size_t index, struct mw_slice a,
                                  struct mw_slice b)
{
    (void)host, (void)ctx, (void)stage, (void)index, (void)a, (void)b;
    return MW_CONTINUE;
}

/* Loading `conf` fails, and the report has `needle`. */
#define CHECK_REFUSED(conf, needle)                                                       \
    do {                                                                                  \
        struct kit kit_ = {0};                                                            \
        kit_script(no_opinion, NULL, NULL);                                               \
        struct mw_instance *instance_ = kit_load(&kit_, conf);                            \
        struct mw_slice report_ = kit_report(&kit_);                                      \
        bool is_told_ = memmem(report_.ptr, report_.len, needle, strlen(needle)) != NULL; \
        if (!is_told_)                                                                    \
            printf("%.*s\n", (int)report_.len, report_.ptr);                              \
        kit_close(&kit_);                                                                 \
        CHECK(instance_ == NULL);                                                         \
        CHECK(is_told_);                                                                  \
    } while (0)

TEST(module_good_gives_instance_with_checked_settings)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    struct mw_instance *instance = kit_load(&kit, "filter tester {\n"
                                                  "  module script\n"
                                                  "  words one \"two three\"\n"
                                                  "  words four\n"
                                                  "  size 10KiB\n"
                                                  "  loud on\n"
                                                  "  colour red\n"
                                                  "  on-error reject\n"
                                                  "  deadline 3s\n"
                                                  "}\n");
    CHECK(instance != NULL);
    CHECK_MEM(mw_instance_name(instance), strlen(mw_instance_name(instance)), "tester");
    CHECK_MEM(mw_instance_filter(instance)->name, 6, "script");
    CHECK_INT(mw_instance_stages(instance), (1u << MW_STAGE_COUNT) - 1);
    CHECK(mw_instances_find(kit.instances, MW_LIT("tester")) == instance);
    CHECK(mw_instances_find(kit.instances, MW_LIT("teste")) == NULL);
    CHECK_INT(instance->on_error, MW_ON_ERROR_REJECT);
    CHECK_INT(instance->deadline_ms, 3000);

    const struct mw_setting_value *words = mw_host_table.setting(instance, "words");
    CHECK_INT(words->text_count, 3);
    CHECK_SLICE(words->texts[1], "two three");
    CHECK_SLICE(words->texts[2], "four");
    CHECK_MEM(words->file, strlen(words->file), "test.conf");
    CHECK_INT(words->line, 3);
    CHECK_INT(mw_host_table.setting(instance, "size")->number, 10240);
    CHECK_INT(mw_host_table.setting(instance, "loud")->number, 1);
    CHECK_INT(mw_host_table.setting(instance, "colour")->number, 0);
    const struct mw_setting_value *pause = mw_host_table.setting(instance, "pause");
    CHECK_INT(pause->number, 2000);
    CHECK(pause->file == NULL);
    CHECK(mw_host_table.setting(instance, "nonsense") == NULL);
    kit_close(&kit);
}

TEST(block_defaults_are_tempfail_and_thirty_seconds)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    struct mw_instance *instance = kit_load(&kit, "filter f {\n module script\n}\n");
    CHECK(instance != NULL);
    CHECK_INT(instance->on_error, MW_ON_ERROR_TEMPFAIL);
    CHECK_INT(instance->deadline_ms, 30000);
    CHECK_INT(mw_host_table.setting(instance, "words")->text_count, 0);
    kit_close(&kit);
}

TEST(module_named_by_path_is_loaded_once)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    CHECK(kit_load(&kit, "filter a {\n module " KIT_MODULES "/script.so\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter b {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter c {\n module script\n want 2\n}\n") != NULL);
    CHECK_INT(mw_instance_stages(mw_instances_find(kit.instances, MW_LIT("c"))), 2);
    kit_close(&kit);
}

TEST(module_that_cannot_serve_is_refused_with_a_reason)
{
    CHECK_REFUSED("filter f {\n module missing\n}\n", "there is no module 'missing'");
    CHECK_REFUSED("filter f {\n module missing\n}\n", KIT_MODULES "/missing.so");
    CHECK_REFUSED("filter f {\n module /nonexistent/x.so\n}\n", "there is no module");
    CHECK_REFUSED("filter f {\n module odd_abi\n}\n",
                  "built for filter ABI 2, this mailweir has 1");
    CHECK_REFUSED("filter f {\n module odd_no_symbol\n}\n", "does not export mailweir_filter");
    CHECK_REFUSED("filter f {\n module odd_null\n}\n", "cannot work with this mailweir");
    CHECK_REFUSED("filter f {\n module odd_short\n}\n", "descriptor is too short");
    CHECK_REFUSED("filter f {\n module odd_setting\n}\n", "named like one of mailweir's own");
    CHECK_REFUSED("filter f {\n module odd_name\n}\n", "calls itself 'another'");
    CHECK_REFUSED("filter f {\n module odd_silent\n}\n",
                  "filter 'f' (module odd_silent) could not be opened");
    CHECK_REFUSED("filter f {\n module " MW_TEST_SOURCE_DIR "/tests/data/filters/odd.c\n}\n",
                  "cannot be loaded");
}

TEST(open_errors_are_told_even_if_it_returns_success)
{
    CHECK_REFUSED("filter f {\n module odd_open\n}\n", "filter 'f': the first thing");
    CHECK_REFUSED("filter f {\n module odd_open\n}\n", "other.rules:3:2: error: the second thing");
}

TEST(block_problems_are_told)
{
    CHECK_REFUSED("filter f {\n on-error accept\n}\n", "filter 'f' names no module");
    CHECK_REFUSED("filter f {\n module script\n colur red\n}\n", "colour");
    CHECK_REFUSED("filter f {\n module script\n colour blue\n}\n", "test.conf:3");
    CHECK_REFUSED("filter f {\n module script\n size 5\n}\n", "test.conf:3");
    CHECK_REFUSED("filter f {\n module script\n deadline 0ms\n}\n", "test.conf:3");
    CHECK_REFUSED("filter f {\n module script\n on-error maybe\n}\n", "tempfail");
}

TEST(name_twice_is_refused)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter a {\n module odd_good\n}\n") == NULL);
    CHECK_INT(mw_diags_errors(kit.diags), 1);
    kit_close(&kit);
}

static int opened, closed;
static int open_counting(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    opened += host->size == sizeof(struct mw_host) && host->abi == MAILWEIR_ABI;
    *state = (void *)host->instance_name(instance);
    return 0;
}
static void close_counting(void *state)
{
    closed += state != NULL;
}

TEST(every_opened_instance_is_closed_with_its_set)
{
    struct kit kit = {0};
    opened = closed = 0;
    kit_script(no_opinion, open_counting, close_counting);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter b {\n module script\n}\n") != NULL);
    CHECK_INT(opened, 2);
    CHECK_INT(closed, 0);
    kit_close(&kit);
    CHECK_INT(closed, 2);
}

static int fact_ids[5], counter_ids[3];
static int open_naming(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    if (strcmp(host->instance_name(instance), "a") == 0) {
        fact_ids[0] = host->fact_define(instance, "a.result");
        fact_ids[1] = host->fact_define(instance, "a.result");  /* once more: the same */
        fact_ids[2] = host->fact_define(instance, "client.ip"); /* the proxy's */
        counter_ids[0] = host->counter(instance, "hits");
        counter_ids[1] = host->counter(instance, "hits");
    } else {
        fact_ids[3] = host->fact_id(instance, "a.result");
        fact_ids[4] = host->fact_define(instance, "a.result"); /* of the same module */
        counter_ids[2] = host->counter(instance, "hits");
    }
    char *memory = host->instance_alloc(instance, 100);
    return memory[99];
}

static int open_defining(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    return host->fact_define(instance, "script.result") >= 0 ? 0 : -1;
}

TEST(a_fact_of_another_module_cannot_be_defined)
{
    struct kit kit = {0};
    kit_script(no_opinion, open_defining, NULL);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter b {\n module odd_fact\n}\n") != NULL); /* it looks */
    kit_close(&kit);
}

static char places[512];
static int open_placing(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    const struct mw_setting_value *words = host->setting(instance, "words");
    size_t len = 0;
    for (size_t i = 0; i < words->text_count; i++) {
        const struct mw_setting_place *place = &words->places[i];
        len += (size_t)snprintf(places + len, sizeof places - len, "%s:%u:%u+%u#%u ", place->file,
                                place->line, place->column, place->length, place->directive);
    }
    const struct mw_setting_place *pause = host->setting(instance, "pause")->places;
    snprintf(places + len, sizeof places - len, "%s %u %u", pause->file == NULL ? "default" : "?",
             pause->line, pause->directive);
    return host->setting(instance, "size")->places[0].line == 4 ? 0 : -1;
}

TEST(each_word_of_a_setting_has_its_place)
{
    struct kit kit = {0};
    kit_script(no_opinion, open_placing, NULL);
    CHECK(kit_load(&kit, "filter a {\n"
                         "  module script\n"
                         "  words one \"two three\"\n"
                         "  size 10KiB\n"
                         "    words four \\\n"
                         "  five\n"
                         "}\n") != NULL);
    CHECK_MEM(places, strlen(places),
              "test.conf:3:9+3#0 test.conf:3:13+11#0 test.conf:5:11+4#1 test.conf:6:3+4#1 "
              "default 0 0");
    kit_close(&kit);
}

TEST(facts_are_one_name_space_and_counters_one_each)
{
    struct kit kit = {0};
    kit_script(no_opinion, open_naming, NULL);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter b {\n module script\n}\n") != NULL);
    CHECK(fact_ids[0] >= 0);
    CHECK_INT(fact_ids[1], fact_ids[0]);
    CHECK_INT(fact_ids[2], -1);
    CHECK_INT(fact_ids[3], fact_ids[0]);
    CHECK_INT(fact_ids[4], fact_ids[0]);
    CHECK_INT(counter_ids[0], counter_ids[1]);
    CHECK(counter_ids[2] != counter_ids[0]);
    kit_close(&kit);
}

TEST(counters_end_at_their_limit)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    struct mw_instance *instance = kit_load(&kit, "filter a {\n module script\n}\n");
    CHECK(instance != NULL);
    char name[16];
    int last = 0, made = 0;
    for (int i = 0; i < 100100; i++) {
        snprintf(name, sizeof name, "c%d", i);
        last = mw_host_table.counter(instance, name);
        made += last >= 0;
    }
    CHECK_INT(made, 99999); /* and "failed", the host's own */
    CHECK_INT(last, -1);
    CHECK(mw_host_table.counter(instance, "c77") >= 0); /* those that are there are still found */
    kit_close(&kit);
}

static void note(void *user, const struct mw_test_result *result)
{
    *(struct mw_test_result *)user = *result;
}

TEST(instance_runs_its_own_tests)
{
    struct kit kit = {0};
    kit_script(no_opinion, NULL, NULL);
    struct mw_instance *with = kit_load(&kit, "filter a {\n module script\n}\n");
    struct mw_instance *without = kit_load(&kit, "filter b {\n module odd_good\n}\n");
    CHECK(with != NULL && without != NULL);
    struct mw_test_result result = {0};
    CHECK_INT(mw_instance_test(with, note, &result), 1);
    CHECK_MEM(result.name, strlen(result.name), "a");
    CHECK_INT(mw_instance_test(without, note, &result), 0);
    kit_close(&kit);
}

TEST(chain_sums_up_what_its_filters_want)
{
    struct kit kit;
    kit_script(no_opinion, NULL, NULL);
    char conf[256];
    snprintf(conf, sizeof conf,
             "filter a {\n module script\n want %u\n}\nfilter b {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_MAIL), MW_STAGE_BIT(MW_STAGE_HEADER));
    CHECK(kit_open(&kit, conf, "a b"));
    CHECK_INT(mw_chain_length(kit.chain), 2);
    CHECK_MEM(mw_chain_name(kit.chain), 7, "inbound");
    /* Header fields are shown as a part of END_OF_HEADERS. */
    CHECK_INT(mw_chain_stages(kit.chain), MW_STAGE_BIT(MW_STAGE_MAIL) |
                                              MW_STAGE_BIT(MW_STAGE_HEADER) |
                                              MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    CHECK(!mw_chain_wants_spool(kit.chain));
    kit_close(&kit);
}

/* ---- hooks beyond the stages ---- */

static int starts;
static void on_start(void *state)
{
    starts += state != NULL;
}

TEST(start_is_called_once_for_each_instance)
{
    static const struct mw_instance_services services = {.user = NULL};
    struct kit kit = {0};
    starts = 0;
    kit_script(no_opinion, NULL, NULL);
    kit_script_more(on_start, NULL, NULL);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter b {\n module script\n}\n") != NULL);
    CHECK(kit_load(&kit, "filter c {\n module odd_good\n}\n") != NULL); /* has none */
    CHECK(kit_load(&kit, "filter d {\n module odd_old\n}\n") != NULL);  /* knows of none */
    CHECK_INT(starts, 0);
    mw_instances_serve(kit.instances, &services);
    CHECK_INT(starts, 2);
    mw_instances_serve(kit.instances, &services);
    CHECK_INT(starts, 2);
    kit_close(&kit);
}

static int on_report(void *state, const char *topic, mw_report_line *line, void *user)
{
    if (strcmp(topic, "stages") != 0)
        return 0;
    line(user, mw_slice_cstr(state));
    return 1;
}
static void on_line(void *user, struct mw_slice line)
{
    snprintf(user, 64, "%.*s", (int)line.len, line.ptr);
}

TEST(report_is_passed_on_where_the_topic_is_known)
{
    struct kit kit = {0};
    char line[64] = "";
    kit_script(no_opinion, NULL, NULL);
    kit_script_more(NULL, on_report, NULL);
    struct mw_instance *with = kit_load(&kit, "filter a {\n module script\n}\n");
    struct mw_instance *without = kit_load(&kit, "filter b {\n module odd_good\n}\n");
    CHECK(with != NULL && without != NULL);
    CHECK(!mw_instance_report(with, "weather", on_line, line));
    CHECK(!mw_instance_report(without, "stages", on_line, line));
    CHECK(mw_instance_report(with, "stages", on_line, line));
    CHECK_MEM(line, strlen(line), "a");
    kit_close(&kit);
}

/* What a tool finds: no settings, no loop, but memory, words and a place for complaints. */
static char found[256];
static int on_tool(const struct mw_host *host, struct mw_instance *instance, int argc, char **argv)
{
    struct mw_diag diag = {.size = sizeof diag, .message = "not like this", .hint = "like that"};
    int value = 0;
    char *memory = host->instance_alloc(instance, 100);
    value += memory[99] == 0;
    value += host->setting(instance, "want") == NULL;
    value += host->watch(instance, 0, MW_WATCH_READ, (void (*)(void *, uint32_t))abort, NULL) ==
             NULL;
    value += host->alarm(instance, 0, (void (*)(void *))abort, NULL) == NULL;
    value += host->dns(instance, MW_LIT("a.test"), MW_DNS_ADDRESS4,
                       (void (*)(void *, const struct mw_dns_answer *))abort, NULL) == NULL;
    value += host->job(instance, (void (*)(void *))abort, NULL, NULL) == 0;
    value += host->clock_ms(instance) > 0;
    host->note(instance, MW_LOG_ERROR, "nobody-hears", NULL, 0);
    host->tally(instance, host->counter(instance, "hits"), 1);
    host->diag(instance, &diag);
    snprintf(found, sizeof found, "%s %d %s", host->instance_name(instance), argc, argv[argc - 1]);
    return value;
}

TEST(tool_runs_with_an_instance_of_its_own)
{
    struct kit kit = {0};
    char *args[] = {(char[]){"script"}, (char[]){"lint"}, NULL};
    int status = -1;
    kit_script(no_opinion, NULL, NULL);
    kit_script_more(NULL, NULL, on_tool);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK_INT(mw_plugins_tool(kit.plugins, "script", 2, args, kit.diags, &status), MW_OK);
    CHECK_INT(status, 7);
    CHECK_MEM(found, strlen(found), "script 2 lint");
    CHECK_SLICE(kit_report(&kit), "error: filter 'script': not like this\n       = like that\n");
    kit_close(&kit);
}

TEST(tool_that_is_not_there_is_told)
{
    struct kit kit = {0};
    char *args[] = {(char[]){"x"}, NULL};
    int status = -1;
    kit_script(no_opinion, NULL, NULL);
    CHECK(kit_load(&kit, "filter a {\n module script\n}\n") != NULL);
    CHECK(mw_plugins_has(kit.plugins, "odd_good"));
    CHECK(!mw_plugins_has(kit.plugins, "missing"));
    CHECK(!mw_plugins_has(kit.plugins, KIT_MODULES "/script.so")); /* no paths */
    CHECK_INT(mw_plugins_tool(kit.plugins, "odd_good", 1, args, kit.diags, &status), MW_ERR_NOENT);
    CHECK_INT(mw_diags_errors(kit.diags), 0);
    CHECK_INT(mw_plugins_tool(kit.plugins, "odd_abi", 1, args, kit.diags, &status), MW_ERR_CONFIG);
    CHECK_INT(mw_plugins_tool(kit.plugins, "missing", 1, args, kit.diags, &status), MW_ERR_CONFIG);
    CHECK_INT(mw_diags_errors(kit.diags), 2);
    CHECK_INT(status, -1);
    kit_close(&kit);
}
