/* RFC 6376 3.2: tag lists of signatures, keys and policies. */
#include "taglist.h"

#include <stdlib.h>

#include "test.h"

static struct taglist list;

static bool parse(const char *text)
{
    return taglist_parse(slice_of(text), &list);
}

TEST(list_of_a_key_gives_its_values)
{
    CHECK(parse("v=DKIM1; k=rsa; p=MIG/+=="));
    CHECK_INT(list.count, 3);
    CHECK_SLICE(taglist_find(&list, "v"), "DKIM1");
    CHECK_SLICE(taglist_find(&list, "p"), "MIG/+==");
    CHECK(taglist_find(&list, "h").ptr == NULL);
    CHECK(taglist_find(&list, "V").ptr == NULL);
}

TEST(white_space_goes_around_and_stays_inside)
{
    CHECK(parse(" \tv =\r\n 1 ;\r\n\tb_2= dz\r\n dl b\t ; "));
    CHECK_INT(list.count, 2);
    CHECK_SLICE(taglist_find(&list, "v"), "1");
    CHECK_SLICE(taglist_find(&list, "b_2"), "dz\r\n dl b");
    CHECK(parse("a=1\n b;c=2")); /* a bare LF folds where the message is binary */
    CHECK_SLICE(taglist_find(&list, "a"), "1\n b");
}

TEST(empty_things_are_told_from_missing_ones)
{
    CHECK(parse("") && list.count == 0);
    CHECK(parse("  ") && list.count == 0);
    CHECK(taglist_parse(SLICE(NULL, 0), &list) && list.count == 0);
    CHECK(parse("p=") && list.count == 1);
    CHECK(taglist_find(&list, "p").ptr != NULL);
    CHECK_INT(taglist_find(&list, "p").len, 0);
    CHECK(parse("p=;") && parse("p= ; "));
    CHECK(taglist_find(&list, "p").ptr != NULL && taglist_find(&list, "p").len == 0);
}

TEST(malformed_lists_are_none)
{
    static const char *const bad[] = {
        ";",          "a=1;;b=2", "a=1; ;b=2",  "a=1;b=2;;",      "a",
        "a;b=1",      "=1",       "1=a",        "_a=1",           "a-b=1",
        "a b=1",      "a=1;a=2",  "a=1; a =1",  "a=\r1",          "a=1\r\nb",
        "a=1\r\n",    "a=1\n",    "a=\x01",     "a=\x7f",         "a=b\x80",
        "a=\xc3",     "a=\xc3(",  "\xc3\xa9=1", "a=\xed\xa0\x80", "a=\xc3\xa9\x01",
        "a=x\r \n y",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]))
            mw_test_fail(__FILE__, __LINE__, "taken: '%s'", bad[i]);
    CHECK(!taglist_parse(SLICE("a=\0", 3), &list));
}

TEST(values_may_be_utf8_and_have_equal_signs)
{
    CHECK(parse("i=@b\xc3\xbc"
                "cher.example; n=a=b; A=1; a=2"));
    CHECK_SLICE(taglist_find(&list, "i"), "@b\xc3\xbc"
                                          "cher.example");
    CHECK_SLICE(taglist_find(&list, "n"), "a=b");
    CHECK_SLICE(taglist_find(&list, "A"), "1");
    CHECK_SLICE(taglist_find(&list, "a"), "2");
}

TEST(tags_are_counted)
{
    char text[1000];
    struct builder builder = {text, 0, sizeof text};
    for (int i = 0; i < TAGLIST_MAX; i++)
        builder_putf(&builder, "t%d=%d;", i, i);
    CHECK(taglist_parse(SLICE(text, builder.len), &list));
    CHECK_INT(list.count, TAGLIST_MAX);
    builder_putf(&builder, " ");
    CHECK(taglist_parse(SLICE(text, builder.len), &list));
    builder_putf(&builder, "u=");
    CHECK(!taglist_parse(SLICE(text, builder.len), &list));
}

/* 10 MB of what could be read again and again. */
TEST(long_lists_take_linear_time)
{
    enum { SIZE = 10000000 };
    static const char fill[] = " a;=\xc3";
    for (size_t i = 0; i + 1 < sizeof fill; i++) {
        char *text = malloc(SIZE);
        memset(text, fill[i], SIZE);
        memcpy(text, "a=", 2);
        CHECK(taglist_parse(SLICE(text, SIZE), &list) == (fill[i] != ';' && fill[i] != '\xc3'));
        free(text);
    }
}
