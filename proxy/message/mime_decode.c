/* mime_decode.c - base64 and quoted-printable, as tolerant as mail programs are.
 *
 * Base64. Good stretches go 32 characters at a time where the processor has AVX2, else group by
 * group; anything else goes character by character. Octets outside the alphabet are passed over
 * (RFC 2045 6.8); padding ends a group, and what comes behind it is decoded as the next one: some
 * programs stop there, so it leaves a defect.
 *
 * Quoted-printable. Lines are found with memchr, so are the "=" in them. Blanks at the end of a line
 * are not part of it (RFC 2045 6.7 (3)): they wait in `hold` until what follows is known. */
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "message/mime_priv.h"

enum { BAD = 0, BLANK, PAD, GOOD = 0x40, VALUE = 0x3f };

/* clang-format off */
static const uint8_t alphabet[256] = {
    ['\t'] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK, [' '] = BLANK, ['='] = PAD,
    ['A'] = GOOD | 0, ['B'] = GOOD | 1, ['C'] = GOOD | 2, ['D'] = GOOD | 3, ['E'] = GOOD | 4,
    ['F'] = GOOD | 5, ['G'] = GOOD | 6, ['H'] = GOOD | 7, ['I'] = GOOD | 8, ['J'] = GOOD | 9,
    ['K'] = GOOD | 10, ['L'] = GOOD | 11, ['M'] = GOOD | 12, ['N'] = GOOD | 13, ['O'] = GOOD | 14,
    ['P'] = GOOD | 15, ['Q'] = GOOD | 16, ['R'] = GOOD | 17, ['S'] = GOOD | 18, ['T'] = GOOD | 19,
    ['U'] = GOOD | 20, ['V'] = GOOD | 21, ['W'] = GOOD | 22, ['X'] = GOOD | 23, ['Y'] = GOOD | 24,
    ['Z'] = GOOD | 25, ['a'] = GOOD | 26, ['b'] = GOOD | 27, ['c'] = GOOD | 28, ['d'] = GOOD | 29,
    ['e'] = GOOD | 30, ['f'] = GOOD | 31, ['g'] = GOOD | 32, ['h'] = GOOD | 33, ['i'] = GOOD | 34,
    ['j'] = GOOD | 35, ['k'] = GOOD | 36, ['l'] = GOOD | 37, ['m'] = GOOD | 38, ['n'] = GOOD | 39,
    ['o'] = GOOD | 40, ['p'] = GOOD | 41, ['q'] = GOOD | 42, ['r'] = GOOD | 43, ['s'] = GOOD | 44,
    ['t'] = GOOD | 45, ['u'] = GOOD | 46, ['v'] = GOOD | 47, ['w'] = GOOD | 48, ['x'] = GOOD | 49,
    ['y'] = GOOD | 50, ['z'] = GOOD | 51, ['0'] = GOOD | 52, ['1'] = GOOD | 53, ['2'] = GOOD | 54,
    ['3'] = GOOD | 55, ['4'] = GOOD | 56, ['5'] = GOOD | 57, ['6'] = GOOD | 58, ['7'] = GOOD | 59,
    ['8'] = GOOD | 60, ['9'] = GOOD | 61, ['+'] = GOOD | 62, ['/'] = GOOD | 63,
};
/* clang-format on */

/* ---- base64 ---- */

static size_t put_group(uint32_t bits, size_t octets, char *out)
{
    for (size_t i = 0; i < octets; i++)
        out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    return octets;
}

#ifdef __x86_64__
/* 32 characters: what they stand for, in 24 octets of the 32 written. Returns how many characters
 * in front are of the alphabet. Wojciech Mula, Daniel Lemire, "Faster Base64 Encoding and Decoding
 * using AVX2 Instructions" (2018): two table look-ups by nibble classify, one gives the offset. */
__attribute__((target("avx2"))) static size_t decode_block(const unsigned char *in, char *out)
{
    const __m256i low_table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b,
                      0x1b, 0x1b, 0x1a));
    const __m256i high_table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10,
                      0x10, 0x10, 0x10));
    const __m256i offsets = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i slash = _mm256_set1_epi8(0x2f);
    __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)in);
    __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), slash);
    __m256i low = _mm256_and_si256(text, slash);
    __m256i wrong = _mm256_and_si256(_mm256_shuffle_epi8(low_table, low),
                                     _mm256_shuffle_epi8(high_table, high));
    unsigned bad = ~(unsigned)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(wrong, _mm256_setzero_si256()));
    __m256i row = _mm256_add_epi8(_mm256_cmpeq_epi8(text, slash), high);
    __m256i values = _mm256_add_epi8(text, _mm256_shuffle_epi8(offsets, row));
    __m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    __m256i groups = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(groups, order),
                                                 _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
    _mm256_storeu_si256((__m256i *)(void *)out, packed);
    return bad == 0 ? 32 : (size_t)__builtin_ctz(bad);
}

/* Line after line, as long as they are whole groups and end as lines do. */
__attribute__((target("avx2"))) static size_t decode_blocks(const unsigned char *in, size_t len,
                                                            char *out, size_t *out_written)
{
    size_t at = 0, written = 0;
    while (at + 34 <= len) {
        size_t good = decode_block(in + at, out + written) & ~(size_t)3;
        at += good;
        written += good / 4 * 3;
        if (good == 32)
            continue;
        size_t before = at;
        at += in[at] == '\r';
        at += in[at] == '\n';
        if (at == before)
            break;
    }
    *out_written = written;
    return at;
}
#endif

/* Whole groups from the front, as long as nothing else comes: characters used. */
static size_t decode_groups(const unsigned char *in, size_t len, char *out, size_t *out_written)
{
    size_t at = 0, written = 0;
#ifdef __x86_64__
    if (len >= 64 && __builtin_cpu_supports("avx2"))
        at = decode_blocks(in, len, out, &written);
#endif
    for (; at + 4 <= len; at += 4, written += 3) {
        uint32_t a = alphabet[in[at]], b = alphabet[in[at + 1]], c = alphabet[in[at + 2]],
                 d = alphabet[in[at + 3]];
        if ((a & b & c & d & GOOD) == 0)
            break;
        put_group((a & VALUE) << 18 | (b & VALUE) << 12 | (c & VALUE) << 6 | (d & VALUE), 3,
                  out + written);
    }
    *out_written = written;
    return at;
}

/* "=": the group ends with the whole octets that it has. */
static size_t end_group(struct mw_mime_decoder *decoder, char *out)
{
    size_t octets = decoder->have < 2 ? 0 : (size_t)decoder->have - 1;
    if (decoder->have == 1 || (decoder->have == 0 && !decoder->has_padding))
        decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_BASE64_GARBAGE);
    if (octets > 0)
        put_group(decoder->bits << 6 * (4 - decoder->have), octets, out);
    decoder->bits = decoder->have = 0;
    decoder->has_padding = true;
    return octets;
}

static size_t decode_character(struct mw_mime_decoder *decoder, unsigned char c, char *out)
{
    uint8_t value = alphabet[c];
    if (value == BLANK)
        return 0;
    if (value == PAD)
        return end_group(decoder, out);
    if (value == BAD) {
        decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_BASE64_GARBAGE);
        return 0;
    }
    if (decoder->has_padding) {
        decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_BASE64_PADDING);
        decoder->has_padding = false;
    }
    decoder->bits = decoder->bits << 6 | (value & VALUE);
    if (++decoder->have < 4)
        return 0;
    size_t octets = put_group(decoder->bits, 3, out);
    decoder->bits = decoder->have = 0;
    return octets;
}

static size_t decode_base64(struct mw_mime_decoder *decoder, struct mw_slice in, char *out)
{
    const unsigned char *octets = (const unsigned char *)in.ptr;
    size_t written = 0;
    for (size_t at = 0; at < in.len;) {
        if (decoder->have == 0 && !decoder->has_padding) {
            size_t more;
            at += decode_groups(octets + at, in.len - at, out + written, &more);
            written += more;
            if (at == in.len)
                break;
        }
        written += decode_character(decoder, octets[at++], out + written);
    }
    return written;
}

static size_t end_base64(struct mw_mime_decoder *decoder, char *out)
{
    if (decoder->have == 0)
        return 0;
    decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_BASE64_TRUNCATED);
    size_t octets = decoder->have < 2 ? 0 : (size_t)decoder->have - 1;
    put_group(decoder->bits << 6 * (4 - decoder->have), octets, out);
    decoder->have = 0;
    return octets;
}

bool mw_mime_looks_base64(struct mw_slice octets)
{
    size_t count = 0;
    for (size_t i = 0; i < octets.len; i++) {
        uint8_t value = alphabet[(unsigned char)octets.ptr[i]];
        if (value == BAD || octets.ptr[i] == ' ')
            return false;
        count += (value & GOOD) != 0;
    }
    return count >= 16;
}

/* ---- quoted-printable ---- */

static size_t put(char *out, const char *octets, size_t len)
{
    if (len > 0)
        memmove(out, octets, len);
    return len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_soft_end(const struct mw_mime_decoder *decoder, size_t len)
{
    return len > 0 && decoder->hold[0] == '=' && (len == 1 || mw_hex_value(decoder->hold[1]) < 0);
}

/* A line end came behind what is held: a soft one if that begins with "=". */
static size_t end_line(struct mw_mime_decoder *decoder, char *out)
{
    size_t len = decoder->hold_len;
    bool has_cr = len > 0 && decoder->hold[len - 1] == '\r';
    decoder->hold_len = 0;
    if (is_soft_end(decoder, len))
        return 0;
    if (len > 0 && decoder->hold[0] == '=')
        decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_QP_BAD);
    len -= has_cr;
    while (len > 0 && is_blank(decoder->hold[len - 1]))
        len--;
    size_t written = put(out, decoder->hold, len);
    return written + put(out + written, has_cr ? "\r\n" : "\n", has_cr ? 2 : 1);
}

/* What is held turned out to be text. */
static size_t release(struct mw_mime_decoder *decoder, char *out)
{
    size_t len = decoder->hold_len;
    decoder->hold_len = 0;
    if (len > 0 && decoder->hold[0] == '=')
        decoder->defects |= MW_DEFECT_BIT(MW_DEFECT_QP_BAD);
    return put(out, decoder->hold, len);
}

/* May `c` stand behind what is held without deciding anything? "=" takes one hex digit, or blanks
 * and a CR; blanks take blanks and CRs. */
static bool extends_hold(const struct mw_mime_decoder *decoder, char c)
{
    size_t len = decoder->hold_len;
    if (len == MW_MIME_QP_HOLD)
        return false;
    if (len == 0)
        return c == '=' || is_blank(c) || c == '\r';
    char last = decoder->hold[len - 1];
    if (decoder->hold[0] != '=')
        return is_blank(c) || c == '\r';
    if (len == 1 && mw_hex_value(c) >= 0)
        return true;
    return (last == '=' || is_blank(last)) && (is_blank(c) || c == '\r');
}

static size_t decode_held(struct mw_mime_decoder *decoder, char c, char *out)
{
    if (c == '\n')
        return end_line(decoder, out);
    if (extends_hold(decoder, c)) {
        decoder->hold[decoder->hold_len++] = c;
        return 0;
    }
    if (decoder->hold_len == 2 && decoder->hold[0] == '=' && mw_hex_value(decoder->hold[1]) >= 0 &&
        mw_hex_value(c) >= 0) {
        *out = (char)(mw_hex_value(decoder->hold[1]) * 16 + mw_hex_value(c));
        decoder->hold_len = 0;
        return 1;
    }
    size_t written = release(decoder, out);
    if (extends_hold(decoder, c)) {
        decoder->hold[decoder->hold_len++] = c;
        return written;
    }
    out[written] = c;
    return written + 1;
}

/* Text without a line end, nothing held: up to where something has to be held. */
static size_t decode_text(struct mw_mime_decoder *decoder, struct mw_slice text, char *out)
{
    size_t written = 0, plain = text.len;
    while (plain > 0 && (is_blank(text.ptr[plain - 1]) || text.ptr[plain - 1] == '\r'))
        plain--;
    size_t at = 0;
    while (at < plain) {
        const char *sign = memchr(text.ptr + at, '=', plain - at);
        size_t len = sign == NULL ? plain - at : (size_t)(sign - text.ptr) - at;
        written += put(out + written, text.ptr + at, len);
        at += len;
        int high = plain - at < 3 ? -1 : mw_hex_value(text.ptr[at + 1]);
        int low = high < 0 ? -1 : mw_hex_value(text.ptr[at + 2]);
        if (low >= 0)
            out[written++] = (char)(high * 16 + low);
        else if (at < plain)
            break;
        at += low >= 0 ? 3 : 0;
    }
    for (; at < text.len; at++)
        written += decode_held(decoder, text.ptr[at], out + written);
    return written;
}

static size_t decode_qp(struct mw_mime_decoder *decoder, struct mw_slice in, char *out)
{
    size_t written = 0;
    while (in.len > 0) {
        if (decoder->hold_len > 0) {
            written += decode_held(decoder, in.ptr[0], out + written);
            in = mw_slice_skip(in, 1);
            continue;
        }
        const char *newline = memchr(in.ptr, '\n', in.len);
        size_t len = newline == NULL ? in.len : (size_t)(newline - in.ptr);
        written += decode_text(decoder, MW_SLICE(in.ptr, len), out + written);
        if (newline != NULL)
            written += end_line(decoder, out + written);
        in = mw_slice_skip(in, newline == NULL ? len : len + 1);
    }
    return written;
}

static size_t end_qp(struct mw_mime_decoder *decoder, char *out)
{
    if (is_soft_end(decoder, decoder->hold_len)) /* that nothing follows */
        decoder->hold_len = 0;
    while (decoder->hold_len > 0 && is_blank(decoder->hold[decoder->hold_len - 1]))
        decoder->hold_len--;
    return release(decoder, out);
}

/* ---- either ---- */

size_t mw_mime_decode(struct mw_mime_decoder *decoder, struct mw_slice *in, char *out)
{
    /* what is held may come out in front, and base64 has at most three quarters of its input */
    struct mw_slice piece = mw_slice_take(*in, MW_MIME_SCRATCH - MW_MIME_QP_HOLD - 4);
    *in = mw_slice_skip(*in, piece.len);
    return decoder->kind == MW_MIME_BASE64 ? decode_base64(decoder, piece, out)
                                           : decode_qp(decoder, piece, out);
}

size_t mw_mime_decode_end(struct mw_mime_decoder *decoder, char *out)
{
    return decoder->kind == MW_MIME_BASE64 ? end_base64(decoder, out) : end_qp(decoder, out);
}
