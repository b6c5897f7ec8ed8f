/* test_conn_tls_ends.c - how connections with TLS end: orderly, cut off, damaged; handshakes that
 * fail; who is still there. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn_tls_kit.h"
#include "net/tls_priv.h"
#include "test.h"

static bool open_shaken(struct end *a, struct peer *peer)
{
    int fd = open_tcp_half(a);
    if (fd < 0 || mw_conn_secure_server(&a->conn, server) != MW_OK)
        return false;
    peer_open(peer, fd);
    return peer_shake(peer, a);
}

static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void peer_goodbye(struct peer *peer)
{
    mw_tls_close(peer->tls, &peer->out);
    peer_push(peer, peer->out.len);
}

/* ---- ends ---- */

TEST(close_notify_is_an_end_and_nothing_behind_it_counts)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_seal(&peer, "QUIT\r\n");
    mw_tls_close(peer.tls, &peer.out);
    mw_buf_put(&peer.out, MW_LIT("noise behind the end"));
    peer_push(&peer, peer.out.len);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "QUIT\r\n");
    CHECK(!a.has_eof_text);
    send_text(&a, "221 bye\r\n"); /* the peer may still read */
    peer_await(&peer);
    CHECK_MEM(peer.got.ptr, peer.got.len, "221 bye\r\n");
    mw_conn_read_start(&a.conn);
    turn_until(NULL, 0, 10);
    CHECK_INT(a.eofs, 1);
    CHECK_INT(a.reads, 1);
    CHECK(count_turns(20) < 8);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(an_end_without_close_notify_is_told_as_such)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_say(&peer, "DATA\r\n");
    shutdown(peer.fd, SHUT_WR);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "DATA\r\n");
    CHECK_MEM(a.text, strlen(a.text), "closed without TLS close_notify");
    send_text(&a, "354 go\r\n");
    peer_await(&peer);
    CHECK_MEM(peer.got.ptr, peer.got.len, "354 go\r\n");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(a_record_that_was_cut_off_delivers_nothing)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_seal(&peer, "DATA\r\n");
    peer_push(&peer, peer.out.len - 1);
    close(peer.fd);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_INT(a.reads, 0);
    CHECK_MEM(a.text, strlen(a.text), "closed without TLS close_notify");
    peer.fd = -1;
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(a_reset_is_told_as_one)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    reset(peer.fd);
    peer_close(&peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.text, strlen(a.text), strerror(ECONNRESET));
    CHECK(tear_down(&a, NULL));
}

TEST(damaged_octets_end_the_connection_and_the_peer_is_told_why)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_seal(&peer, "RSET\r\n");
    peer.out.ptr[8] ^= 1;
    peer_seal(&peer, "DATA\r\n");
    peer_push(&peer, peer.out.len);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_INT(a.reads, 0);
    CHECK_MEM(a.text, strlen(a.text), "the peer's octets do not decrypt");
    send_text(&a, "550 nobody reads this");
    CHECK_INT(mw_queue_len(&a.out), 0);
    peer_await(&peer);
    CHECK_INT(peer.err, MW_ERR_IO);
    CHECK(strstr(mw_tls_error(peer.tls), "(alert bad record mac)") != NULL);
    CHECK(count_turns(20) < 8);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(octets_in_the_clear_on_a_secured_connection_end_it)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    CHECK_INT(send(peer.fd, "RCPT TO:<x@y.test>\r\n", 20, 0), 20);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_INT(a.reads, 0);
    CHECK_MEM(a.text, strlen(a.text), "the peer's octets are no TLS records");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(a_peer_that_is_gone_while_we_write_is_told_once)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    send_block(&a, 8000000);
    CHECK(a.conn.is_blocked);
    reset(peer.fd);
    peer_close(&peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    turn_until(NULL, 0, 10);
    CHECK_INT(a.eofs, 1);
    CHECK_INT(a.drains, 0);
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK_INT(a.conn.wanted, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(a_peer_that_is_gone_while_we_write_and_do_not_read_is_told)
{
    struct end a = {0}, b = {0};
    CHECK(open_secure(&a, &b));
    mw_conn_read_stop(&a.conn);
    send_block(&a, 4000000);
    CHECK(a.conn.is_blocked);
    mw_conn_close(&b.conn, true);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_INT(a.drains, 0);
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(tear_down(&a, &b));
}

TEST(a_flood_of_new_keys_that_nobody_reads_the_answers_to_is_bounded)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    struct mw_slice nothing = MW_EMPTY;
    peer.tls->in = &nothing;
    peer.tls->out = &peer.out;
    for (int i = 0; i < 5000; i++) {
        SSL_key_update(peer.tls->ssl, SSL_KEY_UPDATE_REQUESTED);
        CHECK_INT(SSL_do_handshake(peer.tls->ssl), 1);
    }
    peer_push(&peer, peer.out.len);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.text, strlen(a.text), "too many TLS handshake messages");
    CHECK(a.conn.octets_out < 10000);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

/* ---- closing ---- */

TEST(close_says_close_notify_behind_the_last_reply)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_say(&peer, "noise that nobody reads");
    send_text(&a, "421 closing\r\n");
    mw_conn_close(&a.conn, false);
    turn_until(NULL, 0, 5);
    for (int i = 0; i < 5 && !peer.has_end; i++)
        peer_await(&peer);
    CHECK_MEM(peer.got.ptr, peer.got.len, "421 closing\r\n");
    CHECK_INT(peer.err, MW_ERR_CLOSED);
    CHECK(peer.has_end);
    CHECK_INT(recv(peer.fd, &(char){0}, 1, 0), 0); /* FIN, no RST */
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(finish_says_the_end_and_reading_goes_on)
{
    struct end a = {.stop_on_secured = true};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_say(&peer, "one ");
    turn_until(NULL, 0, 5);
    CHECK(mw_conn_is_peer_present(&a.conn)); /* holds it now */
    send_text(&a, "221 bye\r\n");
    CHECK(mw_conn_is_flushed(&a.conn));
    mw_conn_finish(&a.conn);
    mw_conn_finish(&a.conn);
    for (int i = 0; i < 5 && !peer.has_end; i++)
        peer_await(&peer);
    CHECK(peer.has_end);
    CHECK_INT(peer.err, MW_ERR_CLOSED);
    CHECK_MEM(peer.got.ptr, peer.got.len, "221 bye\r\n");
    peer_say(&peer, "two");
    mw_conn_read_start(&a.conn);
    CHECK(turn_until_got(&a, 7));
    CHECK_MEM(a.got.ptr, a.got.len, "one two");
    peer_goodbye(&peer);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK(!a.has_eof_text);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(close_with_octets_left_is_no_orderly_end)
{
    struct end a = {0}, b = {0};
    CHECK(open_secure(&a, &b));
    send_block(&a, 3000000);
    CHECK(mw_queue_len(&a.out) > 0);
    mw_conn_close(&a.conn, false);
    CHECK(turn_until(&b.eofs, 1, 5000));
    CHECK(b.got.len < 3000000);
    CHECK_MEM(b.text, strlen(b.text), "closed without TLS close_notify");
    CHECK(tear_down(&a, &b));
}

TEST(close_with_reset_sends_one_and_no_close_notify)
{
    struct end a = {0};
    struct peer peer;
    char octets[64];
    CHECK(open_shaken(&a, &peer));
    uint64_t before = a.conn.octets_out;
    mw_conn_close(&a.conn, true);
    CHECK_INT(a.conn.octets_out, before);
    CHECK_INT(recv(peer.fd, octets, sizeof octets, 0), -1);
    CHECK_INT(errno, ECONNRESET);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(closed_inside_callbacks_is_safe)
{
    for (int where = 0; where < 3; where++) {
        struct end a = {.close_on_read = where == 0, .close_on_secured = where == 1};
        struct end b = {.close_on_drained = where == 2};
        b.say_on_secured = MW_LIT("EHLO x\r\n");
        CHECK(open_pair(&a, &b));
        CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
        CHECK_INT(mw_conn_secure_client(&b.conn, client, MW_LIT("k")), MW_OK);
        CHECK(turn_until(&b.secures, 1, 5000));
        if (where == 2)
            send_block(&b, 2000000);
        CHECK(turn_until(where == 2 ? &b.closes : &a.closes, 1, 5000));
        CHECK(tear_down(&a, &b));
    }
}

TEST(calls_after_close_do_nothing)
{
    struct end a = {0}, b = {0};
    CHECK(open_secure(&a, &b));
    mw_conn_close(&a.conn, false);
    mw_conn_read_start(&a.conn);
    send_text(&a, "x");
    CHECK_INT(mw_queue_len(&a.out), 0);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    mw_conn_close(&b.conn, true);
    CHECK_INT(mw_conn_secure_server(&b.conn, server), MW_ERR_IO);
    CHECK(tear_down(&a, &b));
}

/* ---- handshakes that fail ---- */

TEST(a_client_in_the_clear_fails_the_handshake)
{
    struct end a = {0};
    int fd = open_tcp_half(&a);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    CHECK_INT(send(fd, "EHLO mail.example.org\r\n", 23, 0), 23);
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_INT(a.secure_err, MW_ERR_IO);
    CHECK_MEM(a.text, strlen(a.text), "not a TLS handshake (it begins with \"EHLO \")");
    CHECK_INT(a.conn.octets_out, 0); /* an alert would tell it nothing */
    CHECK(mw_conn_tls(&a.conn) == NULL);
    send_text(&a, "421 dropped");
    CHECK_INT(mw_queue_len(&a.out), 0);
    mw_conn_read_start(&a.conn);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    CHECK_INT(send(fd, "QUIT\r\n", 6, 0), 6);
    turn_until(NULL, 0, 10);
    CHECK_INT(a.secures, 1);
    CHECK_INT(a.reads + a.eofs, 0);
    CHECK(count_turns(20) < 8);
    close(fd);
    CHECK(tear_down(&a, NULL));
}

TEST(an_end_during_the_handshake_is_a_failed_handshake)
{
    static const char *const texts[] = {"the peer closed the connection during the TLS handshake",
                                        "Connection reset by peer"};
    for (int way = 0; way < 4; way++) {
        struct end a = {0};
        struct mw_slice nothing = MW_EMPTY;
        int fd = open_tcp_half(&a);
        CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
        struct peer peer = {.fd = fd, .tls = mw_tls_connect(client, MW_LIT("x"))};
        CHECK_INT(mw_tls_handshake(peer.tls, &nothing, &peer.out), MW_AGAIN);
        if (way >= 2)
            peer_push(&peer, 50); /* half a hello */
        turn_until(NULL, 0, 5);
        if (way % 2 == 1)
            reset(fd);
        peer_close(&peer);
        CHECK(turn_until(&a.secures, 1, 5000));
        CHECK_INT(a.secure_err, MW_ERR_IO);
        CHECK_MEM(a.text, strlen(a.text), texts[way % 2]);
        CHECK_INT(a.eofs, 0);
        CHECK(tear_down(&a, NULL));
    }
}

TEST(a_client_that_does_not_trust_us_says_so_to_both_sides)
{
    struct end a = {0}, b = {0};
    char text[256];
    CHECK(open_pair(&a, &b));
    struct mw_tls_client *strict = mw_tls_client_new(
        &(struct mw_tls_client_config){.verify = MW_TLS_VERIFY_NAME,
                                       .server_name = "other.weir.test",
                                       .ca = kit_site()->ca_file},
        text, sizeof text);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    CHECK_INT(mw_conn_secure_client(&b.conn, strict, MW_LIT("k")), MW_OK);
    CHECK(turn_until(&b.secures, 1, 5000) && turn_until(&a.secures, 1, 5000));
    CHECK_INT(b.secure_err, MW_ERR_IO);
    CHECK_MEM(b.text, strlen(b.text), "the peer's certificate is not for other.weir.test");
    CHECK_INT(a.secure_err, MW_ERR_IO);
    CHECK_MEM(a.text, strlen(a.text), "the peer rejected our certificate (alert bad_certificate)");
    mw_tls_client_unref(&strict);
    CHECK(tear_down(&a, &b));
}

TEST(an_upstream_in_the_clear_fails_our_handshake)
{
    struct end a = {0};
    int fd = open_tcp_half(&a);
    CHECK_INT(mw_conn_secure_client(&a.conn, client, MW_LIT("k")), MW_OK);
    CHECK_INT(send(fd, "220 mail.example.org ESMTP\r\n", 28, 0), 28);
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_MEM(a.text, strlen(a.text), "not a TLS handshake (it begins with \"220 m\")");
    close(fd);
    CHECK(tear_down(&a, NULL));
}

TEST(a_hello_that_cannot_be_sent_is_told_by_the_loop)
{
    struct end a = {0};
    int fd = open_half(&a, SOCK_STREAM);
    close(fd);
    CHECK_INT(mw_conn_secure_client(&a.conn, client, MW_LIT("k")), MW_OK);
    CHECK_INT(a.secures, 0);
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_INT(a.secure_err, MW_ERR_IO);
    CHECK_MEM(a.text, strlen(a.text), strerror(EPIPE));
    turn_until(NULL, 0, 10);
    CHECK_INT(a.secures, 1);
    CHECK_INT(a.eofs, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(a_silent_client_costs_no_turns_and_no_buffers)
{
    struct end a = {0};
    int fd = open_tcp_half(&a);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    CHECK(count_turns(40) < 8);
    CHECK_INT(a.secures, 0);
    CHECK(a.conn.tls->kept.ptr == NULL && a.conn.tls->out.ptr == NULL);
    CHECK(mw_conn_is_peer_present(&a.conn));
    close(fd);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    mw_conn_close(&a.conn, false); /* the owner's deadline */
    CHECK(turn_until(&a.closes, 1, 5000));
    CHECK_INT(a.secures, 0);
    CHECK(tear_down(&a, NULL));
}

TEST(the_write_in_the_clear_that_fails_before_a_handshake_fails_it)
{
    struct end a = {0};
    int fd = open_half(&a, SOCK_STREAM);
    send_block(&a, 3000000);
    CHECK(a.conn.is_blocked);
    CHECK_INT(mw_conn_secure_server(&a.conn, server), MW_OK);
    close(fd);
    CHECK(turn_until(&a.secures, 1, 5000));
    CHECK_INT(a.secure_err, MW_ERR_IO);
    CHECK_INT(a.drains, 0);
    turn_until(NULL, 0, 10);
    CHECK_INT(a.secures, 1);
    CHECK_INT(a.eofs, 0);
    CHECK(tear_down(&a, NULL));
}

/* ---- is the peer there ---- */

TEST(peer_present_sees_through_tls)
{
    struct end a = {.stop_on_secured = true};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    CHECK(mw_conn_is_peer_present(&a.conn)); /* nothing has come */
    peer_say(&peer, "QUIT\r\n");
    peer_goodbye(&peer);
    close(peer.fd);
    peer.fd = -1;
    turn_until(NULL, 0, 5);
    CHECK(mw_conn_is_peer_present(&a.conn)); /* octets first: they may be a command */
    CHECK(mw_conn_is_peer_present(&a.conn));
    a.stop_on_read = true;
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.reads, 1, 5000));
    CHECK_MEM(a.got.ptr, a.got.len, "QUIT\r\n");
    CHECK(!mw_conn_is_peer_present(&a.conn));
    CHECK(!mw_conn_is_peer_present(&a.conn));
    CHECK_INT(a.eofs, 0);
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK(!a.has_eof_text);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(peer_present_sees_close_notify_without_an_end_of_the_socket)
{
    struct end a = {.stop_on_secured = true};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_goodbye(&peer);
    turn_until(NULL, 0, 5);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    mw_conn_read_start(&a.conn); /* no event of the socket will come for it */
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK(!a.has_eof_text);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(peer_present_sees_a_bare_end_behind_half_a_record)
{
    struct end a = {.stop_on_secured = true};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_seal(&peer, "QUIT\r\n");
    peer_push(&peer, peer.out.len - 3);
    turn_until(NULL, 0, 5);
    CHECK(mw_conn_is_peer_present(&a.conn)); /* the rest may come */
    close(peer.fd);
    peer.fd = -1;
    turn_until(NULL, 0, 5);
    CHECK(!mw_conn_is_peer_present(&a.conn));
    mw_conn_read_start(&a.conn);
    CHECK(turn_until(&a.eofs, 1, 5000));
    CHECK_MEM(a.text, strlen(a.text), "closed without TLS close_notify");
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(peer_present_with_reading_on_delivers_what_it_read)
{
    struct end a = {0};
    struct peer peer;
    CHECK(open_shaken(&a, &peer));
    peer_say(&peer, "one");
    peer_say(&peer, "two");
    CHECK(mw_conn_is_peer_present(&a.conn)); /* takes them off the socket */
    CHECK_INT(a.reads, 0);
    CHECK(turn_until(&a.reads, 1, 5000));
    peer_say(&peer, "three");
    CHECK(turn_until_got(&a, 11));
    CHECK_MEM(a.got.ptr, a.got.len, "onetwothree");
    CHECK(net.tls->idle == NULL);
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

TEST(peer_present_inside_on_read_keeps_the_order)
{
    struct end a = {.looks_on_read = true};
    struct peer peer;
    char line[40];
    size_t total = 0;
    CHECK(open_shaken(&a, &peer));
    for (int i = 0; i < 300; i++) {
        total += (size_t)snprintf(line, sizeof line, "line %d\r\n", i);
        peer_seal(&peer, line);
        if (i % 7 == 0)
            peer_push(&peer, peer.out.len - (size_t)(i % 11)); /* in the middle of a record */
        if (i % 50 == 0)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    peer_push(&peer, peer.out.len);
    CHECK(turn_until_got(&a, total));
    CHECK(a.was_present);
    char *at = a.got.ptr;
    for (int i = 0; i < 300; i++) {
        size_t len = (size_t)snprintf(line, sizeof line, "line %d\r\n", i);
        CHECK(memcmp(at, line, len) == 0);
        at += len;
    }
    peer_close(&peer);
    CHECK(tear_down(&a, NULL));
}

/* ---- two connections in one callback ---- */

/* The owner looks after his other connection, and writes to it, while octets of the first are in
 * the shared buffers. */
static struct end *left_end, *right_end;

static void relay_read(struct mw_conn *conn, struct mw_slice octets)
{
    struct end *from = mw_container_of(conn, struct end, conn);
    struct end *to = from == left_end ? right_end : left_end;
    (void)mw_conn_is_peer_present(&to->conn);
    mw_queue_borrow(&to->out, octets);
    mw_conn_flush(&to->conn, &to->out);
    if (mw_queue_len(&to->out) > 200000)
        mw_conn_read_stop(conn);
}

static void relay_drained(struct mw_conn *conn)
{
    struct end *end = mw_container_of(conn, struct end, conn);
    mw_conn_read_start(end == left_end ? &right_end->conn : &left_end->conn);
}

TEST(two_connections_relay_through_shared_buffers)
{
    enum { SIZE = 2000000 };
    struct end a = {0}, left = {0}, right = {0}, b = {0};
    struct mw_conn_ops relay = end_ops;
    int fds[2];
    relay.on_read = relay_read;
    relay.on_drained = relay_drained;
    left_end = &left;
    right_end = &right;
    CHECK(open_secure(&left, &a));
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_INT(mw_conn_init(&right.conn, &net, fds[0], &end_ops), MW_OK);
    CHECK_INT(mw_conn_init(&b.conn, &net, fds[1], &end_ops), MW_OK);
    CHECK_INT(mw_conn_secure_client(&right.conn, client, MW_LIT("r")), MW_OK);
    CHECK_INT(mw_conn_secure_server(&b.conn, server), MW_OK);
    CHECK(turn_until(&right.secures, 1, 5000) && turn_until(&b.secures, 1, 5000));
    left.conn.ops = right.conn.ops = &relay;
    send_block(&a, SIZE);
    send_block(&b, SIZE);
    CHECK(turn_until_got(&a, SIZE) && turn_until_got(&b, SIZE));
    CHECK(is_block(&a.got, SIZE) && is_block(&b.got, SIZE));
    mw_conn_close(&right.conn, false);
    mw_conn_close(&b.conn, false);
    CHECK(turn_until(&right.closes, 1, 5000) && turn_until(&b.closes, 1, 5000));
    mw_queue_fini(&right.out);
    mw_queue_fini(&b.out);
    mw_buf_fini(&b.got);
    CHECK(tear_down(&left, &a));
}
