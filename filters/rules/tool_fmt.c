/* tool_fmt.c - `mailweir rules fmt`: one layout for rule files (tool_fmt_layout.c).
 *
 * Whether nothing but blanks and line ends has changed is checked by reading both texts again
 * (tool_fmt_same.c); if they differ, the file is left alone. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool_fmt_priv.h"

enum { FORMAT_MAX = 8 << 20 };

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        text += done;
        len -= (size_t)done;
    }
    return fsync(fd) == 0;
}

/* Written beside it and moved over it: a service that reloads sees the old file or the new one. */
static bool replace_file(const char *path, const char *text, size_t len)
{
    char beside[4096];
    struct stat status;
    int size = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if (size < 0 || (size_t)size >= sizeof beside || stat(path, &status) != 0)
        return false;
    int fd = mkstemp(beside);
    if (fd < 0)
        return false;
    bool is_good = write_all(fd, text, len) && fchmod(fd, status.st_mode & 07777) == 0 &&
                   (fchown(fd, status.st_uid, status.st_gid) == 0 || geteuid() != 0);
    is_good &= close(fd) == 0;
    is_good = is_good && rename(beside, path) == 0;
    if (!is_good)
        unlink(beside);
    return is_good;
}

static int complain(const char *path, const char *why, int status)
{
    fprintf(stderr, "mailweir rules fmt: %s: left as it is: %s\n", path, why);
    return status;
}

static int format_text(const struct tool *tool, const char *path, struct mw_slice before,
                       bool is_check)
{
    size_t len = 0;
    const char *why = NULL;
    char *text = rules_format(before, &len, &why);
    int status = EX_OK;
    if (text == NULL)
        return complain(path, why, EX_CONFIG);
    struct mw_slice after = SLICE(text, len);
    if (!rules_fmt_same(tool->host->lang, before, after)) {
        status = complain(path, "its meaning would change: please report this as a bug",
                          EX_SOFTWARE);
    } else if (!text_eq(before, after)) {
        printf("%s%s\n", path, is_check ? " would change" : "");
        if (is_check)
            status = EXIT_FAILURE;
        else if (!replace_file(path, text, len))
            status = complain(path, strerror(errno), EX_IOERR);
    }
    free(text);
    return status;
}

int rules_tool_fmt(struct tool *tool)
{
    static const char *const options[] = {"--check", NULL};
    int worst = EX_OK;
    bool is_check = rules_tool_flag(tool, "--check");
    if (!rules_tool_options_end(tool, options))
        return EX_USAGE;
    if (tool->argc == 0)
        return rules_tool_usage(tool, "which files?");
    for (int i = 0; i < tool->argc; i++) {
        size_t len = 0;
        const char *error = NULL;
        char *text = tool->host->lang->file_read(tool->argv[i], FORMAT_MAX, &len, &error);
        int status = text != NULL
                         ? format_text(tool, tool->argv[i], SLICE(text, len), is_check)
                         : complain(tool->argv[i], error ? error : "unreadable", EX_NOINPUT);
        if (text != NULL)
            tool->host->lang->file_free(text);
        worst = status > worst ? status : worst;
    }
    return worst;
}
