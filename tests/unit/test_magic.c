/* test_magic.c - what octets look like, and which disagreements are a lie. Where libmagic has no
 * database, the tests that need one say so. */
#include "message/magic.h"

#include <stdlib.h>
#include <time.h>

#include "test.h"

static struct mw_magic *magic; /* opened once: it takes a while */

static bool has_magic(void)
{
    const char *text = "";
    if (magic == NULL)
        magic = mw_magic_new(&text);
    if (magic == NULL)
        printf("     left out: %s\n", text);
    return magic != NULL;
}

__attribute__((destructor)) static void close_magic(void)
{
    mw_magic_free(&magic);
}

static const char pe[] = "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0"
                         "\0\0\0\0\0\0\0\0\0\0\0\0"
                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0PE\0\0\x4c\1\1\0\0\0\0\0\0\0\0"
                         "\0\0\0\0\0\xe0\0\2\1\x0b"
                         "\1";

static const struct {
    struct mw_slice head;
    const char *want;
} kinds[] = {
    {MW_LIT("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), "application/pdf"},
    {MW_LIT("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"), "image/png"},
    {MW_LIT("GIF89a\1\0\1\0\0\0\0"), "image/gif"},
    {MW_LIT("#!/bin/sh\necho\n"), "text/x-shellscript"},
    {MW_LIT("\x1f\x8b\x08\0\0\0\0\0\0\3"), "application/gzip"},
    {MW_LIT("7z\xbc\xaf\x27\x1c\0\4"), "application/x-7z-compressed"},
    {MW_LIT("<!DOCTYPE html><html><body>"), "text/html"},
    {MW_LIT("{\\rtf1\\ansi x}"), "text/rtf"},
    {MW_LIT("plain words\n"), "text/plain"},
    {MW_LIT(""), ""},
    {MW_LIT("\1\2\3\4\xff\xfe\xfd\0\0\7\x83\x91"), ""},
};

TEST(octets_are_known_by_what_they_begin_with)
{
    if (!has_magic())
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        CHECK_SLICE(mw_magic_type(magic, kinds[i].head), kinds[i].want);
}

TEST(a_program_is_no_picture)
{
    if (!has_magic())
        return;
    struct mw_slice type = mw_magic_type(magic, MW_SLICE(pe, sizeof pe - 1)); /* versions differ */
    CHECK(!mw_magic_agrees(type, MW_LIT("image/png"), MW_LIT("a.png")));
    CHECK(mw_magic_agrees(type, MW_LIT("application/octet-stream"), MW_LIT("a.exe")));
}

TEST(hostile_heads_take_milliseconds)
{
    if (!has_magic())
        return;
    static const char *const units[] = {"\x7f"
                                        "ELF\2\1\1",
                                        "PK\3\4",
                                        "<",
                                        "{\"a\":[",
                                        "a,b\n",
                                        "\xd0\xcf\x11\xe0",
                                        "MZ",
                                        "\x1f\x8b\x08",
                                        "((",
                                        "#!",
                                        "\n",
                                        "Received: ",
                                        "0"};
    double worst = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char head[MW_MAGIC_HEAD];
        struct timespec start, end;
        for (size_t at = 0; at < sizeof head; at++)
            head[at] = units[i][at % strlen(units[i])];
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        mw_magic_type(magic, MW_SLICE(head, sizeof head));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        double took = (double)(end.tv_sec - start.tv_sec) * 1e3 +
                      (double)(end.tv_nsec - start.tv_nsec) / 1e6;
        worst = took > worst ? took : worst;
    }
    printf("     slowest: %.2f ms\n", worst);
    CHECK(worst < 200);
}

static const struct {
    const char *is, *declared, *name;
    bool agrees;
} pairs[] = {
    /* lies */
    {"application/x-dosexec", "image/png", "photo.png", false},
    {"application/x-dosexec", "application/octet-stream", "invoice.pdf", false},
    {"application/x-dosexec", "application/pdf", "", false},
    {"application/x-dosexec", "application/zip", "a.zip", false},
    {"application/x-dosexec", "application/msword", "a.doc", false},
    {"application/x-dosexec", "text/plain", "readme.txt", false},
    {"application/zip", "image/jpeg", "a.jpg", false},
    {"application/x-rar", "application/octet-stream", "a.JPG", false},
    {"application/pdf", "image/png", "a.png", false},
    {"text/html", "image/png", "a.png", false},
    {"text/html", "application/pdf", "a.pdf", false},
    {"text/x-shellscript", "image/gif", "", false},
    {"application/msword", "text/plain", "notes", false},
    {"application/zip", "application/pdf", "a.pdf", false},
    {"text/rtf", "audio/mpeg", "a.mp3", false},
    /* the truth */
    {"application/x-dosexec", "application/x-msdownload", "setup.exe", true},
    {"application/x-dosexec", "application/octet-stream", "setup.exe", true},
    {"application/pdf", "application/pdf", "a.pdf", true},
    {"application/pdf", "application/octet-stream", "a.pdf", true},
    {"application/zip", "application/x-zip-compressed", "a.zip", true},
    {"application/zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
     "a.docx", true},
    {"application/gzip", "application/x-rar", "a.rar", true},
    /* in doubt */
    {"", "image/png", "a.png", true},
    {"text/plain", "image/png", "a.png", true},
    {"image/jpeg", "image/png", "a.png", true},
    {"text/html", "text/plain", "a.txt", true},
    {"text/html", "application/msword", "a.doc", true},
    {"text/html", "application/octet-stream", "page", true},
    {"text/x-shellscript", "text/plain", "", true},
    {"text/rtf", "application/msword", "a.doc", true},
    {"application/zip", "application/x-foo", "a.foo", true},
    {"application/msword", "application/octet-stream", "", true},
    {"image/png", "application/pdf", "a.pdf", true},
    {"application/x-dosexec", "", "", true},
};

TEST(only_dangerous_disagreement_counts)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (mw_magic_agrees(mw_slice_cstr(pairs[i].is), mw_slice_cstr(pairs[i].declared),
                            mw_slice_cstr(pairs[i].name)) != pairs[i].agrees)
            mw_test_fail(__FILE__, __LINE__, "%s as %s, %s", pairs[i].is, pairs[i].declared,
                         pairs[i].name);
}
