/* replay_items.c - see replay.h. A directory with cur/ and new/ is a Maildir; any other one is
 * walked, hidden files left out. A file that begins with "From " is an mbox (RFC 4155, the mboxrd
 * form). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/message_file.h"
#include "cli/replay.h"

enum { DEPTH_MAX = 16 };

static const char *keep_path(struct mw_replay_items *items, const char *path)
{
    if (items->path_count == items->path_cap) {
        items->path_cap = items->path_cap ? 2 * items->path_cap : 64;
        items->paths = mw_xrealloc(items->paths, items->path_cap * sizeof *items->paths);
    }
    return items->paths[items->path_count++] = mw_xstrdup(path);
}

static bool add_item(struct mw_replay_items *items, const char *path, uint64_t offset, uint64_t len)
{
    if (items->count == MW_REPLAY_ITEMS_MAX) {
        fprintf(stderr, "mailweir: more than %d messages\n", MW_REPLAY_ITEMS_MAX);
        return false;
    }
    if (items->count == items->cap) {
        items->cap = items->cap ? 2 * items->cap : 256;
        items->items = mw_xrealloc(items->items, items->cap * sizeof *items->items);
    }
    items->items[items->count++] = (struct mw_replay_item){path, offset, len};
    return true;
}

/* ---- mbox ---- */

static bool add_mbox(struct mw_replay_items *items, const char *path, FILE *in)
{
    const char *kept = keep_path(items, path);
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    uint64_t at = 0, start = 0, blank = 1; /* length of the blank line before; 0: it is none */
    bool has_start = false, is_good = true;
    while (is_good && (len = getline(&line, &cap, in)) > 0) {
        if (blank > 0 && len > 5 && memcmp(line, "From ", 5) == 0) {
            if (has_start && at - blank > start)
                is_good = add_item(items, kept, start, at - blank - start);
            has_start = true;
            start = at + (uint64_t)len;
            blank = 0;
        } else {
            blank = len == 1 || (len == 2 && line[0] == '\r') ? (uint64_t)len : 0;
        }
        at += (uint64_t)len;
    }
    if (is_good && has_start && at - blank > start)
        is_good = add_item(items, kept, start, at - blank - start);
    free(line);
    return is_good;
}

/* What was found in a directory and cannot be opened is counted as a message that cannot be read:
 * in a Maildir files come and go. */
static bool add_missing(struct mw_replay_items *items, const char *path)
{
    return add_item(items, keep_path(items, path), 0, 0);
}

static bool add_file(struct mw_replay_items *items, const char *path, unsigned depth)
{
    char begin[5];
    FILE *in = fopen(path, "rb");
    if (in == NULL && depth > 0)
        return add_missing(items, path);
    if (in == NULL) {
        fprintf(stderr, "mailweir: cannot open %s: %s\n", path, strerror(errno));
        return false;
    }
    bool is_mbox = fread(begin, 1, 5, in) == 5 && memcmp(begin, "From ", 5) == 0;
    rewind(in);
    bool is_good = is_mbox ? add_mbox(items, path, in)
                           : add_item(items, keep_path(items, path), 0, 0);
    fclose(in);
    return is_good;
}

/* ---- directories ---- */

static bool add_path(struct mw_replay_items *items, const char *path, unsigned depth);

static bool add_entry(struct mw_replay_items *items, const char *folder, const char *name,
                      unsigned depth)
{
    struct mw_buf path = {0};
    mw_buf_putf(&path, "%s/%s", folder, name);
    mw_buf_putc(&path, '\0');
    bool is_good = add_path(items, path.ptr, depth + 1);
    mw_buf_fini(&path);
    return is_good;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool is_folder(const char *folder, const char *name)
{
    struct mw_buf path = {0};
    struct stat info;
    mw_buf_putf(&path, "%s/%s", folder, name);
    mw_buf_putc(&path, '\0');
    bool is = stat(path.ptr, &info) == 0 && S_ISDIR(info.st_mode);
    mw_buf_fini(&path);
    return is;
}

static bool add_directory(struct mw_replay_items *items, const char *path, unsigned depth)
{
    if (is_folder(path, "cur") && is_folder(path, "new"))
        return add_entry(items, path, "new", depth) && add_entry(items, path, "cur", depth);
    struct dirent **entries;
    int count = scandir(path, &entries, is_shown, by_name);
    bool is_good = count >= 0;
    if (!is_good)
        fprintf(stderr, "mailweir: cannot read %s: %s\n", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        is_good = is_good && add_entry(items, path, entries[i]->d_name, depth);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return is_good;
}

static bool add_path(struct mw_replay_items *items, const char *path, unsigned depth)
{
    struct stat info;
    if (stat(path, &info) != 0 && depth > 0)
        return add_missing(items, path);
    if (stat(path, &info) != 0) {
        fprintf(stderr, "mailweir: cannot open %s: %s\n", path, strerror(errno));
        return false;
    }
    if (S_ISREG(info.st_mode))
        return add_file(items, path, depth);
    if (!S_ISDIR(info.st_mode))
        return true; /* a socket or the like in a directory */
    if (depth >= DEPTH_MAX) {
        fprintf(stderr, "mailweir: %s is nested too deep\n", path);
        return false;
    }
    return add_directory(items, path, depth);
}

bool mw_replay_items_add(struct mw_replay_items *items, const char *path)
{
    return add_path(items, path, 0);
}

void mw_replay_items_fini(struct mw_replay_items *items)
{
    for (size_t i = 0; i < items->path_count; i++)
        free(items->paths[i]);
    free(items->paths);
    free(items->items);
    *items = (struct mw_replay_items){0};
}

/* ---- reading ---- */

/* ">From " at a line's start was "From " (mboxrd). In place. */
static void unquote(struct mw_buf *text)
{
    size_t out = 0;
    bool is_line_start = true;
    for (size_t at = 0; at < text->len; at++) {
        char c = text->ptr[at];
        if (is_line_start && c == '>') {
            size_t end = at;
            while (end < text->len && text->ptr[end] == '>')
                end++;
            is_line_start = false;
            if (mw_slice_starts(mw_slice_skip(mw_buf_view(text), end), MW_LIT("From ")))
                continue;
        }
        is_line_start = c == '\n';
        text->ptr[out++] = c;
    }
    text->len = out;
}

bool mw_replay_item_read(const struct mw_replay_item *item, struct mw_buf *out)
{
    if (item->len == 0)
        return mw_message_file_read(item->path, out);
    FILE *in = item->len <= MW_MESSAGE_FILE_MAX ? fopen(item->path, "rb") : NULL;
    if (in == NULL)
        return false;
    char *room = mw_buf_reserve(out, (size_t)item->len);
    bool is_good = fseeko(in, (off_t)item->offset, SEEK_SET) == 0 &&
                   fread(room, 1, (size_t)item->len, in) == item->len;
    fclose(in);
    if (is_good) {
        out->len += (size_t)item->len;
        unquote(out);
    }
    return is_good;
}
