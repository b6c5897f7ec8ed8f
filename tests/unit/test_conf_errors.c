/* The configuration reader: the exact text of every class of error in one text. Those of files: test_conf_files.c; of ${...}: test_conf.c. */
#include <stdlib.h>

#include "conf_kit.h"

static const char *const kinds[] = {"listen", "upstream", "resolver", NULL};

/* ---- errors of form ---- */

TEST(error_unknown_directive_has_a_near_name)
{
    CHECK_ERRORS("\n\n\n  adress 0.0.0.0:25\n", "t.conf:4:3: error: unknown directive 'adress'\n"
                                                "     4 |   adress 0.0.0.0:25\n"
                                                "       |   ^~~~~~\n"
                                                "       = did you mean 'address'?\n");
    CHECK_ERRORS("zzz 1\n", "t.conf:1:1: error: unknown directive 'zzz'\n"
                            "     1 | zzz 1\n"
                            "       | ^~~\n");
    parse("listen mx {\n  adress 0.0.0.0:25\n}\n");
    CHECK_INT(run.loaded, MW_OK);
    CHECK_INT(mw_conf_check(&run.arena, run.root->blocks, rules, RULE_COUNT, NULL, 0, run.diags,
                            run.values),
              MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:2:3: error: unknown directive 'adress' in block 'listen'\n"
              "     2 |   adress 0.0.0.0:25\n"
              "       |   ^~~~~~\n"
              "       = did you mean 'address'?\n");
    fini();
}

TEST(error_unknown_block_has_a_near_name)
{
    parse("listne mx { }\nupstream u { resolver { }\n what { }\n}\n");
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root, kinds, run.diags), MW_ERR_CONFIG);
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root->blocks->next, kinds, run.diags),
              MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: unknown block 'listne'\n"
              "     1 | listne mx { }\n"
              "       | ^~~~~~\n"
              "       = did you mean 'listen'?\n"
              "t.conf:3:2: error: unknown block 'what' in block 'upstream'\n"
              "     3 |  what { }\n"
              "       |  ^~~~\n");
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root->blocks, kinds, run.diags), MW_OK);
    fini();
}

TEST(error_missing_directive)
{
    parse("filter f {\n}\n");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root->blocks, needed, 2, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: the directive 'module' is missing in block 'filter f'\n"
              "     1 | filter f {\n"
              "       | ^~~~~~\n"
              "       = module: a word, or text in quotes\n");
    CHECK_INT(run.values[0].count, 0);
    CHECK_INT(mw_conf_check(&run.arena, run.root, needed, 2, NULL, 0, run.diags, run.values),
              MW_ERR_CONFIG);
    print_run();
    CHECK(strstr(run.printed, "error: the directive 'module' is missing\n") == run.printed);
    fini();
}

TEST(error_given_twice_names_the_first)
{
    CHECK_ERRORS("tls off\n\ntls required\n", "t.conf:3:1: error: 'tls' is given twice\n"
                                              "     3 | tls required\n"
                                              "       | ^~~\n"
                                              "       = first given at t.conf:1\n");
}

TEST(error_number_of_values)
{
    CHECK_ERRORS("tls\n", "t.conf:1:1: error: 'tls' needs a value: one of off, starttls, required, "
                          "implicit\n"
                          "     1 | tls\n"
                          "       | ^~~\n");
    CHECK_ERRORS("max-errors 5 6  seven # x\n",
                 "t.conf:1:14: error: 'max-errors' takes one value, not 3\n"
                 "     1 | max-errors 5 6  seven # x\n"
                 "       |              ^~~~~~~~\n");
    CHECK_ERRORS("address 1.1.1.1:1 1.1.1.1:2 1.1.1.1:3 \\\n 1.1.1.1:4 1.1.1.1:5\n",
                 "t.conf:2:12: error: 'address' takes at most 4 values, not 5\n"
                 "     2 |  1.1.1.1:4 1.1.1.1:5\n"
                 "       |            ^~~~~~~~~\n");
    CHECK_ERRORS("log\n", "t.conf:1:1: error: 'log' needs a value: a word, or text in quotes\n"
                          "     1 | log\n"
                          "       | ^~~\n");
}

/* ---- errors of value ---- */

TEST(error_choice_lists_the_choices)
{
    CHECK_ERRORS("tls startls\n",
                 "t.conf:1:5: error: 'startls' is not one of off, starttls, required, implicit\n"
                 "     1 | tls startls\n"
                 "       |     ^~~~~~~\n"
                 "       = did you mean 'starttls'?\n");
    CHECK_ERRORS("tls \"\"\n",
                 "t.conf:1:5: error: '' is not one of off, starttls, required, implicit\n"
                 "     1 | tls \"\"\n"
                 "       |     ^~\n");
}

TEST(error_bool)
{
    CHECK_ERRORS("require yes\n", "t.conf:1:9: error: 'yes' is neither 'on' nor 'off'\n"
                                  "     1 | require yes\n"
                                  "       |         ^~~\n"
                                  "       = did you mean 'on'?\n");
    CHECK_ERRORS("require FALSE\n", "t.conf:1:9: error: 'FALSE' is neither 'on' nor 'off'\n"
                                    "     1 | require FALSE\n"
                                    "       |         ^~~~~\n"
                                    "       = did you mean 'off'?\n");
}

TEST(error_count_and_its_range)
{
    CHECK_ERRORS("max-errors many\n", "t.conf:1:12: error: 'many' is not a number\n"
                                      "     1 | max-errors many\n"
                                      "       |            ^~~~\n");
    CHECK_ERRORS("max-errors 1001\n",
                 "t.conf:1:12: error: '1001' is out of range: 'max-errors' takes 1 to 1000\n"
                 "     1 | max-errors 1001\n"
                 "       |            ^~~~\n");
    CHECK_ERRORS(
        "max-errors 99999999999999999999\n",
        "t.conf:1:12: error: '99999999999999999999' is out of range: 'max-errors' takes 1 to "
        "1000\n"
        "     1 | max-errors 99999999999999999999\n"
        "       |            ^~~~~~~~~~~~~~~~~~~~\n");
    parse("module m\nport 0\n");
    mw_diags_free(&run.diags);
    run.diags = mw_diags_new();
    CHECK_INT(mw_conf_check(&run.arena, run.root, needed, 2, NULL, 0, run.diags, run.values),
              MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:2:6: error: '0' is out of range: 'port' takes 1 or more\n");
    fini();
}

TEST(error_size_and_its_range)
{
    CHECK_ERRORS("max-size 5Mb\n",
                 "t.conf:1:10: error: '5Mb' is not a size\n"
                 "     1 | max-size 5Mb\n"
                 "       |          ^~~\n"
                 "       = a number and one of B, kB, MB, GB, KiB, MiB, GiB, as in 50MB\n");
    CHECK_ERRORS("max-size 1000\n",
                 "t.conf:1:10: error: '1000' is out of range: 'max-size' takes 1KiB to 1024GiB\n"
                 "     1 | max-size 1000\n"
                 "       |          ^~~~\n");
}

TEST(error_duration_says_which_units_exist)
{
    CHECK_ERRORS("timeout 30\n", "t.conf:1:9: error: '30' has no unit\n"
                                 "     1 | timeout 30\n"
                                 "       |         ^~\n"
                                 "       = add one of ms, s, m, h, d, as in 30s\n");
    CHECK_ERRORS("timeout soon\n", "t.conf:1:9: error: 'soon' is not a time\n"
                                   "     1 | timeout soon\n"
                                   "       |         ^~~~\n"
                                   "       = a number and one of ms, s, m, h, d, as in 30s\n");
    CHECK_ERRORS("timeout 0\n", "t.conf:1:9: error: '0' is out of range: 'timeout' takes 1s to 1d\n"
                                "     1 | timeout 0\n"
                                "       |         ^\n");
}

TEST(error_endpoint_says_what_it_lacks)
{
    CHECK_ERRORS("address 127.0.0.1\n",
                 "t.conf:1:9: error: '127.0.0.1' is not an address with a port\n"
                 "     1 | address 127.0.0.1\n"
                 "       |         ^~~~~~~~~\n"
                 "       = a port is missing, as in 127.0.0.1:25\n");
    CHECK_ERRORS("address ::1\n",
                 "t.conf:1:9: error: '::1' is not an address with a port\n"
                 "     1 | address ::1\n"
                 "       |         ^~~\n"
                 "       = an IPv6 address needs brackets and a port, as in [::1]:25\n");
    CHECK_ERRORS("address mx.example.test:25\n",
                 "t.conf:1:9: error: 'mx.example.test:25' is not an address with a port\n"
                 "     1 | address mx.example.test:25\n"
                 "       |         ^~~~~~~~~~~~~~~~~~\n"
                 "       = an address such as 127.0.0.1:25, [::1]:25 or unix:/run/x\n");
    CHECK_ERRORS("address 127.0.0.1:99999\n",
                 "t.conf:1:9: error: the port in '127.0.0.1:99999' is above 65535\n"
                 "     1 | address 127.0.0.1:99999\n"
                 "       |         ^~~~~~~~~~~~~~~\n");
    char text[256] = "address unix:/";
    memset(text + strlen(text), 'x', 120);
    parse(text);
    CHECK(strstr(run.printed, "error: the path of a socket has at most 107 octets, not 121\n") !=
          NULL);
    fini();
}

TEST(error_network)
{
    CHECK_ERRORS("trust 10.1.2.3/8\n",
                 "t.conf:1:7: error: '10.1.2.3/8' has bits set behind its prefix\n"
                 "     1 | trust 10.1.2.3/8\n"
                 "       |       ^~~~~~~~~~\n"
                 "       = did you mean 10.0.0.0/8?\n");
    CHECK_ERRORS("trust 2001:db8::1/33\n",
                 "t.conf:1:7: error: '2001:db8::1/33' has bits set behind its prefix\n"
                 "     1 | trust 2001:db8::1/33\n"
                 "       |       ^~~~~~~~~~~~~~\n"
                 "       = did you mean 2001:db8::/33?\n");
    CHECK_ERRORS("trust localhost\n", "t.conf:1:7: error: 'localhost' is not a network\n"
                                      "     1 | trust localhost\n"
                                      "       |       ^~~~~~~~~\n"
                                      "       = a network such as 192.0.2.0/24 or 2001:db8::/32\n");
}

/* ---- errors of syntax ---- */

TEST(error_block_defined_twice_names_the_first_place)
{
    CHECK_ERRORS(
        "listen mx {\n}\nlisten mx { a b }\n",
        "t.conf:3:1: error: block 'listen mx' is defined twice\n"
        "     3 | listen mx { a b }\n"
        "       | ^~~~~~\n"
        "       = first defined at t.conf:1; 'override' in front changes single directives "
        "of it\n");
}

TEST(error_override)
{
    CHECK_ERRORS("override listen mx { }\n",
                 "t.conf:1:10: error: there is no block 'listen mx' before this place to override\n"
                 "     1 | override listen mx { }\n"
                 "       |          ^~~~~~\n");
    CHECK_ERRORS("override tls off\n",
                 "t.conf:1:1: error: 'override' stands only in front of a block\n"
                 "     1 | override tls off\n"
                 "       | ^~~~~~~~\n"
                 "       = override KIND NAME { ... }\n");
}

TEST(error_block_left_open_names_its_beginning)
{
    CHECK_ERRORS("tls off\nlisten mx {\n  a b\n",
                 "t.conf:2:1: error: block 'listen mx' is still open at the end of the file\n"
                 "     2 | listen mx {\n"
                 "       | ^~~~~~\n"
                 "       = add a line with '}'\n");
}

TEST(error_braces)
{
    CHECK_ERRORS("}\n", "t.conf:1:1: error: '}' without an open block\n"
                        "     1 | }\n"
                        "       | ^\n");
    CHECK_ERRORS("{ }\n", "t.conf:1:1: error: a block begins with its kind\n"
                          "     1 | { }\n"
                          "       | ^\n"
                          "       = KIND NAME { ... }\n");
    CHECK_ERRORS("a b c { }\n", "t.conf:1:7: error: a block has a kind and at most one name\n"
                                "     1 | a b c { }\n"
                                "       |       ^\n"
                                "       = a name with blanks in it needs quotes\n");
    CHECK_ERRORS("a { } tls off\n", "t.conf:1:7: error: a new line is needed behind '}'\n"
                                    "     1 | a { } tls off\n"
                                    "       |       ^~~\n");
    CHECK_ERRORS("a { b { c { d { e { f {\n}\n}\n}\n}\n}\n}\n",
                 "t.conf:1:19: error: blocks nest at most 4 deep\n"
                 "     1 | a { b { c { d { e { f {\n"
                 "       |                   ^\n");
}

TEST(error_stuck_braces_do_not_unbalance_the_file)
{
    CHECK_ERRORS("listen mx{\n a b\n}\nchain c {d e}\ntls off\n",
                 "t.conf:1:8: error: a brace needs blanks around it\n"
                 "     1 | listen mx{\n"
                 "       |        ^~~\n"
                 "       = quote the word if the brace is part of it\n"
                 "t.conf:4:9: error: a brace needs blanks around it\n"
                 "     4 | chain c {d e}\n"
                 "       |         ^~\n"
                 "       = quote the word if the brace is part of it\n"
                 "t.conf:4:12: error: a brace needs blanks around it\n"
                 "     4 | chain c {d e}\n"
                 "       |            ^~\n"
                 "       = quote the word if the brace is part of it\n");
}

TEST(error_lexical_ones_are_all_reported_without_consequences)
{
    CHECK_ERRORS(
        "tls \"off\ntls2 x\nname 'a'b\nname \"\\d\"\n",
        "t.conf:1:5: error: the string is not closed on its line\n"
        "     1 | tls \"off\n"
        "       |     ^~~~\n"
        "t.conf:2:1: error: unknown directive 'tls2'\n"
        "     2 | tls2 x\n"
        "       | ^~~~\n"
        "       = did you mean 'tls'?\n"
        "t.conf:3:9: error: a blank is needed behind the closing quote\n"
        "     3 | name 'a'b\n"
        "       |         ^\n"
        "t.conf:4:1: error: 'name' is given twice\n"
        "     4 | name \"\\d\"\n"
        "       | ^~~~\n"
        "       = first given at t.conf:3\n"
        "t.conf:4:7: error: only \\\" and \\\\ are known in \"...\"; write '...' for text with "
        "backslashes\n"
        "     4 | name \"\\d\"\n"
        "       |       ^~\n");
}

TEST(error_control_characters)
{
    parse_len(MW_LIT("tls \0off\n# \x01\nname a\rb\n"));
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:5: error: a NUL octet has no place in this file\n"
              "     1 | tls \\x00off\n"
              "       |     ^~~~\n"
              "t.conf:2:3: error: a control character has no place here\n"
              "     2 | # \\x01\n"
              "       |   ^~~~\n"
              "t.conf:3:7: error: a carriage return without a line feed\n"
              "     3 | name a\\x0db\n"
              "       |       ^~~~\n");
    CHECK_INT(run.checked, MW_ERR_CONFIG);
    fini();
}

TEST(error_include_in_a_text)
{
    CHECK_ERRORS("include x\n", "t.conf:1:1: error: 'include' is not possible here\n"
                                "     1 | include x\n"
                                "       | ^~~~~~~\n");
}

TEST(very_long_lines_pass)
{
    size_t len = 200000;
    char *text = malloc(len);
    memset(text, 'x', len);
    memcpy(text, "name ", 5);
    parse_len(MW_SLICE(text, len));
    free(text);
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[NAME].values[0].text.len, 199995);
    fini();
}
