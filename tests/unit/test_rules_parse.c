/* test_rules_parse.c - what is wrong with a rule file is said with its place, what was expected,
 * and a way out. */
#include <stdlib.h>

#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;

/* Load `text`, compare all diagnostics with `want`: "line:col:len: severity: message | hint" lines.
 */
static bool diags_are(const char *text, const char *want, const char *file, int line)
{
    struct rules *rules = fake_load(&instance, text);
    const char *got = fake_problems(&instance);
    bool loads = rules != NULL, should_load = strstr(want, "error: ") == NULL;
    if (strcmp(got, want) != 0 || loads != should_load)
        mw_test_fail(file, line, "for\n%s\ngot (%s)\n%swant\n%s", text,
                     loads ? "loaded" : "refused", got, want);
    fake_unload(&instance, rules);
    return strcmp(got, want) == 0;
}
#define DIAGS(text, want)                                                               \
    do {                                                                                \
        if (!diags_are(text, want, __FILE__, __LINE__) && getenv("KEEP_GOING") == NULL) \
            return;                                                                     \
    } while (0)

TEST(rules_of_every_kind_load)
{
    DIAGS(
        "# comment\n"
        "list internal = 10.0.0.0/8, 192.168.0.0/16, fd00::/8\n"
        "list names = \"a b\", x, .example.net\n"
        "a: reject 550 5.7.1 \"No ${sender} ${1}\" when sender =~ /^(x.*)$/ and client.ip not in "
        "internal\n"
        "b at rcpt: observe until 2026-12-01 defer 451 4.7.1 \"Later\" reason \"because ${helo}\"\n"
        "    when rcpt.count > 50 and auth.user is empty\n"
        "c: score spam 3.0, tag \"seen\" when header(\"Subject\") =~ /(?<w>viagra)/i on_error "
        "match\n"
        "d: add header \"X-Spam: ${score.spam}\" when score.spam >= 2.5\n"
        "e: early accept when all(header(\"From\") =~ /@example\\.com>?$/) or none(rcpt.domain in "
        "names)\n"
        "f: set header \"X: y\", delete header \"Z\", log \"hm ${raw.header('To')}\" when not "
        "(subject is empty)\n"
        "g: rewrite rcpt \"${1}@new.example\" when rcpt =~ /^(.+)@old\\.example$/i\n"
        "h: rewrite sender <> when sender.domain == \"old.example\"\n"
        "i: add rcpt <audit@example.com> when tag == \"seen\" and message.size > 1MB\n"
        "list: discard when sender.param(\"SIZE\") > 1000000\n"
        "test at connect: disconnect 421 4.7.0 \"bye\" when client.ip == 192.0.2.1\n"
        "z: observe 10% delete rcpt when rcpt in (<a@b.example>, @c.example)\n",
        "");
}

TEST(unknown_names_get_a_near_one)
{
    DIAGS("a: reject when sendr == \"x\"\n",
          "1:16:5: error: unknown field \"sendr\" | did you mean \"sender\"?\n");
    DIAGS("a: rejct when helo == \"x\"\n",
          "1:4:5: error: unknown action \"rejct\" | did you mean \"reject\"?\n");
    DIAGS("list partners = a.example\na: reject when helo in partner\nb: reject when helo in "
          "partners\n",
          "2:24:7: error: unknown list \"partner\" | did you mean \"partners\"?\n");
    DIAGS("a at rpct: reject when helo == \"x\"\n",
          "1:6:4: error: unknown stage \"rpct\": connect, helo, mail, rcpt, data, end-of-headers "
          "or end-of-message | "
          "did you mean \"rcpt\"?\n");
    DIAGS("a: add headr \"X: y\" when helo == \"x\"\n",
          "1:4:3: error: unknown action \"add headr\" | add header, set header, delete header, "
          "rewrite sender, "
          "rewrite rcpt, add rcpt, delete rcpt, set var\n");
    DIAGS("a: tempfail when helo == \"x\"\n",
          "1:4:8: error: unknown action \"tempfail\" | the word is \"defer\"\n");
    DIAGS("a: quarantin <q@x.example> when helo == \"x\"\n",
          "1:4:9: error: unknown action \"quarantin\" | did you mean \"quarantine\"?\n");
    DIAGS("a: reject when attachment { nam == \"x\" }\n",
          "1:29:3: error: unknown field \"nam\" | did you mean \"name\"?\n");
    DIAGS("a: reject when attachement.name == \"x\"\n",
          "1:16:16: error: unknown field \"attachement.name\" | did you mean "
          "\"attachment.name\"?\n");
}

TEST(all_errors_of_a_file_are_found)
{
    DIAGS("a: reject when\n"
          "b: reject 250 \"x\" when helo == \"x\"\n"
          "  when and or garbage ( ( (\n"
          "c: reject \"open when helo == 1\n"
          "d: reject when helo == \"x\" )\n"
          "e: accept when helo == \"fine\"\n"
          "f reject\n"
          "9: x\n",
          "2:1:1: error: expected a condition for rule \"a\", found the next rule\n"
          "2:11:3: error: 250 is no reply code for reject, which gives 5xx\n"
          "4:11:20: error: the string is not closed on its line\n"
          "5:28:1: error: expected a rule's name, 'list', 'import' or 'test', found ')'\n"
          "7:3:6: error: expected ':' behind the rule's name, found 'reject'\n");
}

TEST(reply_codes_are_checked)
{
    DIAGS("a: reject 450 4.7.1 \"x\" when helo == \"x\"\n",
          "1:11:3: error: 450 is no reply code for reject, which gives 5xx | defer gives 4xx "
          "codes\n");
    DIAGS("a: defer 550 \"x\" when helo == \"x\"\n",
          "1:10:3: error: 550 is no reply code for defer, which gives 4xx | reject gives 5xx "
          "codes\n");
    DIAGS("a: reject 590 \"x\" when helo == \"x\"\n",
          "1:11:3: error: 590 is no reply code for reject, which gives 5xx\n");
    DIAGS("a: reject 550 4.7.1 \"x\" when helo == \"x\"\n",
          "1:15:5: error: enhanced code 4.7.1 does not fit reply code 550: its class must be 5\n");
    DIAGS("a: reject 550 5.7 \"x\" when helo == \"x\"\n",
          "1:15:3: error: '5.7' is no enhanced status code such as 5.7.1\n");
    DIAGS("a: reject 5.7.1 \"x\" when helo == \"x\"\n",
          "1:11:5: error: '5.7.1' is no reply code | a reply is CODE ENHANCED \"text\": 550 5.7.1 "
          "\"No\"\n");
    DIAGS("a: defer 421 \"x\" when helo == \"x\"\n",
          "1:10:3: error: 421 closes the session | write disconnect\n");
    DIAGS("a: accept 250 \"x\" when helo == \"x\"\n",
          "1:11:3: error: accept takes no reply code\n");
    DIAGS("a: discard \"x\" when helo == \"x\"\n",
          "1:12:3: error: discard gives no reply of its own, so it takes no text | reason \"...\" "
          "is for the log\n");
    DIAGS("a: reject \"\xc3\xa9\" when helo == \"x\"\n",
          "1:11:4: error: a reply holds printable ASCII characters only\n");
    DIAGS("a: reject, accept when helo == \"x\"\n",
          "1:12:6: error: a rule has one verdict, and this one has reject already\n");
}

TEST(captures_must_exist)
{
    DIAGS("a: reject \"${1}\" when helo == \"x\"\n",
          "1:11:6: error: ${1}: the patterns of this rule have 0 groups | captures are made by ( ) "
          "in a pattern "
          "behind =~\n");
    DIAGS("a: reject \"${2}\" when helo =~ /^(x)/\n",
          "1:11:6: error: ${2}: the patterns of this rule have 1 group\n");
    DIAGS("a: reject \"${nam}\" when helo =~ /^(?<name>x)/\n",
          "1:11:8: error: ${nam} is neither a field nor a group of a pattern of this rule\n");
    DIAGS("a: reject \"${header}\" when helo == \"x\"\n",
          "1:11:11: error: header needs a name: header(\"...\")\n");
    DIAGS("a: reject \"${x\" when helo == \"x\"\n", "1:11:5: error: '${' without a '}'\n");
    DIAGS("a: reject \"${}\" when helo == \"x\"\n",
          "1:11:5: error: '${}' is not understood | write ${1}, ${name}, ${field} or "
          "${header('X')}\n");
    DIAGS("a: add header \"X-${helo}: y\" when helo == \"x\"\n",
          "1:15:14: error: 'X-${helo}' is no name of a header field | write \"Name: value\"\n");
}

TEST(regular_expressions_are_checked)
{
    DIAGS("a: reject when helo =~ /x(/\n",
          "1:27:1: error: regular expression: missing closing parenthesis\n");
    DIAGS("a: reject when helo =~ /^x/ig\n",
          "1:29:1: error: unknown flag 'g' of a regular expression | the flags are i (any case), m "
          "(^ and $ at each "
          "line), s (. takes line ends too), x (blanks do not count)\n");
    DIAGS("a: reject when helo =~ /^x/ii\n", "1:29:1: error: flag 'i' is given twice\n");
    DIAGS("a: reject when sender =~ /@example\\.com/\n",
          "1:26:15: warning: the pattern matches anywhere in sender, also in the middle of another "
          "name | anchor it "
          "with ^ or $, or compare with == or `in`\n");
    DIAGS("a: reject when helo =~ /^localhost$/\n",
          "1:24:13: warning: this regular expression is a plain string | compare with == \"...\" "
          "instead\n");
    DIAGS("a: reject when subject =~ //\n",
          "1:27:2: warning: an empty regular expression matches everything\n");
    DIAGS("a: reject when client.port =~ /25/\n",
          "1:31:4: error: client.port is no text: it takes no regular expression | write == < <= > "
          "or >=\n");
    DIAGS("a: reject when client.ip =~ /^10\\./\n",
          "1:29:7: error: client.ip is no text: it takes no regular expression | write `in` and a "
          "list of networks\n");
    DIAGS("a: reject when helo =~ /x\n",
          "1:24:2: error: the regular expression is not closed on its line\n");
}

TEST(types_are_checked)
{
    DIAGS("a: reject when helo > 5\n",
          "1:21:1: error: helo is no number | texts are compared with == != =~ !~ and in\n");
    DIAGS("a: reject when rcpt.count == many\n",
          "1:30:4: error: expected a number, found 'many'\n");
    DIAGS("a: reject when rcpt.count > 1.5\n", "1:29:3: error: rcpt.count is a whole number\n");
    DIAGS("a: reject when client.ip == hello\n",
          "1:29:5: error: expected an IP address or network, found 'hello'\n");
    DIAGS("a: reject when client.ip in (10.0.0.1/8)\n",
          "1:30:10: error: \"10.0.0.1/8\" is not an IP address or network, which list \"here\" "
          "needs because client.ip "
          "is looked up in it | write 192.0.2.1 or 192.0.2.0/24 (no bits set behind the prefix)\n");
    DIAGS("list l = a@b.example\na: reject when helo in l\n",
          "1:10:11: error: \"a@b.example\" is not a host name or .domain, which list \"l\" needs "
          "because helo is "
          "looked up in it | look the whole address up instead of its domain\n");
    DIAGS("list l = b.example\na: reject when sender in l\n",
          "1:10:9: error: \"b.example\" is not an address or @domain, which list \"l\" needs "
          "because sender is looked "
          "up in it | write @example.net for all addresses of a domain, or look the .domain up\n");
    DIAGS("a: reject when sender == \"example.com\"\n",
          "1:26:13: error: this test can never hold: sender is a whole address and \"example.com\" "
          "is not | compare "
          "the .domain, or write the whole address\n");
    DIAGS("a: reject when helo == sender\n",
          "1:24:6: error: a field cannot be compared with a field | put it in quotes if the word "
          "itself is meant\n");
    DIAGS("a: reject when helo(\"x\") == \"y\"\n",
          "1:16:4: error: helo takes nothing in parentheses\n");
    DIAGS("a: reject when header == \"y\"\n",
          "1:16:6: error: header needs a name: header(\"...\")\n");
    DIAGS("a: reject when all(helo == \"x\")\n",
          "1:20:4: error: helo has one value: any, all and none say nothing about it\n");
    DIAGS("a: reject when all(subject == \"x\" or subject == \"y\")\n",
          "1:35:2: error: any, all and none take one test | write all(...) and all(...)\n");
    DIAGS("a: reject when message.size in (1)\n",
          "1:32:1: error: message.size is a number: it takes no list | write == < <= > or >=\n");
}

TEST(rules_that_cannot_work_are_errors)
{
    DIAGS("a at rcpt: reject when subject == \"x\"\n",
          "1:6:4: error: this rule can never be decided at rcpt: header is known at "
          "end-of-headers\n");
    DIAGS("a: reject when score > 3\nb: score 5 when helo == \"x\"\n",
          "1:16:5: error: no rule above adds to score \"default\", so it is always 0 | a score is "
          "read behind the "
          "rules that make it: file order counts\n");
    DIAGS("a: reject when tag == \"x\"\n", "1:16:3: error: no rule above sets tag \"x\" | a tag is "
                                           "read behind the rules that set it\n");
    DIAGS("a: reject when sender.domain == \"x.example\" and sender.domain == \"y.example\"\n",
          "1:49:13: error: this rule can never fire: sender.domain cannot have two values at once "
          "| write `or`, or "
          "`in ( ... )`\n");
    DIAGS("a: accept when always\nb: reject when helo == \"x\"\n",
          "2:1:1: error: rule \"b\" can never be reached: \"a\" (t.rules:1) decides always\n");
    DIAGS("a: reject when helo == \"x\"\na: reject when helo == \"y\"\n",
          "2:1:1: error: rule \"a\" is there already (t.rules:1) | names are what logs, counters "
          "and tests speak of\n");
    DIAGS("a: reject \"x\"\nb: reject when helo == \"x\"\n",
          "1:1:1: error: rule \"a\" has no condition | write `when always` if it is meant for "
          "every message\n");
    DIAGS("a: reject \"x\" helo == \"x\"\n", "1:15:4: error: expected 'when' in rule \"a\" | write "
                                             "`when always` if it is meant for every message\n");
    DIAGS("list l = x\n", "1:6:1: warning: list \"l\" is never used\n");
    DIAGS("list l = x\nlist l = y\na: reject when helo in l\n",
          "2:6:1: error: list \"l\" is there already (dir/t.rules:1)\n");
}

TEST(modes_and_clauses_are_checked)
{
    DIAGS("a: observe until 2026-02-30 reject when helo == \"x\"\n",
          "1:18:10: error: expected a date such as 2026-12-01, found '2026-02-30'\n");
    DIAGS("a: observe 101% reject when helo == \"x\"\n",
          "1:12:4: error: expected a share such as 10%, found '101%'\n");
    DIAGS("a: reject when helo == \"x\" when helo == \"y\"\n",
          "1:28:4: error: 'when' stands twice in this rule\n");
    DIAGS("a: reject on_error score 3 when helo == \"x\"\n",
          "1:20:5: error: behind on_error stands match, no-match or a verdict\n");
    DIAGS("a: score three when helo == \"x\"\n",
          "1:16:4: error: expected a score such as 3.0 (at most three digits behind the point), "
          "found 'when'\n");
    DIAGS("a: add rcpt audit when helo == \"x\"\n",
          "1:13:5: error: expected an address: <a@example.org> or \"...\", found 'audit'\n");
    DIAGS("a: add header \"novalue\" when helo == \"x\"\n",
          "1:15:9: error: a header field needs a ':' | write \"Name: value\"\n");
}

TEST(missing_files_are_named)
{
    DIAGS("list l = file \"none.txt\"\na: reject when helo in l\n",
          "1:15:10: error: cannot read list file dir/none.txt: No such file or directory\n");
    DIAGS("a: reject when helo == \"x\"\ntest \"t\" { message file \"none.eml\" expect accept }\n",
          "2:25:10: error: cannot read dir/none.eml: No such file or directory\n");
}

TEST(test_blocks_are_checked)
{
    DIAGS("a: reject when helo == \"x\"\ntest \"t\" { expect reject by b }\n",
          "2:29:1: error: there is no rule \"b\"\n");
    DIAGS("test \"t\" { }\n", "1:1:4: error: test \"t\" expects nothing\n");
    DIAGS("test \"t\" { clent 192.0.2.1 }\n",
          "1:12:5: error: unknown word \"clent\" in a test | did you mean \"client\"?\n");
    DIAGS("test \"t\" { expect nothing }\n",
          "1:19:7: error: expected accept, reject, defer, discard, disconnect, quarantine, hit, "
          "miss, header, rcpt, sender, score "
          "or tag, found 'nothing'\n");
    DIAGS("test \"t\" {\n", "2:1:1: error: expected client, helo, auth, from, to, message, header, "
                            "body, fact, listed, expect or "
                            "'}', found the end of the file\n");
}

TEST(a_failing_test_says_what_happened_instead)
{
    DIAGS("a: reject 550 5.7.1 \"no\" when subject =~ /bad/\n"
          "s: score 1.5 when helo == \"client.example.net\"\n"
          "m: add header \"S: ${score}\" when score > 1\n"
          "test \"bad subject\" {\n"
          "    to <x@example.com> to <y@example.com>\n"
          "    header \"Subject: good\"\n"
          "    expect reject 550 by a\n"
          "    expect header \"S: 2\"\n"
          "}\n",
          "7:0:0: error: test \"bad subject\" fails: expected reject 550 by a\n"
          "expected header S: 2\n"
          "  it was: accept\n"
          "  to <x@example.com>: accept\n"
          "  to <y@example.com>: accept\n"
          "  rules that held: s, m\n"
          "  score default: 1.5\n");
}

TEST(nesting_and_size_are_bounded)
{
    static char text[60000];
    int len = snprintf(text, sizeof text, "a: reject when ");
    for (int i = 0; i < 100; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "not ");
    snprintf(text + len, sizeof text - (size_t)len, "helo == \"x\"\n");
    DIAGS(text, "1:272:3: error: more than 64 levels of parentheses\n");
    len = snprintf(text, sizeof text, "a: reject when helo == \"x\"\n");
    for (int i = 0; i < 1100; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "or helo == \"y%d\"\n", i);
    DIAGS(text,
          "1001:4:4: error: more than 1000 tests in one condition | look values up in a list\n");
}

TEST(groups_are_checked)
{
    DIAGS("a: reject when attachment { url { host == \"x\" } }\n",
          "1:29:3: error: a group cannot stand inside a group\n");
    DIAGS("a: reject when attachment { subject == \"x\" }\n",
          "1:16:10: error: nothing in attachment { } speaks of it\n");
    DIAGS("a: reject when attachment { size > 1MB\nb: reject when helo == \"x\"\n",
          "2:1:1: error: expected '}', 'and' or 'or', found 'b'\n");
    DIAGS("a: reject when attachment { subject == \"x\" and size > 1MB }\n", "");
    DIAGS("a: reject when all(attachment { name =~ /^x/ }) and none(url { host == x.example })\n",
          "");
    DIAGS(
        "a: reject when from == \"x\"\n",
        "1:16:4: error: unknown field \"from\" | from has from.address, from.domain, from.name; or "
        "write from { ... }\n");
    DIAGS("a: reject when attachement { size > 1MB }\n",
          "1:16:11: error: unknown field \"attachement\" | did you mean \"attachment\"?\n");
    DIAGS("a: reject when any(url =~ /^x/) and url.fold == \"x\"\n", "");
}

TEST(folded_fields_are_decoded_text)
{
    DIAGS("a: reject when raw.header(\"X\").fold == \"x\"\n",
          "1:16:10: error: raw.header is no decoded text: it has no .fold\n");
    DIAGS("a: reject when message.size.fold == 1\n",
          "1:16:17: error: message.size is no decoded text: it has no .fold\n");
    DIAGS("a: reject \"${header('X').fold} ${subject.fold}\" when header(\"X\").fold == \"x\"\n",
          "");
    DIAGS("a: reject when sbject.fold == \"x\"\n",
          "1:16:11: error: unknown field \"sbject.fold\" | did you mean \"subject\"?\n");
}

TEST(ages_are_times)
{
    DIAGS("a: reject when date.age > 7d or date.age < -1h or date.age == 0\n", "");
    DIAGS("a: reject when date.age > 7\n",
          "1:27:1: error: expected a time such as 7d or 30m, found '7'\n");
    DIAGS("a: reject when date.age =~ /7d/\n",
          "1:28:4: error: date.age is no text: it takes no regular expression | write == < <= > "
          "or >=\n");
}

TEST(variables_are_set_before_they_are_read)
{
    DIAGS("a: set var \"x\" \"1\" when helo == \"x\"\nb: reject when var(\"x\") == \"1\"\n", "");
    DIAGS("b: reject when var(\"x\") == \"1\"\na: set var \"x\" \"1\" when helo == \"x\"\n",
          "1:16:3: error: no rule above sets variable \"x\" | a variable is read behind the rules "
          "that set it\n");
    DIAGS("a: set var x \"1\" when helo == \"x\"\n",
          "1:12:1: error: expected the variable's name in quotes, found 'x'\n");
    DIAGS("a: set var \"x\" when helo == \"x\"\n",
          "1:16:4: error: expected what it is set to, in quotes, found 'when'\n");
    DIAGS("a: reject when var == \"1\"\n", "1:16:3: error: var needs a name: var(\"...\")\n");
}

TEST(rates_are_checked)
{
    DIAGS("a: defer when rate(\"${client.ip}\", \"20/10m\")\n", "");
    DIAGS("a: defer when rate(\"x\", \"20\")\n",
          "1:25:4: error: '20' is no rate | write COUNT/TIME, at most 1000000 in at most 30d\n");
    DIAGS("a: defer when rate(\"x\", \"0/1m\")\n",
          "1:25:6: error: '0/1m' is no rate | write COUNT/TIME, at most 1000000 in at most 30d\n");
    DIAGS("a: defer when rate(\"x\", \"1/31d\")\n",
          "1:25:7: error: '1/31d' is no rate | write COUNT/TIME, at most 1000000 in at most "
          "30d\n");
    DIAGS("a: defer when rate(\"${1}\", \"2/1m\") and helo =~ /^(x)/\n",
          "1:20:6: error: what a rate counts cannot be a group of a pattern | fields may stand in "
          "it: ${client.ip}\n");
    DIAGS("a: defer when rate(20/10m)\n",
          "1:20:6: error: expected what is counted, in quotes: \"${client.ip}\", found "
          "'20/10m'\n");
    DIAGS("a: defer when rate(\"x\")\n", "1:23:1: error: expected ',', found ')'\n");
    DIAGS("a: defer when rate(\"x\", 20/10m)\n",
          "1:25:6: error: expected a rate in quotes: \"20/10m\", found '20/10m'\n");
    DIAGS("a: defer when url { host == x and rate(\"x\", \"2/1m\") }\n",
          "1:35:4: error: rate cannot stand inside a group\n");
    DIAGS("a: defer when rate > 5\n", "1:15:4: error: unknown field \"rate\"\n");
}

TEST(delay_and_quarantine_are_checked)
{
    DIAGS("a: delay 5s when helo == \"x\"\nb: delay 60s, reject when helo == \"y\"\n", "");
    DIAGS("a: delay 61s when helo == \"x\"\n", "1:10:3: error: a delay is between 1s and 60s\n");
    DIAGS("a: delay 5 when helo == \"x\"\n",
          "1:10:1: error: expected a time such as 5s, found '5'\n");
    DIAGS("a: quarantine <q@x.example> when helo == \"x\"\n", "");
    DIAGS("a: quarantine <q> when helo == \"x\"\n",
          "1:15:3: error: mail is quarantined at a whole address: <x@example.org>\n");
    DIAGS("a: quarantine <> when helo == \"x\"\n", "1:15:2: error: a recipient cannot be empty\n");
    DIAGS("a at rcpt: quarantine <q@x.example> when rcpt == <a@x.example>\n", "");
}

TEST(facts_of_other_filters_need_them)
{
    DIAGS("a: reject when spf.result == fail\n", "");
    DIAGS("a: reject when dkim.result == fail\n",
          "1:16:11: error: no filter provides dkim.result | such a filter has to stand before "
          "this one in the chain\n");
    DIAGS("a: reject when spf.result == fail\ntest \"t\" { fact helo \"x\" expect accept }\n",
          "2:17:4: error: expected a fact of another filter, such as spf.result, found 'helo'\n");
}
