/* test_tls_client.c - whom a client trusts, and which sessions it reuses. */
#include <stdlib.h>
#include <unistd.h>

#include "net/tls_priv.h"
#include "test.h"
#include "tls_play.h"

static struct play play;

static struct mw_tls_server *server_with(const struct kit_want *want, const char *id,
                                         struct mw_tls_tickets *tickets, struct kit_cert *out_cert)
{
    char file[64];
    struct kit_cert cert = kit_issue(want);
    snprintf(file, sizeof file, "%s.pem", id);
    struct mw_tls_pair pair = {.certificate = kit_write_certs(file, &cert, 1)};
    snprintf(file, sizeof file, "%s.key", id);
    pair.key = kit_write_key(file, &cert, NULL);
    if (out_cert != NULL)
        *out_cert = cert;
    return play_server(
        &(struct mw_tls_server_config){.pairs = &pair, .pair_count = 1, .tickets = tickets});
}

/* What a client of this configuration says of the server: "ok" or its error. */
static const char *verdict_on(struct mw_tls_server *server,
                              const struct mw_tls_client_config *config, int version)
{
    static char verdict[300];
    struct mw_tls_client *client = play_client(config);
    snprintf(verdict, sizeof verdict, "-");
    play = (struct play){0};
    if (client != NULL && play_open(&play, server, client)) {
        SSL_set_max_proto_version(play.client.tls->ssl, version);
        bool is_good = play_shake(&play);
        snprintf(verdict, sizeof verdict, "%s", is_good ? "ok" : mw_tls_error(play.client.tls));
        /* a server learns of it by an alert, in words of its own */
        if (!is_good && play.server.err == MW_OK)
            (void)play_read(&play, &play.server);
        if (!is_good && strstr(mw_tls_error(play.server.tls), "(alert ") == NULL)
            snprintf(verdict, sizeof verdict, "the server was not told");
        if (is_good &&
            mw_tls_info(play.client.tls)->is_verified != (config->verify != MW_TLS_VERIFY_NONE))
            snprintf(verdict, sizeof verdict, "is_verified is wrong");
    }
    play_close(&play);
    mw_tls_client_unref(&client);
    return verdict;
}

static struct mw_tls_client_config by_name(const char *name, const char *ca)
{
    return (struct mw_tls_client_config){
        .verify = MW_TLS_VERIFY_NAME, .server_name = name, .ca = ca};
}

#define CHECK_VERDICT(server, config, want)                                    \
    do {                                                                       \
        const struct mw_tls_client_config config_ = (config);                  \
        const char *verdict_ = verdict_on((server), &config_, TLS1_3_VERSION); \
        CHECK_MEM(verdict_, strlen(verdict_), want);                           \
        verdict_ = verdict_on((server), &config_, TLS1_2_VERSION);             \
        CHECK_MEM(verdict_, strlen(verdict_), want);                           \
    } while (0)

/* ---- by name ---- */

TEST(name_and_chain_are_verified)
{
    const struct kit_site *site = kit_site();
    struct kit_cert stranger = kit_issue(&(struct kit_want){.common_name = "S", .is_ca = true});
    const char *stranger_file = kit_write_certs("stranger.pem", &stranger, 1);
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca,
                           .common_name = "cn.test",
                           .names = "DNS:mx.test,DNS:*.wild.test,DNS:p*.part.test,IP:192.0.2.7"},
        "names", NULL, NULL);
    CHECK_VERDICT(server, by_name("mx.test", site->ca_file), "ok");
    CHECK_VERDICT(server, by_name("MX.test", site->ca_file), "ok");
    CHECK_VERDICT(server, by_name("a.wild.test", site->ca_file), "ok");
    CHECK_VERDICT(server, by_name("192.0.2.7", site->ca_file), "ok");
    CHECK_VERDICT(server, by_name("cn.test", site->ca_file),
                  "the peer's certificate is not for cn.test");
    CHECK_VERDICT(server, by_name("a.b.wild.test", site->ca_file),
                  "the peer's certificate is not for a.b.wild.test");
    CHECK_VERDICT(server, by_name("pa.part.test", site->ca_file),
                  "the peer's certificate is not for pa.part.test");
    CHECK_VERDICT(server, by_name("192.0.2.8", site->ca_file),
                  "the peer's certificate is not accepted: IP address mismatch");
    CHECK_VERDICT(server, by_name("mx.test", stranger_file),
                  "the peer's certificate is not accepted: unable to get local issuer certificate");
    mw_tls_server_unref(&server);
}

TEST(expired_and_self_signed_certificates_are_not_accepted_by_name)
{
    const struct kit_site *site = kit_site();
    struct kit_cert self;
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test", .days = -1}, "expired",
        NULL, NULL);
    CHECK_VERDICT(server, by_name("mx.test", site->ca_file),
                  "the peer's certificate is not accepted: certificate has expired");
    mw_tls_server_unref(&server);
    server = server_with(&(struct kit_want){.names = "DNS:mx.test"}, "self", NULL, &self);
    CHECK_VERDICT(server, by_name("mx.test", site->ca_file),
                  "the peer's certificate is not accepted: self-signed certificate");
    CHECK_VERDICT(server, by_name("mx.test", kit_path("self.pem")), "ok");
    mw_tls_server_unref(&server);
}

TEST(an_intermediate_in_the_ca_file_is_an_anchor)
{
    const struct kit_site *site = kit_site();
    struct kit_cert between = kit_issue(
        &(struct kit_want){.issuer = &site->ca, .common_name = "Between", .is_ca = true});
    const char *anchor = kit_write_certs("between.pem", &between, 1);
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &between, .names = "DNS:mx.test"}, "below", NULL, NULL);
    CHECK_VERDICT(server, by_name("mx.test", anchor), "ok");
    CHECK_VERDICT(server, by_name("mx.test", site->ca_file),
                  "the peer's certificate is not accepted: unable to get local issuer certificate");
    mw_tls_server_unref(&server);
}

TEST(the_store_of_the_system_is_used_without_a_ca_file)
{
    const struct kit_site *site = kit_site();
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test"}, "system", NULL, NULL);
    setenv("SSL_CERT_FILE", site->ca_file, 1);
    CHECK_VERDICT(server, by_name("mx.test", NULL), "ok");
    unsetenv("SSL_CERT_FILE");
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0)
        CHECK_VERDICT(
            server, by_name("mx.test", NULL),
            "the peer's certificate is not accepted: unable to get local issuer certificate");
    else
        printf("     no ca-certificates here: the system's own store was not tried\n");
    mw_tls_server_unref(&server);
}

/* ---- by fingerprint, and not at all ---- */

static void print_fingerprint(const struct kit_cert *cert, const char *between, char *to)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    X509_digest(cert->x509, EVP_sha256(), digest, &len);
    for (unsigned int i = 0; i < len; i++)
        to += snprintf(to, 4, "%s%02X", i == 0 ? "" : between, digest[i]);
}

TEST(a_fingerprint_is_all_that_counts)
{
    struct kit_cert cert;
    char plain[100], coloned[100];
    struct mw_tls_server *server = server_with(&(struct kit_want){.common_name = "x", .days = -9},
                                               "print", NULL, &cert);
    print_fingerprint(&cert, ":", coloned);
    print_fingerprint(&cert, "", plain);
    for (char *at = plain; *at != '\0'; at++)
        *at = mw_lower(*at);
    const char *const good[] = {"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:"
                                "66:77:88:99:AA:BB:CC:DD:EE:FF",
                                coloned, NULL};
    const char *const lower[] = {plain, NULL}, *const bad[] = {good[0], NULL};
    struct mw_tls_client_config config = {.verify = MW_TLS_VERIFY_FINGERPRINT,
                                          .server_name = "any.test"};
    config.fingerprints = good;
    CHECK_VERDICT(server, config, "ok");
    config.fingerprints = lower;
    CHECK_VERDICT(server, config, "ok");
    config.fingerprints = bad;
    CHECK_VERDICT(server, config,
                  "the peer's certificate has none of the fingerprints that are expected");
    mw_tls_server_unref(&server);
}

TEST(without_verification_any_certificate_will_do_and_is_told)
{
    struct mw_tls_server *server = server_with(&(struct kit_want){.common_name = "x", .days = -9},
                                               "none", NULL, NULL);
    CHECK_VERDICT(server, ((struct mw_tls_client_config){.server_name = "any.test"}), "ok");
    struct mw_tls_client *client = play_client(&(struct mw_tls_client_config){.server_name = NULL});
    play = (struct play){0};
    CHECK(play_all(&play, server, client));
    const struct mw_tls_info *info = mw_tls_info(play.client.tls);
    CHECK(info->has_certificate && !info->is_verified);
    CHECK_MEM(info->subject, strlen(info->subject), "x");
    CHECK_MEM(info->problem, strlen(info->problem), "not checked");
    CHECK_MEM(info->sni, strlen(info->sni), "");
    play_close(&play);
    mw_tls_client_unref(&client);
    mw_tls_server_unref(&server);
}

/* ---- configurations that are wrong ---- */

TEST(configurations_that_are_wrong_are_named)
{
    static const char *const none[] = {NULL}, *const shortened[] = {"AB:CD", NULL},
                             *const sha1[] = {"da39a3ee5e6b4b0d3255bfef95601890afd80709", NULL},
                             *const odd[] = {"A:BC", NULL};
    const struct {
        struct mw_tls_client_config config;
        const char *text;
    } rows[] = {
        {{.verify = MW_TLS_VERIFY_NAME, .ca = kit_site()->ca_file}, "to verify the certificate"},
        {{.verify = MW_TLS_VERIFY_FINGERPRINT}, "to verify by fingerprint needs"},
        {{.verify = MW_TLS_VERIFY_FINGERPRINT, .fingerprints = none}, "to verify by fingerprint"},
        {{.verify = MW_TLS_VERIFY_FINGERPRINT, .fingerprints = shortened},
         "\"AB:CD\" is not a SHA-256 fingerprint"},
        {{.verify = MW_TLS_VERIFY_FINGERPRINT, .fingerprints = sha1}, "\"da39a3ee5e6b4b0d3255bfe"},
        {{.verify = MW_TLS_VERIFY_FINGERPRINT, .fingerprints = odd}, "\"A:BC\" is not"},
        {{.certificate = kit_site()->cert_file}, "a client certificate needs its key"},
        {{.key = kit_site()->key_file}, "a client certificate needs its key"},
        {{.certificate = "/nonexistent.pem", .key = kit_site()->key_file},
         "/nonexistent.pem: cannot be read: No such file"},
        {{.verify = MW_TLS_VERIFY_NAME, .server_name = "x", .ca = "/nonexistent.pem"},
         "/nonexistent.pem: cannot be read: No such file"},
        {{.ciphers = "NOTHING"}, "none of the ciphers \"NOTHING\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300] = "";
        CHECK(mw_tls_client_new(&rows[i].config, text, sizeof text) == NULL);
        text[strlen(rows[i].text)] = '\0';
        CHECK_MEM(text, strlen(text), rows[i].text);
    }
}

/* ---- sessions ---- */

static int connect_for(struct mw_tls_server *server, struct mw_tls_client *client, const char *key,
                       int version)
{
    int result = -1;
    play = (struct play){
        .server = {.tls = mw_tls_accept(server), .err = MW_AGAIN},
        .client = {.tls = mw_tls_connect(client, mw_slice_cstr(key)), .err = MW_AGAIN}};
    SSL_set_max_proto_version(play.client.tls->ssl, version);
    if (play_shake(&play) && play_say(&play, &play.server, MW_LIT("220\r\n")))
        result = mw_tls_info(play.client.tls)->is_resumed;
    play_close(&play);
    return result;
}

TEST(sessions_are_kept_by_key_and_the_least_used_goes)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const struct kit_site *site = kit_site();
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test"}, "lru", tickets, NULL);
    for (int v = 0; v < 2; v++) {
        const struct mw_tls_client_config config = by_name("mx.test", site->ca_file);
        struct mw_tls_client *client = play_client(&config);
        char key[16];
        for (int i = 0; i < MW_TLS_KEYS_MAX; i++) {
            snprintf(key, sizeof key, "%d", i);
            CHECK_INT(connect_for(server, client, key, versions[v]), 0);
        }
        CHECK_INT(connect_for(server, client, "0", versions[v]), 1); /* now the one used last */
        CHECK_INT(connect_for(server, client, "one more", versions[v]), 0);
        CHECK_INT(connect_for(server, client, "0", versions[v]), 1);
        CHECK_INT(connect_for(server, client, "2", versions[v]), 1);
        CHECK_INT(connect_for(server, client, "1", versions[v]), 0); /* it was the oldest */
        CHECK_INT(mw_tls_client_sessions(client)->count, MW_TLS_KEYS_MAX);
        CHECK_INT(connect_for(server, client, "", versions[v]), 0);
        CHECK_INT(connect_for(server, client, "", versions[v]), 0); /* no key, no session */
        mw_tls_client_unref(&client);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(a_session_of_tls_1_3_is_offered_once_and_one_of_1_2_again)
{
    const struct kit_site *site = kit_site();
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test"}, "once", tickets, NULL);
    const struct mw_tls_client_config config = by_name("mx.test", site->ca_file);
    struct mw_tls_client *client = play_client(&config);
    struct mw_tls_sessions *sessions = mw_tls_client_sessions(client);
    CHECK_INT(connect_for(server, client, "a", TLS1_3_VERSION), 0);
    SSL_SESSION *session = mw_tls_sessions_take(sessions, MW_LIT("a"));
    CHECK(session != NULL);
    SSL_SESSION_free(session);
    CHECK(mw_tls_sessions_take(sessions, MW_LIT("a")) == NULL);
    CHECK_INT(connect_for(server, client, "b", TLS1_2_VERSION), 0);
    for (int i = 0; i < 3; i++) {
        session = mw_tls_sessions_take(sessions, MW_LIT("b"));
        CHECK(session != NULL);
        SSL_SESSION_free(session);
    }
    /* no more than so many a key */
    for (int i = 0; i < 10; i++) {
        CHECK_INT(connect_for(server, client, "d", TLS1_3_VERSION), 0);
        session = mw_tls_sessions_take(sessions, MW_LIT("d"));
        CHECK(session != NULL);
        CHECK(mw_tls_sessions_keep(sessions, MW_LIT("c"), session));
    }
    int count = 0;
    while ((session = mw_tls_sessions_take(sessions, MW_LIT("c"))) != NULL) {
        SSL_SESSION_free(session);
        count++;
    }
    CHECK_INT(count, MW_TLS_SESSIONS_A_KEY);
    mw_tls_client_unref(&client);
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(a_session_survives_a_connection_that_was_cut_off)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const struct kit_site *site = kit_site();
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test"}, "abrupt", tickets, NULL);
    for (int v = 0; v < 2; v++) {
        const struct mw_tls_client_config config = by_name("mx.test", site->ca_file);
        struct mw_tls_client *client = play_client(&config);
        for (int i = 0; i < 4; i++) /* none of them says close_notify */
            CHECK_INT(connect_for(server, client, "a", versions[v]), i > 0);
        mw_tls_client_unref(&client);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(an_unverified_session_opens_nothing_that_verifies)
{
    const struct kit_site *site = kit_site();
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = server_with(&(struct kit_want){.names = "DNS:mx.test"}, "fake",
                                               tickets, NULL);
    const struct mw_tls_client_config strict = by_name("mx.test", site->ca_file);
    const struct mw_tls_client_config lax = {.server_name = "mx.test"};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int v = 0; v < 2; v++) {
        struct mw_tls_client *careless = play_client(&lax), *careful = play_client(&strict);
        CHECK_INT(connect_for(server, careless, "a", versions[v]), 0);
        SSL_SESSION *session = mw_tls_sessions_take(mw_tls_client_sessions(careless), MW_LIT("a"));
        CHECK(session != NULL);
        CHECK(mw_tls_sessions_keep(mw_tls_client_sessions(careful), MW_LIT("a"), session));
        CHECK_INT(connect_for(server, careful, "a", versions[v]), -1);
        /* and a failure throws it away */
        CHECK(mw_tls_sessions_take(mw_tls_client_sessions(careful), MW_LIT("a")) == NULL);
        CHECK_INT(connect_for(server, careful, "a", versions[v]), -1);
        CHECK_INT(mw_tls_client_sessions(careful)->count, 0);
        mw_tls_client_unref(&careless);
        mw_tls_client_unref(&careful);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(a_change_of_the_ca_file_throws_the_sessions_away)
{
    char text[300];
    const struct kit_site *site = kit_site();
    struct kit_cert stranger = kit_issue(&(struct kit_want){.common_name = "S2", .is_ca = true});
    const char *ca = kit_write_certs("moving-ca.pem", &site->ca, 1);
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = server_with(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:mx.test"}, "moving", tickets, NULL);
    const struct mw_tls_client_config config = by_name("mx.test", ca);
    struct mw_tls_client *client = play_client(&config);
    CHECK_INT(connect_for(server, client, "a", TLS1_3_VERSION), 0);
    CHECK_INT(connect_for(server, client, "a", TLS1_3_VERSION), 1);
    CHECK_INT(mw_tls_client_refresh(client, text, sizeof text), MW_TLS_UNCHANGED);
    (void)kit_write("moving-ca.pem", "nothing\n", 8);
    CHECK_INT(mw_tls_client_refresh(client, text, sizeof text), MW_TLS_FAILED);
    CHECK(strstr(text, "no certificate in PEM form") != NULL);
    CHECK_INT(mw_tls_client_refresh(client, text, sizeof text), MW_TLS_UNCHANGED);
    CHECK_INT(connect_for(server, client, "a", TLS1_3_VERSION), 1); /* the old one is in force */
    play = (struct play){0};
    CHECK(play_open(&play, server, client)); /* begun with the old trust */
    (void)kit_write_certs("moving-ca.pem", &stranger, 1);
    CHECK_INT(mw_tls_client_refresh(client, text, sizeof text), MW_TLS_RENEWED);
    CHECK(play_shake(&play));
    CHECK(play_say(&play, &play.server, MW_LIT("x")));
    play_close(&play);
    CHECK_INT(mw_tls_client_sessions(client)->count, 0); /* its session was not kept */
    CHECK_INT(connect_for(server, client, "a", TLS1_3_VERSION), -1);
    mw_tls_client_unref(&client);
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}
