/* mime_frame.c - containers that are open, the boundaries that separate and close them, and how an
 * entity begins. */
#include "message/mime_reader.h"

#include <string.h>

enum { READERS_MAX = 4 };

struct mw_slice mw_mime_held_end(struct mw_mime_reader *reader)
{
    struct mw_slice end = MW_LIT("\r\n");
    end = mw_slice_skip(end, 2U - reader->held);
    reader->held = 0;
    return end;
}

void mw_mime_frame_pop(struct mw_mime_reader *reader)
{
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    if (frame->is_multipart && !frame->is_open)
        MW_MIME_FLAG(reader->mime, frame->part, BOUNDARY_NOT_FOUND);
    else if (frame->is_multipart && !frame->is_closed)
        MW_MIME_FLAG(reader->mime, frame->part, NO_CLOSE);
    mw_mime_part_end(reader->mime, frame->part);
    if (frame->tap != NULL) {
        mw_mime_outlet_end(reader, frame->tap);
        mw_mime_release(reader->mime, frame->tap, sizeof *frame->tap);
        reader->tap = frame->tap = NULL;
    }
    reader->frame_count--;
}

/* ---- boundaries ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct mw_slice without_end(struct mw_slice line)
{
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    return line;
}

static bool matches(const struct mw_mime_frame *frame, struct mw_slice text, bool *out_is_close)
{
    for (size_t i = 0; i < frame->boundary_count; i++) {
        if (!mw_slice_starts(text, frame->boundaries[i]))
            continue;
        struct mw_slice tail = mw_slice_skip(text, frame->boundaries[i].len);
        *out_is_close = mw_slice_eq(tail, MW_LIT("--"));
        if (tail.len == 0 || *out_is_close ||
            frame->boundaries[i].len == MW_MIME_BOUNDARY_MAX) /* its end was cut off */
            return true;
    }
    return false;
}

/* A multipart that names no boundary: the first line that looks like one tells it. */
static bool guess(struct mw_mime_reader *reader, struct mw_slice text)
{
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    if (reader->has_leaf || !frame->guesses_boundary || text.len == 0 ||
        text.len > MW_MIME_BOUNDARY_MAX)
        return false;
    frame->guesses_boundary = false;
    frame->boundaries[frame->boundary_count++] = mw_arena_dup(&reader->mime->arena, text);
    return true;
}

static bool match_frames(const struct mw_mime_reader *reader, struct mw_slice text, bool are_closed,
                         struct mw_mime_delimiter *out)
{
    for (size_t i = reader->frame_count; i > 0; i--)
        if (reader->frames[i - 1].is_closed == are_closed &&
            matches(&reader->frames[i - 1], text, &out->is_close)) {
            out->frame = i - 1;
            return true;
        }
    return false;
}

/* Is the line a boundary of a frame? The innermost one that is not closed yet counts. `line`: with its line end, or the
 * last one. RFC 2046 5.1.1: blanks may follow the boundary. */
bool mw_mime_delimiter_find(struct mw_mime_reader *reader, struct mw_slice line,
                            struct mw_mime_delimiter *out)
{
    if (reader->frame_count == 0 || !mw_slice_starts(line, MW_LIT("--")))
        return false;
    struct mw_slice text = without_end(mw_slice_skip(line, 2));
    if (match_frames(reader, text, false, out) || match_frames(reader, text, true, out))
        return true;
    *out = (struct mw_mime_delimiter){.frame = reader->frame_count - 1};
    return guess(reader, text);
}

void mw_mime_header_begin(struct mw_mime_reader *reader)
{
    reader->place = MW_MIME_AT_HEADER;
    reader->has_field = reader->is_block_full = false;
    reader->block.len = 0;
    reader->block_defects = 0;
}

/* Behind a boundary of the innermost frame. */
static void enter(struct mw_mime_reader *reader, bool is_close)
{
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    if (frame->is_closed && !is_close)
        MW_MIME_FLAG(reader->mime, frame->part, EPILOGUE_CONTENT);
    frame->is_open |= !is_close;
    frame->is_closed = is_close;
    frame->noise = 0;
    frame->field_len = 1;
    reader->place = MW_MIME_AT_LINE;
    if (!is_close && mw_mime_has_room(reader->mime, frame->part))
        mw_mime_header_begin(reader);
}

void mw_mime_delimiter_take(struct mw_mime_reader *reader, struct mw_slice line,
                            struct mw_mime_delimiter delimiter)
{
    mw_mime_leaf_end(reader);
    while (reader->frame_count > delimiter.frame + 1)
        mw_mime_frame_pop(reader);
    mw_mime_tap_put(reader, mw_mime_held_end(reader));
    mw_mime_tap_put(reader, line);
    enter(reader, delimiter.is_close);
}

/* A line that looks like a boundary where the first one is missing: it is kept until the next line
 * tells. */
bool mw_mime_guess_keep(struct mw_mime_reader *reader, struct mw_slice line)
{
    struct mw_slice text = without_end(mw_slice_skip(line, 2));
    const struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    if (reader->has_leaf || !frame->is_multipart || frame->is_open || frame->is_closed ||
        frame->boundary_count == MW_MIME_BOUNDARIES || text.len == 0 ||
        text.len > MW_MIME_BOUNDARY_MAX)
        return false;
    memcpy(reader->guess, text.ptr, text.len);
    reader->guess_len = text.len;
    return true;
}

/* The line behind one that was kept. */
void mw_mime_guess_take(struct mw_mime_reader *reader, struct mw_slice line)
{
    reader->place = MW_MIME_AT_LINE;
    if (mw_slice_istarts(line, MW_LIT("Content-"))) {
        struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
        MW_MIME_FLAG(reader->mime, frame->part, BOUNDARY_NOT_FOUND);
        frame->boundaries[frame->boundary_count++] = mw_arena_dup(
            &reader->mime->arena, MW_SLICE(reader->guess, reader->guess_len));
        enter(reader, false);
    }
    mw_mime_reader_feed(reader, line);
}

/* ---- entities ---- */

static struct mw_slice path_of(struct mw_mime_reader *reader, enum mw_mime_kind kind)
{
    struct mw_arena *arena = &reader->mime->arena;
    if (reader->frame_count == 0)
        return kind == MW_MIME_MULTIPART ? MW_EMPTY : MW_LIT("1");
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    struct mw_slice base = frame->part->path;
    if (!frame->is_multipart && kind == MW_MIME_MULTIPART)
        return base;
    unsigned place = frame->is_multipart ? ++frame->places : 1;
    return mw_arena_printf(arena, "%.*s%s%u", (int)base.len, base.ptr, base.len > 0 ? "." : "",
                           place);
}

static void check_nested(struct mw_mime_reader *reader, const struct mw_mime_frame *inner)
{
    for (size_t i = 0; i + 1 < reader->frame_count; i++)
        for (size_t k = 0; k < reader->frames[i].boundary_count; k++)
            for (size_t m = 0; m < inner->boundary_count; m++)
                if (mw_slice_starts(reader->frames[i].boundaries[k], inner->boundaries[m]))
                    MW_MIME_FLAG(reader->mime, inner->part, BOUNDARY_NESTED);
}

static struct mw_mime_frame *push(struct mw_mime_reader *reader, struct mw_mime_part *part,
                                  const struct mw_mime_reading *reading)
{
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count++];
    *frame = (struct mw_mime_frame){.part = part,
                                    .is_multipart = reading->kind == MW_MIME_MULTIPART,
                                    .guesses_boundary = reading->guesses_boundary,
                                    .boundary_count = reading->boundary_count,
                                    .field_len = 1};
    memcpy(frame->boundaries, reading->boundaries, sizeof frame->boundaries);
    check_nested(reader, frame);
    if (frame->is_multipart)
        reader->place = MW_MIME_AT_LINE;
    else
        mw_mime_header_begin(reader);
    return frame;
}

/* The other reading of a container. */
static void open_tap(struct mw_mime_reader *reader, struct mw_mime_frame *frame,
                     const struct mw_mime_entity *entity)
{
    bool is_container = entity->second.kind != MW_MIME_LEAF;
    if (reader->tap != NULL || (is_container && reader->depth == READERS_MAX) ||
        !mw_mime_has_room(reader->mime, frame->part))
        return;
    struct mw_mime_outlet *tap = mw_mime_alloc(reader->mime, sizeof *tap);
    struct mw_mime_part *part = mw_mime_alternative_new(reader->mime, frame->part, &entity->second);
    mw_mime_outlet_open(reader, tap, part);
    if (is_container) {
        tap->reader = mw_mime_reader_new(reader->mime, reader->depth + 1);
        push(tap->reader, part, &entity->second);
    }
    frame->tap = reader->tap = tap;
    mw_mime_publish(reader->mime, part);
}

/* The block is over: what it describes begins. reader->place is for its body. */
void mw_mime_header_end(struct mw_mime_reader *reader)
{
    struct mw_mime *mime = reader->mime;
    struct mw_mime_frame *frame = reader->frame_count == 0
                                      ? NULL
                                      : &reader->frames[reader->frame_count - 1];
    reader->place = MW_MIME_AT_LINE;
    reader->held = 0;
    if (!mw_mime_has_room(mime, frame == NULL ? NULL : frame->part))
        return;
    struct mw_mime_part *part = mw_mime_part_new(mime, frame == NULL ? NULL : frame->part);
    part->header = mw_arena_dup(&mime->arena, mw_buf_view(&reader->block));
    part->is_message = frame == NULL || !frame->is_multipart;
    mime->header_octets += part->header.len;
    struct mw_mime_entity entity;
    bool in_digest = frame != NULL && mw_slice_eq(frame->part->type, MW_LIT("multipart/digest"));
    mw_mime_entity_read(&mime->arena, part, in_digest, &entity);
    mime->is_binary |= entity.is_binary;
    if (entity.first.kind != MW_MIME_LEAF && part->depth == MW_MIME_DEPTH_MAX) {
        MW_MIME_FLAG(mime, part, NESTING);
        entity.first.kind = MW_MIME_LEAF;
        entity.has_second = false;
    }
    part->path = path_of(reader, entity.first.kind);
    part->type = entity.first.type;
    part->decoded_as = entity.first.encoding;
    part->is_container = entity.first.kind != MW_MIME_LEAF;
    mw_mime_flag(mime, part, entity.defects | reader->block_defects);
    mw_mime_publish(mime, part);
    if (!part->is_container) {
        mw_mime_leaf_open(reader, part, &entity);
        return;
    }
    struct mw_mime_frame *own = push(reader, part, &entity.first);
    if (entity.has_second)
        open_tap(reader, own, &entity);
}
