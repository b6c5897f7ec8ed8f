/* test_sink.c - the sink inside another program: start, serve, stop at any moment, nothing left on
 * the loop. The dialogue itself is tested from outside (tests/system/sink). */
#include "cli/sink.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "test.h"

/* A sink, and a client of it on the same loop. */
struct bench {
    uv_loop_t loop;
    struct mw_net net;
    struct mw_sink *sink;
    struct mw_conn client;
    struct mw_queue out;
    struct mw_buf got;
    bool is_over, is_closed;
    char folder[64], last_line[256];
    uint64_t stop_at; /* octets received after which the sink is stopped; 0: never */
};

static struct bench *bench_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct bench, client);
}

static void on_connected(struct mw_conn *conn, enum mw_err err, const char *text)
{
    (void)text;
    if (err == MW_OK)
        mw_conn_read_start(conn);
    bench_of(conn)->is_over = err != MW_OK;
}

static void on_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct bench *bench = bench_of(conn);
    mw_buf_put(&bench->got, octets);
    if (bench->stop_at > 0 && bench->got.len >= bench->stop_at)
        mw_sink_stop(&bench->sink);
}

static void on_eof(struct mw_conn *conn, const char *text)
{
    (void)text;
    bench_of(conn)->is_over = true;
}

static void on_drained(struct mw_conn *conn)
{
    (void)conn;
}

static void on_closed(struct mw_conn *conn)
{
    bench_of(conn)->is_closed = true;
}

static const struct mw_conn_ops ops = {
    .on_connected = on_connected,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

static void on_line(void *user, const char *line)
{
    struct bench *bench = user;
    snprintf(bench->last_line, sizeof bench->last_line, "%s", line);
}

static bool start(struct bench *bench, bool is_discarding)
{
    const char *error = NULL;
    char maildir[80];
    struct mw_sink_config config = {.on_line = on_line, .user = bench};
    uv_loop_init(&bench->loop);
    mw_net_init(&bench->net, &bench->loop);
    memcpy(bench->folder, "/tmp/mw-sink-XXXXXX", sizeof "/tmp/mw-sink-XXXXXX");
    if (mkdtemp(bench->folder) == NULL ||
        mw_endpoint_parse(MW_LIT("127.0.0.1:0"), false, &config.listen) != MW_OK)
        return false;
    snprintf(maildir, sizeof maildir, "%s/Maildir", bench->folder);
    config.maildir = is_discarding ? NULL : maildir;
    bench->sink = mw_sink_start(&bench->net, &config, &error);
    if (bench->sink == NULL)
        return false;
    struct mw_endpoint endpoint = mw_sink_endpoint(bench->sink);
    return endpoint.port != 0 &&
           mw_conn_connect(&bench->client, &bench->net, &endpoint, &ops, &error) == MW_OK;
}

/* Turn until the client has `len` octets or its connection is over. */
static void turn(struct bench *bench, size_t len)
{
    while (!bench->is_over && bench->got.len < len)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static void say(struct bench *bench, const char *text)
{
    mw_queue_add(&bench->out, mw_slice_cstr(text));
    mw_conn_flush(&bench->client, &bench->out);
}

static int count_files(struct bench *bench, const char *where, bool remove_them)
{
    char path[400];
    snprintf(path, sizeof path, "%s/Maildir/%s", bench->folder, where);
    DIR *folder = opendir(path);
    int count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (remove_them)
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder != NULL)
        closedir(folder);
    if (remove_them)
        rmdir(path);
    return count;
}

/* Everything closed and nothing left? */
static bool finish(struct bench *bench)
{
    char path[100];
    mw_sink_stop(&bench->sink);
    mw_sink_stop(&bench->sink); /* no harm */
    mw_conn_close(&bench->client, false);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    mw_queue_fini(&bench->out);
    mw_buf_fini(&bench->got);
    mw_net_fini(&bench->net);
    count_files(bench, "tmp", true);
    count_files(bench, "new", true);
    count_files(bench, "cur", true);
    snprintf(path, sizeof path, "%s/Maildir", bench->folder);
    rmdir(path);
    rmdir(bench->folder);
    return bench->is_closed && uv_loop_close(&bench->loop) == 0;
}

static const char message[] =
    "EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nx\r\n.\r\n";

static bool has_text(const struct bench *bench, const char *text)
{
    return memmem(bench->got.ptr, bench->got.len, text, strlen(text)) != NULL;
}

TEST(sink_inside_a_program_stores_a_message)
{
    struct bench bench = {0};
    CHECK(start(&bench, false));
    turn(&bench, 1);
    say(&bench, message);
    while (!bench.is_over && !has_text(&bench, "queued as"))
        uv_run(&bench.loop, UV_RUN_ONCE);
    CHECK_INT(mw_sink_messages(bench.sink), 1);
    CHECK_INT(count_files(&bench, "new", false), 1);
    CHECK_INT(count_files(&bench, "tmp", false), 0);
    CHECK(strstr(bench.last_line, "from=<a@example.net> to=<b@example.test>") != NULL);
    CHECK(finish(&bench));
}

TEST(sink_stopped_before_anybody_came_leaves_nothing)
{
    struct bench bench = {0};
    CHECK(start(&bench, true));
    mw_sink_stop(&bench.sink);
    CHECK(finish(&bench));
}

TEST(sink_stopped_in_the_middle_of_a_session_closes_it)
{
    struct bench bench = {.stop_at = 10};
    CHECK(start(&bench, true));
    turn(&bench, 100000);
    CHECK(bench.is_over);
    CHECK(bench.sink == NULL);
    CHECK(finish(&bench));
}

/* The stop falls into the time in which the message is on its way to the disk: it arrives whole, or
 * not at all. */
TEST(sink_stopped_while_storing_leaves_no_half_message)
{
    struct bench bench = {0};
    CHECK(start(&bench, false));
    turn(&bench, 1);
    say(&bench, message);
    while (!bench.is_over && !has_text(&bench, "354"))
        uv_run(&bench.loop, UV_RUN_ONCE);
    mw_sink_stop(&bench.sink);
    while (!bench.is_over)
        uv_run(&bench.loop, UV_RUN_ONCE);
    mw_conn_close(&bench.client, false);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    CHECK_INT(count_files(&bench, "tmp", false), 0);
    CHECK(count_files(&bench, "new", false) <= 1);
    CHECK(finish(&bench));
}

TEST(sink_that_cannot_start_says_why)
{
    struct bench bench = {0};
    const char *error = NULL;
    struct mw_sink_config config = {0};
    CHECK(start(&bench, true));
    config.listen = mw_sink_endpoint(bench.sink);
    CHECK(mw_sink_start(&bench.net, &config, &error) == NULL);
    CHECK(error != NULL && strlen(error) > 0);
    config.maildir = "/nonexistent/a/b";
    CHECK(mw_sink_start(&bench.net, &config, &error) == NULL);
    CHECK(finish(&bench));
}
