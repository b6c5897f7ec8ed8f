/* conf_path.c - names of files in a configuration: relative to the file that names them, one or
 * many by a pattern. */
#include <glob.h>
#include <limits.h>
#include <unistd.h>

#include "base/conf_priv.h"

/* What stands in front of the last component of `file`, with its '/'; "" for a plain name. */
static struct mw_slice folder_of(const char *file)
{
    struct mw_slice path = mw_slice_cstr(file);
    ptrdiff_t slash = mw_slice_rfind(path, '/');
    return slash < 0 ? MW_EMPTY : mw_slice_take(path, (size_t)slash + 1);
}

static bool is_absolute(struct mw_slice path)
{
    return path.len > 0 && path.ptr[0] == '/';
}

struct mw_slice mw_conf_relative(struct mw_arena *arena, const char *file, struct mw_slice path)
{
    struct mw_slice folder = folder_of(file);
    if (is_absolute(path) || folder.len == 0)
        return mw_arena_dup(arena, path);
    return mw_arena_printf(arena, "%.*s%.*s", (int)folder.len, folder.ptr, (int)path.len, path.ptr);
}

struct mw_slice mw_conf_absolute(struct mw_arena *arena, const char *file, struct mw_slice path)
{
    struct mw_slice relative = mw_conf_relative(arena, file, path);
    char here[PATH_MAX];
    if (is_absolute(relative) || getcwd(here, sizeof here) == NULL)
        return relative;
    while (mw_slice_starts(relative, MW_LIT("./")))
        relative = mw_slice_skip(relative, 2);
    return mw_arena_printf(arena, "%s/%.*s", here, (int)relative.len, relative.ptr);
}

bool mw_conf_is_pattern(struct mw_slice path)
{
    return mw_slice_find(path, '*') >= 0 || mw_slice_find(path, '?') >= 0 ||
           mw_slice_find(path, '[') >= 0;
}

/* The pattern in its folder; the folder's own name is no pattern, whatever characters it holds. */
static char *absolute_pattern(struct mw_arena *arena, const char *file, struct mw_slice pattern)
{
    struct mw_slice folder = is_absolute(pattern) ? MW_EMPTY : folder_of(file);
    struct mw_buf text = {0};
    for (size_t i = 0; i < folder.len; i++) {
        if (mw_slice_find(MW_LIT("*?[\\"), folder.ptr[i]) >= 0)
            mw_buf_putc(&text, '\\');
        mw_buf_putc(&text, folder.ptr[i]);
    }
    mw_buf_put(&text, pattern);
    char *copy = mw_arena_cstr(arena, mw_buf_view(&text));
    mw_buf_fini(&text);
    return copy;
}

size_t mw_conf_glob(struct mw_arena *arena, const char *file, struct mw_slice pattern,
                    struct mw_slice **out_paths)
{
    if (!mw_conf_is_pattern(pattern)) {
        *out_paths = mw_arena_new(arena, struct mw_slice);
        **out_paths = mw_conf_relative(arena, file, pattern);
        return pattern.len > 0 && access((*out_paths)->ptr, F_OK) == 0 ? 1 : 0;
    }
    glob_t found;
    if (glob(absolute_pattern(arena, file, pattern), 0, NULL, &found) != 0) {
        globfree(&found);
        return 0;
    }
    struct mw_slice *paths = mw_arena_array(arena, struct mw_slice, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++)
        paths[i] = mw_arena_dup(arena, mw_slice_cstr(found.gl_pathv[i]));
    *out_paths = paths;
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}
