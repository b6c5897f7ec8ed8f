/* import_kit.h - for tests of the importers: a table in, and the exact rules and notes that must
 * come out; or its rules over test blocks of the language. */
#ifndef IMPORT_KIT_H
#define IMPORT_KIT_H

#include <stdbool.h>
#include <stdlib.h>

/* Does the table become `want`: the rules without empty lines, then "LINE: note" lines, or
 * "error: text"? If not, the test fails and shows both. */
bool imports_as(const char *format, const char *kind, const char *table, const char *want,
                const char *file, int line);
/* The table's rules load without a warning, and `tests` (blocks of the language) pass over them. */
bool holds(const char *format, const char *kind, const char *table, const char *tests,
           const char *file, int line);
/* Into a new file; `path` ends in XXXXXX, which is filled in (mkstemp(3)). */
bool import_write_table(char *path, const char *text);

#define IMPORTS(format, kind, table, want)                                \
    do {                                                                  \
        if (!imports_as(format, kind, table, want, __FILE__, __LINE__) && \
            getenv("KEEP_GOING") == NULL)                                 \
            return;                                                       \
    } while (0)
#define HOLDS(format, kind, table, tests)                             \
    do {                                                              \
        if (!holds(format, kind, table, tests, __FILE__, __LINE__) && \
            getenv("KEEP_GOING") == NULL)                             \
            return;                                                   \
    } while (0)

#endif
