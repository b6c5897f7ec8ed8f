/* conf.c - reads files of directives into a tree of blocks; what they mean is conf_check.c's
 * affair.
 *
 * A stack of frames, one for each open block, holds the directives gathered so far; they enter the
 * block when it closes, which is also when an `override` block takes the place of what it
 * overrides. Included files use the same stack, but cannot close a block that they did not open.
 * Nothing stops at the first error: a line that cannot be read is left out, a block that cannot be
 * is read into nowhere. */
#include "base/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf_priv.h"

enum {
    FILE_SIZE_MAX = 1 << 20,
    FILES_MAX = 256,
    BLOCKS_MAX = 10000,
    NESTING_MAX = 4,
    INCLUDES_MAX = 8,
    SHOWN_MAX = 60, /* octets of a word that a message quotes */
};

struct frame {
    struct mw_conf_block *block;
    struct mw_conf_directive *first, **tail; /* gathered, not yet in the block */
    struct mw_conf_block **block_tail;       /* where the next child goes */
    bool is_override;
};

struct loader {
    struct mw_arena *arena;
    struct mw_diags *diags;
    size_t errors_before;
    struct frame frames[NESTING_MAX + 1]; /* [0] is the top level */
    size_t depth;                         /* index of the innermost frame */
    size_t file_count, block_count;
    const char *reading[INCLUDES_MAX + 1]; /* the files open now, outermost first */
    size_t reading_count;
    bool may_include;
};

/* One file, and one line of it at a time. */
struct reader {
    struct loader *loader;
    const char *file;
    struct mw_lexer *lexer;
    size_t base_depth; /* frames up to here belong to the including file */
    size_t ignored;    /* blocks open that nest too deep to be kept */
    struct mw_conf_word *words;
    size_t word_count, word_cap;
    bool is_override, is_bad; /* of the current line */
    bool is_include;
    struct mw_conf_pos line_pos; /* where its first word stands */
};

void mw_conf_error(struct mw_diags *diags, const struct mw_conf_pos *pos, uint32_t length,
                   const char *hint, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    mw_diags_add(diags, MW_DIAG_ERROR, pos->file, pos->line, pos->column, length, hint, "%s",
                 message);
}

static int shown_len(struct mw_slice text)
{
    return (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX);
}

/* A block as people call it: "listen mx", "resolver". */
static const char *title(struct mw_arena *arena, struct mw_slice kind, struct mw_slice name)
{
    return mw_arena_printf(arena, "%.*s%s%.*s", shown_len(kind), kind.ptr, name.len > 0 ? " " : "",
                           shown_len(name), name.ptr)
        .ptr;
}

/* ---- frames: blocks being built ---- */

static void open_frame(struct loader *loader, struct mw_conf_block *block, bool is_override)
{
    struct frame *frame = &loader->frames[loader->depth];
    frame->block = block;
    frame->first = NULL;
    frame->tail = &frame->first;
    frame->is_override = is_override;
    frame->block_tail = &block->blocks;
    while (*frame->block_tail != NULL)
        frame->block_tail = &(*frame->block_tail)->next;
}

static bool has_name(const struct mw_conf_directive *list, struct mw_slice name)
{
    for (; list != NULL; list = list->next)
        if (mw_slice_eq(list->words[0].text, name))
            return true;
    return false;
}

/* Put what was gathered into its block, in an override in place of all directives of the same
 * names. */
static void close_frame(struct frame *frame)
{
    struct mw_conf_directive **link = &frame->block->directives;
    while (*link != NULL) {
        if (frame->is_override && has_name(frame->first, (*link)->words[0].text))
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    *link = frame->first;
}

static struct mw_conf_block *find_block(const struct mw_conf_block *parent, struct mw_slice kind,
                                        struct mw_slice name)
{
    for (struct mw_conf_block *block = parent->blocks; block != NULL; block = block->next)
        if (mw_slice_eq(block->kind, kind) && mw_slice_eq(block->name, name))
            return block;
    return NULL;
}

/* ---- one line ---- */

static void add_word(struct reader *reader, const struct mw_conf_word *word)
{
    if (reader->word_count == reader->word_cap) {
        reader->word_cap = reader->word_cap ? reader->word_cap * 2 : 16;
        reader->words = mw_xrealloc(reader->words, reader->word_cap * sizeof *reader->words);
    }
    reader->words[reader->word_count++] = *word;
}

static void start_line(struct reader *reader)
{
    reader->word_count = 0;
    reader->is_override = reader->is_bad = reader->is_include = false;
    reader->line_pos = (struct mw_conf_pos){0};
}

static struct mw_conf_pos token_pos(const struct reader *reader, const struct mw_token *token)
{
    return (struct mw_conf_pos){reader->file, token->line, token->column};
}

static void token_error(struct reader *reader, const struct mw_token *token, const char *hint,
                        const char *message)
{
    struct mw_conf_pos pos = token_pos(reader, token);
    mw_conf_error(reader->loader->diags, &pos, (uint32_t)token->text.len, hint, "%s", message);
    if (reader->line_pos.file == NULL)
        reader->line_pos = pos;
    reader->is_bad = true;
}

static void read_word(struct reader *reader, const struct mw_token *token)
{
    struct mw_conf_word word;
    bool is_first = reader->line_pos.file == NULL;
    if (is_first)
        reader->line_pos = token_pos(reader, token);
    if (is_first && token->kind == MW_TOKEN_WORD && mw_slice_eq(token->text, MW_LIT("override"))) {
        reader->is_override = true;
        return;
    }
    if (is_first && token->kind == MW_TOKEN_WORD && mw_slice_eq(token->text, MW_LIT("include")))
        reader->is_include = true;
    if (mw_conf_expand(reader->loader->arena, reader->loader->diags, reader->file, token, &word))
        add_word(reader, &word);
    else
        reader->is_bad = true;
}

/* ---- include ---- */

static void read_file(struct loader *loader, const char *path, const struct mw_conf_pos *from,
                      uint32_t from_len);

static void include_word(struct reader *reader, const struct mw_conf_word *word)
{
    struct loader *loader = reader->loader;
    struct mw_slice *paths;
    size_t count = mw_conf_glob(loader->arena, reader->file, word->text, &paths);
    if (count == 0 && mw_conf_is_pattern(word->text))
        mw_diags_add(loader->diags, MW_DIAG_WARNING, word->pos.file, word->pos.line,
                     word->pos.column, word->source_len, NULL, "no file matches '%.*s'",
                     shown_len(word->text), word->text.ptr);
    else if (count == 0)
        mw_conf_error(loader->diags, &word->pos, word->source_len, NULL, "there is no file '%s'",
                      paths->ptr);
    for (size_t i = 0; i < count; i++)
        read_file(loader, paths[i].ptr, &word->pos, word->source_len);
}

static void finish_include(struct reader *reader)
{
    struct loader *loader = reader->loader;
    struct mw_conf_word *name = &reader->words[0];
    if (!loader->may_include) {
        mw_conf_error(loader->diags, &name->pos, name->source_len, NULL,
                      "'include' is not possible here");
        return;
    }
    if (reader->word_count < 2)
        mw_conf_error(loader->diags, &name->pos, name->source_len, NULL,
                      "'include' needs the name of a file, or a pattern");
    for (size_t i = 1; i < reader->word_count; i++)
        include_word(reader, &reader->words[i]);
}

/* ---- directives and blocks ---- */

static void add_directive(struct reader *reader)
{
    struct loader *loader = reader->loader;
    struct frame *frame = &loader->frames[loader->depth];
    struct mw_conf_directive *directive = mw_arena_new(loader->arena, struct mw_conf_directive);
    directive->words = mw_arena_array(loader->arena, struct mw_conf_word, reader->word_count);
    memcpy(directive->words, reader->words, reader->word_count * sizeof *reader->words);
    directive->word_count = reader->word_count;
    directive->is_broken = reader->is_bad;
    *frame->tail = directive;
    frame->tail = &directive->next;
}

/* True if the first word of the line was read: then the line is known to be about that directive,
 * bad as it may be. */
static bool has_directive_name(const struct reader *reader)
{
    return reader->word_count > 0 && reader->words[0].pos.line == reader->line_pos.line &&
           reader->words[0].pos.column == reader->line_pos.column;
}

static void finish_line(struct reader *reader)
{
    struct loader *loader = reader->loader;
    if (reader->is_override && !reader->is_bad)
        mw_conf_error(loader->diags, &reader->line_pos, (uint32_t)strlen("override"),
                      "override KIND NAME { ... }", "'override' stands only in front of a block");
    else if (reader->is_include && !reader->is_bad && reader->ignored == 0)
        finish_include(reader);
    else if (!reader->is_include && has_directive_name(reader) && reader->ignored == 0)
        add_directive(reader);
    start_line(reader);
}

/* The block that the words in front of a `{` begin: a new one, one to override, or one that leads
 * nowhere after an error. */
static struct mw_conf_block *begin_block(struct reader *reader)
{
    struct loader *loader = reader->loader;
    struct frame *parent = &loader->frames[loader->depth];
    struct mw_slice kind = reader->word_count > 0 ? reader->words[0].text : MW_EMPTY;
    struct mw_slice name = reader->word_count > 1 ? reader->words[1].text : MW_EMPTY;
    uint32_t kind_len = reader->word_count > 0 ? reader->words[0].source_len : 1;
    const char *called = title(loader->arena, kind, name);
    struct mw_conf_block *block = mw_arena_new(loader->arena, struct mw_conf_block);
    block->kind = kind;
    block->name = name;
    block->pos = reader->word_count > 0 ? reader->words[0].pos : reader->line_pos;
    if (reader->is_bad)
        return block;
    struct mw_conf_block *first = find_block(parent->block, kind, name);
    if (first != NULL && reader->is_override)
        return first;
    if (first != NULL) {
        mw_conf_error(loader->diags, &block->pos, kind_len,
                      mw_arena_printf(loader->arena,
                                      "first defined at %s:%u; 'override' in front changes single "
                                      "directives of it",
                                      first->pos.file, first->pos.line)
                          .ptr,
                      "block '%s' is defined twice", called);
        return block;
    }
    if (reader->is_override) {
        mw_conf_error(loader->diags, &block->pos, kind_len, NULL,
                      "there is no block '%s' before this place to override", called);
        return block;
    }
    if (++loader->block_count > BLOCKS_MAX) {
        if (loader->block_count == BLOCKS_MAX + 1)
            mw_conf_error(loader->diags, &block->pos, kind_len, NULL, "more than %d blocks",
                          BLOCKS_MAX);
        return block;
    }
    *parent->block_tail = block;
    parent->block_tail = &block->next;
    return block;
}

static void open_block(struct reader *reader, const struct mw_token *brace)
{
    struct loader *loader = reader->loader;
    if (reader->line_pos.file == NULL)
        reader->line_pos = token_pos(reader, brace);
    if (reader->ignored > 0 || loader->depth == NESTING_MAX) {
        if (reader->ignored++ == 0)
            token_error(reader, brace, NULL, "blocks nest at most 4 deep");
        start_line(reader);
        return;
    }
    if (!reader->is_bad && reader->word_count == 0)
        token_error(reader, brace, "KIND NAME { ... }", "a block begins with its kind");
    if (!reader->is_bad && reader->word_count > 2)
        token_error(reader, brace, "a name with blanks in it needs quotes",
                    "a block has a kind and at most one name");
    struct mw_conf_block *block = begin_block(reader);
    loader->depth++;
    open_frame(loader, block, reader->is_override);
    start_line(reader);
}

static void close_block(struct reader *reader, const struct mw_token *brace)
{
    struct loader *loader = reader->loader;
    finish_line(reader);
    if (reader->ignored > 0)
        reader->ignored--;
    else if (loader->depth == reader->base_depth)
        token_error(reader, brace, NULL, "'}' without an open block");
    else
        close_frame(&loader->frames[loader->depth--]);
    struct mw_token next = mw_lex_peek(reader->lexer, MW_LEX_CONFIG);
    bool is_closing = next.kind == MW_TOKEN_PUNCT && next.text.ptr[0] == '}';
    if (next.kind != MW_TOKEN_NEWLINE && next.kind != MW_TOKEN_END && !is_closing &&
        next.kind != MW_TOKEN_ERROR)
        token_error(reader, &next, NULL, "a new line is needed behind '}'");
    start_line(reader);
}

/* "mx{", "{limits", "spf}": braces count only when they stand alone, which is easily forgotten. Not
 * in ${...}. */
static bool has_stuck_brace(const struct mw_token *token)
{
    struct mw_slice text = token->text;
    char first = text.ptr[0], last = text.ptr[text.len - 1];
    bool has_open = mw_slice_find(text, '{') >= 0;
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == '$' && text.ptr[i + 1] == '{')
            return false;
    return first == '{' || last == '{' || (last == '}' && !has_open);
}

/* Report it, and go on as if the blanks were there, so that one slip does not unbalance the rest of
 * the file. */
static void split_stuck_brace(struct reader *reader, struct mw_token token)
{
    struct loader *loader = reader->loader;
    bool was_bad = reader->is_bad;
    token_error(reader, &token, "quote the word if the brace is part of it",
                "a brace needs blanks around it");
    reader->is_bad = was_bad;
    struct mw_token rest = token;
    if (token.text.ptr[0] == '{') {
        open_block(reader, &token);
        rest.text = mw_slice_skip(rest.text, 1);
        rest.column++;
    }
    char last = rest.text.ptr[rest.text.len - 1];
    if (last == '{' || last == '}')
        rest.text.len--;
    rest.value = rest.text;
    if (rest.text.len > 0)
        read_word(reader, &rest);
    const struct mw_conf_block *block = loader->frames[loader->depth].block;
    if (last == '{')
        open_block(reader, &token);
    else if (last == '}' && loader->depth > reader->base_depth && block->pos.line == token.line)
        close_block(reader, &token);
}

static void close_file(struct reader *reader)
{
    struct loader *loader = reader->loader;
    finish_line(reader);
    for (; loader->depth > reader->base_depth; loader->depth--) {
        struct frame *frame = &loader->frames[loader->depth];
        struct mw_conf_block *block = frame->block;
        const char *called = block->kind.len == 0
                                 ? "the block"
                                 : mw_arena_printf(loader->arena, "block '%s'",
                                                   title(loader->arena, block->kind, block->name))
                                       .ptr;
        mw_conf_error(loader->diags, &block->pos, (uint32_t)block->kind.len, "add a line with '}'",
                      "%s is still open at the end of the file", called);
        close_frame(frame);
    }
}

/* ---- files ---- */

static void read_text(struct loader *loader, const char *file, struct mw_slice text)
{
    struct reader reader = {
        .loader = loader,
        .file = file,
        .lexer = mw_lex_open(file, text),
        .base_depth = loader->depth,
    };
    mw_diags_source(loader->diags, file, text);
    struct mw_token token;
    while ((token = mw_lex_next(reader.lexer, MW_LEX_CONFIG)).kind != MW_TOKEN_END) {
        if (token.kind == MW_TOKEN_NEWLINE)
            finish_line(&reader);
        else if (token.kind == MW_TOKEN_ERROR)
            token_error(&reader, &token, NULL, token.value.ptr);
        else if (token.kind == MW_TOKEN_WORD && has_stuck_brace(&token))
            split_stuck_brace(&reader, token);
        else if (token.kind != MW_TOKEN_PUNCT)
            read_word(&reader, &token);
        else if (token.text.ptr[0] == '{')
            open_block(&reader, &token);
        else
            close_block(&reader, &token);
    }
    close_file(&reader);
    mw_lex_close(reader.lexer);
    free(reader.words);
}

static bool is_being_read(const struct loader *loader, const char *path)
{
    for (size_t i = 0; i < loader->reading_count; i++)
        if (strcmp(loader->reading[i], path) == 0)
            return true;
    return false;
}

/* Why a file must not be read now, or NULL. */
static const char *objection(const struct loader *loader, const char *path)
{
    if (is_being_read(loader, path))
        return "it is being read already: it includes itself";
    if (loader->reading_count > INCLUDES_MAX)
        return "files include each other more than 8 deep";
    return NULL;
}

static void read_file(struct loader *loader, const char *path, const struct mw_conf_pos *from,
                      uint32_t from_len)
{
    const char *error = objection(loader, path);
    char *text = NULL;
    size_t len = 0;
    if (++loader->file_count > FILES_MAX) {
        if (loader->file_count == FILES_MAX + 1)
            mw_conf_error(loader->diags, from, from_len, NULL, "more than %d files", FILES_MAX);
        return;
    }
    if (error == NULL && mw_file_read(path, FILE_SIZE_MAX, &text, &len, &error) == MW_ERR_LIMIT)
        error = "it is larger than 1 MiB";
    if (text == NULL) {
        mw_conf_error(loader->diags, from, from_len, NULL, "cannot read '%s': %s", path, error);
        return;
    }
    loader->reading[loader->reading_count++] = path;
    read_text(loader, path, MW_SLICE(text, len));
    loader->reading_count--;
    free(text);
}

/* ---- a whole configuration ---- */

static struct mw_conf_block *begin(struct loader *loader, struct mw_arena *arena,
                                   struct mw_diags *diags, const char *file)
{
    *loader = (struct loader){
        .arena = arena, .diags = diags, .errors_before = mw_diags_errors(diags)};
    struct mw_conf_block *root = mw_arena_new(arena, struct mw_conf_block);
    root->kind = root->name = MW_EMPTY;
    root->pos.file = mw_arena_cstr(arena, mw_slice_cstr(file));
    open_frame(loader, root, false);
    return root;
}

static enum mw_err end(struct loader *loader)
{
    mw_assert(loader->depth == 0);
    close_frame(&loader->frames[0]);
    return mw_diags_errors(loader->diags) > loader->errors_before ? MW_ERR_CONFIG : MW_OK;
}

enum mw_err mw_conf_parse(struct mw_arena *arena, const char *file, struct mw_slice text,
                          struct mw_diags *diags, struct mw_conf_block **out_root)
{
    struct loader loader;
    *out_root = begin(&loader, arena, diags, file);
    read_text(&loader, (*out_root)->pos.file, text);
    return end(&loader);
}

static int is_conf_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && mw_slice_iends(mw_slice_cstr(entry->d_name), MW_LIT(".conf"));
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_folder(struct loader *loader, const char *path)
{
    struct mw_conf_pos nowhere = {0};
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_conf_file, compare_names);
    if (count < 0)
        mw_conf_error(loader->diags, &nowhere, 0, NULL, "cannot read the directory '%s': %s", path,
                      strerror(errno));
    if (count == 0)
        mw_conf_error(loader->diags, &nowhere, 0, NULL, "no file *.conf in the directory '%s'",
                      path);
    size_t len = strlen(path);
    const char *separator = len > 0 && path[len - 1] == '/' ? "" : "/";
    for (int i = 0; i < count; i++) {
        const char *file =
            mw_arena_printf(loader->arena, "%s%s%s", path, separator, entries[i]->d_name).ptr;
        if (i == 0)
            loader->frames[0].block->pos.file = file;
        read_file(loader, file, &nowhere, 0);
        free(entries[i]);
    }
    free(entries);
}

enum mw_err mw_conf_load(struct mw_arena *arena, const char *path, struct mw_diags *diags,
                         struct mw_conf_block **out_root)
{
    struct loader loader;
    struct mw_conf_pos nowhere = {0};
    struct stat status;
    *out_root = begin(&loader, arena, diags, path);
    loader.may_include = true;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        read_folder(&loader, path);
    else
        read_file(&loader, (*out_root)->pos.file, &nowhere, 0);
    return end(&loader);
}
