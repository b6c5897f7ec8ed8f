/* err.c - texts of error codes, the end of a worker that found itself wrong or out of memory. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mw_err_text(enum mw_err err)
{
    switch (err) {
#define MW_ERR(name, value, text, retryable) \
    case MW_##name:                          \
        return text;
#include "base/err.def"
#undef MW_ERR
    }
    return "unknown error";
}

void mw_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "mailweir: internal error: %s does not hold (%s:%d)\n", condition, file, line);
    abort();
}

static void *checked(void *memory, size_t size)
{
    if (memory == NULL) {
        fprintf(stderr, "mailweir: out of memory (%zu bytes)\n", size);
        abort();
    }
    return memory;
}

void *mw_xalloc(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *mw_xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), size);
}

void *mw_xrealloc(void *memory, size_t size)
{
    return checked(realloc(memory, size ? size : 1), size);
}

char *mw_xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mw_xalloc(size), text, size);
}
