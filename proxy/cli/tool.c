/* tool.c - `mailweir NAME ...` where NAME is no command of ours: the one that the filter module NAME
 * brings along. No configuration is read, so `plugin-path` does not count; $MAILWEIR_PLUGIN_PATH
 * does. */
#include <stdio.h>
#include <sysexits.h>

#include "base/lex.h"
#include "chain/plugin.h"
#include "cli/cli.h"
#include "ops/process.h"

static struct mw_plugins *plugins_new(void)
{
    struct mw_arena arena = {0};
    struct mw_plugins *plugins = mw_plugins_new(mw_process_plugin_dirs(&arena, NULL, 0));
    mw_arena_fini(&arena);
    return plugins;
}

/* Letters, digits, '-' and '_': a name, and never a path. */
static bool is_plain(struct mw_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    return name.len > 0 && name.ptr[0] != '-';
}

bool mw_cli_has_tool(const char *name)
{
    if (!is_plain(mw_slice_cstr(name)))
        return false;
    struct mw_plugins *plugins = plugins_new();
    bool is_there = mw_plugins_has(plugins, name);
    mw_plugins_free(&plugins);
    return is_there;
}

static void print_diags(const struct mw_diags *diags)
{
    struct mw_buf text = {0};
    fflush(stdout); /* what was wrong stands behind what was printed */
    mw_diags_print(diags, &text);
    struct mw_slice printed = mw_buf_view(&text);
    fwrite(printed.ptr, 1, printed.len, stderr);
    mw_buf_fini(&text);
}

int mw_cli_tool(int argc, char **argv)
{
    struct mw_plugins *plugins = plugins_new();
    struct mw_diags *diags = mw_diags_new();
    int status = EX_UNAVAILABLE;
    enum mw_err err = mw_plugins_tool(plugins, argv[0], argc, argv, diags, &status);
    print_diags(diags);
    if (err == MW_ERR_NOENT)
        status = mw_cli_usage("the filter '%s' brings no command of its own", argv[0]);
    mw_diags_free(&diags);
    mw_plugins_free(&plugins);
    return status;
}
