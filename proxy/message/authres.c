/* authres.c - see authres.h.
 *
 * Reading. RFC 8601 2.2: [CFWS] authserv-id [CFWS version] ";"... A reader that follows this comes
 * to one first word. Others come to other words, and a forger chooses the spelling on which they
 * differ; so first words are looked for at every place where some reader would begin:
 *
 *   - behind the leading comments and blanks, as RFC 5322 3.2.2 has it
 *   - behind each ")" in them: a reader that does not know of nesting, or of quoted pairs, is out of
 *     the comment there
 *   - behind each "(" and quote, where a comment or quoted string has no end
 *   - at the front of the first piece that is not empty, of a value that is cut at each ";": a
 *     reader that cuts first cuts quoted strings too, and takes off what is left of the quotes
 *   - all this again in the value as RFC 2047 decodes it, if there is an encoded-word
 *
 * A word's backslashes are dropped, whoever may have unquoted them or not, and so are octets that are
 * no UTF-8 and blanks of Unicode, which decoders and trimmers leave out. If what stands between
 * the first word and the first ";" is not what the grammar wants, the octets in front of that ";"
 * are joined without comments, blanks and quotes: what a reader is left with that takes those out.
 *
 * Places are bounded: nobody who is not up to something writes a hundred of them, and then the field
 * is ours. So are the conversions of international names, which cost more than the rest. */
#include "message/authres.h"

#include <idn2.h>
#include <string.h>

#include "base/utf8.h"

enum { PLACES_MAX = 100, CONVERSIONS_MAX = 8, WORD_MAX = 4 * MW_AUTHRES_ID_MAX };

/* ---- ids ---- */

static bool is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

static struct mw_slice without_final_dots(struct mw_slice name)
{
    while (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

/* Append `name` with A-labels in lower case. False: IDNA refuses it. */
static bool put_a_labels(struct mw_slice name, struct mw_buf *out)
{
    struct mw_buf text = {0};
    mw_buf_put(&text, name);
    mw_buf_putc(&text, '\0');
    char *ascii = NULL;
    bool is_good = memchr(name.ptr, '\0', name.len) == NULL &&
                   idn2_to_ascii_8z(text.ptr, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK;
    for (const char *c = ascii; is_good && *c != '\0'; c++)
        mw_buf_putc(out, mw_lower(*c));
    if (ascii != NULL)
        idn2_free(ascii);
    mw_buf_fini(&text);
    return is_good;
}

static bool is_host_name(struct mw_slice name)
{
    if (name.len == 0 || name.len > MW_AUTHRES_ID_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_' &&
            name.ptr[i] != '.')
            return false;
    return mw_is_alnum(name.ptr[0]);
}

bool mw_authres_id(struct mw_slice id, struct mw_arena *arena, struct mw_slice *out_id)
{
    struct mw_buf text = {0};
    bool is_good = id.len > 0 && id.len <= WORD_MAX;
    if (is_good && is_ascii(id))
        for (size_t i = 0; i < id.len; i++)
            mw_buf_putc(&text, mw_lower(id.ptr[i]));
    else if (is_good)
        is_good = put_a_labels(id, &text);
    struct mw_slice name = without_final_dots(mw_buf_view(&text));
    is_good = is_good && is_host_name(name);
    if (is_good)
        *out_id = mw_arena_dup(arena, name);
    mw_buf_fini(&text);
    return is_good;
}

/* ---- octets ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2045 5.1, and what RFC 6532 adds. */
static bool is_token(char c)
{
    return (unsigned char)c >= 0x80 ||
           (c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL);
}

/* ---- one search ---- */

struct search {
    struct mw_slice value;
    const struct mw_slice *ids;
    size_t id_count;
    struct mw_buf word;
    unsigned places, conversions;
    bool is_own;
};

static bool is_among(const struct search *search, struct mw_slice name)
{
    name = without_final_dots(name);
    for (size_t i = 0; i < search->id_count; i++)
        if (mw_slice_ieq(name, search->ids[i]))
            return true;
    return false;
}

/* Of category Zs, or a control that ends lines, as UTF-8. */
static bool is_wide_blank(struct mw_slice text)
{
    static const char *const blanks[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                         "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                         "\xe2\x81\x9f", "\xe3\x80\x80"};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        if (mw_slice_eq(text, mw_slice_cstr(blanks[i])))
            return true;
    return text.len == 3 && memcmp(text.ptr, "\xe2\x80", 2) == 0 && /* U+2000 to U+200A */
           (unsigned char)text.ptr[2] <= 0x8a;
}

/* What is left of `name` for a reader that ignores octets which are no UTF-8, and trims. */
static void put_readable(struct mw_slice name, struct mw_buf *out)
{
    for (size_t at = 0, len; at < name.len; at += len) {
        bool is_valid;
        len = mw_utf8_next(mw_slice_skip(name, at), &is_valid);
        struct mw_slice character = mw_slice_take(mw_slice_skip(name, at), len);
        if (is_wide_blank(character) && out->len > 0)
            return;
        if (is_valid && !is_wide_blank(character))
            mw_buf_put(out, character);
    }
}

/* `name` has octets above ASCII. */
static bool is_international_own(struct search *search, struct mw_slice name)
{
    struct mw_buf text = {0}, ascii = {0};
    put_readable(name, &text);
    name = mw_buf_view(&text);
    bool is_own = is_ascii(name)
                      ? is_among(search, name)
                      : put_a_labels(name, &ascii) && is_among(search, mw_buf_view(&ascii));
    mw_buf_fini(&text);
    mw_buf_fini(&ascii);
    return is_own;
}

/* search->word is what some reader takes for the id. */
static void judge(struct search *search)
{
    struct mw_slice name = mw_buf_view(&search->word);
    if (search->is_own || name.len == 0 || name.len > WORD_MAX)
        return;
    if (is_ascii(name))
        search->is_own = is_among(search, name);
    else
        search->is_own = search->conversions++ >= CONVERSIONS_MAX ||
                         is_international_own(search, name);
}

static size_t skip_blanks(const struct search *search, size_t at)
{
    while (at < search->value.len && is_blank(search->value.ptr[at]))
        at++;
    return at;
}

/* Some reader begins to read the id at `at`. Returns where the word ends. */
static size_t try_word(struct search *search, size_t at)
{
    const struct mw_slice value = search->value;
    at = skip_blanks(search, at);
    if (at < value.len && value.ptr[at] == '"')
        at++;
    search->word.len = 0;
    for (; at < value.len && (is_token(value.ptr[at]) || value.ptr[at] == '\\'); at++)
        if (value.ptr[at] != '\\' && search->word.len <= WORD_MAX)
            mw_buf_putc(&search->word, value.ptr[at]);
    judge(search);
    return at;
}

static void try_place(struct search *search, size_t at)
{
    if (search->places++ >= PLACES_MAX)
        search->is_own = true;
    if (!search->is_own)
        try_word(search, at);
}

/* Every place in [from, to) where a reader that is not in step may begin. */
static void try_places(struct search *search, size_t from, size_t to, const char *behind)
{
    for (size_t at = from; at < to && !search->is_own; at++)
        if (search->value.ptr[at] != '\0' && strchr(behind, search->value.ptr[at]) != NULL)
            try_place(search, at + 1);
}

/* ---- the grammar ---- */

/* Behind the comment that begins at `at`; beyond the value's length where it has no end. */
static size_t skip_comment(struct mw_slice value, size_t at)
{
    size_t depth = 0;
    for (; at < value.len; at++) {
        if (value.ptr[at] == '\\')
            at++;
        else if (value.ptr[at] == '(')
            depth++;
        else if (value.ptr[at] == ')' && --depth == 0)
            return at + 1;
    }
    return value.len + 1;
}

/* Behind comments and blanks; beyond the value's length where a comment has no end. */
static size_t skip_cfws(struct mw_slice value, size_t at)
{
    while (at < value.len && (is_blank(value.ptr[at]) || value.ptr[at] == '('))
        at = value.ptr[at] == '(' ? skip_comment(value, at) : at + 1;
    return at;
}

/* Read the quoted string at `at` into search->word. Behind it, or beyond the value. */
static size_t read_quoted(struct search *search, size_t at)
{
    const struct mw_slice value = search->value;
    search->word.len = 0;
    for (at++; at < value.len; at++) {
        char c = value.ptr[at];
        if (c == '"')
            return at + 1;
        if (c == '\\' && at + 1 < value.len)
            c = value.ptr[++at];
        if (!is_blank(c) && search->word.len <= WORD_MAX)
            mw_buf_putc(&search->word, c);
    }
    return value.len + 1;
}

/* Behind the id: [CFWS] [version] [CFWS] and ";" or the end; the version may stand behind a "/", as
 * drafts had it. */
static bool ends_well(struct mw_slice value, size_t at)
{
    at = skip_cfws(value, at);
    if (at < value.len && value.ptr[at] == '/')
        at = skip_cfws(value, at + 1);
    while (at < value.len && mw_is_digit(value.ptr[at]))
        at++;
    at = skip_cfws(value, at);
    return at == value.len || (at < value.len && value.ptr[at] == ';');
}

/* What stands in front of the first ";", without comments, blanks, quotes and control octets. */
static void try_joined(struct search *search)
{
    const struct mw_slice value = search->value;
    search->word.len = 0;
    for (size_t at = 0; at < value.len && value.ptr[at] != ';'; at++) {
        size_t behind = value.ptr[at] == '(' ? skip_comment(value, at) : 0;
        if (behind > 0 && behind <= value.len)
            at = behind - 1;
        else if (is_token(value.ptr[at]) && search->word.len <= WORD_MAX)
            mw_buf_putc(&search->word, value.ptr[at]);
        if (behind > value.len)
            break;
    }
    judge(search);
}

/* The value is not what the grammar wants in front of its first ";". */
static void try_broken(struct search *search)
{
    ptrdiff_t end = mw_slice_find(search->value, ';');
    size_t from = skip_cfws(search->value, 0);
    try_word(search, 0);
    try_joined(search);
    /* an open comment or quoted string: its reader gives up somewhere in it */
    if (from > search->value.len || (end < 0 ? search->value.len : (size_t)end) < from)
        try_places(search, 0, search->value.len, "()\"");
    else
        try_places(search, from, end < 0 ? search->value.len : (size_t)end, "(\"");
}

static void look(struct search *search)
{
    const struct mw_slice value = search->value;
    size_t at = skip_cfws(value, 0);
    try_places(search, 0, at < value.len ? at : value.len, ")");
    bool is_good = at < value.len;
    if (is_good && value.ptr[at] == '"') {
        at = read_quoted(search, at);
        is_good = at <= value.len;
        judge(search);
    } else if (is_good) {
        at = try_word(search, at);
    }
    if (!search->is_own && !(is_good && ends_well(value, at)))
        try_broken(search);
}

/* The reader that cuts at each ";" before anything else, leaves out empty pieces, and takes off what is
 * left of a quoted string. (A comment that was cut stays in front of the id, and hides it.) */
static void look_at_first_piece(struct search *search)
{
    const struct mw_slice value = search->value;
    size_t at = skip_cfws(value, 0);
    bool has_empty = at < value.len && value.ptr[at] == ';';
    while (at < value.len && value.ptr[at] == ';')
        at = skip_cfws(value, at + 1);
    bool is_quoted = !has_empty && at < value.len && value.ptr[at] == '"';
    if (has_empty || (is_quoted && (size_t)mw_slice_find(value, ';') < read_quoted(search, at)))
        try_word(search, at);
}

static void look_both_ways(struct search *search, struct mw_slice value)
{
    search->value = value;
    search->places = 0;
    look(search);
    if (!search->is_own && mw_slice_find(value, ';') >= 0)
        look_at_first_piece(search);
}

static bool has_encoded_word(struct mw_slice value)
{
    for (size_t i = 0; i + 1 < value.len; i++)
        if (value.ptr[i] == '=' && value.ptr[i + 1] == '?')
            return true;
    return false;
}

bool mw_authres_is_own(struct mw_slice value, const struct mw_slice *ids, size_t id_count)
{
    struct search search = {.ids = ids, .id_count = id_count};
    struct mw_buf decoded = {0};
    look_both_ways(&search, value);
    if (!search.is_own && has_encoded_word(value)) {
        mw_header_decode(value, value.len * 3, &decoded); /* the most that any charset needs */
        look_both_ways(&search, mw_buf_view(&decoded));
    }
    mw_buf_fini(&decoded);
    mw_buf_fini(&search.word);
    return search.is_own;
}

/* ---- fields ---- */

/* "Authentication-Results", blanks, ":" and a value of ours. */
static bool is_own_field(struct mw_slice line, const struct mw_slice *ids, size_t id_count)
{
    const struct mw_slice name = MW_LIT(MW_AUTHRES_FIELD);
    size_t at = name.len;
    if (!mw_slice_ieq(mw_slice_take(line, name.len), name))
        return false;
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
        at++;
    return at < line.len && line.ptr[at] == ':' &&
           mw_authres_is_own(mw_slice_skip(line, at + 1), ids, id_count);
}

/* Where a CR without LF stands that folds nothing; the length if there is none from `at` on. */
static size_t find_bare_cr(struct mw_slice raw, size_t at)
{
    while (at < raw.len) {
        const char *cr = memchr(raw.ptr + at, '\r', raw.len - at);
        if (cr == NULL)
            break;
        at = (size_t)(cr - raw.ptr) + 1;
        if (at == raw.len || strchr("\n \t", raw.ptr[at]) == NULL || raw.ptr[at] == '\0')
            return at - 1;
    }
    return raw.len;
}

/* A bare CR (of a binary message, or where the listener lets it pass) ends a line for some readers,
 * Python's email among them, and what stands behind it in a field is another field to them. */
static bool hides_own_field(struct mw_slice raw, const struct mw_slice *ids, size_t id_count)
{
    for (size_t at = find_bare_cr(raw, 0), end; at < raw.len; at = end) {
        end = find_bare_cr(raw, at + 1);
        if (is_own_field(mw_slice_take(mw_slice_skip(raw, at + 1), end - at - 1), ids, id_count))
            return true;
    }
    return false;
}

bool mw_authres_is_forged(struct mw_slice field, const struct mw_slice *ids, size_t id_count)
{
    return is_own_field(field, ids, id_count) || hides_own_field(field, ids, id_count);
}

size_t mw_authres_strip(struct mw_headers *headers, const struct mw_slice *ids, size_t id_count)
{
    size_t kept = 0;
    if (id_count == 0)
        return 0;
    for (size_t i = 0; i < headers->count; i++) {
        const struct mw_field *field = &headers->fields[i];
        if (mw_authres_is_forged(field->raw, ids, id_count))
            continue;
        if (kept < i)
            headers->fields[kept] = *field;
        kept++;
    }
    size_t deleted = headers->count - kept;
    headers->count = kept;
    headers->is_edited |= deleted > 0;
    return deleted;
}

/* ---- writing ---- */

enum { LINE_WANTED = 78, PIECE_MAX = 990 };

/* Comments and quoted strings end where they should. */
static const char *structure_problem(struct mw_slice result)
{
    size_t depth = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < result.len; i++) {
        char c = result.ptr[i];
        if (c == '\\' && (is_quoted || depth > 0))
            i++;
        else if (c == '"' && depth == 0)
            is_quoted = !is_quoted;
        else if (c == '(' && !is_quoted)
            depth++;
        else if (c == ')' && !is_quoted && depth-- == 0)
            return "a ')' closes no comment";
    }
    return is_quoted ? "a quoted string has no end" : depth > 0 ? "a comment has no end" : NULL;
}

static const char *octets_problem(struct mw_slice result, bool is_utf8)
{
    size_t piece = 0;
    bool was_blank = true, is_valid;
    for (size_t at = 0; at < result.len;) {
        unsigned char c = (unsigned char)result.ptr[at];
        if (c < ' ' || c == 0x7f)
            return "a control octet is in it";
        if (c >= 0x80 && !is_utf8)
            return "only a message of SMTPUTF8 may hold octets above 127";
        size_t len = mw_utf8_next(mw_slice_skip(result, at), &is_valid);
        if (!is_valid)
            return "it is not UTF-8";
        piece = c == ' ' && !was_blank ? 1 : piece + len; /* blanks go with the word behind them */
        was_blank = c == ' ';
        if (piece > PIECE_MAX)
            return "a word in it is too long to be folded";
        at += len;
    }
    return NULL;
}

const char *mw_authres_problem(struct mw_slice result, bool is_utf8)
{
    result = mw_slice_trim(result);
    if (result.len == 0)
        return "it is empty";
    if (result.len > MW_AUTHRES_RESULT_MAX)
        return "it has more than 1,000 octets";
    if (mw_slice_find(result, ';') >= 0) /* not in quotes either: readers that split there exist */
        return "a ';' would begin another result";
    const char *problem = octets_problem(result, is_utf8);
    return problem != NULL ? problem : structure_problem(result);
}

/* The blanks at the front of `text` with the word behind them. */
static struct mw_slice next_piece(struct mw_slice text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] == ' ')
        len++;
    while (len < text.len && text.ptr[len] != ' ')
        len++;
    return mw_slice_take(text, len);
}

static void print_result(struct mw_slice result, struct mw_buf *out)
{
    size_t column = 8; /* the tab's width */
    mw_buf_put(out, MW_LIT("\r\n\t"));
    result = mw_slice_trim(result);
    for (bool is_first = true; result.len > 0; is_first = false) {
        struct mw_slice piece = next_piece(result);
        if (!is_first && column + piece.len >= LINE_WANTED) { /* a ";" may follow */
            mw_buf_put(out, MW_LIT("\r\n"));
            column = 0;
        }
        mw_buf_put(out, piece);
        column += piece.len;
        result = mw_slice_skip(result, piece.len);
    }
}

void mw_authres_print(struct mw_slice id, const struct mw_slice *results, size_t count,
                      struct mw_buf *out)
{
    mw_buf_putc(out, ' ');
    mw_buf_put(out, id);
    for (size_t i = 0; i < count; i++) {
        mw_buf_putc(out, ';');
        print_result(results[i], out);
    }
}
