/* test_tls_ticket.c - session tickets: how long they live, in which process, and what they open. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/tls_priv.h"
#include "test.h"
#include "tls_play.h"

static struct play play;

/* ---- tickets ---- */

/* One whole connection: 1 resumed, 0 not, -1 failed. */
static int connect_once(struct mw_tls_server *server, struct mw_tls_client *client, int version)
{
    int result = -1;
    play = (struct play){0};
    if (play_open(&play, server, client)) {
        SSL_set_max_proto_version(play.client.tls->ssl, version);
        if (play_shake(&play) && play_say(&play, &play.server, MW_LIT("220\r\n"))) {
            result = mw_tls_info(play.server.tls)->is_resumed;
            if (result != mw_tls_info(play.client.tls)->is_resumed)
                result = -1;
        }
    }
    play_close(&play);
    return result;
}

static void rotate_and_resume(int version)
{
    for (int rotations = 0; rotations <= 4; rotations++) {
        struct mw_tls_tickets *tickets = mw_tls_tickets_new();
        struct mw_tls_server *server = play_site_server(tickets, NULL);
        struct mw_tls_client *client = play_site_client();
        CHECK_INT(connect_once(server, client, version), 0);
        for (int i = 0; i < rotations; i++)
            mw_tls_tickets_rotate(tickets);
        CHECK_INT(connect_once(server, client, version), rotations <= 2);
        CHECK_INT(connect_once(server, client, version), 1);
        /* the ticket was renewed with the newest key: it outlives the old ones */
        mw_tls_tickets_rotate(tickets);
        mw_tls_tickets_rotate(tickets);
        CHECK_INT(connect_once(server, client, version), 1);
        for (int i = 0; i < 100; i++) {
            mw_tls_tickets_rotate(tickets);
            CHECK_INT(connect_once(server, client, version), 1);
        }
        mw_tls_server_unref(&server);
        mw_tls_client_unref(&client);
        mw_tls_tickets_free(&tickets);
        CHECK(tickets == NULL);
    }
}

TEST(tickets_live_for_two_rotations_with_tls_1_3)
{
    rotate_and_resume(TLS1_3_VERSION);
}

TEST(tickets_live_for_two_rotations_with_tls_1_2)
{
    rotate_and_resume(TLS1_2_VERSION);
}

TEST(without_keys_there_are_no_tickets)
{
    struct mw_tls_server *server = play_site_server(NULL, NULL);
    struct mw_tls_client *client = play_site_client();
    for (int i = 0; i < 3; i++) {
        CHECK_INT(connect_once(server, client, TLS1_3_VERSION), 0);
        CHECK_INT(connect_once(server, client, TLS1_2_VERSION), 0);
    }
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
}

TEST(a_ticket_of_one_worker_is_good_for_the_others_and_for_the_next_reading)
{
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *first = play_site_server(tickets, NULL),
                         *second = play_site_server(tickets, NULL);
    struct mw_tls_client *client = play_site_client();
    CHECK_INT(connect_once(first, client, TLS1_3_VERSION), 0);
    CHECK_INT(connect_once(second, client, TLS1_3_VERSION), 1);
    CHECK_INT(connect_once(first, client, TLS1_2_VERSION), 0);
    CHECK_INT(connect_once(second, client, TLS1_2_VERSION), 1);
    mw_tls_server_unref(&first);
    mw_tls_server_unref(&second);
    mw_tls_client_unref(&client);
    mw_tls_tickets_free(&tickets);
}

TEST(a_rotation_in_another_process_counts_here)
{
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = play_site_server(tickets, NULL);
    struct mw_tls_client *client = play_site_client();
    CHECK_INT(connect_once(server, client, TLS1_2_VERSION), 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            mw_tls_tickets_rotate(tickets);
        mw_tls_tickets_free(&tickets); /* wipes nothing */
        _exit(0);
    }
    int status = 1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(connect_once(server, client, TLS1_2_VERSION), 0);
    CHECK_INT(connect_once(server, client, TLS1_2_VERSION), 1);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
    mw_tls_tickets_free(&tickets);
}

TEST(rotation_while_another_process_shakes_hands_disturbs_nothing)
{
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20000; i++)
            mw_tls_tickets_rotate(tickets);
        _exit(0);
    }
    struct mw_tls_server *server = play_site_server(tickets, NULL);
    struct mw_tls_client *client = play_site_client();
    int status = 1, failed = 0;
    do
        failed += connect_once(server, client, TLS1_3_VERSION) < 0;
    while (waitpid(child, &status, WNOHANG) == 0);
    CHECK_INT(status, 0);
    CHECK_INT(failed, 0);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
    mw_tls_tickets_free(&tickets);
}

/* ---- what a ticket is bound to ---- */

/* Take the session of one client for another: what a thief, or a client of two services, does. */
static int carry_session(struct mw_tls_server *from, const char *from_name,
                         struct mw_tls_server *to, const char *to_name, int version)
{
    struct mw_tls_client *first = play_any_client(from_name), *second = play_any_client(to_name);
    int result = connect_once(from, first, version);
    SSL_SESSION *session = mw_tls_sessions_take(mw_tls_client_sessions(first), MW_LIT("upstream"));
    if (result != 0 || session == NULL ||
        !mw_tls_sessions_keep(mw_tls_client_sessions(second), MW_LIT("upstream"), session))
        return -2;
    result = connect_once(to, second, version);
    mw_tls_client_unref(&first);
    mw_tls_client_unref(&second);
    return result;
}

TEST(a_ticket_opens_only_the_name_it_was_given_for)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_pair pairs[] = {play_pair("one", "DNS:one.test", KIT_EC),
                                  play_pair("two", "DNS:two.test", KIT_EC)};
    struct mw_tls_server *server = play_server(
        &(struct mw_tls_server_config){.pairs = pairs, .pair_count = 2, .tickets = tickets});
    for (int i = 0; i < 2; i++) {
        CHECK_INT(carry_session(server, "one.test", server, "one.test", versions[i]), 1);
        CHECK_INT(carry_session(server, "two.test", server, "two.test", versions[i]), 1);
        CHECK_INT(carry_session(server, "one.test", server, "two.test", versions[i]), 0);
        CHECK_INT(carry_session(server, "two.test", server, "one.test", versions[i]), 0);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(a_ticket_of_a_service_without_client_certificates_opens_none_with_them)
{
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *open = play_site_server(tickets, NULL);
    struct mw_tls_server *guarded = play_site_server(tickets, kit_site()->ca_file);
    CHECK_INT(carry_session(open, "mail.weir.test", open, "mail.weir.test", TLS1_2_VERSION), 1);
    CHECK_INT(carry_session(open, "mail.weir.test", guarded, "mail.weir.test", TLS1_2_VERSION), 0);
    CHECK_INT(carry_session(open, "mail.weir.test", guarded, "mail.weir.test", TLS1_3_VERSION), 0);
    CHECK_INT(carry_session(guarded, "mail.weir.test", open, "mail.weir.test", TLS1_3_VERSION), 0);
    mw_tls_server_unref(&open);
    mw_tls_server_unref(&guarded);
    mw_tls_tickets_free(&tickets);
}
