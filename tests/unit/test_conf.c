/* The configuration reader: trees from text, values from trees, and what the environment puts into them. */
#include <stdlib.h>

#include "conf_kit.h"

/* ---- the tree ---- */

TEST(tree_of_directives_and_blocks)
{
    parse_tree("# c\n"
               "workers auto # c\n"
               "listen mx {\n"
               "    address 0.0.0.0:25 \\\n"
               "            [::]:25\n"
               "    name 'raw \\d' \"two words\"\n"
               "}\r\n"
               "resolver {\n"
               "    inner x { deeper { deepest { a b } } }\n"
               "}\n"
               "chain inbound { limits spf rules }\n"
               "empty e { }\n"
               "h\xc3\xa9 \xe6\x97\xa5");
    CHECK_TREE("workers auto ; h\xc3\xa9 \xe6\x97\xa5 ; listen mx { address 0.0.0.0:25 [::]:25 ; "
               "name raw \\d two words ; } resolver { inner x { deeper { deepest { a b ; } } } } "
               "chain inbound { limits spf rules ; } empty e { } ");
    const struct mw_conf_block *listen = run.root->blocks;
    CHECK_INT(listen->pos.line * 100 + listen->pos.column, 301);
    const struct mw_conf_word *word = &listen->directives->words[2];
    CHECK_INT(word->pos.line * 100 + word->pos.column, 513);
    CHECK_INT(word->source_len, 7);
    CHECK(!word->is_quoted);
    CHECK(listen->directives->next->words[1].is_quoted);
    fini();
}

TEST(tree_of_nothing_is_empty)
{
    parse("");
    CHECK_TREE("");
    parse("# only a comment");
    CHECK_TREE("");
    fini();
}

TEST(override_replaces_single_directives)
{
    parse_tree("listen mx {\n"
               " address a:1\n address b:2\n tls off\n name x\n"
               " sub s { a 1\n b 2\n }\n"
               "}\n"
               "override listen mx {\n"
               " address c:3\n address d:4\n max-errors 5\n"
               " override sub s { b 3\n }\n sub t { }\n"
               "}\n");
    CHECK_TREE("listen mx { tls off ; name x ; address c:3 ; address d:4 ; max-errors 5 ; "
               "sub s { a 1 ; b 3 ; } sub t { } } ");
    fini();
}

/* ---- values ---- */

TEST(values_of_every_type)
{
    setenv("MW_TEST_NAME", "from env", 1);
    parse("address 127.0.0.1:25 [::1]:26\naddress unix:/run/x\n"
          "server mx.example.test:587\n"
          "trust 10.0.0.0/8\ntls required\nmax-errors 7\nmax-size 10MiB\ntimeout 30s\nrequire off\n"
          "name \"${MW_TEST_NAME}!\"\nstate-dir /x/y\ncertificate /dev/null\nlog file '/a b' "
          "level=info");
    CHECK_MEM(run.printed, strlen(run.printed), "");
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[ADDRESS].count, 3);
    CHECK_INT(run.values[ADDRESS].values[1].endpoint.port, 26);
    CHECK_INT(run.values[ADDRESS].values[2].endpoint.kind, MW_ENDPOINT_UNIX);
    CHECK_INT(run.values[ADDRESS].values[2].pos.line, 2);
    CHECK_INT(run.values[SERVER].values[0].endpoint.kind, MW_ENDPOINT_NAME);
    CHECK_INT(run.values[TRUST].values[0].network.prefix, 104);
    CHECK_INT(run.values[TLS].values[0].number, 2);
    CHECK_SLICE(run.values[TLS].values[0].text, "required");
    CHECK_INT(run.values[MAX_ERRORS].values[0].number, 7);
    CHECK_INT(run.values[MAX_SIZE].values[0].number, 10485760);
    CHECK_INT(run.values[TIMEOUT].values[0].number, 30000);
    CHECK_INT(run.values[REQUIRE].values[0].number, 0);
    CHECK_SLICE(run.values[NAME].values[0].text, "from env!");
    CHECK_SLICE(run.values[STATE_DIR].values[0].text, "/x/y");
    CHECK_SLICE(run.values[CERTIFICATE].values[0].text, "/dev/null");
    CHECK_INT(run.values[LOG].count, 3);
    CHECK_SLICE(run.values[LOG].values[1].text, "/a b");
    fini();
}

TEST(values_by_default)
{
    parse("");
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[ADDRESS].count, 0);
    CHECK_INT(run.values[TRUST].count, 2);
    CHECK_INT(run.values[TRUST].values[1].network.prefix, 128);
    CHECK_INT(run.values[MAX_SIZE].values[0].number, 50000000);
    CHECK(run.values[MAX_SIZE].pos.file == NULL);
    CHECK(run.values[MAX_SIZE].values[0].pos.file == NULL);
    CHECK_INT(run.values[LOG].count, 2);
    CHECK_SLICE(run.values[LOG].values[1].text, "level=info");
    fini();
}

TEST(values_of_two_tables_follow_each_other)
{
    struct mw_conf_values values[RULE_COUNT + 2];
    parse("module limits\nport 7\n"); /* unknown to the one table */
    CHECK_INT(mw_diags_errors(run.diags), 2);
    mw_diags_free(&run.diags);
    run.diags = mw_diags_new();
    CHECK_INT(mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, needed, 2, run.diags, values),
              MW_OK);
    CHECK_SLICE(values[RULE_COUNT].values[0].text, "limits");
    CHECK_INT(values[RULE_COUNT + 1].values[0].number, 7);
    fini();
}

TEST(bad_value_leaves_the_default_for_further_checks)
{
    parse("max-errors x\n");
    CHECK_INT(run.checked, MW_ERR_CONFIG);
    CHECK_INT(run.values[MAX_ERRORS].count, 1);
    CHECK_INT(run.values[MAX_ERRORS].values[0].number, 20);
    fini();
}

/* ---- expansion ---- */

TEST(expansion_of_the_environment)
{
    setenv("MW_TEST_A", "x y { # \"", 1);
    setenv("MW_TEST_EMPTY", "", 1);
    unsetenv("MW_TEST_NONE");
    parse("log ${MW_TEST_A} a${MW_TEST_A}b ${MW_TEST_NONE:-d} ${MW_TEST_EMPTY:-e} "
          "\"${MW_TEST_EMPTY}\" "
          "'${MW_TEST_A}' $ $x \"\\\"${MW_TEST_NONE:-a b}\" ${MW_TEST_NONE:-}");
    CHECK_MEM(run.printed, strlen(run.printed), "");
    static const char *const want[] = {
        "x y { # \"", "ax y { # \"b", "d", "e", "", "${MW_TEST_A}", "$", "$x", "\"a b", ""};
    CHECK_INT(run.values[LOG].count, sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK_SLICE(run.values[LOG].values[i].text, want[i]);
    fini();
}

TEST(expansion_never_becomes_syntax)
{
    setenv("MW_TEST_A", "override", 1);
    setenv("MW_TEST_B", "{", 1);
    parse("name ${MW_TEST_B}\n");
    CHECK_INT(run.checked, MW_OK);
    CHECK_SLICE(run.values[NAME].values[0].text, "{");
    parse("${MW_TEST_A} x\n");
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: unknown directive 'override'\n"
              "     1 | ${MW_TEST_A} x\n"
              "       | ^~~~~~~~~~~~\n");
    fini();
}

TEST(error_expansion_has_its_caret_in_the_source)
{
    unsetenv("MW_TEST_NONE");
    CHECK_ERRORS("name \"\\\"\\\\${MW_TEST_NONE}\"\n",
                 "t.conf:1:11: error: the environment has no variable 'MW_TEST_NONE'\n"
                 "     1 | name \"\\\"\\\\${MW_TEST_NONE}\"\n"
                 "       |           ^~~~~~~~~~~~~~~\n"
                 "       = set it, or give a default: ${MW_TEST_NONE:-...}\n");
    CHECK_ERRORS("name a${MW_TEST_NONE b\n", "t.conf:1:7: error: '${' without '}'\n"
                                             "     1 | name a${MW_TEST_NONE b\n"
                                             "       |       ^~~~~~~~~~~~~~\n"
                                             "       = a value with blanks in it needs quotes\n");
    CHECK_ERRORS("name ${1}\n",
                 "t.conf:1:6: error: expected ${NAME}, ${NAME:-default}, ${cred:NAME} or "
                 "${file:PATH}\n"
                 "     1 | name ${1}\n"
                 "       |      ^~~~\n");
    CHECK_ERRORS("name ${a:-${b}}\n", "t.conf:1:6: error: ${...} cannot stand inside ${...}\n"
                                      "     1 | name ${a:-${b}}\n"
                                      "       |      ^~~~~~~~~\n");
    setenv("MW_TEST_A", "a\nb", 1);
    CHECK_ERRORS("name ${MW_TEST_A}\n",
                 "t.conf:1:6: error: what stands there holds a control character\n"
                 "     1 | name ${MW_TEST_A}\n"
                 "       |      ^~~~~~~~~~~~\n");
}

TEST(error_credentials)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_ERRORS("name ${cred:key}\n",
                 "t.conf:1:6: error: CREDENTIALS_DIRECTORY is not set\n"
                 "     1 | name ${cred:key}\n"
                 "       |      ^~~~~~~~~~~\n"
                 "       = the service manager sets it (LoadCredential= of systemd); ${file:PATH} "
                 "reads any file\n");
    CHECK_ERRORS("name ${cred:../key}\n",
                 "t.conf:1:6: error: a credential is named by a plain file name\n"
                 "     1 | name ${cred:../key}\n"
                 "       |      ^~~~~~~~~~~~~~\n");
    setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
    CHECK_ERRORS("name ${cred:key}\n",
                 "t.conf:1:6: error: cannot read '/nonexistent/key': No such file or directory\n"
                 "     1 | name ${cred:key}\n"
                 "       |      ^~~~~~~~~~~\n");
    unsetenv("CREDENTIALS_DIRECTORY");
}

TEST(expansion_cannot_multiply)
{
    char text[8192] = "name ";
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    setenv("MW_TEST_A", value, 1);
    for (size_t i = 5; i + 13 < 2000; i += 12)
        memcpy(text + i, "${MW_TEST_A}", 13);
    parse(text);
    CHECK(strstr(run.printed, "error: the value is longer than 64 KiB\n") != NULL);
    fini();
}
