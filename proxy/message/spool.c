/* spool.c - one list of chunks with a gap in it that lives in a file.
 *
 *   chunks  [k0] [k1] .. [kept]   |      file       |   [w0] [w1] .. [last]
 *   octets  0 ........ file_begin | file_len octets | ................ size
 *
 * The first memory_max octets stay in memory for good: they are what mw_spool_view is asked for,
 * and a message just above the limit costs little I/O. When they are full, `kept` is their last
 * chunk; every chunk behind it is of full size and goes to the file from the left as soon as it is
 * full, and its memory is freed when its write is done. Once the spool is rewound no further write
 * is begun: what is in memory is read from there. A write that was under way then is allowed to
 * end, but its chunk stays (a piece of it may be in the reader's hands). Chunks grow with the
 * content (FIRST, then doubling), so that a message costs about its size. A file is not truncated
 * for its next use. Nothing can be read that this spool did not write: reads stay within file_len.
 */
#include "message/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_FIRST = 1024 };

struct chunk {
    struct chunk *next;
    size_t len, cap;
    size_t done; /* octets of it that are in the file already: a short write */
    char octets[];
};

struct mw_spool {
    struct mw_spool_files *files;
    size_t memory_max;
    uint64_t size;
    size_t held;    /* capacities of all chunks */
    size_t waiting; /* octets of full chunks behind `kept` */
    struct chunk *first, *last;
    struct chunk *kept; /* the last chunk in front of the gap; meaningful if is_spilling */
    bool is_spilling;   /* memory_max is reached: new chunks go to the file */
    bool has_dots;
    bool is_busy;
    bool is_job_read;
    bool is_job_stale; /* the read under way is for a position that the reader has left */
    bool is_reading;   /* between rewind and the next add or truncate */
    enum mw_err error;

    int fd; /* -1: none yet */
    uint64_t file_begin, file_len;

    /* reading */
    uint64_t at;          /* content position behind the piece last given out */
    struct chunk *cursor; /* next chunk to give out, in memory */
    char *read_buf;       /* MW_SPOOL_CHUNK octets, once the file is read */
    size_t read_len;      /* octets of the job under way or done, from `at` on */
    size_t read_done;

    char *view;
    size_t view_len, view_cap;
};

/* ---- files ---- */

void mw_spool_files_init(struct mw_spool_files *files, const char *directory)
{
    *files = (struct mw_spool_files){0};
    size_t len = strlen(directory);
    if (len < sizeof files->directory) /* else it stays empty, and opening fails */
        memcpy(files->directory, directory, len);
}

void mw_spool_files_fini(struct mw_spool_files *files)
{
    while (files->idle_count > 0)
        close(files->idle[--files->idle_count]);
}

/* For file systems without O_TMPFILE (NFS, old overlayfs). */
static int open_and_unlink(const char *directory)
{
    char path[sizeof((struct mw_spool_files *)NULL)->directory + 16];
    int len = snprintf(path, sizeof path, "%s/spool.XXXXXX", directory);
    if (len < 0 || (size_t)len >= sizeof path)
        return -1;
    int fd = mkostemp(path, O_CLOEXEC); /* mode 0600 */
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int files_take(struct mw_spool_files *files)
{
    if (files->idle_count > 0)
        return files->idle[--files->idle_count];
    if (files->directory[0] == '\0')
        return -1;
    int fd = open(files->directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        fd = open_and_unlink(files->directory);
    return fd;
}

static void files_give_back(struct mw_spool_files *files, int fd)
{
    struct stat facts;
    bool is_small = fstat(fd, &facts) == 0 && facts.st_size <= MW_SPOOL_FILE_KEEP;
    if (is_small && files->idle_count < MW_SPOOL_FILES_IDLE)
        files->idle[files->idle_count++] = fd;
    else
        close(fd);
}

/* ---- life ---- */

struct mw_spool *mw_spool_new(struct mw_spool_files *files, size_t memory_max)
{
    struct mw_spool *spool = mw_xcalloc(1, sizeof *spool);
    spool->files = files;
    spool->memory_max = memory_max;
    spool->fd = -1;
    return spool;
}

static void free_chunks(struct mw_spool *spool)
{
    while (spool->first != NULL) {
        struct chunk *chunk = spool->first;
        spool->first = chunk->next;
        free(chunk);
    }
}

static void free_view(struct mw_spool *spool)
{
    free(spool->view);
    spool->view = NULL;
    spool->view_len = spool->view_cap = 0;
}

void mw_spool_free(struct mw_spool **spool_at)
{
    struct mw_spool *spool = *spool_at;
    if (spool == NULL)
        return;
    mw_spool_truncate(spool);
    free(spool);
    *spool_at = NULL;
}

void mw_spool_truncate(struct mw_spool *spool)
{
    mw_assert(!spool->is_busy);
    free_chunks(spool);
    free_view(spool);
    free(spool->read_buf);
    if (spool->fd >= 0 && spool->error == MW_OK)
        files_give_back(spool->files, spool->fd);
    else if (spool->fd >= 0)
        close(spool->fd); /* it failed once: do not hand it to the next message */
    *spool = (struct mw_spool){.files = spool->files, .memory_max = spool->memory_max, .fd = -1};
}

/* ---- filling ---- */

/* Capacity of the next chunk, for content of which `more` octets are at hand. Decides when the gap
 * begins. */
static size_t next_cap(struct mw_spool *spool, size_t more)
{
    size_t room = spool->memory_max > spool->held ? spool->memory_max - spool->held : 0;
    if (!spool->is_spilling && room < CHUNK_FIRST) {
        spool->is_spilling = true;
        spool->kept = spool->last;
        spool->file_begin = spool->size;
    }
    if (spool->is_spilling)
        return MW_SPOOL_CHUNK;
    size_t cap = spool->held > more ? spool->held : more;
    if (cap < CHUNK_FIRST)
        cap = CHUNK_FIRST;
    if (cap > MW_SPOOL_CHUNK)
        cap = MW_SPOOL_CHUNK;
    return cap < room ? cap : room;
}

static void append_chunk(struct mw_spool *spool, size_t cap)
{
    struct chunk *chunk = mw_xalloc(sizeof *chunk + cap);
    *chunk = (struct chunk){.cap = cap};
    if (spool->last == NULL)
        spool->first = chunk;
    else
        spool->last->next = chunk;
    spool->last = chunk;
    spool->held += cap;
}

void mw_spool_add(struct mw_spool *spool, struct mw_slice octets, bool at_line_start)
{
    spool->is_reading = false;
    spool->has_dots |= at_line_start && octets.len > 0 && octets.ptr[0] == '.';
    while (octets.len > 0 && spool->error == MW_OK) {
        struct chunk *chunk = spool->last;
        if (chunk == NULL || chunk->len == chunk->cap) {
            append_chunk(spool, next_cap(spool, octets.len));
            chunk = spool->last;
        }
        struct mw_slice part = mw_slice_take(octets, chunk->cap - chunk->len);
        memcpy(chunk->octets + chunk->len, part.ptr, part.len);
        chunk->len += part.len;
        spool->size += part.len;
        if (spool->is_spilling && chunk->len == chunk->cap)
            spool->waiting += chunk->len;
        octets = mw_slice_skip(octets, part.len);
    }
}

uint64_t mw_spool_size(const struct mw_spool *spool)
{
    return spool->size;
}

bool mw_spool_has_dots(const struct mw_spool *spool)
{
    return spool->has_dots;
}

size_t mw_spool_backlog(const struct mw_spool *spool)
{
    return spool->error == MW_OK ? spool->waiting : 0;
}

size_t mw_spool_memory(const struct mw_spool *spool)
{
    return sizeof *spool + spool->held + spool->view_cap +
           (spool->read_buf != NULL ? MW_SPOOL_CHUNK : 0);
}

enum mw_err mw_spool_error(const struct mw_spool *spool)
{
    return spool->error;
}

bool mw_spool_is_busy(const struct mw_spool *spool)
{
    return spool->is_busy;
}

/* ---- jobs ---- */

/* The chunk right behind the gap; NULL if there is none. */
static struct chunk *behind_gap(const struct mw_spool *spool)
{
    return spool->kept != NULL ? spool->kept->next : spool->first;
}

/* Octets of the file that the reader has still in front of it. */
static uint64_t unread_in_file(const struct mw_spool *spool)
{
    uint64_t end = spool->file_begin + spool->file_len;
    return spool->at >= spool->file_begin && spool->at < end ? end - spool->at : 0;
}

/* A full chunk is in the file: the gap grows over it. */
static void drop_written(struct mw_spool *spool)
{
    struct chunk *chunk = behind_gap(spool);
    if (spool->kept != NULL)
        spool->kept->next = chunk->next;
    else
        spool->first = chunk->next;
    if (spool->last == chunk)
        spool->last = spool->kept;
    spool->file_len += chunk->len;
    spool->waiting -= chunk->len;
    spool->held -= chunk->cap;
    free(chunk);
}

static bool write_job(struct mw_spool *spool, struct mw_spool_job *out_job)
{
    while (spool->waiting > 0 && behind_gap(spool)->done == behind_gap(spool)->len)
        drop_written(spool); /* written before a rewind, and now filling goes on */
    if (spool->waiting == 0)
        return false;
    if (spool->fd < 0 && (spool->fd = files_take(spool->files)) < 0) {
        spool->error = MW_ERR_IO;
        return false;
    }
    struct chunk *chunk = behind_gap(spool);
    *out_job = (struct mw_spool_job){
        .fd = spool->fd,
        .offset = spool->file_len + chunk->done,
        .octets = chunk->octets + chunk->done,
        .len = chunk->len - chunk->done,
    };
    return true;
}

static bool read_job(struct mw_spool *spool, struct mw_spool_job *out_job)
{
    if (spool->read_done == spool->read_len)
        return false; /* nothing was asked for by mw_spool_next */
    *out_job = (struct mw_spool_job){
        .is_read = true,
        .fd = spool->fd,
        .offset = spool->at - spool->file_begin + spool->read_done,
        .octets = spool->read_buf + spool->read_done,
        .len = spool->read_len - spool->read_done,
    };
    return true;
}

bool mw_spool_job(struct mw_spool *spool, struct mw_spool_job *out_job)
{
    if (spool->is_busy || spool->error != MW_OK)
        return false;
    spool->is_job_read = spool->is_reading;
    spool->is_busy = spool->is_reading ? read_job(spool, out_job) : write_job(spool, out_job);
    return spool->is_busy;
}

void mw_spool_job_done(struct mw_spool *spool, ptrdiff_t result)
{
    mw_assert(spool->is_busy);
    spool->is_busy = false;
    if (result <= 0) { /* also a read that finds less than was written */
        spool->error = MW_ERR_IO;
        return;
    }
    if (spool->is_job_stale) {
        spool->is_job_stale = false;
        return;
    }
    if (spool->is_job_read) {
        spool->read_done += (size_t)result;
        mw_assert(spool->read_done <= spool->read_len);
        return;
    }
    struct chunk *chunk = behind_gap(spool);
    chunk->done += (size_t)result;
    mw_assert(chunk->done <= chunk->len);
    if (chunk->done == chunk->len && !spool->is_reading)
        drop_written(spool);
}

static ptrdiff_t run_job(const struct mw_spool_job *job)
{
    ptrdiff_t result;
    do {
        result = job->is_read ? pread(job->fd, job->octets, job->len, (off_t)job->offset)
                              : pwrite(job->fd, job->octets, job->len, (off_t)job->offset);
    } while (result < 0 && errno == EINTR);
    return result;
}

void mw_spool_run_jobs(struct mw_spool *spool)
{
    struct mw_spool_job job;
    while (mw_spool_job(spool, &job))
        mw_spool_job_done(spool, run_job(&job));
}

/* ---- emptying ---- */

void mw_spool_rewind(struct mw_spool *spool)
{
    spool->is_job_stale |= spool->is_busy && spool->is_job_read;
    spool->is_reading = true;
    spool->at = 0;
    spool->cursor = spool->first;
    spool->read_len = spool->read_done = 0;
    free_view(spool);
}

/* The next piece of the file: what was read, or the wish for a read job. */
static enum mw_err next_from_file(struct mw_spool *spool, uint64_t left,
                                  struct mw_slice *out_octets)
{
    if (spool->read_len == 0) {
        if (spool->read_buf == NULL)
            spool->read_buf = mw_xalloc(MW_SPOOL_CHUNK);
        spool->read_len = left < MW_SPOOL_CHUNK ? (size_t)left : MW_SPOOL_CHUNK;
    }
    if (spool->read_done < spool->read_len)
        return MW_AGAIN;
    *out_octets = MW_SLICE(spool->read_buf, spool->read_len);
    spool->at += spool->read_len;
    spool->read_len = spool->read_done = 0;
    return MW_OK;
}

enum mw_err mw_spool_next(struct mw_spool *spool, struct mw_slice *out_octets)
{
    mw_assert(spool->is_reading);
    if (spool->error != MW_OK)
        return spool->error;
    uint64_t left = unread_in_file(spool);
    if (left > 0)
        return next_from_file(spool, left, out_octets);
    struct chunk *chunk = spool->cursor;
    if (chunk == NULL) {
        mw_assert(spool->at == spool->size);
        *out_octets = MW_EMPTY;
        return MW_OK;
    }
    spool->cursor = chunk->next;
    spool->at += chunk->len;
    *out_octets = MW_SLICE(chunk->octets, chunk->len);
    return MW_OK;
}

/* ---- the view ---- */

/* Append chunks `from` up to, not including, `end` to the view, as far as there is room. */
static void view_chunks(struct mw_spool *spool, const struct chunk *from, const struct chunk *end)
{
    for (; from != end && spool->view_len < spool->view_cap; from = from->next) {
        struct mw_slice part = mw_slice_take(MW_SLICE(from->octets, from->len),
                                             spool->view_cap - spool->view_len);
        memcpy(spool->view + spool->view_len, part.ptr, part.len);
        spool->view_len += part.len;
    }
}

static enum mw_err view_file(struct mw_spool *spool)
{
    uint64_t at = 0;
    while (at < spool->file_len && spool->view_len < spool->view_cap) {
        size_t room = spool->view_cap - spool->view_len;
        struct mw_spool_job job = {
            .is_read = true,
            .fd = spool->fd,
            .offset = at,
            .octets = spool->view + spool->view_len,
            .len = room < spool->file_len - at ? room : (size_t)(spool->file_len - at),
        };
        ptrdiff_t result = run_job(&job);
        if (result <= 0)
            return spool->error = MW_ERR_IO;
        at += (uint64_t)result;
        spool->view_len += (size_t)result;
    }
    return MW_OK;
}

static enum mw_err build_view(struct mw_spool *spool, size_t len)
{
    free_view(spool);
    spool->view = mw_xalloc(len);
    spool->view_cap = len;
    struct chunk *gap_end = spool->is_spilling ? behind_gap(spool) : NULL;
    view_chunks(spool, spool->first, gap_end);
    enum mw_err err = view_file(spool);
    if (err != MW_OK)
        return err;
    view_chunks(spool, gap_end, NULL);
    mw_assert(spool->view_len == len);
    return MW_OK;
}

enum mw_err mw_spool_view(struct mw_spool *spool, size_t max, struct mw_slice *out_octets)
{
    if (spool->error != MW_OK)
        return spool->error;
    size_t len = max < spool->size ? max : (size_t)spool->size;
    bool is_first_kept = !spool->is_spilling || spool->kept != NULL;
    if (len == 0) {
        *out_octets = MW_EMPTY;
        return MW_OK;
    }
    if (is_first_kept && spool->first->len >= len) {
        *out_octets = MW_SLICE(spool->first->octets, len);
        return MW_OK;
    }
    if (spool->view_len < len) {
        enum mw_err err = build_view(spool, len);
        if (err != MW_OK)
            return err;
    }
    *out_octets = MW_SLICE(spool->view, len);
    return MW_OK;
}
