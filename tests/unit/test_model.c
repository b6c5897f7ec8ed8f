/* test_model.c - the upstream of `mailweir simulate`: replies, logins, and content found again
 * however it is cut; and octets of strangers made fit for a terminal. */
#include <stdlib.h>

#include "cli/cli_priv.h"
#include "cli/model.h"
#include "test.h"

struct bench {
    struct mw_model model;
    struct mw_buf replies;
    size_t messages;
    uint64_t size;
    char envelope[256], header[256];
};

static void on_message(void *user, const struct mw_model *model)
{
    struct bench *bench = user;
    bench->messages++;
    bench->size = model->size;
    snprintf(bench->envelope, sizeof bench->envelope, "%.*s", (int)model->envelope.len,
             model->envelope.ptr);
    snprintf(bench->header, sizeof bench->header, "%.*s", (int)model->header.len,
             model->header.len > 0 ? model->header.ptr : "");
}

static void start(struct bench *bench, const struct mw_model_offers *offers)
{
    *bench = (struct bench){0};
    mw_model_init(&bench->model, offers);
    bench->model.on_message = on_message;
    bench->model.user = bench;
}

static void stop(struct bench *bench)
{
    mw_model_fini(&bench->model);
    mw_buf_fini(&bench->replies);
}

/* In pieces of `step` octets, each in memory of its own. */
static void speak(struct bench *bench, const char *octets, size_t step)
{
    struct mw_slice rest = mw_slice_cstr(octets);
    while (rest.len > 0) {
        struct mw_buf piece = {0};
        mw_buf_put(&piece, mw_slice_take(rest, step));
        mw_model_take(&bench->model, mw_buf_view(&piece), &bench->replies);
        rest = mw_slice_skip(rest, step);
        mw_buf_fini(&piece);
    }
}

/* The codes of the replies since the last call: "250-250 354 ". */
static const char *codes(struct bench *bench)
{
    static char text[256];
    size_t len = 0;
    struct mw_slice line, rest = mw_buf_view(&bench->replies);
    while (mw_slice_split(rest, '\n', &line, &rest) && len + 5 < sizeof text) {
        memcpy(text + len, line.ptr, 4);
        len += 4;
    }
    text[len] = '\0';
    bench->replies.len = 0;
    return text;
}

static const struct mw_model_offers no_offers;

TEST(message_by_data_is_found_in_any_pieces)
{
    static const char dialogue[] =
        "MAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
        "Subject: x\r\nA: b\r\n\r\n..dot\r\n...\r\n\r\n.\r\n";
    for (size_t step = 1; step < sizeof dialogue; step++) {
        struct bench bench;
        start(&bench, &no_offers);
        speak(&bench, dialogue, step);
        CHECK_INT(bench.messages, 1);
        CHECK_SLICE(mw_slice_cstr(codes(&bench)), "250 250 250 354 250 ");
        CHECK_SLICE(mw_slice_cstr(bench.envelope),
                    "MAIL FROM:<a@b> SIZE=1\nRCPT TO:<c@d>\nRCPT TO:<e@f>\n");
        CHECK_SLICE(mw_slice_cstr(bench.header), "Subject: x\r\nA: b\r\n\r\n");
        CHECK_INT(bench.size, 20 + 6 + 4 + 2);
        stop(&bench);
    }
}

TEST(message_by_bdat_is_found_in_any_pieces)
{
    static const char dialogue[] = "MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 11\r\nS: "
                                   "x\r\n\r\n.\r\nBDAT 0\r\nBDAT 5 LAST\r\n\r\n.\r\n"
                                   "MAIL FROM:<>\r\nBDAT 0 LAST\r\nQUIT\r\n";
    for (size_t step = 1; step < sizeof dialogue; step++) {
        struct bench bench;
        start(&bench, &no_offers);
        speak(&bench, dialogue, step);
        CHECK_INT(bench.messages, 2);
        CHECK_SLICE(mw_slice_cstr(codes(&bench)), "250 250 250 250 250 250 250 221 ");
        CHECK_SLICE(mw_slice_cstr(bench.envelope), "MAIL FROM:<>\n");
        CHECK_INT(bench.size, 0);
        stop(&bench);
    }
}

TEST(content_without_header_and_header_without_body)
{
    struct bench bench;
    start(&bench, &no_offers);
    speak(&bench, "DATA\r\n\r\nbody\r\n.\r\n", 100);
    CHECK_SLICE(mw_slice_cstr(bench.header), "\r\n");
    speak(&bench, "DATA\r\nA: b\r\n.\r\n", 100);
    CHECK_SLICE(mw_slice_cstr(bench.header), "A: b\r\n");
    speak(&bench, "DATA\r\n.\r\n", 100);
    CHECK_SLICE(mw_slice_cstr(bench.header), "");
    CHECK_INT(bench.size, 0);
    CHECK_INT(bench.messages, 3);
    stop(&bench);
}

TEST(header_that_never_ends_is_bounded)
{
    struct bench bench;
    char *line = mw_xalloc(100001);
    memset(line, 'x', 100000);
    line[100000] = '\0';
    start(&bench, &no_offers);
    speak(&bench, "DATA\r\n", 100);
    for (int i = 0; i < 30; i++)
        speak(&bench, line, 100000);
    CHECK(bench.model.header.len <= MW_MODEL_HEADER_MAX);
    CHECK(bench.model.in.len <= 65536);
    speak(&bench, "\r\n.\r\n", 100);
    CHECK_INT(bench.size, 3000002);
    stop(&bench);
    free(line);
}

TEST(logins_are_taken)
{
    static const struct {
        const char *dialogue, *codes;
    } cases[] = {
        {"AUTH PLAIN AGEAYg==\r\n", "235 "},
        {"AUTH PLAIN\r\nAGEAYg==\r\n", "334 235 "},
        {"AUTH LOGIN\r\nYQ==\r\nYg==\r\n", "334 334 235 "},
        {"AUTH LOGIN YQ==\r\nYg==\r\n", "334 235 "},
        {"AUTH LOGIN\r\n*\r\nNOOP\r\n", "334 501 250 "},
        {"AUTH\r\nNOOP\r\n", "501 250 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        start(&bench, &no_offers);
        speak(&bench, cases[i].dialogue, 3);
        CHECK_SLICE(mw_slice_cstr(codes(&bench)), cases[i].codes);
        stop(&bench);
    }
}

TEST(offers_are_announced)
{
    const struct mw_model_offers all = {true, true, true};
    struct bench bench;
    start(&bench, &all);
    speak(&bench, "EHLO x\r\n", 100);
    mw_buf_putc(&bench.replies, '\0');
    CHECK(strstr(bench.replies.ptr, "\n250-STARTTLS\r\n") != NULL);
    CHECK(strstr(bench.replies.ptr, "\n250-XCLIENT NAME ADDR ") != NULL);
    CHECK(strstr(bench.replies.ptr, "\n250-XFORWARD NAME ADDR ") != NULL);
    stop(&bench);
    start(&bench, &no_offers);
    speak(&bench, "EHLO x\r\n", 100);
    mw_buf_putc(&bench.replies, '\0');
    CHECK(strstr(bench.replies.ptr, "STARTTLS") == NULL);
    CHECK(strstr(bench.replies.ptr, "XCLIENT") == NULL);
    stop(&bench);
}

TEST(new_connection_begins_anew)
{
    struct bench bench;
    start(&bench, &no_offers);
    speak(&bench, "MAIL FROM:<a@b>\r\nDATA\r\nhalf", 100);
    codes(&bench);
    mw_model_greet(&bench.model, &bench.replies);
    speak(&bench, "MAIL FROM:<c@d>\r\nDATA\r\nx\r\n.\r\n", 100);
    CHECK_SLICE(mw_slice_cstr(codes(&bench)), "220 250 354 250 ");
    CHECK_SLICE(mw_slice_cstr(bench.envelope), "MAIL FROM:<c@d>\n");
    CHECK_INT(bench.size, 3);
    stop(&bench);
}

TEST(octets_for_a_terminal)
{
    static const struct {
        const char *octets, *shown;
        size_t max;
    } cases[] = {
        {"plain text", "plain text", 100},
        {"a\r\nb\x1b[1m\x7f", "a\\x0d\\x0ab\\x1b[1m\\x7f", 100},
        {"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac", 100},
        {"\xc2\x9b"
         "31m \xc2\xa0",
         "\\xc2\\x9b31m \xc2\xa0", 100},
        {"\xff\xfe \xe2\x82", "\\xff\\xfe \\xe2\\x82", 100},
        {"abcdef", "abc...", 3},
        {"\xe2\x82\xac", "\\xe2\\x82...", 2},
        {"abc", "abc", 3},
        {"", "", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_buf out = {0};
        mw_cli_put(&out, mw_slice_cstr(cases[i].octets), cases[i].max);
        CHECK_SLICE(mw_buf_view(&out), cases[i].shown);
        mw_buf_fini(&out);
    }
}
