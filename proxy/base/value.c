/* value.c - sizes, durations and rates as people write them, and files read whole (lex.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lex.h"

struct unit {
    const char *name;
    uint64_t factor;
};

// clang-format off
static const struct unit size_units[] = {
    {"",    1},
    {"B",   1},
    {"kB",  1000},
    {"KB",  1000},
    {"MB",  1000000},
    {"GB",  1000000000},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {NULL,  0},
};
static const struct unit duration_units[] = {
    {"ms",  1},
    {"s",   1000},
    {"m",   60 * 1000},
    {"h",   60 * 60 * 1000},
    {"d",   24 * 60 * 60 * 1000},
    {NULL,  0},
};
// clang-format on

static enum mw_err parse_with_unit(struct mw_slice text, const struct unit *units,
                                   uint64_t *out_value)
{
    size_t digits = 0;
    uint64_t number;
    while (digits < text.len && mw_is_digit(text.ptr[digits]))
        digits++;
    enum mw_err err = mw_slice_to_u64(mw_slice_take(text, digits), UINT64_MAX, &number);
    if (err != MW_OK)
        return err;
    struct mw_slice suffix = mw_slice_skip(text, digits);
    while (units->name != NULL && !mw_slice_eq(suffix, mw_slice_cstr(units->name)))
        units++;
    if (units->name == NULL)
        return MW_ERR_SYNTAX;
    if (number > UINT64_MAX / units->factor)
        return MW_ERR_LIMIT;
    *out_value = number * units->factor;
    return MW_OK;
}

enum mw_err mw_parse_size(struct mw_slice text, uint64_t *out_octets)
{
    return parse_with_unit(text, size_units, out_octets);
}

enum mw_err mw_parse_duration(struct mw_slice text, uint64_t *out_ms)
{
    /* nothing takes no time in any unit */
    if (mw_slice_eq(text, MW_LIT("0"))) {
        *out_ms = 0;
        return MW_OK;
    }
    return parse_with_unit(text, duration_units, out_ms);
}

enum mw_err mw_parse_rate(struct mw_slice text, uint64_t *out_count, uint64_t *out_ms)
{
    struct mw_slice count_text, span_text;
    uint64_t count, span_ms;
    if (!mw_slice_split(text, '/', &count_text, &span_text))
        return MW_ERR_SYNTAX;
    enum mw_err err = mw_slice_to_u64(count_text, UINT64_MAX, &count);
    if (err == MW_OK)
        err = mw_parse_duration(span_text, &span_ms);
    if (err != MW_OK)
        return err;
    if (span_ms == 0)
        return MW_ERR_SYNTAX;
    *out_count = count;
    *out_ms = span_ms;
    return MW_OK;
}

/* ---- files ---- */

static enum mw_err errno_to_err(int code)
{
    if (code == ENOENT || code == ENOTDIR)
        return MW_ERR_NOENT;
    return code == EACCES || code == EPERM ? MW_ERR_DENIED : MW_ERR_IO;
}

/* Reads until the end, at most max + 1 octets: what comes is counted, not what stat says (files of
 * /proc have no size). */
static enum mw_err read_all(int fd, size_t max, char **out_text, size_t *out_len)
{
    size_t len = 0, cap = 0;
    char *text = NULL;
    for (;;) {
        if (cap - len < 2) {
            cap = cap ? cap * 2 : 4096;
            text = mw_xrealloc(text, cap);
        }
        ssize_t got = read(fd, text + len, cap - len - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (len += (size_t)got) > max) {
            free(text);
            return got < 0 ? errno_to_err(errno) : MW_ERR_LIMIT;
        }
        if (got == 0)
            break;
    }
    text[len] = '\0';
    *out_text = text;
    *out_len = len;
    return MW_OK;
}

enum mw_err mw_file_read(const char *path, size_t max, char **out_text, size_t *out_len,
                         const char **out_error)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer; it is refused right after */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        *out_error = strerror(code);
        return errno_to_err(code);
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        *out_error = S_ISDIR(status.st_mode) ? "Is a directory" : "Not a regular file";
        return MW_ERR_IO;
    }
    enum mw_err err = read_all(fd, max, out_text, out_len);
    if (err != MW_OK)
        *out_error = err == MW_ERR_LIMIT ? "The file is too large" : strerror(errno);
    close(fd);
    return err;
}
