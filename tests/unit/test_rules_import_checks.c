/* test_rules_import_checks.c - Postfix's header_checks, body_checks and their kin as rules: the
 * exact text, what is left out and why. */
#include "import.h"
#include "import_kit.h"
#include "test.h"

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
