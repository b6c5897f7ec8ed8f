/* fold.c - comparison forms: ASCII by a table, everything else character by character.
 *
 *   octets -> characters -> NFKD, case folded, look-alikes -> batch -> NFC -> blanks -> out
 *                                                             (once, at the end) digits in words
 *
 * Characters are looked up in the table of look-alikes before their case is folded (a Greek capital
 * Nu looks like N, a small one like v) and after it. A batch ends only before a character that can
 * never join with what stands before it, so the result does not depend on where it ends. More than
 * FOLLOWERS_MAX marks on one character are dropped, as UAX 15 13 does it in its own way: sorting
 * them stays cheap, and whoever writes such text wants no comparison.
 *
 * Idempotent, because every step leaves what it has made alone: look-alikes become ASCII, marks go
 * only from characters that have none afterwards, and digits in words become letters, which only
 * takes away reasons to change what is left (tests/fuzz/fuzz_fold.c). */
#include "message/fold.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum { BATCH = 256, FOLLOWERS_MAX = 30, DECOMPOSED_MAX = 32 };

struct folder {
    struct mw_buf *out;
    size_t left;
    bool is_full;
    bool was_blank; /* the last character written was one */
    utf8proc_int32_t batch[BATCH + FOLLOWERS_MAX + DECOMPOSED_MAX];
    size_t count;
    size_t followers; /* marks and the like since the last other character */
    bool is_latin;    /* that character is a letter or digit of ASCII */
};

struct alike {
    utf8proc_int32_t character;
    char letter;
};

static const struct alike alikes[] = {
#define ALIKE(character, letter) {character, letter},
#include "message/fold_alike.def"
#undef ALIKE
};

/* Alphabets of emblems, which NFKC keeps: negative circled and squared letters, flags. */
static const utf8proc_int32_t alphabets[] = {0x1f150, 0x1f170, 0x1f1e6};

static int compare_alike(const void *key, const void *element)
{
    utf8proc_int32_t a = *(const utf8proc_int32_t *)key;
    utf8proc_int32_t b = ((const struct alike *)element)->character;
    return (a > b) - (a < b);
}

/* The letter that `character` looks like, or 0. */
static char find_alike(utf8proc_int32_t character)
{
    for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets; i++)
        if (character >= alphabets[i] && character < alphabets[i] + 26)
            return (char)('a' + (character - alphabets[i]));
    const struct alike *found = bsearch(&character, alikes, sizeof alikes / sizeof *alikes,
                                        sizeof *alikes, compare_alike);
    return found == NULL ? 0 : found->letter;
}

/* ---- out ---- */

/* White_Space, and Braille's empty cell. */
static bool is_blank(utf8proc_int32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x2800 || c == 0x3000;
}

static void put(struct folder *folder, utf8proc_int32_t c)
{
    if (is_blank(c)) {
        if (folder->was_blank)
            return;
        c = ' ';
    }
    utf8proc_uint8_t octets[4];
    size_t len = (size_t)utf8proc_encode_char(c, octets);
    if (folder->is_full || len > folder->left) {
        folder->is_full = true;
        return;
    }
    mw_buf_put(folder->out, MW_SLICE((const char *)octets, len));
    folder->left -= len;
    folder->was_blank = c == ' ';
}

/* ---- characters ---- */

static bool is_mark(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
           category == UTF8PROC_CATEGORY_ME;
}

/* May it be joined with what stands before it? Marks, and the vowels and final consonants of
 * Hangul. */
static bool is_follower(utf8proc_int32_t c)
{
    return c >= 0x300 &&
           (is_mark(c) || (c >= 0x1160 && c <= 0x11ff) || (c >= 0xd7b0 && c <= 0xd7ff));
}

/* UAX 15: marks in canonical order. Stable, and short for want of followers. */
static void sort_marks(struct folder *folder)
{
    for (size_t i = 1; i < folder->count; i++) {
        utf8proc_int32_t c = folder->batch[i];
        int class = c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
        size_t to = i;
        for (; class > 0 && to > 0; to--) {
            if (utf8proc_get_property(folder->batch[to - 1])->combining_class <= class)
                break;
            folder->batch[to] = folder->batch[to - 1];
        }
        folder->batch[to] = c;
    }
}

static void flush(struct folder *folder)
{
    if (folder->count == 0)
        return;
    sort_marks(folder);
    utf8proc_ssize_t count = utf8proc_normalize_utf32(
        folder->batch, (utf8proc_ssize_t)folder->count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    mw_assert(count >= 0); /* it refuses invalid options only */
    for (utf8proc_ssize_t i = 0; i < count; i++)
        put(folder, folder->batch[i]);
    folder->count = 0;
}

/* What digits in words are made to letters from, too: so a mark that is left on one would be in
 * the way. */
static bool loses_marks(utf8proc_int32_t c)
{
    return c < 0x80 && (mw_is_alnum((char)c) || c == '@' || c == '$');
}

/* A character in its last form. */
static void add(struct folder *folder, utf8proc_int32_t c)
{
    char letter = c < 0x80 ? 0 : find_alike(c);
    if (letter != 0)
        c = letter;
    if (is_follower(c)) {
        if ((folder->is_latin && is_mark(c)) || ++folder->followers > FOLLOWERS_MAX)
            return;
    } else {
        if (folder->count >= BATCH)
            flush(folder);
        folder->followers = 0;
        folder->is_latin = loses_marks(c);
    }
    folder->batch[folder->count++] = c;
}

static void add_folded(struct folder *folder, utf8proc_int32_t c)
{
    if (c < 0x80) {
        add(folder, mw_lower((char)c));
        return;
    }
    char letter = find_alike(c);
    utf8proc_int32_t folded[DECOMPOSED_MAX] = {letter};
    utf8proc_ssize_t count = 1;
    if (letter == 0)
        count = utf8proc_decompose_char(c, folded, DECOMPOSED_MAX,
                                        UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                                            UTF8PROC_IGNORE | UTF8PROC_STABLE,
                                        NULL);
    for (utf8proc_ssize_t i = 0; i < count && i < DECOMPOSED_MAX; i++)
        add(folder, folded[i]);
}

/* One character of the text. */
static void take(struct folder *folder, utf8proc_int32_t c)
{
    if (c < 0x80) {
        add_folded(folder, c);
        return;
    }
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    utf8proc_ssize_t count = utf8proc_decompose_char(
        c, parts, DECOMPOSED_MAX,
        UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE | UTF8PROC_STABLE, NULL);
    for (utf8proc_ssize_t i = 0; i < count && i < DECOMPOSED_MAX; i++)
        add_folded(folder, parts[i]);
}

/* ---- text ---- */

static size_t ascii_len(struct mw_slice text)
{
    size_t at = 0;
    for (uint64_t eight; text.len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.ptr + at, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < text.len && (unsigned char)text.ptr[at] < 0x80)
        at++;
    return at;
}

/* ASCII that nothing can be joined to. Returns when it is done or `out` is full. */
static void put_ascii(struct folder *folder, struct mw_slice text)
{
    flush(folder);
    folder->followers = 0;
    while (text.len > 0 && !folder->is_full) {
        size_t len = text.len < folder->left ? text.len : folder->left;
        if (len == 0) {
            folder->is_full = true;
            return;
        }
        char *start = mw_buf_reserve(folder->out, len), *to = start;
        bool was_blank = folder->was_blank;
        for (size_t i = 0; i < len; i++) {
            char c = mw_lower(text.ptr[i]);
            bool is_white = c == ' ' || (c >= '\t' && c <= '\r');
            *to = is_white ? ' ' : c;
            to += !(is_white && was_blank);
            was_blank = is_white;
        }
        folder->was_blank = was_blank;
        folder->out->len += (size_t)(to - start);
        folder->left -= (size_t)(to - start);
        text = mw_slice_skip(text, len);
    }
}

static utf8proc_int32_t decode(struct mw_slice text, size_t *out_used)
{
    bool is_valid;
    *out_used = mw_utf8_next(text, &is_valid);
    if (!is_valid)
        return 0xfffd;
    unsigned char lead = (unsigned char)text.ptr[0];
    if (lead < 0x80)
        return lead;
    utf8proc_int32_t c = lead & (0xff >> (*out_used + 1));
    for (size_t i = 1; i < *out_used; i++)
        c = c << 6 | (text.ptr[i] & 0x3f);
    return c;
}

static void fold(struct folder *folder, struct mw_slice text)
{
    while (text.len > 0 && !folder->is_full) {
        size_t len = ascii_len(text);
        if (len < text.len && len > 0)
            len--; /* a mark may follow the last one */
        if (len > 0)
            put_ascii(folder, mw_slice_take(text, len));
        text = mw_slice_skip(text, len);
        for (size_t used; text.len > 0 && !folder->is_full; text = mw_slice_skip(text, used)) {
            bool is_ascii = (unsigned char)text.ptr[0] < 0x80;
            if (is_ascii && (text.len == 1 || (unsigned char)text.ptr[1] < 0x80))
                break;
            take(folder, decode(text, &used));
        }
    }
    flush(folder);
}

/* ---- digits in words ---- */

/* The letter that stands for `c` in "p4ypa1", "vi@gra", "ca$h"; 0: none. */
static char digit_letter(char c)
{
    switch (c) {
    case '0':
        return 'o';
    case '1':
        return 'l';
    case '3':
        return 'e';
    case '4':
    case '@':
        return 'a';
    case '5':
    case '$':
        return 's';
    case '7':
        return 't';
    default:
        return 0;
    }
}

static bool is_name_octet(char c)
{
    return mw_is_alnum(c) || (c & 0x80) != 0;
}

/* Is the "@" at `at` that of an address: behind something, before a domain with a dot? */
static bool is_address_at(struct mw_slice text, size_t at)
{
    if (at == 0 ||
        (!is_name_octet(text.ptr[at - 1]) && memchr(".-_+%=\"", text.ptr[at - 1], 7) == NULL))
        return false;
    size_t end = at + 1;
    while (end < text.len && (is_name_octet(text.ptr[end]) || text.ptr[end] == '-'))
        end++;
    return end > at + 1 && text.len - end >= 2 && text.ptr[end] == '.' &&
           is_name_octet(text.ptr[end + 1]);
}

static bool is_digit_like(struct mw_slice text, size_t at)
{
    char c = text.ptr[at];
    return digit_letter(c) != 0 && (c != '@' || !is_address_at(text, at));
}

/* Runs of such digits that touch a letter. */
static void replace_digits(char *ptr, size_t len)
{
    struct mw_slice text = MW_SLICE(ptr, len);
    for (size_t at = 0; at < len; at++) {
        if (ptr[at] > '@' || !is_digit_like(text, at)) /* letters, and what is not ASCII */
            continue;
        size_t end = at + 1;
        while (end < len && is_digit_like(text, end))
            end++;
        if ((at > 0 && mw_is_alpha(ptr[at - 1])) || (end < len && mw_is_alpha(ptr[end])))
            for (size_t i = at; i < end; i++)
                ptr[i] = digit_letter(ptr[i]);
        at = end - 1;
    }
}

void mw_text_fold(struct mw_slice text, size_t max, struct mw_buf *out)
{
    size_t room = out->max == 0 ? SIZE_MAX : out->max - out->len, start = out->len;
    struct folder folder;
    folder.out = out;
    folder.left = max < room ? max : room;
    folder.is_full = folder.was_blank = folder.is_latin = false;
    folder.count = folder.followers = 0;
    fold(&folder, text);
    if (out->len > start)
        replace_digits(out->ptr + start, out->len - start);
}
