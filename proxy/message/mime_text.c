/* mime_text.c - files that stand within a text: uuencode (POSIX), begin-base64, yEnc.
 *
 * Only lines that begin with "b" or "=" are looked at while there is no file. A file counts as begun
 * with its first line of data, since "begin 600 words" stands in letters, too. It ends with its own
 * end line, or with the first line that cannot be its data. */
#include <string.h>

#include "message/mime_priv.h"

enum mode {
    SEARCH = 0, /* at the beginning of a line */
    SKIP,       /* within one that means nothing */
    UU_FIRST,   /* a begin line was seen */
    UU,
    BASE64_FIRST,
    BASE64,
    YENC_FIRST,
    YENC
};

static bool take_word(struct mw_slice *text, struct mw_slice word)
{
    if (!mw_slice_starts(*text, word))
        return false;
    *text = mw_slice_skip(*text, word.len);
    return true;
}

/* "begin 644 name": three or four octal digits (POSIX uuencode). */
static bool take_mode_bits(struct mw_slice *text)
{
    size_t digits = 0;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '7')
        digits++;
    if (digits < 3 || digits > 4 || digits == text->len || text->ptr[digits] != ' ')
        return false;
    *text = mw_slice_skip(*text, digits + 1);
    return true;
}

static void keep_name(struct mw_mime_files *files, struct mw_slice name)
{
    name = mw_slice_trim(name);
    files->name_len = name.len;
    if (name.len > 0)
        memcpy(files->name, name.ptr, name.len);
}

/* "=ybegin line=128 size=123456 name=mybinary.dat": the name is the rest of the line. */
static enum mode begin_yenc(struct mw_mime_files *files, struct mw_slice rest)
{
    for (size_t at = 0; at + 5 < rest.len; at++)
        if (memcmp(rest.ptr + at, "name=", 5) == 0) {
            keep_name(files, mw_slice_skip(rest, at + 5));
            return YENC_FIRST;
        }
    return SEARCH;
}

static enum mode begin(struct mw_mime_files *files, struct mw_slice line)
{
    struct mw_slice rest = line;
    if (take_word(&rest, MW_LIT("=ybegin ")))
        return begin_yenc(files, rest);
    bool is_base64 = take_word(&rest, MW_LIT("begin-base64 "));
    if (!is_base64 && !take_word(&rest, MW_LIT("begin ")))
        return SEARCH;
    if (!take_mode_bits(&rest))
        return SEARCH;
    keep_name(files, rest);
    return is_base64 ? BASE64_FIRST : UU_FIRST;
}

/* The octets that a line of uuencode stands for; false: it is none. The count may be too high for
 * the line: trailing blanks get lost on the way. */
static bool decode_uu(struct mw_slice line, char *out, size_t *out_len)
{
    if (line.len == 0 || line.ptr[0] < ' ' || line.ptr[0] > '`')
        return false;
    size_t count = (size_t)(line.ptr[0] - ' ') & 63, chars = (count + 2) / 3 * 4;
    struct mw_slice data = mw_slice_skip(line, 1);
    if (data.len > chars + 2 || data.len + 3 < chars)
        return false;
    uint32_t bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < chars; i++) {
        char c = i < data.len ? data.ptr[i] : ' ';
        if (c < ' ' || c > '`')
            return false;
        bits = bits << 6 | ((uint32_t)(c - ' ') & 63);
        for (size_t k = 0; i % 4 == 3 && k < 3 && len < count; k++)
            out[len++] = (char)(bits >> (16 - 8 * k) & 0xff);
    }
    *out_len = len;
    return true;
}

static size_t decode_yenc(struct mw_slice line, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if (c == '=' && i + 1 < line.len)
            c = (unsigned char)((unsigned char)line.ptr[++i] - 64);
        out[len++] = (char)(unsigned char)(c - 42);
    }
    return len;
}

static bool decode_base64(struct mw_mime_files *files, struct mw_slice line, size_t *out_len)
{
    for (size_t i = 0; i < line.len; i++)
        if (!mw_is_alnum(line.ptr[i]) && strchr("+/=", line.ptr[i]) == NULL)
            return false;
    char out[MW_MIME_SCRATCH];
    *out_len = mw_mime_decode(&files->base64, &line, out);
    if (*out_len > 0)
        memcpy(files->out, out, *out_len);
    return true;
}

static bool is_end(enum mode mode, struct mw_slice line)
{
    if (mode == YENC)
        return mw_slice_starts(line, MW_LIT("=yend"));
    return mw_slice_eq(mw_slice_trim(line), mode == UU ? MW_LIT("end") : MW_LIT("===="));
}

/* A line of data of the file that is under way. */
static bool decode(struct mw_mime_files *files, enum mode mode, struct mw_slice line,
                   size_t *out_len)
{
    if (mode == UU)
        return decode_uu(line, files->out, out_len);
    if (mode == BASE64)
        return decode_base64(files, line, out_len);
    *out_len = mw_slice_starts(line, MW_LIT("=ypart ")) ? 0 : decode_yenc(line, files->out);
    return true;
}

static struct mw_slice without_end(struct mw_slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* files->line is complete. It is kept for a second look where that is asked for: line_len stays. */
static enum mw_mime_event take_line(struct mw_mime_files *files, struct mw_slice *out_octets)
{
    struct mw_slice line = without_end(MW_SLICE(files->line, files->line_len));
    enum mode mode = files->mode;
    size_t len = 0;
    if (mode == SEARCH) {
        files->mode = (uint8_t)begin(files, line);
        files->line_len = 0;
        return MW_MIME_NOTHING;
    }
    bool is_first = mode == UU_FIRST || mode == BASE64_FIRST || mode == YENC_FIRST;
    if (is_first)
        mode++;
    files->base64 = is_first ? (struct mw_mime_decoder){.kind = MW_MIME_BASE64} : files->base64;
    bool ends = is_end(mode, line);
    if (ends || !decode(files, mode, line, &len)) {
        files->mode = SEARCH;
        files->line_len = ends ? 0 : files->line_len; /* else it is looked at as a line of text */
        return is_first ? MW_MIME_NOTHING : MW_MIME_FILE_ENDS;
    }
    if (is_first) {
        files->mode = (uint8_t)mode; /* this line is decoded again */
        files->base64 = (struct mw_mime_decoder){.kind = MW_MIME_BASE64};
        return MW_MIME_FILE_BEGINS;
    }
    files->line_len = 0;
    *out_octets = MW_SLICE(files->out, len);
    return len > 0 ? MW_MIME_FILE_OCTETS : MW_MIME_NOTHING;
}

/* Within lines that mean nothing: to the next one that may. */
static void skip_text(struct mw_mime_files *files, struct mw_slice *in)
{
    while (in->len > 0) {
        if (files->mode == SEARCH && (in->ptr[0] == 'b' || in->ptr[0] == '='))
            return;
        const char *newline = memchr(in->ptr, '\n', in->len);
        files->mode = newline == NULL ? SKIP : SEARCH;
        *in = newline == NULL ? MW_EMPTY : mw_slice_skip(*in, (size_t)(newline - in->ptr) + 1);
    }
}

/* Moves octets of one line in; true: it is complete, or as long as lines get. */
static bool gather(struct mw_mime_files *files, struct mw_slice *in)
{
    struct mw_slice piece = mw_slice_take(*in, MW_MIME_LINE_MAX - files->line_len);
    const char *newline = memchr(piece.ptr, '\n', piece.len);
    if (newline != NULL)
        piece.len = (size_t)(newline - piece.ptr) + 1;
    memcpy(files->line + files->line_len, piece.ptr, piece.len);
    files->line_len += piece.len;
    *in = mw_slice_skip(*in, piece.len);
    return newline != NULL || files->line_len == MW_MIME_LINE_MAX;
}

/* A line that is too long is no data and no begin line. */
static enum mw_mime_event give_up_line(struct mw_mime_files *files)
{
    bool was_begun = files->mode == UU || files->mode == BASE64 || files->mode == YENC;
    files->line_len = 0;
    files->mode = SKIP;
    return was_begun ? MW_MIME_FILE_ENDS : MW_MIME_NOTHING;
}

static bool has_line(const struct mw_mime_files *files)
{
    return files->line_len > 0 && files->line[files->line_len - 1] == '\n';
}

/* Does an octet at this place mean nothing? */
static bool is_idle(const struct mw_mime_files *files, char c)
{
    return files->mode == SKIP || (files->mode == SEARCH && c != 'b' && c != '=');
}

enum mw_mime_event mw_mime_files_next(struct mw_mime_files *files, struct mw_slice *in,
                                      struct mw_slice *out_octets)
{
    while (in->len > 0 || has_line(files)) {
        enum mw_mime_event event = MW_MIME_NOTHING;
        if (has_line(files))
            event = take_line(files, out_octets);
        else if (files->line_len == 0 && is_idle(files, in->ptr[0]))
            skip_text(files, in);
        else if (gather(files, in) && !has_line(files))
            event = give_up_line(files);
        if (event != MW_MIME_NOTHING)
            return event;
    }
    return MW_MIME_NOTHING;
}

void mw_mime_files_expect(struct mw_mime_files *files)
{
    files->mode = UU_FIRST;
}

enum mw_mime_event mw_mime_files_end(struct mw_mime_files *files, struct mw_slice *out_octets)
{
    if (files->line_len > 0) {
        enum mw_mime_event event = take_line(files, out_octets);
        if (event != MW_MIME_NOTHING)
            return event;
    }
    bool was_begun = files->mode == UU || files->mode == BASE64 || files->mode == YENC;
    files->mode = SKIP;
    files->line_len = 0;
    return was_begun ? MW_MIME_FILE_ENDS : MW_MIME_NOTHING;
}
