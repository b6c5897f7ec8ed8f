/* import_kit.c - see import_kit.h. */
#include "import_kit.h"

#include <unistd.h>

#include "import.h"
#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;

enum { GOT_MAX = 65536 };

/* The rules without empty lines, then "LINE: note" lines. */
static void describe(const struct import_result *result, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < result->len && len < GOT_MAX / 2; i++)
        if (result->text[i] != '\n' || (len > 0 && out[len - 1] != '\n'))
            out[len++] = result->text[i];
    for (const struct import_note *note = result->notes; note != NULL && len < GOT_MAX - 500;
         note = note->next)
        len += (size_t)snprintf(out + len, 500, "%u: %s\n", note->line, note->reason);
    out[len] = '\0';
}

bool imports_as(const char *format, const char *kind, const char *table, const char *want,
                const char *file, int line)
{
    static char got[GOT_MAX];
    struct import_result result;
    const char *error = rules_import(slice_of(format), slice_of(kind), LIT("t"), slice_of(table),
                                     &result);
    snprintf(got, sizeof got, "error: %s\n", error ? error : "");
    if (error == NULL)
        describe(&result, got);
    bool is_same = strcmp(got, want) == 0;
    if (!is_same)
        mw_test_fail(file, line, "for\n%s\ngot\n%swant\n%s", table, got, want);
    rules_import_free(&result);
    return is_same;
}

bool holds(const char *format, const char *kind, const char *table, const char *tests,
           const char *file, int line)
{
    static char text[GOT_MAX];
    struct import_result result;
    const char *error = rules_import(slice_of(format), slice_of(kind), LIT("t"), slice_of(table),
                                     &result);
    if (error != NULL) {
        mw_test_fail(file, line, "%s", error);
        return false;
    }
    snprintf(text, sizeof text, "%.*s%s", (int)result.len, result.text, tests);
    struct rules *rules = fake_load(&instance, text);
    bool is_good = rules != NULL;
    if (!is_good)
        mw_test_fail(file, line, "for\n%s\n%s", text, instance.diags);
    fake_unload(&instance, rules);
    rules_import_free(&result);
    return is_good;
}

bool import_write_table(char *path, const char *text)
{
    int fd = mkstemp(path);
    ssize_t len = fd < 0 ? -1 : write(fd, text, strlen(text));
    return fd >= 0 && close(fd) == 0 && len == (ssize_t)strlen(text);
}
