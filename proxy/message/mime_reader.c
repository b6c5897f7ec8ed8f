/* mime_reader.c - from octets to lines, and what each line means.
 *
 * A reader goes through one sequence of octets with a stack of frames, one for each container that
 * is open. It is at one of these places:
 *
 *   HEADER        at or within the first octets of a line of a header block
 *   HEADER_REST   within a line of it that is already known
 *   LINE          in a body, at the beginning of a line: the line end before it is held back, since
 *                 it belongs to a boundary that may follow (RFC 2046 5.1.1), and "-", "--..." too
 *   BODY          in a body, within a line
 *   BODY_CR       there, behind a CR that is held back
 *   GUESS         in front of the first boundary, behind a line that looks like one but is none: if
 *                 the next line is a Content- field, it was one
 *
 * In a body only line ends that "--" follows are looked at (find_line()), so long stretches go to
 * the decoders whole. Nothing depends on where the input was cut: decisions are taken on lines, or
 * on their first MW_MIME_LINE_MAX octets.
 *
 * Octets of a leaf go through its outlets: one for the part, one for its other reading. A container
 * with another reading has a tap: an outlet that gets all octets of its body, decodes them, and
 * gives them to a part or to a reader of its own. A reader has at most one tap at a time, and readers
 * are at most READERS_MAX deep, so that the work on an octet is bounded. While a reader has a tap
 * with a reader behind it, nothing else in it makes parts within a body: or the order of parts
 * would depend on the cuts. */
#include "message/mime_reader.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK_FIRST = 2048 }; /* most header blocks fit */

/* ---- readers ---- */

struct mw_mime_reader *mw_mime_reader_new(struct mw_mime *mime, unsigned depth)
{
    mime->heap += sizeof(struct mw_mime_reader);
    struct mw_mime_reader *reader = mw_xalloc(sizeof *reader);
    memset(reader, 0,
           offsetof(struct mw_mime_reader, guess)); /* the rest is filled before it is read */
    reader->mime = mime;
    reader->depth = depth;
    return reader;
}

void mw_mime_reader_free(struct mw_mime_reader **reader)
{
    if (*reader == NULL)
        return;
    struct mw_mime *mime = (*reader)->mime;
    for (size_t i = 0; i < (*reader)->frame_count; i++) {
        struct mw_mime_outlet *tap = (*reader)->frames[i].tap;
        if (tap == NULL)
            continue;
        mw_mime_reader_free(&tap->reader);
        mw_mime_release(mime, tap->files, sizeof *tap->files);
        mw_mime_release(mime, tap, sizeof *tap);
    }
    for (size_t i = 0; i < 2; i++)
        mw_mime_release(mime, (*reader)->leaf[i].files, sizeof *(*reader)->leaf[i].files);
    mime->heap -= sizeof **reader;
    mw_buf_fini(&(*reader)->block);
    free(*reader);
    *reader = NULL;
}

/* ---- header blocks ---- */

static void keep(struct mw_mime_reader *reader, struct mw_slice octets)
{
    size_t used = reader->mime->header_octets + reader->block.len;
    size_t room = MW_MIME_HEADER_MAX - reader->block.len;
    if (room > MW_MIME_HEADERS_MAX - used)
        room = MW_MIME_HEADERS_MAX - used;
    if (reader->is_block_full || octets.len > room) {
        reader->is_block_full = true;
        reader->block_defects |= MW_DEFECT_BIT(MW_DEFECT_HEADER_TOO_LONG);
        octets = mw_slice_take(octets, room);
    }
    if (reader->block.cap == 0)
        mw_buf_reserve(&reader->block, BLOCK_FIRST);
    if (octets.len > 0)
        mw_buf_put(&reader->block, octets);
}

/* Two boundaries with nothing between them, not even an empty line: no program sees a part there. */
static bool is_between_delimiters(const struct mw_mime_reader *reader)
{
    return reader->block.len == 0 && reader->frame_count > 0 &&
           reader->frames[reader->frame_count - 1].is_multipart;
}

/* A line, or its beginning, of a header block. One that ends the block without being the empty line
 * is looked at again as the body's first. */
static void take_header_line(struct mw_mime_reader *reader, struct mw_slice line, bool is_whole)
{
    struct mw_mime_delimiter delimiter;
    bool is_delimiter = is_whole && mw_mime_delimiter_find(reader, line, &delimiter);
    enum mw_mime_line kind = is_delimiter ? MW_MIME_LINE_BODY
                                          : mw_mime_line_kind(line, reader->has_field);
    if (kind == MW_MIME_LINE_BODY) {
        if (!is_delimiter)
            reader->block_defects |= MW_DEFECT_BIT(MW_DEFECT_HEADER_NO_COLON);
        if (is_delimiter && is_between_delimiters(reader))
            reader->place = MW_MIME_AT_LINE;
        else
            mw_mime_header_end(reader);
        mw_mime_reader_feed(reader, line);
        return;
    }
    struct mw_mime_outlet *tap = reader->tap; /* not one that begins behind the line */
    if (kind == MW_MIME_LINE_END)
        mw_mime_header_end(reader);
    if (tap != NULL)
        mw_mime_outlet_feed(reader, tap, line);
    if (kind == MW_MIME_LINE_END)
        return;
    if (kind == MW_MIME_LINE_BLANK)
        reader->block_defects |= MW_DEFECT_BIT(MW_DEFECT_HEADER_BLANK_LINE);
    reader->has_field |= kind == MW_MIME_LINE_FIELD;
    keep(reader, line);
    reader->place = is_whole ? MW_MIME_AT_HEADER : MW_MIME_AT_HEADER_REST;
}

/* ---- octets ---- */

/* The line in front, whole, or its first MW_MIME_LINE_MAX octets: a view into `in` or reader->line.
 * False: there is more to come, and what is there is kept. */
static bool gather(struct mw_mime_reader *reader, struct mw_slice *in, struct mw_slice *out_line,
                   bool *out_is_whole)
{
    struct mw_slice piece = mw_slice_take(*in, MW_MIME_LINE_MAX - reader->line_len);
    const char *newline = memchr(piece.ptr, '\n', piece.len);
    if (newline != NULL)
        piece.len = (size_t)(newline - piece.ptr) + 1;
    *in = mw_slice_skip(*in, piece.len);
    *out_is_whole = newline != NULL;
    if (reader->line_len == 0 && (newline != NULL || piece.len == MW_MIME_LINE_MAX)) {
        *out_line = piece;
        return true;
    }
    memmove(reader->line + reader->line_len, piece.ptr, piece.len); /* perhaps from reader->line */
    reader->line_len += piece.len;
    if (newline == NULL && reader->line_len < MW_MIME_LINE_MAX)
        return false;
    *out_line = MW_SLICE(reader->line, reader->line_len);
    reader->line_len = 0;
    return true;
}

static struct mw_slice take_header(struct mw_mime_reader *reader, struct mw_slice in)
{
    struct mw_slice line;
    bool is_whole;
    if (gather(reader, &in, &line, &is_whole))
        take_header_line(reader, line, is_whole);
    return in;
}

static struct mw_slice take_header_rest(struct mw_mime_reader *reader, struct mw_slice in)
{
    const char *newline = memchr(in.ptr, '\n', in.len);
    size_t len = newline == NULL ? in.len : (size_t)(newline - in.ptr) + 1;
    mw_mime_tap_put(reader, mw_slice_take(in, len));
    keep(reader, mw_slice_take(in, len));
    if (newline != NULL)
        reader->place = MW_MIME_AT_HEADER;
    return mw_slice_skip(in, len);
}

#ifdef __SSE2__
/* Octets in front that hold no "\n-", 16 at a time; the rest is too short, or begins with 16 octets
 * that do. */
static size_t skip_lines(struct mw_slice in)
{
    const __m128i newline = _mm_set1_epi8('\n'), dash = _mm_set1_epi8('-');
    size_t at = 0;
    for (; at + 17 <= in.len; at += 16) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(in.ptr + at));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(in.ptr + at + 1));
        if (_mm_movemask_epi8(
                _mm_and_si128(_mm_cmpeq_epi8(first, newline), _mm_cmpeq_epi8(next, dash))) != 0)
            break;
    }
    return at;
}
#else
static size_t skip_lines(struct mw_slice in)
{
    (void)in;
    return 0;
}
#endif

/* Octets up to the next line end that a boundary may follow. */
static size_t find_line(struct mw_slice in)
{
    for (size_t at = skip_lines(in); at < in.len;) {
        const char *newline = memchr(in.ptr + at, '\n', in.len - at);
        if (newline == NULL)
            return in.len;
        at = (size_t)(newline - in.ptr) + 1;
        if (at == in.len || (in.ptr[at] == '-' && (at + 1 == in.len || in.ptr[at + 1] == '-')))
            return at - 1;
        if (in.ptr[at] == '-') /* "\n-x": go on at full speed */
            at += skip_lines(mw_slice_skip(in, at));
    }
    return in.len;
}

static struct mw_slice take_body(struct mw_mime_reader *reader, struct mw_slice in)
{
    size_t len = find_line(in);
    bool has_end = len<in.len, has_cr = len> 0 && in.ptr[len - 1] == '\r';
    mw_mime_body_put(reader, mw_slice_take(in, has_cr ? len - 1 : len));
    reader->place = has_end ? MW_MIME_AT_LINE : has_cr ? MW_MIME_AT_BODY_CR : MW_MIME_AT_BODY;
    reader->held = !has_end ? 0 : has_cr ? 2 : 1;
    return mw_slice_skip(in, has_end ? len + 1 : len);
}

static struct mw_slice take_cr(struct mw_mime_reader *reader, struct mw_slice in)
{
    if (in.ptr[0] == '\n') {
        reader->held = 2;
        reader->place = MW_MIME_AT_LINE;
        return mw_slice_skip(in, 1);
    }
    reader->place = MW_MIME_AT_BODY;
    mw_mime_body_put(reader, MW_LIT("\r"));
    return in;
}

static bool may_be_delimiter(const struct mw_mime_reader *reader, struct mw_slice in)
{
    if (reader->line_len > 1)
        return true;
    if (in.ptr[0] != '-')
        return false;
    return reader->line_len == 1 || in.len == 1 || in.ptr[1] == '-';
}

/* A line of a body that is no boundary, or what of it is there. */
static void take_text(struct mw_mime_reader *reader, struct mw_slice line)
{
    mw_mime_body_put(reader, mw_mime_held_end(reader));
    reader->place = MW_MIME_AT_BODY;
    while (line.len > 0)
        line = take_body(reader, line);
}

/* A line that begins with "--". */
static void take_dashes(struct mw_mime_reader *reader, struct mw_slice line, bool is_whole)
{
    struct mw_mime_delimiter delimiter;
    if (is_whole && mw_mime_delimiter_find(reader, line, &delimiter)) {
        mw_mime_delimiter_take(reader, line, delimiter);
    } else if (is_whole && reader->frame_count > 0 && mw_mime_guess_keep(reader, line)) {
        mw_mime_body_put(reader, mw_mime_held_end(reader));
        mw_mime_body_put(reader, line);
        reader->place = MW_MIME_AT_GUESS;
    } else {
        take_text(reader, line);
    }
}

static struct mw_slice take_line(struct mw_mime_reader *reader, struct mw_slice in)
{
    struct mw_slice line;
    bool is_whole;
    if (!may_be_delimiter(reader, in)) {
        line = MW_SLICE(reader->line, reader->line_len);
        reader->line_len = 0;
        take_text(reader, line);
        return in;
    }
    if (!gather(reader, &in, &line, &is_whole))
        return in;
    take_dashes(reader, line, is_whole);
    return in;
}

static struct mw_slice take_behind_guess(struct mw_mime_reader *reader, struct mw_slice in)
{
    struct mw_slice line;
    bool is_whole;
    if (gather(reader, &in, &line, &is_whole))
        mw_mime_guess_take(reader, line);
    return in;
}

void mw_mime_reader_feed(struct mw_mime_reader *reader, struct mw_slice in)
{
    while (in.len > 0)
        switch ((enum mw_mime_place)reader->place) {
        case MW_MIME_AT_HEADER:
            in = take_header(reader, in);
            break;
        case MW_MIME_AT_HEADER_REST:
            in = take_header_rest(reader, in);
            break;
        case MW_MIME_AT_LINE:
            in = take_line(reader, in);
            break;
        case MW_MIME_AT_BODY:
            in = take_body(reader, in);
            break;
        case MW_MIME_AT_BODY_CR:
            in = take_cr(reader, in);
            break;
        case MW_MIME_AT_GUESS:
            in = take_behind_guess(reader, in);
            break;
        }
}

/* The last line, which has no line end. */
static void finish_line(struct mw_mime_reader *reader)
{
    struct mw_slice line = MW_SLICE(reader->line, reader->line_len);
    reader->line_len = 0;
    if (reader->place == MW_MIME_AT_HEADER)
        take_header_line(reader, line, true);
    else if (reader->place == MW_MIME_AT_GUESS)
        mw_mime_guess_take(reader, line);
    else if (reader->line[1] == '-' && line.len > 1)
        take_dashes(reader, line, true);
    else
        take_text(reader, line);
}

void mw_mime_reader_finish(struct mw_mime_reader *reader)
{
    while (reader->line_len > 0 || reader->place <= MW_MIME_AT_HEADER_REST) {
        if (reader->line_len > 0)
            finish_line(reader);
        else
            mw_mime_header_end(reader);
    }
    if (reader->place == MW_MIME_AT_BODY_CR)
        mw_mime_body_put(reader, MW_LIT("\r"));
    mw_mime_body_put(reader, mw_mime_held_end(reader));
    mw_mime_leaf_end(reader);
    while (reader->frame_count > 0)
        mw_mime_frame_pop(reader);
}
