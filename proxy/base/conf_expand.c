/* conf_expand.c - ${NAME}, ${NAME:-default}, ${cred:NAME}, ${file:PATH} in bare words and "...".
 *
 * What is put in is text and nothing else: it is not looked through again, and cannot begin a
 * block, a comment or a second value. A control character in it is refused, because it could end up
 * in a reply or a log line. */
#include <string.h>

#include "base/conf_priv.h"

enum { VALUE_MAX = 65536 /* octets of a value with insertions, so that they cannot multiply */ };

struct expander {
    struct mw_arena *arena;
    struct mw_diags *diags;
    const char *file;
    const struct mw_token *token;
    struct mw_buf out;
    bool has_secret, is_too_long;
};

/* Where octet `at` of the token's value stands in its source: escapes of "..." are one octet longer
 * there. */
static uint32_t source_offset(const struct mw_token *token, size_t at)
{
    size_t offset = 0;
    if (token->kind != MW_TOKEN_STRING)
        return (uint32_t)at;
    for (offset = 1; at > 0; at--)
        offset += token->text.ptr[offset] == '\\' ? 2 : 1;
    return (uint32_t)offset;
}

/* A problem with the octets from `at` on of the token's value. Always false, to be returned. */
static bool fail(const struct expander *expander, size_t at, size_t len, const char *hint,
                 const char *message)
{
    uint32_t from = source_offset(expander->token, at);
    uint32_t to = source_offset(expander->token, at + len);
    struct mw_conf_pos pos = {expander->file, expander->token->line,
                              expander->token->column + from};
    mw_conf_error(expander->diags, &pos, to - from, hint, "%s", message);
    return false;
}

static void put(struct expander *expander, struct mw_slice text)
{
    if (mw_buf_add(&expander->out, text) != MW_OK)
        expander->is_too_long = true;
}

/* ---- the three sources ---- */

/* The first line of a file; false with a text in *out_error. */
static bool insert_file(struct expander *expander, const char *path, const char **out_error)
{
    char *text;
    size_t len;
    if (mw_file_read(path, VALUE_MAX, &text, &len, out_error) != MW_OK)
        return false;
    struct mw_slice line = MW_SLICE(text, len), rest;
    if (mw_slice_split(line, '\n', &line, &rest) && line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    put(expander, line);
    free(text);
    expander->has_secret = true;
    return true;
}

static bool is_credential_name(struct mw_slice name)
{
    return name.len > 0 && name.ptr[0] != '.' && mw_slice_find(name, '/') < 0;
}

static bool insert_credential(struct expander *expander, size_t at, size_t len,
                              struct mw_slice name)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY"), *error;
    if (!is_credential_name(name))
        return fail(expander, at, len, NULL, "a credential is named by a plain file name");
    if (folder == NULL)
        return fail(
            expander, at, len,
            "the service manager sets it (LoadCredential= of systemd); ${file:PATH} reads any "
            "file",
            "CREDENTIALS_DIRECTORY is not set");
    const char *path =
        mw_arena_printf(expander->arena, "%s/%.*s", folder, (int)name.len, name.ptr).ptr;
    if (!insert_file(expander, path, &error))
        return fail(expander, at, len, NULL,
                    mw_arena_printf(expander->arena, "cannot read '%s': %s", path, error).ptr);
    return true;
}

static bool insert_path(struct expander *expander, size_t at, size_t len, struct mw_slice name)
{
    const char *error, *path = mw_conf_relative(expander->arena, expander->file, name).ptr;
    if (name.len == 0)
        return fail(expander, at, len, NULL, "${file:} needs the name of a file");
    if (!insert_file(expander, path, &error))
        return fail(expander, at, len, NULL,
                    mw_arena_printf(expander->arena, "cannot read '%s': %s", path, error).ptr);
    return true;
}

static bool is_variable_name(struct mw_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_alnum(name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return name.len > 0 && !mw_is_digit(name.ptr[0]);
}

/* As in the shell, the default of ${NAME:-default} also stands in for a variable that is set to
 * nothing. */
static bool insert_variable(struct expander *expander, size_t at, size_t len, struct mw_slice inner)
{
    struct mw_slice name = inner, fallback = MW_EMPTY;
    ptrdiff_t colon = mw_slice_find(inner, ':');
    bool has_default = colon >= 0 &&
                       mw_slice_starts(mw_slice_skip(inner, (size_t)colon), MW_LIT(":-"));
    if (has_default) {
        name = mw_slice_take(inner, (size_t)colon);
        fallback = mw_slice_skip(inner, (size_t)colon + 2);
    }
    if (!is_variable_name(name))
        return fail(expander, at, len, NULL,
                    "expected ${NAME}, ${NAME:-default}, ${cred:NAME} or ${file:PATH}");
    const char *value = getenv(mw_arena_cstr(expander->arena, name));
    if (value == NULL && !has_default)
        return fail(expander, at, len,
                    mw_arena_printf(expander->arena, "set it, or give a default: ${%.*s:-...}",
                                    (int)name.len, name.ptr)
                        .ptr,
                    mw_arena_printf(expander->arena, "the environment has no variable '%.*s'",
                                    (int)name.len, name.ptr)
                        .ptr);
    bool is_empty = value == NULL || value[0] == '\0';
    put(expander, is_empty && has_default ? fallback : mw_slice_cstr(value));
    return true;
}

/* ---- one value ---- */

static bool insert(struct expander *expander, size_t at, size_t len, struct mw_slice inner)
{
    size_t start = expander->out.len;
    bool is_good;
    if (mw_slice_starts(inner, MW_LIT("cred:")))
        is_good = insert_credential(expander, at, len, mw_slice_skip(inner, 5));
    else if (mw_slice_starts(inner, MW_LIT("file:")))
        is_good = insert_path(expander, at, len, mw_slice_skip(inner, 5));
    else
        is_good = insert_variable(expander, at, len, inner);
    for (size_t i = start; is_good && i < expander->out.len; i++) {
        unsigned char c = (unsigned char)expander->out.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            is_good = fail(expander, at, len, NULL, "what stands there holds a control character");
    }
    return is_good;
}

static bool expand_text(struct expander *expander, struct mw_slice text)
{
    bool is_good = true;
    for (size_t at = 0; at < text.len && !expander->is_too_long;) {
        struct mw_slice rest = mw_slice_skip(text, at), inner, behind;
        if (!mw_slice_starts(rest, MW_LIT("${"))) {
            put(expander, mw_slice_take(rest, 1));
            at++;
            continue;
        }
        if (!mw_slice_split(mw_slice_skip(rest, 2), '}', &inner, &behind))
            return fail(expander, at, rest.len, "a value with blanks in it needs quotes",
                        "'${' without '}'");
        size_t len = inner.len + 3;
        if (mw_slice_find(inner, '$') >= 0)
            is_good = fail(expander, at, len, NULL, "${...} cannot stand inside ${...}");
        else if (!insert(expander, at, len, inner))
            is_good = false;
        at += len;
    }
    if (expander->is_too_long)
        return fail(expander, 0, text.len, NULL, "the value is longer than 64 KiB");
    return is_good;
}

bool mw_conf_expand(struct mw_arena *arena, struct mw_diags *diags, const char *file,
                    const struct mw_token *token, struct mw_conf_word *out_word)
{
    struct expander expander = {.arena = arena,
                                .diags = diags,
                                .file = file,
                                .token = token,
                                .out = MW_BUF_INIT(VALUE_MAX)};
    *out_word = (struct mw_conf_word){
        .pos = {file, token->line, token->column},
        .source_len = (uint32_t)token->text.len,
        .is_quoted = token->kind == MW_TOKEN_STRING || token->kind == MW_TOKEN_RAW,
    };
    if (token->kind == MW_TOKEN_RAW || mw_slice_find(token->value, '$') < 0) {
        out_word->text = mw_arena_dup(arena, token->value);
        return true;
    }
    bool is_good = expand_text(&expander, token->value);
    out_word->text = mw_arena_dup(arena, mw_buf_view(&expander.out));
    out_word->is_secret = expander.has_secret;
    mw_buf_fini(&expander.out);
    return is_good;
}
