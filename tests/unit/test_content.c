/* test_content.c - the view of a message: what each need decodes, the bounds, and that it stays as it
 * is. The decoders below it have tests of their own. */
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "message/content.h"
#include "message/mime.h"
#include "test.h"

static struct mw_content_kit *kit;

static struct mw_content_maker *make(const char *message, uint32_t needs)
{
    if (kit == NULL)
        kit = mw_content_kit_new();
    struct mw_content_maker *maker = mw_content_new(needs, kit);
    mw_content_feed(maker, (struct mw_slice){message, strlen(message)});
    return maker;
}

/* The part whose path is that; NULL: none. */
static const struct mw_content_part *part_at(const struct mw_content *view, const char *path)
{
    for (size_t i = 0; i < view->part_count; i++)
        if (!view->parts[i]->is_container && mw_slice_eq(view->parts[i]->path, mw_slice_cstr(path)))
            return view->parts[i];
    return NULL;
}

static bool has_defect(const struct mw_content *view, const char *name)
{
    for (size_t i = 0; i < view->defect_count; i++)
        if (strcmp(view->defects[i]->name, name) == 0)
            return true;
    return false;
}

static const char mixed[] =
    "From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nfran=E7ais http://one.example/x\r\n"
    "--b\r\nContent-Type: text/html\r\n\r\n"
    "<p>Hi <a href=\"https://Evil.example/login\">https://bank.example</a></p>\r\n"
    "--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b--\r\n";

TEST(texts_are_decoded_and_html_is_what_a_reader_sees)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_PARTS | MW_CONTENT_TEXT |
                                                     MW_CONTENT_HTML | MW_CONTENT_URLS);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK(part_at(view, "1") != NULL && part_at(view, "2") != NULL);
    CHECK_SLICE(part_at(view, "1")->text, "fran\xc3\xa7"
                                          "ais http://one.example/x");
    CHECK_SLICE(mw_slice_trim(part_at(view, "2")->visible), "Hi https://bank.example");
    CHECK(mw_slice_starts(part_at(view, "2")->text, MW_LIT("<p>Hi <a")));
    mw_content_unref(&maker);
}

TEST(links_come_with_their_hosts_and_what_is_shown)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_URLS);
    const struct mw_content *view = mw_content_finish(maker, true);
    const struct mw_content_url *link = NULL, *plain = NULL;
    for (size_t i = 0; i < view->url_count; i++) {
        if (view->urls[i]->source == MW_URL_LINK)
            link = view->urls[i];
        else if (mw_slice_eq(view->urls[i]->host, MW_LIT("one.example")))
            plain = view->urls[i];
    }
    CHECK(link != NULL && plain != NULL);
    CHECK_SLICE(link->host, "evil.example");
    CHECK_SLICE(link->scheme, "https");
    CHECK_SLICE(link->text, "https://bank.example");
    CHECK_SLICE(plain->url, "http://one.example/x");
    mw_content_unref(&maker);
}

TEST(what_was_not_asked_for_is_empty)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_PARTS);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_INT(view->url_count, 0);
    for (size_t i = 0; i < view->part_count; i++) {
        CHECK_INT(view->parts[i]->text.len, 0);
        CHECK_INT(view->parts[i]->sha256.len, 0);
        CHECK_INT(view->parts[i]->magic.len, 0);
    }
    CHECK(part_at(view, "3") != NULL);
    CHECK_INT(part_at(view, "3")->octets, 3);
    CHECK_SLICE(part_at(view, "3")->names[0], "a.bin");
    CHECK_INT(part_at(view, "3")->is_attachment, 1);
    CHECK_INT(part_at(view, "1")->is_attachment, 0);
    mw_content_unref(&maker);
}

TEST(hashes_are_of_the_decoded_octets)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_SHA256);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_SLICE(part_at(view, "3")->sha256, /* FIPS 180-2 B.1: "abc" */
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    mw_content_unref(&maker);
}

TEST(a_page_names_its_own_charset)
{
    struct mw_content_maker *maker = make(
        "Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "<meta charset=\"windows-1251\"><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>",
        MW_CONTENT_HTML);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK(strstr(view->parts[0]->visible.ptr, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82") !=
          NULL);
    mw_content_unref(&maker);
}

TEST(a_page_under_another_type_is_read_as_one)
{
    struct mw_content_maker *maker = make(
        "Content-Type: application/octet-stream; name=\"invoice.html\"\r\n\r\n"
        "<a href=\"http://evil.example/\">pay</a>",
        MW_CONTENT_URLS);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_INT(view->url_count, 1);
    CHECK_SLICE(view->urls[0]->host, "evil.example");
    mw_content_unref(&maker);
}

TEST(texts_have_no_nul_and_lf_line_ends)
{
    struct mw_buf message = {0};
    mw_buf_put(&message, MW_LIT("Content-Type: text/plain\r\n\r\na\0b\r\nc\rd"));
    if (kit == NULL)
        kit = mw_content_kit_new();
    struct mw_content_maker *maker = mw_content_new(MW_CONTENT_TEXT, kit);
    mw_content_feed(maker, mw_buf_view(&message));
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_SLICE(view->parts[0]->text, "ab\nc\nd");
    CHECK(has_defect(view, "text-nul"));
    mw_content_unref(&maker);
    mw_buf_fini(&message);
}

TEST(unknown_and_broken_charsets_are_defects)
{
    struct mw_content_maker *maker = make("Content-Type: text/plain; charset=x-none-such\r\n\r\nhi",
                                          MW_CONTENT_TEXT);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK(has_defect(view, "charset-unknown"));
    CHECK_SLICE(view->parts[0]->text, "hi");
    mw_content_unref(&maker);
    maker = make("Content-Type: text/plain; charset=utf-8\r\n\r\nh\xff\xfei", MW_CONTENT_TEXT);
    CHECK(has_defect(mw_content_finish(maker, true), "charset-bad"));
    mw_content_unref(&maker);
}

/* U+FF01 begins with the same octet as U+FFFD, which stands for what is broken. */
TEST(a_character_like_the_replacement_is_no_defect)
{
    struct mw_content_maker *maker = make(
        "Content-Type: text/plain; charset=utf-8\r\n\r\nhi\xef\xbc\x81\xef\xbc\x81",
        MW_CONTENT_TEXT);
    CHECK(!has_defect(mw_content_finish(maker, true), "charset-bad"));
    mw_content_unref(&maker);
    maker = make("Content-Type: text/plain; charset=utf-8\r\n\r\nhi\xef\xbc\x81\xff",
                 MW_CONTENT_TEXT);
    CHECK(has_defect(mw_content_finish(maker, true), "charset-bad"));
    mw_content_unref(&maker);
}

/* Of one that two parts show, too; and what the view has of links when there are none. */
TEST(links_are_counted_over_all_parts)
{
    struct mw_content_maker *maker = make(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhttp://one.example/\r\n"
        "--b\r\n\r\nnothing\r\n--b\r\n\r\nhttp://one.example/ http://two.example/\r\n--b--\r\n",
        MW_CONTENT_URLS);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_INT(view->url_count, 2);
    CHECK_SLICE(view->urls[0]->host, "one.example");
    CHECK_SLICE(view->urls[1]->host, "two.example");
    mw_content_unref(&maker);
    maker = make("Subject: x\r\n\r\nnothing\r\n", MW_CONTENT_URLS);
    CHECK_INT(mw_content_finish(maker, true)->url_count, 0);
    mw_content_unref(&maker);
}

/* ---- bounds ---- */

static void feed_lines(struct mw_content_maker *maker, char fill, size_t octets)
{
    char line[1000];
    memset(line, fill, sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (size_t fed = 0; fed < octets; fed += sizeof line)
        mw_content_feed(maker, MW_SLICE(line, sizeof line));
}

TEST(of_a_long_text_head_and_tail_are_kept)
{
    struct mw_content_maker *maker = make("Content-Type: text/plain\r\n\r\nHEAD\r\n",
                                          MW_CONTENT_TEXT);
    feed_lines(maker, 'x', 3 * 1024 * 1024);
    mw_content_feed(maker, MW_LIT("TAIL"));
    CHECK(mw_content_memory(maker) < 2u * MW_CONTENT_TEXT_MAX);
    const struct mw_content *view = mw_content_finish(maker, true);
    struct mw_slice text = view->parts[0]->text;
    CHECK_INT(view->parts[0]->is_truncated, 1);
    CHECK(has_defect(view, "text-truncated"));
    CHECK(text.len <= MW_CONTENT_TEXT_MAX + 1 && text.len > MW_CONTENT_TEXT_MAX * 9 / 10);
    CHECK(mw_slice_starts(text, MW_LIT("HEAD\n")));
    CHECK(mw_slice_iends(text, MW_LIT("x\nTAIL")));
    mw_content_unref(&maker);
}

TEST(a_text_a_little_longer_than_the_head_is_whole)
{
    struct mw_content_maker *maker = make("Content-Type: text/plain\r\n\r\n", MW_CONTENT_TEXT);
    for (size_t i = 0; i < 60000; i++) {
        char word[16];
        int len = snprintf(word, sizeof word, "%09zu\r\n", i);
        mw_content_feed(maker, MW_SLICE(word, (size_t)len));
    }
    const struct mw_content *view = mw_content_finish(maker, true);
    struct mw_slice text = view->parts[0]->text;
    CHECK_INT(view->parts[0]->is_truncated, 0);
    CHECK_INT(text.len, 600000);
    for (size_t i = 0; i < 60000; i += 977) {
        char word[16];
        snprintf(word, sizeof word, "%09zu\n", i);
        CHECK(memcmp(text.ptr + 10 * i, word, 10) == 0);
    }
    mw_content_unref(&maker);
}

TEST(many_long_texts_stay_within_the_message_s_bound)
{
    struct mw_content_maker *maker = make("Content-Type: multipart/mixed; boundary=b\r\n\r\n",
                                          MW_CONTENT_URLS);
    for (int i = 0; i < 12; i++) {
        mw_content_feed(maker, MW_LIT("--b\r\nContent-Type: text/plain\r\n\r\n"));
        feed_lines(maker, (char)('a' + i), 900 * 1024);
    }
    CHECK(mw_content_memory(maker) < 2u * MW_CONTENT_TEXTS_MAX);
    CHECK(mw_content_is_heavy(maker));
    const struct mw_content *view = mw_content_finish(maker, false);
    size_t total = 0;
    for (size_t i = 0; i < view->part_count; i++)
        total += view->parts[i]->text.len;
    CHECK(total <= MW_CONTENT_TEXTS_MAX + 100);
    CHECK(has_defect(view, "text-truncated"));
    mw_content_unref(&maker);
}

TEST(a_large_attachment_costs_no_memory)
{
    struct mw_content_maker *maker = make(
        "Content-Type: application/octet-stream; name=x.bin\r\n\r\n",
        MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_URLS | MW_CONTENT_SHA256 |
            MW_CONTENT_MAGIC | MW_CONTENT_ARCHIVES);
    feed_lines(maker, 'z', 20 * 1024 * 1024);
    CHECK(mw_content_memory(maker) < 256 * 1024);
    const struct mw_content *view = mw_content_finish(maker, false);
    CHECK(view->parts[0]->octets >= 20 * 1024 * 1024);
    CHECK_INT(view->parts[0]->sha256.len, 64);
    mw_content_unref(&maker);
}

TEST(an_archive_is_looked_into_whether_short_or_in_pieces)
{
    /* a zip with one stored member "evil.exe" of two octets */
    static const char zip[] =
        "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\2\0\0\0\10\0\0\0evil.exeMZ"
        "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\2\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "\0\0"
        "evil.exe"
        "PK\5\6\0\0\0\0\1\0\1\0\66\0\0\0\50\0\0\0\0\0";
    for (size_t piece = 1; piece <= sizeof zip; piece += 13) {
        struct mw_content_maker *maker = make(
            "Content-Type: application/zip\r\nContent-Transfer-Encoding: binary\r\n\r\n",
            MW_CONTENT_ARCHIVES);
        for (size_t at = 0; at < sizeof zip - 1; at += piece)
            mw_content_feed(maker, mw_slice_take(MW_SLICE(zip + at, sizeof zip - 1 - at), piece));
        CHECK(mw_content_is_heavy(maker) || sizeof zip < 512);
        const struct mw_content *view = mw_content_finish(maker, false);
        CHECK(view->parts[0]->member_count >= 1);
        CHECK_SLICE(view->parts[0]->members[0]->name, "evil.exe");
        mw_content_unref(&maker);
    }
}

/* ---- life ---- */

TEST(a_view_lives_until_its_last_holder_lets_go)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_TEXT);
    CHECK(mw_content_view(maker) == NULL);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK(mw_content_view(maker) == view && mw_content_maker_of(view) == maker);
    mw_content_ref(maker);
    struct mw_content_maker *other = maker;
    mw_content_unref(&maker);
    CHECK(maker == NULL);
    CHECK_SLICE(mw_slice_take(part_at(view, "1")->text, 4), "fran");
    mw_content_unref(&other);
}

TEST(a_view_that_was_never_finished_is_freed)
{
    struct mw_content_maker *maker = make(mixed, MW_CONTENT_SHA256 | MW_CONTENT_TEXT |
                                                     MW_CONTENT_ARCHIVES | MW_CONTENT_MAGIC);
    mw_content_unref(&maker);
    mw_content_unref(&maker); /* NULL is no view */
    CHECK(maker == NULL);
}

TEST(an_empty_message_has_one_part)
{
    struct mw_content_maker *maker = make("", MW_CONTENT_URLS | MW_CONTENT_SHA256);
    const struct mw_content *view = mw_content_finish(maker, true);
    CHECK_INT(view->part_count, 1);
    CHECK_SLICE(view->parts[0]->type, "text/plain");
    CHECK_INT(view->url_count, 0);
    mw_content_unref(&maker);
}

TEST(every_defect_has_a_name_a_severity_and_a_meaning)
{
    for (unsigned i = 0; i < MW_DEFECT_COUNT; i++) {
        const struct mw_content_defect *defect = mw_content_defect(i);
        CHECK(defect != NULL && defect->name[0] != '\0' && defect->meaning[0] != '\0');
        for (unsigned k = 0; k < i; k++)
            CHECK(strcmp(mw_content_defect(k)->name, defect->name) != 0);
    }
    CHECK(mw_content_defect(MW_DEFECT_COUNT) == NULL);
}

TEST(a_zip_behind_other_octets_is_opened_by_its_name)
{
    static const char message[] =
        "Content-Type: image/gif; name=\"holiday.zip\"\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "GIF89aPK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\2\0\0\0\10\0\0\0evil.exeMZ"
        "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\2\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\0\0\6\0"
        "\0\0"
        "evil.exe"
        "PK\5\6\0\0\0\0\1\0\1\0\66\0\0\0\56\0\0\0\0\0";
    struct mw_content_maker *maker = make("", MW_CONTENT_ARCHIVES);
    mw_content_feed(maker, MW_SLICE(message, sizeof message - 1));
    const struct mw_content *view = mw_content_finish(maker, false);
    CHECK(view->parts[0]->member_count >= 1);
    CHECK_SLICE(view->parts[0]->members[0]->name, "evil.exe");
    CHECK(has_defect(view, "archive-bad"));
    mw_content_unref(&maker);
}

TEST(what_programs_show_as_a_page_or_a_text_is_one)
{
    static const char *const pages[] = {"text/x-amp-html", "text/watch-html",
                                        "application/x; name=\"a.html.\"",
                                        "application/x; name=x.hta"};
    for (size_t i = 0; i < 4; i++) {
        char message[200];
        snprintf(message, sizeof message, "Content-Type: %s\r\n\r\n<b>hi</b>", pages[i]);
        struct mw_content_maker *maker = make(message, MW_CONTENT_HTML);
        const struct mw_content *view = mw_content_finish(maker, true);
        CHECK_SLICE(mw_slice_trim(view->parts[0]->visible), "hi");
        mw_content_unref(&maker);
    }
    struct mw_content_maker *maker = make(
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x", MW_CONTENT_TEXT);
    CHECK_SLICE(mw_content_finish(maker, true)->parts[0]->text, "Reporting-MTA: dns; x");
    mw_content_unref(&maker);
}
