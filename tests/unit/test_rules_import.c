/* test_rules_import.c - tables of other programs as rules, whatever their format: what is wrong
 * with the call, bounds, names, and the directive that reads a table. */
#include <stdlib.h>
#include <unistd.h>

#include "import.h"
#include "import_kit.h"
#include "import_priv.h"
#include "parse_import.h"
#include "rules_fake.h"
#include "test.h"
#include "testblock.h"

static struct mw_instance instance;

/* ---- the call ---- */

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
    CHECK(import_write_table(path, "\n/cheap pills/ REJECT no pills\n/x/ HOLD\n"));
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
