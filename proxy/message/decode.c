/* decode.c - a header value for people: unfolded, encoded-words decoded, UTF-8.
 *
 *   =?charset*language?B?text?=      RFC 2047 2, RFC 2231 5
 *
 * More is taken for an encoded-word than RFC 2047 5 allows, because mail programs show it decoded
 * and a rule must see what people see: words in the middle of other text or of quotes, longer than
 * 75 octets, with blanks or "?" in the text. Not taken: words that folding cuts in two, an unknown
 * charset or encoding, a B text with octets outside its alphabet. Those stay as text.
 *
 * Octets of adjacent words of one charset are gathered and converted together: senders cut
 * multi-octet characters in two (RFC 2047 5 forbids it, it happens anyway). Linear: every search
 * goes on where the last one of its kind ended (struct finder), so "=?" over and over without an
 * end costs no more than any other text. */
#include <string.h>

#include "base/utf8.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/header_priv.h"

enum { CHARSET_NAME_MAX = 64, LANGUAGE_MAX = 64 };

/* Positions of one string in the value, asked for from left to right. */
struct finder {
    struct mw_slice needle;
    size_t from, found; /* the answer for every question from `from` to `found`; SIZE_MAX: none */
};

struct decoder {
    struct mw_slice value;
    struct mw_charsets **open;
    struct mw_utf8_sink sink;
    bool is_utf8; /* all raw octets of the value are */
    struct finder begin, end, newline;
    struct mw_buf octets;             /* decoded, waiting for more of the same charset */
    const struct mw_charset *charset; /* of `octets`; NULL: no word right before this place */
};

struct word {
    const struct mw_charset *charset;
    bool is_base64;
    struct mw_slice text;
    size_t end; /* behind "?=" */
};

static size_t find_anew(struct mw_slice needle, struct mw_slice value, size_t from)
{
    while (from < value.len) {
        const char *at = memchr(value.ptr + from, needle.ptr[0], value.len - from);
        if (at == NULL)
            break;
        from = (size_t)(at - value.ptr);
        if (mw_slice_starts(mw_slice_skip(value, from), needle))
            return from;
        from++;
    }
    return SIZE_MAX;
}

static size_t find(struct finder *finder, struct mw_slice value, size_t from)
{
    if (from < finder->from || from > finder->found) {
        finder->from = from;
        finder->found = find_anew(finder->needle, value, from);
    }
    return finder->found;
}

/* ---- words ---- */

/* RFC 2047 2: token, without especials; "*" ends the name (RFC 2231 5). */
static bool is_token(char c)
{
    return c > ' ' && c < 127 && memchr("()<>@,;:\"/[]?=*", c, 15) == NULL;
}

/* `charset*language?` from `at` on: sets *out_next behind the "?". */
static const struct mw_charset *parse_charset(struct mw_slice value, size_t at, size_t *out_next)
{
    size_t end = at;
    while (end < value.len && end - at <= CHARSET_NAME_MAX && is_token(value.ptr[end]))
        end++;
    struct mw_slice name = MW_SLICE(value.ptr + at, end - at);
    if (end < value.len && value.ptr[end] == '*')
        for (size_t first = end++; end < value.len && end - first <= LANGUAGE_MAX; end++)
            if (!is_token(value.ptr[end]))
                break;
    if (end >= value.len || value.ptr[end] != '?')
        return NULL;
    *out_next = end + 1;
    return mw_charset_find(name);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (mw_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_base64(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (base64_value(text.ptr[i]) < 0 && memchr("= \t", text.ptr[i], 3) == NULL)
            return false;
    return true;
}

/* The encoded-word that begins with the "=?" at `at`. */
static bool parse_word(struct decoder *decoder, size_t at, struct word *out_word)
{
    struct mw_slice value = decoder->value;
    size_t next;
    const struct mw_charset *charset = parse_charset(value, at + 2, &next);
    if (charset == NULL || value.len - next < 2 || value.ptr[next + 1] != '?')
        return false;
    char encoding = mw_lower(value.ptr[next]);
    size_t start = next + 2, end = find(&decoder->end, value, start);
    if ((encoding != 'b' && encoding != 'q') || end == SIZE_MAX)
        return false;
    if (find(&decoder->newline, value, start) < end)
        return false; /* folded within */
    size_t other = find(&decoder->begin, value, start);
    if (other < end && other + 1 != end) /* the "=" of padding and the "?=" look like one */
        return false;                    /* this one has no end, that one may have */
    struct mw_slice text = MW_SLICE(value.ptr + start, end - start);
    if (encoding == 'b' && !is_base64(text))
        return false;
    *out_word = (struct word){
        .charset = charset,
        .is_base64 = encoding == 'b',
        .text = text,
        .end = end + 2,
    };
    return true;
}

/* RFC 4648 4. Padding may be missing, or stand between two pieces that were put together. */
static void put_base64(struct mw_buf *out, struct mw_slice text)
{
    char *to = mw_buf_reserve(out, text.len);
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (text.ptr[i] == '=')
            count = 0;
        if (value < 0)
            continue;
        bits = (bits << 6 | (unsigned)value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *to++ = (char)(bits >> count & 0xff);
        }
    }
    out->len = (size_t)(to - out->ptr);
}

/* RFC 2047 4.2. A "=" that no two hexadecimal digits follow stands for itself. */
static void put_q(struct mw_buf *out, struct mw_slice text)
{
    char *to = mw_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = c == '=' && text.len - i > 2 ? mw_hex_value(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? mw_hex_value(text.ptr[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        *to++ = c;
    }
    out->len = (size_t)(to - out->ptr);
}

static void flush_words(struct decoder *decoder)
{
    if (decoder->octets.len > 0)
        mw_charset_put(decoder->open, decoder->charset, &decoder->sink,
                       mw_buf_view(&decoder->octets));
    decoder->octets.len = 0;
    decoder->charset = NULL;
}

static void take_word(struct decoder *decoder, const struct word *word)
{
    if (decoder->charset != NULL && decoder->charset != word->charset)
        flush_words(decoder);
    decoder->charset = word->charset;
    if (word->text.len == 0)
        return;
    if (word->is_base64)
        put_base64(&decoder->octets, word->text);
    else
        put_q(&decoder->octets, word->text);
}

/* ---- text ---- */

/* Raw text without the line ends of its folding: a CRLF, or an LF, is taken out (RFC 5322 2.2.3).
 */
static void put_text(struct decoder *decoder, size_t from, size_t to)
{
    struct mw_slice rest = MW_SLICE(decoder->value.ptr + from, to - from);
    for (bool is_last = rest.len == 0; !is_last;) {
        struct mw_slice line = rest;
        is_last = !mw_slice_split(rest, '\n', &line, &rest);
        if (!is_last && line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (decoder->is_utf8)
            mw_utf8_put(&decoder->sink, line);
        else
            mw_latin1_put(&decoder->sink, line);
    }
}

/* Blanks and folding. */
static bool is_blank_text(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr(" \t\r\n", text.ptr[i], 4) == NULL)
            return false;
    return true;
}

static void decode_all(struct decoder *decoder)
{
    struct mw_slice value = decoder->value;
    size_t at = 0;
    while (at < value.len && !decoder->sink.is_full) {
        size_t next = find(&decoder->begin, value, at);
        struct word word;
        bool is_word = next != SIZE_MAX && parse_word(decoder, next, &word);
        size_t text_end = next == SIZE_MAX ? value.len : next;
        bool is_between = is_word && decoder->charset != NULL &&
                          is_blank_text(MW_SLICE(value.ptr + at, text_end - at));
        if (!is_between) { /* RFC 2047 6.2: blanks between two words are not shown */
            flush_words(decoder);
            put_text(decoder, at, text_end);
        }
        at = text_end;
        if (is_word) {
            take_word(decoder, &word);
            at = word.end;
        } else if (next != SIZE_MAX) {
            put_text(decoder, at, at + 2);
            at += 2;
        }
    }
    flush_words(decoder);
}

void mw_header_decode_with(struct mw_charsets **open, struct mw_slice value, size_t max,
                           struct mw_buf *out)
{
    size_t room = out->max == 0 ? SIZE_MAX : out->max - out->len;
    struct decoder decoder = {
        .value = value,
        .open = open,
        .sink = {.buf = out, .left = max < room ? max : room},
        .is_utf8 = mw_utf8_is_valid(value),
        .begin = {.needle = MW_LIT("=?"), .from = 1}, /* no answer yet */
        .end = {.needle = MW_LIT("?="), .from = 1},
        .newline = {.needle = MW_LIT("\n"), .from = 1},
    };
    decode_all(&decoder);
    mw_buf_fini(&decoder.octets);
}

void mw_header_decode(struct mw_slice value, size_t max, struct mw_buf *out)
{
    struct mw_charsets *open = NULL;
    mw_header_decode_with(&open, value, max, out);
    mw_charsets_free(&open);
}
