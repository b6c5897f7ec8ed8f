/* test_spool.c - the spool: content comes back as it went in, through memory and file; bounds,
 * reuse, failing files. */
#include "message/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static struct mw_spool_files files;

static void set_up(void)
{
    mw_spool_files_init(&files, MW_TEST_BINARY_DIR);
}

static void tear_down(void)
{
    mw_spool_files_fini(&files);
}

/* Octet number `at` of message number `seed`. */
static char octet_at(uint64_t at, unsigned seed)
{
    return (char)((at * 2654435761u >> 7) + at + seed * 101);
}

static void add_octets(struct mw_spool *spool, uint64_t from, size_t len, unsigned seed)
{
    char *octets = malloc(len);
    for (size_t i = 0; i < len; i++)
        octets[i] = octet_at(from + i, seed);
    mw_spool_add(spool, MW_SLICE(octets, len), false);
    free(octets);
}

/* Fill with `len` octets in pieces of `piece`, running jobs whenever the session would stop
 * reading. */
static void fill(struct mw_spool *spool, uint64_t len, size_t piece, unsigned seed)
{
    for (uint64_t at = 0; at < len; at += piece) {
        add_octets(spool, at, piece < len - at ? piece : (size_t)(len - at), seed);
        if (mw_spool_backlog(spool) >= MW_SPOOL_BACKLOG_MARK)
            mw_spool_run_jobs(spool);
    }
}

static bool is_pattern(struct mw_slice octets, uint64_t from, unsigned seed)
{
    for (size_t i = 0; i < octets.len; i++)
        if (octets.ptr[i] != octet_at(from + i, seed))
            return false;
    return true;
}

/* Read all; true if it is exactly `len` octets of the pattern. */
static bool reads_back(struct mw_spool *spool, uint64_t len, unsigned seed)
{
    uint64_t at = 0;
    for (;;) {
        struct mw_slice octets;
        enum mw_err err = mw_spool_next(spool, &octets);
        if (err == MW_AGAIN) {
            mw_spool_run_jobs(spool);
            continue;
        }
        if (err != MW_OK)
            return false;
        if (octets.len == 0)
            return at == len;
        if (!is_pattern(octets, at, seed))
            return false;
        at += octets.len;
    }
}

TEST(content_of_any_size_comes_back_twice)
{
    set_up();
    static const uint64_t sizes[] = {0,      1,      1023,   1024,   1025,    4096,
                                     131072, 262143, 262144, 262145, 400000,  524288,
                                     524289, 700000, 917504, 917505, 3000000, 10000000};
    static const size_t pieces[] = {137, 65536, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++)
            for (size_t memory_max = 0; memory_max <= 262144; memory_max += 131072) {
                if (pieces[j] < 1000 && sizes[i] > 1000000)
                    continue;
                struct mw_spool *spool = mw_spool_new(&files, memory_max);
                fill(spool, sizes[i], pieces[j], (unsigned)i);
                CHECK_INT(mw_spool_size(spool), sizes[i]);
                if (j == 0) /* with and without the last write jobs */
                    mw_spool_run_jobs(spool);
                for (int round = 0; round < 2; round++) {
                    mw_spool_rewind(spool);
                    CHECK(reads_back(spool, sizes[i], (unsigned)i));
                }
                CHECK_INT(mw_spool_error(spool), MW_OK);
                mw_spool_free(&spool);
                CHECK(spool == NULL);
            }
    tear_down();
}

TEST(small_messages_cost_about_their_size)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 262144);
    CHECK(mw_spool_memory(spool) < 512);
    add_octets(spool, 0, 100, 0);
    CHECK(mw_spool_memory(spool) < 2048);
    add_octets(spool, 100, 3900, 0);
    CHECK(mw_spool_memory(spool) < 6000);
    mw_spool_truncate(spool);
    add_octets(spool, 0, 4000, 0);
    CHECK(mw_spool_memory(spool) < 4600);
    CHECK_INT(files.idle_count, 0);
    mw_spool_free(&spool);
    tear_down();
}

TEST(memory_stays_within_its_bound)
{
    set_up();
    size_t bound = 262144 + MW_SPOOL_BACKLOG_MARK + 2 * MW_SPOOL_CHUNK + 1024;
    struct mw_spool *spool = mw_spool_new(&files, 262144);
    for (uint64_t at = 0; at < 8000000; at += 65536) {
        add_octets(spool, at, 65536, 1);
        CHECK(mw_spool_memory(spool) <= bound);
        if (mw_spool_backlog(spool) >= MW_SPOOL_BACKLOG_MARK)
            mw_spool_run_jobs(spool);
    }
    mw_spool_run_jobs(spool);
    CHECK_INT(mw_spool_backlog(spool), 0);
    CHECK(mw_spool_memory(spool) <= 262144 + MW_SPOOL_CHUNK + 1024);
    mw_spool_rewind(spool);
    struct mw_slice octets;
    enum mw_err err;
    while ((err = mw_spool_next(spool, &octets)) == MW_AGAIN || octets.len > 0) {
        mw_spool_run_jobs(spool);
        CHECK(mw_spool_memory(spool) <= bound);
    }
    CHECK_INT(err, MW_OK);
    mw_spool_free(&spool);
    tear_down();
}

TEST(dots_are_noted_at_line_starts_only)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 1000);
    mw_spool_add(spool, MW_LIT(".x"), false);
    mw_spool_add(spool, MW_EMPTY, true);
    mw_spool_add(spool, MW_LIT("x."), true);
    CHECK(!mw_spool_has_dots(spool));
    mw_spool_add(spool, MW_LIT(".x"), true);
    CHECK(mw_spool_has_dots(spool));
    mw_spool_truncate(spool);
    CHECK(!mw_spool_has_dots(spool));
    mw_spool_free(&spool);
    tear_down();
}

TEST(views_are_the_beginning_in_one_piece)
{
    set_up();
    static const size_t wants[] = {1, 1024, 5000, 131072, 262144, 300000, 600000, 2000000};
    for (size_t memory_max = 0; memory_max <= 262144; memory_max += 262144)
        for (uint64_t size = 100000; size <= 1500000; size += 700000) {
            struct mw_spool *spool = mw_spool_new(&files, memory_max);
            fill(spool, size, 3000, 7);
            for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
                struct mw_slice view;
                CHECK_INT(mw_spool_view(spool, wants[i], &view), MW_OK);
                CHECK_INT(view.len, wants[i] < size ? wants[i] : size);
                CHECK(is_pattern(view, 0, 7));
            }
            mw_spool_rewind(spool);
            CHECK(reads_back(spool, size, 7));
            mw_spool_free(&spool);
        }
    struct mw_spool *empty = mw_spool_new(&files, 1000);
    struct mw_slice view;
    CHECK_INT(mw_spool_view(empty, 10, &view), MW_OK);
    CHECK_INT(view.len, 0);
    mw_spool_free(&empty);
    tear_down();
}

TEST(files_are_used_again_without_showing_the_last_message)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 0);
    fill(spool, 2000000, 65536, 1);
    mw_spool_run_jobs(spool);
    mw_spool_free(&spool);
    CHECK_INT(files.idle_count, 1);
    struct stat facts;
    CHECK_INT(fstat(files.idle[0], &facts), 0);
    CHECK_INT(facts.st_nlink, 0);
    CHECK_INT(facts.st_mode & 07777, 0600);
    CHECK(facts.st_size > 1000000); /* not truncated: its pages are what we want again */
    spool = mw_spool_new(&files, 0);
    fill(spool, 300000, 65536, 2);
    mw_spool_run_jobs(spool);
    CHECK_INT(files.idle_count, 0);
    mw_spool_rewind(spool);
    CHECK(reads_back(spool, 300000, 2));
    mw_spool_free(&spool);
    spool = mw_spool_new(&files, 0);
    fill(spool, MW_SPOOL_FILE_KEEP + 1000000, 262144, 3);
    mw_spool_free(&spool);
    CHECK_INT(files.idle_count, 0); /* grew too large to be kept */
    tear_down();
}

TEST(no_file_name_stays_in_the_directory)
{
    char directory[] = "/tmp/mw-spool-test.XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    mw_spool_files_init(&files, directory);
    struct mw_spool *spool = mw_spool_new(&files, 0);
    fill(spool, 1000000, 65536, 1);
    mw_spool_run_jobs(spool);
    mw_spool_free(&spool);
    tear_down();
    CHECK_INT(rmdir(directory), 0);
}

TEST(missing_directory_is_an_error_and_filling_stays_bounded)
{
    static char endless[400];
    memset(endless, 'd', sizeof endless - 1);
    const char *const directories[] = {"/nonexistent/directory", "", endless};
    for (size_t i = 0; i < 3; i++) {
        mw_spool_files_init(&files, directories[i]);
        struct mw_spool *spool = mw_spool_new(&files, 1000);
        fill(spool, 5000000, 65536, 1);
        CHECK_INT(mw_spool_error(spool), MW_ERR_IO);
        CHECK_INT(mw_spool_backlog(spool), 0);
        CHECK(mw_spool_memory(spool) < 1000000);
        struct mw_slice octets;
        mw_spool_rewind(spool);
        CHECK_INT(mw_spool_next(spool, &octets), MW_ERR_IO);
        CHECK_INT(mw_spool_view(spool, 10, &octets), MW_ERR_IO);
        mw_spool_truncate(spool);
        CHECK_INT(mw_spool_error(spool), MW_OK);
        mw_spool_free(&spool);
        tear_down();
    }
}

TEST(full_disk_is_an_error_and_its_file_is_not_used_again)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 0);
    fill(spool, 300000, 65536, 1);
    struct mw_spool_job job;
    CHECK(mw_spool_job(spool, &job));
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ptrdiff_t result = pwrite(full, job.octets, job.len, 0);
    CHECK_INT(result, -1); /* ENOSPC */
    mw_spool_job_done(spool, result);
    close(full);
    CHECK_INT(mw_spool_error(spool), MW_ERR_IO);
    CHECK(!mw_spool_job(spool, &job));
    mw_spool_free(&spool);
    CHECK_INT(files.idle_count, 0);
    tear_down();
}

/* Perform a job, but only `max` octets of it. */
static void run_short(struct mw_spool *spool, const struct mw_spool_job *job, size_t max)
{
    size_t len = job->len < max ? job->len : max;
    ptrdiff_t result = job->is_read ? pread(job->fd, job->octets, len, (off_t)job->offset)
                                    : pwrite(job->fd, job->octets, len, (off_t)job->offset);
    mw_spool_job_done(spool, result);
}

TEST(short_writes_and_reads_are_continued)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 5000);
    fill(spool, 800000, 9999, 1);
    struct mw_spool_job job;
    while (mw_spool_job(spool, &job)) {
        CHECK(mw_spool_is_busy(spool));
        CHECK(!job.is_read);
        run_short(spool, &job, 50001);
    }
    mw_spool_rewind(spool);
    uint64_t at = 0;
    for (struct mw_slice octets = {"x", 1}; octets.len > 0;) {
        enum mw_err err = mw_spool_next(spool, &octets);
        if (err == MW_AGAIN) {
            CHECK(mw_spool_job(spool, &job));
            CHECK(job.is_read && !mw_spool_job(spool, &job));
            run_short(spool, &job, 40000);
            continue;
        }
        CHECK_INT(err, MW_OK);
        CHECK(is_pattern(octets, at, 1));
        at += octets.len;
    }
    CHECK_INT(at, 800000);
    mw_spool_free(&spool);
    tear_down();
}

TEST(file_that_lost_octets_is_an_error)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 0);
    fill(spool, 400000, 65536, 1);
    mw_spool_run_jobs(spool);
    mw_spool_rewind(spool);
    struct mw_slice octets;
    CHECK_INT(mw_spool_next(spool, &octets), MW_AGAIN);
    struct mw_spool_job job;
    CHECK(mw_spool_job(spool, &job));
    mw_spool_job_done(spool, 0);
    CHECK_INT(mw_spool_next(spool, &octets), MW_ERR_IO);
    mw_spool_free(&spool);
    tear_down();
}

TEST(rewind_while_a_write_is_under_way_reads_from_memory)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 10000);
    fill(spool, 500000, 65536, 1);
    struct mw_spool_job job;
    CHECK(mw_spool_job(spool, &job));
    mw_spool_rewind(spool);
    struct mw_slice first, second;
    CHECK_INT(mw_spool_next(spool, &first), MW_OK);
    while (first.len < MW_SPOOL_CHUNK)
        CHECK_INT(mw_spool_next(spool, &first), MW_OK);
    run_short(spool, &job, job.len); /* done now: the chunk in our hands must stay */
    CHECK(is_pattern(first, 10000, 1));
    CHECK_INT(mw_spool_next(spool, &second), MW_OK);
    CHECK(is_pattern(second, 10000 + MW_SPOOL_CHUNK, 1));
    CHECK(!mw_spool_job(spool, &job));
    mw_spool_rewind(spool);
    CHECK(reads_back(spool, 500000, 1));
    /* filling goes on: what was written is not written again */
    add_octets(spool, 500000, 500000, 1);
    mw_spool_run_jobs(spool);
    CHECK_INT(mw_spool_backlog(spool), 0);
    mw_spool_rewind(spool);
    CHECK(reads_back(spool, 1000000, 1));
    mw_spool_free(&spool);
    tear_down();
}

TEST(rewind_while_a_read_is_under_way_starts_anew)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 0);
    fill(spool, 600000, 65536, 1);
    mw_spool_run_jobs(spool);
    mw_spool_rewind(spool);
    struct mw_slice octets;
    struct mw_spool_job job;
    CHECK_INT(mw_spool_next(spool, &octets), MW_AGAIN);
    mw_spool_run_jobs(spool);
    CHECK_INT(mw_spool_next(spool, &octets), MW_OK);
    CHECK_INT(mw_spool_next(spool, &octets), MW_AGAIN);
    CHECK(mw_spool_job(spool, &job)); /* for the second piece */
    mw_spool_rewind(spool);
    CHECK_INT(mw_spool_next(spool, &octets), MW_AGAIN);
    run_short(spool, &job, job.len);
    CHECK(reads_back(spool, 600000, 1));
    mw_spool_free(&spool);
    tear_down();
}

TEST(truncated_spool_takes_a_new_body)
{
    set_up();
    struct mw_spool *spool = mw_spool_new(&files, 2000);
    fill(spool, 900000, 65536, 1);
    mw_spool_run_jobs(spool);
    mw_spool_truncate(spool);
    CHECK_INT(mw_spool_size(spool), 0);
    CHECK_INT(files.idle_count, 1);
    fill(spool, 700000, 65536, 2);
    mw_spool_run_jobs(spool);
    mw_spool_rewind(spool);
    CHECK(reads_back(spool, 700000, 2));
    mw_spool_free(&spool);
    mw_spool_free(&spool);
    tear_down();
}

/* Random order of everything a session may do; a plain buffer is the oracle. */
TEST(random_use_agrees_with_a_plain_buffer)
{
    set_up();
    uint64_t random = 99;
    for (int round = 0; round < 60; round++) {
        size_t memory_max = (size_t)(mw_test_random(&random) % 400000);
        struct mw_spool *spool = mw_spool_new(&files, memory_max);
        uint64_t size = 0;
        for (int step = 0; step < 40; step++) {
            struct mw_spool_job job;
            struct mw_slice view;
            switch (mw_test_random(&random) % 6) {
            case 0:
            case 1: {
                size_t len = 1 + (size_t)(mw_test_random(&random) % 150000);
                add_octets(spool, size, len, 5);
                size += len;
                break;
            }
            case 2:
                if (mw_spool_job(spool, &job))
                    run_short(spool, &job, 1 + (size_t)(mw_test_random(&random) % 200000));
                break;
            case 3:
                CHECK_INT(mw_spool_view(spool, (size_t)(mw_test_random(&random) % 500000), &view),
                          MW_OK);
                CHECK(is_pattern(view, 0, 5));
                break;
            case 4:
                mw_spool_rewind(spool);
                for (uint64_t pieces = mw_test_random(&random) % 4, at = 0; pieces > 0; pieces--) {
                    if (mw_spool_next(spool, &view) != MW_OK) {
                        mw_spool_run_jobs(spool);
                        continue;
                    }
                    CHECK(is_pattern(view, at, 5));
                    at += view.len;
                }
                break;
            default:
                mw_spool_rewind(spool);
                CHECK(reads_back(spool, size, 5));
                break;
            }
            CHECK_INT(mw_spool_size(spool), size);
        }
        mw_spool_free(&spool);
    }
    tear_down();
}
