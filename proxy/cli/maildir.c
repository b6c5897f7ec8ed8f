/* maildir.c - file descriptors of tmp/ and new/ are kept, so that renaming the folder while it is
 * in use does no harm. */
#include "cli/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PENDING_MAX = 65536, HOST_MAX = 32 };

struct mw_maildir {
    int tmp_fd, new_fd;
    uint64_t count;
    char host[HOST_MAX];
};

/* ---- the folder ---- */

static int open_folder(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The host's name as the convention wants it: no "/" and no ":". */
static void learn_host(char host[HOST_MAX])
{
    if (gethostname(host, HOST_MAX) != 0 || host[0] == '\0')
        memcpy(host, "localhost", sizeof "localhost");
    host[HOST_MAX - 1] = '\0';
    for (char *c = host; *c != '\0'; c++)
        if (!mw_is_alnum(*c) && *c != '.' && *c != '-')
            *c = '_';
}

enum mw_err mw_maildir_open(const char *path, struct mw_maildir **out_maildir,
                            const char **out_text)
{
    struct mw_maildir *maildir = mw_xcalloc(1, sizeof *maildir);
    maildir->tmp_fd = maildir->new_fd = -1;
    learn_host(maildir->host);
    int folder = open_folder(AT_FDCWD, path), cur = -1;
    if (folder >= 0) {
        maildir->tmp_fd = open_folder(folder, "tmp");
        maildir->new_fd = open_folder(folder, "new");
        cur = open_folder(folder, "cur");
    }
    bool is_open = maildir->tmp_fd >= 0 && maildir->new_fd >= 0 && cur >= 0;
    *out_text = is_open ? NULL : strerror(errno);
    if (cur >= 0)
        close(cur);
    if (folder >= 0)
        close(folder);
    if (!is_open) {
        mw_maildir_close(&maildir);
        return MW_ERR_IO;
    }
    *out_maildir = maildir;
    return MW_OK;
}

void mw_maildir_close(struct mw_maildir **maildir)
{
    struct mw_maildir *old = *maildir;
    if (old == NULL)
        return;
    if (old->tmp_fd >= 0)
        close(old->tmp_fd);
    if (old->new_fd >= 0)
        close(old->new_fd);
    free(old);
    *maildir = NULL;
}

/* ---- one message ---- */

enum mw_err mw_maildir_begin(struct mw_maildir *maildir, bool is_lf,
                             struct mw_maildir_file *out_file)
{
    struct mw_maildir_file file = {.is_lf = is_lf};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(file.name, sizeof file.name, "%lld.M%06ldP%ldQ%llu.%s", (long long)now.tv_sec,
             now.tv_nsec / 1000, (long)getpid(), (unsigned long long)++maildir->count,
             maildir->host);
    file.fd = openat(maildir->tmp_fd, file.name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file.fd < 0)
        return MW_ERR_IO;
    *out_file = file;
    return MW_OK;
}

static void write_all(struct mw_maildir_file *file, struct mw_slice octets)
{
    while (octets.len > 0 && file->error == 0) {
        ssize_t count = write(file->fd, octets.ptr, octets.len);
        if (count > 0)
            octets = mw_slice_skip(octets, (size_t)count);
        else if (errno != EINTR)
            file->error = errno;
    }
}

static void write_pending(struct mw_maildir_file *file)
{
    write_all(file, mw_buf_view(&file->pending));
    file->pending.len = 0;
}

static void add(struct mw_maildir_file *file, struct mw_slice octets)
{
    bool is_long = octets.len > PENDING_MAX / 2;
    if (is_long || file->pending.len + octets.len > PENDING_MAX)
        write_pending(file);
    if (is_long)
        write_all(file, octets);
    else
        mw_buf_put(&file->pending, octets);
}

/* All but the CRs that stand before an LF. */
static void add_lines(struct mw_maildir_file *file, struct mw_slice octets)
{
    while (octets.len > 0) {
        if (file->has_cr && octets.ptr[0] != '\n')
            add(file, MW_LIT("\r"));
        ptrdiff_t cr = mw_slice_find(octets, '\r');
        file->has_cr = cr >= 0;
        size_t len = cr >= 0 ? (size_t)cr : octets.len;
        add(file, mw_slice_take(octets, len));
        octets = mw_slice_skip(octets, len + 1);
    }
}

void mw_maildir_write(struct mw_maildir_file *file, struct mw_slice octets)
{
    if (file->is_lf)
        add_lines(file, octets);
    else
        add(file, octets);
}

static void finish(struct mw_maildir_file *file)
{
    if (close(file->fd) != 0 && file->error == 0)
        file->error = errno;
    file->fd = -1;
    mw_buf_fini(&file->pending);
}

enum mw_err mw_maildir_commit(struct mw_maildir *maildir, struct mw_maildir_file *file,
                              bool is_quick)
{
    if (file->has_cr)
        add(file, MW_LIT("\r"));
    write_pending(file);
    if (file->error == 0 && !is_quick && fsync(file->fd) != 0)
        file->error = errno;
    finish(file);
    if (file->error == 0 && renameat(maildir->tmp_fd, file->name, maildir->new_fd, file->name) != 0)
        file->error = errno;
    if (file->error != 0) {
        (void)unlinkat(maildir->tmp_fd, file->name, 0);
        return MW_ERR_IO;
    }
    if (is_quick || fsync(maildir->new_fd) == 0)
        return MW_OK;
    file->error = errno; /* perhaps not durable: then it must not be there, because the sender will
                            come again */
    (void)unlinkat(maildir->new_fd, file->name, 0);
    return MW_ERR_IO;
}

void mw_maildir_abort(struct mw_maildir *maildir, struct mw_maildir_file *file)
{
    finish(file);
    (void)unlinkat(maildir->tmp_fd, file->name, 0);
}
