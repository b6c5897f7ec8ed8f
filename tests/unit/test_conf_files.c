/* The configuration reader over directories and files: their order, includes, and names that are relative to them. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_kit.h"

static char folder[64];

static bool put_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* A fresh working directory with conf.d/ in it, so that names in messages are the same on every
 * machine. */
static bool enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/mailweir-conf-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir("conf.d", 0700) == 0;
}

static void leave_folder(void)
{
    char command[128];
    fini();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (chdir("/") != 0 || system(command) != 0)
        mw_test_fail(__FILE__, __LINE__, "cannot remove %s", folder);
}

#define IN_FOLDER(id)            \
    static void id##_body(void); \
    TEST(id)                     \
    {                            \
        CHECK(enter_folder());   \
        id##_body();             \
        leave_folder();          \
    }                            \
    static void id##_body(void)

IN_FOLDER(load_reads_a_directory_in_lexical_order)
{
    CHECK(put_file("conf.d/20-b.conf", "b 2\noverride listen mx { tls off }\n"));
    CHECK(put_file("conf.d/10-a.conf", "a 1\nlisten mx { tls on }\n"));
    CHECK(put_file("conf.d/.hidden.conf", "hidden\n") && put_file("conf.d/x.conf.bak", "backup\n"));
    CHECK_LOAD("conf.d", "");
    CHECK_TREE("a 1 ; b 2 ; listen mx { tls off ; } ");
    CHECK_LOAD("conf.d/", "");
    CHECK_TREE("a 1 ; b 2 ; listen mx { tls off ; } ");
    CHECK_LOAD("conf.d/10-a.conf", "");
    CHECK_TREE("a 1 ; listen mx { tls on ; } ");
}

IN_FOLDER(load_of_nothing_is_an_error)
{
    CHECK_LOAD("conf.d", "error: no file *.conf in the directory 'conf.d'\n");
    CHECK_INT(run.loaded, MW_ERR_CONFIG);
    CHECK(run.root != NULL);
    CHECK_LOAD("none", "error: cannot read 'none': No such file or directory\n");
    CHECK(mkdir("conf.d/a.conf", 0700) == 0);
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/a.conf': Is a directory\n");
}

IN_FOLDER(load_goes_on_behind_an_unreadable_file)
{
    CHECK(symlink("nowhere", "conf.d/10.conf") == 0 && put_file("conf.d/20.conf", "a 1\n}\n"));
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/10.conf': No such file or directory\n"
                         "conf.d/20.conf:2:1: error: '}' without an open block\n"
                         "     2 | }\n"
                         "       | ^\n");
    CHECK_INT(run.root->directives->word_count, 2);
}

IN_FOLDER(load_refuses_a_huge_file)
{
    FILE *file = fopen("conf.d/a.conf", "w");
    CHECK(file != NULL && ftruncate(fileno(file), (1 << 20) + 1) == 0 && fclose(file) == 0);
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/a.conf': it is larger than 1 MiB\n");
}

IN_FOLDER(load_names_duplicates_across_files)
{
    CHECK(put_file("conf.d/10.conf", "\nlisten mx { }\n"));
    CHECK(put_file("conf.d/20.conf", "listen mx { }\n"));
    CHECK_LOAD("conf.d",
               "conf.d/20.conf:1:1: error: block 'listen mx' is defined twice\n"
               "     1 | listen mx { }\n"
               "       | ^~~~~~\n"
               "       = first defined at conf.d/10.conf:2; 'override' in front changes single "
               "directives of it\n");
}

IN_FOLDER(include_is_relative_to_its_file_and_sorted)
{
    CHECK(mkdir("conf.d/more", 0700) == 0);
    CHECK(put_file("conf.d/a.conf",
                   "a 1\ninclude more/*.inc\nlisten mx {\n include more/mx.in\n}\nz 1\n"));
    CHECK(put_file("conf.d/more/2.inc", "two 2\n") && put_file("conf.d/more/1.inc", "one 1\n"));
    CHECK(put_file("conf.d/more/mx.in", "tls off\n"));
    CHECK_LOAD("conf.d", "");
    CHECK_TREE("a 1 ; one 1 ; two 2 ; z 1 ; listen mx { tls off ; } ");
}

IN_FOLDER(include_folder_name_is_not_a_pattern)
{
    CHECK(mkdir("a[b]*", 0700) == 0 && put_file("a[b]*/x.conf", "include *.inc\n"));
    CHECK(put_file("a[b]*/y.inc", "y 1\n"));
    CHECK_LOAD("a[b]*/x.conf", "");
    CHECK_TREE("y 1 ; ");
}

IN_FOLDER(include_errors_stand_at_the_include)
{
    CHECK(put_file("conf.d/a.conf", "include none.inc no*.inc\ninclude\ninclude a.conf\n"));
    CHECK_LOAD("conf.d",
               "conf.d/a.conf:1:9: error: there is no file 'conf.d/none.inc'\n"
               "     1 | include none.inc no*.inc\n"
               "       |         ^~~~~~~~\n"
               "conf.d/a.conf:1:18: warning: no file matches 'no*.inc'\n"
               "     1 | include none.inc no*.inc\n"
               "       |                  ^~~~~~~\n"
               "conf.d/a.conf:2:1: error: 'include' needs the name of a file, or a pattern\n"
               "     2 | include\n"
               "       | ^~~~~~~\n"
               "conf.d/a.conf:3:9: error: cannot read 'conf.d/a.conf': it is being read already: "
               "it includes itself\n"
               "     3 | include a.conf\n"
               "       |         ^~~~~~\n");
}

IN_FOLDER(include_depth_is_limited)
{
    for (int i = 0; i < 12; i++) {
        char name[32], text[32];
        snprintf(name, sizeof name, "%d.inc", i);
        snprintf(text, sizeof text, "d %d\ninclude %d.inc\n", i, i + 1);
        CHECK(put_file(name, text));
    }
    CHECK_LOAD("0.inc",
               "8.inc:2:9: error: cannot read '9.inc': files include each other more than 8 deep\n"
               "     2 | include 9.inc\n"
               "       |         ^~~~~\n");
}

IN_FOLDER(include_number_of_files_is_limited)
{
    struct mw_buf text = {0};
    CHECK(put_file("x.inc", "x 1\n"));
    for (int i = 0; i < 300; i++)
        mw_buf_put(&text, MW_LIT("include x.inc\n"));
    char *copy = mw_buf_detach_cstr(&text);
    bool is_put = put_file("a.conf", copy);
    free(copy);
    CHECK(is_put);
    CHECK_LOAD("a.conf", "a.conf:256:9: error: more than 256 files\n"
                         "   256 | include x.inc\n"
                         "       |         ^~~~~\n");
}

IN_FOLDER(include_cannot_close_or_leave_open_a_block)
{
    CHECK(put_file("conf.d/a.conf", "listen mx {\ninclude close.inc\ninclude open.inc\n}\n"));
    CHECK(put_file("conf.d/close.inc", "}\n") && put_file("conf.d/open.inc", "sub {\n"));
    CHECK_LOAD("conf.d",
               "conf.d/close.inc:1:1: error: '}' without an open block\n"
               "     1 | }\n"
               "       | ^\n"
               "conf.d/open.inc:1:1: error: block 'sub' is still open at the end of the file\n"
               "     1 | sub {\n"
               "       | ^~~\n"
               "       = add a line with '}'\n");
}

IN_FOLDER(paths_are_relative_to_the_naming_file)
{
    char want[128];
    CHECK(put_file("conf.d/a.conf", "state-dir lib\naddress unix:sock\ncertificate *.pem b.pem\n"));
    CHECK(put_file("conf.d/b.pem", "") && put_file("conf.d/a.pem", ""));
    CHECK_LOAD("conf.d", "");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_OK);
    snprintf(want, sizeof want, "%s/conf.d/lib", folder);
    CHECK_SLICE(run.values[STATE_DIR].values[0].text, want);
    snprintf(want, sizeof want, "%s/conf.d/sock", folder);
    CHECK_SLICE(mw_slice_cstr(run.values[ADDRESS].values[0].endpoint.path), want);
    CHECK_INT(run.values[CERTIFICATE].count, 3);
    CHECK_SLICE(run.values[CERTIFICATE].values[0].text, "conf.d/a.pem");
    CHECK_SLICE(run.values[CERTIFICATE].values[1].text, "conf.d/b.pem");
    CHECK_SLICE(run.values[CERTIFICATE].values[2].text, "conf.d/b.pem");
}

IN_FOLDER(files_plain_must_exist_patterns_need_not)
{
    CHECK(put_file("a.conf", "certificate no.pem no*.pem\n"));
    load("a.conf");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "a.conf:1:13: error: there is no file 'no.pem'\n"
              "     1 | certificate no.pem no*.pem\n"
              "       |             ^~~~~~\n"
              "a.conf:1:20: warning: no file matches 'no*.pem'\n"
              "     1 | certificate no.pem no*.pem\n"
              "       |                    ^~~~~~~\n");
}

IN_FOLDER(expansion_of_files_takes_the_first_line_and_keeps_it_secret)
{
    CHECK(put_file("conf.d/secret", "hush\r\nsecond\n") && put_file("conf.d/bad", "a\x01\n"));
    CHECK(put_file("conf.d/a.conf",
                   "name ${file:secret}\nmax-errors ${cred:secret}\nlog ${file:bad}\n"));
    setenv("CREDENTIALS_DIRECTORY", "conf.d", 1);
    load("conf.d");
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run();
    CHECK_MEM(run.printed, strlen(run.printed),
              "conf.d/a.conf:2:12: error: the value read from a file is not a number\n"
              "     2 | max-errors ${cred:secret}\n"
              "       |            ^~~~~~~~~~~~~~\n"
              "conf.d/a.conf:3:5: error: what stands there holds a control character\n"
              "     3 | log ${file:bad}\n"
              "       |     ^~~~~~~~~~~\n");
    CHECK_SLICE(run.values[NAME].values[0].text, "hush");
}
