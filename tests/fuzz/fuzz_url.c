/* fuzz_url.c - any octets as text with URLs and as one URL: what is found lies in order within the
 * text and can be read; reading a host again gives the same host. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "message/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void expect_host(struct mw_slice host)
{
    expect(mw_utf8_is_valid(host) && host.ptr[host.len - 1] != '.');
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        expect((unsigned char)c > ' ' && c == mw_lower(c) && strchr("/\\?#@%<>|^", c) == NULL);
        expect(c != ':' || host.ptr[0] == '[');
    }
}

/* scheme://host again: the same host, and nothing else. */
static void expect_fixed(const struct mw_url *url, struct mw_arena *arena)
{
    struct mw_slice text = mw_arena_printf(arena, "%.*s://%.*s", (int)url->scheme.len,
                                           url->scheme.ptr, (int)url->host.len, url->host.ptr);
    struct mw_url again;
    expect(mw_url_split(text, arena, &again));
    expect(mw_slice_eq(again.scheme, url->scheme) && mw_slice_eq(again.host, url->host));
    expect(again.port == 0 && !again.has_user && again.path.len == 0);
}

static void split_once(struct mw_slice text)
{
    struct mw_arena arena = {0};
    struct mw_url url;
    if (mw_url_split(text, &arena, &url)) {
        expect(url.scheme.len > 0 && url.port <= 65535 && url.path.len <= MW_URL_MAX);
        if (url.host.len > 0) {
            expect_host(url.host);
            expect_fixed(&url, &arena);
        }
    }
    mw_arena_fini(&arena);
}

static void find_all(struct mw_slice text)
{
    size_t cursor = 0, last = 0;
    struct mw_slice url;
    while (mw_url_next(text, &cursor, &url)) {
        expect(url.len > 2 && url.ptr >= text.ptr + last);
        expect(url.ptr + url.len <= text.ptr + cursor && cursor <= text.len);
        last = cursor;
        split_once(url);
    }
    expect(cursor >= text.len && !mw_url_next(text, &cursor, &url));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    expect(copy != NULL);
    char *text = copy + 1; /* ends with the block, so that a read behind it is seen */
    if (size > 0)
        memcpy(text, data, size);
    find_all(MW_SLICE(text, size));
    split_once(MW_SLICE(text, size));
    free(copy);
    return 0;
}
