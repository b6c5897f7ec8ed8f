/* test_rules_import.c - tables of other programs as rules: the exact text, what is left out and why,
 * what the rules do, and for Postfix what Postfix itself says to the same lines. */
#include <stdlib.h>
#include <unistd.h>

#include "import.h"
#include "import_priv.h"
#include "parse_import.h"
#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static struct mw_instance instance;

enum { GOT_MAX = 65536 };

/* The rules without empty lines, then "LINE: note" lines. */
static void describe(const struct import_result *result, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < result->len && len < GOT_MAX / 2; i++)
        if (result->text[i] != '\n' || (len > 0 && out[len - 1] != '\n'))
            out[len++] = result->text[i];
    for (const struct import_note *note = result->notes; note != NULL && len < GOT_MAX - 500;
         note = note->next)
        len += (size_t)snprintf(out + len, 500, "%u: %s\n", note->line, note->reason);
    out[len] = '\0';
}

static bool imports_as(const char *format, const char *kind, const char *table, const char *want,
                       const char *file, int line)
{
    static char got[GOT_MAX];
    struct import_result result;
    const char *error = rules_import(slice_of(format), slice_of(kind), LIT("t"), slice_of(table),
                                     &result);
    snprintf(got, sizeof got, "error: %s\n", error ? error : "");
    if (error == NULL)
        describe(&result, got);
    bool is_same = strcmp(got, want) == 0;
    if (!is_same)
        mw_test_fail(file, line, "for\n%s\ngot\n%swant\n%s", table, got, want);
    rules_import_free(&result);
    return is_same;
}
#define IMPORTS(format, kind, table, want)                                \
    do {                                                                  \
        if (!imports_as(format, kind, table, want, __FILE__, __LINE__) && \
            getenv("KEEP_GOING") == NULL)                                 \
            return;                                                       \
    } while (0)

/* The table's rules load without a warning, and `tests` (blocks of the language) pass over them. */
static bool holds(const char *format, const char *kind, const char *table, const char *tests,
                  const char *file, int line)
{
    static char text[GOT_MAX];
    struct import_result result;
    const char *error = rules_import(slice_of(format), slice_of(kind), LIT("t"), slice_of(table),
                                     &result);
    if (error != NULL) {
        mw_test_fail(file, line, "%s", error);
        return false;
    }
    snprintf(text, sizeof text, "%.*s%s", (int)result.len, result.text, tests);
    struct rules *rules = fake_load(&instance, text);
    bool is_good = rules != NULL;
    if (!is_good)
        mw_test_fail(file, line, "for\n%s\n%s", text, instance.diags);
    fake_unload(&instance, rules);
    rules_import_free(&result);
    return is_good;
}
#define HOLDS(format, kind, table, tests)                             \
    do {                                                              \
        if (!holds(format, kind, table, tests, __FILE__, __LINE__) && \
            getenv("KEEP_GOING") == NULL)                             \
            return;                                                   \
    } while (0)

/* ---- header_checks and its kin ---- */

TEST(each_entry_becomes_a_rule_on_its_line)
{
    struct import_result result;
    const char *table =
        "# checks\n\n/^Subject: make money/ REJECT\n\n/^To: (a)@/i\n  REJECT no $1\n";
    CHECK(rules_import(LIT("postfix"), LIT("header"), LIT("header_checks"), slice_of(table),
                       &result) == NULL);
    CHECK_MEM(result.text, result.len,
              "\n\nheader_checks-3: reject 550 5.7.1 \"message content rejected\" when "
              "raw.header.lines =~ /^Subject: make money/is\n\n"
              "header_checks-5: reject 550 5.7.1 \"no ${1}\" when raw.header.lines =~ "
              "/^To: (a)@/s\n");
    CHECK_INT(result.carried, 2);
    CHECK_INT(result.dropped, 0);
    rules_import_free(&result);
    CHECK(result.text == NULL);
}

TEST(actions_of_header_checks)
{
    IMPORTS(
        "postfix:pcre", "header",
        "/^A:/ REJECT 5.7.9 Not here \"quoted\" \\d\n"
        "/^B:/ reject 4.3.0 later\n"
        "/^C: (.*)$/ INFO saw $1 for $$5\n"
        "/^D:/ WARN\n"
        "/^E:/ BCC archive@example.com\n"
        "/^F:/ REDIRECT <q@example.com>\n"
        "/^G:/ OK\n"
        "/^H:/ DUNNO\n",
        "t-1: reject 550 5.7.9 \"Not here \\\"quoted\\\" \\\\d\" when raw.header.lines =~ /^A:/is\n"
        "t-2: defer 450 4.3.0 \"later\" when raw.header.lines =~ /^B:/is\n"
        "t-3: log \"info: saw ${1} for $5\" when raw.header.lines =~ /^C: (.*)$/is\n"
        "t-4: log \"warning: \" when raw.header.lines =~ /^D:/is\n"
        "t-5: add rcpt \"archive@example.com\" when raw.header.lines =~ /^E:/is\n"
        "t-6: rewrite rcpt \"q@example.com\" when raw.header.lines =~ /^F:/is\n"
        "2: carried over; but a message with one line for REJECT and another for a deferral gets "
        "the verdict of the entry that stands first in the table, in Postfix that of the line "
        "that stands first in the message\n");
    IMPORTS(
        "postfix", "header",
        "/^A:/ HOLD\n/^B:/ FILTER smtp:x\n/^C:/ 550 no\n/^D:/ REJECT 2.0.0 x\n/^E:/ BCC x\n"
        "/^F:/ PASS\n/^G:/ REJECT \xc3\xa9\n/^H:/ REJECT $1\n/^I:/ REJECT $x\n/^J:/ REJECT $${x}\n"
        "/^K:/\n",
        "1: HOLD: there is no queue here in which mail could be held\n"
        "2: FILTER: mailweir does not route mail to content filters\n"
        "3: '550' is no action of header_checks(5)\n"
        "4: its enhanced status code is no refusal\n"
        "5: there is no address behind the action\n"
        "6: PASS: what has been inspected before cannot be left standing alone\n"
        "7: a reply and a header field hold ASCII characters only, and this text has others\n"
        "8: the text speaks of a group that its pattern does not have\n"
        "9: the text has a '$' without a number (write $$ for a '$')\n"
        "10: the text has \"${\" as plain characters\n"
        "11: there is no action\n");
}

TEST(the_first_match_of_a_line_counts)
{
    /* an entry that does nothing takes its lines from those below, also one that is left out */
    IMPORTS("postfix", "nested_header",
            "/^Subject: .*good/ DUNNO\n/^To: a.*x/ HOLD\n/^Subject: bad/ REJECT\n/^(From|To): a/ "
            "REJECT\n",
            "t-3: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
            "/\\A(?!^Subject: .*good)^Subject: bad/is\n"
            "t-4: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
            "/\\A(?!^To: a.*x)^(From|To): a/is\n"
            "2: HOLD: there is no queue here in which mail could be held\n");
    /* no need where a verdict stands above: it ends the message */
    IMPORTS("postfix", "nested_header", "/a/ REJECT x\n/b/ REJECT y\n",
            "t-1: reject 550 5.7.1 \"x\" when nested.header.lines =~ /a/is\n"
            "t-2: reject 550 5.7.1 \"y\" when nested.header.lines =~ /b/is\n");
    /* captures keep their numbers */
    IMPORTS("postfix:pcre", "nested_header", "/(a)(?<n>b)|c/ DUNNO\n/x(y)/i REJECT\n",
            "2: an entry above it, or a block around it, cannot be made part of the pattern\n");
    IMPORTS("postfix:pcre", "nested_header", "/(a)(b)|c/ DUNNO\n/x(y)/i REJECT $1\n",
            "t-2: reject 550 5.7.1 \"${1}\" when nested.header.lines =~ "
            "/\\A(?!.*?(?i:(?:a)(?:b)|c)).*?x(y)/s\n");
}

TEST(blocks_and_negation)
{
    IMPORTS("postfix", "nested_header",
            "if /^From:/\nif !/@ok\\./\n/./ REJECT one\nendif\n!/@/ WARN\n/b/ REJECT two\nendif\n"
            "/b/ REJECT three\nendif\n",
            "t-3: reject 550 5.7.1 \"one\" when nested.header.lines =~ "
            "/\\A(?!.*?@ok\\.)(?=^From:).*?./is\n"
            "t-5: log \"warning: \" when nested.header.lines =~ /\\A(?=^From:)(?!.*?@)/is\n"
            "t-6: reject 550 5.7.1 \"two\" when nested.header.lines =~ "
            "/\\A(?=^From:)(?!(?=^From:)(?!.*?@)).*?b/is\n"
            "t-8: reject 550 5.7.1 \"three\" when nested.header.lines =~ "
            "/\\A(?!(?=^From:)(?!.*?@)).*?b/is\n"
            "9: endif without if\n");
    IMPORTS("postfix", "nested_header", "if /[/\n/a/ REJECT\nendif\n!/(a)/ REJECT $1\n",
            "1: with the block that it begins: the pattern has an open bracket\n"
            "2: the block around it is not carried over\n"
            "4: the text speaks of a group that its pattern does not have\n");
}

TEST(header_checks_do_not_see_mime_fields)
{
    IMPORTS("postfix", "header", "/^Content-Type: x/ REJECT\n/virus/ REJECT\n",
            "t-2: reject 550 5.7.1 \"message content rejected\" when raw.header.lines =~ "
            "/\\A(?!^Content-Type: x)(?!^(?:MIME-Version|Content-Type|Content-Transfer-Encoding|"
            "Content-Disposition|Content-ID|Content-Description):).*?virus/is\n"
            "1: Postfix leaves this field to mime_header_checks: import the table as mime_header, "
            "too\n");
    IMPORTS(
        "postfix", "mime_header", "/^Content-Type:.*name=.*\\.exe/ REJECT\n/^X-A:/ REJECT\n",
        "t-1: reject 550 5.7.1 \"message content rejected\" when mime.header.lines =~ "
        "/^Content-Type:.*name=.*\\.exe/is or raw.header.lines =~ "
        "/^Content-Type:.*name=.*\\.exe/is or nested.header.lines =~ "
        "/^Content-Type:.*name=.*\\.exe/is\n"
        "t-2: reject 550 5.7.1 \"message content rejected\" when mime.header.lines =~ /^X-A:/is\n");
}

TEST(edits_only_where_they_come_to_the_same)
{
    IMPORTS(
        "postfix", "header",
        "/^(Received|X-Mailer):/ IGNORE\n/^X-Org:.*$/ STRIP gone\n/^X-Ip: 10/ IGNORE\n"
        "/^Subject: .*x/ IGNORE\n",
        "t-1: delete header \"Received\", delete header \"X-Mailer\" when raw.header.lines =~ "
        "/^(Received|X-Mailer):/is\n"
        "t-2: delete header \"X-Org\", log \"gone\" when raw.header.lines =~ /^X-Org:.*$/is\n"
        "t-4: delete header \"subject\" when raw.header.lines =~ /^Subject: .*x/is and "
        "header.count(\"subject\") == 1\n"
        "3: it picks some fields of a name, and mailweir deletes all or none (write /^Name:/ if "
        "all are meant)\n"
        "4: carried over for messages with one subject field; if there are several, they are "
        "left as they are\n");
    IMPORTS(
        "postfix", "header",
        "/^Subject: (.*)$/ REPLACE Subject: [x] $1\n/^To: a/ PREPEND X-To: a\n"
        "/^X-B: a/ PREPEND X-C: a\n/^X-D: a/ REPLACE X-D: b\n",
        "t-1: set header \"Subject: [x] ${1}\" when raw.header.lines =~ /^Subject: (.*)$/is and "
        "header.count(\"subject\") == 1\n"
        "t-2: add header \"X-To: a\" when raw.header.lines =~ /^To: a/is\n"
        "t-3: add header \"X-C: a\" when raw.header.lines =~ /^X-B: a/is\n"
        "1: carried over for messages with one subject field; if there are several, they are "
        "left as they are\n"
        "3: carried over; the field is added once, however many lines match\n"
        "4: it replaces one field of perhaps several, and mailweir replaces all of a name\n");
    /* rules below would see the new field */
    IMPORTS(
        "postfix", "header", "/^To: a/ PREPEND X-To: a\n/^X-To:/ REJECT\n",
        "t-2: reject 550 5.7.1 \"message content rejected\" when raw.header.lines =~ /^X-To:/is\n"
        "1: entries below would look at the field that it makes, and in Postfix they do not\n");
    IMPORTS("postfix", "body", "/a/ IGNORE\n/^$/ REJECT\n/b*/ WARN\n",
            "t-2: reject 550 5.7.1 \"message content rejected\" when body.line =~ "
            "/\\A(?!\\z)(?!.*?a)^$/is\n"
            "t-3: log \"warning: \" when body.line =~ /\\A(?!\\z)(?!.*?a).*?b*/is\n"
            "1: mailweir edits the message's own header only\n");
}

TEST(posix_patterns_are_rewritten)
{
    IMPORTS(
        "postfix:regexp", "nested_header",
        "/[\\.]a\\.+?/ REJECT\n/^[]^[:alpha:]-]{,3}\\<x\\>/m REJECT\n/a**b/i REJECT\n"
        "/(a)\\1/ REJECT\n/[[:<:]]a/ REJECT\n/[[.a.]]/ REJECT\n/a\\(b\\)+*/x REJECT\n/a)/ REJECT\n"
        "/*a/ REJECT\n/a{2/ REJECT\n/(a|b)c/ REJECT $1\n/a/s REJECT\n/ab REJECT\nab REJECT\n"
        "~a/b~ REJECT\n/a\\d/ REJECT\n",
        "t-1: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/[\\\\.]a(?:\\.+)?/is\n"
        "t-2: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/^[\\]\\^[:alpha:]-]{0,3}\\b(?=\\w)x\\b(?<=\\w)/im\n"
        "t-3: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/(?:a*)*b/s\n"
        "t-7: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/a(b)\\+*/is\n"
        "t-15: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/\\A(?!.*?(?:a|b)c).*?a\\/b/is\n"
        "4: the pattern has back-references; entries below no longer yield to it\n"
        "5: the pattern has a class [:...:] that is not known here; entries below no longer "
        "yield to it\n"
        "6: the pattern has collating elements: [.x.] or [=x=]; entries below no longer yield "
        "to it\n"
        "8: the pattern has a ')' without a '('; entries below no longer yield to it\n"
        "9: the pattern repeats nothing; entries below no longer yield to it\n"
        "10: the pattern has an interval {...} that is not closed; entries below no longer yield "
        "to it\n"
        "11: what $1 holds may differ between POSIX and Perl in a pattern with | or with a "
        "repeated group\n"
        "12: a flag behind the pattern is unknown; entries below no longer yield to it\n"
        "13: the pattern is not closed; entries below no longer yield to it\n"
        "14: it is neither a pattern nor if or endif\n"
        "16: the pattern has a backslash before a letter that means nothing in POSIX; entries "
        "below no longer yield to it\n");
}

TEST(pcre_flags_are_toggles)
{
    IMPORTS(
        "postfix:pcre", "nested_header",
        "/a/i REJECT\n/b/s REJECT\n/c/m REJECT\n/d d/x REJECT\n/e/A REJECT\n/f$/E REJECT\n/g+/U "
        "REJECT\n"
        "/h/y REJECT\n/(?i)k(*COMMIT)l/ REJECT\n/[/ REJECT\n",
        "t-1: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ /a/s\n"
        "t-2: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ /b/i\n"
        "t-3: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ /c/ims\n"
        "t-4: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ /d d/isx\n"
        "t-5: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/\\A(?:e)/is\n"
        "t-7: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/(?U:g+)/is\n"
        "t-9: reject 550 5.7.1 \"message content rejected\" when nested.header.lines =~ "
        "/(?i)k(*COMMIT)l/is\n"
        "6: flag E gives $ a meaning that this language does not have; entries below no longer "
        "yield to it\n"
        "8: a flag behind the pattern is unknown; entries below no longer yield to it\n"
        "10: the pattern does not compile: missing terminating ] for character class; entries "
        "below no longer yield to it\n");
}

/* ---- access tables ---- */

TEST(the_most_specific_key_wins)
{
    IMPORTS(
        "postfix", "client",
        "1.2.3 REJECT\n1.2.3.4 DUNNO\nexample.com 450 4.7.1 slow\ngood.example.com DUNNO\n"
        "unknown 550 who\n2001:db8:0 REJECT\nx@y REJECT\nExample.COM OK\n",
        "list t-domains = example.com, .example.com, good.example.com, .good.example.com "
        "t-1: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.ip in "
        "(1.2.3.0/24) and client.ip not in (1.2.3.4) and client.name not in t-domains and "
        "client.name is not empty\n"
        "t-3: defer 450 4.7.1 \"Client host rejected: slow\" when client.name in (example.com, "
        ".example.com) and client.name not in (good.example.com, .good.example.com)\n"
        "t-5: reject 550 5.7.1 \"Client host rejected: who\" when client.name is empty\n"
        "6: Postfix compares IPv6 networks as texts, which a group of zeros makes unsure: write "
        "a cidr table\n"
        "7: the key is neither a domain nor an address that Postfix would look up\n"
        "8: the key stands above already, and that entry counts\n");
    HOLDS("postfix", "client",
          "1.2.3 REJECT\n1.2.3.4 DUNNO\nexample.com 450 4.7.1 slow\ngood.example.com DUNNO\n",
          "test \"net\" { client 1.2.3.5 name a.example expect reject 554 by t-1 }\n"
          "test \"one\" { client 1.2.3.4 name a.example expect accept }\n"
          "test \"name goes first\" { client 1.2.3.5 name x.good.example.com expect accept }\n"
          "test \"below\" { client 1.2.3.5 name x.example.com expect defer 450 by t-3 }\n"
          "test \"itself\" { client 192.0.2.1 name example.com expect defer 450 by t-3 }\n"
          "test \"other\" { client 192.0.2.1 name anexample.com expect accept }\n");
}

TEST(mail_addresses_domains_and_users)
{
    IMPORTS(
        "postfix:hash", "sender",
        "<> REJECT\nBob+x@Example.COM 550 5.1.8 bob\nexample.com REJECT\nok@example.com OK\n"
        "spam@ 554 go\n@x.example REJECT\n123 456\n",
        "list t-domains = example.com, .example.com, 123, .123 "
        "t-1: reject 554 5.7.1 \"Sender address rejected: Access denied\" when sender is empty\n"
        "t-2: reject 550 5.1.8 \"Sender address rejected: bob\" when sender =~ "
        "/\\Abob\\+x@example\\.com\\z/i\n"
        "t-3: reject 554 5.7.1 \"Sender address rejected: Access denied\" when sender.domain in "
        "(example.com, .example.com) and sender !~ "
        "/\\A(?:ok@example\\.com|bob\\+x@example\\.com)\\z/i\n"
        "t-5: reject 554 5.7.1 \"Sender address rejected: go\" when sender =~ /\\Aspam@[^@]*\\z/i "
        "and sender.domain not in t-domains\n"
        "4: carried over; OK exempts from this table only, and not from whatever else stands in "
        "the same restrictions of Postfix\n"
        "6: Postfix looks no such key up: write the domain without '@'\n");
    HOLDS("postfix", "recipient", "ok@example.com DUNNO\nexample.com 450 x\nspam@ 554 go\n",
          "test \"ok\" { to <OK@example.com>, <b@example.com> expect accept for <OK@example.com> "
          "expect defer 450 for <b@example.com> }\n"
          "test \"user\" { to <spam@other.example> expect reject 554 by t-3 }\n"
          "test \"domain goes first\" { to <spam@example.com> expect defer 450 by t-2 }\n");
}

TEST(a_leading_dot_changes_what_plain_domains_match)
{
    IMPORTS("postfix", "helo",
            "example.com REJECT\n.example.com 521 off\n[192.0.2.1] DISCARD fake\n",
            "t-1: reject 554 5.7.1 \"Helo command rejected: Access denied\" when helo == "
            "\"example.com\"\n"
            "t-2: disconnect 521 5.7.1 \"Helo command rejected: off\" when helo in (.example.com)\n"
            "t-3: discard reason \"fake\" when helo == \"[192.0.2.1]\"\n"
            "2: carried over; because of this key plain domains of the table match themselves only "
            "(parent_domain_matches_subdomains without smtpd_access_maps)\n");
}

TEST(networks_go_by_their_order)
{
    IMPORTS(
        "postfix", "client",
        "10.0.0.0/8 DUNNO\n10.1.0.0/16 REJECT\nif 192.168.0.0/16\n192.168.1.1 DUNNO\n"
        "!192.168.2.0/24 REJECT a\nendif\n[2001:db8::]/32 REJECT\n0.0.0.0/0 421 bye\n"
        "192.168.1.0/8 REJECT\nif x\n1.2.3.4 REJECT\nendif\n",
        "t-2: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.ip in "
        "(10.1.0.0/16) and client.ip not in (10.0.0.0/8)\n"
        "t-5: reject 554 5.7.1 \"Client host rejected: a\" when client.ip not in (192.168.2.0/24) "
        "and client.ip in (192.168.0.0/16) and client.ip not in (10.0.0.0/8) and not (client.ip "
        "in (192.168.1.1) and client.ip in (192.168.0.0/16))\n"
        "t-8: disconnect 421 4.7.1 \"Client host rejected: bye\" when client.ip in (0.0.0.0/0) "
        "and client.ip not in (10.0.0.0/8) and not (client.ip in (192.168.1.1) and client.ip in "
        "(192.168.0.0/16))\n"
        "7: the address is not understood\n"
        "9: bits behind the network's prefix are set, so Postfix ignores the entry\n"
        "10: the address is not understood\n"
        "11: the block around it is not carried over\n");
    HOLDS("postfix:cidr", "client",
          "10.0.0.0/8 DUNNO\nif 192.168.0.0/16\n192.168.1.1 DUNNO\n!192.168.2.0/24 REJECT\nendif\n"
          "0.0.0.0/0 450 x\n",
          "test \"a\" { client 10.1.1.1 expect accept }\n"
          "test \"b\" { client 192.168.1.1 expect accept }\n"
          "test \"c\" { client 192.168.3.1 expect reject by t-4 }\n"
          "test \"d\" { client 192.168.2.1 expect defer by t-6 }\n"
          "test \"e\" { client 2001:db8::1 expect accept }\n");
}

TEST(patterns_over_names_and_addresses)
{
    IMPORTS("postfix", "client", "/^unknown$/ REJECT\n/\\.dyn\\.example$/ 450 x\n/^10\\./ REJECT\n",
            "t-1: reject 554 5.7.1 \"Client host rejected: Access denied\" when client.name =~ "
            "/^unknown$/is or client.name is empty\n"
            "t-2: defer 450 4.7.1 \"Client host rejected: x\" when client.name =~ "
            "/\\.dyn\\.example$/is\n"
            "3: it may match addresses as well as names: write it as networks, in a cidr table\n");
    HOLDS("postfix", "sender",
          "/^(.*)-outgoing@(.*)$/ 550 Use ${1}@${2} instead\n/^postmaster@/ OK\n/[%!@].*[%!@]/ 550 "
          "x\n"
          "/^<>$/ 450 null\n/^[^@]*$/ 554 y\n",
          "test \"a\" { from <l-outgoing@b.example> expect reject 550 by t-1 }\n"
          "test \"b\" { from <a%b@c.example> expect reject 550 by t-3 }\n"
          "test \"c\" { from <postmaster@a%b.example> expect accept }\n"
          "test \"d\" { from <> expect defer 450 by t-4 }\n"
          "test \"e\" { from <plain> expect reject 554 by t-5 }\n");
}

/* ---- milter-regex ---- */

TEST(milter_regex_expressions)
{
    IMPORTS(
        "milter-regex", "",
        "# comment\nreject \"no name\"\nconnect /\\[.*\\]/ //\nconnect /\\.dyn\\./ /^10\\.1\\./\n"
        "tempfail 'bad helo'\nhelo /\\./n\naccept\nenvfrom /<list@a\\.example>/i and (not helo /x/ "
        "or\n"
        "  body /y\\{2\\}/)\ndiscard\nheader ,^(To|Cc)$,ie ,a/b, or header /^X$/i //\n"
        "envrcpt /a@b/ and helo /x/ or helo /y/\nheader /Sub/i /x/\nmacro /x/ /y/\nenvrcpt /./\n"
        "quarantine \"q\"\nbody /z/\nrubbish\n",
        "t-3: early reject 554 5.7.1 \"no name\" when (client.name is empty)\n"
        "t-4: early reject 554 5.7.1 \"no name\" when (client.name =~ /\\.dyn\\./s and client.ip "
        "in (10.1.0.0/16))\n"
        "t-6: early defer 451 4.7.1 \"bad helo\" when helo !~ /\\./s\n"
        "t-8: early accept when sender =~ /\\A(?:list@a\\.example)\\z/is and (not helo =~ /x/s or "
        "body.line =~ /y{2}/s)\n"
        "t-11: early discard when (raw.header(\"To\") =~ /a\\/b/s or raw.header(\"Cc\") =~ "
        "/a\\/b/s) or (header.names == \"X\")\n"
        "12: 'and' and 'or' side by side, without parentheses that say which goes first\n"
        "13: the header's name is not of the form /^Name$/i or /^(One|Other)$/ie\n"
        "14: the MTA's macros are not known here\n"
        "15: where the angle brackets around the address go in its pattern is not plain\n"
        "17: quarantine: there is no queue here in which mail could be held\n"
        "18: neither an action nor an expression\n");
    HOLDS(
        "milter-regex", "",
        "reject \"no name\"\nconnect /\\[.*\\]/ //\nreject \"helo\"\nhelo /\\./n\naccept\n"
        "envfrom /<friend@.*>/i\nreject \"rcpt\"\nenvrcpt /<.*@.*>/en\nreject \"body\"\n"
        "body /^buy [^ ]*$/\n",
        "test \"helo\" { client 192.0.2.1 name a.example helo x expect reject 554 by t-4 }\n"
        "test \"rcpt\" { client 192.0.2.1 name a.example helo x.y to <bob> expect reject by t-8 }\n"
        "test \"body\" { client 192.0.2.1 name a.example helo x.y to <a@b.example> body \"buy it\" "
        "expect reject by t-10 }\n"
        "test \"accept\" { client 192.0.2.1 name a.example helo x.y from <Friend@b.example> to "
        "<bob> body "
        "\"buy it\" expect accept }\n");
}

/* ---- SpamAssassin ---- */

TEST(spamassassin_rules)
{
    IMPORTS(
        "spamassassin", "",
        "header FREE Subject =~ /\\bfree\\b/i # comment\nscore FREE 1.5 1 1 1\n"
        "describe FREE Free \"things\"\nbody __PILLS /cheap pills/i\n"
        "uri __EVIL m{^https?://evil\\.example/}\nmeta BOTH __PILLS && !__EVIL\nscore BOTH -3\n"
        "meta TWO (__PILLS + __EVIL + FREE) > 1\nheader __GONE exists:X-Foo\n"
        "meta OFF __GONE\nscore OFF 0\nrawbody RAW /<b>/\n",
        "t-1-FREE: score default 1.500 reason \"Free \\\"things\\\"\" when header(\"Subject\") =~ "
        "/\\bfree\\b/i\n"
        "t-6-BOTH: score default -3.000 when (subject =~ /cheap\\s+pills/i or body.text =~ "
        "/cheap\\s+pills/i) and not (url =~ /^https?:\\/\\/evil\\.example\\//)\n"
        "t-8-TWO: score default 1.000 when ((subject =~ /cheap\\s+pills/i or body.text =~ "
        "/cheap\\s+pills/i) and ((url =~ /^https?:\\/\\/evil\\.example\\//) or "
        "(header(\"Subject\") "
        "=~ /\\bfree\\b/i)) or (url =~ /^https?:\\/\\/evil\\.example\\//) and "
        "((header(\"Subject\") "
        "=~ /\\bfree\\b/i)))\n"
        "t-12-RAW: score default 1.000 when body.html =~ /<b>/ or body.text =~ /<b>/\n"
        "2: carried over; of several values the first counts (score set 0: without network tests "
        "and Bayes), here and below\n");
    IMPORTS(
        "spamassassin", "",
        "header A Subject !~ /./\nheader B From:addr =~ /@x\\.example$/\n"
        "header C X-Y:raw =~ /^=\\?/ [if-unset: =?]\nheader D ToCc =~ /a/\n"
        "header E EnvelopeFrom =~ /b/i\nheader __F X-F =~ /q/\nmeta G __F == 1\n",
        "t-1-A: score default 1.000 when not (header(\"Subject\") =~ /./)\n"
        "t-2-B: score default 1.000 when from.address =~ /@x\\.example$/\n"
        "t-3-C: score default 1.000 when raw.header(\"X-Y\") =~ /^=\\?/ or (raw.header(\"X-Y\") is "
        "empty)\n"
        "t-4-D: score default 1.000 when header(\"To\") =~ /a/ or header(\"Cc\") =~ /a/\n"
        "t-5-E: score default 1.000 when sender =~ /b/i\n"
        "t-7-G: score default 1.000 when (((header(\"X-F\") =~ /q/)))\n");
}

TEST(spamassassin_what_is_left_out)
{
    IMPORTS("spamassassin", "",
            "header A eval:check_x()\nfull B /x/\nbody C /^x/\nifplugin Foo\nbody D /b/\nendif\n"
            "tflags A nice\nscore NONE 3\nmeta LOOP LOOP || A\nuse_bayes 1\nheader E ALL =~ /x/\n"
            "header F From:name =~ /x/\nmeta G A * 2\nbody H /x/g\nheader I Subject =~ /x/ y\n"
            "body J /a/\nbody J /b/\nscore J 1.23456\nmeta K MISSING\nlang de describe J x\n",
            "t-17-J: score default 1.000 when subject =~ /b/ or body.text =~ /b/\n"
            "1: eval: calls SpamAssassin's own code\n"
            "2: full: no field holds the whole message as it came\n"
            "3: ^ and $ speak of paragraphs and chunks that exist in SpamAssassin only\n"
            "4: what depends on plugins and versions is left out, up to its endif\n"
            "5: it stands in a block that depends on a plugin or version\n"
            "6: it stands in a block that depends on a plugin or version\n"
            "7: tflags have no equal here\n"
            "8: score: there is no such rule in this file\n"
            "9: it speaks of itself, or goes too deep\n"
            "10: 'use_bayes' is no rule, score or description\n"
            "11: it looks at all header fields as one text\n"
            "12: of what may stand behind a header's name, :raw and :addr are known here\n"
            "13: eval: calls SpamAssassin's own code\n"
            "14: a flag behind the pattern has no equal here (i, m, s and x have)\n"
            "15: there is something behind the pattern\n"
            "16: line 17 defines it anew\n"
            "18: score: expected a rule's name and a number with at most three digits behind the "
            "point\n"
            "19: it speaks of MISSING, which is not there\n"
            "20: settings for one language are left out\n");
}

TEST(spamassassin_scores_add_up)
{
    HOLDS("spamassassin", "",
          "header __A Subject =~ /a/\nheader __B Subject =~ /b/\nheader __C Subject =~ /c/\n"
          "meta TWO __A + __B + __C >= 2\nmeta ONE __A + __B + __C == 1\nmeta NONE (__A + __B + "
          "__C) < 1\n"
          "score TWO 2\nscore ONE 1\nscore NONE 0.5\n",
          "seen: tag \"x\" when score >= 0.1\n"
          "test \"2\" { header \"Subject: ab\" expect score == 2 }\n"
          "test \"3\" { header \"Subject: abc\" expect score == 2 }\n"
          "test \"1\" { header \"Subject: b\" expect score == 1 }\n"
          "test \"0\" { header \"Subject: x\" expect score == 0.5 }\n");
}

/* ---- bounds and the rest ---- */

TEST(what_is_wrong_with_the_call)
{
    IMPORTS("exim", "", "", "error: unknown format: postfix, milter-regex or spamassassin\n");
    IMPORTS(
        "postfix", "headers", "",
        "error: a Postfix table is imported as header, body, mime_header, nested_header, client, "
        "helo, sender or recipient\n");
    IMPORTS("postfix:hash", "header", "",
            "error: such a table holds patterns: its type is pcre or regexp\n");
    IMPORTS("postfix:cidr", "helo", "",
            "error: only a client has an address: cidr needs `as client`\n");
    IMPORTS(
        "postfix:mysql", "helo", "",
        "error: unknown type of table: pcre, regexp, cidr, hash, btree, lmdb, cdb, dbm, sdbm or "
        "texthash\n");
    IMPORTS("postfix", "header", "", "");
    char *huge = malloc((1 << 20) + 2);
    memset(huge, 'a', (1 << 20) + 1);
    huge[(1 << 20) + 1] = '\0';
    bool is_same = imports_as("postfix", "header", huge, "error: the table is longer than 1 MB\n",
                              __FILE__, __LINE__);
    huge[IMPORT_LINE_MAX + 1] = '\0';
    is_same = is_same && imports_as("postfix", "header", huge, "1: the line is longer than 8 KB\n",
                                    __FILE__, __LINE__);
    free(huge);
    CHECK(is_same);
}

TEST(too_many_entries_and_too_long_patterns_are_told)
{
    size_t size = 200000, len = 0;
    char *table = malloc(size);
    for (int i = 0; i < 3000; i++)
        len += (size_t)snprintf(table + len, size - len, "/x%d/ DUNNO\n", i);
    snprintf(table + len, size - len, "/y/ REJECT\n/^z/ REJECT\n");
    bool is_same = imports_as("postfix", "body", table,
                              "3001: together with the entries above that go first the pattern is "
                              "too long\n"
                              "3002: together with the entries above that go first the pattern is "
                              "too long\n",
                              __FILE__, __LINE__);
    free(table);
    CHECK(is_same);
}

TEST(names_fit_the_language)
{
    static const char *const names[][2] = {{"header_checks", "header_checks-1: "},
                                           {"local.cf", "local.cf-1: "},
                                           {"9 lives!", "_9_lives_-1: "},
                                           {"-", "_-1: "},
                                           {"", "table-1: "},
                                           {"a.-", "a-1: "}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct import_result result;
        CHECK(rules_import(LIT("postfix"), LIT("body"), slice_of(names[i][0]), LIT("/a/ REJECT\n"),
                           &result) == NULL);
        size_t len = strlen(names[i][1]);
        CHECK(result.len > len);
        CHECK_MEM(result.text, len, names[i][1]);
        rules_import_free(&result);
    }
}

/* ---- the directive ---- */

static bool write_table(char *path, const char *text)
{
    int fd = mkstemp(path);
    ssize_t len = fd < 0 ? -1 : write(fd, text, strlen(text));
    return fd >= 0 && close(fd) == 0 && len == (ssize_t)strlen(text);
}

/* `text` is what stands behind the word `import`. */
static bool parse_directive(struct rules *rules, const char *text)
{
    struct parser parser = {.rules = rules, .lang = rules->lang, .file = "dir/t.rules"};
    parser.lexer = rules->lang->lex_open(parser.file, slice_of(text));
    bool is_good = rules_parse_import(&parser);
    rules->lang->lex_close(parser.lexer);
    return is_good;
}

static struct rules *empty_rules(void)
{
    memset(&instance, 0, sizeof instance);
    return rules_new(&fake_host, &instance, 200000, 1 << 20);
}

TEST(the_directive_reads_a_table_beside_the_rules)
{
    char path[] = "/tmp/mw-import-XXXXXX", text[1024], want[512];
    CHECK(write_table(path, "\n/cheap pills/ REJECT no pills\n/x/ HOLD\n"));
    snprintf(text, sizeof text, "postfix \"regexp:%s\" as body", path);
    struct rules *rules = empty_rules();
    bool is_good = parse_directive(rules, text);
    rules_parse_text(rules, "dir/t.rules",
                     LIT("test \"a\" { body \"buy cheap pills\" expect reject 550 }\n"
                         "test \"b\" { body \"buy\" expect accept }\n"));
    snprintf(
        want, sizeof want,
        "%s:3:1:1: warning: not carried over: HOLD: there is no queue here in which mail could "
        "be held\n",
        path);
    is_good = is_good && rules_finish(rules) && rules_test_run(rules, NULL, NULL) == 0;
    if (!is_good || strcmp(instance.diags, want) != 0)
        mw_test_fail(__FILE__, __LINE__, "got %s", instance.diags);
    else if (rules->rules->place.line != 2 || strcmp(rules->rules->place.file, path) != 0)
        mw_test_fail(__FILE__, __LINE__, "the rule is at %s:%u", rules->rules->place.file,
                     rules->rules->place.line);
    fake_unload(&instance, rules);
    unlink(path);
}

static bool is_refused(const char *text, const char *want)
{
    struct rules *rules = empty_rules();
    bool is_good = !parse_directive(rules, text) && strcmp(instance.diags, want) == 0;
    if (!is_good)
        mw_test_fail(__FILE__, __LINE__, "for\n%s\ngot %s", text, instance.diags);
    fake_unload(&instance, rules);
    return is_good;
}

TEST(errors_of_the_directive)
{
    CHECK(
        is_refused("postfx \"x\" as header\n",
                   "dir/t.rules:1:1:6: error: unknown format \"postfx\": postfix, milter-regex or "
                   "spamassassin | did you mean \"postfix\"?\n"));
    CHECK(is_refused("postfix \"x\" as heder\n",
                     "dir/t.rules:1:16:5: error: unknown kind of table \"heder\": header, body, "
                     "mime_header, nested_header, client, helo, sender or recipient | did you mean "
                     "\"header\"?\n"));
    CHECK(is_refused("postfix \"x\"\n",
                     "dir/t.rules:2:1:1: error: expected 'as' and what the table "
                     "is for, found the end of the file\n"));
    CHECK(
        is_refused("spamassassin \"/nonexistent/x\"\n",
                   "dir/t.rules:1:14:16: error: cannot read the table /nonexistent/x: No such file "
                   "or directory\n"));
    CHECK(is_refused(
        "postfix x as header\n",
        "dir/t.rules:1:9:1: error: expected the table's file name in quotes, found 'x'\n"));
}

/* ---- against Postfix itself ---- */

static const char *const oracle_patterns[] = {
    "/^Subject: make money fast/",
    "/[\\.]ad/",
    "/a+?b/",
    "/^[]^a-c-]{,2}x$/",
    "/\\<foo\\>|bar{2}/",
    "/(a|ab)(c|bcd)$/",
    "/[[:digit:]]{3,}-[^[:space:]]*/",
    "/A.c/i",
    "/a\\(b\\)+/x",
    "!/e/",
    "/x\\.y\\*z/",
    "/a**b/",
    "/foo\\'/",
    "/\\wb\\W/",
    "/^To: .*@(.*\\.)?example\\.(com|org)>?$/",
    "/\\//",
    "/^(Received|X-.*):/",
    "/{/",
    "/a{1,2}{2}$/",
    "/[a\\]b]/",
};
static const char *const oracle_lines[] = {
    "Subject: make money fast",
    "subject: Make Money fast!",
    "\\ad",
    ".ad",
    ".a5",
    "aab",
    "b",
    "]x",
    "^-x",
    "abcx",
    "a foo b",
    "foobar",
    "barr",
    "abcd",
    "abc",
    "abx",
    "123-x y",
    "12-",
    "aXc",
    "AXc",
    "abb",
    "ab",
    "a(b)",
    "hello",
    "hllo",
    "x.y*z",
    "xxy*z",
    "bbb",
    "foo",
    "foo bar",
    "ab c",
    "To: a@b.example.com",
    "To: <a@example.org>",
    "To: a@badexample.com",
    "a/b",
    "Received: x",
    "X-Foo: bar",
    "{",
    "aaaa",
    "aaa",
    "a]b",
    "\\b]",
    "e",
    "\xc3\xa9",
};
enum { ORACLE_MAX = 64 * 1024 };

/* What Postfix answers to all lines, as "line<TAB>result" for those that match. */
static bool ask_postfix(const char *table, char *out)
{
    char path[] = "/tmp/mw-oracle-XXXXXX", lines[] = "/tmp/mw-oracle-XXXXXX", command[256];
    size_t len = 0;
    if (!write_table(path, table) || !write_table(lines, ""))
        return false;
    FILE *file = fopen(lines, "w");
    for (size_t i = 0; file != NULL && i < sizeof oracle_lines / sizeof *oracle_lines; i++)
        fprintf(file, "%s\n", oracle_lines[i]);
    if (file != NULL)
        fclose(file);
    snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin postmap -q - regexp:%s <%s 2>/dev/null",
             path, lines);
    file = popen(command, "r");
    if (file != NULL) {
        len = fread(out, 1, ORACLE_MAX - 1, file);
        pclose(file);
    }
    out[len] = '\0';
    unlink(path);
    unlink(lines);
    return true;
}

/* Which lines Postfix gives the action of entry `number` (1..): "REJECT number". */
static bool postfix_says(const char *answers, const char *line, unsigned number)
{
    char want[256];
    size_t len = (size_t)snprintf(want, sizeof want, "%s\tREJECT %u\n", line, number);
    for (const char *at = answers; (at = strstr(at, want)) != NULL; at += len)
        if (at == answers || at[-1] == '\n')
            return true;
    return false;
}

static bool has_postmap(void)
{
    static char answers[ORACLE_MAX];
    bool is_there = ask_postfix("/hello/ REJECT 1\n", answers) && postfix_says(answers, "hello", 1);
    if (!is_there)
        printf("# no postmap here: nothing is compared with Postfix\n");
    return is_there;
}

/* The table's patterns as they were rewritten, over the lines, against Postfix's own answers. */
static void compare(const char *table, unsigned count, const struct import_claim *claims)
{
    static char answers[ORACLE_MAX];
    struct import_result result = {.text = NULL};
    struct import import = {.result = &result, .kind = LIT("nested_header")};
    CHECK(ask_postfix(table, answers));
    for (unsigned i = 0; i < count; i++) {
        struct mw_slice pattern;
        const char *flags;
        if (claims[i].pattern == NULL)
            continue;
        CHECK(import_first_match(&import, &claims[i], NULL, true, &pattern, &flags) == NULL);
        for (size_t at = 0; at < sizeof oracle_lines / sizeof *oracle_lines; at++) {
            bool ours = import_pattern_matches(pattern, flags, false, slice_of(oracle_lines[at]));
            bool theirs = postfix_says(answers, oracle_lines[at], i + 1);
            if (ours != theirs)
                mw_test_fail(__FILE__, __LINE__, "%u: /%.*s/%s over '%s': %d, Postfix: %d", i + 1,
                             (int)pattern.len, pattern.ptr, flags, oracle_lines[at], ours, theirs);
        }
    }
    rules_import_free(&result);
}

static bool read_oracle(struct import *import, unsigned i, struct import_claim *claim,
                        struct import_pattern *pattern)
{
    struct mw_slice text = slice_of(oracle_patterns[i]), body, flags, rest;
    claim->is_negated = text.ptr[0] == '!';
    if (claim->is_negated)
        text = text_skip(text, 1);
    if (import_split_pattern(text, &body, &flags, &rest) != NULL)
        return false;
    bool is_extended = rules_text_find(flags, 'x') < 0,
         is_caseless = rules_text_find(flags, 'i') < 0;
    if (import_pattern_posix(import, body, is_extended, is_caseless, false, pattern) != NULL)
        return false;
    claim->pattern = pattern;
    return true;
}

enum { ORACLES = sizeof oracle_patterns / sizeof *oracle_patterns };

TEST(posix_patterns_match_what_postfix_matches)
{
    struct import_result result = {.text = NULL};
    struct import import = {.result = &result, .kind = LIT("nested_header")};
    unsigned known = 0;
    if (!has_postmap())
        return;
    for (unsigned i = 0; i < ORACLES; i++) {
        struct import_pattern pattern;
        struct import_claim claim = {.pattern = NULL};
        char table[256];
        if (!read_oracle(&import, i, &claim, &pattern))
            continue;
        known++;
        snprintf(table, sizeof table, "%s REJECT 1\n", oracle_patterns[i]);
        compare(table, 1, &claim);
    }
    rules_import_free(&result);
    CHECK_INT(known, ORACLES - 1); /* a lone '{' is refused */
}

TEST(the_order_of_a_table_is_that_of_postfix)
{
    static struct import_pattern patterns[ORACLES];
    static struct import_claim claims[ORACLES];
    static char table[8192];
    struct import_result result = {.text = NULL};
    struct import import = {.result = &result, .kind = LIT("nested_header")};
    if (!has_postmap())
        return;
    /* in several orders; an entry that cannot be read stays out of the table */
    for (unsigned round = 0; round < 12; round++) {
        size_t len = 0;
        unsigned count = 0;
        const struct import_claim *earlier = NULL;
        for (unsigned i = 0; i < ORACLES; i++) {
            unsigned which = (i * (round % 2 ? 7 : 3) + round) % ORACLES;
            claims[count] = (struct import_claim){.earlier = earlier};
            if (oracle_patterns[which][0] == '!' && i < ORACLES / 2)
                continue; /* takes nearly all lines */
            if (!read_oracle(&import, which, &claims[count], &patterns[count]))
                continue;
            earlier = &claims[count++];
            len += (size_t)snprintf(table + len, sizeof table - len, "%s REJECT %u\n",
                                    oracle_patterns[which], count);
        }
        compare(table, count, claims);
    }
    rules_import_free(&result);
}

TEST(blocks_are_those_of_postfix)
{
    struct import_result result = {.text = NULL};
    struct import import = {.result = &result, .kind = LIT("nested_header")};
    static struct import_pattern patterns[ORACLES];
    struct import_claim block = {.is_negated = true}, inner[3] = {{.around = &block}};
    if (!has_postmap())
        return;
    CHECK(import_pattern_posix(&import, LIT("^[a-f]"), true, true, false, &patterns[0]) == NULL);
    CHECK(import_pattern_posix(&import, LIT("o"), true, true, false, &patterns[1]) == NULL);
    CHECK(import_pattern_posix(&import, LIT("e$|x"), true, true, false, &patterns[2]) == NULL);
    CHECK(import_pattern_posix(&import, LIT("[a-o]"), true, true, false, &patterns[3]) == NULL);
    block.pattern = &patterns[0];
    inner[0].pattern = &patterns[1];
    inner[1] = (struct import_claim){
        .pattern = &patterns[2], .is_negated = true, .around = &block, .earlier = &inner[0]};
    inner[2] = (struct import_claim){.pattern = &patterns[3], .earlier = &inner[1]};
    compare("if !/^[a-f]/\n/o/ REJECT 1\n!/e$|x/ REJECT 2\nendif\n/[a-o]/ REJECT 3\n", 3, inner);
    rules_import_free(&result);
}
