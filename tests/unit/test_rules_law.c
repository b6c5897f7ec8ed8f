/* test_rules_law.c - lines of the design's rules.md that no other test shows, and texts of errors that
 * no other test reads. docs/rules-design.md names each. */
#include <stdlib.h>

#include "live.h"
#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static struct mw_instance instance;
static struct mw_ctx ctx;

/* ---- errors ---- */

/* Load `text`; the problems without their file's name are `want`. */
static void says(const char *text, const char *want, const char *file, int line)
{
    struct rules *rules = fake_load(&instance, text);
    const char *got = fake_problems(&instance);
    if (strcmp(got, want) != 0)
        mw_test_fail(file, line, "for\n%s\ngot\n%swant\n%s", text, got, want);
    fake_unload(&instance, rules);
}
#define SAYS(text, want) says(text, want, __FILE__, __LINE__)

TEST(rules_lack_words)
{
    SAYS("a at \"mail\": reject when always\n", "1:6:6: error: expected a stage, found \"mail\"\n");
    SAYS("a: reject reason because when always\n",
         "1:18:7: error: expected the reason in quotes, found 'because'\n");
    SAYS("a: tag spam when always\n", "1:8:4: error: expected the tag in quotes, found 'spam'\n");
    SAYS("a: log hello when always\n",
         "1:8:5: error: expected the text in quotes, found 'hello'\n");
    SAYS("a: delete header X when always\n",
         "1:18:1: error: expected the header's name in quotes, found 'X'\n");
    SAYS("a: reject 550 5.7.1 No when always\n",
         "1:21:2: error: expected 'when' in rule \"a\" | write `when always` if it is "
         "meant for every message\n");
    SAYS("a: reject when == \"x\"\n", "1:16:2: error: expected a field, found '=='\n");
    SAYS("a: reject when header(Subject) == \"x\"\n",
         "1:23:7: error: expected a name in quotes, found 'Subject'\n");
    SAYS("a: reject when sender == (x)\n",
         "1:26:1: error: expected a text to compare with, found '('\n");
    SAYS("a: reject when subject =~ x\n",
         "1:27:1: error: expected a regular expression: /.../, found 'x'\n");
    SAYS("a: reject when helo in \"x\"\n",
         "1:24:3: error: expected a list's name, or values in parentheses, found \"x\" | also a "
         "single value: in (10.0.0.0/8)\n");
    SAYS("a: reject when helo is nothing\n",
         "1:24:7: error: expected 'empty' or 'not empty', found 'nothing'\n");
    SAYS("a: reject when helo like \"x\"\n",
         "1:21:4: error: expected an operator (== != =~ !~ < <= > >= in, not in, is "
         "empty), found 'like' | a part of a text is found with =~ /.../\n");
    SAYS("a: reject when helo = \"x\"\n",
         "1:21:1: error: expected an operator (== != =~ !~ < <= > >= in, not in, is "
         "empty), found '=' | write ==\n");
    SAYS("a: reject when body =~ /x/\n",
         "1:16:4: error: unknown field \"body\" | body has body.text, body.html, body.line\n");
    SAYS("a: reject when (helo)\n",
         "1:21:1: error: expected an operator (== != =~ !~ < <= > >= in, not in, is empty), "
         "found ')' | a field alone is no condition: write == \"x\", or is not empty\n");
    SAYS("a: reject when attachment.encrypted\nb: reject when helo == \"x\"\n",
         "1:16:20: error: expected an operator behind attachment.encrypted, found the next rule | "
         "a field alone is no condition: write == 1, or > 0\n");
    SAYS("a: reject when \"x\" in header.names\n",
         "1:16:3: error: expected a field, found \"x\" | the field stands first: FIELD == X, "
         "FIELD in LIST\n");
    SAYS("a: reject when subject == foo bar\nb: reject when hello == \"x\"\n",
         "1:31:3: error: expected 'and', 'or' or the next rule, found 'bar' | texts with blanks "
         "stand in quotes; sizes and times are one word: 10MB, 7d\n"
         "2:16:5: error: unknown field \"hello\" | did you mean \"helo\"?\n");
    SAYS("a: reject when helo not \"x\"\n",
         "1:25:3: error: expected 'in' behind 'not', found \"x\"\n");
    SAYS("a: reject when (helo == \"x\" helo == \"y\")\n",
         "1:29:4: error: expected ')', 'and' or 'or', found 'helo'\n");
    SAYS("a: reject when any helo == \"x\"\n", "1:20:4: error: expected '(', found 'helo'\n");
    SAYS("a: reject when subject =~ /a/ and\n",
         "2:1:1: error: expected a field, found the end of the file\n");
}

TEST(patterns_that_are_too_much_or_nothing)
{
    SAYS("a: reject when subject =~ /a^b/\n",
         "1:27:5: warning: this regular expression can never match: it wants text "
         "before the beginning or behind the end | with flag m, ^ and $ stand at each "
         "line\n");
    SAYS("a: reject when subject =~ /$x/\n",
         "1:27:4: warning: this regular expression can never match: it wants text "
         "before the beginning or behind the end | with flag m, ^ and $ stand at each "
         "line\n");
}

TEST(lists_lack_words)
{
    SAYS("list = a\n", "1:6:1: error: expected the list's name, found '='\n");
    SAYS("list l a\n", "1:8:1: error: expected '=', found 'a'\n");
    SAYS("list l = fil \"x\"\n"
         "a: reject when helo in l\n",
         "1:10:3: error: unknown kind of list 'fil': a list is file, cidr, regex, "
         "postfix, lmdb, redis or dnsbl and a text in quotes, or its values | did you "
         "mean \"file\"?\n");
    SAYS("list l = regex /x(/\n"
         "a: reject when helo in l\n",
         "1:19:1: error: regular expression: missing closing parenthesis\n");
    SAYS("list l = dnsbl \"bl.example\" timeout soon\n"
         "a: reject when helo in l\n",
         "1:37:4: error: 'soon' is no time to wait for an answer | such as 50ms or 3s, "
         "at most 60s\n");
    SAYS("list l = dnsbl \"bl.example\" timeout 61s\n"
         "a: reject when helo in l\n",
         "1:37:3: error: '61s' is no time to wait for an answer | such as 50ms or 3s, "
         "at most 60s\n");
    SAYS("list l = dnsbl \"bl.example\" timeout \"1s\"\n"
         "a: reject when helo in l\n",
         "1:37:4: error: expected a duration such as 50ms or 3s, found \"1s\"\n");
    SAYS("list l = dnsbl \"bl.example=1\"\n"
         "a: reject when helo in l\n",
         "1:29:1: error: reply code: expected '.': a code has four parts | such as "
         "\"list.example=127.0.0.[2..11;20]\"\n");
    SAYS("list l = dnsbl \"\"\n"
         "a: reject when helo in l\n",
         "1:16:2: error: \"\" is no zone of the DNS | such as \"zen.spamhaus.org\" or "
         "\"list.example=127.0.0.[2..11]\"\n");
    SAYS("list l = redis \"nowhere\"\n"
         "a: reject when helo in l\n",
         "1:16:9: error: redis address: expected ADDRESS:PORT/DATABASE/KEY | such as "
         "\"127.0.0.1:6379/0/blocked\" or \"unix:/run/redis.sock/0/blocked\"\n");
    SAYS("list l = redis \"127.0.0.1:6379/0/k\" password x\n"
         "a: reject when helo in l\n",
         "1:46:1: error: expected 'file' (a password does not stand in rules), found "
         "'x'\n");
    SAYS("list l = redis \"127.0.0.1:6379/0/k\" password file x\n"
         "a: reject when helo in l\n",
         "1:51:1: error: expected the password file's name in quotes, found 'x'\n");
    SAYS("list l = redis \"127.0.0.1:6379/0/k\" password file \"none\"\n"
         "a: reject when helo in l\n",
         "1:51:6: error: cannot read password file dir/none: No such file or directory\n");
    SAYS("list l = lmdb \"none.lmdb\"\n"
         "a: reject when helo in l\n",
         "1:15:11: error: cannot use LMDB file dir/none.lmdb: no such file\n");
    SAYS("list l = cidr \"none.txt\"\n"
         "a: reject when helo in l\n",
         "1:15:10: error: cannot read list file dir/none.txt: No such file or "
         "directory\n"
         "2:24:1: error: list \"l\" holds networks, and helo is no IP address\n");
    SAYS("list l = regex /x/\n"
         "a: reject when client.ip in l\n",
         "1:6:1: error: list \"l\" holds patterns, and client.ip is an IP address | "
         "list networks with cidr\n");
    SAYS("list l = dnsbl \"bl.example\"\n"
         "a: reject when subject in l\n",
         "1:6:1: error: list \"l\" is asked in the DNS, and header is a text | a DNS "
         "list has addresses (client.ip) or domains\n");
    SAYS("a: reject when helo in (a b)\n", "1:27:1: error: expected ',' or ')', found 'b'\n");
}

TEST(kinds_lack_words)
{
    SAYS("list l = file x.txt\na: reject when helo in l\n",
         "1:15:5: error: expected a text in quotes behind the kind of the list, found 'x.txt'\n");
    SAYS("list l = dnsbl zen.example\n", "1:16:11: error: expected a text in quotes behind the "
                                         "kind of the list, found 'zen.example'\n");
    SAYS(
        "list l = a b\na: reject when helo in l\n",
        "1:12:1: error: expected ',' between the values of a list, or the line's end, found 'b'\n");
    SAYS("list l = regex /x/, y\n",
         "1:21:1: error: expected a /pattern/ or a file name in quotes, found 'y'\n");
    SAYS("list l = <a@b.example>,\n",
         "2:1:1: error: expected a value of the list, found the end of the file\n");
}

TEST(tests_lack_words)
{
    SAYS("a: reject when always\n"
         "test t { expect reject }\n",
         "2:6:1: error: expected the test's name in quotes, found 't'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { message file exe.eml expect reject }\n",
         "2:25:7: error: expected the message's file name in quotes, found 'exe.eml'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { message \"exe.eml\" expect reject }\n",
         "2:20:9: error: expected 'file', found \"exe.eml\"\n");
    SAYS("a: reject when always\n"
         "test \"t\" { body x expect reject }\n",
         "2:17:1: error: expected a line of the body in quotes, found 'x'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { header \"Subject\" expect reject }\n",
         "2:19:9: error: a header field is \"Name: value\"\n");
    SAYS("a: reject when always\n"
         "test \"t\" { from a@b.example expect reject }\n",
         "2:17:1: error: expected an address: <a@example.org>, found 'a'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { from <a@b.example> params SIZE=1 expect reject }\n",
         "2:38:4: error: expected ESMTP parameters in quotes, found 'SIZE'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { client nobody expect reject }\n",
         "2:19:6: error: expected an IP address, found 'nobody'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { client 192.0.2.1 port 70000 expect reject }\n",
         "2:34:5: error: expected a port, found '70000'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { fact spf.result fail expect reject }\n",
         "2:28:4: error: expected its value in quotes, found 'fail'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect reject 999 }\n",
         "2:26:3: error: expected a reply code, found '999'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect reject by \"a\" }\n",
         "2:29:3: error: expected a rule's name, found \"a\"\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect no score }\n",
         "2:22:5: error: expected 'header' or 'rcpt', found 'score'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect no header X }\n",
         "2:29:1: error: expected a header's name in quotes, found 'X'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect header \"X\" }\n",
         "2:26:3: error: a header field is \"Name: value\"\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect tag x }\n",
         "2:23:1: error: expected the tag in quotes, found 'x'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect score 3 }\n",
         "2:25:1: error: expected == < <= > or >=, found '3'\n");
    SAYS("a: reject when always\n"
         "test \"t\" { expect score > many }\n",
         "2:27:4: error: expected a score, found 'many'\n");
}
TEST(edits_that_come_too_late_are_told)
{
    SAYS("a: set header \"Subject: new\" when body.text =~ /x/\n"
         "b at end-of-headers: reject when subject == \"new\"\n",
         "2:6:14: error: this rule can never be decided at end-of-headers: header is known at "
         "end-of-message | a rule above changes it there\n");
}

TEST(what_is_too_much_is_told)
{
    static char text[10000];
    int len = snprintf(text, sizeof text, "a: reject when subject =~ /");
    memset(text + len, 'x', 8193);
    snprintf(text + len + 8193, sizeof text - (size_t)len - 8193, "/\n");
    SAYS(text, "1:27:8195: error: regular expression of more than 8192 octets\n");

    len = snprintf(text, sizeof text, "list l = dnsbl \"z.example\"");
    for (int i = 0; i < 128; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, ", \"z%03d.example\"", i);
    snprintf(text + len, sizeof text - (size_t)len, "\na: reject when helo in l\n");
    SAYS(text, "1:2061:14: error: more than 128 zones in one list\n");
}

/* A file of the test's own; `%s` in `form` is its path. */
static void says_of_file(const char *content, size_t times, const char *form, const char *want,
                         const char *file, int line)
{
    char path[] = "/tmp/mailweir-law-XXXXXX", text[400], expected[400];
    FILE *out = fdopen(mkstemp(path), "w");
    for (size_t i = 0; i < times; i++)
        fputs(content, out);
    fclose(out);
    /* both forms are the test's own, with one %s each or none */
    snprintf(text, sizeof text, "%.*s%s%s", (int)strcspn(form, "%"), form, path,
             form + strcspn(form, "%") + 1);
    size_t at = strcspn(want, "%");
    snprintf(expected, sizeof expected, "%.*s%s%s", (int)at, want, want[at] ? path : "",
             want[at] ? want + at + 1 : "");
    says(text, expected, file, line);
    remove(path);
}
#define SAYS_OF_FILE(content, times, form, want) \
    says_of_file(content, times, form, want, __FILE__, __LINE__)

TEST(files_that_do_not_serve_are_told)
{
    SAYS_OF_FILE(
        "\n", 1,
        "list l = redis \"[::1]:6379/0/k\" password file \"%\"\na: reject when helo in l\n",
        "1:47:26: error: password file % holds no password\n");
    SAYS_OF_FILE(
        "x\n", 1, "list l = regex \"%\"\na: reject when helo in l\n",
        "%:1:1:1: error: expected a pattern between slashes | one /pattern/flags a line; # "
        "begins a comment\n");
    SAYS_OF_FILE("/x/\n", 20001, "list l = regex \"%\"\na: reject when helo in l\n",
                 "1:16:26: error: list file % has more than 20000 patterns\n");
    SAYS_OF_FILE(
        "A: b\n\n", 1,
        "a: reject when always\ntest \"t\" { message file \"%\" header \"A: b\" expect reject }\n",
        "2:1:4: error: a test has a message file or header and body lines, not both\n");
    SAYS_OF_FILE(
        "k v\n", 1, "list l = postfix \"%\" value <x>\na: reject when helo in l\n",
        "1:51:3: error: expected a word with which values begin, such as REJECT, found '<x>'\n");
    SAYS_OF_FILE("k v\n", 1, "import postfix \"hash:%\" as body\n",
                 "1:16:31: error: cannot import %: such a table holds patterns: its type is pcre "
                 "or regexp\n");
    struct rules *rules = rules_new(&fake_host, &instance, 200000, 1 << 20);
    rules_parse_file(rules, "/nowhere/x.rules");
    CHECK(!rules_finish(rules));
    CHECK(strstr(instance.diags, "error: cannot read the rule file: No such file or directory") !=
          NULL);
    fake_unload(&instance, rules);
}

/* ---- the taste ---- */

static void count_passed(void *user, const struct mw_test_result *result)
{
    *(size_t *)user += result->passed;
}

/* Letter by letter, `forged` included: the fake host provides spf.result. */
TEST(the_taste_of_the_design_loads_whole_and_its_test_passes)
{
    struct rules *rules = rules_new(&fake_host, &instance, 200000, 1 << 20);
    size_t passed = 0;
    rules_parse_file(rules, MW_TEST_SOURCE_DIR "/tests/data/rules/taste.rules");
    bool is_good = rules_finish(rules);
    if (!is_good || instance.warnings > 0)
        mw_test_fail(__FILE__, __LINE__, "%s", instance.diags);
    CHECK_INT(rules->rule_count, 9);
    CHECK_INT(rules_test_run(rules, count_passed, &passed), 0);
    CHECK_INT(passed, 1);
    fake_unload(&instance, rules);
}

/* ---- what runs and what does not ---- */

static bool begin(const char *text)
{
    return fake_begin(&ctx, &instance, text) != NULL;
}

static void end(void)
{
    fake_end(&ctx);
}

/* A whole session with one message for one recipient, as far as the rules let it come. */
static enum mw_verdict message(void)
{
    struct rules *rules = ctx.state;
    enum mw_verdict verdict = MW_CONTINUE;
    fake_mail(&ctx, "a@example.org");
    snprintf(ctx.rcpts[0].address, sizeof ctx.rcpts[0].address, "b@example.com");
    ctx.rcpts[0].status = MW_RCPT_ACCEPTED;
    ctx.rcpt_count = 1;
    for (unsigned stage = MW_STAGE_CONNECT; stage < STAGES && verdict == MW_CONTINUE; stage++) {
        verdict = rules_live_run(&ctx, rules, (enum mw_stage)stage, 0);
        if (verdict == MW_WAIT) {
            fake_loop(&ctx);
            verdict = ctx.resumed;
        }
    }
    return verdict;
}

TEST(a_score_that_nobody_reads_is_not_made)
{
    CHECK(begin("a: score 1 when helo == \"mail.example.net\"\n"
                "b: log \"${score}\" when score > 0\n"
                "c: score 1 when helo == \"mail.example.net\"\n"
                "d: score lonely 1 when helo == \"mail.example.net\"\n"
                "e: score lonely 1, tag \"x\" when helo == \"mail.example.net\"\n"));
    message();
    CHECK_INT(fake_counter(&ctx, "a.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "b.hits"), 1);
    CHECK_INT(fake_counter(&ctx, "c.runs"), 0); /* below the reader */
    CHECK_INT(fake_counter(&ctx, "d.runs"), 0); /* no reader */
    CHECK_INT(fake_counter(&ctx, "e.hits"), 1); /* does something else, too */
    end();
}

TEST(a_plain_score_is_the_score_default)
{
    CHECK(begin(
        "a: score 1.5 when always\nb: score default 1 when always\n"
        "c: reject \"${score} ${score.default}\" when score.default == 2.5 and score == 2.5\n"));
    CHECK_INT(message(), MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "2.5 2.5");
    end();
}

TEST(what_is_known_early_spares_the_rest)
{
    CHECK(begin("a: reject when client.ip == 198.51.100.1 and subject =~ /a/\n"
                "b: reject when subject =~ /b/ and client.ip == 198.51.100.1\n"
                "c: reject when client.ip == 192.0.2.1 and subject =~ /^c/\n"));
    fake_header(&ctx, "Subject", "abc");
    CHECK_INT(message(), MW_CONTINUE);
    CHECK_INT(fake_counter(&ctx, "a.runs"), 1); /* settled before there is a header ... */
    CHECK_INT(fake_counter(&ctx, "b.runs"), 1); /* ... wherever the cheap test stands */
    end();
}
