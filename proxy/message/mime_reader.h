/* mime_reader.h - what the files share that take the octets of a message apart.
 *
 *   mime.c          parts as the sink sees them, the message as a whole
 *   mime_reader.c   octets to lines
 *   mime_frame.c    containers, boundaries, entities
 *   mime_outlet.c   bodies to decoders, parts and readers */
#ifndef MW_MESSAGE_MIME_READER_H
#define MW_MESSAGE_MIME_READER_H

#include "message/mime_priv.h"

/* Where a reader is: mime_reader.c tells. */
enum mw_mime_place {
    MW_MIME_AT_HEADER = 0,
    MW_MIME_AT_HEADER_REST,
    MW_MIME_AT_LINE,
    MW_MIME_AT_BODY,
    MW_MIME_AT_BODY_CR,
    MW_MIME_AT_GUESS
};

/* Where octets of a body go. */
struct mw_mime_outlet {
    struct mw_mime_part *part;     /* NULL: nowhere */
    struct mw_mime_reader *reader; /* instead of the part's octets */
    struct mw_mime_decoder decoder;
    struct mw_mime_files *files; /* looks for files in the decoded text */
    struct mw_mime_part *file;   /* the one that is under way */
    bool is_file;                /* the part is that file itself */
    bool sniffs;
    size_t sniff_len;
    char sniff[MW_MIME_SNIFF];
};

struct mw_mime_frame {
    struct mw_mime_part *part;
    struct mw_slice boundaries[MW_MIME_BOUNDARIES];
    size_t boundary_count;
    bool is_multipart, guesses_boundary, is_open, is_closed;
    uint32_t places;
    size_t noise;      /* octets in front or behind that are no blanks */
    uint8_t field_len; /* octets of a Content- field's name that were just seen there */
    struct mw_mime_outlet *tap;
};

struct mw_mime_reader {
    struct mw_mime *mime;
    unsigned depth; /* readers around it */
    uint8_t place;
    uint8_t held; /* octets of the line end that is held back */
    bool has_field, has_leaf;
    size_t frame_count;
    struct mw_mime_frame frames[MW_MIME_DEPTH_MAX + 1];
    struct mw_mime_outlet leaf[2];
    struct mw_mime_outlet *tap; /* of one of the frames */
    struct mw_buf block;
    bool is_block_full;
    uint64_t block_defects;
    size_t guess_len, line_len;
    char guess[MW_MIME_BOUNDARY_MAX];
    char line[MW_MIME_LINE_MAX];
    char scratch[MW_MIME_SCRATCH];
};

struct mw_mime {
    struct mw_mime_sink sink;
    struct mw_arena arena;
    struct mw_mime_part **parts;
    size_t count, cap;
    size_t header_octets; /* of all parts */
    size_t heap;          /* octets of readers, taps and the like */
    uint64_t defects;
    bool has_crlf, has_bare, ends_in_cr, is_binary, is_finished;
    struct mw_mime_reader *reader;
};

struct mw_mime_delimiter {
    size_t frame;
    bool is_close;
};

/* ---- mime.c ---- */

#define MW_MIME_FLAG(mime, part, id) mw_mime_flag((mime), (part), MW_DEFECT_BIT(MW_DEFECT_##id))
/* `part` NULL: it belongs to none. */
void mw_mime_flag(struct mw_mime *mime, struct mw_mime_part *part, uint64_t defects);
/* Heap memory that mw_mime_memory counts. */
void *mw_mime_alloc(struct mw_mime *mime, size_t size);
void mw_mime_release(struct mw_mime *mime, void *memory, size_t size);
/* May there be another part? If not, `near` gets the defect. */
bool mw_mime_has_room(struct mw_mime *mime, struct mw_mime_part *near);
/* The sink hears of it when it is complete: mw_mime_publish(). */
struct mw_mime_part *mw_mime_part_new(struct mw_mime *mime, struct mw_mime_part *parent);
/* A second part for the same entity. */
struct mw_mime_part *mw_mime_alternative_new(struct mw_mime *mime, const struct mw_mime_part *first,
                                             const struct mw_mime_reading *reading);
void mw_mime_publish(struct mw_mime *mime, struct mw_mime_part *part);
void mw_mime_put(struct mw_mime *mime, struct mw_mime_part *part, struct mw_slice octets);
void mw_mime_part_end(struct mw_mime *mime, struct mw_mime_part *part);

/* ---- mime_reader.c ---- */

struct mw_mime_reader *mw_mime_reader_new(struct mw_mime *mime, unsigned depth);
void mw_mime_reader_free(struct mw_mime_reader **reader);
void mw_mime_reader_feed(struct mw_mime_reader *reader, struct mw_slice in);
/* No more octets: everything that is open ends. */
void mw_mime_reader_finish(struct mw_mime_reader *reader);

/* ---- mime_frame.c ---- */

/* Is the line a boundary of a frame? The innermost one that is not closed yet counts. `line`: with
 * its line end, or the last one. RFC 2046 5.1.1: blanks may follow the boundary. */
bool mw_mime_delimiter_find(struct mw_mime_reader *reader, struct mw_slice line,
                            struct mw_mime_delimiter *out);
void mw_mime_delimiter_take(struct mw_mime_reader *reader, struct mw_slice line,
                            struct mw_mime_delimiter delimiter);
/* A line that looks like a boundary where the first one is missing: it is kept until the next line
 * tells. */
bool mw_mime_guess_keep(struct mw_mime_reader *reader, struct mw_slice line);
/* The line behind one that was kept. */
void mw_mime_guess_take(struct mw_mime_reader *reader, struct mw_slice line);
void mw_mime_header_begin(struct mw_mime_reader *reader);
/* The block is over: what it describes begins. reader->place is for its body. */
void mw_mime_header_end(struct mw_mime_reader *reader);
void mw_mime_frame_pop(struct mw_mime_reader *reader);
/* The line end that was held back, which is content now. */
struct mw_slice mw_mime_held_end(struct mw_mime_reader *reader);

/* ---- mime_outlet.c ---- */

void mw_mime_outlet_open(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet,
                         struct mw_mime_part *part);
/* `reader`: whose outlet it is. */
void mw_mime_outlet_feed(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet,
                         struct mw_slice in);
void mw_mime_outlet_end(struct mw_mime_reader *reader, struct mw_mime_outlet *outlet);
void mw_mime_leaf_open(struct mw_mime_reader *reader, struct mw_mime_part *part,
                       const struct mw_mime_entity *entity);
void mw_mime_leaf_end(struct mw_mime_reader *reader);
/* Octets of a body: to its leaf and to the tap. */
void mw_mime_body_put(struct mw_mime_reader *reader, struct mw_slice octets);
void mw_mime_tap_put(struct mw_mime_reader *reader, struct mw_slice octets);

#endif
