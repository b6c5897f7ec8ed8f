/* log_line.c - logfmt and JSON without a format string, fast: most values are plain, and a plain
 * value is one look over its octets and one memcpy.
 *
 * A value is "plain" if it is printable ASCII without blank, quote, "=" and backslash. Anything
 * else is put in quotes, octet by octet. JSON strings are always quoted; an octet that is not UTF-8
 * stands as the text \xNN there (written \\xNN), as in logfmt. Every put_ function leaves the
 * cursor alone when there is no room and says so: a field is printed whole or not at all. */
#include "base/log_line.h"

#include <string.h>

#include "base/utf8.h"

enum { TAIL = 2 }; /* what ends a line: "}" and LF */

struct cursor {
    char *at;
    const char *end;
    enum mw_log_format format;
    bool is_full;
};

/* ---- octets ---- */

static inline void put(struct cursor *cursor, struct mw_slice octets)
{
    if ((size_t)(cursor->end - cursor->at) < octets.len) {
        cursor->is_full = true;
        return;
    }
    if (octets.len > 0)
        memcpy(cursor->at, octets.ptr, octets.len);
    cursor->at += octets.len;
}

static inline void put_char(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end)
        cursor->is_full = true;
    else
        *cursor->at++ = c;
}

/* `width` digits at least, with zeros in front. */
static void put_number(struct cursor *cursor, uint64_t number, int width)
{
    if (number < 10 && width == 1) { /* most of them */
        put_char(cursor, (char)('0' + number));
        return;
    }
    char digits[20];
    size_t first = sizeof digits;
    for (; number > 0 || width > 0; number /= 10, width--)
        digits[--first] = (char)('0' + number % 10);
    put(cursor, MW_SLICE(digits + first, sizeof digits - first));
}

static void put_hex(struct cursor *cursor, struct mw_slice lead, unsigned char octet)
{
    static const char digits[] = "0123456789abcdef";
    put(cursor, lead);
    put_char(cursor, digits[octet >> 4]);
    put_char(cursor, digits[octet & 15]);
}

/* ---- text from anywhere ---- */

enum {
    PLAIN = 1,   /* in a value without quotes */
    IN_WORD = 2, /* in a key, an event, an id */
    WORD = IN_WORD | PLAIN,
};

/* clang-format off */
static const unsigned char classes[256] = {
    ['!'] = PLAIN, ['#' ... ','] = PLAIN, ['-' ... '.'] = WORD, ['/'] = PLAIN,
    ['0' ... '9'] = WORD, [':' ... '<'] = PLAIN, ['>' ... '@'] = PLAIN,
    ['A' ... 'Z'] = WORD, ['['] = PLAIN, [']' ... '^'] = PLAIN, ['_'] = WORD, ['`'] = PLAIN,
    ['a' ... 'z'] = WORD, ['{' ... '~'] = PLAIN,
};
/* clang-format on */

static inline bool is_of(char c, unsigned char class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

#define EACH_OCTET(value) (UINT64_C(0x0101010101010101) * (value))

/* What `classes` says, of eight octets at once: bit 7 of each octet of `good` says that it is none
 * of those that have to be quoted. No carry leaves an octet, because `low` has bit 7 clear. */
static inline bool is_plain_word(const char *octets)
{
    uint64_t word;
    memcpy(&word, octets, sizeof word);
    uint64_t low = word & EACH_OCTET(0x7f);
    uint64_t good = ~word & (low + EACH_OCTET(0x7f - ' ')) &
                    ((low ^ EACH_OCTET(0x7f)) + EACH_OCTET(0x7f)) &
                    ((low ^ EACH_OCTET('"')) + EACH_OCTET(0x7f)) &
                    ((low ^ EACH_OCTET('=')) + EACH_OCTET(0x7f)) &
                    ((low ^ EACH_OCTET('\\')) + EACH_OCTET(0x7f));
    return (good & EACH_OCTET(0x80)) == EACH_OCTET(0x80);
}

static bool is_plain(struct mw_slice text)
{
    size_t at = 0;
    for (; text.len - at >= 8; at += 8)
        if (!is_plain_word(text.ptr + at))
            return false;
    if (at > 0) /* the rest, with some octets a second time */
        return is_plain_word(text.ptr + text.len - 8);
    for (; at < text.len; at++)
        if (!is_of(text.ptr[at], PLAIN))
            return false;
    return true;
}

/* Keys, events and ids: ours, or a filter's. Nothing in them may look like another field. */
static inline char word_char(char c)
{
    return is_of(c, IN_WORD) ? c : '_';
}

static void put_word(struct cursor *cursor, struct mw_slice word)
{
    word = mw_slice_take(word, MW_LOG_WORD_MAX);
    if ((size_t)(cursor->end - cursor->at) < word.len) {
        cursor->is_full = true;
        return;
    }
    for (size_t i = 0; i < word.len; i++)
        cursor->at[i] = word_char(word.ptr[i]);
    cursor->at += word.len;
}

/* " key=" of logfmt: measured and copied at once, because there are many. */
static void put_key(struct cursor *cursor, const char *key)
{
    if (cursor->end - cursor->at < MW_LOG_WORD_MAX + 2) { /* the line's last octets */
        put_char(cursor, ' ');
        put_word(cursor, mw_slice_cstr(key));
        put_char(cursor, '=');
        return;
    }
    char *at = cursor->at;
    *at++ = ' ';
    const char *end = at + MW_LOG_WORD_MAX;
    for (; at < end && *key != '\0'; key++)
        *at++ = word_char(*key);
    *at++ = '=';
    cursor->at = at;
}

/* A control character (C1 ones too: terminals obey them), DEL, a line end of Unicode's (readers
 * that split lines by it would see a forged one: U+2028, U+2029), or one that turns the direction
 * of text (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069). */
static bool is_control(struct mw_slice character)
{
    const unsigned char *octets = (const unsigned char *)character.ptr;
    if (character.len == 1)
        return octets[0] < ' ' || octets[0] == 127;
    if (character.len == 2)
        return octets[0] == 0xc2 && octets[1] < 0xa0;
    if (character.len != 3 || octets[0] != 0xe2)
        return false;
    return (octets[1] == 0x80 &&
            (octets[2] == 0x8e || octets[2] == 0x8f || (octets[2] >= 0xa8 && octets[2] <= 0xae))) ||
           (octets[1] == 0x81 && octets[2] >= 0xa6 && octets[2] <= 0xa9);
}

static void put_escaped(struct cursor *cursor, struct mw_slice octets)
{
    struct mw_slice lead = cursor->format == MW_LOG_JSON ? MW_LIT("\\\\x") : MW_LIT("\\x");
    for (size_t i = 0; i < octets.len; i++)
        put_hex(cursor, lead, (unsigned char)octets.ptr[i]);
}

/* One character as it stands between quotes. */
static void put_character(struct cursor *cursor, struct mw_slice character, bool is_valid)
{
    char first = character.ptr[0];
    if (first == '"' || first == '\\') {
        put_char(cursor, '\\');
        put_char(cursor, first);
    } else if (!is_valid) {
        put_escaped(cursor, character);
    } else if (!is_control(character)) {
        put(cursor, character);
    } else if (cursor->format == MW_LOG_JSON && character.len == 1) {
        put_hex(cursor, MW_LIT("\\u00"), (unsigned char)first);
    } else {
        put_escaped(cursor, character);
    }
}

static void put_inside_quotes(struct cursor *cursor, struct mw_slice text)
{
    while (text.len > 0) {
        bool is_valid;
        size_t len = mw_utf8_next(text, &is_valid);
        put_character(cursor, mw_slice_take(text, len), is_valid);
        text = mw_slice_skip(text, len);
    }
}

/* The beginning of a long value, cut between two characters. */
static struct mw_slice shortened(struct mw_slice text)
{
    size_t len = MW_LOG_VALUE_MAX - 3;
    while (len > MW_LOG_VALUE_MAX - 7 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return mw_slice_take(text, len);
}

/* before + text + after; only `text` may hold anything. */
static void put_value(struct cursor *cursor, struct mw_slice before, struct mw_slice text,
                      struct mw_slice after)
{
    bool is_long = text.len > MW_LOG_VALUE_MAX;
    if (is_long)
        text = shortened(text);
    bool is_quoted = cursor->format == MW_LOG_JSON || !is_plain(text);
    if (is_quoted)
        put_char(cursor, '"');
    put(cursor, before);
    if (is_quoted)
        put_inside_quotes(cursor, text);
    else
        put(cursor, text);
    if (is_long)
        put(cursor, MW_LIT("..."));
    put(cursor, after);
    if (is_quoted)
        put_char(cursor, '"');
}

/* ---- values ---- */

static void put_text_value(struct cursor *cursor, struct mw_slice text)
{
    if (text.len == 0 && cursor->format == MW_LOG_LOGFMT)
        put_char(cursor, '-');
    else if (text.len == 0)
        put(cursor, MW_LIT("null"));
    else if (cursor->format == MW_LOG_LOGFMT && text.len == 1 && text.ptr[0] == '-')
        put(cursor, MW_LIT("\"-\"")); /* somebody's word, not our "unknown" */
    else
        put_value(cursor, MW_EMPTY, text, MW_EMPTY);
}

/* name[address]:port. The address was printed by us; what could not have been is not shown. */
static void put_client(struct cursor *cursor, const struct mw_log_field *field)
{
    char after[96];
    struct cursor tail = {.at = after, .end = after + sizeof after};
    put_char(&tail, '[');
    bool is_address = field->more.len > 0 && field->more.len < 64 && is_plain(field->more);
    put(&tail, is_address ? field->more : MW_LIT("-"));
    put(&tail, MW_LIT("]:"));
    put_number(&tail, field->number, 1);
    put_value(cursor, MW_EMPTY, field->text.len > 0 ? field->text : MW_LIT("-"),
              MW_SLICE(after, (size_t)(tail.at - after)));
}

static void put_ratio(struct cursor *cursor, const struct mw_log_field *field)
{
    if (cursor->format == MW_LOG_JSON)
        put_char(cursor, '"');
    put_number(cursor, field->number, 1);
    put_char(cursor, '/');
    put_number(cursor, field->second, 1);
    if (cursor->format == MW_LOG_JSON)
        put_char(cursor, '"');
}

static void put_field_value(struct cursor *cursor, const struct mw_log_field *field)
{
    switch (field->type) {
    case MW_FIELD_TEXT:
        put_text_value(cursor, field->text);
        break;
    case MW_FIELD_PATH:
        put_value(cursor, MW_LIT("<"), field->text, MW_LIT(">"));
        break;
    case MW_FIELD_UINT:
        put_number(cursor, field->number, 1);
        break;
    case MW_FIELD_SECONDS:
        put_number(cursor, field->number / 1000, 1);
        put_char(cursor, '.');
        put_number(cursor, field->number % 1000, 3);
        break;
    case MW_FIELD_RATIO:
        put_ratio(cursor, field);
        break;
    case MW_FIELD_CLIENT:
        put_client(cursor, field);
        break;
    }
}

/* ---- lines ---- */

const char *mw_log_level_name(enum mw_log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return (size_t)level < sizeof names / sizeof *names ? names[level] : "error";
}

static void put_json_member(struct cursor *cursor, const char *key, struct mw_slice word)
{
    put(cursor, mw_slice_cstr(key));
    put_word(cursor, word);
    put(cursor, MW_LIT("\","));
}

static void put_head(struct cursor *cursor, const struct mw_log_head *head)
{
    put(cursor, head->prefix);
    if (cursor->format == MW_LOG_JSON) {
        put(cursor, MW_LIT("{\"time\":\""));
        put(cursor, head->time);
        put_json_member(cursor, "\",\"level\":\"", mw_slice_cstr(mw_log_level_name(head->level)));
        if (head->id.len > 0)
            put_json_member(cursor, "\"id\":\"", head->id);
        put(cursor, MW_LIT("\"event\":\""));
        put_word(cursor, head->event);
        put_char(cursor, '"');
        return;
    }
    put(cursor, head->time);
    put(cursor, head->time.len > 0 ? MW_LIT(" ") : MW_EMPTY);
    put_word(cursor, head->id);
    put(cursor, head->id.len > 0 ? MW_LIT(": ") : MW_EMPTY);
    put_word(cursor, head->event.len > 0 ? head->event : MW_LIT("-"));
}

/* The members that every JSON line has: a field of that name gets a "_" behind it. */
static bool is_reserved(struct mw_slice key)
{
    return mw_slice_eq(key, MW_LIT("time")) || mw_slice_eq(key, MW_LIT("level")) ||
           mw_slice_eq(key, MW_LIT("id")) || mw_slice_eq(key, MW_LIT("event"));
}

static void put_json_key(struct cursor *cursor, struct mw_slice key)
{
    put(cursor, MW_LIT(",\""));
    put_word(cursor, key);
    put(cursor, is_reserved(key) ? MW_LIT("_\":") : MW_LIT("\":"));
}

static void put_field(struct cursor *cursor, const struct mw_log_field *field)
{
    const char *key = field->key == NULL || field->key[0] == '\0' ? "_" : field->key;
    if (cursor->format == MW_LOG_JSON)
        put_json_key(cursor, mw_slice_cstr(key));
    else
        put_key(cursor, key);
    put_field_value(cursor, field);
}

size_t mw_log_line_print(char *out, const struct mw_log_head *head,
                         const struct mw_log_field *fields, size_t count)
{
    struct cursor cursor = {.at = out, .end = out + MW_LOG_LINE_MAX - TAIL, .format = head->format};
    put_head(&cursor, head);
    for (size_t i = 0; i < count && !cursor.is_full; i++) {
        char *before = cursor.at;
        put_field(&cursor, &fields[i]);
        if (cursor.is_full)
            cursor.at = before;
    }
    if (cursor.format == MW_LOG_JSON)
        *cursor.at++ = '}';
    *cursor.at++ = '\n';
    return (size_t)(cursor.at - out);
}
