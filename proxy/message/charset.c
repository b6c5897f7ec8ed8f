/* charset.c - a table of charset names, three charsets of our own, iconv for the rest.
 *
 * iconv is given octets from strangers, so: names from the table only (its "//" suffixes and odd
 * charsets stay out of reach, among them ISO-2022-CN-EXT with its history of overflows), a bound on
 * the number of calls, and what it returns is looked at again as UTF-8. */
#include "message/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum kind { KIND_RAW = 0, KIND_UTF8, KIND_LATIN1, KIND_CP1252, KIND_ICONV };

/* Rows with the same iconv name stand for one charset. */
struct mw_charset {
    const char *name;
    enum kind kind;
    const char *iconv_name; /* KIND_ICONV */
};

/* clang-format off */
static const struct mw_charset charsets[] = {
    {"utf-8", KIND_UTF8, NULL},            {"utf8", KIND_UTF8, NULL},
    {"unicode-1-1-utf-8", KIND_UTF8, NULL}, {"utf-8-mac", KIND_UTF8, NULL},
    {"us-ascii", KIND_RAW, NULL},          {"ascii", KIND_RAW, NULL},
    {"ansi_x3.4-1968", KIND_RAW, NULL},    {"unknown-8bit", KIND_RAW, NULL},
    {"x-unknown", KIND_RAW, NULL},         {"unknown", KIND_RAW, NULL},
    {"default_charset", KIND_RAW, NULL},   {"x-user-defined", KIND_RAW, NULL},
    {"iso-8859-1", KIND_LATIN1, NULL},     {"iso8859-1", KIND_LATIN1, NULL},
    {"iso_8859-1", KIND_LATIN1, NULL},     {"latin1", KIND_LATIN1, NULL},
    {"l1", KIND_LATIN1, NULL},             {"iso88591", KIND_LATIN1, NULL},
    {"windows-1252", KIND_CP1252, NULL},   {"cp1252", KIND_CP1252, NULL},
    {"cp-1252", KIND_CP1252, NULL},        {"ansi", KIND_CP1252, NULL},
    {"iso-8859-2", KIND_ICONV, "ISO-8859-2"},    {"iso8859-2", KIND_ICONV, "ISO-8859-2"},
    {"latin2", KIND_ICONV, "ISO-8859-2"},        {"iso-8859-3", KIND_ICONV, "ISO-8859-3"},
    {"iso-8859-4", KIND_ICONV, "ISO-8859-4"},    {"iso-8859-5", KIND_ICONV, "ISO-8859-5"},
    {"iso-8859-6", KIND_ICONV, "ISO-8859-6"},    {"iso-8859-6-i", KIND_ICONV, "ISO-8859-6"},
    {"iso-8859-7", KIND_ICONV, "ISO-8859-7"},    {"iso8859-7", KIND_ICONV, "ISO-8859-7"},
    {"iso-8859-8", KIND_ICONV, "ISO-8859-8"},    {"iso-8859-8-i", KIND_ICONV, "ISO-8859-8"},
    {"iso-8859-9", KIND_ICONV, "ISO-8859-9"},    {"iso8859-9", KIND_ICONV, "ISO-8859-9"},
    {"latin5", KIND_ICONV, "ISO-8859-9"},        {"iso-8859-10", KIND_ICONV, "ISO-8859-10"},
    {"iso-8859-11", KIND_ICONV, "ISO-8859-11"},  {"iso-8859-13", KIND_ICONV, "ISO-8859-13"},
    {"iso-8859-14", KIND_ICONV, "ISO-8859-14"},  {"iso-8859-15", KIND_ICONV, "ISO-8859-15"},
    {"iso8859-15", KIND_ICONV, "ISO-8859-15"},   {"latin9", KIND_ICONV, "ISO-8859-15"},
    {"latin-9", KIND_ICONV, "ISO-8859-15"},      {"iso-8859-16", KIND_ICONV, "ISO-8859-16"},
    {"windows-1250", KIND_ICONV, "CP1250"},      {"cp1250", KIND_ICONV, "CP1250"},
    {"windows-1251", KIND_ICONV, "CP1251"},      {"cp1251", KIND_ICONV, "CP1251"},
    {"win-1251", KIND_ICONV, "CP1251"},          {"windows-1253", KIND_ICONV, "CP1253"},
    {"cp1253", KIND_ICONV, "CP1253"},            {"windows-1254", KIND_ICONV, "CP1254"},
    {"cp1254", KIND_ICONV, "CP1254"},            {"windows-1255", KIND_ICONV, "CP1255"},
    {"cp1255", KIND_ICONV, "CP1255"},            {"windows-1256", KIND_ICONV, "CP1256"},
    {"cp1256", KIND_ICONV, "CP1256"},            {"windows-1257", KIND_ICONV, "CP1257"},
    {"cp1257", KIND_ICONV, "CP1257"},            {"windows-1258", KIND_ICONV, "CP1258"},
    {"cp1258", KIND_ICONV, "CP1258"},            {"windows-874", KIND_ICONV, "CP874"},
    {"cp874", KIND_ICONV, "CP874"},              {"tis-620", KIND_ICONV, "TIS-620"},
    {"koi8-r", KIND_ICONV, "KOI8-R"},            {"koi8", KIND_ICONV, "KOI8-R"},
    {"koi8-u", KIND_ICONV, "KOI8-U"},            {"koi8-ru", KIND_ICONV, "KOI8-U"},
    {"ibm437", KIND_ICONV, "IBM437"},            {"cp437", KIND_ICONV, "IBM437"},
    {"ibm850", KIND_ICONV, "IBM850"},            {"cp850", KIND_ICONV, "IBM850"},
    {"ibm852", KIND_ICONV, "IBM852"},            {"cp852", KIND_ICONV, "IBM852"},
    {"ibm866", KIND_ICONV, "IBM866"},            {"cp866", KIND_ICONV, "IBM866"},
    {"macintosh", KIND_ICONV, "MACINTOSH"},      {"x-mac-roman", KIND_ICONV, "MACINTOSH"},
    {"x-mac-cyrillic", KIND_ICONV, "MAC-CYRILLIC"}, {"viscii", KIND_ICONV, "VISCII"},
    {"iso-2022-jp", KIND_ICONV, "ISO-2022-JP-3"}, {"iso-2022-jp-1", KIND_ICONV, "ISO-2022-JP-2"},
    {"iso-2022-jp-2", KIND_ICONV, "ISO-2022-JP-2"}, {"iso-2022-jp-3", KIND_ICONV, "ISO-2022-JP-3"},
    {"shift_jis", KIND_ICONV, "CP932"},          {"shift-jis", KIND_ICONV, "CP932"},
    {"sjis", KIND_ICONV, "CP932"},               {"x-sjis", KIND_ICONV, "CP932"},
    {"cp932", KIND_ICONV, "CP932"},              {"windows-31j", KIND_ICONV, "CP932"},
    {"euc-jp", KIND_ICONV, "EUC-JP"},            {"x-euc-jp", KIND_ICONV, "EUC-JP"},
    {"euc-kr", KIND_ICONV, "UHC"},               {"ks_c_5601-1987", KIND_ICONV, "UHC"},
    {"ksc5601", KIND_ICONV, "UHC"},              {"cp949", KIND_ICONV, "UHC"},
    {"iso-2022-kr", KIND_ICONV, "ISO-2022-KR"},  {"gb2312", KIND_ICONV, "GB18030"},
    {"gbk", KIND_ICONV, "GB18030"},              {"x-gbk", KIND_ICONV, "GB18030"},
    {"cp936", KIND_ICONV, "GB18030"},            {"gb18030", KIND_ICONV, "GB18030"},
    {"euc-cn", KIND_ICONV, "GB18030"},           {"big5", KIND_ICONV, "BIG5-HKSCS"},
    {"big5-hkscs", KIND_ICONV, "BIG5-HKSCS"},    {"cp950", KIND_ICONV, "BIG5-HKSCS"},
    {"euc-tw", KIND_ICONV, "EUC-TW"},            {"utf-7", KIND_ICONV, "UTF-7"},
    {"unicode-1-1-utf-7", KIND_ICONV, "UTF-7"},  {"utf-16", KIND_ICONV, "UTF-16"},
    {"utf-16be", KIND_ICONV, "UTF-16BE"},        {"utf-16le", KIND_ICONV, "UTF-16LE"},
    {"utf-32", KIND_ICONV, "UTF-32"},            {"utf-32be", KIND_ICONV, "UTF-32BE"},
    {"utf-32le", KIND_ICONV, "UTF-32LE"},
};

/* 0x80 to 0x9F; 0 where there is none. */
static const uint16_t cp1252_high[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};
/* clang-format on */

enum { CHARSET_COUNT = sizeof charsets / sizeof *charsets, ICONV_OUT = 1024 };

struct mw_charsets {
    struct {
        iconv_t converter;
        const char *iconv_name; /* NULL: a free place */
        bool is_missing;        /* the C library does not have it */
    } open[CHARSET_COUNT];
    size_t count;
};

/* ---- the sink ---- */

/* One whole character, or a run of them known to fit. */
static void put_whole(struct mw_utf8_sink *sink, struct mw_slice characters)
{
    if (sink->is_full || characters.len > sink->left) {
        sink->is_full = true;
        return;
    }
    mw_buf_put(sink->buf, characters);
    sink->left -= characters.len;
}

void mw_utf8_put(struct mw_utf8_sink *sink, struct mw_slice octets)
{
    while (octets.len > 0 && !sink->is_full) {
        size_t run = 0, next = 0;
        bool is_valid = true;
        while (run < octets.len) {
            size_t ascii = mw_utf8_ascii_run(mw_slice_skip(octets, run));
            if (ascii > 0 && run + ascii <= sink->left) {
                run += ascii;
                continue;
            }
            next = mw_utf8_next(mw_slice_skip(octets, run), &is_valid);
            if (!is_valid || run + next > sink->left)
                break;
            run += next;
        }
        put_whole(sink, mw_slice_take(octets, run));
        octets = mw_slice_skip(octets, run);
        if (!is_valid) {
            put_whole(sink, MW_UTF8_REPLACEMENT);
            octets = mw_slice_skip(octets, next);
        } else if (octets.len > 0) {
            sink->is_full = true;
        }
    }
}

/* A character below U+10000 that is no surrogate. */
static void put_code(struct mw_utf8_sink *sink, unsigned code)
{
    char text[3];
    size_t len = 0;
    if (code < 0x80) {
        text[len++] = (char)code;
    } else if (code < 0x800) {
        text[len++] = (char)(0xc0 | code >> 6);
        text[len++] = (char)(0x80 | (code & 0x3f));
    } else {
        text[len++] = (char)(0xe0 | code >> 12);
        text[len++] = (char)(0x80 | (code >> 6 & 0x3f));
        text[len++] = (char)(0x80 | (code & 0x3f));
    }
    put_whole(sink, MW_SLICE(text, len));
}

/* What can be taken over as it is; the rest of the eight octets behind it goes one by one. */
static size_t put_ascii(struct mw_utf8_sink *sink, struct mw_slice octets)
{
    size_t len = mw_utf8_ascii_run(mw_slice_take(octets, sink->left));
    if (len > 0)
        put_whole(sink, mw_slice_take(octets, len));
    return len;
}

void mw_latin1_put(struct mw_utf8_sink *sink, struct mw_slice octets)
{
    for (size_t i = 0; i < octets.len && !sink->is_full;) {
        i += put_ascii(sink, mw_slice_skip(octets, i));
        if (i < octets.len)
            put_code(sink, (unsigned char)octets.ptr[i++]);
    }
}

static void put_cp1252(struct mw_utf8_sink *sink, struct mw_slice octets)
{
    for (size_t i = 0; i < octets.len && !sink->is_full; i++) {
        i += put_ascii(sink, mw_slice_skip(octets, i));
        if (i == octets.len)
            return;
        unsigned octet = (unsigned char)octets.ptr[i];
        unsigned code = octet >= 0x80 && octet < 0xa0 ? cp1252_high[octet - 0x80] : octet;
        put_code(sink, code == 0 && octet != 0 ? 0xfffd : code);
    }
}

void mw_raw_put(struct mw_utf8_sink *sink, struct mw_slice octets)
{
    if (mw_utf8_is_valid(octets))
        mw_utf8_put(sink, octets);
    else
        mw_latin1_put(sink, octets);
}

/* ---- charsets ---- */

const struct mw_charset *mw_charset_find(struct mw_slice name)
{
    for (size_t i = 0; i < CHARSET_COUNT; i++)
        if (mw_slice_ieq(name, mw_slice_cstr(charsets[i].name)))
            return &charsets[i];
    return NULL;
}

void mw_charsets_free(struct mw_charsets **open)
{
    if (*open == NULL)
        return;
    for (size_t i = 0; i < (*open)->count; i++)
        if (!(*open)->open[i].is_missing)
            iconv_close((*open)->open[i].converter);
    free(*open);
    *open = NULL;
}

/* The converter in its initial state; false if the C library has none. */
static bool converter_of(struct mw_charsets **open_at, const char *iconv_name,
                         iconv_t *out_converter)
{
    if (*open_at == NULL)
        *open_at = mw_xcalloc(1, sizeof **open_at);
    struct mw_charsets *open = *open_at;
    size_t i = 0;
    while (i < open->count && strcmp(open->open[i].iconv_name, iconv_name) != 0)
        i++;
    if (i == open->count) {
        open->open[i].iconv_name = iconv_name;
        open->open[i].converter = iconv_open("UTF-8", iconv_name);
        open->open[i].is_missing = open->open[i].converter == (iconv_t)-1;
        open->count++;
    }
    *out_converter = open->open[i].converter;
    return !open->open[i].is_missing;
}

/* One call: returns false when nothing more can come of the rest. */
static bool convert_some(iconv_t converter, struct mw_utf8_sink *sink, char **in, size_t *in_len)
{
    char text[ICONV_OUT], *out = text;
    size_t out_len = sizeof text;
    size_t result = iconv(converter, in, in_len, &out, &out_len);
    int reason = result == (size_t)-1 ? errno : 0;
    mw_utf8_put(sink, MW_SLICE(text, sizeof text - out_len));
    if (reason == 0)
        return false;
    if (reason == E2BIG)
        return true;
    mw_utf8_put(sink, MW_UTF8_REPLACEMENT);
    if (reason != EILSEQ || *in_len == 0)
        return false; /* EINVAL: the text ends within a character */
    ++*in;
    --*in_len;
    return true;
}

static void put_by_iconv(iconv_t converter, struct mw_utf8_sink *sink, struct mw_slice octets)
{
    char *in =
        (char *)(uintptr_t)octets.ptr; /* iconv only reads; its prototype is older than const */
    size_t in_len = octets.len;
    iconv(converter, NULL, NULL, NULL, NULL);
    /* each call takes an octet or fills the output: a converter that does neither is broken, and
     * stopped here */
    for (size_t calls = 2 * octets.len + 8; in_len > 0 && calls > 0 && !sink->is_full; calls--)
        if (!convert_some(converter, sink, &in, &in_len))
            break;
}

/* Some converters hold the last character back (combining ones, as in CP1255): let it out. */
static void put_rest(iconv_t converter, struct mw_utf8_sink *sink)
{
    char text[64], *out = text;
    size_t out_len = sizeof text;
    iconv(converter, NULL, NULL, &out, &out_len);
    mw_utf8_put(sink, MW_SLICE(text, sizeof text - out_len));
}

void mw_charset_put(struct mw_charsets **open, const struct mw_charset *charset,
                    struct mw_utf8_sink *sink, struct mw_slice octets)
{
    iconv_t converter;
    switch (charset->kind) {
    case KIND_UTF8:
        mw_utf8_put(sink, octets);
        return;
    case KIND_LATIN1:
        mw_latin1_put(sink, octets);
        return;
    case KIND_CP1252:
        put_cp1252(sink, octets);
        return;
    case KIND_ICONV:
        if (converter_of(open, charset->iconv_name, &converter)) {
            put_by_iconv(converter, sink, octets);
            put_rest(converter, sink);
            return;
        }
        break;
    case KIND_RAW:
        break;
    }
    mw_raw_put(sink, octets);
}
