/* import_write.c - the text that an importer makes: rules on the lines of their entries, strings
 * and patterns written so that the lexer reads them back as they were; and its notes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "import_priv.h"

struct import_chunk {
    struct import_chunk *next;
    _Alignas(max_align_t) unsigned char octets[];
};

void *import_alloc(struct import *import, size_t size)
{
    struct import_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        abort(); /* while rules are loaded: no mail is lost */
    chunk->next = import->result->chunks;
    import->result->chunks = chunk;
    return chunk->octets;
}

const char *import_format(struct import *import, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return import_keep(import, slice_of(text)).ptr;
}

struct mw_slice import_keep(struct import *import, struct mw_slice text)
{
    char *copy = import_alloc(import, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, text.len);
}

struct mw_slice import_join(struct import *import, const struct mw_slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    struct builder to = {.ptr = import_alloc(import, len + 1), .cap = len};
    for (size_t i = 0; i < count; i++)
        builder_put(&to, parts[i]);
    return SLICE(to.ptr, to.len);
}

struct mw_slice import_quote(struct import *import, struct mw_slice text)
{
    size_t cap = text.len * 2 + 2;
    struct builder to = {.ptr = import_alloc(import, cap), .cap = cap};
    builder_put(&to, LIT("\""));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            builder_put(&to, LIT("\\"));
        builder_put(&to, SLICE(text.ptr + i, 1));
    }
    builder_put(&to, LIT("\""));
    return SLICE(to.ptr, to.len);
}

void rules_import_free(struct import_result *result)
{
    while (result->chunks != NULL) {
        struct import_chunk *next = result->chunks->next;
        free(result->chunks);
        result->chunks = next;
    }
    free(result->text);
    *result = (struct import_result){.text = NULL};
}

/* ---- notes ---- */

void import_note(struct import *import, uint32_t line, const char *reason)
{
    struct import_note *note = import_alloc(import, sizeof *note);
    note->line = line;
    note->reason = reason;
    note->next = import->result->notes; /* put into order at the end: rules_import() */
    import->result->notes = note;
}

void import_note_once(struct import *import, enum import_once which, uint32_t line,
                      const char *reason)
{
    if (!import->has_noted[which])
        import_note(import, line, reason);
    import->has_noted[which] = true;
}

void import_drop(struct import *import, uint32_t line, const char *reason)
{
    import->result->dropped++;
    import_note(import, line, reason);
}

/* ---- text ---- */

void import_put_slice(struct import *import, struct mw_slice text)
{
    if (text.len > IMPORT_TEXT_MAX - import->len) {
        import->is_full = true;
        return;
    }
    while (import->cap - import->len < text.len + 1) {
        import->cap = import->cap ? import->cap * 2 : 4096;
        import->text = realloc(import->text, import->cap);
        if (import->text == NULL)
            abort();
    }
    if (text.len > 0)
        memcpy(import->text + import->len, text.ptr, text.len);
    import->len += text.len;
}

void import_put(struct import *import, const char *text)
{
    import_put_slice(import, slice_of(text));
}

void import_rule(struct import *import, uint32_t line, struct mw_slice suffix)
{
    char name[120];
    for (; import->line < line; import->line++)
        import_put(import, "\n");
    import->rule_count = import->rule_line == line ? import->rule_count + 1 : 1;
    import->rule_line = line;
    if (import->len > 0 && import->text[import->len - 1] != '\n')
        import_put(import, " ");
    snprintf(name, sizeof name, "%s-%u", import->prefix, line);
    import_put(import, name);
    if (import->rule_count > 1) {
        snprintf(name, sizeof name, ".%u", import->rule_count);
        import_put(import, name);
    }
    if (suffix.len > 0) {
        import_put(import, "-");
        import_put_slice(import, suffix);
    }
    import_put(import, ": ");
}

void import_put_quoted(struct import *import, struct mw_slice text)
{
    import_put_slice(import, import_quote(import, text));
}

void import_put_value(struct import *import, struct mw_slice text)
{
    bool is_bare = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text_lower(text.ptr[i]);
        is_bare &= (c >= 'a' && c <= 'z') || text_is_digit(c) || (c != '\0' && strchr("-._:/", c));
    }
    if (is_bare)
        import_put_slice(import, text);
    else
        import_put_quoted(import, text);
}

void import_each_of_regex(struct mw_slice pattern, const char *flags,
                          void (*put)(void *to, struct mw_slice text), void *to)
{
    put(to, LIT("/"));
    for (size_t i = 0; i < pattern.len; i++) {
        size_t len = pattern.ptr[i] == '\\' && i + 1 < pattern.len ? 2 : 1;
        if (pattern.ptr[i] == '/')
            put(to, LIT("\\"));
        put(to, SLICE(pattern.ptr + i, len));
        i += len - 1;
    }
    put(to, LIT("/"));
    put(to, slice_of(flags));
}

static void put_slice(void *import, struct mw_slice text)
{
    import_put_slice(import, text);
}

void import_put_regex(struct import *import, struct mw_slice pattern, const char *flags)
{
    import_each_of_regex(pattern, flags, put_slice, import);
}

const char *import_text_fault(struct mw_slice text, bool is_ascii_only)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && (c != '\t' || is_ascii_only)) || c == 0x7f)
            return "the text has control characters";
        if (c >= 0x80 && is_ascii_only)
            return "a reply and a header field hold ASCII characters only, and this text has "
                   "others";
    }
    return text_utf8_len(text) == text.len ? NULL : "the text is not UTF-8";
}

/* ---- reading ---- */

bool import_next_line(struct mw_slice *rest, uint32_t *line, struct mw_slice *out)
{
    if (rest->len == 0)
        return false;
    ptrdiff_t end = text_find(*rest, '\n');
    size_t len = end < 0 ? rest->len : (size_t)end;
    *out = SLICE(rest->ptr, len);
    *rest = end < 0 ? EMPTY : text_skip(*rest, len + 1);
    if (out->len > 0 && out->ptr[out->len - 1] == '\r')
        out->len--;
    ++*line;
    return true;
}

struct mw_slice import_word(struct mw_slice text, struct mw_slice *out_rest)
{
    text = text_trim(text);
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\t')
        len++;
    *out_rest = text_trim(text_skip(text, len));
    return SLICE(text.ptr, len);
}
