/* test_tls_server.c - certificates by name, clients' certificates, staples, files that change
 * or are wrong. */
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/tls_priv.h"
#include "net/tls_set.h"
#include "test.h"
#include "tls_play.h"

static struct play play;

/* Common name of the certificate that a client which asks for `name` gets. */
static const char *certificate_for(struct mw_tls_server *server, const char *name,
                                   const char *algorithms)
{
    static char subject[256];
    struct mw_tls_client *client = play_any_client(name);
    snprintf(subject, sizeof subject, "-");
    play = (struct play){0};
    if (play_open(&play, server, client)) {
        if (algorithms != NULL)
            SSL_set1_sigalgs_list(play.client.tls->ssl, algorithms);
        if (play_shake(&play))
            snprintf(subject, sizeof subject, "%s", mw_tls_info(play.client.tls)->subject);
        else
            snprintf(subject, sizeof subject, "%s", mw_tls_error(play.server.tls));
    }
    play_close(&play);
    mw_tls_client_unref(&client);
    return subject;
}

/* ---- names ---- */

TEST(certificate_is_chosen_by_name)
{
    static const struct {
        const char *sni, *subject;
    } rows[] = {
        {NULL, "first.test"},
        {"first.test", "first.test"},
        {"MAIL.weir.TEST", "exact"},
        {"mail.weir.test.", "exact"},
        {"mx.weir.test", "exact"},
        {"other.weir.test", "wild"},
        {"weir.test", "first.test"},         /* a wildcard is one label, not none */
        {"a.other.weir.test", "first.test"}, /* and not two */
        {".weir.test", "first.test"},
        {"*.weir.test", "wild"},
        {"bare.test", "bare.test"}, /* no subjectAltName: the common name */
        {"exact", "first.test"},    /* with one, it does not count */
        {"nobody.example", "first.test"},
        {"test", "first.test"},
        {"mail.weir.test\\", "first.test"},
        {"x\r\n250 y", "first.test"},
        {"\x01\xff\xfe", "first.test"},
    };
    struct mw_tls_pair pairs[] = {
        play_pair("first.test", NULL, KIT_EC),
        play_pair("wild", "DNS:*.weir.test", KIT_EC),
        play_pair("exact", "DNS:Mail.Weir.Test,DNS:mx.weir.test,IP:192.0.2.1", KIT_EC),
        play_pair("bare.test", NULL, KIT_EC),
        play_pair("shadow", "DNS:mx.weir.test", KIT_EC), /* the first one has the name */
    };
    struct mw_tls_server *server = play_server_of(pairs, sizeof pairs / sizeof *pairs);
    CHECK(server != NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *subject = certificate_for(server, rows[i].sni, NULL);
        CHECK_MEM(subject, strlen(subject), rows[i].subject);
    }
    mw_tls_server_unref(&server);
}

TEST(the_name_that_was_asked_for_is_a_fact_whatever_it_leads_to)
{
    static const struct {
        const char *asked, *told;
    } rows[] = {
        {"mail.weir.test", "mail.weir.test"},
        {"Nobody.example", "Nobody.example"},
        {"a\r\nb\xff", "a??b?"},
        {NULL, ""},
    };
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_pair pair = play_pair("fact", "DNS:mail.weir.test", KIT_EC);
    struct mw_tls_server *server = play_server(
        &(struct mw_tls_server_config){.pairs = &pair, .pair_count = 1, .tickets = tickets});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mw_tls_client *client = play_any_client(rows[i].asked);
        for (int round = 0; round < 4; round++) { /* each version, then resumed */
            play = (struct play){0};
            CHECK(play_open(&play, server, client));
            SSL_set_max_proto_version(play.client.tls->ssl, versions[round / 2]);
            CHECK(play_shake(&play));
            CHECK(play_say(&play, &play.server, MW_LIT("220\r\n")));
            const struct mw_tls_info *info = mw_tls_info(play.server.tls);
            CHECK_INT(info->is_resumed, round % 2);
            CHECK_MEM(info->sni, strlen(info->sni), rows[i].told);
            play_close(&play);
        }
        mw_tls_client_unref(&client);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(ecdsa_and_rsa_of_one_name_serve_each_client_what_it_can_verify)
{
    struct mw_tls_pair pairs[] = {
        play_pair("ec", "DNS:b.test,DNS:a.test", KIT_EC),
        play_pair("rsa", "DNS:a.test,DNS:B.test", KIT_RSA),
        play_pair("lone", "DNS:a.test", KIT_RSA),
    };
    struct mw_tls_server *server = play_server_of(pairs, 3);
    CHECK(server != NULL);
    CHECK(strcmp(certificate_for(server, "a.test", NULL), "ec") == 0);
    CHECK(strcmp(certificate_for(server, "a.test", "RSA-PSS+SHA256:RSA+SHA256"), "rsa") == 0);
    CHECK(strcmp(certificate_for(server, "b.test", "RSA-PSS+SHA256"), "rsa") == 0);
    CHECK(strcmp(certificate_for(server, NULL, "RSA-PSS+SHA256"), "rsa") == 0);
    CHECK(strcmp(certificate_for(server, NULL, "ECDSA+SHA256"), "ec") == 0);
    mw_tls_server_unref(&server);
}

TEST(many_names_and_many_pairs_are_found)
{
    char names[3000] = "", text[64];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%sDNS:h%d.many.test", i > 0 ? "," : "", i);
        strncat(names, text, sizeof names - strlen(names) - 1);
    }
    struct mw_tls_pair pairs[] = {play_pair("zero", "DNS:zero.test", KIT_EC),
                                  play_pair("many", names, KIT_EC)};
    struct mw_tls_server *server = play_server_of(pairs, 2);
    CHECK(server != NULL);
    for (int i = 0; i < 100; i += 7) {
        snprintf(text, sizeof text, "h%d.many.test", i);
        CHECK(strcmp(certificate_for(server, text, NULL), "many") == 0);
    }
    CHECK(strcmp(certificate_for(server, "h100.many.test", NULL), "zero") == 0);
    mw_tls_server_unref(&server);
}

TEST(hostile_server_name_extensions_are_no_name)
{
    char big[5000];
    memset(big, 'x', sizeof big);
    CHECK_SLICE(mw_tls_sni_of(MW_EMPTY), "");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\0\x04\0\0\x01")), "");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\0\x04\0\0\x01z")), "z");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\0\x04\x01\0\x01z")), "");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\0\x04\0\0\x02z")), "");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\0\x09\0\0\x01z\0\0\x01y")), "");
    CHECK_SLICE(mw_tls_sni_of(MW_LIT("\xff\xff\0\xff\xff")), "");
    for (size_t i = 0; i < 12; i++)
        (void)mw_tls_sni_of(MW_SLICE(big, i));
    struct mw_tls_pair pair = play_pair("only", "DNS:only.test", KIT_EC);
    struct mw_tls_identity identity;
    char text[256];
    struct mw_tls_set *set = mw_tls_set_new(1);
    CHECK_INT(mw_tls_identity_read(pair.certificate, pair.key,
                                   (struct mw_tls_text){text, sizeof text}, &identity),
              MW_OK);
    (void)mw_tls_set_place(set, &identity);
    mw_tls_set_add_context(set, SSL_CTX_new(TLS_server_method()));
    mw_tls_set_complete(set, NULL);
    CHECK(mw_tls_set_find(set, MW_LIT("only.test")) != NULL);
    CHECK(mw_tls_set_find(set, MW_SLICE(big, sizeof big)) == NULL);
    CHECK(mw_tls_set_find(set, MW_SLICE(big, 255)) == NULL);
    CHECK(mw_tls_set_find(set, MW_LIT("only.test\0")) == NULL);
    CHECK(mw_tls_set_find(set, MW_LIT("only.test\0.evil")) == NULL);
    CHECK(mw_tls_set_find(set, MW_LIT(".")) == NULL);
    CHECK(mw_tls_set_find(set, MW_EMPTY) == NULL);
    mw_tls_identity_fini(&identity);
    mw_tls_set_unref(&set);
}

/* What a hello with any octets as its server name does to a server. OpenSSL refuses NUL (RFC 6066
 * 3); all else is the default certificate. */
TEST(hostile_server_names_on_the_wire_are_harmless)
{
    static const char fillings[] = {'\0', '\\', '\r', '\x7f', '\xff', '.', '*', ' '};
    char name[200];
    memset(name, 'q', sizeof name);
    name[sizeof name - 1] = '\0';
    struct mw_tls_pair pair = play_pair("calm", "DNS:calm.test", KIT_EC);
    struct mw_tls_server *server = play_server_of(&pair, 1);
    CHECK(server != NULL);
    for (size_t i = 0; i < sizeof fillings; i++) {
        struct mw_tls_client *client = play_any_client(name);
        struct mw_slice nothing = MW_EMPTY;
        play = (struct play){0};
        CHECK(play_open(&play, server, client));
        CHECK_INT(mw_tls_handshake(play.client.tls, &nothing, &play.server.in), MW_AGAIN);
        char *at = memmem(play.server.in.ptr, play.server.in.len, name, sizeof name - 1);
        CHECK(at != NULL);
        memset(at, fillings[i], sizeof name - 1);
        struct mw_slice in = mw_buf_view(&play.server.in);
        enum mw_err err = mw_tls_handshake(play.server.tls, &in, &play.client.in);
        CHECK_INT(err, fillings[i] == '\0' ? MW_ERR_IO : MW_AGAIN);
        CHECK(play.client.in.len > 0);
        play_close(&play);
        mw_tls_client_unref(&client);
    }
    mw_tls_server_unref(&server);
}

/* ---- certificates of clients ---- */

static struct mw_tls_client *client_with(const struct kit_want *want, const char *id)
{
    char file[64];
    struct kit_cert cert = kit_issue(want);
    snprintf(file, sizeof file, "%s.pem", id);
    const char *certificate = kit_write_certs(file, &cert, 1);
    snprintf(file, sizeof file, "%s.key", id);
    return play_client(&(struct mw_tls_client_config){.certificate = certificate,
                                                      .key = kit_write_key(file, &cert, NULL)});
}

static void show_certificate(struct mw_tls_server *server, struct mw_tls_client *client,
                             const char *subject, const char *problem, int version)
{
    for (int is_again = 0; is_again < 2; is_again++) {
        play = (struct play){0};
        CHECK(play_open(&play, server, client));
        SSL_set_max_proto_version(play.client.tls->ssl, version);
        CHECK(play_shake(&play));
        CHECK(play_say(&play, &play.server, MW_LIT("220\r\n")));
        const struct mw_tls_info *info = mw_tls_info(play.server.tls);
        CHECK_INT(info->is_resumed, is_again);
        CHECK_INT(info->has_certificate, subject[0] != '\0');
        CHECK_INT(info->is_verified, subject[0] != '\0' && problem[0] == '\0');
        CHECK_MEM(info->subject, strlen(info->subject), subject);
        CHECK_MEM(info->problem, strlen(info->problem), problem);
        CHECK_INT(strlen(info->fingerprint), subject[0] == '\0' ? 0 : 95);
        play_close(&play);
    }
}

TEST(certificates_of_clients_are_facts_and_never_end_a_handshake)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct mw_tls_tickets *tickets = mw_tls_tickets_new();
    struct mw_tls_server *server = play_site_server(tickets, kit_site()->ca_file);
    struct kit_cert stranger = kit_issue(&(struct kit_want){.common_name = "X", .is_ca = true});
    const struct kit_cert *ca = &kit_site()->ca;
    CHECK(server != NULL);
    for (int i = 0; i < 2; i++) {
        struct mw_tls_client *clients[] = {
            client_with(&(struct kit_want){.issuer = ca, .common_name = "alice"}, "alice"),
            client_with(&(struct kit_want){.issuer = ca, .names = "DNS:relay.test"}, "relay"),
            client_with(&(struct kit_want){.issuer = ca, .common_name = "old", .days = -5}, "old"),
            client_with(&(struct kit_want){.issuer = &stranger, .common_name = "mallory"}, "mal"),
            client_with(&(struct kit_want){.common_name = "self\r\n\xc2\x9b"}, "self"),
            play_any_client(NULL),
        };
        show_certificate(server, clients[0], "alice", "", versions[i]);
        show_certificate(server, clients[1], "relay.test", "", versions[i]);
        show_certificate(server, clients[2], "old", "certificate has expired", versions[i]);
        show_certificate(server, clients[3], "mallory", "unable to get local issuer certificate",
                         versions[i]);
        show_certificate(server, clients[4], "self???", "self-signed certificate", versions[i]);
        show_certificate(server, clients[5], "", "", versions[i]);
        for (size_t j = 0; j < sizeof clients / sizeof *clients; j++)
            mw_tls_client_unref(&clients[j]);
    }
    mw_tls_server_unref(&server);
    mw_tls_tickets_free(&tickets);
}

TEST(no_certificate_is_asked_for_without_a_ca)
{
    struct mw_tls_server *server = play_site_server(NULL, NULL);
    struct mw_tls_client *client = client_with(&(struct kit_want){.common_name = "alice"},
                                               "unasked");
    play = (struct play){0};
    CHECK(play_all(&play, server, client));
    CHECK(!mw_tls_info(play.server.tls)->has_certificate);
    play_close(&play);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
}

/* ---- staples ---- */

/* Octets of the staple that a client gets; 0: none. */
static long staple_of(const char *path)
{
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {
        .certificate = site->cert_file, .key = site->key_file, .staple = path};
    struct mw_tls_server *server = play_server_of(&pair, 1);
    struct mw_tls_client *client = play_site_client();
    const unsigned char *octets = NULL;
    long len = -1;
    play = (struct play){0};
    if (play_open(&play, server, client)) {
        SSL_set_tlsext_status_type(play.client.tls->ssl, TLSEXT_STATUSTYPE_ocsp);
        if (play_shake(&play))
            len = SSL_get_tlsext_status_ocsp_resp(play.client.tls->ssl, &octets);
    }
    play_close(&play);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
    return len < 0 ? 0 : len;
}

TEST(only_a_good_staple_is_given)
{
    const struct kit_site *site = kit_site();
    struct kit_cert other = kit_issue(
        &(struct kit_want){.issuer = &site->ca, .names = "DNS:o.test"});
    CHECK(staple_of(kit_write_staple("good.ocsp", &site->server, &site->ca, 86400)) > 100);
    CHECK_INT(staple_of(kit_write_staple("late.ocsp", &site->server, &site->ca, -60)), 0);
    CHECK_INT(staple_of(kit_write_staple("other.ocsp", &other, &site->ca, 86400)), 0);
    CHECK_INT(staple_of(kit_write("empty.ocsp", "", 0)), 0);
    CHECK_INT(staple_of(kit_write("junk.ocsp", "\x30\x82\xff\xff junk", 10)), 0);
    CHECK_INT(staple_of(kit_path("missing.ocsp")), 0);
    CHECK_INT(staple_of(NULL), 0);
}

/* ---- files that are wrong ---- */

TEST(files_that_are_wrong_are_named_with_what_to_do)
{
    const struct kit_site *site = kit_site();
    struct kit_cert other = kit_issue(&(struct kit_want){.common_name = "other"});
    const char *other_key = kit_write_key("other.key", &other, NULL);
    const char *locked = kit_write_key("locked.key", &site->server, "secret");
    unsigned char *der = NULL;
    int der_len = i2d_X509(site->server.x509, &der);
    const char *in_der = kit_write("site.der", der, (size_t)der_len);
    const char *cut = kit_write(
        "cut.pem", "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIC\n-----END CERTIFICATE-----\n",
        74);
    const char *empty = kit_write("empty.pem", "", 0), *text = kit_write("hello.pem", "hello\n", 6);
    OPENSSL_free(der);
    const struct {
        struct mw_tls_pair pair;
        const char *client_ca, *file, *text;
    } rows[] = {
        {{.certificate = site->cert_file, .key = other_key},
         NULL,
         other_key,
         ": does not belong to the certificate "},
        {{.certificate = kit_path("nothing.pem"), .key = site->key_file},
         NULL,
         kit_path("nothing.pem"),
         ": cannot be read: No such file or directory"},
        {{.certificate = site->cert_file, .key = kit_path("nothing.key")},
         NULL,
         kit_path("nothing.key"),
         ": cannot be read: No such file or directory"},
        {{.certificate = "/tmp", .key = site->key_file},
         NULL,
         "/tmp",
         ": cannot be read: Is a dir"},
        {{.certificate = empty, .key = site->key_file}, NULL, empty, ": is empty"},
        {{.certificate = site->cert_file, .key = empty}, NULL, empty, ": is empty"},
        {{.certificate = site->cert_file, .key = locked},
         NULL,
         locked,
         ": the key has a pass phrase, and nobody is there to type it"},
        {{.certificate = text, .key = site->key_file},
         NULL,
         text,
         ": no certificate in PEM form is in it"},
        {{.certificate = site->cert_file, .key = text},
         NULL,
         text,
         ": no private key in PEM form is in it"},
        {{.certificate = in_der, .key = site->key_file},
         NULL,
         in_der,
         ": is in DER or PKCS#12 form, a certificate in PEM form is needed"},
        {{.certificate = site->key_file, .key = site->cert_file},
         NULL,
         site->key_file,
         ": holds a private key, and no certificate"},
        {{.certificate = site->cert_file, .key = site->cert_file},
         NULL,
         site->cert_file,
         ": holds certificates, and no private key"},
        {{.certificate = cut, .key = site->key_file}, NULL, cut, ": certificate 1 is damaged ("},
        {{.certificate = site->cert_file, .key = site->key_file},
         text,
         text,
         ": no certificate in"},
        {{.certificate = site->cert_file, .key = site->key_file}, empty, empty, ": is empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[400] = "", want[400];
        const struct mw_tls_server_config config = {
            .pairs = &rows[i].pair, .pair_count = 1, .client_ca = rows[i].client_ca};
        CHECK(mw_tls_server_new(&config, said, sizeof said) == NULL);
        snprintf(want, sizeof want, "%s%s", rows[i].file, rows[i].text);
        said[strlen(want)] = '\0';
        CHECK_MEM(said, strlen(said), want);
    }
}

TEST(an_expired_certificate_is_served_and_its_expiry_told)
{
    struct kit_cert cert = kit_issue(
        &(struct kit_want){.common_name = "gone", .names = "DNS:gone.test", .days = -3});
    struct mw_tls_pair pairs[] = {
        {.certificate = kit_site()->cert_file, .key = kit_site()->key_file},
        {.certificate = kit_write_certs("gone.pem", &cert, 1),
         .key = kit_write_key("gone.key", &cert, NULL)},
    };
    struct mw_tls_server *server = play_server_of(pairs, 2);
    CHECK(server != NULL);
    int64_t ago = (int64_t)time(NULL) - mw_tls_server_expiry(server);
    CHECK(ago > 3 * 86400 - 60 && ago < 3 * 86400 + 60);
    CHECK(strcmp(certificate_for(server, "gone.test", NULL), "gone") == 0);
    mw_tls_server_unref(&server);
}

TEST(certificate_chain_and_key_may_share_a_file)
{
    const struct kit_site *site = kit_site();
    struct kit_cert between = kit_issue(
        &(struct kit_want){.issuer = &site->ca, .common_name = "Between", .is_ca = true});
    struct kit_cert leaf = kit_issue(&(struct kit_want){.issuer = &between, .names = "DNS:l.test"});
    char all[20000];
    const char *parts[] = {
        kit_write_certs("p1.pem", &leaf, 1),
        kit_write_key("p2.pem", &leaf, NULL),
        kit_write_certs("p3.pem", &between, 1),
    };
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        FILE *file = fopen(parts[i], "r");
        len += fread(all + len, 1, sizeof all - len, file);
        fclose(file);
    }
    const char *file = kit_write("all.pem", all, len);
    const struct mw_tls_pair pair = {.certificate = file, .key = file};
    struct mw_tls_server *server = play_server_of(&pair, 1);
    struct mw_tls_client *client = play_client(&(struct mw_tls_client_config){
        .verify = MW_TLS_VERIFY_NAME, .server_name = "l.test", .ca = site->ca_file});
    play = (struct play){0};
    CHECK(server != NULL && client != NULL);
    CHECK(play_all(&play, server, client)); /* the chain was sent: the CA alone is known */
    CHECK(mw_tls_info(play.client.tls)->is_verified);
    play_close(&play);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
}

/* ---- files that change ---- */

static struct kit_cert write_changing(const char *common_name)
{
    struct kit_cert cert = kit_issue(&(struct kit_want){.common_name = common_name});
    (void)kit_write_certs("change.pem", &cert, 1);
    (void)kit_write_key("change.key", &cert, NULL);
    return cert;
}

TEST(new_certificates_are_taken_and_bad_ones_are_not)
{
    char text[400];
    (void)write_changing("v1");
    const struct mw_tls_pair pair = {
        .certificate = kit_path("change.pem"), .key = kit_path("change.key"), .staple = NULL};
    struct mw_tls_server *server = play_server_of(&pair, 1);
    struct mw_tls_client *client = play_any_client(NULL);
    struct play old = {0};
    CHECK(server != NULL);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_UNCHANGED);
    CHECK(play_all(&old, server, client));

    struct kit_cert second = write_changing("v2");
    struct play begun = {0}; /* has not shaken hands yet: it keeps what it began with */
    CHECK(play_open(&begun, server, client));
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_RENEWED);
    CHECK(strcmp(certificate_for(server, NULL, NULL), "v2") == 0);
    CHECK(play_shake(&begun));
    CHECK(strcmp(mw_tls_info(begun.client.tls)->subject, "v1") == 0);
    CHECK(play_say(&old, &old.client, MW_LIT("NOOP\r\n")));
    play_close(&begun);

    struct kit_cert other = kit_issue(&(struct kit_want){.common_name = "v3"});
    (void)kit_write_certs("change.pem", &other, 1); /* without its key */
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_FAILED);
    CHECK(strstr(text, "does not belong to the certificate") != NULL);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_UNCHANGED); /* said once */
    CHECK(strcmp(certificate_for(server, NULL, NULL), "v2") == 0);
    (void)kit_write_key("change.key", &other, NULL);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_RENEWED);
    CHECK(strcmp(certificate_for(server, NULL, NULL), "v3") == 0);

    CHECK_INT(unlink(pair.key), 0);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_FAILED);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_UNCHANGED);
    (void)kit_write("change.key", "", 0);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_FAILED);
    CHECK(strstr(text, "is empty") != NULL);
    (void)kit_write("change.key", "junk\n", 5);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_FAILED);
    CHECK(strcmp(certificate_for(server, NULL, NULL), "v3") == 0);
    (void)kit_write_certs("change.pem", &second, 1);
    (void)kit_write_key("change.key", &second, NULL);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_RENEWED);
    CHECK(strcmp(certificate_for(server, NULL, NULL), "v2") == 0);
    CHECK(play_say(&old, &old.server, MW_LIT("250 ok\r\n")));
    play_close(&old);
    mw_tls_server_unref(&server);
    mw_tls_client_unref(&client);
}

TEST(the_object_lives_as_long_as_its_connections)
{
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {.certificate = site->cert_file, .key = site->key_file};
    struct mw_tls_server *server = play_server_of(&pair, 1), *again = mw_tls_server_ref(server);
    struct mw_tls_client *client = play_site_client();
    play = (struct play){0};
    CHECK(play_open(&play, server, client));
    mw_tls_server_unref(&server);
    mw_tls_server_unref(&again);
    mw_tls_client_unref(&client);
    CHECK(server == NULL && client == NULL);
    CHECK(play_shake(&play));
    CHECK(play_say(&play, &play.client, MW_LIT("QUIT\r\n")));
    play_close(&play);
}

/* The sanitizers keep what was freed, in memory that cannot be searched. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* How often these octets stand in our memory that can be written. */
static size_t count_in_memory(struct mw_slice octets)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char *from, *to;
        if (sscanf(line, "%p-%p rw", (void **)&from, (void **)&to) != 2 ||
            strstr(line, " rw") == NULL || strstr(line, "[vv") != NULL)
            continue;
        while (from < to &&
               (from = memmem(from, (size_t)(to - from), octets.ptr, octets.len)) != NULL) {
            count++;
            from++;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return count;
}

/* smtp.md, Commands, AUTH: passwords leave nothing behind, in OpenSSL's buffers either. */
TEST(opened_octets_are_not_left_in_memory)
{
    struct mw_tls_server *server = play_site_server(NULL, NULL);
    struct mw_tls_client *client = play_any_client(NULL);
    struct play secret = {0};
    char word[224], plain[256];
    size_t len = 0;
    struct mw_buf wire = {0}, answers = {0};
    CHECK(play_all(&secret, server, client));
    uint64_t random = (uint64_t)getpid();
    for (size_t i = 0; i < sizeof word; i++)
        word[i] = (char)('A' + mw_test_random(&random) % 26);
    /* the front of a freed block is the allocator's */
    const struct mw_slice tail = MW_SLICE(word + sizeof word - 24, 24);
    CHECK_INT(mw_tls_seal(secret.client.tls, MW_SLICE(word, sizeof word), &wire), MW_OK);
    CHECK_INT(count_in_memory(tail), 1);
    struct mw_slice in = mw_buf_view(&wire);
    CHECK_INT(mw_tls_open(secret.server.tls, &in, plain, sizeof plain, &len, &answers), MW_OK);
    CHECK_INT(len, sizeof word);
    explicit_bzero(plain, sizeof plain);
    CHECK_INT(count_in_memory(tail), 1);
    mw_buf_fini(&wire);
    mw_buf_fini(&answers);
    play_close(&secret);
    mw_tls_client_unref(&client);
    mw_tls_server_unref(&server);
}

#endif

/* certificates.c: what went wrong for a moment (no descriptor was left) is made good later,
 * although the files do not change again. */
TEST(files_that_could_not_be_read_are_read_later)
{
    char text[400];
    (void)write_changing("w1");
    const struct mw_tls_pair pair = {
        .certificate = kit_path("change.pem"), .key = kit_path("change.key"), .staple = NULL};
    struct mw_tls_server *server = play_server_of(&pair, 1);
    CHECK(server != NULL);
    (void)write_changing("w2");
    struct rlimit limit, none;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum mw_tls_refresh result = mw_tls_server_refresh(server, text, sizeof text);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_INT(result, MW_TLS_FAILED);
    CHECK_INT(mw_tls_server_refresh(server, text, sizeof text), MW_TLS_RENEWED);
    CHECK(strcmp(certificate_for(server, NULL, NULL), "w2") == 0);
    mw_tls_server_unref(&server);
}
