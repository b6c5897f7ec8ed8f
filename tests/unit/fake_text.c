#include "fake_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_chunk {
    struct fake_chunk *next;
    size_t pad;
};

void *fake_keep(struct fake_chunk **chunks, size_t size)
{
    struct fake_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        abort();
    chunk->next = *chunks;
    *chunks = chunk;
    return chunk + 1;
}

void fake_release(struct fake_chunk **chunks)
{
    while (*chunks != NULL) {
        struct fake_chunk *next = (*chunks)->next;
        free(*chunks);
        *chunks = next;
    }
}

void fake_append(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}

void fake_copy(char *out, size_t size, struct mw_slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.len ? text.ptr : "");
}

void fake_append_diag(char *text, size_t size, const struct mw_diag *diag)
{
    fake_append(text, size, "%s:%u:%u+%u: %s: %s%s%s\n", diag->file ? diag->file : "-", diag->line,
                diag->column, diag->length, diag->severity == MW_DIAG_ERROR ? "error" : "warning",
                diag->message, diag->hint ? " | " : "", diag->hint ? diag->hint : "");
}

void fake_append_pairs(char *text, size_t size, const struct mw_log_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fake_append(text, size, " %s=%.*s", pairs[i].key, (int)pairs[i].value.len,
                    pairs[i].value.ptr);
}
