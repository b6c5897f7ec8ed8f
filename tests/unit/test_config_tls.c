/* The TLS directives of listeners and upstreams: what the session gets, and the exact words about
 * every way to get them wrong. */
#include <stdlib.h>
#include <unistd.h>

#include "cert_kit.h"
#include "config_kit.h"

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LISTEN_WITH(lines) \
    UPSTREAM "listen mx {\n  address 127.0.0.1:2525\n  upstream pf\n" lines "}\n"
#define UPSTREAM_WITH(address, lines) \
    "upstream pf {\n  address " address "\n  identity xclient\n" lines "}\n" LISTEN

/* Files that every test may name. */
static void make_files(void)
{
    static bool is_made;
    enter_directory();
    if (is_made)
        return;
    cert_make("a", "mx.example.test", 90);
    cert_make("b", "other.example.test", 60);
    cert_make("soon", "mx.example.test", 5);
    cert_make("late", "mx.example.test", -3);
    is_made = true;
}

static void load_with_files(const char *text)
{
    make_files();
    load(text);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

/* The message at that place begins so; paths are absolute or not as the loader makes them. */
static bool says(const char *text)
{
    return strstr(run.said, text) != NULL;
}
#define SAYS(text)                                                                 \
    do {                                                                           \
        if (!says(text)) {                                                         \
            mw_test_fail(__FILE__, __LINE__, "no '%s' in:\n%s", (text), run.said); \
            return;                                                                \
        }                                                                          \
    } while (0)

/* ---- listeners: what the session gets ---- */

TEST(a_listener_with_tls_has_its_side)
{
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n"));
    SAID("");
    const struct mw_listen_settings *listen = &run.snapshot->listeners[0];
    CHECK_INT(listen->tls, MW_LISTEN_TLS_STARTTLS);
    CHECK(listen->tls_server != NULL);
    CHECK_INT(mw_config_tls_count(run.snapshot), 1);
    const struct mw_config_tls *tls = mw_config_tls(run.snapshot, 0);
    CHECK(tls->server == listen->tls_server && tls->client == NULL);
    CHECK(strcmp(tls->kind, "listener") == 0);
    CHECK_SLICE(tls->name, "mx");
    CHECK(tls->files[0] != NULL && tls->files[1] != NULL && tls->files[2] == NULL);
    int64_t left = mw_config_tls_expiry(tls) - (int64_t)time(NULL);
    CHECK(left > 90 * 86400 && left < 91 * 86400);
    fini();
}

TEST(every_word_of_tls_arrives)
{
    static const char *const words[] = {"off", "starttls", "required", "implicit"};
    for (int i = 1; i < 4; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "%s listen mx { address 127.0.0.1:1\n upstream pf\n tls %s\n "
                 "certificate a.pem a.key }\n",
                 UPSTREAM, words[i]);
        load_with_files(text);
        SAID("");
        CHECK_INT(run.snapshot->listeners[0].tls, i);
    }
    load_with_files(LISTEN_WITH("  tls start\n"));
    SAYS("t.conf:6:7: error: 'start' is not one of off, starttls, required, implicit\n");
    fini();
}

TEST(each_certificate_line_is_a_pair)
{
    run.tickets = mw_tls_tickets_new();
    load_with_files(
        LISTEN_WITH("  tls required\n  certificate a.pem a.key\n"
                    "  certificate b.pem \\\n    b.key\n  certificate a.pem a.key no.der\n"
                    "  client-ca b.pem\n  tls-minimum 1.3\n"
                    "  tls-ciphers ECDHE+AESGCM\n"));
    SAID("");
    const struct mw_config_tls *tls = mw_config_tls(run.snapshot, 0);
    size_t count = 0;
    while (tls->files[count] != NULL)
        count++;
    CHECK_INT(count, 8);
    int64_t left = mw_config_tls_expiry(tls) - (int64_t)time(NULL);
    CHECK(left < 61 * 86400); /* the first one to end */
    fini();
    mw_tls_tickets_free(&run.tickets);
}

TEST(two_listeners_have_two_sides)
{
    load_with_files(UPSTREAM "listen a { address 127.0.0.1:1\n upstream pf\n tls starttls\n "
                             "certificate a.pem a.key }\nlisten b { address 127.0.0.1:2\n upstream "
                             "pf\n tls implicit\n certificate b.pem b.key }\n");
    SAID("");
    CHECK_INT(mw_config_tls_count(run.snapshot), 2);
    CHECK(run.snapshot->listeners[0].tls_server != run.snapshot->listeners[1].tls_server);
    fini();
}

/* ---- listeners: what is wrong ---- */

TEST(tls_needs_a_certificate)
{
    load_with_files(LISTEN_WITH("  tls starttls\n"));
    SAID("t.conf:6:7: error: listener 'mx' has no certificate\n"
         "     6 |   tls starttls\n"
         "       |       ^~~~~~~~\n"
         "       = TLS takes two lines: 'tls starttls' and 'certificate /path/to/fullchain.pem "
         "/path/to/privkey.pem'\n");
    fini();
}

TEST(a_certificate_needs_tls)
{
    load_with_files(LISTEN_WITH("  certificate a.pem a.key\n  client-ca b.pem\n"));
    SAID("t.conf:6:15: warning: 'certificate' has no effect with 'tls off'\n"
         "     6 |   certificate a.pem a.key\n"
         "       |               ^~~~~\n"
         "       = add 'tls starttls', 'tls required' or 'tls implicit'\n"
         "t.conf:7:13: warning: 'client-ca' has no effect with 'tls off'\n"
         "     7 |   client-ca b.pem\n"
         "       |             ^~~~~\n"
         "       = add 'tls starttls', 'tls required' or 'tls implicit'\n");
    CHECK(run.snapshot->listeners[0].tls_server == NULL);
    fini();
}

TEST(a_certificate_line_has_two_or_three_files)
{
    load_with_files(
        LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n  certificate b.pem\n"));
    SAID("t.conf:8:15: error: the file with the key of this certificate is missing\n"
         "     8 |   certificate b.pem\n"
         "       |               ^~~~~\n"
         "       = certificate CERTIFICATE KEY, or CERTIFICATE KEY STAPLE; where both are in one "
         "file, name it twice\n");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem a.key s.der b.pem b.key\n"));
    SAID("t.conf:7:33: error: 'certificate' takes at most 3 values, not 5\n"
         "     7 |   certificate a.pem a.key s.der b.pem b.key\n"
         "       |                                 ^~~~~~~~~~~\n");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:7:3: error: 'certificate' needs a value: the name of a file\n");
    /* also where TLS is off, and two lines with one file each are not one pair */
    load_with_files(LISTEN_WITH("  certificate a.pem\n  certificate a.key\n"));
    CHECK_INT(mw_diags_errors(run.diags), 2);
    fini();
}

TEST(problems_of_files_have_a_caret_under_the_file)
{
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem nowhere.key\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:7:21: error: ");
    SAYS("       |                     ^~~~~~~~~~~\n");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n"
                                "  certificate nowhere.pem b.key\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:8:15: error: ");
    /* a key that belongs to another certificate */
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem b.key\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:7:21: error: ");
    SAYS("does not belong to");
    write_file("text.pem", "this is no certificate\n");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate text.pem a.key\n"));
    SAYS("t.conf:7:15: error: ");
    load_with_files(
        LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n  client-ca text.pem\n"));
    SAYS("t.conf:8:13: error: ");
    CHECK(run.snapshot == NULL);
    fini();
}

TEST(ciphers_are_checked)
{
    load_with_files(
        LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n  tls-ciphers NONSENSE\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:8:15: error: ");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate a.pem a.key\n  tls-minimum 1.4\n"));
    SAYS("t.conf:8:15: error: '1.4' is not one of 1.2, 1.3, 1.0, 1.1\n");
    fini();
}

TEST(the_end_of_a_certificate_is_warned_of)
{
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate soon.pem soon.key\n"));
    CHECK(run.snapshot != NULL);
    CHECK_INT(mw_diags_warnings(run.diags), 1);
    SAYS("t.conf:7:15: warning: a certificate of listener 'mx' expires on 20");
    SAYS(", in 5 days\n");
    load_with_files(LISTEN_WITH("  tls starttls\n  certificate late.pem late.key\n"));
    CHECK(run.snapshot != NULL);
    SAYS("t.conf:7:15: warning: a certificate of listener 'mx' has expired on 20");
    SAYS("       = renew it: clients that verify refuse it\n");
    fini();
}

TEST(auth_is_safe_where_tls_comes_first)
{
    load_with_files(UPSTREAM "listen mx { address 0.0.0.0:2525\n upstream pf\n auth always\n tls "
                             "implicit\n certificate a.pem a.key }\n");
    SAID("");
    load_with_files(UPSTREAM "listen mx { address 0.0.0.0:2525\n upstream pf\n auth always\n tls "
                             "starttls\n certificate a.pem a.key }\n");
    SAYS("warning: clients may send their passwords in the clear\n");
    load_with_files(UPSTREAM "listen mx { address 0.0.0.0:2525\n upstream pf\n auth off\n tls "
                             "required\n certificate a.pem a.key }\n");
    SAID("");
    fini();
}

/* ---- upstreams ---- */

TEST(every_word_of_upstream_tls_arrives)
{
    static const char *const words[] = {"off", "opportunistic", "required", "verified", "implicit"};
    for (int i = 0; i < 5; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "upstream pf { address localhost:10025\n identity xclient\n tls %s }\n%s",
                 words[i], LISTEN);
        load_with_files(text);
        SAID("");
        const struct mw_upstream_settings *upstream = run.snapshot->listeners[0].upstream;
        CHECK_INT(upstream->tls, i);
        CHECK((upstream->tls_client != NULL) == (i > 0));
        CHECK_INT(mw_config_tls_count(run.snapshot), i > 0);
    }
    CHECK_INT(mw_config_tls_expiry(mw_config_tls(run.snapshot, 0)), INT64_MAX);
    fini();
}

TEST(an_upstream_with_everything)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025",
                                  "  tls verified\n  ca a.pem\n  server-name mx.example.test\n"
                                  "  client-certificate b.pem b.key\n  tls-minimum 1.3\n"
                                  "  tls-ciphers ECDHE+AESGCM\n"));
    SAID("");
    const struct mw_config_tls *tls = mw_config_tls(run.snapshot, 0);
    CHECK(strcmp(tls->kind, "upstream") == 0);
    CHECK_SLICE(tls->name, "pf");
    CHECK(tls->client == run.snapshot->listeners[0].upstream->tls_client);
    CHECK(tls->files[2] != NULL && tls->files[3] == NULL);
    fini();
}

TEST(verified_needs_a_name)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls verified\n"));
    SAID("t.conf:4:7: error: the upstream has no name to verify: 'address' has none\n"
         "     4 |   tls verified\n"
         "       |       ^~~~~~~~\n"
         "       = add 'server-name NAME', the name in its certificate\n");
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls implicit\n  ca a.pem\n"));
    SAYS("t.conf:4:7: error: the upstream has no name to verify");
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls implicit\n"));
    SAID("");
    load_with_files(
        UPSTREAM_WITH("127.0.0.1:10025", "  tls verified\n  fingerprint " FINGERPRINT "\n"));
    SAID("");
    fini();
}

TEST(server_name_is_a_name)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls verified\n  server-name 192.0.2.1\n"));
    SAID("t.conf:5:15: error: '192.0.2.1' is not a host name\n"
         "     5 |   server-name 192.0.2.1\n"
         "       |               ^~~~~~~~~\n"
         "       = the name in the upstream's certificate, as in mx.example.test\n");
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls required\n  server-name 'a b'\n"));
    SAYS("t.conf:5:15: error: 'a b' is not a host name\n");
    fini();
}

TEST(fingerprints_are_sha256)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025",
                                  "  tls required\n  fingerprint abcd " FINGERPRINT
                                  "\n  fingerprint zz" FINGERPRINT "\n"));
    CHECK_INT(mw_diags_errors(run.diags), 2);
    SAYS(
        "t.conf:5:15: error: a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits, "
        "with or without colons\n");
    SAYS("       = openssl x509 -in cert.pem -noout -fingerprint -sha256\n");
    SAYS("t.conf:6:15: error: a fingerprint is");
    load_with_files(UPSTREAM_WITH(
        "127.0.0.1:10025",
        "  tls required\n  fingerprint 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:"
        "44:55:66:77:88:99:AA:BB:CC:DD:EE:FF " FINGERPRINT "\n"));
    SAID("");
    fini();
}

TEST(fingerprint_needs_tls)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  fingerprint " FINGERPRINT "\n"));
    SAID("t.conf:4:15: error: a fingerprint is to be verified, but there is no TLS with the "
         "upstream\n"
         "     4 |   fingerprint " FINGERPRINT "\n"
         "       |               "
         "^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
         "       = add 'tls verified', or another one\n");
    fini();
}

TEST(what_has_no_effect_is_warned_of)
{
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  ca a.pem\n  server-name x.example.test\n"
                                                     "  client-certificate a.pem a.key\n"));
    CHECK_INT(mw_diags_warnings(run.diags), 3);
    SAYS("t.conf:4:6: warning: 'ca' has no effect with 'tls off'\n");
    SAYS("t.conf:5:15: warning: 'server-name' has no effect with 'tls off'\n");
    SAYS("t.conf:6:22: warning: 'client-certificate' has no effect with 'tls off'\n");
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025", "  tls required\n  ca a.pem\n"));
    SAID("t.conf:5:6: warning: the upstream's certificate is not verified with 'tls required'\n"
         "     5 |   ca a.pem\n"
         "       |      ^~~~~\n"
         "       = set 'tls verified'\n");
    load_with_files(
        UPSTREAM_WITH("127.0.0.1:10025", "  tls opportunistic\n  fingerprint " FINGERPRINT "\n"));
    SAYS("t.conf:5:15: warning: the upstream's certificate is not verified with 'tls "
         "opportunistic'\n");
    load_with_files(UPSTREAM_WITH("127.0.0.1:10025",
                                  "  tls verified\n  ca a.pem\n  fingerprint " FINGERPRINT "\n"));
    SAYS("t.conf:5:6: warning: 'ca' has no effect beside 'fingerprint': the fingerprint alone "
         "decides\n");
    fini();
}

TEST(upstream_files_are_checked)
{
    load_with_files(UPSTREAM_WITH("localhost:10025", "  tls verified\n  ca nowhere.pem\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:5:6: error: ");
    load_with_files(
        UPSTREAM_WITH("localhost:10025", "  tls required\n  client-certificate a.pem\n"));
    SAID(
        "t.conf:5:22: error: the file with the key of this certificate is missing\n"
        "     5 |   client-certificate a.pem\n"
        "       |                      ^~~~~\n"
        "       = client-certificate CERTIFICATE KEY; where both are in one file, name it twice\n");
    load_with_files(
        UPSTREAM_WITH("localhost:10025", "  tls required\n  client-certificate a.pem b.key\n"));
    CHECK_INT(mw_diags_errors(run.diags), 1);
    SAYS("t.conf:5:");
    fini();
}

TEST(dates_are_days)
{
    char text[MW_DATE_TEXT_MAX];
    mw_config_date(0, text);
    CHECK(strcmp(text, "1970-01-01") == 0);
    mw_config_date(1800000000, text);
    CHECK(strcmp(text, "2027-01-15") == 0);
    mw_config_date(INT64_MAX, text);
    CHECK(strcmp(text, "-") == 0);
}
