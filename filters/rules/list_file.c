/* list_file.c - contents: a file's text brought into one form, and the indexes over it.
 *
 * The text is rewritten in place and never grows: comments go, line ends stay, so that the line of
 * a problem can be told. Runs on a pool thread when a file has changed. */
#include "list_priv.h"

#include <stdlib.h>

struct list_block {
    struct list_block *next;
    size_t pad; /* what follows is aligned as malloc() aligns */
};

/* ---- memory ---- */

static void *take(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    return memory;
}

void *rules_list_alloc(struct list_content *content, size_t size)
{
    content->memory += size;
    if (content->keeper != NULL)
        return rules_keep(content->keeper, size);
    struct list_block *block = take(sizeof *block + size);
    block->next = content->blocks;
    content->blocks = block;
    return block + 1;
}

void rules_list_content_free(struct list_content **content_at)
{
    struct list_content *content = *content_at;
    *content_at = NULL;
    if (content == NULL || content->keeper != NULL)
        return;
    while (content->blocks != NULL) {
        struct list_block *next = content->blocks->next;
        free(content->blocks);
        content->blocks = next;
    }
    free(content->text);
    free(content);
}

void rules_list_content_trim(struct list_content *content, unsigned set_kinds)
{
    if (content->keeper != NULL || set_kinds != 1u << SET_NETWORK)
        return;
    free(content->text);
    content->text = NULL;
    content->memory -= content->len;
    content->len = 0;
}

/* ---- problems ---- */

void rules_list_problem(struct list_problems *problems, enum list_problem_kind kind,
                        const struct list_problem *where, struct mw_slice text)
{
    if (problems->count++ >= LIST_PROBLEMS_MAX)
        return;
    struct list_problem *problem = &problems->at[problems->count - 1];
    *problem = *where;
    problem->kind = kind;
    problem->length = (uint32_t)text.len;
    size_t len = text.len < sizeof problem->text - 1 ? text.len : sizeof problem->text - 1;
    for (size_t i = 0; i < len; i++) /* it goes to a terminal */
        problem->text[i] = text.ptr[i] >= ' ' && text.ptr[i] != 0x7f ? text.ptr[i] : '?';
    problem->text[len] = '\0';
}

/* ---- one entry a line ---- */

static bool has_control(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool is_good_entry(struct mw_slice text, struct list_problem *where,
                          struct list_problems *problems)
{
    size_t before = problems->count;
    if (text.len > LIST_ENTRY_MAX)
        rules_list_problem(problems, PROBLEM_LONG, where, text);
    else if (text_find(text, ' ') >= 0 || text_find(text, '\t') >= 0)
        rules_list_problem(problems, PROBLEM_WORDS, where, text);
    else if (has_control(text))
        rules_list_problem(problems, PROBLEM_CONTROL, where, text);
    return problems->count == before;
}

/* Editors of some systems put it in front of a file: U+FEFF. */
static void blank_byte_order_mark(char *raw, size_t len)
{
    if (len >= 3 && memcmp(raw, "\xef\xbb\xbf", 3) == 0)
        memset(raw, ' ', 3);
}

size_t rules_list_text_read(char *raw, size_t len, struct list_problems *problems)
{
    size_t out = 0;
    struct list_problem where = {.line = 0};
    blank_byte_order_mark(raw, len);
    for (size_t at = 0; at < len;) {
        struct mw_slice line = SLICE(raw + at, len - at);
        ptrdiff_t end = text_find(line, '\n');
        if (end >= 0)
            line.len = (size_t)end;
        at += line.len + 1;
        ptrdiff_t comment = text_find(line, '#');
        struct mw_slice text = text_trim(comment < 0 ? line : SLICE(line.ptr, (size_t)comment));
        size_t indent = text.len > 0 ? (size_t)(text.ptr - line.ptr) : 0;
        where.line++;
        where.column = (uint32_t)indent + 1;
        if (text.len > 0 && is_good_entry(text, &where, problems)) {
            memset(raw + out, ' ', indent); /* kept, to tell the column */
            memmove(raw + out + indent, text.ptr, text.len);
            out += indent + text.len;
        }
        if (end >= 0)
            raw[out++] = '\n';
    }
    return out;
}

/* ---- contents ---- */

static uint32_t count_entries(const struct list_content *content)
{
    uint32_t count = 0;
    struct list_line line = {.line = 0};
    for (size_t at = 0; rules_list_line_next(content, &at, &line);)
        count++;
    return count;
}

struct list_content *rules_list_content_new(const struct rules *keeper, struct mw_slice text,
                                            bool is_file)
{
    struct list_content *content = keeper != NULL ? rules_keep(keeper, sizeof *content)
                                                  : take(sizeof *content);
    content->keeper = keeper;
    content->is_file = is_file;
    content->text = keeper != NULL ? rules_keep(keeper, text.len + 1) : take(text.len + 1);
    content->memory = sizeof *content + text.len + 1;
    if (text.len > 0)
        memcpy(content->text, text.ptr, text.len);
    content->len = text.len;
    char last = text.len > 0 ? text.ptr[text.len - 1] : '\n';
    if (last != ENTRY_COUNTS && last != ENTRY_OTHER)
        content->text[content->len++] = ENTRY_COUNTS;
    content->entry_count = count_entries(content);
    return content;
}

bool rules_list_line_next(const struct list_content *content, size_t *at, struct list_line *out)
{
    while (*at < content->len) {
        const char *start = content->text + *at;
        size_t left = content->len - *at, len = 0, indent = 0;
        while (len < left && start[len] != ENTRY_COUNTS && start[len] != ENTRY_OTHER)
            len++;
        *at += len + 1;
        out->line++;
        while (content->is_file && indent < len && start[indent] == ' ')
            indent++;
        out->text = SLICE(start + indent, len - indent);
        out->column = (uint32_t)indent + 1;
        if (out->text.len > 0 || !content->is_file)
            return true;
    }
    return false;
}

static enum list_fold fold_of(enum list_kind list_kind, enum set_kind kind)
{
    if (list_kind == LIST_POSTFIX || kind == SET_HOST || kind == SET_NAME)
        return FOLD_ALL;
    return kind == SET_ADDRESS ? FOLD_DOMAIN : FOLD_NONE;
}

static bool fits(enum set_kind kind, struct mw_slice text)
{
    bool has_at = text_find(text, '@') >= 0;
    if (kind == SET_HOST)
        return !has_at;
    /* a bare domain: @domain is meant, or the field .domain */
    return kind != SET_ADDRESS || has_at || text_find(text, '.') < 0;
}

static void check_entries(const struct list_content *content, enum set_kind kind,
                          struct list_problems *problems)
{
    struct list_line line = {.line = 0};
    if (kind != SET_HOST && kind != SET_ADDRESS)
        return;
    for (size_t at = 0; rules_list_line_next(content, &at, &line);) {
        struct list_problem where = {.wanted = kind, .line = line.line, .column = line.column};
        if (!fits(kind, line.text))
            rules_list_problem(problems, PROBLEM_MISFIT, &where, line.text);
    }
}

void rules_list_content_index(struct list_content *content, const struct mw_lang *lang,
                              enum list_kind list_kind, enum set_kind kind,
                              struct list_problems *problems)
{
    bool is_map = list_kind == LIST_POSTFIX;
    if (kind == SET_NETWORK && !is_map) {
        content->nets = rules_list_nets_new(content, lang, problems);
        return;
    }
    if (is_map) /* one index for all: whatever the field, keys are looked up as text */
        kind = SET_TEXT;
    else
        check_entries(content, kind, problems);
    if (content->tables[kind] == NULL)
        content->tables[kind] = rules_list_table_new(content, fold_of(list_kind, kind));
}

struct list_content *rules_list_content_read(const struct mw_lang *lang,
                                             const struct list_source *source,
                                             struct list_problems *problems)
{
    size_t len = 0;
    char *raw = lang->file_read(source->path, LIST_FILE_MAX, &len, &problems->unreadable);
    if (raw == NULL) {
        if (problems->unreadable == NULL)
            problems->unreadable = "unknown error";
        return NULL;
    }
    problems->is_unended = len > 0 && raw[len - 1] != '\n';
    len = source->kind == LIST_POSTFIX ? rules_list_map_read(raw, len, source->words, problems)
                                       : rules_list_text_read(raw, len, problems);
    struct list_content *content = NULL;
    if (problems->count == 0) {
        content = rules_list_content_new(NULL, SLICE(raw, len), true);
        for (unsigned kind = 0; kind < SET_KINDS; kind++)
            if (source->set_kinds >> kind & 1)
                rules_list_content_index(content, lang, source->kind, kind, problems);
    }
    lang->file_free(raw);
    if (problems->count > 0)
        rules_list_content_free(&content);
    return content;
}
