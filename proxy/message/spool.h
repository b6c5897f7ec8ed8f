/* spool.h - the body of a message kept back until the verdict: in memory up to a limit, beyond it
 * in an unlinked file.
 *
 * Filling: mw_spool_add(). The first `memory_max` octets stay in memory; of what follows, full
 * chunks go to the file, asynchronously: the spool only says what is to be written
 * (mw_spool_write_job), the layer above performs it on its pool and reports (mw_spool_write_done).
 * While mw_spool_backlog() is above its mark the session reads no more from the client. Emptying:
 * mw_spool_rewind(), then mw_spool_next() again and again; MW_AGAIN asks for a read job. Bounded:
 * memory_max + backlog mark + two chunks. Files are opened by the layer above (mw_spool_files: a
 * small pool of unlinked files that are used again, because fresh page-cache pages cost more than
 * the copy). */
#ifndef MW_MESSAGE_SPOOL_H
#define MW_MESSAGE_SPOOL_H

#include "base/buf.h"
#include "base/slice.h"

enum {
    MW_SPOOL_CHUNK = 262144, /* octets of a full chunk, and of one write or read job */
    MW_SPOOL_BACKLOG_MARK = 2 * MW_SPOOL_CHUNK,
    MW_SPOOL_FILES_IDLE = 32,      /* files that a worker keeps for use again */
    MW_SPOOL_FILE_KEEP = 16777216, /* a file that grew larger is closed instead */
};

/* A worker's pool of unlinked spool files. */
struct mw_spool_files {
    int idle[MW_SPOOL_FILES_IDLE];
    size_t idle_count;
    char directory[256];
};
void mw_spool_files_init(struct mw_spool_files *files, const char *directory);
void mw_spool_files_fini(struct mw_spool_files *files);

struct mw_spool;

struct mw_spool *mw_spool_new(struct mw_spool_files *files, size_t memory_max);
/* Must not have a job under way: see mw_spool_is_busy. The file goes back to the pool. */
void mw_spool_free(struct mw_spool **spool);

/* Append content. `at_line_start`: as in mw_span, and like there a dot that begins a line stands at
 * the beginning of a span; who adds content from elsewhere (a filter) has to cut it so, or has the
 * writer look at every line. Never fails by itself; a failed file shows as MW_ERR_IO in
 * mw_spool_error(), and what is added from then on is dropped. */
void mw_spool_add(struct mw_spool *spool, struct mw_slice octets, bool at_line_start);
uint64_t mw_spool_size(const struct mw_spool *spool);
/* Some line in it begins with a dot (as flagged by the spans added): the writer has to look at
 * every line. */
bool mw_spool_has_dots(const struct mw_spool *spool);
/* Octets waiting to be written to the file; 0 once it has failed. */
size_t mw_spool_backlog(const struct mw_spool *spool);
/* Octets of heap memory held now. */
size_t mw_spool_memory(const struct mw_spool *spool);
enum mw_err mw_spool_error(const struct mw_spool *spool);
bool mw_spool_is_busy(const struct mw_spool *spool);

/* One job of file I/O. `octets` of a write job stay valid and unchanged until write_done. */
struct mw_spool_job {
    bool is_read;
    int fd;
    uint64_t offset;
    char *octets; /* write: source; read: destination */
    size_t len;
};
/* True if there is work and none is under way; the job is then under way until _done is called.
 * Opens the file when it is first needed (a failure shows in mw_spool_error). */
bool mw_spool_job(struct mw_spool *spool, struct mw_spool_job *out_job);
/* result: octets done, or -1. A short write is continued by the next job. */
void mw_spool_job_done(struct mw_spool *spool, ptrdiff_t result);
/* Run all pending jobs with blocking calls: for tests and tools without a loop. */
void mw_spool_run_jobs(struct mw_spool *spool);

/* All is added; go to the start. May be called again to read once more (a replay). Nothing more is
 * written to the file. */
void mw_spool_rewind(struct mw_spool *spool);
/* Next piece in order. MW_OK: *out_octets, valid until the next call (then its memory may be freed
 * or reused); out_octets->len == 0 means the end. MW_AGAIN: a read job is wanted (mw_spool_job).
 * MW_ERR_IO. */
MW_MUST_USE enum mw_err mw_spool_next(struct mw_spool *spool, struct mw_slice *out_octets);

/* The first min(max, size) octets in one piece; valid until the next _view, _rewind or _free.
 * Octets that are in the file only are read with a blocking call from the page cache (they were
 * written a moment ago); MW_ERR_IO on failure. */
MW_MUST_USE enum mw_err mw_spool_view(struct mw_spool *spool, size_t max,
                                      struct mw_slice *out_octets);
/* Empty it (a filter replaces the body). Not while busy. */
void mw_spool_truncate(struct mw_spool *spool);

#endif
