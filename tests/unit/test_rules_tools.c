/* test_rules_tools.c - what is built on loaded rules: reports, coverage, the layout of rule files,
 * the words for conditions. The commands themselves: tests/system/rules_tools. */
#include <stdlib.h>

#include "base/lex.h"
#include "describe.h"
#include "report.h"
#include "rules_fake.h"
#include "test.h"
#include "tool.h"

static struct mw_instance instance;
static char told[16384];

static void keep_line(void *user, struct mw_slice line)
{
    (void)user;
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%.*s\n", (int)line.len, line.ptr);
}

static struct rules *load(const char *text)
{
    struct rules *rules = fake_load(&instance, text);
    if (rules == NULL)
        mw_test_fail(__FILE__, __LINE__, "%s", instance.diags);
    told[0] = '\0';
    return rules;
}

static bool report(const char *text, const char *topic)
{
    struct rules *rules = load(text);
    if (rules == NULL)
        return false;
    bool is_known = rules_report(rules, topic, keep_line, NULL) != 0;
    fake_unload(&instance, rules);
    return is_known;
}

/* ---- reports ---- */

TEST(stages_say_when_and_why)
{
    CHECK(report("a: accept when header(\"X\") == \"y\"\n"
                 "b: reject 550 \"no\" when sender.domain == example.net\n"
                 "c: reject 550 \"no\" when rcpt.domain == example.com\n"
                 "d: log \"x\" when helo == a\n"
                 "e: score 1 when body.line =~ /x/\n",
                 "stages"));
    CHECK(strstr(told,
                 "a     t.rules:1  message    end-of-headers  end-of-headers  header(\"X\")\n"));
    CHECK(strstr(told, "b     t.rules:2  message    mail            end-of-headers  sender.domain; "
                       "waits for a (t.rules:1), which may exempt it\n"));
    CHECK(strstr(told, "c     t.rules:3  recipient"));
    CHECK(strstr(told, "d     t.rules:4  session    helo            helo            helo\n"));
    CHECK(strstr(told, "e     t.rules:5  never run: nobody below reads its score\n"));
}

TEST(stages_say_whether_the_message_is_kept_back)
{
    CHECK(report("a: reject when sender == <>\n", "stages"));
    CHECK(strstr(told, "the message is not kept back: no rule is decided at its end\n"));
    CHECK(report("a: reject when body.line =~ /x/\n", "stages"));
    CHECK(strstr(told, "the message is kept back until its end"));
}

TEST(cost_tells_classes_literals_and_sums)
{
    CHECK(report("lit: reject when subject =~ /cheap\\s+pills/i\n"
                 "lin: reject when helo =~ /^[0-9]+$/\n"
                 "bad: reject when subject =~ /(x+)+y?$/\n"
                 "two: log \"x\" when subject =~ /cheap\\s+pills/i and helo == b\n",
                 "cost"));
    CHECK(strstr(told, "lit   t.rules:1  A "));
    CHECK(strstr(told, "\"cheap\""));
    CHECK(strstr(told, "lin   t.rules:2  B "));
    CHECK(strstr(told, "bad   t.rules:3  C "));
    CHECK(strstr(told, "A: run only where their literals are    2 patterns, "));
    CHECK(strstr(told, "C: may take long, and watch the clock   1 pattern, "));
    /* the one pattern that two rules have was measured once */
    uint64_t prices[2] = {0};
    const char *lines[] = {strstr(told, "lit   t.rules:1"), strstr(told, "two   t.rules:4")};
    for (size_t i = 0; i < 2; i++)
        CHECK(lines[i] != NULL && sscanf(lines[i], "%*s %*s A %" SCNu64, &prices[i]) == 1);
    CHECK(prices[0] == prices[1]);
}

TEST(cost_is_sorted_dearest_first)
{
    CHECK(report("a: reject when helo =~ /^a/\n"
                 "b: reject when subject =~ /(x+)+y?$/\n"
                 "c: reject when subject =~ /\\bzebra\\b/\n",
                 "cost"));
    uint64_t last = UINT64_MAX, price = 0;
    char class;
    size_t count = 0;
    for (char *line = strtok(told, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (sscanf(line, "%*s t.rules:%*u %c %" SCNu64, &class, &price) == 2) {
            CHECK(price <= last);
            last = price;
            count++;
        }
    CHECK_INT(count, 3);
}

TEST(rules_names_the_counters)
{
    CHECK(report("spam: reject when helo == x\n", "rules"));
    CHECK(strstr(told, "spam  t.rules:1  rules.spam.{hits,errors,observed,runs,time,suspended}\n"));
}

TEST(an_unknown_topic_is_not_ours)
{
    CHECK(!report("spam: reject when helo == x\n", "weather"));
    CHECK_INT(told[0], '\0');
}

TEST(coverage_names_rules_that_no_test_reached)
{
    CHECK(report("a: reject when helo == bad\n"
                 "b: observe reject when helo == worse\n"
                 "c: reject when helo == worst\n"
                 "test \"one\" { helo bad expect reject }\n"
                 "test \"two\" { helo worse expect accept }\n",
                 "coverage"));
    CHECK(strstr(told, "not reached  c  t.rules:3\n"));
    CHECK(strstr(told, "2 of 3 rules reached by 2 tests: 66%\n"));
    CHECK(!strstr(told, "not reached  a") && !strstr(told, "not reached  b"));
}

TEST(coverage_without_tests_is_nothing)
{
    CHECK(report("a: reject when helo == bad\n", "coverage"));
    CHECK(strstr(told, "0 of 1 rules reached by 0 tests: 0%\n"));
}

/* ---- conditions in words ---- */

static bool reads_back(const char *condition)
{
    char text[600], room[600], again[600];
    struct builder out = {.ptr = room, .cap = sizeof room};
    snprintf(text, sizeof text, "list l = a, b\ns: score 1 when always\na: log \"x\" when %s\n",
             condition);
    struct rules *rules = load(text);
    if (rules == NULL)
        return false;
    rules_describe_node(&out, rules, rules->last_rule->condition);
    fake_unload(&instance, rules);
    snprintf(text, sizeof text, "list l = a, b\ns: score 1 when always\na: log \"x\" when %.*s\n",
             (int)out.len, room);
    rules = load(text);
    if (rules == NULL)
        return false;
    struct builder second = {.ptr = again, .cap = sizeof again};
    rules_describe_node(&second, rules, rules->last_rule->condition);
    fake_unload(&instance, rules);
    bool is_same = text_eq(SLICE(room, out.len), SLICE(again, second.len));
    if (!is_same)
        mw_test_fail(__FILE__, __LINE__, "'%.*s' became '%.*s'", (int)out.len, room,
                     (int)second.len, again);
    return is_same;
}

/* What is said of a condition is a condition, and the same one. */
TEST(words_for_a_condition_read_back_as_it)
{
    CHECK(reads_back("helo == \"a\" and (sender == <a@b.example> or not helo in l)"));
    CHECK(reads_back("client.ip == 10.0.0.0/8 or client.ip != 2001:db8::/32"));
    CHECK(reads_back("client.ip not in (10.0.0.1, fd00::/8)"));
    CHECK(reads_back("header(\"X-A\") =~ /a\\/b[\"'x]+/ims and subject.fold == \"x\""));
    CHECK(reads_back("all(rcpt.domain == \"example.net\") or none(header(\"Y\") is empty)"));
    CHECK(reads_back("score >= 1.5 and rcpt.count < 20 and message.size > 10MB"));
    CHECK(
        reads_back("attachment { ext in l and size > 5 } or none(url { host == \"x.example\" })"));
    CHECK(reads_back("rate(\"${client.ip}\", \"20/10m\") and helo is not empty"));
    CHECK(reads_back("not (helo == a and helo != b)"));
}

TEST(values_from_strangers_are_cut_and_escaped)
{
    char room[400];
    struct builder out = {.ptr = room, .cap = sizeof room};
    rules_describe_text(&out, LIT("a\x1b[2J\r\n\xff\xc2\x9b\xc3\xa9"), 80);
    CHECK_MEM(room, out.len, "a\\x1b[2J\\r\\n\\xff\\xc2\\x9b\xc3\xa9");
    out.len = 0;
    rules_describe_text(&out,
                        LIT("abc\xc3\xa9"
                            "def"),
                        5);
    CHECK_MEM(room, out.len, "abc\xc3\xa9...");
    out.len = 0;
    rules_describe_count(&out, 1234567);
    CHECK_MEM(room, out.len, "1,234,567");
}

/* ---- layout ---- */

static bool lays_out(const char *text, const char *want)
{
    size_t len = 0, again_len = 0;
    const char *why = NULL;
    char *got = rules_format(slice_of(text), &len, &why);
    if (got == NULL) {
        mw_test_fail(__FILE__, __LINE__, "refused: %s", why);
        return false;
    }
    char *again = rules_format(SLICE(got, len), &again_len, &why);
    bool is_good = text_eq(SLICE(got, len), slice_of(want)) && again != NULL &&
                   text_eq(SLICE(got, len), SLICE(again, again_len));
    if (!is_good)
        mw_test_fail(__FILE__, __LINE__, "got:\n%.*s\nagain:\n%.*s", (int)len, got, (int)again_len,
                     again ? again : "");
    free(got);
    free(again);
    return is_good;
}

static const char *refusal(const char *text)
{
    size_t len = 0;
    const char *why = NULL;
    free(rules_format(slice_of(text), &len, &why));
    return why;
}

TEST(a_short_rule_is_one_line)
{
    CHECK(lays_out("a:\n  reject   550\n\twhen helo==x and\n(rcpt.count>3)\n",
                   "a: reject 550 when helo==x and (rcpt.count>3)\n"));
    CHECK(lays_out("a at   data :reject when header ( \"X\" )=~/a b/i\n",
                   "a at data: reject when header (\"X\")=~/a b/i\n"));
}

TEST(a_long_rule_has_a_line_for_each_clause)
{
    CHECK(lays_out(
        "a: reject 550 5.7.1 \"A text that is long enough to need a line of its own\" when "
        "header(\"From\") =~ /aaaaaaaaaaaaaaaaaaaaaaaaa/ and client.ip not in internal and "
        "auth.user is empty reason \"x\"",
        "a:\n"
        "    reject 550 5.7.1 \"A text that is long enough to need a line of its own\"\n"
        "    when header(\"From\") =~ /aaaaaaaaaaaaaaaaaaaaaaaaa/ and client.ip not in internal\n"
        "         and auth.user is empty\n"
        "    reason \"x\"\n"));
}

TEST(comments_blank_lines_and_order_stay)
{
    CHECK(lays_out("# one\n\n\n\n#two   \nlist a = x,y  # why\nlist long-name=z\n\n"
                   "r: log \"x\"  # because\n   # inside\n when always\n# end",
                   "# one\n\n#two\nlist a         = x, y  # why\nlist long-name = z\n\n"
                   "r: log \"x\"  # because\n    # inside\n    when always\n# end\n"));
}

TEST(lists_that_stand_together_are_aligned)
{
    CHECK(lays_out("list a = x\nlist longer = file \"y\"\n\nlist b  = 10.0.0.0/8,::1,fd00::/8\n",
                   "list a      = x\nlist longer = file \"y\"\n\n"
                   "list b = 10.0.0.0/8, ::1, fd00::/8\n"));
}

TEST(test_blocks_keep_their_lines)
{
    CHECK(lays_out("test \"x\" {\nclient 192.0.2.1  helo a\n        expect accept\n  }\n",
                   "test \"x\" {\n    client 192.0.2.1  helo a\n    expect accept\n}\n"));
    CHECK(
        lays_out("test \"x\" { helo a expect accept }\n", "test \"x\" { helo a expect accept }\n"));
}

TEST(what_is_quoted_is_not_touched)
{
    CHECK(lays_out("a: add rcpt <x,y@example.net>,log 'a , b' when subject =~ /a , (b # c/ or "
                   "helo == \"a , \\\" b\"\n",
                   "a: add rcpt <x,y@example.net>, log 'a , b' when subject =~ /a , (b # c/ or "
                   "helo == \"a , \\\" b\"\n"));
}

TEST(what_cannot_be_read_is_refused)
{
    CHECK(strstr(refusal("a: log \"x when always\n"), "no end"));
    CHECK(strstr(refusal("a: log \"x\" when (helo == a\n"), "no partner"));
    CHECK(strstr(refusal("reject when always\n"), "should begin"));
    CHECK(lays_out("", ""));
}

/* Whatever the layout of the source, the result is the same and a fixed point. */
TEST(random_layouts_come_to_the_same)
{
    static const char *const words[] = {"\nrule-a",
                                        ":",
                                        "reject",
                                        "550",
                                        "\"no , way\"",
                                        ",",
                                        "tag",
                                        "\"x\"",
                                        "when",
                                        "(",
                                        "helo",
                                        "==",
                                        "\"a\"",
                                        "or",
                                        "subject",
                                        "=~",
                                        "/x y/i",
                                        ")",
                                        "and",
                                        "client.ip",
                                        "in",
                                        "internal",
                                        "\nlist internal",
                                        "=",
                                        "10.0.0.0/8",
                                        ",",
                                        "fd00::/8"};
    static const char *const blanks[] = {" ", "  ", "\t", "\n  ", " \n\n    "};
    uint64_t seed = 20261122;
    char *first = NULL;
    size_t first_len = 0;
    for (int round = 0; round < 300; round++) {
        char text[2000] = "";
        const char *why = NULL;
        size_t len = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            strcat(text, i > 0 && *words[i] != '\n' ? blanks[mw_test_random(&seed) % 5] : "");
            strcat(text, words[i]);
        }
        char *got = rules_format(slice_of(text), &len, &why);
        if (got == NULL)
            mw_test_fail(__FILE__, __LINE__, "round %d: %s: %s", round, why, text);
        CHECK(got != NULL);
        if (first == NULL) {
            first = got;
            first_len = len;
            continue;
        }
        bool is_same = text_eq(SLICE(first, first_len), SLICE(got, len));
        if (!is_same)
            mw_test_fail(__FILE__, __LINE__, "round %d:\n%s\nbecame\n%.*s\nnot\n%.*s", round, text,
                         (int)len, got, (int)first_len, first);
        free(got);
        CHECK(is_same);
    }
    free(first);
}

static size_t squeeze(const char *text, size_t len, char *out)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > ' ')
            out[count++] = text[i];
    return count;
}

/* Refused, or the same but for blanks; laid out again, nothing changes. */
TEST(random_octets_lose_nothing_but_blanks)
{
    static const char alphabet[] = "a:b,(){}#\"'/ \n\t<>=~!\\@.x-:: \n";
    static const char *const starts[] = {"", "r: ", "list l = ", "test \"x\" {",
                                         "# c\nr: log \"x\" when "};
    uint64_t seed = 4711;
    size_t laid_out = 0;
    for (int round = 0; round < 20000; round++) {
        char text[300], before[300], after[1200];
        size_t len = (size_t)snprintf(text, sizeof text, "%s", starts[mw_test_random(&seed) % 5]);
        size_t more = mw_test_random(&seed) % 40, got_len = 0, again_len = 0;
        while (more-- > 0)
            text[len++] = alphabet[mw_test_random(&seed) % (sizeof alphabet - 1)];
        const char *why = NULL;
        char *got = rules_format(SLICE(text, len), &got_len, &why);
        if (got == NULL)
            continue;
        laid_out++;
        size_t left = squeeze(text, len, before), right = squeeze(got, got_len, after);
        char *again = rules_format(SLICE(got, got_len), &again_len, &why);
        bool is_good = left == right && memcmp(before, after, left) == 0 && again != NULL &&
                       text_eq(SLICE(got, got_len), SLICE(again, again_len));
        if (!is_good)
            mw_test_fail(__FILE__, __LINE__, "round %d:\n%.*s\nbecame\n%.*s\nand\n%.*s", round,
                         (int)len, text, (int)got_len, got, (int)again_len, again ? again : "");
        free(got);
        free(again);
        CHECK(is_good);
    }
    CHECK(laid_out > 1000);
}
