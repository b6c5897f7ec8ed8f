/* test_rules_eval.c - what conditions mean and in which order rules count, mostly told in the
 * language itself: rules with `test` blocks that must pass. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "regex.h"
#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static struct mw_instance instance;

/* The text loads and all its tests pass. */
static bool holds(const char *text, const char *file, int line)
{
    struct rules *rules = fake_load(&instance, text);
    bool is_good = rules != NULL;
    if (!is_good)
        mw_test_fail(file, line, "for\n%s\n%s", text, instance.diags);
    fake_unload(&instance, rules);
    return is_good;
}
#define HOLDS(text)                                                           \
    do {                                                                      \
        if (!holds(text, __FILE__, __LINE__) && getenv("KEEP_GOING") == NULL) \
            return;                                                           \
    } while (0)

/* One condition, a test's circumstances, and whether it holds. */
static bool condition_is(const char *lists, const char *condition, const char *mail, bool want,
                         const char *file, int line)
{
    char text[8192];
    snprintf(text, sizeof text, "%s\nr: reject when %s\ntest \"t\" { %s expect %s r }\n", lists,
             condition, mail, want ? "hit" : "miss");
    return holds(text, file, line);
}
#define IS(condition, mail, want)                                           \
    do {                                                                    \
        if (!condition_is("", condition, mail, want, __FILE__, __LINE__) && \
            getenv("KEEP_GOING") == NULL)                                   \
            return;                                                         \
    } while (0)

TEST(equality_goes_by_the_fields_type)
{
    IS("helo == \"Mail.Example.NET\"", "helo mail.example.net.", true);
    IS("sender == <a@Example.org>", "from <a@example.ORG>", true);
    IS("sender == <A@example.org>", "from <a@example.org>", false);
    IS("sender.local == \"A\"", "from <a@example.org>", false);
    IS("sender.domain == Example.ORG", "from <a@example.org>", true);
    IS("sender == \"\"", "from <>", true);
    IS("sender is empty", "from <>", true);
    IS("rcpt == postmaster", "to <postmaster>", true);
    IS("client.ip == 192.0.2.7", "client 192.0.2.7", true);
    IS("client.ip == 192.0.2.0/24", "client 192.0.2.7", true);
    IS("client.ip != 192.0.2.0/24", "client 192.0.3.7", true);
    IS("client.ip == 2001:db8::/33", "client 2001:db8:7fff::1", true);
    IS("client.ip == 2001:db8::/33", "client 2001:db8:8000::1", false);
    IS("client.port == 25", "client 192.0.2.7 port 25", true);
    IS("client.name == host.example", "client 192.0.2.7 name host.example", true);
    IS("subject == \"Hi\"", "header \"SUBJECT: Hi\"", true);
    IS("subject == \"hi\"", "header \"Subject: Hi\"", false);
    IS("header.names == \"x-ODD\"", "header \"X-Odd: 1\"", true);
    IS("auth.user == alice and auth.mechanism == plain", "auth alice", true);
    IS("auth.mechanism == login", "auth alice LOGIN", true);
}

TEST(a_field_that_is_missing_is_empty)
{
    IS("auth.user is empty", "", true);
    IS("auth.user is not empty", "auth bob", true);
    IS("auth.user == \"bob\"", "", false);
    IS("auth.user != \"bob\"", "", true);
    IS("auth.user not in (bob)", "", true);
    IS("auth.user =~ /^$/", "", true);
    IS("tls.version is empty", "", true);
    IS("client.tls == 0", "", true);
    IS("header(\"X\") is empty", "", true);
    IS("header(\"X\") is empty", "header \"X:   \"", true);
    IS("header(\"X\") is not empty", "header \"X:  \" header \"X: y\"", true);
    IS("header(\"X\") != \"y\"", "", false); /* no value that differs */
    IS("not header(\"X\") == \"y\"", "", true);
    IS("sender.param(\"SIZE\") > 5", "from <a@b.example>", false);
    IS("sender.param(\"SIZE\") > 5", "from <a@b.example> params \"BODY=8BITMIME SIZE=10\"", true);
    IS("sender.param(\"smtputf8\") is not empty", "from <a@b.example> params \"SIZE=10 SMTPUTF8\"",
       true);
}

TEST(several_values_any_all_none)
{
    const char *two = "header \"X: a\" header \"X: b\"";
    IS("header(\"X\") == \"b\"", two, true);
    IS("any(header(\"X\") == \"b\")", two, true);
    IS("header(\"X\") != \"b\"", two, true); /* one of them differs */
    IS("all(header(\"X\") == \"b\")", two, false);
    IS("all(header(\"X\") =~ /^[ab]/)", two, true);
    IS("all(header(\"X\") != \"c\")", two, true);
    IS("none(header(\"X\") == \"c\")", two, true);
    IS("none(header(\"X\") == \"a\")", two, false);
    IS("all(header(\"Y\") == \"a\")", two, true); /* of none, all */
    IS("header.count(\"x\") == 2 and header.count == 3",
       "header \"X: a\" header \"X: b\" header \"Y: c\"", true);
    IS("any(rcpt.domain == b.example)", "to <x@a.example> to <x@b.example>", true);
    IS("all(rcpt.domain == b.example)", "to <x@a.example> to <x@b.example>", false);
    IS("none(rcpt.domain == c.example)", "to <x@a.example> to <x@b.example>", true);
}

TEST(precedence_and_parentheses)
{
    IS("helo == x and sender == \"\" or client.port == 25", "client 192.0.2.1 port 25", true);
    IS("helo == x and (sender == \"\" or client.port == 25)", "client 192.0.2.1 port 25", false);
    IS("not helo == x and client.port == 25", "client 192.0.2.1 port 25", true);
    IS("not (helo == x or client.port == 25)", "client 192.0.2.1 port 25", false);
    IS("always", "", true);
}

TEST(numbers_and_sizes)
{
    IS("client.port < 1024", "client 192.0.2.1 port 25", true);
    IS("client.port >= 25 and client.port <= 25", "client 192.0.2.1 port 25", true);
    IS("message.size > 5", "body \"0123456789\"", true);
    IS("message.size > 1kB", "body \"0123456789\"", false);
    IS("rcpt.count > 1", "to <a@x.example> to <b@x.example>", true);
}

TEST(lists_are_looked_up_by_the_fields_type)
{
    const char *hosts = "list l = a.example, .b.example";
    CHECK(condition_is(hosts, "helo in l", "helo A.Example", true, __FILE__, __LINE__));
    CHECK(condition_is(hosts, "helo in l", "helo x.a.example", false, __FILE__, __LINE__));
    CHECK(condition_is(hosts, "helo in l", "helo x.y.b.example", true, __FILE__, __LINE__));
    CHECK(condition_is(hosts, "helo in l", "helo b.example", false, __FILE__, __LINE__));
    CHECK(condition_is(hosts, "helo not in l", "helo xb.example", true, __FILE__, __LINE__));
    CHECK(condition_is(hosts, "sender.domain in l", "from <q@x.b.example>", true, __FILE__,
                       __LINE__));
    const char *addresses = "list l = <a@A.example>, @b.example";
    CHECK(condition_is(addresses, "sender in l", "from <a@a.example>", true, __FILE__, __LINE__));
    CHECK(condition_is(addresses, "sender in l", "from <c@a.example>", false, __FILE__, __LINE__));
    CHECK(condition_is(addresses, "rcpt in l", "to <any@B.example>", true, __FILE__, __LINE__));
    CHECK(condition_is(addresses, "sender in l", "from <>", false, __FILE__, __LINE__));
    const char *networks = "list l = 10.0.0.0/8, 192.0.2.7, fd00::/8, 2001:db8::1, 10.1.0.0/16";
    CHECK(condition_is(networks, "client.ip in l", "client 10.255.1.2", true, __FILE__, __LINE__));
    CHECK(condition_is(networks, "client.ip in l", "client 192.0.2.7", true, __FILE__, __LINE__));
    CHECK(condition_is(networks, "client.ip in l", "client 192.0.2.8", false, __FILE__, __LINE__));
    CHECK(condition_is(networks, "client.ip in l", "client fdff::1", true, __FILE__, __LINE__));
    CHECK(
        condition_is(networks, "client.ip in l", "client 2001:db8::2", false, __FILE__, __LINE__));
    IS("subject in (\"a b\", c)", "header \"Subject: a b\"", true);
    IS("subject in (\"a b\", c)", "header \"Subject: A b\"", false);
}

TEST(files_hold_lists)
{
    char path[] = "/tmp/mw-rules-list-XXXXXX", text[1024];
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    CHECK(file != NULL);
    fputs("# networks\n\n10.0.0.0/8   # ours\r\n\t192.0.2.7\n", file);
    fclose(file);
    snprintf(text, sizeof text,
             "list l = cidr \"%s\"\nr: reject when client.ip in l\n"
             "test \"in\" { client 10.2.3.4 expect reject by r }\n"
             "test \"last line\" { client 192.0.2.7 expect reject by r }\n"
             "test \"out\" { client 192.0.2.8 expect accept }\n",
             path);
    HOLDS(text);
    unlink(path);
}

TEST(patterns_and_captures)
{
    IS("subject =~ /^re:/i", "header \"Subject: RE: x\"", true);
    IS("subject !~ /^re:/i", "header \"Subject: x\"", true);
    IS("subject =~ /caf./", "header \"Subject: caf\xc3\xa9\"", true);
    IS("subject =~ /^caf.$/", "header \"Subject: =?utf-8?Q?caf=C3=A9?=\"", true);
    IS("subject =~ /^caf.$/", "header \"Subject: =?iso-8859-1?B?Y2Fm6Q==?=\"", true);
    IS("raw.header(\"Subject\") =~ /^=\\?utf-8\\?/", "header \"Subject: =?utf-8?Q?caf=C3=A9?=\"",
       true);
    IS("helo =~ /^.$/", "helo \"\xff\"", true); /* what is not UTF-8 is one odd character */
    IS("body.line == \"two\"", "body \"one\" body \"two\"", true);
    IS("body.line =~ /^o.e$/", "body \"one\" body \"two\"", true);
    IS("all(body.line =~ /o/)", "body \"one\" body \"two\"", true);
    IS("raw.body =~ /one\\r\\ntwo/", "body \"one\" body \"two\"", true);
    HOLDS("r: rewrite rcpt \"${local}+${2}@new.example\" when rcpt =~ "
          "/^(?<local>[^@]+)@(.+)\\.example$/\n"
          "h: set header \"X: ${1} for ${sender} at ${client.ip}:${client.port} by "
          "${header('From')}\"\n"
          "   when subject =~ /(\\d+)/\n"
          "test \"t\" { client 2001:db8::1 port 7 from <s@x.example> to <a@old.example>\n"
          "  header \"From: F\" header \"Subject: No 42\" header \"X: 1\" header \"x: 2\"\n"
          "  expect rcpt <a+old@new.example> expect no rcpt <a@old.example>\n"
          "  expect header \"X: 42 for s@x.example at 2001:db8::1:7 by F\" }\n");
}

TEST(scores_add_up_in_file_order)
{
    HOLDS("a: score 1.5 when helo == client.example.net\n"
          "b: score -0.25 when subject == x\n"
          "c: score spam 4 when sender.domain == s.example\n"
          "d: tag \"some\", add header \"X-Score: ${score} ${score.spam}\" when score > 1\n"
          "e: reject 550 5.7.1 \"${score.spam}\" when score.spam >= 4 and tag == \"some\"\n"
          "test \"one\" { from <a@s.example> header \"Subject: x\"\n"
          "  expect score == 1.25 expect score.spam == 4 expect tag \"some\" expect header "
          "\"X-Score: 1.25 4\"\n"
          "  expect reject 550 by e }\n"
          "test \"two\" { from <a@t.example> header \"Subject: y\" expect score > 1.4 expect "
          "accept expect miss e }\n");
}

TEST(edits_are_seen_by_later_rules)
{
    HOLDS("a: rewrite sender \"new@x.example\" when sender == \"old@x.example\"\n"
          "b: set header \"X: ${sender}\" when sender == \"new@x.example\"\n"
          "c: delete header \"Y\" when header(\"X\") is not empty\n"
          "d: add rcpt <audit@x.example>, add header \"Z: z\" when header(\"Y\") is empty\n"
          "e: discard when header(\"Z\") == \"z\" and header(\"Nope\") == \"z\"\n"
          "test \"t\" { from <old@x.example> to <a@x.example> header \"Y: 1\" header \"Y: 2\"\n"
          "  expect sender <new@x.example> expect header \"X: new@x.example\" expect no header "
          "\"Y\"\n"
          "  expect rcpt <audit@x.example> expect rcpt <a@x.example> expect header \"Z: z\" expect "
          "accept }\n");
}

TEST(file_order_wins_not_time)
{
    HOLDS("body: reject 550 5.7.1 \"body\" when sender == \"a@x.example\" and raw.body =~ /bad/\n"
          "head: reject 554 5.7.1 \"head\" when subject == bad\n"
          "mail: reject 551 5.7.1 \"mail\" when sender.local == \"a\"\n"
          "test \"body first\" { from <a@x.example> header \"Subject: bad\" body \"bad\" expect "
          "reject 550 by body }\n"
          "test \"then head\" { from <a@x.example> header \"Subject: bad\" expect reject 554 by "
          "head }\n"
          "test \"then mail\" { from <a@x.example> body \"x\" expect reject 551 by mail }\n"
          "test \"settled\" { from <a@y.example> body \"bad\" expect reject 551 by mail }\n");
    HOLDS("body: reject 550 5.7.1 \"body\" when raw.body =~ /bad/\n"
          "mail: early reject 551 5.7.1 \"mail\" when sender.local == \"a\"\n"
          "test \"early\" { from <a@x.example> body \"bad\" expect reject 551 by mail }\n");
    HOLDS("body: observe reject 550 5.7.1 \"body\" when raw.body =~ /bad/\n"
          "mail: reject 551 5.7.1 \"mail\" when sender.local == \"a\"\n"
          "test \"observed rules hold nothing up\" { from <a@x.example> body \"bad\" expect reject "
          "551 by mail expect miss body }\n");
}

TEST(an_exemption_above_holds_for_every_scope)
{
    HOLDS("postmaster: accept when rcpt.local == postmaster\n"
          "listed: reject 550 5.7.1 \"no\" when client.ip == 192.0.2.1\n"
          "spam: reject 554 5.7.1 \"spam\" when subject == spam\n"
          "test \"others are refused\" { client 192.0.2.1 to <a@x.example> to "
          "<postmaster@x.example>\n"
          "  header \"Subject: spam\"\n"
          "  expect reject by listed for <a@x.example> expect no rcpt <a@x.example> expect rcpt "
          "<postmaster@x.example>\n"
          "  expect accept }\n"
          "test \"content\" { client 192.0.2.2 to <a@x.example> to <postmaster@x.example> header "
          "\"Subject: spam\"\n"
          "  expect reject by spam for <a@x.example> expect rcpt <postmaster@x.example> expect no "
          "rcpt <a@x.example> }\n"
          "test \"all refused\" { client 192.0.2.2 to <a@x.example> to <b@x.example> header "
          "\"Subject: spam\"\n"
          "  expect reject 554 by spam }\n");
    HOLDS("token: accept when header(\"X-Token\") == \"t\"\n"
          "listed: reject 550 5.7.1 \"no\" when client.ip == 192.0.2.1\n"
          "rc: defer when rcpt.local == a\n"
          "test \"exempt\" { client 192.0.2.1 to <a@x.example> header \"X-Token: t\" expect accept "
          "by token }\n"
          "test \"not exempt\" { client 192.0.2.1 to <b@x.example> expect reject by listed }\n"
          "test \"recipient\" { client 192.0.2.2 to <a@x.example> expect defer by rc }\n");
}

TEST(recipients_are_judged_one_by_one)
{
    HOLDS("no-such: reject 550 5.1.1 \"${rcpt}\" when rcpt == \"none@x.example\"\n"
          "many: defer 452 4.5.3 \"many\" when rcpt.count > 2\n"
          "drop: delete rcpt when rcpt.local == drop\n"
          "both: reject 550 5.7.1 \"c\" when rcpt.domain == \"y.example\" and raw.body =~ /bad/\n"
          "late: observe reject when rcpt.count > 2 and raw.body =~ /bad/\n"
          "any: add header \"X-Y: ${rcpt}\" when rcpt.domain == \"y.example\"\n"
          "test \"refused\" { to <none@x.example> to <a@x.example> expect reject 550 by no-such "
          "for <none@x.example>\n"
          "  expect accept for <a@x.example> expect rcpt <a@x.example> }\n"
          "test \"count\" { to <a@x.example> to <b@x.example> to <c@x.example> expect defer 452 by "
          "many for <c@x.example>\n"
          "  expect rcpt <b@x.example> }\n"
          "test \"drop\" { to <drop@x.example> to <a@x.example> expect no rcpt <drop@x.example> "
          "expect rcpt <a@x.example> }\n"
          "test \"nobody\" { to <none@x.example> expect reject 550 by no-such }\n"
          "test \"content of one\" { to <a@x.example> to <b@y.example> body \"bad\"\n"
          "  expect rcpt <a@x.example> expect no rcpt <b@y.example> expect reject by both for "
          "<b@y.example>\n"
          "  expect header \"X-Y: b@y.example\" expect miss late }\n"
          "test \"content of all\" { to <b@y.example> body \"bad\" expect reject 550 by both }\n");
}

TEST(deferred_is_milder_than_rejected_when_nobody_is_left)
{
    HOLDS("r: reject 550 5.7.1 \"r\" when rcpt.local == r and raw.body =~ /x/\n"
          "d: defer 451 4.7.1 \"d\" when rcpt.local == d and raw.body =~ /x/\n"
          "test \"mixed\" { to <r@x.example> to <d@x.example> body \"x\" expect defer 451 by d }\n"
          "test \"one left\" { to <r@x.example> to <d@x.example> to <o@x.example> body \"x\" "
          "expect accept\n"
          "  expect rcpt <o@x.example> expect no rcpt <r@x.example> expect no rcpt <d@x.example> "
          "}\n");
}

TEST(at_forces_a_later_stage)
{
    HOLDS(
        "a at rcpt: reject when client.ip == 192.0.2.1\n"
        "test \"t\" { client 192.0.2.1 to <x@x.example> expect reject by a for <x@x.example> }\n");
    struct rules *rules = fake_load(&instance, "a at end-of-headers: reject when helo == x\n");
    CHECK(rules != NULL);
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    fake_unload(&instance, rules);
}

TEST(undecided_patterns_are_errors_and_not_misses)
{
    /* exponential without its limit */
    HOLDS("a: reject 550 5.7.1 \"a\" when body.line =~ /^(a|aa|aaa|a?a)+$/ on_error defer 451 "
          "4.3.0 \"e\"\n"
          "test \"limit\" { body "
          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" expect "
          "defer by a }\n"
          "test \"fine\" { body \"aaa\" expect reject 550 by a }\n");
    HOLDS("a: reject when body.line =~ /^(a|aa|aaa|a?a)+$/\n"
          "b: reject when body.line =~ /^(a|aa|aaa|a?a)+$/ and helo == nobody\n"
          "c: reject 554 5.7.1 \"c\" when body.line =~ /^(a|aa|aaa|a?a)+$/ on_error match\n"
          "test \"limit\" { body "
          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" expect "
          "reject 554 by c\n"
          "  expect miss a expect miss b }\n");
}

/* Patterns that PCRE2's own limits do not hold: quadratic and worse on long texts, also under the
 * JIT. */
TEST(slow_patterns_are_stopped_by_the_clock)
{
    static const char *const evil[] = {
        "(\\w+)\\1[!?]", "\\s+$",        "(.*),(.*),(.*),(.*)!$",       "x*y$",
        "(x+x+)+y",      "(\\w+\\s?)+!", "^(([a-z])+.)+[A-Z]([a-z])+$", ".*.*.*=.*"};
    static const char fills[] = "a ,x";
    static char text[400000];
    struct rules *rules = fake_load(&instance, "");
    CHECK(rules != NULL);
    struct place place = {.file = "x"};
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct regex *regex = rules_regex_compile(rules,
                                                  (struct mw_slice){evil[i], strlen(evil[i])},
                                                  (struct mw_slice){"", 0}, &place, true);
        CHECK(regex != NULL);
        for (size_t fill = 0; fill < 4; fill++) {
            memset(text, fills[fill], sizeof text);
            memcpy(text + sizeof text - 7, "!?=yZ,;", 7); /* what patterns end in is there */
            struct timespec from, to;
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
            rules_regex_begin(rules->scratch, 50000);
            rules_regex_match(rules->scratch, regex, (struct mw_slice){text, sizeof text}, NULL);
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
            double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 +
                        (double)(to.tv_nsec - from.tv_nsec) / 1e6;
            if (ms > 1000)
                mw_test_fail(__FILE__, __LINE__, "%s on '%c': %.0f ms", evil[i], fills[fill], ms);
        }
    }
    fake_unload(&instance, rules);
}

static uint32_t wants(const char *text)
{
    struct rules *rules = fake_load(&instance, text);
    uint32_t wanted = rules ? instance.wanted : UINT32_MAX;
    fake_unload(&instance, rules);
    return wanted;
}
#define BIT(stage) MW_STAGE_BIT(MW_STAGE_##stage)

TEST(only_the_stages_that_matter_are_asked_for)
{
    CHECK_INT(wants("a: reject when client.ip == 192.0.2.1\n"), BIT(CONNECT));
    CHECK_INT(wants("a: reject when helo == x\nb: reject when client.ip == 192.0.2.1\n"),
              BIT(HELO) | BIT(CONNECT));
    CHECK_INT(wants("a: reject when helo == x and sender == \"\"\n"), BIT(MAIL));
    CHECK_INT(wants("a: reject when helo == x or sender == \"\"\n"), BIT(MAIL));
    CHECK_INT(wants("a: reject when sender == \"\" or subject == x\n"),
              BIT(MAIL) | BIT(END_OF_HEADERS));
    CHECK_INT(wants("a: reject when sender == \"\" and subject == x\n"), BIT(END_OF_HEADERS));
    CHECK_INT(wants("a: add header \"X: y\" when sender == \"\"\n"), BIT(END_OF_HEADERS));
    CHECK_INT(wants("a: reject when rcpt == \"a@x.example\"\n"), BIT(RCPT));
    CHECK_INT(wants("a: reject when rcpt.count > 5\n"), BIT(RCPT));
    CHECK_INT(wants("a: reject when rcpt == \"a@x.example\" and subject == x\n"),
              BIT(RCPT) | BIT(END_OF_MESSAGE)); /* there the recipient's group is named */
    CHECK_INT(
        wants("a: rewrite rcpt \"b@x.example\" when rcpt == \"a@x.example\" and subject == x\n"),
        BIT(END_OF_MESSAGE));
    CHECK_INT(wants("a: rewrite sender <> when subject == x\n"), BIT(END_OF_MESSAGE));
    CHECK_INT(wants("a: rewrite sender <> when sender == \"a@x.example\"\n"), BIT(MAIL));
    CHECK_INT(wants("a: add rcpt <a@x.example> when sender == \"\"\n"), BIT(DATA));
    CHECK_INT(wants("a: rewrite rcpt \"a@x.example\" when sender == \"\"\n"), BIT(RCPT));
    CHECK_INT(wants("a: reject when all(rcpt.domain == x.example)\n"), BIT(DATA));
    CHECK_INT(wants("a: score 3 when subject == x\nb: reject when score > 2\n"),
              BIT(END_OF_HEADERS));
    CHECK_INT(wants("a: score 3 when sender == \"\"\nb: reject when score > 2\n"), BIT(MAIL));
    CHECK_INT(wants("a: score 3 when raw.body =~ /x/\n"), 0); /* nobody reads it */
    CHECK_INT(wants("a: discard when client.ip == 192.0.2.1\n"), BIT(MAIL));
    CHECK_INT(wants("p: accept when rcpt.local == p\na: reject when subject == x\n"),
              BIT(RCPT) | BIT(END_OF_MESSAGE));
    CHECK_INT(wants("a: log \"x\" when message.size > 5\n"), BIT(END_OF_MESSAGE));
    CHECK_INT(wants("# nothing\n"), 0);
}

/* ---- fields with several properties ---- */

TEST(addresses_of_header_fields)
{
    const char *mail = "header \"From: \\\"Bob, Jr.\\\" <bob@Example.ORG>, Eve <eve@x.example>\" "
                       "header \"Reply-To: eve@y.example\" header \"To: a@t.example\" "
                       "header \"To: b@t.example\"";
    IS("from.address == <bob@example.org>", mail, true);
    IS("from.domain == EXAMPLE.org", mail, true);
    IS("from.name == \"Bob, Jr.\"", mail, true);
    IS("reply_to.domain == y.example", mail, true);
    IS("all(to.domain == t.example)", mail, true);
    IS("to.address == <b@t.example>", mail, true);
    IS("cc.address is empty", mail, true);
    IS("from { name == \"Eve\" and domain == x.example }", mail, true);
    IS("from { name == \"Eve\" and domain == example.org }", mail, false);
    IS("from.name == \"Eve\" and from.domain == example.org", mail, true);
    IS("none(from { domain == z.example })", mail, true);
    IS("all(from { name =~ /^(Bob|Eve)/ })", mail, true);
    IS("all(from { domain == x.example })", mail, false);
    IS("from { name == \"Eve\" and subject is empty }", mail, true);
    IS("cc { address =~ /^x/ }", mail, false);
    IS("not cc { address =~ /^x/ }", mail, true);
    IS("from.name =~ /eve/i and from.domain !~ /^z/", mail, true);
}

TEST(header_lines_and_counts)
{
    const char *mail = "header \"Subject: one\" header \"X-Odd:  two\"";
    IS("raw.header.lines =~ /^Subject: one$/", mail, true);
    IS("raw.header.lines =~ /^X-Odd:  two$/", mail, true);
    IS("raw.header.lines =~ /^two/", mail, false);
    IS("header.names == x-odd", mail, true);
}

TEST(the_date_has_an_age)
{
    IS("date.age > 7d", "header \"Date: Mon, 1 Jan 2001 00:00:00 +0000\"", true);
    IS("date.age < 0", "header \"Date: 1 Jan 2990 00:00 EST\"", true);
    IS("date.age < 7d", "", false);
    IS("date.age > 7d", "", false);
    IS("date.age > 7d", "header \"Date: yesterday\"", false);
}

TEST(dates_are_read_as_rfc_5322_has_them)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } dates[] = {
        {"Thu, 1 Jan 1970 00:00:00 +0000", 0},
        {" 01 jan 70 00:00 GMT", 0},
        {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706},
        {"Fri, 21 Nov 97 09(comment):55:06 CST (really (nested) \\) )", 880127706},
        {"21 November 1997 15:55:06 Z", 880127706},
        {"29 Feb 2000 12:00:00 +0530", 951805800},
        {"1 Jan 102 00:00:00 UT", 1009843200},
        {"31 Dec 2016 23:59:60 +0000", 1483228800},
        {"32 Jan 2000 00:00:00 +0000", -1},
        {"1 Foo 2000 00:00:00 +0000", -1},
        {"1 Jan 2000 24:00:00 +0000", -1},
        {"1 Jan 2000 10:60 +0000", -1},
        {"1 Jan 2000 10:00 +00000", -1},
        {"1 Jan 999999 10:00 +0000", -1},
        {"1 Jan 2000", -1},
        {"(", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        int64_t seconds = -2;
        bool is_read = rules_date(slice_of(dates[i].text), &seconds);
        if (is_read != (dates[i].seconds >= 0) || (is_read && seconds != dates[i].seconds))
            mw_test_fail(__FILE__, __LINE__, "%s: %d %lld", dates[i].text, is_read,
                         (long long)seconds);
    }
}

static const char parts[] =
    "header \"MIME-Version: 1.0\" header \"Content-Type: multipart/mixed; boundary=b\" "
    "body \"--b\" body \"Content-Type: text/html; charset=utf-8\" body \"\" "
    "body \"<p>Hello <b>World</b> <a href='http://Evil.example/x'>http://good.example</a></p>\" "
    "body \"--b\" body \"Content-Type: application/octet-stream\" "
    "body \"Content-Disposition: attachment; filename=plan.pdf.EXE\" "
    "body \"Content-Transfer-Encoding: base64\" body \"\" body \"TVqQAAMAAAAEAAAA\" "
    "body \"--b\" body \"Content-Type: text/plain; name=a.txt\" "
    "body \"Content-Disposition: attachment; filename=a.txt\" body \"X-Part: yes\" body \"\" "
    "body \"some plain words\" body \"--b--\"";

TEST(content_is_decoded)
{
    IS("body.text =~ /Hello World/", parts, true);
    IS("body.text =~ /<b>/", parts, false);
    IS("body.html =~ /<b>World/", parts, true);
    IS("body.text =~ /plain words/", parts, true);
    IS("raw.body =~ /TVqQ/", parts, true);
    IS("mime.parts == 4", parts, true);
    IS("mime.header.lines =~ /^X-Part: yes$/", parts, true);
    IS("mime.header.lines =~ /^MIME-Version/", parts, false);
    IS("mime.defects == no-such-defect", parts, false);
}

TEST(attachments_are_seen_one_by_one)
{
    IS("attachment.count == 2", parts, true);
    IS("attachment.name =~ /\\.exe$/i", parts, true);
    IS("attachment.ext == exe", parts, true);
    IS("attachment.ext in (scr, EXE)", parts, true);
    IS("attachment.ext == pdf", parts, false);
    IS("attachment.size == 12", parts, true);
    IS("attachment { name == \"a.txt\" and type == \"text/plain\" }", parts, true);
    IS("attachment { ext == exe and type == \"text/plain\" }", parts, false);
    IS("attachment { ext == exe and size < 13 and type == \"application/octet-stream\" }", parts,
       true);
    IS("attachment { ext == exe } and attachment { type == \"text/plain\" }", parts, true);
    IS("none(attachment { ext == vbs })", parts, true);
    IS("archive.name is empty and archive.size is empty", parts, true);
    IS("attachment.encrypted == 1", parts, false);
    IS("attachment.name =~ /x/", "body \"no parts here\"", false);
}

TEST(links_are_seen_with_their_text)
{
    IS("url.host == evil.example", parts, true);
    IS("url { host == evil.example and text =~ /good\\.example/ }", parts, true);
    IS("url { host == good.example and text =~ /good\\.example/ }", parts, false);
    IS("url.scheme == http", parts, true);
    IS("url =~ /evil/i", parts, true);
}

TEST(folded_text_compares_what_people_see)
{
    IS("subject.fold == \"paypal\"", "header \"Subject: P\xd0\xb0yPal\"", true);
    IS("subject.fold == \"PayPal\"", "header \"Subject: p\xd0\xb0ypal\"", true);
    IS("subject.fold =~ /^paypal$/", "header \"Subject: PAY\xe2\x80\x8bPAL\"", true);
    IS("header(\"Subject\").fold =~ /paypal/", "header \"Subject: PayPal\"", true);
    IS("subject =~ /paypal/", "header \"Subject: PayPal\"", false);
    IS("from.name.fold == \"bank\"", "header \"From: B\xd0\xb0nk <x@y.example>\"", true);
}

TEST(variables_hold_texts)
{
    HOLDS("a: set var \"who\" \"<${sender.local}>\" when sender =~ /@/\n"
          "b: set var \"who\" \"${var('who')}+\" when var(\"who\") == \"<x>\"\n"
          "c: reject when var(\"who\") == \"<x>+\"\n"
          "d: reject when var(\"who\") is empty\n"
          "e: log \"no\" when var(\"who\") != \"<x>+\"\n"
          "test \"set\" { from <x@a.example> expect hit b expect reject by c }\n"
          "test \"other\" { from <y@a.example> expect miss b expect hit e expect accept }\n"
          "test \"unset\" { from <> expect reject by d }\n");
}

TEST(rates_count_over_the_run_of_tests)
{
    HOLDS("a: defer when rate(\"${sender}\", \"2/1h\")\n"
          "b: log \"twice\" when rate(\"${sender}\", \"1/1h\") and not rate(\"x\", \"9/1h\")\n"
          "test \"1\" { from <x@a.example> expect accept expect miss b }\n"
          "test \"2\" { from <x@a.example> expect accept expect hit b }\n"
          "test \"3\" { from <x@a.example> expect defer by a }\n"
          "test \"another\" { from <y@a.example> expect accept }\n");
}

TEST(facts_of_other_filters_are_known_at_rcpt)
{
    HOLDS("a: reject when spf.result == fail and sender.domain == x.example\n"
          "test \"1\" { from <x@x.example> fact spf.result \"FAIL\" expect reject by a }\n"
          "test \"2\" { from <x@x.example> fact spf.result \"pass\" expect accept }\n"
          "test \"3\" { from <x@x.example> expect accept }\n");
}

TEST(quarantine_sends_it_elsewhere)
{
    HOLDS("q: quarantine <q@x.example> when subject == \"bad\"\n"
          "z: reject when subject == \"bad\"\n"
          "test \"all\" { to <a@x.example> to <b@x.example> header \"Subject: bad\" "
          "header \"X-Mailweir-Quarantine: forged\"\n"
          "    expect quarantine by q expect rcpt <q@x.example> expect no rcpt <a@x.example> "
          "expect no rcpt <b@x.example>\n"
          "    expect header \"X-Mailweir-Quarantine: q\" "
          "expect header \"X-Mailweir-Recipient: b@x.example\" expect miss z }\n"
          "test \"none\" { to <a@x.example> header \"Subject: good\" expect accept expect rcpt "
          "<a@x.example> expect no header \"X-Mailweir-Quarantine\" }\n");
    HOLDS("q: quarantine <q@x.example> when rcpt.local == a and subject == \"bad\"\n"
          "z: reject when rcpt.local == b and subject == \"bad\"\n"
          "test \"one of three\" { to <a@x.example> to <b@x.example> to <c@x.example> "
          "header \"Subject: bad\"\n"
          "    expect rcpt <q@x.example> expect no rcpt <a@x.example> expect no rcpt <b@x.example> "
          "expect rcpt <c@x.example> expect no header \"X-Mailweir-Recipient\" }\n"
          "test \"nobody is left but those\" { to <a@x.example> to <b@x.example> "
          "header \"Subject: bad\"\n"
          "    expect rcpt <q@x.example> expect header \"X-Mailweir-Recipient: a@x.example\" }\n");
}

TEST(what_matched_is_what_is_said)
{
    HOLDS("a: add header \"X: ${attachment.name} ${attachment.type} ${url.text}\"\n"
          "   when attachment.ext == txt and url.host == evil.example\n"
          "test \"t\" { header \"MIME-Version: 1.0\" "
          "header \"Content-Type: multipart/mixed; boundary=b\" "
          "body \"--b\" body \"Content-Type: text/html\" body \"\" "
          "body \"<a href='http://one.example'>1</a> <a href='http://evil.example'>2</a>\" "
          "body \"--b\" body \"Content-Type: image/png; name=x.png\" body \"\" body \"\" "
          "body \"--b\" body \"Content-Type: text/plain; name=y.txt\" body \"\" body \"\" "
          "body \"--b--\" expect header \"X: y.txt text/plain 2\" }\n");
}
