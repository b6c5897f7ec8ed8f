/* list_map.c - Postfix's lookup tables in their text form, as postmap(1) reads them.
 *
 *   - a line that begins with a blank continues the line before it;
 *   - empty lines and lines whose first non-blank character is # are skipped, also between a line
 *     and its continuation;
 *   - the first word is the key, the rest its value; blanks inside "..." belong to the word, and the
 *     quotes to the key.
 *
 * A key whose value is not asked for stays: access(5) takes the first key that fits an address, so
 * "good.example OK" must hide ".example REJECT". */
#include "list_priv.h"

struct map_reader {
    char *raw;
    size_t len, at;
    uint32_t line; /* of the line at `at` */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct mw_slice line_at(const struct map_reader *reader, size_t at)
{
    struct mw_slice line = SLICE(reader->raw + at, reader->len - at);
    ptrdiff_t end = text_find(line, '\n');
    return end < 0 ? line : SLICE(line.ptr, (size_t)end);
}

static bool is_skipped(struct mw_slice line)
{
    struct mw_slice text = text_trim(line);
    return text.len == 0 || text.ptr[0] == '#';
}

/* The next logical line: joined in place, its line ends turned into blanks. Comments inside it are
 * blanked out. *out_line is where it begins. */
static bool next_logical(struct map_reader *reader, struct mw_slice *out, uint32_t *out_line)
{
    while (reader->at < reader->len && is_skipped(line_at(reader, reader->at))) {
        reader->at += line_at(reader, reader->at).len + 1;
        reader->line++;
    }
    if (reader->at >= reader->len)
        return false;
    size_t start = reader->at, end = start;
    *out_line = reader->line;
    for (bool is_first = true; reader->at < reader->len; is_first = false) {
        struct mw_slice line = line_at(reader, reader->at);
        bool skips = !is_first && is_skipped(line);
        if (!is_first && !skips && !is_blank(line.ptr[0]))
            break;
        char *text = reader->raw + reader->at;
        if (skips)
            memset(text, ' ', line.len);
        if (!is_first)
            text[-1] = ' ';
        end = skips ? end : reader->at + line.len;
        reader->at += line.len + 1;
        reader->line++;
    }
    *out = SLICE(reader->raw + start, end - start);
    return true;
}

/* The key at the front of a logical line. */
static struct mw_slice key_of(struct mw_slice line)
{
    size_t at = 0;
    bool is_quoted = false;
    for (; at < line.len && (is_quoted || !is_blank(line.ptr[at])); at++) {
        if (line.ptr[at] == '"')
            is_quoted = !is_quoted;
        else if (line.ptr[at] == '\\' && is_quoted && at + 1 < line.len)
            at++;
    }
    return SLICE(line.ptr, at);
}

/* Is the value's first word one of `words` ("reject\nok\n")? */
static bool counts(struct mw_slice value, const char *words)
{
    size_t len = 0;
    if (words == NULL)
        return true;
    while (len < value.len && !is_blank(value.ptr[len]))
        len++;
    for (struct mw_slice rest = slice_of(words); rest.len > 0;) {
        ptrdiff_t end = text_find(rest, '\n');
        if (end < 0)
            break;
        if (text_ieq(SLICE(value.ptr, len), SLICE(rest.ptr, (size_t)end)))
            return true;
        rest = text_skip(rest, (size_t)end + 1);
    }
    return false;
}

static bool has_control(struct mw_slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.ptr[i] < ' ' || key.ptr[i] == 0x7f)
            return true;
    return false;
}

size_t rules_list_map_read(char *raw, size_t len, const char *words, struct list_problems *problems)
{
    struct map_reader reader = {.raw = raw, .len = len, .line = 1};
    struct mw_slice line, key;
    size_t out = 0;
    struct list_problem where = {.column = 1};
    while (next_logical(&reader, &line, &where.line)) {
        struct mw_slice text = text_trim(line);
        size_t indent = (size_t)(text.ptr - line.ptr);
        where.column = (uint32_t)indent + 1;
        key = key_of(text);
        struct mw_slice value = text_trim(text_skip(text, key.len));
        if (value.len == 0) {
            rules_list_problem(problems, PROBLEM_NO_VALUE, &where, text);
        } else if (key.len > LIST_ENTRY_MAX) {
            rules_list_problem(problems, PROBLEM_LONG, &where, key);
        } else if (has_control(key)) {
            rules_list_problem(problems, PROBLEM_CONTROL, &where, key);
        } else {
            char end = counts(value, words) ? ENTRY_COUNTS : ENTRY_OTHER;
            memmove(raw + out, key.ptr, key.len); /* at most where it stood: a value is behind it */
            out += key.len;
            raw[out++] = end;
        }
    }
    return out;
}
