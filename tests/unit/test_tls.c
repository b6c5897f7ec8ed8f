/* test_tls.c - the engine: octets in every cut, ends, damage, hostile peers. Two engines talk to
 * each other; a test that needs a peer of another kind turns its OpenSSL object's screws. */
#include <openssl/err.h>
#include <stdlib.h>

#include "net/tls_priv.h"
#include "test.h"
#include "tls_play.h"

static struct mw_tls_server *server;
static struct mw_tls_client *client;
static struct play play;

static bool set_up_with(const char *server_minimum, const char *client_minimum)
{
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {.certificate = site->cert_file, .key = site->key_file};
    play = (struct play){0};
    server = play_server(
        &(struct mw_tls_server_config){.pairs = &pair, .pair_count = 1, .minimum = server_minimum});
    client = play_client(&(struct mw_tls_client_config){.verify = MW_TLS_VERIFY_NAME,
                                                        .server_name = "mail.weir.test",
                                                        .ca = site->ca_file,
                                                        .minimum = client_minimum});
    return server != NULL && client != NULL && play_open(&play, server, client);
}

static bool set_up(void)
{
    return set_up_with(NULL, NULL);
}

static void tear_down(void)
{
    play_close(&play);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
}

static char *block_of(size_t size)
{
    char *block = malloc(size);
    uint64_t state = 4711;
    for (size_t i = 0; i < size; i++)
        block[i] = (char)mw_test_random(&state);
    return block;
}

/* ---- in every cut ---- */

static const size_t cuts[] = {1, 2, 3, 4, 5, 6, 7, 100, 1000, 4096, 16384, 16389, 70000, 0};

static void shake_and_talk(size_t cut, int version)
{
    CHECK(set_up());
    play.cut = cut;
    SSL_set_max_proto_version(play.client.tls->ssl, version);
    CHECK(play_shake(&play));
    CHECK(play_say(&play, &play.client, MW_LIT("EHLO x\r\n")));
    CHECK(play_say(&play, &play.server, MW_LIT("250-x\r\n250 y\r\n")));
    CHECK(play_say(&play, &play.client, MW_LIT("x")));
    const struct mw_tls_info *info = mw_tls_info(play.server.tls);
    const char *name = version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2";
    CHECK_MEM(info->version, strlen(info->version), name);
    CHECK_MEM(info->sni, strlen(info->sni), "mail.weir.test");
    CHECK(info->is_secure && !info->has_certificate && !info->is_resumed);
    CHECK(info->bits >= 128 && strlen(info->cipher) > 10);
    tear_down();
}

TEST(handshake_and_octets_pass_in_every_cut_with_tls_1_3)
{
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        shake_and_talk(cuts[i], TLS1_3_VERSION);
}

TEST(handshake_and_octets_pass_in_every_cut_with_tls_1_2)
{
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        shake_and_talk(cuts[i], TLS1_2_VERSION);
}

TEST(a_megabyte_passes_both_ways_in_every_cut)
{
    enum { SIZE = 1000003 };
    char *block = block_of(SIZE);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        if (cuts[i] < 1000 && cuts[i] != 0)
            continue;
        CHECK(set_up());
        CHECK(play_shake(&play));
        play.cut = cuts[i];
        CHECK(play_say(&play, &play.client, MW_SLICE(block, SIZE)));
        CHECK(play_say(&play, &play.server, MW_SLICE(block, SIZE)));
        tear_down();
    }
    free(block);
}

TEST(records_of_every_size_around_the_limits_pass_octet_by_octet)
{
    static const size_t sizes[] = {1, 2, 255, 256, 16383, 16384, 16385, 32768};
    char *block = block_of(32768);
    CHECK(set_up());
    CHECK(play_shake(&play));
    play.cut = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(play_say(&play, &play.client, MW_SLICE(block, sizes[i])));
    free(block);
    tear_down();
}

TEST(a_small_plain_buffer_gets_a_record_in_parts)
{
    char plain[10], got[64];
    size_t len = 0, total = 0;
    CHECK(set_up());
    CHECK(play_shake(&play));
    CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("0123456789abcdefghijklmnop"), &play.server.in),
              MW_OK);
    struct mw_slice in = mw_buf_view(&play.server.in);
    while (mw_tls_open(play.server.tls, &in, plain, sizeof plain, &len, &play.client.in) == MW_OK) {
        CHECK(len > 0 && len <= sizeof plain);
        memcpy(got + total, plain, len);
        total += len;
    }
    CHECK_MEM(got, total, "0123456789abcdefghijklmnop");
    CHECK_INT(in.len, 0);
    tear_down();
}

TEST(sealed_octets_of_one_record_are_one_write)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    size_t before = play.server.in.len;
    CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("QUIT\r\n"), &play.server.in), MW_OK);
    CHECK_INT(play.server.in.len - before, 5 + 6 + 1 + 16); /* header, octets, type, tag */
    CHECK_INT(mw_tls_seal(play.client.tls, MW_EMPTY, &play.server.in), MW_OK);
    CHECK_INT(play.server.in.len - before, 28);
    tear_down();
}

/* ---- ends ---- */

TEST(close_notify_is_an_orderly_end_behind_the_octets)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    CHECK_INT(play_read(&play, &play.client), MW_AGAIN);
    CHECK_INT(mw_tls_seal(play.server.tls, MW_LIT("221 bye\r\n"), &play.client.in), MW_OK);
    mw_tls_close(play.server.tls, &play.client.in);
    size_t len = play.client.in.len;
    mw_tls_close(play.server.tls, &play.client.in); /* once */
    CHECK_INT(play.client.in.len, len);
    mw_buf_put(&play.client.in, MW_LIT("anything in the clear behind it"));
    CHECK_INT(play_read(&play, &play.client), MW_ERR_CLOSED);
    CHECK_MEM(play.client.got.ptr, play.client.got.len, "221 bye\r\n");
    CHECK_INT(play_read(&play, &play.client), MW_ERR_CLOSED);
    /* the side that was told can still say something */
    CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("late"), &play.server.in), MW_OK);
    CHECK_INT(play_read(&play, &play.server), MW_AGAIN);
    CHECK_MEM(play.server.got.ptr, play.server.got.len, "late");
    tear_down();
}

TEST(peek_tells_octets_from_an_end_and_takes_none)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    CHECK_INT(play_read(&play, &play.client), MW_AGAIN);
    struct mw_slice nothing = MW_EMPTY;
    CHECK_INT(mw_tls_peek(play.server.tls, &nothing, &play.client.in), MW_AGAIN);
    CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("QUIT\r\n"), &play.server.in), MW_OK);
    mw_tls_close(play.client.tls, &play.server.in);
    for (int i = 0; i < 3; i++) {
        struct mw_slice in = mw_buf_view(&play.server.in);
        CHECK_INT(mw_tls_peek(play.server.tls, &in, &play.client.in), MW_OK);
        mw_buf_consume(&play.server.in, play.server.in.len - in.len);
    }
    char plain[6];
    size_t len = 0;
    struct mw_slice in = mw_buf_view(&play.server.in);
    CHECK_INT(mw_tls_open(play.server.tls, &in, plain, sizeof plain, &len, &play.client.in), MW_OK);
    CHECK_MEM(plain, len, "QUIT\r\n");
    CHECK_INT(mw_tls_peek(play.server.tls, &in, &play.client.in), MW_ERR_CLOSED);
    CHECK_INT(mw_tls_open(play.server.tls, &in, plain, sizeof plain, &len, &play.client.in),
              MW_ERR_CLOSED);
    tear_down();
}

TEST(half_a_record_is_no_octet)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("DATA\r\n"), &play.server.in), MW_OK);
    play.server.in.len--;
    CHECK_INT(play_read(&play, &play.server), MW_AGAIN);
    CHECK_INT(play.server.got.len, 0);
    tear_down();
}

/* ---- damage ---- */

TEST(damage_anywhere_is_noticed_for_good_and_told_to_the_peer)
{
    enum { WIRE = 28 };
    for (size_t at = 0; at < WIRE; at++) {
        char plain[64];
        size_t len = 0;
        CHECK(set_up());
        CHECK(play_shake(&play));
        CHECK_INT(play_read(&play, &play.client), MW_AGAIN);
        CHECK_INT(mw_tls_seal(play.client.tls, MW_LIT("QUIT\r\n"), &play.server.in), MW_OK);
        CHECK_INT(play.server.in.len, WIRE);
        play.server.in.ptr[at] ^= 0x40;
        mw_buf_put(&play.server.in, MW_LIT("\x17\x03\x03\x00\x00"));
        struct mw_slice in = mw_buf_view(&play.server.in);
        enum mw_err err = mw_tls_open(play.server.tls, &in, plain, sizeof plain, &len,
                                      &play.client.in);
        CHECK(err == MW_ERR_IO || (err == MW_AGAIN && (at == 3 || at == 4))); /* longer: waits */
        if (err == MW_ERR_IO) {
            CHECK(strlen(mw_tls_error(play.server.tls)) > 10);
            CHECK(play.client.in.len > 0);
            CHECK_INT(play_read(&play, &play.client), MW_ERR_IO); /* the alert */
            CHECK(strlen(mw_tls_error(play.client.tls)) > 10);
            in = MW_EMPTY;
            CHECK_INT(mw_tls_open(play.server.tls, &in, plain, sizeof plain, &len, &play.client.in),
                      MW_ERR_IO);
            CHECK_INT(mw_tls_seal(play.server.tls, MW_LIT("x"), &play.client.in), MW_ERR_IO);
        }
        tear_down();
    }
}

TEST(damage_in_the_handshake_is_noticed)
{
    uint64_t state = 99;
    int failed = 0;
    for (int i = 0; i < 60; i++) {
        CHECK(set_up());
        /* the client's hello, then the server's flight: one bit of one of them */
        struct play_side *victim = i % 2 == 0 ? &play.server : &play.client;
        struct mw_slice nothing = MW_EMPTY;
        CHECK_INT(mw_tls_handshake(play.client.tls, &nothing, &play.server.in), MW_AGAIN);
        if (victim == &play.client) {
            struct mw_slice in = mw_buf_view(&play.server.in);
            CHECK_INT(mw_tls_handshake(play.server.tls, &in, &play.client.in), MW_AGAIN);
            play.server.in.len = 0;
        }
        size_t at = mw_test_random(&state) % victim->in.len;
        victim->in.ptr[at] ^= (char)(1 << mw_test_random(&state) % 8);
        bool is_done = play_shake(&play) && play_say(&play, &play.client, MW_LIT("x")) &&
                       play_say(&play, &play.server, MW_LIT("x"));
        failed += !is_done;
        CHECK(!play.is_bad);
        tear_down();
    }
    CHECK(failed >= 58); /* the record version of the first hello is ignored (RFC 8446 5.1) */
}

static const char *garbage_text(const char *octets, size_t len, size_t cut)
{
    static char text[256];
    play.cut = cut;
    mw_buf_put(&play.server.in, MW_SLICE(octets, len));
    play.client.err = MW_OK; /* it stays silent */
    (void)play_shake(&play);
    snprintf(text, sizeof text, "%s",
             play.server.err == MW_ERR_IO ? mw_tls_error(play.server.tls) : "waits");
    return text;
}

TEST(what_is_no_tls_is_named)
{
    static const struct {
        const char *octets, *text;
    } rows[] = {
        {"EHLO mail.example.org\r\n", "not a TLS handshake (it begins with \"EHLO \")"},
        {"GET / HTTP/1.1\r\n\r\n", "not a TLS handshake (it begins with \"GET /\")"},
        {"CONNECT x:25 HTTP/1.1\r\n", "not a TLS handshake (it begins with \"CONNE\")"},
        {"\r\n\r\n\r\n\r\n", "not a TLS handshake (it begins with \"?????\")"},
        {"\x15\x03\x01\x00\x02\x02\x30", "the TLS handshake failed: unexpected message"},
        {"QUIT", "waits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t cut = 0; cut < 3; cut++) {
            CHECK(set_up());
            size_t len = strlen(rows[i].octets) + (rows[i].octets[0] == '\x15' ? 4 : 0);
            const char *text = garbage_text(rows[i].octets, len, cut);
            CHECK_MEM(text, strlen(text), rows[i].text);
            tear_down();
        }
    }
}

TEST(garbage_of_every_kind_only_fails)
{
    uint64_t state = 20260101;
    for (int i = 0; i < 400; i++) {
        char octets[600];
        size_t len = mw_test_random(&state) % sizeof octets;
        for (size_t j = 0; j < len; j++)
            octets[j] = (char)mw_test_random(&state);
        if (i % 3 != 0 && len > 6) { /* looks like a record, looks like a hello */
            memcpy(octets, "\x16\x03\x01", 3);
            octets[5] = 1;
        }
        CHECK(set_up());
        (void)garbage_text(octets, len, (size_t)i % 5);
        CHECK(play.server.err != MW_OK);
        for (const char *at = mw_tls_error(play.server.tls); *at != '\0'; at++)
            CHECK((unsigned char)*at >= ' ');
        tear_down();
    }
}

/* ---- versions and ciphers ---- */

static bool texts_are(const char *of_server, const char *of_client)
{
    const char *at_server = mw_tls_error(play.server.tls);
    const char *at_client = mw_tls_error(play.client.tls);
    if (strcmp(at_server, of_server) == 0 && strcmp(at_client, of_client) == 0)
        return true;
    fprintf(stderr, "server: %s\nclient: %s\n", at_server, at_client);
    return false;
}

static void use_old_tls(SSL *ssl)
{
    SSL_set_security_level(ssl, 0);
    SSL_set_min_proto_version(ssl, TLS1_VERSION);
    SSL_set_max_proto_version(ssl, TLS1_VERSION);
    SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0");
}

TEST(a_client_of_tls_1_0_is_refused)
{
    CHECK(set_up());
    use_old_tls(play.client.tls->ssl);
    CHECK(!play_shake(&play));
    CHECK(texts_are("the peer's version of TLS is older than the minimum",
                    "the peer takes none of our versions of TLS"));
    tear_down();
}

TEST(a_client_of_tls_1_0_is_served_where_it_is_asked_for_by_name)
{
    CHECK(set_up_with("1.0", NULL));
    use_old_tls(play.client.tls->ssl);
    CHECK(play_shake(&play));
    CHECK(play_say(&play, &play.client, MW_LIT("EHLO old\r\n")));
    const char *version = mw_tls_info(play.server.tls)->version;
    CHECK_MEM(version, strlen(version), "TLSv1");
    tear_down();
}

TEST(a_minimum_of_1_3_is_kept_by_either_side)
{
    CHECK(set_up_with("1.3", NULL));
    SSL_set_max_proto_version(play.client.tls->ssl, TLS1_2_VERSION);
    CHECK(!play_shake(&play));
    CHECK(texts_are("the peer's version of TLS is older than the minimum",
                    "the peer takes none of our versions of TLS"));
    tear_down();
    CHECK(set_up_with(NULL, "1.3"));
    SSL_set_max_proto_version(play.server.tls->ssl, TLS1_2_VERSION);
    CHECK(!play_shake(&play));
    tear_down();
}

TEST(no_cipher_in_common_is_said)
{
    CHECK(set_up());
    SSL_set_max_proto_version(play.client.tls->ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(play.client.tls->ssl, "ECDHE-RSA-AES128-GCM-SHA256"); /* our key is EC */
    CHECK(!play_shake(&play));
    CHECK(texts_are("no cipher in common with the peer",
                    "the peer found no common ground (alert handshake_failure)"));
    tear_down();
}

TEST(settings_that_are_not_known_are_named)
{
    char text[256] = "";
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {.certificate = site->cert_file, .key = site->key_file};
    struct mw_tls_server_config config = {.pairs = &pair, .pair_count = 1, .minimum = "1.4"};
    CHECK(mw_tls_server_new(&config, text, sizeof text) == NULL);
    CHECK(strncmp(text, "\"1.4\" is not a version of TLS", 29) == 0);
    config = (struct mw_tls_server_config){.pairs = &pair, .pair_count = 1, .ciphers = "ROT13"};
    CHECK(mw_tls_server_new(&config, text, sizeof text) == NULL);
    CHECK(strncmp(text, "none of the ciphers \"ROT13\" is known", 36) == 0);
    config = (struct mw_tls_server_config){.pairs = NULL};
    CHECK(mw_tls_server_new(&config, text, sizeof text) == NULL);
}

/* ---- hostile after the handshake ---- */

TEST(new_keys_now_and_then_are_served)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    for (int i = 0; i < 200; i++) {
        CHECK_INT(SSL_key_update(play.client.tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        CHECK(play_say(&play, &play.client, MW_LIT("NOOP\r\n")));
        CHECK(play_say(&play, &play.server, MW_LIT("250 ok\r\n")));
    }
    tear_down();
}

TEST(a_flood_of_new_keys_ends_the_connection)
{
    CHECK(set_up());
    CHECK(play_shake(&play));
    CHECK_INT(play_read(&play, &play.client), MW_AGAIN);
    struct mw_slice nothing = MW_EMPTY;
    play.client.tls->in = &nothing;
    play.client.tls->out = &play.server.in;
    for (int i = 0; i < 2000; i++) {
        SSL_key_update(play.client.tls->ssl, SSL_KEY_UPDATE_REQUESTED);
        CHECK_INT(SSL_do_handshake(play.client.tls->ssl), 1);
    }
    size_t answers = play.client.in.len;
    CHECK_INT(play_read(&play, &play.server), MW_ERR_IO);
    CHECK(strcmp(mw_tls_error(play.server.tls), "too many TLS handshake messages") == 0);
    CHECK(play.client.in.len - answers < 4000);
    tear_down();
}

TEST(renegotiation_is_refused_and_the_connection_goes_on)
{
    CHECK(set_up());
    SSL_set_max_proto_version(play.client.tls->ssl, TLS1_2_VERSION);
    SSL_clear_options(play.client.tls->ssl, SSL_OP_NO_RENEGOTIATION);
    CHECK(play_shake(&play));
    struct mw_slice nothing = MW_EMPTY;
    play.client.tls->in = &nothing;
    play.client.tls->out = &play.server.in;
    SSL_renegotiate(play.client.tls->ssl);
    (void)SSL_do_handshake(play.client.tls->ssl);
    ERR_clear_error();
    CHECK(play.server.in.len > 0);
    CHECK_INT(play_read(&play, &play.server), MW_AGAIN);
    CHECK(play.client.in.len > 0 && play.client.in.ptr[0] == SSL3_RT_ALERT);
    CHECK_INT(mw_tls_seal(play.server.tls, MW_LIT("250 still here\r\n"), &play.client.in), MW_OK);
    tear_down();
}

TEST(a_flood_of_empty_records_ends_the_connection)
{
    CHECK(set_up());
    SSL_set_max_proto_version(play.client.tls->ssl, TLS1_2_VERSION);
    CHECK(play_shake(&play));
    for (int i = 0; i < 5000; i++) /* in the clear: refused at once */
        mw_buf_put(&play.server.in, MW_LIT("\x17\x03\x03\x00\x00"));
    CHECK_INT(play_read(&play, &play.server), MW_ERR_IO);
    tear_down();
}

TEST(a_full_wire_buffer_is_a_failure_and_not_a_loop)
{
    CHECK(set_up());
    play.client.in = MW_BUF_INIT(100);
    CHECK(!play_shake(&play));
    CHECK_INT(play.server.err, MW_ERR_IO);
    CHECK(strcmp(mw_tls_error(play.server.tls), "there is more to send than may be kept") == 0);
    tear_down();
}

/* ---- texts ---- */

TEST(texts_of_peers_are_cleaned_and_bounded)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"mail.example.org", "mail.example.org"},
        {"a\r\nb\tc\x7f", "a??b?c?"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xc2\x85\xff\xc0\x80x", "????x"},
        {"\xf0\x9f\x93", "?"},
        {"", ""},
    };
    char text[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char wide[64];
        mw_tls_clean(mw_slice_cstr(rows[i].from), wide, sizeof wide);
        CHECK_MEM(wide, strlen(wide), rows[i].to);
    }
    mw_tls_clean(MW_LIT("a\0b"), text, sizeof text);
    CHECK_MEM(text, strlen(text), "a?b");
    mw_tls_clean(MW_LIT("fourteen chars\xc3\xbc"), text, sizeof text); /* not half a character */
    CHECK_MEM(text, strlen(text), "fourteen chars");
}
