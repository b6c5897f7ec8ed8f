/* test_conn.c - connections over socketpairs and loopback: what arrives, what waits, how it ends,
 * who is told how often. */
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "test.h"

/* A connection that notes everything, and does on the next callback what the test asked for. */
struct end {
    struct mw_conn conn;
    struct mw_queue out;
    struct mw_buf got;
    int reads, eofs, drains, connects, closes;
    enum mw_err connect_err;
    char text[80]; /* of on_eof or on_connected */
    bool stop_on_read, close_on_read, close_on_eof, close_on_drained, discard;
    struct mw_slice reply_on_drained;
};

static uv_loop_t loop;
static struct mw_net net;
static uint64_t callbacks;

static struct end *end_of(struct mw_conn *conn)
{
    return mw_container_of(conn, struct end, conn);
}

static void note(struct end *end, const char *text)
{
    snprintf(end->text, sizeof end->text, "%s", text != NULL ? text : "");
}

static void on_connected(struct mw_conn *conn, enum mw_err err, const char *text)
{
    struct end *end = end_of(conn);
    callbacks++;
    end->connects++;
    end->connect_err = err;
    note(end, text);
}

static void on_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct end *end = end_of(conn);
    callbacks++;
    end->reads++;
    if (!end->discard)
        mw_buf_put(&end->got, octets);
    if (end->stop_on_read)
        mw_conn_read_stop(conn);
    if (end->close_on_read)
        mw_conn_close(conn, false);
}

static void on_eof(struct mw_conn *conn, const char *text)
{
    struct end *end = end_of(conn);
    callbacks++;
    end->eofs++;
    note(end, text);
    if (end->close_on_eof)
        mw_conn_close(conn, false);
}

static void on_drained(struct mw_conn *conn)
{
    struct end *end = end_of(conn);
    callbacks++;
    end->drains++;
    if (end->reply_on_drained.len > 0) {
        mw_queue_borrow(&end->out, end->reply_on_drained);
        end->reply_on_drained.len = 0;
        mw_conn_flush(conn, &end->out);
    }
    if (end->close_on_drained)
        mw_conn_close(conn, false);
}

static void on_closed(struct mw_conn *conn)
{
    callbacks++;
    end_of(conn)->closes++;
}

static const struct mw_conn_ops ops = {.on_connected = on_connected,
                                       .on_read = on_read,
                                       .on_eof = on_eof,
                                       .on_drained = on_drained,
                                       .on_closed = on_closed};

static void on_tick(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static bool turn_timed(const int *counter, int want, uint64_t ms)
{
    bool is_late = false;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &is_late;
    uv_update_time(
        &loop); /* else the timer may fire before uv_run polls, and the poll has no end */
    uv_timer_start(&timer, on_tick, ms, ms);
    while (!is_late && (counter == NULL || *counter < want))
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return counter == NULL || *counter >= want;
}

/* Turn the loop until *counter reaches `want`, at most `ms`. NULL: for `ms`, and on a busy machine,
 * where that may be two turns, for a few more. */
static bool turn_until(const int *counter, int want, uint64_t ms)
{
    bool is_there = turn_timed(counter, want, ms);
    for (int i = 0; counter == NULL && i < 50; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    return is_there;
}

static void set_up(void)
{
    uv_loop_init(&loop);
    mw_net_init(&net, &loop);
}

static void end_fini(struct end *end)
{
    mw_queue_fini(&end->out);
    mw_buf_fini(&end->got);
}

/* Closes what is open and checks that nothing is left on the loop and on_closed came once. */
static bool tear_down(struct end *a, struct end *b)
{
    bool is_good = true;
    struct end *ends[] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (ends[i] == NULL)
            continue;
        mw_conn_close(&ends[i]->conn, false);
        mw_conn_close(&ends[i]->conn, true); /* idempotent */
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) {
        if (ends[i] == NULL)
            continue;
        is_good = is_good && ends[i]->closes == 1;
        end_fini(ends[i]);
    }
    mw_net_fini(&net);
    return uv_loop_close(&loop) == 0 && is_good;
}

/* Two ends on the loop, and a plain descriptor against one end. */
static bool open_pair(struct end *a, struct end *b)
{
    int fds[2];
    set_up();
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0 &&
           mw_conn_init(&a->conn, &net, fds[0], &ops) == MW_OK &&
           mw_conn_init(&b->conn, &net, fds[1], &ops) == MW_OK;
}

static int open_half(struct end *a)
{
    int fds[2];
    set_up();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
        mw_conn_init(&a->conn, &net, fds[0], &ops) != MW_OK)
        return -1;
    return fds[1];
}

static int listen_tcp(struct mw_endpoint *out_endpoint)
{
    const char *text = NULL;
    *out_endpoint = (struct mw_endpoint){.kind = MW_ENDPOINT_INET};
    (void)!mw_inet_parse(MW_LIT("127.0.0.1"), &out_endpoint->address);
    int fd = mw_listen_socket(out_endpoint, false, &text);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &len);
    mw_inet_from_sockaddr((struct sockaddr *)&name, &out_endpoint->address, &out_endpoint->port);
    return fd;
}

/* A connection to a plain accepted socket, over TCP. */
static int open_tcp(struct end *a)
{
    struct mw_endpoint to;
    const char *text = "";
    set_up();
    int listening = listen_tcp(&to);
    if (mw_conn_connect(&a->conn, &net, &to, &ops, &text) != MW_OK ||
        !turn_until(&a->connects, 1, 5000))
        return -1;
    int fd = accept(listening, NULL, NULL);
    close(listening);
    return a->connect_err == MW_OK ? fd : -1;
}

static void send_text(struct end *end, const char *text)
{
    mw_queue_borrow(&end->out, mw_slice_cstr(text));
    mw_conn_flush(&end->conn, &end->out);
}

static void send_block(struct end *end, size_t size)
{
    char *block = malloc(size);
    for (size_t i = 0; i < size; i++)
        block[i] = (char)('a' + i % 26);
    mw_queue_borrow(&end->out, MW_SLICE(block, size));
    mw_conn_flush(&end->conn, &end->out);
    memset(block, '!', size); /* what was borrowed must have been copied */
    free(block);
}

static bool is_block(const struct mw_buf *buf, size_t size)
{
    bool is_good = buf->len == size;
    for (size_t i = 0; is_good && i < size; i++)
        is_good = buf->ptr[i] == (char)('a' + i % 26);
    return is_good;
}

/* ---- reading ---- */

TEST(conn_with_reading_on_delivers_what_was_written)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    mw_conn_read_start(&b.conn);
    send_text(&a, "EHLO weir.test\r\n");
    CHECK(turn_until(&b.reads, 1, 5000));
    CHECK_MEM(b.got.ptr, b.got.len, "EHLO weir.test\r\n");
    CHECK_INT(a.conn.octets_out, 16);
    CHECK_INT(b.conn.octets_in, 16);
    CHECK_INT(a.drains, 0); /* all of it was written at once */
    CHECK(a.out.pieces == NULL);
    CHECK(tear_down(&a, &b));
}

TEST(conn_with_reading_off_delivers_nothing_and_does_not_spin)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    mw_conn_read_start(&b.conn);
    mw_conn_read_stop(&b.conn);
    send_text(&a, "x");
    turn_until(NULL, 0, 30);
    CHECK_INT(b.reads, 0);
    CHECK_INT(b.conn.wanted, 0); /* the descriptor has left the epoll set */
    mw_conn_read_start(&b.conn);
    CHECK(turn_until(&b.reads, 1, 5000));
    CHECK(tear_down(&a, &b));
}

TEST(conn_paused_and_resumed_without_traffic_keeps_its_watch)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    mw_conn_read_start(&b.conn);
    CHECK_INT(b.conn.wanted, UV_READABLE);
    mw_conn_read_stop(&b.conn);
    CHECK_INT(b.conn.wanted, UV_READABLE); /* dropped only when its event comes */
    mw_conn_read_start(&b.conn);
    send_text(&a, "x");
    CHECK(turn_until(&b.reads, 1, 5000));
    CHECK_INT(b.conn.wanted, UV_READABLE);
    CHECK(tear_down(&a, &b));
}

TEST(conn_stopped_inside_on_read_gets_one_read_a_start)
{
    struct end a = {0};
    a.stop_on_read = true;
    int peer = open_tcp(&a);
    CHECK(peer >= 0);
    mw_conn_read_start(&a.conn);
    CHECK_INT(write(peer, "one", 3), 3);
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_INT(write(peer, "two", 3), 3);
    turn_until(NULL, 0, 30);
    CHECK_MEM(a.got.ptr, a.got.len, "one");
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.reads, 2, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "onetwo");
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_end_of_stream_comes_once_behind_the_octets)
{
    struct end a = {0};
    int peer = open_half(&a);
    CHECK_INT(write(peer, "QUIT\r\n", 6), 6);
    close(peer);
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "QUIT\r\n");
    CHECK_MEM(a.text, strlen(a.text), "");
    mw_conn_read_start(&a.conn); /* of no effect */
    turn_until(NULL, 0, 20);
    CHECK_INT(a.eofs, 1);
    CHECK_INT(a.conn.wanted, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_half_closed_by_the_peer_can_still_write)
{
    struct end a = {0};
    char octets[64];
    int peer = open_tcp(&a);
    mw_conn_read_start(&a.conn);
    shutdown(peer, SHUT_WR);
    CHECK(turn_until(&a.eofs, 1, 5000));
    send_text(&a, "221 bye\r\n");
    CHECK_INT(read(peer, octets, sizeof octets), 9);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_reset_by_the_peer_says_so_once)
{
    struct end a = {0};
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int peer = open_tcp(&a);
    mw_conn_read_start(&a.conn);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.text, strlen(a.text), strerror(ECONNRESET));
    turn_until(NULL, 0, 20);
    CHECK_INT(a.eofs, 1);
    send_text(&a, "nobody hears this");
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_reset_while_paused_does_not_spin_and_is_told_on_resume)
{
    struct end a = {0};
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int peer = open_tcp(&a);
    mw_conn_read_start(&a.conn);
    mw_conn_read_stop(&a.conn);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer);
    turn_until(NULL, 0, 30);
    CHECK_INT(a.eofs, 0);
    CHECK_INT(a.conn.wanted, 0);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK(tear_down(&a, NULL));
}

static int loop_turns;

static void on_check(uv_check_t *check)
{
    (void)check;
    loop_turns++;
}

TEST(conn_hung_up_while_paused_lets_the_loop_sleep)
{
    struct end a = {0};
    uv_check_t check;
    int peer = open_half(&a);
    mw_conn_read_start(&a.conn);
    mw_conn_read_stop(&a.conn);
    CHECK_INT(write(peer, "x", 1), 1);
    close(peer); /* EPOLLHUP, which cannot be masked, from now on */
    uv_check_init(&loop, &check);
    loop_turns = 0;
    uv_check_start(&check, on_check);
    turn_timed(NULL, 0, 50);
    CHECK(loop_turns < 6);
    uv_close((uv_handle_t *)&check, NULL);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_full_buffers_are_taken_up_to_four_a_turn)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 3 * 1024 * 1024 };
    CHECK(open_pair(&a, &b));
    mw_conn_read_start(&b.conn);
    send_block(&a, SIZE);
    CHECK(turn_until(&a.drains, 1, 20000));
    while (b.got.len < SIZE)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(is_block(&b.got, SIZE));
    CHECK(tear_down(&a, &b));
}

/* ---- writing ---- */

TEST(conn_with_a_tiny_socket_buffer_writes_in_order_and_reports_drained_once)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 700000 };
    int tiny = 1;
    CHECK(open_pair(&a, &b));
    setsockopt(a.conn.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    send_block(&a, SIZE);
    CHECK(a.conn.is_blocked);
    CHECK_INT(a.conn.wanted, UV_WRITABLE);
    mw_conn_read_start(&b.conn);
    CHECK(turn_until(&a.drains, 1, 20000));
    while (b.got.len < SIZE)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(is_block(&b.got, SIZE));
    CHECK_INT(a.drains, 1);
    CHECK_INT(a.conn.wanted, 0);
    CHECK(a.out.pieces == NULL);
    CHECK(tear_down(&a, &b));
}

TEST(conn_flushed_while_blocked_appends)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    send_block(&a, 1000012); /* ends in "...l" of the alphabet's row: 1000012 % 26 == 0 */
    CHECK(a.conn.is_blocked);
    send_block(&a, 26);
    a.reply_on_drained = MW_LIT("abc");
    mw_conn_read_start(&b.conn);
    CHECK(turn_until(&a.drains, 1, 20000));
    while (b.got.len < 1000041)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(is_block(&b.got, 1000041));
    CHECK(tear_down(&a, &b));
}

TEST(conn_writes_more_pieces_than_one_call_takes)
{
    struct end a = {0}, b = {0};
    static char pieces[1000][16];
    CHECK(open_pair(&a, &b));
    for (int i = 999; i >= 0; i--) { /* backwards, so that no piece continues the one before it */
        memset(pieces[i], 'a' + i % 26, sizeof pieces[i]);
        mw_queue_borrow(&a.out, MW_SLICE(pieces[i], sizeof pieces[i]));
    }
    mw_conn_flush(&a.conn, &a.out);
    CHECK_INT(a.conn.octets_out, 16000);
    mw_conn_read_start(&b.conn);
    CHECK(turn_until(&b.reads, 1, 5000));
    CHECK_INT(b.got.len, 16000);
    CHECK_INT(b.got.ptr[0], pieces[999][0]);
    CHECK_INT(b.got.ptr[15999], pieces[0][0]);
    CHECK(tear_down(&a, &b));
}

TEST(conn_with_a_stalled_peer_holds_the_rest_and_sleeps)
{
    struct end a = {0};
    int peer = open_half(&a);
    send_block(&a, 4 * 1024 * 1024);
    CHECK(a.conn.is_blocked);
    uint64_t before = callbacks;
    turn_until(NULL, 0, 30);
    CHECK_INT(callbacks, before);
    CHECK(mw_queue_len(&a.out) > 0);
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_peer_gone_while_writing_is_told_once_without_a_signal)
{
    struct end a = {0};
    int peer = open_half(&a);
    mw_conn_read_start(&a.conn);
    CHECK_INT(write(peer, "last words", 10), 10);
    close(peer);
    send_text(&a, "x");   /* EPIPE; a SIGPIPE would end this test */
    CHECK_INT(a.eofs, 0); /* never from inside the call */
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "last words");
    CHECK_MEM(a.text, strlen(a.text), strerror(EPIPE));
    turn_until(NULL, 0, 20);
    CHECK_INT(a.eofs, 1);
    CHECK_INT(a.drains, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_peer_gone_while_blocked_and_paused_is_told)
{
    struct end a = {0};
    int peer = open_half(&a);
    send_block(&a, 4 * 1024 * 1024);
    CHECK(a.conn.is_blocked);
    close(peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_INT(a.drains, 0);
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK_INT(a.conn.wanted, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_reset_while_blocked_and_reading_is_told_once)
{
    struct end a = {0};
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int peer = open_tcp(&a);
    mw_conn_read_start(&a.conn);
    send_block(&a, 16 * 1024 * 1024);
    CHECK(a.conn.is_blocked);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    turn_until(NULL, 0, 20);
    CHECK_INT(a.eofs, 1);
    CHECK_INT(a.drains, 0);
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(tear_down(&a, NULL));
}

/* ---- closing ---- */

TEST(conn_closed_inside_on_read_gets_nothing_more)
{
    struct end a = {0};
    int peer = open_half(&a);
    a.close_on_read = true;
    mw_conn_read_start(&a.conn);
    CHECK_INT(write(peer, "x", 1), 1);
    CHECK(turn_until(&a.closes, 1, 5000));
    CHECK_INT(a.reads, 1);
    CHECK_INT(a.eofs, 0);
    char octet;
    CHECK_INT(read(peer, &octet, 1), 0);
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_closed_inside_on_eof_and_on_drained_is_safe)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    a.close_on_drained = true;
    b.close_on_eof = true;
    send_block(&a, 1000000);
    mw_conn_read_start(&b.conn);
    CHECK(turn_until(&b.closes, 1, 20000));
    CHECK(is_block(&b.got, 1000000));
    CHECK_INT(a.closes, 1);
    CHECK(tear_down(&a, &b));
}

TEST(conn_calls_after_close_do_nothing)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    mw_conn_close(&a.conn, false);
    mw_conn_read_start(&a.conn);
    send_text(&a, "x");
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    CHECK_INT(a.closes, 0); /* comes from the loop */
    CHECK(tear_down(&a, &b));
}

TEST(conn_close_delivers_the_last_reply_although_octets_are_unread)
{
    struct end a = {0};
    char octets[64];
    int peer = open_tcp(&a);
    CHECK_INT(write(peer, "noise that nobody reads", 23), 23);
    turn_until(NULL, 0, 5);
    send_text(&a, "421 closing\r\n");
    mw_conn_close(&a.conn, false);
    turn_until(NULL, 0, 5);
    CHECK_INT(read(peer, octets, sizeof octets), 13);
    CHECK_INT(read(peer, octets, sizeof octets), 0); /* FIN, not RST */
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(conn_close_with_reset_sends_one)
{
    struct end a = {0};
    char octet;
    int peer = open_tcp(&a);
    mw_conn_close(&a.conn, true);
    CHECK_INT(read(peer, &octet, 1), -1);
    CHECK_INT(errno, ECONNRESET);
    close(peer);
    CHECK(tear_down(&a, NULL));
}

/* ---- is the peer there ---- */

TEST(peer_present_looks_behind_nothing)
{
    struct end a = {0};
    char octets[8];
    int peer = open_tcp(&a);
    CHECK(mw_conn_is_peer_present(&a.conn));
    CHECK_INT(write(peer, "QUIT", 4), 4);
    close(peer);
    turn_until(NULL, 0, 5);
    CHECK(mw_conn_is_peer_present(&a.conn)); /* octets first: they may be a command */
    CHECK_INT(recv(a.conn.fd, octets, sizeof octets, 0), 4);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    CHECK_INT(a.eofs, 0);
    CHECK(tear_down(&a, NULL));
}

/* ---- connecting ---- */

TEST(connect_to_nobody_is_refused_with_a_text)
{
    struct end a = {0};
    struct mw_endpoint to;
    const char *text = "";
    set_up();
    close(listen_tcp(&to));
    enum mw_err err = mw_conn_connect(&a.conn, &net, &to, &ops, &text);
    if (err != MW_OK) { /* some kernels say so at once */
        CHECK_MEM(text, strlen(text), strerror(ECONNREFUSED));
        mw_net_fini(&net);
        uv_loop_close(&loop);
        return;
    }
    CHECK_INT(a.connects, 0);
    CHECK(turn_until(&a.connects, 1, 5000));
    CHECK_INT(a.connect_err, MW_ERR_IO);
    CHECK_MEM(a.text, strlen(a.text), strerror(ECONNREFUSED));
    turn_until(NULL, 0, 10);
    CHECK_INT(a.connects, 1);
    CHECK_INT(a.eofs, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(connect_to_a_missing_unix_socket_fails_at_once)
{
    struct end a = {0};
    struct mw_endpoint to = {.kind = MW_ENDPOINT_UNIX, .path = "/nonexistent/socket"};
    const char *text = "";
    set_up();
    CHECK_INT(mw_conn_connect(&a.conn, &net, &to, &ops, &text), MW_ERR_IO);
    CHECK_MEM(text, strlen(text), strerror(ENOENT));
    to.kind = MW_ENDPOINT_NAME;
    CHECK_INT(mw_conn_connect(&a.conn, &net, &to, &ops, &text), MW_ERR_IO);
    CHECK(strlen(text) > 0);
    mw_net_fini(&net);
    CHECK_INT(uv_loop_close(&loop), 0); /* no handle was left */
}

TEST(connect_closed_before_it_stands_says_nothing)
{
    struct end a = {0};
    struct mw_endpoint to;
    const char *text = "";
    set_up();
    int listening = listen_tcp(&to);
    CHECK_INT(mw_conn_connect(&a.conn, &net, &to, &ops, &text), MW_OK);
    mw_conn_close(&a.conn, false);
    CHECK(turn_until(&a.closes, 1, 5000));
    CHECK_INT(a.connects, 0);
    close(listening);
    CHECK(tear_down(&a, NULL));
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    getsockopt(fd, level, name, &value, &len);
    return value;
}

TEST(connected_socket_has_no_delay_and_bounded_buffers)
{
    struct end a = {0};
    int peer = open_tcp(&a);
    CHECK_INT(option_of(a.conn.fd, IPPROTO_TCP, TCP_NODELAY), 1);
    /* less where net.core.wmem_max or rmem_max allow less */
    CHECK(option_of(a.conn.fd, SOL_SOCKET, SO_SNDBUF) <= MW_NET_SEND_BUFFER);
    CHECK(option_of(a.conn.fd, SOL_SOCKET, SO_RCVBUF) <= MW_NET_RECEIVE_WINDOW);
    CHECK(option_of(a.conn.fd, SOL_SOCKET, SO_SNDBUF) > 65536);
    CHECK((fcntl(a.conn.fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(peer);
    CHECK(tear_down(&a, NULL));
}

TEST(stalled_peer_costs_no_more_kernel_memory_than_the_bounds)
{
    struct end a = {0};
    int peer = open_tcp(&a);
    mw_net_tune(peer);
    send_block(&a, 16 * 1024 * 1024);
    turn_until(NULL, 0, 30);
    CHECK(a.conn.octets_out <= MW_NET_SEND_BUFFER + MW_NET_RECEIVE_WINDOW);
    close(peer);
    CHECK(tear_down(&a, NULL));
}
