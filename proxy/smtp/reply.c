/* reply.c - reads replies line by line from the front, twice if need be: once to find the end and
 * to check, once to rebuild.
 *
 * A reply that we write ourselves goes through put_line() only: whatever the text holds, one line
 * leaves for one line. */
#include "smtp/reply.h"

#include <string.h>

enum { CODE_LEN = 3, OWN_LINE_MAX = 512 };

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_printable(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_control(text.ptr[i]))
            return false;
    return true;
}

/* ---- What the upstream says ---- */

/* Three digits and a separator, as far as they are there already: nonsense is seen at its first
 * octet. RFC 5321 4.2. */
static bool may_begin_line(struct mw_slice line)
{
    static const char highest[] = "559";
    if (line.len > 0 && line.ptr[0] < '2')
        return false;
    for (size_t i = 0; i < line.len && i < CODE_LEN; i++)
        if (line.ptr[i] < '0' || line.ptr[i] > highest[i])
            return false;
    return line.len <= CODE_LEN || strchr(" -\r\n", line.ptr[CODE_LEN]) != NULL;
}

static uint16_t line_code(struct mw_slice line)
{
    return (uint16_t)((line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0'));
}

struct reply_line {
    struct mw_slice text; /* behind code and separator, without the line end */
    size_t used;          /* octets with the line end */
    uint16_t code;
    bool is_last;
    bool is_clean;
};

static enum mw_err take_line(struct mw_slice in, struct reply_line *out_line)
{
    ptrdiff_t end = mw_slice_find(mw_slice_take(in, MW_REPLY_LINE_MAX), '\n');
    if (!may_begin_line(in) || (in.len > CODE_LEN && in.ptr[CODE_LEN] == '\0'))
        return MW_ERR_SYNTAX;
    if (end < 0)
        return in.len >= MW_REPLY_LINE_MAX ? MW_ERR_LIMIT : MW_AGAIN;
    struct mw_slice line = mw_slice_take(in, (size_t)end);
    bool has_cr = line.len > 0 && line.ptr[line.len - 1] == '\r';
    if (has_cr)
        line.len--;
    if (line.len < CODE_LEN || mw_slice_find(line, '\0') >= 0)
        return MW_ERR_SYNTAX;
    if (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' && line.ptr[CODE_LEN] != '-')
        return MW_ERR_SYNTAX;
    *out_line = (struct reply_line){
        .text = mw_slice_skip(line, CODE_LEN + 1),
        .used = (size_t)end + 1,
        .code = line_code(line),
        .is_last = line.len == CODE_LEN || line.ptr[CODE_LEN] != '-',
        .is_clean = has_cr && is_printable(line),
    };
    return MW_OK;
}

enum mw_err mw_reply_parse(struct mw_slice in, struct mw_reply *out_reply, size_t *out_used)
{
    struct mw_reply reply = {.is_clean = true};
    size_t used = 0;
    struct reply_line line = {0};
    while (!line.is_last) {
        enum mw_err err = take_line(mw_slice_skip(in, used), &line);
        if (err != MW_OK)
            return err == MW_AGAIN && in.len >= MW_REPLY_MAX ? MW_ERR_LIMIT : err;
        used += line.used;
        if (used > MW_REPLY_MAX || reply.line_count == MW_REPLY_LINES_MAX)
            return MW_ERR_LIMIT;
        if (reply.line_count > 0 && line.code != reply.code)
            return MW_ERR_SYNTAX;
        reply.code = line.code;
        reply.line_count++;
        reply.is_clean = reply.is_clean && line.is_clean;
    }
    reply.text = line.text;
    reply.octets = mw_slice_take(in, used);
    *out_reply = reply;
    *out_used = used;
    return MW_OK;
}

bool mw_reply_line(const struct mw_reply *reply, size_t *at, struct mw_slice *out_text)
{
    struct reply_line line;
    if (*at >= reply->octets.len || take_line(mw_slice_skip(reply->octets, *at), &line) != MW_OK)
        return false;
    *at += line.used;
    *out_text = line.text;
    return true;
}

/* ---- What we say ---- */

static void put_printable(struct mw_buf *out, struct mw_slice text)
{
    char *to = mw_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++)
        to[i] = is_control(text.ptr[i]) ? '?' : text.ptr[i];
    out->len += text.len;
}

static void put_code(struct mw_buf *out, uint16_t code, bool is_last)
{
    mw_assert(code >= 200 && code <= 599 && code / 10 % 10 <= 5);
    const char front[] = {(char)('0' + code / 100), (char)('0' + code / 10 % 10),
                          (char)('0' + code % 10), is_last ? ' ' : '-'};
    mw_buf_put(out, MW_SLICE(front, sizeof front));
}

void mw_reply_print(const struct mw_reply *reply, struct mw_buf *out)
{
    if (reply->is_clean) {
        mw_buf_put(out, reply->octets);
        return;
    }
    size_t at = 0;
    struct mw_slice text;
    while (mw_reply_line(reply, &at, &text)) {
        put_code(out, reply->code, at == reply->octets.len);
        put_printable(out, text);
        mw_buf_put(out, MW_LIT("\r\n"));
    }
}

/* At most `max` octets, not ending inside a UTF-8 character. */
static struct mw_slice cut(struct mw_slice text, size_t max)
{
    if (text.len <= max)
        return text;
    for (size_t back = 0; back < 4 && back <= max; back++)
        if (((unsigned char)text.ptr[max - back] & 0xc0) != 0x80)
            return mw_slice_take(text, max - back);
    return mw_slice_take(text, max); /* not UTF-8 anyway */
}

/* Cut the next line off the front of a text of ours; "\r\n" is a line end like "\n". */
static struct mw_slice next_line(struct mw_slice *text)
{
    struct mw_slice line = *text, rest = MW_EMPTY;
    mw_slice_split(*text, '\n', &line, &rest);
    *text = rest;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static void put_line(struct mw_buf *out, uint16_t code, bool is_last, struct mw_slice dsn,
                     struct mw_slice line)
{
    size_t room = OWN_LINE_MAX - (CODE_LEN + 1) - 2;
    put_code(out, code, is_last);
    if (dsn.len > 0) {
        mw_buf_put(out, dsn);
        room -= dsn.len;
        if (line.len > 0) {
            mw_buf_putc(out, ' ');
            room--;
        }
    }
    put_printable(out, cut(line, room));
    mw_buf_put(out, MW_LIT("\r\n"));
}

void mw_reply_build(struct mw_buf *out, uint16_t code, struct mw_slice dsn, struct mw_slice text)
{
    if (mw_reply_dsn(code, dsn).len != dsn.len)
        dsn = MW_EMPTY; /* not an enhanced code: better none than one that lies */
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    bool is_last = false;
    for (size_t lines = 1, begin = out->len; !is_last; lines++) {
        struct mw_slice line = next_line(&text);
        /* whoever reads this has limits like ours */
        bool is_full = lines == MW_REPLY_LINES_MAX ||
                       out->len - begin + 2 * OWN_LINE_MAX > MW_REPLY_MAX;
        is_last = text.len == 0 || is_full;
        put_line(out, code, is_last, dsn, line);
    }
}

/* ---- Enhanced codes and the form of others' replies ---- */

/* Octets of "C.S.D" at the front of a text: class 2, 4 or 5, then one to three digits twice. RFC
 * 3463 2. 0 if it is none. */
static size_t dsn_len(struct mw_slice text)
{
    size_t at = 1;
    if (text.len == 0 || strchr("245", text.ptr[0]) == NULL || text.ptr[0] == '\0')
        return 0;
    for (int part = 0; part < 2; part++) {
        if (at == text.len || text.ptr[at] != '.')
            return 0;
        size_t digits = 0;
        for (at++; at < text.len && mw_is_digit(text.ptr[at]); at++)
            digits++;
        if (digits < 1 || digits > 3)
            return 0;
    }
    return at;
}

struct mw_slice mw_reply_dsn(uint16_t code, struct mw_slice text)
{
    size_t len = dsn_len(text);
    if (len == 0 || text.ptr[0] - '0' != code / 100 || (len < text.len && text.ptr[len] != ' '))
        return MW_EMPTY;
    return mw_slice_take(text, len);
}

const char *mw_reply_check(uint16_t code, struct mw_slice dsn, struct mw_slice text)
{
    if (code < 400 || code > 599 || code / 10 % 10 > 5)
        return "the code is not 4xx or 5xx with a second digit of 0 to 5 (RFC 5321 4.2)";
    if (dsn.len > 0 && dsn_len(dsn) != dsn.len)
        return "the enhanced code is not class.subject.detail (RFC 3463 2)";
    if (dsn.len > 0 && dsn.ptr[0] - '0' != code / 100)
        return "the enhanced code's class is not that of the code (RFC 2034 3)";
    for (size_t i = 0; i < text.len; i++)
        if (is_control(text.ptr[i]) && text.ptr[i] != '\n')
            return "the text holds a control character";
    return NULL;
}
