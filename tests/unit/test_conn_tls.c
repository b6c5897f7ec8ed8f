/* test_conn_tls.c - TLS on connections: octets both ways, backpressure, reading that stops and goes
 * on, the way there from the clear. How it ends: test_conn_tls_ends.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn_tls_kit.h"
#include "test.h"

/* ---- octets ---- */

TEST(secured_connection_carries_octets_both_ways)
{
    struct end a = {0}, b = {0};
    CHECK(open_secure(&a, &b));
    CHECK_INT(a.secures, 1);
    CHECK_MEM(mw_conn_tls(&a.conn)->version, strlen(mw_conn_tls(&a.conn)->version), "TLSv1.3");
    CHECK(mw_conn_tls(&b.conn)->is_verified);
    send_text(&a, "220 weir.test\r\n");
    CHECK(turn_until(&b.reads, 1, 5000));
    CHECK_MEM(b.got.ptr, b.got.len, "220 weir.test\r\n");
    send_text(&b, "EHLO x\r\n");
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "EHLO x\r\n");
    CHECK(a.out.pieces == NULL);
    mw_conn_close(&a.conn, false);
    CHECK(turn_until(&b.eofs, 1, 5000));
    CHECK(!b.has_eof_text); /* close_notify */
    CHECK(tear_down(&a, &b));
}

TEST(connection_in_the_clear_has_no_tls)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    CHECK(mw_conn_tls(&a.conn) == NULL);
    CHECK(net.tls == NULL);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    CHECK(mw_conn_tls(&a.conn) == NULL); /* not yet */
    CHECK(tear_down(&a, &b));
}

/* Message boundaries of SOCK_SEQPACKET show the calls of send(). */
TEST(a_reply_of_many_pieces_is_one_record_and_one_send)
{
    static const char *const pieces[] = {"250-weir.test\r\n", "250-PIPELINING\r\n", "250 SIZE\r\n"};
    struct end a = {0};
    struct peer peer;
    char octets[400];
    int fd = open_half(&a, SOCK_SEQPACKET);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    peer_open(&peer, fd);
    CHECK(peer_shake(&peer, &a));
    for (int i = 2; i >= 0; i--) /* backwards in memory: no piece continues another */
        mw_queue_borrow(&a.out, mw_slice_cstr(pieces[2 - i]));
    mw_conn_flush(&a.conn, &a.out);
    ssize_t count = recv(fd, octets, sizeof octets, 0);
    CHECK_INT(count, 5 + 41 + 1 + 16);
    CHECK_INT(recv(fd, octets, sizeof octets, 0), -1);
    CHECK_INT(a.drains, 0);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(pieces_of_every_size_are_sealed_in_order)
{
    struct end a = {0}, b = {0};
    static const size_t sizes[] = {1, 16383, 16384, 16385, 1, 2, 40000, 70000, 3, 0, 5};
    static char block[26 * 8000];
    size_t at = 0;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)('a' + i % 26);
    CHECK(open_secure(&a, &b));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (i % 2 == 0) /* pieces that are owned and pieces that are borrowed */
            mw_queue_borrow(&a.out, MW_SLICE(block + at, sizes[i]));
        else
            mw_queue_add(&a.out, MW_SLICE(block + at, sizes[i]));
        at += sizes[i];
    }
    mw_conn_flush(&a.conn, &a.out);
    CHECK(turn_until_got(&b, at));
    CHECK(is_block(&b.got, at));
    CHECK(tear_down(&a, &b));
}

TEST(wire_octets_that_come_one_by_one_are_understood)
{
    struct end a = {0};
    struct peer peer;
    int fd = open_half(&a, SOCK_STREAM);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    peer = (struct peer){.fd = fd, .tls = mw_tls_connect(client, MW_LIT("peer"))};
    struct mw_slice nothing = MW_EMPTY;
    CHECK_INT(mw_tls_handshake(peer.tls, &nothing, &peer.out), MW_AGAIN);
    for (int i = 0; i < 20000 && a.secures == 0; i++) {
        peer_push(&peer, peer.out.len > 0 ? 1 : 0);
        uv_run(&loop, UV_RUN_NOWAIT);
        char octet;
        if (recv(fd, &octet, 1, 0) == 1) {
            mw_buf_putc(&peer.in, octet);
            struct mw_slice in = mw_buf_view(&peer.in);
            peer.err = mw_tls_handshake(peer.tls, &in, &peer.out);
            mw_buf_consume(&peer.in, peer.in.len - in.len);
        }
    }
    CHECK_INT(a.secure_err, MW_OK);
    CHECK_INT(a.secures, 1);
    peer.is_shaken = true;
    peer_seal(&peer, "EHLO octet by octet\r\n");
    while (peer.out.len > 0) {
        CHECK_INT(a.reads, 0);
        peer_push(&peer, 1);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    CHECK_MEM(a.got.ptr, a.got.len, "EHLO octet by octet\r\n");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

/* ---- backpressure ---- */

TEST(five_megabytes_go_through_with_backpressure)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 5000000 };
    CHECK(open_secure(&a, &b));
    send_block(&a, SIZE);
    CHECK(a.conn.is_blocked);
    CHECK(mw_queue_len(&a.out) > SIZE / 2);
    CHECK(turn_until_got(&b, SIZE));
    CHECK(is_block(&b.got, SIZE));
    CHECK_INT(a.drains, 1);
    CHECK(a.conn.tls->out.ptr == NULL);
    CHECK(tear_down(&a, &b));
}

TEST(megabytes_both_ways_at_once)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 3000000 };
    CHECK(open_secure(&a, &b));
    send_block(&a, SIZE);
    send_block(&b, SIZE);
    CHECK(turn_until_got(&a, SIZE) && turn_until_got(&b, SIZE));
    CHECK(is_block(&a.got, SIZE) && is_block(&b.got, SIZE));
    CHECK_INT(a.drains, 1);
    CHECK_INT(b.drains, 1);
    CHECK(tear_down(&a, &b));
}

TEST(stalled_peer_costs_one_filling_and_no_turns)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 5000000 };
    CHECK(open_secure(&a, &b));
    mw_conn_read_stop(&b.conn);
    send_block(&a, SIZE);
    turn_until(NULL, 0, 20);
    CHECK(a.conn.is_blocked);
    CHECK(a.conn.tls->out.len <= 100000);
    size_t left = mw_queue_len(&a.out);
    CHECK(left > SIZE / 2);
    CHECK(count_turns(40) < 8);
    CHECK_INT(mw_queue_len(&a.out), left);
    CHECK_INT(a.drains, 0);
    mw_conn_read_start(&b.conn);
    CHECK(turn_until_got(&b, SIZE));
    CHECK(is_block(&b.got, SIZE));
    CHECK(tear_down(&a, &b));
}

TEST(a_tiny_socket_buffer_is_filled_again_and_again)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 700000 };
    int tiny = 1;
    CHECK(open_secure(&a, &b));
    setsockopt(a.conn.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    send_block(&a, SIZE / 26 * 26);
    send_block(&a, 26);
    CHECK(turn_until_got(&b, SIZE / 26 * 26 + 26));
    CHECK(is_block(&b.got, SIZE / 26 * 26 + 26));
    CHECK_INT(a.drains, 1);
    CHECK(tear_down(&a, &b));
}

/* ---- reading that stops ---- */

TEST(octets_behind_the_handshake_wait_for_the_owner)
{
    struct end a = {0}, b = {0};
    b.say_on_secured = MW_LIT("EHLO early\r\n");
    a.stop_on_secured = true;
    CHECK(open_secure(&a, &b));
    turn_until(NULL, 0, 10);
    CHECK_INT(a.reads, 0);
    CHECK(count_turns(30) < 8);
    mw_conn_read_start(&a.conn);
    CHECK_INT(a.reads, 0); /* never from inside the call */
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "EHLO early\r\n");
    CHECK(net.tls->idle == NULL);
    CHECK(tear_down(&a, &b));
}

TEST(reading_that_stops_in_each_callback_gets_everything)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 1000000 };
    CHECK(open_secure(&a, &b));
    b.stop_on_read = true;
    send_block(&a, SIZE);
    for (int i = 0; b.got.len < SIZE && i < 10000; i++) {
        int before = b.reads;
        mw_conn_read_start(&b.conn);
        CHECK(turn_until(&b.reads, before + 1, 5000));
        CHECK_INT(b.reads, before + 1);
        if (i == 3) {
            CHECK(count_turns(20) < 8);
            CHECK_INT(b.reads, before + 1);
        }
    }
    CHECK(is_block(&b.got, SIZE));
    CHECK(net.tls->idle == NULL);
    CHECK(tear_down(&a, &b));
}

TEST(reading_that_stops_in_the_middle_of_a_record_goes_on_there)
{
    struct end a = {0};
    struct peer peer;
    int fd = open_half(&a, SOCK_STREAM);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    peer_open(&peer, fd);
    CHECK(peer_shake(&peer, &a));
    peer_seal(&peer, "MAIL FROM:<a@b.test>\r\n");
    peer_push(&peer, 17);
    turn_until(NULL, 0, 5);
    mw_conn_read_stop(&a.conn);
    peer_push(&peer, peer.out.len);
    peer_say(&peer, "RCPT TO:<c@d.test>\r\n");
    turn_until(NULL, 0, 5);
    CHECK_INT(a.reads, 0);
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(closed_while_octets_wait_for_a_turn_is_safe)
{
    struct end a = {0}, b = {0};
    b.say_on_secured = MW_LIT("EHLO early\r\n");
    a.stop_on_secured = true;
    CHECK(open_secure(&a, &b));
    turn_until(NULL, 0, 5);
    mw_conn_read_start(&a.conn);
    CHECK(net.tls->idle != NULL);
    mw_conn_close(&a.conn, false);
    CHECK(net.tls->idle == NULL);
    CHECK(turn_until(&a.closes, 1, 5000));
    CHECK_INT(a.reads, 0);
    CHECK(tear_down(&a, &b));
}

TEST(stopped_again_before_its_turn_gets_nothing)
{
    struct end a = {0}, b = {0};
    b.say_on_secured = MW_LIT("EHLO early\r\n");
    a.stop_on_secured = true;
    CHECK(open_secure(&a, &b));
    turn_until(NULL, 0, 5);
    mw_conn_read_start(&a.conn);
    mw_conn_read_stop(&a.conn);
    CHECK(count_turns(20) < 8);
    CHECK_INT(a.reads, 0);
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK(tear_down(&a, &b));
}

/* Streams in both directions under every kind of stop, start and flush: what arrives is what was
 * sent. */
static void random_streams(uint64_t seed)
{
    struct end ends[2];
    size_t sent[2] = {0, 0};
    int tiny = 1;
    uint64_t state = seed;
    memset(ends, 0, sizeof ends);
    CHECK(open_secure(&ends[0], &ends[1]));
    setsockopt(ends[seed % 2].conn.fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    for (int step = 0; step < 1500; step++) {
        size_t at = mw_test_random(&state) % 2;
        struct end *end = &ends[at];
        switch (mw_test_random(&state) % 6) {
        case 0:
            mw_conn_read_stop(&end->conn);
            break;
        case 1:
            mw_conn_read_start(&end->conn);
            break;
        case 2:
            end->stop_on_read = mw_test_random(&state) % 2 == 0;
            break;
        case 3:
            CHECK(mw_conn_is_peer_present(&end->conn));
            break;
        case 4:
            if (mw_queue_len(&end->out) < 300000) {
                size_t size = 26 * (mw_test_random(&state) % (step % 10 == 0 ? 8000 : 20));
                send_block(end, size);
                sent[at] += size;
            }
            break;
        default:
            uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    for (int i = 0; i < 2; i++) {
        ends[i].stop_on_read = false;
        mw_conn_read_start(&ends[i].conn);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(turn_until_got(&ends[i], sent[1 - i]));
        CHECK(is_block(&ends[i].got, sent[1 - i]));
    }
    CHECK_INT(mw_queue_len(&ends[0].out) + mw_queue_len(&ends[1].out), 0);
    CHECK(tear_down(&ends[0], &ends[1]));
}

TEST(random_streams_arrive_as_they_were_sent)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        random_streams(seed * 7919);
}

/* ---- from the clear to TLS ---- */

TEST(starttls_after_octets_in_the_clear)
{
    struct end a = {0};
    struct peer peer;
    char octets[100];
    int fd = open_tcp_half(&a);
    a.upgrade = server;
    mw_conn_read_start(&a.conn);
    CHECK_INT(send(fd, "EHLO x\r\n", 8, 0), 8);
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_INT(send(fd, "STARTTLS\r\n", 10, 0), 10);
    CHECK(turn_until(&a.reads, 2, 5000));
    CHECK_INT(recv(fd, octets, sizeof octets, 0), 14);
    CHECK_MEM(octets, 14, "220 go ahead\r\n");
    CHECK(!a.conn.is_reading);
    peer_open(&peer, fd);
    CHECK(peer_shake(&peer, &a));
    a.got.len = 0;
    peer_say(&peer, "EHLO again\r\n");
    CHECK(turn_until(&a.reads, 3, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "EHLO again\r\n");
    send_text(&a, "250 ok\r\n");
    peer_await(&peer);
    CHECK_MEM(peer.got.ptr, peer.got.len, "250 ok\r\n");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(octets_injected_behind_starttls_are_no_part_of_tls)
{
    struct end a = {0};
    int fd = open_tcp_half(&a);
    a.upgrade = server;
    mw_conn_read_start(&a.conn);
    CHECK_INT(send(fd, "STARTTLS\r\nRSET\r\n", 16, 0), 16); /* one read: the owner saw them */
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_INT(send(fd, "MAIL FROM:<>\r\n", 14, 0), 14); /* later: the handshake's */
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_INT(a.secure_err, MW_ERR_IO);
    CHECK_MEM(a.text, strlen(a.text), "not a TLS handshake (it begins with \"MAIL \")");
    CHECK_INT(a.reads, 1);
    close(fd);
    CHECK(tear_down(&a, NULL));
}

TEST(octets_in_the_clear_leave_before_the_handshake_begins)
{
    struct end a = {0};
    enum { SIZE = 2600000 };
    struct mw_buf clear = {0};
    struct peer peer;
    char octets[65536];
    int fd = open_half(&a, SOCK_STREAM);
    send_block(&a, SIZE);
    CHECK(a.conn.is_blocked);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    while (clear.len < SIZE) {
        ssize_t count = recv(fd, octets, sizeof octets, 0);
        if (count > 0)
            mw_buf_put(&clear, MW_SLICE(octets, (size_t)count));
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    CHECK(is_block(&clear, SIZE));
    CHECK_INT(a.drains, 1);
    CHECK_INT(a.secures, 0);
    mw_buf_fini(&clear);
    peer_open(&peer, fd);
    CHECK(peer_shake(&peer, &a));
    send_text(&a, "220 safe\r\n");
    peer_await(&peer);
    CHECK_MEM(peer.got.ptr, peer.got.len, "220 safe\r\n");
    CHECK_INT(a.drains, 1);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(a_client_waits_with_its_hello_for_what_is_in_the_clear)
{
    struct end a = {0}, b = {0};
    enum { SIZE = 1300000 };
    CHECK(open_pair(&a, &b));
    mw_conn_read_start(&a.conn);
    send_block(&b, SIZE);
    CHECK(b.conn.is_blocked);
    CHECK_INT(mw_conn_secure_client(&b.conn, client, MW_LIT("k")), MW_OK);
    for (int i = 0; i < 100000 && a.got.len < SIZE; i++) {
        uv_run(&loop, UV_RUN_ONCE);
        if (a.got.len >= SIZE)
            break;
    }
    /* the hello may be read together with the last octets in the clear: a true owner asks for TLS
     * only when his peer waits for an answer */
    CHECK(a.got.len >= SIZE);
    a.got.len = SIZE;
    CHECK(is_block(&a.got, SIZE));
    CHECK_INT(b.secures, 0);
    CHECK(tear_down(&a, &b));
}

TEST(what_is_flushed_during_the_handshake_is_dropped)
{
    struct end a = {0}, b = {0};
    CHECK(open_pair(&a, &b));
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    send_text(&a, "in the clear by mistake");
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK_INT(a.conn.octets_out, 0);
    CHECK_INT(mw_conn_secure_client(&b.conn, client, MW_LIT("k")), MW_OK);
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_INT(a.secure_err, MW_OK);
    CHECK(tear_down(&a, &b));
}
