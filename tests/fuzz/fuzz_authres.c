/* fuzz_authres.c - any octets as the value of an Authentication-Results field, held against a strict
 * reader of RFC 8601 2.2 that is written anew here: what that reads as our name is never kept, what
 * it reads as another's goes only where the spelling leaves room for a second opinion. Behind
 * mw_authres_strip() no field of ours is left, and the others are untouched. As a result of a filter,
 * the octets never break out of their place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mw_slice ids[] = {MW_LIT("mx.test"), MW_LIT("xn--bcher-kva.test")};
enum { IDS = 2 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the strict reader ---- */

struct reader {
    struct mw_slice in;
    size_t at;
    bool is_simple; /* nothing was met that another reader could take otherwise */
    unsigned comments;
};

static int peek(const struct reader *reader)
{
    return reader->at < reader->in.len ? (unsigned char)reader->in.ptr[reader->at] : -1;
}

static bool skip_one_comment(struct reader *reader)
{
    int depth = 0;
    reader->comments++;
    do {
        int c = peek(reader);
        if (c < 0)
            return false;
        if (c == '\\') {
            reader->is_simple = false;
            reader->at++;
        } else if (c == '(') {
            if (++depth > 1)
                reader->is_simple = false;
        } else if (c == ')') {
            depth--;
        } else if (c == ';') { /* a reader may cut there first */
            reader->is_simple = false;
        }
        reader->at++;
    } while (depth > 0);
    return reader->at <= reader->in.len;
}

static bool skip_cfws(struct reader *reader)
{
    for (;;) {
        int c = peek(reader);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            reader->at++;
        else if (c != '(')
            return true;
        else if (!skip_one_comment(reader))
            return false;
    }
}

static bool read_quoted(struct reader *reader, struct mw_buf *out)
{
    for (reader->at++; peek(reader) != '"'; reader->at++) {
        if (peek(reader) == '\\')
            reader->at++;
        int c = peek(reader);
        if (c < 0)
            return false;
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            mw_buf_putc(out, (char)c);
        reader->is_simple &= c > ' ' && c < 0x7f && c != '\\' && c != '"' && c != ';';
    }
    reader->at++;
    return true;
}

static bool is_token(int c)
{
    static const char specials[] = "()<>@,;:\\\"/[]?=";
    return c >= 0x80 || (c > ' ' && c != 0x7f && memchr(specials, c, sizeof specials - 1) == NULL);
}

/* [CFWS] authserv-id [CFWS version] [CFWS] ";" or the end. False: it is something else. */
static bool read_strictly(struct reader *reader, struct mw_buf *out)
{
    if (!skip_cfws(reader))
        return false;
    if (peek(reader) == '"') {
        if (!read_quoted(reader, out))
            return false;
    } else {
        for (; peek(reader) >= 0 && is_token(peek(reader)); reader->at++)
            mw_buf_putc(out, (char)peek(reader));
    }
    if (out->len == 0 || !skip_cfws(reader))
        return false;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return skip_cfws(reader) && (peek(reader) < 0 || peek(reader) == ';');
}

static bool is_plain_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static void check_whose(struct mw_slice value, bool is_own)
{
    struct reader reader = {.in = value, .is_simple = true};
    struct mw_buf word = {0};
    bool is_read = read_strictly(&reader, &word);
    struct mw_slice name = mw_buf_view(&word);
    while (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    bool is_equal = mw_slice_ieq(name, ids[0]) || mw_slice_ieq(name, ids[1]);
    bool has_encoded = value.len > 0 && memmem(value.ptr, value.len, "=?", 2) != NULL;
    if (is_read && is_equal)
        expect(is_own);
    else if (is_read && reader.is_simple && reader.comments < 50 && is_plain_ascii(name) &&
             !has_encoded)
        expect(!is_own);
    mw_buf_fini(&word);
}

/* ---- in a header ---- */

static void put_out(void *user, struct mw_slice octets)
{
    mw_buf_put(user, octets);
}

static void read_block(struct mw_slice block, struct mw_arena *arena, struct mw_headers *out)
{
    static const struct mw_header_limits limits = {1u << 20, 1000, 50};
    size_t used;
    struct mw_slice body;
    bool has_hops;
    mw_headers_init(out, arena);
    if (mw_headers_take(out, &limits, block, &used, &body, &has_hops) == MW_AGAIN)
        mw_headers_finish(out, &body);
}

static void check_strip(struct mw_slice value)
{
    struct mw_arena arena = {0};
    struct mw_buf block = {0}, out = {0};
    struct mw_headers headers, again;
    mw_buf_put(&block, MW_LIT("A: b\r\nAuthentication-Results: other.test; none\r\n"
                              "Authentication-Results:"));
    mw_buf_put(&block, value);
    mw_buf_put(&block, MW_LIT("\r\nauthentication-results : MX.test; none\r\nC: d\r\n\r\n"));
    read_block(mw_buf_view(&block), &arena, &headers);
    if (headers.is_complete) {
        size_t before = headers.count, deleted = mw_authres_strip(&headers, ids, IDS);
        expect(headers.count + deleted == before && headers.is_edited == (deleted > 0));
        expect(mw_slice_eq(headers.fields[0].raw, MW_LIT("A: b\r\n")));
        expect(
            mw_slice_starts(headers.fields[1].raw, MW_LIT("Authentication-Results: other.test")));
        for (size_t i = 1; i < headers.count; i++) /* in order, each where it was */
            expect(headers.fields[i].raw.ptr > headers.fields[i - 1].raw.ptr);
        mw_headers_write(&headers, put_out, &out);
        read_block(mw_buf_view(&out), &arena, &again);
        expect(again.count == headers.count && mw_authres_strip(&again, ids, IDS) == 0);
        mw_headers_fini(&again);
    }
    mw_headers_fini(&headers);
    mw_buf_fini(&block);
    mw_buf_fini(&out);
    mw_arena_fini(&arena);
}

/* ---- behind a header without an end ---- */

static bool watch_in_pieces(struct mw_slice text, size_t size)
{
    struct mw_authres_watch watch = {0};
    for (size_t at = 0; at < text.len; at += size)
        mw_authres_watch(&watch, mw_slice_take(mw_slice_skip(text, at), size), ids, IDS);
    bool has_own = mw_authres_watch_end(&watch, ids, IDS);
    mw_authres_watch_fini(&watch);
    return has_own;
}

/* Wherever it is cut; and what the strict reader takes for ours behind a line that is no field is
 * seen. */
static void check_watch(struct mw_slice value)
{
    struct mw_buf text = {0};
    struct mw_arena arena = {0};
    struct mw_headers headers;
    expect(watch_in_pieces(value, 1) == watch_in_pieces(value, value.len + 1) &&
           watch_in_pieces(value, 1) == watch_in_pieces(value, 7));
    mw_buf_put(&text, MW_LIT("Authentication-Results:"));
    mw_buf_put(&text, value);
    mw_buf_put(&text, MW_LIT("\r\n\r\n"));
    read_block(mw_buf_view(&text), &arena, &headers);
    if (headers.is_complete && headers.count > 0 && mw_authres_strip(&headers, ids, IDS) > 0)
        expect(watch_in_pieces(mw_buf_view(&text), 1));
    mw_headers_fini(&headers);
    mw_buf_fini(&text);
    mw_arena_fini(&arena);
}

/* ---- as a result ---- */

static void check_result(struct mw_slice result)
{
    if (mw_authres_problem(result, true) != NULL)
        return;
    struct mw_arena arena = {0};
    struct mw_buf value = {0};
    struct mw_headers headers;
    const struct mw_slice results[] = {result, MW_LIT("last=pass")};
    mw_authres_print(ids[0], results, 2, &value);
    read_block(MW_LIT("A: b\r\n\r\n"), &arena, &headers);
    expect(mw_headers_insert(&headers, 0, MW_LIT(MW_AUTHRES_FIELD), mw_buf_view(&value)) == MW_OK);
    struct mw_slice rest = headers.fields[0].raw, line;
    size_t semicolons = 0;
    for (size_t i = 0; i < rest.len; i++)
        semicolons += rest.ptr[i] == ';';
    expect(semicolons == 2);
    while (mw_slice_split(rest, '\n', &line, &rest))
        expect(line.len <= 999 && (rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == '\t'));
    expect(mw_authres_is_own(mw_field_value(&headers.fields[0]), ids, IDS));
    mw_headers_fini(&headers);
    mw_buf_fini(&value);
    mw_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice value = MW_SLICE((const char *)data, size);
    if (size == 0)
        value = MW_EMPTY;
    check_whose(value, mw_authres_is_own(value, ids, IDS));
    check_strip(value);
    check_watch(value);
    check_result(value);
    return 0;
}
