/* Diagnostics: the exact text that people see. */
#include "base/diag.h"

#include <stdlib.h>

#include "test.h"

/* Printed text, until the next call; frees the collection. */
static const char *printed(struct mw_diags *diags)
{
    static char text[65536];
    struct mw_buf out = {0};
    mw_diags_print(diags, &out);
    size_t len = out.len < sizeof text - 1 ? out.len : sizeof text - 1;
    if (len > 0)
        memcpy(text, out.ptr, len);
    text[len] = '\0';
    mw_buf_fini(&out);
    mw_diags_free(&diags);
    return text;
}

#define CHECK_PRINTED(diags, want)           \
    do {                                     \
        const char *got_ = printed(diags);   \
        CHECK_MEM(got_, strlen(got_), want); \
    } while (0)

TEST(diag_as_in_the_manual)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "conf.d/10-listen.conf",
                    MW_LIT("# x\n\nlisten mx {\n  adress 0.0.0.0:25\n}\n"));
    mw_diags_add(diags, MW_DIAG_ERROR, "conf.d/10-listen.conf", 4, 3, 6, "did you mean 'address'?",
                 "unknown directive '%s' in block '%s'", "adress", "listen");
    CHECK_INT(mw_diags_errors(diags), 1);
    CHECK_INT(mw_diags_warnings(diags), 0);
    CHECK_PRINTED(diags,
                  "conf.d/10-listen.conf:4:3: error: unknown directive 'adress' in block 'listen'\n"
                  "     4 |   adress 0.0.0.0:25\n"
                  "       |   ^~~~~~\n"
                  "       = did you mean 'address'?\n");
}

TEST(diag_without_file_line_or_source)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_add(diags, MW_DIAG_WARNING, "b.conf", 7, 2, 0, NULL, "no text known");
    mw_diags_add(diags, MW_DIAG_ERROR, "b.conf", 0, 0, 0, NULL, "about the file");
    mw_diags_add(diags, MW_DIAG_ERROR, NULL, 0, 0, 0, "a hint", "about nothing");
    CHECK_PRINTED(diags, "error: about nothing\n"
                         "       = a hint\n"
                         "b.conf: error: about the file\n"
                         "b.conf:7:2: warning: no text known\n");
}

TEST(diag_is_sorted_by_file_line_column_then_arrival)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "z.conf", MW_LIT("one\ntwo\n"));
    mw_diags_source(diags, "a.conf", MW_LIT("uno\n"));
    mw_diags_add(diags, MW_DIAG_ERROR, "a.conf", 1, 1, 3, NULL, "fifth");
    mw_diags_add(diags, MW_DIAG_ERROR, "z.conf", 2, 1, 3, NULL, "third");
    mw_diags_add(diags, MW_DIAG_ERROR, "z.conf", 2, 1, 3, NULL, "fourth");
    mw_diags_add(diags, MW_DIAG_ERROR, "z.conf", 1, 2, 1, NULL, "second");
    mw_diags_add(diags, MW_DIAG_ERROR, "z.conf", 1, 1, 1, NULL, "first");
    CHECK_PRINTED(diags, "z.conf:1:1: error: first\n     1 | one\n       | ^\n"
                         "z.conf:1:2: error: second\n     1 | one\n       |  ^\n"
                         "z.conf:2:1: error: third\n     2 | two\n       | ^~~\n"
                         "z.conf:2:1: error: fourth\n     2 | two\n       | ^~~\n"
                         "a.conf:1:1: error: fifth\n     1 | uno\n       | ^~~\n");
}

TEST(diag_caret_stands_right_behind_tabs_and_utf8)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "f", MW_LIT("\t\xc3\xa9\tbad x\r\n"));
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 5, 3, NULL, "m");
    CHECK_PRINTED(diags, "f:1:5: error: m\n     1 | \t\xc3\xa9\tbad x\n       | \t \t^~~\n");
}

TEST(diag_caret_at_or_behind_the_end_of_the_line)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "f", MW_LIT("ab\ncd"));
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 3, 1, NULL, "at");
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 2, 2, 99, NULL, "beyond");
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 9, 1, 1, NULL, "no such line");
    CHECK_PRINTED(diags, "f:1:3: error: at\n     1 | ab\n       |   ^\n"
                         "f:2:2: error: beyond\n     2 | cd\n       |  ^\n"
                         "f:9:1: error: no such line\n");
}

TEST(diag_escapes_what_could_steer_a_terminal)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "f", MW_LIT("a\x1b[31m\0\xff\xe2\x80\xae z"));
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 12, 1, "hint\x07", "m\nn\xc2\x9b");
    CHECK_PRINTED(diags, "f:1:12: error: m\\x0an\\xc2\\x9b\n"
                         "     1 | a\\x1b[31m\\x00\\xff\\xe2\\x80\\xae z\n"
                         "       |                              ^\n"
                         "       = hint\\x07\n");
}

TEST(diag_escaped_character_is_underlined_in_full)
{
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "f", MW_LIT("a\0b"));
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 2, 1, NULL, "m");
    CHECK_PRINTED(diags, "f:1:2: error: m\n     1 | a\\x00b\n       |  ^~~~\n");
}

TEST(diag_shows_a_window_of_a_long_line)
{
    char line[4001], want[1024];
    memset(line, 'x', 4000);
    line[2000] = 'B';
    struct mw_diags *diags = mw_diags_new();
    mw_diags_source(diags, "f", MW_SLICE(line, 4000));
    mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 2001, 1, NULL, "m");
    snprintf(want, sizeof want,
             "f:1:2001: error: m\n     1 | ...%.60sB%.59s...\n       |    %60s^\n", line, line, "");
    CHECK_PRINTED(diags, want);
}

TEST(diag_floods_are_counted_not_kept)
{
    struct mw_diags *diags = mw_diags_new();
    for (int i = 0; i < 250; i++)
        mw_diags_add(diags, MW_DIAG_WARNING, "f", 1, 1, 1, NULL, "w");
    for (int i = 0; i < 103; i++)
        mw_diags_add(diags, MW_DIAG_ERROR, "f", 1, 1, 1, NULL, "e%d", i);
    CHECK_INT(mw_diags_errors(diags), 103);
    CHECK_INT(mw_diags_warnings(diags), 250);
    const char *text = printed(diags);
    CHECK(strstr(text, "error: e99\n") != NULL);
    CHECK(strstr(text, "error: e100\n") == NULL);
    CHECK(strstr(text, "... and 153 more\n") != NULL);
}

TEST(diag_long_messages_are_cut_between_characters)
{
    char text[2001];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[2000] = '\0';
    struct mw_diags *diags = mw_diags_new();
    mw_diags_add(diags, MW_DIAG_ERROR, NULL, 0, 0, 0, NULL, "x%s", text);
    const char *out = printed(diags);
    CHECK_INT(strlen(out), strlen("error: x") + 398 + strlen("...\n"));
    CHECK(strstr(out, "\xc3\xa9...\n") != NULL);
}

TEST(diag_empty_prints_nothing_and_frees_twice)
{
    struct mw_diags *diags = mw_diags_new();
    struct mw_buf out = {0};
    mw_diags_source(diags, "f", MW_EMPTY);
    mw_diags_source(diags, "f", MW_LIT("again"));
    mw_diags_print(diags, &out);
    CHECK_INT(out.len, 0);
    mw_buf_fini(&out);
    mw_diags_free(&diags);
    CHECK(diags == NULL);
    mw_diags_free(&diags);
}

static const char *nearest(const char *word)
{
    static const char *const names[] = {"address", "upstream", "tls", "off", "max-errors", NULL};
    const char *near = mw_near_name(mw_slice_cstr(word), names);
    return near == NULL ? "-" : near;
}

TEST(near_name_is_near)
{
    static const char *const pairs[][2] = {
        {"adress", "address"},
        {"addresss", "address"},
        {"ADDRESS", "address"},
        {"adrdess", "address"},
        {"upstraem", "upstream"},
        {"max_errors", "max-errors"},
        {"tsl", "tls"},
        {"of", "off"},
        {"port", "-"},
        {"", "-"},
        {"x", "-"},
        {"downstairs", "-"},
        {"max-size", "-"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *got = nearest(pairs[i][0]);
        CHECK_MEM(got, strlen(got), pairs[i][1]);
    }
    char huge[1000];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    CHECK_MEM(nearest(huge), 1, "-");
}
