/* test_control.c - the control socket: requests and replies however they are cut, its bounds and
 * deadlines, and its file in the file system. */
#include "ops/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

static uv_loop_t loop;
static char directory[64], path[80], text[256];
static struct mw_control *control;
static char asked[2048]; /* requests, a bar behind each */
static size_t reply_len; /* of the answer to "much" */

static void answer(void *user, struct mw_slice request, struct mw_buf *out)
{
    size_t len = strlen(asked);
    CHECK(user == &loop);
    snprintf(asked + len, sizeof asked - len, "%.*s|", (int)request.len, request.ptr);
    if (mw_slice_eq(request, MW_LIT("much"))) {
        for (size_t i = 0; i < 200000; i++)
            mw_buf_put(out, MW_LIT("0123456789\n"));
        reply_len = out->len + 2;
        return;
    }
    mw_buf_put(out, MW_LIT("you said "));
    mw_buf_put(out, request);
    mw_buf_putc(out, '\n');
}

static enum mw_err reopen(void)
{
    text[0] = '\0';
    return mw_control_open(&loop, path, answer, &loop, &control, text, sizeof text);
}

static bool begin(void)
{
    snprintf(directory, sizeof directory, "/tmp/mailweir-control-XXXXXX");
    asked[0] = '\0';
    if (mkdtemp(directory) == NULL || uv_loop_init(&loop) != 0)
        return false;
    snprintf(path, sizeof path, "%s/ctl", directory);
    return reopen() == MW_OK;
}

/* True: the file is gone, and nothing is left on the loop. */
static bool finish(void)
{
    mw_control_close(&control);
    uv_run(&loop, UV_RUN_DEFAULT);
    return access(path, F_OK) != 0 && rmdir(directory) == 0 && uv_loop_close(&loop) == 0;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void put(int fd, const char *octets)
{
    if (send(fd, octets, strlen(octets), MSG_NOSIGNAL) < 0)
        printf("send: %s\n", strerror(errno));
    turn();
}

/* What has come, NUL-terminated. */
static const char *got(int fd)
{
    static char octets[4096];
    turn();
    ssize_t len = recv(fd, octets, sizeof octets - 1, MSG_DONTWAIT);
    octets[len > 0 ? len : 0] = '\0';
    return octets;
}

/* The other side has closed, and nothing more is to come. */
static bool is_closed(int fd)
{
    char octet;
    turn();
    ssize_t len = recv(fd, &octet, 1, MSG_DONTWAIT);
    return len == 0 || (len < 0 && errno == ECONNRESET);
}

#define CHECK_GOT(fd, want)                        \
    do {                                           \
        const char *octets_ = got(fd);             \
        CHECK_MEM(octets_, strlen(octets_), want); \
    } while (0)

/* ---- requests and replies ---- */

TEST(request_gets_lines_and_a_dot)
{
    CHECK(begin());
    int fd = dial();
    put(fd, "counters\n");
    CHECK_GOT(fd, "you said counters\n.\n");
    put(fd, "version\r\n"); /* and a further one */
    CHECK_GOT(fd, "you said version\n.\n");
    CHECK_MEM(asked, strlen(asked), "counters|version|");
    close(fd);
    CHECK(finish());
}

TEST(request_comes_in_pieces_and_in_heaps)
{
    CHECK(begin());
    int fd = dial();
    put(fd, "he");
    CHECK_GOT(fd, "");
    put(fd, "lp\nversion\n\nco");
    CHECK_GOT(fd, "you said help\n.\nyou said version\n.\nyou said \n.\n");
    put(fd, "unters x\n");
    CHECK_GOT(fd, "you said counters x\n.\n");
    close(fd);
    CHECK(finish());
}

TEST(request_longer_than_its_limit_ends_the_connection)
{
    CHECK(begin());
    char line[MW_CONTROL_REQUEST_MAX + 1];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    int fd = dial();
    line[sizeof line - 2] = '\n'; /* just as long as it may be */
    put(fd, line);
    CHECK_INT(strlen(got(fd)), 9 + MW_CONTROL_REQUEST_MAX + 2);
    line[sizeof line - 2] = 'x';
    put(fd, line);
    CHECK_GOT(fd, "error: the request is too long\n.\n");
    CHECK(is_closed(fd));
    close(fd);
    CHECK(finish());
}

TEST(request_cut_off_is_no_request)
{
    CHECK(begin());
    int fd = dial();
    put(fd, "version");
    close(fd);
    turn();
    CHECK_MEM(asked, strlen(asked), "");
    fd = dial();
    put(fd, "version\n");
    shutdown(fd, SHUT_WR); /* a client that asks once and half-closes has its answer */
    CHECK_GOT(fd, "you said version\n.\n");
    CHECK(is_closed(fd));
    close(fd);
    CHECK(finish());
}

TEST(reply_that_is_long_arrives_whole)
{
    CHECK(begin());
    static char octets[65536];
    size_t total = 0;
    int fd = dial();
    put(fd, "much\nversion\n");
    CHECK_MEM(asked, strlen(asked), "much|"); /* the next one waits for its turn */
    while (total < reply_len) {
        ssize_t len = recv(fd, octets, sizeof octets, MSG_DONTWAIT);
        total += len > 0 ? (size_t)len : 0;
        CHECK(len > 0 || errno == EAGAIN);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    CHECK_MEM(asked, strlen(asked), "much|version|");
    close(fd);
    CHECK(finish());
}

/* ---- bounds ---- */

TEST(ninth_connection_is_refused)
{
    CHECK(begin());
    int fds[MW_CONTROL_CONNECTIONS_MAX + 1];
    for (int i = 0; i <= MW_CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = dial();
        CHECK(fds[i] >= 0);
        turn();
    }
    CHECK_GOT(fds[MW_CONTROL_CONNECTIONS_MAX], "error: too many connections\n.\n");
    CHECK(is_closed(fds[MW_CONTROL_CONNECTIONS_MAX]));
    close(fds[MW_CONTROL_CONNECTIONS_MAX]);
    put(fds[0], "help\n"); /* the others have not noticed */
    CHECK_GOT(fds[0], "you said help\n.\n");
    close(fds[1]);
    turn();
    int fd = dial();
    put(fd, "help\n");
    CHECK_GOT(fd, "you said help\n.\n");
    close(fd);
    for (int i = 0; i < MW_CONTROL_CONNECTIONS_MAX; i++)
        if (i != 1)
            close(fds[i]);
    CHECK(finish());
}

/* Time passes by the loop's own clock only: what a timer is set to is what counts. */
static uint64_t next_due;
static void note_timer(uv_handle_t *handle, void *user)
{
    (void)user;
    if (handle->type == UV_TIMER && uv_is_active(handle))
        next_due = uv_timer_get_due_in((uv_timer_t *)handle);
}

TEST(silence_and_unread_replies_have_a_deadline)
{
    CHECK(begin());
    int fd = dial();
    turn();
    next_due = 0;
    uv_walk(&loop, note_timer, NULL);
    CHECK(next_due > MW_CONTROL_WAIT_MS - 2000 && next_due <= MW_CONTROL_WAIT_MS);
    put(fd, "much\n"); /* and does not read */
    next_due = 0;
    uv_walk(&loop, note_timer, NULL);
    CHECK(next_due > MW_CONTROL_WAIT_MS - 2000 && next_due <= MW_CONTROL_WAIT_MS);
    mw_control_close(&control); /* in the middle of a reply */
    uv_run(&loop, UV_RUN_DEFAULT);
    close(fd);
    CHECK(finish());
}

static void ring_now(uv_handle_t *handle, void *user)
{
    (void)user;
    if (handle->type == UV_TIMER && uv_is_active(handle)) {
        uv_timer_t *timer = (uv_timer_t *)handle;
        uv_timer_start(timer, timer->timer_cb, 0, 0);
    }
}

TEST(deadline_closes_the_connection)
{
    CHECK(begin());
    int fds[2] = {dial(), dial()};
    turn();
    put(fds[1], "much\n");
    CHECK(!is_closed(fds[0]));
    uv_walk(&loop, ring_now, NULL);
    turn();
    CHECK(is_closed(fds[0]));
    char octets[65536];
    ssize_t len;
    size_t total = 0;
    while ((len = recv(fds[1], octets, sizeof octets, MSG_DONTWAIT)) > 0)
        total += (size_t)len;
    CHECK_INT(len, 0);
    CHECK(total < reply_len);
    close(fds[0]);
    close(fds[1]);
    CHECK(finish());
}

/* ---- the file ---- */

TEST(file_is_for_user_and_group)
{
    struct stat file;
    mode_t before = umask(0077);
    CHECK(begin());
    umask(before);
    CHECK(stat(path, &file) == 0);
    CHECK_INT(file.st_mode & 07777, 0660);
    CHECK(finish());
}

TEST(file_of_a_dead_process_is_replaced)
{
    CHECK(begin());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mw_control_close(&control);
    uv_run(&loop, UV_RUN_DEFAULT);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(dead, (struct sockaddr *)&address, sizeof address) == 0);
    close(dead);
    CHECK_INT(reopen(), MW_OK);
    int fd = dial();
    put(fd, "help\n");
    CHECK_GOT(fd, "you said help\n.\n");
    close(fd);
    CHECK(finish());
}

TEST(file_of_a_living_process_is_left_alone)
{
    CHECK(begin());
    struct mw_control *first = control;
    CHECK_INT(reopen(), MW_ERR_IO);
    CHECK_MEM(text, strlen(text), "another process listens there");
    CHECK(control == first);
    int fd = dial();
    put(fd, "help\n");
    CHECK_GOT(fd, "you said help\n.\n");
    close(fd);
    CHECK(finish());
}

TEST(file_that_is_no_socket_is_left_alone)
{
    CHECK(begin());
    mw_control_close(&control);
    uv_run(&loop, UV_RUN_DEFAULT);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, "precious", 8), 8);
    close(fd);
    CHECK_INT(reopen(), MW_ERR_IO);
    CHECK_MEM(text, strlen(text), "a file that is no socket is in the way");
    CHECK(control == NULL);
    struct stat file;
    CHECK(stat(path, &file) == 0 && file.st_size == 8);
    CHECK(unlink(path) == 0);
    CHECK(finish());
}

TEST(path_that_cannot_be_is_told)
{
    CHECK(begin());
    CHECK(finish());
    CHECK(uv_loop_init(&loop) == 0);
    CHECK_INT(reopen(), MW_ERR_IO); /* the directory has gone */
    CHECK_MEM(text, strlen(text), "No such file or directory");
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CHECK_INT(mw_control_open(&loop, longer, answer, &loop, &control, text, sizeof text),
              MW_ERR_IO);
    CHECK_MEM(text, strlen(text), "the path is empty or too long");
    CHECK(uv_loop_close(&loop) == 0);
}

/* Somebody has put a socket of his own there meanwhile. */
TEST(file_of_another_is_not_removed_at_the_end)
{
    CHECK(begin());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int keep = open(path, O_PATH | O_CLOEXEC); /* so that its inode is not used again */
    CHECK(unlink(path) == 0);
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(other, (struct sockaddr *)&address, sizeof address) == 0);
    mw_control_close(&control);
    CHECK(access(path, F_OK) == 0);
    close(other);
    close(keep);
    CHECK(unlink(path) == 0);
    CHECK(finish());
}
