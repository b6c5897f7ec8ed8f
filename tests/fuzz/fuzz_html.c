/* fuzz_html.c - any octets as HTML: bounds hold, everything is where the header says, and what is
 * well-formed UTF-8 stays so. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "message/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static bool is_within(struct mw_slice inner, struct mw_slice outer)
{
    return inner.len == 0 ||
           (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

/* One blank or line end between words, none at the ends. */
static void expect_neat(struct mw_slice text)
{
    bool was_space = true;
    for (size_t i = 0; i < text.len; i++) {
        bool is_space = text.ptr[i] == ' ' || text.ptr[i] == '\n';
        expect(text.ptr[i] != '\t' && text.ptr[i] != '\r' && text.ptr[i] != '\f');
        expect(text.ptr[i] != '\0' && !(is_space && was_space));
        was_space = is_space;
    }
    expect(text.len == 0 || !was_space);
}

static void expect_link(const struct mw_html_link *link, struct mw_slice visible, bool is_utf8)
{
    expect(link->url.len <= MW_HTML_URL_MAX && link->text.len <= MW_HTML_LINK_TEXT_MAX);
    expect(is_within(link->text, visible));
    expect(!link->is_resource || link->text.len == 0);
    expect(!is_utf8 || (mw_utf8_is_valid(link->url) && mw_utf8_is_valid(link->text)));
    for (size_t i = 0; i < link->url.len; i++)
        expect(memchr("\t\r\n", link->url.ptr[i], 3) == NULL);
}

static void read_once(struct mw_slice html)
{
    struct mw_arena arena = {0};
    struct mw_html read;
    mw_html_read(html, &arena, &read);
    bool is_utf8 = mw_utf8_is_valid(html);
    expect(read.visible.len <= 2 * html.len);
    expect(read.link_count <= MW_HTML_LINKS_MAX);
    expect_neat(read.visible);
    expect(!is_utf8 || (mw_utf8_is_valid(read.visible) && mw_utf8_is_valid(read.base)));
    for (size_t i = 0; i < read.link_count; i++)
        expect_link(&read.links[i], read.visible, is_utf8);
    mw_arena_fini(&arena);
}

static void unescape_once(struct mw_slice text, size_t max)
{
    struct mw_buf out = MW_BUF_INIT(max);
    mw_html_unescape(text, &out);
    expect(max == 0 || out.len <= max);
    expect(max != 0 || !mw_utf8_is_valid(text) || mw_utf8_is_valid(mw_buf_view(&out)));
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a block of exactly this size, so that a read behind it is seen */
    char *copy = malloc(size + 1);
    expect(copy != NULL);
    char *html = copy + 1;
    if (size > 0)
        memcpy(html, data, size);
    read_once(MW_SLICE(html, size));
    unescape_once(MW_SLICE(html, size), 0);
    unescape_once(MW_SLICE(html, size), 16);
    free(copy);
    return 0;
}
