/* mime_outlet.c - where the octets of bodies go: through a decoder to a part or to a reader, files
 * within texts to parts of their own. */
#include "message/mime_reader.h"

#include <string.h>

#include "message/header.h"

enum {
    NOTICE_MAX = 1024, /* octets in front of the first boundary that are but a notice */
    FOOTER_MAX = 4096  /* behind the last one: what mailing lists add */
};

/* ---- outlets ---- */

/* A file within a text begins: a part behind it. NULL: there are too many. */
static void begin_file(struct mw_mime *mime, struct mw_mime_outlet *outlet)
{
    MW_MIME_FLAG(mime, outlet->part, UUENCODE);
    if (outlet->is_file || !mw_mime_has_room(mime, outlet->part))
        return;
    struct mw_mime_reading reading = {.type = MW_LIT("application/octet-stream"),
                                      .encoding = MW_MIME_UUENCODE};
    struct mw_mime_part *file = mw_mime_alternative_new(mime, outlet->part, &reading);
    file->header = file->type_declared = file->charset = file->disposition = file->encoding =
        file->content_id = MW_EMPTY;
    file->is_message = false;
    struct mw_arena scratch = {0};
    struct mw_mime_names names = {.arena = &scratch};
    struct mw_buf name = {0};
    mw_header_decode(MW_SLICE(outlet->files->name, outlet->files->name_len),
                     3 * outlet->files->name_len, &name);
    mw_mime_names_add(&names, mw_buf_view(&name), false);
    file->name_count = names.count;
    struct mw_slice *list = mw_arena_new(&mime->arena, struct mw_slice);
    if (names.count > 0)
        *list = mw_arena_dup(&mime->arena, names.list[0]);
    file->names = list;
    file->defects = MW_DEFECT_BIT(MW_DEFECT_UUENCODE) | names.defects;
    mime->defects |= names.defects;
    mw_buf_fini(&name);
    mw_arena_fini(&scratch);
    outlet->file = file;
    mw_mime_publish(mime, file);
}

static void take_event(struct mw_mime *mime, struct mw_mime_outlet *outlet,
                       enum mw_mime_event event, struct mw_slice octets)
{
    struct mw_mime_part *file = outlet->is_file ? outlet->part : outlet->file;
    if (event == MW_MIME_FILE_BEGINS)
        begin_file(mime, outlet);
    else if (event == MW_MIME_FILE_OCTETS && file != NULL)
        mw_mime_put(mime, file, octets);
    else if (event == MW_MIME_FILE_ENDS && outlet->file != NULL) {
        mw_mime_part_end(mime, outlet->file);
        outlet->file = NULL;
    }
}

static void search_files(struct mw_mime *mime, struct mw_mime_outlet *outlet, struct mw_slice text)
{
    struct mw_slice octets = MW_EMPTY;
    for (;;) {
        enum mw_mime_event event = mw_mime_files_next(outlet->files, &text, &octets);
        if (event == MW_MIME_NOTHING)
            return;
        take_event(mime, outlet, event, octets);
    }
}

/* Decoded octets. */
static void outlet_put(struct mw_mime *mime, struct mw_mime_outlet *outlet, struct mw_slice octets)
{
    if (outlet->reader != NULL)
        mw_mime_reader_feed(outlet->reader, octets);
    else if (!outlet->is_file)
        mw_mime_put(mime, outlet->part, octets);
    if (outlet->files != NULL)
        search_files(mime, outlet, octets);
}

/* `scratch`: of the reader whose outlet it is. */
void mw_mime_outlet_feed(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet,
                         struct mw_slice in)
{
    if (outlet->decoder.kind != MW_MIME_BASE64 && outlet->decoder.kind != MW_MIME_QP) {
        outlet_put(reader->mime, outlet, in);
        return;
    }
    while (in.len > 0) {
        size_t len = mw_mime_decode(&outlet->decoder, &in, reader->scratch);
        if (len > 0)
            outlet_put(reader->mime, outlet, MW_SLICE(reader->scratch, len));
    }
}

static void end_files(struct mw_mime *mime, struct mw_mime_outlet *outlet)
{
    struct mw_slice octets = MW_EMPTY;
    for (;;) {
        enum mw_mime_event event = mw_mime_files_end(outlet->files, &octets);
        if (event == MW_MIME_NOTHING)
            break;
        take_event(mime, outlet, event, octets);
    }
    mw_mime_release(mime, outlet->files, sizeof *outlet->files);
    outlet->files = NULL;
}

void mw_mime_outlet_end(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet)
{
    size_t len = mw_mime_decode_end(&outlet->decoder, reader->scratch);
    if (len > 0)
        outlet_put(reader->mime, outlet, MW_SLICE(reader->scratch, len));
    mw_mime_flag(reader->mime, outlet->part, outlet->decoder.defects);
    if (outlet->files != NULL)
        end_files(reader->mime, outlet);
    if (outlet->reader != NULL) {
        mw_mime_reader_finish(outlet->reader); /* ends the part, its outermost frame */
        mw_mime_reader_free(&outlet->reader);
    } else {
        mw_mime_part_end(reader->mime, outlet->part);
    }
    outlet->part = NULL;
}

void mw_mime_outlet_open(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet,
                         struct mw_mime_part *part)
{
    *outlet = (struct mw_mime_outlet){.part = part, .decoder.kind = part->decoded_as};
    outlet->is_file = part->decoded_as == MW_MIME_UUENCODE;
    bool is_quiet = reader->tap == NULL || reader->tap->reader == NULL;
    bool is_text = mw_slice_starts(part->type, MW_LIT("text/"));
    if (outlet->is_file || (is_text && !part->is_alternative && is_quiet))
        outlet->files = mw_mime_alloc(reader->mime, sizeof *outlet->files);
    if (outlet->is_file)
        mw_mime_files_expect(outlet->files);
}

/* ---- looks like base64? ---- */

/* Enough octets of a leaf with an unknown encoding: another reading, if they look like base64. */
static void end_sniff(struct mw_mime_reader *reader)
{
    struct mw_mime_outlet *leaf = &reader->leaf[0];
    leaf->sniffs = false;
    struct mw_slice seen = MW_SLICE(leaf->sniff, leaf->sniff_len);
    if (!mw_mime_looks_base64(seen) || !mw_mime_has_room(reader->mime, leaf->part))
        return;
    struct mw_mime_reading reading = {.type = leaf->part->type, .encoding = MW_MIME_BASE64};
    reader->leaf[1] = (struct mw_mime_outlet){.decoder.kind = MW_MIME_BASE64};
    reader->leaf[1].part = mw_mime_alternative_new(reader->mime, leaf->part, &reading);
    mw_mime_publish(reader->mime, reader->leaf[1].part);
    mw_mime_outlet_feed(reader, &reader->leaf[1], seen);
}

/* Returns what is left for the second outlet to see. */
static struct mw_slice sniff(struct mw_mime_reader *reader, struct mw_slice in)
{
    struct mw_mime_outlet *leaf = &reader->leaf[0];
    if (!leaf->sniffs)
        return in;
    struct mw_slice piece = mw_slice_take(in, MW_MIME_SNIFF - leaf->sniff_len);
    memcpy(leaf->sniff + leaf->sniff_len, piece.ptr, piece.len);
    leaf->sniff_len += piece.len;
    if (leaf->sniff_len == MW_MIME_SNIFF)
        end_sniff(reader);
    return mw_slice_skip(in, piece.len);
}

/* ---- bodies ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Counts what is no blank, and looks for lines that begin with "Content-". */
static bool look_at_noise(struct mw_mime_frame *frame, struct mw_slice octets)
{
    static const char field[] = "\ncontent-";
    bool has_field = false;
    for (size_t i = 0; i < octets.len; i++) {
        char c = octets.ptr[i];
        frame->noise += !is_blank(c);
        frame->field_len = c == '\n'                                ? 1
                           : mw_lower(c) == field[frame->field_len] ? frame->field_len + 1
                                                                    : 0;
        if (frame->field_len == sizeof field - 1) {
            has_field = true;
            frame->field_len = 0;
        }
    }
    return has_field;
}

/* Octets of a body that are in no part: in front of the first boundary, or behind the last. The
 * lines that a mailing list puts behind it are ordinary. */
static void put_noise(struct mw_mime_reader *reader, struct mw_slice octets)
{
    struct mw_mime_frame *frame = &reader->frames[reader->frame_count - 1];
    if (!frame->is_multipart || (frame->is_open && !frame->is_closed))
        return; /* a part that is not looked at */
    bool has_field = look_at_noise(frame, octets);
    if (frame->is_closed && (has_field || frame->noise > FOOTER_MAX))
        MW_MIME_FLAG(reader->mime, frame->part, EPILOGUE_CONTENT);
    else if (!frame->is_closed && (has_field || frame->noise > NOTICE_MAX))
        MW_MIME_FLAG(reader->mime, frame->part, PREAMBLE_CONTENT);
}

void mw_mime_tap_put(struct mw_mime_reader *reader, struct mw_slice octets)
{
    if (reader->tap != NULL && octets.len > 0)
        mw_mime_outlet_feed(reader, reader->tap, octets);
}

void mw_mime_body_put(struct mw_mime_reader *reader, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    mw_mime_tap_put(reader, octets);
    if (reader->has_leaf) {
        mw_mime_outlet_feed(reader, &reader->leaf[0], octets);
        struct mw_slice rest = sniff(reader, octets);
        if (reader->leaf[1].part != NULL && rest.len > 0)
            mw_mime_outlet_feed(reader, &reader->leaf[1], rest);
    } else if (reader->frame_count > 0) {
        put_noise(reader, octets);
    }
}

void mw_mime_leaf_end(struct mw_mime_reader *reader)
{
    if (!reader->has_leaf)
        return;
    reader->has_leaf = false;
    if (reader->leaf[0].sniffs)
        end_sniff(reader);
    mw_mime_outlet_end(reader, &reader->leaf[0]);
    if (reader->leaf[1].part != NULL)
        mw_mime_outlet_end(reader, &reader->leaf[1]);
}

void mw_mime_leaf_open(struct mw_mime_reader *reader, struct mw_mime_part *part,
                       const struct mw_mime_entity *entity)
{
    reader->has_leaf = true;
    mw_mime_outlet_open(reader, &reader->leaf[0], part);
    reader->leaf[1] = (struct mw_mime_outlet){0};
    bool is_quiet = reader->tap == NULL || reader->tap->reader == NULL;
    if (entity->first.sniffs && is_quiet) {
        mw_mime_release(reader->mime, reader->leaf[0].files, sizeof *reader->leaf[0].files);
        reader->leaf[0].files = NULL;
        reader->leaf[0].sniffs = true;
    }
    if (entity->has_second && mw_mime_has_room(reader->mime, part)) {
        struct mw_mime_part *other = mw_mime_alternative_new(reader->mime, part, &entity->second);
        mw_mime_outlet_open(reader, &reader->leaf[1], other);
        mw_mime_publish(reader->mime, other);
    }
}
