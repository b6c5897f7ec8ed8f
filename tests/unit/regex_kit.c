#include "regex_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct kit_chunk {
    struct kit_chunk *next;
    _Alignas(16) char room[];
};

static void *kit_alloc(struct mw_instance *instance, size_t size)
{
    struct kit_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        abort();
    chunk->next = instance->chunks;
    instance->chunks = chunk;
    instance->octets += size;
    return chunk->room;
}

static const struct mw_host kit_host = {.instance_alloc = kit_alloc};

struct rules *regex_kit_open(struct mw_instance *instance, uint64_t match_limit)
{
    memset(instance, 0, sizeof *instance);
    struct rules *rules = kit_alloc(instance, sizeof *rules);
    rules->host = &kit_host;
    rules->instance = instance;
    rules->match_limit = match_limit;
    rules_regex_open(rules);
    return rules;
}

void regex_kit_close(struct mw_instance *instance, struct rules *rules)
{
    rules_regex_close(rules);
    while (instance->chunks != NULL) {
        struct kit_chunk *chunk = instance->chunks;
        instance->chunks = chunk->next;
        free(chunk);
    }
}

struct regex *regex_kit_compile(struct rules *rules, const char *pattern, const char *flags,
                                bool is_utf)
{
    struct place place = {.file = "kit"};
    return rules_regex_compile(rules, slice_of(pattern), slice_of(flags), &place, is_utf);
}

/* ---- what load.c does in the engine ---- */

struct mw_slice rules_keep_text(const struct rules *rules, struct mw_slice text)
{
    char *copy = rules_keep(rules, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

static void report(struct rules *rules, const char *kind, const char *hint, const char *format,
                   va_list args)
{
    char message[1024], line[2048];
    struct mw_instance *instance = rules->instance;
    vsnprintf(message, sizeof message, format, args);
    snprintf(line, sizeof line, "%s: %s%s%s\n", kind, message, hint ? " | " : "", hint ? hint : "");
    size_t used = strlen(instance->diags);
    snprintf(instance->diags + used, sizeof instance->diags - used, "%s", line);
}

void rules_error(struct rules *rules, const struct place *place, const char *hint,
                 const char *format, ...)
{
    va_list args;
    (void)place;
    rules->instance->errors++;
    va_start(args, format);
    report(rules, "error", hint, format, args);
    va_end(args);
}

void rules_warning(struct rules *rules, const struct place *place, const char *hint,
                   const char *format, ...)
{
    va_list args;
    (void)place;
    rules->instance->warnings++;
    va_start(args, format);
    report(rules, "warning", hint, format, args);
    va_end(args);
}
