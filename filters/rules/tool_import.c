/* tool_import.c - `mailweir rules import`: the rule text on standard output, what was lost or
 * differs on standard error. Without any error the output can be kept as a rule file of its own. */
#include <stdlib.h>
#include <sysexits.h>

#include "import.h"
#include "tool.h"

enum { TABLE_FILE_MAX = 1 << 20, PREFIX_MAX = 60 };

/* The file's name without folder and ending. */
static struct mw_slice prefix_of(const char *path)
{
    struct mw_slice name = slice_of(path);
    name = text_skip(name, (size_t)(text_rfind(name, '/') + 1));
    ptrdiff_t dot = text_rfind(name, '.');
    if (dot > 0)
        name.len = (size_t)dot;
    return name.len < PREFIX_MAX ? name : SLICE(name.ptr, PREFIX_MAX);
}

static const char *near_word(const struct tool *tool, const char *format, const char *kind)
{
    const char *near = tool->host->lang->near_name(slice_of(format), rules_import_formats());
    bool is_format = near != NULL && strcmp(near, format) == 0;
    if (is_format && kind != NULL)
        near = tool->host->lang->near_name(slice_of(kind), rules_import_kinds());
    return near != NULL && strcmp(near, is_format ? kind ? kind : near : format) != 0 ? near : NULL;
}

static int complain(const struct tool *tool, const char *error, const char *kind)
{
    const char *near = near_word(tool, tool->argv[0], kind);
    return rules_tool_usage(tool, "%s%s%s%s", error, near ? "; did you mean '" : "",
                            near ? near : "", near ? "'?" : "");
}

static void print_notes(const char *path, const struct import_result *result)
{
    fflush(stdout);
    for (const struct import_note *note = result->notes; note != NULL; note = note->next)
        fprintf(stderr, "%s:%u: %s\n", path, note->line, note->reason);
    fprintf(stderr, "%zu entr%s carried over, %zu not\n", result->carried,
            result->carried == 1 ? "y" : "ies", result->dropped);
}

/* The importer keeps each rule on its entry's line, for errors; in a file of its own the empty
 * lines that this makes say nothing. */
static void print_rules(const struct import_result *result, const char *format, const char *path)
{
    struct mw_slice rest = SLICE(result->text, result->len);
    bool was_empty = false;
    printf("# Made by `mailweir rules import %s` from %s.\n", format, path);
    while (rest.len > 0) {
        ptrdiff_t end = text_find(rest, '\n');
        struct mw_slice line = end < 0 ? rest : SLICE(rest.ptr, (size_t)end);
        rest = end < 0 ? EMPTY : text_skip(rest, (size_t)end + 1);
        bool is_empty = text_trim(line).len == 0;
        if (!is_empty || !was_empty)
            printf("%.*s\n", (int)line.len, line.ptr);
        was_empty = is_empty;
    }
}

static int import_text(const struct tool *tool, const char *kind, struct mw_slice table)
{
    struct import_result result;
    const char *format = tool->argv[0], *path = tool->argv[1];
    const char *error = rules_import(slice_of(format), kind ? slice_of(kind) : EMPTY,
                                     prefix_of(path), table, &result);
    if (error != NULL)
        return complain(tool, error, kind);
    print_rules(&result, format, path);
    print_notes(path, &result);
    rules_import_free(&result);
    return EX_OK;
}

int rules_tool_import(struct tool *tool)
{
    static const char *const options[] = {"--as", NULL};
    bool is_bad = false;
    const char *kind = rules_tool_option(tool, "--as", &is_bad);
    if (is_bad || !rules_tool_options_end(tool, options))
        return EX_USAGE;
    if (tool->argc != 2)
        return rules_tool_usage(tool,
                                "which table, of which format? import FORMAT FILE [--as KIND]");
    size_t len = 0;
    const char *error = NULL;
    char *table = tool->host->lang->file_read(tool->argv[1], TABLE_FILE_MAX, &len, &error);
    if (table == NULL) {
        fprintf(stderr, "mailweir rules import: cannot read %s: %s\n", tool->argv[1],
                error ? error : "unknown error");
        return EX_NOINPUT;
    }
    int status = import_text(tool, kind, SLICE(table, len));
    tool->host->lang->file_free(table);
    return status;
}
