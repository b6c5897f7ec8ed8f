/* test_rules_import_milter_regex.c - milter-regex's file as rules: the exact text, what is left out
 * and why, what the rules do. */
#include "import_kit.h"
#include "test.h"

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
