/* test_conn_more.c - conn.h: looking before taking, the orderly end, and connecting from an address
 * of our choice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "test.h"

static uv_loop_t loop;
static struct mw_net net;
static struct mw_conn conn;
static char got[64];
static size_t got_len, shown, take, calls;
static bool is_closed, is_connected, has_eof;
static enum mw_err connected_err;

static void on_read(struct mw_conn *self, struct mw_slice octets)
{
    calls++;
    shown = octets.len;
    if (self->is_peeking) {
        size_t count = take < octets.len ? take : octets.len;
        mw_conn_take(self, count);
        take -= count;
        octets = mw_slice_take(octets, count);
        if (take == 0)
            mw_conn_peek(self, false);
    }
    memcpy(got + got_len, octets.ptr, octets.len);
    got_len += octets.len;
}

static void on_eof(struct mw_conn *self, const char *text)
{
    (void)self;
    (void)text;
    has_eof = true;
}

static void on_connected(struct mw_conn *self, enum mw_err err, const char *text)
{
    (void)self;
    (void)text;
    is_connected = true;
    connected_err = err;
}

static void on_closed(struct mw_conn *self)
{
    (void)self;
    is_closed = true;
}

static const struct mw_conn_ops ops = {
    .on_connected = on_connected, .on_read = on_read, .on_eof = on_eof, .on_closed = on_closed};

static void begin(void)
{
    uv_loop_init(&loop);
    mw_net_init(&net, &loop);
    got_len = shown = calls = 0;
    is_closed = is_connected = has_eof = false;
}

static void end(void)
{
    mw_conn_close(&conn, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    mw_net_fini(&net);
    uv_loop_close(&loop);
}

/* The other end. */
static int begin_pair(void)
{
    int fds[2];
    begin();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0 ||
        mw_conn_init(&conn, &net, fds[0], &ops) != MW_OK)
        abort();
    return fds[1];
}

static void turn(int peer, const char *octets)
{
    if (*octets != '\0' && write(peer, octets, strlen(octets)) < 0)
        abort();
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

TEST(peek_takes_its_own_and_leaves_the_rest)
{
    int peer = begin_pair();
    take = 4;
    mw_conn_peek(&conn, true);
    mw_conn_read_start(&conn);
    turn(peer, "HEADrest");
    CHECK_MEM(got, got_len, "HEADrest");
    CHECK_INT(calls, 2);
    CHECK_INT(shown, 4);
    CHECK_INT(conn.octets_in, 8);
    close(peer);
    end();
}

TEST(peek_taken_part_by_part_is_shown_once)
{
    int peer = begin_pair();
    take = 4;
    mw_conn_peek(&conn, true);
    mw_conn_read_start(&conn);
    turn(peer, "H");
    turn(peer, "");
    CHECK_INT(calls, 1); /* nothing is left, so nothing spins */
    turn(peer, "EA");
    turn(peer, "Dr");
    turn(peer, "est");
    CHECK_MEM(got, got_len, "HEADrest");
    close(peer);
    end();
}

TEST(peek_rest_stays_in_the_kernel_while_reading_is_off)
{
    int peer = begin_pair();
    char left[8] = "";
    take = 4;
    mw_conn_peek(&conn, true);
    mw_conn_read_start(&conn);
    if (write(peer, "HEADrest", 8) != 8)
        abort();
    while (calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    mw_conn_read_stop(&conn);
    CHECK_INT(recv(conn.fd, left, sizeof left, 0), 4);
    CHECK(memcmp(left, "rest", 4) == 0);
    close(peer);
    end();
}

TEST(peek_end_is_told)
{
    int peer = begin_pair();
    take = 4;
    mw_conn_peek(&conn, true);
    mw_conn_read_start(&conn);
    turn(peer, "HE");
    close(peer);
    turn(peer, "");
    CHECK(has_eof);
    CHECK_MEM(got, got_len, "HE");
    end();
}

TEST(finish_is_seen_and_reading_goes_on)
{
    int peer = begin_pair();
    struct mw_queue queue = {0};
    char seen[8];
    mw_queue_add(&queue, MW_LIT("bye"));
    mw_conn_flush(&conn, &queue);
    CHECK(mw_conn_is_flushed(&conn));
    mw_conn_finish(&conn);
    CHECK_INT(read(peer, seen, sizeof seen), 3);
    CHECK_INT(read(peer, seen, sizeof seen), 0);
    mw_conn_read_start(&conn);
    turn(peer, "yes");
    CHECK_MEM(got, got_len, "yes");
    close(peer);
    end();
    mw_queue_fini(&queue);
}

TEST(is_flushed_not_while_the_socket_is_full)
{
    int peer = begin_pair();
    static char many[1 << 20];
    struct mw_queue queue = {0};
    mw_queue_add(&queue, MW_SLICE(many, sizeof many));
    mw_conn_flush(&conn, &queue);
    CHECK(!mw_conn_is_flushed(&conn));
    close(peer);
    end();
    mw_queue_fini(&queue);
}

/* A listening socket on 127.0.0.1. */
static int listen_local(struct mw_endpoint *out_endpoint)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    const char *text;
    if (mw_endpoint_parse(MW_LIT("127.0.0.1:0"), false, out_endpoint) != MW_OK)
        abort();
    int fd = mw_listen_socket(out_endpoint, false, &text);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    mw_inet_from_sockaddr((struct sockaddr *)&address, &out_endpoint->address, &out_endpoint->port);
    return fd;
}

TEST(connect_from_shows_the_address)
{
    struct mw_endpoint to;
    struct mw_inet from, seen;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    const char *text = "";
    int listener = listen_local(&to);
    begin();
    CHECK(mw_inet_parse(MW_LIT("127.0.0.9"), &from) == MW_OK);
    enum mw_err err = mw_conn_connect_from(&conn, &net, &from, &to, &ops, &text);
    if (err != MW_OK && errno == EPERM) {
        printf("NOTICE: no CAP_NET_ADMIN: connecting from an address is not tested\n");
        is_closed = true;
    } else {
        CHECK(err == MW_OK);
        while (!is_connected)
            uv_run(&loop, UV_RUN_ONCE);
        CHECK(connected_err == MW_OK);
        int fd = accept(listener, (struct sockaddr *)&peer, &len);
        mw_inet_from_sockaddr((struct sockaddr *)&peer, &seen, NULL);
        CHECK(memcmp(&seen, &from, sizeof seen) == 0);
        close(fd);
        mw_conn_close(&conn, false);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    mw_net_fini(&net);
    uv_loop_close(&loop);
    close(listener);
}

TEST(connect_from_other_family_fails_with_a_text)
{
    struct mw_endpoint to;
    struct mw_inet from;
    const char *text = NULL;
    begin();
    CHECK(mw_endpoint_parse(MW_LIT("127.0.0.1:9"), false, &to) == MW_OK);
    CHECK(mw_inet_parse(MW_LIT("2001:db8::9"), &from) == MW_OK);
    CHECK(mw_conn_connect_from(&conn, &net, &from, &to, &ops, &text) == MW_ERR_IO);
    CHECK(text != NULL && *text != '\0');
    CHECK(mw_endpoint_parse(MW_LIT("unix:/nonexistent"), false, &to) == MW_OK);
    CHECK(mw_conn_connect_from(&conn, &net, &from, &to, &ops, &text) == MW_ERR_IO);
    mw_net_fini(&net);
    uv_loop_close(&loop);
}
