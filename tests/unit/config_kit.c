#include "config_kit.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

struct config_run run;
static char directory[] = "/tmp/mailweir-test-config.XXXXXX";

void fini(void)
{
    mw_snapshot_unref(&run.snapshot);
    mw_plugins_free(&run.plugins);
    mw_process_settings_fini(&run.process);
    mw_diags_free(&run.diags);
    struct mw_tls_tickets *tickets = run.tickets;
    memset(&run, 0, sizeof run);
    run.tickets = tickets;
}

/* It holds files only. */
static void leave_directory(void)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL)
        (void)unlink(entry->d_name);
    if (entries != NULL)
        closedir(entries);
    (void)rmdir(directory);
}

void enter_directory(void)
{
    static bool is_there;
    if (is_there)
        return;
    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        abort();
    is_there = true;
    atexit(leave_directory);
    setenv("MAILWEIR_PLUGIN_PATH", MW_TEST_BINARY_DIR "/filters", 1);
}

static void keep_said(void)
{
    struct mw_buf printed = {0};
    mw_diags_print(run.diags, &printed);
    size_t len = printed.len < sizeof run.said - 1 ? printed.len : sizeof run.said - 1;
    if (len > 0)
        memcpy(run.said, printed.ptr, len);
    run.said[len] = '\0';
    mw_buf_fini(&printed);
}

void load(const char *text)
{
    enter_directory();
    fini();
    FILE *file = fopen("t.conf", "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    run.diags = mw_diags_new();
    run.snapshot = mw_config_load_to_serve("t.conf", &run.plugins, run.tickets, 7, run.diags,
                                           &run.process);
    keep_said();
}
