/* test_rules_import_oracle.c - Postfix's tables against Postfix itself: what postmap(1) says to the
 * same lines, of each pattern alone, of tables in many orders, and of blocks. */
#include <unistd.h>

#include "import_kit.h"
#include "import_priv.h"
#include "test.h"

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
    if (!import_write_table(path, table) || !import_write_table(lines, ""))
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
    bool is_extended = text_find(flags, 'x') < 0, is_caseless = text_find(flags, 'i') < 0;
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
