/* commands.c - run, check, test, version and the maker of the manual. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "chain/plugin.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/probe.h"
#include "ops/process.h"
#include "ops/schema.h"
#include "ops/worker.h"

/* ---- run ---- */

int mw_cli_run(int argc, char **argv)
{
    struct mw_cli_options options;
    int status = mw_cli_options(argc, argv, &options);
    if (status != 0)
        return status;
    struct mw_worker *worker = mw_worker_new(options.config);
    status = mw_worker_start(worker);
    if (status == 0)
        status = mw_worker_run(worker);
    mw_worker_free(&worker);
    return status;
}

/* ---- check and test: a load without a service ---- */

void mw_cli_load(const char *path, struct mw_cli_loaded *out_loaded)
{
    *out_loaded = (struct mw_cli_loaded){.diags = mw_diags_new()};
    out_loaded->snapshot = mw_config_load(path, &out_loaded->plugins, 1, out_loaded->diags,
                                          &out_loaded->process);
}

void mw_cli_unload(struct mw_cli_loaded *loaded)
{
    mw_snapshot_unref(&loaded->snapshot);
    mw_plugins_free(&loaded->plugins);
    mw_process_settings_fini(&loaded->process);
    mw_diags_free(&loaded->diags);
}

int mw_cli_report(const struct mw_cli_loaded *loaded)
{
    return mw_config_complain(loaded->diags) > 0 ? EX_CONFIG : EX_OK;
}

static void print_stages(uint32_t stages)
{
    static const char *const names[MW_STAGE_COUNT] = {
        "connect",    "helo",  "starttls", "auth",           "mail", "rcpt",
        "rcpt_reply", "data",  "header",   "end_of_headers", "body", "end_of_message",
        "abort",      "close", "command",  "edited"};
    for (int i = 0; i < MW_STAGE_COUNT; i++)
        if (stages & MW_STAGE_BIT(i))
            printf(" %s", names[i]);
}

static void list_filters(const struct mw_snapshot *snapshot, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mw_instance *instance = mw_config_filter(snapshot, i);
        const struct mw_filter *filter = mw_instance_filter(instance);
        printf("filter %s: module %s %s, %s\n  stages:", mw_instance_name(instance), filter->name,
               filter->version == NULL ? "" : filter->version,
               filter->summary == NULL ? "" : filter->summary);
        print_stages(mw_instance_stages(instance));
        putchar('\n');
    }
}

struct heading {
    const char *filter;
    bool is_printed;
};

/* One line of a filter's answer, as a person's terminal may see it. */
static void print_report(void *user, struct mw_slice line)
{
    enum { LINE_MAX_LEN = 4096 };
    struct heading *heading = user;
    struct mw_buf out = {0};
    mw_cli_put(&out, line, LINE_MAX_LEN);
    if (!heading->is_printed)
        printf("filter %s:\n", heading->filter);
    printf("  %.*s\n", (int)out.len, out.len > 0 ? out.ptr : "");
    heading->is_printed = true;
    mw_buf_fini(&out);
}

/* What the filters say on a topic; those that know nothing of it are passed over. */
static void list_reports(const struct mw_snapshot *snapshot, const char *topic)
{
    struct mw_config_counts counts;
    mw_config_count(snapshot, &counts);
    for (size_t i = 0; i < counts.filters; i++) {
        const struct mw_instance *instance = mw_config_filter(snapshot, i);
        struct heading heading = {.filter = mw_instance_name(instance)};
        mw_instance_report(instance, topic, print_report, &heading);
    }
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* Which certificate is served, and for how long it is good: one line a listener. */
static void list_certificates(const struct mw_snapshot *snapshot)
{
    for (size_t i = 0; i < mw_config_tls_count(snapshot); i++) {
        const struct mw_config_tls *tls = mw_config_tls(snapshot, i);
        int64_t expiry = mw_config_tls_expiry(tls), days = (expiry - time(NULL)) / (24 * 3600);
        char date[MW_DATE_TEXT_MAX];
        if (tls->server == NULL || expiry == INT64_MAX)
            continue;
        mw_config_date(expiry, date);
        printf("listener %.*s: certificate %s expires %s, in %lld day%s\n", (int)tls->name.len,
               tls->name.ptr, tls->files[0], date, (long long)days, plural((size_t)days));
    }
}

static void print_ok(const struct mw_cli_loaded *loaded, size_t tests, bool is_verbose)
{
    struct mw_config_counts counts;
    mw_config_count(loaded->snapshot, &counts);
    if (is_verbose)
        list_filters(loaded->snapshot, counts.filters);
    list_certificates(loaded->snapshot);
    printf("ok: %zu listener%s, %zu upstream%s, %zu filter%s, %zu chain%s; %zu test%s passed",
           counts.listeners, plural(counts.listeners), counts.upstreams, plural(counts.upstreams),
           counts.filters, plural(counts.filters), counts.chains, plural(counts.chains), tests,
           plural(tests));
    size_t warnings = mw_diags_warnings(loaded->diags);
    if (warnings > 0)
        printf("; %zu warning%s", warnings, plural(warnings));
    putchar('\n');
}

int mw_cli_check(int argc, char **argv)
{
    struct mw_cli_options options;
    struct mw_cli_loaded loaded;
    int status = mw_cli_options(argc, argv, &options);
    if (status != 0)
        return status;
    mw_cli_load(options.config, &loaded);
    size_t tests = 0;
    if (loaded.snapshot != NULL)
        tests = mw_config_test_into(loaded.snapshot, MW_DIAG_ERROR, loaded.diags);
    status = mw_cli_report(&loaded);
    if (status == EX_OK) {
        if (options.wants_stages)
            list_reports(loaded.snapshot, "stages");
        if (options.wants_cost)
            list_reports(loaded.snapshot, "cost");
        print_ok(&loaded, tests, options.is_verbose);
        if (options.wants_upstream)
            status = mw_probe_upstreams(loaded.snapshot, stdout);
    }
    mw_cli_unload(&loaded);
    return status;
}

/* What the filters say once their tests have run; TAP's comments. */
static void print_tap_report(void *user, struct mw_slice line)
{
    enum { LINE_MAX_LEN = 4096 };
    struct mw_buf out = {0};
    mw_cli_put(&out, line, LINE_MAX_LEN);
    printf("# %s: %.*s\n", (const char *)user, (int)out.len, out.len > 0 ? out.ptr : "");
    mw_buf_fini(&out);
}

static void list_coverage(const struct mw_snapshot *snapshot)
{
    struct mw_config_counts counts;
    mw_config_count(snapshot, &counts);
    for (size_t i = 0; i < counts.filters; i++) {
        const struct mw_instance *instance = mw_config_filter(snapshot, i);
        char name[256];
        snprintf(name, sizeof name, "%s", mw_instance_name(instance));
        mw_instance_report(instance, "coverage", print_tap_report, name);
    }
}

struct tally {
    size_t run, failed;
};

/* Test Anything Protocol: a '#' in a name would begin a directive, a line end would forge a result.
 */
static void print_tap_text(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(*text == '#' || *text == '\n' || *text == '\r' ? ' ' : *text);
}

static void print_tap_detail(const char *detail)
{
    while (detail != NULL && *detail != '\0') {
        size_t len = strcspn(detail, "\n");
        printf("#   %.*s\n", (int)len, detail);
        detail += len + (detail[len] == '\n');
    }
}

static void print_tap(void *user, const struct mw_test_result *result)
{
    struct tally *tally = user;
    tally->run++;
    tally->failed += !result->passed;
    printf("%sok %zu - ", result->passed ? "" : "not ", tally->run);
    print_tap_text(result->name);
    putchar('\n');
    if (result->passed)
        return;
    if (result->file != NULL)
        printf("#   at %s:%u\n", result->file, result->line);
    print_tap_detail(result->detail);
}

int mw_cli_test(int argc, char **argv)
{
    struct mw_cli_options options;
    struct mw_cli_loaded loaded;
    int status = mw_cli_options(argc, argv, &options);
    if (status != 0)
        return status;
    mw_cli_load(options.config, &loaded);
    status = mw_cli_report(&loaded);
    struct tally tally = {0};
    if (status == EX_OK) {
        printf("TAP version 13\n");
        size_t failed = mw_config_test(loaded.snapshot, print_tap, &tally);
        printf("1..%zu%s\n", tally.run, tally.run == 0 ? " # SKIP there are no tests" : "");
        if (options.wants_coverage)
            list_coverage(loaded.snapshot);
        if (failed > 0 || tally.failed > 0)
            status = EXIT_FAILURE;
    } else {
        printf("Bail out! the configuration was not loaded\n");
    }
    mw_cli_unload(&loaded);
    return status;
}

/* ---- version, manual ---- */

int mw_cli_version(int argc, char **argv)
{
    struct mw_build_info build;
    if (argc > 1)
        return mw_cli_usage("version takes no '%s'", argv[1]);
    mw_process_build_info(&build);
    printf("mailweir %s\n", build.version);
    printf("  build       %s, %s%s%s\n", *build.build_type == '\0' ? "plain" : build.build_type,
           build.compiler, *build.sanitizers == '\0' ? "" : ", sanitizers ", build.sanitizers);
    printf("  filter ABI  %d\n", MAILWEIR_ABI);
    printf("  libuv       %s (built with %s)\n", build.libuv, build.libuv_built);
    printf("  PCRE2       built with %s (used by the rules filter)\n", build.pcre2_built);
    printf("  modules     %s\n", build.plugin_dir);
    return EX_OK;
}

/* Not listed: what the build uses to make and check docs/man/ and packaging/completion/. */
int mw_cli_manual(int argc, char **argv)
{
    struct mw_buf text = {0};
    if (argc == 3 && strcmp(argv[1], "completion") == 0)
        return mw_cli_completion(argv[2]);
    if (argc != 2 || strcmp(argv[1], "conf") != 0)
        return mw_cli_usage("manual conf, or manual completion bash|zsh");
    mw_schema_manual(&text);
    size_t written = fwrite(text.ptr, 1, text.len, stdout);
    bool is_whole = written == text.len;
    mw_buf_fini(&text);
    return is_whole && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
